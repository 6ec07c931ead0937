//! The data path: messages that are plain and whole, many behind each other.
use super::super::line;
use super::super::listener::Listener;
use super::super::op::Op;
use super::super::session::Session;
use super::super::{eights, jetstream};
use super::{Lines, Step, TRUSTED};
use crate::base::Side;

impl Lines {
    /// Steps over payload that lies before these octets, and over the CRLF behind it where both are here.
    #[inline(always)]
    pub(super) fn go_through<'b, F>(&mut self, from: Side, bytes: &'b [u8], emit: &mut F) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        let left = usize::try_from(self.payload).unwrap_or(usize::MAX);
        match bytes.get(left..) {
            None => {
                self.payload -= bytes.len() as u64;
                b""
            }
            Some([b'\r', b'\n', rest @ ..]) => {
                self.payload = 0;
                self.step = Step::Line;
                emit.op(from, Op::MessageEnd);
                rest
            }
            Some(_) => bytes,
        }
    }

    /// Messages that begin a line each, as long as they are plain and whole: the data path. What is behind them comes back.
    #[inline(never)]
    pub(super) fn messages<'b, F>(
        &mut self,
        session: &mut Session,
        from: Side,
        bytes: &'b [u8],
        emit: &mut F,
    ) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        let mut rest = bytes;
        // Each of the two by itself: the operation need not be put together.
        while let Some(verb) = rest.first_chunk() {
            rest = match verb {
                b"MSG " => match line::plain_msg(rest) {
                    Some((op, after)) => {
                        self.deliver(op, (rest, after, rest.len() == bytes.len()), session, from, emit)
                    }
                    None => match self.short_message(session, from, rest, emit) {
                        Some(after) => after,
                        None => return rest,
                    },
                },
                b"PUB " => match line::plain_publish(rest) {
                    Some((op, after)) => {
                        self.deliver(op, (rest, after, rest.len() == bytes.len()), session, from, emit)
                    }
                    None => match self.short_message(session, from, rest, emit) {
                        Some(after) => after,
                        None => return rest,
                    },
                },
                b"HMSG" | b"HPUB" => match self.with_headers(session, from, rest, emit) {
                    Some(after) => after,
                    None => return rest,
                },
                _ => return rest,
            };
            if self.step != Step::Line {
                return rest;
            }
        }
        rest
    }

    /// One near the end of what is here.
    #[inline(never)]
    fn short_message<'b, F>(
        &mut self,
        session: &mut Session,
        from: Side,
        bytes: &'b [u8],
        emit: &mut F,
    ) -> Option<&'b [u8]>
    where
        F: Listener + ?Sized,
    {
        let (op, after) = line::short_message(bytes)?;
        Some(self.accept(op, session, from, after, emit))
    }

    /// As [`Self::accept`], a message of the data path, with those behind it that are like it. `bytes` begin with it, `after` is
    /// what follows its line, `alone`: nothing was before it.
    #[inline(always)]
    fn deliver<'b, F>(
        &mut self,
        op: Op<'_>,
        (bytes, after, alone): (&'b [u8], &'b [u8], bool),
        session: &mut Session,
        from: Side,
        emit: &mut F,
    ) -> &'b [u8]
    where
        F: Listener + ?Sized,
    {
        if session.is_open() {
            session.learn(&op);
        }
        emit.op(from, op);
        if self.trust < TRUSTED {
            self.trust += 1;
        }
        let (Op::Msg { total, .. } | Op::Pub { total, .. }) = op else { return after };
        if jetstream::shows(&op, after) {
            emit.op(from, Op::JetStream);
        }
        let len = usize::try_from(total).unwrap_or(usize::MAX);
        match after.get(len..) {
            Some([b'\r', b'\n', rest @ ..]) => {
                emit.op(from, Op::MessageEnd);
                let (line, whole) = (bytes.len() - after.len(), bytes.len() - rest.len());
                if rest.is_empty() {
                    if alone && let Some(known) = emit.hellos() {
                        known.recurring.note(&op, bytes, line);
                    }
                    return rest;
                }
                let times = again(bytes.get(..line).unwrap_or_default(), rest, whole);
                if times > 0 {
                    emit.again(from, op, times);
                    self.trust = TRUSTED;
                }
                rest.get(times as usize * whole..).unwrap_or_default()
            }
            Some(_) => {
                (self.payload, self.step) = (total, if total == 0 { Step::Cr } else { Step::Payload });
                after
            }
            None => {
                (self.payload, self.step) = (total - after.len() as u64, Step::Payload);
                b""
            }
        }
    }

    /// A message with headers, if it is plain, whole, and no status. What is behind it comes back.
    #[inline(never)]
    fn with_headers<'b, F>(
        &mut self,
        session: &mut Session,
        from: Side,
        bytes: &'b [u8],
        emit: &mut F,
    ) -> Option<&'b [u8]>
    where
        F: Listener + ?Sized,
    {
        let (op, after) = match bytes.first_chunk()? {
            b"HPUB " => line::plain_header_publish(bytes)?,
            // Between servers it has another grammar.
            b"HMSG " if from == Side::Server && !session.protocol().is_link() => {
                line::plain_header_msg(bytes)?
            }
            _ => return None,
        };
        let (header, total) = line::sizes(&op)?;
        let [b'\r', b'\n', rest @ ..] = after.get(usize::try_from(total).ok()?..)? else { return None };
        if header > 0 && matches!(op, Op::Msg { .. }) && !after.starts_with(b"NATS/1.0\r\n") {
            return None;
        }
        if session.is_open() {
            session.learn(&op);
        }
        emit.op(from, op);
        self.trust = TRUSTED.min(self.trust + 1);
        if jetstream::shows(&op, after) {
            emit.op(from, Op::JetStream);
        }
        emit.op(from, Op::MessageEnd);
        Some(rest)
    }
}

/// How often `bytes` begin with a message that has the same line as the one before, which was plain and took `whole` octets. Who
/// publishes much does so on one subject, in one size.
#[inline(always)]
fn again(line: &[u8], bytes: &[u8], whole: usize) -> u32 {
    let mut rest = bytes;
    let mut times = 0;
    while let Some((message, next)) = rest.split_at_checked(whole) {
        let same = eights::same(message.get(..line.len()).unwrap_or_default(), line);
        // A short message may be a PubAck.
        if !same || !message.ends_with(b"\r\n") || message.get(line.len()) == Some(&b'{') {
            break;
        }
        (rest, times) = (next, times + 1);
    }
    times
}
