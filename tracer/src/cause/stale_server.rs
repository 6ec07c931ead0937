//! `stale_server`: the client gave up on PONGs (the server hangs or is overloaded).
use super::libraries::library;
use super::overload;
use super::prelude::*;
use super::server_error::Told;


/// The rule.
pub static RULE: Rule = Rule {
    code: "stale_server",
    family: Family::ServerOverload,
    title: "the client gave up on PONGs (the server hangs or is overloaded)",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::OpenPings, Symptom::LatePong],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client sent PINGs, the server's kernel acknowledged them, but no PONG came: the
nats-server process hangs (stopped, starved of CPU, blocked on disk, in a debugger). The client
calls it stale and leaves.

On the wire:
- PINGs of the client acknowledged by TCP, no PONG
- at the third tick the client closes: FIN (Go, Python, JavaScript, .NET), FIN and RST (C), RST
  (Java); Rust only dials anew
- default: 2 min and 2 PINGs, so 4 to 6 min after the hang (Rust 1 min: 2 to 3 min)
- new connections get SYN-ACK but no INFO; before that INFO and PONGs come later and later while
  TCP's acknowledgements stay quick: a process short of CPU, not a slow network

What else it could be:
- path_blackhole, firewall_drop: then the PINGs are not acknowledged by TCP either
- packet_loss: PONGs come late, with many repeats

Fix:
1. on the server: `systemctl status`, `top -H -p $(pidof nats-server)`, state T (stopped) or D
   (disk) in `ps -o stat,wchan`
2. container CPU limits: `nr_throttled` in cpu.stat; give more CPU
3. JetStream on slow disks: `iostat -x 1`, log lines `Readloop processing time`
4. `curl http://SERVER:8222/stacksz` while it hangs shows where

Check next: did all clients of that server leave within minutes?
";

fn judge(case: &Case<'_>) -> Judgement {
    let pings = &case.facts.nats.pings.client;
    if let Some(told) = server_error::told(case, "stale_server") {
        return Yes(said_so(case, told));
    }
    if let Some(finding) = answered_too_late(case) {
        return Yes(finding);
    }
    let hung = case.hung_pings(Side::Server);
    let owes_pong = case.facts.tcp.client.unanswered.is_some_and(|u| u.owed == Owed::Pong);
    if hung == 0 || case.is_told() || case.attempt_failed() || case.ended_by(Side::Server) || case.close.kind == Kind::FirewallDrop {
        return No;
    }
    // PINGs that could not get through asked nobody, those of a flush before the close waited for nobody.
    if case.held_up_pings().is_some() || case.ended_by(Side::Client) && hung > 1 && !case.left_after_pings() {
        return No;
    }
    let silent_server = case.close.kind == Kind::Timeout && case.close.side != Party::Client;
    let confidence = match (hung, case.ended_by(Side::Client), silent_server) {
        (2.., true, _) => 0.93,
        (2.., _, true) => 0.9,
        (1, _, true) if owes_pong => 0.75,
        (1, true, _) if pings.first_unanswered.is_some_and(|m| case.ended_at() - m.at > Span::secs(5)) => 0.45,
        _ => return No,
    };
    // A PONG that the path lost is no server that hangs.
    let confidence = if case.facts.loses().is_some() { f64::min(confidence, 0.45) } else { confidence };
    let since = pings.first_unanswered.map(|m| case.ended_at() - m.at);
    let mut finding = Finding::new(
        confidence,
        say!(
            case,
            "{} stopped answering: {hung} PINGs of {} have no PONG{}, although its kernel acknowledged them",
            case.server(),
            case.client(),
            since.map_or(String::new(), |s| say!(case, " for {s}"))
        ),
    );
    if let Some(mark) = pings.first_unanswered {
        finding = finding.because([Evidence::packet(mark, say!(case, "first PING without a PONG; {hung} in all, acknowledged by TCP"))]);
    }
    finding = finding
        .because(timer(case))
        .because(case.goodbye_evidence(Side::Client))
        .because(overload::evidence(case));
    finding.fix = fix(case);
    finding.why_not.push("not the network and no filter: the server's TCP acknowledged every PING".into());
    finding.why_not.extend(case.network_fine());
    Yes(finding)
}

/// A server that dialled (leaf node, route, gateway) gave up on the one that it dialled, and said so.
fn said_so(case: &Case<'_>, told: Told) -> Finding {
    let pings = &case.facts.nats.pings.client;
    let (client, server) = (case.client(), case.server());
    // Its PINGs may not have got through.
    let lost = case.facts.tcp.client.unanswered.is_some_and(|u| u.repeats > 0) || case.facts.loses().is_some();
    let confidence = if lost { told.confidence.min(0.5) } else { told.confidence };
    let mut finding = Finding::new(confidence, say!(case, "{client} gave up on {server}: it answered no PING (Stale Connection)"))
        .because([told.evidence]);
    if let Some(mark) = pings.first_unanswered {
        let open = case.ended_at() - mark.at;
        finding = finding.because([Evidence::packet(mark, say!(case, "first PING without a PONG, {open} before the end; {} in all", pings.unanswered))]);
    }
    finding = finding.because(case.goodbye_evidence(Side::Client)).because(overload::evidence(case));
    finding.fix = fix(case);
    finding.why_not.extend(case.network_fine());
    finding
}

/// The PONGs came after all, when the client had long stopped asking: some libraries keep the old connection until the next one
/// is up (async-nats).
fn answered_too_late(case: &Case<'_>) -> Option<Finding> {
    let pings = &case.facts.nats.pings.client;
    if !case.ended_by(Side::Client) || case.is_told() || case.attempt_failed() || case.facts.lossy().is_some() {
        return None;
    }
    let own = library(case.lang());
    let interval = pings.interval.or(own.map(|l| l.ping_interval))?;
    let slowest = pings.slowest_pong.filter(|&s| s >= interval.times(own.map_or(2, |l| i64::from(l.pings_out))))?;
    let stopped = case.ended_at() - pings.last?.at;
    let tcp_answered = case.facts.rtt.is_some_and(|r| Span::micros(r.max_us.try_into().unwrap_or(i64::MAX)).times(4) < slowest);
    if !tcp_answered || stopped < Span(interval.0 + interval.0 / 2) {
        return None;
    }
    let mut finding = Finding::new(
        0.84,
        say!(case, "{} answered the PINGs of {} {slowest} late, when that had given up on it", case.server(), case.client()),
    )
    .because([
        Evidence::packets(say!(case, "a PONG took {slowest}, though the client asks every {interval}; the server's TCP had acknowledged the PING")),
        Evidence::packets(say!(case, "the client sent no PING in its last {stopped}: it had given this connection up")),
    ])
    .because(case.goodbye_evidence(Side::Client))
    .because(overload::evidence(case));
    finding.fix = fix(case);
    Some(finding.why_not("not the network and no filter: the server's TCP acknowledged every PING"))
}

fn fix(case: &Case<'_>) -> Vec<String> {
    let addr = case.facts.server.addr;
    vec![
        say!(case, "on {addr}: `ps -o pid,stat,wchan,comm -C nats-server` (T: stopped, D: waits for disk) and `top -H`"),
        say!(case, "on {addr}: CPU limit (`nr_throttled` in the cgroup's cpu.stat), disk (`iostat -x 1`), `Readloop processing time` in the log"),
        say!(case, "while it hangs: `curl {}/stacksz` shows where", remedy::monitor(case)),
    ]
}

/// Whose timer ended it: the client's own, by its library's defaults or by the interval that was seen.
fn timer(case: &Case<'_>) -> Option<Evidence> {
    let pings = &case.facts.nats.pings.client;
    let first = pings.first_unanswered.filter(|_| case.speaks && case.ended_by(Side::Client))?;
    let waited = case.ended_at() - first.at;
    let own = library(case.lang());
    let interval = pings.interval.or(own.map(|l| l.ping_interval))?;
    let ticks = own.map_or(2, |l| l.pings_out);
    if !about(waited, interval.times(i64::from(ticks)), Span(interval.0 / 2)) {
        return None;
    }
    let default = own.filter(|l| about(interval, l.ping_interval, Span::secs(1))).map_or(String::new(), |l| format!(", the default of {}", l.name));
    Some(Evidence::packets(format!(
        "the client's own PING timer fired: {ticks} PINGs without a PONG, one every {interval}{default}, so it left {waited} after the first"
    )))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn hung(pings: u32) -> Scene {
        Scene::new().with(move |s| {
            s.facts.nats.pings.client.unanswered = pings;
            s.facts.nats.pings.client.sent = 9;
            s.facts.nats.pings.client.first_unanswered = Some(mark(END - 40_000));
        })
    }

    /// Who dialled says that the other one is stale.
    fn gave_up_on_hub(protocol: Protocol) -> Scene {
        Scene::new().error("Stale Connection").with(move |s| {
            s.facts.nats.protocol = protocol;
            s.facts.nats.errors.iter_mut().for_each(|e| e.from = Side::Client);
        })
    }

    /// A PONG that took 25 s; the client asks at this interval, and asked so long before the end for the last time.
    fn late(interval: i64, before: i64) -> Scene {
        Scene::new().with(move |s| {
            let pings = &mut s.facts.nats.pings.client;
            (pings.sent, pings.interval, pings.last) = (9, Some(Span::secs(interval)), Some(mark(END - before)));
            (pings.quickest_pong, pings.slowest_pong) = (Some(Span::millis(1)), Some(Span::secs(25)));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || hung(2).fires(),
        || {
            hung(3)
                .ends(Kind::Timeout, Party::Server)
                .with(|s| *s.facts.tcp.client.unanswered = Some(unanswered(Owed::Pong, END - 40_000)))
                .fires()
        },
        || hung(2).ends(Kind::Rst, Party::Client).fires(),
        || hung(2).dies(Kind::Timeout, Party::Network).silent(),
        || hung(0).silent(),
        // A leaf node gives up on its hub.
        || gave_up_on_hub(Protocol::Leafnode).fires(),
        || gave_up_on_hub(Protocol::Client).silent(),
        || hung(2).with(|s| s.facts.nats.pings.client.first_unanswered = Some(mark(END - 2))).silent(),
        || late(10, 30_000).ends(Kind::Rst, Party::Client).fires(),
        // It asked to the end; the PONG was late once, long ago.
        || late(10, 3_000).silent(),
        || late(60, 30_000).silent(),
    ];
}
