//! Bounds, settings, the vote on the zone.
use super::*;
use crate::base::Addr;
use crate::nats::connz;
use crate::nats::server_log::log_line;

fn peer(n: u32) -> Endpoint {
    Endpoint { addr: Addr::v4(n.to_be_bytes()), port: 7 }
}

#[test]
fn entries_are_bounded() {
    let mut all = ByPeer::default();
    for n in 0..ENTRIES_MAX as u32 * 2 {
        all.add(peer(n), n);
        all.add(peer(1), n);
    }
    assert!(all.order.len() <= ENTRIES_MAX && all.entries.len() <= ENTRIES_MAX);
    assert!(all.of(peer(1)).count() <= PER_PEER_MAX);
    assert_eq!(all.of(peer(ENTRIES_MAX as u32 * 2 - 1)).count(), 1);
    assert_eq!(all.of(peer(2)).count(), 0);
}

#[test]
fn settings_that_were_told_stay() {
    let varz = connz::varz(
        br#"{"server_id":"N","write_deadline":2000000000,"ping_interval":30000000000,"ping_max":3,"auth_timeout":1.5,"max_pending":0}"#,
    );
    let mut settings = Settings { ping_interval: Span::secs(7), told: true, ..Settings::default() };
    fill(&mut settings, &varz.unwrap());
    assert_eq!(settings.write_deadline, Span::secs(2));
    assert_eq!((settings.ping_interval, settings.ping_max), (Span::secs(7), 3));
    assert_eq!(settings.auth_timeout, Span::millis(1500));
}

#[test]
fn lines_without_end_are_survived() {
    let mut word = ServerWord::default();
    for n in 0..200_000u32 {
        let line = format!(
            "[1] [INF] 10.0.{}.{}:4 - cid:{n} - Client connection closed: Read Error",
            n >> 8 & 255,
            n & 255
        );
        word.note_log(&log_line(line.as_bytes()).unwrap());
        word.note_log(&log_line(b"[1] [INF] Starting nats-server").unwrap());
    }
    assert!(word.log.is_some_and(|log| log.size() <= ENTRIES_MAX + 2000));
}
