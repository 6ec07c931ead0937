//! What happened around a close, gathered once for its verdict; a connection that a NAT or a proxy shows twice has one
//! neighbourhood.
use super::Judge;
use super::judging::held_before;
use crate::base::{Addr, Endpoint, Side};
use crate::event::{Around, Close, Facts, Handshake, Joint, Maker, Party, Reconnect};
use crate::track::ConnId;
use crate::track::clients::mark_announced;
use crate::track::detection::detected;

impl Judge {
    /// Name and client of a connection where it was seen first: a NAT may show it twice.
    pub(super) fn as_first_seen(&self, id: ConnId, client: Addr) -> (ConnId, Addr) {
        let echo = self.legs.echo_of(id);
        echo.map_or((id, client), |(id, client, _)| (id, client.addr))
    }

    /// Adds what happened around a close. The second sight of a connection that a NAT shows twice has that of the first.
    pub(super) fn neighbourhood(&self, facts: &mut Facts, around: &mut Around) {
        let id = facts.first_frame;
        let echo = self.legs.echo_of(id);
        seen_as(facts, echo, |facts| {
            self.neighbours.around(facts, self.now, around);
            around.reconnect = self.clients.reconnect(facts.first_frame, facts.client.addr, self.now);
            self.add_client_history(facts, around);
        });
        if echo.is_some() {
            // Told of the other side of the NAT.
            (around.server_ttl, around.vantage) = (None, None);
        }
        around.other_leg = self.legs.other(id).copied();
    }

    /// How late the server answers others, and who came to it with this client: costly to find, told by few verdicts.
    pub(super) fn add_crowd(&self, facts: &mut Facts, around: &mut Around) {
        seen_as(facts, self.legs.echo_of(facts.first_frame), |facts| {
            self.latencies.around(facts, around);
            around.herd = self.clients.herd(facts.server, facts.ended);
        });
    }

    /// Where the server closed and a proxy passed that on, the server's neighbourhood counts, not the proxy's.
    pub(super) fn far_neighbours(&self, facts: &mut Facts, close: &Close, around: &mut Around) {
        let Some(other) = around.other_leg.filter(|o| o.joint == Joint::Proxy && o.at == Side::Server) else {
            return;
        };
        let passed_on = close.side == Party::Server && other.maker(Side::Server) == Maker::FarEnd;
        let Some(id) = self.legs.other_id(facts.first_frame).filter(|_| passed_on) else { return };
        let mut far = Around::default();
        seen_as(facts, Some((id, other.client, other.server)), |facts| {
            self.neighbours.around(facts, self.now, &mut far);
        });
        around.server_closed_others = far.server_closed_others;
        around.server_closed_spread = far.server_closed_spread;
        around.server_serves_others = far.server_serves_others;
        around.refused = far.refused;
        around.accepted = far.accepted;
        around.server_id_changed = far.server_id_changed;
        around.lame_duck = far.lame_duck;
    }

    fn add_client_history(&self, facts: &Facts, around: &mut Around) {
        self.clients.around(facts.first_frame, (facts.client, facts.server), around);
        let failed = matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered)
            || facts.nats.accepted.is_none();
        if failed && around.reconnect.is_none() && self.now > facts.ended {
            around.quiet_after = Some(self.now - facts.ended);
        }
    }

    /// What the client did about its loss, as far as the lost connection shows it.
    pub(super) fn add_reaction(&self, facts: &Facts, close: &Close, reconnect: &mut Reconnect) {
        let (id, client) = self.as_first_seen(facts.first_frame, facts.client.addr);
        reconnect.detect = detected(facts, close, reconnect.first_attempt);
        mark_announced(&mut reconnect.servers, facts.nats.announced());
        let before = held_before(facts);
        let after = self.clients.came_back(id, client).and_then(|n| n.held);
        reconnect.subscriptions = before.zip(after);
    }
}

/// Looks at a connection by another name and between other ends, those of its other leg.
fn seen_as<T>(
    facts: &mut Facts,
    leg: Option<(ConnId, Endpoint, Endpoint)>,
    look: impl FnOnce(&Facts) -> T,
) -> T {
    let own = (facts.first_frame, facts.client, facts.server);
    (facts.first_frame, facts.client, facts.server) = leg.unwrap_or(own);
    let seen = look(facts);
    (facts.first_frame, facts.client, facts.server) = own;
    seen
}
