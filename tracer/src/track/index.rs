//! Which slot the connection between two ends is in. An entry is half a hash and the slot, eight octets: the ends themselves stand
//! in the connection, which a frame touches anyway.
use crate::base::Endpoint;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

/// The table.
pub struct Index {
    entries: HashTable<Entry>,
    /// Chosen at random, so that nobody can choose ends that meet in one place.
    seeds: [u64; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    hash: u32,
    slot: u32,
}

impl Entry {
    /// As many bits as the table wants.
    const fn spread(hash: u32) -> u64 {
        (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Default for Index {
    fn default() -> Self {
        let random = foldhash::fast::RandomState::default();
        Self { entries: HashTable::new(), seeds: [0, 1].map(|n: u64| random.hash_one(n)) }
    }
}

impl Index {
    /// So many connections.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What stands for two ends, in either order.
    #[inline(always)]
    pub fn hash(&self, a: Endpoint, b: Endpoint) -> u32 {
        let [x, y] = self.seeds;
        let mix = |end: Endpoint| {
            let addr = u128::from_ne_bytes(end.addr.0);
            let product =
                u128::from(addr as u64 ^ u64::from(end.port) ^ x) * u128::from((addr >> 64) as u64 ^ y);
            product as u64 ^ (product >> 64) as u64
        };
        let both = mix(a).wrapping_add(mix(b));
        (both ^ (both >> 32)) as u32
    }

    /// The slot with this hash that is the right one.
    #[inline(always)]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let found = self.entries.find(Entry::spread(hash), |entry| entry.hash == hash && is_it(entry.slot));
        found.map(|entry| entry.slot)
    }

    /// One more.
    pub fn insert(&mut self, hash: u32, slot: u32) {
        let entry = Entry { hash, slot };
        self.entries.insert_unique(Entry::spread(hash), entry, |entry| Entry::spread(entry.hash));
    }

    /// One less.
    pub fn remove(&mut self, hash: u32, slot: u32) {
        if let Ok(entry) =
            self.entries.find_entry(Entry::spread(hash), |entry| *entry == Entry { hash, slot })
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

    #[test]
    fn each_pair_of_ends_has_its_slot_in_either_order() {
        let mut index = Index::default();
        let server = Endpoint { addr: Addr::v4([10, 0, 0, 1]), port: 4222 };
        let client =
            |n: u32| Endpoint { addr: Addr::v4([10, 0, (n >> 8) as u8, n as u8]), port: 40_000 + n as u16 };
        for n in 0..5_000 {
            index.insert(index.hash(client(n), server), n);
        }
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..5_000 {
            let hash = index.hash(server, client(n));
            seen.insert(hash);
            assert_eq!(index.find(hash, |slot| slot == n), Some(n));
            assert_eq!(index.find(hash, |_| false), None);
        }
        assert!(seen.len() > 4_900, "{} hashes", seen.len());
        for n in 0..5_000 {
            index.remove(index.hash(client(n), server), n);
            index.remove(index.hash(client(n), server), n);
        }
        assert_eq!(index.len(), 0);
    }
}
