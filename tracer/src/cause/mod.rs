//! F4: why a connection ended. One file a cause: its rule, its text, its fix and its cases. A rule sees a finished
//! [`Case`] of facts, never a byte and never a table; all rules run, the strongest wins, the rest become `also`.
/// `format!` for the texts of a rule: empty, and free of cost, while the case is only weighed. What is said of most closes is given
/// as a list of its parts, `say!(case, [client, " left after ", age])`, which are written one after the other without `fmt`.
macro_rules! say {
    ($case:expr, [$($part:expr),+ $(,)?]) => {
        if $case.speaks {
            let mut text = Vec::with_capacity(crate::cause::said::ROOM);
            $(crate::cause::said::Part::put(&$part, &mut text);)+
            crate::cause::said::together(text)
        } else {
            String::new()
        }
    };
    ($case:expr, $($text:tt)+) => {
        if $case.speaks { crate::cause::said::said(format_args!($($text)+)) } else { String::new() }
    };
}

mod aftermath;
mod hops;
mod idle_limits;
pub mod libraries;
mod overload;
mod prelude;
pub mod remedy;
mod said;
mod seen;
pub mod server_error;
#[cfg(test)]
mod stories;
mod symptom;
#[cfg(test)]
mod testing;
mod unread;
mod verdict;
mod weigh;

use crate::base::{Side, Span, Timestamp};
use crate::event::{Around, Close, Evidence, Facts, Family, KnownClient, Text};
use std::fmt;

pub use symptom::{Symptom, Symptoms};
pub use unknown::UNKNOWN;
pub use verdict::{Verdict, judge, weigh};
pub use weigh::reported;

macro_rules! rules {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+

        /// Every rule, in the contract's order: ties go to the earlier one.
        pub static RULES: &[&Rule] = &[$(&$name::RULE),+];

        /// What each of them needs, in the same order.
        const NEEDS: &[Symptoms] = &[$(Symptoms::all($name::RULE.needs)),+];
    };
}

rules! {
    client_closed, client_process_exit, kicked,
    firewall_drop, firewall_reject, path_blackhole, one_way_path, idle_timeout_middlebox, mtu_blackhole,
    injected_reset, host_unreachable, peer_vanished, packet_loss, proxy_closed,
    server_shutdown, server_lame_duck, server_crashed, server_oom_killed, server_not_listening,
    max_connections, account_max_connections, connection_throttled, accept_queue_overflow, stale_server,
    max_subscriptions,
    reconnect_storm, client_gave_up, connect_timeout, idle_client_closed, duplicate_client, cluster_conflict,
    slow_consumer, max_payload_exceeded, stale_client,
    protocol_error, tls_required, tls_handshake_failed, wrong_port, known_bug,
    authorization_violation, auth_timeout, auth_expired, auth_revoked,
    unknown,
}

/// The rule of a code.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|r| r.code == code)
}

/// One cause.
pub struct Rule {
    /// The contract's code; never reused.
    pub code: &'static str,
    /// Its family.
    pub family: Family,
    /// What it is, one line, lower case.
    pub title: &'static str,
    /// What `natstrace explain CODE` prints: what it is, how it looks on the wire, what else it could be, the fix step by
    /// step, what to check next.
    pub explain: &'static str,
    /// It fires only where one of these shows; where none does it isn't asked.
    pub needs: &'static [Symptom],
    /// Decides. It is asked twice: first all rules weigh the case without a word, then the winner alone finds its texts (`say!`).
    pub judge: fn(&Case<'_>) -> Judgement,
    /// At least one case that fires and one that stays silent.
    #[cfg(test)]
    pub cases: &'static [fn() -> testing::Scene],
}

/// What a rule says.
pub enum Judgement {
    /// Not this cause.
    No,
    /// This cause, with how sure, what shows it and what to do.
    Yes(Finding),
}

/// Why a rule says yes.
#[derive(Clone, Debug)]
pub struct Finding {
    /// 0 to 1, before what weakens every verdict alike is weighed.
    pub confidence: f64,
    /// One sentence with the real names and figures.
    pub summary: String,
    /// Strongest first.
    pub evidence: Vec<Evidence>,
    /// One step an entry.
    pub fix: Vec<String>,
    /// Answers to the next question.
    pub why_not: Vec<Text>,
    /// Another member of the same family that fits nearly as well.
    pub also: Vec<(&'static str, f64)>,
}

impl Finding {
    /// A finding with its sentence.
    #[must_use]
    pub fn new(confidence: f64, summary: impl Into<String>) -> Self {
        let summary = summary.into();
        Self {
            confidence,
            evidence: room(&summary),
            fix: Vec::new(),
            why_not: room(&summary),
            summary,
            also: Vec::new(),
        }
    }

    /// Only weighed: there is nobody to read what would be added.
    const fn is_mute(&self) -> bool {
        self.summary.is_empty()
    }

    /// Adds evidence, where there is some.
    #[must_use]
    pub fn because(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        if !self.is_mute() {
            self.evidence.extend(evidence);
        }
        self
    }

    /// Adds a step of the fix.
    #[must_use]
    pub fn fix(mut self, step: impl Into<String>) -> Self {
        if !self.is_mute() {
            self.fix.push(step.into());
        }
        self
    }

    /// Adds an answer to the next question.
    #[must_use]
    pub fn why_not(mut self, line: impl Into<Text>) -> Self {
        if !self.is_mute() {
            self.why_not.push(line.into());
        }
        self
    }

    /// Names another cause that fits.
    #[must_use]
    pub fn also(mut self, code: &'static str, confidence: f64) -> Self {
        self.also.push((code, confidence));
        self
    }
}

/// Room for what most verdicts have, where there will be some.
fn room<T>(summary: &str) -> Vec<T> {
    Vec::with_capacity(if summary.is_empty() { 0 } else { 3 })
}

/// Server settings, assumed defaults unless told otherwise (`--assume`, monitoring).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `write_deadline`, default 10 s.
    pub write_deadline: Span,
    /// `ping_interval`, default 2 min.
    pub ping_interval: Span,
    /// `ping_max`, default 2.
    pub ping_max: u32,
    /// `authorization { timeout }`, default 2 s (tls.timeout + 1 with TLS).
    pub auth_timeout: Span,
    /// `tls { timeout }`, default 2 s.
    pub tls_timeout: Span,
    /// `max_payload`, default 1 MiB.
    pub max_payload: u64,
    /// `max_control_line`, default 4 KiB.
    pub max_control_line: u32,
    /// `max_pending`, default 64 MiB.
    pub max_pending: u64,
    /// The values above were told, not assumed.
    pub told: bool,
}

impl Settings {
    /// `max_pending` as nats-server.conf writes it: `64 MB`, of 1024 × 1024 bytes.
    #[must_use]
    pub fn max_pending_words(&self) -> String {
        match self.max_pending {
            n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MB", n >> 20),
            n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} KB", n >> 10),
            n => format!("{n} bytes"),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            write_deadline: Span::secs(10),
            ping_interval: Span::secs(120),
            ping_max: 2,
            auth_timeout: Span::secs(2),
            tls_timeout: Span::secs(2),
            max_payload: 1 << 20,
            max_control_line: 4096,
            max_pending: 64 << 20,
            told: false,
        }
    }
}

/// One finished connection, as the rules see it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// What was seen.
    pub facts: &'a Facts,
    /// How it ended.
    pub close: &'a Close,
    /// What happened around it.
    pub around: &'a Around,
    /// Server settings.
    pub settings: &'a Settings,
    /// When the first goodbye was said, else the close's own time; nearly every rule asks.
    ended_at: Timestamp,
    /// Texts are wanted; else the case is only weighed and they stay empty. Rules that many closes meet ask for it before they
    /// gather what is only told.
    speaks: bool,
}

impl<'a> Case<'a> {
    /// A case to be judged.
    #[must_use]
    pub fn new(facts: &'a Facts, close: &'a Close, around: &'a Around, settings: &'a Settings) -> Self {
        let ended_at = facts.first_farewell().map_or(close.at, |(_, mark)| mark.at);
        Self { facts, close, around, settings, ended_at, speaks: true }
    }

    /// `billing (10.0.0.7:51234)` or the bare endpoint.
    #[must_use]
    pub fn client(&self) -> Named<'a> {
        self.end(Side::Client)
    }

    /// `n1 (10.0.0.5:4222)` or the bare endpoint.
    #[must_use]
    pub fn server(&self) -> Named<'a> {
        self.end(Side::Server)
    }

    /// Name of one end, as [`Case::client`] and [`Case::server`].
    #[must_use]
    pub fn end(&self, side: Side) -> Named<'a> {
        Named { facts: self.facts, known: self.known(), side }
    }
}

/// An end as texts call it: by its name, where it has one, and its endpoint. The name is looked for as it is written: most rules
/// have nothing to say.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    facts: &'a Facts,
    known: Option<&'a KnownClient>,
    side: Side,
}

impl Named<'_> {
    fn name(&self) -> &str {
        let nats = &self.facts.nats;
        match self.side {
            Side::Client => match &nats.connect {
                Some((_, connect)) => &connect.name,
                None => self.known.map_or("", |known| &known.name),
            },
            Side::Server => {
                let info = nats.info.as_ref().map(|(_, info)| info);
                info.filter(|info| info.server_name != info.server_id).map_or("", |info| &info.server_name)
            }
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, end) = (self.name(), self.facts.endpoint(self.side));
        if name.is_empty() {
            return end.fmt(f);
        }
        f.write_str(name)?;
        f.write_str(" (")?;
        end.fmt(f)?;
        f.write_str(")")
    }
}
