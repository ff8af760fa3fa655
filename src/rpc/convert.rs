//! Between the words of the wire and those of the library. Does not know methods.

use bytes::Bytes;
use prost_types::Timestamp;

use super::wire;
use crate::delivery::RawBatch;
use crate::event::{Event, RecordedEvent, Violation};
use crate::ledger::{Appended, AsOf, Batch, Outcome, Receipt, check_expectation};
use crate::limits::Limits;
use crate::log::Hash;
use crate::proto;
use crate::time::{ns_from_parts, signed, timestamp};

/// A batch of a request, or all that is wrong with it.
pub(super) fn batch(
    request: wire::AppendRequest,
    limits: &Limits,
) -> Result<Batch, Vec<Violation>> {
    let mut violations = Vec::new();
    let count = request.events.len();
    if count > limits.batch_events_max {
        // Before a large number of events is looked at.
        let max = limits.batch_events_max;
        let what = format!("{count} events; a batch has at most {max} (batch_events_max)");
        return Err(vec![Violation::new("events", what)]);
    }
    let mut events = Vec::with_capacity(count);
    for (index, body) in request.events.into_iter().enumerate() {
        match Event::parse(body, limits) {
            Ok(event) => events.push(event),
            Err(found) => {
                let prefix = format!("events[{index}]");
                violations.extend(found.into_iter().map(|violation| violation.within(&prefix)));
            }
        }
    }
    if !violations.is_empty() {
        let expected = request.expectations.iter().enumerate();
        violations.extend(expected.filter_map(|(index, expectation)| {
            check_expectation(index, &expectation.correlation_id, limits)
        }));
        return Err(violations);
    }
    let mut batch = Batch::of(events);
    for expectation in request.expectations {
        if let Some(revision) = expected_revision(&expectation) {
            batch = batch.expect_revision(expectation.correlation_id, revision);
        }
    }
    Ok(batch)
}

/// The same where what is refused is kept: nothing is checked yet.
pub(super) fn raw_batch(request: wire::AppendRequest) -> RawBatch {
    let mut batch = RawBatch::of(request.events);
    for expectation in request.expectations {
        if let Some(revision) = expected_revision(&expectation) {
            batch = batch.expect_revision(expectation.correlation_id, revision);
        }
    }
    batch
}

fn expected_revision(expectation: &wire::Expectation) -> Option<u64> {
    match expectation.expected? {
        wire::expectation::Expected::Revision(revision) => Some(revision),
        wire::expectation::Expected::None(_) => Some(0),
    }
}

pub(super) fn append_response(appended: &Appended) -> wire::AppendResponse {
    let outcomes = appended.outcomes.iter().map(event_outcome);
    wire::AppendResponse {
        outcomes: outcomes.collect(),
        head: appended.head,
        checkpoint: String::new(),
    }
}

pub(super) fn event_outcome(outcome: &Outcome) -> wire::EventOutcome {
    let accepted = |became: wire::AppendOutcome, of: &Receipt| wire::EventOutcome {
        outcome: became.into(),
        receipt: Some(receipt(of)),
        dead_letter_offset: None,
    };
    match outcome {
        Outcome::Appended(of) => accepted(wire::AppendOutcome::Appended, of),
        Outcome::Duplicate(of) => accepted(wire::AppendOutcome::Duplicate, of),
        Outcome::DeadLettered(of) => wire::EventOutcome {
            outcome: wire::AppendOutcome::DeadLettered.into(),
            receipt: None,
            dead_letter_offset: Some(of.offset),
        },
    }
}

pub(super) fn receipt(receipt: &Receipt) -> wire::Receipt {
    wire::Receipt {
        offset: receipt.offset,
        revision: receipt.revision,
        recorded_at: Some(timestamp(signed(receipt.recorded_at_ns))),
        leaf_hash: Bytes::copy_from_slice(&receipt.leaf_hash),
    }
}

/// What a request says about the state to answer at; `at_least` is not part of it.
pub(super) fn as_of(
    basis: Option<&proto::Basis>,
    occurred: Option<&Timestamp>,
) -> Result<AsOf, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut ns = |time: Option<&Timestamp>, field: &str| {
        let time = time?;
        let ns = ns_from_parts(time.seconds, time.nanos);
        if ns.is_none() {
            let what = "out of range; allowed is 1677-09-21 .. 2262-04-11";
            violations.push(Violation::new(field, what));
        }
        ns
    };
    let recorded = basis.and_then(|basis| basis.as_of_recorded.as_ref());
    let as_of = AsOf {
        offset: basis.and_then(|basis| basis.as_of_offset),
        recorded_at_ns: ns(recorded, "basis.as_of_recorded")
            .map(|ns| u64::try_from(ns).unwrap_or(0)),
        occurred_at_ns: ns(occurred, "as_of_occurred"),
    };
    if violations.is_empty() { Ok(as_of) } else { Err(violations) }
}

pub(super) fn recorded_event(
    recorded: &RecordedEvent,
    include_hashes: bool,
) -> wire::RecordedEvent {
    let hash = |hash: &dyn Fn() -> Hash| {
        if include_hashes { Bytes::copy_from_slice(&hash()) } else { Bytes::new() }
    };
    wire::RecordedEvent {
        offset: recorded.offset,
        revision: recorded.revision,
        recorded_at: Some(timestamp(signed(recorded.recorded_at_ns))),
        event: recorded.event.body().clone(),
        previous: hash(&|| recorded.previous),
        leaf_hash: hash(&|| recorded.leaf_hash()),
    }
}
