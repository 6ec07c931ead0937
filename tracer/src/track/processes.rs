//! Processes of this host that own traced sockets: which signals they were sent, by whom, and how they ended.
use crate::base::{Span, Timestamp};
use crate::event::ProcessEnd;
use crate::kernel::{KernelEvent, KernelRecord};
use hashbrown::HashMap;

/// Processes remembered.
const MOST: usize = 4096;
/// A signal this long before its end may be the reason of it: lame duck mode takes minutes.
const SIGNAL_COUNTS: Span = Span::secs(600);

#[derive(Debug)]
struct Signal {
    at: Timestamp,
    number: u8,
    /// Comm and pid; none: the kernel.
    sender: Option<(String, u32)>,
}

#[derive(Debug, Default)]
struct Signs {
    seen: Timestamp,
    name: String,
    signal: Option<Signal>,
    oom: bool,
    /// When, the signal that ended it, its exit status.
    end: Option<(Timestamp, Option<u8>, Option<u8>)>,
}

/// All that showed something.
#[derive(Debug, Default)]
pub struct Processes {
    signs: HashMap<u32, Signs, foldhash::fast::RandomState>,
}

impl Processes {
    /// A signal, an exit, an OOM kill.
    pub fn note(&mut self, record: &KernelRecord) {
        let at = record.at;
        match &record.event {
            KernelEvent::Signal { target, target_name, signal, by_kernel } => {
                let sender = record.process.as_ref().filter(|_| !by_kernel);
                let sender = sender.map(|p| (p.name.to_string(), p.pid));
                let signs = self.signs(*target, at);
                signs.name = target_name.to_string();
                signs.signal = Some(Signal { at, number: *signal, sender });
            }
            KernelEvent::OomVictim { pid } => self.signs(*pid, at).oom = true,
            KernelEvent::Exit { signal, status } => {
                let Some(process) = &record.process else { return };
                let signs = self.signs(process.pid, at);
                signs.name = process.name.to_string();
                signs.end = Some((at, *signal, *status));
            }
            _ => {}
        }
    }

    fn signs(&mut self, pid: u32, at: Timestamp) -> &mut Signs {
        if self.signs.len() >= MOST && !self.signs.contains_key(&pid) {
            let oldest = self.signs.iter().min_by_key(|(_, s)| s.seen).map(|(&pid, _)| pid);
            oldest.and_then(|pid| self.signs.remove(&pid));
        }
        let signs = self.signs.entry(pid).or_default();
        if signs.end.is_some_and(|e| at - e.0 > Span::secs(5)) {
            *signs = Signs::default(); // the number is used again
        }
        signs.seen = at;
        signs
    }

    /// How the process ended, or what it was told to do, around the end of its connection at `ended`; `slack`: how far the two
    /// clocks may differ.
    #[must_use]
    pub fn around(&self, pid: u32, ended: Timestamp, slack: Span) -> Option<ProcessEnd> {
        let signs = self.signs.get(&pid)?;
        let end = signs.end.filter(|e| (e.0 - ended).0.abs() <= Span::secs(5).0);
        let last = end.map_or(ended + Span::millis(1), |e| e.0);
        let signal = signs.signal.as_ref().filter(|s| s.at <= last && last - s.at <= SIGNAL_COUNTS);
        if end.is_none() && signal.is_none() {
            return None;
        }
        let fatal = end.and_then(|e| e.1);
        Some(ProcessEnd {
            at: end.map(|e| e.0).or(signal.map(|s| s.at)).unwrap_or(ended),
            pid,
            name: signs.name.clone(),
            signal: fatal,
            asked: signal.map(|s| s.number),
            sender: signal.filter(|s| fatal.is_none_or(|f| f == s.number)).and_then(|s| s.sender.clone()),
            status: end.and_then(|e| e.2),
            oom: signs.oom && fatal == Some(9),
            exited: end.is_some(),
            before_close: end.is_some_and(|e| e.0 <= ended + slack),
        })
    }
}
