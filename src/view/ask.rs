//! What lists and look-ups ask for and answer. Does not know how they are found.

use crate::order::{Dimension, OrderStatus, Word};
use crate::proto::OrderReference;

/// Which orders are wanted: all that is said must hold, of several values of one field any may.
/// What is empty or `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderFilter {
    /// Dimensions with the words that are wanted of each. A dimension may stand here several times.
    pub(crate) words: Vec<(Dimension, Vec<Word>)>,
    /// With something open for one of these reason codes.
    pub(crate) open_reasons: Vec<String>,
    /// With something open, or with nothing open.
    pub(crate) has_open_exception: Option<bool>,
    /// With an event at one of these warehouses.
    pub(crate) warehouses: Vec<String>,
    /// With an event of one of these sources.
    pub(crate) sources: Vec<String>,
    /// With an event that the ledger took at or after this time, in nanoseconds of the Unix epoch.
    pub(crate) updated_since_ns: Option<u64>,
    /// That have stood still on one side for at least so many nanoseconds.
    pub(crate) stage_age: Option<(Dimension, u64)>,
    /// With something found by one of these rules.
    pub(crate) anomaly_rules: Vec<String>,
}

/// How a list is sorted; ties by the order in which the ledger first saw the orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListSort {
    /// The one that changed last first.
    #[default]
    Updated,
    /// The one that the ledger saw first first.
    FirstSeen,
    /// The one that has stood still longest on one side first; those that never moved there last.
    StageAge(Dimension),
}

/// Asks for a list of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// Which orders.
    pub(crate) filter: OrderFilter,
    /// In which order.
    pub(crate) sort: ListSort,
    /// The other way round.
    pub(crate) reverse: bool,
    /// The largest number of rows; 0 is taken as 1.
    pub(crate) limit: usize,
    /// Only what stands behind this; see [`OrderList::next`].
    pub(crate) after: Option<ListPosition>,
    /// The time that ages are measured at, in nanoseconds of the Unix epoch.
    pub(crate) now_ns: i64,
}

/// A place in a list: that of its last row. It holds for the same filter, sort and direction, also
/// while the ledger grows: an order that does not change is listed exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListPosition {
    /// What the list is sorted by, as a number without meaning elsewhere.
    pub(crate) rank: u64,
    /// The number of the order, by first sight.
    pub(crate) number: u64,
}

/// A list of orders, or a page of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderList {
    /// Names of orders, and where they stand.
    pub(crate) rows: Vec<(String, OrderStatus)>,
    /// Where the next page begins; `None` on the last one.
    pub(crate) next: Option<ListPosition>,
    /// The head that the answer reflects.
    pub(crate) basis: u64,
}

/// Asks for the orders that carry a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FindQuery {
    /// The number or name, compared exactly; also the name of an order itself.
    pub(crate) value: String,
    /// Only references of this type; `correlation_id` stands for the name of an order itself.
    pub(crate) kind: Option<String>,
    /// Only references of this issuer.
    pub(crate) issuer: Option<String>,
    /// The largest number of rows; 0 is taken as 1.
    pub(crate) limit: usize,
    /// Only what stands behind this; see [`FoundOrders::next`].
    pub(crate) after: Option<FindPosition>,
}

/// A place among found orders. It holds for the same question, also while the ledger grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FindPosition(pub(crate) Vec<u8>);

/// Orders that carry a reference, or a page of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FoundOrders {
    /// An order whose own name is asked for comes first; then by type and issuer of the reference,
    /// then the order that was seen last first.
    pub(crate) rows: Vec<FoundOrder>,
    /// Where the next page begins; `None` on the last one.
    pub(crate) next: Option<FindPosition>,
    /// The head that the answer reflects.
    pub(crate) basis: u64,
}

/// An order that carries a reference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundOrder {
    /// The reference, and when it was in use. For the name of an order, its type is
    /// `correlation_id`.
    pub(crate) reference: OrderReference,
    /// The order.
    pub(crate) correlation_id: String,
    /// Where it stands.
    pub(crate) status: OrderStatus,
}

/// How far the news of one source reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceWatermark {
    /// The source.
    pub source: String,
    /// The number of its events.
    pub event_count: u64,
    /// The newest time at which an event of it occurred, in nanoseconds of the Unix epoch. `None`
    /// where none says when.
    pub occurred_at_ns: Option<i64>,
    /// When the ledger took the last event of it, in nanoseconds of the Unix epoch.
    pub recorded_at_ns: u64,
    /// The offset of that event.
    pub offset: u64,
}
