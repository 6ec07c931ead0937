//! Client identities across connections: which attempts belong to which loss, and what became of it.
//!
//! A client is known by its host until its CONNECT names it. Its losses and attempts form a chain: a lost connection, the
//! attempts that failed, the one that worked. Several clients of one host each have a chain; an attempt goes to the chain
//! of the same process, where the kernel tells whose it is, else to that which waited longest, until a CONNECT tells better.
mod chain;
mod herd;

use super::{ConnId, Ending, Tracked};
use crate::base::{Addr, Endpoint, Side, Span, Timestamp};
use crate::event::{Around, EndedBy, Herd, KnownClient, Reconnect, Tried, TriedServer};
use crate::nats::Info;
use chain::{ATTEMPTS_MAX, Announced, Attempt, Chain, Loss, Who, Worked};
use ecow::EcoString;
use hashbrown::HashMap;
use herd::Herds;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;

/// Chains kept per host.
const CHAINS_MAX: usize = 256;
/// Recent connections of a host kept, for ends that show late.
const RECENT_MAX: usize = 128;
/// Hosts kept.
const HOSTS_MAX: usize = 16 * 1024;

#[derive(Debug)]
struct Recent {
    id: ConnId,
    at: Timestamp,
    server: Endpoint,
    chain: Option<u64>,
    /// No other client of the host was waiting, or its process is known: the chain is no guess.
    alone: bool,
    process: Option<NonZeroU32>,
    accepted: Option<(Option<Who>, Option<EcoString>)>,
}

#[derive(Debug, Default)]
struct Host {
    chains: BTreeMap<u64, Box<Chain>>,
    /// Those that wait for a connection that works, the one whose last sign is oldest first.
    waiting: BTreeSet<(Timestamp, u64)>,
    /// In the order of their names.
    recent: VecDeque<Recent>,
}

impl Host {
    /// Changes a chain; since when it waits, if it does, is kept right.
    fn change(&mut self, no: u64, how: impl FnOnce(&mut Chain)) {
        let Some(chain) = self.chains.get_mut(&no) else { return };
        let before = chain.waits_since();
        how(chain);
        let after = chain.waits_since();
        if before != after {
            before.map(|at| self.waiting.remove(&(at, no)));
            after.map(|at| self.waiting.insert((at, no)));
        }
    }

    /// The chain of that process that waits.
    fn waiting_of(&self, process: Option<NonZeroU32>) -> Option<u64> {
        let own = |no: &u64| self.chains.get(no).is_some_and(|chain| chain.process == process);
        process.and_then(|_| self.waiting.iter().map(|&(_, no)| no).find(own))
    }

    fn insert(&mut self, no: u64, chain: Box<Chain>) {
        chain.waits_since().map(|at| self.waiting.insert((at, no)));
        self.chains.insert(no, chain);
    }

    fn remove(&mut self, no: u64) -> Option<Box<Chain>> {
        let chain = self.chains.remove(&no)?;
        chain.waits_since().map(|at| self.waiting.remove(&(at, no)));
        Some(chain)
    }

    fn recent(&self, id: ConnId) -> Option<&Recent> {
        self.recent.get(self.place(id)?)
    }

    fn recent_mut(&mut self, id: ConnId) -> Option<&mut Recent> {
        let place = self.place(id)?;
        self.recent.get_mut(place)
    }

    fn place(&self, id: ConnId) -> Option<usize> {
        self.recent.binary_search_by_key(&id, |r| r.id).ok()
    }

    fn remember(&mut self, recent: Recent) {
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        let place = self.recent.partition_point(|r| r.id <= recent.id);
        self.recent.insert(place, recent);
    }
}

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    hosts: HashMap<Addr, Host, foldhash::fast::RandomState>,
    next_chain: u64,
    /// The chain of each loss that is not settled.
    chain_of: HashMap<ConnId, (Addr, u64), foldhash::fast::RandomState>,
    /// The chain that a connection is an attempt of.
    attempt_of: HashMap<ConnId, u64, foldhash::fast::RandomState>,
    herds: Herds,
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
    pub fn note(&mut self, tracked: &Tracked) {
        match tracked {
            Tracked::Opened { id, mark, client, server, syn: true, process, .. } => {
                let process = process.and_then(NonZeroU32::new);
                self.attempt(*id, mark.at, client.addr, *server, process);
            }
            Tracked::Accepted { id, client, connect, info, .. } => {
                let who = connect.as_deref().map(Who::of);
                self.accepted(*id, client.addr, who, server_id(info.as_deref()));
            }
            Tracked::Ending(ending) => self.ending(ending),
            Tracked::Holds { id, client, subscriptions } => {
                self.holds(*id, client.addr, Some(*subscriptions))
            }
            Tracked::Closed(facts) => {
                self.holds(facts.first_frame, facts.client.addr, facts.nats.held_subscriptions());
            }
            Tracked::Revived { id } | Tracked::Resumed { id, .. } => {
                let Some((addr, no)) = self.chain_of.remove(id) else { return };
                let Some(host) = self.hosts.get_mut(&addr) else { return };
                host.change(no, |chain| {
                    chain.losses.retain(|l| l.id != *id);
                    chain.open = chain.open.saturating_sub(1);
                });
            }
            _ => {}
        }
    }

    /// A connection's subscriptions matter where it is the one that worked; the first word counts.
    fn holds(&mut self, id: ConnId, addr: Addr, subscriptions: Option<u64>) {
        let Some(no) = self.attempt_of.get(&id) else { return };
        let chain = self.hosts.get_mut(&addr).and_then(|host| host.chains.get_mut(no));
        if let Some(worked) = chain.and_then(|chain| chain.worked.as_mut()).filter(|w| w.id == id) {
            worked.held = worked.held.or(subscriptions);
        }
    }

    fn attempt(
        &mut self,
        id: ConnId,
        at: Timestamp,
        addr: Addr,
        server: Endpoint,
        process: Option<NonZeroU32>,
    ) {
        if self.hosts.len() >= HOSTS_MAX && !self.hosts.contains_key(&addr) {
            let attempt_of = &mut self.attempt_of;
            self.hosts.retain(|_, host| {
                let stays = host.recent.back().is_some_and(|r| at - r.at < Span::secs(120));
                if !stays {
                    host.chains.values().flat_map(|chain| chain.ids()).for_each(|id| {
                        attempt_of.remove(&id);
                    });
                }
                stays
            });
        }
        let host = self.hosts.entry(addr).or_default();
        let own = host.waiting_of(process);
        let alone = own.is_some() || host.waiting.len() == 1;
        let no = own.or_else(|| host.waiting.first().map(|&(_, no)| no));
        if let Some(no) = no {
            host.change(no, |chain| {
                if let Some(loss) = chain.losses.first().filter(|_| chain.attempts.is_empty()) {
                    self.herds.note(server, loss.at, at);
                }
                if chain.add(Attempt { id, at, server, outcome: Tried::Unknown }) {
                    self.attempt_of.insert(id, no);
                }
            });
        }
        host.remember(Recent { id, at, server, chain: no, alone, process, accepted: None });
    }

    fn accepted(&mut self, id: ConnId, addr: Addr, who: Option<Who>, server_id: Option<EcoString>) {
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        let Some(recent) = host.recent_mut(id) else { return };
        recent.accepted = Some((who.clone(), server_id.clone()));
        let (at, server, process, mut no) = (recent.at, recent.server, recent.process, recent.chain);
        let fits = |chain: &Chain| chain.may_be(who.as_ref(), process);
        if !no.and_then(|no| host.chains.get(&no)).is_some_and(|chain| fits(chain)) {
            // The CONNECT tells better: the attempt belongs to another chain of this host, or to none.
            let better = host
                .chains
                .iter()
                .filter(|(_, c)| c.may_be(who.as_ref(), process))
                .find(|(_, c)| c.worked.is_none() && c.who == who && c.losses.iter().any(|l| l.at <= at))
                .map(|(no, _)| *no);
            if let Some(no) = no {
                host.change(no, |chain| chain.attempts.retain(|a| a.id != id));
                self.attempt_of.remove(&id);
            }
            if let Some(no) = better {
                host.change(no, |chain| {
                    chain.add(Attempt { id, at, server, outcome: Tried::Accepted });
                });
            }
            no = better;
            if let Some(recent) = host.recent_mut(id) {
                recent.chain = no;
            }
        }
        if let Some(no) = no {
            host.change(no, |chain| {
                chain.who = chain.who.take().or(who);
                chain.came_to(id, Tried::Accepted);
                chain.worked.get_or_insert(Worked { id, at, server_id, held: None });
                if chain.ids().any(|known| known == id) {
                    self.attempt_of.insert(id, no);
                }
            });
        }
    }

    fn ending(&mut self, ending: &Ending) {
        if matches!(ending.by, EndedBy::Reused) && !ending.syn {
            return;
        }
        let server_id = server_id(ending.info.as_deref());
        let loss = Loss { id: ending.id, at: ending.lost_at, server_id, before: 0, uncounted_before: 0 };
        let host = self.hosts.entry(ending.client.addr).or_default();
        // An attempt that failed belongs to the chain it was an attempt of.
        let failed = !ending.accepted;
        let no = host.recent(ending.id).and_then(|r| r.chain).filter(|_| failed);
        // Its end may show after another attempt has worked.
        let before = |c: &Chain| {
            c.worked.as_ref().is_none_or(|w| c.attempts.iter().any(|a| a.id == ending.id && a.at <= w.at))
        };
        match no.filter(|no| host.chains.get(no).is_some_and(|chain| before(chain))) {
            Some(no) => self.failed(ending, loss, no),
            None => self.lost(ending, loss),
        }
    }

    /// An attempt of a chain failed: one more loss of it.
    fn failed(&mut self, ending: &Ending, mut loss: Loss, no: u64) {
        let addr = ending.client.addr;
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        host.change(no, |chain| {
            chain.came_to(ending.id, tried(ending));
            let own =
                chain.attempts.iter().position(|a| a.id == ending.id).map_or(chain.attempts.len(), |i| i + 1);
            loss.before = own;
            loss.uncounted_before = if own == chain.attempts.len() { chain.uncounted } else { 0 };
            if chain.losses.len() < ATTEMPTS_MAX {
                chain.losses.push(loss);
                chain.open += 1;
                self.chain_of.insert(ending.id, (addr, no));
            }
        });
    }

    /// A chain begins with this loss.
    fn lost(&mut self, ending: &Ending, loss: Loss) {
        let Some(host) = self.hosts.get_mut(&ending.client.addr) else { return };
        let who = ending.connect.as_deref().map(Who::of);
        let no = self.next_chain;
        self.next_chain += 1;
        let lost_at = loss.at;
        let mut chain = Box::new(Chain {
            who,
            process: ending.process.and_then(NonZeroU32::new),
            version: ending.connect.as_ref().map(|c| c.version.clone()).unwrap_or_default(),
            announced: Some(Announced {
                by: ending.server,
                info: ending.info.clone(),
                later: ending.connect_urls.clone(),
            }),
            losses: vec![loss],
            open: 1,
            attempts: Vec::new(),
            uncounted: 0,
            worked: None,
        });
        // The end may show later than the client noticed: what it tried since belongs here.
        let since = host.recent.partition_point(|r| r.at < lost_at);
        for recent in host.recent.range_mut(since..).filter(|r| r.chain.is_none() && r.id != ending.id) {
            let fits = match &recent.accepted {
                Some((other, _)) => chain.may_be(other.as_ref(), recent.process),
                None => true,
            };
            if !fits || chain.worked.is_some() {
                continue;
            }
            recent.chain = Some(no);
            let server = recent.server;
            let outcome = if recent.accepted.is_some() { Tried::Accepted } else { Tried::Unknown };
            chain.add(Attempt { id: recent.id, at: recent.at, server, outcome });
            if let Some((_, server_id)) = &recent.accepted {
                let server_id = server_id.clone();
                chain.worked = Some(Worked { id: recent.id, at: recent.at, server_id, held: None });
            }
        }
        if host.chains.len() >= CHAINS_MAX
            && let Some(&oldest) = host.chains.keys().next()
        {
            self.drop_chain(ending.client.addr, oldest);
        }
        self.attempt_of.extend(chain.ids().map(|id| (id, no)));
        if let Some(host) = self.hosts.get_mut(&ending.client.addr) {
            host.insert(no, chain);
            self.chain_of.insert(ending.id, (ending.client.addr, no));
        }
    }

    /// Forgets a chain and all that leads to it.
    fn drop_chain(&mut self, addr: Addr, no: u64) {
        let Some(chain) = self.hosts.get_mut(&addr).and_then(|host| host.remove(no)) else { return };
        for loss in &chain.losses {
            self.chain_of.remove(&loss.id);
        }
        for id in chain.ids() {
            self.attempt_of.remove(&id);
        }
    }

    /// What became of the client that lost `id`, as far as known; `None` where it did nothing.
    #[must_use]
    pub fn reconnect(&self, id: ConnId, addr: Addr, until: Timestamp) -> Option<Reconnect> {
        let (_, no) = self.chain_of.get(&id)?;
        self.hosts.get(&addr)?.chains.get(no)?.report(id, until)
    }

    /// A loss is settled: its chain is dropped once nobody asks for it.
    pub fn settled(&mut self, id: ConnId, addr: Addr) {
        let Some((_, no)) = self.chain_of.remove(&id) else { return };
        let chain = self.hosts.get_mut(&addr).and_then(|host| host.chains.get_mut(&no));
        let Some(chain) = chain else { return };
        chain.open = chain.open.saturating_sub(1);
        // Only the newest loss of a chain that goes on trying may still be asked about.
        if chain.open == 0 && (chain.worked.is_some() || chain.attempts.is_empty()) {
            self.drop_chain(addr, no);
        }
    }

    /// Failed attempts of the same client right before this one.
    fn failed_before(&self, id: ConnId, addr: Addr) -> u32 {
        let chain = self.attempt_of.get(&id).and_then(|no| self.hosts.get(&addr)?.chains.get(no));
        let place = chain.and_then(|chain| chain.attempts.iter().position(|a| a.id == id));
        let (Some(chain), Some(place)) = (chain, place) else { return 0 };
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(chain.uncounted)
    }

    /// The connection that worked after the loss of `id`.
    #[must_use]
    pub fn came_back(&self, id: ConnId, addr: Addr) -> Option<NewConnection> {
        let (_, no) = self.chain_of.get(&id)?;
        let chain = self.hosts.get(&addr)?.chains.get(no)?;
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
        let Some(chain) = recent.chain.and_then(|no| host.chains.get(&no)) else { return };
        let told = chain.announced.as_ref().filter(|a| a.by != server && a.names(server));
        around.announced_by = told.map(|a| a.by);
        around.client = chain.who.as_ref().filter(|_| recent.alone).map(|who| KnownClient {
            name: who.name.clone(),
            lang: who.lang.clone(),
            version: chain.version.clone(),
            user: who.user.clone(),
        });
    }
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

/// What an attempt that failed came to.
fn tried(ending: &Ending) -> Tried {
    match (ending.refused, ending.goodbye) {
        (true, _) => Tried::Refused,
        (_, Some(Side::Server)) => Tried::TurnedAway,
        (_, Some(Side::Client)) => Tried::Left,
        (_, None) if ending.by == EndedBy::Reused => Tried::Unknown,
        (_, None) => Tried::Unanswered,
    }
}
