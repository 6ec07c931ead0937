//! `packet_loss`: loss so heavy that timers ran out.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "packet_loss",
    family: Family::NetworkInterruption,
    title: "loss so heavy that timers ran out",
    explain: EXPLAIN,
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
    let Some((worse, share, repeats)) = case.facts.lossy() else { return No };
    let timed_out = case.close.kind == Kind::Timeout;
    let late_pong = Side::BOTH.iter().any(|&s| case.facts.nats.pings[s].unanswered > 0);
    let stale = server_error::told(case, "stale_client").is_some();
    let mut confidence: f64 = match (timed_out, late_pong || stale) {
        (true, _) => 0.62,
        (false, true) => 0.5,
        // A reset amid repeats: what its sender said before may be what was lost.
        (false, false) if case.struggled() && case.close.kind == Kind::Rst => 0.4,
        (false, false) if case.struggled() => 0.25,
        (false, false) => return No,
    };
    if share > 0.1 {
        confidence += 0.18;
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
    .because(case.debt_evidence());
    if let Some(rtt) = case.facts.rtt.filter(|r| r.max_us > 4 * r.median_us.max(1)) {
        let text = say!(case, "round trip {:.1} ms in the median, {:.1} ms at most", rtt.median_us as f64 / 1e3, rtt.max_us as f64 / 1e3);
        finding = finding.because([Evidence::packets(text)]);
    }
    let (client, server) = (case.facts.client.addr, case.facts.server);
    finding.fix = vec![
        say!(case, "on {client}: `mtr -T -P {} {}`, and back; on both hosts `ip -s link` and `nstat -az TcpRetransSegs`", server.port, server.addr),
        "look for policers, overrun queues and half-duplex links on the way".to_owned(),
        "until it is mended: `ping_max: 4` and `write_deadline: \"20s\"` in nats-server.conf (defaults 2 and 10s)".to_owned(),
    ];
    finding.fix.push(remedy::ping_option(case.lang(), 30));
    Yes(finding.why_not("not a clean cut: losses were spread over the connection's life, with progress in between"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn lossy(repeats: u32) -> Scene {
        Scene::new().dies(Kind::Timeout, Party::Server).with(|s| s.facts.tcp.client.retransmits = repeats)
    }

    pub const CASES: &[fn() -> Scene] = &[
        || lossy(70).fires(),
        || lossy(9).silent(),
        || Scene::new().with(|s| s.facts.tcp.client.retransmits = 30).silent(),
    ];
}
