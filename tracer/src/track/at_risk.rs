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
/// Memory for so many is left to the next connection.
const ROOM_MAX: usize = 64;

/// Messages under way that end at the same place, as far as was seen: those of one segment.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Messages {
    /// Sequence number after their last octet.
    end: Seq,
    subject: u16,
    /// How many, at most [`UNDER_WAY_MAX`].
    count: u16,
}

/// Messages in their order, those of which something is not acknowledged.
#[derive(Debug, Default, Serialize, Deserialize)]
struct UnderWay {
    all: Vec<Messages>,
    /// So many of them are done with.
    done: u32,
    /// Messages in those that are not.
    count: u32,
    /// What was acknowledged as the last one came.
    una: Seq,
}

impl UnderWay {
    /// As new, in the same memory where that is small.
    fn empty(&mut self) {
        self.all.clear();
        self.all.shrink_to(ROOM_MAX);
        (self.done, self.count, self.una) = (0, 0, Seq::default());
    }

    const fn len(&self) -> usize {
        self.count as usize
    }

    fn iter(&self) -> std::slice::Iter<'_, Messages> {
        self.all.get(self.done as usize..).unwrap_or_default().iter()
    }

    /// So many of these of which something is not acknowledged before `una`.
    fn open(&self, una: Seq) -> u64 {
        self.iter().filter(|m| m.end.after(una)).map(|m| u64::from(m.count)).sum()
    }

    /// One more; what was acknowledged before `una` leaves.
    #[inline(always)]
    fn push(&mut self, end: Seq, subject: u16, una: Seq) {
        // Mostly all before it has arrived.
        if self.all.last().is_none_or(|last| !last.end.after(una)) {
            self.all.clear();
            (self.done, self.count) = (0, 0);
        } else if una != self.una || self.len() >= UNDER_WAY_MAX {
            self.leave(una);
        }
        self.una = una;
        self.count += 1;
        match self.all.last_mut() {
            Some(last) if last.end == end && last.subject == subject => last.count += 1,
            _ => self.all.push(Messages { end, subject, count: 1 }),
        }
    }

    /// So many more of the last one, with nothing acknowledged in between.
    fn push_again(&mut self, end: Seq, subject: u16, una: Seq, times: u32) {
        let room = UNDER_WAY_MAX.saturating_sub(self.len()) as u32;
        let at_once = match self.all.last_mut() {
            Some(last) if last.end == end && last.subject == subject && una == self.una && end.after(una) => {
                let more = times.min(room);
                last.count += more as u16;
                more
            }
            _ => 0,
        };
        self.count += at_once;
        (at_once..times).for_each(|_| self.push(end, subject, una));
    }

    #[inline(never)]
    fn leave(&mut self, una: Seq) {
        let gone = self.iter().take_while(|m| !m.end.after(una));
        let (runs, messages) = gone.fold((0, 0), |(runs, all), m| (runs + 1, all + u32::from(m.count)));
        self.done += runs;
        self.count -= messages;
        if self.len() >= UNDER_WAY_MAX
            && let Some(oldest) = self.all.get_mut(self.done as usize)
        {
            oldest.count -= 1;
            self.done += u32::from(oldest.count == 0);
            self.count -= 1;
        }
        // Now and then, so that each is moved but once or twice.
        let done = self.done as usize;
        if done > 64 && done > self.all.len() - done {
            self.all.drain(..done);
            self.done = 0;
        }
    }

    /// The last message goes on to `end`.
    fn goes_on(&mut self, end: Seq) {
        let Some(last) = self.all.last_mut().filter(|last| end.after(last.end)) else { return };
        if last.count == 1 {
            last.end = end;
        } else {
            last.count -= 1;
            let alone = Messages { end, count: 1, ..*last };
            self.all.push(alone);
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
    subjects: Vec<Vec<u8>>,
    /// Memory for one of them.
    #[serde(skip)]
    spare: Option<Vec<u8>>,
    /// Of each of `subjects` what tells it from most others; made anew where there are too few.
    #[serde(skip)]
    prints: Vec<u64>,
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
    /// As new, in the same memory where that is small.
    pub fn empty(&mut self) {
        self.publishes.empty();
        self.deliveries.empty();
        (self.pubs, self.confirmed, self.streams) = (0, 0, 0);
        (self.asked, self.answered) = (None, None);
        self.pings.clear();
        self.pings.shrink_to(ROOM_MAX);
        if self.requests.capacity() > 0 {
            self.requests = HashMap::default();
        }
        self.spare = self.subjects.pop().or_else(|| self.spare.take());
        self.subjects.clear();
        self.prints.clear();
    }

    /// A publish whose octets, as far as seen, end at `end`. `una`: what the server acknowledged so far.
    #[inline(always)]
    pub fn publish(&mut self, subject: &[u8], reply: Option<&[u8]>, end: Seq, una: Seq) {
        self.pubs += 1;
        let subject_no = self.subject(subject);
        self.publishes.push(end, subject_no, una);
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

    /// So many more publishes of the last one's subject in the same octets, which want no answer either.
    pub fn publish_again(&mut self, subject: &[u8], end: Seq, una: Seq, times: u32) {
        self.pubs += u64::from(times);
        self.asked = None;
        let subject = self.subject(subject);
        self.publishes.push_again(end, subject, una, times);
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
        self.deliveries.push(end, subject, una);
    }

    /// So many more deliveries of the last one's subject in the same octets.
    pub fn deliver_again(&mut self, subject: &[u8], end: Seq, una: Seq, times: u32) {
        let mut left = times;
        // Until more of them tell nothing new.
        while left > 0 && (self.deliveries.len() < 8 || !self.requests.is_empty()) {
            self.deliver(subject, end, una);
            left -= 1;
        }
        if left > 0 {
            self.answered = None;
            self.deliveries.push_again(end, u16::MAX, una, left);
        }
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
        match from {
            Side::Client => self.publishes.goes_on(end),
            Side::Server => self.deliveries.goes_on(end),
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
        let publishes = self.publishes.open(client_una);
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
            deliveries: self.deliveries.open(server_una),
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
        if self.prints.len() != self.subjects.len() {
            self.prints = self.subjects.iter().map(|s| print(s)).collect();
        }
        let own = print(subject);
        let mut all = self.prints.iter().zip(&self.subjects);
        if let Some(no) = all.position(|(&print, text)| print == own && same(text, subject)) {
            return no as u16;
        }
        if self.subjects.len() < SUBJECTS_MAX {
            // Mostly it is the only one.
            self.subjects.reserve_exact(1);
            self.prints.reserve_exact(1);
            let mut text = self.spare.take().unwrap_or_default();
            text.clear();
            text.reserve_exact(subject.len());
            text.extend_from_slice(subject);
            self.subjects.push(text);
            self.prints.push(own);
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
    use proptest::prelude::*;

    /// Each message by itself: what [`UnderWay`] keeps by the segment.
    #[derive(Default)]
    struct OneByOne {
        all: Vec<(Seq, u16)>,
        done: usize,
    }

    impl OneByOne {
        fn push(&mut self, end: Seq, subject: u16, una: Seq) {
            if self.all.last().is_none_or(|last| !last.0.after(una)) {
                self.all.clear();
                self.done = 0;
            } else {
                self.done += self.all[self.done..].iter().take_while(|m| !m.0.after(una)).count();
                self.done += usize::from(self.all.len() - self.done >= UNDER_WAY_MAX);
            }
            self.all.push((end, subject));
        }

        fn left(&self) -> Vec<(Seq, u16)> {
            self.all[self.done..].to_vec()
        }
    }

    fn one_by_one(under_way: &UnderWay) -> Vec<(Seq, u16)> {
        under_way.iter().flat_map(|m| std::iter::repeat_n((m.end, m.subject), m.count.into())).collect()
    }

    proptest! {
        #[test]
        fn messages_of_a_segment_are_as_many_alone(
            steps in proptest::collection::vec((0u32..3, 0u32..40, 0u16..3, 0u32..30, 0u8..4), 0..60),
        ) {
            let (mut segments, mut alone) = (UnderWay::default(), OneByOne::default());
            let (mut end, mut una) = (0, 0);
            for (ahead, behind, subject, times, what) in steps {
                (end, una) = (end + ahead, una.max((end + ahead).saturating_sub(behind)));
                let (end, una) = (Seq(end), Seq(una));
                if what == 0 {
                    segments.goes_on(end);
                    if let Some(last) = alone.all.last_mut() {
                        last.0 = last.0.max(end);
                    }
                    continue;
                }
                segments.push(end, subject, una);
                segments.push_again(end, subject, una, times);
                (0..=times).for_each(|_| alone.push(end, subject, una));
                prop_assert_eq!(one_by_one(&segments), alone.left());
                prop_assert_eq!(segments.len(), alone.left().len());
            }
        }
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let (mut segments, mut alone) = (UnderWay::default(), OneByOne::default());
        for (end, times) in [(10, 20_000), (20, 12_767), (30, 500), (40, 40_000)] {
            segments.push(Seq(end), 1, Seq(0));
            segments.push_again(Seq(end), 1, Seq(0), times);
            (0..=times).for_each(|_| alone.push(Seq(end), 1, Seq(0)));
            assert_eq!(
                (segments.len(), segments.open(Seq(20))),
                (alone.left().len(), alone.left().iter().filter(|m| m.0.after(Seq(20))).count() as u64)
            );
        }
        assert_eq!(one_by_one(&segments), alone.left());
    }

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
