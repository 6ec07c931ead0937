//! What comes into the core from outside.
use crate::base::Timestamp;
use crate::wire::LinkType;
use std::sync::Arc;

/// A captured frame, borrowed from its source.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Which capture, by its 0-based place on the command line.
    pub capture: u32,
    /// Which interface of it, from 0.
    pub iface: u32,
    /// Number in that file, from 1.
    pub number: u64,
    /// When it was captured.
    pub at: Timestamp,
    /// Octets on the wire.
    pub wire_len: u32,
    /// What the octets start with.
    pub link: LinkType,
    /// What was captured.
    pub bytes: &'a [u8],
}

/// Where the octets of a frame begin: a block that stays as it is while it is shared, and the place in it.
pub type Place<'a> = (&'a Arc<[u8]>, usize);
