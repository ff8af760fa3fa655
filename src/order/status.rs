//! Where an order stands, in short: what lists show, filter and sort by.
//! Does not know where it is kept.

use serde::{Deserialize, Serialize};

use super::words::{Dimension, Word};
use crate::proto;
use crate::time::{signed, timestamp};

/// Where an order stands on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) low: Word,
    pub(crate) high: Word,
    pub(crate) word: Word,
    /// When the newest event that moved this side occurred.
    pub(crate) since_ns: Option<i64>,
}

/// Where an order stands, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderStatus {
    /// The number of its own events.
    pub(crate) revision: u64,
    /// By [`Dimension::ALL`].
    pub(crate) standings: [Standing; 5],
    pub(crate) open_exception_count: u64,
    /// Reason codes of what is open, sorted, each once.
    pub(crate) open_reasons: Vec<String>,
    pub(crate) oldest_open_ns: Option<i64>,
    /// The rules that found something, sorted, each once.
    pub(crate) anomaly_rules: Vec<String>,
    /// Sorted.
    pub(crate) warehouses: Vec<String>,
    /// Sorted.
    pub(crate) sources: Vec<String>,
    /// The offset of the newest event that this was made of.
    pub(crate) updated_offset: u64,
    /// When the ledger took that event.
    pub(crate) updated_ns: u64,
    pub(crate) first_occurred_ns: Option<i64>,
    pub(crate) last_occurred_ns: Option<i64>,
}

impl Standing {
    fn to_message(self, dimension: Dimension) -> proto::DimensionStatus {
        let text = |word| dimension.text(word).to_owned();
        proto::DimensionStatus {
            low: text(self.low),
            high: text(self.high),
            word: text(self.word),
            since: self.since_ns.map(timestamp),
            offsets: Vec::new(),
        }
    }
}

impl OrderStatus {
    /// The message of this status.
    pub(crate) fn to_message(&self, correlation_id: &str) -> proto::OrderStatus {
        let [commercial, fulfillment, shipment, exception, returns] = self.standings;
        proto::OrderStatus {
            correlation_id: correlation_id.to_owned(),
            revision: self.revision,
            commercial: Some(commercial.to_message(Dimension::Commercial)),
            fulfillment: Some(fulfillment.to_message(Dimension::Fulfillment)),
            shipment: Some(shipment.to_message(Dimension::Shipment)),
            exception: Some(exception.to_message(Dimension::Exception)),
            return_status: Some(returns.to_message(Dimension::Return)),
            open_exception_count: self.open_exception_count,
            open_reasons: self.open_reasons.clone(),
            oldest_open_at: self.oldest_open_ns.map(timestamp),
            anomaly_rules: self.anomaly_rules.clone(),
            warehouses: self.warehouses.clone(),
            sources: self.sources.clone(),
            updated_offset: self.updated_offset,
            updated_at: Some(timestamp(signed(self.updated_ns))),
            first_occurred_at: self.first_occurred_ns.map(timestamp),
            last_occurred_at: self.last_occurred_ns.map(timestamp),
        }
    }
}
