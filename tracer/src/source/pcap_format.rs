//! The classic pcap format, in microseconds and nanoseconds, both byte orders, and with the longer record headers of
//! patched Linux libpcaps.
use super::blocks::{Blocks, COMMON_SNAPLEN, MAX_RECORD, Order, Record};
use super::error::Flaw;
use crate::base::Timestamp;
use crate::event::{Frame, Place};
use crate::wire::LinkType;
use std::sync::Arc;

/// How a pcap file is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds of one unit of the fraction.
    unit: i64,
    record_header: usize,
    limit: usize,
    link: LinkType,
}

impl Pcap {
    /// Whether a file that starts like this is one.
    pub fn is_one(bytes: &[u8]) -> bool {
        Self::flavour(bytes).is_some()
    }

    fn flavour(bytes: &[u8]) -> Option<(Order, i64, usize)> {
        let magic = bytes.first_chunk::<4>()?;
        for (order, number) in
            [(Order::Little, u32::from_le_bytes(*magic)), (Order::Big, u32::from_be_bytes(*magic))]
        {
            match number {
                0xa1b2_c3d4 => return Some((order, 1_000, 16)),
                0xa1b2_3c4d => return Some((order, 1, 16)),
                0xa1b2_cd34 => return Some((order, 1_000, 24)),
                _ => {}
            }
        }
        None
    }

    /// Reads the file's header.
    pub fn open(blocks: &mut Blocks) -> Result<Self, Flaw> {
        if !blocks.need(24) {
            return Err(Flaw::new(blocks.offset(), "it ends within the file header"));
        }
        let head = blocks.take(24);
        let Some((order, unit, record_header)) = Self::flavour(head) else {
            return Err(Flaw::new(0, "no pcap header"));
        };
        let limit = order.u32(head, 16).max(COMMON_SNAPLEN) as usize;
        // The upper half tells of frame check sequences, which the IP length cuts off anyway.
        let link = LinkType(order.u32(head, 20) & 0xffff);
        Ok(Self { order, unit, record_header, limit: limit.min(MAX_RECORD), link })
    }

    /// The record at the front of `blocks`, if all of it is there and nothing is wrong with it. Nearly all are found so; what is
    /// not, [`Pcap::next`] finds or says what is wrong.
    #[inline(always)]
    pub fn in_sight(&self, blocks: &Blocks) -> Option<Record> {
        let (head, available) = blocks.front()?;
        self.record(head, available)
    }

    /// The record that begins with these octets, if it is whole in so many.
    #[inline(always)]
    fn record(&self, head: &[u8; 16], available: usize) -> Option<Record> {
        let [seconds, fraction, len, wire_len] = self.order.words(head);
        let total = self.record_header + len as usize;
        // What has room for a record has room for its header: that is available, too.
        (len as usize <= self.limit && total <= available).then_some(Record {
            iface: 0,
            at: Timestamp(i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.unit),
            wire_len: wire_len.max(len),
            link: self.link,
            skip: self.record_header,
            len: len as usize,
            total,
        })
    }

    /// The next record, left at the front of `blocks`.
    #[inline(never)]
    pub fn next(&mut self, blocks: &mut Blocks) -> Result<Option<Record>, Flaw> {
        if !blocks.need(self.record_header) {
            return if blocks.peek().is_empty() { Ok(None) } else { Err(cut(blocks)) };
        }
        let len = self.order.u32(blocks.peek(), 8);
        if len as usize > self.limit {
            let what = format!("a record claims {len} bytes, more than the {} that are possible", self.limit);
            return Err(Flaw::new(blocks.offset(), what));
        }
        if !blocks.need(self.record_header + len as usize) {
            return Err(cut(blocks));
        }
        Ok(self.in_sight(blocks))
    }
}

/// Records that are in memory, one behind the other: nearly all of a file, a block at a time.
pub struct Run<'a> {
    pub(super) pcap: Pcap,
    pub(super) capture: u32,
    /// Holds the octets, and stays as it is while it is shared.
    pub(super) block: &'a Arc<[u8]>,
    /// What is available of it, of which that before `start` is done with.
    pub(super) octets: &'a [u8],
    pub(super) start: &'a mut usize,
    /// Frames so far.
    pub(super) number: &'a mut u64,
}

impl<'a> Run<'a> {
    /// The next frame, if all of it is there.
    #[inline(always)]
    pub fn next(&mut self) -> Option<Frame<'a>> {
        let rest = self.octets.get(*self.start..)?;
        let Record { iface, at, wire_len, link, skip, total, .. } =
            self.pcap.record(rest.first_chunk()?, rest.len())?;
        let bytes = rest.get(skip..total)?;
        *self.start += total;
        *self.number += 1;
        Some(Frame { capture: self.capture, iface, number: *self.number, at, wire_len, link, bytes })
    }

    /// Where the octets of the frame are that [`Run::next`] gave last.
    #[inline(always)]
    #[must_use]
    pub const fn place(&self, last: &Frame<'_>) -> Place<'a> {
        (self.block, *self.start - last.bytes.len())
    }
}

#[cold]
fn cut(blocks: &Blocks) -> Flaw {
    Flaw::new(blocks.offset(), "it ends within a record")
}
