//! `authorization_violation`: credentials, account, connection type, source address, leaf permissions.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization_violation",
    family: Family::Auth,
    title: "credentials, account, connection type, source address, leaf permissions",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::Mqtt],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server did not accept who the client is, or from where and how it comes.

On the wire:
- CONNECT, within a millisecond -ERR 'Authorization Violation' and FIN (RST if more bytes were under
  way)
- a few reasons come without -ERR: only FIN right after CONNECT
- on a living connection: a reload changed the password
- leaf links: 'Permissions Violation ...' closes them, clients stay connected after it
- MQTT: CONNACK with return code 4 or 5

What else it could be:
- auth_expired, auth_revoked: once connected, with their own texts
- auth_timeout: no CONNECT within 2 s
- kicked: the FIN comes later than right after CONNECT

Fix:
1. the server's log names the user: `authentication error - User \"a\"` (or Nkey, JWT User, Token)
2. user, password, token, credentials file: is it the one of this server and account? JWT expired:
   `nsc describe user`
3. nkeys: the seed must belong to a public key in the config; operator mode: has the account JWT
   been pushed (`nsc push`)
4. restrictions of the user: `allowed_connection_types` (STANDARD, WEBSOCKET, LEAFNODE, MQTT),
   source addresses, times
5. clocks: a JWT is not valid before its time

Check next: was the server's config reloaded, or a JWT pushed, just before? The client library gives
up after two of these from one server (Go, C, Java, JavaScript, .NET) or at once (Python).
";

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let (client, server) = (case.client(), case.server());
    let user = nats.connect.as_ref().map(|(_, c)| c.user.as_str()).filter(|u| !u.is_empty());
    let who = user.map_or(String::new(), |u| say!(case, " (user \"{u}\")"));
    if let Some(told) = server_error::told(case, "authorization_violation") {
        return Yes(finish(case, told.confidence, say!(case, "{server} does not let {client}{who} in: '{}'", told.text)).because([told.evidence]));
    }
    if case.is_told() || case.attempt_failed() {
        return No;
    }
    if let Some(code) = nats.mqtt.as_ref().and_then(|m| m.connack).filter(|c| matches!(c, 4 | 5)) {
        return Yes(finish(case, 0.97, say!(case, "{server} does not let MQTT client {client} in"))
            .because([Evidence::packets(say!(case, "CONNACK with return code {code} (not authorized)"))]));
    }
    if !case.ended_by(Side::Server) {
        return No;
    }
    let wanted = nats.info.as_ref().is_some_and(|(_, i)| i.auth_required);
    if let Some((mark, _)) = nats.connect.as_ref().filter(|_| case.never_accepted()) {
        let gap = case.ended_at() - mark.at;
        let confidence = match (wanted, gap < Span::millis(50), gap < Span::secs(1)) {
            (true, true, _) => 0.82,
            (true, false, true) => 0.6,
            (false, true, _) => 0.35,
            _ => return No,
        };
        return Yes(finish(case, confidence, say!(case, "{server} closed {client}{who} {gap} after its CONNECT, without a word: most likely its credentials"))
            .because([Evidence::packet(*mark, "CONNECT, not answered with PONG")])
            .because(case.goodbye_evidence(Side::Server)));
    }
    // Inside TLS only the rhythm shows: up, one short answer, closed.
    let tls = nats.tls.as_ref().filter(|t| t.established && wanted && case.age() < Span::secs(1) && t.records.client <= 6);
    if tls.is_none() {
        return No;
    }
    Yes(finish(case, 0.5, say!(case, "{server} closed {client} right after TLS was up; most likely its credentials"))
        .because([Evidence::packets("INFO with auth_required:true, TLS came about, closed within a second")])
        .because(case.goodbye_evidence(Side::Server))
        .also("tls_handshake_failed", 0.35))
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    let mut finding = Finding::new(confidence, summary)
        .fix(say!(case, "see the log of {}: `authentication error - …` names the user, nkey or JWT", case.facts.server.addr))
        .fix("check the client's credentials (creds file, password, token, nkey) against this server and account; JWTs: `nsc describe user NAME`, `nsc push`")
        .fix("check the user's limits: `allowed_connection_types`, source addresses, times of day");
    if case.facts.nats.protocol == Protocol::Leafnode {
        finding = finding.fix("a leaf link closes on a permissions violation: widen the permissions of the leaf's user, or deny the subject on the leaf's side too");
    }
    let old_java = case.facts.nats.connect.as_ref().is_some_and(|(_, c)| c.lang == "java" && c.version.starts_with("2.21."));
    if old_java {
        finding = finding.fix("jnats 2.21.0 to 2.21.3 send UNSUB before CONNECT on a reconnect and get this -ERR with right credentials: upgrade to 2.21.4 or later");
    }
    finding.why_not("not the network: the server answered the CONNECT at once")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().young().ends_at(Kind::Fin, Party::Server, 4).error("Authorization Violation").fires(),
        || Scene::new().young().ends_at(Kind::Fin, Party::Client, 4).error("Authorization Violation").fires(),
        || Scene::new().young().info(|i| i.auth_required = true).ends_at(Kind::Fin, Party::Server, 4).fires(),
        || {
            Scene::new()
                .young()
                .ends_at(Kind::Fin, Party::Server, 40)
                .error("Permissions Violation for Subscription to \"a\"")
                .with(|s| s.facts.nats.protocol = Protocol::Leafnode)
                .fires()
        },
        || Scene::new().error("Permissions Violation for Publish to \"a\"").silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
