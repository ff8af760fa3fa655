//! What differs between two states of one order, field by field.
//! Does not know why they differ.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use crate::event::order_to_json;
use crate::proto::{Order, OrderDifference};

/// Fields that name an element of a list, so that elements are compared with their like.
const KEYS: [&str; 12] = [
    // What a rule found has a line, and an exception a package; neither is their name.
    "rule",
    "exception_id",
    "line_id",
    "package_id",
    "shipment_id",
    "hold_id",
    "rma",
    "request_id",
    "name",
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
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let [before, after] =
            [&before, &after].map(|side| side.get(key).copied().unwrap_or(&Json::Null));
        compare(&format!("{field}[{key}]"), (before, after), found);
    }
}

/// Elements by what names them; equal names are numbered.
fn keyed(list: &[Json]) -> HashMap<String, &Json> {
    let mut keyed = HashMap::with_capacity(list.len());
    let mut counts: HashMap<String, usize> = HashMap::new();
    for element in list {
        let name = name_of(element);
        let count = counts.entry(name.clone()).or_insert(1);
        let mut numbered = name.clone();
        // More than once only where another name ends in such a number.
        while keyed.contains_key(&numbered) {
            *count += 1;
            numbered = format!("{name}#{count}");
        }
        keyed.insert(numbered, element);
    }
    keyed
}

fn name_of(element: &Json) -> String {
    let inner = element.get("reference").unwrap_or(element);
    let named = KEYS.iter().filter_map(|key| inner.get(*key)).map(text_of);
    let issued = ["issuer", "value", "target_event_id", "dimension"];
    let issued = issued.iter().filter_map(|key| inner.get(*key)).map(text_of);
    let line = inner.get("line_id").filter(|_| inner.get("rule").is_some()).map(text_of);
    let parts: Vec<String> = named.take(1).chain(line).chain(issued).collect();
    parts.join(" ")
}

fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::proto::{Anomaly, OrderLine};

    fn order(lines: impl Iterator<Item = (String, &'static str)>) -> Order {
        let line = |(line_id, sku): (String, &str)| OrderLine {
            line_id,
            sku: sku.into(),
            ..OrderLine::default()
        };
        Order { lines: lines.map(line).collect(), ..Order::default() }
    }

    /// Names are looked up: searching for them would take minutes.
    #[test]
    fn orders_of_very_many_lines_are_compared_in_time() {
        let lines = |sku| (0..40_000).map(move |n| (n.to_string(), sku));
        let begin = Instant::now();
        let found = differences(&order(lines("A")), &order(lines("B")));
        assert_eq!(found.len(), 40_000);
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    }

    #[test]
    fn findings_are_compared_by_rule_and_line() {
        let found = |rule: &str, explanation: &str| Anomaly {
            rule: rule.into(),
            line_id: "10".into(),
            explanation: explanation.into(),
            ..Anomaly::default()
        };
        let order = |anomalies| Order { anomalies, ..Order::default() };
        let before = order(vec![found("R05", "x")]);
        let after = order(vec![found("R04", "y"), found("R05", "z")]);
        let fields: Vec<String> =
            differences(&before, &after).into_iter().map(|one| one.field).collect();
        assert!(fields.contains(&"anomalies[R05 10].explanation".to_owned()), "{fields:?}");
        assert!(fields.contains(&"anomalies[R04 10].rule".to_owned()), "{fields:?}");
    }

    #[test]
    fn equal_names_are_numbered_also_beside_a_name_with_a_number() {
        let lines = |last| ["10", "10#2", "10", "10"].map(|id| (id.to_owned(), last));
        let found = differences(&order(lines("A").into_iter()), &order(lines("B").into_iter()));
        let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
        let all = ["10", "10#2", "10#3", "10#4"].map(|id| format!("lines[{id}].sku"));
        assert_eq!(fields, all);
    }
}
