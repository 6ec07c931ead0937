//! Round-trip times in constant space: smallest, largest, and a median from logarithmic buckets.
use crate::base::Span;
use crate::event::Rtt;
use serde::{Deserialize, Serialize};

/// Four buckets an octave, from 1 µs to over an hour.
const BUCKETS: usize = 96;

/// Samples whose buckets are kept one by one: most connections have no more.
const FEW: usize = 16;

/// Samples of one connection.
#[derive(Default, Serialize, Deserialize)]
pub struct RoundTrips {
    count: u64,
    min_us: u64,
    max_us: u64,
    /// The buckets of the first samples.
    first: [u8; FEW],
    /// How many samples are in each bucket; empty while `first` has them all.
    buckets: Vec<u32>,
}

impl RoundTrips {
    /// One more round trip.
    #[inline(always)]
    pub fn sample(&mut self, rtt: Span) {
        let us = rtt.as_micros();
        if us < self.min_us || self.count == 0 {
            self.min_us = us;
        }
        if us > self.max_us {
            self.max_us = us;
        }
        let place = usize::try_from(self.count).unwrap_or(usize::MAX);
        self.count += 1;
        let bucket = bucket(us);
        // Mostly there were more than a few.
        if let Some(samples) = self.buckets.get_mut(bucket) {
            *samples = samples.saturating_add(1);
        } else {
            self.sample_few(place, bucket);
        }
    }

    #[inline(never)]
    fn sample_few(&mut self, place: usize, bucket: usize) {
        if let Some(first) = self.first.get_mut(place) {
            *first = bucket as u8;
            return;
        }
        self.buckets.resize(BUCKETS, 0);
        for first in self.first {
            self.count_in(usize::from(first));
        }
        self.count_in(bucket);
    }

    fn count_in(&mut self, bucket: usize) {
        if let Some(samples) = self.buckets.get_mut(bucket) {
            *samples = samples.saturating_add(1);
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
        let middle = if self.buckets.is_empty() { self.middle_of_few(half)? } else { self.middle(half)? };
        let median_us = value(middle).clamp(self.min_us, self.max_us);
        Some(Rtt { min_us: self.min_us, median_us, max_us: self.max_us })
    }

    /// The bucket of the `half`th sample, smallest first.
    fn middle(&self, half: u64) -> Option<usize> {
        let mut seen = 0;
        // Nothing is in those before the smallest.
        let least = bucket(self.min_us);
        let beyond = self.buckets.get(least..)?.iter().position(|&n| {
            seen += u64::from(n);
            seen >= half
        })?;
        Some(least + beyond)
    }

    /// The same where `first` has all samples.
    fn middle_of_few(&self, half: u64) -> Option<usize> {
        let mut few = self.first;
        let few = few.get_mut(..usize::try_from(self.count).ok()?)?;
        few.sort_unstable();
        few.get(usize::try_from(half).ok()?.checked_sub(1)?).map(|&bucket| usize::from(bucket))
    }
}

#[inline(always)]
fn bucket(us: u64) -> usize {
    // Longer ones are all in the last bucket, which begins there.
    const LONG: u64 = 7 << 21;
    match us {
        0 => 0,
        1..LONG => {
            let octave = (us as u32 | 1).ilog2();
            // The highest three bits: 4, 5, 6 or 7.
            let quarter = (us as u32) << 2 >> octave;
            (octave * 4 + quarter - 4) as usize
        }
        _ => BUCKETS - 1,
    }
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

    #[test]
    fn few_and_many_have_the_same_middle() {
        let (mut round_trips, mut samples) = (RoundTrips::default(), Vec::new());
        for n in 0..40_u64 {
            let us = n.wrapping_mul(0x9e37_79b9) % 5_000 + 7;
            samples.push(us);
            round_trips.sample(Span::micros(us as i64));
            let mut sorted = samples.clone();
            sorted.sort_unstable();
            let middle = value(bucket(sorted[(sorted.len() - 1) / 2]));
            let (min_us, max_us) = (sorted[0], sorted[sorted.len() - 1]);
            let expected = Rtt { min_us, median_us: middle.clamp(min_us, max_us), max_us };
            assert_eq!(round_trips.report(), Some(expected), "{n}");
        }
        assert_eq!(round_trips.buckets.iter().sum::<u32>(), 40);
        round_trips.empty();
        assert_eq!(round_trips.report(), None);
    }
}
