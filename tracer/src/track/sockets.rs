//! What this host's kernel says of sockets, by connection. Only records of this host's own network namespace count. A
//! connection that no frame shows (its packets never got to a wire, or nothing is captured) is told from here alone.
use super::FlowKey;
use super::processes::Processes;
use crate::base::{Endpoint, PortSet, Side, Span, Timestamp};
use crate::event::{DropFact, Host, HostEnd, HostFacts};
use crate::kernel::{FilterRule, KernelEvent, KernelRecord, Process, TcpState};
use crate::wire::Flags;
use hashbrown::HashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Kinds of drops kept for a connection.
const DROPS_MAX: usize = 8;
/// Connections known; a SYN flood that a filter discards must not take more.
const MOST: usize = 128 * 1024;
/// How many that stand are passed over in search of one to forget.
const SPARED: usize = 16;
/// Listening sockets known.
const LISTENERS_MAX: usize = 1024;
/// What a frame may be behind the kernel's record of the same thing.
pub const FRAMES_LATE: Span = Span::millis(300);
/// A SYN that is discarded is repeated within this, at first.
const SYN_REPEATS: Span = Span::millis(3600);
/// How long a connection that was told is remembered, so that later records of it begin nothing.
pub const REMEMBERED: Span = Span::secs(30);

/// One connection as the kernel tells it.
#[derive(Debug)]
pub struct Flow {
    /// Ordinal of the record that began it.
    pub id: u64,
    /// Who dialled.
    pub client: Endpoint,
    /// Who listens.
    pub server: Endpoint,
    /// First record.
    pub first: Timestamp,
    /// Last record.
    pub last: Timestamp,
    /// What was said.
    pub facts: HostFacts,
    /// Its close was told.
    pub told: bool,
    /// When it is looked at next.
    look_at: Option<Timestamp>,
    /// The one before it on the same ports, if that is not told yet.
    before: Option<Box<Flow>>,
}

/// A listening socket.
#[derive(Debug)]
struct Listener {
    at: Endpoint,
    process: Process,
    /// It listens no more.
    closed: Option<Timestamp>,
}

/// All sockets that the kernel spoke of.
pub struct Sockets {
    host: Option<Host>,
    ports: PortSet,
    most: usize,
    flows: HashMap<FlowKey, Box<Flow>, foldhash::fast::RandomState>,
    order: VecDeque<(FlowKey, u64)>,
    listeners: VecDeque<Listener>,
    due: BTreeMap<Timestamp, Vec<FlowKey>>,
    /// Processes that ended or were sent signals.
    pub processes: Processes,
}

impl Sockets {
    /// Knows nothing yet. `most`: connections kept.
    #[must_use]
    pub fn new(ports: PortSet, most: usize) -> Self {
        Self {
            host: None,
            ports,
            most: most.clamp(1, MOST),
            flows: HashMap::default(),
            order: VecDeque::new(),
            listeners: VecDeque::new(),
            due: BTreeMap::new(),
            processes: Processes::default(),
        }
    }

    /// The host that is traced; its addresses may change.
    pub fn set_host(&mut self, host: Host) {
        self.host = Some(host);
    }

    /// One record. `idle_timeout`: after that long a goodbye or a dropped packet without an answer is worth a look.
    pub fn note(&mut self, record: &KernelRecord, ordinal: u64, idle_timeout: Span) -> Option<()> {
        let host = self.host.as_ref()?;
        let known = record.netns.is_some_and(|ns| ns == host.netns);
        if record.netns.is_some() && !known {
            return None;
        }
        let here = |end: Endpoint| known || host.has(end.addr);
        let at = record.at;
        match &record.event {
            KernelEvent::State { local, remote, from, to, since } if here(*local) => {
                self.state(record, (*local, *remote), (*from, *to), ordinal, idle_timeout);
                let flow = self.flows.get_mut(&FlowKey::new(*local, *remote));
                if let (Some(flow), Some(since)) = (flow, since) {
                    flow.first = flow.first.min(*since);
                }
            }
            KernelEvent::Socket { local, remote, state, rtt_us, receive_queue, .. } => {
                self.stands(record, *local, *remote, *state, ordinal)?;
                let (_, end) = self.end(record, *local, (*remote)?, ordinal)?;
                end.rtt_us = end.rtt_us.or(*rtt_us);
                end.unread = *receive_queue;
            }
            KernelEvent::ResetSent { local, remote, reason } if here(*local) => {
                // Whose namespace this is can't be told: it adds to what is known, and begins nothing.
                if !known && !self.flows.contains_key(&FlowKey::new(*local, *remote)) {
                    return None;
                }
                let (key, end) = self.end(record, *local, *remote, ordinal)?;
                end.process = record.process.clone().or(end.process.take());
                end.reset_sent.get_or_insert((at, reason.clone()));
                if end.state.is_none_or(|s| s == TcpState::Close) {
                    self.look_later(key, at + FRAMES_LATE);
                }
            }
            KernelEvent::ResetReceived { local, remote } if here(*local) => {
                let (_, end) = self.end(record, *local, *remote, ordinal)?;
                end.reset_received.get_or_insert(at);
            }
            KernelEvent::SocketError { local, remote, errno } if here(*local) => {
                let (_, end) = self.end(record, *local, *remote, ordinal)?;
                // 0: the process took the error before it could be read.
                end.error = Some((at, *errno));
            }
            KernelEvent::Retransmit { local, remote } if here(*local) => {
                let (_, end) = self.end(record, *local, *remote, ordinal)?;
                end.repeats.add(at);
            }
            KernelEvent::Dropped { src, dst, .. }
                if !known && !self.flows.contains_key(&FlowKey::new(*src, *dst)) =>
            {
                return None;
            }
            KernelEvent::Dropped { src, dst, flags, reason, place, .. } => {
                self.dropped(
                    at,
                    (*src, *dst),
                    Flags(*flags),
                    (reason, place.as_ref()),
                    ordinal,
                    idle_timeout,
                );
            }
            KernelEvent::Signal { .. } | KernelEvent::Exit { .. } | KernelEvent::OomVictim { .. } => {
                self.processes.note(record);
            }
            _ => {}
        }
        Some(())
    }

    /// A rule of this host's filters that a packet of a connection met.
    pub fn rule(&mut self, rule: FilterRule) {
        let key = FlowKey::new(rule.src, rule.dst);
        let Some(flow) = self.flows.get_mut(&key) else { return };
        flow.facts.add_rule(rule);
    }

    fn state(
        &mut self,
        record: &KernelRecord,
        (local, remote): (Endpoint, Endpoint),
        (from, to): (TcpState, TcpState),
        ordinal: u64,
        idle_timeout: Span,
    ) -> Option<()> {
        use TcpState::{
            Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, NewSynReceived,
            SynReceived, SynSent, TimeWait,
        };
        if to == Listen || from == Listen {
            if let (Listen, Some(process)) = (to, &record.process) {
                self.listens(local, process.clone());
            }
            let closes = self.listeners.iter_mut().filter(|l| from == Listen && l.at == local);
            closes.for_each(|l| l.closed = Some(record.at));
            return None;
        }
        // connect() changes the state before the socket has a port: that record names no connection yet.
        if local.port == 0 {
            return None;
        }
        let begins = match (from, to) {
            (_, SynSent) | (SynSent, _) => Some(Side::Client),
            (SynReceived | NewSynReceived, Established) | (_, SynReceived) => Some(Side::Server),
            _ => None,
        };
        if let Some(side) = begins {
            self.begin(record.at, side, local, remote, ordinal);
        }
        let at = record.at;
        let (key, end) = self.end(record, local, remote, ordinal)?;
        end.process = record.process.clone().or(end.process.take());
        end.state = Some(to);
        let mut look_at = None;
        match (from, to) {
            (_, Established) => end.established = Some(at),
            (_, FinWait1 | LastAck) => {
                end.closed.get_or_insert(at);
                look_at = Some(at + idle_timeout);
            }
            (_, FinWait2) => end.fin_acked = true,
            (_, CloseWait) => end.peer_closed = Some(at),
            (_, Closing) => end.peer_closed = end.peer_closed.or(Some(at)),
            (_, TimeWait) => {
                end.fin_acked = true;
                end.peer_closed = end.peer_closed.or(Some(at));
            }
            (LastAck | Closing, Close) if end.error.is_none() => end.fin_acked = true,
            _ => {}
        }
        if to == Close || to == TimeWait {
            end.over = Some(at);
            look_at = Some(at + FRAMES_LATE);
        }
        if let Some(at) = look_at {
            self.look_later(key, at);
        }
        Some(())
    }

    /// A socket that stands already, or whose owner was looked up.
    fn stands(
        &mut self,
        record: &KernelRecord,
        local: Endpoint,
        remote: Option<Endpoint>,
        state: TcpState,
        ordinal: u64,
    ) -> Option<()> {
        let Some(remote) = remote else {
            self.listens(local, record.process.clone()?);
            return None;
        };
        let new = !self.flows.contains_key(&FlowKey::new(local, remote));
        let (key, end) = self.end(record, local, remote, ordinal)?;
        end.process = end.process.take().or_else(|| record.process.clone());
        if end.state.is_none() {
            end.state = Some(state);
        }
        if new && let Some(flow) = self.flows.get_mut(&key) {
            flow.facts.adopted = true;
        }
        Some(())
    }

    fn dropped(
        &mut self,
        at: Timestamp,
        (src, dst): (Endpoint, Endpoint),
        flags: Flags,
        (reason, place): (&Arc<str>, Option<&Arc<str>>),
        ordinal: u64,
        idle_timeout: Span,
    ) -> Option<()> {
        let host = self.host.as_ref()?;
        let inbound = host.has(dst.addr);
        if !inbound && !host.has(src.addr) {
            return None;
        }
        let (local, remote) = if inbound { (dst, src) } else { (src, dst) };
        let key = FlowKey::new(src, dst);
        let fact = DropFact {
            first: at,
            last: at,
            from: Side::Client,
            inbound,
            reason: Arc::clone(reason),
            place: place.cloned(),
            flags,
            count: 1,
        };
        // What a closing TCP discards is no news, and makes no connection of its own.
        let tells = fact.is_filter() || matches!(&**reason, "NO_SOCKET" | "TCP_LISTEN_OVERFLOW");
        if !tells && !self.flows.contains_key(&key) {
            return None;
        }
        let flow = self.flow(at, local, remote, ordinal)?;
        let from = if src == flow.client { Side::Client } else { Side::Server };
        let drops = &mut flow.facts.drops;
        let same = |d: &&mut DropFact| d.from == from && d.reason == *reason && d.inbound == inbound;
        if let Some(known) = drops.iter_mut().find(same) {
            known.last = at;
            known.flags = known.flags.with(flags);
            known.count = known.count.saturating_add(1);
        } else if drops.len() < DROPS_MAX {
            drops.push(DropFact { from, ..fact });
        }
        if tells {
            let due = if flags.syn() { SYN_REPEATS.min(idle_timeout) } else { idle_timeout };
            self.look_later(key, at + due);
        }
        Some(())
    }

    fn listens(&mut self, at: Endpoint, process: Process) {
        self.listeners.retain(|l| l.at != at);
        if self.listeners.len() >= LISTENERS_MAX {
            self.listeners.pop_front();
        }
        self.listeners.push_back(Listener { at, process, closed: None });
    }

    /// Who listened there at that time: at the address itself, else at any.
    fn listener(&self, end: Endpoint, at: Timestamp) -> Option<&Process> {
        let open = |l: &&Listener| l.closed.is_none_or(|closed| closed >= at);
        let exact = self.listeners.iter().rev().filter(open).find(|l| l.at == end);
        let any = |l: &&Listener| l.at.port == end.port && l.at.addr.is_unspecified();
        exact.or_else(|| self.listeners.iter().rev().filter(open).find(any)).map(|l| &l.process)
    }

    /// The ports begin anew where that end was used before.
    fn begin(&mut self, at: Timestamp, side: Side, local: Endpoint, remote: Endpoint, ordinal: u64) {
        if !self.traced(local, remote) {
            return;
        }
        let key = FlowKey::new(local, remote);
        let (client, server) = if side == Side::Client { (local, remote) } else { (remote, local) };
        if let Some(flow) = self.flows.get(&key) {
            let end = &flow.facts.ends[side];
            let used = end.over.is_some() || end.closed.is_some() || end.established.is_some();
            if !used && flow.client == client && !flow.told {
                return;
            }
        }
        let before = self.flows.remove(&key).filter(|f| !f.told).map(|mut f| {
            f.before = None;
            f
        });
        self.insert(key, Flow::new(ordinal, client, server, at, before));
    }

    fn traced(&self, a: Endpoint, b: Endpoint) -> bool {
        self.ports.contains(a.port) || self.ports.contains(b.port)
    }

    fn insert(&mut self, key: FlowKey, flow: Flow) {
        let mut spared = 0;
        while self.flows.len() >= self.most {
            let Some((old, id)) = self.order.pop_front() else { break };
            let Some(known) = self.flows.get(&old).filter(|f| f.id == id) else { continue };
            // What stands is worth more than attempts and what is over.
            if known.stands() && spared < SPARED {
                spared += 1;
                self.order.push_back((old, id));
            } else {
                self.flows.remove(&old);
            }
        }
        if self.order.len() > self.most.saturating_mul(2) {
            let flows = &self.flows;
            self.order.retain(|(key, id)| flows.get(key).is_some_and(|f| f.id == *id));
        }
        self.order.push_back((key, flow.id));
        self.flows.insert(key, Box::new(flow));
    }

    /// The connection of two endpoints, made if need be.
    fn flow(&mut self, at: Timestamp, local: Endpoint, remote: Endpoint, ordinal: u64) -> Option<&mut Flow> {
        if !self.traced(local, remote) || remote.port == 0 {
            return None;
        }
        let key = FlowKey::new(local, remote);
        if !self.flows.contains_key(&key) {
            let (client, server) = self.roles(local, remote, at);
            self.insert(key, Flow::new(ordinal, client, server, at, None));
        }
        let flow = self.flows.get_mut(&key)?;
        flow.last = flow.last.max(at);
        Some(flow)
    }

    /// Who is the server where nobody saw the connection begin: who has a traced port, or a listener on it.
    fn roles(&self, local: Endpoint, remote: Endpoint, at: Timestamp) -> (Endpoint, Endpoint) {
        let served = match (self.ports.contains(local.port), self.ports.contains(remote.port)) {
            (true, false) => true,
            (false, true) => false,
            _ => self.listener(local, at).is_some(),
        };
        if served { (remote, local) } else { (local, remote) }
    }

    /// This host's end of a connection.
    fn end(
        &mut self,
        record: &KernelRecord,
        local: Endpoint,
        remote: Endpoint,
        ordinal: u64,
    ) -> Option<(FlowKey, &mut HostEnd)> {
        let flow = self.flow(record.at, local, remote, ordinal)?;
        let side = if local == flow.client { Side::Client } else { Side::Server };
        let end = &mut flow.facts.ends[side];
        end.here = true;
        Some((FlowKey::new(local, remote), end))
    }

    /// Looks at a connection again at that time.
    pub fn look_later(&mut self, key: FlowKey, at: Timestamp) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        // One look is planned for each connection, the earliest.
        if flow.look_at.is_none_or(|planned| at < planned) {
            flow.look_at = Some(at);
            self.due.entry(at).or_default().push(key);
        }
    }

    /// Whether a connection is to be looked at by now.
    #[must_use]
    #[inline(always)]
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.due.is_empty() && self.due.first_key_value().is_some_and(|(&at, _)| at <= now)
    }

    /// The connections that are to be looked at by now.
    pub fn due(&mut self, now: Timestamp) -> Vec<FlowKey> {
        let mut keys = Vec::new();
        while let Some(entry) = self.due.first_entry().filter(|e| *e.key() <= now) {
            let (at, planned) = entry.remove_entry();
            for key in planned {
                if let Some(flow) = self.flows.get_mut(&key).filter(|f| f.look_at == Some(at)) {
                    flow.look_at = None;
                    keys.push(key);
                }
            }
        }
        keys
    }

    /// What is known of the connection on these ports.
    #[must_use]
    pub fn get(&self, key: FlowKey) -> Option<&Flow> {
        self.flows.get(&key).map(|f| &**f)
    }

    /// The process of this host that dials on these ports, if the kernel has told it.
    #[must_use]
    pub fn dialler(&self, key: FlowKey) -> Option<u32> {
        if self.flows.is_empty() {
            return None;
        }
        self.get(key)?.facts.ends.client.process.as_ref().map(|process| process.pid)
    }

    /// Its close is told; what still comes begins nothing for a while.
    pub fn told(&mut self, key: FlowKey, now: Timestamp) {
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.told = true;
            self.look_later(key, now + REMEMBERED);
        }
    }

    /// Forgets it.
    pub fn forget(&mut self, key: FlowKey) {
        self.flows.remove(&key);
    }

    /// What this host's kernel said of a connection that lived from `start` to `ended`; none where nothing is live.
    #[must_use]
    pub fn facts(
        &self,
        client: Endpoint,
        server: Endpoint,
        start: Timestamp,
        ended: Timestamp,
    ) -> Option<Box<HostFacts>> {
        let host = self.host.as_ref()?;
        let fits = |f: &&Flow| {
            f.client == client
                && f.first - ended <= FRAMES_LATE
                && f.facts.ends.client.over.max(f.facts.ends.server.over).is_none_or(|over| over >= start)
        };
        let newest = self.flows.get(&FlowKey::new(client, server)).map(|f| &**f);
        let flow = newest.filter(fits).or_else(|| newest?.before.as_deref().filter(fits));
        let mut facts = flow.map_or_else(HostFacts::default, |f| f.facts.clone());
        facts.probes = host.probes;
        for (side, end) in [(Side::Client, client), (Side::Server, server)] {
            facts.ends[side].here |= host.has(end.addr);
        }
        if facts.ends.server.here && facts.ends.server.process.is_none() {
            facts.ends.server.process = self.listener(server, start).cloned();
        }
        Some(Box::new(facts))
    }
}

impl Flow {
    /// It was established and is not over.
    fn stands(&self) -> bool {
        let ends = [&self.facts.ends.client, &self.facts.ends.server];
        !self.told && ends.iter().any(|e| (e.established.is_some() || self.facts.adopted) && e.over.is_none())
    }

    /// Something happened to it that may turn out to be its end.
    #[must_use]
    pub fn may_be_over(&self) -> bool {
        let ends = [&self.facts.ends.client, &self.facts.ends.server];
        !self.facts.drops.is_empty()
            || ends.iter().any(|e| e.closed.is_some() || e.over.is_some() || e.reset_sent.is_some())
    }

    fn new(id: u64, client: Endpoint, server: Endpoint, at: Timestamp, before: Option<Box<Self>>) -> Self {
        Self {
            id,
            client,
            server,
            first: at,
            last: at,
            facts: HostFacts::default(),
            told: false,
            look_at: None,
            before,
        }
    }
}
