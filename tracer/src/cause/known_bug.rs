//! `known_bug`: a known defect of that version.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "known_bug",
    family: Family::VersionOrProtocol,
    title: "a known defect of that version",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the version of the server or of the client library has a known defect whose symptom fits
this close.

How it is found: the version stands in INFO (server) or CONNECT (client); it is compared with a
short list of fixed defects, and a defect is named only where its symptom shows too. The confidence
stays modest: a symptom can have other reasons.

The list:
- nats-server to 2.1.9: TLS timeout of 0.5 s; the handshake times out under load (2.2.0)
- nats-server to 2.10.25: write_deadline counts for the whole backlog, loaded consumers are cut
  early (2.10.26)
- nats-server 2.12.0 to 2.12.5: PROXY v1 header eats bytes of CONNECT (2.12.6)
- nats-server 2.2.0 to 2.11.13 and 2.12.4: malformed WebSocket frames or leaf handshakes panic the
  server (2.11.14, 2.12.5)
- jnats 2.21.0 to 2.21.3: UNSUB before CONNECT on a reconnect (2.21.4)
- async-nats before 0.34.0: an idle client stops sending PINGs (0.34.0)
- async-nats before 0.47.0: no timeout after the TCP handshake (0.47.0)

Fix: upgrade to the version named in the verdict, or later; check the release notes on the way.

Check next: does it happen with a current version too? Then it is something else: see `also`.
";

/// Whose version.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Server,
    Lang(&'static str),
}

/// A defect: whose, from and before which version, its symptom, what it does, the reference.
struct Bug {
    who: Who,
    from: (u32, u32, u32),
    fixed: (u32, u32, u32),
    confidence: f64,
    shows: fn(&Case<'_>) -> bool,
    text: &'static str,
    reference: &'static str,
}

const BUGS: &[Bug] = &[
    Bug {
        who: Who::Lang("java"),
        from: (2, 21, 0),
        fixed: (2, 21, 4),
        confidence: 0.6,
        shows: |case| {
            server_error::told(case, "authorization_violation").is_some() && case.facts.nats.malformed.client.is_none()
        },
        text: "a reconnect sends UNSUB before CONNECT and is refused although the credentials are right",
        reference: "nats.java #1320",
    },
    Bug {
        who: Who::Lang("rust"),
        from: (0, 0, 0),
        fixed: (0, 34, 0),
        confidence: 0.6,
        shows: |case| server_error::told(case, "stale_client").is_some() && case.facts.nats.pings.client.sent <= 1,
        text: "an idle client stops driving its connection and sends no PINGs",
        reference: "nats.rs a1876c43",
    },
    Bug {
        who: Who::Server,
        from: (2, 12, 0),
        fixed: (2, 12, 6),
        confidence: 0.92,
        shows: |case| {
            case.facts.nats.foreign.client.is_some_and(|(_, f)| f == Foreign::Proxy)
                && case.ended_by(Side::Server)
                && case.never_accepted()
                && !case.is_told()
        },
        text: "the PROXY v1 header eats the bytes behind it, so CONNECT is lost",
        reference: "nats-server PR #7962",
    },
    Bug {
        who: Who::Server,
        from: (0, 0, 0),
        fixed: (2, 10, 26),
        confidence: 0.5,
        shows: |case| {
            let held = case.facts.tcp.client.zero_window.longest;
            case.ended_by(Side::Server)
                && case.facts.tcp.server.fin_behind_data
                && held > Span::ZERO
                && held < Span(case.settings.write_deadline.0 / 2)
        },
        text: "write_deadline counts for the whole backlog: loaded but healthy consumers are cut",
        reference: "nats-server PR #6471",
    },
    Bug {
        who: Who::Server,
        from: (0, 0, 0),
        fixed: (2, 2, 0),
        confidence: 0.93,
        shows: |case| {
            case.facts.nats.tls.as_ref().is_some_and(|t| !t.established && t.client_hello.is_some() && t.alerts.is_empty())
                && case.ended_by(Side::Server)
                && (Span::millis(450)..Span::millis(650)).contains(&case.age())
        },
        text: "the TLS handshake may take only 0.5 s",
        reference: "nats-server 9b6385d6e",
    },
    Bug {
        who: Who::Server,
        from: (2, 2, 0),
        fixed: (2, 11, 14),
        confidence: 0.5,
        shows: |case| {
            case.facts.nats.protocol == Protocol::WebSocket
                && case.ended_by(Side::Server)
                && case.around.server_closed_others > 0
                && case.around.server_id_changed == Some(true)
        },
        text: "a malformed WebSocket frame panics the server (CVE-2026-27889)",
        reference: "nats-server 22fda09fe",
    },
];

fn judge(case: &Case<'_>) -> Judgement {
    let Some((bug, version)) = BUGS.iter().find_map(|bug| Some((bug, affected(case, bug)?))) else { return No };
    let (name, side) = match bug.who {
        Who::Server => ("nats-server", Side::Server),
        Who::Lang(lang) => (lang, Side::Client),
    };
    let (major, minor, patch) = bug.fixed;
    let fixed = say!(case, "{major}.{minor}.{patch}");
    let mark = match side {
        Side::Server => case.facts.nats.info.as_ref().map(|i| i.0),
        Side::Client => case.facts.nats.connect.as_ref().map(|c| c.0),
    };
    Yes(Finding::new(
        bug.confidence,
        say!(case, "{} runs {name} {version}, which has a known defect: {} ({})", case.end(side), bug.text, bug.reference),
    )
    .because(mark.map(|m| Evidence::packet(m, say!(case, "version {version} of {name}, the defect is fixed in {fixed}"))))
    .because(Side::BOTH.iter().find_map(|&s| case.goodbye_evidence(s)))
    .fix(say!(case, "upgrade {name} on {} to {fixed} or later", case.facts.endpoint(side).addr))
    .why_not("it is named only since its symptom shows too; other reasons stand in `also`"))
}

/// The version, if the defect is in it and its symptom shows.
fn affected<'a>(case: &'a Case<'_>, bug: &Bug) -> Option<&'a str> {
    let text = match bug.who {
        Who::Server => &case.facts.nats.info.as_ref()?.1.version,
        Who::Lang(lang) => {
            let connect = &case.facts.nats.connect.as_ref()?.1;
            (connect.lang == lang).then_some(&connect.version)?
        }
    };
    let version = parse(text)?;
    (version >= bug.from && version < bug.fixed && (bug.shows)(case)).then_some(text.as_str())
}

/// `2.10.25`, `v2.12.0-beta.1` (counts as 2.12.0).
fn parse(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.trim_start_matches('v').split(['.', '-', '+']).map(|p| p.parse::<u32>().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    fn proxied(version: &'static str) -> Scene {
        Scene::new().young().info(move |i| i.version = version.into()).ends_at(Kind::Fin, Party::Server, 900).with(|s| {
            s.facts.nats.connect = None;
            s.facts.nats.foreign.client = Some((mark(2), Foreign::Proxy));
        })
    }

    pub const CASES: &[fn() -> Scene] =
        &[|| proxied("2.12.4").fires(), || proxied("2.15.1").silent(), || Scene::new().silent()];

    #[test]
    fn versions() {
        assert_eq!(super::parse("2.10.25"), Some((2, 10, 25)));
        assert_eq!(super::parse("v2.12.0-beta.1"), Some((2, 12, 0)));
        assert_eq!(super::parse("2.9"), Some((2, 9, 0)));
        assert_eq!(super::parse(""), None);
        assert_eq!(super::parse("dev"), None);
    }
}
