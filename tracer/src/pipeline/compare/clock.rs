//! The two captures' clocks, aligned by the packets alone. What the smallest delay of each direction leaves open is told.
use super::pairing::Pair;
use super::recording::{Recording, Seg};
use crate::base::{Side, Span, Timestamp};
use hashbrown::HashMap;

/// A recording this long shows whether one clock runs faster.
const LONG: Span = Span::secs(120);
/// Parts of a long recording, each with a best turn.
const PARTS: usize = 32;
/// A round trip between the points can't be negative; by less than this it may seem so.
const NOISE: Span = Span::micros(-50);
/// The same where the TTLs say that the captures are named rightly.
const CONTRADICTED: Span = Span::millis(-1);

/// How the clock at the server's side stands to the one at the client's side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Clock {
    /// What to add to a time at the client's side to get that at the server's side, at `since`.
    pub offset: Span,
    /// The true offset is at most so far from it; `None` where segments went in one direction only, which leaves the
    /// smallest delay unknown and counted as zero.
    pub uncertainty: Option<Span>,
    /// Smallest round trip between the two points, network alone.
    pub round_trip: Option<Span>,
    /// How much faster the clock at the server's side runs, in parts per million; 0 where that can't be told from delays.
    pub drift_ppm: f64,
    /// Segments it is made from.
    pub samples: u64,
    /// Where the drift is counted from, by the clock at the client's side.
    pub since: Timestamp,
    /// The captures were named the wrong way round: what was sent first was seen later.
    pub(super) swapped: bool,
}

impl Clock {
    /// A time at the client's side, by the clock at the server's side.
    pub(super) fn at_server_side(&self, at: Timestamp) -> Timestamp {
        at + self.offset + Span(((at - self.since).0 as f64 * self.drift_ppm / 1e6) as i64)
    }

    /// How much two aligned times may be in the wrong order for all that.
    pub(super) fn slack(&self) -> Span {
        Span::millis(1).max(self.uncertainty.unwrap_or(Span::ZERO).times(2))
    }
}

/// One segment seen at both sides: its time at the client's side, and how much later the other clock showed at the other.
type Sample = (Timestamp, Span);

/// Aligns the clocks; `None` where no segment was seen at both sides.
pub(super) fn align(a: &Recording, b: &Recording, pairs: &[Pair]) -> Option<Clock> {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut hops = 0i64;
    for pair in pairs {
        for side in Side::BOTH {
            let into = if side == Side::Client { &mut up } else { &mut down };
            samples(a, b, pair, side, into, &mut hops);
        }
    }
    let since = up.iter().chain(&down).map(|s: &Sample| s.0).min()?;
    let until = up.iter().chain(&down).map(|s| s.0).max()?;
    let samples = (up.len() + down.len()) as u64;
    up.sort_unstable();
    down.sort_unstable();
    let mut clock = Clock {
        offset: Span::ZERO,
        uncertainty: None,
        round_trip: None,
        drift_ppm: 0.0,
        samples,
        since,
        // One direction alone: the capture nearer to the sender has the larger TTL.
        swapped: hops < 0,
    };
    let mut turns = turns(&up, &down);
    let Some(best) = turns.iter().min_by_key(|turn| turn.trip).copied() else {
        let least = |list: &[Sample], sign: i64| list.iter().map(|s| s.1.0.saturating_mul(sign)).min();
        clock.offset = Span(least(&up, 1).or(least(&down, -1).map(i64::saturating_neg))?);
        return Some(clock);
    };
    turns.sort_unstable_by_key(|turn| turn.trip);
    let middle = turns.get(turns.len() / 2).map_or(Span::ZERO, |turn| turn.trip);
    // On a short path the noise is as large as the delay; then the TTLs have a say.
    clock.swapped = match hops {
        ..0 => middle < Span::ZERO,
        0 => middle < NOISE,
        // They contradict: a host that stamps what it sends late does that, too.
        1.. => middle < CONTRADICTED,
    };
    clock.offset = best.offset;
    clock.round_trip = Some(best.trip);
    clock.uncertainty = Some(Span(best.trip.0.max(0) / 2));
    if until - since >= LONG {
        drift(&mut clock, &turns, until);
    }
    Some(clock)
}

/// A segment of each direction, one after the other, as NTP's request and answer are (RFC 5905 section 8).
#[derive(Clone, Copy)]
struct Turn {
    at: Timestamp,
    /// Both delays: the clocks' difference cancels out.
    trip: Span,
    /// Half the delays' difference: the clocks' difference, if both directions take the same time.
    offset: Span,
}

/// Each sample with the one of the other direction that is nearest in time: between the two no clock drifts far.
fn turns(up: &[Sample], down: &[Sample]) -> Vec<Turn> {
    let mut out = Vec::with_capacity(up.len() + down.len());
    let nearest = |list: &[Sample], at: Timestamp| {
        let behind = list.partition_point(|s| s.0 < at);
        let around = [behind.checked_sub(1), Some(behind)].into_iter().flatten();
        around.filter_map(|i| list.get(i).copied()).min_by_key(|s| (s.0 - at).0.unsigned_abs())
    };
    let mut add = |at, up: Span, down: Span| {
        // Down, the server's clock is that of the sender: what it is ahead counts against the delay.
        let trip = Span(up.0.saturating_sub(down.0));
        out.push(Turn { at, trip, offset: Span(up.0 / 2 + down.0 / 2) });
    };
    for &(at, span) in up {
        nearest(down, at).into_iter().for_each(|(_, other)| add(at, span, other));
    }
    for &(at, span) in down {
        nearest(up, at).into_iter().for_each(|(_, other)| add(at, other, span));
    }
    out
}

/// How much faster one clock runs: a line through the best turn of each part of the recording, where that says more than
/// what the delays leave open.
fn drift(clock: &mut Clock, turns: &[Turn], until: Timestamp) {
    let whole = (until - clock.since).0.max(1);
    let mut parts: [Option<Turn>; PARTS] = [None; PARTS];
    for turn in turns {
        let place = i128::from((turn.at - clock.since).0) * PARTS as i128 / i128::from(whole);
        let place = usize::try_from(place).unwrap_or(0).min(PARTS - 1);
        if let Some(slot) = parts.get_mut(place)
            && slot.is_none_or(|best| turn.trip < best.trip)
        {
            *slot = Some(*turn);
        }
    }
    let best: Vec<Turn> = parts.into_iter().flatten().collect();
    let (Some(first), Some(last)) = (best.first(), best.last()) else { return };
    let x = |turn: &Turn| (turn.at - clock.since).0 as f64;
    let y = |turn: &Turn| turn.offset.0.saturating_sub(first.offset.0) as f64;
    let n = best.len() as f64;
    let (mean_x, mean_y) = (best.iter().map(x).sum::<f64>() / n, best.iter().map(y).sum::<f64>() / n);
    let spread: f64 = best.iter().map(|t| (x(t) - mean_x).powi(2)).sum();
    let common: f64 = best.iter().map(|t| (x(t) - mean_x) * (y(t) - mean_y)).sum();
    if spread <= 0.0 {
        return;
    }
    let slope = common / spread;
    let open = (first.trip.0.max(0) / 2 + last.trip.0.max(0) / 2) as f64;
    if (slope * whole as f64).abs() <= open {
        return;
    }
    let start = mean_y - slope * mean_x;
    let off = best.iter().map(|t| (y(t) - start - slope * x(t)).abs()).fold(0.0, f64::max);
    clock.drift_ppm = slope * 1e6;
    clock.offset = Span(first.offset.0.saturating_add(start as i64));
    clock.uncertainty = clock.uncertainty.map(|span| Span(span.0.saturating_add(off as i64)));
}

/// Segments of one direction that are the only ones of their kind in both captures: no repetition can be mistaken.
fn samples(a: &Recording, b: &Recording, pair: &Pair, side: Side, into: &mut Vec<Sample>, hops: &mut i64) {
    let Some((a, b)) = a.connections.get(pair.a).zip(b.connections.get(pair.b)) else { return };
    let (seq, ack) = (pair.shift[side], pair.shift[side.other()]);
    let key = |s: &Seg, seq: u32, ack: u32| {
        (s.seq.add(seq), if s.flags.ack() { s.ack.add(ack) } else { s.ack }, s.len, s.flags.0, s.tsval)
    };
    let mut there: HashMap<_, (Option<&Seg>, u32)> = HashMap::new();
    for s in &b.streams[side].segs {
        let slot = there.entry(key(s, 0, 0)).or_insert((Some(s), 0));
        slot.1 += 1;
    }
    let mut here: HashMap<_, (&Seg, u32)> = HashMap::new();
    for s in &a.streams[side].segs {
        here.entry(key(s, seq, ack)).or_insert((s, 0)).1 += 1;
    }
    for (key, (s, times)) in here {
        if times == 1
            && let Some((Some(other), 1)) = there.get(&key)
        {
            into.push((s.at, other.at - s.at));
            let nearer = i64::from(s.ttl) - i64::from(other.ttl);
            *hops += if side == Side::Client { nearer.signum() } else { -nearer.signum() };
        }
    }
}
