//! `firewall_drop`: a filter discards packets.
use super::prelude::*;
use crate::kernel::Verdict;

/// The rule.
pub static RULE: Rule = Rule {
    code: "firewall_drop",
    family: Family::NetworkInterruption,
    title: "a filter discards packets",
    explain: EXPLAIN,
    needs: &[Symptom::FellSilent],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a firewall rule (nftables, iptables, security group, NetworkPolicy, eBPF) discards
packets of this connection.

On the wire:
- segments repeated at doubling gaps (0.2, 0.4, 0.8, 1.6 s ...), no RST, no ICMP
- one direction, one flow or one port is silent while the same host answers otherwise
- captured on the filtering host: packets arrive there, its TCP never answers, yet the host goes on
  talking
- new attempts: SYN after SYN without an answer (1 s, 2 s, 4 s ...)
- with natstrace's probes: the kernel's drop record, reason NETFILTER_DROP

What else it could be:
- path_blackhole, peer_vanished: both directions or the whole host are silent
- idle_timeout_middlebox: silent only after a long pause, a new connection works at once
- mtu_blackhole: only large segments are lost

Fix:
1. on the host `close.side` names, list the rules: `nft -a list ruleset`, `iptables -L -n -v
   --line-numbers`; the counter of the guilty rule grows with each retry; `natstrace
   --trace-firewall` names the rule for certain
2. on the server's host let it in and its answers out (CLIENT: the client's address):
   nft: `nft insert rule inet filter input ip saddr CLIENT tcp dport 4222 accept`,
   `nft insert rule inet filter output ip daddr CLIENT tcp sport 4222 accept`
   iptables: `iptables -I INPUT -p tcp -s CLIENT --dport 4222 -j ACCEPT`,
   `iptables -I OUTPUT -p tcp -d CLIENT --sport 4222 -j ACCEPT`
   firewalld: `firewall-cmd --permanent --add-rich-rule='rule family=\"ipv4\" source address=\"CLIENT\"
   port port=\"4222\" protocol=\"tcp\" accept'`, `firewall-cmd --reload`
   ufw: `ufw insert 1 allow from CLIENT to any port 4222 proto tcp`
   on the client's host the mirror image: OUTPUT to SERVER with `--dport 4222`, INPUT from SERVER with
   `--sport 4222`; ufw: `ufw insert 1 allow out to SERVER port 4222 proto tcp`
   on the path, as the rule to ask the network's owner for: TCP from CLIENT to SERVER port 4222, and
   its answers back
3. in clouds check security groups and network ACLs: the latter are stateless, the answers need a
   rule too
4. in Kubernetes: `kubectl get networkpolicy -A`

Check next: `natstrace compare CLIENT_SIDE SERVER_SIDE` with a capture of each host tells between
which points packets die.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    match case.close.kind {
        Kind::FirewallDrop => {}
        Kind::Timeout => return hinted(case),
        Kind::Fin | Kind::Rst => return No,
    }
    let mut confidence = (0.96 * case.close.confidence).max(0.35);
    // A kernel drop record, or a gap that any PING could make, leaves no room for a device that forgot.
    let recorded = case.close.evidence.iter().any(|e| e.source == crate::event::Source::Kernel);
    let forgot = !recorded
        && case.idle_gap().is_some_and(|(_, gap, _)| gap > Span::secs(150))
        && (case.around.accepted.is_some()
            || case.around.pair_answers_same_port
            || case.around.same_idle_gap > 0);
    if forgot || rejected(case) {
        confidence *= 0.6;
    }
    let place = match case.close.side {
        Party::Client => say!(case, "on the client's host ({})", case.facts.client.addr),
        Party::Server => say!(case, "on the server's host ({})", case.facts.server.addr),
        Party::Network | Party::Unknown => "on the path".to_owned(),
    };
    let what = if case.attempt_failed() { "the connection attempts" } else { "the packets" };
    let mut finding =
        Finding::new(confidence, say!(case, "a filter {place} discards {what} between {client} and {server}"))
            .because(case.close.evidence.iter().cloned())
            .because(evidence(case));
    finding.fix = fix(case);
    finding.why_not = why_not(case);
    Yes(finding)
}

/// No filter is proven, but it is likely enough to tell.
fn hinted(case: &Case<'_>) -> Judgement {
    let unanswered = case.facts.handshake == Handshake::Unanswered;
    let confidence = match (unanswered, case.around.server_accepts_others) {
        (true, Some(_)) => 0.75,
        (true, None) if case.asked_once() => 0.2,
        (true, None) => 0.35,
        (false, _) => match case.tcp_debt() {
            Some((_, u)) if u.peer_spoke > 0 => 0.4,
            Some(_) if case.around.pair_answers.is_some() => 0.45,
            Some(_) => 0.2,
            None => return No,
        },
    };
    let mut finding = Finding::new(
        confidence,
        say!(case, "a filter may discard the packets between {} and {}", case.client(), case.server()),
    )
    .because(evidence(case));
    finding.fix = fix(case);
    finding.why_not = why_not(case);
    Yes(finding)
}

fn rejected(case: &Case<'_>) -> bool {
    if case.facts.host.as_ref().is_some_and(|h| h.rules.iter().any(|r| r.verdict == Verdict::Reject)) {
        return true;
    }
    case.facts.icmp.iter().any(|i| {
        matches!(i.kind, IcmpKind::AdminProhibited | IcmpKind::PortUnreachable | IcmpKind::ProtocolUnreachable)
    })
}

fn evidence(case: &Case<'_>) -> Vec<Evidence> {
    let around = case.around;
    let mut found: Vec<Evidence> = case.debt_evidence().into_iter().collect();
    if let Some((sender, u)) = case.debt()
        && u.peer_spoke > 0
    {
        let text = say!(case, "the {} sent {} segments meanwhile, none of them an acknowledgement", sender.other(), u.peer_spoke);
        found.push(Evidence::packets(text));
    }
    if let Some(mark) = around.server_accepts_others {
        found.push(Evidence::packet(mark, "the server answered other clients' SYNs at that time"));
    }
    if let Some(mark) = around.pair_answers {
        found.push(Evidence::packet(mark, "the silent host answered the same peer on another connection"));
    } else if let Some(mark) = around.host_answers {
        found.push(Evidence::packet(mark, "the silent host answered others at that time"));
    }
    found
}

fn fix(case: &Case<'_>) -> Vec<String> {
    let host = match (case.close.side, case.facts.vantage) {
        (Party::Client, _) => Some(Side::Client),
        (Party::Server, _) => Some(Side::Server),
        _ => None,
    };
    let mut steps = remedy::found_rules(case);
    if let Some(host) = host {
        if steps.is_empty() {
            steps.push(remedy::find_rule(case, host));
        }
        steps.extend(remedy::open_host(case, host));
        steps.push("keep the rule: write it to /etc/nftables.conf, `netfilter-persistent save`, or your configuration tool".to_owned());
    }
    if host.is_none() {
        steps.extend(remedy::open_path(case));
        steps.push(remedy::find_rule(case, Side::Server));
    }
    steps
}

fn why_not(case: &Case<'_>) -> Vec<Text> {
    let mut lines = Vec::new();
    if let Some(mark) = case.around.pair_answers.or(case.around.host_answers) {
        lines.push(say!(case, "not a dead host or link: the same host answered elsewhere (packet {})", mark.frame.number()).into());
    }
    lines.push(say!(case, "not the NATS server's choice: {} sent no -ERR, no FIN and no RST that was heard", case.server()).into());
    lines
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().dies(Kind::FirewallDrop, Party::Server).fires(),
        || Scene::new().dies(Kind::FirewallDrop, Party::Client).with(|s| s.close.confidence = 0.6).fires(),
        || {
            Scene::new()
                .attempt(Handshake::Unanswered)
                .with(|s| s.around.server_accepts_others = Some(mark(500)))
                .fires()
        },
        || Scene::new().dies(Kind::Timeout, Party::Network).silent(),
        || Scene::new().silent(),
    ];
}
