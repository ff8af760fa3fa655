//! A small deterministic simulator: orders of a distributor with three warehouses and a logistics
//! partner, told as such orders are told: late, twice, out of order and sometimes wrongly.
//! Does not know the ledger; it only makes events for one.

mod arrival;
mod billing;
mod carrier;
mod clock;
mod customers;
mod entry;
mod fact;
mod items;
mod line;
mod odds;
mod order;
mod package;
mod picking;
mod process;
mod random;
mod release;
mod returns;
mod shipping;
#[cfg(test)]
mod tests;
mod warehouse;
mod world;

use crate::proto::OrderEvent;

/// Orders of an invented distributor.
///
/// The same orders and seed give the same events, byte by byte, everywhere. The first order is
/// entered at 2026-01-05T06:00:00Z. Up to 86,400 orders come at one in 90 seconds on average; more
/// orders come faster, so that all are entered within 90 days. Another seed tells other events of
/// the same order numbers: one ledger takes one demo.
///
/// ```
/// use order_ledger::demo::Demo;
///
/// let demo = Demo { orders: 100, ..Demo::default() };
/// let picks = demo.events().filter(|event| event.r#type == "pick.confirmed").count();
/// assert!(picks > 50);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// How many orders are entered. A few of them are never heard of under `order.created`.
    pub orders: u64,
    /// What all chance follows from.
    pub seed: u64,
}

impl Default for Demo {
    /// 1,000 orders with seed 1.
    ///
    /// ```
    /// use order_ledger::demo::Demo;
    ///
    /// assert_eq!(Demo::default(), Demo { orders: 1_000, seed: 1 });
    /// ```
    fn default() -> Self {
        Self { orders: 1_000, seed: 1 }
    }
}

impl Demo {
    /// The events of all orders in the order in which they arrive, which is not the order in which
    /// things happened: about one in ten comes behind a newer event of its order, and a few come
    /// once more, unchanged.
    ///
    /// Events are made while they are taken; only orders in flight are held in memory. Each is
    /// valid for [`Event::new`](crate::Event::new).
    ///
    /// ```
    /// use order_ledger::{Event, demo::Demo};
    ///
    /// let first = Demo::default().events().next().expect("a first event");
    /// assert_eq!(Event::new(&first)?.event_type(), "order.created");
    /// # Ok::<(), Vec<order_ledger::Violation>>(())
    /// ```
    pub fn events(&self) -> impl Iterator<Item = OrderEvent> + use<> {
        arrival::Arrivals::of(self)
    }
}
