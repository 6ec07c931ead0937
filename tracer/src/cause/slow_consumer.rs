//! `slow_consumer`: write deadline or max_pending.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "slow_consumer",
    family: Family::SlowConsumer,
    title: "write deadline or max_pending",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client did not read fast enough. The server's socket stayed full for write_deadline
(default 10s), or more than max_pending (default 64MB) was queued for it, and the server closed the
connection.

On the wire:
- the client's receive window falls to 0 and stays there; the server sends window probes
- no -ERR: the server can't send one through a full socket
- nothing marks the moment of the close: the FIN waits behind megabytes of queued data and comes
  seconds or minutes later, in the last data segment, or never
- a window closed for longer than write_deadline means that the server has already dropped the
  client

What else it could be:
- stale_client: the client's process hangs; then its PONGs are missing too
- path_blackhole: segments are not acknowledged; with a slow consumer the client's kernel
  acknowledges all it has room for
- a publisher that meets the server's closed window is stalled on purpose (slow consumers
  elsewhere), not dropped

Fix:
1. let the client read faster: no slow work where messages arrive, hand them to workers; several
   connections or a queue group
2. subscribe to less: narrower subjects; JetStream pull consumers fetch only what the client can
   take
3. give it more room: `max_pending: 128MB`, `write_deadline: \"20s\"` in nats-server.conf
4. servers up to 2.10.25 apply write_deadline to the whole backlog: upgrade

Check next: the server's log: `Slow Consumer Detected: WriteDeadline of 10s exceeded with N chunks
of M total bytes.`
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let (held, sent) = (&case.facts.tcp.client.zero_window, &case.facts.tcp.server);
    let deadline = case.settings.write_deadline;
    let told = server_error::told(case, "slow_consumer");
    if told.is_none() && (case.is_told() || case.attempt_failed()) {
        return No;
    }
    let mut confidence = told.as_ref().map_or_else(|| weight(case), |t| t.confidence);
    if case.is_server_link() && told.is_none() {
        // A partial write does not close links between servers.
        confidence *= 0.75;
    }
    if confidence < 0.1 {
        return No;
    }
    let mut finding = Finding::new(
        confidence,
        if held.longest > Span::ZERO {
            say!(case, "{client} read too slowly: its receive window was closed for {}, and {server} dropped it", held.longest)
        } else {
            say!(case, "{client} read too slowly, and {server} dropped it with data still queued")
        },
    );
    finding = finding.because(told.map(|t| t.evidence));
    if held.longest > Span::ZERO {
        let told = if case.settings.told { "" } else { " by default" };
        let text = say!(case, "client's receive window was 0 for {} (write_deadline is {deadline}{told})", held.longest);
        let from = held.longest_from.or(held.since);
        finding = finding.because([from.map_or_else(|| Evidence::packets(text.clone()), |m| Evidence::packet(m, text.clone()))]);
    }
    if let Some(fin) = sent.fin.filter(|_| sent.fin_behind_data) {
        finding = finding.because([Evidence::packet(fin, "the server's FIN came behind queued data: it had closed earlier")]);
    }
    if sent.max_in_flight > 0 {
        let text = say!(case, "up to {} bytes to the client were waiting, {} never acknowledged", sent.max_in_flight, sent.unacked_bytes);
        finding = finding.because([Evidence::packets(text)]);
    }
    finding = finding
        .because(load(case))
        .fix(remedy::read_faster(case.lang()))
        .fix(say!(case, "look at the load of {} at that time: CPU, swapping, garbage collection, a blocked handler", case.facts.client.addr))
        .fix("subscribe to less, share the load in a queue group, or use a JetStream pull consumer that fetches what it can take")
        .fix("give more room in nats-server.conf: `max_pending: 128MB` (default 64MB), `write_deadline: \"20s\"` (default 10s), then reload");
    finding.why_not.extend(network(case));
    Yes(finding.why_not("no -ERR is normal here: the server sends none through a full socket"))
}

/// What the server had for it: how much, how fast, how big, on what.
fn load(case: &Case<'_>) -> Option<Evidence> {
    let (nats, sent) = (&case.facts.nats, &case.facts.tcp.server);
    let (first, last) = (sent.first?, sent.last_data?);
    let span = (last.at - first.at).as_secs();
    if nats.msgs == 0 || span <= 0.0 {
        return None;
    }
    let mut text = say!(
            case,
        "the server sent it {} messages, {} bytes on the wire, in {}: {:.0} a second, the largest of {} bytes",
        nats.msgs,
        sent.bytes,
        last.at - first.at,
        nats.msgs as f64 / span,
        nats.largest_msg
    );
    if !nats.at_risk.subjects.is_empty() {
        text.push_str(&say!(case, "; under way at the end: {}", nats.at_risk.subjects.join(", ")));
    }
    Some(Evidence::packets(text))
}

/// Whether the network has a part in it.
fn network(case: &Case<'_>) -> Option<String> {
    let sent = &case.facts.tcp.server;
    let rtt = case.facts.rtt?.median_us as f64 / 1e3;
    // One repeat in fifty slows a stream down noticeably.
    if u64::from(sent.retransmits) * 50 > sent.packets.max(50) {
        return None;
    }
    Some(say!(
            case,
        "not the network: the client's kernel went on acknowledging, round trip {rtt:.1} ms, {} of {} segments repeated",
        sent.retransmits, sent.packets
    ))
}

/// How sure by the packets alone.
fn weight(case: &Case<'_>) -> f64 {
    let (held, sent) = (&case.facts.tcp.client.zero_window, &case.facts.tcp.server);
    let limit = Span(case.settings.write_deadline.0 / 10 * 9);
    let long = held.longest >= limit;
    let behind = sent.fin_behind_data;
    let owes_reading = sent.unanswered.is_some_and(|u| u.owed == Owed::Window);
    let server = case.ended_by(Side::Server);
    match case.close.kind {
        Kind::Fin | Kind::Rst if server => match (long, behind) {
            (true, true) => 0.96,
            (true, false) => 0.87,
            (false, true) if held.total > Span::ZERO || sent.max_in_flight > 512 << 10 => 0.78,
            (false, true) if case.facts.nats.msgs > 0 => 0.3,
            _ if held.since.is_some() => 0.62,
            _ if held.longest > Span::secs(1) => 0.4,
            _ => 0.0,
        },
        Kind::Timeout if owes_reading || (long && case.close.side == Party::Client) => if long { 0.92 } else { 0.75 },
        // The server's socket may be long gone: the client only learns it now.
        Kind::Fin | Kind::Rst if case.ended_by(Side::Client) && long => 0.85,
        Kind::Timeout if long => 0.6,
        _ => 0.0,
    }
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn closed_window(s: i64) -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).with(move |scene| {
            let z = &mut scene.facts.tcp.client.zero_window;
            (z.longest, z.total) = (Span::secs(s), Span::secs(s));
            z.longest_from = Some(mark(END - s * 1000));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || closed_window(11).with(|s| s.facts.tcp.server.fin_behind_data = true).fires(),
        || closed_window(10).fires(),
        || closed_window(2).with(|s| s.settings.write_deadline = Span::secs(2)).fires(),
        || {
            closed_window(30)
                .ends(Kind::Timeout, Party::Client)
                .with(|s| s.facts.tcp.server.unanswered = Some(unanswered(Owed::Window, END - 30_000)))
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| s.facts.tcp.server.zero_window.longest = Span::secs(20))
                .silent()
        },
        || closed_window(0).silent(),
    ];
}
