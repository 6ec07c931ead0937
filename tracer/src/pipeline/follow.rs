//! The second stage: connections are followed, each by the tracker of its shard. How many shards there are hangs on nothing but
//! the settings, so that any number of followers tells the same.
use super::Config;
use super::batch::{Item, Share, Stretch, Work};
use crate::base::{Endpoint, Span};
use crate::track::{Limits, TrackConfig, Tracked, Tracker};
use std::collections::BTreeMap;

/// Shards of a large table, a power of two.
const SHARDS: usize = 8;
/// A smaller table has one, which makes full use of it.
const LARGE: usize = 1 << 16;

/// Follows the connections of some shards.
pub struct Follow {
    trackers: Vec<Tracker>,
}

impl Follow {
    /// Followers who divide the shards among them, `most` at most.
    pub(super) fn all(config: &Config, most: usize) -> Vec<Self> {
        let shards = shards(config);
        let followers = most.clamp(1, shards);
        let one =
            |f: usize| Self { trackers: (f..shards).step_by(followers).map(|_| tracker(config)).collect() };
        (0..followers).map(one).collect()
    }

    /// Adds to a share what its frames make the trackers tell.
    pub fn handle_share(&mut self, share: &mut Share) {
        let Share { stretch, part } = share;
        for (tracker, work) in self.trackers.iter_mut().zip(&mut part.works) {
            follow(tracker, stretch, work);
        }
    }

    /// The input is over: what is left to tell.
    #[must_use]
    pub fn finish(mut self) -> Vec<Tracked> {
        let mut tracked = Vec::new();
        for tracker in &mut self.trackers {
            tracker.finish(&mut tracked);
        }
        tracked
    }
}

fn follow(tracker: &mut Tracker, stretch: &Stretch, work: &mut Work) {
    let Work { items, told, tracked } = work;
    let first = stretch.before + 1;
    let mut note = |frame: u32, before: usize, after: usize| match told.last_mut() {
        _ if before == after => {}
        Some((last, count)) if *last == frame => *count += (after - before) as u32,
        _ => told.push((frame, (after - before) as u32)),
    };
    for &(frame, ref item) in items.iter() {
        let before = tracked.len();
        if let Some(now) = stretch.now(frame) {
            tracker.advance(now, tracked);
        }
        match item {
            Item::Segment(head) => {
                let seg = head.segment(stretch);
                tracker.handle_segment(&seg, head.seen(), first + u64::from(frame), tracked);
            }
            Item::Icmp(mark, icmp) => tracker.handle_icmp(icmp, *mark, tracked),
            Item::Time => {}
        }
        note(frame, before, tracked.len());
    }
    items.clear();
    if let Some((last, now)) = stretch.last_frame().and_then(|last| Some((last, stretch.now(last)?))) {
        let before = tracked.len();
        tracker.advance(now, tracked);
        note(last, before, tracked.len());
    }
}

/// Shards of a table of this size. A live trace has one.
pub(super) const fn shards(config: &Config) -> usize {
    if config.offline && config.max_connections >= LARGE { SHARDS } else { 1 }
}

/// Whose connection this is, by both ends in either order. `shards` is a power of two.
#[inline]
pub(super) fn shard(a: Endpoint, b: Endpoint, shards: usize) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |end: Endpoint| {
        let whole = u128::from_be_bytes(end.addr.0);
        ((whole as u64) ^ (whole >> 64) as u64).wrapping_mul(ODD) ^ u64::from(end.port)
    };
    let both = mix(a).wrapping_add(mix(b)).wrapping_mul(ODD);
    (both >> 32) as usize & (shards - 1)
}

/// The tracker of one shard, with the limits that the settings call for.
pub(super) fn tracker(config: &Config) -> Tracker {
    let limits = Limits {
        idle_timeout: config.idle_timeout,
        window_closed: Span((config.settings.write_deadline.0 / 4).max(Span::secs(1).0)),
        linger: if config.offline { Span::secs(3) } else { Span(config.settle.0 * 8 / 10) },
        linger_doubtful: if config.offline { Span::secs(30) } else { Span(config.settle.0 * 8 / 10) },
    };
    Tracker::new(TrackConfig {
        ports: config.ports.clone(),
        limits,
        max_connections: config.max_connections / shards(config),
        iface_names: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

    #[test]
    fn both_directions_have_one_shard_and_many_connections_have_all() {
        let mut seen = [0; SHARDS];
        for port in 10_000..11_000 {
            let client = Endpoint { addr: Addr::v4([10, 0, 0, 7]), port };
            let server = Endpoint { addr: Addr::v4([10, 0, 0, 1]), port: 4222 };
            let shard = shard(client, server, SHARDS);
            assert_eq!(shard, super::shard(server, client, SHARDS));
            seen[shard] += 1;
        }
        assert!(seen.iter().all(|n| (80..170).contains(n)), "{seen:?}");
    }
}
