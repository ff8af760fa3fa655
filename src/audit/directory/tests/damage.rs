//! Damage: whatever happens to a stored byte, nothing wrong comes out of it.
//! Does not know which defect it is called.

use std::fs;

use super::{Random, directory_of, place, tiny};
use crate::audit::directory::{DirectoryDefect, DirectoryError};

#[test]
fn a_directory_with_any_byte_changed_is_refused() {
    let mut random = Random(20_000_000);
    let (folder, place) = place();
    let keys = random.keys(70);
    let (directory, _) = directory_of(&place, &keys, &mut random);
    assert!(directory.index.bits > 0);
    let path = folder.path().join("directory");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        let opened = place.open();
        assert!(matches!(opened, Err(DirectoryError::Damaged { .. })), "byte {at}: {opened:?}");
    }
    fs::write(&path, &good).unwrap();
    assert!(place.open().unwrap().is_some());
}

#[test]
fn a_directory_of_any_other_length_is_refused() {
    let mut random = Random(21_000_000);
    let (folder, place) = place();
    let keys = random.keys(70);
    directory_of(&place, &keys, &mut random);
    let path = folder.path().join("directory");
    let mut good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(place.open(), Err(DirectoryError::Damaged { .. })), "{length} bytes");
    }
    good.push(0);
    fs::write(&path, &good).unwrap();
    assert!(matches!(place.open(), Err(DirectoryError::Damaged { .. })));
}

#[test]
fn damage_behind_the_opening_becomes_neither_a_proof_nor_a_new_directory() {
    let mut random = Random(22_000_000);
    let (folder, place) = place();
    let keys = random.keys(400);
    let (base, orders) = directory_of(&place, &keys, &mut random);
    let path = folder.path().join("directory");
    let good = fs::read(&path).unwrap();
    let begin = 84;
    let mut refused = 0;
    for at in (begin..begin + 72 * orders.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&path, &bad).unwrap();
        let order = orders.keys().nth((at - begin) / 72).unwrap();
        let proof = base.path(order);
        assert!(matches!(proof, Err(DirectoryError::Damaged { .. })), "byte {at}: {proof:?}");
        let mut changes = tiny(&place, base.covered());
        changes.add(order, &[1; 32]).unwrap();
        let merged = place.merge(Some(&base), &mut changes);
        let Err(DirectoryError::Damaged { defect, .. }) = merged else { panic!("{merged:?}") };
        assert!(matches!(defect, DirectoryDefect::BucketCrc(_)), "{defect}");
        refused += 1;
    }
    assert!(refused > 200);
    fs::write(&path, &good).unwrap();
    assert!(base.path(&keys[0]).is_ok());
}

#[test]
fn changes_that_were_damaged_on_disk_do_not_become_a_directory() {
    let mut random = Random(23_000_000);
    let (folder, place) = place();
    let mut changes = tiny(&place, 0);
    for key in random.keys(14) {
        changes.add(&key, &key).unwrap();
    }
    let names = place.disk.list(&place.folder).unwrap();
    for name in names {
        let path = folder.path().join(name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let merged = place.merge(None, &mut changes);
            assert!(matches!(merged, Err(DirectoryError::Damaged { .. })), "{at}: {merged:?}");
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(place.merge(None, &mut changes).is_ok());
}
