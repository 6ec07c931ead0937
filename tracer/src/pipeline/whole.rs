//! All stages in one thread, frame by frame, with what a live trace has beside frames.
use super::front::seen;
use super::{Config, Front, Judge, follow};
use crate::base::Timestamp;
use crate::event::{Event, Frame, Host, Summary};
use crate::kernel::{FilterQuestion, FilterRule, KernelRecord};
use crate::track::{Tracked, Tracker};
use crate::wire::Packet;

/// The core from frames to events.
pub struct Pipeline {
    front: Front,
    /// One for each shard; a live trace has one, which takes what the kernel says of any connection.
    trackers: Vec<Tracker>,
    tracked: Vec<Tracked>,
    judge: Judge,
}

impl Pipeline {
    /// An empty core.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with(&config, Judge::new(config.clone()))
    }

    /// The stages before this last one, which has seen no frame.
    #[must_use]
    pub fn with(config: &Config, judge: Judge) -> Self {
        Self {
            front: Front::new(config, 1),
            trackers: (0..follow::shards(config)).map(|_| follow::tracker(config)).collect(),
            tracked: Vec::new(),
            judge,
        }
    }

    /// The last stage: for what servers say, and what is shown.
    pub const fn judge_mut(&mut self) -> &mut Judge {
        &mut self.judge
    }

    /// Names an interface of a capture.
    pub fn name_iface(&mut self, capture: u32, iface: u32, name: &str) {
        self.trackers.iter_mut().for_each(|tracker| tracker.name_iface((capture, iface), name));
    }

    /// One frame. `wanted`: the user's filter lets it pass; ICMP errors pass always.
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, emit: &mut impl FnMut(Event)) {
        let Self { front, trackers, tracked, judge } = self;
        judge.note_frame(frame);
        let step = front.step(frame);
        let Front { decoder, clocks, sieve, .. } = front;
        if let Some(notice) = clocks.note(frame) {
            emit(Event::Notice(notice));
        }
        let mut packet = decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len);
        let concerned = sieve.shard(&mut packet, wanted);
        let mut give = |tracker: &mut Tracker, concerned: bool| {
            tracker.advance(step.now, tracked);
            match &packet {
                Packet::Tcp(seg) if concerned => {
                    tracker.handle_segment(seg, seen(frame), step.ordinal, tracked)
                }
                Packet::Icmp(icmp) if concerned => tracker.handle_icmp(icmp, seen(frame).mark, tracked),
                _ => {}
            }
        };
        if step.tick {
            // Every shard's timers run out at the same frame.
            trackers.iter_mut().enumerate().for_each(|(shard, t)| give(t, concerned == Some(shard)));
        } else if let Some(tracker) = concerned.and_then(|shard| trackers.get_mut(shard)) {
            give(tracker, true);
        }
        self.pass_on(emit);
    }

    /// Frames the capture lost.
    pub fn handle_lost(&mut self, frames: u64, at: Timestamp, emit: &mut impl FnMut(Event)) {
        self.judge.handle_lost(frames, at, emit);
    }

    /// The host that a live trace runs on; again where its addresses change.
    pub fn set_host(&mut self, host: &Host) {
        self.trackers.iter_mut().for_each(|tracker| tracker.set_host(host.clone()));
    }

    /// One record of this host's kernel.
    pub fn handle_kernel(&mut self, record: &KernelRecord) {
        let ordinal = self.front.next_ordinal();
        self.judge.note_kernel(record);
        if let Some(tracker) = self.trackers.first_mut() {
            tracker.handle_kernel(record, ordinal);
        }
    }

    /// What this host's rule sets should be asked; the answers come by [`Self::handle_rule`].
    pub fn questions(&mut self) -> Vec<FilterQuestion> {
        self.judge.questions()
    }

    /// A rule of this host's filters that a packet met.
    pub fn handle_rule(&mut self, rule: &FilterRule) {
        self.judge.handle_rule(rule);
        self.trackers.iter_mut().for_each(|tracker| tracker.handle_rule(rule.clone()));
    }

    /// Time passes without a frame (live).
    pub fn advance(&mut self, now: Timestamp, emit: &mut impl FnMut(Event)) {
        if now <= self.judge.now() {
            return;
        }
        self.judge.pass(now);
        self.advance_all();
        self.pass_on(emit);
    }

    /// The counts so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.judge.summary(self.trackers.iter().map(Tracker::living).sum())
    }

    /// The input is over: what settles is judged, then the summary is given.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event)) -> Summary {
        self.advance_all();
        self.pass_on(emit);
        let mut last = Vec::new();
        self.trackers.iter_mut().for_each(|tracker| tracker.finish(&mut last));
        self.judge.finish(last, self.trackers.first(), emit)
    }

    fn advance_all(&mut self) {
        let now = self.judge.now();
        self.trackers.iter_mut().for_each(|tracker| tracker.advance(now, &mut self.tracked));
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
        self.judge.settle(self.trackers.first(), emit);
    }
}
