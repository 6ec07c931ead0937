//! What was seen of TCP, of one end each.
use super::super::{Mark, Rare, Usual};
use super::{IcmpKind, Owed};
use crate::base::{Addr, Side, Span, Timestamp};
use serde::{Deserialize, Serialize};

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
