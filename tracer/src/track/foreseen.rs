//! Segments that were to be expected, found and taken by the octets of their frames: most are.
use super::connection::Expected;
use super::rest::awake;
use super::{Found, Recent, Seen, Tracked, Tracker};
use crate::base::Side;
use crate::event::Mark;
use crate::wire::Plain;

impl Tracker {
    /// A plain frame's segment, if it was to be expected of the connection that was found for it.
    #[inline(always)]
    pub fn take_foreseen(
        &mut self,
        plain: &Plain<'_>,
        Found { slot, id, from, .. }: Found,
        seen: Seen,
        out: &mut Vec<Tracked>,
    ) -> bool {
        self.advance(seen.mark.at, out);
        let Some(conn) =
            awake(&mut self.slots, slot).filter(|conn| conn.first_frame == id && conn.expects_more())
        else {
            return false;
        };
        match conn.expect(plain.bytes(), from, seen.mark, seen.place, &mut self.hellos) {
            Expected::No => return false,
            Expected::Quiet => {}
            Expected::Telling { answered, news } => {
                self.after_foreseen(slot, (from, plain.ttl()), seen.mark, (answered, news), out);
            }
        }
        true
    }

    #[inline(never)]
    fn after_foreseen(
        &mut self,
        slot: u32,
        (from, ttl): (Side, u8),
        mark: Mark,
        brought: (bool, bool),
        out: &mut Vec<Tracked>,
    ) {
        if let Some(conn) = awake(&mut self.slots, slot) {
            let outcome = conn.outcome(brought);
            self.after(slot, from, ttl, mark, &outcome, out);
        }
    }

    /// Any plain frame's segment, as [`Tracker::handle_segment`]; those that follow it may be foreseen, by what is noted of it.
    /// `false`: it has none, the frame is to be looked into.
    #[inline(never)]
    pub fn handle_plain(
        &mut self,
        plain: &Plain<'_>,
        seen: Seen,
        (shard, ordinal): (u8, u64),
        recent: &mut Recent,
        out: &mut Vec<Tracked>,
    ) -> bool {
        self.advance(seen.mark.at, out);
        let Some(seg) = plain.segment() else { return false };
        let port = seg.src.port;
        let known = recent.find(plain).filter(|found| found.shard == shard && self.is_there(found, port));
        let place = known.map(|found| (found.slot, found.from));
        if let Some(slot) = self.take_segment(&seg, place, seen, ordinal, out)
            && known.is_none()
            && let Some(conn) = self.connection(slot)
            && let Some(from) = conn.side_of_port(port)
        {
            recent.note(plain, Found { shard, from, slot, id: conn.first_frame });
        }
        true
    }

    /// Whether that connection is in its slot still, and that side sends from this port still: of one whose beginning was not seen
    /// the sides may turn out to be the other way round.
    fn is_there(&self, found: &Found, port: u16) -> bool {
        self.connection(found.slot)
            .is_some_and(|conn| conn.first_frame == found.id && conn.side_of_port(port) == Some(found.from))
    }
}
