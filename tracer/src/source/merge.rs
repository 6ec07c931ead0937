//! Several captures as one stream, ordered by time.
use super::{FileSource, SourceError};
use crate::base::Timestamp;
use crate::event::Frame;
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
        while self.unasked < self.sources.len() {
            let index = self.unasked;
            self.unasked += 1;
            if let Some(at) = self.advance(index)? {
                self.waiting.push(Reverse((at, index)));
            }
        }
        if let Some(index) = self.reading.take() {
            // Mostly the same file goes on, then the heap is left alone.
            if let Some(at) = self.advance(index)? {
                if self.waiting.peek().is_none_or(|&Reverse(first)| (at, index) < first) {
                    return Ok(self.give(index));
                }
                self.waiting.push(Reverse((at, index)));
            }
        }
        match self.waiting.pop() {
            Some(Reverse((_, index))) => Ok(self.give(index)),
            None => Ok(None),
        }
    }

    /// The files, for their names, losses and progress.
    #[must_use]
    pub fn sources(&self) -> &[FileSource] {
        &self.sources
    }

    #[inline]
    fn advance(&mut self, index: usize) -> Result<Option<Timestamp>, SourceError> {
        self.sources.get_mut(index).map_or(Ok(None), FileSource::advance)
    }

    #[inline]
    fn give(&mut self, index: usize) -> Option<Frame<'_>> {
        self.reading = Some(index);
        self.sources.get(index)?.frame()
    }
}
