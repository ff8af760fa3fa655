//! The trie in memory, for whoever reads a whole log and compares its seals on the way.
//! Does not know files, nor paths.

use super::node::{Node, OrderNode, first_difference, is_right};
use crate::log::Hash;
use crate::num::usize_from;

/// A directory that grows entry by entry; only what changed since the last root is hashed again.
///
/// Nodes name each other by place and lie in rows, 124 bytes an order together. What the way down
/// needs of a branch is a row of its own, so that most of it stays in the processor's cache.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    orders: Row<OrderNode>,
    branches: Row<Branch>,
    /// The node of each branch, of the time when it last did not count as changed.
    nodes: Row<Node>,
    top: Option<Child>,
}

/// A row that grows without being moved: in one piece it would be there twice while it grows.
#[derive(Debug)]
struct Row<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

/// Places of a piece.
const PIECE: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Branch {
    left: Child,
    right: Child,
    bit: u8,
    /// Whether something below changed since its node was computed. Then so did all above it.
    changed: bool,
}

/// The place of a branch, or behind [`ORDERS_BEGIN`] that of an order.
#[derive(Clone, Copy, Debug)]
struct Child(u32);

/// More orders than this would take 266 GB.
const ORDERS_BEGIN: u32 = 1 << 31;

impl Trie {
    /// Counts one more entry of an order, whose head it is from now on.
    #[cfg(test)]
    pub(crate) fn add(&mut self, order: &Hash, leaf: &Hash) {
        let order = self.order_mut(order);
        order.entry_count = order.entry_count.saturating_add(1);
        order.head = *leaf;
    }

    /// Replaces what is known of an order, which has at least one entry.
    pub(crate) fn set(&mut self, order: &OrderNode) {
        debug_assert!(order.entry_count > 0, "an order has entries");
        *self.order_mut(&order.order) = *order;
    }

    /// What stands for all orders; `None` as long as there are none.
    pub(crate) fn root(&mut self) -> Option<Node> {
        self.top.map(|top| self.node(top))
    }

    /// An order, which is about to change; a new one has no entries yet.
    fn order_mut(&mut self, order: &Hash) -> &mut OrderNode {
        let mut child = self.top;
        while let Some(branch) =
            child.and_then(Child::branch).and_then(|at| self.branches.get_mut(at))
        {
            branch.changed = true;
            child = Some(*branch.side_of(order));
        }
        let reached = child.and_then(Child::order);
        let place = match reached.and_then(|at| self.orders.get(at)) {
            None => self.insert(order, None),
            Some(other) => match first_difference(order, &other.order) {
                Some(bit) => self.insert(order, Some(bit)),
                None => reached,
            },
        };
        let Some(order) = place.and_then(|at| self.orders.get_mut(at)) else {
            unreachable!("a way that leads to no order");
        };
        order
    }

    /// Adds an order, and a branch where its way meets the first bit behind `bit`, by which it
    /// differs from the order that it would be taken for. The first order has no branch.
    fn insert(&mut self, order: &Hash, bit: Option<u8>) -> Option<usize> {
        let added = Child(ORDERS_BEGIN + place(self.orders.len));
        self.orders.push(OrderNode { order: *order, entry_count: 0, head: [0; 32] });
        let (Some(bit), Some(mut below)) = (bit, self.top) else {
            self.top = Some(added);
            return added.order();
        };
        let mut above = None;
        while let Some(at) = below.branch()
            && let Some(branch) = self.branches.get_mut(at).filter(|branch| branch.bit < bit)
        {
            above = Some(at);
            below = *branch.side_of(order);
        }
        let (left, right) = if is_right(order, bit) { (below, added) } else { (added, below) };
        let inserted = Child(place(self.branches.len));
        self.branches.push(Branch { left, right, bit, changed: true });
        self.nodes.push(Node { entry_count: 0, hash: [0; 32] });
        match above.and_then(|at| self.branches.get_mut(at)) {
            Some(branch) => *branch.side_of(order) = inserted,
            None => self.top = Some(inserted),
        }
        added.order()
    }

    /// The node of a child. Branches go at most 256 deep, and so does this.
    fn node(&mut self, child: Child) -> Node {
        if let Some(order) = child.order().and_then(|at| self.orders.get(at)) {
            return order.node();
        }
        let at = child.branch().unwrap_or(usize::MAX);
        let (Some(branch), Some(node)) = (self.branches.get_mut(at), self.nodes.get(at)) else {
            unreachable!("a child that is neither branch nor order");
        };
        if !branch.changed {
            return *node;
        }
        branch.changed = false;
        let Branch { left, right, bit, .. } = *branch;
        let node = Node::branch(bit, &self.node(left), &self.node(right));
        if let Some(stored) = self.nodes.get_mut(at) {
            *stored = node;
        }
        node
    }
}

impl Branch {
    fn side_of(&mut self, key: &Hash) -> &mut Child {
        if is_right(key, self.bit) { &mut self.right } else { &mut self.left }
    }
}

impl Child {
    fn branch(self) -> Option<usize> {
        (self.0 < ORDERS_BEGIN).then(|| usize_from(self.0))
    }

    fn order(self) -> Option<usize> {
        self.0.checked_sub(ORDERS_BEGIN).map(usize_from)
    }
}

fn place(count: usize) -> u32 {
    let place = u32::try_from(count).unwrap_or(u32::MAX);
    assert!(place < ORDERS_BEGIN, "more orders than a trie holds");
    place
}

impl<T> Row<T> {
    fn push(&mut self, value: T) {
        if self.len.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(value);
        }
        self.len += 1;
    }

    fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)
    }
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}
