//! All that the tables hold, as text, for tests that compare two ledgers, and rows that are wrong
//! with right checksums. Does not know the log.

use redb::{Key, ReadOnlyTable, ReadableTable as _, Value};

use super::Views;
use super::changes::{carried_of, status_of};
use super::failure::Failure;
use super::row::{decode_row, encode_row};
use super::snapshot::Snapshot;
use super::tables::{CARRIED, ENTRIES, MARKS, MarkRow, ORDERS, OrderRow, STATUS};
use crate::order::OrderStatus;

impl Views {
    /// A line for every row, by table and key. How entries were chunked into rows is left out.
    pub(crate) fn dump(&self) -> Vec<String> {
        self.tables.read(dump).unwrap()
    }
}

impl Views {
    /// Writes another status for an order, with a checksum that is right.
    pub(crate) fn forge_status(&self, correlation_id: &str, forge: impl FnOnce(&mut OrderStatus)) {
        let forged = self.tables.write(|transaction| {
            let orders = transaction.open_table(ORDERS)?;
            let key = correlation_id.as_bytes();
            let number = decode_row::<OrderRow>(key, orders.get(key)?.unwrap().value())?.number;
            drop(orders);
            let mut table = transaction.open_table(STATUS)?;
            let mut row = status_of(number, table.get(number)?.unwrap().value())?;
            forge(&mut row.status);
            table.insert(number, &*encode_row(&number.to_le_bytes(), &row))?;
            Ok(())
        });
        forged.unwrap();
    }

    /// Changes a byte of an order's status.
    pub(crate) fn damage_status(&self, correlation_id: &str) {
        let damaged = self.tables.write(|transaction| {
            let orders = transaction.open_table(ORDERS)?;
            let key = correlation_id.as_bytes();
            let number = decode_row::<OrderRow>(key, orders.get(key)?.unwrap().value())?.number;
            let mut table = transaction.open_table(STATUS)?;
            let mut row = table.get(number)?.unwrap().value().to_vec();
            *row.last_mut().unwrap() ^= 1;
            table.insert(number, row.as_slice())?;
            Ok(())
        });
        damaged.unwrap();
    }

    /// Writes rows that belong to no order, and moves the last mark.
    pub(crate) fn forge_rows(&self) {
        let forged = self.tables.write(|transaction| {
            let number = 1_000_000_u64;
            let mut status = transaction.open_table(STATUS)?;
            let row = status.get(0)?.unwrap().value().to_vec();
            status.insert(number, row.as_slice())?;
            drop(status);
            let mut carried = transaction.open_table(CARRIED)?;
            carried.insert(number, [].as_slice())?;
            drop(carried);
            let mut entries = transaction.open_table(ENTRIES)?;
            entries.insert((number, 0), [].as_slice())?;
            drop(entries);
            let mut orders = transaction.open_table(ORDERS)?;
            let row = OrderRow { number, entry_count: 0 };
            orders.insert(b"nobody".as_slice(), &*encode_row(b"nobody", &row))?;
            drop(orders);
            let mut marks = transaction.open_table(MARKS)?;
            let (offset, row) =
                marks.last()?.map(|(at, row)| (at.value(), row.value().to_vec())).unwrap();
            let key = offset.to_le_bytes();
            let mut row: MarkRow = decode_row(&key, &row)?;
            row.position += 8;
            marks.insert(offset, &*encode_row(&key, &row))?;
            Ok(())
        });
        forged.unwrap();
    }
}

fn dump(snapshot: &Snapshot) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    raw("by_update", &snapshot.by_update, &mut lines)?;
    raw("by_word", &snapshot.by_word, &mut lines)?;
    raw("facets", &snapshot.facets, &mut lines)?;
    raw("references", &snapshot.references, &mut lines)?;
    raw("links", &snapshot.links, &mut lines)?;
    raw("sources", &snapshot.sources, &mut lines)?;
    raw("counts", &snapshot.counts, &mut lines)?;
    for row in snapshot.orders.iter()? {
        let (key, value) = row?;
        let order: OrderRow = decode_row(key.value(), value.value())?;
        let name = String::from_utf8_lossy(key.value()).into_owned();
        lines.push(format!("order {name}: {order:?} {:?}", snapshot.entries(order)?));
    }
    for row in snapshot.status.iter()? {
        let (key, value) = row?;
        lines.push(format!("status {}", key.value()));
        lines.push(format!("{:?}", status_of(key.value(), value.value())?));
    }
    for row in snapshot.carried.iter()? {
        let (key, value) = row?;
        let carried = carried_of(key.value(), value.value())?;
        lines.push(format!("carried {}: {carried:?}", key.value()));
    }
    Ok(lines)
}

fn raw<K: Key + 'static, V: Value + 'static>(
    name: &str,
    table: &ReadOnlyTable<K, V>,
    lines: &mut Vec<String>,
) -> Result<(), Failure> {
    for row in table.iter()? {
        let (key, value) = row?;
        lines.push(format!("{name} {:?} {:?}", key.value(), value.value()));
    }
    Ok(())
}
