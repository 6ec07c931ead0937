//! A child process with its lines; killed by its own id when dropped.
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A running child.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    label: String,
}

impl Process {
    /// Starts `command`; it dies with this process.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(label: &str, mut command: Command) -> Result<Self> {
        // SAFETY: prctl is async-signal-safe and touches only the child.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {label}"))?;
        let (send, lines) = channel();
        for stream in [
            child.stdout.take().map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
            child.stderr.take().map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if send.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, lines, label: label.to_owned() })
    }

    /// Waits for a line that holds `word`.
    ///
    /// # Errors
    /// Where the process ends or `within` passes first, with what it said instead.
    pub fn expect(&self, word: &str, within: Duration) -> Result<String> {
        let end = Instant::now() + within;
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(word) => return Ok(line),
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Timeout) => bail!("{}: no {word:?}, but {said:?}", self.label),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended without {word:?}: {said:?}", self.label)
                }
            }
        }
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// Where it no longer listens.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("no stdin")?;
        Ok(writeln!(stdin, "{line}").and_then(|()| stdin.flush())?)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        // SAFETY: kill takes numbers only; the child isn't reaped yet, so the id is still its own.
        if unsafe { libc::kill(pid, signal) } != 0 {
            bail!("kill {}: {}", self.label, std::io::Error::last_os_error());
        }
        Ok(())
    }

    /// Its process id; `ip netns exec` and `env` become the program, so it is the program's.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said and nobody has asked for yet.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it goes on longer than `within`.
    pub fn wait(&mut self, within: Duration) -> Result<()> {
        self.status(within).map(drop)
    }

    /// Waits for its end and tells how it ended.
    ///
    /// # Errors
    /// Where it goes on longer than `within`.
    pub fn status(&mut self, within: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{} doesn't end", self.label);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
