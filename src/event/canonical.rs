//! Says whether two encodings hold the same event, however their producers ordered the fields.
//! Does not know which of the two was first.
//!
//! Protobuf does not promise equal bytes for equal messages: map entries come in any order, and
//! another library may write fields in another one. A retry must not become a conflict for that.

use std::collections::BTreeMap;

use super::cursor::{
    Value, fields, fields_with_bytes, put_bytes_field, put_varint, put_varint_field, read_varint,
};
use super::schema::{Field, Kind, Message, schema};

/// Whether two valid events have equal content, fields unknown to this version included.
pub(crate) fn same_content(one: &[u8], other: &[u8]) -> bool {
    one == other || {
        let event = schema().event();
        canonical(event, one) == canonical(event, other)
    }
}

/// Known fields by number, each in one form; then unknown ones by number as they are.
fn canonical(message: &Message, encoded: &[u8]) -> Vec<u8> {
    let mut known: BTreeMap<u32, Vec<Value<'_>>> = BTreeMap::new();
    let mut unknown: Vec<(u32, &[u8])> = Vec::new();
    for (field, bytes) in fields_with_bytes(encoded) {
        match message.field(field.number) {
            Some(_) => known.entry(field.number).or_default().push(field.value),
            None => unknown.push((field.number, bytes)),
        }
    }
    let mut out = Vec::with_capacity(encoded.len());
    for (number, values) in known {
        if let Some(field) = message.field(number) {
            put_field(&mut out, field, &values);
        }
    }
    unknown.sort_by_key(|(number, _)| *number);
    for (_, field) in unknown {
        out.extend_from_slice(field);
    }
    out
}

fn put_field(out: &mut Vec<u8>, field: &Field, values: &[Value<'_>]) {
    match field.kind {
        Kind::TextMap => put_map(out, field.number, values),
        Kind::Message(index) if !field.repeated => {
            // Parts of one message merge as if their bytes stood together.
            let merged: Vec<u8> =
                values.iter().flat_map(|value| bytes_of(value)).copied().collect();
            put_bytes_field(out, field.number, &canonical(schema().message(index), &merged));
        }
        Kind::Message(index) => {
            for value in values {
                let inner = canonical(schema().message(index), bytes_of(value));
                put_bytes_field(out, field.number, &inner);
            }
        }
        Kind::Timestamp => {
            let parts = values.iter().fold((0, 0), |earlier, value| {
                super::check::timestamp_parts(bytes_of(value), earlier).unwrap_or(earlier)
            });
            let mut inner = Vec::new();
            put_varint_field(&mut inner, 1, parts.0.cast_unsigned());
            put_varint_field(&mut inner, 2, u64::from(parts.1.cast_unsigned()));
            put_bytes_field(out, field.number, &inner);
        }
        Kind::Bool
        | Kind::Int { .. }
        | Kind::ZigZag { .. }
        | Kind::Enum(_)
        | Kind::Double
        | Kind::Text(_)
        | Kind::Bytes => {
            if field.repeated {
                for value in values {
                    put_repeated(out, field, value);
                }
            } else {
                put_last(out, field, values);
            }
        }
    }
}

fn put_repeated(out: &mut Vec<u8>, field: &Field, value: &Value<'_>) {
    match (field.kind, value) {
        (Kind::Text(_) | Kind::Bytes, _) => put_bytes_field(out, field.number, bytes_of(value)),
        (_, &Value::Bytes(mut packed)) => {
            while let Ok(number) = read_varint(&mut packed) {
                put_varint_field(out, field.number, field.kind.normal(number));
            }
        }
        (_, value) => put_varint_field(out, field.number, field.kind.normal(number_of(value))),
    }
}

/// The last value of a field that stands once; nothing where it says what absence says.
fn put_last(out: &mut Vec<u8>, field: &Field, values: &[Value<'_>]) {
    let Some(last) = values.last() else { return };
    if let Value::Bytes(bytes) = last {
        if field.optional || !bytes.is_empty() {
            put_bytes_field(out, field.number, bytes);
        }
    } else {
        let number = field.kind.normal(number_of(last));
        if field.optional || number != 0 {
            put_varint_field(out, field.number, number);
        }
    }
}

fn put_map(out: &mut Vec<u8>, number: u32, entries: &[Value<'_>]) {
    let sorted: BTreeMap<&[u8], &[u8]> =
        entries.iter().map(|entry| map_entry(bytes_of(entry))).collect();
    for (key, value) in sorted {
        let mut entry = Vec::new();
        put_bytes_field(&mut entry, 1, key);
        put_bytes_field(&mut entry, 2, value);
        put_varint(out, (u64::from(number) << 3) | 2);
        put_varint(out, crate::num::u64_from(entry.len()));
        out.extend_from_slice(&entry);
    }
}

/// Key and value of an encoded map entry.
pub(super) fn map_entry(entry: &[u8]) -> (&[u8], &[u8]) {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in fields(entry).map_while(Result::ok) {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => key = bytes,
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (key, value)
}

fn bytes_of<'a>(value: &Value<'a>) -> &'a [u8] {
    match value {
        Value::Bytes(bytes) => bytes,
        Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => &[],
    }
}

fn number_of(value: &Value<'_>) -> u64 {
    match value {
        Value::Varint(number) | Value::Fixed64(number) => *number,
        Value::Fixed32(number) => u64::from(*number),
        Value::Bytes(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> Vec<u8> {
        let mut entry = Vec::new();
        put_bytes_field(&mut entry, 1, key.as_bytes());
        put_bytes_field(&mut entry, 2, value.as_bytes());
        entry
    }

    #[test]
    fn order_of_fields_and_map_entries_does_not_matter() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        put_bytes_field(&mut one, 1, b"erp/1");
        put_bytes_field(&mut one, 13, &entry("a", "1"));
        put_bytes_field(&mut one, 13, &entry("b", "2"));
        put_bytes_field(&mut other, 13, &entry("b", "2"));
        put_bytes_field(&mut other, 13, &entry("a", "1"));
        put_bytes_field(&mut other, 1, b"erp/1");
        put_varint_field(&mut other, 6, 0);
        assert!(same_content(&one, &other));
        put_bytes_field(&mut other, 13, &entry("a", "3"));
        assert!(!same_content(&one, &other));
    }

    #[test]
    fn unknown_fields_are_content() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        put_bytes_field(&mut one, 1, b"erp/1");
        put_bytes_field(&mut one, 900, b"new");
        put_bytes_field(&mut other, 900, b"new");
        put_bytes_field(&mut other, 1, b"erp/1");
        assert!(same_content(&one, &other));
        put_bytes_field(&mut other, 901, b"newer");
        assert!(!same_content(&one, &other));
    }

    #[test]
    fn order_of_lines_is_content() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for (line, out) in [(b"1", &mut one), (b"2", &mut other)] {
            let mut inner = Vec::new();
            put_bytes_field(&mut inner, 1, line);
            put_bytes_field(out, 8, &inner);
        }
        let (first, second) = (one.clone(), other.clone());
        one.extend(&second);
        other.extend(&first);
        assert!(!same_content(&one, &other));
    }
}
