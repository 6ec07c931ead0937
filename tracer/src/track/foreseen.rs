//! Segments that were to be expected, found and taken by the octets of their frames: most are.
use super::rest::awake;
use super::{Found, Recent, Seen, Tracked, Tracker};
use crate::base::Side;
use crate::event::Mark;
use crate::wire::Plain;

impl Tracker {
    /// A plain frame's segment, if it was to be expected of the connection that was found for it. It is decoded here, where little
    /// of it is looked at more than once: in registers.
    #[inline(always)]
    pub fn take_foreseen(
        &mut self,
        plain: &Plain<'_>,
        Found { slot, id, from, .. }: Found,
        seen: Seen,
        out: &mut Vec<Tracked>,
    ) -> bool {
        self.advance(seen.mark.at, out);
        let (at, [port, _]) = (seen.mark.at, plain.ports());
        let Some(conn) = awake(&mut self.slots, slot).filter(|conn| conn.first_frame == id) else {
            return false;
        };
        // The sides may have changed places.
        let Some(seg) = plain.segment().filter(|_| conn.port_of(from) == port) else { return false };
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
        if let Some(slot) = self.take_segment(&seg, seen, ordinal, out)
            && let Some(conn) = self.connection(slot).filter(|conn| conn.expects_more())
            && let Some(from) = conn.side_of_port(seg.src.port)
        {
            recent.note(plain, Found { shard, from, slot, id: conn.first_frame });
        }
        true
    }
}
