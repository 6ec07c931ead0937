//! One event of each type with every field set, for the tests of the sinks.
use super::Sink;
use crate::base::{Addr, Endpoint, PerSide, Side, Span, Timestamp};
use crate::event::{
    AtRisk, Cause, Close, CloseReport, ErrorText, Event, Evidence, Facts, Family, FrameRef, Handshake, Kind,
    Mark, NatsFacts, Notice, NoticeCode, Party, PingFacts, Protocol, Reconnect, ReconnectOutcome, Rtt,
    Source, Summary, TcpFacts, Vantage, ZeroWindow,
};
use crate::nats::{Connect, Info};
use std::io;
use std::sync::Arc;

/// 2026-11-22T12:03:14.120456Z.
pub(super) const END: Timestamp = Timestamp(1_795_348_994_120_456_000);

/// Keeps what it is given.
#[derive(Default)]
pub(super) struct Kept(pub Vec<Event>);

impl Sink for Kept {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.0.push(event.clone());
        Ok(())
    }
}

impl Kept {
    /// A word for each event.
    pub(super) fn labels(&self) -> Vec<String> {
        let label = |event: &Event| match event {
            Event::Close(report) => format!("close {}", report.flow),
            Event::Reconnect { after, .. } => format!("reconnect {after}"),
            Event::Notice(_) => "notice".to_owned(),
            Event::Summary(_) => "summary".to_owned(),
        };
        self.0.iter().map(label).collect()
    }
}

pub(super) fn mark(before_end: Span, number: u64) -> Mark {
    Mark { at: END - before_end, frame: FrameRef::new(0, number) }
}

/// A slow consumer with everything known.
pub(super) fn report() -> CloseReport {
    CloseReport {
        flow: 12,
        facts: Box::new(facts()),
        close: fin(Party::Server),
        cause: cause(),
        reconnect: Some(back()),
        other_leg: None,
        known: None,
    }
}

pub(super) fn close() -> Event {
    Event::Close(Box::new(report()))
}

/// A client that closed in good order: little is known.
pub(super) fn quiet_report() -> CloseReport {
    let mut report = report();
    report.flow = 13;
    report.close = Close { detail: None, ..fin(Party::Client) };
    let facts = &mut report.facts;
    *facts.nats = NatsFacts::default();
    facts.rtt = None;
    facts.iface = None;
    facts.tcp = PerSide::default();
    facts.client = Endpoint { addr: "2001:db8::7".parse::<std::net::IpAddr>().unwrap().into(), port: 40000 };
    facts.server = Endpoint { addr: "2001:db8::5".parse::<std::net::IpAddr>().unwrap().into(), port: 4222 };
    report.cause = Cause {
        code: "client_closed",
        family: Family::Normal,
        summary: "the client closed the connection in good order".into(),
        confidence: 1.0,
        evidence: vec![Evidence::packet(
            mark(Span::ZERO, 9),
            "the client sent FIN first and nothing was owed",
        )],
        fix: Vec::new(),
        also: Vec::new(),
        why_not: Vec::new(),
    };
    report.reconnect = None;
    report
}

pub(super) fn quiet_close() -> Event {
    Event::Close(Box::new(quiet_report()))
}

pub(super) fn reconnect(after: u64) -> Event {
    Event::Reconnect { at: END + Span::millis(6100), after, reconnect: back() }
}

pub(super) fn notice(flow: Option<u64>) -> Event {
    Event::Notice(Notice {
        at: END,
        code: NoticeCode::ReconnectStorm,
        message: "billing (10.0.0.7) tried 20 times in 10 s".into(),
        flow,
        client: Some(facts().client),
        server: None,
    })
}

pub(super) fn summary() -> Event {
    Event::Summary(Box::new(Summary {
        at: END,
        packets: 12_034,
        bytes: 3_400_000,
        seen: 6,
        closed: 4,
        open: 2,
        evicted: 0,
        kinds: [("fin", 3), ("timeout", 1)].into(),
        sides: [("server", 3), ("client", 1)].into(),
        causes: [("slow_consumer", 3), ("client_closed", 1)].into(),
        clients: vec![("10.0.0.7 billing".into(), 3), ("10.0.0.9".into(), 1)],
        kernel_records: 0,
        capture_lost_packets: 3,
        elapsed_ms: 210,
    }))
}

fn back() -> Reconnect {
    Reconnect {
        attempts: 3,
        interval: Some(Span::millis(2000)),
        outcome: ReconnectOutcome::Reconnected,
        downtime: Some(Span::millis(6100)),
        server_changed: Some(true),
        flow: Some(40),
        ..Reconnect::default()
    }
}

fn fin(side: Party) -> Close {
    Close {
        kind: Kind::Fin,
        side,
        detail: Some("fin_behind_queued_data"),
        confidence: 0.97,
        at: END,
        evidence: Vec::new(),
    }
}

fn cause() -> Cause {
    let kernel = |text: &'static str| Evidence {
        at: Some(END),
        frame: None,
        source: Source::Kernel,
        text: text.into(),
    };
    Cause {
        code: "slow_consumer",
        family: Family::SlowConsumer,
        summary: "n1 (10.0.0.5:4222) dropped billing (10.0.0.7:51234), which did not read for 10.1 s".into(),
        confidence: 0.93,
        evidence: vec![
            Evidence::packet(
                mark(Span::millis(10_100), 1017),
                "client's receive window was 0 for 10.1 s (write_deadline is 10 s by default)",
            ),
            kernel("nats-server (pid 4) closed the socket with 2.6 MB unsent"),
            Evidence::packets("billing was sent 41 messages on orders.new that it never acknowledged"),
            Evidence::packets("a fourth fact"),
        ],
        fix: vec![
            "let billing read faster: move the work out of the message callback".into(),
            "or raise write_deadline on n1 (10.0.0.5:4222) from 10 s".into(),
        ],
        also: vec![("stale_client", 0.2)],
        why_not: vec!["not the network: 10.0.0.7 acknowledged every segment within 1 ms".into()],
    }
}

fn nats() -> NatsFacts {
    let info = Info {
        server_id: "NBSERVERID".into(),
        server_name: "n1".into(),
        version: "2.15.1".into(),
        ..Info::default()
    };
    let connect = Connect {
        name: "billing".into(),
        lang: "go".into(),
        version: "1.31.0".into(),
        user: "orders".into(),
        ..Connect::default()
    };
    let error = ErrorText {
        mark: mark(Span::secs(5), 900),
        from: Side::Server,
        text: "Permissions Violation for Publish to \"a\"".into(),
    };
    NatsFacts {
        protocol: Protocol::Client,
        info: Some((mark(Span::secs(60), 4), Arc::new(info))),
        connect: Some((mark(Span::secs(60), 5), Arc::new(connect))),
        errors: vec![error],
        pubs: 10,
        msgs: 200,
        subs: 3,
        pings: PerSide {
            client: PingFacts::default(),
            server: PingFacts { unanswered: 1, ..PingFacts::default() },
        },
        at_risk: AtRisk {
            publishes: 2,
            publishes_unconfirmed: 5,
            deliveries: 41,
            requests: 1,
            jetstream_publishes: 1,
            bytes: 70_112,
            subjects: vec!["orders.new".into()],
        }
        .into(),
        ..NatsFacts::default()
    }
}

fn facts() -> Facts {
    let start = Timestamp(END.0 - 3_794_120_455_000);
    let tcp = |packets, bytes| TcpFacts { packets, bytes, ..TcpFacts::default() };
    Facts {
        first_frame: 1,
        client: Endpoint { addr: Addr::v4([10, 0, 0, 7]), port: 51234 },
        server: Endpoint { addr: Addr::v4([10, 0, 0, 5]), port: 4222 },
        roles_certain: true,
        iface: Some("eth0".into()),
        start: Mark { at: start, frame: FrameRef::default() },
        last: mark(Span::ZERO, 1033),
        handshake: Handshake::Complete,
        established: Some(start),
        syn_to_synack: None,
        synack_to_ack: None,
        tcp: PerSide {
            client: TcpFacts {
                zero_window: ZeroWindow { total: Span::millis(10_100), ..ZeroWindow::default() }.into(),
                ..tcp(40, 1234)
            },
            server: TcpFacts { retransmits: 3, unacked_bytes: 65_160, missing_bytes: 7, ..tcp(380, 99_000) },
        },
        rtt: Some(Rtt { min_us: 180, median_us: 240, max_us: 9000 }),
        icmp: Vec::new(),
        vantage: Vantage::Server,
        nats: Box::new(nats()),
        capture_loss: false,
        input_ended: false,
        longest_idle: Span::ZERO,
        lived_through: Span::ZERO,
        quiet_lived_through: Span::ZERO,
        first_goodbye: Some((Side::Server, FrameRef::default())),
        ended: Timestamp(0),
        ended_by: crate::event::EndedBy::Goodbye,
        ignored_resets: 0,
        host: None,
    }
}
