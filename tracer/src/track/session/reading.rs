//! What each operation tells of a session.
use super::{Place, Pongs, Told};
use crate::base::{Side, Span};
use crate::event::{ErrorText, MqttFacts, ProxySign, TlsAlert, TlsFacts, WsClose};
use crate::nats::{Connect, Hellos, Info, Listener, MqttPacket, Op, TlsRecord};
use ecow::EcoString;
use std::sync::Arc;

/// `-ERR` lines kept.
const ERRORS_MAX: usize = 16;
/// Servers kept of a later INFO.
const URLS_MAX: usize = 64;
/// Characters kept of any text.
const TEXT_MAX: usize = 256;
/// PONGs closer together than this came in one flight.
const IN_ONE_FLIGHT: Span = Span::millis(5);

/// What is told while operations come in.
pub(super) struct Reading<'a> {
    pub told: &'a mut Told,
    pub hellos: &'a mut Hellos,
    pub place: Place,
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
