//! What watching costs: NATS throughput and latency with and without an observer on the server's host, in pairs, and the
//! observer's own time on the processors.
use super::observer::{Observer, WATCHES, Watch};
use super::replay;
use crate::lab::Host;
use crate::lab::net::Net;
use crate::lab::server::Server;
use crate::lab::stage::config;
use crate::lab::tools::Tools;
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;

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
    /// Only these observers and sets of replayed traffic; empty: all.
    pub only: Vec<String>,
}

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
    /// The share of frames it lost.
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
    let wanted = |name: &str| plan.only.is_empty() || plan.only.iter().any(|o| name.contains(o.as_str()));
    replay::run(&net, &wanted, plan.pairs, binary, folder.path())?;
    if !WATCHES.iter().any(|watch| wanted(watch.name)) {
        return Ok(());
    }
    let server = Server::start(&net, Host::Server, &tools.server, folder.path(), "server", &config(""))?;
    let load = std::env::current_exe()?.with_file_name("load");
    ensure!(load.is_file(), "{} isn't built: cargo build -p tests --bins", load.display());
    let bench = Bench { net, _server: server, binary, load, folder, seconds: plan.seconds };
    let runs = WATCHES.iter().filter(|w| wanted(w.name)).count() * SIZES.len() * 2 * plan.pairs * 2;
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
            for watch in WATCHES.iter().filter(|watch| wanted(watch.name)) {
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
        let spread =
            |value: &dyn Fn(&(Load, Seen)) -> f64, digits| spread(all.iter().map(value).collect(), digits);
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
        let observer = Observer::start(&self.net, watch, self.binary, self.folder.path())?;
        let load = self.load(size, rate)?;
        let Some(observer) = observer else { return Ok(Seen { load, cpu: 0.0, lost: None }) };
        let told = observer.finish()?;
        Ok(Seen { load, cpu: told.cpu, lost: told.lost() })
    }
}

/// The middle one of some values, the least and the most, as text.
pub(super) fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let at = |n: usize| values.get(n).copied().unwrap_or(0.0);
    let (least, middle, most) = (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)));
    format!("{middle:.digits$} ({least:.digits$} to {most:.digits$})")
}
