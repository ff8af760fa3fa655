//! What facts of each type move, and by what a reversal names it.
//! Does not know lines nor sums.

use super::counter::Counter;
use super::stage::Stage;
use crate::event::{Fact, FactLine, Kind, path};

/// How far a statement without a quantity brings what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What had come as far as the stage before stands at this one.
    Lift(Stage),
    /// All of it is counted, as far as it was not counted yet.
    Whole(Counter),
}

/// What an event of a type moves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    Add(Counter),
    Take(Counter),
}

pub(crate) fn move_of(kind: Kind) -> Option<Move> {
    use Move::{Add, Take};
    Some(match kind {
        Kind::OrderCreated | Kind::OrderLineAdded | Kind::OrderLineChanged => Add(Counter::ORDERED),
        Kind::OrderLineCancelled | Kind::OrderCancelled => Add(Counter::CANCELLED),
        Kind::OrderReopened => Take(Counter::CANCELLED),
        Kind::OrderReleased => Add(Counter::RELEASED),
        Kind::OrderReleaseReversed | Kind::WarehouseRejected => Take(Counter::RELEASED),
        Kind::AllocationMade => Add(Counter::ALLOCATED),
        Kind::AllocationReversed => Take(Counter::ALLOCATED),
        Kind::PickTaskCreated => Add(Counter::TASKED),
        Kind::PickConfirmed => Add(Counter::PICKED),
        Kind::PickReversed => Take(Counter::PICKED),
        Kind::PickShorted => Add(Counter::SHORT),
        Kind::PackConfirmed => Add(Counter::PACKED),
        Kind::PackReversed => Take(Counter::PACKED),
        Kind::Staged => Add(Counter::STAGED),
        Kind::Loaded => Add(Counter::LOADED),
        Kind::ShipmentConfirmed => Add(Counter::SHIPPED),
        Kind::ShipmentReversed => Take(Counter::SHIPPED),
        Kind::GoodsIssuePosted => Add(Counter::GI_POSTED),
        Kind::GoodsIssueReversed => Take(Counter::GI_POSTED),
        Kind::LineBackordered => Add(Counter::BACKORDERED),
        Kind::BackorderReleased => Take(Counter::BACKORDERED),
        Kind::LineShortClosed => Add(Counter::SHORT_CLOSED),
        Kind::CarrierPickedUp => Add(Counter::COLLECTED),
        Kind::ShipmentDelivered | Kind::DeliveryReceived => Add(Counter::DELIVERED),
        Kind::DeliveryReversed | Kind::ShipmentReturnedToSender => Take(Counter::DELIVERED),
        Kind::ReturnReceived => Add(Counter::RETURNED),
        Kind::InvoicePosted => Add(Counter::INVOICED),
        Kind::InvoiceReversed => Take(Counter::INVOICED),
        Kind::CreditMemoPosted => Add(Counter::CREDITED),
        _ => return None,
    })
}

/// The counter that facts of a type move.
pub(crate) fn counter_of(kind: Kind) -> Option<Counter> {
    move_of(kind).map(|moved| match moved {
        Move::Add(counter) | Move::Take(counter) => counter,
    })
}

/// Whether facts of a type take back something that was told, and nothing else.
pub(crate) fn is_reversal(kind: Kind) -> bool {
    use Kind::{
        AllocationReversed, DeliveryReversed, GoodsIssueReversed, InvoiceReversed,
        OrderReleaseReversed, PackReversed, PickReversed, ShipmentReversed,
    };
    matches!(
        kind,
        OrderReleaseReversed
            | AllocationReversed
            | PickReversed
            | PackReversed
            | ShipmentReversed
            | GoodsIssueReversed
            | DeliveryReversed
            | InvoiceReversed
    )
}

/// The stage that a fact lifts to, without a counter of its own.
pub(crate) fn lift_of(kind: Kind) -> Option<Stage> {
    Some(match kind {
        Kind::WarehouseAcknowledged => Stage::ACKNOWLEDGED,
        Kind::WaveReleased => Stage::WAVED,
        Kind::PickStarted => Stage::PICKING,
        Kind::DispatchProofed
        | Kind::TransitScanned
        | Kind::OutForDelivery
        | Kind::PickupAvailable => Stage::SHIPPED,
        _ => return None,
    })
}

/// What a line without a quantity says.
pub(crate) fn reach_of_line(kind: Kind, counter: Counter) -> Option<Reach> {
    match counter {
        Counter::CANCELLED | Counter::RELEASED | Counter::INVOICED => Some(Reach::Whole(counter)),
        Counter::DELIVERED if kind == Kind::DeliveryReceived => Some(Reach::Whole(counter)),
        _ => Stage::of(counter).map(Reach::Lift),
    }
}

/// What an event without lines says of the order.
pub(crate) fn reach_of_order(kind: Kind, counter: Counter) -> Option<Reach> {
    match kind {
        Kind::OrderReleased
        | Kind::OrderCancelled
        | Kind::InvoicePosted
        | Kind::ShipmentConfirmed
        | Kind::DeliveryReceived => Some(Reach::Whole(counter)),
        _ => Stage::of(counter).map(Reach::Lift),
    }
}

/// By what a reversal names what it takes back.
pub(crate) fn thing_of<'a>(fact: &Fact<'a>, counter: Counter) -> &'a str {
    let first = |paths: &[crate::event::Path]| {
        let texts = paths.iter().map(|path| fact.text(*path));
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    match counter {
        Counter::SHIPPED | Counter::STAGED | Counter::LOADED => {
            first(&[path::SHIPMENT_ID, path::PACKAGE_SHIPMENT_ID])
        }
        Counter::PACKED => first(&[path::CARTON_ID, path::SSCC]),
        Counter::GI_POSTED => first(&[path::REVERSED_DOCUMENT_ID, path::DOCUMENT_ID]),
        Counter::INVOICED => first(&[path::REVERSED_INVOICE_NUMBER, path::INVOICE_NUMBER]),
        Counter::RELEASED => first(&[path::RELEASE_ID]),
        Counter::ALLOCATED => first(&[path::ALLOCATION_ID]),
        Counter::PICKED | Counter::TASKED => first(&[path::TASK_ID]),
        Counter::DELIVERED => first(&[
            path::TRACKING_NUMBER,
            path::REVERSED_DOCUMENT_ID,
            path::DOCUMENT_ID,
            path::SHIPMENT_ID,
        ]),
        _ => "",
    }
}

/// Whether a reversal names what it takes back in a way that says nothing here: by a number that
/// belongs to no shipment, or by a carton where cartons were not counted.
pub(crate) fn names_otherwise(fact: &Fact<'_>, counter: Counter) -> bool {
    let others: &[crate::event::Path] = match counter {
        Counter::SHIPPED => &[
            path::TRACKING_NUMBER,
            path::TRACKING_NUMBERS,
            path::CARTON_ID,
            path::SSCC,
            path::LABEL_ID,
        ],
        Counter::PACKED => &[path::TRACKING_NUMBER, path::LABEL_ID],
        Counter::DELIVERED => &[path::CARTON_ID, path::SSCC, path::LABEL_ID],
        _ => &[],
    };
    others.iter().any(|path| !fact.text(*path).is_empty())
}

/// In which carton the goods of a line are.
pub(crate) fn carton_of<'a>(fact: &Fact<'a>, line: &FactLine<'a>) -> &'a str {
    let names = [line.carton, fact.text(path::CARTON_ID), fact.text(path::SSCC)];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
