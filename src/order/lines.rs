//! The line ledger: sums of postings, what later stages prove beyond them, and what is still open.
//! Does not know words.

use super::counter::{ByCounter, Counter};
use super::facts::Facts;
use super::fulfillment::Range;
use super::parcels::Carried;
use super::postings::{LineName, Mark, Posting, Postings};
use super::quantity::Quantity;
use super::replay;
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
    /// What is in packages that a carrier has been seen with.
    pub(crate) carried: Quantity,
    /// What is proven by this stage and all later ones, of the stages that quantities stand at.
    pub(crate) effective: ByCounter<Quantity>,
    /// What was ordered, or has to be assumed.
    pub(crate) ordered: Quantity,
    pub(crate) demand: Quantity,
    pub(crate) open: Quantity,
    /// What was closed short and did not ship after all.
    pub(crate) closed: Quantity,
    /// An event has lowered what was ordered.
    pub(crate) lowered: bool,
}

/// All lines of an order.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(crate) postings: Postings<'a>,
    /// As in `postings.lines`.
    pub(crate) list: Vec<Line<'a>>,
    /// What carriers have been seen with, earliest first.
    pub(crate) carried: Vec<Carried>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(facts: &Facts<'a>) -> Self {
        let postings = Postings::of(facts);
        let list = postings.lines.iter().copied().map(Line::named).collect();
        let mut lines = Self { postings, list, carried: Vec::new() };
        lines.find_units();
        if replay::is_needed(&lines.postings) {
            lines.replay();
        } else {
            lines.count();
        }
        lines.resolve();
        lines
    }

    /// Whether a posting is in the unit of its line.
    pub(crate) fn counts(&self, posting: &Posting<'_>) -> bool {
        self.list.get(posting.line).is_none_or(|line| line.counts(posting))
    }

    /// The marks that hold and are about the order as a whole.
    pub(crate) fn order_marks(&self) -> impl Iterator<Item = &Mark<'a>> {
        self.postings.marks.iter().filter(|mark| mark.line.is_none() && !mark.undone)
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

    /// What carriers have been seen with.
    pub(crate) fn carry(&mut self, mut carried: Vec<Carried>) {
        carried.sort_by_key(|one| one.fact);
        for one in &carried {
            if let Some(line) = self.list.get_mut(one.line) {
                line.carried += one.quantity;
            }
        }
        self.carried = carried;
    }

    /// Counts more postings, which packages have proven.
    pub(crate) fn post(&mut self, proven: impl Iterator<Item = Posting<'a>>) {
        for posting in proven {
            if let Some(line) = self.list.get_mut(posting.line) {
                line.count(&posting);
            }
            self.postings.list.push(posting);
        }
        self.postings.sort();
        self.resolve();
    }

    /// The unit in which a line was ordered, or else that of its first quantity, or else that of
    /// the line that it came from.
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
        for index in 0..self.list.len() {
            let Some(line) = self.list.get(index) else { continue };
            if line.unit.is_empty() && !line.name.parent_line_id.is_empty() {
                let parent = self.postings.find(line.name.parent_line_id);
                let unit = parent.and_then(|parent| self.list.get(parent)).map(|line| line.unit);
                if let (Some(line), Some(unit)) = (self.list.get_mut(index), unit) {
                    line.unit = unit;
                }
            }
        }
    }

    fn count(&mut self) {
        for posting in &self.postings.list {
            if let Some(line) = self.list.get_mut(posting.line)
                && line.counts(posting)
            {
                line.count(posting);
            }
        }
    }

    /// Brings what was said without quantities to them. Where what was ordered has to be
    /// concluded from what happened, that is found first.
    fn replay(&mut self) {
        let mut wanted = Vec::new();
        if replay::needs_wanted(&self.postings) {
            let mut told = self.postings.clone();
            let mut list = self.list.clone();
            replay::replay(&mut told, &mut list, None);
            list.iter_mut().for_each(Line::resolve);
            wanted = list.iter().map(|line| line.ordered).collect();
        }
        replay::replay(&mut self.postings, &mut self.list, Some(&wanted));
    }

    fn resolve(&mut self) {
        self.list.iter_mut().for_each(Line::resolve);
    }
}

impl<'a> Line<'a> {
    pub(crate) fn named(name: LineName<'a>) -> Self {
        Self {
            name,
            unit: "",
            sums: ByCounter::default(),
            posted: ByCounter::default(),
            carried: Quantity::ZERO,
            effective: ByCounter::default(),
            ordered: Quantity::ZERO,
            demand: Quantity::ZERO,
            open: Quantity::ZERO,
            closed: Quantity::ZERO,
            lowered: false,
        }
    }
}

impl Line<'_> {
    /// Whether a posting is in the unit of this line.
    pub(crate) fn counts(&self, posting: &Posting<'_>) -> bool {
        posting.unit.is_empty() || posting.unit == self.unit
    }

    /// Counts a posting, which is in the unit of this line.
    pub(crate) fn count(&mut self, posting: &Posting<'_>) {
        if let Some(sum) = self.sums.slot(posting.counter) {
            *sum += posting.quantity;
        }
        self.lowered |= posting.counter == Counter::ORDERED && posting.quantity < Quantity::ZERO;
        if let Some(posted) = self.posted.slot(posting.counter) {
            *posted = true;
        }
    }

    /// What the sums come to.
    pub(crate) fn resolve(&mut self) {
        let sum = |counter| self.sums.get(counter);
        let mut later = sum(Counter::DELIVERED)
            .max(sum(Counter::COLLECTED))
            .max(sum(Counter::GI_POSTED))
            .max(self.carried)
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
        self.closed = short_closed.min((self.demand - shipped).or_zero());
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
        (self.demand - self.closed).or_zero()
    }

    /// Whether all that was ordered of it was cancelled, or taken off the order.
    pub(crate) fn is_cancelled(&self) -> bool {
        let off = self.lowered && !self.ordered.is_positive();
        !self.demand.is_positive() && (off || self.sum(Counter::CANCELLED).is_positive())
    }

    /// What has left for certain: what later stages prove goes no further than what is wanted.
    pub(crate) fn gone(&self) -> Quantity {
        let told = self.sum(Counter::SHIPPED).max(self.live());
        self.effective.get(Counter::SHIPPED).min(told)
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
