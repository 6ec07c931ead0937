//! Lines of messages that come again and again. Who sends small messages one by one mostly does so on one subject, in one size: the
//! line of a message that is alone in its segment is kept, and compared with the next, which need not be read then. What a line says
//! hangs on nothing but its octets, so all connections share what is kept. Bounded, and without a word of payload.
use super::op::Op;
use wide::u8x16;

/// Longest line that is kept, CRLF included; so many octets are compared at once.
const LINE_MAX: usize = 32;
/// Lines kept, a power of two. Each has its place; what comes later takes it.
const PLACES: usize = 1 << 7;

/// The lines.
#[derive(Debug)]
pub(super) struct Recurring {
    places: Box<[Known; PLACES]>,
}

impl Default for Recurring {
    fn default() -> Self {
        Self { places: Box::new([Known::default(); PLACES]) }
    }
}

/// A plain message without a reply subject; none has no octets.
#[derive(Clone, Copy, Default, Debug)]
struct Known {
    /// Its line, behind which nothing is kept.
    line: [u8; LINE_MAX],
    /// A bit for each octet that is not of the line.
    beyond: u32,
    /// Octets of the whole message.
    whole: u32,
    /// Octets of its payload.
    total: u32,
    /// Octets of its line.
    len: u8,
    /// Where the subject ends, and, of a delivery, the subscription id.
    subject: u8,
    sid: u8,
}

impl Recurring {
    /// Remembers the message that these octets are, the first so many of which are its line.
    #[inline(never)]
    pub fn note(&mut self, op: &Op<'_>, bytes: &[u8], len: usize) {
        let (subject, sid, total) = match *op {
            Op::Pub { subject, reply: None, header: 0, total, .. } => (subject, None, total),
            Op::Msg { subject, sid, reply: None, header: 0, total } => (subject, Some(sid), total),
            _ => return,
        };
        let (Some(start), Ok(whole), Ok(total)) =
            (bytes.first_chunk::<LINE_MAX>(), u32::try_from(bytes.len()), u32::try_from(total))
        else {
            return;
        };
        let mut line = [0; LINE_MAX];
        let (Some(kept), Some(read)) = (line.get_mut(..len), start.get(..len)) else { return };
        kept.copy_from_slice(read);
        let subject = 4 + subject.len();
        let sid = sid.map_or(0, |sid| subject + 1 + sid.len());
        let beyond = u32::MAX.checked_shl(len as u32).unwrap_or(0);
        // None is longer than the line.
        let (len, subject, sid) = (len as u8, subject as u8, sid as u8);
        self.places[place(start, bytes.len())] = Known { line, beyond, whole, total, len, subject, sid };
    }

    /// The message, if these octets are one whose line is known, and what follows that.
    #[inline(always)]
    pub fn read<'b>(&self, bytes: &'b [u8]) -> Option<(Op<'b>, &'b [u8])> {
        let start = bytes.first_chunk::<LINE_MAX>()?;
        let known = &self.places[place(start, bytes.len())];
        let is_same =
            bytes.len() == known.whole as usize && same(start, &known.line) | known.beyond == u32::MAX;
        if !is_same || !bytes.ends_with(b"\r\n") {
            return None;
        }
        let subject = start.get(4..usize::from(known.subject))?;
        let total = u64::from(known.total);
        let op = if known.sid > 0 {
            let sid = start.get(usize::from(known.subject) + 1..usize::from(known.sid))?;
            Op::Msg { subject, sid, reply: None, header: 0, total }
        } else {
            // What the server measures lies between the verb's separator and CRLF.
            Op::Pub { subject, reply: None, header: 0, total, line: u32::from(known.len).saturating_sub(6) }
        };
        Some((op, bytes.get(usize::from(known.len)..)?))
    }
}

/// By how it begins, which is nearly always how its line differs from others, and how long the message is.
#[inline(always)]
fn place(start: &[u8; LINE_MAX], len: usize) -> usize {
    let eight = |at: usize| {
        start.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
    };
    let mixed = (eight(4) ^ eight(12).rotate_left(29) ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - PLACES.trailing_zeros())) as usize % PLACES
}

/// A bit for each octet that is the same in both.
#[inline(always)]
fn same(a: &[u8; LINE_MAX], b: &[u8; LINE_MAX]) -> u32 {
    let half = |a: Option<&[u8; 16]>, b: Option<&[u8; 16]>| match (a, b) {
        (Some(a), Some(b)) => u8x16::new(*a).cmp_eq(u8x16::new(*b)).move_mask() as u32,
        _ => 0,
    };
    half(a.first_chunk(), b.first_chunk()) | half(a.last_chunk(), b.last_chunk()) << 16
}

#[cfg(test)]
mod tests {
    use super::super::line;
    use super::*;
    use proptest::prelude::*;

    /// As the data path reads it.
    fn read(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
        match bytes.first_chunk()? {
            b"MSG " => line::plain_msg(bytes),
            b"PUB " => line::plain_publish(bytes),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn what_recurs_says_the_same_as_what_is_read(
            lines in proptest::collection::vec(("(PUB [ab.]{1,12}|MSG [ab.]{1,12} [1-3]|MSG [ab]{1,3} 1 [xy]{1,9})", 30usize..33), 1..4),
            turns in proptest::collection::vec((any::<prop::sample::Index>(), "[ -~]{33}", any::<prop::sample::Index>(), any::<bool>()), 1..30),
        ) {
            let mut recurring = Recurring::default();
            let mut found = 0;
            for (index, payload, at, spoiled) in turns {
                let (words, total) = index.get(&lines);
                let payload = payload.get(..*total).unwrap_or_default();
                let mut message = format!("{words} {total}\r\n{payload}\r\n").into_bytes();
                if spoiled && let Some(octet) = message.get_mut(at.index(64)) {
                    *octet ^= 1;
                }
                let known = recurring.read(&message);
                let whole = read(&message).filter(|(op, after)| {
                    let (Op::Msg { total, .. } | Op::Pub { total, .. }) = *op else { return false };
                    after.get(total as usize..) == Some(&b"\r\n"[..])
                });
                found += usize::from(known.is_some());
                prop_assert!(known.is_none() || known == whole, "{known:?} {whole:?}");
                if let Some((op, after)) = whole {
                    let len = message.len() - after.len();
                    recurring.note(&op, &message, len);
                    let plain = !matches!(op, Op::Msg { reply: Some(_), .. } | Op::Pub { reply: Some(_), .. });
                    prop_assert_eq!(recurring.read(&message).is_some(), plain && len <= LINE_MAX);
                    let line = message.get(..len).unwrap_or_default();
                    let kept = |known: &Known| known.line.iter().all(|octet| *octet == 0 || line.contains(octet));
                    prop_assert!(!plain || len > LINE_MAX || kept(&recurring.places[place(message.first_chunk().unwrap_or(&[0; 32]), message.len())]));
                }
            }
            prop_assert!(found < 30);
        }
    }
}
