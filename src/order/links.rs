//! What events say of other orders: linked histories, splits and merges.
//! Does not know what these orders are.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::facts::Facts;
use super::policy::Policy;
use crate::event::{Event, Fact, Heard, Kind, RecordedEvent, path};
use crate::proto::{OrderRelationKind as Relation, RelatedOrder};

/// Histories of events that name no known order stand under this, then the source and its number.
pub(crate) const UNRESOLVED_PREFIX: &str = "unresolved/";

/// What an order's own event says of another order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The other order.
    pub(crate) target: String,
    /// How this order has to do with it.
    pub(crate) relation: Relation,
    pub(crate) offset: u64,
}

/// The orders that an event links, splits into or merges with: those whose state it may change.
/// Empty for nearly every event.
pub(crate) fn link_targets(event: &Event) -> BTreeSet<String> {
    let kinds = ["ref.linked", "ref.unlinked", "order.split", "order.merged"];
    if !kinds.contains(&event.event_type()) {
        return BTreeSet::new();
    }
    let recorded = RecordedEvent {
        offset: 0,
        revision: 0,
        recorded_at_ns: 0,
        event: event.clone(),
        previous: [0; 32],
    };
    let own = event.correlation_id();
    let heard = Heard::of(std::slice::from_ref(&recorded));
    heard.facts().flat_map(|fact| named_by(&fact, own)).map(|(target, _)| target).collect()
}

/// Whether an event may change what its order says of others.
pub(crate) fn moves_links(event: &Event) -> bool {
    event.event_type() == "event.corrected" || !link_targets(event).is_empty()
}

/// The links that hold, of an order's own events: those that were not taken back.
pub(crate) fn links(own: &[RecordedEvent]) -> Vec<Link> {
    let kinds = ["ref.linked", "order.split", "order.merged"];
    if !own.iter().any(|recorded| kinds.contains(&recorded.event.event_type())) {
        return Vec::new();
    }
    let order = own.first().map_or("", |first| first.event.correlation_id());
    let heard = Heard::of(own);
    let facts = Facts::of(&heard, &Policy::default());
    let mut links: Vec<Link> = Vec::new();
    let mut known: HashSet<(String, Relation)> = HashSet::new();
    for (_, fact) in facts.counting() {
        let named = named_by(fact, order);
        if fact.kind == Kind::REF_UNLINKED {
            let named: HashSet<String> = named.into_iter().map(|(target, _)| target).collect();
            links.retain(|link| !named.contains(&link.target));
            known.retain(|(target, _)| !named.contains(target));
            continue;
        }
        for (target, relation) in named {
            if known.insert((target.clone(), relation)) {
                links.push(Link { target, relation, offset: fact.offset() });
            }
        }
    }
    links
}

/// What an order, given with its own events, says about another one, as that one sees it.
pub(crate) fn said_about(
    correlation_id: &str,
    (other, events): (&str, &[RecordedEvent]),
) -> Vec<RelatedOrder> {
    said_by(other, events).remove(correlation_id).unwrap_or_default()
}

/// What an order, given with its own events, says about others, by what they are called.
pub(crate) fn said_by(other: &str, events: &[RecordedEvent]) -> HashMap<String, Vec<RelatedOrder>> {
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

/// The orders that a fact names, and how.
fn named_by(fact: &Fact<'_>, own: &str) -> Vec<(String, Relation)> {
    let mut named = Vec::new();
    match fact.kind {
        Kind::REF_LINKED | Kind::REF_UNLINKED => {
            for reference in fact.references {
                let target = if reference.value.starts_with(UNRESOLVED_PREFIX) {
                    reference.value.to_owned()
                } else {
                    format!("{UNRESOLVED_PREFIX}{}/{}", reference.issuer, reference.value)
                };
                named.push((target, Relation::LinkedHistory));
            }
        }
        Kind::ORDER_SPLIT => {
            let parts = fact.texts(path::RELATED_ORDERS).map(str::to_owned);
            named.extend(parts.map(|part| (part, Relation::SplitInto)));
        }
        Kind::ORDER_MERGED => {
            let surviving = fact.text(path::SURVIVING_ORDER);
            let merged = fact.texts(path::RELATED_ORDERS).filter(|order| *order != own);
            if surviving == own || surviving.is_empty() {
                named.extend(merged.map(|order| (order.to_owned(), Relation::MergedFrom)));
            } else {
                named.push((surviving.to_owned(), Relation::MergedInto));
            }
        }
        _ => {}
    }
    named.retain(|(target, _)| target != own && !target.is_empty());
    named
}
