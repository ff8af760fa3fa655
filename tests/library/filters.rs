//! Random events and filters, and what a filter means, said as plainly as possible.
//! Does not know replays.

use order_ledger::event_type;
use order_ledger::proto::{EventFilter, Location, OrderEvent};

use crate::random::Random;

const ORDERS: [&str; 7] = ["erp/1", "erp/10", "erp/2", "erp", "b2b/1", "b2b/12", "é/1"];
const PREFIXES: [&str; 5] = ["erp/1", "erp", "b2b/", "é", "none/"];
const TYPES: [&str; 10] = [
    "pick.confirmed",
    "pick.shorted",
    "pick",
    "picking.begun",
    "pick.confirmed.twice",
    "staged",
    "hold.placed",
    "invoice.posted",
    "return.received",
    "drone.landed",
];
const RULES: [&str; 9] = [
    "pick.*",
    "pick.confirmed",
    "pick.confirmed.*",
    "staged",
    "hold.*",
    "drone.*",
    "drone.landed",
    "invoice.*",
    "none.*",
];
const GROUPS: [&str; 6] = ["commercial", "fulfillment", "shipment", "exception", "return", "meta"];
const SOURCES: [&str; 4] = ["wms:dc1", "wms:dc10", "erp", "none"];
const WAREHOUSES: [&str; 4] = ["DC1", "DC10", "DC2", "none"];

/// An event with a body of up to so many bytes.
pub(crate) fn random_event(random: &mut Random, id: u64, bytes_max: usize) -> OrderEvent {
    let mut location = None;
    if !random.one_in(3) {
        let warehouse = if random.one_in(4) { "" } else { pick(random, &WAREHOUSES[..3]) };
        location = Some(Location { warehouse: warehouse.into(), ..Location::default() });
    }
    let filler = "x".repeat(random.below(bytes_max));
    OrderEvent {
        correlation_id: pick(random, &ORDERS).into(),
        source: pick(random, &SOURCES[..3]).into(),
        event_id: id.to_string(),
        r#type: pick(random, &TYPES).into(),
        location,
        attributes: [("filler".to_owned(), filler)].into(),
        ..OrderEvent::default()
    }
}

/// None to three filters, each of which says something.
pub(crate) fn random_filters(random: &mut Random) -> Vec<EventFilter> {
    (0..random.below(4)).map(|_| random_filter(random)).collect()
}

fn random_filter(random: &mut Random) -> EventFilter {
    loop {
        let filter = EventFilter {
            types: some(random, &RULES),
            groups: some(random, &GROUPS),
            sources: some(random, &SOURCES),
            correlation_ids: some(random, &ORDERS),
            correlation_id_prefixes: some(random, &PREFIXES),
            warehouses: some(random, &WAREHOUSES),
        };
        if filter != EventFilter::default() {
            return filter;
        }
    }
}

/// Usually nothing, otherwise one to three values.
fn some(random: &mut Random, values: &[&str]) -> Vec<String> {
    let count = if random.one_in(3) { 1 + random.below(3) } else { 0 };
    (0..count).map(|_| pick(random, values).to_owned()).collect()
}

fn pick<'v>(random: &mut Random, values: &[&'v str]) -> &'v str {
    values[random.below(values.len())]
}

/// What the filters mean, on the decoded event.
pub(crate) fn passes(filters: &[EventFilter], event: &OrderEvent) -> bool {
    filters.is_empty() || filters.iter().any(|filter| passes_one(filter, event))
}

fn passes_one(filter: &EventFilter, event: &OrderEvent) -> bool {
    let name = &event.r#type;
    let group = event_type(name).map(|row| format!("{:?}", row.group).to_lowercase());
    let type_is = |rule: &String| match rule.strip_suffix(".*") {
        Some(above) => name.starts_with(&format!("{above}.")),
        None => name == rule,
    };
    let of_type = filter.types.is_empty() && filter.groups.is_empty()
        || filter.types.iter().any(type_is)
        || group.is_some_and(|group| filter.groups.contains(&group));
    let order = &event.correlation_id;
    let of_order = filter.correlation_ids.is_empty() && filter.correlation_id_prefixes.is_empty()
        || filter.correlation_ids.contains(order)
        || filter.correlation_id_prefixes.iter().any(|prefix| order.starts_with(prefix));
    let warehouse = event.location.clone().unwrap_or_default().warehouse;
    of_type
        && of_order
        && (filter.sources.is_empty() || filter.sources.contains(&event.source))
        && (filter.warehouses.is_empty() || filter.warehouses.contains(&warehouse))
}
