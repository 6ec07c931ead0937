//! `connection_throttled`: the server's rate limit for TLS connections.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "connection_throttled",
    family: Family::ServerOverload,
    title: "the server's rate limit for TLS connections",
    explain: EXPLAIN,
    needs: &[Symptom::Told],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: `tls { connection_rate_limit: N }` allows N new TLS connections a second; this one was
over it.

On the wire:
- INFO, -ERR 'Connection throttling is active. Please try again later.' and FIN
- many attempts in the same second, usually after a restart of a server
- the server's log, once a second: `Rejected N connections due to TLS rate limiting`

What else it could be:
- max_connections: another -ERR, for as long as the limit is reached
- reconnect_storm: what makes the rate rise

Fix:
1. nothing, if it lasts seconds: clients try again and get in; that is what the limit is for
2. spread the attempts: a longer reconnect wait with jitter in the clients (1 s jitter with TLS is
   the usual default)
3. raise `connection_rate_limit` in the `tls` block if the CPU allows: a handshake costs about a
   millisecond
4. stop servers with lame duck (`nats-server --signal ldm`), so that clients move one by one

Check next: how long did the storm last, and which clients tried most (the summary's busiest
clients)?
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(told) = server_error::told(case, "connection_throttled") else { return No };
    Yes(Finding::new(
        told.confidence,
        say!(case, "{} limits new TLS connections a second and turned {} away", case.server(), case.client()),
    )
    .because([told.evidence])
    .because((case.around.attempts_server_1s > 0).then(|| {
        Evidence::packets(say!(case, "{} attempts at this server in the second before", case.around.attempts_server_1s))
    }))
    .fix("usually nothing: clients that try again get in within seconds")
    .fix(remedy::spread_attempts(case.lang()))
    .fix("raise `connection_rate_limit` in the `tls` block of nats-server.conf if the CPU allows it")
    .why_not("not the certificate: the server had not begun the handshake"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .young()
                .ends_at(Kind::Fin, Party::Server, 3)
                .error("Connection throttling is active. Please try again later.")
                .fires()
        },
        || Scene::new().young().ends_at(Kind::Fin, Party::Server, 3).silent(),
    ];
}
