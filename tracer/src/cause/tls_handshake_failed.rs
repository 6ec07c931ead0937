//! `tls_handshake_failed`: certificate, version, timeout, TLS to a plain listener.
use super::prelude::*;
use crate::event::TlsFacts;

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls_handshake_failed",
    family: Family::VersionOrProtocol,
    title: "certificate, version, timeout, TLS to a plain listener",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::Garbled, Symptom::Tls],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: TLS was begun and did not come about.

On the wire:
- ClientHello, then an alert or a close instead of application data
- alert of the client: it does not trust the server (unknown_ca 48, bad_certificate 42,
  certificate_expired 45)
- alert of the server: no certificate (certificate_required 116), versions or ciphers
  (protocol_version 70, handshake_failure 40)
- TLS 1.3 with client certificates: the alert is encrypted, the server resets right after the
  client's Finished
- TLS to a plain listener: -ERR 'Unknown Protocol Operation' and RST
- silence: the server closes after tls.timeout (default 2s)

What else it could be:
- tls_required: the client never began TLS
- authorization_violation inside TLS: the handshake was complete, then a short answer and a close
- mtu_blackhole: the certificate is the first large packet

Fix:
1. see for yourself: `nats --server tls://SERVER:4222 server check connection`
2. unknown CA: give the client the CA file; expired: `openssl x509 -enddate -noout -in cert.pem`
3. wrong name: the certificate must carry the name or address that the client dials (subjectAltName)
4. certificate required: the client needs its own (`tls { verify: true }` on the server)
5. slow handshakes: `tls { timeout: 5 }` in nats-server.conf (default 2)

Check next: the server's log: `TLS handshake error: ...` names the reason (debug level from 2.12.9
on).
";

/// Names of RFC 8446 section 6, and what they mean here.
const ALERTS: &[(u8, &str, &str)] = &[
    (0, "close_notify", "it closed"),
    (40, "handshake_failure", "no common version, cipher or certificate"),
    (42, "bad_certificate", "the certificate is not accepted"),
    (43, "unsupported_certificate", "the kind of certificate is not accepted"),
    (44, "certificate_revoked", "the certificate is revoked"),
    (45, "certificate_expired", "the certificate is expired"),
    (46, "certificate_unknown", "the certificate is not accepted"),
    (47, "illegal_parameter", "the handshake is malformed"),
    (48, "unknown_ca", "the certificate's CA is not trusted"),
    (49, "access_denied", "access is denied"),
    (50, "decode_error", "the handshake can't be read"),
    (51, "decrypt_error", "a signature does not fit"),
    (70, "protocol_version", "the versions do not meet"),
    (71, "insufficient_security", "the ciphers are too weak"),
    (80, "internal_error", "an internal error"),
    (112, "unrecognized_name", "the server name is not known"),
    (116, "certificate_required", "a client certificate is required"),
    (120, "no_application_protocol", "no common application protocol"),
];

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let (client, server) = (case.client(), case.server());
    if let Some(told) = server_error::told(case, "tls_handshake_failed") {
        return Yes(finish(case, told.confidence, say!(case, "TLS between {client} and {server} did not come about")).because([told.evidence]));
    }
    let ended = matches!(case.close.kind, Kind::Fin | Kind::Rst) && case.close.side != Party::Network;
    if case.attempt_failed() || !ended {
        return No;
    }
    if let Some((mark, _)) = nats.foreign.client.filter(|(_, f)| *f == Foreign::Tls) {
        return Yes(finish(case, 0.985, say!(case, "{client} speaks TLS to {server}, which is a plain listener"))
            .because([Evidence::packet(mark, "TLS records where the server expects plain NATS")])
            .because(nats.errors.last().map(|e| Evidence::packet(e.mark, say!(case, "-ERR '{}' from the {}", e.text, e.from))))
            .fix(say!(case, "use `nats://{}` in the client, or give the server a `tls {{ … }}` block", case.facts.server)));
    }
    let Some(tls) = nats.tls.as_ref() else { return silent(case) };
    if case.is_told() {
        return No;
    }
    if let Some(alert) = tls.alerts.iter().find(|a| a.level == 2 || a.description != 0) {
        let (name, meaning) = ALERTS.iter().find(|a| a.0 == alert.description).map_or(("alert", "see its number"), |a| (a.1, a.2));
        return Yes(finish(case, if tls.established { 0.7 } else { 0.97 }, say!(case, "the {} broke TLS between {client} and {server} off: {meaning} ({name})", alert.from))
            .because([Evidence::packet(alert.mark, say!(case, "TLS alert {name} ({}) from the {}", alert.description, alert.from))])
            .fix(advice(alert.description, alert.from)));
    }
    hidden(case, tls)
}

/// No alert in clear: what the order of records tells.
fn hidden(case: &Case<'_>, tls: &TlsFacts) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let quick = case.age() < Span::secs(1);
    let by_server = case.ended_by(Side::Server);
    let wants_certificate = case.facts.nats.info.as_ref().is_some_and(|(_, i)| i.tls_verify);
    let few = tls.records.client <= 4 && tls.records.server <= 6;
    let Some(hello) = tls.client_hello.or(tls.server_hello) else { return No };
    let (confidence, how) = match (tls.established, tls.server_hello.is_some()) {
        (false, false) if by_server => (0.87, "the server closed after the ClientHello"),
        (false, false) => (0.6, "the server never answered the ClientHello"),
        (false, true) if by_server => (0.9, "the server closed in the middle of the handshake"),
        (false, true) => (0.86, "the client closed in the middle of the handshake"),
        (true, _) if by_server && quick && few && wants_certificate => (0.75, "the server closed right after it, most likely for want of a client certificate"),
        (true, _) if by_server && quick && few && case.close.kind == Kind::Rst => (0.56, "the server reset right after it (client certificate?)"),
        (true, _) if by_server && quick && few => (0.4, "the server closed right after it"),
        _ => return No,
    };
    let mut confidence = case.if_none_was_said(confidence);
    // Whether the handshake was done shows only in both directions together.
    if Side::BOTH.iter().any(|&s| case.never_captured(s)) {
        confidence = confidence.min(0.35);
    }
    let mut finding = finish(case, confidence, say!(case, "TLS between {client} and {server} did not come about: {how}"))
        .because([Evidence::packet(hello, say!(case, "{}{}", if tls.client_hello.is_some() { "ClientHello" } else { "ServerHello" }, tls.sni.as_ref().map_or(String::new(), |s| say!(case, " for {s}"))))])
        .because(case.goodbye_evidence(if by_server { Side::Server } else { Side::Client }));
    if wants_certificate {
        finding = finding.fix("the server wants a client certificate (tls_verify): give the client `tls` certificate and key");
    }
    finding.also.push(("authorization_violation", if tls.established { 0.35 } else { 0.1 }));
    Yes(finding)
}

/// INFO with tls_required, and the client says nothing until the timeout.
fn silent(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let wanted = nats.info.as_ref().is_some_and(|(_, i)| i.tls_required);
    let nothing = case.heard_whole(Side::Client) && nats.first_byte.client.is_none() && nats.connect.is_none();
    let age = case.age();
    if !wanted || !nothing || !case.ended_by(Side::Server) || case.is_told() || !about(age, case.settings.tls_timeout, Span::millis(200)) {
        return No;
    }
    Yes(finish(case, 0.85, say!(case, "{} never began TLS; {} closed it after {age}", case.client(), case.server()))
        .because([Evidence::packets(say!(case, "INFO with tls_required:true, no ClientHello in {age} (tls.timeout)"))])
        .because(case.goodbye_evidence(Side::Server)))
}

/// What to do about an alert.
fn advice(description: u8, from: Side) -> &'static str {
    match (description, from) {
        (48 | 42 | 46, Side::Client) => "give the client the CA that signed the server's certificate (Go `nats.RootCAs`, Rust `add_root_certificates`, Python `tls=` context, JavaScript `tls: { ca }`)",
        (48 | 42 | 46, Side::Server) => "give the client a certificate that the server's `tls { ca_file }` has signed",
        (45, _) => "renew the certificate: `openssl x509 -enddate -noout -in cert.pem`; check the clocks of both hosts",
        (116, _) => "give the client a certificate and key: the server has `tls { verify: true }`",
        (70 | 40 | 71, _) => "let versions and ciphers meet: `min_version` and `cipher_suites` in the server's `tls` block, the client's TLS library",
        (112, _) => "dial the name that is in the server's certificate (subjectAltName)",
        _ => "see the server's log: `TLS handshake error: …`",
    }
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    Finding::new(confidence, summary)
        .fix(say!(case, "see the server's log: `TLS handshake error: …` (debug level from 2.12.9 on), and try `nats --server tls://{} server check connection`", case.facts.server))
        .why_not("not a filter: both ends' TCP answered up to the end")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn tls(change: fn(&mut TlsFacts)) -> Scene {
        Scene::new().young().with(|s| s.facts.nats.connect = None).ends_at(Kind::Fin, Party::Server, 20).tls(|t| {
            t.client_hello = Some(mark(5));
            change(t);
        })
    }

    fn alert(description: u8, from: Side) -> TlsAlert {
        TlsAlert { mark: mark(8), from, level: 2, description }
    }

    pub const CASES: &[fn() -> Scene] = &[
        || tls(|_| {}).fires(),
        || tls(|t| t.alerts.push(alert(48, Side::Client))).ends_at(Kind::Fin, Party::Client, 20).fires(),
        || tls(|t| t.alerts.push(alert(116, Side::Server))).fires(),
        || {
            Scene::new()
                .young()
                .ends_at(Kind::Rst, Party::Server, 4)
                .error("Unknown Protocol Operation")
                .with(|s| s.facts.nats.foreign.client = Some((mark(3), Foreign::Tls)))
                .fires()
        },
        || tls(|t| t.established = true).ends(Kind::Fin, Party::Server).silent(),
        || Scene::new().silent(),
    ];
}
