//! A fault under way: the hosts, those who watch, what they are to say.
use super::judge::{self, Known, Row};
use super::want::{Owner, Want};
use super::watcher::Watcher;
use super::{Mode, Observer};
use crate::lab::client::{Client, Lang};
use crate::lab::server::Server;
use crate::lab::stage::pause;
use crate::lab::tools::Tools;
use crate::lab::{Host, Stage};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Both places natstrace sits at.
pub const EVERYWHERE: &[bool] = &[true, false];
/// On the server's host.
pub const SERVER: &[bool] = &[true];
/// On the client's host.
pub const CLIENT: &[bool] = &[false];
/// Every mode.
pub const ANYHOW: &[Mode] = &Mode::ALL;
/// Those that hear the kernel.
pub const KERNEL: &[Mode] = &[Mode::Both, Mode::Probes];
/// Those that see packets.
pub const WIRE: &[Mode] = &[Mode::Both, Mode::Packets];

/// How long the closes may keep us waiting after the fault.
const PATIENCE: Duration = Duration::from_secs(20);

/// One fault under way.
pub struct Scene {
    /// The hosts with what runs on them.
    pub stage: Stage,
    fault: &'static str,
    binary: PathBuf,
    watchers: Vec<Watcher>,
    server: Option<Owner>,
    made: Option<SystemTime>,
    wants: Vec<(Observer, Want)>,
    rows: Vec<Row>,
    /// What those said on standard error who told something wrong.
    pub notes: Vec<String>,
    /// Why this machine can't do it.
    pub skipped: Option<String>,
    /// From start to ready line, of all who watched.
    pub ready_after: Vec<Duration>,
}

impl Scene {
    /// Builds the hosts.
    ///
    /// # Errors
    /// Without the right or the tools to do so.
    pub fn build(fault: &super::Fault, tools: &Tools, binary: &Path, folder: &Path) -> Result<Self> {
        let stage = Stage::unrecorded(fault.name, fault.what, tools, folder)?;
        // A client whose Linux gives up after 15 minutes makes no test: this one does after 6 s.
        stage.net.sh(Host::Client, "sysctl -qw net.ipv4.tcp_retries2=4")?;
        Ok(Self {
            stage,
            fault: fault.name,
            binary: binary.to_owned(),
            watchers: Vec::new(),
            server: None,
            made: None,
            wants: Vec::new(),
            rows: Vec::new(),
            notes: Vec::new(),
            skipped: None,
            ready_after: Vec::new(),
        })
    }

    /// A current nats-server; closes of its connections must name its process where that is on the observer's host.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn server(&mut self, extra: &str) -> Result<Server> {
        let server = self.stage.server(extra)?;
        self.server = Some(Owner::of(server.pid()));
        Ok(server)
    }

    /// A connected nats-py on the client's host, and its process.
    ///
    /// # Errors
    /// Where it doesn't connect.
    pub fn py(&mut self, name: &str, args: &str) -> Result<(Client, Owner)> {
        let client = self.stage.py(name, args)?;
        let owner = Owner::of(client.pid());
        Ok((client, owner))
    }

    /// Starts those who watch, all modes in both places, and waits until they are ready. `options` are natstrace's.
    ///
    /// # Errors
    /// Where one can't be started.
    pub fn watch(&mut self, options: &str) -> Result<()> {
        let observers =
            EVERYWHERE.iter().flat_map(|&at_server| Mode::ALL.map(|mode| Observer { at_server, mode }));
        self.watch_by(&observers.collect::<Vec<_>>(), options)
    }

    /// Starts these; one that doesn't get ready is told as wrong.
    ///
    /// # Errors
    /// Where one can't be started.
    pub fn watch_by(&mut self, observers: &[Observer], options: &str) -> Result<()> {
        let all = format!("--settle 1s --idle-timeout 4s {options}");
        let all: Vec<String> = all.split_whitespace().map(str::to_owned).collect();
        let folder = self.stage.scratch().to_owned();
        for &observer in observers {
            let watcher = Watcher::start(&self.stage.net, &self.binary, &folder, observer, &all)?;
            self.watchers.push(watcher);
        }
        for mut watcher in std::mem::take(&mut self.watchers) {
            // The others watch on: they have something to tell, too.
            match watcher.ready() {
                Ok(()) => {
                    self.ready_after.push(watcher.ready_after);
                    self.watchers.push(watcher);
                }
                Err(e) => self.rows.push(judge::broken(&self.known(), watcher.observer, &e)),
            }
        }
        Ok(())
    }

    /// The fault is made now.
    pub fn now(&mut self) {
        self.made = Some(SystemTime::now());
    }

    /// Those in these places with these modes are to tell this close.
    pub fn want(&mut self, places: &[bool], modes: &[Mode], want: &Want) {
        for &at_server in places {
            for &mode in modes {
                self.wants.push((Observer { at_server, mode }, want.clone()));
            }
        }
    }

    /// Waits until all that is wanted has been told, ends those who watch, and judges.
    pub fn done(&mut self) {
        let end = Instant::now() + PATIENCE;
        let waits = |scene: &Self| {
            scene.watchers.iter().any(|w| !judge::complete(&scene.wanted(w.observer), &w.lines()))
        };
        while waits(self) && Instant::now() < end {
            pause(20);
        }
        // What must not come, comes now.
        pause(500);
        let watchers = std::mem::take(&mut self.watchers);
        watchers.iter().for_each(Watcher::interrupt);
        for mut watcher in watchers {
            let ended = watcher.finish();
            let wants = self.wanted(watcher.observer);
            let known = self.known();
            let mut rows = judge::judge(&known, watcher.observer, &wants, &watcher.lines());
            if let Err(e) = ended {
                rows.push(judge::broken(&known, watcher.observer, &e));
            }
            if rows.iter().any(|row| !row.wrong.is_empty()) {
                self.notes
                    .extend(watcher.errors.iter().map(|line| format!("{}: {line}", watcher.observer.name())));
            }
            self.rows.extend(rows);
        }
    }

    fn known(&self) -> Known<'_> {
        Known { fault: self.fault, server: self.server.as_ref(), made: self.made }
    }

    fn wanted(&self, observer: Observer) -> Vec<&Want> {
        self.wants.iter().filter(|(o, _)| *o == observer).map(|(_, want)| want).collect()
    }

    /// Takes what came of it.
    #[must_use]
    pub fn rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }

    /// Two clients that talk: `victim` on the client's host and `lucky` on a third one, each publishing to both.
    ///
    /// # Errors
    /// Where they don't connect.
    pub fn two(&mut self) -> Result<(Client, Owner, Client)> {
        let (mut victim, owner) = self.py("victim", "--sub load")?;
        let mut lucky = self.stage.connected(Host::Other, Lang::Python, "lucky", "--sub load")?;
        lucky.say("start load 10 40")?;
        victim.say("start load 10 40")?;
        pause(1000);
        Ok((victim, owner, lucky))
    }
}
