//! The tree as it is kept: its level 8 in a file, what is above in memory, what is below in the
//! log. Does not know what is signed.
//!
//! The file is tiles of level 1 (C2SP tlog-tiles), one behind the other: bytes 8192 N to 8192 (N +
//! 1) are tile N. It is derived: where it is missing or wrong, it is made again from the log.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::AuditError;
use super::tree::{Edge, consistency_proof, inclusion_proof, root_at, subtree_root};
use crate::ledger::Ledger;
use crate::log::{Disk, DiskFile, Hash, read_full_at, write_all_at};
use crate::num::{u64_from, usize_from};

/// The level of the hashes in the file: each stands for 256 leaves.
const STORED_LEVEL: u32 = 8;
/// From this level on all hashes are in memory: each stands for 65,536 leaves.
const MEMORY_LEVEL: u32 = 16;
const HASH_LEN: u64 = 32;
/// Hashes that are read at once when the tree is opened.
const READ_HASHES: u64 = 32 * 1024;

/// The nodes of the tree, for all who make proofs.
#[derive(Debug)]
pub(super) struct StoredTree {
    ledger: Arc<Ledger>,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// Whole subtrees from [`MEMORY_LEVEL`] upwards, level by level.
    above: RwLock<Vec<Vec<Hash>>>,
}

/// The right edge of the tree, which one thread moves on.
#[derive(Debug)]
pub(super) struct TreeWriter {
    tree: Arc<StoredTree>,
    edge: Edge,
    /// Hashes of [`STORED_LEVEL`] that are not in the file yet, and how many are.
    unwritten: Vec<u8>,
    written: u64,
    /// Nodes from [`MEMORY_LEVEL`] upwards that nobody sees yet.
    unseen: Vec<(u32, Hash)>,
}

impl StoredTree {
    pub(super) fn open(
        ledger: Arc<Ledger>,
        disk: &dyn Disk,
        path: &Path,
    ) -> Result<Arc<Self>, AuditError> {
        let file = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path),
            opened => opened,
        };
        let file = file.map_err(|error| AuditError::io(path, error))?;
        Ok(Arc::new(Self { ledger, file, path: path.to_owned(), above: RwLock::default() }))
    }

    /// The inclusion proof of an entry in the tree of the first `size` entries.
    pub(super) fn inclusion(&self, offset: u64, size: u64) -> Result<Vec<Hash>, AuditError> {
        let mut nodes = Nodes { tree: self, size, leaves: BTreeMap::new() };
        inclusion_proof(offset, size, &mut |level, index| nodes.node(level, index))
    }

    /// The proof that the tree of the first `size` entries begins with that of the first `from`.
    pub(super) fn consistency(&self, from: u64, size: u64) -> Result<Vec<Hash>, AuditError> {
        let mut nodes = Nodes { tree: self, size, leaves: BTreeMap::new() };
        consistency_proof(from, size, &mut |level, index| nodes.node(level, index))
    }

    /// The root of the tree of the first `size` entries.
    pub(super) fn root_at(&self, size: u64) -> Result<Hash, AuditError> {
        let mut nodes = Nodes { tree: self, size, leaves: BTreeMap::new() };
        root_at(size, &mut |level, index| nodes.node(level, index))
    }

    /// Hashes of [`STORED_LEVEL`] from an index on, as many as there are.
    fn stored(&self, index: u64, count: u64) -> Result<Vec<Hash>, AuditError> {
        let mut bytes = vec![0; usize_from(count * HASH_LEN)];
        let read = read_full_at(&*self.file, &mut bytes, index * HASH_LEN)
            .map_err(|error| AuditError::io(&self.path, error))?;
        let whole = bytes.get(..read).unwrap_or_default().as_chunks().0;
        Ok(whole.to_vec())
    }

    fn missing(&self) -> AuditError {
        AuditError::io(&self.path, io::ErrorKind::UnexpectedEof.into())
    }
}

/// Nodes that one proof asks for.
struct Nodes<'t> {
    tree: &'t StoredTree,
    size: u64,
    /// Leaf hashes by what they have in common on [`STORED_LEVEL`]: siblings lie together.
    leaves: BTreeMap<u64, Vec<Hash>>,
}

impl Nodes<'_> {
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, AuditError> {
        if let Some(above) = level.checked_sub(MEMORY_LEVEL) {
            let levels = self.tree.above.read().unwrap_or_else(PoisonError::into_inner);
            let node = levels.get(usize_from(above)).and_then(|level| level.get(usize_from(index)));
            return node.copied().ok_or_else(|| self.tree.missing());
        }
        if let Some(above) = level.checked_sub(STORED_LEVEL) {
            let width = 1 << above;
            let stored = self.tree.stored(index << above, width)?;
            let whole = u64_from(stored.len()) == width;
            let node = whole.then(|| subtree_root(stored)).flatten();
            return node.ok_or_else(|| self.tree.missing());
        }
        let width = 1_u64 << level;
        let begin = index << level;
        let group = begin >> STORED_LEVEL;
        if !self.leaves.contains_key(&group) {
            let (from, to) = (group << STORED_LEVEL, (group + 1) << STORED_LEVEL);
            let hashes = self.tree.ledger.leaf_hashes(from, to.min(self.size))?;
            self.leaves.insert(group, hashes);
        }
        let from = usize_from(begin - (group << STORED_LEVEL));
        let leaves = self.leaves.get(&group);
        let leaves = leaves.and_then(|leaves| leaves.get(from..from + usize_from(width)));
        leaves.and_then(|leaves| subtree_root(leaves.to_vec())).ok_or_else(|| self.tree.missing())
    }
}

impl TreeWriter {
    /// Begins with what is stored of the first `size` leaves: a multiple of 256, at most `size`.
    /// Who asks compares the root when the tree has that size.
    pub(super) fn restore(tree: Arc<StoredTree>, size: u64) -> Result<Self, AuditError> {
        let mut writer = Self {
            tree,
            edge: Edge::default(),
            unwritten: Vec::new(),
            written: 0,
            unseen: Vec::new(),
        };
        writer.tree.above.write().unwrap_or_else(PoisonError::into_inner).clear();
        let wanted = size >> STORED_LEVEL;
        while writer.written < wanted {
            let count = (wanted - writer.written).min(READ_HASHES);
            let stored = writer.tree.stored(writer.written, count)?;
            let read = u64_from(stored.len());
            for node in stored {
                writer.edge.push_subtree(STORED_LEVEL, node, keep_above(&mut writer.unseen));
            }
            writer.written += read;
            if read < count {
                break;
            }
        }
        writer.show();
        Ok(writer)
    }

    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(super) fn push(&mut self, leaf: Hash) {
        let Self { unwritten, unseen, .. } = self;
        let mut above = keep_above(unseen);
        self.edge.push(leaf, |level, node| {
            if level == STORED_LEVEL {
                unwritten.extend_from_slice(node);
            }
            above(level, node);
        });
    }

    /// Has everybody see the nodes of the tree as it is, and answers its root.
    pub(super) fn settle(&mut self) -> Result<Hash, AuditError> {
        if !self.unwritten.is_empty() {
            let at = self.written * HASH_LEN;
            write_all_at(&*self.tree.file, &self.unwritten, at)
                .map_err(|error| AuditError::io(&self.tree.path, error))?;
            self.written += u64_from(self.unwritten.len()) / HASH_LEN;
            self.unwritten.clear();
        }
        self.show();
        Ok(self.edge.root())
    }

    fn show(&mut self) {
        let mut above = self.tree.above.write().unwrap_or_else(PoisonError::into_inner);
        for (level, node) in self.unseen.drain(..) {
            let level = usize_from(u64::from(level - MEMORY_LEVEL));
            if above.len() <= level {
                above.resize_with(level + 1, Vec::new);
            }
            if let Some(nodes) = above.get_mut(level) {
                nodes.push(node);
            }
        }
    }
}

fn keep_above(unseen: &mut Vec<(u32, Hash)>) -> impl FnMut(u32, &Hash) + '_ {
    |level, node| {
        if level >= MEMORY_LEVEL {
            unseen.push((level, *node));
        }
    }
}
