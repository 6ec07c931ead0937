//! What a verdict rests on.
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::num::NonZeroU64;

/// A frame's place: 0-based capture on the command line, 1-based number in it. In eight octets, none of which says that there is
/// none: what is known of a connection is full of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct FrameRef(NonZeroU64);

/// As it is written down: what no frame shows is nothing, which takes least.
#[derive(Serialize, Deserialize)]
#[serde(rename = "FrameRef")]
struct Written(u64);

impl From<Written> for FrameRef {
    fn from(Written(place): Written) -> Self {
        Self::at_place(place)
    }
}

impl From<FrameRef> for Written {
    fn from(frame: FrameRef) -> Self {
        Self(frame.place())
    }
}

impl FrameRef {
    /// Bits of the number, which is kept one higher; more frames than any file has.
    const BITS: u32 = 48;

    /// That frame of that capture. Captures beyond 65,536 count as the last.
    #[must_use]
    pub const fn new(capture: u32, number: u64) -> Self {
        let most = (1 << Self::BITS) - 2;
        let number = if number > most { most } else { number };
        let capture = if capture > u16::MAX as u32 { u16::MAX as u64 } else { capture as u64 };
        Self(NonZeroU64::MIN.saturating_add(capture << Self::BITS | number))
    }

    /// Capture and number in one, the capture above; 0 where no frame shows it.
    #[must_use]
    pub const fn place(self) -> u64 {
        self.0.get() - 1
    }

    /// What [`Self::place`] made a number of.
    #[must_use]
    pub const fn at_place(place: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(place))
    }

    /// Which file or interface.
    #[must_use]
    pub const fn capture(self) -> u32 {
        (self.place() >> Self::BITS) as u32
    }

    /// Which frame of it; 0: the kernel told it, no frame shows it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.place() & ((1 << Self::BITS) - 1)
    }
}

impl Default for FrameRef {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl std::fmt::Debug for FrameRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.capture(), self.number())
    }
}

/// When something was seen and in which frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Capture time.
    pub at: Timestamp,
    /// The frame.
    pub frame: FrameRef,
}

/// Who says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A captured frame.
    Packet,
    /// A kernel record.
    Kernel,
    /// The server's monitoring or log.
    Server,
    /// Processes or rule sets of this host.
    Host,
}

impl Source {
    /// The contract's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Kernel => "kernel",
            Self::Server => "server",
            Self::Host => "host",
        }
    }
}

/// Words for people: put together for this close, or always the same and then only pointed at.
pub type Text = Cow<'static, str>;

/// One fact in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// When, where it has a time.
    pub at: Option<Timestamp>,
    /// Which frame, for packets.
    pub frame: Option<FrameRef>,
    /// Who says so.
    pub source: Source,
    /// One clause, lower case, with figures; never a secret.
    pub text: Text,
}

impl Mark {
    /// Told by the kernel: there is no frame.
    #[must_use]
    pub const fn kernel(at: Timestamp) -> Self {
        Self { at, frame: FrameRef::new(0, 0) }
    }

    /// The kernel told it, no frame shows it.
    #[must_use]
    pub const fn is_kernel(self) -> bool {
        self.frame.number() == 0
    }
}

impl Evidence {
    /// Seen in a frame, or told by the kernel in its place.
    #[must_use]
    pub fn packet(mark: Mark, text: impl Into<Text>) -> Self {
        if mark.is_kernel() {
            return Self::kernel(mark.at, text);
        }
        Self { at: Some(mark.at), frame: Some(mark.frame), source: Source::Packet, text: text.into() }
    }

    /// Told by the kernel.
    #[must_use]
    pub fn kernel(at: Timestamp, text: impl Into<Text>) -> Self {
        Self { at: Some(at), frame: None, source: Source::Kernel, text: text.into() }
    }

    /// Read on this host: processes, rule sets.
    #[must_use]
    pub fn host(at: Timestamp, text: impl Into<Text>) -> Self {
        Self { at: Some(at), frame: None, source: Source::Host, text: text.into() }
    }

    /// Seen in the packets, but in no single one.
    #[must_use]
    pub fn packets(text: impl Into<Text>) -> Self {
        Self { at: None, frame: None, source: Source::Packet, text: text.into() }
    }
}
