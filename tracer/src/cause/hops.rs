//! What lies between the ends: a proxy, a balancer, a NAT; and whether it, not an end, made the close.
use super::Case;
use crate::base::{Addr, Side, Span};
use crate::event::{Evidence, Joint, Maker};
use std::net::IpAddr;

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
