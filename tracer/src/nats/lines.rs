//! Plain NATS of one direction as a stream: lines, payload by count, holes, and finding one's feet after them.
mod messages;

use super::line::{self, Dialect};
use super::listener::Listener;
use super::op::{Fault, Op};
use super::session::Session;
use super::{jetstream, s2, status, tls};
use crate::base::Side;
use memchr::memchr;
use serde::{Deserialize, Serialize};
use std::mem;

/// Longest line kept: 64 KiB is what links take (16 × max_control_line), and INFO of large clusters is not much longer.
const MAX_LINE: usize = 72 * 1024;

/// A buffer that is kept for the next line is no longer.
const SHORT: usize = 256;

/// Valid lines in a row after which a fault is the sender's and not a false step of ours.
const TRUSTED: u8 = 2;

/// Where in the stream the next byte lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Step {
    /// In a control line (or before one).
    Line,
    /// In headers or payload.
    Payload,
    /// At the CR behind a payload.
    Cr,
    /// At the LF behind a payload.
    Lf,
    /// Unknown: a line that is certain is sought.
    Lost,
}

/// The state of one direction.
#[derive(Serialize, Deserialize)]
pub(super) struct Lines {
    /// The unfinished line; in a header block its unfinished first line; in an opening all that is undecided.
    pub held: Vec<u8>,
    payload: u64,
    /// Bytes from here that may still belong to the first line of a header block.
    status_room: u32,
    step: Step,
    trust: u8,
}

impl Default for Lines {
    fn default() -> Self {
        Self { held: Vec::new(), payload: 0, status_room: 0, step: Step::Line, trust: TRUSTED }
    }
}

impl Lines {
    /// Takes bytes; gives back how many at the end belong to another layer (TLS, S2) that begins there.
    #[inline(always)]
    pub fn push<F>(&mut self, session: &mut Session, from: Side, bytes: &[u8], emit: &mut F) -> Option<usize>
    where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        if self.step == Step::Payload && self.status_room == 0 {
            rest = self.go_through(from, rest, emit);
        }
        if self.step == Step::Line && self.held.is_empty() {
            rest = self.messages(session, from, rest, emit);
        }
        if rest.is_empty() { None } else { self.push_any(session, from, rest, emit) }
    }

    /// The same, whatever the bytes are.
    #[inline(never)]
    fn push_any<F>(&mut self, session: &mut Session, from: Side, bytes: &[u8], emit: &mut F) -> Option<usize>
    where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.step {
                Step::Line if self.held.is_empty() => {
                    if let Some((op, after)) = line::heartbeat(rest) {
                        rest = self.accept_any(op, session, from, after, emit);
                        continue;
                    }
                    // MSG, PUB, HMSG, HPUB.
                    if let [b'M' | b'P' | b'H', ..] = rest {
                        let left = rest.len();
                        rest = self.messages(session, from, rest, emit);
                        if rest.len() < left {
                            continue;
                        }
                    }
                    let Some((line, after)) = cut(rest) else {
                        return self.hold(from, rest, emit);
                    };
                    match line::parse(line, || dialect(session, from)) {
                        Ok(op) => self.accept_any(op, session, from, after, emit),
                        Err(_) if begins_layer(rest) => return Some(rest.len()),
                        Err(what) => self.fault(what, line, from, after, emit),
                    }
                }
                Step::Line => {
                    let Some((end, after)) = cut(rest) else {
                        return self.hold(from, rest, emit);
                    };
                    self.held.extend_from_slice(end);
                    let line = mem::take(&mut self.held);
                    let next = match line::parse(&line, || dialect(session, from)) {
                        Ok(op) => self.accept_any(op, session, from, after, emit),
                        Err(what) => self.fault(what, &line, from, after, emit),
                    };
                    self.give_back(line);
                    next
                }
                Step::Payload => self.skip(from, rest, emit),
                Step::Cr | Step::Lf => self.terminator(from, rest, emit),
                Step::Lost if is_other_layer(session, rest) => return Some(rest.len()),
                Step::Lost => self.search(session, from, rest, emit),
            };
        }
        None
    }

    /// A stream whose segments end in lines does so again and again: a short buffer is kept, a long one is not.
    fn give_back(&mut self, mut line: Vec<u8>) {
        if self.held.capacity() == 0 && line.capacity() <= SHORT {
            line.clear();
            self.held = line;
        }
    }

    /// Bytes that will never come.
    pub fn gap<F: Listener + ?Sized>(&mut self, from: Side, missing: u64, emit: &mut F) {
        if missing == 0 {
            return;
        }
        self.cut_error(from, emit);
        self.held = Vec::new();
        self.status_room = 0;
        let left = match self.step {
            Step::Line | Step::Lost => return self.lose(),
            Step::Payload | Step::Cr => self.payload.saturating_add(2),
            Step::Lf => 1,
        };
        match left.checked_sub(missing) {
            Some(0) => {
                self.payload = 0;
                self.step = Step::Line;
                emit.op(from, Op::MessageEnd);
            }
            Some(1) => {
                self.payload = 0;
                self.step = Step::Lf;
            }
            Some(more) => {
                self.payload = more - 2;
                self.step = if self.payload == 0 { Step::Cr } else { Step::Payload };
            }
            None => {
                emit.op(from, Op::MessageEnd);
                self.lose();
            }
        }
    }

    /// Tells an error whose text a snap length cut: why the server closes stands in its first words. What it quotes is left
    /// out, since a name that is cut can't be told from its text any more.
    #[cold]
    fn cut_error<F: Listener + ?Sized>(&self, from: Side, emit: &mut F) {
        const BEGIN: &[u8] = b"-ERR '";
        let sure = match self.step {
            Step::Line => 2,
            Step::Lost => BEGIN.len(),
            Step::Payload | Step::Cr | Step::Lf => return,
        };
        if self.held.len() < sure || !self.held.iter().zip(BEGIN).all(|(a, b)| a == b) {
            return;
        }
        let shown = self.held.get(BEGIN.len()..).unwrap_or_default().split(|&b| b == b'"').next();
        let mut text = shown.unwrap_or_default().to_vec();
        text.extend_from_slice(super::CUT.encode_utf8(&mut [0; 4]).as_bytes());
        emit.op(from, Op::Err { text: &text });
    }

    /// As new; a short buffer is kept.
    pub fn empty(&mut self) {
        let held = if self.held.capacity() > SHORT { Vec::new() } else { mem::take(&mut self.held) };
        *self = Self { held, ..Self::default() };
        self.held.clear();
    }

    /// Gives up the place; a certain line is sought from here.
    pub fn lose(&mut self) {
        *self = Self { step: Step::Lost, trust: 0, ..Self::default() };
    }

    /// Whether the stream so far ends inside an operation or its payload.
    #[inline]
    pub fn is_mid_message(&self) -> bool {
        match self.step {
            Step::Line => !self.held.is_empty(),
            Step::Payload | Step::Cr | Step::Lf => true,
            Step::Lost => false,
        }
    }

    /// Whether a certain line is sought.
    pub fn is_lost(&self) -> bool {
        self.step == Step::Lost
    }

    /// Whether a line begins with the next octet, and what is said is trusted.
    #[inline(always)]
    pub fn is_at_line(&self) -> bool {
        self.step == Step::Line && self.trust == TRUSTED && self.held.is_empty()
    }

    /// Whether a certain line is sought and nothing is there that one may begin with.
    #[inline(always)]
    pub fn knows_nothing(&self) -> bool {
        self.step == Step::Lost && self.held.is_empty()
    }

    /// Bytes of the control line that is unfinished.
    pub fn pending_line(&self) -> u32 {
        if self.step == Step::Line { u32::try_from(self.held.len()).unwrap_or(u32::MAX) } else { 0 }
    }

    /// The same as [`Self::accept`], for what is not the data path.
    #[inline(never)]
    fn accept_any<'b, F>(
        &mut self,
        op: Op<'_>,
        session: &mut Session,
        from: Side,
        after: &'b [u8],
        emit: &mut F,
    ) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        self.accept(op, session, from, after, emit)
    }

    /// Tells a valid operation and steps behind its payload where that is here already.
    #[inline(always)]
    fn accept<'b, F>(
        &mut self,
        op: Op<'_>,
        session: &mut Session,
        from: Side,
        after: &'b [u8],
        emit: &mut F,
    ) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        match op {
            Op::Info { json, .. } => introduce_server(json, session, from, emit),
            Op::Connect { json, .. } => {
                let said = session.connect(json, emit.hellos());
                emit.op(from, Op::Connect { json, said: said.as_ref() });
            }
            _ => {
                if session.is_open() || matches!(op, Op::LinkSub { .. }) {
                    session.learn(&op);
                }
                emit.op(from, op);
            }
        }
        if self.trust < TRUSTED {
            self.trust += 1;
        }
        self.step = Step::Line;
        let Some((header, total)) = line::sizes(&op) else { return after };
        if jetstream::shows(&op, after) {
            emit.op(from, Op::JetStream);
        }
        if header == 0
            && let Ok(n) = usize::try_from(total)
            && let Some(rest) = after.get(n..).and_then(|tail| tail.strip_prefix(b"\r\n"))
        {
            emit.op(from, Op::MessageEnd);
            return rest;
        }
        self.payload = total;
        // A publisher's headers carry no status.
        self.status_room = if matches!(op, Op::Pub { .. }) { 0 } else { header.min(status::STATUS_ROOM) };
        self.step = if total == 0 { Step::Cr } else { Step::Payload };
        after
    }

    /// Tells what breaks the protocol, unless the place was not certain; what follows is sought anew.
    #[cold]
    fn fault<'b, F>(
        &mut self,
        what: Fault,
        line: &[u8],
        from: Side,
        after: &'b [u8],
        emit: &mut F,
    ) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        if self.trust >= TRUSTED {
            let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
            emit.op(from, Op::Malformed { what, line: status::snip(line), length });
        }
        self.lose();
        after
    }

    /// Keeps the beginning of a line, unless no operation begins like that.
    #[cold]
    fn hold<F>(&mut self, from: Side, bytes: &[u8], emit: &mut F) -> Option<usize>
    where
        F: Listener + ?Sized,
    {
        if self.held.is_empty() && begins_layer(bytes) {
            return Some(bytes.len());
        }
        let unchecked = self.held.len() < 9;
        let fits = self.held.len() + bytes.len() <= MAX_LINE;
        let shown = if fits { bytes.len() } else { bytes.len().min(MAX_LINE) };
        self.held.extend_from_slice(bytes.get(..shown).unwrap_or(bytes));
        if unchecked && !line::may_begin(&self.held) {
            let line = mem::take(&mut self.held);
            self.fault(Fault::Verb, &line, from, b"", emit);
        } else if !fits {
            let line = mem::take(&mut self.held);
            self.fault(Fault::TooLong, &line, from, b"", emit);
        }
        None
    }

    /// Steps over payload, looking at the first line of a header block on the way.
    fn skip<'b, F>(&mut self, from: Side, bytes: &'b [u8], emit: &mut F) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        if self.status_room > 0 {
            self.look_at_status(from, bytes, emit);
        }
        let n = usize::try_from(self.payload).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.payload -= n as u64;
        if self.payload == 0 {
            self.step = Step::Cr;
        }
        bytes.get(n..).unwrap_or(b"")
    }

    fn look_at_status<F>(&mut self, from: Side, bytes: &[u8], emit: &mut F)
    where
        F: Listener + ?Sized,
    {
        let room = self.status_room as usize;
        let window = bytes.get(..room).unwrap_or(bytes);
        let end = memchr(b'\n', window).map(|at| at + 1);
        let part = window.get(..end.unwrap_or(window.len())).unwrap_or(window);
        if end.is_none() && window.len() < room {
            self.held.extend_from_slice(part);
            self.status_room -= part.len() as u32;
            return;
        }
        self.status_room = 0;
        if self.held.is_empty() {
            status::parse(part).into_iter().for_each(|op| emit.op(from, op));
        } else {
            self.held.extend_from_slice(part);
            let held = mem::take(&mut self.held);
            status::parse(&held).into_iter().for_each(|op| emit.op(from, op));
        }
    }

    /// The CRLF behind a payload. Anything else means that the announced size was wrong; the bytes are payload, so
    /// they are not shown.
    fn terminator<'b, F>(&mut self, from: Side, bytes: &'b [u8], emit: &mut F) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        match (self.step, bytes.split_first()) {
            (Step::Cr, Some((b'\r', rest))) => {
                self.step = Step::Lf;
                rest
            }
            (Step::Lf, Some((b'\n', rest))) => {
                self.step = Step::Line;
                emit.op(from, Op::MessageEnd);
                rest
            }
            _ => self.fault(Fault::Terminator, b"", from, bytes, emit),
        }
    }

    /// Looks for a line that can be nothing else: where the bytes begin (senders begin segments with an operation), and
    /// behind every LF.
    #[cold]
    fn search<'b, F>(&mut self, session: &mut Session, from: Side, bytes: &'b [u8], emit: &mut F) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        if !self.held.is_empty() {
            let Some((end, after)) = cut(rest) else {
                if self.held.len() + rest.len() > MAX_LINE {
                    self.held = Vec::new();
                } else {
                    self.held.extend_from_slice(rest);
                }
                return b"";
            };
            self.held.extend_from_slice(end);
            self.held.push(b'\n');
            let line = mem::take(&mut self.held);
            if let Some(op) = certain(&line, after, session, from) {
                return self.accept_any(op, session, from, after, emit);
            }
            rest = after;
        }
        loop {
            let Some((line, after)) = cut(rest) else {
                if !rest.is_empty() && rest.len() <= MAX_LINE && may_be_certain(rest) {
                    self.held.extend_from_slice(rest);
                }
                return b"";
            };
            let whole = rest.get(..=line.len()).unwrap_or(rest);
            if let Some(op) = certain(whole, after, session, from) {
                return self.accept_any(op, session, from, after, emit);
            }
            rest = after;
        }
    }
}

/// Tells an INFO, and whether TLS went to a listener that does not speak it.
#[cold]
fn introduce_server<F>(json: &[u8], session: &mut Session, from: Side, emit: &mut F)
where
    F: Listener + ?Sized,
{
    let said = session.info(from, json, emit.hellos());
    emit.op(from, Op::Info { json, said: said.as_ref() });
    if session.tls_mismatch() {
        emit.op(Side::Client, Op::Foreign(super::Foreign::Tls));
    }
}

/// Up to the LF, and behind it.
#[inline]
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b'\n', bytes)?;
    let (line, rest) = bytes.split_at_checked(at)?;
    Some((line, rest.get(1..)?))
}

#[inline]
fn dialect(session: &Session, from: Side) -> Dialect {
    Dialect { protocol: session.protocol(), dedicated: session.dedicated(), from }
}

/// The operation of a line (LF included) that can be nothing else. Where its payload ends in sight, its CRLF must be
/// there and an operation behind it.
fn certain<'a>(whole: &'a [u8], after: &[u8], session: &Session, from: Side) -> Option<Op<'a>> {
    let line = whole.strip_suffix(b"\n")?;
    // Most lines of a payload fall here, cheaply.
    if !line::may_begin(line.get(..9).unwrap_or(line)) {
        return None;
    }
    let op = line::parse(line, || dialect(session, from)).ok()?;
    if !line::is_certain(whole, &op) {
        return None;
    }
    if let Some((_, total)) = line::sizes(&op)
        && let Some(tail) = usize::try_from(total).ok().and_then(|n| after.get(n..))
    {
        let (end, next) = tail.split_at_checked(2).unwrap_or((tail, b""));
        let next_fits = next.is_empty() || line::may_begin(next.get(..9).unwrap_or(next));
        if !b"\r\n".starts_with(end) || !next_fits {
            return None;
        }
    }
    Some(op)
}

/// Whether an unfinished line could become certain.
fn may_be_certain(bytes: &[u8]) -> bool {
    let (text, cr) = bytes.strip_suffix(b"\r").map_or((bytes, false), |t| (t, true));
    let printable = |b: &u8| *b >= b' ' && *b != 0x7f;
    (!text.is_empty() || cr) && line::may_begin(text.get(..9).unwrap_or(text)) && text.iter().all(printable)
}

/// Whether TLS or S2 begins here: no operation begins with these bytes.
fn begins_layer(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17 | 0xff] | [0x14..=0x17, 3, ..] | [0xff, 6, ..])
}

/// Whether lost bytes are of another layer: an S2 stream begins, or TLS was joined in the middle.
fn is_other_layer(session: &Session, bytes: &[u8]) -> bool {
    if !begins_layer(bytes) {
        return false;
    }
    bytes.starts_with(&s2::MAGIC)
        || (session.has_tls() || session.midstream && session.is_open()) && tls::is_plausible(bytes)
}
