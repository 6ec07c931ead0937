//! What this host's kernel testifies about a close: which goodbye was really said, which was lost, who did it.
use crate::base::{Side, Span, Timestamp};
use crate::event::{
    Close, DropFact, EndedBy, Evidence, Facts, Handshake, HostEnd, HostFacts, Kind, Mark, Party,
};
use crate::kernel::{FilterQuestion, FilterRule, Verdict};
use crate::wire::Flags;

/// Octets that wait for a process and are worth telling.
const UNREAD: u32 = 16 << 10;

/// Whose a reset is that was seen in the name of one end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// The end's own TCP.
    Own,
    /// Somebody else: no TCP of its host made it.
    Foreign,
    /// The kernel can't say.
    Unknown,
}

/// Who made the reset seen in the name of `side`.
pub fn maker(facts: &Facts, side: Side, mark: Mark) -> Maker {
    let Some(host) = facts.host.as_ref().filter(|h| h.ends[side].here) else { return Maker::Unknown };
    match &host.ends[side].reset_sent {
        Some((at, _)) if (*at - mark.at).0.abs() < Span::secs(1).0 => Maker::Own,
        _ if host.probes.every_reset => Maker::Foreign,
        _ => Maker::Unknown,
    }
}

/// A filter of this host discarded the FIN of `side`.
pub fn fin_filtered(facts: &Facts, side: Side) -> bool {
    goodbye_filtered(facts, side, Flags::fin)
}

/// A filter of this host discarded the reset of `side`, or it was said to nobody: its keepalive had given up.
pub fn reset_unheard(facts: &Facts, side: Side) -> bool {
    let Some(host) = &facts.host else { return false };
    if host.ends[side.other()].reset_received.is_some() {
        return false;
    }
    let gave_up =
        host.ends[side].reset_sent.as_ref().and_then(|r| r.1.as_deref()) == Some("TCP_KEEPALIVE_TIMEOUT");
    gave_up || goodbye_filtered(facts, side, Flags::rst)
}

fn goodbye_filtered(facts: &Facts, side: Side, says: fn(Flags) -> bool) -> bool {
    facts.host.as_ref().is_some_and(|h| h.filtered().any(|d| d.from == side && says(d.flags)))
}

/// The filter's drops that the end of this connection goes back to; `since`: when what stayed unanswered was first sent.
pub fn fatal_drop(facts: &Facts, since: Option<Mark>) -> Option<&DropFact> {
    let host = facts.host.as_ref()?;
    let since = since.map_or(facts.ended - Span::secs(30), |m| m.at - Span::secs(1));
    host.filtered().filter(|d| d.last >= since).min_by_key(|d| d.first)
}

/// What this host's rule sets should be asked about a connection that ended: a reset or ICMP error that a filter here may have
/// made, a silence in which a filter here may have discarded segments.
pub fn questions(facts: &Facts) -> Vec<FilterQuestion> {
    let Some(host) = facts.host.as_ref().filter(|h| h.rules.is_empty()) else { return Vec::new() };
    let of = |from: Side, flags: Flags, inbound: bool, rejected: bool| FilterQuestion {
        src: facts.endpoint(from),
        dst: facts.endpoint(from.other()),
        flags: flags.0,
        at: facts.ended,
        inbound,
        rejected,
    };
    let syn = |from: Side| {
        let attempt = !matches!(facts.handshake, Handshake::Complete | Handshake::Midstream);
        if attempt && from == Side::Client { Flags::SYN } else { Flags::ACK }
    };
    let mut asked = Vec::new();
    for here in Side::BOTH.into_iter().filter(|&s| host.ends[s].here) {
        let there = here.other();
        let foreign = facts.tcp[here].rst.is_some_and(|r| maker(facts, here, r.mark) == Maker::Foreign);
        let icmp = facts.icmp.iter().any(|i| i.from == facts.endpoint(here).addr);
        if foreign || icmp {
            asked.push(of(there, syn(there), true, true));
        }
        // What came was captured before the filter; what was to leave and was discarded never was.
        let unheard = facts.tcp[there].unanswered.is_some_and(|u| u.repeats > 0);
        if unheard && facts.ended_by != EndedBy::Goodbye {
            asked.push(of(there, syn(there), true, false));
            asked.push(of(here, Flags::ACK, false, false));
        }
    }
    asked
}

/// A rule of this host that discards the packets of this connection, where no record shows it.
pub fn fatal_rule(facts: &Facts) -> Option<(&FilterRule, Side)> {
    let host = facts.host.as_ref()?;
    let rule = host.rules.iter().find(|r| r.verdict == Verdict::Drop)?;
    let from = if rule.src == facts.client { Side::Client } else { Side::Server };
    let filter_at = if host.ends[from.other()].here { from.other() } else { from };
    host.ends[filter_at].here.then_some((rule, filter_at))
}

/// The kernel of that end's host would have told of a packet that its filter discarded, and told of none.
pub fn no_filter_at(facts: &Facts, side: Side) -> bool {
    facts.host.as_ref().is_some_and(|h| h.ends[side].here && h.probes.drops && h.filtered().next().is_none())
}

/// On whose host the filter sits: where the packet was to leave it its sender's, else its receiver's.
pub fn filter_at(drop: &DropFact) -> Side {
    if drop.inbound { drop.from.other() } else { drop.from }
}

/// A drop in words.
pub fn drop_evidence(drop: &DropFact) -> Evidence {
    let packets = if drop.count == 1 { "a packet".to_owned() } else { format!("{} packets", drop.count) };
    let place = drop.place.as_ref().map_or(String::new(), |p| format!(" in {p}"));
    let way = match (drop.inbound, drop.count) {
        (true, _) => "that came in",
        (false, 1) => "on its way out",
        (false, _) => "on their way out",
    };
    Evidence::kernel(
        drop.first,
        format!("this host's kernel discarded {packets} of the {} {way}: {}{place}", drop.from, drop.reason),
    )
}

/// The error that an attempt's socket was told, at once and without a reset: an ICMP error ended it. No frame shows which.
pub fn told_by_icmp(facts: &Facts) -> Option<(Timestamp, i32)> {
    let end = &facts.host.as_ref()?.ends.client;
    let at_once = facts.frameless() && facts.handshake == Handshake::Unanswered && end.repeats.run == 0;
    end.error.filter(|e| at_once && matches!(e.1, 0 | 101 | 111 | 113))
}

/// Adds what the kernel knows to a close that is decided.
pub fn join(facts: &Facts, close: &mut Close) {
    let Some(host) = &facts.host else { return };
    let mut said = Vec::new();
    for rule in host.rules.iter().filter(|_| matches!(close.kind, Kind::FirewallDrop | Kind::Rst)) {
        let sure = if rule.certain { "traced" } else { "likely" };
        said.push(Evidence::host(rule.at, format!("{sure} rule: {}", rule.text)));
    }
    for side in Side::BOTH.into_iter().filter(|&s| host.ends[s].here) {
        said.extend(end_evidence(facts, host, close, side));
    }
    if !said.is_empty() && matches!(close.kind, Kind::Fin | Kind::Rst) {
        close.confidence = close.confidence.max(0.98);
    }
    let at = close.evidence.len().min(1);
    close.evidence.splice(at..at, said);
}

fn end_evidence(facts: &Facts, host: &HostFacts, close: &Close, side: Side) -> Vec<Evidence> {
    let end = &host.ends[side];
    let mut said = Vec::new();
    let decided = close.side == Party::from(side);
    if end.unread >= UNREAD {
        let text = format!("{} left {} bytes unread when the trace began", owner(end, side), end.unread);
        said.push(Evidence::host(facts.start.at, text));
    }
    if let Some(at) = end.closed.filter(|_| decided && close.kind == Kind::Fin) {
        let unsent = facts.tcp[side].unacked_bytes;
        let with = if unsent > 0 { format!(" with {unsent} bytes not acknowledged") } else { String::new() };
        said.push(Evidence::kernel(at, format!("{} closed the socket{with}", owner(end, side))));
    }
    if let Some((at, Some(reason))) = end.reset_sent.as_ref().filter(|_| decided && close.kind == Kind::Rst) {
        let why = reset_reason(reason);
        said.push(Evidence::kernel(*at, format!("{}'s TCP sent the reset: {reason}{why}", owner(end, side))));
    }
    if let Some(at) = end.reset_received.filter(|_| close.kind == Kind::Rst && !decided) {
        said.push(Evidence::kernel(at, format!("the {side}'s TCP took the reset")));
    }
    if let Some((at, errno)) = end.error.filter(|e| !decided && e.1 != 0) {
        let tried = match end.repeats.run {
            0 => String::new(),
            n => format!(" after {n} retransmissions"),
        };
        said.push(Evidence::kernel(
            at,
            format!("{}'s socket ended with {}{tried}", owner(end, side), errno_name(errno)),
        ));
    } else if end.repeats.run > 0 && matches!(close.kind, Kind::Timeout | Kind::FirewallDrop) {
        let (first, n) = (end.repeats.first, end.repeats.run);
        said.push(Evidence::kernel(
            first,
            format!("the {side}'s TCP repeated its segments {n} times until {}", end.repeats.last),
        ));
    }
    said
}

fn owner(end: &HostEnd, side: Side) -> String {
    match &end.process {
        Some(process) => format!("{} (pid {})", process.name, process.pid),
        None => format!("the {side}"),
    }
}

/// `enum sk_rst_reason` in words.
fn reset_reason(reason: &str) -> &'static str {
    match reason {
        "TCP_ABORT_ON_CLOSE" => " (closed with data unread)",
        "TCP_ABORT_ON_LINGER" => " (closed with linger 0: an abort on purpose)",
        "TCP_STATE" => " (aborted: linger 0, a disconnect, or never accepted)",
        "TCP_ABORT_ON_DATA" => " (data came after the process had closed)",
        "TCP_ABORT_ON_MEMORY" => " (out of memory for TCP)",
        "TCP_KEEPALIVE_TIMEOUT" => " (its keepalive probes stayed unanswered)",
        "TCP_DISCONNECT_WITH_DATA" => " (disconnected with data unsent)",
        "NO_SOCKET" => " (no socket there)",
        "TCP_TIMEWAIT_SOCKET" => " (the connection was over already)",
        _ => "",
    }
}

/// Linux' name of an error of a TCP socket (errno(3)).
fn errno_name(errno: i32) -> String {
    match errno {
        1 => "EPERM (not permitted: a local filter refused it)".into(),
        32 => "EPIPE (broken pipe)".into(),
        101 => "ENETUNREACH (network unreachable)".into(),
        103 => "ECONNABORTED".into(),
        104 => "ECONNRESET (reset by peer)".into(),
        110 => "ETIMEDOUT (timed out)".into(),
        111 => "ECONNREFUSED (refused)".into(),
        113 => "EHOSTUNREACH (no route to host)".into(),
        other => format!("errno {other}"),
    }
}
