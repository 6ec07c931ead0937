//! `server_not_listening`: refused, nobody listens.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "server_not_listening",
    family: Family::ServerShutdown,
    title: "refused: nobody listens there",
    explain: EXPLAIN,
    needs: &[Symptom::AttemptFailed, Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the host is there, but no process listens on that address and port: nats-server is down,
still starting, in lame duck mode, bound to another address, or the client has the wrong port.

On the wire:
- SYN, answered by RST with ACK within a round trip, with the host's own TTL
- the client tries again after its reconnect wait (2 s in most libraries; Rust 0, 2, 4, 8 ms up to 4
  s)
- the client's log says `connection refused`

What else it could be:
- firewall_reject: others are accepted at the same moment, or the RST's TTL is not the host's
- server_lame_duck: an INFO with ldm came before
- server_shutdown, server_crashed: the closes right before

Fix:
1. is it running: `systemctl status nats-server`, `docker ps`, `kubectl get pods`; why did it stop:
   `journalctl -u nats-server -e`
2. where does it listen: `ss -ltnp | grep nats-server`; `listen:` or `host:`/`port:` in
   nats-server.conf; 127.0.0.1 is not reachable from elsewhere
3. what does the client dial: its URL list, the service's targetPort, the published container port
4. a config error stops the server at the start: `nats-server -c FILE -t` checks the file

Behind a proxy or balancer: it takes the connection, finds nobody and closes it without an INFO; a
capture on the proxy's host shows its own SYN refused.

Check next: which connection of the server ended just before the first refused SYN, and how.
";

fn judge(case: &Case<'_>) -> Judgement {
    if let Some(finding) = behind_proxy(case) {
        return Yes(finding);
    }
    if case.facts.handshake != Handshake::Refused || case.close.kind != Kind::Rst {
        return No;
    }
    let around = case.around;
    let rejected = case.close.side == Party::Network || case.close.detail.is_some_and(|d| d.contains("reject"));
    let confidence = if rejected {
        0.15
    } else if around.server_accepts_others.is_some() {
        0.3
    } else if around.lame_duck.is_some() {
        0.6
    } else {
        0.86
    };
    let server = case.facts.server;
    let mut finding =
        Finding::new(confidence, say!(case, "nobody listens on {server}: {} was refused", case.client()));
    if let Some(rst) = *case.facts.tcp.server.rst {
        finding = finding.because([Evidence::packet(rst.mark, say!(case, "SYN to {server} answered by RST"))]);
    } else {
        finding = finding.because([Evidence::packet(case.facts.last, say!(case, "SYN to {server} answered by RST"))]);
    }
    if around.failed_attempts_before > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} attempts of the same client failed before this one",
            around.failed_attempts_before
        ))]);
    }
    Yes(finding
        .fix(say!(case, "on {}: `systemctl status nats-server` (or docker ps, kubectl get pods) and `journalctl -u nats-server -e`: is it running?", server.addr))
        .fix(say!(case, "on {}: `ss -ltnp 'sport = :{}'` shows whether and on which address something listens (`listen:` in nats-server.conf)", server.addr, server.port))
        .fix(say!(case, "check that {server} is what the client should dial: its URL list, service and container ports"))
        .fix(remedy::keep_trying(case.lang()))
        .why_not("not a silent filter: the host itself answered at once")
        .why_not("not the path: SYN and RST went through"))
}

/// Something took the connection, had nothing to say and closed it: a proxy that finds nobody behind itself.
fn behind_proxy(case: &Case<'_>) -> Option<Finding> {
    let tcp = &case.facts.tcp.server;
    let took = case.facts.handshake == Handshake::Complete && !case.facts.unread();
    let seen = tcp.missing_bytes == 0 && !case.facts.capture_loss;
    if !took || !seen || tcp.bytes > 0 || case.closed_by() != Some(Side::Server) || case.is_told() {
        return None;
    }
    let server = case.facts.server;
    let goodbye = case.goodbye_evidence(Side::Server);
    let (confidence, summary, evidence) = match case.around.refused_behind {
        Some((mark, behind)) => (
            0.9,
            say!(case, "a proxy at {server} took the connection of {}, but nobody listens on {behind} behind it", case.client()),
            Evidence::packet(mark, say!(case, "the proxy's own SYN to {behind} was refused right before it closed")),
        ),
        // Whoever speaks first and closes at once without a word had nobody to pass the connection to, or was stopping.
        None if tcp.packets > 0 && case.age() < Span::secs(1) && case.facts.nats.first_byte.client.is_none() => (
            if case.around.refused.is_some() || case.around.server_closed_others > 0 { 0.2 } else { 0.5 },
            say!(case, "{server} took the connection of {} and closed it without an INFO: a proxy with no server behind it?", case.client()),
            Evidence::packets("a NATS server says INFO as soon as it has a connection; this one said nothing"),
        ),
        None => return None,
    };
    let mut finding = Finding::new(confidence, summary)
        .because([evidence])
        .because(goodbye)
        .fix(say!(case, "what listens at {server}: nats-server itself, or a balancer or proxy (haproxy, nginx, kube-proxy, a cloud balancer)? Look at its list of servers and their health"))
        .fix("on the servers behind it: is nats-server running, `ss -ltnp 'sport = :4222'`; does the proxy's health check look at it (`/healthz` of the monitoring port)?")
        .fix(remedy::keep_trying(case.lang()))
        .why_not("not the path: the handshake was done, and the close came in good order");
    if case.around.refused_behind.is_none() {
        finding.also.push(("server_shutdown", 0.3));
    }
    Some(finding)
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().attempt(Handshake::Refused).fires(),
        || Scene::new().attempt(Handshake::Refused).with(|s| s.around.lame_duck = Some(Mark::default())).silent(),
        || Scene::new().attempt(Handshake::Unanswered).silent(),
        || Scene::new().ends(Kind::Rst, Party::Server).silent(),
        || accepted_mute().fires(),
        || {
            accepted_mute()
                .with(|s| {
                    let server = Endpoint { addr: Addr::v4([10, 0, 1, 5]), port: 4222 };
                    s.around.refused_behind = Some((mark(4), server));
                    s.around.server_closed_others = 2;
                })
                .fires()
        },
        || accepted_mute().with(|s| s.around.server_closed_others = 5).silent(),
    ];

    fn accepted_mute() -> Scene {
        Scene::new().mute().ends_at(Kind::Fin, Party::Server, 5)
    }
}
