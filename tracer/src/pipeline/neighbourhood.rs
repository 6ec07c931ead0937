//! What happened around a close, gathered once for its verdict; a connection that a NAT or a proxy shows twice has one
//! neighbourhood.
use super::{Judge, held_before};
use crate::base::{Addr, Side};
use crate::event::{Around, Close, Facts, Handshake, Joint, Maker, Party, Reconnect};
use crate::track::ConnId;
use crate::track::clients::mark_announced;
use crate::track::detection::detected;

impl Judge {
    /// Name and client of a connection where it was seen first: a NAT may show it twice.
    pub(super) fn as_first_seen(&self, facts: &Facts) -> (ConnId, Addr) {
        let echo = self.legs.echo_of(facts.first_frame);
        echo.map_or((facts.first_frame, facts.client.addr), |(id, client, _)| (id, client.addr))
    }

    /// What happened around a close. The second sight of a connection that a NAT shows twice has that of the first.
    pub(super) fn neighbourhood(&self, facts: &mut Facts) -> (Around, Option<Reconnect>) {
        let own = (facts.first_frame, facts.client, facts.server);
        let echo = self.legs.echo_of(own.0);
        (facts.first_frame, facts.client, facts.server) = echo.unwrap_or(own);
        let mut around = self.neighbours.around(facts, self.now);
        let reconnect = self.clients.reconnect(facts.first_frame, facts.client.addr, self.now);
        self.add_client_history(facts, &mut around, reconnect.as_ref());
        self.latencies.around(facts, &mut around);
        (facts.first_frame, facts.client, facts.server) = own;
        if echo.is_some() {
            // Told of the other side of the NAT.
            (around.server_ttl, around.vantage) = (None, None);
        }
        around.other_leg = self.legs.other(own.0).copied();
        (around, reconnect)
    }

    /// Where the server closed and a proxy passed that on, the server's neighbourhood counts, not the proxy's.
    pub(super) fn far_neighbours(&self, facts: &mut Facts, close: &Close, around: &mut Around) {
        let Some(other) = around.other_leg.filter(|o| o.joint == Joint::Proxy && o.at == Side::Server) else {
            return;
        };
        let passed_on = close.side == Party::Server && other.maker(Side::Server) == Maker::FarEnd;
        let Some(id) = self.legs.other_id(facts.first_frame).filter(|_| passed_on) else { return };
        let own = (facts.first_frame, facts.client, facts.server);
        (facts.first_frame, facts.client, facts.server) = (id, other.client, other.server);
        let far = self.neighbours.around(facts, self.now);
        (facts.first_frame, facts.client, facts.server) = own;
        around.server_closed_others = far.server_closed_others;
        around.server_closed_spread = far.server_closed_spread;
        around.server_serves_others = far.server_serves_others;
        around.refused = far.refused;
        around.accepted = far.accepted;
        around.server_id_changed = far.server_id_changed;
        around.lame_duck = far.lame_duck;
    }

    fn add_client_history(&self, facts: &Facts, around: &mut Around, reconnect: Option<&Reconnect>) {
        self.clients.around(facts.first_frame, (facts.client, facts.server), facts.ended, around);
        let failed = matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered)
            || facts.nats.accepted.is_none();
        if failed && reconnect.is_none() && self.now > facts.ended {
            around.quiet_after = Some(self.now - facts.ended);
        }
    }

    /// What the client did about its loss, as far as the lost connection shows it.
    pub(super) fn add_reaction(&self, facts: &Facts, close: &Close, reconnect: &mut Reconnect) {
        let (id, client) = self.as_first_seen(facts);
        reconnect.detect = detected(facts, close, reconnect.first_attempt);
        mark_announced(&mut reconnect.servers, facts.nats.announced());
        let before = held_before(facts);
        let after = self.clients.came_back(id, client).and_then(|n| n.held);
        reconnect.subscriptions = before.zip(after);
    }
}
