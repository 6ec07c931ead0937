//! `unknown`: what was seen names no cause.
use super::prelude::*;


/// Its code, for what is only counted.
pub const UNKNOWN: &str = "unknown";

/// The rule.
pub static RULE: Rule = Rule {
    code: UNKNOWN,
    family: Family::Unknown,
    title: "what was seen names no cause",
    explain: EXPLAIN,
    needs: &[],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: no rule is certain enough (0.3). The close's kind and side still hold; `also` lists what
would fit.

Why that happens:
- observation began in the middle, or ended before the outcome was known
- the capture lost frames, or shows one direction only
- everything is inside TLS, and the close was an ordinary FIN
- the end was never seen: no FIN, no RST, nothing owed

What makes it certain next time:
1. capture on the server's host, with natstrace live and its probes (`natstrace doctor` shows what
   this host allows)
2. `--monitor http://SERVER:8222` joins the server's own reason for each closed connection
3. `--server-log FILE` joins its log
4. a larger capture buffer and a filter for the NATS port alone, so that nothing is lost
5. captures on both hosts, and `natstrace compare`

Check next: `/connz?state=closed&sort=stop` on the server keeps the last 10,000 closed connections
with their reason.
";

fn judge(case: &Case<'_>) -> Judgement {
    let unread = case.reason_unread();
    let why = if unread { "if a reason was said, it was not captured" } else { "nothing seen tells why" };
    let whole = unread.then(|| "capture whole packets (`tcpdump -s 0`) in both directions, from before the connection begins".to_owned());
    let mut finding = Finding::new(0.3, say!(case, "{}; {why}", super::seen::summary(case)))
        .because(super::seen::generic(case));
    if let Some(step) = whole {
        finding = finding.fix(step);
    }
    Yes(finding
        .fix(say!(
            case,
            "ask the server: `curl '{}/connz?state=closed&sort=stop'` keeps the reason of closed connections",
            remedy::monitor(case)
        ))
        .fix("next time run natstrace live on the server's host with its probes, or with `--monitor`: see `natstrace doctor`"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().ends(Kind::Rst, Party::Unknown).fires(),
        || Scene::new().ends(Kind::Timeout, Party::Unknown).fires(),
        || Scene::new().silent(),
    ];
}
