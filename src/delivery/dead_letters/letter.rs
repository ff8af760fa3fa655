//! A dead letter as an entry of the ledger's own: its history, its id, and what it says. Pure.
//! Does not know which letters there are.

use bytes::Bytes;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::event::{DEAD_LETTER_KEPT, Event, Violation, names_in, to_hex};
use crate::limits::Limits;
use crate::log::Hash;
use crate::proto::{DeadLetter, DeadLetterFormat, EventName, LedgerEntry, RefusalReason};

/// What the names of all histories of dead letters begin with.
pub(super) const PREFIX: &str = "$dead-letters/";
/// The types of the entries that close a dead letter.
pub(super) const REDRIVEN: &str = "dead_letter.redriven";
pub(super) const DISCARDED: &str = "dead_letter.discarded";

const DIGEST_PREFIX: &[u8] = b"orderledger/dead-letter/1\0";
/// Bytes of an id that is kept whole.
const ID_BYTES_MAX: usize = 128;
/// Hexadecimal digits that tell cut ids apart, with the '~' before them.
const CUT_MARK_BYTES: usize = 17;
/// Bytes of one reason's field, of its description, and of all reasons.
const FIELD_BYTES_MAX: usize = 200;
const DESCRIPTION_BYTES_MAX: usize = 400;
const REASONS_BYTES_MAX: usize = 8 * 1024;

/// A dead letter that may be kept.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// The entry that keeps it.
    pub(super) entry: Event,
    pub(super) digest: Hash,
    /// Bytes of what was refused.
    pub(super) raw_len: usize,
}

impl Letter {
    /// An encoded event that was refused.
    pub(super) fn of_event(raw: &Bytes, violations: &[Violation]) -> Self {
        Self::of((raw, DeadLetterFormat::Protobuf), names_in(raw), (violations, ""))
    }

    /// Anything that was refused.
    pub(super) fn of_refused(
        (raw, format): (&Bytes, DeadLetterFormat),
        why: (&[Violation], &str),
    ) -> Self {
        let names =
            if format == DeadLetterFormat::Ndjson { names_in_line(raw) } else { names_in(raw) };
        Self::of((raw, format), names, why)
    }

    fn of(
        (raw, format): (&Bytes, DeadLetterFormat),
        names: EventName,
        (violations, origin): (&[Violation], &str),
    ) -> Self {
        let digest = digest(raw, format);
        let mut reasons = reasons(violations);
        if names.source.len() > ID_BYTES_MAX {
            let length = names.source.len();
            reasons.push(RefusalReason {
                field: "source".to_owned(),
                description: format!("{length} bytes; cut in the name of this letter's history"),
            });
        }
        let source = whole_or_cut(names.source);
        let history = history_of(&source);
        let letter = DeadLetter {
            raw: raw.to_vec(),
            format: format.into(),
            source,
            correlation_id: whole_or_cut(names.correlation_id),
            event_id: whole_or_cut(names.event_id),
            reasons,
            origin: origin.to_owned(),
        };
        let entry = LedgerEntry { dead_letter: Some(letter), ..LedgerEntry::default() };
        let entry = Event::of_ledger((history, to_hex(&digest)), (DEAD_LETTER_KEPT, entry));
        Self { entry, digest, raw_len: raw.len() }
    }

    /// The name of its history.
    pub(super) fn history(&self) -> &str {
        self.entry.correlation_id()
    }
}

/// The history of the dead letters of a source.
pub(super) fn history_of(source: &str) -> String {
    format!("{PREFIX}{}", whole_or_cut(source.to_owned()))
}

/// The source of a history of dead letters.
pub(super) fn source_of(history: &str) -> &str {
    history.strip_prefix(PREFIX).unwrap_or_default()
}

/// What closes a dead letter. A letter has one such id, so the log takes one closing of it.
pub(super) fn closing(letter: &Event, offset: u64, (kind, entry): (&str, LedgerEntry)) -> Event {
    let entry = LedgerEntry { dead_letter_offset: Some(offset), ..entry };
    Event::of_ledger(
        (letter.correlation_id().to_owned(), format!("closed/{offset}")),
        (kind, entry),
    )
}

/// What was refused, read as it would be read if it came now.
pub(super) fn parse(letter: &DeadLetter, limits: &Limits) -> Result<Event, Vec<Violation>> {
    check((&letter.raw, letter.format()), limits)
}

/// Reads an event of a format.
pub(super) fn check(
    (raw, format): (&[u8], DeadLetterFormat),
    limits: &Limits,
) -> Result<Event, Vec<Violation>> {
    if format != DeadLetterFormat::Ndjson {
        return Event::parse(raw.to_vec(), limits);
    }
    match std::str::from_utf8(raw) {
        Ok(line) => Event::from_json(line.trim_end(), limits),
        Err(error) => Err(vec![Violation::new("", format!("not UTF-8: {error}"))]),
    }
}

/// What tells one dead letter from another: SHA-256(prefix + format + bytes).
fn digest(raw: &[u8], format: DeadLetterFormat) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(DIGEST_PREFIX);
    hasher.update(i32::from(format).to_le_bytes());
    hasher.update(raw);
    hasher.finalize().into()
}

/// An id, or its beginning with a digest of it where it is too long. What is cut stays as it is
/// when it is cut again.
fn whole_or_cut(id: String) -> String {
    if id.len() <= ID_BYTES_MAX {
        return id;
    }
    let digest = to_hex(&Sha256::digest(&id)).chars().take(CUT_MARK_BYTES - 1).collect::<String>();
    format!("{}~{digest}", cut(&id, ID_BYTES_MAX - CUT_MARK_BYTES))
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn names_in_line(raw: &[u8]) -> EventName {
    let json = serde_json::from_slice(raw).unwrap_or(Json::Null);
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
    EventName {
        correlation_id: text("correlation_id"),
        source: text("source"),
        event_id: text("event_id"),
    }
}

fn reasons(violations: &[Violation]) -> Vec<RefusalReason> {
    let mut reasons = Vec::new();
    let mut room = REASONS_BYTES_MAX;
    for (index, violation) in violations.iter().enumerate() {
        let field = shortened(&violation.field, FIELD_BYTES_MAX);
        let description = shortened(&violation.description, DESCRIPTION_BYTES_MAX);
        let Some(left) = room.checked_sub(field.len() + description.len()) else {
            let description = format!("and {} more reasons", violations.len() - index);
            reasons.push(RefusalReason { field: String::new(), description });
            break;
        };
        room = left;
        reasons.push(RefusalReason { field, description });
    }
    reasons
}

fn shortened(text: &str, bytes_max: usize) -> String {
    let begin = cut(text, bytes_max);
    if begin.len() == text.len() { text.to_owned() } else { format!("{begin} ...") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_are_too_long_are_cut_and_stay_apart() {
        let (one, other) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
        let (first, second) = (history_of(&one), history_of(&other));
        assert_ne!(first, second);
        assert!(source_of(&first).len() <= ID_BYTES_MAX, "{first}");
        assert_eq!(history_of(source_of(&first)), first, "what is cut names the same history");
        assert_eq!(history_of(""), PREFIX);
        assert_eq!(history_of(&"x".repeat(128)), format!("{PREFIX}{}", "x".repeat(128)));
    }

    #[test]
    fn reasons_are_bounded_whatever_they_quote() {
        let long = Violation::new("x".repeat(5_000), "é".repeat(5_000));
        let found = reasons(&vec![long; 100]);
        let bytes: usize = found.iter().map(|one| one.field.len() + one.description.len()).sum();
        assert!(bytes <= REASONS_BYTES_MAX + 100, "{bytes}");
        assert!(found.last().unwrap().description.starts_with("and "), "{found:?}");
    }

    #[test]
    fn the_same_bytes_are_the_same_letter_whatever_is_said_about_them() {
        let raw = Bytes::from_static(b"{\"source\": \"erp\"}");
        let line = |why: &[Violation], origin| {
            Letter::of_refused((&raw, DeadLetterFormat::Ndjson), (why, origin))
        };
        let one = line(&[], "a:1");
        let other = line(&[Violation::new("", "wrong")], "b:2");
        assert_eq!((one.digest, one.history()), (other.digest, "$dead-letters/erp"));
        assert_ne!(Letter::of_event(&raw, &[]).digest, one.digest);
        let broken = Letter::of_event(&Bytes::from_static(b"\x0a\x03erp\x12\x01s\x0b"), &[]);
        assert_eq!(broken.history(), PREFIX, "what is no protobuf names nothing");
    }
}
