//! `max_payload_exceeded`: a message over the limit.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "max_payload_exceeded",
    family: Family::SlowConsumer,
    title: "a message over the limit",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client published a message larger than the server allows (`max_payload`, default
1MB; accounts and users may have less). The number counts headers and payload.

On the wire:
- PUB or HPUB whose announced size is over INFO's max_payload
- -ERR 'Maximum Payload Violation', then RST if payload was already under way, FIN if only the line
  was
- a client that still writes may see only `connection reset by peer`; the reason stands in the
  capture

What else it could be:
- protocol_error: a size that is no number, or a payload of another length than announced
- mtu_blackhole: large segments die on the path, no -ERR

Fix:
1. keep messages small: put large data into the object store, or cut it into chunks
2. raise `max_payload: 8MB` in nats-server.conf and reload; above 8MB the server warns, 64MB is the
   most
3. the limit may be the account's or user's: `nsc edit user NAME --payload N`
4. most libraries check INFO's max_payload before they send: upgrade one that does not

Check next: Go, C and Python clients close for good on this -ERR: does the application reconnect?
";

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let announced = nats.info.as_ref().and_then(|(_, i)| u64::try_from(i.max_payload).ok()).filter(|m| *m > 0);
    let limit = announced.unwrap_or(case.settings.max_payload);
    let told = server_error::told(case, "max_payload_exceeded");
    let large = nats.last_pub.filter(|(size, _)| *size > limit);
    // The -ERR may be lost in the reset: the size alone is telling.
    let silent = large.is_some_and(|(_, m)| case.ended_by(Side::Server) && case.ended_at() - m.at < Span::secs(1));
    if told.is_none() && (!silent || case.is_told()) {
        return No;
    }
    let (size, _) = large.or(nats.largest_pub).unwrap_or_default();
    let what = if size > limit { say!(case, "a message of {size} bytes") } else { "a message".to_owned() };
    let mut finding = Finding::new(
        told.as_ref().map_or(0.88, |t| t.confidence),
        say!(case, "{} published {what} to {}, which allows {limit} bytes (max_payload)", case.client(), case.server()),
    )
    .because(told.map(|t| t.evidence));
    if let Some((size, mark)) = large {
        finding = finding.because([Evidence::packet(mark, say!(case, "publish of {size} bytes announced, the limit is {limit}"))]);
    }
    finding = finding
        .because(case.goodbye_evidence(Side::Server))
        .fix("keep messages below the limit: object store for large data, or chunks")
        .fix(say!(case, "or raise `max_payload` in nats-server.conf on {} (default 1MB, more than 8MB is not advised) and reload", case.facts.server.addr))
        .fix("the account or user may have a lower limit: `nsc describe user NAME`");
    if matches!(case.lang(), "go" | "C") {
        finding = finding.fix("this client library closes for good after that -ERR: reconnect in the application's closed handler");
    }
    Yes(finding.why_not("not the network: a reset right behind the -ERR is the server's own, it had bytes unread"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().ends(Kind::Rst, Party::Server).error("Maximum Payload Violation").fires(),
        || {
            Scene::new()
                .ends(Kind::Rst, Party::Server)
                .with(|s| s.facts.nats.last_pub = Some((2_000_000, mark(END - 1))))
                .fires()
        },
        || Scene::new().with(|s| s.facts.nats.last_pub = Some((1_000, mark(END - 1)))).silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
