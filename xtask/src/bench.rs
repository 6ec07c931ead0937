//! `cargo xtask bench`: natstrace beside tcpdump and others, in turns, on generated captures and on recorded load.
use crate::{setup, sh};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Generated, then recorded ones, which want root and the lab's tools.
const SETS: [&str; 8] = ["bulk", "small", "churn", "lossy", "noise", "flood", "veth", "lo"];
/// Of these on the command line everybody else takes minutes and gigabytes for more.
const PEERS_MOST: u64 = 128 << 20;
/// A run that takes longer is not repeated.
const LONG: Duration = Duration::from_secs(20);
/// Who else reads captures; `{}` is the file.
const PEERS: [(&str, &[&str]); 6] = [
    ("tshark", &["-q", "-z", "conv,tcp", "-r", "{}"]),
    ("capinfos", &["{}"]),
    ("tcptrace", &["-n", "{}"]),
    ("argus", &["-r", "{}", "-w", "/dev/null"]),
    ("suricata", &["-r", "{}", "-l", "/tmp", "-k", "none"]),
    ("ndpiReader", &["-q", "-i", "{}"]),
];

/// Measures natstrace on captures of any size.
#[derive(Args)]
pub struct Bench {
    /// bulk, small, churn, lossy, noise, flood, veth, lo; the generated ones where none is named
    sets: Vec<String>,
    /// Size; at 1 bulk is 1.1 GB, small 10 million frames, churn a million connections
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Runs of each, in turns; the best counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// tshark and the others also on large captures
    #[arg(long)]
    all: bool,
    /// Fail where natstrace on all cores takes more than this many times tcpdump's time
    #[arg(long)]
    limit: Option<f64>,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
    rss: u64,
}

/// A way to run natstrace or tcpdump, and what its runs took.
struct Contender {
    name: &'static str,
    command: Command,
    took: Vec<Took>,
}

impl Contender {
    const fn new(name: &'static str, command: Command) -> Self {
        Self { name, command, took: Vec::new() }
    }

    fn run(&mut self) -> Result<()> {
        if self.took.last().is_none_or(|t| t.wall < LONG) {
            self.took.push(measure(&mut self.command)?);
        }
        Ok(())
    }

    fn best(&self, of: impl Fn(&Took) -> Duration) -> f64 {
        self.took.iter().map(|t| of(t).as_secs_f64()).reduce(f64::min).unwrap_or_default()
    }
}

impl Bench {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        setup::build()?;
        let sets: Vec<&str> = if self.sets.is_empty() {
            SETS[..6].to_vec()
        } else {
            self.sets.iter().map(String::as_str).collect()
        };
        ensure!(sets.iter().all(|s| SETS.contains(s)), "sets: {}", SETS.join(", "));
        let build = ["build", "--release", "--package", "natstrace", "--package", "tests", "--bins"];
        sh::run(sh::cargo().args(build))?;
        println!(
            "{:7} {:16} {:>8} {:>8} {:>9} {:>7} {:>7} {:>7} {:>7}",
            "set", "who", "wall s", "CPU s", "x tcpdump", "GB/s", "Mfr/s", "RSS MB", "spread"
        );
        let mut over = Vec::new();
        for set in sets {
            let ratio = self.set(set)?;
            if let Some((ratio, limit)) = ratio.zip(self.limit).filter(|(ratio, limit)| ratio > limit) {
                over.push(format!("{set}: {ratio:.2} times tcpdump's time, more than {limit}"));
            }
        }
        ensure!(over.is_empty(), "{}", over.join("; "));
        Ok(())
    }

    /// Makes a set if need be, measures it, prints its lines.
    fn set(&self, set: &str) -> Result<Option<f64>> {
        let (file, made) = self.generate(set)?;
        let size = std::fs::metadata(&file)?.len();
        let natstrace = sh::target().join("release/natstrace");
        let frames = check(&natstrace, set, &file, made)?;
        let mut all = contenders(&natstrace, set, &file);
        for _ in 0..self.runs.max(1) {
            all.iter_mut().try_for_each(Contender::run)?;
        }
        if self.all || size <= PEERS_MOST {
            for (name, arguments) in PEERS.into_iter().filter(|(name, _)| setup::is_there(name)) {
                let mut command = Command::new(name);
                let file = file.display().to_string();
                command.args(arguments.iter().map(|a| a.replace("{}", &file)));
                let mut peer = Contender::new(name, command);
                // Some of them end with an error on what they don't know.
                if peer.run().is_ok() {
                    all.push(peer);
                }
            }
        }
        let dumped = all.iter().find(|c| c.name == "tcpdump").map(|c| c.best(|t| t.wall));
        for contender in &all {
            let (wall, cpu) = (contender.best(|t| t.wall), contender.best(|t| t.cpu));
            let worst = contender.took.iter().map(|t| t.wall.as_secs_f64()).fold(0.0, f64::max);
            let rss = contender.took.iter().map(|t| t.rss).max().unwrap_or_default();
            println!(
                "{set:7} {:16} {wall:8.3} {cpu:8.3} {:>9} {:7.2} {:7.2} {:7.1} {:6.0}%",
                contender.name,
                dumped.map_or_else(|| "-".to_owned(), |d| format!("{:.2}", wall / d)),
                size as f64 / 1e9 / wall,
                frames as f64 / 1e6 / wall,
                rss as f64 / 1e6,
                (worst / wall - 1.0) * 100.0,
            );
        }
        Ok(all.first().zip(dumped).map(|(own, dumped)| own.best(|t| t.wall) / dumped))
    }

    /// The file, and the number of its frames if it was made; made once for each size.
    fn generate(&self, set: &str) -> Result<(PathBuf, Option<u64>)> {
        let folder = sh::target().join(format!("bench/{}", self.scale));
        let (file, note) = (folder.join(format!("{set}.pcap")), folder.join(format!("{set}.txt")));
        let generator = sh::target().join("release/generate");
        let newer = |a: &Path, b: &Path| {
            Some(a.metadata().ok()?.modified().ok()? > b.metadata().ok()?.modified().ok()?)
        };
        if newer(&note, &generator) != Some(true) {
            eprintln!("making {}", file.display());
            let mut command = Command::new(&generator);
            command.arg("--scale").arg(self.scale.to_string()).arg("--to").arg(&folder).arg(set);
            let made = command.output().with_context(|| format!("{command:?}"))?;
            ensure!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
            std::fs::write(&note, made.stdout)?;
        }
        let text = std::fs::read_to_string(&note)?;
        Ok((file, text.split_whitespace().nth(1).and_then(|n| n.parse().ok())))
    }
}

/// natstrace in its ways, and tcpdump with the least that a reader of closes has to do.
fn contenders(natstrace: &Path, set: &str, file: &Path) -> Vec<Contender> {
    let traced = |more: &[&str]| {
        let mut command = Command::new(natstrace);
        command.arg("-r").arg(file).args(["-o", "json"]).args(more);
        command
    };
    let mut all = vec![Contender::new("natstrace", traced(&[]))];
    if setup::is_there("taskset") {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(natstrace).arg("-r").arg(file).args(["-o", "json"]);
        all.push(Contender::new("natstrace 1 core", command));
    }
    if set == "churn" {
        all.push(Contender::new("natstrace -q", traced(&["-q"])));
    }
    if setup::is_there("tcpdump") {
        let mut command = Command::new("tcpdump");
        command.args(if sh::is_root() { &["-Z", "root"][..] } else { &[] }).arg("-r").arg(file);
        command.args(["-w", "/dev/null", "tcp[tcpflags] & (tcp-fin|tcp-rst) != 0"]);
        all.push(Contender::new("tcpdump", command));
    }
    all
}

/// Speed is nothing where the counts are wrong: holds natstrace's summary against what the set is made of. Returns its frames.
fn check(natstrace: &Path, set: &str, file: &Path, made: Option<u64>) -> Result<u64> {
    let out = Command::new(natstrace).arg("-r").arg(file).args(["-q", "-o", "json"]).output()?;
    let summary: Value = serde_json::from_slice(&out.stdout).context("natstrace's summary")?;
    let count = |at: &str| summary.pointer(at).and_then(Value::as_u64).unwrap_or_default();
    let frames = count("/packets");
    ensure!(made.is_none_or(|made| made == frames), "{set}: {frames} frames were read of {made:?}");
    let (seen, closed) = (count("/connections/seen"), count("/connections/closed"));
    let right = match set {
        "bulk" | "lossy" => (seen, closed) == (4, 0),
        "small" => (seen, closed) == (100, 0),
        "noise" => (seen, closed) == (20, 0),
        // Fourteen frames each, which all say goodbye.
        "churn" => seen == frames / 14 && closed == seen && count("/closes/cause/client_closed") == closed,
        // Ten real connections, which go on.
        "flood" => seen > 10 && closed <= seen - 10 && count("/closes/kind/timeout") == closed,
        _ => seen >= 2,
    };
    ensure!(right, "{set}: the counts are wrong: {summary}");
    Ok(frames)
}

/// Runs a program with its output thrown away, for its wall time, its time on the processors and the most memory it had.
fn measure(command: &mut Command) -> Result<Took> {
    let begun = Instant::now();
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the child is ours and not waited for otherwise; both places outlive the call.
    let pid = unsafe { libc::wait4(child.id() as libc::pid_t, &raw mut status, 0, usage.as_mut_ptr()) };
    let wall = begun.elapsed();
    ensure!(pid > 0, "{command:?} can't be waited for");
    // SAFETY: all zeros is a valid value, which wait4 filled.
    let usage = unsafe { usage.assume_init() };
    ensure!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{command:?}: status {status:#x}");
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs()) + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    Ok(Took { wall, cpu, rss: usage.ru_maxrss.unsigned_abs() * 1024 })
}
