//! `server_crashed`: killed, panicked, or host reset: no goodbye.
use super::prelude::*;
use crate::base::Timestamp;

/// The rule.
pub static RULE: Rule = Rule {
    code: "server_crashed",
    family: Family::ServerShutdown,
    title: "the server was killed, panicked, or its host was reset: no goodbye",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::ProcessEnd],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: nats-server's process ended without closing its connections: SIGKILL, a Go panic, or the
host restarted.

On the wire:
- the kernel closes the sockets: FIN on idle connections, RST on those with unread bytes, all at
  once
- TLS: FIN without close_notify; WebSocket: no close frame; no status 409 for pending pulls
- a message cut in the middle
- new SYNs refused until the restart, then another server_id
- after a host reset: nothing at first, then an RST to the next segment of each client
- with natstrace's probes: the process's end and its signal

What else it could be:
- server_shutdown: on idle plain connections a stop looks the same; the probes or the server's log
  tell
- server_oom_killed: killed by the kernel for its memory
- firewall_reject: resets that the server's TCP did not make

Fix:
1. on the server's host: `journalctl -u nats-server -e`, `journalctl -k -e`, `coredumpctl list`,
   `kubectl describe pod`
2. a Go panic prints `panic:` and `goroutine` lines to stderr: keep them and look for a known defect
   of that version
3. `Initiating Shutdown...` missing before the next `Starting nats-server` proves that it was no
   stop
4. in containers compare the exit code: 137 is SIGKILL, 2 a Go panic
5. upgrade: 2.11.14 and 2.12.5 mend panics that a client can cause (CVE-2026-29785, CVE-2026-27889)

Check next: `at_risk` of the closes: what was under way. JetStream messages without PubAck must be
published again.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    if let Some((confidence, how, text, at)) = killed(case) {
        return Yes(finish(case, confidence, say!(case, "{server} {how}; {client} lost its connection"))
            .because([Evidence::kernel(at, text)])
            .because(case.goodbye_evidence(Side::Server)));
    }
    if let Some(told) = server_error::told(case, "server_crashed") {
        return Yes(finish(case, 0.93, say!(case, "{server} ended without a shutdown and was started again; {client} lost its connection"))
            .because([told.evidence])
            .because(case.goodbye_evidence(Side::Server))
            .why_not("not a stop in good order: the server's log has none"));
    }
    if case.lives_on(Side::Server) {
        return No;
    }
    if !case.ended_by(Side::Server) || case.is_told() || case.attempt_failed() {
        return No;
    }
    let signs = signs(case);
    // A reset amid heavy loss: the goodbye that is missing may be what was lost.
    let limit = if case.struggled() { 0.35 } else { 1.0 };
    let mut confidence = weight(case, !signs.is_empty()).min(limit);
    if case.around.refused.is_none() && case.around.server_id_changed != Some(true) {
        confidence = case.if_none_was_said(confidence);
    }
    if confidence < 0.1 {
        return No;
    }
    let around = case.around;
    let mut finding = finish(case, confidence, say!(case, "{server} ended without a goodbye and took the connection of {client} with it"))
        .because(signs);
    if around.server_closed_others > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} other connections of the server ended within {}",
            around.server_closed_others, around.server_closed_spread
        ))]);
    }
    if let Some(mark) = around.refused {
        finding = finding.because([Evidence::packet(mark, "new connections to it were refused")]);
    }
    finding.also.push(("server_shutdown", 0.3));
    finding.why_not.extend(case.network_fine());
    Yes(finding.because(case.goodbye_evidence(Side::Server)))
}

/// The kernel saw the process end with its sockets open: how sure, how, the evidence and when.
fn killed(case: &Case<'_>) -> Option<(f64, String, String, Timestamp)> {
    let end = case.around.process_end.server.as_ref().filter(|e| e.exited && !e.oom)?;
    if case.ended_by(Side::Client) {
        return None;
    }
    let who = say!(case, "process {} (pid {})", end.name, end.pid);
    if let Some(signal) = end.signal_name() {
        let by = end.sender.as_ref().map_or(String::new(), |(n, p)| say!(case, " from {n} (pid {p})"));
        return Some((0.97, say!(case, "was killed by {signal}{by}"), say!(case, "{who} ended by {signal}{by}"), end.at));
    }
    // A stop in good order closes the connections before the process ends.
    let status = end.status.filter(|_| end.before_close)?;
    let panic = if status == 2 { " (a Go panic exits with 2)" } else { "" };
    let how = say!(case, "exited with status {status} without closing its connections{panic}");
    let text = say!(case, "{who} {how}");
    Some((if status == 0 { 0.6 } else { 0.9 }, how, text, end.at))
}

/// What an orderly stop would have done and this end did not.
fn signs(case: &Case<'_>) -> Vec<Evidence> {
    let (nats, mut signs) = (&case.facts.nats, Vec::new());
    if let Some(rst) = case.facts.tcp.server.rst.filter(|_| case.close.kind == Kind::Rst) {
        let text = match rst.answers.filter(|_| rst.idle_before > Span::secs(1)) {
            Some(_) => "RST from the server to the next segment: its host no longer knows the connection",
            None => "RST from the server: its process ended with bytes unread",
        };
        signs.push(Evidence::packet(rst.mark, text));
    }
    if case.tls_up() && nats.tls.as_ref().is_some_and(|t| !t.close_notify.server) {
        signs.push(Evidence::packets("TLS ended without close_notify"));
    }
    if nats.protocol == Protocol::WebSocket && nats.ws_close.server.is_none() {
        signs.push(Evidence::packets("no WebSocket close frame came before the end"));
    }
    if nats.cut_mid_message.server && !case.facts.tcp.server.fin_behind_data {
        signs.push(Evidence::packets("a message from the server was cut in the middle"));
    }
    signs
}

fn weight(case: &Case<'_>, abrupt: bool) -> f64 {
    let around = case.around;
    let together = around.server_closed_others > 0;
    let gone = around.refused.is_some() || around.server_id_changed == Some(true);
    let slow = case.facts.tcp.client.zero_window.longest > Span::secs(1);
    if slow || around.server_serves_others > 0 || around.server_id_changed == Some(false) || case.never_accepted() {
        return if abrupt && !slow { 0.15 } else { 0.0 };
    }
    // A process that ends says so on each connection, and no host starts again within a second: a bare reset out of a talk is a
    // filter's, or a NAT's that forgot.
    if answered_amid(case) {
        return 0.35;
    }
    match (abrupt, together, gone) {
        (true, true, true) => 0.88,
        (true, true, false) => 0.78,
        (true, false, true) => 0.75,
        (true, false, false) => if case.close.kind == Kind::Rst { 0.46 } else { 0.4 },
        (false, true, true) => 0.3,
        (false, _, true) => 0.25,
        _ => 0.15,
    }
}

/// A bare reset answers the client's segment although the server had been heard right before, on the same connection, and had said
/// no goodbye; all of it was captured.
pub fn answered_amid(case: &Case<'_>) -> bool {
    let server = &case.facts.tcp.server;
    let bare = server.rst.filter(|rst| !rst.has_ack && rst.answers.is_some() && !rst.after_fin && !rst.into_hole);
    let heard = server.last_progress.into_iter().chain(server.last_data).map(|mark| mark.at).max();
    let Some((rst, heard)) = bare.zip(heard).filter(|_| case.close.kind == Kind::Rst && server.fin.is_none()) else { return false };
    // One number past the last: a FIN went before it.
    let in_place = rst.seq_off.is_none_or(|off| off <= 0);
    in_place && rst.mark.at - heard < Span::secs(1) && case.heard_whole(Side::Server) && !case.facts.capture_loss
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    let addr = case.facts.server.addr;
    Finding::new(confidence, summary)
        .fix(say!(case, "on {addr}: `journalctl -u nats-server -e`, `journalctl -k -e`, `coredumpctl list`, or `kubectl describe pod` (exit code 137: SIGKILL, 2: Go panic)"))
        .fix("keep the panic's text (`panic:`, `goroutine …`) and compare with the fixes of later releases; upgrade the server")
        .fix(say!(case, "run several servers in a cluster; {}", remedy::keep_trying(case.lang())))
        .why_not("not a stop in good order: the goodbye that belongs to one is missing")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .ends(Kind::Rst, Party::Server)
                .with(|s| {
                    s.around.server_closed_others = 12;
                    s.around.refused = Some(mark(END + 50));
                })
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .tls(|t| t.established = true)
                .with(|s| s.around.refused = Some(mark(END + 50)))
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    let mut end = ProcessEnd { pid: 4, name: "nats-server".into(), ..ProcessEnd::default() };
                    (end.signal, end.exited) = (Some(9), true);
                    s.around.process_end.server = Some(end);
                })
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.around.server_closed_others = 12;
                    s.around.refused = Some(mark(END + 50));
                })
                .silent()
        },
        || Scene::new().ends(Kind::Rst, Party::Client).silent(),
    ];

    #[test]
    fn no_server_is_forgotten_in_the_middle_of_a_talk() {
        let reset_after = |quiet: i64, off: i32| {
            let scene = Scene::new().ends(Kind::Rst, Party::Server).with(move |s| {
                let rst = ResetFacts { has_ack: false, answers: Some(Span::millis(1)), seq_off: Some(off), ..reset(END) };
                *s.facts.tcp.server.rst = Some(rst);
                s.facts.tcp.server.last_progress = Some(mark(END - quiet));
                s.facts.tcp.server.last_data = Some(mark(END - quiet));
                s.around.refused = Some(mark(END + 50));
            });
            let cause = crate::cause::judge(&scene.case());
            (cause.code == "server_crashed", cause.confidence)
        };
        assert!(reset_after(200, 0).1 < 0.5);
        // Long enough for a host to start again; or its FIN went before.
        assert!(reset_after(9_000, 0).0 && reset_after(9_000, 0).1 > 0.7);
        assert!(reset_after(200, 1).0 && reset_after(200, 1).1 > 0.7);
    }
}
