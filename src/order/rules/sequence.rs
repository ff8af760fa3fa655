//! Rules about what came before what. Does not know packages' scans.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::{Case, Findings, line_text, time_text};
use crate::event::{Fact, Kind, path};
use crate::order::counter::Counter;
use crate::order::facts::{FactIndex, Facts};
use crate::order::lines::Lines;
use crate::order::moves::{Move, Reach, move_of};
use crate::order::names::Names;
use crate::order::policy::Policy;
use crate::order::postings::{LineIndex, Mark};
use crate::order::stage::Stage;

/// Lines that came from one another in a row; more is taken for a mistake.
const ANCESTORS_MAX: usize = 16;

pub(super) fn check(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    let mut shipments = facts.counting().filter(|(_, fact)| is_shipment(fact)).peekable();
    if shipments.peek().is_some() {
        for (index, fact) in shipments {
            shipped_while_held(case, (index, fact), findings);
        }
        for (rule, counter) in [("R01", Counter::PICKED), ("R02", Counter::PACKED)] {
            shipped_without(case, (rule, counter), findings);
        }
        unreleased(case, findings);
    }
    after_cancel(case, findings);
    invoiced_first(case, findings);
}

fn is_shipment(fact: &Fact<'_>) -> bool {
    fact.kind == Kind::SHIPMENT_CONFIRMED
}

/// Which warehouses and sources report the steps of a counter: as configured, or because they have
/// reported one of this order.
struct Reports<'c> {
    policy: &'c Policy,
    counter: Counter,
    sources: Names<&'c str>,
    warehouses: Names<&'c str>,
}

impl<'c> Reports<'c> {
    fn of(case: &'c Case<'_, '_>, counter: Counter) -> Self {
        let told = case.folded.facts.counting().filter(
            |(_, fact)| matches!(move_of(fact.kind), Some(Move::Add(its)) if its == counter),
        );
        let (mut sources, mut warehouses) = (Names::default(), Names::default());
        for (_, fact) in told {
            sources.number(fact.source);
            let warehouse = fact.text(path::WAREHOUSE);
            if !warehouse.is_empty() {
                warehouses.number(warehouse);
            }
        }
        Self { policy: case.policy, counter, sources, warehouses }
    }

    fn expected_of(&self, shipment: &Fact<'_>) -> bool {
        let warehouse = shipment.text(path::WAREHOUSE);
        let house = self.policy.warehouses.get(warehouse);
        let configured = house.and_then(|house| match self.counter {
            Counter::PICKED => house.reports_picks,
            _ => house.reports_packs,
        });
        configured.unwrap_or_else(|| {
            self.sources.find(shipment.source).or(self.warehouses.find(warehouse)).is_some()
        })
    }
}

/// R01 and R02: shipped lines of which nothing was picked or packed.
fn shipped_without(case: &Case<'_, '_>, (rule, counter): (&str, Counter), findings: &mut Findings) {
    let (facts, lines) = (&case.folded.facts, &case.folded.lines);
    let mut has = vec![false; lines.list.len()];
    for posting in lines.postings.list.iter().filter(|one| one.counter == counter) {
        if let Some(has) = has.get_mut(posting.line) {
            *has |= posting.quantity.is_positive();
        }
    }
    let reports = LazyCell::new(|| Reports::of(case, counter));
    for shipped in &lines.postings.list {
        let is_shipped = shipped.counter == Counter::SHIPPED && shipped.quantity.is_positive();
        let has = has.get(shipped.line).copied().unwrap_or_default();
        if !is_shipped || has {
            continue;
        }
        let Some(fact) = facts.get(shipped.fact).filter(|fact| is_shipment(fact)) else { continue };
        if !reports.expected_of(fact) {
            continue;
        }
        let line_id = lines.list.get(shipped.line).map_or("", |line| line.name.line_id);
        let what = format!(
            "{}: {} shipped at {} and nothing {}",
            line_text(line_id),
            shipped.quantity,
            time_text(fact.at_ns),
            counter.name()
        );
        findings.note_line(rule, what, (line_id, vec![shipped.fact]));
    }
}

/// R03: goods were shipped that nothing released.
fn unreleased(case: &Case<'_, '_>, findings: &mut Findings) {
    let (facts, lines) = (&case.folded.facts, &case.folded.lines);
    let mut released = vec![false; lines.list.len()];
    let mut shipped: Vec<(LineIndex, FactIndex)> = Vec::new();
    for posting in lines.postings.list.iter().filter(|one| one.quantity.is_positive()) {
        match (released.get_mut(posting.line), posting.counter) {
            (Some(released), Counter::RELEASED) => *released = true,
            (_, Counter::SHIPPED) => shipped.push((posting.line, posting.fact)),
            _ => {}
        }
    }
    let early = |mark: &&Mark<'_>| match mark.reach {
        Reach::Whole(counter) => counter == Counter::RELEASED && lines.list.is_empty(),
        Reach::Lift(stage) => stage <= Stage::ACKNOWLEDGED,
    };
    for mark in lines.postings.marks.iter().filter(early) {
        match mark.line {
            Some(line) => {
                released.get_mut(line).into_iter().for_each(|released| *released = true);
            }
            None => return,
        }
    }
    if !released.contains(&true) {
        let shipments = facts.counting().filter(|(_, fact)| is_shipment(fact));
        let shipments: Vec<FactIndex> = shipments.map(|(index, _)| index).collect();
        let at = shipments.first().map_or(0, |first| facts.at_ns(*first));
        let what = format!("shipped at {} and never released", time_text(at));
        return findings.note("R03", what, shipments);
    }
    shipped.retain(|(line, _)| !comes_from_released(lines, &released, *line));
    shipped.sort_unstable();
    for of_line in shipped.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((line, first)) = of_line.first() else { continue };
        let line_id = lines.list.get(*line).map_or("", |line| line.name.line_id);
        let at = time_text(facts.at_ns(*first));
        let what = format!("{}: shipped at {at} and never released", line_text(line_id));
        let by = of_line.iter().map(|(_, fact)| *fact).collect();
        findings.note_line("R03", what, (line_id, by));
    }
}

/// Whether a line, or one that it came from, was released.
fn comes_from_released(lines: &Lines<'_>, released: &[bool], line: LineIndex) -> bool {
    let mut next = Some(line);
    for _ in 0..=lines.list.len().min(ANCESTORS_MAX) {
        let Some(line) = next else { return false };
        if released.get(line).copied().unwrap_or_default() {
            return true;
        }
        let parent = lines.list.get(line).map_or("", |line| line.name.parent_line_id);
        next = if parent.is_empty() { None } else { lines.postings.find(parent) };
    }
    false
}

fn shipped_while_held(
    case: &Case<'_, '_>,
    (index, fact): (FactIndex, &Fact<'_>),
    findings: &mut Findings,
) {
    let facts = &case.folded.facts;
    if !facts.is_plausible(index) {
        return;
    }
    for hold in &case.folded.holds {
        let placed = hold.in_force(facts, index).and_then(|placed| facts.get(placed));
        let Some(placed) = placed else { continue };
        let held: Vec<&str> = placed.lines.iter().map(|line| line.line_id).collect();
        let of_lines =
            held.is_empty() || fact.lines.iter().any(|line| held.contains(&line.line_id));
        let shipment = placed.text(path::SHIPMENT_ID);
        let of_shipment = shipment.is_empty() || shipment == fact.text(path::SHIPMENT_ID);
        let blocks = placed.numbers(path::HOLD_BLOCKS).contains(&3);
        if !blocks || !of_lines || !of_shipment {
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
    let facts = &case.folded.facts;
    let cancels = cancels(&case.folded.lines);
    if cancels.is_empty() {
        return;
    }
    let work = Work::of(case);
    for (line_id, cancel) in cancels {
        if !facts.is_plausible(cancel) {
            continue;
        }
        let its = match line_id {
            Some(line_id) => work.by_line.get(line_id).map_or(&[][..], Vec::as_slice),
            None => &work.all,
        };
        let later = its.iter().copied().filter(|index| facts.is_before(cancel, *index));
        let later = later.filter(|index| !work.is_reopened(facts, cancel, *index));
        let mut involved = vec![cancel];
        involved.extend(later);
        // Goods that had left before are on their way, whoever cancels.
        let had_left = |index: &FactIndex| !facts.is_before(cancel, *index);
        if line_id.is_none() && !work.shipping.iter().any(had_left) {
            involved.extend(work.scans.iter().copied().filter(|one| facts.is_before(cancel, *one)));
            involved.sort_unstable();
            involved.dedup();
        }
        let first = involved.iter().filter(|index| **index != cancel);
        let first = first.min().and_then(|first| facts.get(*first));
        if let Some(first) = first {
            let what = format!(
                "{} at {} after {} was cancelled at {}",
                first.type_name,
                time_text(first.at_ns),
                line_text(line_id.unwrap_or_default()),
                time_text(facts.at_ns(cancel))
            );
            findings.note_line("R07", what, (line_id.unwrap_or_default(), involved));
        }
    }
}

/// The facts that cancelled all of the order, or of a line, as far as they hold.
fn cancels<'l>(lines: &'l Lines<'_>) -> Vec<(Option<&'l str>, FactIndex)> {
    let line_id = |line: LineIndex| lines.list.get(line).map_or("", |line| line.name.line_id);
    let marks = lines.postings.marks.iter();
    let marks = marks.filter(|one| one.reach == Reach::Whole(Counter::CANCELLED) && !one.undone);
    let mut found: Vec<_> = marks.map(|one| (one.line.map(line_id), one.fact)).collect();
    if found.iter().any(|(line_id, _)| line_id.is_none()) {
        return found;
    }
    // Quantities may come to all of a line as well: the last of them did it.
    let said: HashSet<&str> = found.iter().filter_map(|(line_id, _)| *line_id).collect();
    let mut last: Vec<Option<FactIndex>> = vec![None; lines.list.len()];
    let cancelled = lines.postings.list.iter().filter(|one| one.counter == Counter::CANCELLED);
    for posting in cancelled.filter(|one| one.quantity.is_positive() && lines.counts(one)) {
        if let Some(last) = last.get_mut(posting.line) {
            *last = (*last).max(Some(posting.fact));
        }
    }
    for (line, last) in lines.list.iter().zip(last) {
        let all = line.demand_is_known() && !line.demand.is_positive();
        if let Some(last) = last.filter(|_| all && !said.contains(line.name.line_id)) {
            found.push((Some(line.name.line_id), last));
        }
    }
    found
}

/// Work towards shipping.
#[derive(Default)]
struct Work<'c> {
    all: Vec<FactIndex>,
    by_line: HashMap<&'c str, Vec<FactIndex>>,
    /// What shows that goods leave or have left.
    shipping: Vec<FactIndex>,
    /// What the carrier did with them.
    scans: Vec<FactIndex>,
    /// Lines that were reopened, and by what.
    reopened: Vec<(&'c str, FactIndex)>,
}

impl<'c> Work<'c> {
    fn of(case: &'c Case<'_, '_>) -> Self {
        let mut work = Self::default();
        let (facts, lines) = (&case.folded.facts, &case.folded.lines);
        let reopened = lines.postings.reopened.iter();
        let reopened = reopened.filter_map(|(line, by)| Some((lines.list.get(*line)?, *by)));
        work.reopened = reopened.map(|(line, by)| (line.name.line_id, by)).collect();
        for (index, fact) in facts.counting().filter(|(index, _)| facts.is_plausible(*index)) {
            let is_scan = is_scan(fact.kind);
            if is_scan || matches!(fact.kind, Kind::SHIPMENT_CONFIRMED | Kind::GOODS_ISSUE_POSTED) {
                work.shipping.push(index);
            }
            if is_scan {
                work.scans.push(index);
            } else if is_execution(fact.kind) {
                work.all.push(index);
                for line in fact.lines {
                    let its = work.by_line.entry(line.line_id).or_default();
                    if its.last() != Some(&index) {
                        its.push(index);
                    }
                }
            }
        }
        work
    }

    /// Whether all lines that some work names were reopened between it and a cancellation.
    fn is_reopened(&self, facts: &Facts<'_>, cancel: FactIndex, index: FactIndex) -> bool {
        let Some(fact) = facts.get(index).filter(|fact| fact.has_lines()) else { return false };
        !self.reopened.is_empty()
            && fact.lines.iter().all(|line| {
                let mut its = self.reopened.iter().filter(|(its, _)| *its == line.line_id);
                its.any(|(_, by)| facts.may_follow(*by, cancel) && !facts.is_before(index, *by))
            })
    }
}

/// Whether facts of a type are work in the warehouse towards shipping.
fn is_execution(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ORDER_RELEASED
            | Kind::ALLOCATION_MADE
            | Kind::WAVE_RELEASED
            | Kind::PICK_STARTED
            | Kind::PICK_CONFIRMED
            | Kind::PACK_CONFIRMED
            | Kind::CARTON_CLOSED
            | Kind::STAGED
            | Kind::LOADED
            | Kind::SHIPMENT_CONFIRMED
            | Kind::GOODS_ISSUE_POSTED
    )
}

/// Whether facts of a type tell that goods have left the warehouse.
fn is_scan(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::DISPATCH_PROOFED
            | Kind::CARRIER_PICKED_UP
            | Kind::TRANSIT_SCANNED
            | Kind::OUT_FOR_DELIVERY
            | Kind::PICKUP_AVAILABLE
            | Kind::SHIPMENT_DELIVERED
    )
}

/// Whether a source may invoice before anything is shipped.
pub(super) fn is_in_advance(case: &Case<'_, '_>, source: &str) -> bool {
    case.policy.invoice_in_advance.iter().any(|allowed| allowed == source || allowed == "*")
}

fn invoiced_first(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    let shipping = [Kind::SHIPMENT_CONFIRMED, Kind::GOODS_ISSUE_POSTED, Kind::CARRIER_PICKED_UP];
    let plausible = || facts.counting().filter(|(index, _)| facts.is_plausible(*index));
    let shipped = plausible()
        .find(|(_, fact)| shipping.contains(&fact.kind) || fact.kind == Kind::SHIPMENT_DELIVERED);
    let shipped = shipped.map(|(index, _)| index);
    for (index, fact) in plausible().filter(|(_, fact)| fact.kind == Kind::INVOICE_POSTED) {
        let before = shipped.is_none_or(|shipped| facts.is_before(index, shipped));
        if !before || is_in_advance(case, fact.source) {
            continue;
        }
        let when = shipped.map_or_else(
            || "nothing was shipped yet".to_owned(),
            |shipped| {
                format!("the first goods were shipped at {}", time_text(facts.at_ns(shipped)))
            },
        );
        let number = fact.text(path::INVOICE_NUMBER);
        let what = format!("invoice {number} posted at {}; {when}", time_text(fact.at_ns));
        findings.note("R08", what, vec![index]);
    }
}
