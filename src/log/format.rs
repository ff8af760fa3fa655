//! Format 1, byte by byte: segment header, block and entry (`docs/format.md`).
//! Does not know files: it turns values into bytes and bytes into values.
//!
//! All integers are little-endian.

use bytes::Bytes;
use crc32fast::Hasher;

use super::leaf::{Hash, Leaf, body_hash, order_hash};
use crate::event::{Event, RecordedEvent, is_ledgers_own};
use crate::num::{u64_from, usize_from};

/// The version that segment and block headers carry.
pub(crate) const VERSION: u16 = 1;
/// Bytes of a segment header.
pub(crate) const SEGMENT_HEADER_LEN: usize = 64;
/// Bytes of a block header.
pub(crate) const BLOCK_HEADER_LEN: usize = 32;
/// Bytes of an entry before its correlation id.
pub(crate) const ENTRY_HEADER_LEN: usize = 60;
/// Bytes that a disk writes whole or not at all.
pub(crate) const SECTOR_LEN: usize = 512;
/// Blocks start at multiples of this.
pub(crate) const BLOCK_ALIGNMENT: usize = 8;
/// Fills a block up to the alignment, 1 to 8 bytes, so that the end of a block is never zero.
pub(crate) const PADDING: u8 = 0x5a;
/// The kind of an entry that holds an order event.
const KIND_EVENT: u8 = 1;
/// The flag of an entry of the ledger's own.
const FLAG_OWN: u8 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"ORDLEDGR";

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) ledger_id: [u8; 16],
    pub(crate) first_offset: u64,
    /// Bytes of the whole file.
    pub(crate) capacity: u64,
}

/// The first bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    /// Bytes of the whole block, header and padding included.
    pub(crate) length: u32,
    /// How many of its sector pieces are all zeros by nature.
    pub(crate) zero_pieces: u16,
    pub(crate) first_offset: u64,
    /// Nanoseconds of the Unix epoch.
    pub(crate) recorded_at: u64,
    pub(crate) entry_count: u32,
}

/// One entry, borrowed from the bytes of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryRef<'a> {
    pub(crate) offset: u64,
    /// Nanoseconds of the Unix epoch.
    pub(crate) recorded_at: u64,
    pub(crate) revision: u64,
    pub(crate) previous: &'a Hash,
    pub(crate) correlation_id: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// What is wrong with stored bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// The segment header's magic is another one.
    #[error("this is no segment: the magic is wrong")]
    Magic,
    /// The version is not one that this program knows.
    #[error("format version {0}; this program reads version 1")]
    Version(u16),
    /// A CRC does not match.
    #[error("{0}: the CRC does not match its bytes")]
    Crc(&'static str),
    /// A length is impossible.
    #[error("{0}: a length that cannot be")]
    Length(&'static str),
    /// Reserved bytes or flags are set.
    #[error("{0}: reserved bits are set")]
    Reserved(&'static str),
    /// An offset is not the one that must stand there.
    #[error("offset {found} where {expected} must stand")]
    Offset {
        /// The offset that must stand there.
        expected: u64,
        /// The offset that stands there.
        found: u64,
    },
    /// A time is before that of an earlier entry, or not that of its block.
    #[error("recorded at {found}, where {before} or later must stand")]
    RecordedAt {
        /// Nanoseconds of the Unix epoch of the earlier entry.
        before: u64,
        /// Nanoseconds of the Unix epoch of this entry.
        found: u64,
    },
    /// A segment belongs to another ledger.
    #[error("the segment belongs to another ledger")]
    LedgerId,
    /// The file has not the size that its header says.
    #[error("the file has {found} bytes where its header says {expected}")]
    Size {
        /// Bytes that the header says.
        expected: u64,
        /// Bytes that the file has.
        found: u64,
    },
    /// The file ends inside of what it must hold.
    #[error("the file ends too early")]
    Truncated,
    /// Bytes that belong to no block.
    #[error("bytes that belong to no block")]
    Debris,
    /// A good block follows a bad one.
    #[error("{bad}, and a good block follows at position {good}")]
    FollowedByGood {
        /// What is wrong with the bad block.
        bad: Box<Defect>,
        /// Position of the good block in the segment.
        good: u64,
    },
    /// An entry's revision is not the next one of its order.
    #[error("revision {found} of an order whose next one is {expected}")]
    Revision {
        /// The order's next revision.
        expected: u64,
        /// The revision that stands there.
        found: u64,
    },
    /// An entry does not name the leaf hash of its order's previous entry.
    #[error("`previous` is not the leaf hash of the order's previous entry")]
    Previous,
    /// The event inside an entry breaks a rule, or names another order than its entry.
    #[error("the event is not valid: {0}")]
    Event(String),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut header = [0; SEGMENT_HEADER_LEN];
        put(&mut header, 0, &SEGMENT_MAGIC);
        put(&mut header, 8, &VERSION.to_le_bytes());
        put(&mut header, 16, &self.ledger_id);
        put(&mut header, 32, &self.first_offset.to_le_bytes());
        put(&mut header, 40, &self.capacity.to_le_bytes());
        let crc = crc(&[header.get(..60).unwrap_or_default()]);
        put(&mut header, 60, &crc.to_le_bytes());
        header
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Defect> {
        let header: &[u8; SEGMENT_HEADER_LEN] = bytes.first_chunk().ok_or(Defect::Truncated)?;
        if take::<8>(header, 0) != SEGMENT_MAGIC {
            return Err(Defect::Magic);
        }
        if u32::from_le_bytes(take(header, 60)) != crc(&[header.get(..60).unwrap_or_default()]) {
            return Err(Defect::Crc("segment header"));
        }
        let version = u16::from_le_bytes(take(header, 8));
        if version != VERSION {
            return Err(Defect::Version(version));
        }
        if take::<6>(header, 10) != [0; 6] || take::<12>(header, 48) != [0; 12] {
            return Err(Defect::Reserved("segment header"));
        }
        Ok(Self {
            ledger_id: take(header, 16),
            first_offset: u64::from_le_bytes(take(header, 32)),
            capacity: u64::from_le_bytes(take(header, 40)),
        })
    }
}

impl BlockHeader {
    pub(crate) fn encode(&self) -> [u8; BLOCK_HEADER_LEN] {
        let mut header = [0; BLOCK_HEADER_LEN];
        put(&mut header, 0, &self.length.to_le_bytes());
        put(&mut header, 4, &VERSION.to_le_bytes());
        put(&mut header, 6, &self.zero_pieces.to_le_bytes());
        put(&mut header, 8, &self.first_offset.to_le_bytes());
        put(&mut header, 16, &self.recorded_at.to_le_bytes());
        put(&mut header, 24, &self.entry_count.to_le_bytes());
        let crc = crc(&[header.get(..28).unwrap_or_default()]);
        put(&mut header, 28, &crc.to_le_bytes());
        header
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Defect> {
        let header: &[u8; BLOCK_HEADER_LEN] = bytes.first_chunk().ok_or(Defect::Truncated)?;
        if u32::from_le_bytes(take(header, 28)) != crc(&[header.get(..28).unwrap_or_default()]) {
            return Err(Defect::Crc("block header"));
        }
        let version = u16::from_le_bytes(take(header, 4));
        if version != VERSION {
            return Err(Defect::Version(version));
        }
        let length = u32::from_le_bytes(take(header, 0));
        let whole = usize_from(length);
        if whole <= BLOCK_HEADER_LEN || !whole.is_multiple_of(BLOCK_ALIGNMENT) {
            return Err(Defect::Length("block"));
        }
        Ok(Self {
            length,
            zero_pieces: u16::from_le_bytes(take(header, 6)),
            first_offset: u64::from_le_bytes(take(header, 8)),
            recorded_at: u64::from_le_bytes(take(header, 16)),
            entry_count: u32::from_le_bytes(take(header, 24)),
        })
    }
}

impl<'a> EntryRef<'a> {
    /// Bytes of the entry when encoded.
    pub(crate) fn len(&self) -> usize {
        ENTRY_HEADER_LEN + self.correlation_id.len() + self.body.len()
    }

    /// The hash that the order's next entry names as `previous`.
    pub(crate) fn leaf_hash(&self) -> Hash {
        self.leaf_hash_of(&order_hash(self.correlation_id))
    }

    /// The same for who has the hash of the order already.
    pub(crate) fn leaf_hash_of(&self, order: &Hash) -> Hash {
        self.leaf_hash_with(order, crate::event::occurred_at_ns(self.body))
    }

    /// The same for who has parsed the body, too.
    pub(crate) fn leaf_hash_with(&self, order: &Hash, occurred_at: i64) -> Hash {
        Leaf {
            flags: flags_of(self.correlation_id),
            recorded_at: self.recorded_at,
            occurred_at,
            revision: self.revision,
            order,
            previous: self.previous,
            body: &body_hash(self.body),
        }
        .hash()
    }

    /// The entry as an event that shares the memory of `body`.
    pub(crate) fn recorded(&self, body: Bytes) -> RecordedEvent {
        RecordedEvent {
            offset: self.offset,
            revision: self.revision,
            recorded_at_ns: self.recorded_at,
            event: Event::stored(body),
            previous: *self.previous,
        }
    }

    /// The entry as an event of its own.
    pub(crate) fn to_recorded(self) -> RecordedEvent {
        self.recorded(Bytes::copy_from_slice(self.body))
    }

    /// Appends the entry to a block.
    pub(crate) fn encode_into(&self, block: &mut Vec<u8>) {
        let mut header = [0; ENTRY_HEADER_LEN];
        let length = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let id_length = u16::try_from(self.correlation_id.len()).unwrap_or(u16::MAX);
        assert_eq!(usize::from(id_length), self.correlation_id.len(), "limits bound every id");
        put(&mut header, 0, &length.to_le_bytes());
        put(&mut header, 8, &[KIND_EVENT, flags_of(self.correlation_id)]);
        put(&mut header, 10, &id_length.to_le_bytes());
        put(&mut header, 12, &self.recorded_at.to_le_bytes());
        put(&mut header, 20, &self.revision.to_le_bytes());
        put(&mut header, 28, self.previous);
        let crc = crc(&[
            &self.offset.to_le_bytes(),
            &length.to_le_bytes(),
            header.get(8..).unwrap_or_default(),
            self.correlation_id,
            self.body,
        ]);
        put(&mut header, 4, &crc.to_le_bytes());
        block.extend_from_slice(&header);
        block.extend_from_slice(self.correlation_id);
        block.extend_from_slice(self.body);
    }

    /// Bytes of the entry that `bytes` begins with, by its own word; nothing is verified.
    pub(crate) fn stated_len(bytes: &[u8]) -> Option<usize> {
        bytes.first_chunk().map(|length| usize_from(u32::from_le_bytes(*length)))
    }

    /// The same, and whether it is one of the ledger's own.
    pub(crate) fn stated(bytes: &[u8]) -> Option<(usize, bool)> {
        let header = bytes.get(..ENTRY_HEADER_LEN)?;
        let length = Self::stated_len(header).filter(|length| *length >= ENTRY_HEADER_LEN)?;
        Some((length, take::<1>(header, 9)[0] & FLAG_OWN != 0))
    }

    /// The entry that `bytes` begins with, verified, and its length in bytes.
    pub(crate) fn decode(bytes: &'a [u8], offset: u64) -> Result<(Self, usize), Defect> {
        let header: &[u8; ENTRY_HEADER_LEN] = bytes.first_chunk().ok_or(Defect::Truncated)?;
        let length = usize_from(u32::from_le_bytes(take(header, 0)));
        let id_length = usize::from(u16::from_le_bytes(take(header, 10)));
        let entry = bytes.get(..length).ok_or(Defect::Length("entry"))?;
        let rest = entry.get(ENTRY_HEADER_LEN..).ok_or(Defect::Length("entry"))?;
        let stored = u32::from_le_bytes(take(header, 4));
        let checked = entry.get(8..).unwrap_or_default();
        if stored != crc(&[&offset.to_le_bytes(), &take::<4>(header, 0), checked]) {
            return Err(Defect::Crc("entry"));
        }
        let (correlation_id, body) =
            rest.split_at_checked(id_length).ok_or(Defect::Length("correlation id"))?;
        let kind = take::<1>(header, 8)[0];
        let flags = take::<1>(header, 9)[0];
        if kind != KIND_EVENT || flags != flags_of(correlation_id) {
            return Err(Defect::Reserved("entry"));
        }
        let previous = header.last_chunk::<32>().ok_or(Defect::Length("entry"))?;
        let recorded_at = u64::from_le_bytes(take(header, 12));
        let revision = u64::from_le_bytes(take(header, 20));
        let entry = Self { offset, recorded_at, revision, previous, correlation_id, body };
        Ok((entry, length))
    }
}

/// The flags of an entry, which follow from whose it is.
pub(crate) fn flags_of(correlation_id: &[u8]) -> u8 {
    if is_ledgers_own(correlation_id) { FLAG_OWN } else { 0 }
}

/// Verifies a whole block, header included, and hands out its entries with their positions in it.
pub(crate) fn read_block<'a>(
    block: &'a [u8],
    mut each: impl FnMut(EntryRef<'a>, usize),
) -> Result<BlockHeader, Defect> {
    let header = BlockHeader::decode(block)?;
    let block = block.get(..usize_from(header.length)).ok_or(Defect::Length("block"))?;
    let mut position = BLOCK_HEADER_LEN;
    for place in 0..u64::from(header.entry_count) {
        let rest = block.get(position..).unwrap_or_default();
        let offset = header.first_offset.saturating_add(place);
        let (entry, length) = EntryRef::decode(rest, offset)?;
        if entry.recorded_at != header.recorded_at {
            let (before, found) = (header.recorded_at, entry.recorded_at);
            return Err(Defect::RecordedAt { before, found });
        }
        each(entry, position);
        position += length;
    }
    let padding = block.get(position..).unwrap_or_default();
    if header.entry_count == 0 || padding.is_empty() || padding.len() > BLOCK_ALIGNMENT {
        return Err(Defect::Length("block"));
    }
    if padding.iter().any(|&byte| byte != PADDING) {
        return Err(Defect::Reserved("padding"));
    }
    Ok(header)
}

/// Bytes of a block that holds entries of so many bytes.
pub(crate) fn block_len(entries_len: usize) -> usize {
    (BLOCK_HEADER_LEN + entries_len + 1).next_multiple_of(BLOCK_ALIGNMENT)
}

/// Collects entries into the bytes of one block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    entry_count: u32,
}

impl BlockBuilder {
    /// Begins an empty block, in the memory of the last one.
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.bytes.resize(BLOCK_HEADER_LEN, 0);
        self.entry_count = 0;
    }

    /// Adds an entry; its position in the block.
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>) -> usize {
        let position = self.bytes.len();
        entry.encode_into(&mut self.bytes);
        self.entry_count += 1;
        position
    }

    /// Entries so far.
    pub(crate) fn entry_count(&self) -> u32 {
        self.entry_count
    }

    /// Bytes of the block if it were finished now.
    pub(crate) fn len(&self) -> usize {
        block_len(self.bytes.len().saturating_sub(BLOCK_HEADER_LEN))
    }

    /// The finished block, to be written at a position of its segment.
    pub(crate) fn finish(
        &mut self,
        position: u32,
        (first_offset, recorded_at): (u64, u64),
    ) -> &[u8] {
        let length = self.len();
        self.bytes.resize(length, PADDING);
        let entries = self.bytes.get_mut(..BLOCK_HEADER_LEN);
        // Written below; whatever it will be, no piece of a header is zero.
        entries.unwrap_or_default().fill(PADDING);
        let zero_pieces = zero_pieces(&self.bytes, usize_from(position));
        let header = BlockHeader {
            length: u32::try_from(length).unwrap_or(u32::MAX),
            zero_pieces: u16::try_from(zero_pieces).unwrap_or(u16::MAX),
            first_offset,
            recorded_at,
            entry_count: self.entry_count,
        };
        put(&mut self.bytes, 0, &header.encode());
        &self.bytes
    }
}

/// How many of the pieces of a block that lie in one sector each are all zeros.
pub(crate) fn zero_pieces(block: &[u8], position: usize) -> usize {
    let first_len = (SECTOR_LEN - position % SECTOR_LEN).min(block.len());
    let (first, rest) = block.split_at(first_len);
    std::iter::once(first)
        .chain(rest.chunks(SECTOR_LEN))
        .filter(|piece| piece.iter().all(|&byte| byte == 0))
        .count()
}

/// The first position where a good block stands in `bytes`, which begin at a multiple of 8.
pub(crate) fn find_block(bytes: &[u8], first_offset_min: u64) -> Option<usize> {
    (0..bytes.len()).step_by(BLOCK_ALIGNMENT).find(|&position| {
        let rest = bytes.get(position..).unwrap_or_default();
        let plausible = rest.get(4..6) == Some(&VERSION.to_le_bytes());
        plausible
            && read_block(rest, |_, _| {})
                .is_ok_and(|header| header.first_offset >= first_offset_min)
    })
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = bytes.get(at..).and_then(<[u8]>::first_chunk::<N>);
    debug_assert!(part.is_some(), "fields lie inside of their header");
    part.copied().unwrap_or([0; N])
}

/// Bytes of the log that an entry of a body of so many bytes takes, without its block's share.
pub(crate) fn entry_len(correlation_id: &[u8], body: &[u8]) -> u64 {
    u64_from(ENTRY_HEADER_LEN + correlation_id.len() + body.len())
}
