//! `idle_timeout_middlebox`: a NAT, balancer or stateful filter forgot an idle connection.
use super::idle_limits;
use super::prelude::*;
use crate::event::Mark;

/// The rule.
pub static RULE: Rule = Rule {
    code: "idle_timeout_middlebox",
    family: Family::NetworkInterruption,
    title: "a NAT, balancer or stateful filter forgot an idle connection",
    explain: EXPLAIN,
    needs: &[Symptom::Reset, Symptom::FellSilent, Symptom::Quiet],
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
- a proxy, or a device that resets by itself, closes both sides without any segment before it
- known limits: haproxy as in Debian 50 s, AWS application balancer 60 s, Azure balancer 4 min, F5 5
  min, AWS network balancer and NAT gateway 350 s, Google Cloud and nginx stream 10 min, IPVS 15 min,
  Google Cloud NAT 20 min, Juniper SRX 30 min, Cisco ASA, FortiGate, Palo Alto and Envoy 60 min;
  conntrack on Linux 5 days

What else it could be:
- firewall_drop: a rule changed during the silence; then new connections fail too
- server_crashed: the host restarted during the silence; then the server_id changed
- slow_consumer: the server closed long ago behind a closed window

Fix:
1. let something be said more often than the device forgets: in nats-server.conf `ping_interval:
   \"30s\"` (default 2m), and the client's own ping interval (Go nats.PingInterval, Python
   ping_interval, JavaScript pingInterval, Java pingInterval, C natsOptions_SetPingInterval, .NET
   PingInterval, Rust ping_interval)
2. or raise the device's idle limit (AWS network balancer: tcp.idle_timeout.seconds up to 6000;
   haproxy: timeout client, timeout server; nginx: proxy_timeout; Envoy: idle_timeout)
3. or take the device out of the path: NATS clients need no balancer

Check next: the server's own sockets have no TCP keepalive; only the Go client sends some (every 15
s).
";

/// What came out of a silence.
struct Silence {
    gap: Span,
    /// The device closed by itself; else the next segment found out.
    by_itself: bool,
    /// Who sent that segment, or in whose name the close came.
    side: Side,
    mark: Mark,
}

fn judge(case: &Case<'_>) -> Judgement {
    if case.is_told() || case.facts.tcp.client.zero_window.longest > Span::secs(5) {
        return No;
    }
    let found = match case.idle_gap() {
        Some((side, gap, mark)) => {
            let silence = Silence { gap, by_itself: false, side, mark };
            Some((forgotten(case, &silence), silence))
        }
        None => closed(case).map(|silence| (timed_out(case, &silence), silence)),
    };
    let Some((confidence, silence)) = found.filter(|(confidence, _)| *confidence >= 0.1) else { return No };
    Yes(finding(case, confidence, &silence))
}

fn finding(case: &Case<'_>, confidence: f64, silence: &Silence) -> Finding {
    let (gap, side) = (silence.gap, silence.side);
    let (client, server) = (case.client(), case.server());
    let (summary, text) = match (silence.by_itself, case.close.kind == Kind::Rst) {
        (true, reset) => {
            let word = if reset { "RST" } else { "FIN" };
            let device = if case.has_proxy() { "a proxy" } else { "a device" };
            (
                say!(case, "{device} between {client} and {server} closed the connection after {gap} without a message"),
                say!(case, "{word} in the name of the {side} out of {gap} of silence"),
            )
        }
        (false, reset) => {
            let how = if reset { "was answered with a reset" } else { "was never answered" };
            (
                say!(case, "a device between {client} and {server} forgot the connection after {gap} of silence: the next segment {how}"),
                say!(case, "first segment after {gap} of silence (from the {side}) {how}"),
            )
        }
    };
    let mut finding = Finding::new(confidence, summary)
        .because([Evidence::packet(silence.mark, text)])
        .because(case.joint_evidence().filter(|_| case.closed_by_proxy()));
    let same = case.around.same_idle_gap;
    if same > 0 {
        let others = if same == 1 { "1 other connection".to_owned() } else { say!(case, "{same} other connections") };
        finding = finding.because([Evidence::packets(say!(case, "{others} ended after about the same gap"))]);
    }
    if let Some(again) = case.around.accepted {
        finding = finding.because([Evidence::packet(again, "a new connection to the same server worked at once")]);
    }
    let limit = idle_limits::fits(gap, silence.by_itself);
    if let Some(limit) = limit {
        finding = finding.because([Evidence::packets(say!(case, "the gap fits {} ({})", limit.device, Span::secs(limit.secs)))]);
    }
    finding.fix = remedy::ping_below(case, gap);
    finding.fix.extend(limit.map(|limit| say!(case, "if it is {}, raise the limit there: {}", limit.device, limit.raise)));
    finding.fix.push(if case.has_proxy() {
        remedy::proxy_limits(case, gap)
    } else {
        say!(case, "or raise the device's idle limit above the largest gap ({gap} here), or take it out of the path")
    });
    finding
        .why_not("not the server: it neither closed nor complained before the silence")
        .why_not("not a dead path: a new connection shows whether the path works (see `reconnect`)")
}

/// A close that no segment led to, after a silence long enough to be somebody's limit.
fn closed(case: &Case<'_>) -> Option<Silence> {
    let gap = case.closed_out_of_silence().filter(|&gap| gap >= LEAST)?;
    let (side, mark) = case.facts.first_farewell()?;
    Some(Silence { gap, by_itself: true, side, mark })
}

/// Devices with a shorter limit would cut any client.
pub const LEAST: Span = Span::secs(4);

/// How sure it is that a device's limit, not an end, closed out of a silence.
fn timed_out(case: &Case<'_>, silence: &Silence) -> f64 {
    let around = case.around;
    let gap = silence.gap;
    let gone = around.server_id_changed == Some(true) || around.refused.is_some();
    // What ended many at once, or a connection that was longer quiet before, was no limit of silence.
    if gone || around.server_closed_others > 0 || around.client_closed_others > 0 {
        return 0.0;
    }
    if case.facts.quiet_lived_through.0 > gap.0 + gap.0 / 20 {
        return 0.0;
    }
    let same = around.same_idle_gap > 0;
    let known = idle_limits::fits(gap, true).is_some();
    if case.closed_by_proxy() {
        return if same || known { 0.95 } else { 0.86 };
    }
    if case.facts.nats.protocol == Protocol::Mqtt || case.facts.nats.pings[silence.side].unanswered > 0 {
        return 0.0;
    }
    let shown = case.has_proxy();
    let hinted = case.answered_nearer().is_some() && (known || whole_seconds(gap));
    match (case.close.side, shown) {
        // Forged, as its TTL shows, and nothing led to it.
        (Party::Network, _) if gap >= Span::secs(55) => if same || known { 0.94 } else { 0.6 },
        (Party::Server, true) => match (same, known || whole_seconds(gap)) {
            (true, _) => 0.88,
            (_, true) => 0.84,
            _ => 0.5,
        },
        (Party::Server, false) => match (around.same_idle_gap, known) {
            (2.., _) => 0.85,
            (1, true) => 0.8,
            (1, false) if hinted => 0.7,
            (1, false) => 0.5,
            _ if hinted => 0.55,
            (_, true) => 0.45,
            _ => 0.0,
        },
        // A client may leave whenever it likes; a proxy that dials for it has a limit.
        (Party::Client, true) if same && known => 0.8,
        (Party::Client, true) if same || known => 0.4,
        _ => 0.0,
    }
}

/// Limits are set in whole seconds, and a timer is late by some milliseconds; what ends by chance seldom fits.
fn whole_seconds(gap: Span) -> bool {
    (600_000..30_000_000).contains(&gap.0.rem_euclid(1_000_000_000))
}

/// How sure it is that a device had forgotten the connection when the next segment came.
fn forgotten(case: &Case<'_>, silence: &Silence) -> f64 {
    let (around, gap) = (case.around, silence.gap);
    if around.server_id_changed == Some(true) || around.refused.is_some() {
        return 0.15;
    }
    let slack = Span(gap.0 + gap.0 / 10);
    // It lived through as long a silence before: nobody forgot it then.
    if case.facts.lived_through > slack {
        return 0.1;
    }
    let pings = &case.facts.nats.pings[silence.side];
    let regular = pings.interval.is_some_and(|i| pings.sent >= 3 && i.0.saturating_mul(10) >= gap.0.saturating_mul(9));
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
    if idle_limits::fits(gap, false).is_some() {
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
            *s.facts.tcp.server.rst = Some(rst);
            s.close.detail = Some("injected");
        })
    }

    /// The server's FIN, after so long without a message.
    fn quiet(gap_s: i64) -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).with(|s| {
            for side in Side::BOTH {
                s.facts.tcp[side].last_data = Some(mark(END - gap_s * 1000));
            }
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || idle(352).fires(),
        || {
            Scene::new()
                .dies(Kind::FirewallDrop, Party::Network)
                .with(|s| {
                    *s.facts.tcp.client.unanswered = Some(unanswered(Owed::Data, END + 300_000));
                    *s.facts.tcp.server.unanswered = None;
                    s.around.accepted = Some(mark(END + 400_000));
                    s.around.same_idle_gap = 3;
                })
                .fires()
        },
        || idle(20).silent(),
        || idle(352).with(|s| s.facts.lived_through = Span::secs(900)).silent(),
        // A proxy with both its sides in sight; the same, but it was longer quiet before; or it was stopped.
        || quiet(6).proxied(Some(Side::Client)).fires(),
        || quiet(6).proxied(Some(Side::Client)).with(|s| s.facts.quiet_lived_through = Span::secs(50)).silent(),
        || quiet(6).proxied(Some(Side::Client)).with(|s| s.around.refused = Some(mark(END + 900))).silent(),
        // On the client's side alone: it shows in INFO, or several end after one gap.
        || quiet(50).info(|i| i.client_ip = "10.0.1.9".into()).fires(),
        || quiet(23).with(|s| s.around.same_idle_gap = 3).fires(),
        || quiet(23).silent(),
        || quiet(23).with(|s| (s.around.same_idle_gap, s.around.server_closed_others) = (3, 3)).silent(),
        // A client may close whenever it likes.
        || quiet(60).ends(Kind::Fin, Party::Client).with(|s| s.around.same_idle_gap = 3).silent(),
    ];
}
