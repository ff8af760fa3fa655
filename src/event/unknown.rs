//! Finds the fields of an encoded message that this version does not know.
//! Does not know what the message asks for.

use super::cursor::{Value, fields};
use super::schema::{Kind, Message, schema};
use super::violation::Violation;

/// Fields that are listed.
const VIOLATIONS_MAX: usize = 100;

/// The fields of an encoded message of `proto/`, given by its name, that this version does not
/// know. Events keep theirs: it does not look into them. Bytes that are no protobuf end it.
pub(crate) fn unknown_fields(message: &str, encoded: &[u8]) -> Vec<Violation> {
    let mut found = Vec::new();
    walk(schema().named(message), encoded, ("", &mut found));
    found
}

fn walk(message: &Message, encoded: &[u8], (path, found): (&str, &mut Vec<Violation>)) {
    for (index, field) in fields(encoded).map_while(Result::ok).enumerate() {
        if found.len() >= VIOLATIONS_MAX {
            return;
        }
        let Some(known) = message.field(field.number) else {
            found.push(unknown(message, path, field.number));
            continue;
        };
        let (Kind::Message(inner), Value::Bytes(value)) = (known.kind, field.value) else {
            continue;
        };
        let inner = schema().message(inner);
        if std::ptr::eq(inner, schema().event()) {
            continue;
        }
        let mut path = joined(path, &known.name);
        if known.repeated {
            let before = fields(encoded).map_while(Result::ok).take(index);
            let place = before.filter(|other| other.number == field.number).count();
            path = format!("{path}[{place}]");
        }
        walk(inner, value, (&path, found));
    }
}

fn unknown(message: &Message, path: &str, number: u32) -> Violation {
    let known = message.fields.iter().map(|field| format!("{} ({})", field.number, field.name));
    let known: Vec<String> = known.collect();
    let allowed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let what = format!("this version does not know field {number} there; allowed are {allowed}");
    Violation::new(joined(path, &number.to_string()), what)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
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
        let many: Vec<u8> = inner.repeat(1_000);
        assert_eq!(unknown_fields("GetHeadRequest", &many).len(), VIOLATIONS_MAX);
    }
}
