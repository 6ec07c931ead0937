//! Followers read in turns: one that comes for more reads on for all as long as all have room, so that no thread has to be woken
//! to read, and each finds something to follow while another reads.
use super::Input;
use crate::pipeline::{Divide, Stretch};
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What reads, for one at a time.
pub(super) struct Reading {
    pub input: Input,
    pub divide: Divide,
    /// Stretches that were judged.
    pub back: Receiver<Stretch>,
}

/// Whose turn it is, and what was read for whom.
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// `None` while one reads.
    reading: Option<Reading>,
    /// For each follower.
    read: Vec<VecDeque<Arc<Stretch>>>,
    over: bool,
}

/// A follower's part. When one leaves, nothing more is read for the others.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    place: usize,
}

impl Turns {
    /// Stretches that wait for a follower at most.
    pub const WAITING: usize = 2;

    /// Nothing is read yet.
    pub fn new(reading: Reading, followers: usize) -> Self {
        let read = (0..followers).map(|_| VecDeque::with_capacity(Self::WAITING)).collect();
        let state = State { reading: Some(reading), read, over: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// For the follower in that place.
    pub const fn of(&self, place: usize) -> Turn<'_> {
        Turn { turns: self, place }
    }

    /// When all followers have left; `None` where one panicked as it read.
    pub fn end(self) -> Option<Reading> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).reading
    }
}

impl State {
    /// What reads, if more is wanted, nobody has it and there is room for what it reads.
    fn turn_to_read(&mut self) -> Option<Reading> {
        let wanted = !self.over && self.read.iter().all(|waiting| waiting.len() < Turns::WAITING);
        self.reading.take_if(|_| wanted)
    }
}

impl Turn<'_> {
    /// The next stretch that is to be followed; `None` when no more comes.
    pub fn next(&self) -> Option<Arc<Stretch>> {
        let Turns { state: lock, changed } = self.turns;
        let mut state = lock.lock().ok()?;
        loop {
            if let Some(mut reading) = state.turn_to_read() {
                drop(state);
                let (stretch, more) = reading.read_on();
                state = lock.lock().ok()?;
                state.read.iter_mut().for_each(|waiting| waiting.push_back(Arc::clone(&stretch)));
                state.over |= !more;
                state.reading = Some(reading);
                changed.notify_all();
                continue;
            }
            let mine = state.read.get_mut(self.place)?;
            let was_full = mine.len() == Turns::WAITING;
            if let Some(stretch) = mine.pop_front() {
                if was_full {
                    changed.notify_all();
                }
                return Some(stretch);
            }
            if state.over {
                return None;
            }
            state = changed.wait(state).ok()?;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.turns.changed.notify_all();
    }
}

impl Reading {
    /// One more stretch, and whether more will come.
    fn read_on(&mut self) -> (Arc<Stretch>, bool) {
        let mut stretch = self.back.try_recv().unwrap_or_default();
        self.divide.begin(&mut stretch);
        let more = self.fill(&mut stretch) && !self.input.is_stopped();
        (Arc::new(stretch), more)
    }

    /// Frames into an empty stretch; `false` if no more will come.
    fn fill(&mut self, stretch: &mut Stretch) -> bool {
        while !stretch.is_full() {
            // What is in memory already.
            if let Some(mut run) = self.input.source.run() {
                while !stretch.is_full() {
                    let Some(frame) = run.next() else { break };
                    let Some(wanted) = self.input.choice.of(&frame) else { return false };
                    self.input.read.frames += 1;
                    self.divide.add_frame(&frame, wanted, run.place(&frame), stretch);
                }
            }
            if stretch.is_full() {
                break;
            }
            // The first that isn't, or one of what is read in another way.
            let Some((frame, wanted, place)) = self.input.next_in_place() else { return false };
            self.divide.add_frame(&frame, wanted, place, stretch);
        }
        true
    }
}
