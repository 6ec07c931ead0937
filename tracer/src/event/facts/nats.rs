//! What was seen of NATS, and of the layers it may be in.
use super::super::{Mark, Rare, Usual};
use super::{Foreign, Protocol};
use crate::base::{PerSide, Side, Span};
use crate::nats::{Connect, Info};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A `-ERR` as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// When and where.
    pub mark: Mark,
    /// Who sent it.
    pub from: Side,
    /// Text between the quotes.
    pub text: String,
}

/// A TLS alert in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsAlert {
    /// When and where.
    pub mark: Mark,
    /// Who sent it.
    pub from: Side,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// RFC 8446 section 6 number.
    pub description: u8,
}

/// What shows of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// No plain INFO came before it.
    pub first: bool,
    /// ClientHello.
    pub client_hello: Option<Mark>,
    /// ServerHello.
    pub server_hello: Option<Mark>,
    /// Server name asked for.
    pub sni: Option<String>,
    /// Version agreed (0x0303 …, from ServerHello and its supported_versions).
    pub version: Option<u16>,
    /// Alerts in clear, first four.
    pub alerts: Vec<TlsAlert>,
    /// Application data (or encrypted handshake) records of each end.
    pub records: PerSide<u32>,
    /// The end's last record before its FIN looked like close_notify.
    pub close_notify: PerSide<bool>,
    /// Which end said close_notify first, where one seems to have been said.
    pub first_notify: Option<(Side, Mark)>,
    /// Both ends sent application data: the handshake is done.
    pub established: bool,
}

/// PING and PONG of one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingFacts {
    /// PINGs it sent.
    pub sent: u32,
    /// Of them not answered by a PONG so far; of a client that left, by then.
    pub unanswered: u32,
    /// The first unanswered PING.
    pub first_unanswered: Option<Mark>,
    /// The last PING.
    pub last: Option<Mark>,
    /// Smallest gap between two of its PINGs over 0.5 s: its ping interval.
    pub interval: Option<Span>,
    /// Longest time a PONG took.
    pub slowest_pong: Option<Span>,
    /// Shortest time a PONG took.
    pub quickest_pong: Option<Span>,
}

/// A WebSocket close frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WsClose {
    /// When and where.
    pub mark: Mark,
    /// Status code.
    pub code: u16,
    /// Reason text.
    pub reason: String,
}

/// What shows of MQTT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttFacts {
    /// Client id of CONNECT.
    pub client_id: Option<String>,
    /// Keepalive of CONNECT in seconds.
    pub keepalive_s: Option<u16>,
    /// Return code of CONNACK.
    pub connack: Option<u8>,
    /// The client sent DISCONNECT.
    pub disconnect: bool,
}

/// What an end said and nobody can read: octets that the capture never had, or cut off (snaplen).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// How many octets.
    pub octets: u64,
    /// The last time some were stepped over.
    pub last: Option<Mark>,
    /// How many it were that time; 0 where octets were read after them.
    pub last_octets: u32,
    /// Octets right before its goodbye never came by here.
    pub hole: bool,
    /// Its FIN was not captured; the peer acknowledged it after its own.
    pub left_after: bool,
    /// Since then, or since observation began in the middle, no line was certain: all it says goes unread.
    pub lost: bool,
}

impl Usual for PerSide<Unseen> {
    const USUAL: &'static Self = &{
        const ALL: Unseen =
            Unseen { octets: 0, last: None, last_octets: 0, hole: false, left_after: false, lost: false };
        Self { client: ALL, server: ALL }
    };
}

/// By what a proxy shows itself in what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProxySign {
    /// PROXY protocol, version 1.
    HeaderV1,
    /// PROXY protocol, version 2.
    HeaderV2,
    /// X-Forwarded-For of a WebSocket request.
    ForwardedFor,
}

impl ProxySign {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeaderV1 | Self::HeaderV2 => "PROXY header",
            Self::ForwardedFor => "X-Forwarded-For header",
        }
    }
}

/// The NATS session as observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NatsFacts {
    /// Protocol.
    pub protocol: Protocol,
    /// The server's first INFO and when it came.
    pub info: Option<(Mark, Arc<Info>)>,
    /// The dialling server's INFO (routes, leafs).
    pub client_info: Option<(Mark, Arc<Info>)>,
    /// INFO lines in all.
    pub infos: u32,
    /// INFO with ldm:true.
    pub lame_duck: Option<Mark>,
    /// CONNECT and when it came.
    pub connect: Option<(Mark, Arc<Connect>)>,
    /// The first SUB, UNSUB or PUB that came before CONNECT.
    pub before_connect: Option<Mark>,
    /// A CONNECT line whose JSON could not be read (bad JSON is a protocol error).
    pub connect_unreadable: Option<Mark>,
    /// The server took the CONNECT: PONG, +OK, MSG or the second INFO followed it.
    pub accepted: Option<Mark>,
    /// -ERR lines, first and last eight.
    pub errors: Vec<ErrorText>,
    /// Publishes (PUB, HPUB; RMSG/LMSG of the dialling end on server links).
    pub pubs: u64,
    /// Deliveries (MSG, HMSG).
    pub msgs: u64,
    /// Subscriptions.
    pub subs: u64,
    /// Subscriptions taken back (UNSUB, with a maximum or without).
    pub unsubs: u64,
    /// `connect_urls` of the newest INFO, where it differs from the first one's.
    pub connect_urls: Option<Arc<[String]>>,
    /// Subjects of most delivered bytes and how many each, most first; estimated by samples, bounded.
    pub heaviest: Vec<(String, u64)>,
    /// PINGs each end sent.
    pub pings: PerSide<PingFacts>,
    /// Header status `409 Server Shutdown` seen.
    pub server_shutdown_status: Option<Mark>,
    /// The client drained: its last words were UNSUB (of all, or the last one less than a second before) and a PING, that was
    /// answered, and it closed soon after.
    pub drained: bool,
    /// Largest publish announced: bytes and when.
    pub largest_pub: Option<(u64, Mark)>,
    /// Largest delivery: bytes.
    pub largest_msg: u64,
    /// Size of the last publish line, with its mark: what a Maximum Payload Violation answers.
    pub last_pub: Option<(u64, Mark)>,
    /// Longest control line seen from the client in bytes.
    pub longest_control_line: u32,
    /// An operation of that end was cut by the end of its stream.
    pub cut_mid_message: PerSide<bool>,
    /// The client used headers (HPUB).
    pub headers_used: bool,
    /// Headers were used (HPUB) although CONNECT did not announce them.
    pub headers_unannounced: bool,
    /// Lines that are no NATS operation, or whose arguments are wrong: first one of each end, its first bytes (printable, at most
    /// 32, never from a CONNECT).
    pub malformed: Rare<PerSide<Option<(Mark, String)>>>,
    /// The first bytes of that end are another protocol.
    pub foreign: Rare<PerSide<Option<(Mark, Foreign)>>>,
    /// What each end said and could not be read: there the absence of a line proves nothing.
    pub unseen: Rare<PerSide<Unseen>>,
    /// First payload byte of each end.
    pub first_byte: PerSide<Option<Mark>>,
    /// TLS.
    pub tls: Option<Box<TlsFacts>>,
    /// WebSocket close frames.
    pub ws_close: Rare<PerSide<Option<WsClose>>>,
    /// HTTP status of a WebSocket upgrade (or other HTTP answer).
    pub http_status: Option<u16>,
    /// MQTT.
    pub mqtt: Option<Box<MqttFacts>>,
    /// Client address told by a PROXY header or X-Forwarded-For.
    pub forwarded_for: Option<String>,
    /// Where a proxy shows itself in what it says, and by what.
    pub proxied: Option<(Mark, ProxySign)>,
    /// Messages and bytes that may be lost.
    pub at_risk: Rare<AtRisk>,
}

impl NatsFacts {
    /// Subscriptions that the client holds, where all of them were seen.
    #[must_use]
    pub fn held_subscriptions(&self) -> Option<u64> {
        self.connect.as_ref().map(|_| self.subs.saturating_sub(self.unsubs))
    }

    /// Where the server told its clients to connect, as it said last.
    #[must_use]
    pub fn announced(&self) -> &[String] {
        match (&self.connect_urls, &self.info) {
            (Some(urls), _) => urls,
            (None, Some((_, info))) => &info.connect_urls,
            (None, None) => &[],
        }
    }
}

/// What may be lost: `at_risk` in the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// PUB/HPUB whose bytes the peer's TCP never acknowledged.
    pub publishes: u64,
    /// Acknowledged, but no PONG followed that proves them processed.
    pub publishes_unconfirmed: u64,
    /// MSG/HMSG not acknowledged by the client's TCP.
    pub deliveries: u64,
    /// Published with a reply subject, no reply seen.
    pub requests: u64,
    /// Requests known to wait for a PubAck.
    pub jetstream_publishes: u64,
    /// Bytes of all that was never acknowledged.
    pub bytes: u64,
    /// Subjects concerned, bounded.
    pub subjects: Vec<String>,
}

impl Usual for AtRisk {
    const USUAL: &'static Self = &Self {
        publishes: 0,
        publishes_unconfirmed: 0,
        deliveries: 0,
        requests: 0,
        jetstream_publishes: 0,
        bytes: 0,
        subjects: Vec::new(),
    };
}
