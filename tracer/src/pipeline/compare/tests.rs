//! Frames by hand, sent from one point to the other over a path that does to them what the test says.
use super::{Comparison, Path, Recording, Verdict, compare};
use crate::base::{PortSet, Side, Span, Timestamp};
use crate::event::Frame;
use crate::wire::LinkType;
use proptest::prelude::*;

mod confidence;

const BEGIN: i64 = 1_795_348_800_000_000_000;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A TCP segment in IPv4.
#[derive(Clone, Debug)]
struct Seg {
    src: ([u8; 4], u16),
    dst: ([u8; 4], u16),
    ttl: u8,
    id: u16,
    seq: u32,
    ack: u32,
    flags: u8,
    mss: u16,
    tsval: u32,
    payload: Vec<u8>,
}

impl Seg {
    fn bytes(&self) -> Vec<u8> {
        let mut options = Vec::new();
        if self.flags & SYN != 0 {
            options.extend([2, 4]);
            options.extend(self.mss.to_be_bytes());
            options.extend([1, 3, 3, 7]);
        }
        if self.tsval != 0 {
            options.extend([1, 1, 8, 10]);
            options.extend(self.tsval.to_be_bytes());
            options.extend([0; 4]);
        }
        let len = 40 + options.len() + self.payload.len();
        let mut out = vec![0x45, 0];
        out.extend((len as u16).to_be_bytes());
        out.extend(self.id.to_be_bytes());
        out.extend([0x40, 0, self.ttl, 6, 0, 0]);
        out.extend(self.src.0);
        out.extend(self.dst.0);
        out.extend(self.src.1.to_be_bytes());
        out.extend(self.dst.1.to_be_bytes());
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend([((20 + options.len()) as u8 / 4) << 4, self.flags, 1, 0, 0, 0, 0, 0]);
        out.extend(options);
        out.extend(&self.payload);
        out
    }
}

/// Both capture points, one clock that is right and one that is not.
struct Lab {
    a: Vec<(i64, Seg)>,
    b: Vec<(i64, Seg)>,
    /// The server side's clock shows that much more, in µs, and this many parts per million faster.
    ahead: i64,
    ppm: i64,
    now: i64,
    next: [u32; 2],
    /// What the other end has of each.
    heard: [u32; 2],
    id: u16,
    client: ([u8; 4], u16),
    /// As the server's side sees the client.
    outside: ([u8; 4], u16),
    /// Added to the client's sequence numbers on the way.
    shift: u32,
    delay: i64,
}

const SERVER: ([u8; 4], u16) = ([10, 0, 2, 5], 4222);

impl Lab {
    fn new() -> Self {
        let client = ([10, 0, 1, 7], 51234);
        Self {
            a: vec![],
            b: vec![],
            ahead: 3_000_000,
            ppm: 0,
            now: 0,
            next: [u32::MAX - 300, 77_000],
            heard: [u32::MAX - 300, 77_000],
            id: 1,
            client,
            outside: client,
            shift: 0,
            delay: 200,
        }
    }

    fn later(&mut self, us: i64) -> &mut Self {
        self.now += us;
        self
    }

    fn segment(&mut self, side: Side, flags: u8, payload: &[u8]) -> Seg {
        let (me, other) = if side == Side::Client { (0, 1) } else { (1, 0) };
        self.id += 1;
        let (src, dst) = if me == 0 { (self.client, SERVER) } else { (SERVER, self.client) };
        let seg = Seg {
            src,
            dst,
            ttl: 64,
            id: self.id,
            seq: self.next[me],
            ack: if flags & ACK != 0 { self.heard[other] } else { 0 },
            flags,
            mss: 1460,
            tsval: 1000 + (self.now / 1000) as u32,
            payload: payload.to_vec(),
        };
        let takes = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[me] = self.next[me].wrapping_add(takes);
        seg
    }

    fn at_b(&self, us: i64) -> i64 {
        us + self.ahead + us * self.ppm / 1_000_000
    }

    /// Seen near its sender.
    fn near(&mut self, side: Side, seg: &Seg) {
        match side {
            Side::Client => self.a.push((self.now, seg.clone())),
            Side::Server => {
                let (at, seg) = (self.at_b(self.now), self.outer(side, seg.clone()));
                self.b.push((at, seg));
            }
        }
    }

    /// Seen near its receiver.
    fn far(&mut self, side: Side, mut seg: Seg) {
        let me = usize::from(side == Side::Server);
        let end = seg.seq.wrapping_add(seg.payload.len() as u32 + u32::from(seg.flags & (SYN | FIN) != 0));
        if (end.wrapping_sub(self.heard[me]) as i32) > 0 {
            self.heard[me] = end;
        }
        seg.ttl -= 2;
        self.now += self.delay;
        match side {
            Side::Client => {
                let (at, seg) = (self.at_b(self.now), self.outer(side, seg));
                self.b.push((at, seg));
            }
            Side::Server => self.a.push((self.now, seg)),
        }
    }

    /// As it is outside of the translator.
    fn outer(&self, side: Side, mut seg: Seg) -> Seg {
        match side {
            Side::Client => {
                seg.src = self.outside;
                seg.seq = seg.seq.wrapping_add(self.shift);
            }
            Side::Server => {
                seg.dst = self.outside;
                seg.ack = if seg.flags & ACK != 0 { seg.ack.wrapping_add(self.shift) } else { 0 };
            }
        }
        seg
    }

    fn send(&mut self, side: Side, flags: u8, payload: &[u8]) -> Seg {
        let seg = self.segment(side, flags, payload);
        self.near(side, &seg);
        self.far(side, seg.clone());
        seg
    }

    fn lose(&mut self, side: Side, flags: u8, payload: &[u8]) -> Seg {
        let seg = self.segment(side, flags, payload);
        self.near(side, &seg);
        seg
    }

    /// The same segment once more.
    fn again(&mut self, side: Side, seg: &Seg, arrives: bool) {
        self.id += 1;
        let seg = Seg { id: self.id, tsval: 1000 + (self.now / 1000) as u32, ..seg.clone() };
        self.near(side, &seg);
        if arrives {
            self.far(side, seg);
        }
    }

    fn shake_hands(&mut self) -> &mut Self {
        self.send(Side::Client, SYN, b"");
        self.send(Side::Server, SYN | ACK, b"");
        self.send(Side::Client, ACK, b"");
        self
    }

    /// Data both ways, acknowledged.
    fn talk(&mut self, times: usize) -> &mut Self {
        for n in 0..times {
            self.later(10_000);
            self.send(Side::Client, ACK, format!("PUB some.subject {n} with a longer text\r\n").as_bytes());
            self.send(Side::Server, ACK, format!("MSG some.subject {n} with a longer text\r\n").as_bytes());
            self.send(Side::Client, ACK, b"");
        }
        self
    }

    fn recordings(&self) -> [Recording; 2] {
        [&self.a, &self.b].map(|list| {
            let mut sorted = list.clone();
            sorted.sort_by_key(|(at, _)| *at);
            let mut recording = Recording::new(PortSet::default());
            for (number, (us, seg)) in (1u64..).zip(&sorted) {
                let bytes = seg.bytes();
                recording.handle_frame(&frame(number, BEGIN + us * 1000, &bytes));
            }
            recording
        })
    }

    fn compared(&self) -> Comparison {
        let [a, b] = self.recordings();
        compare(a, b)
    }

    fn path(&self) -> Path {
        let found = self.compared();
        assert_eq!(found.paths.len(), 1, "{:#?}", found.paths);
        found.paths.into_iter().next().unwrap()
    }
}

fn frame(number: u64, at: i64, bytes: &[u8]) -> Frame<'_> {
    let wire_len = bytes.len() as u32;
    Frame { capture: 0, iface: 0, number, at: Timestamp(at), wire_len, link: LinkType::RAW, bytes }
}

fn fields(path: &Path) -> Vec<&'static str> {
    path.rewritten.iter().map(|r| r.field).collect()
}

#[test]
fn clean_with_clocks_apart() {
    for ahead in [3_000_000, -86_400_000_000] {
        let mut lab = Lab { ahead, ..Lab::new() };
        lab.shake_hands().talk(5);
        let found = lab.compared();
        let clock = found.clock.unwrap();
        let off = (clock.offset.0 - ahead * 1000).abs();
        assert!(off <= clock.uncertainty.unwrap().0, "{clock:?}");
        assert_eq!(clock.round_trip, Some(Span::micros(400)));
        let path = &found.paths[0];
        assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
        assert_eq!(path.directions.client.delay.unwrap().min, Span::micros(200));
        assert_eq!(path.directions.client.hops, Some(2));
        assert!(path.rewritten.is_empty() && found.warnings.is_empty(), "{found:?}");
    }
}

#[test]
fn drift_is_told() {
    let mut lab = Lab { ppm: 40, ..Lab::new() };
    lab.shake_hands();
    for _ in 0..60 {
        lab.later(10_000_000).talk(1);
    }
    let clock = lab.compared().clock.unwrap();
    assert!((clock.drift_ppm - 40.0).abs() < 8.0, "{clock:?}");
}

#[test]
fn a_lost_segment_is_placed() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    let lost = lab.lose(Side::Client, ACK, b"PUB lost 1\r\nx\r\n");
    lab.later(200_000).again(Side::Client, &lost, true);
    lab.talk(2);
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::Loss, "{}", path.summary);
    let d = &path.directions.client;
    assert_eq!((d.lost, d.lost_bytes, d.not_captured, d.undecided), (1, 15, 0, 0));
    let loss = d.losses[0];
    assert_eq!((loss.seq, loss.len), (lost.seq, 15));
    assert_eq!((loss.number, loss.after), (13, Some(12)));
    assert!(path.summary.contains("no. 13 at the client side, due after no. 12 at the server side"));
    assert_eq!(path.directions.server.lost, 0);
}

#[test]
fn acknowledged_is_not_lost() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(2);
    // Never in the capture at the server's side, but the server has it.
    lab.lose(Side::Client, ACK, b"PUB missed 1\r\nx\r\n");
    lab.heard = lab.next;
    lab.later(400).send(Side::Server, ACK, b"");
    lab.talk(2);
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
    assert_eq!((path.directions.client.lost, path.directions.client.not_captured), (0, 1));
}

#[test]
fn translated_addresses_and_numbers() {
    for shift in [0, 1_234_567, u32::MAX - 5] {
        let mut lab = Lab { outside: ([192, 0, 2, 9], 61_000), shift, ..Lab::new() };
        lab.shake_hands().talk(4);
        let lost = lab.lose(Side::Server, ACK, b"MSG lost 1\r\nx\r\n");
        lab.later(200_000).again(Side::Server, &lost, true);
        lab.talk(1);
        let path = lab.path();
        assert_eq!(path.verdict, Verdict::Loss, "{}", path.summary);
        assert_eq!((path.directions.client.lost, path.directions.server.lost), (0, 1));
        let mut expected = vec!["address", "port"];
        expected.extend((shift != 0).then_some("sequence_number"));
        assert_eq!(fields(&path), expected);
    }
}

#[test]
fn translated_midstream() {
    for shift in [0, 99_999] {
        let mut lab = Lab { outside: ([192, 0, 2, 9], 61_000), shift, ..Lab::new() };
        lab.talk(8);
        let path = lab.path();
        assert_eq!(path.verdict, Verdict::Clean, "{shift}: {}", path.summary);
        assert_eq!(path.directions.client.arrived, 16);
    }
}

#[test]
fn clamped_mss() {
    let mut lab = Lab::new();
    let syn = lab.segment(Side::Client, SYN, b"");
    lab.near(Side::Client, &syn);
    lab.far(Side::Client, Seg { mss: 1360, ..syn });
    lab.send(Side::Server, SYN | ACK, b"");
    lab.send(Side::Client, ACK, b"");
    let path = lab.talk(1).path();
    assert_eq!(path.verdict, Verdict::Clean);
    let mss = &path.rewritten[0];
    assert_eq!((mss.field, mss.client_side.as_str(), mss.server_side.as_str()), ("mss", "1460", "1360"));
}

#[test]
fn a_direction_dies() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    let first = lab.lose(Side::Server, ACK, b"MSG a 1 5\r\nhello\r\n");
    for n in 0..5 {
        lab.later(200_000 << n).again(Side::Server, &first, false);
        lab.send(Side::Client, ACK, b"PING\r\n");
    }
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::DirectionDied, "{}", path.summary);
    let died = path.directions.server.died.unwrap();
    assert_eq!((died.sent_after, died.other_went_on), (6, 5));
    assert!(path.directions.client.died.is_none());
}

#[test]
fn both_directions_die() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    let (x, y) = (lab.lose(Side::Server, ACK, b"MSG a 1 0\r\n"), lab.lose(Side::Client, ACK, b"PING\r\n"));
    for _ in 0..3 {
        lab.later(300_000).again(Side::Server, &x, false);
        lab.later(1_000).again(Side::Client, &y, false);
    }
    assert_eq!(lab.path().verdict, Verdict::PathDied);
}

#[test]
fn a_reset_born_between() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    let rst = lab.segment(Side::Server, RST, b"");
    lab.far(Side::Server, rst);
    lab.later(50_000).send(Side::Server, ACK, b"MSG b 1 0\r\n\r\n");
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::ResetInjected, "{}", path.summary);
    assert_eq!(path.directions.server.births[0].number, 13);
    assert!(path.summary.contains("no. 13"), "{}", path.summary);
}

#[test]
fn a_reset_of_the_end_itself_is_none() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(3);
    lab.send(Side::Server, RST | ACK, b"");
    assert_eq!(lab.path().verdict, Verdict::Clean);
}

#[test]
fn one_large_segment_here_many_there() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(1);
    let text: Vec<u8> = (0..5792u32).map(|n| b'a' + (n % 23) as u8).collect();
    let large = lab.segment(Side::Server, ACK, &text);
    lab.near(Side::Server, &large);
    for (n, part) in text.chunks(1448).enumerate() {
        // The third is lost on the way.
        if n != 2 {
            let seq = large.seq.wrapping_add(n as u32 * 1448);
            lab.far(
                Side::Server,
                Seg { seq, payload: part.to_vec(), id: large.id + n as u16, ..large.clone() },
            );
        }
    }
    lab.later(1_000);
    let third =
        Seg { seq: large.seq.wrapping_add(2896), payload: text[2896..4344].to_vec(), ..large.clone() };
    lab.again(Side::Server, &third, true);
    lab.send(Side::Client, ACK, b"");
    let path = lab.talk(1).path();
    let d = &path.directions.server;
    assert_eq!((d.lost, d.lost_bytes, d.born, d.duplicated), (1, 1448, 0, 0), "{}", path.summary);
    assert_eq!(d.losses[0].seq, large.seq.wrapping_add(2896));
}

#[test]
fn many_segments_here_one_large_there() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(1);
    let parts: Vec<Seg> = (0..4).map(|_| lab.segment(Side::Server, ACK, &[b'x'; 1000])).collect();
    for part in &parts {
        lab.near(Side::Server, part);
    }
    lab.far(Side::Server, Seg { payload: vec![b'x'; 4000], ..parts[0].clone() });
    let path = lab.talk(1).path();
    assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
}

#[test]
fn named_the_wrong_way_round() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(2);
    let [a, b] = lab.recordings();
    let found = compare(b, a);
    assert!(found.swapped && !found.warnings.is_empty());
    assert_eq!(found.paths[0].verdict, Verdict::Clean);
    assert_eq!(found.paths[0].directions.client.delay.unwrap().min, Span::micros(200));
}

#[test]
fn other_octets() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(1);
    let seg = lab.segment(Side::Client, ACK, b"PUB secret 5\r\nhello\r\n");
    lab.near(Side::Client, &seg);
    lab.far(Side::Client, Seg { payload: b"PUB public 5\r\nhello\r\n".to_vec(), ..seg });
    let path = lab.talk(1).path();
    assert_eq!(path.verdict, Verdict::PayloadChanged, "{}", path.summary);
}

#[test]
fn copies_and_disorder() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(1);
    let (x, y) = (lab.segment(Side::Client, ACK, b"first"), lab.segment(Side::Client, ACK, b"second"));
    lab.near(Side::Client, &x);
    lab.later(10).near(Side::Client, &y);
    lab.far(Side::Client, y.clone());
    lab.far(Side::Client, x);
    lab.far(Side::Client, y);
    let path = lab.talk(1).path();
    let d = &path.directions.client;
    assert_eq!((d.reordered, d.duplicated, d.lost, d.born), (1, 1, 0, 0), "{}", path.summary);
}

#[test]
fn behind_the_server_side() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(2);
    let seg = lab.send(Side::Client, ACK, b"PING\r\n");
    for n in 0..4 {
        lab.later(200_000 << n).again(Side::Client, &seg, true);
    }
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::DiedBeyondServerSide, "{}", path.summary);
}

#[test]
fn attempts_that_never_arrive() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(2);
    lab.client = ([10, 0, 1, 7], 51235);
    (lab.next, lab.heard) = ([5, 6], [5, 6]);
    let syn = lab.lose(Side::Client, SYN, b"");
    lab.later(1_000_000).again(Side::Client, &syn, false);
    lab.client = ([10, 0, 1, 7], 51236);
    lab.outside = lab.client;
    lab.shake_hands();
    let found = lab.compared();
    let verdicts: Vec<_> = found.paths.iter().map(|path| path.verdict).collect();
    assert_eq!(verdicts, [Verdict::Clean, Verdict::NeverArrived, Verdict::Clean]);
    assert_eq!(found.paths[1].directions.client.lost, 2);
}

#[test]
fn the_same_ports_used_again() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(1);
    lab.send(Side::Client, FIN | ACK, b"");
    lab.send(Side::Server, FIN | ACK, b"");
    (lab.next, lab.heard) = ([900_000, 1_900_000], [900_000, 1_900_000]);
    lab.later(5_000_000).shake_hands().talk(1);
    let found = lab.compared();
    assert_eq!(found.paths.len(), 2);
    assert!(found.paths.iter().all(|path| path.verdict == Verdict::Clean), "{found:#?}");
}

#[test]
fn one_capture_begins_later() {
    let mut lab = Lab::new();
    lab.shake_hands().talk(6);
    lab.b.drain(..9);
    let path = lab.path();
    assert_eq!(path.verdict, Verdict::Clean, "{}", path.summary);
    assert!(path.directions.client.undecided > 0);
}

#[test]
fn nothing_to_compare() {
    let empty = || Recording::new(PortSet::default());
    let found = compare(empty(), empty());
    assert!(found.paths.is_empty() && found.clock.is_none());
    let mut lab = Lab::new();
    lab.shake_hands();
    let [a, _] = lab.recordings();
    let found = compare(a, empty());
    assert_eq!(found.paths[0].verdict, Verdict::OnlyClientSide);
    assert_eq!(found.warnings, ["the capture at the server's side has no packet at all"]);
}

fn any_segment() -> impl Strategy<Value = (bool, i64, Seg)> {
    let numbers = prop_oneof![Just(0u32), Just(1000), Just(u32::MAX), 0u32..4000, any::<u32>()];
    let ends = (0u8..3, any::<bool>(), 0u16..2);
    let rest = (0u8..64, prop_oneof![Just(64u8), Just(63), Just(128)], 0u16..3, 0usize..40, 0i64..3_000_000);
    (any::<bool>(), ends, (numbers.clone(), numbers), rest).prop_map(
        |(here, (host, up, port), (seq, ack), (flags, ttl, id, len, at))| {
            let client = ([10, 0, 1, host], 50_000 + port);
            let (src, dst) = if up { (client, SERVER) } else { (SERVER, client) };
            let payload = vec![b'x'; len];
            (here, at, Seg { src, dst, ttl, id, seq, ack, flags, mss: 1460, tsval: (at % 3) as u32, payload })
        },
    )
}

proptest! {
    /// Whatever the two captures hold, every segment is counted once.
    #[test]
    fn anything_is_counted(frames in proptest::collection::vec(any_segment(), 0..200)) {
        let mut sides = [Recording::new(PortSet::default()), Recording::new(PortSet::default())];
        let mut sent = 0;
        for (number, (here, at, seg)) in (1u64..).zip(&frames) {
            sides[usize::from(*here)].handle_frame(&frame(number, BEGIN + at * 1000, &seg.bytes()));
            sent += 1;
        }
        let [a, b] = sides;
        let again: u64 = [&a, &b].iter().flat_map(|r| &r.connections).flat_map(|c| [&c.streams.client, &c.streams.server]).map(|s| s.again).sum();
        let found = compare(a, b);
        let mut seen = 0;
        for path in &found.paths {
            for side in Side::BOTH {
                let d = &path.directions[side];
                seen += d.sent + d.received;
                prop_assert!(d.arrived + d.lost + d.lost_acks + d.not_captured + d.undecided >= d.sent
                    || matches!(path.verdict, Verdict::OnlyClientSide | Verdict::OnlyServerSide | Verdict::Proxied));
                prop_assert!(d.born + d.duplicated + d.not_captured_near <= d.received);
            }
            prop_assert!(!path.summary.is_empty() && !path.advice.is_empty());
        }
        prop_assert_eq!(seen + again, sent);
    }

    /// No octets make it panic.
    #[test]
    fn garbage_is_no_harm(frames in proptest::collection::vec((any::<bool>(), any::<i64>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..40)) {
        let mut sides = [Recording::new("all".parse().unwrap()), Recording::new("all".parse().unwrap())];
        for (number, (here, at, bytes)) in (1u64..).zip(&frames) {
            let mut bytes = bytes.clone();
            if let Some(first) = bytes.first_mut() {
                *first = 0x45;
            }
            if let Some(protocol) = bytes.get_mut(9) {
                *protocol = 6;
            }
            sides[usize::from(*here)].handle_frame(&frame(number, *at, &bytes));
        }
        let [a, b] = sides;
        let found = compare(a, b);
        prop_assert!(found.frames.iter().sum::<u64>() == frames.len() as u64);
    }
}
