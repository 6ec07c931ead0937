//! The two captures' clocks, aligned by the packets alone. What the smallest delay of each direction leaves open is told.
use super::pairing::Pair;
use super::recording::{Recording, Seg};
use crate::base::{Side, Span, Timestamp};
use hashbrown::HashMap;

/// A recording this long shows whether one clock runs faster.
const LONG: Span = Span::secs(120);
/// A round trip between the points can't be negative; by less than this it may seem so.
const NOISE: Span = Span::micros(-50);

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
    let whole = estimate(&up, &down, |_| true)?;
    let swapped = match whole.round_trip {
        Some(round_trip) => round_trip < NOISE,
        // One direction alone: the one nearer to the sender has the larger TTL.
        None => hops < 0,
    };
    let mut clock = Clock { samples, since, swapped, ..whole };
    if until - since >= LONG {
        let middle = since + Span((until - since).0 / 2);
        let halves = estimate(&up, &down, |at| at < middle).zip(estimate(&up, &down, |at| at >= middle));
        if let Some((early, late)) = halves
            && let Some((x, y)) = early.uncertainty.zip(late.uncertainty)
            && late.offset.0.saturating_sub(early.offset.0).unsigned_abs() > (x.0 + y.0).unsigned_abs()
        {
            // Each half's offset stands for its middle.
            let half = (middle - since).0.max(1) as f64;
            let per_ns = late.offset.0.saturating_sub(early.offset.0) as f64 / half;
            clock.drift_ppm = per_ns * 1e6;
            clock.offset = Span(early.offset.0 - (per_ns * half / 2.0) as i64);
            clock.uncertainty = Some(x.max(y));
            clock.round_trip = early.round_trip.min(late.round_trip);
        }
    }
    Some(clock)
}

/// Offset and its bounds from the smallest delay of each direction, as NTP does (RFC 5905 section 8).
fn estimate(up: &[Sample], down: &[Sample], within: impl Fn(Timestamp) -> bool) -> Option<Clock> {
    let least = |list: &[Sample], sign: i64| {
        list.iter().filter(|s| within(s.0)).map(|s| s.1.0.saturating_mul(sign)).min()
    };
    let (up, down) = (least(up, 1), least(down, -1));
    let (offset, round_trip) = match (up, down) {
        (Some(up), Some(down)) => (up / 2 - down / 2, Some(Span(up.saturating_add(down)))),
        (Some(up), None) => (up, None),
        (None, Some(down)) => (down.saturating_neg(), None),
        (None, None) => return None,
    };
    Some(Clock {
        offset: Span(offset),
        uncertainty: round_trip.map(|trip| Span(trip.0.max(0) / 2)),
        round_trip,
        drift_ppm: 0.0,
        samples: 0,
        since: Timestamp(0),
        swapped: false,
    })
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
