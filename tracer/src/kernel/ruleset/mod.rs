//! The packet filters of one host as data: nftables' and iptables' listings read, and the rule found that a packet met.
//!
//! Nothing here runs a tool or reads a clock. A rule is looked for among what a packet would pass in the kernel's order; what
//! can't be known from outside (marks, rates, sets of other tools) makes a match possible instead of certain, and counters
//! that grew between two listings, or stood still, decide between candidates.
mod choose;
mod condition;
mod iptables;
mod iptables_rule;
mod nft;
mod nft_rule;
mod nft_text;
mod packet;
mod symbols;
#[cfg(test)]
mod tests;
mod walk;

pub use choose::{Counters, Fate, Found, Sureness};
pub use condition::Truth;
pub use packet::{ConnState, Direction, Packet};

use super::Verdict;
use condition::{Condition, Element, Part, Version};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// Longest text of a rule that is kept, in characters; sets of thousands of elements make longer ones.
const TEXT_MAX: usize = 400;

/// Whose rule it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Tool {
    Nft,
    Iptables,
    Ip6tables,
    IptablesLegacy,
    Ip6tablesLegacy,
}

impl Tool {
    /// The command an operator uses for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Ip6tablesLegacy => "ip6tables-legacy",
        }
    }

    /// `nft` or `iptables`, as [`super::FilterRule`] has it.
    #[must_use]
    pub const fn by(self) -> &'static str {
        if matches!(self, Self::Nft) { "nft" } else { "iptables" }
    }
}

/// nftables' table families that see IP packets; ARP and bridge tables don't.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Family {
    Ip,
    Ip6,
    Inet,
    Netdev,
}

impl Family {
    /// By nftables' word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ip" => Self::Ip,
            "ip6" => Self::Ip6,
            "inet" => Self::Inet,
            "netdev" => Self::Netdev,
            _ => return None,
        })
    }

    /// By `NFPROTO_*` of `include/uapi/linux/netfilter.h`.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Inet,
            2 => Self::Ip,
            5 => Self::Netdev,
            10 => Self::Ip6,
            _ => return None,
        })
    }

    /// nftables' word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Netdev => "netdev",
        }
    }

    const fn version(self) -> Version {
        match self {
            Self::Ip => Version::V4,
            Self::Ip6 => Version::V6,
            Self::Inet | Self::Netdev => Version::Any,
        }
    }
}

/// Where a base chain is hooked in, in the order of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "ingress" => Self::Ingress,
            "prerouting" => Self::Prerouting,
            "input" => Self::Input,
            "forward" => Self::Forward,
            "output" => Self::Output,
            "postrouting" => Self::Postrouting,
            _ => return None,
        })
    }
}

/// A chain that the kernel calls.
#[derive(Clone, Debug)]
struct Base {
    hook: Hook,
    priority: i64,
    /// Network address translation: only the first packet of a connection comes here.
    nat: bool,
    drops: bool,
    /// Packets the policy met; iptables counts them.
    counter: Option<u64>,
    /// Ingress only: the interface, where the listing says.
    device: Option<Box<str>>,
}

#[derive(Clone, Debug)]
struct Chain {
    tool: Tool,
    family: Family,
    table: Arc<str>,
    name: Arc<str>,
    base: Option<Base>,
    rules: Vec<Rule>,
}

impl Chain {
    /// iptables' words for a table of nf_tables.
    fn is_nft_backed(&self) -> bool {
        matches!(self.tool, Tool::Iptables | Tool::Ip6tables)
    }
}

#[derive(Clone, Debug)]
struct Rule {
    /// nft: its handle; iptables: its number in the chain, from 1.
    id: u64,
    conditions: Vec<Condition>,
    action: Action,
    /// Packets for which all conditions held.
    counter: Option<u64>,
    text: Box<str>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    /// The next rule's turn.
    Continue,
    Accept,
    Drop,
    Reject,
    Return,
    Jump(Arc<str>),
    Goto(Arc<str>),
    /// nftables' `vmap`: the action depends on the packet.
    Map {
        parts: Vec<Part>,
        entries: Arc<[(Element, Action)]>,
        open: bool,
    },
    /// Hands it to something that may do anything (a queue, an unknown target).
    Opaque,
}

/// A listing that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesetError {
    /// Not what `nft -j list ruleset` prints.
    #[error("not the JSON of nft's rule set: {0}")]
    Json(String),
    /// Not what `iptables-save` prints.
    #[error("line {line} is none of iptables-save: {what}")]
    Line {
        /// 1-based.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// All packet filters of a host (of a network namespace) at one time.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    chains: Vec<Chain>,
    /// nftables' view of what iptables-nft made: only the handles are wanted of it.
    shadowed: Vec<Chain>,
    index: HashMap<(Tool, Family, Arc<str>, Arc<str>), usize>,
}

impl Ruleset {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rules it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chains.iter().map(|c| c.rules.len()).sum()
    }

    /// No rule at all; chains with a policy may still be there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a listing of nftables: `json` is what `nft -j list ruleset` printed, `text` what `nft -a -s list ruleset` did.
    ///
    /// # Errors
    /// Where `json` is no such listing.
    pub fn add_nft(&mut self, json: &[u8], text: &str) -> Result<(), RulesetError> {
        let mut chains = nft::parse(json)?;
        nft_text::fill(&mut chains, text);
        self.push(chains);
        Ok(())
    }

    /// Adds what `iptables-save -c` (`tool` tells which of the four) printed. A listing of iptables-nft takes the place of the
    /// same tables in nftables' listing.
    ///
    /// # Errors
    /// Where `text` is no such listing.
    pub fn add_iptables(&mut self, text: &str, tool: Tool) -> Result<(), RulesetError> {
        let chains = iptables::parse(text, tool)?;
        self.push(chains);
        Ok(())
    }

    /// What nftables calls table, chain and handle (none: the chain's policy), as an operator knows it: a rule of iptables-nft
    /// in iptables' words; then the command that deletes it, and what it does. For nftables' trace messages.
    #[must_use]
    pub fn by_handle(
        &self,
        family: Family,
        table: &str,
        chain: &str,
        handle: Option<u64>,
    ) -> Option<(String, Option<String>, Verdict)> {
        let named = |c: &&Chain| c.family == family && *c.table == *table && *c.name == *chain;
        let told = |chain: &Chain, rule: Option<&Rule>| {
            let reject = rule.is_some_and(|r| r.action == Action::Reject);
            let remove = rule.map(|rule| removal(chain, rule));
            (describe(chain, rule), remove, if reject { Verdict::Reject } else { Verdict::Drop })
        };
        if let Some(chain) = self.chains.iter().filter(|c| c.tool == Tool::Nft).find(named) {
            let Some(handle) = handle else { return Some(told(chain, None)) };
            return chain.rules.iter().find(|r| r.id == handle).map(|rule| told(chain, Some(rule)));
        }
        // The same chain in both listings has the same rules in the same order.
        let theirs = self.chains.iter().filter(|c| c.is_nft_backed()).find(named)?;
        let Some(handle) = handle else { return Some(told(theirs, None)) };
        let place = self.shadowed.iter().find(named)?.rules.iter().position(|r| r.id == handle)?;
        theirs.rules.get(place).map(|rule| told(theirs, Some(rule)))
    }

    /// Whether a chain of that family is there.
    #[must_use]
    pub fn has_family(&self, family: Family) -> bool {
        self.chains.iter().any(|chain| chain.family == family)
    }

    /// Takes chains in. Where nftables lists what iptables-nft made, iptables' own words are kept, whichever came first.
    fn push(&mut self, chains: Vec<Chain>) {
        self.chains.extend(chains);
        let theirs: HashSet<_> = self
            .chains
            .iter()
            .filter(|c| c.is_nft_backed())
            .map(|c| (c.family, Arc::clone(&c.table)))
            .collect();
        let (shadowed, kept) = std::mem::take(&mut self.chains)
            .into_iter()
            .partition(|c| c.tool == Tool::Nft && theirs.contains(&(c.family, Arc::clone(&c.table))));
        self.chains = kept;
        self.shadowed.extend::<Vec<Chain>>(shadowed);
        self.index = (0..)
            .zip(&self.chains)
            .map(|(n, c)| ((c.tool, c.family, Arc::clone(&c.table), Arc::clone(&c.name)), n))
            .collect();
    }

    fn chain(&self, beside: &Chain, name: &Arc<str>) -> Option<&Chain> {
        let key = (beside.tool, beside.family, Arc::clone(&beside.table), Arc::clone(name));
        self.index.get(&key).and_then(|&n| self.chains.get(n))
    }
}

/// A rule (none: the policy) as an operator knows it.
fn describe(chain: &Chain, rule: Option<&Rule>) -> String {
    let (tool, table, name) = (chain.tool.name(), &chain.table, &chain.name);
    match (rule, chain.tool) {
        (None, Tool::Nft) => {
            let policy = if chain.base.as_ref().is_some_and(|b| b.drops) { "drop" } else { "accept" };
            format!("{tool}: table {} {table}, chain {name}: policy {policy}", chain.family.name())
        }
        (None, _) => format!("{tool}: table {table}, chain {name}: -P {name} DROP"),
        (Some(rule), Tool::Nft) => {
            let family = chain.family.name();
            // The words are a second listing, which may have failed.
            let words = if rule.text.is_empty() { String::new() } else { format!(": {}", rule.text) };
            format!("{tool}: table {family} {table}, chain {name}, handle {}{words}", rule.id)
        }
        (Some(rule), _) => format!("{tool}: table {table}, chain {name}, rule {}: {}", rule.id, rule.text),
    }
}

/// The command that deletes a rule.
fn removal(chain: &Chain, rule: &Rule) -> String {
    let (tool, table, name, id) = (chain.tool.name(), &chain.table, &chain.name, rule.id);
    match chain.tool {
        Tool::Nft => format!("nft delete rule {} {table} {name} handle {id}", chain.family.name()),
        _ => format!("{tool} -t {table} -D {name} {id}"),
    }
}

/// A rule's name over several listings. iptables' rules have no handle: there it is the text, and which of the same text.
fn key(chain: &Chain, rule: Option<&Rule>, same_before: u64) -> u64 {
    let mut hash = DefaultHasher::new();
    (chain.tool, chain.family, &chain.table, &chain.name).hash(&mut hash);
    match rule {
        None => u64::MAX.hash(&mut hash),
        Some(rule) if chain.tool == Tool::Nft => rule.id.hash(&mut hash),
        Some(rule) => (&rule.text, same_before).hash(&mut hash),
    }
    hash.finish()
}

/// A rule's text, not longer than is worth printing.
fn shortened(text: &str) -> Box<str> {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
