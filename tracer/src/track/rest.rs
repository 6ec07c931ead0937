//! Connections that are silent and owe nothing rest: written down, and squeezed against the first that was, whose INFO, CONNECT
//! and times are nearly theirs. A few hundred octets are left of some thousand. A frame wakes them.
pub(super) mod format;

use super::connection::{Connection, Limits};
use super::{Tracker, share};
use crate::base::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// So many connections are awake before any is put to rest: a part of those that a table may hold, within bounds.
const AWAKE: (usize, usize, usize) = (128, 1024, 8 * 1024);
/// So long nothing was seen of one that is put to rest.
const SILENT: Span = Span::secs(2);
/// Slots looked at for each connection that is made or woken.
const LOOKED_AT: usize = 64;
/// A pattern is no longer than what the squeezing looks back.
const PATTERN_MAX: usize = 48 * 1024;

/// Where a connection is kept.
#[derive(Default)]
pub enum Slot {
    /// None is.
    #[default]
    Free,
    /// As it is worked with.
    Awake(Box<Connection>),
    /// Written down.
    Resting(Resting),
}

/// A connection, written down: its [`Head`], then the rest, squeezed.
pub struct Resting(Box<[u8]>);

/// What is asked of one that rests.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Head {
    /// Its last frame.
    pub last: Timestamp,
    /// Its first frame.
    id: u64,
    /// Octets, before they were squeezed.
    len: u32,
}

impl Slot {
    /// The connection, if it is awake.
    #[must_use]
    pub fn awake(&self) -> Option<&Connection> {
        match self {
            Self::Awake(conn) => Some(conn),
            Self::Free | Self::Resting(_) => None,
        }
    }
}

/// The connection of a slot, if it is awake.
#[inline(always)]
pub fn awake(slots: &mut [Slot], slot: u32) -> Option<&mut Connection> {
    match slots.get_mut(slot as usize)? {
        Slot::Awake(conn) => Some(conn),
        Slot::Free | Slot::Resting(_) => None,
    }
}

/// Who rests, and what the others are squeezed against.
pub struct Rest {
    pattern: Vec<u8>,
    /// When the first was put to rest.
    since: Timestamp,
    /// So many stay awake.
    most: usize,
    /// Connections that are awake.
    awake: usize,
    hand: usize,
}

impl Rest {
    /// For a table of so many connections.
    pub fn new(max_connections: usize) -> Self {
        Self {
            pattern: Vec::new(),
            since: Timestamp(0),
            most: share(max_connections, AWAKE),
            awake: 0,
            hand: 0,
        }
    }

    /// One more is awake.
    pub const fn one_more(&mut self) {
        self.awake += 1;
    }

    /// One less is.
    pub const fn one_less(&mut self) {
        self.awake = self.awake.saturating_sub(1);
    }

    /// What is known of one that rests without waking it.
    pub fn head(&self, resting: &Resting) -> Option<Head> {
        self.parts(resting).map(|(head, _)| head)
    }

    fn parts<'a>(&self, resting: &'a Resting) -> Option<(Head, &'a [u8])> {
        format::read(&resting.0, (self.since.0, 0)).ok()
    }

    fn squeeze(&mut self, conn: &mut Connection) -> Option<Resting> {
        conn.tidy();
        let (last, id) = (conn.last().at, conn.first_frame);
        let written = format::write(conn, (last.0, id), Vec::new()).ok()?;
        if self.pattern.is_empty() {
            self.pattern = written.get(..PATTERN_MAX).unwrap_or(&written).to_vec();
            self.since = last;
        }
        let head = Head { last, id, len: u32::try_from(written.len()).ok()? };
        let mut all = format::write(&head, (self.since.0, 0), Vec::new()).ok()?;
        all.extend_from_slice(&lz4_flex::block::compress_with_dict(&written, &self.pattern));
        Some(Resting(all.into_boxed_slice()))
    }

    fn unfold(&self, resting: &Resting) -> Option<Box<Connection>> {
        let (head, squeezed) = self.parts(resting)?;
        let len = head.len as usize;
        let written = lz4_flex::block::decompress_with_dict(squeezed, len, &self.pattern).ok()?;
        let (conn, _) = format::read(&written, (head.last.0, head.id)).ok()?;
        Some(Box::new(conn))
    }
}

impl Tracker {
    /// The connection of a slot is wanted. `false`: there is none.
    pub(super) fn wake(&mut self, slot: u32) -> bool {
        let Some(place) = self.slots.get_mut(slot as usize) else { return false };
        let Slot::Resting(resting) = place else { return matches!(place, Slot::Awake(_)) };
        let Some(conn) = self.rest.unfold(resting) else { return false };
        // Others first: this one has been silent just as long.
        self.put_to_rest();
        self.rest.one_more();
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Slot::Awake(conn);
        }
        true
    }

    /// Makes those that are awake anew, by the thread that follows them from now on. What one thread made for several lies side by
    /// side, and those who write into one cache line wait for each other.
    pub fn settle_in(&mut self) {
        self.spare.clear();
        self.sessions.clear();
        self.rooms.clear();
        for place in &mut self.slots {
            let Slot::Awake(conn) = place else { continue };
            let Ok(written) = format::write(&**conn, (0, 0), Vec::new()) else { continue };
            if let Ok((anew, _)) = format::read(&written, (0, 0)) {
                *place = Slot::Awake(Box::new(anew));
            }
        }
    }

    /// Makes room among those that are awake: of the next few, those that can rest do.
    pub(super) fn put_to_rest(&mut self) {
        if self.rest.awake <= self.rest.most {
            return;
        }
        let (limits, now): (Limits, Timestamp) = (self.config.limits, self.now);
        for _ in 0..LOOKED_AT.min(self.slots.len()) {
            self.rest.hand = (self.rest.hand + 1) % self.slots.len();
            let Some(place) = self.slots.get_mut(self.rest.hand) else { continue };
            let Slot::Awake(conn) = place else { continue };
            if now - conn.last().at < SILENT || !conn.can_rest(&limits) {
                continue;
            }
            if let Some(resting) = self.rest.squeeze(conn) {
                *place = Slot::Resting(resting);
                self.rest.one_less();
            }
        }
    }
}

/// All that is known of a connection, to compare.
#[cfg(test)]
pub fn written(conn: &Connection) -> Option<Vec<u8>> {
    format::write(conn, (0, 0), Vec::new()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint, PortSet, Seq};
    use crate::event::{FrameRef, Mark};
    use crate::track::{Seen, TrackConfig, Tracked, Written};
    use crate::wire::{Flags, Segment};
    use std::collections::BTreeMap;

    const INFO: &[u8] =
        b"INFO {\"server_id\":\"NB1\",\"version\":\"2.15.1\",\"client_id\":7,\"nonce\":\"x\"} \r\n";
    const CONNECT: &[u8] =
        b"CONNECT {\"lang\":\"go\",\"name\":\"billing\",\"pass\":\"p\",\"headers\":true}\r\nPING\r\n";
    const ERROR: &[u8] = b"-ERR 'Authorization Violation'\r\n";

    /// Side, flags, payload of one step of the conversation.
    const STEPS: &[(bool, u8, &[u8])] = &[
        (true, 0x02, b""),
        (false, 0x12, b""),
        (true, 0x10, b""),
        (false, 0x18, INFO),
        (true, 0x18, CONNECT),
        (false, 0x18, b"PONG\r\n"),
        (true, 0x18, b"SUB orders.> 7\r\nPUB parts _R.1 2\r\nhi\r\nPU"),
        (false, 0x18, b"MSG orders.new 7 5\r\nhello\r\n"),
        (true, 0x18, b"B parts 2\r\nho\r\n"),
        (false, 0x10, b""),
        (false, 0x18, ERROR),
        (true, 0x11, b""),
        (false, 0x11, b""),
    ];

    /// What a tracker tells of three connections, three seconds between their frames; `most` of them stay awake, and those settle in
    /// behind each frame if they `settle`.
    fn told(most: usize, settle: bool) -> (Vec<String>, usize) {
        let limits = Limits {
            idle_timeout: Span::secs(120),
            window_closed: Span::secs(2),
            linger_done: Span::secs(1),
            linger: Span::secs(3),
            linger_doubtful: Span::secs(30),
        };
        let mut tracker = Tracker::new(TrackConfig {
            ports: PortSet::default(),
            limits,
            max_connections: 100,
            shards: 1,
            iface_names: BTreeMap::new(),
        });
        tracker.rest.most = most;
        let server = Endpoint { addr: Addr::v4([10, 0, 0, 5]), port: 4222 };
        let (mut out, mut numbers) = (Vec::<Tracked>::new(), [[1_000u32, 9_000]; 3]);
        let (mut number, mut rested, mut moved) = (0, 0, 0);
        for &(from_client, flags, payload) in STEPS {
            for (client, next) in (50_000..).zip(&mut numbers) {
                number += 1;
                let client = Endpoint { addr: Addr::v4([10, 0, 0, 7]), port: client };
                let (src, dst) = if from_client { (client, server) } else { (server, client) };
                let [mine, theirs] = if from_client { *next } else { [next[1], next[0]] };
                let len = payload.len() as u32;
                let segment = Segment {
                    src,
                    dst,
                    ttl: 64,
                    ip_id: Some(number as u16),
                    seq: Seq(mine),
                    ack: Seq(if flags & 0x10 == 0 { 0 } else { theirs }),
                    flags: Flags(flags),
                    window: 500,
                    options: &[],
                    payload,
                    payload_len: len,
                    tunnel: false,
                };
                next[usize::from(!from_client)] += len + u32::from(flags & 3 != 0);
                let at = Timestamp(1_795_348_994_000_000_000 + number * 1_000_000_000);
                let frame = FrameRef::new(0, number as u64);
                let seen = Seen { mark: Mark { at, frame }, place: (0, 0) };
                tracker.handle_segment(&segment, seen, number as u64, &mut out);
                tracker.put_to_rest();
                if settle {
                    let before = boxes(&tracker);
                    tracker.settle_in();
                    moved += boxes(&tracker).iter().zip(before).filter(|(new, old)| **new != *old).count();
                }
                rested += tracker.slots.iter().filter(|slot| matches!(slot, Slot::Resting(_))).count();
            }
        }
        tracker.finish(&mut out);
        let told: Vec<String> = out.iter().map(|tracked| format!("{tracked:?}")).collect();
        let mut room = Vec::new();
        for tracked in out {
            if let Tracked::Closed(mut facts) = tracked {
                let before = format!("{facts:?}");
                let written = Written::of(&mut facts, &mut room).unwrap();
                assert_eq!(written.facts(Some(facts)).map(|facts| format!("{facts:?}")), Some(before));
            }
        }
        assert_eq!(moved > 0, settle);
        (told, rested)
    }

    /// Where those are that are awake.
    fn boxes(tracker: &Tracker) -> Vec<*const Connection> {
        let place = |slot: &Slot| match slot {
            Slot::Awake(conn) => std::ptr::from_ref(&**conn),
            Slot::Free | Slot::Resting(_) => std::ptr::null(),
        };
        tracker.slots.iter().map(place).collect()
    }

    #[test]
    fn rest_changes_nothing() {
        let ((awake, none), (rested, many)) = (told(usize::MAX, false), told(0, false));
        assert_eq!(awake, rested);
        assert_eq!(awake, told(usize::MAX, true).0);
        assert!(none == 0 && many > 3, "{many} times one rested");
        assert!(awake.iter().filter(|told| told.starts_with("Closed")).count() == 3, "{awake:?}");
    }
}
