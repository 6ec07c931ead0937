//! The short path: Ethernet (at most one tag), Linux cooked or raw; IPv4 without options and whole, or IPv6 without
//! extension headers; TCP. No allocation, and anything unusual leaves at once with `None` for `slow` to look at.
use super::LinkType;
use super::tcp::{Carrier, Segment};
use crate::base::Addr;

/// Its number among the protocols of IP.
pub(super) const TCP: u8 = 6;

/// The segment in a plain frame.
#[inline(always)]
pub(super) fn segment(link: LinkType, bytes: &[u8]) -> Option<Segment<'_>> {
    let ip = match link {
        LinkType::ETHERNET => ethernet(bytes)?,
        LinkType::LINUX_SLL => {
            let (head, rest) = bytes.split_first_chunk::<16>()?;
            is_ip([head[14], head[15]]).then_some(rest)?
        }
        LinkType::LINUX_SLL2 => {
            let (head, rest) = bytes.split_first_chunk::<20>()?;
            is_ip([head[0], head[1]]).then_some(rest)?
        }
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => bytes,
        _ => return None,
    };
    match *ip.first()? {
        0x45 => v4(ip),
        first if first >> 4 == 6 => v6(ip),
        _ => None,
    }
}

#[inline(always)]
const fn is_ip(ether_type: [u8; 2]) -> bool {
    matches!(ether_type, [0x08, 0x00] | [0x86, 0xdd])
}

#[inline(always)]
fn ethernet(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<14>()?;
    let ether_type = [head[12], head[13]];
    if is_ip(ether_type) {
        return Some(rest);
    }
    if ether_type != [0x81, 0x00] {
        return None;
    }
    let (tag, rest) = rest.split_first_chunk::<4>()?;
    is_ip([tag[2], tag[3]]).then_some(rest)
}

#[inline(always)]
fn v4(ip: &[u8]) -> Option<Segment<'_>> {
    let (h, rest) = ip.split_first_chunk::<20>()?;
    if h[9] == TCP && is_whole(h[6], h[7]) { behind_v4(h, rest) } else { None }
}

/// Neither "more fragments" nor a fragment offset is in these octets of IPv4's header; "don't fragment" may be.
#[inline(always)]
pub(super) const fn is_whole(high: u8, low: u8) -> bool {
    u16::from_be_bytes([high, low]) & 0x3fff == 0
}

/// The segment that follows an IPv4 header without options.
#[inline(always)]
pub(super) fn behind_v4<'a>(h: &[u8; 20], rest: &'a [u8]) -> Option<Segment<'a>> {
    let wire = usize::from(u16::from_be_bytes([h[2], h[3]])).checked_sub(20)?;
    let carrier = Carrier {
        src: Addr::v4([h[12], h[13], h[14], h[15]]),
        dst: Addr::v4([h[16], h[17], h[18], h[19]]),
        ttl: h[8],
        ip_id: Some(u16::from_be_bytes([h[4], h[5]])),
        tunnel: false,
    };
    Segment::read(carrier, rest.get(..wire).unwrap_or(rest), wire)
}

#[inline]
fn v6(ip: &[u8]) -> Option<Segment<'_>> {
    let (h, rest) = ip.split_first_chunk::<40>()?;
    let wire = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if h[6] != TCP || wire == 0 {
        return None;
    }
    let (_, addresses) = h.split_first_chunk::<8>()?;
    let (src, dst) = addresses.split_first_chunk::<16>()?;
    let carrier = Carrier {
        src: Addr::v6(*src),
        dst: Addr::v6(*dst.first_chunk::<16>()?),
        ttl: h[7],
        ip_id: None,
        tunnel: false,
    };
    Segment::read(carrier, rest.get(..wire).unwrap_or(rest), wire)
}
