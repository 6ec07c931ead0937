//! A server's log: which lines are about a connection, and what the server itself did then.
use super::{ByPeer, PER_PEER_MAX, SKEW, Word, is_number};
use crate::base::{Endpoint, Span, Timestamp};
use crate::event::{Close, Facts, Handshake, Kind, Party, ServerReason};
use crate::nats::server_log::{Happened, LogLine, LogSays, LogTime, ServerEvent, nearest_zone};
use std::collections::{BTreeMap, VecDeque};

/// Events of the server that are kept at most.
const EVENTS_MAX: usize = 1024;
/// No zone is further from UTC.
const ZONE_MAX: Span = Span::secs(14 * 3600);
/// Endpoints and ids of the server that are remembered.
const NAMES_MAX: usize = 64;
/// A stop closes its connections within this time.
const STOP: Span = Span::secs(15);
/// A crashed server is started again within this time.
const RESTART: Span = Span::secs(600);

/// What a line says of a connection.
struct Said {
    at: Option<LogTime>,
    id: u64,
    what: Happened,
}

/// One log.
#[derive(Default)]
pub(super) struct Log {
    connections: ByPeer<Said>,
    events: VecDeque<(Option<LogTime>, ServerEvent)>,
    /// How many connections fit with each difference of the log's clock from UTC, in nanoseconds.
    zones: BTreeMap<i64, u32>,
    /// The first time in it.
    first: Option<Timestamp>,
    ids: VecDeque<String>,
    ports: Vec<u16>,
    /// Where connections fitted.
    joined: VecDeque<Endpoint>,
    /// All servers that were seen.
    seen: VecDeque<Endpoint>,
}

impl Log {
    pub fn note(&mut self, line: &LogLine) {
        if self.first.is_none() {
            self.first = line.at.map(|at| at.wall);
        }
        match &line.says {
            LogSays::Connection { peer, id, what, .. } => {
                self.connections.add(*peer, Said { at: line.at, id: *id, what: what.clone() });
            }
            LogSays::Server(event) => {
                match event {
                    ServerEvent::Id(id) => {
                        remember(&mut self.ids, id.clone());
                    }
                    ServerEvent::Listening(port)
                        if !self.ports.contains(port) && self.ports.len() < NAMES_MAX =>
                    {
                        self.ports.push(*port);
                    }
                    _ => {}
                }
                if self.events.len() >= EVENTS_MAX {
                    self.events.pop_front();
                }
                self.events.push_back((line.at, event.clone()));
            }
        }
    }

    /// Tells what it says of a connection.
    pub fn tell(&mut self, facts: &Facts, close: &Close, word: &mut Word) {
        if !self.seen.contains(&facts.server) {
            remember(&mut self.seen, facts.server);
        }
        self.learn_zone(facts, close);
        if let Some((reason, further)) = self.own(facts, close) {
            if !self.joined.contains(&facts.server) {
                remember(&mut self.joined, facts.server);
            }
            let at = reason.at;
            word.take(reason);
            further.into_iter().for_each(|text| word.add(at, text));
        }
        if self.is_of(facts) {
            self.around(close, word);
        }
    }

    /// Where a line about this connection fits with a whole zone, that zone gets a vote.
    fn learn_zone(&mut self, facts: &Facts, close: &Close) {
        let fits = |said: &Said| {
            let at = said.at.filter(|at| !at.utc)?;
            let against = match said.what {
                Happened::Created if facts.handshake == Handshake::Midstream => return None,
                Happened::Created => facts.start.at,
                Happened::Closed(_) | Happened::Failed(..) => close.at,
            };
            let difference = at.wall - against;
            let zone = nearest_zone(difference);
            let off = Span((difference.0.saturating_sub(zone.0)).abs());
            (off <= SKEW && zone >= Span(-ZONE_MAX.0) && zone <= ZONE_MAX && is_number(facts, said.id))
                .then_some(zone)
        };
        if let Some(zone) = self.connections.of(facts.client).rev().take(PER_PEER_MAX).find_map(fits) {
            *self.zones.entry(zone.0).or_default() += 1;
        }
    }

    /// How far the log's clock is ahead of UTC: what most connections say; of equals, the nearest to none.
    fn zone(&self) -> Span {
        let best = self.zones.iter().max_by_key(|(zone, votes)| (**votes, -zone.abs()));
        Span(best.map_or(0, |(zone, _)| *zone))
    }

    fn utc(&self, at: LogTime) -> Timestamp {
        if at.utc { at.wall } else { at.wall - self.zone() }
    }

    /// The reason in its lines about this connection, and what else they say.
    fn own(&self, facts: &Facts, close: &Close) -> Option<(ServerReason, Option<String>)> {
        let (from, until) = (facts.start.at - SKEW, close.at.max(facts.ended) + SKEW);
        let ours = |said: &&Said| {
            said.what != Happened::Created
                && is_number(facts, said.id)
                && said.at.is_none_or(|at| (from..=until).contains(&self.utc(at)))
        };
        let mut closed = None;
        let mut failed = None;
        for said in self.connections.of(facts.client).filter(ours) {
            match said.what {
                Happened::Closed(_) => closed = Some(said),
                _ => failed = Some(said),
            }
        }
        let said = closed.or(failed)?;
        let further = match (closed, failed.map(|f| &f.what)) {
            (Some(_), Some(Happened::Failed(_, words))) => Some(format!("the server's log says '{words}'")),
            _ => None,
        };
        let (text, words) = match &said.what {
            Happened::Closed(reason) => (reason.clone(), format!("connection closed: {reason}")),
            Happened::Failed(reason, words) => ((*reason).to_owned(), words.clone()),
            Happened::Created => return None,
        };
        let stands =
            format!("the server's log says '{words}' of connection {}{}", said.id, self.clock(said.at));
        Some((ServerReason { at: said.at.map(|at| self.utc(at)), text, stands }, further))
    }

    /// What the log's clock shows beside UTC.
    fn clock(&self, at: Option<LogTime>) -> String {
        let zone = self.zone();
        match at {
            Some(at) if !at.utc && zone != Span::ZERO => {
                let way = if zone < Span::ZERO { "behind" } else { "ahead of" };
                format!(" (its clock is {} {way} UTC)", Span(zone.0.abs()))
            }
            _ => String::new(),
        }
    }

    /// Whether this is the log of the server of that connection.
    fn is_of(&self, facts: &Facts) -> bool {
        let id =
            facts.nats.info.as_ref().map(|(_, info)| info.server_id.as_str()).filter(|id| !id.is_empty());
        match id {
            Some(id) if !self.ids.is_empty() => self.ids.iter().any(|known| known == id),
            _ if !self.joined.is_empty() => self.joined.contains(&facts.server),
            _ if !self.ports.is_empty() => self.ports.contains(&facts.server.port),
            // Nothing says whose log it is: that of the only server there is.
            _ => self.seen.len() == 1,
        }
    }

    /// What the server did around a close.
    fn around(&self, close: &Close, word: &mut Word) {
        let by_server = close.side == Party::Server && matches!(close.kind, Kind::Fin | Kind::Rst);
        let timed: Vec<(Timestamp, LogTime, &ServerEvent)> =
            self.events.iter().filter_map(|(at, event)| at.map(|at| (self.utc(at), at, event))).collect();
        if by_server && let Some(reason) = self.stop(&timed, close.at) {
            word.take(reason);
        }
        for (at, wall, event) in &timed {
            let before = close.at - *at;
            let text = match event {
                ServerEvent::Reloaded if by_server && before > Span::secs(-1) && before < Span::secs(3) => {
                    "the server's log says 'Reloaded server configuration' right before the end".to_owned()
                }
                ServerEvent::CantAccept(words) if before > Span::secs(-5) && before < Span::secs(10) => {
                    format!("the server's log says '{words}'")
                }
                _ => continue,
            };
            word.add(Some(*at), text + &self.clock(Some(*wall)));
        }
    }

    /// The server's own end, if the connection went with it.
    fn stop(&self, timed: &[(Timestamp, LogTime, &ServerEvent)], end: Timestamp) -> Option<ServerReason> {
        const SOON: Span = Span::secs(2);
        let said = |text: &str, at: Timestamp, wall: LogTime, words: &str| {
            let stands = format!("the server's log says '{words}'{}", self.clock(Some(wall)));
            Some(ServerReason { at: Some(at), text: text.to_owned(), stands })
        };
        let mut leaving = None;
        let mut signal = None;
        let mut stopped = None;
        for &(at, wall, event) in timed {
            match event {
                ServerEvent::Trapped(name) => signal = Some((at, name)),
                ServerEvent::LameDuck if at <= end + SOON => leaving = Some((at, wall)),
                ServerEvent::Starting if at <= end => (leaving, stopped) = (None, None),
                ServerEvent::Starting if stopped.is_none() && leaving.is_none() && at - end < RESTART => {
                    // Only a log that began before can lack a stop.
                    let began = self.first.map(|first| first - (wall.wall - at))?;
                    let words =
                        "Starting nats-server' and no 'Initiating Shutdown...' before it, after the end";
                    return if began < end - SOON {
                        said("started without a shutdown before", at, wall, words)
                    } else {
                        None
                    };
                }
                ServerEvent::Starting => break,
                ServerEvent::Stopping => {
                    if let Some((from, wall)) = leaving.filter(|_| end <= at + SOON) {
                        return said(
                            "Lame Duck Mode",
                            from,
                            wall,
                            "Entering lame duck mode, stop accepting new clients",
                        );
                    }
                    if end >= at - SOON && end <= at + STOP {
                        let by = signal.filter(|(s, _)| at - *s < SOON);
                        let by = by
                            .map_or(String::new(), |(_, name)| format!("Trapped \"{name}\" signal', then '"));
                        return said("Server Shutdown", at, wall, &format!("{by}Initiating Shutdown..."));
                    }
                    stopped = Some(at);
                }
                _ => {}
            }
        }
        let (from, wall) = leaving?;
        said("Lame Duck Mode", from, wall, "Entering lame duck mode, stop accepting new clients")
    }
}

fn remember<T>(names: &mut VecDeque<T>, name: T) {
    if names.len() >= NAMES_MAX {
        names.pop_front();
    }
    names.push_back(name);
}

#[cfg(test)]
impl Log {
    /// What it holds.
    pub fn size(&self) -> usize {
        self.connections.order.len() + self.events.len() + self.ids.len()
    }
}
