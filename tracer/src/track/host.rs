//! The tracker's ear for this host's kernel: records, rules, sockets that are gone.
use super::ends::goodbye_lost;
use super::rest::awake;
use super::sockets::REMEMBERED;
use super::{FlowKey, Tracked, Tracker, frameless};
use crate::base::{Side, Span};
use crate::event::{EndedBy, Facts, Host, Mark, ProcessEnd};
use crate::kernel::{FilterRule, KernelRecord};

impl Tracker {
    /// The host that a live trace runs on; again where its addresses change.
    pub fn set_host(&mut self, host: Host) {
        self.sockets.set_host(host);
    }

    /// One record of this host's kernel. It may be ahead of the frames, so no time passes by it.
    pub fn handle_kernel(&mut self, record: &KernelRecord, ordinal: u64) {
        self.sockets.note(record, ordinal, self.config.limits.idle_timeout);
    }

    /// A rule of this host's filters that a packet met.
    pub fn handle_rule(&mut self, rule: FilterRule) {
        self.sockets.rule(rule);
    }

    /// How the process that owns one end of a connection ended, or what it was told, about the connection's end.
    #[must_use]
    pub fn process_end(&self, facts: &Facts, side: Side) -> Option<ProcessEnd> {
        let end = &facts.host.as_ref()?.ends[side];
        let told = end.closed.or(end.over);
        // Records are told by one clock and in their order; a frame's time may differ.
        let slack = if told.is_some() { Span::ZERO } else { Span::millis(1) };
        self.sockets.processes.around(end.process.as_ref()?.pid, told.unwrap_or(facts.ended), slack)
    }

    /// Looks at a connection of which the kernel said something that matters.
    pub(super) fn look_at_socket(&mut self, key: FlowKey, out: &mut Vec<Tracked>) {
        let now = self.now;
        let Some(flow) = self.sockets.get(key) else { return };
        if flow.told {
            if flow.last + Span::secs(25) < now {
                self.sockets.forget(key);
            } else {
                self.sockets.look_later(key, now + REMEMBERED);
            }
            return;
        }
        if let Some(slot) = self.find(key.low, key.high).map(|f| f.0).or_else(|| self.grow(key)) {
            return self.socket_over(slot, key, out);
        }
        let Some(flow) = self.sockets.get(key) else { return };
        let Some(host) = self.sockets.facts(flow.client, flow.server, flow.first, now) else { return };
        let idle_timeout = self.config.limits.idle_timeout;
        let Some(facts) = frameless::facts(flow, host, now, idle_timeout) else {
            if flow.may_be_over() {
                let again = now + Span((idle_timeout.0 / 4).max(Span::secs(1).0));
                self.sockets.look_later(key, again);
            }
            return;
        };
        let (id, mark) = (facts.first_frame, facts.start);
        let ending = frameless::ending(&facts);
        let (client, server, syn, process) = (facts.client, facts.server, ending.syn, ending.process);
        out.push(Tracked::Opened { id, mark, client, server, syn, first: None, process });
        out.push(Tracked::Ending(ending));
        out.push(Tracked::Closed(Box::new(facts)));
        self.sockets.told(key, now);
    }

    /// This host's socket of a connection is gone: it has ended, whatever the frames show.
    fn socket_over(&mut self, slot: u32, key: FlowKey, out: &mut Vec<Tracked>) {
        let now = self.now;
        let Some(over) = self.sockets.get(key).and_then(|f| frameless::is_over(&f.facts)) else { return };
        let Some(conn) = awake(&mut self.slots, slot) else { return };
        if conn.told || over < conn.start().at {
            return;
        }
        match conn.ended {
            None => {
                conn.ended = Some((over, EndedBy::GaveUp));
                let mark = Mark { at: over, frame: conn.last().frame };
                self.note_ending(slot, mark, out);
            }
            Some((_, EndedBy::Goodbye)) if goodbye_lost(conn) => {
                conn.ended = Some((over, EndedBy::GaveUp));
                self.plan(slot, now);
            }
            Some(_) => {}
        }
    }
}
