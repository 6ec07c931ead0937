//! Which segment captured near its sender is which captured near its receiver: the same header first, then the same
//! octets, since one side may hold one large segment where the other has several (offloading).
use super::clock::Clock;
use super::recording::{Seg, Stream};
use crate::base::{Side, Span, Timestamp};
use crate::wire::Flags;
use hashbrown::HashMap;
use std::hash::Hash;

/// Segments that are looked through for one, at most, and of them those that are taken from.
const SOUGHT: usize = 1024;
const LOOKED_AT: usize = 64;
/// Flags that make a segment another one; PSH and ECN bits may change on the way.
const TELLING: u8 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0;

/// Times and sequence numbers of a direction as one side has them, made those of the other.
pub(super) struct Frame<'a> {
    /// Who sends.
    pub side: Side,
    /// To be added to `seq` near the sender.
    pub seq: u32,
    /// To be added to `ack` near the sender.
    pub ack: u32,
    /// The clocks.
    pub clock: Option<&'a Clock>,
}

impl Frame<'_> {
    /// A time near the sender or near the receiver, both by the clock at the server's side.
    pub fn time(&self, near: bool, at: Timestamp) -> Timestamp {
        match self.clock {
            // Near the client is the client's side.
            Some(clock) if near == (self.side == Side::Client) => clock.at_server_side(at),
            _ => at,
        }
    }

    fn slack(&self) -> Option<Span> {
        self.clock.map(Clock::slack)
    }
}

/// What became of the segments of a direction.
#[derive(Default)]
pub(super) struct Matching {
    /// For each segment near the sender the last one near the receiver that bears octets of it.
    pub arrived: Vec<Option<u32>>,
    /// Octets that did not arrive as that segment, as positions near the sender; of those that arrived whole none.
    pub missing: HashMap<u32, Vec<(i64, i64)>>,
    /// For each segment near the receiver the one near the sender it was.
    pub origin: Vec<Option<u32>>,
    /// Matched by their whole header.
    pub exact: u64,
    /// What to add to a position near the sender to get that near the receiver.
    pub place: i64,
}

/// Matches the segments of one direction.
pub(super) fn matched(near: &Stream, far: &Stream, frame: &Frame<'_>) -> Matching {
    let mut m = Matching {
        arrived: vec![None; near.segs.len()],
        origin: vec![None; far.segs.len()],
        ..Matching::default()
    };
    let ack = |s: &Seg, add: u32| if s.flags.ack() { s.ack.add(add) } else { s.ack };
    let key = |s: &Seg, (seq, acked): (u32, u32)| (s.seq.add(seq), ack(s, acked), s.len, s.flags.0 & TELLING);
    let shifts = (frame.seq, frame.ack);
    // A repetition has another IP identification and another timestamp.
    m.by_key(near, far, frame, |s, is_near| {
        (key(s, if is_near { shifts } else { (0, 0) }), s.tsval, s.ip_id)
    });
    m.by_key(near, far, frame, |s, is_near| (key(s, if is_near { shifts } else { (0, 0) }), s.tsval));
    if m.exact == 0 {
        // Timestamps that are taken out or rewritten.
        m.by_key(near, far, frame, |s, is_near| key(s, if is_near { shifts } else { (0, 0) }));
    }
    m.place = place(near, far, frame, &m);
    m.by_octets(near, far, frame);
    m
}

/// How positions differ: both count from their capture's first segment.
fn place(near: &Stream, far: &Stream, frame: &Frame<'_>, m: &Matching) -> i64 {
    let pairs = m.origin.iter().zip(&far.segs).rev().take(1024);
    let mut gaps: Vec<i64> = pairs
        .filter_map(|(origin, far)| Some(far.pos.wrapping_sub(near.segs.get((*origin)? as usize)?.pos)))
        .collect();
    if gaps.is_empty() {
        let (Some(x), Some(y)) = (near.segs.front(), far.segs.front()) else { return 0 };
        let apart = i64::from(y.seq.diff(x.seq.add(frame.seq)));
        return y.pos.wrapping_sub(x.pos).wrapping_sub(apart);
    }
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or_default()
}

impl Matching {
    /// Gives each segment near the receiver the latest one near the sender that is the same and was sent before it.
    fn by_key<K: Hash + Eq>(
        &mut self,
        near: &Stream,
        far: &Stream,
        frame: &Frame<'_>,
        key: impl Fn(&Seg, bool) -> K,
    ) {
        let mut sent: HashMap<K, Vec<(u32, Timestamp)>> = HashMap::new();
        for ((i, s), taken) in (0u32..).zip(&near.segs).zip(&self.arrived) {
            if taken.is_none() {
                sent.entry(key(s, true)).or_default().push((i, frame.time(true, s.at)));
            }
        }
        for ((j, s), origin) in (0u32..).zip(&far.segs).zip(&mut self.origin) {
            if origin.is_some() {
                continue;
            }
            let Some(list) = sent.get_mut(&key(s, false)) else { continue };
            let at = frame.time(false, s.at);
            let before = match frame.slack() {
                Some(slack) => list.partition_point(|&(_, sent)| sent <= at + slack),
                None => list.len(),
            };
            // Only the latest: one that was passed over is taken by none that came later, so the list shrinks.
            let Some(place) = before.checked_sub(1) else { continue };
            let (i, _) = list.remove(place);
            if let Some(slot) = self.arrived.get_mut(i as usize) {
                *slot = Some(j);
                *origin = Some(i);
                self.exact += 1;
            }
        }
    }

    /// What is left is matched by the octets it bears.
    fn by_octets(&mut self, near: &Stream, far: &Stream, frame: &Frame<'_>) {
        // Those near the sender that bear something and have not arrived, by where they start.
        let mut open: Vec<(i64, u32)> = (0u32..)
            .zip(&near.segs)
            .filter(|(i, s)| s.span() > 0 && self.arrived.get(*i as usize).is_some_and(Option::is_none))
            .map(|(i, s)| (s.pos, i))
            .collect();
        open.sort_unstable();
        let longest = near.segs.iter().map(Seg::span).max().unwrap_or(0);
        for &(pos, i) in &open {
            let span = near.segs.get(i as usize).map_or(0, Seg::span);
            self.missing.insert(i, vec![(pos, pos.saturating_add(span))]);
        }
        for (j, s) in (0u32..).zip(&far.segs) {
            if s.span() == 0 || s.flags.rst() || self.origin.get(j as usize).is_none_or(Option::is_some) {
                continue;
            }
            let start = s.pos.wrapping_sub(self.place);
            let end = start.saturating_add(s.span());
            let from = open.partition_point(|&(pos, _)| pos <= start.saturating_sub(longest));
            let to = open.partition_point(|&(pos, _)| pos < end);
            let at = frame.time(false, s.at);
            let mut sources: Vec<u32> = open
                .get(from.max(to.saturating_sub(SOUGHT))..to)
                .unwrap_or_default()
                .iter()
                .map(|&(_, i)| i)
                .filter(|&i| {
                    let sent = near.segs.get(i as usize).map(|s| frame.time(true, s.at));
                    frame.slack().zip(sent).is_none_or(|(slack, sent)| sent <= at + slack)
                })
                .collect();
            // The latest copy that was sent is the likeliest.
            sources.sort_unstable_by(|x, y| y.cmp(x));
            sources.truncate(LOOKED_AT);
            self.take(j, (start, end), &sources);
        }
        self.missing.retain(|_, gaps| !gaps.is_empty());
    }

    /// Segment `j` near the receiver bears `range`: what of it is still missing of `sources` has arrived.
    fn take(&mut self, j: u32, range: (i64, i64), sources: &[u32]) {
        let mut rest = vec![range];
        for &i in sources {
            let Some(gaps) = self.missing.get_mut(&i) else { continue };
            let whole = gaps.clone();
            for part in &rest {
                *gaps = without(gaps, *part);
            }
            if *gaps == whole {
                continue;
            }
            // What this source gave is not looked for in an earlier copy.
            for part in whole {
                rest = without(&rest, part);
            }
            if let Some((arrived, origin)) =
                self.arrived.get_mut(i as usize).zip(self.origin.get_mut(j as usize))
            {
                *arrived = Some(j);
                *origin = origin.or(Some(i));
            }
            if rest.is_empty() {
                return;
            }
        }
    }
}

/// Ranges without the part they share with `cut`.
fn without(ranges: &[(i64, i64)], cut: (i64, i64)) -> Vec<(i64, i64)> {
    let mut out = Vec::with_capacity(ranges.len() + 1);
    for &(start, end) in ranges {
        let left = (start, end.min(cut.0));
        let right = (start.max(cut.1), end);
        out.extend([left, right].into_iter().filter(|(s, e)| s < e));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn ranges_are_cut() {
        assert_eq!(without(&[(0, 10)], (3, 5)), [(0, 3), (5, 10)]);
        assert_eq!(without(&[(0, 10)], (10, 12)), [(0, 10)]);
        assert_eq!(without(&[(0, 10), (20, 30)], (5, 25)), [(0, 5), (25, 30)]);
        assert_eq!(without(&[(0, 10)], (-5, 50)), []);
    }
}
