//! The line ledger: sums of postings, what later stages prove beyond them, and what is still open.
//! Does not know words.

use super::counter::{ByCounter, Counter};
use super::facts::{FactIndex, Facts};
use super::fulfillment::Range;
use super::postings::{LineIndex, LineName, Mark, Posting, Postings, Reach};
use super::quantity::Quantity;
use super::stage::Stage;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) name: LineName<'a>,
    /// Unit of all sums.
    pub(crate) unit: &'a str,
    pub(crate) sums: ByCounter<Quantity>,
    /// Whether anything was posted for a counter.
    pub(crate) posted: ByCounter<bool>,
    /// What is proven by this stage and all later ones, of the stages that quantities stand at.
    pub(crate) effective: ByCounter<Quantity>,
    /// What was ordered, or has to be assumed.
    pub(crate) ordered: Quantity,
    pub(crate) demand: Quantity,
    pub(crate) open: Quantity,
}

/// All lines of an order.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(crate) postings: Postings<'a>,
    /// As in `postings.lines`.
    pub(crate) list: Vec<Line<'a>>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(facts: &Facts<'a>) -> Self {
        let postings = Postings::of(facts);
        let list = postings.lines.iter().map(|name| Line {
            name: *name,
            unit: "",
            sums: ByCounter::default(),
            posted: ByCounter::default(),
            effective: ByCounter::default(),
            ordered: Quantity::ZERO,
            demand: Quantity::ZERO,
            open: Quantity::ZERO,
        });
        let list = list.collect();
        let mut lines = Self { postings, list };
        lines.find_units();
        for place in 0..lines.postings.list.len() {
            lines.count(place);
        }
        lines.resolve();
        for counter in
            [Counter::CANCELLED, Counter::RELEASED, Counter::DELIVERED, Counter::INVOICED]
        {
            lines.fill(counter);
        }
        lines
    }

    /// Whether a posting is in the unit of its line.
    pub(crate) fn counts(&self, posting: &Posting<'_>) -> bool {
        let unit = self.list.get(posting.line).map_or("", |line| line.unit);
        posting.unit.is_empty() || posting.unit == unit
    }

    /// The marks that hold and are about a line alone, or about the order as a whole.
    pub(crate) fn marks(&self, line: Option<LineIndex>) -> impl Iterator<Item = &Mark<'a>> {
        let marks = self.postings.marks.iter();
        marks.filter(move |mark| mark.line == line && !mark.undone)
    }

    /// What statements without a quantity brought to the end of fulfillment is shipped, all of it.
    pub(crate) fn ship_lifted(&mut self, ranges: &[Range]) {
        for (line, range) in self.list.iter_mut().zip(ranges) {
            if range.low != Stage::SHIPPED.word() || !line.open.is_positive() {
                continue;
            }
            let live = line.live();
            for (_, counter) in Stage::COUNTED {
                if let Some(effective) = line.effective.slot(counter) {
                    *effective = live.max(*effective);
                }
            }
            line.open = Quantity::ZERO;
        }
    }

    /// The unit in which a line was ordered, or else that of its first quantity.
    fn find_units(&mut self) {
        for ordered in [true, false] {
            for posting in &self.postings.list {
                let of_order = posting.counter == Counter::ORDERED;
                if let Some(line) = self.list.get_mut(posting.line)
                    && line.unit.is_empty()
                    && of_order == ordered
                {
                    line.unit = posting.unit;
                }
            }
        }
    }

    fn count(&mut self, place: usize) {
        let Some(posting) = self.postings.list.get(place).copied() else { return };
        if !self.counts(&posting) {
            return;
        }
        let Some(line) = self.list.get_mut(posting.line) else { return };
        if let Some(sum) = line.sums.slot(posting.counter) {
            *sum += posting.quantity;
        }
        if let Some(posted) = line.posted.slot(posting.counter) {
            *posted = true;
        }
    }

    fn resolve(&mut self) {
        self.list.iter_mut().for_each(Line::resolve);
    }

    /// Turns statements about all of it into postings of what was not posted yet.
    fn fill(&mut self, counter: Counter) {
        let whole = |mark: &&Mark<'a>| mark.reach == Reach::Whole(counter) && !mark.undone;
        let marks: Vec<Mark<'a>> = self.postings.marks.iter().filter(whole).copied().collect();
        for mark in &marks {
            for index in 0..self.list.len() {
                if mark.line.is_some_and(|line| line != index) {
                    continue;
                }
                let quantity = self.rest(index, mark.fact, counter);
                if quantity.is_positive() {
                    self.postings.fill(mark.fact, (index, counter), quantity);
                    self.count(self.postings.list.len() - 1);
                }
            }
            self.resolve();
        }
    }

    /// How much a statement about all of a line still has to post.
    fn rest(&self, index: LineIndex, by: FactIndex, counter: Counter) -> Quantity {
        let Some(line) = self.list.get(index) else { return Quantity::ZERO };
        match counter {
            Counter::CANCELLED => {
                let shipped = [Counter::SHIPPED, Counter::GI_POSTED, Counter::COLLECTED];
                let shipped = shipped.iter().chain(&[Counter::DELIVERED]);
                let shipped = shipped.map(|counter| self.posted_before(index, by, *counter).0);
                let gone = shipped.max().unwrap_or_default()
                    + line.sums.get(Counter::SUBSTITUTED_OUT)
                    + line.sums.get(Counter::SPLIT_OUT)
                    + line.sums.get(Counter::SHORT_CLOSED);
                (line.ordered - gone - self.posted_before(index, by, counter).0).or_zero()
            }
            Counter::DELIVERED => {
                let shipped = line.effective.get(Counter::SHIPPED);
                let all = if shipped.is_positive() { shipped } else { line.demand };
                (all - line.sums.get(counter)).or_zero()
            }
            _ => {
                // What was ordered afterwards was not meant, unless all of it was.
                let (before, any) = self.posted_before(index, by, Counter::ORDERED);
                let known = self.list.iter().any(|line| line.posted.get(Counter::ORDERED));
                let all_after = !self
                    .postings
                    .list
                    .iter()
                    .any(|posting| posting.counter == Counter::ORDERED && posting.fact < by);
                let meant = match (any, known && !all_after) {
                    (true, _) => before.min(line.demand),
                    (false, true) => Quantity::ZERO,
                    (false, false) => line.demand,
                };
                (meant - line.sums.get(counter)).or_zero()
            }
        }
    }

    /// What was posted by facts before one, and whether anything was.
    fn posted_before(&self, line: LineIndex, by: FactIndex, counter: Counter) -> (Quantity, bool) {
        let before = self.postings.list.iter().filter(|posting| {
            posting.line == line
                && posting.counter == counter
                && posting.fact < by
                && self.counts(posting)
        });
        before.fold((Quantity::ZERO, false), |(sum, _), posting| (sum + posting.quantity, true))
    }
}

impl Line<'_> {
    fn resolve(&mut self) {
        let sum = |counter| self.sums.get(counter);
        let mut later = sum(Counter::DELIVERED)
            .max(sum(Counter::COLLECTED))
            .max(sum(Counter::GI_POSTED))
            .or_zero();
        for (_, counter) in Stage::COUNTED {
            later = later.max(sum(counter));
            if let Some(effective) = self.effective.slot(counter) {
                *effective = later;
            }
        }
        let (released, shipped) =
            (self.effective.get(Counter::RELEASED), self.effective.get(Counter::SHIPPED));
        let short_closed = sum(Counter::SHORT_CLOSED).or_zero();
        let gone = sum(Counter::SUBSTITUTED_OUT) + sum(Counter::SPLIT_OUT);
        self.ordered = if self.posted.get(Counter::ORDERED) {
            sum(Counter::ORDERED)
        } else {
            released
                .max(shipped + short_closed)
                .max(sum(Counter::SHORT))
                .max(sum(Counter::BACKORDERED))
                .max(gone)
                .max(sum(Counter::CANCELLED))
        };
        self.demand = (self.ordered - sum(Counter::CANCELLED) - gone).or_zero();
        self.open = (self.demand - shipped - short_closed).or_zero();
    }

    pub(crate) fn sum(&self, counter: Counter) -> Quantity {
        self.sums.get(counter)
    }

    /// Whether an event said what was ordered.
    pub(crate) fn demand_is_known(&self) -> bool {
        self.posted.get(Counter::ORDERED)
    }

    /// What is to be shipped or was: the demand without what was closed short.
    pub(crate) fn live(&self) -> Quantity {
        (self.demand - self.sum(Counter::SHORT_CLOSED).or_zero()).or_zero()
    }

    /// What later stages prove beyond what was told. Goods need not be staged or loaded to be
    /// shipped.
    pub(crate) fn implied(&self, counter: Counter) -> Quantity {
        let proven = [
            Counter::RELEASED,
            Counter::ALLOCATED,
            Counter::PICKED,
            Counter::PACKED,
            Counter::SHIPPED,
        ];
        if proven.contains(&counter) {
            (self.effective.get(counter) - self.sum(counter).or_zero()).or_zero()
        } else {
            Quantity::ZERO
        }
    }
}
