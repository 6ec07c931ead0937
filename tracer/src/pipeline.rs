//! F5: input to events. Frames are decoded and tracked, what the tracker tells goes to the neighbours in order of time, a
//! close waits its settle time, then its kind, side and cause are judged once. Pure: time is what the input says.
//!
//! Two stages: [`Follow`] decodes and tracks, [`Judge`] (here) does what spans connections. [`Pipeline`] is both, frame by frame;
//! [`Batch`]es carry what followers in threads of their own tell. Both ways lead to the same events.
mod batch;
mod clocks;
pub mod compare;
mod flows;
mod folding;
mod follow;
mod neighbourhood;
mod server_word;
mod storm;
mod waiting;
mod whole;

pub use batch::Batch;
pub use follow::{Follow, Left};
pub use whole::Pipeline;

use crate::base::{Addr, Endpoint, PerSide, PortSet, Span, Timestamp};
use crate::cause::{self, Case, Settings};
use crate::event::{
    Close, CloseReport, EndedBy, Event, Facts, Frame, Handshake, Joint, Mark, Notice, NoticeCode,
    ReconnectOutcome, Selection, Summary,
};
use crate::kernel::{FilterQuestion, FilterRule, KernelEvent, KernelRecord};
use crate::nats::Info;
use crate::nats::connz::{ClosedList, Varz};
use crate::nats::server_log::LogLine;
use crate::track::clients::mark_announced;
use crate::track::close::decide;
use crate::track::{
    Clients, ClosedWindow, ConnId, Latencies, Legs, Neighbours, Restart, Tracked, Tracker, questions,
};
use batch::Merged;
use ecow::EcoString;
use flows::Flows;
use folding::Folding;
use hashbrown::HashMap;
use server_word::ServerWord;
use std::collections::VecDeque;
use std::iter;
use storm::Storms;
use waiting::Waiting;

/// Closes that wait for what follows them at most; beyond it the oldest are judged early.
const WAITING_MAX: usize = 16 * 1024;

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

/// Those who make the batches that [`Judge`] takes; that many at most.
#[must_use]
pub fn followers(config: &Config, most: usize) -> Vec<Follow> {
    Follow::all(config, most)
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

/// Clients whose closes are counted.
const CLIENTS_MAX: usize = 10_000;
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
    legs: Legs,
    latencies: Latencies,
    waiting: Waiting<Box<Facts>>,
    flows: Flows,
    next_flow: u64,
    now: Timestamp,
    next_prune: Timestamp,
    /// Nothing is to be done before, unless the tracker tells something.
    next_look: Timestamp,
    summary: Summary,
    /// By address and name.
    closes_by_client: HashMap<(Addr, EcoString), u64, foldhash::fast::RandomState>,
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
            config,
            neighbours: Neighbours::default(),
            clients: Clients::default(),
            legs: Legs::default(),
            latencies: Latencies::default(),
            waiting: Waiting::default(),
            flows: Flows::default(),
            next_flow: 1,
            now: Timestamp(i64::MIN),
            next_prune: Timestamp(i64::MIN),
            next_look: Timestamp(i64::MIN),
            summary: Summary::default(),
            closes_by_client: HashMap::default(),
            storms: Storms::default(),
        }
    }

    /// Only these closes are shown: the others are counted and given without texts.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
    }

    /// What all followers tell of a stretch, frame by frame.
    pub fn handle_batches(&mut self, batches: &mut [Batch], emit: &mut impl FnMut(Event)) {
        // The frames are the same for all.
        let Some((Batch { nows, wire, notices, told, tracked }, others)) = batches.split_first_mut() else {
            return;
        };
        self.summary.packets += nows.len() as u64;
        self.summary.bytes += *wire;
        let mut notices = notices.drain(..).peekable();
        let others = others.iter_mut().map(|batch| (&mut batch.told, &mut batch.tracked));
        let mut told = Merged::of(iter::once((told, tracked)).chain(others));
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
                emit(Event::Notice(notice));
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
    }

    /// One frame came.
    #[inline]
    fn note_frame(&mut self, frame: &Frame<'_>) {
        self.summary.packets += 1;
        self.summary.bytes += u64::from(frame.wire_len);
        self.now = self.now.max(frame.at);
    }

    /// Frames the capture lost.
    pub fn handle_lost(&mut self, frames: u64, at: Timestamp, emit: &mut impl FnMut(Event)) {
        if frames == 0 {
            return;
        }
        self.summary.capture_lost_packets += frames;
        if self.losses.len() >= LOSSES_MAX {
            self.losses.pop_front();
        }
        self.losses.push_back(at);
        emit(Event::Notice(Notice::new(
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
        self.waiting.stop_asking(|facts| at - facts.ended >= SERVER_NOTICES);
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
        summary.clients = busiest(self.closes_by_client.iter());
        summary
    }

    /// The input is over, with what the trackers had left: what settles is judged, then the summary is given. `tracker`, live,
    /// knows of this host's processes.
    pub fn finish(
        &mut self,
        mut left: Left,
        tracker: Option<&Tracker>,
        emit: &mut impl FnMut(Event),
    ) -> Summary {
        let last = &mut left.tracked;
        last.sort_by_key(|tracked| if let Tracked::Closed(facts) = tracked { facts.first_frame } else { 0 });
        self.summary.open = left.open;
        self.digest(left.tracked.into_iter(), emit);
        while let Some(facts) = self.waiting.pop() {
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

    /// Takes in what the tracker told, in order.
    fn digest(&mut self, tracked: impl Iterator<Item = Tracked>, emit: &mut impl FnMut(Event)) {
        self.next_look = Timestamp(i64::MIN);
        let mut came_back: Vec<Addr> = Vec::new();
        for item in tracked {
            self.legs.note(&item, self.next_flow);
            let restart = self.neighbours.restarted(&item);
            // What a NAT shows a second time is no neighbour and no client of its own.
            if self.legs.echo_of(item.id()).is_none() {
                self.neighbours.note(&item);
                self.clients.note(&item);
                self.latencies.note(&item);
            }
            match item {
                Tracked::Opened { id, mark, client, server, syn, .. } => {
                    self.flows.insert(id, self.next_flow);
                    self.next_flow += 1;
                    self.summary.seen += 1;
                    if syn
                        && let Some(storm) =
                            self.storms.note(mark, client, server, &self.neighbours, &self.clients)
                    {
                        emit(Event::Notice(storm));
                    }
                }
                Tracked::Closed(facts) => {
                    let mut since = facts.ended;
                    let asked = questions(&facts);
                    if !asked.is_empty() && self.questions.len() < QUESTIONS_MAX {
                        self.questions.extend(asked);
                        since = since.max(self.now) + ANSWERED - self.config.settle;
                    }
                    let unasked = since;
                    if let Some(asks) = &mut self.asks_server {
                        *asks = true;
                        since = since.max(self.now + SERVER_ANSWERED - self.config.settle);
                    }
                    let id = facts.first_frame;
                    self.waiting.push(facts, id, since, unasked);
                }
                Tracked::Evicted { id, mark } => {
                    self.summary.evicted += 1;
                    let flow = self.flows.remove(id);
                    if self.summary.evicted.is_power_of_two() {
                        let message = format!(
                            "the table of connections is full: {} forgotten so far; raise --max-connections",
                            self.summary.evicted
                        );
                        emit(Event::Notice(Notice {
                            flow,
                            ..Notice::new(mark.at, NoticeCode::Evicted, message)
                        }));
                    }
                }
                Tracked::LameDuck { id, mark, server } => {
                    let message = format!(
                        "server {server} announced lame duck mode: it will close its clients one by one"
                    );
                    let flow = self.flows.get(id);
                    emit(Event::Notice(Notice {
                        flow,
                        server: Some(server),
                        ..Notice::new(mark.at, NoticeCode::LameDuckAnnounced, message)
                    }));
                }
                Tracked::SlowConsumerBuilding { id, mark, client, server, window } => {
                    let flow = self.flows.get(id);
                    emit(Event::Notice(Notice {
                        flow,
                        client: Some(client),
                        server: Some(server),
                        ..Notice::new(
                            mark.at,
                            NoticeCode::SlowConsumerBuilding,
                            self.not_reading(client, mark, window),
                        )
                    }));
                }
                Tracked::Accepted { client, .. } if !self.lost.is_empty() => came_back.push(client.addr),
                Tracked::Greeted { mark, server, info, .. } => {
                    if let Some(restart) = restart {
                        emit(Event::Notice(Notice {
                            server: Some(server),
                            ..Notice::new(
                                mark.at,
                                NoticeCode::ServerRestarted,
                                another_server(server, &info, &restart, mark.at),
                            )
                        }));
                    }
                }
                Tracked::Resumed { id, mark } => {
                    // Not written yet: there was no close.
                    if self.waiting.take_back(id) {
                        continue;
                    }
                    let flow = self.flows.get(id);
                    let message = "a connection that was called dead spoke again".to_owned();
                    emit(Event::Notice(Notice {
                        flow,
                        ..Notice::new(mark.at, NoticeCode::ConnectionResumed, message)
                    }));
                }
                _ => {}
            }
        }
        for addr in came_back {
            self.tell_reconnects(Some(addr), emit);
        }
    }

    /// What a window that stays closed says, with its figures.
    fn not_reading(&self, client: Endpoint, mark: Mark, window: ClosedWindow) -> String {
        let Settings { write_deadline, told, .. } = self.config.settings;
        let mut message = format!(
            "{client} has not read for {}: its receive window is closed since {}",
            mark.at - window.since.at,
            window.since.at
        );
        match window.probes {
            0 => {}
            1 => message.push_str(", the server probed it once"),
            n => message.push_str(&format!(", the server probed it {n} times")),
        }
        if window.waiting > 0 {
            message.push_str(&format!(", {} bytes sent to it are not acknowledged", window.waiting));
        }
        let told = if told { "" } else { " by default" };
        let passed = if mark.at - window.since.at < write_deadline {
            "drops it"
        } else {
            "may have dropped it already"
        };
        let pending = self.config.settings.max_pending_words();
        message.push_str(&format!(
            "; past write_deadline ({write_deadline}{told}), or with more than max_pending ({pending}{told}) waiting in its memory, the \
             server {passed}"
        ));
        message
    }

    /// Judges what has waited long enough. Closes leave in order of their end. `tracker` knows of this host's processes, live.
    #[inline]
    fn settle(&mut self, tracker: Option<&Tracker>, emit: &mut impl FnMut(Event)) {
        if self.now >= self.next_look {
            self.look(tracker, emit);
            self.next_look = self.look_again();
        }
    }

    /// When [`Judge::look`] can find something to do, if nothing comes before.
    fn look_again(&self) -> Timestamp {
        const MOMENT: Span = Span(1);
        let prune = (self.next_prune + MOMENT).min(self.tell_at);
        let Some((since, _)) = self.waiting.first() else { return prune };
        let due = since + self.config.settle;
        let ask = self.asked.1 + ASK_AGAIN + MOMENT;
        prune.min(due).min(if self.config.offline { ask } else { due })
    }

    #[inline(never)]
    fn look(&mut self, tracker: Option<&Tracker>, emit: &mut impl FnMut(Event)) {
        while let Some((since, first)) = self.waiting.first() {
            let waited = self.now - since;
            let due = waited >= self.config.settle || self.waiting.len() > WAITING_MAX;
            let asked = (first.first_frame, self.now);
            let again = self.asked.0 != asked.0 || self.now - self.asked.1 > ASK_AGAIN;
            let early =
                !due && again && self.config.offline && waited >= Span::secs(4) && self.outcome_known(first);
            if !due && !early {
                if again {
                    self.asked = asked;
                }
                break;
            }
            if let Some(facts) = self.waiting.pop() {
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
    fn tell_reconnects(&mut self, addr: Option<Addr>, emit: &mut impl FnMut(Event)) {
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
                emit(Event::Reconnect { at: self.now, after: one.flow, reconnect });
            }
            self.clients.settled(one.id, one.client);
            false
        });
        self.lost = lost;
    }

    /// Nothing that can still come changes this verdict.
    fn outcome_known(&self, facts: &Facts) -> bool {
        if facts.ended_by != EndedBy::Goodbye {
            return false;
        }
        let (id, client) = self.as_first_seen(facts);
        self.clients
            .came_back(id, client)
            .is_some_and(|new| new.settled && (new.held.is_some() || self.now - new.since >= RESUBSCRIBED))
    }

    fn judge(
        &mut self,
        mut facts: Box<Facts>,
        input_ended: bool,
        tracker: Option<&Tracker>,
        emit: &mut impl FnMut(Event),
    ) {
        let id = facts.first_frame;
        // A loss is noticed when the counters are looked at, up to a second late.
        facts.capture_loss |=
            self.losses.iter().any(|&at| at >= facts.start.at && at <= facts.ended + Span::millis(1500));
        let mut around = self.neighbourhood(&mut facts);
        around.process_end = PerSide::from_fn(|side| tracker.and_then(|t| t.process_end(&facts, side)));
        let close = decide(&facts, &around);
        self.far_neighbours(&mut facts, &close, &mut around);
        if let Some(reconnect) = &mut around.reconnect {
            self.add_reaction(&facts, &close, reconnect);
        }
        let word = self.server_word.of(&facts, &close);
        around.server_reason.clone_from(&word.reason);
        let verdict = cause::weigh(&Case::new(&facts, &close, &around, &self.config.settings));
        let flow = self.flows.get(id).unwrap_or(0);
        let failed =
            matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered | Handshake::Incomplete);
        let known = around.reconnect.as_ref().is_some_and(|r| r.outcome == ReconnectOutcome::Reconnected);
        let twice = around.other_leg.is_some_and(|other| other.joint == Joint::Nat);
        let again = self.legs.echo_of(id).is_some();
        if self.config.offline || input_ended || failed || known {
            // The second sight of a connection is told what became of its client, too.
            if again || !twice {
                let (id, client) = self.as_first_seen(&facts);
                self.clients.settled(id, client);
            }
        } else if !again {
            self.lost.push_back(Lost {
                id,
                flow,
                client: facts.client.addr,
                at: facts.ended,
                held: held_before(&facts),
                announced: facts.nats.announced().to_vec(),
            });
        }
        // What else is over for good: an attempt that was given up. The rest may speak again.
        let given_up = facts.ended_by == EndedBy::GaveUp
            && matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered);
        if facts.ended_by == EndedBy::Goodbye || input_ended || given_up {
            self.flows.remove(id);
        }
        self.count(&facts, &close, verdict.code());
        if failed && !self.folding.lists(facts.server, close.at, close.kind.name(), verdict.code(), emit) {
            return;
        }
        let cause = if self.selection.wants(close.kind, close.side, verdict.code()) {
            if verdict.tells_of_a_crowd() {
                self.add_crowd(&mut facts, &mut around);
            }
            let mut cause = verdict.say(&Case::new(&facts, &close, &around, &self.config.settings));
            word.complete(&mut cause);
            cause
        } else {
            verdict.mute()
        };
        let mut reconnect = around.reconnect.take();
        if let Some(reconnect) = &mut reconnect {
            reconnect.flow = reconnect.flow.and_then(|id| self.flows.get(id));
        }
        let (other_leg, known) = (around.other_leg, around.client);
        emit(Event::Close(Box::new(CloseReport { flow, facts, close, cause, reconnect, other_leg, known })));
    }

    fn count(&mut self, facts: &Facts, close: &Close, code: &'static str) {
        let summary = &mut self.summary;
        summary.closed += 1;
        *summary.kinds.entry(close.kind.name()).or_default() += 1;
        *summary.sides.entry(close.side.name()).or_default() += 1;
        *summary.causes.entry(code).or_default() += 1;
        let name = facts.nats.connect.as_ref().map(|(_, connect)| connect.name.clone()).unwrap_or_default();
        let client = (facts.client.addr, name);
        if self.closes_by_client.len() < CLIENTS_MAX || self.closes_by_client.contains_key(&client) {
            *self.closes_by_client.entry(client).or_default() += 1;
        }
    }
}

/// Subscriptions of a connection at its end, where all of them were seen.
fn held_before(facts: &Facts) -> Option<u64> {
    let whole = facts.tcp.client.missing_bytes == 0 && facts.handshake == Handshake::Complete;
    facts.nats.held_subscriptions().filter(|_| whole)
}

/// The ten with most closes, most first.
fn busiest<'a>(closes: impl Iterator<Item = (&'a (Addr, EcoString), &'a u64)>) -> Vec<(String, u64)> {
    let label =
        |addr: &Addr, name: &str| if name.is_empty() { addr.to_string() } else { format!("{addr} {name}") };
    let mut clients: Vec<(String, u64)> = closes.map(|((addr, name), n)| (label(addr, name), *n)).collect();
    clients.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    clients.truncate(10);
    clients
}

/// Who answers at an endpoint now, who did before, and how long nobody was heard.
fn another_server(server: Endpoint, now: &Info, restart: &Restart, at: Timestamp) -> String {
    let who = |info: &Info| {
        let words = [info.server_id.as_str(), info.server_name.as_str(), info.version.as_str()];
        words.into_iter().filter(|w| !w.is_empty() && w.len() <= 128).collect::<Vec<_>>().join(" ")
    };
    let mut message =
        format!("{server} is another server than before: {} now, {} then", who(now), who(&restart.before));
    if let Some(heard) = restart.heard {
        message.push_str(&format!("; the old one was last heard {} before", at - heard));
    }
    message
}

#[cfg(test)]
mod tests;
