//! Rules that compare quantities of a line. Does not know times.

use std::cell::OnceCell;

use super::{Case, Findings, line_text};
use crate::order::counter::Counter;
use crate::order::facts::FactIndex;
use crate::order::lines::{Line, Lines};
use crate::order::postings::LineIndex;
use crate::order::quantity::Quantity;

pub(super) fn check(case: &Case<'_, '_>, findings: &mut Findings) {
    let lines = &case.folded.lines;
    let lines_are_known = lines.list.iter().any(Line::demand_is_known);
    let moved = Moved { lines, facts: OnceCell::new() };
    let facts = &case.folded.facts;
    let plausible = facts.counting().filter(|(index, _)| facts.is_plausible(*index));
    let newest = plausible.map(|(_, fact)| fact.at_ns).max().unwrap_or_default();
    for (index, line) in lines.list.iter().enumerate() {
        exceeding(&moved, (index, line), findings);
        negative(&moved, (index, line), findings);
        invoiced((case, newest), (&moved, index), findings);
        let is_moved = !line.demand_is_known() && Counter::all().any(|one| line.posted.get(one));
        if lines_are_known && is_moved && !line.name.line_id.is_empty() {
            let what = format!("{} is not among the lines of the order", named(line));
            let facts = moved.facts_of(index, None);
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

/// The lines, and the facts that moved them, sorted once anything has to be proven.
struct Moved<'l, 'a> {
    lines: &'l Lines<'a>,
    facts: OnceCell<Vec<(LineIndex, Counter, FactIndex)>>,
}

impl Moved<'_, '_> {
    /// The facts that moved a line, or one counter of it.
    fn facts_of(&self, line: LineIndex, counter: Option<Counter>) -> Vec<FactIndex> {
        let sorted = self.facts.get_or_init(|| {
            let postings = self.lines.postings.list.iter();
            let mut facts: Vec<_> = postings.map(|one| (one.line, one.counter, one.fact)).collect();
            facts.sort_unstable();
            facts
        });
        let from = sorted.partition_point(|(its, ..)| *its < line);
        let of_line = sorted.iter().skip(from).take_while(|(its, ..)| *its == line);
        let of_counter = of_line.filter(|(_, its, _)| counter.is_none_or(|one| one == *its));
        let mut facts: Vec<FactIndex> = of_counter.map(|(.., fact)| *fact).collect();
        facts.sort_unstable();
        facts.dedup();
        facts
    }
}

fn exceeding(
    moved: &Moved<'_, '_>,
    (index, line): (LineIndex, &Line<'_>),
    findings: &mut Findings,
) {
    let shipped = line.sum(Counter::SHIPPED);
    let mut more = |rule: &str, (one, amount): (Counter, Quantity), than: (&str, Quantity)| {
        let what = format!("{}: {} {amount} of {} {}", named(line), one.name(), than.1, than.0);
        let facts = moved.facts_of(index, Some(one));
        findings.note_line(rule, what, (line.name.line_id, facts));
    };
    if line.demand_is_known() && shipped > line.demand {
        more("R04", (Counter::SHIPPED, shipped), ("wanted", line.demand));
    }
    let (picked, released) = (line.sum(Counter::PICKED), line.sum(Counter::RELEASED));
    let replaced = line.sum(Counter::SUBSTITUTED_OUT).is_positive();
    if line.posted.get(Counter::RELEASED) && picked > released && !replaced {
        more("R05", (Counter::PICKED, picked), ("released", released));
    }
    let returned = line.sum(Counter::RETURNED);
    let gone = line.gone();
    if returned > gone {
        more("R21", (Counter::RETURNED, returned), ("shipped", gone));
    }
}

fn negative(moved: &Moved<'_, '_>, (index, line): (LineIndex, &Line<'_>), findings: &mut Findings) {
    for counter in Counter::all() {
        let sum = line.sum(counter);
        if sum < Quantity::ZERO {
            let what = format!(
                "{}: {} {sum}, {} more taken back than told",
                named(line),
                counter.name(),
                -sum
            );
            let facts = moved.facts_of(index, Some(counter));
            findings.note_line("R11", what, (line.name.line_id, facts));
        }
    }
}

/// More invoiced than shipped, unless the source invoices in advance and goods are still to come,
/// or the time of grace is not over.
fn invoiced(
    (case, newest): (&Case<'_, '_>, i64),
    (moved, index): (&Moved<'_, '_>, LineIndex),
    findings: &mut Findings,
) {
    let facts = &case.folded.facts;
    let Some(line) = moved.lines.list.get(index) else { return };
    let (invoiced, shipped) = (line.sum(Counter::INVOICED), line.effective.get(Counter::SHIPPED));
    if invoiced <= shipped || !shipped.is_positive() {
        return;
    }
    let by = moved.facts_of(index, Some(Counter::INVOICED));
    let in_advance = by.iter().filter_map(|fact| facts.get(*fact));
    let mut in_advance = in_advance.map(|fact| super::sequence::is_in_advance(case, fact.source));
    if line.open.is_positive() && in_advance.any(|allowed| allowed) {
        return;
    }
    let times = by.iter().filter(|fact| facts.is_plausible(**fact));
    let last = times.map(|fact| facts.at_ns(*fact)).max().unwrap_or(newest);
    let grace = i64::from(case.policy.invoice_grace_seconds);
    let grace = grace.saturating_mul(crate::time::NANOS_PER_SECOND);
    if newest.saturating_sub(last) < grace {
        return;
    }
    let what = format!("{}: invoiced {invoiced}, shipped {shipped}", named(line));
    findings.note_line("R09", what, (line.name.line_id, by));
}
