//! The tables in `views.redb`, and all transactions on them. Does not know when they are written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `checkpoint` | - | up to where the views have the log |
//! | `orders` | correlation id | order number (dense, by first sight) and entry count |
//! | `entries` | order number, first revision | places and keys of entries that came together |
//! | `marks` | offset | position of a block, and when it was recorded |

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::row::{DamagedRow, decode_row, encode_row};
use super::storage::Storage;
use super::tail::{Generation, Indexed, Mark, TailOrder};
use super::{EventKey, ViewError};
use crate::log::{Disk, FIRST_BLOCK_POSITION, Hash, LogReader, Point};
use crate::num::u64_from;

const CHECKPOINT: TableDefinition<'_, (), &[u8]> = TableDefinition::new("checkpoint");
const ORDERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("orders");
const ENTRIES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("entries");
const MARKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("marks");

/// Pages that redb may keep in memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Up to where the views have the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) ledger_id: [u8; 16],
    /// The point behind the last entry.
    pub(crate) end: Point,
    /// Place and leaf hash of the last entry; without meaning where there is none.
    last: Point,
    last_leaf: Hash,
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
struct OrderRow {
    number: u64,
    entry_count: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct EntryRow {
    place: Point,
    key: EventKey,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct MarkRow {
    position: u32,
    recorded_at: u64,
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

    pub(super) fn create(disk: &dyn Disk, path: &Path) -> Result<Self, ViewError> {
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

    fn with<T>(&self, run: impl FnOnce(&Database) -> Result<T, Failure>) -> Result<T, ViewError> {
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
            let offset = key.value();
            let row: MarkRow = decode_row(&offset.to_le_bytes(), value.value())?;
            let point = Point { offset, position: row.position };
            Ok(Some(Mark { point, recorded_at: row.recorded_at }))
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

    /// Writes a generation, sorted by key, in one transaction.
    pub(super) fn write(&self, sealed: &Generation, log: &LogReader) -> Result<(), ViewError> {
        let last = sealed.last.unwrap_or_default();
        let mut last_leaf = [0; 32];
        log.entries(&[last], |entry| last_leaf = entry.leaf_hash())?;
        // A commit that failed may have come through all the same.
        let there = self.checkpoint()?.is_some_and(|before| before.end.offset >= sealed.end.offset);
        if there {
            return Ok(());
        }
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_quick_repair(true);
            {
                let mut table = transaction.open_table(CHECKPOINT)?;
                let row = table.get(())?;
                let before: Option<Checkpoint> =
                    row.map(|row| decode_row(b"", row.value())).transpose()?;
                let before = before.unwrap_or_else(|| Checkpoint::empty(log.ledger_id()));
                let order_count = write_orders(&transaction, sealed, before.order_count)?;
                let end = sealed.end;
                let checkpoint = Checkpoint { end, last, last_leaf, order_count, ..before };
                table.insert((), &*encode_row(b"", &checkpoint))?;
                let mut marks = transaction.open_table(MARKS)?;
                for mark in &sealed.marks {
                    let offset = mark.point.offset;
                    let row =
                        MarkRow { position: mark.point.position, recorded_at: mark.recorded_at };
                    marks.insert(offset, &*encode_row(&offset.to_le_bytes(), &row))?;
                }
            }
            Ok(transaction.commit()?)
        })
    }
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

/// Writes orders and entries of a generation; the number of orders then.
fn write_orders(
    transaction: &redb::WriteTransaction,
    sealed: &Generation,
    mut order_count: u64,
) -> Result<u64, Failure> {
    let mut by_first_sight: Vec<&TailOrder> = sealed.orders.values().collect();
    by_first_sight.sort_unstable_by_key(|order| first_offset(order));
    let mut table = transaction.open_table(ORDERS)?;
    let mut numbered = Vec::with_capacity(by_first_sight.len());
    for order in by_first_sight {
        let known = table.get(&*order.correlation_id)?;
        let known: Option<OrderRow> =
            known.map(|row| decode_row(&order.correlation_id, row.value())).transpose()?;
        let row = known.unwrap_or_else(|| {
            order_count += 1;
            OrderRow { number: order_count - 1, entry_count: 0 }
        });
        let entry_count = row.entry_count + u64_from(order.entries.len());
        numbered.push((order, OrderRow { entry_count, ..row }));
    }
    numbered.sort_unstable_by_key(|(order, _)| &order.correlation_id);
    for (order, row) in &numbered {
        let id = &*order.correlation_id;
        table.insert(id, &*encode_row(id, row))?;
    }
    numbered.sort_unstable_by_key(|(_, row)| row.number);
    let mut table = transaction.open_table(ENTRIES)?;
    for (order, row) in numbered {
        let rows: Vec<EntryRow> = order
            .entries
            .iter()
            .map(|indexed| EntryRow { place: indexed.place, key: indexed.key })
            .collect();
        let key = (row.number, order.entries.first().map_or(0, |first| first.revision));
        table.insert(key, &*encode_row(&entry_key(key), &rows))?;
    }
    Ok(order_count)
}

fn first_offset(order: &TailOrder) -> u64 {
    order.entries.first().map_or(0, |first| first.place.offset)
}

fn entry_key((number, revision): (u64, u64)) -> [u8; 16] {
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

/// What redb or a row said.
enum Failure {
    Row(DamagedRow),
    Database(Box<redb::Error>),
}

impl From<DamagedRow> for Failure {
    fn from(damage: DamagedRow) -> Self {
        Self::Row(damage)
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

impl From<Failure> for ViewError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Row(damage) => Self::Damaged(damage.to_string()),
            Failure::Database(error) => {
                if let redb::Error::Corrupted(what) = *error {
                    Self::Damaged(what)
                } else {
                    Self::Io(error.to_string())
                }
            }
        }
    }
}

/// Runs against redb, which panics on some damaged pages: here that is damage like any other.
fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, ViewError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => Ok(done?),
        Err(panic) => Err(ViewError::Damaged(text_of(&*panic))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("redb panicked").to_owned()
}
