//! How often what happens, in orders (or lines, or events, where said) of a thousand.
//! Does not know when it happens: that is said where the rate is used.

/// The stream begins after entry and acceptance: whoever forwards events was not listening yet.
pub(super) const STARTS_MIDWAY: u64 = 15;
pub(super) const LARGE_ORDER: u64 = 9;
pub(super) const RETAIL: u64 = 420;
/// Of customers of the webshop.
pub(super) const SERVED_BY_PARTNER: u64 = 600;
/// Of lines: as little as is sold.
pub(super) const SMALLEST_QUANTITY: u64 = 300;
pub(super) const REJECTED: u64 = 6;
pub(super) const LINE_CHANGED: u64 = 12;
pub(super) const LINE_ADDED: u64 = 8;

pub(super) const CREDIT_HOLD_OF_RETAIL: u64 = 90;
pub(super) const FRAUD_HOLD_OF_WEB: u64 = 30;
pub(super) const ADDRESS_HOLD_OF_WEB: u64 = 20;
/// Another hold while one is open.
pub(super) const ONE_MORE_HOLD: u64 = 250;
/// Of orders with several holds.
pub(super) const RELEASES_ALL_HOLDS: u64 = 400;
/// A hold is released that nobody said was placed.
pub(super) const SILENT_HOLD: u64 = 6;
pub(super) const SHIPS_WHILE_HELD: u64 = 3;

pub(super) const INVOICED_IN_ADVANCE: u64 = 200;
pub(super) const INTERFACE_FAILS: u64 = 8;
pub(super) const WAREHOUSE_REJECTS: u64 = 7;
/// Of orders with more than one line.
pub(super) const LINE_CANCELLED: u64 = 15;
pub(super) const CANCELLED_IN_TIME: u64 = 25;
pub(super) const CANCELLED_TOO_LATE: u64 = 15;
/// Of cancellations in time: the warehouse was not told and ships.
pub(super) const SHIPPED_AFTER_CANCEL: u64 = 100;

/// Of lines.
pub(super) const OUT_OF_STOCK: u64 = 8;
pub(super) const ALLOCATION_REVERSED: u64 = 5;
/// Of lines.
pub(super) const PICKED_SHORT: u64 = 28;
/// Of short picks, as the next two: the rest follows later. Beyond the three nobody says.
pub(super) const SHORT_IS_BACKORDERED: u64 = 480;
pub(super) const SHORT_IS_CLOSED: u64 = 300;
pub(super) const SHORT_IS_SUBSTITUTED: u64 = 150;
pub(super) const PICK_REVERSED: u64 = 5;
pub(super) const PICK_CORRECTED: u64 = 6;

pub(super) const SHIPMENT_REVERSED: u64 = 7;
pub(super) const LABEL_VOIDED: u64 = 12;

/// Of packages, as the following.
pub(super) const DELAYED: u64 = 20;
pub(super) const ATTEMPT_FAILED: u64 = 50;
pub(super) const LOST: u64 = 2;
pub(super) const REPORTED_DELIVERED_BY_MISTAKE: u64 = 4;

pub(super) const STATUS_CLAIMED: u64 = 200;
/// Of claims.
pub(super) const CLAIM_CONTRADICTS: u64 = 40;
pub(super) const INVOICE_REVERSED: u64 = 10;
pub(super) const COST_POSTED: u64 = 300;
pub(super) const CLOSED: u64 = 120;

pub(super) const RETURNED_BY_WEB: u64 = 70;
pub(super) const RETURNED_BY_RETAIL: u64 = 20;
/// Of returns.
pub(super) const RETURN_NEVER_COMES: u64 = 150;

/// Of events: they wait in a queue or for a retry, behind newer ones of their order.
pub(super) const STRAGGLES: u64 = 110;
/// Of those: for most of a day.
pub(super) const STRAGGLES_LONG: u64 = 150;
/// Of events: they come once more, unchanged.
pub(super) const COMES_TWICE: u64 = 4;
