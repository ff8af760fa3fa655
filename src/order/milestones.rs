//! Milestones: when each was first reached, when the whole quantity had, and which are implied.
//! Does not know when they were due.

use std::sync::LazyLock;

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::lines::{Line, Lines};
use super::quantity::Quantity;
use crate::event::{EVENT_TYPES, EventType, Kind};
use crate::proto::{Milestone, MilestoneTime, TimePrecision};
use crate::time::{signed, timestamp};

/// Milestones that are complete when the whole quantity has reached them.
const COUNTED: [(&str, Counter); 7] = [
    ("order.released", Counter::RELEASED),
    ("allocation.made", Counter::ALLOCATED),
    ("pick.confirmed", Counter::PICKED),
    ("pack.confirmed", Counter::PACKED),
    ("shipment.confirmed", Counter::SHIPPED),
    ("shipment.delivered", Counter::DELIVERED),
    ("invoice.posted", Counter::INVOICED),
];

/// The types that are milestones, each with the counter that completes it.
static MILESTONES: LazyLock<Vec<(Kind, &EventType, Option<Counter>)>> = LazyLock::new(|| {
    let counted = |name| COUNTED.iter().find(|(its, _)| *its == name).map(|(_, counter)| *counter);
    Kind::milestones().map(|(kind, row)| (kind, row, counted(row.name))).collect()
});

/// The milestones of an order, in the order of the catalogue.
pub(crate) fn milestones_of(facts: &Facts<'_>, lines: &Lines<'_>) -> Vec<Milestone> {
    let mut first: [Option<FactIndex>; EVENT_TYPES.len()] = [None; EVENT_TYPES.len()];
    for (index, fact) in facts.counting() {
        let Some(first) = first.get_mut(fact.kind.place()) else { continue };
        // Any time that is plausible is better than one that is not.
        let better = |known: FactIndex| facts.is_plausible(index) && !facts.is_plausible(known);
        if first.is_none_or(better) {
            *first = Some(index);
        }
    }
    let mut found = Vec::with_capacity(facts.all.len());
    let mut missing = Vec::with_capacity(lines.list.len());
    for (kind, row, counter) in MILESTONES.iter() {
        let reached = first.get(kind.place()).copied().flatten();
        let implied = |counter| lines.list.iter().any(|line| line.implied(counter).is_positive());
        if reached.is_none() && !counter.is_some_and(implied) {
            continue;
        }
        let completed = counter.and_then(|counter| completed_by(lines, counter, &mut missing));
        found.push(Milestone {
            name: row.name.to_owned(),
            implied: reached.is_none(),
            first: reached.map(|index| time_of(facts, index)),
            completed: completed.map(|index| time_of(facts, index)),
        });
    }
    found
}

/// The fact with which a counter had reached the demand of every line, if anything is left of it.
/// `missing` is room for what lacks of each line.
fn completed_by(
    lines: &Lines<'_>,
    counter: Counter,
    missing: &mut Vec<Quantity>,
) -> Option<FactIndex> {
    let net: Quantity = lines.list.iter().map(|line| line.sum(counter)).sum();
    if !net.is_positive() {
        return None;
    }
    // What a released line became is released with it.
    let follows = |line: &Line<'_>| {
        let is_heir = counter == Counter::RELEASED && !line.name.parent_line_id.is_empty();
        is_heir && !line.posted.get(counter) && line.effective.get(counter) >= line.live()
    };
    missing.clear();
    let live = |line: &Line<'_>| if follows(line) { Quantity::ZERO } else { line.live() };
    missing.extend(lines.list.iter().map(live));
    let mut lacking = missing.iter().filter(|missing| missing.is_positive()).count();
    let mut completed = None;
    for posting in lines.postings.list.iter().filter(|one| one.counter == counter) {
        if !lines.counts(posting) {
            continue;
        }
        if let Some(missing) = missing.get_mut(posting.line) {
            lacking -= usize::from(missing.is_positive());
            *missing = *missing - posting.quantity;
            lacking += usize::from(missing.is_positive());
        }
        completed = if lacking == 0 { completed.or(Some(posting.fact)) } else { None };
    }
    completed
}

fn time_of(facts: &Facts<'_>, index: FactIndex) -> MilestoneTime {
    let Some(fact) = facts.get(index) else { return MilestoneTime::default() };
    let plausible = facts.is_plausible(index);
    let occurred_at = fact.recorded.event.occurred_at_ns().filter(|_| plausible);
    let precision = i32::try_from(fact.precision).ok().filter(|_| plausible);
    let precision = precision.and_then(|number| TimePrecision::try_from(number).ok());
    MilestoneTime {
        occurred_at: occurred_at.map(timestamp),
        precision: precision.unwrap_or_default().into(),
        recorded_at: Some(timestamp(signed(fact.recorded.recorded_at_ns))),
        offset: fact.offset(),
    }
}
