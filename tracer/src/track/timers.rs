//! Which timer ended a silence: TCP's own (RFC 6298 and Linux' sysctls), a keepalive's, the process's, or only ours.
use crate::base::{Side, Span};
use crate::event::{EndedBy, Evidence, Facts, Owed, Unanswered};

/// Linux gives a connection up after `tcp_retries2` (15) retries: 924.6 s and more, with its RTO between 0.2 and 120 s.
const RETRIES2: (u32, Span) = (15, Span::secs(600));
/// Linux gives an attempt up after `tcp_syn_retries` (6) repeats: 127 s.
const SYN_RETRIES: (u32, Span) = (6, Span::secs(100));

/// Who gave up, by which timer, and since when the other end was silent.
pub fn evidence(facts: &Facts, asks: Side, owed: &Unanswered) -> Option<Evidence> {
    let silent = asks.other();
    let spent = owed.last.at - owed.first.at;
    let said = facts.tcp[asks].fin.or(facts.tcp[asks].rst.map(|r| r.mark)).filter(|m| m.at > owed.first.at);
    let what = match (owed.owed, said) {
        (Owed::Syn | Owed::SynAck, _) if owed.repeats >= SYN_RETRIES.0 && spent >= SYN_RETRIES.1 => {
            format!("TCP of the {asks} gave up: tcp_syn_retries, {} repeats in {spent}", owed.repeats)
        }
        (Owed::Keepalive, _) => {
            let each = Span(spent.0 / i64::from(owed.repeats.max(1)));
            format!(
                "keepalive of the {asks}: {} probes, one every {each}, without an answer",
                owed.repeats + 1
            )
        }
        (Owed::Data | Owed::Fin, None) if owed.repeats >= RETRIES2.0 && spent >= RETRIES2.1 => {
            format!("TCP of the {asks} gave up: tcp_retries2, {} retries in {spent}", owed.repeats)
        }
        (Owed::Data, Some(mark)) => format!(
            "the process of the {asks} gave up {} after the first unanswered segment: a timer of its own, TCP was still trying",
            mark.at - owed.first.at
        ),
        (Owed::Data | Owed::Fin, None)
            if matches!(facts.ended_by, EndedBy::Silence(..)) && owed.repeats > 0 =>
        {
            format!(
                "no timer of the {asks} ended it before --idle-timeout did: TCP tries for 15 minutes (tcp_retries2)"
            )
        }
        _ => return None,
    };
    let heard = facts.tcp[silent].last.filter(|m| m.at <= owed.first.at && !m.is_kernel());
    let since = heard.map_or(String::new(), |m| {
        format!("; the {silent} was last heard {} before that began", owed.first.at - m.at)
    });
    Some(Evidence::packets(what + &since))
}
