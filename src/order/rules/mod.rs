//! The rules for what is suspicious, pending, a matter of policy or against the trade.
//! Nothing is ever refused for one. Does not know who reads what they find.
//!
//! R14, the same event with other content, is never found here: the append refuses it, and one id
//! in two linked histories is one message that concerned two orders.

mod amounts;
mod sequence;
mod tracking;

use super::facts::FactIndex;
use super::folded::Folded;
use super::holds::Hold;
use super::links::UNRESOLVED_PREFIX;
use super::moment::Doubt;
use super::policy::Policy;
use crate::proto::{self, AnomalyClass, OrderRelationKind};
use crate::time::{rfc3339, timestamp};

/// What a rule found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    pub(crate) explanation: String,
    pub(crate) line_id: String,
    pub(crate) facts: Vec<FactIndex>,
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) class: AnomalyClass,
}

use AnomalyClass::{Info, Pending, Policy as ByPolicy, Suspicious, Violation};

const fn rule(id: &'static str, name: &'static str, class: AnomalyClass) -> Rule {
    Rule { id, name, class }
}

/// Every rule, by id.
pub(crate) static RULES: [Rule; 22] = [
    rule("R01", "ship_before_pick", Suspicious),
    rule("R02", "ship_before_pack", Suspicious),
    rule("R03", "ship_unreleased", Suspicious),
    rule("R04", "over_ship", Suspicious),
    rule("R05", "over_pick", Suspicious),
    rule("R06", "ship_while_held", Violation),
    rule("R07", "ship_after_cancel", Violation),
    rule("R08", "invoice_before_ship", ByPolicy),
    rule("R09", "invoice_ne_ship", ByPolicy),
    rule("R10", "delivered_before_dispatch", Suspicious),
    rule("R11", "reversal_without_original", Suspicious),
    rule("R12", "status_mismatch", Suspicious),
    rule("R13", "event_time_implausible", Suspicious),
    rule("R14", "id_conflict", Violation),
    rule("R15", "unknown_line", Pending),
    rule("R16", "unknown_order", Pending),
    rule("R17", "late_event", Info),
    rule("R18", "carrier_regression", Info),
    rule("R19", "two_shipments_one_tracking", Suspicious),
    rule("R20", "release_without_hold", Info),
    rule("R21", "return_exceeds_delivered", Suspicious),
    rule("R22", "duplicate_shipment", Suspicious),
];

/// What the rules look at.
pub(crate) struct Case<'f, 'a> {
    pub(crate) folded: &'f Folded<'a>,
    pub(crate) policy: &'f Policy,
}

/// Collects what rules find.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    /// Notes what a rule found, with the facts involved.
    pub(crate) fn note(&mut self, id: &str, explanation: String, facts: Vec<FactIndex>) {
        self.note_line(id, explanation, ("", facts));
    }

    pub(crate) fn note_line(
        &mut self,
        id: &str,
        explanation: String,
        (line_id, facts): (&str, Vec<FactIndex>),
    ) {
        if let Some(rule) = RULES.iter().find(|rule| rule.id == id) {
            self.0.push(Finding { rule, explanation, line_id: line_id.to_owned(), facts });
        }
    }
}

/// All that the rules find in an order, by rule.
pub(crate) fn findings(case: &Case<'_, '_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    amounts::check(case, &mut findings);
    sequence::check(case, &mut findings);
    tracking::check(case, &mut findings);
    times(case, &mut findings);
    holds(case, &mut findings);
    identity(case, &mut findings);
    findings.0.sort_by(|one, other| {
        let key = |finding: &Finding| (finding.rule.id, finding.facts.first().copied());
        key(one).cmp(&key(other)).then_with(|| one.line_id.cmp(&other.line_id))
    });
    findings.0
}

/// A time, for sentences.
pub(crate) fn time_text(ns: i64) -> String {
    rfc3339(&timestamp(ns), None)
}

/// `line 10`, or the order where a quantity names no line.
pub(crate) fn line_text(line_id: &str) -> String {
    if line_id.is_empty() { "the order".to_owned() } else { format!("line {line_id}") }
}

fn times(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    for (index, fact) in facts.implausible() {
        let why = match facts.doubt(index) {
            Some(Doubt::Early { earliest_ns }) => {
                format!("before {}, the earliest that is plausible", time_text(earliest_ns))
            }
            Some(Doubt::BeforeOrder { created_ns }) => {
                format!("before the order was created at {}", time_text(created_ns))
            }
            Some(Doubt::Future { recorded_ns }) => {
                format!("after it was recorded at {}", time_text(recorded_ns))
            }
            None => continue,
        };
        let (name, at) = (fact.type_name, time_text(fact.at_ns));
        let what = format!("{name} says that it occurred at {at}, {why}");
        findings.note("R13", what, vec![index]);
    }
    // By arrival: what its source had told of a later time already.
    let mut arrived: Vec<FactIndex> = facts.counting().map(|(index, _)| index).collect();
    arrived.sort_unstable_by_key(|index| facts.offset(*index));
    let mut newest: Vec<(&str, FactIndex)> = Vec::new();
    for index in arrived {
        let Some(fact) = facts.get(index) else { continue };
        // What was loaded from history is not late.
        let backfill = fact.flag(crate::event::path::BACKFILL) == Some(true);
        let untold = fact.recorded.event.occurred_at_ns().is_none();
        if untold || backfill || !facts.is_plausible(index) {
            continue;
        }
        match newest.iter_mut().find(|(source, _)| *source == fact.source) {
            Some((_, before)) if facts.is_before(index, *before) => {
                let what = format!(
                    "{} of {} arrived after {} had told of {}",
                    fact.type_name,
                    time_text(fact.at_ns),
                    fact.source,
                    time_text(facts.at_ns(*before))
                );
                findings.note("R17", what, vec![*before, index]);
            }
            // What is less exact may have occurred before.
            Some((_, before)) if facts.at_ns(*before) > fact.at_ns => {}
            Some((_, before)) => *before = index,
            None => newest.push((fact.source, index)),
        }
    }
}

fn holds(case: &Case<'_, '_>, findings: &mut Findings) {
    let never_placed = |hold: &&Hold<'_>| hold.placed.is_empty();
    for hold in case.folded.holds.iter().filter(never_placed) {
        let what = format!("hold {} was released and never placed", hold.hold_id);
        findings.note("R20", what, hold.released.clone());
    }
}

fn identity(case: &Case<'_, '_>, findings: &mut Findings) {
    let folded = case.folded;
    let linked =
        folded.incoming.iter().any(|other| other.relation() == OrderRelationKind::LinkedTo);
    if folded.correlation_id.starts_with(UNRESOLVED_PREFIX) && !linked {
        let all: Vec<FactIndex> = folded.facts.counting().map(|(index, _)| index).collect();
        let what = "no order has linked this history yet".to_owned();
        findings.note("R16", what, all);
    }
    claims(case, findings);
}

fn claims(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    let source = |index| facts.get(index).map_or("", |fact| fact.source);
    let contradicts = proto::Agreement::Contradicts;
    for claim in case.folded.claims.iter().filter(|claim| claim.agreement == contradicts) {
        let source = source(claim.fact);
        if let Some(owner) = claim.owner {
            for one in &claim.quantities {
                let what = format!(
                    "{}: {source} says {} {}, {}, which owns the fact, says {}",
                    line_text(one.line_id),
                    one.counter.name(),
                    one.claimed,
                    facts.get(owner).map_or("", |fact| fact.source),
                    one.counted
                );
                findings.note_line("R12", what, (one.line_id, vec![claim.fact, owner]));
            }
            continue;
        }
        let what = format!(
            "{source} claims {} to be {}; as of {} the facts said {}",
            claim.dimension.map_or("", super::words::Dimension::name),
            claim.text(),
            time_text(claim.as_of_ns),
            claim.facts
        );
        findings.note("R12", what, vec![claim.fact]);
    }
}
