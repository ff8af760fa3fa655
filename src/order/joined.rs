//! What several facts tell together: a delivery that is scanned and received, a carton that is
//! packed and closed, a short that is closed, demand that another line carries.
//! Does not know what a single fact moves.

use std::collections::{HashMap, HashSet};

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::moves::carton_of;
use super::postings::{LineIndex, LineName, Posting, Postings};
use super::quantity::Quantity;
use crate::event::{Fact, FactLine, Kind, path};

impl<'a> Postings<'a> {
    /// A carrier's scan and the customer's receipt tell one delivery: the larger of both counts.
    pub(super) fn join_receipts(&mut self, facts: &Facts<'a>) {
        let is_receipt = |posting: &Posting<'a>| {
            facts.get(posting.fact).is_some_and(|fact| fact.kind == Kind::DELIVERY_RECEIVED)
        };
        let delivered =
            |one: &&Posting<'a>| one.counter == Counter::DELIVERED && one.quantity.is_positive();
        if !self.list.iter().filter(delivered).any(is_receipt) {
            return;
        }
        let mut scanned: HashMap<(LineIndex, &str), Quantity> = HashMap::new();
        for posting in self.list.iter().filter(delivered).filter(|one| !is_receipt(one)) {
            *scanned.entry((posting.line, posting.unit)).or_default() += posting.quantity;
        }
        for posting in self.list.iter_mut().filter(|one| delivered(&&**one)) {
            if !is_receipt(posting) {
                continue;
            }
            if let Some(scanned) = scanned.get_mut(&(posting.line, posting.unit)) {
                let told = posting.quantity.min(*scanned);
                *scanned = *scanned - told;
                posting.quantity = posting.quantity - told;
            }
        }
        self.list.retain(|one| one.counter != Counter::DELIVERED || !one.quantity.is_zero());
    }

    /// A closed carton counts as packed where nobody confirmed the packing of it.
    pub(super) fn pack_cartons(
        &mut self,
        (facts, events): (&Facts<'a>, &[(FactIndex, &Fact<'a>)]),
    ) {
        let name_of = |fact: &Fact<'a>| carton_of(fact, &FactLine::default());
        let last: HashMap<&str, FactIndex> =
            events.iter().map(|(index, fact)| (name_of(fact), *index)).collect();
        let packed = self.list.iter().filter(|one| one.counter == Counter::PACKED);
        let names = |fact: &Fact<'a>| [path::CARTON_ID, path::SSCC].map(|path| fact.text(path));
        let packed = packed.flat_map(|one| {
            let [carton, sscc] = facts.get(one.fact).map_or([""; 2], names);
            [one.carton, carton, sscc]
        });
        let packed: HashSet<&str> = if events.is_empty() {
            HashSet::new()
        } else {
            packed.filter(|name| !name.is_empty()).collect()
        };
        for (index, fact) in events {
            let name = name_of(fact);
            let is_last = last.get(name) == Some(index);
            if is_last
                && fact.kind == Kind::CARTON_CLOSED
                && !names(fact).iter().chain([&name]).any(|name| packed.contains(name))
            {
                for said in fact.lines {
                    let line = self.line(said);
                    if let Some(quantity) = Quantity::of(said.quantity) {
                        let place = (line, Counter::PACKED);
                        self.post_said((*index, fact), place, (said, quantity));
                    }
                }
            } else {
                self.name_lines(fact);
            }
        }
    }

    /// A short without a backorder closes the rest, whether or not an event of its own says so: the
    /// larger of both counts, never their sum.
    pub(super) fn close_shorts(&mut self, facts: &Facts<'a>) {
        // By line and unit: what shorts closed, and the last of them.
        let mut shorts: Vec<(LineIndex, &str, Quantity, FactIndex)> = Vec::new();
        for posting in self.list.iter().filter(|one| one.counter == Counter::SHORT) {
            let fact = facts.get(posting.fact);
            if fact.is_some_and(|fact| fact.flag(path::BACKORDER_TRIGGERED) == Some(false)) {
                shorts.push((posting.line, posting.unit, posting.quantity, posting.fact));
            }
        }
        if shorts.is_empty() {
            return;
        }
        shorts.sort_unstable_by_key(|(line, unit, _, fact)| (*line, *unit, *fact));
        let mut given_up: HashMap<(LineIndex, &str), Quantity> = HashMap::new();
        for posting in self.list.iter().filter(|one| one.counter == Counter::SHORT_CLOSED) {
            *given_up.entry((posting.line, posting.unit)).or_default() += posting.quantity;
        }
        for of_line in shorts.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let told: Quantity = of_line.iter().map(|(_, _, quantity, _)| *quantity).sum();
            let Some((line, unit, _, fact)) = of_line.last().copied() else { continue };
            let given_up = given_up.get(&(line, unit)).copied().unwrap_or_default();
            if told <= given_up {
                continue;
            }
            if let Some(one) = self.post(fact, (line, Counter::SHORT_CLOSED), told - given_up) {
                one.unit = unit;
            }
        }
    }

    /// A backorder that names another line moves the demand there, unless that line was added on
    /// its own; one that names another order moves it out of this one.
    pub(super) fn split_backorders(&mut self, facts: &Facts<'a>) {
        let backorders = self.list.iter().filter(|one| one.counter == Counter::BACKORDERED);
        let backorders: Vec<Posting<'a>> = backorders.copied().collect();
        if backorders.is_empty() {
            return;
        }
        // Lines that were ordered on their own.
        let ordered = self.list.iter().filter(|one| one.counter == Counter::ORDERED);
        let ordered: HashSet<LineIndex> = ordered.map(|posting| posting.line).collect();
        for posting in backorders {
            let Some(fact) = facts.get(posting.fact) else { continue };
            let own = fact.recorded.event.correlation_id();
            let order = Some(fact.text(path::BACKORDER_NEW_ORDER)).filter(|order| *order != own);
            let order = order.unwrap_or_default();
            // A line of another order is none of this one.
            let line_id = fact.text(path::BACKORDER_NEW_LINE_ID);
            let line_id = if order.is_empty() { line_id } else { "" };
            let old = self.lines.get(posting.line).copied().unwrap_or_default();
            if fact.kind != Kind::LINE_BACKORDERED || (line_id.is_empty() && order.is_empty()) {
                continue;
            }
            if line_id.is_empty() || line_id == old.line_id {
                if !order.is_empty() {
                    self.split_out(&posting, None);
                }
                continue;
            }
            let parent_line_id = old.line_id;
            let new = self.line(&FactLine { line_id, parent_line_id, ..FactLine::default() });
            if !ordered.contains(&new) {
                self.split_out(&posting, Some(new));
                if let Some(line) = self.lines.get_mut(new) {
                    line.take_after(&old);
                }
            }
        }
    }

    /// Moves what is backordered out of its line, to another one of the order if there is one.
    fn split_out(&mut self, backorder: &Posting<'a>, to: Option<LineIndex>) {
        let places = [(Some(backorder.line), Counter::SPLIT_OUT), (to, Counter::ORDERED)];
        for (line, counter) in places {
            let Some(line) = line else { continue };
            if let Some(posting) = self.post(backorder.fact, (line, counter), backorder.quantity) {
                posting.unit = backorder.unit;
            }
        }
    }
}

impl LineName<'_> {
    /// A line that another one became is of the same item, unless it says otherwise.
    fn take_after(&mut self, parent: &Self) {
        for (own, its) in [(&mut self.sku, parent.sku), (&mut self.gtin, parent.gtin)] {
            if own.is_empty() {
                *own = its;
            }
        }
    }
}
