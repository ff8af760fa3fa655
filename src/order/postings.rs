//! What each fact moves: quantities of lines as postings, and statements without a quantity as
//! marks. Does not know what sums mean.
//!
//! Everything is a sum of postings, so that no order of arrival matters. A reversal that says how
//! much is a posting below zero. What says no quantity is kept as it was said: all of something
//! (a mark), or that something is taken back (a withdrawal).

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::moves::{
    Move, Reach, carton_of, is_reversal, lift_of, move_of, names_otherwise, reach_of_line,
    reach_of_order, thing_of,
};
use super::names::{ByName, Names};
use super::quantity::Quantity;
use super::stage::Stage;
use crate::event::{Fact, FactLine, Group, Kind, path};

/// Place of a line in [`Postings::lines`].
pub(crate) type LineIndex = usize;

/// What one fact moves of one counter of one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posting<'a> {
    pub(crate) fact: FactIndex,
    pub(crate) line: LineIndex,
    pub(crate) counter: Counter,
    pub(crate) quantity: Quantity,
    pub(crate) unit: &'a str,
    /// By what a reversal can name it: a shipment, a carton, an invoice, ... Empty: by nothing.
    pub(crate) thing: &'a str,
    /// In which carton or package it is. Empty: not said.
    pub(crate) carton: &'a str,
}

/// A statement without a quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark<'a> {
    pub(crate) fact: FactIndex,
    /// `None`: all of the order.
    pub(crate) line: Option<LineIndex>,
    pub(crate) reach: Reach,
    /// The counter that the fact speaks of. `None`: of none.
    pub(crate) counter: Option<Counter>,
    pub(crate) thing: &'a str,
    pub(crate) undone: bool,
}

/// By this what is said of the order as a whole is taken back.
const WHOLE_ORDER: &str = "*";
/// A name that belongs to nothing.
const UNREAD: &str = "\0";

/// Takes back, without saying how much, what was posted until then.
#[derive(Clone, Debug)]
pub(crate) struct Withdrawal<'a> {
    pub(crate) fact: FactIndex,
    pub(crate) counter: Counter,
    /// For what it was posted. Empty: for anything.
    pub(crate) thing: &'a str,
    /// For that thing alone, even where no thing has a name.
    pub(crate) exact: bool,
    /// Of these lines; empty: of all.
    pub(crate) lines: Vec<LineIndex>,
    /// It takes back something that was told, and nothing else.
    pub(crate) reverses: bool,
    /// It took back a mark.
    pub(crate) found: bool,
}

/// What is said of a line beside quantities: the last word counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineName<'a> {
    pub(crate) line_id: &'a str,
    pub(crate) parent_line_id: &'a str,
    pub(crate) sku: &'a str,
    pub(crate) gtin: &'a str,
}

/// All that facts move.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings<'a> {
    pub(crate) lines: Vec<LineName<'a>>,
    pub(crate) list: Vec<Posting<'a>>,
    /// Earliest first.
    pub(crate) marks: Vec<Mark<'a>>,
    /// Earliest first.
    pub(crate) withdrawals: Vec<Withdrawal<'a>>,
    /// Reversals that found nothing to take back.
    pub(crate) void_reversals: Vec<(FactIndex, Counter)>,
    /// Lines that were reopened after a cancellation.
    pub(crate) reopened: Vec<(LineIndex, FactIndex)>,
    /// Shipments by the tracking numbers that they were confirmed with.
    by_number: ByName<&'a str, &'a str>,
    /// The order was closed, and nobody has reopened it.
    is_closed: bool,
    numbers: Names<&'a str>,
    /// Places of the lifts that hold, by stage.
    lifts: [Vec<usize>; Stage::COUNT],
}

impl<'a> Postings<'a> {
    pub(crate) fn of(facts: &Facts<'a>) -> Self {
        let said = facts.all.iter().map(|fact| fact.lines.len()).sum();
        let mut postings = Self { list: Vec::with_capacity(said), ..Self::default() };
        let mut cartons = Vec::new();
        for (index, fact) in facts.counting() {
            match fact.kind {
                Kind::LINE_SUBSTITUTED => postings.substitute(index, fact),
                Kind::CARTON_CLOSED | Kind::CARTON_REOPENED => cartons.push((index, fact)),
                Kind::WAVE_REMOVED => postings.remove_wave(fact),
                Kind::SHIPMENT_CONFIRMED => postings.note_numbers(fact),
                Kind::ORDER_CLOSED => postings.is_closed = true,
                _ => {}
            }
            match (move_of(fact.kind), lift_of(fact.kind)) {
                (Some(Move::Add(counter)), _) => postings.add(index, fact, counter),
                (Some(Move::Take(counter)), _) => postings.take(index, fact, counter),
                (None, Some(stage)) => postings.lift(index, fact, stage),
                (None, None) => postings.name_lines(fact),
            }
        }
        postings.join_receipts(facts);
        let told = postings.list.len();
        postings.pack_cartons((facts, &cartons));
        postings.split_backorders(facts);
        postings.close_shorts(facts);
        if postings.list.len() > told {
            postings.sort();
        }
        postings
    }

    /// By fact; what one fact posts keeps its order.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|posting| posting.fact);
    }

    /// The line of an event, with what the event says of it.
    pub(super) fn line(&mut self, said: &FactLine<'a>) -> LineIndex {
        let (number, new) = self.numbers.number(said.line_id);
        if new {
            self.lines.push(LineName { line_id: said.line_id, ..LineName::default() });
        }
        if let Some(line) = self.lines.get_mut(number) {
            let last_word = |known: &mut &'a str, said: &'a str| {
                if !said.is_empty() {
                    *known = said;
                }
            };
            last_word(&mut line.parent_line_id, said.parent_line_id);
            last_word(&mut line.sku, said.sku);
            last_word(&mut line.gtin, said.gtin);
        }
        number
    }

    /// The place of a line that some fact has named.
    pub(crate) fn find(&self, line_id: &'a str) -> Option<LineIndex> {
        self.numbers.find(line_id)
    }

    /// Claims say nothing of lines.
    pub(super) fn name_lines(&mut self, fact: &Fact<'a>) {
        if fact.group() != Some(Group::Meta) {
            for said in fact.lines {
                self.line(said);
            }
        }
    }

    pub(crate) fn post(
        &mut self,
        fact: FactIndex,
        (line, counter): (LineIndex, Counter),
        quantity: Quantity,
    ) -> Option<&mut Posting<'a>> {
        let (unit, thing, carton) = ("", "", "");
        self.list.push(Posting { fact, line, counter, quantity, unit, thing, carton });
        self.list.last_mut()
    }

    fn mark(&mut self, fact: FactIndex, (line, reach): (Option<LineIndex>, Reach), thing: &'a str) {
        self.mark_of(fact, (line, reach, None), thing);
    }

    fn mark_of(
        &mut self,
        fact: FactIndex,
        (line, reach, counter): (Option<LineIndex>, Reach, Option<Counter>),
        thing: &'a str,
    ) {
        if let Reach::Lift(stage) = reach
            && let Some(lifts) = self.lifts.get_mut(stage.place())
        {
            lifts.push(self.marks.len());
        }
        self.marks.push(Mark { fact, line, reach, counter, thing, undone: false });
    }

    /// Posts what an event says of a line, or a part of it with the sign of the event.
    pub(super) fn post_said(
        &mut self,
        (index, fact): (FactIndex, &Fact<'a>),
        (line, counter): (LineIndex, Counter),
        (said, quantity): (&FactLine<'a>, Quantity),
    ) {
        let carton = carton_of(fact, said);
        let thing = match counter {
            Counter::PACKED => carton,
            _ => thing_of(fact, counter),
        };
        if let Some(posting) = self.post(index, (line, counter), quantity) {
            (posting.unit, posting.thing, posting.carton) = (said.unit, thing, carton);
        }
    }

    fn add(&mut self, index: FactIndex, fact: &Fact<'a>, counter: Counter) {
        let whole = fact.text(path::CANCELLATION_SCOPE) == "order" && counter == Counter::CANCELLED;
        for said in fact.lines {
            let line = self.line(said);
            match Quantity::of(said.quantity) {
                Some(quantity) if !whole => {
                    self.post_said((index, fact), (line, counter), (said, quantity));
                }
                _ => {
                    if let Some(reach) = reach_of_line(fact.kind, counter).filter(|_| !whole) {
                        let about = (Some(line), reach, Some(counter));
                        self.mark_of(index, about, thing_of(fact, counter));
                    }
                }
            }
        }
        if (whole || !fact.has_lines())
            && let Some(reach) = reach_of_order(fact.kind, counter)
        {
            let thing = if counter == Counter::CANCELLED {
                self.is_closed = false;
                WHOLE_ORDER
            } else {
                thing_of(fact, counter)
            };
            self.mark_of(index, (None, reach, Some(counter)), thing);
        }
    }

    fn lift(&mut self, index: FactIndex, fact: &Fact<'a>, stage: Stage) {
        let thing = match stage {
            Stage::WAVED => fact.text(path::WAVE_ID),
            _ => fact.text(path::RELEASE_ID),
        };
        for said in fact.lines {
            let line = self.line(said);
            self.mark(index, (Some(line), Reach::Lift(stage)), thing);
        }
        if !fact.has_lines() {
            self.mark(index, (None, Reach::Lift(stage)), thing);
        }
    }

    fn take(&mut self, index: FactIndex, fact: &Fact<'a>, counter: Counter) {
        let mut lines = Vec::new();
        let returned = fact.kind == Kind::SHIPMENT_RETURNED_TO_SENDER;
        for said in fact.lines {
            let line = self.line(said);
            if fact.kind == Kind::ORDER_REOPENED {
                self.reopened.push((line, index));
            }
            match Quantity::of(said.quantity).filter(|_| !returned) {
                // The type says the sign.
                Some(quantity) => {
                    let taken = -quantity.max(-quantity);
                    self.post_said((index, fact), (line, counter), (said, taken));
                }
                None => lines.push(line),
            }
        }
        if lines.is_empty() && fact.has_lines() {
            return;
        }
        let (thing, exact) = match (thing_of(fact, counter), counter) {
            ("", Counter::CANCELLED) if lines.is_empty() => {
                // Opens what was closed last; lines that were cancelled before stay cancelled.
                if std::mem::take(&mut self.is_closed) {
                    return;
                }
                (WHOLE_ORDER, true)
            }
            ("", _) if names_otherwise(fact, counter) => match self.shipment_of(fact) {
                Some(shipment) if counter == Counter::SHIPPED => (shipment, true),
                Some(_) | None => (UNREAD, true),
            },
            (thing, _) => (thing, false),
        };
        let found = self.undo_lifts((counter, thing), &lines);
        let reverses = is_reversal(fact.kind);
        let withdrawal = Withdrawal { fact: index, counter, thing, exact, lines, reverses, found };
        self.withdrawals.push(withdrawal);
    }

    /// The shipment that was confirmed with a tracking number that a fact names.
    fn shipment_of(&self, fact: &Fact<'a>) -> Option<&'a str> {
        let numbers = fact.texts(path::TRACKING_NUMBERS);
        let mut numbers = numbers.chain([fact.text(path::TRACKING_NUMBER)]);
        numbers.find_map(|number| self.by_number.get(number).copied())
    }

    /// Takes back what was said without quantities; whether there was anything.
    fn undo_lifts(&mut self, (counter, thing): (Counter, &str), lines: &[LineIndex]) -> bool {
        // A release that is taken back takes its acknowledgement and waves along.
        let early = if counter == Counter::RELEASED { Stage::WAVED.place() + 1 } else { 0 };
        let stage = Stage::of(counter).map(Stage::place).filter(|place| *place >= early);
        let mut any = false;
        for place in (0..early).chain(stage) {
            any |= self.undo(place, |mark| {
                let said = place < early || mark.counter == Some(counter);
                let named = thing.is_empty() || mark.thing.is_empty() || mark.thing == thing;
                let of_line = |line| lines.contains(&line);
                said && named && (lines.is_empty() || mark.line.is_some_and(of_line))
            });
        }
        any
    }

    fn remove_wave(&mut self, fact: &Fact<'a>) {
        let thing = fact.text(path::WAVE_ID);
        let lines: Vec<LineIndex> = fact.lines.iter().map(|said| self.line(said)).collect();
        self.undo(Stage::WAVED.place(), |mark| {
            let named = thing.is_empty() || mark.thing == thing;
            named && (lines.is_empty() || mark.line.is_some_and(|line| lines.contains(&line)))
        });
    }

    fn note_numbers(&mut self, fact: &Fact<'a>) {
        let shipment = fact.text(path::SHIPMENT_ID);
        if !shipment.is_empty() {
            let numbers = fact.texts(path::TRACKING_NUMBERS);
            let numbers = numbers.chain([fact.text(path::TRACKING_NUMBER)]);
            let numbers = numbers.filter(|number| !number.is_empty());
            numbers.for_each(|number| self.by_number.set(number, shipment));
        }
    }

    /// Takes back lifts to the stage at a place; whether there were any.
    fn undo(&mut self, place: usize, is_meant: impl Fn(&Mark<'a>) -> bool) -> bool {
        let Some(lifts) = self.lifts.get_mut(place) else { return false };
        let before = lifts.len();
        lifts.retain(|place| match self.marks.get_mut(*place) {
            Some(mark) if is_meant(mark) => {
                mark.undone = true;
                false
            }
            Some(_) | None => true,
        });
        lifts.len() < before
    }

    fn substitute(&mut self, index: FactIndex, fact: &Fact<'a>) {
        let from = fact.text(path::FROM_LINE_ID);
        let listed = fact.lines.first().copied().unwrap_or_default();
        let from = if from.is_empty() { listed.line_id } else { from };
        let quantity =
            Quantity::of(fact.text(path::FROM_QUANTITY)).or_else(|| Quantity::of(listed.quantity));
        let Some(out) = quantity else {
            return self.name_lines(fact);
        };
        let old = self.line(&FactLine { line_id: from, ..FactLine::default() });
        self.post(index, (old, Counter::SUBSTITUTED_OUT), out);
        let to = fact.text(path::TO_LINE_ID);
        let parent = if to.is_empty() { "" } else { from };
        let to = if to.is_empty() { from } else { to };
        let sku = fact.text(path::TO_SKU);
        let said = FactLine { line_id: to, parent_line_id: parent, sku, ..FactLine::default() };
        let new = self.line(&said);
        let ratio = Quantity::of(fact.text(path::RATIO));
        let into = Quantity::of(fact.text(path::TO_QUANTITY))
            .or_else(|| ratio.map_or(Some(out), |ratio| out.times(ratio)));
        if let Some(into) = into {
            self.post(index, (new, Counter::ORDERED), into);
        }
    }
}
