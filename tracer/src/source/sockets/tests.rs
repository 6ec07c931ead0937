//! Answers in the form of the kernel, those of the running one, and any octets at all.
use super::*;
use proptest::prelude::*;
use std::net::{TcpListener, TcpStream};

/// An answer as Linux gives it on a little-endian machine: a listener on 0.0.0.0:4222, a connection 10.88.0.2:4222 with
/// 10.88.0.1:50942 with all attributes but the last ones of its `tcp_info`, the end.
fn recorded() -> Vec<u8> {
    let head = |len: u32, kind: u16| {
        [&len.to_le_bytes()[..], &kind.to_le_bytes(), &[2, 0], &[1, 0, 0, 0, 9, 0, 0, 0]].concat()
    };
    let message = |state: u8, ports: [u8; 4], src: [u8; 4], dst: [u8; 4], queues: [u32; 2], inode: u32| {
        let mut out = vec![AF_INET, state, 0, 0];
        out.extend(ports);
        for addr in [src, dst] {
            out.extend(addr);
            out.extend([0; 12]);
        }
        out.extend([0; 16]);
        for word in [queues[0], queues[1], 1000, inode] {
            out.extend(word.to_le_bytes());
        }
        out
    };
    let mut info = vec![0; 104];
    info[RTT..RTT + 4].copy_from_slice(&183u32.to_le_bytes());
    let attributes = [&[5, 0, 8, 0, 0, 0, 0, 0][..], &[108, 0, 2, 0], &info].concat();
    let listener = message(10, [0x10, 0x7e, 0, 0], [0; 4], [0; 4], [3, 4096], 41);
    let stands = message(1, [0x10, 0x7e, 0xc6, 0xfe], [10, 88, 0, 2], [10, 88, 0, 1], [17, 2600], 42);
    let mut out = head(16 + 72, SOCK_DIAG_BY_FAMILY);
    out.extend(listener);
    out.extend(head(16 + 72 + attributes.len() as u32, SOCK_DIAG_BY_FAMILY));
    out.extend(stands);
    out.extend(attributes);
    out.extend(head(20, MESSAGE_DONE));
    out.extend([0; 4]);
    out
}

#[test]
#[cfg(target_endian = "little")]
fn a_listener_and_a_connection() {
    let mut found = Vec::new();
    assert_eq!(messages(&recorded(), &mut |socket| found.push(socket)), Told::All);
    let end = |a, port| Endpoint { addr: Addr::v4(a), port };
    assert_eq!(
        found,
        [
            Standing {
                local: end([0; 4], 4222),
                remote: None,
                state: TcpState::Listen,
                rtt_us: None,
                receive_queue: 3,
                send_queue: 4096,
                inode: 41,
            },
            Standing {
                local: end([10, 88, 0, 2], 4222),
                remote: Some(end([10, 88, 0, 1], 50942)),
                state: TcpState::Established,
                rtt_us: Some(183),
                receive_queue: 17,
                send_queue: 2600,
                inode: 42,
            },
        ]
    );
}

#[test]
fn a_refusal_has_its_number() {
    let mut refusal = [&36u32.to_ne_bytes()[..], &MESSAGE_ERROR.to_ne_bytes(), &[0; 10]].concat();
    refusal.extend((-1i32).to_ne_bytes());
    refusal.extend([0; 16]);
    assert_eq!(messages(&refusal, &mut |_| ()), Told::Error(1));
}

#[test]
fn this_kernel_lists_both_families() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(host) else { continue };
        let addr = listener.local_addr().unwrap();
        let client = TcpStream::connect(addr).unwrap();
        let all = standing(&addr.port().to_string().parse().unwrap()).unwrap();
        let at = |e: Endpoint, a: std::net::SocketAddr| e.addr == a.ip().into() && e.port == a.port();
        assert!(all.iter().any(|s| s.state == TcpState::Listen && at(s.local, addr)), "{host}: {all:?}");
        let mine = client.local_addr().unwrap();
        let connected = all.iter().find(|s| at(s.local, mine)).unwrap();
        assert!(connected.remote.is_some_and(|remote| at(remote, addr)) && connected.inode > 0);
    }
}

proptest! {
    #[test]
    fn any_octets_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
        messages(&bytes, &mut |_| ());
        let mut recorded = recorded();
        for (at, byte) in bytes.iter().enumerate().step_by(7) {
            if let Some(place) = recorded.get_mut(at * 3) {
                *place = *byte;
            }
        }
        recorded.truncate(cut);
        messages(&recorded, &mut |_| ());
    }
}
