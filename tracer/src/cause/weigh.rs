//! What weakens every verdict alike, in one place.
use super::Case;
use crate::base::Side;
use crate::event::{Handshake, Owed, Unanswered};

/// One weakness: what a verdict is multiplied by, and why.
pub struct Weakness {
    /// 0 to 1.
    pub factor: f64,
    /// For people.
    pub why: &'static str,
}

/// What all of them multiply to.
#[must_use]
pub fn factor(case: &Case<'_>) -> f64 {
    weaknesses(case).map(|w| w.factor).product()
}

/// Everything that makes this case hard to see.
pub fn weaknesses(case: &Case<'_>) -> impl Iterator<Item = Weakness> {
    let facts = case.facts;
    [
        (facts.capture_loss, 0.9, "the capture itself lost frames while this connection lived"),
        (
            facts.handshake == Handshake::Midstream,
            0.95,
            "observation began in the middle of the connection, its start was not seen",
        ),
        (facts.frameless(), 0.95, "only kernel records show this connection, no packets"),
        (one_sided(case) && !case.went_silent(), 0.7, "only one direction of the connection was captured"),
        (
            one_sided(case) && case.went_silent(),
            0.35,
            "only one direction of the connection was captured: that there was no answer isn't seen",
        ),
        (
            unrepeated(case),
            0.5,
            "what was never answered was sent once: TCP would have repeated it, so the answer may not have been captured",
        ),
        (!facts.roles_certain, 0.85, "which end is the server is a guess"),
        (
            Side::BOTH.iter().any(|&s| facts.tcp[s].missing_bytes > 0) && !facts.capture_loss,
            0.95,
            "some bytes were never captured",
        ),
        (
            case.last_words_unseen(),
            0.9,
            "what was said right before the end was not captured whole, a reason may have stood there",
        ),
        (
            hop_unseen(case),
            0.9,
            "a proxy or NAT stands between client and server, and what came to its other side was not captured",
        ),
        (
            hop_likely(case),
            0.92,
            "a proxy or balancer may stand between client and server: what is told of the server may be its doing",
        ),
    ]
    .into_iter()
    .filter(|(applies, ..)| *applies)
    .map(|(_, factor, why)| Weakness { factor, why })
}

/// The goodbye on this leg may be that of what stands between; a server that says why has spoken itself.
fn hop_unseen(case: &Case<'_>) -> bool {
    case.shows_hop() && case.around.other_leg.is_none() && case.closed_by().is_some() && !case.is_told()
}

/// Data without an answer that its sender never repeated, though the input went on for long.
fn unrepeated(case: &Case<'_>) -> bool {
    let once = |u: &Unanswered| u.owed == Owed::Data && u.repeats == 0;
    case.went_silent() && !case.facts.frameless() && case.tcp_debt().is_some_and(|(_, u)| once(u))
}

/// What closed in the server's name, without a word, may be the hop that something hints at.
fn hop_likely(case: &Case<'_>) -> bool {
    case.closed_by() == Some(Side::Server) && !case.is_told() && case.hints_at_hop().is_some()
}

/// One end was never seen although the connection was established; a SYN without an answer is no such case.
fn one_sided(case: &Case<'_>) -> bool {
    Side::BOTH.iter().any(|&s| case.never_captured(s))
}

/// The confidence as it is reported: two digits, never certain, never none.
#[must_use]
pub fn reported(confidence: f64) -> f64 {
    if !confidence.is_finite() {
        return 0.01;
    }
    // As f64::round, which is a call where the processor may lack an instruction for it.
    let hundredths = confidence.clamp(0.0, 1.0) * 100.0;
    let whole = f64::from(hundredths as u32);
    let rounded = if hundredths - whole >= 0.5 { whole + 1.0 } else { whole };
    (rounded / 100.0).clamp(0.01, 0.99)
}

#[cfg(test)]
mod tests {
    use super::reported;

    #[test]
    fn two_digits() {
        for thousandths in -500..1_500 {
            for near in [-1e-9, 0.0, 1e-9] {
                let confidence = f64::from(thousandths) / 1000.0 + near;
                let rounded = (confidence * 100.0).round() / 100.0;
                assert_eq!(reported(confidence), rounded.clamp(0.01, 0.99), "{confidence}");
            }
        }
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(reported(odd), 0.01);
        }
    }
}
