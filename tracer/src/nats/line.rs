//! One control line: verb, arguments, meaning. Grammar: nats-server `server/parser.go`, the `process…` functions of
//! `client.go`, `route.go` and `leafnode.go`. Knows nothing of streams.
use super::blanks::{self, End, Words};
use super::op::{Fault, LinkVerb, Op};
use super::{Protocol, eights};
use crate::base::Side;

/// Verbs that need a separator behind them. `PING`, `PONG` and `+OK` take anything up to the line end.
const VERBS: [&[u8]; 18] = [
    b"MSG", b"HMSG", b"PUB", b"HPUB", b"SUB", b"UNSUB", b"INFO", b"CONNECT", b"-ERR", b"RMSG", b"LMSG",
    b"RS+", b"RS-", b"LS+", b"LS-", b"A+", b"A-", b"AU",
];
const BARE_VERBS: [&[u8]; 3] = [b"PING", b"PONG", b"+OK"];

/// More arguments than any form but queue lists has.
const MAX_ARGS: usize = 8;

/// What the grammar needs to know of the connection.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    pub protocol: Protocol,
    /// A route for one account: the account is left out.
    pub dedicated: bool,
    pub from: Side,
}

/// Reads one line without its LF; a CR at its end is no part of it. Always inlined, with what the data path needs: a
/// tenth faster, as measured, because the operation is not moved through memory.
#[inline(always)]
pub(super) fn parse<'a>(line: &'a [u8], dialect: impl FnOnce() -> Dialect) -> Result<Op<'a>, Fault> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let end = line.iter().position(|&b| is_space(b)).unwrap_or(line.len());
    let (verb, args) = line.split_at_checked(end).unwrap_or((line, b""));
    // The two of the data path first, as servers and libraries write them.
    match verb {
        b"MSG" => msg(args, false),
        b"PUB" => publish(args, false),
        _ => other(line, verb, args, dialect),
    }
}

/// PING and PONG as they are nearly always written, and what is behind them: [`parse`] says the same of their lines.
#[inline(always)]
pub(super) fn heartbeat(bytes: &[u8]) -> Option<(Op<'static>, &[u8])> {
    match bytes {
        [b'P', b'I', b'N', b'G', b'\r', b'\n', after @ ..] => Some((Op::Ping, after)),
        [b'P', b'O', b'N', b'G', b'\r', b'\n', after @ ..] => Some((Op::Pong, after)),
        _ => None,
    }
}

/// The two operations that make up nearly all of a stream, as servers and libraries write them: `MSG ` or `PUB ` in capitals, one
/// space between words, CRLF. `bytes` begin with the first; what follows its line comes back with the operation. Anything else is
/// `None` and for [`parse`], which says the same of these: a property test holds the two equal. So is what too little follows,
/// which [`short_message`] may take.
#[inline(always)]
pub(super) fn plain_msg(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let mut words = Words::behind(bytes, 3)?;
    let (subject, sid) = (words.next()?, words.next()?);
    let PlainTail { reply, total, after, .. } = PlainTail::of(bytes, &mut words)?;
    let (End::Space, End::Space) = (subject.2, sid.2) else { return None };
    let (subject, sid) = (bytes.get(subject.0..subject.1)?, bytes.get(sid.0..sid.1)?);
    Some((Op::Msg { subject, sid, reply, header: 0, total }, after))
}

/// The second.
#[inline(always)]
pub(super) fn plain_publish(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let mut words = Words::behind(bytes, 3)?;
    let (from, to, End::Space) = words.next()? else { return None };
    let PlainTail { reply, total, end, after } = PlainTail::of(bytes, &mut words)?;
    let line = (end - 4) as u32;
    Some((Op::Pub { subject: bytes.get(from..to)?, reply, header: 0, total, line }, after))
}

/// What ends the line of a message without headers.
struct PlainTail<'a> {
    reply: Option<&'a [u8]>,
    total: u64,
    /// Where the line's words end.
    end: usize,
    /// What follows the line.
    after: &'a [u8],
}

impl<'a> PlainTail<'a> {
    #[inline(always)]
    fn of(bytes: &'a [u8], words: &mut Words<'a>) -> Option<Self> {
        let word = words.next()?;
        let (reply, size) = match word {
            (_, _, End::Line(_)) => (None, word),
            (from, to, End::Space) => (Some(bytes.get(from..to)?), words.next()?),
        };
        let (from, end, End::Line(behind)) = size else { return None };
        Some(Self { reply, total: blanks::number(bytes, from, end)?, end, after: bytes.get(behind..)? })
    }
}

/// `HMSG ` to a client and `HPUB `, likewise.
#[inline]
pub(super) fn plain_header_msg(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let mut words = Words::behind(bytes, 4)?;
    let (subject, sid) = (words.next()?, words.next()?);
    let Tail { reply, header, total, after } = Tail::of(bytes, &mut words)?;
    let (End::Space, End::Space) = (subject.2, sid.2) else { return None };
    let (subject, sid) = (bytes.get(subject.0..subject.1)?, bytes.get(sid.0..sid.1)?);
    Some((Op::Msg { subject, sid, reply, header, total }, after))
}

/// The second.
#[inline]
pub(super) fn plain_header_publish(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let mut words = Words::behind(bytes, 4)?;
    let (from, to, End::Space) = words.next()? else { return None };
    let Tail { reply, header, total, after } = Tail::of(bytes, &mut words)?;
    let line = length(bytes).saturating_sub(length(after)).saturating_sub(5 + 2);
    Some((Op::Pub { subject: bytes.get(from..to)?, reply, header, total, line }, after))
}

/// What ends the line of a message with headers.
struct Tail<'a> {
    reply: Option<&'a [u8]>,
    header: u32,
    total: u64,
    /// What follows the line.
    after: &'a [u8],
}

impl<'a> Tail<'a> {
    #[inline(always)]
    fn of(bytes: &'a [u8], words: &mut Words<'a>) -> Option<Self> {
        let (first, second) = (words.next()?, words.next()?);
        let (reply, header, total) = match second.2 {
            End::Line(_) => (None, first, second),
            End::Space => (Some(bytes.get(first.0..first.1)?), second, words.next()?),
        };
        let (End::Space, End::Space, End::Line(behind)) = (first.2, header.2, total.2) else { return None };
        let (header, total) =
            (blanks::number(bytes, header.0, header.1)?, blanks::number(bytes, total.0, total.1)?);
        let after = bytes.get(behind..)?;
        (header <= total).then_some(Self { reply, header: u32::try_from(header).ok()?, total, after })
    }
}

/// As [`plain_msg`] and [`plain_publish`], also where too little follows for what is looked at at once.
#[inline(never)]
pub(super) fn short_message(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    match bytes.split_first_chunk()? {
        (b"MSG ", args) => short_msg(args),
        (b"PUB ", args) => short_publish(args),
        _ => None,
    }
}

fn short_msg(args: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let (subject, rest) = word(args)?;
    let (sid, rest) = word(rest)?;
    let (third, rest) = last_or_word(rest)?;
    let (reply, (total, after)) = match rest {
        Behind::Line(after) => (None, (third, after)),
        Behind::Space(rest) => (Some(third), last(rest)?),
    };
    Some((Op::Msg { subject, sid, reply, header: 0, total: number(total)? }, after))
}

fn short_publish(args: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let (subject, rest) = word(args)?;
    let (second, rest) = last_or_word(rest)?;
    let (reply, (total, after)) = match rest {
        Behind::Line(after) => (None, (second, after)),
        Behind::Space(rest) => (Some(second), last(rest)?),
    };
    let line = length(args).saturating_sub(length(after)).saturating_sub(2);
    Some((Op::Pub { subject, reply, header: 0, total: number(total)?, line }, after))
}

/// What stands behind a word.
enum Behind<'a> {
    /// One space, then this.
    Space(&'a [u8]),
    /// CRLF, then this.
    Line(&'a [u8]),
}

/// A word and one space, and what comes then.
#[inline(always)]
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match last_or_word(bytes)? {
        (word, Behind::Space(rest)) => Some((word, rest)),
        _ => None,
    }
}

/// A word and CRLF, and what comes then.
#[inline(always)]
fn last(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match last_or_word(bytes)? {
        (word, Behind::Line(rest)) => Some((word, rest)),
        _ => None,
    }
}

#[inline(always)]
fn last_or_word(bytes: &[u8]) -> Option<(&[u8], Behind<'_>)> {
    let (word, rest) = bytes.split_at_checked(blank(bytes)?)?;
    match rest {
        _ if word.is_empty() => None,
        [b' ', rest @ ..] => Some((word, Behind::Space(rest))),
        [b'\r', b'\n', rest @ ..] => Some((word, Behind::Line(rest))),
        _ => None,
    }
}

/// Where the first space or control character is.
#[inline(always)]
fn blank(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let low = eights::below(u64::from_le_bytes(*eight), 0x21);
        if low != 0 {
            return Some(at + eights::first(low));
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&b| b <= b' ').map(|n| at + n)
}

/// Everything that is not the data path, and its unusual spellings.
fn other<'a>(
    line: &'a [u8],
    verb: &'a [u8],
    args: &'a [u8],
    dialect: impl FnOnce() -> Dialect,
) -> Result<Op<'a>, Fault> {
    // As they are nearly always written.
    match verb {
        b"PING" => return Ok(Op::Ping),
        b"PONG" => return Ok(Op::Pong),
        b"SUB" if verb.len() < line.len() => return sub(args),
        b"INFO" if verb.len() < line.len() => return Ok(Op::Info { json: args.trim_ascii(), said: None }),
        b"CONNECT" if verb.len() < line.len() => {
            return Ok(Op::Connect { json: args.trim_ascii(), said: None });
        }
        _ => {}
    }
    let is = |word: &[u8]| verb.eq_ignore_ascii_case(word);
    let begins = |word: &[u8]| line.get(..word.len()).is_some_and(|l| l.eq_ignore_ascii_case(word));
    // A verb without its separator is none: the server waits for it by the byte.
    let separated = verb.len() < line.len();
    if begins(b"PING") {
        Ok(Op::Ping)
    } else if begins(b"PONG") {
        Ok(Op::Pong)
    } else if begins(b"+OK") {
        Ok(Op::Ok)
    } else if !separated {
        Err(if VERBS.iter().any(|v| is(v)) { Fault::Arguments } else { Fault::Verb })
    } else if is(b"HMSG") {
        header_msg(args, dialect())
    } else if is(b"HPUB") {
        publish(args, true)
    } else if is(b"MSG") {
        msg(args, false)
    } else if is(b"PUB") {
        publish(args, false)
    } else if is(b"SUB") {
        sub(args)
    } else if is(b"UNSUB") {
        unsub(args)
    } else if is(b"INFO") {
        Ok(Op::Info { json: args.trim_ascii(), said: None })
    } else if is(b"CONNECT") {
        Ok(Op::Connect { json: args.trim_ascii(), said: None })
    } else if is(b"-ERR") {
        Ok(Op::Err { text: unquote(args.trim_ascii()) })
    } else if is(b"RMSG") {
        routed(args, false, dialect())
    } else if is(b"LMSG") {
        leaf_msg(args, dialect())
    } else {
        link_verb(verb).map(|verb| Op::LinkSub { verb, args: args.trim_ascii() }).ok_or(Fault::Verb)
    }
}

/// Whether an operation may begin with these bytes: a whole verb with its separator, or the beginning of one.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let fits = |verb: &[u8]| bytes.iter().zip(verb).all(|(b, v)| b.eq_ignore_ascii_case(v));
    VERBS.iter().any(|v| fits(v) && bytes.get(v.len()).is_none_or(|&b| is_space(b)))
        || BARE_VERBS.iter().any(|v| fits(v))
}

/// Whether a line, CRLF included, can only be an operation and no piece of payload: as servers and libraries write it,
/// nothing but printable characters, every argument in shape.
pub(super) fn is_certain(line: &[u8], op: &Op<'_>) -> bool {
    let Some(text) = line.strip_suffix(b"\r\n") else { return false };
    let strict = VERBS.iter().chain(&BARE_VERBS).any(|v| text.starts_with(v));
    let sizes = |header: u32, total: u64| total <= MAX_BELIEVED && u64::from(header) <= total;
    strict
        && text.iter().all(|&b| b >= b' ' && b != 0x7f)
        && match *op {
            Op::Ping => text == b"PING",
            Op::Pong => text == b"PONG",
            Op::Ok => text == b"+OK",
            Op::Err { .. } => text.starts_with(b"-ERR '") && text.ends_with(b"'"),
            Op::Info { json, .. } | Op::Connect { json, .. } => {
                json.starts_with(b"{\"") && json.ends_with(b"}")
            }
            Op::Pub { header, total, .. }
            | Op::Msg { header, total, .. }
            | Op::Routed { header, total, .. } => sizes(header, total),
            _ => true,
        }
}

/// The largest message believed while feet are sought: twice the 64 MiB that max_payload may be.
const MAX_BELIEVED: u64 = 128 << 20;

/// Bytes of headers and of all, for the operations that payload follows.
#[inline]
pub(super) fn sizes(op: &Op<'_>) -> Option<(u32, u64)> {
    match *op {
        Op::Pub { header, total, .. } | Op::Msg { header, total, .. } | Op::Routed { header, total, .. } => {
            Some((header, total))
        }
        _ => None,
    }
}

#[inline]
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Arguments, split at runs of spaces and tabs. `None`: more than `N`.
#[inline(always)]
fn split<'a, const N: usize>(args: &'a [u8], room: &mut [&'a [u8]; N]) -> Option<usize> {
    let mut n = 0;
    let mut start = 0;
    for (at, &byte) in args.iter().enumerate() {
        if is_space(byte) {
            if at > start {
                *room.get_mut(n)? = args.get(start..at)?;
                n += 1;
            }
            start = at + 1;
        }
    }
    if start < args.len() {
        *room.get_mut(n)? = args.get(start..)?;
        n += 1;
    }
    Some(n)
}

/// nats-server reads at most nine digits (`parseSize`).
#[inline(always)]
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0u64, |n, &b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

/// Header and total size; the header must fit.
#[inline(always)]
fn both(header: &[u8], total: &[u8]) -> Result<(u32, u64), Fault> {
    let (header, total) = number(header).zip(number(total)).ok_or(Fault::Arguments)?;
    let narrow = u32::try_from(header).map_err(|_| Fault::Arguments)?;
    if header > total { Err(Fault::Arguments) } else { Ok((narrow, total)) }
}

#[inline(always)]
fn publish(args: &[u8], with_header: bool) -> Result<Op<'_>, Fault> {
    let mut room: [&[u8]; 5] = [b""; 5];
    let n = split(args, &mut room).ok_or(Fault::Arguments)?;
    let (subject, reply, header, total) = match (with_header, room.get(..n)) {
        (false, Some(&[subject, total])) => (subject, None, &b"0"[..], total),
        (false, Some(&[subject, reply, total])) => (subject, Some(reply), &b"0"[..], total),
        (true, Some(&[subject, header, total])) => (subject, None, header, total),
        (true, Some(&[subject, reply, header, total])) => (subject, Some(reply), header, total),
        _ => return Err(Fault::Arguments),
    };
    let (header, total) = both(header, total)?;
    // What the server measures begins behind the first separator.
    Ok(Op::Pub { subject, reply, header, total, line: length(args).saturating_sub(1) })
}

#[inline(always)]
fn msg(args: &[u8], with_header: bool) -> Result<Op<'_>, Fault> {
    let mut room: [&[u8]; 6] = [b""; 6];
    let n = split(args, &mut room).ok_or(Fault::Arguments)?;
    let (subject, sid, reply, header, total) = match (with_header, room.get(..n)) {
        (false, Some(&[subject, sid, total])) => (subject, sid, None, &b"0"[..], total),
        (false, Some(&[subject, sid, reply, total])) => (subject, sid, Some(reply), &b"0"[..], total),
        (true, Some(&[subject, sid, header, total])) => (subject, sid, None, header, total),
        (true, Some(&[subject, sid, reply, header, total])) => (subject, sid, Some(reply), header, total),
        _ => return Err(Fault::Arguments),
    };
    let (header, total) = both(header, total)?;
    Ok(Op::Msg { subject, sid, reply, header, total })
}

/// `HMSG` has two grammars: to clients with a sid, between servers without.
fn header_msg(args: &[u8], dialect: Dialect) -> Result<Op<'_>, Fault> {
    if dialect.protocol.is_link() || dialect.from == Side::Client {
        routed(args, true, dialect)
    } else {
        msg(args, true)
    }
}

/// `[account] <subject> [reply | + reply queues… | bar queues…] [#hdr] <#bytes>`; the account is absent on leafs and on
/// routes of one account.
fn routed(args: &[u8], with_header: bool, dialect: Dialect) -> Result<Op<'_>, Fault> {
    let accounts = usize::from(dialect.protocol != Protocol::Leafnode && !dialect.dedicated);
    deliver(args, accounts, with_header)
}

/// On leafs `<subject> …`, on routes `<origin> <account> <subject> … <#hdr> <#total>`.
fn leaf_msg(args: &[u8], dialect: Dialect) -> Result<Op<'_>, Fault> {
    if dialect.protocol == Protocol::Route {
        deliver(args, 2 - usize::from(dialect.dedicated), true)
    } else {
        deliver(args, 0, false)
    }
}

/// `before` words, a subject, perhaps a reply or queues, one or two sizes.
fn deliver(args: &[u8], before: usize, with_header: bool) -> Result<Op<'_>, Fault> {
    let mut room: [&[u8]; MAX_ARGS] = [b""; MAX_ARGS];
    // A queue list may be long: the front words, and the sizes from the back.
    let words = || args.split(|&b| is_space(b)).filter(|w| !w.is_empty());
    let mut count = 0;
    for (slot, word) in room.iter_mut().zip(words()) {
        *slot = word;
        count += 1;
    }
    let mut back = words().rev();
    let total = back.next().ok_or(Fault::Arguments)?;
    let header = if with_header { back.next().ok_or(Fault::Arguments)? } else { b"0" };
    let (header, total) = both(header, total)?;
    // A route without an account (not told by an INFO we missed) has one word less.
    let tail = 1 + usize::from(with_header);
    let front = room.get(..count).unwrap_or(&room);
    let before = if count == 1 + tail { before.min(count.saturating_sub(1 + tail)) } else { before };
    let subject = *front.get(before).filter(|_| count > before + tail).ok_or(Fault::Arguments)?;
    let behind = front.get(before + 1..).unwrap_or(&[]);
    let reply = match behind {
        [b"+", reply, ..] => Some(*reply),
        [b"|", ..] => None,
        [reply, rest @ ..] if rest.len() >= tail => Some(*reply),
        _ => None,
    };
    Ok(Op::Routed { subject, reply, header, total })
}

fn sub(args: &[u8]) -> Result<Op<'_>, Fault> {
    let mut room: [&[u8]; 4] = [b""; 4];
    let n = split(args, &mut room).ok_or(Fault::Arguments)?;
    let line = length(args).saturating_sub(1);
    match room.get(..n) {
        Some(&[subject, sid]) => Ok(Op::Sub { subject, queue: None, sid, line }),
        Some(&[subject, queue, sid]) => Ok(Op::Sub { subject, queue: Some(queue), sid, line }),
        _ => Err(Fault::Arguments),
    }
}

fn unsub(args: &[u8]) -> Result<Op<'_>, Fault> {
    let mut room: [&[u8]; 3] = [b""; 3];
    let n = split(args, &mut room).ok_or(Fault::Arguments)?;
    match room.get(..n) {
        Some(&[sid]) => Ok(Op::Unsub { sid, max: None }),
        // The server passes over a maximum that is no number.
        Some(&[sid, max]) => Ok(Op::Unsub { sid, max: number(max) }),
        _ => Err(Fault::Arguments),
    }
}

fn link_verb(verb: &[u8]) -> Option<LinkVerb> {
    let is = |word: &[u8]| verb.eq_ignore_ascii_case(word);
    Some(match verb {
        _ if is(b"RS+") => LinkVerb::RouteSub,
        _ if is(b"RS-") => LinkVerb::RouteUnsub,
        _ if is(b"LS+") => LinkVerb::LeafSub,
        _ if is(b"LS-") => LinkVerb::LeafUnsub,
        _ if is(b"A+") => LinkVerb::AccountSub,
        // `au` is what parser.go also takes for A-.
        _ if is(b"A-") || is(b"AU") => LinkVerb::AccountUnsub,
        _ => return None,
    })
}

/// The text of an error, between its quotes where it has both.
fn unquote(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"'").map_or(text, |t| t.strip_suffix(b"'").unwrap_or(t))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both_ways(line: &[u8]) -> (Option<Op<'_>>, Result<Op<'_>, Fault>) {
        let dialect = || Dialect { protocol: Protocol::Client, dedicated: false, from: Side::Server };
        let end = line.iter().position(|&b| b == b'\n').unwrap_or(line.len());
        let short = match line.first_chunk() {
            Some(b"MSG ") => plain_msg(line).or_else(|| short_message(line)),
            Some(b"PUB ") => plain_publish(line).or_else(|| short_message(line)),
            Some(b"HMSG") if line.get(4) == Some(&b' ') => plain_header_msg(line),
            Some(b"HPUB") if line.get(4) == Some(&b' ') => plain_header_publish(line),
            _ => heartbeat(line),
        };
        (short.map(|(op, _)| op), parse(line.get(..end).unwrap_or(line), dialect))
    }

    proptest! {
        #[test]
        fn the_short_way_says_the_same(
            words in proptest::collection::vec("(PUB|MSG|HPUB|HMSG|PING|PONG|pub|[a-z.\\x01\\r]{1,18}|[0-9]{1,11}|)", 1..7),
            gap in "( |  |\t)", end in "(\r\n|\n|\r\r\n|)", behind in "[a-z \r\n]{0,70}",
        ) {
            let line = [words.join(&gap), end, behind].concat();
            let (short, long) = both_ways(line.as_bytes());
            prop_assert!(short.is_none() || short == long.ok(), "{line:?}: {short:?}");
        }

        #[test]
        fn the_short_way_takes_what_servers_write(
            verb in "(PUB|MSG)", words in proptest::collection::vec("[!-~]{1,40}", 1..4), total in 0u32..1_000_000_000,
            behind in "[a-z ]{0,70}",
        ) {
            let line = format!("{verb} {} {total}\r\n{behind}", words.join(" "));
            let (short, long) = both_ways(line.as_bytes());
            prop_assert_eq!(short, long.ok());
        }

        #[test]
        fn the_short_way_takes_headers_too(
            verb in "(HPUB|HMSG x)", words in proptest::collection::vec("[!-~]{1,40}", 1..3), header in 0u32..2_000,
            body in 0u32..90_000_000, behind in "[a-z ]{32,70}",
        ) {
            let line = format!("{verb} {} {header} {}\r\n{behind}", words.join(" "), header + body);
            let (short, long) = both_ways(line.as_bytes());
            prop_assert!(long.is_ok());
            prop_assert_eq!(short, long.ok());
        }
    }
    #[test]
    fn heartbeats_are_taken_as_they_are_written() {
        for (line, op) in [("PING\r\nPUB", Op::Ping), ("PONG\r\n", Op::Pong)] {
            assert_eq!(both_ways(line.as_bytes()), (Some(op), Ok(op)));
        }
        for line in ["PING\n", "PONG \r\n", "ping\r\n", "PING"] {
            assert!(both_ways(line.as_bytes()).0.is_none());
        }
    }
}
