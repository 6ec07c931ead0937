//! `mtu_blackhole`: only large packets die.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "mtu_blackhole",
    family: Family::NetworkInterruption,
    title: "only large packets die",
    explain: EXPLAIN,
    needs: &[Symptom::Owed],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a link on the path takes only smaller packets than the hosts send, and the message that
would tell them (ICMP fragmentation needed, packet too big) is filtered. Typical with VPNs, overlays
(VXLAN costs 50 bytes) and PPPoE.

On the wire:
- handshake, INFO, CONNECT and PING pass; the first full-size segment (about 1,400 bytes) is
  repeated without an answer
- smaller segments sent later are acknowledged selectively while the large one is not
- sometimes ICMP fragmentation needed with the next hop's MTU shows, yet the sender keeps its size

What else it could be:
- packet_loss: then large and small die alike
- one_way_path: nothing passes in that direction
- slow_consumer: the window is closed, segments are acknowledged

Fix:
1. find the size that passes: `ping -M do -s 1472 PEER`, then smaller (1472 + 28 = 1500)
2. let ICMP type 3 code 4 (IPv6: type 2) through on every firewall of the path
3. or clamp: `nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu`,
   `iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`
4. or set the interface's MTU: `ip link set dev eth0 mtu 1400`
5. or let the host find out: `sysctl -w net.ipv4.tcp_mtu_probing=1`

Check next: does a large `nats pub` fail and a small one work from the same host?
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some((sender, debt)) = case.tcp_debt().filter(|(_, u)| u.owed == Owed::Data) else { return No };
    let icmp = case.facts.icmp.iter().find_map(|i| match i.kind {
        IcmpKind::FragmentationNeeded(mtu) => Some((i, mtu)),
        _ => None,
    });
    let large = debt.segment_len >= 1_200;
    let confidence = match (icmp, debt.smaller_pass) {
        (Some((_, mtu)), _) if mtu == 0 || debt.segment_len + 40 > mtu => 0.95,
        (None, true) if large => 0.9,
        (_, true) => 0.6,
        (None, false) if large && debt.peer_spoke > 0 => 0.5,
        _ => return No,
    };
    let mut finding = Finding::new(
        confidence,
        say!(
            case,
            "segments of {} bytes from {} to {} die on the path, smaller ones pass",
            debt.segment_len,
            case.end(sender),
            case.end(sender.other())
        ),
    )
    .because([Evidence::packet(
        debt.first,
        say!(case, "a segment of {} bytes was never acknowledged, {} repeats", debt.segment_len, debt.repeats),
    )]);
    if debt.smaller_pass {
        finding = finding.because([Evidence::packets("smaller segments sent later were acknowledged")]);
    }
    if let Some((i, mtu)) = icmp {
        let text = say!(case, "ICMP fragmentation needed from {}: next hop takes {mtu} bytes", i.from);
        finding = finding.because([Evidence::packet(i.mark, text)]);
    }
    let (here, there) = (case.facts.endpoint(sender).addr, case.facts.endpoint(sender.other()).addr);
    finding.fix = vec![
        say!(case, "on {here} find the size that passes: `ping -M do -s 1472 {there}`, then smaller"),
        "let ICMP fragmentation needed (IPv6: packet too big) through on every firewall of the path".to_owned(),
        say!(case, "or clamp on the router: `iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`; or lower the MTU on {here}: `ip link set dev IFACE mtu 1400`"),
        say!(case, "or let {here} find out by itself: `sysctl -w net.ipv4.tcp_mtu_probing=1`"),
    ];
    Yes(finding
        .why_not("not a dead path: small segments pass in the same direction")
        .why_not("not the NATS limit: a message over max_payload gets an -ERR"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn large(pass: bool) -> Scene {
        Scene::new().dies(Kind::Timeout, Party::Client).with(move |s| {
            if let Some(u) = &mut *s.facts.tcp.server.unanswered {
                u.segment_len = 1448;
                u.smaller_pass = pass;
                u.peer_spoke = u32::from(pass) * 4;
            }
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || large(true).fires(),
        || {
            large(false)
                .with(|s| {
                    let kind = IcmpKind::FragmentationNeeded(1400);
                    let from = Addr::v4([10, 0, 0, 1]);
                    s.facts.icmp.push(IcmpFact { mark: mark(END + 101), from, kind, about: Side::Server, count: 3 });
                })
                .fires()
        },
        || large(false).silent(),
        || Scene::new().silent(),
    ];
}
