//! tcpdump on one host.
use super::net::{Host, Net};
use super::process::Process;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A recording in progress.
pub struct Tap {
    process: Process,
    /// Where it goes.
    pub file: PathBuf,
}

impl Tap {
    /// Begins to record TCP and ICMP (of ICMPv6 the errors) on `iface` of `host`.
    ///
    /// # Errors
    /// Where tcpdump doesn't start.
    pub fn start(net: &Net, host: Host, iface: &str, file: &Path) -> Result<Self> {
        // Of ICMPv6 the errors only.
        Self::start_with(net, host, iface, file, 0, "tcp or icmp or (icmp6 and ip6[40] < 128)")
    }

    /// Begins to record what passes `filter`, `snaplen` bytes of each packet (0: all).
    ///
    /// # Errors
    /// Where tcpdump doesn't start.
    pub fn start_with(
        net: &Net,
        host: Host,
        iface: &str,
        file: &Path,
        snaplen: u32,
        filter: &str,
    ) -> Result<Self> {
        let mut command = net.command(host, "tcpdump");
        command.args(["-i", iface, "-n", "-U", "--immediate-mode", "-Z", "root", "-B", "8192", "-w"]);
        command.arg(file).args(["-s", &snaplen.to_string(), filter]);
        let process = Process::start("tcpdump", command)?;
        process.expect("listening on", Duration::from_secs(10)).context("tcpdump")?;
        Ok(Self { process, file: file.to_owned() })
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
