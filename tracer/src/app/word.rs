//! The kernel's own word, live: probes and the firewall's rule sets, wired to the core. What is missing is said once; the
//! trace goes on with what is left.
use super::{Failure, say};
use crate::base::PortSet;
use crate::cli::{Capture, Ebpf, Plan};
use crate::event::{Coverage, DropFact, Host};
use crate::kernel::ruleset::Direction;
use crate::kernel::{FilterQuestion, FilterRule, KernelEvent, KernelRecord};
use crate::source::firewall::{Firewall, Question};
use crate::source::privileges::{self, Feature};
use crate::source::{ProbeOptions, ProbeState, Probes};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// After records were lost, the absence of one proves nothing for so long.
const DOUBT: Duration = Duration::from_secs(10);

/// Probes and rule sets.
pub struct Word {
    probes: Option<Probes>,
    /// What the probes can tell while none of their records is lost.
    covers: Coverage,
    firewall: Option<Firewall>,
    lost: u64,
    lost_at: Option<Instant>,
    /// Lines for standard error, after the one that says that capturing has begun.
    notes: Vec<String>,
}

impl Word {
    /// Loads the probes as the plan wants them.
    ///
    /// # Errors
    /// With `--ebpf on` where one that this kernel has can't be loaded; with `--capture off` where there is none at all.
    pub fn open(plan: &Plan) -> Result<Self, Failure> {
        let mut word = Self {
            probes: None,
            covers: Coverage::default(),
            firewall: None,
            lost: 0,
            lost_at: None,
            notes: Vec::new(),
        };
        if plan.ebpf == Ebpf::Off {
            return Ok(word);
        }
        let needed = plan.ebpf == Ebpf::On || plan.capture == Capture::Off;
        match Probes::open(&plan.ports, &ProbeOptions::default()) {
            Ok(probes) => {
                word.covers = covers(&probes);
                word.take_notes(&probes, plan.ebpf)?;
                word.probes = Some(probes);
            }
            Err(error) if needed => return Err(Failure::Usage(error.to_string())),
            Err(error) => word.notes.push(format!("without the kernel's own word: {error}")),
        }
        Ok(word)
    }

    fn take_notes(&mut self, probes: &Probes, wanted: Ebpf) -> Result<(), Failure> {
        for status in probes.status() {
            match &status.state {
                ProbeState::Loaded => {}
                ProbeState::Failed(why) if wanted == Ebpf::On => {
                    let name = &status.name;
                    return Err(Failure::Usage(format!(
                        "the probe at {name} can't be loaded: {why}; see natstrace doctor"
                    )));
                }
                ProbeState::Failed(why) | ProbeState::Absent(why) => {
                    self.notes.push(format!("no probe at {} ({why}): {}", status.name, status.cost));
                }
            }
        }
        if probes.symbols() == 0 && self.covers.drops {
            let how = privileges::setcap_command(&[Feature::Symbols]);
            self.notes.push(format!(
                "the place of a drop in the kernel is not named: it hides its addresses; {how}"
            ));
        }
        Ok(())
    }

    /// Starts reading rule sets, and tracing where that was asked for. Its threads begin here, so after privileges are
    /// dropped.
    ///
    /// # Errors
    /// Where `--trace-firewall` is not granted.
    pub fn start_firewall(&mut self, plan: &Plan) -> Result<(), Failure> {
        if plan.trace_firewall {
            privileges::require(&[Feature::FirewallTrace]).map_err(|e| Failure::Usage(e.to_string()))?;
        }
        if let Err(missing) = privileges::require(&[Feature::RuleSets]) {
            self.notes.push(format!("a firewall's rule is not named: {missing}"));
            return Ok(());
        }
        let mut firewall =
            Firewall::start().map_err(|e| Failure::Run(format!("reading the firewall's rules: {e}")))?;
        if plan.trace_firewall {
            trace(&mut firewall, &plan.ports)?;
        }
        self.firewall = Some(firewall);
        Ok(())
    }

    /// `9 of 9`, or `off`.
    pub fn count(&self) -> String {
        match &self.probes {
            Some(probes) => {
                let all = probes.status();
                let loaded = all.iter().filter(|s| s.state == ProbeState::Loaded).count();
                format!("{loaded} of {}", all.len())
            }
            None => "off".to_owned(),
        }
    }

    /// Says what is missing, once.
    pub fn say_notes(&mut self) {
        std::mem::take(&mut self.notes).iter().for_each(|note| say(note));
    }

    /// What the probes can tell now.
    pub fn coverage(&self) -> Coverage {
        if self.lost_at.is_some_and(|at| at.elapsed() < DOUBT) {
            return Coverage { resets_received: self.covers.resets_received, ..Coverage::default() };
        }
        self.covers
    }

    /// To wait for records.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.probes.as_ref().map(Probes::as_fd)
    }

    /// Records that have come. A packet that a filter of this host discarded is asked about at once.
    pub fn read(&mut self, host: &Host, each: &mut dyn FnMut(&KernelRecord)) {
        let Self { probes: Some(probes), firewall, .. } = self else { return };
        probes.read(&mut |record| {
            if let (Some(firewall), Some(question)) = (firewall.as_mut(), asks(&record, host)) {
                firewall.ask(question);
            }
            each(&record);
        });
    }

    /// Records lost since the last call.
    pub fn count_lost(&mut self) -> u64 {
        let Some(probes) = &self.probes else { return 0 };
        let lost = probes.lost();
        let more = lost.saturating_sub(self.lost);
        self.lost = lost;
        if more > 0 {
            self.lost_at = Some(Instant::now());
        }
        more
    }

    /// The owner of a socket that stood before the probes.
    pub fn owned(&mut self, record: &KernelRecord) {
        if let (Some(probes), Some(process)) = (&mut self.probes, &record.process) {
            probes.own_process(process.pid);
        }
    }

    /// What the core wants to know of the rule sets.
    pub fn ask(&mut self, questions: Vec<FilterQuestion>) {
        let Some(firewall) = &mut self.firewall else { return };
        for q in questions {
            let direction = if q.inbound { Direction::Input } else { Direction::Output };
            let FilterQuestion { src, dst, flags, at, rejected, .. } = q;
            // No record shows a drop: the question is whether a rule would.
            let supposed = !rejected;
            let (iface, place) = (None, None);
            firewall.ask(Question { src, dst, flags, at, direction, rejected, supposed, iface, place });
        }
    }

    /// Rules that were found.
    pub fn answers(&mut self) -> Vec<FilterRule> {
        self.firewall.as_mut().map(|firewall| firewall.answers().collect()).unwrap_or_default()
    }
}

fn trace(firewall: &mut Firewall, ports: &PortSet) -> Result<(), Failure> {
    firewall.trace(ports).map_err(|e| Failure::Usage(format!("--trace-firewall: {e}")))
}

fn covers(probes: &Probes) -> Coverage {
    let loaded =
        |name: &str| probes.status().iter().find(|s| s.name == name && s.state == ProbeState::Loaded);
    Coverage {
        // Kernels that give a reason tell of every reset; older ones leave out those without a socket.
        every_reset: loaded("tcp:tcp_send_reset").is_some_and(|s| s.found.contains(&"reason")),
        resets_received: loaded("tcp:tcp_receive_reset").is_some(),
        drops: loaded("skb:kfree_skb").is_some(),
        exits: loaded("sched:sched_process_exit").is_some(),
    }
}

/// The question about a packet that a filter of this host discarded.
fn asks(record: &KernelRecord, host: &Host) -> Option<Question> {
    let KernelEvent::Dropped { src, dst, flags, reason, place, .. } = &record.event else { return None };
    if !DropFact::by_filter(reason, place.as_deref()) || record.netns.is_some_and(|ns| ns != host.netns) {
        return None;
    }
    let direction = match (host.has(dst.addr), host.has(src.addr)) {
        (true, _) => Direction::Input,
        (false, true) => Direction::Output,
        (false, false) => return None,
    };
    let (src, dst, flags, at, place) = (*src, *dst, *flags, record.at, place.clone());
    Some(Question { src, dst, flags, at, direction, rejected: false, supposed: false, iface: None, place })
}
