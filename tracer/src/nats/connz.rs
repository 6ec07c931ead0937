//! nats-server's monitoring answers (nats-server `server/monitor.go`): the closed list of `/connz?state=closed` and the
//! settings and counters of `/varz`. Unknown fields are passed over.
use super::server_log::iso_time;
use crate::base::{Addr, Endpoint, Span, Timestamp};
use serde::Deserialize;
use std::net::IpAddr;

/// What is kept of a reason, in characters.
const REASON_MAX: usize = 200;

/// One entry of the closed list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClosedEntry {
    /// Who dialled.
    pub peer: Endpoint,
    /// Its number.
    pub id: u64,
    /// When it began, by the server's clock.
    pub start: Option<Timestamp>,
    /// When the server closed it, by the server's clock.
    pub stop: Option<Timestamp>,
    /// Why, in the words of its closed list.
    pub reason: String,
    /// Bytes that were queued for the client as it was closed.
    pub pending_bytes: u64,
}

/// `/connz?state=closed`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClosedList {
    /// New at every start of the server.
    pub server_id: String,
    /// The server's clock as it answered.
    pub now: Option<Timestamp>,
    /// There are older entries than these.
    pub cut: bool,
    /// The entries.
    pub entries: Vec<ClosedEntry>,
}

/// `/varz`, as far as it matters here.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Varz {
    /// New at every start.
    pub server_id: String,
    /// nats-server's version.
    pub version: String,
    /// Port for clients.
    pub port: u16,
    /// `write_deadline`, nanoseconds.
    pub write_deadline: Option<i64>,
    /// `ping_interval`, nanoseconds.
    pub ping_interval: Option<i64>,
    /// `ping_max`.
    pub ping_max: Option<u32>,
    /// `authorization { timeout }`, seconds.
    pub auth_timeout: Option<f64>,
    /// `tls { timeout }`, seconds.
    pub tls_timeout: Option<f64>,
    /// `max_payload`, bytes.
    pub max_payload: Option<u64>,
    /// `max_control_line`, bytes.
    pub max_control_line: Option<u32>,
    /// `max_pending`, bytes.
    pub max_pending: Option<u64>,
    /// `max_connections`.
    pub max_connections: u64,
    /// Clients that are connected.
    pub connections: u64,
    /// Slow consumers since the start.
    pub slow_consumers: u64,
    /// Percent of one core.
    pub cpu: f64,
    /// Resident bytes.
    pub mem: u64,
    /// When the server was started, RFC 3339.
    start: String,
    /// When it read its configuration, RFC 3339.
    config_load_time: String,
}

impl Varz {
    /// When the server was started, by its clock.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        iso_time(&self.start)
    }

    /// When it read its configuration last, by its clock.
    #[must_use]
    pub fn configured(&self) -> Option<Timestamp> {
        iso_time(&self.config_load_time)
    }
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// No JSON, or of another shape.
    #[error("no answer of nats-server's monitoring: {0}")]
    Shape(String),
    /// JSON of something else.
    #[error("no answer of nats-server's monitoring: it has no server_id")]
    Stranger,
}

#[derive(Deserialize)]
struct RawList {
    #[serde(default)]
    server_id: String,
    #[serde(default)]
    now: String,
    #[serde(default)]
    num_connections: u64,
    #[serde(default)]
    total: u64,
    #[serde(default)]
    connections: Option<Vec<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct RawEntry {
    cid: u64,
    ip: String,
    port: u16,
    start: String,
    stop: Option<String>,
    reason: String,
    pending_bytes: i64,
}

/// Reads `/connz?state=closed`.
///
/// # Errors
/// Where it is another answer.
pub fn closed_list(bytes: &[u8]) -> Result<ClosedList, BadAnswer> {
    let raw: RawList = read(bytes)?;
    if raw.server_id.is_empty() {
        return Err(BadAnswer::Stranger);
    }
    Ok(ClosedList {
        server_id: raw.server_id,
        now: iso_time(&raw.now),
        cut: raw.total > raw.num_connections,
        entries: raw.connections.into_iter().flatten().filter_map(entry).collect(),
    })
}

/// Reads `/varz`.
///
/// # Errors
/// Where it is another answer.
pub fn varz(bytes: &[u8]) -> Result<Varz, BadAnswer> {
    let varz: Varz = read(bytes)?;
    if varz.server_id.is_empty() { Err(BadAnswer::Stranger) } else { Ok(varz) }
}

/// Where the shape is wrong, what it says in its place is left unsaid: only the position is told.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BadAnswer> {
    serde_json::from_slice(bytes)
        .map_err(|e| BadAnswer::Shape(format!("line {}, column {}", e.line(), e.column())))
}

fn entry(raw: RawEntry) -> Option<ClosedEntry> {
    let addr: Addr = raw.ip.parse::<IpAddr>().ok()?.into();
    Some(ClosedEntry {
        peer: Endpoint { addr, port: raw.port },
        id: raw.cid,
        start: iso_time(&raw.start),
        stop: raw.stop.as_deref().and_then(iso_time),
        reason: raw.reason.chars().take(REASON_MAX).collect(),
        pending_bytes: u64::try_from(raw.pending_bytes).unwrap_or(0),
    })
}

/// Nanoseconds of an answer as a span, where they make one.
#[must_use]
pub fn span(nanoseconds: Option<i64>) -> Option<Span> {
    nanoseconds.filter(|ns| *ns > 0).map(Span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLOSED: &[u8] = include_bytes!("../../../tests/server-logs/connz-2.15.1.json");
    const OLD: &[u8] = include_bytes!("../../../tests/server-logs/connz-2.9.10.json");
    const VARZ: &[u8] = include_bytes!("../../../tests/server-logs/varz-2.15.1.json");
    const OLD_VARZ: &[u8] = include_bytes!("../../../tests/server-logs/varz-2.9.10.json");

    #[test]
    fn the_closed_list_of_two_versions() {
        for bytes in [CLOSED, OLD] {
            let list = closed_list(bytes).unwrap();
            assert!(!list.cut && list.entries.len() == 11 && list.now.is_some());
            let slow = list.entries.iter().find(|e| e.reason == "Slow Consumer (Write Deadline)").unwrap();
            assert!(slow.pending_bytes > 9_000_000 && slow.stop > slow.start && slow.start.is_some());
            assert!(list.entries.iter().any(|e| !e.peer.addr.is_v4() && e.reason == "Client Closed"));
        }
    }

    #[test]
    fn settings_of_two_versions() {
        for (bytes, version) in [(VARZ, "2.15.1"), (OLD_VARZ, "2.9.10")] {
            let varz = varz(bytes).unwrap();
            assert_eq!((varz.version.as_str(), varz.port, varz.slow_consumers), (version, 4222, 1));
            assert_eq!(span(varz.write_deadline), Some(Span::secs(1)));
            assert_eq!((varz.max_pending, varz.auth_timeout), (Some(64 << 20), Some(1.0)));
            assert!(varz.started().is_some() && varz.configured() >= varz.started());
        }
    }

    #[test]
    fn strangers_are_told() {
        assert_eq!(varz(b"{}"), Err(BadAnswer::Stranger));
        assert_eq!(closed_list(b"{\"now\":\"x\"}"), Err(BadAnswer::Stranger));
        assert!(matches!(varz(b"<html>"), Err(BadAnswer::Shape(_))));
        let odd = b"{\"server_id\":\"N\",\"connections\":[{\"ip\":\"x\"},{\"ip\":\"10.0.0.1\",\"pending_bytes\":-1}]}";
        assert_eq!(closed_list(odd).unwrap().entries.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = closed_list(&bytes);
            let _ = varz(&bytes);
        }
    }
}
