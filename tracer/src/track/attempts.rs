//! The tracker's attempts that are one SYN: kept small ([`super::embryo`]), a connection only once more happens to them.
use super::connection::{Connection, Seen};
use super::embryo::Syn;
use super::{ConnId, Ending, FirstSegment, FlowKey, Tracked, Tracker, vantage};
use crate::base::{Endpoint, Side, Timestamp};
use crate::event::{EndedBy, Facts, Mark};
use crate::nats::Hellos;
use crate::wire::Segment;
use std::sync::Arc;

/// An attempt that was one SYN, given up: nobody answered or repeated it. It is told as what was seen, since of a flood of them most
/// are only counted; what others are told of is made of it where it is wanted.
#[derive(Debug)]
pub struct GivenUp {
    syn: Syn,
    /// Where it was seen.
    iface: Option<Arc<str>>,
    /// The process of this host that dialled, where the kernel has told it.
    process: Option<u32>,
}

impl GivenUp {
    /// Which connection it would have been.
    #[must_use]
    pub const fn id(&self) -> ConnId {
        self.syn.id
    }

    /// Who dialled.
    #[must_use]
    pub const fn client(&self) -> Endpoint {
        self.syn.client
    }

    /// Who was dialled.
    #[must_use]
    pub const fn server(&self) -> Endpoint {
        self.syn.server
    }

    /// When.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.syn.seen.mark.at
    }

    /// Both ends are on one host: that alone shows where it was seen.
    #[must_use]
    pub fn is_within_a_host(&self) -> bool {
        vantage::is_one_host(self.syn.client.addr, self.syn.server.addr)
    }

    /// What the neighbours are told of it.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let Syn { client, server, id, seen, .. } = self.syn;
        Ending {
            id,
            mark: seen.mark,
            by: EndedBy::GaveUp,
            goodbye: None,
            refused: false,
            client,
            server,
            lost_at: seen.mark.at,
            silent: Some((Side::Server, seen.mark.at)),
            accepted: false,
            syn: true,
            process: self.process,
            connect: None,
            info: None,
            connect_urls: None,
        }
    }

    /// All that was seen of it.
    #[must_use]
    pub fn facts(self) -> Facts {
        let (seg, seen) = (self.syn.segment(), self.syn.seen);
        let mut conn = Connection::within(None, &seg, seen, self.syn.id, (Side::Client, true));
        conn.handle_segment(&seg, seen, Side::Client, &mut Hellos::default());
        conn.ended = Some((seen.mark.at, EndedBy::GaveUp));
        conn.facts(false, true, seen.mark.at, self.iface)
    }
}

impl Tracker {
    /// A SYN that begins an attempt needs no connection yet. `false`: it does, or it is no such thing.
    pub(super) fn begin(
        &mut self,
        seg: &Segment<'_>,
        seen: Seen,
        ordinal: u64,
        out: &mut Vec<Tracked>,
    ) -> bool {
        if !seg.flags.syn() {
            return false;
        }
        let (mark, client, server) = (seen.mark, seg.src, seg.dst);
        self.make_room(mark, out);
        if !self.embryos.keep(seg, seen, ordinal) {
            return false;
        }
        let first = Some(FirstSegment::of(seg, Side::Client));
        let process = self.sockets.dialler(FlowKey::new(client, server));
        out.push(Tracked::Opened { id: ordinal, mark, client, server, syn: true, first, process });
        true
    }

    /// The attempt between these ends, if there is one, becomes a connection.
    pub(super) fn grow(&mut self, key: FlowKey, out: &mut Vec<Tracked>) -> Option<u32> {
        let syn = self.embryos.take(key)?;
        Some(self.replay(&syn, out))
    }

    /// A connection of which this SYN was seen.
    fn replay(&mut self, syn: &Syn, out: &mut Vec<Tracked>) -> u32 {
        let seg = syn.segment();
        let mut conn = self.connection_of(&seg, syn.seen, syn.id, (Side::Client, true));
        let outcome = conn.handle_segment(&seg, syn.seen, Side::Client, &mut self.hellos);
        let looked_at = conn.wants_a_look(Side::Client, &outcome, syn.seen.mark.at);
        let slot = self.insert(conn);
        if looked_at {
            self.after(slot, Side::Client, seg.ttl, syn.seen.mark, &outcome, out);
        }
        slot
    }

    /// Attempts that nobody answered or repeated are over.
    pub(super) fn tell_attempts(&mut self, out: &mut Vec<Tracked>) {
        let (now, limits) = (self.now, self.config.limits);
        while let Some(syn) = self.embryos.take_due(now, &limits) {
            let at = syn.seen.mark.at;
            // What lingers may still be answered, and what the kernel said of it goes with its facts.
            if at + limits.linger <= now && self.sockets.facts(syn.client, syn.server, at, at).is_none() {
                self.give_up(syn, out);
                continue;
            }
            let slot = self.replay(&syn, out);
            self.check(slot, now, out);
            // Its end is long past the time that a connection lingers: it is told at once.
            if self.connection(slot).is_some_and(|c| c.first_frame == syn.id && c.check_at <= now) {
                self.check(slot, now, out);
            }
        }
    }

    /// An attempt is over and told without ever having been a connection.
    fn give_up(&mut self, syn: Syn, out: &mut Vec<Tracked>) {
        let iface = self.config.iface_names.get(&syn.seen.place).cloned();
        let process = self.sockets.dialler(FlowKey::new(syn.client, syn.server));
        self.gone.remember(self.now, [(syn.client, Some(syn.next())), (syn.server, None)]);
        out.push(Tracked::GivenUp(GivenUp { syn, iface, process }));
    }

    /// One more needs a place.
    pub(super) fn make_room(&mut self, mark: Mark, out: &mut Vec<Tracked>) {
        let (attempts, others) = self.holds();
        if self.config.shards == 1 && attempts + others >= self.config.max_connections {
            self.let_one_go(mark, out);
        }
    }

    /// How many attempts are one SYN, and how many connections there are besides.
    #[must_use]
    pub fn holds(&self) -> (usize, usize) {
        (self.embryos.len(), self.index.len())
    }

    /// Room is needed: so many are forgotten.
    pub fn let_go(&mut self, number: u32, mark: Mark, out: &mut Vec<Tracked>) {
        for _ in 0..number {
            self.let_one_go(mark, out);
        }
    }

    /// An attempt that is one SYN goes first.
    fn let_one_go(&mut self, mark: Mark, out: &mut Vec<Tracked>) {
        match self.embryos.take_first() {
            Some(syn) => out.push(Tracked::Evicted { id: syn.id, mark }),
            None => self.evict(mark, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, PortSet, Span};
    use crate::event::FrameRef;
    use crate::track::embryo::tests::syn;
    use crate::track::{Limits, TrackConfig};
    use std::collections::BTreeMap;

    /// A SYN, and what a tracker tells of it and of its end.
    fn told(client: Addr, options: &[u8], replayed: bool) -> Vec<String> {
        let limits = Limits {
            idle_timeout: Span::secs(120),
            window_closed: Span::secs(2),
            linger_done: Span::secs(1),
            linger: Span::secs(3),
            linger_doubtful: Span::secs(30),
        };
        let (ports, iface_names) = (PortSet::default(), BTreeMap::from([((1, 7), "eth0".into())]));
        let mut tracker =
            Tracker::new(TrackConfig { ports, limits, max_connections: 100, shards: 1, iface_names });
        let server = if client.is_v4() { Addr::v4([10, 0, 0, 5]) } else { client };
        let ends = [(client, 50_000), (server, 4222)].map(|(addr, port)| Endpoint { addr, port });
        let segment = syn(ends[0], ends[1], u32::MAX, options);
        let at = Timestamp(1_795_348_994_000_000_001);
        let seen = Seen { mark: Mark { at, frame: FrameRef::new(1, 3) }, place: (1, 7) };
        let (mut out, key) = (Vec::new(), FlowKey::new(segment.src, segment.dst));
        tracker.handle_segment(&segment, seen, 9, &mut out);
        if replayed {
            tracker.grow(key, &mut out);
        }
        tracker.advance(at + Span::secs(4), &mut out);
        tracker.advance(at + Span::secs(8), &mut out);
        // A repeat belongs to what was told.
        let late = Seen { mark: Mark { at: at + Span::secs(9), frame: FrameRef::new(1, 4) }, place: (1, 7) };
        tracker.handle_segment(&segment, late, 10, &mut out);
        assert_eq!(tracker.living(), 0);
        let mut words = Vec::new();
        for tracked in out {
            match tracked {
                Tracked::GivenUp(attempt) => {
                    assert_eq!(attempt.is_within_a_host(), segment.src.addr == segment.dst.addr);
                    words.push(format!("{:?}", attempt.ending()));
                    words.push(format!("{:?}", attempt.facts()));
                }
                Tracked::Ending(ending) => words.push(format!("{ending:?}")),
                Tracked::Closed(facts) => words.push(format!("{facts:?}")),
                other => words.push(format!("{other:?}")),
            }
        }
        words
    }

    #[test]
    fn given_up_at_once_is_told_as_by_a_connection() {
        for client in [Addr::v4([10, 0, 0, 7]), Addr::v4([10, 0, 0, 5]), Addr::v6([0xfe; 16])] {
            for options in [&[][..], &[2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 3, 3, 7]] {
                let (short, long) = (told(client, options, false), told(client, options, true));
                assert_eq!(short, long);
                assert_eq!(short.len(), 3, "{short:?}");
            }
        }
    }
}
