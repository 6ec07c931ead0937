//! What happened around a connection's end: the same server, the same pair of hosts, the same host. Fed with what the
//! tracker tells, in order of time; bounded in every direction.
mod lists;
mod moments;
mod pulses;
mod server;

use super::{ConnId, Ending, Tracked};
use crate::base::{Addr, Endpoint, Side, Span, Timestamp};
use crate::event::{Around, EndedBy, Facts, Handshake, Mark, Vantage};
use crate::nats::Info;
use hashbrown::HashMap;
use lists::{count, is_rush, keep, keep_in_order, near, within};
use moments::Moments;
use pulses::{HostTtl, Pulses};
use server::{Server, identity};
use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;

/// How far back neighbours are remembered.
const MEMORY: Span = Span::secs(300);
/// Entries kept in any list.
const LIST_MAX: usize = 512;
/// Servers, pairs and hosts kept.
const MAP_MAX: usize = 14_000;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Another server answers at an endpoint.
#[derive(Debug, Clone)]
pub struct Restart {
    /// INFO of the one before.
    pub before: Arc<Info>,
    /// Since when that one was not heard.
    pub heard: Option<Timestamp>,
}

/// The neighbourhood.
#[derive(Debug, Default)]
pub struct Neighbours {
    servers: Map<Endpoint, Server>,
    pairs: Map<(Addr, Addr), Pulses<ConnId>>,
    hosts: Map<Addr, Pulses<Addr>>,
    ttls: Map<Addr, HostTtl>,
    vantages: Map<Endpoint, Vantage>,
    /// Since when a host did not answer another.
    silences: Moments<(Addr, Addr)>,
    /// Since when it did not answer somebody.
    host_silences: Moments<Addr>,
    /// When a host closed connections.
    client_closes: Moments<Addr>,
    idle_deaths: VecDeque<IdleDeath>,
    /// Refused SYNs: which, who dialled whom.
    refusals: VecDeque<(Mark, Endpoint, Endpoint)>,
}

/// An end that came out of a silence.
#[derive(Debug, Clone, Copy)]
struct IdleDeath {
    id: ConnId,
    server: Endpoint,
    client: Addr,
    idle: Span,
    at: Timestamp,
}

/// Silences as short as this are no silence.
const IDLE_LEAST: Span = Span::secs(5);

impl Neighbours {
    /// One more thing the tracker told.
    #[inline(always)]
    pub fn note(&mut self, tracked: &Tracked) {
        match tracked {
            Tracked::Opened { id, mark, client, server, syn, .. } => {
                self.opened((*id, *mark), client.addr, *server, *syn);
            }
            &Tracked::Answered { id, mark, by, client, server, ttl, ended } => {
                self.answered((id, mark, ended), by, (client, server), ttl);
            }
            Tracked::Greeted { id, mark, server, info, .. } => self.greeted(*id, *mark, *server, info),
            Tracked::Accepted { .. } => self.accepted(tracked),
            Tracked::LameDuck { mark, server, .. } => {
                slot(&mut self.servers, *server).lame_duck.get_or_insert(*mark);
            }
            Tracked::Ending(ending) => self.ending(ending),
            Tracked::Closed(facts) => self.closed(facts),
            Tracked::Revived { id } | Tracked::Resumed { id, .. } => self.forget(*id),
            Tracked::SlowConsumerBuilding { .. }
            | Tracked::Waited { .. }
            | Tracked::Holds { .. }
            | Tracked::GivenUp(_)
            | Tracked::Evicted { .. } => {}
        }
    }

    #[inline(never)]
    fn opened(&mut self, (id, mark): (ConnId, Mark), client: Addr, server: Endpoint, syn: bool) {
        let entry = slot(&mut self.servers, server);
        if syn {
            keep(&mut entry.attempts, mark.at, 4096);
            keep(slot(&mut entry.by_client, client), mark.at, LIST_MAX);
        } else {
            entry.lives(id, mark.at);
        }
    }

    #[inline(never)]
    fn greeted(&mut self, id: ConnId, mark: Mark, server: Endpoint, info: &Arc<Info>) {
        let entry = slot(&mut self.servers, server);
        entry.spoke(id, mark.at);
        entry.heard = entry.heard.max(Some(mark.at));
        let same = entry.greeted.back().is_some_and(|last| last.2.server_id == info.server_id);
        entry.alike = if same { entry.alike.saturating_add(1) } else { 1 };
        keep(&mut entry.greeted, (id, mark, Arc::clone(info)), LIST_MAX);
    }

    #[inline(never)]
    fn accepted(&mut self, tracked: &Tracked) {
        let Tracked::Accepted { id, mark, client, server, connect, info, mqtt_id } = tracked else { return };
        let entry = slot(&mut self.servers, *server);
        entry.spoke(*id, mark.at);
        keep_in_order(&mut entry.accepted, (*id, *mark, info.clone(), *client), LIST_MAX, |a| a.1.at);
        if let Some(identity) = identity(connect.as_deref(), mqtt_id.as_deref()) {
            keep(&mut entry.identities, (*id, *mark, identity), LIST_MAX);
        }
    }

    /// An end answered on a connection, which has `ended` already or not.
    #[inline(never)]
    fn answered(
        &mut self,
        (id, mark, ended): (ConnId, Mark, bool),
        by: Side,
        (client, server): (Endpoint, Endpoint),
        ttl: u8,
    ) {
        let (me, peer) = if by == Side::Client { (client, server) } else { (server, client) };
        slot(&mut self.pairs, (me.addr, peer.addr)).add(mark, id, server.port);
        slot(&mut self.hosts, me.addr).add(mark, peer.addr, server.port);
        let shown = (id, mark.frame.capture());
        if let Some(known) = self.ttls.get_mut(&me.addr) {
            known.answered(ttl, shown);
        } else if self.ttls.len() < MAP_MAX {
            self.ttls.insert(me.addr, HostTtl::new(ttl, shown));
        }
        let entry = slot(&mut self.servers, server);
        entry.answers[by] = true;
        if by == Side::Server {
            entry.answered(id, mark.at, ended);
        }
    }

    #[inline(never)]
    fn ending(&mut self, ending: &Ending) {
        let at = ending.mark.at;
        let entry = slot(&mut self.servers, ending.server);
        if let Some(live) = entry.live.remove(&ending.id)
            && ending.goodbye == Some(Side::Server)
            && !(live.mute && entry.mute.contains_key(&ending.id))
        {
            entry.heard = entry.heard.max(Some(at));
        }
        if ending.refused {
            keep_in_order(&mut entry.refused, (ending.id, ending.mark), LIST_MAX, |r| r.1.at);
            keep(&mut self.refusals, (ending.mark, ending.client, ending.server), LIST_MAX);
        } else if ending.goodbye == Some(Side::Server) && ending.by == EndedBy::Goodbye {
            keep_in_order(&mut entry.closed, (ending.id, at), LIST_MAX * 8, |c| c.1);
        }
        if ending.goodbye == Some(Side::Client) && ending.by == EndedBy::Goodbye {
            self.client_closes.add(ending.client.addr, at, ending.id);
        }
        if let Some((silent, since)) = ending.silent {
            let (silent, asks) = if silent == Side::Client {
                (ending.client.addr, ending.server.addr)
            } else {
                (ending.server.addr, ending.client.addr)
            };
            self.silences.add((silent, asks), since, ending.id);
            self.host_silences.add(silent, since, ending.id);
        }
    }

    #[inline(never)]
    fn closed(&mut self, facts: &Facts) {
        if let Some(idle) = facts.idle_at_end().filter(|&idle| idle >= IDLE_LEAST) {
            let (id, server, client) = (facts.first_frame, facts.server, facts.client.addr);
            keep(&mut self.idle_deaths, IdleDeath { id, server, client, idle, at: facts.ended }, LIST_MAX);
        }
        if facts.vantage != Vantage::Unknown {
            if let Some(known) = self.vantages.get_mut(&facts.server) {
                *known = facts.vantage;
            } else if self.vantages.len() < MAP_MAX {
                self.vantages.insert(facts.server, facts.vantage);
            }
        }
    }

    fn forget(&mut self, id: ConnId) {
        self.silences.forget(id);
        self.host_silences.forget(id);
        self.client_closes.forget(id);
        for server in self.servers.values_mut() {
            server.closed.retain(|c| c.0 != id);
        }
    }

    /// Adds the neighbourhood of one close; `until`: how far the input was seen.
    pub fn around(&self, facts: &Facts, until: Timestamp, around: &mut Around) {
        around.seen_until = until;
        let ttl = self.ttls.get(&facts.server.addr);
        around.server_ttl = ttl.map(|t| t.last);
        around.other_server_ttl = ttl.zip(facts.tcp.server.ttl).and_then(|(t, own)| t.beside(own));
        around.vantage = self.vantages.get(&facts.server).copied();
        if let Some(server) = self.servers.get(&facts.server) {
            server.around(facts, around);
        }
        self.around_silence(facts, around);
        around.client_closed_others = self.closed_with(facts);
        around.same_idle_gap = self.same_idle(facts);
        around.refused_behind = self.refused_behind(facts);
    }

    /// Other connections of the client's host that it closed with this one; none where that host closes so many all the time, or
    /// where that is not remembered.
    fn closed_with(&self, facts: &Facts) -> u32 {
        const TOGETHER: Span = Span::millis(100);
        let (client, at) = (facts.client.addr, facts.ended);
        let others = self.client_closes.others(client, facts.first_frame, at, TOGETHER);
        if others == 0 {
            return 0;
        }
        // Its usual: a second is five times as long as "with this one".
        let before = self.client_closes.before(client, at - TOGETHER, Span::secs(1));
        if before.is_some_and(|before| u64::from(others) * 5 > u64::from(before) * 3) { others } else { 0 }
    }

    /// Other ends at the same server, or of the same client host, after about as long a silence. Those of the same moment say
    /// nothing: whatever ended them all may have come at any time.
    fn same_idle(&self, facts: &Facts) -> u32 {
        let Some(idle) = facts.idle_at_end().filter(|&idle| idle >= IDLE_LEAST) else { return 0 };
        let alike = |d: &IdleDeath| (d.idle.0 as f64 - idle.0 as f64).abs() < idle.0 as f64 * 0.1;
        count(self.idle_deaths.iter().filter(|d| {
            d.id != facts.first_frame
                && (d.server == facts.server || d.client == facts.client.addr)
                && alike(d)
                && !near(d.at, facts.ended, Span::millis(1500))
        }))
    }

    /// The server took the connection, said nothing and closed it, right as somebody else's SYN was refused elsewhere: it
    /// passes connections on to where nobody listens.
    fn refused_behind(&self, facts: &Facts) -> Option<(Mark, Endpoint)> {
        if facts.handshake != Handshake::Complete || facts.tcp.server.bytes > 0 {
            return None;
        }
        let refusal = self.refusals.iter().rev().find(|&&(mark, client, server)| {
            server != facts.server
                && client.addr != facts.client.addr
                && mark.at >= facts.start.at
                && mark.at <= facts.ended
                && facts.ended - mark.at < Span::millis(100)
        });
        refusal.map(|r| (r.0, r.2))
    }

    fn around_silence(&self, facts: &Facts, around: &mut Around) {
        let Some((asks, owed)) = Side::BOTH
            .into_iter()
            .filter_map(|s| Some((s, (*facts.tcp[s].unanswered)?)))
            .max_by_key(|(_, u)| u.repeats)
        else {
            return;
        };
        let (me, silent) = (facts.endpoint(asks).addr, facts.endpoint(asks.other()).addr);
        let id = facts.first_frame;
        // An answer counts only between two of the unanswered segments, whoever sent them: later it may be a path that healed.
        let both = Side::BOTH.into_iter().filter_map(|s| *facts.tcp[s].unanswered);
        let (from, to) = both
            .fold((owed.first.at, owed.last.at), |(from, to), u| (from.min(u.first.at), to.max(u.last.at)));
        let answers =
            |by: Addr, to_whom: Addr| self.pairs.get(&(by, to_whom)).and_then(|p| p.by_other(id, from, to));
        if let Some((mark, port)) = answers(silent, me).or_else(|| answers(me, silent)) {
            around.pair_answers = Some(mark);
            around.pair_answers_same_port = port == facts.server.port;
        }
        around.host_answers =
            self.hosts.get(&silent).and_then(|h| h.by_other(me, owed.first.at, owed.last.at)).map(|h| h.0);
        let at = owed.first.at;
        around.pair_silent = self.silences.others((silent, me), id, at, Span::secs(5));
        let host = self.host_silences.others(silent, id, at, Span::secs(5));
        around.host_silent = host.saturating_sub(around.pair_silent);
    }

    /// Whether a greeting, not yet noted, is that of another server than the last one at its endpoint, one never seen
    /// there. While connections of the other live and are heard, both are behind one address: that is no restart.
    #[must_use]
    pub fn restarted(&self, tracked: &Tracked) -> Option<Restart> {
        let Tracked::Greeted { mark, server, info, .. } = tracked else { return None };
        let server = self.servers.get(server)?;
        let before = &server.greeted.back()?.2;
        if before.server_id == info.server_id || before.server_id.is_empty() || info.server_id.is_empty() {
            return None;
        }
        let known = server.greeted.iter().any(|g| g.2.server_id == info.server_id);
        let serves = |id: &ConnId| server.live.get(id).is_some_and(|l| mark.at - l.heard <= Span::secs(2));
        if known || server.greeted.iter().any(|g| serves(&g.0)) {
            return None;
        }
        Some(Restart { before: Arc::clone(before), heard: server.heard })
    }

    /// Drops what is too old to matter; called now and then.
    pub fn prune(&mut self, now: Timestamp) {
        let old = now - MEMORY;
        self.pairs.retain(|_, p| p.last().is_some_and(|at| at > old));
        self.hosts.retain(|_, p| p.last().is_some_and(|at| at > old));
        for server in self.servers.values_mut() {
            server.attempts.retain(|&at| at > now - Span::secs(75));
            server.by_client.retain(|_, times| times.back().is_some_and(|&at| at > now - Span::secs(75)));
            server.closed.retain(|c| c.1 > old);
            server.mute.retain(|_, since| *since > now - Span::secs(180));
        }
        let drop_servers = self.servers.len() > MAP_MAX / 2;
        self.servers.retain(|_, s| {
            !(s.live.is_empty()
                && s.attempts.is_empty()
                && s.closed.is_empty()
                && s.accepted.is_empty()
                && drop_servers)
        });
    }

    /// Whether so many attempts of this client at a server came in a span before `now`, and so many of all clients.
    #[must_use]
    pub fn are_rushes(
        &self,
        (client, server): (Addr, Endpoint),
        now: Timestamp,
        by_client: (usize, Span),
        by_all: (usize, Span),
    ) -> (bool, bool) {
        let Some(server) = self.servers.get(&server) else { return (false, false) };
        let own = server.by_client.get(&client).is_some_and(|times| is_rush(times, now, by_client));
        (own, is_rush(&server.attempts, now, by_all))
    }

    /// Attempts at one server, of one client or of all, in the span before `now`.
    #[must_use]
    pub fn attempts(&self, server: Endpoint, client: Option<Addr>, now: Timestamp, span: Span) -> u32 {
        let Some(server) = self.servers.get(&server) else { return 0 };
        match client {
            Some(client) => server.by_client.get(&client).map_or(0, |times| within(times, now, span)),
            None => within(&server.attempts, now, span),
        }
    }
}

/// The entry, made if need be; where the map is full an arbitrary old one is reused for good.
fn slot<K: Hash + Eq + Copy, V: Default>(map: &mut Map<K, V>, key: K) -> &mut V {
    if map.len() >= MAP_MAX && !map.contains_key(&key) {
        map.clear();
    }
    map.entry(key).or_default()
}
