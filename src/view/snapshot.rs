//! One state of the tables, open for reading. Does not know what it is read for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redb::{Database, ReadOnlyTable, ReadableDatabase as _};
use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::changes::OrderRows;
use super::failure::Failure;
use super::key::{UpdateKey, WordKey, behind, texts};
use super::row::{DamagedRow, decode_row};
use super::tables::{
    BY_UPDATE, BY_WORD, CARRIED, CHECKPOINT, COUNTS, Checkpoint, ENTRIES, EntryRow, FACETS, LINKS,
    MARKS, MarkRow, ORDERS, OrderRow, POLICY, REFERENCES, SOURCES, STATUS, entry_key,
};
use super::tail::{Indexed, Mark};
use crate::event::RecordedEvent;
use crate::log::{LogReader, Point};
use crate::num::{u64_from, usize_from};

type Table<K, V> = ReadOnlyTable<K, V>;
type Bytes = &'static [u8];

/// One state of the tables. It is opened once for each state and shared by all who read it:
/// opening a table costs as much as reading a row.
pub(super) struct Snapshot {
    /// `None` before the first pass.
    pub(super) checkpoint: Option<Checkpoint>,
    /// The policy that the rows of orders were derived with, as it was given.
    pub(super) policy: Vec<u8>,
    pub(super) orders: Table<Bytes, Bytes>,
    pub(super) entries: Table<(u64, u64), Bytes>,
    marks: Table<u64, Bytes>,
    pub(super) status: Table<u64, Bytes>,
    pub(super) carried: Table<u64, Bytes>,
    pub(super) by_update: Table<&'static UpdateKey, ()>,
    pub(super) by_word: Table<&'static WordKey, ()>,
    pub(super) facets: Table<Bytes, ()>,
    pub(super) references: Table<Bytes, ()>,
    pub(super) links: Table<Bytes, Bytes>,
    pub(super) sources: Table<Bytes, Bytes>,
    pub(super) counts: Table<Bytes, u64>,
    has_links: bool,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("basis", &self.basis()).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn open(database: &Database) -> Result<Self, Failure> {
        let transaction = database.begin_read()?;
        let checkpoint = transaction.open_table(CHECKPOINT)?.get(())?;
        let policy = transaction.open_table(POLICY)?.get(())?;
        let links = transaction.open_table(LINKS)?;
        Ok(Self {
            checkpoint: checkpoint.map(|row| decode_row(b"", row.value())).transpose()?,
            policy: policy.map(|row| decode_row(b"", row.value())).transpose()?.unwrap_or_default(),
            orders: transaction.open_table(ORDERS)?,
            entries: transaction.open_table(ENTRIES)?,
            marks: transaction.open_table(MARKS)?,
            status: transaction.open_table(STATUS)?,
            carried: transaction.open_table(CARRIED)?,
            by_update: transaction.open_table(BY_UPDATE)?,
            by_word: transaction.open_table(BY_WORD)?,
            facets: transaction.open_table(FACETS)?,
            references: transaction.open_table(REFERENCES)?,
            sources: transaction.open_table(SOURCES)?,
            counts: transaction.open_table(COUNTS)?,
            has_links: !links.is_empty()?,
            links,
        })
    }

    /// The offset up to which the tables have the log.
    pub(super) fn basis(&self) -> u64 {
        self.checkpoint.map_or(0, |checkpoint| checkpoint.end.offset)
    }

    /// The number of orders; histories of the ledger's own have numbers, too, but no status.
    pub(super) fn order_count(&self) -> Result<u64, Failure> {
        Ok(self.status.len()?)
    }

    /// All entries of an order.
    pub(super) fn entries(&self, order: OrderRow) -> Result<Vec<Indexed>, Failure> {
        let mut indexed = Vec::with_capacity(usize_from(order.entry_count));
        for row in self.entries.range((order.number, 0)..=(order.number, u64::MAX))? {
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

    /// The entries of an order, by its name; none where it is unknown.
    pub(super) fn entries_of(&self, correlation_id: &[u8]) -> Result<Vec<Indexed>, Failure> {
        self.order(correlation_id)?.map_or_else(|| Ok(Vec::new()), |order| self.entries(order))
    }

    /// The last mark at or before an offset.
    pub(super) fn mark(&self, offset: u64) -> Result<Option<Mark>, Failure> {
        let Some(row) = self.marks.range(..=offset)?.next_back() else {
            return Ok(None);
        };
        let (key, value) = row?;
        Ok(Some(mark_of(key.value(), value.value())?))
    }

    /// All marks, by offset.
    pub(super) fn marks(&self) -> Result<BTreeMap<u64, Mark>, Failure> {
        let mut marks = BTreeMap::new();
        for row in self.marks.iter()? {
            let (key, value) = row?;
            marks.insert(key.value(), mark_of(key.value(), value.value())?);
        }
        Ok(marks)
    }

    pub(super) fn order(&self, correlation_id: &[u8]) -> Result<Option<OrderRow>, Failure> {
        let row = self.orders.get(correlation_id)?;
        Ok(row.map(|row| decode_row(correlation_id, row.value())).transpose()?)
    }

    /// The names of orders that begin so.
    pub(super) fn names(&self, prefix: &[u8]) -> Result<BTreeSet<String>, Failure> {
        let mut names = BTreeSet::new();
        for row in self.orders.range(prefix..)? {
            let (key, _) = row?;
            if !key.value().starts_with(prefix) {
                break;
            }
            names.insert(String::from_utf8_lossy(key.value()).into_owned());
        }
        Ok(names)
    }

    /// The last of the names of orders that begin so.
    pub(super) fn last_name(&self, prefix: &[u8]) -> Result<Option<String>, Failure> {
        let end = behind(prefix);
        let Some(row) = self.orders.range(prefix..end.as_slice())?.next_back() else {
            return Ok(None);
        };
        Ok(Some(String::from_utf8_lossy(row?.0.value()).into_owned()))
    }

    /// The rows of an order; `None` where it has none yet.
    pub(super) fn rows(&self, number: u64) -> Result<Option<OrderRows>, Failure> {
        let Some(status) = self.status.get(number)? else {
            return Ok(None);
        };
        let carried = self.carried.get(number)?;
        let carried = carried.map(|row| row.value().to_vec()).unwrap_or_default();
        Ok(Some(OrderRows { status: status.value().to_vec(), carried }))
    }

    /// The orders that ever named a target.
    pub(super) fn candidates(&self, target: &str) -> Result<BTreeSet<String>, Failure> {
        let mut found = BTreeSet::new();
        if !self.has_links {
            return Ok(found);
        }
        let prefix = texts(&[target]);
        let end = behind(&prefix);
        for row in self.links.range(prefix.as_slice()..end.as_slice())? {
            let (key, value) = row?;
            found.insert(decode_row(key.value(), value.value())?);
        }
        Ok(found)
    }

    /// The events of orders below the checkpoint, from the log, in about the order of the log.
    pub(super) fn events(
        &self,
        log: &LogReader,
        orders: &[OrderRow],
    ) -> Result<Vec<Vec<RecordedEvent>>, Failure> {
        let mut places: Vec<(Point, usize)> = Vec::new();
        for (index, order) in orders.iter().enumerate() {
            if order.entry_count > 0 {
                let entries = self.entries(*order)?;
                places.extend(entries.iter().map(|indexed| (indexed.place, index)));
            }
        }
        places.sort_unstable_by_key(|(place, _)| place.offset);
        let capacity = |order: &OrderRow| Vec::with_capacity(usize_from(order.entry_count));
        let mut events: Vec<Vec<RecordedEvent>> = orders.iter().map(capacity).collect();
        let mut of = places.iter().map(|(_, index)| *index);
        let places: Vec<Point> = places.iter().map(|(place, _)| *place).collect();
        log.entries(&places, |entry| {
            if let Some(events) = of.next().and_then(|index| events.get_mut(index)) {
                events.push(entry.to_recorded());
            }
        })?;
        debug_assert!(orders.iter().zip(&events).all(|(o, e)| o.entry_count == u64_from(e.len())));
        Ok(events)
    }
}

fn mark_of(offset: u64, row: &[u8]) -> Result<Mark, DamagedRow> {
    let row: MarkRow = decode_row(&offset.to_le_bytes(), row)?;
    let point = Point { offset, position: row.position };
    Ok(Mark { point, recorded_at: row.recorded_at })
}
