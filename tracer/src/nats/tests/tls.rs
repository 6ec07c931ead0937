//! TLS records.
use super::*;

/// A record.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], (body.len() as u16).to_be_bytes().as_slice(), body].concat()
}

/// A vector with a two-byte length.
fn counted(body: &[u8]) -> Vec<u8> {
    [(body.len() as u16).to_be_bytes().as_slice(), body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], (body.len() as u16).to_be_bytes().as_slice(), body].concat()
}

/// As Go's crypto/tls sends it: version, random, session id, suites, compression, extensions.
fn client_hello(sni: &str) -> Vec<u8> {
    let name = counted(&[b"\0".as_slice(), &counted(sni.as_bytes())].concat());
    let extensions = [b"\0\x2b\0\x05\x04\x03\x04\x03\x03".as_slice(), b"\0\0", &counted(&name)].concat();
    let body = [
        b"\x03\x03".as_slice(),
        &[7; 32],
        b"\x20",
        &[8; 32],
        &counted(b"\x13\x01\x13\x02\xc0\x2f"),
        b"\x01\0",
        &counted(&extensions),
    ]
    .concat();
    let mut record = record(22, &handshake(1, &body));
    record[2] = 1;
    record
}

fn server_hello(tls13: bool) -> Vec<u8> {
    let extensions: &[u8] =
        if tls13 { b"\0\x33\0\x02\0\x1d\0\x2b\0\x02\x03\x04" } else { b"\xff\x01\0\x01\0" };
    let body =
        [b"\x03\x03".as_slice(), &[9; 32], b"\x20", &[8; 32], b"\x13\x01\0", &counted(extensions)].concat();
    record(22, &handshake(2, &body))
}

const WITH_TLS: &str = "INFO {\"server_id\":\"N1\",\"client_id\":1,\"tls_required\":true} \r\n";

#[test]
fn after_info() {
    let client =
        [client_hello("nats.example"), record(20, b"\x01"), record(23, &[0; 40]), record(23, &[0; 19])]
            .concat();
    let server = [server_hello(true), record(20, b"\x01"), record(23, &[0; 100])].concat();
    let steps = [b(S, WITH_TLS), b(C, client), b(S, server)];
    let ops = same_at_every_split(&steps);
    assert_eq!(
        ops[1..],
        [
            "c: Tls(ClientHello { sni: Some(\"nats.example\") })",
            "c: Tls(ChangeCipherSpec)",
            "c: Tls(Data { len: 40 })",
            "c: Tls(Data { len: 19 })",
            "s: Tls(ServerHello { version: 772 })",
            "s: Tls(ChangeCipherSpec)",
            "s: Tls(Data { len: 100 })",
        ]
    );
    assert_eq!(run(&steps).0.protocol(), Protocol::Client);
}

#[test]
fn tls_first_and_1_2() {
    let client = [
        client_hello("a"),
        record(22, &[16; 50]),
        record(20, b"\x01"),
        record(22, &[0; 40]),
        record(21, &[0; 26]),
    ];
    let server = [server_hello(false), record(22, &[11; 900]), record(21, b"\x02\x28")];
    let steps = [b(C, client.concat()), b(S, server.concat())];
    let (conversation, ops) = run(&steps);
    assert_eq!(
        ops,
        [
            "c: Tls(ClientHello { sni: Some(\"a\") })",
            "c: Tls(ChangeCipherSpec)",
            "c: Tls(Data { len: 40 })",
            "c: Tls(EncryptedAlert { len: 26 })",
            "s: Tls(ServerHello { version: 771 })",
            "s: Tls(Alert { level: 2, description: 40 })",
        ]
    );
    assert_eq!(conversation.protocol(), Protocol::Tls);
    same_at_every_split(&steps);
}

#[test]
fn to_a_plain_listener() {
    let answer = "-ERR 'Unknown Protocol Operation'\r\n";
    let hello = "c: Tls(ClientHello { sni: Some(\"a\") })";
    let error = "s: ERR Unknown Protocol Operation";
    let late = run(&[b(S, INFO), b(C, client_hello("a")), b(S, answer)]).1;
    assert_eq!(late[1..], ["c: Foreign(Tls)", hello, error]);
    let early = run(&[b(C, client_hello("a")), b(S, INFO), b(S, answer)]).1;
    assert_eq!([&early[0], &early[2], &early[3]], [hello, "c: Foreign(Tls)", error]);
    // The client refuses the certificate in clear.
    let refused = run(&[b(S, WITH_TLS), b(C, record(21, b"\x02\x30"))]).1;
    assert_eq!(refused[1..], ["c: Tls(Alert { level: 2, description: 48 })"]);
}

#[test]
fn holes() {
    let hello = client_hello("cut.example");
    let steps = [
        b(S, WITH_TLS),
        b(C, &hello[..60]),
        Step::Gap(C, hello.len() as u64 - 60),
        b(C, [record(20, b"\x01"), record(23, &[0; 50])[..20].to_vec()].concat()),
        Step::Gap(C, 35),
        b(C, record(23, &[1; 30])),
        Step::Gap(C, 400),
        b(C, [9; 30]),
        b(C, record(23, &[2; 31])),
    ];
    assert_eq!(
        run(&steps).1[1..],
        [
            "c: Tls(ClientHello { sni: None })",
            "c: Tls(ChangeCipherSpec)",
            "c: Tls(Data { len: 50 })",
            "c: Tls(Data { len: 30 })",
            "c: Tls(Data { len: 31 })",
        ]
    );
    let mut joined = Conversation::new();
    joined.midstream();
    let seen = drive(&mut joined, &[b(C, [5; 20]), b(C, record(23, &[1; 60])), b(S, record(23, &[1; 61]))]);
    assert_eq!(seen, ["c: Tls(Data { len: 60 })", "s: Tls(Data { len: 61 })"]);
    assert_eq!(joined.protocol(), Protocol::Tls);
}
