//! Closes that wait for what follows them, in the order in which they will be judged.
use crate::base::Timestamp;
use crate::track::ConnId;
use std::collections::BTreeMap;

/// Closes by the time since which they wait; of the same time in the order of their first frames.
pub(super) struct Waiting<F> {
    closes: BTreeMap<Turn, One<F>>,
    /// Counts all that ever came: a connection may be told twice.
    came: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    since: Timestamp,
    first_frame: ConnId,
    came: u64,
}

struct One<F> {
    facts: F,
    /// Since when it would wait, were it not for a server that is asked.
    unasked: Timestamp,
}

impl<F> Default for Waiting<F> {
    fn default() -> Self {
        Self { closes: BTreeMap::new(), came: 0 }
    }
}

impl<F> Waiting<F> {
    /// One more.
    pub fn push(&mut self, facts: F, first_frame: ConnId, since: Timestamp, unasked: Timestamp) {
        self.came += 1;
        let turn = Turn { since, first_frame, came: self.came };
        self.closes.insert(turn, One { facts, unasked });
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.closes.len()
    }

    /// The one that waits longest, and since when.
    pub fn first(&self) -> Option<(Timestamp, &F)> {
        self.closes.first_key_value().map(|(turn, one)| (turn.since, &one.facts))
    }

    /// Takes out the one that waits longest.
    pub fn pop(&mut self) -> Option<F> {
        self.closes.pop_first().map(|(_, one)| one.facts)
    }

    /// Takes out the close of a connection that has not ended after all; whether it was still here.
    pub fn take_back(&mut self, id: ConnId) -> bool {
        let turn = self.closes.keys().find(|turn| turn.first_frame == id).copied();
        turn.and_then(|turn| self.closes.remove(&turn)).is_some()
    }

    /// The facts of all, to add to them.
    pub fn facts_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.closes.values_mut().map(|one| &mut one.facts)
    }

    /// Those that `are_answered` need not wait for a server any longer.
    pub fn stop_asking(&mut self, are_answered: impl Fn(&F) -> bool) {
        let all = std::mem::take(&mut self.closes).into_iter();
        let turn = |(turn, one): (Turn, One<F>)| {
            let since = if are_answered(&one.facts) { one.unasked } else { turn.since };
            (Turn { since, ..turn }, one)
        };
        self.closes = all.map(turn).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_leave_by_time_then_by_first_frame() {
        let mut waiting = Waiting::default();
        for (id, since) in [(7, 30), (5, 10), (6, 30), (8, 20), (5, 40)] {
            waiting.push(id, id, Timestamp(since), Timestamp(since - 25));
        }
        assert!(waiting.take_back(8) && !waiting.take_back(8));
        waiting.stop_asking(|&id| id == 7);
        assert_eq!(waiting.first().map(|(since, &id)| (since.0, id)), Some((5, 7)));
        let left: Vec<ConnId> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(left, [7, 5, 6, 5]);
        assert_eq!(waiting.len(), 0);
    }
}
