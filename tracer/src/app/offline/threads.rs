//! When several threads pay. To hand a frame over costs about as much as to follow one that was to be expected: where nearly all are,
//! or are nobody's, a second core makes the work longer. So one thread begins, and looks at what a frame takes it.
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// For whom a frame takes longer than this, threads pay. Measured on one core: what was to be expected takes 80 to 110 ns, what is
/// nobody's 20 to 50, a large segment with many lines 500, and a frame of a short connection with its share of the verdict 650.
const SLOW: Duration = Duration::from_nanos(200);
/// Looks in a row that find it so: one alone may be the system's doing.
const LOOKS: u32 = 2;

/// Threads that may follow, and whether they do.
pub(super) struct Threads {
    /// As many followers.
    pub most: usize,
    pace: Pace,
}

enum Pace {
    /// They do behind so many frames.
    Told { behind: u64 },
    /// What the last look saw: when, behind how many frames, and how many looks in a row found it slow.
    Watched { at: Instant, frames: u64, slow: u32 },
}

impl Threads {
    /// No other thread, ever.
    pub const fn one() -> Self {
        Self { most: 1, pace: Pace::Told { behind: 0 } }
    }

    /// As many as there are cores. `NATSTRACE_THREADS=2` says otherwise, for tests, and from the first frame; `2,5000` a little
    /// behind the first 5,000.
    pub fn new() -> Self {
        let told = std::env::var("NATSTRACE_THREADS").unwrap_or_default();
        let (most, behind) = told.split_once(',').unwrap_or((&told, "0"));
        if let (Ok(most @ 1..), Ok(behind)) = (most.parse(), behind.parse()) {
            return Self { most, pace: Pace::Told { behind } };
        }
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        Self { most, pace: Pace::Watched { at: Instant::now(), frames: 0, slow: 0 } }
    }

    /// Whether others should go on behind so many frames.
    pub fn pay(&mut self, frames: u64) -> bool {
        if self.most == 1 {
            return false;
        }
        match &mut self.pace {
            Pace::Told { behind } => frames >= *behind,
            Pace::Watched { at, frames: before, slow } => {
                let took = at.elapsed();
                if took < LOOK {
                    return false;
                }
                let is_slow = took.as_nanos() > SLOW.as_nanos() * u128::from(frames - *before);
                *slow = if is_slow { *slow + 1 } else { 0 };
                (*at, *before) = (Instant::now(), frames);
                *slow >= LOOKS
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(nanos: &[u64]) -> Vec<bool> {
        let mut threads = Threads { most: 2, pace: Pace::Watched { at: Instant::now(), frames: 0, slow: 0 } };
        let mut frames = 0;
        let mut looked = Vec::new();
        for each in nanos {
            if let Pace::Watched { at, .. } = &mut threads.pace {
                // A second ago, so that what the test itself takes tells nothing.
                *at = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
            }
            frames += 1_000_000_000 / each;
            looked.push(threads.pay(frames));
        }
        looked
    }

    #[test]
    fn frames_that_take_long_twice_in_a_row_call_for_threads() {
        assert_eq!(looks(&[600, 600]), [false, true]);
        assert_eq!(looks(&[100, 600, 100, 600, 600]), [false, false, false, false, true]);
        assert_eq!(looks(&[40; 9]), [false; 9]);
        assert!(!Threads::one().pay(1 << 40));
        let mut told = Threads { most: 2, pace: Pace::Told { behind: 7 } };
        assert!(!told.pay(6) && told.pay(7));
    }
}
