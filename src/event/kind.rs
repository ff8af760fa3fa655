//! The types of the catalogue as an enum: told once for each event, and cheap to tell apart.
//! Does not know what events of a type do.

use super::catalogue::{EVENT_TYPES, EventType, place_of};

macro_rules! kinds {
    ($($name:ident = $text:literal,)*) => {
        /// The type of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Kind {
            $($name,)*
            /// A type that this version does not know.
            Unknown,
        }

        /// As the rows of the catalogue.
        const KINDS: &[Kind] = &[$(Kind::$name,)*];

        #[cfg(test)]
        const NAMES: &[&str] = &[$($text,)*];
    };
}

kinds! {
    OrderCreated = "order.created",
    OrderAccepted = "order.accepted",
    OrderRejected = "order.rejected",
    OrderPromised = "order.promised",
    OrderChanged = "order.changed",
    OrderLineAdded = "order.line_added",
    OrderLineChanged = "order.line_changed",
    OrderLineCancelled = "order.line_cancelled",
    OrderCancelRequested = "order.cancel_requested",
    OrderCancelRejected = "order.cancel_rejected",
    OrderCancelled = "order.cancelled",
    OrderReopened = "order.reopened",
    OrderClosed = "order.closed",
    OrderRequested = "order.requested",
    InvoicePosted = "invoice.posted",
    InvoiceReversed = "invoice.reversed",
    InvoiceProForma = "invoice.pro_forma",
    CreditMemoPosted = "credit_memo.posted",
    DebitMemoPosted = "debit_memo.posted",
    PaymentApproved = "payment.approved",
    PaymentSettled = "payment.settled",
    PaymentReminded = "payment.reminded",
    PaymentDeclined = "payment.declined",
    RefundPosted = "refund.posted",
    InvoiceIssued = "invoice.issued",
    DebitMemoRequested = "debit_memo.requested",
    ProcurementTriggered = "procurement.triggered",
    OrderReleaseRequested = "order.release_requested",
    OrderReleased = "order.released",
    OrderReleaseReversed = "order.release_reversed",
    WarehouseAcknowledged = "warehouse.acknowledged",
    WarehouseRejected = "warehouse.rejected",
    AllocationMade = "allocation.made",
    AllocationReversed = "allocation.reversed",
    WaveAssigned = "wave.assigned",
    WaveReleased = "wave.released",
    WaveRemoved = "wave.removed",
    PickTaskCreated = "pick.task_created",
    PickStarted = "pick.started",
    PickConfirmed = "pick.confirmed",
    PickShorted = "pick.shorted",
    PickReversed = "pick.reversed",
    PackConfirmed = "pack.confirmed",
    PackReversed = "pack.reversed",
    CartonClosed = "carton.closed",
    CartonReopened = "carton.reopened",
    QualityChecked = "quality.checked",
    Staged = "staged",
    Loaded = "loaded",
    ShipmentConfirmed = "shipment.confirmed",
    ShipmentReversed = "shipment.reversed",
    GoodsIssuePosted = "goods_issue.posted",
    GoodsIssueReversed = "goods_issue.reversed",
    LineBackordered = "line.backordered",
    BackorderReleased = "backorder.released",
    LineSubstituted = "line.substituted",
    LineShortClosed = "line.short_closed",
    ShipmentPlanned = "shipment.planned",
    LabelCreated = "label.created",
    LabelVoided = "label.voided",
    ManifestClosed = "manifest.closed",
    DispatchProofed = "dispatch.proofed",
    CarrierPickedUp = "carrier.picked_up",
    TransitScanned = "transit.scanned",
    EtaUpdated = "eta.updated",
    OutForDelivery = "out_for_delivery",
    PickupAvailable = "pickup.available",
    DeliveryAttemptFailed = "delivery.attempt_failed",
    ShipmentDelivered = "shipment.delivered",
    DeliveryReceived = "delivery.received",
    DeliveryReversed = "delivery.reversed",
    ShipmentReturning = "shipment.returning",
    ShipmentReturnedToSender = "shipment.returned_to_sender",
    ShipmentLost = "shipment.lost",
    ShipmentDamaged = "shipment.damaged",
    CustomsHeld = "customs.held",
    CustomsCleared = "customs.cleared",
    TrackingReassigned = "tracking.reassigned",
    ShipmentCostPosted = "shipment.cost_posted",
    HoldPlaced = "hold.placed",
    HoldReleased = "hold.released",
    ExceptionRaised = "exception.raised",
    ExceptionUpdated = "exception.updated",
    ExceptionResolved = "exception.resolved",
    SlaBreached = "sla.breached",
    ReturnInitiated = "return.initiated",
    ReturnAuthorized = "return.authorized",
    ReturnCancelled = "return.cancelled",
    ReturnReceived = "return.received",
    ReturnClosed = "return.closed",
    StatusAsserted = "status.asserted",
    EventCorrected = "event.corrected",
    RefLinked = "ref.linked",
    RefUnlinked = "ref.unlinked",
    InterfaceSent = "interface.sent",
    InterfaceAcknowledged = "interface.acknowledged",
    InterfaceFailed = "interface.failed",
    OrderSplit = "order.split",
    OrderMerged = "order.merged",
}

impl Kind {
    /// The type of a name, and its row.
    pub(crate) fn of(name: &str) -> (Self, Option<&'static EventType>) {
        let Some(place) = place_of(name) else { return (Self::Unknown, None) };
        (KINDS.get(place).copied().unwrap_or(Self::Unknown), EVENT_TYPES.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_the_types_of_the_catalogue_in_their_order() {
        let names: Vec<&str> = EVENT_TYPES.iter().map(|row| row.name).collect();
        assert_eq!(NAMES, names);
        for (kind, row) in KINDS.iter().zip(EVENT_TYPES) {
            assert_eq!(Kind::of(row.name), (*kind, Some(row)));
        }
        assert_eq!(Kind::of("drone.landed"), (Kind::Unknown, None));
    }
}
