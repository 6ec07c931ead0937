//! Frames for the tests, put together with etherparse's builder and by hand.
use super::{Decoder, LinkType, Packet, Segment};
use crate::base::Timestamp;
use etherparse::PacketBuilder;

pub const CLIENT: [u8; 4] = [10, 0, 0, 7];
pub const SERVER: [u8; 4] = [10, 0, 0, 9];
pub const DATA: &[u8] = b"PUB a 5\r\nhello\r\n";

/// A TCP segment in IPv4, from the client to the server.
pub fn v4(payload: &[u8]) -> Vec<u8> {
    let mut ip = Vec::new();
    PacketBuilder::ipv4(CLIENT, SERVER, 61)
        .tcp(40000, 4222, 1000, 512)
        .ack(77)
        .write(&mut ip, payload)
        .unwrap();
    ip
}

/// A TCP segment in IPv6.
pub fn v6(payload: &[u8]) -> Vec<u8> {
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    (src[0], src[15], dst[0], dst[15]) = (0x20, 7, 0x20, 9);
    let mut ip = Vec::new();
    PacketBuilder::ipv6(src, dst, 61).tcp(40000, 4222, 1000, 512).ack(77).write(&mut ip, payload).unwrap();
    ip
}

/// A header before something.
pub fn behind(head: &[u8], rest: &[u8]) -> Vec<u8> {
    [head, rest].concat()
}

/// In Ethernet with that EtherType.
pub fn ethernet(ether_type: u16, rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ether_type.to_be_bytes());
    behind(&frame, rest)
}

/// In IPv4 with that protocol; `fragment` is the field of flags and offset.
pub fn in_v4(protocol: u8, fragment: u16, rest: &[u8]) -> Vec<u8> {
    let mut head = vec![0x45, 0];
    head.extend((rest.len() as u16 + 20).to_be_bytes());
    head.extend([0x12, 0x34]);
    head.extend(fragment.to_be_bytes());
    head.extend([50, protocol, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2]);
    behind(&head, rest)
}

/// In IPv6 with that next header.
pub fn in_v6(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut head = vec![0x60, 0, 0, 0];
    head.extend((rest.len() as u16).to_be_bytes());
    head.extend([next, 50]);
    head.extend([0xfd; 32]);
    behind(&head, rest)
}

/// In UDP to that port.
pub fn in_udp(port: u16, rest: &[u8]) -> Vec<u8> {
    let mut head = vec![0xc0, 1];
    head.extend(port.to_be_bytes());
    head.extend((rest.len() as u16 + 8).to_be_bytes());
    head.extend([0, 0]);
    behind(&head, rest)
}

/// Decodes a whole frame and asks the segment of [`v4`] or [`v6`] with [`DATA`] to be in it.
pub fn expect(link: LinkType, frame: &[u8], tunnel: bool) {
    let mut decoder = Decoder::new();
    match decoder.decode(link, Timestamp(0), frame, frame.len() as u32) {
        Packet::Tcp(segment) => check(&segment, tunnel),
        other => panic!("{link}: {other:?}"),
    }
}

/// The segment of [`v4`] or [`v6`] with [`DATA`].
pub fn check(segment: &Segment<'_>, tunnel: bool) {
    assert_eq!((segment.src.port, segment.dst.port), (40000, 4222));
    assert_eq!((segment.seq.0, segment.ack.0, segment.window, segment.ttl), (1000, 77, 512, 61));
    assert_eq!((segment.payload, segment.payload_len as usize), (DATA, DATA.len()));
    assert_eq!((segment.flags.to_string().as_str(), segment.tunnel), (".", tunnel));
    assert_eq!(segment.ip_id.is_some(), segment.src.addr.is_v4());
}
