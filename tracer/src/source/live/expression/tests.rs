//! The expression compiled by libpcap and run over packets put together by hand.
use super::*;

const V4: u16 = 0x0800;
const V6: u16 = 0x86dd;

fn wanted(ports: &str, user: Option<&str>, tunnels: bool) -> Wanted {
    Wanted { ports: ports.parse().unwrap(), user: user.map(str::to_owned), tunnels }
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2.
fn v4(protocol: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    ip[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
    ip[6..8].copy_from_slice(&fragment.to_be_bytes());
    ip.extend(body);
    ip
}

/// An IPv6 packet.
fn v6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x60, 0, 0, 0, 0, body.len() as u8, next, 64];
    ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    ip.extend(body);
    ip
}

fn tcp(src: u16, dst: u16) -> Vec<u8> {
    let mut tcp = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0]);
    tcp
}

fn udp(dst: u16) -> Vec<u8> {
    [[0x90, 0x00], dst.to_be_bytes(), [0, 40], [0, 0]].concat().into_iter().chain([0; 40]).collect()
}

/// A frame of that link type around an IP packet, behind VLAN tags.
fn frame(link: LinkType, tags: &[u16], ip: &[u8]) -> Vec<u8> {
    let kind = if ip[0] >> 4 == 4 { V4 } else { V6 };
    let kinds: Vec<u16> = tags.iter().copied().chain([kind]).collect();
    let (first, rest) = kinds.split_first().unwrap();
    let mut out = match link {
        LinkType::ETHERNET => [&[2; 12][..], &first.to_be_bytes()].concat(),
        LinkType::LINUX_SLL => {
            [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0][..], &first.to_be_bytes()].concat()
        }
        LinkType::LINUX_SLL2 => {
            [&first.to_be_bytes()[..], &[0, 0, 0, 0, 0, 7, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0]].concat()
        }
        _ => Vec::new(),
    };
    for kind in rest {
        out.extend([0, 5]);
        out.extend(kind.to_be_bytes());
    }
    out.extend(ip);
    out
}

const ALL_LINKS: [LinkType; 4] =
    [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW_12];

fn program(wanted: &Wanted, link: LinkType) -> pcap::BpfProgram {
    let dead = pcap::Capture::dead(pcap::Linktype(link.0.cast_signed())).unwrap();
    let text = wanted.expression(link);
    dead.compile(&text, true).unwrap_or_else(|e| panic!("{link}: {text}: {e}"))
}

/// What each link type's program says of the packet.
#[track_caller]
fn passes(wanted: &Wanted, ip: &[u8], want: bool) {
    for link in ALL_LINKS {
        let got = program(wanted, link).filter(&frame(link, &[], ip));
        assert_eq!(got, want, "{link}: {}", wanted.expression(link));
    }
}

#[test]
fn tcp_of_the_ports_both_ways() {
    let w = wanted("4222,7000-7010", None, false);
    for (src, dst, want) in [
        (50000, 4222, true),
        (4222, 50000, true),
        (50000, 7003, true),
        (7010, 50000, true),
        (50000, 7011, false),
        (50000, 4223, false),
    ] {
        passes(&w, &v4(6, 0, &tcp(src, dst)), want);
        passes(&w, &v6(6, &tcp(src, dst)), want);
    }
    passes(&w, &v4(17, 0, &udp(4222)), false);
    passes(&wanted("all", None, false), &v4(6, 0, &tcp(1, 2)), true);
}

#[test]
fn the_users_filter_is_for_tcp_alone() {
    let w = wanted("4222", Some("host 10.0.0.9"), false);
    passes(&w, &v4(6, 0, &tcp(50000, 4222)), false);
    passes(&w, &v4(1, 0, &[3, 1, 0, 0, 0, 0, 0, 0]), true);
    passes(&wanted("4222", Some("src 10.0.0.1 or port 9"), false), &v4(6, 0, &tcp(50000, 4222)), true);
    passes(&wanted("4222", Some("src 10.0.0.1 or port 9"), false), &v4(6, 0, &tcp(50000, 9)), false);
}

#[test]
fn icmp_errors_and_no_echoes() {
    let w = wanted("4222", None, false);
    for (kind, want) in [(3, true), (11, true), (12, true), (8, false), (0, false), (5, false)] {
        passes(&w, &v4(1, 0, &[kind, 0, 0, 0, 0, 0, 0, 0]), want);
    }
    for (kind, want) in [(1, true), (2, true), (3, true), (4, true), (128, false), (135, false)] {
        passes(&w, &v6(58, &[kind, 0, 0, 0, 0, 0, 0, 0]), want);
    }
}

#[test]
fn parts_of_datagrams() {
    let w = wanted("4222", None, false);
    passes(&w, &v4(6, 0x2000, &tcp(50000, 4222)), true);
    passes(&w, &v4(6, 0x0010, &[1; 40]), true);
    passes(&w, &v4(17, 0x0010, &[1; 40]), false);
    passes(&w, &v6(44, &[&[6, 0, 0, 0x20, 0, 0, 0, 1][..], &[1; 40]].concat()), true);
    passes(&w, &v6(44, &[&[17, 0, 0, 0x20, 0, 0, 0, 1][..], &[1; 40]].concat()), false);
    passes(&w, &v6(0, &[&[6, 0, 5, 2, 0, 0, 1, 0][..], &tcp(50000, 4222)].concat()), true);
    passes(&w, &v6(60, &[&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(4222)].concat()), false);
}

#[test]
fn tagged_once_and_twice() {
    let plain = wanted("4222", None, false);
    let user = wanted("4222", Some("host 10.0.0.1"), false);
    let other = wanted("4222", Some("host 10.0.0.9"), false);
    for tags in [&[0x8100][..], &[0x88a8], &[0x88a8, 0x8100], &[0x8100, 0x8100]] {
        let tagged = |ip: &[u8]| frame(LinkType::ETHERNET, tags, ip);
        let of = |w: &Wanted, ip: &[u8]| program(w, LinkType::ETHERNET).filter(&tagged(ip));
        assert!(of(&plain, &v4(6, 0, &tcp(50000, 4222))), "{tags:x?}");
        assert!(of(&plain, &v6(6, &tcp(4222, 50000))), "{tags:x?}");
        assert!(!of(&plain, &v4(6, 0, &tcp(50000, 4223))), "{tags:x?}");
        assert!(of(&plain, &v4(1, 0, &[3, 1, 0, 0, 0, 0, 0, 0])), "{tags:x?}");
        assert!(of(&plain, &v4(6, 0x0010, &[1; 40])), "{tags:x?}");
        assert!(of(&user, &v4(6, 0, &tcp(50000, 4222))), "{tags:x?}");
        assert!(!of(&other, &v4(6, 0, &tcp(50000, 4222))), "{tags:x?}");
    }
    for link in [LinkType::LINUX_SLL, LinkType::LINUX_SLL2] {
        let program = program(&plain, link);
        assert!(program.filter(&frame(link, &[0x8100], &v4(6, 0, &tcp(50000, 4222)))), "{link}");
        assert!(program.filter(&frame(link, &[0x88a8], &v6(6, &tcp(50000, 4222)))), "{link}");
        assert!(!program.filter(&frame(link, &[0x8100], &v4(17, 0, &udp(4222)))), "{link}");
    }
}

#[test]
fn a_filter_on_tags_is_the_users_own() {
    let w = wanted("4222", Some("vlan 5"), false);
    let program = program(&w, LinkType::ETHERNET);
    assert!(program.filter(&frame(LinkType::ETHERNET, &[0x8100], &v4(6, 0, &tcp(50000, 4222)))));
    assert!(!program.filter(&frame(LinkType::ETHERNET, &[0x8100], &v4(6, 0, &tcp(50000, 4223)))));
    assert!(!program.filter(&frame(LinkType::ETHERNET, &[], &v4(6, 0, &tcp(50000, 4222)))));
}

#[test]
fn tunnels_where_asked_for() {
    let (without, with) = (wanted("4222", None, false), wanted("4222", None, true));
    for ip in [
        v4(17, 0, &udp(4789)),
        v4(17, 0, &udp(8472)),
        v6(17, &udp(6081)),
        v4(47, 0, &[0; 60]),
        v6(47, &[0; 60]),
        v4(4, 0, &[0; 60]),
        v6(4, &[0; 60]),
        v4(41, 0, &[0; 60]),
        v6(41, &[0; 60]),
        v4(17, 0x0010, &[0; 60]),
    ] {
        passes(&with, &ip, true);
        passes(&without, &ip, false);
    }
    passes(&with, &v4(17, 0, &udp(53)), false);
}

#[test]
fn many_ports_fit_into_a_kernel_program() {
    let list: Vec<String> = (1..=600).map(|n| (n * 100).to_string()).collect();
    let w = wanted(&list.join(","), Some("host 10.0.0.1"), true);
    for link in ALL_LINKS {
        let program = program(&w, link);
        assert!(program.get_instructions().len() < 4096, "{link}: {}", program.get_instructions().len());
    }
    // No port is lost by joining.
    for port in [100, 4200, 30_000, 60_000] {
        passes(&w, &v4(6, 0, &tcp(61_000, port)), true);
    }
    assert_eq!(joined(vec![(1, 2), (9, 9)]), [(1, 2), (9, 9)]);
    assert_eq!(joined((0..40).map(|n| (n * 10, n * 10 + 1)).collect()).len(), RANGES_MAX);
}
