//! Any number of cores gives the same bytes: verdicts, their order, every figure.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::check;
use tests::generate::{self, Set};

/// Threads that are compared with one.
const THREADS: [&str; 3] = ["2", "3", "4"];

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// What natstrace writes with that many threads, but for how long it took. `piped` goes to its standard input.
fn said(binary: &Path, threads: &str, arguments: &[&str], piped: Option<&Path>) -> (Option<i32>, String) {
    let input = piped.map_or_else(Stdio::null, |file| {
        let mut cat = Command::new("cat").arg(file).stdout(Stdio::piped()).spawn().expect("cat runs");
        cat.stdout.take().map_or_else(Stdio::null, Stdio::from)
    });
    let out = Command::new(binary)
        .args(arguments)
        .args(["-o", "json"])
        .env("NATSTRACE_THREADS", threads)
        .current_dir(captures())
        .stdin(input)
        .output()
        .expect("natstrace runs");
    let mut text = String::from_utf8(out.stdout).expect("UTF-8");
    if let Some(at) = text.rfind("\"elapsed_ms\":") {
        text.truncate(at);
    }
    text.push_str(&String::from_utf8_lossy(&out.stderr));
    (out.status.code(), text)
}

/// Every number of threads says what one says; returns how many lines that is.
fn alike(what: &str, arguments: &[&str], piped: Option<&Path>) -> usize {
    let binary = check::natstrace().expect("natstrace builds");
    let one = said(&binary, "1", arguments, piped);
    for threads in THREADS {
        let more = said(&binary, threads, arguments, piped);
        for (number, (alone, staged)) in one.1.lines().zip(more.1.lines()).enumerate() {
            assert_eq!(alone, staged, "{what}: line {} with {threads} threads", number + 1);
        }
        assert_eq!(one, more, "{what} with {threads} threads");
    }
    one.1.lines().count()
}

/// A set in a file of `folder`.
fn made(set: Set, scale: f64, folder: &Path) -> String {
    let file = folder.join(format!("{}.pcap", set.name()));
    generate::write(set, scale, &file).expect("a set is written");
    file.display().to_string()
}

#[test]
fn generated_sets() {
    let folder = tempfile::tempdir().expect("a folder");
    for (set, scale) in [
        (Set::Churn, 0.002),
        (Set::Lossy, 0.01),
        (Set::Noise, 0.002),
        (Set::Flood, 0.002),
        (Set::Small, 0.002),
    ] {
        let file = made(set, scale, folder.path());
        alike(set.name(), &["-r", &file], None);
    }
}

#[test]
fn a_full_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(Set::Churn, 0.001, folder.path());
    alike("a full table", &["-r", &file, "--max-connections", "20"], None);
}

#[test]
fn a_pipe_and_a_damaged_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(Set::Churn, 0.001, folder.path());
    let lines = alike("a pipe", &["-r", "-"], Some(Path::new(&file)));
    assert!(lines > 1_000, "only {lines} lines");
    let whole = std::fs::read(&file).expect("the set");
    let cut = folder.path().join("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() / 2 + 7]).expect("the cut set is written");
    alike("a cut file", &["-r", &cut.display().to_string()], None);
}

#[test]
fn options() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(Set::Churn, 0.001, folder.path());
    alike("a filter", &["-r", &file, "--filter", "tcp[tcpflags] & tcp-syn == 0"], None);
    alike("a duration", &["-r", &file, "--duration", "300ms"], None);
    alike("headers", &["-r", &file, "--capture", "headers"], None);
    alike("a count", &["-r", &file, "--count", "7"], None);
}

#[test]
fn lab_captures() {
    let folder = captures();
    for truth in check::truths(&folder).expect("truths") {
        let mut merged: Vec<&str> = truth.options.iter().map(String::as_str).collect();
        for vantage in truth.vantages.values() {
            merged.extend(["-r", &vantage.capture]);
        }
        alike(&truth.scenario, &merged, None);
        if let Some(vantage) = truth.vantages.values().next() {
            let mut single: Vec<&str> = truth.options.iter().map(String::as_str).collect();
            single.extend(["-r", &vantage.capture]);
            alike(&truth.scenario, &single, None);
        }
    }
}
