//! What can be wrong with a capture file, each with what to do about it.
use std::io;
use std::path::PathBuf;

/// Why a capture can't be read, or not further. Everything before the error has been delivered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No such file.
    #[error("{}: no such file; check the path", path.display())]
    Missing {
        /// The file as it was named.
        path: PathBuf,
    },
    /// A directory.
    #[error("{} is a directory; name the capture files in it", path.display())]
    IsDirectory {
        /// The directory as it was named.
        path: PathBuf,
    },
    /// The file may not be read.
    #[error("{}: permission denied; run as a user that may read it, or change its mode", path.display())]
    Permission {
        /// The file as it was named.
        path: PathBuf,
    },
    /// Nothing in it.
    #[error("{} is empty: 0 bytes; check that the capturing tool could write, and capture again", path.display())]
    Empty {
        /// The file as it was named.
        path: PathBuf,
    },
    /// Neither pcap nor pcapng.
    #[error("{} is no capture but {seems}; name a pcap or pcapng file, plain or packed with gz, zst, lz4 or xz", path.display())]
    NotACapture {
        /// The file as it was named.
        path: PathBuf,
        /// What it looks like.
        seems: String,
    },
    /// A capture up to there.
    #[error(
        "{} is damaged at byte {offset}{}: {what}; everything before that was read, capture or copy it again for the rest",
        path.display(),
        if *compressed { " of its unpacked content" } else { "" }
    )]
    Damaged {
        /// The file as it was named.
        path: PathBuf,
        /// Where the damaged record starts, in the capture as it is after unpacking.
        offset: u64,
        /// The file is compressed, hence `offset` is not one of the file itself.
        compressed: bool,
        /// What is wrong there.
        what: String,
    },
    /// The system could not read on.
    #[error("{}: reading failed at byte {offset}: {error}; check the disk or the sender of the pipe", path.display())]
    Io {
        /// The file as it was named.
        path: PathBuf,
        /// How far reading came.
        offset: u64,
        /// What the system says.
        error: io::Error,
    },
}

/// What a format reader finds wrong; the file's name is added by who knows it.
#[derive(Debug)]
pub(super) struct Flaw {
    pub offset: u64,
    pub what: String,
}

impl Flaw {
    pub fn new(offset: u64, what: impl Into<String>) -> Self {
        Self { offset, what: what.into() }
    }
}
