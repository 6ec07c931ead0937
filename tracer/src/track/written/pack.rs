//! Values to octets and back: a bit for each field of a structure, which says whether it is anything but what it mostly is, then
//! those that are. Numbers take as many octets as they need, and how many shows in the first, so that neither way loops.
use crate::base::Timestamp;
use crate::event::{FrameRef, Mark};
use crate::track::rest::format::{self, folded, unfolded};
use serde::{Deserialize, Serialize};

/// What can be packed.
pub(super) trait Packed: Sized {
    /// The bit says it all: only a field can be such a value, or one of an end's.
    const IS_BIT: bool = false;
    /// What it mostly is: a bit says so.
    fn usual() -> Self;
    /// Whether it is that.
    fn is_usual(&self) -> bool;
    /// Takes as few octets as it can.
    fn pack(&self, to: &mut Packer);
    /// What was packed.
    fn unpack(from: &mut Unpacker<'_>) -> Self;
    /// The same, where there is memory for it.
    #[inline]
    fn fill(&mut self, from: &mut Unpacker<'_>) {
        *self = Self::unpack(from);
    }
}

/// The last time and frame: the next are near them.
#[derive(Clone, Copy)]
struct Last {
    time: i64,
    place: u64,
}

/// Takes values in.
pub(super) struct Packer {
    /// Longer than what is written.
    room: Vec<u8>,
    len: usize,
    last: Last,
    broken: bool,
}

/// A number takes so many octets at most.
const NUMBER: usize = 9;

/// Octets of seven bits that a number takes; beyond eight it is told otherwise.
#[inline]
const fn sevens(n: u64) -> usize {
    let bits = 64 - (n | 1).leading_zeros() as usize;
    // As division by seven, rounded up.
    (bits * 9 + 64) / 64
}

/// The lowest bits of a number of so many octets.
const LOWEST: [u64; 16] = {
    let mut bits = [u64::MAX; 16];
    let mut len = 0;
    while len < 8 {
        bits[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    bits
};

/// What a mark begins with, and how many octets all takes.
#[inline]
fn distances(octets: &[u8; 17]) -> (u64, u64, usize) {
    let [lens, octets @ ..] = octets;
    let (first, second) = (usize::from(lens >> 4), usize::from(lens & 0xf));
    let both = u128::from_le_bytes(*octets);
    let (far, later) = (both as u64 & LOWEST[first], (both >> (8 * first)) as u64 & LOWEST[second]);
    (far, later, 1 + first + second)
}

/// Octets that a number takes, none if it is 0.
#[inline]
const fn eights(n: u64) -> usize {
    (71 - n.leading_zeros() as usize) / 8
}

impl Packer {
    /// Into this memory. `near`: a time and a frame's place that the first ones are near.
    pub fn new(mut room: Vec<u8>, (time, place): (i64, u64)) -> Self {
        room.resize(room.capacity().max(1024), 0);
        Self { room, len: 0, last: Last { time, place }, broken: false }
    }

    /// The memory, and what was written of it: `None` where a value could not be.
    pub fn done(self) -> (Vec<u8>, Option<usize>) {
        (self.room, (!self.broken).then_some(self.len))
    }

    #[cold]
    #[inline(never)]
    fn lengthen(&mut self, by: usize) {
        self.room.resize(2 * self.room.len() + by, 0);
    }

    /// So many octets to write to, of which `len` will count.
    #[inline]
    fn place<const OCTETS: usize>(&mut self, len: usize) -> Option<&mut [u8; OCTETS]> {
        if self.room.len() < self.len + OCTETS {
            self.lengthen(OCTETS);
        }
        let place = self.room.get_mut(self.len..)?.first_chunk_mut();
        self.len += len;
        place
    }

    /// As many zeros stand before the first one (from the lowest bit) as octets follow the first.
    #[inline]
    pub fn number(&mut self, n: u64) {
        let len = sevens(n);
        let (word, len) = if len < NUMBER { ((n << 1 | 1) << (len - 1), len) } else { (0, NUMBER) };
        if let Some([place @ .., _]) = self.place::<9>(len) {
            *place = word.to_le_bytes();
        }
        if len == NUMBER
            && let Some(place) = self.room.get_mut(self.len - 8..self.len)
        {
            place.copy_from_slice(&n.to_le_bytes());
        }
    }

    /// Octets, after their number.
    pub fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        let end = self.len + octets.len();
        if self.room.len() < end {
            self.lengthen(octets.len());
        }
        if let Some(place) = self.room.get_mut(self.len..end) {
            place.copy_from_slice(octets);
        }
        self.len = end;
    }

    /// Leaves so many octets for bits that are known later.
    #[inline]
    pub fn begin(&mut self, octets: usize) -> usize {
        let place = self.len;
        if self.room.len() < place + octets {
            self.lengthen(octets);
        }
        self.len += octets;
        place
    }

    /// Puts them there.
    #[inline]
    pub fn bits<const OCTETS: usize>(&mut self, place: usize, bits: u64) {
        if let Some(place) = self.room.get_mut(place..place + OCTETS) {
            place.copy_from_slice(&bits.to_le_bytes()[..OCTETS]);
        }
    }

    /// A time: how far it is from the last.
    #[inline]
    pub fn time(&mut self, time: i64) {
        self.number(folded(time.wrapping_sub(self.last.time)));
        self.last.time = time;
    }

    /// A frame: how far it is from the last.
    #[inline]
    pub fn frame(&mut self, frame: FrameRef) {
        self.number(folded(frame.place().wrapping_sub(self.last.place) as i64));
        self.last.place = frame.place();
    }

    /// A frame and its time, how far they are from the last: first how many octets either takes, then these.
    #[inline]
    pub fn mark(&mut self, mark: Mark) {
        let far = folded(mark.frame.place().wrapping_sub(self.last.place) as i64);
        let later = folded(mark.at.0.wrapping_sub(self.last.time));
        self.last = Last { time: mark.at.0, place: mark.frame.place() };
        let (first, second) = (eights(far), eights(later));
        if let Some(place) = self.place::<17>(1 + first + second) {
            place[0] = (first << 4 | second) as u8;
            place[1..9].copy_from_slice(&far.to_le_bytes());
            if let Some(place) = place.get_mut(1 + first..9 + first) {
                place.copy_from_slice(&later.to_le_bytes());
            }
        }
    }

    /// What is seldom anything but usual is written as a connection at rest is.
    #[cold]
    #[inline(never)]
    pub fn seldom(&mut self, value: &impl Serialize) {
        let mut room = std::mem::take(&mut self.room);
        room.truncate(self.len);
        match format::write(value, (self.last.time, self.last.place), room) {
            Ok(room) => (self.len, self.room) = (room.len(), room),
            Err(_) => (self.len, self.broken) = (0, true),
        }
    }
}

/// Gives values out of octets. Beyond their end all is 0.
pub(super) struct Unpacker<'a> {
    octets: &'a [u8],
    last: Last,
    broken: bool,
}

impl<'a> Unpacker<'a> {
    /// What was written with the same `near`.
    pub const fn new(octets: &'a [u8], (time, place): (i64, u64)) -> Self {
        Self { octets, last: Last { time, place }, broken: false }
    }

    /// All was read, and all of it had been written so.
    pub const fn is_done(&self) -> bool {
        !self.broken && self.octets.is_empty()
    }

    /// How many octets are left.
    pub const fn left(&self) -> usize {
        self.octets.len()
    }

    /// What was read is no such value.
    #[cold]
    #[inline(never)]
    pub const fn broke(&mut self) {
        self.broken = true;
    }

    /// The next eight octets.
    #[inline]
    fn word(&self) -> u64 {
        match self.octets.first_chunk() {
            Some(&octets) => u64::from_le_bytes(octets),
            None => self.last_word(),
        }
    }

    #[inline(never)]
    fn last_word(&self) -> u64 {
        let mut word = [0; 8];
        word.iter_mut().zip(self.octets).for_each(|(place, octet)| *place = *octet);
        u64::from_le_bytes(word)
    }

    #[inline]
    fn skip(&mut self, len: usize) {
        match self.octets.get(len..) {
            Some(rest) => self.octets = rest,
            None => self.over(),
        }
    }

    #[cold]
    fn over(&mut self) {
        (self.octets, self.broken) = (&[], true);
    }

    /// See [`Packer::number`].
    #[inline]
    pub fn number(&mut self) -> u64 {
        let word = self.word();
        let len = (word as u8).trailing_zeros() as usize + 1;
        if len < NUMBER {
            self.skip(len);
            return word >> len & u64::MAX >> (64 - 7 * len);
        }
        self.skip(1);
        let large = self.word();
        self.skip(8);
        large
    }

    /// See [`Packer::octets`].
    pub fn octets(&mut self) -> &'a [u8] {
        let len = usize::try_from(self.number()).unwrap_or(usize::MAX);
        match self.octets.split_at_checked(len) {
            Some((octets, rest)) => {
                self.octets = rest;
                octets
            }
            None => {
                self.over();
                &[]
            }
        }
    }

    /// See [`Packer::bits`].
    #[inline]
    pub fn bits<const OCTETS: usize>(&mut self) -> u64 {
        let word = self.word() & u64::MAX >> (64 - 8 * OCTETS);
        self.skip(OCTETS);
        word
    }

    /// See [`Packer::time`].
    #[inline]
    pub fn time(&mut self) -> i64 {
        self.last.time = self.last.time.wrapping_add(unfolded(self.number()));
        self.last.time
    }

    /// See [`Packer::frame`].
    #[inline]
    pub fn frame(&mut self) -> FrameRef {
        self.last.place = self.last.place.wrapping_add_signed(unfolded(self.number()));
        FrameRef::at_place(self.last.place)
    }

    /// See [`Packer::mark`].
    #[inline]
    pub fn mark(&mut self) -> Mark {
        let (far, later, len) = match self.octets.first_chunk() {
            Some(octets) => distances(octets),
            None => self.last_distances(),
        };
        self.skip(len);
        self.last.place = self.last.place.wrapping_add_signed(unfolded(far));
        self.last.time = self.last.time.wrapping_add(unfolded(later));
        Mark { at: Timestamp(self.last.time), frame: FrameRef::at_place(self.last.place) }
    }

    #[inline(never)]
    fn last_distances(&self) -> (u64, u64, usize) {
        let mut octets = [0; 17];
        octets.iter_mut().zip(self.octets).for_each(|(place, octet)| *place = *octet);
        distances(&octets)
    }

    /// See [`Packer::seldom`].
    #[cold]
    #[inline(never)]
    pub fn seldom<T: Deserialize<'a>>(&mut self) -> Option<T> {
        match format::read(self.octets, (self.last.time, self.last.place)) {
            Ok((value, rest)) => {
                self.octets = rest;
                Some(value)
            }
            Err(_) => {
                self.over();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers of every length.
    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64_u32).prop_map(|(n, less)| n >> less)
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (number(), any::<bool>(), 0..3_u32, number()).prop_map(|(at, before, capture, number)| Mark {
            at: Timestamp(if before { -(at as i64 >> 1) } else { at as i64 }),
            frame: FrameRef::new(capture * 40_000, number),
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            all in proptest::collection::vec((number(), mark(), ".{0,9}"), 0..60),
            near in any::<(i64, u64)>(),
        ) {
            let mut packer = Packer::new(Vec::new(), near);
            for (n, mark, text) in &all {
                let place = packer.begin(2);
                packer.number(*n);
                packer.mark(*mark);
                packer.octets(text.as_bytes());
                packer.seldom(text);
                packer.bits::<2>(place, n & 0xffff);
                packer.time(mark.at.0);
                packer.frame(mark.frame);
            }
            let (room, len) = packer.done();
            let octets = len.and_then(|len| room.get(..len)).unwrap_or_default();
            let mut from = Unpacker::new(octets, near);
            for (n, mark, text) in &all {
                prop_assert_eq!((from.bits::<2>(), from.number()), (n & 0xffff, *n));
                prop_assert_eq!(from.mark(), *mark);
                prop_assert_eq!(from.octets(), text.as_bytes());
                let seldom: Option<String> = from.seldom();
                prop_assert_eq!(seldom.as_ref(), Some(text));
                prop_assert_eq!((from.time(), from.frame()), (mark.at.0, mark.frame));
            }
            prop_assert!(from.is_done());
            from.number();
            prop_assert!(!from.is_done(), "there is nothing behind the end");
        }

        #[test]
        fn anything_may_be_unpacked(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut from = Unpacker::new(&octets, (0, 0));
            while !from.octets.is_empty() {
                from.mark();
                from.octets();
                from.seldom::<String>();
                from.number();
            }
        }
    }
}
