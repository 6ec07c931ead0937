//! The four bodies: octets in, claims held.
use super::Choices;
use super::checked::Checked;
use crate::generate::EPOCH;
use natstrace::base::{Side, Timestamp};
use natstrace::event::Frame;
use natstrace::nats::{Connect, Conversation, Info, Op};
use natstrace::source::FileSource;
use natstrace::wire::{Decoder, LinkType, Options, Packet};
use std::io::Cursor;
use std::path::Path;

/// Frames of any link type, with any length on the wire: the decoder gives slices of what it was given.
pub fn frame(data: &[u8]) {
    let mut choices = Choices(data);
    let mut decoder = Decoder::new();
    let mut at = EPOCH;
    while !choices.is_over() {
        let link = match choices.u8() {
            known @ 0..=251 => LinkType::KNOWN
                .get(usize::from(known) % LinkType::KNOWN.len())
                .copied()
                .unwrap_or(LinkType::RAW),
            _ => LinkType(choices.u32()),
        };
        let len = usize::from(choices.u16());
        let bytes = choices.take(len);
        let wire_len = (bytes.len() as u32).saturating_add(u32::from(choices.u8() & 15) * 91);
        at += i64::from(choices.u8()) * 1_000_000_000;
        match decoder.decode(link, Timestamp(at), bytes, wire_len) {
            Packet::Tcp(segment) => {
                assert!(segment.options.len() <= 40, "options of {} octets", segment.options.len());
                assert!(segment.payload_len <= 0xffff + 40, "payload of {}", segment.payload_len);
                let options = Options::decode(segment.options);
                assert!(options.sacks().len() <= 4 && options.window_scale.is_none_or(|s| s <= 14));
                let _ = format!("{segment:?}");
            }
            Packet::Icmp(icmp) => {
                let _ = format!("{icmp:?}");
            }
            Packet::Malformed(flaw) => {
                let _ = format!("{flaw:?}");
            }
            Packet::Fragment | Packet::Other => {}
        }
    }
}

/// Both directions of a stream, in any pieces, with holes, joined in the middle or not.
pub fn nats(data: &[u8]) {
    let mut choices = Choices(data);
    let mut conversation = Conversation::new();
    let mut emit = |_: Side, op: Op<'_>| {
        match op {
            Op::Info { json, .. } => drop(Info::decode(json)),
            Op::Connect { json, .. } => drop(Connect::decode(json)),
            _ => {}
        }
        let _ = format!("{op:?}");
    };
    if choices.u8() & 7 == 0 {
        conversation.midstream();
    }
    let mut pushed = 0u64;
    while !choices.is_over() {
        let kind = choices.u8();
        let from = if kind & 1 == 0 { Side::Client } else { Side::Server };
        match kind >> 1 {
            0 => conversation.gap(from, u64::from(choices.u32()), &mut emit),
            1 => conversation.gap(from, u64::from(choices.u8()), &mut emit),
            2 => conversation.swap_sides(),
            3 => conversation.gap(from, u64::MAX, &mut emit),
            4..=12 => {
                let len = usize::from(choices.u8());
                for octet in choices.take(len) {
                    conversation.push(from, std::slice::from_ref(octet), &mut emit);
                    pushed += 1;
                }
            }
            _ => {
                let len = usize::from(choices.u16() & 0x1fff);
                let bytes = choices.take(len);
                conversation.push(from, bytes, &mut emit);
                pushed += bytes.len() as u64;
            }
        }
        for side in Side::BOTH {
            let (pending, lost) = (conversation.pending_line(side), conversation.is_lost(side));
            assert!(u64::from(pending) <= pushed, "{pending} octets pending of {pushed}, lost: {lost}");
            let _ = (conversation.is_mid_message(side), conversation.protocol());
        }
    }
}

/// Steps on a few flows: segments with any flags, numbers and times (also backwards), ICMP errors, silence.
pub fn track(data: &[u8]) {
    let mut choices = Choices(data);
    let mut run = Checked::new(&mut choices);
    let mut world = World::default();
    let mut number = 0;
    while !choices.is_over() {
        let link = LinkType::ETHERNET;
        if !world.step(&mut choices) {
            continue;
        }
        number += 1;
        let frame = Frame {
            capture: 0,
            iface: u32::from(world.iface),
            number,
            at: Timestamp(world.at),
            wire_len: world.wire_len,
            link,
            bytes: &world.frame,
        };
        run.frame(&frame);
    }
    run.finish();
}

/// A capture file of any octets, also packed ones: through the whole core into JSON.
pub fn files(data: &[u8]) {
    let mut choices = Choices(data);
    let mut run = Checked::new(&mut choices);
    let rest = Cursor::new(choices.0.to_vec());
    let Ok(mut source) = FileSource::from_reader(Box::new(rest), Path::new("hammered"), 0, None) else {
        return;
    };
    let mut last = 0;
    // A packed file may hold a great many frames.
    while let Ok(Some(frame)) = source.next() {
        assert!(frame.number == last + 1, "frame {} after {last}", frame.number);
        last = frame.number;
        run.frame(&frame);
        if last > 200_000 {
            break;
        }
    }
    assert!(matches!(source.next(), Ok(None)) || last > 200_000, "a frame after the end");
    let _ = (source.lost_frames(), source.bytes_read());
    run.finish();
}

/// Two hosts' flows as far as a good TCP would know them.
struct World {
    at: i64,
    frame: Vec<u8>,
    wire_len: u32,
    iface: u8,
    /// Next sequence number of each end of each flow.
    next: [[u32; 2]; 4],
}

impl Default for World {
    fn default() -> Self {
        let next = [[0, 0], [u32::MAX - 20, 5], [1 << 31, 77], [1_000, u32::MAX]];
        Self { at: EPOCH, frame: Vec::new(), wire_len: 0, iface: 0, next }
    }
}

const LINES: [&[u8]; 12] = [
    b"PING\r\n",
    b"PONG\r\n",
    b"+OK\r\n",
    b"PUB a 5\r\nhello\r\n",
    b"MSG a 1 5\r\nhello\r\n",
    b"INFO {\"server_id\":\"N\",\"version\":\"2.15.1\",\"max_payload\":100,\"ldm\":true}\r\n",
    b"INFO {\"server_id\":\"N\",\"version\":\"2.10.0\",\"auth_required\":true}\r\n",
    b"CONNECT {\"verbose\":true,\"name\":\"x\",\"lang\":\"go\",\"version\":\"1.0\"}\r\n",
    b"-ERR 'Slow Consumer'\r\n",
    b"-ERR 'Authorization Violation'\r\n",
    b"PUB a 100\r\nhel",
    b"\x15\x03\x03\x00\x02\x02\x28",
];

impl World {
    /// The next frame, or only time.
    fn step(&mut self, choices: &mut Choices<'_>) -> bool {
        let kind = choices.u8();
        let time = choices.u8();
        let delta = i64::from(time & 31);
        self.at = self.at.saturating_add(match time >> 5 {
            0 | 1 => delta * 50_000,
            2 | 3 => delta * 5_000_000,
            4 => delta * 300_000_000,
            5 => delta * 10_000_000_000,
            6 => -delta * 1_000_000,
            _ if time == 255 => i64::from(choices.u32() as i32) * 1_000_000_000,
            _ => delta * 60_000_000_000,
        });
        self.iface = kind & 1;
        let flow = usize::from(kind >> 1 & 3);
        let from = usize::from(kind >> 3 & 1);
        match kind >> 4 {
            0 => self.icmp(flow, from, choices),
            1 => return false,
            what => self.segment(flow, from, what, choices),
        }
        true
    }

    fn segment(&mut self, flow: usize, from: usize, what: u8, choices: &mut Choices<'_>) {
        const FLAGS: [u8; 14] = [2, 18, 16, 24, 24, 24, 16, 17, 17, 20, 4, 25, 16, 24];
        let mut flags = FLAGS.get(usize::from(what) - 2).copied().unwrap_or(16);
        let bend = choices.u8();
        let (mut seq, mut ack) = (self.next[flow][from], self.next[flow][1 - from]);
        let data = bend & 3 != 0 && flags & 8 != 0;
        let mut payload: &[u8] = b"";
        if data {
            let line = usize::from(choices.u8());
            payload = LINES.get(line % LINES.len()).copied().unwrap_or_default();
            if line >= 240 {
                payload = choices.take((line - 239) * 16);
            }
        }
        let mut window = 0x2000u16;
        match bend >> 2 {
            0 => seq = seq.wrapping_sub(1),
            1 => seq = seq.wrapping_sub(u32::from(choices.u8())),
            2 => seq = seq.wrapping_add(u32::from(choices.u8())),
            3 => seq = choices.u32(),
            4 => ack = ack.wrapping_sub(u32::from(choices.u8())),
            5 => ack = ack.wrapping_add(u32::from(choices.u8())),
            6 => ack = choices.u32(),
            7 => window = 0,
            8 => flags = choices.u8(),
            9 => window = choices.u16(),
            _ => {}
        }
        let hop = if bend == 255 { choices.u8() } else { 64 };
        let options: &[u8] = match (flags & 2 != 0, bend & 64 != 0) {
            (true, true) => &[2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0],
            (false, true) => &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1],
            _ => &[],
        };
        let tcp = tcp(flow, from, seq, ack, flags, window, options);
        self.put(flow, from, hop, 6, &[&tcp, payload]);
        // A claim of more octets than there are: cut by the snap length.
        if bend >> 2 == 10 {
            let cut = usize::from(choices.u8()).min(payload.len());
            self.frame.truncate(self.frame.len() - cut);
        }
        let octets = payload.len() as u32 + u32::from(flags & 3 != 0);
        if bend >> 2 != 3 {
            self.next[flow][from] = seq.wrapping_add(octets);
        }
    }

    fn icmp(&mut self, flow: usize, from: usize, choices: &mut Choices<'_>) {
        let (kind, code) = (choices.u8(), choices.u8());
        let kind = if kind < 200 { 3 } else { kind };
        let code = if code < 200 { code % 16 } else { code };
        let quoted = tcp(flow, from, self.next[flow][from], 0, 16, 0, &[]);
        let mut quote = ip(flow, from, 60, 6, quoted.len());
        quote.extend_from_slice(&quoted);
        quote.truncate(28.max(usize::from(choices.u8()) % 48));
        self.put(flow, 1 - from, 63, 1, &[&[kind, code, 0, 0, 0, 0, 5, 0], &quote]);
    }

    fn put(&mut self, flow: usize, from: usize, hop: u8, protocol: u8, parts: &[&[u8]]) {
        let len = parts.iter().map(|p| p.len()).sum();
        self.frame.clear();
        self.frame.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
        self.frame.extend_from_slice(&ip(flow, from, hop, protocol, len));
        parts.iter().for_each(|p| self.frame.extend_from_slice(p));
        self.wire_len = self.frame.len() as u32;
    }
}

fn ip(flow: usize, from: usize, hop: u8, protocol: u8, len: usize) -> Vec<u8> {
    let ends = [[10, 0, 0, 2 + flow as u8 / 2], [10, 0, 1, 1]];
    let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, hop, protocol, 0, 0];
    ip[2..4].copy_from_slice(&(20 + len as u16).to_be_bytes());
    ip.extend_from_slice(&ends[from]);
    ip.extend_from_slice(&ends[1 - from]);
    ip
}

fn tcp(flow: usize, from: usize, seq: u32, ack: u32, flags: u8, window: u16, options: &[u8]) -> Vec<u8> {
    let ports = [40_000 + flow as u16, 4222];
    let mut tcp = Vec::with_capacity(20 + options.len());
    tcp.extend_from_slice(&ports[from].to_be_bytes());
    tcp.extend_from_slice(&ports[1 - from].to_be_bytes());
    tcp.extend_from_slice(&seq.to_be_bytes());
    tcp.extend_from_slice(&ack.to_be_bytes());
    tcp.extend_from_slice(&[((20 + options.len()) / 4) as u8 * 16, flags]);
    tcp.extend_from_slice(&window.to_be_bytes());
    tcp.extend_from_slice(&[0; 4]);
    tcp.extend_from_slice(options);
    tcp
}
