//! One end of a connection, from what was seen of it: sequence space, window, what it is owed.
use super::connection::Seen;
use super::inflight::{Flight, InFlight};
use super::stream::Stream;
use crate::base::{Seq, Span, Timestamp};
use crate::event::{Closings, Mark, Owed, Rare, TcpFacts, Unanswered, Usual, ZeroWindow};
use crate::wire::{Options, Segment};
use serde::{Deserialize, Serialize};

/// A peer that speaks sooner than this after a segment may simply not have got it yet.
pub const CROSSING: Span = Span::millis(300);
/// Segments that come out of order come within this (Wireshark's limit, too).
const OVERTAKEN: Span = Span::millis(3);

/// SYN among the flags (RFC 9293, 3.1).
const SYN: u8 = 0x02;

/// State of one end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct End {
    /// What goes into the facts as it is.
    pub facts: TcpFacts,
    /// Oldest sequence number not acknowledged by the peer (RFC 9293 SND.UNA, as observed).
    pub snd_una: Seq,
    /// Next sequence number it will use (SND.NXT, as observed).
    pub snd_nxt: Seq,
    /// `snd_nxt` is known.
    pub started: bool,
    /// `snd_una` is known.
    pub acked_once: bool,
    /// Probes of the peer since it is closed.
    pub window_probes: u32,
    /// That it stays closed was told.
    pub window_told: bool,
    /// Segments under way.
    pub inflight: InFlight,
    /// Sequence number after its FIN.
    pub fin_end: Option<Seq>,
    /// What it did since the peer last acknowledged something new, mostly nothing worth telling.
    pub waiting: Rare<Waiting>,
    /// Reassembly of what it sends.
    pub stream: Stream,
    /// Since when octets before those seen are missing.
    pub hole_since: Option<Timestamp>,
    /// IP-ID of its last segment.
    pub ip_id: Option<u16>,
    /// Last "answered" pulse given to the neighbours.
    pub pulse: Timestamp,
    /// Last frame, to know it again when it is captured twice.
    pub twin: Twin,
    /// Where the peer acknowledged a FIN that was not seen.
    pub missed_fin_at: Option<Mark>,
    /// The initial sequence number of its SYN.
    pub iss: Option<Seq>,
}

/// What an end does that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Repeats.
    pub repeats: u32,
    /// The last repeat.
    pub last_repeat: Option<Mark>,
    /// Gap between the last two repeats.
    pub repeat_gap: Span,
    /// Gaps that about doubled.
    pub doublings: u8,
    /// Peer frames since something is owed, late enough to have answered.
    pub peer_spoke: u32,
    /// The last of them.
    pub peer_last: Option<Timestamp>,
    /// Something smaller, sent later, was selectively acknowledged.
    pub smaller_pass: bool,
    /// A keepalive probe is unanswered since.
    pub keepalive: Option<Mark>,
    /// Probes since.
    pub keepalive_repeats: u32,
}

impl Usual for Waiting {
    const USUAL: &'static Self = &Self {
        repeats: 0,
        last_repeat: None,
        repeat_gap: Span::ZERO,
        doublings: 0,
        peer_spoke: 0,
        peer_last: None,
        smaller_pass: false,
        keepalive: None,
        keepalive_repeats: 0,
    };
}

/// What makes two sightings the same segment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twin {
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgement number.
    pub ack: Seq,
    /// Payload, flags, window.
    pub shape: (u32, u8, u16),
    /// IP identification.
    pub ip_id: Option<u16>,
    /// Timestamp option.
    pub tsval: Option<u32>,
    /// Time to live, hop limit.
    pub ttl: u8,
    /// Capture and interface.
    pub place: (u32, u32),
    /// When.
    pub at: Timestamp,
}

impl Twin {
    /// Of this sighting.
    #[must_use]
    pub fn of(seg: &Segment<'_>, seen: Seen, options: &Options) -> Self {
        Self {
            seq: seg.seq,
            ack: seg.ack,
            shape: (seg.payload_len, seg.flags.0, seg.window),
            ip_id: seg.ip_id,
            tsval: options.timestamps.map(|t| t.0),
            ttl: seg.ttl,
            place: seen.place,
            at: seen.mark.at,
        }
    }

    /// Whether `other`, seen later, is the same segment seen a second time.
    #[must_use]
    pub fn is_again(&self, other: &Self) -> bool {
        if self.seq != other.seq
            || self.ack != other.ack
            || self.shape != other.shape
            || self.tsval != other.tsval
        {
            return false;
        }
        let gap = other.at - self.at;
        let close = gap >= Span::ZERO && gap < Span::millis(if self.place == other.place { 5 } else { 500 });
        match (self.ip_id, other.ip_id) {
            // The kernel counts the identification up per segment; 0 says nothing.
            (Some(a), Some(b)) if a != 0 || b != 0 => a == b && close,
            // A SYN-ACK has no identification and is not repeated within a second: a mirror of both directions shows it twice.
            _ if self.shape.1 & SYN != 0 => close,
            _ => {
                close
                    && (self.place != other.place || self.ttl != other.ttl)
                    && (self.tsval.is_some() || gap < Span::millis(5))
            }
        }
    }
}

impl End {
    /// Sends octets up to `end`, `len` of them payload: new ones go under way, old ones count as a repeat of what is owed.
    #[inline(always)]
    pub fn sent(&mut self, end: Seq, len: u32, mark: Mark) -> Sent {
        if !self.started {
            self.started = true;
            self.snd_nxt = end.sub(len);
            if !self.acked_once {
                self.snd_una = self.snd_nxt;
                self.acked_once = true;
            }
        }
        let fresh = end.diff(self.snd_nxt);
        if fresh > 0 {
            self.snd_nxt = end;
            self.inflight.sent(Flight { end, mark, len, repeated: false });
            self.facts.max_in_flight =
                self.facts.max_in_flight.max(u64::from(end.diff(self.snd_una).max(0).unsigned_abs()));
            return Sent::New(fresh.unsigned_abs().min(len));
        }
        if end.after(self.snd_una) {
            self.repeat(mark);
        }
        Sent::Old
    }

    /// Sends its next octets, `len` of them: as [`End::sent`] of an end that has begun.
    #[inline(always)]
    pub fn sent_next(&mut self, len: u32, mark: Mark) {
        let end = self.snd_nxt.add(len);
        self.snd_nxt = end;
        self.inflight.sent(Flight { end, mark, len, repeated: false });
        let under_way = u64::from(end.diff(self.snd_una).max(0).unsigned_abs());
        if under_way > self.facts.max_in_flight {
            self.facts.max_in_flight = under_way;
        }
    }

    /// Nothing is repeated, closed, missing, probed or said goodbye to: the next segment in order changes figures alone.
    #[must_use]
    pub fn is_smooth(&self) -> bool {
        self.started
            && self.acked_once
            && self.facts.packets > 0
            && self.ip_id.is_some()
            && self.fin_end.is_none()
            && self.missed_fin_at.is_none()
            && self.facts.zero_window.since.is_none()
            && self.waiting.told().is_none()
            && self.hole_since.is_none()
            && self.stream.is_started()
            && !self.stream.has_hole()
    }

    /// Something owed was sent once more.
    pub fn repeat(&mut self, mark: Mark) {
        let waiting = &mut *self.waiting;
        let gap = waiting.last_repeat.map_or(Span::ZERO, |last| mark.at - last.at);
        let (now, before) = (gap.0.saturating_mul(10), waiting.repeat_gap.0);
        if before > 0 && now > before.saturating_mul(16) && now < before.saturating_mul(26) {
            waiting.doublings = waiting.doublings.saturating_add(1);
        }
        waiting.repeat_gap = gap;
        waiting.last_repeat = Some(mark);
        waiting.repeats = waiting.repeats.saturating_add(1);
        self.inflight.repeated();
    }

    /// A segment was fed to the stream: whether it filled a hole so late that it was lost and sent again, not overtaken.
    pub fn fills_hole(&mut self, old: bool, fresh: bool, at: Timestamp) -> bool {
        let late = old && fresh && self.hole_since.is_some_and(|since| at - since > OVERTAKEN);
        if self.stream.has_hole() {
            self.hole_since.get_or_insert(at);
        } else {
            self.hole_since = None;
        }
        late
    }

    /// The peer acknowledged everything before `ack`. `Some(time)` where that measures a round trip.
    pub fn acked(&mut self, ack: Seq, mark: Mark) -> Acked {
        if !self.acked_once {
            self.acked_once = true;
            self.snd_una = ack;
            if !self.started {
                self.started = true;
                self.snd_nxt = ack;
                self.stream.start(ack);
            }
        }
        if !ack.after(self.snd_una) {
            if ack == self.snd_nxt && self.waiting.keepalive.is_some() {
                (self.waiting.keepalive, self.waiting.keepalive_repeats) = (None, 0);
            }
            if self.inflight.oldest().is_some_and(|o| mark.at - o.mark.at > CROSSING) {
                self.waiting.peer_spoke = self.waiting.peer_spoke.saturating_add(1);
                self.waiting.peer_last = Some(mark.at);
            }
            return Acked::Nothing;
        }
        // An acknowledgement far beyond what was seen is a forgery or a wrapped stranger, not progress.
        if self.started && ack.diff(self.snd_nxt) > (1 << 28) {
            return Acked::Nothing;
        }
        self.snd_una = ack;
        if ack.after(self.snd_nxt) {
            self.snd_nxt = ack;
        }
        if self.waiting.told().is_some() {
            *self.waiting = *Waiting::USUAL;
        }
        if self.fin_end.is_some_and(|fin| !fin.after(ack)) {
            self.facts.fin_answered = true;
        }
        Acked::New(self.inflight.acked(ack, mark.at))
    }

    /// The earlier octets of this end are being repeated without an answer.
    #[must_use]
    pub fn in_hole(&self) -> bool {
        (self.waiting.repeats > 0 && self.inflight.oldest().is_some()) || self.waiting.keepalive_repeats > 1
    }

    /// The peer acknowledges one number past all that was sent here: a FIN that the capture missed, since octets of NATS never
    /// come alone.
    #[must_use]
    pub fn missed_fin(&self, ack: Seq) -> bool {
        self.started && self.acked_once && self.fin_end.is_none() && ack.diff(self.snd_nxt) == 1
    }

    /// It does nothing any more but repeat, at growing gaps: told without a frame of the peer.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let newest = [self.facts.last_data, self.facts.fin].into_iter().flatten().map(|m| m.at).max();
        let Waiting { doublings, repeats, last_repeat, .. } = *self.waiting;
        doublings > 0 && repeats > 2 && last_repeat.map(|m| m.at) >= newest
    }

    /// What the peer owes, if anything. `syn_open`: the SYN of this end has no answer yet.
    #[must_use]
    pub fn unanswered(&self, syn: Option<Owed>) -> Option<Unanswered> {
        let waiting = &*self.waiting;
        let repeats = waiting.repeats;
        let make = |owed, first: Mark, repeats, len| Unanswered {
            owed,
            first,
            last: waiting.last_repeat.filter(|_| repeats > 0).unwrap_or(first),
            repeats,
            backoff: waiting.doublings > 0,
            segment_len: len,
            peer_spoke: waiting.peer_spoke,
            peer_last: waiting.peer_last,
            smaller_pass: waiting.smaller_pass,
        };
        if let Some(oldest) = self.inflight.oldest() {
            let owed = syn.unwrap_or(if self.fin_end == Some(oldest.end) && oldest.len == 0 {
                Owed::Fin
            } else {
                Owed::Data
            });
            return Some(make(owed, oldest.mark, repeats, oldest.len));
        }
        waiting.keepalive.map(|first| make(Owed::Keepalive, first, waiting.keepalive_repeats, 0))
    }

    /// Offers a window, scaled or not, to the peer, which has sent `sent` octets of payload so far.
    pub fn offers_window(&mut self, window: u16, sent: u64, mark: Mark) {
        match (window, self.facts.zero_window.since) {
            (0, None) => {
                let zero = &mut *self.facts.zero_window;
                zero.since = Some(mark);
                let first = Closings { first: mark, before: sent, last: mark.at, until: sent };
                let closings = zero.closings.get_or_insert(first);
                (closings.last, closings.until) = (mark.at, sent);
                self.window_probes = 0;
                self.window_told = false;
            }
            (1.., Some(from)) => {
                let zero = &mut *self.facts.zero_window;
                zero.since = None;
                close_window(zero, from, mark.at);
            }
            _ => {}
        }
    }

    /// The closed window's figures as of `at`, the current one counted in.
    #[must_use]
    pub fn zero_window(&self, at: Timestamp) -> Rare<ZeroWindow> {
        let mut zero = self.facts.zero_window.clone();
        if let Some(from) = zero.since {
            close_window(&mut zero, from, at);
        }
        zero
    }
}

fn close_window(zero: &mut ZeroWindow, from: Mark, at: Timestamp) {
    let lasted = at - from.at;
    zero.total = Span(zero.total.0.saturating_add(lasted.0));
    if lasted > zero.longest {
        zero.longest = lasted;
        zero.longest_from = Some(from);
    }
}

/// What a segment was to its sender's sequence space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// So many new octets of payload.
    New(u32),
    /// Nothing that was not sent before.
    Old,
}

/// What an acknowledgement brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acked {
    /// Nothing new.
    Nothing,
    /// Progress, and perhaps a round-trip time.
    New(Option<Span>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_double_whatever_the_clock_says() {
        let doublings = |times: &[i64]| {
            let mut end = End::default();
            times.iter().for_each(|&at| end.repeat(Mark { at: Timestamp(at), ..Mark::default() }));
            end.waiting.doublings
        };
        assert_eq!(doublings(&[0, 200_000_000, 600_000_000, 1_400_000_000]), 2);
        assert_eq!(doublings(&[i64::MIN, i64::MAX, 0, i64::MAX]), 0);
    }
}
