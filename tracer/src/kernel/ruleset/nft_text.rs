//! `nft -a -s list ruleset`: the words of each rule, found again by table, chain and handle.
use super::{Chain, Family, shortened};
use std::collections::HashMap;

/// Gives every rule its words.
pub(super) fn fill(chains: &mut [Chain], text: &str) {
    let texts = read(text);
    for chain in chains {
        let (family, table, name) = (chain.family, &*chain.table, &*chain.name);
        for rule in &mut chain.rules {
            if let Some(words) = texts.get(&(family, table, name, rule.id)) {
                rule.text = shortened(words);
            }
        }
    }
}

type Key<'a> = (Family, &'a str, &'a str, u64);

/// Rules by table, chain and handle. A rule may span lines (a long set); it ends with its handle.
fn read(text: &str) -> HashMap<Key<'_>, String> {
    let mut found = HashMap::new();
    let (mut table, mut chain, mut open): (Option<(Family, &str)>, Option<&str>, String) =
        (None, None, String::new());
    for line in text.lines() {
        let depth = line.chars().take_while(|c| *c == '\t').count();
        let words = line.trim();
        match (depth, chain) {
            _ if words.is_empty() => continue,
            (0, _) => (table, chain) = (table_of(words), None),
            (1, _) => chain = chain_of(words),
            (_, None) => {}
            (_, Some(_)) if words.starts_with("type ") && words.contains(" hook ") => {}
            (_, Some(name)) => {
                if !open.is_empty() {
                    open.push(' ');
                }
                open.push_str(words);
                if let (Some((family, table)), Some((rule, handle))) = (table, ends(&open)) {
                    found.insert((family, table, name, handle), rule.to_owned());
                    open.clear();
                }
                continue;
            }
        }
        open.clear();
    }
    found
}

/// `table inet filter { # handle 8`.
fn table_of(words: &str) -> Option<(Family, &str)> {
    let mut parts = words.split(' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("table"), Some(family), Some(name)) => Some((Family::from_name(family)?, name)),
        _ => None,
    }
}

/// `chain input { # handle 2`.
fn chain_of(words: &str) -> Option<&str> {
    words.strip_prefix("chain ")?.split(' ').next()
}

/// The rule before ` # handle 7`, and the 7.
fn ends(words: &str) -> Option<(&str, u64)> {
    let (rule, handle) = words.rsplit_once("# handle ")?;
    Some((rule.trim_end(), handle.parse().ok()?))
}
