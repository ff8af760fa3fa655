//! Shows the lines of an order as the message that callers read.
//! Does not know how their quantities came about.

use std::collections::HashMap;

use super::counter::{ByCounter, Counter};
use super::evidence::Moved;
use super::folded::Folded;
use super::fulfillment::Range;
use super::lines::Line;
use super::moment::Natural;
use super::postings::LineIndex;
use super::show::{positive, words};
use super::stage::Stage;
use super::words::Dimension;
use crate::event::{Fact, Kind};
use crate::proto;

/// The offsets of the facts that moved a line, by what they moved.
#[derive(Debug, Default)]
struct Offsets {
    counters: ByCounter<Vec<u64>>,
    commercial: Vec<u64>,
    fulfillment: Vec<u64>,
}

/// The lines, by id.
pub(super) fn shown_lines(folded: &Folded<'_>) -> Vec<proto::OrderLine> {
    let agreed = agreed(folded);
    let mut uncounted = uncounted(folded);
    let mut offsets = offsets_by_line(folded);
    let mut lines: Vec<(LineIndex, &Line<'_>)> = folded.lines.list.iter().enumerate().collect();
    lines.sort_by_key(|(_, line)| Natural(line.name.line_id));
    let mut shown: Vec<proto::OrderLine> = Vec::with_capacity(lines.len());
    for (index, line) in lines {
        let Some(offsets) = offsets.get_mut(index) else { continue };
        shown.push(shown_line(folded, (index, line), (offsets, &agreed)));
        if let (Some(uncounted), Some(shown)) = (uncounted.remove(&index), shown.last_mut()) {
            shown.uncounted = uncounted;
        }
    }
    shown
}

fn offsets_by_line(folded: &Folded<'_>) -> Vec<Offsets> {
    let (facts, lines) = (&folded.facts, &folded.lines);
    let mut found: Vec<Offsets> = lines.list.iter().map(|_| Offsets::default()).collect();
    for posting in lines.postings.list.iter().filter(|posting| lines.counts(posting)) {
        let Some(its) = found.get_mut(posting.line) else { continue };
        let offset = facts.offset(posting.fact);
        its.counters.slot(posting.counter).into_iter().for_each(|list| list.push(offset));
        if is_wanted(posting.counter) || is_deal(posting.counter) {
            its.commercial.push(offset);
        }
        if is_wanted(posting.counter) || is_work(posting.counter) {
            its.fulfillment.push(offset);
        }
    }
    let of_line = |one: &Moved| Some((one.line?, facts.offset(one.fact)));
    for (line, offset) in folded.evidence.commercial.iter().filter_map(of_line) {
        found.get_mut(line).into_iter().for_each(|its| its.commercial.push(offset));
    }
    for (line, offset) in folded.evidence.fulfillment.iter().filter_map(of_line) {
        found.get_mut(line).into_iter().for_each(|its| its.fulfillment.push(offset));
    }
    found
}

/// The offsets of what was said of the order before it was released.
fn agreed(folded: &Folded<'_>) -> Vec<u64> {
    let said = folded.evidence.commercial.iter().filter_map(|moved| folded.facts.get(moved.fact));
    let agreed =
        said.filter(|fact| matches!(fact.kind, Kind::ORDER_REQUESTED | Kind::ORDER_ACCEPTED));
    agreed.map(Fact::offset).collect()
}

/// Whether a counter says what is wanted of a line.
fn is_wanted(counter: Counter) -> bool {
    matches!(
        counter,
        Counter::ORDERED
            | Counter::CANCELLED
            | Counter::SUBSTITUTED_OUT
            | Counter::SPLIT_OUT
            | Counter::SHORT_CLOSED
    )
}

/// Whether a counter is read for the commercial side; what was shipped is, where it moved that
/// side.
fn is_deal(counter: Counter) -> bool {
    matches!(counter, Counter::RELEASED | Counter::INVOICED)
}

/// Whether a counter is read for fulfillment; what was handed over is, where it moved that side.
fn is_work(counter: Counter) -> bool {
    Stage::COUNTED.iter().any(|(_, its)| *its == counter)
}

fn rising(mut offsets: Vec<u64>) -> Vec<u64> {
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

fn shown_line(
    folded: &Folded<'_>,
    (index, line): (LineIndex, &Line<'_>),
    (offsets, agreed): (&mut Offsets, &[u64]),
) -> proto::OrderLine {
    let range = |ranges: &[Range], dimension, offsets: Vec<u64>| {
        let range = ranges.get(index).copied();
        let offsets = rising(offsets);
        range.map(|range| proto::DimensionStatus { offsets, ..words(dimension, range) })
    };
    let released = Dimension::Commercial.word("released");
    let word = folded.commercial.lines.get(index).map(|range| range.low);
    if word < released {
        offsets.commercial.extend(agreed);
    }
    let (commercial, fulfillment) =
        (std::mem::take(&mut offsets.commercial), std::mem::take(&mut offsets.fulfillment));
    let mut shown = proto::OrderLine {
        line_id: line.name.line_id.to_owned(),
        parent_line_id: line.name.parent_line_id.to_owned(),
        sku: line.name.sku.to_owned(),
        gtin: line.name.gtin.to_owned(),
        unit: line.unit.to_owned(),
        demand: line.demand.text(),
        demand_inferred: !line.demand_is_known(),
        open_quantity: line.open.text(),
        commercial: range(&folded.commercial.lines, Dimension::Commercial, commercial),
        fulfillment: range(&folded.fulfillment.lines, Dimension::Fulfillment, fulfillment),
        ..proto::OrderLine::default()
    };
    for counter in Counter::all() {
        let implied = line.implied(counter);
        if !line.posted.get(counter) && !implied.is_positive() {
            continue;
        }
        let offsets = offsets.counters.slot(counter).map(std::mem::take);
        *counter.field(&mut shown) = Some(proto::LineQuantity {
            quantity: line.sum(counter).text(),
            implied_quantity: positive(implied),
            offsets: rising(offsets.unwrap_or_default()),
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
