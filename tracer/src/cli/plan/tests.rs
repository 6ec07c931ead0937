//! From the words typed to the plan.
use super::*;
use crate::event::{Kind, Party};
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

const CAUSES: [&str; 3] = ["slow_consumer", "stale_client", "client_closed"];
const PIPE: Surroundings = Surroundings { terminal: false, no_color: false, columns: None };
const TERMINAL: Surroundings = Surroundings { terminal: true, no_color: false, columns: Some(132) };

fn args(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(format!("natstrace {line}").split_whitespace())
}

fn plan(line: &str) -> Result<Plan, Usage> {
    args(line).unwrap_or_else(|e| panic!("{line}: {e}")).resolve(&CAUSES, PIPE)
}

#[test]
fn clap_agrees() {
    Args::command().debug_assert();
}

#[test]
fn defaults() {
    let live = plan("").unwrap();
    assert_eq!(live.input, Input::Live { ifaces: vec![], netns: None });
    assert!(live.is_live() && live.ebpf == Ebpf::Auto && live.capture == Capture::On && !live.tunnels);
    assert_eq!((live.settle, live.idle_timeout), (Settle::For(Span::secs(1)), Span::secs(120)));
    assert_eq!((live.ring, live.max_connections), (64 << 20, 1_000_000));
    assert!(live.selection.is_all() && live.format == Format::Text && !live.settings.told);
    assert_eq!(live.look, Look { width: 80, color: false });
    let offline = plan("-r x.pcap -r -").unwrap();
    assert_eq!(offline.input, Input::Files(vec!["x.pcap".into(), "-".into()]));
    assert_eq!(offline.settle, Settle::UntilKnown(Span::secs(60)));
    assert!(offline.tunnels && offline.ebpf == Ebpf::Off && !offline.is_live());
}

#[test]
fn every_option_parses() {
    let all = "-i eth0 --iface any --netns blue -p 4222,6222 -f tcp --tunnels --ebpf on --capture headers -o json -O out \
        --only fin,rst --side client,unknown --cause slow_consumer,unknown --duration 90s --count 3 --idle-timeout 30s \
        --settle 0s --summary-every 1m -w w.pcapng --ring 1MiB --keep-secrets --trace-firewall --monitor auto \
        --server-log l --assume write_deadline=2s,ping_max=3 --metrics 9100 --report r.html --max-connections 5 -q -vv \
        --color always";
    let p = plan(all).unwrap();
    assert_eq!(
        p.input,
        Input::Live { ifaces: vec!["eth0".into(), "any".into()], netns: Some("blue".into()) }
    );
    assert_eq!(p.selection.kinds, [Kind::Fin, Kind::Rst]);
    assert_eq!(p.selection.sides, [Party::Client, Party::Unknown]);
    assert_eq!(p.selection.causes, ["slow_consumer", "unknown"]);
    assert!(p.selection.quiet && p.selection.count == Some(3) && p.verbose == 2 && p.look.color);
    assert_eq!((p.settings.write_deadline, p.settings.ping_max, p.settings.told), (Span::secs(2), 3, true));
    assert_eq!((p.settle, p.ring, p.max_connections), (Settle::For(Span::ZERO), 1 << 20, 5));
    assert!(plan("-r x --redact --color never").unwrap().redact);
}

#[test]
fn what_comes_later_is_named() {
    assert_eq!(plan("-r x").unwrap().not_yet(), None);
    assert_eq!(plan("-r x --report r.html").unwrap().not_yet(), Some("--report"));
    assert_eq!(plan("-i eth0 --capture headers").unwrap().not_yet(), None);
    assert_eq!(plan("-i eth0 --ebpf on --capture off").unwrap().not_yet(), None);
}

#[test]
fn commands() {
    assert!(matches!(args("explain").unwrap().command, Some(crate::cli::Command::Explain { code: None })));
    for line in [
        "explain slow_consumer",
        "doctor -o json",
        "compare a b -o json",
        "completions bash",
        "man --color never",
    ] {
        assert!(args(line).unwrap().command.is_some(), "{line}");
    }
}

#[test]
fn bad_values_are_usage_errors() {
    for line in [
        "-r x -i eth0",
        "-r x --netns 1",
        "-r x --tunnels",
        "-r x --trace-firewall",
        "-r x --summary-every 1s",
        "-p 0",
        "-p x",
        "--only nope",
        "--side middle",
        "--duration 0s",
        "--duration x",
        "--count 0",
        "--count -1",
        "--ring 0",
        "--max-connections 0",
        "--ebpf maybe",
        "--capture half",
        "-o xml",
        "--assume x=1",
        "--monitor ftp://x",
        "--metrics nowhere",
        "--keep-secrets",
        "--settle x",
        "--nope",
        "explain a b",
        "compare a",
        "completions tcl",
        "stray",
        "-r x explain",
    ] {
        assert_eq!(args(line).err().map(|e| e.exit_code()), Some(2), "{line}");
    }
    for line in ["--help", "-h", "--version", "explain --help"] {
        let error = args(line).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion), "{line}");
        assert_eq!(error.exit_code(), 0);
    }
}

#[test]
fn contradictions_are_usage_errors() {
    for (line, word) in [
        ("--capture off --ebpf off", "nothing to observe"),
        ("-r x --capture off", "--read"),
        ("-r x --ebpf on", "live"),
        ("--capture off -w f", "--write"),
        ("-r x -w f --redact", "--redact"),
        ("-r - -r -", "standard input"),
        ("-r x --cause slow_consumr", "slow_consumer"),
        ("-r x --cause zz", "stale_client"),
    ] {
        let error = plan(line).unwrap_err().to_string();
        assert!(error.contains(word), "{line}: {error}");
    }
}

#[test]
fn colours() {
    let color = |line: &str, around| args(line).unwrap().resolve(&CAUSES, around).unwrap().look;
    assert_eq!(color("-r x", TERMINAL), Look { width: 132, color: true });
    assert!(!color("-r x -O file", TERMINAL).color);
    assert!(!color("-r x", Surroundings { no_color: true, ..TERMINAL }).color);
    assert!(color("-r x --color always", Surroundings { no_color: true, ..PIPE }).color);
    assert!(!color("-r x --color never", TERMINAL).color);
}
