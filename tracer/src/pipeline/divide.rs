//! The first of several threads: whose each frame is, as far as plain headers tell. To find that out once and pass on where the
//! frame lies costs less than that every follower reads all frames, and what is nobody's, most of a busy host, goes no further.
use super::Follow;
use super::clocks::Clocks;
use super::room::{self, ROUND};
use super::sharding::Sharding;
use crate::base::Timestamp;
use crate::event::{Frame, Notice, Place};
use crate::wire::{Decoder, Glance, LinkType};
use std::sync::Arc;

/// Divides frames among followers.
pub struct Divide {
    clocks: Clocks,
    /// Counts all frames from 1.
    ordinal: u64,
    /// The latest time of the input so far.
    now: Timestamp,
    sharding: Sharding,
    followers: usize,
}

/// Frames of a stretch of the input, divided among followers: their octets stay where they were read.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Ordinal of the frame before.
    pub(super) before: u64,
    /// For each frame the latest time of the input so far; never goes back.
    pub(super) nows: Vec<Timestamp>,
    /// Octets on the wire of all frames.
    pub(super) wire: u64,
    /// Notices about frames.
    pub(super) notices: Vec<(u32, Notice)>,
    /// For each follower what it looks at, in order.
    shares: Vec<Vec<One>>,
    /// What holds the octets, each of one capture.
    blocks: Vec<(u32, Arc<[u8]>)>,
    /// For each capture its block of the last frame.
    last: Vec<u16>,
    /// Octets that were captured of all frames.
    captured: usize,
}

/// One frame of a share: as [`Frame`] has it, in little room, since thousands are on their way.
#[derive(Clone, Copy, Debug)]
struct One {
    number: u64,
    at: Timestamp,
    iface: u32,
    wire_len: u32,
    link: LinkType,
    /// Where its octets are.
    from: u32,
    len: u32,
    block: u16,
    /// Which frame of the stretch.
    place: u16,
    wanted: bool,
}

impl Divide {
    /// Among so many followers, behind the frames that one saw so far, whose captures had these clocks.
    pub(super) fn behind(follow: &Follow, clocks: Clocks, followers: usize) -> Self {
        let sharding = follow.sharding().clone();
        Self { clocks, ordinal: follow.frames(), now: follow.now(), sharding, followers }
    }

    /// Begins a stretch.
    pub fn begin(&self, stretch: &mut Stretch) {
        stretch.before = self.ordinal;
        stretch.shares.resize_with(self.followers, Vec::new);
    }

    /// One more frame, and where its octets are. `wanted`: the user's filter lets it pass; ICMP errors pass always.
    #[inline(always)]
    pub fn add_frame(
        &mut self,
        frame: &Frame<'_>,
        wanted: bool,
        (block, from): Place<'_>,
        stretch: &mut Stretch,
    ) {
        self.ordinal += 1;
        self.now = self.now.max(frame.at);
        let place = stretch.nows.len();
        stretch.nows.push(self.now);
        stretch.wire += u64::from(frame.wire_len);
        stretch.captured += frame.bytes.len();
        if let Some(notice) = self.clocks.note(frame) {
            stretch.notices.push((place as u32, notice));
        }
        let whose = match Glance::at(frame.link, frame.bytes) {
            Glance::Plain(plain) => self.sharding.of_plain(&plain).map_or(Whose::Nobodys, Whose::Shard),
            Glance::Other => Whose::Nobodys,
            Glance::Unknown => self.look_into(frame.link, frame.bytes),
        };
        if matches!(whose, Whose::Nobodys) || !wanted && matches!(whose, Whose::Shard(_)) {
            return;
        }
        let block = stretch.block(frame.capture, block);
        let &Frame { capture: _, iface, number, at, wire_len, link, bytes } = frame;
        let (from, len, place) = (from as u32, bytes.len() as u32, place as u16);
        let one = One { number, at, iface, wire_len, link, from, len, block, place, wanted };
        match whose {
            Whose::Nobodys => {}
            Whose::Shard(shard) => {
                if let Some(share) = stretch.shares.get_mut(shard % self.followers) {
                    share.push(one);
                }
            }
            Whose::Unknown => stretch.shares.iter_mut().for_each(|share| share.push(one)),
        }
    }

    /// A frame that isn't plain IPv4 over Ethernet. What is no plain segment may be an ICMP error or a part of a datagram.
    #[inline(never)]
    fn look_into(&self, link: LinkType, bytes: &[u8]) -> Whose {
        match Decoder::plain_segment(link, bytes) {
            None => Whose::Unknown,
            Some(seg) => self.sharding.of_segment(&seg).map_or(Whose::Nobodys, Whose::Shard),
        }
    }
}

enum Whose {
    Nobodys,
    /// That of the follower of this shard.
    Shard(usize),
    /// Each follower looks.
    Unknown,
}

impl Stretch {
    /// When so many octets of its frames were captured it is full before a round ends. Measured: a stretch of large segments is
    /// over so soon that with half of that a seventh is lost on handing over.
    const OCTETS: usize = 2 << 20;
    /// So few frames that are left of a round are no stretch of their own, if they are not very large.
    const FEW: u64 = ROUND / 4;

    /// Whether it should go on its way.
    #[inline(always)]
    #[must_use]
    pub const fn is_full(&self) -> bool {
        let left = ROUND - (self.before + self.nows.len() as u64) % ROUND;
        left == ROUND && !self.nows.is_empty()
            || self.captured >= Self::OCTETS && (left >= Self::FEW || self.captured >= 2 * Self::OCTETS)
    }

    /// Whether a round ends with it.
    #[inline(always)]
    pub(super) const fn ends_round(&self) -> bool {
        !self.nows.is_empty() && room::round_begins(self.before + self.nows.len() as u64).is_some()
    }

    /// Empties it, all room is kept but that of the blocks.
    pub fn clear(&mut self) {
        let Self { before: _, nows, wire, notices, shares, blocks, last, captured } = self;
        (*wire, *captured) = (0, 0);
        nows.clear();
        notices.clear();
        shares.iter_mut().for_each(Vec::clear);
        blocks.clear();
        last.clear();
    }

    /// The frames of a follower, with their places among all, and whether the filter lets them pass.
    pub(super) fn share(&self, follower: usize) -> impl Iterator<Item = (usize, Frame<'_>, bool)> {
        let ones = self.shares.get(follower).map_or(&[][..], Vec::as_slice);
        ones.iter().map(|one| {
            let &One { number, at, iface, wire_len, link, from, len, block, place, wanted } = one;
            let (capture, octets) = self
                .blocks
                .get(usize::from(block))
                .map_or((0, &[][..]), |(capture, block)| (*capture, &**block));
            let bytes =
                octets.get(from as usize..).and_then(|rest| rest.get(..len as usize)).unwrap_or_default();
            (usize::from(place), Frame { capture, iface, number, at, wire_len, link, bytes }, wanted)
        })
    }

    /// The number of a block, which is shared from now on.
    #[inline(always)]
    fn block(&mut self, capture: u32, block: &Arc<[u8]>) -> u16 {
        if let Some(&last) = self.last.get(capture as usize)
            && self.blocks.get(usize::from(last)).is_some_and(|(_, known)| Arc::ptr_eq(known, block))
        {
            return last;
        }
        self.add_block(capture, block)
    }

    #[cold]
    fn add_block(&mut self, capture: u32, block: &Arc<[u8]>) -> u16 {
        let place = capture as usize;
        if self.last.len() <= place {
            self.last.resize(place + 1, u16::MAX);
        }
        // Each has at least a frame, of which there are fewer.
        let number = self.blocks.len() as u16;
        if let Some(last) = self.last.get_mut(place) {
            *last = number;
        }
        self.blocks.push((capture, Arc::clone(block)));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::pipeline::{Config, Pipeline};

    /// Ethernet, then IPv4 of this protocol between these ports.
    fn v4(protocol: u8, ports: [u16; 2]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(ports.map(u16::to_be_bytes).concat());
        frame.extend([0; 8]);
        frame.extend([0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        frame
    }

    #[test]
    fn each_frame_goes_to_whom_it_concerns() {
        let config = Config { max_connections: 1 << 20, ..Config::default() };
        let mut frames: Vec<Vec<u8>> = (0..200).map(|n| v4(6, [20_000 + n, 4222])).collect();
        frames.extend((0..10).map(|n| v4(6, [20_000 + n, 443])));
        frames.extend([v4(1, [3 << 8, 0]), v4(17, [53, 53])]);
        let block: Arc<[u8]> = frames.concat().into();
        let (mut divide, ..) = Pipeline::new(config).into_stages(3);
        let mut stretch = Stretch::default();
        divide.begin(&mut stretch);
        let mut at = 0;
        for (n, bytes) in (0u64..).zip(&frames) {
            let time = Timestamp(0) + Span::secs(n as i64);
            let (link, wire_len) = (LinkType::ETHERNET, bytes.len() as u32);
            let frame = Frame { capture: 0, iface: 0, number: n + 1, at: time, wire_len, link, bytes };
            divide.add_frame(&frame, n != 5, (&block, at), &mut stretch);
            at += bytes.len();
        }
        let mut seen = [0; 212];
        for follower in 0..3 {
            let share: Vec<_> = stretch.share(follower).collect();
            assert!(share.len() > 40 && share.is_sorted_by_key(|(place, ..)| *place));
            for (place, frame, wanted) in share {
                assert!(wanted && frame.bytes == frames[place] && frame.number == place as u64 + 1);
                seen[place] += 1;
            }
        }
        // The ICMP error is for all to look into, what the filter took out and other ports for none.
        let expected = |n: usize| if n == 210 { 3 } else { i32::from(n < 200 && n != 5) };
        assert!(seen.iter().enumerate().all(|(n, &times)| times == expected(n)), "{seen:?}");
        assert_eq!((stretch.nows.len(), stretch.wire, stretch.blocks.len()), (212, at as u64, 1));
        stretch.clear();
        assert_eq!(Arc::strong_count(&block), 1);
    }
}
