//! The file of a directory, byte by byte: header, orders, index of buckets.
//! Does not know files, nor tries.
//!
//! | at | length | header |
//! |---|---|---|
//! | 0 | 8 | magic `ORDLEDIR` |
//! | 8 | 2 | version 1 |
//! | 10 | 1 | bits: there are 2^bits buckets |
//! | 11 | 1 | zero |
//! | 12 | 4 | CRC-32 of the index |
//! | 16 | 16 | ledger id |
//! | 32 | 8 | entries of the log that are covered |
//! | 40 | 8 | orders |
//! | 48 | 32 | hash of the root, whose sum is the entries covered |
//! | 80 | 4 | CRC-32 of the header before it |
//!
//! Then 72 bytes for each order, sorted by its hash: order hash, entry count, head hash. Then the
//! index, 48 bytes for each bucket: orders (4), CRC-32 of their bytes (4), sum (8) and hash (32) of
//! their node, zeros where there are none. Integers are little-endian. Bucket n holds the orders
//! whose hashes begin with the bits of n.

use super::index::Bucket;
use super::node::{Node, RECORD_LEN};
use super::stored::DirectoryDefect;
use crate::log::Hash;
use crate::num::u64_from;

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 84;
const CRC_BEGIN: usize = HEADER_LEN - 4;
/// Bytes of a bucket in the index.
const BUCKET_LEN: usize = 48;
/// With more buckets than 2^32 the file would be of another kind.
pub(super) const BITS_MAX: u8 = 32;

const MAGIC: [u8; 8] = *b"ORDLEDIR";
const VERSION: u16 = 1;

/// The first bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) bits: u8,
    pub(super) index_crc: u32,
    pub(super) ledger_id: [u8; 16],
    pub(super) covered: u64,
    pub(super) order_count: u64,
    pub(super) root: Hash,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = self.bits;
        bytes[12..16].copy_from_slice(&self.index_crc.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger_id);
        bytes[32..40].copy_from_slice(&self.covered.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.order_count.to_le_bytes());
        bytes[48..CRC_BEGIN].copy_from_slice(&self.root);
        let crc = crc32fast::hash(&bytes[..CRC_BEGIN]);
        bytes[CRC_BEGIN..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, DirectoryDefect> {
        if array::<8>(bytes, 0) != MAGIC {
            return Err(DirectoryDefect::Magic);
        }
        let version = u16::from_le_bytes(array(bytes, 8));
        if version != VERSION {
            return Err(DirectoryDefect::Version(version));
        }
        if crc32fast::hash(&bytes[..CRC_BEGIN]) != u32::from_le_bytes(array(bytes, CRC_BEGIN)) {
            return Err(DirectoryDefect::Crc("header"));
        }
        let header = Self {
            bits: bytes[10],
            index_crc: u32::from_le_bytes(array(bytes, 12)),
            ledger_id: array(bytes, 16),
            covered: u64::from_le_bytes(array(bytes, 32)),
            order_count: u64::from_le_bytes(array(bytes, 40)),
            root: array(bytes, 48),
        };
        if header.bits > BITS_MAX { Err(DirectoryDefect::Bits(header.bits)) } else { Ok(header) }
    }

    /// Where the index begins; `None` where that is beyond all files.
    pub(super) fn index_position(&self) -> Option<u64> {
        self.order_count.checked_mul(u64_from(RECORD_LEN))?.checked_add(u64_from(HEADER_LEN))
    }

    /// Bytes of the index.
    pub(super) fn index_len(&self) -> u64 {
        u64_from(BUCKET_LEN) << self.bits.min(BITS_MAX)
    }
}

pub(super) fn index_to_bytes(buckets: &[Bucket]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(buckets.len() * BUCKET_LEN);
    for bucket in buckets {
        bytes.extend_from_slice(&bucket.order_count.to_le_bytes());
        bytes.extend_from_slice(&bucket.crc.to_le_bytes());
        bytes.extend_from_slice(&bucket.node.entry_count.to_le_bytes());
        bytes.extend_from_slice(&bucket.node.hash);
    }
    bytes
}

pub(super) fn parse_index(bytes: &[u8]) -> Vec<Bucket> {
    let mut begin = 0;
    let parse = |bytes: &[u8; BUCKET_LEN]| {
        let order_count = u32::from_le_bytes(array(bytes, 0));
        let node =
            Node { entry_count: u64::from_le_bytes(array(bytes, 8)), hash: array(bytes, 16) };
        let bucket = Bucket { begin, order_count, crc: u32::from_le_bytes(array(bytes, 4)), node };
        begin += u64::from(order_count);
        bucket
    };
    bytes.as_chunks().0.iter().map(parse).collect()
}

/// Bytes at a place that the caller knows to lie inside.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
