//! The pcapng format: sections of either byte order, interfaces with their own link type and clock resolution.
use super::blocks::{Blocks, COMMON_SNAPLEN, MAX_RECORD, Order, Record};
use super::error::Flaw;
use crate::base::Timestamp;
use crate::wire::LinkType;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Interfaces in one file, and in one section; more is a sign of damage.
const MAX_INTERFACES: usize = 65_536;

/// How ticks become nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ticks {
    Times(u64),
    Over(u64),
    Binary(u32),
}

impl Ticks {
    /// From `if_tsresol`: a power of ten, or with the upper bit set of two.
    fn from_resolution(octet: u8) -> Self {
        let power = u32::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            return Self::Binary(power);
        }
        match power {
            0..=9 => Self::Times(10u64.pow(9 - power)),
            _ => Self::Over(10u64.checked_pow(power - 9).unwrap_or(u64::MAX)),
        }
    }

    #[inline]
    fn nanos(self, ticks: u64) -> i64 {
        let nanos = match self {
            Self::Times(n) => ticks.saturating_mul(n),
            Self::Over(n) => ticks / n,
            Self::Binary(power) => {
                let wide = (u128::from(ticks) * 1_000_000_000).checked_shr(power).unwrap_or(0);
                u64::try_from(wide).unwrap_or(u64::MAX)
            }
        };
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    ticks: Ticks,
    offset: i64,
    name: Option<String>,
}

impl Interface {
    #[inline]
    fn time(&self, high: u32, low: u32) -> Timestamp {
        let nanos = self.ticks.nanos(u64::from(high) << 32 | u64::from(low));
        Timestamp(nanos.saturating_add(self.offset))
    }

    fn limit(&self) -> usize {
        // 0 stands for no limit.
        if self.snaplen == 0 {
            MAX_RECORD
        } else {
            (self.snaplen.max(COMMON_SNAPLEN) as usize).min(MAX_RECORD)
        }
    }
}

/// An interface as the current section numbers it.
#[derive(Clone, Copy, Debug)]
struct Local {
    /// Its number in the file.
    index: usize,
    /// Frames it lost, by its last statistics.
    lost: u64,
}

/// Where a pcapng file is read.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    section: Vec<Local>,
    /// The section before, whose interfaces are taken up again where they are described alike.
    before: Vec<Local>,
    /// Lost in earlier sections, and by what old packet blocks tell.
    lost: u64,
    last: Timestamp,
}

impl Pcapng {
    /// Whether a file that starts like this is one.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&SECTION.to_be_bytes())
    }

    /// Before the first block.
    pub const fn new() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            section: Vec::new(),
            before: Vec::new(),
            lost: 0,
            last: Timestamp(0),
        }
    }

    /// Reads the first section's header.
    pub fn open(blocks: &mut Blocks) -> Result<Self, Flaw> {
        let mut this = Self::new();
        let total = this.block(blocks)?.ok_or_else(|| Flaw::new(0, "it ends within the file header"))?.1;
        blocks.skip(total);
        Ok(this)
    }

    /// The name of an interface.
    pub fn iface_name(&self, iface: u32) -> Option<&str> {
        self.interfaces.get(iface as usize)?.name.as_deref()
    }

    /// Frames that the capture lost, as far as the file has been read.
    pub fn lost_frames(&self) -> u64 {
        self.section.iter().fold(self.lost, |sum, local| sum.saturating_add(local.lost))
    }

    /// The next packet, its block left at the front of `blocks`.
    #[inline]
    pub fn next(&mut self, blocks: &mut Blocks) -> Result<Option<Record>, Flaw> {
        while let Some((kind, total)) = self.block(blocks)? {
            let body = blocks.peek().get(8..total - 4).unwrap_or_default();
            let record = match kind {
                ENHANCED_PACKET => self.enhanced(body),
                SIMPLE_PACKET => self.simple(body),
                OLD_PACKET => self.old(body),
                INTERFACE => self.interface(body),
                STATISTICS => self.statistics(body),
                _ => Ok(None),
            };
            match record {
                Ok(Some(record)) => {
                    self.last = record.at;
                    return Ok(Some(Record { total, ..record }));
                }
                Ok(None) => blocks.skip(total),
                Err(what) => return Err(Flaw::new(blocks.offset(), what)),
            }
        }
        Ok(None)
    }

    /// Makes the next block available: its kind and length. A section's header takes effect at once.
    #[inline]
    fn block(&mut self, blocks: &mut Blocks) -> Result<Option<(u32, usize)>, Flaw> {
        if !blocks.need(12) {
            return if blocks.peek().is_empty() { Ok(None) } else { Err(cut(blocks)) };
        }
        let head = blocks.peek();
        let kind = self.order.u32(head, 0);
        if kind == SECTION {
            self.order = match head.get(8..12) {
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order::Little,
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order::Big,
                _ => return Err(Flaw::new(blocks.offset(), "a section header without a byte order mark")),
            };
        }
        let total = self.order.u32(head, 4) as usize;
        if !total.is_multiple_of(4) || !(12..=MAX_RECORD).contains(&total) {
            return Err(Flaw::new(blocks.offset(), format!("a block claims a length of {total} bytes")));
        }
        if !blocks.need(total) {
            return Err(cut(blocks));
        }
        let again = self.order.u32(blocks.peek(), total - 4) as usize;
        if again != total {
            let what = format!("a block of {total} bytes says {again} at its end");
            return Err(Flaw::new(blocks.offset(), what));
        }
        if kind == SECTION {
            self.start_section(blocks, total)?;
        }
        Ok(Some((kind, total)))
    }

    #[cold]
    fn start_section(&mut self, blocks: &Blocks, total: usize) -> Result<(), Flaw> {
        let major = self.order.u16(blocks.peek(), 12);
        if total < 28 || major != 1 {
            return Err(Flaw::new(
                blocks.offset(),
                format!("a section of version {major}, which is not known"),
            ));
        }
        self.lost = self.lost_frames();
        self.before = std::mem::take(&mut self.section);
        Ok(())
    }

    fn interface(&mut self, body: &[u8]) -> Result<Option<Record>, String> {
        if body.len() < 8 {
            return Err("an interface description that is too short".into());
        }
        let mut found = Interface {
            link: LinkType(u32::from(self.order.u16(body, 0))),
            snaplen: self.order.u32(body, 4),
            ticks: Ticks::Times(1_000),
            offset: 0,
            name: None,
        };
        options(self.order, body.get(8..).unwrap_or_default(), |code, value| match (code, value) {
            (2, name) => {
                let name = name.get(..256).unwrap_or(name);
                let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
                found.name = (!name.is_empty()).then_some(name);
            }
            (9, &[octet]) => found.ticks = Ticks::from_resolution(octet),
            (14, value) if value.len() == 8 => {
                let seconds = self.order.u64(value, 0).cast_signed();
                found.offset = seconds.saturating_mul(1_000_000_000);
            }
            _ => {}
        });
        let again = self.before.get(self.section.len()).map(|local| local.index);
        let again = again.filter(|&index| self.interfaces.get(index) == Some(&found));
        let index = again.unwrap_or(self.interfaces.len());
        if index >= MAX_INTERFACES || self.section.len() >= MAX_INTERFACES {
            return Err(format!("more than {MAX_INTERFACES} interfaces"));
        }
        if again.is_none() {
            self.interfaces.push(found);
        }
        self.section.push(Local { index, lost: 0 });
        Ok(None)
    }

    fn statistics(&mut self, body: &[u8]) -> Result<Option<Record>, String> {
        let order = self.order;
        let number = order.u32(body, 0);
        let Some(local) = self.section.get_mut(number as usize) else {
            return Err(undescribed(number));
        };
        let mut lost = 0u64;
        // Dropped by the interface, and by the operating system; both count from the start of the capture.
        options(order, body.get(12..).unwrap_or_default(), |code, value| {
            if matches!(code, 5 | 7) && value.len() == 8 {
                lost = lost.saturating_add(order.u64(value, 0));
            }
        });
        local.lost = local.lost.max(lost);
        Ok(None)
    }

    #[inline]
    fn described(&self, number: u32) -> Result<(u32, &Interface), String> {
        let local = self.section.get(number as usize);
        let found = local.and_then(|local| Some((local.index as u32, self.interfaces.get(local.index)?)));
        found.ok_or_else(|| undescribed(number))
    }

    #[inline]
    fn enhanced(&self, body: &[u8]) -> Result<Option<Record>, String> {
        let Some(head) = body.get(..20) else { return Err("a packet block that is too short".into()) };
        let word = |at| self.order.u32(head, at);
        let (iface, interface) = self.described(word(0))?;
        let (len, wire_len) = (word(12), word(16));
        fits(len, body.len() - 20, interface)?;
        Ok(Some(Record {
            iface,
            at: interface.time(word(4), word(8)),
            wire_len: wire_len.max(len),
            link: interface.link,
            skip: 28,
            len: len as usize,
            total: 0,
        }))
    }

    /// A block without a time, hence that of the packet before; always of the first interface.
    fn simple(&self, body: &[u8]) -> Result<Option<Record>, String> {
        let Some(room) = body.len().checked_sub(4) else {
            return Err("a packet block that is too short".into());
        };
        let (iface, interface) = self.described(0)?;
        let wire_len = self.order.u32(body, 0);
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let len = (wire_len.min(snaplen) as usize).min(room);
        Ok(Some(Record { iface, at: self.last, wire_len, link: interface.link, skip: 12, len, total: 0 }))
    }

    /// The packet block that pcapng once had.
    fn old(&mut self, body: &[u8]) -> Result<Option<Record>, String> {
        let Some(head) = body.get(..20) else { return Err("a packet block that is too short".into()) };
        let order = self.order;
        let word = |at| order.u32(head, at);
        let (iface, interface) = self.described(u32::from(order.u16(head, 0)))?;
        let (len, wire_len) = (word(12), word(16));
        fits(len, body.len() - 20, interface)?;
        let (at, link) = (interface.time(word(4), word(8)), interface.link);
        let dropped = order.u16(head, 2);
        if dropped != u16::MAX {
            self.lost = self.lost.saturating_add(u64::from(dropped));
        }
        Ok(Some(Record {
            iface,
            at,
            wire_len: wire_len.max(len),
            link,
            skip: 28,
            len: len as usize,
            total: 0,
        }))
    }
}

#[inline]
fn fits(len: u32, room: usize, interface: &Interface) -> Result<(), String> {
    if len as usize > room || len as usize > interface.limit() {
        return Err(format!("a packet claims {len} bytes, more than its block can hold"));
    }
    Ok(())
}

#[cold]
fn undescribed(number: u32) -> String {
    format!("a packet or statistics of interface {number}, which is not described")
}

/// Tells each option; ends at the first that is cut.
fn options(order: Order, mut rest: &[u8], mut tell: impl FnMut(u16, &[u8])) {
    while rest.len() >= 4 {
        let (code, len) = (order.u16(rest, 0), usize::from(order.u16(rest, 2)));
        let Some(value) = rest.get(4..4 + len) else { return };
        if code == 0 {
            return;
        }
        tell(code, value);
        rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
    }
}

#[cold]
fn cut(blocks: &Blocks) -> Flaw {
    Flaw::new(blocks.offset(), "it ends within a block")
}
