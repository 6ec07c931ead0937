//! Client identities across connections: which attempts belong to which loss, and what became of it.
//!
//! A client is known by its host until its CONNECT names it. Its losses and attempts form a chain: a lost connection, the
//! attempts that failed, the one that worked. Several clients of one host each have a chain; an attempt goes to the chain
//! that waited longest, until a CONNECT tells better.
use super::{ConnId, Ending, Tracked};
use crate::base::{Addr, Span, Timestamp};
use crate::event::{EndedBy, Reconnect, ReconnectOutcome};
use crate::nats::Connect;
use hashbrown::HashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Chains kept per host.
const CHAINS_MAX: usize = 256;
/// Attempts kept per chain; beyond it they are only counted.
const ATTEMPTS_MAX: usize = 256;
/// Recent connections of a host kept, for ends that show late.
const RECENT_MAX: usize = 128;
/// Hosts kept.
const HOSTS_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Who {
    name: String,
    lang: String,
    user: String,
}

impl Who {
    fn of(connect: &Connect) -> Self {
        Self { name: connect.name.clone(), lang: connect.lang.clone(), user: connect.user.clone() }
    }
}

#[derive(Debug)]
struct Loss {
    id: ConnId,
    at: Timestamp,
    server_id: Option<Arc<str>>,
    /// Attempts of the chain made before this loss.
    before: usize,
    uncounted_before: u32,
}

#[derive(Debug)]
struct Chain {
    who: Option<Who>,
    losses: Vec<Loss>,
    /// Losses not settled.
    open: u32,
    attempts: Vec<(ConnId, Timestamp)>,
    uncounted: u32,
    worked: Option<(ConnId, Timestamp, Option<Arc<str>>)>,
}

#[derive(Debug)]
struct Recent {
    id: ConnId,
    at: Timestamp,
    chain: Option<u64>,
    accepted: Option<(Option<Who>, Option<Arc<str>>)>,
}

#[derive(Debug, Default)]
struct Host {
    chains: BTreeMap<u64, Chain>,
    recent: VecDeque<Recent>,
}

/// All clients.
#[derive(Debug, Default)]
pub struct Clients {
    hosts: HashMap<Addr, Host, foldhash::fast::RandomState>,
    next_chain: u64,
    /// The chain of each loss that is not settled.
    chain_of: HashMap<ConnId, (Addr, u64), foldhash::fast::RandomState>,
}

impl Clients {
    /// One more thing the tracker told.
    pub fn note(&mut self, tracked: &Tracked) {
        match tracked {
            Tracked::Opened { id, mark, client, syn: true, .. } => self.attempt(*id, mark.at, client.addr),
            Tracked::Accepted { id, client, connect, info, .. } => {
                let who = connect.as_deref().map(Who::of);
                let server_id =
                    info.as_ref().filter(|i| !i.server_id.is_empty()).map(|i| i.server_id.as_str().into());
                self.accepted(*id, client.addr, who, server_id);
            }
            Tracked::Ending(ending) => self.ending(ending),
            Tracked::Revived { id } | Tracked::Resumed { id, .. } => {
                let Some((addr, no)) = self.chain_of.remove(id) else { return };
                let chain = self.hosts.get_mut(&addr).and_then(|host| host.chains.get_mut(&no));
                if let Some(chain) = chain {
                    chain.losses.retain(|l| l.id != *id);
                    chain.open = chain.open.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    fn attempt(&mut self, id: ConnId, at: Timestamp, addr: Addr) {
        if self.hosts.len() >= HOSTS_MAX && !self.hosts.contains_key(&addr) {
            self.hosts.retain(|_, h| h.recent.back().is_some_and(|r| at - r.at < Span::secs(120)));
        }
        let host = self.hosts.entry(addr).or_default();
        // The chain whose last sign is oldest waits longest.
        let chain = host
            .chains
            .iter_mut()
            .filter(|(_, c)| c.worked.is_none() && !c.losses.is_empty())
            .min_by_key(|(no, c)| (c.attempts.last().map_or(Timestamp(i64::MIN), |a| a.1), **no));
        let no = chain.map(|(no, chain)| {
            chain.add(id, at);
            *no
        });
        if host.recent.len() >= RECENT_MAX {
            host.recent.pop_front();
        }
        host.recent.push_back(Recent { id, at, chain: no, accepted: None });
    }

    fn accepted(&mut self, id: ConnId, addr: Addr, who: Option<Who>, server_id: Option<Arc<str>>) {
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        let Some(recent) = host.recent.iter_mut().find(|r| r.id == id) else { return };
        recent.accepted = Some((who.clone(), server_id.clone()));
        let at = recent.at;
        let fits = |chain: &Chain| chain.who.is_none() || who.is_none() || chain.who == who;
        let mut no = recent.chain;
        if !no.and_then(|no| host.chains.get(&no)).is_some_and(fits) {
            // The CONNECT tells better: the attempt belongs to another chain of this host, or to none.
            let better = host
                .chains
                .iter()
                .find(|(_, c)| c.worked.is_none() && c.who == who && c.losses.iter().any(|l| l.at <= at))
                .map(|(no, _)| *no);
            if let Some(chain) = no.and_then(|no| host.chains.get_mut(&no)) {
                chain.attempts.retain(|a| a.0 != id);
            }
            if let Some(chain) = better.and_then(|no| host.chains.get_mut(&no)) {
                chain.add(id, at);
            }
            no = better;
            recent.chain = no;
        }
        if let Some(chain) = no.and_then(|no| host.chains.get_mut(&no)) {
            chain.who = chain.who.take().or(who);
            chain.worked.get_or_insert((id, at, server_id));
        }
    }

    fn ending(&mut self, ending: &Ending) {
        if matches!(ending.by, EndedBy::Reused) && !ending.syn {
            return;
        }
        let host = self.hosts.entry(ending.client.addr).or_default();
        let who = ending.connect.as_deref().map(Who::of);
        let server_id: Option<Arc<str>> =
            ending.info.as_ref().filter(|i| !i.server_id.is_empty()).map(|i| i.server_id.as_str().into());
        let mut loss = Loss { id: ending.id, at: ending.lost_at, server_id, before: 0, uncounted_before: 0 };
        // An attempt that failed belongs to the chain it was an attempt of.
        let failed = !ending.accepted;
        let chain_no =
            host.recent.iter().find(|r| r.id == ending.id).and_then(|r| r.chain).filter(|_| failed);
        if let Some(chain) = chain_no.and_then(|no| host.chains.get_mut(&no)).filter(|c| c.worked.is_none()) {
            let own =
                chain.attempts.iter().position(|a| a.0 == ending.id).map_or(chain.attempts.len(), |i| i + 1);
            loss.before = own;
            loss.uncounted_before = if own == chain.attempts.len() { chain.uncounted } else { 0 };
            if chain.losses.len() < ATTEMPTS_MAX {
                chain.losses.push(loss);
                chain.open += 1;
                if let Some(no) = chain_no {
                    self.chain_of.insert(ending.id, (ending.client.addr, no));
                }
            }
            return;
        }
        let no = self.next_chain;
        self.next_chain += 1;
        let mut chain = Chain {
            who: who.clone(),
            losses: Vec::new(),
            open: 1,
            attempts: Vec::new(),
            uncounted: 0,
            worked: None,
        };
        let lost_at = loss.at;
        chain.losses.push(loss);
        // The end may show later than the client noticed: what it tried since belongs here.
        for recent in
            host.recent.iter_mut().filter(|r| r.at >= lost_at && r.chain.is_none() && r.id != ending.id)
        {
            let fits = match &recent.accepted {
                Some((other, _)) => other.is_none() || who.is_none() || *other == who,
                None => true,
            };
            if !fits || chain.worked.is_some() {
                continue;
            }
            recent.chain = Some(no);
            chain.add(recent.id, recent.at);
            if let Some((_, server_id)) = &recent.accepted {
                chain.worked = Some((recent.id, recent.at, server_id.clone()));
            }
        }
        if host.chains.len() >= CHAINS_MAX
            && let Some((_, old)) = host.chains.pop_first()
        {
            old.losses.iter().for_each(|loss| {
                self.chain_of.remove(&loss.id);
            });
        }
        host.chains.insert(no, chain);
        self.chain_of.insert(ending.id, (ending.client.addr, no));
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
        let Some(host) = self.hosts.get_mut(&addr) else { return };
        let Some(chain) = host.chains.get_mut(&no) else { return };
        chain.open = chain.open.saturating_sub(1);
        // Only the newest loss of a chain that goes on trying may still be asked about.
        if chain.open == 0 && (chain.worked.is_some() || chain.attempts.is_empty()) {
            host.chains.remove(&no);
        }
    }

    /// Failed attempts of the same client right before this one.
    #[must_use]
    pub fn failed_before(&self, id: ConnId, addr: Addr) -> u32 {
        let Some(host) = self.hosts.get(&addr) else { return 0 };
        let Some(chain) = host.chains.values().rev().find(|c| c.attempts.iter().any(|a| a.0 == id)) else {
            return 0;
        };
        let place = chain.attempts.iter().position(|a| a.0 == id).unwrap_or(0);
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(chain.uncounted)
    }
}

impl Chain {
    fn add(&mut self, id: ConnId, at: Timestamp) {
        if self.attempts.len() < ATTEMPTS_MAX {
            self.attempts.push((id, at));
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
    }

    fn report(&self, id: ConnId, until: Timestamp) -> Option<Reconnect> {
        let loss = self.losses.iter().find(|l| l.id == id)?;
        let attempts: Vec<Timestamp> = self
            .attempts
            .get(loss.before..)
            .unwrap_or_default()
            .iter()
            .map(|a| a.1)
            .filter(|&at| at >= loss.at && self.worked.as_ref().is_none_or(|w| at <= w.1))
            .collect();
        let last = *attempts.last()?;
        let mut gaps: Vec<i64> =
            attempts.windows(2).filter_map(|w| Some((*w.last()? - *w.first()?).0)).collect();
        gaps.sort_unstable();
        let interval = gaps.get(gaps.len() / 2).map(|&g| Span(g));
        let quiet = until - last;
        let patience = Span(interval.map_or(30_000_000_000, |i| i.0.saturating_mul(4)).max(20_000_000_000));
        let outcome = match &self.worked {
            Some(_) => ReconnectOutcome::Reconnected,
            None if quiet > patience => ReconnectOutcome::GaveUp,
            None => ReconnectOutcome::Trying,
        };
        let count = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        Some(Reconnect {
            attempts: count.saturating_add(self.uncounted.saturating_sub(loss.uncounted_before)),
            interval,
            outcome,
            downtime: self.worked.as_ref().map(|w| w.1 - loss.at),
            server_changed: match (&loss.server_id, self.worked.as_ref().and_then(|w| w.2.as_ref())) {
                (Some(a), Some(b)) => Some(a != b),
                _ => None,
            },
            flow: self.worked.as_ref().map(|w| w.0),
        })
    }
}
