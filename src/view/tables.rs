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
//! | `carried` | order number | the references that its own events carry |
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

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::failure::{Failure, guarded};
use super::key::{UpdateKey, WordKey};
use super::row::{DamagedRow, decode_row, encode_row};
use super::storage::Storage;
use super::tail::{Indexed, Mark};
use super::{EventKey, ViewError};
use crate::log::{Disk, FIRST_BLOCK_POSITION, Hash, LogReader, Point};
use crate::num::u64_from;

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
    pub(crate) order_count: u64,
}

impl Checkpoint {
    pub(super) fn empty(ledger_id: [u8; 16]) -> Self {
        let (end, last) = (Point::default(), Point::default());
        Self { ledger_id, end, last, last_leaf: [0; 32], order_count: 0 }
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

/// The open file.
#[derive(Debug)]
pub(super) struct Tables {
    database: RwLock<Option<Database>>,
}

impl Tables {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, ViewError> {
        let file = disk.open(path).map_err(|error| ViewError::Io(error.to_string()))?;
        let tables = Self { database: RwLock::new(None) };
        tables.set(Storage(file))?;
        Ok(tables)
    }

    pub(super) fn create(disk: &dyn Disk, path: &Path, policy: &[u8]) -> Result<Self, ViewError> {
        let io = |error: std::io::Error| ViewError::Io(error.to_string());
        let file = disk.create(path).map_err(io)?;
        path.parent().map_or(Ok(()), |folder| disk.sync_dir(folder)).map_err(io)?;
        let tables = Self { database: RwLock::new(None) };
        tables.set(Storage(file))?;
        tables.with(|database| {
            // Tables exist from the first transaction on, so that reading never misses one.
            let transaction = database.begin_write()?;
            transaction.open_table(CHECKPOINT)?;
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
        Ok(tables)
    }

    pub(super) fn reopen(&self, disk: &dyn Disk, path: &Path) -> Result<(), ViewError> {
        let file = disk.open(path).map_err(|error| ViewError::Io(error.to_string()))?;
        self.set(Storage(file))
    }

    fn set(&self, storage: Storage) -> Result<(), ViewError> {
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        close(&mut slot);
        let opened = guarded(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE_BYTES);
            Ok(builder.create_with_backend(storage)?)
        })?;
        *slot = Some(opened);
        Ok(())
    }

    pub(super) fn with<T>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> Result<T, ViewError> {
        let slot = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database =
            slot.as_ref().ok_or_else(|| ViewError::Io("the file is not open".to_owned()))?;
        guarded(|| run(database))
    }

    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>, ViewError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(CHECKPOINT)?;
            let row = table.get(())?;
            Ok(row.map(|row| decode_row(b"", row.value())).transpose()?)
        })
    }

    /// The policy that the rows of orders were derived with, as it was given.
    pub(super) fn policy(&self) -> Result<Vec<u8>, ViewError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(POLICY)?;
            let row = table.get(())?;
            Ok(row.map(|row| decode_row(b"", row.value())).transpose()?.unwrap_or_default())
        })
    }

    /// The entries of orders, each by revision, in one transaction.
    pub(super) fn orders<'n>(
        &self,
        correlation_ids: impl IntoIterator<Item = &'n [u8]>,
    ) -> Result<Vec<Vec<Indexed>>, ViewError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let (orders, entries) =
                (transaction.open_table(ORDERS)?, transaction.open_table(ENTRIES)?);
            correlation_ids.into_iter().map(|id| read_order(&orders, &entries, id)).collect()
        })
    }

    /// The last mark at or before an offset.
    pub(super) fn mark(&self, offset: u64) -> Result<Option<Mark>, ViewError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(MARKS)?;
            let Some(row) = table.range(..=offset)?.next_back() else {
                return Ok(None);
            };
            let (key, value) = row?;
            Ok(Some(mark_of(key.value(), value.value())?))
        })
    }

    /// All marks, by offset.
    pub(super) fn marks(&self) -> Result<BTreeMap<u64, Mark>, ViewError> {
        self.with(|database| {
            let mut marks = BTreeMap::new();
            for row in database.begin_read()?.open_table(MARKS)?.iter()? {
                let (key, value) = row?;
                let mark = mark_of(key.value(), value.value())?;
                marks.insert(mark.point.offset, mark);
            }
            Ok(marks)
        })
    }

    pub(super) fn check_pages(&mut self) -> Result<(), ViewError> {
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = slot.as_mut() else {
            return Ok(());
        };
        let sound = guarded(|| Ok(database.check_integrity()?))?;
        if sound { Ok(()) } else { Err(ViewError::Damaged("pages do not match".into())) }
    }
}

fn mark_of(offset: u64, row: &[u8]) -> Result<Mark, DamagedRow> {
    let row: MarkRow = decode_row(&offset.to_le_bytes(), row)?;
    let point = Point { offset, position: row.position };
    Ok(Mark { point, recorded_at: row.recorded_at })
}

fn read_order(
    orders: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    entries: &ReadOnlyTable<(u64, u64), &'static [u8]>,
    correlation_id: &[u8],
) -> Result<Vec<Indexed>, Failure> {
    let Some(row) = orders.get(correlation_id)? else {
        return Ok(Vec::new());
    };
    let order: OrderRow = decode_row(correlation_id, row.value())?;
    read_entries(entries, order)
}

/// All entries of an order.
pub(super) fn read_entries(
    entries: &ReadOnlyTable<(u64, u64), &'static [u8]>,
    order: OrderRow,
) -> Result<Vec<Indexed>, Failure> {
    let mut indexed = Vec::new();
    for row in entries.range((order.number, 0)..=(order.number, u64::MAX))? {
        let (key, value) = row?;
        let (_, first_revision) = key.value();
        let rows: Vec<EntryRow> = decode_row(&entry_key(key.value()), value.value())?;
        indexed.extend((first_revision..).zip(rows).map(|(revision, row)| Indexed {
            revision,
            place: row.place,
            key: row.key,
        }));
    }
    if u64_from(indexed.len()) == order.entry_count { Ok(indexed) } else { Err(DamagedRow)? }
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
        close(self.database.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Closes the file. On damaged pages redb may panic here too; nothing that matters is lost by that.
fn close(slot: &mut Option<Database>) {
    let database = slot.take();
    let closed = guarded(|| {
        drop(database);
        Ok(())
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "the views could not be closed");
    }
}
