//! The rest of an order's history: events of histories that it has linked. Does not know where
//! events are read from.

use std::collections::BTreeSet;

use crate::event::RecordedEvent;
use crate::order::{UNRESOLVED_PREFIX, link_targets, links};
use crate::proto::OrderRelationKind as Relation;

/// The names of the orders that an order's own events ever named, whether it holds or not.
pub(crate) fn targets_of(own: &[RecordedEvent]) -> BTreeSet<String> {
    own.iter().flat_map(|recorded| link_targets(&recorded.event)).collect()
}

/// Whether an order's own events ever named another one.
pub(crate) fn names_others(own: &[RecordedEvent]) -> bool {
    own.iter().any(|recorded| !link_targets(&recorded.event).is_empty())
}

/// The names of the histories that an order has linked.
pub(crate) fn histories_of(correlation_id: &str, own: &[RecordedEvent]) -> BTreeSet<String> {
    links(own)
        .into_iter()
        .filter(|link| {
            link.relation == Relation::LinkedHistory
                && link.target.starts_with(UNRESOLVED_PREFIX)
                && link.target != correlation_id
        })
        .map(|link| link.target)
        .collect()
}
