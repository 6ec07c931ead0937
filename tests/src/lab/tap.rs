//! tcpdump on one host.
use super::net::{Host, Net};
use super::process::Process;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a recording takes.
#[derive(Clone, Copy)]
pub struct Share<'a> {
    /// So many octets of each frame; 0: all.
    pub snaplen: u32,
    /// The kernel keeps so much, KiB, until tcpdump reads it.
    pub ring: u32,
    /// Frames that pass this pcap filter.
    pub filter: &'a str,
}

/// TCP and ICMP, of ICMPv6 the errors only.
pub const ALL: Share<'_> =
    Share { snaplen: 0, ring: 8192, filter: "tcp or icmp or (icmp6 and ip6[40] < 128)" };

/// A recording in progress.
pub struct Tap {
    process: Process,
    /// Where it goes.
    pub file: PathBuf,
}

impl Tap {
    /// Begins to record on `iface` of `host`.
    ///
    /// # Errors
    /// Where tcpdump doesn't start.
    pub fn start(net: &Net, host: Host, iface: &str, file: &Path, share: Share<'_>) -> Result<Self> {
        let mut command = net.command(host, "tcpdump");
        command.args(["-i", iface, "-n", "-U", "--immediate-mode", "-Z", "root", "-w"]);
        command.arg(file).args([
            "-s",
            &share.snaplen.to_string(),
            "-B",
            &share.ring.to_string(),
            share.filter,
        ]);
        let process = Process::start("tcpdump", command)?;
        process.expect("listening on", Duration::from_secs(10)).context("tcpdump")?;
        Ok(Self { process, file: file.to_owned() })
    }

    /// Stops tcpdump, or lets it run on: meanwhile the kernel's ring runs over, what comes then is lost.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn deaf(&self, deaf: bool) -> Result<()> {
        self.process.signal(if deaf { libc::SIGSTOP } else { libc::SIGCONT })
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Where tcpdump doesn't end.
    pub fn stop(mut self) -> Result<()> {
        let _ = self.process.signal(libc::SIGINT);
        self.process.wait(Duration::from_secs(5))
    }
}
