//! What a pass changes in the rows and indexes of orders, made order by order, sorted once.
//! Does not know events, nor when it is written.

use std::collections::BTreeMap;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::key::{
    Facet, UpdateKey, WordKey, facet_prefix, numbered, since_rank, texts, update_key, update_rank,
    word_key, word_prefix,
};
use super::row::{DamagedRow, decode_row, encode_row};
use crate::event::RecordedEvent;
use crate::order::{Derived, Dimension, OrderStatus};
use crate::proto::OrderReference;

/// Where an order stands, and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StatusRow {
    pub(super) correlation_id: String,
    pub(super) status: OrderStatus,
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceRow {
    pub(super) event_count: u64,
    /// The newest time at which an event of it occurred, in nanoseconds of the Unix epoch.
    pub(super) occurred_at_ns: Option<i64>,
    pub(super) recorded_at_ns: u64,
    pub(super) offset: u64,
}

impl SourceRow {
    /// What one event tells.
    pub(super) fn of(recorded: &RecordedEvent) -> Self {
        Self {
            event_count: 1,
            occurred_at_ns: recorded.event.occurred_at_ns(),
            recorded_at_ns: recorded.recorded_at_ns,
            offset: recorded.offset,
        }
    }

    /// What is known when later events are added.
    pub(super) fn followed_by(self, later: Self) -> Self {
        Self {
            event_count: self.event_count + later.event_count,
            occurred_at_ns: self.occurred_at_ns.max(later.occurred_at_ns),
            ..later
        }
    }
}

/// The rows of an order as they stand in the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OrderRows {
    pub(super) status: Vec<u8>,
    /// The references that its events carry, and those of histories that it has linked.
    pub(super) carried: Vec<u8>,
}

/// Keys in the indexes, each with whether it is to be there.
type KeyChanges<K> = Vec<(K, bool)>;

/// What is to be written of orders.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) status: Vec<(u64, Vec<u8>)>,
    pub(super) carried: Vec<(u64, Vec<u8>)>,
    pub(super) by_update: KeyChanges<UpdateKey>,
    pub(super) by_word: KeyChanges<WordKey>,
    pub(super) facets: KeyChanges<Vec<u8>>,
    pub(super) references: KeyChanges<Vec<u8>>,
    pub(super) counts: BTreeMap<Vec<u8>, i64>,
}

/// The keys that an order has in the indexes, each sorted and once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) by_update: Vec<UpdateKey>,
    pub(super) by_word: Vec<WordKey>,
    /// Without the number of the order: what `counts` counts.
    pub(super) facets: Vec<Vec<u8>>,
    pub(super) references: Vec<Vec<u8>>,
}

impl Keys {
    pub(super) fn of(number: u64, status: &OrderStatus, carried: &[OrderReference]) -> Self {
        let rank = update_rank(status.updated_offset);
        let words = Dimension::ALL
            .into_iter()
            .zip(&status.standings)
            .map(|(dimension, at)| word_key((dimension, at.word), since_rank(at.since_ns), number));
        Self {
            by_update: vec![update_key(rank, number)],
            by_word: sorted(words),
            facets: sorted(facets_of(status).map(|(facet, value)| facet_prefix(facet, value))),
            references: sorted(carried.iter().filter_map(|one| reference_key(number, one))),
        }
    }
}

/// What an order is found by beside its words.
pub(super) fn facets_of(status: &OrderStatus) -> impl Iterator<Item = (Facet, &str)> {
    let open = (status.open_exception_count > 0).then_some((Facet::Open, ""));
    open.into_iter()
        .chain(status.open_reasons.iter().map(|value| (Facet::OpenReason, value.as_str())))
        .chain(status.warehouses.iter().map(|value| (Facet::Warehouse, value.as_str())))
        .chain(status.sources.iter().map(|value| (Facet::Source, value.as_str())))
        .chain(status.anomaly_rules.iter().map(|value| (Facet::AnomalyRule, value.as_str())))
}

/// The key of a reference; by type and issuer, the order that was seen last first.
pub(super) fn reference_key(number: u64, carried: &OrderReference) -> Option<Vec<u8>> {
    let named = carried.reference.as_ref()?;
    Some(numbered(texts(&[&named.value, &named.r#type, &named.issuer]), !number))
}

pub(super) fn status_of(number: u64, row: &[u8]) -> Result<StatusRow, DamagedRow> {
    decode_row(&number.to_le_bytes(), row)
}

pub(super) fn carried_of(number: u64, row: &[u8]) -> Result<Vec<OrderReference>, DamagedRow> {
    let encoded: Vec<Vec<u8>> = decode_row(&number.to_le_bytes(), row)?;
    let decode = |one: &Vec<u8>| OrderReference::decode(one.as_slice()).map_err(|_| DamagedRow);
    encoded.iter().map(decode).collect()
}

/// The rows of an order.
pub(super) fn rows_of(number: u64, row: &StatusRow, carried: &[OrderReference]) -> OrderRows {
    let key = number.to_le_bytes();
    let carried: Vec<Vec<u8>> = carried.iter().map(OrderReference::encode_to_vec).collect();
    OrderRows { status: encode_row(&key, row), carried: encode_row(&key, &carried) }
}

impl Changes {
    /// Adds an order: what it is now, and the rows that it has in the tables.
    pub(super) fn add(
        &mut self,
        (number, correlation_id): (u64, &str),
        derived: Derived,
        before: Option<&OrderRows>,
    ) -> Result<(), DamagedRow> {
        let Derived { status, references } = derived;
        let row = StatusRow { correlation_id: correlation_id.to_owned(), status };
        let rows = rows_of(number, &row, &references);
        if before == Some(&rows) {
            return Ok(());
        }
        let now = Keys::of(number, &row.status, &references);
        let mut was = Keys::default();
        if let Some(before) = before {
            let status = status_of(number, &before.status)?;
            self.count_words(&status.status, -1);
            was = Keys::of(number, &status.status, &carried_of(number, &before.carried)?);
        }
        self.count_words(&row.status, 1);
        replace(&mut self.by_update, was.by_update, now.by_update);
        replace(&mut self.by_word, was.by_word, now.by_word);
        replace(&mut self.references, was.references, now.references);
        let mut facets = Vec::new();
        replace(&mut facets, was.facets, now.facets);
        for (facet, present) in facets {
            self.count(&facet, if present { 1 } else { -1 });
            self.facets.push((numbered(facet, number), present));
        }
        if before.is_none_or(|before| before.status != rows.status) {
            self.status.push((number, rows.status));
        }
        if before.is_none_or(|before| before.carried != rows.carried) {
            self.carried.push((number, rows.carried));
        }
        Ok(())
    }

    fn count_words(&mut self, status: &OrderStatus, by: i64) {
        for (dimension, at) in Dimension::ALL.into_iter().zip(&status.standings) {
            self.count(&word_prefix(dimension, at.word), by);
        }
    }

    fn count(&mut self, key: &[u8], by: i64) {
        if let Some(count) = self.counts.get_mut(key) {
            *count += by;
        } else {
            self.counts.insert(key.to_vec(), by);
        }
    }

    /// Takes in what another thread has made.
    pub(super) fn append(&mut self, mut other: Self) {
        self.status.append(&mut other.status);
        self.carried.append(&mut other.carried);
        self.by_update.append(&mut other.by_update);
        self.by_word.append(&mut other.by_word);
        self.facets.append(&mut other.facets);
        self.references.append(&mut other.references);
        for (key, by) in other.counts {
            self.count(&key, by);
        }
    }

    /// Sorts by key, so that neighbours are written together.
    pub(super) fn sort(&mut self) {
        self.status.sort_unstable_by_key(|(number, _)| *number);
        self.carried.sort_unstable_by_key(|(number, _)| *number);
        self.by_update.sort_unstable();
        self.by_word.sort_unstable();
        self.facets.sort_unstable();
        self.references.sort_unstable();
    }
}

fn sorted<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<K> {
    let mut keys: Vec<K> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn replace<K: Ord>(changes: &mut KeyChanges<K>, mut was: Vec<K>, mut now: Vec<K>) {
    if !was.is_empty() {
        // Both are sorted: few keys of an order change.
        let stays: Vec<bool> = now.iter().map(|key| was.binary_search(key).is_ok()).collect();
        was.retain(|key| now.binary_search(key).is_err());
        let mut stays = stays.into_iter();
        now.retain(|_| !stays.next().unwrap_or(false));
    }
    changes.extend(was.into_iter().map(|key| (key, false)));
    changes.extend(now.into_iter().map(|key| (key, true)));
}
