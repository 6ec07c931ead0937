//! Failed attempts beyond a thousand a second at one server are counted, not listed: nobody reads them one by one.
use crate::base::{Endpoint, Timestamp};
use crate::event::{Event, Notice, NoticeCode};
use std::collections::BTreeMap;

/// Failed attempts at one server that are listed within a second.
const LISTED_MAX: u64 = 1_000;

/// One server's current second.
#[derive(Debug, Default)]
struct Second {
    number: i64,
    listed: u64,
    folded: BTreeMap<(&'static str, &'static str), u64>,
    last: Timestamp,
}

/// The servers with failed attempts in their current second.
#[derive(Debug, Default)]
pub struct Folding {
    servers: BTreeMap<Endpoint, Second>,
}

impl Folding {
    /// One more failed attempt. `true`: it is listed; `false`: it is folded into an event of its second.
    pub fn lists(
        &mut self,
        server: Endpoint,
        at: Timestamp,
        kind: &'static str,
        cause: &'static str,
        emit: &mut impl FnMut(Event),
    ) -> bool {
        let number = at.0.div_euclid(1_000_000_000);
        let second = self.servers.entry(server).or_default();
        if second.number != number {
            tell(server, second, emit);
            *second = Second { number, ..Second::default() };
        }
        second.last = at;
        if second.listed < LISTED_MAX {
            second.listed += 1;
            return true;
        }
        *second.folded.entry((kind, cause)).or_default() += 1;
        false
    }

    /// Tells what seconds before `now` folded, and forgets them.
    pub fn pass(&mut self, now: Timestamp, emit: &mut impl FnMut(Event)) {
        let current = now.0.div_euclid(1_000_000_000);
        self.servers.retain(|&server, second| {
            if second.number < current {
                tell(server, second, emit);
            }
            second.number >= current
        });
    }
}

fn tell(server: Endpoint, second: &Second, emit: &mut impl FnMut(Event)) {
    let total: u64 = second.folded.values().sum();
    if total == 0 {
        return;
    }
    let counts: Vec<String> =
        second.folded.iter().map(|((kind, cause), n)| format!("{n} {kind} {cause}")).collect();
    emit(Event::Notice(Notice {
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
}
