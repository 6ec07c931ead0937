//! `idle_timeout_middlebox`: a NAT, balancer or stateful filter forgot an idle connection.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "idle_timeout_middlebox",
    family: Family::NetworkInterruption,
    title: "a NAT, balancer or stateful filter forgot an idle connection",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a device between client and server keeps a table of connections and forgot this one
while it was idle. The next segment is answered with a reset or dropped.

On the wire:
- a long silence, then one segment, then an RST at once (the device answers), or repeats without an
  answer (it drops)
- the RST has another TTL than the server's own segments
- a new connection works at once; the server_id is the same
- the same gap over several connections is the proof
- known limits: AWS NLB and NAT gateway 350 s, Azure balancer 4 min, GCP 10 min, classic AWS
  balancer 60 s, many firewalls 30 or 60 min; conntrack on Linux 5 days

What else it could be:
- firewall_drop: a rule changed during the silence; then new connections fail too
- server_crashed: the host restarted during the silence; then the server_id changed
- slow_consumer: the server closed long ago behind a closed window

Fix:
1. let something be said more often than the device forgets: in nats-server.conf `ping_interval:
   \"30s\"` (default 2m), and the client's own ping interval (Go nats.PingInterval, Python
   ping_interval, JavaScript pingInterval, Java pingInterval, C natsOptions_SetPingInterval, .NET
   PingInterval, Rust ping_interval)
2. or raise the device's idle limit (AWS NLB: tcp.idle_timeout.seconds up to 6000)
3. or take the device out of the path: NATS clients need no balancer

Check next: the server's own sockets have no TCP keepalive; only the Go client sends some (every 15
s).
";

/// Known limits: lowest gap, highest gap that points to it, name.
const KNOWN: &[(i64, i64, &str)] = &[
    (58, 75, "a classic AWS load balancer or an HTTP proxy (60 s)"),
    (238, 262, "an Azure load balancer (4 min)"),
    (298, 320, "a firewall or proxy with 5 min"),
    (348, 380, "an AWS network load balancer or NAT gateway (350 s)"),
    (598, 640, "a GCP network (10 min)"),
    (898, 940, "a device with 15 min"),
    (1798, 1880, "a firewall with 30 min"),
    (3598, 3720, "a firewall with 60 min"),
];

fn judge(case: &Case<'_>) -> Judgement {
    let Some((sender, gap, mark)) = case.idle_gap() else { return No };
    if case.is_told() || case.facts.tcp.client.zero_window.longest > Span::secs(5) {
        return No;
    }
    let confidence = weight(case, sender, gap);
    if confidence < 0.1 {
        return No;
    }
    let secs = gap.0 / 1_000_000_000;
    let device = KNOWN.iter().find(|(low, high, _)| (*low..=*high).contains(&secs)).map(|k| k.2);
    let how = if case.close.kind == Kind::Rst { "was answered with a reset" } else { "was never answered" };
    let mut finding = Finding::new(
        confidence,
        say!(
            case,
            "a device between {} and {} forgot the connection after {gap} of silence: the next segment {how}",
            case.client(),
            case.server()
        ),
    )
    .because([Evidence::packet(mark, say!(case, "first segment after {gap} of silence (from the {sender}) {how}"))]);
    if case.around.same_idle_gap > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} other connections ended after about the same gap",
            case.around.same_idle_gap
        ))]);
    }
    if let Some(again) = case.around.accepted {
        finding = finding.because([Evidence::packet(again, "a new connection to the same server worked at once")]);
    }
    if let Some(device) = device {
        finding = finding.because([Evidence::packets(say!(case, "the gap fits {device}"))]);
    }
    finding.fix = remedy::ping_below(case, gap);
    finding.fix.push(say!(case, "or raise the device's idle limit above the largest gap ({gap} here), or take it out of the path"));
    Yes(finding
        .why_not("not the server: it neither closed nor complained before the silence")
        .why_not("not a dead path: a new connection shows whether the path works (see `reconnect`)"))
}

fn weight(case: &Case<'_>, sender: Side, gap: Span) -> f64 {
    let around = case.around;
    if around.server_id_changed == Some(true) || around.refused.is_some() {
        return 0.15;
    }
    let slack = Span(gap.0 + gap.0 / 10);
    // It lived through as long a silence before: nobody forgot it then.
    if case.facts.longest_idle > slack {
        return 0.1;
    }
    let regular = case.facts.nats.pings[sender]
        .interval
        .is_some_and(|i| case.facts.nats.pings[sender].sent >= 3 && i.0 * 10 >= gap.0 * 9);
    let back = around.accepted.is_some() || around.pair_answers_same_port;
    let mut confidence: f64 = match case.close.kind {
        Kind::Rst => {
            let odd = Side::BOTH.iter().any(|&s| case.facts.tcp[s].rst.is_some_and(|r| r.ttl_delta != 0));
            match (odd || case.close.side == Party::Network, back) {
                (true, _) => 0.88,
                (false, true) => 0.78,
                (false, false) => 0.62,
            }
        }
        _ if back => 0.78,
        _ => 0.35,
    };
    if case.close.detail.is_some_and(|d| d.contains("idle")) {
        confidence = confidence.max(0.85);
    }
    if around.same_idle_gap > 0 {
        confidence = (confidence + 0.1).max(0.75);
    }
    let secs = gap.0 / 1_000_000_000;
    if KNOWN.iter().any(|(low, high, _)| (*low..=*high).contains(&secs)) {
        confidence += 0.05;
    }
    // A kernel that recorded the drop names a filter, not a table that forgot.
    if case.close.evidence.iter().any(|e| e.source == crate::event::Source::Kernel) {
        return confidence.min(0.5);
    }
    // A connection that pings at just this gap has been through it before.
    if regular { confidence.min(0.3) } else { confidence.min(0.95) }
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn idle(gap_s: i64) -> Scene {
        let ms = gap_s * 1000;
        Scene::new().ends_at(Kind::Rst, Party::Network, END + ms).with(|s| {
            let mut rst = reset(END + ms);
            rst.idle_before = Span::secs(gap_s);
            rst.answers = Some(Span::millis(1));
            rst.ttl_delta = 9;
            s.facts.tcp.server.rst = Some(rst);
            s.close.detail = Some("injected");
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || idle(352).fires(),
        || {
            Scene::new()
                .dies(Kind::FirewallDrop, Party::Network)
                .with(|s| {
                    s.facts.tcp.client.unanswered = Some(unanswered(Owed::Data, END + 300_000));
                    s.facts.tcp.server.unanswered = None;
                    s.around.accepted = Some(mark(END + 400_000));
                    s.around.same_idle_gap = 3;
                })
                .fires()
        },
        || idle(20).silent(),
        || idle(352).with(|s| s.facts.longest_idle = Span::secs(900)).silent(),
    ];
}
