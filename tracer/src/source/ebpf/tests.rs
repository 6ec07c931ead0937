//! Live: the programs in this kernel. Only as root; elsewhere said and left out (`NATSTRACE_NEED_PROBES=1` forbids that).
use super::*;
use crate::base::{PortSet, Timestamp};
use crate::kernel::{KernelEvent, KernelRecord, TcpState};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The probes on a port, or a word why not.
fn open(port: u16) -> Option<Probes> {
    let ports: PortSet = port.to_string().parse().unwrap();
    match Probes::open(&ports, &ProbeOptions::default()) {
        Ok(probes) => Some(probes),
        Err(error) if std::env::var_os("NATSTRACE_NEED_PROBES").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("left out: {error}");
            None
        }
    }
}

/// Reads until `enough` has been seen, at most for three seconds.
fn until(probes: &mut Probes, enough: impl Fn(&KernelRecord) -> bool) -> Vec<KernelRecord> {
    let begun = Instant::now();
    let mut all: Vec<KernelRecord> = Vec::new();
    while !all.iter().any(&enough) && begun.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(10));
        probes.read(&mut |record| all.push(record));
    }
    all
}

/// A connection to ourselves: the listener's port is free, no other test takes it.
fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn a_close_and_an_abort_name_their_process() {
    let Some(mut probes) = open(14222) else { return };
    for status in probes.status() {
        assert!(!matches!(status.state, ProbeState::Failed(_)), "{status:?}");
        eprintln!("{} {:?} found {:?} missing {:?}", status.name, status.state, status.found, status.missing);
    }
    let listener = TcpListener::bind("127.0.0.1:14222").unwrap();
    // One closed in order, one with octets nobody read.
    let (client, mut server) = pair(&listener);
    drop(client);
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    drop(server);
    let (mut client, server) = pair(&listener);
    client.write_all(b"unread").unwrap();
    drop(server);
    let all = until(&mut probes, |r| matches!(r.event, KernelEvent::SocketError { .. }));
    for record in &all {
        eprintln!("{record:?}");
    }
    let own = |r: &&KernelRecord| r.process.as_ref().is_some_and(|p| p.pid == std::process::id());
    let states = |from: TcpState, to: TcpState| move |r: &&KernelRecord| matches!(r.event, KernelEvent::State { from: f, to: t, .. } if f == from && t == to);
    for (from, to) in [
        (TcpState::Close, TcpState::Listen),
        (TcpState::Close, TcpState::SynSent),
        (TcpState::Established, TcpState::FinWait1),
        (TcpState::CloseWait, TcpState::LastAck),
    ] {
        assert!(all.iter().filter(states(from, to)).any(|r| own(&r)), "{from:?} to {to:?}");
    }
    // What softirq does is nobody's.
    assert!(all.iter().filter(states(TcpState::SynSent, TcpState::Established)).all(|r| r.process.is_none()));
    let resets: Vec<_> = all
        .iter()
        .filter_map(|r| match &r.event {
            KernelEvent::ResetSent { local, reason, .. } => Some((own(&r), local.port, reason.as_deref())),
            _ => None,
        })
        .collect();
    assert!(resets.iter().any(|(own, port, _)| *own && *port == 14222), "{resets:?}");
    assert!(resets.iter().all(|(.., reason)| reason.is_none_or(|r| r == "TCP_ABORT_ON_CLOSE")), "{resets:?}");
    assert!(all.iter().any(|r| matches!(r.event, KernelEvent::SocketError { errno: 104, .. })), "{all:?}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    let latest = all.iter().map(|r| r.at).max().unwrap();
    assert!((Timestamp(now) - latest).as_secs().abs() < 10.0, "{latest}");
    assert!(probes.events() >= all.len() as u64 && probes.lost() == 0);
}
