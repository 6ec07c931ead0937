//! What lies between the ends: a proxy, a balancer, a NAT; and whether it, not an end, made the close.
use super::Case;
use crate::base::{Addr, Short, Side, Span};
use crate::event::{Evidence, Handshake, Joint, Maker};
use std::net::IpAddr;

/// One PONG may be late; of three one is as quick as the server is.
const PONGS_ENOUGH: u32 = 3;
/// A nats-server that is well answers in less.
const FARTHER: Span = Span::millis(3);

impl Case<'_> {
    /// Who said the goodbye that decided, as far as this leg shows.
    #[must_use]
    pub fn closed_by(&self) -> Option<Side> {
        self.close.closed_by()
    }

    /// Both legs were seen, and the proxy between them closed: no end did.
    #[must_use]
    pub fn closed_by_proxy(&self) -> bool {
        let other = self.around.other_leg.filter(|o| o.joint == Joint::Proxy);
        other.zip(self.closed_by()).is_some_and(|(other, by)| other.maker(by) == Maker::Joint)
    }

    /// The client's address as the server sees it, where that is another one than here.
    fn seen_as(&self) -> Option<Addr> {
        let (_, info) = self.facts.nats.info.as_ref()?;
        // Nearly every server sees the client as it is seen here.
        let mut here = Short::default();
        if self.facts.client.addr.put_v4(&mut here) && here.octets() == info.client_ip.as_bytes() {
            return None;
        }
        let seen: IpAddr = info.client_ip.parse().ok()?;
        let seen = Addr::from(seen);
        // What the server writes of its own host may be any of its addresses.
        (seen != self.facts.client.addr && !seen.is_loopback() && !seen.is_unspecified()).then_some(seen)
    }

    /// This leg shows that there is a proxy or NAT between client and server.
    #[must_use]
    pub fn shows_hop(&self) -> bool {
        self.facts.nats.proxied.is_some() || self.seen_as().is_some()
    }

    /// What shows on this leg that there is a proxy or NAT between client and server.
    #[must_use]
    pub fn between(&self) -> Option<Evidence> {
        let nats = &self.facts.nats;
        if let Some((mark, by)) = nats.proxied.map(|(mark, by)| (mark, by.name())) {
            let whom = match &nats.forwarded_for {
                Some(client) => format!("a {by} names {client} as the client"),
                None => format!("a {by} comes first"),
            };
            return Some(Evidence::packet(mark, format!("{whom}: a proxy dials here")));
        }
        let (mark, here) = (nats.info.as_ref()?.0, self.facts.client.addr);
        let seen = self.seen_as()?;
        Some(Evidence::packet(
            mark,
            format!(
                "the server sees the client as {seen} (client_ip in INFO), here it is {here}: a proxy or NAT is between"
            ),
        ))
    }

    /// The server's TCP answered the SYN, and INFO and each PONG took far longer, on a connection that no end was slow to begin:
    /// something nearer may answer in the server's name. The handshake's round trip and the quickest PONG. A weak sign: a server
    /// that is never quick looks the same.
    #[must_use]
    pub fn answered_nearer(&self) -> Option<(Span, Span)> {
        let (facts, pings) = (self.facts, &self.facts.nats.pings.client);
        let pong =
            pings.quickest_pong.filter(|_| pings.sent.saturating_sub(pings.unanswered) >= PONGS_ENOUGH)?;
        let tcp = facts.syn_to_synack.filter(|_| facts.handshake == Handshake::Complete)?;
        let info = facts.nats.info.as_ref()?.0.at - facts.established?;
        let once = facts.tcp.client.syns <= 1 && facts.tcp.server.syns <= 1;
        let farther =
            pong.0 > tcp.0.saturating_mul(4).saturating_add(FARTHER.0) && info > Span(pong.0 / 10 * 9);
        (once && farther && facts.lossy().is_none()).then_some((tcp, pong))
    }

    /// Nothing here shows a hop for certain, but timing, TTLs or another server at the same address hint at one. What hints at it.
    #[must_use]
    pub fn hints_at_hop(&self) -> Option<Evidence> {
        if self.shows_hop() || self.around.other_leg.is_some() {
            return None;
        }
        let server = self.facts.server;
        if let Some(mark) = self.around.other_server {
            let text = format!(
                "meanwhile another server (another server_id) greeted a client at {server}: several stand behind it"
            );
            return Some(Evidence::packet(mark, text));
        }
        if let Some((tcp, pong)) = self.answered_nearer() {
            return Some(Evidence::packets(format!(
                "{server} answered the SYN within {tcp}, but no PONG came in less than {pong}: something nearer may answer in its name"
            )));
        }
        let (other, own) = self.around.other_server_ttl.zip(self.facts.tcp.server.ttl)?;
        Some(Evidence::packets(format!(
            "{} answers with TTL {own} here, with {other} on other connections, to and fro: more than one host may stand behind it",
            server.addr
        )))
    }

    /// What the close owes to the other leg: that there is one, and what was said on it.
    pub fn joint_evidence(&self) -> impl Iterator<Item = Evidence> {
        let other = self.around.other_leg;
        let told = [other.map(|o| o.shown.frame), other.and_then(|o| o.goodbye).map(|g| g.1.frame)];
        let of_it = move |e: &&Evidence| e.frame.is_some() && told.contains(&e.frame);
        self.close.evidence.iter().filter(of_it).rev().cloned()
    }

    /// A proxy shows, on this leg alone or by the other one.
    #[must_use]
    pub fn has_proxy(&self) -> bool {
        match self.around.other_leg {
            Some(other) => other.joint == Joint::Proxy,
            None => self.shows_hop(),
        }
    }

    /// The end was out of silence, without a segment that led to it: how long neither end had said anything.
    #[must_use]
    pub fn closed_out_of_silence(&self) -> Option<Span> {
        self.closed_by()?;
        self.facts.quiet_before_farewell().filter(|&quiet| quiet > Span::ZERO)
    }
}
