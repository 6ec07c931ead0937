//! `natstrace compare` on what the lab recorded at the client's host and at the server's host. What is expected follows
//! from the fault of the scenario, never from what natstrace says.
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tests::check;

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

fn verdicts(scenario: &str) -> Result<Vec<String>> {
    let (lines, _) = compare(&capture(scenario, "client"), &capture(scenario, "server"))?;
    Ok(lines.iter().map(|o| o["verdict"]["code"].as_str().unwrap_or_default().to_owned()).collect())
}

#[test]
fn faults_are_placed() {
    for (scenario, expected) in [
        ("clean_close_py", &["clean"][..]),
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
        ("injected_reset_client", &["reset_injected"]),
        ("injected_reset_both", &["reset_injected"]),
        ("filter_server_input", &["died_beyond_server_side"]),
        ("filter_client_input", &["died_beyond_client_side"]),
        ("syn_dropped", &["died_beyond_server_side"]),
        ("nat_kicked", &["clean", "clean"]),
        ("nat_server_sigkill", &["clean"]),
        ("proxy_client_closes", &["proxied"]),
        ("proxy_idle_timeout", &["proxied", "proxied", "proxied", "proxied"]),
    ] {
        assert_eq!(verdicts(scenario).expect("verdicts"), expected, "{scenario}");
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
