//! Headers of tunnels: each says what comes next and where. VXLAN (RFC 7348), Geneve (RFC 8926), GRE (RFC 2784, 2890,
//! 2637), ERSPAN, MPLS (RFC 3032).
use super::{be16, be32};

/// What a header is followed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// An Ethernet frame.
    Ethernet,
    /// What this EtherType says.
    EtherType(u16),
    /// A PPP frame without address and control octets.
    Ppp,
    /// IPv4 or IPv6, told by its first octet.
    Ip,
}

/// What follows and at which octet.
pub(super) type Inner = Option<(Next, usize)>;

/// What a UDP datagram to `port` carries, if that is a tunnel's port and its header is sound.
pub(super) fn in_udp(port: u16, bytes: &[u8]) -> Inner {
    reader(port)?(bytes)
}

/// Whether [`in_udp`] looks into datagrams to this port.
#[inline(always)]
pub(super) fn is_port(port: u16) -> bool {
    reader(port).is_some()
}

/// What reads the headers of the tunnel that has this port.
#[inline(always)]
fn reader(port: u16) -> Option<fn(&[u8]) -> Inner> {
    Some(match port {
        4789 | 8472 => vxlan,
        6081 => geneve,
        6635 => mpls,
        _ => return None,
    })
}

/// The VNI must be said to be valid, and the reserved octet to be zero.
fn vxlan(bytes: &[u8]) -> Inner {
    let head = bytes.first_chunk::<8>()?;
    (head[0] & 0x08 != 0 && head[7] == 0).then_some((Next::Ethernet, 8))
}

fn geneve(bytes: &[u8]) -> Inner {
    let head = bytes.first_chunk::<8>()?;
    if head[0] >> 6 != 0 {
        return None;
    }
    Some((of_ether_type(be16(head, 2)?), 8 + usize::from(head[0] & 0x3f) * 4))
}

/// GRE with any of checksum, key and sequence; version 1 is PPTP's.
pub(super) fn gre(bytes: &[u8]) -> Inner {
    let (flags, protocol) = (be16(bytes, 0)?, be16(bytes, 2)?);
    let has = |bit: u16| usize::from(flags & bit != 0) * 4;
    match flags & 0x7 {
        // With source routes (0x4000), which RFC 2784 took away, the length isn't told here.
        0 if flags & 0x4000 == 0 => {
            let len = 4 + has(0x8000) + has(0x2000) + has(0x1000);
            match protocol {
                0x88be | 0x22eb => erspan(protocol, flags & 0x1000 != 0, bytes, len),
                _ => Some((of_ether_type(protocol), len)),
            }
        }
        1 if protocol == 0x880b => Some((Next::Ppp, 8 + has(0x1000) + has(0x0080))),
        _ => None,
    }
}

/// ERSPAN I has no header of its own (and no GRE sequence), II has 8 octets, III 12 and maybe 8 for the platform.
fn erspan(protocol: u16, sequenced: bool, bytes: &[u8], at: usize) -> Inner {
    let len = match (protocol, sequenced) {
        (0x88be, false) => 0,
        (0x88be, true) => 8,
        _ => 12 + (*bytes.get(at + 11)? as usize & 1) * 8,
    };
    Some((Next::Ethernet, at + len))
}

/// A stack of MPLS labels; what follows is told by its first nibble, 0 being a pseudowire's control word.
pub(super) fn mpls(bytes: &[u8]) -> Inner {
    for label in 0..16 {
        if be32(bytes, label * 4)? & 0x100 == 0 {
            continue;
        }
        let at = label * 4 + 4;
        return match bytes.get(at)? >> 4 {
            4 | 6 => Some((Next::Ip, at)),
            0 => Some((Next::Ethernet, at + 4)),
            _ => None,
        };
    }
    None
}

const fn of_ether_type(ether_type: u16) -> Next {
    if ether_type == 0x6558 { Next::Ethernet } else { Next::EtherType(ether_type) }
}

/// What a PPP frame carries: protocol numbers may be compressed to one octet, address and control may be left out.
pub(super) fn ppp(bytes: &[u8]) -> Inner {
    let at = if bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let (protocol, at) = match *bytes.get(at)? {
        short if short & 1 == 1 => (u16::from(short), at + 1),
        _ => (be16(bytes, at)?, at + 2),
    };
    match protocol {
        0x0021 | 0x0057 => Some((Next::Ip, at)),
        0x0281 => Some((Next::EtherType(0x8847), at)),
        _ => None,
    }
}

/// PPP in HDLC framing, or Cisco's HDLC with an EtherType.
pub(super) fn ppp_hdlc(bytes: &[u8]) -> Inner {
    match *bytes {
        [0x0f | 0x8f, _, a, b, ..] => Some((Next::EtherType(u16::from_be_bytes([a, b])), 4)),
        _ => ppp(bytes),
    }
}
