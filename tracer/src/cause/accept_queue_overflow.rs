//! `accept_queue_overflow`: SYNs or handshakes dropped since the server doesn't accept.
use super::overload;
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "accept_queue_overflow",
    family: Family::ServerOverload,
    title: "SYNs or handshakes dropped since the server doesn't accept",
    explain: EXPLAIN,
    needs: &[Symptom::ServerMute],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the listening socket's queue is full: the process accepts too slowly (CPU, stopped, out
of file descriptors) or too many connect at once. The kernel then ignores SYNs, or the third step of
the handshake.

On the wire:
- the client's handshake looks complete, yet the server repeats its SYN-ACK (1, 3, 7 s) and never
  says INFO
- or SYNs stay unanswered for some clients while others get in at the same time
- no ICMP, no RST (unless `tcp_abort_on_overflow` is set)

What else it could be:
- firewall_drop: the same clients are ignored always, also when nothing is busy
- stale_server: connections are accepted but the process hangs
- out of file descriptors: SYN-ACK comes, INFO doesn't; log `too many open files`

Fix:
1. on the server: `ss -ltn 'sport = :4222'` (Recv-Q near Send-Q: full), `nstat -az
   TcpExtListenOverflows TcpExtListenDrops`
2. raise the queue: `sysctl -w net.core.somaxconn=8192 net.ipv4.tcp_max_syn_backlog=8192`, restart
   nats-server
3. file descriptors: `LimitNOFILE=1048576` in the unit; log line `Temporary Client Accept Error`
4. spread the clients' attempts with wait and jitter

Check next: the server's CPU and `Readloop processing time` warnings in its log.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (tcp, around) = (&case.facts.tcp, case.around);
    // What was captured without its payload was said all the same.
    let spoke = tcp.server.bytes > 0 || case.facts.nats.first_byte.server.is_some();
    if case.is_told() || case.facts.nats.info.is_some() || spoke || case.tls_up() {
        return No;
    }
    let repeated = tcp.server.syns > 1;
    // The third step was seen, so the client did its part; the server goes on as if it had not.
    let stepped = tcp.client.packets > u64::from(tcp.client.syns) && tcp.client.rst.is_none();
    if tcp.client.rst.is_some() {
        return No;
    }
    let unanswered = case.facts.handshake == Handshake::Unanswered && around.server_accepts_others.is_some();
    let overflow = case.facts.host.as_ref().and_then(|h| h.drops.iter().find(|d| &*d.reason == "TCP_LISTEN_OVERFLOW"));
    let confidence = match case.facts.handshake {
        _ if overflow.is_some() => 0.97,
        // Elsewhere than at the server the third step may have been lost behind the capture.
        Handshake::Complete if repeated && (case.facts.vantage == crate::event::Vantage::Server || around.server_mute > 0) => 0.87,
        Handshake::Complete if repeated => 0.6,
        Handshake::Incomplete if repeated && stepped => 0.72,
        // A client that repeats its SYN never got the SYN-ACK: no queue of the server has to do with that.
        Handshake::Incomplete if repeated && tcp.client.syns == 1 => 0.38,
        _ if unanswered && around.attempts_server_1s >= 50 => 0.78,
        // Its kernel shook hands with others right before, its process took none of them: the queue is full.
        Handshake::Unanswered if around.server_mute > 0 => 0.72,
        _ => return No,
    };
    let addr = case.facts.server.addr;
    let port = case.facts.server.port;
    let mut finding = Finding::new(
        confidence,
        say!(case, "{} does not accept connections fast enough: the handshake of {} was dropped at its queue", case.server(), case.client()),
    );
    if let Some(drop) = overflow {
        let text = say!(case, "the server's kernel discarded {} of its segments: TCP_LISTEN_OVERFLOW, the accept queue was full", drop.count);
        finding = finding.because([Evidence::kernel(drop.first, text)]);
    }
    if repeated {
        finding = finding.because([Evidence::packets(say!(case, "the server sent SYN-ACK {} times although the client had answered", tcp.server.syns))]);
    }
    if around.attempts_server_1s > 1 {
        finding = finding.because([Evidence::packets(say!(case, "{} attempts at this server in the second before", around.attempts_server_1s))]);
    }
    finding = finding.because(overload::evidence(case));
    if let Some(mark) = around.server_accepts_others {
        finding = finding.because([Evidence::packet(mark, "it answered others meanwhile")]);
    }
    finding.also.push(("one_way_path", if case.facts.handshake == Handshake::Incomplete { 0.4 } else { 0.1 }));
    Yes(finding
        .fix(say!(case, "on {addr}: `ss -ltn 'sport = :{port}'` (Recv-Q near Send-Q) and `nstat -az TcpExtListenOverflows TcpExtListenDrops`"))
        .fix(say!(case, "on {addr}: `sysctl -w net.core.somaxconn=8192 net.ipv4.tcp_max_syn_backlog=8192`, then restart nats-server"))
        .fix("look for `too many open files` in the server's log (`LimitNOFILE=`) and for a process that is stopped or starved")
        .fix(remedy::spread_attempts(case.lang()))
        .why_not("not a filter: the server's kernel answered the SYN"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .mute()
                .ends_at(Kind::Fin, Party::Client, 2_000)
                .with(|s| s.facts.tcp.server.syns = 3)
                .fires()
        },
        || {
            Scene::new()
                .attempt(Handshake::Unanswered)
                .with(|s| {
                    s.around.server_accepts_others = Some(mark(5));
                    s.around.attempts_server_1s = 80;
                })
                .fires()
        },
        || Scene::new().attempt(Handshake::Unanswered).silent(),
        || Scene::new().silent(),
    ];
}
