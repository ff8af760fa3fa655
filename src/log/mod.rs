//! The log: blocks of entries in segment files, the only truth that the ledger has.
//! Does not know orders' state, batches, or who reads.

mod disk;
mod format;
#[cfg(test)]
mod format_document;
mod leaf;
mod prepare;
mod reader;
mod recovery;
mod segments;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use disk::{Disk, DiskFile, FileSystem};
pub use format::Defect;
pub use leaf::Hash;

use crate::num::usize_from;

pub(crate) use disk::{read_file, read_full_at, write_all_at, write_file};
use format::BLOCK_HEADER_LEN;
pub(crate) use format::{BLOCK_ALIGNMENT, BlockBuilder, EntryRef, entry_len, flags_of};
pub(crate) use leaf::{Leaf, NO_PREVIOUS, body_hash, order_hash};
pub(crate) use reader::{Blocks, LogReader};
#[cfg(any(fuzzing, test))]
pub(crate) use recovery::recover;
pub(crate) use segments::{Segment, is_segment_name};
pub(crate) use writer::{LogFolder, LogWriter};

/// A place between blocks: the offset that the next entry has, and its position in the segment that
/// holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) offset: u64,
    pub(crate) position: u32,
}

impl Point {
    /// The position behind the block whose last entry stands here.
    pub(crate) fn position_behind(self, last: &EntryRef<'_>) -> u32 {
        let end = usize_from(self.position) + last.len();
        u32::try_from((end + 1).next_multiple_of(BLOCK_ALIGNMENT)).unwrap_or(u32::MAX)
    }
}

/// Bytes of a block beyond those of its entries, at most.
pub(crate) const BLOCK_OVERHEAD: usize = BLOCK_HEADER_LEN + format::BLOCK_ALIGNMENT;

/// Position of the first block of a segment.
pub(crate) const FIRST_BLOCK_POSITION: u32 = 64;
const _: () = assert!(format::SEGMENT_HEADER_LEN == 64, "blocks follow the segment header");

/// An entry and where it stands in its segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) entry: EntryRef<'a>,
    /// Position of the entry.
    pub(crate) position: u32,
    /// Position of the block that holds it.
    pub(crate) block_position: u32,
}

impl Placed<'_> {
    /// Whether the entry is the first of its block.
    pub(crate) fn begins_block(&self) -> bool {
        usize_from(self.position - self.block_position) == BLOCK_HEADER_LEN
    }
}

/// Where in the log something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentAddress {
    /// First offset of the segment, which names its file.
    pub segment: u64,
    /// Byte position in that file.
    pub position: u64,
}

/// Why the log could not be read, opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Stored bytes are not what was written. Nothing is dropped: the file has to be looked at.
    #[error(
        "segment {:020}.seg, position {}, offset {offset}: {defect}",
        address.segment, address.position
    )]
    Corrupt {
        /// Where.
        address: SegmentAddress,
        /// The offset that was looked for there.
        offset: u64,
        /// What is wrong.
        defect: Defect,
    },
    /// There is no room for the next segment. It is tried again when asked for.
    #[error("the disk is full: no room for the next log segment")]
    DiskFull,
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

impl LogError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn segment_io(segment: &Segment, source: io::Error) -> Self {
        Self::Io { path: segments::segment_name(segment.first_offset).into(), source }
    }

    pub(crate) fn corrupt_at(segment: &Segment, at: Point, defect: Defect) -> Self {
        let position = at.position.into();
        let address = SegmentAddress { segment: segment.first_offset, position };
        Self::Corrupt { address, offset: at.offset, defect }
    }
}

/// Whether an I/O error says that there is no space left.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
