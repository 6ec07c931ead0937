//! Who answered when, and with which TTL.
use crate::base::{Span, Timestamp};
use crate::event::Mark;
use crate::track::ConnId;
use std::collections::VecDeque;

/// Who answered in a second: up to two, so that "somebody else" can be asked.
#[derive(Debug)]
pub(super) struct Second<W> {
    at: Mark,
    who: W,
    other: Option<(W, Mark, u16)>,
    port: u16,
}

/// Answers of one pair or host, a second at a time.
#[derive(Debug)]
pub(super) struct Pulses<W> {
    seconds: VecDeque<Second<W>>,
}

impl<W> Default for Pulses<W> {
    fn default() -> Self {
        Self { seconds: VecDeque::new() }
    }
}

impl<W: PartialEq + Copy> Pulses<W> {
    /// One more answer, by `who`.
    pub fn add(&mut self, mark: Mark, who: W, port: u16) {
        let second = |t: Timestamp| t.0.div_euclid(1_000_000_000);
        match self.seconds.back_mut() {
            Some(last) if second(last.at.at) == second(mark.at) => {
                if last.who != who && last.other.is_none() {
                    last.other = Some((who, mark, port));
                }
            }
            _ => {
                self.seconds.push_back(Second { at: mark, who, other: None, port });
                if self.seconds.len() > 320 {
                    self.seconds.pop_front();
                }
            }
        }
    }

    /// When the last one came, to a second.
    pub fn last(&self) -> Option<Timestamp> {
        self.seconds.back().map(|second| second.at.at)
    }

    /// First answer by somebody else strictly after `from`, up to `to`.
    pub fn by_other(&self, me: W, from: Timestamp, to: Timestamp) -> Option<(Mark, u16)> {
        self.seconds.iter().filter(|s| s.at.at <= to && s.at.at + Span::secs(1) >= from).find_map(|s| {
            let first = (s.who != me && s.at.at > from).then_some((s.at, s.port));
            first.or_else(|| {
                s.other.filter(|o| o.0 != me && o.1.at > from && o.1.at <= to).map(|o| (o.1, o.2))
            })
        })
    }
}

/// With which TTL a host answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostTtl {
    /// The last one.
    pub last: u8,
    /// On which connection, in which capture that was.
    by: (ConnId, u32),
    /// Another one, that came on another connection of the same capture.
    other: u8,
    /// How often it went from one to the other.
    turns: u8,
}

impl HostTtl {
    /// A path that changed changes once, one that flaps and comes back three times at most; hosts that share an address go on.
    const SHARED: u8 = 4;

    /// The first answer.
    pub const fn new(ttl: u8, by: (ConnId, u32)) -> Self {
        Self { last: ttl, by, other: ttl, turns: 0 }
    }

    /// One more answer, on that connection of that capture.
    pub fn answered(&mut self, ttl: u8, by: (ConnId, u32)) {
        if ttl != self.last && by.0 != self.by.0 && by.1 == self.by.1 {
            self.other = self.last;
            self.turns = self.turns.saturating_add(1);
        }
        (self.last, self.by) = (ttl, by);
    }

    /// Where a connection shows one of two TTLs that take turns: the other one.
    pub fn beside(&self, own: u8) -> Option<u8> {
        let pair = [self.last, self.other];
        let other = pair.into_iter().find(|&ttl| ttl != own);
        other.filter(|_| self.turns >= Self::SHARED && pair.contains(&own))
    }
}
