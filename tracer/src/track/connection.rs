//! One connection as a value fed with timestamped segments. It keeps both ends, routes what comes to its parts and says when
//! it has ended; what the end means is judged elsewhere, from the facts it gives.
mod deadlines;
mod goodbye;
mod prediction;
mod report;

pub use prediction::Expected;

use super::endpoint::{Acked, End, Sent, Twin};
use super::rtt::RoundTrips;
use super::session::{News, Place, Session};
use super::stream::{Piece, Stream};
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

    /// Any segment whatever.
    #[inline(never)]
    fn handle_any(&mut self, seg: &Segment<'_>, seen: Seen, from: Side, hellos: &mut Hellos) -> Outcome {
        let mut outcome = Outcome::default();
        let mark = seen.mark;
        let to = from.other();
        let decoded;
        let options = if seg.flags.syn()
            || seg.options.len() > 12
            || !seg.flags.ack()
            || self.ends[from].ip_id.is_none()
        {
            decoded = Options::decode(seg.options);
            &decoded
        } else {
            &NO_OPTIONS
        };
        let twin = Twin::of(seg, seen, options);
        if self.ends[from].twin.is_again(&twin) && self.ends[from].facts.packets > 0 {
            outcome.twin = true;
            return outcome;
        }
        self.ends[from].twin = twin;
        self.note_activity(mark);
        // What answers its repeats isn't seen where the capture holds one direction only.
        let was_in_hole = self.ends[from].in_hole() && (!self.unheard(to) || self.ends[from].is_stuck());
        self.note_frame(seg, mark, from);
        if seg.flags.rst() {
            self.handle_reset(seg, mark, from, was_in_hole, &mut outcome);
            return outcome;
        }
        if seg.flags.syn() {
            self.handle_syn(seg, mark, from, options);
        }
        if seg.flags.ack() {
            self.handle_ack(seg, mark, from, options, &mut outcome, hellos);
        }
        if !seg.flags.syn() && self.opening != Opening::Syn {
            let sent = self.ends[to].facts.bytes;
            self.ends[from].offers_window(seg.window, sent, mark);
        }
        if seg.payload_len > 0 || seg.flags.fin() {
            self.handle_octets(seg, mark, from, was_in_hole, &mut outcome, hellos);
        } else if !seg.flags.syn() {
            self.handle_probe(seg, mark, from);
        }
        if let Some((_, by)) = self.ended {
            self.after_the_end(from, by, &mut outcome);
            outcome.drained = self.is_drained();
        }
        outcome
    }

    fn note_activity(&mut self, mark: Mark) {
        let gap = mark.at - self.last.at;
        if gap > Span::secs(10) {
            let owed = Side::BOTH.iter().any(|&s| self.ends[s].inflight.oldest().is_some());
            if !owed {
                self.idle_gap = gap;
                self.idle_end = mark.at;
            }
        }
        if mark.at > self.last.at {
            self.last = mark;
        } else {
            self.last.frame = mark.frame;
        }
    }

    fn note_frame(&mut self, seg: &Segment<'_>, mark: Mark, from: Side) {
        let end = &mut self.ends[from];
        end.facts.packets += 1;
        end.facts.first.get_or_insert(mark);
        end.facts.last = Some(mark);
        if !seg.flags.rst() {
            if seg.flags.fin() && end.facts.fin.is_none() {
                end.facts.fin_ttl = end.facts.ttl.filter(|&own| own != seg.ttl).map(|own| (seg.ttl, own));
            }
            end.facts.ttl = Some(seg.ttl);
            end.ip_id = seg.ip_id.or(Some(0));
        }
    }

    fn handle_syn(&mut self, seg: &Segment<'_>, mark: Mark, from: Side, options: &Options) {
        let end = &mut self.ends[from];
        end.facts.syns = end.facts.syns.saturating_add(1);
        end.facts.mss = options.mss.or(end.facts.mss);
        if end.iss == Some(seg.seq) && !end.stream.is_started() {
            end.stream.start(seg.seq.add(1));
        }
        if end.iss.is_none() {
            end.iss = Some(seg.seq);
            end.stream.start(seg.seq.add(1));
        }
        end.sent(seg.seq.add(1), 1, mark);
        if seg.flags.ack() {
            self.synack_at.get_or_insert(mark.at);
            if self.opening == Opening::Syn {
                self.opening = Opening::SynAck;
            }
        } else {
            self.syn_at.get_or_insert(mark.at);
        }
    }

    fn handle_ack(
        &mut self,
        seg: &Segment<'_>,
        mark: Mark,
        from: Side,
        options: &Options,
        outcome: &mut Outcome,
        hellos: &mut Hellos,
    ) {
        let peer = from.other();
        let joined = matches!(self.opening, Opening::Midstream | Opening::Done);
        if joined && !seg.flags.syn() && self.ends[peer].missed_fin(seg.ack) {
            self.ends[peer].fin_end = Some(seg.ack);
            self.ends[peer].missed_fin_at = Some(mark);
        }
        match self.ends[peer].acked(seg.ack, mark) {
            Acked::New(rtt) => {
                outcome.answered = true;
                self.ends[from].facts.last_progress = Some(mark);
                self.answered(rtt, mark.at);
            }
            Acked::Nothing => self.selective(seg.ack, peer, options),
        }
        // The client acknowledges a SYN-ACK, be it captured or not.
        let answered = matches!(self.opening, Opening::SynAck | Opening::Syn) && from == Side::Client;
        // A server speaks when the handshake is done, also where the client isn't captured.
        let speaks = self.opening == Opening::SynAck && from == Side::Server && seg.payload_len > 0;
        if (answered || speaks) && !seg.flags.syn() {
            self.opening = Opening::Done;
            self.established = Some(mark.at);
        }
        if self.ends[peer].stream.lacks(seg.ack) {
            self.skip_hole(peer, seg.ack, mark, hellos);
        }
    }

    /// An end acknowledged something new, after so long where that measures a round trip.
    #[inline(always)]
    fn answered(&mut self, rtt: Option<Span>, at: Timestamp) {
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt);
        }
        if self.idle_gap > Span::ZERO && at >= self.idle_end {
            if self.ended.is_none() {
                self.lived_through = self.lived_through.max(self.idle_gap);
            }
            self.idle_gap = Span::ZERO;
        }
    }

    /// Octets of payload were seen.
    #[inline]
    fn note_payload(&mut self, at: Timestamp) {
        if self.ended.is_none() {
            self.quiet_lived_through = self.quiet_lived_through.max(at - self.payload_at);
            self.payload_at = at;
        }
    }

    /// A smaller segment than the oldest unanswered one got through.
    fn selective(&mut self, ack: Seq, sender: Side, options: &Options) {
        let end = &mut self.ends[sender];
        let Some(oldest) = end.inflight.oldest().filter(|o| o.len >= 536) else { return };
        for &(from, to) in options.sack.iter().take(usize::from(options.sack_count)) {
            let len = to.diff(from);
            if from.after(ack) && len > 0 && len.unsigned_abs() < oldest.len {
                end.waiting.smaller_pass = true;
            }
        }
    }

    fn handle_octets(
        &mut self,
        seg: &Segment<'_>,
        mark: Mark,
        from: Side,
        was_in_hole: bool,
        outcome: &mut Outcome,
        hellos: &mut Hellos,
    ) {
        // Octets of a SYN (fast open) come after it in sequence space.
        let seq = if seg.flags.syn() { seg.seq.add(1) } else { seg.seq };
        if seg.payload_len > 0 && self.is_probe(seg, from) {
            self.handle_probe(seg, mark, from);
            return;
        }
        let started = self.ends[from].stream.is_started();
        if seg.payload_len > 0 {
            self.note_payload(mark.at);
            let end = &mut self.ends[from];
            end.facts.last_data = Some(mark);
            end.facts.largest_segment = end.facts.largest_segment.max(seg.payload_len);
            let sent = end.sent(seq.add(seg.payload_len), seg.payload_len, mark);
            if let Sent::New(octets) = sent {
                end.facts.bytes += u64::from(octets);
            }
            if end.facts.fin.is_none() && end.missed_fin_at.is_some() && seq == end.snd_una {
                // It goes on: no FIN was acknowledged.
                (end.missed_fin_at, end.fin_end) = (None, None);
            }
            if !started {
                end.stream.start(seq);
            }
            let fresh = self.feed(from, seq, (seg.payload, seg.payload_len), mark, hellos);
            let end = &mut self.ends[from];
            if end.fills_hole(sent == Sent::Old, fresh, mark.at) {
                end.facts.filled_holes = end.facts.filled_holes.saturating_add(1);
            } else if sent == Sent::Old && !fresh {
                end.facts.retransmits = end.facts.retransmits.saturating_add(1);
            }
            self.collect_news(outcome);
        }
        if seg.flags.fin() {
            self.handle_fin(seq, seg.payload_len, mark, from, was_in_hole, outcome);
        }
    }

    /// Keepalives and window probes: nothing new, one octet behind what the peer has.
    fn handle_probe(&mut self, seg: &Segment<'_>, mark: Mark, from: Side) {
        if !self.is_probe(seg, from) {
            return;
        }
        let peer_closed = self.ends[from.other()].facts.zero_window.since.is_some();
        if peer_closed {
            let peer = &mut self.ends[from.other()];
            peer.facts.zero_window.probes = peer.facts.zero_window.probes.saturating_add(1);
            peer.window_probes = peer.window_probes.saturating_add(1);
            return;
        }
        let end = &mut self.ends[from];
        end.facts.keepalives = end.facts.keepalives.saturating_add(1);
        if end.waiting.keepalive.is_some() {
            end.waiting.keepalive_repeats = end.waiting.keepalive_repeats.saturating_add(1);
            end.waiting.last_repeat = Some(mark);
        } else if end.inflight.oldest().is_none() {
            end.waiting.keepalive = Some(mark);
            end.waiting.keepalive_repeats = 0;
        }
    }

    fn is_probe(&self, seg: &Segment<'_>, from: Side) -> bool {
        let end = &self.ends[from];
        let flags = seg.flags;
        end.started
            && seg.payload_len <= 1
            && !flags.syn()
            && !flags.fin()
            && !flags.rst()
            && (seg.seq == end.snd_nxt.sub(1) || seg.seq == end.snd_una.sub(1) && seg.payload_len == 0)
            && self.opening != Opening::Syn
            && end.facts.packets > 1
            && end.iss.is_none_or(|iss| seg.seq != iss)
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

    /// Captured octets of `from`, of which so many were on the wire. `true` if they brought anything new.
    #[inline]
    fn feed(
        &mut self,
        from: Side,
        seq: Seq,
        (bytes, len): (&[u8], u32),
        mark: Mark,
        hellos: &mut Hellos,
    ) -> bool {
        let end = &mut self.ends[from];
        if self.said.is_some() {
            // Behind a FIN that was acknowledged nothing is said.
            return end.stream.push(seq, bytes, len, &mut |_| {});
        }
        let place = Place { mark, end: seq.add(len), una: end.snd_una };
        let session = self.session.get_or_insert_with(|| Self::begin_session(self.opening, &mut self.room));
        end.stream.push(seq, bytes, len, &mut |piece| give(session, from, piece, place, hellos))
    }

    /// The peer acknowledged octets of `from` up to `ack` that were not captured.
    #[cold]
    fn skip_hole(&mut self, from: Side, ack: Seq, mark: Mark, hellos: &mut Hellos) {
        let end = &mut self.ends[from];
        // The FIN takes a number but no octet.
        let until = if end.fin_end == Some(ack) { ack.sub(1) } else { ack };
        if self.said.is_some() {
            return end.stream.acked(until, mark.at, &mut |_| {});
        }
        let place = Place { mark, end: ack, una: end.snd_una };
        let session = self.session.get_or_insert_with(|| Self::begin_session(self.opening, &mut self.room));
        end.stream.acked(until, mark.at, &mut |piece| give(session, from, piece, place, hellos));
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

/// A piece of a side's stream for its session.
#[inline]
fn give(session: &mut Session, from: Side, piece: Piece<'_>, place: Place, hellos: &mut Hellos) {
    match piece {
        Piece::Bytes(bytes) => session.bytes(from, bytes, place, hellos),
        Piece::Gap(missing) => session.gap(from, missing, place, hellos),
        Piece::Missed(missing, at) => {
            let place = Place { mark: Mark { at, ..place.mark }, ..place };
            session.gap(from, missing, place, hellos);
        }
    }
}

/// A reset with sequence number 0 and an ACK answers a SYN (RFC 9293, 3.10.7.1), also one that the capture missed.
#[must_use]
pub fn is_refusal(seg: &Segment<'_>) -> bool {
    seg.flags.rst() && seg.flags.ack() && seg.seq == Seq(0)
}
