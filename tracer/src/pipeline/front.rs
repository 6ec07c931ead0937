//! The first stage: frames are decoded; what concerns no connection is only counted.
use super::batch::{Batch, Item};
use super::clocks::Clocks;
use super::{Config, follow};
use crate::base::{PortSet, Timestamp};
use crate::event::{Frame, FrameRef, Mark};
use crate::track::{Seen, tick};
use crate::wire::{Decoder, Packet};

/// Decodes frames into batches.
pub struct Front {
    decoder: Decoder,
    clocks: Clocks,
    ports: PortSet,
    headers_only: bool,
    shards: usize,
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
            ports: config.ports.clone(),
            headers_only: config.headers_only,
            shards: follow::shards(config),
            followers,
            ordinal: 0,
            now: Timestamp(i64::MIN),
            tick: Timestamp(i64::MIN),
        }
    }

    /// An empty batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(self.shards, self.followers)
    }

    /// One frame into `batch`. `wanted`: the user's filter lets it pass; ICMP errors pass always. `block`: what the frame's
    /// octets lie in, if the batch will hold it; of others the payload is copied.
    #[inline]
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, block: &[u8], batch: &mut Batch) {
        if batch.is_empty() {
            batch.stretch.before = self.ordinal;
        }
        self.ordinal += 1;
        self.now = self.now.max(frame.at);
        batch.stretch.nows.push(self.now);
        batch.stretch.wire += u64::from(frame.wire_len);
        if let Some(notice) = self.clocks.note(frame) {
            batch.push_notice(notice);
        }
        if self.now >= self.tick {
            self.pass_tick(batch);
        }
        let mark = || Mark { at: frame.at, frame: FrameRef { capture: frame.capture, number: frame.number } };
        match self.decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len) {
            Packet::Tcp(mut seg)
                if wanted && (self.ports.contains(seg.dst.port) || self.ports.contains(seg.src.port)) =>
            {
                if self.headers_only {
                    seg.payload = &[];
                }
                let seen = Seen { mark: mark(), place: (frame.capture, frame.iface) };
                batch.push_segment(follow::shard(seg.src, seg.dst, self.shards), &seg, seen, block);
            }
            Packet::Icmp(icmp) => {
                batch.push(follow::shard(icmp.src, icmp.dst, self.shards), Item::Icmp(mark(), icmp));
            }
            _ => {}
        }
    }

    /// Every shard's timers run out at the same frame.
    #[cold]
    fn pass_tick(&mut self, batch: &mut Batch) {
        self.tick = Timestamp(tick(self.now));
        (0..self.shards).for_each(|shard| batch.push(shard, Item::Time));
    }
}
