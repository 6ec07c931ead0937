//! A server that answers late: what shows it, whatever is made of it.
use super::Case;
use crate::base::Span;
use crate::event::Evidence;

/// Answers that take longer are late.
const LATE: Span = Span::millis(100);

/// The server answers late, on this connection and on its others: a process short of CPU, or stuck, and not the network.
#[must_use]
pub fn evidence(case: &Case<'_>) -> Vec<Evidence> {
    let (nats, around) = (&case.facts.nats, case.around);
    let mut found = Vec::new();
    if !case.speaks {
        return found;
    }
    if let (Some(slowest), Some(rtt)) = (nats.pings.client.slowest_pong, case.facts.rtt)
        && slowest > LATE
        && slowest.0 / 20_000 > i64::try_from(rtt.median_us).unwrap_or(i64::MAX)
    {
        let from = nats.pings.client.quickest_pong.filter(|q| *q < slowest);
        let from = from.map_or(String::new(), |q| format!("{q} to "));
        found.push(Evidence::packets(format!(
            "PONGs took {from}{slowest}, TCP's acknowledgements {} (median): the server's process was late, not the network",
            Span::micros(i64::try_from(rtt.median_us).unwrap_or(i64::MAX))
        )));
    }
    let told = [("INFO after accept", around.info_latency), ("PONG after PING", around.pong_latency)];
    for (what, latency) in told {
        let Some(latency) = latency.filter(|l| l.slowest > LATE) else { continue };
        let grown = latency.earlier.is_none_or(|e| latency.slowest.0 > e.0.saturating_mul(4));
        if !grown {
            continue;
        }
        let earlier = latency.earlier.map_or(String::new(), |e| format!(", {e} before"));
        found.push(Evidence::packets(format!(
            "on its other connections {what} took {} (median of {}, up to {}){earlier}",
            latency.recent, latency.count, latency.slowest
        )));
    }
    if around.server_mute > 0 {
        found.push(Evidence::packets(format!(
            "{} more connections got a handshake from its kernel but no INFO from its process",
            around.server_mute
        )));
    }
    found
}
