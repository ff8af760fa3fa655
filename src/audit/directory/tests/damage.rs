//! Damage: whatever happens to a stored byte, nothing wrong comes out of it.
//! Does not know which defect it is called.

use std::fs;

use super::{Random, directory_of, place, tiny};
use crate::audit::directory::DirectoryError;
use crate::audit::directory::format::{HEADER_LEN, Header, index_to_bytes, parse_index};
use crate::audit::directory::index::Bucket;
use crate::audit::directory::stored::DirectoryDefect;
use crate::num::{u64_from, usize_from};

/// Seen red without the CRC of the header: the nodes show all else, with or without the other CRCs.
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

/// Seen red without the CRC of a bucket in the merge, and without that in the path.
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
        let Err(DirectoryError::Damaged { defect, .. }) = proof else { panic!("{proof:?}") };
        assert!(matches!(defect, DirectoryDefect::BucketCrc(_)), "{defect}");
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

/// Seen red without the CRC of a run.
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

/// A file whose content was changed and whose CRCs are those of the changed content.
fn forged(good: &[u8], change: impl Fn(&mut Header, &mut [u8], &mut [Bucket])) -> Vec<u8> {
    let mut header = Header::parse(good.first_chunk().unwrap()).unwrap();
    let index_begin = usize_from(header.index_position().unwrap());
    let mut orders = good[HEADER_LEN..index_begin].to_vec();
    let mut buckets = parse_index(&good[index_begin..]);
    change(&mut header, &mut orders, &mut buckets);
    for bucket in &mut buckets {
        let begin = 72 * usize_from(bucket.begin);
        let end = begin + 72 * usize_from(bucket.order_count);
        bucket.crc = crc32fast::hash(&orders[begin..end]);
    }
    let index = index_to_bytes(&buckets);
    header.index_crc = crc32fast::hash(&index);
    [&header.to_bytes()[..], &orders, &index].concat()
}

/// Changes that no CRC shows, and what is found instead. Seen red with each of the five checks
/// taken out of the opening in turn.
#[test]
fn a_directory_is_computed_again_and_not_believed() {
    let mut random = Random(24_000_000);
    let (folder, place) = place();
    let keys: Vec<_> = (0..200).map(|_| random.hash()).collect();
    let (base, _) = directory_of(&place, &keys, &mut random);
    let path = folder.path().join("directory");
    let good = fs::read(&path).unwrap();
    let covered = base.covered();
    let expect = |bad: &[u8], expected: DirectoryDefect| {
        fs::write(&path, bad).unwrap();
        let opened = place.open();
        let Err(DirectoryError::Damaged { defect, .. }) = opened else { panic!("{opened:?}") };
        assert_eq!(defect, expected);
    };
    expect(&forged(&good, |_, orders, _| orders[71] ^= 1), DirectoryDefect::BucketNode(0));
    expect(&forged(&good, |_, orders, _| orders[32] ^= 64), DirectoryDefect::BucketNode(0));
    let nothing = |_: &mut Header, orders: &mut [u8], _: &mut [Bucket]| orders[32] = 0;
    expect(&forged(&good, nothing), DirectoryDefect::Orders(0));
    let twice = |_: &mut Header, orders: &mut [u8], _: &mut [Bucket]| orders.copy_within(..72, 72);
    expect(&forged(&good, twice), DirectoryDefect::Orders(0));
    let elsewhere = |_: &mut Header, orders: &mut [u8], _: &mut [Bucket]| orders[0] = 0xff;
    expect(&forged(&good, elsewhere), DirectoryDefect::Orders(0));
    expect(&forged(&good, |header, _, _| header.root[0] ^= 1), DirectoryDefect::Root);
    let other_node = |_: &mut Header, _: &mut [u8], buckets: &mut [Bucket]| {
        buckets[1].node.hash[0] ^= 1;
    };
    expect(&forged(&good, other_node), DirectoryDefect::Root);
    let sum = DirectoryDefect::Sum { sum: covered, covered: covered + 1 };
    expect(&forged(&good, |header, _, _| header.covered += 1), sum);
    let orders = DirectoryDefect::OrderCount {
        orders: u64_from(keys.len()) - 1,
        header: u64_from(keys.len()),
    };
    expect(&forged(&good, |_, _, buckets| buckets[0].order_count -= 1), orders);
    assert_eq!(forged(&good, |_, _, _| ()), good);
}
