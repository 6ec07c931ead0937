//! What a known defect looks like on the wire. A sign never looks at a version: that is the list's part.
use crate::base::{Side, Span};
use crate::cause::{Case, server_error};
use crate::event::{Handshake, Protocol, ProxySign};

/// The signs the list may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// SUB, UNSUB or PUB came before CONNECT, and the server refused the client.
    OperationBeforeConnect,
    /// A PROXY header, then CONNECT, and the server acts as if it never came.
    ProxyHeaderUnheeded,
    /// A PROXY header before a TLS handshake that failed at once.
    ProxyHeaderBeforeTls,
    /// The server left a TLS handshake after half a second.
    TlsHandshakeHalfASecond,
    /// The server closed behind queued data, though the window was never closed for long.
    CutWhileReading,
    /// The server is known to have such a limit, and dropped a slow consumer.
    MaxPendingTooLarge,
    /// A WebSocket server closed all connections and came back with a new id.
    WebsocketServerRestarts,
    /// The same of a server with leaf links.
    LeafServerRestarts,
    /// A WebSocket server was killed by the OOM killer.
    WebsocketOomKill,
    /// The account's limit is told while a server is leaving.
    AccountLimitInLameDuck,
    /// The account's limit closes a connection that had been served.
    AccountLimitClosesLiving,
    /// The server is full, yet serves nobody that could be seen.
    FullWithoutOthers,
    /// More PINGs unanswered than any library bears.
    PingsBeyondTheLimit,
    /// Publishes into a dead path, without a PING for long.
    PublishesWithoutPings,
    /// Idle on a dead path, without a PING for long.
    IdleWithoutPings,
    /// The client waits for INFO far beyond any connect timeout.
    WaitsLongForInfo,
    /// Told that it is stale, and never seen again.
    StaleAndNeverBack,
    /// Told that the server is full, and never seen again.
    LimitAndNeverBack,
}

/// Three of async-nats' default PING intervals.
const NO_PING: Span = Span::secs(180);
/// So long after its end a client that reconnects has done so, by any library's defaults.
const NEVER_BACK: Span = Span::secs(30);

impl Sign {
    /// Whether it shows.
    #[must_use]
    pub fn shows(self, case: &Case<'_>) -> bool {
        let (facts, around) = (case.facts, case.around);
        let (nats, tcp) = (&facts.nats, &facts.tcp);
        let told = |code: &str| server_error::told(case, code).is_some();
        let restarted = || around.server_closed_others > 0 && around.server_id_changed == Some(true);
        // A header that can't be read is a protocol error of the proxy's own.
        let proxied = || nats.forwarded_for.is_some() && nats.protocol != Protocol::WebSocket;
        match self {
            Self::OperationBeforeConnect => {
                nats.before_connect.is_some()
                    && facts.handshake == Handshake::Complete
                    && told("authorization_violation")
            }
            Self::ProxyHeaderUnheeded | Self::ProxyHeaderBeforeTls if !proxied() => false,
            Self::ProxyHeaderUnheeded => {
                // What stands in the header's own segment is read with it: that password was never looked at.
                let header = nats.proxied.zip(nats.connect.as_ref());
                let together = header.is_some_and(|((header, _), (connect, _))| header.frame == connect.frame);
                let deaf = told("auth_timeout")
                    || told("protocol_error")
                    || !case.is_told()
                    || together && told("authorization_violation");
                let second = nats.proxied.is_some_and(|(_, sign)| sign == ProxySign::HeaderV2);
                !second && nats.connect.is_some() && case.ended_by(Side::Server) && case.never_accepted() && deaf
            }
            Self::ProxyHeaderBeforeTls => {
                let tls = nats.tls.as_ref().is_some_and(|t| t.client_hello.is_some() && !t.established);
                tls && case.ended_by(Side::Server)
            }
            Self::TlsHandshakeHalfASecond => {
                let began = nats.tls.as_ref().is_some_and(|t| {
                    !t.established && t.client_hello.is_some() && t.alerts.is_empty()
                });
                began
                    && case.ended_by(Side::Server)
                    && (Span::millis(450)..Span::millis(650)).contains(&case.age())
            }
            Self::CutWhileReading => {
                let held = tcp.client.zero_window.longest;
                case.ended_by(Side::Server)
                    && tcp.server.fin_behind_data
                    && held > Span::ZERO
                    && held < Span(case.settings.write_deadline.0 / 2)
            }
            Self::MaxPendingTooLarge => {
                case.settings.told
                    && case.settings.max_pending > i32::MAX as u64
                    && (told("slow_consumer") || tcp.server.fin_behind_data)
            }
            Self::WebsocketServerRestarts => {
                nats.protocol == Protocol::WebSocket && case.ended_by(Side::Server) && restarted()
            }
            Self::LeafServerRestarts => {
                nats.protocol == Protocol::Leafnode && case.ended_by(Side::Server) && restarted()
            }
            Self::WebsocketOomKill => {
                nats.protocol == Protocol::WebSocket && around.process_end.server.as_ref().is_some_and(|e| e.oom)
            }
            Self::AccountLimitInLameDuck => told("account_max_connections") && around.lame_duck.is_some(),
            Self::AccountLimitClosesLiving => {
                told("account_max_connections")
                    && nats.accepted.is_some_and(|m| case.ended_at() - m.at > Span::secs(1))
            }
            Self::FullWithoutOthers => {
                told("max_connections") && around.server_serves_others == 0 && nats.accepted.is_none()
            }
            Self::PingsBeyondTheLimit => nats.pings.client.unanswered > 3,
            Self::PublishesWithoutPings => dead_without_pings(case) && nats.at_risk.publishes > 0,
            Self::IdleWithoutPings => dead_without_pings(case) && nats.at_risk.publishes == 0,
            Self::WaitsLongForInfo => {
                facts.handshake == Handshake::Complete
                    && !facts.unread()
                    && nats.first_byte.server.is_none()
                    && case.age() > Span::secs(15)
            }
            Self::StaleAndNeverBack => told("stale_client") && never_back(case),
            Self::LimitAndNeverBack => told("max_connections") && never_back(case),
        }
    }
}

/// The path died, and for long the client asked for no sign of life.
fn dead_without_pings(case: &Case<'_>) -> bool {
    let nats = &case.facts.nats;
    let asked = nats.pings.client.last.or(nats.accepted).map(|m| m.at);
    case.went_silent()
        && nats.pings.client.unanswered == 0
        && asked.is_some_and(|at| case.facts.last.at.max(case.close.at) - at > NO_PING)
}

fn never_back(case: &Case<'_>) -> bool {
    case.around.reconnect.is_none() && case.around.seen_until - case.ended_at() > NEVER_BACK
}
