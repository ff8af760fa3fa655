//! What facts of each type move, and by what a reversal names it.
//! Does not know lines nor sums.

use super::counter::Counter;
use super::stage::Stage;
use crate::event::{Fact, FactLine, path};

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

pub(crate) fn move_of(type_name: &str) -> Option<Move> {
    use Move::{Add, Take};
    Some(match type_name {
        "order.created" | "order.line_added" | "order.line_changed" => Add(Counter::ORDERED),
        "order.line_cancelled" | "order.cancelled" => Add(Counter::CANCELLED),
        "order.reopened" => Take(Counter::CANCELLED),
        "order.released" => Add(Counter::RELEASED),
        "order.release_reversed" | "warehouse.rejected" => Take(Counter::RELEASED),
        "allocation.made" => Add(Counter::ALLOCATED),
        "allocation.reversed" => Take(Counter::ALLOCATED),
        "pick.task_created" => Add(Counter::TASKED),
        "pick.confirmed" => Add(Counter::PICKED),
        "pick.reversed" => Take(Counter::PICKED),
        "pick.shorted" => Add(Counter::SHORT),
        "pack.confirmed" => Add(Counter::PACKED),
        "pack.reversed" => Take(Counter::PACKED),
        "staged" => Add(Counter::STAGED),
        "loaded" => Add(Counter::LOADED),
        "shipment.confirmed" => Add(Counter::SHIPPED),
        "shipment.reversed" => Take(Counter::SHIPPED),
        "goods_issue.posted" => Add(Counter::GI_POSTED),
        "goods_issue.reversed" => Take(Counter::GI_POSTED),
        "line.backordered" => Add(Counter::BACKORDERED),
        "backorder.released" => Take(Counter::BACKORDERED),
        "line.short_closed" => Add(Counter::SHORT_CLOSED),
        "carrier.picked_up" => Add(Counter::COLLECTED),
        "shipment.delivered" | "delivery.received" => Add(Counter::DELIVERED),
        "delivery.reversed" | "shipment.returned_to_sender" => Take(Counter::DELIVERED),
        "return.received" => Add(Counter::RETURNED),
        "invoice.posted" => Add(Counter::INVOICED),
        "invoice.reversed" => Take(Counter::INVOICED),
        "credit_memo.posted" => Add(Counter::CREDITED),
        _ => return None,
    })
}

/// The counter that facts of a type move.
pub(crate) fn counter_of(type_name: &str) -> Option<Counter> {
    move_of(type_name).map(|moved| match moved {
        Move::Add(counter) | Move::Take(counter) => counter,
    })
}

/// The stage that a fact lifts to, without a counter of its own.
pub(crate) fn lift_of(type_name: &str) -> Option<Stage> {
    Some(match type_name {
        "warehouse.acknowledged" => Stage::ACKNOWLEDGED,
        "wave.released" => Stage::WAVED,
        "pick.started" => Stage::PICKING,
        "dispatch.proofed" | "transit.scanned" | "out_for_delivery" | "pickup.available" => {
            Stage::SHIPPED
        }
        _ => return None,
    })
}

/// What a line without a quantity says.
pub(crate) fn reach_of_line(counter: Counter) -> Option<Reach> {
    match counter {
        Counter::CANCELLED => Some(Reach::Whole(counter)),
        _ => Stage::of(counter).map(Reach::Lift),
    }
}

/// What an event without lines says of the order.
pub(crate) fn reach_of_order(type_name: &str, counter: Counter) -> Option<Reach> {
    match type_name {
        "order.released" | "order.cancelled" | "invoice.posted" | "shipment.confirmed"
        | "delivery.received" => Some(Reach::Whole(counter)),
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

/// In which carton the goods of a line are.
pub(crate) fn carton_of<'a>(fact: &Fact<'a>, line: &FactLine<'a>) -> &'a str {
    let names = [line.carton, fact.text(path::CARTON_ID), fact.text(path::SSCC)];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
