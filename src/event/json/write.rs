//! Messages as JSON, from their protobuf bytes. Does not know how JSON is read.
//!
//! What the ledger itself says has its numbers and flags also where they are 0 and false; of an
//! event, only what its producer said is written.

use prost::Message as _;
use prost_types::Timestamp;
use serde_json::{Map, Number, Value as Json};

use super::super::canonical::map_entry;
use super::super::check;
use super::super::cursor::{Value, fields, fields_with_bytes, read_varint};
use super::super::schema::{Field, Kind, Message, schema};
use super::{OCCURRED_AT, TEXT_OFFSET_MINUTES_MAX, UNKNOWN_FIELDS, UTC_OFFSET_MINUTES, to_hex};
use crate::proto;
use crate::time;

/// An event's JSON from its protobuf bytes, fields in the order of the proto.
#[must_use]
pub fn event_to_json(body: &[u8]) -> Json {
    let event = schema().event();
    let offset = event
        .field_named(UTC_OFFSET_MINUTES)
        .and_then(|field| Some(field.kind.normal(last_number(body, field.number)?)))
        .map(zigzag_decoded)
        .filter(|minutes| minutes.abs() <= TEXT_OFFSET_MINUTES_MAX);
    let mut json = object(event, body, offset);
    if json.contains_key(OCCURRED_AT) && offset.is_some() {
        json.shift_remove(UTC_OFFSET_MINUTES);
    }
    Json::Object(json)
}

/// The JSON of a message of `proto/` by its name, such as `OrderStatus`, from its protobuf bytes,
/// fields in the order of the proto. Of a name that is not known, all fields are unknown.
pub(crate) fn message_to_json(name: &str, encoded: &[u8]) -> Json {
    match schema().named(name) {
        message if std::ptr::eq(message, schema().event()) => event_to_json(encoded),
        message => Json::Object(object(message, encoded, None)),
    }
}

/// An order's JSON, fields in the order of the proto: times are in UTC, numbers and flags are said
/// also where they are 0 and false, what is absent or empty is left out.
///
/// ```
/// use order_ledger::{order_to_json, proto};
///
/// let order = proto::Order { correlation_id: "erp/7".into(), revision: 3, ..Default::default() };
/// let json = r#"{"correlation_id":"erp/7","revision":3,"event_count":0}"#;
/// assert_eq!(order_to_json(&order).to_string(), json);
/// ```
#[must_use]
pub fn order_to_json(order: &proto::Order) -> Json {
    message_to_json("Order", &order.encode_to_vec())
}

fn object(message: &Message, encoded: &[u8], offset: Option<i64>) -> Map<String, Json> {
    let mut known: Vec<(&Field, Json)> = Vec::new();
    let mut unknown = Vec::new();
    for (wire, bytes) in fields_with_bytes(encoded) {
        let Some(field) = message.field(wire.number) else {
            unknown.extend_from_slice(bytes);
            continue;
        };
        let place = known.iter_mut().find(|(other, _)| other.number == field.number);
        match (place, field.repeated || field.kind == Kind::TextMap) {
            (Some((_, held)), true) => add_to_json(held, field, wire.value, offset),
            (Some((_, held)), false) if field.kind == Kind::Timestamp => {
                *held = merged_timestamp(encoded, field.number, offset);
            }
            (Some((_, held)), false) => merge_json(held, value_to_json(field, wire.value, offset)),
            (None, true) => {
                let empty = if field.kind == Kind::TextMap {
                    Json::Object(Map::new())
                } else {
                    Json::Array(Vec::new())
                };
                known.push((field, empty));
                if let Some((_, held)) = known.last_mut() {
                    add_to_json(held, field, wire.value, offset);
                }
            }
            (None, false) => known.push((field, value_to_json(field, wire.value, offset))),
        }
    }
    if message.says_zeros {
        for field in message.fields.iter().filter(|field| field.is_plain_number()) {
            if !known.iter().any(|(other, _)| other.number == field.number) {
                known.push((field, value_to_json(field, Value::Varint(0), offset)));
            }
        }
    }
    known.sort_by_key(|(field, _)| field.number);
    let mut json: Map<_, _> =
        known.into_iter().map(|(field, value)| (field.name.clone(), value)).collect();
    if !unknown.is_empty() {
        json.insert(UNKNOWN_FIELDS.to_owned(), Json::String(to_hex(&unknown)));
    }
    json
}

fn add_to_json(held: &mut Json, field: &Field, value: Value<'_>, offset: Option<i64>) {
    match (held, field.kind, value) {
        (Json::Object(map), Kind::TextMap, Value::Bytes(entry)) => {
            let (key, value) = map_entry(entry);
            map.insert(lossless(key), Json::String(lossless(value)));
        }
        (Json::Array(values), Kind::Enum(_) | Kind::Int { .. }, Value::Bytes(mut packed)) => {
            while let Ok(number) = read_varint(&mut packed) {
                values.push(value_to_json(field, Value::Varint(number), offset));
            }
        }
        (Json::Array(values), _, value) => values.push(value_to_json(field, value, offset)),
        _ => {}
    }
}

/// A message that came in parts: what the later part says stands.
fn merge_json(held: &mut Json, later: Json) {
    match (held, later) {
        (Json::Object(held), Json::Object(later)) => held.extend(later),
        (held, later) => *held = later,
    }
}

/// A time that came in several parts.
fn merged_timestamp(message: &[u8], number: u32, offset: Option<i64>) -> Json {
    let parts = fields(message).flatten().filter(|field| field.number == number);
    let merged = parts.fold((0, 0), |earlier, field| match field.value {
        Value::Bytes(part) => check::timestamp_parts(part, earlier).unwrap_or(earlier),
        Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => earlier,
    });
    timestamp_json(merged, offset)
}

fn timestamp_json((seconds, nanos): (i64, i32), offset: Option<i64>) -> Json {
    let minutes = offset.and_then(|minutes| i32::try_from(minutes).ok());
    Json::String(time::rfc3339(&Timestamp { seconds, nanos }, minutes))
}

/// A duration as decimal seconds with their unit, such as `90.5s`.
fn duration_json(encoded: &[u8]) -> Json {
    let length = prost_types::Duration::decode(encoded).unwrap_or_default();
    let sign = if length.seconds < 0 || length.nanos < 0 { "-" } else { "" };
    let digits = format!("{:09}", length.nanos.unsigned_abs());
    let fraction = digits.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Json::String(format!("{sign}{}{point}{fraction}s", length.seconds.unsigned_abs()))
}

fn value_to_json(field: &Field, value: Value<'_>, offset: Option<i64>) -> Json {
    let value = match value {
        Value::Varint(number) => Value::Varint(field.kind.normal(number)),
        Value::Fixed64(_) | Value::Fixed32(_) | Value::Bytes(_) => value,
    };
    match (field.kind, value) {
        (Kind::Bool, Value::Varint(flag)) => Json::Bool(flag != 0),
        (Kind::Int { min, .. }, Value::Varint(number)) if min < 0 => {
            Json::Number(Number::from(number.cast_signed()))
        }
        (Kind::ZigZag { .. }, Value::Varint(number)) => {
            Json::Number(Number::from(zigzag_decoded(number)))
        }
        (Kind::Enum(index), Value::Varint(number)) => {
            let number = number.cast_signed();
            i32::try_from(number)
                .ok()
                .and_then(|number| schema().words(index).word(number))
                .map_or_else(
                    || Json::Number(Number::from(number)),
                    |word| Json::String(word.into()),
                )
        }
        (Kind::Double, Value::Varint(bits) | Value::Fixed64(bits)) => {
            Number::from_f64(f64::from_bits(bits)).map_or(Json::Null, Json::Number)
        }
        (Kind::Text(_), Value::Bytes(text)) => Json::String(lossless(text)),
        (Kind::Timestamp, Value::Bytes(encoded)) => {
            let parts = check::timestamp_parts(encoded, (0, 0)).unwrap_or_default();
            timestamp_json(parts, offset)
        }
        (Kind::Message(index), Value::Bytes(encoded)) => {
            let message = schema().message(index);
            if message.is_duration() {
                duration_json(encoded)
            } else if std::ptr::eq(message, schema().event()) {
                event_to_json(encoded)
            } else {
                Json::Object(object(message, encoded, offset))
            }
        }
        (_, Value::Bytes(bytes)) => Json::String(to_hex(bytes)),
        (_, Value::Varint(number) | Value::Fixed64(number)) => Json::Number(Number::from(number)),
        (_, Value::Fixed32(number)) => Json::Number(Number::from(number)),
    }
}

/// Text of a valid event is UTF-8.
fn lossless(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn last_number(encoded: &[u8], number: u32) -> Option<u64> {
    fields(encoded)
        .map_while(Result::ok)
        .filter(|field| field.number == number)
        .filter_map(|field| match field.value {
            Value::Varint(value) => Some(value),
            Value::Fixed64(_) | Value::Fixed32(_) | Value::Bytes(_) => None,
        })
        .last()
}

fn zigzag_decoded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ledger_says_is_written_as_the_proto_names_it() {
        let order = proto::Order {
            correlation_id: "erp/1".into(),
            first_event: Some(proto::EventSummary {
                r#type: "order.created".into(),
                recorded_at: Some(Timestamp { seconds: 7, nanos: 500_000_000 }),
                ..Default::default()
            }),
            fulfillment: Some(proto::DimensionStatus {
                word: "picked".into(),
                offsets: vec![3, 300],
                ..Default::default()
            }),
            holds: vec![proto::Hold {
                hold_id: "h".into(),
                blocks: vec![proto::HoldBlock::Pick.into(), proto::HoldBlock::Ship.into()],
                ..Default::default()
            }],
            corrections: vec![proto::Correction { undone: true, offset: 9, ..Default::default() }],
            ..Default::default()
        };
        let expected = serde_json::json!({
            "correlation_id": "erp/1",
            "revision": 0,
            "event_count": 0,
            "first_event": {
                "offset": 0, "revision": 0, "type": "order.created",
                "recorded_at": "1970-01-01T00:00:07.5Z",
            },
            "fulfillment": { "word": "picked", "offsets": [3, 300] },
            "holds": [{ "hold_id": "h", "blocks": ["pick", "ship"], "open": false }],
            "corrections": [{ "undone": true, "offset": 9 }],
        });
        assert_eq!(order_to_json(&order), expected);
        assert_eq!(order_to_json(&order).to_string(), expected.to_string(), "the same order");
    }

    #[test]
    fn the_largest_numbers_and_what_is_optional_stand_as_they_are() {
        let correction =
            proto::Correction { target_offset: Some(0), offset: u64::MAX, ..Default::default() };
        let json = message_to_json("Correction", &correction.encode_to_vec());
        let text = r#"{"target_offset":0,"undone":false,"offset":18446744073709551615}"#;
        assert_eq!(json.to_string(), text);
        assert_eq!(message_to_json("Correction", &[]).get("target_offset"), None);
        assert_eq!(
            message_to_json("Nonsense", &[8, 1]).to_string(),
            r#"{"unknown_fields":"0801"}"#
        );
    }

    #[test]
    fn durations_are_decimal_seconds() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (9_000, 0, "9000s"),
            (1, 500_000_000, "1.5s"),
            (0, 1, "0.000000001s"),
            (-1, -250_000_000, "-1.25s"),
        ] {
            let age = proto::StageAge {
                dimension: proto::StatusDimension::Fulfillment.into(),
                at_least: Some(prost_types::Duration { seconds, nanos }),
            };
            let json = message_to_json("StageAge", &age.encode_to_vec());
            assert_eq!(json, serde_json::json!({ "dimension": "fulfillment", "at_least": text }));
        }
    }

    #[test]
    fn a_rate_is_a_number_also_where_it_is_zero() {
        for rate in [0.0, 12.5] {
            let consumer = proto::Consumer { acknowledged_per_second: rate, ..Default::default() };
            let json = message_to_json("Consumer", &consumer.encode_to_vec());
            assert_eq!(json["acknowledged_per_second"].as_f64(), Some(rate), "{json}");
        }
    }

    #[test]
    fn an_event_inside_of_another_message_is_written_as_an_event() {
        let line = r#"{"correlation_id":"a","occurred_at":"2017-07-09T21:57:05-03:00"}"#;
        let (event, _) = super::super::encode(line);
        let recorded = proto::RecordedEvent {
            event: Some(proto::OrderEvent::decode(event).unwrap()),
            ..Default::default()
        };
        let json = message_to_json("RecordedEvent", &recorded.encode_to_vec());
        assert_eq!(json["event"].to_string(), line);
        assert_eq!(json["offset"], 0);
    }
}
