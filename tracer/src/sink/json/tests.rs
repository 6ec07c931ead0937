//! Lines are read back with serde_json and compared field by field.
use super::*;
use crate::event::ErrorText;
use crate::sink::testing;
use serde_json::{Value, json};

fn line(event: &Event) -> Value {
    let mut out = Vec::new();
    let mut sink = Json::new(&mut out, false);
    sink.event(event).unwrap();
    sink.finish().unwrap();
    assert!(out.ends_with(b"}\n") && out.iter().filter(|b| **b == b'\n').count() == 1);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn close_has_every_field() {
    let facts = testing::report().facts;
    let id = community_id(facts.client, facts.server);
    let want = json!({
        "type": "close", "ts": "2026-11-22T12:03:14.120456Z",
        "flow": {"id": 12, "community_id": str::from_utf8(&id).unwrap(),
            "iface": "eth0", "transport": "tcp"},
        "client": {"address": "10.0.0.7", "port": 51234, "bytes": 1234, "packets": 40, "name": "billing", "lang": "go",
            "version": "1.31.0", "user": "orders"},
        "server": {"address": "10.0.0.5", "port": 4222, "bytes": 99000, "packets": 380, "id": "NBSERVERID", "name": "n1",
            "version": "2.15.1"},
        "start": "2026-11-22T11:00:00.000001Z", "duration_ms": 3_794_120.455, "handshake": "complete",
        "close": {"kind": "fin", "side": "server", "detail": "fin_behind_queued_data", "confidence": 0.97},
        "cause": {"code": "slow_consumer", "family": "slow_consumer",
            "summary": "n1 (10.0.0.5:4222) dropped billing (10.0.0.7:51234), which did not read for 10.1 s",
            "confidence": 0.93,
            "evidence": [
                {"ts": "2026-11-22T12:03:04.020456Z", "capture": 0, "packet": 1017, "source": "packet",
                 "text": "client's receive window was 0 for 10.1 s (write_deadline is 10 s by default)"},
                {"ts": "2026-11-22T12:03:14.120456Z", "source": "kernel",
                 "text": "nats-server (pid 4) closed the socket with 2.6 MB unsent"},
                {"source": "packet", "text": "billing was sent 41 messages on orders.new that it never acknowledged"},
                {"source": "packet", "text": "a fourth fact"}],
            "fix": ["let billing read faster: move the work out of the message callback",
                "or raise write_deadline on n1 (10.0.0.5:4222) from 10 s"],
            "also": [{"code": "stale_client", "confidence": 0.2}],
            "why_not": ["not the network: 10.0.0.7 acknowledged every segment within 1 ms"]},
        "tcp": {"rtt_us": {"min": 180, "median": 240, "max": 9000}, "retransmits": {"client": 0, "server": 3},
            "unacked_bytes": {"client": 0, "server": 65160}, "zero_window_ms": {"client": 10100, "server": 0},
            "missing_bytes": {"client": 0, "server": 7}},
        "nats": {"protocol": "client", "tls": false, "pubs": 10, "msgs": 200, "subs": 3,
            "errors": ["Permissions Violation for Publish to \"a\""], "pings_unanswered": 1},
        "at_risk": {"publishes": 2, "publishes_unconfirmed": 5, "deliveries": 41, "requests": 1,
            "jetstream_publishes": 1, "bytes": 70112, "subjects": ["orders.new"]},
        "reconnect": {"attempts": 3, "interval_ms": 2000, "outcome": "reconnected", "downtime_ms": 6100,
            "server_changed": true, "flow": {"id": 40}}
    });
    assert_eq!(line(&testing::close()), want);
}

#[test]
fn the_unknown_is_left_out() {
    let value = line(&testing::quiet_close());
    assert_eq!(value["client"], json!({"address": "2001:db8::7", "port": 40000, "bytes": 0, "packets": 0}));
    assert_eq!(value["nats"], json!({"protocol": "unknown", "tls": false}));
    assert_eq!(value["flow"].get("iface"), None);
    assert_eq!(value["tcp"].get("rtt_us"), None);
    for absent in ["at_risk", "reconnect"] {
        assert_eq!(value.get(absent), None, "{absent}");
    }
    for absent in ["fix", "also", "why_not"] {
        assert_eq!(value["cause"].get(absent), None, "{absent}");
    }
}

#[test]
fn other_lines() {
    let reconnect = line(&testing::reconnect(12));
    assert_eq!(reconnect["type"], "reconnect");
    assert_eq!((&reconnect["flow"], &reconnect["after"]), (&json!({"id": 40}), &json!(12)));
    assert_eq!(reconnect["reconnect"]["outcome"], "reconnected");
    let want = json!({"type": "event", "ts": "2026-11-22T12:03:14.120456Z", "event": {"code": "reconnect_storm"},
        "message": "billing (10.0.0.7) tried 20 times in 10 s", "client": {"address": "10.0.0.7", "port": 51234}});
    assert_eq!(line(&testing::notice(None)), want);
    let want = json!({"type": "summary", "ts": "2026-11-22T12:03:14.120456Z", "schema": 1, "packets": 12034,
        "bytes": 3_400_000, "connections": {"seen": 6, "closed": 4, "open": 2, "evicted": 0},
        "closes": {"kind": {"fin": 3, "timeout": 1}, "side": {"client": 1, "server": 3},
            "cause": {"client_closed": 1, "slow_consumer": 3}},
        "capture_lost_packets": 3, "elapsed_ms": 210});
    assert_eq!(line(&testing::summary()), want);
}

#[test]
fn hostile_texts_stay_one_line_without_secrets() {
    let mut report = testing::report();
    let text = "bad\n\u{1b}[2J \"q\" nats://bob:s3cr3t@n1 eyJhbGciOiJlZDI1NTE5.eyJ.x";
    report.facts.nats.errors = vec![ErrorText { text: text.into(), ..report.facts.nats.errors[0].clone() }];
    report.cause.summary = text.into();
    report.cause.evidence[0].text = text.into();
    let value = line(&Event::Close(Box::new(report)));
    let want = "bad\n\u{1b}[2J \"q\" nats://bob:***@n1 ***";
    assert_eq!(value["nats"]["errors"], json!([want]));
    assert_eq!(value["cause"]["summary"], want);
    assert_eq!(value["cause"]["evidence"][0]["text"], want);
}

#[test]
fn live_lines_leave_at_once_and_blocks_wait() {
    let mut live = Json::new(Vec::new(), true);
    live.event(&testing::close()).unwrap();
    assert!(live.out.ends_with(b"}\n"));
    let mut offline = Json::new(Vec::new(), false);
    offline.event(&testing::close()).unwrap();
    assert!(offline.out.is_empty());
    for _ in 0..200 {
        offline.event(&testing::close()).unwrap();
    }
    assert!(offline.out.len() >= BLOCK);
    offline.finish().unwrap();
    assert_eq!(offline.out.iter().filter(|b| **b == b'\n').count(), 201);
}

/// `cargo test --release -- --ignored speed`: closes a second on one core.
#[test]
#[ignore = "a measurement"]
fn speed() {
    for (name, event) in [("full", testing::close()), ("plain", testing::quiet_close())] {
        let mut sink = Json::new(io::sink(), false);
        let start = std::time::Instant::now();
        for _ in 0..500_000 {
            sink.event(&event).unwrap();
        }
        eprintln!("{name}: {:.0} closes/s", 500_000.0 / start.elapsed().as_secs_f64());
    }
}
