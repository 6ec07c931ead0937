//! The first line of a header block, and what of a bad line may be shown.
use super::op::Op;

/// Longest first line of a header block that is looked at.
pub(super) const STATUS_ROOM: u32 = 128;

/// Most of a line that is shown.
const SNIP: usize = 64;

/// `NATS/1.0 SP status [SP description]`; `None` for the plain `NATS/1.0` of ordinary headers and for anything else.
pub(super) fn parse(block: &[u8]) -> Option<Op<'_>> {
    let end = memchr::memchr(b'\n', block).unwrap_or(block.len());
    let line = block.get(..end)?;
    let text = line.strip_prefix(b"NATS/1.0")?.trim_ascii();
    let (digits, description) = text.split_at_checked(3)?;
    let code =
        digits.iter().try_fold(0u16, |n, &b| b.is_ascii_digit().then(|| n * 10 + u16::from(b - b'0')))?;
    (description.is_empty() || description.starts_with(b" "))
        .then(|| Op::Status { code, description: description.trim_ascii() })
}

/// What of a bad line may be shown: its first bytes, nothing of a CONNECT, nothing from the first brace or quote on
/// (JSON may carry credentials).
pub(super) fn snip(line: &[u8]) -> &[u8] {
    let n = line.len().min(7);
    if n >= 3 && line.iter().zip(b"CONNECT").all(|(b, c)| b.eq_ignore_ascii_case(c)) {
        return "CONNECT …".as_bytes();
    }
    let end = memchr::memchr3(b'\n', b'{', b'"', line).unwrap_or(line.len()).min(SNIP);
    let shown = line.get(..end).unwrap_or(line);
    shown.strip_suffix(b"\r").unwrap_or(shown)
}
