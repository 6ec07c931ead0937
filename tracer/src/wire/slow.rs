//! The long path: any supported link layer, tags, labels, tunnels, options, extension headers, fragments. IP and TCP
//! are read by etherparse, leniently, since frames are cut.
use super::fragments::{Part, Whole};
use super::tcp::{Carrier, Segment};
use super::tunnel::{self, Inner, Next};
use super::{Layer, LinkType, Malformed, Packet, be16, be32, icmp};
use etherparse::{
    Ethernet2Slice, IpFragOffset, IpNumber, Ipv6ExtensionsSlice, LaxIpSlice, SingleVlanSlice, UdpSlice,
    ip_number,
};

/// How many tunnels one inside the other are followed.
const MAX_DEPTH: u8 = 4;
/// How many tags one behind the other are followed.
const MAX_TAGS: usize = 8;

/// What a walk through a frame came to.
pub(super) enum Found<'a> {
    /// The end.
    Packet(Packet<'a>),
    /// A part of a datagram that is worth waiting for the rest.
    Part(Part<'a>),
}

/// Bytes of a layer: what was captured, and how many were on the wire.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    have: &'a [u8],
    wire: usize,
}

impl<'a> Bytes<'a> {
    /// Without the first `n` octets.
    fn skip(self, n: usize) -> Option<Self> {
        Some(Self { have: self.have.get(n..)?, wire: self.wire.saturating_sub(n) })
    }

    fn malformed(self, layer: Layer, need: usize) -> Found<'a> {
        Found::Packet(Packet::Malformed(Malformed { layer, need, have: self.have.len() }))
    }
}

/// Where in a frame the walk is.
#[derive(Clone, Copy, Default)]
struct Place {
    depth: u8,
    tunnel: bool,
}

impl Place {
    /// One tunnel further in; `None` where it gets too deep.
    fn deeper(self) -> Option<Self> {
        (self.depth < MAX_DEPTH).then_some(Self { depth: self.depth + 1, tunnel: true })
    }
}

const OTHER: Found<'_> = Found::Packet(Packet::Other);

/// Looks through a frame.
pub(super) fn frame<'a>(link: LinkType, have: &'a [u8], wire_len: u32) -> Found<'a> {
    let bytes = Bytes { have, wire: (wire_len as usize).max(have.len()) };
    let place = Place::default();
    match link {
        LinkType::ETHERNET => ethernet(place, bytes),
        LinkType::LINUX_SLL => link_header(place, bytes, be16(have, 14), 16),
        LinkType::LINUX_SLL2 => link_header(place, bytes, be16(have, 0), 20),
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => {
            ip(place, bytes)
        }
        LinkType::NULL | LinkType::LOOP => bsd_loopback(place, bytes),
        LinkType::PPP => next(place, bytes, tunnel::ppp(have)),
        LinkType::PPP_HDLC => next(place, bytes, tunnel::ppp_hdlc(have)),
        _ => OTHER,
    }
}

/// Looks through a datagram that was put together from its parts.
pub(super) fn datagram(whole: Whole, have: &[u8]) -> Found<'_> {
    let place = Place { depth: whole.depth, tunnel: whole.carrier.tunnel };
    let bytes = Bytes { have, wire: have.len() };
    if !whole.v6 {
        return transport(place, whole.carrier, whole.protocol, bytes);
    }
    let (_, protocol, rest, stopped) = Ipv6ExtensionsSlice::from_slice_lax(IpNumber(whole.protocol), have);
    match bytes.skip(have.len() - rest.len()) {
        Some(rest) if stopped.is_none() => transport(place, whole.carrier, protocol.0, rest),
        _ => bytes.malformed(Layer::Ip, have.len() + 1),
    }
}

/// A header of `len` octets with an EtherType in it.
fn link_header<'a>(place: Place, bytes: Bytes<'a>, ether_type: Option<u16>, len: usize) -> Found<'a> {
    match (ether_type, bytes.skip(len)) {
        (Some(kind), Some(rest)) => by_ether_type(place, kind, rest),
        _ => bytes.malformed(Layer::Link, len),
    }
}

fn ethernet(place: Place, bytes: Bytes<'_>) -> Found<'_> {
    let Ok(head) = Ethernet2Slice::from_slice_without_fcs(bytes.have) else {
        return bytes.malformed(Layer::Link, 14);
    };
    let kind = head.ether_type().0;
    let Some(rest) = bytes.skip(head.header_len()) else { return OTHER };
    if kind >= 1536 {
        return by_ether_type(place, kind, rest);
    }
    // A length, then LLC: SNAP with an EtherType is all that carries IP.
    match (rest.have.starts_with(&[0xaa, 0xaa, 3, 0, 0, 0]), be16(rest.have, 6), rest.skip(8)) {
        (true, Some(kind), Some(inner)) => by_ether_type(place, kind, inner),
        _ => OTHER,
    }
}

fn by_ether_type(place: Place, mut kind: u16, mut bytes: Bytes<'_>) -> Found<'_> {
    for _ in 0..=MAX_TAGS {
        match kind {
            0x0800 | 0x86dd => return ip(place, bytes),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let Ok(tag) = SingleVlanSlice::from_slice(bytes.have) else {
                    return bytes.malformed(Layer::Link, 4);
                };
                let Some(rest) = bytes.skip(tag.header_len()) else { return OTHER };
                (kind, bytes) = (tag.ether_type().0, rest);
            }
            // A PPPoE session: version 1, type 1, code 0, session id, length; then PPP.
            0x8864 => {
                return match bytes.skip(6) {
                    Some(ppp) if bytes.have.starts_with(&[0x11, 0]) => {
                        next(place, ppp, tunnel::ppp(ppp.have))
                    }
                    Some(_) => OTHER,
                    None => bytes.malformed(Layer::Link, 6),
                };
            }
            0x8847 | 0x8848 => return enter(place, bytes, tunnel::mpls(bytes.have)),
            _ => return OTHER,
        }
    }
    OTHER
}

/// The address family stands in the capturing host's order, which isn't told; no family needs more than one octet.
fn bsd_loopback(place: Place, bytes: Bytes<'_>) -> Found<'_> {
    let (Some(family), Some(rest)) = (be32(bytes.have, 0), bytes.skip(4)) else {
        return bytes.malformed(Layer::Link, 4);
    };
    // AF_INET; AF_INET6 on Linux, NetBSD and OpenBSD, FreeBSD, macOS.
    match family.min(family.swap_bytes()) {
        2 | 10 | 24 | 28 | 30 => ip(place, rest),
        _ => OTHER,
    }
}

/// Into a tunnel.
fn enter(place: Place, bytes: Bytes<'_>, inner: Inner) -> Found<'_> {
    place.deeper().map_or(OTHER, |place| next(place, bytes, inner))
}

fn next(place: Place, bytes: Bytes<'_>, inner: Inner) -> Found<'_> {
    let Some((kind, at)) = inner else { return OTHER };
    let Some(rest) = bytes.skip(at) else { return bytes.malformed(Layer::Tunnel, at) };
    match kind {
        Next::Ethernet => ethernet(place, rest),
        Next::EtherType(kind) => by_ether_type(place, kind, rest),
        Next::Ppp => next_ppp(place, rest),
        Next::Ip => ip(place, rest),
    }
}

/// PPP inside GRE. Its own function, so that `next` can't call itself without end.
fn next_ppp(place: Place, bytes: Bytes<'_>) -> Found<'_> {
    match tunnel::ppp(bytes.have) {
        Some((Next::Ip, at)) => bytes.skip(at).map_or(OTHER, |rest| ip(place, rest)),
        _ => OTHER,
    }
}

fn ip(place: Place, bytes: Bytes<'_>) -> Found<'_> {
    let Ok((ip, stopped)) = LaxIpSlice::from_slice(bytes.have) else {
        let need = match bytes.have.first() {
            Some(first) if first >> 4 == 4 => (usize::from(first & 15) * 4).max(20),
            Some(first) if first >> 4 == 6 => 40,
            Some(_) => return OTHER,
            None => 20,
        };
        return bytes.malformed(Layer::Ip, need);
    };
    let payload = ip.payload();
    let (head_len, ext_len, told, v6, ttl, ip_id) = match &ip {
        LaxIpSlice::Ipv4(v4) => {
            let h = v4.header();
            let auth = v4.extensions().auth.map_or(0, |auth| auth.slice().len());
            (h.slice().len(), auth, usize::from(h.total_len()), false, h.ttl(), Some(h.identification()))
        }
        LaxIpSlice::Ipv6(v6) => {
            let (h, exts) = (v6.header(), v6.extensions().slice().len());
            let told = usize::from(h.payload_length());
            (40, exts, if told == 0 { 0 } else { told + 40 }, true, h.hop_limit(), None)
        }
    };
    // No length at all: the host handed a large segment to the card to cut it up, so the frame tells.
    let total = if told == 0 { bytes.wire } else { told };
    if total < head_len {
        return bytes.malformed(Layer::Ip, head_len);
    }
    let carrier = Carrier {
        src: ip.source_addr().into(),
        dst: ip.destination_addr().into(),
        ttl,
        ip_id,
        tunnel: place.tunnel,
    };
    if payload.fragmented {
        return part(place, carrier, &ip, bytes, total);
    }
    if stopped.is_some() {
        return bytes.malformed(Layer::Ip, head_len + ext_len + 8);
    }
    let body = Bytes { have: payload.payload, wire: total.saturating_sub(head_len + ext_len) };
    // Each family has its own ICMP; the other's number means nothing in it.
    match payload.ip_number {
        ip_number::ICMP if v6 => OTHER,
        ip_number::IPV6_ICMP if !v6 => OTHER,
        protocol => transport(place, carrier, protocol.0, body),
    }
}

/// A part of a datagram. One that the capture cut short can't be put together.
fn part<'a>(
    place: Place,
    carrier: Carrier,
    ip: &LaxIpSlice<'a>,
    bytes: Bytes<'a>,
    total: usize,
) -> Found<'a> {
    const FRAGMENT: Found<'_> = Found::Packet(Packet::Fragment);
    let Some(datagram) = bytes.have.get(..total) else { return FRAGMENT };
    let found = match ip {
        LaxIpSlice::Ipv4(v4) => {
            let h = v4.header();
            datagram.get(h.slice().len()..).map(|bytes| {
                let (offset, more) = (h.fragments_offset(), h.more_fragments());
                (u32::from(h.identification()), h.protocol().0, offset, more, bytes)
            })
        }
        LaxIpSlice::Ipv6(v6) => v6_part(v6.header().next_header().0, datagram),
    };
    let Some((id, protocol, offset, more, bytes)) = found else { return FRAGMENT };
    let v6 = matches!(ip, LaxIpSlice::Ipv6(_));
    // TCP, and what may carry a tunnel with TCP in it (for IPv6 also behind another extension header).
    let useful = matches!(protocol, 4 | 6 | 17 | 41 | 47 | 137) || (v6 && protocol == 60);
    if !useful {
        return FRAGMENT;
    }
    Found::Part(Part { carrier, id, protocol, v6, offset, more, bytes, depth: place.depth })
}

/// The fragment header of an IPv6 datagram and what follows it. Behind that header there is only raw data, which
/// looks like further headers by chance; so the way to it is walked here, and ends there.
fn v6_part(mut protocol: u8, datagram: &[u8]) -> Option<(u32, u8, IpFragOffset, bool, &[u8])> {
    let mut rest = datagram.get(40..)?;
    loop {
        match protocol {
            44 => break,
            0 | 43 | 60 => {
                let len = (usize::from(*rest.get(1)?) + 1) * 8;
                (protocol, rest) = (*rest.first()?, rest.get(len..)?);
            }
            51 => {
                let len = (usize::from(*rest.get(1)?) + 2) * 4;
                (protocol, rest) = (*rest.first()?, rest.get(len..)?);
            }
            _ => return None,
        }
    }
    let (head, bytes) = rest.split_first_chunk::<8>()?;
    let place = be16(head, 2)?;
    let offset = IpFragOffset::try_new(place >> 3).ok()?;
    Some((be32(head, 4)?, head[0], offset, place & 1 != 0, bytes))
}

/// What an IP datagram carries.
fn transport(place: Place, carrier: Carrier, protocol: u8, body: Bytes<'_>) -> Found<'_> {
    match protocol {
        6 => Found::Packet(Segment::read_lax(carrier, body.have, body.wire)),
        1 | 58 => Found::Packet(icmp::read(carrier.src, carrier.dst, protocol == 58, body.have)),
        17 => udp(place, body),
        4 | 41 => enter(place, body, Some((Next::Ip, 0))),
        47 => enter(place, body, tunnel::gre(body.have)),
        137 => enter(place, body, tunnel::mpls(body.have)),
        _ => OTHER,
    }
}

/// Whether a UDP datagram is a tunnel is guessed by its port, hence what can't be read is no damage.
fn udp(place: Place, body: Bytes<'_>) -> Found<'_> {
    let Ok(udp) = UdpSlice::from_slice_lax(body.have) else { return OTHER };
    let Some(inner) = tunnel::in_udp(udp.destination_port(), udp.payload()) else { return OTHER };
    let Some(payload) = body.skip(8) else { return OTHER };
    match enter(place, payload, Some(inner)) {
        Found::Packet(Packet::Malformed(_)) => OTHER,
        found => found,
    }
}
