//! Reassembly of IP datagrams that were sent in parts, bounded in memory and time.
use super::tcp::Carrier;
use crate::base::{Addr, Span, Timestamp};
use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber};
use std::collections::VecDeque;

/// Memory for all unfinished datagrams together.
const MAX_BYTES: usize = 4 << 20;
/// What the bookkeeping of one datagram is charged with, so that tiny fragments are bounded too.
const OVERHEAD: usize = 512;
/// What RFC 8200 gives a datagram; RFC 791 asks for less, hosts use 30 s.
const MAX_AGE: Span = Span::secs(60);

/// One part of a datagram.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// What the whole will be carried by.
    pub carrier: Carrier,
    /// Identification.
    pub id: u32,
    /// Protocol of the whole.
    pub protocol: u8,
    /// The datagram is IPv6.
    pub v6: bool,
    /// Where the part begins.
    pub offset: IpFragOffset,
    /// Others follow.
    pub more: bool,
    /// The part itself.
    pub bytes: &'a [u8],
    /// How deep in tunnels.
    pub depth: u8,
}

/// A datagram that is whole again; its bytes are [`Fragments::whole`].
#[derive(Clone, Copy)]
pub(super) struct Whole {
    pub carrier: Carrier,
    pub protocol: u8,
    pub v6: bool,
    pub depth: u8,
}

#[derive(Clone)]
struct Unfinished {
    src: Addr,
    dst: Addr,
    id: u32,
    protocol: u8,
    tunnel: bool,
    since: Timestamp,
    carrier: Carrier,
    parts: IpDefragBuf,
    charged: usize,
}

/// Datagrams of which some parts are known, oldest first.
#[derive(Clone, Default)]
pub(super) struct Fragments {
    unfinished: VecDeque<Unfinished>,
    charged: usize,
    whole: Vec<u8>,
}

impl Fragments {
    /// Takes a part; answers when it was the missing one.
    pub fn add(&mut self, at: Timestamp, part: &Part<'_>) -> Option<Whole> {
        self.expire(at);
        let index = self.find(part).unwrap_or_else(|| self.start(at, part));
        let entry = self.unfinished.get_mut(index)?;
        // Parts that contradict earlier ones, or are no multiple of eight, leave what is there as it is.
        entry.parts.add(part.offset, part.more, part.bytes).ok()?;
        if part.offset.value() == 0 {
            // TTL and identification of the first part are those of the segment's header.
            entry.carrier = part.carrier;
        }
        if entry.parts.is_complete() {
            return self.finish(index, part);
        }
        let charged = entry.parts.data().capacity() + entry.parts.sections().capacity() * 4 + OVERHEAD;
        self.charged = self.charged + charged - entry.charged;
        entry.charged = charged;
        while self.charged > MAX_BYTES && self.drop_oldest() {}
        None
    }

    /// The datagram that became whole last.
    pub fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// Octets held for unfinished datagrams.
    #[cfg(test)]
    pub const fn held(&self) -> usize {
        self.charged
    }

    fn find(&self, part: &Part<'_>) -> Option<usize> {
        self.unfinished.iter().position(|u| {
            u.id == part.id
                && u.protocol == part.protocol
                && u.src == part.carrier.src
                && u.dst == part.carrier.dst
                && u.tunnel == part.carrier.tunnel
        })
    }

    fn start(&mut self, at: Timestamp, part: &Part<'_>) -> usize {
        self.charged += OVERHEAD;
        self.unfinished.push_back(Unfinished {
            src: part.carrier.src,
            dst: part.carrier.dst,
            id: part.id,
            protocol: part.protocol,
            tunnel: part.carrier.tunnel,
            since: at,
            carrier: part.carrier,
            parts: IpDefragBuf::new(IpNumber(part.protocol), Vec::new(), Vec::new()),
            charged: OVERHEAD,
        });
        self.unfinished.len() - 1
    }

    fn finish(&mut self, index: usize, part: &Part<'_>) -> Option<Whole> {
        let done = self.unfinished.remove(index)?;
        self.charged -= done.charged;
        (self.whole, _) = done.parts.take_bufs();
        Some(Whole { carrier: done.carrier, protocol: done.protocol, v6: part.v6, depth: part.depth })
    }

    fn expire(&mut self, now: Timestamp) {
        while self.unfinished.front().is_some_and(|u| now - u.since > MAX_AGE) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.unfinished.pop_front() else { return false };
        self.charged -= oldest.charged;
        true
    }
}
