//! One connection that is captured as two flows: on both sides of a NAT, or of a proxy that dials anew. A NAT rewrites
//! addresses and little else, so the flow's first segment is known again; a proxy passes the server's INFO on, whose
//! `client_id` no other connection of that server has. Bounded: what came lately is remembered, and the pairs found.
mod lately;

use super::tracked::FirstSegment;
use super::{ConnId, Ending, Tracked};
use crate::base::{Addr, Endpoint, Seq, Side, Span, Timestamp};
use crate::event::{EndedBy, Joint, Mark, OtherLeg};
use crate::nats::Info;
use ecow::EcoString;
use hashbrown::HashMap;
use lately::Lately;
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hash};

/// Flows that may still be greeted.
const YOUNG_MAX: usize = 4096;
/// A NAT passes a first segment on at once; two captures of it have two clocks.
const PASSED_ON: Span = Span::secs(10);
/// Legs remembered.
const LEGS_MAX: usize = 64 * 1024;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A flow as it is known before its other leg is.
#[derive(Clone, Copy, Debug)]
struct Flow {
    id: ConnId,
    number: u64,
    client: Endpoint,
    server: Endpoint,
    start: Timestamp,
    ttl: u8,
    from: Side,
}

/// A first segment, whose and in which frame it was.
#[derive(Debug)]
struct First {
    segment: FirstSegment,
    flow: Flow,
    mark: Mark,
}

/// A greeting: whose it was, in which frame, where the server's sequence number was then.
#[derive(Debug)]
struct Greeting {
    server_id: EcoString,
    client_id: u64,
    flow: Flow,
    mark: Mark,
    next: Seq,
    /// The client's address as the server sees it, in its words.
    client_ip: EcoString,
    /// The client that the proxy's own header names.
    forwarded: Option<String>,
}

impl Greeting {
    /// As [`Self::client_ip`] says. Nearly no greeting is asked.
    fn client_addr(&self) -> Option<Addr> {
        self.client_ip.parse().ok().map(|ip: std::net::IpAddr| Addr::from(ip))
    }
}

/// One of two legs, with what is known of its end.
#[derive(Clone, Debug)]
struct Leg {
    other: ConnId,
    /// As the other one is told of it.
    told: OtherLeg,
    /// A NAT's second sight of a connection: no connection of its own.
    echo: bool,
}

/// All legs, and those that may turn out to be one.
#[derive(Debug, Default)]
pub struct Legs {
    firsts: Lately<First>,
    /// The youngest flows in the order of their names, and whether their greeting has not come.
    young: VecDeque<(Flow, bool)>,
    greetings: Lately<Greeting>,
    /// Chosen at random, so that nobody can choose what meets in one place.
    hasher: foldhash::fast::RandomState,
    legs: Map<ConnId, Leg>,
    order: VecDeque<ConnId>,
}

impl Legs {
    /// One more thing the tracker told. `number`: the flow's number, where it is known.
    #[inline(always)]
    pub fn note(&mut self, tracked: &Tracked, number: u64) {
        match tracked {
            Tracked::Opened { .. } | Tracked::Greeted { .. } => self.note_beginning(tracked, number),
            Tracked::Ending(ending) => self.ending(ending),
            Tracked::Revived { id } | Tracked::Resumed { id, .. } => {
                if let Some(leg) = self.legs.get_mut(id) {
                    (leg.told.goodbye, leg.told.silent, leg.told.ended) = (None, None, false);
                }
            }
            _ => {}
        }
    }

    #[inline(never)]
    fn note_beginning(&mut self, tracked: &Tracked, number: u64) {
        match tracked {
            &Tracked::Opened { id, mark, client, server, first: Some(first), .. } => {
                let (start, ttl, from) = (mark.at, first.ttl, first.from);
                self.opened(Flow { id, number, client, server, start, ttl, from }, mark, first);
            }
            Tracked::Greeted { id, mark, info, next, forwarded, .. } => {
                self.greeted(*id, *mark, info, (*next, forwarded.as_ref()));
            }
            _ => {}
        }
    }

    fn opened(&mut self, flow: Flow, mark: Mark, first: FirstSegment) {
        // Others are never remembered.
        if first.is_telling() {
            let hash = self.hash(&first);
            let shown = self.firsts.find(hash, |shown| shown.segment == first);
            let again = shown.is_some();
            if let Some(shown) = shown
                && let Some(legs) = passed_on(shown, flow)
            {
                let first = (shown.flow.id, shown.mark);
                return self.join(Joint::Nat, legs, first, (flow.id, mark));
            }
            let one = First { segment: first, flow, mark };
            self.firsts.remember(hash, one, again, |other| other.segment == first);
        }
        if self.young.len() >= YOUNG_MAX {
            self.young.pop_front();
        }
        // Nearly all come in that order.
        if self.young.back().is_none_or(|last| last.0.id < flow.id) {
            self.young.push_back((flow, true));
        } else {
            let place = self.young.partition_point(|young| young.0.id < flow.id);
            self.young.insert(place, (flow, true));
        }
    }

    /// A flow whose greeting comes now, for the first time.
    fn grown(&mut self, id: ConnId) -> Option<Flow> {
        let place = self.young.binary_search_by_key(&id, |young| young.0.id).ok()?;
        let (flow, is_young) = self.young.get_mut(place)?;
        std::mem::take(is_young).then_some(*flow)
    }

    fn greeted(&mut self, id: ConnId, mark: Mark, info: &Info, place: (Seq, Option<&String>)) {
        let Some(flow) = self.grown(id) else { return };
        if self.legs.contains_key(&id) || info.client_id == 0 || info.server_id.is_empty() {
            return;
        }
        let (next, forwarded) = (place.0, place.1.cloned());
        let (server_id, client_id) = (info.server_id.clone(), info.client_id);
        let hash = self.hash(&(server_id.as_str(), client_id));
        let client_ip = info.client_ip.clone();
        let mine = Greeting { server_id, client_id, flow, mark, next, client_ip, forwarded };
        let same = |other: &Greeting| other.client_id == client_id && other.server_id == info.server_id;
        let other = self.greetings.find(hash, same);
        let again = other.is_some();
        if let Some(other) = other
            && let Some(legs) = same_connection(other, &mine)
        {
            let joint = if other.next == mine.next { Joint::Nat } else { Joint::Proxy };
            let first = (other.flow.id, other.mark);
            return self.join(joint, legs, first, (id, mark));
        }
        self.greetings.remember(hash, mine, again, same);
    }

    fn hash(&self, key: &impl Hash) -> u32 {
        let hash = self.hasher.hash_one(key);
        (hash ^ hash >> 32) as u32
    }

    /// `legs`: the client's and the server's; `first` and `second`: in order of sight, and which frame shows each.
    fn join(&mut self, joint: Joint, legs: (Flow, Flow), first: (ConnId, Mark), second: (ConnId, Mark)) {
        let shown = |id: ConnId| if id == first.0 { first.1 } else { second.1 };
        for (leg, at, other) in [(legs.0, Side::Client, legs.1), (legs.1, Side::Server, legs.0)] {
            let told = OtherLeg {
                flow: leg.number,
                client: leg.client,
                server: leg.server,
                joint,
                at,
                shown: shown(leg.id),
                goodbye: None,
                silent: None,
                ended: false,
            };
            let echo = joint == Joint::Nat && leg.id == second.0;
            self.legs.insert(leg.id, Leg { other: other.id, told, echo });
            self.order.push_back(leg.id);
        }
        while self.order.len() > LEGS_MAX {
            if let Some(old) = self.order.pop_front() {
                self.legs.remove(&old);
            }
        }
    }

    fn ending(&mut self, ending: &Ending) {
        let Some(leg) = self.legs.get_mut(&ending.id) else { return };
        leg.told.ended = true;
        leg.told.silent = ending.silent.map(|s| s.0);
        if ending.by == EndedBy::Goodbye {
            leg.told.goodbye = ending.goodbye.map(|side| (side, ending.mark));
        }
    }

    /// The other leg of this flow, with what is known of it by now.
    #[must_use]
    pub fn other(&self, id: ConnId) -> Option<&OtherLeg> {
        let leg = self.legs.get(&id)?;
        self.legs.get(&leg.other).map(|other| &other.told)
    }

    /// The name of the other leg.
    #[must_use]
    pub fn other_id(&self, id: ConnId) -> Option<ConnId> {
        self.legs.get(&id).map(|leg| leg.other)
    }

    /// Of a NAT's two sights of a connection this is the second: the name and the ends of the first.
    #[must_use]
    pub fn echo_of(&self, id: ConnId) -> Option<(ConnId, Endpoint, Endpoint)> {
        let leg = self.legs.get(&id).filter(|leg| leg.echo)?;
        let first = &self.legs.get(&leg.other)?.told;
        Some((leg.other, first.client, first.server))
    }
}

/// A NAT passed a first segment on, that was shown before, as the first of this flow: the client's leg and the server's.
fn passed_on(shown: &First, flow: Flow) -> Option<(Flow, Flow)> {
    let other = shown.flow;
    let soon = (flow.start - shown.mark.at).0.abs() <= PASSED_ON.0;
    if !soon || other.ttl == flow.ttl || (other.client, other.server) == (flow.client, flow.server) {
        return None;
    }
    // The sender's side of a NAT is where the TTL is higher still.
    let (near, far) = if other.ttl > flow.ttl { (other, flow) } else { (flow, other) };
    Some(if flow.from == Side::Client { (near, far) } else { (far, near) })
}

/// Two greetings of one server with one `client_id`: which is the client's leg and which the server's, where they can be
/// the two legs of one connection. The server saw the client of its own leg.
fn same_connection(first: &Greeting, second: &Greeting) -> Option<(Flow, Flow)> {
    let (a, b) = (first.flow, second.flow);
    // A NAT may leave one end as it is, a proxy leaves none.
    if (a.client, a.server) == (b.client, b.server) || a.server == b.server && first.next != second.next {
        return None;
    }
    let named = |by: &Greeting, client: &Flow| {
        by.forwarded
            .as_ref()
            .is_some_and(|f| *f == client.client.to_string() || *f == client.client.addr.to_string())
    };
    if named(first, &b) {
        return Some((b, a));
    }
    if named(second, &a) {
        return Some((a, b));
    }
    match (first.client_addr().or_else(|| second.client_addr()), a.client.addr == b.client.addr) {
        (Some(ip), false) if ip == a.client.addr => Some((b, a)),
        (Some(ip), false) if ip == b.client.addr => Some((a, b)),
        (Some(_), false) => None,
        // No telling by address: a proxy dials after it was dialled, and has its INFO before it passes it on.
        _ => {
            let (client, server) = if a.start <= b.start { (first, second) } else { (second, first) };
            let nested = server.mark.at <= client.mark.at && client.mark.at - server.mark.at < Span::secs(2);
            let close = client.flow.server.addr == server.flow.client.addr || first.next == second.next;
            (nested && close).then_some((client.flow, server.flow))
        }
    }
}
