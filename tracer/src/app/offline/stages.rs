//! The stages of the core over batches: reading and decoding, following connections, verdicts, writing. In threads of their own
//! batches go from one to the next and back to the reader, so memory is what the few batches hold.
use super::super::Failure;
use super::super::output::Output;
use super::{Input, Read};
use crate::event::{Event, Summary};
use crate::pipeline::{Batch, Config, Follow, Front, Judge, Share, stages};
use crate::track::Tracked;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// Batches under way at most.
const BATCHES: usize = 8;
/// Lists of events that wait to be written at most.
const LISTS: usize = 4;

/// Reads `input` to its end with a thread for reading, one for each of so many followers, and one for verdicts; this one
/// writes. The system balances them over the cores.
pub(super) fn run(
    input: Input,
    config: &Config,
    followers: usize,
    judge: Judge,
    out: &mut Output,
) -> Result<(Read, Summary), Failure> {
    let (front, followers) = stages(config, followers);
    thread::scope(|scope| {
        let (emptied, back) = sync_channel(BATCHES);
        let (told, lists) = sync_channel::<Vec<Event>>(LISTS);
        let (mut shares, mut followed, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for follow in followers {
            let (to, from) = sync_channel(BATCHES);
            let (done, ready) = sync_channel(BATCHES);
            shares.push(to);
            followed.push(ready);
            threads.push(scope.spawn(move || follow_all(follow, &from, &done)));
        }
        let reader = scope.spawn(move || read_all(Reader::new(input, front), &shares, &back));
        let verdicts = scope.spawn(move || judge_all(judge, &followed, &emptied, &told));
        for list in lists {
            list.iter().for_each(|event| out.take(event));
            if out.is_over() {
                break;
            }
        }
        let judge = joined(verdicts);
        let last = threads.into_iter().flat_map(joined).collect();
        end(joined(reader), judge, last, out)
    })
}

/// What waits is judged.
fn end(
    read: Read,
    mut judge: Judge,
    last: Vec<Tracked>,
    out: &mut Output,
) -> Result<(Read, Summary), Failure> {
    out.check()?;
    let now = judge.now();
    judge.handle_lost(read.lost, now, &mut |event| out.take(&event));
    let summary = judge.finish(last, None, &mut |event| out.take(&event));
    Ok((read, summary))
}

/// The first stage.
struct Reader {
    input: Input,
    front: Front,
    /// The frame that the input went to belongs to the next batch.
    ahead: bool,
}

impl Reader {
    fn new(mut input: Input, front: Front) -> Self {
        input.source.pass_on();
        Self { input, front, ahead: false }
    }

    /// Frames into an empty batch; `false` if no more will come.
    fn fill(&mut self, batch: &mut Batch) -> bool {
        loop {
            if !std::mem::take(&mut self.ahead) {
                if !self.input.advance() {
                    break;
                }
                let block = self.input.source.passed();
                if block.is_some() || (batch.is_full() && self.input.source.block().is_empty()) {
                    self.ahead = true;
                    batch.hold(block.unwrap_or_default());
                    return self.input.breathe();
                }
            }
            let Some((frame, wanted, block)) = self.input.frame_in_block() else { break };
            self.front.handle_frame(&frame, wanted, block, batch);
        }
        batch.hold(self.input.source.last_block());
        false
    }

    fn give_back(&mut self, block: Vec<u8>) {
        self.input.source.give_back(block);
    }
}

/// The first stage's thread.
fn read_all(mut reader: Reader, shares: &[SyncSender<Share>], back: &Receiver<Batch>) -> Read {
    let mut made = 0;
    loop {
        let mut batch = match back.try_recv() {
            Ok(empty) => empty,
            Err(_) if made < BATCHES => {
                made += 1;
                reader.front.batch()
            }
            Err(_) => match back.recv() {
                Ok(empty) => empty,
                // Nobody judges any more.
                Err(_) => break,
            },
        };
        reader.give_back(batch.clear());
        let more = reader.fill(&mut batch);
        let sent = shares.iter().zip(batch.divide()).all(|(to, share)| to.send(share).is_ok());
        if !more || !sent {
            break;
        }
    }
    reader.input.finish()
}

/// A second stage's thread: what is left to tell when no more comes.
fn follow_all(mut follow: Follow, from: &Receiver<Share>, done: &SyncSender<Share>) -> Vec<Tracked> {
    for mut share in from {
        follow.handle_share(&mut share);
        if done.send(share).is_err() {
            return Vec::new();
        }
    }
    follow.finish()
}

/// The third stage's thread.
fn judge_all(
    mut judge: Judge,
    followed: &[Receiver<Share>],
    emptied: &SyncSender<Batch>,
    told: &SyncSender<Vec<Event>>,
) -> Judge {
    let mut events = Vec::new();
    loop {
        let shares: Vec<Share> = followed.iter().map_while(|shares| shares.recv().ok()).collect();
        if shares.len() < followed.len() {
            break;
        }
        let Some(mut batch) = Batch::unite(shares.into_iter()) else { break };
        judge.handle_batch(&mut batch, &mut |event| events.push(event));
        // The reader may have ended already.
        let _ = emptied.send(batch);
        if !events.is_empty() && told.send(std::mem::take(&mut events)).is_err() {
            break;
        }
    }
    judge
}

/// What a thread gave, or its panic.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
