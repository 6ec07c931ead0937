//! MQTT control packets of one direction (MQTT 3.1.1 section 2), walked by their remaining length.
use super::listener::Listener;
use super::op::{Fault, MqttPacket, Op};
use super::read::Reader;
use crate::base::Side;
use serde::{Deserialize, Serialize};

/// Most of a CONNECT that is kept: id and user name come first unless a large will lies between.
const MAX_CONNECT: usize = 4096;

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;

/// The state of one direction.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Mqtt {
    /// Packet type and flags of the current packet.
    first: u8,
    /// Bytes of the fixed header seen so far.
    have: u8,
    len: u32,
    left: u32,
    body: Vec<u8>,
    lost: bool,
}

impl Mqtt {
    /// Takes bytes.
    pub fn push(&mut self, from: Side, bytes: &[u8], emit: &mut (impl Listener + ?Sized)) {
        let mut rest = bytes;
        if self.lost && is_plausible(rest) {
            self.lost = false;
        }
        while !self.lost
            && let Some((&byte, after)) = rest.split_first()
        {
            if self.left == 0 {
                self.header(from, byte, emit);
                rest = after;
                continue;
            }
            let n = rest.len().min(self.left as usize);
            let (part, after) = rest.split_at_checked(n).unwrap_or((rest, b""));
            self.left -= n as u32;
            self.collect(from, part, emit);
            rest = after;
        }
    }

    /// Bytes that will never come.
    pub fn gap(&mut self, missing: u64) {
        match u32::try_from(missing) {
            Ok(n) if n <= self.left => {
                self.left -= n;
                self.body = Vec::new();
                // The rest of a cut CONNECT would be read as its beginning.
                self.first = 0;
            }
            _ => *self = Self { lost: true, ..Self::default() },
        }
    }

    /// Whether the stream so far ends inside a packet.
    pub fn is_mid_packet(&self) -> bool {
        self.left > 0 || self.have > 0
    }

    fn header(&mut self, from: Side, byte: u8, emit: &mut (impl Listener + ?Sized)) {
        if self.have == 0 {
            (self.first, self.have, self.len) = (byte, 1, 0);
            return;
        }
        self.len |= u32::from(byte & 0x7f) << (7 * (u32::from(self.have) - 1));
        self.have += 1;
        if byte & 0x80 == 0 {
            self.have = 0;
            self.left = self.len;
            self.begin(from, emit);
        } else if self.have == 5 {
            // The length has at most four bytes.
            emit.op(from, Op::Malformed { what: Fault::Framing, line: b"", length: 5 });
            *self = Self { lost: true, ..Self::default() };
        }
    }

    fn begin(&mut self, from: Side, emit: &mut (impl Listener + ?Sized)) {
        let packet = match self.first >> 4 {
            CONNECT | CONNACK if self.len > 0 => return,
            3 => MqttPacket::Publish { len: self.len },
            8 => MqttPacket::Subscribe,
            12 => MqttPacket::Pingreq,
            13 => MqttPacket::Pingresp,
            14 => MqttPacket::Disconnect,
            kind => MqttPacket::Other { kind },
        };
        emit.op(from, Op::Mqtt(packet));
    }

    fn collect(&mut self, from: Side, part: &[u8], emit: &mut (impl Listener + ?Sized)) {
        let kind = self.first >> 4;
        if kind != CONNECT && kind != CONNACK {
            return;
        }
        let room = MAX_CONNECT.saturating_sub(self.body.len());
        self.body.extend_from_slice(part.get(..room).unwrap_or(part));
        if self.left > 0 {
            return;
        }
        let body = std::mem::take(&mut self.body);
        let packet = if kind == CONNECT { connect(&body) } else { connack(&body) };
        emit.op(from, Op::Mqtt(packet.unwrap_or(MqttPacket::Other { kind })));
    }
}

/// Whether these bytes are packets, back to back, ending where the bytes end: the only sign there is.
fn is_plausible(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    while let Some(first) = reader.byte() {
        if !(1..=14).contains(&(first >> 4)) {
            return false;
        }
        let Some(len) = varint(&mut reader) else { return false };
        if reader.take(len).is_none() {
            return false;
        }
    }
    !bytes.is_empty()
}

/// A length of up to four bytes, low seven bits first.
fn varint(reader: &mut Reader<'_>) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = reader.byte()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Client id, keepalive and user name; the password is never reached.
fn connect(body: &[u8]) -> Option<MqttPacket<'_>> {
    let mut reader = Reader(body);
    reader.counted()?;
    let level = reader.byte()?;
    let flags = reader.byte()?;
    let keepalive = reader.word()?;
    skip_properties(&mut reader, level)?;
    let client_id = reader.counted()?;
    Some(MqttPacket::Connect { client_id, keepalive, user: user_name(reader, level, flags) })
}

fn user_name(mut reader: Reader<'_>, level: u8, flags: u8) -> Option<&[u8]> {
    if flags & 0x04 != 0 {
        skip_properties(&mut reader, level)?;
        reader.counted()?;
        reader.counted()?;
    }
    if flags & 0x80 != 0 { reader.counted() } else { None }
}

/// MQTT 5 has properties where 3.1.1 has nothing.
fn skip_properties(reader: &mut Reader<'_>, level: u8) -> Option<()> {
    if level >= 5 {
        let len = varint(reader)?;
        reader.take(len)?;
    }
    Some(())
}

fn connack(body: &[u8]) -> Option<MqttPacket<'_>> {
    body.get(1).map(|&code| MqttPacket::Connack { code })
}
