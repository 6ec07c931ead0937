//! `idle_client_closed`: closed for silence on purpose (MQTT keepalive and the like).
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "idle_client_closed",
    family: Family::ClientConfig,
    title: "closed for silence on purpose (MQTT keepalive and the like)",
    explain: EXPLAIN,
    needs: &[Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server closed a client that said nothing for longer than agreed. MQTT: 1.5 times the
client's keepalive. PROXY protocol: no header or byte within 5 s. Monitoring port: no request within
5 s.

On the wire:
- MQTT: silence of the client of floor(1.5 x keepalive) seconds, then the server's FIN, no packet
  before it
- PROXY or monitoring: FIN exactly 5.0 s after the handshake, nothing from the client
- the server's log says `Read Error`

What else it could be:
- stale_client: NATS PINGs without PONG, 4 to 8 min by default
- auth_timeout: FIN 2.0 s after the handshake, no CONNECT
- firewall_drop: PINGREQs that left the client and never arrived

Fix:
1. MQTT: the client must send PINGREQ within its keepalive; use the library's loop (`loop_start` in
   paho), or raise keepalive
2. a device that sleeps: keepalive longer than its sleep, or connect anew
3. health checks that open and hold a connection: use `/healthz` on the monitoring port
4. balancers that keep spare connections open: turn that off for NATS

Check next: does the client come back at once, with the same keepalive?
";

fn judge(case: &Case<'_>) -> Judgement {
    if !case.ended_by(Side::Server) || case.is_told() || case.attempt_failed() {
        return No;
    }
    let tcp = &case.facts.tcp.client;
    let end = case.ended_at();
    let mqtt = case.facts.nats.mqtt.as_ref();
    let (client, server) = (case.client(), case.server());
    if let Some(keepalive) = mqtt.and_then(|m| m.keepalive_s).filter(|k| *k > 0)
        && let Some(last) = tcp.last_data
    {
        let silent = end - last.at;
        // floor(1.5 × keepalive) seconds, less what timers and the path take.
        let limit = Span::millis(i64::from(keepalive) * 3 / 2 * 1_000 - 50);
        if silent < limit {
            return No;
        }
        return Yes(Finding::new(0.95, say!(case, "{server} closed MQTT client {client}: silent for {silent}, its keepalive is {keepalive} s"))
            .because([Evidence::packet(last, say!(case, "last data of the client, {silent} before the server's FIN (limit: 1.5 times {keepalive} s)"))])
            .because(case.goodbye_evidence(Side::Server))
            .fix(say!(case, "let the client send PINGREQ within its keepalive ({keepalive} s), or raise the keepalive in its CONNECT"))
            .fix("check that nothing blocks the MQTT library's loop (paho: `loop_start`)")
            .why_not("not a server stop: the FIN came exactly when the keepalive ran out"));
    }
    let age = case.age();
    let never = !case.facts.unread()
        && case.facts.nats.first_byte.client.is_none() && case.facts.nats.connect.is_none() && mqtt.is_none();
    if !never || !(Span::millis(4_900)..Span::millis(5_400)).contains(&age) {
        return No;
    }
    Yes(Finding::new(0.8, say!(case, "{server} closed {client}, which said nothing for {age} (PROXY protocol or monitoring port)"))
        .because([Evidence::packets("no byte from the client")])
        .because(case.goodbye_evidence(Side::Server))
        .fix("let the balancer send a PROXY header at once (`proxy_protocol` is on for the whole listener), or turn it off")
        .fix(say!(case, "point health checks at `/healthz` of the monitoring port, not at {}", case.facts.server))
        .why_not("not the authorization timeout: that is 2.0 s by default"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn mqtt(silent_s: i64) -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).with(move |s| {
            s.facts.nats.protocol = Protocol::Mqtt;
            let facts = MqttFacts { keepalive_s: Some(10), connack: Some(0), ..MqttFacts::default() };
            s.facts.nats.mqtt = Some(Box::new(facts));
            s.facts.tcp.client.last_data = Some(mark(END - silent_s * 1000));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || mqtt(15).fires(),
        || Scene::new().mute().ends_at(Kind::Fin, Party::Server, 5_002).fires(),
        || mqtt(3).silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
