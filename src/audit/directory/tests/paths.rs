//! Paths: what they prove, and that nothing else passes for one.
//! Does not know files beyond that a directory is stored in one.

use super::{Orders, Random, directory_of, flipped, place};
use crate::audit::directory::{Directory, DirectoryPath, Node, PathDefect, Standing};
use crate::log::Hash;

fn check_all(directory: &Directory, orders: &Orders, random: &mut Random) {
    let root = directory.root();
    for (order, (entry_count, head)) in orders {
        let standing = directory.path(order).unwrap().verify(order, &root);
        let present = Standing::Present { entry_count: *entry_count, head: *head };
        assert_eq!(standing, Ok(present));
    }
    let keys: Vec<_> = orders.keys().copied().collect();
    for _ in 0..100 {
        let absent = random.key_near(&keys);
        if !orders.contains_key(&absent) {
            let standing = directory.path(&absent).unwrap().verify(&absent, &root);
            assert_eq!(standing, Ok(Standing::Absent));
        }
    }
}

#[test]
fn every_order_is_proven_and_every_other_key_is_proven_absent() {
    let mut random = Random(2_000_000);
    for count in [1, 2, 3, 10, 100, 300, 3_000] {
        let (_folder, place) = place();
        let keys = random.keys(count);
        let (directory, orders) = directory_of(&place, &keys, &mut random);
        check_all(&directory, &orders, &mut random);
    }
}

/// The path of an order among 300 and its root. Keys are near each other, so it is long.
fn path_of_one(seed: u64) -> (DirectoryPath, Hash, Node) {
    let mut random = Random(seed);
    let (_folder, place) = place();
    let keys = random.keys(300);
    let (directory, _) = directory_of(&place, &keys, &mut random);
    let longest = keys.iter().max_by_key(|key| directory.path(key).unwrap().steps.len()).unwrap();
    let path = directory.path(longest).unwrap();
    assert!(path.steps.len() > 10);
    assert!(path.verify(longest, &directory.root()).is_ok());
    (path, *longest, directory.root())
}

/// Seen red without the comparison of the root's hash, and without that of its sum.
#[test]
fn a_path_with_any_bit_changed_is_refused() {
    let (path, order, root) = path_of_one(3_000_000);
    let refused = |path: &DirectoryPath, what: &str| {
        assert!(path.verify(&order, &root).is_err(), "{what}");
    };
    for bit in 0..256 {
        let mut changed = path.clone();
        changed.reached.order = flipped(&path.reached.order, bit);
        refused(&changed, "order");
        let mut changed = path.clone();
        changed.reached.head = flipped(&path.reached.head, bit);
        refused(&changed, "head");
        for step in 0..path.steps.len() {
            let mut changed = path.clone();
            let hash = &mut changed.steps[step].sibling.hash;
            *hash = flipped(hash, bit);
            refused(&changed, "hash of a sibling");
        }
        let changed = Node { hash: flipped(&root.hash, bit), ..root };
        assert_eq!(path.verify(&order, &changed), Err(PathDefect::RootHash));
    }
    for bit in 0..64 {
        let mut changed = path.clone();
        changed.reached.entry_count ^= 1 << bit;
        refused(&changed, "entry count");
        for step in 0..path.steps.len() {
            let mut changed = path.clone();
            changed.steps[step].sibling.entry_count ^= 1 << bit;
            refused(&changed, "sum of a sibling");
            let mut changed = path.clone();
            changed.steps[step].bit ^= 1 << (bit % 8);
            refused(&changed, "bit of a step");
        }
        let changed = Node { entry_count: root.entry_count ^ (1 << bit), ..root };
        assert!(path.verify(&order, &changed).is_err());
    }
}

#[test]
fn a_path_with_steps_or_siblings_in_other_places_is_refused() {
    let (path, order, root) = path_of_one(4_000_000);
    let refused = |path: &DirectoryPath| assert!(path.verify(&order, &root).is_err());
    for step in 0..path.steps.len() {
        let mut changed = path.clone();
        changed.steps.remove(step);
        refused(&changed);
        let mut changed = path.clone();
        changed.steps.insert(step, path.steps[step]);
        refused(&changed);
        for other in 0..step {
            let mut changed = path.clone();
            changed.steps.swap(step, other);
            refused(&changed);
            let mut changed = path.clone();
            changed.steps[step].sibling = path.steps[other].sibling;
            changed.steps[other].sibling = path.steps[step].sibling;
            refused(&changed);
        }
        // What is left above and below a cut are both no path.
        let mut changed = path.clone();
        changed.steps.truncate(step);
        refused(&changed);
        let mut changed = path.clone();
        changed.steps.drain(..=step);
        refused(&changed);
    }
}

#[test]
fn the_path_of_one_order_says_nothing_about_another_that_is_there() {
    let mut random = Random(5_000_000);
    let (_folder, place) = place();
    let keys = random.keys(100);
    let (directory, orders) = directory_of(&place, &keys, &mut random);
    for other in orders.keys() {
        let path = directory.path(other).unwrap();
        for asked in orders.keys().filter(|asked| *asked != other) {
            assert!(path.verify(asked, &directory.root()).is_err());
        }
    }
}
