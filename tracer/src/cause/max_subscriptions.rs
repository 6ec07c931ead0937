//! `max_subscriptions`: limit lowered under existing subscriptions.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "max_subscriptions",
    family: Family::ServerOverload,
    title: "limit lowered under existing subscriptions",
    explain: EXPLAIN,
    needs: &[Symptom::Told],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the subscription limit of the user or account was lowered below what this connection
holds (a JWT update), so the server closed it.

On the wire:
- -ERR 'maximum subscriptions exceeded', then the server's FIN about 20 ms later
- a SUB over the limit gets the same text, but the connection stays open

What else it could be:
- a client library that closes for good on an -ERR it does not know (Go, C): then its FIN is the
  first
- client_closed: the -ERR came long before the end

Fix:
1. what the connection held: `/connz?state=closed&subs=1`
2. raise the limit: `nsc edit user NAME --subs N` or the account's `--subscriptions N`;
   `max_subscriptions` in nats-server.conf (default 0, no limit; needs a restart, a reload refuses
   it)
3. subscribe with wildcards or queue groups instead of thousands of single subjects

Check next: who pushed a new JWT at that time (`nsc`, the account resolver's log)?
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(told) = server_error::told(case, "max_subscriptions") else { return No };
    Yes(Finding::new(
        told.confidence,
        say!(case, "{} holds more subscriptions ({} seen) than {} now allows ('{}')", case.client(), case.facts.nats.subs, case.server(), told.text),
    )
    .because([told.evidence])
    .because(case.goodbye_evidence(Side::Server))
    .fix("raise the limit: `nsc edit user NAME --subs N`, the account's `--subscriptions N`, or `max_subscriptions` in nats-server.conf (default: no limit; needs a restart)")
    .fix("let the client subscribe with wildcards instead of many single subjects")
    .fix("see who lowered the limit: a pushed account or user JWT at that time")
    .why_not("not a single SUB over the limit: that gets the same text but does not close"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().ends(Kind::Fin, Party::Server).error("maximum subscriptions exceeded").fires(),
        || {
            Scene::new()
                .error("maximum subscriptions exceeded")
                .with(|s| s.facts.nats.errors[0].mark.at = T0)
                .silent()
        },
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
