//! Checks encoded bytes against the schema and the rules of an event, and lists every violation.
//! Does not know batches, and takes no copy of anything.

use std::borrow::Cow;

use super::cursor::{Field as WireField, Value, fields};
use super::schema::{Field, Kind, Message, Schema, TextRule, schema};
use super::violation::Violation;
use crate::limits::Limits;
use crate::time::{is_timestamp, ns_from_parts};

/// The field that says when an event occurred.
const OCCURRED_AT: &str = "occurred_at";
/// Violations of one event that are looked for.
const VIOLATIONS_MAX: usize = 100;
/// Quantities: digits before the point.
pub(crate) const QUANTITY_INTEGER_DIGITS_MAX: usize = 12;
/// Quantities: digits after the point.
pub(crate) const QUANTITY_FRACTION_DIGITS_MAX: usize = 6;

/// Lists every violation of an encoded `OrderEvent` but those of its required fields.
pub(crate) fn check(encoded: &[u8], limits: &Limits) -> Vec<Violation> {
    let mut check = Check { schema: schema(), limits, violations: Vec::new() };
    check.message(check.schema.event(), encoded, &Path::ROOT);
    check.violations
}

struct Check<'c> {
    schema: &'static Schema,
    limits: &'c Limits,
    violations: Vec<Violation>,
}

/// Where the walk stands; made into text only for a violation.
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: &'p str,
    /// Of a repeated field: its number, its message, and how much of that is behind it.
    repeated: Option<(u32, &'p [u8], usize)>,
}

impl Path<'_> {
    const ROOT: Path<'static> = Path { parent: None, name: "", repeated: None };

    fn text(&self) -> String {
        let mut text = self.parent.map(Path::text).unwrap_or_default();
        if !text.is_empty() && !self.name.is_empty() {
            text.push('.');
        }
        text.push_str(self.name);
        let Some((number, message, behind)) = self.repeated else {
            return text;
        };
        let (until, _) = message.split_at(message.len() - behind);
        let until = fields(until).flatten().filter(|field| field.number == number);
        format!("{text}[{}]", until.count().saturating_sub(1))
    }
}

impl Check<'_> {
    fn violation(&mut self, path: &Path<'_>, description: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation::new(path.text(), description));
        } else if !self.full() {
            let what = format!("and more; {VIOLATIONS_MAX} violations of an event are listed");
            self.violations.push(Violation::new("", what));
        }
    }

    /// Whether enough is wrong to stop looking.
    fn full(&self) -> bool {
        self.violations.len() > VIOLATIONS_MAX
    }

    fn message(&mut self, message: &'static Message, encoded: &[u8], path: &Path<'_>) {
        let mut lines = 0;
        let mut walk = fields(encoded);
        while let Some(field) = walk.next() {
            let field = match field {
                Ok(field) => field,
                Err(error) => {
                    let what = format!("not a protobuf {}: {error}", message.name);
                    return self.violation(path, what);
                }
            };
            // A field of a newer version is kept as it is.
            let Some(known) = message.field(field.number) else {
                continue;
            };
            let repeated = known.repeated.then_some((field.number, encoded, walk.rest_len()));
            let path = Path { parent: Some(path), name: &known.name, repeated };
            lines += usize::from(known.is_line);
            if known.is_line && lines.checked_sub(1) == Some(self.limits.event_lines_max) {
                let max = self.limits.event_lines_max;
                self.violation(&path, format!("more than {max} lines (event_lines_max)"));
            }
            self.field(known, &field, &path);
            if self.full() {
                return;
            }
        }
    }

    fn field(&mut self, known: &'static Field, field: &WireField<'_>, path: &Path<'_>) {
        match (known.kind, field.value) {
            (
                Kind::Bool | Kind::Int { .. } | Kind::ZigZag { .. } | Kind::Enum(_),
                Value::Varint(_),
            )
            | (Kind::Bytes, Value::Bytes(_)) => {}
            (
                Kind::Bool | Kind::Int { .. } | Kind::ZigZag { .. } | Kind::Enum(_),
                Value::Bytes(packed),
            ) if known.repeated => {
                self.packed(packed, path);
            }
            (Kind::Text(rule), Value::Bytes(text)) => self.text(rule, text, path),
            (Kind::Timestamp, Value::Bytes(encoded)) => {
                if let Err(what) = check_timestamp(encoded, known.name == OCCURRED_AT) {
                    self.violation(path, what);
                }
            }
            (Kind::TextMap, Value::Bytes(entry)) => self.map_entry(entry, path),
            (Kind::Message(index), Value::Bytes(encoded)) => {
                self.message(self.schema.message(index), encoded, path);
            }
            _ => self.violation(path, "the wire type of another kind of field"),
        }
    }

    fn packed(&mut self, mut packed: &[u8], path: &Path<'_>) {
        while !packed.is_empty() {
            match super::cursor::read_varint(&mut packed) {
                Ok(_) => {}
                Err(error) => return self.violation(path, error.to_string()),
            }
        }
    }

    fn text(&mut self, rule: TextRule, text: &[u8], path: &Path<'_>) {
        // Nearly all text is printable ASCII, of which nothing more has to be known.
        let plain = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        if !plain && std::str::from_utf8(text).is_err() {
            return self.violation(path, "not UTF-8");
        }
        match rule {
            TextRule::Any => {}
            TextRule::Id => self.id(text, plain, path),
            TextRule::Decimal => {
                if !is_decimal(text) {
                    self.violation(path, not_a_decimal(&String::from_utf8_lossy(text)));
                }
            }
        }
    }

    fn id(&mut self, id: &[u8], plain: bool, path: &Path<'_>) {
        let max = self.limits.id_bytes_max;
        if id.len() > max {
            let what = format!("{} bytes; an id has at most {max} (id_bytes_max)", id.len());
            self.violation(path, what);
        }
        let text = if plain { Cow::Borrowed("") } else { String::from_utf8_lossy(id) };
        if text.chars().any(char::is_control) {
            self.violation(path, format!("control character in {text:?}; an id has none"));
        }
    }

    fn map_entry(&mut self, entry: &[u8], path: &Path<'_>) {
        for field in fields(entry) {
            match field.map(|field| field.value) {
                Ok(Value::Bytes(text)) if std::str::from_utf8(text).is_ok() => {}
                Ok(_) => return self.violation(path, "a key or value that is not UTF-8 text"),
                Err(error) => return self.violation(path, error.to_string()),
            }
        }
    }
}

/// What is wrong with an encoded timestamp. The time of an event is part of its leaf, where it has
/// 64 bits of nanoseconds; other times go as far as RFC 3339 does.
fn check_timestamp(encoded: &[u8], is_event_time: bool) -> Result<(), String> {
    let (seconds, nanos) = timestamp_parts(encoded, (0, 0))?;
    let (good, allowed) = if is_event_time {
        (ns_from_parts(seconds, nanos).is_some(), "1677-09-21 .. 2262-04-11")
    } else {
        (is_timestamp(seconds, nanos), "the years 1 .. 9999")
    };
    if good {
        return Ok(());
    }
    let given = format!("{seconds} s and {nanos} ns is out of range");
    Err(format!("{given}; allowed is {allowed}, with 0 to 999999999 ns"))
}

/// Seconds and nanoseconds of an encoded timestamp, on top of those of an earlier part of it.
pub(crate) fn timestamp_parts(encoded: &[u8], earlier: (i64, i32)) -> Result<(i64, i32), String> {
    let (mut seconds, mut nanos) = earlier;
    for field in fields(encoded) {
        let field = field.map_err(|error| format!("not a protobuf Timestamp: {error}"))?;
        match (field.number, field.value) {
            (1, Value::Varint(value)) => seconds = value.cast_signed(),
            (2, Value::Varint(value)) => {
                let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default();
                nanos = low.cast_signed();
            }
            (1 | 2, _) => return Err("not a protobuf Timestamp: wrong wire type".to_owned()),
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

pub(crate) fn not_a_decimal(text: &str) -> String {
    format!(
        "{text:?} is not a decimal; allowed is an optional '-', 1 to \
         {QUANTITY_INTEGER_DIGITS_MAX} digits, and optionally '.' with 1 to \
         {QUANTITY_FRACTION_DIGITS_MAX} digits"
    )
}

/// Whether `text` is a decimal that the ledger keeps exactly. Empty is absent, which is allowed.
pub(crate) fn is_decimal(text: &[u8]) -> bool {
    if text.is_empty() {
        return true;
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let point = digits.iter().position(|&byte| byte == b'.');
    let (integer, fraction) = point.map_or((digits, b"0".as_slice()), |point| {
        let (integer, rest) = digits.split_at(point);
        (integer, rest.strip_prefix(b".").unwrap_or_default())
    });
    (1..=QUANTITY_INTEGER_DIGITS_MAX).contains(&integer.len())
        && (1..=QUANTITY_FRACTION_DIGITS_MAX).contains(&fraction.len())
        && integer.iter().chain(fraction).all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact_and_bounded() {
        for good in ["", "0", "1", "-1", "12.5", "-0.000001", "999999999999.999999"] {
            assert!(is_decimal(good.as_bytes()), "{good}");
        }
        for bad in ["+1", ".5", "1.", "1e3", "1,5", " 1", "-", "1.0000001", "1000000000000", "NaN"]
        {
            assert!(!is_decimal(bad.as_bytes()), "{bad}");
        }
    }
}
