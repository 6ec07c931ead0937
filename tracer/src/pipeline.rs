//! F5: input to events. Frames are decoded and tracked, what the tracker tells goes to the neighbours in order of time, a
//! close waits its settle time, then its kind, side and cause are judged once. Pure: time is what the input says.
pub mod compare;
mod folding;
mod server_word;

use crate::base::{Addr, Endpoint, PerSide, PortSet, Span, Timestamp};
use crate::cause::{self, Case, Settings};
use crate::event::{
    Around, CloseReport, EndedBy, Event, Facts, Frame, FrameRef, Handshake, Host, Mark, Notice, NoticeCode,
    ReconnectOutcome, Selection, Summary,
};
use crate::kernel::{FilterQuestion, FilterRule, KernelEvent, KernelRecord};
use crate::nats::Info;
use crate::nats::connz::{ClosedList, Varz};
use crate::nats::server_log::LogLine;
use crate::track::close::decide;
use crate::track::{
    Clients, ClosedWindow, ConnId, Limits, Neighbours, Restart, Seen, TrackConfig, Tracked, Tracker,
    questions,
};
use crate::wire::{Decoder, Packet};
use folding::Folding;
use hashbrown::HashMap;
use server_word::ServerWord;
use std::collections::{BTreeMap, VecDeque};

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

/// A close that waits.
struct Waiting {
    facts: Box<Facts>,
    since: Timestamp,
    /// `since`, were it not for a server that is asked.
    unasked: Timestamp,
}

/// A close that is written, whose client may still come back.
struct Lost {
    id: ConnId,
    flow: u64,
    client: Addr,
    at: Timestamp,
}

/// Questions to the rule sets that wait to be taken away.
const QUESTIONS_MAX: usize = 256;
/// A close waits so long for the answer.
const ANSWERED: Span = Span::millis(500);
/// It waits so long for the word of a server that is asked as it ends.
const SERVER_ANSWERED: Span = Span::millis(900);
/// So long after an end its server's closed list has it for certain.
const SERVER_NOTICES: Span = Span::millis(200);
/// Times of loss by the capture that are remembered.
const LOSSES_MAX: usize = 256;
/// Of them at most.
const LOST_MAX: usize = 16 * 1024;
/// How long they are waited for.
const LOST_FOR: Span = Span::secs(600);

/// `clock_step` notices at most.
const STEPS_MAX: u32 = 10;
/// Captures whose clocks are watched.
const CLOCKS_MAX: usize = 1024;

/// The clocks of the captures, to see them jump.
#[derive(Default)]
struct Clocks {
    last: Vec<Option<Timestamp>>,
    told: u32,
}

impl Clocks {
    /// By how much time jumped between this frame and the one before it of the same capture: back by more than a second,
    /// or ahead by more than an hour.
    fn step(&mut self, capture: u32, at: Timestamp) -> Option<Span> {
        let place = capture as usize;
        if place >= self.last.len() {
            self.last.resize((place + 1).min(CLOCKS_MAX), None);
        }
        let last = self.last.get_mut(place)?.replace(at)?;
        let step = at - last;
        if step >= Span::secs(-1) && step <= Span::secs(3600) || self.told >= STEPS_MAX {
            return None;
        }
        self.told += 1;
        Some(step)
    }
}

/// The core from frames to events.
pub struct Pipeline {
    config: Config,
    decoder: Decoder,
    tracker: Tracker,
    tracked: Vec<Tracked>,
    neighbours: Neighbours,
    clients: Clients,
    waiting: VecDeque<Waiting>,
    flows: HashMap<ConnId, u64, foldhash::fast::RandomState>,
    next_flow: u64,
    ordinal: u64,
    now: Timestamp,
    next_prune: Timestamp,
    clocks: Clocks,
    summary: Summary,
    closes_by_client: BTreeMap<String, u64>,
    storms: HashMap<(Endpoint, Option<Addr>), Timestamp, foldhash::fast::RandomState>,
    folding: Folding,
    lost: VecDeque<Lost>,
    losses: VecDeque<Timestamp>,
    questions: Vec<FilterQuestion>,
    /// The close whose outcome was asked for last, and when.
    asked: (ConnId, Timestamp),
    server_word: ServerWord,
    /// A server is asked as closes come, and closes have come since it was asked last.
    asks_server: Option<bool>,
    selection: Selection,
}

impl Pipeline {
    /// An empty core.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let limits = Limits {
            idle_timeout: config.idle_timeout,
            window_closed: Span((config.settings.write_deadline.0 / 4).max(Span::secs(1).0)),
            linger: if config.offline { Span::secs(3) } else { Span(config.settle.0 * 8 / 10) },
            linger_doubtful: if config.offline { Span::secs(30) } else { Span(config.settle.0 * 8 / 10) },
        };
        let track = TrackConfig {
            ports: config.ports.clone(),
            limits,
            max_connections: config.max_connections,
            iface_names: BTreeMap::new(),
        };
        Self {
            folding: Folding::default(),
            lost: VecDeque::new(),
            losses: VecDeque::new(),
            questions: Vec::new(),
            asked: (0, Timestamp(i64::MIN / 2)),
            server_word: ServerWord::default(),
            asks_server: None,
            selection: Selection::default(),
            config,
            decoder: Decoder::new(),
            tracker: Tracker::new(track),
            tracked: Vec::new(),
            neighbours: Neighbours::default(),
            clients: Clients::default(),
            waiting: VecDeque::new(),
            flows: HashMap::default(),
            next_flow: 1,
            ordinal: 0,
            now: Timestamp(i64::MIN),
            next_prune: Timestamp(i64::MIN),
            clocks: Clocks::default(),
            summary: Summary::default(),
            closes_by_client: BTreeMap::new(),
            storms: HashMap::default(),
        }
    }

    /// Only these closes are shown: the others are counted and given without texts.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
    }

    /// Names an interface of a capture.
    pub fn name_iface(&mut self, capture: u32, iface: u32, name: &str) {
        self.tracker.name_iface((capture, iface), name);
    }

    /// One frame. `wanted`: the user's filter lets it pass; ICMP errors pass always.
    pub fn handle_frame(&mut self, frame: &Frame<'_>, wanted: bool, emit: &mut impl FnMut(Event)) {
        self.ordinal += 1;
        self.summary.packets += 1;
        self.summary.bytes += u64::from(frame.wire_len);
        if frame.at > self.now {
            self.now = frame.at;
        }
        if let Some(step) = self.clocks.step(frame.capture, frame.at) {
            emit(Event::Notice(clock_step(frame, step)));
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
        if !self.tracked.is_empty() {
            self.digest(emit);
        }
        self.settle(emit);
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

    /// The host that a live trace runs on; again where its addresses change.
    pub fn set_host(&mut self, host: Host) {
        self.tracker.set_host(host);
    }

    /// One record of this host's kernel.
    pub fn handle_kernel(&mut self, record: &KernelRecord) {
        self.ordinal += 1;
        self.summary.kernel_records += u64::from(!matches!(record.event, KernelEvent::Socket { .. }));
        self.tracker.handle_kernel(record, self.ordinal);
    }

    /// What this host's rule sets should be asked; the answers come by [`Self::handle_rule`].
    pub fn questions(&mut self) -> Vec<FilterQuestion> {
        std::mem::take(&mut self.questions)
    }

    /// A rule of this host's filters that a packet met.
    pub fn handle_rule(&mut self, rule: FilterRule) {
        let ends = [rule.src, rule.dst];
        let concerned = |f: &Facts| ends.contains(&f.client) && ends.contains(&f.server);
        for waiting in self.waiting.iter_mut().filter(|w| concerned(&w.facts)) {
            if let Some(host) = &mut waiting.facts.host {
                host.add_rule(rule.clone());
            }
        }
        self.tracker.handle_rule(rule);
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
        self.server_word.note_closed(list, at);
        // Whom the list is about needs to wait for it no longer.
        for waiting in self.waiting.iter_mut().filter(|w| at - w.facts.ended >= SERVER_NOTICES) {
            waiting.since = waiting.unasked;
        }
        self.waiting.make_contiguous().sort_by_key(|w| (w.since, w.facts.first_frame));
    }

    /// A server's settings and counters, read at that time. What `--assume` told stays.
    pub fn handle_varz(&mut self, varz: Varz, at: Timestamp) {
        server_word::fill(&mut self.config.settings, &varz);
        self.server_word.note_varz(varz, at);
    }

    /// Time passes without a frame (live).
    pub fn advance(&mut self, now: Timestamp, emit: &mut impl FnMut(Event)) {
        if now <= self.now {
            return;
        }
        self.now = now;
        self.tracker.advance(now, &mut self.tracked);
        if !self.tracked.is_empty() {
            self.digest(emit);
        }
        self.settle(emit);
    }

    /// The counts so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = self.summary.clone();
        summary.at = if self.now.0 == i64::MIN { Timestamp(0) } else { self.now };
        summary.open = self.tracker.living();
        summary.clients = busiest(&self.closes_by_client);
        summary
    }

    /// The input is over: what settles is judged, then the summary is given.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event)) -> Summary {
        self.tracker.finish(&mut self.tracked);
        self.digest(emit);
        while let Some(waiting) = self.waiting.pop_front() {
            self.judge(waiting.facts, true, emit);
        }
        self.folding.pass(Timestamp(i64::MAX), emit);
        // What lived on was told just now, one by one.
        Summary { open: self.summary.open, ..self.summary() }
    }

    /// Latest time of the input.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes in what the tracker told, in order.
    fn digest(&mut self, emit: &mut impl FnMut(Event)) {
        let mut tracked = std::mem::take(&mut self.tracked);
        let mut came_back: Vec<Addr> = Vec::new();
        for item in tracked.drain(..) {
            let restart = self.neighbours.restarted(&item);
            self.neighbours.note(&item);
            self.clients.note(&item);
            match item {
                Tracked::Opened { id, mark, client, server, syn } => {
                    self.flows.insert(id, self.next_flow);
                    self.next_flow += 1;
                    self.summary.seen += 1;
                    if syn {
                        self.storm(mark, client, server, emit);
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
                    let place = self
                        .waiting
                        .partition_point(|w| (w.since, w.facts.first_frame) <= (since, facts.first_frame));
                    self.waiting.insert(place, Waiting { facts, since, unasked });
                }
                Tracked::Open { .. } => {
                    self.summary.open += 1;
                }
                Tracked::Evicted { id, mark } => {
                    self.summary.evicted += 1;
                    let flow = self.flows.remove(&id);
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
                    let flow = self.flows.get(&id).copied();
                    emit(Event::Notice(Notice {
                        flow,
                        server: Some(server),
                        ..Notice::new(mark.at, NoticeCode::LameDuckAnnounced, message)
                    }));
                }
                Tracked::SlowConsumerBuilding { id, mark, client, server, window } => {
                    let flow = self.flows.get(&id).copied();
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
                    let waiting = self.waiting.iter().position(|w| w.facts.first_frame == id);
                    // Not written yet: there was no close.
                    if let Some(place) = waiting {
                        self.waiting.remove(place);
                        continue;
                    }
                    let flow = self.flows.get(&id).copied();
                    let message = "a connection that was called dead spoke again".to_owned();
                    emit(Event::Notice(Notice {
                        flow,
                        ..Notice::new(mark.at, NoticeCode::ConnectionResumed, message)
                    }));
                }
                _ => {}
            }
        }
        self.tracked = tracked;
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
        message.push_str(&format!("; past write_deadline ({write_deadline}{told}) the server {passed}"));
        message
    }

    /// Tells of a storm of attempts, once in ten seconds for each client and server.
    fn storm(&mut self, mark: Mark, client: Endpoint, server: Endpoint, emit: &mut impl FnMut(Event)) {
        let by_client = self.neighbours.attempts(server, Some(client.addr), mark.at, Span::secs(10));
        let by_all = self.neighbours.attempts(server, None, mark.at, Span::secs(1));
        let (who, message) = if by_client >= 20 {
            (
                Some(client.addr),
                format!("{} tried to connect to {server} {by_client} times in 10 s", client.addr),
            )
        } else if by_all >= 100 {
            (None, format!("{by_all} attempts to connect to {server} within a second"))
        } else {
            return;
        };
        let last = self.storms.entry((server, who)).or_insert(Timestamp(i64::MIN / 2));
        if mark.at - *last < Span::secs(10) {
            return;
        }
        *last = mark.at;
        if self.storms.len() > 4096 {
            self.storms.clear();
        }
        emit(Event::Notice(Notice {
            client: who.map(|addr| Endpoint { addr, port: client.port }),
            server: Some(server),
            ..Notice::new(mark.at, NoticeCode::ReconnectStorm, message)
        }));
    }

    /// Judges what has waited long enough. Closes leave in order of their end.
    fn settle(&mut self, emit: &mut impl FnMut(Event)) {
        while let Some(first) = self.waiting.front() {
            let waited = self.now - first.since;
            let due = waited >= self.config.settle || self.waiting.len() > WAITING_MAX;
            let asked = (first.facts.first_frame, self.now);
            let again = self.asked.0 != asked.0 || self.now - self.asked.1 > Span::millis(100);
            let early = !due
                && again
                && self.config.offline
                && waited >= Span::secs(4)
                && self.outcome_known(&first.facts);
            if !due && !early {
                if again {
                    self.asked = asked;
                }
                break;
            }
            if let Some(waiting) = self.waiting.pop_front() {
                self.judge(waiting.facts, false, emit);
            }
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
            if !old && !matches!(outcome, Some(ReconnectOutcome::Reconnected | ReconnectOutcome::GaveUp)) {
                return true;
            }
            if let Some(mut reconnect) = told {
                reconnect.flow = reconnect.flow.and_then(|id| self.flows.get(&id).copied());
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
        self.clients
            .reconnect(facts.first_frame, facts.client.addr, self.now)
            .is_some_and(|r| r.outcome == ReconnectOutcome::Reconnected)
    }

    fn judge(&mut self, mut facts: Box<Facts>, input_ended: bool, emit: &mut impl FnMut(Event)) {
        let id = facts.first_frame;
        // A loss is noticed when the counters are looked at, up to a second late.
        facts.capture_loss |=
            self.losses.iter().any(|&at| at >= facts.start.at && at <= facts.ended + Span::millis(1500));
        let mut around = self.neighbours.around(&facts, self.now);
        let reconnect = self.clients.reconnect(id, facts.client.addr, self.now);
        self.add_client_history(&facts, &mut around, reconnect.as_ref());
        around.process_end = PerSide::from_fn(|side| self.tracker.process_end(&facts, side));
        around.reconnect.clone_from(&reconnect);
        let close = decide(&facts, &around);
        let word = self.server_word.of(&facts, &close);
        around.server_reason.clone_from(&word.reason);
        let case = Case::new(&facts, &close, &around, &self.config.settings);
        let verdict = cause::weigh(&case);
        let flow = self.flows.get(&id).copied().unwrap_or(0);
        let failed =
            matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered | Handshake::Incomplete);
        let known = reconnect.as_ref().is_some_and(|r| r.outcome == ReconnectOutcome::Reconnected);
        if self.config.offline || input_ended || failed || known {
            self.clients.settled(id, facts.client.addr);
        } else {
            self.lost.push_back(Lost { id, flow, client: facts.client.addr, at: facts.ended });
        }
        // What else is over for good: an attempt. The rest may speak again.
        let attempt = matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered);
        if facts.ended_by == EndedBy::Goodbye || input_ended || attempt {
            self.flows.remove(&id);
        }
        if failed && !self.folding.lists(facts.server, close.at, close.kind.name(), verdict.code(), emit) {
            return self.count(&facts, &close, verdict.code());
        }
        let told = self.selection.wants(close.kind, close.side, verdict.code());
        let mut cause = if told { verdict.say(&case) } else { verdict.mute() };
        if told {
            word.complete(&mut cause);
        }
        self.count(&facts, &close, cause.code);
        let reconnect = reconnect.map(|mut r| {
            r.flow = r.flow.and_then(|id| self.flows.get(&id).copied());
            r
        });
        emit(Event::Close(Box::new(CloseReport { flow, facts, close, cause, reconnect })));
    }

    fn add_client_history(
        &self,
        facts: &Facts,
        around: &mut Around,
        reconnect: Option<&crate::event::Reconnect>,
    ) {
        around.failed_attempts_before = self.clients.failed_before(facts.first_frame, facts.client.addr);
        let failed = matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered)
            || facts.nats.accepted.is_none();
        if failed && reconnect.is_none() && self.now > facts.ended {
            around.quiet_after = Some(self.now - facts.ended);
        }
    }

    fn count(&mut self, facts: &Facts, close: &crate::event::Close, code: &'static str) {
        let summary = &mut self.summary;
        summary.closed += 1;
        *summary.kinds.entry(close.kind.name()).or_default() += 1;
        *summary.sides.entry(close.side.name()).or_default() += 1;
        *summary.causes.entry(code).or_default() += 1;
        let label = match &facts.nats.connect {
            Some((_, c)) if !c.name.is_empty() => format!("{} {}", facts.client.addr, c.name),
            _ => facts.client.addr.to_string(),
        };
        if self.closes_by_client.len() < 10_000 || self.closes_by_client.contains_key(&label) {
            *self.closes_by_client.entry(label).or_default() += 1;
        }
    }
}

/// The ten with most closes, most first.
fn busiest(closes: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut clients: Vec<(&String, &u64)> = closes.iter().collect();
    clients.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    clients.into_iter().take(10).map(|(client, n)| (client.clone(), *n)).collect()
}

fn clock_step(frame: &Frame<'_>, step: Span) -> Notice {
    let (way, by) = if step < Span::ZERO { ("back", Span(step.0.saturating_neg())) } else { ("ahead", step) };
    Notice::new(
        frame.at,
        NoticeCode::ClockStep,
        format!(
            "capture time jumped {way} by {by} at frame {}: times and durations across it are not certain",
            frame.number
        ),
    )
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
