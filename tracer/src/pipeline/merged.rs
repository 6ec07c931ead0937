//! What the shards tell of a batch, in the order of its frames.
use super::batch::Part;
use crate::track::Tracked;
use std::iter::Peekable;
use std::vec::Drain;

/// The tellings of all shards; of the same frame, in the order of the shards.
pub(super) struct Merged<'a> {
    shards: Vec<One<'a>>,
    /// Frame and place in `shards` of the next.
    next: Option<(u32, usize)>,
}

struct One<'a> {
    told: Peekable<Drain<'a, (u32, u32)>>,
    tracked: Drain<'a, Tracked>,
}

impl<'a> Merged<'a> {
    /// Of all parts, in the order of the followers, whose shards take turns.
    pub fn of(parts: &'a mut [Part]) -> Self {
        let followers = parts.len();
        let mut shards: Vec<(usize, One<'a>)> = Vec::new();
        for (follower, part) in parts.iter_mut().enumerate() {
            for (turn, work) in part.works.iter_mut().enumerate() {
                let told = work.told.drain(..).peekable();
                shards.push((turn * followers + follower, One { told, tracked: work.tracked.drain(..) }));
            }
        }
        shards.sort_by_key(|(shard, _)| *shard);
        let mut merged = Self { shards: shards.into_iter().map(|(_, one)| one).collect(), next: None };
        merged.find();
        merged
    }

    /// The frame of what comes next.
    pub fn next_frame(&self) -> Option<u32> {
        self.next.map(|(frame, _)| frame)
    }

    /// What one shard tells of [`Merged::next_frame`].
    pub fn take(&mut self) -> impl Iterator<Item = Tracked> {
        let place = self.next.map_or(0, |(_, place)| place);
        let count = self.shards.get_mut(place).and_then(|one| one.told.next()).map_or(0, |(_, count)| count);
        self.find();
        let tracked = self.shards.get_mut(place).map(|one| one.tracked.by_ref());
        tracked.into_iter().flatten().take(count as usize)
    }

    fn find(&mut self) {
        let heads = self.shards.iter_mut().enumerate();
        self.next = heads.filter_map(|(place, one)| Some((one.told.peek()?.0, place))).min();
    }
}
