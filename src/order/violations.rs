//! Violations of the rules, which are exceptions until somebody resolves them or what they are
//! about is taken back. Does not know how they are found.

use std::collections::HashMap;

use super::counter::Counter;
use super::exceptions::{Exception, LEDGER};
use super::facts::{FactIndex, Facts};
use super::lines::Lines;
use super::quantity::Quantity;
use super::reason::reason_of_hold;
use super::rules::Finding;
use super::severity::Severity;
use crate::event::{Fact, Kind, path};
use crate::proto::AnomalyClass;

/// The exceptions that findings raise, one for each rule.
pub(crate) fn violations_of<'a>(
    (facts, lines): (&Facts<'a>, &Lines<'a>),
    findings: &[Finding],
) -> Vec<Exception<'a>> {
    let mut raised: Vec<Exception<'a>> = Vec::new();
    let violations = findings.iter().filter(|one| one.rule.class == AnomalyClass::Violation);
    for finding in violations {
        let Some(last) = finding.facts.iter().copied().max() else { continue };
        if let Some(known) = raised.iter_mut().find(|one| one.cause == finding.rule.name) {
            known.raised = known.raised.min(last);
            known.latest = known.latest.max(last);
            known.facts.extend(&finding.facts);
            continue;
        }
        let mut causes = finding.facts.iter().filter_map(|index| facts.get(*index));
        raised.push(Exception {
            exception_id: finding.rule.id.to_owned(),
            source: LEDGER,
            cause: finding.rule.name,
            code: causes.find_map(reason_of_cause).unwrap_or_default(),
            severity: Severity::Error,
            scope: "order",
            line_ids: Vec::new(),
            quantity: String::new(),
            package_id: String::new(),
            raised: last,
            latest: last,
            resolved: None,
            open: true,
            facts: finding.facts.clone(),
        });
    }
    for exception in &mut raised {
        exception.facts.sort_unstable();
        exception.facts.dedup();
        let by = resolved_by(facts, exception)
            .or_else(|| taken_back_by((facts, lines), &exception.facts));
        if by.is_some() {
            exception.resolve(by);
        }
    }
    raised
}

/// Why what was violated was said: the reason of a hold or of a cancellation.
fn reason_of_cause<'a>(fact: &Fact<'a>) -> Option<&'a str> {
    let code = match fact.kind {
        Kind::HOLD_PLACED => reason_of_hold(fact),
        Kind::ORDER_CANCELLED | Kind::ORDER_LINE_CANCELLED => fact.text(path::REASON_CODE),
        _ => "",
    };
    (!code.is_empty()).then_some(code)
}

/// The last fact by which a source resolved an exception of the ledger.
fn resolved_by(facts: &Facts<'_>, exception: &Exception<'_>) -> Option<FactIndex> {
    let resolved = facts.counting().filter(|(index, fact)| {
        fact.kind == Kind::EXCEPTION_RESOLVED
            && fact.text(path::EXCEPTION_ID) == exception.exception_id
            && facts.may_follow(*index, exception.latest)
    });
    resolved.map(|(index, _)| index).next_back()
}

/// The fact by which the last of the shipments among some facts was taken back, if all were.
fn taken_back_by(
    (facts, lines): (&Facts<'_>, &Lines<'_>),
    involved: &[FactIndex],
) -> Option<FactIndex> {
    let mut net: HashMap<&str, Quantity> = HashMap::new();
    for index in involved {
        let fact = facts.get(*index).filter(|fact| fact.kind == Kind::SHIPMENT_CONFIRMED);
        if let Some(fact) = fact {
            net.insert(fact.text(path::SHIPMENT_ID), Quantity::ZERO);
        }
    }
    if net.is_empty() || net.contains_key("") {
        return None;
    }
    for posting in lines.postings.list.iter().filter(|one| one.counter == Counter::SHIPPED) {
        if let Some(net) = net.get_mut(posting.thing) {
            *net += posting.quantity;
        }
    }
    let mut reversals = facts.counting().rev().filter(|(_, fact)| {
        fact.kind == Kind::SHIPMENT_REVERSED && net.contains_key(fact.text(path::SHIPMENT_ID))
    });
    let last = reversals.next().map(|(index, _)| index);
    last.filter(|_| net.values().all(|net| !net.is_positive()))
}
