//! The stored directory through many merges, and the files around it.
//! Does not know what a file looks like inside.

use std::sync::Arc;

use super::naive::naive_of;
use super::{Orders, Random, add, directory_of, place, tiny};
use crate::audit::directory::stored::DirectoryDefect;
use crate::audit::directory::{Directory, DirectoryError, DirectoryPlace, Standing, Trie};
use crate::num::u64_from;

fn names(place: &DirectoryPlace) -> Vec<String> {
    let mut names = place.disk.list(&place.folder).unwrap();
    names.sort();
    names
}

#[test]
fn the_stored_directory_is_the_defined_one_after_every_merge() {
    let mut random = Random(6_000_000);
    for most in [1, 3, 20, 150, 1_500] {
        let (_folder, place) = place();
        let (mut orders, mut trie) = (Orders::new(), Trie::default());
        let (mut base, mut keys) = (None::<Directory>, Vec::new());
        for _ in 0..8 {
            let covered = base.as_ref().map_or(0, Directory::covered);
            let mut changes = tiny(&place, covered);
            for _ in 0..=random.below(most) {
                keys.push(random.key_near(&keys));
                let at = random.below(keys.len());
                for key in [keys[at], keys[keys.len() - 1]] {
                    let head = random.hash();
                    add(&mut orders, &key, &head);
                    trie.add(&key, &head);
                    changes.add(&key, &head).unwrap();
                }
            }
            let merged = place.merge(base.as_ref(), &mut changes).unwrap();
            drop(changes);
            assert_eq!(names(&place), ["directory"]);
            assert_eq!(Some(merged.root()), trie.root());
            assert_eq!(merged.root(), naive_of(&orders));
            assert_eq!(merged.covered(), orders.values().map(|(count, _)| count).sum::<u64>());
            assert_eq!(merged.order_count(), u64_from(orders.len()));
            let opened = place.open().unwrap().unwrap();
            assert_eq!(opened.root(), merged.root());
            assert_eq!(opened.index.buckets, merged.index.buckets);
            // The merge goes on from what was opened as well as from what was made.
            base = Some(if random.below(2) == 0 { opened } else { merged });
        }
    }
}

#[test]
fn buckets_become_more_as_the_ledger_grows() {
    let mut random = Random(7_000_000);
    let (_folder, place) = place();
    let (mut base, mut trie) = (None::<Directory>, Trie::default());
    let mut bits = Vec::new();
    for count in [10, 50, 200, 1_000, 5_000, 10, 20_000, 0] {
        let mut changes = tiny(&place, base.as_ref().map_or(0, Directory::covered));
        for _ in 0..count {
            let (key, head) = (random.hash(), random.hash());
            trie.add(&key, &head);
            changes.add(&key, &head).unwrap();
        }
        let merged = place.merge(base.as_ref(), &mut changes).unwrap();
        assert_eq!(Some(merged.root()), trie.root());
        bits.push(merged.index.bits);
        base = Some(merged);
    }
    assert!(bits.is_sorted() && bits[0] == 0 && bits[7] > 6, "{bits:?}");
}

#[test]
fn the_directory_before_stays_valid_while_it_is_held() {
    let mut random = Random(8_000_000);
    let (_folder, place) = place();
    let keys = random.keys(200);
    let (base, orders) = directory_of(&place, &keys, &mut random);
    let mut changes = tiny(&place, base.covered());
    for key in &keys {
        changes.add(key, &random.hash()).unwrap();
    }
    let next = place.merge(Some(&base), &mut changes).unwrap();
    for (order, (entry_count, _)) in &orders {
        let count_in = |directory: &Directory| match directory
            .path(order)
            .unwrap()
            .verify(order, &directory.root())
            .unwrap()
        {
            Standing::Present { entry_count, .. } => entry_count,
            Standing::Absent => 0,
        };
        assert_eq!(count_in(&base), *entry_count);
        assert!(count_in(&next) > *entry_count);
    }
}

#[test]
fn a_merge_that_failed_leaves_what_was_stored_and_can_be_tried_again() {
    let mut random = Random(9_000_000);
    let (folder, place) = place();
    let keys = random.keys(50);
    let (base, _) = directory_of(&place, &keys, &mut random);
    let mut changes = tiny(&place, base.covered());
    for key in &keys {
        changes.add(key, &random.hash()).unwrap();
    }
    // A folder in the place of the new file.
    std::fs::create_dir(folder.path().join("directory.new")).unwrap();
    let failed = place.merge(Some(&base), &mut changes);
    assert!(matches!(failed, Err(DirectoryError::Io { .. })), "{failed:?}");
    std::fs::remove_dir(folder.path().join("directory.new")).unwrap();
    let merged = place.merge(Some(&base), &mut changes).unwrap();
    assert_eq!(merged.covered(), changes.end());
    drop(changes);
    assert_eq!(place.open().unwrap().unwrap().root(), merged.root());
}

#[test]
fn changes_belong_behind_what_is_covered() {
    let mut random = Random(10_000_000);
    let (_folder, place) = place();
    let (base, _) = directory_of(&place, &[[1; 32]], &mut random);
    let mut changes = tiny(&place, base.covered() + 1);
    changes.add(&[1; 32], &[2; 32]).unwrap();
    let refused = place.merge(Some(&base), &mut changes);
    assert!(matches!(refused, Err(DirectoryError::NotNext { .. })), "{refused:?}");
    let nothing = place.merge(None, &mut tiny(&place, 0));
    assert!(matches!(nothing, Err(DirectoryError::Empty)), "{nothing:?}");
}

#[test]
fn what_a_crash_left_is_removed_at_the_next_opening() {
    let mut random = Random(11_000_000);
    let (folder, place) = place();
    assert!(place.open().unwrap().is_none());
    let mut changes = tiny(&place, 0);
    for key in random.keys(40) {
        changes.add(&key, &key).unwrap();
    }
    assert!(names(&place).len() > 1);
    std::mem::forget(changes);
    std::fs::write(folder.path().join("directory.new"), b"half").unwrap();
    std::fs::write(folder.path().join("other.run"), b"not ours").unwrap();
    assert!(place.open().unwrap().is_none());
    assert_eq!(names(&place), ["other.run"]);
}

#[test]
fn the_directory_of_another_ledger_is_refused() {
    let mut random = Random(12_000_000);
    let (_folder, place) = place();
    directory_of(&place, &[[1; 32]], &mut random);
    let other = DirectoryPlace { ledger_id: [8; 16], disk: Arc::clone(&place.disk), ..place };
    let refused = other.open();
    let expected = DirectoryDefect::LedgerId;
    assert!(matches!(refused, Err(DirectoryError::Damaged { defect, .. }) if defect == expected));
}
