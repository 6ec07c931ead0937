//! The floor from outside: link layers, tunnels, ICMP, cut and padded frames, fragments; and that no bytes panic.
use super::testing::*;
use super::*;
use crate::base::{Addr, Span, Timestamp};
use etherparse::{Ipv4Options, PacketBuilder, TcpHeader};
use proptest::prelude::*;

fn decode<'a>(decoder: &'a mut Decoder, link: LinkType, frame: &'a [u8]) -> Packet<'a> {
    decoder.decode(link, Timestamp(0), frame, frame.len() as u32)
}

#[test]
fn every_link_layer() {
    for (ip, ether_type, family, ppp) in [(v4(DATA), 0x0800u16, 2u8, 0x21u8), (v6(DATA), 0x86dd, 10, 0x57)] {
        let [high, low] = ether_type.to_be_bytes();
        for raw in [LinkType::RAW, LinkType::RAW_12, LinkType::RAW_14, LinkType::IPV4, LinkType::IPV6] {
            expect(raw, &ip, false);
        }
        expect(LinkType::ETHERNET, &ethernet(ether_type, &ip), false);
        let mut sll = [0; 16];
        (sll[14], sll[15]) = (high, low);
        expect(LinkType::LINUX_SLL, &behind(&sll, &ip), false);
        let mut sll2 = [0; 20];
        (sll2[0], sll2[1]) = (high, low);
        expect(LinkType::LINUX_SLL2, &behind(&sll2, &ip), false);
        for family in [[family, 0, 0, 0], [0, 0, 0, family]] {
            expect(LinkType::NULL, &behind(&family, &ip), false);
            expect(LinkType::LOOP, &behind(&family, &ip), false);
        }
        for head in [&[0xff, 3, 0, ppp][..], &[0, ppp], &[ppp]] {
            expect(LinkType::PPP, &behind(head, &ip), false);
            expect(LinkType::PPP_HDLC, &behind(head, &ip), false);
        }
        expect(LinkType::PPP_HDLC, &behind(&[0x0f, 0, high, low], &ip), false);
        expect(LinkType::ETHERNET, &ethernet(0x8864, &behind(&[0x11, 0, 0, 1, 0, 40, 0, ppp], &ip)), false);
        let snap = behind(&[0xaa, 0xaa, 3, 0, 0, 0, high, low], &ip);
        expect(LinkType::ETHERNET, &ethernet(snap.len() as u16, &snap), false);
    }
}

#[test]
fn tags_stack() {
    let ip = v4(DATA);
    let one = behind(&[0, 7, 8, 0], &ip);
    let two = behind(&[0, 8, 0x81, 0], &one);
    let three = behind(&[0, 9, 0x88, 0xa8], &two);
    expect(LinkType::ETHERNET, &ethernet(0x8100, &one), false);
    expect(LinkType::ETHERNET, &ethernet(0x88a8, &two), false);
    expect(LinkType::ETHERNET, &ethernet(0x9100, &three), false);
}

/// Everything that can be inside an IPv4 datagram and hold the segment.
fn tunnels() -> Vec<(u8, Vec<u8>)> {
    let (ip, ip6) = (v4(DATA), v6(DATA));
    let eth = ethernet(0x0800, &ip);
    let vxlan = behind(&[8, 0, 0, 0, 0, 0, 42, 0], &eth);
    vec![
        (17, in_udp(4789, &vxlan)),
        (17, in_udp(8472, &vxlan)),
        (17, in_udp(6081, &behind(&[1, 0, 0x65, 0x58, 0, 0, 9, 0, 1, 2, 3, 4], &eth))),
        (17, in_udp(6081, &behind(&[0, 0, 8, 0, 0, 0, 9, 0], &ip))),
        (17, in_udp(6635, &behind(&[0, 1, 0x01, 64], &ip))),
        (47, behind(&[0, 0, 8, 0], &ip)),
        (47, behind(&[0, 0, 0x86, 0xdd], &ip6)),
        (47, behind(&[0xb0, 0, 0x65, 0x58, 1, 1, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3], &eth)),
        (47, behind(&[0, 0, 0x88, 0xbe], &eth)),
        (47, behind(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &eth)),
        (47, behind(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &eth)),
        (47, behind(&[0x20, 1, 0x88, 0x0b, 0, 9, 0, 1, 0x21], &ip)),
        (4, ip.clone()),
        (41, ip6.clone()),
        (137, behind(&[0, 1, 0, 64, 0, 2, 1, 64], &ip6)),
    ]
}

#[test]
fn tunnels_are_looked_into() {
    for (protocol, inner) in tunnels() {
        expect(LinkType::RAW, &in_v4(protocol, 0, &inner), true);
        expect(LinkType::RAW, &in_v6(protocol, &inner), true);
        expect(LinkType::ETHERNET, &ethernet(0x0800, &in_v4(protocol, 0, &inner)), true);
    }
    let labels = [0, 1, 0, 64, 0, 2, 1, 64];
    expect(LinkType::ETHERNET, &ethernet(0x8847, &behind(&labels, &v4(DATA))), true);
    let wire = behind(&[0, 0, 0, 0], &ethernet(0x0800, &v4(DATA)));
    expect(LinkType::ETHERNET, &ethernet(0x8847, &behind(&labels, &wire)), true);
}

#[test]
fn tunnels_nest_four_deep() {
    let mut ip = v4(DATA);
    for depth in 1..=6 {
        ip = in_v4(4, 0, &ip);
        let mut decoder = Decoder::new();
        let packet = decode(&mut decoder, LinkType::RAW, &ip);
        assert_eq!(matches!(packet, Packet::Tcp(_)), depth <= 4, "{depth}");
    }
}

#[test]
fn what_only_looks_like_a_tunnel_is_other() {
    let eth = ethernet(0x0800, &v4(DATA));
    for inner in [
        in_udp(4789, &behind(&[0, 0, 0, 0, 0, 0, 42, 0], &eth)),
        in_udp(4789, &behind(&[8, 0, 0, 0, 0, 0, 42, 0], &eth[..40])),
        in_udp(4789, b"x"),
        in_udp(6081, &behind(&[0xff, 0, 8, 0, 0, 0, 9, 0], &eth)),
        in_udp(53, &behind(&[8, 0, 0, 0, 0, 0, 42, 0], &eth)),
    ] {
        let mut decoder = Decoder::new();
        assert_eq!(decode(&mut decoder, LinkType::RAW, &in_v4(17, 0, &inner)), Packet::Other);
    }
}

fn icmp(protocol: u8, head: [u8; 8], quoted: &[u8]) -> Vec<u8> {
    let message = behind(&head, quoted);
    if protocol == 1 { in_v4(1, 0, &message) } else { in_v6(58, &message) }
}

fn icmp_kind(frame: &[u8]) -> Option<IcmpKind> {
    let mut decoder = Decoder::new();
    match decode(&mut decoder, LinkType::RAW, frame) {
        Packet::Icmp(error) => {
            assert_eq!((error.src.port, error.dst.port, error.seq.0), (40000, 4222, 1000));
            Some(error.kind)
        }
        _ => None,
    }
}

#[test]
fn icmp_errors() {
    use IcmpKind::*;
    let quoted = v4(DATA);
    let quoted = &quoted[..28];
    for (kind, codes, want) in [
        (3, &[0, 6, 11][..], NetUnreachable),
        (3, &[1, 7, 12], HostUnreachable),
        (3, &[2], ProtocolUnreachable),
        (3, &[3], PortUnreachable),
        (3, &[4], FragmentationNeeded(1400)),
        (3, &[9, 10, 13, 15], AdminProhibited),
        (3, &[5], Other(3, 5)),
        (11, &[0], TimeExceeded),
        (11, &[1], Other(11, 1)),
    ] {
        for &code in codes {
            let frame = icmp(1, [kind, code, 0, 0, 0, 0, 5, 0x78], quoted);
            assert_eq!(icmp_kind(&frame), Some(want), "{kind} {code}");
            let geneve = in_udp(6081, &behind(&[0, 0, 8, 0, 0, 0, 9, 0], &frame));
            assert_eq!(icmp_kind(&in_v4(17, 0, &geneve)), Some(want));
        }
    }
    let quoted = v6(DATA);
    for (kind, codes, want) in [
        (1, &[0][..], NetUnreachable),
        (1, &[1, 5, 6], AdminProhibited),
        (1, &[3], HostUnreachable),
        (1, &[4], PortUnreachable),
        (2, &[0], FragmentationNeeded(1400)),
        (3, &[0], TimeExceeded),
        (4, &[1], ProtocolUnreachable),
        (4, &[0], Other(4, 0)),
    ] {
        for &code in codes {
            let frame = icmp(58, [kind, code, 0, 0, 0, 0, 5, 0x78], &quoted[..48]);
            assert_eq!(icmp_kind(&frame), Some(want), "{kind} {code}");
        }
    }
}

#[test]
fn icmp_quotes() {
    let unreachable = [3, 1, 0, 0, 0, 0, 0, 0];
    let mut with_options = Vec::new();
    let mut head = etherparse::Ipv4Header::new(24, 61, etherparse::ip_number::TCP, CLIENT, SERVER).unwrap();
    head.options = Ipv4Options::from([1; 8]);
    let ip = etherparse::IpHeaders::Ipv4(head, etherparse::Ipv4Extensions::default());
    PacketBuilder::ip(ip).tcp(40000, 4222, 1000, 512).write(&mut with_options, DATA).unwrap();
    let mut decoder = Decoder::new();
    let frame = icmp(1, unreachable, &with_options[..36]);
    let Packet::Icmp(error) = decode(&mut decoder, LinkType::RAW, &frame) else { panic!() };
    assert_eq!((error.from, error.to), (Addr::v4([172, 16, 0, 1]), Addr::v4([172, 16, 0, 2])));
    assert_eq!((error.src.addr, error.dst.addr), (Addr::v4(CLIENT), Addr::v4(SERVER)));
    let tcp = &v6(DATA)[40..];
    let options = in_v6(60, &behind(&[6, 0, 1, 4, 0, 0, 0, 0], tcp));
    assert_eq!(icmp_kind(&icmp(58, [1, 3, 0, 0, 0, 0, 0, 0], &options)), Some(IcmpKind::HostUnreachable));
    // Too little quoted, no error, not TCP, a later fragment, no IP.
    for frame in [
        icmp(1, unreachable, &v4(DATA)[..27]),
        icmp(1, [8, 0, 0, 0, 0, 0, 0, 0], &v4(DATA)),
        icmp(1, [5, 1, 0, 0, 0, 0, 0, 0], &v4(DATA)),
        icmp(1, unreachable, &in_v4(17, 0, &in_udp(53, DATA))),
        icmp(1, unreachable, &in_v4(6, 100, DATA)),
        icmp(1, unreachable, b"hello world, this is nothing"),
    ] {
        assert_eq!(icmp_kind(&frame), None);
    }
}

#[test]
fn padding_is_no_payload() {
    for kind in [v4(b""), v6(b"")] {
        let ether_type = if kind[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
        let mut frame = ethernet(ether_type, &kind);
        frame.extend([0x55; 9]);
        let mut decoder = Decoder::new();
        let Packet::Tcp(segment) = decode(&mut decoder, LinkType::ETHERNET, &frame) else { panic!() };
        assert_eq!((segment.payload, segment.payload_len), (&b""[..], 0));
    }
}

#[test]
fn cut_frames_are_used_as_far_as_they_go() {
    let mut ip = Vec::new();
    let mut tcp = TcpHeader::new(40000, 4222, 1000, 512);
    tcp.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
    PacketBuilder::ipv4(CLIENT, SERVER, 61).tcp_header(tcp).write(&mut ip, DATA).unwrap();
    let frame = ethernet(0x0800, &ip);
    for cut in 0..frame.len() {
        let mut decoder = Decoder::new();
        match decoder.decode(LinkType::ETHERNET, Timestamp(0), &frame[..cut], frame.len() as u32) {
            Packet::Tcp(segment) => {
                assert!(cut >= 54);
                assert_eq!(segment.payload, &DATA[..cut.saturating_sub(66)]);
                assert_eq!(segment.payload_len as usize, DATA.len());
                assert_eq!(segment.options.len(), (cut - 54).min(12));
            }
            Packet::Malformed(what) => assert!(cut < 54 && what.have < what.need, "{cut} {what:?}"),
            other => panic!("{cut}: {other:?}"),
        }
    }
}

#[test]
fn a_length_of_zero_is_the_frame_s() {
    for (mut ip, at) in [(v4(DATA), 2), (v6(DATA), 4)] {
        (ip[at], ip[at + 1]) = (0, 0);
        expect(LinkType::RAW, &ip, false);
        let mut decoder = Decoder::new();
        let Packet::Tcp(segment) = decoder.decode(LinkType::RAW, Timestamp(0), &ip, 100_000) else {
            panic!()
        };
        assert_eq!(segment.payload_len as usize, 100_000 - (ip.len() - DATA.len()));
    }
}

#[test]
fn lengths_that_contradict_the_headers_are_malformed() {
    let mut decoder = Decoder::new();
    let mut ip = v4(DATA);
    ip[3] = 39;
    let packet = decode(&mut decoder, LinkType::RAW, &ip);
    assert_eq!(packet, Packet::Malformed(Malformed { layer: Layer::Tcp, need: 20, have: 19 }));
    let mut ip = v4(DATA);
    ip[3] = 19;
    assert!(matches!(decode(&mut decoder, LinkType::RAW, &ip), Packet::Malformed(_)));
    let mut ip = v4(DATA);
    ip[32] = 0x40;
    assert!(matches!(decode(&mut decoder, LinkType::RAW, &ip), Packet::Malformed(_)));
}

#[test]
fn extension_headers_are_passed() {
    let tcp = &v6(DATA)[40..];
    let hop = behind(
        &[60, 0, 1, 4, 0, 0, 0, 0],
        &behind(&[43, 0, 1, 4, 0, 0, 0, 0], &behind(&[6, 0, 4, 0, 0, 0, 0, 0], tcp)),
    );
    let mut ip = in_v6(0, &hop);
    ip[7] = 61;
    expect(LinkType::RAW, &ip, false);
    // A fragment header that cuts nothing.
    let mut ip = in_v6(44, &behind(&[6, 0, 0, 0, 0, 0, 0, 1], tcp));
    ip[7] = 61;
    expect(LinkType::RAW, &ip, false);
}

/// A datagram in parts of `size` octets.
fn parts(v6: bool, protocol: u8, body: &[u8], size: usize) -> Vec<Vec<u8>> {
    let chunks: Vec<_> = body.chunks(size).collect();
    let last = chunks.len() - 1;
    let part = |(at, chunk): (usize, &&[u8])| {
        let (offset, more) = ((at * size / 8) as u16, at != last);
        if v6 {
            let field = (offset << 3 | u16::from(more)).to_be_bytes();
            return in_v6(44, &behind(&[protocol, 0, field[0], field[1], 0, 0, 0, 9], chunk));
        }
        in_v4(protocol, offset | u16::from(more) << 13, chunk)
    };
    chunks.iter().enumerate().map(part).collect()
}

fn feed(decoder: &mut Decoder, frames: &[Vec<u8>], want: &[u8]) -> usize {
    let mut segments = 0;
    for frame in frames {
        match decode(decoder, LinkType::RAW, frame) {
            Packet::Tcp(segment) => {
                assert_eq!((segment.payload, segment.payload_len as usize), (want, want.len()));
                segments += 1;
            }
            packet => assert_eq!(packet, Packet::Fragment),
        }
    }
    segments
}

#[test]
fn fragments_become_one_segment() {
    let data: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
    for v6 in [false, true] {
        let tcp = v4(&data).split_off(20);
        let mut frames = parts(v6, 6, &tcp, 1480);
        assert_eq!(feed(&mut Decoder::new(), &frames, &data), 1);
        frames.reverse();
        let mut decoder = Decoder::new();
        assert_eq!(feed(&mut decoder, &frames, &data), 1);
        assert_eq!(decoder.held(), 0);
        // Repeated and overlapping parts; only the whole counts.
        let mut frames = parts(v6, 6, &tcp, 1480);
        frames.insert(1, frames[0].clone());
        frames.insert(2, parts(v6, 6, &tcp, 800)[1].clone());
        assert_eq!(feed(&mut Decoder::new(), &frames, &data), 1);
        // A first part that holds no whole TCP header.
        assert_eq!(feed(&mut Decoder::new(), &parts(v6, 6, &tcp, 8), &data), 1);
        // A tunnel in parts.
        let vxlan = behind(&[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(0x0800, &v4(&data)));
        assert_eq!(feed(&mut Decoder::new(), &parts(v6, 17, &in_udp(4789, &vxlan), 1480), &data), 1);
    }
}

#[test]
fn fragments_are_bounded_and_expire() {
    let mut decoder = Decoder::new();
    let first = in_v4(6, 0x2000, &[0; 1480]);
    for id in 0..20_000u16 {
        let mut frame = first.clone();
        [frame[4], frame[5]] = id.to_be_bytes();
        decode(&mut decoder, LinkType::RAW, &frame);
        assert!(decoder.held() <= 4 << 20);
    }
    assert!(decoder.held() > 3 << 20);
    let late = Timestamp(0) + Span::secs(61);
    decoder.decode(LinkType::RAW, late, &first, first.len() as u32);
    assert!(decoder.held() < 4096);
    // One that claims the far end of a datagram costs what it claims, no more.
    decode(&mut decoder, LinkType::RAW, &in_v4(6, 0x1fff, &[0; 7]));
    assert!(decoder.held() < 80_000);
}

#[derive(Debug, Clone)]
struct Plain {
    link: LinkType,
    tag: Option<u16>,
    v6: bool,
    header: (u16, u16, u32, u32, u8, u16),
    options: Vec<u8>,
    payload: Vec<u8>,
    padding: usize,
}

impl Plain {
    fn build(&self) -> Vec<u8> {
        let (src, dst, seq, ack, flags, window) = self.header;
        let mut tcp = TcpHeader::new(src, dst, seq, window);
        tcp.acknowledgment_number = ack;
        (tcp.fin, tcp.syn, tcp.rst, tcp.psh) =
            (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
        (tcp.ack, tcp.urg, tcp.ece, tcp.cwr) =
            (flags & 16 != 0, flags & 32 != 0, flags & 64 != 0, flags & 128 != 0);
        tcp.set_options_raw(&self.options).unwrap();
        let mut ip = Vec::new();
        let builder = if self.v6 {
            PacketBuilder::ipv6([0x20; 16], [0x21; 16], flags)
        } else {
            PacketBuilder::ipv4([10, 1, 2, 3], [10, 4, 5, 6], flags)
        };
        builder.tcp_header(tcp).write(&mut ip, &self.payload).unwrap();
        let ether_type = if self.v6 { 0x86ddu16 } else { 0x0800 };
        let [high, low] = ether_type.to_be_bytes();
        let mut frame = match (self.link, self.tag) {
            (LinkType::ETHERNET, None) => ethernet(ether_type, &ip),
            (LinkType::ETHERNET, Some(id)) => {
                ethernet(0x8100, &behind(&[(id >> 8) as u8, id as u8, high, low], &ip))
            }
            (LinkType::LINUX_SLL, _) => behind(&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, high, low], &ip),
            (LinkType::LINUX_SLL2, _) => {
                behind(&[high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &ip)
            }
            _ => ip,
        };
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    let links =
        [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW, LinkType::IPV4];
    let words = proptest::collection::vec(any::<u8>(), 0..=10).prop_map(|words| words.repeat(4));
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    (
        prop::sample::select(links.to_vec()),
        any::<Option<u16>>(),
        any::<bool>(),
        any::<(u16, u16, u32, u32, u8, u16)>(),
        words,
        payload,
        0..20usize,
    )
        .prop_map(|(link, tag, v6, header, options, payload, padding)| Plain {
            link,
            tag,
            v6,
            header,
            options,
            payload,
            padding,
        })
}

/// What shows at a glance is so.
fn glance(link: LinkType, bytes: &[u8], wire_len: u32) {
    let whole = slow::frame(link, bytes, wire_len);
    match (Glance::at(link, bytes), whole) {
        (Glance::Unknown, _) | (Glance::Other, slow::Found::Packet(Packet::Other | Packet::Malformed(_))) => {
        }
        (Glance::Plain(plain), slow::Found::Packet(Packet::Tcp(segment))) => {
            let addrs = plain.addrs().map(|addr| Addr::v4(addr.to_be_bytes()));
            assert_eq!(addrs, [segment.src.addr, segment.dst.addr]);
            assert_eq!(plain.ports(), [segment.src.port, segment.dst.port]);
            assert!(plain.segment().is_none_or(|told| told == segment));
        }
        (Glance::Plain(plain), slow::Found::Packet(Packet::Malformed(_))) => {
            assert!(plain.segment().is_none());
        }
        (glance, slow::Found::Packet(packet)) => panic!("{glance:?}, but {packet:?}"),
        (glance, slow::Found::Part(_)) => panic!("{glance:?}, but it is a part"),
    }
}

/// The short path says nothing, or what the long one says.
fn agree(link: LinkType, bytes: &[u8], wire_len: u32) -> bool {
    glance(link, bytes, wire_len);
    let Some(fast) = fast::segment(link, bytes) else { return false };
    match slow::frame(link, bytes, wire_len) {
        slow::Found::Packet(slow) => assert_eq!(Packet::Tcp(fast), slow),
        slow::Found::Part(_) => panic!("the short path took a fragment"),
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_paths_agree(plain in plain(), cut in any::<prop::sample::Index>(), change in any::<(prop::sample::Index, u8)>()) {
        let frame = plain.build();
        let wire = frame.len() as u32;
        prop_assert!(agree(plain.link, &frame, wire));
        agree(plain.link, &frame[..cut.index(frame.len() + 1)], wire);
        if let (LinkType::ETHERNET, None, false) = (plain.link, plain.tag, plain.v6) {
            prop_assert!(matches!(Glance::at(plain.link, &frame), Glance::Plain(_)));
            // UDP, now and then a tunnel's.
            let mut udp = frame.clone();
            udp[23] = 17;
            udp[36..38].copy_from_slice(&[4789_u16, 8472, 6081, 6635, 53][change.0.index(5)].to_be_bytes());
            glance(plain.link, &udp, wire);
            glance(plain.link, &udp[..cut.index(udp.len() + 1)], wire);
        }
        let mut changed = frame;
        // Mostly in the headers, where it matters.
        let at = change.0.index(changed.len().min(80));
        changed[at] = change.1;
        agree(plain.link, &changed, wire);
        agree(plain.link, &changed[..cut.index(changed.len() + 1)], wire);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), wire in any::<u32>()) {
        for link in LinkType::KNOWN.into_iter().chain([LinkType(9999)]) {
            Decoder::new().decode(link, Timestamp(0), &bytes, wire);
        }
    }

    #[test]
    fn no_damaged_tunnel_panics(
        which in any::<prop::sample::Index>(), v6 in any::<bool>(), cut in any::<prop::sample::Index>(),
        changes in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6), wire in any::<u32>(),
    ) {
        let tunnels = tunnels();
        let (protocol, inner) = &tunnels[which.index(tunnels.len())];
        let mut frame = if v6 { in_v6(*protocol, inner) } else { in_v4(*protocol, 0, inner) };
        for (at, to) in changes {
            let at = at.index(frame.len());
            frame[at] = to;
        }
        frame.truncate(cut.index(frame.len() * 2));
        Decoder::new().decode(LinkType::RAW, Timestamp(0), &frame, wire);
    }

    #[test]
    fn no_fragments_panic(pieces in proptest::collection::vec((any::<bool>(), 0..0x4000u16, 0..100usize), 1..30)) {
        let mut decoder = Decoder::new();
        for (v6, field, len) in pieces {
            let [high, low] = field.to_be_bytes();
            let body = vec![7; len];
            let frame = if v6 { in_v6(44, &behind(&[6, 0, high, low, 0, 0, 0, 1], &body)) } else { in_v4(6, field, &body) };
            decode(&mut decoder, LinkType::RAW, &frame);
        }
    }
}
