//! The last of many, found by what they are known by. They stand in order, and what is looked through to find one is four octets
//! for each: it stays near the processor.
use hashbrown::HashTable;
use std::collections::VecDeque;

/// So many are remembered.
const MOST: usize = 4096;

/// The last of them, oldest first.
#[derive(Debug)]
pub(super) struct Lately<T> {
    /// Each with its hash.
    all: VecDeque<(u32, T)>,
    /// How many have left; the number of the oldest.
    left: u32,
    /// The numbers of those that can be found, by their hashes.
    numbers: HashTable<u32>,
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self { all: VecDeque::new(), left: 0, numbers: HashTable::new() }
    }
}

impl<T> Lately<T> {
    /// The youngest of this hash that is the right one.
    pub fn find(&self, hash: u32, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        let of = |number: &u32| self.all.get(number.wrapping_sub(self.left) as usize);
        let right = |number: &u32| of(number).is_some_and(|(own, one)| *own == hash && is_it(one));
        self.numbers.find(spread(hash), right).and_then(of).map(|(_, one)| one)
    }

    /// One more. It is found in the stead of the older one that [`Self::find`] found, where there is one (`again`) that is
    /// `the_same`. Beyond the bound the oldest is forgotten.
    pub fn remember(&mut self, hash: u32, one: T, again: bool, the_same: impl Fn(&T) -> bool) {
        let Self { all, left, numbers } = self;
        let number = left.wrapping_add(all.len() as u32);
        let of = |number: &u32| all.get(number.wrapping_sub(*left) as usize);
        let same = |number: &u32| of(number).is_some_and(|(own, one)| *own == hash && the_same(one));
        match again.then(|| numbers.find_mut(spread(hash), same)).flatten() {
            Some(older) => *older = number,
            None => {
                numbers.insert_unique(spread(hash), number, |number| {
                    spread(of(number).map_or(hash, |&(own, _)| own))
                });
            }
        }
        all.push_back((hash, one));
        if all.len() > MOST
            && let Some((hash, _)) = all.pop_front()
        {
            if let Ok(oldest) = numbers.find_entry(spread(hash), |number| *number == *left) {
                oldest.remove();
            }
            *left = left.wrapping_add(1);
        }
    }
}

/// As many bits as the table wants.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_youngest_of_the_last_are_found() {
        let mut lately = Lately::default();
        // Two of each key, and hashes that meet.
        let hash = |key: u32| key / 3;
        for n in 0..20_000_u32 {
            let key = n / 2;
            lately.remember(hash(key), (key, n), n % 2 == 1, |other| other.0 == key);
            assert_eq!(lately.find(hash(key), |one| one.0 == key), Some(&(key, n)));
        }
        assert!(lately.all.len() == MOST && lately.numbers.len() == MOST / 2);
        for key in 0..10_000 {
            let young = 2 * key as usize + 1 >= 20_000 - MOST;
            let found = lately.find(hash(key), |one| one.0 == key);
            assert_eq!(found.copied(), young.then_some((key, 2 * key + 1)));
        }
    }

    #[test]
    fn numbers_may_begin_anew() {
        let mut lately = Lately { left: u32::MAX - 5_000, ..Lately::default() };
        for n in 0..12_000 {
            lately.remember(n, n, false, |other| *other == n);
        }
        assert_eq!((0..12_000).filter(|&n| lately.find(n, |one| *one == n).is_some()).count(), MOST);
    }
}
