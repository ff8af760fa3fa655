//! What the rules have to know about a house: which warehouses report what, and what is allowed.
//! Does not know the rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the rules for anomalies have to know about a house. The defaults suit one that has said
/// nothing.
///
/// ```
/// use order_ledger::{Policy, WarehousePolicy};
///
/// let in_advance = vec!["erp:prd-100".into()];
/// let mut policy = Policy { invoice_in_advance: in_advance, ..Default::default() };
/// let silent = WarehousePolicy { reports_picks: Some(false), ..Default::default() };
/// policy.warehouses.insert("3pl-east".into(), silent);
/// assert_eq!(policy.clock_skew_seconds, 300);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What each warehouse reports, by its code in `location.warehouse`.
    pub warehouses: BTreeMap<String, WarehousePolicy>,
    /// Sources that may invoice before anything is shipped: R08 and R09 do not find it. `*` stands
    /// for every source.
    pub invoice_in_advance: Vec<String>,
    /// How far an event may lie in the future of the time at which it was recorded, in seconds;
    /// beyond it, R13 finds it implausible.
    pub clock_skew_seconds: u32,
    /// The earliest plausible time of an event, in seconds of the Unix epoch. Usually 1990.
    pub earliest_plausible_seconds: i64,
    /// How long an invoice may exceed what is shipped before R09 finds it, in seconds, measured by
    /// the newest event of the order: a fold has no clock of its own.
    pub invoice_grace_seconds: u32,
}

/// What one warehouse reports. What is not said is concluded from the order: a warehouse that
/// reported a pick of it reports picks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarehousePolicy {
    /// Whether it reports picks: R01.
    pub reports_picks: Option<bool>,
    /// Whether it reports packs: R02.
    pub reports_packs: Option<bool>,
    /// Whether it sends a proof of dispatch: a confirmed shipment is not dispatched without it.
    pub reports_dispatch: Option<bool>,
}

/// 1990-01-01T00:00:00Z.
const YEAR_1990_SECONDS: i64 = 631_152_000;

impl Default for Policy {
    fn default() -> Self {
        Self {
            warehouses: BTreeMap::new(),
            invoice_in_advance: Vec::new(),
            clock_skew_seconds: 300,
            earliest_plausible_seconds: YEAR_1990_SECONDS,
            invoice_grace_seconds: 0,
        }
    }
}
