//! Notices, from frames.
use super::*;
use crate::wire::LinkType;
use etherparse::PacketBuilder;

const SERVER: [u8; 4] = [10, 0, 0, 9];

/// A segment of the conversation between 10.0.0.7:`port` and the server.
#[derive(Clone)]
struct Step {
    ms: i64,
    port: u16,
    from_server: bool,
    flags: &'static str,
    /// Octets the sender, and its peer, sent before.
    at: (u32, u32),
    window: u16,
    payload: String,
}

fn step(ms: i64, port: u16, from_server: bool, flags: &'static str, at: (u32, u32)) -> Step {
    Step { ms, port, from_server, flags, at, window: 500, payload: String::new() }
}

impl Step {
    fn says(mut self, payload: &str) -> Self {
        self.payload = payload.to_owned();
        self
    }

    fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    fn packet(&self) -> Vec<u8> {
        let client = ([10, 0, 0, 7], self.port);
        let server = (SERVER, 4222);
        let (from, to) = if self.from_server { (server, client) } else { (client, server) };
        let mut tcp = PacketBuilder::ipv4(from.0, to.0, 61).tcp(from.1, to.1, 1000 + self.at.0, self.window);
        for flag in self.flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                _ => tcp.ack(1000 + self.at.1),
            };
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, self.payload.as_bytes()).unwrap();
        packet
    }
}

/// What is told of these segments.
fn notices(steps: &[Step]) -> Vec<Notice> {
    let mut pipeline = Pipeline::new(Config {
        idle_timeout: Span::secs(60),
        settle: Span::secs(5),
        max_connections: 100,
        ..Config::default()
    });
    let mut told = Vec::new();
    let mut emit = |event| {
        if let Event::Notice(notice) = event {
            told.push(notice);
        }
    };
    for (number, step) in (1..).zip(steps) {
        let bytes = step.packet();
        let frame = Frame {
            capture: 0,
            iface: 0,
            number,
            at: Timestamp(0) + Span::millis(step.ms),
            wire_len: bytes.len() as u32,
            link: LinkType::RAW,
            bytes: &bytes,
        };
        pipeline.handle_frame(&frame, true, &mut emit);
    }
    pipeline.finish(&mut emit);
    told
}

fn codes(steps: &[Step]) -> Vec<&'static str> {
    notices(steps).iter().map(|n| n.code.name()).collect()
}

/// A handshake and the INFO of that server.
fn greeting(ms: i64, port: u16, id: &str) -> Vec<Step> {
    let info = format!("INFO {{\"server_id\":\"{id}\",\"version\":\"2.11.0\"}} \r\n");
    vec![
        step(ms, port, false, "S", (0, 0)),
        step(ms + 1, port, true, "SA", (0, 1)),
        step(ms + 2, port, false, "A", (1, 1)),
        step(ms + 3, port, true, "A", (1, 1)).says(&info),
    ]
}

/// Bytes of that INFO.
fn after_info(id: &str) -> u32 {
    greeting(0, 1, id)[3].payload.len() as u32 + 1
}

#[test]
fn a_client_that_does_not_read() {
    let told = |probes: &[i64], reopens: bool| {
        let (port, sent) = (40000, after_info("A"));
        let mut steps = greeting(0, port, "A");
        steps.push(step(10, port, false, "A", (1, sent)).window(0));
        for &ms in probes {
            steps.push(step(ms, port, true, "A", (sent - 1, 1)));
            steps.push(step(ms + 1, port, false, "A", (1, sent)).window(0));
        }
        if reopens {
            steps.push(step(9_000, port, false, "A", (1, sent)));
            steps.push(step(9_100, port, false, "A", (1, sent)).window(0));
            steps.push(step(9_400, port, true, "A", (sent - 1, 1)));
            steps.push(step(15_000, port, true, "A", (sent - 1, 1)));
        }
        notices(&steps)
    };
    assert!(told(&[], false).is_empty());
    assert!(told(&[300, 900, 2_100], false).is_empty(), "a quarter of write_deadline is 2.5 s");
    let one = told(&[300, 900, 2_100, 4_500, 6_000], false);
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].code, NoticeCode::SlowConsumerBuilding);
    assert_eq!((one[0].at, one[0].flow), (Timestamp(0) + Span::millis(4_500), Some(1)));
    assert_eq!(one[0].client.map(|c| c.port), Some(40000));
    assert_eq!(one[0].server.map(|s| s.port), Some(4222));
    assert_eq!(
        one[0].message,
        "10.0.0.7:40000 has not read for 4.5 s: its receive window is closed since 1970-01-01T00:00:00.010000Z, the \
         server probed it 4 times; past write_deadline (10.0 s by default), or with more than max_pending (64 MB by default) \
         waiting in its memory, the server drops it"
    );
    assert_eq!(told(&[300, 4_500], true).len(), 2, "once for each time it closes");
}

#[test]
fn octets_under_way_wait_as_well() {
    let (port, sent) = (40000, after_info("A"));
    let mut steps = greeting(0, port, "A");
    steps.push(step(10, port, false, "A", (1, sent)).window(0));
    steps.push(step(11, port, true, "A", (sent, 1)).says("MSG a 1 2\r\nhi\r\n"));
    steps.push(step(3_000, port, false, "A", (1, sent)).window(0));
    let told = notices(&steps);
    assert_eq!(told.len(), 1);
    assert!(told[0].message.contains("15 bytes sent to it are not acknowledged"), "{}", told[0].message);
}

#[test]
fn a_server_that_is_another_one() {
    let mut steps = greeting(0, 40000, "A");
    steps.push(step(5_000, 40000, true, "FA", (after_info("A"), 1)));
    steps.push(step(5_001, 40000, false, "FA", (1, after_info("A") + 1)));
    steps.extend(greeting(8_000, 40001, "B"));
    steps.extend(greeting(8_100, 40002, "B"));
    let told = notices(&steps);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].code, NoticeCode::ServerRestarted);
    assert_eq!(told[0].at, Timestamp(0) + Span::millis(8_003));
    assert_eq!(
        told[0].message,
        "10.0.0.9:4222 is another server than before: B 2.11.0 now, A 2.11.0 then; the old one was last heard 3.0 s before"
    );
    assert!(codes(&[greeting(0, 40000, "A"), greeting(10, 40001, "A")].concat()).is_empty());
}

#[test]
fn servers_behind_one_address_are_no_restarts() {
    let steps = [("A", 0), ("B", 500), ("A", 1_000), ("B", 9_000), ("A", 20_000)];
    let steps = (40000..).zip(steps).flat_map(|(port, (id, ms))| greeting(ms, port, id));
    assert!(codes(&steps.collect::<Vec<_>>()).is_empty());
}

#[test]
fn time_that_jumps() {
    let at = |ms: &[i64]| {
        let steps: Vec<Step> = ms.iter().map(|&ms| step(ms, 40000, true, "A", (1, 1))).collect();
        notices(&steps)
    };
    assert!(at(&[0, 500, 100, 3_000_000, 2_999_500]).is_empty());
    let told = at(&[0, 10_000, 7_500, 8_000, 3_700_000, 3_700_001]);
    assert_eq!(told.iter().map(|n| n.code).collect::<Vec<_>>(), [NoticeCode::ClockStep; 2]);
    assert_eq!(
        told[0].message,
        "capture time jumped back by 2.5 s at frame 3: times and durations across it are not certain"
    );
    assert!(told[1].message.starts_with("capture time jumped ahead by 1 h 1 min at frame 5:"));
    let wild: Vec<i64> = (0..40).map(|n| n % 2 * 5_000).collect();
    assert_eq!(at(&wild).len(), 10);
}

/// What is known of the one connection that these segments end, captured as Ethernet or without a link layer.
fn facts_of(steps: &[Step], ethernet: bool) -> String {
    let mut pipeline = Pipeline::new(Config { max_connections: 100, ..Config::default() });
    let mut told = String::new();
    let mut emit = |event| {
        if let Event::Close(close) = event {
            told.push_str(&format!("{:?} {:?}", close.close, close.facts));
        }
    };
    for (number, step) in (1..).zip(steps) {
        let (mut bytes, link) = if ethernet {
            ([[0; 12].as_slice(), &[8, 0]].concat(), LinkType::ETHERNET)
        } else {
            (Vec::new(), LinkType::RAW)
        };
        bytes.extend(step.packet());
        let (at, wire_len) = (Timestamp(0) + Span::millis(step.ms), bytes.len() as u32);
        let frame = Frame { capture: 0, iface: 0, number, at, wire_len, link, bytes: &bytes };
        pipeline.handle_frame(&frame, true, &mut emit);
    }
    pipeline.finish(&mut emit);
    told
}

#[test]
fn sides_that_turn_out_the_other_way_round_are_so_for_all_that_follows() {
    // The beginning is missing, and who was taken for the client says INFO.
    let info = "INFO {\"server_id\":\"N\",\"version\":\"2.12.1\"}\r\n";
    let connect = "CONNECT {\"lang\":\"go\",\"name\":\"orders\"}\r\n";
    let (i, c) = (info.len() as u32, connect.len() as u32);
    let steps = [
        step(0, 40_000, false, "A", (0, 0)),
        step(1, 40_000, true, "A", (0, 0)),
        step(2, 40_000, false, "A", (0, 0)).says(info),
        step(3, 40_000, true, "A", (0, i)).says(connect),
        step(4, 40_000, false, "A", (i, c)).says("PING\r\n"),
        step(5, 40_000, true, "A", (c, i + 6)).says("PONG\r\n"),
        step(6, 40_000, false, "FA", (i + 6, c + 6)),
        step(7, 40_000, true, "FA", (c + 6, i + 7)),
        step(8, 40_000, false, "A", (i + 7, c + 7)),
    ];
    let plain = facts_of(&steps, true);
    assert!(plain.contains("orders") && plain.contains("side: Server"), "{plain}");
    assert_eq!(plain, facts_of(&steps, false));
}
