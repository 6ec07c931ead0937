//! WebSocket and S2 around NATS.
use super::*;

fn frame(first: u8, mask: Option<[u8; 4]>, body: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match body.len() {
        n @ 0..126 => out.push(bit | n as u8),
        n @ 126..65536 => {
            out.push(bit | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(bit | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(mask.iter().flatten());
    let key = mask.unwrap_or_default();
    out.extend(body.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    out
}

/// As a permessage-deflate sender makes it: a sync flush, its last four bytes left away.
fn deflated(body: &[u8]) -> Vec<u8> {
    use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
    use miniz_oxide::deflate::stream::deflate;
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(6, 0, 0));
    let mut out = vec![0; body.len() + 100];
    let done = deflate(&mut compressor, body, &mut out, miniz_oxide::MZFlush::Sync);
    assert_eq!(done.bytes_consumed, body.len());
    out.truncate(done.bytes_written);
    out.truncate(out.strip_suffix(b"\0\0\xff\xff").unwrap().len());
    out
}

const MASK: Option<[u8; 4]> = Some([0xde, 0xad, 0xbe, 0xef]);

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        .into_bytes()
}

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn websocket() {
    let big = [b"PUB big 300\r\n".as_slice(), &[b'x'; 300], b"\r\n"].concat();
    let client = [
        get("/?jwt=s3cr3t"),
        frame(0x82, MASK, b"CONNECT {\"lang\":\"nats.ws\"}\r\nPI"),
        frame(0x82, MASK, b"NG\r\n"),
        // A message in three frames with a ping between.
        frame(0x02, MASK, b"SUB a"),
        frame(0x00, MASK, b" 1\r"),
        frame(0x89, MASK, b"are you there"),
        frame(0x80, MASK, b"\n"),
        frame(0x82, MASK, &big),
        frame(0x88, MASK, b"\x03\xe8bye"),
    ]
    .concat();
    let server = [
        SWITCH.to_vec(),
        frame(0x82, None, INFO.as_bytes()),
        frame(0xc2, None, &deflated(b"MSG a 1 90\r\n")),
        frame(0xc2, None, &deflated(&[&[b'x'; 90], b"\r\n".as_slice()].concat())),
        frame(0x42, None, &deflated(b"PONG\r\nPING\r\n")[..5]),
        frame(0x80, None, &deflated(b"PONG\r\nPING\r\n")[5..]),
        frame(0x88, None, b"\x03\xe9Server Shutdown"),
        frame(0x88, None, b""),
    ]
    .concat();
    let steps = [b(C, client), b(S, server)];
    let ops = same_at_every_split(&steps);
    assert_eq!(
        ops,
        [
            "c: UPGRADE / 1.2.3.4",
            "c: CONNECT {\\\"lang\\\":\\\"nats.ws\\\"}",
            "c: Ping",
            "c: SUB a - 1",
            "c: PUB big - 0 300 line=7",
            "c: END",
            "c: CLOSE 1000 bye",
            "s: HttpStatus(101)",
            &format!("s: INFO {}", INFO.trim_end()[5..].escape_debug()),
            "s: MSG a 1 - 0 90",
            "s: END",
            "s: Pong",
            "s: Ping",
            "s: CLOSE 1001 Server Shutdown",
            "s: CLOSE 1005 ",
        ]
    );
    assert_eq!(run(&steps).0.protocol(), Protocol::WebSocket);
}

#[test]
fn websocket_paths() {
    assert_eq!(run(&[b(C, get("/leafnode"))]).0.protocol(), Protocol::Leafnode);
    let mqtt = [get("/mqtt"), frame(0x82, MASK, b"\x10\x0e\0\x04MQTT\x04\x02\0\x1e\0\x02id")].concat();
    let (conversation, ops) = run(&[b(C, mqtt)]);
    assert_eq!(conversation.protocol(), Protocol::Mqtt);
    assert_eq!(ops, ["c: UPGRADE /mqtt 1.2.3.4", "c: MQTT id 30 -"]);
    assert_eq!(
        run(&[b(C, get("/")), b(S, b"HTTP/1.1 403 Forbidden\r\n\r\n")]).1[1..],
        ["s: HttpStatus(403)"]
    );
}

#[test]
fn websocket_holes() {
    let message = [b"PUB big 300\r\n".as_slice(), &[b'x'; 300], b"\r\n"].concat();
    let sent = frame(0x82, MASK, &message);
    let steps = [
        b(C, get("/")),
        b(C, &sent[..50]),
        Step::Gap(C, 101),
        b(C, &sent[151..]),
        b(C, frame(0x82, MASK, b"PING\r\n")),
        Step::Gap(C, 5000),
        b(C, b"\x82 no frame"),
        b(C, frame(0x82, MASK, b"PONG\r\n")),
    ];
    assert_eq!(run(&steps).1[1..], ["c: PUB big - 0 300 line=7", "c: END", "c: Ping", "c: Pong"]);
    assert_eq!(run(&[b(C, get("/")), b(C, b"\x83\x01x")]).1[1..], ["c: BAD Framing"]);
}

#[test]
fn websocket_joined_in_the_middle() {
    let mut conversation = Conversation::new();
    conversation.midstream();
    let steps = [
        b(S, frame(0x82, None, b"MSG a 1 2\r\nhi\r\nPING\r\n")),
        b(C, frame(0x82, MASK, b"PONG\r\n")),
        b(S, frame(0xc2, None, &deflated(b"MSG b 1 2\r\nhi\r\n"))),
    ];
    let seen = drive(&mut conversation, &steps);
    assert_eq!(seen, ["s: MSG a 1 - 0 2", "s: END", "s: Ping", "c: Pong", "s: MSG b 1 - 0 2", "s: END"]);
    assert_eq!(conversation.protocol(), Protocol::WebSocket);
    // Frames in frames in frames cost no stack.
    let nested = (0..2000).fold(b"x".to_vec(), |inner, _| frame(0x82, None, &inner));
    let mut conversation = Conversation::new();
    conversation.midstream();
    assert!(drive(&mut conversation, &[b(S, nested)]).is_empty());
}

#[test]
fn a_deflate_bomb_is_bounded() {
    let bomb = deflated(&vec![b' '; 8 << 20]);
    let mut conversation = Conversation::new();
    let seen = drive(
        &mut conversation,
        &[b(S, SWITCH), b(S, frame(0xc2, None, &bomb)), b(S, frame(0x82, None, b"PING\r\n"))],
    );
    assert_eq!(seen.last().unwrap(), "s: Ping");
}

fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let n = (body.len() + 4) as u32;
    [&[kind], &n.to_le_bytes()[..3], b"sum.", body].concat()
}

fn s2(chunks: &[Vec<u8>]) -> Vec<u8> {
    [b"\xff\x06\0\0S2sTwO".to_vec(), chunks.concat()].concat()
}

const LEAF: &str = "INFO {\"server_id\":\"NA\",\"client_id\":5,\"leafnode_urls\":[\"a:1\"],\"compression\":\"s2_auto\"} \r\n";

#[test]
fn s2_streams() {
    let squeezed = |text: &[u8]| snap::raw::Encoder::new().compress_vec(text).unwrap();
    let message = [b"LMSG foo 200\r\n".as_slice(), &[b'x'; 200], b"\r\n"].concat();
    let client = [
        b"INFO {\"server_id\":\"\",\"compression\":\"s2_auto\"}\r\n".to_vec(),
        s2(&[chunk(1, b"CONNECT {\"server_id\":\"NB\"}\r\nPI")]),
        s2(&[chunk(1, b"NG\r\n"), b"\xfe\x02\0\0\0\0".to_vec(), chunk(0, &squeezed(&message))]),
        s2(&[chunk(1, b"LS+ foo\r\n")]),
    ]
    .concat();
    let steps = [b(S, LEAF), b(C, client)];
    let ops = same_at_every_split(&steps);
    assert_eq!(
        ops[2..],
        [
            "c: Compressed",
            "c: CONNECT {\\\"server_id\\\":\\\"NB\\\"}",
            "c: Ping",
            "c: ROUTED foo - 0 200",
            "c: END",
            "c: LeafSub foo",
        ]
    );
    assert_eq!(run(&steps).0.protocol(), Protocol::Leafnode);
}

#[test]
fn s2_holes_and_rubbish() {
    let message = [b"LMSG foo 200\r\n".as_slice(), &[b'x'; 200], b"\r\n"].concat();
    let raw = s2(&[chunk(1, &message)]);
    let steps = [
        b(S, LEAF),
        b(C, s2(&[chunk(1, b"PING\r\n")])),
        b(C, &raw[..100]),
        Step::Gap(C, 50),
        b(C, &raw[150..]),
        // A chunk that can't be decoded, then a stream that can.
        b(C, s2(&[chunk(0, b"\x05\xff\xff\xff")])),
        b(C, s2(&[chunk(1, b"PONG\r\n")])),
        // Beyond the chunk.
        b(C, &raw[..50]),
        Step::Gap(C, 1000),
        b(C, [b"rubbish".to_vec(), s2(&[chunk(1, b"PING\r\n")])].concat()),
    ];
    assert_eq!(
        run(&steps).1[1..],
        [
            "c: Compressed",
            "c: Ping",
            "c: ROUTED foo - 0 200",
            "c: END",
            "c: Pong",
            "c: ROUTED foo - 0 200",
            "c: Ping",
        ]
    );
}
