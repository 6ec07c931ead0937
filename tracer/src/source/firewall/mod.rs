//! Names the rule of this host's packet filters that discarded a packet. Rule sets are read, never changed; only
//! `--trace-firewall` adds a table, one that the kernel removes with us ([`trace`]).
mod command;
mod listing;
mod netlink;
#[cfg(test)]
mod tests;
pub mod trace;
mod worker;

pub use trace::TraceError;

use crate::base::{Endpoint, PortSet, Timestamp};
use crate::kernel::FilterRule;
use crate::kernel::ruleset::Direction;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};
use trace::Trace;

/// Questions that may wait for an answer; more are dropped, and asked again by the next lost packet.
const WAITING_MAX: usize = 256;
/// How long the same question isn't asked again.
const SAME: Duration = Duration::from_secs(3);
/// Questions that are remembered for that.
const REMEMBERED_MAX: usize = 4096;

/// Why a rule set couldn't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not installed.
    #[error("{program} is not installed; install it to see the rules")]
    Missing {
        /// The tool.
        program: &'static str,
    },
    /// It took more than two seconds.
    #[error("{program} took longer than 2 s")]
    Slow {
        /// The tool.
        program: &'static str,
    },
    /// It printed more than 16 MiB.
    #[error("{program} printed more than 16 MiB")]
    Long {
        /// The tool.
        program: &'static str,
    },
    /// It failed, mostly for want of a capability.
    #[error(
        "{program}: {why}; reading rules needs CAP_NET_ADMIN, legacy iptables CAP_NET_RAW and CAP_DAC_READ_SEARCH as well"
    )]
    Failed {
        /// The tool.
        program: &'static str,
        /// Its first line of complaint.
        why: String,
    },
}

/// Which rule sets can be read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    /// nftables' rules.
    pub nft: Result<(), ReadError>,
    /// iptables' rules of both IP versions and both kinds.
    pub iptables: Result<(), ReadError>,
}

/// Reads the rule sets of this network namespace once, to say whether that works.
///
/// # Errors
/// Where no thread can be started for it; it has one of its own so that the caller's capabilities stay as they are.
pub fn readable() -> std::io::Result<Readable> {
    let reader = std::thread::Builder::new().name("rules".into()).spawn(|| {
        command::pass_on_capabilities();
        listing::read().readable
    })?;
    reader.join().map_err(|_| std::io::Error::other("reading the rules failed"))
}

/// A packet that met a filter: which rule was it?
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// Its TCP flags as on the wire.
    pub flags: u8,
    /// When it was discarded, by the wall clock.
    pub at: Timestamp,
    /// Its way through this host.
    pub direction: Direction,
    /// It was answered with a reset or an ICMP error; `src` and `dst` are still those of the packet that was answered.
    pub rejected: bool,
    /// That it was discarded is only supposed, since it went unanswered: only a rule that it can't have escaped is named.
    pub supposed: bool,
    /// The interface it came by (`Output`: leaves by), where known.
    pub iface: Option<Arc<str>>,
    /// The kernel symbol that discarded it, as the drop record says: `nft_do_chain`.
    pub place: Option<Arc<str>>,
}

/// The thread that reads rule sets and answers. It works in the network namespace of the thread that starts it.
pub struct Firewall {
    ask: SyncSender<Question>,
    answers: Receiver<FilterRule>,
    begun: Arc<AtomicBool>,
    asked: HashMap<(Endpoint, Endpoint, Direction, [bool; 2]), Instant>,
    trace: Option<Trace>,
}

impl Firewall {
    /// Starts it; the first listing is read at once, as what later counters are compared with.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start() -> std::io::Result<Self> {
        let begun = Arc::default();
        let (ask, answers) = worker::start(WAITING_MAX, &begun)?;
        Ok(Self { ask, answers, begun, asked: HashMap::new(), trace: None })
    }

    /// The first listing has been read: what a rule discards from now on its counter shows.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// `--trace-firewall`: adds our tracing table for packets of `ports`; what it tells is certain.
    ///
    /// # Errors
    /// Where the kernel refuses it.
    pub fn trace(&mut self, ports: &PortSet) -> Result<(), TraceError> {
        self.trace = Some(Trace::start(ports)?);
        Ok(())
    }

    /// Asks, without waiting. The same connection, way and fate is asked about once in some seconds.
    pub fn ask(&mut self, question: Question) {
        let now = Instant::now();
        let key = (question.src, question.dst, question.direction, [question.rejected, question.supposed]);
        if self.asked.get(&key).is_some_and(|at| now.duration_since(*at) < SAME) {
            return;
        }
        if self.asked.len() >= REMEMBERED_MAX {
            self.asked.retain(|_, at| now.duration_since(*at) < SAME);
        }
        if let Some(trace) = &self.trace {
            trace.watch(question.src, question.dst);
        }
        if self.asked.len() < REMEMBERED_MAX && self.ask.try_send(question).is_ok() {
            self.asked.insert(key, now);
        }
    }

    /// What was found since the last call. A question without a fitting rule gets no answer; one with two that fit alike gets
    /// both. With [`Self::trace`] each packet that the trace saw dropped comes too, `certain`, asked for or not.
    pub fn answers(&mut self) -> impl Iterator<Item = FilterRule> {
        let traced = self.trace.as_ref().map(Trace::answers);
        traced.into_iter().flatten().chain(self.answers.try_iter())
    }
}
