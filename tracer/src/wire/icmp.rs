//! ICMP and ICMPv6 errors that quote a TCP segment (RFC 792, RFC 1812, RFC 4443).
use super::{Layer, Malformed, Packet, be16, be32};
use crate::base::{Addr, Endpoint, Seq};
use etherparse::LaxIpSlice;
use serde::{Deserialize, Serialize};

/// What an ICMP error says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IcmpKind {
    /// Network unreachable.
    NetUnreachable,
    /// Host unreachable.
    HostUnreachable,
    /// Port unreachable.
    PortUnreachable,
    /// Protocol unreachable.
    ProtocolUnreachable,
    /// Administratively prohibited (also policy failed, reject route).
    AdminProhibited,
    /// Fragmentation needed / packet too big, with the next hop's MTU.
    FragmentationNeeded(u32),
    /// TTL exceeded on the way.
    TimeExceeded,
    /// Another one: type and code.
    Other(u8, u8),
}

/// An ICMP error about a TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpError {
    /// Who sent the error: a router on the way, a firewall or the host itself.
    pub from: Addr,
    /// To whom: the sender of the quoted segment, unless somebody translates addresses.
    pub to: Addr,
    /// What it says.
    pub kind: IcmpKind,
    /// Source of the quoted segment.
    pub src: Endpoint,
    /// Destination of the quoted segment.
    pub dst: Endpoint,
    /// Sequence number of the quoted segment.
    pub seq: Seq,
}

/// The error in an ICMP message; [`Packet::Other`] for echoes and for errors about anything but TCP.
pub(super) fn read<'a>(from: Addr, to: Addr, v6: bool, body: &[u8]) -> Packet<'a> {
    let Some((head, quoted)) = body.split_first_chunk::<8>() else {
        return Packet::Malformed(Malformed { layer: Layer::Icmp, need: 8, have: body.len() });
    };
    let (kind, code) = (head[0], head[1]);
    let kind = if v6 { kind_v6(kind, code, body) } else { kind_v4(kind, code, body) };
    let Some((kind, (src, dst, seq))) = kind.zip(quoted_tcp(quoted)) else { return Packet::Other };
    Packet::Icmp(IcmpError { from, to, kind, src, dst, seq })
}

/// `None` for what is no error. A redirect is none: the segment it quotes was forwarded.
fn kind_v4(kind: u8, code: u8, body: &[u8]) -> Option<IcmpKind> {
    Some(match (kind, code) {
        (3, 0 | 6 | 11) => IcmpKind::NetUnreachable,
        (3, 1 | 7 | 12) => IcmpKind::HostUnreachable,
        (3, 2) => IcmpKind::ProtocolUnreachable,
        (3, 3) => IcmpKind::PortUnreachable,
        (3, 4) => IcmpKind::FragmentationNeeded(u32::from(be16(body, 6)?)),
        (3, 9 | 10 | 13 | 15) => IcmpKind::AdminProhibited,
        (11, 0) => IcmpKind::TimeExceeded,
        (3 | 4 | 11 | 12, _) => IcmpKind::Other(kind, code),
        _ => return None,
    })
}

fn kind_v6(kind: u8, code: u8, body: &[u8]) -> Option<IcmpKind> {
    Some(match (kind, code) {
        (1, 0) => IcmpKind::NetUnreachable,
        (1, 1 | 5 | 6) => IcmpKind::AdminProhibited,
        (1, 3) => IcmpKind::HostUnreachable,
        (1, 4) => IcmpKind::PortUnreachable,
        (2, _) => IcmpKind::FragmentationNeeded(be32(body, 4)?),
        (3, 0) => IcmpKind::TimeExceeded,
        // "Unrecognized next header": what IPv4 calls protocol unreachable.
        (4, 1) => IcmpKind::ProtocolUnreachable,
        (1 | 3 | 4, _) => IcmpKind::Other(kind, code),
        _ => return None,
    })
}

/// Ports and sequence number of a quoted TCP header, of which eight octets are enough.
fn quoted_tcp(quoted: &[u8]) -> Option<(Endpoint, Endpoint, Seq)> {
    let (ip, stopped) = LaxIpSlice::from_slice(quoted).ok()?;
    let payload = ip.payload();
    let first_part = match &ip {
        LaxIpSlice::Ipv4(v4) => v4.header().fragments_offset().value() == 0,
        // A quoted IPv6 fragment may be a later one, whose first octets are no header.
        LaxIpSlice::Ipv6(_) => !payload.fragmented,
    };
    if stopped.is_some() || !first_part || payload.ip_number != etherparse::ip_number::TCP {
        return None;
    }
    let bytes = payload.payload;
    let seq = Seq(be32(bytes, 4)?);
    Some((
        Endpoint { addr: ip.source_addr().into(), port: be16(bytes, 0)? },
        Endpoint { addr: ip.destination_addr().into(), port: be16(bytes, 2)? },
        seq,
    ))
}
