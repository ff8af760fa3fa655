//! The canonical order event: parsed once into something valid, kept as the bytes that came.
//! Does not know where events are stored or in which order they arrive.

mod canonical;
mod catalogue;
mod check;
mod cursor;
mod fact;
mod filter;
mod heard;
mod json;
mod kind;
mod present;
mod recorded;
mod schema;
mod unknown;
mod violation;

use std::ops::Range;

use bytes::Bytes;
use prost::Message as _;

pub use catalogue::{EVENT_TYPES, EventType, Group, event_type};
pub use json::{event_to_json, order_to_json};
pub(crate) use json::{from_hex, message_to_json, to_hex};
pub use recorded::RecordedEvent;
pub use violation::Violation;
pub(crate) use violation::listed;

pub(crate) use canonical::same_content;
pub(crate) use fact::{Fact, FactLine, FactReference, Path, path};
pub(crate) use filter::{Wanted, check_type, type_matches};
pub(crate) use heard::Heard;
pub(crate) use kind::Kind;
pub(crate) use present::{Present, Seen};
pub(crate) use schema::DESCRIPTORS;
pub(crate) use unknown::unknown_fields;

use crate::limits::Limits;
use crate::proto::{EventName, LedgerEntry, OrderEvent};
use crate::time::ns_from_parts;
use cursor::Value;

/// Correlation ids that begin with this belong to the ledger's own entries.
pub(crate) const RESERVED_PREFIX: char = '$';
/// The source of the ledger's own entries.
pub(crate) const LEDGER_SOURCE: &str = "$ledger";

/// The type of the entries that keep dead letters.
pub(crate) const DEAD_LETTER_KEPT: &str = "dead_letter.kept";

/// What bytes name that may be a valid event or not; empty where they name nothing that is text, or
/// are no protobuf.
pub(crate) fn names_in(body: &[u8]) -> EventName {
    if cursor::fields(body).any(|field| field.is_err()) {
        return EventName::default();
    }
    let envelope = Envelope::of(body);
    let text = |range: Range<usize>| {
        let bytes = body.get(range).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().to_owned()
    };
    EventName {
        correlation_id: text(envelope.correlation_id),
        source: text(envelope.source),
        event_id: text(envelope.event_id),
    }
}

/// Whether an order's name is that of a history of the ledger's own.
pub(crate) fn is_ledgers_own(correlation_id: &[u8]) -> bool {
    correlation_id.first() == Some(&b'$')
}

/// Numbers of the fields of `OrderEvent` that the ledger reads.
mod field {
    pub(super) const CORRELATION_ID: u32 = 1;
    pub(super) const SOURCE: u32 = 2;
    pub(super) const EVENT_ID: u32 = 3;
    pub(super) const TYPE: u32 = 4;
    pub(super) const OCCURRED_AT: u32 = 5;
    pub(super) const LEDGER_ENTRY: u32 = 90;
}

/// A valid order event, as the bytes that its producer sent.
///
/// Having an `Event` means that every rule of the contract holds. Fields that this version does not
/// know are kept.
///
/// ```
/// use order_ledger::{Event, Limits, proto::OrderEvent};
///
/// let event = Event::new(&OrderEvent {
///     correlation_id: "erp/100045".into(),
///     source: "wms:dc3".into(),
///     event_id: "pick-1".into(),
///     r#type: "pick.confirmed".into(),
///     ..Default::default()
/// })?;
/// assert_eq!(event.correlation_id(), "erp/100045");
///
/// let violations = Event::new(&OrderEvent::default()).unwrap_err();
/// assert_eq!(violations.len(), 4, "no correlation_id, source, event_id and type");
/// # Ok::<(), Vec<order_ledger::Violation>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    body: Bytes,
    envelope: Envelope,
}

/// Where the fields that the ledger reads stand in the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Envelope {
    correlation_id: Range<usize>,
    source: Range<usize>,
    event_id: Range<usize>,
    event_type: Range<usize>,
    occurred_at_ns: Option<i64>,
    /// Parts of `occurred_at` that are good alone are not a time together.
    occurred_at_merges_badly: bool,
    /// Whether it says what only the ledger's own entries say.
    has_ledger_entry: bool,
}

impl Event {
    /// An event made of a message, under the default limits.
    ///
    /// # Errors
    /// Every rule that the event breaks.
    pub fn new(event: &OrderEvent) -> Result<Self, Vec<Violation>> {
        Self::parse(event.encode_to_vec(), &Limits::default())
    }

    /// An event as its producer encoded it: protobuf `OrderEvent`.
    ///
    /// # Errors
    /// Every rule that the event breaks.
    pub fn parse(body: impl Into<Bytes>, limits: &Limits) -> Result<Self, Vec<Violation>> {
        let body = body.into();
        if body.len() > limits.event_bytes_max {
            return Err(vec![Violation::new(
                "",
                format!(
                    "{} bytes; an event has at most {} (event_bytes_max)",
                    body.len(),
                    limits.event_bytes_max
                ),
            )]);
        }
        let mut violations = check::check(&body, limits);
        let envelope = Envelope::of(&body);
        envelope.check_required(&body, &mut violations);
        if envelope.occurred_at_merges_badly && violations.is_empty() {
            let what = "parts of it merge into a time out of range";
            violations.push(Violation::new("occurred_at", what));
        }
        if violations.is_empty() { Ok(Self { body, envelope }) } else { Err(violations) }
    }

    /// An event from its JSON: names as in the proto, times as RFC 3339 with offset, quantities as
    /// decimal text, enum values as lower-case words, bytes in hexadecimal.
    ///
    /// ```
    /// use order_ledger::{Event, Limits, event_to_json};
    ///
    /// let line = r#"{"correlation_id":"erp/1","source":"wms:dc3","event_id":"p-1","type":"pick.confirmed","occurred_at":"2026-03-28T14:05:00+01:00","lines":[{"line_id":"10","quantity":"2.5"}]}"#;
    /// let event = Event::from_json(line, &Limits::default())?;
    /// assert_eq!(event_to_json(event.body()).to_string(), line);
    ///
    /// let wrong = r#"{"type": "pick.confirmed", "sauce": "wms", "lines": [{"quantity": true}]}"#;
    /// let violations = Event::from_json(wrong, &Limits::default()).unwrap_err();
    /// assert_eq!(violations.len(), 5, "two of the JSON, and three missing ids");
    /// # Ok::<(), Vec<order_ledger::Violation>>(())
    /// ```
    ///
    /// # Errors
    /// Every name that is not known, every value of the wrong form, and every rule that the event
    /// breaks.
    pub fn from_json(text: &str, limits: &Limits) -> Result<Self, Vec<Violation>> {
        let (body, mut violations) = json::encode(text);
        let is_json = violations.iter().all(|violation| !violation.field.is_empty());
        match Self::parse(body, limits) {
            Ok(event) if violations.is_empty() => return Ok(event),
            // Of what is no JSON at all, nothing more can be said.
            Err(broken) if is_json => violations.extend(broken),
            Ok(_) | Err(_) => {}
        }
        Err(violations)
    }

    /// An event that the ledger has stored, which was valid when it was appended.
    pub(crate) fn stored(body: Bytes) -> Self {
        let envelope = Envelope::of(&body);
        Self { body, envelope }
    }

    /// An entry of the ledger's own, by its history, its id there, and its type.
    pub(crate) fn of_ledger(
        (history, event_id): (String, String),
        (event_type, entry): (&str, LedgerEntry),
    ) -> Self {
        let event = OrderEvent {
            correlation_id: history,
            source: LEDGER_SOURCE.to_owned(),
            event_id,
            r#type: event_type.to_owned(),
            ledger_entry: Some(Box::new(entry)),
            ..OrderEvent::default()
        };
        Self::stored(event.encode_to_vec().into())
    }

    /// An entry of the ledger's own that is stored.
    pub(crate) fn parse_ledgers_own(body: &[u8]) -> Result<Self, Vec<Violation>> {
        match OrderEvent::decode(body) {
            Ok(event) if event.ledger_entry.is_some() => Ok(Self::stored(body.to_vec().into())),
            Ok(_) => Err(vec![Violation::new("ledger_entry", "missing")]),
            Err(error) => Err(vec![Violation::new("", error.to_string())]),
        }
    }

    /// What an entry of the ledger's own says; `None` for the event of a producer.
    pub(crate) fn ledger_entry(&self) -> Option<LedgerEntry> {
        self.message().ledger_entry.map(|entry| *entry)
    }

    /// Whether this keeps a dead letter. Its id is a digest of what was refused: who has the id has
    /// the same dead letter, whatever is said about it.
    pub(crate) fn is_dead_letter(&self) -> bool {
        let history = self.body.get(self.envelope.correlation_id.clone()).unwrap_or_default();
        is_ledgers_own(history) && self.event_type() == DEAD_LETTER_KEPT
    }

    /// The producer's bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The name of the order that the event is about.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        self.text(&self.envelope.correlation_id)
    }

    /// Whether the event is about an order.
    pub(crate) fn is_about(&self, correlation_id: &str) -> bool {
        self.body.get(self.envelope.correlation_id.clone()) == Some(correlation_id.as_bytes())
    }

    /// The name of the order, sharing the body's memory.
    pub(crate) fn correlation_id_bytes(&self) -> Bytes {
        self.body.slice(self.envelope.correlation_id.clone())
    }

    /// The system that says so.
    #[must_use]
    pub fn source(&self) -> &str {
        self.text(&self.envelope.source)
    }

    /// The event's id at its source; retries reuse it.
    #[must_use]
    pub fn event_id(&self) -> &str {
        self.text(&self.envelope.event_id)
    }

    /// The dotted name of the event's type; see [`event_type`] for those that the ledger knows.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.text(&self.envelope.event_type)
    }

    /// Source, id and type. They mostly stand together, with nothing but text between them, and are
    /// checked to be text together.
    pub(crate) fn source_id_and_type(&self) -> [&str; 3] {
        let Envelope { source, event_id, event_type, .. } = &self.envelope;
        let end = source.end.max(event_id.end).max(event_type.end);
        let together = self.body.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        [source, event_id, event_type].map(|range| {
            let part = together.and_then(|together| together.get(range.clone()));
            part.unwrap_or_else(|| self.text(range))
        })
    }

    /// When it occurred, by its source, in nanoseconds of the Unix epoch. `None` where the source
    /// did not say.
    #[must_use]
    pub fn occurred_at_ns(&self) -> Option<i64> {
        self.envelope.occurred_at_ns
    }

    /// The event as a message. Fields that this version does not know are not in it.
    #[must_use]
    pub fn message(&self) -> OrderEvent {
        OrderEvent::decode(self.body.clone()).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        let bytes = self.body.get(range.clone()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// The time at which an encoded event occurred, in nanoseconds of the Unix epoch; 0 where it does
/// not say. It is part of the leaf.
pub(crate) fn occurred_at_ns(body: &[u8]) -> i64 {
    Envelope::of(body).occurred_at_ns.unwrap_or(0)
}

impl Envelope {
    fn of(body: &[u8]) -> Self {
        let mut envelope = Self::default();
        let mut occurred_at = None;
        let mut walk = cursor::fields(body);
        while let Some(Ok(field)) = walk.next() {
            let end = body.len() - walk.rest_len();
            let Value::Bytes(value) = field.value else {
                continue;
            };
            let range = end - value.len()..end;
            match field.number {
                field::CORRELATION_ID => envelope.correlation_id = range,
                field::SOURCE => envelope.source = range,
                field::EVENT_ID => envelope.event_id = range,
                field::LEDGER_ENTRY => envelope.has_ledger_entry = true,
                field::TYPE => envelope.event_type = range,
                field::OCCURRED_AT => {
                    let earlier = occurred_at.unwrap_or((0, 0));
                    occurred_at = check::timestamp_parts(value, earlier).ok();
                }
                _ => {}
            }
        }
        envelope.occurred_at_ns =
            occurred_at.and_then(|(seconds, nanos)| ns_from_parts(seconds, nanos));
        envelope.occurred_at_merges_badly =
            occurred_at.is_some() && envelope.occurred_at_ns.is_none();
        envelope
    }

    fn check_required(&self, body: &[u8], violations: &mut Vec<Violation>) {
        let required = [
            ("correlation_id", &self.correlation_id),
            ("source", &self.source),
            ("event_id", &self.event_id),
            ("type", &self.event_type),
        ];
        for (name, range) in required {
            if range.is_empty() {
                violations.push(Violation::new(name, "missing; every event has one"));
            }
        }
        let correlation_id = body.get(self.correlation_id.clone()).unwrap_or_default();
        if is_ledgers_own(correlation_id) {
            violations.push(Violation::new(
                "correlation_id",
                format!("begins with '{RESERVED_PREFIX}', which is the ledger's own"),
            ));
        }
        if self.has_ledger_entry {
            let what = "only the ledger's own entries have it";
            violations.push(Violation::new("ledger_entry", what));
        }
    }
}
