//! JSON: one object a line, as the contract says. What isn't known is left out.
mod compare;
mod write;

pub use compare::compare_json;

use super::Sink;
use crate::base::{PerSide, Side, community_id};
use crate::event::{
    Cause, CloseReport, Event, Facts, Family, Joint, NatsFacts, Notice, Protocol, Reconnect, Summary,
};
use ecow::EcoString;
use std::collections::BTreeMap;
use std::io::{self, Write};
use write::Writer;

/// Written at once when this much is gathered.
const BLOCK: usize = 64 << 10;

/// Writes events as NDJSON.
pub struct Json<W: Write> {
    out: W,
    writer: Writer,
    line_buffered: bool,
}

impl<W: Write> Json<W> {
    /// Onto `out`. `line_buffered` writes and flushes each line at once, as a live reader wants; else in blocks.
    pub fn new(out: W, line_buffered: bool) -> Self {
        Self { out, writer: Writer::default(), line_buffered }
    }

    fn write_out(&mut self) -> io::Result<()> {
        let result = self.out.write_all(&self.writer.buf);
        self.writer.buf.clear();
        result
    }
}

impl<W: Write> Sink for Json<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let w = &mut self.writer;
        w.line();
        match event {
            Event::Close(report) => close(w, report),
            Event::Reconnect { at, after, reconnect } => {
                w.word("type", "reconnect");
                w.time("ts", *at);
                flow_ref(w, reconnect.flow);
                w.num("after", *after);
                became(w, reconnect, false);
            }
            Event::Notice(notice) => told(w, notice),
            Event::Summary(counts) => summary(w, counts),
        }
        w.end_line();
        if self.line_buffered {
            self.write_out()?;
            self.out.flush()
        } else if self.writer.buf.len() >= BLOCK {
            self.write_out()
        } else {
            Ok(())
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.out.flush()
    }
}

fn close(w: &mut Writer, report: &CloseReport) {
    let facts = &*report.facts;
    w.word("type", "close");
    w.time("ts", report.close.at);
    w.object("flow");
    w.num("id", report.flow);
    w.word("community_id", &community_id(facts.client, facts.server));
    if let Some(iface) = &facts.iface {
        w.str("iface", iface);
    }
    w.word("transport", "tcp");
    if let Some(other) = &report.other_leg {
        w.object("other_leg");
        w.num("id", other.flow);
        w.word("joint", if other.joint == Joint::Nat { "nat" } else { "proxy" });
        w.word("of", other.at.name());
        w.end();
    }
    w.end();
    for side in Side::BOTH {
        end(w, facts, side);
    }
    w.time("start", facts.start.at);
    w.millis("duration_ms", report.close.at - facts.start.at);
    w.word("handshake", facts.handshake.name());
    w.object("close");
    w.word("kind", report.close.kind.name());
    w.word("side", report.close.side.name());
    if let Some(detail) = report.close.detail {
        w.word("detail", detail);
    }
    w.confidence(report.close.confidence);
    w.end();
    cause(w, report);
    tcp(w, facts);
    nats(w, &facts.nats, facts.frameless());
    at_risk(w, report);
    if let Some(reconnect) = &report.reconnect {
        became(w, reconnect, true);
    }
}

fn end(w: &mut Writer, facts: &Facts, side: Side) {
    let nats = &facts.nats;
    w.object(side.name());
    w.endpoint(facts.endpoint(side));
    if !facts.frameless() {
        w.num("bytes", facts.tcp[side].bytes);
        w.num("packets", facts.tcp[side].packets);
    }
    match side {
        Side::Client => client(w, nats),
        Side::Server => {
            if let Some((_, info)) = &nats.info {
                w.str_if("id", &info.server_id);
                w.str_if("name", &info.server_name);
                w.str_if("version", &info.version);
            }
        }
    }
    if let Some(process) = facts.host.as_ref().and_then(|h| h.ends[side].process.as_ref()) {
        w.object("process");
        w.num("pid", process.pid.into());
        w.str("name", &process.name);
        w.end();
        if let Some(id) = &process.container {
            w.object("container");
            w.str("id", id);
            w.end();
        }
    }
    w.end();
}

/// A client says who it is in CONNECT; a server that dials (routes, leafs) also in its own INFO.
fn client(w: &mut Writer, nats: &NatsFacts) {
    let connect = nats.connect.as_ref().map(|(_, connect)| &**connect);
    let dialling = nats.client_info.as_ref().map(|(_, info)| &**info);
    if connect.is_none() && dialling.is_none() {
        return;
    }
    w.text_if("id", first(dialling.map(|i| &i.server_id), connect.map(|c| &c.server_id)));
    w.text_if("name", first(connect.map(|c| &c.name), dialling.map(|i| &i.server_name)));
    w.text_if("lang", first(connect.map(|c| &c.lang), None));
    w.text_if("version", first(connect.map(|c| &c.version), dialling.map(|i| &i.version)));
    w.text_if("user", first(connect.map(|c| &c.user), connect.map(|c| &c.nkey)));
}

/// The first that says something.
fn first<'a>(a: Option<&'a EcoString>, b: Option<&'a EcoString>) -> &'a str {
    [a, b].into_iter().flatten().find(|text| !text.is_empty()).map_or("", |text| text)
}

fn cause(w: &mut Writer, report: &CloseReport) {
    let Cause { code, family, summary, confidence, evidence, fix, also, why_not } = &report.cause;
    w.object("cause");
    w.word("code", code);
    w.word("family", family.name());
    w.text("summary", summary);
    w.confidence(*confidence);
    w.array("evidence");
    for item in if evidence.is_empty() { &report.close.evidence } else { evidence } {
        w.element();
        if let Some(at) = item.at {
            w.time("ts", at);
        }
        if let Some(frame) = item.frame {
            w.num("capture", frame.capture().into());
            w.num("packet", frame.number());
        }
        w.word("source", item.source.name());
        w.text("text", &item.text);
        w.end();
    }
    w.end_array();
    texts(w, "fix", fix);
    if !also.is_empty() {
        w.array("also");
        for (code, confidence) in also {
            w.element();
            w.word("code", code);
            w.confidence(*confidence);
            w.end();
        }
        w.end_array();
    }
    texts(w, "why_not", why_not);
    w.end();
}

fn texts(w: &mut Writer, key: &str, lines: &[String]) {
    if !lines.is_empty() {
        w.array(key);
        for line in lines {
            w.item(line);
        }
        w.end_array();
    }
}

fn tcp(w: &mut Writer, facts: &Facts) {
    let both = |w: &mut Writer, key: &str, values: PerSide<u64>| {
        w.object(key);
        w.num("client", values.client);
        w.num("server", values.server);
        w.end();
    };
    let of = |read: fn(&crate::event::TcpFacts) -> u64| PerSide::from_fn(|side| read(&facts.tcp[side]));
    w.object("tcp");
    if facts.frameless() {
        // The kernel's records count retransmissions of this host's ends, nothing else.
        w.object("retransmits");
        for side in Side::BOTH {
            if facts.host.as_ref().is_some_and(|h| h.ends[side].here) {
                w.num(side.name(), facts.tcp[side].retransmits.into());
            }
        }
        w.end();
        return w.end();
    }
    if let Some(rtt) = facts.rtt {
        w.object("rtt_us");
        w.num("min", rtt.min_us);
        w.num("median", rtt.median_us);
        w.num("max", rtt.max_us);
        w.end();
    }
    both(w, "retransmits", of(|tcp| tcp.retransmits.into()));
    both(w, "unacked_bytes", of(|tcp| tcp.unacked_bytes));
    w.object("zero_window_ms");
    w.whole_millis("client", facts.tcp.client.zero_window.total);
    w.whole_millis("server", facts.tcp.server.zero_window.total);
    w.end();
    both(w, "missing_bytes", of(|tcp| tcp.missing_bytes));
    w.end();
}

/// Counts are given where operations could be read: not under TLS, not where the protocol isn't known.
fn nats(w: &mut Writer, nats: &NatsFacts, frameless: bool) {
    let counted = nats.pubs + nats.msgs + nats.subs > 0 || readable(nats);
    w.object("nats");
    w.word("protocol", nats.protocol.name());
    if frameless {
        return w.end();
    }
    w.bool("tls", nats.tls.is_some() || nats.protocol == Protocol::Tls);
    if counted {
        w.num("pubs", nats.pubs);
        w.num("msgs", nats.msgs);
        w.num("subs", nats.subs);
    }
    if counted || !nats.errors.is_empty() {
        w.array("errors");
        for error in &nats.errors {
            w.item(&error.text);
        }
        w.end_array();
    }
    if counted {
        w.num(
            "pings_unanswered",
            Side::BOTH.iter().map(|&side| u64::from(nats.pings[side].unanswered)).sum(),
        );
    }
    w.end();
}

fn readable(nats: &NatsFacts) -> bool {
    use Protocol::{Client, Gateway, Leafnode, Route, WebSocket};
    nats.tls.is_none() && matches!(nats.protocol, Client | Route | Gateway | Leafnode | WebSocket)
}

fn at_risk(w: &mut Writer, report: &CloseReport) {
    let nats = &report.facts.nats;
    let risk = &nats.at_risk;
    let counts = [
        ("publishes", risk.publishes),
        ("publishes_unconfirmed", risk.publishes_unconfirmed),
        ("deliveries", risk.deliveries),
        ("requests", risk.requests),
        ("jetstream_publishes", risk.jetstream_publishes),
        ("bytes", risk.bytes),
    ];
    let any = counts.iter().any(|(_, n)| *n > 0);
    if !any && (report.cause.family == Family::Normal || !readable(nats)) {
        return;
    }
    w.object("at_risk");
    for (key, n) in counts {
        w.num(key, n);
    }
    w.array("subjects");
    for subject in &risk.subjects {
        w.item(subject);
    }
    w.end_array();
    w.end();
}

fn became(w: &mut Writer, reconnect: &Reconnect, with_flow: bool) {
    w.object("reconnect");
    w.num("attempts", reconnect.attempts.into());
    if let Some(interval) = reconnect.interval {
        w.whole_millis("interval_ms", interval);
    }
    if let Some(pace) = reconnect.pace {
        w.word("backoff", pace.name());
    }
    if let Some((shortest, longest)) = reconnect.gaps {
        w.whole_millis("shortest_gap_ms", shortest);
        w.whole_millis("longest_gap_ms", longest);
    }
    w.word("outcome", reconnect.outcome.name());
    if let Some(downtime) = reconnect.downtime {
        w.whole_millis("downtime_ms", downtime);
    }
    if let Some(detect) = reconnect.detect {
        w.whole_millis("detect_ms", detect);
    }
    if let Some(changed) = reconnect.server_changed {
        w.bool("server_changed", changed);
    }
    if !reconnect.servers.is_empty() {
        w.array("servers_tried");
        for tried in &reconnect.servers {
            w.element();
            w.endpoint(tried.server);
            w.num("attempts", tried.attempts.into());
            w.word("outcome", tried.outcome.name());
            if tried.announced {
                w.bool("announced", true);
            }
            w.end();
        }
        w.end_array();
    }
    if let Some((before, restored)) = reconnect.subscriptions {
        w.num("subscriptions_before", before);
        w.num("subscriptions_restored", restored);
    }
    if with_flow {
        flow_ref(w, reconnect.flow);
    }
    w.end();
}

fn flow_ref(w: &mut Writer, flow: Option<u64>) {
    if let Some(id) = flow {
        w.object("flow");
        w.num("id", id);
        w.end();
    }
}

fn told(w: &mut Writer, notice: &Notice) {
    w.word("type", "event");
    w.time("ts", notice.at);
    w.object("event");
    w.word("code", notice.code.name());
    w.end();
    w.text("message", &notice.message);
    flow_ref(w, notice.flow);
    for (key, end) in [("client", notice.client), ("server", notice.server)] {
        if let Some(end) = end {
            w.object(key);
            w.endpoint(end);
            w.end();
        }
    }
}

fn summary(w: &mut Writer, counts: &Summary) {
    let by = |w: &mut Writer, key: &str, map: &BTreeMap<&'static str, u64>| {
        w.object(key);
        for (word, n) in map {
            w.num(word, *n);
        }
        w.end();
    };
    w.word("type", "summary");
    w.time("ts", counts.at);
    w.num("schema", 1);
    w.num("packets", counts.packets);
    w.num("bytes", counts.bytes);
    w.object("connections");
    w.num("seen", counts.seen);
    w.num("closed", counts.closed);
    w.num("open", counts.open);
    w.num("evicted", counts.evicted);
    w.end();
    w.object("closes");
    by(w, "kind", &counts.kinds);
    by(w, "side", &counts.sides);
    by(w, "cause", &counts.causes);
    w.end();
    if counts.kernel_records > 0 {
        w.num("kernel_records", counts.kernel_records);
    }
    w.num("capture_lost_packets", counts.capture_lost_packets);
    w.num("elapsed_ms", counts.elapsed_ms);
}

#[cfg(test)]
mod tests;
