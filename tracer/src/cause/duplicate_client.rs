//! `duplicate_client`: replaced by another with the same id (MQTT).
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "duplicate_client",
    family: Family::ClientConfig,
    title: "replaced by another with the same id (MQTT)",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: another MQTT client connected with the same client id; the standard says that the older
connection must go.

On the wire:
- the new connection's CONNECT and CONNACK, at once the server's FIN on the old one, nothing said
- two clients that both reconnect evict each other for ever; after a few rounds the server delays
  them
- the server's log: `Replacing old client \"...\" since both have the same client ID`

What else it could be:
- the same device that lost its path and came back: then the old connection was dead already, and
  this is harmless
- kicked: no other connection with that id
- cluster_conflict: the same with leaf nodes and server names

Fix:
1. give each client its own id: add the host name, pod name or a random part
2. one process that connects twice (a restart without close, two replicas): let only one run, or
   name them differently
3. shared subscriptions do not need a shared client id

Check next: which address did the new connection come from? See the evidence, and
`/connz?mqtt_client=ID`.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let fix = |finding: Finding| {
        finding
            .fix("give every MQTT client an id of its own (host or pod name, or a random part)")
            .fix("look for a second replica or a restart without close: `/connz?mqtt_client=ID` on the monitoring port shows who holds it")
            .why_not("not the network: the server closed right after it had accepted the other one")
    };
    if let Some(told) = server_error::told(case, "duplicate_client") {
        return Yes(fix(Finding::new(told.confidence, say!(case, "{server} replaced {client} by another client with the same id")).because([told.evidence])));
    }
    let Some(mqtt) = case.facts.nats.mqtt.as_ref() else { return No };
    let Some(mark) = case.around.replaced.filter(|_| case.ended_by(Side::Server) && !case.is_told()) else { return No };
    let id = mqtt.client_id.as_deref().unwrap_or("?");
    Yes(fix(Finding::new(0.96, say!(case, "{server} replaced {client}: another client connected with the same MQTT id \"{id}\""))
        .because([Evidence::packet(mark, say!(case, "a new connection with client id \"{id}\" was accepted {} before", case.ended_at() - mark.at))])
        .because(case.goodbye_evidence(Side::Server))))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn mqtt() -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).with(|s| {
            s.facts.nats.protocol = Protocol::Mqtt;
            let facts = MqttFacts { client_id: Some("pump-7".into()), connack: Some(0), ..MqttFacts::default() };
            s.facts.nats.mqtt = Some(Box::new(facts));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || mqtt().with(|s| s.around.replaced = Some(mark(END - 2))).fires(),
        || mqtt().silent(),
        || Scene::new().silent(),
    ];
}
