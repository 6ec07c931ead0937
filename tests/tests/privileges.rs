//! What natstrace says and does with few privileges: started through setpriv(1) as a user that is not root, with exactly the
//! capabilities of a case. Needs root to take them away.
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tests::check;
use tests::lab::tools::is_root;

/// Nobody's user id.
const NOBODY: &str = "65534";
const MAIN: &str = "+net_raw,+bpf,+perfmon";

/// The program, where a user that is not root may run it; none where these tests can't be done.
fn program() -> Result<Option<(tempfile::TempDir, PathBuf)>> {
    let unable = |why: &str| {
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
        Ok(None)
    };
    if !is_root() {
        return unable("taking capabilities away as another user needs root");
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        return unable("setpriv (Debian package util-linux) is missing");
    }
    let folder = tempfile::tempdir()?;
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open)?;
    let place = folder.path().join("natstrace");
    std::fs::copy(check::natstrace()?, &place)?;
    Ok(Some((folder, place)))
}

/// It, as nobody with `capabilities` and no other.
fn nobody(program: &Path, capabilities: &str, args: &[&str]) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    setpriv.args([
        "--inh-caps",
        &format!("-all,{capabilities}"),
        "--bounding-set",
        &format!("-all,{capabilities}"),
    ]);
    // Ambient ones are what a program without file capabilities gets; none are there to take away.
    if capabilities.contains('+') {
        setpriv.args(["--ambient-caps", capabilities]);
    }
    setpriv.arg(program).args(args).current_dir("/");
    setpriv
}

fn run(program: &Path, capabilities: &str, args: &[&str]) -> Result<Output> {
    nobody(program, capabilities, args).output().context("setpriv")
}

/// Starts a trace and waits until it captures.
fn capturing(mut command: Command) -> Result<Child> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let said = BufReader::new(child.stderr.take().context("no standard error")?);
    let ready = said.lines().map_while(Result::ok).any(|line| line.contains("capturing on lo"));
    ensure!(ready, "it does not get ready");
    Ok(child)
}

/// What the kernel says of a thread.
struct Thread {
    /// The one the process began with: it opens interfaces.
    main: bool,
    /// Effective, permitted, inheritable and ambient capabilities.
    capabilities: [u64; 4],
    no_new_privs: bool,
}

fn threads(child: &Child) -> Result<Vec<Thread>> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id()))?;
    let of = |task: PathBuf| {
        let text = std::fs::read_to_string(task.join("status")).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
        Some(Thread {
            main: field("Pid:") == field("Tgid:"),
            capabilities: [set("CapEff:")?, set("CapPrm:")?, set("CapInh:")?, set("CapAmb:")?],
            no_new_privs: field("NoNewPrivs:") == Some("1"),
        })
    };
    Ok(tasks.flatten().filter_map(|task| of(task.path())).collect())
}

/// CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_PTRACE, as bits (capability.h).
const KEPT: u64 = 1 << 2 | 1 << 12 | 1 << 13 | 1 << 19;

fn doctor(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).context("not one JSON object")
}

/// `works`, `partly`, `missing`; empty where `name` was not looked at.
fn status<'a>(doctor: &'a Value, name: &str) -> &'a str {
    let mut checks = doctor["checks"].as_array().into_iter().flatten();
    let check = checks.find(|check| check["name"] == name);
    check.and_then(|check| check["status"].as_str()).unwrap_or_default()
}

#[test]
fn doctor_tells_the_truth_without_privileges() -> Result<()> {
    let Some((_folder, program)) = program()? else { return Ok(()) };
    let none = run(&program, "-chown", &["doctor", "-o", "json"])?;
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    let told = doctor(&none)?;
    assert_eq!((&told["type"], &told["main_job"]), (&"doctor".into(), &false.into()));
    for name in ["CAP_NET_RAW", "CAP_BPF", "CAP_PERFMON", "capture"] {
        assert_eq!(status(&told, name), "missing", "{name}");
    }
    for check in told["checks"].as_array().into_iter().flatten().filter(|c| c["status"] != "works") {
        assert!(check["costs"].as_str().is_some_and(|costs| costs.len() > 20), "no price: {check}");
    }
    let some = run(&program, MAIN, &["doctor", "-o", "json"])?;
    assert_eq!(some.status.code(), Some(0), "{some:?}");
    let told = doctor(&some)?;
    for name in ["CAP_NET_RAW", "CAP_BPF", "CAP_PERFMON", "capture"] {
        assert_eq!(status(&told, name), "works", "{name}");
    }
    assert_eq!(status(&told, "CAP_NET_ADMIN"), "missing");
    Ok(())
}

#[test]
fn doctor_speaks_to_people_too() -> Result<()> {
    let Some((_folder, program)) = program()? else { return Ok(()) };
    let told = run(&program, "-chown", &["doctor"])?;
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("costs: no live tracing"), "{text}");
    assert!(text.contains("Live tracing can't run here."), "{text}");
    Ok(())
}

#[test]
fn three_capabilities_are_enough_to_trace() -> Result<()> {
    let Some((_folder, program)) = program()? else { return Ok(()) };
    let traced = run(&program, MAIN, &["--iface", "lo", "--duration", "300ms"])?;
    let said = String::from_utf8_lossy(&traced.stderr);
    assert_eq!(traced.status.code(), Some(0), "{said}");
    assert!(said.contains("natstrace: capturing on lo (port 4222, probes: "), "{said}");
    Ok(())
}

#[test]
fn without_net_raw_the_line_says_what_to_type() -> Result<()> {
    let Some((_folder, program)) = program()? else { return Ok(()) };
    let refused = run(&program, "+bpf,+perfmon", &["--iface", "lo", "--duration", "300ms"])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_RAW") && said.contains("sudo"), "{said}");
    assert!(said.contains("setcap cap_net_raw,cap_bpf,cap_perfmon"), "{said}");
    Ok(())
}

#[test]
fn what_is_not_used_is_let_go() -> Result<()> {
    let Some((_folder, program)) = program()? else { return Ok(()) };
    let args = ["--iface", "lo", "--duration", "5s"];
    let mut root = Command::new(&program);
    root.args(args);
    for (command, allowed) in [(root, KEPT), (nobody(&program, MAIN, &args), 1 << 13)] {
        let mut child = capturing(command)?;
        let threads = threads(&child)?;
        child.kill()?;
        child.wait()?;
        assert!(threads.iter().any(|thread| thread.main), "the main thread was not seen");
        for Thread { main, capabilities: [effective, permitted, inheritable, ambient], no_new_privs } in
            threads
        {
            // The thread that reads rule sets hands some of what was kept to nft and iptables.
            let handed = if allowed == KEPT { KEPT } else { 0 };
            let (more, extra) = ((effective | permitted) & !allowed, (inheritable | ambient) & !handed);
            assert_eq!((more, extra), (0, 0), "capabilities are left: {more:x} {extra:x}");
            // A thread that needs none, as the reader of the kernel's symbols, holds none.
            assert!(!main || effective & 1 << 13 != 0, "an interface that comes back could not be opened");
            assert!(no_new_privs, "no_new_privs is not set");
        }
    }
    Ok(())
}
