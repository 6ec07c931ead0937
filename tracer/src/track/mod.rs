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
mod ends;
mod foreseen;
mod frameless;
mod gone;
mod host;
mod index;
mod inflight;
mod joint;
mod latency;
mod legs;
mod neighbours;
mod processes;
mod recent;
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
mod written;

pub use attempts::GivenUp;
pub use clients::{Clients, NewConnection};
pub use connection::{ClosedWindow, Limits, Seen};
pub use latency::Latencies;
pub use legs::Legs;
pub use neighbours::{Neighbours, Restart};
pub use testimony::questions;
pub use tracked::{Answer, ConnId, Ending, FirstSegment, Tracked};
pub use written::Written;

use crate::base::{Endpoint, PortSet, Side, Timestamp};
use crate::event::{EndedBy, IcmpFact, Mark, Rooms};
use crate::nats::Hellos;
use crate::wire::{IcmpError, Segment};
use connection::{Connection, Outcome};
use embryo::Embryos;
use ends::ending;
use index::Index;
pub use recent::{Found, Recent};
use rest::{Rest, Slot, awake};
use session::Session;
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
    /// Connections kept at most; where several trackers divide them, in all of them together.
    pub max_connections: usize,
    /// Trackers that divide the connections. Only one that has all of them keeps the bound by itself.
    pub shards: usize,
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
    index: Index,
    hellos: Hellos,
    slots: Vec<Slot>,
    rest: Rest,
    /// Attempts that are one SYN; they are in no slot.
    embryos: Embryos,
    free: Vec<u32>,
    /// Memory of connections that are over, for the next.
    #[allow(clippy::vec_box, reason = "it is the boxes that are kept: they move from here to a slot")]
    spare: Vec<Box<Connection>>,
    /// Memory of sessions that are over, for the next.
    #[allow(clippy::vec_box, reason = "it is the boxes that are kept: they move from here to a connection")]
    sessions: Vec<Box<Session>>,
    /// Memory of facts that were told, for those to come.
    rooms: Rooms,
    timers: BTreeMap<i64, Vec<(u32, ConnId)>>,
    next_timer: i64,
    now: Timestamp,
    hand: usize,
    gone: gone::Gone,
    sockets: sockets::Sockets,
}

/// Connections that are over and whose memory is kept: as many as are told in a tick where many come and go.
const SPARE: usize = 256;

/// Timers run out only as time passes a multiple of this, in nanoseconds: in a flood thousands of attempts are over in each.
const TICK: i64 = 25_000_000;
/// Those of connections stand in fewer places.
const TICKS: i64 = 10 * TICK;

/// The first tick after `due`, in nanoseconds of the epoch: timers stand in ticks, one late rather than early.
#[must_use]
pub const fn tick(due: Timestamp) -> i64 {
    next(due, TICK)
}

const fn next(due: Timestamp, step: i64) -> i64 {
    due.0.div_euclid(step).saturating_add(1).saturating_mul(step)
}

/// So many of a thing for a table of so many connections: a part of it, within bounds.
fn share(max_connections: usize, (part, least, most): (usize, usize, usize)) -> usize {
    (max_connections / part).clamp(least, most)
}

impl Tracker {
    /// An empty table.
    #[must_use]
    pub fn new(config: TrackConfig) -> Self {
        let most = config.max_connections / config.shards.max(1);
        Self {
            sockets: sockets::Sockets::new(config.ports.clone(), most),
            index: Index::default(),
            hellos: Hellos::default(),
            slots: Vec::new(),
            rest: Rest::new(most),
            gone: gone::Gone::new(most),
            config,
            embryos: Embryos::default(),
            free: Vec::new(),
            spare: Vec::new(),
            sessions: Vec::new(),
            rooms: Vec::new(),
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
        self.take_segment(seg, None, seen, ordinal, out);
    }

    /// A segment, as far as time has come; the slot of its connection. `known`: where that is, and which side sent it, if this has
    /// been found already.
    #[inline(always)]
    fn take_segment(
        &mut self,
        seg: &Segment<'_>,
        known: Option<(u32, Side)>,
        seen: Seen,
        ordinal: u64,
        out: &mut Vec<Tracked>,
    ) -> Option<u32> {
        let (slot, from) = match known.or_else(|| self.find(seg.src, seg.dst)) {
            Some(found) if !seg.flags.syn() => found,
            found => self.admit(found, seg, seen, ordinal, out)?,
        };
        let mut conn = awake(&mut self.slots, slot)?;
        if seen.mark.at >= conn.check_at {
            if !self.survives_check(slot, seen.mark.at, out) {
                return None;
            }
            conn = awake(&mut self.slots, slot)?;
        }
        let outcome = conn.handle_segment(seg, seen, from, &mut self.hellos);
        if conn.wants_a_look(from, &outcome, seen.mark.at) {
            self.after(slot, from, seg.ttl, seen.mark, &outcome, out);
        }
        if outcome.drained {
            self.end_session(slot);
        }
        Some(slot)
    }

    /// The slot of the connection between these ends, which is awake then, and which side `src` is.
    #[inline(always)]
    fn find(&mut self, src: Endpoint, dst: Endpoint) -> Option<(u32, Side)> {
        let hash = self.index.hash(src, dst);
        let (slots, mut side) = (&self.slots, None);
        let slot = self.index.find(hash, |slot| match slots.get(slot as usize) {
            Some(Slot::Awake(conn)) => {
                side = conn.sender(src, dst);
                side.is_some()
            }
            Some(Slot::Resting(_)) => {
                side = None;
                true
            }
            Some(Slot::Free) | None => false,
        })?;
        match side {
            Some(side) => Some((slot, side)),
            None => self.rouse(slot, src, dst),
        }
    }

    /// One that rests has the hash of these ends: nearly always it is theirs, which shows once it is awake.
    #[cold]
    fn rouse(&mut self, slot: u32, src: Endpoint, dst: Endpoint) -> Option<(u32, Side)> {
        self.wake(slot);
        match self.connection(slot)?.sender(src, dst) {
            Some(side) => Some((slot, side)),
            None => self.find(src, dst),
        }
    }

    /// A segment that may begin a connection, with what was found of its ends: the slot of its connection, if it has one.
    #[inline(never)]
    fn admit(
        &mut self,
        found: Option<(u32, Side)>,
        seg: &Segment<'_>,
        seen: Seen,
        ordinal: u64,
        out: &mut Vec<Tracked>,
    ) -> Option<(u32, Side)> {
        let key = FlowKey::new(seg.src, seg.dst);
        let slot = found.map(|f| f.0).or_else(|| self.grow(key));
        let slot = match slot.filter(|&slot| !self.is_over(slot, seg, seen.mark, out)) {
            Some(slot) => slot,
            // "Later repeats of the same segments belong to the close already written."
            None if self.gone.owns(key, seg, seen.mark.at) => return None,
            None if self.begin(seg, seen, ordinal, out) => return None,
            None => self.open(key, seg, seen, ordinal, out),
        };
        Some((slot, self.connection(slot)?.side_of(seg.src)))
    }

    /// The connection between these ends is another one than this segment's: the ports are used again.
    fn is_over(&mut self, slot: u32, seg: &Segment<'_>, mark: Mark, out: &mut Vec<Tracked>) -> bool {
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
        let found = self.find(icmp.src, icmp.dst).map(|f| f.0);
        let Some(slot) = found.or_else(|| self.grow(FlowKey::new(icmp.src, icmp.dst))) else { return };
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        let about = conn.side_of(icmp.src);
        let fact = IcmpFact { mark, from: icmp.from, kind: icmp.kind, about, count: 1 };
        if conn.handle_icmp(fact) {
            self.note_ending(slot, mark, out);
        }
    }

    /// Time passes.
    #[inline(always)]
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
        self.count(|conn| conn.ended.is_none() && !conn.told)
    }

    /// Those that rest, attempts, and such as are awake.
    fn count(&self, awake: impl Fn(&Connection) -> bool) -> u64 {
        let lives = self.slots.iter().filter(|slot| match slot {
            Slot::Free => false,
            Slot::Awake(conn) => awake(conn),
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
        let conn = self.connection_of(seg, seen, ordinal, (from, certain));
        out.push(Tracked::Opened {
            id: ordinal,
            mark: seen.mark,
            client: conn.client,
            server: conn.server,
            syn: seg.flags.syn(),
            first: Some(FirstSegment::of(seg, from)),
            process: self.sockets.dialler(key),
        });
        self.insert(conn)
    }

    /// A connection that begins with this segment, in memory of those that are over.
    fn connection_of(
        &mut self,
        seg: &Segment<'_>,
        seen: Seen,
        id: ConnId,
        from: (Side, bool),
    ) -> Box<Connection> {
        let mut conn = Connection::within(self.spare.pop(), seg, seen, id, from);
        conn.take_room(|| self.sessions.pop());
        conn
    }

    /// Nothing more can be said on a connection: the memory of its session is another's.
    #[inline(never)]
    fn end_session(&mut self, slot: u32) {
        let session = awake(&mut self.slots, slot).and_then(Connection::end_session);
        if self.sessions.len() < SPARE {
            self.sessions.extend(session);
        }
    }

    fn insert(&mut self, conn: Box<Connection>) -> u32 {
        let hash = self.index.hash(conn.client, conn.server);
        self.put_to_rest();
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // Less than a doubling: much of a large table would be empty.
                    self.slots.reserve_exact(64 + self.slots.len() / 8);
                }
                self.slots.push(Slot::Free);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Slot::Awake(conn);
            self.rest.one_more();
        }
        self.index.insert(hash, slot);
        slot
    }

    /// What a segment brought up is passed on, and the next look is planned.
    #[inline(never)]
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
        if let Some(news) = outcome.news {
            pass_on(conn, mark, news, out);
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

    fn plan(&mut self, slot: u32, due: Timestamp) {
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        conn.check_at = due;
        let tick = next(due, TICKS);
        self.timers.entry(tick).or_default().push((slot, conn.first_frame));
        self.next_timer = self.next_timer.min(tick);
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
        let Some(Slot::Awake(mut conn)) = self.slots.get_mut(slot as usize).map(std::mem::take) else {
            return;
        };
        self.rest.one_less();
        if conn.told {
            let next = |side: Side| Some(conn.end(side).snd_nxt).filter(|_| conn.end(side).started);
            let ends = [(conn.client, next(Side::Client)), (conn.server, next(Side::Server))];
            self.gone.remember(self.now, ends);
        }
        self.index.remove(self.index.hash(conn.client, conn.server), slot);
        self.free.push(slot);
        if self.spare.len() < SPARE {
            conn.empty();
            self.spare.push(conn);
        }
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
                Some(Slot::Resting(resting)) => {
                    (true, self.rest.head(resting).map_or(self.now, |head| head.last), slot as u32)
                }
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
