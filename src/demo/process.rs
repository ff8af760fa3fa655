//! The distributor's process: the stages of an order, from entry to a possible return.
//! Does not know how an order gets from a stage to the next one: time passes elsewhere.

use super::order::Order;
use super::{billing, carrier, entry, release, returns, shipping, warehouse};

/// A stage of an order. One with backorders goes through the middle ones again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Created, accepted, changed, held.
    Entry,
    /// Sent to the warehouse, and taken there.
    Release,
    /// Allocated, picked and packed.
    Warehouse,
    /// Labelled, loaded and gone.
    Shipping,
    /// On its way, until it is delivered.
    Carrier,
    /// Invoiced, and closed.
    Billing,
    /// Sent back by the customer.
    Return,
}

impl Stage {
    /// Brings the order through this stage, telling what happens. The next stage begins at the
    /// order's time; `None` where the order is done.
    pub(super) fn run(self, order: &mut Order) -> Option<Self> {
        match self {
            Self::Entry => entry::entry(order),
            Self::Release => release::release(order),
            Self::Warehouse => warehouse::warehouse(order),
            Self::Shipping => Some(shipping::shipping(order)),
            Self::Carrier => Some(carrier::carrier(order)),
            Self::Billing => billing::billing(order),
            Self::Return => returns::returns(order),
        }
    }
}
