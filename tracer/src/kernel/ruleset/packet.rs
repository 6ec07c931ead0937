//! The packet that met a filter, as far as an observer knows it.
use crate::base::{Addr, Endpoint};

/// TCP's SYN bit, RFC 9293 section 3.1.
const SYN: u8 = 0x02;
/// TCP's ACK bit.
const ACK: u8 = 0x10;

/// Which way a packet goes through this host, hence which hooks it passes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// For a socket of this host: ingress, prerouting, input.
    Input,
    /// From a socket of this host: output, postrouting.
    Output,
    /// Routed: ingress, prerouting, forward, postrouting.
    Forward,
}

/// What connection tracking says of a packet, as nftables' `ct state` numbers it
/// (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConnState {
    /// The first packet of a connection.
    New,
    /// Of a connection that was seen both ways.
    Established,
    /// May be any.
    Unknown,
}

impl ConnState {
    /// nftables' bit, `NF_CT_STATE_BIT`.
    #[must_use]
    pub const fn bit(self) -> Option<u128> {
        match self {
            Self::New => Some(8),
            Self::Established => Some(2),
            Self::Unknown => None,
        }
    }
}

/// One TCP packet at this host's filters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// TCP flags as on the wire (FIN 1, SYN 2, RST 4, PSH 8, ACK 16).
    pub flags: u8,
    /// What connection tracking may think of it.
    pub state: ConnState,
    /// Its way.
    pub direction: Direction,
    /// The interface it came in by.
    pub iif: Option<&'a str>,
    /// The interface it leaves by.
    pub oif: Option<&'a str>,
}

impl Packet<'_> {
    /// A packet of a connection: `new` when it opens one, else of an established one.
    #[must_use]
    pub const fn new(src: Endpoint, dst: Endpoint, flags: u8, direction: Direction) -> Self {
        let state = if flags & (SYN | ACK) == SYN { ConnState::New } else { ConnState::Established };
        Self { src, dst, flags, state, direction, iif: None, oif: None }
    }

    /// Whether it is IPv4.
    pub(super) fn is_v4(&self) -> bool {
        self.dst.addr.is_v4()
    }

    /// It may well pass the loopback interface: a host talks to itself.
    pub(super) fn may_loop(&self) -> bool {
        let loopback = Addr::is_loopback;
        self.src.addr == self.dst.addr || loopback(self.src.addr) || loopback(self.dst.addr)
    }
}
