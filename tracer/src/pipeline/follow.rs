//! The second stage: connections are followed.
use super::Config;
use super::batch::{Batch, Item};
use crate::base::Span;
use crate::track::{Limits, TrackConfig, Tracked, Tracker};
use std::collections::BTreeMap;

/// Follows the connections of batches.
pub struct Follow {
    tracker: Tracker,
}

impl Follow {
    pub(super) const fn new(tracker: Tracker) -> Self {
        Self { tracker }
    }

    /// Adds to a batch what its frames make the tracker tell.
    pub fn handle_batch(&mut self, batch: &mut Batch) {
        let first = batch.before + 1;
        let (items, mut told, octets) = batch.open();
        for (frame, item) in items.drain(..) {
            let before = told.tracked.len();
            if let Some(now) = octets.now(frame) {
                self.tracker.advance(now, told.tracked);
            }
            match item {
                Item::Segment(head) => self.tracker.handle_segment(
                    &head.segment(&octets),
                    head.seen(),
                    first + u64::from(frame),
                    told.tracked,
                ),
                Item::Icmp(mark, icmp) => self.tracker.handle_icmp(&icmp, mark, told.tracked),
                Item::Time => {}
            }
            told.note(frame, before);
        }
        if let Some((last, now)) = octets.last().and_then(|last| Some((last, octets.now(last)?))) {
            let before = told.tracked.len();
            self.tracker.advance(now, told.tracked);
            told.note(last, before);
        }
    }

    /// The input is over: what is left to tell.
    #[must_use]
    pub fn finish(mut self) -> Vec<Tracked> {
        let mut tracked = Vec::new();
        self.tracker.finish(&mut tracked);
        tracked
    }
}

/// A tracker with the limits that the settings call for.
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
        max_connections: config.max_connections,
        iface_names: BTreeMap::new(),
    })
}
