//! The core in several threads: followers, each of which reads all of the input and follows its share of the connections;
//! verdicts; writing. What followers tell goes in batches, which come back, so memory is what the few batches hold.
use super::super::Failure;
use super::super::output::Output;
use super::{Input, Read};
use crate::event::{Event, Summary};
use crate::pipeline::{Batch, Config, Follow, Judge, Left};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// Batches of a follower that wait for the others', at most.
const BATCHES: usize = 2;
/// No follower is ahead of another by so many frames: what waits, what is judged, and what is being filled.
const AHEAD: u64 = ((BATCHES + 4) * Batch::FRAMES) as u64;
/// Lists of events that wait to be written at most.
const LISTS: usize = 4;

/// Reads the input to its end with a follower for each of `input` and `others`, a thread for verdicts, and this one, which
/// writes. The system balances them over the cores.
pub(super) fn run(
    input: Input,
    others: Vec<Input>,
    config: &Config,
    judge: Judge,
    out: &mut Output,
) -> Result<(Read, Summary), Failure> {
    let followers = Follow::all(config, 1 + others.len());
    let until = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        let (told, lists) = sync_channel::<Vec<Event>>(LISTS);
        let (written, emptied) = sync_channel(LISTS);
        let (mut followed, mut threads) = (Vec::new(), Vec::new());
        for (input, follow) in std::iter::once(input).chain(others).zip(followers) {
            let (done, ready) = sync_channel(BATCHES);
            let (emptied, back) = sync_channel(BATCHES + 4);
            followed.push((ready, emptied));
            let until = &until;
            threads.push(scope.spawn(move || follow_all(input, follow, until, &back, &done)));
        }
        let verdicts = scope.spawn(move || judge_all(judge, &followed, &told, &emptied));
        for list in lists {
            list.iter().for_each(|event| out.take(event));
            // Memory goes back where it came from; where it can't, it is let go here.
            let _ = written.try_send(list);
            if out.is_over() {
                break;
            }
        }
        let judge = joined(verdicts);
        let (mut read, mut followers) = (None, Vec::new());
        for thread in threads {
            let (one, follow) = joined(thread);
            // All have read the same.
            read.get_or_insert(one);
            followers.push(follow);
        }
        let left = Follow::finish(&mut followers);
        end(read.unwrap_or_default(), judge, left, out)
    })
}

/// What waits is judged.
fn end(read: Read, mut judge: Judge, left: Left, out: &mut Output) -> Result<(Read, Summary), Failure> {
    out.check()?;
    let now = judge.now();
    judge.handle_lost(read.lost, now, &mut |event| out.take(&event));
    let summary = judge.finish(left, None, &mut |event| out.take(&event));
    Ok((read, summary))
}

/// A follower's thread: what it read, and what it holds when no more comes. `until`: the frame that all stop at.
fn follow_all(
    mut input: Input,
    mut follow: Follow,
    until: &AtomicU64,
    back: &Receiver<Batch>,
    done: &SyncSender<Batch>,
) -> (Read, Follow) {
    let (mut more, mut under_way) = (true, 0);
    while more && input.read.frames < until.load(Ordering::Acquire) {
        if input.is_stopped() {
            // A signal stops all followers at the same frame, which none has passed.
            until.fetch_min(input.read.frames + AHEAD, Ordering::AcqRel);
        }
        // What comes back brings who must go: nothing hangs on which thread is quick.
        let mut batch = if under_way < Batch::UNDER_WAY {
            under_way += 1;
            Batch::default()
        } else {
            let Ok(batch) = back.recv() else { break };
            batch
        };
        batch.clear();
        more = fill(&mut batch, &mut input, &mut follow);
        if done.send(batch).is_err() {
            // Nobody judges any more.
            break;
        }
    }
    (input.finish(), follow)
}

/// Frames into an empty batch; `false` if no more will come.
fn fill(batch: &mut Batch, input: &mut Input, follow: &mut Follow) -> bool {
    while !batch.is_full() {
        let Some((frame, wanted)) = input.next() else { return false };
        follow.add_frame(&frame, wanted, batch);
    }
    true
}

/// The verdicts' thread.
fn judge_all(
    mut judge: Judge,
    followed: &[(Receiver<Batch>, SyncSender<Batch>)],
    told: &SyncSender<Vec<Event>>,
    emptied: &Receiver<Vec<Event>>,
) -> Judge {
    let (mut events, mut batches) = (Vec::new(), Vec::new());
    loop {
        batches.extend(followed.iter().map_while(|(ready, _)| ready.recv().ok()));
        if batches.len() < followed.len() {
            break;
        }
        judge.handle_batches(&mut batches, &mut |event| events.push(event));
        for (batch, (_, emptied)) in batches.drain(..).zip(followed) {
            // The follower may have ended already.
            let _ = emptied.try_send(batch);
        }
        if events.is_empty() {
            continue;
        }
        let mut empty = emptied.try_recv().unwrap_or_default();
        empty.clear();
        if told.send(std::mem::replace(&mut events, empty)).is_err() {
            break;
        }
    }
    judge
}

/// What a thread gave, or its panic.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
