//! Frames of several interfaces in order of time. Each interface's ring hands over up to 100 ms late, so frames are held a
//! little longer than that.
use crate::base::{Span, Timestamp};
use crate::event::Frame;
use crate::wire::LinkType;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How long a frame is held.
const HOLD: Span = Span::millis(120);
/// Octets held at most; beyond it the oldest go at once.
const OCTETS_MAX: usize = 32 << 20;
/// Buffers kept for use again.
const SPARE_MAX: usize = 4096;

/// Frames that are held.
#[derive(Default)]
pub struct Order {
    frames: BinaryHeap<Reverse<Held>>,
    spare: Vec<Vec<u8>>,
    octets: usize,
}

/// A frame with its own octets. Order is by time, then by place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    at: Timestamp,
    capture: u32,
    number: u64,
    iface: u32,
    wire_len: u32,
    link: u32,
    bytes: Vec<u8>,
}

impl Order {
    /// Takes a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(frame.bytes);
        self.octets += frame.bytes.len() + size_of::<Held>();
        self.frames.push(Reverse(Held {
            at: frame.at,
            capture: frame.capture,
            number: frame.number,
            iface: frame.iface,
            wire_len: frame.wire_len,
            link: frame.link.0,
            bytes,
        }));
    }

    /// Gives on what is old enough at `now`.
    pub fn pop(&mut self, now: Timestamp, each: &mut impl FnMut(&Frame<'_>)) {
        while let Some(Reverse(first)) = self.frames.peek() {
            if now - first.at < HOLD && self.octets <= OCTETS_MAX {
                break;
            }
            self.give(each);
        }
    }

    /// Gives on all.
    pub fn drain(&mut self, each: &mut impl FnMut(&Frame<'_>)) {
        while !self.frames.is_empty() {
            self.give(each);
        }
    }

    fn give(&mut self, each: &mut impl FnMut(&Frame<'_>)) {
        let Some(Reverse(held)) = self.frames.pop() else { return };
        self.octets = self.octets.saturating_sub(held.bytes.len() + size_of::<Held>());
        each(&Frame {
            capture: held.capture,
            iface: held.iface,
            number: held.number,
            at: held.at,
            wire_len: held.wire_len,
            link: LinkType(held.link),
            bytes: &held.bytes,
        });
        if self.spare.len() < SPARE_MAX {
            self.spare.push(held.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(capture: u32, number: u64, ms: i64, bytes: &[u8]) -> Frame<'_> {
        let at = Timestamp(ms * 1_000_000);
        Frame { capture, iface: 0, number, at, wire_len: 9, link: LinkType::ETHERNET, bytes }
    }

    #[test]
    fn by_time_and_held_a_while() {
        let mut order = Order::default();
        for f in [frame(0, 1, 10, b"a"), frame(0, 2, 30, b"c"), frame(1, 1, 20, b"b"), frame(1, 2, 30, b"d")]
        {
            order.push(&f);
        }
        let mut got = Vec::new();
        order.pop(Timestamp(140_000_000), &mut |f| got.extend_from_slice(f.bytes));
        assert_eq!(got, b"ab");
        order.drain(&mut |f| got.extend_from_slice(f.bytes));
        assert_eq!(got, b"abcd");
        assert_eq!(order.octets, 0);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut order = Order::default();
        let big = vec![0; 1 << 20];
        let mut given = 0;
        for n in 0..100 {
            order.push(&frame(0, n, 10, &big));
            order.pop(Timestamp(10_000_000), &mut |_| given += 1);
            assert!(order.octets <= OCTETS_MAX);
        }
        assert!(given > 60);
    }
}
