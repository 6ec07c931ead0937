//! Real lines of two versions, and what stands in front of them.
use super::*;
use proptest::prelude::*;

const DEBUG: [&str; 2] = [
    include_str!("../../../../tests/server-logs/debug-2.15.1.txt"),
    include_str!("../../../../tests/server-logs/debug-2.9.10.txt"),
];
const DEFAULT: &str = include_str!("../../../../tests/server-logs/default-kolkata-2.15.1.txt");
const LAME_DUCK: &str = include_str!("../../../../tests/server-logs/lame-duck-2.15.1.txt");
const NO_TIMES: &str = include_str!("../../../../tests/server-logs/no-times-2.15.1.txt");
const LINE: &str = "[7] 2026/11/22 12:03:14.120456 [DBG] 10.0.0.7:51234 - cid:5 - \"v1.31.0:go:billing\" - Client connection closed: Slow Consumer (Write Deadline)";
/// 2026-11-22T12:03:14.120456Z.
const AT: Timestamp = Timestamp(1_795_348_994_120_456_000);

fn read(text: &str) -> Vec<LogLine> {
    text.lines().filter_map(|line| log_line(line.as_bytes())).collect()
}

fn happenings(text: &str) -> Vec<Happened> {
    read(text)
        .into_iter()
        .filter_map(|line| match line.says {
            LogSays::Connection { what, .. } => Some(what),
            LogSays::Server(_) => None,
        })
        .collect()
}

fn events(text: &str) -> Vec<ServerEvent> {
    read(text)
        .into_iter()
        .filter_map(|line| match line.says {
            LogSays::Server(event) => Some(event),
            LogSays::Connection { .. } => None,
        })
        .collect()
}

#[test]
fn reasons_of_two_versions() {
    for text in DEBUG {
        let all = happenings(text);
        let closed = |reason: &str| all.iter().filter(|h| **h == Happened::Closed(reason.to_owned())).count();
        assert_eq!((closed("Client Closed"), closed("Server Shutdown")), (2, 5));
        for reason in [
            "Authentication Failure",
            "Protocol Violation",
            "Maximum Message Payload Exceeded",
            "Authentication Timeout",
            "Read Error",
            "Stale Connection",
            "Slow Consumer (Write Deadline)",
            "Maximum Connections Exceeded",
        ] {
            assert!(closed(reason) > 0, "{reason}");
        }
        assert_eq!(all.iter().filter(|h| **h == Happened::Created).count(), 16);
    }
}

#[test]
fn what_the_default_level_tells() {
    let reasons: Vec<&str> = happenings(DEFAULT)
        .iter()
        .filter_map(|h| if let Happened::Failed(reason, _) = h { Some(*reason) } else { None })
        .collect();
    assert_eq!(
        reasons,
        [
            "Authentication Failure",
            "Authentication Failure",
            "Protocol Violation",
            "Maximum Message Payload Exceeded",
            "Slow Consumer (Write Deadline)",
            "Maximum Connections Exceeded",
        ]
    );
    assert!(happenings(DEFAULT).iter().all(|h| !format!("{h:?}").contains("user:a")));
}

#[test]
fn the_servers_life() {
    let all = events(LAME_DUCK);
    let trapped = ServerEvent::Trapped("user defined signal 2".to_owned());
    for event in [ServerEvent::Starting, ServerEvent::Listening(4222), trapped, ServerEvent::LameDuck] {
        assert!(all.contains(&event), "{event:?}");
    }
    assert!(all.ends_with(&[ServerEvent::Stopping, ServerEvent::Exiting]));
    assert!(all.iter().any(|e| matches!(e, ServerEvent::Id(id) if id.len() == 56)));
    assert!(read(NO_TIMES).iter().all(|line| line.at.is_none()) && events(NO_TIMES).len() == 6);
    let leaf = read(LAME_DUCK).into_iter().find(|line| {
        matches!(&line.says, LogSays::Connection { what: Happened::Closed(r), .. } if r == "Server Shutdown")
    });
    assert!(matches!(leaf.unwrap().says, LogSays::Connection { is_client: false, id: 9, .. }));
}

#[test]
fn what_stands_in_front() {
    let behind = LINE.split_once("[DBG] ").unwrap().1;
    let quoted = LINE.replace('"', "\\\"");
    for (line, at) in [
        (LINE.to_owned(), Some((AT, false))),
        (format!("nats-1  | {LINE}"), Some((AT, false))),
        (format!("2026-11-22T12:03:14.121Z {LINE}"), Some((AT, true))),
        (format!("2026-11-22T12:03:14.121987654Z stderr F {LINE}"), Some((AT, true))),
        (format!("2026-11-22T13:03:14.1+01:00 stderr F {LINE}"), Some((AT, true))),
        (format!("Nov 22 12:03:14 host nats-server[7]: {LINE}"), Some((AT, false))),
        (
            format!("2026-11-22T13:03:14+0100 host nats-server[7]: {behind}"),
            Some((AT - Span::micros(120_456), true)),
        ),
        (format!("Nov 22 12:03:14 host nats-server[7]: {behind}"), None),
        (format!("[7] [DBG] {behind}"), None),
        (
            format!("{{\"log\":\"{quoted}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T12:03:14.13Z\"}}"),
            Some((AT, true)),
        ),
        (
            format!("{{\"MESSAGE\":\"{quoted}\",\"__REALTIME_TIMESTAMP\":\"1795348994120456\"}}"),
            Some((AT, true)),
        ),
        (LINE.replace("[DBG]", "\u{1b}[36m[DBG]\u{1b}[0m"), Some((AT, false))),
    ] {
        let read = log_line(line.as_bytes()).unwrap();
        assert_eq!(read.at, at.map(|(wall, utc)| LogTime { wall, utc }), "{line}");
        let LogSays::Connection { peer, id, is_client, what } = read.says else { panic!("{line}") };
        assert_eq!((peer.to_string().as_str(), id, is_client), ("10.0.0.7:51234", 5, true));
        assert_eq!(what, Happened::Closed("Slow Consumer (Write Deadline)".to_owned()));
    }
}

#[test]
fn a_local_time_behind_a_known_one_has_its_zone() {
    let line = format!("2026-11-22T06:33:14.121Z {LINE}");
    let at = log_line(line.as_bytes()).unwrap().at.unwrap();
    assert_eq!(at, LogTime { wall: AT - Span::secs(19_800), utc: true });
}

#[test]
fn ends_in_every_spelling() {
    for (end, want) in [
        ("[2001:db8::1]:7", "[2001:db8::1]:7"),
        ("10.0.0.7:1", "10.0.0.7:1"),
        ("203.0.113.9/10.0.0.2:99", "10.0.0.2:99"),
    ] {
        let line =
            format!("[1] [INF] {end} - wid:3 - Slow Consumer Detected: MaxPending of 1000000 Exceeded");
        let LogSays::Connection { peer, what, .. } = log_line(line.as_bytes()).unwrap().says else {
            panic!("{line}")
        };
        assert_eq!(peer.to_string(), want);
        assert!(matches!(what, Happened::Failed("Slow Consumer (Pending Bytes)", _)));
    }
    // A route that is slow is not dropped.
    assert_eq!(
        log_line(b"[1] [INF] 10.0.0.7:1 - rid:3 - Slow Consumer Detected: WriteDeadline of 1s exceeded"),
        None
    );
}

#[test]
fn nothing_secret_is_kept() {
    let line = b"[1] [ERR] 10.0.0.7:1 - cid:3 - authentication error - Token \"t0ken\"";
    assert!(!format!("{:?}", log_line(line).unwrap()).contains("t0ken"));
    let line =
        b"[1] [ERR] 10.0.0.7:1 - cid:3 - Client parser ERROR, state=0, i=0: proto='\"pass:s3cr3t\"...'";
    assert!(!format!("{:?}", log_line(line).unwrap()).contains("s3cr3t"));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = log_line(&bytes);
    }

    #[test]
    fn near_lines_are_survived(cut in 0..LINE.len(), at in 0..LINE.len(), odd in "\\PC{0,3}") {
        let mut line = LINE.get(..LINE.len() - cut).unwrap_or(LINE).to_owned();
        if line.is_char_boundary(at.min(line.len())) {
            line.insert_str(at.min(line.len()), &odd);
        }
        let _ = log_line(line.as_bytes());
        let _ = log_line(format!("{{\"log\":{line:?},\"time\":\"{odd}\"}}").as_bytes());
    }
}
