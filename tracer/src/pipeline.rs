//! F5: input to events. Frames are decoded and tracked, what the tracker tells goes to the neighbours in order of time, a
//! close waits its settle time, then its kind, side and cause are judged once. Pure: time is what the input says.
//!
//! Two stages: [`Follow`] decodes and tracks, [`Judge`] (here) does what spans connections. [`Pipeline`] is both, frame by frame.
//! In threads of their own [`Divide`] gives several followers [`Stretch`]es of the input, and [`Batch`]es carry what they tell.
//! Both ways lead to the same events.
mod batch;
mod clocks;
pub mod compare;
mod counts;
mod digest;
mod divide;
mod emit;
mod flows;
mod folding;
mod follow;
mod judging;
mod neighbourhood;
mod room;
mod server_word;
mod sharding;
mod storm;
mod waiting;
mod whole;

pub use batch::Batch;
pub use divide::{Divide, Stretch};
pub use emit::Emit;
pub use follow::{Follow, Left};
pub use whole::Pipeline;

use crate::base::{Addr, PortSet, Span, Timestamp};
use crate::cause::Settings;
use crate::event::{
    EndedBy, Event, Facts, Frame, Notice, NoticeCode, ReconnectOutcome, Rooms, Selection, Summary,
};
use crate::kernel::{FilterQuestion, FilterRule, KernelEvent, KernelRecord};
use crate::nats::connz::{ClosedList, Varz};
use crate::nats::server_log::LogLine;
use crate::track::clients::mark_announced;
use crate::track::{Clients, ConnId, Latencies, Legs, Neighbours, Tracked, Tracker};
use batch::Merged;
use counts::Counts;
use flows::Flows;
use folding::Folding;
use room::{Holds, Room};
use server_word::ServerWord;
use std::collections::VecDeque;
use storm::Storms;
use waiting::{Brief, Waiting};

/// Places for facts to come that are kept: about as many as end at a time where many come and go.
const ROOMS_MAX: usize = 1024;
/// Of them so many stay here, for what was written down and for attempts; the trackers get the rest.
const ROOMS_OWN: usize = 64;

/// Places of what was judged that are kept for the next that were written down; what is more goes to the others.
const SPARE_MAX: usize = 256;

/// What the pipeline is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Server ports.
    pub ports: PortSet,
    /// How long something may stay unanswered.
    pub idle_timeout: Span,
    /// How long a close waits for what follows it.
    pub settle: Span,
    /// The input is a file: a close may wait until its outcome is known.
    pub offline: bool,
    /// Only protocol headers are looked at: what the ends say is left unread.
    pub headers_only: bool,
    /// Connections kept at most.
    pub max_connections: usize,
    /// Server settings.
    pub settings: Settings,
}

/// What `--read` has by default.
impl Default for Config {
    fn default() -> Self {
        Self {
            ports: PortSet::default(),
            idle_timeout: Span::secs(120),
            settle: Span::secs(60),
            offline: true,
            headers_only: false,
            max_connections: 1_000_000,
            settings: Settings::default(),
        }
    }
}

/// A close that is written, whose client may still come back.
struct Lost {
    id: ConnId,
    flow: u64,
    client: Addr,
    at: Timestamp,
    /// Subscriptions it held.
    held: Option<u64>,
    announced: Vec<String>,
}

/// Questions to the rule sets that wait to be taken away.
const QUESTIONS_MAX: usize = 256;
/// A close waits so long for the answer.
const ANSWERED: Span = Span::millis(500);
/// It waits so long for the word of a server that is asked as it ends.
const SERVER_ANSWERED: Span = Span::millis(900);
/// So long after an end its server's closed list has it for certain.
const SERVER_NOTICES: Span = Span::millis(200);
/// The outcome of the close that waits longest is asked for again after so long.
const ASK_AGAIN: Span = Span::millis(100);
/// Times of loss by the capture that are remembered.
const LOSSES_MAX: usize = 256;
/// Of them at most.
const LOST_MAX: usize = 16 * 1024;
/// A client that is back has told its subscriptions after so long, or it says nothing.
const RESUBSCRIBED: Span = Span::secs(3);
/// How long they are waited for.
const LOST_FOR: Span = Span::secs(600);

/// The last stage: what spans connections, and the verdicts.
pub struct Judge {
    config: Config,
    neighbours: Neighbours,
    clients: Clients,
    /// Of those that had to be forgotten so many are told of.
    clients_forgotten: u64,
    legs: Legs,
    latencies: Latencies,
    waiting: Waiting,
    /// The bound of a table of many shards.
    room: Room,
    /// Memory of facts that are not needed any more: it goes back to the trackers.
    rooms: Rooms,
    /// The same of those that were judged: it is for the next that are.
    spare: Rooms,
    flows: Flows,
    next_flow: u64,
    now: Timestamp,
    next_prune: Timestamp,
    /// Nothing is to be done before, unless the tracker tells something.
    next_look: Timestamp,
    summary: Summary,
    counts: Counts,
    storms: Storms,
    folding: Folding,
    lost: VecDeque<Lost>,
    /// When to look at those whose client is back but has not made its subscriptions yet.
    tell_at: Timestamp,
    input_over: bool,
    losses: VecDeque<Timestamp>,
    questions: Vec<FilterQuestion>,
    /// The close whose outcome was asked for last, and when.
    asked: (ConnId, Timestamp),
    server_word: ServerWord,
    /// A server is asked as closes come, and closes have come since it was asked last.
    asks_server: Option<bool>,
    selection: Selection,
}

impl Judge {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            folding: Folding::default(),
            lost: VecDeque::new(),
            tell_at: Timestamp(i64::MAX),
            input_over: false,
            losses: VecDeque::new(),
            questions: Vec::new(),
            asked: (0, Timestamp(i64::MIN / 2)),
            server_word: ServerWord::default(),
            asks_server: None,
            selection: Selection::default(),
            room: Room::new(config.max_connections),
            config,
            neighbours: Neighbours::default(),
            clients: Clients::default(),
            clients_forgotten: 0,
            legs: Legs::default(),
            latencies: Latencies::default(),
            waiting: Waiting::default(),
            rooms: Vec::new(),
            spare: Vec::new(),
            flows: Flows::default(),
            next_flow: 1,
            now: Timestamp(i64::MIN),
            next_prune: Timestamp(i64::MIN),
            next_look: Timestamp(i64::MIN),
            summary: Summary::default(),
            counts: Counts::default(),
            storms: Storms::default(),
        }
    }

    /// Only these closes are shown: the others are counted and given without texts.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
    }

    /// What all followers tell of a stretch, frame by frame.
    pub fn handle_batches(&mut self, stretch: &Stretch, batches: &mut [Batch], emit: &mut impl Emit) {
        let Stretch { nows, wire, notices, .. } = stretch;
        self.summary.packets += nows.len() as u64;
        self.summary.bytes += *wire;
        let mut notices = notices.iter().peekable();
        let mut told = Merged::of(batches.iter_mut().map(|batch| (&mut batch.told, &mut batch.tracked)));
        let mut at = 0;
        loop {
            // The next frame at which something is to be done. Times of a batch never go back.
            let news = [notices.peek().map(|n| n.0), told.next_frame()];
            let news = news.into_iter().flatten().min().map_or(nows.len(), |n| n as usize);
            let look = self.next_look;
            at += nows.get(at..news).unwrap_or_default().partition_point(|&now| now < look);
            let Some(&now) = nows.get(at) else { break };
            self.pass(now);
            while let Some((_, notice)) = notices.next_if(|n| n.0 as usize == at) {
                emit.event(Event::Notice(notice.clone()));
            }
            while told.next_frame().is_some_and(|frame| frame as usize == at) {
                self.digest(told.take(), emit);
            }
            self.settle(None, emit);
            at += 1;
        }
        if let Some(&now) = nows.last() {
            self.pass(now);
        }
        drop(told);
        batches.iter_mut().for_each(Batch::forget);
        if stretch.ends_round() {
            self.keep_bound(batches);
        }
        let each = self.rooms.len().saturating_sub(ROOMS_OWN) / batches.len().max(1);
        for batch in batches {
            batch.give_back(self.rooms.drain(self.rooms.len() - each..));
        }
    }

    /// At the end of a round: who must go, told with the batches as they go back.
    fn keep_bound(&mut self, batches: &mut [Batch]) {
        let mut holds = Holds::default();
        for batch in batches.iter() {
            room::add(&mut holds, &batch.holds);
        }
        let leave = self.room.decide(holds);
        batches.iter_mut().for_each(|batch| batch.leave = Some(leave));
    }

    /// One frame came.
    #[inline]
    fn note_frame(&mut self, frame: &Frame<'_>) {
        self.summary.packets += 1;
        self.summary.bytes += u64::from(frame.wire_len);
        self.now = self.now.max(frame.at);
    }

    /// The same, of a frame that comes in order.
    #[inline(always)]
    fn note_in_order(&mut self, frame: &Frame<'_>) {
        self.summary.packets += 1;
        self.summary.bytes += u64::from(frame.wire_len);
        self.now = frame.at;
    }

    /// Frames the capture lost.
    pub fn handle_lost(&mut self, frames: u64, at: Timestamp, emit: &mut impl Emit) {
        if frames == 0 {
            return;
        }
        self.summary.capture_lost_packets += frames;
        if self.losses.len() >= LOSSES_MAX {
            self.losses.pop_front();
        }
        self.losses.push_back(at);
        emit.event(Event::Notice(Notice::new(
            at,
            NoticeCode::CaptureLoss,
            format!("the capture lost {frames} frames: verdicts from this time are less certain"),
        )));
    }

    /// Time passes.
    fn pass(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// One record of this host's kernel came.
    fn note_kernel(&mut self, record: &KernelRecord) {
        self.summary.kernel_records += u64::from(!matches!(record.event, KernelEvent::Socket { .. }));
    }

    /// What this host's rule sets should be asked; the answers come by [`Self::handle_rule`].
    fn questions(&mut self) -> Vec<FilterQuestion> {
        std::mem::take(&mut self.questions)
    }

    /// A rule of this host's filters that a packet met.
    fn handle_rule(&mut self, rule: &FilterRule) {
        let ends = [rule.src, rule.dst];
        let concerned = |f: &Facts| ends.contains(&f.client) && ends.contains(&f.server);
        for host in self.waiting.facts_mut().filter(|facts| concerned(facts)).filter_map(|f| f.host.as_mut())
        {
            host.add_rule(rule.clone());
        }
    }

    /// Closes wait for the word of a server that is asked as they come.
    pub const fn wait_for_server(&mut self) {
        self.asks_server = Some(false);
    }

    /// Whether closes have come since the last call: then a server should be asked.
    pub fn asks_server(&mut self) -> bool {
        self.asks_server.as_mut().is_some_and(std::mem::take)
    }

    /// One line of a server's log.
    pub fn handle_log(&mut self, line: &LogLine) {
        self.server_word.note_log(line);
    }

    /// A server's closed list, read at that time.
    pub fn handle_closed_list(&mut self, list: ClosedList, at: Timestamp) {
        self.next_look = Timestamp(i64::MIN);
        self.server_word.note_closed(list, at);
        // Whom the list is about needs to wait for it no longer.
        self.waiting.stop_asking(|ended| at - ended >= SERVER_NOTICES);
    }

    /// A server's settings and counters, read at that time. What `--assume` told stays.
    pub fn handle_varz(&mut self, varz: Varz, at: Timestamp) {
        server_word::fill(&mut self.config.settings, &varz);
        self.server_word.note_varz(varz, at);
    }

    /// The counts so far, with that many connections open.
    fn summary(&self, open: u64) -> Summary {
        let mut summary = self.summary.clone();
        summary.at = if self.now.0 == i64::MIN { Timestamp(0) } else { self.now };
        summary.open = open;
        self.counts.tell(&mut summary);
        summary
    }

    /// The input is over, with what the trackers had left: what settles is judged, then the summary is given. `tracker`, live,
    /// knows of this host's processes.
    pub fn finish(&mut self, mut left: Left, tracker: Option<&Tracker>, emit: &mut impl Emit) -> Summary {
        let last = &mut left.tracked;
        last.sort_by_key(|tracked| {
            (matches!(tracked, Tracked::Closed(_) | Tracked::GivenUp(_)), tracked.id())
        });
        self.summary.open = left.open;
        self.waiting.input_is_over();
        self.digest(left.tracked.iter_mut(), emit);
        while let Some(facts) = self.next_close() {
            self.judge(facts, true, tracker, emit);
        }
        // Whoever is back but could not be told of yet is told of now.
        self.input_over = true;
        self.tell_reconnects(None, emit);
        self.folding.pass(Timestamp(i64::MAX), emit);
        self.summary(self.summary.open)
    }

    /// Latest time of the input.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Judges what has waited long enough. Closes leave in order of their end. `tracker` knows of this host's processes, live.
    #[inline]
    fn settle(&mut self, tracker: Option<&Tracker>, emit: &mut impl Emit) {
        if self.now >= self.next_look {
            self.look(tracker, emit);
            self.next_look = self.look_again();
        }
    }

    /// When [`Judge::look`] can find something to do, if nothing comes before.
    fn look_again(&self) -> Timestamp {
        const MOMENT: Span = Span(1);
        let prune = (self.next_prune + MOMENT).min(self.tell_at);
        let Some(since) = self.waiting.since() else { return prune };
        let due = since + self.config.settle;
        let ask = self.asked.1 + ASK_AGAIN + MOMENT;
        prune.min(due).min(if self.config.offline { ask } else { due })
    }

    #[inline(never)]
    fn look(&mut self, tracker: Option<&Tracker>, emit: &mut impl Emit) {
        while let Some((since, first)) = self.waiting.first() {
            let waited = self.now - since;
            let due = waited >= self.config.settle || self.waiting.is_full();
            let asked = (first.id, self.now);
            let again = self.asked.0 != asked.0 || self.now - self.asked.1 > ASK_AGAIN;
            let early =
                !due && again && self.config.offline && waited >= Span::secs(4) && self.outcome_known(&first);
            if !due && !early {
                if again {
                    self.asked = asked;
                }
                break;
            }
            if let Some(facts) = self.next_close() {
                self.judge(facts, false, tracker, emit);
            }
        }
        if self.now >= self.tell_at {
            self.tell_at = Timestamp(i64::MAX);
            self.tell_reconnects(None, emit);
        }
        if self.now > self.next_prune {
            self.next_prune = self.now + Span::secs(30);
            let now = self.now;
            self.neighbours.prune(now);
            self.tell_reconnects(None, emit);
            self.folding.pass(now, emit);
        }
    }

    /// Live: what became of clients whose close is written already, `addr`'s or all.
    fn tell_reconnects(&mut self, addr: Option<Addr>, emit: &mut impl Emit) {
        let mut lost = std::mem::take(&mut self.lost);
        let full = lost.len().saturating_sub(LOST_MAX);
        let mut place = 0;
        lost.retain(|one| {
            place += 1;
            if addr.is_some_and(|a| a != one.client) && place > full {
                return true;
            }
            let told = self.clients.reconnect(one.id, one.client, self.now);
            let old = place <= full || self.now - one.at > LOST_FOR;
            let outcome = told.as_ref().map(|r| r.outcome);
            let new = self.clients.came_back(one.id, one.client);
            let fresh = new.is_some_and(|n| n.held.is_none() && self.now - n.since < RESUBSCRIBED);
            if fresh && !old && !self.input_over {
                self.tell_at = self.tell_at.min(self.now + RESUBSCRIBED);
                return true;
            }
            if !old && !matches!(outcome, Some(ReconnectOutcome::Reconnected | ReconnectOutcome::GaveUp)) {
                return true;
            }
            if let Some(mut reconnect) = told {
                reconnect.flow = reconnect.flow.and_then(|id| self.flows.get(id));
                mark_announced(&mut reconnect.servers, &one.announced);
                reconnect.subscriptions = one.held.zip(new.and_then(|n| n.held));
                emit.event(Event::Reconnect { at: self.now, after: one.flow, reconnect });
            }
            self.clients.settled(one.id, one.client);
            false
        });
        self.lost = lost;
    }

    /// Takes out the close that waits longest.
    fn next_close(&mut self) -> Option<Box<Facts>> {
        let places = if self.spare.is_empty() { &mut self.rooms } else { &mut self.spare };
        self.waiting.pop(places)
    }

    /// Nothing that can still come changes this verdict.
    fn outcome_known(&self, close: &Brief) -> bool {
        if close.by != EndedBy::Goodbye {
            return false;
        }
        let (id, client) = self.as_first_seen(close.id, close.client);
        self.clients
            .came_back(id, client)
            .is_some_and(|new| new.settled && (new.held.is_some() || self.now - new.since >= RESUBSCRIBED))
    }
}

#[cfg(test)]
mod tests;
