//! Netlink messages of nf_tables, written and read octet by octet (`include/uapi/linux/netlink.h`, `nfnetlink.h`,
//! `nf_tables.h`). Lengths are never believed; what doesn't fit ends the reading.

/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NLMSG_ERROR`, also an acknowledgement.
const ERROR: u16 = 2;
/// `NFPROTO_INET`.
pub(super) const INET: u8 = 1;

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_ACK`.
pub(super) const ACK: u16 = 4;
/// `NLM_F_CREATE | NLM_F_EXCL`.
pub(super) const CREATE: u16 = 0x600;
/// `NLM_F_CREATE | NLM_F_APPEND`.
pub(super) const APPEND: u16 = 0xc00;

const HEADER: usize = 16;
/// `struct nfgenmsg`.
const GENERIC: usize = 4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`.
const TYPE_MASK: u16 = 0x3fff;

/// Messages that the kernel takes as one change.
pub(super) struct Batch {
    octets: Vec<u8>,
    sequence: u32,
}

impl Batch {
    pub fn new(sequence: u32) -> Self {
        let mut batch = Self { octets: Vec::new(), sequence };
        batch.message(BATCH_BEGIN, 0, 0, NFTABLES, |_| {});
        batch
    }

    /// A message of nf_tables, `NFT_MSG_*`.
    pub fn add(&mut self, kind: u16, flags: u16, attributes: impl FnOnce(&mut Attributes)) {
        self.message((NFTABLES << 8) | kind, flags, INET, 0, attributes);
    }

    /// The whole, and the number of the last message in it that may be acknowledged.
    pub fn finish(mut self) -> (Vec<u8>, u32) {
        let last = self.sequence.wrapping_sub(1);
        self.message(BATCH_END, 0, 0, NFTABLES, |_| {});
        (self.octets, last)
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, id: u16, fill: impl FnOnce(&mut Attributes)) {
        let start = self.octets.len();
        self.octets.extend([0; 4]);
        self.octets.extend(kind.to_ne_bytes());
        self.octets.extend((REQUEST | flags).to_ne_bytes());
        self.octets.extend(self.sequence.to_ne_bytes());
        self.octets.extend([0; 4]);
        self.octets.extend([family, 0]);
        self.octets.extend(id.to_be_bytes());
        fill(&mut Attributes(&mut self.octets));
        let len = u32::try_from(self.octets.len() - start).unwrap_or(u32::MAX);
        self.octets[start..start + 4].copy_from_slice(&len.to_ne_bytes());
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// Attributes being written.
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    /// One of octets.
    pub fn octets(&mut self, kind: u16, value: &[u8]) {
        self.put(kind, |out| out.extend(value));
    }

    /// A name.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.put(kind, |out| {
            out.extend(value.as_bytes());
            out.push(0);
        });
    }

    /// A number; nf_tables' are in network order.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.octets(kind, &value.to_be_bytes());
    }

    /// A long number.
    pub fn long(&mut self, kind: u16, value: u64) {
        self.octets(kind, &value.to_be_bytes());
    }

    /// One of attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes)) {
        self.put(kind | NESTED, |out| fill(&mut Attributes(out)));
    }

    fn put(&mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        fill(self.0);
        let len = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// A message read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// What the kernel says to the message of that number: 0 for done, else a negative errno.
    Answer { sequence: u32, error: i32 },
    /// One of nf_tables: kind, family and attributes.
    Nftables { kind: u16, family: u8, attributes: &'a [u8] },
    /// Some other.
    Other,
}

/// The messages of a datagram.
pub(super) fn messages(mut octets: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = usize::try_from(u32::from_ne_bytes(fixed(octets, 0)?)).ok()?;
        let message = octets.get(..len).filter(|_| len >= HEADER)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(read(message))
    })
}

fn read(message: &[u8]) -> Message<'_> {
    let kind = fixed(message, 4).map_or(0, u16::from_ne_bytes);
    if kind == ERROR {
        let sequence = fixed(message, 8).map_or(0, u32::from_ne_bytes);
        return fixed(message, HEADER)
            .map_or(Message::Other, |e| Message::Answer { sequence, error: i32::from_ne_bytes(e) });
    }
    match (kind >> 8, message.get(HEADER), message.get(HEADER + GENERIC..)) {
        (NFTABLES, Some(&family), Some(attributes)) => {
            Message::Nftables { kind: kind & 0xff, family, attributes }
        }
        _ => Message::Other,
    }
}

/// Attributes by kind and value.
pub(super) fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(fixed(octets, 0)?));
        let kind = u16::from_ne_bytes(fixed(octets, 2)?) & TYPE_MASK;
        let value = octets.get(4..len)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A name without its NUL.
pub(super) fn text(value: &[u8]) -> &str {
    let end = value.iter().position(|&octet| octet == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).unwrap_or_default()
}

/// `N` octets at `at`.
pub(super) fn fixed<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let mut batch = Batch::new(7);
        batch.add(17, ACK, |a| {
            a.text(1, "filter");
            a.nest(5, |a| a.number(1, 9));
        });
        let (octets, last) = batch.finish();
        let read: Vec<_> = messages(&octets).collect();
        assert_eq!((read.len(), last), (3, 8));
        let Message::Nftables { kind: 17, family: INET, attributes: all } = read[1] else {
            unreachable!("{read:?}")
        };
        let found: Vec<_> = attributes(all).collect();
        assert_eq!(text(found[0].1), "filter");
        assert_eq!(attributes(found[1].1).next(), Some((1, &[0, 0, 0, 9][..])));
    }

    proptest! {
        #[test]
        fn no_octets_break_us(octets in prop::collection::vec(any::<u8>(), 0..200), len in 0u32..220) {
            let mut message = len.to_ne_bytes().to_vec();
            message.extend(octets);
            for message in messages(&message) {
                if let Message::Nftables { attributes: all, .. } = message {
                    prop_assert!(attributes(all).count() <= 64);
                }
            }
        }
    }
}
