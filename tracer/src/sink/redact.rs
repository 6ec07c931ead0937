//! `--redact`: addresses, names, users and subjects leave as tokens. The same thing has the same token throughout a run,
//! and another one in the next. An address stays an address, out of ranges nobody uses (240.0.0.0/4, 2001:db8::/32), so
//! that readers of the output still parse it and the community id is that of the tokens. Ports stay.
mod compare;

pub use compare::redacted;

use super::Sink;
use crate::base::{Addr, Endpoint};
use crate::event::{CloseReport, Event, Facts, KnownClient, Notice, NoticeCode, Reconnect, Summary};
use crate::nats::{Connect, Info};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// How many IPv4 addresses are kept apart for certain; beyond, two may share a token.
const KEPT: usize = 1_000_000;

/// Disguises what passes to the sink behind.
pub struct Redact<S> {
    inner: S,
    veil: Veil,
}

impl<S: Sink> Redact<S> {
    /// Before `inner`, with a new key.
    pub fn new(inner: S) -> Self {
        Self { inner, veil: Veil::default() }
    }
}

impl<S: Sink> Sink for Redact<S> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let veiled = match event {
            Event::Close(report) => Event::Close(Box::new(self.veil.report(report))),
            Event::Reconnect { at, after, reconnect } => {
                Event::Reconnect { at: *at, after: *after, reconnect: self.veil.reconnect(reconnect) }
            }
            Event::Notice(notice) => Event::Notice(self.veil.notice(notice)),
            Event::Summary(summary) => Event::Summary(Box::new(self.veil.summary(summary))),
        };
        self.inner.event(&veiled)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.inner.finish()
    }
}

/// Real and token, longest real first.
type Words = Vec<(String, String)>;

#[derive(Default)]
struct Veil {
    key: RandomState,
    v4: HashMap<Ipv4Addr, Ipv4Addr>,
    taken: HashSet<Ipv4Addr>,
}

impl Veil {
    fn report(&mut self, report: &CloseReport) -> CloseReport {
        let words = self.words(&report.facts, report.known.as_ref());
        let mut out = report.clone();
        self.facts(&mut out.facts, &words);
        out.reconnect = report.reconnect.as_ref().map(|r| self.reconnect(r));
        let cause = &mut out.cause;
        let evidence = cause.evidence.iter_mut().chain(&mut out.close.evidence).map(|e| &mut e.text);
        for text in evidence.chain(&mut cause.why_not) {
            *text = self.text(text, &words).into();
        }
        for text in cause.fix.iter_mut().chain([&mut cause.summary]) {
            *text = self.text(text, &words);
        }
        out
    }

    fn reconnect(&mut self, reconnect: &Reconnect) -> Reconnect {
        let mut out = reconnect.clone();
        for tried in &mut out.servers {
            tried.server = self.endpoint(tried.server);
        }
        out
    }

    fn facts(&mut self, facts: &mut Facts, words: &Words) {
        facts.client = self.endpoint(facts.client);
        facts.server = self.endpoint(facts.server);
        for icmp in &mut facts.icmp {
            icmp.from = self.addr(icmp.from);
        }
        let ends = facts.host.iter_mut().flat_map(|host| [&mut host.ends.client, &mut host.ends.server]);
        for process in ends.filter_map(|end| end.process.as_mut()) {
            if &*process.name != "nats-server" {
                process.name = self.token("process", &process.name).into();
            }
            process.container = process.container.as_ref().map(|id| self.token("container", id).into());
        }
        let nats = &mut facts.nats;
        for info in [&mut nats.info, &mut nats.client_info].into_iter().flatten() {
            info.1 = Arc::new(self.info(&info.1, words));
        }
        if let Some((_, connect)) = &mut nats.connect {
            *connect = Arc::new(self.connect(connect));
        }
        for error in &mut nats.errors {
            error.text = self.text(&error.text, words);
        }
        let heaviest = nats.heaviest.iter_mut().map(|(subject, _)| subject);
        for subject in nats.at_risk.subjects.iter_mut().chain(heaviest) {
            *subject = self.token("subject", subject);
        }
        if let Some(urls) = &mut nats.connect_urls {
            *urls = urls.iter().map(|url| self.text(url, words)).collect();
        }
        let malformed = &mut *nats.malformed;
        for (_, text) in [&mut malformed.client, &mut malformed.server].into_iter().flatten() {
            *text = self.token("text", text);
        }
        let closes = &mut *nats.ws_close;
        for close in [&mut closes.client, &mut closes.server].into_iter().flatten() {
            close.reason = self.text(&close.reason, words);
        }
        if let Some(sni) = nats.tls.as_mut().and_then(|tls| tls.sni.as_mut()) {
            *sni = self.token("host", sni);
        }
        if let Some(id) = nats.mqtt.as_mut().and_then(|mqtt| mqtt.client_id.as_mut()) {
            *id = self.token("name", id);
        }
        if let Some(from) = &mut nats.forwarded_for {
            *from = self.text(from, words);
        }
    }

    fn info(&mut self, info: &Info, words: &Words) -> Info {
        let mut out = info.clone();
        out.server_id = self.token("server", &info.server_id).into();
        out.server_name = self.token("server", &info.server_name).into();
        out.cluster = self.token("name", &info.cluster).into();
        out.gateway = self.token("name", &info.gateway).into();
        out.remote_account = self.token("name", &info.remote_account).into();
        for text in [&mut out.host, &mut out.client_ip] {
            *text = self.text(text, words).into();
        }
        for url in out.connect_urls.iter_mut().chain(&mut out.leafnode_urls) {
            *url = self.text(url, words);
        }
        out
    }

    fn connect(&self, connect: &Connect) -> Connect {
        let mut out = connect.clone();
        for (kind, text) in [
            ("name", &mut out.name),
            ("user", &mut out.user),
            ("user", &mut out.nkey),
            ("name", &mut out.cluster),
            ("name", &mut out.gateway),
            ("server", &mut out.server_id),
        ] {
            *text = self.token(kind, text).into();
        }
        out
    }

    /// A message may name clients of which nothing else is known yet: its wording is replaced, not searched.
    fn notice(&mut self, notice: &Notice) -> Notice {
        let message = match notice.code {
            NoticeCode::SlowConsumerBuilding => "a client has stopped reading",
            NoticeCode::ReconnectStorm => "many connection attempts in a short time",
            NoticeCode::ServerRestarted => "another server id answers at the same address",
            NoticeCode::LameDuckAnnounced => "the server announced that it will shut down (lame duck)",
            NoticeCode::CaptureLoss => "the capture lost packets",
            NoticeCode::AttemptsFolded => {
                "more failed attempts than are listed one by one; the summary counts them"
            }
            NoticeCode::ConnectionResumed => "a connection that was called dead spoke again",
            NoticeCode::Evicted => "a connection was forgotten for want of room",
            NoticeCode::ClockStep => "capture time jumped",
        };
        Notice {
            message: message.to_owned(),
            client: notice.client.map(|end| self.endpoint(end)),
            server: notice.server.map(|end| self.endpoint(end)),
            ..notice.clone()
        }
    }

    fn summary(&mut self, summary: &Summary) -> Summary {
        let mut out = summary.clone();
        // An address, and behind it the name where the client gave one.
        for (label, _) in &mut out.clients {
            let (address, name) = label.split_once(' ').unwrap_or((label, ""));
            let address = self.text(address, &Words::new());
            *label =
                if name.is_empty() { address } else { format!("{address} {}", self.token("name", name)) };
        }
        out
    }

    /// Everything of this connection that may be quoted in a text.
    fn words(&self, facts: &Facts, known: Option<&KnownClient>) -> Words {
        let nats = &facts.nats;
        let mut real: Vec<(&str, &str)> = Vec::new();
        if let Some((_, c)) = &nats.connect {
            real.extend([("name", &*c.name), ("user", &c.user), ("user", &c.nkey), ("name", &c.cluster)]);
            real.extend([("name", &*c.gateway), ("server", &c.server_id)]);
        }
        for (_, i) in [&nats.info, &nats.client_info].into_iter().flatten() {
            real.extend([("server", &*i.server_id), ("server", &i.server_name), ("name", &i.cluster)]);
            real.extend([("name", &*i.gateway), ("name", &i.remote_account), ("host", &i.host)]);
            let urls = i.connect_urls.iter().chain(&i.leafnode_urls);
            real.extend(urls.map(|url| ("host", url.rsplit_once(':').map_or(&**url, |(host, _)| host))));
        }
        let heaviest = nats.heaviest.iter().map(|(subject, _)| subject);
        real.extend(nats.at_risk.subjects.iter().chain(heaviest).map(|subject| ("subject", &**subject)));
        let later = nats.connect_urls.iter().flat_map(|urls| urls.iter());
        real.extend(later.map(|url| ("host", url.rsplit_once(':').map_or(&**url, |(host, _)| host))));
        real.extend(nats.tls.iter().filter_map(|tls| tls.sni.as_deref()).map(|sni| ("host", sni)));
        real.extend(nats.mqtt.iter().filter_map(|mqtt| mqtt.client_id.as_deref()).map(|id| ("name", id)));
        real.extend(nats.forwarded_for.iter().map(|from| ("host", &**from)));
        for (_, text) in [&nats.malformed.client, &nats.malformed.server].into_iter().flatten() {
            real.push(("text", text));
        }
        real.extend(known.into_iter().flat_map(|k| [("name", &*k.name), ("user", &*k.user)]));
        // The server's own name is in every fix and tells nothing.
        let ends = facts.host.iter().flat_map(|host| [&host.ends.client, &host.ends.server]);
        let processes = ends.filter_map(|end| end.process.as_ref()).map(|p| &*p.name);
        real.extend(processes.filter(|name| *name != "nats-server").map(|name| ("process", name)));
        real.retain(|(_, word)| !word.is_empty() && address(word).is_none_or(|(_, len)| len < word.len()));
        let mut words: Words =
            real.iter().map(|(kind, word)| ((*word).to_owned(), self.token(kind, word))).collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        words
    }

    /// Known words, addresses of any kind, and whatever stands in double quotes.
    fn text(&mut self, text: &str, words: &Words) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            let fresh = !text[..at].ends_with(in_word);
            let known = words.iter().find(|(word, _)| {
                rest.starts_with(&**word) && (fresh || !word.starts_with(in_word)) && ends(word, rest)
            });
            if let Some((word, token)) = known {
                out.push_str(token);
                at += word.len();
            } else if let Some((ip, len)) = address(rest).filter(|_| fresh) {
                out.push_str(&self.addr(ip.into()).to_string());
                at += len;
            } else if let Some((quoted, _)) = rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
                let token = words.iter().find(|(word, _)| word == quoted).map(|(_, token)| token.clone());
                out.push_str(&format!("\"{}\"", token.unwrap_or_else(|| self.token("subject", quoted))));
                at += quoted.len() + 2;
            } else {
                out.push(c);
                at += c.len_utf8();
            }
        }
        out
    }

    /// `name-3fa2c1d0`; nothing stays nothing.
    fn token(&self, kind: &str, real: &str) -> String {
        if real.is_empty() { String::new() } else { format!("{kind}-{:08x}", self.key.hash_one(real) as u32) }
    }

    fn endpoint(&mut self, end: Endpoint) -> Endpoint {
        Endpoint { addr: self.addr(end.addr), port: end.port }
    }

    fn addr(&mut self, addr: Addr) -> Addr {
        match addr.ip() {
            ip if ip.is_unspecified() => addr,
            IpAddr::V4(v4) => self.v4(v4).into(),
            IpAddr::V6(v6) => {
                let wide =
                    (u128::from(self.key.hash_one((v6, 0))) << 64) | u128::from(self.key.hash_one((v6, 1)));
                IpAddr::V6(Ipv6Addr::from((0x2001_0db8 << 96) | (wide >> 32))).into()
            }
        }
    }

    fn v4(&mut self, real: Ipv4Addr) -> Ipv4Addr {
        if let Some(token) = self.v4.get(&real) {
            return *token;
        }
        if self.v4.len() >= KEPT {
            self.v4.clear();
            self.taken.clear();
        }
        let mut bits = self.key.hash_one(real) as u32;
        let token = loop {
            let token = Ipv4Addr::from(0xf000_0000 | (bits & 0x0fff_ffff));
            if !token.is_broadcast() && self.taken.insert(token) {
                break token;
            }
            bits = bits.wrapping_add(1);
        };
        self.v4.insert(real, token);
        token
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `word`, found at the start of `rest`, does not go on.
fn ends(word: &str, rest: &str) -> bool {
    !word.ends_with(in_word) || !rest[word.len()..].starts_with(in_word)
}

/// An IP address at the start of a text and its length there; a port behind it is no part of it.
fn address(text: &str) -> Option<(IpAddr, usize)> {
    let run = text.find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.')).unwrap_or(text.len());
    let run = text[..run].trim_end_matches([':', '.']);
    let v4 = run
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map_or(run, |end| &run[..end])
        .trim_end_matches('.');
    if let Ok(ip) = v4.parse::<Ipv4Addr>() {
        return Some((ip.into(), v4.len()));
    }
    let full = &text[..run.len() + if text[run.len()..].starts_with("::") { 2 } else { 0 }];
    [run, full].into_iter().find_map(|run| Some((run.parse::<Ipv6Addr>().ok()?.into(), run.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Evidence, HostFacts};
    use crate::kernel::Process;
    use crate::sink::testing::{self, Kept};
    use crate::sink::{Json, Look, Text};

    const REAL: [&str; 14] = [
        "payroll",
        "0123abcd",
        "10.0.0",
        "billing",
        "n1",
        "orders",
        "NBSERVERID",
        "Publish to \"a\"",
        "2001:db8::7",
        "2001:db8::5",
        "acme",
        "s.new",
        "tenant",
        "10.9.",
    ];

    fn events() -> Vec<Event> {
        let mut report = testing::report();
        let (_, info) = report.facts.nats.info.as_mut().unwrap();
        let info = Arc::make_mut(info);
        info.connect_urls = vec!["nats.acme.example:4222".into(), "10.9.0.1:4222".into()];
        info.cluster = "tenant".into();
        report
            .cause
            .fix
            .push("try nats://nats.acme.example:4222 or [fd00::9]:4222 of tenant, 10.0.0.0/24".into());
        let mut host = HostFacts::default();
        let container = Some("0123abcd".into());
        host.ends.client.process = Some(Process { pid: 812, name: "payroll".into(), container });
        report.facts.host = Some(Box::new(host));
        report.cause.evidence.push(Evidence::packets("payroll (pid 812) closed the socket"));
        let close = Event::Close(Box::new(report));
        vec![close, testing::quiet_close(), testing::reconnect(12), testing::notice(None), testing::summary()]
    }

    fn lines(sink: &mut impl Sink) {
        for event in events() {
            sink.event(&event).unwrap();
        }
        sink.finish().unwrap();
    }

    #[test]
    fn nothing_real_is_left() {
        let (mut json, mut text) = (Vec::new(), Vec::new());
        lines(&mut Redact::new(Json::new(&mut json, false)));
        lines(&mut Redact::new(Text::new(&mut text, Look { width: 400, color: false }, false)));
        for out in [String::from_utf8(json).unwrap(), String::from_utf8(text).unwrap()] {
            for real in REAL {
                assert!(!out.contains(real), "{real} in {out}");
            }
            assert!(out.contains("240.") || out.contains("24") || out.contains("25"), "{out}");
            assert!(out.contains("write_deadline is 10 s by default"), "{out}");
        }
    }

    #[test]
    fn tokens_are_stable_in_a_run() {
        let mut redact = Redact::new(Kept::default());
        lines(&mut redact);
        lines(&mut redact);
        let [Event::Close(a), _, _, Event::Notice(notice), Event::Summary(s), Event::Close(b), ..] =
            &redact.inner.0[..]
        else {
            panic!("order")
        };
        assert_eq!(a.facts.client, b.facts.client);
        assert_eq!(notice.client, Some(a.facts.client));
        let name = &a.facts.nats.connect.as_ref().unwrap().1.name;
        assert!(a.cause.summary.contains(&format!("{name} ({})", a.facts.client)), "{}", a.cause.summary);
        assert_eq!(s.clients[0].0, format!("{} {name}", a.facts.client.addr));
        assert!(a.cause.evidence[2].text.contains(&a.facts.nats.at_risk.subjects[0]));
    }

    #[test]
    fn a_client_that_only_an_earlier_connection_names() {
        let mut report = testing::quiet_report();
        report.cause.summary = "billing of team orders was refused".into();
        report.known = Some(KnownClient {
            name: "billing".into(),
            user: "orders".into(),
            lang: "".into(),
            version: "".into(),
        });
        let mut json = Vec::new();
        let mut redact = Redact::new(Json::new(&mut json, false));
        redact.event(&Event::Close(Box::new(report))).unwrap();
        redact.finish().unwrap();
        drop(redact);
        let said = String::from_utf8(json).unwrap();
        assert!(
            said.contains("was refused") && !said.contains("billing") && !said.contains("orders"),
            "{said}"
        );
    }

    #[test]
    fn addresses_in_texts() {
        for (text, want) in [
            ("10.0.0.7:4222 x", Some(8)),
            ("10.0.0.7.", Some(8)),
            ("fe80::1]", Some(7)),
            ("fd00:: x", Some(6)),
            ("12:03:14", None),
            ("2.15.1", None),
            ("face", None),
        ] {
            assert_eq!(address(text).map(|(_, len)| len), want, "{text}");
        }
    }
}
