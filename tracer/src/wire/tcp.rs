//! A TCP segment as it was seen: RFC 9293 section 3.1, options of RFC 7323 and RFC 2018.
use super::{Layer, Malformed, Packet};
use crate::base::{Addr, Endpoint, Seq};
use std::fmt;

/// A TCP segment, borrowed from its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Who sent it.
    pub src: Endpoint,
    /// For whom.
    pub dst: Endpoint,
    /// TTL or hop limit of the innermost IP header.
    pub ttl: u8,
    /// IPv4 identification; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgement number, whether or not ACK is set.
    pub ack: Seq,
    /// Flags.
    pub flags: Flags,
    /// Window as it stands in the header, not scaled.
    pub window: u16,
    /// Option octets; see [`Options::decode`].
    pub options: &'a [u8],
    /// Payload, as much as was captured.
    pub payload: &'a [u8],
    /// Payload octets on the wire, by the IP header.
    pub payload_len: u32,
    /// It came in a tunnel or behind MPLS labels.
    pub tunnel: bool,
}

/// What IP says about the segment in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carrier {
    pub src: Addr,
    pub dst: Addr,
    pub ttl: u8,
    pub ip_id: Option<u16>,
    pub tunnel: bool,
}

impl<'a> Segment<'a> {
    /// The segment in `body`, of which `wire` octets were on the wire; `None` unless the whole header is there.
    #[inline(always)]
    pub(super) fn read(carrier: Carrier, body: &'a [u8], wire: usize) -> Option<Self> {
        let (fixed, rest) = body.split_first_chunk::<20>()?;
        let header_len = usize::from(fixed[12] >> 4) * 4;
        let (options, payload) = rest.split_at_checked(header_len.checked_sub(20)?)?;
        let payload_len = wire.checked_sub(header_len)? as u32;
        Some(Self::new(carrier, fixed, options, payload, payload_len))
    }

    #[inline(always)]
    fn new(c: Carrier, h: &[u8; 20], options: &'a [u8], payload: &'a [u8], payload_len: u32) -> Self {
        Self {
            src: Endpoint { addr: c.src, port: u16::from_be_bytes([h[0], h[1]]) },
            dst: Endpoint { addr: c.dst, port: u16::from_be_bytes([h[2], h[3]]) },
            ttl: c.ttl,
            ip_id: c.ip_id,
            seq: Seq(u32::from_be_bytes([h[4], h[5], h[6], h[7]])),
            ack: Seq(u32::from_be_bytes([h[8], h[9], h[10], h[11]])),
            flags: Flags(h[13]),
            window: u16::from_be_bytes([h[14], h[15]]),
            options,
            payload,
            payload_len,
            tunnel: c.tunnel,
        }
    }

    /// The segment in `body` where the capture cut its options short: the fixed part still tells flags and numbers.
    fn read_cut(carrier: Carrier, body: &'a [u8], wire: usize) -> Option<Self> {
        let (fixed, options) = body.split_first_chunk::<20>()?;
        let header_len = usize::from(fixed[12] >> 4) * 4;
        if header_len < 20 || body.len() >= header_len || body.len() >= wire {
            return None;
        }
        let payload_len = wire.checked_sub(header_len)? as u32;
        Some(Self::new(carrier, fixed, options, &[], payload_len))
    }

    /// As [`Segment::read`], but by etherparse, and taking what a cut frame still gives.
    pub(super) fn read_lax(carrier: Carrier, body: &'a [u8], wire: usize) -> Packet<'a> {
        let malformed = |need| Packet::Malformed(Malformed { layer: Layer::Tcp, need, have: body.len() });
        let Ok(tcp) = etherparse::TcpSlice::from_slice(body) else {
            let need = body.get(12).map_or(20, |b| usize::from(b >> 4) * 4).max(20);
            return Self::read_cut(carrier, body, wire).map_or_else(|| malformed(need), Packet::Tcp);
        };
        let Some(payload_len) = wire.checked_sub(tcp.header_len()) else {
            return malformed(tcp.header_len());
        };
        Packet::Tcp(Self {
            src: Endpoint { addr: carrier.src, port: tcp.source_port() },
            dst: Endpoint { addr: carrier.dst, port: tcp.destination_port() },
            ttl: carrier.ttl,
            ip_id: carrier.ip_id,
            seq: Seq(tcp.sequence_number()),
            ack: Seq(tcp.acknowledgment_number()),
            flags: Flags::from_slice(&tcp),
            window: tcp.window_size(),
            options: body.get(20..tcp.header_len()).unwrap_or_default(),
            payload: body.get(tcp.header_len()..).unwrap_or_default(),
            payload_len: payload_len as u32,
            tunnel: carrier.tunnel,
        })
    }
}

/// The eight flags of a segment, all of them: SYN with FIN is evidence too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// FIN alone.
    pub const FIN: Self = Self(0x01);
    /// SYN alone.
    pub const SYN: Self = Self(0x02);
    /// RST alone.
    pub const RST: Self = Self(0x04);
    /// PSH alone.
    pub const PSH: Self = Self(0x08);
    /// ACK alone.
    pub const ACK: Self = Self(0x10);
    /// URG alone.
    pub const URG: Self = Self(0x20);

    /// No more data from the sender.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.has(Self::FIN)
    }

    /// Sequence numbers are being agreed on.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.has(Self::SYN)
    }

    /// Reset.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.has(Self::RST)
    }

    /// Push.
    #[must_use]
    pub const fn psh(self) -> bool {
        self.has(Self::PSH)
    }

    /// The acknowledgement number counts.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.has(Self::ACK)
    }

    /// The urgent pointer counts.
    #[must_use]
    pub const fn urg(self) -> bool {
        self.has(Self::URG)
    }

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn from_slice(tcp: &etherparse::TcpSlice<'_>) -> Self {
        let bits = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg(), tcp.ece(), tcp.cwr()];
        Self(bits.iter().enumerate().fold(0, |all, (at, &set)| all | u8::from(set) << at))
    }
}

impl fmt::Display for Flags {
    /// As tcpdump writes them: `S`, `S.`, `P.`, `F.`, `R`, `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        // CWR and ECE have tcpdump's letters too.
        for (at, letter) in ["F", "S", "R", "P", ".", "U", "E", "W"].iter().enumerate() {
            if self.0 & (1 << at) != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// The TCP options that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Largest segment the sender takes.
    pub mss: Option<u16>,
    /// Shift of the sender's window; RFC 7323 allows at most 14, more is read as 14.
    pub window_scale: Option<u8>,
    /// Selective acknowledgement is understood.
    pub sack_permitted: bool,
    /// Timestamp value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// Selectively acknowledged ranges, start and end (not included).
    pub sack: [(Seq, Seq); 4],
    /// How many of `sack` hold.
    pub sack_count: u8,
}

impl Options {
    /// None.
    pub const NONE: Self = Self {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
        sack: [(Seq(0), Seq(0)); 4],
        sack_count: 0,
    };

    /// Reads option octets. Garbage ends the reading; what came before it holds.
    #[must_use]
    pub fn decode(mut rest: &[u8]) -> Self {
        let mut out = Self::NONE;
        loop {
            match *rest {
                [] | [0, ..] => return out,
                [1, ref tail @ ..] => rest = tail,
                [_] => return out,
                [kind, len, ..] => {
                    let Some((option, tail)) = rest.split_at_checked(usize::from(len)) else { return out };
                    let Some((_, value)) = option.split_first_chunk::<2>() else { return out };
                    out.take(kind, value);
                    rest = tail;
                }
            }
        }
    }

    /// The ranges that are selectively acknowledged.
    #[must_use]
    pub fn sacks(&self) -> &[(Seq, Seq)] {
        self.sack.get(..usize::from(self.sack_count)).unwrap_or_default()
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (2, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (3, &[shift]) => self.window_scale = Some(shift.min(14)),
            (4, []) => self.sack_permitted = true,
            (5, _) => {
                for (slot, range) in self.sack.iter_mut().zip(value.chunks_exact(8)) {
                    let &[a, b, c, d, e, f, g, h] = range else { return };
                    *slot = (Seq(u32::from_be_bytes([a, b, c, d])), Seq(u32::from_be_bytes([e, f, g, h])));
                }
                self.sack_count = (value.len() / 8).min(4) as u8;
            }
            (8, &[a, b, c, d, e, f, g, h]) => {
                self.timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_as_tcpdump_writes_them() {
        for (bits, text) in
            [(0x02, "S"), (0x12, "S."), (0x18, "P."), (0x11, "F."), (0x04, "R"), (0, "none"), (0xc2, "SEW")]
        {
            assert_eq!(Flags(bits).to_string(), text);
        }
        assert!(Flags(0x14).rst() && Flags(0x14).ack() && !Flags(0x14).syn());
        assert!(Flags::FIN.with(Flags::URG).fin() && Flags::PSH.psh() && Flags::URG.urg());
    }

    #[test]
    fn options_of_a_syn() {
        let syn = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7, 1, 3, 3, 7];
        let options = Options::decode(&syn);
        assert_eq!(options.mss, Some(1460));
        assert_eq!(options.window_scale, Some(7));
        assert_eq!(options.timestamps, Some((9, 7)));
        assert!(options.sack_permitted && options.sacks().is_empty());
    }

    #[test]
    fn options_with_sack() {
        let mut bytes = vec![1, 1, 5, 18];
        for n in [100u32, 200, 300, 400] {
            bytes.extend(n.to_be_bytes());
        }
        assert_eq!(Options::decode(&bytes).sacks(), [(Seq(100), Seq(200)), (Seq(300), Seq(400))]);
    }

    #[test]
    fn garbage_ends_the_reading() {
        for garbage in [&[2][..], &[2, 0], &[2, 1, 1], &[8, 200, 1], &[3, 5, 1, 1, 1], &[255, 2, 2]] {
            let mut bytes = vec![3, 3, 2];
            bytes.extend(garbage);
            assert_eq!(Options::decode(&bytes), Options { window_scale: Some(2), ..Options::NONE });
        }
    }
}
