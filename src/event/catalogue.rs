//! The catalogue of event types as data: what each type is called, what it is about and what it
//! moves.
//! It does not know how events are stored or folded, and an event of a type that is not listed
//! here is as welcome as any other.

use std::sync::LazyLock;

use Group::{Commercial, Exception, Fulfillment, Meta, Return, Shipment};

/// Finds an event type by its dotted name.
///
/// `None` means that this version does not know the type: an event of it is kept and replayed, and
/// changes no order. Names are compared exactly, upper and lower case included.
///
/// ```
/// let picked = order_ledger::event_type("pick.confirmed").expect("a known type");
/// assert_eq!(picked.quantity_effect, "picked +");
/// assert!(picked.milestone);
///
/// assert!(order_ledger::event_type("drone.landed").is_none());
/// ```
#[must_use]
pub fn event_type(name: &str) -> Option<&'static EventType> {
    place_of(name).and_then(|place| EVENT_TYPES.get(place))
}

/// The place of a type in [`EVENT_TYPES`]. Every event of a fold is looked up, so this is a table
/// of its own: a slot for each type, found by a few bytes of its name.
pub(super) fn place_of(name: &str) -> Option<usize> {
    static PLACES: LazyLock<Vec<Option<usize>>> = LazyLock::new(places);
    let mut slot = slot_of(name);
    while let Some(place) = PLACES.get(slot % SLOTS).copied().flatten() {
        if EVENT_TYPES.get(place).is_some_and(|row| row.name == name) {
            return Some(place);
        }
        slot += 1;
    }
    None
}

/// Far more than there are types, so that a name is found at the first or second look.
const SLOTS: usize = 512;

fn places() -> Vec<Option<usize>> {
    let mut places = vec![None; SLOTS];
    for (place, row) in EVENT_TYPES.iter().enumerate() {
        let from = slot_of(row.name);
        let free = (from..from + SLOTS).find(|slot| places.get(slot % SLOTS) == Some(&None));
        if let Some(slot) = free.and_then(|slot| places.get_mut(slot % SLOTS)) {
            *slot = Some(place);
        }
    }
    places
}

/// The ends of a name and its length tell nearly all types apart.
fn slot_of(name: &str) -> usize {
    let bytes = name.as_bytes();
    let first = bytes.first_chunk().copied().map_or(0, u32::from_le_bytes);
    let last = bytes.last_chunk().copied().map_or(0, u32::from_le_bytes);
    let mixed = first.wrapping_mul(0x9E37_79B1) ^ last.wrapping_mul(0x85EB_CA6B);
    let mixed = mixed.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
    usize::try_from(mixed.wrapping_mul(0x27D4_EB2F) >> 23).unwrap_or(0)
}

/// One type of event: a row of [`EVENT_TYPES`].
///
/// ```
/// let confirmed = order_ledger::event_type("shipment.confirmed").expect("a known type");
/// assert_eq!(confirmed.id, 260);
/// assert_eq!(confirmed.group, order_ledger::Group::Fulfillment);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EventType {
    /// Number of the type, 1 to 65,535. It is never given to another type.
    pub id: u16,
    /// Dotted name, as it stands in the `type` field of an event.
    pub name: &'static str,
    /// Part of the order's life that the type belongs to.
    pub group: Group,
    /// What an event of the type is about: one word, or several with `|` between them.
    pub subject: &'static str,
    /// The counters of a line that the type moves, such as `picked +`. Empty: it moves none.
    pub quantity_effect: &'static str,
    /// The stage that the type brings a package or shipment to. Empty: it says nothing about the
    /// stage; `(stays)`: it leaves the package where it is.
    pub shipment_stage: &'static str,
    /// Whether the type is a milestone of the order.
    pub milestone: bool,
    /// The fields that make an event of the type useful, by their names in `OrderEvent`. None of
    /// them is required for an event to be accepted.
    pub fields: &'static str,
}

/// The part of an order's life that an event type belongs to.
///
/// ```
/// let held = order_ledger::event_type("hold.placed").expect("a known type");
/// assert_eq!(held.group, order_ledger::Group::Exception);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// What is agreed with the customer, and what is billed.
    Commercial,
    /// What the warehouse does, up to the shipment and its posting.
    Fulfillment,
    /// Where packages and shipments are.
    Shipment,
    /// What stands in the way.
    Exception,
    /// What comes back.
    Return,
    /// What is said about other events, references and messages.
    Meta,
}

impl Group {
    /// Every group, in the order of the catalogue.
    pub const ALL: [Self; 6] = [Commercial, Fulfillment, Shipment, Exception, Return, Meta];

    /// The name of the group, as a filter says it: one lower-case word.
    ///
    /// ```
    /// assert_eq!(order_ledger::Group::Exception.name(), "exception");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Commercial => "commercial",
            Fulfillment => "fulfillment",
            Shipment => "shipment",
            Exception => "exception",
            Return => "return",
            Meta => "meta",
        }
    }
}

/// A row that moves no quantity, sets no stage, is no milestone and names no fields.
const fn row(id: u16, name: &'static str, group: Group, subject: &'static str) -> EventType {
    EventType {
        id,
        name,
        group,
        subject,
        quantity_effect: "",
        shipment_stage: "",
        milestone: false,
        fields: "",
    }
}

impl EventType {
    const fn moves(self, quantity_effect: &'static str) -> Self {
        Self { quantity_effect, ..self }
    }

    const fn stage(self, shipment_stage: &'static str) -> Self {
        Self { shipment_stage, ..self }
    }

    const fn milestone(self) -> Self {
        Self { milestone: true, ..self }
    }

    const fn with(self, fields: &'static str) -> Self {
        Self { fields, ..self }
    }
}

/// Every event type that this version knows, by rising id.
///
/// ```
/// let first = order_ledger::EVENT_TYPES.first().expect("the catalogue is not empty");
/// assert_eq!(first.name, "order.created");
/// ```
#[rustfmt::skip]
pub static EVENT_TYPES: &[EventType] = &[
    row(101, "order.created", Commercial, "order").milestone()
        .with("lines[line_id, sku, quantity, unit]; requested or promised dates if known"),
    row(102, "order.accepted", Commercial, "order").milestone().with("acknowledgement[kind]"),
    row(103, "order.rejected", Commercial, "order").with("reason"),
    row(104, "order.promised", Commercial, "line").with("promised[ship_by or deliver_by]"),
    row(105, "order.changed", Commercial, "order").with("change[values]"),
    row(106, "order.line_added", Commercial, "line").moves("ordered +")
        .with("lines[line_id, sku, quantity, unit]"),
    row(107, "order.line_changed", Commercial, "line").moves("ordered +/-")
        .with("lines[line_id, quantity as the difference]; change[values]"),
    row(108, "order.line_cancelled", Commercial, "line").moves("cancelled +")
        .with("lines[line_id, quantity]; reason; cancellation[requested_by]"),
    row(109, "order.cancel_requested", Commercial, "order|line")
        .with("reason; cancellation[request_id]"),
    row(110, "order.cancel_rejected", Commercial, "order|line")
        .with("cancellation[request_id]; reason"),
    row(111, "order.cancelled", Commercial, "order").moves("cancelled + (all open)").milestone()
        .with("reason; cancellation[requested_by]"),
    row(112, "order.reopened", Commercial, "order|line").moves("cancelled - or closed -")
        .with("reason"),
    row(113, "order.closed", Commercial, "order").milestone().with("closure[kind]"),
    row(114, "order.requested", Commercial, "order")
        .with("quote or requisition in refs, before an order exists"),
    row(120, "invoice.posted", Commercial, "order|line").moves("invoiced +").milestone()
        .with("invoice[invoice_number]; lines[line_id, quantity]; money"),
    row(121, "invoice.reversed", Commercial, "order|line").moves("invoiced -")
        .with("invoice[reversed_invoice_number]; lines[line_id, quantity]"),
    row(122, "invoice.pro_forma", Commercial, "order").with("invoice[invoice_number]"),
    row(123, "credit_memo.posted", Commercial, "order|line").moves("credited +").with("money"),
    row(124, "debit_memo.posted", Commercial, "order|line").with("money"),
    row(125, "payment.approved", Commercial, "order"),
    row(126, "payment.settled", Commercial, "order").with("money"),
    row(127, "payment.reminded", Commercial, "order"),
    row(128, "payment.declined", Commercial, "order").with("reason"),
    row(129, "refund.posted", Commercial, "order").with("money"),
    row(130, "invoice.issued", Commercial, "order|line")
        .with("invoice[invoice_number] of the supplier, not yet posted"),
    row(131, "debit_memo.requested", Commercial, "order|line"),
    row(132, "procurement.triggered", Commercial, "line")
        .with("document[document_id] of the reorder or drop-ship purchase order"),

    row(201, "order.release_requested", Fulfillment, "order|line").milestone()
        .with("release[command_id, release_id]; location[warehouse]; lines[line_id, quantity]"),
    row(202, "order.released", Fulfillment, "order|line").moves("released +").milestone()
        .with("location[warehouse]; lines[line_id, quantity]; release[release_id]"),
    row(203, "order.release_reversed", Fulfillment, "order|line").moves("released -")
        .with("lines[line_id, quantity]; reason"),
    row(204, "warehouse.acknowledged", Fulfillment, "order").milestone()
        .with("location[warehouse]; release[release_id, warehouse_order_id]"),
    row(205, "warehouse.rejected", Fulfillment, "order|line").moves("released -")
        .with("lines[line_id, quantity]; reason"),
    row(210, "allocation.made", Fulfillment, "line").moves("allocated +").milestone()
        .with("lines[line_id, quantity, lot if known]; location[warehouse]"),
    row(211, "allocation.reversed", Fulfillment, "line").moves("allocated -")
        .with("lines[line_id, quantity]; reason"),
    row(220, "wave.assigned", Fulfillment, "order|line").with("wave[wave_id]"),
    row(221, "wave.released", Fulfillment, "order|line").milestone().with("wave[wave_id]"),
    row(222, "wave.removed", Fulfillment, "order|line").with("wave[wave_id]; reason"),
    row(230, "pick.task_created", Fulfillment, "line").moves("tasked +")
        .with("pick_task[task_id]; lines[line_id, quantity]"),
    row(231, "pick.started", Fulfillment, "order|line"),
    row(232, "pick.confirmed", Fulfillment, "line").moves("picked +").milestone()
        .with("lines[line_id, quantity, bin, lot, serials]; location[warehouse]"),
    row(233, "pick.shorted", Fulfillment, "line").moves("short +")
        .with("lines[line_id, quantity, bin]; reason; \
               short[substitution_eligible, backorder_triggered]"),
    row(234, "pick.reversed", Fulfillment, "line").moves("picked -")
        .with("lines[line_id, quantity]"),
    row(240, "pack.confirmed", Fulfillment, "line").moves("packed +").milestone()
        .with("lines[line_id, quantity, carton]; package[carton_id]"),
    row(241, "pack.reversed", Fulfillment, "line").moves("packed -")
        .with("lines[line_id, quantity]; package[carton_id]"),
    row(242, "carton.closed", Fulfillment, "carton")
        .moves("packed + when lines carry a quantity and no pack.confirmed is for the carton")
        .with("package[sscc or carton_id, weight_grams, length_mm, width_mm, height_mm]"),
    row(243, "carton.reopened", Fulfillment, "carton").with("package[carton_id]"),
    row(244, "quality.checked", Fulfillment, "line|carton").with("quality[result]"),
    row(250, "staged", Fulfillment, "shipment|carton").moves("staged +")
        .with("location[dock]; lines[line_id, quantity]"),
    row(251, "loaded", Fulfillment, "shipment|carton").moves("loaded +")
        .with("shipment[load_id, trailer_id]; lines[line_id, quantity]"),
    row(260, "shipment.confirmed", Fulfillment, "shipment").moves("shipped +")
        .stage("dispatched (if no proof of dispatch is sent)").milestone()
        .with("shipment[shipment_id, carrier, tracking_numbers]; lines[line_id, quantity]; \
               location[warehouse]"),
    row(261, "shipment.reversed", Fulfillment, "shipment").moves("shipped -").stage("voided")
        .with("shipment[shipment_id]; lines[line_id, quantity]; reason"),
    row(262, "goods_issue.posted", Fulfillment, "shipment").moves("gi_posted +")
        .with("document[document_id]; lines[line_id, quantity]"),
    row(263, "goods_issue.reversed", Fulfillment, "shipment").moves("gi_posted -")
        .with("document[reversed_document_id]; lines[line_id, quantity]"),
    row(270, "line.backordered", Fulfillment, "line").moves("backordered +")
        .with("lines[line_id, quantity]; backorder[new_line_id, new_correlation_id, expected_at]"),
    row(271, "backorder.released", Fulfillment, "line").moves("backordered -")
        .with("lines[line_id, quantity]"),
    row(272, "line.substituted", Fulfillment, "line")
        .moves("substituted_out + on the old line, ordered + on the new line")
        .with("substitution[from_line_id, from_sku, from_quantity, to_line_id, to_sku, \
               to_quantity, ratio, approved_by]"),
    row(273, "line.short_closed", Fulfillment, "line").moves("short_closed +")
        .with("lines[line_id, quantity]; reason"),

    row(301, "shipment.planned", Shipment, "shipment").stage("planned")
        .with("shipment[shipment_id]"),
    row(302, "label.created", Shipment, "package").stage("labelled").milestone()
        .with("package[tracking_number, carrier, service]"),
    row(303, "label.voided", Shipment, "package").stage("voided")
        .with("package[tracking_number]"),
    row(304, "manifest.closed", Shipment, "shipment|package").stage("manifested").milestone()
        .with("shipment[manifest_id]"),
    row(305, "dispatch.proofed", Shipment, "shipment").stage("dispatched").milestone()
        .with("shipment[departed_at, seal_id, driver_id, load_id]"),
    row(306, "carrier.picked_up", Shipment, "package|shipment").moves("collected +")
        .stage("in_carrier_custody").milestone()
        .with("package[tracking_number]"),
    row(307, "transit.scanned", Shipment, "package").stage("in_transit")
        .with("package[tracking_number]; location[place]; origin[code]"),
    row(308, "eta.updated", Shipment, "package|shipment")
        .with("eta[expected_at, previous_expected_at]"),
    row(309, "out_for_delivery", Shipment, "package").stage("out_for_delivery").milestone()
        .with("package[tracking_number]"),
    row(310, "pickup.available", Shipment, "package").stage("available_for_pickup")
        .with("location[place]"),
    row(311, "delivery.attempt_failed", Shipment, "package").stage("(stays)")
        .with("reason; delivery[attempt_number]"),
    row(312, "shipment.delivered", Shipment, "package|shipment").moves("delivered +")
        .stage("delivered").milestone()
        .with("package[tracking_number] or shipment[shipment_id]; delivery[signed] if known"),
    row(313, "delivery.received", Shipment, "order|line").moves("delivered +")
        .stage("delivered").milestone()
        .with("document[document_id] of the receiving advice; lines[line_id, quantity]"),
    row(314, "delivery.reversed", Shipment, "line").moves("delivered -")
        .with("document[reversed_document_id]; lines[line_id, quantity]"),
    row(315, "shipment.returning", Shipment, "package").stage("returning").with("reason"),
    row(316, "shipment.returned_to_sender", Shipment, "package")
        .moves("delivered - if it was counted").stage("returned"),
    row(317, "shipment.lost", Shipment, "package").stage("lost"),
    row(318, "shipment.damaged", Shipment, "package").stage("(stays)"),
    row(319, "customs.held", Shipment, "package").stage("(stays)").with("reason"),
    row(320, "customs.cleared", Shipment, "package").stage("(stays)"),
    row(321, "tracking.reassigned", Shipment, "package").stage("(stays)")
        .with("tracking_reassignment[old_tracking_number, new_tracking_number, unique ids]"),
    row(330, "shipment.cost_posted", Shipment, "shipment")
        .with("shipment[shipment_id]; money[kind, amount_minor, currency, basis]"),

    row(401, "hold.placed", Exception, "order|line|shipment")
        .with("hold[hold_id, kind, scope, blocks]; reason"),
    row(402, "hold.released", Exception, "order|line|shipment").with("hold[hold_id or all]"),
    row(403, "exception.raised", Exception, "any")
        .with("exception[exception_id, severity, affected_quantity]; reason; location"),
    row(404, "exception.updated", Exception, "any").with("exception[exception_id]"),
    row(405, "exception.resolved", Exception, "any").with("exception[exception_id, resolution]"),
    row(406, "sla.breached", Exception, "order")
        .with("milestone_breach[milestone, due_at, detected_at]; derived, not told by a source"),

    row(501, "return.initiated", Return, "order|line").milestone()
        .with("return_details[rma]; lines[line_id, quantity]; reason"),
    row(502, "return.authorized", Return, "order|line").with("return_details[rma]"),
    row(503, "return.cancelled", Return, "order|line").with("return_details[rma]"),
    row(504, "return.received", Return, "line").moves("returned +")
        .with("return_details[rma, condition]; lines[line_id, quantity]"),
    row(505, "return.closed", Return, "order|line").with("return_details[rma, disposition]"),

    row(601, "status.asserted", Meta, "any")
        .with("asserted[dimension, value or low and high, code]: a claim, not a fact"),
    row(602, "event.corrected", Meta, "event")
        .moves("undoes or replaces the effect of the named event")
        .with("correction[target_source, target_event_id, kind, corrective_event_ids]"),
    row(603, "ref.linked", Meta, "order").with("refs[type, issuer, value]"),
    row(604, "ref.unlinked", Meta, "order").with("refs[type, issuer, value]"),
    row(605, "interface.sent", Meta, "order").with("interface_message[message_id, target]"),
    row(606, "interface.acknowledged", Meta, "order")
        .with("interface_message[message_id]: technical, not the warehouse's acknowledgment"),
    row(607, "interface.failed", Meta, "order")
        .with("interface_message[message_id, attempts, dead_letter]"),
    row(608, "order.split", Meta, "order").with("relation[correlation_ids] of the parts"),
    row(609, "order.merged", Meta, "order").with("relation[surviving_correlation_id]"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_catalogue_has_every_type() {
        assert_eq!(EVENT_TYPES.len(), 99);
    }

    #[test]
    fn ids_are_unique_and_rise() {
        assert!(EVENT_TYPES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = EVENT_TYPES.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), EVENT_TYPES.len());
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for row in EVENT_TYPES {
            assert_eq!(event_type(row.name), Some(row));
        }
    }

    #[test]
    fn an_unknown_name_is_not_found() {
        for name in ["drone.landed", "Pick.Confirmed", "pick.confirmed ", "pick", ""] {
            assert_eq!(event_type(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_type_belongs_to_the_group_of_its_hundred() {
        for row in EVENT_TYPES {
            let group = match row.id / 100 {
                1 => Group::Commercial,
                2 => Group::Fulfillment,
                3 => Group::Shipment,
                4 => Group::Exception,
                5 => Group::Return,
                _ => Group::Meta,
            };
            assert_eq!(row.group, group, "{}", row.name);
        }
    }
}
