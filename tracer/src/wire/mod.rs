//! F1: from a captured frame to the TCP segment or ICMP error in it: link layers, tags, tunnels, IP, fragments.
//!
//! [`Decoder::decode`] is the one way in. The plain case takes a short path (`fast`), everything else goes through
//! etherparse (`slow`); a property test holds the two equal.
mod decoder;
mod fast;
mod fragments;
mod glance;
mod icmp;
mod link;
mod slow;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tunnel;

pub use decoder::Decoder;
pub use glance::{Glance, Plain};
pub use icmp::{IcmpError, IcmpKind};
pub use link::LinkType;
pub use tcp::{Flags, Options, Segment};

/// What a frame holds, as far as connections go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// A TCP segment, in a tunnel or not.
    Tcp(Segment<'a>),
    /// An ICMP error about a TCP segment.
    Icmp(IcmpError),
    /// Part of an IP datagram whose other parts have not been seen so far.
    Fragment,
    /// Anything else: other protocols, link layers that are not known.
    Other,
    /// Bytes that break off, or contradict themselves, before a TCP header is complete.
    Malformed(Malformed),
}

/// Where and why the bytes of a frame could not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The layer that could not be read.
    pub layer: Layer,
    /// Octets it needs.
    pub need: usize,
    /// Octets that are there.
    pub have: usize,
}

/// A layer of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// Ethernet, Linux cooked, PPP and the like, with tags and labels.
    Link,
    /// IPv4 or IPv6 with its options and extension headers.
    Ip,
    /// TCP.
    Tcp,
    /// ICMP or ICMPv6.
    Icmp,
    /// The header of a tunnel.
    Tunnel,
}

/// The first two octets of `bytes` at `at`, in network order.
#[inline]
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

/// The four octets of `bytes` at `at`, in network order.
#[inline]
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}
