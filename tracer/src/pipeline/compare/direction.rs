//! One direction of one connection between the two points: what of it arrived, what not, what was never sent.
use super::coverage::Coverage;
use super::matching::{Frame, Matching, matched};
use super::recording::{Seg, Stream};
use super::report::{Born, DEAD, Delay, Died, Direction, Loss};
use crate::base::{Span, Timestamp};
use crate::wire::Flags;
use hashbrown::HashSet;

/// Losses and births of a direction that are told one by one; all are counted.
const TOLD: usize = 100;
/// Bare acknowledgements counted in, so many missing in a row make a direction dead.
const DEAD_ALL: u64 = 3;
/// A repetition comes no sooner; what waits for its answer longer has none.
const UNANSWERED: Span = Span::millis(400);
/// Smaller segments pass any path.
const LARGE: u32 = 500;

/// A direction's segments at both points, and how to compare them.
pub(super) struct Course<'a> {
    pub near: &'a Stream,
    pub far: &'a Stream,
    /// The opposite direction, in the capture near this one's sender and in the one near its receiver.
    pub back: (&'a Stream, &'a Stream),
    pub frame: Frame<'a>,
    /// When the captures run, each by the clock at the server's side.
    pub near_runs: Option<(Timestamp, Timestamp)>,
    pub far_runs: Option<(Timestamp, Timestamp)>,
}

/// What [`Course::judge`] finds, and what only the verdict needs.
pub(super) struct Judged {
    pub direction: Direction,
    /// Times at which segments that arrived were sent, by the clock at the server's side.
    pub arrivals: Vec<Timestamp>,
    /// Its last octets arrived, were repeated and never answered: frame near the sender and how often it was sent.
    pub unanswered: Option<(u64, u64)>,
}

/// What became of one segment.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Arrived,
    Lost,
    NotCaptured,
    Undecided,
}

impl Course<'_> {
    /// Compares.
    pub fn judge(&self) -> Judged {
        let m = matched(self.near, self.far, &self.frame);
        let mut d = Direction {
            sent: self.near.seen - self.near.again,
            received: self.far.seen - self.far.again,
            arrived: m.arrived.iter().flatten().count() as u64,
            hops: self.hops(&m),
            ..Direction::default()
        };
        let arrivals = self.delays(&m, &mut d);
        let fates = self.losses(&m, &mut d);
        self.births(&m, &mut d);
        self.changes(&m, &mut d);
        d.undecided += self.near.seen - self.near.again - self.near.segs.len() as u64;
        d.died = self.died(&m, &fates, late(&d));
        d.size_limit = self.size_limit(&m, &fates);
        Judged { unanswered: self.unanswered(&m), direction: d, arrivals }
    }

    fn near_time(&self, s: &Seg) -> Timestamp {
        self.frame.time(true, s.at)
    }

    fn far_time(&self, s: &Seg) -> Timestamp {
        self.frame.time(false, s.at)
    }

    /// Pairs of the same segment, in the order near the receiver.
    fn pairs<'a>(&'a self, m: &'a Matching) -> impl Iterator<Item = (usize, &'a Seg, &'a Seg)> {
        m.origin.iter().zip(&self.far.segs).filter_map(|(origin, far)| {
            let i = (*origin)? as usize;
            Some((i, self.near.segs.get(i)?, far))
        })
    }

    fn hops(&self, m: &Matching) -> Option<i16> {
        let mut all: Vec<i16> =
            self.pairs(m).take(1024).map(|(_, near, far)| i16::from(near.ttl) - i16::from(far.ttl)).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    }

    fn delays(&self, m: &Matching, d: &mut Direction) -> Vec<Timestamp> {
        let mut spans: Vec<Span> = Vec::new();
        let mut arrivals = Vec::new();
        let mut latest: Option<(usize, i64)> = None;
        for (i, near, far) in self.pairs(m) {
            let sent = self.near_time(near);
            arrivals.push(sent);
            if near.span() > 0 {
                // Two copies of the same octets can't be told apart for certain.
                d.reordered += u64::from(latest.is_some_and(|(last, pos)| i < last && near.pos != pos));
                latest = latest.max(Some((i, near.pos)));
            }
            // One large segment that came as several took longer than the path.
            if near.len == far.len && self.frame.clock.is_some() {
                spans.push((self.far_time(far) - sent).max(Span::ZERO));
            }
        }
        spans.sort_unstable();
        if let (Some(&min), Some(&median), Some(&max)) =
            (spans.first(), spans.get(spans.len() / 2), spans.last())
        {
            d.delay = Some(Delay { min, median, max });
        }
        arrivals
    }

    /// Positions near the sender that the receiver acknowledged, by the capture near the sender (a number's distance to its own
    /// is 0) or near the receiver; and when.
    fn acks(&self, at_receiver: bool) -> impl Iterator<Item = (Timestamp, i64)> + '_ {
        let last = self.near.segs.iter().rev().find(|s| !s.flags.rst());
        let (stream, minus) = if at_receiver { (self.back.1, self.frame.seq) } else { (self.back.0, 0) };
        // A reset that answers acknowledges what it answers; but only near the receiver it is certainly the receiver's.
        let says = move |s: &&Seg| s.flags.ack() && (at_receiver || !s.flags.rst());
        stream.segs.iter().filter(says).filter_map(move |s| {
            let last = last?;
            Some((s.at, last.pos.saturating_add(s.ack.sub(minus).diff(last.seq).into())))
        })
    }

    /// The highest position near the sender that the receiver acknowledged, in either capture.
    fn acked(&self) -> Option<i64> {
        let ends = self.near.segs.iter().filter(|s| !s.flags.rst()).map(|s| s.pos.saturating_add(s.span()));
        let end = ends.max()?;
        // Beyond the end: of an earlier time, or of what is not kept.
        self.acks(false).chain(self.acks(true)).map(|(_, pos)| pos).filter(|&pos| pos <= end).max()
    }

    /// The receiver had what was sent after these octets, and acknowledged none of them then: they are lost for certain, whatever
    /// the capture near it may have missed.
    fn is_proven(&self, (start, end): (i64, i64), m: &Matching) -> bool {
        let later = self.far.segs.iter().find(|s| s.span() > 0 && s.pos.wrapping_sub(m.place) >= end);
        later.is_some_and(|later| self.acks(true).any(|(at, pos)| at > later.at && pos <= start))
    }

    /// Whether the capture near the receiver must have segment `i` if it arrived.
    fn comparable(&self, i: usize, s: &Seg, first_pair: Option<usize>) -> bool {
        if self.far.is_whole() || first_pair.is_some_and(|first| i >= first) {
            return true;
        }
        if self.far.seen != self.far.segs.len() as u64 + self.far.again {
            return false;
        }
        match (self.frame.clock, self.far_runs) {
            (Some(_), Some((begin, _))) => self.near_time(s) >= begin,
            _ => true,
        }
    }

    fn losses(&self, m: &Matching, d: &mut Direction) -> Vec<Fate> {
        let acked = self.acked();
        let far = Coverage::of(self.far.segs.iter().map(|s| (s.pos.wrapping_sub(m.place), s.span())));
        let first_pair = m.arrived.iter().position(Option::is_some);
        let late = late(d);
        let tail = |s: &Seg| self.far_runs.is_none_or(|(_, end)| self.near_time(s) + late > end);
        let mut copies: hashbrown::HashMap<i64, u32> = hashbrown::HashMap::new();
        for s in self.near.segs.iter().filter(|s| s.span() > 0) {
            *copies.entry(s.pos).or_default() += 1;
        }
        // It shows nothing of this direction, though some of it was acknowledged: what it lacks says nothing.
        let blind = first_pair.is_none()
            && acked.is_some_and(|acked| self.near.segs.iter().any(|s| s.span() > 0 && s.pos < acked));
        let mut after = None;
        let mut fates = Vec::with_capacity(self.near.segs.len());
        for (i, (s, arrived)) in self.near.segs.iter().zip(&m.arrived).enumerate() {
            let gaps = m.missing.get(&(i as u32)).filter(|_| s.span() > 0);
            if let Some(j) = arrived {
                after = self.far.segs.get(*j as usize).map(|s| s.number).or(after);
            }
            let fate = if arrived.is_some() && gaps.is_none() {
                Fate::Arrived
            } else if !self.comparable(i, s, first_pair) || blind && s.span() == 0 {
                Fate::Undecided
            } else if s.span() == 0 {
                if tail(s) && self.frame.clock.is_some() { Fate::Undecided } else { Fate::Lost }
            } else {
                let seen = gaps.is_some_and(|gaps| gaps.iter().any(|&gap| far.touches(gap)));
                let end = s.pos.saturating_add(s.span());
                if seen {
                    Fate::Lost
                } else if acked.is_some_and(|acked| acked >= end) {
                    Fate::NotCaptured
                } else if blind || tail(s) && copies.get(&s.pos).is_none_or(|&n| n < 2) {
                    Fate::Undecided
                } else {
                    Fate::Lost
                }
            };
            d.lost_outside += u64::from(fate == Fate::Lost && self.is_outside(s, late));
            if fate == Fate::Lost && s.span() > 0 && !d.proven && d.losses.len() < TOLD {
                let whole = (s.pos, s.pos.saturating_add(s.span()));
                d.proven = self.is_proven(gaps.and_then(|gaps| gaps.first().copied()).unwrap_or(whole), m);
            }
            self.count(s, fate, gaps, after, d);
            fates.push(fate);
        }
        fates
    }

    /// Sent before the first or after the last packet of the capture near the receiver: maybe it did not run then.
    fn is_outside(&self, s: &Seg, late: Span) -> bool {
        let at = self.near_time(s);
        self.far_runs.is_some_and(|(begin, end)| at + late < begin || at + late > end)
    }

    fn count(
        &self,
        s: &Seg,
        fate: Fate,
        gaps: Option<&Vec<(i64, i64)>>,
        after: Option<u64>,
        d: &mut Direction,
    ) {
        match fate {
            Fate::Arrived => {}
            Fate::Undecided => d.undecided += 1,
            Fate::NotCaptured => d.not_captured += 1,
            Fate::Lost if s.is_bare() => d.lost_acks += 1,
            Fate::Lost => {
                let whole = [(s.pos, s.pos.saturating_add(s.span()))];
                let gaps = gaps.map_or(&whole[..], Vec::as_slice);
                let start = gaps.first().map_or(s.pos, |gap| gap.0);
                let octets: i64 = gaps.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
                let len = u32::try_from(octets).unwrap_or(u32::MAX).min(s.len);
                d.lost += 1;
                d.lost_bytes += u64::from(len);
                if d.losses.len() < TOLD {
                    let seq = s.seq.add(start.wrapping_sub(s.pos) as u32).0;
                    d.losses.push(Loss { number: s.number, at: s.at, seq, len, flags: s.flags, after });
                }
            }
        }
    }

    fn births(&self, m: &Matching, d: &mut Direction) {
        let sent = Coverage::of(self.near.segs.iter().map(|s| (s.pos, s.span())));
        let key = |s: &Seg, seq: u32, ack: u32| (s.seq.add(seq), s.ack.add(ack), s.len, s.flags);
        let same: HashSet<_> =
            self.near.segs.iter().map(|s| key(s, self.frame.seq, self.frame.ack)).collect();
        let near_end =
            self.near.segs.iter().filter(|s| !s.flags.rst()).map(|s| s.pos.saturating_add(s.span())).max();
        let first_pair = m.origin.iter().position(Option::is_some);
        for (j, (s, origin)) in self.far.segs.iter().zip(&m.origin).enumerate() {
            if origin.is_some() || !self.must_be_near(j, s, first_pair) {
                continue;
            }
            let start = s.pos.wrapping_sub(m.place);
            let range = (start, start.saturating_add(s.span()));
            if same.contains(&key(s, 0, 0)) || s.span() > 0 && sent.covers(range) {
                d.duplicated += 1;
            } else if s.is_bare() || !self.is_born(s, range, near_end, d) {
                d.not_captured_near += 1;
            } else {
                d.born += 1;
                if d.births.len() < TOLD {
                    d.births.push(self.born(s, m));
                }
            }
        }
    }

    /// Whether the capture near the sender must have a segment if it was sent.
    fn must_be_near(&self, j: usize, s: &Seg, first_pair: Option<usize>) -> bool {
        let at = self.far_time(s);
        let known = self.frame.clock.is_some();
        if known && self.near_runs.is_none_or(|(_, end)| at > end) {
            // The forged reset that ended the connection may be the last frame of all.
            return s.flags.rst() && self.is_stranger(s);
        }
        let cut = self.near.seen != self.near.segs.len() as u64 + self.near.again;
        self.near.is_whole()
            || first_pair.is_some_and(|first| j >= first)
            || !cut && known && self.near_runs.is_some_and(|(begin, _)| at > begin + Span::secs(1))
    }

    /// Whether a segment that the capture near the sender has not was made on the way, not missed by that capture.
    fn is_born(&self, s: &Seg, range: (i64, i64), near_end: Option<i64>, d: &Direction) -> bool {
        let at = self.far_time(s);
        let stranger = self.is_stranger(s);
        let since = |other: &&Seg| self.near_time(other) > at;
        if s.flags.rst() {
            // Whoever sends a reset sends nothing else after it.
            let goes_on = self.near.segs.iter().rev().take_while(since).any(|s| !s.flags.rst());
            return stranger || goes_on || d.not_captured_near == 0;
        }
        if near_end.is_some_and(|end| end >= range.1) {
            return false;
        }
        let as_if_not_sent =
            self.near.segs.iter().rev().take_while(since).any(|s| s.pos < range.1 && !s.flags.rst());
        stranger || as_if_not_sent
    }

    /// It came another way, or from another host, than the rest of its direction.
    fn is_stranger(&self, s: &Seg) -> bool {
        self.usual_ttl().is_some_and(|ttl| ttl.abs_diff(s.ttl) > 1)
    }

    /// TTL of most segments near the receiver.
    fn usual_ttl(&self) -> Option<u8> {
        let mut all: Vec<u8> =
            self.far.segs.iter().filter(|s| !s.flags.rst()).take(256).map(|s| s.ttl).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    }

    fn born(&self, s: &Seg, m: &Matching) -> Born {
        let at = self.far_time(s);
        let before = self.pairs(m).take_while(|(_, _, far)| far.number < s.number).last();
        Born {
            number: s.number,
            at: s.at,
            seq: s.seq.0,
            len: s.len,
            flags: s.flags,
            ttl: (s.ttl, self.usual_ttl()),
            after: before.map(|(_, near, _)| near.number).or_else(|| {
                self.near.segs.iter().take_while(|near| self.near_time(near) <= at).last().map(|s| s.number)
            }),
        }
    }

    fn changes(&self, m: &Matching, d: &mut Direction) {
        for (_, near, far) in self.pairs(m) {
            if near.len == far.len
                && near.pos.wrapping_add(m.place) == far.pos
                && near.hash.zip(far.hash).is_some_and(|(x, y)| x != y)
            {
                d.changed += 1;
                d.first_changed.get_or_insert((near.number, far.number));
            }
        }
    }

    fn died(&self, m: &Matching, fates: &[Fate], late: Span) -> Option<Died> {
        let last = m.arrived.iter().rposition(Option::is_some);
        let from = last.map_or(0, |last| last + 1);
        let gone = || self.near.segs.iter().zip(fates).skip(from).filter(|(_, fate)| **fate == Fate::Lost);
        let data = gone().filter(|(s, _)| !s.is_bare()).count() as u64;
        let all = gone().count() as u64;
        if data < DEAD && all < DEAD_ALL {
            return None;
        }
        let (first, _) = gone().next()?;
        let last = last.and_then(|i| {
            let far = self.far.segs.get((*m.arrived.get(i)?)? as usize)?;
            Some((self.near.segs.get(i)?.number, far.number))
        });
        let outside = gone().filter(|(s, _)| self.is_outside(s, late)).count() as u64;
        let (at, number) = (first.at, first.number);
        Some(Died { at, number, last, sent_after: all, outside, other_went_on: 0 })
    }

    fn size_limit(&self, m: &Matching, fates: &[Fate]) -> Option<(u32, u32)> {
        let lost = || self.near.segs.iter().zip(fates).filter(|(s, fate)| **fate == Fate::Lost && s.len > 0);
        let (least, times) = lost().fold((u32::MAX, 0), |(least, n), (s, _)| (least.min(s.len), n + 1));
        let (first, _) = lost().next()?;
        let arrived = self.pairs(m).filter(|(_, near, _)| near.number > first.number);
        // A large segment near the sender may have come in parts.
        let most = arrived.map(|(_, near, far)| near.len.min(far.len)).max()?;
        (times >= DEAD_ALL && least >= LARGE && most < least).then_some((most, least))
    }

    /// The oldest octets the receiver never acknowledged, where they arrived and were repeated.
    fn unanswered(&self, m: &Matching) -> Option<(u64, u64)> {
        // Who acknowledges or resets was answered, though neither capture shows it.
        let answered = |s: &Seg| s.flags.ack() || s.flags.rst();
        if self.back.0.seen + self.back.1.seen == 0 && self.near.segs.iter().any(answered) {
            return None;
        }
        let acked = self.acked();
        let waits =
            |s: &&Seg| s.span() > 0 && acked.is_none_or(|acked| s.pos.saturating_add(s.span()) > acked);
        let first = self.near.segs.iter().find(waits)?;
        let mut copies = self
            .near
            .segs
            .iter()
            .zip(&m.arrived)
            .filter(|(s, arrived)| s.pos == first.pos && s.span() > 0 && arrived.is_some());
        let last = copies.clone().next_back()?.0;
        let sent = copies.clone().count() as u64;
        let from = copies.next()?.0;
        let back = self.back.0.segs.iter().chain(&self.back.1.segs).any(|s| s.flags.has(Flags::RST));
        (sent >= 2 && last.at - from.at >= UNANSWERED && !back).then_some((from.number, sent))
    }
}

/// Within so long a segment arrives, as far as those that did show.
fn late(d: &Direction) -> Span {
    d.delay.map_or(Span::ZERO, |delay| delay.max.min(Span::secs(1)))
}
