//! Frames are decoded and connections followed, each by the tracker of its shard. Of several followers each has shards of its own.
use super::Config;
use super::batch::{Batch, Told};
use super::divide::Stretch;
use super::room::{self, Held, Holds, LAG, Leave};
use super::sharding::{SHARDS, Sharding};
use crate::base::{Span, Timestamp};
use crate::event::{Facts, Frame, FrameRef, Mark};
use crate::track::{Limits, Recent, Seen, TrackConfig, Tracked, Tracker};
use crate::wire::{Decoder, Glance, IcmpError, Packet, Plain, Segment};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Frames in, what the connections of some shards tell out.
pub struct Follow {
    decoder: Decoder,
    /// Counts all frames from 1.
    ordinal: u64,
    /// The latest time of the input so far.
    now: Timestamp,
    /// Where the trackers' timers may run out next.
    tick: Timestamp,
    /// Which of several followers it is.
    place: usize,
    shards: Shards,
    /// The bound, where shards divide the table.
    most: Option<usize>,
    /// Who must go as the next rounds begin.
    leaving: VecDeque<Leave>,
}

/// The connections that are followed.
struct Shards {
    sharding: Sharding,
    headers_only: bool,
    /// A place for each shard; empty where another follows it.
    trackers: Vec<Option<Tracker>>,
    /// Of all of them.
    recent: Recent,
}

impl Follow {
    /// One that follows every shard.
    pub(super) fn whole(config: &Config) -> Self {
        let sharding = Sharding::new(config);
        let shards = sharding.shards();
        Self {
            decoder: Decoder::new(),
            ordinal: 0,
            now: Timestamp(i64::MIN),
            tick: Timestamp(i64::MIN),
            place: 0,
            most: (shards > 1).then_some(config.max_connections),
            leaving: VecDeque::new(),
            shards: Shards {
                sharding,
                headers_only: config.headers_only,
                trackers: (0..shards).map(|_| Some(tracker(config, shards))).collect(),
                recent: Recent::default(),
            },
        }
    }

    /// Followers who divide the shards of this one among them, `most` at most, and go on where it is: they take what
    /// [`super::Divide`] gives them, and make the batches that [`super::Judge`] takes.
    pub(super) fn shared_out(mut self, most: usize) -> Vec<Self> {
        let followers = most.clamp(1, self.shards.trackers.len());
        (0..followers).map(|place| self.share(place, followers)).collect()
    }

    /// The part of one of so many followers.
    fn share(&mut self, place: usize, followers: usize) -> Self {
        let Shards { sharding, headers_only, trackers, recent: _ } = &mut self.shards;
        let own = |(shard, tracker): (usize, &mut Option<Tracker>)| {
            if shard % followers == place { tracker.take() } else { None }
        };
        let trackers = trackers.iter_mut().enumerate().map(own).collect();
        let (sharding, headers_only) = (sharding.clone(), *headers_only);
        Self {
            // Each sees every frame that only decoding tells something of.
            decoder: self.decoder.clone(),
            place,
            leaving: self.leaving.clone(),
            shards: Shards { sharding, headers_only, trackers, recent: Recent::default() },
            ..*self
        }
    }

    /// In the thread that it will be in, before its first stretch.
    pub fn settle_in(&mut self) {
        self.trackers_mut().for_each(Tracker::settle_in);
    }

    /// What is followed, and how it is divided.
    pub(super) const fn sharding(&self) -> &Sharding {
        &self.shards.sharding
    }

    /// Its share of a stretch: what that makes trackers tell is all that is in `batch` then.
    pub fn handle_stretch(&mut self, stretch: &Stretch, batch: &mut Batch) {
        let Batch { told, tracked, holds, rooms, leave } = batch;
        told.clear();
        tracked.clear();
        if !rooms.is_empty() {
            self.take_rooms(rooms.drain(..));
        }
        if let Some(leave) = leave.take() {
            self.decided(leave);
        }
        let mut telling = |frame: usize, turn: usize, count: usize| {
            told.push(Told { frame: frame as u32, turn: turn as u32, count: count as u32 });
        };
        if let Some(before) = room::round_begins(stretch.before) {
            self.begin_round(before, tracked, &mut |turn, count| telling(0, turn, count));
        }
        let mut passed = 0;
        for (place, frame, wanted) in stretch.share(self.place) {
            self.pass(&stretch.nows, passed..place + 1, tracked, &mut telling);
            passed = place + 1;
            self.ordinal = stretch.before + passed as u64;
            let before = tracked.len();
            self.handle_own(&frame, wanted, tracked);
            if tracked.len() > before {
                telling(place, 2 * self.shards.trackers.len(), tracked.len() - before);
            }
        }
        self.pass(&stretch.nows, passed..stretch.nows.len(), tracked, &mut telling);
        if stretch.ends_round() {
            *holds = self.holds();
        }
    }

    /// The times of these frames: timers run out at the first that they are due at.
    #[inline(always)]
    fn pass(
        &mut self,
        nows: &[Timestamp],
        frames: Range<usize>,
        tracked: &mut Vec<Tracked>,
        telling: &mut impl FnMut(usize, usize, usize),
    ) {
        let Some(&last) = nows.get(frames.end.saturating_sub(1)) else { return };
        let mut begin = frames.start;
        while last >= self.tick {
            begin += nows.get(begin..frames.end).unwrap_or_default().partition_point(|&now| now < self.tick);
            let Some(&now) = nows.get(begin) else { break };
            self.now = now;
            self.run_timers(tracked, &mut |turn, count| telling(begin, turn, count));
            begin += 1;
        }
        self.now = last;
    }

    /// One frame, for one who follows all shards. What it makes trackers tell is added to `tracked`.
    #[inline(always)]
    pub(super) fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, tracked: &mut Vec<Tracked>) {
        self.ordinal += 1;
        self.now = self.now.max(frame.at);
        if self.now >= self.tick {
            self.run_timers(tracked, &mut |_, _| {});
        }
        self.handle_own(frame, wanted, tracked);
    }

    /// As [`Follow::handle_frame`], of one that comes in order, while no timer runs out.
    #[inline(always)]
    pub(super) fn handle_calm(&mut self, frame: &Frame<'_>, wanted: bool, tracked: &mut Vec<Tracked>) {
        debug_assert!(self.now <= frame.at && frame.at < self.tick);
        self.ordinal += 1;
        self.now = frame.at;
        self.handle_own(frame, wanted, tracked);
    }

    /// The latest time of the input so far.
    #[inline(always)]
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// No timer runs out before.
    pub(super) const fn tick(&self) -> Timestamp {
        self.tick
    }

    /// Frames so far, and what came between them.
    #[inline(always)]
    pub(super) const fn frames(&self) -> u64 {
        self.ordinal
    }

    /// A frame, if it is of a shard that is followed here.
    #[inline(always)]
    fn handle_own(&mut self, frame: &Frame<'_>, wanted: bool, tracked: &mut Vec<Tracked>) {
        match Glance::at(frame.link, frame.bytes) {
            Glance::Plain(plain) => {
                if wanted
                    && self.shards.sharding.follows(plain.ports())
                    && !self.take_foreseen(&plain, frame, tracked)
                {
                    // Copies, so that neither need be in memory above.
                    self.handle_plain(&{ plain }, &Frame { ..*frame }, tracked);
                }
            }
            Glance::Other => {}
            Glance::Unknown => self.handle_any(&Frame { ..*frame }, wanted, tracked),
        }
    }

    /// What its shards hold.
    pub(super) fn holds(&self) -> Holds {
        let mut holds = Holds::default();
        if self.most.is_some() {
            for (held, tracker) in holds.iter_mut().zip(&self.shards.trackers) {
                *held = tracker.as_ref().map_or_else(Held::default, held_by);
            }
        }
        holds
    }

    /// Who must go, when it is their turn.
    pub(super) fn decided(&mut self, leave: Leave) {
        self.leaving.push_back(leave);
    }

    /// A round begins, of which there were `before`: those go who had to as an earlier one ended.
    #[cold]
    pub(super) fn begin_round(
        &mut self,
        before: u64,
        tracked: &mut Vec<Tracked>,
        told: &mut impl FnMut(usize, usize),
    ) {
        if before >= LAG as u64
            && let Some(leave) = self.leaving.pop_front()
        {
            self.let_go(leave, tracked, told);
        }
    }

    /// So many leave each of its shards, for want of room.
    fn let_go(&mut self, leave: Leave, tracked: &mut Vec<Tracked>, told: &mut impl FnMut(usize, usize)) {
        let mark = Mark { at: self.now, ..Mark::default() };
        for (shard, (tracker, number)) in self.shards.trackers.iter_mut().zip(leave).enumerate() {
            let Some(tracker) = tracker.as_mut().filter(|_| number > 0) else { continue };
            let before = tracked.len();
            tracker.let_go(number, mark, tracked);
            told(shard, tracked.len() - before);
        }
    }

    /// Whether a round begins, for one who follows all shards: the number of those before.
    #[inline]
    pub(super) fn round_begins(&self) -> Option<u64> {
        room::round_begins(self.ordinal).filter(|_| self.most.is_some())
    }

    /// A plain frame, if a connection is found that expects it.
    #[inline(always)]
    fn take_foreseen(&mut self, plain: &Plain<'_>, frame: &Frame<'_>, tracked: &mut Vec<Tracked>) -> bool {
        let Some(found) = self.shards.recent.find(plain).filter(|_| self.now <= frame.at) else {
            return false;
        };
        let Some(Some(tracker)) = self.shards.trackers.get_mut(usize::from(found.shard)) else {
            return false;
        };
        let plain = if self.shards.headers_only { plain.headers() } else { *plain };
        tracker.take_foreseen(&plain, found, seen(frame), tracked)
    }

    /// A plain frame, if it is of a shard that is followed here.
    #[inline(never)]
    fn handle_plain(&mut self, plain: &Plain<'_>, frame: &Frame<'_>, tracked: &mut Vec<Tracked>) {
        let Self { shards, ordinal, now, .. } = self;
        let Some(shard) = shards.of_plain(plain) else { return };
        let Some(Some(tracker)) = shards.trackers.get_mut(shard) else { return };
        // A frame that comes late finds everything as far as time has come.
        if *now > frame.at {
            tracker.advance(*now, tracked);
        }
        let plain = if shards.headers_only { plain.headers() } else { *plain };
        let place = (shard as u8, *ordinal);
        if !tracker.handle_plain(&plain, seen(frame), place, &mut shards.recent, tracked) {
            self.handle_any(frame, true, tracked);
        }
    }

    /// A frame, whatever is in it.
    #[inline(never)]
    fn handle_any(&mut self, frame: &Frame<'_>, wanted: bool, tracked: &mut Vec<Tracked>) {
        let Self { decoder, shards, ordinal, now, .. } = self;
        match decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len) {
            Packet::Tcp(seg) if wanted => shards.handle_segment(seg, frame, (*now, *ordinal), tracked),
            Packet::Icmp(icmp) => shards.handle_icmp(&icmp, frame, *now, tracked),
            _ => {}
        }
    }

    /// Memory of facts that are not needed any more, divided among the trackers; what is too much for them is let go.
    #[cold]
    pub(super) fn take_rooms(&mut self, mut rooms: impl ExactSizeIterator<Item = Box<Facts>>) {
        let trackers = self.trackers().count();
        for (taken, tracker) in self.trackers_mut().enumerate() {
            let part = rooms.len() / (trackers - taken);
            tracker.take_rooms(&mut rooms, part);
        }
    }

    /// Every shard's timers run out at the same frame.
    #[inline(never)]
    fn run_timers(&mut self, tracked: &mut Vec<Tracked>, told: &mut impl FnMut(usize, usize)) {
        self.tick = Timestamp(crate::track::tick(self.now));
        let shards = self.shards.trackers.len();
        for (shard, tracker) in self.shards.trackers.iter_mut().enumerate() {
            let before = tracked.len();
            tracker.iter_mut().for_each(|tracker| tracker.advance(self.now, tracked));
            if tracked.len() > before {
                told(shards + shard, tracked.len() - before);
            }
        }
    }

    /// The ordinal of something that is no frame and comes after those so far.
    pub(super) const fn next_ordinal(&mut self) -> u64 {
        self.ordinal += 1;
        self.ordinal
    }

    /// The trackers of its shards.
    pub(super) fn trackers(&self) -> impl Iterator<Item = &Tracker> {
        self.shards.trackers.iter().flatten()
    }

    /// As [`Follow::trackers`], to be changed.
    pub(super) fn trackers_mut(&mut self) -> impl Iterator<Item = &mut Tracker> {
        self.shards.trackers.iter_mut().flatten()
    }

    /// The input is over: what all followers have left to tell.
    #[must_use]
    pub fn finish(all: &mut [Self]) -> Left {
        let (mut left, mut holds) = (Left::default(), Holds::default());
        for follow in all.iter() {
            room::add(&mut holds, &follow.holds());
        }
        for follow in all {
            if let Some(most) = follow.most {
                follow.let_go(room::too_many(&holds, most), &mut left.tracked, &mut |_, _| {});
            }
            follow.trackers_mut().for_each(|tracker| left.open += tracker.finish(&mut left.tracked));
        }
        left
    }
}

/// What is left when the input is over.
#[derive(Debug, Default)]
pub struct Left {
    /// What ended and was not told so far.
    pub(super) tracked: Vec<Tracked>,
    /// Connections that live on.
    pub(super) open: u64,
}

fn held_by(tracker: &Tracker) -> Held {
    let (attempts, others) = tracker.holds();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX / SHARDS as u32);
    Held { attempts: number(attempts), others: number(others) }
}

impl Shards {
    /// The shard of a plain frame's segment, if that and its port are followed here.
    #[inline(always)]
    fn of_plain(&self, plain: &Plain<'_>) -> Option<usize> {
        let shard = self.sharding.of_plain(plain)?;
        self.trackers.get(shard)?.is_some().then_some(shard)
    }

    /// A segment, if it is of a port and a shard that are followed here.
    #[inline(always)]
    fn handle_segment(
        &mut self,
        seg: Segment<'_>,
        frame: &Frame<'_>,
        clock: (Timestamp, u64),
        tracked: &mut Vec<Tracked>,
    ) {
        if let Some(shard) = self.sharding.of_segment(&seg) {
            self.give(shard, seg, frame, clock, tracked);
        }
    }

    /// A segment for the tracker of a shard, if that is followed here.
    #[inline(always)]
    fn give(
        &mut self,
        shard: usize,
        mut seg: Segment<'_>,
        frame: &Frame<'_>,
        (now, ordinal): (Timestamp, u64),
        tracked: &mut Vec<Tracked>,
    ) {
        if self.headers_only {
            seg.payload = &[];
        }
        if let Some(Some(tracker)) = self.trackers.get_mut(shard) {
            tracker.advance(now, tracked);
            tracker.handle_segment(&seg, seen(frame), ordinal, tracked);
        }
    }

    /// An ICMP error, if it is about a shard that is followed here.
    fn handle_icmp(
        &mut self,
        icmp: &IcmpError,
        frame: &Frame<'_>,
        now: Timestamp,
        tracked: &mut Vec<Tracked>,
    ) {
        let shard = self.sharding.between(icmp.src, icmp.dst);
        if let Some(Some(tracker)) = self.trackers.get_mut(shard) {
            tracker.advance(now, tracked);
            tracker.handle_icmp(icmp, seen(frame).mark, tracked);
        }
    }
}

/// When and where a frame was seen.
#[inline]
const fn seen(frame: &Frame<'_>) -> Seen {
    let mark = Mark { at: frame.at, frame: FrameRef::new(frame.capture, frame.number) };
    Seen { mark, place: (frame.capture, frame.iface) }
}

/// The tracker of one shard, with the limits that the settings call for.
fn tracker(config: &Config, shards: usize) -> Tracker {
    let limits = Limits {
        idle_timeout: config.idle_timeout,
        window_closed: Span((config.settings.write_deadline.0 / 4).max(Span::secs(1).0)),
        linger_done: if config.offline { Span::secs(1) } else { Span(config.settle.0 / 10 * 8) },
        linger: if config.offline { Span::secs(3) } else { Span(config.settle.0 / 10 * 8) },
        linger_doubtful: if config.offline { Span::secs(30) } else { Span(config.settle.0 / 10 * 8) },
    };
    Tracker::new(TrackConfig {
        ports: config.ports.clone(),
        limits,
        max_connections: config.max_connections,
        shards,
        iface_names: BTreeMap::new(),
    })
}
