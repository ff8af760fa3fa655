//! Exceptions: what sources raised, and what follows from facts and is over when the facts say so.
//! Does not know holds.

use super::contents::About;
use super::counter::Counter;
use super::evidence::Evidence;
use super::facts::{FactIndex, Facts};
use super::lines::Lines;
use super::packages::Packages;
use super::reason::{code_of, usual_severity};
use super::severity::Severity;
use crate::event::{Fact, Kind, path};

/// Who raises what follows from facts and rules.
pub(crate) const LEDGER: &str = "ledger";

/// One exception.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the names are those of the proto")]
pub(crate) struct Exception<'a> {
    pub(crate) exception_id: String,
    pub(crate) source: &'a str,
    pub(crate) cause: &'a str,
    pub(crate) code: &'a str,
    pub(crate) severity: Severity,
    pub(crate) scope: &'a str,
    pub(crate) line_ids: Vec<&'a str>,
    pub(crate) quantity: String,
    pub(crate) package_id: String,
    /// The fact that raised it last.
    pub(crate) raised: FactIndex,
    /// The fact that resolved it.
    pub(crate) resolved: Option<FactIndex>,
    pub(crate) open: bool,
    /// Every fact behind it, earliest first.
    pub(crate) facts: Vec<FactIndex>,
}

/// The exceptions of an order, without those that rules raise.
pub(crate) fn exceptions_of<'a>(
    facts: &Facts<'a>,
    (lines, evidence): (&Lines<'a>, &Evidence),
    packages: &Packages<'a>,
) -> Vec<Exception<'a>> {
    let mut found = Vec::new();
    let settling = Settling { lines, evidence, released: releases(facts) };
    for (index, fact) in facts.counting() {
        match fact.kind {
            Kind::ExceptionRaised => raise(&mut found, index, fact),
            Kind::ExceptionUpdated | Kind::ExceptionResolved => {}
            Kind::PickShorted => settling.shorted(&mut found, (index, fact)),
            Kind::LineBackordered => settling.backordered(&mut found, (index, fact)),
            _ => follow(&mut found, (facts, lines, packages), (index, fact)),
        }
    }
    answer(&mut found, facts);
    found
}

/// The id of an exception; without one, it is the only one of its source and reason.
fn id_of(fact: &Fact<'_>) -> String {
    let id = fact.text(path::EXCEPTION_ID);
    if id.is_empty() {
        format!("{}/{}", fact.source, fact.text(path::REASON_CODE))
    } else {
        id.to_owned()
    }
}

fn severity_of(fact: &Fact<'_>, code: &str) -> Severity {
    Severity::of(fact.number(path::EXCEPTION_SEVERITY))
        .or_else(|| Severity::of(fact.number(path::REASON_SEVERITY)))
        .unwrap_or_else(|| usual_severity(code))
}

fn raise<'a>(found: &mut Vec<Exception<'a>>, index: FactIndex, fact: &Fact<'a>) {
    let exception_id = id_of(fact);
    let known = found.iter_mut().find(|one| {
        one.exception_id == exception_id
            && one.source == fact.source
            && one.cause == "exception.raised"
    });
    if let Some(known) = known {
        known.raised = index;
        known.facts.push(index);
        return;
    }
    let mut exception = made_of(index, fact, super::reason::UNKNOWN);
    exception.exception_id = exception_id;
    let scope = fact.text(path::EXCEPTION_SCOPE);
    if !scope.is_empty() {
        exception.scope = scope;
    }
    fact.text(path::AFFECTED_QUANTITY).clone_into(&mut exception.quantity);
    found.push(exception);
}

/// An exception that a fact raises, open.
fn made_of<'a>(index: FactIndex, fact: &Fact<'a>, usual: &'a str) -> Exception<'a> {
    let code = code_of(fact, usual);
    let line_ids: Vec<&str> = fact.lines().map(|line| line.line_id).collect();
    Exception {
        exception_id: format!("{}/{}", fact.type_name(), fact.event_id),
        source: fact.source,
        cause: fact.type_name(),
        code,
        severity: severity_of(fact, code),
        scope: if line_ids.is_empty() { "order" } else { "line" },
        line_ids,
        quantity: String::new(),
        package_id: String::new(),
        raised: index,
        resolved: None,
        open: true,
        facts: vec![index],
    }
}

/// Updates and resolutions that name an exception; one that is resolved at or after it was raised
/// is over.
fn answer(found: &mut [Exception<'_>], facts: &Facts<'_>) {
    for (index, fact) in facts.counting() {
        let resolves = match fact.kind {
            Kind::ExceptionResolved => true,
            Kind::ExceptionUpdated => false,
            _ => continue,
        };
        let id = id_of(fact);
        let own = found.iter().any(|one| one.exception_id == id && one.source == fact.source);
        let named = found
            .iter_mut()
            .filter(|one| one.exception_id == id && (!own || one.source == fact.source));
        for exception in named {
            exception.facts.push(index);
            if resolves && facts.may_follow(index, exception.raised) {
                (exception.open, exception.resolved) = (false, Some(index));
            } else if let Some(severity) = Severity::of(fact.number(path::EXCEPTION_SEVERITY)) {
                exception.severity = severity;
            }
        }
    }
}

/// The releases of backorders; a line that has none stands for all.
fn releases<'a>(facts: &Facts<'a>) -> Vec<(FactIndex, Option<&'a str>)> {
    let mut releases = Vec::new();
    for (index, fact) in facts.counting().filter(|(_, one)| one.kind == Kind::BackorderReleased) {
        if !fact.has_lines() {
            releases.push((index, None));
        }
        releases.extend(fact.lines().map(|line| (index, Some(line.line_id))));
    }
    releases
}

/// By what a line that lacks something is settled.
struct Settling<'s, 'a> {
    lines: &'s Lines<'a>,
    evidence: &'s Evidence,
    released: Vec<(FactIndex, Option<&'a str>)>,
}

impl<'a> Settling<'_, 'a> {
    fn shorted(&self, found: &mut Vec<Exception<'a>>, (index, fact): (FactIndex, &Fact<'a>)) {
        for said in fact.lines() {
            let Some(line) = self.lines.postings.find(said.line_id) else { continue };
            // A backorder that was released after the short takes its place.
            let released = self.released.iter().find(|(later, line_id)| {
                *later > index && line_id.is_none_or(|line_id| line_id == said.line_id)
            });
            let released = released.map(|(later, _)| *later);
            let settled = self.evidence.settled(line).map(|by| by.max(index));
            let mut exception = made_of(index, fact, "INV.SHORT");
            exception.exception_id = format!("pick.shorted/{}/{}", said.line_id, fact.event_id);
            exception.line_ids = vec![said.line_id];
            said.quantity.clone_into(&mut exception.quantity);
            exception.scope = "line";
            if let Some(by) = settled.into_iter().chain(released).min() {
                exception.resolve(Some(by));
            } else if self.is_settled(line) {
                exception.resolve(None);
            }
            found.push(exception);
        }
    }

    fn backordered(&self, found: &mut Vec<Exception<'a>>, (index, fact): (FactIndex, &Fact<'a>)) {
        let new_line = self.lines.postings.find(fact.text(path::BACKORDER_NEW_LINE_ID));
        let elsewhere = !fact.text(path::BACKORDER_NEW_ORDER).is_empty();
        for said in fact.lines() {
            let Some(line) = self.lines.postings.find(said.line_id) else { continue };
            let heir = new_line.unwrap_or(line);
            let mut exception = made_of(index, fact, "INV.OOS");
            exception.exception_id = format!("line.backordered/{}/{}", said.line_id, fact.event_id);
            exception.line_ids = vec![said.line_id];
            said.quantity.clone_into(&mut exception.quantity);
            exception.severity = exception.severity.min(Severity::Warning);
            let settled = self.evidence.settled(heir).map(|by| by.max(index));
            let over = self.evidence.backorder_over(line).map(|by| by.max(index));
            let moved = elsewhere.then_some(index);
            if let Some(by) = settled.into_iter().chain(over).chain(moved).min() {
                exception.resolve(Some(by));
            } else if self.is_settled(heir) {
                exception.resolve(None);
            }
            found.push(exception);
        }
    }

    /// Whether nothing of a line lacks any more: it was picked, cancelled, replaced or given up.
    fn is_settled(&self, line: usize) -> bool {
        let line = self.lines.list.get(line);
        line.is_none_or(|line| line.effective.get(Counter::PICKED) >= line.live())
    }
}

/// What a fact of one type raises, and which later facts end it.
struct Consequence {
    code: &'static str,
    severity: Option<Severity>,
    ended_by: &'static [Kind],
    of_package: bool,
}

fn consequence(fact: &Fact<'_>) -> Option<Consequence> {
    let of =
        |code, ended_by, of_package| Consequence { code, severity: None, ended_by, of_package };
    Some(match fact.kind {
        Kind::WarehouseRejected => of(
            "WHS.REJECTED",
            &[
                Kind::OrderReleased,
                Kind::WarehouseAcknowledged,
                Kind::OrderCancelled,
                Kind::OrderClosed,
            ],
            false,
        ),
        Kind::ShipmentReversed => Consequence {
            severity: Some(Severity::Warning),
            ..of(super::reason::UNKNOWN, &[Kind::ShipmentConfirmed, Kind::OrderCancelled], false)
        },
        Kind::DeliveryAttemptFailed => Consequence {
            severity: Some(Severity::Warning),
            ..of(
                "CAR.ATTEMPT_FAILED",
                &[Kind::ShipmentDelivered, Kind::DeliveryReceived, Kind::ShipmentReturnedToSender],
                true,
            )
        },
        Kind::ShipmentReturning => {
            of("CAR.RETURNING", &[Kind::ShipmentReturnedToSender, Kind::ShipmentDelivered], true)
        }
        Kind::ShipmentLost => {
            Consequence { severity: Some(Severity::Loss), ..of("CAR.LOST", SCANS, true) }
        }
        Kind::ShipmentDamaged => {
            of("CAR.DAMAGED", &[Kind::ShipmentDelivered, Kind::ShipmentReturnedToSender], true)
        }
        Kind::CustomsHeld => of("CAR.CUSTOMS", CLEARANCES, true),
        Kind::PaymentDeclined => of(
            "FIN.PAYMENT",
            &[Kind::PaymentApproved, Kind::PaymentSettled, Kind::OrderCancelled],
            false,
        ),
        Kind::InterfaceFailed if fact.flag(path::DEAD_LETTER) == Some(true) => {
            of("INT.TIMEOUT", &[Kind::InterfaceSent, Kind::InterfaceAcknowledged], false)
        }
        _ => return None,
    })
}

/// Scans that show where a package is.
const SCANS: &[Kind] = &[
    Kind::CarrierPickedUp,
    Kind::TransitScanned,
    Kind::OutForDelivery,
    Kind::PickupAvailable,
    Kind::ShipmentDelivered,
    Kind::ShipmentReturning,
    Kind::ShipmentReturnedToSender,
];

/// Customs are through, or the package moves on.
const CLEARANCES: &[Kind] = &[
    Kind::CustomsCleared,
    Kind::TransitScanned,
    Kind::OutForDelivery,
    Kind::PickupAvailable,
    Kind::ShipmentDelivered,
];

fn follow<'a>(
    found: &mut Vec<Exception<'a>>,
    (facts, lines, packages): (&Facts<'a>, &Lines<'a>, &Packages<'a>),
    (index, fact): (FactIndex, &Fact<'a>),
) {
    let Some(consequence) = consequence(fact) else { return };
    let mut exception = made_of(index, fact, consequence.code);
    if let Some(severity) = consequence.severity {
        exception.severity = severity;
    }
    let package = match packages.by_fact.get(index) {
        Some(About::One(place)) => packages.list.get(*place),
        Some(About::Several) => packages.list.iter().find(|one| one.facts.contains(&index)),
        Some(About::None) | None => None,
    };
    if consequence.of_package {
        exception.scope = "package";
        exception.package_id =
            package.map(super::packages::Package::package_id).unwrap_or_default();
    }
    let is_shipment = fact.has(path::SHIPMENT_ID) && !fact.text(path::SHIPMENT_ID).is_empty();
    if is_shipment && exception.line_ids.is_empty() && exception.scope == "order" {
        exception.scope = "shipment";
    }
    let request = fact.text(path::MESSAGE_ID);
    let ends = |(later, other): &(FactIndex, &Fact<'a>)| {
        let of_package =
            !consequence.of_package || package.is_none_or(|package| package.facts.contains(later));
        consequence.ended_by.contains(&other.kind)
            && of_package
            && (request.is_empty() || other.text(path::MESSAGE_ID) == request)
    };
    let ended = facts.later(index).find(ends).map(|(later, _)| later);
    // What was taken back need not be shipped again where nothing is wanted any more.
    let unwanted = fact.kind == Kind::ShipmentReversed
        && !lines.list.is_empty()
        && lines.list.iter().all(|line| !line.open.is_positive());
    let given_up = || {
        let postings = lines.postings.list.iter().rev();
        let mut given_up = postings.filter(|posting| GIVING_UP.contains(&posting.counter));
        given_up.next().map_or(index, |posting| posting.fact.max(index))
    };
    if ended.is_some() || unwanted {
        exception.resolve(ended.or_else(|| Some(given_up())));
    }
    found.push(exception);
}

/// Counters by which goods are not wanted any more.
const GIVING_UP: [Counter; 4] =
    [Counter::CANCELLED, Counter::SHORT_CLOSED, Counter::SUBSTITUTED_OUT, Counter::SPLIT_OUT];

impl Exception<'_> {
    pub(super) fn resolve(&mut self, by: Option<FactIndex>) {
        (self.open, self.resolved) = (false, by);
        self.facts.extend(by.filter(|by| !self.facts.contains(by)));
    }
}
