//! Milestones: when each was first reached, when the whole quantity had, and which are implied.
//! Does not know when they were due.

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::lines::Lines;
use super::quantity::Quantity;
use crate::event::EVENT_TYPES;
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

/// The milestones of an order, in the order of the catalogue.
pub(crate) fn milestones_of(facts: &Facts<'_>, lines: &Lines<'_>) -> Vec<Milestone> {
    let mut first: Vec<(u16, FactIndex)> = Vec::new();
    for (index, fact) in facts.counting() {
        let Some(kind) = fact.kind.filter(|kind| kind.milestone) else { continue };
        if facts.is_plausible(index) && !first.iter().any(|(id, _)| *id == kind.id) {
            first.push((kind.id, index));
        }
    }
    let mut found = Vec::with_capacity(first.len());
    for kind in EVENT_TYPES.iter().filter(|kind| kind.milestone) {
        let counter =
            COUNTED.iter().find(|(name, _)| *name == kind.name).map(|(_, counter)| counter);
        let reached = first.iter().find(|(id, _)| *id == kind.id).map(|(_, index)| *index);
        let implied =
            |counter: &Counter| lines.list.iter().any(|line| line.implied(*counter).is_positive());
        if reached.is_none() && !counter.is_some_and(implied) {
            continue;
        }
        let completed = counter.and_then(|counter| completed_by(facts, lines, *counter));
        found.push(Milestone {
            name: kind.name.to_owned(),
            implied: reached.is_none(),
            first: reached.map(|index| time_of(facts, index)),
            completed: completed.map(|index| time_of(facts, index)),
        });
    }
    found
}

/// The fact with which a counter had reached the demand of every line.
fn completed_by(facts: &Facts<'_>, lines: &Lines<'_>, counter: Counter) -> Option<FactIndex> {
    let mut missing: Vec<Quantity> = lines.list.iter().map(super::lines::Line::live).collect();
    let mut postings: Vec<(FactIndex, usize, Quantity)> = lines
        .postings
        .list
        .iter()
        .filter(|posting| posting.counter == counter && lines.counts(posting))
        .map(|posting| (posting.fact, posting.line, posting.quantity))
        .collect();
    postings.sort_unstable_by_key(|(fact, ..)| *fact);
    let mut completed = None;
    for (fact, line, quantity) in postings {
        if let Some(missing) = missing.get_mut(line) {
            *missing = *missing - quantity;
        }
        let reached = !missing.iter().any(|missing| missing.is_positive());
        completed = if reached { completed.or(Some(fact)) } else { None };
    }
    completed.filter(|fact| facts.is_plausible(*fact))
}

fn time_of(facts: &Facts<'_>, index: FactIndex) -> MilestoneTime {
    let Some(fact) = facts.get(index) else { return MilestoneTime::default() };
    let precision = i32::try_from(fact.precision).ok();
    let precision = precision.and_then(|number| TimePrecision::try_from(number).ok());
    MilestoneTime {
        occurred_at: fact.recorded.event.occurred_at_ns().map(timestamp),
        precision: precision.unwrap_or_default().into(),
        recorded_at: Some(timestamp(signed(fact.recorded.recorded_at_ns))),
        offset: fact.offset(),
    }
}
