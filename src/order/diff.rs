//! What differs between two states of one order, field by field.
//! Does not know why they differ.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::event::order_to_json;
use crate::proto::{Order, OrderDifference};

/// Fields that name an element of a list, so that elements are compared with their like.
const KEYS: [&str; 12] = [
    "line_id",
    "package_id",
    "shipment_id",
    "hold_id",
    "exception_id",
    "rma",
    "request_id",
    "name",
    "rule",
    "type",
    "source",
    "correlation_id",
];

/// The fields that differ, in the order of the message.
pub(crate) fn differences(before: &Order, after: &Order) -> Vec<OrderDifference> {
    let mut found = Vec::new();
    compare("", (&order_to_json(before), &order_to_json(after)), &mut found);
    found
}

fn compare(field: &str, (before, after): (&Json, &Json), found: &mut Vec<OrderDifference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Json::Object(one), Json::Object(other)) => {
            for name in one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))) {
                let path = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                let absent = &Json::Null;
                let pair = (one.get(name).unwrap_or(absent), other.get(name).unwrap_or(absent));
                compare(&path, pair, found);
            }
        }
        (Json::Array(one), Json::Array(other)) if is_keyed(one) || is_keyed(other) => {
            compare_lists(field, (one, other), found);
        }
        (Json::Null, Json::Object(_)) => compare(field, (&nothing(), after), found),
        (Json::Object(_), Json::Null) => compare(field, (before, &nothing()), found),
        (Json::Null, Json::Array(list)) if is_keyed(list) => {
            compare_lists(field, (&[], list), found);
        }
        (Json::Array(list), Json::Null) if is_keyed(list) => {
            compare_lists(field, (list, &[]), found);
        }
        _ => found.push(OrderDifference {
            field: field.to_owned(),
            before: text_of(before),
            after: text_of(after),
        }),
    }
}

fn nothing() -> Json {
    Json::Object(serde_json::Map::new())
}

fn is_keyed(list: &[Json]) -> bool {
    list.first().is_some_and(Json::is_object)
}

fn compare_lists(
    field: &str,
    (before, after): (&[Json], &[Json]),
    found: &mut Vec<OrderDifference>,
) {
    let (before, after) = (keyed(before), keyed(after));
    let keys: BTreeSet<&str> = before.iter().chain(&after).map(|(key, _)| &**key).collect();
    for key in keys {
        let of = |list: &[(String, Json)]| {
            let element = list.iter().find(|(its, _)| its == key);
            element.map_or(Json::Null, |(_, element)| element.clone())
        };
        compare(&format!("{field}[{key}]"), (&of(&before), &of(&after)), found);
    }
}

/// Elements with what names them; equal names are numbered.
fn keyed(list: &[Json]) -> Vec<(String, Json)> {
    let mut keyed: Vec<(String, Json)> = Vec::with_capacity(list.len());
    for element in list {
        let inner = element.get("reference").unwrap_or(element);
        let named = KEYS.iter().filter_map(|key| inner.get(*key)).map(text_of);
        let issued = ["issuer", "value", "target_event_id", "dimension"];
        let issued = issued.iter().filter_map(|key| inner.get(*key)).map(text_of);
        let first: Vec<String> = named.take(1).chain(issued).collect();
        let name = first.join(" ");
        let same = keyed.iter().filter(|(known, _)| {
            *known == name || known.strip_prefix(&name).is_some_and(|rest| rest.starts_with('#'))
        });
        let count = same.count();
        let name = if count == 0 { name } else { format!("{name}#{}", count + 1) };
        keyed.push((name, element.clone()));
    }
    keyed
}

fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}
