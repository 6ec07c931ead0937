//! F3: connections. A bounded table of them, fed with segments and ICMP errors in order of time; it tells when one opens,
//! answers, ends. Reads no clock: time is what the input says.
mod at_risk;
mod attempts;
pub mod clients;
pub mod close;
mod connection;
pub mod detection;
mod drain;
mod embryo;
mod endpoint;
mod frameless;
mod gone;
mod host;
mod inflight;
mod joint;
mod latency;
mod legs;
mod neighbours;
mod processes;
mod rest;
mod rtt;
mod session;
mod sockets;
mod stream;
mod subjects;
mod testimony;
mod timers;
mod tracked;
mod vantage;

pub use clients::{Clients, NewConnection};
pub use connection::{ClosedWindow, Limits, Seen};
pub use latency::Latencies;
pub use legs::Legs;
pub use neighbours::{Neighbours, Restart};
pub use testimony::questions;
pub use tracked::{Answer, ConnId, Ending, FirstSegment, Tracked};

use crate::base::{Endpoint, PortSet, Side, Span, Timestamp};
use crate::event::{EndedBy, IcmpFact, Mark};
use crate::wire::{IcmpError, Segment};
use connection::{Connection, Outcome};
use embryo::Embryos;
use hashbrown::HashMap;
use rest::{Rest, Slot, awake};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What the tracker is told to do.
#[derive(Clone, Debug)]
pub struct TrackConfig {
    /// Server ports.
    pub ports: PortSet,
    /// Timers of a connection.
    pub limits: Limits,
    /// Connections kept at most.
    pub max_connections: usize,
    /// Names of interfaces by capture and interface number.
    pub iface_names: BTreeMap<(u32, u32), Arc<str>>,
}

/// Both endpoints, that with the smaller port first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
}

impl Hash for FlowKey {
    /// In three words, not octet by octet: each frame's key is looked up.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (low, high) = (self.low, self.high);
        state.write_u128(u128::from_ne_bytes(low.addr.0));
        state.write_u128(u128::from_ne_bytes(high.addr.0));
        state.write_u32(u32::from(low.port) << 16 | u32::from(high.port));
    }
}

impl FlowKey {
    fn new(a: Endpoint, b: Endpoint) -> Self {
        // Ports first: they nearly always differ.
        if (a.port, a.addr) <= (b.port, b.addr) { Self { low: a, high: b } } else { Self { low: b, high: a } }
    }
}

/// The table of connections.
pub struct Tracker {
    config: TrackConfig,
    index: HashMap<FlowKey, u32, foldhash::fast::RandomState>,
    slots: Vec<Slot>,
    rest: Rest,
    /// Attempts that are one SYN; they are in no slot.
    embryos: Embryos,
    free: Vec<u32>,
    timers: BTreeMap<i64, Vec<(u32, ConnId)>>,
    next_timer: i64,
    now: Timestamp,
    hand: usize,
    gone: gone::Gone,
    sockets: sockets::Sockets,
}

/// Timers run out only as time passes a multiple of this, in nanoseconds.
const TICK: i64 = 250_000_000;

/// The first tick after `due`, in nanoseconds of the epoch: timers stand in ticks, one late rather than early.
#[must_use]
pub const fn tick(due: Timestamp) -> i64 {
    due.0.div_euclid(TICK).saturating_add(1).saturating_mul(TICK)
}

/// So many of a thing for a table of so many connections: a part of it, within bounds.
fn share(max_connections: usize, (part, least, most): (usize, usize, usize)) -> usize {
    (max_connections / part).clamp(least, most)
}

impl Tracker {
    /// An empty table.
    #[must_use]
    pub fn new(config: TrackConfig) -> Self {
        Self {
            sockets: sockets::Sockets::new(config.ports.clone(), config.max_connections),
            index: HashMap::default(),
            slots: Vec::new(),
            rest: Rest::new(config.max_connections),
            gone: gone::Gone::new(config.max_connections),
            config,
            embryos: Embryos::default(),
            free: Vec::new(),
            timers: BTreeMap::new(),
            next_timer: i64::MAX,
            now: Timestamp(i64::MIN),
            hand: 0,
        }
    }

    /// Names an interface.
    pub fn name_iface(&mut self, place: (u32, u32), name: &str) {
        self.config.iface_names.entry(place).or_insert_with(|| name.into());
    }

    /// One segment to or from a server's port. `ordinal` counts all frames of the input from 1.
    pub fn handle_segment(&mut self, seg: &Segment<'_>, seen: Seen, ordinal: u64, out: &mut Vec<Tracked>) {
        self.advance(seen.mark.at, out);
        let key = FlowKey::new(seg.src, seg.dst);
        let slot = self.index.get(&key).copied().or_else(|| self.grow(key, out));
        let slot = match slot.filter(|&slot| !self.is_over(slot, seg, seen.mark, out)) {
            Some(slot) => slot,
            // "Later repeats of the same segments belong to the close already written."
            None if self.gone.owns(key, seg, seen.mark.at) => return,
            None if self.begin(seg, seen, ordinal, out) => return,
            None => self.open(key, seg, seen, ordinal, out),
        };
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        if seen.mark.at >= conn.check_at && !self.survives_check(slot, seen.mark.at, out) {
            return;
        }
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        let from = conn.side_of(seg.src);
        let outcome = conn.handle_segment(seg, seen, from);
        if !outcome.twin {
            self.after(slot, from, seg.ttl, seen.mark, &outcome, out);
        }
    }

    /// The connection between these ends is another one than this segment's: the ports are used again. Else it is awake.
    fn is_over(&mut self, slot: u32, seg: &Segment<'_>, mark: Mark, out: &mut Vec<Tracked>) -> bool {
        if awake(&mut self.slots, slot).is_none() {
            self.wake(slot);
        }
        let over = self.connection(slot).is_some_and(|conn| conn.is_reuse(seg));
        if over {
            self.replace(slot, mark, out);
        }
        over
    }

    /// The time of a connection has come to be looked at; whether it is still there then.
    #[cold]
    fn survives_check(&mut self, slot: u32, now: Timestamp, out: &mut Vec<Tracked>) -> bool {
        let id = self.connection(slot).map(|conn| conn.first_frame);
        self.check(slot, now, out);
        self.connection(slot).map(|conn| conn.first_frame) == id
    }

    /// An ICMP error that quotes a segment.
    pub fn handle_icmp(&mut self, icmp: &IcmpError, mark: Mark, out: &mut Vec<Tracked>) {
        self.advance(mark.at, out);
        let key = FlowKey::new(icmp.src, icmp.dst);
        let Some(slot) = self.index.get(&key).copied().or_else(|| self.grow(key, out)) else { return };
        self.wake(slot);
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        let about = conn.side_of(icmp.src);
        let fact = IcmpFact { mark, from: icmp.from, kind: icmp.kind, about, count: 1 };
        if conn.handle_icmp(fact) {
            self.note_ending(slot, mark, out);
        }
    }

    /// Time passes.
    #[inline]
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Tracked>) {
        self.now = self.now.max(now);
        let now = self.now;
        if self.next_timer <= now.0 || self.embryos.may_be_due(now) || self.sockets.is_due(now) {
            self.catch_up(out);
        }
    }

    /// Something is due.
    #[cold]
    fn catch_up(&mut self, out: &mut Vec<Tracked>) {
        if self.embryos.may_be_due(self.now) {
            self.tell_attempts(out);
        }
        if self.next_timer <= self.now.0 {
            self.run_timers(out);
        }
        if self.sockets.is_due(self.now) {
            for key in self.sockets.due(self.now) {
                self.look_at_socket(key, out);
            }
        }
    }

    fn run_timers(&mut self, out: &mut Vec<Tracked>) {
        while self.next_timer <= self.now.0 {
            let Some((&due, _)) = self.timers.first_key_value() else { break };
            if due > self.now.0 {
                break;
            }
            let entries = self.timers.remove(&due).unwrap_or_default();
            for (slot, id) in entries {
                let due_now =
                    self.connection(slot).is_some_and(|c| c.first_frame == id && c.check_at <= self.now);
                if due_now {
                    self.check(slot, self.now, out);
                }
            }
            self.next_timer = self.timers.first_key_value().map_or(i64::MAX, |(&at, _)| at);
        }
    }

    /// Connections that live.
    #[must_use]
    pub fn living(&self) -> u64 {
        let lives = self.slots.iter().filter(|slot| match slot {
            Slot::Free => false,
            Slot::Awake(conn) => conn.ended.is_none() && !conn.told,
            Slot::Resting(_) => true,
        });
        u64::try_from(lives.count() + self.embryos.len()).unwrap_or(u64::MAX)
    }

    /// The input is over: what has ended is told; returns how many live.
    pub fn finish(&mut self, out: &mut Vec<Tracked>) -> u64 {
        self.tell_attempts(out);
        let awake = self.slots.iter().enumerate().filter_map(|(i, slot)| Some((i as u32, slot.awake()?)));
        let ended = awake
            .filter(|(_, conn)| !conn.told && is_over(conn))
            .map(|(slot, conn)| (conn.first_frame, slot));
        let mut ended: Vec<(ConnId, u32)> = ended.collect();
        ended.sort_unstable();
        for &(_, slot) in &ended {
            self.tell(slot, true, out);
        }
        let lives = self.slots.iter().filter(|slot| match slot {
            Slot::Free => false,
            Slot::Awake(conn) => !conn.told,
            Slot::Resting(_) => true,
        });
        u64::try_from(lives.count() + self.embryos.len()).unwrap_or(u64::MAX)
    }

    fn connection(&self, slot: u32) -> Option<&Connection> {
        self.slots.get(slot as usize)?.awake()
    }

    fn open(
        &mut self,
        key: FlowKey,
        seg: &Segment<'_>,
        seen: Seen,
        ordinal: u64,
        out: &mut Vec<Tracked>,
    ) -> u32 {
        let ports = &self.config.ports;
        let (to_server, from_server) = (ports.contains(seg.dst.port), ports.contains(seg.src.port));
        let (from, certain) = match (seg.flags.syn(), seg.flags.ack()) {
            (true, false) => (Side::Client, true),
            (true, true) => (Side::Server, true),
            _ if connection::is_refusal(seg) => (Side::Server, true),
            _ if to_server != from_server => (if to_server { Side::Client } else { Side::Server }, true),
            _ => (if seg.dst.port <= seg.src.port { Side::Client } else { Side::Server }, false),
        };
        self.make_room(seen.mark, out);
        let conn = Box::new(Connection::new(seg, seen, ordinal, from, certain));
        out.push(Tracked::Opened {
            id: ordinal,
            mark: seen.mark,
            client: conn.client,
            server: conn.server,
            syn: seg.flags.syn(),
            first: Some(FirstSegment::of(seg, from)),
            process: self.sockets.dialler(key),
        });
        self.insert(key, conn)
    }

    fn insert(&mut self, key: FlowKey, conn: Box<Connection>) -> u32 {
        self.put_to_rest();
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot::Free);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Slot::Awake(conn);
            self.rest.one_more();
        }
        self.index.insert(key, slot);
        slot
    }

    /// What a segment brought up is passed on, and the next look is planned.
    fn after(
        &mut self,
        slot: u32,
        from: Side,
        ttl: u8,
        mark: Mark,
        outcome: &Outcome,
        out: &mut Vec<Tracked>,
    ) {
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        if !outcome.is_news() && !conn.wants_a_look(from, outcome.answered, mark.at) {
            return;
        }
        let (id, client, server) = (conn.first_frame, conn.client, conn.server);
        // The last ACK of a goodbye is no sign that its sender serves on.
        if outcome.answered && conn.ended.is_none() && conn.pulse_due(from, mark.at) {
            conn.end_mut(from).pulse = mark.at;
            let ended = conn.ended.is_some();
            out.push(Tracked::Answered { id, mark, by: from, client, server, ttl, ended });
            if let Some(subscriptions) = conn.newly_held(mark.at) {
                out.push(Tracked::Holds { id, client, subscriptions });
            }
        }
        if let Some(window) = conn.slow_consumer(mark.at, &self.config.limits) {
            out.push(Tracked::SlowConsumerBuilding { id, mark, client, server, window });
        }
        if outcome.news.is_any() {
            pass_on(conn, mark, outcome.news, out);
        }
        if outcome.revived {
            if conn.told {
                conn.told = false;
                out.push(Tracked::Resumed { id, mark });
            } else {
                out.push(Tracked::Revived { id });
            }
            conn.noted = false;
        }
        if outcome.ended {
            self.note_ending(slot, mark, out);
        } else if conn.check_at.0 == i64::MAX && conn.ended.is_none() {
            let limits = self.config.limits;
            let due = [conn.attempt_over_at(&limits), conn.dead_at(&limits).map(|d| d.0)]
                .into_iter()
                .flatten()
                .min();
            if let Some(due) = due {
                self.plan(slot, due);
            }
        }
    }

    fn note_ending(&mut self, slot: u32, mark: Mark, out: &mut Vec<Tracked>) {
        let limits = self.config.limits;
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        conn.noted = true;
        out.push(Tracked::Ending(ending(conn, &self.sockets, mark)));
        let due = conn.ended.map_or(mark.at, |e| e.0.max(mark.at))
            + if doubtful(conn) { limits.linger_doubtful } else { limits.linger };
        self.plan(slot, due);
    }

    fn plan(&mut self, slot: u32, due: Timestamp) {
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        conn.check_at = due;
        let tick = tick(due);
        self.timers.entry(tick).or_default().push((slot, conn.first_frame));
        self.next_timer = self.next_timer.min(tick);
    }

    /// Looks at a connection whose time has come.
    fn check(&mut self, slot: u32, now: Timestamp, out: &mut Vec<Tracked>) {
        let limits = self.config.limits;
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        conn.check_at = Timestamp(i64::MAX);
        if conn.told {
            // Called dead and silent since: forgotten once nobody could resume it.
            if now - conn.last().at > Span::secs(900) {
                self.remove(slot)
            } else {
                self.plan(slot, now + Span::secs(300))
            }
            return;
        }
        if let Some((at, by)) = conn.ended {
            if by == EndedBy::Goodbye && goodbye_lost(conn) {
                let Some((dead, silent, owed)) = conn.dead_at(&limits) else {
                    return self.tell(slot, false, out);
                };
                if dead > now {
                    return self.plan(slot, dead);
                }
                conn.ended = Some((dead, EndedBy::Silence(silent, owed)));
            } else if at + limits.linger > now && by == EndedBy::Goodbye {
                return self.plan(slot, at + limits.linger);
            }
            return self.tell(slot, false, out);
        }
        if let Some(over) = conn.attempt_over_at(&limits) {
            if over <= now {
                let last_syn = conn.end(Side::Client).last_repeat.unwrap_or(conn.start());
                conn.ended = Some((last_syn.at, EndedBy::GaveUp));
                return self.note_ending(slot, last_syn, out);
            }
            return self.plan(slot, over);
        }
        if let Some((dead, silent, owed)) = conn.dead_at(&limits) {
            if dead <= now {
                conn.ended = Some((dead, EndedBy::Silence(silent, owed)));
                let mark = Mark { at: dead, frame: conn.last().frame };
                return self.note_ending(slot, mark, out);
            }
            self.plan(slot, dead);
        }
    }

    fn tell(&mut self, slot: u32, input_ended: bool, out: &mut Vec<Tracked>) {
        let now = self.now;
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        let iface = self.config.iface_names.get(&conn.iface()).cloned();
        conn.told = true;
        let silent = match conn.ended {
            Some((_, EndedBy::Silence(..))) => true,
            // A goodbye into a hole may still be heard.
            Some((_, EndedBy::GaveUp)) => !conn.is_attempt(),
            _ => false,
        };
        let mut facts = conn.facts(input_ended, now, iface);
        if let Some(mut host) = self.sockets.facts(facts.client, facts.server, facts.start.at, facts.ended) {
            frameless::disown(&mut host, facts.handshake);
            facts.rtt = facts.rtt.or_else(|| frameless::rtt(&host));
            facts.vantage = frameless::vantage(&host);
            facts.host = Some(host);
            self.sockets.told(FlowKey::new(facts.client, facts.server), now);
        }
        out.push(Tracked::Closed(Box::new(facts)));
        if silent && !input_ended { self.plan(slot, now + Span::secs(300)) } else { self.remove(slot) }
    }

    /// The same ports begin anew: whatever was there is over.
    fn replace(&mut self, slot: u32, mark: Mark, out: &mut Vec<Tracked>) {
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        if conn.told {
            return self.remove(slot);
        }
        if conn.ended.is_none() {
            conn.ended = Some((mark.at, EndedBy::Reused));
            out.push(Tracked::Ending(ending(conn, &self.sockets, mark)));
        }
        self.tell(slot, false, out);
        self.remove(slot);
    }

    fn remove(&mut self, slot: u32) {
        self.wake(slot);
        let Some(Slot::Awake(conn)) = self.slots.get_mut(slot as usize).map(std::mem::take) else { return };
        self.rest.one_less();
        if conn.told {
            let next = |side: Side| Some(conn.end(side).snd_nxt).filter(|_| conn.end(side).started);
            let ends = [(conn.client, next(Side::Client)), (conn.server, next(Side::Server))];
            self.gone.remember(self.now, ends);
        }
        let key = FlowKey::new(conn.client, conn.server);
        if self.index.get(&key) == Some(&slot) {
            self.index.remove(&key);
        }
        self.free.push(slot);
    }

    /// Makes room: of the next few, an attempt that never got anywhere, else the one silent longest.
    fn evict(&mut self, mark: Mark, out: &mut Vec<Tracked>) {
        let mut choice: Option<(bool, Timestamp, u32)> = None;
        let total = self.slots.len();
        let mut looked = 0;
        for step in 0..total {
            let slot = (self.hand + step) % total;
            let rank = match self.slots.get(slot) {
                None | Some(Slot::Free) => continue,
                Some(Slot::Awake(conn)) => (!(conn.is_attempt() || conn.told), conn.last().at, slot as u32),
                Some(Slot::Resting(resting)) => (true, resting.last, slot as u32),
            };
            if choice.is_none_or(|c| rank < c) {
                choice = Some(rank);
            }
            looked += 1;
            if looked >= 32 {
                self.hand = (slot + 1) % total;
                break;
            }
        }
        if let Some((_, _, slot)) = choice {
            self.wake(slot);
            if let Some(conn) = self.connection(slot).filter(|conn| !conn.told) {
                out.push(Tracked::Evicted { id: conn.first_frame, mark });
            }
            self.remove(slot);
        }
    }
}

/// At the end of the input: it has ended, unless its goodbye was never heard.
fn is_over(conn: &Connection) -> bool {
    conn.ended.is_some_and(|(_, by)| by != EndedBy::Goodbye || !goodbye_lost(conn))
}

/// A FIN that was repeated without an answer, and no RST beside it: the other end never heard it.
fn goodbye_lost(conn: &Connection) -> bool {
    let unheard = |side: Side| {
        let facts = &conn.end(side).facts;
        facts.fin.is_some() && !facts.fin_answered && facts.fin_repeats > 0
    };
    let any_reset = Side::BOTH.iter().any(|&s| conn.end(s).facts.rst.is_some());
    let any_heard =
        Side::BOTH.iter().any(|&s| conn.end(s).facts.fin.is_some() && conn.end(s).facts.fin_answered);
    !any_reset && !any_heard && Side::BOTH.iter().any(|&s| unheard(s))
}

/// A reset that a filter or a stranger may have made: a bare answer in the middle of a live connection.
fn doubtful(conn: &Connection) -> bool {
    Side::BOTH.iter().any(|&s| {
        let facts = &conn.end(s).facts;
        facts.fin.is_none()
            && conn.has_syn()
            && !conn.is_attempt()
            && facts.rst.is_some_and(|r| !r.has_ack && r.answers.is_some())
    })
}

/// Who said goodbye in this frame. A FIN that was not captured came before the one that acknowledges it.
fn goodbye_at(conn: &Connection, mark: Mark) -> Option<Side> {
    let here = |&s: &Side| {
        let f = &conn.end(s).facts;
        f.fin.map(|m| m.frame) == Some(mark.frame) || f.rst.map(|r| r.mark.frame) == Some(mark.frame)
    };
    Side::BOTH.into_iter().filter(here).min_by_key(|&s| !conn.end(s).facts.fin_unseen)
}

fn ending(conn: &Connection, sockets: &sockets::Sockets, mark: Mark) -> Ending {
    let (at, by) = conn.ended.unwrap_or((mark.at, EndedBy::GaveUp));
    let facts = conn.session_facts();
    let silent = match by {
        EndedBy::Silence(side, _) => Some(side),
        EndedBy::GaveUp => {
            let asks = Side::BOTH
                .into_iter()
                .find(|&s| conn.end(s).in_hole() || conn.end(s).unanswered(None).is_some());
            asks.map(Side::other)
        }
        _ => None,
    };
    let since = silent.and_then(|s| Some((s, conn.end(s.other()).unanswered(None)?.first.at)));
    let heard = conn.end(Side::Server).facts.last.map_or(conn.start().at, |m| m.at);
    Ending {
        id: conn.first_frame,
        mark: Mark { at, frame: mark.frame },
        by,
        goodbye: goodbye_at(conn, mark),
        refused: conn.is_attempt() && conn.end(Side::Server).facts.rst.is_some(),
        client: conn.client,
        server: conn.server,
        lost_at: if by == EndedBy::Goodbye { at } else { heard },
        silent: since,
        accepted: conn.accepted,
        syn: conn.has_syn(),
        process: sockets.dialler(FlowKey::new(conn.client, conn.server)),
        connect: facts.and_then(|f| f.connect.as_ref()).map(|c| Arc::clone(&c.1)),
        info: facts.and_then(|f| f.info.as_ref()).map(|i| Arc::clone(&i.1)),
        connect_urls: facts.and_then(|f| f.connect_urls.clone()),
    }
}

fn pass_on(conn: &Connection, mark: Mark, news: session::News, out: &mut Vec<Tracked>) {
    let (id, client, server) = (conn.first_frame, conn.client, conn.server);
    let Some(facts) = conn.session_facts() else { return };
    let info = facts.info.as_ref().map(|i| Arc::clone(&i.1));
    if news.info
        && let Some(info) = &info
    {
        let next = conn.end(Side::Server).snd_nxt;
        let forwarded = facts.forwarded_for.clone();
        out.push(Tracked::Greeted { id, mark, server, info: Arc::clone(info), next, forwarded });
        if let Some(since) = conn.established() {
            out.push(Tracked::Waited { id, mark, server, answer: Answer::Info, took: mark.at - since });
        }
    }
    if let Some(took) = news.pong {
        out.push(Tracked::Waited { id, mark, server, answer: Answer::Pong, took });
    }
    if news.accepted {
        out.push(Tracked::Accepted {
            id,
            mark,
            client,
            server,
            connect: facts.connect.as_ref().map(|c| Arc::clone(&c.1)),
            info,
            mqtt_id: facts.mqtt.as_ref().and_then(|m| m.client_id.clone()),
        });
    }
    if news.lame_duck {
        out.push(Tracked::LameDuck { id, mark, server });
    }
}
