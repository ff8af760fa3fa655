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
        Kind::ORDER_CREATED | Kind::ORDER_LINE_ADDED | Kind::ORDER_LINE_CHANGED => {
            Add(Counter::ORDERED)
        }
        Kind::ORDER_LINE_CANCELLED | Kind::ORDER_CANCELLED => Add(Counter::CANCELLED),
        Kind::ORDER_REOPENED => Take(Counter::CANCELLED),
        Kind::ORDER_RELEASED => Add(Counter::RELEASED),
        Kind::ORDER_RELEASE_REVERSED | Kind::WAREHOUSE_REJECTED => Take(Counter::RELEASED),
        Kind::ALLOCATION_MADE => Add(Counter::ALLOCATED),
        Kind::ALLOCATION_REVERSED => Take(Counter::ALLOCATED),
        Kind::PICK_TASK_CREATED => Add(Counter::TASKED),
        Kind::PICK_CONFIRMED => Add(Counter::PICKED),
        Kind::PICK_REVERSED => Take(Counter::PICKED),
        Kind::PICK_SHORTED => Add(Counter::SHORT),
        Kind::PACK_CONFIRMED => Add(Counter::PACKED),
        Kind::PACK_REVERSED => Take(Counter::PACKED),
        Kind::STAGED => Add(Counter::STAGED),
        Kind::LOADED => Add(Counter::LOADED),
        Kind::SHIPMENT_CONFIRMED => Add(Counter::SHIPPED),
        Kind::SHIPMENT_REVERSED => Take(Counter::SHIPPED),
        Kind::GOODS_ISSUE_POSTED => Add(Counter::GI_POSTED),
        Kind::GOODS_ISSUE_REVERSED => Take(Counter::GI_POSTED),
        Kind::LINE_BACKORDERED => Add(Counter::BACKORDERED),
        Kind::BACKORDER_RELEASED => Take(Counter::BACKORDERED),
        Kind::LINE_SHORT_CLOSED => Add(Counter::SHORT_CLOSED),
        Kind::CARRIER_PICKED_UP => Add(Counter::COLLECTED),
        Kind::SHIPMENT_DELIVERED | Kind::DELIVERY_RECEIVED => Add(Counter::DELIVERED),
        Kind::DELIVERY_REVERSED | Kind::SHIPMENT_RETURNED_TO_SENDER => Take(Counter::DELIVERED),
        Kind::RETURN_RECEIVED => Add(Counter::RETURNED),
        Kind::INVOICE_POSTED => Add(Counter::INVOICED),
        Kind::INVOICE_REVERSED => Take(Counter::INVOICED),
        Kind::CREDIT_MEMO_POSTED => Add(Counter::CREDITED),
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
    matches!(
        kind,
        Kind::ORDER_RELEASE_REVERSED
            | Kind::ALLOCATION_REVERSED
            | Kind::PICK_REVERSED
            | Kind::PACK_REVERSED
            | Kind::SHIPMENT_REVERSED
            | Kind::GOODS_ISSUE_REVERSED
            | Kind::DELIVERY_REVERSED
            | Kind::INVOICE_REVERSED
    )
}

/// The stage that a fact lifts to, without a counter of its own.
pub(crate) fn lift_of(kind: Kind) -> Option<Stage> {
    Some(match kind {
        Kind::WAREHOUSE_ACKNOWLEDGED => Stage::ACKNOWLEDGED,
        Kind::WAVE_RELEASED => Stage::WAVED,
        Kind::PICK_STARTED => Stage::PICKING,
        Kind::DISPATCH_PROOFED
        | Kind::TRANSIT_SCANNED
        | Kind::OUT_FOR_DELIVERY
        | Kind::PICKUP_AVAILABLE => Stage::SHIPPED,
        _ => return None,
    })
}

/// What a line without a quantity says.
pub(crate) fn reach_of_line(kind: Kind, counter: Counter) -> Option<Reach> {
    match counter {
        Counter::CANCELLED | Counter::RELEASED | Counter::INVOICED => Some(Reach::Whole(counter)),
        Counter::DELIVERED if kind == Kind::DELIVERY_RECEIVED => Some(Reach::Whole(counter)),
        _ => Stage::of(counter).map(Reach::Lift),
    }
}

/// What an event without lines says of the order.
pub(crate) fn reach_of_order(kind: Kind, counter: Counter) -> Option<Reach> {
    match kind {
        Kind::ORDER_RELEASED
        | Kind::ORDER_CANCELLED
        | Kind::INVOICE_POSTED
        | Kind::SHIPMENT_CONFIRMED
        | Kind::DELIVERY_RECEIVED => Some(Reach::Whole(counter)),
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
