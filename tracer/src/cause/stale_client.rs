//! `stale_client`: the server gave up on PONGs (the client hangs).
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "stale_client",
    family: Family::SlowConsumer,
    title: "the server gave up on PONGs (the client hangs)",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::OpenPings],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server's PINGs had no PONG for ping_max times ping_interval (default 2 times 2m), so
it closed the connection as stale. The client's process hangs or never reads; its host is alive.

On the wire:
- PINGs of the server acknowledged by TCP, no PONG, nothing else from the client
- -ERR 'Stale Connection' and FIN, 4 to 8 min after the client's last word by default
- if TCP does not acknowledge either, the path or the host is dead, and nobody hears the -ERR

What else it could be:
- firewall_drop, path_blackhole, peer_vanished: the PINGs are repeated, not acknowledged
- slow_consumer: the window is closed too; that ends it after write_deadline already
- an application that blocks the library's read loop (Python's event loop, JavaScript's)

Fix:
1. look at the client's process at that time: stopped (`ps -o stat`), in a debugger, garbage
   collection, a frozen container, a laptop asleep
2. never block the event loop or the callback that reads
3. let the server be more patient: `ping_interval` (default 2m), `ping_max` (default 2)
4. let the client notice and reconnect by itself: its own ping interval

Check next: does the client notice the close? A hung one does only when it wakes.
";

fn judge(case: &Case<'_>) -> Judgement {
    let pings = &case.facts.nats.pings.server;
    let hung = case.hung_pings(Side::Client);
    let told = server_error::told(case, "stale_client");
    let network = case.close.side == Party::Network || case.close.kind == Kind::FirewallDrop;
    if told.is_none() && (case.is_told() || hung == 0 || network || case.attempt_failed()) {
        return No;
    }
    let owes_pong = case.facts.tcp.server.unanswered.is_some_and(|u| u.owed == Owed::Pong);
    let silent = case.close.kind == Kind::Timeout && case.close.side == Party::Client;
    let confidence = match (&told, hung) {
        (Some(told), _) => told.confidence,
        (None, _) if hung >= case.settings.ping_max && case.ended_by(Side::Server) => 0.86,
        (None, 2..) if silent => 0.88,
        (None, 1) if silent && owes_pong => 0.7,
        (None, 2..) if case.ended_by(Side::Client) => 0.35,
        _ => return No,
    };
    // A PONG that the path lost is no client that hangs.
    let confidence = match (case.facts.lossy(), case.facts.loses()) {
        (Some(_), _) => f64::min(confidence, 0.6),
        (None, Some(_)) => f64::min(confidence, 0.46),
        _ if case.cut_off().is_some() => f64::min(confidence, 0.46),
        _ => confidence,
    };
    let interval = pings.interval.unwrap_or(case.settings.ping_interval);
    let (client, server) = (case.client(), case.server());
    let summary = if told.is_some() {
        say!(case, "{server} gave up on {client}: {} PINGs without an answer (Stale Connection)", pings.unanswered.max(case.settings.ping_max))
    } else {
        say!(case, "{client} answers no PING any more ({hung} open), although its kernel acknowledges them")
    };
    let mut finding = Finding::new(confidence, summary).because(told.map(|t| t.evidence));
    if let Some(mark) = pings.first_unanswered {
        finding = finding.because([Evidence::packet(mark, say!(case, "first PING of the server without a PONG, {} before the end", case.ended_at() - mark.at))]);
    }
    if case.ended_by(Side::Server)
        && let Some(first) = pings.first_unanswered
    {
        let waited = case.ended_at() - first.at;
        let whole = interval.times(i64::from(case.settings.ping_max));
        if about(waited, whole, Span(interval.0 / 2)) {
            finding = finding.because([Evidence::packets(say!(
                case,
                "the server's PING timer fired: {} PINGs, one every {interval} (ping_interval), {waited} in all", case.settings.ping_max
            ))]);
        }
    }
    if let Some(last) = case.facts.tcp.client.last_data {
        finding = finding.because([Evidence::packet(last, say!(case, "last data of the client, {} before the end", case.ended_at() - last.at))]);
    }
    finding = finding
        .fix(say!(case, "look at the client's process on {}: stopped or frozen (`ps -o pid,stat,wchan`), blocked read loop, garbage collection", case.facts.client.addr))
        .fix(remedy::read_faster(case.lang()))
        .fix(say!(case, "give it more time in nats-server.conf: `ping_interval` ({interval} here, default 2m), `ping_max: 3` (default 2)"))
        .fix(remedy::ping_option(case.lang(), 30));
    if hung > 0 {
        finding = finding.why_not("not the network and no filter: the client's TCP acknowledged the PINGs");
    }
    finding.why_not.extend(case.no_filter(Side::Server));
    Yes(finding)
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn hung(pings: u32) -> Scene {
        Scene::new().with(move |s| {
            s.facts.nats.pings.server.unanswered = pings;
            s.facts.nats.pings.server.first_unanswered = Some(mark(END - 30_000));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || hung(2).ends(Kind::Fin, Party::Server).error("Stale Connection").fires(),
        || {
            hung(2)
                .ends(Kind::Timeout, Party::Client)
                .with(|s| *s.facts.tcp.server.unanswered = Some(unanswered(Owed::Pong, END - 30_000)))
                .fires()
        },
        || hung(2).ends(Kind::Fin, Party::Server).fires(),
        || hung(2).dies(Kind::FirewallDrop, Party::Client).silent(),
        || hung(2).dies(Kind::Timeout, Party::Network).error("Stale Connection").with(|s| {
            *s.facts.tcp.server.unanswered = Some(unanswered(Owed::Data, END - 30_000));
        }).silent(),
        || Scene::new().silent(),
    ];
}
