//! What the server said: `-ERR` texts (old spellings too), WebSocket close reasons and the reasons of its closed list, each
//! with the code it means. Texts: nats-server `server/errors.go`, `server/monitor.go`, tags 0.9.6 to 2.15.
use super::Case;
use crate::base::{Side, Span};
use crate::event::{Evidence, Kind, Owed, Protocol, Source};
use crate::nats::CUT;

/// Whether the server closes after a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closes {
    /// Always.
    Yes,
    /// On leaf links alone; a client stays connected.
    OnLeaf,
    /// Where the limit was lowered under a living connection; the FIN follows 20 ms later.
    WhenLowered,
    /// Never.
    No,
}

/// Beginnings of `-ERR` texts in lower case, what they mean and whether they close. The longer of two with the same
/// beginning comes first.
const TEXTS: &[(&str, &str, Closes)] = &[
    ("authorization violation", "authorization_violation", Closes::Yes),
    ("failed account registration", "authorization_violation", Closes::Yes),
    ("authentication timeout", "auth_timeout", Closes::Yes),
    ("authorization timeout", "auth_timeout", Closes::Yes),
    ("user authentication expired", "auth_expired", Closes::Yes),
    ("account authentication expired", "auth_expired", Closes::Yes),
    ("user authentication revoked", "auth_revoked", Closes::Yes),
    ("maximum account active connections exceeded", "account_max_connections", Closes::Yes),
    ("maximum connections exceeded", "max_connections", Closes::Yes),
    ("connection throttling is active", "connection_throttled", Closes::Yes),
    ("maximum subscriptions exceeded", "max_subscriptions", Closes::WhenLowered),
    ("maximum payload violation", "max_payload_exceeded", Closes::Yes),
    ("maximum payload exceeded", "max_payload_exceeded", Closes::Yes),
    ("maximum control line exceeded", "protocol_error", Closes::Yes),
    ("invalid subject", "protocol_error", Closes::No),
    ("invalid publish subject", "protocol_error", Closes::No),
    ("invalid subscription", "protocol_error", Closes::No),
    ("permissions violation", "authorization_violation", Closes::OnLeaf),
    ("stale connection", "stale_client", Closes::Yes),
    ("stale leaf node connection", "stale_client", Closes::Yes),
    ("slow consumer", "slow_consumer", Closes::Yes),
    ("unknown protocol operation", "protocol_error", Closes::Yes),
    ("parser error", "protocol_error", Closes::Yes),
    ("invalid client protocol", "protocol_error", Closes::Yes),
    ("no responders requires headers support", "protocol_error", Closes::Yes),
    ("message headers not supported", "protocol_error", Closes::Yes),
    ("account absent from receive-all-subscriptions", "protocol_error", Closes::Yes),
    ("secure connection - tls required", "tls_required", Closes::Yes),
    ("attempted to connect to", "wrong_port", Closes::Yes),
    ("attempt to connect to gateway", "wrong_port", Closes::Yes),
    ("rejecting connection from gateway", "wrong_port", Closes::Yes),
    ("rejecting connection, cluster name", "cluster_conflict", Closes::Yes),
    ("connection to gateway", "cluster_conflict", Closes::Yes),
    ("connection from ", "cluster_conflict", Closes::Yes),
    ("unable to lookup account", "cluster_conflict", Closes::Yes),
    ("no route for account", "cluster_conflict", Closes::Yes),
    ("not possible to have a dedicated route", "cluster_conflict", Closes::Yes),
    ("invalid route pool index", "cluster_conflict", Closes::Yes),
    ("route pool index should not be set", "cluster_conflict", Closes::Yes),
    ("unsupported route compression mode", "cluster_conflict", Closes::Yes),
    ("loop detected for leafnode", "cluster_conflict", Closes::Yes),
    ("duplicate remote leafnode connection", "cluster_conflict", Closes::Yes),
    ("remote leafnode has same cluster name", "cluster_conflict", Closes::Yes),
    ("cluster name cannot contain spaces", "cluster_conflict", Closes::Yes),
    ("connection rejected since minimum version", "cluster_conflict", Closes::Yes),
];

/// Reasons of the server's closed list in lower case (also the body of a WebSocket close), and what they mean.
/// `Client Closed`, `Read Error`, `Write Error` and `Internal Client` say nothing.
const REASONS: &[(&str, &str)] = &[
    ("authentication timeout", "auth_timeout"),
    ("authentication failure", "authorization_violation"),
    ("tls handshake failure", "tls_handshake_failed"),
    ("slow consumer (pending bytes)", "slow_consumer"),
    ("slow consumer (write deadline)", "slow_consumer"),
    ("parse error", "protocol_error"),
    ("stale connection", "stale_client"),
    ("protocol violation", "protocol_error"),
    ("bad client protocol version", "protocol_error"),
    ("incorrect port", "wrong_port"),
    ("maximum account connections exceeded", "account_max_connections"),
    ("maximum connections exceeded", "max_connections"),
    ("maximum message payload exceeded", "max_payload_exceeded"),
    ("maximum control line exceeded", "protocol_error"),
    ("maximum subscriptions exceeded", "max_subscriptions"),
    ("duplicate route", "cluster_conflict"),
    ("route removed", "kicked"),
    ("server shutdown", "server_shutdown"),
    ("authentication expired", "auth_expired"),
    ("wrong gateway", "cluster_conflict"),
    ("missing account", "cluster_conflict"),
    ("credentials revoked", "auth_revoked"),
    ("message header violation", "protocol_error"),
    ("no responders requires headers", "protocol_error"),
    ("cluster name conflict", "cluster_conflict"),
    ("duplicate remote leafnode connection", "cluster_conflict"),
    ("duplicate client id", "duplicate_client"),
    ("duplicate server name", "cluster_conflict"),
    ("minimum version required", "cluster_conflict"),
    ("cluster names identical", "cluster_conflict"),
    ("kicked", "kicked"),
    ("proxy not trusted", "authorization_violation"),
    ("proxy required", "authorization_violation"),
    (LAME_DUCK, "server_lame_duck"),
    (CRASHED, "server_crashed"),
];

/// What a log says of a server that was leaving gently as it closed; in lower case.
pub const LAME_DUCK: &str = "lame duck mode";
/// What a log says of a server that started again without having stopped; in lower case.
pub const CRASHED: &str = "started without a shutdown before";

/// What an `-ERR` text means: its code, and whether the server closes after it.
#[must_use]
pub fn meaning(text: &str) -> Option<(&'static str, Closes)> {
    let text = text.trim().trim_matches('\'').to_ascii_lowercase();
    if let Some(cut) = text.strip_suffix(CUT) {
        return meaning_of_cut(cut);
    }
    TEXTS.iter().find(|(start, ..)| text.starts_with(start)).map(|&(_, code, closes)| (code, closes))
}

/// What a text means of which only the beginning was captured: all that begin so must mean the same.
fn meaning_of_cut(cut: &str) -> Option<(&'static str, Closes)> {
    let mut fits =
        TEXTS.iter().filter(|(start, ..)| cut.starts_with(start) || cut.len() >= 4 && start.starts_with(cut));
    let &(_, code, closes) = fits.next()?;
    fits.all(|other| other.1 == code).then_some((code, closes))
}

/// What a reason of the closed list, or of a WebSocket close, means.
#[must_use]
pub fn reason(text: &str) -> Option<&'static str> {
    let text = text.trim().to_ascii_lowercase();
    REASONS
        .iter()
        .find(|(start, _)| text.starts_with(start))
        .map(|&(_, code)| code)
        .or_else(|| meaning(&text).filter(|m| m.1 == Closes::Yes).map(|m| m.0))
}

/// A reason in an end's own words.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it means.
    pub code: &'static str,
    /// The words.
    pub text: String,
    /// How sure that they are the reason.
    pub confidence: f64,
    /// Where they stand.
    pub evidence: Evidence,
}

/// The reason, if it is this code.
#[must_use]
#[inline]
pub fn told(case: &Case<'_>, code: &str) -> Option<Told> {
    if !may_be_told(case) {
        return None;
    }
    reason_of(case).filter(|t| t.code == code)
}

/// Something was said that may be a reason: most connections end without a word, and nearly every rule asks for one.
#[must_use]
#[inline]
pub fn may_be_told(case: &Case<'_>) -> bool {
    let nats = &case.facts.nats;
    !nats.errors.is_empty() || nats.ws_close.server.is_some() || case.around.server_reason.is_some()
}

/// Whether there is a reason in the server's own words.
#[must_use]
#[inline]
pub fn is_told(case: &Case<'_>) -> bool {
    may_be_told(case) && reason_of(case).is_some()
}

/// The reason in the server's own words, where it gave one: `-ERR` right before the end, a WebSocket close, its monitoring
/// or log.
#[must_use]
pub fn reason_of(case: &Case<'_>) -> Option<Told> {
    from_error(case).or_else(|| from_websocket(case)).or_else(|| from_monitoring(case))
}

fn from_error(case: &Case<'_>) -> Option<Told> {
    let errors = &case.facts.nats.errors;
    let end = case.ended_at();
    errors.iter().rev().find_map(|error| {
        let (code, closes) = meaning(&error.text)?;
        // Between servers either end may give up: one that dialled says so of the one that was dialled.
        let code = match (error.from, code) {
            (Side::Client, _) if !case.is_server_link() => return None,
            (Side::Client, "stale_client") => "stale_server",
            _ => code,
        };
        // Of a FIN that was not captured only its acknowledgement tells the time, which may be late: its last words are its last.
        let tcp = &case.facts.tcp[error.from];
        let last = tcp.fin_unseen && tcp.last_data.is_none_or(|d| d.at <= error.mark.at);
        let gap = if last { (end - error.mark.at).min(Span::secs(1)) } else { end - error.mark.at };
        if gap > Span::secs(1) || gap < Span::secs(-1) || never_arrived(case, error.from, error.mark.at) {
            return None;
        }
        let close = gap <= Span::millis(100);
        let confidence = match closes {
            Closes::Yes => {
                if close {
                    0.98
                } else {
                    0.94
                }
            }
            Closes::OnLeaf if case.facts.nats.protocol == Protocol::Leafnode => 0.95,
            // A SUB over the limit gets the same text and stays: only a server's own FIN right behind it is the limit.
            Closes::WhenLowered if case.ended_by(Side::Server) => {
                if close {
                    0.95
                } else {
                    0.6
                }
            }
            // Go and C clients close for good on an -ERR they don't know.
            Closes::WhenLowered if case.ended_by(Side::Client) && close => 0.75,
            _ => return None,
        };
        let text = clean(&error.text);
        let evidence = Evidence::packet(
            error.mark,
            say!(case, "-ERR '{text}' from the {}, {} before the end", error.from, Span(gap.0.max(0))),
        );
        Some(Told { code, text, confidence, evidence })
    })
}

/// An -ERR sent into a dead path was told to nobody: the path is the reason.
fn never_arrived(case: &Case<'_>, from: Side, at: crate::base::Timestamp) -> bool {
    matches!(case.close.kind, Kind::Timeout | Kind::FirewallDrop)
        && case.facts.tcp[from]
            .unanswered
            .is_some_and(|u| matches!(u.owed, Owed::Data | Owed::Fin) && u.first.at <= at)
}

fn from_websocket(case: &Case<'_>) -> Option<Told> {
    let close = case.facts.nats.ws_close.server.as_ref()?;
    // The server echoes the client's close.
    if case.facts.nats.ws_close.client.as_ref().is_some_and(|c| c.mark.at <= close.mark.at) {
        return None;
    }
    let text = clean(&close.reason);
    let code = reason(&text)?;
    let evidence =
        Evidence::packet(close.mark, say!(case, "WebSocket close {} '{text}' from the server", close.code));
    Some(Told { code, text, confidence: 0.97, evidence })
}

fn from_monitoring(case: &Case<'_>) -> Option<Told> {
    let said = case.around.server_reason.as_ref()?;
    let text = clean(&said.text);
    let code = reason(&text)?;
    // It gave up on a client it could not reach: the path is the reason.
    if matches!(code, "stale_client" | "slow_consumer") && never_arrived(case, Side::Server, case.ended_at())
    {
        return None;
    }
    let words = if said.stands.is_empty() {
        say!(case, "the server's own record of this connection says '{text}'")
    } else {
        clean(&said.stands)
    };
    let evidence = Evidence { at: said.at, frame: None, source: Source::Server, text: words.into() };
    Some(Told { code, text, confidence: 0.97, evidence })
}

/// Printable and short.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_spellings() {
        for (text, code) in [
            ("Authorization Violation", "authorization_violation"),
            ("authorization timeout", "auth_timeout"),
            ("Maximum Connections Exceeded", "max_connections"),
            ("maximum connections exceeded", "max_connections"),
            ("Maximum Control Line Exceeded", "protocol_error"),
            ("Attempted To Connect To Route Port", "wrong_port"),
            ("attempted to connect to leaf node port", "wrong_port"),
            ("Invalid Client Protocol", "protocol_error"),
            ("Parser Error", "protocol_error"),
            ("Rejecting connection, cluster name \"A\" does not match \"B\"", "cluster_conflict"),
            ("Stale Leaf Node Connection - Closing", "stale_client"),
        ] {
            assert_eq!(meaning(text), Some((code, Closes::Yes)), "{text}");
        }
        assert_eq!(meaning("Invalid Subject").map(|m| m.1), Some(Closes::No));
        assert_eq!(meaning("Permissions Violation for Publish to \"a\"").map(|m| m.1), Some(Closes::OnLeaf));
        assert_eq!(meaning("something new"), None);
    }

    #[test]
    fn cut_texts() {
        for (text, code) in [
            ("Authorization Viol…", Some("authorization_violation")),
            ("authorization t…", Some("auth_timeout")),
            ("Authorization …", None),
            ("Maximum…", None),
            ("maximum s…", Some("max_subscriptions")),
            ("Attempted To Connect To Route Po…", Some("wrong_port")),
            ("Sta…", None),
            ("Stale Con…", Some("stale_client")),
            ("…", None),
        ] {
            assert_eq!(meaning(text).map(|m| m.0), code, "{text}");
        }
    }

    #[test]
    fn every_code_has_a_rule() {
        for code in TEXTS.iter().map(|t| t.1).chain(REASONS.iter().map(|r| r.1)) {
            assert!(crate::cause::rule(code).is_some(), "{code}");
        }
        assert_eq!(reason("Slow Consumer (Write Deadline)"), Some("slow_consumer"));
        assert_eq!(reason("Client Closed"), None);
        assert_eq!(reason("Invalid Subject"), None);
    }
}
