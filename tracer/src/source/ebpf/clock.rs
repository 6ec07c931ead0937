//! From the kernel's monotonic clock to the wall clock that captures use.
use crate::base::{Span, Timestamp};
use nix::time::{ClockId, clock_gettime};

/// How often the clocks are compared again.
const AGAIN: i64 = 1_000_000_000;
/// A change that is no slewing (at most 0.5 ms a second) and no noise of measuring.
const STEP: i64 = 20_000_000;

/// The difference of the two clocks, kept up to date.
#[derive(Debug)]
pub struct Clock {
    /// Wall clock less monotonic clock, nanoseconds.
    offset: i64,
    /// Monotonic time of the last comparison.
    compared: i64,
    step: Option<Span>,
}

impl Clock {
    /// Compares the clocks.
    pub fn new() -> Self {
        let (offset, compared) = compare();
        Self { offset, compared, step: None }
    }

    /// Compares them again if it is time.
    pub fn check(&mut self) {
        if now(ClockId::CLOCK_MONOTONIC) - self.compared < AGAIN {
            return;
        }
        let (offset, compared) = compare();
        let change = offset - self.offset;
        if change.abs() > STEP {
            self.step = Some(Span(change));
        }
        (self.offset, self.compared) = (offset, compared);
    }

    /// How far the wall clock was set since this was asked last.
    pub fn step(&mut self) -> Option<Span> {
        self.step.take()
    }

    /// The wall clock at a monotonic time in nanoseconds.
    pub fn at(&self, monotonic: u64) -> Timestamp {
        Timestamp(i64::try_from(monotonic).unwrap_or(i64::MAX).saturating_add(self.offset))
    }
}

fn now(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |t| t.tv_sec().saturating_mul(1_000_000_000).saturating_add(t.tv_nsec()))
}

/// The offset, by the quickest of a few comparisons: one that was interrupted is off by as much.
fn compare() -> (i64, i64) {
    let mut best = (i64::MAX, 0, 0);
    for _ in 0..5 {
        let before = now(ClockId::CLOCK_MONOTONIC);
        let wall = now(ClockId::CLOCK_REALTIME);
        let after = now(ClockId::CLOCK_MONOTONIC);
        if after - before < best.0 {
            best = (after - before, wall - (before + (after - before) / 2), after);
        }
    }
    (best.1, best.2)
}
