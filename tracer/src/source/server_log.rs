//! A nats-server log file: read from its begin to its end, or followed as it grows, through rotation and truncation.
use crate::nats::server_log::{LogLine, log_line};
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A longer line is read as several.
const LINE_MAX: u64 = 64 << 10;
/// Octets taken at one look at a log that grows.
const LOOK_MAX: usize = 1 << 20;
/// So much of what stands there already is read: the server's id, and what it did before.
const BACK_MAX: u64 = 16 << 20;

/// Why a log can't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read the server's log {}: {error}", path.display())]
pub struct ServerLogError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Reads a whole log; tells how many of its lines said something.
///
/// # Errors
/// Where it can't be opened or read, or is a directory.
pub fn read(path: &Path, each: &mut dyn FnMut(&LogLine)) -> Result<u64, ServerLogError> {
    let failed = |error| ServerLogError { path: path.to_owned(), error };
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path).map_err(failed)?);
    let mut line = Vec::new();
    let mut told = 0;
    loop {
        line.clear();
        if reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(told);
        }
        if let Some(line) = log_line(&line) {
            told += 1;
            each(&line);
        }
    }
}

/// A log that is followed as `tail -F` does.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    /// Device and inode.
    identity: (u64, u64),
    at: u64,
    /// The begin of a line whose end isn't written yet.
    partial: Vec<u8>,
}

impl Tail {
    /// Opens a log, at most 16 MiB before its end.
    ///
    /// # Errors
    /// Where it can't be opened, or is a directory.
    pub fn open(path: &Path) -> Result<Self, ServerLogError> {
        let open = || {
            let mut file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            let at = file.seek(SeekFrom::Start(metadata.len().saturating_sub(BACK_MAX)))?;
            Ok(Self { path: path.to_owned(), file, identity: identity(&metadata), at, partial: Vec::new() })
        };
        open().map_err(|error| ServerLogError { path: path.to_owned(), error })
    }

    /// What was written since the last call, at most a mebibyte. A log that is away for a while is waited for.
    pub fn read(&mut self, each: &mut dyn FnMut(&LogLine)) {
        if self.file.metadata().is_ok_and(|m| m.len() < self.at) {
            // Truncated: it begins anew.
            self.begin();
        }
        let taken = self.take(each);
        // All of the old file is read before the new one is opened.
        if taken == 0
            && let Ok(metadata) = std::fs::metadata(&self.path)
            && identity(&metadata) != self.identity
            && let Ok(file) = File::open(&self.path)
        {
            (self.file, self.identity) = (file, identity(&metadata));
            self.begin();
            self.take(each);
        }
    }

    fn begin(&mut self) {
        self.at = 0;
        self.partial.clear();
        // A file that can't be sought is none that grows; what it gives is read on.
        let _ = self.file.rewind();
    }

    fn take(&mut self, each: &mut dyn FnMut(&LogLine)) -> usize {
        let before = self.partial.len();
        let taken = (&self.file).take(LOOK_MAX as u64).read_to_end(&mut self.partial).unwrap_or(0);
        self.at += taken as u64;
        if taken == 0 {
            return 0;
        }
        let mut begin = 0;
        for end in
            memchr::memchr_iter(b'\n', self.partial.get(before..).unwrap_or_default()).map(|n| before + n)
        {
            if let Some(line) = self.partial.get(begin..end).and_then(log_line) {
                each(&line);
            }
            begin = end + 1;
        }
        self.partial.drain(..begin);
        if self.partial.len() as u64 > LINE_MAX {
            self.partial.clear();
        }
        taken
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::server_log::{LogSays, ServerEvent};
    use std::fs;
    use std::io::Write as _;

    fn events(tail: &mut Tail) -> Vec<ServerEvent> {
        let mut found = Vec::new();
        tail.read(&mut |line| {
            if let LogSays::Server(event) = &line.says {
                found.push(event.clone());
            }
        });
        found
    }

    #[test]
    fn a_whole_log() {
        let path =
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/server-logs/lame-duck-2.15.1.txt"));
        let mut seen = 0;
        assert_eq!(read(path, &mut |_| seen += 1).unwrap(), seen);
        assert!(seen > 10);
        assert!(
            read(Path::new("/nonexistent/x.log"), &mut |_| {}).unwrap_err().to_string().contains("x.log")
        );
        assert!(read(Path::new("/tmp"), &mut |_| {}).is_err());
    }

    #[test]
    fn a_log_is_followed_through_rotation_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n1.log");
        fs::write(&path, "[1] [INF] Starting nats-server\n").unwrap();
        let mut tail = Tail::open(&path).unwrap();
        assert_eq!(events(&mut tail), [ServerEvent::Starting]);
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "[1] [INF] Initiating Shut").unwrap();
        assert_eq!(events(&mut tail), []);
        writeln!(file, "down...").unwrap();
        assert_eq!(events(&mut tail), [ServerEvent::Stopping]);
        // Rotated: what was still written to the old one counts, too.
        writeln!(file, "[1] [INF] Server Exiting..").unwrap();
        fs::rename(&path, folder.path().join("n1.log.1")).unwrap();
        assert_eq!(events(&mut tail), [ServerEvent::Exiting]);
        assert_eq!(events(&mut tail), []);
        fs::write(&path, "[2] [INF] Starting nats-server\n[2] [INF] Entering lame duck mode\n").unwrap();
        assert_eq!(events(&mut tail), [ServerEvent::Starting, ServerEvent::LameDuck]);
        fs::write(&path, "[2] [INF] Server Exiting..\n").unwrap();
        assert_eq!(events(&mut tail), [ServerEvent::Exiting]);
    }
}
