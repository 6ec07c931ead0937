//! What is told of a connection.
use super::{Connection, Opening};
use crate::base::{PerSide, Side, Span, Timestamp};
use crate::event::{EndedBy, Facts, Handshake, Mark, NatsFacts, Owed, ResetFacts, TcpFacts};
use crate::track::session::Session;
use crate::track::vantage;
use std::sync::Arc;
impl Connection {
    /// The facts as of now. `last`: nothing is asked of it any more, they are taken.
    #[must_use]
    pub fn facts(
        &mut self,
        input_ended: bool,
        last: bool,
        until: Timestamp,
        iface: Option<Arc<str>>,
    ) -> Facts {
        let (ended, ended_by) = self.ended.unwrap_or((self.last.at, EndedBy::GaveUp));
        let tcp = PerSide::from_fn(|side| {
            self.tcp_facts(side, ended.max(self.last.at).min(until.max(self.last.at)))
        });
        let unacked = tcp.client.unacked_bytes + tcp.server.unacked_bytes;
        let (client_una, server_una) = (self.acked_until(Side::Client), self.acked_until(Side::Server));
        let left = self.client_left();
        let mut nats = match (&mut self.session, &mut self.said) {
            (Some(session), _) => session.finish(client_una, server_una, unacked, left, last),
            (None, Some(said)) => {
                let mut facts = if last { std::mem::take(&mut **said) } else { NatsFacts::clone(said) };
                if facts.at_risk.bytes != unacked {
                    facts.at_risk.bytes = unacked;
                }
                facts
            }
            (None, None) => NatsFacts::default(),
        };
        for side in Side::BOTH {
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
        let span = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to? - from?);
        Facts {
            first_frame: self.first_frame,
            client: self.client,
            server: self.server,
            roles_certain: self.roles_certain || nats.info.is_some() || nats.connect.is_some(),
            iface,
            start: self.start,
            last: self.last,
            handshake: self.handshake(),
            established: self.established,
            syn_to_synack: span(self.syn_at, self.synack_at),
            synack_to_ack: span(self.synack_at, self.established),
            vantage: vantage::find(
                &tcp,
                self.client.addr,
                self.server.addr,
                span(self.syn_at, self.synack_at),
                span(self.synack_at, self.established),
            ),
            capture_loss: tcp.client.missing_bytes + tcp.server.missing_bytes > 0,
            tcp,
            rtt: self.rtt.report(),
            icmp: self.icmp.clone(),
            nats,
            input_ended,
            longest_idle: self.idle_gap,
            lived_through: self.lived_through,
            quiet_lived_through: self.quiet_lived_through,
            first_goodbye: self.first_goodbye,
            ended,
            ended_by,
            ignored_resets: self.ignored_resets,
            host: None,
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
        self.said = Some(Box::new(session.finish(client_una, server_una, 0, left, true)));
        session.empty();
        Some(session)
    }

    pub(super) fn tcp_facts(&self, side: Side, at: Timestamp) -> TcpFacts {
        let end = &self.ends[side];
        let mut facts = end.facts.clone();
        facts.zero_window = end.zero_window(at);
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
        facts
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
