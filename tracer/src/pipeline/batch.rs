//! What followers tell of a stretch of the input. A batch that comes back is filled again, so that a frame costs no allocation.
use super::room::{Holds, LAG, Leave};
use crate::event::{Facts, Rooms};
use crate::track::Tracked;
use std::iter::Peekable;
use std::vec::Drain;

/// What one follower tells of a [`super::Stretch`].
#[derive(Debug, Default)]
pub struct Batch {
    /// Whose tellings `tracked` are, in order.
    pub(super) told: Vec<Told>,
    pub(super) tracked: Vec<Tracked>,
    /// What its follower's shards hold where a round ends with the stretch.
    pub(super) holds: Holds,
    /// On the way back: memory for facts to come, and who must go as a later round begins.
    pub(super) rooms: Rooms,
    pub(super) leave: Option<Leave>,
}

/// So much a frame made a tracker tell: in the order of frames, and of [`super::Follow::handle_frame`]'s turns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Told {
    pub frame: u32,
    pub turn: u32,
    pub count: u32,
}

impl Batch {
    /// Batches of a follower that are under way: each is filled again when it has come back, and no other is filled in its stead.
    pub const UNDER_WAY: usize = LAG;
    /// As much room stays for what is told the next time. Where timers ran out in a flood it was ten times that.
    const KEPT: usize = 1024;

    /// On its way back: with memory for facts to come, of all the judge has a part, and without the room that few stretches need.
    pub(super) fn give_back(&mut self, rooms: impl Iterator<Item = Box<Facts>>) {
        self.tracked.shrink_to(Self::KEPT);
        self.rooms.extend(rooms);
    }
}

/// What all followers tell of a stretch, in order.
pub(super) struct Merged<'a> {
    followers: Vec<One<'a>>,
    /// What comes next, and the place in `followers` of who tells it.
    next: Option<(Told, usize)>,
}

struct One<'a> {
    told: Peekable<Drain<'a, Told>>,
    tracked: Drain<'a, Tracked>,
}

impl<'a> Merged<'a> {
    /// Of the same stretch, from each follower.
    pub fn of(told: impl Iterator<Item = (&'a mut Vec<Told>, &'a mut Vec<Tracked>)>) -> Self {
        let one = |(told, tracked): (&'a mut Vec<Told>, &'a mut Vec<Tracked>)| One {
            told: told.drain(..).peekable(),
            tracked: tracked.drain(..),
        };
        let mut merged = Self { followers: told.map(one).collect(), next: None };
        merged.find();
        merged
    }

    /// The frame of what comes next.
    pub fn next_frame(&self) -> Option<u32> {
        self.next.map(|(told, _)| told.frame)
    }

    /// What is told in the next turn of [`Merged::next_frame`].
    pub fn take(&mut self) -> impl Iterator<Item = Tracked> {
        let (count, place) = self.next.map_or((0, 0), |(told, place)| (told.count, place));
        if let Some(one) = self.followers.get_mut(place) {
            one.told.next();
        }
        self.find();
        let tracked = self.followers.get_mut(place).map(|one| one.tracked.by_ref());
        tracked.into_iter().flatten().take(count as usize)
    }

    fn find(&mut self) {
        let heads = self.followers.iter_mut().enumerate();
        self.next = heads.filter_map(|(place, one)| Some((*one.told.peek()?, place))).min();
    }
}
