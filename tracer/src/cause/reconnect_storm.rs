//! `reconnect_storm`: part of a storm of attempts.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "reconnect_storm",
    family: Family::ClientConfig,
    title: "part of a storm of attempts",
    explain: EXPLAIN,
    needs: &[Symptom::AttemptFailed, Symptom::NotTaken],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: so many connection attempts in a short time that they fail because of each other: 20 in
10 s by one client, or 100 in a second at one server.

On the wire:
- SYN after SYN of the same client, far closer than its reconnect wait should be
- or hundreds of clients at once right after a server went away
- a herd: clients that lost their connections together come back together; the evidence tells how
  many, how long after the loss and how close to each other
- attempts that are accepted late or not at all, and given up

What else it could be:
- server_not_listening, authorization_violation and others: each attempt's own reason, where it is
  known, is told instead
- a route pointed at a client port: above 1,000 connections a second, each with a route's CONNECT
  (wrong_port)
- async-nats: 12 attempts in its first 4 s are normal (0, 2, 4 ms and so on, up to 4 s)

Fix:
1. wait and jitter in the clients: the default jitter of 100 ms (none in Python and Rust) spreads
   nobody; give N clients N/50 s: Go `nats.ReconnectJitter`, JavaScript `reconnectJitter`, Java
   `reconnectJitter`, C `natsOptions_SetReconnectJitter`, .NET `ReconnectJitter` with
   `ReconnectWaitMax` above it, Rust `reconnect_delay_callback`, Python `reconnect_time_wait` drawn
   at random by each process
2. one connection per process: no new connection per request or per retry of your own
3. `tls { connection_rate_limit: N }` on the server keeps TLS handshakes from eating the CPU
4. stop servers with lame duck, one at a time

Check next: the summary's busiest clients, and the first failure before the storm: that is the real
reason.
";

fn judge(case: &Case<'_>) -> Judgement {
    let around = case.around;
    let by_client = around.attempts_client_10s >= 20;
    let by_all = around.attempts_server_1s >= 100;
    if !(by_client || by_all) || !case.never_accepted() || case.is_told() {
        return No;
    }
    let (count, span, who) = if by_client {
        (around.attempts_client_10s, "10 s", say!(case, "the host {}", case.facts.client.addr))
    } else {
        (around.attempts_server_1s, "1 s", "all clients together".to_owned())
    };
    // A herd of N clients is served in time if it is spread over N fiftieths of a second.
    let jitter = around.herd.map_or(Span::millis(500), |h| Span::millis((i64::from(h.clients) * 20).clamp(500, 30_000)));
    // Where the attempt's own reason is known it is the better answer.
    let confidence = match case.facts.handshake {
        Handshake::Refused => 0.6,
        Handshake::Unanswered if around.server_accepts_others.is_some() => 0.72,
        _ => 0.68,
    };
    Yes(Finding::new(
        confidence,
        say!(case, "the attempt of {} is one of {count} in {span} by {who} at {}", case.client(), case.server()),
    )
    .because([Evidence::packets(say!(case, "{count} attempts (SYNs) in {span} by {who}"))])
    .because(around.herd.map(|herd| Evidence::packets(say!(case, "{}", herd.in_words()))))
    .because([Evidence::packets(say!(case, "{} attempts of this client failed before, in a row", around.failed_attempts_before))])
    .fix(remedy::spread_over(case.lang(), jitter))
    .fix("open one connection per process, not one per request or retry")
    .fix("look at the first failure before the storm: that is what to mend")
    .why_not("not a single client's bad luck: see the number of attempts"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .attempt(Handshake::Unanswered)
                .with(|s| s.around.attempts_client_10s = 25)
                .fires()
        },
        || {
            Scene::new()
                .young()
                .ends_at(Kind::Fin, Party::Server, 30)
                .with(|s| s.around.attempts_server_1s = 150)
                .fires()
        },
        || Scene::new().attempt(Handshake::Unanswered).with(|s| s.around.attempts_client_10s = 12).silent(),
        || Scene::new().with(|s| s.around.attempts_client_10s = 40).silent(),
    ];
}
