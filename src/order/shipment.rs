//! The shipment side: where each package is, by what its facts say, and the order's low and high.
//! Does not know which names a package has.

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::fulfillment::Range;
use super::lines::Lines;
use super::packages::{Package, Packages};
use super::policy::Policy;
use super::quantity::Quantity;
use super::words::{Dimension, Word};
use crate::event::{Fact, Kind, path};

/// Words of the way, by their places.
const NONE: Word = Word(0);
const PLANNED: Word = Word(1);
pub(super) const DISPATCHED: Word = Word(4);
const IN_CUSTODY: Word = Word(5);
const OUT_FOR_DELIVERY: Word = Word(7);
pub(super) const DELIVERED: Word = Word(9);
pub(super) const VOIDED: Word = Word(10);
const RETURNING: Word = Word(11);
pub(super) const RETURNED: Word = Word(12);

/// What a fact does to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Reaches a stage of the way.
    Reach(Word),
    /// Leaves the way: voided, returning, returned or lost.
    Leave(Word),
    /// Takes a delivery back.
    Undeliver,
}

/// Where one package is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whereabouts {
    pub(crate) stage: Word,
    /// The fact that brought it there.
    pub(crate) by: Option<FactIndex>,
}

/// The shipment side of an order.
#[derive(Debug)]
pub(crate) struct Shipping {
    pub(crate) order: Range,
    /// As in `Packages::list`.
    pub(crate) packages: Vec<Whereabouts>,
    /// Scans behind what a package had reached already: package, fact, stage before.
    pub(crate) regressions: Vec<(usize, FactIndex, Word)>,
    /// What facts did to packages, by package.
    pub(crate) moves: Vec<(usize, PackageMove)>,
}

/// What a fact did to a package.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PackageMove {
    pub(crate) fact: FactIndex,
    pub(crate) before: Word,
    pub(crate) after: Word,
}

/// Reads steps out of facts.
#[derive(Debug)]
struct Steps<'f, 'a> {
    facts: &'f Facts<'a>,
    lines: &'f Lines<'a>,
    policy: &'f Policy,
    /// The order has proofs of dispatch.
    is_proofed: bool,
}

impl Shipping {
    pub(crate) fn of<'a>(
        (facts, lines): (&Facts<'a>, &Lines<'a>),
        packages: &Packages<'a>,
        policy: &Policy,
    ) -> Self {
        let is_proofed = facts.counting().any(|(_, fact)| fact.kind == Kind::DISPATCH_PROOFED);
        let steps = Steps { facts, lines, policy, is_proofed };
        let (mut regressions, mut moves) = (Vec::new(), Vec::new());
        let mut found = Vec::with_capacity(packages.list.len());
        for (place, package) in packages.list.iter().enumerate() {
            let (whereabouts, way) = steps.follow(package);
            found.push(whereabouts);
            for step in way {
                if step.before == step.after {
                    regressions.push((place, step.fact, step.before));
                } else {
                    moves.push((place, step));
                }
            }
        }
        Self { order: Range::at(NONE), packages: found, regressions, moves }
    }

    /// Low, high and word of the order, once it is known what is open.
    pub(crate) fn judge(&mut self, lines: &Lines<'_>, packages: &Packages<'_>) {
        self.order = range_of_order(lines, packages, &self.packages);
    }
}

impl<'a> Steps<'_, 'a> {
    fn step(&self, fact: &Fact<'a>) -> Option<Step> {
        let stage = fact.row.map_or("", |row| row.shipment_stage);
        let step = match fact.kind {
            Kind::SHIPMENT_CONFIRMED => {
                Step::Reach(if self.awaits_proof(fact) { PLANNED } else { DISPATCHED })
            }
            Kind::SHIPMENT_REVERSED => {
                if !self.is_reversed_whole(fact) {
                    return None;
                }
                Step::Leave(VOIDED)
            }
            Kind::DELIVERY_REVERSED => Step::Undeliver,
            _ => {
                let word = Dimension::Shipment.word(stage)?;
                if word >= VOIDED { Step::Leave(word) } else { Step::Reach(word) }
            }
        };
        Some(step)
    }

    fn awaits_proof(&self, fact: &Fact<'a>) -> bool {
        let house = self.policy.warehouses.get(fact.text(path::WAREHOUSE));
        house.and_then(|house| house.reports_dispatch).unwrap_or(self.is_proofed)
    }

    /// Whether nothing of a shipment is left, or the reversal says no quantities.
    fn is_reversed_whole(&self, fact: &Fact<'a>) -> bool {
        if fact.lines.iter().all(|line| line.quantity.is_empty()) {
            return true;
        }
        let thing = fact.text(path::SHIPMENT_ID);
        let shipped = self.lines.postings.list.iter();
        let shipped = shipped.filter(|one| one.counter == Counter::SHIPPED && one.thing == thing);
        !shipped.map(|posting| posting.quantity).sum::<Quantity>().is_positive()
    }

    /// Where a package is, and each fact that moved it or came behind what it had reached.
    fn follow(&self, package: &Package<'a>) -> (Whereabouts, Vec<PackageMove>) {
        let mut way = Vec::new();
        let mut reached = Whereabouts { stage: NONE, by: None };
        let mut before_delivery = reached;
        let mut left: Option<Whereabouts> = None;
        for &index in &package.facts {
            let fact = self.facts.get(index).filter(|fact| !is_of_former_label(fact, package));
            let Some(step) = fact.and_then(|fact| self.step(fact)) else { continue };
            let before = left.unwrap_or(reached).stage;
            let mut is_behind = false;
            match step {
                // On its way back a package is scanned as well.
                Step::Reach(stage)
                    if stage < OUT_FOR_DELIVERY
                        && left.is_some_and(|left| left.stage == RETURNING) => {}
                Step::Reach(stage) => {
                    // After a void everything begins anew; whatever was lost has been found.
                    if left.take().is_some_and(|left| left.stage == VOIDED) {
                        reached = Whereabouts { stage: NONE, by: None };
                    }
                    is_behind = stage < reached.stage && stage >= IN_CUSTODY;
                    if stage == DELIVERED && reached.stage < DELIVERED {
                        before_delivery = reached;
                    }
                    if stage > reached.stage {
                        reached = Whereabouts { stage, by: Some(index) };
                    }
                }
                Step::Leave(stage) => left = Some(Whereabouts { stage, by: Some(index) }),
                Step::Undeliver => {
                    if reached.stage == DELIVERED {
                        reached = Whereabouts { by: Some(index), ..before_delivery };
                    }
                }
            }
            let after = left.unwrap_or(reached).stage;
            if before != after || is_behind {
                way.push(PackageMove { fact: index, before, after });
            }
        }
        // A later scan on the way brings a package back to it; any stage before counts again.
        (left.unwrap_or(reached), way)
    }
}

/// Whether a voided label is not the one that a package has.
fn is_of_former_label(fact: &Fact<'_>, package: &Package<'_>) -> bool {
    let number = fact.text(path::TRACKING_NUMBER);
    fact.kind == Kind::LABEL_VOIDED && !number.is_empty() && number != package.tracking_number
}

fn range_of_order(lines: &Lines<'_>, packages: &Packages<'_>, found: &[Whereabouts]) -> Range {
    let all = packages.list.iter().zip(found);
    let on_the_way: Vec<(&Package<'_>, Word)> = all
        .map(|(package, whereabouts)| (package, whereabouts.stage))
        .filter(|(_, stage)| *stage < VOIDED && *stage > NONE)
        .collect();
    let off: Vec<Word> =
        found.iter().map(|one| one.stage).filter(|stage| *stage > VOIDED).collect();
    let low = on_the_way.iter().map(|(_, stage)| *stage).min();
    let high = on_the_way.iter().map(|(_, stage)| *stage).max();
    let (Some(mut low), Some(high)) = (low, high) else {
        let voided = found.iter().any(|one| one.stage == VOIDED);
        let rest = if voided { VOIDED } else { NONE };
        return Range::at(off.into_iter().max().unwrap_or(rest));
    };
    let nameless = on_the_way.iter().all(|(package, _)| package.package_id().is_empty());
    if nameless {
        low = low.min(stage_of_quantities(lines, high));
    }
    let open = lines.list.iter().any(|line| line.open.is_positive());
    let word = if low == high && !(high == DELIVERED && (open || !off.is_empty())) {
        high
    } else {
        partial(high)
    };
    Range { low, high, word }
}

/// How far the quantities have come that no package holds, if some of them have come to `high`.
fn stage_of_quantities(lines: &Lines<'_>, high: Word) -> Word {
    let behind = |counter: Counter| {
        lines.list.iter().any(|line| {
            line.posted.get(counter) && line.sum(counter) < line.effective.get(Counter::SHIPPED)
        })
    };
    match high {
        DELIVERED if behind(Counter::DELIVERED) => IN_CUSTODY,
        IN_CUSTODY if behind(Counter::COLLECTED) => DISPATCHED,
        _ => high,
    }
}

fn partial(high: Word) -> Word {
    let text = format!("partially_{}", Dimension::Shipment.text(high));
    Dimension::Shipment.word(&text).unwrap_or(high)
}

/// Low, high and word of some packages.
pub(crate) fn range_of(stages: impl Iterator<Item = Word>) -> Range {
    let stages: Vec<Word> = stages.collect();
    let live = || stages.iter().copied().filter(|stage| *stage < VOIDED && *stage > NONE);
    match (live().min(), live().max()) {
        (Some(low), Some(high)) if low == high => Range::at(high),
        (Some(low), Some(high)) => Range { low, high, word: partial(high) },
        _ => Range::at(stages.into_iter().max().unwrap_or(NONE)),
    }
}
