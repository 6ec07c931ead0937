//! Live: the programs in this kernel. Only as root; elsewhere said and left out (`NATSTRACE_NEED_PROBES=1` forbids that).
use super::*;
use crate::base::{PortSet, Timestamp};
use crate::kernel::{KernelEvent, KernelRecord, TcpState};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The probes on a port, or a word why not.
fn open(port: u16) -> Option<Probes> {
    let ports: PortSet = port.to_string().parse().unwrap();
    let begun = Instant::now();
    let opened = Probes::open(&ports, &ProbeOptions::default());
    eprintln!("opened in {:?}", begun.elapsed());
    match opened {
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
    // Who connects has no port yet; what comes of it bears the same process, and the port.
    let connected =
        |r: &&KernelRecord| matches!(r.event, KernelEvent::State { local, .. } if local.port != 0);
    let answered = || all.iter().filter(states(TcpState::SynSent, TcpState::Established));
    assert!(answered().count() == 2 && answered().all(|r| own(&r) && connected(&r)));
    // What softirq does is nobody's.
    assert!(
        all.iter().filter(states(TcpState::Established, TcpState::CloseWait)).all(|r| r.process.is_none())
    );
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

/// A network namespace that goes with its value.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Option<Self> {
        let name = format!("{name}-{}", std::process::id());
        run("ip", &["netns", "add", &name]).then(|| {
            let made = Self(name);
            assert!(made.run(&["ip", "link", "set", "lo", "up"]));
            made
        })
    }

    fn run(&self, args: &[&str]) -> bool {
        run("ip", &[&["netns", "exec", &self.0], args].concat())
    }

    /// As the records name it.
    fn inode(&self) -> u32 {
        std::fs::metadata(format!("/run/netns/{}", self.0)).unwrap().ino() as u32
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run("ip", &["netns", "delete", &self.0]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A namespace in which an nftables chain discards SYNs to the port; one IPv4 and one IPv6 try was made there.
fn filtered(port: u16, hook: &str) -> Option<Namespace> {
    let namespace = Namespace::new(&format!("nt-{hook}"))?;
    let rules = format!(
        "table inet t {{ chain c {{ type filter hook {hook} priority 0; tcp dport {port} counter drop; }}; }}"
    );
    if !namespace.run(&["nft", &rules]) {
        return None;
    }
    for to in ["127.0.0.1", "::1"] {
        let connect = format!("import socket; socket.create_connection(('{to}', {port}), 0.2)");
        namespace.run(&["python3", "-c", &connect]);
    }
    Some(namespace)
}

#[test]
fn a_filtered_syn_names_reason_place_and_namespace() {
    let Some(mut probes) = open(14223) else { return };
    for hook in ["input", "output"] {
        let Some(namespace) = filtered(14223, hook) else {
            eprintln!("left out: no ip, nft or python3");
            return;
        };
        let v6 = |r: &KernelRecord| matches!(&r.event, KernelEvent::Dropped { dst, .. } if !dst.addr.is_v4());
        let all = until(&mut probes, v6);
        for to in ["127.0.0.1:14223", "[::1]:14223"] {
            let dropped = all.iter().find_map(|r| match &r.event {
                KernelEvent::Dropped { dst, flags, reason, place, .. } if dst.to_string() == to => {
                    Some((r.netns, *flags & 0x3f, reason.to_string(), place.clone()))
                }
                _ => None,
            });
            let Some((netns, flags, reason, place)) = dropped else { panic!("{hook} {to}: {all:?}") };
            assert_eq!((netns, flags, reason.as_str()), (Some(namespace.inode()), 2, "NETFILTER_DROP"));
            if probes.symbols() > 0 {
                assert_eq!(place.as_deref(), Some("nft_do_chain"));
            }
        }
        // Who called connect() is known though nothing ever left.
        assert!(
            all.iter().any(|r| r.process.as_ref().is_some_and(|p| p.name.starts_with("python"))),
            "{all:?}"
        );
    }
}

/// A server of another process, and a connection to it.
fn served(port: u16) -> Option<(Child, TcpStream)> {
    let server = format!(
        "import socket, time\ns = socket.create_server(('127.0.0.1', {port}))\nc, _ = s.accept()\ntime.sleep(60)"
    );
    let child = Command::new("python3").args(["-c", &server]).spawn().ok()?;
    for _ in 0..200 {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(client) => return Some((child, client)),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    None
}

#[test]
fn a_killed_server_names_signal_and_sender() {
    let Some(mut probes) = open(14224) else { return };
    let Some((mut server, client)) = served(14224) else {
        eprintln!("left out: no python3");
        return;
    };
    let pid = server.id();
    assert!(run("/bin/kill", &["-9", &pid.to_string()]));
    server.wait().unwrap();
    drop(client);
    let all = until(&mut probes, |r| matches!(r.event, KernelEvent::Exit { .. }));
    let sent = all.iter().find(|r| matches!(r.event, KernelEvent::Signal { signal: 9, .. })).unwrap();
    assert!(
        matches!(&sent.event, KernelEvent::Signal { target, target_name, by_kernel: false, .. }
            if *target == pid && target_name.starts_with("python")),
        "{sent:?}"
    );
    assert_eq!(sent.process.as_ref().unwrap().name.as_ref(), "kill");
    let exit = all.iter().find(|r| matches!(r.event, KernelEvent::Exit { .. })).unwrap();
    assert_eq!(exit.event, KernelEvent::Exit { signal: Some(9), status: None });
    assert_eq!(exit.process.as_ref().unwrap().pid, pid);
}

/// A cgroup of 16 MiB that goes with its value.
struct Small(std::path::PathBuf);

impl Small {
    /// Under version 2 or 1 of cgroups: only where the kernel has put the limit's file there.
    fn new() -> Option<Self> {
        let made =
            [("", "memory.max"), ("memory", "memory.limit_in_bytes")].iter().find_map(|(at, limit)| {
                let made =
                    Self(Path::new("/sys/fs/cgroup").join(at).join(format!("nt-{}", std::process::id())));
                std::fs::create_dir(&made.0).ok()?;
                let limit = made.0.join(limit);
                (limit.is_file() && std::fs::write(limit, "16777216").is_ok()).then_some(made)
            });
        made.filter(|made| made.0.join("cgroup.procs").is_file())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn an_oom_kill_is_told() {
    let Some(mut probes) = open(14230) else { return };
    let Some(small) = Small::new() else {
        eprintln!("left out: no memory cgroup can be made");
        return;
    };
    // It would take 100 MB, no more, should the limit not hold.
    let hungry = format!("echo $$ > {}/cgroup.procs && read x && exec tail -n 1", small.0.display());
    let mut child = Command::new("sh").args(["-c", &hungry]).stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    probes.own_process(pid);
    let mut food = child.stdin.take().unwrap();
    let _ = food.write_all(b"\n");
    for _ in 0..100 {
        if food.write_all(&[b'x'; 1 << 20]).is_err() {
            break;
        }
    }
    drop(food);
    child.wait().unwrap();
    let all = until(&mut probes, |r| matches!(r.event, KernelEvent::Exit { .. }));
    assert!(all.iter().any(|r| r.event == KernelEvent::OomVictim { pid }), "{all:?}");
    // The kernel's signal is no process's, whoever's allocation was the last.
    let kernels =
        |r: &&KernelRecord| matches!(r.event, KernelEvent::Signal { signal: 9, by_kernel: true, .. });
    assert!(all.iter().find(kernels).unwrap().process.is_none());
}

#[test]
fn an_owner_named_by_its_pid_is_watched() {
    let Some(mut probes) = open(14226) else { return };
    let mut child = Command::new("sh").args(["-c", "read x; exit 3"]).stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    probes.own_process(pid);
    drop(child.stdin.take());
    child.wait().unwrap();
    let all = until(&mut probes, |r| matches!(r.event, KernelEvent::Exit { .. }));
    let exit = all.iter().find(|r| r.process.as_ref().is_some_and(|p| p.pid == pid)).unwrap();
    assert_eq!(exit.event, KernelEvent::Exit { signal: None, status: Some(3) });
    assert_eq!(exit.process.as_ref().unwrap().name.as_ref(), "sh");
}

/// Writes the recording that `kernel::tests` replays, to the file `NATSTRACE_RECORD` names; on any kernel that is to be
/// kept in `tests/formats`.
#[test]
#[ignore = "writes a file"]
fn record() {
    let file = std::env::var_os("NATSTRACE_RECORD").unwrap();
    let mut probes = open(14225).unwrap();
    let listener = TcpListener::bind("127.0.0.1:14225").unwrap();
    let (mut client, server) = pair(&listener);
    client.write_all(b"unread").unwrap();
    drop(server);
    drop((client, listener));
    drop(filtered(14225, "input"));
    let (mut server, client) = served(14225).unwrap();
    run("/bin/kill", &["-9", &server.id().to_string()]);
    server.wait().unwrap();
    drop(client);
    std::thread::sleep(Duration::from_millis(100));
    let mut octets = crate::kernel::RECORDING.to_vec();
    octets.extend((tracer_ebpf::RECORD_SIZE as u32).to_le_bytes());
    probes.read_raw(&mut |record| octets.extend(record));
    std::fs::write(file, octets).unwrap();
}

#[test]
fn what_does_not_fit_is_counted() {
    let ports: PortSet = "14229".parse().unwrap();
    let Ok(mut probes) = Probes::open(&ports, &ProbeOptions { ring: 4096 }) else { return };
    let listener = TcpListener::bind("127.0.0.1:14229").unwrap();
    for _ in 0..20 {
        drop(pair(&listener));
    }
    let mut read = 0;
    probes.read(&mut |_| read += 1);
    assert!(probes.lost() > 0 && read > 0);
    assert!(read <= probes.events(), "{read} of {}", probes.events());
    // Room again.
    drop(pair(&listener));
    assert!(
        !until(&mut probes, |r| matches!(r.event, KernelEvent::State { to: TcpState::Close, .. })).is_empty()
    );
}

/// What the probes cost, by the kernel's own statistics: run this as root; prints nanoseconds a run for each program, on traced
/// and on foreign connections, what they take of a core at 4,400 connections a second (both ends on this host), and what a
/// connection takes with and without the probes.
#[test]
#[ignore = "measures for some seconds"]
fn cost() {
    const CONNECTIONS: u32 = 20_000;
    let connect = |port: u16| {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let begun = Instant::now();
        for _ in 0..CONNECTIONS {
            let (mut client, mut server) = pair(&listener);
            client.write_all(b"x").unwrap();
            drop(client);
            let _ = server.read(&mut [0; 8]);
        }
        begun.elapsed() / CONNECTIONS
    };
    let _counted = aya::sys::enable_stats(aya::sys::Stats::RunTime).unwrap();
    let stats = || {
        let mut all = Duration::ZERO;
        for info in aya::programs::loaded_programs().flatten().filter(|info| info.run_count() > 0) {
            let name = info.name_as_str().unwrap_or_default();
            let each = info.run_time() / u32::try_from(info.run_count()).unwrap_or(u32::MAX);
            eprintln!("  {name:20} {:9} runs, {each:?} each", info.run_count());
            all += info.run_time();
        }
        let share = all.as_secs_f64() / f64::from(CONNECTIONS) * 4400.0;
        eprintln!("  {:.1} % of a core at 4,400 connections a second", 100.0 * share);
    };
    for port in [14227, 14228] {
        eprintln!("without probes: {:?} a connection", connect(port));
        let mut probes = open(14227).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut read = 0u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // Soon enough that nothing is lost: a record that finds no room costs less than one that is written.
                    std::thread::sleep(Duration::from_millis(2));
                    probes.read(&mut |_| read += 1);
                }
                read
            });
            eprintln!("port {port} of traced 14227: {:?} a connection", connect(port));
            stats();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            eprintln!("{} records read", reader.join().unwrap());
        });
        eprintln!("{} records written, {} lost", probes.events(), probes.lost());
    }
}
