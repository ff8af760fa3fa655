//! Appends blocks: recovers the end of the log, then writes one block after the other, each durable
//! before the next. Does not know what entries mean, nor who waits for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::disk::{Disk, DiskFile, read_full_at, write_all_at};
use super::format::{Defect, SECTOR_LEN, SEGMENT_HEADER_LEN, SegmentHeader};
use super::prepare::{Preparation, Preparer};
use super::reader::LogReader;
use super::recovery::{Recovered, Rest, recover};
use super::segments::{PREPARED_NAME, Segment, Segments, segment_name};
use super::{FIRST_BLOCK_POSITION, LogError, Placed, Point, is_disk_full};
use crate::num::{u64_from, usize_from};

/// The folder of the log, checked but not yet recovered.
#[derive(Debug)]
pub(crate) struct LogFolder {
    preparation: Preparation,
    ledger_id: [u8; 16],
    segments: Segments,
}

/// The end of the log, where blocks are added.
#[derive(Debug)]
pub(crate) struct LogWriter {
    preparation: Preparation,
    preparer: Preparer,
    ledger_id: [u8; 16],
    segments: Segments,
    current: Arc<Segment>,
    end: Point,
}

impl LogFolder {
    /// Checks the headers of all segments. The folder must be there: a ledger whose log is missing
    /// is not an empty ledger. `capacity` is the size of segments made from now on.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        ledger_id: [u8; 16],
        capacity: u64,
    ) -> Result<Self, LogError> {
        let segments = Segments::open(&*disk, folder, ledger_id)?;
        let preparation = Preparation { disk, folder: folder.to_owned(), capacity };
        Ok(Self { preparation, ledger_id, segments })
    }

    pub(crate) fn reader(&self) -> LogReader {
        LogReader::new(self.segments.clone(), self.ledger_id)
    }

    /// Reads a segment from a block's point on and judges it; changes nothing.
    pub(crate) fn walk(
        segment: &Segment,
        from: Point,
        mut each: impl FnMut(Placed<'_>),
    ) -> Result<Walked, LogError> {
        let found = walk(segment, from, &mut each)?;
        let defect = match found.rest {
            Rest::Clean => None,
            Rest::Torn { defect, .. } => Some((defect, true)),
            Rest::Corrupt(defect) => Some((defect, false)),
        };
        Ok(Walked { position: found.position, next_offset: found.next_offset, defect })
    }

    /// Recovers the log from a block's point on: hands out every entry, cuts off what a power cut
    /// left of the last block, and answers the writer.
    ///
    /// # Errors
    /// Corruption, by segment, position and defect; nothing is changed then.
    pub(crate) fn recover(
        self,
        from: Point,
        mut each: impl FnMut(Placed<'_>),
    ) -> Result<LogWriter, LogError> {
        // A process that ended may have left names and bytes that no sync had made durable. They
        // are there for good before anybody is shown them.
        let Preparation { disk, folder, .. } = &self.preparation;
        disk.sync_dir(folder).map_err(|error| LogError::io(folder, error))?;
        let mut end = from;
        let segments = self.segments.all();
        let begin = segments.partition_point(|segment| segment.first_offset <= from.offset);
        let tail = segments.get(begin.saturating_sub(1)..).unwrap_or_default();
        for (index, segment) in tail.iter().enumerate() {
            if segment.first_offset == end.offset {
                end.position = FIRST_BLOCK_POSITION;
            }
            let next = tail.get(index + 1).map(|next| next.first_offset);
            end = Self::recover_segment(segment, (end, next), &mut each)?;
        }
        self.into_writer(end)
    }

    fn recover_segment(
        segment: &Segment,
        (from, next): (Point, Option<u64>),
        each: &mut impl FnMut(Placed<'_>),
    ) -> Result<Point, LogError> {
        let mut last_block = None;
        let found = walk(segment, from, &mut |placed| {
            last_block = Some(usize_from(placed.block_position));
            each(placed);
        })?;
        let position = u32::try_from(found.position).unwrap_or(u32::MAX);
        let end = Point { offset: found.next_offset, position };
        let defect = match (found.rest, next) {
            (Rest::Clean, Some(next)) if next != end.offset => {
                Some(Defect::Offset { expected: end.offset, found: next })
            }
            (Rest::Clean, _) => None,
            (Rest::Torn { end: torn_end, defect }, None) => {
                cut(segment, (found.position, torn_end))?;
                tracing::warn!(
                    segment = segment_name(segment.first_offset), position, offset = end.offset,
                    bytes = torn_end - found.position, %defect,
                    "cut off the torn end of the log, which had not been acknowledged"
                );
                None
            }
            (Rest::Torn { defect, .. }, Some(_)) | (Rest::Corrupt(defect), _) => Some(defect),
        };
        if let (None, None, Some(begin)) = (&defect, next, last_block) {
            settle(segment, (begin, found.position))?;
        }
        defect.map_or(Ok(end), |defect| Err(LogError::corrupt_at(segment, end, defect)))
    }

    fn into_writer(self, mut end: Point) -> Result<LogWriter, LogError> {
        let Self { preparation, ledger_id, segments } = self;
        let path = preparation.folder.join(PREPARED_NAME);
        let current = if let Some(current) = segments.last() {
            current
        } else {
            let file = preparation
                .run(&AtomicBool::new(false))
                .map_err(|error| full_or_io(&path, error))?;
            end = Point { offset: 0, position: FIRST_BLOCK_POSITION };
            let current = enter(&preparation, ledger_id, 0, file)?;
            segments.push(Arc::clone(&current));
            current
        };
        let preparer =
            Preparer::start(preparation.clone()).map_err(|error| LogError::io(&path, error))?;
        Ok(LogWriter { preparation, preparer, ledger_id, segments, current, end })
    }
}

/// What a walk over a segment found.
#[derive(Debug)]
pub(crate) struct Walked {
    /// Position of the end of its blocks.
    pub(crate) position: usize,
    pub(crate) next_offset: u64,
    /// What follows the blocks and does not belong there; `true` where a torn write explains it.
    pub(crate) defect: Option<(Defect, bool)>,
}

fn walk(
    segment: &Segment,
    from: Point,
    each: &mut impl FnMut(Placed<'_>),
) -> Result<Recovered, LogError> {
    // Only what is looked at, from the sector on that holds its beginning.
    let start = usize_from(from.position);
    let begin = start / SECTOR_LEN * SECTOR_LEN;
    let mut bytes = vec![0; usize_from(segment.capacity).saturating_sub(begin)];
    let wanted = bytes.get_mut(start - begin..).unwrap_or_default();
    read_full_at(&*segment.file, wanted, u64_from(start))
        .map_err(|error| LogError::segment_io(segment, error))?;
    let found = recover(&bytes, start - begin, from.offset, |entry, position, block_position| {
        let [position, block_position] =
            [position, block_position].map(|at| u32::try_from(begin + at).unwrap_or(u32::MAX));
        each(Placed { entry, position, block_position });
    });
    Ok(found.behind(begin))
}

fn cut(segment: &Segment, (begin, end): (usize, usize)) -> Result<(), LogError> {
    write_all_at(&*segment.file, &vec![0; end - begin], u64_from(begin))
        .and_then(|()| segment.file.sync())
        .map_err(|error| LogError::segment_io(segment, error))
}

/// Makes the last block durable, which was perhaps never synced, or whose sync failed: a sync alone
/// does not repeat what an earlier one has failed to do, so the block is written again.
fn settle(segment: &Segment, (begin, end): (usize, usize)) -> Result<(), LogError> {
    let mut block = vec![0; end - begin];
    read_full_at(&*segment.file, &mut block, u64_from(begin))
        .and_then(|_| write_all_at(&*segment.file, &block, u64_from(begin)))
        .and_then(|()| segment.file.sync())
        .map_err(|error| LogError::segment_io(segment, error))
}

impl LogWriter {
    pub(crate) fn end(&self) -> Point {
        self.end
    }

    pub(crate) fn reader(&self) -> LogReader {
        LogReader::new(self.segments.clone(), self.ledger_id)
    }

    /// Bytes of the largest block that a segment can hold.
    pub(crate) fn block_len_max(&self) -> usize {
        usize_from(self.preparation.capacity) - SEGMENT_HEADER_LEN
    }

    /// Bytes that the current segment has left.
    pub(crate) fn room(&self) -> usize {
        usize_from(self.current.capacity).saturating_sub(usize_from(self.end.position))
    }

    /// Goes on to the next segment, where the next block will stand.
    ///
    /// # Errors
    /// [`LogError::DiskFull`] while there is no room for one: nothing has changed then. Any other
    /// error leaves it open whether the segment is there.
    pub(crate) fn next_segment(&mut self) -> Result<(), LogError> {
        let path = self.preparation.folder.join(PREPARED_NAME);
        let file = self.preparer.take().map_err(|error| full_or_io(&path, error))?;
        self.current = enter(&self.preparation, self.ledger_id, self.end.offset, file)?;
        self.segments.push(Arc::clone(&self.current));
        self.end.position = FIRST_BLOCK_POSITION;
        Ok(())
    }

    /// Writes a block and makes it durable. It must fit into [`LogWriter::room`].
    ///
    /// # Errors
    /// Any error leaves it open whether the block is there: nothing may be written after it.
    pub(crate) fn commit(&mut self, block: &[u8], entry_count: u32) -> Result<(), LogError> {
        assert!(block.len() <= self.room(), "a block never spans segments");
        let io = |error| {
            let name = segment_name(self.current.first_offset);
            LogError::io(&self.preparation.folder.join(name), error)
        };
        write_all_at(&*self.current.file, block, u64::from(self.end.position)).map_err(io)?;
        self.current.file.sync().map_err(io)?;
        self.end.position += u32::try_from(block.len()).unwrap_or(u32::MAX);
        self.end.offset += u64::from(entry_count);
        if self.room() < usize_from(self.current.capacity) / 2 {
            self.preparer.request();
        }
        Ok(())
    }
}

/// Gives a prepared file its header and its name. Durable, contents before name.
fn enter(
    preparation: &Preparation,
    ledger_id: [u8; 16],
    first_offset: u64,
    file: Arc<dyn DiskFile>,
) -> Result<Arc<Segment>, LogError> {
    let capacity = preparation.capacity;
    let header = SegmentHeader { ledger_id, first_offset, capacity };
    let prepared: PathBuf = preparation.folder.join(PREPARED_NAME);
    let path = preparation.folder.join(segment_name(first_offset));
    let entered = write_all_at(&*file, &header.encode(), 0)
        .and_then(|()| file.sync())
        .and_then(|()| preparation.disk.rename(&prepared, &path))
        .and_then(|()| preparation.disk.sync_dir(&preparation.folder));
    entered.map_err(|error| LogError::io(&path, error))?;
    Ok(Arc::new(Segment { first_offset, capacity, file }))
}

fn full_or_io(path: &Path, error: std::io::Error) -> LogError {
    if is_disk_full(&error) { LogError::DiskFull } else { LogError::io(path, error) }
}
