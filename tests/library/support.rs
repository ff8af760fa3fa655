//! What the tests of the library share.

use order_ledger::proto::{Line, OrderEvent};
use order_ledger::{Batch, Event, Ledger, Options, Outcome, Receipt};

/// A small event of an order; equal arguments give equal events.
pub(crate) fn event(order: &str, id: &str) -> Event {
    event_with(order, id, "1")
}

/// The same with another quantity: other content.
pub(crate) fn event_with(order: &str, id: &str, quantity: &str) -> Event {
    Event::new(&OrderEvent {
        correlation_id: order.into(),
        source: "wms:dc1".into(),
        event_id: id.into(),
        r#type: "pick.confirmed".into(),
        lines: vec![Line { line_id: "10".into(), quantity: quantity.into(), ..Default::default() }],
        ..Default::default()
    })
    .unwrap()
}

/// A ledger of small segments in a new folder.
pub(crate) fn open(folder: &std::path::Path) -> Ledger {
    let options = Options { segment_bytes: 64 * 1024, ..Options::default() };
    Ledger::open(folder, options).unwrap()
}

/// Appends one event; its outcome.
pub(crate) fn append_one(ledger: &Ledger, event: Event) -> Outcome {
    ledger.append(Batch::of([event])).unwrap().outcomes[0]
}

/// The receipt of an event that must be new.
pub(crate) fn appended(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Appended(receipt) => receipt,
        other @ (Outcome::Duplicate(_) | Outcome::DeadLettered(_)) => panic!("not new: {other:?}"),
    }
}
