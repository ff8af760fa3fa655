//! Which facts moved which side, of each line and of the order, and since when nothing of a line
//! lacks. Does not know words.
//!
//! The quantities are gone through once more in order of time: a fact moved a side where that side
//! stands otherwise after it than before.

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::lines::{Line, Lines};
use super::moves::Reach;
use super::parcels::Carried;
use super::postings::{LineIndex, Mark, Posting};
use super::quantity::Quantity;
use super::stage::Stage;
use crate::event::Kind;

/// That a fact moved a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moved {
    /// `None`: what it says is about the order.
    pub(crate) line: Option<LineIndex>,
    pub(crate) fact: FactIndex,
}

/// Which facts moved which side.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) commercial: Vec<Moved>,
    pub(crate) fulfillment: Vec<Moved>,
    /// By line: from which fact on nothing lacked, and nothing was on backorder.
    over: Vec<(Option<FactIndex>, Option<FactIndex>)>,
}

/// How the units of a line stand in the warehouse.
type Work = ([Quantity; Stage::COUNTED.len()], Quantity);
/// How they stand with the customer.
type Deal = [Quantity; 7];

/// A line as it was at some time.
struct Then<'a> {
    line: Line<'a>,
    work: Work,
    deal: Deal,
    lift: Stage,
    /// In the end something of it is invoiced: what was shipped says how much is still to be.
    is_invoiced: bool,
}

/// What is gone through.
enum Step<'w, 'a> {
    Post(&'w Posting<'a>),
    Carry(&'w Carried),
    Say(&'w Mark<'a>),
}

/// By the end of the interval in which each fact may have occurred: a date is not before the hours
/// of its day. What is not plausible comes last.
fn steps_of<'w, 'a>(
    facts: &Facts<'a>,
    lines: &'w Lines<'a>,
) -> Vec<(i64, FactIndex, Step<'w, 'a>)> {
    let at = |fact| if facts.is_plausible(fact) { facts.until_ns(fact) } else { i64::MAX };
    let postings = &lines.postings;
    let mut steps = Vec::with_capacity(postings.list.len() + postings.marks.len());
    steps.extend(postings.list.iter().map(|one| (at(one.fact), one.fact, Step::Post(one))));
    steps.extend(lines.carried.iter().map(|one| (at(one.fact), one.fact, Step::Carry(one))));
    let marks = postings.marks.iter().filter(|mark| !mark.undone);
    steps.extend(marks.map(|one| (at(one.fact), one.fact, Step::Say(one))));
    steps.sort_by_key(|(at, fact, _)| (*at, *fact));
    steps
}

struct Walk<'w, 'a> {
    lines: &'w Lines<'a>,
    then: Vec<Then<'a>>,
    /// The furthest that any line had come.
    furthest: Stage,
    /// Anything was released, or said to be.
    released: bool,
    found: Evidence,
}

impl Evidence {
    pub(crate) fn of(facts: &Facts<'_>, lines: &Lines<'_>) -> Self {
        let steps = steps_of(facts, lines);
        let mut walk = Walk::of(lines, steps.len());
        for (_, fact, step) in steps {
            match step {
                Step::Post(posting) => walk.change((posting.line, fact), |line| {
                    if line.counts(posting) {
                        line.count(posting);
                    }
                }),
                Step::Carry(one) => {
                    walk.change((one.line, fact), |line| line.carried += one.quantity);
                }
                Step::Say(mark) => walk.mark(mark),
            }
        }
        let mut found = walk.found;
        for (fact, one) in facts.counting() {
            if is_word(one.kind) {
                found.commercial.push(Moved { line: None, fact });
            }
        }
        found
    }

    /// From which fact on nothing of a line lacked: it was picked, cancelled, replaced or given up.
    pub(crate) fn settled(&self, line: LineIndex) -> Option<FactIndex> {
        self.over.get(line).and_then(|(settled, _)| *settled)
    }

    /// From which fact on nothing of a line was on backorder any more.
    pub(crate) fn backorder_over(&self, line: LineIndex) -> Option<FactIndex> {
        self.over.get(line).and_then(|(_, over)| *over)
    }
}

/// Whether facts of a type say where the order stands with the customer, in a word.
pub(crate) fn is_word(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ORDER_REQUESTED
            | Kind::ORDER_CREATED
            | Kind::ORDER_ACCEPTED
            | Kind::ORDER_REJECTED
            | Kind::ORDER_CLOSED
            | Kind::ORDER_REOPENED
    )
}

impl<'w, 'a> Walk<'w, 'a> {
    fn of(lines: &'w Lines<'a>, step_count: usize) -> Self {
        let then = lines.list.iter().map(|line| Then {
            line: Line { unit: line.unit, ..Line::named(line.name) },
            work: Work::default(),
            deal: Deal::default(),
            lift: Stage::UNRELEASED,
            is_invoiced: line.sum(Counter::INVOICED).is_positive(),
        });
        let moved = || Vec::with_capacity(step_count);
        let over = vec![(None, None); lines.list.len()];
        Self {
            lines,
            then: then.collect(),
            furthest: Stage::UNRELEASED,
            released: false,
            found: Evidence { commercial: moved(), fulfillment: moved(), over },
        }
    }

    fn change(&mut self, (line, fact): (LineIndex, FactIndex), change: impl FnOnce(&mut Line<'a>)) {
        let Some(then) = self.then.get_mut(line) else { return };
        change(&mut then.line);
        then.line.resolve();
        let (work, deal) = (work_of(&then.line), deal_of(&then.line, then.is_invoiced));
        let moved = Moved { line: Some(line), fact };
        if work != then.work {
            then.work = work;
            self.furthest = self.furthest.max(stage_of(&work));
            self.found.fulfillment.push(moved);
        }
        if deal != then.deal {
            then.deal = deal;
            self.found.commercial.push(moved);
        }
        let line_then = &then.line;
        self.released |= line_then.effective.get(Counter::RELEASED).is_positive();
        let Some((settled, over)) = self.found.over.get_mut(line) else { return };
        let is_settled = line_then.effective.get(Counter::PICKED) >= line_then.live();
        *settled = if is_settled { settled.or(Some(fact)) } else { None };
        let is_over = line_then.posted.get(Counter::BACKORDERED)
            && !line_then.sum(Counter::BACKORDERED).is_positive();
        *over = if is_over { over.or(Some(fact)) } else { None };
    }

    /// A statement without quantities moves what had not come as far as it says.
    fn mark(&mut self, mark: &Mark<'_>) {
        let of_order = Moved { line: None, fact: mark.fact };
        if self.lines.list.is_empty() {
            self.found.commercial.push(of_order);
            self.found.fulfillment.push(of_order);
            return;
        }
        let Reach::Lift(stage) = mark.reach else { return };
        if mark.line.is_none() && stage >= Stage::RELEASED && !self.released {
            self.released = true;
            self.found.commercial.push(of_order);
        }
        let furthest = self.furthest;
        let lines = match mark.line {
            Some(line) => line..line + 1,
            None if stage > furthest => 0..self.then.len(),
            None => 0..0,
        };
        for line in lines {
            let Some(then) = self.then.get_mut(line) else { continue };
            if then.stage() < stage && (mark.line.is_some() || then.stage() == furthest) {
                then.lift = stage;
                self.found.fulfillment.push(Moved { line: Some(line), fact: mark.fact });
            }
        }
        self.furthest = furthest.max(stage);
    }
}

impl Then<'_> {
    fn stage(&self) -> Stage {
        stage_of(&self.work).max(self.lift)
    }
}

fn work_of(line: &Line<'_>) -> Work {
    let wanted = line.live();
    let shipped = line.effective.get(Counter::SHIPPED);
    let at = Stage::COUNTED.map(|(_, counter)| {
        if wanted.is_positive() { line.effective.get(counter).min(wanted) } else { shipped }
    });
    (at, wanted)
}

fn deal_of(line: &Line<'_>, is_invoiced: bool) -> Deal {
    let of_invoiced = |quantity| if is_invoiced { quantity } else { Quantity::ZERO };
    [
        line.ordered,
        line.sum(Counter::CANCELLED),
        line.live(),
        line.effective.get(Counter::RELEASED).min(line.live()),
        line.sum(Counter::INVOICED),
        of_invoiced(line.effective.get(Counter::SHIPPED)),
        of_invoiced(line.open),
    ]
}

/// The furthest stage at which any units stand.
fn stage_of((at, _): &Work) -> Stage {
    let with_stage = Stage::COUNTED.iter().zip(at);
    let mut reached = with_stage.filter(|(_, quantity)| quantity.is_positive());
    reached.next().map_or(Stage::UNRELEASED, |((stage, _), _)| *stage)
}
