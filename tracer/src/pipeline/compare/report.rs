//! What a comparison finds, ready to be written.
use super::clock::Clock;
use crate::base::{Addr, Endpoint, PerSide, Side, Span, Timestamp};
use crate::wire::Flags;

/// Two captures of the same traffic, compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// How the clocks stand; `None` where no segment was seen at both sides.
    pub clock: Option<Clock>,
    /// Each connection, in the order of the capture at the client's side, those seen only at the server's side last.
    pub paths: Vec<Path>,
    /// What weakens the whole.
    pub warnings: Vec<String>,
    /// The captures were named the wrong way round, and were compared the right way.
    pub swapped: bool,
    /// Frames of the two captures, client's side first.
    pub frames: [u64; 2],
}

/// What became of a connection between the two points.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Nothing was lost, made or changed but addresses and what routers change.
    Clean,
    /// Segments were lost, the connection went on.
    Loss,
    /// Small segments pass, large ones don't.
    LargeSegmentsLost,
    /// From some time on nothing of one direction arrived.
    DirectionDied,
    /// From some time on nothing of either direction arrived.
    PathDied,
    /// No attempt to connect arrived.
    NeverArrived,
    /// A reset was born between the points.
    ResetInjected,
    /// Octets were born between the points.
    DataInjected,
    /// The same octets differ.
    PayloadChanged,
    /// All arrived at the server's side; what is behind that point never answered.
    DiedBeyondServerSide,
    /// All arrived at the client's side; what is behind that point never answered.
    DiedBeyondClientSide,
    /// A proxy between the points dials anew: one connection of the client, two of TCP.
    Proxied,
    /// Seen at the client's side only.
    OnlyClientSide,
    /// Seen at the server's side only.
    OnlyServerSide,
}

impl Verdict {
    /// As in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Loss => "loss",
            Self::LargeSegmentsLost => "large_segments_lost",
            Self::DirectionDied => "direction_died",
            Self::PathDied => "path_died",
            Self::NeverArrived => "never_arrived",
            Self::ResetInjected => "reset_injected",
            Self::DataInjected => "data_injected",
            Self::PayloadChanged => "payload_changed",
            Self::DiedBeyondServerSide => "died_beyond_server_side",
            Self::DiedBeyondClientSide => "died_beyond_client_side",
            Self::Proxied => "proxied",
            Self::OnlyClientSide => "only_client_side",
            Self::OnlyServerSide => "only_server_side",
        }
    }
}

/// One connection between the two points.
#[derive(Clone, Debug)]
pub struct Path {
    /// Client and server, as the client's side has them; absent where it was not seen there.
    pub at_client_side: Option<PerSide<Endpoint>>,
    /// Client and server, as the server's side has them.
    pub at_server_side: Option<PerSide<Endpoint>>,
    /// First frame, by the clock of the side that saw it (the client's where both did).
    pub start: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
    /// What makes it less sure than it could be.
    pub doubts: Vec<&'static str>,
    /// What happened, in one sentence with the frames' numbers.
    pub summary: String,
    /// What that means, and whom to ask.
    pub advice: String,
    /// By who sends.
    pub directions: PerSide<Direction>,
    /// What was changed on the way.
    pub rewritten: Vec<Rewritten>,
    /// ICMP errors about it.
    pub icmp: Vec<IcmpSeen>,
}

/// What became of the segments of one direction.
#[derive(Clone, Default, Debug)]
pub struct Direction {
    /// Segments seen near the sender.
    pub sent: u64,
    /// Segments seen near the receiver.
    pub received: u64,
    /// Of those sent, how many were recognised near the receiver.
    pub arrived: u64,
    /// Segments lost between the points that carry data, SYN, FIN or RST.
    pub lost: u64,
    /// Their octets.
    pub lost_bytes: u64,
    /// Of one of them at least the receiver's acknowledgements say that it had not come, while later ones had.
    pub proven: bool,
    /// Bare acknowledgements lost between the points.
    pub lost_acks: u64,
    /// Of both, those sent before the first or after the last packet of the capture near the receiver.
    pub lost_outside: u64,
    /// The first of those lost.
    pub losses: Vec<Loss>,
    /// Segments that arrived, since they were acknowledged, but that the capture near the receiver has not.
    pub not_captured: u64,
    /// Sent so near to the end or the beginning of the other capture that nothing can be said, or kept no more.
    pub undecided: u64,
    /// Segments seen near the receiver that were never sent.
    pub born: u64,
    /// The first of them.
    pub births: Vec<Born>,
    /// Segments near the receiver that the capture near the sender has not, though the sender must have sent them.
    pub not_captured_near: u64,
    /// Segments that arrived more than once.
    pub duplicated: u64,
    /// Segments that arrived after one sent later.
    pub reordered: u64,
    /// Segments with the same place and length, but other octets; the numbers of the first, client's side first.
    pub changed: u64,
    /// The first whose octets differ: its frame near the sender and near the receiver.
    pub first_changed: Option<(u64, u64)>,
    /// From one point to the other.
    pub delay: Option<Delay>,
    /// From when on nothing arrived.
    pub died: Option<Died>,
    /// Largest payload that arrived, smallest of those that never did, where all that are larger were lost.
    pub size_limit: Option<(u32, u32)>,
    /// How much smaller the TTL is near the receiver.
    pub hops: Option<i16>,
}

/// Time from one point to the other, by aligned clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delay {
    /// Smallest.
    pub min: Span,
    /// Half of all took less.
    pub median: Span,
    /// Largest.
    pub max: Span,
}

/// A segment that left one point and never reached the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Its frame in the capture near the sender.
    pub number: u64,
    /// When it was seen there, by that capture's clock.
    pub at: Timestamp,
    /// Sequence number of the first octet lost, as it was near the sender.
    pub seq: u32,
    /// Octets lost.
    pub len: u32,
    /// Its flags.
    pub flags: Flags,
    /// The frame in the capture near the receiver after which it should have come.
    pub after: Option<u64>,
}

/// A segment seen near the receiver that was never sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Born {
    /// Its frame in the capture near the receiver.
    pub number: u64,
    /// When, by that capture's clock.
    pub at: Timestamp,
    /// Its sequence number.
    pub seq: u32,
    /// Octets it carries.
    pub len: u32,
    /// Its flags.
    pub flags: Flags,
    /// Its TTL, and that of the direction's other segments.
    pub ttl: (u8, Option<u8>),
    /// The last frame of that direction before it in the capture near the sender.
    pub after: Option<u64>,
}

/// The end of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Died {
    /// When the first segment was sent that did not arrive, by the clock near the sender.
    pub at: Timestamp,
    /// Its frame there.
    pub number: u64,
    /// The last frame near the sender that arrived, and its frame near the receiver.
    pub last: Option<(u64, u64)>,
    /// Segments sent since then.
    pub sent_after: u64,
    /// Of them, those sent before the first or after the last packet of the capture near the receiver.
    pub outside: u64,
    /// Segments of the other direction that arrived after that.
    pub other_went_on: u64,
}

impl Died {
    /// It shows while the capture near the receiver certainly ran: segments enough to call it dead are missing then.
    pub(super) const fn is_seen(&self) -> bool {
        self.sent_after >= self.outside + DEAD
    }
}

/// Segments without an answer in a row that make a direction dead.
pub(super) const DEAD: u64 = 2;

/// What differs between the two points.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// Which field.
    pub field: &'static str,
    /// Who sends it; `None` for what belongs to the connection.
    pub from: Option<Side>,
    /// At the client's side.
    pub client_side: String,
    /// At the server's side.
    pub server_side: String,
}

/// An ICMP error, and where it was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpSeen {
    /// Who sent it.
    pub from: Addr,
    /// What it says.
    pub says: String,
    /// Its first frame at the client's side.
    pub client_side: Option<u64>,
    /// Its first frame at the server's side.
    pub server_side: Option<u64>,
    /// When, by the clock of the side that saw it.
    pub at: Timestamp,
}
