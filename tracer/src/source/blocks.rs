//! Large reads into one buffer, from which records are borrowed.
use super::ahead::Ahead;
use std::io::{self, Read};

/// What is read at once; measured: larger gains nothing, mapping the file costs page faults.
const BLOCK: usize = 256 << 10;

/// A stream, a window of which lies in memory.
pub(super) struct Blocks {
    inner: Box<dyn Read + Send>,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the stream `buf` begins.
    base: u64,
    ended: bool,
    failed: Option<io::Error>,
}

impl Blocks {
    pub fn new(inner: Box<dyn Read + Send>) -> Self {
        Self { inner, buf: vec![0; BLOCK], start: 0, end: 0, base: 0, ended: false, failed: None }
    }

    /// Makes `n` octets available; false if the stream ends before.
    #[inline]
    pub fn need(&mut self, n: usize) -> bool {
        self.end - self.start >= n || self.fill(n)
    }

    /// What is available.
    #[inline]
    pub fn peek(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    /// The first octets in memory, of which not all may be available, and how many are.
    #[inline(always)]
    pub fn front(&self) -> Option<(&[u8; 16], usize)> {
        Some((self.buf.get(self.start..)?.first_chunk()?, self.end - self.start))
    }

    /// Of what is available so many octets behind the first few, which must be there.
    #[inline(always)]
    pub fn part(&self, skip: usize, len: usize) -> &[u8] {
        debug_assert!(skip + len <= self.end - self.start);
        let from = self.start + skip;
        self.buf.get(from..from + len).unwrap_or_default()
    }

    /// Takes `n` octets, which must be available.
    #[inline]
    pub fn take(&mut self, n: usize) -> &[u8] {
        let from = self.start;
        self.skip(n);
        self.buf.get(from..self.start).unwrap_or_default()
    }

    /// As [`Blocks::take`], without looking.
    #[inline]
    pub fn skip(&mut self, n: usize) {
        debug_assert!(n <= self.end - self.start);
        let n = n.min(self.end - self.start);
        self.start += n;
    }

    /// Where in the stream the next octet is.
    #[inline]
    pub const fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Where in the stream that part of it ends which was got hold of.
    pub const fn end_offset(&self) -> u64 {
        self.base + self.end as u64
    }

    /// Why the stream ended, if not by itself. Told once.
    pub const fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// From now on another thread reads on while what was read is worked on.
    pub fn read_ahead(&mut self) {
        let inner = std::mem::replace(&mut self.inner, Box::new(io::empty()));
        self.inner = Box::new(Ahead::of(inner, BLOCK));
    }

    #[cold]
    fn fill(&mut self, n: usize) -> bool {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.base += self.start as u64;
            self.start = 0;
        }
        while self.end < n && !self.ended {
            if self.end == self.buf.len() {
                // By doubling as data come, so that a length that is a lie costs no more than what is there.
                let len = (self.buf.len() * 2).min(n.next_multiple_of(BLOCK));
                self.buf.resize(len.max(self.end + 1), 0);
            }
            let Some(room) = self.buf.get_mut(self.end..) else { break };
            match self.inner.read(room) {
                Ok(0) => self.ended = true,
                Ok(got) => self.end += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    self.ended = true;
                }
            }
        }
        self.end >= n
    }
}

/// Byte order of a file and numbers read in it. Positions outside read as 0; lengths are checked before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let octets = bytes.get(at..).and_then(|b| b.first_chunk::<2>()).copied().unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        }
    }

    #[inline]
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let octets = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).copied().unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        }
    }

    /// Four numbers.
    #[inline(always)]
    pub fn words(self, octets: &[u8; 16]) -> [u32; 4] {
        let little = std::array::from_fn(|n| {
            let at = n * 4;
            u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
        });
        match self {
            Self::Little => little,
            Self::Big => little.map(u32::swap_bytes),
        }
    }

    pub fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let octets = bytes.get(at..).and_then(|b| b.first_chunk::<8>()).copied().unwrap_or_default();
        match self {
            Self::Little => u64::from_le_bytes(octets),
            Self::Big => u64::from_be_bytes(octets),
        }
    }
}

/// A record whose octets are available at the front of [`Blocks`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub iface: u32,
    pub at: crate::base::Timestamp,
    pub wire_len: u32,
    pub link: crate::wire::LinkType,
    /// Octets before the frame.
    pub skip: usize,
    /// Octets of the frame.
    pub len: usize,
    /// Octets of the whole record.
    pub total: usize,
}

/// The largest record that is believed.
pub(super) const MAX_RECORD: usize = 64 << 20;
/// What libpcap calls its largest snaplen: records up to it are believed whatever the file's header says.
pub(super) const COMMON_SNAPLEN: u32 = 262_144;
