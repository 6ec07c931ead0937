//! `max_connections`: the server's limit of connections.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "max_connections",
    family: Family::ServerOverload,
    title: "the server's limit of connections",
    explain: EXPLAIN,
    needs: &[Symptom::Told],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server has as many connections as `max_connections` allows (default 65536) and turns
this one away, or a reload lowered the limit and closed some.

On the wire:
- INFO, at once -ERR 'maximum connections exceeded' and FIN, often before the client's CONNECT
  arrives
- the CONNECT that comes late gets a bare RST: still one close by the server
- a reload that lowers the limit closes clients at random

What else it could be:
- account_max_connections: the account's limit, told after CONNECT
- a leak: one client opens connections and never closes them

Fix:
1. who holds them: `nats server report connections` or `curl
   'http://SERVER:8222/connz?limit=1024&sort=start'`
2. share connections in the clients: one per process is enough
3. raise `max_connections` and the file limit with it (`LimitNOFILE=` in the unit, `ulimit -n`)
4. from 2.12.5 and 2.14.0 on `max_connections: 0` or `-1` refuses everybody; before it meant the
   default or no limit

Check next: Go (from 1.14) and JavaScript try again after this -ERR; C and Python close for good.
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(told) = server_error::told(case, "max_connections") else { return No };
    let mut finding = Finding::new(
        told.confidence,
        say!(case, "{} has reached its connection limit and turned {} away ('{}')", case.server(), case.client(), told.text),
    )
    .because([told.evidence])
    .fix(say!(case, "see who holds the connections: `curl '{}/connz?limit=1024&sort=start'`; look for clients that open many", remedy::monitor(case)))
    .fix("raise `max_connections` in nats-server.conf (default 65536), `nats-server --signal reload`, and the file limit (`LimitNOFILE=`) with it")
    .fix("from 2.12.5 and 2.14.0 on `max_connections: 0` or `-1` refuses everybody: remove the line or give a number");
    if matches!(case.lang(), "C" | "python3") {
        finding = finding.fix("this client library closes for good after that -ERR: reconnect in the application's closed handler");
    }
    Yes(finding.why_not("not the network: the server said the reason itself").why_not("not the credentials: the limit is checked before them"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().young().ends_at(Kind::Fin, Party::Server, 4).error("maximum connections exceeded").fires(),
        || Scene::new().young().ends_at(Kind::Rst, Party::Client, 4).error("Maximum Connections Exceeded").fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
