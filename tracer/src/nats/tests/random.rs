//! Any split gives the same; any bytes are survived.
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// One operation as bytes, for either direction.
fn op() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"PING\r\n".to_vec()),
        Just(b"-ERR 'x'\r\n".to_vec()),
        ("[a-z.]{1,20}", vec(any::<u8>(), 0..300)).prop_map(|(subject, body)| {
            [format!("PUB {subject} {}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat()
        }),
        ("[a-z.]{1,20}", vec(any::<u8>(), 0..300)).prop_map(|(subject, body)| {
            [format!("MSG {subject} 1 {}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat()
        }),
        ("(PUB [a-z.]{1,30}|MSG [a-z]{1,30} 1)", vec(any::<u8>(), 0..40), 1usize..9).prop_map(
            |(line, body, times)| {
                [format!("{line} {}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat().repeat(times)
            }
        ),
        "[a-z ]{0,90}".prop_map(|text| {
            let block = format!("NATS/1.0\r\nA: {text}\r\n\r\n");
            format!("HPUB a b {0} {0}\r\n{block}\r\nHMSG a 1 {0} {0}\r\n{block}\r\n", block.len())
                .into_bytes()
        }),
        "[a-z ]{0,200}".prop_map(|text| {
            let block = format!("NATS/1.0 {text}\r\n\r\n");
            format!("HMSG a 1 {0} {0}\r\n{block}\r\n", block.len()).into_bytes()
        }),
        "[a-z]{1,9}".prop_map(|subject| format!("SUB {subject} 1\r\n").into_bytes()),
    ]
}

/// Bytes that come near to what the layers look for.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"INFO {}\r\n",
        b"CONNECT {}\r\n",
        b"PUB a 5\r\n",
        b"MSG a 1 3\r\n",
        b"HMSG a 1 12 12\r\n",
        b"NATS/1.0 1",
        b"\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 x\r\n\r\n",
        b"\x82\x85abcd",
        b"\xc2\x05",
        b"\x88\x02",
        b"\x16\x03\x01\0\x10",
        b"\x17\x03\x03\0\x05",
        b"\x15\x03\x03\0\x02",
        b"\xff\x06\0\0S2sTwO",
        b"\x01\x09\0\0",
        b"\0\x09\0\0",
        b"\x10\x0e\0\x04MQTT\x04\x02\0\x1e\0\x02id",
        b"\x30\x05",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        b"RMSG + | 1\r\n",
        b"LMSG a b c d 1 2\r\n",
        b"HMSG 1 1\r\n",
        b"RMSG 3\r\n",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    vec(
        prop_oneof![
            4 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
            1 => vec(any::<u8>(), 0..40),
        ],
        0..12,
    )
    .prop_map(|parts| parts.concat())
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(C), Just(S)];
    prop_oneof![
        6 => (side.clone(), near()).prop_map(|(side, bytes)| Step::Bytes(side, bytes)),
        1 => (side, prop_oneof![0u64..50, any::<u64>()]).prop_map(|(side, n)| Step::Gap(side, n)),
    ]
}

proptest! {
    #[test]
    fn splits(ops in vec(op(), 1..20), cuts in vec(1usize..400, 0..60)) {
        let all = [INFO.as_bytes().to_vec(), ops.concat()].concat();
        let whole = run(&[b(S, &all)]).1;
        let mut pieces = Vec::new();
        let mut rest = &all[..];
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(b(S, head));
            rest = tail;
        }
        pieces.push(b(S, rest));
        prop_assert_eq!(run(&pieces).1, whole);
    }

    #[test]
    fn a_hole_never_invents(ops in vec(op(), 2..20), at in 0usize..2000, len in 1usize..500) {
        // What is told after a hole was told without it.
        let all = ops.concat();
        let start = at.min(all.len());
        let end = (start + len).min(all.len());
        let whole = run(&[b(S, INFO), b(S, &all)]).1;
        let holed = run(&[b(S, INFO), b(S, &all[..start]), Step::Gap(S, (end - start) as u64), b(S, &all[end..])]).1;
        prop_assert!(holed.len() <= whole.len());
        prop_assert!(holed.iter().all(|op| !op.contains("BAD")), "{:?}", holed);
    }

    #[test]
    fn anything(steps in vec(step(), 0..12), midstream: bool, swap: bool) {
        let mut conversation = Conversation::new();
        if midstream {
            conversation.midstream();
        }
        let half = steps.len() / 2;
        let mut seen = drive(&mut conversation, &steps[..half]).len();
        if swap {
            conversation.swap_sides();
        }
        seen += drive(&mut conversation, &steps[half..]).len();
        let fed: usize = steps.iter().map(|s| if let Step::Bytes(_, bytes) = s { bytes.len() } else { 1 }).sum();
        prop_assert!(seen <= fed + 4, "{} operations from {} bytes", seen, fed);
        let _ = (conversation.protocol(), conversation.is_mid_message(C), conversation.pending_line(S));
    }

    #[test]
    fn noise(bytes in vec(any::<u8>(), 0..3000), client: bool) {
        let side = if client { C } else { S };
        let (_, seen) = run(&[b(side, &bytes)]);
        prop_assert!(seen.len() <= bytes.len() + 2);
    }
}
