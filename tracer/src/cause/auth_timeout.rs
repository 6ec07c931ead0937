//! `auth_timeout`: no CONNECT in time.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "auth_timeout",
    family: Family::Auth,
    title: "no CONNECT in time",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server wants credentials and got no CONNECT within its limit: `authorization {
timeout }`, 2 s by default, 3 s with TLS (tls.timeout + 1). Gateway and leaf ports always have it.

On the wire:
- INFO with `\"auth_required\":true`, nothing from the client, -ERR 'Authentication Timeout' and FIN
  2.00 s after accept

What else it could be:
- a port scan, a health check or a balancer's spare connection that never speaks
- a lost CONNECT: it was sent and never arrived (then the client repeats it)
- a client stopped in a debugger, or starved of CPU
- auth_callout: the service that decides is too slow

Fix:
1. who is it: the client's address and process; health checks belong on `http://SERVER:8222/healthz`
2. slow clients or long round trips: `authorization { timeout: 5 }` in nats-server.conf
3. auth callout: is its service running, how long does it take
4. nothing if it is a scanner: keep it out with a firewall rule

Check next: does it come every few seconds from the same address? Then it is a check.
";

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let (client, server) = (case.client(), case.server());
    let told = server_error::told(case, "auth_timeout");
    let limit = case.settings.auth_timeout;
    let age = case.age();
    if told.is_none() {
        let silent = nats.connect.is_none() && case.heard_whole(Side::Client);
        let wanted = nats.info.as_ref().is_some_and(|(_, i)| i.auth_required && !i.tls_required) || case.is_server_link();
        let on_time = about(age, limit, Span::millis(150)) || (case.tls_up() && about(age, Span::secs(3), Span::millis(200)));
        if case.is_told() || !wanted || !on_time || !silent || !case.ended_by(Side::Server) {
            return No;
        }
    }
    let mut finding = Finding::new(
        told.as_ref().map_or(0.87, |t| t.confidence),
        say!(case, "{client} sent no CONNECT within {age}, and {server} closed it"),
    )
    .because(told.map(|t| t.evidence))
    .because(nats.info.as_ref().map(|(m, _)| Evidence::packet(*m, "INFO of the server; no CONNECT followed")))
    .because(case.goodbye_evidence(Side::Server))
    .fix(say!(case, "find out who {} is: a health check, a port scan, a balancer's spare connection? Checks belong on `/healthz` of the monitoring port", case.facts.client.addr))
    .fix(say!(case, "for slow clients raise `authorization {{ timeout: 5 }}` in nats-server.conf (default 2 s; {limit} assumed here)"))
    .fix("with auth callout: see that its service runs and answers fast");
    if nats.connect.is_some() {
        finding.summary = say!(case, "{client} was not authenticated within {age}, and {server} closed it");
    }
    Yes(finding.why_not("not the path: INFO was acknowledged by the client"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn mute_client() -> Scene {
        Scene::new().young().info(|i| i.auth_required = true).with(|s| s.facts.nats.connect = None)
    }

    pub const CASES: &[fn() -> Scene] = &[
        || mute_client().ends_at(Kind::Fin, Party::Server, 2_001).error("Authentication Timeout").fires(),
        || mute_client().ends_at(Kind::Fin, Party::Server, 2_001).fires(),
        || mute_client().ends_at(Kind::Fin, Party::Client, 2_001).error("authorization timeout").fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
        || Scene::new().ends_at(Kind::Fin, Party::Client, 2_001).silent(),
    ];
}
