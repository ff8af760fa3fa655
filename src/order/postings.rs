//! What each fact moves: quantities of lines as postings, and statements without a quantity as
//! marks. Does not know what sums mean.
//!
//! Everything is a sum of postings, so that no order of arrival matters. A reversal that says how
//! much is a posting below zero; one that says only what it takes back (a shipment, a carton, an
//! invoice) takes back what had been posted for that until then.

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::names::Names;
use super::quantity::Quantity;
use super::stage::Stage;
use crate::event::{Fact, FactLine, path};

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
    /// A reversal without quantities has taken it back.
    undone: bool,
}

/// How far a statement without a quantity brings what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What had come as far as the stage before stands at this one.
    Lift(Stage),
    /// All of it is counted.
    Whole(Counter),
}

/// A statement without a quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark<'a> {
    pub(crate) fact: FactIndex,
    /// `None`: all of the order.
    pub(crate) line: Option<LineIndex>,
    pub(crate) reach: Reach,
    thing: &'a str,
    pub(crate) undone: bool,
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
#[derive(Debug, Default)]
pub(crate) struct Postings<'a> {
    pub(crate) lines: Vec<LineName<'a>>,
    pub(crate) list: Vec<Posting<'a>>,
    pub(crate) marks: Vec<Mark<'a>>,
    /// Reversals that found nothing to take back.
    pub(crate) void_reversals: Vec<(FactIndex, Counter)>,
    numbers: Names<'a>,
}

/// What an event of a type moves.
#[derive(Clone, Copy, Debug)]
enum Move {
    Add(Counter),
    Take(Counter),
}

fn move_of(type_name: &str) -> Option<Move> {
    use Move::{Add, Take};
    Some(match type_name {
        "order.created" | "order.line_added" | "order.line_changed" => Add(Counter::ORDERED),
        "order.line_cancelled" | "order.cancelled" => Add(Counter::CANCELLED),
        "order.reopened" => Take(Counter::CANCELLED),
        "order.released" => Add(Counter::RELEASED),
        "order.release_reversed" | "warehouse.rejected" => Take(Counter::RELEASED),
        "allocation.made" => Add(Counter::ALLOCATED),
        "allocation.reversed" => Take(Counter::ALLOCATED),
        "pick.task_created" => Add(Counter::TASKED),
        "pick.confirmed" => Add(Counter::PICKED),
        "pick.reversed" => Take(Counter::PICKED),
        "pick.shorted" => Add(Counter::SHORT),
        "pack.confirmed" => Add(Counter::PACKED),
        "pack.reversed" => Take(Counter::PACKED),
        "staged" => Add(Counter::STAGED),
        "loaded" => Add(Counter::LOADED),
        "shipment.confirmed" => Add(Counter::SHIPPED),
        "shipment.reversed" => Take(Counter::SHIPPED),
        "goods_issue.posted" => Add(Counter::GI_POSTED),
        "goods_issue.reversed" => Take(Counter::GI_POSTED),
        "line.backordered" => Add(Counter::BACKORDERED),
        "backorder.released" => Take(Counter::BACKORDERED),
        "line.short_closed" => Add(Counter::SHORT_CLOSED),
        "carrier.picked_up" => Add(Counter::COLLECTED),
        "shipment.delivered" | "delivery.received" => Add(Counter::DELIVERED),
        "delivery.reversed" | "shipment.returned_to_sender" => Take(Counter::DELIVERED),
        "return.received" => Add(Counter::RETURNED),
        "invoice.posted" => Add(Counter::INVOICED),
        "invoice.reversed" => Take(Counter::INVOICED),
        "credit_memo.posted" => Add(Counter::CREDITED),
        _ => return None,
    })
}

/// The stage that a fact lifts to, without a counter of its own.
fn lift_of(type_name: &str) -> Option<Stage> {
    Some(match type_name {
        "warehouse.acknowledged" => Stage::ACKNOWLEDGED,
        "wave.released" => Stage::WAVED,
        "pick.started" => Stage::PICKING,
        "dispatch.proofed" | "transit.scanned" | "out_for_delivery" | "pickup.available" => {
            Stage::SHIPPED
        }
        _ => return None,
    })
}

impl<'a> Postings<'a> {
    pub(crate) fn of(facts: &Facts<'a>) -> Self {
        let mut postings = Self::default();
        let mut cartons = Vec::new();
        for (index, fact) in facts.counting() {
            let name = fact.type_name();
            match name {
                "line.substituted" => postings.substitute(index, fact),
                "carton.closed" | "carton.reopened" => cartons.push((index, fact)),
                "wave.removed" => postings.undo_lift(Stage::WAVED, fact.text(path::WAVE_ID)),
                _ => {}
            }
            match (move_of(name), lift_of(name)) {
                (Some(Move::Add(counter)), _) => postings.add(index, fact, counter),
                (Some(Move::Take(counter)), _) => postings.take(index, fact, counter),
                (None, Some(stage)) => postings.lift(index, fact, stage),
                (None, None) => postings.name_lines(fact),
            }
        }
        postings.pack_cartons(&cartons);
        postings.split_backorders(facts);
        postings.close_shorts(facts);
        postings
    }

    /// Posts what a statement about all of a line comes to.
    pub(crate) fn fill(
        &mut self,
        fact: FactIndex,
        place: (LineIndex, Counter),
        quantity: Quantity,
    ) {
        self.post(fact, place, quantity);
    }

    /// The line of an event, with what the event says of it.
    fn line(&mut self, said: &FactLine<'a>) -> LineIndex {
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

    fn name_lines(&mut self, fact: &Fact<'a>) {
        for said in fact.lines() {
            self.line(&said);
        }
    }

    fn post(&mut self, fact: FactIndex, (line, counter): (LineIndex, Counter), quantity: Quantity) {
        self.list.push(Posting {
            fact,
            line,
            counter,
            quantity,
            unit: "",
            thing: "",
            carton: "",
            undone: false,
        });
    }

    fn mark(&mut self, fact: FactIndex, (line, reach): (Option<LineIndex>, Reach), thing: &'a str) {
        self.marks.push(Mark { fact, line, reach, thing, undone: false });
    }

    fn add(&mut self, index: FactIndex, fact: &Fact<'a>, counter: Counter) {
        let thing = thing_of(fact, counter);
        let whole = fact.text(path::CANCELLATION_SCOPE) == "order" && counter == Counter::CANCELLED;
        for said in fact.lines() {
            let line = self.line(&said);
            match Quantity::of(said.quantity) {
                Some(quantity) if !whole => {
                    self.post(index, (line, counter), quantity);
                    if let Some(posting) = self.list.last_mut() {
                        posting.unit = said.unit;
                        posting.carton = carton_of(fact, &said);
                        posting.thing = match counter {
                            Counter::PACKED => posting.carton,
                            _ => thing,
                        };
                    }
                }
                _ => {
                    if let Some(reach) = reach_of_line(counter).filter(|_| !whole) {
                        self.mark(index, (Some(line), reach), thing);
                    }
                }
            }
        }
        if (whole || !fact.has_lines())
            && let Some(reach) = reach_of_order(fact.type_name(), counter)
        {
            self.mark(index, (None, reach), thing);
        }
    }

    fn lift(&mut self, index: FactIndex, fact: &Fact<'a>, stage: Stage) {
        let thing = match stage {
            Stage::WAVED => fact.text(path::WAVE_ID),
            _ => fact.text(path::RELEASE_ID),
        };
        for said in fact.lines() {
            let line = self.line(&said);
            self.mark(index, (Some(line), Reach::Lift(stage)), thing);
        }
        if !fact.has_lines() {
            self.mark(index, (None, Reach::Lift(stage)), thing);
        }
    }

    fn take(&mut self, index: FactIndex, fact: &Fact<'a>, counter: Counter) {
        let mut unquantified = Vec::new();
        let returned = fact.type_name() == "shipment.returned_to_sender";
        for said in fact.lines() {
            let line = self.line(&said);
            match Quantity::of(said.quantity).filter(|_| !returned) {
                Some(quantity) => {
                    // The type says the sign.
                    self.post(index, (line, counter), -quantity.max(-quantity));
                    if let Some(posting) = self.list.last_mut() {
                        posting.unit = said.unit;
                        posting.thing = thing_of(fact, counter);
                        posting.carton = carton_of(fact, &said);
                    }
                }
                None => unquantified.push(line),
            }
        }
        if unquantified.is_empty() && fact.has_lines() {
            return;
        }
        let taken = self.undo(index, (counter, thing_of(fact, counter)), &unquantified);
        if !taken && fact.type_name().ends_with("reversed") {
            self.void_reversals.push((index, counter));
        }
    }

    /// Takes back what was posted until now for a thing; whether there was anything.
    fn undo(
        &mut self,
        index: FactIndex,
        (counter, thing): (Counter, &'a str),
        lines: &[LineIndex],
    ) -> bool {
        let of_counter = |posting: &&mut Posting<'a>| posting.counter == counter && !posting.undone;
        let named = self.list.iter().any(|one| one.counter == counter && !one.thing.is_empty());
        let about = |line: LineIndex, its: &str| {
            (lines.is_empty() || lines.contains(&line))
                && (thing.is_empty() || its == thing || !named)
        };
        let mut taken: Vec<(LineIndex, Quantity, &'a str)> = Vec::new();
        for posting in self.list.iter_mut().filter(of_counter) {
            if !about(posting.line, posting.thing) {
                continue;
            }
            posting.undone = true;
            match taken.iter_mut().find(|(line, _, _)| *line == posting.line) {
                Some((_, quantity, _)) => *quantity += posting.quantity,
                None => taken.push((posting.line, posting.quantity, posting.unit)),
            }
        }
        let mut any = !taken.is_empty();
        for (line, quantity, unit) in taken {
            self.post(index, (line, counter), -quantity.or_zero());
            if let Some(posting) = self.list.last_mut() {
                (posting.unit, posting.undone) = (unit, true);
            }
        }
        let stage = Stage::of(counter);
        let early = counter == Counter::RELEASED;
        for mark in &mut self.marks {
            let same = match mark.reach {
                Reach::Whole(of) => of == counter,
                // A release that is taken back takes its acknowledgement and waves along.
                Reach::Lift(to) => Some(to) == stage || (early && to <= Stage::WAVED),
            };
            let named = thing.is_empty() || mark.thing.is_empty() || mark.thing == thing;
            let of_lines = lines.is_empty() || mark.line.is_some_and(|line| lines.contains(&line));
            if same && named && of_lines && !mark.undone {
                mark.undone = true;
                any = true;
            }
        }
        any
    }

    fn undo_lift(&mut self, stage: Stage, thing: &str) {
        for mark in &mut self.marks {
            let named = thing.is_empty() || mark.thing == thing;
            mark.undone |= mark.reach == Reach::Lift(stage) && named;
        }
    }

    fn substitute(&mut self, index: FactIndex, fact: &Fact<'a>) {
        let from = fact.text(path::FROM_LINE_ID);
        let listed = fact.lines().next().unwrap_or_default();
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

    /// A closed carton counts as packed where nobody confirmed the packing of it.
    fn pack_cartons(&mut self, events: &[(FactIndex, &Fact<'a>)]) {
        for (place, (index, fact)) in events.iter().enumerate() {
            let name = carton_of(fact, &FactLine::default());
            let same = |other: &Fact<'_>| carton_of(other, &FactLine::default()) == name;
            let later = events.get(place + 1..).unwrap_or_default();
            let last = !later.iter().any(|(_, other)| same(other));
            let packed = |posting: &Posting<'_>| {
                posting.counter == Counter::PACKED && posting.carton == name && !name.is_empty()
            };
            let counts = last && fact.type_name() == "carton.closed";
            if counts && !self.list.iter().any(packed) {
                for said in fact.lines() {
                    let line = self.line(&said);
                    if let Some(quantity) = Quantity::of(said.quantity) {
                        self.post(*index, (line, Counter::PACKED), quantity);
                        if let Some(posting) = self.list.last_mut() {
                            posting.unit = said.unit;
                            posting.carton = carton_of(fact, &said);
                            posting.thing = posting.carton;
                        }
                    }
                }
            } else {
                self.name_lines(fact);
            }
        }
    }

    /// A short without a backorder closes the rest, whether or not an event of its own says so: the
    /// larger of both counts, never their sum.
    fn close_shorts(&mut self, facts: &Facts<'a>) {
        let closes = |posting: &&Posting<'a>| {
            let fact = facts.get(posting.fact);
            posting.counter == Counter::SHORT
                && fact.is_some_and(|fact| fact.flag(path::BACKORDER_TRIGGERED) == Some(false))
        };
        let shorts: Vec<Posting<'a>> = self.list.iter().filter(closes).copied().collect();
        for (place, short) in shorts.iter().enumerate() {
            let of_line = |one: &&Posting<'a>| one.line == short.line;
            if shorts.iter().skip(place + 1).any(|later| later.line == short.line) {
                continue;
            }
            let told: Quantity = shorts.iter().filter(of_line).map(|one| one.quantity).sum();
            let its = self.list.iter().filter(of_line);
            let its = its.filter(|one| one.counter == Counter::SHORT_CLOSED);
            let given_up: Quantity = its.map(|one| one.quantity).sum();
            if told > given_up {
                self.post(short.fact, (short.line, Counter::SHORT_CLOSED), told - given_up);
            }
        }
    }

    /// A backorder that names another line moves the demand there, unless that line was added on
    /// its own; one that names another order moves it out of this one.
    fn split_backorders(&mut self, facts: &Facts<'a>) {
        let backorders = self.list.iter().filter(|one| one.counter == Counter::BACKORDERED);
        let backorders: Vec<Posting<'a>> = backorders.copied().collect();
        for posting in backorders {
            let Some(fact) = facts.get(posting.fact) else { continue };
            let (line_id, order) =
                (fact.text(path::BACKORDER_NEW_LINE_ID), fact.text(path::BACKORDER_NEW_ORDER));
            let old = self.lines.get(posting.line).map_or("", |line| line.line_id);
            if fact.type_name() != "line.backordered" || (line_id.is_empty() && order.is_empty()) {
                continue;
            }
            if line_id.is_empty() || line_id == old {
                if !order.is_empty() {
                    self.post(posting.fact, (posting.line, Counter::SPLIT_OUT), posting.quantity);
                }
                continue;
            }
            let said = FactLine { line_id, parent_line_id: old, ..FactLine::default() };
            let new = self.line(&said);
            let added = |one: &Posting<'_>| {
                one.line == new && one.counter == Counter::ORDERED && one.fact != posting.fact
            };
            if !self.list.iter().any(added) {
                self.post(posting.fact, (posting.line, Counter::SPLIT_OUT), posting.quantity);
                self.post(posting.fact, (new, Counter::ORDERED), posting.quantity);
            }
        }
    }
}

/// What a line without a quantity says.
fn reach_of_line(counter: Counter) -> Option<Reach> {
    match counter {
        Counter::CANCELLED => Some(Reach::Whole(counter)),
        _ => Stage::of(counter).map(Reach::Lift),
    }
}

/// What an event without lines says of the order.
fn reach_of_order(type_name: &str, counter: Counter) -> Option<Reach> {
    match type_name {
        "order.released" | "order.cancelled" | "invoice.posted" | "delivery.received" => {
            Some(Reach::Whole(counter))
        }
        _ => Stage::of(counter).map(Reach::Lift),
    }
}

/// By what a reversal names what it takes back.
fn thing_of<'a>(fact: &Fact<'a>, counter: Counter) -> &'a str {
    let first = |paths: &[crate::event::Path]| {
        let texts = paths.iter().map(|path| fact.text(*path));
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    match counter {
        Counter::SHIPPED | Counter::STAGED | Counter::LOADED => {
            first(&[path::SHIPMENT_ID, path::PACKAGE_SHIPMENT_ID])
        }
        Counter::PACKED => first(&[path::CARTON_ID, path::SSCC]),
        Counter::GI_POSTED => first(&[path::REVERSED_DOCUMENT_ID, path::DOCUMENT_ID]),
        Counter::INVOICED => first(&[path::REVERSED_INVOICE_NUMBER, path::INVOICE_NUMBER]),
        Counter::RELEASED => first(&[path::RELEASE_ID]),
        Counter::PICKED | Counter::TASKED => first(&[path::TASK_ID]),
        Counter::DELIVERED => first(&[
            path::TRACKING_NUMBER,
            path::REVERSED_DOCUMENT_ID,
            path::DOCUMENT_ID,
            path::SHIPMENT_ID,
        ]),
        _ => "",
    }
}

/// In which carton the goods of a line are.
fn carton_of<'a>(fact: &Fact<'a>, line: &FactLine<'a>) -> &'a str {
    let names = [line.carton, fact.text(path::CARTON_ID), fact.text(path::SSCC)];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
