//! Pages as they stand, without colour.
use super::*;
use crate::event::{Handshake, Kind, Party};
use crate::sink::testing;
use unicode_width::UnicodeWidthStr as _;

fn page(width: usize, color: bool, events: &[Event]) -> String {
    let mut out = Vec::new();
    let mut sink = Text::new(&mut out, Look { width, color }, false);
    for event in events {
        sink.event(event).unwrap();
    }
    sink.finish().unwrap();
    String::from_utf8(out).unwrap()
}

fn normal() -> Event {
    testing::quiet_close()
}

#[test]
fn a_close_at_80_columns() {
    let want = "\
2026-11-22 12:03:14.120Z 10.0.0.7:51234 → 10.0.0.5:4222 flow 12
  slow_consumer: the server closed it (fin) after 1 h 3 min
  who   client billing (go 1.31.0, user orders), server n1 (nats-server 2.15.1)
  why   n1 (10.0.0.5:4222) dropped billing (10.0.0.7:51234), which did not read
        for 10.1 s (93 % sure)
  seen  12:03:04.020  client's receive window was 0 for 10.1 s (write_deadline
                      is 10 s by default) [packet 1017]
        12:03:14.120  nats-server (pid 4) closed the socket with 2.6 MB unsent
                      [kernel]
        packet        billing was sent 41 messages on orders.new that it never
                      acknowledged
                      and 1 more in --format json
  not   the network: 10.0.0.7 acknowledged every segment within 1 ms
  lost? 2 publishes that never arrived, 5 publishes that arrived but may not be
        processed, 41 deliveries, 1 request without a reply (1 of them to
        JetStream), 70.1 kB; on orders.new
  fix   1. let billing read faster: move the work out of the message callback
        2. or raise write_deadline on n1 (10.0.0.5:4222) from 10 s
  then  reconnected as flow 40 after 6.1 s (3 attempts, one every 2.0 s);
        another server answered, or the same one restarted
";
    assert_eq!(page(80, false, &[testing::close()]), want);
}

#[test]
fn a_normal_close_is_short() {
    let want = "\
2026-11-22 12:03:14.120Z [2001:db8::7]:40000 → [2001:db8::5]:4222 flow 13
  client_closed: the client closed it (fin) after 1 h 3 min
  why   the client closed the connection in good order (certain)
  seen  12:03:14.120  the client sent FIN first and nothing was owed [packet 9]
";
    assert_eq!(page(80, false, &[normal()]), want);
}

#[test]
fn lines_stand_together_and_blocks_apart() {
    let out = page(
        120,
        false,
        &[testing::notice(None), testing::notice(Some(12)), normal(), testing::reconnect(12)],
    );
    let want = "\
2026-11-22 12:03:14.120Z reconnect_storm billing (10.0.0.7) tried 20 times in 10 s
2026-11-22 12:03:14.120Z reconnect_storm billing (10.0.0.7) tried 20 times in 10 s (flow 12)

2026-11-22 12:03:14.120Z";
    assert!(out.starts_with(want), "{out}");
    let end = "\n\n2026-11-22 12:03:20.220Z reconnect flow 12 reconnected as flow 40 after 6.1 s (3 attempts, one every 2.0 s); another\n  \
        server answered, or the same one restarted\n";
    assert!(out.ends_with(end), "{out}");
}

#[test]
fn the_summary_is_a_table() {
    let out = page(80, false, &[testing::summary()]);
    let cells: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    for want in [
        &["cause", "slow_consumer", "3", "75", "%"][..],
        &["client_closed", "1", "25", "%"],
        &["kind", "fin", "3", "75", "%"],
        &["side", "server", "3", "75", "%"],
        &["client", "10.0.0.7", "billing", "3", "75", "%"],
    ] {
        assert!(cells.iter().any(|row| row == want), "{want:?} in {out}");
    }
    assert!(
        out.starts_with("Summary: 4 closes on 6 connections (2 still open), 12,034 packets (3.4 MB)"),
        "{out}"
    );
    assert!(
        out.contains("The capture lost 3 packets") && out.contains("natstrace explain slow_consumer"),
        "{out}"
    );
    let Event::Summary(mut nothing) = testing::summary() else { panic!() };
    (nothing.seen, nothing.closed) = (0, 0);
    assert!(page(80, false, &[Event::Summary(nothing)]).contains("--port names others"));
}

#[test]
fn widths_and_colours() {
    let events = [testing::notice(None), testing::close(), normal(), testing::summary()];
    for width in [10, 60, 80, 120] {
        let out = page(width, false, &events);
        assert!(!out.contains('\u{1b}') && out.lines().all(|line| line == line.trim_end()), "{out}");
        assert!(width < 60 || out.lines().all(|line| line.width() <= width), "{out}");
    }
    let coloured = page(80, true, &events);
    assert!(
        coloured.contains("\u{1b}[1m\u{1b}[31mslow_consumer:")
            && coloured.contains("\u{1b}[32mclient_closed:")
    );
    let mut bare = coloured;
    for code in ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m"] {
        bare = bare.replace(&format!("\u{1b}{code}"), "");
    }
    assert_eq!(bare, page(80, false, &events));
}

#[test]
fn every_kind_side_and_handshake_has_its_words() {
    let mut report = testing::report();
    for (kind, side) in Kind::ALL.iter().flat_map(|kind| Party::ALL.iter().map(move |side| (*kind, *side))) {
        (report.close.kind, report.close.side) = (kind, side);
        for handshake in Handshake::ALL {
            report.facts.handshake = *handshake;
            let text = words::ended(&report);
            assert!(
                text.contains(kind.name()) && text.contains(side.name()) || text.contains("nobody"),
                "{text}"
            );
        }
    }
    report.facts.handshake = Handshake::Unanswered;
    report.facts.tcp.client.syns = 4;
    assert_eq!(words::lasted(&report), "after 1 h 3 min and 4 attempts");
}

#[test]
fn hostile_names_steer_no_terminal() {
    let mut report = testing::report();
    report.cause.summary = "x \u{1b}]0;owned\u{7} nats://u:s3cr3t@h".into();
    let out = page(80, false, &[Event::Close(Box::new(report))]);
    assert!(!out.contains('\u{1b}') && !out.contains('\u{7}') && !out.contains("s3cr3t"), "{out}");
}
