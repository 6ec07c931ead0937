//! `client_closed`: the client closed in good order or by its own choice.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "client_closed",
    family: Family::Normal,
    title: "the client closed in good order or by its own choice",
    explain: EXPLAIN,
    needs: &[Symptom::ClientLeft, Symptom::Tls],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the application closed its connection (close, drain, end of a command-line call).
Nothing failed.

On the wire:
- the client's FIN comes first, in sequence; the server answers with its own FIN within a
  millisecond
- after a drain: UNSUB of every subscription, PING, PONG, FIN
- no -ERR before it, no unanswered PING, nothing half sent
- nats.c sends FIN and then RST 0.3 ms later; jnats may send RST alone on a forced close
- over WebSocket: close frame 1000; over MQTT: DISCONNECT

What else it could be:
- client_process_exit: RST instead of FIN, a message cut in the middle, several connections of one
  host at once
- stale_server: the FIN follows two PINGs that the server never answered
- connect_timeout: the client left before the server said INFO
- a liveness probe or port check: a connection without a single byte from the client

Fix: none needed if it was meant. If not:
1. look in the client's log for a close at that time; the close handler of the library tells the
   last error
2. in Go and C the library closes for good after some -ERR texts: see `nats.errors` of the close

Check next: did the same client come back (`reconnect`)? A client that redials at once did not mean
to leave.
";

/// As sure as this, or more, where the client's own last words show that it meant to leave.
const SAID: f64 = 0.85;

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    if let Some(finding) = said_close_notify(case) {
        return Yes(finding);
    }
    let java_abort = case.close.kind == Kind::Rst && case.lang() == "java";
    if case.ended_by(Side::Client) && case.attempt_failed() {
        return half_open(case).map_or(No, Yes);
    }
    if let Some(finding) = aborted(case) {
        return Yes(finding);
    }
    if !case.ended_by(Side::Client) || case.is_told() || (case.close.kind == Kind::Rst && !java_abort) {
        return No;
    }
    let client = case.client();
    let silent = nats.first_byte.client.is_none() && nats.connect.is_none() && nats.pubs == 0;
    if silent && case.facts.handshake == Handshake::Complete && !case.facts.unread() {
        return Yes(never_spoke(case));
    }
    let (mut confidence, how) = how(case, java_abort);
    // What it said itself (drain, close frame, DISCONNECT) needs no silence of the server.
    if confidence < SAID {
        confidence = case.if_none_was_said(confidence);
        let shaking = nats.tls.as_ref().is_some_and(|tls| tls.server_hello.is_some() && !tls.established);
        if case.left_unanswered() || shaking {
            confidence = confidence.min(0.25);
        }
    }
    if !case.speaks {
        return Yes(Finding::new(confidence, ""));
    }
    let goodbye = case.goodbye_evidence(Side::Client);
    let mut finding =
        Finding::new(confidence, say!(case, [client, " closed its connection to ", case.server(), " ", how]))
            .because(goodbye)
            .why_not("not the server: it said no -ERR and did not close first");
    finding.why_not.extend(case.network_fine());
    if case.around.reconnect.as_ref().is_some_and(|r| r.attempts > 0) {
        finding = finding.fix(say!(
            case,
            "the client came back, so it did not mean to leave for good: look in the log of {client} for why it closed"
        ));
    }
    Yes(finding)
}

/// The client's process lives and its kernel says why it sent a reset: it closed in a way that makes one.
fn aborted(case: &Case<'_>) -> Option<Finding> {
    if !case.ended_by(Side::Client) || case.is_told() || case.died_with(Side::Client).is_some() {
        return None;
    }
    let (confidence, how) = match case.reset_reason(Side::Client).filter(|_| case.close.kind == Kind::Rst)? {
        // Linux 6.18 gives TCP_STATE for close() with linger 0, in tcp_disconnect().
        "TCP_ABORT_ON_LINGER" | "TCP_STATE" => (0.93, "by an abort (SO_LINGER with 0): what it had not sent yet is thrown away"),
        "TCP_ABORT_ON_CLOSE" => (0.8, "with messages unread: its kernel resets instead of saying goodbye"),
        _ => return None,
    };
    let mut finding =
        Finding::new(confidence, say!(case, "{} closed its connection to {} {how}", case.client(), case.server()))
            .because(case.goodbye_evidence(Side::Client))
            .fix("let the client drain its connection before it closes: what was under way is lost by an abort")
            .why_not("not a firewall or a forged reset: the client's own TCP made it");
    finding.why_not.extend(case.network_fine());
    Some(finding)
}

/// SYN, SYN-ACK, RST at once: a port scan or a health check that stops half way.
fn half_open(case: &Case<'_>) -> Option<Finding> {
    let prompt = case.facts.syn_to_synack.is_some_and(|s| s < Span::millis(500));
    let rst = case.facts.tcp.client.rst.filter(|_| case.facts.handshake == Handshake::Incomplete && prompt)?;
    Some(
        Finding::new(0.6, say!(case, "{} looked whether {} listens and left (half-open probe)", case.client(), case.server()))
            .because([Evidence::packet(rst.mark, "RST right after the SYN-ACK")])
            .why_not("not the server: it answered at once"),
    )
}

/// A TLS client may say goodbye inside TLS alone and leave the first FIN to the server.
fn said_close_notify(case: &Case<'_>) -> Option<Finding> {
    let tls = case.facts.nats.tls.as_ref().filter(|tls| tls.established)?;
    let (_, mark) = tls.first_notify.filter(|(side, _)| *side == Side::Client)?;
    let soon = case.ended_at() - mark.at < Span::secs(1);
    if !case.ended_by(Side::Server) || case.is_told() || case.close.kind == Kind::Rst || !soon {
        return None;
    }
    let summary = say!(case, "{} closed its connection to {}: it ended TLS first, the server's FIN answered", case.client(), case.server());
    Some(
        Finding::new(case.if_none_was_said(0.92), summary)
            .because([Evidence::packet(mark, "a TLS record of close_notify's size from the client, right before the server's FIN")])
            .because(case.goodbye_evidence(Side::Server))
            .why_not("not the server: its FIN came in answer to the client's goodbye"),
    )
}

/// How sure, and in what order it was done.
fn how(case: &Case<'_>, java_abort: bool) -> (f64, &'static str) {
    let nats = &case.facts.nats;
    if nats.ws_close.client.as_ref().is_some_and(|c| c.code == 1000) {
        return (0.96, "with a WebSocket close (1000)");
    }
    if nats.mqtt.as_ref().is_some_and(|m| m.disconnect) {
        return (0.97, "with an MQTT DISCONNECT");
    }
    if case.held_up_pings().is_some() {
        return (0.3, "after PINGs that could not leave");
    }
    if case.left_after_pings() {
        return (0.2, "after PINGs without an answer");
    }
    if case.struggled() && case.close.kind == Kind::Fin && nats.pings.client.unanswered == 0 {
        return (0.6, "while the path lost much");
    }
    if nats.pings.client.unanswered > 0 && case.facts.loses().is_some() {
        return (0.4, "over a path that lost its PING or the PONG");
    }
    if nats.cut_mid_message.client {
        return (0.2, "in the middle of a message");
    }
    if case.never_accepted() && nats.connect.is_some() {
        return (0.35, "before the server took it");
    }
    if java_abort {
        return (0.5, "by a forced close (jnats resets on purpose)");
    }
    // Who closes several at once may end as a whole, and what dials for several may be a proxy.
    let together = case.around.client_closed_others;
    if nats.drained {
        return (0.95, "in good order, after a drain");
    }
    if nats.tls.as_ref().is_some_and(|t| t.close_notify.client) {
        return (0.88, "in good order, with close_notify");
    }
    // So does the kernel of a client that was killed.
    if case.tls_up() {
        return (0.65, "without a goodbye inside TLS");
    }
    // A client that leaves by its own choice does not come back; a proxy in its place dials for the same client again.
    let came_back = case.around.reconnect.as_ref().is_some_and(|r| r.attempts > 0);
    match (together, came_back) {
        _ if nats.at_risk.deliveries > 0 => (0.5, "with messages still under way"),
        (2.., _) => (0.5, "together with others of its host"),
        (1, _) => (0.72, "together with another one of its host"),
        (0, true) => (0.75, "in good order"),
        // Without INFO's client_ip nobody knows whether a proxy dialled for it.
        (0, false) if nats.info.is_none() => (0.75, "in good order"),
        (0, false) => (0.8, "in good order"),
    }
}

fn never_spoke(case: &Case<'_>) -> Finding {
    let quick = case.age() < Span::millis(100);
    let what = if quick { "looks like a health check or a port scan" } else { "a check that waits, or a client that gave up" };
    Finding::new(
        if quick { 0.75 } else { 0.35 },
        say!(case, "{} opened a connection to {}, said nothing and closed it {} later: {what}", case.client(), case.server(), case.age()),
    )
    .because(case.goodbye_evidence(Side::Client))
    .fix("point TCP health checks at the monitoring port (`http: 8222`, `/healthz`) if these closes disturb")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().fires(),
        || Scene::new().with(|s| s.facts.nats.drained = true).fires(),
        || Scene::new().mute().ends_at(Kind::Fin, Party::Client, 5).fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
        || Scene::new().tls(|t| (t.established, t.close_notify.client) = (true, true)).fires(),
        || Scene::new().tls(|t| t.established = true).fires(),
        || Scene::new().error("Authorization Violation").silent(),
        // Right before it the server said something that nobody can read, long enough for a reason or not.
        || Scene::new().with(|s| s.facts.nats.unseen.server = unseen(32, END - 3)).silent(),
        || Scene::new().with(|s| s.facts.nats.unseen.server = unseen(6, END - 3)).fires(),
    ];
}
