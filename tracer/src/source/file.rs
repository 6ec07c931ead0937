//! Capture files: opened, unpacked and told apart by their content, never by their name. Pipes are streamed.
use super::SourceError;
use super::blocks::{Blocks, Record};
use super::error::Flaw;
use super::packing::{self, Packing};
use super::pcap_format::{Pcap, Run};
use super::pcapng::Pcapng;
use crate::base::Timestamp;
use crate::event::{Frame, Place};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// One capture file, standard input or pipe.
pub struct FileSource {
    path: PathBuf,
    capture: u32,
    blocks: Blocks,
    format: Format,
    compressed: bool,
    consumed: Arc<AtomicU64>,
    size: Option<u64>,
    number: u64,
    /// The record at the front of `blocks`.
    current: Option<Record>,
    done: bool,
}

impl FileSource {
    /// Opens a capture and reads its header. `-` is standard input. `capture` goes into every frame.
    ///
    /// # Errors
    /// Where there is nothing to read, or no capture.
    pub fn open(path: &Path, capture: u32) -> Result<Self, SourceError> {
        if path.as_os_str() == "-" {
            return Self::from_reader(Box::new(io::stdin()), Path::new("standard input"), capture, None);
        }
        let named = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => SourceError::Missing { path: path.into() },
            io::ErrorKind::PermissionDenied => SourceError::Permission { path: path.into() },
            io::ErrorKind::IsADirectory => SourceError::IsDirectory { path: path.into() },
            _ => SourceError::Io { path: path.into(), offset: 0, error },
        };
        let file = File::open(path).map_err(named)?;
        let meta = file.metadata().map_err(named)?;
        if meta.is_dir() {
            return Err(SourceError::IsDirectory { path: path.into() });
        }
        if !meta.is_file() {
            return Self::from_reader(Box::new(file), path, capture, None);
        }
        // A file that is being written is read as far as it is there now.
        let size = meta.len();
        Self::from_reader(Box::new(file.take(size)), path, capture, Some(size))
    }

    /// Reads a capture from anything; `path` serves to name it in errors. `size`: of a file, which need not be waited for.
    ///
    /// # Errors
    /// Where there is nothing to read, or no capture.
    pub fn from_reader(
        reader: Box<dyn Read + Send>,
        path: &Path,
        capture: u32,
        size: Option<u64>,
    ) -> Result<Self, SourceError> {
        let consumed = Arc::new(AtomicU64::new(0));
        let mut counted = Counted { inner: reader, count: Arc::clone(&consumed) };
        let io_error = |error| SourceError::Io { path: path.into(), offset: 0, error };
        let start = read_start(&mut counted).map_err(io_error)?;
        if start.is_empty() {
            return Err(SourceError::Empty { path: path.into() });
        }
        let packing = Packing::of(&start);
        let unpacked = packing.unpack(Cursor::new(start).chain(counted)).map_err(io_error)?;
        let mut blocks = Blocks::new(unpacked, size.is_some());
        let format = match open_format(&mut blocks, packing, path) {
            Ok(format) => format?,
            Err(flaw) => return Err(damaged(&mut blocks, flaw, path, packing != Packing::None)),
        };
        let compressed = packing != Packing::None;
        let path = path.into();
        Ok(Self {
            path,
            capture,
            blocks,
            format,
            compressed,
            consumed,
            size,
            number: 0,
            current: None,
            done: false,
        })
    }

    /// The next frame; `None` at the end, and after an error.
    ///
    /// # Errors
    /// Where the file is damaged or can't be read on; told once, after every whole record before it.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "the frame borrows from the source")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        self.advance()?;
        Ok(self.frame())
    }

    /// The frames behind the one that was gone to, as far as they are in memory; `None`: the format is another.
    pub(super) fn run(&mut self) -> Option<Run<'_>> {
        let Format::Pcap(pcap) = self.format else { return None };
        if let Some(past) = self.current.take() {
            self.blocks.skip(past.total);
        }
        let (block, end, start) = self.blocks.run();
        let octets = block.get(..end).unwrap_or_default();
        Some(Run { pcap, capture: self.capture, block, octets, start, number: &mut self.number })
    }

    /// Goes to the next frame, and tells its time.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> Result<Option<Timestamp>, SourceError> {
        if let Some(past) = self.current.take() {
            self.blocks.skip(past.total);
        }
        // Behind damage nothing is in sight: it stays where it was found.
        if let Format::Pcap(pcap) = &self.format
            && let Some(record) = pcap.in_sight(&self.blocks)
        {
            self.number += 1;
            self.current = Some(record);
            return Ok(Some(record.at));
        }
        self.advance_far()
    }

    /// The same where more has to be read, or the format is another.
    #[inline(never)]
    fn advance_far(&mut self) -> Result<Option<Timestamp>, SourceError> {
        if self.done {
            return Ok(None);
        }
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.blocks),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.blocks),
        };
        match found {
            Ok(Some(record)) => {
                self.number += 1;
                self.current = Some(record);
                Ok(Some(record.at))
            }
            Ok(None) => self.end(),
            Err(flaw) => {
                self.done = true;
                Err(damaged(&mut self.blocks, flaw, &self.path, self.compressed))
            }
        }
    }

    /// The frame that [`FileSource::advance`] went to.
    #[inline(always)]
    pub(super) fn frame(&self) -> Option<Frame<'_>> {
        let record = self.current?;
        Some(Frame {
            capture: self.capture,
            iface: record.iface,
            number: self.number,
            at: record.at,
            wire_len: record.wire_len,
            link: record.link,
            bytes: self.blocks.part(record.skip, record.len),
        })
    }

    /// Where the octets of that frame are.
    #[inline(always)]
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let (block, at) = self.blocks.place();
        Some((block, at + self.current?.skip))
    }

    /// If the file has to be unpacked, a thread of its own does so from now on.
    pub(super) fn unpack_ahead(&mut self) {
        if self.compressed {
            self.blocks.read_ahead();
        }
    }

    /// Name of an interface, where the file tells it (pcapng only).
    #[must_use]
    pub fn iface_name(&self, iface: u32) -> Option<&str> {
        match &self.format {
            Format::Pcap(_) => None,
            Format::Pcapng(pcapng) => pcapng.iface_name(iface),
        }
    }

    /// Frames that the capturing tool says it lost, as far as the file has been read (pcapng only).
    #[must_use]
    pub fn lost_frames(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(pcapng) => pcapng.lost_frames(),
        }
    }

    /// Octets of the file read so far, before unpacking: for progress.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Size of the file; `None` for pipes.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The file as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which capture this is.
    #[must_use]
    pub const fn capture(&self) -> u32 {
        self.capture
    }

    /// The end between two records, which is no end if the stream broke there.
    #[cold]
    fn end(&mut self) -> Result<Option<Timestamp>, SourceError> {
        self.done = true;
        match self.blocks.failure() {
            None => Ok(None),
            Some(error) => Err(failed(error, self.blocks.end_offset(), &self.path, self.compressed)),
        }
    }
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// The outer error is damage, the inner one that this is no capture at all.
fn open_format(
    blocks: &mut Blocks,
    packing: Packing,
    path: &Path,
) -> Result<Result<Format, SourceError>, Flaw> {
    let whole = blocks.need(4);
    let start = blocks.peek();
    if Pcap::is_one(start) {
        return Pcap::open(blocks).map(|pcap| Ok(Format::Pcap(pcap)));
    }
    if Pcapng::is_one(start) {
        return Pcapng::open(blocks).map(|pcapng| Ok(Format::Pcapng(pcapng)));
    }
    if !whole && let Some(error) = blocks.failure() {
        return Err(Flaw::new(0, packing::failure(&error)));
    }
    let seems = match packing {
        Packing::None => seems(blocks.peek()),
        packing => format!("{} of {}", packing.name(), seems(blocks.peek())),
    };
    Ok(Err(SourceError::NotACapture { path: path.into(), seems }))
}

/// A flaw, unless it is the stream below that broke.
#[cold]
fn damaged(blocks: &mut Blocks, flaw: Flaw, path: &Path, compressed: bool) -> SourceError {
    match blocks.failure() {
        Some(error) => failed(error, flaw.offset, path, compressed),
        None => SourceError::Damaged { path: path.into(), offset: flaw.offset, compressed, what: flaw.what },
    }
}

/// A stream that broke: when unpacking, that is damage of the file.
#[cold]
fn failed(error: io::Error, offset: u64, path: &Path, compressed: bool) -> SourceError {
    // Unpackers make their own errors; those of the system have a number.
    if compressed && error.raw_os_error().is_none() {
        return SourceError::Damaged {
            path: path.into(),
            offset,
            compressed,
            what: packing::failure(&error),
        };
    }
    SourceError::Io { path: path.into(), offset, error }
}

/// The first octets: enough to tell packings apart, no more than one read beyond, so that a slow pipe doesn't hang.
fn read_start(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = vec![0; 512];
    let mut len = 0;
    while len < 6 {
        let Some(room) = start.get_mut(len..) else { break };
        match reader.read(room) {
            Ok(0) => break,
            Ok(got) => len += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    start.truncate(len);
    Ok(start)
}

/// Counts what goes through.
struct Counted {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.count.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// What a file is that is no capture, for the message.
fn seems(start: &[u8]) -> String {
    let start = start.get(..512).unwrap_or(start);
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let known: &[(&[u8], &str)] = &[
        (b"PK\x03\x04", "a zip archive"),
        (b"\x7fELF", "a program (ELF)"),
        (b"%PDF", "a PDF"),
        (b"BZh", "bzip2"),
        (b"snoop\0", "a snoop capture, which editcap can convert"),
        (b"\x1f\x8b", "gzip once more"),
        (b"\x28\xb5\x2f\xfd", "zstd once more"),
    ];
    if start.is_empty() {
        return "nothing at all".into();
    }
    if let Some((_, name)) = known.iter().find(|(magic, _)| start.starts_with(magic)) {
        return (*name).into();
    }
    if start.get(257..262) == Some(b"ustar") {
        return "a tar archive".into();
    }
    if ["<!doctype html", "<html"].iter().any(|tag| text.trim_start().starts_with(tag)) {
        return "an HTML page".into();
    }
    if start.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..))
        && std::str::from_utf8(start).is_ok()
    {
        return "text".into();
    }
    let octets: Vec<_> = start.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("something that starts with {}", octets.join(" "))
}
