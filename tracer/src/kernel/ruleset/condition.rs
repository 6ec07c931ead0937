//! What a rule asks of a packet, and the answer: yes, no, or can't tell.
use super::packet::{Direction, Packet};
use std::sync::Arc;

/// TCP's protocol number.
const TCP: u128 = 6;
/// `RTN_LOCAL`: an address of this host.
const LOCAL: u128 = 2;

/// An answer. What is asked about and can't be known here (mark, rate, a set of another tool) is `Unknown`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Truth {
    /// It doesn't match.
    No,
    /// It may match.
    Unknown,
    /// It matches.
    Yes,
}

impl Truth {
    pub(super) fn from_bool(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    fn negated(self, negate: bool) -> Self {
        match (self, negate) {
            (Self::Yes, true) => Self::No,
            (Self::No, true) => Self::Yes,
            _ => self,
        }
    }

    /// Both: the less certain of the two.
    pub(super) fn and(self, other: Self) -> Self {
        self.min(other)
    }
}

/// IP version a field belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    V4,
    V6,
    Any,
}

impl Version {
    pub(super) fn has(self, packet: &Packet) -> bool {
        match self {
            Self::V4 => packet.is_v4(),
            Self::V6 => !packet.is_v4(),
            Self::Any => true,
        }
    }
}

/// What of a packet is compared. Numbers are compared as `u128`; addresses with IPv4 mapped into IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    Source(Version),
    Destination(Version),
    /// Protocol above IP.
    Protocol(Version),
    /// `meta nfproto`: 2 or 10.
    Family,
    /// `meta protocol`: Ethernet's type.
    EtherType,
    SourcePort,
    DestinationPort,
    Flags,
    ConnState,
    Iif,
    Oif,
    /// What the routing table says of the address (`fib saddr type`, `addrtype`), `RTN_*` of `rtnetlink.h`.
    SourceType,
    DestinationType,
    /// A field of another protocol: no TCP packet has it.
    Absent,
    /// A field that nobody knows from outside, of packets of that IP version.
    Opaque(Version),
}

/// A field, perhaps masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub field: Field,
    pub mask: Option<u128>,
}

impl From<Field> for Part {
    fn from(field: Field) -> Self {
        Self { field, mask: None }
    }
}

/// What a field is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Atom {
    /// Inclusive.
    Range(u128, u128),
    /// An interface; `prefix`: all that begin so (`veth*`).
    Name { text: Box<str>, prefix: bool },
    /// nftables' `*`: whatever else.
    Any,
}

impl Atom {
    pub(super) const fn one(number: u128) -> Self {
        Self::Range(number, number)
    }
}

/// An element of a set: one atom for each part.
pub(super) type Element = Box<[Atom]>;

/// The elements a value is looked for in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Elements {
    pub list: Arc<[Element]>,
    /// Others may have been there when the packet passed (a set with timeouts, or one whose elements couldn't be read).
    pub open: bool,
}

/// One thing a rule asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// Can't be told.
    Unknown,
    /// No TCP packet is so.
    Never,
    /// The parts' values are an element (`negate`: are none).
    Among { parts: Vec<Part>, among: Elements, negate: bool },
    /// At least one of the bits is set (`negate`: none is).
    AnyBit { part: Part, bits: u128, negate: bool },
}

/// A part's value in a packet.
enum Value<'a> {
    Number(u128),
    Name(&'a str),
    /// An interface that isn't `lo`; which is unknown.
    NotLoopback,
    Unknown,
    /// The packet has no such field.
    Absent,
}

impl Condition {
    /// One field among alternatives.
    pub(super) fn among(part: impl Into<Part>, atoms: Vec<Atom>, negate: bool) -> Self {
        let list: Vec<Element> = atoms.into_iter().map(|atom| vec![atom].into_boxed_slice()).collect();
        Self::Among { parts: vec![part.into()], among: Elements { list: list.into(), open: false }, negate }
    }

    pub(super) fn holds(&self, packet: &Packet) -> Truth {
        match self {
            Self::Unknown => Truth::Unknown,
            Self::Never => Truth::No,
            Self::Among { parts, among, negate } => match values(parts, packet) {
                None => Truth::No,
                Some(values) => member(&values, among).negated(*negate),
            },
            Self::AnyBit { part, bits, negate } => match value(*part, packet) {
                Value::Absent => Truth::No,
                Value::Number(n) => Truth::from_bool((n & bits != 0) != *negate),
                _ => Truth::Unknown,
            },
        }
    }
}

/// Whether these parts of the packet are that element; for verdict maps.
pub(super) fn matches_element(parts: &[Part], element: &[Atom], packet: &Packet) -> Truth {
    values(parts, packet).map_or(Truth::No, |values| is_element(&values, element))
}

/// None: a part is absent, so nothing that asks for it matches.
fn values<'a>(parts: &[Part], packet: &Packet<'a>) -> Option<Vec<Value<'a>>> {
    let values: Vec<_> = parts.iter().map(|part| value(*part, packet)).collect();
    (!values.iter().any(|v| matches!(v, Value::Absent))).then_some(values)
}

fn member(values: &[Value], among: &Elements) -> Truth {
    let mut best = if among.open { Truth::Unknown } else { Truth::No };
    for element in among.list.iter() {
        best = best.max(is_element(values, element));
        if best == Truth::Yes {
            break;
        }
    }
    best
}

fn is_element(values: &[Value], element: &[Atom]) -> Truth {
    if let [Atom::Any] = element {
        return Truth::Yes;
    }
    if values.len() != element.len() {
        return Truth::Unknown;
    }
    values.iter().zip(element).map(|(value, atom)| equal(value, atom)).fold(Truth::Yes, Truth::and)
}

fn equal(value: &Value, atom: &Atom) -> Truth {
    match (value, atom) {
        (_, Atom::Any) => Truth::Yes,
        (Value::Number(n), Atom::Range(low, high)) => Truth::from_bool((low..=high).contains(&n)),
        (Value::Name(name), Atom::Name { text, prefix }) => {
            Truth::from_bool(if *prefix { name.starts_with(&**text) } else { *name == &**text })
        }
        (Value::NotLoopback, Atom::Name { text, prefix: false }) if &**text == "lo" => Truth::No,
        _ => Truth::Unknown,
    }
}

fn value<'a>(part: Part, packet: &Packet<'a>) -> Value<'a> {
    let number = match part.field {
        Field::Iif => return interface(packet.iif, packet),
        Field::Oif => return interface(packet.oif, packet),
        Field::Absent => return Value::Absent,
        Field::Source(version)
        | Field::Destination(version)
        | Field::Protocol(version)
        | Field::Opaque(version)
            if !version.has(packet) =>
        {
            return Value::Absent;
        }
        Field::Opaque(_) => return Value::Unknown,
        Field::Source(_) => u128::from_be_bytes(packet.src.addr.0),
        Field::Destination(_) => u128::from_be_bytes(packet.dst.addr.0),
        Field::Protocol(_) => TCP,
        Field::Family => {
            if packet.is_v4() {
                2
            } else {
                10
            }
        }
        Field::EtherType => {
            if packet.is_v4() {
                0x0800
            } else {
                0x86dd
            }
        }
        Field::SourcePort => packet.src.port.into(),
        Field::DestinationPort => packet.dst.port.into(),
        Field::Flags => packet.flags.into(),
        Field::SourceType if packet.direction == Direction::Output => LOCAL,
        Field::DestinationType if packet.direction == Direction::Input => LOCAL,
        Field::SourceType | Field::DestinationType => return Value::Unknown,
        Field::ConnState => match packet.state.bit() {
            Some(bit) => bit,
            None => return Value::Unknown,
        },
    };
    Value::Number(part.mask.map_or(number, |mask| number & mask))
}

fn interface<'a>(known: Option<&'a str>, packet: &Packet) -> Value<'a> {
    match known {
        Some(name) => Value::Name(name),
        None if packet.may_loop() => Value::Unknown,
        None => Value::NotLoopback,
    }
}
