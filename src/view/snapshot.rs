//! Reads the rows of orders in one state of the tables. Does not know what they are read for.

use std::collections::BTreeSet;

use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTableMetadata as _};

use super::changes::OrderRows;
use super::failure::Failure;
use super::key::{behind, texts};
use super::row::decode_row;
use super::tables::{CARRIED, ENTRIES, LINKS, ORDERS, OrderRow, STATUS, read_entries};
use crate::event::RecordedEvent;
use crate::log::{LogReader, Point};
use crate::num::{u64_from, usize_from};

/// One state of the tables that hold orders.
pub(super) struct Snapshot {
    orders: ReadOnlyTable<&'static [u8], &'static [u8]>,
    entries: ReadOnlyTable<(u64, u64), &'static [u8]>,
    status: ReadOnlyTable<u64, &'static [u8]>,
    carried: ReadOnlyTable<u64, &'static [u8]>,
    links: ReadOnlyTable<&'static [u8], &'static [u8]>,
    has_links: bool,
}

impl Snapshot {
    pub(super) fn open(database: &Database) -> Result<Self, Failure> {
        let transaction = database.begin_read()?;
        let links = transaction.open_table(LINKS)?;
        Ok(Self {
            orders: transaction.open_table(ORDERS)?,
            entries: transaction.open_table(ENTRIES)?,
            status: transaction.open_table(STATUS)?,
            carried: transaction.open_table(CARRIED)?,
            has_links: !links.is_empty()?,
            links,
        })
    }

    pub(super) fn order(&self, correlation_id: &[u8]) -> Result<Option<OrderRow>, Failure> {
        let row = self.orders.get(correlation_id)?;
        Ok(row.map(|row| decode_row(correlation_id, row.value())).transpose()?)
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
                let entries = read_entries(&self.entries, *order)?;
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
