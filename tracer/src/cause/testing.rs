//! Finished cases made by hand: a healthy session of a Go client, bent by each rule's cases into what they need.
pub use super::Case;
use super::verdict::fires_in_vain;
use super::{Judgement, RULES, Settings, Symptoms, judge, weigh};
pub use crate::base::{Addr, Endpoint, PerSide, Side, Span, Timestamp};
pub use crate::event::*;
pub use crate::nats::{Connect, Info};
use std::sync::Arc;

/// When the scene's connection begins.
pub const T0: Timestamp = Timestamp(1_795_348_994_000_000_000);

/// An owned case and what is expected of the rule it belongs to.
pub struct Scene {
    /// What was seen.
    pub facts: Facts,
    /// How it ended.
    pub close: Close,
    /// What happened around it.
    pub around: Around,
    /// Server settings.
    pub settings: Settings,
    /// The rule wins; else it must stay silent.
    pub fires: bool,
}

/// A mark that long after the beginning.
pub fn mark(ms: i64) -> Mark {
    let number = u64::try_from(ms).unwrap_or(0) + 1;
    Mark { at: T0 + Span::millis(ms), frame: FrameRef::new(0, number) }
}

/// A segment not answered since `ms`.
pub fn unanswered(owed: Owed, ms: i64) -> Unanswered {
    Unanswered {
        owed,
        first: mark(ms),
        last: mark(ms + 60_000),
        repeats: 8,
        backoff: true,
        segment_len: 120,
        peer_spoke: 0,
        peer_last: None,
        smaller_pass: false,
    }
}

/// A reset with nothing odd about it.
pub fn reset(ms: i64) -> ResetFacts {
    ResetFacts {
        ttl: 64,
        mark: mark(ms),
        has_ack: true,
        ttl_delta: 0,
        ttl_known: true,
        ip_id_jump: false,
        seq_off: Some(0),
        answers: None,
        after_fin: false,
        count: 1,
        sender_went_on: 0,
        into_hole: false,
        payload: false,
        idle_before: Span::millis(3),
    }
}

/// When the standard scene ends, in ms.
pub const END: i64 = 60_000;

fn tcp(ms: i64) -> TcpFacts {
    TcpFacts {
        packets: 200,
        bytes: 40_000,
        first: Some(mark(0)),
        last: Some(mark(ms)),
        last_data: Some(mark(ms - 500)),
        last_progress: Some(mark(ms)),
        ttl: Some(64),
        largest_segment: 900,
        ..TcpFacts::default()
    }
}

/// A Go client on a current server.
fn session() -> NatsFacts {
    NatsFacts {
        protocol: Protocol::Client,
        info: Some((
            mark(1),
            Arc::new(Info {
                server_id: "NB1".into(),
                server_name: "n1".into(),
                version: "2.15.1".into(),
                max_payload: 1 << 20,
                headers: true,
                ..Info::default()
            }),
        )),
        infos: 2,
        connect: Some((
            mark(2),
            Arc::new(Connect {
                name: "billing".into(),
                lang: "go".into(),
                version: "1.53.1".into(),
                headers: true,
                ..Connect::default()
            }),
        )),
        accepted: Some(mark(3)),
        first_byte: PerSide { client: Some(mark(2)), server: Some(mark(1)) },
        pubs: 10,
        msgs: 200,
        subs: 3,
        ..NatsFacts::default()
    }
}

/// So many octets of an end's words, that long after the beginning, were not captured.
pub fn unseen(octets: u32, ms: i64) -> Unseen {
    Unseen { octets: u64::from(octets), last: Some(mark(ms)), last_octets: octets, ..Unseen::default() }
}

impl Scene {
    /// 10.0.0.7:51234 → 10.0.0.5:4222, one minute of work, closed by the client's FIN.
    pub fn new() -> Self {
        let facts = Facts {
            first_frame: 1,
            client: Endpoint { addr: Addr::v4([10, 0, 0, 7]), port: 51234 },
            server: Endpoint { addr: Addr::v4([10, 0, 0, 5]), port: 4222 },
            roles_certain: true,
            iface: None,
            start: mark(0),
            last: mark(END),
            handshake: Handshake::Complete,
            established: Some(T0),
            syn_to_synack: Some(Span::micros(200)),
            synack_to_ack: Some(Span::micros(50)),
            tcp: PerSide { client: tcp(END), server: tcp(END) },
            rtt: Some(Rtt { min_us: 180, median_us: 240, max_us: 900 }),
            icmp: Vec::new(),
            vantage: Vantage::Between,
            nats: Box::new(session()),
            capture_loss: false,
            input_ended: false,
            longest_idle: Span::secs(2),
            lived_through: Span::secs(2),
            quiet_lived_through: Span::secs(2),
            first_goodbye: None,
            ended: mark(END).at,
            ended_by: EndedBy::Goodbye,
            ignored_resets: 0,
            host: None,
        };
        let close = Close {
            kind: Kind::Fin,
            side: Party::Client,
            detail: None,
            confidence: 0.95,
            at: mark(END).at,
            evidence: Vec::new(),
        };
        let around = Around { seen_until: mark(END + 60_000).at, ..Around::default() };
        let scene = Self { facts, close, around, settings: Settings::default(), fires: true };
        scene.ends(Kind::Fin, Party::Client)
    }

    /// As the rules see it.
    pub fn case(&self) -> Case<'_> {
        Case::new(&self.facts, &self.close, &self.around, &self.settings)
    }

    /// The rule must win.
    pub fn fires(mut self) -> Self {
        self.fires = true;
        self
    }

    /// The rule must not win.
    pub fn silent(mut self) -> Self {
        self.fires = false;
        self
    }

    /// Anything else.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Ends that way, at the scene's end.
    pub fn ends(self, kind: Kind, party: Party) -> Self {
        self.ends_at(kind, party, END)
    }

    /// Ends that way, that long after the beginning.
    pub fn ends_at(mut self, kind: Kind, party: Party, ms: i64) -> Self {
        self.close.kind = kind;
        self.close.side = party;
        self.close.at = mark(ms).at;
        self.facts.last = mark(ms);
        self.facts.first_goodbye = None;
        self.close.evidence.clear();
        for side in Side::BOTH {
            let own = Party::from(side) == party;
            let tcp = &mut self.facts.tcp[side];
            tcp.fin = (own && kind == Kind::Fin).then(|| mark(ms));
            *tcp.rst = (own && kind == Kind::Rst).then(|| reset(ms));
            if own && matches!(kind, Kind::Fin | Kind::Rst) {
                self.facts.first_goodbye = Some((side, mark(ms).frame));
                let text = if kind == Kind::Fin { "FIN" } else { "RST" };
                self.close.evidence = vec![Evidence::packet(mark(ms), format!("{text} from the {side}"))];
            }
        }
        self
    }

    /// The server says this right before the end.
    pub fn error(mut self, text: &str) -> Self {
        let at = Mark { at: self.close.at - Span::micros(100), frame: FrameRef::new(0, 7) };
        self.facts.nats.errors.push(ErrorText { mark: at, from: Side::Server, text: text.into() });
        self
    }

    /// A young connection on which the server has not taken the client yet.
    pub fn young(mut self) -> Self {
        let nats = &mut self.facts.nats;
        (nats.accepted, nats.pubs, nats.msgs, nats.subs) = (None, 0, 0, 0);
        self
    }

    /// Nothing of NATS was said.
    pub fn mute(mut self) -> Self {
        *self.facts.nats = NatsFacts::default();
        self.facts.tcp.client.bytes = 0;
        self.facts.tcp.server.bytes = 0;
        self
    }

    /// INFO says so.
    pub fn info(mut self, change: impl FnOnce(&mut Info)) -> Self {
        if let Some((_, info)) = &mut self.facts.nats.info {
            change(Arc::make_mut(info));
        }
        self
    }

    /// CONNECT says so.
    pub fn connect(mut self, change: impl FnOnce(&mut Connect)) -> Self {
        if let Some((_, connect)) = &mut self.facts.nats.connect {
            change(Arc::make_mut(connect));
        }
        self
    }

    /// An attempt that never became a connection.
    pub fn attempt(self, handshake: Handshake) -> Self {
        let (kind, party) = match handshake {
            Handshake::Refused => (Kind::Rst, Party::Server),
            _ => (Kind::Timeout, Party::Server),
        };
        let mut scene = self.mute().ends_at(kind, party, 1);
        scene.facts.handshake = handshake;
        scene.facts.established = None;
        scene.facts.tcp.client = TcpFacts {
            packets: 1,
            syns: 1,
            first: Some(mark(0)),
            last: Some(mark(0)),
            ..TcpFacts::default()
        };
        if handshake == Handshake::Refused {
            scene.facts.tcp.server.packets = 1;
        } else {
            scene.facts.tcp.server = TcpFacts::default();
            *scene.facts.tcp.client.unanswered = Some(unanswered(Owed::Syn, 0));
        }
        scene
    }

    /// That end falls silent at the scene's end; data to it is not acknowledged.
    pub fn dies(self, kind: Kind, party: Party) -> Self {
        let mut scene = self.ends(kind, party);
        if party != Party::Server {
            *scene.facts.tcp.server.unanswered = Some(unanswered(Owed::Data, END + 100));
        }
        if party != Party::Client {
            *scene.facts.tcp.client.unanswered = Some(unanswered(Owed::Data, END + 100));
        }
        scene
    }

    /// The other leg of the connection, on the server's side of a proxy; `by` closed it first.
    pub fn proxied(mut self, by: Option<Side>) -> Self {
        let at = self.close.at + Span::micros(300);
        self.around.other_leg = Some(OtherLeg {
            flow: 2,
            client: Endpoint { addr: Addr::v4([10, 0, 1, 9]), port: 40022 },
            server: Endpoint { addr: Addr::v4([10, 0, 1, 5]), port: 4222 },
            joint: Joint::Proxy,
            at: Side::Server,
            shown: mark(1),
            goodbye: by.map(|side| (side, Mark { at, frame: FrameRef::new(0, 70_000) })),
            silent: None,
            ended: by.is_some(),
        });
        self
    }

    /// TLS facts to change.
    pub fn tls(mut self, change: impl FnOnce(&mut TlsFacts)) -> Self {
        let tls = self.facts.nats.tls.get_or_insert_default();
        change(tls);
        self
    }
}

/// The contract's table.
const CONTRACT: &[(Family, &[&str])] = &[
    (Family::Normal, &["client_closed", "client_process_exit", "kicked"]),
    (
        Family::NetworkInterruption,
        &[
            "firewall_drop",
            "firewall_reject",
            "path_blackhole",
            "one_way_path",
            "idle_timeout_middlebox",
            "mtu_blackhole",
            "injected_reset",
            "host_unreachable",
            "peer_vanished",
            "packet_loss",
            "proxy_closed",
        ],
    ),
    (
        Family::ServerShutdown,
        &[
            "server_shutdown",
            "server_lame_duck",
            "server_crashed",
            "server_oom_killed",
            "server_not_listening",
        ],
    ),
    (
        Family::ServerOverload,
        &[
            "max_connections",
            "account_max_connections",
            "connection_throttled",
            "accept_queue_overflow",
            "stale_server",
            "max_subscriptions",
        ],
    ),
    (
        Family::ClientConfig,
        &[
            "reconnect_storm",
            "client_gave_up",
            "connect_timeout",
            "idle_client_closed",
            "duplicate_client",
            "cluster_conflict",
        ],
    ),
    (Family::SlowConsumer, &["slow_consumer", "max_payload_exceeded", "stale_client"]),
    (
        Family::VersionOrProtocol,
        &["protocol_error", "tls_required", "tls_handshake_failed", "wrong_port", "known_bug"],
    ),
    (Family::Auth, &["authorization_violation", "auth_timeout", "auth_expired", "auth_revoked"]),
    (Family::Unknown, &["unknown"]),
];

/// Settings that are often quoted and don't exist (as server settings).
const NO_SUCH_SETTING: &[&str] = &[
    "max_bytes_required_to_ack",
    "max_age_required_to_ack",
    "max_reconnects:",
    "max_reconnects =",
    "reconnect_wait:",
    "reconnect_wait =",
    "tcp_keepalive:",
    "`idle_timeout:",
    "`idle_timeout =",
    "slow_consumer_threshold",
    "max_pings_out",
    "`auth_timeout:",
    "`auth_timeout =",
    "client_timeout",
    "max_pending_size",
    "ssl {",
    "clientport",
    "disable_short_first_ping",
];

#[test]
fn the_list_is_the_contract() {
    let want: Vec<(Family, &str)> = CONTRACT.iter().flat_map(|(f, c)| c.iter().map(|c| (*f, *c))).collect();
    let have: Vec<(Family, &str)> = RULES.iter().map(|r| (r.family, r.code)).collect();
    assert_eq!(have, want);
}

#[test]
fn every_rule_explains_itself() {
    for rule in RULES {
        assert!(rule.explain.len() >= 400, "{}: explain has {} bytes", rule.code, rule.explain.len());
        assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{}", rule.code);
        for line in rule.explain.lines() {
            assert!(line.chars().count() <= 120, "{}: long line {line:?}", rule.code);
        }
        for wrong in NO_SUCH_SETTING {
            assert!(!rule.explain.contains(wrong), "{}: {wrong} does not exist", rule.code);
        }
    }
}

#[test]
fn every_rule_fires_and_stays_silent() {
    let mut wrong = Vec::new();
    for rule in RULES {
        let scenes: Vec<Scene> = rule.cases.iter().map(|make| make()).collect();
        assert!(scenes.iter().any(|s| s.fires), "{}: no case that fires", rule.code);
        assert!(scenes.iter().any(|s| !s.fires), "{}: no case that stays silent", rule.code);
        for (n, scene) in scenes.iter().enumerate() {
            let case = scene.case();
            let cause = judge(&case);
            if (cause.code == rule.code) != scene.fires {
                let own = match (rule.judge)(&case) {
                    Judgement::Yes(f) => f.confidence,
                    Judgement::No => 0.0,
                };
                wrong.push(format!(
                    "{} case {n}: fires {} but the verdict is {} {} (own {own}, also {:?})",
                    rule.code, scene.fires, cause.code, cause.confidence, cause.also
                ));
            }
            sound(&cause, rule.code);
            weighs_as_it_speaks(&case);
            weighs_without_the_crowd(&case);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What a rule finds does not hang on whether texts are wanted.
fn weighs_as_it_speaks(case: &Case<'_>) {
    let found = |case: &Case<'_>, rule: &super::Rule| match (rule.judge)(case) {
        Judgement::Yes(f) => Some((f.confidence, f.also)),
        Judgement::No => None,
    };
    let silent = Case { speaks: false, ..*case };
    for rule in RULES {
        assert_eq!(found(&silent, rule), found(case, rule), "{}", rule.code);
    }
    // Who isn't asked has nothing to say. Weighing checks it again, in debug builds: for the goldens and all else that they judge.
    assert_eq!(fires_in_vain(case, Symptoms::of(case)), None);
}

/// What others met at the same time weighs nothing, and is told by those verdicts alone that say so.
fn weighs_without_the_crowd(case: &Case<'_>) {
    let second = Span::secs(1);
    let late = Some(Latency { recent: second, count: 9, earlier: None, slowest: second });
    let herd = Some(Herd { clients: 40, delay: (second, second, second), half_within: second });
    let around = Around { herd, info_latency: late, pong_latency: late, ..case.around.clone() };
    let crowded = Case { around: &around, ..*case };
    let verdict = weigh(&crowded);
    if !verdict.tells_of_a_crowd() {
        return assert_eq!(format!("{:?}", verdict.say(&crowded)), format!("{:?}", judge(case)));
    }
    let alone = weigh(case);
    assert_eq!(verdict.code(), alone.code());
    assert_eq!(verdict.mute().confidence, alone.mute().confidence);
}

/// What holds for every verdict.
fn sound(cause: &Cause, of: &str) {
    let told = format!("{cause:?}");
    assert!(!cause.evidence.is_empty() && cause.evidence.len() <= 6, "{of}: {told}");
    assert!((0.01..=0.99).contains(&cause.confidence), "{of}: {told}");
    assert!(!cause.summary.is_empty() && !cause.summary.contains('\n'), "{of}: {told}");
    assert!(cause.also.iter().all(|a| a.0 != cause.code && super::rule(a.0).is_some()), "{of}: {told}");
    assert!(cause.also.len() <= 4 && cause.also.windows(2).all(|w| w[0].1 >= w[1].1), "{of}: {told}");
    assert!(!cause.fix.is_empty() || cause.family == Family::Normal, "{of}: no fix: {told}");
    let why_not = cause.why_not.iter().map(|text| &**text);
    for text in cause.fix.iter().map(|text| &**text).chain(why_not).chain([&*cause.summary]) {
        for wrong in NO_SUCH_SETTING {
            assert!(!text.contains(wrong), "{of}: {wrong} does not exist: {text}");
        }
        assert!(!text.contains("  "), "{of}: two spaces in {text:?}");
    }
}

#[test]
fn weakness_is_weighed_once() {
    let sure =
        judge(&Scene::new().ends(Kind::Fin, Party::Server).error("Stale Connection").case()).confidence;
    let weak = Scene::new().ends(Kind::Fin, Party::Server).error("Stale Connection").with(|s| {
        s.facts.capture_loss = true;
        s.facts.handshake = Handshake::Midstream;
        s.facts.roles_certain = false;
        s.facts.tcp.client.packets = 0;
    });
    let cause = judge(&weak.case());
    assert_eq!(cause.code, "stale_client");
    assert!(cause.confidence < sure * 0.6, "{} against {sure}", cause.confidence);
    assert_eq!(cause.why_not.iter().filter(|w| w.starts_with("less sure")).count(), 4);
}
