//! The sets: what each is made of. Sizes at scale 1 are those of the speed goals.
use super::{Conn, EPOCH, Rng, Take};

/// Payload octets of one batched message.
pub const BATCH_PAYLOAD: usize = 256;
/// Payload octets of a full segment.
const SEGMENT: usize = 1448;
/// Frames of the set `small`.
const SMALL_FRAMES: f64 = 10_000_000.0;
/// Payload octets of a frame of 130.
const SMALL_PAYLOAD: usize = 64;

/// A set of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// 1.1 GB of batched messages in full segments on few connections.
    Bulk,
    /// 10 million frames of 130 octets, one message each.
    Small,
    /// A million short connections.
    Churn,
    /// Like `bulk`, with 2 % out of order, 1 % sent twice, 1 % that the capture missed.
    Lossy,
    /// 90 % is not NATS.
    Noise,
    /// 5 million SYNs of as many clients beside a few real connections.
    Flood,
}

impl Set {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Bulk, Self::Small, Self::Churn, Self::Lossy, Self::Noise, Self::Flood];

    /// Its word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Small => "small",
            Self::Churn => "churn",
            Self::Lossy => "lossy",
            Self::Noise => "noise",
            Self::Flood => "flood",
        }
    }

    /// The set of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Makes its frames, in order of time.
    pub fn each(self, scale: f64, take: &mut Take<'_>) {
        let times = |n: f64| (n * scale).max(1.0) as u64;
        let whole = match self {
            Self::Bulk => bulk(times(700_000.0), None, take),
            Self::Small => small(times(SMALL_FRAMES), take),
            Self::Churn => churn(times(1_000_000.0), take),
            Self::Lossy => bulk(times(700_000.0), Some(Rng::new(4222)), take),
            Self::Noise => noise(times(5_000_000.0), take),
            Self::Flood => flood(times(5_000_000.0), take),
        };
        let _ = whole;
    }
}

/// Segments cut out of an endless stream of messages.
struct Cutter {
    stream: Vec<u8>,
    at: usize,
}

impl Cutter {
    fn new(connection: u64) -> Self {
        let mut stream = Vec::new();
        for i in 0..64 {
            let head = format!("MSG orders.eu.{connection}.new{} 7 {BATCH_PAYLOAD}\r\n", i % 10);
            stream.extend_from_slice(head.as_bytes());
            stream.extend((0..BATCH_PAYLOAD).map(|b| b'a' + ((b * 7 + i) % 26) as u8));
            stream.extend_from_slice(b"\r\n");
        }
        // Behind its end its beginning once more, so that any segment is one slice.
        let again: Vec<u8> = stream.iter().take(SEGMENT).copied().collect();
        stream.extend(again);
        Self { stream, at: 0 }
    }

    fn segment(&mut self) -> &[u8] {
        let from = self.at;
        self.at += SEGMENT;
        let whole = self.stream.len() - SEGMENT;
        if self.at >= whole {
            self.at -= whole;
        }
        self.stream.get(from..from + SEGMENT).unwrap_or_default()
    }
}

/// `segments` full segments from server to clients on four connections, an ACK for every second, a PUB for every
/// hundredth, PINGs now and then. `faults`: out of order, sent twice, missed.
fn bulk(segments: u64, mut faults: Option<Rng>, take: &mut Take<'_>) -> bool {
    let mut at = EPOCH;
    let mut conns: Vec<(Conn, Cutter, Option<Vec<u8>>)> =
        (0..4).map(|i| (Conn::new(i, 4222), Cutter::new(i), None)).collect();
    for (conn, _, _) in &mut conns {
        if !conn.open(&mut at, take) {
            return false;
        }
    }
    let count = conns.len() as u64;
    for n in 0..segments {
        // Runs of sixteen, as batches leave a host.
        let Some((conn, cutter, held)) = conns.get_mut((n / 16 % count) as usize) else { return false };
        at += 1_200;
        let payload = cutter.segment();
        let frame = conn.frame(1, Conn::ACK, payload, at);
        let frame = frame.get(..66 + SEGMENT).unwrap_or_default();
        let fault = faults.as_mut().map_or(99, |rng| rng.below(100));
        let go_on = match (fault, held.take()) {
            // Missed.
            (0, None) => true,
            (1, None) => take(at, frame) && take(at + 100, frame),
            // Held until the next has passed.
            (2 | 3, None) => {
                *held = Some(frame.to_vec());
                true
            }
            (_, Some(early)) => take(at, frame) && take(at + 100, &early),
            _ => take(at, frame),
        };
        if !go_on {
            return false;
        }
        if n % 2 == 1 && held.is_none() {
            at += 300;
            let payload: &[u8] = match n % 200 {
                199 => b"PUB orders.ack 16\r\n0123456789abcdef\r\n",
                99 if n % 20_000 == 99 => b"PING\r\n",
                _ => b"",
            };
            if !conn.segment(0, Conn::ACK, payload, at, take) {
                return false;
            }
            if payload == b"PING\r\n" && !in_between(conn, cutter, at, take) {
                return false;
            }
        }
    }
    true
}

/// The server's PONG, which may come only between two messages: the rest of the message comes with it.
fn in_between(conn: &mut Conn, cutter: &mut Cutter, at: i64, take: &mut Take<'_>) -> bool {
    let whole = cutter.stream.len() - SEGMENT;
    let message = whole / 64;
    let rest = message - cutter.at % message;
    let mut payload: Vec<u8> = cutter.stream.get(cutter.at..cutter.at + rest).unwrap_or_default().to_vec();
    cutter.at = (cutter.at + rest) % whole;
    payload.extend_from_slice(b"PONG\r\n");
    conn.segment(1, Conn::PSH | Conn::ACK, &payload, at + 200, take)
}

/// A PUB or MSG that fills [`SMALL_PAYLOAD`] octets.
fn small_message(verb: &str) -> Vec<u8> {
    let head = format!("{verb} ");
    let len = SMALL_PAYLOAD - head.len() - 6;
    let mut message = format!("{head}{len}\r\n").into_bytes();
    message.resize(SMALL_PAYLOAD - 2, b'x');
    message.extend_from_slice(b"\r\n");
    message
}

/// One message a frame, in turns from client and server, on a hundred connections.
fn small(frames: u64, take: &mut Take<'_>) -> bool {
    let mut at = EPOCH;
    let mut conns: Vec<Conn> = (0..100).map(|i| Conn::new(i, 4222)).collect();
    if !conns.iter_mut().all(|conn| conn.open(&mut at, take)) {
        return false;
    }
    let (publish, message) = (small_message("PUB orders.new"), small_message("MSG orders.new 7"));
    (0..frames).all(|n| {
        at += 2_000;
        let Some(conn) = conns.get_mut((n / 2 % 100) as usize) else { return false };
        let from = (n % 2) as usize;
        conn.segment(from, Conn::PSH | Conn::ACK, if from == 0 { &publish } else { &message }, at, take)
    })
}

/// Steps of a short connection: the opening, two messages, the close.
const SHORT_STEPS: u32 = Conn::OPENING + 6;

/// Connections of fourteen frames, two thousand a second, a hundred at a time.
fn churn(connections: u64, take: &mut Take<'_>) -> bool {
    const AT_A_TIME: u64 = 100;
    let mut at = EPOCH;
    let mut live: Vec<(Conn, u32)> = Vec::new();
    let mut next = 0;
    let pause = 1_000_000_000 / 2_000 / i64::from(SHORT_STEPS);
    while next < connections || !live.is_empty() {
        if next < connections && (live.len() as u64) < AT_A_TIME {
            live.push((Conn::new(next, 4222), 0));
            next += 1;
        }
        let mut go_on = true;
        live.retain_mut(|(conn, step)| {
            at += pause;
            go_on = go_on && short(conn, *step, at, take);
            *step += 1;
            *step < SHORT_STEPS
        });
        if !go_on {
            return false;
        }
    }
    true
}

fn short(conn: &mut Conn, step: u32, at: i64, take: &mut Take<'_>) -> bool {
    let (from, flags, payload): (usize, u8, &[u8]) = match step.saturating_sub(Conn::OPENING) {
        _ if step < Conn::OPENING => return conn.opening(step, at, take),
        0 => (0, Conn::PSH | Conn::ACK, b"PUB orders.new 12\r\nhello, world\r\nPING\r\n"),
        1 => (1, Conn::PSH | Conn::ACK, b"MSG orders.new 7 12\r\nhello, world\r\nPONG\r\n"),
        2 => (0, Conn::ACK, b""),
        3 => (0, Conn::FIN | Conn::ACK, b""),
        4 => (1, Conn::FIN | Conn::ACK, b""),
        _ => (0, Conn::ACK, b""),
    };
    conn.segment(from, flags, payload, at, take)
}

/// Nine of ten frames are HTTPS, DNS, ARP and IPv6 of all lengths; the tenth is of `small`.
fn noise(frames: u64, take: &mut Take<'_>) -> bool {
    let mut rng = Rng::new(90);
    let mut at = EPOCH;
    let mut conns: Vec<Conn> = (0..20).map(|i| Conn::new(i, 4222)).collect();
    let mut others: Vec<Conn> = (0..200).map(|i| Conn::new(1_000 + i, 443)).collect();
    if !conns.iter_mut().all(|conn| conn.open(&mut at, take)) {
        return false;
    }
    let (publish, message) = (small_message("PUB orders.new"), small_message("MSG orders.new 7"));
    let octets: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    (0..frames).all(|n| {
        at += 3_000;
        if n % 10 == 0 {
            let Some(conn) = conns.get_mut((n / 20 % 20) as usize) else { return false };
            let from = (n / 10 % 2) as usize;
            return conn.segment(
                from,
                Conn::PSH | Conn::ACK,
                if from == 0 { &publish } else { &message },
                at,
                take,
            );
        }
        let len = [0, 0, 64, 200, 1000, 1448, 1448][rng.below(7) as usize];
        let from = rng.below(2048) as usize;
        let payload = octets.get(from..from + len).unwrap_or_default();
        let Some(conn) = others.get_mut(rng.below(200) as usize) else { return false };
        match rng.below(20) {
            0 => take(at, &other_frame(&[8, 6], &octets[..28])),
            1 | 2 => {
                let mut frame = conn.frame(0, Conn::ACK, payload, at);
                frame[23] = 17;
                take(at, frame.get(..66 + payload.len()).unwrap_or_default())
            }
            3 => {
                // IPv6 with a hop-by-hop header and UDP in it.
                let mut packet = vec![0x60, 0, 0, 0, 0, 48, 0, 64];
                packet.resize(40, 0xfd);
                packet.extend_from_slice(&[17, 0, 1, 4, 0, 0, 0, 0]);
                packet.extend_from_slice(&octets[..40]);
                take(at, &other_frame(&[0x86, 0xdd], &packet))
            }
            _ => conn.segment(rng.below(2) as usize, Conn::ACK, payload, at, take),
        }
    })
}

fn other_frame(kind: &[u8; 2], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend_from_slice(kind);
    frame.extend_from_slice(packet);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// SYNs of ever other clients, 200,000 a second, with a few connections that work.
fn flood(syns: u64, take: &mut Take<'_>) -> bool {
    let mut at = EPOCH;
    let mut real: Vec<Conn> = (0..10).map(|i| Conn::new(i, 4222)).collect();
    if !real.iter_mut().all(|conn| conn.open(&mut at, take)) {
        return false;
    }
    let (publish, message) = (small_message("PUB orders.new"), small_message("MSG orders.new 7"));
    (0..syns).all(|n| {
        at += 5_000;
        if !Conn::new(n + 100_000, 4222).segment(0, Conn::SYN, b"", at, take) {
            return false;
        }
        if n % 100 != 0 {
            return true;
        }
        let Some(conn) = real.get_mut((n / 100 % 10) as usize) else { return false };
        conn.segment(0, Conn::PSH | Conn::ACK, &publish, at + 1_000, take)
            && conn.segment(1, Conn::PSH | Conn::ACK, &message, at + 2_000, take)
    })
}
