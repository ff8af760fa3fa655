//! Warehouse: stock is allocated, picked (at times short) and packed.
//! Does not know trucks beyond the time of their departure.

use super::clock::{HOUR, MINUTE, local_date, local_hour, next_at};
use super::fact::Fact;
use super::odds;
use super::order::Order;
use super::package::Package;
use super::process::Stage;
use super::{billing, picking, release};
use crate::proto;

/// Waves start every two hours while the warehouse works, in minutes of the day.
const WAVES: [i64; 8] = [360, 480, 600, 720, 840, 960, 1_080, 1_200];
/// Trucks leave before noon and in the evening.
const DEPARTURES: [i64; 2] = [690, 1_110];

pub(super) fn warehouse(order: &mut Order) -> Option<Stage> {
    order.packages.clear();
    for line in &mut order.lines {
        (line.picked, line.short_closed) = (0, 0);
    }
    order.wait(3 * MINUTE, 30 * MINUTE);
    allocated(order);
    let wave = waved(order);
    order.wait(10 * MINUTE, 40 * MINUTE);
    picking::picked(order, &wave);
    if order.releases == 1 && order.happens(odds::CANCELLED_TOO_LATE) {
        release::cancelled_too_late(order);
    }
    if order.lines.iter().all(|line| line.picked == 0) {
        return billing::what_remains(order);
    }
    let offset = order.customer.site.system.utc_offset_minutes;
    order.departure = next_at(order.now + 2 * HOUR, offset, &DEPARTURES);
    packed(order);
    Some(Stage::Shipping)
}

/// Stock is set aside; where there is none, the line is backordered at once.
fn allocated(order: &mut Order) {
    for place in 0..order.lines.len() {
        if order.happens(odds::OUT_OF_STOCK)
            && let Some(line) = order.lines.get_mut(place).filter(|line| line.wanted > 0)
        {
            line.backordered = std::mem::take(&mut line.wanted);
            let line = line.clone();
            picking::backordered(order, &line, line.backordered, "INV.OOS");
        }
    }
    let fact = |order: &Order, event_type| {
        let allocation_id = order.release_number("AL");
        order.warehouse(event_type).with(|event| {
            event.allocation =
                Some(proto::AllocationDetails { allocation_id, ..Default::default() });
        })
    };
    if order.lines.iter().all(|line| line.wanted == 0) {
        return;
    }
    let made = |order: &Order| {
        fact(order, "allocation.made").code("ALLOCATED").lines(&order.lines, |line| line.wanted)
    };
    order.tell(made(order));
    if order.happens(odds::ALLOCATION_REVERSED) {
        order.wait(5 * MINUTE, HOUR);
        let reversed = fact(order, "allocation.reversed").because("INV.NOT_PICKABLE", "MOVED");
        order.tell(reversed.lines(&order.lines, |line| line.wanted));
        order.wait(MINUTE, 20 * MINUTE);
        order.tell(made(order));
    }
}

/// The order joins the next wave, with whatever else waits for it. Wave numbers come back daily.
fn waved(order: &mut Order) -> proto::WaveDetails {
    let (site, zone) = (order.customer.site, order.customer.site.system.utc_offset_minutes);
    order.now = next_at(order.now, zone, &WAVES);
    let wave_id = format!("W{:02}", local_hour(order.now, zone));
    let wave = proto::WaveDetails { wave_id: wave_id.clone(), kind: "standard".to_owned() };
    let fact_id = format!("{}-{}-{wave_id}", site.code, local_date(order.now, zone));
    if order.lines.iter().any(|line| line.wanted > 0) {
        order.tell(
            order
                .warehouse("wave.released")
                .reference("wave", site.code, &wave_id)
                .shared(fact_id)
                .with(|event| event.wave = Some(wave.clone())),
        );
    }
    wave
}

/// A parcel for every few lines; what goes by freight is put on the customer's pallet.
fn packed(order: &mut Order) {
    let numbers: Vec<usize> =
        order.lines.iter().filter(|line| line.picked > 0).map(|line| line.number).collect();
    let pallet = order.customer.retail.then(|| order.pack(numbers.clone()));
    for group in numbers.chunks(if order.is_large() { 3 } else { 4 }) {
        order.wait(2 * MINUTE, 6 * MINUTE);
        let package = match &pallet {
            Some(pallet) => pallet.clone(),
            None => order.pack(group.to_vec()),
        };
        order.tell(pack_confirmed(order, &package, group));
    }
    order.wait(MINUTE, 10 * MINUTE);
    let route = format!("LANE-{}", order.customer.route + 1);
    let staged = order.warehouse("staged").lines(&order.lines, |line| line.picked);
    order.tell(staged.with(|event| {
        if let Some(location) = &mut event.location {
            location.dock = route;
        }
    }));
}

fn pack_confirmed(order: &Order, package: &Package, group: &[usize]) -> Fact {
    let lines = order.lines.iter().filter(|line| group.contains(&line.number));
    let fact = order.warehouse("pack.confirmed").code("PACKED").lines(lines, |line| line.picked);
    let material = if package.shared { "pallet" } else { "box" }.to_owned();
    fact.with(|event| {
        let carton_id = package.carton_id.clone();
        for line in &mut event.lines {
            line.carton.clone_from(&carton_id);
        }
        event.package = Some(proto::PackageDetails { carton_id, material, ..Default::default() });
    })
}
