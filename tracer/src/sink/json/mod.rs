//! JSON: one object a line, as the contract says. What isn't known is left out.
mod compare;
mod known;
mod write;

pub use compare::compare_json;

use super::Sink;
use crate::base::{Side, community_id};
use crate::event::{
    Cause, CloseReport, Event, Facts, Family, Joint, NatsFacts, Notice, Protocol, Reconnect, Summary,
};
use crate::nats::Info;
use ecow::EcoString;
use std::collections::BTreeMap;
use std::io::{self, Write};
use write::{Key, Writer, key, whole_millis};

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
                w.word(key!("type"), "reconnect");
                w.time(key!("ts"), *at);
                flow_ref(w, reconnect.flow);
                w.num(key!("after"), *after);
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
    w.known(r#""type":"close","#);
    w.time(key!("ts"), report.close.at);
    w.num(key!("flow", "id"), report.flow);
    w.octets(key!("community_id"), &community_id(facts.client, facts.server));
    if let Some(iface) = &facts.iface {
        w.str(key!("iface"), iface);
    }
    w.known(r#""transport":"tcp","#);
    if let Some(other) = &report.other_leg {
        w.object(key!("other_leg"));
        w.num(key!("id"), other.flow);
        w.word(key!("joint"), if other.joint == Joint::Nat { "nat" } else { "proxy" });
        w.word(key!("of"), other.at.name());
        w.end();
    }
    w.end();
    for side in Side::BOTH {
        end(w, facts, side);
    }
    w.time(key!("start"), facts.start.at);
    w.millis(key!("duration_ms"), report.close.at - facts.start.at);
    w.word(key!("handshake"), facts.handshake.name());
    w.word(key!("close", "kind"), report.close.kind.name());
    w.word(key!("side"), report.close.side.name());
    if let Some(detail) = report.close.detail {
        w.word(key!("detail"), detail);
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
    let key = match side {
        Side::Client => key!("client", "address"),
        Side::Server => key!("server", "address"),
    };
    w.endpoint_by(key, facts.endpoint(side));
    if !facts.frameless() {
        w.num(key!("bytes"), facts.tcp[side].bytes);
        w.num(key!("packets"), facts.tcp[side].packets);
    }
    match side {
        Side::Client => client(w, nats),
        Side::Server => {
            if let Some((_, info)) = &nats.info {
                server(w, info);
            }
        }
    }
    if let Some(process) = facts.host.as_ref().and_then(|h| h.ends[side].process.as_ref()) {
        w.object(key!("process"));
        w.num(key!("pid"), process.pid.into());
        w.str(key!("name"), &process.name);
        w.end();
        if let Some(id) = &process.container {
            w.object(key!("container"));
            w.str(key!("id"), id);
            w.end();
        }
    }
    w.end();
}

fn server(w: &mut Writer, info: &Info) {
    if w.servers.put(info, &mut w.buf) {
        return;
    }
    let from = w.buf.len();
    w.str_if(key!("id"), &info.server_id);
    w.str_if(key!("name"), &info.server_name);
    w.str_if(key!("version"), &info.version);
    w.servers.keep(info, w.buf.get(from..).unwrap_or_default());
}

/// A client says who it is in CONNECT; a server that dials (routes, leafs) also in its own INFO.
fn client(w: &mut Writer, nats: &NatsFacts) {
    let connect = nats.connect.as_ref().map(|(_, connect)| &**connect);
    let dialling = nats.client_info.as_ref().map(|(_, info)| &**info);
    if connect.is_none() && dialling.is_none() {
        return;
    }
    w.text_if(key!("id"), first(dialling.map(|i| &i.server_id), connect.map(|c| &c.server_id)));
    w.text_if(key!("name"), first(connect.map(|c| &c.name), dialling.map(|i| &i.server_name)));
    w.text_if(key!("lang"), first(connect.map(|c| &c.lang), None));
    w.text_if(key!("version"), first(connect.map(|c| &c.version), dialling.map(|i| &i.version)));
    w.text_if(key!("user"), first(connect.map(|c| &c.user), connect.map(|c| &c.nkey)));
}

/// The first that says something.
fn first<'a>(a: Option<&'a EcoString>, b: Option<&'a EcoString>) -> &'a str {
    [a, b].into_iter().flatten().find(|text| !text.is_empty()).map_or("", |text| text)
}

fn cause(w: &mut Writer, report: &CloseReport) {
    let Cause { code, family, summary, confidence, evidence, fix, also, why_not } = &report.cause;
    w.word(key!("cause", "code"), code);
    w.word(key!("family"), family.name());
    w.text(key!("summary"), summary);
    w.confidence(*confidence);
    w.array(key!("evidence"));
    for item in if evidence.is_empty() { &report.close.evidence } else { evidence } {
        w.element();
        if let Some(at) = item.at {
            w.time(key!("ts"), at);
        }
        if let Some(frame) = item.frame {
            w.num(key!("capture"), frame.capture().into());
            w.num(key!("packet"), frame.number());
        }
        w.word(key!("source"), item.source.name());
        w.text(key!("text"), &item.text);
        w.end();
    }
    w.end_array();
    texts(w, key!("fix"), fix);
    if !also.is_empty() {
        w.array(key!("also"));
        for (code, confidence) in also {
            w.element();
            w.word(key!("code"), code);
            w.confidence(*confidence);
            w.end();
        }
        w.end_array();
    }
    texts(w, key!("why_not"), why_not);
    w.end();
}

fn texts(w: &mut Writer, key: impl Key, lines: &[impl AsRef<str>]) {
    if !lines.is_empty() {
        w.array(key);
        for line in lines {
            w.item(line.as_ref());
        }
        w.end_array();
    }
}

fn tcp(w: &mut Writer, facts: &Facts) {
    let (client, server) = (&facts.tcp.client, &facts.tcp.server);
    w.object(key!("tcp"));
    if facts.frameless() {
        // The kernel's records count retransmissions of this host's ends, nothing else.
        w.object(key!("retransmits"));
        for side in Side::BOTH {
            if facts.host.as_ref().is_some_and(|h| h.ends[side].here) {
                w.num(side.name(), facts.tcp[side].retransmits.into());
            }
        }
        w.end();
        return w.end();
    }
    if let Some(rtt) = facts.rtt {
        w.num(key!("rtt_us", "min"), rtt.min_us);
        w.num(key!("median"), rtt.median_us);
        w.num(key!("max"), rtt.max_us);
        w.end();
    }
    let figures = [
        (key!("retransmits", "client"), client.retransmits.into(), server.retransmits.into()),
        (key!("unacked_bytes", "client"), client.unacked_bytes, server.unacked_bytes),
        (
            key!("zero_window_ms", "client"),
            whole_millis(client.zero_window.total),
            whole_millis(server.zero_window.total),
        ),
        (key!("missing_bytes", "client"), client.missing_bytes, server.missing_bytes),
    ];
    // Mostly there is nothing to tell.
    if figures.iter().all(|&(_, client, server)| client | server == 0) {
        w.known(concat!(
            r#""retransmits":{"client":0,"server":0},"unacked_bytes":{"client":0,"server":0},"#,
            r#""zero_window_ms":{"client":0,"server":0},"missing_bytes":{"client":0,"server":0},"#
        ));
        return w.end();
    }
    for (key, client, server) in figures {
        w.num(key, client);
        w.num(key!("server"), server);
        w.end();
    }
    w.end();
}

/// Counts are given where operations could be read: not under TLS, not where the protocol isn't known.
fn nats(w: &mut Writer, nats: &NatsFacts, frameless: bool) {
    let counted = nats.pubs + nats.msgs + nats.subs > 0 || readable(nats);
    w.word(key!("nats", "protocol"), nats.protocol.name());
    if frameless {
        return w.end();
    }
    w.bool(key!("tls"), nats.tls.is_some() || nats.protocol == Protocol::Tls);
    if counted {
        w.num(key!("pubs"), nats.pubs);
        w.num(key!("msgs"), nats.msgs);
        w.num(key!("subs"), nats.subs);
    }
    if counted || !nats.errors.is_empty() {
        w.array(key!("errors"));
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
    w.object(key!("at_risk"));
    for (key, n) in counts {
        w.num(key, n);
    }
    w.array(key!("subjects"));
    for subject in &risk.subjects {
        w.item(subject);
    }
    w.end_array();
    w.end();
}

fn became(w: &mut Writer, reconnect: &Reconnect, with_flow: bool) {
    w.num(key!("reconnect", "attempts"), reconnect.attempts.into());
    if let Some(interval) = reconnect.interval {
        w.whole_millis(key!("interval_ms"), interval);
    }
    if let Some(pace) = reconnect.pace {
        w.word(key!("backoff"), pace.name());
    }
    if let Some((shortest, longest)) = reconnect.gaps {
        w.whole_millis(key!("shortest_gap_ms"), shortest);
        w.whole_millis(key!("longest_gap_ms"), longest);
    }
    w.word(key!("outcome"), reconnect.outcome.name());
    if let Some(downtime) = reconnect.downtime {
        w.whole_millis(key!("downtime_ms"), downtime);
    }
    if let Some(detect) = reconnect.detect {
        w.whole_millis(key!("detect_ms"), detect);
    }
    if let Some(changed) = reconnect.server_changed {
        w.bool(key!("server_changed"), changed);
    }
    if !reconnect.servers.is_empty() {
        w.array(key!("servers_tried"));
        for tried in &reconnect.servers {
            w.element();
            w.endpoint(tried.server);
            w.num(key!("attempts"), tried.attempts.into());
            w.word(key!("outcome"), tried.outcome.name());
            if tried.announced {
                w.bool(key!("announced"), true);
            }
            w.end();
        }
        w.end_array();
    }
    if let Some((before, restored)) = reconnect.subscriptions {
        w.num(key!("subscriptions_before"), before);
        w.num(key!("subscriptions_restored"), restored);
    }
    if with_flow {
        flow_ref(w, reconnect.flow);
    }
    w.end();
}

fn flow_ref(w: &mut Writer, flow: Option<u64>) {
    if let Some(id) = flow {
        w.object(key!("flow"));
        w.num(key!("id"), id);
        w.end();
    }
}

fn told(w: &mut Writer, notice: &Notice) {
    w.word(key!("type"), "event");
    w.time(key!("ts"), notice.at);
    w.object(key!("event"));
    w.word(key!("code"), notice.code.name());
    w.end();
    w.text(key!("message"), &notice.message);
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
            w.num(*word, *n);
        }
        w.end();
    };
    w.word(key!("type"), "summary");
    w.time(key!("ts"), counts.at);
    w.num(key!("schema"), 1);
    w.num(key!("packets"), counts.packets);
    w.num(key!("bytes"), counts.bytes);
    w.object(key!("connections"));
    w.num(key!("seen"), counts.seen);
    w.num(key!("closed"), counts.closed);
    w.num(key!("open"), counts.open);
    w.num(key!("evicted"), counts.evicted);
    w.end();
    w.object(key!("closes"));
    by(w, "kind", &counts.kinds);
    by(w, "side", &counts.sides);
    by(w, "cause", &counts.causes);
    w.end();
    if counts.kernel_records > 0 {
        w.num(key!("kernel_records"), counts.kernel_records);
    }
    w.num(key!("capture_lost_packets"), counts.capture_lost_packets);
    w.num(key!("elapsed_ms"), counts.elapsed_ms);
}

#[cfg(test)]
mod tests;
