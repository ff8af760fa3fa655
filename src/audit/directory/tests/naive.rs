//! The definition of the trie, written down once more from its text.
//! Does not know how the trie is kept, and shares no code with it.

use sha2::{Digest as _, Sha256};

use super::{Orders, Random};
use crate::audit::directory::{Node, OrderNode, Trie};
use crate::log::Hash;

pub(super) fn bit_of(key: &Hash, bit: usize) -> bool {
    let (byte, within) = (key[bit / 8], bit % 8);
    (byte >> (7 - within)) % 2 == 1
}

/// The node of some orders: of one it is the order, of more the branch at the first bit at which
/// they are not alike.
pub(super) fn naive(orders: &[(Hash, (u64, Hash))]) -> Node {
    if let [(order, (entry_count, head))] = orders {
        let mut hasher = Sha256::new();
        hasher.update([0x30]);
        hasher.update(order);
        hasher.update(entry_count.to_le_bytes());
        hasher.update(head);
        return Node { entry_count: *entry_count, hash: hasher.finalize().into() };
    }
    let differ = |bit: &usize| {
        orders.iter().any(|(order, _)| bit_of(order, *bit))
            && orders.iter().any(|(order, _)| !bit_of(order, *bit))
    };
    let bit = (0..256).find(differ).unwrap();
    let (right, left): (Vec<_>, Vec<_>) =
        orders.iter().copied().partition(|(order, _)| bit_of(order, bit));
    let (left, right) = (naive(&left), naive(&right));
    let mut hasher = Sha256::new();
    hasher.update([0x31, u8::try_from(bit).unwrap()]);
    hasher.update(left.entry_count.to_le_bytes());
    hasher.update(left.hash);
    hasher.update(right.entry_count.to_le_bytes());
    hasher.update(right.hash);
    let entry_count = left.entry_count + right.entry_count;
    Node { entry_count, hash: hasher.finalize().into() }
}

pub(super) fn naive_of(orders: &Orders) -> Node {
    let orders: Vec<_> = orders.iter().map(|(order, standing)| (*order, *standing)).collect();
    naive(&orders)
}

#[test]
fn the_trie_in_memory_is_the_defined_one_after_every_order() {
    let mut random = Random(1_000_000);
    for round in 0..20 {
        let (mut trie, mut orders) = (Trie::default(), Orders::new());
        assert_eq!(trie.root(), None);
        for key in random.keys(1 + round * 3) {
            for _ in 0..=random.below(2) {
                let head = random.hash();
                super::add(&mut orders, &key, &head);
                trie.add(&key, &head);
            }
            assert_eq!(trie.root(), Some(naive_of(&orders)));
        }
    }
}

#[test]
fn two_orders_that_differ_in_the_last_bit_have_the_hash_of_the_text() {
    let (left, right) = ([0; 32], super::flipped(&[0; 32], 255));
    let mut trie = Trie::default();
    trie.add(&right, &[2; 32]);
    trie.add(&left, &[1; 32]);
    trie.add(&left, &[3; 32]);
    // From Python's hashlib, by the text alone.
    let expected = hex("73a41f69005caf728808f39b70c9c21faa2aadff3b44ee8180d58ee9e5c1a637");
    assert_eq!(trie.root(), Some(Node { entry_count: 3, hash: expected }));
}

fn hex(digits: &str) -> Hash {
    std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
}

#[test]
fn an_order_that_is_set_counts_as_one_whose_entries_were_added() {
    let mut random = Random(13_000_000);
    let (mut added, mut set, mut orders) = (Trie::default(), Trie::default(), Orders::new());
    for round in 0..10 {
        for key in random.keys(10 * round) {
            let head = random.hash();
            super::add(&mut orders, &key, &head);
            added.add(&key, &head);
        }
        for (order, (entry_count, head)) in &orders {
            set.set(&OrderNode { order: *order, entry_count: *entry_count, head: *head });
        }
        assert_eq!(added.root(), set.root());
    }
}
