//! One rule of `iptables-save` (iptables(8), iptables-extensions(8)) as conditions and an action.
use super::condition::{Atom, Condition, Field, Part, Version};
use super::nft_rule::interface;
use super::{Action, Chain, Rule, symbols};
use std::collections::HashSet;
use std::sync::Arc;

/// A word of the rule; what was quoted is never an option.
struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is_option(&self) -> bool {
        !self.quoted
            && (self.text.starts_with('-') || self.text == "!")
            && self.text.len() > usize::from(self.text != "!")
    }
}

/// Reads what follows `-A CHAIN`. A `-j` is left as a jump until the table's chains are known.
pub(super) fn read(rest: &str, id: u64, counter: Option<u64>, text: Box<str>) -> Rule {
    let words = split(rest);
    let mut at = 0;
    let (mut conditions, mut action, mut negate) = (Vec::new(), Action::Continue, false);
    while let Some(word) = words.get(at) {
        at += 1;
        if word.text == "!" && !word.quoted {
            negate = true;
            continue;
        }
        let values = words[at..].iter().take_while(|w| !w.is_option()).count();
        let given: Vec<&str> = words[at..at + values].iter().map(|w| w.text.as_str()).collect();
        at += values;
        match (word.text.as_str(), given.first()) {
            ("-j", Some(target)) => {
                action = Action::Jump((*target).into());
                break; // What follows is the target's.
            }
            ("-g", Some(target)) => {
                action = Action::Goto((*target).into());
                break;
            }
            (option, _) => conditions.extend(condition(option, &given, negate)),
        }
        negate = false;
    }
    Rule { id, conditions, action, counter, text }
}

/// Names of the chains in the table of chain `n`.
pub(super) fn targets(chains: &[Chain], n: usize) -> HashSet<Arc<str>> {
    let Some(own) = chains.get(n).filter(|c| !c.rules.is_empty()) else { return HashSet::new() };
    chains.iter().filter(|c| c.table == own.table).map(|c| Arc::clone(&c.name)).collect()
}

/// Makes jumps to what is no chain the targets they are.
pub(super) fn settle(chain: &mut Chain, targets: &HashSet<Arc<str>>) {
    for rule in &mut chain.rules {
        if let Action::Jump(name) = &rule.action
            && !targets.contains(name)
        {
            rule.action = target(name);
        }
    }
}

fn target(name: &str) -> Action {
    match name {
        "ACCEPT" | "DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT" | "NETMAP" => Action::Accept,
        "DROP" => Action::Drop,
        "REJECT" => Action::Reject,
        "RETURN" => Action::Return,
        "QUEUE" | "NFQUEUE" | "SYNPROXY" | "TARPIT" | "DELUDE" | "CHAOS" => Action::Opaque,
        _ => Action::Continue,
    }
}

/// What an option asks; nothing for those that ask nothing. One that isn't known may match or not.
fn condition(option: &str, given: &[&str], negate: bool) -> Option<Condition> {
    let first = given.first().copied().unwrap_or_default();
    let known = match option {
        // The module's options say what it asks; one without known options asks the unknown.
        "-m" => {
            let known = ["tcp", "multiport", "conntrack", "state", "iprange", "comment", "addrtype"];
            return (!known.contains(&first)).then_some(Condition::Unknown);
        }
        "--comment" => return None,
        "-f" => return Some(if negate { Condition::Unknown } else { Condition::Never }),
        "-s" => network(Field::Source(Version::Any), first, negate),
        "-d" => network(Field::Destination(Version::Any), first, negate),
        "-i" => Some(Condition::among(Field::Iif, vec![interface(first, '+')], negate)),
        "-o" => Some(Condition::among(Field::Oif, vec![interface(first, '+')], negate)),
        "-p" => protocol(first, negate),
        "--sport" => ports(&[Field::SourcePort], first, negate),
        "--dport" => ports(&[Field::DestinationPort], first, negate),
        "--sports" => ports(&[Field::SourcePort], first, negate),
        "--dports" => ports(&[Field::DestinationPort], first, negate),
        "--ports" => ports(&[Field::SourcePort, Field::DestinationPort], first, negate),
        "--tcp-flags" => given.get(1).and_then(|set| flags(first, set, negate)),
        "--syn" => flags("FIN,SYN,RST,ACK", "SYN", negate),
        "--ctstate" | "--state" => states(first, negate),
        "--src-type" => address_types(Field::SourceType, first, negate),
        "--dst-type" => address_types(Field::DestinationType, first, negate),
        "--src-range" => range(Field::Source(Version::Any), first, negate),
        "--dst-range" => range(Field::Destination(Version::Any), first, negate),
        _ => None,
    };
    Some(known.unwrap_or(Condition::Unknown))
}

fn protocol(word: &str, negate: bool) -> Option<Condition> {
    let number = if word == "all" { 0 } else { symbols::protocol(word)? };
    let all = if number == 0 { Atom::Any } else { Atom::one(number) };
    Some(Condition::among(Field::Protocol(Version::Any), vec![all], negate))
}

/// `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1/255.0.255.255`, `fd00::/8`.
fn network(field: Field, word: &str, negate: bool) -> Option<Condition> {
    let (address, len) = word.split_once('/').unwrap_or((word, ""));
    if len.contains(['.', ':']) {
        // Any mask, not only a prefix's; IPv4 keeps the bits that map it into IPv6.
        let mapped = if len.contains('.') { !u128::from(u32::MAX) } else { 0 };
        let mask = symbols::address(len)? | mapped;
        let part = Part { field, mask: Some(mask) };
        return Some(Condition::among(part, vec![Atom::one(symbols::address(address)? & mask)], negate));
    }
    let all = if address.contains(':') { 128 } else { 32 };
    let len = if len.is_empty() { all } else { len.parse().ok()? };
    let (low, high) = symbols::prefix(address, len)?;
    Some(Condition::among(field, vec![Atom::Range(low, high)], negate))
}

/// `4222`, `1024:65535`, `:1023`, and multiport's `4222,6222:6300`. Several fields: any of them may be one of these.
fn ports(fields: &[Field], word: &str, negate: bool) -> Option<Condition> {
    let atoms: Vec<Atom> = word.split(',').map(port_range).collect::<Option<_>>()?;
    if let [field] = fields {
        return Some(Condition::among(*field, atoms, negate));
    }
    let pairs = atoms.into_iter().flat_map(|atom| [[atom.clone(), Atom::Any], [Atom::Any, atom]]);
    let list: Vec<_> = pairs.map(|pair| Vec::from(pair).into_boxed_slice()).collect();
    let parts = fields.iter().map(|field| (*field).into()).collect();
    let among = super::condition::Elements { list: list.into(), open: false };
    Some(Condition::Among { parts, among, negate })
}

fn port_range(word: &str) -> Option<Atom> {
    let Some((low, high)) = word.split_once(':') else {
        return word.parse::<u16>().ok().map(|n| Atom::one(n.into()));
    };
    let low: u16 = if low.is_empty() { 0 } else { low.parse().ok()? };
    let high: u16 = if high.is_empty() { u16::MAX } else { high.parse().ok()? };
    Some(Atom::Range(low.into(), high.into()))
}

/// Of the flags in `mask`, exactly those in `set`.
fn flags(mask: &str, set: &str, negate: bool) -> Option<Condition> {
    let bits = |list: &str| list.split(',').try_fold(0, |bits, word| Some(bits | symbols::flag(word)?));
    let part = Part { field: Field::Flags, mask: Some(bits(mask)?) };
    Some(Condition::among(part, vec![Atom::one(bits(set)?)], negate))
}

/// SNAT and DNAT beside the states can't be known.
fn states(list: &str, negate: bool) -> Option<Condition> {
    let bits = list.split(',').try_fold(0, |bits, word| Some(bits | symbols::conn_state(word)?))?;
    Some(Condition::AnyBit { part: Field::ConnState.into(), bits, negate })
}

fn address_types(field: Field, list: &str, negate: bool) -> Option<Condition> {
    let atoms =
        list.split(',').map(|word| symbols::address_type(word).map(Atom::one)).collect::<Option<_>>()?;
    Some(Condition::among(field, atoms, negate))
}

/// `10.0.0.1-10.0.0.9`.
fn range(field: Field, word: &str, negate: bool) -> Option<Condition> {
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    let atom = Atom::Range(symbols::address(low)?, symbols::address(high)?);
    Some(Condition::among(field, vec![atom], negate))
}

/// Words as iptables-save quotes them: in double quotes, with backslashes before quotes and backslashes.
fn split(rest: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut letters = rest.chars().peekable();
    while let Some(&letter) = letters.peek() {
        if letter == ' ' {
            letters.next();
            continue;
        }
        let (mut text, mut quoted, mut inside) = (String::new(), false, false);
        while let Some(letter) = letters.next_if(|c| inside || *c != ' ') {
            match letter {
                '"' => (quoted, inside) = (true, !inside),
                '\\' => text.extend(letters.next()),
                other => text.push(other),
            }
        }
        words.push(Word { text, quoted });
    }
    words
}
