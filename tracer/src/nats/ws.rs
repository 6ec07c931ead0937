//! WebSocket frames of one direction (RFC 6455 section 5), and the messages in them, inflated where they are
//! compressed (RFC 7692 without context takeover, the only way nats-server agrees to).
use super::conversation::{Layer, feed, gap};
use super::lines::Lines;
use super::listener::Listener;
use super::op::{Fault, Op};
use super::session::Session;
use crate::base::Side;
use miniz_oxide::inflate::stream::{InflateState, MinReset, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use serde::{Deserialize, Serialize};

/// Bytes unmasked or inflated at a time.
const CHUNK: usize = 16 * 1024;
/// Most that is inflated of one message: the default max_payload.
const MAX_MESSAGE: usize = 1 << 20;
/// What a compressor leaves away at a message's end.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Bytes that a segment of a larger frame has at least.
const FULL: usize = 512;

const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const CLOSE: u8 = 8;

/// The state of one direction.
#[derive(Serialize, Deserialize)]
pub(super) struct Ws {
    head: [u8; 14],
    have: u8,
    left: u64,
    mask: [u8; 4],
    masked: bool,
    /// Position in the mask.
    phase: u8,
    /// The current message is compressed.
    squeezed: bool,
    /// The rest of the current message can't be inflated.
    skip: bool,
    lost: bool,
    /// Bytes inflated of the current message.
    inflated: usize,
    /// Body of a control frame.
    control: Vec<u8>,
    /// Unmasked bytes.
    scratch: Vec<u8>,
    /// Inflated bytes.
    room: Vec<u8>,
    /// It has no other form than this: a conversation that has one does not rest.
    #[serde(skip)]
    inflater: Option<Box<InflateState>>,
    inner: Layer,
}

impl Ws {
    /// What is kept of earlier messages has to stay as it is.
    pub const fn inflates(&self) -> bool {
        self.inflater.is_some()
    }

    /// Frames begin here and carry `inner`.
    pub fn new(inner: Layer) -> Self {
        Self {
            head: [0; 14],
            have: 0,
            left: 0,
            mask: [0; 4],
            masked: false,
            phase: 0,
            squeezed: false,
            skip: false,
            lost: false,
            inflated: 0,
            control: Vec::new(),
            scratch: Vec::new(),
            room: Vec::new(),
            inflater: None,
            inner,
        }
    }

    /// Takes bytes.
    pub fn push<F>(
        &mut self,
        lines: &mut Lines,
        session: &mut Session,
        from: Side,
        bytes: &[u8],
        emit: &mut F,
    ) where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        if self.lost && is_plausible(rest) {
            self.lost = false;
        }
        while !rest.is_empty() && !self.lost {
            if self.left == 0 {
                rest = self.header(lines, session, from, rest, emit);
            } else {
                let n = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                let (part, after) = rest.split_at_checked(n).unwrap_or((rest, b""));
                self.left -= n as u64;
                self.body(lines, session, from, part, emit);
                if self.left == 0 {
                    self.end(lines, session, from, emit);
                }
                rest = after;
            }
        }
    }

    /// Bytes that will never come.
    pub fn gap<F>(&mut self, lines: &mut Lines, from: Side, missing: u64, emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        if missing == 0 {
            return;
        }
        if self.lost || missing > self.left {
            lines.lose();
            self.control = Vec::new();
            (self.left, self.have, self.lost, self.skip) = (0, 0, true, true);
            return;
        }
        self.left -= missing;
        self.phase = self.phase.wrapping_add((missing & 3) as u8) & 3;
        if self.is_control() {
            self.control.clear();
        } else if self.squeezed {
            self.skip = true;
            lines.lose();
        } else {
            gap(&mut self.inner, lines, from, missing, emit);
        }
    }

    /// Whether the stream so far ends inside a frame, or inside what the frames carry.
    pub fn is_mid_frame(&self, lines: &Lines) -> bool {
        self.left > 0 || self.have > 0 || self.inner.is_mid_message(lines)
    }

    fn is_control(&self) -> bool {
        self.head[0] & CLOSE != 0
    }

    fn header<'b, F>(
        &mut self,
        lines: &mut Lines,
        session: &mut Session,
        from: Side,
        bytes: &'b [u8],
        emit: &mut F,
    ) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        loop {
            let need = header_len(&self.head, self.have);
            if self.have >= need {
                break;
            }
            let Some((&byte, after)) = rest.split_first() else { return rest };
            if let Some(slot) = self.head.get_mut(usize::from(self.have)) {
                *slot = byte;
            }
            self.have += 1;
            rest = after;
        }
        let frame = self.head;
        let first_of_message = frame[0] & 0x0f != 0;
        self.have = 0;
        let Some((len, mask)) = sound_header(&frame) else {
            emit.op(from, Op::Malformed { what: Fault::Framing, line: b"", length: 2 });
            lines.lose();
            self.lost = true;
            return b"";
        };
        self.left = len;
        self.masked = mask.is_some();
        self.mask = mask.unwrap_or_default();
        self.phase = 0;
        if !self.is_control() && first_of_message {
            self.squeezed = frame[0] & COMPRESSED != 0;
            self.skip = false;
            self.inflated = 0;
            if let (true, Some(inflater)) = (self.squeezed, &mut self.inflater) {
                inflater.reset_as(MinReset);
            }
        }
        if self.left == 0 {
            self.end(lines, session, from, emit);
        }
        rest
    }

    /// A piece of a frame's body.
    fn body<F>(&mut self, lines: &mut Lines, session: &mut Session, from: Side, part: &[u8], emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        if !self.masked {
            self.clear(lines, session, from, part, emit);
            return;
        }
        for chunk in part.chunks(CHUNK) {
            let mut plain = std::mem::take(&mut self.scratch);
            plain.clear();
            let [a, b, c, d] = self.mask;
            let mut key = [a, b, c, d];
            key.rotate_left(usize::from(self.phase & 3));
            plain.extend(chunk.iter().zip(key.iter().cycle()).map(|(byte, k)| byte ^ k));
            self.phase = self.phase.wrapping_add((chunk.len() & 3) as u8) & 3;
            self.clear(lines, session, from, &plain, emit);
            self.scratch = plain;
        }
    }

    /// The same without its mask.
    fn clear<F>(&mut self, lines: &mut Lines, session: &mut Session, from: Side, part: &[u8], emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        if self.is_control() {
            self.control.extend_from_slice(part);
        } else if !self.squeezed {
            feed(&mut self.inner, lines, session, from, part, emit);
        } else if !self.skip {
            self.inflate(lines, session, from, part, emit);
        }
    }

    fn inflate<F>(&mut self, lines: &mut Lines, session: &mut Session, from: Side, part: &[u8], emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        let inflater = self.inflater.get_or_insert_with(|| InflateState::new_boxed(DataFormat::Raw));
        let mut room = std::mem::take(&mut self.room);
        room.resize(CHUNK, 0);
        let mut rest = part;
        loop {
            let step = inflate(inflater, rest, &mut room, MZFlush::None);
            rest = rest.get(step.bytes_consumed..).unwrap_or(b"");
            let plain = room.get(..step.bytes_written).unwrap_or(b"");
            self.inflated += plain.len();
            feed(&mut self.inner, lines, session, from, plain, emit);
            let stuck = step.bytes_consumed == 0 && step.bytes_written == 0;
            let broken = step.status.is_err() && !stuck;
            if broken || self.inflated > MAX_MESSAGE || (stuck && !rest.is_empty()) {
                self.skip = true;
                lines.lose();
                break;
            }
            if stuck || (rest.is_empty() && step.bytes_written < room.len()) {
                break;
            }
        }
        self.room = room;
    }

    /// A frame is complete.
    fn end<F>(&mut self, lines: &mut Lines, session: &mut Session, from: Side, emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        if self.is_control() {
            let body = std::mem::take(&mut self.control);
            if self.head[0] & 0x0f == CLOSE {
                let (code, reason) = body
                    .split_first_chunk::<2>()
                    .map_or((1005, &b""[..]), |(code, reason)| (u16::from_be_bytes(*code), reason));
                emit.op(from, Op::WsClose { code, reason });
            }
        } else if self.squeezed && self.head[0] & FIN != 0 {
            if !self.skip {
                self.inflate(lines, session, from, &TAIL, emit);
            }
            self.squeezed = false;
        }
    }
}

/// Bytes of a frame header, as far as the `have` first ones tell.
fn header_len(head: &[u8; 14], have: u8) -> u8 {
    if have < 2 {
        return 2;
    }
    let extended = match head[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + if head[1] & 0x80 != 0 { 4 } else { 0 }
}

/// Length and mask of a whole header; `None` where it can't be one.
fn sound_header(head: &[u8; 14]) -> Option<(u64, Option<[u8; 4]>)> {
    let (&[first, second], rest) = head.split_first_chunk::<2>()?;
    let opcode = first & 0x0f;
    let short = second & 0x7f;
    let control = opcode & CLOSE != 0;
    let known = matches!(opcode, 0..=2 | 8..=10);
    if !known || first & RESERVED != 0 || (control && (short > 125 || first & FIN == 0)) {
        return None;
    }
    let (len, rest) = match short {
        126 => rest.split_first_chunk::<2>().map(|(n, rest)| (u64::from(u16::from_be_bytes(*n)), rest))?,
        127 => rest.split_first_chunk::<8>().map(|(n, rest)| (u64::from_be_bytes(*n), rest))?,
        n => (u64::from(n), rest),
    };
    let mask = rest.first_chunk::<4>().copied().filter(|_| second & 0x80 != 0);
    (len <= 1 << 40).then_some((len, mask))
}

/// Whether these bytes begin with frames, back to back, as far as they go. An unfinished one alone counts where there
/// are many bytes: a full segment, not a few that happen to fit.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut frames = 0;
    while !rest.is_empty() {
        let mut head = [0; 14];
        for (slot, &byte) in head.iter_mut().zip(rest) {
            *slot = byte;
        }
        let have = rest.len().min(14) as u8;
        let need = header_len(&head, have);
        let Some((len, _)) = sound_header(&head).filter(|_| have >= need) else { return false };
        // An empty data frame is what a run of zeros looks like.
        if len == 0 && head[0] & CLOSE == 0 {
            return false;
        }
        let whole = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(usize::from(need));
        let Some(after) = rest.get(whole..) else { break };
        frames += 1;
        rest = after;
    }
    frames > 0 || bytes.len() >= FULL
}
