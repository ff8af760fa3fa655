//! Brings what was said without quantities to quantities: all postings in order of time, and at
//! each statement about all of something what had been posted until then.
//! Does not know what sums mean for a status.

use std::collections::HashMap;

use super::counter::Counter;
use super::lines::Line;
use super::moves::Reach;
use super::postings::{LineIndex, Posting, Postings, Withdrawal};
use super::quantity::Quantity;
use super::stage::Stage;

/// The run through the postings of an order. The lines hold the sums until then.
struct Replay<'r, 'a> {
    postings: &'r mut Postings<'a>,
    lines: &'r mut [Line<'a>],
    /// What was ordered of each line as far as the end shows it, where nobody said so before.
    wanted: &'r [Quantity],
    /// Counters that anything was told of, anywhere in the order.
    told: [bool; Counter::COUNT],
    /// What a withdrawal could take back, by counter.
    balances: Vec<(Counter, Balance<'a>)>,
    filled: Vec<Posting<'a>>,
}

/// What stands for each thing.
#[derive(Debug, Default)]
struct Balance<'a> {
    standing: HashMap<&'a str, Standing<'a>>,
    /// Some of it is for a thing that has a name.
    is_named: bool,
}

/// What a withdrawal could take back.
#[derive(Debug, Default)]
struct Standing<'a> {
    postings: Vec<Posting<'a>>,
    /// Places of marks.
    marks: Vec<usize>,
}

impl<'a> Balance<'a> {
    fn of(&mut self, thing: &'a str) -> &mut Standing<'a> {
        self.is_named |= !thing.is_empty();
        self.standing.entry(thing).or_default()
    }

    /// What stands for a thing, or for all; where no thing has a name, for any.
    fn about(&mut self, thing: &str, exact: bool) -> Vec<&mut Standing<'a>> {
        if !exact && (thing.is_empty() || !self.is_named) {
            return self.standing.values_mut().collect();
        }
        self.standing.get_mut(thing).into_iter().collect()
    }
}

/// Whether anything was said without quantities that has to be brought to them.
pub(super) fn is_needed(postings: &Postings<'_>) -> bool {
    !postings.withdrawals.is_empty()
        || postings.marks.iter().any(|mark| matches!(mark.reach, Reach::Whole(_)))
}

/// Whether a statement was made about all of something before anybody said how much that is.
pub(super) fn needs_wanted(postings: &Postings<'_>) -> bool {
    let ordered = postings.list.iter().filter(|one| one.counter == Counter::ORDERED);
    let ordered = ordered.map(|posting| posting.fact).min();
    postings.marks.iter().any(|mark| {
        matches!(mark.reach, Reach::Whole(_)) && ordered.is_none_or(|ordered| ordered >= mark.fact)
    })
}

/// Posts what was said without quantities. `wanted` is what was ordered of each line where no fact
/// said so before; `None` leaves out what depends on it.
pub(super) fn replay<'a>(
    postings: &mut Postings<'a>,
    lines: &mut [Line<'a>],
    wanted: Option<&[Quantity]>,
) {
    let of_withdrawals = postings.withdrawals.iter().map(|one| (one.counter, Balance::default()));
    let mut balances: Vec<(Counter, Balance<'a>)> = of_withdrawals.collect();
    balances.sort_unstable_by_key(|(counter, _)| *counter);
    balances.dedup_by_key(|(counter, _)| *counter);
    let withdrawals = std::mem::take(&mut postings.withdrawals);
    let told = std::mem::take(&mut postings.list);
    let mut marks = 0..postings.marks.len();
    if wanted.is_none() {
        marks = 0..0;
    }
    let mut replay = Replay {
        filled: Vec::with_capacity(told.len()),
        told: [false; Counter::COUNT],
        wanted: wanted.unwrap_or_default(),
        postings,
        lines,
        balances,
    };
    let (mut posting, mut withdrawal) =
        (told.into_iter().peekable(), withdrawals.iter().peekable());
    loop {
        let mark = replay.postings.marks.get(marks.start).filter(|_| !marks.is_empty());
        let next = [
            posting.peek().map(|posting| posting.fact),
            mark.map(|mark| mark.fact),
            withdrawal.peek().map(|withdrawal| withdrawal.fact),
        ];
        let Some(fact) = next.into_iter().flatten().min() else { break };
        while let Some(one) = posting.next_if(|posting| posting.fact == fact) {
            replay.count(one);
        }
        while let Some(mark) = replay.postings.marks.get(marks.start)
            && !marks.is_empty()
            && mark.fact == fact
        {
            replay.fill(marks.start);
            marks.start += 1;
        }
        while let Some(one) = withdrawal.next_if(|withdrawal| withdrawal.fact == fact) {
            replay.withdraw(one);
        }
    }
    replay.postings.list = replay.filled;
    postings.withdrawals = withdrawals;
}

impl<'a> Replay<'_, 'a> {
    fn count(&mut self, posting: Posting<'a>) {
        if let Some(line) = self.lines.get_mut(posting.line)
            && line.counts(&posting)
        {
            line.count(&posting);
            if let Some(told) = self.told.get_mut(posting.counter.place()) {
                *told |= posting.quantity.is_positive();
            }
        }
        if let Some(balance) = self.balance(posting.counter) {
            balance.of(posting.thing).postings.push(posting);
        }
        self.filled.push(posting);
    }

    /// Of a counter from which anything is taken back.
    fn balance(&mut self, counter: Counter) -> Option<&mut Balance<'a>> {
        let found = self.balances.iter_mut().find(|(its, _)| *its == counter);
        found.map(|(_, balance)| balance)
    }

    fn told(&self, counter: Counter) -> bool {
        self.told.get(counter.place()).copied().unwrap_or_default()
    }

    /// Posts what a statement about all of a line, or of the order, comes to.
    fn fill(&mut self, place: usize) {
        let Some(mark) = self.postings.marks.get(place).copied() else { return };
        let Reach::Whole(counter) = mark.reach else { return };
        if let Some(balance) = self.balance(counter) {
            balance.of(mark.thing).marks.push(place);
        }
        // What was delivered is known when the packages are.
        if counter == Counter::DELIVERED {
            return;
        }
        let from = match counter {
            Counter::SHIPPED => self.stage_before_shipping(),
            _ => Some(Counter::ORDERED),
        };
        let Some(from) = from else {
            if let Some(mark) = self.postings.marks.get_mut(place) {
                mark.reach = Reach::Lift(Stage::SHIPPED);
            }
            return;
        };
        let lines = mark.line.map_or(0..self.lines.len(), |line| line..line + 1);
        for index in lines {
            let quantity = self.rest(index, counter, from);
            if quantity.is_positive() {
                let (unit, carton) = ("", "");
                let (fact, line, thing) = (mark.fact, index, mark.thing);
                self.count(Posting { fact, line, counter, quantity, unit, thing, carton });
            }
        }
    }

    /// The nearest stage before shipping that was told; a shipment takes what had come there.
    fn stage_before_shipping(&self) -> Option<Counter> {
        let before = Stage::COUNTED.into_iter().skip(1).map(|(_, counter)| counter);
        before.chain([Counter::ORDERED]).find(|counter| self.told(*counter))
    }

    /// How much a statement about all of a line has to post.
    fn rest(&self, index: LineIndex, counter: Counter, from: Counter) -> Quantity {
        let Some(line) = self.lines.get(index) else { return Quantity::ZERO };
        let sum = |counter| line.sum(counter);
        if from != Counter::ORDERED {
            return sum(from) - sum(counter);
        }
        // What was ordered afterwards was not meant, unless all of it was.
        let ordered = if line.posted.get(Counter::ORDERED) {
            sum(Counter::ORDERED)
        } else if self.told(Counter::ORDERED) {
            Quantity::ZERO
        } else {
            self.wanted.get(index).copied().unwrap_or_default()
        };
        let gone = [Counter::SUBSTITUTED_OUT, Counter::SPLIT_OUT, Counter::SHORT_CLOSED];
        let left = gone.into_iter().fold(ordered, |left, gone| left - sum(gone));
        let shipped = [Counter::SHIPPED, Counter::GI_POSTED, Counter::COLLECTED];
        let shipped = shipped.into_iter().chain([Counter::DELIVERED]).map(sum).max();
        match counter {
            Counter::CANCELLED => left - shipped.unwrap_or_default().or_zero() - sum(counter),
            _ => left - sum(Counter::CANCELLED) - sum(counter),
        }
    }

    /// Takes back what stands for a thing.
    fn withdraw(&mut self, withdrawal: &Withdrawal<'a>) {
        let Withdrawal { fact, counter, thing, .. } = *withdrawal;
        let of_line = |line| withdrawal.lines.is_empty() || withdrawal.lines.contains(&line);
        let its = self.balances.iter_mut().find(|(its, _)| *its == counter);
        let Some((_, balance)) = its else { return };
        let mut taken: Vec<Posting<'a>> = Vec::new();
        let mut found = withdrawal.found;
        for standing in balance.about(thing, withdrawal.exact) {
            taken.extend(standing.postings.extract_if(.., |one| of_line(one.line)));
            standing.marks.retain(|place| {
                let mark = self.postings.marks.get_mut(*place);
                let all = withdrawal.lines.is_empty();
                let its = mark.filter(|mark| all || mark.line.is_some_and(of_line));
                its.is_none_or(|mark| {
                    (mark.undone, found) = (true, true);
                    false
                })
            });
        }
        found |= !taken.is_empty();
        let kind = |one: &Posting<'a>| (one.line, one.thing, one.carton, one.unit);
        taken.sort_unstable_by_key(kind);
        for same in taken.chunk_by(|one, other| kind(one) == kind(other)) {
            let quantity: Quantity = same.iter().map(|posting| posting.quantity).sum();
            let Some(one) = same.first() else { continue };
            let taken = Posting { fact, quantity: -quantity.or_zero(), ..*one };
            if let Some(line) = self.lines.get_mut(one.line)
                && line.counts(&taken)
            {
                line.count(&taken);
            }
            self.filled.push(taken);
        }
        if !found && withdrawal.reverses {
            self.postings.void_reversals.push((fact, counter));
        }
    }
}
