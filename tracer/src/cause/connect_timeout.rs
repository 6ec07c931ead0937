//! `connect_timeout`: the client left before the server could answer.
use super::libraries::{Library, library, those};
use super::overload;
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "connect_timeout",
    family: Family::ClientConfig,
    title: "the client left before the server could answer",
    explain: EXPLAIN,
    needs: &[Symptom::AttemptFailed, Symptom::NotTaken, Symptom::NoConnect],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: TCP came about, but the client's connect timeout passed before INFO (or the answer to
CONNECT) arrived.

On the wire:
- SYN, SYN-ACK, ACK, nothing from the server, then the client's FIN or RST 2 s later (Go, Python,
  Java, C, .NET), 5 s (Rust) or 20 s (JavaScript)
- or a handshake so slow (long round trips, repeated SYNs) that the time was gone before INFO

What else it could be:
- a TLS-first server (`handshake_first`) and a client that waits for INFO
- a WebSocket, MQTT or monitoring port: they wait for the client to speak first
- stale_server, accept_queue_overflow: the server hangs, or is out of file descriptors (`too many
  open files`)

Fix:
1. is the server alive: `nats server check connection`, `curl http://SERVER:8222/healthz`, CPU,
   `LimitNOFILE=`
2. is it the right port, and does the client use TLS first where the server does
3. raise the client's connect timeout: Go `nats.Timeout`, Rust `connection_timeout`, Python
   `connect_timeout`, JavaScript `timeout`, Java `connectionTimeout`, C `natsOptions_SetTimeout`,
   .NET `ConnectTimeout`

Check next: do other clients get INFO from the same server at that moment?
";

fn judge(case: &Case<'_>) -> Judgement {
    if let Some(finding) = too_late(case) {
        return Yes(finding);
    }
    let nats = &case.facts.nats;
    if !case.ended_by(Side::Client) || case.is_told() || case.facts.handshake != Handshake::Complete || case.tls_up() {
        return No;
    }
    // An INFO that comes when the client has left was not there in time either.
    let spoke = nats.first_byte.server.filter(|first| first.at <= case.ended_at());
    let silent = spoke.is_none() && (case.facts.tcp.server.bytes == 0 || nats.first_byte.server.is_some());
    let before_info = case.heard_whole(Side::Server) && nats.connect.is_none() && silent;
    let before_pong = nats.info.is_some() && nats.connect.is_some() && case.never_accepted();
    let waited = case.age();
    if !(before_info || before_pong) || waited < Span::millis(100) {
        return No;
    }
    let library = libraries(waited, case.lang());
    let confidence = match (library.is_empty(), before_info) {
        // A repeated SYN-ACK: the server's kernel never took the handshake for done.
        (_, true) if case.facts.tcp.server.syns > 1 => 0.45,
        (false, true) => 0.87,
        (false, false) => 0.78,
        (true, true) => 0.7,
        (true, false) => 0.4,
    };
    let what = if before_info { "INFO" } else { "an answer to its CONNECT" };
    let mut finding = Finding::new(
        confidence,
        say!(case, "{} left {} after {waited} without {what}", case.client(), case.server()),
    )
    .because([Evidence::packets(say!(case, "TCP was complete, but no {what} came from the server in {waited}"))])
    .because(case.goodbye_evidence(Side::Client));
    if !library.is_empty() {
        finding = finding.because([Evidence::packets(say!(case, "{waited} is the default connect timeout of {library}"))]);
    }
    finding = finding.because(overload::evidence(case));
    let server = case.facts.server;
    finding.fix = vec![
        say!(case, "is the server well: `curl {}/healthz`, its CPU, `too many open files` in its log (`LimitNOFILE=`)", remedy::monitor(case)),
        say!(case, "is {server} a NATS client port, and not TLS first (`handshake_first`), WebSocket, MQTT or monitoring"),
        remedy::connect_timeout(case.lang()),
    ];
    finding.also.push(("accept_queue_overflow", 0.2));
    finding.also.push(("stale_server", 0.25));
    Yes(finding
        .why_not("not a filter: the handshake and its acknowledgements went through")
        .why_not("not the server's decision: it neither closed nor complained"))
}

/// Whose default connect timeout this is: the client's own, where its library is known.
fn libraries(waited: Span, lang: &str) -> String {
    let fits = |l: &Library| {
        let (late, whole) = (waited.0 - l.connect_timeout.0, l.connect_timeout.0);
        late > -(whole / 13).min(300_000_000) && late < (whole / 7).min(600_000_000)
    };
    match library(lang) {
        Some(own) if fits(own) => own.name.to_owned(),
        Some(_) => String::new(),
        None => those(fits),
    }
}

/// The SYN-ACK came when the client had gone: its kernel answers with RST.
fn too_late(case: &Case<'_>) -> Option<Finding> {
    let facts = case.facts;
    let waited = facts.syn_to_synack.filter(|_| facts.handshake == Handshake::Incomplete && case.ended_by(Side::Client))?;
    let rst = (*facts.tcp.client.rst)?;
    if waited < Span::millis(500) {
        return None;
    }
    Some(
        Finding::new(0.82, say!(case, "{} had given up when {} answered its SYN after {waited}", case.client(), case.server()))
            .because([Evidence::packet(rst.mark, say!(case, "RST to the SYN-ACK, which came {waited} after the SYN"))])
            .fix(remedy::connect_timeout(case.lang()))
            .fix(say!(case, "find what delays the first packets: ARP or neighbour discovery, an overloaded {}", facts.server.addr))
            .also("path_blackhole", 0.1),
    )
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn hasty(ms: i64) -> Scene {
        Scene::new().mute().ends_at(Kind::Fin, Party::Client, ms).with(|s| s.facts.tcp.server.bytes = 0)
    }

    pub const CASES: &[fn() -> Scene] = &[
        || hasty(2_000).fires(),
        || hasty(700).fires(),
        || hasty(2_000).with(|s| {
            (s.facts.nats.first_byte.server, s.facts.tcp.server.bytes) = (Some(mark(2_400)), 350);
        }).fires(),
        || hasty(3).silent(),
        || Scene::new().silent(),
    ];
}
