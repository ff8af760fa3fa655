//! The report of one order as it is read: both states side by side, then what differs, then what
//! came late and what was corrected. Does not know how it is written.

use super::events::{Corrected, Told};
use super::order::{OrderReport, Rejudged, Then};
use super::paper::{Paper, Sheet};
use crate::cli::output::{grouped, time_text};
use crate::cli::quantity::quantity_text;
use crate::num::u64_from;
use crate::proto::{self, DimensionStatus, LineQuantity, Order, OrderDifference, OrderLine};
use crate::rpc::wire;

const NOTHING: &str = "Nothing has changed since: what was known then is what is known now.";

/// What states are made with.
pub(super) const POLICY: &str = "both: the policy of today, whatever it was then";

/// A number of things, in words.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(u64_from(count)), if count == 1 { one } else { many })
}

/// A value, or a sign that there is none.
fn or_none(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// A period, who closed it, and why.
pub(super) fn period_text(period: &proto::Period) -> String {
    let at = time_text(period.closed_at.as_ref());
    format!("{} was closed at {at} by {} ({})", period.label, period.actor, period.reason)
}

/// The report, as it is read.
pub(super) fn paper(report: &OrderReport) -> Paper {
    let title = format!("{}  what was known then, and what is known now", report.correlation_id);
    let mut paper = Paper { title, facts: facts(report), found: found(report), sheets: Vec::new() };
    let none = Order::default();
    let then = if report.known_then.is_unknown() { &none } else { &report.known_then.order };
    let now = &report.known_now.order;
    let heads = ["STATUS", "KNOWN THEN", "KNOWN NOW", ""];
    paper.add(Sheet::new("status", heads, sides(then, now)));
    let heads = ["LINE", "QUANTITY", "KNOWN THEN", "KNOWN NOW", ""];
    let quantities = quantities(then, now);
    let implied =
        quantities.iter().any(|[.., then, now, _]| then.ends_with('*') || now.ends_with('*'));
    let said = if implied { "* implied by other events" } else { "" };
    paper.add(Sheet::new("lines", heads, quantities).saying(said));
    paper.add(differences(report));
    paper.add(late(report));
    paper.add(corrections(&report.corrections));
    paper.add(claims(&report.claims));
    paper
}

fn facts(report: &OrderReport) -> Vec<[String; 2]> {
    let of_it = |known: &super::order::Known| {
        let count = known.order.revision;
        let events = if count == 1 { "event" } else { "events" };
        let (basis, count) = (known.basis, grouped(count));
        format!("entries below offset {basis}, {count} {events} of this order among them")
    };
    let (known, occurred) = match &report.then {
        Then::Recorded { recorded_by, occurred_by } => (
            format!("recorded at or before {}", time_text(Some(recorded_by))),
            format!("at or before {}", time_text(Some(occurred_by))),
        ),
        Then::Closed(period) => (
            format!("when {}", period_text(period)),
            format!("before {}", time_text(period.closed_at.as_ref())),
        ),
    };
    let then = format!("{known}: {}", of_it(&report.known_then));
    let now = format!("all that is recorded: {}", of_it(&report.known_now));
    let both = format!(
        "what had occurred {occurred}, by the sources' clocks; an event that does not say when \
         counts by the time it was recorded"
    );
    let folded = ("folded with", POLICY.to_owned());
    [("known then", then), ("known now", now), ("both about", both), folded]
        .map(|(name, text)| [name.to_owned(), text])
        .into()
}

fn found(report: &OrderReport) -> Vec<String> {
    let mut found = Vec::new();
    if report.known_then.is_unknown() {
        found.push("Then the ledger knew nothing of this order.".to_owned());
    }
    if report.is_changed() {
        let counts = [
            counted(report.changes().count(), "field differs", "fields differ"),
            counted(report.late.len(), "event came late", "events came late"),
            counted(report.corrections.len(), "correction", "corrections"),
        ];
        found.push(format!("Since then: {}.", counts.join(", ")));
    } else if !report.known_then.is_unknown() {
        found.push(NOTHING.to_owned());
    }
    if report.later_count > 0 {
        let count = counted(report.later_count, "event", "events");
        found.push(format!("Recorded since, but occurred later and not counted: {count}."));
    }
    let unheeded = report.corrections.iter().filter(|one| !one.counts && !one.undone).count();
    if unheeded > 0 {
        let count = counted(unheeded, "correction", "corrections");
        found.push(format!("Not heeded by what is known now, since it occurred later: {count}."));
    }
    found
}

fn marked(then: &str, now: &str) -> String {
    if then == now { String::new() } else { "differs".to_owned() }
}

fn sides(then: &Order, now: &Order) -> Vec<[String; 4]> {
    let of = |order: &Order| {
        [
            ("commercial", text_of_side(order.commercial.as_ref())),
            ("fulfillment", text_of_side(order.fulfillment.as_ref())),
            ("shipment", text_of_side(order.shipment.as_ref())),
            ("exception", text_of_side(order.exception.as_ref())),
            ("return", text_of_side(order.return_status.as_ref())),
        ]
    };
    let pairs = of(then).into_iter().zip(of(now));
    let pairs = pairs.filter(|((_, then), (_, now))| !then.is_empty() || !now.is_empty());
    let row = |((name, then), (_, now)): ((&str, String), (&str, String))| {
        [name.to_owned(), or_none(&then), or_none(&now), marked(&then, &now)]
    };
    pairs.map(row).collect()
}

fn text_of_side(side: Option<&DimensionStatus>) -> String {
    side.map_or_else(String::new, |side| {
        if side.low == side.high {
            return side.word.clone();
        }
        format!("{} ({} .. {})", side.word, side.low, side.high)
    })
}

/// What is counted of a line.
fn counters(line: &OrderLine) -> [(&'static str, &Option<LineQuantity>); 21] {
    [
        ("ordered", &line.ordered),
        ("cancelled", &line.cancelled),
        ("substituted", &line.substituted_out),
        ("split off", &line.split_out),
        ("released", &line.released),
        ("allocated", &line.allocated),
        ("tasked", &line.tasked),
        ("picked", &line.picked),
        ("packed", &line.packed),
        ("staged", &line.staged),
        ("loaded", &line.loaded),
        ("shipped", &line.shipped),
        ("goods issue posted", &line.gi_posted),
        ("collected", &line.collected),
        ("delivered", &line.delivered),
        ("returned", &line.returned),
        ("short", &line.short),
        ("backordered", &line.backordered),
        ("closed short", &line.short_closed),
        ("invoiced", &line.invoiced),
        ("credited", &line.credited),
    ]
}

fn quantities(then: &Order, now: &Order) -> Vec<[String; 5]> {
    let none = OrderLine::default();
    let find =
        |order: &Order, id: &str| order.lines.iter().find(|line| line.line_id == id).cloned();
    let gone = then.lines.iter().filter(|line| find(now, &line.line_id).is_none());
    let ids = now.lines.iter().chain(gone).map(|line| line.line_id.clone());
    let mut rows = Vec::new();
    for id in ids {
        let [then, now] = [then, now].map(|order| find(order, &id).unwrap_or_else(|| none.clone()));
        let counted = counters(&then).into_iter().zip(counters(&now));
        let counted = counted.map(|((name, then), (_, now))| {
            (name, quantity_text(then.as_ref()), quantity_text(now.as_ref()))
        });
        let open = ("open", then.open_quantity.clone(), now.open_quantity.clone());
        for (name, then, now) in counted.chain([open]) {
            if !then.is_empty() || !now.is_empty() {
                let differs = marked(&then, &now);
                rows.push([or_none(&id), name.to_owned(), or_none(&then), or_none(&now), differs]);
            }
        }
    }
    rows
}

pub(super) fn difference_row(one: &OrderDifference) -> [String; 3] {
    [one.field.clone(), or_none(&one.before), or_none(&one.after)]
}

/// An event that was known then and was declared wrong since, heeded or not.
fn corrected_row(one: &Corrected) -> [String; 3] {
    let not = if one.counts { "" } else { "; that occurred later and is not heeded" };
    let now = format!("declared wrong by #{}: {}{not}", one.event.offset, one.how());
    [one.target(), "counted".to_owned(), now]
}

fn differences(report: &OrderReport) -> Sheet {
    let mut rows: Vec<_> = report.changes().map(difference_row).collect();
    let left_out = report.differences.len() - rows.len();
    rows.extend(report.corrections.iter().filter_map(|one| {
        let of_known_then = one.is_of(report.known_then.basis) && !one.undone;
        of_known_then.then(|| corrected_row(one))
    }));
    let said = if left_out == 0 {
        String::new()
    } else {
        let fields = counted(left_out, "field that counts", "fields that count");
        format!("Beside these, {fields} or name events; --output json has them.")
    };
    Sheet::new("differences", ["FIELD", "KNOWN THEN", "KNOWN NOW"], rows).saying(said)
}

fn late(report: &OrderReport) -> Sheet {
    let row = |row: &wire::TimelineRow| {
        let told = Told::of_row(row);
        [
            told.occurred(),
            told.recorded(),
            told.late(),
            format!("#{}", told.offset),
            told.event_type.clone(),
            told.source.clone(),
            row.linked_from.clone(),
            told.effects.join("; "),
        ]
    };
    let heads =
        ["OCCURRED", "RECORDED", "LATE BY", "EVENT", "TYPE", "SOURCE", "FROM ORDER", "WHAT"];
    let sheet = Sheet::new("late arrivals", heads, report.late.iter().map(row));
    if report.late.is_empty() { sheet } else { sheet.saying(LATE) }
}

/// What a late arrival is, and how late.
const LATE: &str = "Recorded since, of what had occurred by then; late by the time from when it \
                    occurred to when it was recorded.";

fn corrections(corrections: &[Corrected]) -> Sheet {
    let row = |one: &Corrected| {
        let counts = match (one.undone, one.counts) {
            (true, _) => "undone",
            (false, true) => "heeded",
            (false, false) => "occurred later",
        };
        [
            one.event.occurred(),
            one.event.recorded(),
            format!("#{}", one.event.offset),
            one.target(),
            one.how(),
            one.reason.clone(),
            one.actor.clone(),
            counts.to_owned(),
        ]
    };
    let heads = ["OCCURRED", "RECORDED", "EVENT", "CORRECTS", "HOW", "WHY", "ACTOR", "COUNTS"];
    Sheet::new("corrections since", heads, corrections.iter().map(row))
}

fn claims(claims: &[Rejudged]) -> Sheet {
    let row = |one: &Rejudged| {
        [
            one.claim(),
            one.then.source.clone(),
            format!("#{}", one.then.offset),
            Rejudged::found(&one.then),
            Rejudged::found(&one.now),
        ]
    };
    let heads = ["CLAIM", "SOURCE", "EVENT", "FOUND THEN", "FOUND NOW"];
    Sheet::new("claims that are judged otherwise", heads, claims.iter().map(row))
}
