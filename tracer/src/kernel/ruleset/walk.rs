//! A packet's way through the chains, in the order of the kernel (`net/netfilter/core.c`, `nf_tables_core.c`).
use super::condition::{Atom, Truth, matches_element};
use super::packet::{ConnState, Direction, Packet};
use super::{Action, Chain, Hook, Rule, Ruleset};
use crate::kernel::Verdict;

/// nftables' `NFT_JUMP_STACK_SIZE`; the kernel refuses deeper jumps.
const DEPTH_MAX: usize = 16;
/// Rules looked at for one packet; a rule set of loops could hold us for ever.
const STEPS_MAX: u32 = 200_000;
/// Candidates kept for one packet.
const FOUND_MAX: usize = 64;

/// A rule (none: a policy) that discards the packet, or may.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub chain: &'a Chain,
    pub rule: Option<&'a Rule>,
    pub verdict: Verdict,
    /// All that it and the jumps to it ask is so.
    pub exact: bool,
    /// Nothing before it may have saved the packet.
    pub reached: bool,
}

/// Every rule that may have discarded the packet, in the order it meets them.
pub(super) fn walk<'a>(rules: &'a Ruleset, packet: &Packet) -> Vec<Candidate<'a>> {
    let mut walk = Walk { rules, packet, found: Vec::new(), steps: STEPS_MAX, doubt: false };
    let hooks: &[Hook] = match packet.direction {
        Direction::Input => &[Hook::Ingress, Hook::Prerouting, Hook::Input],
        Direction::Output => &[Hook::Output, Hook::Postrouting],
        Direction::Forward => &[Hook::Ingress, Hook::Prerouting, Hook::Forward, Hook::Postrouting],
    };
    for hook in hooks {
        for chain in on_hook(rules, *hook, packet) {
            if walk.base(chain) == After::Dropped && walk.steps > 0 {
                return walk.found;
            }
        }
    }
    // A way that was not walked to its end names nothing.
    if walk.steps == 0 { Vec::new() } else { walk.found }
}

/// The base chains of a hook that see the packet, by priority.
fn on_hook<'a>(rules: &'a Ruleset, hook: Hook, packet: &Packet) -> Vec<&'a Chain> {
    let sees = |chain: &&Chain| {
        chain.family.version().has(packet)
            && chain.base.as_ref().is_some_and(|base| {
                let device = match (&base.device, packet.iif) {
                    (Some(device), Some(iif)) => **device == *iif,
                    _ => true,
                };
                base.hook == hook && device && (!base.nat || packet.state == ConnState::New)
            })
    };
    let mut chains: Vec<&Chain> = rules.chains.iter().filter(sees).collect();
    chains.sort_by_key(|chain| chain.base.as_ref().map_or(0, |base| base.priority));
    chains
}

/// How the packet leaves a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Discarded for certain, if it came to the chain.
    Dropped,
    /// Let through, at least by this base chain.
    Accepted,
    /// Back to the caller (at the base chain: to its policy).
    Falls,
    /// Back to the caller only if a rule matched of which it can't be told.
    FallsPerhaps,
}

struct Walk<'a, 'p> {
    rules: &'a Ruleset,
    packet: &'p Packet<'p>,
    found: Vec<Candidate<'a>>,
    steps: u32,
    /// Something that can't be told may have let the packet through, or past some rules.
    doubt: bool,
}

impl<'a> Walk<'a, '_> {
    fn base(&mut self, chain: &'a Chain) -> After {
        let Some(base) = &chain.base else { return After::Falls };
        // Where a listing doesn't name the interface of an ingress chain, it may be another's.
        let ours = base.hook != Hook::Ingress || (base.device.is_some() && self.packet.iif.is_some());
        let doubt = self.doubt;
        let after = self.chain(chain, ours, 0);
        // What another interface's chain may have done is none of this packet's.
        self.doubt = if ours { self.doubt } else { doubt };
        if matches!(after, After::Falls | After::FallsPerhaps) && base.drops {
            self.push(chain, None, Verdict::Drop, ours);
            return if ours { After::Dropped } else { After::Falls };
        }
        if ours || after != After::Dropped { after } else { After::Falls }
    }

    fn chain(&mut self, chain: &'a Chain, mut exact: bool, depth: usize) -> After {
        let mut returned = false;
        for rule in &chain.rules {
            if self.steps == 0 || depth > DEPTH_MAX {
                return After::FallsPerhaps;
            }
            self.steps -= 1;
            let packet = self.packet;
            let truth = rule.conditions.iter().map(|c| c.holds(packet)).fold(Truth::Yes, Truth::and);
            if truth == Truth::No {
                continue;
            }
            // A rule that discards, or asks on, saves nothing; any other that may match may have.
            let saves = !matches!(rule.action, Action::Continue | Action::Drop | Action::Reject);
            let doubtful = saves && (truth == Truth::Unknown || rule.action == Action::Opaque);
            let step = self.act(chain, rule, &rule.action, truth, exact, depth);
            self.doubt |= doubtful;
            match step {
                Step::On => {}
                Step::OnElsewhere => exact = false,
                Step::MayLeave => returned = true,
                Step::Leave(After::Falls) => return After::Falls,
                Step::Leave(after) => return if returned { After::FallsPerhaps } else { after },
            }
        }
        After::Falls
    }

    /// What a rule that matches (`truth`: or may) does.
    fn act(
        &mut self,
        chain: &'a Chain,
        rule: &'a Rule,
        action: &'a Action,
        truth: Truth,
        exact: bool,
        depth: usize,
    ) -> Step {
        let (sure, was_exact) = (truth == Truth::Yes, exact);
        let exact = exact && sure;
        match action {
            // Who takes a packet away may give it back elsewhere: what follows need not have met it.
            Action::Opaque if sure => Step::OnElsewhere,
            Action::Continue | Action::Opaque => Step::On,
            Action::Accept if sure => Step::Leave(After::Accepted),
            Action::Accept => Step::On,
            Action::Drop | Action::Reject => {
                let verdict = if *action == Action::Drop { Verdict::Drop } else { Verdict::Reject };
                self.push(chain, Some(rule), verdict, exact);
                if sure { Step::Leave(After::Dropped) } else { Step::On }
            }
            Action::Return if sure => Step::Leave(After::Falls),
            Action::Return => Step::MayLeave,
            Action::Jump(name) | Action::Goto(name) => {
                let Some(target) = self.rules.chain(chain, name) else { return Step::On };
                let after = self.chain(target, exact, depth + 1);
                match (after, matches!(action, Action::Goto(_)), sure) {
                    (After::Falls, true, true) | (After::FallsPerhaps, true, true) => Step::Leave(after),
                    (After::Falls | After::FallsPerhaps, true, false) => Step::MayLeave,
                    // Where a return may have saved the packet from a rule, what follows is as likely as that rule.
                    (After::Falls | After::FallsPerhaps, false, _) | (_, _, false) => Step::On,
                    (after, _, true) => Step::Leave(after),
                }
            }
            Action::Map { parts, entries, open } => {
                let mut step = Step::On;
                for (element, action) in entries.iter() {
                    let wild = matches!(**element, [Atom::Any]);
                    let matched = match matches_element(parts, element, self.packet) {
                        Truth::Yes if wild && *open => Truth::Unknown,
                        other => other,
                    };
                    if matched == Truth::No || matches!(action, Action::Map { .. }) {
                        continue;
                    }
                    let one = self.act(chain, rule, action, matched.and(truth), was_exact, depth);
                    self.doubt |= matched == Truth::Unknown;
                    if matched == Truth::Yes {
                        return one;
                    }
                    step = step.or(one);
                }
                step
            }
        }
    }

    fn push(&mut self, chain: &'a Chain, rule: Option<&'a Rule>, verdict: Verdict, exact: bool) {
        if self.found.len() < FOUND_MAX {
            self.found.push(Candidate { chain, rule, verdict, exact, reached: !self.doubt });
        }
    }
}

/// What comes after a rule.
enum Step {
    /// The next rule.
    On,
    /// The next rule, which the packet need not have met.
    OnElsewhere,
    /// Out of the chain.
    Leave(After),
    /// The next rule, or back to the caller.
    MayLeave,
}

impl Step {
    /// Either of two that may happen.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::MayLeave, _) | (_, Self::MayLeave) => Self::MayLeave,
            _ => Self::On,
        }
    }
}
