//! `path_blackhole`: both directions die between two hosts, without the sign of a filter.
use super::prelude::*;
use crate::event::Unanswered;

/// The rule.
pub static RULE: Rule = Rule {
    code: "path_blackhole",
    family: Family::NetworkInterruption,
    title: "both directions die between two hosts, no sign of a filter",
    explain: EXPLAIN,
    needs: &[Symptom::FellSilent],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: packets between the two hosts vanish in both directions: a route withdrawn, a link or
tunnel down, a switch or virtual network in trouble, a host moved away.

On the wire:
- neither end hears the other; whoever has something to send repeats it at doubling gaps (0.2 s up
  to 2 min)
- no FIN, no RST, no ICMP; new SYNs get no answer either
- other connections of the same pair of hosts die within seconds
- the hosts may still reach others

What else it could be:
- peer_vanished: the silent host answers nobody at all
- firewall_drop: the host answers the same peer on another port or connection
- one_way_path: the other end is still heard, it only never acknowledges

Fix:
1. from each side: `ip route get PEER`, `mtr -T -P 4222 PEER`, `ip neigh show` (FAILED means the
   link)
2. check what changed at that time: routes, VPN or overlay (VXLAN, WireGuard), cloud route tables,
   node moves
3. to notice sooner: lower `ping_interval` (default 2m) on the server, and the client's own ping
   interval
4. list several servers in the client's URL list, in different zones, so that it can go elsewhere

Check next: `natstrace compare` on captures of both hosts; did the connections of other pairs live
on?
";

/// Within this time both directions of a path that died are noticed, where both ends talk.
const AT_ONCE: Span = Span::secs(3);

fn judge(case: &Case<'_>) -> Judgement {
    if case.close.kind != Kind::Timeout || case.is_told() {
        return No;
    }
    let around = case.around;
    let (client, server) = (case.client(), case.server());
    let unanswered = case.facts.handshake == Handshake::Unanswered;
    let confidence = if unanswered && case.asked_once() {
        0.25
    } else if unanswered {
        if around.server_accepts_others.is_some() { 0.2 } else { 0.42 }
    } else {
        let Some((sender, debt)) = case.tcp_debt() else { return No };
        // Both directions at once: an end that was heard for seconds after the other's segments went unanswered shows a path that
        // still worked one way.
        let at_once = |u: Unanswered| (u.first.at - debt.first.at).0.abs() < AT_ONCE.0 || debt.peer_spoke < 3;
        let both = case.facts.tcp[sender.other()]
            .unanswered
            .is_some_and(|u| u.owed != Owed::Window && u.repeats > 0 && at_once(u));
        match case.close.side {
            _ if (debt.peer_spoke > 0 && !both) || debt.smaller_pass => 0.15,
            Party::Network => 0.75,
            _ if around.pair_answers.is_some() => 0.2,
            _ if around.host_answers.is_some() => 0.7,
            _ if around.host_silent > 0 => 0.4,
            _ if around.pair_silent > 0 => 0.55,
            _ => 0.5,
        }
    };
    let summary = if unanswered {
        say!(case, "{server} never answered the SYN of {client}, and nothing tells why")
    } else {
        say!(case, "{client} and {server} stopped hearing each other, without the sign of a filter")
    };
    let mut finding = Finding::new(confidence, summary).because(case.debt_evidence());
    if around.pair_silent > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} other connections between the same hosts fell silent within 5 s",
            around.pair_silent
        ))]);
    }
    if let Some(mark) = around.host_answers {
        finding = finding.because([Evidence::packet(mark, "the silent host still answered another host")]);
    }
    finding.fix = fix(case, unanswered);
    finding.also.push(if unanswered { ("firewall_drop", 0.35) } else { ("peer_vanished", 0.3) });
    Yes(finding.why_not("no filter shows: nothing of this pair got through elsewhere, no ICMP, no reset"))
}

fn fix(case: &Case<'_>, unanswered: bool) -> Vec<String> {
    let (client, server) = (case.facts.client.addr, case.facts.server);
    let mut steps = vec![say!(
            case,
        "on {client}: `ip route get {0}`, `ip neigh`, `mtr -T -P {1} {0}`; the same from {0} towards {client}",
        server.addr, server.port
    )];
    if unanswered {
        steps.push(say!(case, "check that {} is the server's address and up: DNS, the client's URL list, cloud instance state", server.addr));
    }
    steps.extend(remedy::open_path(case).into_iter().skip(2));
    steps.push("check what changed at that time: routes, VPN or overlay, security groups, node moves".to_owned());
    if !unanswered {
        steps.extend(remedy::ping_below(case, Span::secs(40)));
    }
    steps
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().dies(Kind::Timeout, Party::Network).fires(),
        || Scene::new().attempt(Handshake::Unanswered).fires(),
        || Scene::new().dies(Kind::Timeout, Party::Server).with(|s| s.around.host_answers = Some(mark(END + 500))).fires(),
        || Scene::new().dies(Kind::Timeout, Party::Server).with(|s| s.around.host_silent = 3).silent(),
        || Scene::new().silent(),
    ];
}
