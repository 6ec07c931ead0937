//! Header prediction, after Van Jacobson (RFC 1323, 4.2.1; tcp_input of 4.3BSD): of a transfer without trouble nearly every
//! segment is the next in order, acknowledges what is under way and says nothing else. Such a segment changes a dozen figures.
//! Whatever is not foreseen goes the general way, `Connection::handle_any`, which would do the same with these.
use super::{Connection, Opening, Outcome, Seen};
use crate::base::{PerSide, Side, Span};
use crate::event::Mark;
use crate::nats::Hellos;
use crate::track::endpoint::{CROSSING, End, Twin};
use crate::track::session::Place;
use crate::wire::{Flags, Options, Plain, Segment};

/// A silence that is longer may be an idle limit's.
const SILENCE: Span = Span::secs(10);
/// More than timestamps (RFC 7323) take: there may be a SACK.
const OPTIONS_MAX: usize = 12;

/// What became of a segment that may have been expected.
pub enum Expected {
    /// It was not, and is not taken in.
    No,
    /// All is done.
    Quiet,
    /// Others want to know what it brought, or it calls for a look later.
    Telling {
        /// Its sender answered something.
        answered: bool,
        /// The session has news.
        news: bool,
    },
}

impl Connection {
    /// Takes in a plain frame's segment, if it comes from that side and was to be expected. Apart from who reads frames, and decoded
    /// here, where little of it is looked at more than once: so all that is worked on stays in registers.
    #[inline(never)]
    pub fn expect(
        &mut self,
        plain: &[u8],
        from: Side,
        mark: Mark,
        place: (u32, u32),
        hellos: &mut Hellos,
    ) -> Expected {
        let (Some(seg), seen) = (Plain::segment_in(plain), Seen { mark, place }) else { return Expected::No };
        // The sides may have changed places since they were noted.
        if self.port_of(from) != seg.src.port || mark.at >= self.check_at || !self.foresees(&seg, seen, from)
        {
            return Expected::No;
        }
        let (answered, news) = self.take_foreseen(&seg, seen, from, hellos);
        if news || self.looks_due(from, answered, mark.at) {
            Expected::Telling { answered, news }
        } else {
            Expected::Quiet
        }
    }

    /// Whether nothing is going on at either end that an ordinary segment could change: asked behind each segment that went the
    /// general way.
    pub(super) fn is_smooth(&self) -> bool {
        matches!(self.opening, Opening::Done | Opening::Midstream)
            && self.ended.is_none()
            && self.ends.client.is_smooth()
            && self.ends.server.is_smooth()
    }

    /// Whether this is the segment that was to be expected.
    #[inline(always)]
    pub(super) fn foresees(&self, seg: &Segment<'_>, seen: Seen, from: Side) -> bool {
        let (end, peer) = (&self.ends[from], &self.ends[from.other()]);
        let at = seen.mark.at;
        // One that goes back is as long as none may be.
        let gap = at.0.wrapping_sub(self.last.at.0) as u64;
        self.smooth
            && self.ended.is_none()
            && seg.flags.0 & !Flags::PSH.0 == Flags::ACK.0
            && seg.options.len() <= OPTIONS_MAX
            && seg.window > 0
            && seg.seq == end.snd_nxt
            // Both streams are started and nothing is held of them, where it is smooth.
            && if seg.payload_len > 0 {
                seg.seq == end.stream.next()
            } else {
                // A second sighting has the same numbers; of what has octets the first would have been what is next.
                seg.seq != end.snd_una.sub(1) && (end.twin.seq != seg.seq || end.twin.ack != seg.ack)
            }
            && gap <= SILENCE.0 as u64
            && !seg.ack.after(peer.snd_nxt)
            && (seg.ack.after(peer.snd_una)
                || seg.ack == peer.snd_una
                    && peer.inflight.oldest_at().is_none_or(|sent| at - sent <= CROSSING))
            && !seg.ack.after(peer.stream.next())
    }

    /// Takes in a segment that was foreseen; whether its sender answered something, and whether the session has news.
    #[inline(always)]
    pub(super) fn take_foreseen(
        &mut self,
        seg: &Segment<'_>,
        seen: Seen,
        from: Side,
        hellos: &mut Hellos,
    ) -> (bool, bool) {
        let (mark, len) = (seen.mark, seg.payload_len);
        self.last = mark;
        let (end, peer) = both(&mut self.ends, from);
        end.twin = Twin::of(seg, seen, &Options::NONE);
        end.facts.packets += 1;
        end.facts.last = Some(mark);
        end.facts.ttl = Some(seg.ttl);
        end.ip_id = seg.ip_id.or(Some(0));
        let answered = seg.ack.after(peer.snd_una);
        let mut rtt = None;
        if answered {
            end.facts.last_progress = Some(mark);
            peer.snd_una = seg.ack;
            rtt = peer.inflight.acked(seg.ack, mark.at);
        }
        let mut news = false;
        if len > 0 {
            // It is no earlier than any frame so far.
            let quiet = mark.at.0.wrapping_sub(self.payload_at.0) as u64;
            if quiet > self.quiet_lived_through.0 as u64 {
                self.quiet_lived_through = self.quiet_lived_through.max(mark.at - self.payload_at);
            }
            self.payload_at = mark.at;
            end.facts.last_data = Some(mark);
            if len > end.facts.largest_segment {
                end.facts.largest_segment = len;
            }
            end.facts.bytes += u64::from(len);
            end.sent_next(len, mark);
            end.stream.pass(len);
            let place = Place { mark, end: end.snd_nxt, una: end.snd_una };
            let opening = self.opening;
            let session = self.session.get_or_insert_with(|| Self::begin_session(opening, &mut self.room));
            if !seg.payload.is_empty() {
                session.bytes(from, seg.payload, place, hellos);
            }
            // What the snap length cut off never comes.
            let cut = u64::from(len).saturating_sub(seg.payload.len() as u64);
            if cut > 0 {
                session.gap(from, cut, place, hellos);
            }
            news = session.has_news();
        }
        if answered {
            self.answered(rtt, mark.at);
        }
        (answered, news)
    }

    /// As [`Connection::take_foreseen`] tells it, with the news.
    #[inline]
    pub(in crate::track) fn outcome(&mut self, (answered, news): (bool, bool)) -> Outcome {
        let mut outcome = Outcome { answered, ..Outcome::default() };
        if news {
            self.collect_news(&mut outcome);
        }
        outcome
    }
}

/// The end of a side and its peer's.
#[inline(always)]
fn both(ends: &mut PerSide<End>, side: Side) -> (&mut End, &mut End) {
    match side {
        Side::Client => (&mut ends.client, &mut ends.server),
        Side::Server => (&mut ends.server, &mut ends.client),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint, Seq, Timestamp};
    use crate::event::FrameRef;
    use proptest::prelude::*;

    const SAID: [&[u8]; 6] = [
        b"PUB a 2\r\nhi\r\n",
        b"PUB b _R.1 5\r\nhel",
        b"lo\r\nPING\r\n",
        b"MSG a 1 2\r\nho\r\nMSG a 1 3\r\n",
        b"INFO {\"server_id\":\"N\",\"client_id\":7} \r\n",
        b"CONNECT {\"lang\":\"go\"}\r\nPONG\r\n",
    ];
    const SACK: [u8; 20] = [1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7, 1, 1, 5, 10, 0, 0, 0, 50];

    /// What one step does: of which side, which of the kinds below, after how many milliseconds, by how much.
    type Step = (bool, u8, i64, u8);

    /// Both ends as they would talk, and who else meddles.
    struct World {
        at: Timestamp,
        number: u64,
        next: PerSide<Seq>,
        shown: Option<(Side, Segment<'static>)>,
    }

    impl World {
        fn segment(&mut self, &(from_client, kind, ms, n): &Step) -> (Side, Segment<'static>, Seen) {
            let from = if from_client { Side::Client } else { Side::Server };
            let ends = [50_000, 4222].map(|port| Endpoint { addr: Addr::v4([10, 0, 0, 7]), port });
            let (src, dst) = if from_client { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
            let payload = SAID[usize::from(n) % SAID.len()];
            self.number += 1;
            self.at = self.at + Span::millis(ms);
            let mut seg = Segment {
                src,
                dst,
                ttl: 64,
                ip_id: Some(self.number as u16),
                seq: self.next[from],
                ack: self.next[from.other()],
                flags: Flags(0x18),
                window: 500,
                options: &SACK[..12],
                payload,
                payload_len: payload.len() as u32,
                tunnel: false,
            };
            let nothing = |seg: &mut Segment<'static>| (seg.payload, seg.payload_len) = (b"", 0);
            let back = u32::from(n);
            match kind {
                20 => nothing(&mut seg),
                21 => seg.seq = seg.seq.sub(back),
                22 => seg.seq = seg.seq.add(back),
                23 => seg.window = u16::from(n % 2),
                24 => {
                    nothing(&mut seg);
                    seg.seq = seg.seq.sub(1);
                }
                25 => seg.flags = Flags(0x11),
                26 => seg.flags = Flags([0x04, 0x14, 0x02, 0x12, 0x38][usize::from(n) % 5]),
                27 => seg.options = &SACK,
                28 => seg.ack = seg.ack.sub(back),
                29 => seg.ack = seg.ack.add(back),
                30 => seg.payload = payload.get(..payload.len() / 2).unwrap_or(payload),
                31 => seg.ttl = n,
                _ => {}
            }
            let (from, seg) = self.shown.filter(|_| kind == 32).unwrap_or((from, seg));
            self.shown = Some((from, seg));
            let until =
                seg.seq.add(seg.payload_len + u32::from(seg.flags.syn()) + u32::from(seg.flags.fin()));
            // Of what comes early the beginning is repeated later.
            self.next[from] = if kind == 22 { self.next[from] } else { self.next[from].max(until) };
            let frame = FrameRef::new(0, self.number);
            (from, seg, Seen { mark: Mark { at: self.at, frame }, place: (0, u32::from(kind == 32)) })
        }
    }

    /// Plays steps behind a handshake. `ever`: prediction is on; gives what was told at each step, what is known at last, and how
    /// many segments were foreseen.
    fn play(steps: &[Step], ever: bool) -> (Vec<String>, usize) {
        let mut world = World {
            at: Timestamp(1_795_348_994_000_000_000),
            number: 0,
            next: PerSide { client: Seq(u32::MAX - 60), server: Seq(9_000) },
            shown: None,
        };
        let mut hellos = Hellos::default();
        let (mut conn, mut told, mut foreseen): (Option<Connection>, _, _) = (None, Vec::new(), 0);
        let opening: [Step; 3] = [(true, 26, 1, 2), (false, 26, 1, 3), (true, 20, 1, 0)];
        for step in opening.iter().chain(steps) {
            let (from, mut seg, seen) = world.segment(step);
            if seg.flags.syn() {
                (seg.payload, seg.payload_len) = (b"", 0);
                world.next[from] = seg.seq.add(1);
            }
            let conn = conn.get_or_insert_with(|| Connection::new(&seg, seen, 1, from, true));
            conn.smooth &= ever;
            foreseen += usize::from(conn.foresees(&seg, seen, from));
            told.push(format!("{:?}", conn.handle_segment(&seg, seen, from, &mut hellos)));
        }
        if let Some(mut conn) = conn {
            conn.smooth = false;
            told.push(format!("{:?}", crate::track::rest::written(&conn)));
            let mut facts = crate::event::Facts::nobodys();
            conn.facts(&mut facts, true, true, world.at, None);
            told.push(format!("{facts:?}"));
        }
        (told, foreseen)
    }

    proptest! {
        #[test]
        fn a_foreseen_segment_does_what_any_other_does(
            steps in proptest::collection::vec(
                (any::<bool>(), 0u8..33, prop_oneof![4 => 0i64..3, 1 => Just(400), 1 => Just(11_000), 1 => Just(-1)], 0u8..60), 0..60),
        ) {
            let ((predicted, _), (general, none)) = (play(&steps, true), play(&steps, false));
            prop_assert_eq!(predicted, general);
            prop_assert_eq!(none, 0);
        }
    }

    #[test]
    fn of_an_ordinary_transfer_all_is_foreseen() {
        let steps: Vec<Step> =
            (0..100).map(|n| (n % 2 == 0, if n % 5 == 0 { 20 } else { 0 }, 1, n)).collect();
        let (told, foreseen) = play(&steps, true);
        assert!(foreseen > 95, "{foreseen} of 100");
        assert_eq!(told, play(&steps, false).0);
    }
}
