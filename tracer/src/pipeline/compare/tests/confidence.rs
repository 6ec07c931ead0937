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

#[test]
fn a_loss_is_proven_by_the_receiver() {
    let lost = |gap_is_told: bool| {
        let mut lab = Lab::new();
        lab.shake_hands().talk(3);
        let hole = lab.lose(Side::Client, ACK, b"PUB a 1\r\nx\r\n");
        if gap_is_told {
            let heard = lab.heard;
            lab.later(1_000).send(Side::Client, ACK, b"PUB b 1\r\ny\r\n");
            // Its acknowledgement stays before the hole.
            lab.heard = heard;
            lab.later(1_000).send(Side::Server, ACK, b"");
        }
        lab.later(200_000).again(Side::Client, &hole, true);
        lab.later(1_000).talk(2);
        let path = lab.path();
        assert_eq!(path.verdict, Verdict::Loss, "{}", path.summary);
        path.confidence
    };
    assert!(lost(true) >= 0.9 && lost(false) < FIRM, "{} {}", lost(true), lost(false));
}

#[test]
fn what_a_capture_of_one_direction_lacks_is_not_lost() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    lab.b.retain(|(_, seg)| seg.src == SERVER);
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
    assert!(path.directions.client.lost == 0 && path.directions.client.lost_acks == 0);
}

#[test]
fn an_acknowledgement_is_no_copy_of_what_follows_it() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(2);
    lab.later(10_000).send(Side::Client, ACK, b"");
    // The captures end before it is acknowledged.
    lab.later(600_000).send(Side::Client, ACK, b"PING\r\n");
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
}

#[test]
fn answers_that_neither_capture_shows() {
    let mut lab = Lab::new();
    let syn = lab.send(Side::Client, SYN, b"");
    lab.later(1_000_000).again(Side::Client, &syn, true);
    lab.send(Side::Server, SYN | ACK, b"");
    lab.send(Side::Client, ACK, b"");
    lab.talk(2);
    lab.a.retain(|(_, seg)| seg.dst == SERVER);
    lab.b.retain(|(_, seg)| seg.dst == SERVER);
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
}

#[test]
fn a_path_that_loses_much_is_not_soon_called_dead() {
    let mut lab = Lab::new();
    lab.shake_hands();
    for _ in 0..10 {
        lab.talk(1);
        let hole = lab.lose(Side::Server, ACK, b"MSG a 1 0\r\n\r\n");
        lab.later(200_000).again(Side::Server, &hole, true);
        lab.send(Side::Client, ACK, b"");
    }
    let last = lab.lose(Side::Server, ACK, b"MSG b 1 0\r\n\r\n");
    for _ in 0..3 {
        lab.later(200_000).again(Side::Server, &last, false);
        lab.send(Side::Client, ACK, b"PING\r\n");
    }
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::DirectionDied, "{}", path.summary);
    assert!(path.confidence < FIRM, "{}", path.confidence);
}

#[test]
fn a_refusal_acknowledges_the_syn() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(2);
    lab.client = ([10, 0, 1, 7], 51235);
    lab.outside = lab.client;
    (lab.next, lab.heard) = ([500, 0], [500, 0]);
    lab.send(Side::Client, SYN, b"");
    lab.send(Side::Server, RST | ACK, b"");
    // The capture at the server's side missed the SYN.
    let syn = lab.b.iter().rposition(|(_, seg)| seg.flags == SYN).unwrap();
    lab.b.remove(syn);
    let found = lab.compared();
    assert_eq!(found.paths[1].verdict, Verdict::Clean, "{}", found.paths[1].summary);
    assert_eq!(found.paths[1].directions.client.not_captured, 1);
}
