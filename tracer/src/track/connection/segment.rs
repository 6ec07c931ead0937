//! What a segment changes, whatever it is: RFC 9293, 3.10.7, as far as it shows from outside.

use super::super::endpoint::{Acked, Sent, Twin};
use super::super::session::{Place, Session};
use super::super::stream::Piece;
use super::{Connection, NO_OPTIONS, Opening, Outcome, Seen};
use crate::base::{Seq, Side, Span, Timestamp};
use crate::event::Mark;
use crate::nats::Hellos;
use crate::wire::{Options, Segment};

impl Connection {
    /// Any segment whatever.
    #[inline(never)]
    pub(super) fn handle_any(
        &mut self,
        seg: &Segment<'_>,
        seen: Seen,
        from: Side,
        hellos: &mut Hellos,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mark = seen.mark;
        let to = from.other();
        let decoded;
        let options = if seg.flags.syn()
            || seg.options.len() > 12
            || !seg.flags.ack()
            || self.ends[from].ip_id.is_none()
        {
            decoded = Options::decode(seg.options);
            &decoded
        } else {
            &NO_OPTIONS
        };
        let twin = Twin::of(seg, seen, options);
        if self.ends[from].twin.is_again(&twin) && self.ends[from].facts.packets > 0 {
            outcome.twin = true;
            return outcome;
        }
        self.ends[from].twin = twin;
        self.note_activity(mark);
        // What answers its repeats isn't seen where the capture holds one direction only.
        let was_in_hole = self.ends[from].in_hole() && (!self.unheard(to) || self.ends[from].is_stuck());
        self.note_frame(seg, mark, from);
        if seg.flags.rst() {
            self.handle_reset(seg, mark, from, was_in_hole, &mut outcome);
            return outcome;
        }
        if seg.flags.syn() {
            self.handle_syn(seg, mark, from, options);
        }
        if seg.flags.ack() {
            self.handle_ack(seg, mark, from, options, &mut outcome, hellos);
        }
        if !seg.flags.syn() && self.opening != Opening::Syn {
            let sent = self.ends[to].facts.bytes;
            self.ends[from].offers_window(seg.window, sent, mark);
        }
        if seg.payload_len > 0 || seg.flags.fin() {
            self.handle_octets(seg, mark, from, was_in_hole, &mut outcome, hellos);
        } else if !seg.flags.syn() {
            self.handle_probe(seg, mark, from);
        }
        if let Some((_, by)) = self.ended {
            self.after_the_end(from, by, &mut outcome);
            outcome.drained = self.is_drained();
        }
        outcome
    }

    fn note_activity(&mut self, mark: Mark) {
        let gap = mark.at - self.last.at;
        if gap > Span::secs(10) {
            let owed = Side::BOTH.iter().any(|&s| self.ends[s].inflight.oldest().is_some());
            if !owed {
                self.idle_gap = gap;
                self.idle_end = mark.at;
            }
        }
        if mark.at > self.last.at {
            self.last = mark;
        } else {
            self.last.frame = mark.frame;
        }
    }

    pub(super) fn note_frame(&mut self, seg: &Segment<'_>, mark: Mark, from: Side) {
        let end = &mut self.ends[from];
        end.facts.packets += 1;
        end.facts.first.get_or_insert(mark);
        end.facts.last = Some(mark);
        if !seg.flags.rst() {
            if seg.flags.fin() && end.facts.fin.is_none() {
                end.facts.fin_ttl = end.facts.ttl.filter(|&own| own != seg.ttl).map(|own| (seg.ttl, own));
            }
            end.facts.ttl = Some(seg.ttl);
            end.ip_id = seg.ip_id.or(Some(0));
        }
    }

    pub(super) fn handle_syn(&mut self, seg: &Segment<'_>, mark: Mark, from: Side, options: &Options) {
        let end = &mut self.ends[from];
        end.facts.syns = end.facts.syns.saturating_add(1);
        end.facts.mss = options.mss.or(end.facts.mss);
        if end.iss == Some(seg.seq) && !end.stream.is_started() {
            end.stream.start(seg.seq.add(1));
        }
        if end.iss.is_none() {
            end.iss = Some(seg.seq);
            end.stream.start(seg.seq.add(1));
        }
        end.sent(seg.seq.add(1), 1, mark);
        if seg.flags.ack() {
            self.synack_at.get_or_insert(mark.at);
            if self.opening == Opening::Syn {
                self.opening = Opening::SynAck;
            }
        } else {
            self.syn_at.get_or_insert(mark.at);
        }
    }

    fn handle_ack(
        &mut self,
        seg: &Segment<'_>,
        mark: Mark,
        from: Side,
        options: &Options,
        outcome: &mut Outcome,
        hellos: &mut Hellos,
    ) {
        let peer = from.other();
        let joined = matches!(self.opening, Opening::Midstream | Opening::Done);
        if joined && !seg.flags.syn() && self.ends[peer].missed_fin(seg.ack) {
            self.ends[peer].fin_end = Some(seg.ack);
            self.ends[peer].missed_fin_at = Some(mark);
        }
        match self.ends[peer].acked(seg.ack, mark) {
            Acked::New(rtt) => {
                outcome.answered = true;
                self.ends[from].facts.last_progress = Some(mark);
                self.answered(rtt, mark.at);
            }
            Acked::Nothing => self.selective(seg.ack, peer, options),
        }
        // The client acknowledges a SYN-ACK, be it captured or not.
        let answered = matches!(self.opening, Opening::SynAck | Opening::Syn) && from == Side::Client;
        // A server speaks when the handshake is done, also where the client isn't captured.
        let speaks = self.opening == Opening::SynAck && from == Side::Server && seg.payload_len > 0;
        if (answered || speaks) && !seg.flags.syn() {
            self.opening = Opening::Done;
            self.established = Some(mark.at);
        }
        if self.ends[peer].stream.lacks(seg.ack) {
            self.skip_hole(peer, seg.ack, mark, hellos);
        }
    }

    /// An end acknowledged something new, after so long where that measures a round trip.
    #[inline(always)]
    pub(super) fn answered(&mut self, rtt: Option<Span>, at: Timestamp) {
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt);
        }
        if self.idle_gap > Span::ZERO && at >= self.idle_end {
            if self.ended.is_none() {
                self.lived_through = self.lived_through.max(self.idle_gap);
            }
            self.idle_gap = Span::ZERO;
        }
    }

    /// Octets of payload were seen.
    #[inline]
    pub(super) fn note_payload(&mut self, at: Timestamp) {
        if self.ended.is_none() {
            self.quiet_lived_through = self.quiet_lived_through.max(at - self.payload_at);
            self.payload_at = at;
        }
    }

    /// A smaller segment than the oldest unanswered one got through.
    fn selective(&mut self, ack: Seq, sender: Side, options: &Options) {
        let end = &mut self.ends[sender];
        let Some(oldest) = end.inflight.oldest().filter(|o| o.len >= 536) else { return };
        for &(from, to) in options.sack.iter().take(usize::from(options.sack_count)) {
            let len = to.diff(from);
            if from.after(ack) && len > 0 && len.unsigned_abs() < oldest.len {
                end.waiting.smaller_pass = true;
            }
        }
    }

    fn handle_octets(
        &mut self,
        seg: &Segment<'_>,
        mark: Mark,
        from: Side,
        was_in_hole: bool,
        outcome: &mut Outcome,
        hellos: &mut Hellos,
    ) {
        // Octets of a SYN (fast open) come after it in sequence space.
        let seq = if seg.flags.syn() { seg.seq.add(1) } else { seg.seq };
        if seg.payload_len > 0 && self.is_probe(seg, from) {
            self.handle_probe(seg, mark, from);
            return;
        }
        let started = self.ends[from].stream.is_started();
        if seg.payload_len > 0 {
            self.note_payload(mark.at);
            let end = &mut self.ends[from];
            end.facts.last_data = Some(mark);
            end.facts.largest_segment = end.facts.largest_segment.max(seg.payload_len);
            let sent = end.sent(seq.add(seg.payload_len), seg.payload_len, mark);
            if let Sent::New(octets) = sent {
                end.facts.bytes += u64::from(octets);
            }
            if end.facts.fin.is_none() && end.missed_fin_at.is_some() && seq == end.snd_una {
                // It goes on: no FIN was acknowledged.
                (end.missed_fin_at, end.fin_end) = (None, None);
            }
            if !started {
                end.stream.start(seq);
            }
            let fresh = self.feed(from, seq, (seg.payload, seg.payload_len), mark, hellos);
            let end = &mut self.ends[from];
            if end.fills_hole(sent == Sent::Old, fresh, mark.at) {
                end.facts.filled_holes = end.facts.filled_holes.saturating_add(1);
            } else if sent == Sent::Old && !fresh {
                end.facts.retransmits = end.facts.retransmits.saturating_add(1);
            }
            self.collect_news(outcome);
        }
        if seg.flags.fin() {
            self.handle_fin(seq, seg.payload_len, mark, from, was_in_hole, outcome);
        }
    }

    /// Keepalives and window probes: nothing new, one octet behind what the peer has.
    fn handle_probe(&mut self, seg: &Segment<'_>, mark: Mark, from: Side) {
        if !self.is_probe(seg, from) {
            return;
        }
        let peer_closed = self.ends[from.other()].facts.zero_window.since.is_some();
        if peer_closed {
            let peer = &mut self.ends[from.other()];
            peer.facts.zero_window.probes = peer.facts.zero_window.probes.saturating_add(1);
            peer.window_probes = peer.window_probes.saturating_add(1);
            return;
        }
        let end = &mut self.ends[from];
        end.facts.keepalives = end.facts.keepalives.saturating_add(1);
        if end.waiting.keepalive.is_some() {
            end.waiting.keepalive_repeats = end.waiting.keepalive_repeats.saturating_add(1);
            end.waiting.last_repeat = Some(mark);
        } else if end.inflight.oldest().is_none() {
            end.waiting.keepalive = Some(mark);
            end.waiting.keepalive_repeats = 0;
        }
    }

    fn is_probe(&self, seg: &Segment<'_>, from: Side) -> bool {
        let end = &self.ends[from];
        let flags = seg.flags;
        end.started
            && seg.payload_len <= 1
            && !flags.syn()
            && !flags.fin()
            && !flags.rst()
            && (seg.seq == end.snd_nxt.sub(1) || seg.seq == end.snd_una.sub(1) && seg.payload_len == 0)
            && self.opening != Opening::Syn
            && end.facts.packets > 1
            && end.iss.is_none_or(|iss| seg.seq != iss)
    }

    /// Captured octets of `from`, of which so many were on the wire. `true` if they brought anything new.
    #[inline]
    pub(super) fn feed(
        &mut self,
        from: Side,
        seq: Seq,
        (bytes, len): (&[u8], u32),
        mark: Mark,
        hellos: &mut Hellos,
    ) -> bool {
        let end = &mut self.ends[from];
        if self.said.is_some() {
            // Behind a FIN that was acknowledged nothing is said.
            return end.stream.push(seq, bytes, len, &mut |_| {});
        }
        let place = Place { mark, end: seq.add(len), una: end.snd_una };
        let session = self.session.get_or_insert_with(|| Self::begin_session(self.opening, &mut self.room));
        end.stream.push(seq, bytes, len, &mut |piece| give(session, from, piece, place, hellos))
    }

    /// The peer acknowledged octets of `from` up to `ack` that were not captured.
    #[cold]
    fn skip_hole(&mut self, from: Side, ack: Seq, mark: Mark, hellos: &mut Hellos) {
        let end = &mut self.ends[from];
        // The FIN takes a number but no octet.
        let until = if end.fin_end == Some(ack) { ack.sub(1) } else { ack };
        if self.said.is_some() {
            return end.stream.acked(until, mark.at, &mut |_| {});
        }
        let place = Place { mark, end: ack, una: end.snd_una };
        let session = self.session.get_or_insert_with(|| Self::begin_session(self.opening, &mut self.room));
        end.stream.acked(until, mark.at, &mut |piece| give(session, from, piece, place, hellos));
    }
}

/// A piece of a side's stream for its session.
#[inline]
fn give(session: &mut Session, from: Side, piece: Piece<'_>, place: Place, hellos: &mut Hellos) {
    match piece {
        Piece::Bytes(bytes) => session.bytes(from, bytes, place, hellos),
        Piece::Gap(missing) => session.gap(from, missing, place, hellos),
        Piece::Missed(missing, at) => {
            let place = Place { mark: Mark { at, ..place.mark }, ..place };
            session.gap(from, missing, place, hellos);
        }
    }
}
