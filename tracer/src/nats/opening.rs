//! The first bytes of a direction: which layer they open. Ports are not asked.
use super::conversation::Layer;
use super::line;
use super::listener::Listener;
use super::op::{Fault, Op};
use super::read::Reader;
use super::session::Session;
use super::{Foreign, http, s2, status};
use crate::base::{Addr, Endpoint, Side};

/// Most that is kept until it is decided.
pub(super) const MAX_HELD: usize = 16 * 1024;

/// Longest PROXY v1 line (specification section 2.1).
const MAX_PROXY_LINE: usize = 107;
const PROXY_V2: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Request,
    Answer,
    Http2,
    Ssh,
    ProxyV1,
    ProxyV2,
}

/// Beginnings that are longer than a verb. HTTP's CONNECT is left to the line parser: NATS has one too.
const SHAPES: [(&[u8], Shape); 13] = [
    (b"GET ", Shape::Request),
    (b"POST ", Shape::Request),
    (b"PUT ", Shape::Request),
    (b"HEAD ", Shape::Request),
    (b"DELETE ", Shape::Request),
    (b"OPTIONS ", Shape::Request),
    (b"PATCH ", Shape::Request),
    (b"TRACE ", Shape::Request),
    (b"PRI * HTTP/2", Shape::Http2),
    (b"HTTP/1.", Shape::Answer),
    (b"SSH-", Shape::Ssh),
    (b"PROXY ", Shape::ProxyV1),
    (&PROXY_V2, Shape::ProxyV2),
];

/// The layer that begins, and how many bytes belong to the opening itself. `None`: more bytes are needed.
pub(super) fn decide<F>(
    bytes: &[u8],
    session: &mut Session,
    from: Side,
    emit: &mut F,
) -> Option<(Layer, usize)>
where
    F: Listener + ?Sized,
{
    // Nearly all.
    if bytes.starts_with(b"INFO {") || bytes.starts_with(b"CONNECT {") {
        return Some((Layer::Plain, 0));
    }
    let shape = SHAPES.iter().find(|(word, _)| bytes.starts_with(word)).map(|(_, shape)| *shape);
    match shape {
        Some(Shape::Request) => request(bytes, session, from, emit),
        Some(Shape::Answer) => answer(bytes, session, from, emit),
        Some(Shape::Http2) => Some(foreign(Foreign::Http, from, bytes, emit)),
        Some(Shape::Ssh) => Some(foreign(Foreign::Ssh, from, bytes, emit)),
        Some(Shape::ProxyV1) => proxy_line(bytes, from, emit),
        Some(Shape::ProxyV2) => proxy_header(bytes, from, emit),
        None => binary(bytes, session, from, emit),
    }
}

/// TLS, MQTT, NATS, or something unknown.
fn binary<F>(bytes: &[u8], session: &mut Session, from: Side, emit: &mut F) -> Option<(Layer, usize)>
where
    F: Listener + ?Sized,
{
    match bytes {
        [0x15 | 0x16] | [0x15 | 0x16, 3] => return None,
        [0x15 | 0x16, 3, 0..=4, ..] => return Some((Layer::tls(session, emit), 0)),
        // CONNACK, only where the client has said CONNECT.
        [0x20, ..] if session.is_mqtt() => return Some((Layer::Mqtt(Box::default()), 0)),
        [0x10, ..] => match mqtt_connect(bytes) {
            Some(true) => {
                session.carried_by(super::Protocol::Mqtt);
                return Some((Layer::Mqtt(Box::default()), 0));
            }
            None => return None,
            Some(false) => {}
        },
        _ => {}
    }
    if s2::MAGIC.starts_with(bytes) {
        return None;
    }
    if bytes.starts_with(&s2::MAGIC) {
        return Some((Layer::S2(Box::default()), 0));
    }
    if SHAPES.iter().any(|(word, _)| word.starts_with(bytes)) {
        return None;
    }
    if line::may_begin(bytes.get(..9).unwrap_or(bytes)) {
        return Some((Layer::Plain, 0));
    }
    Some(foreign(Foreign::Other, from, bytes, emit))
}

/// `10`, a length, then the protocol name `MQTT` or `MQIsdp`. `None`: too few bytes.
fn mqtt_connect(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader(bytes);
    reader.byte()?;
    let mut length_bytes = 0;
    while reader.byte()? & 0x80 != 0 {
        length_bytes += 1;
        if length_bytes == 4 {
            return Some(false);
        }
    }
    let name = reader.0;
    let fits = |word: &[u8]| name.iter().zip(word).all(|(a, b)| a == b).then_some(name.len() >= word.len());
    match fits(b"\0\x04MQTT").or_else(|| fits(b"\0\x06MQIsdp")) {
        Some(true) => Some(true),
        Some(false) => None,
        None => Some(false),
    }
}

/// What follows is not ours to read.
fn foreign<F>(kind: Foreign, from: Side, bytes: &[u8], emit: &mut F) -> (Layer, usize)
where
    F: Listener + ?Sized,
{
    if kind == Foreign::Other {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        emit.op(from, Op::Malformed { what: Fault::Verb, line: status::snip(bytes), length });
    }
    emit.op(from, Op::Foreign(kind));
    (Layer::Foreign, 0)
}

fn request<F>(bytes: &[u8], session: &mut Session, from: Side, emit: &mut F) -> Option<(Layer, usize)>
where
    F: Listener + ?Sized,
{
    let head = http::head(bytes);
    // Only GET can ask for a WebSocket; anything else is told by its first line.
    let undecided = bytes.starts_with(b"GET ") && head.is_none() || memchr::memchr(b'\n', bytes).is_none();
    if undecided && bytes.len() < MAX_HELD {
        return None;
    }
    if let Some((head, used)) = head
        && let Some(upgrade) = http::upgrade(head)
    {
        session.carried_by(upgrade.protocol);
        emit.op(from, Op::WsUpgrade { path: upgrade.path, forwarded_for: upgrade.forwarded_for });
        return Some((Layer::ws(session), used));
    }
    emit.op(from, Op::Http { request: http::request_line(bytes) });
    Some(foreign(Foreign::Http, from, bytes, emit))
}

fn answer<F>(bytes: &[u8], session: &mut Session, from: Side, emit: &mut F) -> Option<(Layer, usize)>
where
    F: Listener + ?Sized,
{
    let head = http::head(bytes);
    if head.is_none() && bytes.len() < MAX_HELD {
        return None;
    }
    let (head, used) = head.unwrap_or((bytes, bytes.len()));
    let Some(status) = http::status(head) else { return Some(foreign(Foreign::Http, from, bytes, emit)) };
    emit.op(from, Op::HttpStatus(status));
    if status != 101 {
        return Some((Layer::Foreign, bytes.len()));
    }
    if session.is_open() {
        session.carried_by(super::Protocol::WebSocket);
    }
    Some((Layer::ws(session), used))
}

/// `PROXY TCP4 source destination port port CRLF`.
fn proxy_line<F>(bytes: &[u8], from: Side, emit: &mut F) -> Option<(Layer, usize)>
where
    F: Listener + ?Sized,
{
    let window = bytes.get(..MAX_PROXY_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', window) else {
        return (window.len() == MAX_PROXY_LINE).then(|| bad_proxy(bytes, from, emit));
    };
    let line = std::str::from_utf8(window.get(..end).unwrap_or(b"")).unwrap_or("").trim_end();
    let mut words = line.split(' ').skip(1);
    let client = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => {
            let ip = words.next().and_then(|w| w.parse::<std::net::IpAddr>().ok());
            let port = words.nth(1).and_then(|w| w.parse::<u16>().ok());
            let Some((ip, port)) = ip.zip(port) else { return Some(bad_proxy(bytes, from, emit)) };
            Some(Endpoint { addr: Addr::from(ip), port })
        }
        _ => return Some(bad_proxy(bytes, from, emit)),
    };
    emit.op(from, Op::Proxy { version: 1, client });
    Some((Layer::Opening, end + 1))
}

/// Version 2: signature, version and command, family, length, addresses (specification section 2.2).
fn proxy_header<F>(bytes: &[u8], from: Side, emit: &mut F) -> Option<(Layer, usize)>
where
    F: Listener + ?Sized,
{
    let mut reader = Reader(bytes);
    reader.take(PROXY_V2.len())?;
    let command = reader.byte()?;
    let family = reader.byte()?;
    let len = usize::from(reader.word()?);
    if command >> 4 != 2 || len > MAX_HELD - 16 {
        return Some(bad_proxy(bytes, from, emit));
    }
    let mut body = Reader(reader.take(len)?);
    let mut v4 = || {
        let addr = Addr::v4(body.array()?);
        body.take(4)?;
        Some(Endpoint { addr, port: body.word()? })
    };
    let client = match (command & 0x0f, family) {
        (1, 0x11) => v4(),
        (1, 0x21) => body.array().and_then(|octets| {
            body.take(16)?;
            Some(Endpoint { addr: Addr::v6(octets), port: body.word()? })
        }),
        _ => None,
    };
    emit.op(from, Op::Proxy { version: 2, client });
    Some((Layer::Opening, bytes.len() - reader.0.len()))
}

fn bad_proxy<F>(bytes: &[u8], from: Side, emit: &mut F) -> (Layer, usize)
where
    F: Listener + ?Sized,
{
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    emit.op(from, Op::Malformed { what: Fault::Framing, line: status::snip(bytes), length });
    foreign(Foreign::Proxy, from, bytes, emit)
}
