//! All that the tables hold, as text, for tests that compare two ledgers. Does not know the log.

use redb::{Database, Key, ReadableDatabase as _, ReadableTable as _, TableDefinition, Value};

use super::Views;
use super::changes::{carried_of, status_of};
use super::failure::Failure;
use super::row::decode_row;
use super::tables::{
    BY_UPDATE, BY_WORD, CARRIED, COUNTS, FACETS, LINKS, ORDERS, OrderRow, REFERENCES, SOURCES,
    STATUS, read_entries,
};
use crate::view::tables::ENTRIES;

impl Views {
    /// A line for every row, by table and key. How entries were chunked into rows is left out.
    pub(crate) fn dump(&self) -> Vec<String> {
        self.tables.with(dump).unwrap()
    }
}

fn dump(database: &Database) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    raw(database, BY_UPDATE, &mut lines)?;
    raw(database, BY_WORD, &mut lines)?;
    raw(database, FACETS, &mut lines)?;
    raw(database, REFERENCES, &mut lines)?;
    raw(database, LINKS, &mut lines)?;
    raw(database, SOURCES, &mut lines)?;
    raw(database, COUNTS, &mut lines)?;
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    for row in transaction.open_table(ORDERS)?.iter()? {
        let (key, value) = row?;
        let order: OrderRow = decode_row(key.value(), value.value())?;
        let name = String::from_utf8_lossy(key.value()).into_owned();
        lines.push(format!("order {name}: {order:?} {:?}", read_entries(&entries, order)?));
    }
    for row in transaction.open_table(STATUS)?.iter()? {
        let (key, value) = row?;
        lines.push(format!("status {}", key.value()));
        lines.push(format!("{:?}", status_of(key.value(), value.value())?));
    }
    for row in transaction.open_table(CARRIED)?.iter()? {
        let (key, value) = row?;
        let carried = carried_of(key.value(), value.value())?;
        lines.push(format!("carried {}: {carried:?}", key.value()));
    }
    Ok(lines)
}

fn raw<K: Key + 'static, V: Value + 'static>(
    database: &Database,
    definition: TableDefinition<'static, K, V>,
    lines: &mut Vec<String>,
) -> Result<(), Failure> {
    let table = database.begin_read()?.open_table(definition)?;
    for row in table.iter()? {
        let (key, value) = row?;
        lines.push(format!("{definition} {:?} {:?}", key.value(), value.value()));
    }
    Ok(())
}
