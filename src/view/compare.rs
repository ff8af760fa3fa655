//! Compares the rows and indexes of orders with what the log says, order by order.
//! Does not know how to mend.

use std::collections::{BTreeMap, BTreeSet};

use redb::{Key, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use redb::{ReadTransaction, TableDefinition};

use super::changes::{Keys, SourceRow, StatusRow, carried_of, status_of};
use super::failure::Failure;
use super::key::{numbered, texts, word_prefix};
use super::linked::{histories_of, targets_of};
use super::row::decode_row;
use super::snapshot::Snapshot;
use super::tables::{BY_UPDATE, BY_WORD, COUNTS, FACETS, LINKS, REFERENCES, SOURCES};
use super::{ViewError, Views};
use crate::event::RecordedEvent;
use crate::num::u64_from;
use crate::order::{Derived, Dimension, History, OrderStatus, derive, said_about};

/// What all orders together have to leave in the tables.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<Vec<u8>, u64>,
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
            let lengths = [
                ("by_update", transaction.open_table(BY_UPDATE)?.len()?),
                ("by_word", transaction.open_table(BY_WORD)?.len()?),
                ("facets", transaction.open_table(FACETS)?.len()?),
                ("references", transaction.open_table(REFERENCES)?.len()?),
                ("links", transaction.open_table(LINKS)?.len()?),
            ];
            let expected = tally.keys.into_iter().chain([tally.links]);
            for ((table, has), expected) in lengths.into_iter().zip(expected) {
                if has != expected {
                    found.push(format!("table {table} has {has} keys, not {expected}"));
                }
            }
            let mut counts = BTreeMap::new();
            for row in transaction.open_table(COUNTS)?.iter()? {
                let (key, count) = row?;
                counts.insert(key.value().to_vec(), count.value());
            }
            if counts != tally.counts {
                found.push("table counts differs".to_owned());
            }
            let mut sources = BTreeMap::new();
            for row in transaction.open_table(SOURCES)?.iter()? {
                let (key, value) = row?;
                let source = String::from_utf8_lossy(key.value()).into_owned();
                sources.insert(source, decode_row::<SourceRow>(key.value(), value.value())?);
            }
            let names: BTreeSet<&String> = sources.keys().chain(tally.sources.keys()).collect();
            for source in names {
                if sources.get(source) != tally.sources.get(source) {
                    found.push(format!("the watermark of source {source} differs"));
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

fn compare_rows(
    (correlation_id, derived): (&str, &Derived),
    (row, carried): (&StatusRow, &[crate::proto::OrderReference]),
    found: &mut Vec<String>,
) {
    let (is, should) = (&row.status, &derived.status);
    let mut field = |name: &str, same: bool| {
        if !same {
            found.push(format!("{name} differs"));
        }
    };
    field("correlation_id", row.correlation_id == correlation_id);
    field("revision", is.revision == should.revision);
    let standings = is.standings.iter().zip(&should.standings);
    for (dimension, (is, should)) in Dimension::ALL.into_iter().zip(standings) {
        field(dimension.name(), is == should);
    }
    field("open_exception_count", is.open_exception_count == should.open_exception_count);
    field("open_reasons", is.open_reasons == should.open_reasons);
    field("oldest_open_at", is.oldest_open_ns == should.oldest_open_ns);
    field("anomaly_rules", is.anomaly_rules == should.anomaly_rules);
    field("warehouses", is.warehouses == should.warehouses);
    field("sources", is.sources == should.sources);
    field("updated_offset", is.updated_offset == should.updated_offset);
    field("updated_at", is.updated_ns == should.updated_ns);
    field("first_occurred_at", is.first_occurred_ns == should.first_occurred_ns);
    field("last_occurred_at", is.last_occurred_ns == should.last_occurred_ns);
    field("references", carried == derived.references);
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
