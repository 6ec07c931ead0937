//! What could not be read or was not captured, and what therefore nobody may conclude from its absence.
use super::Case;
use crate::base::{Side, Span};
use crate::event::{Handshake, Kind, Mark, Owed};
use crate::nats::CUT;

/// The most a rule says that rests on no reason having been given, where one may have been: too little to name a cause.
const UNREAD: f64 = 0.25;

impl Case<'_> {
    /// Whoever closed may have been told why, or may have said it, and nobody can read it: right before the end the server (on
    /// a link either end) said something long enough that was cut off or not captured, or observation began only then.
    #[must_use]
    pub fn reason_unread(&self) -> bool {
        /// Octets of the shortest reason, `-ERR 'Parser Error'` with its line end. Three PONGs are less.
        const SHORTEST: u32 = 21;
        let facts = self.facts;
        if self.is_told() || !matches!(self.close.kind, Kind::Fin | Kind::Rst) || facts.frameless() {
            return false;
        }
        let end = self.ended_at();
        let within = |m: Mark, span: Span| end - m.at < span;
        let late = || facts.handshake == Handshake::Midstream && within(facts.start, Span::millis(100));
        let cut = |side: Side| {
            let unseen = facts.nats.unseen[side];
            let last = unseen.last.is_some_and(|m| within(m, Span::millis(250)));
            unseen.hole || unseen.last_octets >= SHORTEST && last
        };
        let cut_error =
            || facts.nats.errors.iter().any(|e| within(e.mark, Span::secs(1)) && e.text.ends_with(CUT));
        // A server that closes right after the handshake does so upon what the client said.
        let upon = || {
            self.closed_by() == Some(Side::Server)
                && facts.handshake == Handshake::Complete
                && self.age() < Span::secs(1)
                && self.around.server_closed_others == 0
                && facts.nats.unseen.client.octets > 0
        };
        late() || upon() || cut_error() || cut(Side::Server) || self.is_server_link() && cut(Side::Client)
    }

    /// How sure a rule may be that rests on no reason having been given.
    #[must_use]
    pub fn if_none_was_said(&self, confidence: f64) -> f64 {
        if self.reason_unread() { confidence.min(UNREAD) } else { confidence }
    }

    /// Nothing of that end was captured, though it took part: what it did shows in the other one's segments alone.
    #[must_use]
    pub fn never_captured(&self, side: Side) -> bool {
        !self.facts.frameless()
            && self.facts.tcp[side].packets == 0
            && matches!(
                self.facts.handshake,
                Handshake::Complete | Handshake::Midstream | Handshake::Incomplete
            )
    }

    /// An attempt that was not repeated, though TCP repeats a SYN after a second: its client gave up sooner, or the answer was
    /// not captured, as nothing of this server was. Silence is not shown.
    #[must_use]
    pub fn asked_once(&self) -> bool {
        self.around.server_unheard
            || !self.facts.frameless()
                && self.facts.tcp.client.unanswered.is_some_and(|u| u.owed == Owed::Syn && u.repeats == 0)
    }

    /// The client's FIN was acknowledged and not answered by the server's own, which a server that reads sends at once: its
    /// process hangs, and no PING was read that would say since when.
    #[must_use]
    pub fn left_unanswered(&self) -> bool {
        // As long as Linux holds an acknowledgement back for octets to go with; a FIN that is read is answered with it.
        let patience = Span::millis(40);
        let tcp = &self.facts.tcp;
        self.close.detail == Some("half_closed")
            && self.around.seen_until - self.ended_at() > patience
            && tcp.client.retransmits + tcp.server.retransmits == 0
            && !self.facts.frameless()
            && !self.heard_whole(Side::Server)
    }

    /// The server let go of several clients about one a second, as in lame duck mode, and the INFO that would have announced it
    /// may be what was not captured. A stop closes all within milliseconds.
    #[must_use]
    pub fn left_one_by_one(&self) -> bool {
        let (facts, around) = (self.facts, self.around);
        let midstream = facts.handshake == Handshake::Midstream;
        self.ended_by(Side::Server)
            && self.close.kind == Kind::Fin
            && around.server_closed_others > 0
            && around.server_closed_spread > Span::millis(400)
            && (midstream || facts.nats.unseen.server.octets > 0 && self.age() > Span::secs(1))
            && !self.reason_unread()
            && !self.never_accepted()
    }
}
