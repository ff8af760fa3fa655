//! The nodes of the trie: how orders and branches are hashed, and at which bits keys differ.
//! Does not know where nodes are kept, nor how a path is checked.

use sha2::{Digest as _, Sha256};

use crate::log::Hash;
use crate::num::usize_from;

const ORDER_PREFIX: u8 = 0x30;
const BRANCH_PREFIX: u8 = 0x31;

/// Bytes of an order in a file.
pub(super) const RECORD_LEN: usize = 72;

/// An order as it is hashed and stored: its hash, the entry count (u64 LE), the head hash.
pub(super) type Record = [u8; RECORD_LEN];

/// What stands for a subtree: the entries of all orders below, and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) entry_count: u64,
    pub(crate) hash: Hash,
}

/// What the directory says of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderNode {
    /// The order's hash.
    pub(crate) order: Hash,
    /// At least 1.
    pub(crate) entry_count: u64,
    /// The leaf hash of the order's last entry.
    pub(crate) head: Hash,
}

impl OrderNode {
    pub(crate) fn node(&self) -> Node {
        node_of(&self.to_record())
    }

    pub(super) fn to_record(self) -> Record {
        let mut record = [0; RECORD_LEN];
        record[..32].copy_from_slice(&self.order);
        record[32..40].copy_from_slice(&self.entry_count.to_le_bytes());
        record[40..].copy_from_slice(&self.head);
        record
    }

    pub(super) fn of_record(record: &Record) -> Self {
        let head = record.last_chunk().copied().unwrap_or_default();
        Self { order: *key_of(record), entry_count: entry_count_of(record), head }
    }
}

/// The node of one order: SHA-256(0x30, record).
pub(super) fn node_of(record: &Record) -> Node {
    // In one piece, because the hash of many small ones costs more.
    let mut bytes = [ORDER_PREFIX; 1 + RECORD_LEN];
    bytes[1..].copy_from_slice(record);
    Node { entry_count: entry_count_of(record), hash: Sha256::digest(bytes).into() }
}

/// The order hash in a record.
pub(super) fn key_of(record: &Record) -> &Hash {
    record.first_chunk().unwrap_or(&[0; 32])
}

/// The entry count in a record.
pub(super) fn entry_count_of(record: &Record) -> u64 {
    record[32..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Adds what came later to what is known of the same order.
pub(super) fn add_later(record: &mut Record, later: &Record) {
    let sum = entry_count_of(record).saturating_add(entry_count_of(later));
    record[32..40].copy_from_slice(&sum.to_le_bytes());
    record[40..].copy_from_slice(&later[40..]);
}

impl Node {
    /// The node of a branch: SHA-256(0x31, bit, sum and hash on the left, sum and hash on the
    /// right).
    ///
    /// Sums of entries that exist fit in a `u64` by far. A sum that does not fit stays at the
    /// largest number, which covers no ledger; whoever checks a path looks before.
    pub(crate) fn branch(bit: u8, left: &Self, right: &Self) -> Self {
        let mut bytes = [BRANCH_PREFIX; 82];
        bytes[1] = bit;
        bytes[2..10].copy_from_slice(&left.entry_count.to_le_bytes());
        bytes[10..42].copy_from_slice(&left.hash);
        bytes[42..50].copy_from_slice(&right.entry_count.to_le_bytes());
        bytes[50..].copy_from_slice(&right.hash);
        let entry_count = left.entry_count.saturating_add(right.entry_count);
        Self { entry_count, hash: Sha256::digest(bytes).into() }
    }

    /// The node above two sides of which either may be empty: an empty one makes no branch.
    pub(super) fn above(bit: u8, left: Option<Self>, right: Option<Self>) -> Option<Self> {
        match (left, right) {
            (Some(left), Some(right)) => Some(Self::branch(bit, &left, &right)),
            (only, None) | (None, only) => only,
        }
    }
}

/// Whether a bit of a key is set, which means the right side. Bit 0 is the highest of byte 0.
pub(super) fn is_right(key: &Hash, bit: u8) -> bool {
    let byte = key.get(usize::from(bit / 8)).copied().unwrap_or_default();
    byte & (0x80 >> (bit % 8)) != 0
}

/// The first bit at which two keys differ; `None` for equal keys.
pub(super) fn first_difference(left: &Hash, right: &Hash) -> Option<u8> {
    let (at, (left, right)) =
        (0_u8..).zip(left.iter().zip(right)).find(|(_, (left, right))| left != right)?;
    u8::try_from((left ^ right).leading_zeros()).ok().map(|within| at * 8 + within)
}

/// The bits that the keys of a bucket begin with, and which bucket it is: their value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    /// At most 32.
    pub(super) bits: u8,
    pub(super) bucket: usize,
}

impl Prefix {
    pub(super) fn is_of(self, key: &Hash) -> bool {
        let first = key.first_chunk().map_or(0, |first| u64::from(u32::from_be_bytes(*first)));
        usize_from((first << self.bits) >> 32) == self.bucket
    }
}
