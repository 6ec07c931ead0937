//! Work on many things at a time.
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many as there are cores.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Does `work` with each, `jobs` at a time, taken in their order; tells `done` of each outcome as it comes. The outcomes are
/// given in the order of the items.
pub fn each<T: Sync, O: Send>(
    items: &[T],
    jobs: usize,
    done: impl Fn(&O) + Sync,
    work: impl Fn(&T) -> O + Sync,
) -> Vec<O> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let turns = || {
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(turn) else { break };
            let outcome = work(item);
            done(&outcome);
            if let Ok(mut all) = outcomes.lock() {
                all.push((turn, outcome));
            }
        }
    };
    std::thread::scope(|scope| (0..jobs.max(1)).for_each(|_| drop(scope.spawn(turns))));
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|(turn, _)| *turn);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
