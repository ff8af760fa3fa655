//! Reads committed blocks and single entries, verified. Does not know the head: callers say up to
//! where they may look.

use std::sync::Arc;

use bytes::Bytes;

use super::disk::read_full_at;
use super::format::{
    BLOCK_HEADER_LEN, BlockHeader, Defect, ENTRY_HEADER_LEN, EntryRef, read_block,
};
use super::segments::{Segment, Segments};
use super::{FIRST_BLOCK_POSITION, LogError, Placed, Point, SegmentAddress};
use crate::num::{u64_from, usize_from};

/// Most entries are read whole by this many bytes.
const ENTRY_READ_LEN: usize = 1024;
/// Entries that stand this close together are read at once: the gap costs less than another call.
const GAP_LEN: u32 = 2 * 1024;
/// As long as all of them together have at most so many bytes.
const GATHER_LEN: u32 = 64 * 1024;

/// Reads the segments. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LogReader {
    segments: Segments,
    ledger_id: [u8; 16],
}

/// Whole blocks, read in one piece; their headers are verified, their entries when they are read.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    bytes: Bytes,
    segment: u64,
    from: Point,
    /// The point right behind them.
    pub(crate) next: Point,
}

impl LogReader {
    pub(crate) fn new(segments: Segments, ledger_id: [u8; 16]) -> Self {
        Self { segments, ledger_id }
    }

    pub(crate) fn ledger_id(&self) -> [u8; 16] {
        self.ledger_id
    }

    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.all()
    }

    /// Reads whole blocks from a block's point on, about `length` bytes of them, none of them at or
    /// beyond `head`. Empty only where `from` is at `head`.
    ///
    /// # Errors
    /// Damage, by segment, position and offset.
    pub(crate) fn blocks(
        &self,
        mut from: Point,
        head: Point,
        length: usize,
    ) -> Result<Blocks, LogError> {
        let segment = self.holding(from.offset)?;
        if segment.first_offset == from.offset {
            from.position = FIRST_BLOCK_POSITION;
        }
        if from.offset >= head.offset {
            let segment = segment.first_offset;
            return Ok(Blocks { bytes: Bytes::new(), segment, from, next: from });
        }
        let limit = if head.offset < self.segments.after(segment.first_offset) {
            u64::from(head.position)
        } else {
            segment.capacity
        };
        Blocks::read(&segment, from, (head.offset, limit), length)
    }

    /// Reads single entries, given by offset and position; offsets must rise.
    ///
    /// # Errors
    /// Damage, by segment, position and offset.
    pub(crate) fn entries(
        &self,
        places: &[Point],
        mut each: impl FnMut(EntryRef<'_>),
    ) -> Result<(), LogError> {
        let mut rest = places;
        let mut bytes = Vec::new();
        while let Some(&first) = rest.first() {
            let segment = self.holding(first.offset)?;
            let segment_end = self.segments.after(segment.first_offset);
            let within = rest.partition_point(|place| place.offset < segment_end).max(1);
            let (mut places, later) = rest.split_at(within);
            while !places.is_empty() {
                let (group, others) = places.split_at(near(places));
                read_entries(&segment, group, &mut bytes, &mut each)?;
                places = others;
            }
            rest = later;
        }
        Ok(())
    }

    fn holding(&self, offset: u64) -> Result<Arc<Segment>, LogError> {
        self.segments.holding(offset).ok_or(LogError::Corrupt {
            address: SegmentAddress { segment: 0, position: 0 },
            offset,
            defect: Defect::Truncated,
        })
    }
}

impl Blocks {
    /// Reads whole blocks of one segment from a block's point on, about `length` bytes of them,
    /// none of them at or beyond the offset and the position that end the log.
    ///
    /// # Errors
    /// What the disk says, and a first block that is none.
    pub(crate) fn read(
        segment: &Segment,
        from: Point,
        (end_offset, end_position): (u64, u64),
        length: usize,
    ) -> Result<Self, LogError> {
        let room = usize_from(end_position.saturating_sub(u64::from(from.position)));
        let mut bytes = read(segment, from, length.max(BLOCK_HEADER_LEN).min(room))?;
        let first = expect_block(&bytes, from.offset)
            .map_err(|defect| LogError::corrupt_at(segment, from, defect))?;
        if bytes.len() < usize_from(first.length) {
            bytes = read(segment, from, usize_from(first.length).min(room))?;
        }
        let next = whole_blocks(&bytes, from, end_offset)
            .map_err(|(at, defect)| LogError::corrupt_at(segment, at, defect))?;
        bytes.truncate(usize_from(next.position - from.position));
        Ok(Self { bytes: bytes.into(), segment: segment.first_offset, from, next })
    }

    /// The same up to the end of the segment; `None` where no good block stands.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn good(
        segment: &Segment,
        from: Point,
        length: usize,
    ) -> Result<Option<Self>, LogError> {
        match Self::read(segment, from, (u64::MAX, segment.capacity), length) {
            Ok(blocks) => Ok(Some(blocks)),
            Err(LogError::Corrupt { .. }) => Ok(None),
            Err(error @ (LogError::Io { .. } | LogError::DiskFull)) => Err(error),
        }
    }

    /// How many entries they hold, by their headers.
    pub(crate) fn entry_count(&self) -> usize {
        usize_from(self.next.offset - self.from.offset)
    }

    /// Calls `each` with the entries of the ledger's own, passing over all others unread. Of a
    /// block that is damaged some may be missing.
    pub(crate) fn each_own<'a>(&'a self, mut each: impl FnMut(EntryRef<'a>)) {
        let mut at = self.from;
        while at.offset < self.next.offset {
            let skipped = usize_from(at.position - self.from.position);
            let block = self.bytes.get(skipped..).unwrap_or_default();
            let Ok(header) = BlockHeader::decode(block) else { return };
            let mut position = BLOCK_HEADER_LEN;
            for place in 0..u64::from(header.entry_count) {
                let entry = block.get(position..).unwrap_or_default();
                let Some((length, own)) = EntryRef::stated(entry) else { break };
                if own && let Ok((entry, _)) = EntryRef::decode(entry, at.offset + place) {
                    each(entry);
                }
                position += length;
            }
            at = behind(at, &header);
        }
    }

    /// The correlation id of the entry at a position of the segment, by its length.
    pub(crate) fn correlation_id(&self, position: u32, length: usize) -> &[u8] {
        let entry = usize_from(position.saturating_sub(self.from.position));
        let begin = entry + ENTRY_HEADER_LEN;
        self.bytes.get(begin..begin + length).unwrap_or_default()
    }

    /// Calls `each` with every entry, in order.
    ///
    /// # Errors
    /// Damage, by segment, position and offset; the entries before it have been handed out.
    pub(crate) fn each<'a>(&'a self, mut each: impl FnMut(Placed<'a>)) -> Result<(), LogError> {
        let mut at = self.from;
        while at.offset < self.next.offset {
            let skipped = usize_from(at.position - self.from.position);
            let block = self.bytes.get(skipped..).unwrap_or_default();
            let header = read_block(block, |entry, position| {
                let position = at.position + u32::try_from(position).unwrap_or(u32::MAX);
                each(Placed { entry, position, block_position: at.position });
            });
            let header = header.map_err(|defect| LogError::Corrupt {
                address: SegmentAddress { segment: self.segment, position: at.position.into() },
                offset: at.offset,
                defect,
            })?;
            at = behind(at, &header);
        }
        Ok(())
    }

    /// The bytes that all of `part` stands in, to be shared without a copy.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }
}

fn read(segment: &Segment, from: Point, length: usize) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, segment, (from, length))?;
    Ok(bytes)
}

/// Reads into memory that was used before; as far as the file goes.
fn read_into(
    bytes: &mut Vec<u8>,
    segment: &Segment,
    (from, length): (Point, usize),
) -> Result<(), LogError> {
    bytes.resize(length, 0);
    let read = read_full_at(&*segment.file, bytes, u64::from(from.position))
        .map_err(|source| LogError::segment_io(segment, source))?;
    bytes.truncate(read);
    Ok(())
}

fn expect_block(bytes: &[u8], expected: u64) -> Result<BlockHeader, Defect> {
    let header = BlockHeader::decode(bytes)?;
    if header.first_offset == expected {
        Ok(header)
    } else {
        Err(Defect::Offset { expected, found: header.first_offset })
    }
}

fn behind(at: Point, header: &BlockHeader) -> Point {
    Point {
        offset: at.offset + u64::from(header.entry_count),
        position: at.position.saturating_add(header.length),
    }
}

/// The point behind the whole blocks in `bytes` that lie below `head`.
fn whole_blocks(bytes: &[u8], from: Point, head: u64) -> Result<Point, (Point, Defect)> {
    let mut at = from;
    while at.offset < head {
        let rest = bytes.get(usize_from(at.position - from.position)..).unwrap_or_default();
        if rest.len() < BLOCK_HEADER_LEN || rest.iter().take(8).all(|&byte| byte == 0) {
            break;
        }
        let header = expect_block(rest, at.offset).map_err(|defect| (at, defect))?;
        if rest.len() < usize_from(header.length) {
            break;
        }
        at = behind(at, &header);
    }
    if at == from { Err((from, Defect::Length("block"))) } else { Ok(at) }
}

/// How many of the first entries are read at once; one at least.
fn near(places: &[Point]) -> usize {
    let Some(first) = places.first() else { return 0 };
    let mut last = first.position;
    let near = places.iter().take_while(|place| {
        let gap = place.position.checked_sub(last);
        last = place.position;
        gap.is_some_and(|gap| gap <= GAP_LEN) && last - first.position <= GATHER_LEN
    });
    near.count().max(1)
}

fn read_entries(
    segment: &Segment,
    group: &[Point],
    bytes: &mut Vec<u8>,
    each: &mut impl FnMut(EntryRef<'_>),
) -> Result<(), LogError> {
    let (Some(&first), Some(&last)) = (group.first(), group.last()) else {
        return Ok(());
    };
    let span = usize_from(last.position.saturating_sub(first.position)) + ENTRY_READ_LEN;
    read_into(bytes, segment, (first, span))?;
    for place in group {
        let begin = usize_from(place.position.saturating_sub(first.position));
        let rest = bytes.get(begin..).unwrap_or_default();
        let stated = EntryRef::stated_len(rest).unwrap_or(0);
        if stated > rest.len() && u64_from(stated) <= segment.capacity {
            read_into(bytes, segment, (first, begin + stated.max(span)))?;
        }
        let rest = bytes.get(begin..).unwrap_or_default();
        let (entry, _) = EntryRef::decode(rest, place.offset)
            .map_err(|defect| LogError::corrupt_at(segment, *place, defect))?;
        each(entry);
    }
    Ok(())
}
