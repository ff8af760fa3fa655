//! Shows the lines of an order as the message that callers read.
//! Does not know how their quantities came about.

use std::collections::HashMap;

use super::counter::Counter;
use super::evidence::Moved;
use super::facts::{FactIndex, Facts};
use super::folded::Folded;
use super::fulfillment::Range;
use super::lines::Line;
use super::moment::Natural;
use super::postings::LineIndex;
use super::show::{positive, words};
use super::words::Dimension;
use crate::event::Kind;
use crate::proto;

/// The offsets of facts, by line and by what they moved, rising.
struct Offsets {
    counters: Vec<((LineIndex, Counter), u64)>,
    commercial: Vec<(LineIndex, u64)>,
    fulfillment: Vec<(LineIndex, u64)>,
    /// Of what was said of the order before it was released.
    agreed: Vec<u64>,
}

/// The lines, by id.
pub(super) fn shown_lines(folded: &Folded<'_>) -> Vec<proto::OrderLine> {
    let offsets = Offsets::of(folded);
    let mut uncounted = uncounted(folded);
    let mut lines: Vec<(LineIndex, &Line<'_>)> = folded.lines.list.iter().enumerate().collect();
    lines.sort_by_key(|(_, line)| Natural(line.name.line_id));
    let mut shown: Vec<proto::OrderLine> = Vec::with_capacity(lines.len());
    for (index, line) in lines {
        shown.push(shown_line(folded, (index, line), &offsets));
        if let (Some(uncounted), Some(shown)) = (uncounted.remove(&index), shown.last_mut()) {
            shown.uncounted = uncounted;
        }
    }
    shown
}

impl Offsets {
    fn of(folded: &Folded<'_>) -> Self {
        let (facts, lines) = (&folded.facts, &folded.lines);
        let counted = lines.postings.list.iter().filter(|posting| lines.counts(posting));
        let counters =
            counted.map(|one| ((one.line, one.counter), facts.offset(one.fact))).collect();
        let read = |read: &[Counter], moved| {
            let counted = lines.postings.list.iter().filter(|one| lines.counts(one));
            let its =
                counted.filter(|one| WANTED.contains(&one.counter) || read.contains(&one.counter));
            by_line(facts, its.map(|one| (one.line, one.fact)).chain(of_lines(moved)))
        };
        let agreed = folded.evidence.commercial.iter().filter(|moved| {
            let kind = facts.get(moved.fact).map(|fact| fact.kind);
            matches!(kind, Some(Kind::ORDER_REQUESTED | Kind::ORDER_ACCEPTED))
        });
        Self {
            counters: rising(counters),
            commercial: read(&DEAL, &folded.evidence.commercial),
            fulfillment: read(&WORK, &folded.evidence.fulfillment),
            agreed: agreed.map(|moved| facts.offset(moved.fact)).collect(),
        }
    }
}

/// What says what is wanted of a line.
const WANTED: [Counter; 5] = [
    Counter::ORDERED,
    Counter::CANCELLED,
    Counter::SUBSTITUTED_OUT,
    Counter::SPLIT_OUT,
    Counter::SHORT_CLOSED,
];
/// What is read for the commercial side; what was shipped is, where it moved that side.
const DEAL: [Counter; 2] = [Counter::RELEASED, Counter::INVOICED];
/// What is read for fulfillment; what was handed over is, where it moved that side.
const WORK: [Counter; 7] = [
    Counter::RELEASED,
    Counter::ALLOCATED,
    Counter::PICKED,
    Counter::PACKED,
    Counter::STAGED,
    Counter::LOADED,
    Counter::SHIPPED,
];

fn of_lines(moved: &[Moved]) -> impl Iterator<Item = (LineIndex, FactIndex)> {
    moved.iter().filter_map(|one| Some((one.line?, one.fact)))
}

fn by_line(
    facts: &Facts<'_>,
    of_lines: impl Iterator<Item = (LineIndex, FactIndex)>,
) -> Vec<(LineIndex, u64)> {
    rising(of_lines.map(|(line, fact)| (line, facts.offset(fact))).collect())
}

fn rising<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

/// The offsets that stand under a key.
fn under<K: Ord>(list: &[(K, u64)], key: &K) -> Vec<u64> {
    let from = list.partition_point(|(its, _)| its < key);
    let to = list.partition_point(|(its, _)| its <= key);
    list.get(from..to).unwrap_or_default().iter().map(|(_, offset)| *offset).collect()
}

fn shown_line(
    folded: &Folded<'_>,
    (index, line): (LineIndex, &Line<'_>),
    offsets: &Offsets,
) -> proto::OrderLine {
    let range = |ranges: &[Range], dimension, offsets: Vec<u64>| {
        let range = ranges.get(index).copied();
        range.map(|range| proto::DimensionStatus { offsets, ..words(dimension, range) })
    };
    let mut deal = under(&offsets.commercial, &index);
    let released = Dimension::Commercial.word("released");
    let word = folded.commercial.lines.get(index).map(|range| range.low);
    if word < released {
        deal.extend(&offsets.agreed);
    }
    let done = under(&offsets.fulfillment, &index);
    let mut shown = proto::OrderLine {
        line_id: line.name.line_id.to_owned(),
        parent_line_id: line.name.parent_line_id.to_owned(),
        sku: line.name.sku.to_owned(),
        gtin: line.name.gtin.to_owned(),
        unit: line.unit.to_owned(),
        demand: line.demand.text(),
        demand_inferred: !line.demand_is_known(),
        open_quantity: line.open.text(),
        commercial: range(&folded.commercial.lines, Dimension::Commercial, rising(deal)),
        fulfillment: range(&folded.fulfillment.lines, Dimension::Fulfillment, done),
        ..proto::OrderLine::default()
    };
    for counter in Counter::all() {
        let implied = line.implied(counter);
        if !line.posted.get(counter) && !implied.is_positive() {
            continue;
        }
        *counter.field(&mut shown) = Some(proto::LineQuantity {
            quantity: line.sum(counter).text(),
            implied_quantity: positive(implied),
            offsets: under(&offsets.counters, &(index, counter)),
        });
    }
    shown
}

/// Quantities in another unit than their line's, by line.
fn uncounted(folded: &Folded<'_>) -> HashMap<LineIndex, Vec<proto::UncountedQuantity>> {
    let lines = &folded.lines;
    let postings = lines.postings.list.iter().filter(|one| !lines.counts(one));
    let mut shown: HashMap<LineIndex, Vec<proto::UncountedQuantity>> = HashMap::new();
    for posting in postings {
        let one = proto::UncountedQuantity {
            counter: posting.counter.name().to_owned(),
            quantity: posting.quantity.to_string(),
            unit: posting.unit.to_owned(),
            offset: folded.facts.offset(posting.fact),
        };
        shown.entry(posting.line).or_default().push(one);
    }
    shown
}
