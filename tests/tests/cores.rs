//! Any number of cores gives the same bytes: verdicts, their order, every figure.
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::check;
use tests::generate::{self, Conn, Set};

/// Threads that are compared with one: from the first frame, and where one began.
const THREADS: [&str; 4] = ["2", "3", "4", "2,3000"];

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// What natstrace writes with that many threads, but for how long it took. `piped` goes to its standard input.
fn said(
    binary: &Path,
    threads: &str,
    arguments: &[&str],
    piped: Option<&Path>,
) -> Result<(Option<i32>, String)> {
    let mut cat = match piped {
        Some(file) => Some(Command::new("cat").arg(file).stdout(Stdio::piped()).spawn()?),
        None => None,
    };
    let input = cat.as_mut().and_then(|cat| cat.stdout.take()).map_or_else(Stdio::null, Stdio::from);
    let out = Command::new(binary)
        .args(arguments)
        .args(["-o", "json"])
        .env("NATSTRACE_THREADS", threads)
        .current_dir(captures())
        .stdin(input)
        .output()?;
    if let Some(mut cat) = cat {
        cat.wait()?;
    }
    let mut text = String::from_utf8(out.stdout)?;
    if let Some(at) = text.rfind("\"elapsed_ms\":") {
        text.truncate(at);
    }
    text.push_str(&String::from_utf8_lossy(&out.stderr));
    Ok((out.status.code(), text))
}

/// Each number of threads says what one says; returns how many lines that is.
fn alike(what: &str, threads: &[&str], arguments: &[&str], piped: Option<&Path>) -> Result<usize> {
    let binary = check::natstrace()?;
    let one = said(&binary, "1", arguments, piped)?;
    for threads in threads {
        let more = said(&binary, threads, arguments, piped)?;
        for (number, (alone, staged)) in one.1.lines().zip(more.1.lines()).enumerate() {
            assert_eq!(alone, staged, "{what}: line {} with {threads} threads", number + 1);
        }
        assert_eq!(one, more, "{what} with {threads} threads");
    }
    Ok(one.1.lines().count())
}

/// A set in a file of `folder`.
fn made(set: Set, scale: f64, folder: &Path) -> Result<String> {
    let file = folder.join(format!("{}.pcap", set.name()));
    generate::write(set, scale, &file)?;
    Ok(file.display().to_string())
}

#[test]
fn generated_sets() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (set, scale) in [
        (Set::Churn, 0.002),
        (Set::Lossy, 0.01),
        (Set::Noise, 0.002),
        (Set::Flood, 0.002),
        (Set::Small, 0.002),
    ] {
        let file = made(set, scale, folder.path())?;
        alike(set.name(), &THREADS, &["-r", &file], None)?;
    }
    Ok(())
}

#[test]
fn a_full_table() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = made(Set::Churn, 0.001, folder.path())?;
    alike("a full table", &THREADS, &["-r", &file, "--max-connections", "20"], None)?;
    Ok(())
}

/// The bound holds for all shards of a table together, to the last connection, whoever follows them.
#[test]
fn a_full_table_of_many_shards() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("flood.pcap");
    for (syns, evicted) in [(131_071, 0), (140_000, 8_929)] {
        // One connection stands, the others are one SYN.
        generate::write_frames(&file, |take| {
            let mut at = generate::EPOCH;
            let stands = Conn::new(0, 4222).open(&mut at, take);
            assert!(stands);
            for n in 1..=syns {
                Conn::new(n, 4222).segment(0, Conn::SYN, b"", at + n as i64 * 2_000, take);
            }
        })?;
        let file = file.display().to_string();
        let arguments = ["-r", &file, "--max-connections", "131072"];
        alike("a full table of many shards", &["2", "3", "2,132000"], &arguments, None)?;
        let (_, text) = said(&check::natstrace()?, "2", &arguments, None)?;
        let counts = format!("\"seen\":{},\"closed\":0,\"open\":131072,\"evicted\":{evicted}}}", syns + 1);
        assert!(text.contains(&counts), "{text}");
    }
    Ok(())
}

#[test]
fn a_pipe_and_a_damaged_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = made(Set::Churn, 0.001, folder.path())?;
    let lines = alike("a pipe", &THREADS, &["-r", "-"], Some(Path::new(&file)))?;
    assert!(lines > 1_000, "only {lines} lines");
    let whole = std::fs::read(&file)?;
    let cut = folder.path().join("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() / 2 + 7])?;
    alike("a cut file", &THREADS, &["-r", &cut.display().to_string()], None)?;
    Ok(())
}

#[test]
fn options() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = made(Set::Churn, 0.001, folder.path())?;
    alike("a filter", &THREADS, &["-r", &file, "--filter", "tcp[tcpflags] & tcp-syn == 0"], None)?;
    alike("a duration", &THREADS, &["-r", &file, "--duration", "300ms"], None)?;
    alike("headers", &THREADS, &["-r", &file, "--capture", "headers"], None)?;
    alike("a count", &THREADS, &["-r", &file, "--count", "7"], None)?;
    Ok(())
}

#[test]
fn lab_captures() -> Result<()> {
    let folder = captures();
    for truth in check::truths(&folder)? {
        let mut merged: Vec<&str> = truth.options.iter().map(String::as_str).collect();
        for vantage in truth.vantages.values() {
            merged.extend(["-r", &vantage.capture]);
        }
        alike(&truth.scenario, &["3"], &merged, None)?;
    }
    Ok(())
}
