//! Which of the rules that may have discarded a packet did: what they ask, and what their counters say.
use super::packet::{ConnState, Packet};
use super::walk::{Candidate, walk};
use super::{Ruleset, describe, key, removal};
use crate::kernel::Verdict;
use std::collections::HashMap;

/// How many rules are named where none is likelier than the others.
const NAMED_MAX: usize = 2;

/// Packets each rule has met, at the time of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(HashMap<u64, u64>);

/// How sure it is that a rule did it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sureness {
    /// It may match (a rate, a mark, a set can't be known), and its counter grew.
    PossibleCounted,
    /// All it asks is so of the packet.
    Exact,
    /// And its counter grew.
    ExactCounted,
}

/// A rule that discarded a packet, as far as can be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// `nft` or `iptables`.
    pub by: &'static str,
    /// The rule as an operator knows it: tool, table, chain, handle or number, words.
    pub text: String,
    /// The command that deletes it; none: a policy.
    pub remove: Option<String>,
    /// What it does.
    pub verdict: Verdict,
    /// How sure.
    pub sureness: Sureness,
}

/// What is known of the packet's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fate {
    /// It was answered with a reset or an ICMP error, hence a reject it was. Else it may have been either.
    pub rejected: bool,
    /// The kernel discarded it in nf_tables (`nft_do_chain`) or in the legacy tables (`ipt_do_table`), where that is known.
    pub legacy: Option<bool>,
    /// That it was discarded is only supposed: it went unanswered. Then only a rule counts that it can't have escaped, of all
    /// that is known; else a filter that lets the connection through would be blamed for silence of another cause.
    pub supposed: bool,
}

impl Ruleset {
    /// What all counters say now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = HashMap::new();
        for chain in &self.chains {
            if let Some(packets) = chain.base.as_ref().and_then(|base| base.counter) {
                counters.insert(key(chain, None, 0), packets);
            }
            let mut same: HashMap<&str, u64> = HashMap::new();
            for rule in &chain.rules {
                let before = same.entry(&rule.text).or_default();
                if let Some(packets) = rule.counter {
                    counters.insert(key(chain, Some(rule), *before), packets);
                }
                *before += 1;
            }
        }
        Counters(counters)
    }

    /// The rule that discarded the packet; several where it can't be told between them; none where nothing fits.
    ///
    /// `before` are the counters of an earlier listing, from before the packet, against which this one's are held: a rule
    /// whose counter stood still has not met it.
    #[must_use]
    pub fn find(&self, packet: &Packet, before: Option<&Counters>, fate: Fate) -> Vec<Found> {
        if fate.supposed {
            // When it met the rule, if it did, can't be told; so counters can't tell anything.
            let mut candidates = walk(self, packet);
            candidates.retain(|c| c.exact && c.reached);
            return choose(&candidates, None, fate);
        }
        let now = before.map(|_| self.counters());
        let counts = before.zip(now.as_ref());
        let found = choose(&walk(self, packet), counts, fate);
        if !found.is_empty() || packet.state != ConnState::Established {
            return found;
        }
        // A packet of a running connection that connection tracking has forgotten, or never knew.
        let forgotten = Packet { state: ConnState::Unknown, ..packet.clone() };
        choose(&walk(self, &forgotten), counts, fate)
    }
}

fn choose(candidates: &[Candidate], counts: Option<(&Counters, &Counters)>, fate: Fate) -> Vec<Found> {
    let fits = |c: &&Candidate| {
        (!fate.rejected || c.verdict == Verdict::Reject)
            && fate.legacy.is_none_or(|legacy| {
                legacy == matches!(c.chain.tool, super::Tool::IptablesLegacy | super::Tool::Ip6tablesLegacy)
            })
    };
    let mut graded: Vec<(Sureness, &Candidate)> = candidates
        .iter()
        .filter(fits)
        .filter_map(|candidate| match (candidate.exact, counts.and_then(|c| growth(candidate, c))) {
            (_, Some(false)) | (false, None) => None,
            (true, Some(true)) => Some((Sureness::ExactCounted, candidate)),
            (true, None) => Some((Sureness::Exact, candidate)),
            (false, Some(true)) => Some((Sureness::PossibleCounted, candidate)),
        })
        .collect();
    let best = graded.iter().map(|(sureness, _)| *sureness).max();
    graded.retain(|(sureness, _)| Some(*sureness) == best);
    if graded.len() > NAMED_MAX {
        return Vec::new();
    }
    let found = |(sureness, c): &(Sureness, &Candidate)| Found {
        by: c.chain.tool.by(),
        text: describe(c.chain, c.rule),
        remove: c.rule.map(|rule| removal(c.chain, rule)),
        verdict: c.verdict,
        sureness: *sureness,
    };
    graded.iter().map(found).collect()
}

/// Whether the rule's counter grew; none where it has none, or was set back.
fn growth(candidate: &Candidate, (before, now): (&Counters, &Counters)) -> Option<bool> {
    let same_before = candidate.rule.map_or(0, |rule| {
        let earlier = candidate.chain.rules.iter().take_while(|r| !std::ptr::eq(*r, rule));
        u64::try_from(earlier.filter(|r| r.text == rule.text).count()).unwrap_or(u64::MAX)
    });
    let key = key(candidate.chain, candidate.rule, same_before);
    let now = *now.0.get(&key)?;
    // A rule that is new since then began at none.
    let before = before.0.get(&key).copied().unwrap_or(0);
    (now >= before).then_some(now > before)
}
