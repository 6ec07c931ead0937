//! `iptables-save -c` (iptables-save(8)): tables, chains with policies, rules with their counters.
use super::{Base, Chain, Family, Hook, RulesetError, Tool, iptables_rule, shortened};
use std::collections::HashMap;
use std::sync::Arc;

/// Chains of a listing, in its order.
pub(super) fn parse(text: &str, tool: Tool) -> Result<Vec<Chain>, RulesetError> {
    let family =
        if matches!(tool, Tool::Ip6tables | Tool::Ip6tablesLegacy) { Family::Ip6 } else { Family::Ip };
    let (mut chains, mut at): (Vec<Chain>, HashMap<&str, usize>) = (Vec::new(), HashMap::new());
    let mut table: Option<Arc<str>> = None;
    for (line, words) in (1..).zip(text.lines()) {
        let words = words.trim();
        let wrong = |what| RulesetError::Line { line, what };
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        if let Some(name) = words.strip_prefix('*') {
            (table, at) = (Some(name.into()), HashMap::new());
            continue;
        }
        let Some(name) = &table else { return Err(wrong("it stands outside of a table")) };
        if words == "COMMIT" {
            table = None;
        } else if let Some(rest) = words.strip_prefix(':') {
            let (chain, policy, counter) = declaration(rest).ok_or_else(|| wrong("it declares no chain"))?;
            at.insert(chain, chains.len());
            let base = base(name, chain, policy, counter);
            let (table, name) = (Arc::clone(name), chain.into());
            chains.push(Chain { tool, family, table, name, base, rules: Vec::new() });
        } else {
            let (counter, rule) = counted(words);
            let spoken = rule.strip_prefix("-A ").ok_or_else(|| wrong("it is no rule"))?;
            let (chain, rest) = spoken.split_once(' ').unwrap_or((spoken, ""));
            let chain = at.get(chain).and_then(|&n| chains.get_mut(n));
            let chain = chain.ok_or_else(|| wrong("its chain isn't declared"))?;
            let id = u64::try_from(chain.rules.len()).unwrap_or(u64::MAX).saturating_add(1);
            chain.rules.push(iptables_rule::read(rest, id, counter, shortened(rule)));
        }
    }
    // `-j NAME` is a jump where the table has a chain of that name, else a target that lets the packet go on.
    for n in 0..chains.len() {
        let targets = iptables_rule::targets(&chains, n);
        iptables_rule::settle(&mut chains[n], &targets);
    }
    Ok(chains)
}

/// `INPUT DROP [12:720]`, `OWN - [0:0]`.
fn declaration(rest: &str) -> Option<(&str, &str, Option<u64>)> {
    let mut words = rest.split_ascii_whitespace();
    let (chain, policy) = (words.next()?, words.next()?);
    Some((chain, policy, words.next().and_then(packets)))
}

/// `[12:720] -A …`, or without counters.
fn counted(words: &str) -> (Option<u64>, &str) {
    match words.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((counts, rule)) => (counts.split(':').next().and_then(|n| n.parse().ok()), rule),
        None => (None, words),
    }
}

/// The packets of `[12:720]`.
fn packets(word: &str) -> Option<u64> {
    word.trim_start_matches('[').split(':').next()?.parse().ok()
}

/// Where iptables hooks its tables in: `enum nf_ip_hook_priorities` of `include/uapi/linux/netfilter_ipv4.h`.
fn base(table: &str, chain: &str, policy: &str, counter: Option<u64>) -> Option<Base> {
    if policy == "-" {
        return None;
    }
    let hook = Hook::from_name(chain)?;
    let source_side = matches!(hook, Hook::Postrouting | Hook::Input);
    let priority = match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" if source_side => 100,
        "nat" => -100,
        "security" => 50,
        _ => 0,
    };
    Some(Base { hook, priority, nat: table == "nat", drops: policy == "DROP", counter, device: None })
}
