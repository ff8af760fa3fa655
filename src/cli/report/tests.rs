//! Tests of what reports are made of, at the boundaries of both clocks. Does not know a ledger.

use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::events::Told;
use super::order::{Answers, Known, OrderReport, Then, is_bookkeeping};
use super::order_paper;
use super::paper::Look;
use super::period::PeriodReport;
use crate::event::Event;
use crate::limits::Limits;
use crate::proto::{self, Agreement, Claim, Correction, Order, OrderDifference};
use crate::rpc::wire;

/// When the period was closed.
const CLOSED: i64 = 1_775_000_000;

fn time(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

fn period() -> proto::Period {
    proto::Period {
        label: "2026-Q1".into(),
        covered: 4,
        offset: 4,
        closed_at: Some(time(CLOSED, 0)),
        actor: "ann".into(),
        reason: "quarter end".into(),
    }
}

/// An event that was recorded an hour after the closing.
fn recorded(offset: u64, more: &Json) -> wire::RecordedEvent {
    let mut event = json!({
        "correlation_id": "erp/1", "source": "wms", "event_id": offset.to_string(),
        "type": "pick.confirmed",
    });
    let fields = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(fields);
    let event = Event::from_json(&event.to_string(), &Limits::default()).unwrap();
    wire::RecordedEvent {
        offset,
        recorded_at: Some(time(CLOSED + 3_600, 0)),
        event: event.body().clone(),
        ..Default::default()
    }
}

fn at(seconds: i64, nanos: i32) -> Json {
    Json::from(crate::time::rfc3339(&time(seconds, nanos), None))
}

fn row(offset: u64, more: &Json) -> wire::TimelineRow {
    let effects = vec![format!("effect of {offset}")];
    wire::TimelineRow { event: Some(recorded(offset, more)), effects, ..Default::default() }
}

#[test]
fn late_is_what_occurred_before_the_closing_and_not_at_it() {
    let mut report = PeriodReport::new(period(), None);
    let events = [
        (4, json!({ "occurred_at": at(CLOSED - 1, 999_999_999) })),
        (5, json!({ "occurred_at": at(CLOSED, 0) })),
        (6, json!({ "occurred_at": at(CLOSED, 1) })),
        (7, json!({})),
        (8, json!({ "occurred_at": at(CLOSED - 60, 0), "correlation_id": "erp/2" })),
        (9, json!({ "occurred_at": at(CLOSED - 7_200, 0) })),
    ];
    for (offset, more) in &events {
        report.take(&recorded(*offset, more));
    }
    let listed: Vec<_> = report.events().map(|one| (one.offset, one.late_ns)).collect();
    let late = |seconds: u64| Some(seconds * 1_000_000_000);
    let hour = 3_600;
    let first = late(hour).map(|ns| ns + 1);
    assert_eq!(listed, [(4, first), (9, late(3 * hour)), (8, late(hour + 60))]);
    let said = report.found().join("\n");
    assert!(said.contains("3 late events of 2 orders."), "{said}");
    let others = "Not late: 2 occurred at the closing or later. Not known: 1 does not say when";
    assert!(said.contains(others), "{said}");
    let document = report.json();
    assert_eq!((&document["late_count"], &document["more_late_count"]), (&json!(3), &json!(0)));
    assert_eq!(document["orders"][0]["late_arrivals"][1]["occurred_at"], at(CLOSED - 7_200, 0));
}

#[test]
fn what_a_limit_leaves_out_is_counted() {
    let mut report = PeriodReport::new(period(), Some(1));
    let correction = json!({
        "type": "event.corrected", "correction": { "target_event_id": "2", "actor": "controller" },
    });
    for offset in 4..7 {
        report.take(&recorded(offset, &json!({ "occurred_at": at(CLOSED - 1, 0) })));
        report.take(&recorded(offset, &correction));
    }
    assert_eq!(report.events().count(), 1);
    let document = report.json();
    let more = [&document["more_late_count"], &document["more_correction_count"]];
    assert_eq!((more, document["corrections"].as_array().unwrap().len()), ([&json!(2); 2], 1));
    let said = "3 late events; listed are 1, of 1 order, and 2 more are not.";
    assert_eq!(report.found()[0], said);
    let page = report.paper().html();
    assert!(page.contains(said) && page.contains("And 2 more.") && page.contains("controller"));
}

#[test]
fn what_occurred_at_the_closing_does_not_count_and_what_occurred_at_a_time_does() {
    let closed = Then::Closed(period());
    assert_eq!(closed.occurred_by(), time(CLOSED - 1, 999_999_999));
    assert_eq!(closed.basis().as_of_offset, Some(4));
    let (recorded_by, occurred_by) = (time(9, 0), time(7, 0));
    let then = Then::Recorded { recorded_by, occurred_by };
    assert_eq!(then.occurred_by(), occurred_by);
    assert_eq!(then.basis().as_of_recorded, Some(recorded_by));
}

#[test]
fn fields_that_only_name_events_are_bookkeeping() {
    for field in [
        "revision",
        "event_count",
        "last_event.type",
        "type_counts[pick.confirmed].count",
        "fulfillment.offsets",
        "lines[10].picked.offsets",
        "references[tracking 1].last_offset",
    ] {
        assert!(is_bookkeeping(field), "{field}");
    }
    for field in ["fulfillment.word", "lines[10].picked.quantity", "lines[a.offsets].sku"] {
        assert!(!is_bookkeeping(field), "{field}");
    }
}

fn report(answers: Answers) -> OrderReport {
    let then = Then::Recorded { recorded_by: time(CLOSED, 0), occurred_by: time(CLOSED, 0) };
    OrderReport::of("erp/1".into(), then, answers)
}

fn known(basis: u64, revision: u64) -> Known {
    Known { basis, order: Order { revision, ..Order::default() } }
}

fn text(report: &OrderReport) -> String {
    let mut out = Vec::new();
    let look = Look { width: None, colours: false };
    order_paper::paper(report).write_text(&mut out, look).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn late_arrivals_and_corrections_are_those_recorded_since() {
    let early = json!({ "occurred_at": at(CLOSED - 60, 0) });
    let correction = json!({
        "type": "event.corrected",
        "occurred_at": at(CLOSED + 60, 0),
        "reason": { "code": "miscount", "text": "counted twice" },
        "correction": {
            "target_event_id": "2", "kind": "did_not_occur", "actor": "controller",
            "corrective_event_ids": ["5"],
        },
    });
    let counted = vec![row(2, &early), row(4, &early), row(5, &early)];
    let later = row(7, &json!({ "occurred_at": at(CLOSED + 1, 0) }));
    let all = [counted.clone(), vec![row(6, &correction), later]].concat();
    let corrections = vec![Correction { offset: 6, ..Correction::default() }];
    let answers = Answers {
        then: known(4, 1),
        now: known(8, 5),
        counted,
        all,
        corrections,
        ..Answers::default()
    };
    let report = report(answers);
    assert!(report.is_changed() && report.is_known());
    let late: Vec<u64> = report.late.iter().map(|row| Told::of_row(row).offset).collect();
    assert_eq!((late, report.later_count), (vec![4, 5], 2));
    let corrected = &report.corrections[0];
    assert_eq!((corrected.counts, corrected.undone), (false, false));
    assert_eq!(corrected.target(), "#2 pick.confirmed wms/2");
    assert_eq!(corrected.how(), "did not occur, told rightly by 5");
    let text = text(&report);
    for said in [
        "Since then: 0 fields differ, 2 events came late, 1 correction.",
        "but occurred later and not counted: 2 events.",
        "Not heeded by what is known now, since it occurred later: 1 correction.",
        "1 h 1 min",
        "effect of 4",
        "miscount: counted twice  controller  occurred later",
    ] {
        assert!(text.contains(said), "{said} in\n{text}");
    }
    let document = report.json();
    assert_eq!(document["corrections"][0]["target"]["offset"], 2);
    assert_eq!(document["late_arrivals"][1]["effects"], json!(["effect of 5"]));
}

#[test]
fn nothing_new_is_said_so_although_events_are_counted_otherwise() {
    let difference = |field: &str| OrderDifference { field: field.into(), ..Default::default() };
    let differences = vec![difference("revision"), difference("last_event.offset")];
    let (then, now) = (known(4, 1), known(8, 2));
    let answers = Answers { then, now, differences, ..Answers::default() };
    let unchanged = report(answers.clone());
    let text = text(&unchanged);
    let said = "Nothing has changed since: what was known then is what is known now.\n";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("2 fields that count or name events; --output json has them"), "{text}");
    let mut changed = answers;
    changed.differences.push(difference("fulfillment.word"));
    assert!(!unchanged.is_changed() && report(changed).is_changed());
}

#[test]
fn a_claim_that_is_judged_otherwise_is_told_with_both_findings() {
    let claim = |agreement: Agreement, facts: &str| Claim {
        source: "erp".into(),
        value: "shipped".into(),
        agreement: agreement.into(),
        facts: facts.into(),
        offset: 3,
        ..Claim::default()
    };
    let with = |claim: Claim| Order { claims: vec![claim], revision: 4, ..Order::default() };
    let side = |basis, claim| Known { basis, order: with(claim) };
    let then = side(4, claim(Agreement::Contradicts, "picked"));
    let now = side(8, claim(Agreement::Agrees, "shipped"));
    let told = report(Answers { then: then.clone(), now, ..Answers::default() });
    let text = text(&told);
    assert!(
        text.contains("shipped  erp     #3     contradicts: picked  agrees: shipped"),
        "{text}"
    );
    let same =
        report(Answers { now: Known { basis: 8, ..then.clone() }, then, ..Answers::default() });
    assert!(same.claims.is_empty());
}
