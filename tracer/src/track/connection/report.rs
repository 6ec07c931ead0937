//! What is told of a connection.
use super::{Connection, Opening};
use crate::base::{Side, Span, Timestamp};
use crate::event::{EndedBy, Facts, Handshake, Mark, NatsFacts, Owed, ResetFacts, TcpFacts};
use crate::track::session::Session;
use crate::track::vantage;
use std::sync::Arc;
impl Connection {
    /// The facts as of now, in memory of others. `last`: nothing is asked of it any more, they are taken.
    pub fn facts(
        &mut self,
        place: &mut Facts,
        input_ended: bool,
        last: bool,
        until: Timestamp,
        iface: Option<Arc<str>>,
    ) {
        // Each by its name: what is missing here would stay as it was of another connection.
        let Facts {
            first_frame,
            client,
            server,
            roles_certain,
            iface: place_iface,
            start,
            last: last_frame,
            handshake,
            established,
            syn_to_synack,
            synack_to_ack,
            tcp,
            rtt,
            icmp,
            vantage,
            nats,
            capture_loss,
            input_ended: place_input_ended,
            longest_idle,
            lived_through,
            quiet_lived_through,
            first_goodbye,
            ended,
            ended_by,
            ignored_resets,
            host,
        } = place;
        (*ended, *ended_by) = self.ended.unwrap_or((self.last.at, EndedBy::GaveUp));
        let at = (*ended).max(self.last.at).min(until.max(self.last.at));
        for side in Side::BOTH {
            self.tcp_facts(side, at, &mut tcp[side]);
        }
        self.nats_facts(nats, tcp.client.unacked_bytes + tcp.server.unacked_bytes, last);
        for side in Side::BOTH {
            self.add_unseen(side, nats);
        }
        let span = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to? - from?);
        *first_frame = self.first_frame;
        (*client, *server) = (self.client, self.server);
        *roles_certain = self.roles_certain || nats.info.is_some() || nats.connect.is_some();
        *place_iface = iface;
        (*start, *last_frame) = (self.start, self.last);
        *handshake = self.handshake();
        *established = self.established;
        *syn_to_synack = span(self.syn_at, self.synack_at);
        *synack_to_ack = span(self.synack_at, self.established);
        *vantage = vantage::find(tcp, self.client.addr, self.server.addr, *syn_to_synack, *synack_to_ack);
        *capture_loss = tcp.client.missing_bytes + tcp.server.missing_bytes > 0;
        *rtt = self.rtt.report();
        icmp.clone_from(&self.icmp);
        *place_input_ended = input_ended;
        *longest_idle = self.idle_gap;
        *lived_through = self.lived_through;
        *quiet_lived_through = self.quiet_lived_through;
        *first_goodbye = self.first_goodbye;
        *ignored_resets = self.ignored_resets;
        *host = None;
    }

    /// What the session told, with what TCP has to add of octets that were never acknowledged.
    fn nats_facts(&mut self, place: &mut Box<NatsFacts>, unacked: u64, last: bool) {
        let (client_una, server_una) = (self.acked_until(Side::Client), self.acked_until(Side::Server));
        let left = self.client_left();
        match (&mut self.session, &mut self.said) {
            (Some(session), _) => session.finish(place, client_una, server_una, unacked, left, last),
            (None, Some(said)) => {
                if last {
                    std::mem::swap(place, said);
                } else {
                    place.clone_from(said);
                }
                if place.at_risk.bytes != unacked {
                    place.at_risk.bytes = unacked;
                }
            }
            (None, None) => **place = NatsFacts::default(),
        }
    }

    /// What of `side` nobody could read, as far as its stream shows it.
    fn add_unseen(&self, side: Side, nats: &mut NatsFacts) {
        let end = &self.ends[side];
        let mut unseen = nats.unseen[side];
        if let Some(at) = end.stream.awaited_since() {
            // Acknowledged, and not captured to the end: a PONG may have been in it.
            let octets = end.stream.awaited();
            unseen.octets += octets;
            (unseen.last, unseen.last_octets) =
                (Some(Mark { at, ..self.last }), u32::try_from(octets).unwrap_or(u32::MAX));
            let ping = &mut nats.pings[side.other()];
            (ping.unanswered, ping.first_unanswered) = (0, None);
        }
        unseen.lost &= unseen.octets > 0 || self.opening == Opening::Midstream;
        // Octets before its goodbye that never came by here.
        let skipped = |r: ResetFacts| r.seq_off.is_some_and(|off| (1..1 << 20).contains(&off));
        unseen.hole = end.stream.has_hole() || end.facts.rst.is_some_and(skipped);
        unseen.lost |= unseen.hole;
        unseen.left_after = end.facts.fin.is_none() && end.missed_fin_at.is_some();
        if unseen != nats.unseen[side] {
            nats.unseen[side] = unseen;
        }
    }

    /// When the client said goodbye, where it was the first to.
    fn client_left(&self) -> Option<Timestamp> {
        let ended = self.ended.map_or(self.last.at, |ended| ended.0);
        self.first_goodbye.filter(|g| g.0 == Side::Client).map(|_| ended)
    }

    /// Nothing more can be said: what was is kept, the memory of the session is free, if there was one.
    pub fn end_session(&mut self) -> Option<Box<Session>> {
        let (client_una, server_una) = (self.acked_until(Side::Client), self.acked_until(Side::Server));
        let left = self.client_left();
        let mut session = self.session.take()?;
        let mut said = self.said_room.take().unwrap_or_default();
        session.finish(&mut said, client_una, server_una, 0, left, true);
        self.said = Some(said);
        session.empty_beside_facts();
        Some(session)
    }

    fn tcp_facts(&self, side: Side, at: Timestamp, facts: &mut TcpFacts) {
        let end = &self.ends[side];
        facts.clone_from(&end.facts);
        if facts.zero_window.since.is_some() {
            facts.zero_window = end.zero_window(at);
        }
        facts.missing_bytes = end.stream.missing + end.stream.awaited();
        let mut unacked = end.snd_nxt.diff(self.acked_until(side)).max(0).unsigned_abs();
        if end.started
            && unacked > 0
            && (facts.fin.is_some() && end.fin_end == Some(end.snd_nxt) || self.opening == Opening::Syn)
        {
            unacked -= 1;
        }
        if self.opening == Opening::SynAck && side == Side::Server {
            unacked = unacked.saturating_sub(1);
        }
        facts.unacked_bytes = u64::from(unacked);
        facts.unanswered = end.unanswered(self.syn_owed(side)).into();
    }

    pub(super) fn syn_owed(&self, side: Side) -> Option<Owed> {
        match (self.opening, side) {
            (Opening::Syn, Side::Client) => Some(Owed::Syn),
            (Opening::SynAck, Side::Server) => Some(Owed::SynAck),
            _ => None,
        }
    }

    pub(super) fn handshake(&self) -> Handshake {
        match self.opening {
            Opening::Midstream => Handshake::Midstream,
            Opening::Done => Handshake::Complete,
            Opening::SynAck => Handshake::Incomplete,
            Opening::Syn if self.ends.server.facts.rst.is_some() => Handshake::Refused,
            Opening::Syn => Handshake::Unanswered,
        }
    }

    /// Whether an attempt never got an answer.
    #[must_use]
    pub fn is_attempt(&self) -> bool {
        matches!(self.opening, Opening::Syn)
    }

    /// The client's subscriptions, once: a second after the handshake, when a client that came back has made its own again.
    pub fn newly_held(&mut self, now: Timestamp) -> Option<u64> {
        let settled = self.established.is_some_and(|since| now - since >= Span::secs(1));
        if self.holds_told || !self.accepted || !settled {
            return None;
        }
        self.holds_told = true;
        let whole = self.ends.client.stream.missing == 0;
        self.session_facts().filter(|_| whole)?.held_subscriptions()
    }

    /// What the neighbours know a client by.
    #[must_use]
    pub fn session_facts(&self) -> Option<&NatsFacts> {
        self.session.as_ref().map(|s| s.facts()).or(self.said.as_deref())
    }
}
