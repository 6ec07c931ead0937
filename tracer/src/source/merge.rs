//! Several captures as one stream, ordered by time.
use super::pcap_format::Run;
use super::{FileSource, SourceError};
use crate::base::Timestamp;
use crate::event::{Frame, Place};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Merges captures by time. Frames of the same time come in the order of the files; the order within a file is kept
/// even where its times go back. A damaged file ends, the others go on.
#[derive(Debug)]
pub struct MergedSource {
    sources: Vec<FileSource>,
    /// Those whose next frame is known, but for the one that is being read.
    waiting: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// The one whose frame was given out last.
    reading: Option<usize>,
    /// The first one that was not asked so far.
    unasked: usize,
}

impl MergedSource {
    /// Of these files, in the order that decides between equal times.
    #[must_use]
    pub const fn new(sources: Vec<FileSource>) -> Self {
        Self { sources, waiting: BinaryHeap::new(), reading: None, unasked: 0 }
    }

    /// The next frame of all; `None` when every file has ended.
    ///
    /// # Errors
    /// Those of each file, once; call again to go on with the others.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "the frame borrows from the source")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        Ok(if self.advance()? { self.frame() } else { None })
    }

    /// Goes to the next frame of all; `false` when every file has ended.
    ///
    /// # Errors
    /// As [`MergedSource::next`].
    #[inline]
    pub fn advance(&mut self) -> Result<bool, SourceError> {
        if let Some(only) = self.only() {
            let more = only.advance()?.is_some();
            self.reading = more.then_some(0);
            return Ok(more);
        }
        self.advance_merged()
    }

    /// The frames behind the one that was gone to, as far as they are in memory, of a single file in the classic format; what comes
    /// behind them [`MergedSource::advance`] goes to.
    pub fn run(&mut self) -> Option<Run<'_>> {
        let run = match &mut self.sources[..] {
            [only] => only.run()?,
            _ => return None,
        };
        self.reading = None;
        Some(run)
    }

    fn advance_merged(&mut self) -> Result<bool, SourceError> {
        while self.unasked < self.sources.len() {
            let index = self.unasked;
            self.unasked += 1;
            if let Some(at) = self.advance_one(index)? {
                self.waiting.push(Reverse((at, index)));
            }
        }
        if let Some(index) = self.reading.take() {
            // Mostly the same file goes on, then the heap is left alone.
            if let Some(at) = self.advance_one(index)? {
                if self.waiting.peek().is_none_or(|&Reverse(first)| (at, index) < first) {
                    self.reading = Some(index);
                    return Ok(true);
                }
                self.waiting.push(Reverse((at, index)));
            }
        }
        self.reading = self.waiting.pop().map(|Reverse((_, index))| index);
        Ok(self.reading.is_some())
    }

    /// The frame that [`MergedSource::advance`] went to.
    #[inline(always)]
    #[must_use]
    pub fn frame(&self) -> Option<Frame<'_>> {
        self.sources.get(self.reading?)?.frame()
    }

    /// Where the octets of that frame are.
    #[inline(always)]
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        self.sources.get(self.reading?)?.place()
    }

    /// From now on a thread for each file that has to be unpacked does that while what was read is worked on.
    pub fn unpack_ahead(&mut self) {
        self.sources.iter_mut().for_each(FileSource::unpack_ahead);
    }

    /// The one file, where there is one alone.
    #[inline]
    fn only(&mut self) -> Option<&mut FileSource> {
        match &mut self.sources[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The files, for their names, losses and progress.
    #[must_use]
    pub fn sources(&self) -> &[FileSource] {
        &self.sources
    }

    #[inline]
    fn advance_one(&mut self, index: usize) -> Result<Option<Timestamp>, SourceError> {
        self.sources.get_mut(index).map_or(Ok(None), FileSource::advance)
    }
}
