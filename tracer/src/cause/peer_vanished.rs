//! `peer_vanished`: the other host is gone, also for others.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "peer_vanished",
    family: Family::NetworkInterruption,
    title: "the other host is gone (power, link), also for others",
    explain: EXPLAIN,
    needs: &[Symptom::FellSilent],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: a whole host fell silent at once: power, kernel panic, a frozen or moved virtual
machine, a cable, an interface set down. Nothing says goodbye.

On the wire:
- no FIN, no RST; segments to the host are repeated at doubling gaps
- its connections with all peers fall silent within seconds of each other
- a capture on the host itself stops, or shows only outgoing repeats
- after a restart of the host: RST to the old connections, and a new server_id

What else it could be:
- path_blackhole: the host still talks with others
- firewall_drop: it still talks with the same peer on another connection
- stale_client, stale_server: its kernel acknowledges, only the process is silent

Fix:
1. is the host up? console, hypervisor, cloud instance state, `last reboot`, `journalctl -b -1 -e`
2. its link: `ip -s link`, switch port, bond members, virtual network
3. to notice sooner: lower `ping_interval` (default 2m, ping_max 2: up to 6 min) and the client's
   ping interval
4. run three servers or more, and list all of them in the client's URL list

Check next: when did the host speak again, and with the same server_id (paused, link) or a new one
(restarted)?
";

fn judge(case: &Case<'_>) -> Judgement {
    if case.close.kind != Kind::Timeout || case.attempt_failed() || case.is_told() {
        return No;
    }
    let Some((sender, debt)) = case.tcp_debt() else { return No };
    let around = case.around;
    if debt.peer_spoke > 0 || debt.smaller_pass || around.pair_answers.is_some() || around.host_answers.is_some() {
        return No;
    }
    let gone = sender.other();
    let confidence = match (around.host_silent, around.pair_silent, case.close.side) {
        (1.., _, _) => 0.86,
        (_, 1.., Party::Client | Party::Server) => 0.56,
        (_, _, Party::Client | Party::Server) => 0.42,
        _ => 0.35,
    };
    let name = case.end(gone);
    let mut finding = Finding::new(confidence, say!(case, "the host of {name} is gone: it answers nobody any more"))
        .because(case.debt_evidence());
    if around.host_silent > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} of its connections with other hosts fell silent within 5 s",
            around.host_silent
        ))]);
    } else {
        finding.summary = say!(case, "the host of {name} fell silent and is not heard anywhere else");
    }
    if around.pair_silent > 0 {
        finding = finding.because([Evidence::packets(say!(
            case,
            "{} other connections between the two hosts fell silent within 5 s",
            around.pair_silent
        ))]);
    }
    let addr = case.facts.endpoint(gone).addr;
    finding.fix = vec![
        say!(case, "check the host {addr}: console, hypervisor or cloud state, `last reboot`, `journalctl -b -1 -e`"),
        say!(case, "check its link: `ip -s link` on {addr}, switch port, virtual network"),
    ];
    finding.fix.extend(remedy::ping_below(case, Span::secs(40)));
    finding.fix.push(remedy::keep_trying(case.lang()));
    finding.also.push(("path_blackhole", 0.3));
    Yes(finding
        .why_not("not a stop or crash of the process alone: its kernel would have sent FIN or RST")
        .why_not("no filter shows: nothing of the host got through on any connection"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().dies(Kind::Timeout, Party::Server).with(|s| s.around.host_silent = 5).fires(),
        || {
            Scene::new()
                .dies(Kind::Timeout, Party::Client)
                .with(|s| (s.around.host_silent, s.around.pair_silent) = (1, 2))
                .fires()
        },
        || {
            Scene::new()
                .dies(Kind::Timeout, Party::Server)
                .with(|s| s.around.host_answers = Some(mark(END + 900)))
                .silent()
        },
        || Scene::new().silent(),
    ];
}
