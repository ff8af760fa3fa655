//! What all events of a history say, read once for the fold, in few pieces of memory.
//! Does not know what events do to an order.

use std::ops::Range;

use super::cursor::{Value, fields};
use super::fact::{
    Detail, FACT_ID, Fact, FactLine, FactReference, LINES, OCCURRED_AT_PRECISION, PARTY_ID,
    REFERENCES, SOURCE_SEQUENCE, bit, has_details, said, text,
};
use super::recorded::RecordedEvent;

/// What some events say, read once. Facts borrow from it, so that they are small and reading many
/// events takes few pieces of memory.
#[derive(Debug)]
pub(crate) struct Heard<'a> {
    /// Without their parts, and where these end.
    facts: Vec<(Fact<'a>, Ends)>,
    lines: Vec<FactLine<'a>>,
    references: Vec<FactReference<'a>>,
    details: Vec<Detail<'a>>,
}

/// How many parts there are with those of a fact.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    lines: usize,
    references: usize,
    details: usize,
}

impl<'a> Heard<'a> {
    pub(crate) fn of(events: &'a [RecordedEvent]) -> Self {
        let mut heard = Self {
            facts: Vec::with_capacity(events.len()),
            lines: Vec::with_capacity(events.len() * LINES_OF_EVENT),
            references: Vec::with_capacity(events.len()),
            details: Vec::with_capacity(events.len() * DETAILS_OF_EVENT),
        };
        for recorded in events {
            heard.hear(recorded);
        }
        heard
    }

    fn hear(&mut self, recorded: &'a RecordedEvent) {
        let mut fact = Fact::without_parts(recorded);
        for field in fields(recorded.event.body()).map_while(Result::ok) {
            match (field.number, field.value) {
                (OCCURRED_AT_PRECISION, Value::Varint(number)) => fact.precision = number,
                (FACT_ID, Value::Bytes(bytes)) => fact.fact_id = text(bytes),
                (SOURCE_SEQUENCE, Value::Bytes(bytes)) => fact.sequence = text(bytes),
                (PARTY_ID, Value::Bytes(bytes)) => fact.party_id = text(bytes),
                (LINES, Value::Bytes(line)) => self.lines.push(FactLine::of(line)),
                (REFERENCES, Value::Bytes(one)) => self.references.push(FactReference::of(one)),
                (number, Value::Bytes(message)) if has_details(number) => {
                    fact.present |= bit(number);
                    for (field, said) in said(message) {
                        self.details.push(((number, field), said));
                    }
                }
                _ => {}
            }
        }
        let ends = Ends {
            lines: self.lines.len(),
            references: self.references.len(),
            details: self.details.len(),
        };
        self.facts.push((fact, ends));
    }

    /// The facts, in the order of their events.
    pub(crate) fn facts(&'a self) -> impl Iterator<Item = Fact<'a>> {
        let mut begins = Ends::default();
        self.facts.iter().map(move |(fact, ends)| {
            let fact = Fact {
                lines: part(&self.lines, begins.lines..ends.lines),
                references: part(&self.references, begins.references..ends.references),
                details: part(&self.details, begins.details..ends.details),
                ..*fact
            };
            begins = *ends;
            fact
        })
    }
}

fn part<T>(all: &[T], range: Range<usize>) -> &[T] {
    all.get(range).unwrap_or_default()
}

/// Few events have more lines, or say more beside them.
const LINES_OF_EVENT: usize = 2;
const DETAILS_OF_EVENT: usize = 4;
