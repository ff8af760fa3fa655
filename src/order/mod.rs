//! The fold: what an order is, made of its events. Pure.
//! Does not know where events come from.
//!
//! An order is a function of the **set** of its events. They are put into an order that arrival
//! cannot change, those that do not count are left out, each of the rest becomes postings on the
//! counters of lines, and words are read off the sums. Claims of a status are compared and move
//! nothing.

mod authority;
#[cfg(test)]
mod cases;
mod claims;
mod commercial;
mod consequences;
mod contents;
mod counter;
mod diff;
mod effects;
mod evidence;
mod exceptions;
mod facts;
mod folded;
mod fulfillment;
mod holds;
mod joined;
mod lines;
mod links;
mod milestones;
mod moment;
mod moves;
mod names;
mod packages;
mod parcels;
mod policy;
mod postings;
mod quantity;
mod reason;
mod references;
mod replay;
mod returns;
mod rules;
mod severity;
mod shipment;
mod shipments;
mod show;
mod shown_lines;
mod stage;
mod status;
#[cfg(test)]
pub(crate) mod tests;
mod violations;
mod words;

pub(crate) use diff::differences;
pub(crate) use effects::effects;
pub(crate) use links::{UNRESOLVED_PREFIX, link_targets, links, moves_links, said_about, said_by};
pub use policy::{Policy, WarehousePolicy};
pub(crate) use rules::RULES;
pub(crate) use status::{OrderStatus, Standing};
pub(crate) use words::{Dimension, Word};

use std::collections::HashMap;

use crate::event::{Heard, RecordedEvent};
use crate::proto;
use folded::Folded;

/// All that a state is folded from. [`Ledger::history`](crate::Ledger::history) has it of an order
/// in a ledger.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The order.
    pub correlation_id: &'a str,
    /// The order's own events, and those of linked histories, in any order.
    pub events: &'a [RecordedEvent],
    /// What other orders say about this one.
    pub incoming: &'a [proto::RelatedOrder],
}

/// What lists and look-ups need of an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Derived {
    pub(crate) status: OrderStatus,
    /// The references that the order's events carry, and those of histories that it has linked.
    pub(crate) references: Vec<proto::OrderReference>,
}

/// What lists and look-ups need of an order.
pub(crate) fn derive(history: &History<'_>, policy: &Policy) -> Derived {
    let heard = Heard::of(history.events);
    let folded = Folded::of((history, &heard), policy);
    let references = references::references_of(&folded.facts);
    Derived { status: show::status_of(&folded, history), references }
}

/// The state of an order. A function of the set of events: any order of them gives the same.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
/// use order_ledger::{AsOf, Batch, Event, History, Limits, Policy, fold};
///
/// let released = r#"{"correlation_id":"erp/7","source":"erp:prd","event_id":"r-1",
///     "type":"order.released","lines":[{"line_id":"10","quantity":"4"}]}"#;
/// let released = Event::from_json(released, &Limits::default())
///     .map_err(|violations| format!("{violations:?}"))?;
/// ledger.append(Batch::of([released]))?;
///
/// let full = ledger.history("erp/7", AsOf::default())?;
/// let history =
///     History { correlation_id: "erp/7", events: &full.events, incoming: &full.incoming };
/// let order = fold(&history, &Policy::default());
/// assert_eq!(order.lines[0].released.as_ref().map(|known| &*known.quantity), Some("4"));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn fold(history: &History<'_>, policy: &Policy) -> proto::Order {
    let heard = Heard::of(history.events);
    show::order_of(&Folded::of((history, &heard), policy), history)
}

/// The state of an order, and what each of its events changed: folded once for both.
pub(crate) fn fold_with_effects(
    history: &History<'_>,
    policy: &Policy,
) -> (proto::Order, HashMap<u64, Vec<String>>) {
    let heard = Heard::of(history.events);
    let folded = Folded::of((history, &heard), policy);
    (show::order_of(&folded, history), effects::effects_of(&folded))
}
