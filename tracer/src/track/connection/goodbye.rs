//! FIN and RST, and what comes behind them.
use super::{Connection, Outcome};
use crate::base::{PerSide, Seq, Side, Span};
use crate::event::{EndedBy, Mark, ResetFacts};
use crate::track::endpoint::End;
use crate::wire::Segment;
impl Connection {
    pub(super) fn handle_fin(
        &mut self,
        seq: Seq,
        len: u32,
        mark: Mark,
        from: Side,
        was_in_hole: bool,
        outcome: &mut Outcome,
    ) {
        let fin_end = seq.add(len).add(1);
        self.missed_goodbye(from.other());
        let peer_fin = self.ends[from.other()].facts.fin.is_some();
        let end = &mut self.ends[from];
        if end.facts.fin.is_some() {
            end.facts.fin_repeats = end.facts.fin_repeats.saturating_add(1);
            if len == 0 {
                end.sent(fin_end, 0, mark);
            }
            return;
        }
        end.facts.fin = Some(mark);
        end.facts.fin_into_hole = was_in_hole;
        end.facts.fin_behind_data = len > 0;
        end.fin_end = Some(fin_end);
        end.sent(fin_end, 0, mark);
        if peer_fin {
            self.ends[from.other()].facts.fin_answered = true;
        }
        self.first_goodbye.get_or_insert((from, mark.frame));
        if self.ended.is_none() {
            let by = if was_in_hole { EndedBy::GaveUp } else { EndedBy::Goodbye };
            self.ended = Some((mark.at, by));
            outcome.ended = true;
        }
    }

    /// The end whose FIN was acknowledged, though not captured, was the first to leave.
    pub(super) fn missed_goodbye(&mut self, side: Side) {
        let end = &mut self.ends[side];
        let Some(mark) = end.missed_fin_at.filter(|_| end.facts.fin.is_none()) else { return };
        end.facts.fin = Some(mark);
        end.facts.fin_unseen = true;
        end.facts.fin_answered = true;
        self.first_goodbye.get_or_insert((side, mark.frame));
    }

    pub(super) fn handle_reset(
        &mut self,
        seg: &Segment<'_>,
        mark: Mark,
        from: Side,
        was_in_hole: bool,
        outcome: &mut Outcome,
    ) {
        let peer = from.other();
        let trigger = self.ends[peer].facts.last.filter(|_| self.ends[peer].facts.packets > 0);
        let idle = if self.idle_gap > Span::ZERO { self.idle_gap } else { Span::ZERO };
        let end = &mut self.ends[from];
        if let Some(rst) = &mut *end.facts.rst {
            rst.count = rst.count.saturating_add(1);
            return;
        }
        let ttl = end.facts.ttl;
        let id_jump = match (end.ip_id, seg.ip_id) {
            (Some(last), Some(now)) if last != 0 && now != 0 => now.wrapping_sub(last) > 1024,
            _ => false,
        };
        *end.facts.rst = Some(ResetFacts {
            mark,
            has_ack: seg.flags.ack(),
            ttl: seg.ttl,
            ttl_delta: ttl.map_or(0, |t| i16::from(seg.ttl) - i16::from(t)),
            ttl_known: ttl.is_some(),
            ip_id_jump: id_jump,
            seq_off: end.started.then(|| seg.seq.diff(end.snd_nxt)),
            answers: trigger.map(|t| mark.at - t.at).filter(|&gap| gap < Span::secs(1)),
            after_fin: end.facts.fin.is_some(),
            count: 1,
            sender_went_on: 0,
            into_hole: was_in_hole,
            payload: seg.payload_len > 0,
            idle_before: idle,
        });
        if self.ends[peer].facts.fin.is_some() {
            self.ends[peer].facts.fin_answered = true;
        }
        self.first_goodbye.get_or_insert((from, mark.frame));
        self.went_on = PerSide::default();
        if self.ended.is_none() {
            let by = if was_in_hole { EndedBy::GaveUp } else { EndedBy::Goodbye };
            self.ended = Some((mark.at, by));
            outcome.ended = true;
        }
    }

    /// Segments after an end: a late RST or ACK is its echo, but new life on both sides takes it back.
    pub(super) fn after_the_end(&mut self, from: Side, by: EndedBy, outcome: &mut Outcome) {
        let reset_by = Side::BOTH.into_iter().find(|&s| self.ends[s].facts.rst.is_some());
        match (by, reset_by) {
            (EndedBy::Goodbye | EndedBy::GaveUp, Some(reset_by))
                if self.ends[reset_by].facts.fin.is_none() =>
            {
                self.went_on[from] = self.went_on[from].saturating_add(1);
                if from == reset_by
                    && let Some(rst) = &mut *self.ends[from].facts.rst
                {
                    rst.sender_went_on = rst.sender_went_on.saturating_add(1);
                }
                if outcome.answered && self.went_on.client > 1 && self.went_on.server > 1 {
                    // Both ends talk on: the reset was heeded by neither.
                    self.ignored_resets = self.ignored_resets.saturating_add(1);
                    *self.ends[reset_by].facts.rst = None;
                    self.first_goodbye = None;
                    self.revive(outcome);
                }
            }
            (EndedBy::Silence(silent, _), _) if from == silent && outcome.answered => self.revive(outcome),
            (EndedBy::GaveUp, None)
                if outcome.answered && Side::BOTH.iter().any(|&s| self.ends[s].facts.fin_answered) =>
            {
                // The FIN got through after all. What was told of silence meanwhile is taken back.
                if let Some(ended) = &mut self.ended {
                    ended.1 = EndedBy::Goodbye;
                }
                outcome.revived = self.told;
                outcome.ended = self.told;
            }
            _ => {}
        }
    }

    /// Whether both ends have said goodbye and all that either sent, its FIN too, has come by here and was acknowledged.
    pub(super) fn is_drained(&self) -> bool {
        let all_heard = |end: &End| {
            let seen = end.facts.fin.is_some() && end.facts.rst.is_none() && end.fin_end == Some(end.snd_nxt);
            let all_came = !end.stream.has_hole() && end.stream.awaited() == 0;
            seen && all_came && end.snd_una == end.snd_nxt && !end.stream.lacks(end.snd_nxt.sub(1))
        };
        matches!(self.ended, Some((_, EndedBy::Goodbye)))
            && self.session.is_some()
            && all_heard(&self.ends.client)
            && all_heard(&self.ends.server)
    }

    pub(super) fn revive(&mut self, outcome: &mut Outcome) {
        self.ended = None;
        self.went_on = PerSide::default();
        outcome.revived = true;
    }
}
