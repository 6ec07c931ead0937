//! When whole packets are too much: headers alone for a while, then whole packets again. Pure; time is an argument.
use crate::base::Span;
use std::time::Duration;

/// Handling that is so far behind the wire is pressure, also while nothing is lost yet.
const BEHIND: Span = Span::secs(1);
/// So long without pressure, and whole packets come back.
const CALM: Duration = Duration::from_secs(10);
/// Doubled each time the pressure is back within a minute, at most to this.
const CALM_MAX: Duration = Duration::from_secs(320);
const RELAPSE: Duration = Duration::from_secs(60);

/// What to keep from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Headers alone: there is pressure.
    Headers,
    /// Whole packets: it has been calm for this time.
    Whole(Duration),
}

/// Decides between whole packets and headers.
#[derive(Debug)]
pub struct Pressure {
    headers: bool,
    calm_since: Duration,
    returned: Option<Duration>,
    calm: Duration,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { headers: false, calm_since: Duration::ZERO, returned: None, calm: CALM }
    }
}

impl Pressure {
    /// Once a second, at `now` since the start: frames lost since the last call, and how far behind handling was at most.
    pub fn look(&mut self, now: Duration, lost: u64, behind: Span) -> Option<Turn> {
        if lost > 0 || behind > BEHIND {
            self.calm_since = now;
            if self.headers {
                return None;
            }
            let relapse = self.returned.is_some_and(|at| now.saturating_sub(at) < RELAPSE);
            self.calm = if relapse { (self.calm * 2).min(CALM_MAX) } else { CALM };
            self.headers = true;
            return Some(Turn::Headers);
        }
        let calm = now.saturating_sub(self.calm_since);
        if !self.headers || calm < self.calm {
            return None;
        }
        self.headers = false;
        self.returned = Some(now);
        Some(Turn::Whole(calm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn loss_turns_to_headers_and_calm_back() {
        let mut p = Pressure::default();
        assert_eq!(p.look(second(1), 0, Span::millis(100)), None);
        assert_eq!(p.look(second(2), 7, Span::ZERO), Some(Turn::Headers));
        assert_eq!(p.look(second(3), 7, Span::ZERO), None);
        assert_eq!(p.look(second(12), 0, Span::ZERO), None);
        assert_eq!(p.look(second(13), 0, Span::ZERO), Some(Turn::Whole(second(10))));
        assert_eq!(p.look(second(14), 0, Span::ZERO), None);
    }

    #[test]
    fn being_behind_is_pressure() {
        let mut p = Pressure::default();
        assert_eq!(p.look(second(1), 0, Span::millis(1500)), Some(Turn::Headers));
    }

    #[test]
    fn who_comes_back_soon_waits_longer() {
        let mut p = Pressure::default();
        p.look(second(1), 1, Span::ZERO);
        assert_eq!(p.look(second(11), 0, Span::ZERO), Some(Turn::Whole(second(10))));
        assert_eq!(p.look(second(12), 1, Span::ZERO), Some(Turn::Headers));
        assert_eq!(p.look(second(22), 0, Span::ZERO), None);
        assert_eq!(p.look(second(32), 0, Span::ZERO), Some(Turn::Whole(second(20))));
        assert_eq!(p.look(second(100), 1, Span::ZERO), Some(Turn::Headers));
        assert_eq!(p.look(second(110), 0, Span::ZERO), Some(Turn::Whole(second(10))));
    }
}
