//! `known_bug`: a known defect of that version. The defects are data: `known_bug/list.json`.
mod signs;

use super::libraries::library;
use super::prelude::*;
use signs::Sign;
use std::sync::LazyLock;

/// The rule.
pub static RULE: Rule = Rule {
    code: "known_bug",
    family: Family::VersionOrProtocol,
    title: "a known defect of that version",
    explain: EXPLAIN,
    needs: &[
        Symptom::Told,
        Symptom::ServerLeft,
        Symptom::FellSilent,
        Symptom::ProcessEnd,
        Symptom::Proxied,
        Symptom::OpenPings,
        Symptom::ServerMute,
        Symptom::SettingsTold,
    ],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the version of the server or of the client library has a known defect whose symptom fits
this close.

How it is found: the version stands in INFO (server) or CONNECT (client); it is compared with a
short list of fixed defects, and a defect is named only where its own sign shows on the wire too. It
is the verdict where that sign has no other reason; else it is a line in `why_not`, or in `also`.

The list (a verdict names its source):
- nats-server to 2.1.9: TLS timeout of 0.5 s; the handshake times out under load (2.2.0)
- nats-server to 2.10.25: write_deadline counts for the whole backlog, loaded consumers are cut
  early (2.10.26)
- nats-server 2.12.2 to 2.12.5: octets behind a PROXY v1 header are lost, CONNECT with them (2.12.6)
- nats-server 2.12.2 to 2.12.8 and 2.14.0: a PROXY header before TLS breaks the handshake (2.12.9,
  2.14.1)
- nats-server 2.2.0 to 2.11.13 and 2.12.4: malformed WebSocket frames or leaf handshakes panic the
  server (2.11.14, 2.12.5)
- nats-server to 2.11.10 and 2.12.1: connections that leave in lame duck mode count against the
  account's limit (2.11.11, 2.12.2)
- nats-server from 2.12.5 and 2.14.0 on, on purpose: `max_connections: 0` or `-1` refuses everyone
- jnats 2.21.0 to 2.23: UNSUB or SUB before CONNECT on a reconnect (2.21.4, 2.24.0)
- async-nats before 0.34.0: an idle client stops sending PINGs; 0.29.0 never gives up (0.30.0)
- async-nats before 0.47.0: no timeout after the TCP handshake; before 0.49.1: publishing resets the
  PING timer
- nats.js 2.0 to 2.9.1 and nats.go before 1.14.0: an -ERR they should survive closes them for good

Fix: upgrade to the version named in the verdict, or later; check the release notes on the way.

Check next: does it happen with a current version too? Then it is something else: see `also`.
";

/// A version: major, minor, patch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Deserialize)]
#[serde(try_from = "String")]
struct Version(u32, u32, u32);

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text).ok_or(text)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A defect, as the list has it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Bug {
    /// Its name in the list.
    id: String,
    /// `nats-server`, or the `lang` of a client's CONNECT.
    product: String,
    /// From this version to the one that mends it; none: not mended.
    affected: Vec<(Version, Option<Version>)>,
    /// It was changed on purpose: nothing mends it.
    #[serde(default)]
    change: bool,
    sign: Sign,
    confidence: f64,
    /// A clause.
    does: String,
    source: String,
}

/// The list; source of each entry: its own link, which was read.
static BUGS: LazyLock<Vec<Bug>> =
    LazyLock::new(|| serde_json::from_str(include_str!("known_bug/list.json")).unwrap_or_default());

fn judge(case: &Case<'_>) -> Judgement {
    let shown = found(case).max_by(|a, b| a.bug.confidence.total_cmp(&b.bug.confidence));
    let Some(Affected { bug, version, fixed }) = shown else { return No };
    let (name, side) = bug.who();
    let mark = match side {
        Side::Server => case.facts.nats.info.as_ref().map(|i| i.0),
        Side::Client => case.facts.nats.connect.as_ref().map(|c| c.0),
    };
    let (what, mended) = match fixed {
        Some(fixed) => ("a known defect", format!("the defect is fixed in {fixed}")),
        None => ("a known change", "no later version takes it back".to_owned()),
    };
    let finding = Finding::new(
        bug.confidence,
        say!(case, "{} runs {name} {version}, which has {what}: {} ({})", case.end(side), bug.does, bug.id),
    )
    .because(mark.map(|m| Evidence::packet(m, say!(case, "version {version} of {name}; {mended}"))))
    .because(case.facts.nats.before_connect.map(|m| Evidence::packet(m, "the client's first operation came before its CONNECT")))
    .because(Side::BOTH.iter().find_map(|&s| case.goodbye_evidence(s)));
    let addr = case.facts.endpoint(side).addr;
    Yes(match fixed {
        Some(fixed) => finding.fix(say!(case, "upgrade {name} on {addr} to {fixed} or later ({})", bug.source)),
        None => finding.fix(say!(case, "on {addr} set what is meant explicitly: {} ({})", bug.does, bug.source)),
    }
    .why_not("it is named only since its symptom shows too; other reasons stand in `also`"))
}

/// A defect of a version in use, whose sign shows.
struct Affected<'a> {
    bug: &'static Bug,
    version: &'a str,
    fixed: Option<Version>,
}

fn found<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Affected<'a>> {
    // Signs are rare and quickly looked for; versions are read only where one shows.
    BUGS.iter().filter(|bug| bug.sign.shows(case)).filter_map(|bug| {
        let text = match bug.side() {
            Side::Server => case.facts.nats.info.as_ref().map(|(_, info)| info.version.as_str())?,
            Side::Client => case.library_version().filter(|_| case.lang() == bug.product)?,
        };
        Some(Affected { bug, version: text, fixed: bug.affects(parse(text)?)? })
    })
}

/// Defects whose sign shows although another cause is the verdict: one line each.
#[must_use]
pub fn hints(case: &Case<'_>) -> Vec<String> {
    let line = |a: Affected<'_>| {
        let mended = a.fixed.map_or(String::new(), |f| format!(", mended in {f}"));
        format!("known of {} {}: {}{mended} ({})", a.bug.who().0, a.version, a.bug.does, a.bug.source)
    };
    found(case).map(line).take(2).collect()
}

impl Bug {
    fn side(&self) -> Side {
        if self.product == "nats-server" { Side::Server } else { Side::Client }
    }

    fn who(&self) -> (&str, Side) {
        let product = self.product.as_str();
        match self.side() {
            Side::Server => (product, Side::Server),
            Side::Client => (library(product).map_or(product, |l| l.package), Side::Client),
        }
    }

    /// Whether this version lies in a range of it, and which version mends it.
    fn affects(&self, version: Version) -> Option<Option<Version>> {
        let range = self.affected.iter().find(|(from, fixed)| version >= *from && fixed.is_none_or(|f| version < f))?;
        Some(range.1.filter(|_| !self.change))
    }
}

/// `2.10.25`, `v2.12.0-beta.1` (counts as 2.12.0).
fn parse(text: &str) -> Option<Version> {
    let mut parts = text.trim_start_matches('v').split(['.', '-', '+']).map(|p| p.parse::<u32>().ok());
    Some(Version(parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;
    use crate::event::ProxySign;

    fn proxied(version: &'static str) -> Scene {
        Scene::new().young().info(move |i| i.version = version.into()).ends_at(Kind::Fin, Party::Server, 900).with(|s| {
            s.facts.nats.forwarded_for = Some("192.0.2.1:5555".into());
        })
    }

    /// A header and CONNECT in one segment, and the server knows of no password.
    fn eaten(sign: ProxySign) -> Scene {
        proxied("2.12.4").error("Authorization Violation").with(move |s| {
            s.facts.nats.proxied = s.facts.nats.connect.as_ref().map(|(connect, _)| (*connect, sign));
        })
    }

    fn java(version: &'static str) -> Scene {
        let refused = Scene::new().young().ends_at(Kind::Fin, Party::Server, 4).error("Authorization Violation");
        refused
            .connect(move |c| {
                c.lang = "java".into();
                c.version = version.into();
            })
            .with(|s| s.facts.nats.before_connect = Some(mark(1)))
    }

    pub const CASES: &[fn() -> Scene] = &[
        || eaten(ProxySign::HeaderV1).fires(),
        || eaten(ProxySign::HeaderV2).silent(),
        || proxied("2.12.4").fires(),
        || proxied("2.12.4").error("Authentication Timeout").fires(),
        || proxied("2.12.4").error("Authentication Timeout").connect(|c| c.lang.clear()).fires(),
        || java("2.21.2").fires(),
        || java("2.23.0").fires(),
        || java("2.24.0").silent(),
        || java("2.21.2").with(|s| s.facts.nats.before_connect = None).silent(),
        || proxied("2.15.1").silent(),
        || Scene::new().ends(Kind::Fin, Party::Server).error("maximum connections exceeded").young().silent(),
        || Scene::new().silent(),
    ];

    #[test]
    fn the_list_can_be_read() {
        let list: Result<Vec<super::Bug>, _> = serde_json::from_str(include_str!("known_bug/list.json"));
        assert!(list.is_ok(), "{list:?}");
        assert!(super::BUGS.len() >= 15, "{}", super::BUGS.len());
        for bug in super::BUGS.iter() {
            assert_eq!(super::BUGS.iter().filter(|b| b.id == bug.id).count(), 1, "{}", bug.id);
            assert!(bug.source.starts_with("https://"), "{}", bug.id);
            assert!((0.1..=0.99).contains(&bug.confidence), "{}", bug.id);
            assert!(bug.product == "nats-server" || super::library(&bug.product).is_some(), "{}", bug.id);
            for (from, fixed) in &bug.affected {
                assert!(fixed.is_none_or(|f| f > *from), "{}", bug.id);
            }
        }
    }

    #[test]
    fn a_hint_stands_beside_the_verdict() {
        let full = Scene::new().young().ends_at(Kind::Fin, Party::Server, 2).error("maximum connections exceeded");
        let cause = crate::cause::judge(&full.case());
        assert_eq!(cause.code, "max_connections");
        assert!(cause.why_not.iter().any(|w| w.contains("pull/7877")), "{:?}", cause.why_not);
    }

    #[test]
    fn versions() {
        assert_eq!(super::parse("2.10.25"), Some(super::Version(2, 10, 25)));
        assert_eq!(super::parse("v2.12.0-beta.1"), Some(super::Version(2, 12, 0)));
        assert_eq!(super::parse("2.9"), Some(super::Version(2, 9, 0)));
        assert_eq!(super::parse(""), None);
        assert_eq!(super::parse("dev"), None);
    }
}
