//! The tracker's attempts that are one SYN: kept small ([`super::embryo`]), a connection only once more happens to them.
use super::connection::Seen;
use super::embryo::Syn;
use super::{FirstSegment, FlowKey, Tracked, Tracker};
use crate::base::Side;
use crate::event::Mark;
use crate::wire::Segment;

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
            let slot = self.replay(&syn, out);
            self.check(slot, now, out);
            // Its end is long past the time that a connection lingers: it is told at once.
            if self.connection(slot).is_some_and(|c| c.first_frame == syn.id && c.check_at <= now) {
                self.check(slot, now, out);
            }
        }
    }

    /// One more needs a place: an attempt that is one SYN goes first.
    pub(super) fn make_room(&mut self, mark: Mark, out: &mut Vec<Tracked>) {
        if self.index.len() + self.embryos.len() < self.config.max_connections {
            return;
        }
        match self.embryos.take_first() {
            Some(syn) => out.push(Tracked::Evicted { id: syn.id, mark }),
            None => self.evict(mark, out),
        }
    }
}
