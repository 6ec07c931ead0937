//! `cluster_conflict`: route, gateway or leaf link refused or replaced: names, duplicates, loops, versions, accounts.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "cluster_conflict",
    family: Family::ClientConfig,
    title: "route, gateway or leaf link refused or replaced: names, duplicates, loops, versions, accounts",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLink],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a link between servers was turned away or replaced: cluster names differ or are the same
where they must not be, two servers share a name, a leaf link makes a loop, a version is too old, an
account is missing.

On the wire:
- -ERR with the reason and FIN right after CONNECT; the dialling server tries again every second (30
  s after a loop)
- duplicate routes and server names: a silent FIN; a duplicate route is normal while a cluster
  starts
- two leafs with one server_name evict each other every second

What else it could be:
- authorization_violation: credentials of the link, or leaf permissions
- wrong_port: a route pointed at a client, leaf or gateway port
- server_shutdown of the other server

Fix:
1. `server_name` must be unique in the whole system
2. `cluster { name }` equal within a cluster, different between a leaf and its hub
3. loop: a leaf must not reach its own hub a second time through another leaf or cluster
4. gateways: `gateway { name }` is the cluster's name; each `gateways` entry names the remote one,
   `reject_unknown_cluster` turns others away
5. versions: raise the older server, or lower `leafnodes { min_version }`

Check next: the log of both servers at that time, `Router connection closed: ...`, `Leafnode
connection closed: ...`.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let link = case.facts.nats.protocol.name();
    if let Some(told) = server_error::told(case, "cluster_conflict") {
        return Yes(finish(case, told.confidence, say!(case, "the {link} link of {client} and {server} was refused: '{}'", told.text))
            .because([told.evidence]));
    }
    let ended = matches!(case.close.kind, Kind::Fin | Kind::Rst) && case.close.side != Party::Network;
    if !case.is_server_link() || case.is_told() || !ended || case.attempt_failed() {
        return No;
    }
    if let Some(mark) = case.around.replaced.filter(|_| case.ended_by(Side::Server)) {
        return Yes(finish(case, 0.88, say!(case, "{server} replaced the {link} link of {client}: another one has the same name"))
            .because([Evidence::packet(mark, "a link with the same server name was accepted right before")])
            .because(case.goodbye_evidence(Side::Server)));
    }
    let young = case.age() < Span::secs(2);
    let confidence = match (young, case.ended_by(Side::Server), case.facts.nats.protocol) {
        (true, true, Protocol::Route) => 0.72,
        (true, _, _) => 0.55,
        (false, _, _) => return No,
    };
    let confidence = case.if_none_was_said(confidence);
    let mut finding = finish(
        case,
        confidence,
        say!(case, "the {link} link of {client} and {server} was closed {} after it began, without a word: a duplicate route or name", case.age()),
    );
    finding = finding.because(Side::BOTH.iter().find_map(|&s| case.goodbye_evidence(s)));
    finding.also.push(("authorization_violation", 0.25));
    Yes(finding)
}

fn finish(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    let finding = Finding::new(confidence, summary);
    let finding = match case.facts.nats.protocol {
        Protocol::Leafnode => finding
            .fix("give each leaf server a `server_name` of its own, and its cluster another `cluster { name }` than the hub's")
            .fix("look for a loop: the leaf must not reach its hub a second time through another leaf or cluster"),
        Protocol::Gateway => finding
            .fix("`gateway { name }` is the own cluster's name; each entry of `gateways` must carry the remote cluster's name and gateway port"),
        _ => finding
            .fix("give each server a `server_name` of its own and all servers of a cluster the same `cluster { name }`")
            .fix("a duplicate route while the cluster starts is normal; if it repeats every second, look for two entries in `routes` that lead to one server"),
    };
    finding
        .fix("see the log of both servers: `Router connection closed: …`, `Leafnode connection closed: …` name the reason")
        .why_not("not a filter or the path: the link came about and was then refused")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn link(protocol: Protocol, ms: i64) -> Scene {
        Scene::new().young().ends_at(Kind::Fin, Party::Server, ms).with(move |s| s.facts.nats.protocol = protocol)
    }

    pub const CASES: &[fn() -> Scene] = &[
        || link(Protocol::Route, 4).error("Rejecting connection, cluster name \"A\" does not match \"B\"").fires(),
        || link(Protocol::Route, 5).fires(),
        || link(Protocol::Leafnode, END).error("Duplicate Remote LeafNode Connection").fires(),
        || link(Protocol::Leafnode, END).with(|s| s.around.replaced = Some(mark(END - 3))).fires(),
        || link(Protocol::Leafnode, 5).error("Permissions Violation for Subscription to \"a\"").silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
