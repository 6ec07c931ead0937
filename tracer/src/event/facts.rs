//! Facts of one connection: what was seen, never what it means. `track` fills them, `cause` reads them.
use super::{FrameRef, Handshake, HostFacts, Mark, Rare, Usual};
use crate::base::{Addr, Endpoint, PerSide, Side, Span, Timestamp};
use crate::nats::{Connect, Info};
pub use crate::nats::{Foreign, Protocol};
pub use crate::wire::IcmpKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the capture was taken, seen from this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Vantage {
    /// On the client's host (or its link).
    Client,
    /// On the server's host (or its link).
    Server,
    /// Both ends on one host.
    Both,
    /// On the path.
    Between,
    /// Can't be told.
    #[default]
    Unknown,
}

/// What is owed when an end does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Owed {
    /// An answer to SYN.
    Syn,
    /// An answer to SYN-ACK.
    SynAck,
    /// An acknowledgement of data.
    Data,
    /// An acknowledgement of FIN.
    Fin,
    /// An answer to a keepalive probe.
    Keepalive,
    /// A PONG (TCP acknowledged the PING).
    Pong,
    /// Reading: the window stays closed.
    Window,
}

/// Something sent that the peer has not answered so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unanswered {
    /// What is owed.
    pub owed: Owed,
    /// The first unanswered segment.
    pub first: Mark,
    /// The last repeat of it (or the first itself).
    pub last: Mark,
    /// Repeats after the first.
    pub repeats: u32,
    /// The gaps between repeats about doubled.
    pub backoff: bool,
    /// Payload size of the oldest unanswered segment.
    pub segment_len: u32,
    /// The peer sent something (anything at all) after the first unanswered segment, without acknowledging it.
    pub peer_spoke: u32,
    /// When it last did.
    pub peer_last: Option<Timestamp>,
    /// Smaller segments sent later were acknowledged or selectively acknowledged while this one was not.
    pub smaller_pass: bool,
}

/// How long an end's receive window was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ZeroWindow {
    /// Closed now, since when.
    pub since: Option<Mark>,
    /// All closed time.
    pub total: Span,
    /// The longest closed span (the current one included, up to the end).
    pub longest: Span,
    /// Start of the longest span.
    pub longest_from: Option<Mark>,
    /// Probes that the peer sent against it.
    pub probes: u32,
    /// Where it closed first and last.
    pub closings: Option<Closings>,
}

/// The first and the last time that a receive window closed, and how many octets of payload the peer had sent by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Closings {
    /// The first time.
    pub first: Mark,
    /// Octets by then.
    pub before: u64,
    /// The last time.
    pub last: Timestamp,
    /// Octets by then.
    pub until: u64,
}

/// An RST as it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResetFacts {
    /// When and where.
    pub mark: Mark,
    /// Carried ACK.
    pub has_ack: bool,
    /// Its own TTL or hop limit.
    pub ttl: u8,
    /// Its TTL differs from that of its sender's other segments by this much.
    pub ttl_delta: i16,
    /// Whether the sender's TTL was known before.
    pub ttl_known: bool,
    /// Its IP-ID is far from its sender's sequence (Linux sends 0 in answers, which says nothing: then false).
    pub ip_id_jump: bool,
    /// Distance of its sequence from the sender's next expected one, where that is known.
    pub seq_off: Option<i32>,
    /// It answers a segment that the peer sent at most this long before (None: it came of its own).
    pub answers: Option<Span>,
    /// The segment it answers came after the sender's own FIN.
    pub after_fin: bool,
    /// RSTs of that end in all.
    pub count: u32,
    /// Segments its alleged sender sent afterwards that are no RST and carry new data, a repeat or an ACK.
    pub sender_went_on: u32,
    /// The sender's earlier data was being repeated without an answer when it came.
    pub into_hole: bool,
    /// Payload inside the RST (a device's diagnostic text).
    pub payload: bool,
    /// Silence of the connection before the segment that led to it.
    pub idle_before: Span,
}

/// One end's TCP, as observed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TcpFacts {
    /// Frames of this end.
    pub packets: u64,
    /// Payload bytes on the wire, repeats not counted.
    pub bytes: u64,
    /// Repeated data segments.
    pub retransmits: u32,
    /// Data segments that filled a hole later than reordering does: lost before they came by the capture, and repeated.
    pub filled_holes: u32,
    /// Bytes sent but never acknowledged.
    pub unacked_bytes: u64,
    /// Bytes never captured but acknowledged by the peer.
    pub missing_bytes: u64,
    /// First and last frame of this end.
    pub first: Option<Mark>,
    /// Last frame of this end.
    pub last: Option<Mark>,
    /// Last frame with payload.
    pub last_data: Option<Mark>,
    /// Last time it acknowledged something new.
    pub last_progress: Option<Mark>,
    /// TTL of its segments.
    pub ttl: Option<u8>,
    /// Its FIN.
    pub fin: Option<Mark>,
    /// The FIN's TTL and that of the segment before it, where they differ.
    pub fin_ttl: Option<(u8, u8)>,
    /// The peer acknowledged the FIN, or answered it with a FIN or RST.
    pub fin_answered: bool,
    /// The FIN itself isn't in the capture, only its acknowledgement, whose mark `fin` has.
    pub fin_unseen: bool,
    /// Repeats of the FIN.
    pub fin_repeats: u32,
    /// The FIN came in the same segment as data, or behind data that had waited.
    pub fin_behind_data: bool,
    /// The sender's earlier data was being repeated without an answer when the FIN came.
    pub fin_into_hole: bool,
    /// Its RST.
    pub rst: Rare<Option<ResetFacts>>,
    /// What it sent and the peer has not answered.
    pub unanswered: Rare<Option<Unanswered>>,
    /// Its own receive window.
    pub zero_window: Rare<ZeroWindow>,
    /// Keepalive probes it sent.
    pub keepalives: u32,
    /// SYNs (client) or SYN-ACKs (server) it sent.
    pub syns: u32,
    /// Largest payload in one frame.
    pub largest_segment: u32,
    /// Its MSS option.
    pub mss: Option<u16>,
    /// Most of its own unacknowledged bytes at one time (what the peer held up).
    pub max_in_flight: u64,
}

impl TcpFacts {
    /// Its FIN was not answered, and shows to be lost: it was repeated, or went the way of data that was.
    #[must_use]
    pub const fn fin_lost(&self) -> bool {
        !self.fin_answered && (self.fin_into_hole || self.fin_repeats > 0)
    }

    /// Its first FIN or RST.
    #[must_use]
    pub fn farewell(&self) -> Option<Mark> {
        // Every close asks, and most have a FIN of each end and no RST.
        let Some(rst) = *self.rst else { return self.fin };
        let marks = [self.fin, Some(rst.mark)];
        marks.into_iter().flatten().min_by_key(|mark| (mark.at, mark.frame.number()))
    }
}

/// Round-trip times seen from where the capture was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rtt {
    /// Smallest, microseconds.
    pub min_us: u64,
    /// Median, microseconds.
    pub median_us: u64,
    /// Largest, microseconds.
    pub max_us: u64,
}

/// An ICMP error that quotes a segment of this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IcmpFact {
    /// When and where.
    pub mark: Mark,
    /// Who sent it.
    pub from: Addr,
    /// What it says.
    pub kind: IcmpKind,
    /// Which end's segment it quotes.
    pub about: Side,
    /// How many alike.
    pub count: u32,
}

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

impl<T: Clone + PartialEq + 'static> Usual for PerSide<Option<T>> {
    const USUAL: &'static Self = &Self { client: None, server: None };
}

impl Usual for PerSide<Unseen> {
    const USUAL: &'static Self = &{
        const ALL: Unseen =
            Unseen { octets: 0, last: None, last_octets: 0, hole: false, left_after: false, lost: false };
        Self { client: ALL, server: ALL }
    };
}

impl Usual for ZeroWindow {
    const USUAL: &'static Self = &Self {
        since: None,
        total: Span::ZERO,
        longest: Span::ZERO,
        longest_from: None,
        probes: 0,
        closings: None,
    };
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

/// All that was seen of one connection.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Global ordinal of its first frame: unique, orders connections.
    pub first_frame: u64,
    /// Who dialled.
    pub client: Endpoint,
    /// Who listens.
    pub server: Endpoint,
    /// Who is who is certain (SYN, banner or port), not guessed.
    pub roles_certain: bool,
    /// Interface or file name.
    pub iface: Option<Arc<str>>,
    /// First frame.
    pub start: Mark,
    /// Last frame.
    pub last: Mark,
    /// How it began.
    pub handshake: Handshake,
    /// When the handshake was complete.
    pub established: Option<Timestamp>,
    /// SYN to SYN-ACK.
    pub syn_to_synack: Option<Span>,
    /// SYN-ACK to ACK.
    pub synack_to_ack: Option<Span>,
    /// Both ends' TCP.
    pub tcp: PerSide<TcpFacts>,
    /// Round trips.
    pub rtt: Option<Rtt>,
    /// ICMP errors about it, first eight kinds.
    pub icmp: Vec<IcmpFact>,
    /// Where the capture was taken.
    pub vantage: Vantage,
    /// NATS; by itself, so that it moves from the session to here without being copied.
    pub nats: Box<NatsFacts>,
    /// The capture itself lost frames while it lived.
    pub capture_loss: bool,
    /// The capture ended while it was still undecided.
    pub input_ended: bool,
    /// Longest silence of the whole connection before its last exchange, and when it began.
    pub longest_idle: Span,
    /// Longest silence without any frame, over 10 s, that an exchange followed: it was lived through.
    pub lived_through: Span,
    /// Longest time without payload that payload followed.
    pub quiet_lived_through: Span,
    /// First FIN or RST in order of sight, if any.
    pub first_goodbye: Option<(Side, FrameRef)>,
    /// When it ended, and by what.
    pub ended: Timestamp,
    /// What ended it.
    pub ended_by: EndedBy,
    /// Resets that neither end heeded.
    pub ignored_resets: u32,
    /// What this host's kernel said of it; live only, never written down.
    pub host: Option<Box<HostFacts>>,
}

/// What ended a connection, before anything is said about whose doing it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EndedBy {
    /// A FIN or RST.
    Goodbye,
    /// An end stopped trying, or went on saying goodbye into a dead path.
    GaveUp,
    /// The idle timeout passed while something was owed.
    Silence(Side, Owed),
    /// An ICMP error ended an attempt.
    Icmp,
    /// The same ports began a new connection.
    Reused,
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

/// Memory of facts that nobody needs any more, for those to come.
#[allow(clippy::vec_box, reason = "it is the boxes that are kept")]
pub type Rooms = Vec<Box<Facts>>;

impl Facts {
    /// Nobody's: memory for facts to come.
    #[must_use]
    pub fn nobodys() -> Self {
        Self {
            first_frame: 0,
            client: Endpoint::default(),
            server: Endpoint::default(),
            roles_certain: false,
            iface: None,
            start: Mark::default(),
            last: Mark::default(),
            handshake: Handshake::Midstream,
            established: None,
            syn_to_synack: None,
            synack_to_ack: None,
            tcp: PerSide::default(),
            rtt: None,
            icmp: Vec::new(),
            vantage: Vantage::Unknown,
            nats: Box::default(),
            capture_loss: false,
            input_ended: false,
            longest_idle: Span::ZERO,
            lived_through: Span::ZERO,
            quiet_lived_through: Span::ZERO,
            first_goodbye: None,
            ended: Timestamp::default(),
            ended_by: EndedBy::GaveUp,
            ignored_resets: 0,
            host: None,
        }
    }

    /// The endpoint of one side.
    #[must_use]
    pub const fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// No frame shows this connection: only the kernel told of it.
    #[must_use]
    pub const fn frameless(&self) -> bool {
        self.host.is_some() && self.tcp.client.packets == 0 && self.tcp.server.packets == 0
    }

    /// What the ends said can't be told: only the kernel shows the connection, or its payload was never captured. Then the
    /// absence of INFO, CONNECT or a PONG says nothing.
    #[must_use]
    pub fn unread(&self) -> bool {
        let said = self.tcp.client.bytes + self.tcp.server.bytes > 0;
        let read = self.nats.first_byte.client.is_some() || self.nats.first_byte.server.is_some();
        self.frameless() || said && !read
    }

    /// The path loses much, but is not dead: the end that had to repeat more, the share of its segments, how many. What was
    /// repeated last and never answered isn't counted, nor what waited for a closed window.
    #[must_use]
    pub fn lossy(&self) -> Option<(Side, f64, u32)> {
        let worst = self.loses()?;
        // Where one direction died, the other end repeats what was heard: only a goodbye shows that both still worked, or holes
        // that were filled: what is missing there was lost, and what was sent again arrived.
        let worked = self.ended_by == EndedBy::Goodbye || self.tcp[worst.0].filled_holes >= 2;
        let few = worst.2 >= 5 && worst.1 >= 0.08 && worked;
        (worst.2 >= 10 && worst.1 >= 0.03 || few).then_some(worst)
    }

    /// As [`Self::lossy`], where it may be chance: enough to doubt that an end's silence is its own.
    #[must_use]
    pub fn loses(&self) -> Option<(Side, f64, u32)> {
        let tcp = &self.tcp;
        if Side::BOTH.iter().any(|&s| tcp[s].zero_window.longest > Span::secs(1)) {
            return None;
        }
        let repeated = |side: Side| {
            let last = tcp[side].unanswered.map_or(0, |u| u.repeats);
            let repeats = tcp[side].retransmits.saturating_sub(last).saturating_add(tcp[side].filled_holes);
            (side, f64::from(repeats) / (tcp[side].packets.max(1) as f64), repeats)
        };
        let (client, server) = (repeated(Side::Client), repeated(Side::Server));
        let worst = if server.1 > client.1 { server } else { client };
        (worst.2 >= 3 && worst.1 >= 0.03).then_some(worst)
    }

    /// The last `-ERR` the server sent, if any.
    #[must_use]
    pub fn last_server_error(&self) -> Option<&ErrorText> {
        self.nats.errors.iter().rev().find(|e| e.from == Side::Server)
    }
}
