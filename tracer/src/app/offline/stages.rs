//! The core in several threads: followers, each of which follows its share of the connections; verdicts; writing. Stretches of the
//! input and batches of what followers tell come back, so memory is what the few on their way hold.
use super::super::Failure;
use super::super::output::Output;
use super::turns::{Reading, Turn, Turns};
use super::{Input, Read};
use crate::event::{Event, Summary};
use crate::pipeline::{Batch, Divide, Follow, Judge, Left, Stretch};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// Batches that wait for the other followers', at most.
const WAITING: usize = 2;
/// Stretches that can be on their way: those that wait, and those that are being filled, followed and judged.
const STRETCHES: usize = Turns::WAITING + WAITING + 3;
/// Lists of events that wait to be written at most.
const LISTS: usize = 2;

/// What a follower told of a stretch.
type Followed = (Arc<Stretch>, Batch);

/// Reads what is left of the input with a thread for each follower, one for verdicts, and this one, which writes. The system
/// balances them over the cores.
pub(super) fn run(
    input: Input,
    (divide, followers, judge): (Divide, Vec<Follow>, Judge),
    out: &mut Output,
) -> Result<(Read, Summary), Failure> {
    let (told, lists) = sync_channel::<Vec<Event>>(LISTS);
    let (written, emptied) = sync_channel(LISTS);
    let (judged, back) = sync_channel(STRETCHES);
    let turns = Turns::new(Reading { input, divide, back }, followers.len());
    let (judge, left) = thread::scope(|scope| {
        let (mut followed, mut threads) = (Vec::new(), Vec::new());
        for (place, follow) in followers.into_iter().enumerate() {
            let (done, ready) = sync_channel(WAITING);
            let (emptied, batches) = sync_channel(STRETCHES);
            followed.push((ready, emptied));
            let turns = &turns;
            threads.push(scope.spawn(move || follow_all(follow, turns.of(place), &batches, &done)));
        }
        let verdicts = scope.spawn(move || judge_all(judge, &followed, &judged, &told, &emptied));
        for list in lists {
            list.iter().for_each(|event| out.take(event));
            // Memory goes back where it came from; where it can't, it is let go here.
            let _ = written.try_send(list);
            if out.is_over() {
                break;
            }
        }
        let judge = joined(verdicts);
        let mut followers: Vec<Follow> = threads.into_iter().map(joined).collect();
        (judge, Follow::finish(&mut followers))
    });
    end(turns.end().map(|reading| reading.input.finish()).unwrap_or_default(), judge, left, out)
}

/// What waits is judged.
fn end(read: Read, mut judge: Judge, left: Left, out: &mut Output) -> Result<(Read, Summary), Failure> {
    out.check()?;
    let now = judge.now();
    judge.handle_lost(read.lost, now, out);
    let summary = judge.finish(left, None, out);
    Ok((read, summary))
}

/// A follower's thread: itself when no more comes.
fn follow_all(
    mut follow: Follow,
    turns: Turn<'_>,
    back: &Receiver<Batch>,
    done: &SyncSender<Followed>,
) -> Follow {
    let mut under_way = 0;
    follow.settle_in();
    while let Some(stretch) = turns.next() {
        // What comes back brings who must go: nothing hangs on which thread is quick.
        let mut batch = if under_way < Batch::UNDER_WAY {
            under_way += 1;
            Batch::default()
        } else {
            let Ok(batch) = back.recv() else { break };
            batch
        };
        follow.handle_stretch(&stretch, &mut batch);
        if done.send((stretch, batch)).is_err() {
            // Nobody judges any more.
            break;
        }
    }
    follow
}

/// The verdicts' thread.
fn judge_all(
    mut judge: Judge,
    followed: &[(Receiver<Followed>, SyncSender<Batch>)],
    judged: &SyncSender<Stretch>,
    told: &SyncSender<Vec<Event>>,
    emptied: &Receiver<Vec<Event>>,
) -> Judge {
    let (mut events, mut batches) = (Vec::new(), Vec::new());
    loop {
        let mut whole = None;
        for (stretch, batch) in followed.iter().map_while(|(ready, _)| ready.recv().ok()) {
            // It is the same of all.
            whole = Some(stretch);
            batches.push(batch);
        }
        let Some(stretch) = whole.filter(|_| batches.len() == followed.len()) else { break };
        judge.handle_batches(&stretch, &mut batches, &mut |event| events.push(event));
        for (batch, (_, emptied)) in batches.drain(..).zip(followed) {
            // The follower may have ended already.
            let _ = emptied.try_send(batch);
        }
        if let Some(mut stretch) = Arc::into_inner(stretch) {
            stretch.clear();
            let _ = judged.try_send(stretch);
        }
        if events.is_empty() {
            continue;
        }
        let mut empty = emptied.try_recv().unwrap_or_default();
        judge.reuse(empty.drain(..).filter_map(Event::into_facts));
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
