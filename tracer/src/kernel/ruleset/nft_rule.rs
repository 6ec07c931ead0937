//! One rule or set of nft's JSON (libnftables-json(5)) as conditions and an action.
use super::condition::{Atom, Condition, Element, Elements, Field, Part, Version};
use super::nft::{Listing, Named, text};
use super::{Action, Family, Rule, symbols};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What to do with what isn't understood: it may match, it may end the packet's way.
pub(super) struct Reader<'a> {
    listing: &'a Listing,
    family: Family,
    table: &'a str,
}

/// A rule being read.
#[derive(Default)]
struct Draft {
    conditions: Vec<Condition>,
    action: Option<Action>,
    /// Packets, and how many conditions stood before the counter.
    counter: Option<(u64, usize)>,
}

impl<'a> Reader<'a> {
    pub fn new(listing: &'a Listing, family: Family, table: &'a str) -> Self {
        Self { listing, family, table }
    }

    pub fn rule(&self, body: &Map<String, Value>) -> Rule {
        let mut draft = Draft::default();
        for statement in body.get("expr").and_then(Value::as_array).into_iter().flatten() {
            for (kind, value) in statement.as_object().into_iter().flatten() {
                self.statement(kind, value, &mut draft);
            }
        }
        let conditions = draft.conditions;
        // A counter that stands before the last condition counts packets that the rule then lets go.
        let counter = draft.counter.filter(|(_, at)| *at == conditions.len()).map(|(packets, _)| packets);
        Rule {
            id: body.get("handle").and_then(Value::as_u64).unwrap_or(0),
            conditions,
            action: draft.action.unwrap_or(Action::Continue),
            counter,
            text: Box::default(),
        }
    }

    fn statement(&self, kind: &str, value: &Value, draft: &mut Draft) {
        if draft.action.is_some() {
            return;
        }
        match kind {
            "match" => draft.conditions.push(self.condition(value)),
            // A counter with a name is shared by rules: it proves nothing of one.
            "counter" => {
                let packets = value.get("packets").and_then(Value::as_u64);
                draft.counter = packets.map(|packets| (packets, draft.conditions.len()));
            }
            "vmap" => {
                let map = value.as_object().and_then(|body| self.vmap(body));
                // A packet that is no element goes on behind the map.
                draft.action = Some(map.unwrap_or(Action::Opaque));
            }
            "set" if !has_statements(value) => {}
            "log" | "mangle" | "notrack" | "dup" | "ct helper" | "ct timeout" | "ct expectation"
            | "tproxy" | "flow" | "last" | "secmark" | "comment" => {}
            "xt" => xt(value, draft),
            _ => match action(kind, value) {
                Some(action) => draft.action = Some(action),
                // limit, quota, ct count, a dynamic set with a rate, and what later versions bring.
                None => draft.conditions.push(Condition::Unknown),
            },
        }
    }

    fn condition(&self, value: &Value) -> Condition {
        let (Some(op), Some(left), Some(right)) =
            (value.get("op").and_then(Value::as_str), value.get("left"), value.get("right"))
        else {
            return Condition::Unknown;
        };
        let Some(parts) = parts(left) else { return Condition::Unknown };
        if parts.iter().any(|part| part.field == Field::Absent) {
            return Condition::Never;
        }
        self.compare(op, &parts, right).unwrap_or_else(|| unknown_of(&parts))
    }

    fn compare(&self, op: &str, parts: &[Part], right: &Value) -> Option<Condition> {
        let negate = op == "!=";
        if let Some(name) = right.as_str().and_then(|word| word.strip_prefix('@')) {
            let named = self.listing.named(self.family, self.table, name)?;
            let among = Elements { list: Arc::clone(&named.list), open: named.open };
            return Some(Condition::Among { parts: parts.to_vec(), among, negate });
        }
        let (&[part], true) = (parts, right.get("set").is_none()) else {
            let list = elements(parts, right)?;
            return Some(Condition::Among {
                parts: parts.to_vec(),
                among: Elements { list: list.into(), open: false },
                negate,
            });
        };
        let bits = |value| one_number(part.field, value);
        match op {
            "in" | "!" if matches!(part.field, Field::Flags | Field::ConnState) => {
                Some(Condition::AnyBit { part, bits: bits(right)?, negate: op == "!" })
            }
            "==" | "!=" | "in" => Some(Condition::among(part, vec![atom(part.field, right)?], negate)),
            "<" => Some(below(part, bits(right)?.checked_sub(1))),
            "<=" => Some(below(part, Some(bits(right)?))),
            ">" => Some(above(part, bits(right)?.checked_add(1))),
            ">=" => Some(above(part, Some(bits(right)?))),
            _ => None,
        }
    }

    fn vmap(&self, body: &Map<String, Value>) -> Option<Action> {
        let parts = parts(body.get("key")?)?;
        let data = body.get("data")?;
        if let Some(name) = data.as_str().and_then(|word| word.strip_prefix('@')) {
            let named = self.listing.named(self.family, self.table, name)?;
            return Some(Action::Map { parts, entries: Arc::clone(&named.entries), open: named.open });
        }
        let (entries, open) = entries(&parts, data.get("set")?.as_array()?);
        Some(Action::Map { parts, entries: entries.into(), open })
    }
}

/// A comparison that isn't understood still says which IP version it is for.
fn unknown_of(parts: &[Part]) -> Condition {
    let version = parts.iter().find_map(|part| match part.field {
        Field::Source(v) | Field::Destination(v) | Field::Opaque(v) if v != Version::Any => Some(v),
        _ => None,
    });
    version.map_or(Condition::Unknown, |v| Condition::among(Field::Opaque(v), vec![Atom::one(0)], false))
}

fn below(part: Part, most: Option<u128>) -> Condition {
    most.map_or(Condition::Never, |most| Condition::among(part, vec![Atom::Range(0, most)], false))
}

fn above(part: Part, least: Option<u128>) -> Condition {
    least.map_or(Condition::Never, |least| Condition::among(part, vec![Atom::Range(least, u128::MAX)], false))
}

/// A set statement that asks for more than to remember the packet.
fn has_statements(value: &Value) -> bool {
    value.get("stmt").is_some()
}

/// A match or target of iptables in nft's listing: only its name shows.
fn xt(value: &Value, draft: &mut Draft) {
    let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
    match (value.get("type").and_then(Value::as_str), name) {
        (Some("match"), "comment") | (Some("watcher"), _) => {}
        (Some("target"), "REJECT") => draft.action = Some(Action::Reject),
        (Some("target"), "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TCPMSS" | "TRACE" | "CT" | "SET") => {}
        (Some("target"), _) => draft.action = Some(Action::Opaque),
        _ => draft.conditions.push(Condition::Unknown),
    }
}

/// What ends a rule; none for other statements.
fn action(kind: &str, value: &Value) -> Option<Action> {
    let target = || value.get("target").and_then(Value::as_str).map(Arc::from);
    Some(match kind {
        "accept" | "snat" | "dnat" | "masquerade" | "redirect" => Action::Accept,
        "drop" => Action::Drop,
        "reject" => Action::Reject,
        "return" => Action::Return,
        "continue" => Action::Continue,
        "jump" => Action::Jump(target()?),
        "goto" => Action::Goto(target()?),
        "queue" | "synproxy" | "fwd" => Action::Opaque,
        _ => return None,
    })
}

/// What is compared: a field, a masked one, or several side by side.
fn parts(left: &Value) -> Option<Vec<Part>> {
    if let Some(list) = left.get("concat").and_then(Value::as_array) {
        return list.iter().map(part).collect();
    }
    part(left).map(|part| vec![part])
}

fn part(left: &Value) -> Option<Part> {
    if let Some([inner, mask]) = left.get("&").and_then(Value::as_array).map(Vec::as_slice) {
        let inner = part(inner)?;
        let mask = one_number(inner.field, mask)?;
        return inner.mask.is_none().then_some(Part { field: inner.field, mask: Some(mask) });
    }
    Some(field(left)?.into())
}

fn field(left: &Value) -> Option<Field> {
    let (kind, body) = left.as_object()?.iter().next()?;
    let key = body.get("key").and_then(Value::as_str).unwrap_or_default();
    Some(match kind.as_str() {
        "payload" => payload(
            body.get("protocol").and_then(Value::as_str).unwrap_or_default(),
            body.get("field").and_then(Value::as_str).unwrap_or_default(),
        ),
        "meta" => match key {
            "l4proto" => Field::Protocol(Version::Any),
            "nfproto" => Field::Family,
            "protocol" => Field::EtherType,
            "iif" | "iifname" => Field::Iif,
            "oif" | "oifname" => Field::Oif,
            _ => Field::Opaque(Version::Any),
        },
        "ct" if key == "state" => Field::ConnState,
        "fib" if body.get("result").and_then(Value::as_str) == Some("type") => fib_type(body),
        "ct" | "fib" | "socket" | "rt" | "exthdr" | "tcp option" | "ip option" | "numgen" | "jhash"
        | "symhash" | "osf" | "ipsec" => Field::Opaque(Version::Any),
        _ => return None,
    })
}

/// `fib daddr type`; with `iif` or a mark it asks for more.
fn fib_type(body: &Value) -> Field {
    let flags = body.get("flags");
    let one =
        flags.and_then(Value::as_array).filter(|list| list.len() == 1).and_then(|list| list[0].as_str());
    match one.or_else(|| flags.and_then(Value::as_str)) {
        Some("saddr") => Field::SourceType,
        Some("daddr") => Field::DestinationType,
        _ => Field::Opaque(Version::Any),
    }
}

fn payload(protocol: &str, field: &str) -> Field {
    match (protocol, field) {
        ("ip", "saddr") => Field::Source(Version::V4),
        ("ip", "daddr") => Field::Destination(Version::V4),
        ("ip", "protocol") => Field::Protocol(Version::V4),
        ("ip", _) => Field::Opaque(Version::V4),
        ("ip6", "saddr") => Field::Source(Version::V6),
        ("ip6", "daddr") => Field::Destination(Version::V6),
        ("ip6", "nexthdr") => Field::Protocol(Version::V6),
        ("ip6", _) => Field::Opaque(Version::V6),
        ("tcp" | "th", "sport") => Field::SourcePort,
        ("tcp" | "th", "dport") => Field::DestinationPort,
        ("tcp", "flags") => Field::Flags,
        (
            "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "igmp" | "arp" | "esp" | "ah" | "comp",
            _,
        ) => Field::Absent,
        _ => Field::Opaque(Version::Any),
    }
}

/// The one number a value stands for; a list is its bits together.
fn one_number(field: Field, value: &Value) -> Option<u128> {
    match value {
        Value::Number(n) => n.as_u64().map(u128::from),
        Value::String(word) => symbols::number(field, word),
        Value::Array(list) => list.iter().try_fold(0, |bits, one| Some(bits | one_number(field, one)?)),
        Value::Object(body) => one_number(field, body.get("|")?),
        Value::Null | Value::Bool(_) => None,
    }
}

fn atom(field: Field, value: &Value) -> Option<Atom> {
    if value.as_str() == Some("*") && !matches!(field, Field::Iif | Field::Oif) {
        return Some(Atom::Any);
    }
    match (field, value) {
        (Field::Iif | Field::Oif, Value::String(name)) => Some(interface(name, '*')),
        (Field::Iif | Field::Oif, _) => None,
        (_, Value::Object(body)) => {
            if let Some(inner) = body.get("elem") {
                return atom(field, inner.get("val")?);
            }
            if let Some(prefix) = body.get("prefix") {
                let len = u32::try_from(prefix.get("len")?.as_u64()?).ok()?;
                let (low, high) = symbols::prefix(prefix.get("addr")?.as_str()?, len)?;
                return Some(Atom::Range(low, high));
            }
            if let Some([low, high]) = body.get("range").and_then(Value::as_array).map(Vec::as_slice) {
                return Some(Atom::Range(one_number(field, low)?, one_number(field, high)?));
            }
            one_number(field, value).map(Atom::one)
        }
        _ => one_number(field, value).map(Atom::one),
    }
}

/// An interface's name, which stands for all that begin so where it ends in `wild`.
pub(super) fn interface(name: &str, wild: char) -> Atom {
    match name.strip_suffix(wild) {
        Some(start) => Atom::Name { text: start.into(), prefix: true },
        None => Atom::Name { text: name.into(), prefix: false },
    }
}

fn element(parts: &[Part], value: &Value) -> Option<Element> {
    let value = value.get("elem").and_then(|elem| elem.get("val")).unwrap_or(value);
    if value.as_str() == Some("*") {
        return Some(Box::new([Atom::Any]));
    }
    match (value.get("concat").and_then(Value::as_array), parts) {
        (Some(list), _) if list.len() == parts.len() => {
            list.iter().zip(parts).map(|(one, part)| atom(part.field, one)).collect()
        }
        (None, [part]) => Some(Box::new([atom(part.field, value)?])),
        _ => None,
    }
}

/// The elements of an anonymous set, or one value as such a set.
fn elements(parts: &[Part], right: &Value) -> Option<Vec<Element>> {
    match right.get("set") {
        Some(Value::Array(list)) => list.iter().map(|value| element(parts, value)).collect(),
        Some(one) => Some(vec![element(parts, one)?]),
        None => Some(vec![element(parts, right)?]),
    }
}

/// The entries of a verdict map, and whether some couldn't be read.
fn entries(parts: &[Part], list: &[Value]) -> (Vec<(Element, Action)>, bool) {
    let read: Vec<_> = list
        .iter()
        .filter_map(|entry| {
            let [value, verdict] = entry.as_array()?.as_slice() else { return None };
            let (kind, body) = verdict.as_object()?.iter().next()?;
            Some((element(parts, value)?, action(kind, body)?))
        })
        .collect();
    let open = read.len() != list.len();
    (read, open)
}

/// A set or verdict map with a name, whose elements' types it names itself.
pub(super) fn named_set(body: &Map<String, Value>) -> Named {
    let types: Vec<&str> = match body.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let parts: Vec<Part> = types.into_iter().map(|word| type_field(word).into()).collect();
    let flags = body.get("flags");
    let flagged = |word: &str| match flags {
        Some(Value::Array(list)) => list.iter().any(|flag| flag.as_str() == Some(word)),
        Some(Value::String(flag)) => flag == word,
        _ => false,
    };
    let changes = flagged("timeout") || flagged("dynamic");
    let values = body.get("elem").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (entries, list, open) = if text(body, "map") == Some("verdict") {
        let (entries, open) = entries(&parts, values);
        (entries, Vec::new(), open)
    } else {
        let list: Vec<Element> = values.iter().filter_map(|value| element(&parts, value)).collect();
        let open = list.len() != values.len();
        (Vec::new(), list, open)
    };
    Named { entries: entries.into(), list: list.into(), open: open || changes }
}

/// How values of a set's type are written: the field is only asked for its words.
fn type_field(word: &str) -> Field {
    match word {
        "ipv4_addr" | "ipv6_addr" => Field::Source(Version::Any),
        "inet_service" => Field::SourcePort,
        "inet_proto" => Field::Protocol(Version::Any),
        "ifname" | "iface_index" => Field::Iif,
        "ct_state" => Field::ConnState,
        "tcp_flag" => Field::Flags,
        "nf_proto" => Field::Family,
        "ether_type" => Field::EtherType,
        _ => Field::Opaque(Version::Any),
    }
}
