//! `packet_loss`: loss so heavy that timers ran out.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "packet_loss",
    family: Family::NetworkInterruption,
    title: "loss so heavy that timers ran out",
    explain: EXPLAIN,
    needs: &[Symptom::Repeats, Symptom::Owed],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the path loses so many packets that progress falls behind a timer: PINGs, the write
deadline, a request's timeout, or TCP's own patience.

On the wire:
- many repeated segments in both directions, also long before the end, with progress in between
- gaps that grow (0.2, 0.4, 0.8 s) and then an acknowledgement after all
- selective acknowledgements and duplicate ones; round trips with a long tail
- at the end a PING without its PONG in time, or repeats without an answer

What else it could be:
- path_blackhole: clean until a moment, then nothing at all
- mtu_blackhole: only large segments are repeated
- slow_consumer: acknowledged at once, but the window is closed

Fix:
1. find the lossy hop: `mtr -T -P 4222 PEER` from both ends; interface errors: `ip -s link`,
   `ethtool -S IFACE`
2. look for overrun queues: `tc -s qdisc`, `nstat -az TcpRetransSegs TcpExtTCPTimeouts`, policers of
   cloud instances
3. wireless or long links: TCP with BBR (`sysctl net.ipv4.tcp_congestion_control`) bears loss better
4. allow for it: the client's max pings out 3 or more, server `ping_max: 3` (default 2),
   `write_deadline: \"20s\"` (default 10s)

Check next: `natstrace compare` on captures of both hosts counts what was lost where.
";

fn judge(case: &Case<'_>) -> Judgement {
    let tcp = &case.facts.tcp;
    if case.attempt_failed() || case.close.kind == Kind::FirewallDrop || case.close.side == Party::Network && case.close.kind == Kind::Rst {
        return No;
    }
    let timed_out = case.close.kind == Kind::Timeout;
    let late_pong = Side::BOTH.iter().any(|&s| case.facts.nats.pings[s].unanswered > 0);
    let stale = server_error::told(case, "stale_client").is_some();
    let some = || case.facts.loses().filter(|_| !timed_out && (late_pong || stale || case.struggled()));
    let Some((worse, share, repeats)) = case.facts.lossy().or_else(some) else {
        return held_up(case).or_else(|| cut_off(case)).map_or(No, Yes);
    };
    let mut confidence: f64 = match (timed_out, late_pong || stale) {
        (true, _) => 0.62,
        (false, true) => 0.5,
        // A reset amid repeats: what its sender said before may be what was lost.
        (false, false) if case.struggled() && case.close.kind == Kind::Rst => 0.4,
        (false, false) if case.struggled() => 0.25,
        (false, false) => return No,
    };
    if share > 0.1 {
        confidence += if repeats >= 10 { 0.18 } else { 0.15 };
    }
    if case.facts.lossy().is_none() {
        confidence = confidence.min(0.55);
    }
    let mut finding = Finding::new(
        confidence,
        say!(
            case,
            "the path between {} and {} loses so much ({:.0} % of the {worse}'s segments were repeated) that timers ran out",
            case.client(),
            case.server(),
            share * 100.0
        ),
    )
    .because([Evidence::packets(say!(
            case,
        "{repeats} of {} segments from the {worse} were repeated before the end",
        tcp[worse].packets
    ))])
    .because(place(case, worse))
    .because(held_up_evidence(case))
    .because(case.debt_evidence().filter(|_| case.debt().is_some_and(|(_, u)| u.repeats > 0)));
    if let Some(rtt) = case.facts.rtt.filter(|r| r.max_us > 4 * r.median_us.max(1)) {
        let text = say!(case, "round trip {:.1} ms in the median, {:.1} ms at most", rtt.median_us as f64 / 1e3, rtt.max_us as f64 / 1e3);
        finding = finding.because([Evidence::packets(text)]);
    }
    finding.fix = fix(case);
    Yes(finding.why_not("not a clean cut: losses were spread over the connection's life, with progress in between"))
}

/// Too few repeats were seen to count them, but they came at the wrong time.
fn held_up(case: &Case<'_>) -> Option<Finding> {
    let summary = say!(
        case,
        "the path between {} and {} let nothing of the client through for so long that its PING timer ran out",
        case.client(),
        case.server()
    );
    let mut finding = Finding::new(0.6, summary)
        .because(Some(held_up_evidence(case)?))
        .because(place(case, Side::Client))
        .because(case.goodbye_evidence(Side::Client));
    finding.fix = fix(case);
    finding.also.push(("path_blackhole", 0.3));
    Some(finding.why_not("not the server: the PINGs that had no PONG had not come through"))
}

/// The server gave up on PONGs while the client's segments went unanswered: lost, if its own goodbye came through.
fn cut_off(case: &Case<'_>) -> Option<Finding> {
    let own = case.cut_off()?;
    let summary = say!(
        case,
        "{} gave up on PONGs of {}, whose segments did not get through to it",
        case.server(),
        case.client()
    );
    let text = say!(case, "the client repeated a segment {} times without an answer before the server gave up", own.repeats);
    let mut finding = Finding::new(0.52, summary)
        .because([Evidence::packet(own.first, text)])
        .because(case.goodbye_evidence(Side::Server));
    finding.fix = fix(case);
    finding.also.extend([("one_way_path", 0.35), ("firewall_drop", 0.3)]);
    Some(finding.why_not("not the client: it went on sending"))
}

fn held_up_evidence(case: &Case<'_>) -> Option<Evidence> {
    let (pings, interval, first) = case.held_up_pings()?;
    Some(Evidence::packet(
        first,
        say!(case, "{pings} PINGs of the client, written {interval} apart, came through with its goodbye only, behind what was sent again"),
    ))
}

fn fix(case: &Case<'_>) -> Vec<String> {
    let (client, server) = (case.facts.client.addr, case.facts.server);
    vec![
        say!(case, "on {client}: `mtr -T -P {} {}`, and back; on both hosts `ip -s link` and `nstat -az TcpRetransSegs`", server.port, server.addr),
        "look for policers, overrun queues and half-duplex links on the way".to_owned(),
        "until it is mended: `ping_max: 4` and `write_deadline: \"20s\"` in nats-server.conf (defaults 2 and 10s)".to_owned(),
        remedy::ping_option(case.lang(), 30),
    ]
}

/// On which side of the capture they were lost: a hole that is filled later was there before it, what is seen twice was lost
/// behind it (or its acknowledgement was).
fn place(case: &Case<'_>, sender: Side) -> Option<Evidence> {
    let tcp = &case.facts.tcp[sender];
    let (before, behind) = (tcp.filled_holes, tcp.retransmits);
    let text = match (before, behind) {
        (0, 0) => return None,
        (n, m) if n > m * 4 => {
            say!(case, "{n} of them were lost between the {sender} and the capture, {m} behind it")
        }
        (n, m) if m > n * 4 => {
            say!(case, "{m} of them, or their acknowledgements, were lost between the capture and the {}, {n} before it", sender.other())
        }
        (n, m) => say!(case, "{n} of them were lost before the capture, {m} behind it: the path loses on both sides of it"),
    };
    Some(Evidence::packets(text))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn lossy(repeats: u32) -> Scene {
        Scene::new().dies(Kind::Timeout, Party::Server).with(|s| s.facts.tcp.client.retransmits = repeats)
    }

    /// So many PINGs, the first so long before the client's goodbye, and one segment that was sent again.
    fn held_up(before: i64, pings: u32) -> Scene {
        Scene::new().with(move |s| {
            let facts = &mut s.facts.nats.pings.client;
            (facts.unanswered, facts.interval) = (pings, Some(Span::secs(20)));
            facts.first_unanswered = Some(mark(END - before));
            s.facts.tcp.client.filled_holes = 1;
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || lossy(70).fires(),
        || lossy(9).silent(),
        || lossy(0).with(|s| s.facts.tcp.client.filled_holes = 40).fires(),
        || Scene::new().with(|s| s.facts.tcp.client.retransmits = 30).silent(),
        || held_up(0, 2).fires(),
        // The server had them in hand for two intervals.
        || held_up(40_000, 2).silent(),
        || held_up(0, 1).silent(),
    ];
}
