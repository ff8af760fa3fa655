//! Events as JSON, one a line in NDJSON: read into protobuf bytes and written from them.
//! Does not know files or lines.
//!
//! Names are those of the proto; times are RFC 3339 with offset, quantities decimal strings, enum
//! values lower-case words without their prefix, bytes hexadecimal. What this version does not know
//! stands as `unknown_fields`, the encoded fields in hexadecimal, so that nothing is lost on
//! the way out and in again.

use bytes::Bytes;
use prost_types::Timestamp;
use serde_json::Value as Json;

use super::check;
use super::cursor::{fields, put_bytes_field, put_varint_field};
use super::schema::{Field, Kind, Message, TextRule, schema};
use super::violation::Violation;
use crate::time;

mod write;

pub(crate) use write::message_to_json;
pub use write::{event_to_json, order_to_json};

const UNKNOWN_FIELDS: &str = "unknown_fields";
const OCCURRED_AT: &str = "occurred_at";
const UTC_OFFSET_MINUTES: &str = "utc_offset_minutes";
/// The largest offset that RFC 3339 can say.
const TEXT_OFFSET_MINUTES_MAX: i64 = 23 * 60 + 59;

/// An event's protobuf bytes from its JSON, as far as it can be said in them, and every name that
/// is not known and every value of the wrong form.
pub(super) fn encode(text: &str) -> (Bytes, Vec<Violation>) {
    let json: Json = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => {
            return (Bytes::new(), vec![Violation::new("", format!("not JSON: {error}"))]);
        }
    };
    let mut encoder = Encoder { violations: Vec::new() };
    let out = match with_offset(json) {
        Ok(json) => encoder.message(schema().event(), &json, ""),
        Err(violation) => {
            encoder.violations.push(violation);
            Vec::new()
        }
    };
    (out.into(), encoder.violations)
}

/// Takes the offset out of the text of `occurred_at`, where a producer's local time stands.
fn with_offset(mut json: Json) -> Result<Json, Violation> {
    let Some(object) = json.as_object_mut() else {
        return Ok(json);
    };
    let Some(text) = object.get(OCCURRED_AT).and_then(Json::as_str) else {
        return Ok(json);
    };
    let Ok((_, Some(offset))) = time::parse_rfc3339(text) else {
        return Ok(json);
    };
    let said = object.get(UTC_OFFSET_MINUTES).filter(|said| !said.is_null());
    if said.is_some_and(|said| said.as_i64() != Some(i64::from(offset))) {
        let what = format!("contradicts {OCCURRED_AT}, whose offset is {offset} minutes");
        return Err(Violation::new(UTC_OFFSET_MINUTES, what));
    }
    object.insert(UTC_OFFSET_MINUTES.to_owned(), Json::from(offset));
    Ok(json)
}

struct Encoder {
    violations: Vec<Violation>,
}

impl Encoder {
    fn violation(&mut self, path: &str, description: impl Into<String>) {
        self.violations.push(Violation::new(path, description));
    }

    fn message(&mut self, message: &Message, json: &Json, path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(object) = json.as_object() else {
            self.violation(path, "not an object");
            return out;
        };
        for (name, value) in object {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if name == UNKNOWN_FIELDS {
                match unknown_fields(message, value) {
                    Ok(encoded) => out.extend(encoded),
                    Err(what) => self.violation(&path, what),
                }
            } else if let Some(field) = message.field_named(name) {
                out.extend(self.field(field, value, &path));
            } else {
                let known: Vec<_> = message.fields.iter().map(|field| &*field.name).collect();
                let what = format!("no such field; allowed are {}", known.join(", "));
                self.violation(&path, what);
            }
        }
        out
    }

    fn field(&mut self, field: &Field, value: &Json, path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if value.is_null() {
            return out;
        }
        if field.kind == Kind::TextMap {
            return self.map(field.number, value, path);
        }
        if !field.repeated {
            self.single(&mut out, field, (value, path));
            return out;
        }
        let Some(values) = value.as_array() else {
            self.violation(path, "not an array");
            return out;
        };
        for (index, value) in values.iter().enumerate() {
            self.single(&mut out, field, (value, &format!("{path}[{index}]")));
        }
        out
    }

    fn single(&mut self, out: &mut Vec<u8>, field: &Field, (value, path): (&Json, &str)) {
        let number = field.number;
        match field.kind {
            Kind::Message(index) => {
                let inner = self.message(schema().message(index), value, path);
                put_bytes_field(out, number, &inner);
            }
            Kind::Bool => match value.as_bool() {
                Some(flag) => put_varint_field(out, number, u64::from(flag)),
                None => self.violation(path, "not true or false"),
            },
            Kind::Int { .. } | Kind::ZigZag { .. } => match integer(field.kind, value) {
                Ok(encoded) => put_varint_field(out, number, encoded),
                Err(what) => self.violation(path, what),
            },
            Kind::Enum(index) => match enum_number(schema().words(index), value) {
                Ok(encoded) => put_varint_field(out, number, encoded),
                Err(what) => self.violation(path, what),
            },
            Kind::Text(rule) => match text(rule, value) {
                Ok(text) => put_bytes_field(out, number, text.as_bytes()),
                Err(what) => self.violation(path, what),
            },
            Kind::Bytes => match value.as_str().and_then(from_hex) {
                Some(bytes) => put_bytes_field(out, number, &bytes),
                None => self.violation(path, "not hexadecimal text"),
            },
            Kind::Timestamp => match value.as_str().map(time::parse_rfc3339) {
                Some(Ok((time, _))) => put_bytes_field(out, number, &timestamp_bytes(&time)),
                Some(Err(what)) => self.violation(path, what),
                None => self.violation(path, "not RFC 3339 text"),
            },
            // No event has one.
            Kind::Double => self.violation(path, "cannot be said in JSON"),
            Kind::TextMap => {}
        }
    }

    fn map(&mut self, number: u32, value: &Json, path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(object) = value.as_object() else {
            self.violation(path, "not an object");
            return out;
        };
        for (key, value) in object {
            let Some(value) = value.as_str() else {
                self.violation(&format!("{path}.{key}"), "not text");
                continue;
            };
            let mut entry = Vec::new();
            put_bytes_field(&mut entry, 1, key.as_bytes());
            put_bytes_field(&mut entry, 2, value.as_bytes());
            put_bytes_field(&mut out, number, &entry);
        }
        out
    }
}

/// Encoded fields that this version does not know, and no others.
fn unknown_fields(message: &Message, value: &Json) -> Result<Vec<u8>, String> {
    let encoded = value.as_str().and_then(from_hex).ok_or("not hexadecimal text")?;
    for field in fields(&encoded) {
        let number = field.map_err(|error| format!("not protobuf fields: {error}"))?.number;
        if let Some(known) = message.field(number) {
            return Err(format!("field {number} is known; give it by its name, {}", known.name));
        }
    }
    Ok(encoded)
}

fn integer(kind: Kind, value: &Json) -> Result<u64, String> {
    let (Kind::Int { min, max } | Kind::ZigZag { min, max }) = kind else {
        return Err("not an integer field".to_owned());
    };
    let number = value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        .filter(|number| (i128::from(min)..=i128::from(max)).contains(number))
        .ok_or_else(|| format!("{value} is not an integer of {min} to {max}"))?;
    let signed = i64::try_from(number);
    Ok(match (kind, signed) {
        (Kind::ZigZag { .. }, Ok(signed)) => ((signed << 1) ^ (signed >> 63)).cast_unsigned(),
        (_, Ok(signed)) => signed.cast_unsigned(),
        (_, Err(_)) => u64::try_from(number).unwrap_or_default(),
    })
}

fn enum_number(words: &super::schema::Enum, value: &Json) -> Result<u64, String> {
    let number = match value {
        Json::String(word) => words.number(word),
        Json::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    let number = number.ok_or_else(|| {
        let allowed: Vec<_> = words.words.iter().map(|(_, word)| word.as_str()).collect();
        format!("{value} is not one of {}", allowed.join(", "))
    })?;
    Ok(i64::from(number).cast_unsigned())
}

fn text(rule: TextRule, value: &Json) -> Result<String, String> {
    match (rule, value) {
        (_, Json::String(text)) => Ok(text.clone()),
        // A number stands for a quantity with the digits that were written, never rounded.
        (TextRule::Decimal, Json::Number(number)) => {
            let text = number.to_string();
            if check::is_decimal(text.as_bytes()) {
                Ok(text)
            } else {
                Err(check::not_a_decimal(&text))
            }
        }
        _ => Err(format!("{value} is not text")),
    }
}

fn timestamp_bytes(parts: &Timestamp) -> Vec<u8> {
    let mut encoded = Vec::new();
    if parts.seconds != 0 {
        put_varint_field(&mut encoded, 1, parts.seconds.cast_unsigned());
    }
    if parts.nanos != 0 {
        put_varint_field(&mut encoded, 2, i64::from(parts.nanos).cast_unsigned());
    }
    encoded
}

/// Bytes in hexadecimal, lower case.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes from hexadecimal digits of either case.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
        }
        _ => None,
    };
    digits.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cursor::put_varint;
    use super::*;

    fn round_trip(line: &str) -> String {
        let bytes = event_from_json(line).unwrap();
        event_to_json(&bytes).to_string()
    }

    fn event_from_json(line: &str) -> Result<Bytes, Vec<Violation>> {
        let (bytes, violations) = encode(line);
        if violations.is_empty() { Ok(bytes) } else { Err(violations) }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for line in [
            r#"{"correlation_id":"a","occurred_at":"2017-07-09T21:57:05-03:00","promised":{"deliver_by":"2017-08-01T00:00:00-03:00"}}"#,
            r#"{"correlation_id":"a","occurred_at":"2023-04-03T12:08:18Z","occurred_at_precision":"second"}"#,
            r#"{"correlation_id":"a","attributes":{"k":"v"},"trace_id":"00ff"}"#,
            r#"{"correlation_id":"a","occurred_at":"2023-04-03T12:08:18.000000001+00:00"}"#,
        ] {
            assert_eq!(round_trip(line), line);
        }
    }

    #[test]
    fn unknown_fields_survive_json_at_every_level() {
        let mut line = Vec::new();
        put_bytes_field(&mut line, 4_000, b"newer");
        let mut event = Vec::new();
        put_bytes_field(&mut event, 1, b"erp/1");
        put_bytes_field(&mut event, 8, &line);
        put_varint(&mut event, 5_000 << 3);
        put_varint(&mut event, 7);
        let json = event_to_json(&event).to_string();
        let again = event_from_json(&json).unwrap();
        assert!(super::super::same_content(&event, &again), "{json}");
    }

    #[test]
    fn unknown_fields_cannot_say_what_has_a_name() {
        for (line, what) in [
            (r#"{"unknown_fields":"0a0161"}"#, "correlation_id"),
            (r#"{"unknown_fields":"c2"}"#, "middle of a field"),
            (r#"{"unknown_fields":"xy"}"#, "hexadecimal"),
        ] {
            let violations = event_from_json(line).unwrap_err();
            assert!(violations[0].description.contains(what), "{violations:?}");
        }
    }

    // Found by fuzzing.
    #[test]
    fn a_time_in_parts_is_one_time() {
        let mut event = Vec::new();
        put_bytes_field(&mut event, 5, &timestamp_bytes(&Timestamp { seconds: 7, nanos: 0 }));
        put_bytes_field(&mut event, 5, &[]);
        assert_eq!(event_to_json(&event).to_string(), r#"{"occurred_at":"1970-01-01T00:00:07Z"}"#);
    }

    #[test]
    fn a_number_is_a_quantity_with_its_own_digits() {
        let line = r#"{"lines":[{"quantity":123456789012.123456}]}"#;
        assert_eq!(round_trip(line), r#"{"lines":[{"quantity":"123456789012.123456"}]}"#);
        assert!(event_from_json(r#"{"lines":[{"quantity":1e3}]}"#).is_err());
    }

    #[test]
    fn all_violations_are_listed_with_their_paths() {
        let line = r#"{"lines":[{"line_id":"1"},{"quantitty":"1"}],"occurred_at":"yesterday","type":7,"occurred_at_precision":"fortnight"}"#;
        let violations = event_from_json(line).unwrap_err();
        let fields: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["lines[1].quantitty", "occurred_at", "type", "occurred_at_precision"]);
    }
}
