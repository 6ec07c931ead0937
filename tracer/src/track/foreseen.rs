//! Segments that were to be expected, found and taken by the octets of their frames: most are.
use super::rest::awake;
use super::{Seen, Tracked, Tracker};
use crate::base::Side;
use crate::event::Mark;
use crate::wire::Plain;

impl Tracker {
    /// A plain frame's segment, as [`Tracker::handle_segment`]. `false`: it has none, the frame is to be looked into.
    #[inline(always)]
    pub fn handle_plain(
        &mut self,
        plain: &Plain<'_>,
        seen: Seen,
        ordinal: u64,
        out: &mut Vec<Tracked>,
    ) -> bool {
        self.advance(seen.mark.at, out);
        self.take_foreseen(plain, seen, out) || self.handle_unforeseen(plain, seen, ordinal, out)
    }

    /// The segment, if it was to be expected. It is decoded here, where little of it is looked at more than once: in registers.
    #[inline(always)]
    fn take_foreseen(&mut self, plain: &Plain<'_>, seen: Seen, out: &mut Vec<Tracked>) -> bool {
        let (at, [port, _]) = (seen.mark.at, plain.ports());
        let Some((slot, id)) = self.recent.find(plain) else { return false };
        let Some(conn) = awake(&mut self.slots, slot).filter(|conn| conn.first_frame == id) else {
            return false;
        };
        let (Some(from), Some(seg)) = (conn.side_of_port(port), plain.segment()) else { return false };
        if at >= conn.check_at || !conn.foresees(&seg, seen, from) {
            return false;
        }
        let brought = conn.take_foreseen(&seg, seen, from, &mut self.hellos);
        if conn.foreseen_wants_a_look(from, brought, at) {
            self.after_foreseen(slot, (from, seg.ttl), seen.mark, brought, out);
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

    /// Any other. Of its connection those that follow may be foreseen.
    #[inline(never)]
    fn handle_unforeseen(
        &mut self,
        plain: &Plain<'_>,
        seen: Seen,
        ordinal: u64,
        out: &mut Vec<Tracked>,
    ) -> bool {
        let Some(seg) = plain.segment() else { return false };
        if let Some(slot) = self.take_segment(&seg, seen, ordinal, out)
            && let Some(conn) = self.connection(slot).filter(|conn| conn.expects_more())
        {
            self.recent.note(plain, slot, conn.first_frame);
        }
        true
    }
}
