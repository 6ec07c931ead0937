//! Segments sent and not yet acknowledged, as far as needed to say since when something is owed and how long answers take.
use crate::base::{Seq, Span, Timestamp};
use crate::event::{FrameRef, Mark};
use serde::{Deserialize, Serialize};

/// One segment under way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Flight {
    /// Sequence number after its last octet.
    pub end: Seq,
    /// When it was first seen.
    pub mark: Mark,
    /// Octets of payload.
    pub len: u32,
    /// It was sent again: its answer measures nothing (Karn).
    pub repeated: bool,
}

const EMPTY: Flight = Flight {
    end: Seq(0),
    mark: Mark { at: Timestamp(0), frame: FrameRef::new(0, 0) },
    len: 0,
    repeated: false,
};

/// The oldest few segments under way and the newest one. Bounded: what is between is forgotten, the oldest never is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InFlight {
    ring: [Flight; 4],
    used: u8,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { ring: [EMPTY; 4], used: 0 }
    }
}

impl InFlight {
    /// A segment with new octets was seen.
    #[inline(always)]
    pub fn sent(&mut self, flight: Flight) {
        let used = usize::from(self.used);
        if let Some(slot) = self.ring.get_mut(used) {
            *slot = flight;
            self.used += 1;
        } else {
            self.sent_many(flight.end, flight.mark, flight.len);
        }
    }

    /// One more than there is room for: the last slot always ends where the sender is; its own time stays that of its first octets.
    #[inline]
    fn sent_many(&mut self, end: Seq, mark: Mark, len: u32) {
        let [_, _, newest_but_one, newest] = &mut self.ring;
        if newest.mark.at - newest_but_one.mark.at > Span::millis(1) {
            *newest_but_one = *newest;
            *newest = Flight { end, mark, len, repeated: false };
        } else {
            newest.end = end;
            newest.len = newest.len.max(len);
        }
    }

    /// Everything before `ack` arrived. Gives the time the newest fully acknowledged, unrepeated segment took.
    #[inline(always)]
    pub fn acked(&mut self, ack: Seq, at: Timestamp) -> Option<Span> {
        // Mostly that is all.
        match self.ring.get(usize::from(self.used).wrapping_sub(1)) {
            Some(newest) if !newest.end.after(ack) => {
                self.used = 0;
                (!newest.repeated).then(|| at - newest.mark.at)
            }
            _ => self.partly_acked(ack, at),
        }
    }

    fn partly_acked(&mut self, ack: Seq, at: Timestamp) -> Option<Span> {
        let used = usize::from(self.used);
        let done = self.ring.iter().take(used).take_while(|f| !f.end.after(ack)).count();
        let rtt =
            self.ring.get(done.wrapping_sub(1)).filter(|f| done > 0 && !f.repeated).map(|f| at - f.mark.at);
        if done > 0 {
            self.ring.copy_within(done..used, 0);
            self.used = (used - done) as u8;
        }
        rtt
    }

    /// Forgets what is left of segments that were acknowledged; nobody reads it.
    pub fn tidy(&mut self) {
        self.ring.iter_mut().skip(usize::from(self.used)).for_each(|flight| *flight = EMPTY);
    }

    /// The oldest segment not acknowledged.
    #[must_use]
    pub fn oldest(&self) -> Option<Flight> {
        self.ring.first().copied().filter(|_| self.used > 0)
    }

    /// When the oldest segment that is not acknowledged was sent.
    #[must_use]
    #[inline]
    pub const fn oldest_at(&self) -> Option<Timestamp> {
        let [oldest, ..] = &self.ring;
        if self.used > 0 { Some(oldest.mark.at) } else { None }
    }

    /// The oldest segment was seen again.
    pub fn repeated(&mut self) {
        for flight in self.ring.iter_mut().take(usize::from(self.used)) {
            flight.repeated = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(end: u32, at_ms: i64) -> Flight {
        Flight {
            end: Seq(end),
            mark: Mark { at: Timestamp(at_ms * 1_000_000), frame: FrameRef::default() },
            len: 100,
            repeated: false,
        }
    }

    #[test]
    fn the_oldest_is_never_lost() {
        let mut f = InFlight::default();
        for i in 1..=20 {
            f.sent(flight(i * 100, i64::from(i)));
        }
        assert_eq!(f.oldest().map(|o| o.end), Some(Seq(100)));
        assert_eq!(f.acked(Seq(100), Timestamp(5_000_000)), Some(Span::millis(4)));
        assert_eq!(f.oldest().map(|o| o.end), Some(Seq(200)));
        f.acked(Seq(2000), Timestamp(30_000_000));
        assert!(f.oldest().is_none());
    }

    #[test]
    fn repeats_measure_nothing() {
        let mut f = InFlight::default();
        f.sent(flight(100, 0));
        f.repeated();
        assert_eq!(f.acked(Seq(100), Timestamp(7)), None);
    }
}
