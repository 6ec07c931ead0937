//! How long a client took to notice that it had lost its server.
use crate::base::{Side, Span, Timestamp};
use crate::event::{Close, Facts, Handshake, Kind, Party};

/// From the server's goodbye, else from when it was last heard, to the client's own goodbye or its first attempt at a new
/// connection. `None` where the client left by itself, or its reaction was not seen.
#[must_use]
pub fn detected(facts: &Facts, close: &Close, first_attempt: Option<Timestamp>) -> Option<Span> {
    let (client, server) = (&facts.tcp.client, &facts.tcp.server);
    let goodbye = |side: Side| facts.tcp[side].farewell().map(|mark| mark.at);
    let reacts_after = |from: Timestamp| {
        [goodbye(Side::Client), first_attempt].into_iter().flatten().filter(|&at| at >= from).min()
    };
    // An attempt that failed has lost nothing that it had.
    if !matches!(facts.handshake, Handshake::Complete | Handshake::Midstream) {
        return None;
    }
    let hung = facts.nats.pings.client.unanswered > 0;
    match (close.kind, close.side) {
        (Kind::Fin | Kind::Rst, Party::Server) => {
            let from = goodbye(Side::Server)?;
            Some(reacts_after(from)? - from)
        }
        (Kind::Fin | Kind::Rst, Party::Client) if hung => {
            let from = server.last_data.or(server.last)?.at;
            Some(reacts_after(from)? - from)
        }
        (Kind::Timeout | Kind::FirewallDrop, side) if side != Party::Client => {
            let reaction = [goodbye(Side::Client), first_attempt].into_iter().flatten().min()?;
            let heard = if hung && client.unanswered.is_none() { server.last_data } else { server.last };
            let from =
                heard.filter(|m| m.at <= reaction).or(server.last_progress.filter(|m| m.at <= reaction))?;
            Some(reaction - from.at)
        }
        _ => None,
    }
}
