//! `natstrace compare` on what the lab recorded at the client's host and at the server's host. What is expected follows
//! from the fault of the scenario, never from what natstrace says.
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tests::check;
use tests::each::{cores, each};
use tests::score::FIRM;
use tests::variants::{self, Variant};

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

fn capture(scenario: &str, vantage: &str) -> PathBuf {
    captures().join(format!("{scenario}.{vantage}.pcap"))
}

fn run(client_side: &Path, server_side: &Path, options: &[&str]) -> Result<Output> {
    let binary = check::natstrace()?;
    let mut command = Command::new(binary);
    command.arg("compare").args([client_side, server_side]).args(options);
    Ok(command.output()?)
}

/// Comparisons of what both captures show, and the summary.
fn compare(client_side: &Path, server_side: &Path) -> Result<(Vec<Value>, Value)> {
    let out = run(client_side, server_side, &["-o", "json"])?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut lines = check::objects(&String::from_utf8(out.stdout)?)?;
    let summary = lines.pop().context("no summary")?;
    ensure!(summary["type"] == "comparison_summary", "{summary}");
    let one_sided = |o: &Value| o["verdict"]["code"].as_str().is_some_and(|code| code.starts_with("only_"));
    lines.retain(|o| !one_sided(o));
    Ok((lines, summary))
}

fn code(line: &Value) -> &str {
    check::word(line, "/verdict/code")
}

fn confidence(line: &Value) -> f64 {
    line.pointer("/verdict/confidence").and_then(Value::as_f64).unwrap_or(-1.0)
}

/// What the fault of each scenario does between its client's and its server's host, by connection.
const PLACED: &[(&str, &[&str])] = &[
    ("clean_close_py", &["clean"]),
    ("clean_close_js", &["clean"]),
    ("alive_idle", &["clean", "clean"]),
    ("server_sigterm", &["clean", "clean"]),
    ("client_abort", &["clean"]),
    ("stale_client", &["clean"]),
    ("port_reused", &["clean", "clean"]),
    ("midstream_close", &["clean"]),
    ("alive_under_loss", &["loss"]),
    ("link_flap", &["loss"]),
    ("mtu_blackhole", &["large_segments_lost", "clean"]),
    ("one_way_path", &["direction_died"]),
    ("filter_router_one_way", &["direction_died"]),
    ("path_blackhole", &["path_died"]),
    ("filter_router_both", &["path_died"]),
    ("path_blackhole_ipv6", &["clean", "path_died"]),
    ("filter_router_one_flow", &["path_died", "clean"]),
    ("filter_idle_forgotten", &["direction_died", "clean"]),
    ("injected_reset_client", &["reset_injected"]),
    ("injected_reset_both", &["reset_injected"]),
    ("filter_reject_reset", &["reset_injected"]),
    ("syn_reject_reset", &["clean", "reset_injected", "reset_injected", "reset_injected"]),
    ("filter_server_input", &["died_beyond_server_side"]),
    ("filter_server_output", &["died_beyond_server_side"]),
    ("filter_client_output", &["died_beyond_client_side"]),
    ("filter_client_input", &["died_beyond_client_side"]),
    ("syn_dropped", &["died_beyond_server_side"]),
    ("nat_kicked", &["clean", "clean"]),
    ("nat_server_sigkill", &["clean"]),
    ("proxy_client_closes", &["proxied"]),
    ("proxy_idle_timeout", &["proxied", "proxied", "proxied", "proxied"]),
];

#[test]
fn faults_are_placed() {
    for (scenario, expected) in PLACED {
        let (lines, _) =
            compare(&capture(scenario, "client"), &capture(scenario, "server")).expect("a comparison");
        let codes: Vec<&str> = lines.iter().map(code).collect();
        assert_eq!(codes, *expected, "{scenario}");
        let unsure: Vec<&Value> = lines.iter().filter(|line| confidence(line) < FIRM).collect();
        assert!(unsure.is_empty(), "{scenario}: {unsure:?}");
    }
}

/// What the comparison of whole captures says, and so may be said of them with less to be seen; what is left may be clean, too.
fn still(plain: &[Value]) -> Vec<String> {
    let mut codes: Vec<String> = plain.iter().map(|line| code(line).to_owned()).collect();
    codes.push("clean".to_owned());
    let lost = |line: &Value| {
        ["client_to_server", "server_to_client"].iter().any(|way| line[way]["lost"].as_u64() > Some(0))
    };
    if plain.iter().any(lost) {
        codes.push("loss".to_owned());
    }
    if plain.iter().any(|line| code(line) == "reset_injected" && lost(line)) {
        // What a filter answers with a reset doesn't go on; maybe the reset isn't seen.
        codes.extend(["direction_died", "never_arrived"].map(str::to_owned));
    }
    codes
}

/// Captures at the client's and at the server's host, some of them made harder to read, and what may be said of them.
struct Harder {
    scenario: String,
    expected: Vec<String>,
    sides: &'static [&'static str],
    variant: &'static Variant,
}

impl Harder {
    /// What is said of them firmly that may not be.
    fn firm_and_wrong(&self) -> Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let mut files = ["client", "server"].map(|side| (side, capture(&self.scenario, side)));
        for (side, file) in files.iter_mut().filter(|(side, _)| self.sides.contains(side)) {
            let Some(harder) = self.variant.of(&std::fs::read(&file)?)? else { return Ok(vec![]) };
            *file = folder.path().join(format!("{side}.pcap"));
            std::fs::write(&file, harder)?;
        }
        let [(_, client_side), (_, server_side)] = &files;
        let (lines, _) = compare(client_side, server_side)?;
        let wrong = |line: &&Value| {
            confidence(line) >= FIRM && !self.expected.iter().any(|accepted| accepted == code(line))
        };
        let say = |line: &Value| {
            let (scenario, way, told) = (&self.scenario, self.variant.name, &line["verdict"]["summary"]);
            format!("{scenario} ({}): {way}: {} {told}", self.sides.join(", "), confidence(line))
        };
        Ok(lines.iter().filter(wrong).map(say).collect())
    }
}

/// Captures that have holes, begin late, end early, are cut short, one of the two or both: what is said firmly stays true.
#[test]
fn holes_are_not_told_as_faults_with_confidence() {
    const SIDES: [&[&str]; 3] = [&["client"], &["server"], &["client", "server"]];
    /// Of all pairs every so many is tried, each scenario in another few ways: all of them take ten minutes.
    const EVERY: usize = 36;
    let mut cases = Vec::new();
    for (place, truth) in check::truths(&captures()).expect("truths").into_iter().enumerate() {
        let both = ["client", "server"].map(|side| capture(&truth.scenario, side));
        if !both.iter().all(|file| file.is_file()) {
            continue;
        }
        let (plain, _) = compare(&both[0], &both[1]).expect("a comparison");
        let ways = SIDES.into_iter().flat_map(|sides| variants::ALL.iter().map(move |way| (sides, way)));
        let own = ways.enumerate().filter(|(turn, _)| (turn + place * 7).is_multiple_of(EVERY));
        cases.extend(own.map(|(_, (sides, variant))| Harder {
            scenario: truth.scenario.clone(),
            expected: still(&plain),
            sides,
            variant,
        }));
    }
    let wrong = each(&cases, cores(), |_| (), Harder::firm_and_wrong);
    let wrong: Vec<String> = wrong.into_iter().flat_map(|one| one.expect("a comparison")).collect();
    assert!(wrong.is_empty(), "firm and wrong:\n{}", wrong.join("\n"));
}

/// Neither format tells an address of the lab; all else is as without.
#[test]
fn redacted() {
    let real = |text: &str| ["10.77.", "fd77:"].iter().any(|part| text.contains(part));
    for scenario in ["nat_kicked", "proxy_client_closes", "syn_reject_port", "one_way_path"] {
        let (client, server) = (capture(scenario, "client"), capture(scenario, "server"));
        let said = |options: &[&str]| {
            String::from_utf8(run(&client, &server, options).expect("natstrace runs").stdout).expect("text")
        };
        let (plain, veiled) = (said(&["-o", "json"]), said(&["-o", "json", "--redact"]));
        assert!(real(&plain) && !real(&veiled), "{veiled}");
        let [plain, veiled] = [plain, veiled].map(|text| check::objects(&text).expect("JSON"));
        assert_eq!(plain.len(), veiled.len());
        for (plain, veiled) in plain.iter().zip(&veiled) {
            for part in
                ["/verdict/code", "/verdict/confidence", "/client_to_server", "/client_side/client/port"]
            {
                assert_eq!(plain.pointer(part), veiled.pointer(part), "{scenario}");
            }
            let address =
                |line: &Value, side: &str| line.pointer(&format!("/{side}/server/address")).cloned();
            // One token for one address.
            let same = |line: &Value| address(line, "client_side") == address(line, "server_side");
            assert_eq!(same(plain), same(veiled), "{scenario}");
        }
        let text = said(&["--redact"]);
        assert!(!real(&text) && text.contains("% sure"), "{text}");
    }
}

#[test]
fn the_hop_that_closed_is_named() {
    let said = |scenario: &str| {
        let (lines, _) =
            compare(&capture(scenario, "client"), &capture(scenario, "server")).expect("a comparison");
        lines[0]["verdict"]["summary"].as_str().unwrap_or_default().to_owned()
    };
    let closed = said("proxy_client_closes");
    assert!(closed.contains("at the client side the client closed first"), "{closed}");
    assert!(closed.contains("at the server side the proxy closed first"), "{closed}");
    let killed = said("proxy_sigkill");
    assert!(killed.contains("at the client side the proxy closed first"), "{killed}");
}

#[test]
fn addresses_that_are_rewritten_are_told() {
    let (lines, _) =
        compare(&capture("nat_kicked", "client"), &capture("nat_kicked", "server")).expect("a comparison");
    let text = lines[0]["rewritten"].to_string();
    assert!(text.contains("10.77.1.2") && text.contains("10.77.2.1"), "{text}");
}

#[test]
fn a_third_point_narrows_it_down() {
    // Recorded behind the filter of the router, towards the server.
    let verdict = |from, to| {
        let (lines, _) =
            compare(&capture("filter_router_one_way", from), &capture("filter_router_one_way", to))
                .expect("a comparison");
        let first = lines.first().and_then(|o| o["verdict"]["code"].as_str().map(str::to_owned));
        first.unwrap_or_default()
    };
    assert_eq!(verdict("client", "server"), "direction_died");
    assert_eq!(verdict("client", "router"), "direction_died");
    assert_eq!(verdict("router", "server"), "died_beyond_client_side");
}

#[test]
fn the_forged_reset_is_numbered() {
    let (lines, _) =
        compare(&capture("injected_reset_client", "client"), &capture("injected_reset_client", "server"))
            .expect("a comparison");
    let born = &lines[0]["server_to_client"]["births"][0];
    assert_eq!((&born["flags"], &born["ttl"]), (&"R".into(), &128.into()));
    assert!(
        lines[0]["verdict"]["summary"]
            .as_str()
            .is_some_and(|s| s.contains(&format!("no. {}", born["packet"])))
    );
}

/// A classic pcap of little-endian machines with all its times moved.
fn moved(from: &Path, to: &Path, seconds: i64) -> Result<()> {
    let mut bytes = std::fs::read(from)?;
    let mut at = 24;
    while let Some(head) = bytes.get_mut(at..at + 16) {
        let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let (time, len) = (i64::from(word(0)) + seconds, word(8) as usize);
        head[..4].copy_from_slice(&(time as u32).to_le_bytes());
        at += 16 + len;
    }
    Ok(std::fs::write(to, bytes)?)
}

#[test]
fn wall_clocks_are_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    for scenario in ["alive_under_loss", "one_way_path"] {
        let (client, server) = (capture(scenario, "client"), capture(scenario, "server"));
        let later = folder.path().join("later.pcap");
        moved(&server, &later, 7_200).expect("moved");
        let (mut plain, summary) = compare(&client, &server).expect("a comparison");
        let (mut shifted, moved) = compare(&client, &later).expect("a comparison");
        let offset = |s: &Value| s["clock"]["offset_ms"].as_f64().expect("an offset");
        assert!((offset(&moved) - offset(&summary) - 7_200_000.0).abs() < 0.01, "{moved}");
        for line in plain.iter_mut().chain(&mut shifted) {
            assert!(
                line["client_to_server"]["delay_ms"]["max"].as_f64().is_some_and(|ms| ms < 100.0),
                "{line}"
            );
            for way in ["client_to_server", "server_to_client"] {
                for key in ["losses", "died"] {
                    line[way].as_object_mut().expect("a direction").remove(key);
                }
            }
            line.as_object_mut().expect("an object").remove("verdict");
        }
        assert_eq!(plain, shifted, "{scenario}");
    }
}

#[test]
fn the_wrong_way_round_is_noticed() {
    let (server, client) = (capture("one_way_path", "server"), capture("one_way_path", "client"));
    let (lines, summary) = compare(&server, &client).expect("a comparison");
    assert_eq!(summary["swapped"], true);
    assert_eq!(lines[0]["verdict"]["code"], "direction_died");
    let out = run(&server, &client, &[]).expect("natstrace runs");
    assert!(String::from_utf8_lossy(&out.stdout).contains("wrong way round"));
}

#[test]
fn ends_as_promised() {
    let good = capture("clean_close_py", "client");
    let missing = run(&good, Path::new("/nonexistent.pcap"), &[]).expect("natstrace runs");
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no such file"));
    let folder = tempfile::tempdir().expect("a folder");
    let cut = folder.path().join("cut.pcap");
    let bytes = std::fs::read(capture("clean_close_py", "server")).expect("a capture");
    std::fs::write(&cut, &bytes[..bytes.len() - 7]).expect("written");
    let damaged = run(&good, &cut, &["-o", "json"]).expect("natstrace runs");
    assert_eq!(damaged.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&damaged.stdout).contains("comparison_summary"));
    assert!(String::from_utf8_lossy(&damaged.stderr).contains("damaged at byte"));
    assert_eq!(run(Path::new("-"), Path::new("-"), &[]).expect("natstrace runs").status.code(), Some(2));
}
