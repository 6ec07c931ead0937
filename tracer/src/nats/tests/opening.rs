//! First bytes: strangers, PROXY, HTTP, MQTT.
use super::*;

/// `run`, but only the texts.
fn seen(steps: &[Step]) -> Vec<String> {
    run(steps).1
}

#[test]
fn strangers() {
    let table: &[(Side, &[u8], &[&str])] = &[
        (C, b"SSH-2.0-OpenSSH_9\r\n", &["c: Foreign(Ssh)"]),
        (C, b"GET /varz?token=x HTTP/1.1\r\nHost: a\r\n\r\n", &["c: HTTP GET /varz", "c: Foreign(Http)"]),
        (C, b"POST /x HTTP/1.1\r\n", &["c: HTTP POST /x", "c: Foreign(Http)"]),
        (C, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["c: Foreign(Http)"]),
        (C, b"\x00\x01\x02", &["c: BAD Verb", "c: Foreign(Other)"]),
        (C, b"EHLO me\r\n", &["c: BAD Verb", "c: Foreign(Other)"]),
        (S, b"220 smtp ready\r\n", &["s: BAD Verb", "s: Foreign(Other)"]),
        (S, b"HTTP/1.1 400 Bad Request\r\nA: b\r\n\r\nbody", &["s: HttpStatus(400)"]),
        (S, b"SSH-2.0-x\r\n", &["s: Foreign(Ssh)"]),
        (C, b"P", &[]),
        (C, b"PROXY NONSENSE\r\n", &["c: BAD Framing", "c: Foreign(Proxy)"]),
    ];
    for (side, bytes, want) in table {
        assert_eq!(seen(&[b(*side, bytes)]), *want, "{}", bytes.escape_ascii());
        // What follows a stranger's first bytes is not read.
        let mut more = seen(&[b(*side, bytes), b(*side, "PING\r\n")]);
        more.retain(|op| !op.ends_with("Ping"));
        if bytes.len() > 1 {
            assert_eq!(more, *want);
        }
    }
}

#[test]
fn proxy_headers() {
    let v4 = "PROXY TCP4 10.1.2.3 10.0.0.1 5555 4222\r\nCONNECT {}\r\n";
    let want = ["c: Proxy(Some(10.1.2.3:5555))", "c: CONNECT {}"];
    assert_eq!(same_at_every_split(&[b(C, v4)]), want);
    let v6 = "PROXY TCP6 2001:db8::7 ::1 5555 4222\r\nPING\r\n";
    assert_eq!(seen(&[b(C, v6)]), ["c: Proxy(Some([2001:db8::7]:5555))", "c: Ping"]);
    assert_eq!(seen(&[b(C, "PROXY UNKNOWN\r\nPING\r\n")]), ["c: Proxy(None)", "c: Ping"]);

    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f".to_vec();
    v2.extend([10, 1, 2, 3, 10, 0, 0, 1, 0x15, 0xb3, 0x10, 0x7e, 4, 0, 0]);
    v2.extend(b"CONNECT {}\r\n");
    assert_eq!(same_at_every_split(&[b(C, v2)]), want);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0PING\r\n";
    assert_eq!(seen(&[b(C, local)]), ["c: Proxy(None)", "c: Ping"]);
    // A chain of headers costs no stack.
    let chain = "PROXY UNKNOWN\r\n".repeat(50_000);
    assert_eq!(seen(&[b(C, chain)]).len(), 50_000);
}

#[test]
fn requests_may_come_in_pieces() {
    let get = "GET /a/b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cr3t\r\n\r\n";
    assert_eq!(same_at_every_split(&[b(C, get)]), ["c: HTTP GET /a/b", "c: Foreign(Http)"]);
    // A head that never ends.
    let endless = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(5000));
    assert_eq!(seen(&[b(C, endless)]), ["c: HTTP GET /", "c: Foreign(Http)"]);
}

fn mqtt_connect(flags: u8, fields: &[&[u8]]) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04".to_vec();
    body.extend([flags, 0, 30]);
    for field in fields {
        body.extend((field.len() as u16).to_be_bytes());
        body.extend(*field);
    }
    [vec![0x10, body.len() as u8], body].concat()
}

#[test]
fn mqtt() {
    let connect = mqtt_connect(0xc6, &[b"sensor-7", b"will/topic", b"bye", b"ann", b"s3cr3t"]);
    let publish = [b"\x30\xc8\x01".as_slice(), &[b'x'; 200]].concat();
    let client = [connect, publish, b"\x82\x06\0\x01\0\x01a\0\xc0\0\xe0\0".to_vec()].concat();
    let steps = [b(C, client), b(S, b"\x20\x02\0\x05\xd0\0")];
    let ops = same_at_every_split(&steps);
    assert_eq!(
        ops,
        [
            "c: MQTT sensor-7 30 ann",
            "c: Mqtt(Publish { len: 200 })",
            "c: Mqtt(Subscribe)",
            "c: Mqtt(Pingreq)",
            "c: Mqtt(Disconnect)",
            "s: Mqtt(Connack { code: 5 })",
            "s: Mqtt(Pingresp)",
        ]
    );
    assert_eq!(run(&steps).0.protocol(), Protocol::Mqtt);
    let hole = [
        b(C, mqtt_connect(2, &[b"id"])),
        b(C, b"\x30\x0aabc"),
        Step::Gap(C, 7),
        b(C, b"\xc0\0\x30\x05"),
        Step::Gap(C, 20),
        b(C, b"garbage"),
        b(C, b"\xe0\0"),
    ];
    assert_eq!(
        seen(&hole),
        [
            "c: MQTT id 30 -",
            "c: Mqtt(Publish { len: 10 })",
            "c: Mqtt(Pingreq)",
            "c: Mqtt(Publish { len: 5 })",
            "c: Mqtt(Disconnect)",
        ]
    );
}
