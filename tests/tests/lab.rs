//! A handful of scenarios played live, recorded anew and checked: the captures in the repository stay reproducible.
use std::io::Write;
use tests::check;
use tests::lab::net::Net;
use tests::lab::{Host, run, scenarios, tools};

const LIVE: &[&str] = &[
    "clean_close_py",
    "client_abort",
    "server_sigterm",
    "server_restart",
    "syn_reject_port",
    "max_payload_data",
    "stale_client",
    "tls_required",
];

/// Says so past the test harness, which swallows what a passing test prints.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

#[test]
fn hosts_go_away_with_a_panic() {
    if !tools::is_root() || tools::Tools::find().is_err() {
        return skipped("no root or no tools for the lab");
    }
    let ns = std::sync::Mutex::new(String::new());
    let panicked = std::panic::catch_unwind(|| {
        let net = Net::build().expect("hosts");
        if let Ok(mut ns) = ns.lock() {
            *ns = format!("/run/netns/{}", net.ns(Host::Server));
        }
        panic!("a scenario fails");
    });
    assert!(panicked.is_err());
    let ns = ns.lock().expect("lock").clone();
    assert!(!ns.is_empty() && !std::path::Path::new(&ns).exists(), "{ns} is left");
}

#[test]
fn live_scenarios_are_told_right() {
    if !tools::is_root() {
        return skipped("the lab makes network namespaces and needs root");
    }
    let tools = match tools::Tools::find() {
        Ok(tools) => tools,
        Err(e) => return skipped(&format!("{e} (cargo xtask setup installs it)")),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let chosen: Vec<_> = scenarios::all().into_iter().filter(|s| LIVE.contains(&s.name)).collect();
    assert_eq!(chosen.len(), LIVE.len(), "a live scenario is gone");
    let outcomes = run::play_all(&chosen, &tools, folder.path(), 4, |_| ());
    let failed: Vec<_> = outcomes
        .iter()
        .filter_map(|o| o.result.as_ref().err().map(|e| format!("{}: {e:#}", o.name)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let wrong = check::report(folder.path()).expect("checked");
    assert_eq!(wrong, 0, "verdicts differ from the truth: see the rows marked WRONG");
}
