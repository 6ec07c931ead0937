//! Lines of nats-server's log (nats-server `logger/log.go`, `server/log.go`), also behind what docker, Kubernetes, journald
//! or syslog put in front of them. Names and users between quotes are stepped over, never kept.
use crate::base::{Endpoint, Span, Timestamp};
use serde::Deserialize;
use std::net::SocketAddr;

/// What is kept of a text, in characters.
const TEXT_MAX: usize = 200;
/// A line is looked at so far, in octets.
const LINE_MAX: usize = 8 << 10;
/// Zones differ from UTC by multiples of this.
const ZONE_STEP: Span = Span::secs(15 * 60);
/// Levels as the server writes them.
const LEVELS: [&str; 6] = ["[INF]", "[DBG]", "[ERR]", "[WRN]", "[TRC]", "[FTL]"];

/// When a line was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogTime {
    /// The clock on the server's wall, read as though it were UTC.
    pub wall: Timestamp,
    /// It is UTC for certain; else its zone isn't written down.
    pub utc: bool,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// When; none with `logtime: false`.
    pub at: Option<LogTime>,
    /// What it says.
    pub says: LogSays,
}

/// What a line says, as far as it matters for connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogSays {
    /// About one connection.
    Connection {
        /// The other end: who dialled, or for a link of its own making who was dialled.
        peer: Endpoint,
        /// The number of `cid:`, `rid:` and their like.
        id: u64,
        /// It is a client's (`cid`, `wid`, `mid`), not a route, gateway or leaf.
        is_client: bool,
        /// What happened.
        what: Happened,
    },
    /// About the server itself.
    Server(ServerEvent),
}

/// What happened to a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happened {
    /// It was accepted, or made.
    Created,
    /// It was closed, for this reason of the closed list.
    Closed(String),
    /// Something that closes it: the reason of the closed list, and the words.
    Failed(&'static str, String),
}

/// What happened to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerEvent {
    /// `Starting nats-server`.
    Starting,
    /// Its id of this start.
    Id(String),
    /// It takes clients at this port.
    Listening(u16),
    /// It got a signal, by the name that Go gives it.
    Trapped(String),
    /// `Entering lame duck mode`.
    LameDuck,
    /// `Initiating Shutdown...`.
    Stopping,
    /// `Server Exiting..`.
    Exiting,
    /// `Reloaded server configuration`.
    Reloaded,
    /// It can't accept: the words.
    CantAccept(String),
}

/// Reads one line; `None` where it says nothing that matters here.
#[must_use]
pub fn log_line(line: &[u8]) -> Option<LogLine> {
    let text = String::from_utf8_lossy(line.get(..LINE_MAX).unwrap_or(line));
    let text = plain(text.trim_end());
    let (outer, text) = unwrap(&text);
    let (before, body) = split_level(&text);
    let own = nats_time(before);
    let outer = outer.or_else(|| iso_time(before));
    let says = says(body)?;
    Some(LogLine { at: at(own, outer), says })
}

/// Without colours and other control characters.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if !c.is_control() || c == '\t' {
            out.push(c);
        }
    }
    out
}

/// A line in JSON: docker's `json-file`, or `journalctl -o json`.
#[derive(Deserialize)]
struct Wrapped {
    #[serde(alias = "MESSAGE", alias = "message", alias = "msg")]
    log: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(default, rename = "__REALTIME_TIMESTAMP")]
    realtime: Option<String>,
}

/// Takes a line out of JSON, with its time.
fn unwrap(text: &str) -> (Option<Timestamp>, String) {
    let wrapped = if text.starts_with('{') { serde_json::from_str::<Wrapped>(text).ok() } else { None };
    let Some(wrapped) = wrapped else { return (None, text.to_owned()) };
    let micros =
        wrapped.realtime.and_then(|us| us.parse::<i64>().ok()).map(|us| Timestamp(us.saturating_mul(1000)));
    let at = wrapped.time.and_then(|time| iso_time(&time)).or(micros);
    (at, plain(wrapped.log.trim_end()))
}

/// What stands before the level, and what behind it. syslog has no level: then all of it is behind.
fn split_level(text: &str) -> (&str, &str) {
    let found = LEVELS.iter().filter_map(|level| text.find(level).map(|at| (at, level.len()))).min();
    if let Some((at, len)) = found {
        return (&text[..at], text[at + len..].trim_start());
    }
    let tag = text.find("nats-server[").and_then(|at| Some(at + text[at..].find("]: ")? + 3));
    text.split_at(tag.unwrap_or(0))
}

/// One time of two: the server's own has the finer grain, the one in front of it knows its zone.
fn at(own: Option<Timestamp>, outer: Option<Timestamp>) -> Option<LogTime> {
    match (own, outer) {
        (Some(own), Some(outer)) => {
            let ahead = nearest_zone(own - outer);
            Some(LogTime { wall: own - ahead, utc: true })
        }
        (Some(wall), None) => Some(LogTime { wall, utc: false }),
        (None, Some(wall)) => Some(LogTime { wall, utc: true }),
        (None, None) => None,
    }
}

/// The difference of a zone from UTC that is nearest to a difference of clocks.
#[must_use]
pub const fn nearest_zone(difference: Span) -> Span {
    let half = ZONE_STEP.0 / 2;
    Span(difference.0.saturating_add(half).div_euclid(ZONE_STEP.0) * ZONE_STEP.0)
}

/// `2026/11/22 12:03:14.120456`, the last one in the text.
fn nats_time(text: &str) -> Option<Timestamp> {
    let mut words = text.split_whitespace().rev();
    let clock = words.next()?;
    let (year, rest) = words.next()?.split_once('/')?;
    let (month, day) = rest.split_once('/')?;
    Some(moment(date(year, month, day)?, clock_of(clock)?))
}

/// RFC 3339, anywhere in the text: `2026-11-22T12:03:14.120456789Z`, `…+01:00`, `…+0100`.
pub(super) fn iso_time(text: &str) -> Option<Timestamp> {
    text.split_whitespace().find_map(|word| {
        let (day, clock) = word.split_once('T')?;
        let mut parts = day.splitn(3, '-');
        let days = date(parts.next()?, parts.next()?, parts.next()?)?;
        let zone = clock.find(['Z', '+', '-'])?;
        let (clock, zone) = clock.split_at(zone);
        Some(moment(days, clock_of(clock)?) - zone_of(zone)?)
    })
}

fn zone_of(text: &str) -> Option<Span> {
    if text == "Z" {
        return Some(Span::ZERO);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some(Span::secs(sign * (number(hours, 23)? * 3600 + number(minutes, 59)? * 60)))
}

/// Nanoseconds since midnight of `12:03:14.120456`.
fn clock_of(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let whole = number(hours, 23)? * 3600 + number(minutes, 59)? * 60 + number(seconds, 60)?;
    let part = if fraction.is_empty() { 0 } else { number(fraction, 999_999_999)? };
    Some(whole * 1_000_000_000 + part * 10_i64.pow(9 - u32::try_from(fraction.len()).ok()?))
}

/// Days since 1970-01-01 (proleptic Gregorian calendar, years counted from March in eras of 400).
fn date(year: &str, month: &str, day: &str) -> Option<i64> {
    let (year, month, day) = (number(year, 9999)?, number(month, 12)?, number(day, 31)?);
    if year < 1970 || month == 0 || day == 0 {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468)
}

fn moment(days: i64, in_day: i64) -> Timestamp {
    Timestamp(days.saturating_mul(86_400_000_000_000).saturating_add(in_day))
}

/// Digits alone, up to a limit.
fn number(text: &str, most: i64) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && *n <= most)
}

fn says(body: &str) -> Option<LogSays> {
    match connection(body) {
        Some((peer, kind, id, text)) => {
            let is_client = matches!(kind, "cid" | "wid" | "mid" | "mid_ws");
            let what = happened(text, is_client)?;
            Some(LogSays::Connection { peer, id, is_client, what })
        }
        None => server(body).map(LogSays::Server),
    }
}

/// `10.0.0.7:51234 - cid:5 - "v1.31.0:go:billing" - "$G/user:a" - text`: the end, the kind, the number, the text.
fn connection(body: &str) -> Option<(Endpoint, &str, u64, &str)> {
    let (peer, rest) = body.split_once(" - ")?;
    // Behind a WebSocket proxy: `<client's address>/<the proxy's end>`.
    let peer = peer.rsplit_once('/').map_or(peer, |(_, end)| end).parse::<SocketAddr>().ok()?;
    let (link, mut text) = rest.split_once(" - ")?;
    let (kind, id) = link.split_once(':')?;
    let id = id.parse().ok()?;
    while let Some(quoted) = text.strip_prefix('"') {
        text = &quoted[quoted.find("\" - ")? + 4..];
    }
    Some((Endpoint { addr: peer.ip().into(), port: peer.port() }, kind, id, text))
}

/// Beginnings of texts that a close follows, in lower case, and the reason of the closed list that it has. Texts:
/// nats-server `server/client.go`, `server/auth.go`, `server/errors.go`, tags 2.2 to 2.15.
const FAILURES: &[(&str, &str)] = &[
    ("authentication error", "Authentication Failure"),
    ("authentication timeout", "Authentication Timeout"),
    ("user authentication expired", "Authentication Expired"),
    ("account authentication expired", "Authentication Expired"),
    ("user authentication revoked", "Credentials Revoked"),
    ("maximum connections exceeded", "Maximum Connections Exceeded"),
    ("maximum account active connections exceeded", "Maximum Account Connections Exceeded"),
    ("maximum payload exceeded", "Maximum Message Payload Exceeded"),
    ("maximum control line exceeded", "Maximum Control Line Exceeded"),
    ("tls handshake error", "TLS Handshake Failure"),
    ("stale client connection", "Stale Connection"),
    ("client parser error", "Protocol Violation"),
    ("message headers not supported", "Protocol Violation"),
    ("attempted to connect to", "Incorrect Port"),
];
/// The same of a client's connection: a link between servers lives on.
const CLIENT_FAILURES: &[(&str, &str)] = &[
    ("slow consumer detected: writedeadline", "Slow Consumer (Write Deadline)"),
    ("slow consumer detected: maxpending", "Slow Consumer (Pending Bytes)"),
];
/// Words inside of it.
const PARSE_ERRORS: [&str; 2] = [" parse error: ", "bad or missing size: "];

fn happened(text: &str, is_client: bool) -> Option<Happened> {
    if let Some((_, reason)) = text.split_once("connection closed: ") {
        let reason = reason.split(" - ").next().unwrap_or(reason);
        return Some(Happened::Closed(short(reason.trim())));
    }
    if text.contains("connection created") {
        return Some(Happened::Created);
    }
    let lower = text.to_ascii_lowercase();
    let begins = |list: &'static [(&str, &'static str)]| {
        list.iter().find(|(start, _)| lower.starts_with(start)).map(|&(_, reason)| reason)
    };
    let client = || is_client.then(|| begins(CLIENT_FAILURES)).flatten();
    let parse = || PARSE_ERRORS.iter().any(|words| lower.contains(words)).then_some("Protocol Violation");
    let reason = begins(FAILURES).or_else(client).or_else(parse)?;
    // Behind the first words stand users and pieces of what was sent: for these that is nobody's business.
    let said = match reason {
        "Authentication Failure" => "authentication error".to_owned(),
        "Protocol Violation" => short(text.split(": ").next().unwrap_or(text)),
        _ => short(text),
    };
    Some(Happened::Failed(reason, said))
}

fn server(body: &str) -> Option<ServerEvent> {
    let event = match body {
        _ if body.starts_with("Starting nats-server") => ServerEvent::Starting,
        _ if body.starts_with("Initiating Shutdown") => ServerEvent::Stopping,
        _ if body.starts_with("Server Exiting") => ServerEvent::Exiting,
        _ if body.starts_with("Entering lame duck mode") => ServerEvent::LameDuck,
        _ if body.starts_with("Reloaded server configuration") => ServerEvent::Reloaded,
        _ if body.contains(" Accept Error(") => ServerEvent::CantAccept(short(body)),
        _ => {
            if let Some(id) = body.strip_prefix("ID:") {
                return Some(ServerEvent::Id(short(id.trim())));
            }
            if let Some(rest) = body.strip_prefix("Trapped \"") {
                return Some(ServerEvent::Trapped(short(rest.split('"').next()?)));
            }
            let listening = body.strip_prefix("Listening for client connections on ")?;
            ServerEvent::Listening(listening.rsplit_once(':')?.1.trim().parse().ok()?)
        }
    };
    Some(event)
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests;
