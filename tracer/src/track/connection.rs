//! One connection as a value fed with timestamped segments. It keeps both ends, routes what comes to its parts and says when
//! it has ended; what the end means is judged elsewhere, from the facts it gives.
mod deadlines;
mod goodbye;
mod prediction;
mod report;
mod segment;

pub use prediction::Expected;

use super::endpoint::{End, Twin};
use super::rtt::RoundTrips;
use super::session::{News, Session};
use super::stream::Stream;
use crate::base::{Endpoint, PerSide, Seq, Side, Span, Timestamp};
use crate::event::{EndedBy, FrameRef, IcmpFact, IcmpKind, Mark, NatsFacts};
use crate::nats::Hellos;
use crate::wire::{Options, Segment};
use serde::{Deserialize, Serialize};

/// Settings of the tracker that a connection needs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long something may stay unanswered.
    pub idle_timeout: Span,
    /// How long a client's window may stay closed while octets wait, until that is told.
    pub window_closed: Span,
    /// How long a connection is watched after its end was seen.
    pub linger: Span,
    /// How long where both ends have said goodbye and heard the other's.
    pub linger_done: Span,
    /// How long where the end is a reset that a stranger may have made.
    pub linger_doubtful: Span,
}

/// Of segments whose options say nothing that matters.
static NO_OPTIONS: Options = Options::NONE;

/// Where the handshake got to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Opening {
    Midstream,
    Syn,
    SynAck,
    Done,
}

/// A frame's place beside its segment.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Time and frame.
    pub mark: Mark,
    /// Capture and interface.
    pub place: (u32, u32),
}

/// One connection.
#[derive(Serialize, Deserialize)]
pub struct Connection {
    /// Who dialled.
    pub client: Endpoint,
    /// Who listens.
    pub server: Endpoint,
    /// Ordinal of its first frame.
    pub first_frame: u64,
    /// When it is looked at without a frame; `i64::MAX` where nothing is due.
    pub check_at: Timestamp,
    /// Since when it has ended, and by what.
    pub ended: Option<(Timestamp, EndedBy)>,
    /// Its facts were given out.
    pub told: bool,
    /// The neighbours know of its end.
    pub noted: bool,
    /// The server took the client.
    pub accepted: bool,
    /// What it holds was told.
    holds_told: bool,
    /// Nothing is going on that an ordinary segment could change.
    smooth: bool,
    opening: Opening,
    roles_certain: bool,
    iface: (u32, u32),
    start: Mark,
    last: Mark,
    syn_at: Option<Timestamp>,
    synack_at: Option<Timestamp>,
    established: Option<Timestamp>,
    ends: PerSide<End>,
    rtt: RoundTrips,
    idle_gap: Span,
    idle_end: Timestamp,
    lived_through: Span,
    /// Last frame with payload, and the longest time between two of them.
    payload_at: Timestamp,
    quiet_lived_through: Span,
    icmp: Vec<IcmpFact>,
    first_goodbye: Option<(Side, FrameRef)>,
    ignored_resets: u32,
    went_on: PerSide<u32>,
    session: Option<Box<Session>>,
    /// What a session told that is over, since nothing can be said any more.
    said: Option<Box<NatsFacts>>,
    /// Memory for a session, of a connection that is over.
    #[serde(skip)]
    room: Option<Box<Session>>,
    /// Memory for what it will have told.
    #[serde(skip)]
    said_room: Option<Box<NatsFacts>>,
}

/// A receive window that stays closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClosedWindow {
    /// Since when.
    pub since: Mark,
    /// Probes of the peer since.
    pub probes: u32,
    /// Octets sent and not acknowledged; what waits in the peer's memory is not seen.
    pub waiting: u32,
}

/// What handling a segment brought up.
#[derive(Default, Clone, Copy, Debug)]
pub struct Outcome {
    /// The segment was the second sighting of the last one.
    pub twin: bool,
    /// It ended the connection.
    pub ended: bool,
    /// The connection that seemed to have ended goes on.
    pub revived: bool,
    /// Both ends have said goodbye and have each other's word for all they sent: the session is over.
    pub drained: bool,
    /// The sender answered something.
    pub answered: bool,
    /// From the session.
    pub news: Option<News>,
}

impl Connection {
    /// A connection begins with this segment. `from`: its sender's side, `certain`: not guessed.
    #[must_use]
    pub fn new(seg: &Segment<'_>, seen: Seen, first_frame: u64, from: Side, certain: bool) -> Self {
        let (client, server) = if from == Side::Client { (seg.src, seg.dst) } else { (seg.dst, seg.src) };
        let opening = match (seg.flags.syn(), seg.flags.ack()) {
            (true, false) => Opening::Syn,
            _ if is_refusal(seg) => Opening::Syn,
            (true, true) => Opening::SynAck,
            _ => Opening::Midstream,
        };
        Self {
            client,
            server,
            first_frame,
            check_at: Timestamp(i64::MAX),
            ended: None,
            told: false,
            noted: false,
            accepted: false,
            holds_told: false,
            smooth: false,
            opening,
            roles_certain: certain,
            iface: seen.place,
            start: seen.mark,
            last: seen.mark,
            syn_at: None,
            synack_at: None,
            established: None,
            ends: PerSide::default(),
            rtt: RoundTrips::default(),
            idle_gap: Span::ZERO,
            idle_end: seen.mark.at,
            lived_through: Span::ZERO,
            payload_at: seen.mark.at,
            quiet_lived_through: Span::ZERO,
            icmp: Vec::new(),
            first_goodbye: None,
            ignored_resets: 0,
            went_on: PerSide::default(),
            session: None,
            said: None,
            room: None,
            said_room: None,
        }
    }

    /// The same, in the memory of one that is over and [empty](Self::empty).
    #[must_use]
    pub fn within(
        room: Option<Box<Self>>,
        seg: &Segment<'_>,
        seen: Seen,
        first_frame: u64,
        (from, certain): (Side, bool),
    ) -> Box<Self> {
        let new = Self::new(seg, seen, first_frame, from, certain);
        let Some(mut place) = room else { return Box::new(new) };
        let (room, said_room, rtt) =
            (place.room.take(), place.said_room.take(), std::mem::take(&mut place.rtt));
        *place = Self { room, said_room, rtt, ..new };
        place
    }

    /// Takes memory for a session, where it has none.
    pub fn take_room(&mut self, room: impl FnOnce() -> Option<Box<Session>>) {
        if self.room.is_none() {
            self.room = room();
        }
    }

    /// Drops all that it has but the largest pieces of memory, which the next will need.
    pub fn empty(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.empty();
            self.room = Some(session);
        }
        if let Some(said) = self.said.take() {
            self.said_room = Some(said);
        }
        self.rtt.empty();
        self.icmp = Vec::new();
        for side in Side::BOTH {
            self.ends[side].stream = Stream::default();
        }
    }

    /// Whether `side`, which answered something, has not been told to be alive for a while.
    #[must_use]
    #[inline]
    pub fn pulse_due(&self, side: Side, now: Timestamp) -> bool {
        now - self.ends[side].pulse > Span::secs(1)
    }

    /// Whether others want to know what a segment of `from` brought, or it calls for a look later.
    #[must_use]
    #[inline]
    pub fn wants_a_look(&self, from: Side, brought: &Outcome, now: Timestamp) -> bool {
        brought.news.is_some()
            || brought.revived
            || brought.ended
            || !brought.twin
                && (self.ends.client.facts.zero_window.since.is_some()
                    || self.looks_due(from, brought.answered, now))
    }

    /// Whether nothing says when to look next, or a segment of `from` that `answered` tells that it is alive.
    #[inline(always)]
    pub(super) fn looks_due(&self, from: Side, answered: bool, now: Timestamp) -> bool {
        self.check_at.0 == i64::MAX || answered && self.pulse_due(from, now)
    }

    /// Which side sends from this port, where that tells the sides apart.
    #[inline(always)]
    #[must_use]
    pub fn side_of_port(&self, port: u16) -> Option<Side> {
        match (self.client.port == port, self.server.port == port) {
            (true, false) => Some(Side::Client),
            (false, true) => Some(Side::Server),
            _ => None,
        }
    }

    /// The port of a side.
    #[inline(always)]
    #[must_use]
    pub fn port_of(&self, side: Side) -> u16 {
        match side {
            Side::Client => self.client.port,
            Side::Server => self.server.port,
        }
    }

    /// Whether an ordinary segment is to be expected next.
    #[must_use]
    pub const fn expects_more(&self) -> bool {
        self.smooth
    }

    /// Which side sends from this endpoint.
    #[must_use]
    pub fn side_of(&self, src: Endpoint) -> Side {
        if src == self.client { Side::Client } else { Side::Server }
    }

    /// A SYN that can't belong to this connection: the ports are used again.
    #[must_use]
    pub fn is_reuse(&self, seg: &Segment<'_>) -> bool {
        if !seg.flags.syn() || seg.flags.ack() {
            return false;
        }
        let known = self.ends[self.side_of(seg.src)].iss;
        match known {
            Some(iss) => {
                iss != seg.seq
                    && (self.ended.is_some()
                        || self.opening != Opening::Syn
                        || self.ends.client.waiting.repeats > 0)
            }
            None => self.opening == Opening::Midstream || self.ended.is_some(),
        }
    }

    /// Which side sends from `src` to `dst`; `None`: it is not the connection between these ends.
    #[inline(always)]
    #[must_use]
    pub fn sender(&self, src: Endpoint, dst: Endpoint) -> Option<Side> {
        let (side, peer) = if src == self.client {
            (Side::Client, &self.server)
        } else if src == self.server {
            (Side::Server, &self.client)
        } else {
            return None;
        };
        (dst == *peer).then_some(side)
    }

    /// One segment of this connection.
    #[inline(always)]
    pub fn handle_segment(
        &mut self,
        seg: &Segment<'_>,
        seen: Seen,
        from: Side,
        hellos: &mut Hellos,
    ) -> Outcome {
        if self.foresees(seg, seen, from) {
            let brought = self.take_foreseen(seg, seen, from, hellos);
            return self.outcome(brought);
        }
        let outcome = self.handle_any(seg, seen, from, hellos);
        self.smooth = self.is_smooth();
        outcome
    }

    /// The SYN that it begins with, if there is nothing else in it: what [`Self::handle_segment`] does with that.
    pub fn dials(&mut self, seg: &Segment<'_>, seen: Seen, options: &Options) {
        self.ends.client.twin = Twin::of(seg, seen, options);
        self.note_frame(seg, seen.mark, Side::Client);
        self.handle_syn(seg, seen.mark, Side::Client, options);
    }

    /// The client's window has been closed for long while the server has something for it; told once until it opens.
    pub fn slow_consumer(&mut self, now: Timestamp, limits: &Limits) -> Option<ClosedWindow> {
        let client = &self.ends.client;
        let since = client.facts.zero_window.since?;
        if client.window_told || self.ended.is_some() || now - since.at < limits.window_closed {
            return None;
        }
        let server = &self.ends.server;
        let probes = client.window_probes;
        if probes == 0 && server.inflight.oldest().is_none() {
            return None;
        }
        let waiting = server.snd_nxt.diff(server.snd_una).max(0).unsigned_abs();
        self.ends.client.window_told = true;
        Some(ClosedWindow { since, probes, waiting })
    }

    /// A session from here on; where observation began in the middle, whatever came first, it seeks a certain line.
    fn begin_session(opening: Opening, room: &mut Option<Box<Session>>) -> Box<Session> {
        let mut session = room.take().unwrap_or_default();
        if opening == Opening::Midstream {
            session.midstream();
        }
        session
    }

    fn collect_news(&mut self, outcome: &mut Outcome) {
        let Some(news) = self.session.as_mut().and_then(|session| session.take_news()) else { return };
        if news.swapped && self.opening == Opening::Midstream {
            self.swap_sides();
        }
        self.accepted |= news.accepted;
        outcome.news = Some(news);
    }

    fn swap_sides(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        self.ends.swap();
        self.went_on.swap();
        self.first_goodbye = self.first_goodbye.map(|(side, frame)| (side.other(), frame));
        for icmp in &mut self.icmp {
            icmp.about = icmp.about.other();
        }
        if let Some(session) = &mut self.session {
            session.swap_sides();
        }
        self.roles_certain = true;
    }

    /// An ICMP error quotes a segment of `about`. `true` if it ends an attempt.
    pub fn handle_icmp(&mut self, fact: IcmpFact) -> bool {
        let same = |i: &&mut IcmpFact| i.kind == fact.kind && i.from == fact.from && i.about == fact.about;
        if let Some(same) = self.icmp.iter_mut().find(same) {
            same.count = same.count.saturating_add(1);
        } else if self.icmp.len() < 8 {
            self.icmp.push(fact);
        }
        let fatal = !matches!(
            fact.kind,
            IcmpKind::FragmentationNeeded(_) | IcmpKind::TimeExceeded | IcmpKind::Other(..)
        );
        if fatal && self.opening == Opening::Syn && fact.about == Side::Client && self.ended.is_none() {
            self.ended = Some((fact.mark.at, EndedBy::Icmp));
            return true;
        }
        false
    }

    /// Began with a SYN.
    #[must_use]
    pub const fn has_syn(&self) -> bool {
        self.syn_at.is_some()
    }

    /// When the handshake was complete, where it was seen.
    #[must_use]
    pub const fn established(&self) -> Option<Timestamp> {
        self.established
    }

    /// One end's state.
    #[must_use]
    pub fn end(&self, side: Side) -> &End {
        &self.ends[side]
    }

    /// One end's state, to note a pulse.
    pub fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side]
    }

    /// Last frame.
    #[must_use]
    pub const fn last(&self) -> Mark {
        self.last
    }

    /// First frame.
    #[must_use]
    pub const fn start(&self) -> Mark {
        self.start
    }

    /// Capture and interface of the first frame.
    #[must_use]
    pub const fn iface(&self) -> (u32, u32) {
        self.iface
    }

    /// Forgets what can't matter after a silence of seconds: what makes a segment's second sighting, what is left of segments
    /// that were acknowledged.
    pub fn tidy(&mut self) {
        for side in Side::BOTH {
            self.ends[side].twin = Twin::default();
            self.ends[side].inflight.tidy();
        }
    }
}

/// A reset with sequence number 0 and an ACK answers a SYN (RFC 9293, 3.10.7.1), also one that the capture missed.
#[must_use]
pub fn is_refusal(seg: &Segment<'_>) -> bool {
    seg.flags.rst() && seg.flags.ack() && seg.seq == Seq(0)
}
