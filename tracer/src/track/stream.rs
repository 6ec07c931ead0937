//! One direction's octets in order. Segments in order pass through borrowed; early ones are held, bounded, until the hole
//! before them is filled or known to be lost by the capture.
use crate::base::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

/// Held early octets per direction at most; beyond it the hole counts as lost.
pub const HELD_MAX: usize = 128 * 1024;

/// What the stream gives on.
pub enum Piece<'a> {
    /// The next octets.
    Bytes(&'a [u8]),
    /// So many octets that will never come.
    Gap(u64),
    /// The same, acknowledged at that time, though it shows only now that they will not.
    Missed(u64, Timestamp),
}

/// Reassembly of one direction.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Stream {
    next: Seq,
    started: bool,
    held: Option<Box<Held>>,
    /// A segment of this direction was seen.
    seen: bool,
    /// Acknowledged up to here before it was seen, since when: captures of several queues or interfaces are a little out of order.
    promised: Option<(Seq, Timestamp)>,
    /// Octets stepped over since the capture never had them.
    pub missing: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Held {
    /// Early segments by sequence number, no two overlapping in their start.
    segments: Vec<Early>,
    bytes: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Early {
    seq: Seq,
    bytes: Box<[u8]>,
    len: u32,
}

impl Stream {
    /// The next octet is `seq` (from SYN, or the first segment seen).
    pub fn start(&mut self, seq: Seq) {
        self.next = seq;
        self.started = true;
    }

    /// Whether the first octet is known.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.started
    }

    /// Octets before `ack` have not come.
    #[must_use]
    #[inline]
    pub fn lacks(&self, ack: Seq) -> bool {
        self.started && ack.after(self.next)
    }

    /// Early octets are held.
    #[must_use]
    pub const fn has_hole(&self) -> bool {
        self.held.is_some()
    }

    /// Octets that were acknowledged and not seen so far.
    #[must_use]
    pub fn awaited(&self) -> u64 {
        self.promised.map_or(0, |(until, _)| u64::try_from(until.diff(self.next)).unwrap_or(0))
    }

    /// When they were acknowledged.
    #[must_use]
    pub fn awaited_since(&self) -> Option<Timestamp> {
        self.promised.map(|p| p.1).filter(|_| self.awaited() > 0)
    }

    /// A segment of `len` octets on the wire, of which `bytes` were captured. `true` if it brought anything new.
    pub fn push(&mut self, seq: Seq, bytes: &[u8], len: u32, give: &mut impl FnMut(Piece<'_>)) -> bool {
        if !self.started {
            self.start(seq);
        }
        self.seen = true;
        let mut offset = seq.diff(self.next);
        if offset > 0 && self.promised.is_some() {
            self.keep_promise(seq, give);
            offset = seq.diff(self.next);
        }
        if offset > 0 {
            return self.hold(seq, bytes, len, give);
        }
        let old = offset.unsigned_abs();
        if old >= len {
            return false;
        }
        self.deliver(bytes, old, len, give);
        if self.held.is_some() {
            self.drain(give);
        }
        true
    }

    /// The next octet that has not come, of one that is started.
    #[must_use]
    #[inline(always)]
    pub const fn next(&self) -> Seq {
        self.next
    }

    /// The segment that is next, of so many octets, is given on by who asked.
    #[inline]
    pub fn pass(&mut self, len: u32) {
        self.seen = true;
        self.next = self.next.add(len);
    }

    /// What was acknowledged before `limit` and has not come by now never will.
    #[cold]
    fn keep_promise(&mut self, limit: Seq, give: &mut impl FnMut(Piece<'_>)) {
        let Some((until, at)) = self.promised.take() else { return };
        self.skip_late(if until.after(limit) { limit } else { until }, at, give);
    }

    /// The peer acknowledged everything before `ack`: a hole before it is the capture's loss, not the path's. Where nothing early
    /// shows the hole, the octets may come right behind their acknowledgement; it is a loss once more is sent or acknowledged.
    pub fn acked(&mut self, ack: Seq, at: Timestamp, give: &mut impl FnMut(Piece<'_>)) {
        if !self.started || !ack.after(self.next) {
            return;
        }
        if self.held.is_none() && self.seen {
            match self.promised.filter(|(until, _)| until.after(self.next)) {
                Some((until, _)) if until == ack => return,
                Some((until, before)) => self.skip_late(until, before, give),
                None => {}
            }
            self.promised = Some((ack, at));
            return;
        }
        self.promised = None;
        let until = match self.held.as_ref().and_then(|h| h.segments.first()) {
            Some(early) if early.seq.before(ack) => early.seq,
            _ => ack,
        };
        self.skip_to(until, give);
        self.drain(give);
        if ack.after(self.next) && self.held.is_some() {
            self.acked(ack, at, give);
        } else if ack.after(self.next) {
            self.skip_to(ack, give);
        }
    }

    /// Steps over what was acknowledged at that time and has not come since.
    fn skip_late(&mut self, until: Seq, at: Timestamp, give: &mut impl FnMut(Piece<'_>)) {
        self.skip_to(until, &mut |piece| match piece {
            Piece::Gap(missing) => give(Piece::Missed(missing, at)),
            other => give(other),
        });
    }

    fn skip_to(&mut self, seq: Seq, give: &mut impl FnMut(Piece<'_>)) {
        let missing = u64::try_from(seq.diff(self.next)).unwrap_or(0);
        if missing > 0 {
            self.missing += missing;
            self.next = seq;
            give(Piece::Gap(missing));
        }
    }

    #[inline]
    fn deliver(&mut self, bytes: &[u8], old: u32, len: u32, give: &mut impl FnMut(Piece<'_>)) {
        let fresh = bytes.get(old as usize..).unwrap_or_default();
        if !fresh.is_empty() {
            give(Piece::Bytes(fresh));
        }
        let new_len = len - old;
        let cut = u64::from(new_len) - (fresh.len() as u64).min(u64::from(new_len));
        self.next = self.next.add(new_len);
        if cut > 0 {
            give(Piece::Gap(cut));
        }
    }

    fn hold(&mut self, seq: Seq, bytes: &[u8], len: u32, give: &mut impl FnMut(Piece<'_>)) -> bool {
        let held = self.held.get_or_insert_default();
        let place = held.segments.partition_point(|e| e.seq.before(seq));
        if held.segments.get(place).is_some_and(|e| e.seq == seq && e.len >= len) {
            return false;
        }
        held.bytes += bytes.len() + size_of::<Early>();
        held.segments.insert(place, Early { seq, bytes: bytes.into(), len });
        if held.bytes > HELD_MAX {
            if let Some(first) = held.segments.first().map(|e| e.seq) {
                self.skip_to(first, give);
            }
            self.drain(give);
        }
        true
    }

    /// Gives what is no longer early.
    fn drain(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        let Some(mut held) = self.held.take() else { return };
        let mut done = 0;
        for early in &held.segments {
            if early.seq.after(self.next) {
                break;
            }
            done += 1;
            held.bytes = held.bytes.saturating_sub(early.bytes.len() + size_of::<Early>());
            let old = self.next.diff(early.seq).unsigned_abs();
            if old < early.len {
                self.deliver(&early.bytes, old, early.len, give);
            }
        }
        held.segments.drain(..done);
        if !held.segments.is_empty() {
            self.held = Some(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(out: &mut Vec<u8>, piece: &Piece<'_>) {
        match *piece {
            Piece::Bytes(b) => out.extend_from_slice(b),
            Piece::Gap(n) | Piece::Missed(n, _) => out.extend(std::iter::repeat_n(b'?', n as usize)),
        }
    }

    fn run(stream: &mut Stream, out: &mut Vec<u8>, seq: u32, bytes: &[u8]) {
        stream.push(Seq(seq), bytes, bytes.len() as u32, &mut |piece| write(out, &piece));
    }

    fn acked(stream: &mut Stream, out: &mut Vec<u8>, ack: u32) {
        stream.acked(Seq(ack), Timestamp(0), &mut |piece| write(out, &piece));
    }

    #[test]
    fn an_acknowledged_hole_is_the_captures() {
        let (mut s, mut out) = (Stream::default(), Vec::new());
        run(&mut s, &mut out, 0, b"ab");
        run(&mut s, &mut out, 4, b"ef");
        assert_eq!(out, b"ab");
        acked(&mut s, &mut out, 6);
        assert_eq!(out, b"ab??ef");
        assert_eq!(s.missing, 2);
    }

    #[test]
    fn octets_may_come_behind_their_acknowledgement() {
        let (mut s, mut out) = (Stream::default(), Vec::new());
        run(&mut s, &mut out, 0, b"ab");
        acked(&mut s, &mut out, 4);
        assert_eq!((s.awaited(), s.missing), (2, 0));
        run(&mut s, &mut out, 2, b"cd");
        assert_eq!((s.awaited(), s.missing), (0, 0));
        // These never come: more is acknowledged, more is sent.
        acked(&mut s, &mut out, 5);
        acked(&mut s, &mut out, 7);
        run(&mut s, &mut out, 8, b"ij");
        assert_eq!(out, b"abcd???");
        acked(&mut s, &mut out, 10);
        assert_eq!(out, b"abcd????ij");
        assert_eq!((s.awaited(), s.missing), (0, 4));
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_octets(
            cuts in proptest::collection::vec(1usize..9, 1..30), order in any::<u64>(), start in any::<u32>(),
        ) {
            let total: usize = cuts.iter().sum();
            let bytes: Vec<u8> = (0..total).map(|i| i as u8).collect();
            let mut pieces = Vec::new();
            let mut at = 0;
            for cut in cuts {
                pieces.push((at, cut));
                at += cut;
            }
            // A fixed shuffle with repeats; the first segment stays first, it starts the stream.
            let mut seed = order | 1;
            let mut shuffled = pieces.clone();
            for i in (2..shuffled.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(i, 1 + (seed >> 33) as usize % i);
            }
            shuffled.extend(pieces.iter().copied().filter(|p| p.0 % 3 == 0));
            let (mut s, mut out) = (Stream::default(), Vec::new());
            for (at, len) in shuffled {
                run(&mut s, &mut out, start.wrapping_add(at as u32), &bytes[at..at + len]);
            }
            prop_assert_eq!(out, bytes);
            prop_assert_eq!(s.missing, 0);
        }
    }
}
