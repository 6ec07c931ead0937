//! `tls_required`: a plain client on a TLS listener.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "tls_required",
    family: Family::VersionOrProtocol,
    title: "a plain client on a TLS listener",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server wants TLS, the client spoke plain NATS (or waited for an INFO that a
TLS-first server never sends).

On the wire:
- INFO with `\"tls_required\":true`, then a CONNECT in clear, then the server's FIN within a
  millisecond, no -ERR
- TLS-first servers (`handshake_first`): nobody speaks for 2.0 s, then the server's FIN
- the server's log: `TLS handshake error: tls: first record does not look like a TLS handshake`

What else it could be:
- tls_handshake_failed: the client did begin TLS
- auth_timeout: INFO without tls_required, no CONNECT for 2 s
- connect_timeout: the client is the first to leave

Fix:
1. use `tls://SERVER:4222` in the client's URL, or its TLS options: Go `nats.Secure`/`nats.RootCAs`,
   Rust `require_tls(true)`, Python `tls=`, JavaScript `tls: {}`, Java `secure()`, C
   `natsOptions_SetSecure`, .NET `TlsOpts`
2. TLS-first servers need TLS-first clients: Go `nats.TLSHandshakeFirst()`, Rust `tls_first()`,
   Python `tls_handshake_first=True`, JavaScript `tls: { handshakeFirst: true }`, C
   `natsOptions_TLSHandshakeFirst`
3. while clients are moved over: `allow_non_tls: true`, or `handshake_first: auto` in the `tls`
   block

Check next: passwords in a plain CONNECT have been on the wire in clear: change them.
";

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let (client, server) = (case.client(), case.server());
    let told = server_error::told(case, "tls_required");
    if told.is_none() && (case.is_told() || !case.ended_by(Side::Server) || case.attempt_failed()) {
        return No;
    }
    let wanted = nats.info.as_ref().is_some_and(|(_, i)| i.tls_required);
    let hello = nats.tls.as_ref().is_some_and(|t| t.client_hello.is_some());
    let plain = nats.connect.as_ref().map(|c| c.0).or(nats.first_byte.client.filter(|_| case.heard_whole(Side::Client))).filter(|_| !hello);
    let mute = !case.facts.unread() && nats.info.is_none() && nats.first_byte.client.is_none() && nats.first_byte.server.is_none();
    let waited = case.age();
    let timed_out = about(waited, case.settings.tls_timeout, Span::millis(150));
    let (confidence, summary, evidence) = match (told, plain) {
        (Some(told), _) => (told.confidence, say!(case, "{server} wants TLS and {client} did not begin it"), told.evidence),
        (None, Some(mark)) if wanted && nats.accepted.is_none() => (
            0.96,
            say!(case, "{client} spoke plain NATS to {server}, whose INFO says tls_required"),
            Evidence::packet(mark, "plain bytes of the client after an INFO with tls_required:true"),
        ),
        (None, None) if mute && timed_out && !hello && !case.reason_unread() && !case.never_captured(Side::Server) => (
            0.68,
            say!(case, "{server} seems to want TLS first: nobody spoke for {waited}, then it closed {client}"),
            Evidence::packets(say!(case, "no byte from either end; FIN {waited} after the handshake, tls.timeout is {}", case.settings.tls_timeout)),
        ),
        _ => return No,
    };
    Yes(Finding::new(confidence, summary)
        .because([evidence])
        .because(nats.info.as_ref().filter(|_| wanted).map(|(m, _)| Evidence::packet(*m, "INFO with tls_required:true")))
        .because(case.goodbye_evidence(Side::Server))
        .fix(say!(case, "use `tls://{}` in the client's URL list, with the CA that signed the server's certificate", case.facts.server))
        .fix("if the server is TLS first (`handshake_first`), tell the client: Go `nats.TLSHandshakeFirst()`, Rust `tls_first()`, Python `tls_handshake_first=True`, JavaScript `tls: { handshakeFirst: true }`")
        .fix("while clients are moved over: `allow_non_tls: true` or `handshake_first: auto` in nats-server.conf")
        .why_not("not the credentials: the server never came to read them"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().young().info(|i| i.tls_required = true).ends_at(Kind::Fin, Party::Server, 4).fires(),
        || Scene::new().mute().ends_at(Kind::Fin, Party::Server, 2_003).fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
        || Scene::new().young().ends_at(Kind::Fin, Party::Server, 4).error("Authorization Violation").silent(),
    ];
}
