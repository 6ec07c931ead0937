//! `host_unreachable`: routers say so.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "host_unreachable",
    family: Family::NetworkInterruption,
    title: "routers say that the host or network can't be reached",
    explain: EXPLAIN,
    needs: &[Symptom::Icmp, Symptom::KernelTells],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a router, or the last one before the host, answers that it can't deliver: no route, or
nobody answers to ARP.

On the wire:
- ICMP network unreachable (no route) or host unreachable (no ARP answer; comes about 3 s after the
  packet)
- ICMP time exceeded for every packet: a routing loop
- TCP goes on repeating: an ICMP error alone does not end an established connection
- a connect call fails with `no route to host` or `network is unreachable`

What else it could be:
- firewall_reject: ICMP administratively prohibited, or port unreachable
- peer_vanished: the same without a router that says so

Fix:
1. who sent the ICMP: the evidence names the router; look at its routes and ARP (`ip route get`, `ip
   neigh`)
2. host unreachable from the last hop: the host is off, was moved or has another address now; check
   DNS and the URL list
3. network unreachable: a route is missing: VPN, peering, cloud route table, BGP session
4. give the client several server URLs in different places

Check next: is the address still the server's? In Kubernetes a pod gets a new address with every
restart: use the service or the headless DNS name in the client's URL list.
";

fn judge(case: &Case<'_>) -> Judgement {
    if matches!(case.close.kind, Kind::Fin) || case.is_told() {
        return No;
    }
    let Some(icmp) = case.facts.icmp.iter().find(|i| {
        matches!(i.kind, IcmpKind::HostUnreachable | IcmpKind::NetUnreachable | IcmpKind::TimeExceeded)
    }) else {
        return socket_error(case);
    };
    let (confidence, word) = match icmp.kind {
        IcmpKind::HostUnreachable => (0.94, "host unreachable"),
        IcmpKind::NetUnreachable => (0.94, "network unreachable"),
        _ => (0.7, "time exceeded (a routing loop)"),
    };
    let target = icmp.about.other();
    let addr = case.facts.endpoint(target).addr;
    let mut finding = Finding::new(
        if case.went_silent() || case.attempt_failed() { confidence } else { 0.4 },
        say!(case, "{} says that {} can't be reached: {word}", icmp.from, case.end(target)),
    )
    .because([Evidence::packet(icmp.mark, say!(case, "ICMP {word} from {} about {addr}, {} times", icmp.from, icmp.count.max(1)))])
    .because(case.debt_evidence());
    finding.fix = vec![
        say!(case, "on {}: `ip route get {addr}` and `ip neigh show {addr}` (FAILED: nobody answers there)", icmp.from),
        say!(case, "check that {addr} is up and still the right address: DNS, the client's URL list, pod or instance moves"),
        "check routes that changed at that time: VPN, peering, cloud route tables".to_owned(),
    ];
    Yes(finding.why_not("not a filter: the router reports a missing route or host, not a prohibition"))
}

/// No ICMP error was captured, but the socket was told so.
fn socket_error(case: &Case<'_>) -> Judgement {
    let Some(host) = case.facts.host.as_ref().filter(|_| case.close.kind == Kind::Timeout) else { return No };
    if case.socket_told() == Some(0) {
        let summary = say!(case, "{} was told by an ICMP error that {} can't be reached", case.client(), case.server());
        let mut finding = Finding::new(0.45, summary).because(case.close.evidence.iter().cloned());
        finding.also.push(("firewall_reject", 0.4));
        return Yes(finding.fix("trace with packets too (without --capture off): the ICMP error's code tells a missing route from a filter"));
    }
    let told = Side::BOTH.into_iter().find_map(|s| Some((s, host.ends[s].error.filter(|e| matches!(e.1, 101 | 113))?)));
    let Some((side, (at, errno))) = told else { return No };
    let (here, there) = (case.facts.endpoint(side).addr, case.facts.endpoint(side.other()).addr);
    let word = if errno == 113 { "no route to host" } else { "network unreachable" };
    Yes(Finding::new(0.85, say!(case, "{} can't be reached from {here}: {word}", case.end(side.other())))
        .because([Evidence::kernel(at, say!(case, "the {side}'s socket ended with {word}"))])
        .because(case.debt_evidence())
        .fix(say!(case, "on {here}: `ip route get {there}` and `ip neigh show {there}` (FAILED: nobody answers there)"))
        .fix(say!(case, "check that {there} is up and still the right address: DNS, the client's URL list, pod or instance moves"))
        .why_not("not a filter on this host: the kernel had no way to the other host"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn icmp(kind: IcmpKind) -> IcmpFact {
        IcmpFact { mark: mark(END + 1), from: Addr::v4([10, 0, 0, 1]), kind, about: Side::Client, count: 2 }
    }

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .dies(Kind::Timeout, Party::Network)
                .with(|s| s.facts.icmp.push(icmp(IcmpKind::HostUnreachable)))
                .fires()
        },
        || {
            Scene::new()
                .attempt(Handshake::Unanswered)
                .with(|s| s.facts.icmp.push(icmp(IcmpKind::NetUnreachable)))
                .fires()
        },
        || Scene::new().dies(Kind::Timeout, Party::Network).silent(),
        || {
            Scene::new()
                .dies(Kind::FirewallDrop, Party::Server)
                .with(|s| s.facts.icmp.push(icmp(IcmpKind::AdminProhibited)))
                .silent()
        },
    ];
}
