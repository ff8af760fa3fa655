//! The commercial side: what is agreed and billed, by line and for the order.
//! Does not know stages of the warehouse beyond what was released and shipped.

use super::counter::Counter;
use super::facts::Facts;
use super::fulfillment::Range;
use super::lines::{Line, Lines};
use super::moves::Reach;
use super::stage::Stage;
use super::words::{Dimension, Word};
use crate::event::{Fact, Kind};

/// The commercial side of an order and of its lines.
#[derive(Debug)]
pub(crate) struct Commercial {
    pub(crate) order: Range,
    pub(crate) lines: Vec<Range>,
}

impl Commercial {
    pub(crate) fn of(facts: &Facts<'_>, lines: &Lines<'_>) -> Self {
        let mut said = Said::default();
        for (_, fact) in facts.counting() {
            said.hear(fact);
        }
        let base = said.base();
        let ranges: Vec<Range> = lines.list.iter().map(|line| range_of_line(line, base)).collect();
        let order = range_of_order(lines, &ranges, &said);
        Self { order, lines: ranges }
    }
}

/// What events say of the order without quantities.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is said by an event of its own")]
struct Said {
    requested: bool,
    entered: bool,
    accepted: bool,
    /// And nobody took the order after all.
    rejected: bool,
    /// And nobody reopened it.
    closed: bool,
}

impl Said {
    fn hear(&mut self, fact: &Fact<'_>) {
        match fact.kind {
            Kind::ORDER_REQUESTED => self.requested = true,
            Kind::ORDER_ACCEPTED => (self.accepted, self.rejected) = (true, false),
            Kind::ORDER_REJECTED => self.rejected = true,
            Kind::ORDER_CLOSED => self.closed = true,
            Kind::ORDER_REOPENED => (self.closed, self.rejected) = (false, false),
            Kind::STATUS_ASSERTED | Kind::EVENT_CORRECTED => {}
            _ => self.entered = true,
        }
    }

    fn base(&self) -> Word {
        match self {
            Self { accepted: true, .. } => word("accepted"),
            Self { requested: true, entered: false, .. } => word("requested"),
            _ => word("entered"),
        }
    }
}

fn word(text: &str) -> Word {
    Dimension::Commercial.word(text).unwrap_or(Word(0))
}

/// Whether something is still to be agreed, released or billed of a line: not where all of it
/// became another line, or was given up, before it was released.
fn is_wanted(line: &Line<'_>) -> bool {
    let nothing = line.ordered.is_positive()
        && !line.live().is_positive()
        && !line.effective.get(Counter::RELEASED).is_positive();
    !line.is_cancelled() && !nothing
}

fn is_invoiced(line: &Line<'_>) -> bool {
    line.sum(Counter::INVOICED) >= line.gone() && line.open.is_zero()
}

fn range_of_line(line: &Line<'_>, base: Word) -> Range {
    let released = line.effective.get(Counter::RELEASED);
    if line.is_cancelled() {
        Range::at(word("cancelled"))
    } else if line.sum(Counter::INVOICED).is_positive() {
        let invoiced = if is_invoiced(line) { "invoiced" } else { "partially_invoiced" };
        Range::at(word(invoiced))
    } else if released.is_positive() && released >= line.live() {
        Range::at(word("released"))
    } else if released.is_positive() {
        Range { low: base, high: word("released"), word: word("partially_released") }
    } else {
        Range::at(base)
    }
}

fn range_of_order(lines: &Lines<'_>, ranges: &[Range], said: &Said) -> Range {
    let whole = |counter| lines.order_marks().any(|mark| mark.reach == Reach::Whole(counter));
    let gone = lines.list.iter().filter(|line| line.is_cancelled()).count();
    let wanted = || lines.list.iter().zip(ranges).filter(|(line, _)| is_wanted(line));
    if said.rejected {
        return Range::at(word("rejected"));
    }
    let all_gone = gone > 0 && wanted().all(|(line, _)| !line.ordered.is_positive());
    if all_gone || (lines.list.is_empty() && whole(Counter::CANCELLED)) {
        return Range::at(word("cancelled"));
    }
    if said.closed {
        return Range::at(word("closed"));
    }
    let low = wanted().map(|(_, range)| range.low).min();
    let high = wanted().map(|(_, range)| range.high).max();
    let (Some(low), Some(high)) = (low, high) else {
        return Range::at(word_without_lines(lines, said));
    };
    let with = |counter| wanted().any(|(line, _)| line.sum(counter).is_positive());
    let all_invoiced = wanted().all(|(line, _)| is_invoiced(line));
    let released = |range: &Range| range.low >= word("released");
    let found = if with(Counter::INVOICED) && all_invoiced {
        word("invoiced")
    } else if with(Counter::INVOICED) {
        word("partially_invoiced")
    } else if wanted().all(|(_, range)| released(range)) {
        word("released")
    } else if wanted().any(|(_, range)| range.high >= word("released")) {
        word("partially_released")
    } else {
        word_without_lines(lines, said).max(low)
    };
    Range { low, high: high.max(low), word: found }
}

/// What is said of the order is all there is.
fn word_without_lines(lines: &Lines<'_>, said: &Said) -> Word {
    let reached = lines.order_marks().map(|mark| match mark.reach {
        Reach::Whole(Counter::INVOICED) => word("invoiced"),
        Reach::Whole(counter) if Stage::of(counter).is_some() => word("released"),
        Reach::Lift(stage) if stage >= Stage::RELEASED => word("released"),
        Reach::Whole(_) | Reach::Lift(_) => word("requested"),
    });
    reached.max().unwrap_or(Word(0)).max(said.base())
}
