//! What the trackers told, taken in: by those who watch what spans connections, and as notices.
use super::counts::Client;
use super::{ANSWERED, Emit, Judge, QUESTIONS_MAX, ROOMS_MAX, SERVER_ANSWERED, SPARE_MAX};
use crate::base::{Addr, Endpoint, Timestamp};
use crate::cause::Settings;
use crate::event::{Event, Facts, Mark, Notice, NoticeCode};
use crate::nats::Info;
use crate::track::{ClosedWindow, GivenUp, Restart, Tracked, questions};

impl Judge {
    /// Takes in what the tracker told, in order, and takes the facts of what is closed; the rest stays as it is.
    pub(super) fn digest<'a>(
        &mut self,
        tracked: impl Iterator<Item = &'a mut Tracked>,
        emit: &mut impl Emit,
    ) {
        let mut came_back: Vec<Addr> = Vec::new();
        for item in tracked {
            // What waits may be another now; whatever else is told is looked at when that is asked for again.
            if matches!(item, Tracked::Closed(_) | Tracked::GivenUp(_) | Tracked::Resumed { .. }) {
                self.next_look = Timestamp(i64::MIN);
            }
            // Asked before the neighbours know of it.
            let restart = match item {
                Tracked::Greeted { .. } => self.neighbours.restarted(item),
                _ => None,
            };
            self.take_in(item);
            let notice = match *item {
                Tracked::Opened { id, mark, client, server, syn, .. } => {
                    self.flows.insert(id, self.next_flow);
                    self.next_flow += 1;
                    self.summary.seen += 1;
                    let (neighbours, clients) = (&self.neighbours, &self.clients);
                    let asked = syn && !self.selection.quiet;
                    asked.then(|| self.storms.note(mark, client, server, neighbours, clients)).flatten()
                }
                Tracked::Answered { .. } | Tracked::Waited { .. } | Tracked::Ending(_) => None,
                Tracked::Closed(_) => {
                    if let Tracked::Closed(facts) = taken(item) {
                        self.closed(facts);
                    }
                    None
                }
                Tracked::GivenUp(_) => {
                    if let Tracked::GivenUp(attempt) = taken(item) {
                        self.given_up(attempt);
                    }
                    None
                }
                Tracked::Accepted { client, .. } => {
                    if !self.lost.is_empty() {
                        came_back.push(client.addr);
                    }
                    None
                }
                Tracked::Greeted { .. } if restart.is_none() => None,
                _ => self.notice(item, restart),
            };
            if let Some(notice) = notice {
                emit.event(Event::Notice(notice));
            }
            if self.clients.forgotten() > self.clients_forgotten {
                self.clients_forgotten = self.clients.forgotten();
                self.clients_notice().into_iter().for_each(|notice| {
                    emit.event(Event::Notice(notice));
                });
            }
        }
        for addr in came_back {
            self.next_look = Timestamp(i64::MIN);
            self.tell_reconnects(Some(addr), emit);
        }
    }

    /// Tells those who watch what spans connections.
    #[inline(always)]
    fn take_in(&mut self, item: &Tracked) {
        self.legs.note(item, self.next_flow);
        // What a NAT shows a second time is no neighbour and no client of its own.
        if self.legs.echo_of(item.id()).is_none() {
            self.neighbours.note(item);
            self.clients.note(item);
            // Whom nobody reads of needs no words about how late others were answered.
            if !self.selection.quiet {
                self.latencies.note(item);
            }
        }
    }

    /// An attempt that was one SYN is over. Facts are made of it unless there are so many that it is only counted.
    fn given_up(&mut self, attempt: GivenUp) {
        let (id, client, server) = (attempt.id(), attempt.client().addr, attempt.server());
        let floods = self.floods(id, Client(client, ""), (server, attempt.at()));
        // One that is only counted is remembered by nobody; its client may have wanted to know what came of it.
        if floods {
            self.clients.unanswered(id, client);
        } else {
            self.take_in(&Tracked::Ending(attempt.ending()));
        }
        // Of the facts of one that is only counted the neighbours learn something where both ends are on one host.
        if floods && !attempt.is_within_a_host() {
            return;
        }
        let closed = Tracked::Closed(attempt.facts(self.rooms.pop()));
        self.take_in(&closed);
        match closed {
            Tracked::Closed(facts) if floods => self.keep_room(facts),
            Tracked::Closed(facts) => self.wait(facts),
            _ => {}
        }
    }

    /// A connection is over. Its close waits, unless there are so many like it that it is only counted.
    fn closed(&mut self, facts: Box<Facts>) {
        if self.is_too_many(&facts) {
            self.clients.settled(facts.first_frame, facts.client.addr);
            return self.keep_room(facts);
        }
        self.wait(facts);
    }

    /// A close waits for what follows it.
    fn wait(&mut self, facts: Box<Facts>) {
        let mut since = facts.ended;
        let asked = questions(&facts);
        if !asked.is_empty() && self.questions.len() < QUESTIONS_MAX {
            self.questions.extend(asked);
            since = since.max(self.now) + ANSWERED - self.config.settle;
        }
        let unasked = since;
        if let Some(asks) = &mut self.asks_server {
            *asks = true;
            since = since.max(self.now + SERVER_ANSWERED - self.config.settle);
        }
        if let Some(room) = self.waiting.push(facts, since, unasked) {
            self.keep_room(room);
        }
    }

    /// The memory of facts that are not needed is kept for others, as much as is told at a time in a flood.
    fn keep_room(&mut self, room: Box<Facts>) {
        if self.rooms.len() < ROOMS_MAX {
            self.rooms.push(room);
        }
    }

    /// Facts of closes that are told: their memory is for others.
    pub fn reuse(&mut self, told: impl Iterator<Item = Box<Facts>>) {
        told.for_each(|facts| self.is_judged(facts));
    }

    /// Nobody needs these facts any more. Their memory is for the next that are judged, or for others if there is enough.
    pub(super) fn is_judged(&mut self, facts: Box<Facts>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(facts);
        } else {
            self.keep_room(facts);
        }
    }

    /// What is worth an event by itself.
    #[inline(never)]
    fn notice(&mut self, item: &Tracked, restart: Option<Restart>) -> Option<Notice> {
        Some(match *item {
            Tracked::Evicted { id, mark } => {
                self.summary.evicted += 1;
                let (flow, evicted) = (self.flows.remove(id), self.summary.evicted);
                if !evicted.is_power_of_two() {
                    return None;
                }
                let message = format!(
                    "the table of connections is full: {evicted} forgotten so far; raise --max-connections"
                );
                Notice { flow, ..Notice::new(mark.at, NoticeCode::Evicted, message) }
            }
            Tracked::LameDuck { id, mark, server } => {
                let message =
                    format!("server {server} announced lame duck mode: it will close its clients one by one");
                let notice = Notice::new(mark.at, NoticeCode::LameDuckAnnounced, message);
                Notice { flow: self.flows.get(id), server: Some(server), ..notice }
            }
            Tracked::SlowConsumerBuilding { id, mark, client, server, window } => {
                let message = self.not_reading(client, mark, window);
                let notice = Notice::new(mark.at, NoticeCode::SlowConsumerBuilding, message);
                Notice { flow: self.flows.get(id), client: Some(client), server: Some(server), ..notice }
            }
            Tracked::Greeted { mark, server, ref info, .. } => {
                let message = another_server(server, info, &restart?, mark.at);
                let notice = Notice::new(mark.at, NoticeCode::ServerRestarted, message);
                Notice { server: Some(server), ..notice }
            }
            // One that was not written yet is taken back: there was no close.
            Tracked::Resumed { id, mark } if !self.waiting.take_back(id) => {
                let message = "a connection that was called dead spoke again".to_owned();
                let notice = Notice::new(mark.at, NoticeCode::ConnectionResumed, message);
                Notice { flow: self.flows.get(id), ..notice }
            }
            _ => return None,
        })
    }

    /// What became of so many lost clients had to be forgotten; told each time that these are twice as many.
    fn clients_notice(&self) -> Option<Notice> {
        let forgotten = self.clients_forgotten;
        let message = format!(
            "too many clients lost their connections: what {forgotten} of them did since is forgotten"
        );
        forgotten.is_power_of_two().then(|| Notice::new(self.now, NoticeCode::Evicted, message))
    }

    /// What a window that stays closed says, with its figures.
    fn not_reading(&self, client: Endpoint, mark: Mark, window: ClosedWindow) -> String {
        let Settings { write_deadline, told, .. } = self.config.settings;
        let mut message = format!(
            "{client} has not read for {}: its receive window is closed since {}",
            mark.at - window.since.at,
            window.since.at
        );
        match window.probes {
            0 => {}
            1 => message.push_str(", the server probed it once"),
            n => message.push_str(&format!(", the server probed it {n} times")),
        }
        if window.waiting > 0 {
            message.push_str(&format!(", {} bytes sent to it are not acknowledged", window.waiting));
        }
        let told = if told { "" } else { " by default" };
        let passed = if mark.at - window.since.at < write_deadline {
            "drops it"
        } else {
            "may have dropped it already"
        };
        let pending = self.config.settings.max_pending_words();
        message.push_str(&format!(
            "; past write_deadline ({write_deadline}{told}), or with more than max_pending ({pending}{told}) waiting in its memory, the \
             server {passed}"
        ));
        message
    }
}

/// What was told, of which nothing is left in its place.
fn taken(item: &mut Tracked) -> Tracked {
    let id = item.id();
    std::mem::replace(item, Tracked::Revived { id })
}

/// Who answers at an endpoint now, who did before, and how long nobody was heard.
fn another_server(server: Endpoint, now: &Info, restart: &Restart, at: Timestamp) -> String {
    let who = |info: &Info| {
        let words = [info.server_id.as_str(), info.server_name.as_str(), info.version.as_str()];
        words.into_iter().filter(|w| !w.is_empty() && w.len() <= 128).collect::<Vec<_>>().join(" ")
    };
    let mut message =
        format!("{server} is another server than before: {} now, {} then", who(now), who(&restart.before));
    if let Some(heard) = restart.heard {
        message.push_str(&format!("; the old one was last heard {} before", at - heard));
    }
    message
}
