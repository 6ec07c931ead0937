//! A handful of scenarios played live, recorded anew and checked: the captures in the repository stay reproducible.
use tests::check;
use tests::lab::{run, scenarios, tools};

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

#[test]
fn live_scenarios_are_told_right() {
    if !tools::is_root() {
        eprintln!("skipped: the lab makes network namespaces and needs root");
        return;
    }
    let tools = match tools::Tools::find() {
        Ok(tools) => tools,
        Err(e) => {
            eprintln!("skipped: {e} (cargo xtask lab --setup installs it)");
            return;
        }
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
