//! Herds: clients that lost their connections together come back together.
use crate::base::{Endpoint, Span, Timestamp};
use crate::event::Herd;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// First attempts kept per server.
const FIRST_MAX: usize = 1024;
/// Servers kept.
const SERVERS_MAX: usize = 1024;
/// Fewer are no herd.
const HERD: usize = 10;
/// Losses within this time are one.
const TOGETHER: Span = Span::secs(2);
/// First attempts are looked at so far before and behind.
const ABOUT: Span = Span::secs(10);

/// First attempts after a loss in order of time, by the server they went to: when, and how long after the loss.
#[derive(Debug, Default)]
pub(super) struct Herds {
    first: HashMap<Endpoint, VecDeque<(Timestamp, Span)>, foldhash::fast::RandomState>,
}

impl Herds {
    /// A client that lost its connection at `lost` tries for the first time since.
    pub fn note(&mut self, server: Endpoint, lost: Timestamp, at: Timestamp) {
        if self.first.len() >= SERVERS_MAX && !self.first.contains_key(&server) {
            self.first.retain(|_, list| list.back().is_some_and(|f| at - f.0 < Span::secs(60)));
            if self.first.len() >= SERVERS_MAX {
                return;
            }
        }
        let list = self.first.entry(server).or_default();
        if list.len() >= FIRST_MAX {
            list.pop_front();
        }
        let place = list.partition_point(|f| f.0 <= at);
        list.insert(place, (at, at - lost));
    }

    /// The herd that came to this server about then.
    pub fn about(&self, server: Endpoint, at: Timestamp) -> Option<Herd> {
        let list = self.first.get(&server)?;
        let from = list.partition_point(|f| f.0 < at - ABOUT);
        let near = list.range(from..list.partition_point(|f| f.0 <= at + ABOUT).max(from));
        let mut losses: Vec<Timestamp> = near.clone().map(|f| f.0 - f.1).collect();
        if losses.len() < HERD {
            return None;
        }
        losses.sort_unstable();
        let common = *losses.get(losses.len() / 2)?;
        let together = |f: &&(Timestamp, Span)| (f.0 - f.1 - common).0.abs() <= TOGETHER.0;
        let mut delays: Vec<Span> = near.filter(together).map(|f| f.1).collect();
        if delays.len() < HERD {
            return None;
        }
        delays.sort_unstable();
        let part = |n: usize| delays.get((delays.len() - 1) * n / 20).copied();
        Some(Herd {
            clients: u32::try_from(delays.len()).unwrap_or(u32::MAX),
            delay: (part(1)?, part(10)?, part(19)?),
            half_within: Span(part(15)?.0 - part(5)?.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn server() -> Endpoint {
        Endpoint { addr: crate::base::Addr::v4([10, 0, 0, 5]), port: 4222 }
    }

    #[test]
    fn those_who_lost_together_are_a_herd() {
        let mut herds = Herds::default();
        for n in 0..40 {
            herds.note(server(), Timestamp(0), Timestamp(2 * S + n * S / 400));
        }
        // A stranger that lost long before.
        herds.note(server(), Timestamp(-60 * S), Timestamp(2 * S));
        let herd = herds.about(server(), Timestamp(2 * S));
        assert_eq!(herd.map(|h| h.clients), Some(40));
        assert!(herd.is_some_and(|h| h.delay.0 >= Span::secs(2) && h.half_within <= Span::millis(60)));
        assert_eq!(herds.about(server(), Timestamp(60 * S)), None);
    }

    #[test]
    fn a_handful_is_none() {
        let mut herds = Herds::default();
        for n in 0..9 {
            herds.note(server(), Timestamp(0), Timestamp(n));
        }
        assert_eq!(herds.about(server(), Timestamp(0)), None);
    }
}
