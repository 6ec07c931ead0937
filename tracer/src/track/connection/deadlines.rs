//! When a connection that is silent counts as dead, and when it may rest.
use super::{Connection, Limits, Opening};
use crate::base::{Seq, Side, Span, Timestamp};
use crate::event::Owed;
impl Connection {
    /// Whether nothing can become of it without a frame: it lives and owes nothing, and can be written down without loss.
    #[must_use]
    pub fn can_rest(&self, limits: &Limits) -> bool {
        self.ended.is_none()
            && !self.told
            && self.dead_at(limits).is_none()
            && self.attempt_over_at(limits).is_none()
            && self.session.as_ref().is_none_or(|s| s.can_rest())
    }

    /// Something is owed: by whom, since when it counts as dead.
    #[must_use]
    pub fn dead_at(&self, limits: &Limits) -> Option<(Timestamp, Side, Owed)> {
        let mut first: Option<(Timestamp, Side, Owed)> = None;
        let mut consider = |at: Timestamp, silent: Side, owed: Owed| {
            if first.is_none_or(|(f, _, _)| at < f) {
                first = Some((at, silent, owed));
            }
        };
        for side in Side::BOTH {
            let end = &self.ends[side];
            // Octets behind a hole that the observer shares wait for their sender, not for the peer.
            let behind_hole = end.stream.has_hole() && end.waiting.repeats == 0;
            let unknown = behind_hole || self.unheard(side.other()) && !end.is_stuck();
            if let Some(u) = end.unanswered(self.syn_owed(side)).filter(|_| !unknown) {
                // A closed window is answered for as long as its probes are; it is looked at below.
                if self.ends[side.other()].facts.zero_window.since.is_none() || u.repeats > 0 {
                    consider(u.first.at + limits.idle_timeout, side.other(), u.owed);
                }
            }
            if let Some(since) = self.ends[side.other()].facts.zero_window.since {
                let waiting =
                    end.inflight.oldest().is_some() || self.ends[side.other()].facts.zero_window.probes > 0;
                if waiting {
                    consider(since.at + limits.idle_timeout, side.other(), Owed::Window);
                }
            }
            if let Some((at, owed)) = self.ping_due(side, limits) {
                consider(at, side.other(), owed);
            }
        }
        first
    }

    /// Nothing of that end was captured although it took part: the capture holds one direction only, and what answers isn't seen.
    pub(super) fn unheard(&self, side: Side) -> bool {
        self.opening != Opening::Syn && self.ends[side].facts.packets == 0
    }

    /// Up to where the octets of that end are known to have arrived, or can't be called lost: where nothing of the peer was
    /// captured, what is repeated at growing gaps alone shows that it did not acknowledge.
    pub(super) fn acked_until(&self, side: Side) -> Seq {
        let end = &self.ends[side];
        if self.unheard(side.other()) && !end.is_stuck() { end.snd_nxt } else { end.snd_una }
    }

    /// A PING of `side` is unanswered past its own limit.
    pub(super) fn ping_due(&self, side: Side, limits: &Limits) -> Option<(Timestamp, Owed)> {
        let facts = self.session_facts()?;
        let ping = &facts.pings[side];
        let first = ping.first_unanswered.filter(|_| ping.unanswered > 0 && !self.unheard(side.other()))?;
        if self.ends[side.other()].stream.awaited() > 0 {
            return None;
        }
        // Two unanswered are allowed everywhere by default; the interval is the one seen, or the usual one.
        let interval = ping.interval.unwrap_or(Span::secs(120));
        Some((first.at + Span(interval.times(3).0.max(limits.idle_timeout.0)), Owed::Pong))
    }

    /// An attempt whose client stopped repeating its SYN: when that shows.
    #[must_use]
    pub fn attempt_over_at(&self, limits: &Limits) -> Option<Timestamp> {
        if self.opening != Opening::Syn {
            return None;
        }
        let syn = self.ends.client.unanswered(Some(Owed::Syn))?;
        let gap = if syn.repeats == 0 {
            Span::millis(2500)
        } else {
            Span(self.ends.client.waiting.repeat_gap.0.max(1_000_000_000) * 2)
        };
        let over = syn.last.at + gap + Span::secs(1);
        Some(over.min(syn.first.at + limits.idle_timeout))
    }
}
