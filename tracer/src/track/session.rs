//! The NATS session of a connection: operations in, facts out.
use super::at_risk::Risk;
use super::drain::Drain;
use super::subjects::Weights;
use crate::base::{PerSide, Seq, Side, Span, Timestamp};
use crate::event::{ErrorText, Mark, MqttFacts, NatsFacts, ProxySign, TlsAlert, TlsFacts, WsClose};
use crate::nats::{Connect, Conversation, Hellos, Info, Listener, MqttPacket, Op, TlsRecord};
use ecow::EcoString;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `-ERR` lines kept.
const ERRORS_MAX: usize = 16;
/// Servers kept of a later INFO.
const URLS_MAX: usize = 64;
/// Characters kept of any text.
const TEXT_MAX: usize = 256;
/// PONGs closer together than this came in one flight.
const IN_ONE_FLIGHT: Span = Span::millis(5);

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

/// What is told while operations come in.
struct Reading<'a> {
    told: &'a mut Told,
    hellos: &'a mut Hellos,
    place: Place,
}

impl Listener for Reading<'_> {
    #[inline(always)]
    fn op(&mut self, side: Side, op: Op<'_>) {
        match op {
            // The data path, kept out of the long list.
            Op::MessageEnd => {}
            Op::Msg { subject, total, .. } => self.msg(side, subject, total),
            Op::Pub { subject, reply, header, total, line } => {
                self.publish(side, subject, reply, header, total, line)
            }
            _ => self.other(side, op),
        }
    }

    #[inline]
    fn again(&mut self, side: Side, op: Op<'_>, times: u32) {
        match op {
            Op::Msg { subject, total, .. } if side == Side::Server => self.msg_again(subject, total, times),
            Op::Pub { subject, reply: None, .. } if side == Side::Client => {
                self.publish_again(subject, times)
            }
            op => (0..times).for_each(|_| self.op(side, op)),
        }
    }

    fn hellos(&mut self) -> Option<&mut Hellos> {
        Some(self.hellos)
    }
}

impl Reading<'_> {
    #[inline(never)]
    fn other(&mut self, side: Side, op: Op<'_>) {
        match op {
            Op::Ping => self.ping(side),
            Op::Pong => self.pong(side),
            Op::Ok => {
                self.accepted();
                self.told.risk.ok(self.told.verbose && self.told.facts.pubs > 0);
            }
            Op::Err { text } => self.error(side, text),
            Op::Info { said, .. } => self.info(side, said),
            Op::Connect { said, .. } => self.connect(said),
            Op::Sub { .. } => {
                self.told.facts.subs += 1;
                self.before_connect();
                self.told.drain.spoiled();
            }
            Op::Unsub { max, .. } => {
                self.told.facts.unsubs += 1;
                self.before_connect();
                self.told.drain.unsub(max.is_some_and(|m| m > 0), self.place.mark.at);
            }
            Op::Routed { subject, total, .. } => match side {
                Side::Client => {
                    self.told.facts.pubs += 1;
                    self.told.facts.largest_msg = self.told.facts.largest_msg.max(total);
                    self.told.risk.publish(subject, None, self.place.end, self.place.una);
                }
                Side::Server => self.msg(side, subject, total),
            },
            Op::Status { code, description } => {
                if code == 409 && description.eq_ignore_ascii_case(b"Server Shutdown") {
                    self.told.facts.server_shutdown_status = Some(self.place.mark);
                }
            }
            Op::JetStream => self.told.jetstream(side),
            Op::Malformed { line, .. } => {
                let mark = self.place.mark;
                self.told.facts.malformed[side].get_or_insert_with(|| (mark, printable(line, 32)));
                if side == Side::Client {
                    self.told.drain.spoiled();
                }
            }
            Op::Foreign(what) => {
                self.told.facts.foreign[side].get_or_insert((self.place.mark, what));
            }
            Op::Proxy { version, client } => {
                self.told.facts.forwarded_for = client.map(|c| c.to_string());
                let sign = if version == 1 { ProxySign::HeaderV1 } else { ProxySign::HeaderV2 };
                self.told.facts.proxied.get_or_insert((self.place.mark, sign));
            }
            Op::HttpStatus(code) => self.told.facts.http_status = Some(code),
            Op::WsUpgrade { forwarded_for, .. } => {
                if let Some(text) = forwarded_for {
                    self.told.facts.forwarded_for = Some(printable(text, 64));
                    self.told.facts.proxied.get_or_insert((self.place.mark, ProxySign::ForwardedFor));
                }
            }
            Op::WsClose { code, reason } => {
                let close = WsClose { mark: self.place.mark, code, reason: printable(reason, TEXT_MAX) };
                self.told.facts.ws_close[side].get_or_insert(close);
            }
            Op::Tls(record) => self.tls(side, record),
            Op::Mqtt(packet) => self.mqtt(packet),
            Op::Msg { .. } | Op::Pub { .. } | Op::MessageEnd => {}
            Op::LinkSub { .. } | Op::Http { .. } | Op::Compressed => {}
        }
    }

    /// Subscriptions of the client, where all of them were seen.
    fn all_subs(&self) -> Option<u64> {
        self.told.facts.connect.as_ref().map(|_| self.told.facts.subs)
    }

    /// An operation of the client; its place is behind CONNECT.
    fn before_connect(&mut self) {
        if self.told.facts.connect.is_none() {
            self.told.facts.before_connect.get_or_insert(self.place.mark);
        }
    }

    #[inline]
    fn accepted(&mut self) {
        if self.told.facts.accepted.is_none() && self.told.facts.connect.is_some() {
            self.told.facts.accepted = Some(self.place.mark);
            self.told.news.get_or_insert_default().accepted = true;
        }
    }

    #[inline(always)]
    fn msg(&mut self, side: Side, subject: &[u8], total: u64) {
        if side == Side::Client {
            return;
        }
        self.told.facts.msgs += 1;
        if total > self.told.facts.largest_msg {
            self.told.facts.largest_msg = total;
        }
        self.told.weights.add(subject, total);
        self.told.risk.deliver(subject, self.place.end, self.place.una);
        self.accepted();
    }

    #[inline(always)]
    fn publish(
        &mut self,
        side: Side,
        subject: &[u8],
        reply: Option<&[u8]>,
        header: u32,
        total: u64,
        line: u32,
    ) {
        if side == Side::Server {
            return;
        }
        let facts = &mut self.told.facts;
        facts.pubs += 1;
        facts.last_pub = Some((total, self.place.mark));
        if facts.largest_pub.is_none_or(|(most, _)| total > most) {
            facts.largest_pub = Some((total, self.place.mark));
        }
        if line > facts.longest_control_line {
            facts.longest_control_line = line;
        }
        facts.headers_used |= header > 0;
        if header > 0 && facts.connect.as_ref().is_some_and(|(_, c)| !c.headers) {
            facts.headers_unannounced = true;
        }
        self.told.drain.publish(self.all_subs());
        self.told.risk.publish(subject, reply, self.place.end, self.place.una);
    }

    /// So many more deliveries like the last one.
    fn msg_again(&mut self, subject: &[u8], total: u64, times: u32) {
        let Told { facts, weights, risk, .. } = &mut *self.told;
        facts.msgs += u64::from(times);
        (0..times).for_each(|_| weights.add(subject, total));
        risk.deliver_again(subject, self.place.end, self.place.una, times);
    }

    /// So many more publishes like the last one, which wants no answer.
    fn publish_again(&mut self, subject: &[u8], times: u32) {
        self.told.facts.pubs += u64::from(times);
        self.told.risk.publish_again(subject, self.place.end, self.place.una, times);
    }

    fn ping(&mut self, side: Side) {
        let mark = self.place.mark;
        if side == Side::Client {
            self.told.risk.ping();
            self.told.drain.ping(self.all_subs(), mark.at);
        }
        let ping = &mut self.told.facts.pings[side];
        if let Some(last) = ping.last {
            let gap = mark.at - last.at;
            if gap > Span::millis(500) && ping.interval.is_none_or(|i| gap < i) {
                ping.interval = Some(gap);
            }
        }
        ping.sent += 1;
        ping.last = Some(mark);
        ping.unanswered += 1;
        ping.first_unanswered.get_or_insert(mark);
        let times = &mut self.told.ping_times[side];
        if times.len() < 64 {
            if times.capacity() == 0 {
                // Mostly it is the only one.
                times.reserve_exact(1);
            }
            times.push_back(mark);
        }
    }

    fn pong(&mut self, side: Side) {
        if side == Side::Server {
            self.accepted();
            self.told.risk.pong();
        }
        let asked = side.other();
        let ping = &mut self.told.facts.pings[asked];
        if let Some(sent) = self.told.ping_times[asked].pop_front() {
            let at = self.place.mark.at;
            let took = at - sent.at;
            if ping.slowest_pong.is_none_or(|s| took > s) {
                ping.slowest_pong = Some(took);
            }
            if ping.quickest_pong.is_none_or(|q| took < q) {
                ping.quickest_pong = Some(took);
            }
            if side == Side::Server {
                self.told.pongs = Some(match self.told.pongs.filter(|p| at - p.at < IN_ONE_FLIGHT) {
                    Some(p) => Pongs { count: p.count.saturating_add(1), at, ..p },
                    None => Pongs { asked: sent, at, count: 1 },
                });
                self.told.news.get_or_insert_default().pong = Some(took);
            }
        }
        ping.unanswered = ping.unanswered.saturating_sub(1);
        ping.first_unanswered = self.told.ping_times[asked].front().copied();
        if ping.unanswered == 0 {
            ping.first_unanswered = None;
        }
        let last = ping.unanswered == 0;
        if side == Side::Server {
            self.told.drain.pong(last, self.place.mark.at);
        }
    }

    fn error(&mut self, from: Side, text: &[u8]) {
        let errors = &mut self.told.facts.errors;
        if errors.len() >= ERRORS_MAX {
            errors.remove(ERRORS_MAX / 2);
        }
        errors.push(ErrorText { mark: self.place.mark, from, text: printable(text, TEXT_MAX) });
    }

    fn info(&mut self, side: Side, said: Option<&Arc<Info>>) {
        let Some(info) = said else { return };
        let mark = self.place.mark;
        let facts = &mut self.told.facts;
        facts.infos += 1;
        if side == Side::Client {
            if facts.client_info.is_none()
                && facts.info.is_none()
                && facts.connect.is_none()
                && !info.server_id.is_empty()
            {
                self.told.news.get_or_insert_default().swapped = true;
            }
            facts.client_info.get_or_insert_with(|| (mark, Arc::clone(info)));
            return;
        }
        if info.ldm && facts.lame_duck.is_none() {
            facts.lame_duck = Some(mark);
            self.told.news.get_or_insert_default().lame_duck = true;
        }
        if facts.info.is_none() {
            facts.info = Some((mark, Arc::clone(info)));
            self.told.news.get_or_insert_default().info = true;
        } else if !info.connect_urls.is_empty() && facts.announced() != info.connect_urls {
            facts.connect_urls = Some(info.connect_urls.iter().take(URLS_MAX).cloned().collect());
        }
        if info.connect_info {
            self.accepted();
        }
    }

    fn connect(&mut self, said: Option<&Arc<Connect>>) {
        let Some(connect) = said else {
            self.told.facts.connect_unreadable.get_or_insert(self.place.mark);
            return;
        };
        self.told.verbose = connect.verbose;
        self.told.facts.connect.get_or_insert_with(|| (self.place.mark, shortened(connect)));
    }

    fn tls(&mut self, side: Side, record: TlsRecord<'_>) {
        let mark = self.place.mark;
        let first = self.told.facts.info.is_none();
        let tls =
            self.told.facts.tls.get_or_insert_with(|| Box::new(TlsFacts { first, ..TlsFacts::default() }));
        tls.close_notify[side] = false;
        // What was taken for a goodbye was none: its sender goes on.
        tls.first_notify = tls.first_notify.filter(|n| n.0 != side);
        match record {
            TlsRecord::ClientHello { sni } => {
                tls.client_hello.get_or_insert(mark);
                tls.sni = sni.map(|s| s.chars().take(TEXT_MAX).collect());
            }
            TlsRecord::ServerHello { version } => {
                tls.server_hello.get_or_insert(mark);
                tls.version = Some(version);
            }
            TlsRecord::Alert { level, description } => {
                if tls.alerts.len() < 4 {
                    tls.alerts.push(TlsAlert { mark, from: side, level, description });
                }
                tls.close_notify[side] = description == 0;
            }
            TlsRecord::EncryptedAlert { .. } => tls.close_notify[side] = true,
            TlsRecord::Data { len } => {
                tls.records[side] = tls.records[side].saturating_add(1);
                // TLS 1.3 hides an alert (2 octets, type, tag) in a 19-octet record; no NATS flush is that short but PING and PONG.
                tls.close_notify[side] = len == 19;
                if tls.records.client > 1 && tls.records.server > 1 && !tls.established {
                    tls.established = true;
                    self.told.news.get_or_insert_default().accepted = true;
                }
            }
            TlsRecord::ChangeCipherSpec => {}
        }
        if tls.close_notify[side] {
            tls.first_notify.get_or_insert((side, mark));
        }
    }

    fn mqtt(&mut self, packet: MqttPacket<'_>) {
        let mqtt = self.told.facts.mqtt.get_or_insert_with(|| Box::new(MqttFacts::default()));
        match packet {
            MqttPacket::Connect { client_id, keepalive, .. } => {
                mqtt.client_id = Some(printable(client_id, TEXT_MAX));
                mqtt.keepalive_s = Some(keepalive);
            }
            MqttPacket::Connack { code } => {
                mqtt.connack = Some(code);
                self.told.news.get_or_insert_default().accepted |= code == 0;
            }
            MqttPacket::Disconnect => mqtt.disconnect = true,
            _ => {}
        }
    }
}

/// At most `max` characters, control characters escaped.
fn printable(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(bytes).chars().take(max).map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// With texts of bounded length.
fn shortened(connect: &Arc<Connect>) -> Arc<Connect> {
    let mut short = Arc::clone(connect);
    let texts = [&connect.name, &connect.lang, &connect.version, &connect.user];
    if texts.iter().any(|text| text.len() > TEXT_MAX) {
        let short = Arc::make_mut(&mut short);
        for text in [&mut short.name, &mut short.lang, &mut short.version, &mut short.user] {
            truncate(text, TEXT_MAX);
        }
    }
    short
}

fn truncate(text: &mut EcoString, max: usize) {
    if text.len() > max && text.chars().count() > max {
        *text = text.chars().take(max).collect();
    }
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
