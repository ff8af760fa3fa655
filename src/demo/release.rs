//! Release: the order, or what was backordered of it, goes to the warehouse, which takes it or does
//! not; a customer may cancel in time.
//! Does not know what happens inside the warehouse.

use super::billing;
use super::clock::{HOUR, MINUTE, planned};
use super::fact::Fact;
use super::line::Line;
use super::odds;
use super::order::Order;
use super::process::Stage;
use super::world::{GATEWAY, WEBSHOP};
use crate::proto;

pub(super) fn release(order: &mut Order) -> Option<Stage> {
    order.releases += 1;
    if order.releases == 1 {
        line_cancelled(order);
        if order.customer.site.erp.invoices_in_advance && order.happens(odds::INVOICED_IN_ADVANCE) {
            order.wait(MINUTE, 10 * MINUTE);
            order.invoiced_in_advance = true;
            billing::invoice(order, |line| line.wanted);
        }
    }
    backorder_released(order);
    let cause = released(order);
    order.wait(2 * MINUTE, 20 * MINUTE);
    if order.happens(odds::WAREHOUSE_REJECTS) {
        rejected(order, cause);
        order.wait(HOUR, 5 * HOUR);
        return Some(Stage::Release);
    }
    acknowledged(order, cause);
    if order.releases == 1 && order.happens(odds::CANCELLED_IN_TIME) {
        return cancelled(order);
    }
    Some(Stage::Warehouse)
}

fn line_cancelled(order: &mut Order) {
    if order.lines.len() < 2 || !order.happens(odds::LINE_CANCELLED) {
        return;
    }
    order.wait(5 * MINUTE, HOUR);
    let Some(line) = order.lines.last_mut() else {
        return;
    };
    let (cancelled, line) = (std::mem::take(&mut line.wanted), line.clone());
    let fact = order.erp("order.line_cancelled").line(&line, cancelled);
    order.tell(
        fact.because("ORD.CUSTOMER_REQUEST", "AD")
            .with(|event| event.cancellation = Some(by("customer", "line", String::new()))),
    );
}

fn by(role: &str, scope: &str, request_id: String) -> proto::CancellationDetails {
    proto::CancellationDetails {
        scope: scope.to_owned(),
        request_id,
        requested_by: role.to_owned(),
    }
}

/// The goods that were missing have come.
fn backorder_released(order: &mut Order) {
    if order.lines.iter().all(|line| line.backordered == 0) {
        return;
    }
    order.tell(
        order
            .erp("backorder.released")
            .lines(&order.lines, |line| line.backordered)
            .code_of("x12:940", "B"),
    );
    for line in &mut order.lines {
        line.wanted = std::mem::take(&mut line.backordered);
    }
    order.wait(5 * MINUTE, HOUR);
}

/// Returns the event that the warehouse answers to.
fn released(order: &mut Order) -> String {
    let site = order.customer.site;
    let details = proto::ReleaseDetails {
        release_id: order.release_number("8"),
        ship_by: Some(planned(order.now + 30 * HOUR)),
        priority: if order.customer.retail { "normal" } else { "express" }.to_owned(),
        ..Default::default()
    };
    let fact = |order: &Order, event_type| {
        order
            .erp(event_type)
            .lines(&order.lines, |line| line.wanted)
            .reference("release_no", site.code, &details.release_id)
            .with(|event| {
                event.release = Some(details.clone());
                let warehouse = site.code.to_owned();
                event.location = Some(proto::Location { warehouse, ..Default::default() });
            })
    };
    order.wait(5 * MINUTE, 40 * MINUTE);
    let mut event_id = order.tell(fact(order, "order.released").code("J"));
    if site.third_party {
        order.wait(MINUTE, 3 * MINUTE);
        let requested = fact(order, "order.release_requested").code_of("x12:940", "N");
        event_id = order.tell(requested);
    }
    if order.happens(odds::INTERFACE_FAILS) {
        order.wait(MINUTE, 10 * MINUTE);
        let message = proto::InterfaceMessage {
            message_id: order.release_number("ISA"),
            target: site.system.name.to_owned(),
            attempts: 3,
            ..Default::default()
        };
        let failed = Fact::new(order, &GATEWAY, "interface.failed").because("INT.TIMEOUT", "504");
        order.tell(failed.with(|event| event.interface_message = Some(message)));
    }
    format!("{}/{event_id}", site.erp.system.name)
}

fn answer(order: &Order, event_type: &str, cause: String) -> Fact {
    let details = proto::ReleaseDetails {
        release_id: order.release_number("8"),
        warehouse_order_id: order.release_number("WO"),
        ..Default::default()
    };
    let site = order.customer.site;
    let kind = if site.third_party { "three_pl_order" } else { "wms_order" };
    order
        .warehouse(event_type)
        .reference("release_no", site.code, &details.release_id)
        .reference(kind, site.code, &details.warehouse_order_id)
        .with(|event| {
            event.release = Some(details);
            event.causation_id = cause;
        })
}

fn rejected(order: &mut Order, cause: String) {
    let fact = answer(order, "warehouse.rejected", cause)
        .lines(&order.lines, |line| line.wanted)
        .because("WHS.REJECTED", "REJECTED");
    order.tell(fact);
}

fn acknowledged(order: &mut Order, cause: String) {
    let accepted_line_ids =
        order.lines.iter().filter(|line| line.wanted > 0).map(Line::id).collect();
    let kind = "accepted".to_owned();
    let taken = proto::AcknowledgementDetails { kind, accepted_line_ids, ..Default::default() };
    order.tell(
        answer(order, "warehouse.acknowledged", cause)
            .with(|event| event.acknowledgement = Some(taken)),
    );
}

/// The customer asks, and the seller grants it. At times nobody tells the warehouse.
fn cancelled(order: &mut Order) -> Option<Stage> {
    order.wait(5 * MINUTE, 30 * MINUTE);
    let request_id = cancel_requested(order);
    order.wait(MINUTE, 20 * MINUTE);
    order.tell(
        order
            .erp("order.cancelled")
            .code_of("sap:vbuk", "ABSTK/C")
            .because("ORD.CUSTOMER_REQUEST", "CUSTOMER")
            .with(|event| event.cancellation = Some(by("customer", "order", request_id))),
    );
    order.happens(odds::SHIPPED_AFTER_CANCEL).then_some(Stage::Warehouse)
}

/// The customer asks while the goods are being picked.
pub(super) fn cancelled_too_late(order: &mut Order) {
    let request_id = cancel_requested(order);
    order.wait(MINUTE, 10 * MINUTE);
    order.tell(
        order
            .warehouse("order.cancel_rejected")
            .because("ORD.CANCEL_TOO_LATE", "CANCELLATION_REJECTED")
            .with(|event| event.cancellation = Some(by("warehouse", "order", request_id))),
    );
}

fn cancel_requested(order: &mut Order) -> String {
    let request_id = format!("CR-{}", order.erp_number());
    let details = by("customer", "order", request_id.clone());
    let fact = if order.customer.retail {
        order.erp("order.cancel_requested").code_of("x12:940", "F")
    } else {
        Fact::new(order, &WEBSHOP, "order.cancel_requested").code("CANCELLATION_REQUESTED")
    };
    order.tell(
        fact.because("ORD.CUSTOMER_REQUEST", "CUSTOMER")
            .with(|event| event.cancellation = Some(details)),
    );
    request_id
}
