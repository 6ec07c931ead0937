//! The thread behind [`super::Firewall`]: reads the rule sets, not too often, and finds the rule for each question.
use super::listing::{self, Listing};
use super::{Question, command};
use crate::base::Timestamp;
use crate::kernel::FilterRule;
use crate::kernel::ruleset::{Counters, Direction, Fate, Packet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// Between two readings at least.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Without questions counters are read anew that often: what an old listing is compared with tells little.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// Earlier counters that are kept.
const EARLIER_MAX: usize = 4;
/// Answers that may wait to be fetched.
const ANSWERS_MAX: usize = 1024;

/// Starts the thread: questions in, rules out. It ends when the questions' end is dropped. `begun`: the first listing is read.
pub(super) fn start(
    waiting: usize,
    begun: &Arc<AtomicBool>,
) -> std::io::Result<(SyncSender<Question>, Receiver<FilterRule>)> {
    let begun = Arc::clone(begun);
    let (ask, questions) = mpsc::sync_channel(waiting);
    let (answer, answers) = mpsc::sync_channel(ANSWERS_MAX);
    thread::Builder::new().name("firewall".into()).spawn(move || {
        command::pass_on_capabilities();
        let mut worker = Worker { earlier: VecDeque::new(), read: None, some: false };
        worker.list();
        begun.store(true, Ordering::Release);
        worker.run(&questions, &answer);
    })?;
    Ok((ask, answers))
}

struct Worker {
    /// Counters of earlier listings and when they had been read, oldest first.
    earlier: VecDeque<(Timestamp, Counters)>,
    /// When the last reading began.
    read: Option<Instant>,
    /// There are rules at all.
    some: bool,
}

impl Worker {
    fn run(&mut self, questions: &Receiver<Question>, answer: &SyncSender<FilterRule>) {
        loop {
            let first = match questions.recv_timeout(REFRESH_EVERY) {
                Ok(question) => question,
                Err(RecvTimeoutError::Timeout) => {
                    if self.some {
                        self.list();
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Some(rest) = self.read.and_then(|at| READ_EVERY.checked_sub(at.elapsed())) {
                thread::sleep(rest);
            }
            // What was asked before this reading began is answered by it.
            let asked: Vec<_> = std::iter::once(first).chain(questions.try_iter()).collect();
            let now = self.list();
            for question in &asked {
                for rule in self.find(&now, question) {
                    let _ = answer.try_send(rule);
                }
            }
        }
    }

    /// Reads the rule sets and remembers the counters.
    fn list(&mut self) -> Listing {
        self.read = Some(Instant::now());
        let listing = listing::read();
        if self.earlier.len() == EARLIER_MAX {
            self.earlier.pop_front();
        }
        self.some = !listing.rules.is_empty();
        self.earlier.push_back((listing.ended, listing.rules.counters()));
        listing
    }

    fn find(&self, now: &Listing, question: &Question) -> Vec<FilterRule> {
        let before = self.earlier.iter().rev().find(|(ended, _)| *ended < question.at).map(|(_, c)| c);
        let (mut packet, iface) = (packet(question), question.iface.as_deref());
        match question.direction {
            Direction::Input | Direction::Forward => packet.iif = iface,
            Direction::Output => packet.oif = iface,
        }
        let Question { rejected, supposed, .. } = *question;
        let fate = Fate { rejected, legacy: legacy(question.place.as_deref()), supposed };
        let rules = now.rules.find(&packet, before, fate);
        let rule = |found: crate::kernel::ruleset::Found| FilterRule {
            src: question.src,
            dst: question.dst,
            at: question.at,
            by: found.by,
            text: found.text,
            remove: found.remove,
            verdict: found.verdict,
            certain: false,
        };
        rules.into_iter().map(rule).collect()
    }
}

fn packet(question: &Question) -> Packet<'_> {
    Packet::new(question.src, question.dst, question.flags, question.direction)
}

/// Which of the two packet filters the symbol belongs to; `nf_hook_slow` is older kernels' for both.
fn legacy(place: Option<&str>) -> Option<bool> {
    let place = place?;
    if place.contains("nft_") {
        return Some(false);
    }
    (place.contains("ipt_do_table") || place.contains("ip6t_do_table")).then_some(true)
}
