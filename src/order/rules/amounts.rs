//! Rules that compare quantities of a line. Does not know times.

use super::{Case, Findings, line_text};
use crate::order::counter::Counter;
use crate::order::facts::FactIndex;
use crate::order::lines::{Line, Lines};
use crate::order::postings::LineIndex;
use crate::order::quantity::Quantity;

pub(super) fn check(case: &Case<'_, '_>, findings: &mut Findings) {
    let lines = &case.folded.lines;
    let lines_are_known = lines.list.iter().any(Line::demand_is_known);
    for (index, line) in lines.list.iter().enumerate() {
        exceeding(lines, (index, line), findings);
        negative(lines, (index, line), findings);
        invoiced(case, (index, line), findings);
        let moved = !line.demand_is_known() && Counter::all().any(|one| line.posted.get(one));
        if lines_are_known && moved {
            let what = format!("{} is not among the lines of the order", named(line));
            let facts = facts_of(lines, index, None);
            findings.note_line("R15", what, (line.name.line_id, facts));
        }
    }
    for (fact, counter) in &lines.postings.void_reversals {
        let what = format!("nothing {} was there to be taken back", counter.name());
        findings.note("R11", what, vec![*fact]);
    }
}

/// The line in words, for the beginning of a sentence.
fn named(line: &Line<'_>) -> String {
    line_text(line.name.line_id)
}

/// The facts that moved a line, or one counter of it.
pub(super) fn facts_of(
    lines: &Lines<'_>,
    line: LineIndex,
    counter: Option<Counter>,
) -> Vec<FactIndex> {
    let postings = lines.postings.list.iter().filter(|posting| {
        posting.line == line && counter.is_none_or(|counter| posting.counter == counter)
    });
    let mut facts: Vec<FactIndex> = postings.map(|posting| posting.fact).collect();
    facts.sort_unstable();
    facts.dedup();
    facts
}

fn exceeding(lines: &Lines<'_>, (index, line): (LineIndex, &Line<'_>), findings: &mut Findings) {
    let shipped = line.sum(Counter::SHIPPED);
    let mut more = |rule: &str, (one, amount): (Counter, Quantity), than: (&str, Quantity)| {
        let what = format!("{}: {} {amount} of {} {}", named(line), one.name(), than.1, than.0);
        let facts = facts_of(lines, index, Some(one));
        findings.note_line(rule, what, (line.name.line_id, facts));
    };
    if line.demand_is_known() && shipped > line.demand {
        more("R04", (Counter::SHIPPED, shipped), ("wanted", line.demand));
    }
    let (picked, released) = (line.sum(Counter::PICKED), line.sum(Counter::RELEASED));
    if line.posted.get(Counter::RELEASED) && picked > released {
        more("R05", (Counter::PICKED, picked), ("released", released));
    }
    let returned = line.sum(Counter::RETURNED);
    let gone = line.effective.get(Counter::SHIPPED);
    if returned > gone {
        more("R21", (Counter::RETURNED, returned), ("shipped", gone));
    }
}

fn negative(lines: &Lines<'_>, (index, line): (LineIndex, &Line<'_>), findings: &mut Findings) {
    for counter in Counter::all() {
        let sum = line.sum(counter);
        if sum < Quantity::ZERO {
            let what = format!(
                "{}: {} {sum}, {} more taken back than told",
                named(line),
                counter.name(),
                -sum
            );
            let facts = facts_of(lines, index, Some(counter));
            findings.note_line("R11", what, (line.name.line_id, facts));
        }
    }
}

/// More invoiced than shipped, unless the source invoices in advance and goods are still to come,
/// or the time of grace is not over.
fn invoiced(case: &Case<'_, '_>, (index, line): (LineIndex, &Line<'_>), findings: &mut Findings) {
    let (lines, facts) = (&case.folded.lines, &case.folded.facts);
    let (invoiced, shipped) = (line.sum(Counter::INVOICED), line.effective.get(Counter::SHIPPED));
    if invoiced <= shipped || !shipped.is_positive() {
        return;
    }
    let by = facts_of(lines, index, Some(Counter::INVOICED));
    let in_advance = by.iter().filter_map(|fact| facts.get(*fact));
    let mut in_advance = in_advance.map(|fact| super::sequence::is_in_advance(case, fact.source));
    if line.open.is_positive() && in_advance.any(|allowed| allowed) {
        return;
    }
    let newest = facts.counting().map(|(_, fact)| fact.at_ns).max().unwrap_or_default();
    let last = by.iter().map(|fact| facts.at_ns(*fact)).max().unwrap_or_default();
    let grace = i64::from(case.policy.invoice_grace_seconds);
    let grace = grace.saturating_mul(crate::time::NANOS_PER_SECOND);
    if newest.saturating_sub(last) < grace {
        return;
    }
    let what = format!("{}: invoiced {invoiced}, shipped {shipped}", named(line));
    findings.note_line("R09", what, (line.name.line_id, by));
}
