//! What was carried and delivered in packages whose scans name no lines.
//! Does not know words beyond those of the way.

use super::contents::{Goods, Load};
use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::lines::Lines;
use super::moves::Reach;
use super::packages::{Package, Packages};
use super::postings::{LineIndex, Posting};
use super::quantity::Quantity;
use super::shipment::{DELIVERED, DISPATCHED, PackageMove, RETURNED, Shipping, VOIDED};
use super::stage::Stage;
use crate::event::{Fact, Group, Kind};

/// What packages proved of one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) fact: FactIndex,
    pub(crate) line: LineIndex,
    pub(crate) quantity: Quantity,
}

/// A turn in the life of a package: what it begins to be, or is no more.
type Turn = (FactIndex, bool);

/// What became of one package.
#[derive(Debug, Default)]
struct Life {
    collected: Vec<Turn>,
    delivered: Vec<Turn>,
    /// A scan has seen it on its way.
    carried: Vec<Turn>,
}

/// Posts what packages carried: once for each package, and taken back with it. Statements without
/// quantities about packages whose contents are known are then spoken for.
pub(crate) fn carry<'a>(
    facts: &Facts<'a>,
    lines: &mut Lines<'a>,
    (packages, shipping): (&Packages<'a>, &Shipping),
) {
    let mut proven: Vec<(Counter, Carried)> = Vec::new();
    if !packages.list.is_empty() {
        let became = lives_of(facts, packages, shipping);
        let mut carried = Vec::new();
        for (package, life) in packages.list.iter().zip(&became) {
            let told = Told::of(facts, package);
            if !told.collected {
                post(&mut proven, Counter::COLLECTED, (&life.collected, &package.contents));
            }
            if !told.delivered {
                post(&mut proven, Counter::DELIVERED, (&life.delivered, &package.contents));
            }
            turns(&mut carried, (&life.carried, &package.contents));
        }
        for load in packages.loads.iter().chain(&load_of_nameless(lines, packages)) {
            let delivered = all_delivered(load, &became);
            post(&mut proven, Counter::DELIVERED, (&delivered, &load.goods));
        }
        lines.carry(carried);
    }
    proven.sort_by_key(|(_, one)| one.fact);
    leave_out_told(&mut proven, lines, packages);
    lines.post(proven.iter().map(|(counter, one)| posting(*counter, *one)));
    forget_lifts(lines, packages);
    deliver_whole(lines);
}

fn posting<'a>(counter: Counter, Carried { fact, line, quantity }: Carried) -> Posting<'a> {
    Posting { fact, line, counter, quantity, unit: "", thing: "", carton: "" }
}

/// Which facts about a package tell quantities of lines themselves.
struct Told {
    collected: bool,
    delivered: bool,
}

impl Told {
    fn of(facts: &Facts<'_>, package: &Package<'_>) -> Self {
        let told = |kind: Kind| {
            let its = package.facts.iter().filter_map(|index| facts.get(*index));
            let mut its = its.filter(|fact| fact.kind == kind);
            its.any(Fact::has_lines)
        };
        Self { collected: told(Kind::CARRIER_PICKED_UP), delivered: told(Kind::SHIPMENT_DELIVERED) }
    }
}

fn lives_of(facts: &Facts<'_>, packages: &Packages<'_>, shipping: &Shipping) -> Vec<Life> {
    let mut moves = shipping.moves.iter().peekable();
    let lives = packages.list.iter().enumerate().map(|(place, package)| {
        let mut life = Life::default();
        for index in &package.facts {
            let its = moves.next_if(|(of, one)| *of == place && one.fact == *index);
            if let Some(fact) = facts.get(*index) {
                life.hear((*index, fact), its.map(|(_, one)| *one));
            }
        }
        life
    });
    lives.collect()
}

impl Life {
    fn hear(&mut self, (index, fact): (FactIndex, &Fact<'_>), moved: Option<PackageMove>) {
        let PackageMove { before, after, .. } = moved.unwrap_or_default();
        let is_scan = fact.group() == Some(Group::Shipment);
        if is_scan && after >= DISPATCHED && after != VOIDED {
            turn(&mut self.carried, (index, true));
        }
        if fact.kind == Kind::CARRIER_PICKED_UP {
            turn(&mut self.collected, (index, true));
        }
        if after == DELIVERED {
            turn(&mut self.delivered, (index, true));
        } else if after == RETURNED || (before == DELIVERED && after < DELIVERED) {
            turn(&mut self.delivered, (index, false));
        }
        if after == VOIDED {
            for turns in [&mut self.carried, &mut self.collected, &mut self.delivered] {
                turn(turns, (index, false));
            }
        }
    }
}

fn is_on(turns: &[Turn]) -> bool {
    turns.last().is_some_and(|(_, on)| *on)
}

fn turn(turns: &mut Vec<Turn>, (fact, on): Turn) {
    if is_on(turns) != on {
        turns.push((fact, on));
    }
}

fn turns(found: &mut Vec<Carried>, (turns, goods): (&[Turn], &Goods)) {
    for (fact, on) in turns {
        found.extend(goods.iter().map(|(line, quantity)| Carried {
            fact: *fact,
            line: *line,
            quantity: if *on { *quantity } else { -*quantity },
        }));
    }
}

fn post(found: &mut Vec<(Counter, Carried)>, counter: Counter, what: (&[Turn], &Goods)) {
    let mut carried = Vec::new();
    turns(&mut carried, what);
    found.extend(carried.into_iter().map(|one| (counter, one)));
}

/// When all packages of a load are delivered.
fn all_delivered(load: &Load, lives: &[Life]) -> Vec<Turn> {
    let its = load.packages.iter().filter_map(|place| lives.get(*place));
    let mut turned: Vec<Turn> = its.flat_map(|life| life.delivered.iter().copied()).collect();
    turned.sort_unstable();
    let (mut delivered, mut all) = (0, Vec::new());
    for (fact, on) in turned {
        if on {
            delivered += 1;
        } else {
            delivered -= 1;
        }
        turn(&mut all, (fact, delivered == load.packages.len()));
    }
    all
}

/// Where nobody names any package, what happens to packages happens to all that was shipped, or
/// else to all that is wanted.
fn load_of_nameless(lines: &Lines<'_>, packages: &Packages<'_>) -> Option<Load> {
    let [package] = &*packages.list else { return None };
    if !package.package_id().is_empty() || !package.contents.is_empty() {
        return None;
    }
    Some(Load { packages: vec![0], goods: all_goods(lines) })
}

fn all_goods(lines: &Lines<'_>) -> Goods {
    let goods = lines.list.iter().map(|line| {
        let shipped = line.effective.get(Counter::SHIPPED);
        if shipped.is_positive() { shipped } else { line.live() }
    });
    goods.enumerate().filter(|(_, quantity)| quantity.is_positive()).collect()
}

/// Facts that name lines, and no package that is known to hold them, may tell of the same goods:
/// the larger of both counts, never their sum.
fn leave_out_told(
    proven: &mut Vec<(Counter, Carried)>,
    lines: &Lines<'_>,
    packages: &Packages<'_>,
) {
    if proven.is_empty() {
        return;
    }
    let known = packages.list.iter().filter(|package| !package.contents.is_empty());
    let mut is_known = vec![false; packages.by_fact.len()];
    for fact in known.flat_map(|one| &one.facts) {
        is_known.get_mut(*fact).into_iter().for_each(|known| *known = true);
    }
    let is_known = |fact: FactIndex| is_known.get(fact).copied().unwrap_or_default();
    for counter in [Counter::COLLECTED, Counter::DELIVERED] {
        let mut told = vec![Quantity::ZERO; lines.list.len()];
        let postings = lines.postings.list.iter();
        for one in postings.filter(|one| one.counter == counter && lines.counts(one)) {
            if let Some(told) = told.get_mut(one.line).filter(|_| !is_known(one.fact)) {
                *told += one.quantity;
            }
        }
        let mut left = told.clone();
        for (_, one) in proven.iter_mut().filter(|(its, _)| *its == counter) {
            let (Some(told), Some(left)) = (told.get(one.line), left.get_mut(one.line)) else {
                continue;
            };
            // `left` is what was told and not proven: proofs count beyond it.
            let before = (-*left).or_zero();
            *left = *left - one.quantity;
            one.quantity =
                if told.is_positive() { (-*left).or_zero() - before } else { one.quantity };
        }
    }
    proven.retain(|(_, one)| !one.quantity.is_zero());
}

/// Statements about packages whose contents are known are counted by these.
fn forget_lifts(lines: &mut Lines<'_>, packages: &Packages<'_>) {
    let mut is_known = vec![None; packages.by_fact.len()];
    let mut in_loads = vec![false; packages.list.len()];
    for place in packages.loads.iter().flat_map(|load| &load.packages) {
        if let Some(known) = in_loads.get_mut(*place) {
            *known = true;
        }
    }
    for (package, in_load) in packages.list.iter().zip(in_loads) {
        let knows = in_load || !package.contents.is_empty();
        for fact in &package.facts {
            if let Some(known) = is_known.get_mut(*fact) {
                *known = Some(known.unwrap_or(true) && knows);
            }
        }
    }
    lines.postings.marks.retain(|mark| {
        mark.line.is_some()
            || mark.reach != Reach::Lift(Stage::SHIPPED)
            || is_known.get(mark.fact).copied().flatten() != Some(true)
    });
}

/// A receipt without quantities is about all that was shipped, of the lines that it names.
fn deliver_whole(lines: &mut Lines<'_>) {
    let whole = Reach::Whole(Counter::DELIVERED);
    let marks = lines.postings.marks.iter().filter(|mark| mark.reach == whole && !mark.undone);
    let mut by: Vec<Option<FactIndex>> = vec![None; lines.list.len()];
    for mark in marks {
        let its = match mark.line {
            Some(line) => by.get_mut(line..=line),
            None => Some(&mut *by),
        };
        for by in its.unwrap_or_default() {
            *by = by.or(Some(mark.fact));
        }
    }
    if by.iter().all(Option::is_none) {
        return;
    }
    let goods = all_goods(lines).into_iter();
    let rest: Vec<Posting<'_>> = goods
        .filter_map(|(index, all)| {
            let fact = by.get(index).copied().flatten()?;
            let told = lines.list.get(index)?.sum(Counter::DELIVERED);
            let quantity = (all - told).or_zero();
            quantity.is_positive().then_some(Carried { fact, line: index, quantity })
        })
        .map(|one| posting(Counter::DELIVERED, one))
        .collect();
    lines.post(rest.into_iter());
}
