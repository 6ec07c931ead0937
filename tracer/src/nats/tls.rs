//! TLS records of one direction: what is in clear, and the sizes of what is not (RFC 8446, RFC 5246).
use super::listener::Listener;
use super::op::{Fault, Op, TlsRecord};
use super::read::Reader;
use crate::base::Side;
use serde::{Deserialize, Serialize};

/// Largest record: 2^14 and what encryption may add (RFC 5246 section 6.2.3).
const MAX_RECORD: u16 = 16384 + 2048;
/// Most of a hello that is kept.
const MAX_HELLO: usize = 16 * 1024;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The state of one direction.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Tls {
    head: [u8; 5],
    have: u8,
    left: u16,
    /// The hello, or an alert.
    body: Vec<u8>,
    hello_done: bool,
    encrypted: bool,
    lost: bool,
    /// At least one record was sound.
    sound: bool,
}

impl Tls {
    /// Starts without knowing where a record begins.
    pub fn joined() -> Self {
        Self { lost: true, sound: true, hello_done: true, encrypted: true, ..Self::default() }
    }

    /// Takes bytes.
    pub fn push(&mut self, from: Side, bytes: &[u8], emit: &mut (impl Listener + ?Sized)) {
        let mut rest = bytes;
        if self.lost && is_plausible(rest) {
            self.lost = false;
        }
        while !rest.is_empty() && !self.lost {
            if self.left == 0 {
                rest = self.header(from, rest, emit);
            } else {
                let n = rest.len().min(usize::from(self.left));
                let (body, after) = rest.split_at_checked(n).unwrap_or((rest, b""));
                self.left -= n as u16;
                self.collect(from, body, emit);
                rest = after;
            }
        }
    }

    /// Bytes that will never come.
    pub fn gap(&mut self, missing: u64, from: Side, emit: &mut (impl Listener + ?Sized)) {
        if missing > 0 && !self.hello_done && !self.body.is_empty() {
            self.tell_hello(from, emit);
        }
        match u16::try_from(missing) {
            Ok(n) if n <= self.left => self.left -= n,
            _ => {
                (self.left, self.have) = (0, 0);
                self.body = Vec::new();
                self.lost = true;
            }
        }
    }

    /// Whether the stream so far ends inside a record.
    pub fn is_mid_record(&self) -> bool {
        self.left > 0 || self.have > 0
    }

    fn header<'b>(&mut self, from: Side, bytes: &'b [u8], emit: &mut (impl Listener + ?Sized)) -> &'b [u8] {
        let mut used = 0;
        for (slot, &byte) in self.head.iter_mut().skip(usize::from(self.have)).zip(bytes) {
            *slot = byte;
            used += 1;
        }
        self.have += used;
        let rest = bytes.get(usize::from(used)..).unwrap_or(b"");
        if self.have < 5 {
            return rest;
        }
        self.have = 0;
        if !is_header(self.head) {
            if !self.sound {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                emit.op(from, Op::Malformed { what: Fault::Framing, line: &self.head, length });
            }
            self.lost = true;
            return b"";
        }
        self.sound = true;
        self.left = u16::from_be_bytes([self.head[3], self.head[4]]);
        self.begin(from, emit);
        rest
    }

    /// Tells what the header alone tells.
    fn begin(&mut self, from: Side, emit: &mut (impl Listener + ?Sized)) {
        let len = self.left;
        match self.head[0] {
            CHANGE_CIPHER_SPEC => {
                self.encrypted = true;
                emit.op(from, Op::Tls(TlsRecord::ChangeCipherSpec));
            }
            ALERT if len == 2 => self.body.clear(),
            ALERT => emit.op(from, Op::Tls(TlsRecord::EncryptedAlert { len })),
            HANDSHAKE if self.encrypted => emit.op(from, Op::Tls(TlsRecord::Data { len })),
            APPLICATION_DATA => {
                self.encrypted = true;
                emit.op(from, Op::Tls(TlsRecord::Data { len }));
            }
            _ => {}
        }
    }

    fn collect(&mut self, from: Side, part: &[u8], emit: &mut (impl Listener + ?Sized)) {
        match self.head[0] {
            ALERT if self.head[3..] == [0, 2] => {
                self.body.extend_from_slice(part);
                if let (0, &[level, description]) = (self.left, self.body.as_slice()) {
                    self.body = Vec::new();
                    emit.op(from, Op::Tls(TlsRecord::Alert { level, description }));
                }
            }
            HANDSHAKE if !self.hello_done && !self.encrypted => {
                let room = MAX_HELLO.saturating_sub(self.body.len());
                self.body.extend_from_slice(part.get(..room).unwrap_or(part));
                let whole = match self.body.as_slice() {
                    &[_, a, b, c, ref hello @ ..] => {
                        let len = u32::from_be_bytes([0, a, b, c]) as usize;
                        hello.len() >= len || self.body.len() >= MAX_HELLO
                    }
                    _ => false,
                };
                if whole {
                    self.tell_hello(from, emit);
                }
            }
            _ => {}
        }
    }

    /// Reads the hello as far as it came.
    fn tell_hello(&mut self, from: Side, emit: &mut (impl Listener + ?Sized)) {
        self.hello_done = true;
        let body = std::mem::take(&mut self.body);
        if let Some(hello) = hello(&body) {
            emit.op(from, Op::Tls(hello));
        }
    }
}

/// Whether these bytes are records, back to back, as far as they go.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    let mut records = 0;
    while let Some(head) = reader.array::<5>() {
        if !is_header(head) {
            return false;
        }
        records += 1;
        if reader.take(usize::from(u16::from_be_bytes([head[3], head[4]]))).is_none() {
            break;
        }
    }
    records > 0
}

fn is_header([kind, major, minor, a, b]: [u8; 5]) -> bool {
    let len = u16::from_be_bytes([a, b]);
    matches!(kind, CHANGE_CIPHER_SPEC..=APPLICATION_DATA)
        && major == 3
        && minor <= 4
        && len <= MAX_RECORD
        && (len > 0 || kind == APPLICATION_DATA)
}

/// ClientHello or ServerHello; what is cut off is absent.
fn hello(body: &[u8]) -> Option<TlsRecord<'_>> {
    let mut reader = Reader(body);
    let kind = reader.byte()?;
    reader.take(3)?;
    let legacy = reader.word()?;
    match kind {
        1 => Some(TlsRecord::ClientHello { sni: server_name(reader) }),
        2 => Some(TlsRecord::ServerHello { version: selected_version(reader).unwrap_or(legacy) }),
        _ => None,
    }
}

fn server_name(mut reader: Reader<'_>) -> Option<&str> {
    reader.take(32)?;
    let session = reader.byte()?;
    reader.take(usize::from(session))?;
    reader.counted()?;
    let compression = reader.byte()?;
    reader.take(usize::from(compression))?;
    let mut list = Reader(extension(reader, 0)?);
    list.word()?;
    // Name type 0 is the only one there is (RFC 6066 section 3).
    (list.byte()? == 0).then_some(())?;
    std::str::from_utf8(list.counted()?).ok()
}

fn selected_version(mut reader: Reader<'_>) -> Option<u16> {
    reader.take(32)?;
    let session = reader.byte()?;
    reader.take(usize::from(session))?;
    reader.take(3)?;
    Reader(extension(reader, 43)?).word()
}

/// The content of one extension out of the list that follows.
fn extension(mut reader: Reader<'_>, wanted: u16) -> Option<&[u8]> {
    let mut list = Reader(reader.counted_or_rest()?);
    loop {
        let kind = list.word()?;
        let content = list.counted()?;
        if kind == wanted {
            return Some(content);
        }
    }
}
