//! The report of one order: what was known then, what is known now, and what came in between. A
//! pure function of answers. Does not know who gives them, nor how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::events::{CORRECTED, Corrected, Told, ns_of};
use crate::cli::output::{enum_word, json_of, recorded_json, time_text};
use crate::proto::{self, Basis, Claim, Order, OrderDifference};
use crate::rpc::wire;
use crate::time::timestamp;

/// When it was that something was known, and what it was about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    /// What was recorded at or before a time, of what had occurred at or before another one.
    Recorded { recorded_by: Timestamp, occurred_by: Timestamp },
    /// What was known when a period was closed, of what had occurred before.
    Closed(proto::Period),
}

/// A state of the order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    /// The head that it reflects.
    pub(super) basis: u64,
    pub(super) order: Order,
}

impl Known {
    /// Whether nothing was known: then the state is that of no order, and says nothing.
    pub(super) fn is_unknown(&self) -> bool {
        self.order.revision == 0 && self.order.event_count == 0
    }
}

/// What a report is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) then: Known,
    pub(super) now: Known,
    pub(super) differences: Vec<OrderDifference>,
    /// The events known now that had occurred by the time that is asked about.
    pub(super) counted: Vec<wire::TimelineRow>,
    /// All events known now.
    pub(super) all: Vec<wire::TimelineRow>,
    /// All corrections known now.
    pub(super) corrections: Vec<proto::Correction>,
}

/// A claim of which another thing is found now than then.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rejudged {
    pub(super) then: Claim,
    pub(super) now: Claim,
}

/// The report.
#[derive(Clone, Debug)]
pub(super) struct OrderReport {
    pub(super) correlation_id: String,
    pub(super) then: Then,
    pub(super) known_then: Known,
    pub(super) known_now: Known,
    /// All fields that differ.
    pub(super) differences: Vec<OrderDifference>,
    /// Recorded since, of what had occurred by then.
    pub(super) late: Vec<wire::TimelineRow>,
    /// Recorded since, whenever they occurred.
    pub(super) corrections: Vec<Corrected>,
    pub(super) claims: Vec<Rejudged>,
    /// How many events recorded since occurred later.
    pub(super) later_count: usize,
}

impl Then {
    /// The state of the log.
    pub(super) fn basis(&self) -> Basis {
        match self {
            Self::Recorded { recorded_by, .. } => {
                Basis { as_of_recorded: Some(*recorded_by), ..Basis::default() }
            }
            Self::Closed(period) => {
                Basis { as_of_offset: Some(period.covered), ..Basis::default() }
            }
        }
    }

    /// The last instant that counts. What occurred when a period was closed did not occur before.
    pub(super) fn occurred_by(&self) -> Timestamp {
        match self {
            Self::Recorded { occurred_by, .. } => *occurred_by,
            Self::Closed(period) => {
                let closed_at_ns = ns_of(period.closed_at.as_ref()).unwrap_or(i64::MAX);
                timestamp(closed_at_ns.saturating_sub(1))
            }
        }
    }
}

/// Whether a field only says how many events there are and which: it differs with every event.
pub(super) fn is_bookkeeping(field: &str) -> bool {
    let counts = ["revision", "event_count", "first_event", "last_event"];
    let lists = ["type_counts", "source_counts"];
    let first = field.split(['.', '[']).next().unwrap_or_default();
    let last = field.rsplit('.').next().unwrap_or_default();
    let names_events = matches!(last, "offset" | "offsets" | "first_offset" | "last_offset");
    names_events || counts.contains(&first) || lists.contains(&first)
}

/// Leaves out what a state of no order says: nothing was known.
pub(super) fn say_unknown(differences: &mut [OrderDifference]) {
    for one in differences {
        one.before.clear();
    }
}

fn offset_of(row: &wire::TimelineRow) -> u64 {
    row.event.as_ref().map_or(0, |recorded| recorded.offset)
}

impl OrderReport {
    pub(super) fn of(correlation_id: String, then: Then, answers: Answers) -> Self {
        let since = answers.then.basis;
        let counted: BTreeSet<u64> = answers.counted.iter().map(offset_of).collect();
        let recent = answers.all.iter().filter(|row| offset_of(row) >= since);
        let later_count = recent.filter(|row| !counted.contains(&offset_of(row))).count();
        let corrections = corrections(&answers, &counted);
        let claims = rejudged(&answers.then.order, &answers.now.order);
        let mut differences = answers.differences;
        if answers.then.is_unknown() {
            say_unknown(&mut differences);
        }
        let late = answers.counted.into_iter().filter(|row| offset_of(row) >= since).collect();
        Self {
            correlation_id,
            then,
            known_then: answers.then,
            known_now: answers.now,
            differences,
            late,
            corrections,
            claims,
            later_count,
        }
    }

    /// Whether the ledger knows the order at all.
    pub(super) fn is_known(&self) -> bool {
        let order = &self.known_now.order;
        order.revision > 0 || order.event_count > 0 || !self.differences.is_empty()
    }

    /// Fields that differ and are no bookkeeping.
    pub(super) fn changes(&self) -> impl Iterator<Item = &OrderDifference> {
        self.differences.iter().filter(|one| !is_bookkeeping(&one.field))
    }

    /// Whether anything at all has come since that belongs into the report.
    pub(super) fn is_changed(&self) -> bool {
        let came = !self.late.is_empty() || !self.corrections.is_empty();
        came || !self.claims.is_empty() || self.changes().next().is_some()
    }

    /// All there is.
    pub(super) fn json(&self) -> Json {
        let correction = |one: &Corrected| correction_json(one, self.known_then.basis);
        let side = |known: &Known| {
            let order = json_of("Order", &known.order);
            let order = if known.is_unknown() { Json::Null } else { order };
            json!({ "basis": known.basis, "order": order })
        };
        let mut then = side(&self.known_then);
        if let Some(object) = then.as_object_mut() {
            let (name, said) = match &self.then {
                Then::Recorded { recorded_by, .. } => {
                    ("recorded_by", Json::from(time_text(Some(recorded_by))))
                }
                Then::Closed(period) => ("period", json_of("Period", period)),
            };
            object.insert(name.to_owned(), said);
        }
        let differences = self.differences.iter().map(|one| json_of("OrderDifference", one));
        json!({
            "report": "order",
            "correlation_id": self.correlation_id,
            "occurred_by": time_text(Some(&self.then.occurred_by())),
            "policy": "today's",
            "known_then": then,
            "known_now": side(&self.known_now),
            "changed": self.is_changed(),
            "differences": differences.collect::<Vec<_>>(),
            "late_arrivals": self.late.iter().map(late_json).collect::<Vec<_>>(),
            "corrections": self.corrections.iter().map(correction).collect::<Vec<_>>(),
            "claims": self.claims.iter().map(Rejudged::json).collect::<Vec<_>>(),
            "occurred_later_count": self.later_count,
        })
    }
}

/// Corrections that were recorded since, with what they are about.
fn corrections(answers: &Answers, counted: &BTreeSet<u64>) -> Vec<Corrected> {
    let rows = answers.all.iter().map(|row| (row, Told::of_row(row)));
    let rows: Vec<(&wire::TimelineRow, Told)> = rows.collect();
    let found = rows
        .iter()
        .filter(|(_, told)| told.event_type == CORRECTED && told.offset >= answers.then.basis);
    let found = found.map(|(row, told)| {
        let correction = answers.corrections.iter().find(|one| one.offset == told.offset);
        let mut corrected = Corrected::of(&row.event.clone().unwrap_or_default());
        let named = |other: &&Told| {
            other.source == corrected.target_source
                && other.event_id == corrected.target_event_id
                && other.correlation_id == told.correlation_id
        };
        let target = rows.iter().map(|(_, other)| other).find(named).cloned();
        corrected.target = target;
        corrected.event.effects.clone_from(&told.effects);
        corrected.undone = correction.is_some_and(|one| one.undone);
        corrected.counts = counted.contains(&told.offset);
        corrected
    });
    found.collect()
}

/// Claims that were known then and that the facts known now judge otherwise.
fn rejudged(then: &Order, now: &Order) -> Vec<Rejudged> {
    let key = |claim: &Claim| (claim.offset, claim.dimension);
    let now: BTreeMap<_, &Claim> = now.claims.iter().map(|claim| (key(claim), claim)).collect();
    let pairs = then.claims.iter().filter_map(|then| Some((then, *now.get(&key(then))?)));
    let differ = pairs.filter(|(then, now)| then.agreement != now.agreement);
    differ.map(|(then, now)| Rejudged { then: then.clone(), now: now.clone() }).collect()
}

impl Rejudged {
    /// What was claimed.
    pub(super) fn claim(&self) -> String {
        let claim = &self.then;
        let dimension = enum_word("STATUS_DIMENSION_", claim.dimension().as_str_name());
        let range = format!("{} to {}", claim.low, claim.high);
        let value = match (claim.value.as_str(), claim.low.as_str()) {
            ("", "") => &claim.code,
            ("", _) => &range,
            (value, _) => value,
        };
        format!("{dimension} {value}").trim().to_owned()
    }

    /// What was found of it, then or now.
    pub(super) fn found(claim: &Claim) -> String {
        let agreement = enum_word("AGREEMENT_", claim.agreement().as_str_name());
        let facts = if claim.facts.is_empty() { "" } else { ": " };
        format!("{}{facts}{}", agreement.replace('_', " "), claim.facts)
    }

    fn json(&self) -> Json {
        json!({ "then": json_of("Claim", &self.then), "now": json_of("Claim", &self.now) })
    }
}

fn late_json(row: &wire::TimelineRow) -> Json {
    let told = Told::of_row(row);
    let mut json = recorded_json(&row.event.clone().unwrap_or_default());
    if let Some(object) = json.as_object_mut() {
        object.insert("late_ns".to_owned(), Json::from(told.late_ns));
        object.insert("effects".to_owned(), Json::from(told.effects));
        if !row.linked_from.is_empty() {
            object.insert("linked_from".to_owned(), Json::from(row.linked_from.clone()));
        }
    }
    json
}

fn correction_json(corrected: &Corrected, basis: u64) -> Json {
    let mut json = corrected.json();
    if let Some(object) = json.as_object_mut() {
        object.insert("undone".to_owned(), Json::from(corrected.undone));
        object.insert("counts".to_owned(), Json::from(corrected.counts));
        object.insert("of_known_then".to_owned(), Json::from(corrected.is_of(basis)));
    }
    json
}
