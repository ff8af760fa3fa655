//! What facts raise by themselves, and which facts end it.
//! Does not know what sources raise.

use std::collections::HashMap;

use super::contents::About;
use super::counter::Counter;
use super::exceptions::{Exception, made_of};
use super::facts::{FactIndex, Facts};
use super::lines::Lines;
use super::packages::{Package, Packages};
use super::severity::Severity;
use crate::event::{Fact, Kind, path};

/// What a fact of one type raises, and which later facts end it.
#[derive(Clone, Copy)]
struct Consequence {
    code: &'static str,
    severity: Option<Severity>,
    ended_by: &'static [Kind],
    of_package: bool,
    /// What ends it goes before it as well, so that only what comes after it does.
    only_later: bool,
}

fn consequence(fact: &Fact<'_>) -> Option<Consequence> {
    let of = |code, ended_by, of_package| Consequence {
        code,
        severity: None,
        ended_by,
        of_package,
        only_later: false,
    };
    Some(match fact.kind {
        Kind::WAREHOUSE_REJECTED => of(
            "WHS.REJECTED",
            &[
                Kind::ORDER_RELEASED,
                Kind::WAREHOUSE_ACKNOWLEDGED,
                Kind::ORDER_CANCELLED,
                Kind::ORDER_CLOSED,
            ],
            false,
        ),
        Kind::SHIPMENT_REVERSED => Consequence {
            severity: Some(Severity::Warning),
            only_later: true,
            ..of(super::reason::UNKNOWN, &[Kind::SHIPMENT_CONFIRMED, Kind::ORDER_CANCELLED], false)
        },
        Kind::DELIVERY_ATTEMPT_FAILED => Consequence {
            severity: Some(Severity::Warning),
            ..of(
                "CAR.ATTEMPT_FAILED",
                &[
                    Kind::SHIPMENT_DELIVERED,
                    Kind::DELIVERY_RECEIVED,
                    Kind::SHIPMENT_RETURNED_TO_SENDER,
                ],
                true,
            )
        },
        Kind::SHIPMENT_RETURNING => of(
            "CAR.RETURNING",
            &[Kind::SHIPMENT_RETURNED_TO_SENDER, Kind::SHIPMENT_DELIVERED],
            true,
        ),
        Kind::SHIPMENT_LOST => {
            Consequence { severity: Some(Severity::Loss), ..of("CAR.LOST", SCANS, true) }
        }
        Kind::SHIPMENT_DAMAGED => {
            of("CAR.DAMAGED", &[Kind::SHIPMENT_DELIVERED, Kind::SHIPMENT_RETURNED_TO_SENDER], true)
        }
        Kind::CUSTOMS_HELD => of("CAR.CUSTOMS", CLEARANCES, true),
        Kind::PAYMENT_DECLINED => of(
            "FIN.PAYMENT",
            &[Kind::PAYMENT_APPROVED, Kind::PAYMENT_SETTLED, Kind::ORDER_CANCELLED],
            false,
        ),
        Kind::INTERFACE_FAILED if fact.flag(path::DEAD_LETTER) == Some(true) => {
            let ended_by = &[Kind::INTERFACE_SENT, Kind::INTERFACE_ACKNOWLEDGED];
            Consequence { only_later: true, ..of("INT.TIMEOUT", ended_by, false) }
        }
        _ => return None,
    })
}

/// Scans that show where a package is.
const SCANS: &[Kind] = &[
    Kind::CARRIER_PICKED_UP,
    Kind::TRANSIT_SCANNED,
    Kind::OUT_FOR_DELIVERY,
    Kind::PICKUP_AVAILABLE,
    Kind::SHIPMENT_DELIVERED,
    Kind::SHIPMENT_RETURNING,
    Kind::SHIPMENT_RETURNED_TO_SENDER,
];

/// Customs are through, or the package moves on.
const CLEARANCES: &[Kind] = &[
    Kind::CUSTOMS_CLEARED,
    Kind::TRANSIT_SCANNED,
    Kind::OUT_FOR_DELIVERY,
    Kind::PICKUP_AVAILABLE,
    Kind::SHIPMENT_DELIVERED,
];

/// What something happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    /// Whatever it happened to, it happened to the order.
    Order,
    Package(usize),
    /// Several packages.
    Packages,
}

/// What facts raise, with what ends it.
pub(super) struct Consequences<'c, 'a> {
    facts: &'c Facts<'a>,
    packages: &'c Packages<'a>,
    /// Facts that may end something, by what they are about and the message they speak of, each by
    /// the end of its interval.
    ends: HashMap<(Scope, Kind, &'a str), Vec<FactIndex>>,
    /// Nothing is wanted any more.
    is_unwanted: bool,
    /// The last fact that gave anything up.
    given_up: Option<FactIndex>,
}

impl<'c, 'a> Consequences<'c, 'a> {
    pub(super) fn of(facts: &'c Facts<'a>, lines: &Lines<'a>, packages: &'c Packages<'a>) -> Self {
        let mut found =
            Self { facts, packages, ends: HashMap::new(), is_unwanted: false, given_up: None };
        let mut ended_by: Vec<Kind> = Vec::new();
        for (_, fact) in facts.counting() {
            if let Some(consequence) = consequence(fact) {
                ended_by.extend(consequence.ended_by);
            }
        }
        if ended_by.is_empty() {
            return found;
        }
        ended_by.sort_unstable();
        ended_by.dedup();
        let ends = facts.counting().filter(|(_, fact)| ended_by.binary_search(&fact.kind).is_ok());
        for (index, fact) in ends {
            let scope = match packages.by_fact.get(index) {
                Some(About::One(place)) => Scope::Package(*place),
                Some(About::Several) => Scope::Packages,
                Some(About::None) | None => Scope::Order,
            };
            let message = fact.text(path::MESSAGE_ID);
            let mut keys = vec![(Scope::Order, "")];
            if !message.is_empty() {
                keys.push((Scope::Order, message));
            }
            if scope != Scope::Order {
                keys.push((scope, ""));
            }
            for (scope, message) in keys {
                found.ends.entry((scope, fact.kind, message)).or_default().push(index);
            }
        }
        for ends in found.ends.values_mut() {
            ends.sort_unstable_by_key(|index| (facts.latest_ns(*index), *index));
            ends.dedup();
        }
        let open = lines.list.iter().any(|line| line.open.is_positive());
        found.is_unwanted = !lines.list.is_empty() && !open;
        let mut postings = lines.postings.list.iter().rev();
        let given_up = postings.find(|posting| GIVING_UP.contains(&posting.counter));
        found.given_up = given_up.map(|posting| posting.fact);
        found
    }

    /// What a fact raises.
    pub(super) fn follow(&self, index: FactIndex, fact: &Fact<'a>) -> Option<Exception<'a>> {
        let consequence = consequence(fact)?;
        let mut exception = made_of(index, fact, consequence.code);
        if let Some(severity) = consequence.severity {
            exception.severity = severity;
        }
        let list = &self.packages.list;
        let place = match self.packages.by_fact.get(index).filter(|_| consequence.of_package) {
            Some(About::One(place)) => Some(*place),
            Some(About::Several) => list.iter().position(|one| self.is_about(index, one)),
            Some(About::None) | None => None,
        };
        if consequence.of_package {
            exception.scope = "package";
            let package = place.and_then(|place| list.get(place));
            exception.package_id = package.map(Package::package_id).unwrap_or_default();
        }
        let is_shipment = !fact.text(path::SHIPMENT_ID).is_empty();
        if is_shipment && exception.line_ids.is_empty() && exception.scope == "order" {
            exception.scope = "shipment";
        }
        let ended = self.ended((index, fact), &consequence, place);
        // What was taken back need not be shipped again where nothing is wanted any more.
        let is_over = self.is_unwanted && fact.kind == Kind::SHIPMENT_REVERSED;
        let given_up = is_over.then(|| self.given_up.map_or(index, |by| by.max(index)));
        if let Some(by) = ended.or(given_up) {
            exception.resolve(Some(by));
        }
        Some(exception)
    }

    /// The first fact that may have ended what a fact raised.
    fn ended(
        &self,
        (index, fact): (FactIndex, &Fact<'a>),
        consequence: &Consequence,
        place: Option<usize>,
    ) -> Option<FactIndex> {
        let at = self.facts.earliest_ns(index);
        let first = |scope: Scope, kind: Kind| {
            let ends = self.ends.get(&(scope, kind, fact.text(path::MESSAGE_ID)))?;
            let from = ends.partition_point(|one| self.facts.latest_ns(*one) < at);
            let mut ends = ends.iter().skip(from).copied();
            let its = |one: FactIndex| match (scope, place) {
                (Scope::Packages, Some(place)) => {
                    self.packages.list.get(place).is_some_and(|its| self.is_about(one, its))
                }
                _ => true,
            };
            ends.find(|one| its(*one) && *one != index && (!consequence.only_later || *one > index))
        };
        let scopes = match place {
            Some(place) => [Some(Scope::Package(place)), Some(Scope::Packages)],
            None => [Some(Scope::Order), None],
        };
        let of_kind = |kind: &Kind| {
            scopes.into_iter().flatten().filter_map(|scope| first(scope, *kind)).min()
        };
        consequence
            .ended_by
            .iter()
            .filter_map(of_kind)
            .min_by_key(|one| (self.facts.latest_ns(*one), *one))
    }

    fn is_about(&self, fact: FactIndex, package: &Package<'_>) -> bool {
        let key = |fact: &FactIndex| (self.facts.until_ns(*fact), *fact);
        package.facts.binary_search_by_key(&key(&fact), key).is_ok()
    }
}

/// Counters by which goods are not wanted any more.
const GIVING_UP: [Counter; 4] =
    [Counter::CANCELLED, Counter::SHORT_CLOSED, Counter::SUBSTITUTED_OUT, Counter::SPLIT_OUT];
