//! What must be said of a script: one line a close in order of output, then what else is asked for.
//!
//! | line | meaning |
//! | --- | --- |
//! | `=> KIND SIDE CODE [A..B] [PATH=VALUE …]` | a close; `a\|b` leaves the choice, `*` anything; the cause's confidence is between A and B |
//! | `=> nothing` | no close at all |
//! | `=> open N` | so many connections live at the end |
//! | `=> reconnect [PATH=VALUE …]` | a reconnect line |
//! | `=> event CODE [PATH=VALUE …]`, `=> no event CODE` | an event line |
//!
//! After a path: `=` (`-`: absent), `!=`, `<=`, `>=` (numbers), `~`, `!~` (contains or not). A path into an array takes an index.
//! `at` is the close's time after the script's begin in seconds.
use super::BEGIN;
use super::parse::Expected;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Holds what was said against what must be said.
pub fn hold(expected: &[Expected], lines: &[Value]) -> Result<()> {
    let closes: Vec<&Value> = lines.iter().filter(|l| l["type"] == "close").collect();
    let said = || lines.iter().map(brief).collect::<Vec<_>>().join("\n");
    for close in &closes {
        complete(close).with_context(|| format!("the contract's promises: {close}"))?;
    }
    let mut next = closes.iter();
    let mut nothing = false;
    for line in expected {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let held = match words.as_slice() {
            ["nothing"] => {
                nothing = true;
                Ok(())
            }
            ["open", n] => same(&lines.last().unwrap_or(&Value::Null)["connections"]["open"], n)
                .context("open connections"),
            ["reconnect", rest @ ..] => {
                let told = lines.iter().filter(|l| l["type"] == "reconnect");
                let found = told.clone().any(|l| rest.iter().all(|w| path(l, w).is_ok()));
                let told: Vec<String> = told.map(ToString::to_string).collect();
                if found { Ok(()) } else { Err(anyhow::anyhow!("no such line of {}", told.join("\n"))) }
            }
            ["no", "event", code] => match lines.iter().find(|l| l["event"]["code"] == *code) {
                Some(line) => Err(anyhow::anyhow!("said: {line}")),
                None => Ok(()),
            },
            ["event", code, rest @ ..] => {
                let found = lines
                    .iter()
                    .filter(|l| l["event"]["code"] == *code)
                    .any(|l| rest.iter().all(|w| path(l, w).is_ok()));
                if found { Ok(()) } else { Err(anyhow::anyhow!("no such event")) }
            }
            _ => match next.next() {
                Some(found) => close(found, &words),
                None => Err(anyhow::anyhow!("no such close")),
            },
        };
        held.with_context(|| format!("line {}: => {}\nsaid:\n{}", line.line, words.join(" "), said()))?;
    }
    let closes_expected = nothing
        || expected.iter().any(|l| !matches!(l.words[0].as_str(), "open" | "event" | "no" | "reconnect"));
    let left = next.count();
    ensure!(left == 0 || !closes_expected, "{left} closes more than expected; said:\n{}", said());
    Ok(())
}

/// What of a line matters when it is wrong.
fn brief(line: &Value) -> String {
    let mut line = line.clone();
    for (within, long) in [("cause", "fix"), ("cause", "why_not"), ("flow", "community_id")] {
        if let Some(object) = line[within].as_object_mut() {
            object.remove(long);
        }
    }
    line.to_string()
}

fn close(close: &Value, words: &[&str]) -> Result<()> {
    let [kind, side, code, rest @ ..] = words else { bail!("=> KIND SIDE CODE …") };
    one_of(&close["close"]["kind"], kind)?;
    one_of(&close["close"]["side"], side)?;
    one_of(&close["cause"]["code"], code)?;
    for word in rest {
        match word.split_once("..") {
            Some((low, high)) if !word.contains(['=', '~', '<', '>']) => {
                let sure = close["cause"]["confidence"].as_f64().context("no confidence")?;
                let bound = |text: &str, none: f64| if text.is_empty() { Ok(none) } else { text.parse() };
                ensure!(
                    sure >= bound(low, 0.0)? && sure <= bound(high, 1.0)?,
                    "confidence {sure} is not within {word}"
                );
            }
            _ => path(close, word)?,
        }
    }
    Ok(())
}

fn one_of(value: &Value, choice: &str) -> Result<()> {
    let text = value.as_str().unwrap_or("-");
    ensure!(choice == "*" || choice.split('|').any(|c| c == text), "{text}, not {choice}");
    Ok(())
}

/// `PATH=VALUE` and its like.
fn path(line: &Value, word: &str) -> Result<()> {
    let at = word.find(['=', '~', '<', '>', '!']).with_context(|| format!("'{word}' compares nothing"))?;
    let (path, rest) = word.split_at(at);
    let sign = if rest[1..].starts_with(['=', '~']) { 2 } else { 1 };
    let (sign, wanted) = rest.split_at(sign);
    let value = if path == "at" { seconds(line)? } else { lookup(line, path) };
    let number = |v: &Value| v.as_f64().with_context(|| format!("{path} is {v}"));
    let held = match sign {
        "=" => same(&value, wanted).is_ok(),
        "!=" => same(&value, wanted).is_err(),
        "~" => value.to_string().contains(wanted),
        "!~" => !value.to_string().contains(wanted),
        "<=" => number(&value)? <= wanted.parse::<f64>()?,
        ">=" => number(&value)? >= wanted.parse::<f64>()?,
        _ => bail!("'{word}' compares nothing"),
    };
    ensure!(held, "{path} is {value}, wanted {sign} {wanted}");
    Ok(())
}

fn lookup(line: &Value, path: &str) -> Value {
    path.split('.').fold(line.clone(), |v, step| match step.parse::<usize>() {
        Ok(index) => v[index].clone(),
        Err(_) => v[step].clone(),
    })
}

fn seconds(line: &Value) -> Result<Value> {
    let ts = line["ts"].as_str().context("no ts")?;
    let clock: Vec<f64> =
        ts.get(11..ts.len() - 1).context("short ts")?.split(':').filter_map(|p| p.parse().ok()).collect();
    let [h, m, s] = clock.as_slice() else { bail!("ts is {ts}") };
    let begin = (BEGIN / 1_000_000_000 % 86_400) as f64;
    let days = if ts.starts_with("2026-11-22") { 0.0 } else { 86_400.0 };
    Ok((h * 3600.0 + m * 60.0 + s - begin + days).into())
}

fn same(value: &Value, wanted: &str) -> Result<()> {
    let held = match value {
        Value::Null => wanted == "-",
        Value::String(text) => text == wanted,
        Value::Number(n) => {
            n.as_f64().zip(wanted.parse::<f64>().ok()).is_some_and(|(is, wanted)| (is - wanted).abs() < 1e-4)
        }
        other => serde_json::to_string(other).is_ok_and(|text| text == wanted),
    };
    ensure!(held, "{value}, not {wanted}");
    Ok(())
}

/// The contract's families and their codes.
const FAMILIES: [(&str, &str); 9] = [
    ("normal", "client_closed client_process_exit kicked"),
    (
        "network_interruption",
        "firewall_drop firewall_reject path_blackhole one_way_path idle_timeout_middlebox mtu_blackhole injected_reset \
         host_unreachable peer_vanished packet_loss proxy_closed",
    ),
    (
        "server_shutdown",
        "server_shutdown server_lame_duck server_crashed server_oom_killed server_not_listening",
    ),
    (
        "server_overload",
        "max_connections account_max_connections connection_throttled accept_queue_overflow stale_server max_subscriptions",
    ),
    (
        "client_config",
        "reconnect_storm client_gave_up connect_timeout idle_client_closed duplicate_client cluster_conflict",
    ),
    ("slow_consumer", "slow_consumer max_payload_exceeded stale_client"),
    ("version_or_protocol", "protocol_error tls_required tls_handshake_failed wrong_port known_bug"),
    ("auth", "authorization_violation auth_timeout auth_expired auth_revoked"),
    ("unknown", "unknown"),
];

/// What every close has, whatever it says.
fn complete(close: &Value) -> Result<()> {
    for path in [
        "type",
        "ts",
        "flow.id",
        "client.address",
        "client.port",
        "server.address",
        "server.port",
        "start",
        "handshake",
        "close.kind",
        "close.side",
        "close.confidence",
        "cause.code",
        "cause.family",
        "cause.summary",
        "cause.confidence",
        "cause.evidence.0.text",
        "cause.evidence.0.source",
    ] {
        ensure!(!lookup(close, path).is_null(), "{path} is missing");
    }
    let (family, code) = (close["cause"]["family"].as_str(), close["cause"]["code"].as_str());
    let known = FAMILIES
        .iter()
        .find(|f| f.1.split(' ').any(|c| Some(c) == code))
        .context("the code is in no family")?;
    ensure!(family == Some(known.0), "{code:?} is sorted into {family:?}");
    for sure in [&close["close"]["confidence"], &close["cause"]["confidence"]] {
        ensure!(sure.as_f64().is_some_and(|c| (0.0..=1.0).contains(&c)), "a confidence of {sure}");
    }
    Ok(())
}
