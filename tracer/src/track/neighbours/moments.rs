//! When something happened to connections, by what they have in common: counted without walking the others.
use super::Map;
use crate::base::{Span, Timestamp};
use crate::track::ConnId;
use std::collections::VecDeque;
use std::hash::Hash;

/// Moments that are remembered: seven sixteenths of a power of two at most, as a map of which entries come and go doesn't grow
/// beyond that.
const MOST: usize = 3_500;

/// The last moments of all, and those of each key in order of time.
#[derive(Debug)]
pub(super) struct Moments<K> {
    /// As they came, which is nearly in order of time.
    order: VecDeque<(K, Timestamp, ConnId)>,
    by_key: Map<K, VecDeque<(Timestamp, ConnId)>>,
    /// Some were forgotten for want of room.
    forgot: bool,
}

impl<K> Default for Moments<K> {
    fn default() -> Self {
        Self { order: VecDeque::new(), by_key: Map::default(), forgot: false }
    }
}

impl<K: Hash + Eq + Copy> Moments<K> {
    /// One more.
    pub fn add(&mut self, key: K, at: Timestamp, id: ConnId) {
        if self.order.len() >= MOST
            && let Some((key, at, id)) = self.order.pop_front()
        {
            self.forgot = true;
            self.take(key, at, id);
        }
        self.order.push_back((key, at, id));
        let list = self.by_key.entry(key).or_default();
        if list.back().is_none_or(|&last| last.0 <= at) {
            list.push_back((at, id));
        } else {
            list.insert(list.partition_point(|other| other.0 <= at), (at, id));
        }
    }

    /// It did not happen to this connection after all.
    pub fn forget(&mut self, id: ConnId) {
        let of = |moment: &(K, Timestamp, ConnId)| moment.2 == id;
        while let Some(place) = self.order.iter().position(of) {
            if let Some((key, at, id)) = self.order.remove(place) {
                self.take(key, at, id);
            }
        }
    }

    fn take(&mut self, key: K, at: Timestamp, id: ConnId) {
        let Some(list) = self.by_key.get_mut(&key) else { return };
        // The oldest of all is the oldest of its key, too.
        if list.front() == Some(&(at, id)) {
            list.pop_front();
        } else {
            let from = list.partition_point(|other| other.0 < at);
            if let Some(place) = list.range(from..).position(|other| other.1 == id) {
                list.remove(from + place);
            }
        }
        if list.is_empty() {
            self.by_key.remove(&key);
        }
    }

    /// To how many others than `id`, to which it happened at `at`, it happened that near to it.
    pub fn others(&self, key: K, id: ConnId, at: Timestamp, within: Span) -> u32 {
        let Some(list) = self.by_key.get(&key) else { return 0 };
        // In a rush only the youngest are remembered, and a close is judged long after its end.
        if list.front().is_none_or(|first| first.0 > at + within) {
            return 0;
        }
        let own = list.range(list.partition_point(|other| other.0 < at)..);
        let own = own.take_while(|other| other.0 == at).any(|other| other.1 == id);
        let all = between(list, at - within, at + within);
        u32::try_from(all.saturating_sub(usize::from(own))).unwrap_or(u32::MAX)
    }

    /// How often it happened in the span before `at`; `None` where that is not remembered.
    pub fn before(&self, key: K, at: Timestamp, span: Span) -> Option<u32> {
        if self.forgot && self.order.front().is_none_or(|oldest| oldest.1 > at - span) {
            return None;
        }
        let times = self.by_key.get(&key).map_or(0, |list| between(list, at - span, at));
        u32::try_from(times).ok()
    }
}

/// How many of a list in order of time lie from `from` to `to`.
fn between(list: &VecDeque<(Timestamp, ConnId)>, from: Timestamp, to: Timestamp) -> usize {
    list.partition_point(|item| item.0 <= to).saturating_sub(list.partition_point(|item| item.0 < from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn others_near_it_are_counted() {
        let mut moments = Moments::default();
        for (key, ms, id) in [('a', 50, 1), ('a', 20, 2), ('b', 20, 3), ('a', 130, 4), ('a', 50, 5)] {
            moments.add(key, Timestamp(ms * MS), id);
        }
        let others =
            |moments: &Moments<char>, id, ms| moments.others('a', id, Timestamp(ms * MS), Span::millis(40));
        assert_eq!([others(&moments, 1, 50), others(&moments, 4, 130), others(&moments, 9, 50)], [2, 0, 3]);
        moments.forget(5);
        assert_eq!(others(&moments, 1, 50), 1);
        assert_eq!(moments.before('a', Timestamp(100 * MS), Span::millis(60)), Some(1));
        assert_eq!(moments.before('c', Timestamp(100 * MS), Span::millis(60)), Some(0));
    }

    #[test]
    fn what_is_forgotten_is_not_counted_as_nothing() {
        let mut moments = Moments::default();
        for n in 0..=MOST as i64 {
            moments.add(n % 2, Timestamp(n * MS), n as u64);
        }
        let at = |ms: i64| Timestamp(ms * MS);
        assert_eq!(moments.before(0, at(100), Span::millis(100)), None);
        assert_eq!(moments.before(0, at(101), Span::millis(99)), Some(50));
        assert_eq!(moments.order.len(), MOST);
        assert_eq!(moments.by_key.values().map(VecDeque::len).sum::<usize>(), MOST);
    }
}
