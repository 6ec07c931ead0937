//! Ethernet frames by hand: TCP with the options Linux sends, ICMP errors, a stranger's datagram. Checksums stay 0, as with
//! offloading.
use std::net::IpAddr;

/// FIN, SYN, RST, PSH, ACK.
pub const FIN: u8 = 0x01;
/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;
/// ACK.
pub const ACK: u8 = 0x10;

/// One TCP segment.
#[derive(Clone, Debug)]
pub struct Segment {
    pub from: (IpAddr, u16),
    pub to: (IpAddr, u16),
    pub ttl: u8,
    pub id: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    /// Selectively acknowledged ranges.
    pub sack: Vec<(u32, u32)>,
    pub payload: Vec<u8>,
}

impl Segment {
    /// In Ethernet and IP.
    pub fn frame(&self) -> Vec<u8> {
        ethernet(self.from.0, self.to.0, self.ttl, self.id, 6, &self.tcp())
    }

    /// The segment with its IP header, as an ICMP error quotes it.
    pub fn packet(&self) -> Vec<u8> {
        ip(self.from.0, self.to.0, self.ttl, self.id, 6, &self.tcp())
    }

    fn tcp(&self) -> Vec<u8> {
        let mut options = Vec::new();
        if self.flags & SYN != 0 {
            options.extend([2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 1, 1]);
        }
        if !self.sack.is_empty() {
            let ranges = &self.sack[..self.sack.len().min(3)];
            options.extend([1, 1, 5, (2 + 8 * ranges.len()) as u8]);
            for (from, to) in ranges {
                options.extend(from.to_be_bytes());
                options.extend(to.to_be_bytes());
            }
        }
        let mut out = Vec::new();
        out.extend(self.from.1.to_be_bytes());
        out.extend(self.to.1.to_be_bytes());
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend([((20 + options.len()) as u8 / 4) << 4, self.flags]);
        out.extend(self.window.to_be_bytes());
        out.extend([0; 4]);
        out.extend(options);
        out.extend(&self.payload);
        out
    }
}

/// Type and code.
type Numbers = (u8, u8);

/// What an ICMP error says: its name, and type and code for IPv4 and IPv6.
const ERRORS: [(&str, Numbers, Numbers); 7] = [
    ("net", (3, 0), (1, 0)),
    ("host", (3, 1), (1, 3)),
    ("proto", (3, 2), (4, 1)),
    ("port", (3, 3), (1, 4)),
    ("admin", (3, 13), (1, 1)),
    ("frag", (3, 4), (2, 0)),
    ("ttl", (11, 0), (3, 0)),
];

/// An ICMP error from `from` that quotes `about`; `None` where there is no error of that name.
pub fn icmp(from: IpAddr, ttl: u8, kind: &str, about: &Segment) -> Option<Vec<u8>> {
    let (_, v4, v6) = ERRORS.into_iter().find(|e| e.0 == kind)?;
    let is_v6 = about.from.0.is_ipv6();
    let (kind, code) = if is_v6 { v6 } else { v4 };
    let mut body = vec![kind, code, 0, 0];
    // The next hop's MTU, where it has a place.
    let mtu: u32 = if is_v6 || (kind, code) == (3, 4) { 1400 } else { 0 };
    body.extend(mtu.to_be_bytes());
    let quoted = about.packet();
    body.extend(&quoted[..quoted.len().min(68)]);
    Some(ethernet(from, about.from.0, ttl, 0, if is_v6 { 58 } else { 1 }, &body))
}

/// A datagram between strangers: nothing but time passes.
pub fn stranger() -> Vec<u8> {
    let body = [0, 53, 0xd4, 0x31, 0, 9, 0, 0, 0];
    ethernet(IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]), 64, 1, 17, &body)
}

fn ethernet(from: IpAddr, to: IpAddr, ttl: u8, id: u16, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(if from.is_ipv4() { 0x0800u16 } else { 0x86dd }.to_be_bytes());
    frame.extend(ip(from, to, ttl, id, protocol, body));
    frame
}

fn ip(from: IpAddr, to: IpAddr, ttl: u8, id: u16, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + body.len());
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend([0x45, 0]);
            out.extend((20 + body.len() as u16).to_be_bytes());
            out.extend(id.to_be_bytes());
            out.extend([0x40, 0, ttl, protocol, 0, 0]);
            out.extend(from.octets());
            out.extend(to.octets());
        }
        (from, to) => {
            let octets = |addr: IpAddr| match addr {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            out.extend([0x60, 0, 0, 0]);
            out.extend((body.len() as u16).to_be_bytes());
            out.extend([protocol, ttl]);
            out.extend(octets(from));
            out.extend(octets(to));
        }
    }
    out.extend(body);
    out
}
