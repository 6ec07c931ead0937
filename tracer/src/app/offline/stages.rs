//! The stages of the core in threads of their own: reading and decoding, following connections, verdicts, writing. Batches go
//! from one to the next and back to the reader, so memory is what the few batches hold.
use super::super::Failure;
use super::super::output::Output;
use super::{Input, Read};
use crate::event::{Event, Summary};
use crate::pipeline::{Batch, Follow, Front, Judge, Pipeline};
use crate::track::Tracked;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// Threads that can be made use of.
pub(super) const MOST: usize = 4;
/// Batches under way at most.
const BATCHES: usize = 8;
/// Lists of events that wait to be written at most.
const LISTS: usize = 4;

/// What leaves the second stage.
enum Followed {
    Batch(Box<Batch>),
    /// The input is over, this was left to tell.
    End(Vec<Tracked>),
}

/// Reads `input` to its end with 2 to [`MOST`] threads.
pub(super) fn run(
    input: Input,
    pipeline: Pipeline,
    threads: usize,
    out: &mut Output,
) -> Result<(Read, Summary), Failure> {
    let (front, follow, judge) = pipeline.into_stages();
    thread::scope(|scope| {
        let (emptied, back) = sync_channel(BATCHES);
        let (filled, batches) = sync_channel(BATCHES);
        let reader = scope.spawn(move || read(input, front, &filled, &back));
        let follower = Follower { follow: Some(follow), batches };
        let followed: Box<dyn Iterator<Item = Followed> + Send> = if threads > 2 {
            let (tracked, followed) = sync_channel(BATCHES);
            // It ends where the stage after it does.
            scope.spawn(move || follower.map(|f| tracked.send(f)).all(|sent| sent.is_ok()));
            Box::new(followed.into_iter())
        } else {
            Box::new(follower)
        };
        let (mut judge, last) = if threads > 3 {
            let (told, lists) = sync_channel::<Vec<Event>>(LISTS);
            let verdicts = scope.spawn(move || {
                judge_all(judge, followed, &emptied, |events| {
                    events.is_empty() || told.send(std::mem::take(events)).is_ok()
                })
            });
            for list in lists {
                list.iter().for_each(|event| out.take(event));
                if out.is_over() {
                    break;
                }
            }
            joined(verdicts)
        } else {
            judge_all(judge, followed, &emptied, |events| {
                events.drain(..).for_each(|event| out.take(&event));
                !out.is_over()
            })
        };
        let read = joined(reader);
        out.check()?;
        let now = judge.now();
        judge.handle_lost(read.lost, now, &mut |event| out.take(&event));
        let summary = judge.finish(last.into_iter(), None, &mut |event| out.take(&event));
        Ok((read, summary))
    })
}

/// First stage: frames into batches.
fn read(
    mut input: Input,
    mut front: Front,
    filled: &SyncSender<Box<Batch>>,
    back: &Receiver<Box<Batch>>,
) -> Read {
    input.source.pass_on();
    let mut batch = Box::<Batch>::default();
    let mut made = 1;
    while input.advance() {
        let block = input.source.passed();
        if block.is_some() || batch.is_full() {
            batch.hold(block.unwrap_or_default());
            if filled.send(batch).is_err() || !input.breathe() {
                return input.finish();
            }
            batch = match back.try_recv() {
                Ok(empty) => empty,
                Err(_) if made < BATCHES => {
                    made += 1;
                    Box::default()
                }
                Err(_) => match back.recv() {
                    Ok(empty) => empty,
                    Err(_) => return input.finish(),
                },
            };
            input.source.give_back(batch.clear());
        }
        let Some((frame, wanted, block)) = input.frame_in_block() else { break };
        front.handle_frame(&frame, wanted, block, &mut batch);
    }
    batch.hold(input.source.last_block());
    // A stage that doesn't listen any more has its reasons.
    let _ = filled.send(batch);
    input.finish()
}

/// Second stage: what the tracker tells of each batch, and at last what is left.
struct Follower {
    follow: Option<Follow>,
    batches: Receiver<Box<Batch>>,
}

impl Iterator for Follower {
    type Item = Followed;

    fn next(&mut self) -> Option<Followed> {
        let follow = self.follow.as_mut()?;
        Some(match self.batches.recv() {
            Ok(mut batch) => {
                follow.handle_batch(&mut batch);
                Followed::Batch(batch)
            }
            Err(_) => Followed::End(self.follow.take()?.finish()),
        })
    }
}

/// Third stage: verdicts. `write` gets what each batch brought, and says whether more is wanted.
fn judge_all(
    mut judge: Judge,
    followed: impl Iterator<Item = Followed>,
    emptied: &SyncSender<Box<Batch>>,
    mut write: impl FnMut(&mut Vec<Event>) -> bool,
) -> (Judge, Vec<Tracked>) {
    let mut events = Vec::new();
    for step in followed {
        let mut batch = match step {
            Followed::Batch(batch) => batch,
            Followed::End(last) => return (judge, last),
        };
        judge.handle_batch(&mut batch, &mut |event| events.push(event));
        // The reader may have ended already.
        let _ = emptied.send(batch);
        if !write(&mut events) {
            break;
        }
    }
    (judge, Vec::new())
}

/// What a thread gave, or its panic.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
