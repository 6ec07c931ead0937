//! `account_max_connections`: the account's limit of connections.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "account_max_connections",
    family: Family::ServerOverload,
    title: "the account's limit of connections",
    explain: EXPLAIN,
    needs: &[Symptom::Told],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the account of this user has as many connections as its limit allows (`max_connections`
of the account, `conn` in its JWT); the count is for the whole cluster.

On the wire:
- CONNECT, then -ERR 'maximum account active connections exceeded' and FIN
- a lowered limit closes the surplus: the newest since 2.11.9 and 2.12.0, the oldest before

What else it could be:
- max_connections: the server's own limit, told before CONNECT
- known_bug: servers up to 2.11.10 and 2.12.0 to 2.12.1 still count those who leave during a lame
  duck, so a full account's clients don't get back in

Fix:
1. who holds them: `nats server report connections --account NAME`, `/connz?acc=NAME`
2. share connections in the clients: one per process is enough
3. raise the limit: `nsc edit account NAME --conns N`, push it; or `limits` of the account in
   nats-server.conf
4. upgrade servers below 2.11.11 or 2.12.2 if it happens during rolling updates

Check next: does it happen to all clients of the account, and only while another server stops?
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(told) = server_error::told(case, "account_max_connections") else { return No };
    let mut finding = Finding::new(
        told.confidence,
        say!(case, "the account of {} has reached its connection limit on {} ('{}')", case.client(), case.server(), told.text),
    )
    .because([told.evidence])
    .fix(say!(case, "see who holds the account's connections: `curl '{}/connz?acc=ACCOUNT&limit=1024'`", remedy::monitor(case)))
    .fix("raise the account's limit: `nsc edit account NAME --conns N` and push it, or the account's limits in nats-server.conf")
    .fix("share one connection per process in the clients")
    .why_not("not the server's own limit: that -ERR reads 'maximum connections exceeded'");
    if case.around.lame_duck.is_some() {
        finding = finding.fix("a server is in lame duck: up to 2.11.10 and 2.12.1 it counts clients twice then; upgrade to 2.11.11, 2.12.2 or later");
    }
    Yes(finding)
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .young()
                .ends_at(Kind::Fin, Party::Server, 5)
                .error("maximum account active connections exceeded")
                .fires()
        },
        || Scene::new().ends(Kind::Fin, Party::Server).error("maximum connections exceeded").silent(),
    ];
}
