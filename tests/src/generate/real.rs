//! Recordings of real load, for measurements: a nats-server, a publisher and a subscriber, and tcpdump beside them.
use crate::lab::Host;
use crate::lab::net::Net;
use crate::lab::process::Process;
use crate::lab::server::Server;
use crate::lab::stage::config;
use crate::lab::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Where the load goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Real {
    /// From host to host.
    Veth,
    /// Within the server's host, in segments of up to 64 KiB.
    Lo,
}

impl Real {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Veth, Self::Lo];

    /// Its word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Veth => "veth",
            Self::Lo => "lo",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }

    /// Records as many messages of 128 octets as go through in that time. As root; not the same octets every time.
    ///
    /// # Errors
    /// Where a part of it fails.
    pub fn record(self, seconds: f64, file: &Path) -> Result<()> {
        let tools = Tools::install()?;
        let folder = tempfile::tempdir()?;
        let net = Net::build()?;
        let (host, iface) = match self {
            Self::Veth => (Host::Client, "eth0"),
            Self::Lo => (Host::Server, "lo"),
        };
        let _server = Server::start(&net, Host::Server, &tools.server, folder.path(), "server", &config(""))?;
        let mut command = net.command(Host::Server, "tcpdump");
        command.args(["-i", iface, "-n", "-Z", "root", "-B", "262144", "-w"]).arg(file).arg("tcp port 4222");
        let mut tap = Process::start("tcpdump", command)?;
        tap.expect("listening on", Duration::from_secs(10)).context("tcpdump")?;
        let load = std::env::current_exe()?.with_file_name("load");
        ensure!(load.is_file(), "{} isn't built: cargo build -p tests --bins", load.display());
        let mut command = net.command(host, &load.display().to_string());
        command.args(["--size", "128", "--seconds", &seconds.to_string()]);
        let out = command.stdin(Stdio::null()).output()?;
        ensure!(out.status.success(), "load: {}", String::from_utf8_lossy(&out.stderr));
        tap.signal(libc::SIGINT)?;
        tap.wait(Duration::from_secs(20))
    }
}
