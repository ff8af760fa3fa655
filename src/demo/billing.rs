//! Billing: what was shipped is invoiced, carriers send their bills, the ERP says how it sees the
//! order, and the order is closed.
//! Does not know where the goods are.

use super::clock::{DAY, HOUR, MINUTE, planned};
use super::line::Line;
use super::odds;
use super::order::Order;
use super::process::Stage;
use super::shipping::freight_minor;
use crate::proto::{self, ClosureKind, MoneyBasis, StatusDimension};

pub(super) fn billing(order: &mut Order) -> Option<Stage> {
    if !order.invoiced_in_advance {
        invoice(order, |line| line.picked);
        invoice_reversed(order);
    }
    if order.happens(odds::COST_POSTED) {
        cost_posted(order);
    }
    if order.happens(odds::STATUS_CLAIMED) {
        order.wait(10 * MINUTE, 3 * HOUR);
        status_claimed(order);
    }
    what_remains(order)
}

/// Backorders go to the warehouse when the goods have come; an order without any may be closed, or
/// partly come back.
pub(super) fn what_remains(order: &mut Order) -> Option<Stage> {
    if order.lines.iter().any(|line| line.backordered > 0) {
        order.wait(5 * DAY, 12 * DAY);
        return Some(Stage::Release);
    }
    if order.happens(odds::CLOSED) {
        closed(order);
    }
    let returned =
        if order.customer.retail { odds::RETURNED_BY_RETAIL } else { odds::RETURNED_BY_WEB };
    if order.packages.is_empty() || !order.happens(returned) {
        return None;
    }
    order.now = order.now.max(order.delivered_at);
    order.wait(DAY, 9 * DAY);
    Some(Stage::Return)
}

/// Invoices so much of every line.
pub(super) fn invoice(order: &mut Order, quantity_milli: impl Fn(&Line) -> i64) {
    let number = order.invoice_number();
    let details = proto::InvoiceDetails {
        invoice_number: number.clone(),
        due_at: Some(planned(order.now + 30 * DAY)),
        ..Default::default()
    };
    let total = order.lines.iter().map(|line| line.price_minor(quantity_milli(line))).sum();
    order.tell(
        order
            .erp("invoice.posted")
            .code("M")
            .reference("invoice", order.customer.site.erp.issuer, &number)
            .lines(&order.lines, quantity_milli)
            .money("invoice_total", total, MoneyBasis::Actual)
            .with(|event| event.invoice = Some(details)),
    );
}

/// A wrong price: the invoice is reversed, and posted anew under another number.
fn invoice_reversed(order: &mut Order) {
    if !order.happens(odds::INVOICE_REVERSED) {
        return;
    }
    order.wait(HOUR, 30 * HOUR);
    let (wrong, right) = (order.invoice_number(), format!("{}R", order.invoice_number()));
    let issuer = order.customer.site.erp.issuer;
    let total: i64 = order.lines.iter().map(|line| line.price_minor(line.picked)).sum();
    let reversal =
        proto::InvoiceDetails { reversed_invoice_number: wrong.clone(), ..Default::default() };
    order.tell(
        order
            .erp("invoice.reversed")
            .code("N")
            .because("FIN.PRICE", "IP")
            .reference("invoice", issuer, &wrong)
            .lines(&order.lines, |line| line.picked)
            .money("invoice_total", -total, MoneyBasis::Actual)
            .with(|event| event.invoice = Some(reversal)),
    );
    order.wait(5 * MINUTE, HOUR);
    let anew = proto::InvoiceDetails { invoice_number: right.clone(), ..Default::default() };
    order.tell(
        order
            .erp("invoice.posted")
            .code("M")
            .reference("invoice", issuer, &right)
            .lines(&order.lines, |line| line.picked)
            .money("invoice_total", total * 95 / 100, MoneyBasis::Actual)
            .with(|event| event.invoice = Some(anew)),
    );
}

fn cost_posted(order: &mut Order) {
    let at = order.now + order.random.between(2 * DAY, 5 * DAY);
    let surcharge = order.random.between(0, 120);
    let site = order.customer.site;
    let shipment_id = order.release_number("SH");
    order.tell(
        order
            .erp("shipment.cost_posted")
            .at(at)
            .code_of("x12:210", "B3")
            .reference("shipment", site.code, &shipment_id)
            .money("freight", freight_minor(order) + surcharge, MoneyBasis::Actual)
            .with(|event| {
                let carrier = order.customer.carrier.code.to_owned();
                let details = proto::ShipmentDetails { shipment_id, carrier, ..Default::default() };
                event.shipment = Some(details);
            }),
    );
}

/// The ERP's nightly extract says how far it thinks the order is. Now and then it is wrong.
fn status_claimed(order: &mut Order) {
    let any = |is_so: fn(&Line) -> bool| order.lines.iter().any(is_so);
    let (follows, missing) =
        (any(|line| line.backordered > 0), any(|line| line.picked < line.wanted));
    let (dimension, value, code) = if order.happens(odds::CLAIM_CONTRADICTS) {
        (StatusDimension::Fulfillment, "released", "LFSTK/A")
    } else if follows {
        (StatusDimension::Commercial, "partially_invoiced", "FKSTK/B")
    } else if missing {
        (StatusDimension::Commercial, "invoiced", "FKSTK/C")
    } else {
        (StatusDimension::Fulfillment, "shipped", "LFSTK/C")
    };
    order.tell(
        order.erp("status.asserted").code_of("sap:vbuk", code).claiming(dimension, value, code),
    );
}

fn closed(order: &mut Order) {
    order.wait(HOUR, 10 * HOUR);
    let short = order.lines.iter().any(|line| line.short_closed > 0);
    let kind = if short { ClosureKind::ShortClosed } else { ClosureKind::Complete };
    let details = proto::ClosureDetails { kind: kind.into() };
    order.tell(order.erp("order.closed").with(|event| event.closure = Some(details)));
}
