//! A real client library on a host, driven by lines (`tests/lab/client.py`, `client.cjs`, `client.go`, `rust/`).
use super::net::{Host, Net};
use super::process::Process;
use super::tools::Tools;
use anyhow::{Context, Result};
use std::time::Duration;

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// nats-py.
    Python,
    /// nats.js.
    Js,
    /// nats.go.
    Go,
    /// async-nats.
    Rust,
}

/// A running client.
pub struct Client {
    process: Process,
    /// The port it connected from, once it did.
    pub port: u16,
}

impl Client {
    /// Starts the program, without waiting for its connection.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(net: &Net, tools: &Tools, host: Host, lang: Lang, args: &[String]) -> Result<Self> {
        let mut command = net.command(host, "env");
        match lang {
            Lang::Python => command.arg(&tools.python).arg(tools.scripts.join("client.py")),
            Lang::Js => {
                let modules = tools.node.join("node_modules");
                command.arg(format!("NODE_PATH={}", modules.display()));
                command.arg("node").arg(tools.scripts.join("client.cjs"))
            }
            Lang::Go => command.arg(tools.go_client()?),
            Lang::Rust => command.arg(tools.rust_client()?),
        };
        command.args(args);
        Ok(Self { process: Process::start("client", command)?, port: 0 })
    }

    /// Waits until it has connected.
    ///
    /// # Errors
    /// Where it doesn't.
    pub fn ready(&mut self) -> Result<()> {
        let line = self.expect("READY")?;
        self.port =
            line.split_whitespace().nth(1).and_then(|p| p.parse().ok()).context("READY without a port")?;
        Ok(())
    }

    /// Waits, 15 s at most, for a line that holds `word`.
    ///
    /// # Errors
    /// Where none comes.
    pub fn expect(&self, word: &str) -> Result<String> {
        self.process.expect(word, Duration::from_secs(15))
    }

    /// Tells it something.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn say(&mut self, line: &str) -> Result<()> {
        self.process.say(line)
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
}
