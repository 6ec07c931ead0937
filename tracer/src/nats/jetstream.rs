//! What tells a publish to a stream from any other: its headers, or the PubAck that answers it.
use super::op::Op;

/// Longest message that may be a PubAck, headers included.
const ACK_MAX: u64 = 512;
/// Bytes of a publisher's header block that are looked at.
const HEADERS_ROOM: usize = 512;

/// Whether a message, with the bytes behind its line, shows that it is JetStream's. The data path pays two comparisons:
/// only publishes with headers, and short messages that begin like a PubAck, are looked into.
#[inline(always)]
pub(super) fn shows(op: &Op<'_>, after: &[u8]) -> bool {
    match *op {
        Op::Pub { header, .. } if header > 0 => names_stream_header(after, header),
        Op::Msg { header, total, .. } if total <= ACK_MAX => {
            let payload = after.get(header as usize..).unwrap_or(b"");
            matches!(payload, [b'{', b'"', b's' | b't', ..]) && is_pub_ack(payload, total - u64::from(header))
        }
        _ => false,
    }
}

/// A line of the header block is `Nats-Msg-Id` or `Nats-Expected-…`; the server compares the case too.
#[cold]
fn names_stream_header(after: &[u8], header: u32) -> bool {
    let block = after.get(..(header as usize).min(HEADERS_ROOM)).unwrap_or(after);
    let block = block.get(..HEADERS_ROOM).unwrap_or(block);
    memchr::memchr_iter(b'\n', block).any(|at| {
        let line = block.get(at + 1..).unwrap_or(b"");
        line.starts_with(b"Nats-Msg-Id:") || line.starts_with(b"Nats-Expected-")
    })
}

/// `{"stream":"ORDERS",…"seq":1…}`, or named by its type.
#[cold]
fn is_pub_ack(bytes: &[u8], len: u64) -> bool {
    let payload = usize::try_from(len).ok().and_then(|n| bytes.get(..n)).unwrap_or(bytes);
    payload.starts_with(br#"{"type":"io.nats.jetstream.api.v1.pub_ack_response""#)
        || payload.starts_with(br#"{"stream":""#) && memchr::memmem::find(payload, br#""seq":"#).is_some()
}
