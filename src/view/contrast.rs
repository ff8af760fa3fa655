//! Says of rows what they are and what they should be. Does not know where either comes from.

use std::fmt::Display;

use super::changes::{SourceRow, StatusRow};
use super::key::dimension_byte;
use crate::order::{Derived, Dimension, OrderStatus, Standing, Word};
use crate::proto::OrderReference;
use crate::time::{rfc3339, signed, timestamp};

/// References that are named where lists of them differ.
const REFERENCES_MAX: usize = 3;

/// The fields of an order's rows that are not what they should be, each with both values.
pub(super) fn compare_rows(
    (correlation_id, derived): (&str, &Derived),
    (row, carried): (&StatusRow, &[OrderReference]),
    found: &mut Vec<String>,
) {
    if row.correlation_id != correlation_id {
        let is = &row.correlation_id;
        found.push(format!("correlation_id is {is}, should be {correlation_id}"));
    }
    let (is, should) = (&row.status, &derived.status);
    let standings = is.standings.iter().zip(&should.standings);
    for (dimension, (is, should)) in Dimension::ALL.into_iter().zip(standings) {
        // The whole of it where the words are the same.
        let exact = is.word == should.word;
        let text = |at: &Standing| standing_text(dimension, at, exact);
        if is != should {
            let (name, is, should) = (dimension.name(), text(is), text(should));
            found.push(format!("{name} is {is}, should be {should}"));
        }
    }
    for ((name, is), (_, should)) in fields_of(is).into_iter().zip(fields_of(should)) {
        if is != should {
            found.push(format!("{name} is {is}, should be {should}"));
        }
    }
    if carried != derived.references {
        let (is, should) = (carried, &*derived.references);
        let (extra, missing) = (references_text(is, should), references_text(should, is));
        found.push(format!("references have {extra}, should have {missing}"));
    }
}

/// What a status says beside its standings.
fn fields_of(status: &OrderStatus) -> [(&'static str, String); 11] {
    [
        ("revision", status.revision.to_string()),
        ("open_exception_count", status.open_exception_count.to_string()),
        ("open_reasons", list_text(&status.open_reasons)),
        ("oldest_open_at", time_text(status.oldest_open_ns)),
        ("anomaly_rules", list_text(&status.anomaly_rules)),
        ("warehouses", list_text(&status.warehouses)),
        ("sources", list_text(&status.sources)),
        ("updated_offset", status.updated_offset.to_string()),
        ("updated_at", time_text(Some(signed(status.updated_ns)))),
        ("first_occurred_at", time_text(status.first_occurred_ns)),
        ("last_occurred_at", time_text(status.last_occurred_ns)),
    ]
}

/// What a key of `counts` stands for.
pub(super) fn count_text(key: &[u8]) -> String {
    let (kind, value) = key.split_first().map_or((0, key), |(kind, value)| (*kind, value));
    let dimension = Dimension::ALL.into_iter().find(|one| dimension_byte(*one) == kind);
    if let (Some(dimension), [word]) = (dimension, value) {
        return format!("{} {}", dimension.name(), dimension.text(Word(*word)));
    }
    // Behind the length of the value.
    let value = String::from_utf8_lossy(value.get(4..).unwrap_or_default());
    format!("facet {kind:#x} {value:?}")
}

pub(super) fn source_text(row: &SourceRow) -> String {
    let occurred = time_text(row.occurred_at_ns);
    let recorded = time_text(Some(signed(row.recorded_at_ns)));
    let (count, offset) = (row.event_count, row.offset);
    format!("{count} events up to offset {offset}, {occurred} and {recorded}")
}

fn standing_text(dimension: Dimension, at: &Standing, exact: bool) -> String {
    let text = |word| dimension.text(word);
    if !exact {
        return text(at.word).to_owned();
    }
    let (low, high, since) = (text(at.low), text(at.high), time_text(at.since_ns));
    format!("{} ({low} to {high}, since {since})", text(at.word))
}

fn time_text(ns: Option<i64>) -> String {
    ns.map_or("never".to_owned(), |ns| rfc3339(&timestamp(ns), None))
}

fn list_text<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    if items.is_empty() { "none".to_owned() } else { items.join("+") }
}

/// The references that one list has and the other has not.
fn references_text(has: &[OrderReference], other: &[OrderReference]) -> String {
    let only = has.iter().filter(|one| !other.contains(one)).take(REFERENCES_MAX);
    let only: Vec<String> = only.map(reference_text).collect();
    if only.is_empty() { format!("{} in another order", has.len()) } else { list_text(&only) }
}

fn reference_text(one: &OrderReference) -> String {
    let named = one.reference.clone().unwrap_or_default();
    let (first, last) = (one.first_offset, one.last_offset);
    format!("{} {} (#{first} to #{last})", named.r#type, named.value)
}
