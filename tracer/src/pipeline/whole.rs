//! All stages in one thread, frame by frame, with what a live trace has beside frames.
use super::clocks::Clocks;
use super::{Config, Divide, Emit, Follow, Judge, ROOMS_OWN, room};
use crate::base::Timestamp;
use crate::event::{Event, Frame, Host, Summary};
use crate::kernel::{FilterQuestion, FilterRule, KernelRecord};
use crate::track::Tracked;

/// Places for facts to come are divided among the trackers when there are so many more than the judge keeps.
const ROOMS: usize = 64;

/// As long as nothing is due, and no clock jumps: a frame that comes then is only followed.
#[derive(Clone, Copy)]
struct Calm {
    /// Of this capture.
    capture: u32,
    /// Before this time.
    until: Timestamp,
    /// Before so many frames.
    frames: u64,
}

impl Calm {
    /// Not known of any frame.
    const NONE: Self = Self { capture: 0, until: Timestamp(i64::MIN), frames: 0 };
}

/// The core from frames to events.
pub struct Pipeline {
    clocks: Clocks,
    calm: Calm,
    /// A live trace has one shard, whose tracker takes what the kernel says of any connection.
    follow: Follow,
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
            clocks: Clocks::default(),
            calm: Calm::NONE,
            follow: Follow::whole(config),
            tracked: Vec::new(),
            judge,
        }
    }

    /// The stages for as many threads, with so many followers at most: they go on behind the frames so far, and what they tell is what
    /// would have been told here.
    #[must_use]
    pub fn into_stages(mut self, followers: usize) -> (Divide, Vec<Follow>, Judge) {
        self.end_calm();
        // What is decided here as a round begins is decided there as the one before ends.
        if let Some(before) = self.follow.round_begins() {
            self.decide(before);
        }
        let Self { clocks, follow, judge, .. } = self;
        let followers = followers.clamp(1, follow.sharding().shards());
        (Divide::behind(&follow, clocks, followers), follow.shared_out(followers), judge)
    }

    /// The last stage: for what servers say, and what is shown.
    pub fn judge_mut(&mut self) -> &mut Judge {
        self.end_calm();
        &mut self.judge
    }

    /// Names an interface of a capture.
    pub fn name_iface(&mut self, capture: u32, iface: u32, name: &str) {
        self.follow.trackers_mut().for_each(|tracker| tracker.name_iface((capture, iface), name));
    }

    /// One frame. `wanted`: the user's filter lets it pass; ICMP errors pass always.
    #[inline(always)]
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, emit: &mut impl Emit) {
        let Self { calm, follow, judge, tracked, .. } = self;
        let is_calm = frame.capture == calm.capture
            && frame.at >= follow.now()
            && frame.at < calm.until
            && follow.frames() < calm.frames;
        if !is_calm {
            // A copy, so that the frame itself need not be in memory.
            return self.handle_due(&Frame { ..*frame }, wanted, emit);
        }
        judge.note_in_order(frame);
        follow.handle_calm(frame, wanted, tracked);
        if !tracked.is_empty() {
            self.pass_on(emit);
            self.look_ahead((frame.capture, frame.at));
        }
    }

    /// How long nothing will be due, as far as is known behind this frame.
    fn look_ahead(&mut self, (capture, at): (u32, Timestamp)) {
        let Self { follow, judge, .. } = self;
        let in_order = at == follow.now() && at == judge.now;
        self.calm = if in_order {
            // A clock that comes to the next tick has not jumped.
            let until = follow.tick().min(judge.next_look);
            Calm { capture, until, frames: room::next_round(follow.frames()) }
        } else {
            Calm::NONE
        };
    }

    /// Something comes that is no frame.
    fn end_calm(&mut self) {
        if self.calm.frames > 0 {
            self.clocks.catch_up(self.calm.capture, self.follow.now());
            self.calm = Calm::NONE;
        }
    }

    /// As [`Pipeline::handle_frame`], whatever may be due.
    #[inline(never)]
    pub fn handle_due(&mut self, frame: &Frame<'_>, wanted: bool, emit: &mut impl Emit) {
        self.end_calm();
        if let Some(before) = self.follow.round_begins() {
            self.keep_bound(before);
        }
        let Self { clocks, follow, tracked, judge, .. } = self;
        if let Some(notice) = clocks.note(frame) {
            emit.event(Event::Notice(notice));
        }
        judge.note_frame(frame);
        follow.handle_frame(frame, wanted, tracked);
        self.pass_on(emit);
        self.look_ahead((frame.capture, frame.at));
    }

    /// A round begins, of which there were `before`: as with batches those go now who had to as an earlier one ended.
    #[cold]
    fn keep_bound(&mut self, before: u64) {
        self.decide(before);
        self.follow.begin_round(before, &mut self.tracked, &mut |_, _| {});
    }

    /// Who must go as a later round begins, if one has ended.
    fn decide(&mut self, before: u64) {
        let Self { follow, judge, .. } = self;
        if before > 0 {
            follow.decided(judge.room.decide(follow.holds()));
        }
    }

    /// Frames the capture lost.
    pub fn handle_lost(&mut self, frames: u64, at: Timestamp, emit: &mut impl Emit) {
        self.end_calm();
        self.judge.handle_lost(frames, at, emit);
    }

    /// The host that a live trace runs on; again where its addresses change.
    pub fn set_host(&mut self, host: &Host) {
        self.follow.trackers_mut().for_each(|tracker| tracker.set_host(host.clone()));
    }

    /// One record of this host's kernel.
    pub fn handle_kernel(&mut self, record: &KernelRecord) {
        self.end_calm();
        let ordinal = self.follow.next_ordinal();
        self.judge.note_kernel(record);
        if let Some(tracker) = self.follow.trackers_mut().next() {
            tracker.handle_kernel(record, ordinal);
        }
    }

    /// What this host's rule sets should be asked; the answers come by [`Self::handle_rule`].
    pub fn questions(&mut self) -> Vec<FilterQuestion> {
        self.judge.questions()
    }

    /// A rule of this host's filters that a packet met.
    pub fn handle_rule(&mut self, rule: &FilterRule) {
        self.end_calm();
        self.judge.handle_rule(rule);
        self.follow.trackers_mut().for_each(|tracker| tracker.handle_rule(rule.clone()));
    }

    /// Time passes without a frame (live).
    pub fn advance(&mut self, now: Timestamp, emit: &mut impl Emit) {
        if now <= self.judge.now() {
            return;
        }
        self.end_calm();
        self.judge.pass(now);
        self.advance_all();
        self.pass_on(emit);
    }

    /// The counts so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.judge.summary(self.follow.trackers().map(|tracker| tracker.living()).sum())
    }

    /// The input is over: what settles is judged, then the summary is given.
    pub fn finish(&mut self, emit: &mut impl Emit) -> Summary {
        self.advance_all();
        self.pass_on(emit);
        let left = Follow::finish(std::slice::from_mut(&mut self.follow));
        self.judge.finish(left, self.follow.trackers().next(), emit)
    }

    fn advance_all(&mut self) {
        let now = self.judge.now();
        self.follow.trackers_mut().for_each(|tracker| tracker.advance(now, &mut self.tracked));
    }

    /// Latest time of the input.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.judge.now()
    }

    #[inline]
    fn pass_on(&mut self, emit: &mut impl Emit) {
        if !self.tracked.is_empty() {
            self.judge.digest(self.tracked.iter_mut(), emit);
            self.tracked.clear();
            if self.judge.rooms.len() >= ROOMS_OWN + ROOMS {
                self.follow.take_rooms(self.judge.rooms.drain(ROOMS_OWN..));
            }
        }
        // Asked here before the tracker is sought: mostly nothing is due.
        if self.judge.now >= self.judge.next_look {
            self.judge.settle(self.follow.trackers().next(), emit);
        }
    }
}
