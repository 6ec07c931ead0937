//! The kernel's own description of its types (BTF, Documentation/bpf/btf.rst): where a member lies in a structure,
//! what the members of an enumeration are called. Read from the octets of `/sys/kernel/btf/vmlinux`.
//!
//! Only what natstrace asks is decoded; any octets give an answer or an error, never a panic or a long walk.
use hashbrown::HashMap;

const MAGIC: u16 = 0xeb9f;
/// More than the largest kernel has (6.18: 127,000).
const MOST_TYPES: usize = 4_000_000;
/// How deep typedefs, qualifiers and anonymous members may nest.
const MOST_DEPTH: u32 = 16;

// Kinds, include/uapi/linux/btf.h.
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Octets that are no BTF.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BtfError {
    /// The magic number is another.
    #[error("no BTF: the magic number is wrong")]
    Magic,
    /// A section or type reaches beyond the end.
    #[error("the BTF is cut at octet {0}")]
    Cut(usize),
    /// A kind of type that is not known, hence its length neither.
    #[error("the BTF has a type of unknown kind {0}")]
    Kind(u32),
    /// More types than any kernel has.
    #[error("the BTF has too many types")]
    Large,
}

/// The types of a kernel.
pub struct Btf<'a> {
    types: Types<'a>,
    strings: &'a [u8],
    /// Where each type begins in `types`; type 0 is void.
    starts: Vec<u32>,
    /// Structures, unions and enumerations with a body, by name.
    named: HashMap<&'a [u8], u32>,
}

/// The type section and its byte order.
#[derive(Clone, Copy)]
struct Types<'a> {
    octets: &'a [u8],
    big: bool,
}

impl Types<'_> {
    fn u32(self, at: usize) -> Option<u32> {
        let octets: [u8; 4] = self.octets.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) })
    }
}

/// A type's first three words.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    members: usize,
    bitfields: bool,
    /// Size in octets, or the type referred to.
    size_or_type: u32,
    /// Where what follows the three words begins.
    body: usize,
}

impl<'a> Btf<'a> {
    /// Reads header and type headers.
    pub fn parse(octets: &'a [u8]) -> Result<Self, BtfError> {
        let big = match octets.get(..2) {
            Some([a, b]) if u16::from_le_bytes([*a, *b]) == MAGIC => false,
            Some([a, b]) if u16::from_be_bytes([*a, *b]) == MAGIC => true,
            _ => return Err(BtfError::Magic),
        };
        let header = Types { octets, big };
        let word = |at| header.u32(at).map(|n| n as usize).ok_or(BtfError::Cut(at));
        let (start, types_at, types_long, strings_at, strings_long) =
            (word(4)?, word(8)?, word(12)?, word(16)?, word(20)?);
        let section = |at: usize, long: usize| {
            let from = start.saturating_add(at);
            octets.get(from..from.saturating_add(long)).ok_or(BtfError::Cut(from))
        };
        let types = Types { octets: section(types_at, types_long)?, big };
        let mut btf = Self {
            types,
            strings: section(strings_at, strings_long)?,
            starts: vec![u32::MAX],
            named: HashMap::new(),
        };
        btf.index()?;
        Ok(btf)
    }

    fn index(&mut self) -> Result<(), BtfError> {
        let mut at = 0;
        while at < self.types.octets.len() {
            let found = self.header(at).ok_or(BtfError::Cut(at))?;
            let id = self.starts.len();
            if id > MOST_TYPES {
                return Err(BtfError::Large);
            }
            self.starts.push(u32::try_from(at).map_err(|_| BtfError::Large)?);
            if matches!(found.kind, STRUCT | UNION | ENUM | ENUM64) && found.members > 0 {
                let name = self.string(found.name);
                if !name.is_empty() {
                    // Where a name is there twice, the first one is the kernel's own.
                    self.named.entry(name).or_insert(id as u32);
                }
            }
            at = found.body.saturating_add(body_length(found)?);
        }
        Ok(())
    }

    /// Where a member lies: octets from the start of structure `name`. Steps of the path are member names; anonymous
    /// structures and unions on the way need no step. Not for bit fields and members behind a pointer.
    #[must_use]
    pub fn offset(&self, name: &str, path: &[&str]) -> Option<u32> {
        let mut id = *self.named.get(name.as_bytes())?;
        let mut bits = 0u32;
        for step in path {
            let (at, of) = self.member(self.resolved(id)?, step.as_bytes(), 0)?;
            bits = bits.checked_add(at)?;
            id = of;
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Size of a structure in octets.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<u32> {
        let found = self.of(*self.named.get(name.as_bytes())?)?;
        matches!(found.kind, STRUCT | UNION).then_some(found.size_or_type)
    }

    /// The members of an enumeration, by number; empty where there is none of that name.
    #[must_use]
    pub fn names(&self, of: &str) -> Vec<(u64, String)> {
        let Some(found) = self.named.get(of.as_bytes()).and_then(|&id| self.of(id)) else {
            return Vec::new();
        };
        let long = match found.kind {
            ENUM => 8,
            ENUM64 => 12,
            _ => return Vec::new(),
        };
        let one = |n: usize| {
            let at = found.body + n * long;
            let name = self.string(self.types.u32(at)?);
            let high = if long == 12 { u64::from(self.types.u32(at + 8)?) << 32 } else { 0 };
            Some((high | u64::from(self.types.u32(at + 4)?), String::from_utf8_lossy(name).into_owned()))
        };
        (0..found.members).map_while(one).collect()
    }

    /// Bits from the structure's start, and the member's type.
    fn member(&self, of: Type, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        if depth > MOST_DEPTH || !matches!(of.kind, STRUCT | UNION) {
            return None;
        }
        for n in 0..of.members {
            let at = of.body + n * 12;
            let (named, id, offset) = (self.types.u32(at)?, self.types.u32(at + 4)?, self.types.u32(at + 8)?);
            // With bit fields the upper octet is the width.
            let (offset, width) = if of.bitfields { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
            let found = self.string(named);
            if found == name && width == 0 {
                return Some((offset, id));
            }
            if found.is_empty()
                && let Some(inner) = self.resolved(id)
                && let Some((further, id)) = self.member(inner, name, depth + 1)
            {
                return Some((offset.checked_add(further)?, id));
            }
        }
        None
    }

    /// Behind typedefs and qualifiers.
    fn resolved(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MOST_DEPTH {
            let found = self.of(id)?;
            if !matches!(found.kind, TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG) {
                return Some(found);
            }
            id = found.size_or_type;
        }
        None
    }

    fn of(&self, id: u32) -> Option<Type> {
        self.header(*self.starts.get(id as usize)? as usize)
    }

    fn header(&self, at: usize) -> Option<Type> {
        let info = self.types.u32(at.checked_add(4)?)?;
        Some(Type {
            name: self.types.u32(at)?,
            kind: info >> 24 & 0x1f,
            members: (info & 0xffff) as usize,
            bitfields: info >> 31 != 0,
            size_or_type: self.types.u32(at + 8)?,
            body: at + 12,
        })
    }

    fn string(&self, at: u32) -> &'a [u8] {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        &rest[..memchr::memchr(0, rest).unwrap_or(0)]
    }
}

/// Octets that follow a type's first three words.
fn body_length(of: Type) -> Result<usize, BtfError> {
    Ok(match of.kind {
        // Pointer, forward, typedef, qualifiers, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        STRUCT | UNION | 15 | ENUM64 => of.members * 12,
        // Enumeration, function prototype.
        ENUM | 13 => of.members * 8,
        other => return Err(BtfError::Kind(other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `struct outer { int a; struct { typedef'd struct inner b; }; }`, `struct inner { int x; int y; }`, an enum.
    fn small() -> Vec<u8> {
        let strings = b"\0outer\0a\0b\0inner\0x\0y\0int\0reason\0ONE\0TWO\0";
        let at = |name: &str| {
            strings
                .windows(name.len() + 2)
                .position(|w| &w[1..=name.len()] == name.as_bytes() && w[0] == 0)
                .unwrap() as u32
                + 1
        };
        let info = |kind: u32, members: u32| kind << 24 | members;
        let words: Vec<u32> = [
            vec![at("int"), info(1, 0), 4, 32],                                     // 1
            vec![at("inner"), info(STRUCT, 2), 8, at("x"), 1, 0, at("y"), 1, 32],   // 2
            vec![at("inner"), info(TYPEDEF, 0), 2],                                 // 3
            vec![0, info(STRUCT, 1), 8, at("b"), 3, 0],                             // 4
            vec![at("outer"), info(STRUCT, 2), 12, at("a"), 1, 0, 0, 4, 32],        // 5
            vec![at("reason"), info(ENUM, 2), 4, at("ONE"), 1, at("TWO"), 0x10002], // 6
        ]
        .concat();
        let types: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let header = [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32];
        let mut out = vec![0x9f, 0xeb, 1, 0];
        out.extend(header.iter().flat_map(|w| w.to_le_bytes()));
        out.extend(&types);
        out.extend(strings);
        out
    }

    #[test]
    fn members_and_names() {
        let octets = small();
        let btf = Btf::parse(&octets).unwrap();
        assert_eq!(btf.offset("inner", &["y"]), Some(4));
        assert_eq!(btf.offset("outer", &["b"]), Some(4));
        assert_eq!(btf.offset("outer", &["b", "y"]), Some(8));
        assert_eq!(btf.offset("outer", &["z"]), None);
        assert_eq!(btf.offset("nobody", &["y"]), None);
        assert_eq!(btf.size("outer"), Some(12));
        assert_eq!(btf.names("reason"), [(1, "ONE".to_owned()), (0x10002, "TWO".to_owned())]);
        assert!(btf.names("outer").is_empty());
    }

    #[test]
    fn what_is_no_btf() {
        assert_eq!(Btf::parse(b"").err(), Some(BtfError::Magic));
        assert_eq!(Btf::parse(&[0x9f, 0xeb, 1, 0, 24]).err(), Some(BtfError::Cut(4)));
        let mut octets = small();
        octets[24 + 7] = 31;
        assert_eq!(Btf::parse(&octets).err(), Some(BtfError::Kind(31)));
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(at in 0usize..400, with: u8, cut in 0usize..400) {
            let mut octets = small();
            let long = octets.len();
            octets[at % long] = with;
            octets.truncate(long - cut % long);
            if let Ok(btf) = Btf::parse(&octets) {
                for path in [&["a"][..], &["b", "y"], &["y"]] {
                    let _ = (btf.offset("outer", path), btf.offset("inner", path));
                }
                prop_assert!(btf.names("reason").len() <= 0xffff);
            }
        }
    }
}
