//! All rules run over one case; the strongest wins, the rest become `also`.
use super::weigh::{factor, reported, weaknesses};
use super::{Case, Finding, Judgement, NEEDS, RULES, Rule, Symptoms, aftermath, known_bug, seen, unknown};
use crate::base::Side;
use crate::event::{Cause, Evidence, Source};

/// A verdict below this names no family: `unknown` takes its place.
const CERTAIN_ENOUGH: f64 = 0.3;
/// What is less likely is not worth telling.
const WORTH_TELLING: f64 = 0.1;
/// How many other causes are told.
const ALSO: usize = 4;
/// How much evidence is told.
const EVIDENCE: usize = 6;

/// Causes whose words tell of others at the same time.
const TELL_OF_A_CROWD: [&str; 4] =
    ["stale_server", "accept_queue_overflow", "connect_timeout", "reconnect_storm"];

/// Which cause it is, and how sure: what can be counted and chosen by before a word is said.
pub struct Verdict {
    rule: &'static Rule,
    confidence: f64,
    also: Vec<(&'static str, f64)>,
    /// The sign of a known defect shows.
    defect: bool,
    /// Something makes the case hard to see.
    weak: bool,
}

/// Why this connection ended, with its texts. Never empty-handed: `unknown` with what was seen where no rule is certain
/// enough.
#[must_use]
pub fn judge(case: &Case<'_>) -> Cause {
    weigh(case).say(case)
}

/// All rules that may fire look at the case; the strongest wins.
#[must_use]
pub fn weigh(case: &Case<'_>) -> Verdict {
    let case = Case { speaks: false, ..*case };
    let factor = factor(&case);
    let symptoms = Symptoms::of(&case);
    debug_assert!(fires_in_vain(&case, symptoms).is_none(), "{:?}", fires_in_vain(&case, symptoms));
    let mut best: Option<Verdict> = None;
    let mut rest = Vec::with_capacity(ALSO);
    let mut defect = false;
    for rule in symptoms.call() {
        let Judgement::Yes(finding) = (rule.judge)(&case) else { continue };
        defect |= std::ptr::eq(rule, &known_bug::RULE);
        let confidence = reported(finding.confidence * factor);
        // Of equals, the earlier in the list stays first.
        if best.as_ref().is_some_and(|best| best.confidence >= confidence) {
            rest.push((rule.code, confidence));
            continue;
        }
        let mut found = Verdict::of(rule, finding);
        found.confidence = confidence;
        found.also.iter_mut().for_each(|a| a.1 = reported(a.1 * factor));
        if let Some(second) = best.replace(found) {
            rest.insert(0, (second.rule.code, second.confidence));
        }
    }
    if best.as_ref().is_none_or(|best| best.confidence < CERTAIN_ENOUGH)
        && let Judgement::Yes(finding) = (unknown::RULE.judge)(&case)
        && let Some(second) = best.replace(Verdict::of(&unknown::RULE, finding))
    {
        rest.insert(0, (second.rule.code, second.confidence));
    }
    let winner = best.unwrap_or_else(|| Verdict::of(&unknown::RULE, Finding::new(0.01, "")));
    let also = others(&winner, rest);
    Verdict { confidence: reported(winner.confidence), also, defect, weak: factor < 1.0, ..winner }
}

/// A rule that fires without one of the symptoms it says it needs: it would not have been asked. There is none; `unknown` is asked
/// where no other is certain.
#[must_use]
pub fn fires_in_vain(case: &Case<'_>, symptoms: Symptoms) -> Option<&'static str> {
    let not_asked =
        RULES.iter().zip(NEEDS).filter(|(_, needs)| !symptoms.meet(**needs)).map(|(rule, _)| *rule);
    let mut others = not_asked.filter(|rule| !std::ptr::eq(*rule, &unknown::RULE));
    others.find(|rule| matches!((rule.judge)(case), Judgement::Yes(_))).map(|rule| rule.code)
}

impl Verdict {
    /// What a rule says, without its words.
    fn of(rule: &'static Rule, finding: Finding) -> Self {
        Self { rule, confidence: finding.confidence, also: finding.also, defect: false, weak: false }
    }

    /// The cause's code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.rule.code
    }

    /// Whether its words tell of others at the same time: how late the server answers them (`Around::info_latency`,
    /// `pong_latency`), or that they came together (`Around::herd`). Neither is weighed, so both are found for these alone.
    #[must_use]
    pub fn tells_of_a_crowd(&self) -> bool {
        TELL_OF_A_CROWD.contains(&self.rule.code)
    }

    /// A cause that nobody reads.
    #[must_use]
    pub fn mute(self) -> Cause {
        Cause {
            code: self.rule.code,
            family: self.rule.family,
            summary: String::new(),
            confidence: self.confidence,
            evidence: Vec::new(),
            fix: Vec::new(),
            also: self.also,
            why_not: Vec::new(),
        }
    }

    /// The same in words. `case` is the one that was weighed.
    #[must_use]
    pub fn say(self, case: &Case<'_>) -> Cause {
        let finding = match (self.rule.judge)(case) {
            Judgement::Yes(finding) => finding,
            Judgement::No => Finding::new(self.confidence, seen::summary(case)),
        };
        let by_server = case.closed_by() == Some(Side::Server);
        let hinted = || if by_server { case.hints_at_hop() } else { None };
        let between = case.around.other_leg.is_none().then(|| case.between().or_else(hinted)).flatten();
        let mut why_not = finding.why_not;
        why_not.extend(case.no_local_filter());
        if self.weak {
            why_not.extend(weaknesses(case).map(|w| format!("less sure than it could be: {}", w.why).into()));
        }
        let mut cause = Cause {
            code: self.rule.code,
            family: self.rule.family,
            summary: finding.summary,
            confidence: self.confidence,
            evidence: evidence(case, finding.evidence, between),
            fix: finding.fix,
            also: self.also,
            why_not,
        };
        aftermath::complete(case, &mut cause, self.defect);
        cause
    }
}

/// Other causes that would fit: those of the other rules, and those the winner names itself.
fn others(winner: &Verdict, rest: Vec<(&'static str, f64)>) -> Vec<(&'static str, f64)> {
    let mut also = rest;
    also.sort_by(|a, b| b.1.total_cmp(&a.1));
    let tells = |(code, confidence): &(&str, f64)| *confidence >= WORTH_TELLING && *code != winner.rule.code;
    also.retain(tells);
    for (code, confidence) in winner.also.iter().copied().filter(tells) {
        match also.iter_mut().find(|a| a.0 == code) {
            Some(known) => known.1 = known.1.max(confidence),
            None => also.push((code, confidence)),
        }
    }
    // What is only an alternative is never told as likelier than the verdict.
    also.iter_mut().for_each(|a| a.1 = a.1.min(winner.confidence));
    also.sort_by(|a, b| b.1.total_cmp(&a.1));
    also.truncate(ALSO);
    also
}

/// The rule's evidence, behind it the close's own; never empty.
fn evidence(case: &Case<'_>, own: Vec<Evidence>, between: Option<Evidence>) -> Vec<Evidence> {
    let mut all = own;
    let mut next = 1;
    while let Some((before, [item, ..])) = all.split_at_checked(next) {
        if is_among(item, before) {
            all.remove(next);
        } else {
            next += 1;
        }
    }
    for item in &case.close.evidence {
        if !is_among(item, &all) {
            all.push(item.clone());
        }
    }
    all.extend(between.filter(|item| !is_among(item, &all)));
    if all.is_empty() {
        all = seen::generic(case);
    }
    if case.facts.frameless() {
        all.iter_mut().filter(|e| e.source == Source::Packet).for_each(|e| e.source = Source::Kernel);
    }
    if all.len() <= EVIDENCE {
        return all;
    }
    // What the kernel or the host says is never pushed out by packets.
    let told = |e: &Evidence| e.source != Source::Packet;
    let mut packets = EVIDENCE.saturating_sub(all.iter().filter(|e| told(e)).count()).max(1);
    all.retain(|e| {
        let keep = told(e) || packets > 0;
        packets = packets.saturating_sub(usize::from(!told(e)));
        keep
    });
    all.truncate(EVIDENCE);
    all
}

/// The same text, or the same frame, stands there already.
fn is_among(item: &Evidence, others: &[Evidence]) -> bool {
    others.iter().any(|e| (item.frame.is_some() && e.frame == item.frame) || e.text == item.text)
}
