//! Four hosts out of network namespaces, wired by veth pairs, removed when dropped.
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "natlab";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// 10.77.1.2.
    Client,
    /// A second client host, 10.77.3.2.
    Other,
    /// Between them; its interfaces are `c0`, `d0` (to `Other`) and `s0`.
    Router,
    /// 10.77.2.2.
    Server,
}

impl Host {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Client, Self::Other, Self::Router, Self::Server];

    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Other => "other",
            Self::Router => "router",
            Self::Server => "server",
        }
    }

    /// Its IPv4 address (the router's: towards the client).
    #[must_use]
    pub const fn ip(self) -> &'static str {
        match self {
            Self::Client => "10.77.1.2",
            Self::Other => "10.77.3.2",
            Self::Router => "10.77.1.1",
            Self::Server => "10.77.2.2",
        }
    }

    /// Its IPv6 address.
    #[must_use]
    pub const fn ip6(self) -> &'static str {
        match self {
            Self::Client => "fd77:1::2",
            Self::Other => "fd77:3::2",
            Self::Router => "fd77:1::1",
            Self::Server => "fd77:2::2",
        }
    }

    /// The interface that is recorded.
    #[must_use]
    pub const fn iface(self) -> &'static str {
        match self {
            Self::Router => "s0",
            _ => "eth0",
        }
    }
}

/// The namespaces of one scenario.
pub struct Net {
    tag: String,
}

impl Net {
    /// Builds and wires them.
    ///
    /// # Errors
    /// Without the right to do so, or where `ip` fails.
    pub fn build() -> Result<Self> {
        let tag = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let net = Self { tag };
        for host in Host::ALL {
            ip(None, &format!("netns add {}", net.ns(host)))?;
        }
        let router = net.ns(Host::Router);
        let mut links = String::new();
        for (host, port) in [(Host::Client, "c0"), (Host::Server, "s0"), (Host::Other, "d0")] {
            let ns = net.ns(host);
            links += &format!("link add name eth0 netns {ns} type veth peer name {port} netns {router}\n");
        }
        ip(None, &links)?;
        let mut at_router = String::from("link set lo up\n");
        for (host, port, n) in [(Host::Client, "c0", 1), (Host::Server, "s0", 2), (Host::Other, "d0", 3)] {
            net.sysctl(host)?;
            ip(
                Some(&net.ns(host)),
                &format!(
                    "link set lo up\nlink set eth0 up\naddr add 10.77.{n}.2/24 dev eth0\n\
                     addr add fd77:{n}::2/64 dev eth0 nodad\nroute add default via 10.77.{n}.1\n\
                     route add default via fd77:{n}::1\n"
                ),
            )?;
            at_router += &format!(
                "link set {port} up\naddr add 10.77.{n}.1/24 dev {port}\naddr add fd77:{n}::1/64 dev {port} nodad\n"
            );
        }
        net.sysctl(Host::Router)?;
        ip(Some(&router), &at_router)?;
        Ok(net)
    }

    fn sysctl(&self, host: Host) -> Result<()> {
        let forward =
            if host == Host::Router { "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1" } else { "" };
        self.sh(host, &format!("sysctl -qw net.ipv6.conf.all.accept_ra=0 {forward}")).map(drop)
    }

    /// The namespace's name.
    #[must_use]
    pub fn ns(&self, host: Host) -> String {
        format!("{}-{}", self.tag, host.name())
    }

    /// A command that runs on `host`.
    #[must_use]
    pub fn command(&self, host: Host, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ns(host), program]);
        command
    }

    /// Runs a shell line on `host` and returns what it printed.
    ///
    /// # Errors
    /// Where the line fails, with what it said.
    pub fn sh(&self, host: Host, line: &str) -> Result<String> {
        let out = self.command(host, "sh").args(["-ec", line]).stdin(Stdio::null()).output()?;
        ensure!(out.status.success(), "on {}: {line}: {}", host.name(), String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Calls `f` on a thread that lives on `host`; sockets it makes stay there.
    ///
    /// # Errors
    /// Where the namespace can't be entered, or `f` fails.
    pub fn enter<T: Send + 'static>(
        &self,
        host: Host,
        f: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = File::open(format!("/run/netns/{}", self.ns(host)))?;
        let thread = std::thread::spawn(move || {
            // SAFETY: setns takes a valid descriptor and changes this thread's network namespace only.
            if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                bail!("setns: {}", std::io::Error::last_os_error());
            }
            f()
        });
        thread.join().map_err(|_| anyhow::anyhow!("a thread in {} panicked", host.name()))?
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in Host::ALL {
            remove(&self.ns(host));
        }
    }
}

/// Runs `ip -batch`, in a namespace or outside.
fn ip(ns: Option<&str>, lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    if let Some(ns) = ns {
        command.args(["-n", ns]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("ip (iproute2)")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes())?;
    }
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "ip: {lines}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

fn remove(ns: &str) {
    let _ = Command::new("ip").args(["netns", "del", ns]).stderr(Stdio::null()).status();
}

/// Removes namespaces of this process (`mine`), or those left by lab processes that no longer live.
pub fn sweep(mine: bool) {
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
    for name in entries.flatten().filter_map(|e| e.file_name().into_string().ok()) {
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else { continue };
        let Ok(pid) = pid.parse::<u32>() else { continue };
        let own = pid == std::process::id();
        let dead = !std::path::Path::new(&format!("/proc/{pid}")).exists();
        if (mine && own) || (!mine && dead) {
            remove(&name);
        }
    }
}
