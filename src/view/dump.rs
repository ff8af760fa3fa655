//! All that the tables hold, as text, for tests that compare two ledgers. Does not know the log.

use redb::{Key, ReadOnlyTable, ReadableTable as _, Value};

use super::Views;
use super::changes::{carried_of, status_of};
use super::failure::Failure;
use super::row::decode_row;
use super::snapshot::Snapshot;
use super::tables::OrderRow;

impl Views {
    /// A line for every row, by table and key. How entries were chunked into rows is left out.
    pub(crate) fn dump(&self) -> Vec<String> {
        self.tables.read(dump).unwrap()
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
