//! Compares the rows and indexes of orders with what the log says, order by order.
//! Does not know how to mend.

use std::collections::{BTreeMap, BTreeSet};

use redb::{Key, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use redb::{ReadTransaction, TableDefinition};

use super::changes::{Keys, SourceRow, carried_of, status_of};
use super::contrast::{compare_rows, count_text, source_text};
use super::failure::Failure;
use super::key::{numbered, texts, word_prefix};
use super::linked::{histories_of, said_about, targets_of};
use super::row::decode_row;
use super::snapshot::Snapshot;
use super::tables::{
    BY_UPDATE, BY_WORD, CARRIED, COUNTS, ENTRIES, FACETS, LINKS, ORDERS, REFERENCES, SOURCES,
    STATUS,
};
use super::{ViewError, Views};
use crate::event::RecordedEvent;
use crate::num::u64_from;
use crate::order::{Dimension, History, OrderStatus, derive};

/// What all orders together have to leave in the tables.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<Vec<u8>, u64>,
    orders: u64,
    entry_rows: u64,
    /// Keys of `by_update`, `by_word`, `facets` and `references`.
    keys: [u64; 4],
    links: u64,
    sources: BTreeMap<String, SourceRow>,
}

impl Views {
    /// What the views say of an order otherwise than the log, field by field. Views that were
    /// opened to be looked at have no tail: all they have is compared.
    pub(crate) fn differences(
        &self,
        correlation_id: &str,
        tally: &mut Tally,
    ) -> Result<Vec<String>, ViewError> {
        self.tables.with(|database| {
            let snapshot = Snapshot::open(database)?;
            let own = |id: &str| -> Result<Vec<RecordedEvent>, Failure> {
                let rows = snapshot.order(id.as_bytes())?;
                let rows: Vec<_> = rows.into_iter().collect();
                Ok(snapshot.events(&self.reader, &rows)?.into_iter().next().unwrap_or_default())
            };
            let Some(row) = snapshot.order(correlation_id.as_bytes())? else {
                return Ok(vec!["it has no number".to_owned()]);
            };
            let mut events = own(correlation_id)?;
            tally.note_events(&events);
            let targets = targets_of(&events);
            tally.links += u64_from(targets.len());
            for history in histories_of(correlation_id, &events) {
                events.extend(own(&history)?);
            }
            let mut incoming = Vec::new();
            for other in snapshot.candidates(correlation_id)? {
                incoming.extend(said_about(correlation_id, (&other, &own(&other)?)));
            }
            let history = History { correlation_id, events: &events, incoming: &incoming };
            let derived = derive(&history, &self.policy);
            let transaction = database.begin_read()?;
            tally.orders += 1;
            let entries = transaction.open_table(ENTRIES)?;
            let entries = entries.range((row.number, 0)..=(row.number, u64::MAX))?;
            tally.entry_rows += u64_from(entries.count());
            let mut found = Vec::new();
            compare_links(&transaction, (row.number, correlation_id), &targets, &mut found)?;
            let Some(rows) = snapshot.rows(row.number)? else {
                found.push("it has no status".to_owned());
                return Ok(found);
            };
            let status = status_of(row.number, &rows.status)?;
            let carried = carried_of(row.number, &rows.carried)?;
            compare_rows((correlation_id, &derived), (&status, &carried), &mut found);
            let keys = Keys::of(row.number, &derived.status, &derived.references);
            tally.note_keys(&keys, &derived.status);
            compare_keys(&transaction, row.number, &keys, &mut found)?;
            Ok(found)
        })
    }

    /// What the tables have beside or instead of what all orders together leave in them.
    pub(crate) fn tally_differences(&self, tally: &Tally) -> Result<Vec<String>, ViewError> {
        self.tables.with(|database| {
            let transaction = database.begin_read()?;
            let mut found = Vec::new();
            let (rows, entry_rows) = (tally.orders, tally.entry_rows);
            let [by_update, by_word, facets, references] = tally.keys;
            let lengths = [
                ("orders", transaction.open_table(ORDERS)?.len()?, rows),
                ("entries", transaction.open_table(ENTRIES)?.len()?, entry_rows),
                ("status", transaction.open_table(STATUS)?.len()?, rows),
                ("carried", transaction.open_table(CARRIED)?.len()?, rows),
                ("by_update", transaction.open_table(BY_UPDATE)?.len()?, by_update),
                ("by_word", transaction.open_table(BY_WORD)?.len()?, by_word),
                ("facets", transaction.open_table(FACETS)?.len()?, facets),
                ("references", transaction.open_table(REFERENCES)?.len()?, references),
                ("links", transaction.open_table(LINKS)?.len()?, tally.links),
            ];
            for (table, has, expected) in lengths {
                if has != expected {
                    found.push(format!("table {table} has {has} rows, should have {expected}"));
                }
            }
            let mut counts = BTreeMap::new();
            for row in transaction.open_table(COUNTS)?.iter()? {
                let (key, count) = row?;
                counts.insert(key.value().to_vec(), count.value());
            }
            let keys: BTreeSet<&Vec<u8>> = counts.keys().chain(tally.counts.keys()).collect();
            for key in keys {
                let [is, should] = [&counts, &tally.counts].map(|of| of.get(key).unwrap_or(&0));
                if is != should {
                    let what = count_text(key);
                    found.push(format!("the count of {what} is {is}, should be {should}"));
                }
            }
            let mut sources = BTreeMap::new();
            for row in transaction.open_table(SOURCES)?.iter()? {
                let (key, value) = row?;
                let source = String::from_utf8_lossy(key.value()).into_owned();
                sources.insert(source, decode_row::<SourceRow>(key.value(), value.value())?);
            }
            let names: BTreeSet<&String> = sources.keys().chain(tally.sources.keys()).collect();
            for source in names {
                let [is, should] = [&sources, &tally.sources]
                    .map(|of| of.get(source).copied().unwrap_or_default());
                if is != should {
                    let (is, should) = (source_text(&is), source_text(&should));
                    found.push(format!("source {source} has {is}, should have {should}"));
                }
            }
            Ok(found)
        })
    }
}

impl Tally {
    fn note_events(&mut self, own: &[RecordedEvent]) {
        for recorded in own {
            let one = SourceRow::of(recorded);
            let row = self.sources.entry(recorded.event.source().to_owned()).or_default();
            *row =
                if one.offset >= row.offset { row.followed_by(one) } else { one.followed_by(*row) };
        }
    }

    fn note_keys(&mut self, keys: &Keys, status: &OrderStatus) {
        let words = Dimension::ALL.into_iter().zip(&status.standings);
        let words = words.map(|(dimension, at)| word_prefix(dimension, at.word));
        for key in words.chain(keys.facets.iter().cloned()) {
            *self.counts.entry(key).or_default() += 1;
        }
        let lengths =
            [keys.by_update.len(), keys.by_word.len(), keys.facets.len(), keys.references.len()];
        for (sum, length) in self.keys.iter_mut().zip(lengths) {
            *sum += u64_from(length);
        }
    }
}

fn compare_keys(
    transaction: &ReadTransaction,
    number: u64,
    keys: &Keys,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    let facets: Vec<Vec<u8>> =
        keys.facets.iter().map(|facet| numbered(facet.clone(), number)).collect();
    let missing = [
        ("by_update", missing(transaction, BY_UPDATE, keys.by_update.iter())?),
        ("by_word", missing(transaction, BY_WORD, keys.by_word.iter())?),
        ("facets", missing(transaction, FACETS, facets.iter().map(Vec::as_slice))?),
        (
            "references",
            missing(transaction, REFERENCES, keys.references.iter().map(Vec::as_slice))?,
        ),
    ];
    for (table, missing) in missing {
        if missing > 0 {
            found.push(format!("{missing} keys are missing in table {table}"));
        }
    }
    Ok(())
}

fn missing<'k, K: Key>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, K, ()>,
    keys: impl Iterator<Item = K::SelfType<'k>>,
) -> Result<u64, Failure> {
    let table = transaction.open_table(definition)?;
    let mut missing = 0;
    for key in keys {
        missing += u64::from(table.get(key)?.is_none());
    }
    Ok(missing)
}

fn compare_links(
    transaction: &ReadTransaction,
    (number, correlation_id): (u64, &str),
    targets: &BTreeSet<String>,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    let table = transaction.open_table(LINKS)?;
    for target in targets {
        let key = numbered(texts(&[target]), number);
        let row = table.get(key.as_slice())?;
        let linking: Option<String> = row.map(|row| decode_row(&key, row.value())).transpose()?;
        if linking.as_deref() != Some(correlation_id) {
            found.push(format!("its link to {target} is missing"));
        }
    }
    Ok(())
}
