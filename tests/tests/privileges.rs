//! What natstrace says and does with few privileges: started through setpriv(1) as a user that is not root, with exactly the
//! capabilities of a case. Needs root to take them away.
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
fn program() -> Option<(tempfile::TempDir, PathBuf)> {
    let unable = |why: &str| {
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
        None
    };
    if !is_root() {
        return unable("taking capabilities away as another user needs root");
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        return unable("setpriv (Debian package util-linux) is missing");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("a folder for all");
    let place = folder.path().join("natstrace");
    std::fs::copy(check::natstrace().expect("built"), &place).expect("copied");
    Some((folder, place))
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

fn run(program: &Path, capabilities: &str, args: &[&str]) -> Output {
    nobody(program, capabilities, args).output().expect("setpriv")
}

/// Starts a trace and waits until it captures.
fn capturing(mut command: Command) -> Child {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
    let said = BufReader::new(child.stderr.take().expect("piped"));
    assert!(said.lines().map_while(Result::ok).any(|line| line.contains("capturing on lo")), "not ready");
    child
}

/// What the kernel says of each thread: effective, permitted, inheritable and ambient capabilities, and no_new_privs.
fn threads(child: &Child) -> Vec<([u64; 4], bool)> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
    let of = |task: PathBuf| {
        let text = std::fs::read_to_string(task.join("status")).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
        let sets = [set("CapEff:")?, set("CapPrm:")?, set("CapInh:")?, set("CapAmb:")?];
        Some((sets, field("NoNewPrivs:") == Some("1")))
    };
    tasks.flatten().filter_map(|task| of(task.path())).collect()
}

/// CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_PTRACE, as bits (capability.h).
const KEPT: u64 = 1 << 2 | 1 << 12 | 1 << 13 | 1 << 19;

fn doctor(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn status(doctor: &Value, name: &str) -> String {
    let checks = doctor["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name).expect(name);
    check["status"].as_str().expect("a status").to_owned()
}

#[test]
fn doctor_tells_the_truth_without_privileges() {
    let Some((_folder, program)) = program() else { return };
    let none = run(&program, "-chown", &["doctor", "-o", "json"]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    let told = doctor(&none);
    assert_eq!((&told["type"], &told["main_job"]), (&"doctor".into(), &false.into()));
    for name in ["CAP_NET_RAW", "CAP_BPF", "CAP_PERFMON", "capture"] {
        assert_eq!(status(&told, name), "missing", "{name}");
    }
    for check in told["checks"].as_array().expect("checks").iter().filter(|c| c["status"] != "works") {
        assert!(check["costs"].as_str().is_some_and(|costs| costs.len() > 20), "no price: {check}");
    }
    let some = run(&program, MAIN, &["doctor", "-o", "json"]);
    assert_eq!(some.status.code(), Some(0), "{some:?}");
    let told = doctor(&some);
    for name in ["CAP_NET_RAW", "CAP_BPF", "CAP_PERFMON", "capture"] {
        assert_eq!(status(&told, name), "works", "{name}");
    }
    assert_eq!(status(&told, "CAP_NET_ADMIN"), "missing");
}

#[test]
fn doctor_speaks_to_people_too() {
    let Some((_folder, program)) = program() else { return };
    let told = run(&program, "-chown", &["doctor"]);
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("costs: no live tracing"), "{text}");
    assert!(text.contains("Live tracing can't run here."), "{text}");
}

#[test]
fn three_capabilities_are_enough_to_trace() {
    let Some((_folder, program)) = program() else { return };
    let traced = run(&program, MAIN, &["--iface", "lo", "--duration", "300ms"]);
    let said = String::from_utf8_lossy(&traced.stderr);
    assert_eq!(traced.status.code(), Some(0), "{said}");
    assert!(said.contains("natstrace: capturing on lo (port 4222, probes: "), "{said}");
}

#[test]
fn without_net_raw_the_line_says_what_to_type() {
    let Some((_folder, program)) = program() else { return };
    let refused = run(&program, "+bpf,+perfmon", &["--iface", "lo", "--duration", "300ms"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_RAW") && said.contains("sudo"), "{said}");
    assert!(said.contains("setcap cap_net_raw,cap_bpf,cap_perfmon"), "{said}");
}

#[test]
fn what_is_not_used_is_let_go() {
    let Some((_folder, program)) = program() else { return };
    let args = ["--iface", "lo", "--duration", "5s"];
    let mut root = Command::new(&program);
    root.args(args);
    for (command, allowed) in [(root, KEPT), (nobody(&program, MAIN, &args), 1 << 13)] {
        let mut child = capturing(command);
        let threads = threads(&child);
        child.kill().expect("it runs");
        child.wait().expect("ended");
        assert!(!threads.is_empty(), "no thread was seen");
        for ([effective, permitted, inheritable, ambient], locked) in threads {
            // The thread that reads rule sets hands CAP_NET_ADMIN and CAP_NET_RAW to nft and iptables.
            let handed = 1 << 12 | 1 << 13;
            let (more, extra) = ((effective | permitted) & !allowed, (inheritable | ambient) & !handed);
            assert_eq!((more, extra), (0, 0), "capabilities are left: {more:x} {extra:x}");
            assert_ne!(effective & 1 << 13, 0, "an interface that comes back could not be opened");
            assert!(locked, "no_new_privs is not set");
        }
    }
}
