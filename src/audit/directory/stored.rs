//! The directory in a file: an index of buckets in memory, the orders on disk.
//! Does not know the log that it is derived from: what is damaged is made again by the caller.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::buffered::Input;
use super::changes::Changes;
use super::fold::{descend, fold};
use super::format::{HEADER_LEN, Header, parse_index};
use super::index::{Bucket, Index};
use super::merge;
use super::node::{Node, Prefix, RECORD_LEN, Record, entry_count_of, key_of};
use super::path::DirectoryPath;
use crate::log::{Disk, DiskFile, Hash, read_full_at};
use crate::num::{u64_from, usize_from};

const FILE: &str = "directory";
const UNFINISHED: &str = "directory.new";
const RUN_BEGIN: &str = "directory-";
const RUN_END: &str = ".run";

/// Where the directory of a ledger is stored.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryPlace {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) ledger_id: [u8; 16],
}

/// An immutable directory in a file, which stays open when another one takes its name.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) index: Index,
    /// Its sum is the number of entries that are covered.
    pub(super) root: Node,
}

/// Why a directory could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DirectoryError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {defect}", path.display())]
    Damaged { path: PathBuf, defect: DirectoryDefect },
    #[error("a directory that covers {covered} entries cannot take changes from {begin} on")]
    NotNext { covered: u64, begin: u64 },
    #[error("there is no order to make a directory of")]
    Empty,
}

/// What is wrong with a stored directory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DirectoryDefect {
    #[error("this is no directory: the magic is wrong")]
    Magic,
    #[error("directory version {0}; this program reads version 1")]
    Version(u16),
    #[error("the directory belongs to another ledger")]
    LedgerId,
    #[error("2^{0} buckets are too many")]
    Bits(u8),
    #[error("{0}: the CRC does not match its bytes")]
    Crc(&'static str),
    #[error("{found} bytes where {expected} must stand")]
    Size { expected: u64, found: u64 },
    #[error("{orders} orders in the buckets, {header} in the header")]
    OrderCount { orders: u64, header: u64 },
    #[error("bucket {0}: the CRC does not match its orders")]
    BucketCrc(usize),
    #[error("bucket {0}: an order stands where it must not, or has no entries")]
    Orders(usize),
    #[error("bucket {0}: the node is not that of its orders")]
    BucketNode(usize),
    #[error("the root is not that of the orders")]
    Root,
    #[error("the orders have {sum} entries together, {covered} are covered")]
    Sum { sum: u64, covered: u64 },
    #[error("the path of an order does not lead to the root")]
    Path,
}

impl DirectoryPlace {
    /// Opens what is stored, reads all of it and computes it again; `None` where nothing is.
    /// Removes what a crash left of unfinished work, so no [`Changes`] may exist yet.
    ///
    /// # Errors
    /// Damage, after which the directory has to be made again from the log; what the disk says.
    pub(crate) fn open(&self) -> Result<Option<Directory>, DirectoryError> {
        self.remove_unfinished()?;
        self.look()
    }

    /// The same for who changes nothing.
    ///
    /// # Errors
    /// Damage, and what the disk says.
    pub(crate) fn look(&self) -> Result<Option<Directory>, DirectoryError> {
        let path = self.folder.join(FILE);
        match self.disk.open(&path) {
            Ok(file) => Directory::read(path, file, &self.ledger_id).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DirectoryError::Io { path, source }),
        }
    }

    /// Begins to gather what the log holds from an offset on.
    pub(crate) fn changes_from(&self, begin: u64) -> Changes {
        Changes::from(self.clone(), begin)
    }

    /// Makes the directory that covers `base` and what came behind it; without a base, the first.
    ///
    /// It takes the name of the one before, which stays valid as long as it is held. Changes stay
    /// as well, so that a merge that failed can be tried again; drop them after one that did not.
    ///
    /// # Errors
    /// What the disk says, or damage of what was read. What was stored before is still in place.
    pub(crate) fn merge(
        &self,
        base: Option<&Directory>,
        changes: &mut Changes,
    ) -> Result<Directory, DirectoryError> {
        let covered = base.map_or(0, Directory::covered);
        if covered != changes.begin() {
            return Err(DirectoryError::NotNext { covered, begin: changes.begin() });
        }
        merge::merge(self, base, changes).inspect_err(|_| {
            // It may not exist, or the disk may be gone; the next one is written over it.
            let _ = self.disk.remove(&self.unfinished_path());
        })
    }

    pub(super) fn file_path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    pub(super) fn unfinished_path(&self) -> PathBuf {
        self.folder.join(UNFINISHED)
    }

    /// Changes that exist at one time begin at different offsets.
    pub(super) fn run_path(&self, begin: u64, number: u64) -> PathBuf {
        self.folder.join(format!("{RUN_BEGIN}{begin}-{number}{RUN_END}"))
    }

    fn remove_unfinished(&self) -> Result<(), DirectoryError> {
        let names = match self.disk.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(|source| DirectoryError::io(&self.folder, source)),
        }?;
        let is_run = |name: &str| name.starts_with(RUN_BEGIN) && name.ends_with(RUN_END);
        for name in names.iter().filter(|name| *name == UNFINISHED || is_run(name)) {
            let path = self.folder.join(name);
            self.disk.remove(&path).map_err(|source| DirectoryError::Io { path, source })?;
        }
        Ok(())
    }
}

impl Directory {
    /// How many entries of the log it covers: those before this offset.
    pub(crate) fn covered(&self) -> u64 {
        self.root.entry_count
    }

    pub(crate) fn order_count(&self) -> u64 {
        self.index.order_count()
    }

    /// What stands for all orders.
    pub(crate) fn root(&self) -> Node {
        self.root
    }

    /// The path of an order, also of one that is absent. Reads one bucket.
    ///
    /// # Errors
    /// What the disk says, or damage.
    pub(crate) fn path(&self, order: &Hash) -> Result<DirectoryPath, DirectoryError> {
        let mut steps = Vec::new();
        let bucket = self.index.descend(order, &mut steps);
        let bytes = self.read_bucket(bucket)?;
        let reached = descend(bytes.as_chunks().0, order, &mut steps);
        // A path that proves nothing would look like a ledger that somebody tampered with.
        reached
            .map(|reached| DirectoryPath { reached, steps })
            .filter(|path| path.verify(order, &self.root).is_ok())
            .ok_or_else(|| self.damaged(DirectoryDefect::Path))
    }

    /// Reads a whole file and believes nothing of it.
    fn read(
        path: PathBuf,
        file: Arc<dyn DiskFile>,
        ledger_id: &[u8; 16],
    ) -> Result<Self, DirectoryError> {
        let header = read_header(&path, &*file)?;
        if header.ledger_id != *ledger_id {
            return Err(DirectoryError::damaged(&path, DirectoryDefect::LedgerId));
        }
        let buckets = read_index(&path, &*file, &header)?;
        let index = Index::of(header.bits, buckets);
        let root = index.root().filter(|root| root.hash == header.root);
        let root = root.ok_or_else(|| DirectoryError::damaged(&path, DirectoryDefect::Root))?;
        let directory = Self { path, file, index, root };
        let (sum, covered) = (root.entry_count, header.covered);
        if sum != covered {
            return Err(directory.damaged(DirectoryDefect::Sum { sum, covered }));
        }
        directory.check_orders()?;
        Ok(directory)
    }

    /// Computes the node of each bucket from its orders.
    fn check_orders(&self) -> Result<(), DirectoryError> {
        let mut input = self.orders();
        for (place, bucket) in self.index.buckets.iter().enumerate() {
            let bytes = input
                .take(usize_from(bucket.order_count) * RECORD_LEN)
                .map_err(|source| DirectoryError::io(&self.path, source))?;
            let records = bytes.as_chunks().0;
            if crc32fast::hash(bytes) != bucket.crc {
                return Err(self.damaged(DirectoryDefect::BucketCrc(place)));
            }
            if !are_in_place(records, Prefix { bits: self.index.bits, bucket: place }) {
                return Err(self.damaged(DirectoryDefect::Orders(place)));
            }
            if fold(records).unwrap_or(Bucket::NO_NODE) != bucket.node {
                return Err(self.damaged(DirectoryDefect::BucketNode(place)));
            }
        }
        Ok(())
    }

    /// The bytes of all orders, from the first on.
    pub(super) fn orders(&self) -> Input {
        let begin = u64_from(HEADER_LEN);
        let end = begin + self.order_count() * u64_from(RECORD_LEN);
        Input::of(Arc::clone(&self.file), begin, end)
    }

    fn read_bucket(&self, place: usize) -> Result<Vec<u8>, DirectoryError> {
        let damaged = || self.damaged(DirectoryDefect::BucketCrc(place));
        let bucket = self.index.buckets.get(place).ok_or_else(damaged)?;
        let mut bytes = vec![0; usize_from(bucket.order_count) * RECORD_LEN];
        let position = u64_from(HEADER_LEN) + bucket.begin * u64_from(RECORD_LEN);
        let read = read_full_at(&*self.file, &mut bytes, position)
            .map_err(|source| DirectoryError::io(&self.path, source))?;
        let is_whole = read == bytes.len() && crc32fast::hash(&bytes) == bucket.crc;
        is_whole.then_some(bytes).ok_or_else(damaged)
    }

    pub(super) fn damaged(&self, defect: DirectoryDefect) -> DirectoryError {
        DirectoryError::damaged(&self.path, defect)
    }
}

impl DirectoryError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, defect: DirectoryDefect) -> Self {
        Self::Damaged { path: path.to_owned(), defect }
    }
}

/// Reads the header, and compares the size of the file with it.
fn read_header(path: &Path, file: &dyn DiskFile) -> Result<Header, DirectoryError> {
    let io = |source| DirectoryError::io(path, source);
    let mut bytes = [0; HEADER_LEN];
    let read = read_full_at(file, &mut bytes, 0).map_err(io)?;
    if read < HEADER_LEN {
        let defect =
            DirectoryDefect::Size { expected: u64_from(HEADER_LEN), found: u64_from(read) };
        return Err(DirectoryError::damaged(path, defect));
    }
    let header = Header::parse(&bytes).map_err(|defect| DirectoryError::damaged(path, defect))?;
    let end = header.index_position().and_then(|begin| begin.checked_add(header.index_len()));
    let (expected, found) = (end.unwrap_or(u64::MAX), file.size().map_err(io)?);
    if expected != found {
        return Err(DirectoryError::damaged(path, DirectoryDefect::Size { expected, found }));
    }
    Ok(header)
}

fn read_index(
    path: &Path,
    file: &dyn DiskFile,
    header: &Header,
) -> Result<Vec<Bucket>, DirectoryError> {
    let mut bytes = vec![0; usize_from(header.index_len())];
    let position = header.index_position().unwrap_or(u64::MAX);
    let read = read_full_at(file, &mut bytes, position);
    read.map_err(|source| DirectoryError::io(path, source))?;
    if crc32fast::hash(&bytes) != header.index_crc {
        return Err(DirectoryError::damaged(path, DirectoryDefect::Crc("index")));
    }
    let buckets = parse_index(&bytes);
    let orders = buckets.iter().map(|bucket| u64::from(bucket.order_count)).sum();
    if orders != header.order_count {
        let defect = DirectoryDefect::OrderCount { orders, header: header.order_count };
        return Err(DirectoryError::damaged(path, defect));
    }
    Ok(buckets)
}

/// Whether orders are sorted, each once, belong to the bucket, and have entries.
fn are_in_place(records: &[Record], prefix: Prefix) -> bool {
    records.is_sorted_by(|left, right| key_of(left) < key_of(right))
        && records.iter().all(|record| prefix.is_of(key_of(record)) && entry_count_of(record) > 0)
}
