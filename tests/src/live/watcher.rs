//! One natstrace at work on a host, its output read as it grows.
use super::Observer;
use crate::lab::net::Net;
use crate::lab::process::Process;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How often the output is looked at: how exact the times of its lines are.
const LOOK: Duration = Duration::from_millis(5);
/// The contract wants the ready line within 2 s; on a machine that does twenty other things it may take longer.
const READY: Duration = Duration::from_secs(60);
/// After SIGINT: within seconds.
const END: Duration = Duration::from_secs(10);

/// A line of output and when it was there.
#[derive(Clone, Debug)]
pub struct Line {
    /// Seen first.
    pub at: SystemTime,
    /// The object.
    pub object: Value,
}

/// A running natstrace.
pub struct Watcher {
    /// Which one.
    pub observer: Observer,
    /// From the start to its ready line.
    pub ready_after: Duration,
    /// What it said on standard error so far.
    pub errors: Vec<String>,
    process: Process,
    lines: Arc<Mutex<Vec<Line>>>,
    ended: Arc<AtomicBool>,
    reader: Option<JoinHandle<Result<()>>>,
    started: Instant,
}

impl Watcher {
    /// Starts it; [`Watcher::ready`] waits for its ready line.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(
        net: &Net,
        binary: &Path,
        folder: &Path,
        observer: Observer,
        options: &[String],
    ) -> Result<Self> {
        let file = folder.join(format!("{}.ndjson", observer.name().replace(' ', "-")));
        let host = observer.host();
        let mut command = if observer.mode == super::Mode::Netns {
            let mut command = Command::new(binary);
            command.args(["--netns", &net.ns(host)]);
            command
        } else {
            net.command(host, &binary.display().to_string())
        };
        command.args(["--iface", host.iface(), "-o", "json", "--color", "never", "-O"]).arg(&file);
        command.args(observer.mode.options()).args(options).stdin(Stdio::null());
        let started = Instant::now();
        let process = Process::start(&observer.name(), command)?;
        let (lines, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let reader = {
            let (lines, ended) = (Arc::clone(&lines), Arc::clone(&ended));
            std::thread::spawn(move || follow(&file, &lines, &ended))
        };
        let errors = Vec::new();
        let ready_after = Duration::ZERO;
        Ok(Self { observer, ready_after, errors, process, lines, ended, reader: Some(reader), started })
    }

    /// Waits for the ready line.
    ///
    /// # Errors
    /// Where none comes.
    pub fn ready(&mut self) -> Result<()> {
        let line = self.process.expect("natstrace: ", READY)?;
        self.ready_after = self.started.elapsed();
        let ready = line.contains("capturing on") || line.contains("probing");
        ensure!(ready, "{}: the first line is not the ready line: {line}", self.observer.name());
        self.errors.push(line);
        Ok(())
    }

    /// What it has written by now.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    /// Asks it to end.
    pub fn interrupt(&self) {
        let _ = self.process.signal(libc::SIGINT);
    }

    /// Waits for its end, which is to be a good one, and for the rest of its output.
    ///
    /// # Errors
    /// Where it doesn't end, exits with another status than 0, or writes what is no JSON.
    pub fn finish(&mut self) -> Result<()> {
        let status = self.process.status(END);
        self.ended.store(true, Ordering::Release);
        let read = self.reader.take().map(JoinHandle::join);
        self.errors.extend(self.process.said());
        ensure!(status?.success(), "{}: {}", self.observer.name(), self.errors.join("\n"));
        match read {
            Some(Ok(read)) => read.with_context(|| self.observer.name()),
            _ => Ok(()),
        }
    }
}

/// Reads the file as it grows, until its writer has ended.
fn follow(file: &PathBuf, lines: &Mutex<Vec<Line>>, ended: &AtomicBool) -> Result<()> {
    let (mut open, mut rest) = (None, Vec::new());
    loop {
        let last = ended.load(Ordering::Acquire);
        if open.is_none() {
            open = File::open(file).ok();
        }
        if let Some(file) = &mut open {
            file.read_to_end(&mut rest)?;
        }
        let at = SystemTime::now();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            let object = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
            if let Ok(mut lines) = lines.lock() {
                lines.push(Line { at, object });
            }
        }
        if last {
            ensure!(rest.is_empty(), "the last line has no end: {}", String::from_utf8_lossy(&rest));
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}
