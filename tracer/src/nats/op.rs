//! What the decoder tells: operations, borrowed from the bytes they were read from.
use super::{Connect, Foreign, Info};
use crate::base::Endpoint;
use std::fmt;
use std::sync::Arc;

/// One thing an end said. Borrowed slices are as they were sent: no UTF-8 is promised. Payload never shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Op<'a> {
    /// `INFO`.
    Info {
        /// The JSON object.
        json: &'a [u8],
        /// What it says; none where it is no JSON object.
        said: Option<&'a Arc<Info>>,
    },
    /// `CONNECT`. Never to be shown as it is.
    Connect {
        /// The JSON object, with its secrets.
        json: &'a [u8],
        /// What it says, without them; none where it is no JSON object.
        said: Option<&'a Arc<Connect>>,
    },
    /// `PUB` or `HPUB`.
    Pub {
        /// Subject.
        subject: &'a [u8],
        /// Where an answer is wanted.
        reply: Option<&'a [u8]>,
        /// Bytes of headers.
        header: u32,
        /// Bytes of headers and payload.
        total: u64,
        /// Bytes of the arguments: what nats-server holds against max_control_line.
        line: u32,
    },
    /// `MSG` or `HMSG` to a client.
    Msg {
        /// Subject.
        subject: &'a [u8],
        /// Subscription id.
        sid: &'a [u8],
        /// Where an answer is wanted.
        reply: Option<&'a [u8]>,
        /// Bytes of headers.
        header: u32,
        /// Bytes of headers and payload.
        total: u64,
    },
    /// `RMSG`, `LMSG` or `HMSG` between servers.
    Routed {
        /// Subject.
        subject: &'a [u8],
        /// Where an answer is wanted.
        reply: Option<&'a [u8]>,
        /// Bytes of headers.
        header: u32,
        /// Bytes of headers and payload.
        total: u64,
    },
    /// The status line of the header block of the message before it (`NATS/1.0 409 Server Shutdown`).
    Status {
        /// 100, 404, 408, 409, 503 …
        code: u16,
        /// Words behind the number, cut at 128 bytes of line.
        description: &'a [u8],
    },
    /// The Pub or Msg before it is JetStream's: the Pub names a header that only a stream reads, the Msg begins like the
    /// PubAck of one. Told only where that lies in the same bytes as the operation; its absence says nothing.
    JetStream,
    /// The last Pub, Msg or Routed is complete: its terminator was seen, or a hole went over it.
    MessageEnd,
    /// `SUB`.
    Sub {
        /// Subject, may hold wildcards.
        subject: &'a [u8],
        /// Queue group.
        queue: Option<&'a [u8]>,
        /// Subscription id.
        sid: &'a [u8],
        /// Bytes of the arguments.
        line: u32,
    },
    /// `UNSUB`.
    Unsub {
        /// Subscription id.
        sid: &'a [u8],
        /// Messages after which it takes effect.
        max: Option<u64>,
    },
    /// Interest told between servers.
    LinkSub {
        /// Which of the six.
        verb: LinkVerb,
        /// Its arguments as sent; what they mean depends on the link.
        args: &'a [u8],
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err {
        /// Text between the quotes.
        text: &'a [u8],
    },
    /// Something that breaks the protocol. What follows of this side is decoded again from the next line that is certain.
    Malformed {
        /// What is wrong.
        what: Fault,
        /// The first bytes, at most 64; shortened where secrets or payload could be in them.
        line: &'a [u8],
        /// Bytes of the line as far as they were there.
        length: u32,
    },
    /// The first bytes of that side (of the client, for TLS) are no NATS at all.
    Foreign(Foreign),
    /// A PROXY header.
    Proxy {
        /// 1 or 2.
        version: u8,
        /// The client it names; `None` for UNKNOWN and LOCAL.
        client: Option<Endpoint>,
    },
    /// An HTTP request that does not ask for a WebSocket.
    Http {
        /// Method and path, without query and version.
        request: &'a [u8],
    },
    /// An HTTP request that asks for a WebSocket.
    WsUpgrade {
        /// Path without query.
        path: &'a [u8],
        /// X-Forwarded-For.
        forwarded_for: Option<&'a [u8]>,
    },
    /// Status of an HTTP answer; 101 for an accepted WebSocket.
    HttpStatus(u16),
    /// A WebSocket close frame.
    WsClose {
        /// Status code; 1005 where the frame has none (RFC 6455 section 7.1.5).
        code: u16,
        /// Reason text.
        reason: &'a [u8],
    },
    /// TLS, as far as it is in clear.
    Tls(TlsRecord<'a>),
    /// MQTT.
    Mqtt(MqttPacket<'a>),
    /// This side compresses from here (S2).
    Compressed,
}

impl Op<'_> {
    /// The variant's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Info { .. } => "Info",
            Self::Connect { .. } => "Connect",
            Self::Pub { .. } => "Pub",
            Self::Msg { .. } => "Msg",
            Self::Routed { .. } => "Routed",
            Self::Status { .. } => "Status",
            Self::JetStream => "JetStream",
            Self::MessageEnd => "MessageEnd",
            Self::Sub { .. } => "Sub",
            Self::Unsub { .. } => "Unsub",
            Self::LinkSub { .. } => "LinkSub",
            Self::Ping => "Ping",
            Self::Pong => "Pong",
            Self::Ok => "Ok",
            Self::Err { .. } => "Err",
            Self::Malformed { .. } => "Malformed",
            Self::Foreign(_) => "Foreign",
            Self::Proxy { .. } => "Proxy",
            Self::Http { .. } => "Http",
            Self::WsUpgrade { .. } => "WsUpgrade",
            Self::HttpStatus(_) => "HttpStatus",
            Self::WsClose { .. } => "WsClose",
            Self::Tls(_) => "Tls",
            Self::Mqtt(_) => "Mqtt",
            Self::Compressed => "Compressed",
        }
    }
}

impl fmt::Debug for Op<'_> {
    /// The name, and what can't hold a secret: a CONNECT must not come into a log by way of a debug line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple(self.name());
        match self {
            Self::Foreign(kind) => tuple.field(kind).finish(),
            Self::Proxy { client, .. } => tuple.field(client).finish(),
            Self::HttpStatus(status) => tuple.field(status).finish(),
            Self::Tls(record) => tuple.field(record).finish(),
            Self::Mqtt(packet) => tuple.field(packet).finish(),
            _ => tuple.finish(),
        }
    }
}

/// The verbs by which servers tell each other interest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkVerb {
    /// `RS+`.
    RouteSub,
    /// `RS-`.
    RouteUnsub,
    /// `LS+`.
    LeafSub,
    /// `LS-`.
    LeafUnsub,
    /// `A+`.
    AccountSub,
    /// `A-`.
    AccountUnsub,
}

/// How bytes break the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No operation starts like this.
    Verb,
    /// A known verb with wrong arguments.
    Arguments,
    /// No CRLF where the announced size ends: the payload is longer or shorter than announced.
    Terminator,
    /// A line longer than any server takes.
    TooLong,
    /// A TLS record, WebSocket frame, MQTT packet, S2 chunk or PROXY header that can't be one.
    Framing,
}

/// What shows of TLS records (RFC 8446 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsRecord<'a> {
    /// ClientHello.
    ClientHello {
        /// Server name asked for.
        sni: Option<&'a str>,
    },
    /// ServerHello.
    ServerHello {
        /// Version agreed, supported_versions counted.
        version: u16,
    },
    /// Alert in clear.
    Alert {
        /// 1 warning, 2 fatal.
        level: u8,
        /// RFC 8446 section 6.
        description: u8,
    },
    /// An alert record that is encrypted (TLS 1.2).
    EncryptedAlert {
        /// Bytes of the record.
        len: u16,
    },
    /// ChangeCipherSpec.
    ChangeCipherSpec,
    /// Application data, or an encrypted handshake. In TLS 1.3 an alert looks like one of 19 bytes.
    Data {
        /// Bytes of the record.
        len: u16,
    },
}

/// What shows of MQTT 3.1.1 control packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MqttPacket<'a> {
    /// CONNECT.
    Connect {
        /// Client id, may be empty.
        client_id: &'a [u8],
        /// Keepalive in seconds, 0 is off.
        keepalive: u16,
        /// User name.
        user: Option<&'a [u8]>,
    },
    /// CONNACK.
    Connack {
        /// Return code; 5 is not authorized.
        code: u8,
    },
    /// PUBLISH.
    Publish {
        /// Bytes after the fixed header.
        len: u32,
    },
    /// SUBSCRIBE.
    Subscribe,
    /// PINGREQ.
    Pingreq,
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT.
    Disconnect,
    /// Another one.
    Other {
        /// Packet type, 0 to 15.
        kind: u8,
    },
}
