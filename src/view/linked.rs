//! The rest of an order's history: events of histories that it has linked, and what other orders
//! say about it. Does not know where events are read from.

use std::collections::{BTreeSet, HashMap};

use crate::event::RecordedEvent;
use crate::order::{UNRESOLVED_PREFIX, link_targets, links};
use crate::proto::{OrderRelationKind as Relation, RelatedOrder};

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

/// What an order, given with its own events, says about another one, as that one sees it.
pub(crate) fn said_about(
    correlation_id: &str,
    (other, events): (&str, &[RecordedEvent]),
) -> Vec<RelatedOrder> {
    said_by(other, events).remove(correlation_id).unwrap_or_default()
}

/// What an order, given with its own events, says about others, by what they are called.
pub(super) fn said_by(other: &str, events: &[RecordedEvent]) -> HashMap<String, Vec<RelatedOrder>> {
    let mut said: HashMap<String, Vec<RelatedOrder>> = HashMap::new();
    for link in links(events) {
        let related = RelatedOrder {
            relation: inverse(link.relation).into(),
            correlation_id: other.to_owned(),
            offset: link.offset,
        };
        said.entry(link.target).or_default().push(related);
    }
    said.remove(other);
    said
}

fn inverse(relation: Relation) -> Relation {
    match relation {
        Relation::Unspecified => Relation::Unspecified,
        Relation::LinkedHistory => Relation::LinkedTo,
        Relation::LinkedTo => Relation::LinkedHistory,
        Relation::SplitInto => Relation::SplitFrom,
        Relation::SplitFrom => Relation::SplitInto,
        Relation::MergedInto => Relation::MergedFrom,
        Relation::MergedFrom => Relation::MergedInto,
    }
}
