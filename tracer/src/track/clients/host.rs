//! One host's clients: their chains, which of them wait, and the host's recent connections.
use super::chain::{ATTEMPTS_MAX, Announced, Attempt, Chain, Loss, Who, Worked};
use crate::base::{Addr, Endpoint, Side, Timestamp};
use crate::event::{EndedBy, Tried};
use crate::track::{ConnId, Ending};
use ecow::EcoString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::num::NonZeroU32;

/// Chains kept per host.
const CHAINS_MAX: usize = 256;
/// Recent connections of a host kept, for ends that show late.
const RECENT_MAX: usize = 128;

/// Chains that are gone whose memory is kept.
const SPARE_MAX: usize = 64;

/// A connection of a host that began lately.
#[derive(Debug)]
pub(super) struct Recent {
    pub id: ConnId,
    pub at: Timestamp,
    pub server: Endpoint,
    pub chain: Option<u64>,
    /// No other client of the host was waiting, or its process is known: the chain is no guess.
    pub alone: bool,
    pub process: Option<NonZeroU32>,
    pub accepted: Option<(Option<Who>, Option<EcoString>)>,
}

/// What is known of a host's clients.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// In the order of their numbers, which is that of their first losses.
    pub chains: VecDeque<(u64, Box<Chain>)>,
    /// Those that wait for a connection that works, in order: the one whose last sign is oldest first.
    pub waiting: VecDeque<(Timestamp, u64)>,
    /// In the order of their names.
    pub recent: VecDeque<Recent>,
}

impl Host {
    /// Nothing is known of it any more.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.recent.is_empty()
    }

    /// The older half of its connections is forgotten, `least` stay. How many those are.
    pub fn forget_half(&mut self, least: usize) -> usize {
        let stay = (self.recent.len() / 2).max(least).min(self.recent.len());
        let forgotten = self.recent.len() - stay;
        self.recent.drain(..forgotten);
        self.recent.shrink_to(2 * stay);
        forgotten
    }

    pub fn chain(&self, no: u64) -> Option<&Chain> {
        self.chains.get(self.chain_place(no)?).map(|(_, chain)| &**chain)
    }

    pub fn chain_mut(&mut self, no: u64) -> Option<&mut Chain> {
        let place = self.chain_place(no)?;
        self.chains.get_mut(place).map(|(_, chain)| &mut **chain)
    }

    /// Where nearly all are of one host, their numbers follow each other; and none can stand further behind than there.
    fn chain_place(&self, no: u64) -> Option<usize> {
        let farthest = usize::try_from(no.checked_sub(self.chains.front()?.0)?).unwrap_or(usize::MAX);
        if self.chains.get(farthest).is_some_and(|chain| chain.0 == no) {
            return Some(farthest);
        }
        self.chains.binary_search_by_key(&no, |(no, _)| *no).ok()
    }

    /// Changes a chain; since when it waits, if it does, and how much is in all chains are kept right.
    pub fn change(&mut self, no: u64, ways: &mut Ways, how: impl FnOnce(&mut Chain, &mut Ways)) {
        let Some(chain) = self.chain_mut(no) else { return };
        let (before, size) = (chain.waits_since(), chain.size());
        how(chain, ways);
        ways.size = (ways.size + chain.size()).saturating_sub(size);
        let after = chain.waits_since();
        if before != after {
            self.waits_no_more(no, before);
            self.waits(no, after);
        }
    }

    fn waits(&mut self, no: u64, since: Option<Timestamp>) {
        let Some(since) = since else { return };
        if self.waiting.back().is_none_or(|last| *last < (since, no)) {
            self.waiting.push_back((since, no));
        } else if let Err(place) = self.waiting.binary_search(&(since, no)) {
            self.waiting.insert(place, (since, no));
        }
    }

    fn waits_no_more(&mut self, no: u64, since: Option<Timestamp>) {
        let Some(since) = since else { return };
        // Whoever waited longest is the one that is thought to come.
        if self.waiting.front() == Some(&(since, no)) {
            self.waiting.pop_front();
        } else if let Ok(place) = self.waiting.binary_search(&(since, no)) {
            self.waiting.remove(place);
        }
    }

    /// The chain of that process that waits.
    pub fn waiting_of(&self, process: Option<NonZeroU32>) -> Option<u64> {
        let own = |no: &u64| self.chain(*no).is_some_and(|chain| chain.process == process);
        process.and_then(|_| self.waiting.iter().map(|&(_, no)| no).find(own))
    }

    /// One more chain, whose number is higher than those before.
    fn push(&mut self, no: u64, chain: Box<Chain>) {
        self.waits(no, chain.waits_since());
        self.chains.push_back((no, chain));
    }

    fn remove(&mut self, no: u64) -> Option<Box<Chain>> {
        let (_, chain) = match self.chain_place(no)? {
            0 => self.chains.pop_front(),
            place => self.chains.remove(place),
        }?;
        self.waits_no_more(no, chain.waits_since());
        Some(chain)
    }

    pub fn recent(&self, id: ConnId) -> Option<&Recent> {
        self.recent.get(self.place(id)?)
    }

    pub fn recent_mut(&mut self, id: ConnId) -> Option<&mut Recent> {
        let place = self.place(id)?;
        self.recent.get_mut(place)
    }

    fn place(&self, id: ConnId) -> Option<usize> {
        self.recent.binary_search_by_key(&id, |r| r.id).ok()
    }

    /// One more connection. `false`: another one is forgotten for it.
    pub fn remember(&mut self, recent: Recent) -> bool {
        let more = self.recent.len() < RECENT_MAX;
        if !more {
            self.recent.pop_front();
        }
        let known = self.recent.len();
        if known == self.recent.capacity() {
            // To twice as many, from one on: of the hosts of a flood most come once or twice, and the least else is four.
            self.recent.reserve_exact(known.max(1));
        }
        if self.recent.back().is_none_or(|last| last.id <= recent.id) {
            self.recent.push_back(recent);
        } else {
            let place = self.recent.partition_point(|r| r.id <= recent.id);
            self.recent.insert(place, recent);
        }
        more
    }

    /// An attempt of a chain failed: one more loss of it.
    pub fn failed(&mut self, ending: &Ending, mut loss: Loss, no: u64, ways: &mut Ways) {
        let addr = ending.client.addr;
        self.change(no, ways, |chain, ways| {
            chain.came_to(ending.id, tried(ending));
            let own =
                chain.attempts.iter().position(|a| a.id == ending.id).map_or(chain.attempts.len(), |i| i + 1);
            loss.before = own as u32;
            loss.uncounted_before = if own == chain.attempts.len() { chain.uncounted } else { 0 };
            if chain.losses.len() < ATTEMPTS_MAX {
                chain.losses.push(loss);
                chain.open += 1;
                ways.lost.insert(ending.id, (addr, no));
            }
        });
    }

    /// Chain `no` begins with this loss.
    pub fn lost(&mut self, ending: &Ending, loss: Loss, no: u64, ways: &mut Ways) {
        let who = ending.connect.clone().map(Who);
        let lost_at = loss.at;
        let mut chain = ways.spare.pop().unwrap_or_default();
        chain.version_known = who.is_some();
        chain.who = who;
        chain.process = ending.process.and_then(NonZeroU32::new);
        chain.announced = Announced::of(ending).map(Box::new);
        chain.losses.push(loss);
        chain.open = 1;
        // The end may show later than the client noticed: what it tried since belongs here.
        let since = self.recent.partition_point(|r| r.at < lost_at);
        for recent in self.recent.range_mut(since..).filter(|r| r.chain.is_none() && r.id != ending.id) {
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
                let worked = Worked { id: recent.id, at: recent.at, server_id, held: None };
                chain.worked = Some(Box::new(worked));
            }
        }
        if self.chains.len() >= CHAINS_MAX
            && let Some(&(oldest, _)) = self.chains.front()
        {
            self.drop_chain(oldest, ways);
        }
        ways.lead_to(no, &chain);
        ways.lost.insert(ending.id, (ending.client.addr, no));
        self.push(no, chain);
    }

    /// Forgets a chain and all that leads to it.
    pub fn drop_chain(&mut self, no: u64, ways: &mut Ways) {
        if let Some(chain) = self.remove(no) {
            ways.forget(chain);
        }
    }
}

/// From a connection to its chain.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// The chain of each loss that is not settled, and its host.
    pub lost: HashMap<ConnId, (Addr, u64), foldhash::fast::RandomState>,
    /// The chain that a connection is an attempt of.
    pub tried: HashMap<ConnId, u64, foldhash::fast::RandomState>,
    /// Chains of all hosts, and what is in them ([`Chain::size`]).
    pub chains: usize,
    pub size: usize,
    /// Memory of chains that are gone, for those to come.
    #[allow(clippy::vec_box, reason = "it is the boxes that are kept")]
    spare: Vec<Box<Chain>>,
}

impl Ways {
    /// What belongs to a chain leads to it.
    pub fn lead_to(&mut self, no: u64, chain: &Chain) {
        self.chains += 1;
        self.size += chain.size();
        for id in chain.ids() {
            self.tried.insert(id, no);
        }
    }

    /// Nothing leads to a chain any more.
    pub fn forget(&mut self, chain: Box<Chain>) {
        self.chains = self.chains.saturating_sub(1);
        self.size = self.size.saturating_sub(chain.size());
        for loss in &chain.losses {
            self.lost.remove(&loss.id);
        }
        for id in chain.ids() {
            self.tried.remove(&id);
        }
        if self.spare.len() < SPARE_MAX {
            self.spare.extend(chain.emptied());
        }
    }
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
