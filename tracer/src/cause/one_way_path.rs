//! `one_way_path`: one direction dies, without proof that a filter does it.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "one_way_path",
    family: Family::NetworkInterruption,
    title: "one direction dies, no proof that a filter does it",
    explain: EXPLAIN,
    needs: &[Symptom::FellSilent],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: packets still pass in one direction and vanish in the other: asymmetric routing, a
half-dead link or bond member, a stale ARP or forwarding entry, or a filter that can't be proven
from where the capture was taken.

On the wire:
- one end repeats its segments, the other is still heard but never acknowledges them
- or: the other end repeats its own data although it was acknowledged: the acknowledgements get lost
- no FIN or RST that both heard, no ICMP

What else it could be:
- firewall_drop: the usual reason; a capture on the host whose packets die proves it
- mtu_blackhole: small segments pass in the same direction
- path_blackhole: neither end is heard

Fix:
1. capture on both hosts at once and run `natstrace compare CLIENT_SIDE SERVER_SIDE`: it names the
   direction and the place
2. `traceroute -T -p 4222` from both ends: different paths point to asymmetric routing (`rp_filter`,
   stateful firewalls)
3. check bonds and link aggregates: one member may lose everything that hashes to it
4. check firewall rules on both hosts for the direction that dies

Check next: do new connections with another source port work? Then it is a hash over ports (bond,
ECMP) or a stale state.
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some((sender, debt)) = case.tcp_debt().filter(|_| case.went_silent() && !case.is_told()) else { return No };
    if debt.peer_spoke == 0 || debt.smaller_pass || debt.owed == Owed::Window {
        return No;
    }
    // Heard here, but not there: where its own segments are repeated too, both directions are dead.
    if case.facts.tcp[sender.other()].unanswered.is_some_and(|u| u.owed != Owed::Window && u.repeats > 0) {
        return No;
    }
    let proven = case.close.kind == Kind::FirewallDrop;
    let to = sender.other();
    let mut finding = Finding::new(
        match (proven, debt.peer_spoke) {
            (true, _) => 0.3,
            // One segment may have been under way.
            (false, 1) => 0.4,
            (false, _) => 0.75,
        },
        say!(
            case,
            "packets from {} no longer reach {}, while the other direction still works",
            case.end(sender),
            case.end(to)
        ),
    )
    .because(case.debt_evidence())
    .because([Evidence::packets(say!(
            case,
        "the {to} was heard {} times after the first unanswered segment and never acknowledged it",
        debt.peer_spoke
    ))]);
    finding.fix = remedy::open_path(case).split_off(2);
    finding.fix.push(remedy::find_rule(case, to));
    finding.fix.extend(remedy::open_host(case, to));
    finding.also.push(("firewall_drop", 0.35));
    Yes(finding.why_not(say!(case, "not a dead host: {} was still heard", case.end(to))))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn one_way(kind: Kind) -> Scene {
        Scene::new().dies(kind, Party::Server).with(|s| {
            if let Some(u) = &mut *s.facts.tcp.client.unanswered {
                u.peer_spoke = 6;
            }
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || one_way(Kind::Timeout).fires(),
        || one_way(Kind::FirewallDrop).silent(),
        || Scene::new().dies(Kind::Timeout, Party::Server).silent(),
    ];
}
