//! Who watches while something is measured: tcpdump or natstrace on the server's host, its time on the processors, and what
//! it says it saw and lost.
use crate::lab::Host;
use crate::lab::net::Net;
use crate::lab::process::Process;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The filter natstrace sets for port 4222, near enough.
const FILTER: &str = "tcp port 4222 or icmp or icmp6";

/// One that watches.
pub struct Watch {
    /// Its word for `--only`.
    pub name: &'static str,
    /// What it is.
    pub who: Who,
}

/// With these options.
#[derive(Clone, Copy)]
pub enum Who {
    /// Nobody: what chance alone makes of a pair.
    Nobody,
    /// tcpdump, to /dev/null.
    Tcpdump(&'static [&'static str]),
    /// natstrace, with JSON to a file.
    Natstrace(&'static [&'static str]),
}

/// The name of the one that others are compared with.
pub const PEER: &str = "tcpdump-64M";

/// tcpdump as it is by default, with a ring of 2 MiB that stays in a core's cache and loses frames, and with one as large as
/// natstrace's.
pub const WATCHES: &[Watch] = &[
    Watch { name: "nobody", who: Who::Nobody },
    Watch { name: "tcpdump", who: Who::Tcpdump(&[]) },
    Watch { name: PEER, who: Who::Tcpdump(&["-B", "65536"]) },
    Watch { name: "packets", who: Who::Natstrace(&["--ebpf", "off"]) },
    Watch { name: "headers", who: Who::Natstrace(&["--ebpf", "off", "--capture", "headers"]) },
    Watch { name: "both", who: Who::Natstrace(&["--ebpf", "on"]) },
    Watch { name: "probes", who: Who::Natstrace(&["--ebpf", "on", "--capture", "off"]) },
];

/// One at work.
pub struct Observer {
    name: &'static str,
    who: Who,
    process: Process,
    /// What natstrace writes.
    file: PathBuf,
    /// Its processor time when it was ready, seconds.
    before: f64,
}

/// What came of it.
pub struct Told {
    /// Processor time, seconds.
    pub cpu: f64,
    /// Frames it took, and frames it lost; none where it tells nothing.
    pub frames: Option<(u64, u64)>,
}

impl Observer {
    /// Starts one on the server's host and waits until it captures; none for nobody.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn start(net: &Net, watch: &Watch, binary: &Path, folder: &Path) -> Result<Option<Self>> {
        let file = folder.join("watched.ndjson");
        let (command, word) = match watch.who {
            Who::Nobody => return Ok(None),
            Who::Tcpdump(options) => {
                let mut command = net.command(Host::Server, "tcpdump");
                command.args(["-i", "eth0", "-n", "-Z", "root", "-w", "/dev/null"]).args(options).arg(FILTER);
                (command, "listening on")
            }
            Who::Natstrace(options) => {
                let mut command = net.command(Host::Server, &binary.display().to_string());
                command.args(["--iface", "eth0", "-o", "json", "-O"]).arg(&file).args(options);
                (command, "natstrace: ")
            }
        };
        let process = Process::start(watch.name, command)?;
        process.expect(word, Duration::from_secs(10))?;
        let before = cpu(process.id())?;
        Ok(Some(Self { name: watch.name, who: watch.who, process, file, before }))
    }

    /// Waits until it has worked off what its ring holds, and ends it.
    ///
    /// # Errors
    /// Where it ends badly.
    pub fn finish(mut self) -> Result<Told> {
        settled(self.process.id())?;
        let cpu = cpu(self.process.id())? - self.before;
        self.process.signal(libc::SIGINT)?;
        let status = self.process.status(Duration::from_secs(10))?;
        ensure!(status.success(), "{}: {status}", self.name);
        let frames = match self.who {
            Who::Natstrace(_) => summed_up(&self.file),
            _ => said(&self.process.said()),
        };
        Ok(Told { cpu, frames })
    }
}

impl Told {
    /// The share of frames it lost.
    #[must_use]
    pub fn lost(&self) -> Option<f64> {
        let (seen, lost) = self.frames?;
        (seen > 0).then(|| lost as f64 / (seen + lost) as f64)
    }
}

/// Waits until a process has worked off what its ring holds: its time stands still. tcpdump has the last block after a second.
fn settled(pid: u32) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let before = cpu(pid)?;
        std::thread::sleep(Duration::from_millis(1200));
        if cpu(pid)? - before < 0.005 || Instant::now() > end {
            return Ok(());
        }
    }
}

/// Seconds the threads of a process have had on the processors: the first number of their `schedstat` (the kernel's
/// Documentation/scheduler/sched-stats.rst), nanoseconds; utime and stime are the same, in hundredths of a second.
fn cpu(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next().context("schedstat")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

/// What natstrace's summary says: frames taken and lost.
fn summed_up(file: &Path) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(file).ok()?;
    let last: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    Some((last.get("packets")?.as_u64()?, last.get("capture_lost_packets")?.as_u64()?))
}

/// The same of tcpdump; what it received by its filter is with what the kernel dropped.
fn said(said: &[String]) -> Option<(u64, u64)> {
    let number = |word: &str| -> Option<u64> {
        said.iter().find(|line| line.contains(word))?.split(' ').next()?.parse().ok()
    };
    Some((number("packets captured")?, number("dropped by kernel")?))
}
