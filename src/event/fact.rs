//! An event as the fold reads it: borrowed from its bytes, which are walked and checked once.
//! Does not know what events do to an order.
//!
//! Decoding a whole `OrderEvent` allocates a string for every field; a fold that reads a million
//! events a second looks at a few of them and copies none.

use prost_types::Timestamp;

use super::catalogue::{EventType, Group};
use super::check::timestamp_parts;
use super::cursor::{Value, fields, read_varint};
use super::kind::Kind;
use super::recorded::RecordedEvent;
use crate::time::ns_from_parts;

/// A field of a message that stands in an event: the numbers of both fields.
pub(crate) type Path = (u32, u32);

macro_rules! paths {
    ($($name:ident = $numbers:expr, $text:literal;)*) => {
        /// Where values stand in an event.
        pub(crate) mod path {
            $(pub(crate) const $name: super::Path = $numbers;)*
        }

        #[cfg(test)]
        const PATHS: &[(Path, &str)] = &[$((path::$name, $text),)*];
    };
}

paths! {
    WAREHOUSE = (10, 1), "location.warehouse";
    REASON_CODE = (12, 1), "reason.code";
    REASON_SOURCE_CODE = (12, 2), "reason.source_code";
    REASON_TEXT = (12, 3), "reason.text";
    REASON_SEVERITY = (12, 4), "reason.severity";
    BACKFILL = (24, 1), "flags.backfill";
    TEST = (24, 2), "flags.test";
    PROMISED_SHIP_BY = (25, 1), "promised.ship_by";
    PROMISED_DELIVER_BY = (25, 2), "promised.deliver_by";
    ASSERTED_DIMENSION = (26, 1), "asserted.dimension";
    ASSERTED_VALUE = (26, 2), "asserted.value";
    ASSERTED_CODE = (26, 3), "asserted.code";
    ASSERTED_LOW = (26, 4), "asserted.low";
    ASSERTED_HIGH = (26, 5), "asserted.high";
    ASSERTED_AS_OF = (26, 6), "asserted.as_of";
    REQUESTED_SHIP_BY = (27, 2), "requested.ship_by";
    REQUESTED_DELIVER_BY = (27, 3), "requested.deliver_by";
    RELEASE_ID = (40, 1), "release.release_id";
    WAREHOUSE_ORDER_ID = (40, 2), "release.warehouse_order_id";
    ALLOCATION_ID = (42, 1), "allocation.allocation_id";
    WAVE_ID = (43, 1), "wave.wave_id";
    TASK_ID = (44, 1), "pick_task.task_id";
    BACKORDER_TRIGGERED = (45, 1), "short.backorder_triggered";
    CARTON_ID = (46, 1), "package.carton_id";
    SSCC = (46, 2), "package.sscc";
    TRACKING_NUMBER = (46, 3), "package.tracking_number";
    TRACKING_UNIQUE_ID = (46, 4), "package.tracking_unique_id";
    MOTHER_TRACKING_NUMBER = (46, 5), "package.mother_tracking_number";
    PACKAGE_CARRIER = (46, 6), "package.carrier";
    PACKAGE_SHIPMENT_ID = (46, 13), "package.shipment_id";
    LABEL_ID = (46, 14), "package.label_id";
    SHIPMENT_ID = (47, 1), "shipment.shipment_id";
    SHIPMENT_CARRIER = (47, 2), "shipment.carrier";
    SHIPMENT_SERVICE = (47, 3), "shipment.service";
    BOL = (47, 4), "shipment.bol";
    PRO = (47, 5), "shipment.pro";
    LOAD_ID = (47, 6), "shipment.load_id";
    MANIFEST_ID = (47, 7), "shipment.manifest_id";
    TRACKING_NUMBERS = (47, 8), "shipment.tracking_numbers";
    CARTON_IDS = (47, 10), "shipment.carton_ids";
    ETA = (49, 1), "eta.expected_at";
    REASSIGNED_CARRIER = (50, 1), "tracking_reassignment.carrier";
    OLD_TRACKING_NUMBER = (50, 2), "tracking_reassignment.old_tracking_number";
    OLD_TRACKING_UNIQUE_ID = (50, 3), "tracking_reassignment.old_tracking_unique_id";
    NEW_TRACKING_NUMBER = (50, 4), "tracking_reassignment.new_tracking_number";
    NEW_TRACKING_UNIQUE_ID = (50, 5), "tracking_reassignment.new_tracking_unique_id";
    HOLD_ID = (51, 1), "hold.hold_id";
    HOLD_KIND = (51, 2), "hold.kind";
    HOLD_SCOPE = (51, 3), "hold.scope";
    HOLD_BLOCKS = (51, 4), "hold.blocks";
    HOLD_ALL = (51, 5), "hold.all";
    HOLD_OWNER = (51, 6), "hold.owner";
    HOLD_DUE_AT = (51, 7), "hold.due_at";
    EXCEPTION_ID = (52, 1), "exception.exception_id";
    EXCEPTION_SEVERITY = (52, 2), "exception.severity";
    RESOLUTION = (52, 3), "exception.resolution";
    EXCEPTION_SCOPE = (52, 4), "exception.scope";
    AFFECTED_QUANTITY = (52, 5), "exception.affected_quantity";
    EXCEPTION_OWNER = (52, 6), "exception.owner";
    EXCEPTION_DUE_AT = (52, 7), "exception.due_at";
    CANCELLATION_SCOPE = (54, 1), "cancellation.scope";
    CANCEL_REQUEST_ID = (54, 2), "cancellation.request_id";
    CANCEL_REQUESTED_BY = (54, 3), "cancellation.requested_by";
    RMA = (55, 1), "return_details.rma";
    DISPOSITION = (55, 2), "return_details.disposition";
    CONDITION = (55, 4), "return_details.condition";
    RETURN_CARRIER = (55, 5), "return_details.carrier";
    RETURN_TRACKING_NUMBER = (55, 6), "return_details.tracking_number";
    FROM_LINE_ID = (56, 1), "substitution.from_line_id";
    FROM_QUANTITY = (56, 3), "substitution.from_quantity";
    TO_LINE_ID = (56, 4), "substitution.to_line_id";
    TO_SKU = (56, 5), "substitution.to_sku";
    TO_QUANTITY = (56, 6), "substitution.to_quantity";
    RATIO = (56, 7), "substitution.ratio";
    BACKORDER_NEW_LINE_ID = (57, 1), "backorder.new_line_id";
    BACKORDER_NEW_ORDER = (57, 2), "backorder.new_correlation_id";
    CORRECTED_SOURCE = (58, 1), "correction.target_source";
    CORRECTED_EVENT_ID = (58, 2), "correction.target_event_id";
    CORRECTION_KIND = (58, 3), "correction.kind";
    INVOICE_NUMBER = (59, 1), "invoice.invoice_number";
    REVERSED_INVOICE_NUMBER = (59, 2), "invoice.reversed_invoice_number";
    DOCUMENT_ID = (60, 1), "document.document_id";
    DOCUMENT_KIND = (60, 2), "document.kind";
    REVERSED_DOCUMENT_ID = (60, 3), "document.reversed_document_id";
    MESSAGE_ID = (61, 1), "interface_message.message_id";
    DEAD_LETTER = (61, 4), "interface_message.dead_letter";
    RELATED_ORDERS = (62, 1), "relation.correlation_ids";
    SURVIVING_ORDER = (62, 2), "relation.surviving_correlation_id";
}

pub(super) const OCCURRED_AT_PRECISION: u32 = 6;
pub(super) const LINES: u32 = 8;
pub(super) const REFERENCES: u32 = 9;
pub(super) const FACT_ID: u32 = 14;
pub(super) const SOURCE_SEQUENCE: u32 = 17;
pub(super) const PARTY_ID: u32 = 22;

/// An event, borrowed and read once. An absent text is empty, an absent number 0.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "the names are those of the proto")]
pub(crate) struct Fact<'a> {
    pub(crate) recorded: &'a RecordedEvent,
    pub(crate) kind: Kind,
    /// The row of its type in the catalogue.
    pub(crate) row: Option<&'static EventType>,
    /// The name of the type, known or not.
    pub(crate) type_name: &'a str,
    pub(crate) source: &'a str,
    pub(crate) event_id: &'a str,
    /// By which the event is placed: when it occurred, or else when it was recorded.
    pub(crate) at_ns: i64,
    /// Number of a `TimePrecision`.
    pub(crate) precision: u64,
    pub(crate) sequence: &'a str,
    pub(crate) fact_id: &'a str,
    pub(crate) party_id: &'a str,
    pub(crate) lines: &'a [FactLine<'a>],
    /// Those that stand in the event's list.
    pub(crate) references: &'a [FactReference<'a>],
    /// What its other messages say, in the order in which it stands there.
    pub(super) details: &'a [Detail<'a>],
    /// Which messages these are, so that what is absent costs nothing.
    pub(super) present: u64,
}

/// Where a value stands in an event, and the value.
pub(super) type Detail<'a> = (Path, Said<'a>);

/// A value as it stands in a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    Text(&'a str),
    /// A message or a list.
    Bytes(&'a [u8]),
    Number(u64),
}

/// A line of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FactLine<'a> {
    pub(crate) line_id: &'a str,
    pub(crate) parent_line_id: &'a str,
    pub(crate) sku: &'a str,
    pub(crate) gtin: &'a str,
    /// Decimal text; empty where the event moves no quantity of the line.
    pub(crate) quantity: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) carton: &'a str,
}

/// A reference that an event carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FactReference<'a> {
    pub(crate) kind: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) value: &'a str,
    pub(crate) role: &'a str,
}

impl<'a> Fact<'a> {
    /// Its lines, references and details are left out.
    pub(super) fn without_parts(recorded: &'a RecordedEvent) -> Self {
        let [source, event_id, type_name] = recorded.event.source_id_and_type();
        let (kind, row) = Kind::of(type_name);
        Self {
            recorded,
            kind,
            row,
            type_name,
            source,
            event_id,
            at_ns: recorded.timeline_ns(),
            precision: 0,
            sequence: "",
            fact_id: "",
            party_id: "",
            lines: &[],
            references: &[],
            details: &[],
            present: 0,
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.recorded.offset
    }

    /// The part of the order's life that it belongs to.
    pub(crate) fn group(&self) -> Option<Group> {
        self.row.map(|row| row.group)
    }

    pub(crate) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Whether the event has a message at all.
    pub(crate) fn has(&self, (message, _): Path) -> bool {
        self.present & bit(message) != 0
    }

    /// A text; the last one where it stands several times, as protobuf merges.
    pub(crate) fn text(&self, path: Path) -> &'a str {
        self.texts(path).next_back().unwrap_or_default()
    }

    /// Texts of a repeated field.
    pub(crate) fn texts(
        &self,
        path: Path,
    ) -> impl DoubleEndedIterator<Item = &'a str> + use<'a, '_> {
        self.said(path).filter_map(|said| match said {
            Said::Text(text) => Some(text),
            Said::Bytes(_) | Said::Number(_) => None,
        })
    }

    /// A number, a flag or the number of an enum value.
    pub(crate) fn number(&self, path: Path) -> u64 {
        self.last_number(path).unwrap_or_default()
    }

    /// A flag that may be absent.
    pub(crate) fn flag(&self, path: Path) -> Option<bool> {
        self.last_number(path).map(|number| number != 0)
    }

    fn last_number(&self, path: Path) -> Option<u64> {
        let mut last = None;
        self.each_number(path, |number| last = Some(number));
        last
    }

    /// Numbers of a repeated field, packed or not.
    pub(crate) fn numbers(&self, path: Path) -> Vec<u64> {
        let mut numbers = Vec::new();
        self.each_number(path, |number| numbers.push(number));
        numbers
    }

    fn each_number(&self, path: Path, mut each: impl FnMut(u64)) {
        for said in self.said(path) {
            let mut packed = said.bytes();
            if let Said::Number(number) = said {
                each(number);
            }
            while let (false, Ok(number)) = (packed.is_empty(), read_varint(&mut packed)) {
                each(number);
            }
        }
    }

    /// A time.
    pub(crate) fn time(&self, path: Path) -> Option<Timestamp> {
        let mut parts = None;
        for said in self.said(path) {
            parts = timestamp_parts(said.bytes(), parts.unwrap_or((0, 0))).ok();
        }
        parts.map(|(seconds, nanos)| Timestamp { seconds, nanos })
    }

    /// A time in nanoseconds of the Unix epoch; `None` also where these cannot say it.
    pub(crate) fn time_ns(&self, path: Path) -> Option<i64> {
        self.time(path).and_then(|time| ns_from_parts(time.seconds, time.nanos))
    }

    fn said(&self, path: Path) -> impl DoubleEndedIterator<Item = Said<'a>> + use<'a, '_> {
        let details = if self.has(path) { self.details } else { &[] };
        details.iter().filter(move |(its, _)| *its == path).map(|(_, said)| *said)
    }
}

impl<'a> Said<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }
}

impl<'a> FactLine<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut read = Self::default();
        for field in said(line) {
            match field {
                (1, Said::Text(text)) => read.line_id = text,
                (2, Said::Text(text)) => read.parent_line_id = text,
                (3, Said::Text(text)) => read.sku = text,
                (4, Said::Text(text)) => read.gtin = text,
                (7, Said::Text(text)) => read.quantity = text,
                (8, Said::Text(text)) => read.unit = text,
                (10, Said::Text(text)) => read.carton = text,
                _ => {}
            }
        }
        read
    }
}

impl<'a> FactReference<'a> {
    pub(super) fn of(reference: &'a [u8]) -> Self {
        let mut read = Self::default();
        for field in said(reference) {
            match field {
                (1, Said::Text(text)) => read.kind = text,
                (2, Said::Text(text)) => read.issuer = text,
                (3, Said::Text(text)) => read.value = text,
                (4, Said::Text(text)) => read.role = text,
                _ => {}
            }
        }
        read
    }
}

/// One bit for each message that the fold looks into.
pub(super) fn bit(number: u32) -> u64 {
    1_u64.checked_shl(number).unwrap_or(0)
}

/// Whether a field is a message that the fold looks into, beside lines and references.
pub(super) fn has_details(number: u32) -> bool {
    matches!(number, 10 | 12 | 24..=62)
}

/// The values of a message. Tags and lengths of short texts are ASCII, so that most messages are
/// text as a whole, which is checked once for all that is in it.
pub(super) fn said(message: &[u8]) -> impl Iterator<Item = (u32, Said<'_>)> {
    let whole = std::str::from_utf8(message).ok();
    let mut walk = fields(message);
    std::iter::from_fn(move || {
        let field = walk.next()?.ok()?;
        let end = message.len() - walk.rest_len();
        let said = match field.value {
            Value::Bytes(bytes) => {
                let part = whole.and_then(|whole| whole.get(end - bytes.len()..end));
                let text = part.or_else(|| std::str::from_utf8(bytes).ok());
                text.map_or(Said::Bytes(bytes), Said::Text)
            }
            Value::Varint(number) => Said::Number(number),
            Value::Fixed64(_) | Value::Fixed32(_) => Said::Bytes(&[]),
        };
        Some((field.number, said))
    })
}

/// Text that was checked to be UTF-8 when the event was accepted.
pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::super::schema::{Kind, schema};
    use super::*;
    use crate::event::Event;
    use crate::limits::Limits;

    #[test]
    fn every_path_is_the_one_of_the_proto() {
        for ((part, field), name) in PATHS {
            let (outer, inner) = name.split_once('.').unwrap();
            let outer = schema().event().field_named(outer).unwrap();
            let Kind::Message(index) = outer.kind else { panic!("{name}: no message") };
            let inner = schema().message(index).field_named(inner).unwrap();
            assert_eq!((outer.number, inner.number), (*part, *field), "{name}");
            assert!(has_details(*part), "{name}");
        }
        for (number, name) in [
            (OCCURRED_AT_PRECISION, "occurred_at_precision"),
            (LINES, "lines"),
            (REFERENCES, "refs"),
            (FACT_ID, "fact_id"),
            (SOURCE_SEQUENCE, "source_sequence"),
            (PARTY_ID, "party_id"),
        ] {
            assert_eq!(schema().event().field_named(name).unwrap().number, number, "{name}");
        }
    }

    #[test]
    fn a_fact_reads_what_the_event_says() {
        let json = r#"{"correlation_id":"o","source":"s","event_id":"e","type":"hold.placed",
            "occurred_at":"2026-01-02T03:04:05Z","occurred_at_precision":"minute","fact_id":"f",
            "source_sequence":"7","refs":[{"type":"wave","issuer":"dc","value":"w1"}],
            "lines":[{"line_id":"10","sku":"A","quantity":"1.5","unit":"EA","carton":"C1"}],
            "hold":{"hold_id":"h","blocks":["release","ship"],"due_at":"2026-01-03T00:00:00Z"},
            "short":{"backorder_triggered":false}}"#;
        let event = Event::from_json(json, &Limits::default()).unwrap();
        let recorded =
            RecordedEvent { offset: 1, revision: 0, recorded_at_ns: 0, event, previous: [0; 32] };
        let heard = Heard::of(std::slice::from_ref(&recorded));
        let fact = heard.facts().next().unwrap();
        assert_eq!((fact.precision, fact.fact_id, fact.sequence), (3, "f", "7"));
        assert_eq!(fact.text(path::HOLD_ID), "h");
        assert_eq!(fact.numbers(path::HOLD_BLOCKS), [1, 3]);
        assert_eq!(fact.time(path::HOLD_DUE_AT).unwrap().seconds, 1_767_398_400);
        assert_eq!(fact.flag(path::BACKORDER_TRIGGERED), Some(false));
        assert_eq!(fact.flag(path::TEST), None);
        let line = fact.lines.first().unwrap();
        assert_eq!((line.line_id, line.quantity, line.carton), ("10", "1.5", "C1"));
        let reference = fact.references.first().unwrap();
        assert_eq!((reference.kind, reference.issuer, reference.value), ("wave", "dc", "w1"));
    }
}
