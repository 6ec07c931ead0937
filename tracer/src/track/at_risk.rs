//! What may be lost with a connection: publishes and deliveries not acknowledged, publishes no PONG confirmed, requests
//! without a reply. Bounded: only what is still open is kept.
use crate::base::{Seq, Side};
use crate::event::AtRisk;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _};

/// Messages under way kept per direction.
const UNDER_WAY_MAX: usize = 32 * 1024;
/// Requests without a reply kept.
const REQUESTS_MAX: usize = 1024;
/// Subjects named.
const SUBJECTS_MAX: usize = 16;
/// Bytes of a subject kept.
const SUBJECT_LEN_MAX: usize = 128;

/// One message under way.
#[derive(Clone, Copy, Debug)]
struct Message {
    /// Sequence number after its last octet, as far as it was seen.
    end: Seq,
    subject: u16,
}

/// Bookkeeping of one connection.
#[derive(Debug, Default)]
pub struct Risk {
    publishes: VecDeque<Message>,
    deliveries: VecDeque<Message>,
    /// Publishes in all.
    pubs: u64,
    /// Of them proven processed by a PONG or +OK.
    confirmed: u64,
    /// `pubs` at each PING of the client that awaits its PONG.
    pings: VecDeque<u64>,
    requests: HashMap<u64, Request, foldhash::fast::FixedState>,
    subjects: Vec<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    subject: u16,
    jetstream: bool,
}

impl Risk {
    /// A publish whose octets, as far as seen, end at `end`. `una`: what the server acknowledged so far.
    pub fn publish(&mut self, subject: &[u8], reply: Option<&[u8]>, end: Seq, una: Seq) {
        self.pubs += 1;
        let subject_no = self.subject(subject);
        push(&mut self.publishes, Message { end, subject: subject_no }, una);
        if let Some(reply) = reply {
            // `$JS.API` requests wait for an answer, but not for a PubAck.
            if self.requests.len() < REQUESTS_MAX {
                self.requests.insert(hash(reply), Request { subject: subject_no, jetstream: false });
            }
        }
    }

    /// The last publish carried a header that only JetStream reads: it waits for a PubAck.
    pub fn is_jetstream(&mut self, reply: &[u8]) {
        if let Some(request) = self.requests.get_mut(&hash(reply)) {
            request.jetstream = true;
        }
    }

    /// A delivery; a message for a reply subject answers its request.
    pub fn deliver(&mut self, subject: &[u8], end: Seq, una: Seq) {
        if !self.requests.is_empty() {
            self.requests.remove(&hash(subject));
        }
        let subject = if self.deliveries.len() < 8 { self.subject(subject) } else { u16::MAX };
        push(&mut self.deliveries, Message { end, subject }, una);
    }

    /// The message under way goes on to `end`.
    pub fn goes_on(&mut self, from: Side, end: Seq) {
        let last = match from {
            Side::Client => self.publishes.back_mut(),
            Side::Server => self.deliveries.back_mut(),
        };
        if let Some(message) = last {
            message.end = message.end.max(end);
        }
    }

    /// The client sent PING.
    pub fn ping(&mut self) {
        if self.pings.len() < 1024 {
            self.pings.push_back(self.pubs);
        }
    }

    /// The server sent PONG: all that was published before the PING was processed.
    pub fn pong(&mut self) {
        if let Some(pubs) = self.pings.pop_front() {
            self.confirmed = self.confirmed.max(pubs);
        }
    }

    /// The server sent +OK: one more operation was processed. Only publishes are counted, so this may lag, never lead.
    pub fn ok(&mut self, publishes_first: bool) {
        if publishes_first {
            self.confirmed = (self.confirmed + 1).min(self.pubs);
        }
    }

    /// The figures: `una` is what each end's peer acknowledged, `unacked_bytes` what it did not.
    #[must_use]
    pub fn report(&self, client_una: Seq, server_una: Seq, unacked_bytes: u64) -> AtRisk {
        let open =
            |queue: &VecDeque<Message>, una: Seq| queue.iter().filter(|m| m.end.after(una)).count() as u64;
        let publishes = open(&self.publishes, client_una);
        let mut subjects: Vec<u16> = Vec::new();
        let mut note = |no: u16| {
            if !subjects.contains(&no) {
                subjects.push(no);
            }
        };
        self.publishes.iter().filter(|m| m.end.after(client_una)).for_each(|m| note(m.subject));
        self.deliveries.iter().filter(|m| m.end.after(server_una)).for_each(|m| note(m.subject));
        let mut waiting: Vec<u16> = self.requests.values().map(|r| r.subject).collect();
        waiting.sort_unstable();
        waiting.into_iter().for_each(note);
        AtRisk {
            publishes,
            publishes_unconfirmed: self.pubs.saturating_sub(publishes).saturating_sub(self.confirmed),
            deliveries: open(&self.deliveries, server_una),
            requests: self.requests.len() as u64,
            jetstream_publishes: self.requests.values().filter(|r| r.jetstream).count() as u64,
            bytes: unacked_bytes,
            subjects: subjects
                .iter()
                .filter_map(|&no| self.subjects.get(usize::from(no)))
                .map(|s| String::from_utf8_lossy(s).into_owned())
                .collect(),
        }
    }

    fn subject(&mut self, subject: &[u8]) -> u16 {
        let subject = subject.get(..SUBJECT_LEN_MAX).unwrap_or(subject);
        if let Some(no) = self.subjects.iter().position(|s| **s == *subject) {
            return no as u16;
        }
        if self.subjects.len() < SUBJECTS_MAX {
            self.subjects.push(subject.into());
            return (self.subjects.len() - 1) as u16;
        }
        u16::MAX
    }
}

fn push(queue: &mut VecDeque<Message>, message: Message, una: Seq) {
    while queue.front().is_some_and(|m| !m.end.after(una)) {
        queue.pop_front();
    }
    if queue.len() >= UNDER_WAY_MAX {
        queue.pop_front();
    }
    queue.push_back(message);
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_confirmed_and_answered_are_three_things() {
        let mut risk = Risk::default();
        risk.publish(b"a", None, Seq(10), Seq(0));
        risk.ping();
        risk.publish(b"b", Some(b"_INBOX.1"), Seq(20), Seq(0));
        risk.publish(b"c", Some(b"_INBOX.2"), Seq(30), Seq(0));
        risk.pong();
        risk.deliver(b"_INBOX.1", Seq(5), Seq(0));
        let report = risk.report(Seq(20), Seq(0), 15);
        assert_eq!(
            (report.publishes, report.publishes_unconfirmed, report.deliveries, report.requests),
            (1, 1, 1, 1)
        );
        assert_eq!(report.subjects[0], "c");
        assert_eq!(report.bytes, 15);
    }
}
