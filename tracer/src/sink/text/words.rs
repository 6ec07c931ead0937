//! What the contract's words mean, said to a person.
use crate::base::{Side, Span, Timestamp};
use crate::event::{
    AtRisk, CloseReport, Facts, Handshake, Kind, Pace, Party, Protocol, Reconnect, ReconnectOutcome,
    TriedServer,
};
use ecow::EcoString;

/// `2026-11-22 12:03:14.120Z`.
pub(super) fn moment(at: Timestamp) -> String {
    let text = at.to_string().replacen('T', " ", 1);
    text.get(..23).map_or_else(|| text.clone(), |ms| format!("{ms}Z"))
}

/// Who did what, with the contract's kind in brackets.
pub(super) fn ended(report: &CloseReport) -> String {
    let close = &report.close;
    let what = match (close.kind, close.side) {
        (Kind::Fin, _) if close.detail == Some("proxy") => "a proxy closed it",
        (Kind::Rst, _) if close.detail == Some("proxy") => "a proxy reset it",
        (Kind::Fin, Party::Client) => "the client closed it",
        (Kind::Fin, Party::Server) => "the server closed it",
        (Kind::Fin, Party::Network) => "something in the network closed it",
        (Kind::Fin, Party::Unknown) => "closed, unknown by whom",
        (Kind::Rst, Party::Server) if report.facts.handshake == Handshake::Refused => "the server refused it",
        (Kind::Rst, Party::Network) if report.facts.handshake == Handshake::Refused => {
            "the network refused it"
        }
        (Kind::Rst, Party::Client) => "the client reset it",
        (Kind::Rst, Party::Server) => "the server reset it",
        (Kind::Rst, Party::Network) => "something in the network reset it",
        (Kind::Rst, Party::Unknown) => "reset, unknown by whom",
        (Kind::Timeout, _) if report.facts.handshake == Handshake::Unanswered => match close.side {
            Party::Client => "the client never finished connecting",
            Party::Server => "the server never answered",
            Party::Network => "the network never let an answer through",
            Party::Unknown => "nobody ever answered",
        },
        (Kind::Timeout, Party::Client) => "the client fell silent",
        (Kind::Timeout, Party::Server) => "the server fell silent",
        (Kind::Timeout, Party::Network) => "the network between them fell silent",
        (Kind::Timeout, Party::Unknown) => "fell silent, unknown where",
        (Kind::FirewallDrop, Party::Client) => "a filter on the client's host drops packets",
        (Kind::FirewallDrop, Party::Server) => "a filter on the server's host drops packets",
        (Kind::FirewallDrop, Party::Network) => "a filter in the network drops packets",
        (Kind::FirewallDrop, Party::Unknown) => "a filter drops packets, unknown where",
    };
    format!("{what} ({})", close.kind)
}

/// ` after 1 h 3 min`, with what limits that.
pub(super) fn lasted(report: &CloseReport) -> String {
    let facts = &report.facts;
    let span = report.close.at - facts.start.at;
    let syns = facts.tcp.client.syns;
    match facts.handshake {
        Handshake::Unanswered if syns > 1 => format!("after {span} and {syns} attempts"),
        Handshake::Midstream => format!("after at least {span} (it began before the capture)"),
        _ => format!("after {span}"),
    }
}

/// Names, libraries, versions, users: what the two said of themselves; processes of this host, as its kernel says.
pub(super) fn who(facts: &Facts) -> Option<String> {
    let nats = &facts.nats;
    let process = |side: Side| {
        let process = facts.host.as_ref().and_then(|h| h.ends[side].process.as_ref());
        process.map(|p| format!("{} pid {}", p.name, p.pid)).unwrap_or_default()
    };
    let connect = nats.connect.as_ref().map(|(_, connect)| &**connect);
    let dialling = nats.client_info.as_ref().map(|(_, info)| &**info);
    let client = {
        let name = connect
            .map(|c| &c.name)
            .into_iter()
            .chain(dialling.map(|i| &i.server_name))
            .find(|n| !n.is_empty());
        let library =
            connect.map(|c| format!("{} {}", c.lang, c.version).trim().to_owned()).unwrap_or_default();
        let user = connect
            .map(|c| if c.user.is_empty() { &c.nkey } else { &c.user })
            .filter(|user| !user.is_empty());
        let user = user.map(|user| format!("user {user}")).unwrap_or_default();
        described("client", name, [library, user, process(Side::Client)])
    };
    let server = {
        let info = nats.info.as_ref().map(|(_, info)| &**info);
        let name = info.map(|i| &i.server_name);
        let name = name.filter(|n| !n.is_empty() && info.is_none_or(|i| **n != i.server_id));
        let version = info.map(|i| i.version.as_str()).filter(|v| !v.is_empty());
        let version = version.map(|v| format!("nats-server {v}")).unwrap_or_default();
        described("server", name, [version, String::new(), process(Side::Server)])
    };
    let link = match (nats.protocol, nats.tls.is_some()) {
        (Protocol::Client | Protocol::Unknown, false) => None,
        (Protocol::Client | Protocol::Unknown | Protocol::Tls, true) | (Protocol::Tls, false) => {
            Some("TLS".to_owned())
        }
        (other, tls) => Some(format!("a {} connection{}", other.name(), if tls { " with TLS" } else { "" })),
    };
    let parts: Vec<String> = [client, server, link].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn described(role: &str, name: Option<&EcoString>, details: [String; 3]) -> Option<String> {
    let details: Vec<String> = details.into_iter().filter(|text| !text.is_empty()).collect();
    match (name, details.is_empty()) {
        (None, true) => None,
        (Some(name), true) => Some(format!("{role} {name}")),
        (Some(name), false) => Some(format!("{role} {name} ({})", details.join(", "))),
        (None, false) => Some(format!("{role} without a name ({})", details.join(", "))),
    }
}

/// What may be lost, or nothing.
pub(super) fn at_risk(risk: &AtRisk) -> Option<String> {
    let mut parts = Vec::new();
    let mut add = |n: u64, one: &str, many: &str| {
        if n > 0 {
            parts.push(format!("{} {}", grouped(n), if n == 1 { one } else { many }));
        }
    };
    add(risk.publishes, "publish that never arrived", "publishes that never arrived");
    add(
        risk.publishes_unconfirmed,
        "publish that arrived but may not be processed",
        "publishes that arrived but may not be processed",
    );
    add(risk.deliveries, "delivery", "deliveries");
    add(risk.requests, "request without a reply", "requests without a reply");
    if risk.jetstream_publishes > 0
        && let Some(last) = parts.last_mut()
    {
        last.push_str(&format!(" ({} of them to JetStream)", grouped(risk.jetstream_publishes)));
    }
    if risk.bytes > 0 {
        parts.push(size(risk.bytes));
    }
    if parts.is_empty() {
        return None;
    }
    let mut text = parts.join(", ");
    if !risk.subjects.is_empty() {
        let more = risk.subjects.len().saturating_sub(3);
        text.push_str(&format!("; on {}", risk.subjects[..risk.subjects.len() - more].join(", ")));
        if more > 0 {
            text.push_str(&format!(" and {more} more subjects"));
        }
    }
    Some(text)
}

/// What became of the client.
pub(super) fn became(reconnect: &Reconnect) -> String {
    let tries = if reconnect.attempts == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{} attempts", reconnect.attempts)
    };
    let mut every = reconnect.interval.map(|gap| format!(", one every {gap}")).unwrap_or_default();
    if let Some(pace) = reconnect.pace.filter(|p| *p != Pace::Irregular) {
        every.push_str(&format!(", {pace}"));
    }
    let mut text = match reconnect.outcome {
        ReconnectOutcome::Reconnected => {
            let flow = reconnect.flow.map(|flow| format!(" as flow {flow}")).unwrap_or_default();
            let down = reconnect.downtime.map(|down| format!(" after {down}")).unwrap_or_default();
            format!("reconnected{flow}{down} ({tries}{every})")
        }
        ReconnectOutcome::GaveUp => format!("the client gave up ({tries}{every})"),
        ReconnectOutcome::Trying => format!("the client is still trying ({tries} so far{every})"),
        ReconnectOutcome::Unknown => {
            format!("the client tried again, how it ended is not known ({tries}{every})")
        }
    };
    match reconnect.server_changed {
        Some(true) => text.push_str("; another server answered, or the same one restarted"),
        Some(false) => text.push_str("; the same server answered"),
        None => {}
    }
    if let Some(detect) = reconnect.detect.filter(|d| *d >= Span::secs(1)) {
        text.push_str(&format!("; it noticed the loss after {detect}"));
    }
    if let Some((before, restored)) = reconnect.subscriptions.filter(|(before, _)| *before > 0) {
        text.push_str(&format!("; {restored} subscriptions there, {before} before"));
    }
    if reconnect.servers.len() > 1 {
        let of = |t: &TriedServer| {
            let told = if t.announced { ", told by INFO" } else { "" };
            format!("{} ({} {}{told})", t.server, t.attempts, t.outcome.name().replace('_', " "))
        };
        let servers: Vec<String> = reconnect.servers.iter().map(of).collect();
        text.push_str(&format!("; tried {}", servers.join(", ")));
    }
    text
}

/// `70.1 kB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `12,034`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `3 closes`, `1 close`.
pub(super) fn count(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `(93 % sure)`.
pub(super) fn sure(confidence: f64) -> String {
    match confidence.clamp(0.0, 1.0) * 100.0 {
        99.5.. => "(certain)".to_owned(),
        percent => format!("({percent:.0} % sure)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [size(999), size(70_112), size(999_999), size(2_600_000)],
            ["999 B", "70.1 kB", "1.0 MB", "2.6 MB"]
        );
        assert_eq!([count(1, "close"), count(2, "close")], ["1 close", "2 closes"]);
    }

    #[test]
    fn nothing_at_risk_says_nothing() {
        assert_eq!(at_risk(&AtRisk::default()), None);
        let risk = AtRisk {
            publishes: 1,
            subjects: ["a", "b", "c", "d"].map(String::from).to_vec(),
            ..AtRisk::default()
        };
        assert_eq!(
            at_risk(&risk).as_deref(),
            Some("1 publish that never arrived; on a, b, c and 1 more subjects")
        );
    }
}
