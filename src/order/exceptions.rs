//! Exceptions: what sources raised, and what follows from facts and is over when the facts say so.
//! Does not know holds.

use std::collections::HashMap;

use super::consequences::Consequences;
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
    /// The fact that raised it, since it was last over.
    pub(crate) raised: FactIndex,
    /// The fact that raised it last, and says what it is.
    pub(crate) latest: FactIndex,
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
    let mut raised = HashMap::new();
    let settling = Settling { facts, lines, evidence, released: releases(facts) };
    let consequences = Consequences::of(facts, lines, packages);
    for (index, fact) in facts.counting() {
        match fact.kind {
            Kind::EXCEPTION_RAISED => raise((&mut found, &mut raised), index, fact),
            Kind::EXCEPTION_UPDATED | Kind::EXCEPTION_RESOLVED => {}
            Kind::PICK_SHORTED => settling.shorted(&mut found, (index, fact)),
            Kind::LINE_BACKORDERED => settling.backordered(&mut found, (index, fact)),
            _ => found.extend(consequences.follow(index, fact)),
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

/// Exceptions that sources raised, by id and source, with their places.
type Raised<'a> = HashMap<(String, &'a str), usize>;

fn raise<'a>(
    (found, raised): (&mut Vec<Exception<'a>>, &mut Raised<'a>),
    index: FactIndex,
    fact: &Fact<'a>,
) {
    let exception_id = id_of(fact);
    let place = *raised.entry((exception_id.clone(), fact.source)).or_insert(found.len());
    let known = found.get_mut(place);
    let code = code_of(fact, known.as_ref().map_or(super::reason::UNKNOWN, |known| known.code));
    let mut exception = made_of(index, fact, code);
    exception.exception_id = exception_id;
    let scope = fact.text(path::EXCEPTION_SCOPE);
    if !scope.is_empty() {
        exception.scope = scope;
    }
    fact.text(path::AFFECTED_QUANTITY).clone_into(&mut exception.quantity);
    match known {
        // Raised again: the last word says what it is, and the first one since when.
        Some(known) => {
            (known.latest, known.code, known.severity) = (index, code, exception.severity);
            known.facts.push(index);
        }
        None => found.push(exception),
    }
}

/// An exception that a fact raises, open.
pub(super) fn made_of<'a>(index: FactIndex, fact: &Fact<'a>, usual: &'a str) -> Exception<'a> {
    let code = code_of(fact, usual);
    let line_ids: Vec<&str> = fact.lines.iter().map(|line| line.line_id).collect();
    Exception {
        exception_id: format!("{}/{}", fact.type_name, fact.event_id),
        source: fact.source,
        cause: fact.type_name,
        code,
        severity: severity_of(fact, code),
        scope: if line_ids.is_empty() { "order" } else { "line" },
        line_ids,
        quantity: String::new(),
        package_id: String::new(),
        raised: index,
        latest: index,
        resolved: None,
        open: true,
        facts: vec![index],
    }
}

/// Updates and resolutions that name an exception; one that may have been resolved at or after it
/// was raised is over.
fn answer(found: &mut [Exception<'_>], facts: &Facts<'_>) {
    let answers =
        |fact: &Fact<'_>| matches!(fact.kind, Kind::EXCEPTION_RESOLVED | Kind::EXCEPTION_UPDATED);
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, fact) in facts.counting().filter(|(_, fact)| answers(fact)) {
        if places.is_empty() {
            for (place, one) in found.iter().enumerate() {
                places.entry(one.exception_id.clone()).or_default().push(place);
            }
        }
        let Some(named) = places.get(&id_of(fact)) else { continue };
        let mut its = named.iter().filter_map(|place| found.get(*place));
        let own = its.any(|one| one.source == fact.source);
        for place in named {
            let exception = found.get_mut(*place);
            let Some(exception) = exception.filter(|one| !own || one.source == fact.source) else {
                continue;
            };
            exception.answered((index, fact), facts);
        }
    }
}

/// The releases of backorders; a line that has none stands for all.
fn releases<'a>(facts: &Facts<'a>) -> HashMap<Option<&'a str>, Vec<FactIndex>> {
    let mut releases: HashMap<_, Vec<FactIndex>> = HashMap::new();
    let told = facts.counting().filter(|(_, one)| one.kind == Kind::BACKORDER_RELEASED);
    for (index, fact) in told {
        if !fact.has_lines() {
            releases.entry(None).or_default().push(index);
        }
        for line in fact.lines {
            releases.entry(Some(line.line_id)).or_default().push(index);
        }
    }
    for of_line in releases.values_mut() {
        of_line.sort_by_key(|index| facts.latest_ns(*index));
    }
    releases
}

/// By what a line that lacks something is settled.
struct Settling<'s, 'a> {
    facts: &'s Facts<'a>,
    lines: &'s Lines<'a>,
    evidence: &'s Evidence,
    /// By the ends of their intervals.
    released: HashMap<Option<&'a str>, Vec<FactIndex>>,
}

impl<'a> Settling<'_, 'a> {
    fn shorted(&self, found: &mut Vec<Exception<'a>>, (index, fact): (FactIndex, &Fact<'a>)) {
        for said in fact.lines {
            let Some(line) = self.lines.postings.find(said.line_id) else { continue };
            // A backorder that was released after the short takes its place.
            let released = self.released_after(index, said.line_id);
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
        for said in fact.lines {
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

    /// The first release of a backorder of a line that may have come after a fact.
    fn released_after(&self, index: FactIndex, line_id: &'a str) -> Option<FactIndex> {
        let of = |line_id: Option<&'a str>| {
            let releases = self.released.get(&line_id)?;
            let at = self.facts.earliest_ns(index);
            let place = releases.partition_point(|one| self.facts.latest_ns(*one) < at);
            releases.get(place).copied()
        };
        of(Some(line_id)).into_iter().chain(of(None)).min()
    }

    /// Whether nothing of a line lacks any more: it was picked, cancelled, replaced or given up.
    fn is_settled(&self, line: usize) -> bool {
        let line = self.lines.list.get(line);
        line.is_none_or(|line| line.effective.get(Counter::PICKED) >= line.live())
    }
}

impl Exception<'_> {
    fn answered(&mut self, (index, fact): (FactIndex, &Fact<'_>), facts: &Facts<'_>) {
        let resolves = fact.kind == Kind::EXCEPTION_RESOLVED;
        if resolves && facts.may_follow(index, self.latest) {
            (self.open, self.resolved) = (false, Some(index));
        } else if resolves {
            // It was raised again afterwards, and since then it is open.
            let again = self.facts.iter().find(|one| **one > index);
            self.raised = again.copied().unwrap_or(self.latest);
        } else if let Some(severity) = Severity::of(fact.number(path::EXCEPTION_SEVERITY)) {
            self.severity = severity;
        }
        self.facts.push(index);
    }

    pub(super) fn resolve(&mut self, by: Option<FactIndex>) {
        (self.open, self.resolved) = (false, by);
        self.facts.extend(by.filter(|by| !self.facts.contains(by)));
    }
}
