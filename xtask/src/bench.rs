//! `cargo xtask bench`: natstrace against tcpdump and tshark on generated captures.
use crate::{setup, sh};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SETS: [&str; 6] = ["bulk", "small", "churn", "lossy", "noise", "flood"];
/// tshark takes minutes and gigabytes for more.
const TSHARK_MOST: u64 = 128 << 20;
/// A run that takes longer is not repeated.
const LONG: Duration = Duration::from_secs(20);

/// Measures natstrace on captures of any size.
#[derive(Args)]
pub struct Bench {
    /// bulk, small, churn, lossy, noise, flood; all where none is named
    sets: Vec<String>,
    /// Size; at 1 bulk is 1.1 GB, small 10 million frames, churn a million connections
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Runs of each, in turns; the best counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// tshark also on large captures
    #[arg(long)]
    all: bool,
    /// Fail where natstrace takes more than this many times tcpdump's time
    #[arg(long)]
    limit: Option<f64>,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    rss: u64,
}

impl Bench {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        setup::build()?;
        let sets: Vec<&str> =
            if self.sets.is_empty() { SETS.to_vec() } else { self.sets.iter().map(String::as_str).collect() };
        ensure!(sets.iter().all(|s| SETS.contains(s)), "sets: {}", SETS.join(", "));
        sh::run(sh::cargo().args([
            "build",
            "--release",
            "--package",
            "natstrace",
            "--package",
            "tests",
            "--bins",
        ]))?;
        let (tcpdump, tshark) = (is_there("tcpdump"), is_there("tshark"));
        println!(
            "{:6} {:>8} {:>10} {:>10} {:>7} {:>6} {:>6} {:>9} {:>9} {:>8}",
            "set", "MB", "natstrace", "tcpdump", "ratio", "GB/s", "Mfr/s", "RSS MB", "tshark", "spread"
        );
        let mut over = Vec::new();
        for set in sets {
            let ratio = self.set(set, tcpdump, tshark)?;
            if let Some((ratio, limit)) = ratio.zip(self.limit).filter(|(ratio, limit)| ratio > limit) {
                over.push(format!("{set}: {ratio:.2} times tcpdump's time, more than {limit}"));
            }
        }
        ensure!(over.is_empty(), "{}", over.join("; "));
        Ok(())
    }

    /// Makes a set if need be, measures it, prints its line.
    fn set(&self, set: &str, tcpdump: bool, tshark: bool) -> Result<Option<f64>> {
        let (file, frames) = self.generate(set)?;
        let size = std::fs::metadata(&file)?.len();
        let natstrace = sh::target().join("release/natstrace");
        let traced = |file: &Path| {
            let mut command = Command::new(&natstrace);
            command.arg("-r").arg(file).args(["-o", "json"]);
            command
        };
        let dumped = |file: &Path| {
            let mut command = Command::new("tcpdump");
            command.args(if sh::is_root() { &["-Z", "root"][..] } else { &[] }).arg("-r").arg(file);
            command.args(["-w", "/dev/null", "tcp[tcpflags] & (tcp-fin|tcp-rst) != 0"]);
            command
        };
        let (mut ours, mut theirs): (Vec<Took>, Vec<Took>) = (Vec::new(), Vec::new());
        for _ in 0..self.runs.max(1) {
            if ours.last().is_none_or(|t| t.wall < LONG) {
                ours.push(measure(traced(&file))?);
            }
            if tcpdump {
                theirs.push(measure(dumped(&file))?);
            }
        }
        let shark = if tshark && (self.all || size <= TSHARK_MOST) {
            let mut command = Command::new("tshark");
            command.args(["-q", "-z", "conv,tcp", "-r"]).arg(&file);
            Some(measure(command)?.wall.as_secs_f64())
        } else {
            None
        };
        let best = |all: &[Took]| all.iter().map(|t| t.wall.as_secs_f64()).reduce(f64::min);
        let worst = ours.iter().map(|t| t.wall.as_secs_f64()).fold(0.0, f64::max);
        let own = best(&ours).context("no run")?;
        let ratio = best(&theirs).map(|t| own / t);
        let rss = ours.iter().map(|t| t.rss).max().unwrap_or_default();
        let shown = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}"));
        println!(
            "{set:6} {:8.0} {own:10.2} {:>10} {:>7} {:6.2} {:6.2} {:9.1} {:>9} {:7.0}%",
            size as f64 / 1e6,
            shown(best(&theirs)),
            shown(ratio),
            size as f64 / 1e9 / own,
            frames as f64 / 1e6 / own,
            rss as f64 / 1e6,
            shown(shark),
            (worst / own - 1.0) * 100.0,
        );
        Ok(ratio)
    }

    /// The file and the number of its frames; made once for each size.
    fn generate(&self, set: &str) -> Result<(PathBuf, u64)> {
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
        let frames =
            text.split_whitespace().nth(1).and_then(|n| n.parse().ok()).context("generate told no frames")?;
        Ok((file, frames))
    }
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs a program with its output thrown away, for its wall time and the most memory it had.
fn measure(mut command: Command) -> Result<Took> {
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
    Ok(Took { wall, rss: usage.ru_maxrss.unsigned_abs() * 1024 })
}
