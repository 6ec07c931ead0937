//! The clocks of captures, to see them jump.
use crate::base::{Span, Timestamp};
use crate::event::{Frame, Notice, NoticeCode};

/// `clock_step` notices at most.
const STEPS_MAX: u32 = 10;
/// Captures whose clocks are watched.
const CLOCKS_MAX: usize = 1024;
/// A clock that goes back by less is only read out of order.
const BACK: Span = Span::secs(-1);
/// Nothing was captured for so long: rather a step than a pause.
const AHEAD: Span = Span::secs(3600);

/// The last time of each capture.
#[derive(Debug, Default)]
pub struct Clocks {
    last: Vec<Option<Timestamp>>,
    told: u32,
}

impl Clocks {
    /// One more frame: tells where time jumped between it and the one before of the same capture.
    #[inline(always)]
    pub fn note(&mut self, frame: &Frame<'_>) -> Option<Notice> {
        let step = match self.last.get_mut(frame.capture as usize) {
            Some(Some(last)) => frame.at - std::mem::replace(last, frame.at),
            _ => return self.first(frame),
        };
        (step < BACK || step > AHEAD).then(|| self.tell(frame, step)).flatten()
    }

    /// Frames of a capture came until then, none of which was noted, and their time never jumped.
    pub fn catch_up(&mut self, capture: u32, latest: Timestamp) {
        if let Some(last) = self.last.get_mut(capture as usize) {
            *last = Some(latest);
        }
    }

    #[cold]
    fn first(&mut self, frame: &Frame<'_>) -> Option<Notice> {
        let place = frame.capture as usize;
        if place >= self.last.len() {
            self.last.resize((place + 1).min(CLOCKS_MAX), None);
        }
        *self.last.get_mut(place)? = Some(frame.at);
        None
    }

    #[cold]
    fn tell(&mut self, frame: &Frame<'_>, step: Span) -> Option<Notice> {
        if self.told >= STEPS_MAX {
            return None;
        }
        self.told += 1;
        let (way, by) =
            if step < Span::ZERO { ("back", Span(step.0.saturating_neg())) } else { ("ahead", step) };
        Some(Notice::new(
            frame.at,
            NoticeCode::ClockStep,
            format!(
                "capture time jumped {way} by {by} at frame {}: times and durations across it are not certain",
                frame.number
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::wire::LinkType;

    #[test]
    fn each_capture_has_its_own_clock() {
        let mut clocks = Clocks::default();
        let mut jumps = |capture: u32, secs: i64| {
            let at = Timestamp(0) + Span::secs(secs);
            let (link, iface, number) = (LinkType::ETHERNET, 0, 1);
            clocks.note(&Frame { at, capture, iface, number, link, bytes: &[], wire_len: 0 }).is_some()
        };
        assert!(![(0, 9), (1, 0), (1, 1)].iter().any(|&(capture, secs)| jumps(capture, secs)));
        assert!(jumps(0, 0));
        assert!(!jumps(u32::MAX, 0));
    }
}
