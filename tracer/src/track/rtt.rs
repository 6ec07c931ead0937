//! Round-trip times in constant space: smallest, largest, and a median from logarithmic buckets.
use crate::base::Span;
use crate::event::Rtt;
use serde::{Deserialize, Serialize};

/// Four buckets an octave, from 1 µs to over an hour.
const BUCKETS: usize = 96;

/// Samples of one connection. The buckets come with the first.
#[derive(Default, Serialize, Deserialize)]
pub struct RoundTrips {
    count: u64,
    min_us: u64,
    max_us: u64,
    buckets: Vec<u32>,
}

impl RoundTrips {
    /// One more round trip.
    #[inline(always)]
    pub fn sample(&mut self, rtt: Span) {
        let us = rtt.as_micros();
        self.min_us = if self.count == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        self.count += 1;
        if self.buckets.is_empty() {
            self.buckets.resize(BUCKETS, 0);
        }
        if let Some(slot) = self.buckets.get_mut(bucket(us)) {
            *slot = slot.saturating_add(1);
        }
    }

    /// Forgets all samples, keeps the memory.
    pub fn empty(&mut self) {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.clear();
        *self = Self { buckets, ..Self::default() };
    }

    /// The figures, where there is a sample.
    #[must_use]
    pub fn report(&self) -> Option<Rtt> {
        let half = self.count.div_ceil(2);
        let mut seen = 0;
        // Nothing is in those before the smallest.
        let least = bucket(self.min_us);
        let middle = least
            + self.buckets.get(least..)?.iter().position(|&n| {
                seen += u64::from(n);
                seen >= half
            })?;
        let median_us = value(middle).clamp(self.min_us, self.max_us);
        Some(Rtt { min_us: self.min_us, median_us, max_us: self.max_us })
    }
}

#[inline]
fn bucket(us: u64) -> usize {
    // Longer ones are all in the last bucket.
    let us = us.clamp(1, 1 << 32);
    let octave = us.ilog2();
    // The highest three bits: 4, 5, 6 or 7.
    let quarter = (us << 2) >> octave;
    (octave as usize * 4 + quarter as usize - 4).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn value(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4, (bucket % 4) as u64);
    let low = ((4 + quarter) << octave) / 4;
    let high = ((5 + quarter) << octave) / 4;
    u64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_buckets_an_octave() {
        let few: Vec<usize> = (0..17).map(bucket).collect();
        assert_eq!(few, [0, 0, 4, 6, 8, 9, 10, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16]);
        assert_eq!([bucket(u64::MAX), bucket(1 << 24), bucket((1 << 24) - 1)], [95, 95, 95]);
        for us in 4..100_000_u64 {
            let octave = us.ilog2();
            let whole = octave as usize * 4 + (us >> (octave - 2) & 3) as usize;
            assert_eq!(bucket(us), whole.min(BUCKETS - 1));
        }
    }

    #[test]
    fn median_is_within_an_eighth() {
        let mut r = RoundTrips::default();
        for us in 1..=999 {
            r.sample(Span::micros(us));
        }
        let report = r.report().unwrap();
        assert_eq!((report.min_us, report.max_us), (1, 999));
        assert!((440..=560).contains(&report.median_us), "{report:?}");
        assert_eq!(RoundTrips::default().report(), None);
    }
}
