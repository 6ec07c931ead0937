//! The first stage: frames are decoded; what concerns no connection is only counted.
use super::Config;
use super::batch::{Batch, Item};
use super::clocks::Clocks;
use crate::base::{PortSet, Timestamp};
use crate::event::{Frame, FrameRef, Mark};
use crate::track::{Seen, TICK};
use crate::wire::{Decoder, Packet};

/// Decodes frames into batches.
pub struct Front {
    decoder: Decoder,
    clocks: Clocks,
    ports: PortSet,
    headers_only: bool,
    ordinal: u64,
    now: Timestamp,
    /// Where the tracker's timers may run out next.
    tick: Timestamp,
}

impl Front {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            decoder: Decoder::new(),
            clocks: Clocks::default(),
            ports: config.ports.clone(),
            headers_only: config.headers_only,
            ordinal: 0,
            now: Timestamp(i64::MIN),
            tick: Timestamp(i64::MIN),
        }
    }

    /// One frame into `batch`. `wanted`: the user's filter lets it pass; ICMP errors pass always. `block`: what the frame's
    /// octets lie in, if the batch will hold it; of others the payload is copied.
    #[inline]
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, block: &[u8], batch: &mut Batch) {
        if batch.is_empty() {
            batch.before = self.ordinal;
        }
        self.ordinal += 1;
        self.now = self.now.max(frame.at);
        batch.nows.push(self.now);
        batch.wire += u64::from(frame.wire_len);
        if let Some(notice) = self.clocks.note(frame) {
            batch.push_notice(notice);
        }
        let ticks = self.now >= self.tick;
        if ticks {
            self.tick = Timestamp(self.now.0.div_euclid(TICK).saturating_add(1).saturating_mul(TICK));
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
                batch.push_segment(&seg, seen, block);
            }
            Packet::Icmp(icmp) => batch.push(Item::Icmp(mark(), icmp)),
            _ if ticks => batch.push(Item::Time),
            _ => {}
        }
    }
}
