//! Captures as they are made elsewhere, derived from the lab's: begun later, ended sooner, cut short, with holes, of one direction,
//! out of order, with every frame twice. What is true of a recording stays true of them; what can no longer be seen there may go
//! unsaid, but not be said wrong.
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::net::IpAddr;

/// A way to make a recording harder to read.
pub struct Variant {
    /// For tables.
    pub name: &'static str,
    /// Of so many recordings one is made harder this way: the tests have little time.
    pub every: usize,
    how: How,
}

enum How {
    /// Of so many frames, is this one (by place) kept, and how many of its octets?
    Keep(fn(&Frame<'_>, usize, usize) -> Option<usize>),
    /// Neither SYN nor what follows it within 0.2 s.
    AfterHandshakes,
    /// A port mirror that sees a packet come and go; the second time in a VLAN or as it is.
    Twice { vlan: bool },
    /// Two interfaces whose stamps are apart by up to 0.1 ms; the file is in order of stamps.
    AnswersLate,
}

const fn keep(
    name: &'static str,
    every: usize,
    which: fn(&Frame<'_>, usize, usize) -> Option<usize>,
) -> Variant {
    Variant { name, every, how: How::Keep(which) }
}

/// Every way.
pub const ALL: &[Variant] = &[
    keep("begun after a third", 1, |f, at, of| (at >= of / 3).then_some(f.octets.len())),
    keep("the last quarter", 1, |f, at, of| (at >= of * 3 / 4).then_some(f.octets.len())),
    keep("ended after four fifths", 1, |f, at, of| (at < of * 4 / 5).then_some(f.octets.len())),
    keep("the first half", 3, |f, at, of| (at < of / 2).then_some(f.octets.len())),
    keep("snaplen 96", 1, |f, _, _| Some(f.octets.len().min(96))),
    keep("snaplen 64", 2, |f, _, _| Some(f.octets.len().min(64))),
    keep("every 50th frame missing", 1, |f, at, _| (at % 50 != 25).then_some(f.octets.len())),
    keep("every 7th frame missing", 1, |f, at, _| (at % 7 != 5).then_some(f.octets.len())),
    keep("6 frames of 40 missing", 2, |f, at, _| (!(20..26).contains(&(at % 40))).then_some(f.octets.len())),
    keep("towards the server only", 1, |f, _, _| (!f.is_answer()).then_some(f.octets.len())),
    keep("from the server only", 1, |f, _, _| f.is_answer().then_some(f.octets.len())),
    Variant { name: "begun after the handshakes", every: 2, how: How::AfterHandshakes },
    Variant { name: "every frame twice", every: 3, how: How::Twice { vlan: false } },
    Variant { name: "every frame twice, once in a VLAN", every: 3, how: How::Twice { vlan: true } },
    Variant { name: "answers stamped late", every: 2, how: How::AnswersLate },
];

/// One frame of a classic pcap file.
struct Frame<'a> {
    /// Microseconds.
    at: u64,
    /// Octets on the wire.
    wire_len: u32,
    octets: &'a [u8],
    /// Where its IP header begins.
    ip: usize,
}

impl Frame<'_> {
    fn source(&self) -> Option<IpAddr> {
        let packet = self.octets.get(self.ip..).unwrap_or_default();
        match packet.first().map(|b| b >> 4) {
            Some(4) => packet.get(12..16).and_then(|a| <[u8; 4]>::try_from(a).ok()).map(IpAddr::from),
            Some(6) => packet.get(8..24).and_then(|a| <[u8; 16]>::try_from(a).ok()).map(IpAddr::from),
            _ => None,
        }
    }

    /// Its IP source is the lab's server: it goes towards the client.
    fn is_answer(&self) -> bool {
        let server = crate::lab::Host::Server;
        self.source().is_some_and(|a| [server.ip(), server.ip6()].contains(&a.to_string().as_str()))
    }

    /// Both ports, the smaller first, and the flags, where it is TCP.
    fn tcp(&self) -> Option<((u16, u16), u8)> {
        let packet = self.octets.get(self.ip..)?;
        let (protocol, header) = match packet.first()? >> 4 {
            4 => (*packet.get(9)?, usize::from(packet.first()? & 0x0f) * 4),
            6 => (*packet.get(6)?, 40),
            _ => return None,
        };
        let tcp = packet.get(header..).filter(|_| protocol == 6)?;
        let port = |at: usize| Some(u16::from_be_bytes([*tcp.get(at)?, *tcp.get(at + 1)?]));
        let (a, b) = (port(0)?, port(2)?);
        Some(((a.min(b), a.max(b)), *tcp.get(13)?))
    }
}

fn u32_at(octets: &[u8], at: usize) -> Result<u32> {
    let four = octets.get(at..at + 4).context("the capture ends in the middle")?;
    Ok(u32::from_le_bytes(four.try_into()?))
}

/// The frames of a little-endian pcap file as tcpdump writes it here.
fn frames(pcap: &[u8]) -> Result<Vec<Frame<'_>>> {
    ensure!(u32_at(pcap, 0)? == 0xa1b2_c3d4, "not a little-endian microsecond pcap");
    let ip = match u32_at(pcap, 20)? {
        1 => 14,
        276 => 20,
        other => anyhow::bail!("link type {other}"),
    };
    let (mut found, mut at) = (Vec::new(), 24);
    while at < pcap.len() {
        let end = at + 16 + u32_at(pcap, at + 8)? as usize;
        let octets = pcap.get(at + 16..end).context("the capture ends in the middle")?;
        let time = u64::from(u32_at(pcap, at)?) * 1_000_000 + u64::from(u32_at(pcap, at + 4)?);
        found.push(Frame { at: time, wire_len: u32_at(pcap, at + 12)?, octets, ip });
        at = end;
    }
    Ok(found)
}

/// Adds one frame to a file.
fn write(file: &mut Vec<u8>, at: u64, octets: &[u8], wire_len: u32) -> Result<()> {
    let captured = u32::try_from(octets.len())?;
    let fields = [u32::try_from(at / 1_000_000)?, (at % 1_000_000) as u32, captured, wire_len.max(captured)];
    fields.iter().for_each(|field| file.extend(field.to_le_bytes()));
    file.extend(octets);
    Ok(())
}

/// An Ethernet frame in VLAN 7 (IEEE 802.1Q); none where the link has no such tag.
fn tagged(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let (addresses, rest) = frame.octets.split_at_checked(12).filter(|_| frame.ip == 14)?;
    Some([addresses, &[0x81, 0x00, 0x00, 0x07], rest].concat())
}

impl Variant {
    /// The recording made harder; none where nothing changes or nothing is left.
    ///
    /// # Errors
    /// Where it is no capture that the lab makes.
    pub fn of(&self, pcap: &[u8]) -> Result<Option<Vec<u8>>> {
        let frames = frames(pcap)?;
        let mut file = pcap[..24].to_vec();
        match self.how {
            How::Keep(which) => {
                for (at, frame) in frames.iter().enumerate() {
                    if let Some(length) = which(frame, at, frames.len()) {
                        write(&mut file, frame.at, &frame.octets[..length], frame.wire_len)?;
                    }
                }
            }
            How::AfterHandshakes => after_handshakes(&frames, &mut file)?,
            How::Twice { vlan } => {
                for frame in &frames {
                    write(&mut file, frame.at, frame.octets, frame.wire_len)?;
                    let again = if vlan { tagged(frame) } else { Some(frame.octets.to_vec()) };
                    let Some(again) = again else { return Ok(None) };
                    write(&mut file, frame.at + 15, &again, frame.wire_len)?;
                }
            }
            How::AnswersLate => {
                let late = |(place, f): (usize, &Frame<'_>)| {
                    if f.is_answer() { 60 + place as u64 * 37 % 40 } else { 0 }
                };
                let mut order: Vec<_> = frames.iter().enumerate().map(|f| (f.1.at + late(f), f.1)).collect();
                order.sort_by_key(|f| f.0);
                for (at, frame) in order {
                    write(&mut file, at, frame.octets, frame.wire_len)?;
                }
            }
        }
        Ok((file.len() > 24 && file != pcap).then_some(file))
    }
}

/// Leaves out of each connection what comes before 0.2 s after its last SYN, but never its goodbye.
fn after_handshakes(frames: &[Frame<'_>], file: &mut Vec<u8>) -> Result<()> {
    const SYN: u8 = 0x02;
    const FIN_OR_RST: u8 = 0x05;
    let mut begun = HashMap::new();
    for frame in frames {
        if let Some((ports, flags)) = frame.tcp() {
            if flags & SYN != 0 {
                begun.insert(ports, frame.at);
                continue;
            }
            let young = begun.get(&ports).is_some_and(|since| frame.at.saturating_sub(*since) < 200_000);
            if young && flags & FIN_OR_RST == 0 {
                continue;
            }
        }
        write(file, frame.at, frame.octets, frame.wire_len)?;
    }
    Ok(())
}
