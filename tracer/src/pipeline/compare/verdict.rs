//! The verdict on a connection between two points: one word, one sentence with frame numbers, whom to ask.
use super::direction::Judged;
use super::pairing::proxied;
use super::recording::Connection;
use super::report::{Born, Died, Direction, IcmpSeen, Loss, Verdict};
use crate::base::{PerSide, Side};
use std::fmt::Write as _;

/// What is known of a connection.
pub(super) struct Case<'a> {
    pub a: Option<&'a Connection>,
    pub b: Option<&'a Connection>,
    pub judged: &'a PerSide<Judged>,
    pub icmp: &'a [IcmpSeen],
}

/// The verdict in words.
pub(super) struct Words {
    pub verdict: Verdict,
    pub summary: String,
    pub advice: String,
    /// 0 to 1, before what weakens every verdict alike.
    pub confidence: f64,
}

/// A segment whose TTL differs more from the others' went another way.
const STRANGE_TTL: u8 = 1;

const BETWEEN: &str = "a switch, router, firewall, balancer or tunnel between the two capture points";

/// Judges; the strongest finding names the connection.
pub(super) fn judge(case: &Case<'_>) -> Words {
    let mut words = match (case.a, case.b) {
        (Some(a), None) => only_client_side(case, a),
        (None, Some(b)) => only_server_side(b),
        (Some(a), Some(b)) if proxied(a, b) => through_proxy(a, b),
        _ => born(case)
            .or_else(|| changed(case))
            .or_else(|| large(case))
            .or_else(|| died(case))
            .or_else(|| beyond(case))
            .or_else(|| loss(case))
            .unwrap_or_else(|| clean(case)),
    };
    if let Some(icmp) = case.icmp.first() {
        let (point, number) = match (icmp.client_side, icmp.server_side) {
            (Some(n), _) => ("client", n),
            (None, n) => ("server", n.unwrap_or_default()),
        };
        let _ =
            write!(words.summary, "; {} says {} (no. {number} at the {point} side)", icmp.from, icmp.says);
    }
    words
}

fn directions<'a>(case: &Case<'a>) -> [(Side, &'a Direction); 2] {
    Side::BOTH.map(|side| (side, &case.judged[side].direction))
}

/// What is near the sender is on the sender's side.
const fn toward(side: Side) -> (&'static str, &'static str) {
    (side.name(), side.other().name())
}

fn times(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn born(case: &Case<'_>) -> Option<Words> {
    let found = |reset: bool| {
        directions(case).into_iter().find_map(|(side, d)| {
            d.births.iter().find(|b| b.flags.rst() == reset).map(|born| (side, d, *born))
        })
    };
    let (side, d, first) = found(true).or_else(|| found(false))?;
    let reset = first.flags.rst();
    let (near, far) = toward(side);
    let what = if reset { "reset" } else { "segment" };
    let summary = format!(
        "a {what} in the {near}'s name reached the {far} side (no. {}) and never left the {near} side{}{}",
        first.number,
        first.after.map(|n| format!(", where no. {n} came before it")).unwrap_or_default(),
        ttl(&first),
    );
    let more = if d.born > 1 { format!(" ({} in all)", d.born) } else { String::new() };
    let made = if reset { "made the reset" } else { "put octets into the stream" };
    Some(Words {
        verdict: if reset { Verdict::ResetInjected } else { Verdict::DataInjected },
        confidence: made_between(case, side, &first),
        summary: summary + &more,
        advice: format!(
            "Neither the {near} nor its host did this: {BETWEEN} {made}. Ask who runs it for its log of that moment \
             (firewall, intrusion prevention, idle timeout, a failover that forgot the connection)."
        ),
    })
}

/// How sure it is that a segment was made on the way, and not missed by the capture near the sender.
fn made_between(case: &Case<'_>, side: Side, born: &Born) -> f64 {
    let near = if side == Side::Client { case.a } else { case.b };
    let goes_on = near.is_some_and(|c| {
        let after = born.after.unwrap_or_default();
        c.streams[side].segs.iter().any(|s| s.number > after && !s.flags.rst())
    });
    match born.ttl {
        (here, Some(usual)) if here.abs_diff(usual) > STRANGE_TTL => 0.97,
        // Its sender acts as if it had not sent it; nobody sends after a reset of its own.
        _ if goes_on => 0.93,
        _ => 0.7,
    }
}

fn ttl(born: &Born) -> String {
    match born.ttl {
        (here, Some(usual)) if here != usual => format!("; its TTL is {here}, that of the others {usual}"),
        _ => String::new(),
    }
}

fn changed(case: &Case<'_>) -> Option<Words> {
    let (side, d) = directions(case).into_iter().find(|(_, d)| d.changed > 0)?;
    let (near, far) = toward(side);
    let (here, there) = d.first_changed?;
    Some(Words {
        verdict: Verdict::PayloadChanged,
        confidence: 0.95,
        summary: format!(
            "{} from the {near} arrived with other octets: the first is no. {here} at the {near} side, no. {there} at the \
             {far} side",
            times(d.changed, "segment")
        ),
        advice: format!(
            "{BETWEEN} rewrites payload; if none is meant to, it corrupts it: ask who runs the path."
        ),
    })
}

fn large(case: &Case<'_>) -> Option<Words> {
    let (side, d) = directions(case).into_iter().find(|(_, d)| d.size_limit.is_some())?;
    let (near, far) = toward(side);
    let (most, least) = d.size_limit?;
    Some(Words {
        verdict: Verdict::LargeSegmentsLost,
        confidence: 0.93,
        summary: format!(
            "from {near} to {far} no segment of {least} bytes of data or more arrived ({} lost, {}), while those of up to \
             {most} bytes did",
            d.lost,
            first(d.losses.first()?, near, far)
        ),
        advice: "A link between the two points takes smaller packets only, and its 'fragmentation needed' doesn't get \
                 back. Ask who runs the path to let ICMP type 3 code 4 (IPv6: type 2) through, or lower the MTU of the \
                 hosts, or clamp the MSS on the router (nft: tcp option maxseg size set rt mtu)."
            .to_owned(),
    })
}

fn died(case: &Case<'_>) -> Option<Words> {
    let all = directions(case);
    let sure = |side: Side, died: &Died| for_good(&case.judged[side].direction, died);
    let dead = || all.iter().filter_map(|(side, d)| d.died.map(|died| (*side, died)));
    // Where the other capture may have ended, only the direction whose end shows within it is called dead.
    let (side, died) = dead().find(|(_, died)| died.is_seen()).or_else(|| dead().next())?;
    let (near, far) = toward(side);
    let other =
        dead().find(|(s, other)| *s != side && other.is_seen() == died.is_seen()).map(|(_, other)| other);
    let mut summary = told(&died, near, far);
    let (verdict, confidence, advice) = match other {
        Some(other) => {
            let _ = write!(summary, "; {}", told(&other, far, near));
            (
                Verdict::PathDied,
                sure(side, &died).min(sure(side.other(), &other)),
                format!("The path between the two points is gone both ways: ask who runs it ({BETWEEN})."),
            )
        }
        None => {
            let went_on = match died.other_went_on {
                0 => format!("; nothing from the {far} was lost"),
                n => format!("; {} from the {far} arrived after that", times(n, "segment")),
            };
            summary += &went_on;
            // Nobody spoke the other way: it may be dead, too.
            let alone = if died.other_went_on > 0 { 1.0 } else { 0.85 };
            (
                Verdict::DirectionDied,
                sure(side, &died) * alone,
                format!(
                    "The path from {near} to {far} is broken between the two points, the way back is not: a route or \
                     filter that holds for one direction, on {BETWEEN}."
                ),
            )
        }
    };
    Some(Words { verdict, summary, advice, confidence })
}

/// How sure it is that a direction died, by the segments lost since: a path that lost many before loses some in a row by chance.
fn for_good(d: &Direction, died: &Died) -> f64 {
    let before = (d.lost + d.lost_acks).saturating_sub(died.sent_after);
    let rate = before as f64 / d.sent.saturating_sub(died.sent_after).max(1) as f64;
    let chance = rate.powf(died.sent_after as f64);
    match died.sent_after {
        _ if chance > 0.001 => 0.75,
        4.. => 0.95,
        _ => 0.85,
    }
}

fn told(died: &Died, near: &str, far: &str) -> String {
    let since = times(died.sent_after, "segment");
    match died.last {
        Some((here, there)) => format!(
            "after {} nothing from the {near} reached the {far} side: {since} left the {near} side, from no. {}; the last \
             that arrived was no. {here} there, no. {there} at the {far} side",
            died.at, died.number
        ),
        None => format!(
            "nothing from the {near} ever reached the {far} side: {since} left the {near} side, from no. {} at {}",
            died.number, died.at
        ),
    }
}

fn beyond(case: &Case<'_>) -> Option<Words> {
    let (side, (number, copies)) =
        Side::BOTH.into_iter().find_map(|side| case.judged[side].unanswered.map(|found| (side, found)))?;
    let (near, far) = toward(side);
    Some(Words {
        verdict: if far == "server" { Verdict::DiedBeyondServerSide } else { Verdict::DiedBeyondClientSide },
        confidence: if copies > 2 { 0.92 } else { 0.85 },
        summary: format!(
            "all that the {near} sent reached the {far} side, also no. {number}, which was sent {copies} times; nothing \
             there ever acknowledged it"
        ),
        advice: format!(
            "Not the path between the two points: look behind the {far} side's, first at the {far}'s own host (its \
             firewall: nft list ruleset; whether it runs at all), then at what lies between it and that point."
        ),
    })
}

fn loss(case: &Case<'_>) -> Option<Words> {
    let all = directions(case);
    let mut parts = Vec::new();
    for (side, d) in all {
        let (near, far) = toward(side);
        if let Some(loss) = d.losses.first() {
            parts.push(format!(
                "{} of {} from {near} to {far} left the {near} side and never reached the {far} side ({})",
                d.lost,
                times(d.sent, "segment"),
                first(loss, near, far)
            ));
        } else if d.lost_acks > 0 {
            parts.push(format!(
                "{} from {near} to {far} got lost",
                times(d.lost_acks, "bare acknowledgement")
            ));
        }
    }
    if parts.is_empty() {
        return None;
    }
    Some(Words {
        verdict: Verdict::Loss,
        confidence: all.iter().map(|(_, d)| gone(d)).fold(0.0, f64::max),
        summary: parts.join("; "),
        advice: format!(
            "The connection survived it. What is lost is lost between the two points: ask who runs that path for drops and \
             errors on its links ({BETWEEN})."
        ),
    })
}

/// How sure it is that segments were lost, and not missed by the capture near the receiver: a few that nothing but their
/// absence tells of may be either.
const fn gone(d: &Direction) -> f64 {
    match d.lost {
        _ if d.proven => 0.95,
        3.. => 0.85,
        _ => 0.7,
    }
}

fn first(loss: &Loss, near: &str, far: &str) -> String {
    let due = loss.after.map(|n| format!(", due after no. {n} at the {far} side")).unwrap_or_default();
    format!("first no. {} at the {near} side{due}", loss.number)
}

fn clean(case: &Case<'_>) -> Words {
    let arrived: u64 = directions(case).iter().map(|(_, d)| d.arrived).sum();
    let missed: u64 = directions(case).iter().map(|(_, d)| d.not_captured + d.not_captured_near).sum();
    let undecided: u64 = directions(case).iter().map(|(_, d)| d.undecided).sum();
    let mut summary =
        format!("{} compared, none was lost or made between the two points", times(arrived, "segment"));
    if missed > 0 {
        let _ = write!(summary, "; {} missed by one of the captures", times(missed, "segment"));
    }
    if undecided > 0 {
        let _ = write!(summary, "; {} outside what both captures hold", times(undecided, "segment"));
    }
    let compared = arrived as f64 / (arrived + undecided).max(1) as f64;
    Words {
        verdict: Verdict::Clean,
        confidence: (0.95 * compared).max(0.5),
        summary,
        advice: "Not the path between the two points: why it ended is on the hosts; natstrace --read each capture."
            .to_owned(),
    }
}

/// Nothing can be said of segments: each side has its own. Who ended each side can.
fn through_proxy(a: &Connection, b: &Connection) -> Words {
    let ended = |c: &Connection, point: &str| {
        let goodbye = Side::BOTH.into_iter().filter_map(|side| {
            let segs = &c.streams[side].segs;
            segs.iter().find(|s| s.flags.fin() || s.flags.rst()).map(|s| (s.number, side))
        });
        let first = goodbye.min_by_key(|g| g.0);
        let who = |side: Side| match (side, point) {
            (Side::Client, "client") => "the client",
            (Side::Server, "server") => "the server",
            _ => "the proxy",
        };
        match first {
            Some((number, side)) => {
                format!("at the {point} side {} closed first (no. {number})", who(side))
            }
            None => format!("at the {point} side nobody closed"),
        }
    };
    Words {
        verdict: Verdict::Proxied,
        confidence: 0.9,
        summary: format!(
            "a proxy between the two points: {} dials {}, and {} dials {} for it; {}, {}",
            a.ends.client,
            a.ends.server,
            b.ends.client,
            b.ends.server,
            ended(a, "client"),
            ended(b, "server")
        ),
        advice: "Each side has its own segments: nothing is lost or made between them but by the proxy. Where it closed both \
                 sides first, look in its log and at its timeouts; natstrace --read both captures together tells which hop made \
                 the close."
            .to_owned(),
    }
}

fn only_client_side(case: &Case<'_>, a: &Connection) -> Words {
    let syns = a.streams.client.segs.iter().filter(|s| s.flags.syn()).count() as u64;
    let number = a.streams.client.syn.map_or(a.first.1, |syn| syn.number);
    let lost = case.judged.client.direction.lost;
    let answers = &a.streams.server.segs;
    if let Some(reset) = answers.iter().find(|s| s.flags.rst())
        && answers.iter().all(|s| s.flags.rst())
    {
        return Words {
            verdict: Verdict::ResetInjected,
            confidence: if lost == 0 { 0.6 } else { 0.9 },
            summary: format!(
                "the client's SYN (no. {number} at the client side) never reached the server side, yet a reset in the \
                 server's name answered it (no. {} at the client side)",
                reset.number
            ),
            advice: format!(
                "The server never saw it: {BETWEEN} refuses the connection. Ask who runs it for the rule."
            ),
        };
    }
    if answers.is_empty() && syns > 0 {
        return Words {
            verdict: Verdict::NeverArrived,
            confidence: match (lost, syns) {
                (0, _) => 0.6,
                (_, 1) => 0.7,
                // A few may have come another way, or been missed one after the other.
                (_, ..=3) => 0.75,
                _ => 0.85,
            },
            summary: format!(
                "{} left the client side (first no. {number}) and none reached the server side{}",
                times(syns, "SYN"),
                if lost == 0 { ", as far as its capture ran" } else { "" }
            ),
            advice: format!(
                "{BETWEEN} drops the client's SYNs: a filter rule, a security group, a missing route. Ask who runs it to \
                 let {} reach {}.",
                a.ends.client.addr, a.ends.server
            ),
        };
    }
    Words {
        verdict: Verdict::OnlyClientSide,
        confidence: 0.5,
        summary: format!("seen at the client side only (from no. {})", a.first.1),
        advice: "It took another way, ended at a proxy between the two points, or the other capture did not run, or not \
                 on that interface and port."
            .to_owned(),
    }
}

fn only_server_side(b: &Connection) -> Words {
    Words {
        verdict: Verdict::OnlyServerSide,
        confidence: 0.5,
        summary: format!("seen at the server side only (from no. {})", b.first.1),
        advice: "It came from elsewhere, or from a proxy between the two points, or the client side's capture did not run, \
                 or not on that interface and port."
            .to_owned(),
    }
}
