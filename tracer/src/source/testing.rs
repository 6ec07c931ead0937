//! Capture files for the tests, put together octet by octet.
use super::blocks::Order;
use super::{FileSource, SourceError};
use std::io::Cursor;
use std::path::Path;

/// A frame as a test wants it back: interface, nanoseconds, length on the wire, octets.
pub type Seen = (u32, i64, u32, Vec<u8>);

impl Order {
    pub fn put16(self, n: u16) -> [u8; 2] {
        if self == Self::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }

    pub fn put32(self, n: u32) -> [u8; 4] {
        if self == Self::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }

    pub fn put64(self, n: u64) -> [u8; 8] {
        if self == Self::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }
}

/// A pcap file of that magic number.
pub fn pcap(order: Order, magic: u32, link: u32, records: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [magic, 0, 0, 0, 65535, link] {
        out.extend(order.put32(word));
    }
    out[4..8].copy_from_slice(&[order.put16(2), order.put16(4)].concat());
    for &(seconds, fraction, bytes) in records {
        let len = bytes.len() as u32;
        for word in [seconds, fraction, len, len + 5] {
            out.extend(order.put32(word));
        }
        if magic == 0xa1b2_cd34 {
            out.extend([0; 8]);
        }
        out.extend(bytes);
    }
    out
}

/// Some frames of different lengths, in a pcap file with microseconds.
pub fn small_pcap() -> Vec<u8> {
    pcap(Order::Little, 0xa1b2_c3d4, 1, &[(1, 2, b"abc"), (1, 3, b""), (2, 0, &[9; 70])])
}

/// A block with its lengths and padding.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let total = body.len().next_multiple_of(4) as u32 + 12;
    let mut out = [order.put32(kind), order.put32(total)].concat();
    out.extend(body);
    out.resize(total as usize - 4, 0);
    out.extend(order.put32(total));
    out
}

pub fn section(order: Order) -> Vec<u8> {
    let mut body = order.put32(0x1a2b_3c4d).to_vec();
    body.extend([order.put16(1), order.put16(0)].concat());
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

pub fn options(order: Order, list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for &(code, value) in list {
        out.extend([order.put16(code), order.put16(value.len() as u16)].concat());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out.extend([0; 4]);
    out
}

pub fn interface(order: Order, link: u16, snaplen: u32, list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.put16(link).to_vec();
    body.extend([0; 2]);
    body.extend(order.put32(snaplen));
    body.extend(options(order, list));
    block(order, 1, &body)
}

pub fn enhanced(order: Order, iface: u32, ticks: u64, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [iface, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, bytes.len() as u32 + 5] {
        body.extend(order.put32(word));
    }
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options(order, &[(1, b"a comment")]));
    block(order, 6, &body)
}

pub fn statistics(order: Order, iface: u32, list: &[(u16, u64)]) -> Vec<u8> {
    let mut body = order.put32(iface).to_vec();
    body.extend([0; 8]);
    let values: Vec<_> = list.iter().map(|&(code, n)| (code, order.put64(n))).collect();
    let list: Vec<_> = values.iter().map(|(code, value)| (*code, &value[..])).collect();
    body.extend(options(order, &list));
    block(order, 5, &body)
}

/// Two interfaces, three packets, statistics and a block of no known kind.
pub fn small_pcapng() -> Vec<u8> {
    let order = Order::Little;
    [
        section(order),
        interface(order, 1, 0, &[(2, b"eth0")]),
        enhanced(order, 0, 1_000_002, b"abc"),
        interface(order, 101, 0, &[(9, &[9])]),
        block(order, 0xbad, b"whatever"),
        enhanced(order, 1, 1_000_003_000, b""),
        enhanced(order, 0, 2_000_000, &[9; 70]),
        statistics(order, 0, &[(4, 100), (5, 3), (7, 4)]),
    ]
    .concat()
}

pub fn open(bytes: Vec<u8>) -> Result<FileSource, SourceError> {
    let size = bytes.len() as u64;
    FileSource::from_reader(Box::new(Cursor::new(bytes)), Path::new("test.pcap"), 3, Some(size))
}

/// All frames, and how it ended.
pub fn drain(source: &mut FileSource) -> (Vec<Seen>, Option<SourceError>) {
    let mut seen = Vec::new();
    loop {
        match source.next() {
            Ok(Some(frame)) => {
                assert_eq!((frame.capture, frame.number), (3, seen.len() as u64 + 1));
                seen.push((frame.iface, frame.at.0, frame.wire_len, frame.bytes.to_vec()));
            }
            Ok(None) => return (seen, None),
            Err(error) => {
                assert!(matches!(source.next(), Ok(None)));
                return (seen, Some(error));
            }
        }
    }
}

/// What both small files hold, but for the second frame's interface.
pub fn small_frames(second: u32) -> Vec<Seen> {
    vec![
        (0, 1_000_002_000, 8, b"abc".to_vec()),
        (second, 1_000_003_000, 5, Vec::new()),
        (0, 2_000_000_000, 75, vec![9; 70]),
    ]
}
