//! `kicked`: the server closed one connection by an operator's act while serving others.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "kicked",
    family: Family::Normal,
    title: "the server closed one connection by an operator's act (kick, a reload that removed the user) while serving others",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: an operator, or a tool, closed this one connection: `$SYS.REQ.SERVER.<id>.KICK`, a
config reload that removed the user or moved it to another account, a removed leaf remote or route.

On the wire:
- one FIN from the server, no -ERR (the server sends none for these reasons)
- other connections of the same server go on; a new connection meets the same server_id
- no closed window, no unanswered PING, nothing cut

What else it could be:
- server_shutdown: the others would close too, and new SYNs would be refused
- slow_consumer: the client's window was closed before, the FIN sits behind data
- a proxy or balancer in front of the server that closed on its own (its idle limit)

Fix:
1. `nats server report connections --state closed` or `curl
   'http://SERVER:8222/connz?state=closed&sort=stop'` shows the reason: `Kicked`, or `Client Closed`
   although the server closed first (then it was a reload)
2. look for `Reloaded server configuration` in the server's log at that time
3. if a rebalancing tool kicks clients on purpose, nothing needs fixing: clients reconnect

Check next: does the client get back in? `Authorization Violation` on the next attempt means that
its user was removed.
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    if let Some(told) = server_error::told(case, "kicked") {
        return Yes(finding(case, told.confidence, say!(case, "{server} was told to drop {client} ('{}')", told.text))
            .because([told.evidence]));
    }
    if !case.ended_by(Side::Server) || case.is_told() || case.never_accepted() || case.close.kind == Kind::Rst {
        return No;
    }
    let around = case.around;
    let same_server = around.server_id_changed == Some(false);
    let same_again = around.accepted.filter(|_| same_server);
    let mut confidence: f64 = match (around.server_serves_others > 0, same_server) {
        (true, true) => 0.8,
        (true, false) => 0.7,
        (false, true) => 0.72,
        (false, false) if case.facts.unread() => 0.15,
        (false, false) => 0.35,
    };
    if around.server_closed_others > 0 {
        confidence -= 0.2;
    }
    if around.refused.is_some() || around.server_id_changed == Some(true) {
        confidence = 0.1;
    }
    confidence = case.if_none_was_said(confidence);
    let sent = &case.facts.tcp.server;
    let queued = sent.fin_behind_data && sent.max_in_flight > 512 << 10;
    // What it has begun to say it says to the end, unless the client does not take it.
    let cut = case.facts.nats.cut_mid_message.server;
    let slow = case.facts.tcp.client.zero_window.longest > Span::secs(1) || queued || cut;
    // Whether the client still read shows in its own segments.
    let unseen = case.never_captured(Side::Client);
    if slow || unseen || around.lame_duck.is_some() || case.facts.nats.lame_duck.is_some() || case.is_server_link() {
        confidence = confidence.min(0.25);
    }
    let mut found =
        finding(case, confidence, say!(case, "{server} closed the connection of {client} without a word and went on serving others"))
            .because(case.goodbye_evidence(Side::Server));
    if around.server_serves_others > 0 {
        found = found.because([Evidence::packets(say!(
            case,
            "the server went on with {} other connections",
            around.server_serves_others
        ))]);
    }
    if let Some(mark) = same_again {
        found = found.because([Evidence::packet(mark, "the same server (same server_id) accepted a new connection")]);
    } else if same_server {
        found = found.because([Evidence::packets("the same server (same server_id) greeted new connections")]);
    }
    found.why_not.extend(case.network_fine());
    found.why_not.extend(case.no_filter(Side::Server));
    Yes(found)
}

fn finding(case: &Case<'_>, confidence: f64, summary: String) -> Finding {
    Finding::new(confidence, summary)
        .fix(say!(
            case,
            "ask the server for its reason: `curl '{}/connz?state=closed&sort=stop'` (`Kicked`, or `Client Closed` after a reload)",
            remedy::monitor(case)
        ))
        .fix("look for `Reloaded server configuration` in the server's log at that time, and for tools that send $SYS.REQ.SERVER.*.KICK")
        .why_not("not a shutdown: the server goes on serving others")
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().ends(Kind::Fin, Party::Server).with(|s| s.around.server_serves_others = 4).fires(),
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.around.accepted = Some(mark(END + 2_000));
                    s.around.server_id_changed = Some(false);
                })
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.around.server_closed_others = 3;
                    s.around.refused = Some(mark(END + 100));
                })
                .silent()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.around.server_serves_others = 4;
                    s.facts.nats.unseen.server = unseen(32, END - 3);
                })
                .silent()
        },
        || Scene::new().silent(),
    ];
}
