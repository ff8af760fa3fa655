//! The types of the catalogue as numbers: told once for each event, and cheap to tell apart.
//! Does not know what events of a type do.

use super::catalogue::{EVENT_TYPES, EventType, place_of};

/// The type of an event: its place in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind(u8);

macro_rules! kinds {
    ($($name:ident = $place:literal, $text:literal;)*) => {
        impl Kind {
            $(pub(crate) const $name: Self = Self($place);)*
        }

        #[cfg(test)]
        const KINDS: &[(Kind, &str)] = &[$((Kind::$name, $text),)*];
    };
}

kinds! {
    ORDER_CREATED = 0, "order.created";
    ORDER_ACCEPTED = 1, "order.accepted";
    ORDER_REJECTED = 2, "order.rejected";
    ORDER_LINE_ADDED = 5, "order.line_added";
    ORDER_LINE_CHANGED = 6, "order.line_changed";
    ORDER_LINE_CANCELLED = 7, "order.line_cancelled";
    ORDER_CANCEL_REQUESTED = 8, "order.cancel_requested";
    ORDER_CANCEL_REJECTED = 9, "order.cancel_rejected";
    ORDER_CANCELLED = 10, "order.cancelled";
    ORDER_REOPENED = 11, "order.reopened";
    ORDER_CLOSED = 12, "order.closed";
    ORDER_REQUESTED = 13, "order.requested";
    INVOICE_POSTED = 14, "invoice.posted";
    INVOICE_REVERSED = 15, "invoice.reversed";
    CREDIT_MEMO_POSTED = 17, "credit_memo.posted";
    PAYMENT_APPROVED = 19, "payment.approved";
    PAYMENT_SETTLED = 20, "payment.settled";
    PAYMENT_DECLINED = 22, "payment.declined";
    ORDER_RELEASED = 28, "order.released";
    ORDER_RELEASE_REVERSED = 29, "order.release_reversed";
    WAREHOUSE_ACKNOWLEDGED = 30, "warehouse.acknowledged";
    WAREHOUSE_REJECTED = 31, "warehouse.rejected";
    ALLOCATION_MADE = 32, "allocation.made";
    ALLOCATION_REVERSED = 33, "allocation.reversed";
    WAVE_RELEASED = 35, "wave.released";
    WAVE_REMOVED = 36, "wave.removed";
    PICK_TASK_CREATED = 37, "pick.task_created";
    PICK_STARTED = 38, "pick.started";
    PICK_CONFIRMED = 39, "pick.confirmed";
    PICK_SHORTED = 40, "pick.shorted";
    PICK_REVERSED = 41, "pick.reversed";
    PACK_CONFIRMED = 42, "pack.confirmed";
    PACK_REVERSED = 43, "pack.reversed";
    CARTON_CLOSED = 44, "carton.closed";
    CARTON_REOPENED = 45, "carton.reopened";
    STAGED = 47, "staged";
    LOADED = 48, "loaded";
    SHIPMENT_CONFIRMED = 49, "shipment.confirmed";
    SHIPMENT_REVERSED = 50, "shipment.reversed";
    GOODS_ISSUE_POSTED = 51, "goods_issue.posted";
    GOODS_ISSUE_REVERSED = 52, "goods_issue.reversed";
    LINE_BACKORDERED = 53, "line.backordered";
    BACKORDER_RELEASED = 54, "backorder.released";
    LINE_SUBSTITUTED = 55, "line.substituted";
    LINE_SHORT_CLOSED = 56, "line.short_closed";
    LABEL_VOIDED = 59, "label.voided";
    DISPATCH_PROOFED = 61, "dispatch.proofed";
    CARRIER_PICKED_UP = 62, "carrier.picked_up";
    TRANSIT_SCANNED = 63, "transit.scanned";
    ETA_UPDATED = 64, "eta.updated";
    OUT_FOR_DELIVERY = 65, "out_for_delivery";
    PICKUP_AVAILABLE = 66, "pickup.available";
    DELIVERY_ATTEMPT_FAILED = 67, "delivery.attempt_failed";
    SHIPMENT_DELIVERED = 68, "shipment.delivered";
    DELIVERY_RECEIVED = 69, "delivery.received";
    DELIVERY_REVERSED = 70, "delivery.reversed";
    SHIPMENT_RETURNING = 71, "shipment.returning";
    SHIPMENT_RETURNED_TO_SENDER = 72, "shipment.returned_to_sender";
    SHIPMENT_LOST = 73, "shipment.lost";
    SHIPMENT_DAMAGED = 74, "shipment.damaged";
    CUSTOMS_HELD = 75, "customs.held";
    CUSTOMS_CLEARED = 76, "customs.cleared";
    TRACKING_REASSIGNED = 77, "tracking.reassigned";
    HOLD_PLACED = 79, "hold.placed";
    HOLD_RELEASED = 80, "hold.released";
    EXCEPTION_RAISED = 81, "exception.raised";
    EXCEPTION_UPDATED = 82, "exception.updated";
    EXCEPTION_RESOLVED = 83, "exception.resolved";
    RETURN_INITIATED = 85, "return.initiated";
    RETURN_AUTHORIZED = 86, "return.authorized";
    RETURN_CANCELLED = 87, "return.cancelled";
    RETURN_RECEIVED = 88, "return.received";
    RETURN_CLOSED = 89, "return.closed";
    STATUS_ASSERTED = 90, "status.asserted";
    EVENT_CORRECTED = 91, "event.corrected";
    REF_LINKED = 92, "ref.linked";
    REF_UNLINKED = 93, "ref.unlinked";
    INTERFACE_SENT = 94, "interface.sent";
    INTERFACE_ACKNOWLEDGED = 95, "interface.acknowledged";
    INTERFACE_FAILED = 96, "interface.failed";
    ORDER_SPLIT = 97, "order.split";
    ORDER_MERGED = 98, "order.merged";
}

impl Kind {
    /// A type that this version does not know.
    pub(crate) const UNKNOWN: Self = Self(u8::MAX);

    /// The types that are milestones, in the order of the catalogue.
    pub(crate) fn milestones() -> impl Iterator<Item = (Self, &'static EventType)> {
        let kinds = (0..).map(Self).zip(EVENT_TYPES);
        kinds.filter(|(_, row)| row.milestone)
    }

    /// Its place in the catalogue.
    pub(crate) fn place(self) -> usize {
        self.0.into()
    }

    /// The type of a name, and its row.
    pub(crate) fn of(name: &str) -> (Self, Option<&'static EventType>) {
        let Some(place) = place_of(name) else { return (Self::UNKNOWN, None) };
        (u8::try_from(place).map_or(Self::UNKNOWN, Self), EVENT_TYPES.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_the_type_of_its_name() {
        for (kind, name) in KINDS {
            let (found, row) = Kind::of(name);
            assert_eq!((found, row.map(|row| row.name)), (*kind, Some(*name)));
        }
        assert_eq!(Kind::of("drone.landed"), (Kind::UNKNOWN, None));
        assert!(EVENT_TYPES.len() < usize::from(u8::MAX));
    }
}
