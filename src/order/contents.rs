//! What is in each package: what was packed into it, or else what its shipment shipped.
//! Does not know where a package is.

use super::counter::Counter;
use super::facts::FactIndex;
use super::lines::Lines;
use super::names::{ByName, Names};
use super::packages::{Package, Packages};
use super::postings::{LineIndex, Posting};
use super::quantity::Quantity;

/// Quantities of lines, by line, each above zero.
pub(crate) type Goods = Vec<(LineIndex, Quantity)>;

/// Goods that are in some of these packages; nobody knows in which.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) packages: Vec<usize>,
    pub(crate) goods: Goods,
}

/// How many packages a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    None,
    One(usize),
    Several,
}

/// By fact: the package that it is about.
pub(crate) fn packages_by_fact(list: &[Package<'_>]) -> Vec<About> {
    let newest = list.iter().filter_map(|package| package.facts.iter().max()).max();
    let mut about = vec![About::None; newest.map_or(0, |newest| newest + 1)];
    for (place, package) in list.iter().enumerate() {
        for fact in &package.facts {
            let Some(about) = about.get_mut(*fact) else { continue };
            *about = match *about {
                About::None => About::One(place),
                About::One(same) if same == place => About::One(place),
                About::One(_) | About::Several => About::Several,
            };
        }
    }
    about
}

/// The package that a fact is about, if it is about one alone.
pub(crate) fn only(about: &[About], fact: FactIndex) -> Option<usize> {
    match about.get(fact) {
        Some(About::One(place)) => Some(*place),
        Some(About::None | About::Several) | None => None,
    }
}

/// The sums by line.
fn goods_of(mut parts: Goods) -> Goods {
    let is_summed = parts.is_sorted_by(|(one, _), (other, _)| one < other);
    if is_summed && parts.iter().all(|(_, quantity)| quantity.is_positive()) {
        return parts;
    }
    parts.sort_unstable_by_key(|(line, _)| *line);
    let of_lines = parts.chunk_by(|(one, _), (other, _)| one == other);
    let sums = of_lines.filter_map(|of_line| {
        let (line, _) = of_line.first()?;
        Some((*line, of_line.iter().map(|(_, quantity)| *quantity).sum::<Quantity>()))
    });
    sums.filter(|(_, quantity)| quantity.is_positive()).collect()
}

/// What one has that the other has not.
fn without(one: &Goods, other: impl Iterator<Item = (LineIndex, Quantity)>) -> Goods {
    goods_of(one.iter().copied().chain(other.map(|(line, quantity)| (line, -quantity))).collect())
}

/// What every shipment has shipped and nobody took back.
fn shipped<'a>(lines: &Lines<'a>) -> Vec<(&'a str, Goods)> {
    let mut places: Names<&'a str> = Names::default();
    let mut shipped: Vec<(&'a str, Goods)> = Vec::new();
    for posting in moved(lines, Counter::SHIPPED).filter(|one| !one.thing.is_empty()) {
        let (place, new) = places.number(posting.thing);
        if new {
            shipped.push((posting.thing, Vec::new()));
        }
        if let Some((_, goods)) = shipped.get_mut(place) {
            goods.push((posting.line, posting.quantity));
        }
    }
    for (_, goods) in &mut shipped {
        *goods = goods_of(std::mem::take(goods));
    }
    shipped
}

fn moved<'l, 'a>(lines: &'l Lines<'a>, counter: Counter) -> impl Iterator<Item = &'l Posting<'a>> {
    let postings = lines.postings.list.iter();
    postings.filter(move |one| one.counter == counter && lines.counts(one))
}

impl Package<'_> {
    /// Whether a carton was packed before a fact, and all that it holds is among some goods.
    fn fits(&self, (goods, confirmed): (&Goods, FactIndex)) -> bool {
        let holds = |(line, quantity): &(LineIndex, Quantity)| {
            let place = goods.binary_search_by_key(line, |(line, _)| *line);
            let shipped = place.ok().and_then(|place| goods.get(place));
            shipped.is_some_and(|(_, shipped)| shipped >= quantity)
        };
        let before = self.facts.iter().min().is_some_and(|packed| *packed <= confirmed);
        before && self.contents.iter().all(holds)
    }
}

impl<'a> Packages<'a> {
    /// What was packed into each.
    pub(super) fn fill_packed(&mut self, lines: &Lines<'a>) {
        let mut cartons: ByName<&str, usize> = ByName::default();
        for (place, package) in self.list.iter().enumerate() {
            for name in [package.carton_id, package.sscc] {
                if !name.is_empty() {
                    cartons.first(name, place);
                }
            }
        }
        let about = packages_by_fact(&self.list);
        for posting in moved(lines, Counter::PACKED) {
            let carton = cartons.get(posting.carton).copied();
            let place = carton.or_else(|| only(&about, posting.fact));
            if let Some(package) = place.and_then(|place| self.list.get_mut(place)) {
                package.contents.push((posting.line, posting.quantity));
            }
        }
        self.sum_contents();
    }

    /// A shipment that names no package takes the cartons that belong to none and that were packed
    /// before, as far as they hold what it ships.
    pub(super) fn take_cartons(&mut self, lines: &Lines<'a>, confirmed: &ByName<&str, FactIndex>) {
        let free =
            |package: &Package<'_>| package.shipment_id.is_empty() && !package.contents.is_empty();
        let cartons = (0..).zip(&self.list).filter(|(_, one)| free(one));
        let mut cartons: Vec<Option<usize>> = cartons.map(|(place, _)| Some(place)).collect();
        if cartons.is_empty() {
            return;
        }
        // So many of the first were taken.
        let mut taken = 0;
        for (shipment_id, mut goods) in shipped(lines) {
            let Some(confirmed) = confirmed.get(shipment_id) else { continue };
            let confirmed = *confirmed;
            for free in cartons.iter_mut().skip(taken) {
                if goods.is_empty() {
                    break;
                }
                let carton = free.and_then(|place| self.list.get_mut(place));
                let Some(carton) = carton.filter(|one| one.fits((&goods, confirmed))) else {
                    continue;
                };
                goods = without(&goods, carton.contents.iter().copied());
                carton.shipment_id = shipment_id;
                *free = None;
            }
            taken += cartons.iter().skip(taken).take_while(|free| free.is_none()).count();
        }
    }

    /// What shipments shipped is in their packages, where nobody said what was packed into them.
    pub(super) fn fill_shipped(&mut self, lines: &Lines<'a>) {
        let about = packages_by_fact(&self.list);
        for posting in moved(lines, Counter::SHIPPED) {
            let package = only(&about, posting.fact).and_then(|place| self.list.get_mut(place));
            if let Some(package) = package.filter(|package| !package.is_packed) {
                package.contents.push((posting.line, posting.quantity));
            }
        }
        self.sum_contents();
        self.by_fact = about;
        let mut by_shipment: ByName<&str, Vec<usize>> = ByName::default();
        for (place, package) in self.list.iter().enumerate() {
            by_shipment.push(package.shipment_id, place);
        }
        for (shipment_id, goods) in shipped(lines) {
            let Some(places) = by_shipment.get(shipment_id) else { continue };
            let packages = || places.iter().filter_map(|place| self.list.get(*place));
            let known = packages().flat_map(|package| package.contents.iter().copied());
            let goods = without(&goods, known);
            let unknown = places.iter().copied().filter(|place| {
                self.list.get(*place).is_some_and(|package| package.contents.is_empty())
            });
            let unknown: Vec<usize> = unknown.collect();
            match &*unknown {
                _ if goods.is_empty() => {}
                [place] => {
                    if let Some(package) = self.list.get_mut(*place) {
                        package.contents = goods;
                    }
                }
                [] => self.loads.push(Load { packages: places.clone(), goods }),
                _ => self.loads.push(Load { packages: unknown, goods }),
            }
        }
    }

    fn sum_contents(&mut self) {
        for package in &mut self.list {
            package.contents = goods_of(std::mem::take(&mut package.contents));
            package.is_packed = !package.contents.is_empty();
        }
    }
}
