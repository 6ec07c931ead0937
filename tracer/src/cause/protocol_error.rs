//! `protocol_error`: bad verb, arguments, JSON, control line too long, headers or protocol version unsupported, bad PROXY header.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "protocol_error",
    family: Family::VersionOrProtocol,
    title: "bad verb, arguments, JSON, control line too long, headers or protocol version unsupported, bad PROXY header",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::Garbled],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client sent something that is no NATS, and the server closed at once.

On the wire:
- -ERR 'Unknown Protocol Operation' for an unknown verb or a payload of another length than
  announced
- no -ERR at all for wrong argument counts, a size that is no number, bad JSON in CONNECT, HPUB
  without headers agreed, a bad PROXY header: only FIN
- 'maximum control line exceeded' for a line over max_control_line (default 4KB; a CONNECT with a
  large JWT can be one)
- 'invalid client protocol', 'no responders requires headers support'
- or the other way round: octets that are no NATS come in the server's name (a proxy's HTTP error, a
  captive portal), and the client leaves

What else it could be:
- wrong_port: HTTP, SSH or a route on the client port
- tls_handshake_failed: TLS to a listener without TLS
- the capture began or has a hole in the middle of a message: then the verdict's confidence is low

Fix:
1. the server's log shows the first 32 bytes: `Client parser ERROR, state=0, i=0: proto=...`,
   `processSub Parse Error`
2. self-made clients: count the payload's bytes (not characters), end lines with CR LF, one writer
   at a time
3. upgrade the client library; a race between writers of one socket makes garbage
4. a large JWT or many subjects: `max_control_line: 16KB` (needs a restart)
5. PROXY protocol: balancer and `proxy_protocol: true` must agree

Check next: the malformed bytes in the evidence: whose are they?
";

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let (client, server) = (case.client(), case.server());
    if let Some(told) = server_error::told(case, "protocol_error") {
        let foreign = nats.foreign.client.is_some() || nats.foreign.server.is_some();
        // Which octets it did not understand isn't seen: they may be those of another protocol.
        let limit = if foreign { 0.5 } else if case.heard_whole(Side::Client) { 1.0 } else { 0.75 };
        let confidence = told.confidence.min(limit);
        return Yes(finish(case, confidence, say!(case, "{server} did not understand {client}: '{}'", told.text))
            .because([told.evidence])
            .because(malformed(case)));
    }
    if case.is_told() || case.attempt_failed() {
        return No;
    }
    if let Some(error) = nats.errors.iter().rev().find(|e| e.from == Side::Client && case.ended_at() - e.mark.at < Span::secs(1)) {
        return Yes(finish(case, 0.7, say!(case, "{client} sent -ERR to {server}, which then closed"))
            .because([Evidence::packet(error.mark, say!(case, "-ERR '{}' from the client", error.text))]));
    }
    let near = |m: crate::event::Mark| {
        let gap = case.ended_at() - m.at;
        gap < Span::millis(500) && gap > Span::secs(-1)
    };
    if !case.ended_by(Side::Server) {
        // No server speaks like that: somebody else wrote into the stream, or the hole in it is the network's.
        let (mark, line) = nats.malformed.server.as_ref().filter(|(m, _)| near(*m)).map_or((None, ""), |(m, l)| (Some(*m), l));
        let Some(mark) = mark.filter(|_| case.ended_by(Side::Client) && case.heard_whole(Side::Server)) else { return No };
        let spoke = nats.info.is_some() && nats.foreign.server.is_none();
        if !spoke {
            return No;
        }
        // What is plainly of another protocol; else it may be an operation that is not known here.
        let confidence = if ["HTTP/", "<", "{"].iter().any(|start| line.starts_with(start)) { 0.96 } else { 0.5 };
        return Yes(Finding::new(confidence, say!(case, "{client} left {server}: octets that are no NATS came in the server's name"))
            .because([Evidence::packet(mark, say!(case, "\"{}\" from the server's direction, which is no NATS operation", line.escape_debug()))])
            .because(case.goodbye_evidence(Side::Client))
            .fix("find what stands between and may write into the stream: a proxy or load balancer in HTTP mode, a captive portal, an \
                  inspecting firewall; let it pass TCP through untouched")
            .fix("use TLS: nobody between the ends can put octets into it unnoticed")
            .why_not("not the server's doing: before it had spoken NATS on this connection"));
    }
    let bad_json = nats.connect_unreadable.filter(|m| near(*m));
    let proxy = nats.foreign.client.filter(|(m, f)| *f == Foreign::Proxy && case.age() < Span::secs(2) && near(*m));
    let bad_line = nats.malformed.client.as_ref().filter(|(m, _)| near(*m));
    let too_long = nats.longest_control_line > case.settings.max_control_line && !case.is_server_link();
    let (confidence, what) = if bad_json.is_some() {
        (0.9, "its CONNECT can't be read (bad JSON)".to_owned())
    } else if bad_line.is_some() && nats.foreign.client.is_none() {
        (0.88, "a malformed line came right before".to_owned())
    } else if proxy.is_some() {
        (0.75, "it sent a PROXY header that the server does not take".to_owned())
    } else if nats.headers_unannounced {
        (0.85, "it used HPUB without `headers: true` in its CONNECT".to_owned())
    } else if case.unsupported_headers() {
        (0.8, "it sent headers, which INFO says this server does not take".to_owned())
    } else if too_long {
        (0.75, say!(case, "a control line of {} bytes is over max_control_line", nats.longest_control_line))
    } else {
        return No;
    };
    let mut finding = finish(case, confidence, say!(case, "{server} closed {client} without a word: {what}")).because(malformed(case));
    if let Some(mark) = bad_json {
        finding = finding.because([Evidence::packet(mark, "CONNECT whose JSON can't be read")]);
    }
    Yes(finding.because(case.goodbye_evidence(Side::Server)).why_not("no -ERR is normal here: the server sends none for bad arguments"))
}

fn malformed(case: &Case<'_>) -> Option<Evidence> {
    let (mark, line) = case.facts.nats.malformed.client.as_ref()?;
    Some(Evidence::packet(*mark, say!(case, "the client sent \"{}\", which is no NATS operation", line.escape_debug())))
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    let mut finding = Finding::new(confidence, summary)
        .fix("see the server's log at that time: `Client parser ERROR … proto=…` or `process… Parse Error` shows the bytes")
        .fix("upgrade the client library; in a client of your own count payload bytes, end lines with CR LF, let one writer write");
    if case.facts.nats.longest_control_line > case.settings.max_control_line {
        finding = finding.fix("raise `max_control_line` in nats-server.conf (default 4KB; needs a restart), or shorten the JWT");
    }
    if case.unsupported_headers() {
        finding = finding.fix("allow headers: `no_header_support` is set in nats-server.conf, or the server is older than 2.2: upgrade it");
    }
    let nats = &case.facts.nats;
    if nats.malformed.client.is_some() && nats.foreign.client.is_none() && nats.accepted.is_some() && nats.pubs + nats.subs > 0 {
        finding = finding.why_not(say!(
            case,
            "not a client that can't speak NATS: it had done so ({} publishes, {} subscriptions); a second writer on its socket, or \
             something on the path, put foreign octets into the stream",
            nats.pubs, nats.subs
        ));
    }
    finding.why_not("not the network: the bytes arrived whole, the server answered them")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn injected() -> Scene {
        Scene::new().ends(Kind::Fin, Party::Client).with(|s| {
            s.facts.nats.malformed.server = Some((mark(END - 1), "HTTP/1.1 504 Gateway".into()));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || injected().fires(),
        || injected().with(|s| s.facts.nats.malformed.server = Some((mark(END - 5_000), "x".into()))).silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).info(|i| i.headers = false).with(|s| s.facts.nats.headers_used = true).fires(),
        || Scene::new().ends(Kind::Rst, Party::Server).error("Unknown Protocol Operation").fires(),
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| s.facts.nats.malformed.client = Some((mark(END - 1), "SUB foo".into())))
                .fires()
        },
        || Scene::new().ends(Kind::Fin, Party::Server).with(|s| s.facts.nats.headers_unannounced = true).fires(),
        || {
            Scene::new()
                .young()
                .ends_at(Kind::Fin, Party::Server, 4)
                .with(|s| s.facts.nats.connect_unreadable = Some(mark(3)))
                .fires()
        },
        || Scene::new().error("Invalid Subject").silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
