//! One capture, boiled down to its connections: of each direction the last segments, without their payload.
use crate::base::{Endpoint, PerSide, PortSet, Seq, Side, Span, Timestamp};
use crate::event::Frame;
use crate::wire::{Decoder, Flags, IcmpError, IcmpKind, Options, Packet, Segment};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

/// Segments kept of each direction of a connection, at most.
const KEPT_MAX: usize = 64 * 1024;
/// Segments kept of a capture, at most (about 64 octets each).
const ALL_KEPT_MAX: usize = 2 * 1024 * 1024;
/// The bound of a direction is never made smaller than this.
const KEPT_LEAST: usize = 8;
/// Connections kept of a capture, at most.
const CONNECTIONS_MAX: usize = ALL_KEPT_MAX / (2 * KEPT_LEAST);
/// ICMP errors kept of a connection.
const ICMP_MAX: usize = 32;
/// Payload octets that make a segment's fingerprint: another cut of the stream leaves mostly the start.
const PREFIX: usize = 64;
/// A frame that is seen again on another interface, or after being routed, is seen so soon.
const SEEN_TWICE: Span = Span::millis(1);

/// A segment without its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seg {
    pub at: Timestamp,
    /// Number of the frame in its capture, from 1.
    pub number: u64,
    /// Where it starts in its stream, counted from the first segment kept: as `seq`, but never wrapping.
    pub pos: i64,
    pub seq: Seq,
    pub ack: Seq,
    pub len: u32,
    /// Value of the timestamp option, RFC 7323.
    pub tsval: Option<u32>,
    /// Of the whole payload; `None` where there is none or the capture cut it.
    pub hash: Option<u64>,
    /// Of the payload's start.
    pub prefix: u64,
    pub ip_id: u16,
    pub flags: Flags,
    pub ttl: u8,
    pub iface: u32,
}

impl Seg {
    /// Sequence numbers it takes: payload, SYN, FIN (RFC 9293 section 3.4).
    pub fn span(&self) -> i64 {
        i64::from(self.len) + i64::from(self.flags.syn()) + i64::from(self.flags.fin())
    }

    /// It carries nothing that is acknowledged, and is no reset.
    pub fn is_bare(&self) -> bool {
        self.span() == 0 && !self.flags.rst()
    }
}

/// What a SYN asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syn {
    pub seq: Seq,
    pub window: u16,
    pub options: Options,
    pub number: u64,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub segs: VecDeque<Seg>,
    /// Segments that were seen, those that are kept no more included.
    pub seen: u64,
    pub bytes: u64,
    pub syn: Option<Syn>,
    /// Frames seen again on their way through the capturing host.
    pub again: u64,
    /// Where a sequence number stands in the stream.
    place: Option<(Seq, i64)>,
}

impl Stream {
    /// The beginning of the direction is kept.
    pub fn is_whole(&self) -> bool {
        self.syn.is_some() && self.seen == self.segs.len() as u64 + self.again
    }

    fn place(&mut self, segment: &Segment<'_>) -> i64 {
        let (seq, pos) = self.place.unwrap_or((segment.seq, 0));
        let here = pos.saturating_add(segment.seq.diff(seq).into());
        // A reset may bear any number; the stream goes on where its data is.
        if !segment.flags.rst() {
            self.place = Some((segment.seq, here));
        }
        here
    }
}

/// An ICMP error about a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Icmp {
    pub at: Timestamp,
    pub number: u64,
    pub error: IcmpError,
}

/// A connection as one capture shows it.
#[derive(Debug)]
pub(super) struct Connection {
    pub ends: PerSide<Endpoint>,
    pub first: (Timestamp, u64),
    /// By who sends.
    pub streams: PerSide<Stream>,
    pub icmp: Vec<Icmp>,
}

impl Connection {
    /// The client's SYN or the server's answer was seen: who is who is certain.
    pub fn roles_are_certain(&self) -> bool {
        Side::BOTH.iter().any(|&side| self.streams[side].syn.is_some())
    }

    /// The ends exchanged.
    pub fn flip(&mut self) {
        self.ends.swap();
        self.streams.swap();
    }
}

/// One capture's connections on the server ports, bounded: of a busy direction the last 65,536 segments, fewer where
/// there are very many connections.
pub struct Recording {
    ports: PortSet,
    decoder: Decoder,
    hasher: foldhash::fast::FixedState,
    current: HashMap<(Endpoint, Endpoint), usize, foldhash::fast::RandomState>,
    pub(super) connections: Vec<Connection>,
    kept: usize,
    kept_each: usize,
    /// Frames read.
    pub(super) frames: u64,
    /// Time of the first and the last frame of any kind.
    pub(super) runs: Option<(Timestamp, Timestamp)>,
    /// Connections there was no room for.
    pub(super) left_out: u64,
    /// Frames the capturing tool says it lost.
    pub(super) lost_frames: u64,
}

impl Recording {
    /// Nothing so far. `ports` are those servers listen on.
    #[must_use]
    pub fn new(ports: PortSet) -> Self {
        Self {
            ports,
            decoder: Decoder::new(),
            // Payload is compared between two recordings: both must hash alike.
            hasher: foldhash::fast::FixedState::with_seed(0x6e61_7473),
            current: HashMap::default(),
            connections: Vec::new(),
            kept: 0,
            kept_each: KEPT_MAX,
            frames: 0,
            runs: None,
            left_out: 0,
            lost_frames: 0,
        }
    }

    /// Takes the next frame of the capture.
    pub fn handle_frame(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        let (first, last) = self.runs.unwrap_or((frame.at, frame.at));
        self.runs = Some((first.min(frame.at), last.max(frame.at)));
        let mut decoder = std::mem::take(&mut self.decoder);
        match decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len) {
            Packet::Tcp(segment) => self.segment(frame, &segment),
            Packet::Icmp(error) => self.icmp(frame, error),
            Packet::Fragment | Packet::Other | Packet::Malformed(_) => {}
        }
        self.decoder = decoder;
    }

    /// Frames that the capturing tool says it lost.
    pub const fn handle_lost(&mut self, frames: u64) {
        self.lost_frames = frames;
    }

    fn segment(&mut self, frame: &Frame<'_>, segment: &Segment<'_>) {
        if !self.ports.contains(segment.src.port) && !self.ports.contains(segment.dst.port) {
            return;
        }
        let Some(index) = self.connection(frame, segment) else {
            self.left_out += 1;
            return;
        };
        let seg = self.boil_down(frame, segment);
        let Some(connection) = self.connections.get_mut(index) else { return };
        let side = if connection.ends.client == segment.src { Side::Client } else { Side::Server };
        let stream = &mut connection.streams[side];
        stream.seen += 1;
        stream.bytes += u64::from(segment.payload_len);
        if stream.segs.iter().rev().take(4).any(|other| seen_twice(other, &seg)) {
            stream.again += 1;
            return;
        }
        let pos = stream.place(segment);
        if segment.flags.syn() && stream.syn.is_none() {
            let options = Options::decode(segment.options);
            stream.syn =
                Some(Syn { seq: segment.seq, window: segment.window, options, number: frame.number });
        }
        if stream.segs.len() >= self.kept_each {
            stream.segs.pop_front();
            self.kept -= 1;
        }
        stream.segs.push_back(Seg { pos, ..seg });
        self.kept += 1;
        self.bound();
    }

    fn boil_down(&self, frame: &Frame<'_>, segment: &Segment<'_>) -> Seg {
        let payload = segment.payload;
        let whole = !payload.is_empty() && payload.len() == segment.payload_len as usize;
        let start = payload.get(..PREFIX).unwrap_or(payload);
        Seg {
            at: frame.at,
            number: frame.number,
            pos: 0,
            seq: segment.seq,
            ack: if segment.flags.ack() { segment.ack } else { Seq(0) },
            len: segment.payload_len,
            tsval: Options::decode(segment.options).timestamps.map(|(value, _)| value),
            hash: whole.then(|| self.hasher.hash_one(payload)),
            prefix: self.hasher.hash_one(start),
            ip_id: segment.ip_id.unwrap_or(0),
            flags: segment.flags,
            ttl: segment.ttl,
            iface: frame.iface,
        }
    }

    /// The connection of a segment, a new one where there is none or where the ports are used again.
    fn connection(&mut self, frame: &Frame<'_>, segment: &Segment<'_>) -> Option<usize> {
        let key = ordered(segment.src, segment.dst);
        let opens = segment.flags.syn() && !segment.flags.ack();
        if let Some(&index) = self.current.get(&key) {
            let known = self.connections.get(index)?;
            let same = known.ends.client == segment.src
                && known.streams.client.syn.is_some_and(|syn| syn.seq == segment.seq);
            if !opens || same {
                return Some(index);
            }
        }
        if self.connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let from_client = if segment.flags.syn() {
            opens
        } else {
            match (self.ports.contains(segment.src.port), self.ports.contains(segment.dst.port)) {
                (false, true) => true,
                (true, false) => false,
                _ => segment.src.port >= segment.dst.port,
            }
        };
        let mut ends = PerSide { client: segment.src, server: segment.dst };
        if !from_client {
            ends.swap();
        }
        let index = self.connections.len();
        self.connections.push(Connection {
            ends,
            first: (frame.at, frame.number),
            streams: PerSide::default(),
            icmp: Vec::new(),
        });
        self.current.insert(key, index);
        Some(index)
    }

    fn icmp(&mut self, frame: &Frame<'_>, error: IcmpError) {
        let Some(&index) = self.current.get(&ordered(error.src, error.dst)) else { return };
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.icmp.len() < ICMP_MAX {
            connection.icmp.push(Icmp { at: frame.at, number: frame.number, error });
        }
    }

    /// Makes room where all connections together keep too much: each may keep half of what it might before.
    fn bound(&mut self) {
        while self.kept > ALL_KEPT_MAX && self.kept_each > KEPT_LEAST {
            self.kept_each /= 2;
            for stream in
                self.connections.iter_mut().flat_map(|c| [&mut c.streams.client, &mut c.streams.server])
            {
                let over = stream.segs.len().saturating_sub(self.kept_each);
                stream.segs.drain(..over);
                stream.segs.shrink_to(self.kept_each);
                self.kept -= over;
            }
        }
    }
}

/// The two ends of a five-tuple, whoever sends.
pub(super) fn ordered(a: Endpoint, b: Endpoint) -> (Endpoint, Endpoint) {
    if a <= b { (a, b) } else { (b, a) }
}

/// The same frame on its way through the capturing host: on another interface, or after it was routed.
fn seen_twice(earlier: &Seg, now: &Seg) -> bool {
    (earlier.iface != now.iface || earlier.ttl != now.ttl)
        && (earlier.seq, earlier.ack, earlier.len, earlier.flags) == (now.seq, now.ack, now.len, now.flags)
        && (earlier.tsval, earlier.ip_id, earlier.prefix) == (now.tsval, now.ip_id, now.prefix)
        && (now.at - earlier.at).0.unsigned_abs() < SEEN_TWICE.0.unsigned_abs()
}

/// What an ICMP error says, for people.
pub(super) fn icmp_says(kind: IcmpKind) -> String {
    match kind {
        IcmpKind::NetUnreachable => "network unreachable".into(),
        IcmpKind::HostUnreachable => "host unreachable".into(),
        IcmpKind::PortUnreachable => "port unreachable".into(),
        IcmpKind::ProtocolUnreachable => "protocol unreachable".into(),
        IcmpKind::AdminProhibited => "administratively prohibited".into(),
        IcmpKind::FragmentationNeeded(mtu) => format!("fragmentation needed, next hop's MTU {mtu}"),
        IcmpKind::TimeExceeded => "time to live exceeded".into(),
        IcmpKind::Other(kind, code) => format!("ICMP type {kind} code {code}"),
    }
}
