//! Connections whose close was told: what still comes of them belongs to that close and begins nothing. A few words for
//! each, bounded in number and time.
use super::{FlowKey, share};
use crate::base::{Endpoint, Seq, Span, Timestamp};
use crate::wire::Segment;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Connections remembered: a part of those that a table may hold, within bounds.
const MOST: (usize, usize, usize) = (16, 1024, 64 * 1024);
/// How long: the longest that Linux repeats a segment.
const MEMORY: Span = Span::secs(1000);
/// Farther from where its sender was, it is another connection's.
const NEAR: u32 = 1 << 24;

/// Where one end was.
#[derive(Clone, Copy, Debug)]
struct Left {
    at: Timestamp,
    low: Option<Seq>,
    high: Option<Seq>,
}

/// All that are remembered.
#[derive(Debug)]
pub struct Gone {
    most: usize,
    left: HashMap<FlowKey, Left, foldhash::fast::RandomState>,
    order: VecDeque<(FlowKey, Timestamp)>,
}

impl Gone {
    /// For a table of so many connections.
    pub fn new(max_connections: usize) -> Self {
        Self { most: share(max_connections, MOST), left: HashMap::default(), order: VecDeque::new() }
    }

    /// Remembers a connection: its ends, and what each would send next, where that is known.
    pub fn remember(&mut self, at: Timestamp, ends: [(Endpoint, Option<Seq>); 2]) {
        let [a, b] = ends;
        let key = FlowKey::new(a.0, b.0);
        let (low, high) = if key.low == a.0 { (a.1, b.1) } else { (b.1, a.1) };
        self.left.insert(key, Left { at, low, high });
        self.order.push_back((key, at));
        while self.order.len() > self.most || self.order.front().is_some_and(|f| at - f.1 > MEMORY) {
            let Some((key, at)) = self.order.pop_front() else { break };
            if self.left.get(&key).is_some_and(|l| l.at == at) {
                self.left.remove(&key);
            }
        }
    }

    /// Whether this segment belongs to a connection that is gone.
    pub fn owns(&self, key: FlowKey, seg: &Segment<'_>, now: Timestamp) -> bool {
        let Some(left) = self.left.get(&key).filter(|l| now - l.at <= MEMORY) else { return false };
        let Some(next) = (if key.low == seg.src { left.low } else { left.high }) else { return false };
        if seg.flags.syn() {
            // Only a repeat has the same number; it is behind by what was sent since.
            return seg.flags.ack() && seg.seq.diff(next) < 0 && seg.seq.diff(next).unsigned_abs() < NEAR
                || seg.seq.add(1) == next;
        }
        seg.seq.diff(next).unsigned_abs() < NEAR
    }
}
