//! The entries of the ledger's own of a closed ledger, one by one. Does not know what they say, nor
//! where other entries are damaged: it passes over them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::RecordedEvent;
use crate::log::{Blocks, FIRST_BLOCK_POSITION, Point, Segment};

/// Bytes of the log that are read at once.
const READ_LEN: usize = 256 * 1024;

/// An iterator that reads the log no further than it is asked for. It ends where the log does, or
/// where no good block follows.
#[derive(Debug)]
pub(crate) struct OwnEntries {
    /// What is not read yet, and where it begins in the first of them.
    segments: VecDeque<Arc<Segment>>,
    at: Point,
    found: VecDeque<RecordedEvent>,
}

impl OwnEntries {
    pub(super) fn of(segments: Vec<Arc<Segment>>) -> Self {
        let at = Point { offset: 0, position: FIRST_BLOCK_POSITION };
        Self { segments: segments.into(), at, found: VecDeque::new() }
    }

    /// Reads on; `None` at the end.
    fn read(&mut self) -> Option<()> {
        let segment = self.segments.front()?;
        // What the disk says here it says again to whoever reads every entry.
        if let Some(blocks) = Blocks::good(segment, self.at, READ_LEN).ok()? {
            blocks.each_own(|entry| self.found.push_back(entry.to_recorded()));
            self.at = blocks.next;
        } else {
            self.segments.pop_front();
            let offset = self.segments.front()?.first_offset;
            self.at = Point { offset, position: FIRST_BLOCK_POSITION };
        }
        Some(())
    }
}

impl Iterator for OwnEntries {
    type Item = RecordedEvent;

    fn next(&mut self) -> Option<RecordedEvent> {
        while self.found.is_empty() {
            self.read()?;
        }
        self.found.pop_front()
    }
}
