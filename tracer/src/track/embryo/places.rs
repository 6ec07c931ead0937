//! Where the attempts stand, found by the hash of their ends: buckets of one cache line, so that a lookup misses the cache once. A
//! flood takes out as many as it puts in, without end: nothing is left of what was taken out.

/// Attempts in a bucket.
const SLOTS: usize = 15;
/// So many stand in a bucket on average before there are more buckets.
const FULL: usize = 12;
/// Bits of an entry that say where the attempt stands; the rest is of its hash.
const PLACE_BITS: u32 = 22;
/// So many places can be told apart.
pub(super) const PLACES_MAX: usize = 1 << PLACE_BITS;
const PLACE: u32 = (1 << PLACE_BITS) - 1;
/// Buckets that are kept though nothing is in them.
const LEAST: usize = 64;

/// One cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    /// Attempts that belong here, or in a bucket before, and found room only in one behind.
    passed_on: u32,
    /// 0 where there is none.
    slots: [u32; SLOTS],
}

/// The table.
#[derive(Default)]
pub(super) struct Places {
    buckets: Vec<Bucket>,
    len: usize,
}

/// The part of the hash that stands beside the place; never 0.
const fn tag(hash: u64) -> u32 {
    let tag = hash as u32 >> PLACE_BITS << PLACE_BITS;
    if tag == 0 { 1 << PLACE_BITS } else { tag }
}

impl Places {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there must be more buckets before one more is put in: [`Places::grow`], then all once more.
    pub fn is_full(&self) -> bool {
        self.len >= self.buckets.len() * FULL
    }

    /// Empty, with half as many buckets more.
    pub fn grow(&mut self) {
        let more = (self.buckets.len() + self.buckets.len() / 2).max(4);
        self.buckets.clear();
        self.buckets.reserve_exact(more);
        self.buckets.resize(more, Bucket::default());
        self.len = 0;
    }

    /// The bucket that a hash belongs to.
    fn home(&self, hash: u64) -> usize {
        ((hash >> 32) as usize * self.buckets.len()) >> 32
    }

    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 < self.buckets.len() { bucket + 1 } else { 0 }
    }

    /// One more, where it is not full.
    pub fn insert(&mut self, hash: u64, place: u32) {
        let mut at = self.home(hash);
        for _ in 0..self.buckets.len() {
            let Some(bucket) = self.buckets.get_mut(at) else { return };
            if let Some(slot) = bucket.slots.iter_mut().find(|slot| **slot == 0) {
                *slot = tag(hash) | place & PLACE;
                self.len += 1;
                return;
            }
            bucket.passed_on += 1;
            at = self.next(at);
        }
    }

    /// Takes out the place with this hash that is the right one; places are told up to [`PLACES_MAX`].
    pub fn take(&mut self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (home, tag) = (self.home(hash), tag(hash));
        let mut at = home;
        loop {
            let bucket = self.buckets.get_mut(at)?;
            let its = |slot: &&mut u32| **slot & !PLACE == tag && is_it(**slot & PLACE);
            if let Some(slot) = bucket.slots.iter_mut().find(its) {
                let place = std::mem::take(slot) & PLACE;
                self.taken(home, at);
                return Some(place);
            }
            if bucket.passed_on == 0 {
                return None;
            }
            at = self.next(at);
            if at == home {
                return None;
            }
        }
    }

    /// One that belonged to bucket `home` is gone from bucket `at`.
    fn taken(&mut self, home: usize, at: usize) {
        let mut on_its_way = home;
        while on_its_way != at {
            if let Some(bucket) = self.buckets.get_mut(on_its_way) {
                bucket.passed_on = bucket.passed_on.saturating_sub(1);
            }
            on_its_way = self.next(on_its_way);
        }
        self.len -= 1;
        if self.len == 0 && self.buckets.len() > LEAST {
            self.buckets = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher as _;

    /// Puts in; makes room where it must.
    fn put(
        places: &mut Places,
        all: &std::collections::VecDeque<u32>,
        hash: impl Fn(u32) -> u64,
        place: u32,
    ) {
        if places.is_full() {
            places.grow();
            all.iter().for_each(|&known| places.insert(hash(known), known & PLACE));
        }
        places.insert(hash(place), place & PLACE);
    }

    /// As many come as go, and one is sought that was never there.
    fn turn_over(hash: impl Fn(u32) -> u64, alive: usize, rounds: u32) -> Places {
        let (mut places, mut all) = (Places::default(), std::collections::VecDeque::new());
        for place in 0..rounds {
            put(&mut places, &all, &hash, place);
            all.push_back(place);
            assert_eq!(places.take(hash(place), |_| false), None);
            if all.len() > alive {
                // Mostly the oldest goes, now and then one between.
                let nth = if place % 7 == 0 { all.len() / 2 } else { 0 };
                let known = all.remove(nth).unwrap_or_default();
                assert_eq!(places.take(hash(known), |found| found == known & PLACE), Some(known & PLACE));
                assert_eq!(places.take(hash(known), |found| found == known & PLACE), None);
            }
            assert_eq!(places.len(), all.len());
        }
        for known in all {
            assert_eq!(places.take(hash(known), |found| found == known & PLACE), Some(known & PLACE));
        }
        places
    }

    #[test]
    fn nothing_is_left_of_what_was_taken_out() {
        let random = foldhash::fast::RandomState::default();
        let places = turn_over(|place| random.hash_one(place), 5_000, 60_000);
        assert_eq!((places.len(), places.buckets.len()), (0, 0));
    }

    #[test]
    fn hashes_that_meet_find_room_further_on() {
        // All of them in three buckets.
        let places = turn_over(|place| u64::from(place % 3) << 62 | u64::from(place) << 20, 500, 3_000);
        assert!(places.buckets.len() < LEAST && places.buckets.iter().all(|bucket| bucket.passed_on == 0));
    }
}
