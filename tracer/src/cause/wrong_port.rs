//! `wrong_port`: a client on a route, gateway, leaf or monitoring port, another protocol (HTTP) on 4222.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "wrong_port",
    family: Family::VersionOrProtocol,
    title: "a client on a route, gateway, leaf or monitoring port, another protocol (HTTP) on 4222",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::NotTaken, Symptom::Garbled],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the two ends speak different protocols: a NATS client on a route, gateway, leafnode or
monitoring port, or HTTP, SSH or a route on the client port.

On the wire:
- CONNECT with a `lang` on a route, gateway or leaf port: -ERR 'attempted to connect to route port'
  (gateway, leaf node)
- HTTP on the client port: -ERR 'Unknown Protocol Operation' and FIN or RST, on each health check
- a route pointed at a client port: more than 1,000 connections a second
- a NATS client on the monitoring port: it waits for INFO, the server answers HTTP 400 or closes
  after 5 s

What else it could be:
- tls_handshake_failed: TLS on a plain listener
- protocol_error: NATS, but malformed
- a port scanner

Fix:
1. clients dial the `port`/`listen` of nats-server.conf (4222); 6222 is `cluster`, 7222 `gateway`,
   7422 `leafnodes`, 8222 `http`
2. health checks: `http://SERVER:8222/healthz`, never HTTP on 4222
3. `routes` must point at `cluster` ports, leaf `remotes` at `leafnodes` ports, `gateways` at
   `gateway` ports
4. in Kubernetes check the service's targetPort

Check next: who is the client? See its address and process.
";

fn judge(case: &Case<'_>) -> Judgement {
    let nats = &case.facts.nats;
    let (client, server) = (case.client(), case.server());
    if let Some(told) = server_error::told(case, "wrong_port") {
        return Yes(finish(case, told.confidence, say!(case, "{client} dialled the wrong port of {server}: '{}'", told.text)).because([told.evidence]));
    }
    if case.attempt_failed() || case.went_silent() {
        return No;
    }
    if let Some((mark, foreign)) = nats.foreign.client.filter(|(_, f)| matches!(f, Foreign::Http | Foreign::Ssh | Foreign::Other)) {
        let confidence = match foreign {
            // First bytes that were cut may be the beginning of anything.
            Foreign::Other if !case.heard_whole(Side::Client) => 0.25,
            Foreign::Other => 0.9,
            _ => 0.985,
        };
        return Yes(finish(case, confidence, say!(case, "{client} speaks {} to {server}, which is a NATS port", foreign.name()))
            .because([Evidence::packet(mark, say!(case, "the client's first bytes are {}", foreign.name()))])
            .because(nats.errors.last().map(|e| Evidence::packet(e.mark, say!(case, "-ERR '{}' from the {}", e.text, e.from)))));
    }
    if let Some((mark, foreign)) = nats.foreign.server.filter(|(_, f)| *f != Foreign::Tls) {
        // What the server answers to can be any protocol of its own, MQTT too, where the client's words are not captured.
        let confidence = if case.heard_whole(Side::Client) { 0.93 } else { 0.25 };
        return Yes(finish(case, confidence, say!(case, "{server} is no NATS port: it speaks {}, {client} expected NATS", foreign.name()))
            .because([Evidence::packet(mark, say!(case, "the server's first bytes are {}", foreign.name()))]));
    }
    let Some((info_mark, info)) = nats.info.as_ref() else { return No };
    let Some((mark, connect)) = nats.connect.as_ref().filter(|_| nats.accepted.is_none()) else { return No };
    let port = if !info.gateway.is_empty() {
        "gateway"
    } else if info.lnoc || info.route_pool_size > 0 {
        "route"
    } else if !info.leafnode_urls.is_empty() {
        "leafnode"
    } else {
        "client"
    };
    let is_client = !connect.lang.is_empty();
    let link = !connect.cluster.is_empty() || !connect.gateway.is_empty();
    if is_client && port != "client" {
        return Yes(finish(case, 0.96, say!(case, "{client} is a NATS client on the {port} port of {server}"))
            .because([Evidence::packet(*mark, say!(case, "CONNECT of a client library ({})", connect.lang))])
            .because([Evidence::packet(*info_mark, say!(case, "the server's INFO is that of a {port} port"))]));
    }
    if !is_client && link && port == "client" {
        return Yes(finish(case, 0.985, say!(case, "{client} is a server's link on the client port of {server}"))
            .because([Evidence::packet(*mark, "CONNECT of a route or gateway on a client port")])
            .because([Evidence::packet(*info_mark, "the server's INFO is that of a client port")]));
    }
    No
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    Finding::new(confidence, summary)
        .fix(say!(case, "on {} see which port is which: `port` (clients), `cluster`, `gateway`, `leafnodes`, `http` in nats-server.conf", case.facts.server.addr))
        .fix(say!(case, "let {} dial the right one: its URL list, `routes`, leaf `remotes`, the service's targetPort", case.facts.client.addr))
        .fix("point HTTP health checks at `/healthz` of the monitoring port (`http: 8222`)")
        .why_not("not the network: both ends were heard, they speak different protocols")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().young().ends_at(Kind::Fin, Party::Server, 4).error("attempted to connect to route port").fires(),
        || {
            Scene::new()
                .mute()
                .ends_at(Kind::Rst, Party::Server, 4)
                .error("Unknown Protocol Operation")
                .with(|s| s.facts.nats.foreign.client = Some((mark(2), Foreign::Http)))
                .fires()
        },
        || Scene::new().young().info(|i| i.gateway = "GA".into()).ends_at(Kind::Fin, Party::Server, 4).fires(),
        || {
            Scene::new()
                .young()
                .connect(|c| {
                    c.lang.clear();
                    c.cluster = "C".into();
                })
                .ends_at(Kind::Fin, Party::Server, 4)
                .error("Unknown Protocol Operation")
                .fires()
        },
        || Scene::new().silent(),
        || Scene::new().ends(Kind::Rst, Party::Server).error("Unknown Protocol Operation").silent(),
    ];
}
