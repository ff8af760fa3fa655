//! The trie of orders that are sorted by their hash: its node, and the way to one of them.
//! Does not know files, nor what belongs to which bucket.

use super::node::{Node, OrderNode, Record, first_difference, is_right, key_of, node_of};
use super::path::Step;
use crate::log::Hash;

/// The node of sorted orders; `None` where there are none.
pub(super) fn fold(records: &[Record]) -> Option<Node> {
    let (first, rest) = records.split_first()?;
    // Left sides that wait for their right one, each with the bit of their branch, rising.
    let mut waiting: Vec<(u8, Node)> = Vec::new();
    let (mut key, mut below) = (key_of(first), node_of(first));
    for record in rest {
        let next = key_of(record);
        let bit = first_difference(key, next).unwrap_or(u8::MAX);
        while let Some((closed, left)) = waiting.pop_if(|(open, _)| *open > bit) {
            below = Node::branch(closed, &left, &below);
        }
        waiting.push((bit, below));
        (key, below) = (next, node_of(record));
    }
    while let Some((bit, left)) = waiting.pop() {
        below = Node::branch(bit, &left, &below);
    }
    Some(below)
}

/// Follows the way of `key` through sorted orders and notes each branch; the order at its end.
pub(super) fn descend(
    mut records: &[Record],
    key: &Hash,
    steps: &mut Vec<Step>,
) -> Option<OrderNode> {
    while let [first, .., last] = records
        && let Some(bit) = first_difference(key_of(first), key_of(last))
    {
        let middle = records.partition_point(|record| !is_right(key_of(record), bit));
        let (left, right) = records.split_at_checked(middle)?;
        let (own, other) = if is_right(key, bit) { (right, left) } else { (left, right) };
        steps.push(Step { bit, sibling: fold(other)? });
        records = own;
    }
    records.first().map(OrderNode::of_record)
}
