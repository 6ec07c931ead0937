//! What the client did after its loss, where that adds something to change to any verdict: a setting is named only where what
//! was seen differs from what the library does by default, or where it made the loss last longer.
use super::libraries::{Library, library};
use super::{Case, known_bug, remedy};
use crate::base::Span;
use crate::event::{Cause, Family, Handshake, Kind, Pace, Reconnect, Text, Tried};

/// A loss that was noticed sooner needs no shorter PING interval.
const SOON: Span = Span::secs(30);

/// Adds it. `defect`: the sign of a known one shows.
pub fn complete(case: &Case<'_>, cause: &mut Cause, defect: bool) {
    let mut steps: Vec<String> = Vec::new();
    if let Some(evidence) = announced(case) {
        cause.why_not.push(evidence.into());
        steps.push(advertise(case));
    }
    if defect && cause.code != known_bug::RULE.code {
        cause.why_not.extend(known_bug::hints(case).into_iter().map(Text::from));
    }
    steps.extend(never_back(case, cause.code));
    // Told once, at the connection that was lost, not again at each attempt since.
    let lost = cause.family != Family::Normal && !case.attempt_failed();
    if let Some(reconnect) = case.around.reconnect.as_ref().filter(|_| lost) {
        steps.extend(unreachable(case, reconnect));
        steps.extend(noticed_late(case, reconnect, &cause.fix));
        steps.extend(other_wait(case, reconnect));
        if let Some((before, after)) = reconnect.subscriptions.filter(|(before, after)| after < before) {
            let line = format!(
                "not all is as before: the new connection has {after} of the {before} subscriptions; the library restores its \
                 own, so the rest were the application's to make again"
            );
            cause.why_not.push(line.into());
        }
    }
    for step in steps {
        if !cause.fix.contains(&step) {
            cause.fix.push(step);
        }
    }
}

/// A library that does not reconnect after such an error.
fn never_back(case: &Case<'_>, code: &str) -> Option<String> {
    let own = library(case.lang()).filter(|l| l.final_errors.contains(&code))?;
    let gone = case.around.reconnect.is_none() && case.is_told();
    gone.then(|| {
        format!(
            "{} closes for good on this error, it does not reconnect: in its closed handler connect anew, or end the process so \
             that its supervisor restarts it",
            own.package
        )
    })
}

/// This attempt went to an address that the client knows from INFO, as far as can be told.
fn announced(case: &Case<'_>) -> Option<String> {
    let by = case.around.announced_by?;
    let silent = matches!(case.facts.handshake, Handshake::Refused | Handshake::Unanswered);
    silent.then(|| format!("the address {} stands in connect_urls of INFO from {by}: the client may know it from there alone", case.facts.server))
}

/// The other way than the server's: the client leaves alone what INFO tells it, where its library can.
fn or_ignore_discovered(case: &Case<'_>) -> String {
    let ignore = library(case.lang()).and_then(Library::ignore_discovered);
    ignore.map_or(String::new(), |words| format!("; or {words}"))
}

fn advertise(case: &Case<'_>) -> String {
    let ignore = or_ignore_discovered(case);
    format!(
        "if clients can't reach {} from where they are: set `client_advertise: \"HOST:PORT\"` in that server's nats-server.conf to \
         an address they reach, or `no_advertise: true` in its `cluster` block{ignore}",
        case.facts.server
    )
}

/// Servers of the cluster that the client tried in vain while another took it.
fn unreachable(case: &Case<'_>, reconnect: &Reconnect) -> Option<String> {
    let worked = reconnect.servers.iter().any(|s| s.outcome == Tried::Accepted);
    let in_vain: Vec<String> = reconnect
        .servers
        .iter()
        .filter(|s| s.announced && matches!(s.outcome, Tried::Unanswered | Tried::Refused))
        .filter(|s| s.server != case.facts.server)
        .map(|s| s.server.to_string())
        .collect();
    if in_vain.is_empty() || !worked {
        return None;
    }
    let ignore = or_ignore_discovered(case);
    Some(format!(
        "the client lost time on {}, learned from INFO (connect_urls) and not reachable from it: set `client_advertise: \
         \"HOST:PORT\"` in nats-server.conf there to an address it reaches, or `no_advertise: true` in the `cluster` block{ignore}",
        in_vain.join(", ")
    ))
}

/// A silent loss is found out by PINGs alone.
fn noticed_late(case: &Case<'_>, reconnect: &Reconnect, fix: &[String]) -> Option<String> {
    let detect = reconnect.detect.filter(|d| *d > SOON)?;
    let silent = matches!(case.close.kind, Kind::Timeout | Kind::FirewallDrop)
        || case.facts.nats.pings.client.unanswered > 0;
    let option = remedy::ping_option(case.lang(), 20);
    let named = fix
        .iter()
        .any(|f| f.contains("ping_interval") || f.contains("PingInterval") || f.contains("pingInterval"));
    if !silent || named {
        return None;
    }
    Some(format!(
        "the client noticed the loss after {detect}; it does sooner with more frequent PINGs: {option}"
    ))
}

/// Gaps that are not the library's: somebody set them, or the application dials by itself.
fn other_wait(case: &Case<'_>, reconnect: &Reconnect) -> Option<String> {
    let own = library(case.lang())?;
    let (shortest, longest) = reconnect.gaps?;
    // What hangs until a timeout says nothing of the wait; what is refused comes back at once.
    let refused = reconnect.servers.iter().all(|s| matches!(s.outcome, Tried::Refused | Tried::Accepted));
    let growing = own.wait.up_to > own.wait.from;
    if !refused || reconnect.servers.len() > 1 || reconnect.pace.is_none_or(|p| p == Pace::Irregular) {
        return None;
    }
    let words = if longest.0 < own.wait.from.0 / 2 && !growing {
        format!("its attempts came every {longest} or less, quicker than {} does by default: ", own.name)
    } else if shortest.0 > own.wait.up_to.0.saturating_mul(3) / 2 + 1_000_000_000 {
        format!("its attempts came every {shortest} or more, slower than {} does by default: ", own.name)
    } else {
        return None;
    };
    Some(format!("{words}look at {} in the client", own.wait_setting()))
}
