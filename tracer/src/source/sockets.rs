//! TCP sockets that stand on this host, listed by the kernel over netlink (sock_diag(7)): of the network namespace of the
//! calling thread.
use crate::base::{Addr, Endpoint, PortSet};
use crate::kernel::TcpState;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read as _};
use std::time::Duration;

/// Sockets taken at most.
const SOCKETS_MAX: usize = 1 << 20;
/// A kernel that does not answer within this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Of `linux/netlink.h` and `linux/sock_diag.h`.
const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
/// Of `linux/inet_diag.h`: the attribute that holds `tcp_info`, and the bit that asks for it.
const INFO: u16 = 2;
const WANT_INFO: u8 = 1 << (INFO - 1);
/// Where `tcpi_rtt` stands in `tcp_info`.
const RTT: usize = 68;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
/// All states but TIME_WAIT and CLOSE, in which a socket has no owner any more.
const STATES: u32 = 0xfff & !(1 << TcpState::TimeWait as u32) & !(1 << TcpState::Close as u32) & !1;

/// A socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// This host's end.
    pub local: Endpoint,
    /// The other end; none: a listener.
    pub remote: Option<Endpoint>,
    /// Its state.
    pub state: TcpState,
    /// Smoothed round trip, microseconds.
    pub rtt_us: Option<u32>,
    /// Octets not read by the process; of a listener, connections not accepted.
    pub receive_queue: u32,
    /// Octets not acknowledged; of a listener, how many may wait.
    pub send_queue: u32,
    /// Inode, by which /proc tells the owner; 0 for a connection that no process has accepted yet.
    pub inode: u32,
}

/// The sockets with a port of `ports` at either end.
///
/// # Errors
/// Where the kernel does not list them.
pub fn standing(ports: &PortSet) -> io::Result<Vec<Standing>> {
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        dump(family, &mut |socket| {
            let remote = socket.remote.is_some_and(|remote| ports.contains(remote.port));
            if (remote || ports.contains(socket.local.port)) && found.len() < SOCKETS_MAX {
                found.push(socket);
            }
        })?;
    }
    Ok(found)
}

fn dump(family: u8, each: &mut impl FnMut(Standing)) -> io::Result<()> {
    let netlink =
        Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    netlink.set_read_timeout(Some(PATIENCE))?;
    netlink.send(&request(family))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let len = (&netlink).read(&mut buffer)?;
        match messages(buffer.get(..len).unwrap_or_default(), each) {
            Told::More if len > 0 => {}
            Told::More | Told::All => return Ok(()),
            Told::Error(errno) => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// `nlmsghdr`, then `inet_diag_req_v2` with an empty socket id: all of them.
fn request(family: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(72);
    out.extend(72u32.to_ne_bytes());
    out.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend(REQUEST_DUMP.to_ne_bytes());
    out.extend(1u32.to_ne_bytes());
    out.extend(0u32.to_ne_bytes());
    out.extend([family, TCP, WANT_INFO, 0]);
    out.extend(STATES.to_ne_bytes());
    out.extend([0; 48]);
    out
}

/// How far the kernel's answer goes.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    More,
    All,
    Error(i32),
}

/// Reads the messages of one datagram. What is cut or unknown is left out.
fn messages(mut rest: &[u8], each: &mut impl FnMut(Standing)) -> Told {
    while let Some(len) = u32_at(rest, 0) {
        let len = len as usize;
        let (Some(kind), Some(body)) = (u16_at(rest, 4), rest.get(16..len)) else { break };
        match kind {
            MESSAGE_DONE => return Told::All,
            MESSAGE_ERROR => {
                let errno = u32_at(body, 0).unwrap_or(0).cast_signed();
                return if errno == 0 { Told::All } else { Told::Error(errno.saturating_neg()) };
            }
            SOCK_DIAG_BY_FAMILY => {
                if let Some(socket) = socket(body) {
                    each(socket);
                }
            }
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Told::More
}

/// `inet_diag_msg` and its attributes.
fn socket(body: &[u8]) -> Option<Standing> {
    let head = body.get(..72)?;
    let (family, state) = (head[0], TcpState::from_number(u32::from(head[1]))?);
    let end = |port: usize, addr: usize| {
        let octets: [u8; 16] = head.get(addr..addr + 16)?.try_into().ok()?;
        let [a, b, c, d, ..] = octets;
        let addr = if family == AF_INET { Addr::v4([a, b, c, d]) } else { Addr::v6(octets) };
        Some(Endpoint { addr, port: u16::from_be_bytes([head[port], head[port + 1]]) })
    };
    let (local, remote) = (end(4, 8)?, end(6, 24)?);
    Some(Standing {
        local,
        remote: (state != TcpState::Listen).then_some(remote),
        state,
        rtt_us: info(body.get(72..)?).and_then(|info| u32_at(info, RTT)).filter(|&rtt| rtt > 0),
        receive_queue: u32_at(head, 56)?,
        send_queue: u32_at(head, 60)?,
        inode: u32_at(head, 68)?,
    })
}

/// `tcp_info` among the attributes.
fn info(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (len, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
        let value = rest.get(4..len)?;
        if kind == INFO {
            return Some(value);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
