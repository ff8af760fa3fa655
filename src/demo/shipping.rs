//! Shipping: packages are labelled, listed, loaded and confirmed, and the truck leaves with them.
//! Does not know the way they go.

use super::clock::{DAY, MINUTE, local_date, local_hour};
use super::fact::Fact;
use super::line::Line;
use super::odds;
use super::order::Order;
use super::package::Package;
use super::process::Stage;
use crate::proto::{self, MoneyBasis};
use crate::time::timestamp;

/// The order's time stays behind the departure until the truck has left.
pub(super) fn shipping(order: &mut Order) -> Stage {
    for package in order.packages.clone() {
        labelled(order, &package);
    }
    let shipment = shipment(order);
    manifested(order, &shipment);
    if order.happens(odds::SHIPMENT_REVERSED) {
        order.now = order.departure - 8 * MINUTE;
        order.tell(confirmed(order, &shipment));
        order.now += 4 * MINUTE;
        order.tell(
            order
                .warehouse("shipment.reversed")
                .lines(&order.lines, |line| line.picked)
                .because("CAR.MISSED_PICKUP", "AY")
                .with(|event| event.shipment = Some(shipment.clone())),
        );
    }
    order.now = order.departure - 2 * MINUTE;
    order.tell(confirmed(order, &shipment));
    order.now = order.departure;
    departed(order, &shipment);
    goods_issued(order);
    Stage::Carrier
}

fn labelled(order: &mut Order, package: &Package) {
    if !package.shared && order.happens(odds::LABEL_VOIDED) {
        let tracking_number = format!("{}0", package.tracking_number);
        let spoiled = Package { tracking_number, ..package.clone() };
        order.tell(label(order, &spoiled, "label.created", 55));
        order.tell(label(order, &spoiled, "label.voided", 50));
    }
    order.tell(label(order, package, "carton.closed", 45));
    order.tell(label(order, package, "label.created", 35));
}

fn label(order: &Order, package: &Package, event_type: &str, minutes_before: i64) -> Fact {
    let carrier = order.customer.carrier;
    let details = proto::PackageDetails {
        carton_id: package.carton_id.clone(),
        sscc: package.sscc.clone(),
        tracking_number: package.tracking_number.clone(),
        tracking_unique_id: format!("{}~{}", package.tracking_number, order.departure / DAY),
        carrier: carrier.code.to_owned(),
        service: carrier.service.to_owned(),
        ..Default::default()
    };
    let fact = order
        .warehouse(event_type)
        .at(order.departure - minutes_before * MINUTE)
        .reference("tracking", carrier.code, &package.tracking_number)
        .reference("sscc", "", &package.sscc)
        .with(|event| event.package = Some(details));
    let number = format!("{}-{event_type}", package.sscc);
    if package.shared { fact.shared(number) } else { fact }
}

fn shipment(order: &Order) -> proto::ShipmentDetails {
    let site = order.customer.site;
    let offset = site.system.utc_offset_minutes;
    let date = local_date(order.departure, offset);
    let truck = format!("{date}{:02}", local_hour(order.departure, offset));
    let (carrier, route) = (order.customer.carrier, order.customer.route + 1);
    let of_packages = |value: fn(&Package) -> &String| order.packages.iter().map(value).cloned();
    proto::ShipmentDetails {
        shipment_id: order.release_number("SH"),
        carrier: carrier.code.to_owned(),
        service: carrier.service.to_owned(),
        load_id: format!("{}-{}-{truck}-{route}", site.code, carrier.code),
        manifest_id: format!("M-{}-{truck}", carrier.mark),
        tracking_numbers: of_packages(|package| &package.tracking_number).collect(),
        carton_ids: of_packages(|package| &package.carton_id).collect(),
        ..Default::default()
    }
}

fn manifested(order: &mut Order, shipment: &proto::ShipmentDetails) {
    let closed = order.departure - 20 * MINUTE;
    order.tell(
        order
            .warehouse("manifest.closed")
            .at(closed)
            .reference("manifest", &shipment.carrier, &shipment.manifest_id)
            .with(|event| event.shipment = Some(shipment.clone())),
    );
}

/// What the warehouse says of the whole shipment; the partner says it by date only.
fn confirmed(order: &Order, shipment: &proto::ShipmentDetails) -> Fact {
    let site = order.customer.site;
    let (code_set, code) =
        if site.third_party { ("x12:945", "F") } else { ("wms:ship", "CONFIRMED") };
    let tracking =
        |fact: Fact, number: &String| fact.reference("tracking", &shipment.carrier, number);
    let fact = order
        .warehouse("shipment.confirmed")
        .code_of(code_set, code)
        .reference("shipment", site.code, &shipment.shipment_id)
        .lines(&order.lines, |line| line.picked)
        .money("freight", freight_minor(order), MoneyBasis::Estimated)
        .with(|event| {
            event.shipment = Some(shipment.clone());
            let shipped = order.lines.iter().filter(|line| line.picked > 0);
            for (told, line) in event.lines.iter_mut().zip(shipped) {
                line_code(line).clone_into(&mut told.source_code);
            }
        });
    let fact = shipment.tracking_numbers.iter().fold(fact, tracking);
    if site.third_party { fact.by_date_only() } else { fact }
}

/// X12 element 368: complete, partial with the rest on backorder, partial without.
fn line_code(line: &Line) -> &'static str {
    if line.backordered > 0 {
        "BP"
    } else if line.short_closed > 0 {
        "CP"
    } else {
        "CC"
    }
}

pub(super) fn freight_minor(order: &Order) -> i64 {
    let picked: i64 = order.lines.iter().map(|line| line.picked).sum();
    490 + picked / 400
}

/// One truck leaves with the goods of many orders.
fn departed(order: &mut Order, shipment: &proto::ShipmentDetails) {
    let details = proto::ShipmentDetails {
        load_id: shipment.load_id.clone(),
        carrier: shipment.carrier.clone(),
        departed_at: Some(timestamp(order.departure)),
        ..Default::default()
    };
    order.tell(
        order
            .warehouse("dispatch.proofed")
            .reference("load", order.customer.site.code, &shipment.load_id)
            .reference("shipment", order.customer.site.code, &shipment.shipment_id)
            .shared(format!("{}-departed", shipment.load_id))
            .with(|event| event.shipment = Some(details)),
    );
}

fn goods_issued(order: &mut Order) {
    if order.customer.site.third_party {
        return;
    }
    let posted = order.now + order.random.between(2 * MINUTE, 25 * MINUTE);
    let document_id = order.release_number("49");
    let document = proto::DocumentDetails {
        document_id: document_id.clone(),
        kind: "material_document".to_owned(),
        ..Default::default()
    };
    order.tell(
        order
            .erp("goods_issue.posted")
            .at(posted)
            .code("R/601")
            .reference("material_document", order.customer.site.erp.issuer, &document_id)
            .lines(&order.lines, |line| line.picked)
            .with(|event| event.document = Some(document)),
    );
}
