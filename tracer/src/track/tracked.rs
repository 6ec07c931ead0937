//! What the tracker tells about connections.
use super::{ClosedWindow, GivenUp};
use crate::base::{Endpoint, Seq, Side, Span, Timestamp};
use crate::event::{EndedBy, Facts, Mark};
use crate::nats::{Connect, Info};
use crate::wire::Segment;
use std::sync::Arc;

/// A connection's name inside the core: the ordinal of its first frame.
pub type ConnId = u64;

/// A flow's first segment, by what a NAT does not rewrite. The TTL and the sender's side tell nothing of identity.
#[derive(Clone, Copy, Debug)]
pub struct FirstSegment {
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgement number.
    pub ack: Seq,
    /// IPv4 identification; 0 says nothing.
    pub ip_id: Option<u16>,
    /// Window as it stands in the header, and flags.
    pub shape: (u16, u8),
    /// Time to live, hop limit.
    pub ttl: u8,
    /// Who sent it.
    pub from: Side,
}

impl FirstSegment {
    /// What is kept of a segment that `from` sent.
    #[must_use]
    pub const fn of(seg: &Segment<'_>, from: Side) -> Self {
        let shape = (seg.window, seg.flags.0);
        Self { seq: seg.seq, ack: seg.ack, ip_id: seg.ip_id, shape, ttl: seg.ttl, from }
    }

    /// Its numbers are those of a real TCP, that no other segment has by chance.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.seq.0 > 0xffff && self.ip_id.is_some_and(|id| id > 1)
    }

    const fn identity(&self) -> (Seq, Seq, Option<u16>, (u16, u8)) {
        (self.seq, self.ack, self.ip_id, self.shape)
    }
}

impl PartialEq for FirstSegment {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for FirstSegment {}

impl std::hash::Hash for FirstSegment {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let (seq, ack, ip_id, (window, flags)) = self.identity();
        state.write_u64(u64::from(seq.0) << 32 | u64::from(ack.0));
        let id = ip_id.map_or(0, |id| 1 << 16 | u64::from(id));
        state.write_u64(id << 24 | u64::from(window) << 8 | u64::from(flags));
    }
}

/// What a server answers by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// INFO, to a new connection.
    Info,
    /// PONG, to a PING.
    Pong,
}

/// What the tracker tells about connections, in order of time.
#[derive(Debug)]
pub enum Tracked {
    /// First frame.
    Opened {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
        /// Who dials.
        client: Endpoint,
        /// Who listens.
        server: Endpoint,
        /// It began with a SYN.
        syn: bool,
        /// What a NAT leaves as it is in the first segment; none where no frame shows it.
        first: Option<FirstSegment>,
        /// The process of this host that dials, where the kernel has told it.
        process: Option<u32>,
    },
    /// One end acknowledged something new; at most once a second for each end.
    Answered {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
        /// Who answered.
        by: Side,
        /// Who dials.
        client: Endpoint,
        /// Who listens.
        server: Endpoint,
        /// TTL of the answer.
        ttl: u8,
        /// The connection has ended already: a goodbye was answered.
        ended: bool,
    },
    /// The server took the client (PONG, +OK, message or second INFO after CONNECT; TLS: both ends exchange data).
    Accepted {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
        /// Who dials.
        client: Endpoint,
        /// Who listens.
        server: Endpoint,
        /// CONNECT.
        connect: Option<Arc<Connect>>,
        /// INFO.
        info: Option<Arc<Info>>,
        /// MQTT client id.
        mqtt_id: Option<String>,
    },
    /// The server introduced itself.
    Greeted {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
        /// Who listens.
        server: Endpoint,
        /// INFO.
        info: Arc<Info>,
        /// Sequence number after it.
        next: Seq,
        /// The client that a PROXY header named.
        forwarded: Option<String>,
    },
    /// The server answered: how long that took.
    Waited {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
        /// Who listens.
        server: Endpoint,
        /// What it answered.
        answer: Answer,
        /// From the end of the handshake to INFO, or from PING to PONG.
        took: Span,
    },
    /// How many subscriptions a client holds, a second or so after it was accepted; where all its octets were seen.
    Holds {
        /// Which.
        id: ConnId,
        /// Who dials.
        client: Endpoint,
        /// How many.
        subscriptions: u64,
    },
    /// INFO ldm:true.
    LameDuck {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
        /// Who listens.
        server: Endpoint,
    },
    /// The client does not read although the server has something for it; once until its window opens.
    SlowConsumerBuilding {
        /// Which.
        id: ConnId,
        /// When it showed.
        mark: Mark,
        /// Who dials.
        client: Endpoint,
        /// Who listens.
        server: Endpoint,
        /// The window.
        window: ClosedWindow,
    },
    /// It seems to have ended.
    Ending(Ending),
    /// It had not ended after all, and nothing was told yet.
    Revived {
        /// Which.
        id: ConnId,
    },
    /// A connection called dead spoke again.
    Resumed {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
    },
    /// All that was seen of a connection that ended.
    Closed(Box<Facts>),
    /// An attempt that was one SYN is over: [`Tracked::Ending`] and [`Tracked::Closed`] in one.
    GivenUp(GivenUp),
    /// A connection was forgotten for want of room.
    Evicted {
        /// Which.
        id: ConnId,
        /// When.
        mark: Mark,
    },
}

impl Tracked {
    /// Which connection it is about.
    #[must_use]
    pub fn id(&self) -> ConnId {
        match self {
            Self::Opened { id, .. }
            | Self::Answered { id, .. }
            | Self::Accepted { id, .. }
            | Self::Greeted { id, .. }
            | Self::LameDuck { id, .. }
            | Self::Waited { id, .. }
            | Self::Holds { id, .. }
            | Self::SlowConsumerBuilding { id, .. }
            | Self::Revived { id }
            | Self::Resumed { id, .. }
            | Self::Evicted { id, .. } => *id,
            Self::Ending(ending) => ending.id,
            Self::Closed(facts) => facts.first_frame,
            Self::GivenUp(attempt) => attempt.id(),
        }
    }
}

/// A first word on an end, for the neighbours.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Which.
    pub id: ConnId,
    /// When, and in which frame it showed.
    pub mark: Mark,
    /// By what.
    pub by: EndedBy,
    /// Whose FIN or RST it was.
    pub goodbye: Option<Side>,
    /// It was a refusal of a SYN.
    pub refused: bool,
    /// Who dialled.
    pub client: Endpoint,
    /// Who listens.
    pub server: Endpoint,
    /// Since when the connection was lost: first FIN or RST, else when the server was last heard.
    pub lost_at: Timestamp,
    /// Since when nothing was answered, and by whom.
    pub silent: Option<(Side, Timestamp)>,
    /// The server had taken the client.
    pub accepted: bool,
    /// It began with a SYN.
    pub syn: bool,
    /// The process of this host that dialled, where the kernel has told it.
    pub process: Option<u32>,
    /// CONNECT.
    pub connect: Option<Arc<Connect>>,
    /// INFO.
    pub info: Option<Arc<Info>>,
    /// `connect_urls` of a later INFO, where it told others.
    pub connect_urls: Option<Arc<[String]>>,
}
