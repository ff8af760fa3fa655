//! Packages: which names belong to one of them, and which facts are about it.
//! Does not know where a package is.
//!
//! A package has several names (carton, SSCC, tracking number, label), and events give any of them.
//! Names that one event gives together belong to one package. A tracking number alone is no name:
//! carriers use one twice, and tell the uses apart by an id of their own or not at all.

use std::collections::HashSet;

use super::contents::{About, Goods, Load};
use super::facts::{FactIndex, Facts};
use super::lines::Lines;
use super::names::{ByName, Names};
use crate::event::{Fact, Group, Kind, path};

/// A package, or a shipment or order whose packages nobody names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package<'a> {
    pub(crate) carton_id: &'a str,
    pub(crate) sscc: &'a str,
    pub(crate) tracking_number: &'a str,
    pub(crate) tracking_unique_id: &'a str,
    pub(crate) former_tracking_numbers: Vec<&'a str>,
    pub(crate) label_id: &'a str,
    pub(crate) carrier: &'a str,
    pub(crate) shipment_id: &'a str,
    /// Facts about it, earliest first, by the end of the interval in which each occurred.
    pub(crate) facts: Vec<FactIndex>,
    /// What is in it.
    pub(crate) contents: Goods,
    /// That is what was packed into it.
    pub(crate) is_packed: bool,
    /// Another package has the same tracking number.
    pub(crate) shares_number: bool,
}

/// One name of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name<'a> {
    Carton(&'a str),
    Sscc(&'a str),
    Label(&'a str),
    /// A number, and what tells this use of it from others.
    Tracking(&'a str, &'a str),
}

/// What one fact says about the names of one package.
#[derive(Clone, Copy, Debug, Default)]
struct Sighting<'a> {
    fact: FactIndex,
    carton_id: &'a str,
    sscc: &'a str,
    label_id: &'a str,
    tracking_number: &'a str,
    tracking_unique_id: &'a str,
    carrier: &'a str,
    shipment_id: &'a str,
    /// The number was replaced by another one.
    former: bool,
    /// The label with the number was voided.
    voided: bool,
}

/// All packages, in the order in which they appeared.
#[derive(Debug, Default)]
pub(crate) struct Packages<'a> {
    pub(crate) list: Vec<Package<'a>>,
    /// What shipments hold beside the contents of packages that are known.
    pub(crate) loads: Vec<Load>,
    /// By fact: the package that it is about.
    pub(crate) by_fact: Vec<About>,
    /// Tracking numbers with several uses, and the facts that tell them apart.
    pub(crate) shared_numbers: Vec<(&'a str, Vec<FactIndex>)>,
}

impl Package<'_> {
    /// Whether any event names it, and not only its shipment.
    pub(crate) fn is_named(&self) -> bool {
        let names = [self.tracking_number, self.sscc, self.carton_id, self.label_id];
        names.iter().any(|name| !name.is_empty())
    }

    /// What names it within its order.
    pub(crate) fn package_id(&self) -> String {
        let number = self.tracking_number;
        if self.shares_number && !number.is_empty() {
            let other = [self.tracking_unique_id, self.shipment_id];
            let other = other.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
            return format!("{number}#{other}");
        }
        let names = [number, self.sscc, self.carton_id, self.label_id, self.shipment_id];
        names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    }
}

impl<'a> Packages<'a> {
    pub(crate) fn of(facts: &Facts<'a>, lines: &Lines<'a>) -> Self {
        let mut found = Finder::default();
        for (index, fact) in facts.counting() {
            found.hear(index, fact);
        }
        for (copy, owner) in facts.retold() {
            // Only a copy may name the packages of a shipment.
            if let Some(fact) = facts.get(copy).filter(|fact| names_numbers(fact)) {
                found.hear(owner, fact);
            }
        }
        if found.sightings.is_empty() && found.of_shipments.is_empty() && found.nameless.is_empty()
        {
            return Self::default();
        }
        found.tell_numbers_apart(facts);
        let (of_shipments, nameless) =
            (std::mem::take(&mut found.of_shipments), std::mem::take(&mut found.nameless));
        let mut packages = found.join();
        packages.fill_packed(lines);
        packages.give_to_all((&of_shipments, &nameless), facts, lines);
        packages.fill_shipped(lines);
        packages
    }
}

#[derive(Debug, Default)]
struct Finder<'a> {
    sightings: Vec<Sighting<'a>>,
    /// Facts about all packages of a shipment.
    of_shipments: Vec<(FactIndex, &'a str)>,
    /// Facts about packages that name none.
    nameless: Vec<FactIndex>,
    shared_numbers: Vec<(&'a str, Vec<FactIndex>)>,
}

impl<'a> Finder<'a> {
    fn hear(&mut self, index: FactIndex, fact: &Fact<'a>) {
        if !matches!(fact.group(), Some(Group::Fulfillment | Group::Shipment)) {
            return;
        }
        if fact.has(path::CARTON_ID) || fact.has(path::SHIPMENT_ID) || fact.has(path::ETA) {
            let before = self.sightings.len();
            self.hear_package(index, fact);
            self.hear_shipment(index, fact, before);
        } else if fact.kind == Kind::TRACKING_REASSIGNED {
            self.hear_reassignment(index, fact);
        } else if fact.kind == Kind::PACK_CONFIRMED {
            self.hear_cartons(index, fact);
        } else if is_about_packages(fact) {
            self.nameless.push(index);
        }
    }

    fn hear_package(&mut self, index: FactIndex, fact: &Fact<'a>) {
        if !fact.has(path::CARTON_ID) {
            return;
        }
        let sighting = Sighting {
            fact: index,
            carton_id: fact.text(path::CARTON_ID),
            sscc: fact.text(path::SSCC),
            label_id: fact.text(path::LABEL_ID),
            tracking_number: fact.text(path::TRACKING_NUMBER),
            tracking_unique_id: fact.text(path::TRACKING_UNIQUE_ID),
            carrier: fact.text(path::PACKAGE_CARRIER),
            shipment_id: first_of(fact.text(path::PACKAGE_SHIPMENT_ID), fact, path::SHIPMENT_ID),
            former: false,
            voided: fact.kind == Kind::LABEL_VOIDED,
        };
        let named =
            [sighting.carton_id, sighting.sscc, sighting.label_id, sighting.tracking_number];
        if named.iter().any(|name| !name.is_empty()) {
            self.sightings.push(sighting);
        }
    }

    fn hear_shipment(&mut self, index: FactIndex, fact: &Fact<'a>, before: usize) {
        let shipment_id = first_of(fact.text(path::SHIPMENT_ID), fact, path::PACKAGE_SHIPMENT_ID);
        let carrier = fact.text(path::SHIPMENT_CARRIER);
        let sighting = Sighting { fact: index, shipment_id, carrier, ..Sighting::default() };
        let named = self.sightings.len() > before;
        let numbers = fact.texts(path::TRACKING_NUMBERS);
        let known = self.sightings.get(before).map_or("", |sighting| sighting.tracking_number);
        self.sightings.extend(
            numbers
                .filter(|number| *number != known)
                .map(|tracking_number| Sighting { tracking_number, ..sighting }),
        );
        if self.sightings.len() == before {
            let cartons = fact.texts(path::CARTON_IDS);
            self.sightings.extend(cartons.map(|carton_id| Sighting { carton_id, ..sighting }));
        }
        if named || self.sightings.len() > before {
            return;
        }
        if !shipment_id.is_empty() {
            self.of_shipments.push((index, shipment_id));
        } else if is_about_packages(fact) {
            self.nameless.push(index);
        }
    }

    fn hear_reassignment(&mut self, index: FactIndex, fact: &Fact<'a>) {
        let carrier = fact.text(path::REASSIGNED_CARRIER);
        let old = fact.text(path::OLD_TRACKING_NUMBER);
        let new = fact.text(path::NEW_TRACKING_NUMBER);
        let sighting = Sighting { fact: index, carrier, ..Sighting::default() };
        let unique_id = |path| fact.text(path);
        for (tracking_number, tracking_unique_id, former) in [
            (old, unique_id(path::OLD_TRACKING_UNIQUE_ID), true),
            (new, unique_id(path::NEW_TRACKING_UNIQUE_ID), false),
        ] {
            if !tracking_number.is_empty() {
                let names = Sighting { tracking_number, tracking_unique_id, former, ..sighting };
                self.sightings.push(names);
            }
        }
    }

    fn hear_cartons(&mut self, index: FactIndex, fact: &Fact<'a>) {
        let mut heard: Vec<&str> = Vec::new();
        for carton_id in fact.lines.iter().map(|line| line.carton) {
            if !carton_id.is_empty() && !heard.contains(&carton_id) {
                heard.push(carton_id);
                let sighting = Sighting { fact: index, carton_id, ..Sighting::default() };
                self.sightings.push(sighting);
            }
        }
    }

    /// Gives each sighting of a number that is in use twice the use that it is about.
    fn tell_numbers_apart(&mut self, facts: &Facts<'a>) {
        let numbered = self.sightings.iter().enumerate();
        let numbered = numbered.filter(|(_, one)| !one.tracking_number.is_empty());
        let mut numbers: Vec<(&'a str, usize)> =
            numbered.map(|(place, one)| (one.tracking_number, place)).collect();
        numbers.sort_unstable();
        for same in numbers.chunk_by(|(one, _), (other, _)| one == other) {
            let its = || same.iter().filter_map(|(_, place)| self.sightings.get(*place));
            let mut uses = uses(its(), |sighting| sighting.tracking_unique_id);
            if uses.is_empty() {
                uses = self::uses(its(), |sighting| sighting.shipment_id);
                if uses.len() < 2 {
                    continue;
                }
            }
            if let (Some((number, _)), true) = (same.first(), uses.len() > 1) {
                let facts = uses.iter().map(|(_, fact)| *fact).collect();
                self.shared_numbers.push((number, facts));
            }
            for (_, place) in same {
                let Some(sighting) = self.sightings.get_mut(*place) else { continue };
                if !sighting.tracking_unique_id.is_empty() {
                    continue;
                }
                let at = facts.at_ns(sighting.fact);
                let known = uses.iter().find(|(id, _)| *id == sighting.shipment_id);
                let begun = uses.iter().rfind(|(_, fact)| facts.at_ns(*fact) <= at);
                let its = known.or(begun).or(uses.first());
                sighting.tracking_unique_id = its.map_or("", |(id, _)| *id);
            }
        }
    }

    /// Joins names that were given together, and gives each fact to its packages.
    fn join(self) -> Packages<'a> {
        let mut names = Joined::default();
        let mut firsts = Vec::with_capacity(self.sightings.len());
        for sighting in &self.sightings {
            let mut all = sighting.names();
            let first = all.next().map(|first| names.number(first));
            firsts.push(first);
            let Some(first) = first else { continue };
            all.for_each(|name| {
                let other = names.number(name);
                names.join(first, other);
            });
        }
        for pair in self.sightings.windows(2) {
            if let [old, new] = pair
                && old.former
                && old.fact == new.fact
                && let (Some(one), Some(other)) = (old.names().next(), new.names().next())
            {
                let (one, other) = (names.number(one), names.number(other));
                names.join(one, other);
            }
        }
        let shared_numbers = self.shared_numbers;
        let mut packages = Packages { shared_numbers, ..Packages::default() };
        let mut places: Vec<Option<usize>> = vec![None; names.parents.len()];
        for (sighting, first) in self.sightings.iter().zip(firsts) {
            let root = first.map(|first| names.root(first));
            let Some(place) = root.and_then(|root| places.get_mut(root)) else { continue };
            let place = *place.get_or_insert_with(|| {
                packages.list.push(Package::default());
                packages.list.len() - 1
            });
            if let Some(package) = packages.list.get_mut(place) {
                package.see(sighting);
            }
        }
        let shared = packages.shared_numbers.iter().map(|(number, _)| *number);
        let shared: HashSet<&str> = shared.collect();
        for package in &mut packages.list {
            package.shares_number = shared.contains(&package.tracking_number);
        }
        packages
    }
}

/// The uses of a number by what tells them apart, with the first fact of each.
fn uses<'s, 'a: 's>(
    sightings: impl Iterator<Item = &'s Sighting<'a>>,
    told_by: impl Fn(&Sighting<'a>) -> &'a str,
) -> Vec<(&'a str, FactIndex)> {
    let mut uses: Vec<(&str, FactIndex)> = Vec::new();
    for sighting in sightings {
        let id = told_by(sighting);
        if !id.is_empty() && !uses.iter().any(|(known, _)| *known == id) {
            uses.push((id, sighting.fact));
        }
    }
    uses
}

impl<'a> Packages<'a> {
    /// Gives facts about shipments and about all packages to the packages that they concern.
    fn give_to_all(
        &mut self,
        (of_shipments, nameless): (&[(FactIndex, &'a str)], &[FactIndex]),
        facts: &Facts<'a>,
        lines: &Lines<'a>,
    ) {
        let mut places: ByName<&'a str, Vec<usize>> = ByName::default();
        let mut confirmed: ByName<&str, FactIndex> = ByName::default();
        let mut named: Names<&str> = Names::default();
        for package in &self.list {
            named.number(package.shipment_id);
        }
        for (index, shipment_id) in of_shipments {
            let fact = facts.get(*index);
            if fact.is_some_and(|fact| fact.kind == Kind::SHIPMENT_CONFIRMED)
                && named.find(shipment_id).is_none()
            {
                confirmed.set(shipment_id, *index);
            }
        }
        self.take_cartons(lines, &confirmed);
        self.take_scanned(of_shipments);
        for (place, package) in self.list.iter().enumerate() {
            places.push(package.shipment_id, place);
        }
        for (index, shipment_id) in of_shipments {
            let carrier = facts.get(*index).map_or("", |fact| fact.text(path::SHIPMENT_CARRIER));
            let sighting = Sighting { fact: *index, shipment_id, carrier, ..Sighting::default() };
            if places.get(shipment_id).is_none() {
                places.push(shipment_id, self.list.len());
                self.list.push(Package::default());
            }
            for place in places.get(shipment_id).into_iter().flatten() {
                if let Some(package) = self.list.get_mut(*place) {
                    package.see(&sighting);
                }
            }
        }
        for index in nameless {
            // Quantities of lines speak for themselves; they cannot be given to packages.
            let by_line = facts.get(*index).is_some_and(Fact::has_lines);
            if self.list.is_empty() {
                self.list.push(Package::default());
            }
            let only_nameless = self.list.iter().all(|package| package.package_id().is_empty());
            if by_line && !only_nameless {
                continue;
            }
            for package in &mut self.list {
                package.facts.push(*index);
            }
        }
        for package in &mut self.list {
            // A date is not before the hours of its day.
            package.facts.sort_unstable_by_key(|fact| (facts.until_ns(*fact), *fact));
            package.facts.dedup();
        }
    }
}

impl<'a> Packages<'a> {
    /// Where there is one shipment, packages of which nobody said whose they are belong to it.
    fn take_scanned(&mut self, of_shipments: &[(FactIndex, &'a str)]) {
        let named = self.list.iter().map(|package| package.shipment_id);
        let mut ids =
            named.chain(of_shipments.iter().map(|(_, id)| *id)).filter(|id| !id.is_empty());
        let Some(first) = ids.next() else { return };
        if ids.any(|id| id != first) || self.list.iter().any(|one| !one.shipment_id.is_empty()) {
            return;
        }
        for package in self.list.iter_mut().filter(|one| !one.tracking_number.is_empty()) {
            package.shipment_id = first;
        }
    }
}

impl<'a> Package<'a> {
    fn see(&mut self, sighting: &Sighting<'a>) {
        self.facts.push(sighting.fact);
        if sighting.voided && !self.tracking_number.is_empty() {
            // The label was, whatever the package is called now.
        } else if sighting.former {
            self.former_tracking_numbers.push(sighting.tracking_number);
        } else if !self.former_tracking_numbers.contains(&sighting.tracking_number) {
            last_word(&mut self.tracking_number, sighting.tracking_number);
            last_word(&mut self.tracking_unique_id, sighting.tracking_unique_id);
        }
        last_word(&mut self.carton_id, sighting.carton_id);
        last_word(&mut self.sscc, sighting.sscc);
        last_word(&mut self.label_id, sighting.label_id);
        last_word(&mut self.carrier, sighting.carrier);
        last_word(&mut self.shipment_id, sighting.shipment_id);
    }
}

impl<'a> Sighting<'a> {
    fn names(&self) -> impl Iterator<Item = Name<'a>> + use<'a> {
        let tracking = Name::Tracking(self.tracking_number, self.tracking_unique_id);
        [
            (self.tracking_number, tracking),
            (self.sscc, Name::Sscc(self.sscc)),
            (self.carton_id, Name::Carton(self.carton_id)),
            (self.label_id, Name::Label(self.label_id)),
        ]
        .into_iter()
        .filter(|(text, _)| !text.is_empty())
        .map(|(_, name)| name)
    }
}

/// Names, joined to packages.
#[derive(Debug, Default)]
struct Joined<'a> {
    numbers: Names<Name<'a>>,
    parents: Vec<usize>,
}

impl<'a> Joined<'a> {
    fn number(&mut self, name: Name<'a>) -> usize {
        let (number, new) = self.numbers.number(name);
        if new {
            self.parents.push(number);
        }
        number
    }

    fn root(&self, mut number: usize) -> usize {
        while let Some(parent) = self.parents.get(number).filter(|parent| **parent != number) {
            number = *parent;
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(parent) = self.parents.get_mut(one.max(other)) {
            *parent = one.min(other);
        }
    }
}

fn last_word<'a>(known: &mut &'a str, said: &'a str) {
    if !said.is_empty() {
        *known = said;
    }
}

fn first_of<'a>(text: &'a str, fact: &Fact<'a>, other: crate::event::Path) -> &'a str {
    if text.is_empty() { fact.text(other) } else { text }
}

fn names_numbers(fact: &Fact<'_>) -> bool {
    !fact.text(path::TRACKING_NUMBER).is_empty()
        || fact.texts(path::TRACKING_NUMBERS).any(|number| !number.is_empty())
}

/// Whether a fact says where packages are, or what happened to them.
fn is_about_packages(fact: &Fact<'_>) -> bool {
    fact.row.is_some_and(|row| !row.shipment_stage.is_empty())
        || matches!(fact.kind, Kind::ETA_UPDATED | Kind::DELIVERY_REVERSED)
}
