//! What a malicious operator has: a program of their own that writes segments of format 1 and signs
//! checkpoints, from whatever entries they like. Does not know the product, only docs/format.md and
//! docs/evidence.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use order_ledger::Hash;
use order_ledger::proto::{OrderEvent, Seal};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

const SEGMENT: &str = "log/00000000000000000000.seg";
const SEGMENT_HEADER_LEN: usize = 64;
const BLOCK_HEADER_LEN: usize = 32;
const ENTRY_HEADER_LEN: usize = 60;

/// What an entry says; the rest follows from its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) recorded_at: u64,
    pub(crate) order: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The entries of a log in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forged(pub(crate) Vec<Entry>);

fn sha(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(wide)
}

fn index(bytes: &[u8], at: usize) -> usize {
    usize::try_from(number::<4>(bytes, at)).unwrap()
}

impl Entry {
    pub(crate) fn event(&self) -> OrderEvent {
        OrderEvent::decode(&*self.body).unwrap()
    }

    fn order_hash(&self) -> Hash {
        sha(&[b"orderledger/order/1\0", &self.order])
    }

    fn flags(&self) -> u8 {
        u8::from(self.order.starts_with(b"$"))
    }

    fn leaf(&self, revision: u64, previous: &Hash) -> Hash {
        let occurred_at = self
            .event()
            .occurred_at
            .map_or(0, |time| time.seconds * 1_000_000_000 + i64::from(time.nanos));
        sha(&[
            &[0, 1, self.flags()],
            &self.recorded_at.to_le_bytes(),
            &occurred_at.to_le_bytes(),
            &revision.to_le_bytes(),
            &self.order_hash(),
            previous,
            &sha(&[&[0x20], &self.body]),
            &[0; 32],
        ])
    }

    pub(crate) fn seal(&self) -> Option<Seal> {
        self.event().ledger_entry?.seal
    }

    /// The entry with another seal in it.
    pub(crate) fn set_seal(&mut self, seal: Seal) {
        let mut event = self.event();
        event.ledger_entry.as_mut().unwrap().seal = Some(seal);
        self.body = event.encode_to_vec();
    }
}

impl Forged {
    /// Reads the log of a ledger.
    pub(crate) fn read(folder: &Path) -> Self {
        let bytes = fs::read(folder.join(SEGMENT)).unwrap();
        let mut entries = Vec::new();
        let mut block = SEGMENT_HEADER_LEN;
        while index(&bytes, block) != 0 {
            let mut at = block + BLOCK_HEADER_LEN;
            for _ in 0..number::<4>(&bytes, block + 24) {
                let (len, id_len) = (index(&bytes, at), number::<2>(&bytes, at + 10));
                let body = at + ENTRY_HEADER_LEN + usize::try_from(id_len).unwrap();
                entries.push(Entry {
                    recorded_at: number::<8>(&bytes, at + 12),
                    order: bytes[at + ENTRY_HEADER_LEN..body].to_vec(),
                    body: bytes[body..at + len].to_vec(),
                });
                at += len;
            }
            block += index(&bytes, block);
        }
        Self(entries)
    }

    /// Leaf hashes, with revisions and `previous` as they follow.
    fn leaves(&self) -> Vec<(u64, Hash, Hash)> {
        let mut orders: BTreeMap<Hash, (u64, Hash)> = BTreeMap::new();
        let leaf = |entry: &Entry| {
            let order = orders.entry(entry.order_hash()).or_insert((0, [0; 32]));
            let (revision, previous) = *order;
            let leaf = entry.leaf(revision, &previous);
            *order = (revision + 1, leaf);
            (revision, previous, leaf)
        };
        self.0.iter().map(leaf).collect()
    }

    /// The orders of the first entries: number of entries and head, by hash.
    pub(crate) fn orders(&self, covered: u64) -> BTreeMap<Hash, (u64, Hash)> {
        let leaves = self.leaves();
        let entries = self.0.iter().zip(&leaves).take(usize::try_from(covered).unwrap());
        entries.map(|(entry, (rev, _, leaf))| (entry.order_hash(), (rev + 1, *leaf))).collect()
    }

    /// Gives every seal the directory that the entries before it have.
    pub(crate) fn reseal(&mut self) {
        for at in 0..self.0.len() {
            if let Some(mut seal) = self.0[at].seal() {
                let orders = self.orders(seal.covered);
                seal.directory_root = directory(&orders).to_vec();
                seal.order_count = u64::try_from(orders.len()).unwrap();
                self.0[at].set_seal(seal);
            }
        }
    }

    /// Writes the log of a ledger, one block an entry, without a fault in its form, and signs it.
    pub(crate) fn write(&self, folder: &Path) {
        self.write_chained(folder, &self.leaves());
    }

    /// The same with the revisions and `previous` of another log.
    pub(crate) fn write_as_chained_in(&self, other: &Self, folder: &Path) {
        self.write_chained(folder, &other.leaves());
    }

    fn write_chained(&self, folder: &Path, chain: &[(u64, Hash, Hash)]) {
        let path = folder.join(SEGMENT);
        let mut bytes = fs::read(&path).unwrap();
        let len = bytes.len();
        bytes.truncate(SEGMENT_HEADER_LEN);
        for (offset, (entry, (revision, previous, _))) in (0_u64..).zip(self.0.iter().zip(chain)) {
            let written = encode(entry, (offset, *revision), previous);
            let block_len = (BLOCK_HEADER_LEN + written.len() + 1).next_multiple_of(8);
            let mut header = u32::try_from(block_len).unwrap().to_le_bytes().to_vec();
            header.extend([1, 0, 0, 0]);
            header.extend(offset.to_le_bytes());
            header.extend(entry.recorded_at.to_le_bytes());
            header.extend(1_u32.to_le_bytes());
            header.extend(crc32fast::hash(&header).to_le_bytes());
            let end = bytes.len() + block_len;
            bytes.extend(header);
            bytes.extend(written);
            bytes.resize(end, 0x5a);
        }
        bytes.resize(len, 0);
        fs::write(path, bytes).unwrap();
        for derived in ["views.redb", "audit/tiles", "audit/directory"] {
            let _ = fs::remove_file(folder.join(derived));
        }
        let leaves = self.0.iter().zip(chain);
        let leaves = leaves.map(|(entry, (revision, previous, _))| entry.leaf(*revision, previous));
        sign(folder, &leaves.collect::<Vec<_>>());
    }
}

/// Signs a log anew, in the place of all checkpoints that the ledger keeps.
fn sign(folder: &Path, leaves: &[Hash]) {
    let key = files_below(&folder.join("audit/keys"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "key"));
    let secret = fs::read_to_string(key.unwrap()).unwrap();
    let parts: Vec<&str> = secret.trim_end().splitn(5, '+').collect();
    let (origin, id, seed) = (parts[2], parts[3], BASE64.decode(parts[4]).unwrap());
    let key = SigningKey::from_bytes(seed[1..].try_into().unwrap());
    let text = format!("{origin}\n{}\n{}\n", leaves.len(), BASE64.encode(root(leaves)));
    let id = u32::from_str_radix(id, 16).unwrap().to_be_bytes();
    let signature = [&id[..], &key.sign(text.as_bytes()).to_bytes()].concat();
    let note = format!("{text}\n\u{2014} {origin} {}\n", BASE64.encode(signature));
    for path in files_below(&folder.join("checkpoints")) {
        fs::write(path, &note).unwrap();
    }
}

fn encode(entry: &Entry, (offset, revision): (u64, u64), previous: &Hash) -> Vec<u8> {
    let len = ENTRY_HEADER_LEN + entry.order.len() + entry.body.len();
    let len = u32::try_from(len).unwrap().to_le_bytes();
    let mut rest = vec![1, entry.flags()];
    rest.extend(u16::try_from(entry.order.len()).unwrap().to_le_bytes());
    rest.extend(entry.recorded_at.to_le_bytes());
    rest.extend(revision.to_le_bytes());
    rest.extend(previous);
    rest.extend(&entry.order);
    rest.extend(&entry.body);
    let crc = crc32fast::hash(&[&offset.to_le_bytes()[..], &len, &rest].concat());
    [&len[..], &crc.to_le_bytes(), &rest].concat()
}

/// RFC 6962, to the letter.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha(&[&[1], &root(left), &root(right)])
        }
    }
}

/// The root of a directory.
pub(crate) fn directory(orders: &BTreeMap<Hash, (u64, Hash)>) -> Hash {
    let orders: Vec<_> = orders.iter().map(|(order, standing)| (*order, *standing)).collect();
    trie(&orders, 0).1
}

fn trie(orders: &[(Hash, (u64, Hash))], from: usize) -> (u64, Hash) {
    if let [(order, (count, head))] = orders {
        return (*count, sha(&[&[0x30], order, &count.to_le_bytes(), head]));
    }
    let is_left = |order: &Hash, bit: usize| order[bit / 8] & (0x80 >> (bit % 8)) == 0;
    for bit in from..256 {
        let middle = orders.partition_point(|(order, _)| is_left(order, bit));
        if middle == 0 || middle == orders.len() {
            continue;
        }
        let (left, right) = orders.split_at(middle);
        let (left, right) = (trie(left, bit + 1), trie(right, bit + 1));
        let hash = sha(&[
            &[0x31, u8::try_from(bit).unwrap()],
            &left.0.to_le_bytes(),
            &left.1,
            &right.0.to_le_bytes(),
            &right.1,
        ]);
        return (left.0 + right.0, hash);
    }
    panic!("an empty directory, or two orders of one hash")
}

/// All files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
