//! Closes that wait for what follows them, in the order in which they will be judged. Where many do, most are written down.
use crate::base::{Addr, Timestamp};
use crate::event::{EndedBy, Facts, Handshake, Rooms};
use crate::track::{ConnId, Written};
use std::collections::BTreeMap;

/// So many wait as they are.
const WHOLE_MAX: usize = 512;
/// An attempt that nobody answered does so among fewer: there is little to write down, and of a flood nothing else waits.
const WHOLE_AMONG: usize = 64;
/// Debug builds write all down: what tests play to them shows whether something is lost.
const ALL_WRITTEN: bool = cfg!(all(debug_assertions, not(test)));

/// So many wait at most, before the first of them has to leave early.
const CLOSES_MAX: usize = 16 * 1024;
/// Of attempts that nobody answered fewer: what follows tells little of them, and a flood leaves thousands a second.
const ATTEMPTS_MAX: usize = 3 * 1024;

/// Closes by the time since which they wait; of the same time in the order of their first frames.
#[derive(Default)]
pub(super) struct Waiting {
    closes: BTreeMap<Turn, One>,
    /// Those of attempts that nobody answered.
    attempts: BTreeMap<Turn, One>,
    /// Counts all that ever came: a connection may be told twice.
    came: u64,
    /// How many are not written down.
    whole: usize,
    /// The input is over: what comes now waits no longer.
    over: bool,
    /// For what is being written.
    room: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    since: Timestamp,
    first_frame: ConnId,
    came: u64,
}

struct One {
    kept: Kept,
    /// Since when it would wait, were it not for a server that is asked.
    unasked: Timestamp,
}

enum Kept {
    Whole(Box<Facts>),
    Written(Box<Written>),
}

impl Kept {
    const fn brief(&self) -> Brief {
        match self {
            Self::Whole(f) => {
                Brief { id: f.first_frame, client: f.client.addr, ended: f.ended, by: f.ended_by }
            }
            Self::Written(w) => Brief { id: w.id, client: w.client, ended: w.ended, by: w.ended_by },
        }
    }
}

/// What is asked of a close that waits.
pub(super) struct Brief {
    /// Which connection.
    pub id: ConnId,
    /// Its client's host.
    pub client: Addr,
    /// When it ended.
    pub ended: Timestamp,
    /// By what.
    pub by: EndedBy,
}

impl Waiting {
    /// One more. Its memory comes back where it was written down.
    pub fn push(
        &mut self,
        mut facts: Box<Facts>,
        since: Timestamp,
        unasked: Timestamp,
    ) -> Option<Box<Facts>> {
        self.came += 1;
        let turn = Turn { since, first_frame: facts.first_frame, came: self.came };
        let is_attempt = facts.handshake == Handshake::Unanswered;
        let most = if is_attempt { WHOLE_AMONG } else { WHOLE_MAX };
        let many = (ALL_WRITTEN || self.whole >= most) && !self.over;
        let written = if many { Written::of(&mut facts, &mut self.room) } else { None };
        let (kept, rest) = match written {
            Some(written) => (Kept::Written(Box::new(written)), Some(facts)),
            None => (Kept::Whole(facts), None),
        };
        self.whole += usize::from(rest.is_none());
        let all = if is_attempt { &mut self.attempts } else { &mut self.closes };
        all.insert(turn, One { kept, unasked });
        rest
    }

    /// The input is over: what comes now is judged next, and stays as it is.
    pub const fn input_is_over(&mut self) {
        self.over = true;
    }

    /// More wait than may: the next has to leave.
    pub fn is_full(&self) -> bool {
        self.closes.len() > CLOSES_MAX || self.attempts.len() > ATTEMPTS_MAX
    }

    /// Those of whom the next to leave is the first: whoever are too many, else whose first waits longest.
    fn next(&self) -> &BTreeMap<Turn, One> {
        let turn = |all: &BTreeMap<Turn, One>| all.first_key_value().map(|(turn, _)| *turn);
        let attempts_first = match (turn(&self.attempts), turn(&self.closes)) {
            (Some(attempt), Some(close)) => attempt < close,
            (attempt, _) => attempt.is_some(),
        };
        let attempts_are_next =
            self.attempts.len() > ATTEMPTS_MAX || self.closes.len() <= CLOSES_MAX && attempts_first;
        if attempts_are_next { &self.attempts } else { &self.closes }
    }

    /// Since when the next to leave waits.
    pub fn since(&self) -> Option<Timestamp> {
        self.next().first_key_value().map(|(turn, _)| turn.since)
    }

    /// The next to leave, and since when it waits.
    pub fn first(&self) -> Option<(Timestamp, Brief)> {
        self.next().first_key_value().map(|(turn, one)| (turn.since, one.kept.brief()))
    }

    /// Takes out the next. `places`: memory for it.
    pub fn pop(&mut self, places: &mut Rooms) -> Option<Box<Facts>> {
        let (&turn, _) = self.next().first_key_value()?;
        let one = self.attempts.remove(&turn).or_else(|| self.closes.remove(&turn))?;
        self.leaves(&one);
        match one.kept {
            Kept::Whole(facts) => Some(facts),
            Kept::Written(written) => written.facts(places.pop()),
        }
    }

    fn leaves(&mut self, one: &One) {
        self.whole -= usize::from(matches!(one.kept, Kept::Whole(_)));
    }

    /// Takes out the close of a connection that has not ended after all; whether it was still here.
    pub fn take_back(&mut self, id: ConnId) -> bool {
        let taken = [&mut self.closes, &mut self.attempts].into_iter().find_map(|all| {
            let turn = all.keys().find(|turn| turn.first_frame == id).copied()?;
            all.remove(&turn)
        });
        taken.inspect(|one| self.leaves(one)).is_some()
    }

    /// The facts of all that the kernel told of, to add to them: those are never written down.
    pub fn facts_mut(&mut self) -> impl Iterator<Item = &mut Facts> {
        self.closes.values_mut().chain(self.attempts.values_mut()).filter_map(|one| match &mut one.kept {
            Kept::Whole(facts) => Some(&mut **facts),
            Kept::Written(_) => None,
        })
    }

    /// Those that `are_answered`, by when they ended, need not wait for a server any longer.
    pub fn stop_asking(&mut self, are_answered: impl Fn(Timestamp) -> bool) {
        let turn = |(turn, one): (Turn, One)| {
            let since = if are_answered(one.kept.brief().ended) { one.unasked } else { turn.since };
            (Turn { since, ..turn }, one)
        };
        for all in [&mut self.closes, &mut self.attempts] {
            *all = std::mem::take(all).into_iter().map(turn).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{PerSide, Span};
    use crate::event::{Mark, NatsFacts, Vantage};

    /// A connection that ended at `ended`, and told nothing.
    fn facts(id: ConnId, ended: i64) -> Box<Facts> {
        Box::new(Facts {
            first_frame: id,
            client: Default::default(),
            server: Default::default(),
            roles_certain: true,
            iface: Some("eth0".into()),
            start: Mark::default(),
            last: Mark::default(),
            handshake: Handshake::Complete,
            established: Some(Timestamp(ended - 1)),
            syn_to_synack: None,
            synack_to_ack: None,
            tcp: PerSide::default(),
            rtt: None,
            icmp: Vec::new(),
            vantage: Vantage::Between,
            nats: Box::new(NatsFacts { heaviest: vec![("orders.new".into(), id)], ..NatsFacts::default() }),
            capture_loss: false,
            input_ended: false,
            longest_idle: Span::ZERO,
            lived_through: Span::ZERO,
            quiet_lived_through: Span::ZERO,
            first_goodbye: None,
            ended: Timestamp(ended),
            ended_by: EndedBy::Goodbye,
            ignored_resets: 0,
            host: None,
        })
    }

    #[test]
    fn they_leave_by_time_then_by_first_frame() {
        let mut waiting = Waiting::default();
        for (id, since) in [(7, 30), (5, 10), (6, 30), (8, 20), (5, 40)] {
            assert!(waiting.push(facts(id, since), Timestamp(since), Timestamp(since - 25)).is_none());
        }
        assert!(waiting.take_back(8) && !waiting.take_back(8));
        waiting.stop_asking(|ended| ended.0 == 30);
        assert_eq!(waiting.first().map(|(since, first)| (since.0, first.id)), Some((5, 6)));
        let left: Vec<ConnId> =
            std::iter::from_fn(|| Some(waiting.pop(&mut Vec::new())?.first_frame)).collect();
        assert_eq!(left, [6, 7, 5, 5]);
        assert!(waiting.first().is_none());
    }

    #[test]
    fn attempts_leave_early_where_they_are_many_and_closes_stay() {
        let mut waiting = Waiting::default();
        for id in 0..10 + ATTEMPTS_MAX as u64 {
            let mut facts = facts(id, id as i64);
            facts.handshake = if id < 5 { Handshake::Complete } else { Handshake::Unanswered };
            waiting.push(facts, Timestamp(id as i64), Timestamp(0));
        }
        let mut leave = || waiting.is_full().then(|| waiting.pop(&mut Vec::new())).flatten();
        let left: Vec<ConnId> = std::iter::from_fn(|| Some(leave()?.first_frame)).collect();
        assert_eq!(left, [5, 6, 7, 8, 9]);
        let left: Vec<ConnId> =
            std::iter::from_fn(|| Some(waiting.pop(&mut Vec::new())?.first_frame)).take(6).collect();
        assert_eq!(left, [0, 1, 2, 3, 4, 10]);
    }

    #[test]
    fn of_many_most_are_written_down_and_leave_as_they_came() {
        let (mut waiting, many) = (Waiting::default(), 3 * WHOLE_MAX as u64);
        let mut places = Vec::new();
        for id in 0..many {
            let since = 1_000 + id as i64;
            places.extend(waiting.push(facts(id, since), Timestamp(since), Timestamp(0)));
        }
        assert_eq!(places.len(), 2 * WHOLE_MAX);
        assert!(waiting.take_back(many - 1) && waiting.whole == WHOLE_MAX);
        for id in 0..many - 1 {
            let left = waiting.pop(&mut places).map(|facts| format!("{facts:?}"));
            assert_eq!(left, Some(format!("{:?}", facts(id, 1_000 + id as i64))));
        }
        assert!(waiting.pop(&mut Vec::new()).is_none() && waiting.whole == 0);
    }
}
