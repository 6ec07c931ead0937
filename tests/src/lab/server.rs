//! A real nats-server on a host, with its log.
use super::net::{Host, Net};
use super::process::Process;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A running nats-server.
pub struct Server {
    process: Process,
    log: PathBuf,
    config: PathBuf,
}

impl Server {
    /// Starts `program` with `config` and waits until it accepts.
    ///
    /// # Errors
    /// Where it doesn't get ready.
    pub fn start(
        net: &Net,
        host: Host,
        program: &Path,
        folder: &Path,
        name: &str,
        config: &str,
    ) -> Result<Self> {
        let (file, log) = (folder.join(format!("{name}.conf")), folder.join(format!("{name}.log")));
        std::fs::write(&file, config)?;
        let mut command = net.command(host, "env");
        // Few threads: the lab shares its machine.
        command.arg("GOMAXPROCS=2").arg(program).arg("-c").arg(&file).arg("-l").arg(&log).arg("-D");
        let _ = std::fs::remove_file(&log);
        let server = Self { process: Process::start(name, command)?, log, config: file };
        server.saw("Server is ready")?;
        Ok(server)
    }

    /// Waits until the log holds `word`; returns the line.
    ///
    /// # Errors
    /// Where it doesn't within 10 s.
    pub fn saw(&self, word: &str) -> Result<String> {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(line) = text.lines().find(|line| line.contains(word)) {
                // Without process id and time: `[7] 2026/11/22 21:10:00.123456 [INF] text`.
                return Ok(line
                    .split_once("] ")
                    .map_or(line, |(_, rest)| rest)
                    .split_at_checked(27)
                    .map_or_else(|| line.to_owned(), |(_, text)| text.to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server's log has no {word:?}:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.process.signal(signal)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Where it goes on.
    pub fn wait(&mut self) -> Result<()> {
        self.process.wait(Duration::from_secs(15))
    }

    /// Writes another configuration and has it reloaded (SIGHUP).
    ///
    /// # Errors
    /// Where the server refuses it.
    pub fn reload(&self, config: &str) -> Result<()> {
        std::fs::write(&self.config, config)?;
        self.signal(libc::SIGHUP)?;
        self.saw("Reloaded server configuration").map(drop)
    }
}
