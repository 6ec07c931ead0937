//! Words of nft's and iptables' listings as numbers.
use super::condition::Field;
use crate::base::Addr;
use std::net::IpAddr;

/// A word or number that stands for a value of `field`.
pub(super) fn number(field: Field, word: &str) -> Option<u128> {
    match field {
        Field::Source(_) | Field::Destination(_) => address(word),
        Field::Protocol(_) => protocol(word),
        Field::Family => pick(word, &[("ipv4", 2), ("ipv6", 10)]),
        Field::EtherType => pick(word, &[("ip", 0x0800), ("ip6", 0x86dd), ("arp", 0x0806), ("vlan", 0x8100)]),
        Field::Flags => flag(word),
        Field::ConnState => conn_state(word),
        Field::SourceType | Field::DestinationType => address_type(word),
        _ => plain(word),
    }
}

/// An address as compared: IPv4 mapped into IPv6.
pub(super) fn address(word: &str) -> Option<u128> {
    word.parse::<IpAddr>().ok().map(|ip| u128::from_be_bytes(Addr::from(ip).0))
}

/// The addresses of a prefix, inclusive.
pub(super) fn prefix(address: &str, len: u32) -> Option<(u128, u128)> {
    let ip: IpAddr = address.parse().ok()?;
    let (len, most) = if ip.is_ipv4() { (len.checked_add(96)?, 32) } else { (len, 128) };
    if len > 128 || (most == 32 && len < 96) {
        return None;
    }
    let host = if len == 0 { u128::MAX } else { u128::MAX.checked_shr(len).unwrap_or(0) };
    let number = u128::from_be_bytes(Addr::from(ip).0);
    Some((number & !host, number | host))
}

/// A protocol above IP: IANA's name as `/etc/protocols` has it, or its number.
pub(super) fn protocol(word: &str) -> Option<u128> {
    let names = [
        ("icmp", 1),
        ("igmp", 2),
        ("tcp", 6),
        ("udp", 17),
        ("dccp", 33),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("icmpv6", 58),
        ("ipv6-icmp", 58),
        ("ospf", 89),
        ("ipip", 94),
        ("vrrp", 112),
        ("comp", 108),
        ("sctp", 132),
        ("udplite", 136),
        ("mptcp", 262),
    ];
    pick(&word.to_ascii_lowercase(), &names)
}

/// A TCP flag, RFC 9293 section 3.1; iptables' `ALL` and `NONE` too.
pub(super) fn flag(word: &str) -> Option<u128> {
    let names = [
        ("fin", 1),
        ("syn", 2),
        ("rst", 4),
        ("psh", 8),
        ("ack", 16),
        ("urg", 32),
        ("ecn", 64),
        ("cwr", 128),
        ("all", 63),
        ("none", 0),
    ];
    pick(&word.to_ascii_lowercase(), &names)
}

/// `ct state`, as `NF_CT_STATE_BIT` numbers it.
pub(super) fn conn_state(word: &str) -> Option<u128> {
    let names = [("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)];
    pick(&word.to_ascii_lowercase(), &names)
}

/// `RTN_*` of `include/uapi/linux/rtnetlink.h`.
pub(super) fn address_type(word: &str) -> Option<u128> {
    let names = [
        ("unspec", 0),
        ("unicast", 1),
        ("local", 2),
        ("broadcast", 3),
        ("anycast", 4),
        ("multicast", 5),
        ("blackhole", 6),
        ("unreachable", 7),
        ("prohibit", 8),
    ];
    pick(&word.to_ascii_lowercase(), &names)
}

fn pick(word: &str, names: &[(&str, u128)]) -> Option<u128> {
    names.iter().find(|(name, _)| *name == word).map(|(_, n)| *n).or_else(|| plain(word))
}

fn plain(word: &str) -> Option<u128> {
    match word.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}
