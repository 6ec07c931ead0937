//! What watching costs: NATS throughput and latency with and without an observer on the server's host, in pairs, and the
//! observer's own time on the processors.
use crate::lab::Host;
use crate::lab::net::Net;
use crate::lab::process::Process;
use crate::lab::server::Server;
use crate::lab::stage::config;
use crate::lab::tools::Tools;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The filter natstrace sets for port 4222, near enough.
const FILTER: &str = "tcp port 4222 or icmp or icmp6";

/// Octets of a message: many to a segment, and many segments each.
const SIZES: [usize; 2] = [128, 16_384];
/// Seconds that a run takes besides its load: observers start and work off what they hold, the subscriber waits for silence.
const AROUND: f64 = 3.5;

/// What to measure.
pub struct Plan {
    /// Off and on, so many times.
    pub pairs: usize,
    /// Of load in each run.
    pub seconds: f64,
    /// Only these observers; empty: all.
    pub only: Vec<String>,
}

/// Who watches.
struct Watch {
    name: &'static str,
    who: Who,
}

/// With these options.
enum Who {
    Nobody,
    Tcpdump(&'static [&'static str]),
    Natstrace(&'static [&'static str]),
}

/// Nobody first: what chance alone makes of a pair. tcpdump as it is by default, with a ring of 2 MiB that stays in a core's
/// cache and loses frames, and with one as large as natstrace's.
const WATCHES: &[Watch] = &[
    Watch { name: "nobody", who: Who::Nobody },
    Watch { name: "tcpdump", who: Who::Tcpdump(&[]) },
    Watch { name: "tcpdump-64M", who: Who::Tcpdump(&["-B", "65536"]) },
    Watch { name: "packets", who: Who::Natstrace(&["--ebpf", "off"]) },
    Watch { name: "headers", who: Who::Natstrace(&["--ebpf", "off", "--capture", "headers"]) },
    Watch { name: "both", who: Who::Natstrace(&["--ebpf", "on"]) },
    Watch { name: "probes", who: Who::Natstrace(&["--ebpf", "on", "--capture", "off"]) },
];

/// What the load generator tells.
#[derive(Clone, Copy, Deserialize)]
struct Load {
    messages: u64,
    seconds: f64,
    per_second: f64,
    p50_us: u32,
    p99_us: u32,
}

/// One run under an observer.
struct Seen {
    load: Load,
    /// The observer's processor time, seconds.
    cpu: f64,
    /// Frames it lost, of all it was to see.
    lost: Option<f64>,
}

/// A bench of hosts with a server.
struct Bench<'a> {
    net: Net,
    _server: Server,
    binary: &'a Path,
    load: PathBuf,
    folder: tempfile::TempDir,
    seconds: f64,
}

/// Measures and prints, a line for each observer and load.
///
/// # Errors
/// Where a part of it fails.
pub fn run(plan: &Plan, tools: &Tools, binary: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let net = Net::build()?;
    let server = Server::start(&net, Host::Server, &tools.server, folder.path(), "server", &config(""))?;
    let load = std::env::current_exe()?.with_file_name("load");
    ensure!(load.is_file(), "{} isn't built: cargo build -p tests --bins", load.display());
    let bench = Bench { net, _server: server, binary, load, folder, seconds: plan.seconds };
    let wanted = |watch: &Watch| plan.only.is_empty() || plan.only.iter().any(|o| watch.name.contains(o));
    let runs = WATCHES.iter().filter(|w| wanted(w)).count() * SIZES.len() * 2 * plan.pairs * 2;
    println!(
        "{} pairs of {} s; observer on the server's host; medians (least to most); takes about {:.0} s",
        plan.pairs,
        plan.seconds,
        runs as f64 * (plan.seconds + AROUND)
    );
    println!(
        "{:11} {:18} {:>10} {:>22} {:>22} {:>22} {:>18} {:>8}",
        "observer",
        "load",
        "msgs/s off",
        "throughput on/off %",
        "p50 us on-off",
        "p99 us on-off",
        "its CPU %",
        "lost %"
    );
    for size in SIZES {
        let calm = bench.load(size, 0.0)?;
        for rate in [0.0, calm.per_second / 2.0] {
            for watch in WATCHES.iter().filter(|watch| wanted(watch)) {
                bench.pairs(watch, size, rate, plan.pairs)?;
            }
        }
    }
    Ok(())
}

impl Bench<'_> {
    /// Off and on in turns, and one line on them.
    fn pairs(&self, watch: &Watch, size: usize, rate: f64, pairs: usize) -> Result<()> {
        let mut all = Vec::new();
        for n in 0..pairs {
            // Who goes first changes, so that what drifts hits both alike.
            let pair = if n % 2 == 0 {
                let off = self.load(size, rate)?;
                (off, self.watched(watch, size, rate)?)
            } else {
                let on = self.watched(watch, size, rate)?;
                (self.load(size, rate)?, on)
            };
            all.push(pair);
        }
        let spread = |value: &dyn Fn(&(Load, Seen)) -> f64, digits: usize| {
            let mut values: Vec<f64> = all.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            let at = |n: usize| values.get(n).copied().unwrap_or(0.0);
            let (least, middle, most) = (at(0), at(values.len() / 2), at(values.len() - 1));
            format!("{middle:.digits$} ({least:.digits$} to {most:.digits$})")
        };
        let off = spread(&|(off, _)| off.per_second, 0);
        let kind = if rate > 0.0 { "half rate" } else { "saturated" };
        println!(
            "{:11} {:18} {:>10} {:>22} {:>22} {:>22} {:>18} {:>8}",
            watch.name,
            format!("{size} B {kind}"),
            off.split(' ').next().unwrap_or_default(),
            spread(&|(off, on)| 100.0 * on.load.per_second / off.per_second, 1),
            spread(&|(off, on)| f64::from(on.load.p50_us) - f64::from(off.p50_us), 0),
            spread(&|(off, on)| f64::from(on.load.p99_us) - f64::from(off.p99_us), 0),
            spread(&|(_, on)| 100.0 * on.cpu / on.load.seconds, 1),
            spread(&|(_, on)| 100.0 * on.lost.unwrap_or(0.0), 1).split(' ').next().unwrap_or_default(),
        );
        let seconds: f64 = all.iter().map(|(_, on)| on.cpu).sum();
        let messages: u64 = all.iter().map(|(_, on)| on.load.messages).sum();
        println!("{:27} {seconds:.2} CPU s for {messages} messages", "");
        Ok(())
    }

    /// The load alone.
    fn load(&self, size: usize, rate: f64) -> Result<Load> {
        let mut command = self.net.command(Host::Client, &self.load.display().to_string());
        command.args(["--size", &size.to_string(), "--seconds", &self.seconds.to_string()]);
        let out = command.args(["--rate", &rate.to_string()]).stdin(Stdio::null()).output()?;
        ensure!(out.status.success(), "load: {}", String::from_utf8_lossy(&out.stderr));
        Ok(serde_json::from_slice(&out.stdout)?)
    }

    /// The load under an observer.
    fn watched(&self, watch: &Watch, size: usize, rate: f64) -> Result<Seen> {
        let file = self.folder.path().join("watched.ndjson");
        let (mut process, word) = match watch.who {
            Who::Nobody => return Ok(Seen { load: self.load(size, rate)?, cpu: 0.0, lost: None }),
            Who::Tcpdump(options) => {
                let mut command = self.net.command(Host::Server, "tcpdump");
                command.args(["-i", "eth0", "-n", "-Z", "root", "-w", "/dev/null"]).args(options).arg(FILTER);
                (Process::start(watch.name, command)?, "listening on")
            }
            Who::Natstrace(options) => (self.natstrace(options, &file)?, "natstrace: "),
        };
        process.expect(word, Duration::from_secs(10))?;
        let before = cpu(process.id())?;
        let load = self.load(size, rate)?;
        settled(process.id())?;
        let cpu = cpu(process.id())? - before;
        process.signal(libc::SIGINT)?;
        let status = process.status(Duration::from_secs(10))?;
        ensure!(status.success(), "{}: {status}", watch.name);
        let lost = match watch.who {
            Who::Natstrace(_) => lost(&file),
            _ => dropped(&process.said()),
        };
        Ok(Seen { load, cpu, lost })
    }

    fn natstrace(&self, options: &[&str], file: &Path) -> Result<Process> {
        let mut command = self.net.command(Host::Server, &self.binary.display().to_string());
        command.args(["--iface", "eth0", "-o", "json", "-O"]).arg(file).args(options);
        Process::start("natstrace", command)
    }
}

/// Waits until a process has worked off what its ring holds: its time stands still.
fn settled(pid: u32) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let before = cpu(pid)?;
        std::thread::sleep(Duration::from_millis(150));
        if cpu(pid)? - before < 0.015 || Instant::now() > end {
            return Ok(());
        }
    }
}

/// Seconds a process has had on the processors (proc_pid_stat(5): utime and stime).
fn cpu(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("stat")?;
    let ticks = rest.split(' ').skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>();
    // SAFETY: sysconf takes a number.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(ticks / (per_second.max(1) as f64))
}

/// The share of frames that natstrace says it lost.
fn lost(file: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(file).ok()?;
    let last: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    let (seen, lost) = (last.get("packets")?.as_f64()?, last.get("capture_lost_packets")?.as_f64()?);
    (seen > 0.0).then(|| lost / (seen + lost))
}

/// The share of frames that tcpdump says the kernel dropped.
fn dropped(said: &[String]) -> Option<f64> {
    let number = |word: &str| -> Option<f64> {
        said.iter().find(|line| line.contains(word))?.split(' ').next()?.parse().ok()
    };
    let (seen, lost) = (number("received by filter")?, number("dropped by kernel")?);
    (seen > 0.0).then(|| lost / seen)
}
