//! Tries that nobody makes by mistake: the hashes fit, and a path is refused all the same.
//! Does not know stored directories, nor how tries are made.
//!
//! Each test was seen red without its check in `path`.

use super::flipped;
use crate::audit::directory::{DirectoryPath, Node, OrderNode, PathDefect, Step};

const ZERO: [u8; 32] = [0; 32];

fn order(order: [u8; 32], entry_count: u64) -> OrderNode {
    OrderNode { order, entry_count, head: [9; 32] }
}

/// The path of the order of zeros below these branches, from the root down, and its root.
fn path(entry_count: u64, branches: &[(u8, Node)]) -> (DirectoryPath, Node) {
    let reached = order(ZERO, entry_count);
    let steps: Vec<_> =
        branches.iter().map(|(bit, sibling)| Step { bit: *bit, sibling: *sibling }).collect();
    let root = steps
        .iter()
        .rev()
        .fold(reached.node(), |below, step| Node::branch(step.bit, &below, &step.sibling));
    (DirectoryPath { reached, steps }, root)
}

fn sibling(bit: usize) -> Node {
    order(flipped(&ZERO, bit), 1).node()
}

#[test]
fn bits_that_do_not_rise_are_refused() {
    let (good, root) = path(1, &[(3, sibling(3)), (4, sibling(4))]);
    assert!(good.verify(&ZERO, &root).is_ok());
    for bits in [[4, 3], [3, 3]] {
        let (bad, root) = path(1, &[(bits[0], sibling(4)), (bits[1], sibling(3))]);
        let defect = PathDefect::BitNotRising { step: 1, above: bits[0], bit: bits[1] };
        assert_eq!(bad.verify(&ZERO, &root), Err(defect));
    }
}

#[test]
fn an_order_on_the_wrong_side_does_not_make_another_one_absent() {
    // The asked key goes right at bit 3, the path leads to an order that goes left.
    let (path, root) = path(1, &[(3, sibling(3))]);
    let defect = PathDefect::OtherSide { step: 0, bit: 3 };
    assert_eq!(path.verify(&flipped(&ZERO, 3), &root), Err(defect));
}

#[test]
fn an_order_without_entries_and_an_empty_sibling_are_refused() {
    let (nothing, root) = path(0, &[(3, sibling(3))]);
    assert_eq!(nothing.verify(&ZERO, &root), Err(PathDefect::NoEntries));
    let empty = Node { entry_count: 0, ..sibling(3) };
    let (beside, root) = path(1, &[(3, empty)]);
    assert_eq!(beside.verify(&ZERO, &root), Err(PathDefect::NoEntries));
}

#[test]
fn sums_that_no_number_holds_are_refused() {
    let huge = Node { entry_count: u64::MAX, ..sibling(3) };
    let (path, root) = path(1, &[(3, huge)]);
    assert_eq!(root.entry_count, u64::MAX);
    assert_eq!(path.verify(&ZERO, &root), Err(PathDefect::SumOverflow { step: 0 }));
}
