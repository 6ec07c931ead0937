//! `client_gave_up`: the last attempt before the client stopped trying.
use super::libraries::{LIBRARIES, Library, library, those};
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "client_gave_up",
    family: Family::ClientConfig,
    title: "the last attempt before the client stopped trying",
    explain: EXPLAIN,
    needs: &[Symptom::AttemptFailed, Symptom::NotTaken],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client tried to reconnect, failed as often as its library allows, and stopped for
good. It stays away until it is restarted.

On the wire:
- failed attempts (refused, unanswered, turned away) at the library's wait, then none any more
- JavaScript: 10 per server, about 20 s; Go, C, Java, Python: 60 per server, about 2 min; Rust and
  .NET: no limit

What else it could be:
- the process was stopped or restarted meanwhile
- the client went to another server, which this capture does not show
- server_not_listening and the like: why the attempts failed; look at the closes before

Fix:
1. let the client try for ever: Go `nats.MaxReconnects(-1)`, Python `max_reconnect_attempts=-1`,
   JavaScript `maxReconnectAttempts: -1`, Java `maxReconnects(-1)`, C
   `natsOptions_SetMaxReconnect(opts, -1)`
2. end the process in the closed handler, so that its supervisor restarts it; some errors close for
   good at any setting (`max_payload_exceeded` in Go, C and Python, more in C and Python)
3. retry the first connect too: Go `nats.RetryOnFailedConnect(true)`, JavaScript
   `waitOnFirstConnect: true`
4. give it all servers of the cluster in its URL list

Check next: restart this client now; then mend what made the attempts fail.
";

fn judge(case: &Case<'_>) -> Judgement {
    let around = case.around;
    if !case.never_accepted() {
        return No;
    }
    // Where attempts followed, this was not the last one, whatever became of them.
    let Some(quiet) = around.quiet_after.filter(|_| around.reconnect.as_ref().is_none_or(|r| r.attempts == 0)) else {
        return No;
    };
    let wait = around.reconnect.as_ref().and_then(|r| r.interval).unwrap_or(Span::secs(2)).max(Span::secs(2));
    let tries = around.failed_attempts_before + 1;
    let library = limit(case, tries);
    // A count that no library has by default could as well be a pause, or a process that was stopped: wait longer.
    let patience = if library.is_some() { wait.times(4).max(Span::secs(10)) } else { wait.times(6).max(Span::secs(20)) };
    if quiet < patience || tries < 3 {
        return No;
    }
    let told = case.is_told();
    let confidence = match library {
        _ if told => 0.5,
        Some(_) => 0.94,
        None => 0.88,
    };
    let mut finding = Finding::new(
        confidence,
        say!(case, "{} stopped trying to reach {} after {tries} failed attempts in a row", case.client(), case.server()),
    )
    .because([
        Evidence::packet(case.facts.start, say!(case, "attempt {tries}, the last one of this client")),
        Evidence::packets(say!(case, "no further attempt in {quiet}; it had tried every {wait}")),
    ]);
    if let Some((who, limit)) = library {
        finding = finding.because([Evidence::packets(say!(case, "{limit} attempts are the default limit of {who}"))]);
    }
    Yes(finding
        .fix(remedy::keep_trying(case.lang()))
        .fix("end the process in the library's closed handler, so that its supervisor restarts it")
        .fix(say!(case, "restart the client on {} now; mend what made the attempts fail (see the closes before)", case.facts.client.addr))
        .why_not("not still trying: its attempts came regularly and then stopped"))
}

/// Whose default limit these attempts are, and how many: the client's own where its library is known.
fn limit(case: &Case<'_>, tries: u32) -> Option<(String, u32)> {
    let fits = |l: &Library| l.tries.is_some_and(|limit| tries.abs_diff(limit) <= 1);
    let known = library(case.lang());
    let limit = LIBRARIES.iter().filter(|l| known.is_none_or(|own| own.name == l.name)).find(|l| fits(l))?.tries?;
    Some((known.map_or_else(|| those(fits), |own| own.name.to_owned()), limit))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn quiet(failed: u32, after_s: i64) -> Scene {
        Scene::new().attempt(Handshake::Refused).with(move |s| {
            s.around.failed_attempts_before = failed;
            s.around.quiet_after = Some(Span::secs(after_s));
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || quiet(9, 60).fires(),
        || quiet(59, 30).fires(),
        || quiet(4, 40).fires(),
        || quiet(9, 3).silent(),
        || quiet(0, 60).silent(),
    ];
}
