//! `server_lame_duck`: announced by INFO ldm, then closed one by one.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "server_lame_duck",
    family: Family::ServerShutdown,
    title: "the server announced lame duck (INFO ldm), then closed its clients one by one",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::Leaving],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the server was asked to leave gently (`nats-server --signal ldm`, SIGUSR2, the
Kubernetes chart's preStop hook).

On the wire:
- INFO with `\"ldm\":true` to every client; the listener closes at once, new SYNs are refused
- quiet for lame_duck_grace_period (default 10s)
- then one FIN after another, 0.5 to 1 s apart, spread over lame_duck_duration (default 2m), no -ERR
- the process exits right after the last FIN, earlier than the duration if there are few clients

What else it could be:
- server_shutdown: all FINs at the same moment, no INFO before
- a kick of one client with $SYS.REQ.SERVER.<id>.LDM: only that client gets the INFO
- a client that leaves by itself after the INFO (some libraries do): then its FIN is the first

Fix: this is the gentle way, clients should not suffer. If they did:
1. the cluster needs other servers that take them: connect_urls of the INFO must name reachable
   addresses (`client_advertise`)
2. `terminationGracePeriodSeconds` must exceed lame_duck_duration (the grace period is part of it),
   else the rest is killed
3. handle the library's lame duck event and drain where work must not be cut

Check next: did each client reconnect elsewhere at once (`reconnect`, `server_changed`)? Servers up
to 2.11.10 and 2.12.1 may refuse them during lame duck when the account is near its connection
limit.
";

fn judge(case: &Case<'_>) -> Judgement {
    let own = case.facts.nats.lame_duck;
    if let Some(told) = server_error::told(case, "server_lame_duck") {
        return by_log(case, told);
    }
    let Some(mark) = own.or(case.around.lame_duck) else {
        return one_by_one(case).map_or_else(|| by_signal(case), Yes);
    };
    let refused = case.facts.handshake == Handshake::Refused;
    let told = server_error::reason_of(case);
    if told.is_some_and(|t| t.code != "server_shutdown") || mark.at > case.close.at {
        return No;
    }
    let waited = case.ended_at() - mark.at;
    let recent = waited < Span::secs(15 * 60);
    let confidence = match (own.is_some(), case.ended_by(Side::Server)) {
        _ if refused => 0.88,
        (true, true) => 0.97,
        (false, true) if recent => 0.86,
        (true, false) if case.ended_by(Side::Client) && recent => 0.55,
        _ => return No,
    };
    let (client, server) = (case.client(), case.server());
    let summary = if refused {
        say!(case, "{server} is in lame duck mode and takes no new connections: {client} was refused")
    } else if case.ended_by(Side::Client) {
        say!(case, "{client} left {server}, which had announced lame duck {waited} before")
    } else {
        say!(case, "{server} announced lame duck and closed the connection of {client} {waited} later")
    };
    let mut finding = Finding::new(confidence, summary)
        .because([Evidence::packet(mark, "INFO with ldm:true: the server announced lame duck mode")])
        .because(case.goodbye_evidence(Side::Server))
        .fix("nothing on the server: someone asked it to leave gently (`nats-server --signal ldm`)")
        .fix("see that clients have other servers to go to: all URLs in their list, `cluster { … }` with reachable connect_urls (`client_advertise`)")
        .fix(remedy::keep_trying(case.lang()))
        .why_not("not a crash: it was announced beforehand");
    finding.why_not.extend(case.network_fine());
    Yes(finding)
}

/// The server's log says so.
fn by_log(case: &Case<'_>, told: server_error::Told) -> Judgement {
    let (client, server) = (case.client(), case.server());
    Yes(Finding::new(told.confidence, say!(case, "{server} was in lame duck mode and closed the connection of {client}"))
        .because([told.evidence])
        .because(case.goodbye_evidence(Side::Server))
        .fix("nothing on the server: someone asked it to leave gently (`nats-server --signal ldm`)")
        .fix(remedy::keep_trying(case.lang()))
        .why_not("not a crash: it left gently, its log says so"))
}

/// No INFO could be read, but the order of the ends is that of lame duck mode.
fn one_by_one(case: &Case<'_>) -> Option<Finding> {
    if !case.left_one_by_one() || case.is_told() {
        return None;
    }
    let (client, server, around) = (case.client(), case.server(), case.around);
    let confidence = if around.refused.is_some() { 0.7 } else { 0.55 };
    let closes = say!(
        case,
        "the server closed {} connections one after another within {}, as in lame duck mode; a stop closes all at once",
        around.server_closed_others + 1,
        around.server_closed_spread
    );
    Some(
        Finding::new(confidence, say!(case, "{server} let go of its clients one by one, {client} among them"))
            .because([Evidence::packets(closes)])
            .because(around.refused.map(|mark| Evidence::packet(mark, "new connections to it were refused")))
            .because(case.goodbye_evidence(Side::Server))
            .fix("if nobody asked it to leave (`nats-server --signal ldm`): its log says what it did")
            .fix(remedy::keep_trying(case.lang()))
            .also("server_shutdown", 0.4)
            .why_not("not shown by INFO: what the server announced was not captured"),
    )
}

/// No INFO was seen, but the kernel saw the signal that `nats-server --signal ldm` sends.
fn by_signal(case: &Case<'_>) -> Judgement {
    let Some(end) = case.around.process_end.server.as_ref().filter(|e| e.asked == Some(12) && e.signal.is_none()) else {
        return No;
    };
    if !case.ended_by(Side::Server) || case.is_told() {
        return No;
    }
    let request = end.request().unwrap_or_default();
    let (client, server) = (case.client(), case.server());
    let text = say!(case, "process {} (pid {}) got {request}: lame duck mode", end.name, end.pid);
    Yes(Finding::new(0.93, say!(case, "{server} was put into lame duck mode and closed the connection of {client}"))
        .because([Evidence::kernel(end.at, text)])
        .because(case.goodbye_evidence(Side::Server))
        .fix("nothing on the server: someone asked it to leave gently (`nats-server --signal ldm`)")
        .fix(remedy::keep_trying(case.lang()))
        .why_not("not a crash: the process was asked to leave and closed the connection itself"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| s.facts.nats.lame_duck = Some(mark(END - 12_000)))
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| s.around.lame_duck = Some(mark(END - 12_000)))
                .fires()
        },
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
        // One after another, and the INFO may be what was not captured; all at once; nothing was missed.
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.facts.nats.unseen.server = unseen(360, END - 12_000);
                    (s.around.server_closed_others, s.around.server_closed_spread) = (2, Span::millis(1500));
                })
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    s.facts.nats.unseen.server = unseen(360, END - 12_000);
                    (s.around.server_closed_others, s.around.server_closed_spread) = (2, Span::millis(1));
                })
                .silent()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| (s.around.server_closed_others, s.around.server_closed_spread) = (2, Span::millis(1500)))
                .silent()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .error("Stale Connection")
                .with(|s| s.facts.nats.lame_duck = Some(mark(END - 12_000)))
                .silent()
        },
    ];
}
