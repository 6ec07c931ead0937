//! `firewall_reject`: a filter answers with a reset or an ICMP rejection.
use super::prelude::*;
use crate::kernel::Verdict;

/// The rule.
pub static RULE: Rule = Rule {
    code: "firewall_reject",
    family: Family::NetworkInterruption,
    title: "a filter answers with a reset or an ICMP rejection",
    explain: EXPLAIN,
    needs: &[Symptom::AttemptFailed, Symptom::Reset, Symptom::Icmp, Symptom::KernelTells],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a firewall rule with REJECT: it discards the packet and answers in the host's name.

On the wire:
- ICMP administratively prohibited, or port/protocol unreachable in answer to a TCP segment (a real
  Linux TCP answers a closed port with RST, never with ICMP)
- or an RST that no local TCP made: its TTL or IP-ID is not that of the host's other segments
- the other end notices nothing and goes on sending; its segments get bare RSTs
- a SYN refused for one client while others are accepted at the same time

What else it could be:
- injected_reset: a single bare RST into a running connection may also come from a balancer or NAT
  that lost its table, from tcpkill, or from another host that took the address over; the rule, or
  SYNs refused with the same TTL, decide
- server_not_listening: everybody is refused, the RST has the host's own TTL
- firewall_drop: the same rule with DROP is silent

Fix:
1. list the rules on the host that answers: `nft -a list ruleset | grep -n reject`, `iptables -L -n
   -v | grep REJECT`
2. allow the client's address to the NATS port, both directions
3. in Kubernetes and service meshes: check NetworkPolicy and the sidecar's policy (many reject with
   reset)

Check next: with natstrace's probes on that host an outgoing RST without a `tcp_send_reset` record
was made by the filter.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let icmp = case.facts.icmp.iter().find(|i| {
        matches!(i.kind, IcmpKind::AdminProhibited | IcmpKind::PortUnreachable | IcmpKind::ProtocolUnreachable)
    });
    let reset = case.close.kind == Kind::Rst;
    let made = reset && case.close.side == Party::Network && case.close.detail.is_some_and(|d| d.contains("reject"));
    let selective = case.facts.handshake == Handshake::Refused && reset && case.around.server_accepts_others.is_some();
    if (case.ended_by(Side::Client) && !made && case.facts.handshake == Handshake::Complete) || case.is_told() {
        return No;
    }
    let rule = case.facts.host.as_ref().and_then(|h| h.rules.iter().find(|r| r.verdict == Verdict::Reject));
    let (confidence, how) = match (icmp, made, selective) {
        _ if case.socket_told() == Some(111) => (0.8, "its socket was refused by an ICMP error, not by a reset".to_owned()),
        _ if rule.is_some() && case.went_silent() => (0.96, "its rule is read on this host".to_owned()),
        (Some(i), _, _) => (0.96, say!(case, "{} answered with ICMP {}", i.from, word(i.kind))),
        (None, true, _) => (made_by_filter(case), "a filter answered with a reset in the host's name".to_owned()),
        (None, false, true) => (0.78, "this client is refused while others are accepted".to_owned()),
        _ => return No,
    };
    let mut finding = Finding::new(confidence, say!(case, "a filter rejects {client} at {server}: {how}"));
    if let Some(i) = icmp {
        let text = say!(case, "ICMP {} from {} about the {}'s segment, {} times", word(i.kind), i.from, i.about, i.count.max(1));
        finding = finding.because([Evidence::packet(i.mark, text)]);
    }
    if let Some(mark) = case.around.server_accepts_others {
        finding = finding.because([Evidence::packet(mark, "the server accepted another client at that time")]);
    }
    for side in Side::BOTH {
        if let Some(rst) = case.facts.tcp[side].rst.filter(|r| made && r.ttl_delta != 0) {
            let text = say!(case, "RST in the {side}'s name with a TTL {} off its other segments", rst.ttl_delta);
            finding = finding.because([Evidence::packet(rst.mark, text)]);
        }
    }
    let host = match icmp {
        Some(i) if i.from == case.facts.client.addr => Some(Side::Client),
        Some(i) if i.from != case.facts.server.addr => None,
        _ => Some(Side::Server),
    };
    finding.fix.extend(remedy::found_rules(case));
    match host {
        Some(host) => {
            if finding.fix.is_empty() {
                finding.fix.push(remedy::find_rule(case, host));
            }
            finding.fix.extend(remedy::open_host(case, host));
        }
        None => finding.fix.extend(remedy::open_path(case)),
    }
    Yes(finding.why_not("not a missing listener: a TCP without a listener answers every client alike, with its own RST"))
}

/// How sure it is that a filter made the reset that the host did not make.
fn made_by_filter(case: &Case<'_>) -> f64 {
    let sure = (0.97 * case.close.confidence).max(0.7);
    match (case.bare_reset(), case.around.refused.is_some()) {
        (None, _) => sure,
        // The client's new SYN met the same.
        (Some(true), true) => sure.min(0.79),
        // A rule would have met its new SYN, or the answer to it.
        (Some(true), false) if case.came_back_at_once() => 0.3,
        (Some(true), false) => 0.66,
        (Some(false), _) => 0.4,
    }
}

/// The ICMP error in words.
fn word(kind: IcmpKind) -> &'static str {
    match kind {
        IcmpKind::AdminProhibited => "administratively prohibited",
        IcmpKind::PortUnreachable => "port unreachable",
        IcmpKind::ProtocolUnreachable => "protocol unreachable",
        _ => "unreachable",
    }
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn icmp(kind: IcmpKind) -> IcmpFact {
        IcmpFact { mark: mark(END + 1), from: Addr::v4([10, 0, 0, 5]), kind, about: Side::Client, count: 1 }
    }

    /// A bare RST in the server's name from another distance, so far off the expected sequence number.
    fn bare(off: i32) -> Scene {
        Scene::new().ends(Kind::Rst, Party::Network).with(move |s| {
            let mut rst = reset(END);
            (rst.has_ack, rst.ttl_delta, rst.seq_off) = (false, -7, Some(off));
            rst.answers = Some(Span::millis(1));
            *s.facts.tcp.server.rst = Some(rst);
            (s.close.detail, s.close.confidence) = (Some("reject"), 0.93);
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .dies(Kind::FirewallDrop, Party::Server)
                .with(|s| s.facts.icmp.push(icmp(IcmpKind::AdminProhibited)))
                .fires()
        },
        || Scene::new().ends(Kind::Rst, Party::Network).with(|s| s.close.detail = Some("reject")).fires(),
        || bare(0).fires(),
        // The client had not acknowledged all yet.
        || bare(-800).fires(),
        // Beyond what the client acknowledged: no REJECT does that.
        || bare(1400).silent(),
        || {
            Scene::new()
                .attempt(Handshake::Refused)
                .with(|s| s.around.server_accepts_others = Some(mark(5)))
                .fires()
        },
        || Scene::new().attempt(Handshake::Refused).silent(),
        || Scene::new().dies(Kind::FirewallDrop, Party::Server).silent(),
    ];
}
