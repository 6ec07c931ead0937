//! `proxy_closed`: a proxy or balancer between the ends closed both its sides.
use super::prelude::*;
use crate::event::Joint;

/// The rule.
pub static RULE: Rule = Rule {
    code: "proxy_closed",
    family: Family::NetworkInterruption,
    title: "a proxy or balancer between client and server closed the connection",
    explain: EXPLAIN,
    needs: &[Symptom::OtherLeg],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: client and server talk through something that has a TCP connection with each of them
(haproxy, nginx stream, Envoy or another sidecar, a cloud balancer, `kubectl port-forward`), and it
closed both sides. Neither the client nor the server wanted to.

On the wire:
- a capture on the proxy's host shows both sides of it: the same server_id and client_id in INFO
- on the client's side the FIN or RST comes from the proxy, on the server's side, too
- many at once, and new connections refused: the proxy was stopped, reloaded or killed
- one after the other, at any time: its limit of connections or of their age, a health check that
  took the server out
- each after the same silence: see idle_timeout_middlebox

What else it could be:
- server_shutdown, server_crashed: the server closed its side first, the proxy passed that on
- client_closed: the client closed its side first
- seen on the client's side alone, a proxy that stops looks like a server that stops: the server's
  log and its /connz?state=closed show that it lives

Fix:
1. look in the proxy's log at that time: stop, reload, limits, health checks
2. reload without cutting what is open: haproxy `hard-stop-after` long enough, nginx
   `worker_shutdown_timeout`, Envoy `--drain-time-s`
3. take it out of the path: NATS clients know all servers (connect_urls) and balance by themselves

Check next: the proxy's own record of the connection; haproxy's termination state (`cD`, `sD`: a
timeout; `K`: an administrator).
";

fn judge(case: &Case<'_>) -> Judgement {
    if !case.closed_by_proxy() || case.is_told() {
        return No;
    }
    let Some(other) = case.around.other_leg.filter(|o| o.joint == Joint::Proxy) else { return No };
    let stopped = case.around.refused;
    let (proxy, others) = match other.at {
        Side::Server => (case.facts.server, case.around.server_closed_others),
        Side::Client => (other.server, case.around.client_closed_others),
    };
    let quiet = case.closed_out_of_silence();
    let confidence = match (stopped.is_some(), others > 0, quiet) {
        (true, _, _) => 0.95,
        (_, true, _) => 0.9,
        // Under way with data: no idle limit.
        (_, _, Some(quiet)) if quiet < Span::secs(1) => 0.9,
        _ => 0.74,
    };
    let how = if stopped.is_some() { " and takes no more: it was stopped" } else { "" };
    let mut finding = Finding::new(
        confidence,
        say!(case, "a proxy at {proxy} closed both sides of the connection of {} and {}{how}", case.client(), case.server()),
    );
    if let Some(mark) = stopped {
        finding = finding.because([Evidence::packet(mark, say!(case, "a new connection to {proxy} was refused"))]);
    }
    if others > 0 {
        finding = finding.because([Evidence::packets(say!(case, "{others} other connections of it ended at the same time"))]);
    }
    finding.fix = vec![
        say!(case, "look in the log of the proxy at {proxy}: was it stopped or reloaded, did it reach a limit, did a health check fail?"),
        "let it drain what is open before it ends: haproxy `hard-stop-after`, nginx `worker_shutdown_timeout`, Envoy `--drain-time-s`".to_owned(),
        "or take it out of the path: list all servers in the client's URL list instead".to_owned(),
        remedy::keep_trying(case.lang()),
    ];
    Yes(finding
        .because(case.joint_evidence())
        .because(case.goodbye_evidence(case.closed_by().unwrap_or(Side::Server)))
        .why_not("not the server: it was still open on its side of the proxy")
        .why_not("not the client: it had not closed"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn closed() -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).proxied(Some(Side::Client))
    }

    fn busy(s: &mut Scene) {
        s.facts.tcp.server.last_data = Some(mark(END - 20));
    }

    pub const CASES: &[fn() -> Scene] = &[
        || closed().with(busy).fires(),
        || closed().with(|s| s.around.refused = Some(mark(END + 500))).fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).proxied(None).with(busy).fires(),
        // The server was first on its side; the client was first on this one.
        || Scene::new().ends(Kind::Fin, Party::Server).proxied(Some(Side::Server)).silent(),
        || Scene::new().proxied(Some(Side::Client)).silent(),
        || Scene::new().silent(),
    ];
}
