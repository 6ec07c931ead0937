//! Verdicts, one close after the other.
use super::counts::Client;
use super::{Emit, Judge, Lost};
use crate::base::{Endpoint, PerSide, Span, Timestamp};
use crate::cause::{self, Case};
use crate::event::{
    Around, CloseReport, EndedBy, Event, Facts, Handshake, Joint, Kind, Party, ReconnectOutcome,
};
use crate::track::close::decide;
use crate::track::{ConnId, Tracker};

impl Judge {
    /// One close is judged and told. `tracker`, live, knows of this host's processes.
    pub(super) fn judge(
        &mut self,
        mut facts: Box<Facts>,
        input_ended: bool,
        tracker: Option<&Tracker>,
        emit: &mut impl Emit,
    ) {
        let id = facts.first_frame;
        // A loss is noticed when the counters are looked at, up to a second late.
        facts.capture_loss |=
            self.losses.iter().any(|&at| at >= facts.start.at && at <= facts.ended + Span::millis(1500));
        let mut around = Around::default();
        self.neighbourhood(&mut facts, &mut around);
        around.process_end = PerSide::from_fn(|side| tracker.and_then(|t| t.process_end(&facts, side)));
        let close = decide(&facts, &around);
        self.far_neighbours(&mut facts, &close, &mut around);
        if let Some(reconnect) = &mut around.reconnect {
            self.add_reaction(&facts, &close, reconnect);
        }
        let word = self.server_word.of(&facts, &close);
        around.server_reason.clone_from(&word.reason);
        // What else is over for good: an attempt that was given up. The rest may speak again.
        let given_up = facts.ended_by == EndedBy::GaveUp
            && matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered);
        let over = facts.ended_by == EndedBy::Goodbye || input_ended || given_up;
        let flow = if over { self.flows.remove(id) } else { self.flows.get(id) }.unwrap_or(0);
        let verdict = cause::weigh(&Case::new(&facts, &close, &around, &self.config.settings));
        let failed =
            matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered | Handshake::Incomplete);
        let known = around.reconnect.as_ref().is_some_and(|r| r.outcome == ReconnectOutcome::Reconnected);
        let twice = around.other_leg.is_some_and(|other| other.joint == Joint::Nat);
        let again = self.legs.echo_of(id).is_some();
        if self.config.offline || input_ended || failed || known {
            // The second sight of a connection is told what became of its client, too.
            if again || !twice {
                let (id, client) = self.as_first_seen(facts.first_frame, facts.client.addr);
                self.clients.settled(id, client);
            }
        } else if !again {
            self.lost.push_back(Lost {
                id,
                flow,
                client: facts.client.addr,
                at: facts.ended,
                held: held_before(&facts),
                announced: facts.nats.announced().to_vec(),
            });
        }
        self.counts.add(named(&facts), close.kind, close.side, verdict.code());
        if failed && !self.folding.lists(facts.server, close.at, close.kind.name(), verdict.code(), emit) {
            return self.is_judged(facts);
        }
        if !self.selection.needs_closes() {
            return self.is_judged(facts);
        }
        let cause = if self.selection.wants(close.kind, close.side, verdict.code()) {
            if verdict.tells_of_a_crowd() {
                self.add_crowd(&mut facts, &mut around);
            }
            let mut cause = verdict.say(&Case::new(&facts, &close, &around, &self.config.settings));
            word.complete(&mut cause);
            cause
        } else {
            verdict.mute()
        };
        let mut reconnect = around.reconnect.take();
        if let Some(reconnect) = &mut reconnect {
            reconnect.flow = reconnect.flow.and_then(|id| self.flows.get(id));
        }
        let (other_leg, known) = (around.other_leg, around.client);
        let report = CloseReport { flow, facts, close, cause, reconnect, other_leg, known };
        if let Some(facts) = emit.event(Event::Close(Box::new(report))) {
            self.is_judged(facts);
        }
    }

    /// An attempt that nobody answered, of so many that it is only counted. Nothing tells why there was no answer.
    pub(super) fn is_too_many(&mut self, facts: &Facts) -> bool {
        facts.handshake == Handshake::Unanswered
            && facts.icmp.is_empty()
            && facts.tcp.server.packets == 0
            && facts.host.is_none()
            && self.floods(facts.first_frame, named(facts), (facts.server, facts.last.at))
    }

    /// One more attempt without an answer, at that server and time; whether there are so many that it is only counted, which it is
    /// then.
    pub(super) fn floods(
        &mut self,
        id: ConnId,
        client: Client<'_>,
        (server, at): (Endpoint, Timestamp),
    ) -> bool {
        let (kind, code) = (Kind::Timeout, cause::UNKNOWN);
        let floods = self.folding.floods(server, at, kind.name(), code);
        if floods {
            self.flows.remove(id);
            self.counts.add(client, kind, Party::Server, code);
        }
        floods
    }
}

fn named(facts: &Facts) -> Client<'_> {
    Client(facts.client.addr, facts.nats.connect.as_ref().map_or("", |(_, connect)| &connect.name))
}

/// Subscriptions of a connection at its end, where all of them were seen.
pub(super) fn held_before(facts: &Facts) -> Option<u64> {
    let whole = facts.tcp.client.missing_bytes == 0 && facts.handshake == Handshake::Complete;
    facts.nats.held_subscriptions().filter(|_| whole)
}
