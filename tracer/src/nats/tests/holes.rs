//! Holes, and streams joined in the middle.
use super::*;

#[test]
fn a_hole_in_a_payload_is_stepped_over() {
    let start = b(S, format!("{INFO}MSG a 1 100\r\nabc"));
    let tail = [b(S, "PING\r\n")];
    // Payload has 97 bytes left, then CRLF: inside, up to each of its ends, beyond.
    for (missing, rest, lost) in [
        (10, [vec![b'x'; 87], b"\r\n".to_vec()].concat(), false),
        (97, b"\r\n".to_vec(), false),
        (98, b"\n".to_vec(), false),
        (99, vec![], false),
        (100, vec![], true),
        (1_000_000_000_000, vec![], true),
    ] {
        let steps = [&[start.clone(), Step::Gap(S, missing), b(S, rest)], &tail[..]].concat();
        let (conversation, seen) = run(&steps);
        assert_eq!(seen[1..], ["s: MSG a 1 - 0 100", "s: END", "s: Ping"], "{missing}");
        assert!(!conversation.is_lost(S));
        let (conversation, _) = run(&[start.clone(), Step::Gap(S, missing)]);
        assert_eq!(conversation.is_lost(S), lost, "{missing}");
    }
}

#[test]
fn a_hole_in_a_header_block_hides_the_status_only() {
    let steps =
        [b(S, format!("{INFO}HMSG a 1 20 20\r\nNATS/1.0 4")), Step::Gap(S, 6), b(S, "\r\n\r\n\r\nPING\r\n")];
    assert_eq!(run(&steps).1[1..], ["s: MSG a 1 - 20 20", "s: END", "s: Ping"]);
}

#[test]
fn a_hole_in_a_line_needs_a_certain_line() {
    let steps = [
        b(C, "PING\r\nPUB foo.ba"),
        Step::Gap(C, 5),
        // Payload that looks a little like operations.
        b(
            C,
            "r 5\r\nPUB x\r\nPUB a b\r\nping\r\nMSG a\r\nPUB foo 3\r\nabcde\r\n\r\nPUB real 2\r\nhi\r\nSUB a 1\r\n",
        ),
    ];
    assert_eq!(run(&steps).1, ["c: Ping", "c: PUB real - 0 2 line=6", "c: END", "c: SUB a - 1"]);
}

#[test]
fn a_certain_line_may_be_split() {
    for at in 1..12 {
        let line = "PUB real 2\r\nhi\r\n";
        let steps = [b(C, "PING\r\n"), Step::Gap(C, 1), b(C, &line[..at]), b(C, &line[at..])];
        assert_eq!(run(&steps).1, ["c: Ping", "c: PUB real - 0 2 line=6", "c: END"], "{at}");
    }
}

#[test]
fn a_false_step_accuses_nobody() {
    // A line inside a payload passes for certain, its end does not fit.
    let steps = [
        b(C, "PING\r\n"),
        Step::Gap(C, 50),
        b(C, "SUB a 1\r\nPUB x 900\r\n"),
        b(C, [vec![b'y'; 1000], b"\r\nPUB real 1\r\nz\r\n".to_vec()].concat()),
    ];
    let seen = run(&steps).1;
    assert_eq!(seen[seen.len() - 2..], ["c: PUB real - 0 1 line=6", "c: END"]);
    let mut conversation = Conversation::new();
    conversation.midstream();
    let seen = drive(&mut conversation, &[b(S, [b"PUB x 9\r\n".as_slice(), &[b'y'; 10]].concat())]);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn midstream() {
    let mut conversation = Conversation::new();
    conversation.midstream();
    assert_eq!(conversation.protocol(), Protocol::Unknown);
    let seen =
        drive(&mut conversation, &[b(S, "MSG a 1 2\r\nhi\r\nPING\r\n"), b(C, "rest of it\r\nPONG\r\n")]);
    assert_eq!(seen, ["s: MSG a 1 - 0 2", "s: END", "s: Ping", "c: Pong"]);
    assert_eq!(conversation.protocol(), Protocol::Client);
    let mut conversation = Conversation::new();
    conversation.midstream();
    drive(&mut conversation, &[b(S, "RMSG A b 2\r\nhi\r\n")]);
    assert_eq!(conversation.protocol(), Protocol::Route);
}

#[test]
fn a_cut_opening() {
    // Snap length 20 on the first segment.
    let steps = [b(S, &INFO[..20]), Step::Gap(S, INFO.len() as u64 - 20), b(S, "PONG\r\n")];
    assert_eq!(run(&steps).1, ["s: Pong"]);
}
