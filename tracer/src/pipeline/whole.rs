//! All stages in one thread, frame by frame, with what a live trace has beside frames.
use super::clocks::Clocks;
use super::{Config, Judge, follow};
use crate::base::Timestamp;
use crate::event::{Event, Frame, FrameRef, Host, Mark, Summary};
use crate::kernel::{FilterQuestion, FilterRule, KernelRecord};
use crate::track::{Seen, Tracked, Tracker};
use crate::wire::{Decoder, Packet};

/// The core from frames to events.
pub struct Pipeline {
    config: Config,
    decoder: Decoder,
    clocks: Clocks,
    ordinal: u64,
    tracker: Tracker,
    tracked: Vec<Tracked>,
    judge: Judge,
}

impl Pipeline {
    /// An empty core.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let judge = Judge::new(config.clone());
        Self::with(config, judge)
    }

    /// The stages before this last one, which has seen no frame.
    #[must_use]
    pub fn with(config: Config, judge: Judge) -> Self {
        Self {
            decoder: Decoder::new(),
            clocks: Clocks::default(),
            ordinal: 0,
            tracker: follow::tracker(&config, config.max_connections),
            tracked: Vec::new(),
            judge,
            config,
        }
    }

    /// The last stage: for what servers say, and what is shown.
    pub const fn judge_mut(&mut self) -> &mut Judge {
        &mut self.judge
    }

    /// Names an interface of a capture.
    pub fn name_iface(&mut self, capture: u32, iface: u32, name: &str) {
        self.tracker.name_iface((capture, iface), name);
    }

    /// One frame. `wanted`: the user's filter lets it pass; ICMP errors pass always.
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, emit: &mut impl FnMut(Event)) {
        self.ordinal += 1;
        self.judge.note_frame(frame);
        if let Some(notice) = self.clocks.note(frame) {
            emit(Event::Notice(notice));
        }
        let mark = Mark { at: frame.at, frame: FrameRef { capture: frame.capture, number: frame.number } };
        match self.decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len) {
            Packet::Tcp(mut seg) if wanted => {
                if self.config.headers_only {
                    seg.payload = &[];
                }
                let seen = Seen { mark, place: (frame.capture, frame.iface) };
                self.tracker.handle_segment(&seg, seen, self.ordinal, &mut self.tracked);
            }
            Packet::Icmp(icmp) => self.tracker.handle_icmp(&icmp, mark, &mut self.tracked),
            _ => self.tracker.advance(frame.at, &mut self.tracked),
        }
        self.pass_on(emit);
    }

    /// Frames the capture lost.
    pub fn handle_lost(&mut self, frames: u64, at: Timestamp, emit: &mut impl FnMut(Event)) {
        self.judge.handle_lost(frames, at, emit);
    }

    /// The host that a live trace runs on; again where its addresses change.
    pub fn set_host(&mut self, host: Host) {
        self.tracker.set_host(host);
    }

    /// One record of this host's kernel.
    pub fn handle_kernel(&mut self, record: &KernelRecord) {
        self.ordinal += 1;
        self.judge.note_kernel(record);
        self.tracker.handle_kernel(record, self.ordinal);
    }

    /// What this host's rule sets should be asked; the answers come by [`Self::handle_rule`].
    pub fn questions(&mut self) -> Vec<FilterQuestion> {
        self.judge.questions()
    }

    /// A rule of this host's filters that a packet met.
    pub fn handle_rule(&mut self, rule: FilterRule) {
        self.judge.handle_rule(&rule);
        self.tracker.handle_rule(rule);
    }

    /// Time passes without a frame (live).
    pub fn advance(&mut self, now: Timestamp, emit: &mut impl FnMut(Event)) {
        if now <= self.judge.now() {
            return;
        }
        self.judge.pass(now);
        self.tracker.advance(now, &mut self.tracked);
        self.pass_on(emit);
    }

    /// The counts so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.judge.summary(self.tracker.living())
    }

    /// The input is over: what settles is judged, then the summary is given.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event)) -> Summary {
        self.tracker.finish(&mut self.tracked);
        self.judge.finish(self.tracked.drain(..), Some(&self.tracker), emit)
    }

    /// Latest time of the input.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.judge.now()
    }

    #[inline]
    fn pass_on(&mut self, emit: &mut impl FnMut(Event)) {
        if !self.tracked.is_empty() {
            self.judge.digest(self.tracked.drain(..), emit);
        }
        self.judge.settle(Some(&self.tracker), emit);
    }
}
