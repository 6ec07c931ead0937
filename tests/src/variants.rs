//! Captures as they are made elsewhere, derived from the lab's: begun later, ended sooner, cut short, with holes, of one direction.
//! What is true of a recording stays true of them; what can no longer be seen there may go unsaid, but not be said wrong.
use anyhow::{Context, Result, ensure};
use std::net::IpAddr;

/// A way to make a recording harder to read.
pub struct Variant {
    /// For tables.
    pub name: &'static str,
    /// Of so many frames, is this one (by place) kept, and how many of its octets?
    keep: fn(&Frame<'_>, usize, usize) -> Option<usize>,
}

/// Every way.
pub const ALL: &[Variant] = &[
    Variant { name: "begun after a third", keep: |f, at, of| (at >= of / 3).then_some(f.octets.len()) },
    Variant { name: "the last quarter", keep: |f, at, of| (at >= of * 3 / 4).then_some(f.octets.len()) },
    Variant {
        name: "ended after four fifths",
        keep: |f, at, of| (at < of * 4 / 5).then_some(f.octets.len()),
    },
    Variant { name: "snaplen 96", keep: |f, _, _| Some(f.octets.len().min(96)) },
    Variant { name: "every 50th frame missing", keep: |f, at, _| (at % 50 != 25).then_some(f.octets.len()) },
    Variant { name: "every 7th frame missing", keep: |f, at, _| (at % 7 != 5).then_some(f.octets.len()) },
    Variant { name: "towards the server only", keep: |f, _, _| (!f.is_answer()).then_some(f.octets.len()) },
    Variant { name: "from the server only", keep: |f, _, _| f.is_answer().then_some(f.octets.len()) },
];

/// One frame of a classic pcap file.
struct Frame<'a> {
    header: &'a [u8],
    octets: &'a [u8],
    /// Where its IP header begins.
    ip: usize,
}

impl Frame<'_> {
    /// Its IP source is the lab's server: it goes towards the client.
    fn is_answer(&self) -> bool {
        let packet = self.octets.get(self.ip..).unwrap_or_default();
        let source: Option<IpAddr> = match packet.first().map(|b| b >> 4) {
            Some(4) => packet.get(12..16).and_then(|a| <[u8; 4]>::try_from(a).ok()).map(IpAddr::from),
            Some(6) => packet.get(8..24).and_then(|a| <[u8; 16]>::try_from(a).ok()).map(IpAddr::from),
            _ => None,
        };
        let server = crate::lab::Host::Server;
        source.is_some_and(|a| [server.ip(), server.ip6()].contains(&a.to_string().as_str()))
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
        found.push(Frame { header: &pcap[at..at + 16], octets, ip });
        at = end;
    }
    Ok(found)
}

impl Variant {
    /// The recording made harder; none where nothing changes or nothing is left.
    ///
    /// # Errors
    /// Where it is no capture that the lab makes.
    pub fn of(&self, pcap: &[u8]) -> Result<Option<Vec<u8>>> {
        let frames = frames(pcap)?;
        let mut file = pcap[..24].to_vec();
        for (at, frame) in frames.iter().enumerate() {
            if let Some(length) = (self.keep)(frame, at, frames.len()) {
                file.extend(&frame.header[..8]);
                file.extend(u32::try_from(length)?.to_le_bytes());
                file.extend(&frame.header[12..]);
                file.extend(&frame.octets[..length]);
            }
        }
        Ok((file.len() > 24 && file.len() < pcap.len()).then_some(file))
    }
}
