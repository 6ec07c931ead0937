//! When several threads pay. To hand a frame over costs more than to see that it is nobody's: where nearly all are, a second core
//! makes the work longer. So one thread begins, and looks at what a frame takes it beside being read.
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// For whom a frame takes longer than this, threads pay. Measured on one core, without reading: what is nobody's takes 20 to 35 ns,
/// what was to be expected 55 to 95, a large segment with many lines 150 to 350, and a frame of a short connection with its share of
/// the verdict 400.
const SLOW: Duration = Duration::from_nanos(40);
/// Looks in a row that find it so: one alone may be a burst.
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
    /// What the last look saw: what this thread had worked, behind how many frames, and how many looks in a row found it slow.
    Watched { worked: Duration, frames: u64, slow: u32 },
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
        Self { most, pace: Pace::Watched { worked: worked(), frames: 0, slow: 0 } }
    }

    /// What is done on the side, as to read a block, tells nothing of frames: nobody could share it.
    pub fn aside<T>(&mut self, what: impl FnOnce() -> T) -> T {
        let Pace::Watched { worked: before, .. } = &mut self.pace else { return what() };
        let begun = worked();
        let done = what();
        *before += worked().saturating_sub(begun);
        done
    }

    /// Whether others should go on behind so many frames.
    pub fn pay(&mut self, frames: u64) -> bool {
        self.most > 1 && self.pace.is_slow(frames, worked)
    }
}

impl Pace {
    fn is_slow(&mut self, frames: u64, worked: impl FnOnce() -> Duration) -> bool {
        match self {
            Self::Told { behind } => frames >= *behind,
            Self::Watched { worked: before, frames: seen, slow } => {
                let worked = worked();
                let took = worked.saturating_sub(*before);
                if took < LOOK {
                    return false;
                }
                let is_slow = took.as_nanos() > SLOW.as_nanos() * u128::from(frames.saturating_sub(*seen));
                *slow = if is_slow { *slow + 1 } else { 0 };
                (*before, *seen) = (worked, frames);
                *slow >= LOOKS
            }
        }
    }
}

/// What this thread had of a processor so far: to wait for a disk or for others tells nothing of frames. Nothing where the system
/// doesn't tell.
fn worked() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What looks find that come a second apart, when a frame takes so many nanoseconds.
    fn looks(nanos: &[u64]) -> Vec<bool> {
        let mut pace = Pace::Watched { worked: Duration::ZERO, frames: 0, slow: 0 };
        let mut frames = 0;
        let look = |(second, each): (u64, &u64)| {
            frames += 1_000_000_000 / each;
            assert!(
                !pace.is_slow(frames, || Duration::from_micros(second * 1_000_000 - 999_000)),
                "too soon"
            );
            pace.is_slow(frames, || Duration::from_secs(second))
        };
        (1..).zip(nanos).map(look).collect()
    }

    #[test]
    fn frames_that_take_long_twice_in_a_row_call_for_threads() {
        assert_eq!(looks(&[600, 600]), [false, true]);
        assert_eq!(looks(&[30, 600, 30, 600, 600]), [false, false, false, false, true]);
        assert_eq!(looks(&[35; 9]), [false; 9]);
    }

    #[test]
    fn what_is_done_aside_is_not_counted() {
        let mut threads = Threads { most: 2, pace: Pace::Watched { worked: worked(), frames: 0, slow: 0 } };
        let busy = || {
            let begun = worked();
            while worked() < begun + 4 * LOOK {}
        };
        threads.aside(busy);
        threads.aside(busy);
        assert!(
            matches!(&mut threads.pace, Pace::Watched { worked: before, .. } if worked() < *before + LOOK)
        );
        busy();
        assert!(!threads.pay(1) && matches!(threads.pace, Pace::Watched { slow: 1, .. }));
    }

    #[test]
    fn what_was_told_holds() {
        assert!(!Threads::one().pay(1 << 40));
        let mut told = Threads { most: 2, pace: Pace::Told { behind: 7 } };
        assert!(!told.pay(6) && told.pay(7));
        let before = worked();
        while worked() == before {}
    }
}
