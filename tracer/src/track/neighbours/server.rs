//! What happened at one server endpoint.
use super::lists::{count, near, window, within};
use super::{LIST_MAX, Map};
use crate::base::{Addr, Endpoint, PerSide, Span, Timestamp};
use crate::event::{Around, Facts, Handshake, Mark};
use crate::nats::{Connect, Info};
use crate::track::ConnId;
use ecow::EcoString;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A server that stops says INFO to whom it had taken for no longer.
const GREETS_STILL: Span = Span::millis(100);

/// One server endpoint.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub closed: VecDeque<(ConnId, Timestamp)>,
    pub refused: VecDeque<(ConnId, Mark)>,
    pub accepted: VecDeque<(ConnId, Mark, Option<Arc<Info>>, Endpoint)>,
    pub greeted: VecDeque<(ConnId, Mark, Arc<Info>)>,
    /// So many of the newest greetings name the same server_id: most often all do.
    pub alike: usize,
    /// SYNs of all clients, oldest first, and those of each.
    pub attempts: VecDeque<Timestamp>,
    pub by_client: Map<Addr, VecDeque<Timestamp>>,
    /// Handshakes done, no INFO so far.
    pub mute: BTreeMap<ConnId, Timestamp>,
    /// Connections that have not ended.
    pub live: BTreeMap<ConnId, Live>,
    pub lame_duck: Option<Mark>,
    /// Last frame on a connection whose INFO was seen, or that was there before; to a second or so.
    pub heard: Option<Timestamp>,
    pub identities: VecDeque<(ConnId, Mark, Identity)>,
    /// Each end was captured as it acknowledged something new.
    pub answers: PerSide<bool>,
}

/// A connection that has not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    /// When it was first seen.
    pub first: Timestamp,
    /// When the server was last heard on it.
    pub heard: Timestamp,
    /// It was put among those that are mute.
    pub mute: bool,
}

/// What makes the server replace an older connection by a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    Mqtt(String),
    Leaf(EcoString),
}

impl Server {
    /// What happened here adds to the surroundings of a close.
    pub fn around(&self, facts: &Facts, around: &mut Around) {
        let (id, at) = (facts.first_frame, facts.ended);
        let burst = self.closed.range(window(&self.closed, |c| c.1, at, Span::secs(1)));
        let same = || self.closed.range(window(&self.closed, |c| c.1, at, Span::ZERO));
        let own = burst.len() > 0 && same().any(|c| c.0 == id);
        let others = burst.len().saturating_sub(usize::from(own));
        around.server_closed_others = others as u32;
        if let (1.., Some(first), Some(last)) = (others, burst.clone().next(), burst.clone().next_back()) {
            around.server_closed_spread = last.1.max(at) - first.1.min(at);
        }
        let recent = self.refused.partition_point(|r| r.1.at + Span::secs(5) < at);
        around.refused = self.refused.range(recent..).find(|r| r.0 != id).map(|r| r.1);
        let mine = facts.nats.info.as_ref().map(|i| i.1.server_id.as_str());
        around.other_server = mine.and_then(|mine| self.greeted_by_another(mine, facts));
        let later = self.accepted.partition_point(|a| a.1.at <= at);
        if let Some(next) = self.accepted.range(later..).find(|a| a.0 != id) {
            around.accepted = Some(next.1);
            around.server_id_changed = match (mine, next.2.as_ref().map(|i| i.server_id.as_str())) {
                (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => Some(a != b),
                _ => None,
            };
            // Where several stand behind the address, another one says nothing about this one.
            if around.other_server.is_some() && around.server_id_changed == Some(true) {
                around.server_id_changed = None;
            }
        } else if let Some(mine) = mine.filter(|mine| !mine.is_empty() && around.other_server.is_none()) {
            // It took nobody since, but says who it is. What it had taken as it stopped it may greet for a moment.
            let later = self.greeted.partition_point(|g| g.1.at < at + GREETS_STILL);
            let mut next = self.greeted.range(later..).filter(|g| g.0 != id && !g.2.server_id.is_empty());
            around.server_id_changed = next.next().map(|next| next.2.server_id != mine);
        }
        // Those that were there before this end and are still; after a stop only what was heard later counts.
        let gone = around.server_id_changed == Some(true) || around.refused.is_some_and(|r| r.at >= at);
        let others = self
            .live
            .iter()
            .take_while(|(_, live)| live.first <= at)
            .filter(|&(&other, live)| other != id && (!gone || live.heard - at > Span::secs(1)))
            .filter(|&(&other, _)| around.other_server.is_none() || self.greeted_as(other) == mine);
        around.server_serves_others = count(others.take(100));
        let early = facts.start.at;
        let mute = self
            .mute
            .iter()
            .filter(|&(&other, &since)| other != id && since <= early && early - since < Span::secs(30));
        around.server_mute = count(mute);
        around.server_unheard = self.answers.client && !self.answers.server && self.greeted.is_empty();
        around.lame_duck = self.lame_duck.filter(|m| m.at <= at);
        around.attempts_client_10s =
            self.by_client.get(&facts.client.addr).map_or(0, |times| within(times, at, Span::secs(10)));
        around.attempts_server_1s = within(&self.attempts, at, Span::secs(1));
        around.server_accepts_others = accepts_others(self, facts);
        let me = identity(
            facts.nats.connect.as_ref().map(|c| &*c.1),
            facts.nats.mqtt.as_ref().and_then(|m| m.client_id.as_deref()),
        );
        around.replaced = me.and_then(|me| {
            self.identities
                .iter()
                .find(|i| {
                    i.0 != id
                        && i.2 == me
                        && at - i.1.at <= Span::secs(1)
                        && i.1.at + Span::millis(50) >= facts.start.at
                        && near(i.1.at, at, Span::secs(1))
                })
                .map(|i| i.1)
        });
    }

    /// A connection lives: its place, and whether it had none.
    pub fn lives(&mut self, id: ConnId, at: Timestamp) -> (&mut Live, bool) {
        let mut is_new = false;
        let live = self.live.entry(id).or_insert_with(|| {
            is_new = true;
            Live { first: at, heard: at, mute: false }
        });
        live.heard = at;
        (live, is_new)
    }

    /// The server said something on a connection.
    pub fn spoke(&mut self, id: ConnId, at: Timestamp) {
        let (live, is_new) = self.lives(id, at);
        if std::mem::take(&mut live.mute) || is_new {
            self.mute.remove(&id);
        }
    }

    /// The server acknowledged something; before INFO that is no sign of the server, whoever listens there.
    pub fn answered(&mut self, id: ConnId, at: Timestamp, ended: bool) {
        let mute = if ended { self.mute.contains_key(&id) } else { self.is_mute(id, at) };
        if !mute {
            self.heard = self.heard.max(Some(at));
        }
    }

    /// Whether a connection that lives on has had no INFO so far; what is heard on it for the first time counts as such.
    fn is_mute(&mut self, id: ConnId, at: Timestamp) -> bool {
        let room = self.mute.len() < LIST_MAX;
        let (live, is_new) = self.lives(id, at);
        if is_new {
            live.mute = true;
            if room {
                self.mute.insert(id, at);
                return true;
            }
        } else if !live.mute {
            return false;
        }
        self.mute.contains_key(&id)
    }

    /// Another server_id than `mine` introduced itself here while the server of this connection was still heard on it.
    fn greeted_by_another(&self, mine: &str, facts: &Facts) -> Option<Mark> {
        if self.alike >= self.greeted.len() && self.greeted.back().is_none_or(|last| last.2.server_id == mine)
        {
            return None;
        }
        let heard = facts.tcp.server.last.filter(|_| !mine.is_empty())?.at.min(facts.ended);
        let during = self.greeted.iter().rev().take_while(|g| g.1.at > facts.start.at);
        let another = |g: &&(ConnId, Mark, Arc<Info>)| {
            g.1.at < heard && g.0 != facts.first_frame && !g.2.server_id.is_empty() && g.2.server_id != mine
        };
        during.filter(another).last().map(|g| g.1)
    }

    /// Which server introduced itself on a connection.
    fn greeted_as(&self, id: ConnId) -> Option<&str> {
        self.greeted.iter().rev().find(|g| g.0 == id).map(|g| g.2.server_id.as_str())
    }
}

/// The server took somebody else's SYN before and after this attempt, as the same server.
fn accepts_others(server: &Server, facts: &Facts) -> Option<Mark> {
    if !matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered) {
        return None;
    }
    let id = facts.first_frame;
    let (from, to) = match *facts.tcp.client.unanswered {
        Some(u) if facts.handshake == Handshake::Unanswered => (u.first.at, u.last.at),
        _ => (facts.start.at, facts.ended),
    };
    let others = || server.greeted.iter().filter(|g| g.0 != id);
    let after = others().find(|g| g.1.at > from)?;
    if facts.handshake == Handshake::Unanswered && after.1.at <= to {
        return Some(after.1);
    }
    let before = others().rev().find(|g| g.1.at <= from)?;
    // What listened there closed all it had in between, and nobody was refused later: it was gone for a while, as a proxy that is
    // started again in front of the same server.
    let lives_on = server.live.iter().any(|(&other, live)| other != id && live.first < from);
    let closed = server.closed.iter().any(|c| c.0 != id && before.1.at <= c.1 && c.1 <= from);
    let refused_again = server.refused.iter().any(|r| r.1.at > after.1.at);
    if closed && !lives_on && !refused_again {
        return None;
    }
    (after.1.at - before.1.at < Span::secs(10) && after.2.server_id == before.2.server_id).then_some(after.1)
}

/// Who a client is to a server that has one of each.
pub(super) fn identity(connect: Option<&Connect>, mqtt_id: Option<&str>) -> Option<Identity> {
    if let Some(id) = mqtt_id.filter(|id| !id.is_empty()) {
        return Some(Identity::Mqtt(id.to_owned()));
    }
    connect.filter(|c| c.lang.is_empty() && !c.server_id.is_empty()).map(|c| Identity::Leaf(c.name.clone()))
}
