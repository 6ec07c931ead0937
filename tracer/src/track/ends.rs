//! How connections end: by a goodbye, by what an end stopped trying, by silence; what is told of it then.
use super::connection::Connection;
use super::rest::awake;
use super::{ConnId, Ending, FlowKey, Tracked, Tracker, frameless, sockets};
use crate::base::{Side, Span, Timestamp};
use crate::event::{EndedBy, Facts, Mark};
use std::sync::Arc;

/// Places for facts to come that all trackers keep: about as many as end at a time where many come and go.
const ROOMS_MAX: usize = 1024;

impl Tracker {
    /// The input is over: what has ended is told; returns how many live.
    pub fn finish(&mut self, out: &mut Vec<Tracked>) -> u64 {
        self.tell_attempts(out);
        let awake = self.slots.iter().enumerate().filter_map(|(i, slot)| Some((i as u32, slot.awake()?)));
        let ended = awake
            .filter(|(_, conn)| !conn.told && is_over(conn))
            .map(|(slot, conn)| (conn.first_frame, slot));
        let mut ended: Vec<(ConnId, u32)> = ended.collect();
        ended.sort_unstable();
        for &(_, slot) in &ended {
            self.tell(slot, true, out);
        }
        self.count(|conn| !conn.told)
    }

    /// Memory of facts that nobody needs any more, for those to come: so many of `rooms`, or as many as find room here.
    pub fn take_rooms(&mut self, rooms: &mut impl Iterator<Item = Box<Facts>>, part: usize) {
        let own = ROOMS_MAX / self.config.shards.max(1);
        self.rooms.extend(rooms.take(part.min(own.saturating_sub(self.rooms.len()))));
    }

    pub(super) fn note_ending(&mut self, slot: u32, mark: Mark, out: &mut Vec<Tracked>) {
        let limits = self.config.limits;
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        conn.noted = true;
        out.push(Tracked::Ending(ending(conn, &self.sockets, mark)));
        let (at, by) = conn.ended.map_or((mark.at, EndedBy::GaveUp), |(at, by)| (at.max(mark.at), by));
        let linger = match by {
            _ if doubtful(conn) => limits.linger_doubtful,
            EndedBy::Goodbye => limits.linger_done,
            _ => limits.linger,
        };
        self.plan(slot, at + linger);
    }

    /// Looks at a connection whose time has come.
    pub(super) fn check(&mut self, slot: u32, now: Timestamp, out: &mut Vec<Tracked>) {
        let limits = self.config.limits;
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        conn.check_at = Timestamp(i64::MAX);
        if conn.told {
            // Called dead and silent since: forgotten once nobody could resume it.
            if now - conn.last().at > Span::secs(900) {
                self.remove(slot)
            } else {
                self.plan(slot, now + Span::secs(300))
            }
            return;
        }
        if let Some((at, by)) = conn.ended {
            if by == EndedBy::Goodbye && goodbye_lost(conn) {
                let Some((dead, silent, owed)) = conn.dead_at(&limits) else {
                    return self.tell(slot, false, out);
                };
                if dead > now {
                    return self.plan(slot, dead);
                }
                conn.ended = Some((dead, EndedBy::Silence(silent, owed)));
            } else if by == EndedBy::Goodbye {
                let told_at = at + if is_done(conn) { limits.linger_done } else { limits.linger };
                if told_at > now {
                    return self.plan(slot, told_at);
                }
            }
            return self.tell(slot, false, out);
        }
        if let Some(over) = conn.attempt_over_at(&limits) {
            if over <= now {
                let last_syn = conn.end(Side::Client).waiting.last_repeat.unwrap_or(conn.start());
                conn.ended = Some((last_syn.at, EndedBy::GaveUp));
                return self.note_ending(slot, last_syn, out);
            }
            return self.plan(slot, over);
        }
        if let Some((dead, silent, owed)) = conn.dead_at(&limits) {
            if dead <= now {
                conn.ended = Some((dead, EndedBy::Silence(silent, owed)));
                let mark = Mark { at: dead, frame: conn.last().frame };
                return self.note_ending(slot, mark, out);
            }
            self.plan(slot, dead);
        }
    }

    pub(super) fn tell(&mut self, slot: u32, input_ended: bool, out: &mut Vec<Tracked>) {
        let now = self.now;
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        let iface = self.config.iface_names.get(&conn.iface()).cloned();
        conn.told = true;
        let silent = match conn.ended {
            Some((_, EndedBy::Silence(..))) => true,
            // A goodbye into a hole may still be heard.
            Some((_, EndedBy::GaveUp)) => !conn.is_attempt(),
            _ => false,
        };
        let stays = silent && !input_ended;
        let mut facts = self.rooms.pop().unwrap_or_else(|| Box::new(Facts::nobodys()));
        conn.facts(&mut facts, input_ended, !stays, now, iface);
        if let Some(mut host) = self.sockets.facts(facts.client, facts.server, facts.start.at, facts.ended) {
            frameless::disown(&mut host, facts.handshake);
            facts.rtt = facts.rtt.or_else(|| frameless::rtt(&host));
            facts.vantage = frameless::vantage(&host);
            facts.host = Some(host);
            self.sockets.told(FlowKey::new(facts.client, facts.server), now);
        }
        out.push(Tracked::Closed(facts));
        if stays { self.plan(slot, now + Span::secs(300)) } else { self.remove(slot) }
    }
}

/// At the end of the input: it has ended, unless its goodbye was never heard.
pub(super) fn is_over(conn: &Connection) -> bool {
    conn.ended.is_some_and(|(_, by)| by != EndedBy::Goodbye || !goodbye_lost(conn))
}

/// Each end has said goodbye and has heard the other's: nothing but repeats can follow (RFC 9293, 3.6).
fn is_done(conn: &Connection) -> bool {
    Side::BOTH.iter().all(|&side| conn.end(side).facts.fin.is_some() && conn.end(side).facts.fin_answered)
}

/// A FIN that was repeated without an answer, and no RST beside it: the other end never heard it.
pub(super) fn goodbye_lost(conn: &Connection) -> bool {
    let unheard = |side: Side| {
        let facts = &conn.end(side).facts;
        facts.fin.is_some() && !facts.fin_answered && facts.fin_repeats > 0
    };
    let any_reset = Side::BOTH.iter().any(|&s| conn.end(s).facts.rst.is_some());
    let any_heard =
        Side::BOTH.iter().any(|&s| conn.end(s).facts.fin.is_some() && conn.end(s).facts.fin_answered);
    !any_reset && !any_heard && Side::BOTH.iter().any(|&s| unheard(s))
}

/// A reset that a filter or a stranger may have made: a bare answer in the middle of a live connection.
pub(super) fn doubtful(conn: &Connection) -> bool {
    Side::BOTH.iter().any(|&s| {
        let facts = &conn.end(s).facts;
        facts.fin.is_none()
            && conn.has_syn()
            && !conn.is_attempt()
            && facts.rst.is_some_and(|r| !r.has_ack && r.answers.is_some())
    })
}

/// Who said goodbye in this frame. A FIN that was not captured came before the one that acknowledges it.
pub(super) fn goodbye_at(conn: &Connection, mark: Mark) -> Option<Side> {
    let here = |&s: &Side| {
        let f = &conn.end(s).facts;
        f.fin.map(|m| m.frame) == Some(mark.frame) || f.rst.map(|r| r.mark.frame) == Some(mark.frame)
    };
    Side::BOTH.into_iter().filter(here).min_by_key(|&s| !conn.end(s).facts.fin_unseen)
}

pub(super) fn ending(conn: &Connection, sockets: &sockets::Sockets, mark: Mark) -> Ending {
    let (at, by) = conn.ended.unwrap_or((mark.at, EndedBy::GaveUp));
    let facts = conn.session_facts();
    let silent = match by {
        EndedBy::Silence(side, _) => Some(side),
        EndedBy::GaveUp => {
            let asks = Side::BOTH
                .into_iter()
                .find(|&s| conn.end(s).in_hole() || conn.end(s).unanswered(None).is_some());
            asks.map(Side::other)
        }
        _ => None,
    };
    let since = silent.and_then(|s| Some((s, conn.end(s.other()).unanswered(None)?.first.at)));
    let heard = conn.end(Side::Server).facts.last.map_or(conn.start().at, |m| m.at);
    Ending {
        id: conn.first_frame,
        mark: Mark { at, frame: mark.frame },
        by,
        goodbye: goodbye_at(conn, mark),
        refused: conn.is_attempt() && conn.end(Side::Server).facts.rst.is_some(),
        client: conn.client,
        server: conn.server,
        lost_at: if by == EndedBy::Goodbye { at } else { heard },
        silent: since,
        accepted: conn.accepted,
        syn: conn.has_syn(),
        process: sockets.dialler(FlowKey::new(conn.client, conn.server)),
        connect: facts.and_then(|f| f.connect.as_ref()).map(|c| Arc::clone(&c.1)),
        info: facts.and_then(|f| f.info.as_ref()).map(|i| Arc::clone(&i.1)),
        connect_urls: facts.and_then(|f| f.connect_urls.clone()),
    }
}
