//! The path from the root of a directory to one order: the proof of how many entries the order has
//! and which is its last, or that the ledger does not have the order.
//! Does not know tries: it is checked with the root alone.
//!
//! One root gives one answer for each key. The root's hash fixes whether it is an order or a
//! branch, and of a branch its bit and both sides. The asked key's own bit says which side comes
//! next, so from node to node nothing is left to choose but another input with the same SHA-256.
//! Where that way ends there is one order: the asked one with its one standing, or another one, and
//! then the asked one is absent.
//!
//! What it does not show is that the trie is well formed. Whoever makes a directory may set an
//! order where the way of its own key never comes, or leave it out, and give its entries to the
//! count of another order. The sums still come to what the root covers, and no path shows the
//! phantom count for what it is: only replaying the log does.

use super::node::{Node, OrderNode, is_right};
use crate::log::Hash;

/// The way from the root to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryPath {
    /// The order at its end: the asked one, or the one that stands where it would be.
    pub(crate) reached: OrderNode,
    /// From the root down.
    pub(crate) steps: Vec<Step>,
}

/// One branch on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The bit that the branch asks for.
    pub(crate) bit: u8,
    /// The side that the way does not take.
    pub(crate) sibling: Node,
}

/// What a root says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The order has entries.
    Present {
        /// How many.
        entry_count: u64,
        /// The leaf hash of the last.
        head: Hash,
    },
    /// The order has no entry.
    Absent,
}

/// Why a path proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathDefect {
    #[error("step {step}: bit {bit} does not lie behind bit {above}")]
    BitNotRising { step: usize, above: u8, bit: u8 },
    #[error("step {step}: the order that was reached lies on the other side of bit {bit}")]
    OtherSide { step: usize, bit: u8 },
    #[error("an order or a sibling without entries")]
    NoEntries,
    #[error("step {step}: the entries of both sides are more than a number holds")]
    SumOverflow { step: usize },
    #[error("the path leads to {computed} entries, the root has {root}")]
    EntryCount { computed: u64, root: u64 },
    #[error("the path leads to another hash than the root's")]
    RootHash,
}

impl DirectoryPath {
    /// What `root` says of `order`.
    ///
    /// # Errors
    /// Where this is not the order's path in a directory with that root.
    pub(crate) fn verify(&self, order: &Hash, root: &Node) -> Result<Standing, PathDefect> {
        self.check_way_of(order)?;
        let computed = self.root()?;
        if computed.entry_count != root.entry_count {
            let (computed, root) = (computed.entry_count, root.entry_count);
            return Err(PathDefect::EntryCount { computed, root });
        }
        if computed.hash != root.hash {
            return Err(PathDefect::RootHash);
        }
        if self.reached.order == *order {
            let OrderNode { entry_count, head, .. } = self.reached;
            return Ok(Standing::Present { entry_count, head });
        }
        Ok(Standing::Absent)
    }

    /// Demands that each step lies behind the one above, and that both keys take the same side.
    fn check_way_of(&self, order: &Hash) -> Result<(), PathDefect> {
        let mut above = None;
        for (step, &Step { bit, .. }) in self.steps.iter().enumerate() {
            if let Some(above) = above.filter(|above| bit <= *above) {
                return Err(PathDefect::BitNotRising { step, above, bit });
            }
            if is_right(order, bit) != is_right(&self.reached.order, bit) {
                return Err(PathDefect::OtherSide { step, bit });
            }
            above = Some(bit);
        }
        Ok(())
    }

    /// The node that the steps lead up to.
    fn root(&self) -> Result<Node, PathDefect> {
        let mut below = self.reached.node();
        if below.entry_count == 0 || self.steps.iter().any(|step| step.sibling.entry_count == 0) {
            return Err(PathDefect::NoEntries);
        }
        for (step, Step { bit, sibling }) in self.steps.iter().enumerate().rev() {
            if below.entry_count.checked_add(sibling.entry_count).is_none() {
                return Err(PathDefect::SumOverflow { step });
            }
            let (left, right) = if is_right(&self.reached.order, *bit) {
                (sibling, &below)
            } else {
                (&below, sibling)
            };
            below = Node::branch(*bit, left, right);
        }
        Ok(below)
    }
}
