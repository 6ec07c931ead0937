//! Failed attempts beyond a thousand a second at one server are counted, not listed: nobody reads them one by one. Of a flood of
//! SYNs that nobody answers most are not even judged.
use super::Emit;
use crate::base::{Endpoint, Timestamp};
use crate::event::{Event, Notice, NoticeCode};
use std::collections::BTreeMap;

/// Failed attempts at one server that are listed within a second.
const LISTED_MAX: u64 = 1_000;
/// Attempts without an answer that are judged.
const JUDGED_MAX: u64 = 5_000;
/// Servers and seconds that are counted at a time.
const SECONDS_MAX: usize = 4_096;

/// One second at one server.
#[derive(Debug, Default)]
struct Second {
    unanswered: u64,
    listed: u64,
    folded: BTreeMap<(&'static str, &'static str), u64>,
    last: Timestamp,
}

/// The servers with failed attempts, by the second of these: they are noticed long before they are judged.
#[derive(Debug, Default)]
pub struct Folding {
    seconds: BTreeMap<(Endpoint, i64), Second>,
}

impl Folding {
    /// One more failed attempt, in order of time. `true`: it is listed; `false`: it is folded into an event of its second.
    pub fn lists(
        &mut self,
        server: Endpoint,
        at: Timestamp,
        kind: &'static str,
        cause: &'static str,
        emit: &mut impl Emit,
    ) -> bool {
        let over = (server, i64::MIN)..(server, number(at));
        while let Some((&key, second)) = self.seconds.range(over.clone()).next() {
            tell(server, second, emit);
            self.seconds.remove(&key);
        }
        let Some(second) = self.second(server, at) else { return true };
        if second.listed < LISTED_MAX {
            second.listed += 1;
            return true;
        }
        *second.folded.entry((kind, cause)).or_default() += 1;
        false
    }

    /// One more attempt without an answer, as it is noticed. `true`: it is one too many, folded without being judged.
    pub fn floods(
        &mut self,
        server: Endpoint,
        at: Timestamp,
        kind: &'static str,
        cause: &'static str,
    ) -> bool {
        let Some(second) = self.second(server, at) else { return false };
        second.unanswered += 1;
        let floods = second.unanswered > JUDGED_MAX;
        if floods {
            *second.folded.entry((kind, cause)).or_default() += 1;
        }
        floods
    }

    fn second(&mut self, server: Endpoint, at: Timestamp) -> Option<&mut Second> {
        let key = (server, number(at));
        if self.seconds.len() >= SECONDS_MAX && !self.seconds.contains_key(&key) {
            return None;
        }
        let second = self.seconds.entry(key).or_default();
        second.last = second.last.max(at);
        Some(second)
    }

    /// Tells what seconds before `now` folded, and forgets them.
    pub fn pass(&mut self, now: Timestamp, emit: &mut impl Emit) {
        let current = number(now);
        self.seconds.retain(|&(server, number), second| {
            if number < current {
                tell(server, second, emit);
            }
            number >= current
        });
    }
}

fn number(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000_000)
}

fn tell(server: Endpoint, second: &Second, emit: &mut impl Emit) {
    let total: u64 = second.folded.values().sum();
    if total == 0 {
        return;
    }
    let counts: Vec<String> =
        second.folded.iter().map(|((kind, cause), n)| format!("{n} {kind} {cause}")).collect();
    emit.event(Event::Notice(Notice {
        server: Some(server),
        ..Notice::new(
            second.last,
            NoticeCode::AttemptsFolded,
            format!("{total} more failed attempts at {server} in this second: {}", counts.join(", ")),
        )
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_a_second_are_listed() {
        let (mut folding, mut told) = (Folding::default(), Vec::new());
        let server = Endpoint::default();
        let mut listed = 0;
        for n in 0..2_500 {
            let at = Timestamp(n * 400_000);
            listed +=
                u32::from(folding.lists(server, at, "rst", "server_not_listening", &mut |e| told.push(e)));
        }
        assert_eq!(listed, 1_000);
        folding.pass(Timestamp(3_000_000_000), &mut |e| told.push(e));
        assert!(
            matches!(&told[..], [Event::Notice(n)] if n.message.contains("1500 rst server_not_listening")),
            "{told:?}"
        );
    }

    #[test]
    fn five_thousand_a_second_are_judged_and_a_second_is_told_once() {
        let (mut folding, mut told, server) = (Folding::default(), Vec::new(), Endpoint::default());
        let at = |n: i64| Timestamp(n * 100_000);
        let floods = (0..12_000).filter(|&n| folding.floods(server, at(n), "timeout", "unknown")).count();
        assert_eq!(floods, 5_000);
        for n in (0..5_000).chain(10_000..12_000) {
            folding.lists(server, at(n), "timeout", "reconnect_storm", &mut |event| told.push(event));
        }
        assert!(
            matches!(&told[..], [Event::Notice(n)] if n.message.contains("4000 timeout reconnect_storm, 5000 timeout unknown")),
            "{told:?}"
        );
    }

    #[test]
    fn servers_without_end_take_no_memory_without_end() {
        let mut folding = Folding::default();
        for port in 0..20_000 {
            let server = Endpoint { port, ..Endpoint::default() };
            assert!(folding.lists(server, Timestamp(5), "rst", "server_not_listening", &mut |_| {}));
        }
        assert_eq!(folding.seconds.len(), SECONDS_MAX);
    }
}
