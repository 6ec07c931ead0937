//! What the hammer strikes with when no fuzzer guides it: recorded captures bent at random, and plain chance. A number gives
//! the same octets every time.
use super::Target;
use crate::generate::{Rng, pcap_header, record_header};
use std::path::Path;

/// Records of one capture are taken from, at most.
const RECORDS: usize = 400;

/// Frames of recorded captures, and what TCP carries in them.
#[derive(Debug, Default)]
pub struct Seeds {
    /// Whole files, as they are.
    files: Vec<Vec<u8>>,
    /// Each file's frames with their times.
    frames: Vec<Vec<(i64, Vec<u8>)>>,
    /// TCP payloads in Ethernet and IPv4, with a bit that tells the ends apart.
    payloads: Vec<(u8, Vec<u8>)>,
}

impl Seeds {
    /// Of every pcap in a folder.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        let mut seeds = Self::default();
        let mut paths: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "pcap")) {
            let file = std::fs::read(path)?;
            let frames = frames(&file);
            seeds.payloads.extend(frames.iter().filter_map(|(_, f)| payload(f)));
            seeds.frames.push(frames);
            seeds.files.push(file);
        }
        Ok(seeds)
    }

    /// The octets of number `seed` for a target.
    #[must_use]
    pub fn input(&self, target: Target, seed: u64) -> Vec<u8> {
        let mut rng = Rng::new(seed ^ (target.name().len() as u64) << 56);
        match target {
            Target::Frame => self.frame_input(&mut rng),
            Target::Nats => self.nats_input(&mut rng),
            Target::Track => track_input(&mut rng),
            Target::Files => self.files_input(&mut rng),
        }
    }

    fn frame_input(&self, rng: &mut Rng) -> Vec<u8> {
        let mut input = Vec::new();
        for _ in 0..=rng.below(24) {
            let mut frame = match pick(&self.frames, rng).and_then(|file| pick(file, rng)) {
                Some((_, frame)) if !rng.one_in(5) => frame.clone(),
                _ => (0..rng.below(200)).map(|_| rng.next() as u8).collect(),
            };
            // Without its link layer, it is raw IP.
            if rng.one_in(3) {
                frame.drain(..frame.len().min(14));
            }
            if rng.one_in(2) {
                bend(&mut frame, rng);
            }
            frame.truncate(4_000);
            input.push(if rng.one_in(2) { 1 } else { rng.next() as u8 });
            input.extend((frame.len() as u16).to_be_bytes());
            input.extend(frame);
            input.extend([rng.next() as u8, rng.next() as u8]);
        }
        input
    }

    fn nats_input(&self, rng: &mut Rng) -> Vec<u8> {
        const WORDS: [&[u8]; 16] = [
            b"HPUB a b 12 20\r\nNATS/1.0\r\n\r\n01234567\r\n",
            b"HMSG a 1 30 30\r\nNATS/1.0 409 Server Shutdown\r\n\r\n",
            b"PUB a 99999999999999999999\r\n",
            b"MSG a 1 18446744073709551615\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"\x82\xfe\x00\x06\x00\x00\x00\x00PING\r\n",
            b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd",
            b"\xff\x06\x00\x00S2sTwO\x01\x0a\x00\x00\x00\x00\x00\x00PING\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIT\r\n\r\n\0\r\n",
            b"RMSG $G a.b + c d 5\r\nhello\r\n",
            b"RS+ $G a.b\r\nLS+ a\r\nLMSG a 5\r\nhello\r\n",
            b"CONNECT {\"name\":\"",
            b"INFO {\"server_id\":\"N\",\"nonce\":\"\\u00",
        ];
        let mut input = vec![rng.next() as u8];
        let mut at = rng.below(self.payloads.len() as u64) as usize;
        for _ in 0..rng.below(60) {
            let (from, mut bytes) = match self.payloads.get(at) {
                Some((from, bytes)) if !rng.one_in(4) => (*from, bytes.clone()),
                _ => (rng.next() as u8 & 1, pick(&WORDS, rng).copied().unwrap_or_default().to_vec()),
            };
            at = if rng.one_in(12) { rng.below(self.payloads.len() as u64) as usize } else { at + 1 };
            if rng.one_in(6) {
                bend(&mut bytes, rng);
            }
            match rng.below(14) {
                0 => input.extend([2 + from, rng.next() as u8]),
                1 => input.extend([from, 0, 0, rng.below(8) as u8, rng.next() as u8]),
                2 if rng.one_in(9) => input.push(4 + from),
                3 if rng.one_in(9) => input.push(6 + from),
                _ => {}
            }
            for piece in bytes.chunks(if rng.one_in(3) { 1 + rng.below(90) as usize } else { 0x1fff }) {
                if piece.len() < 256 && rng.one_in(2) {
                    input.extend([8 + from, piece.len() as u8]);
                } else {
                    input.push(128 + from);
                    input.extend((piece.len() as u16).to_be_bytes());
                }
                input.extend(piece);
            }
        }
        input
    }

    fn files_input(&self, rng: &mut Rng) -> Vec<u8> {
        let mut input = vec![rng.next() as u8];
        match rng.below(10) {
            0 => {
                // Octets anywhere, also in the headers.
                let mut file = pick(&self.files, rng).cloned().unwrap_or_default();
                file.truncate(1 + rng.below(60_000) as usize);
                (0..=rng.below(5)).for_each(|_| bend(&mut file, rng));
                input.extend(file);
            }
            1 => {
                input.extend(pick(&MAGICS, rng).copied().unwrap_or_default());
                input.extend((0..rng.below(300)).map(|_| rng.next() as u8 & rng.next() as u8));
            }
            _ => {
                let mut records: Vec<(i64, Vec<u8>)> = Vec::new();
                for _ in 0..=rng.below(2) {
                    records.extend(pick(&self.frames, rng).into_iter().flatten().take(RECORDS).cloned());
                }
                bend_records(&mut records, rng);
                let cooked = pick(&self.files, rng).and_then(|f| f.get(20..24)).unwrap_or(&[1, 0, 0, 0]);
                let mut header = pcap_header();
                if rng.one_in(10) {
                    header[20..24].copy_from_slice(cooked);
                }
                input.extend(header);
                for (at, frame) in &records {
                    input.extend(record_header(*at, frame.len() as u32));
                    input.extend(frame);
                }
            }
        }
        input
    }
}

/// How capture files and packed files begin.
const MAGICS: [&[u8]; 8] = [
    &[
        0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255,
        255, 255, 255, 28, 0, 0, 0,
    ],
    &[
        0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255,
        255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 1,
    ],
    &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0],
    &[0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1],
    &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
    &[0x28, 0xb5, 0x2f, 0xfd],
    &[0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7],
    &[0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4],
];

/// Repeats, gaps, other orders, other times, bent octets.
fn bend_records(records: &mut Vec<(i64, Vec<u8>)>, rng: &mut Rng) {
    for _ in 0..rng.below(12) {
        let len = records.len() as u64;
        if len == 0 {
            return;
        }
        let (one, other) = (rng.below(len) as usize, rng.below(len) as usize);
        match rng.below(8) {
            0 => records.swap(one, other),
            1 => drop(records.remove(one)),
            2 => {
                let again = records.get(one).cloned();
                records.splice(other..other, again);
            }
            3 => {
                let shift = (rng.below(400) as i64 - 40) * 1_000_000_000;
                records.iter_mut().skip(one).for_each(|r| r.0 = (r.0 + shift).max(0));
            }
            4 => {
                let end = (one + 1 + rng.below(20) as usize).min(records.len());
                records.drain(one..end);
            }
            5 => records.sort_by_key(|r| r.0),
            6 => {
                if let Some((_, frame)) = records.get_mut(one) {
                    frame.truncate(rng.below(frame.len() as u64 + 1) as usize);
                }
            }
            _ => {
                if let Some((_, frame)) = records.get_mut(one) {
                    bend(frame, rng);
                }
            }
        }
    }
}

/// Steps of [`super::track`], mostly of an orderly life.
fn track_input(rng: &mut Rng) -> Vec<u8> {
    let mut input = vec![rng.next() as u8];
    let wild = 1 + rng.below(12);
    let flow = rng.next() as u8 & 6;
    if !rng.one_in(4) {
        for (what, from) in [(2u8, 0u8), (3, 1), (4, 0)] {
            input.extend([what << 4 | from << 3 | flow, 3, 0x40]);
        }
    }
    for _ in 0..rng.below(160) {
        if rng.one_in(wild) {
            input.extend((0..=rng.below(5)).map(|_| rng.next() as u8));
            continue;
        }
        let what = 2 + rng.below(14) as u8;
        let flow = if rng.one_in(6) { rng.next() as u8 & 6 } else { flow };
        let from = rng.next() as u8 & 1;
        let time = if rng.one_in(10) { rng.next() as u8 } else { rng.next() as u8 & 0x7f };
        // No fault, mostly; with or without data.
        input.extend([what << 4 | from << 3 | flow, time, 0x80 | rng.next() as u8 & 3]);
        input.push(rng.next() as u8 % 12);
    }
    input
}

fn pick<'a, T>(list: &'a [T], rng: &mut Rng) -> Option<&'a T> {
    list.get(rng.below(list.len() as u64) as usize)
}

/// One fault in some octets.
fn bend(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let len = bytes.len() as u64;
    if len == 0 {
        return;
    }
    let at = rng.below(len) as usize;
    match rng.below(7) {
        0 => bytes.truncate(at),
        1 => {
            let end = (at + 1 + rng.below(16) as usize).min(bytes.len());
            let again: Vec<u8> = bytes.drain(at..end).collect();
            if rng.one_in(2) {
                bytes.splice(at..at, again.iter().chain(&again).copied());
            }
        }
        2 => {
            let value = [0, 0xff, 0x7f, 0x80, b'\r', b'\n', b' '][rng.below(7) as usize];
            bytes.iter_mut().skip(at).take(1 + rng.below(4) as usize).for_each(|b| *b = value);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
    }
}

/// The frames of a pcap in this machine's usual byte order, µs or ns.
fn frames(file: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let word =
        |at: usize| file.get(at..).and_then(|b| b.first_chunk::<4>()).map_or(0, |b| u32::from_le_bytes(*b));
    let unit = if word(0) == 0xa1b2_3c4d { 1 } else { 1_000 };
    let (mut found, mut at) = (Vec::new(), 24);
    while let Some(frame) = file.get(at + 16..at + 16 + word(at + 8) as usize) {
        found.push((i64::from(word(at)) * 1_000_000_000 + i64::from(word(at + 4)) * unit, frame.to_vec()));
        at += 16 + frame.len();
    }
    found
}

/// What TCP carries in an Ethernet frame, and which end sent it (by its port).
fn payload(frame: &[u8]) -> Option<(u8, Vec<u8>)> {
    let ip = frame.get(14..).filter(|ip| ip.first() == Some(&0x45) && ip.get(9) == Some(&6))?;
    let whole = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    let tcp = ip.get(20..whole)?;
    let data = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
    let from_server = tcp.get(..2)? < tcp.get(2..4)?;
    (!data.is_empty()).then(|| (u8::from(from_server), data.to_vec()))
}
