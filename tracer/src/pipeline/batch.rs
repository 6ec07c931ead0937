//! What goes from stage to stage: a stretch of the input with all that its frames brought up. A batch that comes back is
//! filled again, so that a frame costs no allocation.
use crate::base::{Endpoint, Seq, Timestamp};
use crate::event::{FrameRef, Mark, Notice};
use crate::track::{Seen, Tracked};
use crate::wire::{Flags, IcmpError, Segment};
use std::sync::Arc;

/// Frames of a batch that keeps copies.
const FRAMES_MAX: usize = 4096;
/// Octets that it copies.
const COPIES_MAX: usize = 256 << 10;

/// Frames in order, and what the stages before made of them.
#[derive(Debug)]
pub struct Batch {
    pub(super) stretch: Stretch,
    /// One for each follower.
    pub(super) parts: Vec<Part>,
    /// Part and place in it of each shard.
    places: Vec<(usize, usize)>,
}

/// A follower's part of a batch.
#[derive(Debug)]
pub struct Share {
    pub(super) stretch: Arc<Stretch>,
    pub(super) part: Part,
}

/// What all that look at a batch share.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Ordinal of the frame before the first.
    pub before: u64,
    /// For each frame the latest time of the input so far; never goes back.
    pub nows: Vec<Timestamp>,
    /// Octets on the wire of all frames.
    pub wire: u64,
    /// Notices about frames.
    pub notices: Vec<(u32, Notice)>,
    /// What payloads lie in.
    block: Vec<u8>,
    /// Payloads that lie in no block.
    copies: Vec<u8>,
}

/// What concerns one follower: a work for each of its shards.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub works: Vec<Work>,
}

/// What concerns one shard.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// By the place of the frame.
    pub items: Vec<(u32, Item)>,
    /// How much of `tracked` each frame told.
    pub told: Vec<(u32, u32)>,
    /// What the tracker told.
    pub tracked: Vec<Tracked>,
}

impl Batch {
    /// An empty one for that many shards, which so many followers divide among them.
    pub(super) fn new(shards: usize, followers: usize) -> Self {
        let part = |f: usize| Part {
            works: (f..shards).step_by(followers.max(1)).map(|_| Work::default()).collect(),
        };
        Self::of((0..followers).map(part).collect())
    }

    /// Whether no frame is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stretch.nows.is_empty()
    }

    /// Whether it should go on its way although its block has not ended.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.stretch.nows.len() >= FRAMES_MAX || self.stretch.copies.len() >= COPIES_MAX
    }

    /// Gives it the block that its frames lie in.
    pub fn hold(&mut self, block: Vec<u8>) {
        self.stretch.block = block;
    }

    /// Empties it, all room is kept. The block that it held is given back.
    pub fn clear(&mut self) -> Vec<u8> {
        let stretch = &mut self.stretch;
        stretch.nows.clear();
        stretch.wire = 0;
        stretch.notices.clear();
        stretch.copies.clear();
        for work in self.parts.iter_mut().flat_map(|part| &mut part.works) {
            work.items.clear();
            work.told.clear();
            work.tracked.clear();
        }
        std::mem::take(&mut stretch.block)
    }

    /// Its followers' parts, in their order.
    #[must_use]
    pub fn divide(self) -> Vec<Share> {
        let stretch = Arc::new(self.stretch);
        let share = |part| Share { stretch: Arc::clone(&stretch), part };
        self.parts.into_iter().map(share).collect()
    }

    /// The parts put together again; `None` if there are none, or one is elsewhere.
    pub fn unite(shares: impl Iterator<Item = Share>) -> Option<Self> {
        let (mut parts, mut stretch) = (Vec::new(), None);
        for share in shares {
            parts.push(share.part);
            stretch = Some(share.stretch);
        }
        Some(Self { stretch: Arc::into_inner(stretch?)?, ..Self::of(parts) })
    }

    fn of(parts: Vec<Part>) -> Self {
        let shards = parts.iter().map(|part| part.works.len()).sum();
        let places = (0..shards).map(|shard| (shard % parts.len(), shard / parts.len())).collect();
        Self { stretch: Stretch::default(), parts, places }
    }

    /// The work of a shard.
    #[inline]
    pub(super) fn work(&mut self, shard: usize) -> Option<&mut Work> {
        let &(part, place) = self.places.get(shard)?;
        self.parts.get_mut(part)?.works.get_mut(place)
    }

    /// A segment of the last frame for a shard. Its octets lie in `block`, which the batch will hold; else they are copied.
    #[inline]
    pub(super) fn push_segment(&mut self, shard: usize, seg: &Segment<'_>, seen: Seen, block: &[u8]) {
        let options = self.stretch.keep(seg.options, block);
        let payload = self.stretch.keep(seg.payload, block);
        let head = Head {
            src: seg.src,
            dst: seg.dst,
            seq: seg.seq,
            ack: seg.ack,
            at: seen.mark.at,
            number: seen.mark.frame.number(),
            capture: seen.mark.frame.capture(),
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
        self.push(shard, Item::Segment(head));
    }

    /// Something about the last frame, for a shard.
    #[inline]
    pub(super) fn push(&mut self, shard: usize, item: Item) {
        let frame = self.stretch.last_frame().unwrap_or_default();
        if let Some(work) = self.work(shard) {
            work.items.push((frame, item));
        }
    }

    /// A notice about the last frame.
    pub(super) fn push_notice(&mut self, notice: Notice) {
        let frame = self.stretch.last_frame().unwrap_or_default();
        self.stretch.notices.push((frame, notice));
    }
}

impl Stretch {
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

    #[inline]
    fn get(&self, piece: Piece) -> &[u8] {
        let whole = if piece.copied { &self.copies } else { &self.block };
        whole.get(piece.at as usize..piece.at as usize + piece.len as usize).unwrap_or_default()
    }

    /// The latest time as of a frame.
    #[inline]
    pub fn now(&self, frame: u32) -> Option<Timestamp> {
        self.nows.get(frame as usize).copied()
    }

    /// The place of the last frame.
    #[inline]
    pub fn last_frame(&self) -> Option<u32> {
        self.nows.len().checked_sub(1).map(|n| n as u32)
    }
}

/// What concerns a tracker.
#[derive(Debug)]
pub(super) enum Item {
    Segment(Head),
    Icmp(Mark, IcmpError),
    /// Time passed one of the tracker's ticks.
    Time,
}

/// Octets of the block, or of the copies.
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
    /// When and where it was seen.
    #[inline]
    pub const fn seen(&self) -> Seen {
        let frame = FrameRef::new(self.capture, self.number);
        Seen { mark: Mark { at: self.at, frame }, place: (self.capture, self.iface) }
    }

    /// The segment again.
    #[inline]
    pub fn segment<'a>(&self, stretch: &'a Stretch) -> Segment<'a> {
        Segment {
            src: self.src,
            dst: self.dst,
            ttl: self.ttl,
            ip_id: self.ip_id,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            options: stretch.get(self.options),
            payload: stretch.get(self.payload),
            payload_len: self.payload_len,
            tunnel: self.tunnel,
        }
    }
}
