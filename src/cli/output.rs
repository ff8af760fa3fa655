//! What people and programs read: tables, JSON, times, numbers. Does not know commands.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use crate::event::{Event, event_to_json, message_to_json, to_hex};
use crate::rpc::wire;
pub(super) use crate::time::duration_text;
use crate::time::rfc3339;

/// How a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// One JSON document, with all there is
    Json,
    /// One JSON object a line
    Ndjson,
}

/// A table with a header; columns named in `right` stand right.
pub(super) fn table(header: &[&str], right: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| {
        let alignment =
            if right.contains(name) { CellAlignment::Right } else { CellAlignment::Left };
        Cell::new(name).set_alignment(alignment)
    }));
    for (index, name) in header.iter().enumerate() {
        if let (true, Some(column)) = (right.contains(name), table.column_mut(index)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Prints a table without the spaces at its edges.
pub(super) fn print_table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let table = table.to_string();
    let mut lines = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.try_for_each(|line| writeln!(out, "{line}"))
}

/// How many columns output may have: `COLUMNS` where it is set, else the width of the terminal.
/// `None` where no terminal reads it.
pub(super) fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    said.filter(|columns| *columns > 0).or_else(|| Table::new().width().map(usize::from))
}

/// Whether signs beyond ASCII can be shown, by the locale.
pub(super) fn shows_unicode() -> bool {
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(said).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Text without what would move the cursor or change the colours of a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Whether a stream shows colours: a terminal, where `NO_COLOR` is not set.
pub(super) fn colours(stream: &impl std::io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Text in bold on a terminal, where `NO_COLOR` is not set.
pub(super) fn bold(text: &str) -> String {
    if colours(&std::io::stdout()) { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// 1234567 as 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with a binary unit, one digit after the point.
pub(super) fn bytes_text(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let unit = units.iter().zip(1_u32..).take_while(|(_, power)| bytes >= 1 << (10 * power)).last();
    match unit {
        None => format!("{bytes} B"),
        Some((unit, power)) => {
            let tenths = u128::from(bytes) * 10 / (1_u128 << (10 * power));
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

/// RFC 3339 of a timestamp of the wire.
pub(super) fn time_text(time: Option<&Timestamp>) -> String {
    time.map(|time| rfc3339(time, None)).unwrap_or_default()
}

/// RFC 3339 to the second, for tables: what JSON says exactly.
pub(super) fn seconds_text(time: Option<&Timestamp>) -> String {
    time_text(time.map(|time| Timestamp { seconds: time.seconds, nanos: 0 }).as_ref())
}

/// The word of an enum: its name in the proto without the prefix, in lower case. Empty where it is
/// not specified.
pub(super) fn enum_word(prefix: &str, name: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name).to_lowercase();
    if word == "unspecified" { String::new() } else { word }
}

/// Offsets as `#3, #7`; many in short.
pub(super) fn offsets_text(offsets: &[u64]) -> String {
    let mut text: Vec<String> = offsets.iter().take(6).map(|offset| format!("#{offset}")).collect();
    if offsets.len() > 6 {
        text.push(format!("and {} more", offsets.len() - 6));
    }
    text.join(", ")
}

/// JSON of a message of `proto/` by its name.
pub(super) fn json_of(name: &str, message: &impl prost::Message) -> Json {
    message_to_json(name, &message.encode_to_vec())
}

/// A recorded event in a line for people: where and when it came, what it says, of what, by whom.
pub(super) fn recorded_line(recorded: &wire::RecordedEvent) -> String {
    let event = Event::stored(recorded.event.clone());
    format!(
        "{:>10}  {}  {:<24}  {}#{}  {}",
        recorded.offset,
        time_text(recorded.recorded_at.as_ref()),
        event.event_type(),
        event.correlation_id(),
        recorded.revision,
        event.source()
    )
}

/// A recorded event with its place, as JSON.
pub(super) fn recorded_json(recorded: &wire::RecordedEvent) -> Json {
    let mut json = json!({
        "offset": recorded.offset,
        "revision": recorded.revision,
        "recorded_at": time_text(recorded.recorded_at.as_ref()),
    });
    if let Some(object) = json.as_object_mut() {
        for (name, hash) in [("previous", &recorded.previous), ("leaf_hash", &recorded.leaf_hash)] {
            if !hash.is_empty() {
                object.insert(name.to_owned(), Json::String(to_hex(hash)));
            }
        }
        object.insert("event".to_owned(), event_to_json(&recorded.event));
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1023, 1024, 1_572_864].map(bytes_text),
            ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]
        );
    }
}
