//! Writes a pass into the tables, in one transaction, each table sorted by key.
//! Does not know how rows and keys are made.

use std::collections::BTreeMap;

use redb::{Key, ReadableTable as _, TableDefinition, WriteTransaction};

use super::ViewError;
use super::changes::{Changes, SourceRow};
use super::failure::Failure;
use super::row::{decode_row, encode_row};
use super::tables::{
    BY_UPDATE, BY_WORD, CARRIED, CHECKPOINT, COUNTS, Checkpoint, ENTRIES, EntryRow, FACETS, LINKS,
    MARKS, MarkRow, ORDERS, OrderRow, REFERENCES, SOURCES, STATUS, Tables, entry_key,
};
use super::tail::{Generation, TailOrder};
use crate::num::u64_from;

/// All that one pass writes.
pub(super) struct Written<'g> {
    pub(super) sealed: &'g Generation,
    pub(super) checkpoint: Checkpoint,
    /// The orders of the generation, as they were before it, by number.
    pub(super) orders: Vec<(OrderRow, &'g TailOrder)>,
    pub(super) changes: Changes,
    /// What the generation adds.
    pub(super) sources: BTreeMap<String, SourceRow>,
    pub(super) links: BTreeMap<Vec<u8>, String>,
}

impl Tables {
    /// Writes a pass durably. Indexes are written beside rows: they are other trees.
    pub(super) fn write_pass(&self, written: &Written<'_>) -> Result<(), ViewError> {
        self.write(|transaction| {
            std::thread::scope(|scope| {
                let indexes = scope.spawn(|| write_indexes(transaction, &written.changes));
                let rows = write_rows(transaction, written);
                let indexes = indexes.join().unwrap_or_else(|panic| {
                    std::panic::resume_unwind(panic);
                });
                rows.and(indexes)
            })
        })
    }
}

fn write_rows(transaction: &WriteTransaction, written: &Written<'_>) -> Result<(), Failure> {
    write_orders(transaction, &written.orders)?;
    let mut table = transaction.open_table(MARKS)?;
    for mark in &written.sealed.marks {
        let offset = mark.point.offset;
        let row = MarkRow { position: mark.point.position, recorded_at: mark.recorded_at };
        table.insert(offset, &*encode_row(&offset.to_le_bytes(), &row))?;
    }
    let mut table = transaction.open_table(STATUS)?;
    for (number, row) in &written.changes.status {
        table.insert(number, row.as_slice())?;
    }
    let mut table = transaction.open_table(CARRIED)?;
    for (number, row) in &written.changes.carried {
        table.insert(number, row.as_slice())?;
    }
    // The largest index, here so that both sides have about as much to write.
    let references = written.changes.references.iter().map(|(key, to)| (&**key, *to));
    write_keys(transaction, REFERENCES, references)?;
    let mut table = transaction.open_table(SOURCES)?;
    for (source, later) in &written.sources {
        let key = source.as_bytes();
        let before = table.get(key)?.map(|row| decode_row(key, row.value())).transpose()?;
        let row = before.unwrap_or(SourceRow::default()).followed_by(*later);
        table.insert(key, &*encode_row(key, &row))?;
    }
    let mut table = transaction.open_table(LINKS)?;
    for (key, linking) in &written.links {
        table.insert(key.as_slice(), &*encode_row(key, linking))?;
    }
    let mut table = transaction.open_table(CHECKPOINT)?;
    table.insert((), &*encode_row(b"", &written.checkpoint))?;
    Ok(())
}

fn write_indexes(transaction: &WriteTransaction, changes: &Changes) -> Result<(), Failure> {
    write_keys(transaction, BY_UPDATE, changes.by_update.iter().map(|(key, to)| (key, *to)))?;
    write_keys(transaction, BY_WORD, changes.by_word.iter().map(|(key, to)| (key, *to)))?;
    write_keys(transaction, FACETS, changes.facets.iter().map(|(key, to)| (&**key, *to)))?;
    let mut table = transaction.open_table(COUNTS)?;
    for (key, by) in &changes.counts {
        let before = table.get(key.as_slice())?.map_or(0, |count| count.value());
        // A count only says which way to a list is short: it need not be right.
        match before.saturating_add_signed(*by) {
            0 => drop(table.remove(key.as_slice())?),
            count => drop(table.insert(key.as_slice(), count)?),
        }
    }
    Ok(())
}

fn write_keys<'k, K: Key>(
    transaction: &WriteTransaction,
    definition: TableDefinition<'static, K, ()>,
    keys: impl Iterator<Item = (K::SelfType<'k>, bool)>,
) -> Result<(), Failure> {
    let mut table = transaction.open_table(definition)?;
    for (key, present) in keys {
        if present {
            table.insert(key, ())?;
        } else {
            table.remove(key)?;
        }
    }
    Ok(())
}

/// Writes orders, given by number, and their entries of a generation.
fn write_orders(
    transaction: &WriteTransaction,
    orders: &[(OrderRow, &TailOrder)],
) -> Result<(), Failure> {
    let mut by_name: Vec<_> = orders.iter().collect();
    by_name.sort_unstable_by_key(|(_, order)| &order.correlation_id);
    let mut table = transaction.open_table(ORDERS)?;
    for (row, order) in by_name {
        let entry_count = row.entry_count + u64_from(order.entries.len());
        let id = &*order.correlation_id;
        table.insert(id, &*encode_row(id, &OrderRow { entry_count, ..*row }))?;
    }
    let mut table = transaction.open_table(ENTRIES)?;
    for (row, order) in orders {
        let rows: Vec<EntryRow> = order
            .entries
            .iter()
            .map(|indexed| EntryRow { place: indexed.place, key: indexed.key })
            .collect();
        let key = (row.number, order.entries.first().map_or(0, |first| first.revision));
        table.insert(key, &*encode_row(&entry_key(key), &rows))?;
    }
    Ok(())
}
