//! S2 streams of one direction: what links put around NATS once both ends agreed (framing: `klauspost/compress/s2`,
//! a superset of Snappy's framing format). Every flush of nats-server is a complete stream.
use super::lines::Lines;
use super::listener::Listener;
use super::op::Op;
use super::session::Session;
use crate::base::Side;
use memchr::memmem;
use serde::{Deserialize, Serialize};

/// The chunk that begins every stream.
pub(super) const MAGIC: [u8; 10] = *b"\xff\x06\0\0S2sTwO";
/// The same of a Snappy stream, which S2 readers take too.
const SNAPPY_MAGIC: [u8; 10] = *b"\xff\x06\0\0sNaPpY";

/// Most that is decoded of one chunk, before and after. nats-server writes blocks of at most 1 MiB.
const MAX_BLOCK: usize = 1 << 20;
/// Buffers above this are given back after use.
const KEEP: usize = 64 * 1024;

const COMPRESSED: u8 = 0x00;
const RAW: u8 = 0x01;
const CHECKSUM: u32 = 4;

/// The state of one direction.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct S2 {
    head: [u8; 4],
    have: u8,
    left: u32,
    /// Checksum bytes of a raw chunk still to come.
    checksum: u8,
    /// A compressed chunk until it is whole.
    chunk: Vec<u8>,
    block: Vec<u8>,
    /// The current chunk is passed over.
    skip: bool,
    lost: bool,
    told: bool,
}

impl S2 {
    /// Takes bytes; what they hold goes to `lines`.
    pub fn push<F>(
        &mut self,
        lines: &mut Lines,
        session: &mut Session,
        from: Side,
        bytes: &[u8],
        emit: &mut F,
    ) where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        if !self.told && !bytes.is_empty() {
            self.told = true;
            emit.op(from, Op::Compressed);
        }
        while !rest.is_empty() {
            if self.lost {
                let Some(at) = memmem::find(rest, &MAGIC) else { return };
                self.lost = false;
                rest = rest.get(at..).unwrap_or(b"");
            } else if self.left == 0 {
                rest = self.header(lines, rest);
            } else {
                let n = rest.len().min(self.left as usize);
                let (part, after) = rest.split_at_checked(n).unwrap_or((rest, b""));
                self.left -= n as u32;
                self.collect(lines, session, from, part, emit);
                rest = after;
            }
        }
    }

    /// Bytes that will never come. A hole in a raw chunk is the same hole in what it holds.
    pub fn gap<F>(&mut self, lines: &mut Lines, from: Side, missing: u64, emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        let Some(n) = u32::try_from(missing).ok().filter(|n| *n <= self.left && !self.lost) else {
            lines.lose();
            *self = Self { lost: true, told: self.told, ..Self::default() };
            return;
        };
        self.left -= n;
        if self.head[0] == RAW {
            let of_checksum = n.min(u32::from(self.checksum));
            self.checksum -= of_checksum as u8;
            lines.gap(from, u64::from(n - of_checksum), emit);
        } else if self.head[0] == COMPRESSED && n > 0 {
            self.chunk = Vec::new();
            self.skip = true;
            lines.lose();
        }
    }

    /// Whether the stream so far ends inside a chunk.
    pub fn is_mid_chunk(&self) -> bool {
        self.left > 0 || self.have > 0
    }

    fn header<'b>(&mut self, lines: &mut Lines, bytes: &'b [u8]) -> &'b [u8] {
        let mut used = 0;
        for (slot, &byte) in self.head.iter_mut().skip(usize::from(self.have)).zip(bytes) {
            *slot = byte;
            used += 1;
        }
        self.have += used;
        let rest = bytes.get(usize::from(used)..).unwrap_or(b"");
        if self.have < 4 {
            return rest;
        }
        let [kind, a, b, c] = self.head;
        self.have = 0;
        self.left = u32::from_le_bytes([a, b, c, 0]);
        (self.skip, self.checksum) = (false, 0);
        match kind {
            COMPRESSED if self.left > CHECKSUM => {
                self.skip = self.left as usize > MAX_BLOCK;
                if self.skip {
                    lines.lose();
                }
            }
            RAW if self.left >= CHECKSUM => self.checksum = CHECKSUM as u8,
            // Stream begin, padding and what may be passed over.
            0xff if [b, c] == [0, 0] && a == 6 => {}
            0x80..=0xfe => {}
            _ => {
                lines.lose();
                (self.left, self.lost) = (0, true);
            }
        }
        rest
    }

    fn collect<F>(&mut self, lines: &mut Lines, session: &mut Session, from: Side, part: &[u8], emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        match self.head[0] {
            RAW => {
                let n = part.len().min(usize::from(self.checksum));
                self.checksum -= n as u8;
                inner(lines, session, from, part.get(n..).unwrap_or(b""), emit);
            }
            COMPRESSED if !self.skip => {
                self.chunk.extend_from_slice(part);
                if self.left > 0 {
                    return;
                }
                let body = self.chunk.get(CHECKSUM as usize..).unwrap_or(b"");
                if decode(body, &mut self.block).is_some() {
                    inner(lines, session, from, &self.block, emit);
                } else {
                    lines.lose();
                }
                reuse(&mut self.chunk);
                reuse(&mut self.block);
            }
            0xff => {
                self.chunk.extend_from_slice(part);
                if self.left == 0 {
                    let sound = self.chunk == MAGIC[4..] || self.chunk == SNAPPY_MAGIC[4..];
                    self.chunk.clear();
                    if !sound {
                        self.lost = true;
                        lines.lose();
                    }
                }
            }
            _ => {}
        }
    }
}

/// Feeds decoded bytes. No further layer can begin inside.
fn inner<F>(lines: &mut Lines, session: &mut Session, from: Side, bytes: &[u8], emit: &mut F)
where
    F: Listener + ?Sized,
{
    if lines.push(session, from, bytes, emit).is_some() {
        lines.lose();
    }
}

fn reuse(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    }
}

/// Decodes a block: Snappy's, and S2's repeat of the last offset (a copy of offset 0) with its longer lengths.
fn decode(block: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let mut src = Source(block);
    let size = src.varint()?;
    if size > MAX_BLOCK {
        return None;
    }
    out.reserve(size);
    let mut offset = 0;
    while let Some(tag) = src.little(1) {
        let length = match tag & 3 {
            0 => {
                let length = 1 + match tag >> 2 {
                    x @ 0..60 => x,
                    x => src.little(x - 59)?,
                };
                let literal = src.take(length)?;
                if out.len() + length > size {
                    return None;
                }
                out.extend_from_slice(literal);
                continue;
            }
            1 => {
                let new = (tag & 0xe0) << 3 | src.little(1)?;
                let length = tag >> 2 & 7;
                if new != 0 {
                    offset = new;
                    4 + length
                } else {
                    4 + match length {
                        5 => src.little(1)? + 4,
                        6 => src.little(2)? + (1 << 8),
                        7 => src.little(3)? + (1 << 16),
                        short => short,
                    }
                }
            }
            2 => {
                offset = src.little(2)?;
                1 + (tag >> 2)
            }
            _ => {
                offset = src.little(4)?;
                1 + (tag >> 2)
            }
        };
        copy(out, offset, length, size)?;
    }
    (out.len() == size).then_some(())
}

/// Appends `length` bytes that lie `offset` before the end; they may overlap what is being written.
fn copy(out: &mut Vec<u8>, offset: usize, length: usize, size: usize) -> Option<()> {
    if offset == 0 || out.len() + length > size {
        return None;
    }
    let mut left = length;
    let begin = out.len().checked_sub(offset)?;
    while left > 0 {
        // What was just written repeats, so each round may take more.
        let n = left.min(out.len() - begin);
        out.extend_from_within(begin..begin + n);
        left -= n;
    }
    Some(())
}

/// Little-endian values off the front.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn little(&mut self, n: usize) -> Option<usize> {
        self.take(n).map(|bytes| bytes.iter().rev().fold(0, |v, &b| v << 8 | usize::from(b)))
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.little(1)?;
            value |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snappy_blocks_decode() {
        let text: Vec<u8> = (0..50_000u32).flat_map(|n| (n / 7 % 1000).to_le_bytes()).collect();
        let block = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        let mut out = Vec::new();
        assert_eq!(decode(&block, &mut out), Some(()));
        assert_eq!(out, text);
        for end in 0..200 {
            assert_eq!(decode(&block[..end], &mut out), None);
        }
    }

    #[test]
    fn repeats_decode() {
        // "abcd", copy of offset 4 length 4, literal "x", then the S2 repeat: offset still 4, length 4 + 4 + 4.
        let mut out = Vec::new();
        let block = [21, 3 << 2, b'a', b'b', b'c', b'd', 1, 4, 0, b'x', 0b1_0101, 0, 4];
        assert_eq!(decode(&block, &mut out), Some(()), "{}", out.escape_ascii());
        assert_eq!(out, b"abcdabcdxbcdxbcdxbcdx");
        // A repeat before any offset, an offset before the beginning, a size that does not hold.
        for bad in [&[4u8, 1, 0][..], &[5, 0, b'a', 1, 9], &[9, 0, b'a'], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
            assert_eq!(decode(bad, &mut out), None);
        }
    }
}
