//! `injected_reset`: a reset that neither end sent.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "injected_reset",
    family: Family::NetworkInterruption,
    title: "a reset that neither end sent",
    explain: EXPLAIN,
    needs: &[Symptom::Reset],
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
    // The first: a later one may be the other end's true answer.
    let resets = Side::BOTH.iter().filter_map(|&s| case.facts.tcp[s].rst.map(|r| (s, r)));
    let found = resets.min_by_key(|(_, r)| (r.mark.at, r.mark.frame.number()));
    let forged = case.close.side == Party::Network;
    let odd = found.is_some_and(|(_, r)| r.sender_went_on > 0 || (r.ttl_known && r.ttl_delta.abs() > 3) || r.payload);
    let like_a_filters = case.close.detail.is_some_and(|d| d.contains("reject"));
    let went_on = found.map_or(0, |(_, r)| r.sender_went_on);
    let mut confidence: f64 = match (forged, odd) {
        _ if like_a_filters => match case.bare_reset() {
            // A rule would have met the client's next attempt, too: something forgot this connection alone.
            Some(true) if case.came_back_at_once() => 0.62,
            Some(true) => 0.34,
            Some(false) => 0.62,
            None => return No,
        },
        (true, true) if went_on > 0 => 0.96,
        (true, true) => 0.9,
        (true, false) => 0.82,
        (false, true) => 0.5,
        (false, false) => return No,
    };
    // A device whose time was over, not one that disliked what it saw.
    if case.idle_gap().is_some() || case.closed_out_of_silence().is_some_and(|quiet| quiet > Span::secs(55)) {
        confidence *= 0.75;
    }
    let name = found.map_or_else(|| "one end".to_owned(), |(s, _)| say!(case, "{}", case.end(s)));
    let mut finding = Finding::new(
        confidence,
        say!(case, "a device on the path reset the connection of {} and {} in the name of {name}", case.client(), case.server()),
    );
    finding = finding.because(found.filter(|_| case.speaks).and_then(|(side, rst)| signs(side, &rst)));
    let (client, server) = (case.facts.client.addr, case.facts.server);
    finding.fix = vec![
        say!(case, "look in the logs of what sits between {client} and {}: intrusion prevention, proxies, service mesh, cloud firewall", server.addr),
        say!(case, "exclude TCP port {} from their inspection, or use TLS (`tls {{ … }}` in nats-server.conf)", server.port),
        "capture on both hosts at once and run `natstrace compare`: the RST is missing in the capture of its alleged sender".to_owned(),
    ];
    Yes(finding.why_not(say!(case, "not {name}: it did not send this reset, see its TTL, its sequence and what came after")))
}

/// What is odd about the reset, in one line: it is one frame.
fn signs(side: Side, rst: &crate::event::ResetFacts) -> Option<Evidence> {
    let mut signs = Vec::new();
    if rst.sender_went_on > 0 {
        signs.push(format!("the {side} sent {} more segments after it", rst.sender_went_on));
    }
    if rst.ttl_known && rst.ttl_delta != 0 {
        let own = i16::from(rst.ttl) - rst.ttl_delta;
        signs.push(format!("its TTL is {}, that of the {side}'s other segments {own}", rst.ttl));
    }
    if let Some(off) = rst.seq_off.filter(|o| *o != 0) {
        signs.push(format!("its sequence number is {off:+} bytes off"));
    }
    // Some systems number at random: this alone says nothing.
    if rst.ip_id_jump && !signs.is_empty() {
        signs.push(format!("its IP identification does not follow the {side}'s"));
    }
    if rst.payload {
        signs.push("it carries a device's diagnostic text".to_owned());
    }
    let text = format!("RST in the {side}'s name: {}", signs.join("; "));
    (!signs.is_empty()).then(|| Evidence::packet(rst.mark, text))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn forged() -> Scene {
        Scene::new().ends(Kind::Rst, Party::Network).with(|s| {
            let mut rst = reset(END);
            (rst.sender_went_on, rst.ttl_delta) = (5, 12);
            *s.facts.tcp.server.rst = Some(rst);
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || forged().fires(),
        || Scene::new().ends(Kind::Rst, Party::Network).fires(),
        || forged().with(|s| s.close.detail = Some("reject")).silent(),
        || Scene::new().ends(Kind::Rst, Party::Client).silent(),
    ];
}
