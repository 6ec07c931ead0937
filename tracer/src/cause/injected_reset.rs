//! `injected_reset`: a reset that neither end sent.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "injected_reset",
    family: Family::NetworkInterruption,
    title: "a reset that neither end sent",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: something between the ends (intrusion prevention, a proxy, `tcpkill`, `ss -K` on a
router, an attacker) sent an RST in one end's name.

On the wire:
- after the RST its alleged sender goes on with data and acknowledgements as if nothing had happened
- the RST's TTL or IP-ID does not fit the sender's other segments
- its sequence is off the expected one, or several RSTs with different sequences come
- often RSTs go to both ends at the same moment

What else it could be:
- firewall_reject: a REJECT rule on one of the hosts
- idle_timeout_middlebox: the reset answers the first segment after a long silence
- client_process_exit, server_crashed: a real RST has its host's TTL, and its sender is silent
  afterwards

Fix:
1. ask which devices between the two hosts may reset: IPS, proxies, DPI, service mesh, cloud
   firewall; look in their logs
2. exclude the NATS ports from their inspection, or use TLS so that they can't misread the stream
3. on both hosts: is `tcpkill`, `ss -K` or a tool like it in use?

Check next: natstrace's probes on the alleged sender: no `tcp_send_reset` record there at that time
proves it. The TTL of the RST tells the distance: 64, 128 or 255 minus the hops to the device.
";

fn judge(case: &Case<'_>) -> Judgement {
    if case.close.kind != Kind::Rst || case.facts.handshake == Handshake::Refused || case.is_told() {
        return No;
    }
    if case.close.detail.is_some_and(|d| d.contains("reject")) {
        return No;
    }
    let found = Side::BOTH.iter().find_map(|&s| case.facts.tcp[s].rst.map(|r| (s, r)));
    let forged = case.close.side == Party::Network;
    let odd = found.is_some_and(|(_, r)| r.sender_went_on > 0 || (r.ttl_known && r.ttl_delta.abs() > 3) || r.payload);
    let went_on = found.map_or(0, |(_, r)| r.sender_went_on);
    let mut confidence: f64 = match (forged, odd) {
        (true, true) if went_on > 0 => 0.96,
        (true, true) => 0.9,
        (true, false) => 0.82,
        (false, true) => 0.5,
        (false, false) => return No,
    };
    if case.idle_gap().is_some() {
        confidence *= 0.75;
    }
    let name = found.map_or_else(|| "one end".to_owned(), |(s, _)| case.end(s));
    let mut finding = Finding::new(
        confidence,
        say!(case, "a device on the path reset the connection of {} and {} in the name of {name}", case.client(), case.server()),
    );
    if let Some((side, rst)) = found {
        finding = finding.because(signs(side, &rst));
    }
    let (client, server) = (case.facts.client.addr, case.facts.server);
    finding.fix = vec![
        say!(case, "look in the logs of what sits between {client} and {}: intrusion prevention, proxies, service mesh, cloud firewall", server.addr),
        say!(case, "exclude TCP port {} from their inspection, or use TLS (`tls {{ … }}` in nats-server.conf)", server.port),
        "capture on both hosts at once and run `natstrace compare`: the RST is missing in the capture of its alleged sender".to_owned(),
    ];
    Yes(finding.why_not(say!(case, "not {name}: it did not send this reset, see its TTL, its sequence and what came after")))
}

fn signs(side: Side, rst: &crate::event::ResetFacts) -> Vec<Evidence> {
    let mut signs = Vec::new();
    if rst.sender_went_on > 0 {
        signs.push(Evidence::packet(
            rst.mark,
            format!("RST in the {side}'s name, after which the {side} sent {} more segments", rst.sender_went_on),
        ));
    }
    if rst.ttl_known && rst.ttl_delta != 0 {
        signs.push(Evidence::packet(rst.mark, format!("TTL of the RST is {:+} against the {side}'s other segments", rst.ttl_delta)));
    }
    if let Some(off) = rst.seq_off.filter(|o| *o != 0) {
        signs.push(Evidence::packet(rst.mark, format!("sequence of the RST is {off:+} bytes off")));
    }
    if rst.payload {
        signs.push(Evidence::packet(rst.mark, "the RST carries a device's diagnostic text"));
    }
    signs
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn forged() -> Scene {
        Scene::new().ends(Kind::Rst, Party::Network).with(|s| {
            let mut rst = reset(END);
            (rst.sender_went_on, rst.ttl_delta) = (5, 12);
            s.facts.tcp.server.rst = Some(rst);
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || forged().fires(),
        || Scene::new().ends(Kind::Rst, Party::Network).fires(),
        || forged().with(|s| s.close.detail = Some("reject")).silent(),
        || Scene::new().ends(Kind::Rst, Party::Client).silent(),
    ];
}
