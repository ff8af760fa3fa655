//! The tables in `views.redb`, and all transactions on them. Does not know when they are written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `checkpoint` | - | up to where the views have the log |
//! | `orders` | correlation id | order number (dense, by first sight) and entry count |
//! | `entries` | order number, first revision | places and keys of entries that came together |
//! | `marks` | offset | position of a block, and when it was recorded |
//! | `policy` | - | the policy that the rows of orders were derived with |
//! | `status` | order number | correlation id, and where the order stands |
//! | `carried` | order number | the references that it and what it has linked carry |
//! | `by_update` | last change (newest first), order number | - |
//! | `by_word` | dimension, word, since when, order number | - |
//! | `facets` | kind, value, order number | - |
//! | `references` | value, type, issuer, order number (last first) | - |
//! | `links` | target, order number | an order that named the target once: a candidate |
//! | `sources` | source | how far its news reach |
//! | `counts` | beginning of keys of `by_word` or `facets` | how many orders |
//!
//! What changes with every event stands in rows by number, not in the keys that orders are found
//! by: those change seldom, and they are the dear ones.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::failure::{Failure, guarded};
use super::key::{UpdateKey, WordKey};
use super::row::encode_row;
use super::snapshot::Snapshot;
use super::storage::Storage;
use super::{EventKey, ViewError};
use crate::log::{Disk, DiskFile, FIRST_BLOCK_POSITION, Hash, LogReader, Point};

type Table<K, V> = TableDefinition<'static, K, V>;
type Bytes = &'static [u8];

pub(super) const CHECKPOINT: Table<(), Bytes> = Table::new("checkpoint");
pub(super) const POLICY: Table<(), Bytes> = Table::new("policy");
pub(super) const ORDERS: Table<Bytes, Bytes> = Table::new("orders");
pub(super) const ENTRIES: Table<(u64, u64), Bytes> = Table::new("entries");
pub(super) const MARKS: Table<u64, Bytes> = Table::new("marks");
pub(super) const STATUS: Table<u64, Bytes> = Table::new("status");
pub(super) const CARRIED: Table<u64, Bytes> = Table::new("carried");
pub(super) const BY_UPDATE: Table<&'static UpdateKey, ()> = Table::new("by_update");
pub(super) const BY_WORD: Table<&'static WordKey, ()> = Table::new("by_word");
pub(super) const FACETS: Table<Bytes, ()> = Table::new("facets");
pub(super) const REFERENCES: Table<Bytes, ()> = Table::new("references");
pub(super) const LINKS: Table<Bytes, Bytes> = Table::new("links");
pub(super) const SOURCES: Table<Bytes, Bytes> = Table::new("sources");
pub(super) const COUNTS: Table<Bytes, u64> = Table::new("counts");

/// Pages that redb may keep in memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Up to where the views have the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) ledger_id: [u8; 16],
    /// The point behind the last entry.
    pub(crate) end: Point,
    /// Place and leaf hash of the last entry; without meaning where there is none.
    pub(super) last: Point,
    pub(super) last_leaf: Hash,
    /// Orders, and histories of the ledger's own: the next one's number.
    pub(crate) history_count: u64,
}

impl Checkpoint {
    pub(super) fn empty(ledger_id: [u8; 16]) -> Self {
        let (end, last) = (Point::default(), Point::default());
        Self { ledger_id, end, last, last_leaf: [0; 32], history_count: 0 }
    }

    /// Whether the log holds what the views were made of.
    pub(super) fn check(&self, reader: &LogReader) -> Result<(), ViewError> {
        if self.end.offset == 0 {
            return Ok(());
        }
        let mut same = false;
        let read = reader.entries(&[self.last], |entry| {
            // Behind the last entry's block, or at the beginning of the next segment.
            let behind = [self.last.position_behind(&entry), FIRST_BLOCK_POSITION];
            same = entry.leaf_hash() == self.last_leaf && behind.contains(&self.end.position);
        });
        if read.is_ok() && same {
            Ok(())
        } else {
            Err(ViewError::LogDiffers { offset: self.end.offset })
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct OrderRow {
    pub(super) number: u64,
    pub(super) entry_count: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct EntryRow {
    pub(super) place: Point,
    pub(super) key: EventKey,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct MarkRow {
    pub(super) position: u32,
    pub(super) recorded_at: u64,
}

/// The open file, and its newest state, which is dropped first.
#[derive(Debug)]
struct Open {
    newest: RwLock<Arc<Snapshot>>,
    database: Database,
}

/// The tables, where their file is open.
#[derive(Debug)]
pub(super) struct Tables {
    open: RwLock<Option<Open>>,
}

impl Tables {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, ViewError> {
        let file = disk.open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                ViewError::Damaged("there are none".to_owned())
            } else {
                ViewError::Unreadable(error.to_string())
            }
        })?;
        Ok(Self { open: RwLock::new(Some(Open::of(database(file)?)?)) })
    }

    /// Makes them, with the policy and the checkpoint that they begin with.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        (policy, checkpoint): (&[u8], &Checkpoint),
    ) -> Result<Self, ViewError> {
        let io = |error: std::io::Error| ViewError::Io(error.to_string());
        let file = disk.create(path).map_err(io)?;
        path.parent().map_or(Ok(()), |folder| disk.sync_dir(folder)).map_err(io)?;
        let database = database(file)?;
        guarded(|| {
            // Tables exist from the first transaction on, so that reading never misses one.
            let transaction = database.begin_write()?;
            transaction.open_table(CHECKPOINT)?.insert((), &*encode_row(b"", checkpoint))?;
            transaction.open_table(ORDERS)?;
            transaction.open_table(ENTRIES)?;
            transaction.open_table(MARKS)?;
            transaction.open_table(POLICY)?.insert((), &*encode_row(b"", &policy))?;
            transaction.open_table(STATUS)?;
            transaction.open_table(CARRIED)?;
            transaction.open_table(BY_UPDATE)?;
            transaction.open_table(BY_WORD)?;
            transaction.open_table(FACETS)?;
            transaction.open_table(REFERENCES)?;
            transaction.open_table(LINKS)?;
            transaction.open_table(SOURCES)?;
            transaction.open_table(COUNTS)?;
            Ok(transaction.commit()?)
        })?;
        Ok(Self { open: RwLock::new(Some(Open::of(database)?)) })
    }

    /// Opens the file again, where it can be written.
    pub(super) fn reopen(&self, disk: &dyn Disk, path: &Path) -> Result<(), ViewError> {
        let io = |error: std::io::Error| ViewError::Io(error.to_string());
        let file = disk.open(path).map_err(io)?;
        // While nothing can be written the state that is open goes on being read.
        touch(&*file).map_err(io)?;
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        close(&mut open);
        *open = Some(Open::of(database(file)?)?);
        Ok(())
    }

    /// Reads the newest state.
    pub(super) fn read<T>(
        &self,
        run: impl FnOnce(&Snapshot) -> Result<T, Failure>,
    ) -> Result<T, ViewError> {
        self.with(|open| {
            let newest = Arc::clone(&open.newest.read().unwrap_or_else(PoisonError::into_inner));
            run(&newest)
        })
    }

    /// Writes, durably, and has everybody read the new state from then on.
    pub(super) fn write(
        &self,
        run: impl FnOnce(&WriteTransaction) -> Result<(), Failure>,
    ) -> Result<(), ViewError> {
        self.with(|open| {
            let mut transaction = open.database.begin_write()?;
            transaction.set_quick_repair(true);
            run(&transaction)?;
            transaction.commit()?;
            let newest = Arc::new(Snapshot::open(&open.database)?);
            *open.newest.write().unwrap_or_else(PoisonError::into_inner) = newest;
            Ok(())
        })
    }

    /// Asks whether anybody still holds the state that is the newest one now.
    #[cfg(test)]
    pub(super) fn newest_is_held(&self) -> impl Fn() -> bool + use<> {
        let open = self.open.read().unwrap();
        let newest = Arc::downgrade(&open.as_ref().unwrap().newest.read().unwrap());
        move || newest.upgrade().is_some()
    }

    fn with<T>(&self, run: impl FnOnce(&Open) -> Result<T, Failure>) -> Result<T, ViewError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().ok_or_else(|| ViewError::Io("the file is not open".to_owned()))?;
        guarded(|| run(open))
    }

    pub(super) fn check_pages(&mut self) -> Result<(), ViewError> {
        let slot = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { newest, mut database }) = slot.take() else {
            return Ok(());
        };
        drop(newest);
        // Whatever the check says, the file is closed or opened where a panic is caught.
        let checked = guarded(|| Ok(database.check_integrity()?));
        let opened = guarded(move || Ok(Open::of(database)?));
        let sound = checked?;
        *slot = Some(opened?);
        if sound { Ok(()) } else { Err(ViewError::Damaged("pages do not match".into())) }
    }
}

impl Open {
    fn of(database: Database) -> Result<Self, ViewError> {
        let newest = guarded(|| Snapshot::open(&database))?;
        Ok(Self { newest: RwLock::new(Arc::new(newest)), database })
    }
}

/// Writes the first byte of a file again, durably.
fn touch(file: &dyn DiskFile) -> std::io::Result<()> {
    let mut first = [0];
    if file.read_at(&mut first, 0)? == 1 {
        file.write_at(&first, 0)?;
    }
    file.sync()
}

fn database(file: Arc<dyn DiskFile>) -> Result<Database, ViewError> {
    guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        Ok(builder.create_with_backend(Storage(file))?)
    })
}

/// The key of a row of entries as its checksum takes it.
pub(super) fn entry_key((number, revision): (u64, u64)) -> [u8; 16] {
    let mut key = [0; 16];
    let (high, low) = key.split_at_mut(8);
    high.copy_from_slice(&number.to_le_bytes());
    low.copy_from_slice(&revision.to_le_bytes());
    key
}

impl Drop for Tables {
    fn drop(&mut self) {
        close(self.open.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Closes the file. On damaged pages redb may panic here too; nothing that matters is lost by that.
fn close(slot: &mut Option<Open>) {
    let open = slot.take();
    let closed = guarded(|| {
        drop(open);
        Ok(())
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "the views could not be closed");
    }
}
