//! The directory against its definition: what is stored, what is in memory and what a path shows.
//! Does not know the code that it tests beyond its interface, nor any hash but SHA-256.

mod damage;
mod files;
mod forged;
mod naive;
mod paths;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::changes::{ChangeLimits, Changes};
use super::*;
use crate::log::{FileSystem, Hash};

/// Every order with its entries and its head.
type Orders = BTreeMap<Hash, (u64, Hash)>;

/// Numbers that follow from a seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_le_bytes(*self.hash().first_chunk().unwrap())) % bound
    }

    fn hash(&mut self) -> Hash {
        self.0 += 1;
        Sha256::digest(self.0.to_le_bytes()).into()
    }

    /// A key; often one that differs from another late, or in its last bit alone.
    fn key_near(&mut self, keys: &[Hash]) -> Hash {
        if keys.is_empty() || self.below(2) == 0 {
            return self.hash();
        }
        let bit = [255, 254, 248, 247, 200, 100, 17, 8, 7, 1, 0][self.below(11)];
        flipped(&keys[self.below(keys.len())], bit)
    }

    fn keys(&mut self, count: usize) -> Vec<Hash> {
        let mut keys = Vec::new();
        for _ in 0..count {
            let key = self.key_near(&keys);
            keys.push(key);
        }
        keys
    }
}

fn flipped(key: &Hash, bit: usize) -> Hash {
    let mut key = *key;
    key[bit / 8] ^= 0x80 >> (bit % 8);
    key
}

/// A folder for a directory, gone with it.
fn place() -> (tempfile::TempDir, DirectoryPlace) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FileSystem);
    let place = DirectoryPlace { disk, folder: folder.path().to_owned(), ledger_id: [7; 16] };
    (folder, place)
}

/// Changes that are spilled and merged all the time.
fn tiny(place: &DirectoryPlace, begin: u64) -> Changes {
    place.changes_from(begin).with_limits(ChangeLimits { orders_max: 5, runs_max: 3 })
}

/// A stored directory of these orders, each with one entry and some with more.
fn directory_of(place: &DirectoryPlace, keys: &[Hash], random: &mut Random) -> (Directory, Orders) {
    let (mut changes, mut orders) = (tiny(place, 0), Orders::new());
    for key in keys {
        for _ in 0..=random.below(3) {
            add(&mut orders, key, &random.hash());
            changes.add(key, &orders[key].1).unwrap();
        }
    }
    (place.merge(None, &mut changes).unwrap(), orders)
}

fn add(orders: &mut Orders, key: &Hash, head: &Hash) {
    let order = orders.entry(*key).or_default();
    *order = (order.0 + 1, *head);
}
