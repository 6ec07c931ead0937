//! One client's chain: the connections it lost, its attempts since, the one that worked.
use crate::base::{Endpoint, Span, Timestamp};
use crate::event::{Pace, Reconnect, ReconnectOutcome, Tried, TriedServer};
use crate::nats::{Connect, Info};
use crate::track::{ConnId, Ending};
use ecow::EcoString;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Attempts kept per chain; beyond it they are only counted.
pub(super) const ATTEMPTS_MAX: usize = 256;
/// Servers told per chain.
const SERVERS_MAX: usize = 16;

/// Who a client is, by its CONNECT: its name, its library's language, its user.
#[derive(Debug, Clone)]
pub(super) struct Who(pub Arc<Connect>);

impl PartialEq for Who {
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (&self.0, &other.0);
        // Clients of a kind often said the same line.
        Arc::ptr_eq(own, other)
            || (&own.name, &own.lang, &own.user) == (&other.name, &other.lang, &other.user)
    }
}

/// A connection that was lost.
#[derive(Debug)]
pub(super) struct Loss {
    pub id: ConnId,
    pub at: Timestamp,
    pub server_id: Option<EcoString>,
    /// Attempts of the chain made before this loss.
    pub before: u32,
    pub uncounted_before: u32,
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub id: ConnId,
    pub at: Timestamp,
    pub server: Endpoint,
    pub outcome: Tried,
}

/// The connection that worked.
#[derive(Debug)]
pub(super) struct Worked {
    pub id: ConnId,
    pub at: Timestamp,
    pub server_id: Option<EcoString>,
    /// Subscriptions it holds, once that is known.
    pub held: Option<u64>,
}

/// Where a server told the client to connect: it names one address at least.
#[derive(Debug)]
pub(super) struct Announced {
    pub by: Endpoint,
    pub info: Option<Arc<Info>>,
    /// Of a later INFO.
    pub later: Option<Arc<[String]>>,
}

impl Announced {
    /// What a connection that ended tells of it.
    pub fn of(ending: &Ending) -> Option<Self> {
        let names_nobody = match (&ending.connect_urls, &ending.info) {
            (Some(urls), _) => urls.is_empty(),
            (None, Some(info)) => info.connect_urls.is_empty(),
            (None, None) => true,
        };
        if names_nobody {
            return None;
        }
        Some(Self { by: ending.server, info: ending.info.clone(), later: ending.connect_urls.clone() })
    }

    pub fn names(&self, server: Endpoint) -> bool {
        let urls = match (&self.later, &self.info) {
            (Some(urls), _) => &**urls,
            (None, Some(info)) => &*info.connect_urls,
            (None, None) => &[],
        };
        names(urls, server)
    }
}

/// Whether one of these `host:port` is that address.
pub(super) fn names(urls: &[String], server: Endpoint) -> bool {
    urls.iter().any(|url| {
        url.parse::<std::net::SocketAddr>()
            .is_ok_and(|at| at.port() == server.port && crate::base::Addr::from(at.ip()) == server.addr)
    })
}

/// The chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub who: Option<Who>,
    /// Its process on this host, as the kernel tells.
    pub process: Option<NonZeroU32>,
    /// That CONNECT was its lost connection's: its library is of this version.
    pub version_known: bool,
    /// None where nobody told it.
    pub announced: Option<Box<Announced>>,
    pub losses: Vec<Loss>,
    /// Losses not settled.
    pub open: u32,
    pub attempts: Vec<Attempt>,
    pub uncounted: u32,
    pub worked: Option<Box<Worked>>,
}

impl Chain {
    /// So much memory of its lists is worth keeping.
    const SMALL: usize = 8;

    /// Nothing is left in it but its memory, for another one. `None` where that is more than most need.
    pub fn emptied(mut self: Box<Self>) -> Option<Box<Self>> {
        let (mut losses, mut attempts) =
            (std::mem::take(&mut self.losses), std::mem::take(&mut self.attempts));
        losses.clear();
        attempts.clear();
        *self = Self { losses, attempts, ..Self::default() };
        (self.losses.capacity() <= Self::SMALL && self.attempts.capacity() <= Self::SMALL).then_some(self)
    }

    /// Whether a client that says this of itself, in this process, may be the one of the chain. Another process may be the same
    /// client started anew, if it has a name to be known by.
    pub fn may_be(&self, who: Option<&Who>, process: Option<NonZeroU32>) -> bool {
        let (Some(own), Some(who)) = (&self.who, who) else { return true };
        let other_process = self.process.zip(process).is_some_and(|(a, b)| a != b);
        own == who && !(other_process && who.0.name.is_empty())
    }

    /// While nothing worked since a loss: when the client was last seen to try.
    pub fn waits_since(&self) -> Option<Timestamp> {
        let waits = self.worked.is_none() && !self.losses.is_empty();
        waits.then(|| self.attempts.last().map_or(Timestamp(i64::MIN), |a| a.at))
    }

    /// What is kept of it: losses, attempts, and as much as four of them for itself.
    pub const fn size(&self) -> usize {
        4 + self.losses.len() + self.attempts.len()
    }

    /// The connections that are its attempts, as far as they are kept.
    pub fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.worked.iter().map(|w| w.id).chain(self.attempts.iter().map(|a| a.id))
    }

    /// One more attempt. `false`: it is only counted.
    pub fn add(&mut self, attempt: Attempt) -> bool {
        let kept = self.attempts.len() < ATTEMPTS_MAX;
        if kept {
            self.attempts.push(attempt);
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
        kept
    }

    /// What an attempt came to.
    pub fn came_to(&mut self, id: ConnId, outcome: Tried) {
        if let Some(attempt) = self.attempts.iter_mut().rev().find(|a| a.id == id) {
            attempt.outcome = outcome;
        }
    }

    /// What became of the client since it lost `id`.
    pub fn report(&self, id: ConnId, until: Timestamp) -> Option<Reconnect> {
        let loss = self.losses.iter().find(|l| l.id == id)?;
        let since = self.attempts.get(loss.before as usize..).unwrap_or_default();
        let until_it_worked = |at: Timestamp| self.worked.as_ref().is_none_or(|w| at <= w.at);
        let own = since.iter().filter(|a| a.at >= loss.at && until_it_worked(a.at));
        let (first, last) = (own.clone().next()?.at, own.clone().next_back()?.at);
        let mut gaps = gaps(own.clone().map(|a| a.at));
        gaps.sort_unstable();
        let interval = gaps.get(gaps.len() / 2).copied();
        let quiet = until - last;
        let patience = Span(interval.map_or(30_000_000_000, |i| i.0.saturating_mul(4)).max(20_000_000_000));
        let outcome = match &self.worked {
            Some(_) => ReconnectOutcome::Reconnected,
            None if quiet > patience => ReconnectOutcome::GaveUp,
            None => ReconnectOutcome::Trying,
        };
        let servers = self.servers(own.clone());
        let (pace, extent) = at_one_server(own.clone(), &servers);
        let count = u32::try_from(own.count()).unwrap_or(u32::MAX);
        Some(Reconnect {
            attempts: count.saturating_add(self.uncounted.saturating_sub(loss.uncounted_before)),
            interval,
            pace,
            gaps: extent,
            outcome,
            downtime: self.worked.as_ref().map(|w| w.at - loss.at),
            detect: None,
            first_attempt: Some(first),
            server_changed: match (&loss.server_id, self.worked.as_ref().and_then(|w| w.server_id.as_ref())) {
                (Some(a), Some(b)) => Some(a != b),
                _ => None,
            },
            servers,
            subscriptions: None,
            flow: self.worked.as_ref().map(|w| w.id),
        })
    }

    fn servers<'a>(&self, own: impl Iterator<Item = &'a Attempt>) -> Vec<TriedServer> {
        let mut servers: Vec<TriedServer> = Vec::new();
        for attempt in own {
            let full = servers.len() >= SERVERS_MAX;
            match servers.iter_mut().find(|s| s.server == attempt.server) {
                Some(known) => {
                    known.attempts += 1;
                    known.outcome = attempt.outcome;
                }
                None if full => {}
                None => servers.push(TriedServer {
                    server: attempt.server,
                    attempts: 1,
                    outcome: attempt.outcome,
                    announced: self.announced.as_ref().is_some_and(|a| a.names(attempt.server)),
                }),
            }
        }
        servers
    }
}

/// How the attempts at the server tried most often follow each other: a pool is tried in passes, whose inside says nothing.
fn at_one_server<'a>(
    own: impl Iterator<Item = &'a Attempt>,
    servers: &[TriedServer],
) -> (Option<Pace>, Option<(Span, Span)>) {
    let most = servers.iter().rev().max_by_key(|s| s.attempts).filter(|s| s.attempts > 3);
    let Some(most) = most else { return (None, None) };
    let gaps = gaps(own.filter(|a| a.server == most.server).map(|a| a.at));
    match (gaps.iter().min(), gaps.iter().max()) {
        (Some(&min), Some(&max)) if gaps.len() >= 3 => (Some(pace(&gaps, min, max)), Some((min, max))),
        _ => (None, None),
    }
}

/// Growing before jittered: a wait that doubles may be mistaken for chance, chance that only grows hardly.
fn pace(gaps: &[Span], min: Span, max: Span) -> Pace {
    let grows = gaps.windows(2).all(|w| match w {
        [a, b] => b.0 >= a.0 - a.0 / 8,
        _ => true,
    });
    if max.0 - min.0 <= (max.0 / 50).max(20_000_000) {
        Pace::Constant
    } else if grows && max.0 >= min.0.saturating_mul(3) / 2 {
        Pace::Growing
    } else if max.0 <= min.0.saturating_mul(2) {
        Pace::Jittered
    } else {
        Pace::Irregular
    }
}

fn gaps(mut times: impl Iterator<Item = Timestamp>) -> Vec<Span> {
    let Some(mut last) = times.next() else { return Vec::new() };
    times.map(|at| at - std::mem::replace(&mut last, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ms: &[i64]) -> Pace {
        let gaps: Vec<Span> = ms.iter().map(|&ms| Span::millis(ms)).collect();
        let extent = |pick: fn(std::slice::Iter<'_, Span>) -> Option<&Span>| pick(gaps.iter()).copied();
        match (extent(|g| g.min()), extent(|g| g.max())) {
            (Some(min), Some(max)) => pace(&gaps, min, max),
            _ => Pace::Irregular,
        }
    }

    #[test]
    fn paces() {
        assert_eq!(of(&[2000, 2001, 2000]), Pace::Constant);
        assert_eq!(of(&[2013, 2091, 2044, 2007]), Pace::Jittered);
        assert_eq!(of(&[2, 4, 8, 16, 4000, 4000]), Pace::Growing);
        assert_eq!(of(&[2010, 4050, 5000, 5000]), Pace::Growing);
        assert_eq!(of(&[100, 9000, 30, 2000]), Pace::Irregular);
    }

    #[test]
    fn an_announced_server_is_known_by_its_address() {
        let urls =
            ["172.17.0.2:4222".to_owned(), "[fd00::1]:4222".to_owned(), "nats.example:4222".to_owned()];
        let at = |text: &str, port| Endpoint {
            addr: text.parse::<std::net::IpAddr>().map_or(crate::base::Addr::v4([0; 4]), Into::into),
            port,
        };
        assert!(names(&urls, at("172.17.0.2", 4222)) && names(&urls, at("fd00::1", 4222)));
        assert!(!names(&urls, at("172.17.0.2", 4223)) && !names(&urls, at("10.0.0.1", 4222)));
    }
}
