//! What natstrace must have said inside a guest.
use super::guest::{ABORT, CLEAN, CUT, DROPPED, KILLED, REFUSED};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What was done at an address of the server, and what a close there must say.
struct Expect {
    address: &'static str,
    fault: &'static str,
    kind: &'static str,
    side: &'static str,
    causes: &'static [&'static str],
    /// Evidence that must be there, by source and a part of its text: what packets alone can't show.
    proof: &'static [(&'static str, &'static str)],
}

/// The kernel's reason and place, and the very rule.
const FILTERED: &[(&str, &str)] =
    &[("kernel", "NETFILTER_DROP"), ("kernel", "nft_do_chain"), ("host", "table inet guest, chain input")];

const EXPECTED: &[Expect] = &[
    Expect {
        address: CLEAN,
        fault: "clean close",
        kind: "fin",
        side: "client",
        causes: &["client_closed"],
        proof: &[],
    },
    Expect {
        address: ABORT,
        fault: "abort",
        kind: "rst",
        side: "client",
        causes: &["client_closed", "client_process_exit"],
        proof: &[],
    },
    Expect {
        address: DROPPED,
        fault: "SYN dropped by nft",
        kind: "firewall_drop",
        side: "server",
        causes: &["firewall_drop"],
        proof: FILTERED,
    },
    Expect {
        address: CUT,
        fault: "established, then dropped by nft",
        kind: "firewall_drop",
        side: "server",
        causes: &["firewall_drop"],
        proof: FILTERED,
    },
    Expect {
        address: KILLED,
        fault: "server killed",
        kind: "fin",
        side: "server",
        causes: &["server_crashed"],
        proof: &[("kernel", "SIGKILL")],
    },
    Expect {
        address: REFUSED,
        fault: "refused",
        kind: "rst",
        side: "server",
        // It was killed just before: that nobody listens, and why, are both true.
        causes: &["server_not_listening", "server_crashed"],
        proof: &[],
    },
];

/// Checks everything a guest wrote; a line of what was seen where all is right.
pub fn check(said: &str) -> Result<String> {
    let starting =
        |word: &'static str| said.lines().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '));
    if let Some(why) = starting("failed").next() {
        anyhow::bail!("{why}\n{}", starting("err").collect::<Vec<_>>().join("\n"));
    }
    ensure!(said.lines().any(|line| line == "done"), "the guest stopped before its end");
    ensure!(starting("exit").next() == Some("exit status: 0"), "natstrace did not end well");
    let doctor: Value = serde_json::from_str(starting("doctor").next().context("doctor said nothing")?)?;
    let probes = probes(&doctor)?;
    let ready = starting("err").find(|line| line.contains("capturing on")).context("no ready line")?;
    ensure!(ready.contains(&format!("probes: {probes} of {probes}")), "not all probes: {ready}");
    let closes: Vec<Value> = starting("out")
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>()?
        .into_iter()
        .filter(|line| line["type"] == "close")
        .collect();
    let wrong: Vec<String> =
        EXPECTED.iter().filter_map(|e| e.wrong(&closes).map(|why| format!("{}: {why}", e.fault))).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    let kernel = starting("kernel").next().unwrap_or_default();
    let first = starting("ready").next().unwrap_or_default();
    Ok(format!("{kernel}: {probes} tracepoints load, {} verdicts right, ready after {first}", EXPECTED.len()))
}

/// How many tracepoints there are; all must load, though an older kernel may tell less in some.
fn probes(doctor: &Value) -> Result<usize> {
    let checks = doctor["checks"].as_array().context("doctor without checks")?;
    let mut seen = 0;
    for check in checks.iter().filter(|c| c["name"].as_str().is_some_and(|n| n.starts_with("tracepoint "))) {
        ensure!(check["status"] != "missing", "{}: {}", check["name"], check["found"]);
        seen += 1;
    }
    ensure!(seen > 0, "doctor names no tracepoint");
    Ok(seen)
}

impl Expect {
    /// What is wrong with the one close at this address.
    fn wrong(&self, closes: &[Value]) -> Option<String> {
        let mine: Vec<&Value> = closes.iter().filter(|c| c["server"]["address"] == self.address).collect();
        let [close] = mine[..] else { return Some(format!("{} closes instead of one", mine.len())) };
        let (kind, side, code) = (&close["close"]["kind"], &close["close"]["side"], &close["cause"]["code"]);
        if kind != self.kind || side != self.side || !self.causes.iter().any(|cause| code == cause) {
            let wanted = format!("{}, {}, {}", self.kind, self.side, self.causes.join(" or "));
            return Some(format!("{kind}, {side}, {code}; expected {wanted}"));
        }
        let evidence = close["cause"]["evidence"].as_array().map(Vec::as_slice).unwrap_or_default();
        let proven = |(source, part): &&(&str, &str)| {
            let says = |e: &Value| e["text"].as_str().is_some_and(|text| text.contains(part));
            evidence.iter().any(|e| e["source"] == *source && says(e))
        };
        let (source, part) = self.proof.iter().find(|proof| !proven(proof))?;
        Some(format!("no evidence of source {source} says {part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KILL: &str = "pid 1 sent SIGKILL";

    fn close(side: &str, text: &str) -> Value {
        json!({
            "type": "close",
            "server": {"address": KILLED},
            "close": {"kind": "fin", "side": side},
            "cause": {"code": "server_crashed", "evidence": [{"source": "kernel", "text": text}]},
        })
    }

    fn killed(closes: &[Value]) -> Option<String> {
        EXPECTED.iter().find(|e| e.address == KILLED).and_then(|e| e.wrong(closes))
    }

    #[test]
    fn one_right_close_is_wanted() {
        assert_eq!(killed(&[close("server", KILL)]), None);
        assert_eq!(killed(&[]).as_deref(), Some("0 closes instead of one"));
        assert!(killed(&[close("server", KILL), close("server", KILL)]).is_some());
        assert!(killed(&[close("client", KILL)]).is_some_and(|why| why.contains("expected fin, server")));
        let unproven = killed(&[close("server", "it exited")]);
        assert_eq!(unproven.as_deref(), Some("no evidence of source kernel says SIGKILL"));
    }

    #[test]
    fn a_guest_that_fails_says_why() {
        let error = check("kernel 6.1\nfailed ip: no\nstopped\n").unwrap_err();
        assert!(error.to_string().starts_with("ip: no"));
        assert!(check("kernel 6.1\n").is_err());
        let some =
            json!({"checks": [{"name": "tracepoint skb:kfree_skb", "status": "missing", "found": "no"}]});
        assert!(probes(&some).is_err());
        assert!(probes(&json!({"checks": []})).is_err());
    }
}
