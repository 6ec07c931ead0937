//! `slow_consumer`: write deadline or max_pending.
use super::Settings;
use super::prelude::*;
use crate::event::Mark;


/// The rule.
pub static RULE: Rule = Rule {
    code: "slow_consumer",
    family: Family::SlowConsumer,
    title: "write deadline or max_pending",
    explain: EXPLAIN,
    needs: &[Symptom::Told, Symptom::ServerLeft, Symptom::FellSilent, Symptom::WindowShut],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the client did not read fast enough. The server's socket stayed full for write_deadline
(default 10s), or more than max_pending (default 64MB) was queued for it, and the server closed the
connection.

On the wire:
- the client's receive window falls to 0 and stays there; the server sends window probes
- no -ERR: the server can't send one through a full socket
- nothing marks the moment of the close: the FIN waits behind megabytes of queued data and comes
  seconds or minutes later, in the last data segment, or never
- a window closed for longer than write_deadline means that the server has already dropped the
  client; a FIN behind a window that was closed for less means max_pending, or a lower deadline
- which subjects weigh most, how big the messages are, how fast they came and how fast the client
  took them: in the evidence

What else it could be:
- stale_client: the client's process hangs; then its PONGs are missing too
- path_blackhole: segments are not acknowledged; with a slow consumer the client's kernel
  acknowledges all it has room for
- a publisher that meets the server's closed window is stalled on purpose (slow consumers
  elsewhere), not dropped

Fix:
1. let the client read faster: no slow work where messages arrive, hand them to workers; several
   connections or a queue group
2. subscribe to less: narrower subjects; JetStream pull consumers fetch only what the client can
   take
3. give it more room, of the limit that it was (see the evidence): `max_pending: 128MB` or
   `write_deadline: \"20s\"` in nats-server.conf
4. servers up to 2.10.25 apply write_deadline to the whole backlog: upgrade

Check next: the server's log: `Slow Consumer Detected: WriteDeadline of 10s exceeded with N chunks
of M total bytes.`
";

fn judge(case: &Case<'_>) -> Judgement {
    let (client, server) = (case.client(), case.server());
    let (held, sent) = (&case.facts.tcp.client.zero_window, &case.facts.tcp.server);
    let deadline = case.settings.write_deadline;
    let told = server_error::told(case, "slow_consumer");
    if told.is_none() && (case.is_told() || case.attempt_failed()) {
        return No;
    }
    let mut confidence = told.as_ref().map_or_else(|| weight(case), |t| t.confidence);
    if case.is_server_link() && told.is_none() {
        // A partial write does not close links between servers.
        confidence *= 0.75;
    }
    if confidence < 0.1 {
        return No;
    }
    let mut finding = Finding::new(
        confidence,
        if held.longest > Span::ZERO {
            say!(case, "{client} read too slowly: its receive window was closed for {}, and {server} dropped it", held.longest)
        } else {
            say!(case, "{client} read too slowly, and {server} dropped it with data still queued")
        },
    );
    let limit = limit(case, told.as_ref().map_or("", |t| &t.text));
    finding = finding.because(told.map(|t| t.evidence));
    if held.longest > Span::ZERO {
        let told = if case.settings.told { "" } else { " by default" };
        let text = say!(case, "client's receive window was 0 for {} (write_deadline is {deadline}{told})", held.longest);
        let from = held.longest_from.or(held.since);
        finding = finding.because([from.map_or_else(|| Evidence::packets(text.clone()), |m| Evidence::packet(m, text.clone()))]);
    }
    let big = big_messages(case);
    finding = finding
        .because(load(case))
        .because(rates(case))
        .because(limit.map(|l| Evidence::packets(l.says(case))))
        .fix(remedy::read_faster(case.lang()));
    if let Some(fin) = sent.fin.filter(|_| sent.fin_behind_data) {
        finding = finding.because([Evidence::packet(fin, "the server's FIN came behind queued data: it had closed earlier")]);
    }
    if sent.max_in_flight > 0 {
        let text = say!(case, "up to {} bytes to the client were waiting, {} never acknowledged", sent.max_in_flight, sent.unacked_bytes);
        finding = finding.because([Evidence::packets(text)]);
    }
    if let Some(size) = big {
        finding = finding.fix(say!(
            case,
            "its messages are big ({size} bytes at most): send less at once, in parts or through a JetStream object store, so that one does \
             not hold up all others"
        ));
    }
    finding = finding
        .fix(say!(case, "look at the load of {} at that time: CPU, swapping, garbage collection, a blocked handler", case.facts.client.addr))
        .fix("subscribe to less, share the load in a queue group, or use a JetStream pull consumer that fetches what it can take")
        .fix(match limit {
            Some(Limit::MaxPending) => {
                "give more room in nats-server.conf: `max_pending: 128MB` (default 64MB), then reload; a longer `write_deadline` does not \
                 help here"
            }
            Some(Limit::WriteDeadline) => {
                "give more time in nats-server.conf: `write_deadline: \"20s\"` (default 10s), then reload; a larger `max_pending` alone does \
                 not help here"
            }
            Some(Limit::Sooner) | None => {
                "give more room in nats-server.conf: `max_pending: 128MB` (default 64MB), `write_deadline: \"20s\"` (default 10s), then reload"
            }
        });
    finding.why_not.extend(network(case));
    Yes(finding.why_not("no -ERR is normal here: the server sends none through a full socket"))
}

/// Which of the server's two limits it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Limit {
    /// Told by the server.
    MaxPending,
    /// Told by the server, or the window was closed for so long.
    WriteDeadline,
    /// The window was closed for less than write_deadline: the other limit, or a lower one than assumed.
    Sooner,
}

/// By the server's own words, else by how long it waited.
fn limit(case: &Case<'_>, told: &str) -> Option<Limit> {
    let told = told.to_ascii_lowercase();
    let held = case.facts.tcp.client.zero_window.longest;
    let deadline = case.settings.write_deadline;
    if told.contains("pending") {
        return Some(Limit::MaxPending);
    }
    if told.contains("deadline") || held >= Span(deadline.0 / 10 * 9) {
        return Some(Limit::WriteDeadline);
    }
    // What the server had in its own memory never shows, only that it did not wait.
    let sooner = case.ended_by(Side::Server) && case.facts.tcp.server.fin_behind_data && held > Span::ZERO;
    (sooner && told.is_empty()).then_some(Limit::Sooner)
}

impl Limit {
    fn says(self, case: &Case<'_>) -> String {
        let deadline = case.settings.write_deadline;
        let pending = case.settings.max_pending_words();
        let told = if case.settings.told { "" } else { " by default" };
        match self {
            Self::MaxPending => say!(case, "the limit was max_pending ({pending}{told}): so much waited for it in the server's memory"),
            Self::WriteDeadline => {
                say!(case, "the limit was write_deadline ({deadline}{told}): the server's socket took nothing for so long")
            }
            Self::Sooner => say!(
                case,
                "the server did not wait for write_deadline ({deadline}{told}): more than max_pending ({pending}{told}) waited in its \
                 memory, or write_deadline is set lower"
            ),
        }
    }
}

/// The largest delivery, where a few of its size fill a socket.
fn big_messages(case: &Case<'_>) -> Option<u64> {
    Some(case.facts.nats.largest_msg).filter(|&size| size >= 256 << 10)
}

/// What the server had for it: how much, how fast, how big, on what.
fn load(case: &Case<'_>) -> Option<Evidence> {
    let (nats, sent) = (&case.facts.nats, &case.facts.tcp.server);
    let held = &case.facts.tcp.client.zero_window;
    let first = sent.first?;
    let last = held.longest_from.or(sent.last_data).filter(|m| m.at > first.at).or(sent.last_data)?;
    let span = (last.at - first.at).as_secs();
    if nats.msgs == 0 || span <= 0.0 || !case.speaks {
        return None;
    }
    let mut text = format!(
        "it got {} messages, {} bytes on the wire, in {} up to then: {:.0} messages and {:.0} kB a second; the largest of {} bytes, {} \
         on average",
        nats.msgs,
        sent.bytes,
        last.at - first.at,
        nats.msgs as f64 / span,
        sent.bytes as f64 / span / 1000.0,
        nats.largest_msg,
        sent.bytes / nats.msgs
    );
    let heavy: Vec<String> = nats.heaviest.iter().take(3).map(|(subject, bytes)| share(subject, *bytes, sent.bytes)).collect();
    if heavy.is_empty() {
        if !nats.at_risk.subjects.is_empty() {
            text.push_str(&format!("; under way at the end: {}", nats.at_risk.subjects.join(", ")));
        }
    } else {
        text.push_str(&format!("; most on {}", heavy.join(", ")));
    }
    Some(Evidence::packets(text))
}

/// How fast it came while the client kept up, and how fast the client took it from then on.
fn rates(case: &Case<'_>) -> Option<Evidence> {
    let (held, sent) = (&case.facts.tcp.client.zero_window, &case.facts.tcp.server);
    let closings = held.closings.filter(|_| case.speaks)?;
    let kept_up = closings.first.at - sent.first?.at;
    let behind = closings.last - closings.first.at;
    if kept_up < Span::millis(100) {
        return None;
    }
    let rate = |octets: u64, span: Span| format!("{:.0} kB a second", octets as f64 / span.as_secs() / 1000.0);
    let taken = if behind >= Span::secs(1) {
        format!("it took {}", rate(closings.until.saturating_sub(closings.before), behind))
    } else if until_the_end(case) || held.since.is_some() {
        "it took nothing more".to_owned()
    } else {
        return None;
    };
    let text = format!(
        "{} came to it until its window closed for the first time, {kept_up} after the beginning; from then on {taken}",
        rate(closings.before, kept_up)
    );
    Some(Evidence::packets(text))
}

/// `orders (92 %)`: by samples, so whole percents and never more than all.
fn share(subject: &str, bytes: u64, of: u64) -> String {
    format!("{subject} ({} %)", (bytes.saturating_mul(100) / of.max(1)).min(100))
}

/// Whether the network has a part in it.
fn network(case: &Case<'_>) -> Option<Text> {
    let sent = &case.facts.tcp.server;
    let rtt = case.facts.rtt?;
    let (median, most) = (rtt.median_us as f64 / 1e3, rtt.max_us as f64 / 1e3);
    // One repeat in fifty slows a stream down noticeably.
    if u64::from(sent.retransmits) * 50 > sent.packets.max(50) {
        return Some(say!(
            case,
            "not the client alone: {} of {} segments to it were repeated, round trip {median:.1} ms (up to {most:.1} ms): the network \
             slowed it down too",
            sent.retransmits, sent.packets
        ).into());
    }
    Some(say!(
        case,
        "not the network: the client's kernel went on acknowledging, round trip {median:.1} ms, {} of {} segments repeated",
        sent.retransmits, sent.packets
    ).into())
}

/// How sure by the packets alone.
fn weight(case: &Case<'_>) -> f64 {
    let (held, sent) = (&case.facts.tcp.client.zero_window, &case.facts.tcp.server);
    let long = held_long(case);
    let behind = sent.fin_behind_data;
    let owes_reading = sent.unanswered.is_some_and(|u| u.owed == Owed::Window);
    let server = case.ended_by(Side::Server);
    let weight = match case.close.kind {
        Kind::Fin | Kind::Rst if server => match (long, behind) {
            (true, true) => 0.96,
            (true, false) => 0.87,
            (false, true) if held.total > Span::ZERO || sent.max_in_flight > 512 << 10 => 0.78,
            (false, true) if gave_up_amid(case) => 0.72,
            (false, true) if case.facts.nats.msgs > 0 => 0.3,
            _ if held.since.is_some() => 0.62,
            // A small max_pending, known to be set, is soon full; the window opens as the server gives up the rest.
            _ if small_pending(case) && held.longest > Span::millis(500) && until_the_end(case) => 0.72,
            _ if held.longest > Span::secs(1) => 0.4,
            _ => 0.0,
        },
        Kind::Timeout if owes_reading || (long && case.close.side == Party::Client) => if long { 0.92 } else { 0.75 },
        // The server's socket may be long gone: the client only learns it now.
        Kind::Fin | Kind::Rst if long && (case.ended_by(Side::Client) || case.close.side == Party::Unknown) => 0.85,
        Kind::Timeout if long => 0.6,
        _ => 0.0,
    };
    // A server that was stopped while the client did not read closed sooner than it would have given the client up.
    let stopped = if server && stopped_meanwhile(case) { if long { 0.6 } else { 0.3 } } else { 1.0 };
    f64::min(weight, stopped)
}

/// The client's window was closed for as long as the server waits, or nearly.
pub fn held_long(case: &Case<'_>) -> bool {
    case.facts.tcp.client.zero_window.longest >= Span(case.settings.write_deadline.0 / 10 * 9)
}

/// The server gave this client alone up in the middle of a message, with more than one segment waiting to be acknowledged: it reads,
/// but the path to it takes less than the server has.
fn gave_up_amid(case: &Case<'_>) -> bool {
    let (around, server) = (case.around, &case.facts.tcp.server);
    let lives = around.server_serves_others > 0 || around.server_id_changed == Some(false);
    let waiting = server.max_in_flight > 3 * u64::from(server.mss.unwrap_or(1460));
    lives && waiting && around.server_closed_others == 0 && !case.shows_hop() && case.facts.nats.cut_mid_message.server
}

/// The server had stopped before its FIN came through: new connections were refused right before, or another server takes them as
/// soon after it as none can start.
pub fn stopped_meanwhile(case: &Case<'_>) -> bool {
    let (around, end) = (case.around, case.ended_at());
    let at_once = |mark: Mark| mark.at - end < Span::millis(100);
    around.refused.is_some_and(|refused| refused.at <= end)
        || around.server_id_changed == Some(true) && around.accepted.is_some_and(at_once)
}

/// The server is known to hold less than the default for a client.
fn small_pending(case: &Case<'_>) -> bool {
    case.settings.told && case.settings.max_pending < Settings::default().max_pending
}

/// The window's longest closure reached to the end, or nearly.
fn until_the_end(case: &Case<'_>) -> bool {
    let held = &case.facts.tcp.client.zero_window;
    held.longest_from.is_some_and(|from| case.ended_at() - (from.at + held.longest) < Span::secs(1))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn closed_window(s: i64) -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).with(move |scene| {
            let z = &mut scene.facts.tcp.client.zero_window;
            (z.longest, z.total) = (Span::secs(s), Span::secs(s));
            z.longest_from = Some(mark(END - s * 1000));
        })
    }

    #[test]
    fn the_limit_is_told_apart() {
        let pending = closed_window(1).with(|s| {
            s.facts.tcp.server.fin_behind_data = true;
            s.around.server_reason =
                Some(ServerReason { text: "Slow Consumer (Pending Bytes)".into(), ..ServerReason::default() });
        });
        let cause = crate::cause::judge(&pending.case());
        assert!(cause.evidence.iter().any(|e| e.text.contains("the limit was max_pending (64 MB")), "{cause:?}");
        assert!(cause.fix.iter().any(|f| f.contains("`max_pending: 128MB`")));
        let deadline = crate::cause::judge(&closed_window(11).case());
        assert!(deadline.evidence.iter().any(|e| e.text.contains("the limit was write_deadline (10.0 s")), "{deadline:?}");
        let sooner = closed_window(2).with(|s| s.facts.tcp.server.fin_behind_data = true);
        let cause = crate::cause::judge(&sooner.case());
        assert!(cause.evidence.iter().any(|e| e.text.contains("did not wait for write_deadline")), "{cause:?}");
    }

    #[test]
    fn the_autopsy_names_the_heavy_subject_and_the_size() {
        let big = closed_window(11).with(|s| {
            s.facts.nats.heaviest = vec![("orders.big".into(), 38_000)];
            s.facts.nats.largest_msg = 700_000;
        });
        let cause = crate::cause::judge(&big.case());
        assert!(cause.evidence.iter().any(|e| e.text.contains("most on orders.big (95 %)")), "{cause:?}");
        assert!(cause.fix.iter().any(|f| f.contains("700000 bytes")));
    }

    #[test]
    fn what_came_and_what_was_taken() {
        let told = |last: i64, until: u64| {
            let scene = closed_window(11).with(move |s| {
                s.facts.tcp.server.first = Some(mark(END - 30_000));
                let (first, last) = (mark(END - 20_000), mark(END - last).at);
                s.facts.tcp.client.zero_window.closings =
                    Some(Closings { first, before: 5_000_000, last, until });
            });
            let cause = crate::cause::judge(&scene.case());
            let text = |e: &Evidence| e.text.contains("500 kB a second came to it").then(|| e.text.clone());
            cause.evidence.iter().find_map(text).unwrap_or_default()
        };
        assert!(told(11_000, 5_900_000).ends_with("from then on it took 100 kB a second"));
        assert!(told(20_000, 5_000_000).ends_with("from then on it took nothing more"));
    }

    /// The server's FIN in the middle of a message, behind others; it goes on with so many connections.
    fn amid(others: u32) -> Scene {
        Scene::new().ends(Kind::Fin, Party::Server).with(move |s| {
            let server = &mut s.facts.tcp.server;
            (server.fin_behind_data, server.max_in_flight) = (true, 90_000);
            s.facts.nats.cut_mid_message.server = true;
            s.around.server_serves_others = others;
        })
    }

    pub const CASES: &[fn() -> Scene] = &[
        || closed_window(11).with(|s| s.facts.tcp.server.fin_behind_data = true).fires(),
        || closed_window(10).fires(),
        || closed_window(2).with(|s| s.settings.write_deadline = Span::secs(2)).fires(),
        || {
            closed_window(30)
                .ends(Kind::Timeout, Party::Client)
                .with(|s| *s.facts.tcp.server.unanswered = Some(unanswered(Owed::Window, END - 30_000)))
                .fires()
        },
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| s.facts.tcp.server.zero_window.longest = Span::secs(20))
                .silent()
        },
        || closed_window(0).silent(),
        || amid(4).fires(),
        || amid(4).with(|s| s.facts.nats.cut_mid_message.server = false).silent(),
        // It was stopped before the deadline, and started again.
        || {
            closed_window(5)
                .with(|s| {
                    s.facts.tcp.server.fin_behind_data = true;
                    s.around.server_id_changed = Some(true);
                    s.around.accepted = Some(mark(END + 50));
                })
                .silent()
        },
    ];
}
