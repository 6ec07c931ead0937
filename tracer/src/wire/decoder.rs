//! Frames in, what they hold out.
use super::fragments::Fragments;
use super::slow::{self, Found};
use super::{LinkType, Packet, Segment, fast};
use crate::base::Timestamp;

/// Decodes frames. It remembers nothing but unfinished IP datagrams, for which it takes at most 4 MiB.
#[derive(Clone, Default)]
pub struct Decoder {
    fragments: Fragments,
}

impl Decoder {
    /// With nothing remembered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The segment in a frame that has nothing but it and plain headers: as [`Decoder::decode`] tells it, without a memory.
    #[inline]
    #[must_use]
    pub fn plain_segment(link: LinkType, bytes: &[u8]) -> Option<Segment<'_>> {
        fast::segment(link, bytes)
    }

    /// What the captured `bytes` of a frame hold, of which `wire_len` were on the wire. `at` only serves to forget
    /// unfinished datagrams.
    #[inline]
    pub fn decode<'a>(
        &'a mut self,
        link: LinkType,
        at: Timestamp,
        bytes: &'a [u8],
        wire_len: u32,
    ) -> Packet<'a> {
        match Self::plain_segment(link, bytes) {
            Some(segment) => Packet::Tcp(segment),
            None => self.decode_unusual(link, at, bytes, wire_len),
        }
    }

    /// A frame with more in it than plain headers and a segment, or with something else.
    #[inline(never)]
    fn decode_unusual<'a>(
        &'a mut self,
        link: LinkType,
        at: Timestamp,
        bytes: &'a [u8],
        wire_len: u32,
    ) -> Packet<'a> {
        let part = match slow::frame(link, bytes, wire_len) {
            Found::Packet(packet) => return packet,
            Found::Part(part) => part,
        };
        let Some(whole) = self.fragments.add(at, &part) else { return Packet::Fragment };
        match slow::datagram(whole, self.fragments.whole()) {
            Found::Packet(packet) => packet,
            // A tunnel cut in parts whose content is cut in parts again: not followed.
            Found::Part(_) => Packet::Fragment,
        }
    }

    /// Octets held for unfinished datagrams.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.fragments.held()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}
