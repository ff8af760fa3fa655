//! The index of buckets in memory, and the trie above them.
//! Does not know what is in a bucket, nor files.

use super::format::BITS_MAX;
use super::node::{Node, is_right};
use super::path::Step;
use crate::log::Hash;

/// Orders of a bucket on average, at most, when the number of buckets is chosen.
const FULL: u64 = 32;
/// Orders of a bucket on average for which another number of buckets is not worth while.
const FITTING: std::ops::RangeInclusive<u64> = 8..=2 * FULL;
/// So many levels above the buckets are not kept: they are computed from up to eight buckets.
const NOT_KEPT: u8 = 3;

/// The orders whose hashes begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Orders before it.
    pub(super) begin: u64,
    pub(super) order_count: u32,
    /// CRC-32 of the orders' bytes.
    pub(super) crc: u32,
    /// All zeros where the bucket is empty.
    pub(super) node: Node,
}

/// 2^bits buckets.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) bits: u8,
    pub(super) buckets: Vec<Bucket>,
    /// The upper levels as a heap: the root at 1, below n stand 2n and 2n + 1.
    kept: Vec<Option<Node>>,
}

impl Bucket {
    pub(super) const NO_NODE: Node = Node { entry_count: 0, hash: [0; 32] };

    fn node(&self) -> Option<Node> {
        (self.order_count > 0).then_some(self.node)
    }
}

impl Index {
    /// As many buckets as `bits` say.
    pub(super) fn of(bits: u8, buckets: Vec<Bucket>) -> Self {
        let kept_bits = bits.saturating_sub(NOT_KEPT);
        let mut index = Self { bits, buckets, kept: vec![None; 2 << kept_bits] };
        for level in (0..=kept_bits).rev() {
            for place in 0..1 << level {
                let node = index.computed(level, place);
                if let Some(kept) = index.kept.get_mut((1 << level) + place) {
                    *kept = node;
                }
            }
        }
        index
    }

    /// What stands for all orders; `None` where there are none.
    pub(super) fn root(&self) -> Option<Node> {
        self.node(0, 0)
    }

    pub(super) fn order_count(&self) -> u64 {
        self.buckets.last().map_or(0, |last| last.begin + u64::from(last.order_count))
    }

    /// Follows the way of `key` to a bucket that is not empty, and notes each branch.
    pub(super) fn descend(&self, key: &Hash, steps: &mut Vec<Step>) -> usize {
        let mut place = 0;
        for bit in 0..self.bits {
            let own = 2 * place + usize::from(is_right(key, bit));
            place = match (self.node(bit + 1, own), self.node(bit + 1, own ^ 1)) {
                (Some(_), None) => own,
                (None, _) => own ^ 1,
                (Some(_), Some(sibling)) => {
                    steps.push(Step { bit, sibling });
                    own
                }
            };
        }
        place
    }

    /// The node of all orders whose hashes begin with the `level` bits of `place`.
    fn node(&self, level: u8, place: usize) -> Option<Node> {
        if level <= self.bits.saturating_sub(NOT_KEPT) {
            return self.kept.get((1 << level) + place).copied().flatten();
        }
        self.computed(level, place)
    }

    fn computed(&self, level: u8, place: usize) -> Option<Node> {
        if level == self.bits {
            return self.buckets.get(place).and_then(Bucket::node);
        }
        let left = self.node(level + 1, 2 * place);
        Node::above(level, left, self.node(level + 1, 2 * place + 1))
    }
}

/// How many bits name a bucket, for about so many orders and after a directory with `last` bits.
pub(super) fn bits_for(order_count: u64, last: Option<u8>) -> u8 {
    let fits = |bits: &u8| FITTING.contains(&(order_count >> bits));
    let fewest = (0..BITS_MAX).find(|bits| order_count >> bits <= FULL).unwrap_or(BITS_MAX);
    last.filter(fits).unwrap_or(fewest)
}
