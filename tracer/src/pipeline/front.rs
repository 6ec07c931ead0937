//! The first stage: frames are decoded; what concerns no connection is only counted.
use super::batch::{Batch, Item};
use super::clocks::Clocks;
use super::{Config, follow};
use crate::base::{PortSet, Timestamp};
use crate::event::{Frame, FrameRef, Mark};
use crate::track::Seen;
use crate::wire::{Decoder, Packet};

/// Decodes frames into batches.
pub struct Front {
    pub(super) decoder: Decoder,
    pub(super) clocks: Clocks,
    pub(super) sieve: Sieve,
    followers: usize,
    ordinal: u64,
    now: Timestamp,
    /// Where the tracker's timers may run out next.
    tick: Timestamp,
}

impl Front {
    pub(super) fn new(config: &Config, followers: usize) -> Self {
        Self {
            decoder: Decoder::new(),
            clocks: Clocks::default(),
            sieve: Sieve {
                ports: config.ports.clone(),
                headers_only: config.headers_only,
                shards: follow::shards(config),
            },
            followers,
            ordinal: 0,
            now: Timestamp(i64::MIN),
            tick: Timestamp(i64::MIN),
        }
    }

    /// An empty batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(self.sieve.shards, self.followers)
    }

    /// One frame into `batch`. `wanted`: the user's filter lets it pass; ICMP errors pass always. `block`: what the frame's
    /// octets lie in, if the batch will hold it; of others the payload is copied.
    #[inline]
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, block: &[u8], batch: &mut Batch) {
        if batch.is_empty() {
            batch.stretch.before = self.ordinal;
        }
        let step = self.step(frame);
        batch.stretch.nows.push(step.now);
        batch.stretch.wire += u64::from(frame.wire_len);
        if let Some(notice) = self.clocks.note(frame) {
            batch.push_notice(notice);
        }
        if step.tick {
            (0..self.sieve.shards).for_each(|shard| batch.push(shard, Item::Time));
        }
        let mut packet = self.decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len);
        let Some(shard) = self.sieve.shard(&mut packet, wanted) else { return };
        match packet {
            Packet::Tcp(seg) => batch.push_segment(shard, &seg, seen(frame), block),
            Packet::Icmp(icmp) => batch.push(shard, Item::Icmp(seen(frame).mark, icmp)),
            _ => {}
        }
    }

    /// Counts a frame.
    #[inline]
    pub(super) fn step(&mut self, frame: &Frame<'_>) -> Step {
        self.ordinal += 1;
        self.now = self.now.max(frame.at);
        let tick = self.now >= self.tick;
        if tick {
            self.tick = Timestamp(crate::track::tick(self.now));
        }
        Step { ordinal: self.ordinal, now: self.now, tick }
    }

    /// The ordinal of something that is no frame and comes after those so far.
    pub(super) const fn next_ordinal(&mut self) -> u64 {
        self.ordinal += 1;
        self.ordinal
    }
}

/// Where in the input a frame stands.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Counts all frames from 1.
    pub ordinal: u64,
    /// The latest time of the input so far.
    pub now: Timestamp,
    /// Every shard's timers run out at this frame.
    pub tick: bool,
}

/// Which frames concern connections that are followed.
pub(super) struct Sieve {
    ports: PortSet,
    headers_only: bool,
    shards: usize,
}

impl Sieve {
    /// Whose tracker takes the packet in, if any does. What shall not be read is taken out of it.
    #[inline]
    pub fn shard(&self, packet: &mut Packet<'_>, wanted: bool) -> Option<usize> {
        match packet {
            Packet::Tcp(seg)
                if wanted && (self.ports.contains(seg.dst.port) || self.ports.contains(seg.src.port)) =>
            {
                if self.headers_only {
                    seg.payload = &[];
                }
                Some(follow::shard(seg.src, seg.dst, self.shards))
            }
            Packet::Icmp(icmp) => Some(follow::shard(icmp.src, icmp.dst, self.shards)),
            _ => None,
        }
    }
}

/// When and where a frame was seen.
#[inline]
pub(super) const fn seen(frame: &Frame<'_>) -> Seen {
    let mark = Mark { at: frame.at, frame: FrameRef::new(frame.capture, frame.number) };
    Seen { mark, place: (frame.capture, frame.iface) }
}
