//! Client identities across connections: which attempts belong to which loss, and what became of it.
//!
//! A client is known by its host until its CONNECT names it. Its losses and attempts form a chain: a lost connection, the
//! attempts that failed, the one that worked. Several clients of one host each have a chain; an attempt goes to the chain
//! of the same process, where the kernel tells whose it is, else to that which waited longest, until a CONNECT tells better.
mod chain;
mod herd;
mod host;

use super::{ConnId, Ending, Tracked};
use crate::base::{Addr, Endpoint, Timestamp};
use crate::event::{Around, EndedBy, Herd, KnownClient, Reconnect, Tried, TriedServer};
use crate::nats::{Connect, Info};
use chain::{Attempt, Chain, Loss, Who, Worked};
use ecow::EcoString;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use herd::Herds;
use host::{Host, Recent, Ways};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Hosts, and connections that they remember, before some are forgotten: of a flood half are hosts, and a few thousand more have
/// chains alone. As many as seven sixteenths of a power of two are, a map of which entries come and go doesn't grow beyond it.
const REMEMBERED_MAX: usize = 25_000;
/// Of a host whose client lost a connection so many of the youngest stay.
const YOUNGEST: usize = 8;
/// Hosts that are looked at in turn for it.
const LOOKED_AT: usize = 4;
/// What is kept in the chains of all hosts, by [`Chain::size`]: 48 octets each or so.
const SIZE_MAX: usize = 256 * 1024;
/// Chains that are gone and still have their turn, before they are looked for.
const GONE_MAX: usize = 1024;

/// Where many come and go a map grows to twice what it holds: hosts stand apart from it.
type Hosts = HashMap<Addr, Box<Host>, foldhash::fast::RandomState>;

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    hosts: Hosts,
    next_chain: u64,
    ways: Ways,
    herds: Herds,
    /// All hosts, in turn.
    turns: VecDeque<Addr>,
    /// Connections that hosts remember.
    recent: usize,
    /// All chains by their age; some are gone already.
    order: VecDeque<(u64, Addr)>,
    /// Chains that were forgotten for want of room.
    forgotten: u64,
}

/// The connection that worked after a loss.
#[derive(Clone, Copy, Debug)]
pub struct NewConnection {
    /// Its SYN.
    pub since: Timestamp,
    /// Subscriptions it holds, as soon as that is known.
    pub held: Option<u64>,
    /// What became of every attempt before it is known.
    pub settled: bool,
}

impl Clients {
    /// One more thing the tracker told.
    #[inline(always)]
    pub fn note(&mut self, tracked: &Tracked) {
        match tracked {
            Tracked::Opened { id, mark, client, server, syn: true, process, .. } => {
                self.attempt(*id, mark.at, client.addr, *server, process.and_then(NonZeroU32::new));
            }
            Tracked::Accepted { id, client, connect, info, .. } => {
                self.accepted(*id, client.addr, connect.as_ref(), info.as_deref());
            }
            Tracked::Ending(ending) => self.ending(ending),
            Tracked::Holds { id, client, subscriptions } => {
                self.holds(*id, client.addr, Some(*subscriptions))
            }
            Tracked::Closed(facts) => {
                self.holds(facts.first_frame, facts.client.addr, facts.nats.held_subscriptions());
            }
            Tracked::Revived { id } | Tracked::Resumed { id, .. } => self.lives_on(*id),
            _ => {}
        }
    }

    /// It was not lost after all.
    #[cold]
    fn lives_on(&mut self, id: ConnId) {
        let Some((addr, no)) = self.ways.lost.remove(&id) else { return };
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        host.change(no, &mut self.ways, |chain, _| {
            chain.losses.retain(|l| l.id != id);
            chain.open = chain.open.saturating_sub(1);
        });
    }

    /// A connection's subscriptions matter where it is the one that worked; the first word counts.
    #[inline(never)]
    fn holds(&mut self, id: ConnId, addr: Addr, subscriptions: Option<u64>) {
        let Some(&no) = self.ways.tried.get(&id) else { return };
        let chain = self.hosts.get_mut(&addr).and_then(|host| host.chain_mut(no));
        if let Some(worked) = chain.and_then(|chain| chain.worked.as_mut()).filter(|w| w.id == id) {
            worked.held = worked.held.or(subscriptions);
        }
    }

    #[inline(never)]
    fn attempt(
        &mut self,
        id: ConnId,
        at: Timestamp,
        addr: Addr,
        server: Endpoint,
        process: Option<NonZeroU32>,
    ) {
        let host = host_at(&mut self.hosts, &mut self.turns, addr);
        let own = host.waiting_of(process);
        let alone = own.is_some() || host.waiting.len() == 1;
        let no = own.or_else(|| host.waiting.front().map(|&(_, no)| no));
        if let Some(no) = no {
            host.change(no, &mut self.ways, |chain, ways| {
                if let Some(loss) = chain.losses.first().filter(|_| chain.attempts.is_empty()) {
                    self.herds.note(server, loss.at, at);
                }
                if chain.add(Attempt { id, at, server, outcome: Tried::Unknown }) {
                    ways.tried.insert(id, no);
                }
            });
        }
        let more = host.remember(Recent { id, at, server, chain: no, alone, process, accepted: None });
        self.recent += usize::from(more);
        self.make_room();
    }

    /// Hosts in turn forget half of the connections that they remember. Those whose clients lost none, as in a flood, forget all in
    /// the end.
    fn forget_connections(&mut self) {
        for _ in 0..LOOKED_AT {
            if self.recent + self.hosts.len() <= REMEMBERED_MAX {
                return;
            }
            let Some(addr) = self.turns.pop_front() else { return };
            let Entry::Occupied(mut host) = self.hosts.entry(addr) else { continue };
            let least = if host.get().chains.is_empty() { 0 } else { YOUNGEST };
            self.recent -= host.get_mut().forget_half(least);
            if host.get().is_empty() {
                host.remove();
            } else {
                self.turns.push_back(addr);
            }
        }
    }

    /// Of all hosts' chains the oldest give way.
    fn make_room(&mut self) {
        self.forget_connections();
        while self.ways.size > SIZE_MAX {
            let Some((no, addr)) = self.order.pop_front() else { return };
            if self.hosts.get(&addr).is_some_and(|host| host.chain(no).is_some()) {
                self.drop_chain(no, addr);
                self.forgotten += 1;
            }
        }
        if self.order.len() > 2 * self.ways.chains + GONE_MAX {
            let hosts = &self.hosts;
            self.order.retain(|(no, addr)| hosts.get(addr).is_some_and(|host| host.chain(*no).is_some()));
        }
    }

    fn drop_chain(&mut self, no: u64, addr: Addr) {
        if let Some(host) = self.hosts.get_mut(&addr) {
            host.drop_chain(no, &mut self.ways);
        }
    }

    /// An attempt that nobody answered, of which nothing else is told.
    pub fn unanswered(&mut self, id: ConnId, addr: Addr) {
        let Some(&no) = self.ways.tried.get(&id) else { return };
        if let Some(chain) = self.hosts.get_mut(&addr).and_then(|host| host.chain_mut(no)) {
            chain.came_to(id, Tried::Unanswered);
        }
    }

    /// Chains that were forgotten for want of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    #[inline(never)]
    fn accepted(&mut self, id: ConnId, addr: Addr, connect: Option<&Arc<Connect>>, info: Option<&Info>) {
        let (who, server_id) = (connect.cloned().map(Who), server_id(info));
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        let Some(recent) = host.recent_mut(id) else { return };
        recent.accepted = Some((who.clone(), server_id.clone()));
        let (at, server, process, mut no) = (recent.at, recent.server, recent.process, recent.chain);
        let fits = |chain: &Chain| chain.may_be(who.as_ref(), process);
        if !no.and_then(|no| host.chain(no)).is_some_and(fits) {
            // The CONNECT tells better: the attempt belongs to another chain of this host, or to none.
            let better = host
                .chains
                .iter()
                .filter(|(_, c)| c.may_be(who.as_ref(), process))
                .find(|(_, c)| c.worked.is_none() && c.who == who && c.losses.iter().any(|l| l.at <= at))
                .map(|(no, _)| *no);
            if let Some(no) = no {
                host.change(no, &mut self.ways, |chain, _| chain.attempts.retain(|a| a.id != id));
                self.ways.tried.remove(&id);
            }
            if let Some(no) = better {
                host.change(no, &mut self.ways, |chain, _| {
                    chain.add(Attempt { id, at, server, outcome: Tried::Accepted });
                });
            }
            no = better;
            if let Some(recent) = host.recent_mut(id) {
                recent.chain = no;
            }
        }
        if let Some(no) = no {
            host.change(no, &mut self.ways, |chain, ways| {
                chain.who = chain.who.take().or(who);
                chain.came_to(id, Tried::Accepted);
                chain.worked.get_or_insert_with(|| Box::new(Worked { id, at, server_id, held: None }));
                if chain.ids().any(|known| known == id) {
                    ways.tried.insert(id, no);
                }
            });
        }
    }

    #[inline(never)]
    fn ending(&mut self, ending: &Ending) {
        if matches!(ending.by, EndedBy::Reused) && !ending.syn {
            return;
        }
        let server_id = server_id(ending.info.as_deref());
        let loss = Loss { id: ending.id, at: ending.lost_at, server_id, before: 0, uncounted_before: 0 };
        let host = host_at(&mut self.hosts, &mut self.turns, ending.client.addr);
        // An attempt that failed belongs to the chain it was an attempt of.
        let failed = !ending.accepted;
        let no = host.recent(ending.id).and_then(|r| r.chain).filter(|_| failed);
        // Its end may show after another attempt has worked.
        let before = |c: &Chain| {
            c.worked.as_ref().is_none_or(|w| c.attempts.iter().any(|a| a.id == ending.id && a.at <= w.at))
        };
        match no.filter(|&no| host.chain(no).is_some_and(before)) {
            Some(no) => host.failed(ending, loss, no, &mut self.ways),
            None => {
                host.lost(ending, loss, self.next_chain, &mut self.ways);
                self.order.push_back((self.next_chain, ending.client.addr));
                self.next_chain += 1;
            }
        }
        self.make_room();
    }

    /// What became of the client that lost `id`, as far as known; `None` where it did nothing.
    #[must_use]
    pub fn reconnect(&self, id: ConnId, addr: Addr, until: Timestamp) -> Option<Reconnect> {
        let &(_, no) = self.ways.lost.get(&id)?;
        self.hosts.get(&addr)?.chain(no)?.report(id, until)
    }

    /// A loss is settled: its chain is dropped once nobody asks for it.
    pub fn settled(&mut self, id: ConnId, addr: Addr) {
        let Some((_, no)) = self.ways.lost.remove(&id) else { return };
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        let Some(chain) = host.chain_mut(no) else { return };
        chain.open = chain.open.saturating_sub(1);
        // Only the newest loss of a chain that goes on trying may still be asked about.
        if chain.open == 0 && (chain.worked.is_some() || chain.attempts.is_empty()) {
            self.drop_chain(no, addr);
        }
    }

    /// Failed attempts of the same client right before this one.
    fn failed_before(&self, id: ConnId, addr: Addr) -> u32 {
        let chain = self.ways.tried.get(&id).and_then(|&no| self.hosts.get(&addr)?.chain(no));
        let place = chain.and_then(|chain| chain.attempts.iter().position(|a| a.id == id));
        let (Some(chain), Some(place)) = (chain, place) else { return 0 };
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(chain.uncounted)
    }

    /// The connection that worked after the loss of `id`.
    #[must_use]
    pub fn came_back(&self, id: ConnId, addr: Addr) -> Option<NewConnection> {
        let &(_, no) = self.ways.lost.get(&id)?;
        let chain = self.hosts.get(&addr)?.chain(no)?;
        let worked = chain.worked.as_ref()?;
        let settled = chain.attempts.iter().all(|a| a.outcome != Tried::Unknown || a.at >= worked.at);
        Some(NewConnection { since: worked.at, held: worked.held, settled })
    }

    /// Clients that lost their connections together and come to this server about then.
    #[must_use]
    pub fn herd(&self, server: Endpoint, at: Timestamp) -> Option<Herd> {
        self.herds.about(server, at)
    }

    /// What the client's history adds to the surroundings of this connection's end.
    pub fn around(&self, id: ConnId, ends: (Endpoint, Endpoint), around: &mut Around) {
        let (client, server) = ends;
        around.failed_attempts_before = self.failed_before(id, client.addr);
        let Some(host) = self.hosts.get(&client.addr) else { return };
        let Some(recent) = host.recent(id) else { return };
        let Some(chain) = recent.chain.and_then(|no| host.chain(no)) else { return };
        let told = chain.announced.as_ref().filter(|a| a.by != server && a.names(server));
        around.announced_by = told.map(|a| a.by);
        around.client = chain.who.as_ref().filter(|_| recent.alone).map(|who| KnownClient {
            name: who.0.name.clone(),
            lang: who.0.lang.clone(),
            version: if chain.version_known { who.0.version.clone() } else { EcoString::new() },
            user: who.0.user.clone(),
        });
    }
}

/// What is known of a host; one that was unknown gets a turn.
fn host_at<'a>(hosts: &'a mut Hosts, turns: &mut VecDeque<Addr>, addr: Addr) -> &'a mut Host {
    hosts.entry(addr).or_insert_with(|| {
        turns.push_back(addr);
        Box::default()
    })
}

/// Which of these servers INFO named, told by the lost connection itself.
pub fn mark_announced(servers: &mut [TriedServer], urls: &[String]) {
    for tried in servers {
        tried.announced |= chain::names(urls, tried.server);
    }
}

/// Who says so in INFO.
fn server_id(info: Option<&Info>) -> Option<EcoString> {
    info.filter(|i| !i.server_id.is_empty()).map(|i| i.server_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Mark;

    fn host(n: u64) -> Endpoint {
        let [.., b, c, d] = n.to_be_bytes();
        Endpoint { addr: Addr::v4([10, b, c, d]), port: 40_000 }
    }

    const SERVER: Endpoint = Endpoint { addr: Addr::v4([10, 200, 0, 1]), port: 4222 };

    fn attempt(clients: &mut Clients, id: ConnId, at: i64, client: Endpoint) {
        let mark = Mark { at: Timestamp(at), ..Mark::default() };
        let (process, first) = (None, None);
        clients.note(&Tracked::Opened { id, mark, client, server: SERVER, syn: true, first, process });
    }

    fn lost(clients: &mut Clients, id: ConnId, at: i64, client: Endpoint) {
        let mark = Mark { at: Timestamp(at), ..Mark::default() };
        clients.note(&Tracked::Ending(Ending {
            id,
            mark,
            by: EndedBy::Goodbye,
            goodbye: Some(crate::base::Side::Server),
            refused: false,
            client,
            server: SERVER,
            lost_at: mark.at,
            silent: None,
            accepted: true,
            syn: true,
            process: None,
            connect: None,
            info: None,
            connect_urls: None,
        }));
    }

    /// What is counted is what is there.
    fn check(clients: &Clients) {
        let chains = || clients.hosts.values().flat_map(|host| &host.chains).map(|(_, chain)| chain);
        assert_eq!(clients.ways.chains, chains().count());
        assert_eq!(clients.ways.size, chains().map(|chain| chain.size()).sum::<usize>());
        assert_eq!(clients.ways.lost.len(), chains().map(|chain| chain.losses.len()).sum::<usize>());
        assert!(clients.ways.tried.len() <= chains().map(|chain| chain.ids().count()).sum::<usize>());
        assert_eq!(clients.recent, clients.hosts.values().map(|host| host.recent.len()).sum::<usize>());
        assert_eq!(clients.turns.len(), clients.hosts.len());
    }

    #[test]
    fn hosts_that_try_once_are_forgotten_clients_that_lost_a_connection_are_not() {
        let mut clients = Clients::default();
        attempt(&mut clients, 1, 0, host(0));
        lost(&mut clients, 1, 1_000, host(0));
        attempt(&mut clients, 2, 2_000, host(0));
        for n in 3..3 * REMEMBERED_MAX as u64 {
            attempt(&mut clients, n, n as i64 * 1_000, host(n));
        }
        check(&clients);
        assert!(clients.recent + clients.hosts.len() <= REMEMBERED_MAX + 1);
        assert!(clients.hosts.len() > REMEMBERED_MAX / 2 - 2 && clients.forgotten() == 0);
        let report = clients.reconnect(1, host(0).addr, Timestamp(4_000));
        assert_eq!(report.map(|report| report.attempts), Some(1));
        assert!(clients.hosts.get(&host(0).addr).is_some_and(|host| host.recent(2).is_some()));
    }

    #[test]
    fn many_hosts_that_go_on_trying_remember_less() {
        let (mut clients, mut id) = (Clients::default(), 0);
        for round in 0..40 {
            for n in 0..2_000 {
                id += 1;
                attempt(&mut clients, id, i64::from(round) * 1_000_000_000, host(n));
            }
        }
        check(&clients);
        assert!(clients.hosts.len() == 2_000 && clients.recent <= REMEMBERED_MAX);
    }

    #[test]
    fn of_all_chains_the_oldest_give_way() {
        let (mut clients, mut id) = (Clients::default(), 0);
        let many = SIZE_MAX as u64 / 6 + 1_000;
        for n in 0..many {
            let at = n as i64 * 1_000_000;
            lost(&mut clients, id + 1, at, host(n));
            attempt(&mut clients, id + 2, at + 500_000, host(n));
            id += 2;
        }
        check(&clients);
        assert!(clients.ways.size <= SIZE_MAX && clients.ways.size > SIZE_MAX - 8);
        assert_eq!(clients.forgotten() + clients.ways.chains as u64, many);
        let known = |n: u64| clients.reconnect(2 * n + 1, host(n).addr, Timestamp(i64::MAX)).is_some();
        assert!(!known(0) && !known(900) && known(1_100) && known(many - 1));
        // Those that are asked for no more leave nothing.
        for n in 0..many {
            attempt(&mut clients, id + 1, i64::MAX / 2, host(n));
            let (client, server, mark) = (host(n), SERVER, Mark::default());
            let (connect, info, mqtt_id) = (None, None, None);
            clients.note(&Tracked::Accepted { id: id + 1, mark, client, server, connect, info, mqtt_id });
            clients.settled(2 * n + 1, host(n).addr);
            id += 1;
        }
        check(&clients);
        assert!(clients.ways.chains == 0 && clients.order.len() <= GONE_MAX + many as usize);
        assert!(clients.recent + clients.hosts.len() <= REMEMBERED_MAX + LOOKED_AT);
    }

    #[test]
    fn a_client_that_goes_on_trying_is_counted_right() {
        let mut clients = Clients::default();
        for n in 0..2_000 {
            let (id, at) = (n * 2 + 1, n as i64 * 1_000_000_000);
            attempt(&mut clients, id, at, host(n % 3));
            if n % 7 == 0 {
                lost(&mut clients, id, at + 1_000, host(n % 3));
            }
            if n % 35 == 0 {
                clients.note(&Tracked::Revived { id });
            }
            check(&clients);
        }
    }
}
