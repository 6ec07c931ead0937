//! `server_shutdown`: stopped in good order.
use super::prelude::*;
use super::{server_crashed, slow_consumer};

/// The rule.
pub static RULE: Rule = Rule {
    code: "server_shutdown",
    family: Family::ServerShutdown,
    title: "the server stopped in good order (offline also when stop and crash can't be told apart)",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::Leaving],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: nats-server was stopped (SIGTERM, SIGINT, `--signal quit`, a package update, a container
stop).

On the wire:
- FIN to every client within about a millisecond, no -ERR
- new SYNs are refused: the listener is already closed
- TLS: close_notify before the FIN; WebSocket: close 1001 `Server Shutdown`
- pending pull requests get status `409 Server Shutdown` about 50 ms before
- clients of its cluster mates get INFO with fewer connect_urls
- afterwards another server_id on the same address: it was restarted

What else it could be:
- server_crashed: on plain connections a killed process looks the same (its kernel sends the FINs);
  without close_notify, without WebSocket close, with RSTs on busy connections it is a crash
- server_lame_duck: announced by INFO ldm, closed one by one
- kicked: only this connection, the others go on

Fix, to make it harmless:
1. stop with lame duck: `nats-server --signal ldm` (clients move away over `lame_duck_duration`,
   default 2m)
2. run three or more servers in a cluster; clients learn all addresses and go on elsewhere
3. clients: allow reconnects without limit, keep the reconnect buffer

Check next: the server's log: `Trapped \"terminated\" signal`, `Initiating Shutdown...`, `Server
Exiting..`. Those lines missing before the next `Starting nats-server` mean a crash.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let nats = &case.facts.nats;
    let announced = nats.server_shutdown_status.filter(|m| case.ended_at() - m.at < Span::secs(5));
    if let Some(told) = server_error::told(case, "server_shutdown") {
        let lame = nats.lame_duck.is_some();
        let confidence = if lame { 0.5 } else { told.confidence };
        return Yes(finish(case, confidence, say!(case, "{server} was stopped and said so to {client} ('{}')", told.text))
            .because([told.evidence]));
    }
    if case.is_told() || !(case.ended_by(Side::Server) || announced.is_some()) || case.attempt_failed() {
        return No;
    }
    let around = case.around;
    if let Some(finding) = asked(case) {
        return Yes(finding);
    }
    let together = around.server_closed_others > 0;
    let gone = around.refused.is_some();
    let restarted = around.server_id_changed == Some(true);
    let mut confidence: f64 = match (together, gone, restarted) {
        (true, true, _) | (true, _, true) => 0.9,
        (false, true, true) => 0.88,
        (true, false, false) | (false, true, false) | (false, false, true) => 0.82,
        (false, false, false) if case.facts.unread() || case.never_captured(Side::Server) => 0.2,
        (false, false, false) => 0.45,
    };
    // What ends many at one moment is no reason of one connection alone.
    let settled = case.facts.handshake == Handshake::Midstream || case.age() > Span::secs(1);
    let joint = together && settled && around.server_closed_spread < Span::millis(100);
    if !(gone || restarted || joint) {
        confidence = case.if_none_was_said(confidence);
    }
    if announced.is_some() {
        confidence = 0.97;
    }
    confidence = confidence.min(limit(case, announced.is_some()));
    let mut finding = finish(case, confidence, say!(case, "{server} was stopped and closed the connection of {client}"));
    if let Some(mark) = announced {
        finding = finding.because([Evidence::packet(mark, "status 409 Server Shutdown to a pending pull request")]);
    }
    if together {
        finding = finding.because([Evidence::packets(say!(
            case,
            "the server closed {} other connections within {}",
            around.server_closed_others, around.server_closed_spread
        ))]);
    }
    if let Some(mark) = around.refused {
        finding = finding.because([Evidence::packet(mark, "new connections to it were refused")]);
    }
    if let Some(mark) = around.accepted.filter(|_| restarted) {
        finding = finding.because([Evidence::packet(mark, "another server_id answered afterwards: it was restarted")]);
    }
    if !(together || gone || restarted || announced.is_some()) {
        finding.summary = say!(case, "{server} closed the connection of {client} without a word; most likely it was stopped");
        finding.also.push(("kicked", 0.35));
    } else {
        finding.also.push(("server_crashed", 0.25));
    }
    finding.why_not.extend(case.network_fine());
    finding.why_not.extend(case.no_filter(Side::Server));
    Yes(finding.because(case.goodbye_evidence(Side::Server)))
}

/// The kernel saw the signal that asks for a stop, or the process end in its own time after the close.
fn asked(case: &Case<'_>) -> Option<Finding> {
    let (client, server) = (case.client(), case.server());
    let end = case.around.process_end.server.as_ref().filter(|e| e.signal.is_none() && !e.before_close)?;
    let request = end.request().filter(|_| matches!(end.asked, Some(1 | 2 | 3 | 15)));
    let (confidence, text) = match (request, end.exited) {
        (Some(request), true) => (0.97, say!(case, "process {} (pid {}) got {request}, closed and exited", end.name, end.pid)),
        (Some(request), false) if end.asked != Some(1) => {
            (0.9, say!(case, "process {} (pid {}) got {request}", end.name, end.pid))
        }
        (None, true) if end.asked != Some(12) => {
            (0.85, say!(case, "process {} (pid {}) exited after it had closed", end.name, end.pid))
        }
        _ => return None,
    };
    let confidence = if case.facts.nats.lame_duck.is_some() { 0.6 } else { confidence };
    let mut finding = finish(case, confidence, say!(case, "{server} was stopped and closed the connection of {client}"))
        .because([Evidence::kernel(end.at, text)])
        .because(case.goodbye_evidence(Side::Server))
        .why_not("not a crash: it closed its connections itself");
    finding.why_not.extend(case.network_fine());
    Some(finding)
}

/// What speaks against a stop in good order.
fn limit(case: &Case<'_>, announced: bool) -> f64 {
    let (nats, around) = (&case.facts.nats, case.around);
    let mut limit: f64 = 1.0;
    if around.server_serves_others > 0 || around.server_id_changed == Some(false) {
        limit = limit.min(0.2);
    }
    if case.lives_on(Side::Server) {
        limit = limit.min(0.12);
    }
    // Its lame duck INFO may be among what was not captured.
    if nats.unseen.server.octets > 0 {
        limit = limit.min(0.75);
    }
    if case.left_one_by_one() {
        limit = limit.min(0.45);
    }
    // Whether the client still read shows in its own segments.
    if case.never_captured(Side::Client) && around.refused.is_none() && around.server_closed_others == 0 {
        limit = limit.min(0.35);
    }
    // A lame duck closes its listener long before its clients; what it announced may have come before the capture began.
    let listener_first = around.refused.is_some_and(|r| case.ended_at() - r.at > Span::millis(100));
    if listener_first && case.facts.handshake == Handshake::Midstream {
        limit = limit.min(0.75);
    }
    if case.close.kind == Kind::Rst && case.struggled() {
        limit = limit.min(0.3);
    }
    if case.close.kind == Kind::Rst {
        limit = limit.min(if server_crashed::answered_amid(case) { 0.3 } else { 0.5 });
    }
    if nats.lame_duck.is_some() || around.lame_duck.is_some() {
        limit = limit.min(0.5);
    }
    if !announced && case.never_accepted() {
        limit = limit.min(if around.refused.is_some() { 0.6 } else { 0.3 });
    }
    if case.facts.tcp.client.zero_window.longest > Span::secs(1) {
        let stopped = slow_consumer::stopped_meanwhile(case) && !slow_consumer::held_long(case);
        limit = limit.min(if stopped { 0.72 } else { 0.3 });
    }
    let unfinished = nats.cut_mid_message.server && !case.facts.tcp.server.fin_behind_data;
    let abrupt = case.tls_up() && nats.tls.as_ref().is_some_and(|t| !t.close_notify.server);
    let frameless = nats.protocol == Protocol::WebSocket && nats.ws_close.server.is_none();
    if !announced && (unfinished || abrupt || frameless) {
        limit = limit.min(0.6);
    }
    limit
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    Finding::new(confidence, summary)
        .fix("if it was not meant: look in the server's log for `Trapped … signal` and `Initiating Shutdown...`, and ask who stopped it (systemd, package update, container)")
        .fix("stop with lame duck next time: `nats-server --signal ldm` moves clients away one by one (lame_duck_duration, default 2m)")
        .fix(say!(case, "run several servers in a cluster, so that clients have somewhere to go; {}", remedy::keep_trying(case.lang())))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.around.server_closed_others = 41;
                    s.around.server_closed_spread = Span::millis(1);
                    s.around.refused = Some(mark(END + 2_000));
                })
                .fires()
        },
        || Scene::new().ends(Kind::Fin, Party::Server).fires(),
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    let reason = "Server Shutdown".into();
                    s.facts.nats.protocol = Protocol::WebSocket;
                    s.facts.nats.ws_close.server = Some(WsClose { mark: mark(END - 1), code: 1001, reason });
                })
                .fires()
        },
        || Scene::new().ends(Kind::Fin, Party::Server).with(|s| s.around.server_serves_others = 9).silent(),
        // A client that did not read hears of it late.
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.facts.tcp.client.zero_window.longest = Span::secs(4);
                    s.facts.tcp.server.fin_behind_data = true;
                    s.around.refused = Some(mark(END - 1_000));
                    s.around.server_id_changed = Some(true);
                })
                .fires()
        },
        || Scene::new().silent(),
    ];
}
