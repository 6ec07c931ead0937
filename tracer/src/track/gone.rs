//! Connections whose close was told: what still comes of them belongs to that close and begins nothing. A few words for
//! each, bounded in number and time.
use super::{FlowKey, share};
use crate::base::{Endpoint, Seq, Span, Timestamp};
use crate::wire::Segment;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

/// Connections remembered: a part of those that a table may hold, within bounds. Each leaves a hole in the index as it goes; where more
/// than seven sixteenths of a power of two live in it, that grows to twice the size instead of closing its holes.
const MOST: (usize, usize, usize) = (18, 1024, 56 * 1024);
/// How long: the longest that Linux repeats a segment.
const MEMORY: Span = Span::secs(1000);
/// Farther from where its sender was, it is another connection's.
const NEAR: u32 = 1 << 24;

/// A connection, and what each of its ends would send next.
#[derive(Clone, Copy, Debug)]
struct Left {
    key: FlowKey,
    at: Timestamp,
    low: Seq,
    high: Seq,
    /// Whether each of those is known.
    known: (bool, bool),
    /// The same ends came again and are gone once more.
    again: bool,
}

/// All that are remembered, in a ring; the oldest is forgotten first.
#[derive(Debug)]
pub struct Gone {
    most: usize,
    /// Places of those whose ends did not come again.
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    ring: VecDeque<Left>,
    /// The place of the oldest; places wrap.
    first: u32,
}

impl Gone {
    /// For a table of so many connections.
    pub fn new(max_connections: usize) -> Self {
        Self {
            most: share(max_connections, MOST),
            index: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            ring: VecDeque::new(),
            first: 0,
        }
    }

    /// Remembers a connection: its ends, and what each would send next, where that is known.
    pub fn remember(&mut self, at: Timestamp, ends: [(Endpoint, Option<Seq>); 2]) {
        let [a, b] = ends;
        let key = FlowKey::new(a.0, b.0);
        let (low, high) = if key.low == a.0 { (a.1, b.1) } else { (b.1, a.1) };
        let known = (low.is_some(), high.is_some());
        let (low, high) = (low.unwrap_or_default(), high.unwrap_or_default());
        let place = self.first.wrapping_add(self.ring.len() as u32);
        self.ring.push_back(Left { key, at, low, high, known, again: false });
        self.point_to(place, key);
        while self.ring.len() > self.most || self.ring.front().is_some_and(|f| at - f.at > MEMORY) {
            self.forget();
        }
    }

    /// The connection at `place` is the last between its ends.
    fn point_to(&mut self, place: u32, key: FlowKey) {
        let Self { index, hasher, ring, first, .. } = self;
        let at = |place: u32| place.wrapping_sub(*first) as usize;
        let hash = hasher.hash_one(key);
        let same = |known: &u32| ring.get(at(*known)).is_some_and(|left| left.key == key);
        match index.find_mut(hash, same) {
            Some(known) => {
                let before = at(std::mem::replace(known, place));
                if let Some(left) = ring.get_mut(before) {
                    left.again = true;
                }
            }
            None => {
                let hash_of = |known: &u32| ring.get(at(*known)).map_or(0, |left| hasher.hash_one(left.key));
                index.insert_unique(hash, place, hash_of);
            }
        }
    }

    fn forget(&mut self) {
        let Some(left) = self.ring.pop_front() else { return };
        let place = self.first;
        self.first = place.wrapping_add(1);
        if !left.again
            && let Ok(entry) = self.index.find_entry(self.hasher.hash_one(left.key), |&known| known == place)
        {
            entry.remove();
        }
    }

    fn get(&self, key: FlowKey) -> Option<&Left> {
        if self.index.is_empty() {
            return None;
        }
        let at = |place: u32| self.ring.get(place.wrapping_sub(self.first) as usize);
        let found = self.index.find(self.hasher.hash_one(key), |&p| at(p).is_some_and(|l| l.key == key));
        at(*found?)
    }

    /// Whether this segment belongs to a connection that is gone.
    pub fn owns(&self, key: FlowKey, seg: &Segment<'_>, now: Timestamp) -> bool {
        let Some(left) = self.get(key).filter(|l| now - l.at <= MEMORY) else { return false };
        let (next, known) =
            if key.low == seg.src { (left.low, left.known.0) } else { (left.high, left.known.1) };
        if !known {
            return false;
        }
        if seg.flags.syn() {
            // Only a repeat has the same number; it is behind by what was sent since.
            return seg.flags.ack() && seg.seq.diff(next) < 0 && seg.seq.diff(next).unsigned_abs() < NEAR
                || seg.seq.add(1) == next;
        }
        seg.seq.diff(next).unsigned_abs() < NEAR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

    #[test]
    fn the_youngest_are_remembered_and_of_the_same_ends_the_last() {
        let mut gone = Gone::new(0);
        let server = Endpoint { addr: Addr::v4([10, 0, 0, 5]), port: 4222 };
        let client = |n: u32| Endpoint { addr: Addr::v4([10, 0, 0, 7]), port: 10_000 + n as u16 };
        let since =
            |gone: &Gone, n: u32| gone.get(FlowKey::new(server, client(n))).map(|left| (left.at.0, left.low));
        // Ports are used again after two thousand connections; half as many are remembered.
        for n in 0..3_000 {
            gone.remember(Timestamp(n.into()), [(client(n % 2_000), None), (server, Some(Seq(n)))]);
        }
        assert_eq!((gone.ring.len(), gone.index.len()), (MOST.1, MOST.1));
        assert_eq!(since(&gone, 5), Some((2_005, Seq(2_005))));
        assert_eq!(since(&gone, 1_980), Some((1_980, Seq(1_980))));
        assert_eq!(since(&gone, 1_500), None);
        gone.remember(Timestamp(4_000), [(client(7), None), (server, Some(Seq(9)))]);
        assert_eq!((gone.ring.len(), gone.index.len()), (MOST.1, MOST.1 - 1));
        assert_eq!(since(&gone, 7), Some((4_000, Seq(9))));
        // The older one of the same ends is forgotten, the younger stays.
        for n in 0..100 {
            gone.remember(Timestamp(5_000), [(client(3_000 + n), None), (server, None)]);
        }
        assert_eq!((since(&gone, 7), since(&gone, 5)), (Some((4_000, Seq(9))), None));
    }
}
