//! Compares the rows and indexes of orders with what the log says, order by order.
//! Does not know how to mend.

use std::collections::{BTreeMap, BTreeSet};

use redb::{Key, ReadOnlyTable, ReadableTable as _, ReadableTableMetadata as _};

use super::changes::{Keys, SourceRow, carried_of, status_of};
use super::contrast::{compare_rows, count_text, source_text};
use super::failure::Failure;
use super::key::{numbered, texts, word_prefix};
use super::linked::{histories_of, targets_of};
use super::row::decode_row;
use super::snapshot::Snapshot;
use super::{ViewError, Views};
use crate::event::{RecordedEvent, is_ledgers_own};
use crate::num::u64_from;
use crate::order::{Dimension, History, OrderStatus, derive, said_about};

/// What all orders together have to leave in the tables.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<Vec<u8>, u64>,
    /// Orders, and histories of the ledger's own.
    histories: u64,
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
        self.tables.read(|snapshot| {
            let own = |id: &str| -> Result<Vec<RecordedEvent>, Failure> {
                let rows = snapshot.order(id.as_bytes())?;
                let rows: Vec<_> = rows.into_iter().collect();
                Ok(snapshot.events(&self.reader, &rows)?.into_iter().next().unwrap_or_default())
            };
            let Some(row) = snapshot.order(correlation_id.as_bytes())? else {
                return Ok(vec!["it has no number".to_owned()]);
            };
            let entries = snapshot.entries.range((row.number, 0)..=(row.number, u64::MAX))?;
            tally.entry_rows += u64_from(entries.count());
            tally.histories += 1;
            if is_ledgers_own(correlation_id.as_bytes()) {
                let has_rows = snapshot.rows(row.number)?.is_some();
                return Ok(has_rows
                    .then(|| "it is no order, and has a status".to_owned())
                    .into_iter()
                    .collect());
            }
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
            tally.orders += 1;
            let mut found = Vec::new();
            compare_links(snapshot, (row.number, correlation_id), &targets, &mut found)?;
            let Some(rows) = snapshot.rows(row.number)? else {
                found.push("it has no status".to_owned());
                return Ok(found);
            };
            let status = status_of(row.number, &rows.status)?;
            let carried = carried_of(row.number, &rows.carried)?;
            compare_rows((correlation_id, &derived), (&status, &carried), &mut found);
            let keys = Keys::of(row.number, &derived.status, &derived.references);
            tally.note_keys(&keys, &derived.status);
            compare_keys(snapshot, row.number, &keys, &mut found)?;
            Ok(found)
        })
    }

    /// What the tables have beside or instead of what all orders together leave in them.
    pub(crate) fn tally_differences(&self, tally: &Tally) -> Result<Vec<String>, ViewError> {
        self.tables.read(|snapshot| {
            let mut found = Vec::new();
            let (rows, entry_rows) = (tally.orders, tally.entry_rows);
            let [by_update, by_word, facets, references] = tally.keys;
            let lengths = [
                ("orders", snapshot.orders.len()?, tally.histories),
                ("entries", snapshot.entries.len()?, entry_rows),
                ("status", snapshot.status.len()?, rows),
                ("carried", snapshot.carried.len()?, rows),
                ("by_update", snapshot.by_update.len()?, by_update),
                ("by_word", snapshot.by_word.len()?, by_word),
                ("facets", snapshot.facets.len()?, facets),
                ("references", snapshot.references.len()?, references),
                ("links", snapshot.links.len()?, tally.links),
            ];
            for (table, has, expected) in lengths {
                if has != expected {
                    found.push(format!("table {table} has {has} rows, should have {expected}"));
                }
            }
            let mut counts = BTreeMap::new();
            for row in snapshot.counts.iter()? {
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
            for row in snapshot.sources.iter()? {
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
    snapshot: &Snapshot,
    number: u64,
    keys: &Keys,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    let facets: Vec<Vec<u8>> =
        keys.facets.iter().map(|facet| numbered(facet.clone(), number)).collect();
    let missing = [
        ("by_update", missing(&snapshot.by_update, keys.by_update.iter())?),
        ("by_word", missing(&snapshot.by_word, keys.by_word.iter())?),
        ("facets", missing(&snapshot.facets, facets.iter().map(Vec::as_slice))?),
        ("references", missing(&snapshot.references, keys.references.iter().map(Vec::as_slice))?),
    ];
    for (table, missing) in missing {
        if missing > 0 {
            found.push(format!("{missing} keys are missing in table {table}"));
        }
    }
    Ok(())
}

fn missing<'k, K: Key + 'static>(
    table: &ReadOnlyTable<K, ()>,
    keys: impl Iterator<Item = K::SelfType<'k>>,
) -> Result<u64, Failure> {
    let mut missing = 0;
    for key in keys {
        missing += u64::from(table.get(key)?.is_none());
    }
    Ok(missing)
}

fn compare_links(
    snapshot: &Snapshot,
    (number, correlation_id): (u64, &str),
    targets: &BTreeSet<String>,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    for target in targets {
        let key = numbered(texts(&[target]), number);
        let row = snapshot.links.get(key.as_slice())?;
        let linking: Option<String> = row.map(|row| decode_row(&key, row.value())).transpose()?;
        if linking.as_deref() != Some(correlation_id) {
            found.push(format!("its link to {target} is missing"));
        }
    }
    Ok(())
}
