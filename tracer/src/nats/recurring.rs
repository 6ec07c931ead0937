//! The message that segments of one direction begin and end with again and again: who sends small messages one by one mostly does so
//! on one subject, in one size. Its line is kept and compared with the next, which need not be read then.
use super::op::Op;
use wide::u8x16;

/// Longest line that is kept, CRLF included; so many octets are compared at once.
const LINE_MAX: usize = 32;

/// A plain message without a reply subject that was a segment of its own; none has no octets.
#[derive(Clone, Copy, Default)]
pub(super) struct Recurring {
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
    /// Remembers the message that these octets are, if it is alone in them and has no more than what is kept.
    #[inline]
    pub fn note(&mut self, op: &Op<'_>, bytes: &[u8], line: usize) {
        let (subject, sid, total) = match *op {
            Op::Pub { subject, reply: None, header: 0, total, .. } => (subject, None, total),
            Op::Msg { subject, sid, reply: None, header: 0, total } => (subject, Some(sid), total),
            _ => return,
        };
        let (Some(start), 8..=LINE_MAX, Ok(total)) = (bytes.first_chunk(), line, u32::try_from(total)) else {
            return;
        };
        let subject = 4 + subject.len();
        *self = Self {
            line: *start,
            beyond: u32::MAX.checked_shl(line as u32).unwrap_or(0),
            whole: u32::try_from(bytes.len()).unwrap_or(0),
            total,
            len: line as u8,
            subject: subject as u8,
            sid: sid.map_or(0, |sid| subject + 1 + sid.len()) as u8,
        };
    }

    /// The message, if these octets are the same but for its payload, and what follows its line.
    #[inline(always)]
    pub fn read<'b>(&self, bytes: &'b [u8]) -> Option<(Op<'b>, &'b [u8])> {
        if bytes.len() != self.whole as usize || !bytes.ends_with(b"\r\n") {
            return None;
        }
        let start = bytes.first_chunk::<LINE_MAX>()?;
        if same(start, &self.line) | self.beyond != u32::MAX {
            return None;
        }
        let subject = start.get(4..usize::from(self.subject))?;
        let total = u64::from(self.total);
        let op = match start.first() {
            Some(b'M') => {
                let sid = start.get(usize::from(self.subject) + 1..usize::from(self.sid))?;
                Op::Msg { subject, sid, reply: None, header: 0, total }
            }
            // What the server measures lies between the verb's separator and CRLF.
            _ => Op::Pub { subject, reply: None, header: 0, total, line: u32::from(self.len) - 6 },
        };
        Some((op, bytes.get(usize::from(self.len)..)?))
    }
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
