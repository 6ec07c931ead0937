//! As much of HTTP/1.1 as opens a WebSocket, or tells that somebody came to the wrong port. Queries are left out: they
//! may carry tokens.
use super::Protocol;
use memchr::memmem;

/// What a request for a WebSocket says.
pub(super) struct Upgrade<'a> {
    pub path: &'a [u8],
    pub forwarded_for: Option<&'a [u8]>,
    pub protocol: Protocol,
}

/// The head without its empty line, and where the body begins.
pub(super) fn head(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memmem::find(bytes, b"\r\n\r\n")?;
    Some((bytes.get(..end)?, end + 4))
}

/// Reads a request's head as one for a WebSocket.
pub(super) fn upgrade(head: &[u8]) -> Option<Upgrade<'_>> {
    let asks = header(head, b"upgrade").is_some_and(|v| v.eq_ignore_ascii_case(b"websocket"));
    asks.then_some(())?;
    let path = request_line(head).splitn(2, |b| *b == b' ').nth(1)?;
    let mqtt = path.ends_with(b"/mqtt")
        || header(head, b"sec-websocket-protocol").is_some_and(|v| v.eq_ignore_ascii_case(b"mqtt"));
    let protocol = match () {
        () if path.ends_with(b"/leafnode") => Protocol::Leafnode,
        () if mqtt => Protocol::Mqtt,
        () => Protocol::WebSocket,
    };
    Some(Upgrade { path, forwarded_for: header(head, b"x-forwarded-for"), protocol })
}

/// Method and path, at most 256 bytes of them.
pub(super) fn request_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.get(..256).unwrap_or(bytes);
    let line = line.get(..memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len())).unwrap_or(line);
    let line = line.get(..memchr::memchr2(b'?', b'#', line).unwrap_or(line.len())).unwrap_or(line);
    let version = memmem::rfind(line, b" HTTP/").unwrap_or(line.len());
    line.get(..version).unwrap_or(line)
}

/// The status of an answer.
pub(super) fn status(head: &[u8]) -> Option<u16> {
    let digits = head.get(9..12).filter(|_| head.get(8) == Some(&b' '))?;
    digits.iter().try_fold(0u16, |n, &b| b.is_ascii_digit().then(|| n * 10 + u16::from(b - b'0')))
}

/// A header field's value, trimmed; `name` in lower case.
fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|b| *b == b'\n').skip(1).find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (key, value) = line.split_at_checked(colon)?;
        key.eq_ignore_ascii_case(name).then(|| value.get(1..).unwrap_or(b"").trim_ascii())
    })
}
