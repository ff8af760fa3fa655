//! The list of segments, shared by the writer and all readers.
//! Does not know what blocks hold.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::disk::{Disk, DiskFile, read_full_at};
use super::format::{Defect, SEGMENT_HEADER_LEN, SegmentHeader};
use super::{LogError, SegmentAddress};

/// Digits in the name of a segment.
const NAME_DIGITS: usize = 20;
const SUFFIX: &str = ".seg";
/// The name of the next segment while it is filled with zeros.
pub(crate) const PREPARED_NAME: &str = "prepared";

/// One file of blocks.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) first_offset: u64,
    /// Bytes of the whole file.
    pub(crate) capacity: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// All segments, by first offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments {
    list: Arc<RwLock<Vec<Arc<Segment>>>>,
}

/// The file name of a segment.
pub(crate) fn segment_name(first_offset: u64) -> String {
    format!("{first_offset:0NAME_DIGITS$}{SUFFIX}")
}

/// Whether a file name is that of a segment.
pub(crate) fn is_segment_name(name: &str) -> bool {
    first_offset_of(name).is_some()
}

fn first_offset_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == NAME_DIGITS).then(|| digits.parse().ok()).flatten()
}

impl Segments {
    /// Opens every segment in `folder` and checks its header, its size and its name.
    pub(crate) fn open(
        disk: &dyn Disk,
        folder: &Path,
        ledger_id: [u8; 16],
    ) -> Result<Self, LogError> {
        let names = disk.list(folder).map_err(|error| LogError::io(folder, error))?;
        let mut first_offsets: Vec<u64> =
            names.iter().filter_map(|name| first_offset_of(name)).collect();
        first_offsets.sort_unstable();
        let list = first_offsets
            .into_iter()
            .map(|first_offset| open_segment(disk, folder, first_offset, ledger_id))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(first) = list.first().filter(|first| first.first_offset != 0) {
            let defect = Defect::Offset { expected: 0, found: first.first_offset };
            return Err(LogError::corrupt_at(first, super::Point::default(), defect));
        }
        Ok(Self { list: Arc::new(RwLock::new(list)) })
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// The segment that holds an offset, or would hold it.
    pub(crate) fn holding(&self, offset: u64) -> Option<Arc<Segment>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let after = list.partition_point(|segment| segment.first_offset <= offset);
        list.get(after.checked_sub(1)?).cloned()
    }

    /// The first offset of the segment after the one with this first offset; the largest number
    /// where there is none.
    pub(crate) fn after(&self, first_offset: u64) -> u64 {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let after = list.partition_point(|segment| segment.first_offset <= first_offset);
        list.get(after).map_or(u64::MAX, |next| next.first_offset)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }
}

fn open_segment(
    disk: &dyn Disk,
    folder: &Path,
    first_offset: u64,
    ledger_id: [u8; 16],
) -> Result<Arc<Segment>, LogError> {
    let path: PathBuf = folder.join(segment_name(first_offset));
    let io = |error| LogError::io(&path, error);
    let file = disk.open(&path).map_err(io)?;
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    let read = read_full_at(&*file, &mut bytes, 0).map_err(io)?;
    let size = file.size().map_err(io)?;
    let corrupt = |defect| LogError::Corrupt {
        address: SegmentAddress { segment: first_offset, position: 0 },
        offset: first_offset,
        defect,
    };
    let header = SegmentHeader::decode(bytes.get(..read).unwrap_or_default()).map_err(corrupt)?;
    if header.ledger_id != ledger_id {
        return Err(corrupt(Defect::LedgerId));
    }
    if header.first_offset != first_offset {
        let defect = Defect::Offset { expected: first_offset, found: header.first_offset };
        return Err(corrupt(defect));
    }
    if header.capacity != size {
        return Err(corrupt(Defect::Size { expected: header.capacity, found: size }));
    }
    Ok(Arc::new(Segment { first_offset, capacity: size, file }))
}
