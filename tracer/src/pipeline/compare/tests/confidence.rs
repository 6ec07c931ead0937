//! How sure a verdict is: what it rests on, and what the captures themselves leave open.
use super::*;

/// From here on a verdict is acted on.
const FIRM: f64 = 0.8;

/// Some segments of the server are lost, and repeated; the client speaks meanwhile, or the capture near it shows nothing more.
fn server_unheard(client_goes_on: bool) -> Path {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    lab.later(10_000);
    let first = lab.lose(Side::Server, ACK, b"MSG a 1 5\r\nhello\r\n");
    for n in 0..5 {
        lab.later(200_000 << n).again(Side::Server, &first, false);
        if client_goes_on {
            lab.send(Side::Client, ACK, b"PING\r\n");
        }
    }
    lab.path()
}

#[test]
fn a_capture_that_may_have_ended_shows_no_death() {
    let (runs, ended) = (server_unheard(true), server_unheard(false));
    for path in [&runs, &ended] {
        assert_eq!(path.verdict, Verdict::DirectionDied, "{}", path.summary);
    }
    assert!(runs.confidence >= FIRM && runs.doubts.is_empty(), "{} {:?}", runs.confidence, runs.doubts);
    assert!(ended.confidence < FIRM, "{}", ended.confidence);
    assert!(ended.doubts.iter().any(|why| why.contains("may not have run")), "{:?}", ended.doubts);
}

#[test]
fn of_two_deaths_only_the_one_that_is_seen_counts() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    let (x, y) = (lab.lose(Side::Server, ACK, b"MSG a 1 0\r\n"), lab.lose(Side::Client, ACK, b"PING\r\n"));
    lab.later(20_000).again(Side::Client, &y, false);
    for _ in 0..4 {
        lab.later(300_000).again(Side::Server, &x, false);
        lab.later(1_000).again(Side::Client, &y, false);
    }
    assert!(lab.path().confidence >= FIRM);
    // The capture at the client's side ends before the server's first repetition.
    let end = lab.a.iter().position(|(at, _)| *at > 200_000).unwrap();
    lab.a.truncate(end);
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::DirectionDied, "{}", path.summary);
    assert!(path.confidence < FIRM, "{} {}", path.confidence, path.summary);
}

#[test]
fn attempts_before_the_other_capture_began_prove_nothing() {
    let mut lab = Lab::new();
    let syn = lab.send(Side::Client, SYN, b"");
    lab.later(1_000_000).again(Side::Client, &syn, true);
    lab.later(2_000_000).again(Side::Client, &syn, true);
    // The capture at the server's side has the last one alone.
    lab.b.drain(..2);
    let path = lab.path();
    assert!(path.verdict == Verdict::Clean || path.confidence < FIRM, "{} {}", path.summary, path.confidence);
}

#[test]
fn frames_that_a_capture_lost_weaken() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    let lost = lab.lose(Side::Client, ACK, b"PUB a 1\r\nx\r\n");
    lab.later(200_000).again(Side::Client, &lost, true);
    lab.talk(2);
    let sure = lab.path();
    assert_eq!(sure.verdict, Verdict::Loss);
    let [a, mut b] = lab.recordings();
    b.handle_lost(7);
    let found = compare(a, b);
    assert!(found.paths[0].confidence < sure.confidence);
    assert_eq!(found.paths[0].doubts, ["a capture itself lost packets"]);
}

#[test]
fn a_reset_that_one_capture_may_have_missed() {
    let reset = |ttl: u8, goes_on: bool| {
        let mut lab = Lab::new();
        lab.shake_hands().talk(3);
        let rst = Seg { ttl, ..lab.segment(Side::Server, RST, b"") };
        lab.far(Side::Server, rst);
        let later = if goes_on { Side::Server } else { Side::Client };
        lab.later(50_000).send(later, ACK, b"MSG b 1 0\r\n\r\n");
        let path = lab.path();
        assert_eq!(path.verdict, Verdict::ResetInjected, "{}", path.summary);
        path.confidence
    };
    assert!(reset(64, false) < FIRM);
    assert!(reset(64, true) >= FIRM);
    assert!(reset(128, false) > reset(64, true));
}
