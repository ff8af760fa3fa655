//! Tests of the fold: the golden set, and that no order of arrival changes an order.
//! Does not know tests of single parts, which stand beside them.

mod data;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::{History, Policy, fold, said_about};
use crate::event::{Event, RecordedEvent, order_to_json};
use crate::limits::Limits;
use crate::proto::{self, Order};

const SECOND: u64 = 1_000_000_000;

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Events by order, as a ledger records them: a minute after one another, and a retry once.
fn recorded(events: impl Iterator<Item = Event>) -> BTreeMap<String, Vec<RecordedEvent>> {
    let mut orders: BTreeMap<String, Vec<RecordedEvent>> = BTreeMap::new();
    let mut offset = 0;
    for event in events {
        let own = orders.entry(event.correlation_id().to_owned()).or_default();
        let retried = own.iter().any(|known| {
            (known.event.source(), known.event.event_id()) == (event.source(), event.event_id())
        });
        if retried {
            continue;
        }
        own.push(RecordedEvent {
            offset,
            revision: crate::num::u64_from(own.len()),
            recorded_at_ns: (1_800_000_000 + offset * 60) * SECOND,
            event,
            previous: [0; 32],
        });
        offset += 1;
    }
    orders
}

fn golden(path: &Path) -> BTreeMap<String, Vec<RecordedEvent>> {
    let text = fs::read_to_string(path).unwrap();
    recorded(text.lines().map(|line| Event::from_json(line, &Limits::default()).unwrap()))
}

/// Each order of a golden history, with the histories that it links.
fn folded(orders: &BTreeMap<String, Vec<RecordedEvent>>) -> Vec<Order> {
    let all = orders.iter().map(|(name, own)| {
        let mut events = own.clone();
        for link in super::links(own) {
            if link.relation == proto::OrderRelationKind::LinkedHistory {
                events.extend(orders.get(&link.target).into_iter().flatten().cloned());
            }
        }
        let others = orders.iter().flat_map(|(other, events)| said_about(name, (other, events)));
        let incoming: Vec<proto::RelatedOrder> = others.collect();
        let history = History { correlation_id: name, events: &events, incoming: &incoming };
        fold(&history, &Policy::default())
    });
    all.collect()
}

fn histories() -> Vec<PathBuf> {
    let files = fs::read_dir(golden_folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "ndjson")).collect();
    files.sort();
    assert!(files.len() >= 40, "{} golden histories", files.len());
    files
}

/// `ORDER_LEDGER_BLESS=1` writes what is expected, for a person to read against the README.
#[test]
fn every_golden_history_folds_to_its_order() {
    let mut wrong = Vec::new();
    for path in histories() {
        let found: Vec<_> = folded(&golden(&path)).iter().map(order_to_json).collect();
        let found = serde_json::to_string_pretty(&found).unwrap() + "\n";
        let expected = path.with_extension("json");
        if std::env::var_os("ORDER_LEDGER_BLESS").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "not as expected: {wrong:#?}");
}

/// An order without what depends on arrival by its meaning: offsets (replaced by identities)
/// and recorded times, and R17, which is about arrival.
pub(crate) fn without_arrival(order: &Order, events: &[RecordedEvent]) -> serde_json::Value {
    let mut json = order_to_json(order);
    let object = json.as_object_mut().unwrap();
    for name in ["first_event", "last_event", "revision"] {
        object.remove(name);
    }
    let anomalies = object.get_mut("anomalies").and_then(|list| list.as_array_mut());
    if let Some(anomalies) = anomalies {
        anomalies.retain(|one| one["rule"] != "R17");
        for told in anomalies.iter_mut().filter(|one| one["rule"] == "R13") {
            told["explanation"] = "with its recorded time".into();
        }
        if anomalies.is_empty() {
            object.remove("anomalies");
        }
    }
    strip(&mut json, events);
    json
}

fn strip(json: &mut serde_json::Value, events: &[RecordedEvent]) {
    let name = |value: &serde_json::Value| {
        let offset = value.as_u64().unwrap();
        let event = &events.iter().find(|one| one.offset == offset).unwrap().event;
        format!("{}/{}", event.source(), event.event_id())
    };
    match json {
        serde_json::Value::Array(list) => list.iter_mut().for_each(|one| strip(one, events)),
        serde_json::Value::Object(object) => {
            for gone in ["recorded_at", "first_offset", "last_offset"] {
                object.remove(gone);
            }
            for (key, value) in object.iter_mut() {
                match (&**key, &mut *value) {
                    ("offset" | "target_offset" | "counted_offset", value) => {
                        *value = name(value).into();
                    }
                    ("offsets", value) => {
                        let mut names: Vec<String> =
                            value.as_array().unwrap().iter().map(name).collect();
                        names.sort();
                        *value = names.into();
                    }
                    (_, value) => strip(value, events),
                }
            }
        }
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

/// A small generator, so that a failure can be repeated.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }
}

/// Folds events as they are, in another order in memory, and as if they had arrived otherwise.
fn assert_arrival_changes_nothing(name: &str, events: &[RecordedEvent], random: &mut Random) {
    let folded = |events: &[RecordedEvent]| {
        fold(&History { correlation_id: name, events, incoming: &[] }, &Policy::default())
    };
    let expected = folded(events);
    let mut shuffled = events.to_vec();
    random.shuffle(&mut shuffled);
    assert_eq!(folded(&shuffled).encode_to_vec(), expected.encode_to_vec(), "{name}: in memory");
    let mut arrived: Vec<RecordedEvent> = shuffled;
    for (one, place) in arrived.iter_mut().zip(events) {
        (one.offset, one.revision) = (place.offset, place.revision);
        one.recorded_at_ns = place.recorded_at_ns;
    }
    let found = without_arrival(&folded(&arrived), &arrived);
    let expected = without_arrival(&expected, events);
    assert!(found == expected, "{name}: by arrival\n{found}\n{expected}");
}

#[test]
fn no_arrival_changes_a_golden_order() {
    let mut random = Random(42);
    for path in histories() {
        for (name, events) in golden(&path) {
            if events.iter().any(|one| one.event.occurred_at_ns().is_none()) {
                continue;
            }
            for _ in 0..20 {
                assert_arrival_changes_nothing(&name, &events, &mut random);
            }
        }
    }
}

#[test]
fn no_arrival_changes_an_order_of_the_simulator() {
    let mut random = Random(7);
    let demo = crate::demo::Demo { orders: 300, ..crate::demo::Demo::default() };
    let orders = recorded(demo.events().map(|event| Event::new(&event).unwrap()));
    assert!(orders.len() >= 300);
    for (name, events) in &orders {
        assert_arrival_changes_nothing(name, events, &mut random);
    }
}

/// An order of events a minute after one another, each its type and the rest of its JSON.
fn told(events: &[(&str, &str)]) -> Order {
    let lines = events.iter().zip(10..).map(|((name, rest), minute)| {
        let text = format!(
            r#"{{"correlation_id":"o","source":"wms:a","event_id":"{minute}","type":"{name}",
                "occurred_at":"2026-01-02T03:{minute}:00Z"{rest}}}"#
        );
        Event::from_json(&text, &Limits::default()).unwrap()
    });
    let orders = recorded(lines);
    let events = orders.get("o").unwrap();
    assert_arrival_changes_nothing("o", events, &mut Random(3));
    fold(&History { correlation_id: "o", events, incoming: &[] }, &Policy::default())
}

const ORDERED: (&str, &str) = ("order.created", r#","lines":[{"line_id":"1","quantity":"5"}]"#);
const SHIPPED: (&str, &str) = (
    "shipment.confirmed",
    r#","lines":[{"line_id":"1","quantity":"5"}],
        "shipment":{"shipment_id":"S","tracking_numbers":["A","B"]}"#,
);

fn parcel(number: &str) -> String {
    format!(r#","package":{{"tracking_number":"{number}"}}"#)
}

fn quantity(found: Option<&proto::LineQuantity>) -> &str {
    found.map_or("-", |found| found.quantity.as_str())
}

#[test]
fn a_shipment_in_several_parcels_is_delivered_with_the_last_and_until_one_comes_back() {
    let (a, b) = (parcel("A"), parcel("B"));
    let scans = [("shipment.delivered", &*a), ("shipment.delivered", &b)];
    let returned = ("shipment.returned_to_sender", &*a);
    for (count, delivered) in [(0, "-"), (1, "-"), (2, "5")] {
        let events = [&[ORDERED, SHIPPED], &scans[..count]].concat();
        assert_eq!(quantity(told(&events).lines[0].delivered.as_ref()), delivered, "{count}");
    }
    let order = told(&[&[ORDERED, SHIPPED], &scans[..], &[returned]].concat());
    let delivered = order.lines[0].delivered.as_ref().unwrap();
    assert_eq!((delivered.quantity.as_str(), &*delivered.offsets), ("0", &[3, 4][..]));
}

#[test]
fn a_receipt_by_line_and_a_scan_of_the_parcel_tell_one_delivery() {
    let all = parcel("A");
    let packed = format!(r#","lines":[{{"line_id":"1","quantity":"5"}}]{all}"#);
    let receipt = r#","lines":[{"line_id":"1","quantity":"5"}]"#;
    let order = told(&[
        ORDERED,
        ("pack.confirmed", &packed),
        ("shipment.delivered", &all),
        ("delivery.received", receipt),
    ]);
    assert_eq!(quantity(order.lines[0].delivered.as_ref()), "5");
}

#[test]
fn a_scan_on_the_way_ships_what_is_in_the_parcel_and_nothing_else() {
    let pack = |number: &str, quantity: u32| {
        let number = parcel(number);
        format!(r#","lines":[{{"line_id":"1","quantity":"{quantity}"}}]{number}"#)
    };
    let (a, b) = (pack("A", 2), pack("B", 3));
    let order = told(&[
        ORDERED,
        ("pack.confirmed", &a),
        ("pack.confirmed", &b),
        ("transit.scanned", &parcel("A")),
    ]);
    let line = &order.lines[0];
    let implied = line.shipped.as_ref().map(|shipped| shipped.implied_quantity.as_str());
    assert_eq!((implied, line.open_quantity.as_str()), (Some("2"), "3"));
    assert_eq!(order.fulfillment.unwrap().word, "partially_shipped");
}

#[test]
fn a_shipment_without_lines_is_reversed_by_its_name() {
    let one = r#","shipment":{"shipment_id":"S1"}"#;
    let other = r#","shipment":{"shipment_id":"S2"}"#;
    let picked = ("pick.confirmed", r#","lines":[{"line_id":"1","quantity":"4"}]"#);
    let events = [
        ORDERED,
        picked,
        ("shipment.confirmed", one),
        ("shipment.reversed", one),
        ("shipment.confirmed", other),
    ];
    for (count, shipped) in [(3, "4"), (4, "0"), (5, "4")] {
        let order = told(&events[..count]);
        assert_eq!(quantity(order.lines[0].shipped.as_ref()), shipped, "{count}");
    }
}
