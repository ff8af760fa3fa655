//! Finds the fields of an encoded message that this version does not know.
//! Does not know what the message asks for.

use super::cursor::{Value, WireError, fields};
use super::schema::{Kind, Message, schema};
use super::violation::Violation;

/// The wire type that begins a group.
const GROUP: u8 = 3;
/// Fields that are listed.
const VIOLATIONS_MAX: usize = 100;

/// The fields of an encoded message of `proto/`, given by its name, that this version does not
/// know. Events keep theirs: it does not look into them. Bytes that are no protobuf end it.
pub(crate) fn unknown_fields(message: &str, encoded: &[u8]) -> Vec<Violation> {
    let mut found = Vec::new();
    walk(schema().named(message), encoded, &mut found);
    found
}

/// Notes the unknown fields of a message by their paths from there; paths are made for these alone.
fn walk(message: &Message, encoded: &[u8], found: &mut Vec<Violation>) {
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for field in fields(encoded) {
        if found.len() >= VIOLATIONS_MAX {
            return;
        }
        let field = match field {
            Ok(field) => field,
            Err(WireError::WireType(GROUP)) => {
                // Decoding skips it; here, what stands behind it would not be seen.
                found.push(Violation::new("", "holds a group; no message here has any"));
                return;
            }
            Err(_) => return,
        };
        let Some(known) = message.field(field.number) else {
            found.push(unknown(message, field.number));
            continue;
        };
        let (Kind::Message(inner), Value::Bytes(value)) = (known.kind, field.value) else {
            continue;
        };
        let inner = schema().message(inner);
        if std::ptr::eq(inner, schema().event()) {
            continue;
        }
        let place = next_place(&mut counts, field.number);
        let before = found.len();
        walk(inner, value, found);
        for violation in found.iter_mut().skip(before) {
            let place = if known.repeated { format!("[{place}]") } else { String::new() };
            violation.field = format!("{}{place}.{}", known.name, violation.field);
        }
    }
}

/// How many fields of a number came before.
fn next_place(counts: &mut Vec<(u32, usize)>, number: u32) -> usize {
    if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == number) {
        *count += 1;
        return *count;
    }
    counts.push((number, 0));
    0
}

fn unknown(message: &Message, number: u32) -> Violation {
    let known = message.fields.iter().map(|field| format!("{} ({})", field.number, field.name));
    let known: Vec<String> = known.collect();
    let allowed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let what = format!("this version does not know field {number} there; allowed are {allowed}");
    Violation::new(number.to_string(), what)
}

#[cfg(test)]
mod tests {
    use super::super::cursor::{put_bytes_field, put_varint_field};
    use super::*;

    #[test]
    fn unknown_fields_are_named_by_path_and_those_of_events_are_not() {
        let mut inner = Vec::new();
        put_varint_field(&mut inner, 77, 1);
        let mut append = Vec::new();
        put_bytes_field(&mut append, 1, &inner);
        put_bytes_field(&mut append, 2, b"");
        put_bytes_field(&mut append, 2, &inner);
        put_varint_field(&mut append, 9, 1);
        let found = unknown_fields("AppendRequest", &append);
        let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["expectations[1].77", "9"]);
        let allowed = "field 77 there; allowed are 1 (correlation_id), 2 (revision), 3 (none)";
        assert!(found[0].description.ends_with(allowed), "{found:?}");
        assert_eq!(unknown_fields("AppendRequest", b"\x08"), []);
        let mut grouped = vec![0x7b, 0x7c];
        put_varint_field(&mut grouped, 9, 1);
        assert_eq!(unknown_fields("ListOrdersRequest", &grouped).len(), 1, "nothing passes behind");
        let many: Vec<u8> = inner.repeat(1_000);
        assert_eq!(unknown_fields("GetHeadRequest", &many).len(), VIOLATIONS_MAX);
        // As many as fit into a message, in one walk over them.
        let mut full = [0x12, 0].repeat(2 * 1024 * 1024);
        put_bytes_field(&mut full, 2, &inner);
        let found = unknown_fields("AppendRequest", &full);
        assert_eq!(found[0].field, "expectations[2097152].77");
    }
}
