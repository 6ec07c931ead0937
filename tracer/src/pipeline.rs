//! F5: input to events. Frames are decoded and tracked, what the tracker tells goes to the neighbours in order of time, a
//! close waits its settle time, then its kind, side and cause are judged once. Pure: time is what the input says.
use crate::base::{PortSet, Span, Timestamp};
use crate::cause::{self, Case, Settings};
use crate::event::{
    Around, CloseReport, EndedBy, Event, Facts, Frame, FrameRef, Handshake, Mark, Notice, NoticeCode,
    ReconnectOutcome, Summary,
};
use crate::track::close::decide;
use crate::track::{Clients, ConnId, Limits, Neighbours, Seen, TrackConfig, Tracked, Tracker};
use crate::wire::{Decoder, Packet};
use hashbrown::HashMap;
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
    /// Connections kept at most.
    pub max_connections: usize,
    /// Server settings.
    pub settings: Settings,
}

/// A close that waits.
struct Waiting {
    facts: Box<Facts>,
    since: Timestamp,
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
    summary: Summary,
    closes_by_client: BTreeMap<String, u64>,
    storms:
        HashMap<(crate::base::Endpoint, Option<crate::base::Addr>), Timestamp, foldhash::fast::RandomState>,
}

impl Pipeline {
    /// An empty core.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let limits = Limits {
            idle_timeout: config.idle_timeout,
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
            summary: Summary::default(),
            closes_by_client: BTreeMap::new(),
            storms: HashMap::default(),
        }
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
        let mark = Mark { at: frame.at, frame: FrameRef { capture: frame.capture, number: frame.number } };
        match self.decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len) {
            Packet::Tcp(seg) if wanted => {
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
        emit(Event::Notice(Notice {
            at,
            code: NoticeCode::CaptureLoss,
            message: format!("the capture lost {frames} frames: verdicts from this time are less certain"),
            flow: None,
            client: None,
            server: None,
        }));
    }

    /// The input is over: what settles is judged, then the summary is given.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event)) -> Summary {
        self.tracker.finish(&mut self.tracked);
        self.digest(emit);
        while let Some(waiting) = self.waiting.pop_front() {
            self.judge(waiting.facts, true, emit);
        }
        let mut summary = self.summary.clone();
        summary.at = if self.now.0 == i64::MIN { Timestamp(0) } else { self.now };
        let mut clients: Vec<(String, u64)> =
            std::mem::take(&mut self.closes_by_client).into_iter().collect();
        clients.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        clients.truncate(10);
        summary.clients = clients;
        summary
    }

    /// Latest time of the input.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes in what the tracker told, in order.
    fn digest(&mut self, emit: &mut impl FnMut(Event)) {
        let mut tracked = std::mem::take(&mut self.tracked);
        for item in tracked.drain(..) {
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
                    let since = facts.ended;
                    let place = self
                        .waiting
                        .partition_point(|w| (w.since, w.facts.first_frame) <= (since, facts.first_frame));
                    self.waiting.insert(place, Waiting { facts, since });
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
                            at: mark.at,
                            code: NoticeCode::Evicted,
                            message,
                            flow,
                            client: None,
                            server: None,
                        }));
                    }
                }
                Tracked::LameDuck { id, mark, server } => {
                    let message = format!(
                        "server {server} announced lame duck mode: it will close its clients one by one"
                    );
                    let flow = self.flows.get(&id).copied();
                    emit(Event::Notice(Notice {
                        at: mark.at,
                        code: NoticeCode::LameDuckAnnounced,
                        message,
                        flow,
                        client: None,
                        server: Some(server),
                    }));
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
                        at: mark.at,
                        code: NoticeCode::ConnectionResumed,
                        message,
                        flow,
                        client: None,
                        server: None,
                    }));
                }
                _ => {}
            }
        }
        self.tracked = tracked;
    }

    /// Tells of a storm of attempts, once in ten seconds for each client and server.
    fn storm(
        &mut self,
        mark: Mark,
        client: crate::base::Endpoint,
        server: crate::base::Endpoint,
        emit: &mut impl FnMut(Event),
    ) {
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
            at: mark.at,
            code: NoticeCode::ReconnectStorm,
            message,
            flow: None,
            client: who.map(|addr| crate::base::Endpoint { addr, port: client.port }),
            server: Some(server),
        }));
    }

    /// Judges what has waited long enough. Closes leave in order of their end.
    fn settle(&mut self, emit: &mut impl FnMut(Event)) {
        while let Some(first) = self.waiting.front() {
            let waited = self.now - first.since;
            let due = waited >= self.config.settle || self.waiting.len() > WAITING_MAX;
            let early =
                !due && self.config.offline && waited >= Span::secs(4) && self.outcome_known(&first.facts);
            if !due && !early {
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
        }
    }

    /// Nothing that can still come changes this verdict.
    fn outcome_known(&self, facts: &Facts) -> bool {
        if facts.ended_by != EndedBy::Goodbye {
            return false;
        }
        self.clients
            .reconnect(facts.first_frame, facts.client.addr, self.now, false)
            .is_some_and(|r| r.outcome == ReconnectOutcome::Reconnected)
    }

    fn judge(&mut self, facts: Box<Facts>, input_ended: bool, emit: &mut impl FnMut(Event)) {
        let id = facts.first_frame;
        let mut around = self.neighbours.around(&facts, self.now);
        let reconnect = self.clients.reconnect(id, facts.client.addr, self.now, input_ended);
        self.add_client_history(&facts, &mut around, reconnect.as_ref());
        around.reconnect.clone_from(&reconnect);
        let close = decide(&facts, &around);
        let cause = cause::judge(&Case {
            facts: &facts,
            close: &close,
            around: &around,
            settings: &self.config.settings,
        });
        let reconnect = reconnect.map(|mut r| {
            r.flow = r.flow.and_then(|id| self.flows.get(&id).copied());
            r
        });
        self.clients.settled(id, facts.client.addr, self.now);
        let flow = self.flows.get(&id).copied().unwrap_or(0);
        if facts.ended_by == EndedBy::Goodbye || input_ended {
            self.flows.remove(&id);
        }
        self.count(&facts, &close, &cause);
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

    fn count(&mut self, facts: &Facts, close: &crate::event::Close, cause: &crate::event::Cause) {
        let summary = &mut self.summary;
        summary.closed += 1;
        *summary.kinds.entry(close.kind.name()).or_default() += 1;
        *summary.sides.entry(close.side.name()).or_default() += 1;
        *summary.causes.entry(cause.code).or_default() += 1;
        let label = match &facts.nats.connect {
            Some((_, c)) if !c.name.is_empty() => format!("{} {}", facts.client.addr, c.name),
            _ => facts.client.addr.to_string(),
        };
        if self.closes_by_client.len() < 10_000 || self.closes_by_client.contains_key(&label) {
            *self.closes_by_client.entry(label).or_default() += 1;
        }
    }
}
