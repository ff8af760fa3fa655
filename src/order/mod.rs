//! The fold: what an order is, made of its events. Pure.
//! Does not know where events come from.

use std::collections::BTreeMap;

use crate::event::RecordedEvent;
use crate::proto::Reference;

/// An order as far as its events say without being understood: how many, which, and what they name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderSummary {
    /// The number of events that were folded.
    pub event_count: u64,
    /// The first event by offset.
    pub first_event: Option<RecordedEvent>,
    /// The last event by offset.
    pub last_event: Option<RecordedEvent>,
    /// The references that the events carry, each once, in the order in which they first appeared.
    pub references: Vec<OrderReference>,
    /// How many events of each type.
    pub type_counts: BTreeMap<String, u64>,
    /// How many events of each source.
    pub source_counts: BTreeMap<String, u64>,
}

/// A reference, and the events that carry it.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderReference {
    /// The reference.
    pub reference: Reference,
    /// The offset of the first event that carries it.
    pub first_offset: u64,
    /// The offset of the last event that carries it.
    pub last_offset: u64,
}

/// Folds events of one order. A function of the set of events: any order of them gives the same.
pub(crate) fn fold(mut events: Vec<RecordedEvent>) -> OrderSummary {
    events.sort_by_key(|recorded| recorded.offset);
    let mut summary = OrderSummary {
        event_count: crate::num::u64_from(events.len()),
        first_event: events.first().cloned(),
        last_event: events.last().cloned(),
        ..OrderSummary::default()
    };
    for recorded in &events {
        let event = &recorded.event;
        *summary.type_counts.entry(event.event_type().to_owned()).or_default() += 1;
        *summary.source_counts.entry(event.source().to_owned()).or_default() += 1;
        for reference in event.message().refs {
            summary.refer(reference, recorded.offset);
        }
    }
    summary
}

impl OrderSummary {
    fn refer(&mut self, reference: Reference, offset: u64) {
        let known = self.references.iter_mut().find(|known| known.reference == reference);
        match known {
            Some(known) => known.last_offset = offset,
            None => self.references.push(OrderReference {
                reference,
                first_offset: offset,
                last_offset: offset,
            }),
        }
    }
}
