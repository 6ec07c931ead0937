//! A cursor that runs dry instead of failing.

/// Takes big-endian values off the front; `None` once there are too few bytes.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[b]| b)
    }

    /// Two bytes.
    pub fn word(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// As many bytes as a two-byte length says.
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let n = self.word()?;
        self.take(usize::from(n))
    }

    /// Like [`Self::counted`], but what is there of a cut value.
    pub fn counted_or_rest(&mut self) -> Option<&'a [u8]> {
        let n = usize::from(self.word()?).min(self.0.len());
        self.take(n)
    }
}
