//! The bound of a table that shards divide: it holds for all of them together, however unevenly they fill, and the same for any
//! number of followers. A follower can't know what the others hold at this frame. So all is counted where a round of frames ends, and
//! who must go goes as another begins: so much later that no follower ever waits for the answer.
use super::sharding::SHARDS;
use std::collections::VecDeque;

/// Frames of a round.
pub(super) const ROUND: u64 = 4096;

/// After the end of so many rounds what was decided is carried out. Of each stretch of frames, of which a round has one or more, so
/// many batches are under way: the one that is being filled, two that wait, one that is judged.
pub(super) const LAG: usize = 4;

/// Whether a round begins after so many frames: the number of rounds before it.
#[inline]
pub(super) const fn round_begins(frames: u64) -> Option<u64> {
    if frames.is_multiple_of(ROUND) { Some(frames / ROUND) } else { None }
}

/// How many frames there are before the next round, or the one that begins now.
pub(super) const fn next_round(frames: u64) -> u64 {
    frames.div_ceil(ROUND).saturating_mul(ROUND)
}

/// What a shard holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Held {
    /// Attempts that are one SYN.
    pub attempts: u32,
    /// All others.
    pub others: u32,
}

/// What each shard holds.
pub(super) type Holds = [Held; SHARDS];
/// How many each shard lets go.
pub(super) type Leave = [u32; SHARDS];

/// Each shard has one follower: what others hold is added.
pub(super) fn add(holds: &mut Holds, others: &Holds) {
    for (held, other) in holds.iter_mut().zip(others) {
        held.attempts += other.attempts;
        held.others += other.others;
    }
}

/// Keeps the bound.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    /// What was decided and is not carried out yet.
    ahead: VecDeque<Leave>,
}

impl Room {
    /// For so many connections.
    pub const fn new(most: usize) -> Self {
        Self { most, ahead: VecDeque::new() }
    }

    /// A round has ended: who goes at the beginning of the one that is [`LAG`] behind it.
    pub fn decide(&mut self, mut holds: Holds) -> Leave {
        for leave in &self.ahead {
            holds.iter_mut().zip(leave).for_each(|(held, &going)| {
                held.others = held.others.saturating_sub(going.saturating_sub(held.attempts));
                held.attempts = held.attempts.saturating_sub(going);
            });
        }
        let leave = too_many(&holds, self.most);
        self.ahead.push_back(leave);
        if self.ahead.len() >= LAG {
            self.ahead.pop_front();
        }
        leave
    }
}

/// How many each shard lets go, so that no more than `most` are left: attempts first.
pub(super) fn too_many(holds: &Holds, most: usize) -> Leave {
    let all: u64 = holds.iter().map(|held| u64::from(held.attempts) + u64::from(held.others)).sum();
    let over = all.saturating_sub(most as u64);
    if over == 0 {
        return Leave::default();
    }
    let attempts = divided(over, holds.map(|held| held.attempts));
    let gone: u64 = attempts.iter().copied().map(u64::from).sum();
    let others = divided(over - gone, holds.map(|held| held.others));
    std::array::from_fn(|shard| attempts.get(shard).unwrap_or(&0) + others.get(shard).unwrap_or(&0))
}

/// `number`, or all where that is less, in proportion to what each has.
fn divided(number: u64, each: Leave) -> Leave {
    let all: u64 = each.iter().copied().map(u64::from).sum();
    let number = number.min(all);
    if number == 0 {
        return Leave::default();
    }
    // No part is more than what there is, and what rounding leaves is less than one for each.
    let mut parts = each.map(|has| (u64::from(has) * number / all) as u32);
    let mut left = number - parts.iter().copied().map(u64::from).sum::<u64>();
    for (part, has) in parts.iter_mut().zip(each) {
        if left > 0 && *part < has {
            *part += 1;
            left -= 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn held(attempts: u32, others: u32) -> Held {
        Held { attempts, others }
    }

    #[test]
    fn as_many_go_as_are_too_many_attempts_first() {
        let holds: Holds = std::array::from_fn(|n| held(n as u32 * 3, 10 + n as u32 % 2));
        let all: usize = holds.iter().map(|h| (h.attempts + h.others) as usize).sum();
        assert_eq!((all, too_many(&holds, all)), (168, [0; SHARDS]));
        for most in 0..all {
            let leave = too_many(&holds, most);
            assert_eq!(leave.iter().sum::<u32>() as usize, all - most);
            for (leave, held) in leave.iter().zip(holds) {
                assert!(*leave <= held.attempts + held.others);
                assert!(most < 84 || *leave <= held.attempts, "{most}: {leave} of {held:?}");
            }
        }
    }

    #[test]
    fn who_is_to_go_already_is_not_counted_again() {
        let mut room = Room::new(100);
        let mut holds = [held(0, 10); SHARDS];
        assert_eq!(room.decide(holds), [0; SHARDS]);
        holds[3] = held(30, 10);
        assert_eq!(room.decide(holds), [0, 0, 0, 10, 0, 0, 0, 0]);
        for _ in 1..LAG {
            assert_eq!(room.decide(holds), [0; SHARDS], "they are still there");
        }
        holds[3] = held(20, 10);
        holds[0] = held(0, 13);
        assert_eq!(room.decide(holds), [0, 0, 0, 3, 0, 0, 0, 0]);
    }
}
