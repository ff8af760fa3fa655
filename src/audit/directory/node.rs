//! The nodes of the trie: how orders and branches are hashed, and at which bits keys differ.
//! Does not know where nodes are kept, nor how a path is checked.

use sha2::{Digest as _, Sha256};

use crate::log::Hash;

const ORDER_PREFIX: u8 = 0x30;
const BRANCH_PREFIX: u8 = 0x31;

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
    /// SHA-256(0x30, order hash, entry count, head hash).
    pub(crate) fn node(&self) -> Node {
        // In one piece, because the hash of many small ones costs more.
        let mut bytes = [ORDER_PREFIX; 73];
        let (order, rest) = bytes[1..].split_at_mut(32);
        let (entry_count, head) = rest.split_at_mut(8);
        order.copy_from_slice(&self.order);
        entry_count.copy_from_slice(&self.entry_count.to_le_bytes());
        head.copy_from_slice(&self.head);
        Node { entry_count: self.entry_count, hash: Sha256::digest(bytes).into() }
    }
}

impl Node {
    /// SHA-256(0x31, bit, sum and hash on the left, sum and hash on the right).
    ///
    /// Sums of entries that exist fit in a `u64` by far. A sum that does not fit stays at the
    /// largest number, which covers no ledger; whoever checks a path looks before.
    pub(crate) fn branch(bit: u8, left: &Self, right: &Self) -> Self {
        let mut bytes = [BRANCH_PREFIX; 82];
        bytes[1] = bit;
        for (side, node) in bytes[2..].chunks_exact_mut(40).zip([left, right]) {
            let (entry_count, hash) = side.split_at_mut(8);
            entry_count.copy_from_slice(&node.entry_count.to_le_bytes());
            hash.copy_from_slice(&node.hash);
        }
        let entry_count = left.entry_count.saturating_add(right.entry_count);
        Self { entry_count, hash: Sha256::digest(bytes).into() }
    }

    /// The node above two neighbours of which either may be empty: an empty one adds no branch.
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

/// The first `bits` bits of a key, at most 32, as a number.
pub(super) fn prefix(key: &Hash, bits: u8) -> usize {
    let first = key.first_chunk().map_or(0, |first| u64::from(u32::from_be_bytes(*first)));
    crate::num::usize_from((first << bits) >> 32)
}
