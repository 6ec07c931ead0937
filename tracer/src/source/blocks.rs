//! Large reads into a block, from which records are borrowed. Who wants to keep one shares it: then the next is another.
use super::ahead::Ahead;
use crate::event::Place;
use std::io::{self, Read};
use std::iter;
use std::sync::Arc;

/// What is read at once; measured: larger gains nothing, mapping the file costs page faults.
const BLOCK: usize = 256 << 10;

/// A stream, a window of which lies in memory.
pub(super) struct Blocks {
    inner: Box<dyn Read + Send>,
    block: Arc<[u8]>,
    start: usize,
    end: usize,
    /// Where in the stream `block` begins.
    base: u64,
    /// A block is read until it is full: what comes is there already.
    whole: bool,
    ended: bool,
    failed: Option<io::Error>,
    /// Earlier ones that others had a share in.
    shared: Vec<Arc<[u8]>>,
}

impl Blocks {
    /// Of a stream. `whole`: of one that doesn't have to be waited for.
    pub fn new(inner: Box<dyn Read + Send>, whole: bool) -> Self {
        Self {
            inner,
            block: zeros(BLOCK),
            start: 0,
            end: 0,
            base: 0,
            whole,
            ended: false,
            failed: None,
            shared: Vec::new(),
        }
    }

    /// Makes `n` octets available; false if the stream ends before.
    #[inline]
    pub fn need(&mut self, n: usize) -> bool {
        self.end - self.start >= n || self.fill(n)
    }

    /// What is available.
    #[inline]
    pub fn peek(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// The first octets in memory, of which not all may be available, and how many are.
    #[inline(always)]
    pub fn front(&self) -> Option<(&[u8; 16], usize)> {
        Some((self.block.get(self.start..)?.first_chunk()?, self.end - self.start))
    }

    /// The block, how much of it is available, and where the first octet of that is: whoever takes some moves that on.
    pub const fn run(&mut self) -> (&Arc<[u8]>, usize, &mut usize) {
        (&self.block, self.end, &mut self.start)
    }

    /// Of what is available so many octets behind the first few, which must be there.
    #[inline(always)]
    pub fn part(&self, skip: usize, len: usize) -> &[u8] {
        debug_assert!(skip + len <= self.end - self.start);
        let from = self.start + skip;
        self.block.get(from..from + len).unwrap_or_default()
    }

    /// The block in which the next octet is, and where in it.
    #[inline(always)]
    pub const fn place(&self) -> Place<'_> {
        (&self.block, self.start)
    }

    /// Takes `n` octets, which must be available.
    #[inline]
    pub fn take(&mut self, n: usize) -> &[u8] {
        let from = self.start;
        self.skip(n);
        self.block.get(from..self.start).unwrap_or_default()
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
        self.make_room();
        while (self.end < n || self.whole && self.end < self.block.len()) && !self.ended {
            if self.end == self.block.len() {
                // By doubling as data come, so that a length that is a lie costs no more than what is there.
                let len = (self.block.len() * 2).min(n.next_multiple_of(BLOCK));
                self.go_on_in(zeros(len.max(self.end + 1)));
            }
            let Some(room) = Arc::get_mut(&mut self.block).and_then(|b| b.get_mut(self.end..)) else { break };
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

    /// What is available goes to the front of a block that is nobody else's.
    fn make_room(&mut self) {
        if let Some(own) = Arc::get_mut(&mut self.block) {
            if self.start > 0 {
                own.copy_within(self.start..self.end, 0);
                self.begin_again();
            }
            return;
        }
        let free = self.shared.iter_mut().position(|block| Arc::get_mut(block).is_some());
        let free =
            free.map_or_else(|| zeros(BLOCK.max(self.end - self.start)), |at| self.shared.swap_remove(at));
        let shared = self.go_on_in(free);
        if shared.len() == BLOCK {
            self.shared.push(shared);
        }
    }

    /// What is available goes to the front of this block, which has room for it and is nobody else's. The one before comes back.
    fn go_on_in(&mut self, mut block: Arc<[u8]>) -> Arc<[u8]> {
        let room = Arc::get_mut(&mut block).and_then(|room| room.get_mut(..self.end - self.start));
        if let (Some(room), Some(rest)) = (room, self.block.get(self.start..self.end)) {
            room.copy_from_slice(rest);
        }
        self.begin_again();
        std::mem::replace(&mut self.block, block)
    }

    /// What was at `start` is at the front of a block.
    const fn begin_again(&mut self) {
        self.end -= self.start;
        self.base += self.start as u64;
        self.start = 0;
    }
}

fn zeros(len: usize) -> Arc<[u8]> {
    iter::repeat_n(0, len).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_block_stays_as_it_is_and_is_used_again_once_it_is_let_go() {
        let all: Vec<u8> = (0..6 * BLOCK).map(|n| (n % 251) as u8).collect();
        let mut blocks = Blocks::new(Box::new(io::Cursor::new(all.clone())), true);
        let (step, mut kept) = (1_000, Vec::new());
        for n in 0..all.len() / step {
            assert!(blocks.need(step) && blocks.offset() == (n * step) as u64);
            let (block, at) = blocks.place();
            kept.push((Arc::clone(block), at));
            blocks.skip(step);
            if n == all.len() / step / 2 {
                for (n, (block, at)) in kept.drain(..).enumerate() {
                    assert_eq!(block[at..at + step], all[n * step..(n + 1) * step]);
                }
            }
        }
        let made = blocks.shared.len() + 1;
        assert!(made <= 4, "{made} blocks for three at a time");
        assert!(!blocks.need(step) && blocks.peek().len() == all.len() % step);
    }
}
