//! What goes from stage to stage: a stretch of the input with all that its frames brought up. A batch that comes back is
//! filled again, so that a stretch costs no allocation.
use crate::base::{Endpoint, Seq, Timestamp};
use crate::event::{FrameRef, Mark, Notice};
use crate::track::{Seen, Tracked};
use crate::wire::{Flags, IcmpError, Segment};

/// Frames of a batch that keeps copies.
const FRAMES_MAX: usize = 4096;
/// Octets that it copies.
const COPIES_MAX: usize = 256 << 10;

/// Frames in order, and what the stages before made of them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Ordinal of the frame before the first.
    pub(super) before: u64,
    /// For each frame the latest time of the input so far; never goes back.
    pub(super) nows: Vec<Timestamp>,
    /// Octets on the wire of all frames.
    pub(super) wire: u64,
    /// What concerns the tracker, with the place of its frame.
    pub(super) items: Vec<(u32, Item)>,
    /// Notices about frames.
    pub(super) notices: Vec<(u32, Notice)>,
    /// How much of `tracked` each frame told.
    pub(super) told: Vec<(u32, u32)>,
    /// What the tracker told.
    pub(super) tracked: Vec<Tracked>,
    /// What payloads lie in.
    block: Vec<u8>,
    /// Payloads that lie in no block.
    copies: Vec<u8>,
}

impl Batch {
    /// Whether no frame is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nows.is_empty()
    }

    /// Whether it should go on its way although its block has not ended.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.nows.len() >= FRAMES_MAX || self.copies.len() >= COPIES_MAX
    }

    /// Gives it the block that its frames lie in.
    pub fn hold(&mut self, block: Vec<u8>) {
        self.block = block;
    }

    /// Empties it, all room is kept. What it held is given back.
    pub fn clear(&mut self) -> Vec<u8> {
        self.nows.clear();
        self.wire = 0;
        self.items.clear();
        self.notices.clear();
        self.told.clear();
        self.tracked.clear();
        self.copies.clear();
        std::mem::take(&mut self.block)
    }

    /// Frames, and their octets on the wire.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.nows.len() as u64, self.wire)
    }

    /// A segment of the last frame, whose octets lie in `block`, which the batch will hold; else they are copied.
    #[inline]
    pub(super) fn push_segment(&mut self, seg: &Segment<'_>, seen: Seen, block: &[u8]) {
        let options = self.keep(seg.options, block);
        let payload = self.keep(seg.payload, block);
        let head = Head {
            src: seg.src,
            dst: seg.dst,
            seq: seg.seq,
            ack: seg.ack,
            at: seen.mark.at,
            number: seen.mark.frame.number,
            capture: seen.mark.frame.capture,
            iface: seen.place.1,
            payload_len: seg.payload_len,
            options,
            payload,
            window: seg.window,
            ip_id: seg.ip_id,
            ttl: seg.ttl,
            flags: seg.flags,
            tunnel: seg.tunnel,
        };
        self.push(Item::Segment(head));
    }

    /// Something about the last frame.
    #[inline]
    pub(super) fn push(&mut self, item: Item) {
        self.items.push((self.last(), item));
    }

    /// A notice about the last frame.
    pub(super) fn push_notice(&mut self, notice: Notice) {
        self.notices.push((self.last(), notice));
    }

    /// Where octets are found again.
    #[inline]
    fn keep(&mut self, octets: &[u8], block: &[u8]) -> Piece {
        if octets.is_empty() {
            return Piece::default();
        }
        let len = octets.len() as u32;
        let at = (octets.as_ptr() as usize).wrapping_sub(block.as_ptr() as usize);
        if at < block.len() && octets.len() <= block.len() - at {
            return Piece { at: at as u32, len, copied: false };
        }
        let at = self.copies.len() as u32;
        self.copies.extend_from_slice(octets);
        Piece { at, len, copied: true }
    }

    const fn last(&self) -> u32 {
        self.nows.len().saturating_sub(1) as u32
    }

    /// Lends its parts to the tracker: items, what told, the octets.
    pub(super) fn open(&mut self) -> (&mut Vec<(u32, Item)>, Told<'_>, Octets<'_>) {
        let told = Told { counts: &mut self.told, tracked: &mut self.tracked };
        (&mut self.items, told, Octets { block: &self.block, copies: &self.copies, nows: &self.nows })
    }
}

/// What concerns the tracker.
#[derive(Debug)]
pub(super) enum Item {
    Segment(Head),
    Icmp(Mark, IcmpError),
    /// Time passed one of the tracker's ticks.
    Time,
}

/// Octets of a block, or of the copies.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    at: u32,
    len: u32,
    copied: bool,
}

/// A segment with the places of its octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    src: Endpoint,
    dst: Endpoint,
    seq: Seq,
    ack: Seq,
    at: Timestamp,
    number: u64,
    capture: u32,
    iface: u32,
    payload_len: u32,
    options: Piece,
    payload: Piece,
    window: u16,
    ip_id: Option<u16>,
    ttl: u8,
    flags: Flags,
    tunnel: bool,
}

impl Head {
    #[inline]
    pub const fn seen(&self) -> Seen {
        let frame = FrameRef { capture: self.capture, number: self.number };
        Seen { mark: Mark { at: self.at, frame }, place: (self.capture, self.iface) }
    }

    /// The segment again.
    #[inline]
    pub fn segment<'a>(&self, octets: &Octets<'a>) -> Segment<'a> {
        Segment {
            src: self.src,
            dst: self.dst,
            ttl: self.ttl,
            ip_id: self.ip_id,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            options: octets.get(self.options),
            payload: octets.get(self.payload),
            payload_len: self.payload_len,
            tunnel: self.tunnel,
        }
    }
}

/// What the frames of a batch refer to.
pub(super) struct Octets<'a> {
    block: &'a [u8],
    copies: &'a [u8],
    nows: &'a [Timestamp],
}

impl<'a> Octets<'a> {
    #[inline]
    fn get(&self, piece: Piece) -> &'a [u8] {
        let whole = if piece.copied { self.copies } else { self.block };
        whole.get(piece.at as usize..piece.at as usize + piece.len as usize).unwrap_or_default()
    }

    /// The latest time as of a frame.
    #[inline]
    pub fn now(&self, frame: u32) -> Option<Timestamp> {
        self.nows.get(frame as usize).copied()
    }

    /// The last frame.
    pub fn last(&self) -> Option<u32> {
        self.nows.len().checked_sub(1).map(|n| n as u32)
    }
}

/// What the tracker tells, frame by frame.
pub(super) struct Told<'a> {
    counts: &'a mut Vec<(u32, u32)>,
    pub tracked: &'a mut Vec<Tracked>,
}

impl Told<'_> {
    /// What was told since the last call is of this frame.
    #[inline]
    pub fn note(&mut self, frame: u32, before: usize) {
        let count = (self.tracked.len() - before) as u32;
        if count == 0 {
            return;
        }
        match self.counts.last_mut() {
            Some((last, n)) if *last == frame => *n += count,
            _ => self.counts.push((frame, count)),
        }
    }
}
