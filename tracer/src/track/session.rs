//! The NATS session of a connection: operations in, facts out.
mod reading;

use super::at_risk::Risk;
use super::drain::Drain;
use super::subjects::Weights;
use crate::base::{PerSide, Seq, Side, Span, Timestamp};
use crate::event::{Mark, NatsFacts};
use crate::nats::{Conversation, Hellos, Listener as _};
use reading::Reading;
use serde::{Deserialize, Serialize};

/// One connection's session.
#[derive(Default, Serialize, Deserialize)]
pub struct Session {
    conversation: Conversation,
    told: Told,
}

/// What operations told so far.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    facts: NatsFacts,
    risk: Risk,
    drain: Drain,
    weights: Weights,
    ping_times: PerSide<std::collections::VecDeque<Mark>>,
    pongs: Option<Pongs>,
    verbose: bool,
    news: Option<News>,
}

/// What others want to know at once.
#[derive(Default, Clone, Copy, Debug, Serialize, Deserialize)]
pub struct News {
    /// The server took this client.
    pub accepted: bool,
    /// INFO ldm:true.
    pub lame_duck: bool,
    /// The end that was taken for the client sent a server's INFO first.
    pub swapped: bool,
    /// The server's first INFO came.
    pub info: bool,
    /// The server answered a PING: how long that took.
    pub pong: Option<Span>,
}

/// Where in the stream an operation stands.
#[derive(Clone, Copy)]
pub struct Place {
    /// Frame.
    pub mark: Mark,
    /// Sequence number after the octets being fed.
    pub end: Seq,
    /// What the peer of the sender acknowledged so far.
    pub una: Seq,
}

impl Session {
    /// Observation began in the middle of the stream.
    pub fn midstream(&mut self) {
        self.conversation.midstream();
    }

    /// Whether it can be written down and read again without loss.
    #[must_use]
    pub fn can_rest(&self) -> bool {
        self.conversation.can_rest()
    }

    /// As new, with such small pieces of memory as the next will need, too.
    pub fn empty(&mut self) {
        self.told.facts = NatsFacts::default();
        self.empty_beside_facts();
    }

    /// The same, where the facts were taken.
    pub fn empty_beside_facts(&mut self) {
        let Told { facts: _, risk, drain, weights, ping_times, pongs, verbose, news } = &mut self.told;
        risk.empty();
        *drain = Drain::default();
        weights.empty();
        ping_times.client.clear();
        ping_times.server.clear();
        (*pongs, *verbose, *news) = (None, false, None);
        self.conversation.empty();
    }

    /// News for the tracker since it last looked.
    pub const fn take_news(&mut self) -> Option<News> {
        self.told.news.take()
    }

    /// Whether there is any.
    #[inline]
    #[must_use]
    pub const fn has_news(&self) -> bool {
        self.told.news.is_some()
    }

    /// Octets in order.
    #[inline(always)]
    pub fn bytes(&mut self, from: Side, bytes: &[u8], place: Place, hellos: &mut Hellos) {
        let Self { conversation, told } = self;
        told.facts.first_byte[from].get_or_insert(place.mark);
        if told.facts.unseen[from].last_octets != 0 {
            told.facts.unseen[from].last_octets = 0;
        }
        let Some((op, jetstream)) = conversation.recurs(from, bytes, hellos) else {
            return self.push(from, bytes, place.mark, (place.end, place.una), hellos);
        };
        Reading { told, hellos, place }.op(from, op);
        if jetstream {
            told.jetstream(from);
        }
    }

    /// Those that are not a message like others before. Its place in parts, which are in registers.
    #[inline(never)]
    fn push(&mut self, from: Side, bytes: &[u8], mark: Mark, (end, una): (Seq, Seq), hellos: &mut Hellos) {
        let place = Place { mark, end, una };
        let Self { conversation, told } = self;
        if conversation.is_mid_message(from) {
            told.risk.goes_on(from, place.end);
        }
        conversation.push(from, bytes, &mut Reading { told, hellos, place });
    }

    /// Octets that never come.
    pub fn gap(&mut self, from: Side, missing: u64, place: Place, hellos: &mut Hellos) {
        let Self { conversation, told } = self;
        if from == Side::Client {
            told.drain.spoiled();
        }
        // A PONG may have been in the hole: what is unanswered is no longer known.
        let pings = &mut told.ping_times[from.other()];
        if !pings.is_empty() {
            pings.clear();
        }
        let facts = &mut told.facts;
        facts.pings[from.other()].unanswered = 0;
        facts.pings[from.other()].first_unanswered = None;
        let unseen = &mut facts.unseen[from];
        let more = u32::try_from(missing).unwrap_or(u32::MAX);
        unseen.last_octets = more;
        (unseen.octets, unseen.last) = (unseen.octets.saturating_add(missing), Some(place.mark));
        if !conversation.knows_nothing(from) {
            conversation.gap(from, missing, &mut Reading { told, hellos, place });
        }
    }

    /// The ends were guessed the wrong way round.
    pub fn swap_sides(&mut self) {
        self.conversation.swap_sides();
        let f = &mut self.told.facts;
        f.pings.swap();
        f.unseen.swap();
        f.first_byte.swap();
        f.malformed.swap();
        f.foreign.swap();
        f.ws_close.swap();
        f.cut_mid_message.swap();
        self.told.ping_times.swap();
        self.told.pongs = None;
        f.info = f.client_info.take().or_else(|| f.info.take());
        for error in &mut f.errors {
            error.from = error.from.other();
        }
    }

    /// The facts so far, without what TCP has to add.
    #[must_use]
    pub const fn facts(&self) -> &NatsFacts {
        &self.told.facts
    }

    /// The facts at the end, in memory of others. `client_left`: when the client said goodbye, where it was the first to. `last`:
    /// they are not asked for again, they are taken.
    pub fn finish(
        &mut self,
        facts: &mut NatsFacts,
        client_una: Seq,
        server_una: Seq,
        unacked_bytes: u64,
        client_left: Option<Timestamp>,
        last: bool,
    ) {
        let told = &mut self.told;
        let heaviest = std::mem::take(&mut facts.heaviest);
        *facts = if last { std::mem::take(&mut told.facts) } else { told.facts.clone() };
        facts.drained = client_left.is_some_and(|left| told.drain.is_done(left));
        // PONGs that came when the client had left answered nobody.
        if let Some(late) = told.pongs.filter(|p| client_left.is_some_and(|left| p.at > left)) {
            facts.pings.client.unanswered += late.count;
            facts.pings.client.first_unanswered = Some(late.asked);
        }
        facts.protocol = self.conversation.protocol();
        facts.heaviest = told.weights.heaviest(heaviest);
        facts.at_risk = told.risk.report(client_una, server_una, unacked_bytes).into();
        for side in Side::BOTH {
            facts.cut_mid_message[side] = self.conversation.is_mid_message(side);
            let lost = self.conversation.is_lost(side);
            if facts.unseen[side].lost != lost {
                facts.unseen[side].lost = lost;
            }
        }
    }
}

impl Told {
    /// What that side said last shows that it is JetStream's.
    #[inline(never)]
    fn jetstream(&mut self, side: Side) {
        match side {
            Side::Client => self.risk.is_jetstream(),
            Side::Server => self.risk.pub_ack(),
        }
    }
}

/// The server's last PONGs, those that came in one flight.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pongs {
    /// The oldest PING that they answer.
    asked: Mark,
    /// When the last of them came.
    at: Timestamp,
    count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays lines, a millisecond each; gives what is told of a client that left then.
    fn play(lines: &[(Side, &str)]) -> NatsFacts {
        let mut session = Session::default();
        let mut at = Timestamp(0);
        for (from, line) in lines {
            at = at + Span::millis(1);
            let place = Place { mark: Mark { at, ..Mark::default() }, end: Seq(1), una: Seq(1) };
            session.bytes(*from, line.as_bytes(), place, &mut Hellos::default());
        }
        let mut facts = NatsFacts::default();
        session.finish(&mut facts, Seq(1), Seq(1), 0, Some(at + Span::millis(1)), true);
        facts
    }

    #[test]
    fn many_of_one_line_are_as_many_alone() {
        let told = |side: Side, lines: &[String], at_once: usize| {
            let mut session = Session::default();
            let at = Mark { at: Timestamp(7), ..Mark::default() };
            let place = |end: u32| Place { mark: at, end: Seq(end), una: Seq(50) };
            for (side, line) in [INFO, CONNECT, (Side::Client, "PUB a _R.1 2\r\nhi\r\n")] {
                session.bytes(side, line.as_bytes(), place(20), &mut Hellos::default());
            }
            for (n, lines) in lines.chunks(60).enumerate() {
                for lines in lines.chunks(at_once) {
                    let end = 100 + n as u32 * 1_000;
                    session.bytes(side, lines.concat().as_bytes(), place(end), &mut Hellos::default());
                }
            }
            let mut facts = NatsFacts::default();
            session.finish(&mut facts, Seq(50), Seq(50), 0, None, true);
            format!("{facts:?}")
        };
        for (side, verb) in
            [(Side::Client, "PUB "), (Side::Server, "MSG _R.1 7 "), (Side::Server, "MSG orders 7 ")]
        {
            let subject = if side == Side::Client { "parts " } else { "" };
            let lines: Vec<String> = (0..300)
                .map(|n| {
                    format!(
                        "{verb}{subject}{0}\r\n{1}\r\n",
                        1_024 * (1 + n / 240),
                        "x".repeat(1_024 * (1 + n / 240))
                    )
                })
                .collect();
            let alone = told(side, &lines, 1);
            assert_eq!(told(side, &lines, 60), alone, "{verb}");
            assert_eq!(told(side, &lines, 7), alone, "{verb}");
        }
    }

    const INFO: (Side, &str) = (Side::Server, "INFO {\"server_id\":\"N1\",\"headers\":true} \r\n");
    const CONNECT: (Side, &str) = (Side::Client, "CONNECT {\"headers\":true}\r\nSUB _R.* 1\r\n");

    #[test]
    fn publishes_to_a_stream_are_told_from_requests() {
        use Side::{Client, Server};
        let facts = play(&[
            INFO,
            CONNECT,
            (Client, "HPUB orders _R.1 30 32\r\nNATS/1.0\r\nNats-Msg-Id: 7\r\n\r\nhi\r\n"),
            (Client, "PUB parts _R.2 2\r\nhi\r\n"),
            (Client, "PUB nobody _R.3 2\r\nhi\r\n"),
            (Client, "PUB $JS.API.INFO _R.4 0\r\n\r\n"),
            (Server, "MSG _R.2 1 26\r\n{\"stream\":\"PARTS\",\"seq\":8}\r\n"),
            (Server, "HMSG _R.3 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"),
            (Client, "PUB parts _R.5 2\r\nhi\r\n"),
        ]);
        assert_eq!((facts.at_risk.requests, facts.at_risk.jetstream_publishes), (3, 2));
    }

    #[test]
    fn drained() {
        use Side::{Client, Server};
        let unsub = (Client, "UNSUB 1\r\nPING\r\n");
        let pong = (Server, "PONG\r\n");
        let publish = (Client, "PUB a 2\r\nhi\r\n");
        let told = |lines: &[(Side, &str)]| play(&[&[INFO, CONNECT], lines].concat()).drained;
        assert!(told(&[unsub, pong]));
        assert!(told(&[unsub, (Server, "PING\r\n"), (Client, "PONG\r\n"), pong]));
        assert!(!told(&[unsub]));
        assert!(!told(&[unsub, pong, (Client, "SUB b 2\r\n")]));
        assert!(!told(&[unsub, pong, publish]));
        assert!(told(&[unsub, pong, publish, (Client, "PING\r\n"), pong]));
        assert!(!told(&[(Client, "PING\r\n"), pong]));
    }
}
