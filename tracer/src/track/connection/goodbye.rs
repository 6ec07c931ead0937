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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint, Timestamp};
    use crate::event::{Facts, FrameRef};
    use crate::nats::Hellos;
    use crate::track::connection::Seen;
    use crate::wire::Flags;

    /// From the client, flags, what is said, and how far before its place.
    type Step = (bool, u8, &'static [u8], u32);

    const TALK: &[Step] = &[
        (true, 0x02, b"", 0),
        (false, 0x12, b"", 0),
        (true, 0x10, b"", 0),
        (false, 0x18, b"INFO {\"server_id\":\"N\",\"client_id\":7} \r\n", 0),
        (true, 0x18, b"CONNECT {\"lang\":\"go\"}\r\nPING\r\nSUB a.> 1\r\n", 0),
        (false, 0x18, b"PONG\r\nMSG a.b 1 2\r\nhi\r\n", 0),
        (true, 0x18, b"PUB a _R.1 2\r\nhi\r\nPUB", 0),
        (true, 0x11, b"", 0),
        (false, 0x11, b"", 0),
        (true, 0x10, b"", 0),
    ];

    /// Plays it, and what comes behind it. `early`: the session is over where it says so. How often it said so, and what is told.
    fn told(early: bool, behind: &[Step]) -> (usize, Facts) {
        let ends = [50_000, 4222].map(|port| Endpoint { addr: Addr::v4([10, 0, 0, 7]), port });
        let mut next = PerSide { client: Seq(1_000), server: Seq(u32::MAX - 20) };
        let (mut conn, mut hellos, mut said_so) = (None::<Connection>, Hellos::default(), 0);
        for (number, &(from_client, flags, payload, back)) in (1..).zip(TALK.iter().chain(behind)) {
            let from = if from_client { Side::Client } else { Side::Server };
            let (src, dst) = if from_client { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
            let seg = Segment {
                src,
                dst,
                ttl: 64,
                ip_id: Some(number as u16),
                seq: next[from].sub(back),
                ack: if flags & 0x10 == 0 { Seq(0) } else { next[from.other()] },
                flags: Flags(flags),
                window: 500,
                options: &[],
                payload,
                payload_len: payload.len() as u32,
                tunnel: false,
            };
            if back == 0 {
                next[from] = next[from].add(seg.payload_len + u32::from(flags & 3 != 0));
            }
            let mark = Mark { at: Timestamp(number * 1_000_000), frame: FrameRef::new(0, number as u64) };
            let seen = Seen { mark, place: (0, 0) };
            let conn = conn.get_or_insert_with(|| Connection::new(&seg, seen, 1, from, true));
            if conn.handle_segment(&seg, seen, from, &mut hellos).drained {
                said_so += 1;
                assert!(!early || conn.end_session().is_some());
            }
        }
        let mut facts = Facts::nobodys();
        if let Some(mut conn) = conn {
            conn.facts(&mut facts, false, true, Timestamp(9_000_000_000), None);
        }
        (said_so, facts)
    }

    #[test]
    fn a_session_that_is_over_early_told_the_same() {
        let repeats: &[Step] = &[
            (true, 0x18, b"PUB a _R.1 2\r\nhi\r\nPUB", 24),
            (true, 0x11, b"", 1),
            (false, 0x10, b"", 1),
            (true, 0x04, b"", 0),
        ];
        for behind in [&[], repeats] {
            let (early, late) = (told(true, behind), told(false, behind));
            assert!(early.0 == 1 && late.0 >= 1);
            assert_eq!(format!("{:?}", early.1), format!("{:?}", late.1));
            assert_eq!((early.1.nats.pubs, early.1.nats.at_risk.requests), (1, 1));
            assert!(early.1.nats.cut_mid_message.client && early.1.nats.info.is_some());
        }
    }

    #[test]
    fn behind_an_acknowledged_fin_nothing_is_said() {
        let (_, facts) = told(true, &[(true, 0x18, b" a 2\r\nhi\r\nPUB c 2\r\nhi\r\n", 0)]);
        assert_eq!((facts.nats.pubs, facts.nats.cut_mid_message.client), (1, true));
        assert!(facts.nats.at_risk.bytes > 0, "though TCP carried it");
    }
}
