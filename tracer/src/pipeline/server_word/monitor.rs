//! A server's monitoring: the closed list by the client's end and time, and what /varz counted.
use super::{ByPeer, SKEW, Word, is_listed, is_number};
use crate::base::{Span, Timestamp};
use crate::event::{Close, Facts, Kind, Party, ServerReason};
use crate::nats::connz::{ClosedEntry, ClosedList, Varz};
use hashbrown::HashMap;

/// Servers that are remembered, also those of former starts.
const SERVERS_MAX: usize = 64;
/// Entries that a server keeps by default.
const RING: usize = 10_000;
/// Between an end and an answer that must know it.
const NOTICED: Span = Span::millis(100);

/// One server's answers.
#[derive(Default)]
struct Answers {
    /// How far its clock is ahead of the capture's.
    ahead: Span,
    /// The newest entry's number and stop: what came before is known already.
    newest: Option<(Timestamp, u64)>,
    /// When the closed list was read last, and since when it was whole.
    read: Option<Timestamp>,
    whole_since: Option<Timestamp>,
    varz: Option<(Timestamp, Varz)>,
    /// Slow consumers, when they became more, and how many were before.
    more_slow: Option<(Timestamp, u64)>,
}

/// What monitoring told.
#[derive(Default)]
pub(super) struct Monitoring {
    closed: ByPeer<(ClosedEntry, Span)>,
    servers: HashMap<String, Answers, foldhash::fast::RandomState>,
}

impl Monitoring {
    fn server(&mut self, id: &str) -> &mut Answers {
        if self.servers.len() >= SERVERS_MAX && !self.servers.contains_key(id) {
            self.servers.clear();
        }
        self.servers.entry(id.to_owned()).or_default()
    }

    pub fn note_closed(&mut self, list: ClosedList, at: Timestamp) {
        let server = self.server(&list.server_id);
        if let Some(now) = list.now {
            server.ahead = now - at;
        }
        let (ahead, newest) = (server.ahead, server.newest);
        let stop = |e: &ClosedEntry| (e.stop.unwrap_or(Timestamp(0)), e.id);
        // The ring holds no more (`max_closed_clients`): what came before may be gone.
        let cut = list.cut || list.entries.len() >= RING;
        let oldest = list.entries.iter().filter_map(|e| e.stop).min();
        server.whole_since = match (cut, server.read) {
            // It reaches back to what was read before: nothing was missed.
            (true, Some(_)) if newest.is_some_and(|n| oldest.is_some_and(|o| o <= n.0)) => server.whole_since,
            (true, _) => oldest.map(|o| o - ahead),
            (false, _) => Some(Timestamp(i64::MIN)),
        };
        server.read = Some(at);
        server.newest = list.entries.iter().map(stop).max().max(newest);
        let mut fresh: Vec<ClosedEntry> =
            list.entries.into_iter().filter(|e| newest.is_none_or(|n| stop(e) > n)).collect();
        fresh.sort_by_key(|e| stop(e));
        for entry in fresh {
            self.closed.add(entry.peer, (entry, ahead));
        }
    }

    pub fn note_varz(&mut self, varz: Varz, at: Timestamp) {
        let server = self.server(&varz.server_id);
        if let Some((_, before)) =
            server.varz.as_ref().filter(|(_, b)| varz.slow_consumers > b.slow_consumers)
        {
            server.more_slow = Some((at, before.slow_consumers));
        }
        server.varz = Some((at, varz));
    }

    /// Tells what they say of a connection.
    pub fn tell(&self, facts: &Facts, close: &Close, word: &mut Word) {
        let (from, until) = (facts.start.at - SKEW, close.at.max(facts.ended) + SKEW);
        let stopped = |(entry, ahead): &(ClosedEntry, Span)| entry.stop.map(|stop| stop - *ahead);
        let found = self
            .closed
            .of(facts.client)
            .rfind(|e| is_number(facts, e.0.id) && stopped(e).is_none_or(|at| (from..=until).contains(&at)));
        if let Some(entry) = found {
            let (reason, pending) = (&entry.0.reason, entry.0.pending_bytes);
            let queued = if pending > 0 { format!(", {pending} bytes queued for it") } else { String::new() };
            let stands =
                format!("the server's closed list says '{reason}' of connection {}{queued}", entry.0.id);
            word.take(ServerReason { at: stopped(entry), text: reason.clone(), stands });
        }
        let id = facts.nats.info.as_ref().map(|(_, info)| info.server_id.as_str());
        let Some(server) = id.and_then(|id| self.servers.get(id)) else { return };
        if found.is_none() {
            unknown_to(server, facts, close, word);
        }
        counted(server, close, word);
    }
}

/// The server has noticed no end.
fn unknown_to(server: &Answers, facts: &Facts, close: &Close, word: &mut Word) {
    let end = close.at.max(facts.ended);
    let Some(read) = server.read.filter(|read| *read > end + NOTICED) else { return };
    let whole = server.whole_since.is_some_and(|since| since < facts.start.at.max(end - SKEW));
    if whole && is_listed(facts) {
        let text = "the server has no record that this connection ended: for the server it still stands";
        word.add(Some(read), text.to_owned());
        if close.kind == Kind::Rst && close.side == Party::Network {
            word.why_not.push("not the server: it does not know of any end of this connection".into());
        }
    }
}

/// What /varz says about that time.
fn counted(server: &Answers, close: &Close, word: &mut Word) {
    let Some((at, varz)) = &server.varz else { return };
    let by_server = close.side == Party::Server && matches!(close.kind, Kind::Fin | Kind::Rst);
    if let Some(configured) = varz.configured().map(|c| c - server.ahead) {
        let before = close.at - configured;
        if by_server
            && before > Span::secs(-1)
            && before < Span::secs(3)
            && varz.started() != varz.configured()
        {
            word.add(
                Some(configured),
                format!("the server read its configuration anew {before} before the end"),
            );
        }
    }
    if let Some((at, before)) = server.more_slow.filter(|(at, _)| (*at - close.at).0.abs() < Span::secs(15).0)
    {
        word.add(
            Some(at),
            format!("the server counts {} slow consumers, {before} before", varz.slow_consumers),
        );
    }
    if varz.cpu >= 80.0 && (*at - close.at).0.abs() < Span::secs(20).0 {
        let text =
            format!("the server uses {:.0} % of a core, {} MB of memory", varz.cpu, varz.mem / 1_000_000);
        word.add(Some(*at), text);
    }
    if varz.max_connections > 0 && varz.connections >= varz.max_connections {
        let text = format!("{} of max_connections {} are in use", varz.connections, varz.max_connections);
        word.add(Some(*at), text);
    }
}
