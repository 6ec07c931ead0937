//! Control lines: every verb, every fault, every split.
use super::*;

#[test]
fn every_verb() {
    let table: &[(Side, &str, &[&str])] = &[
        (C, "PUB foo 5\r\nhello\r\n", &["c: PUB foo - 0 5 line=5", "c: END"]),
        (C, "pub\tfoo  bar \t 0\r\n\r\n", &["c: PUB foo bar 0 0 line=12", "c: END"]),
        (C, "HPUB f 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", &["c: PUB f - 12 14 line=7", "c: END"]),
        (C, "hPuB f r 12 14\nNATS/1.0\r\n\r\nhi\r\n", &["c: PUB f r 12 14 line=9", "c: END"]),
        (C, "SUB foo 1\r\n", &["c: SUB foo - 1"]),
        (C, "sub foo q x.1\n", &["c: SUB foo q x.1"]),
        (C, "UNSUB 1\r\nUnsub 1 5\r\n", &["c: UNSUB 1 None", "c: UNSUB 1 Some(5)"]),
        (C, "PING\r\nPING xyz\npingX\r\n", &["c: Ping", "c: Ping", "c: Ping"]),
        (C, "PONG\r\n", &["c: Pong"]),
        (C, "CONNECT {\"a\":1} \r\n", &["c: CONNECT {\\\"a\\\":1}"]),
        (S, "+OK\r\n-ERR 'Stale Connection'\r\n", &["s: Ok", "s: ERR Stale Connection"]),
        (S, "-ERR 'to \"foo\" (sid \"1\")'\r\n", &["s: ERR to \\\"foo\\\" (sid \\\"1\\\")"]),
        (S, "MSG foo 9 3\r\nabc\r\n", &["s: MSG foo 9 - 0 3", "s: END"]),
        (S, "MSG foo 9 _INBOX.x 3\r\na\nc\r\nPING\r\n", &["s: MSG foo 9 _INBOX.x 0 3", "s: END", "s: Ping"]),
        (
            S,
            "HMSG r 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: service\r\n\r\n\r\n",
            &["s: MSG r 1 - 39 39", "s: STATUS 503 ", "s: END"],
        ),
        (
            S,
            "HMSG r 1 d 29 29\r\nNATS/1.0 409 Server Shutd\r\n\r\n\r\n",
            &["s: MSG r 1 d 29 29", "s: STATUS 409 Server Shutd", "s: END"],
        ),
        (S, "HMSG r 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n", &["s: MSG r 1 - 12 13", "s: END"]),
        (S, "INFO {\"ldm\":true}\r\n", &["s: INFO {\\\"ldm\\\":true}"]),
        (S, "RS+ A foo q 1\r\nA- B\r\n", &["s: RouteSub A foo q 1", "s: AccountUnsub B"]),
    ];
    for (side, bytes, want) in table {
        assert_eq!(plain(*side, bytes), *want, "{bytes:?}");
    }
}

#[test]
fn faults() {
    let table: &[(&str, &str)] = &[
        ("PUB foo abc\r\n", "Arguments"),
        ("PUB foo\r\n", "Arguments"),
        ("PUB a b c 1\r\n", "Arguments"),
        ("PUB foo 1234567890\r\n", "Arguments"),
        ("PUB foo -1\r\n", "Arguments"),
        ("HPUB foo 5 4\r\n", "Arguments"),
        ("SUB foo\r\n", "Arguments"),
        ("SUB a b c d\r\n", "Arguments"),
        ("UNSUB\r\n", "Arguments"),
        ("SUBSCRIBE foo\r\n", "Verb"),
        ("\r\n", "Verb"),
        ("PUB foo 2\r\nhello\r\n", "Terminator"),
        ("PUB foo 3\r\nhi\r\nPING\r\n", "Terminator"),
        ("\x01\x02\x03", "Verb"),
    ];
    for (bytes, what) in table {
        let seen = plain(C, bytes);
        let bad: Vec<_> = seen.iter().filter(|s| s.starts_with("c: BAD")).collect();
        assert_eq!(bad, [&format!("c: BAD {what}")], "{bytes:?} gave {seen:?}");
    }
    assert_eq!(plain(C, vec![b'x'; 10]), ["c: BAD Verb"]);
    let long = [b"SUB ".as_slice(), &vec![b'x'; 100_000]].concat();
    assert_eq!(plain(C, long), ["c: BAD TooLong"]);
}

#[test]
fn a_bad_line_shows_no_secret() {
    for line in [
        "CONNECT{\"pass\":\"s3cr3t\"}\r\n",
        "connect\r\n",
        "XY \"s3cr3t\"\r\n",
        "{\"pass\":\"s3cr3t\"}\r\n",
        "PUB foo 2\r\ns3cr3t\r\n",
        "CONNECTs3cr3t",
    ] {
        let mut shown = Vec::new();
        Conversation::new().push(C, line.as_bytes(), &mut |_: Side, op: Op<'_>| {
            if let Op::Malformed { line, .. } = op {
                shown.push(String::from_utf8_lossy(line).into_owned());
            }
        });
        assert!(shown.iter().all(|l| !l.contains("s3cr3t") && l.len() <= 64), "{line:?}: {shown:?}");
        assert_eq!(shown.len(), 1, "{line:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let connect = Op::Connect { json: b"{\"pass\":\"s3cr3t\"}", said: None };
    assert_eq!(format!("{connect:?}"), "Connect");
}

#[test]
fn goes_on_after_a_fault() {
    let seen = plain(C, "FOO bar\r\nSUB a 1\r\nPUB a 1\r\nx\r\n");
    assert_eq!(seen, ["c: BAD Verb", "c: SUB a - 1", "c: PUB a - 0 1 line=3", "c: END"]);
}

/// A connection whose listener's INFO is `info`.
fn link(info: &str, side: Side, bytes: &str) -> (Protocol, Vec<String>) {
    let (mut conversation, _) = run(&[b(S, info)]);
    let seen = drive(&mut conversation, &[b(side, bytes)]);
    (conversation.protocol(), seen)
}

const ROUTE: &str = "INFO {\"server_id\":\"NA\",\"lnoc\":true,\"route_pool_size\":3,\"nonce\":\"x\"} \r\n";
const DEDICATED: &str = "INFO {\"server_id\":\"NA\",\"lnoc\":true,\"route_account\":\"$SYS\"} \r\n";
const GATEWAY: &str = "INFO {\"server_id\":\"NA\",\"go\":\"\",\"gateway\":\"GA\"}\r\n";
const LEAF: &str =
    "INFO {\"server_id\":\"NA\",\"client_id\":5,\"leafnode_urls\":[\"a:1\"],\"info_on_connect\":true} \r\n";

#[test]
fn links() {
    let table: &[(&str, Protocol, &str, &[&str])] = &[
        (ROUTE, Protocol::Route, "RMSG A foo 2\r\nhi\r\n", &["c: ROUTED foo - 0 2", "c: END"]),
        (ROUTE, Protocol::Route, "RMSG A foo rep 2\r\nhi\r\n", &["c: ROUTED foo rep 0 2", "c: END"]),
        (ROUTE, Protocol::Route, "RMSG A foo + rep q1 q2 2\r\nhi\r\n", &["c: ROUTED foo rep 0 2", "c: END"]),
        (
            ROUTE,
            Protocol::Route,
            "RMSG A foo | q1 q2 q3 q4 q5 q6 q7 2\r\nhi\r\n",
            &["c: ROUTED foo - 0 2", "c: END"],
        ),
        (
            ROUTE,
            Protocol::Route,
            "HMSG A foo rep 12 13\r\nNATS/1.0\r\n\r\nx\r\n",
            &["c: ROUTED foo rep 12 13", "c: END"],
        ),
        (
            ROUTE,
            Protocol::Route,
            "LMSG o A foo rep 12 13\r\nNATS/1.0\r\n\r\nx\r\n",
            &["c: ROUTED foo rep 12 13", "c: END"],
        ),
        (
            ROUTE,
            Protocol::Route,
            "LS+ o A foo q 1\r\nRS- A foo\r\n",
            &["c: LeafSub o A foo q 1", "c: RouteUnsub A foo"],
        ),
        (DEDICATED, Protocol::Route, "RMSG foo rep 2\r\nhi\r\n", &["c: ROUTED foo rep 0 2", "c: END"]),
        (DEDICATED, Protocol::Route, "RMSG foo 2\r\nhi\r\n", &["c: ROUTED foo - 0 2", "c: END"]),
        (
            GATEWAY,
            Protocol::Gateway,
            "RMSG A foo 2\r\nhi\r\nA+ X\r\n",
            &["c: ROUTED foo - 0 2", "c: END", "c: AccountSub X"],
        ),
        (LEAF, Protocol::Leafnode, "LMSG foo 2\r\nhi\r\n", &["c: ROUTED foo - 0 2", "c: END"]),
        (LEAF, Protocol::Leafnode, "LMSG foo rep 2\r\nhi\r\n", &["c: ROUTED foo rep 0 2", "c: END"]),
        (LEAF, Protocol::Leafnode, "LMSG foo | q 2\r\nhi\r\n", &["c: ROUTED foo - 0 2", "c: END"]),
        (
            LEAF,
            Protocol::Leafnode,
            "HMSG foo 12 13\r\nNATS/1.0\r\n\r\nx\r\n",
            &["c: ROUTED foo - 12 13", "c: END"],
        ),
    ];
    for (info, protocol, bytes, want) in table {
        assert_eq!(
            link(info, C, bytes),
            (*protocol, want.iter().map(ToString::to_string).collect()),
            "{bytes}"
        );
    }
}

#[test]
fn protocols_by_shape() {
    let protocol = |steps: &[Step]| run(steps).0.protocol();
    let lang = b(C, "CONNECT {\"verbose\":false,\"lang\":\"go\"}\r\n");
    let route = b(C, "CONNECT {\"echo\":true,\"verbose\":false,\"cluster\":\"C1\",\"lnoc\":true}\r\n");
    let leaf = b(C, "CONNECT {\"server_id\":\"NB\",\"cluster\":\"C2\"}\r\n");
    let gateway = b(C, "CONNECT {\"gateway\":\"GB\",\"cluster\":\"C\"}\r\n");
    assert_eq!(protocol(&[]), Protocol::Unknown);
    assert_eq!(protocol(&[b(S, INFO)]), Protocol::Client);
    assert_eq!(protocol(std::slice::from_ref(&lang)), Protocol::Client);
    assert_eq!(protocol(&[b(S, ROUTE), lang.clone()]), Protocol::Route);
    assert_eq!(protocol(&[b(S, GATEWAY), lang]), Protocol::Gateway);
    assert_eq!(protocol(std::slice::from_ref(&route)), Protocol::Route);
    assert_eq!(protocol(&[route.clone(), b(S, INFO)]), Protocol::Client);
    assert_eq!(protocol(&[route, b(S, ROUTE)]), Protocol::Route);
    assert_eq!(protocol(&[leaf]), Protocol::Leafnode);
    assert_eq!(protocol(&[gateway]), Protocol::Gateway);
    assert_eq!(
        protocol(&[b(C, "INFO {\"server_id\":\"\",\"compression\":\"s2_auto\"}\r\n")]),
        Protocol::Leafnode
    );
    assert_eq!(protocol(&[b(C, "PUB a 0\r\n\r\n")]), Protocol::Client);
    let (mut wrong, _) = run(&[b(C, LEAF)]);
    wrong.swap_sides();
    assert_eq!(wrong.protocol(), Protocol::Leafnode);
}

#[test]
fn every_split_of_a_session() {
    let server = format!(
        "{INFO}PONG\r\n+OK\r\nMSG foo 1 11\r\nhello\r\nPING\r\nHMSG _R.1 2 43 43\r\n\
         NATS/1.0 409 Server Shutdown\r\nA: bcdefg\r\n\r\n\r\nHMSG _R.1 2 12 15\r\nNATS/1.0\r\n\r\nabc\r\n\
         MSG foo 1 0\r\n\r\n-ERR 'Stale Connection'\r\n"
    );
    let client = "CONNECT {\"lang\":\"go\",\"version\":\"1\"}\r\nPING\r\nSUB foo 1\r\npub foo _R.1 3\nabc\r\n\
                  HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1 2\r\nPUB a 0\r\n\r\nPUB x\r\nSUB a 2\r\n";
    let seen = same_at_every_split(&[b(S, server), b(C, client)]);
    assert_eq!(seen.len(), 13 + 12, "{seen:#?}");
}

#[test]
fn mid_message() {
    for (bytes, mid) in [
        ("PING\r\n", false),
        ("PIN", true),
        ("PUB a 3\r\n", true),
        ("PUB a 3\r\nabc", true),
        ("PUB a 3\r\nabc\r", true),
        ("PUB a 3\r\nabc\r\n", false),
    ] {
        let (conversation, _) = run(&[b(C, bytes)]);
        assert_eq!(conversation.is_mid_message(C), mid, "{bytes:?}");
    }
    let (conversation, _) = run(&[b(C, "PING\r\nSUB aaa")]);
    assert_eq!(conversation.pending_line(C), 7);
}

#[test]
fn what_shows_jetstream() {
    let shown = |side, bytes: &str| plain(side, bytes).iter().any(|op| op.ends_with(": JetStream"));
    let hpub = |block: &str| {
        let header = format!("NATS/1.0\r\n{block}\r\n\r\n");
        format!("HPUB orders _R.1 {} {}\r\n{header}hi\r\n", header.len(), header.len() + 2)
    };
    let msg = |payload: &str| format!("MSG _R.1 1 {}\r\n{payload}\r\n", payload.len());
    assert!(shown(C, &hpub("Nats-Msg-Id: 7")));
    assert!(shown(C, &hpub("A: b\r\nNats-Expected-Last-Sequence: 7")));
    assert!(!shown(C, &hpub("nats-msg-id: 7")));
    assert!(!shown(C, &hpub("A: Nats-Msg-Id: 7")));
    assert!(!shown(C, "HPUB a 12 28\r\nNATS/1.0\r\n\r\n\nNats-Msg-Id: 1\r\n"), "payload is no header");
    assert!(!shown(C, "PUB a 26\r\n{\"stream\":\"ORDERS\",\"seq\":1}\r\n"));
    assert!(shown(S, &msg("{\"stream\":\"ORDERS\",\"seq\":1}")));
    assert!(shown(S, &msg("{\"stream\":\"ORDERS\",\"domain\":\"hub\",\"seq\":1,\"duplicate\":true}")));
    assert!(shown(S, &msg("{\"type\":\"io.nats.jetstream.api.v1.pub_ack_response\",\"error\":{}}")));
    assert!(!shown(S, &msg("{\"type\":\"io.nats.jetstream.api.v1.stream_info_response\"}")));
    assert!(!shown(S, &msg("{\"stream\":\"ORDERS\"}")), "anybody's object");
    assert!(!shown(S, "MSG a 1 2\r\n{}\r\nMSG a 1 1\r\n{\r\n\"stream\":\"\",\"seq\":1"));
    let headed = "{\"stream\":\"S\",\"seq\":1}";
    let whole = format!("HMSG _R.1 1 12 {}\r\nNATS/1.0\r\n\r\n{headed}\r\n", 12 + headed.len());
    assert_eq!(plain(S, &whole).len(), 3);
    assert!(shown(S, &whole));
    assert!(shown(S, whole.strip_suffix("}\r\n").unwrap_or("")), "as far as it lies in the same bytes");
    let seen = plain(S, msg("{\"stream\":\"S\",\"seq\":1}"));
    assert_eq!(seen[1..], ["s: JetStream", "s: END"]);
}
