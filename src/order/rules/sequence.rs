//! Rules about what came before what. Does not know packages' scans.

use super::{Case, Findings, line_text, time_text};
use crate::event::{Fact, Group, path};
use crate::order::counter::Counter;
use crate::order::facts::FactIndex;
use crate::order::moves::Reach;
use crate::order::postings::Posting;
use crate::order::stage::Stage;

pub(super) fn check(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    let mut shipments = facts.counting().filter(|(_, fact)| is_shipment(fact)).peekable();
    if shipments.peek().is_some() {
        for (index, fact) in shipments {
            for (rule, counter, reports) in [
                ("R01", Counter::PICKED, reports_picks(case, fact)),
                ("R02", Counter::PACKED, reports_packs(case, fact)),
            ] {
                if reports {
                    shipped_before(case, (index, fact), (rule, counter), findings);
                }
            }
            shipped_while_held(case, (index, fact), findings);
        }
        unreleased(case, findings);
    }
    after_cancel(case, findings);
    invoiced_first(case, findings);
}

fn is_shipment(fact: &Fact<'_>) -> bool {
    fact.type_name() == "shipment.confirmed"
}

/// Whether the warehouse of a shipment reports picks: as configured, or because it has reported one
/// of this order.
fn reports_picks(case: &Case<'_, '_>, shipment: &Fact<'_>) -> bool {
    let house = case.policy.warehouses.get(shipment.text(path::WAREHOUSE));
    let configured = house.and_then(|house| house.reports_picks);
    configured.unwrap_or_else(|| has_reported(case, shipment, "pick.confirmed"))
}

fn reports_packs(case: &Case<'_, '_>, shipment: &Fact<'_>) -> bool {
    let house = case.policy.warehouses.get(shipment.text(path::WAREHOUSE));
    let configured = house.and_then(|house| house.reports_packs);
    configured.unwrap_or_else(|| has_reported(case, shipment, "pack.confirmed"))
}

fn has_reported(case: &Case<'_, '_>, shipment: &Fact<'_>, type_name: &str) -> bool {
    let warehouse = shipment.text(path::WAREHOUSE);
    case.folded.facts.counting().any(|(_, fact)| {
        fact.type_name() == type_name
            && (fact.source == shipment.source
                || (!warehouse.is_empty() && fact.text(path::WAREHOUSE) == warehouse))
    })
}

/// R01 and R02: shipped lines of which nothing had been picked or packed by then.
fn shipped_before(
    case: &Case<'_, '_>,
    (index, fact): (FactIndex, &Fact<'_>),
    (rule, counter): (&str, Counter),
    findings: &mut Findings,
) {
    let (facts, lines) = (&case.folded.facts, &case.folded.lines);
    for shipped in &lines.postings.list {
        if shipped.fact != index || shipped.counter != Counter::SHIPPED {
            continue;
        }
        let before = lines.postings.list.iter().any(|one| {
            one.line == shipped.line
                && one.counter == counter
                && one.quantity.is_positive()
                && facts.at_ns(one.fact) <= fact.at_ns
        });
        if before || !shipped.quantity.is_positive() {
            continue;
        }
        let line_id = lines.list.get(shipped.line).map_or("", |line| line.name.line_id);
        let what = format!(
            "{}: {} shipped at {} and nothing {} before",
            line_text(line_id),
            shipped.quantity,
            time_text(fact.at_ns),
            counter.name()
        );
        findings.note_line(rule, what, (line_id, vec![index]));
    }
}

/// R03: goods were shipped of an order that nothing released.
fn unreleased(case: &Case<'_, '_>, findings: &mut Findings) {
    let lines = &case.folded.lines;
    let posted = |one: &Posting<'_>| one.counter == Counter::RELEASED && one.quantity.is_positive();
    let marked = lines.postings.marks.iter().any(|mark| match mark.reach {
        Reach::Whole(counter) => counter == Counter::RELEASED,
        Reach::Lift(stage) => stage <= Stage::ACKNOWLEDGED,
    });
    if marked || lines.postings.list.iter().any(posted) {
        return;
    }
    let facts = case.folded.facts.counting().filter(|(_, fact)| is_shipment(fact));
    let facts: Vec<FactIndex> = facts.map(|(index, _)| index).collect();
    let at = facts.first().map_or(0, |first| case.folded.facts.at_ns(*first));
    let what = format!("shipped at {} and never released", time_text(at));
    findings.note("R03", what, facts);
}

fn shipped_while_held(
    case: &Case<'_, '_>,
    (index, fact): (FactIndex, &Fact<'_>),
    findings: &mut Findings,
) {
    let facts = &case.folded.facts;
    let net = |thing: &str| {
        let postings = case.folded.lines.postings.list.iter();
        let of_it = postings.filter(|one| one.counter == Counter::SHIPPED && one.thing == thing);
        of_it.map(|posting| posting.quantity).sum::<crate::order::quantity::Quantity>()
    };
    let shipment = fact.text(path::SHIPMENT_ID);
    if !shipment.is_empty() && fact.has_lines() && !net(shipment).is_positive() {
        // It was taken back.
        return;
    }
    for hold in &case.folded.holds {
        let Some(placed) = hold.latest().and_then(|latest| facts.get(latest)) else { continue };
        let held: Vec<&str> = placed.lines().map(|line| line.line_id).collect();
        let concerned = held.is_empty() || fact.lines().any(|line| held.contains(&line.line_id));
        let blocks = placed.numbers(path::HOLD_BLOCKS).contains(&3);
        if !blocks || !concerned || !hold.was_open(facts, fact.at_ns) {
            continue;
        }
        let what = format!(
            "shipped at {} while hold {} was open, which blocks shipping",
            time_text(fact.at_ns),
            hold.hold_id
        );
        let mut involved = hold.placed.clone();
        involved.push(index);
        findings.note("R06", what, involved);
    }
}

/// R07: work on an order, or on a line, after all of it was cancelled.
fn after_cancel(case: &Case<'_, '_>, findings: &mut Findings) {
    let (facts, lines) = (&case.folded.facts, &case.folded.lines);
    let whole = |reach| reach == Reach::Whole(Counter::CANCELLED);
    for cancel in lines.postings.marks.iter().filter(|mark| whole(mark.reach) && !mark.undone) {
        let at = facts.at_ns(cancel.fact);
        let line_id = cancel.line.and_then(|line| lines.list.get(line));
        let line_id = line_id.map(|line| line.name.line_id);
        let mut involved = vec![cancel.fact];
        let mut first: Option<&Fact<'_>> = None;
        for (index, fact) in facts.counting() {
            let concerned =
                line_id.is_none_or(|line_id| fact.lines().any(|line| line.line_id == line_id));
            if fact.at_ns > at && is_execution(fact) && concerned && !is_undone(case, fact) {
                involved.push(index);
                first = first.or(Some(fact));
            }
        }
        if let Some(first) = first {
            let what = format!(
                "{} at {} after {} was cancelled at {}",
                first.type_name(),
                time_text(first.at_ns),
                line_text(line_id.unwrap_or_default()),
                time_text(at)
            );
            findings.note_line("R07", what, (line_id.unwrap_or_default(), involved));
        }
    }
}

/// Whether a confirmed shipment was taken back.
fn is_undone(case: &Case<'_, '_>, fact: &Fact<'_>) -> bool {
    let shipment = fact.text(path::SHIPMENT_ID);
    is_shipment(fact)
        && !shipment.is_empty()
        && case.folded.facts.counting().any(|(_, other)| {
            other.type_name() == "shipment.reversed"
                && other.text(path::SHIPMENT_ID) == shipment
                && other.at_ns >= fact.at_ns
        })
}

/// Whether a fact is work towards shipping.
fn is_execution(fact: &Fact<'_>) -> bool {
    let work = [
        "order.released",
        "allocation.made",
        "wave.released",
        "pick.started",
        "pick.confirmed",
        "pack.confirmed",
        "carton.closed",
        "staged",
        "loaded",
        "shipment.confirmed",
        "goods_issue.posted",
        "dispatch.proofed",
        "carrier.picked_up",
    ];
    let group = fact.kind.map(|kind| kind.group);
    matches!(group, Some(Group::Fulfillment | Group::Shipment)) && work.contains(&fact.type_name())
}

/// Whether a source may invoice before anything is shipped.
pub(super) fn is_in_advance(case: &Case<'_, '_>, source: &str) -> bool {
    case.policy.invoice_in_advance.iter().any(|allowed| allowed == source || allowed == "*")
}

fn invoiced_first(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    let shipping = ["shipment.confirmed", "goods_issue.posted", "carrier.picked_up"];
    let shipped = facts.counting().find(|(_, fact)| {
        shipping.contains(&fact.type_name()) || fact.type_name() == "shipment.delivered"
    });
    let shipped = shipped.map(|(_, fact)| fact.at_ns);
    for (index, fact) in facts.counting() {
        let before = shipped.is_none_or(|shipped| fact.at_ns < shipped);
        if fact.type_name() != "invoice.posted" || !before || is_in_advance(case, fact.source) {
            continue;
        }
        let when = shipped.map_or_else(
            || "nothing was shipped yet".to_owned(),
            |shipped| format!("the first goods were shipped at {}", time_text(shipped)),
        );
        let number = fact.text(path::INVOICE_NUMBER);
        let what = format!("invoice {number} posted at {}; {when}", time_text(fact.at_ns));
        findings.note("R08", what, vec![index]);
    }
}
