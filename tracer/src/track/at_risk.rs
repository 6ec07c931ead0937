//! What may be lost with a connection: publishes and deliveries not acknowledged, publishes no PONG confirmed, requests
//! without a reply. Bounded: only what is still open is kept.
use crate::base::{Seq, Side};
use crate::event::AtRisk;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
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
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Message {
    /// Sequence number after its last octet, as far as it was seen.
    end: Seq,
    subject: u16,
}

/// Messages in their order, those of which something is not acknowledged.
#[derive(Debug, Default, Serialize, Deserialize)]
struct UnderWay {
    all: Vec<Message>,
    /// So many of them are done with.
    done: usize,
}

impl UnderWay {
    const fn len(&self) -> usize {
        self.all.len() - self.done
    }

    fn iter(&self) -> std::slice::Iter<'_, Message> {
        self.all.get(self.done..).unwrap_or_default().iter()
    }

    /// One more; what was acknowledged before `una` leaves.
    #[inline(always)]
    fn push(&mut self, message: Message, una: Seq) {
        // Mostly all before it has arrived.
        if self.all.last().is_none_or(|last| !last.end.after(una)) {
            self.all.clear();
            self.done = 0;
        } else {
            self.leave(una);
        }
        self.all.push(message);
    }

    #[inline(never)]
    fn leave(&mut self, una: Seq) {
        self.done += self.iter().take_while(|m| !m.end.after(una)).count();
        if self.len() >= UNDER_WAY_MAX {
            self.done += 1;
        }
        // Now and then, so that each is moved but once or twice.
        if self.done > 64 && self.done > self.len() {
            self.all.drain(..self.done);
            self.done = 0;
        }
    }
}

/// Bookkeeping of one connection.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Risk {
    publishes: UnderWay,
    deliveries: UnderWay,
    /// Publishes in all.
    pubs: u64,
    /// Of them proven processed by a PONG or +OK.
    confirmed: u64,
    /// `pubs` at each PING of the client that awaits its PONG.
    pings: VecDeque<u64>,
    requests: HashMap<u64, Request, foldhash::fast::FixedState>,
    subjects: Vec<Box<[u8]>>,
    /// A bit for each of `subjects` whose publishes a stream answers.
    streams: u16,
    /// The request made by the last publish.
    asked: Option<u64>,
    /// The subject of the request that the last delivery answered.
    answered: Option<u16>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Request {
    subject: u16,
    /// It may be a publish to a stream.
    may_store: bool,
    /// It is known to be one.
    jetstream: bool,
}

impl Risk {
    /// A publish whose octets, as far as seen, end at `end`. `una`: what the server acknowledged so far.
    #[inline(always)]
    pub fn publish(&mut self, subject: &[u8], reply: Option<&[u8]>, end: Seq, una: Seq) {
        self.pubs += 1;
        let subject_no = self.subject(subject);
        self.publishes.push(Message { end, subject: subject_no }, una);
        // `$JS.API` and `$JS.ACK` requests wait for an answer, but not for a PubAck.
        let may_store = !subject.starts_with(b"$JS.");
        self.asked = reply.filter(|_| may_store).map(hash);
        if let Some(reply) = reply
            && self.requests.len() < REQUESTS_MAX
        {
            let jetstream = may_store && self.streams & bit(subject_no) != 0;
            self.requests.insert(hash(reply), Request { subject: subject_no, may_store, jetstream });
        }
    }

    /// The last publish carried a header that only a stream reads: it waits for a PubAck.
    pub fn is_jetstream(&mut self) {
        if let Some(request) = self.asked.and_then(|asked| self.requests.get_mut(&asked)) {
            request.jetstream = true;
        }
    }

    /// A delivery; a message for a reply subject answers its request, a status like 503 (no responders) no less.
    #[inline(always)]
    pub fn deliver(&mut self, subject: &[u8], end: Seq, una: Seq) {
        let request = if self.requests.is_empty() { None } else { self.requests.remove(&hash(subject)) };
        self.answered = request.filter(|r| r.may_store).map(|r| r.subject);
        let subject = match request {
            // An inbox is used once: the name of what was asked says more, and the table has room for few.
            Some(request) => request.subject,
            None if self.deliveries.len() < 8 => self.subject(subject),
            None => u16::MAX,
        };
        self.deliveries.push(Message { end, subject }, una);
    }

    /// The last delivery was a PubAck: what is published on the subject that it answers goes to a stream.
    pub fn pub_ack(&mut self) {
        let Some(subject) = self.answered.take() else { return };
        if self.streams & bit(subject) != 0 {
            return;
        }
        self.streams |= bit(subject);
        let same = self.requests.values_mut().filter(|r| r.subject == subject && subject != u16::MAX);
        same.for_each(|request| request.jetstream = true);
    }

    /// The message under way goes on to `end`.
    pub fn goes_on(&mut self, from: Side, end: Seq) {
        let last = match from {
            Side::Client => self.publishes.all.last_mut(),
            Side::Server => self.deliveries.all.last_mut(),
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
        let open = |queue: &UnderWay, una: Seq| queue.iter().filter(|m| m.end.after(una)).count() as u64;
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

    #[inline(always)]
    fn subject(&mut self, subject: &[u8]) -> u16 {
        let subject = subject.get(..SUBJECT_LEN_MAX).unwrap_or(subject);
        // Most publish on one subject, or on it first.
        if self.subjects.first().is_some_and(|first| same(first, subject)) {
            return 0;
        }
        self.find_subject(subject)
    }

    #[inline(never)]
    fn find_subject(&mut self, subject: &[u8]) -> u16 {
        // The print tells most others at a glance.
        let own = print(subject);
        if let Some(no) = self.subjects.iter().position(|s| print(s) == own && **s == *subject) {
            return no as u16;
        }
        if self.subjects.len() < SUBJECTS_MAX {
            self.subjects.push(subject.into());
            return (self.subjects.len() - 1) as u16;
        }
        u16::MAX
    }
}

/// The bit of a subject's number; none for a subject that has no number.
const fn bit(subject: u16) -> u16 {
    if subject < 16 { 1 << subject } else { 0 }
}

/// Whether two subjects are equal. Up to 16 octets that is how they begin and end, in less time than a call takes.
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    let ends = |s: &[u8]| Some((u64::from_le_bytes(*s.first_chunk()?), u64::from_le_bytes(*s.last_chunk()?)));
    match (ends(a), ends(b)) {
        (Some(a_ends), Some(b_ends)) => a.len() == b.len() && a_ends == b_ends && (a.len() <= 16 || a == b),
        _ => a == b,
    }
}

/// Length and last octets, in which subjects differ most.
fn print(subject: &[u8]) -> u64 {
    let tail = match subject.last_chunk::<8>() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => subject.iter().fold(0, |all, &octet| all << 8 | u64::from(octet)),
    };
    tail ^ (subject.len() as u64) << 56
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

    fn jetstream(risk: &Risk) -> (u64, u64) {
        let report = risk.report(Seq(0), Seq(0), 0);
        (report.requests, report.jetstream_publishes)
    }

    #[test]
    fn a_pub_ack_tells_what_the_subject_is() {
        let mut risk = Risk::default();
        let publish = |risk: &mut Risk, subject: &str, reply: &str| {
            risk.publish(subject.as_bytes(), Some(reply.as_bytes()), Seq(1), Seq(0));
        };
        publish(&mut risk, "orders", "_INBOX.1");
        publish(&mut risk, "orders", "_INBOX.2");
        publish(&mut risk, "help", "_INBOX.3");
        assert_eq!(jetstream(&risk), (3, 0));
        risk.deliver(b"_INBOX.1", Seq(1), Seq(0));
        risk.pub_ack();
        assert_eq!(jetstream(&risk), (2, 1), "the one under way was meant for the stream as well");
        publish(&mut risk, "orders", "_INBOX.4");
        publish(&mut risk, "help", "_INBOX.5");
        assert_eq!(jetstream(&risk), (4, 2));
        // What answers nothing teaches nothing.
        risk.deliver(b"help", Seq(2), Seq(0));
        risk.pub_ack();
        assert_eq!(jetstream(&risk), (4, 2));
        risk.deliver(b"_INBOX.4", Seq(3), Seq(0));
        assert_eq!(jetstream(&risk), (3, 1));
    }

    #[test]
    fn requests_to_the_api_store_nothing() {
        let mut risk = Risk::default();
        for n in 0..4 {
            risk.publish(b"$JS.API.DIRECT.GET.S", Some(format!("_INBOX.{n}").as_bytes()), Seq(1), Seq(0));
            risk.is_jetstream();
        }
        risk.deliver(b"_INBOX.0", Seq(1), Seq(0));
        risk.pub_ack();
        risk.publish(b"$JS.ACK.S.C.1.2.3.4.5", Some(b"_INBOX.9"), Seq(1), Seq(0));
        assert_eq!(jetstream(&risk), (4, 0));
    }

    #[test]
    fn a_full_table_of_subjects_knows_less_and_claims_nothing() {
        let mut risk = Risk::default();
        for n in 0..40 {
            let (subject, reply) = (format!("s.{n}"), format!("_INBOX.{n}"));
            risk.publish(subject.as_bytes(), Some(reply.as_bytes()), Seq(1), Seq(0));
        }
        risk.deliver(b"_INBOX.39", Seq(1), Seq(0));
        risk.pub_ack();
        assert_eq!(jetstream(&risk), (39, 0));
        risk.publish(b"s.50", Some(b"_INBOX.50"), Seq(1), Seq(0));
        risk.is_jetstream();
        assert_eq!(jetstream(&risk), (40, 1), "a header is about its own publish");
    }
}
