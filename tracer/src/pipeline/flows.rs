//! Which number a connection has in the output. Both grow from one connection to the next, so most are kept as two octets each,
//! a thousand in a block; what is left of a block, and what comes out of order, is in a map.
use crate::track::ConnId;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Connections in a block.
const BLOCK: usize = 1024;
/// A full block with fewer left is given up for the map.
const FEW: u32 = 64;

/// Connections that follow each other, in their order and in their numbers.
struct Block {
    first: ConnId,
    flow: u64,
    /// How far each is from the first.
    after: Vec<u16>,
    /// A bit for each that was removed.
    gone: [u64; BLOCK / 64],
    left: u32,
}

impl Block {
    fn place(&self, id: ConnId) -> Option<usize> {
        let after = u16::try_from(id.checked_sub(self.first)?).ok()?;
        let place = self.after.binary_search(&after).ok()?;
        self.is_left(place).then_some(place)
    }

    fn is_left(&self, place: usize) -> bool {
        self.gone.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 0)
    }

    fn takes(&self, id: ConnId, flow: u64) -> bool {
        self.after.len() < BLOCK
            && flow == self.flow + self.after.len() as u64
            && id > self.first
            && id - self.first <= u64::from(u16::MAX)
            && self.after.last().is_none_or(|&last| u64::from(last) < id - self.first)
    }
}

/// The numbers of all connections that may still be told of.
#[derive(Default)]
pub(super) struct Flows {
    blocks: VecDeque<Block>,
    others: HashMap<ConnId, u64, foldhash::fast::RandomState>,
}

impl Flows {
    /// A connection and its number.
    pub fn insert(&mut self, id: ConnId, flow: u64) {
        if let Some(block) = self.blocks.back_mut().filter(|block| block.takes(id, flow)) {
            block.after.push((id - block.first) as u16);
            block.left += 1;
            return;
        }
        if !self.is_next(id) {
            self.others.insert(id, flow);
            return;
        }
        self.thin(self.blocks.len().saturating_sub(1));
        self.blocks.push_back(Block { first: id, flow, after: vec![0], gone: [0; BLOCK / 64], left: 1 });
    }

    /// Whether it comes behind all that are in blocks.
    fn is_next(&self, id: ConnId) -> bool {
        self.blocks.back().is_none_or(|b| b.after.last().is_none_or(|&last| id > b.first + u64::from(last)))
    }

    /// The number of a connection.
    pub fn get(&self, id: ConnId) -> Option<u64> {
        let in_block = || {
            let block = self.blocks.get(self.block(id)?)?;
            Some(block.flow + block.place(id)? as u64)
        };
        self.others.get(&id).copied().or_else(in_block)
    }

    /// Nothing will be told of it any more. Its number, where it was known.
    pub fn remove(&mut self, id: ConnId) -> Option<u64> {
        if !self.others.is_empty()
            && let Some(flow) = self.others.remove(&id)
        {
            return Some(flow);
        }
        let number = self.block(id)?;
        let block = self.blocks.get_mut(number)?;
        let place = block.place(id)?;
        let flow = block.flow + place as u64;
        *block.gone.get_mut(place / 64)? |= 1 << (place % 64);
        block.left -= 1;
        if number + 1 < self.blocks.len() {
            self.thin(number);
        }
        Some(flow)
    }

    fn block(&self, id: ConnId) -> Option<usize> {
        self.blocks.partition_point(|block| block.first <= id).checked_sub(1)
    }

    /// Gives a block up for the map if few are left in it.
    fn thin(&mut self, number: usize) {
        if self.blocks.get(number).is_none_or(|block| block.left >= FEW) {
            return;
        }
        let Some(block) = self.blocks.remove(number) else { return };
        let left = block.after.iter().enumerate().filter(|(place, _)| block.is_left(*place));
        self.others.extend(left.map(|(n, &after)| (block.first + u64::from(after), block.flow + n as u64)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_map() {
        let (mut flows, mut map) = (Flows::default(), std::collections::BTreeMap::new());
        let mut id = 5;
        for flow in 1..20_000u64 {
            // Dense, sparse, and now and then one that was begun earlier.
            id += if flow % 3_000 < 1_500 { 1 + flow % 3 } else { 700 };
            let told = if flow % 997 == 0 { id - 2_000_000 % id - 1 } else { id };
            if map.contains_key(&told) {
                continue;
            }
            flows.insert(told, flow);
            map.insert(told, flow);
            let old = id.wrapping_mul(0x9e37_79b9) % id;
            if flow % 50 != 0 {
                let near = map.range(old..).next().map(|(&id, _)| id).unwrap_or(old);
                assert_eq!(flows.get(near), map.get(&near).copied());
                assert_eq!(flows.remove(near), map.remove(&near));
                assert_eq!((flows.get(near), flows.remove(near)), (None, None));
            }
        }
        for (&id, &flow) in &map {
            assert_eq!(flows.get(id), Some(flow));
        }
        for &id in map.keys() {
            flows.remove(id);
        }
        assert!(flows.blocks.len() <= 1 && flows.others.is_empty());
    }
}
