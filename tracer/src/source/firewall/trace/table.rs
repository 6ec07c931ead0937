//! Our own table: made, extended by connections to watch, and gone with its socket.
use super::super::netlink::{ACK, APPEND, Attributes, Batch, CREATE, Message, messages};
use super::{OPENING_RATE, OTHER_RATE, TraceError, WATCHED_RATE};
use crate::base::{Addr, Endpoint, PortSet};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, recv, sendto};
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// What the table's name begins with; the process id follows, so that several natstraces get along.
pub(super) const NAME: &str = "natstrace";

/// `NFT_MSG_NEWTABLE`, `NEWCHAIN`, `NEWRULE`, `DELRULE`.
const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
/// `NFT_TABLE_F_OWNER`: the table belongs to the socket.
const OWNER: u32 = 2;
/// Before raw (−300), connection tracking (−200) and what filters mostly have (0).
const PRIORITY: i32 = -350;
/// `NF_INET_PRE_ROUTING`, `NF_INET_LOCAL_OUT`.
const HOOKS: [(&str, u32); 2] = [("prerouting", 0), ("output", 3)];
/// The chain of watched connections.
const WATCHED: &str = "watched";
/// Connections watched at a time; beyond that the list begins anew.
const WATCHED_MAX: usize = 32;
/// Ranges of ports that get their own rules; more are traced as one range around them.
const RANGES_MAX: usize = 16;

/// `NFT_REG_1`: 16 octets.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;
/// `NFT_JUMP`.
const JUMP: i32 = -3;
/// `NFT_META_NFTRACE`, `NFPROTO`, `L4PROTO`.
const META_TRACE: u32 = 12;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
/// `NFT_PAYLOAD_NETWORK_HEADER`, `TRANSPORT_HEADER`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
/// `NFT_CMP_EQ`, `NFT_CMP_NEQ`.
const EQUAL: u32 = 0;
const UNEQUAL: u32 = 1;
/// TCP's protocol number.
const TCP: u8 = 6;
/// FIN, SYN, RST at octet 13 of TCP's header.
const OPENING: u8 = 1 | 2 | 4;

/// The table; closing its socket removes it.
pub(super) struct Table {
    socket: OwnedFd,
    name: String,
    sequence: u32,
    watched: Vec<(Endpoint, Endpoint)>,
}

impl Table {
    /// Makes it through `socket`, which then owns it.
    pub fn make(socket: OwnedFd, ports: &PortSet) -> Result<Self, TraceError> {
        let mut table =
            Self { socket, name: format!("{NAME}{}", std::process::id()), sequence: 1, watched: Vec::new() };
        let name = table.name.clone();
        let mut batch = Batch::new(table.sequence);
        batch.add(NEW_TABLE, CREATE | ACK, |a| {
            a.text(1, &name);
            a.number(2, OWNER);
        });
        batch.add(NEW_CHAIN, CREATE | ACK, |a| {
            a.text(1, &name);
            a.text(3, WATCHED);
        });
        for (chain, hook) in HOOKS {
            base_chain(&mut batch, &name, chain, hook);
            rule(&mut batch, &name, chain, jump_to_watched);
            for (low, high) in ranges(ports) {
                // Source port, then destination port.
                for offset in [0, 2] {
                    for (opening, rate) in [(true, OPENING_RATE), (false, OTHER_RATE)] {
                        rule(&mut batch, &name, chain, |e| {
                            port_between(e, offset, low, high);
                            if opening {
                                opens_or_ends(e);
                            }
                            mark(e, rate);
                        });
                    }
                }
            }
        }
        table.send(batch)?;
        Ok(table)
    }

    /// Traces both directions of a connection from now on. What fails is only less to be told.
    pub fn watch(&mut self, one: Endpoint, other: Endpoint) {
        let known = |(a, b): &(Endpoint, Endpoint)| (*a, *b) == (one, other) || (*a, *b) == (other, one);
        if self.watched.iter().any(known) {
            return;
        }
        let name = self.name.clone();
        let mut batch = Batch::new(self.sequence);
        if self.watched.len() >= WATCHED_MAX {
            self.watched.clear();
            batch.add(DELETE_RULE, ACK, |a| {
                a.text(1, &name);
                a.text(2, WATCHED);
            });
        }
        for (src, dst) in [(one, other), (other, one)] {
            rule(&mut batch, &name, WATCHED, |e| {
                between(e, src, dst);
                mark(e, WATCHED_RATE);
            });
        }
        if self.send(batch).is_ok() {
            self.watched.push((one, other));
        }
    }

    /// Sends it and waits for what the kernel says to all of it.
    fn send(&mut self, batch: Batch) -> Result<(), TraceError> {
        let (octets, last) = batch.finish();
        self.sequence = last.wrapping_add(2);
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &octets, SendFlags::empty(), &kernel).map_err(TraceError::Refused)?;
        let mut answers = vec![0; 64 << 10];
        loop {
            let (len, _) =
                recv(&self.socket, &mut answers, RecvFlags::empty()).map_err(TraceError::Refused)?;
            for message in messages(answers.get(..len).unwrap_or_default()) {
                match message {
                    Message::Answer { error, .. } if error != 0 => {
                        return Err(TraceError::Refused(Errno::from_raw_os_error(error.saturating_neg())));
                    }
                    Message::Answer { sequence, .. } if sequence == last => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

/// The ports as few ranges.
fn ranges(ports: &PortSet) -> Vec<(u16, u16)> {
    let ranges = ports.ranges();
    match (ranges.first(), ranges.last()) {
        (Some(first), Some(last)) if ranges.len() > RANGES_MAX => vec![(first.0, last.1)],
        _ => ranges,
    }
}

fn base_chain(batch: &mut Batch, table: &str, name: &str, hook: u32) {
    batch.add(NEW_CHAIN, CREATE | ACK, |a| {
        a.text(1, table);
        a.text(3, name);
        a.nest(4, |a| {
            a.number(1, hook);
            a.octets(2, &PRIORITY.to_be_bytes());
        });
        a.text(7, "filter");
    });
}

/// A rule of expressions.
fn rule(batch: &mut Batch, table: &str, chain: &str, expressions: impl FnOnce(&mut Attributes)) {
    batch.add(NEW_RULE, APPEND | ACK, |a| {
        a.text(1, table);
        a.text(2, chain);
        a.nest(4, expressions);
    });
}

fn expression(list: &mut Attributes, name: &str, data: impl FnOnce(&mut Attributes)) {
    list.nest(1, |a| {
        a.text(1, name);
        a.nest(2, data);
    });
}

fn load_meta(list: &mut Attributes, key: u32) {
    expression(list, "meta", |a| {
        a.number(1, REGISTER);
        a.number(2, key);
    });
}

fn load_payload(list: &mut Attributes, base: u32, offset: u32, len: u32) {
    expression(list, "payload", |a| {
        a.number(1, REGISTER);
        a.number(2, base);
        a.number(3, offset);
        a.number(4, len);
    });
}

fn compare(list: &mut Attributes, operator: u32, value: &[u8]) {
    expression(list, "cmp", |a| {
        a.number(1, REGISTER);
        a.number(2, operator);
        a.nest(3, |a| a.octets(1, value));
    });
}

fn is_tcp(list: &mut Attributes) {
    load_meta(list, META_PROTOCOL);
    compare(list, EQUAL, &[TCP]);
}

fn port_between(list: &mut Attributes, offset: u32, low: u16, high: u16) {
    is_tcp(list);
    load_payload(list, TRANSPORT, offset, 2);
    expression(list, "range", |a| {
        a.number(1, REGISTER);
        a.number(2, EQUAL);
        a.nest(3, |a| a.octets(1, &low.to_be_bytes()));
        a.nest(4, |a| a.octets(1, &high.to_be_bytes()));
    });
}

fn opens_or_ends(list: &mut Attributes) {
    load_payload(list, TRANSPORT, 13, 1);
    expression(list, "bitwise", |a| {
        a.number(1, REGISTER);
        a.number(2, REGISTER);
        a.number(3, 1);
        a.nest(4, |a| a.octets(1, &[OPENING]));
        a.nest(5, |a| a.octets(1, &[0]));
    });
    compare(list, UNEQUAL, &[0]);
}

fn between(list: &mut Attributes, src: Endpoint, dst: Endpoint) {
    is_tcp(list);
    load_meta(list, META_FAMILY);
    let addresses = |a: Addr, b: Addr| match (a.ip(), b.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (2, 12, [a.octets(), b.octets()].concat()),
        _ => (10, 8, [a.0, b.0].concat()),
    };
    let (family, offset, both) = addresses(src.addr, dst.addr);
    compare(list, EQUAL, &[family]);
    let half = both.len() / 2;
    for (offset, address) in [(offset, &both[..half]), (offset + len32(half), &both[half..])] {
        load_payload(list, NETWORK, offset, len32(half));
        compare(list, EQUAL, address);
    }
    load_payload(list, TRANSPORT, 0, 4);
    compare(list, EQUAL, &[src.port.to_be_bytes(), dst.port.to_be_bytes()].concat());
}

/// The length of an address, as an offset.
fn len32(len: usize) -> u32 {
    if len == 4 { 4 } else { 16 }
}

/// `limit rate N/second meta nftrace set 1`.
fn mark(list: &mut Attributes, rate: u64) {
    expression(list, "limit", |a| {
        a.long(1, rate);
        a.long(2, 1);
        a.number(3, u32::try_from(rate).unwrap_or(u32::MAX));
        a.number(4, 0);
        a.number(5, 0);
    });
    expression(list, "immediate", |a| {
        a.number(1, REGISTER);
        a.nest(2, |a| a.octets(1, &[1]));
    });
    expression(list, "meta", |a| {
        a.number(2, META_TRACE);
        a.number(3, REGISTER);
    });
}

fn jump_to_watched(list: &mut Attributes) {
    expression(list, "immediate", |a| {
        a.number(1, VERDICT);
        a.nest(2, |a| {
            a.nest(2, |a| {
                a.octets(1, &JUMP.to_be_bytes());
                a.text(2, WATCHED);
            });
        });
    });
}
