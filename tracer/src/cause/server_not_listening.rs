//! `server_not_listening`: refused, nobody listens.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "server_not_listening",
    family: Family::ServerShutdown,
    title: "refused: nobody listens there",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the host is there, but no process listens on that address and port: nats-server is down,
still starting, in lame duck mode, bound to another address, or the client has the wrong port.

On the wire:
- SYN, answered by RST with ACK within a round trip, with the host's own TTL
- the client tries again after its reconnect wait (2 s in most libraries; Rust 0, 2, 4, 8 ms up to 4
  s)
- the client's log says `connection refused`

What else it could be:
- firewall_reject: others are accepted at the same moment, or the RST's TTL is not the host's
- server_lame_duck: an INFO with ldm came before
- server_shutdown, server_crashed: the closes right before

Fix:
1. is it running: `systemctl status nats-server`, `docker ps`, `kubectl get pods`; why did it stop:
   `journalctl -u nats-server -e`
2. where does it listen: `ss -ltnp | grep nats-server`; `listen:` or `host:`/`port:` in
   nats-server.conf; 127.0.0.1 is not reachable from elsewhere
3. what does the client dial: its URL list, the service's targetPort, the published container port
4. a config error stops the server at the start: `nats-server -c FILE -t` checks the file

Check next: which connection of the server ended just before the first refused SYN, and how.
";

fn judge(case: &Case<'_>) -> Judgement {
    if case.facts.handshake != Handshake::Refused || case.close.kind != Kind::Rst {
        return No;
    }
    let around = case.around;
    let rejected = case.close.side == Party::Network || case.close.detail.is_some_and(|d| d.contains("reject"));
    let confidence = if rejected {
        0.15
    } else if around.server_accepts_others.is_some() {
        0.3
    } else if around.lame_duck.is_some() {
        0.6
    } else {
        0.86
    };
    let server = case.facts.server;
    let mut finding =
        Finding::new(confidence, say!(case, "nobody listens on {server}: {} was refused", case.client()));
    if let Some(rst) = case.facts.tcp.server.rst {
        finding = finding.because([Evidence::packet(rst.mark, say!(case, "SYN to {server} answered by RST"))]);
    } else {
        finding = finding.because([Evidence::packet(case.facts.last, say!(case, "SYN to {server} answered by RST"))]);
    }
    if around.failed_attempts_before > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} attempts of the same client failed before this one",
            around.failed_attempts_before
        ))]);
    }
    Yes(finding
        .fix(say!(case, "on {}: `systemctl status nats-server` (or docker ps, kubectl get pods) and `journalctl -u nats-server -e`: is it running?", server.addr))
        .fix(say!(case, "on {}: `ss -ltnp 'sport = :{}'` shows whether and on which address something listens (`listen:` in nats-server.conf)", server.addr, server.port))
        .fix(say!(case, "check that {server} is what the client should dial: its URL list, service and container ports"))
        .fix(remedy::keep_trying(case.lang()))
        .why_not("not a silent filter: the host itself answered at once")
        .why_not("not the path: SYN and RST went through"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().attempt(Handshake::Refused).fires(),
        || Scene::new().attempt(Handshake::Refused).with(|s| s.around.lame_duck = Some(Mark::default())).silent(),
        || Scene::new().attempt(Handshake::Unanswered).silent(),
        || Scene::new().ends(Kind::Rst, Party::Server).silent(),
    ];
}
