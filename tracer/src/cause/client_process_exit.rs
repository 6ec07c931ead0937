//! `client_process_exit`: the client's process ended without closing its connection.
use super::prelude::*;
use std::borrow::Cow;

/// The rule.
pub static RULE: Rule = Rule {
    code: "client_process_exit",
    family: Family::Normal,
    title: "the client's process ended without closing (exit, signal)",
    explain: EXPLAIN,
    needs: &[Symptom::ClientLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client's process went away (exit, crash, kill, container stop); its kernel closed
the socket for it.

On the wire:
- RST from the client where it had unread messages, else a FIN like any other
- messages to the client under way, or a publish cut in the middle
- TLS: FIN without close_notify
- all connections of that process end within a few milliseconds
- with natstrace's probes: the process's end, its signal and who sent it

What else it could be:
- client_closed: close() with unread data also makes an RST (jnats does it on purpose)
- injected_reset: an RST whose TTL differs, or after which the client goes on
- stale_server: the client gave up on unanswered PINGs

Fix, if it was not meant:
1. on the client's host: `journalctl -k | grep -i -E 'oom|killed'`, `coredumpctl list`, `kubectl
   describe pod` (Last State)
2. handle SIGTERM: drain the connection (`Drain` in Go, `drain()` elsewhere) and exit after it
   returns
3. in Kubernetes give `terminationGracePeriodSeconds` enough for the drain

Check next: `at_risk` of the close tells which messages were lost; core NATS does not send them
again.
";

fn judge(case: &Case<'_>) -> Judgement {
    let ended = case.died_with(Side::Client);
    if !case.ended_by(Side::Client) || case.is_told() || case.attempt_failed() {
        return No;
    }
    let client = case.client();
    let (mut confidence, mut how) = weight(case);
    if case.struggled() {
        confidence = confidence.min(0.45);
    }
    confidence = case.if_none_was_said(confidence);
    // Its reset may answer what was not captured.
    if case.close.kind == Kind::Rst && case.never_captured(Side::Server) {
        confidence = confidence.min(0.35);
    }
    // No process is started again as quickly as a living one dials anew.
    let reconnect = case.around.reconnect.as_ref();
    if case.close.kind == Kind::Rst && reconnect.and_then(|r| r.downtime).is_some_and(|d| d < Span::millis(100)) {
        confidence = confidence.min(0.35);
    }
    if case.lives_on(Side::Client) || ended.is_none() && case.around.process_end.client.is_some() {
        confidence = 0.0;
    }
    let mut killed = None;
    if let Some(end) = ended {
        confidence = if end.signal.is_some() || end.oom { 0.96 } else { 0.9 };
        how = match (&end.sender, end.signal_name()) {
            _ if end.oom => "the kernel's OOM killer ended it".into(),
            (Some((by, pid)), Some(signal)) => say!(case, "{signal} from {by} (pid {pid}) ended it").into(),
            (None, Some(signal)) => say!(case, "{signal} ended it").into(),
            _ => match (end.request(), end.status) {
                (Some(asked), _) => say!(case, "it exited without closing after {asked}").into(),
                (None, Some(status)) => say!(case, "it exited with status {status} without closing").into(),
                (None, None) => "it exited without closing".into(),
            },
        };
        let text = say!(case, "process {} (pid {}): {how}", end.name, end.pid);
        killed = Some(Evidence::kernel(end.at, text));
    }
    if confidence <= 0.0 {
        return No;
    }
    if !case.speaks {
        return Yes(Finding::new(confidence, ""));
    }
    let (others, under_way) = (case.around.client_closed_others, case.facts.nats.at_risk.deliveries);
    let together = (others > 0).then(|| {
        let host = case.facts.client.addr;
        Evidence::packets(say!(case, "{others} other connections of {host} ended within 100 ms"))
    });
    let waiting = (under_way > 0)
        .then(|| Evidence::packets(say!(case, "{under_way} messages to the client were under way")));
    let mut finding = Finding::new(confidence, say!(case, "the process of {client} ended without closing its connection: {how}"))
        .because(killed)
        .because(together)
        .because(waiting)
        .because(case.goodbye_evidence(Side::Client))
        .fix(say!(
            case,
            "on {}: `journalctl -k | grep -iE 'oom|killed'`, `coredumpctl list`, or `kubectl describe pod` (Last State) show why it ended",
            case.facts.client.addr
        ))
        .fix("let the client drain its connection on SIGTERM before it exits")
        .why_not("not the server: it said no -ERR and did not close first");
    finding.why_not.extend(case.no_filter(Side::Client));
    Yes(finding)
}

/// How sure by the packets alone.
fn weight(case: &Case<'_>) -> (f64, Cow<'static, str>) {
    let (nats, others) = (&case.facts.nats, case.around.client_closed_others);
    if case.left_after_pings() {
        return (0.2, "reset after PINGs without an answer".into());
    }
    let java = case.lang() == "java";
    if case.close.kind == Kind::Rst {
        let pending = nats.at_risk.deliveries > 0 || case.facts.tcp.server.unacked_bytes > 0;
        // What ends with its process says so by itself. A bare reset answers for a connection that nobody knows any more: the host
        // was reset, a NAT forgot, or its goodbye was lost.
        if case.facts.tcp.client.rst.is_some_and(|rst| !rst.has_ack && rst.answers.is_some()) {
            return (0.35, "its host no longer knows the connection".into());
        }
        let base: f64 = match (pending, others > 0) {
            (true, true) => 0.88,
            (false, true) => 0.8,
            (true, false) => 0.72,
            (false, false) => 0.6,
        };
        let word = if pending { "its kernel reset the connection with messages unread" } else { "its kernel reset the connection" };
        return (if java { base - 0.25 } else { base }, word.into());
    }
    if nats.cut_mid_message.client {
        return (0.82, "a message was cut in the middle".into());
    }
    if nats.drained || nats.mqtt.as_ref().is_some_and(|m| m.disconnect) || nats.ws_close.client.is_some() {
        return (0.0, "".into());
    }
    // A server that dials opens several links at once, and closes those that it has already.
    if case.is_server_link() && case.age() < Span::secs(2) {
        return (0.4, "closed soon after it began".into());
    }
    let abrupt_tls = nats.tls.as_ref().is_some_and(|t| t.established && !t.close_notify.client);
    match (others >= 2, abrupt_tls) {
        (true, true) => (0.82, "several connections at once, TLS without close_notify".into()),
        (true, false) => (0.7, say!(case, "{others} other connections of the host closed with it").into()),
        (false, true) => (0.6, "TLS ended without close_notify".into()),
        (false, false) if nats.at_risk.deliveries > 0 => (0.45, "closed with messages under way".into()),
        (false, false) => (0.2, "closed".into()),
    }
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    #[test]
    fn who_answers_for_a_forgotten_connection_did_not_just_end() {
        let reset_by = |has_ack: bool, downtime: i64| {
            let scene = Scene::new().ends(Kind::Rst, Party::Client).with(|s| {
                *s.facts.tcp.client.rst = Some(ResetFacts { has_ack, answers: Some(Span::millis(1)), ..reset(END) });
                s.facts.nats.at_risk.deliveries = 41;
                s.around.reconnect =
                    Some(Reconnect { attempts: 1, downtime: Some(Span::millis(downtime)), ..Reconnect::default() });
            });
            crate::cause::judge(&scene.case()).confidence
        };
        assert!(reset_by(true, 5_000) > 0.7);
        assert!(reset_by(false, 5_000) < 0.4 && reset_by(true, 4) < 0.4);
    }

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .ends(Kind::Rst, Party::Client)
                .with(|s| s.facts.nats.at_risk.deliveries = 41)
                .fires()
        },
        || Scene::new().with(|s| s.facts.nats.cut_mid_message.client = true).fires(),
        || {
            Scene::new()
                .with(|s| {
                    let mut end = ProcessEnd { pid: 812, name: "billing".into(), ..ProcessEnd::default() };
                    (end.signal, end.exited, end.before_close) = (Some(9), true, true);
                    s.around.process_end.client = Some(end);
                })
                .fires()
        },
        || Scene::new().with(|s| s.facts.nats.drained = true).silent(),
        || Scene::new().ends(Kind::Rst, Party::Server).silent(),
        // Routes that another server has already.
        || {
            Scene::new()
                .ends_at(Kind::Fin, Party::Client, 300)
                .with(|s| (s.facts.nats.protocol, s.around.client_closed_others) = (Protocol::Route, 3))
                .silent()
        },
    ];
}
