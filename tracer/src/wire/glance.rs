//! What shows of a frame at a glance. Most frames are of one shape: Ethernet without a tag, IPv4 without options that is whole.
//! There every header stands at a place that is known beforehand, so that whose a segment is costs a few loads, before it is
//! decoded: nearly all frames of a busy host are not NATS, and of those that are, each thread follows but its share.
use super::fast;
use super::tcp::Segment;
use super::{LinkType, tunnel};

/// Behind Ethernet's header.
const IP_AT: usize = 14;
/// Behind it and IPv4's without options.
const TCP_AT: usize = IP_AT + 20;
/// These and TCP's without options: a UDP header is shorter.
const HEADERS: usize = TCP_AT + 20;

/// What a frame is, as far as its fixed places tell.
#[derive(Clone, Copy, Debug)]
pub enum Glance<'a> {
    /// TCP.
    Plain(Plain<'a>),
    /// Another protocol, with nothing in it that is followed.
    Other,
    /// To be looked into.
    Unknown,
}

/// Ethernet, IPv4, TCP: the fixed parts of the three headers are there.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    head: &'a [u8; HEADERS],
    bytes: &'a [u8],
}

impl<'a> Glance<'a> {
    /// A look at a frame. What it says of it, decoding doesn't contradict.
    #[inline(always)]
    #[must_use]
    pub fn at(link: LinkType, bytes: &'a [u8]) -> Self {
        let Some(head) = bytes.first_chunk::<HEADERS>() else { return Self::Unknown };
        // Type 0x0800, then version 4 and a header of five words, in one load.
        let kind = u32::from_be_bytes([head[12], head[13], head[14], head[15]]) >> 8;
        let is_v4 = link == LinkType::ETHERNET && kind == 0x0008_0045;
        if !is_v4 || !fast::is_whole(head[20], head[21]) {
            return Self::Unknown;
        }
        match head[23] {
            fast::TCP => Self::Plain(Plain { head, bytes }),
            // UDP, unless it is for a tunnel's port.
            17 if !tunnel::is_port(u16::from_be_bytes([head[36], head[37]])) => Self::Other,
            _ => Self::Unknown,
        }
    }
}

impl<'a> Plain<'a> {
    /// Addresses and ports as they stand in the frame: only to be compared.
    #[inline(always)]
    #[must_use]
    pub const fn ends(&self) -> (u64, u32) {
        let h = self.head;
        let addrs = u64::from_ne_bytes([h[26], h[27], h[28], h[29], h[30], h[31], h[32], h[33]]);
        (addrs, u32::from_be_bytes([h[34], h[35], h[36], h[37]]))
    }

    /// Without what the ends say: as a capture of headers alone has it.
    #[inline(always)]
    #[must_use]
    pub fn headers(self) -> Self {
        let len = TCP_AT + usize::from(self.head[46] >> 4) * 4;
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), ..self }
    }

    /// Ports of source and destination.
    #[inline(always)]
    #[must_use]
    pub const fn ports(&self) -> [u16; 2] {
        let h = self.head;
        // One load for both, which `ends` shares.
        let both = u32::from_be_bytes([h[34], h[35], h[36], h[37]]);
        [(both >> 16) as u16, both as u16]
    }

    /// IPv4 addresses of source and destination.
    #[inline(always)]
    #[must_use]
    pub const fn addrs(&self) -> [u32; 2] {
        let h = self.head;
        [u32::from_be_bytes([h[26], h[27], h[28], h[29]]), u32::from_be_bytes([h[30], h[31], h[32], h[33]])]
    }

    /// The segment; `None` where the rest of its header is not there, or contradicts itself.
    #[inline(always)]
    #[must_use]
    pub fn segment(&self) -> Option<Segment<'a>> {
        Self::segment_in(self.bytes)
    }

    /// Its octets.
    #[inline(always)]
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The same of the octets of a plain frame.
    #[inline(always)]
    #[must_use]
    pub fn segment_in(bytes: &'a [u8]) -> Option<Segment<'a>> {
        let (head, rest) = bytes.get(IP_AT..)?.split_first_chunk::<20>()?;
        fast::behind_v4(head, rest)
    }

    /// Time to live.
    #[inline(always)]
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.head[22]
    }
}
