//! Any octets into the core: whatever comes, no panic, no hang, no memory without bound, no line that is not JSON. The bodies
//! here serve cargo-fuzz (`tracer/fuzz`), the binary `hammer`, and a short run under `cargo test`.
mod bodies;
mod checked;
mod seeds;

pub use bodies::{files, frame, nats, track};
pub use seeds::Seeds;

use std::fmt;

/// What is hammered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Octets as a frame of any link type.
    Frame,
    /// Octets as both directions of a stream, in any pieces, with holes.
    Nats,
    /// Octets as steps: segments, ICMP errors, time.
    Track,
    /// Octets as a capture file.
    Files,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Frame, Self::Nats, Self::Track, Self::Files];

    /// Its word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Nats => "nats",
            Self::Track => "track",
            Self::Files => "files",
        }
    }

    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Feeds it once.
    pub fn strike(self, data: &[u8]) {
        match self {
            Self::Frame => frame(data),
            Self::Nats => nats(data),
            Self::Track => track(data),
            Self::Files => files(data),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Octets read as choices; zeros where they end.
#[derive(Clone, Debug)]
pub(crate) struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        first
    }
}
