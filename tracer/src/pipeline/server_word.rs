//! The server's own word joined to what was seen: its log and its monitoring, by the client's end and by time. The log may
//! be of another zone, the monitoring of another clock; both are set right by what fits. Bounded, pure.
mod log;
mod monitor;
#[cfg(test)]
mod tests;

use crate::base::{Endpoint, Side, Span, Timestamp};
use crate::cause::{Settings, server_error};
use crate::event::{
    Cause, Close, Evidence, Facts, Handshake, Kind, Owed, Party, Protocol, ServerReason, Source, Text,
};
use crate::nats::connz::{ClosedList, Varz};
use crate::nats::server_log::LogLine;
use hashbrown::HashMap;
use log::Log;
use monitor::Monitoring;
use std::collections::VecDeque;

/// Clocks of servers and captures are so far apart at most, once their zones are set right.
const SKEW: Span = Span::secs(30);
/// Entries of a log or a closed list that are kept at most.
const ENTRIES_MAX: usize = 128 * 1024;
/// Of them for one end.
const PER_PEER_MAX: usize = 8;
/// Evidence of the server that is added to a verdict at most.
const EVIDENCE_MAX: usize = 3;

/// What servers say, as far as it is kept.
#[derive(Default)]
pub(super) struct ServerWord {
    log: Option<Log>,
    monitoring: Option<Monitoring>,
}

/// What the server says of one connection.
#[derive(Default)]
pub(super) struct Word {
    /// Why it closed it.
    pub reason: Option<ServerReason>,
    evidence: Vec<Evidence>,
    why_not: Vec<Text>,
}

impl ServerWord {
    /// One line of a log.
    pub fn note_log(&mut self, line: &LogLine) {
        self.log.get_or_insert_default().note(line);
    }

    /// A closed list, as it was at `at` by the clock of the capture.
    pub fn note_closed(&mut self, list: ClosedList, at: Timestamp) {
        self.monitoring.get_or_insert_default().note_closed(list, at);
    }

    /// Settings and counters, as they were at `at` by the clock of the capture.
    pub fn note_varz(&mut self, varz: Varz, at: Timestamp) {
        self.monitoring.get_or_insert_default().note_varz(varz, at);
    }

    /// What is said of this connection.
    pub fn of(&mut self, facts: &Facts, close: &Close) -> Word {
        let mut word = Word::default();
        if matches!(facts.handshake, Handshake::Refused | Handshake::Unanswered) {
            // The server's process never had it.
            return word;
        }
        if let Some(monitoring) = &self.monitoring {
            monitoring.tell(facts, close, &mut word);
        }
        if let Some(log) = &mut self.log {
            log.tell(facts, close, &mut word);
        }
        if let Some(reason) = &word.reason {
            word.why_not.extend(disagreement(facts, close, &reason.text).map(Text::from));
        }
        word
    }
}

impl Word {
    /// A reason that says more replaces one that says less.
    fn take(&mut self, reason: ServerReason) {
        let says = |text: &str| server_error::reason(text).is_some();
        match &self.reason {
            Some(known) if says(&known.text) || !says(&reason.text) => {}
            _ => self.reason = Some(reason),
        }
    }

    fn add(&mut self, at: Option<Timestamp>, text: String) {
        let known = self.evidence.iter().any(|e| e.text == text);
        if self.evidence.len() < EVIDENCE_MAX && !known {
            self.evidence.push(Evidence { at, frame: None, source: Source::Server, text: text.into() });
        }
    }

    /// Adds to a verdict what its rule did not use.
    pub fn complete(self, cause: &mut Cause) {
        let reason = self.reason.map(|r| {
            let text = if r.stands.is_empty() { r.text } else { r.stands };
            Evidence { at: r.at, frame: None, source: Source::Server, text: text.into() }
        });
        for item in reason.into_iter().chain(self.evidence) {
            if !cause.evidence.iter().any(|e| e.source == item.source && e.text == item.text) {
                cause.evidence.push(item);
            }
        }
        cause.why_not.extend(self.why_not);
    }
}

/// Entries by the client's end, the oldest forgotten first.
struct ByPeer<T> {
    entries: HashMap<Endpoint, VecDeque<T>, foldhash::fast::RandomState>,
    order: VecDeque<Endpoint>,
}

impl<T> Default for ByPeer<T> {
    fn default() -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new() }
    }
}

impl<T> ByPeer<T> {
    fn add(&mut self, peer: Endpoint, entry: T) {
        if self.order.len() >= ENTRIES_MAX
            && let Some(old) = self.order.pop_front()
        {
            self.forget_first(old);
        }
        let of_peer = self.entries.entry(peer).or_default();
        of_peer.push_back(entry);
        self.order.push_back(peer);
        if of_peer.len() > PER_PEER_MAX {
            // Its place in the order stays; there it finds the next one, which is as old or younger.
            of_peer.pop_front();
        }
    }

    fn forget_first(&mut self, peer: Endpoint) {
        if let Some(of_peer) = self.entries.get_mut(&peer) {
            of_peer.pop_front();
            if of_peer.is_empty() {
                self.entries.remove(&peer);
            }
        }
    }

    fn of(&self, peer: Endpoint) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.get(&peer).into_iter().flatten()
    }
}

/// Lays the server's settings over those that are assumed. One that was told and isn't the default stays.
pub(super) fn fill(settings: &mut Settings, varz: &Varz) {
    let default = Settings::default();
    fn lay<T: PartialEq + Copy>(setting: &mut T, default: T, said: Option<T>) {
        if *setting == default
            && let Some(said) = said
        {
            *setting = said;
        }
    }
    let nanos = |ns: Option<i64>| ns.filter(|ns| *ns > 0).map(Span);
    let secs = |s: Option<f64>| s.filter(|s| (0.001..1e6).contains(s)).map(|s| Span((s * 1e9) as i64));
    lay(&mut settings.write_deadline, default.write_deadline, nanos(varz.write_deadline));
    lay(&mut settings.ping_interval, default.ping_interval, nanos(varz.ping_interval));
    lay(&mut settings.ping_max, default.ping_max, varz.ping_max);
    lay(&mut settings.auth_timeout, default.auth_timeout, secs(varz.auth_timeout));
    lay(&mut settings.tls_timeout, default.tls_timeout, secs(varz.tls_timeout));
    lay(&mut settings.max_payload, default.max_payload, varz.max_payload);
    lay(&mut settings.max_control_line, default.max_control_line, varz.max_control_line);
    lay(&mut settings.max_pending, default.max_pending, varz.max_pending);
    settings.told = true;
}

/// Where the server's record and the packets contradict each other.
fn disagreement(facts: &Facts, close: &Close, reason: &str) -> Option<String> {
    let rst = *facts.tcp.client.rst;
    let odd_rst = rst.filter(|r| r.ttl_known && r.ttl_delta != 0);
    let odd_rst = odd_rst.map(|r| device(i16::from(r.ttl), i16::from(r.ttl) - r.ttl_delta));
    let odd_fin = facts.tcp.client.fin_ttl.map(|(its, own)| device(its.into(), own.into()));
    let fin = |side: Side| facts.tcp[side].fin;
    let owed = facts.tcp.server.unanswered.filter(|u| matches!(u.owed, Owed::Data | Owed::Fin));
    Some(match reason {
        "Client Closed" if odd_fin.is_some() && close.kind == Kind::Fin && close.side == Party::Client => {
            format!(
                "the server says '{reason}', but the FIN in the client's name came from {}",
                odd_fin.unwrap_or_default()
            )
        }
        "Client Closed"
            if close.kind == Kind::Rst && close.side != Party::Server && fin(Side::Client).is_none() =>
        {
            let from = odd_rst.map_or(String::new(), |device| format!(" from {device}"));
            format!(
                "the server says '{reason}', which is the end of the stream, but the packets show a reset{from}"
            )
        }
        "Client Closed"
            if close.side == Party::Server
                && fin(Side::Server).is_some_and(|s| fin(Side::Client).is_none_or(|c| s.at < c.at)) =>
        {
            format!(
                "the server says '{reason}' but its own FIN came first: it says so too when a reload removes the user"
            )
        }
        "Read Error" if close.side == Party::Network && odd_rst.is_some() => {
            format!(
                "the server says '{reason}': it was reset, but the RST in the client's name came from {}",
                odd_rst.unwrap_or_default()
            )
        }
        "Read Error" if close.kind == Kind::Fin && close.side == Party::Client && rst.is_none() => {
            format!(
                "the server says '{reason}': a reset reached it, while the packets here show the client's FIN"
            )
        }
        "Stale Connection" | "Slow Consumer (Write Deadline)" | "Slow Consumer (Pending Bytes)"
            if owed.is_some() && matches!(close.kind, Kind::Timeout | Kind::FirewallDrop) =>
        {
            format!(
                "the server says '{reason}', but what it sent was not even acknowledged: it gave up on a client that it no longer reached"
            )
        }
        _ => return None,
    })
}

/// A device by the TTL of what it sent in an end's name, beside the end's own.
fn device(its: i16, own: i16) -> String {
    // Hosts begin at 64, 128 or 255.
    let hops = |ttl: i16| [64, 128, 255].into_iter().find(|&first| first >= ttl).unwrap_or(255) - ttl;
    match hops(own) - hops(its) {
        1 => "a device one hop nearer".to_owned(),
        n @ 2.. => format!("a device {n} hops nearer"),
        -1 => "a device one hop farther away".to_owned(),
        n @ ..=-2 => format!("a device {} hops farther away", -n),
        0 => format!("a device as far away, with a TTL of {its} instead of {own}"),
    }
}

/// Links between servers are not in the closed list.
fn is_listed(facts: &Facts) -> bool {
    !matches!(facts.nats.protocol, Protocol::Route | Protocol::Gateway)
}

/// Whether an entry's number can be that of the connection: INFO tells it, where it was read.
fn is_number(facts: &Facts, id: u64) -> bool {
    facts.nats.info.as_ref().is_none_or(|(_, info)| info.client_id == 0 || info.client_id == id)
}
