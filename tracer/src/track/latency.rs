//! How long each server takes to answer by itself: INFO after accept, PONG after PING, over all its connections.
use super::{Answer, ConnId, Tracked};
use crate::base::{Endpoint, Span, Timestamp};
use crate::event::{Around, Facts, Latency};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Answers kept of each kind.
const KEPT: usize = 256;
/// Servers kept.
const SERVERS_MAX: usize = 4096;
/// What counts as about now.
const RECENT: Span = Span::secs(30);
/// Fewer answers say nothing of before.
const ENOUGH: usize = 3;

type Answers = VecDeque<(ConnId, Timestamp, Span)>;

/// All servers.
#[derive(Debug, Default)]
pub struct Latencies {
    servers: HashMap<Endpoint, (Answers, Answers), foldhash::fast::RandomState>,
}

impl Latencies {
    /// One more thing the tracker told.
    #[inline(always)]
    pub fn note(&mut self, tracked: &Tracked) {
        if let &Tracked::Waited { id, mark, server, answer, took } = tracked {
            self.waited((id, mark.at, took), server, answer);
        }
    }

    fn waited(&mut self, waited: (ConnId, Timestamp, Span), server: Endpoint, answer: Answer) {
        if self.servers.len() >= SERVERS_MAX && !self.servers.contains_key(&server) {
            self.servers.clear();
        }
        let (infos, pongs) = self.servers.entry(server).or_default();
        let list = match answer {
            Answer::Info => infos,
            Answer::Pong => pongs,
        };
        if list.len() >= KEPT {
            list.pop_front();
        }
        list.push_back(waited);
    }

    /// What the other connections of its server show about this one's end.
    pub fn around(&self, facts: &Facts, around: &mut Around) {
        let Some((infos, pongs)) = self.servers.get(&facts.server) else { return };
        around.info_latency = about(infos, facts.first_frame, facts.ended);
        around.pong_latency = about(pongs, facts.first_frame, facts.ended);
    }
}

fn about(answers: &Answers, id: ConnId, at: Timestamp) -> Option<Latency> {
    let others = || answers.iter().filter(|a| a.0 != id);
    let near = |a: &&(ConnId, Timestamp, Span)| (a.1 - at).0.abs() <= RECENT.0;
    let mut recent: Vec<Span> = others().filter(near).map(|a| a.2).collect();
    let mut earlier: Vec<Span> = others().filter(|a| at - a.1 > RECENT).map(|a| a.2).collect();
    recent.sort_unstable();
    earlier.sort_unstable();
    Some(Latency {
        recent: *recent.get(recent.len() / 2)?,
        count: u32::try_from(recent.len()).unwrap_or(u32::MAX),
        earlier: earlier.get(earlier.len() / 2).copied().filter(|_| earlier.len() >= ENOUGH),
        slowest: *recent.last()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_and_now() {
        let at = |s: i64| Timestamp(s * 1_000_000_000);
        let mut answers: Answers = (0..10_i64).map(|n| (n as u64, at(n), Span::micros(300))).collect();
        answers.extend((0..5_i64).map(|n| (20 + n as u64, at(95 + n), Span::secs(2 + n))));
        let seen = about(&answers, 99, at(100));
        assert_eq!(seen.map(|l| (l.recent, l.count)), Some((Span::secs(4), 5)));
        assert_eq!(seen.and_then(|l| l.earlier), Some(Span::micros(300)));
        assert_eq!(about(&answers, 99, at(500)), None);
    }
}
