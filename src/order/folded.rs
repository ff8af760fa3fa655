//! The fold itself: from a history to all that is known of an order, part by part.
//! Does not know how it is shown.

use super::claims::{Claim, claims_of};
use super::commercial::Commercial;
use super::evidence::Evidence;
use super::exceptions::{Exception, exceptions_of};
use super::facts::{FactIndex, Facts};
use super::fulfillment::{Fulfillment, Range};
use super::holds::{Hold, holds_of};
use super::lines::Lines;
use super::packages::Packages;
use super::policy::Policy;
use super::returns::{Return, range_of, returns_of};
use super::rules::{Case, Finding, findings};
use super::severity::Severity;
use super::shipment::Shipping;
use super::violations::violations_of;
use super::words::{Dimension, Word};
use super::{History, parcels};
use crate::event::Heard;
use crate::proto;

/// All that is known of an order.
pub(crate) struct Folded<'a> {
    pub(crate) correlation_id: &'a str,
    pub(crate) incoming: &'a [proto::RelatedOrder],
    pub(crate) facts: Facts<'a>,
    pub(crate) lines: Lines<'a>,
    pub(crate) fulfillment: Fulfillment,
    pub(crate) commercial: Commercial,
    pub(crate) packages: Packages<'a>,
    pub(crate) shipping: Shipping,
    pub(crate) holds: Vec<Hold<'a>>,
    pub(crate) exceptions: Vec<Exception<'a>>,
    pub(crate) returns: Vec<Return<'a>>,
    pub(crate) claims: Vec<Claim<'a>>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) evidence: Evidence,
}

impl<'a> Folded<'a> {
    /// `heard` is what the events of the history say.
    pub(crate) fn of((history, heard): (&History<'a>, &'a Heard<'a>), policy: &Policy) -> Self {
        let mut folded = Self::of_facts((history, heard), policy);
        folded.claims = claims_of(&folded.facts, |dimension, at_ns| {
            folded.range_at(history, policy, (dimension, at_ns))
        });
        folded.findings = findings(&Case { folded: &folded, policy });
        let violations = violations_of((&folded.facts, &folded.lines), &folded.findings);
        folded.exceptions.extend(violations);
        folded
    }

    /// Without claims and rules.
    fn of_facts((history, heard): (&History<'a>, &'a Heard<'a>), policy: &Policy) -> Self {
        let facts = Facts::of(heard, policy);
        let mut lines = Lines::of(&facts);
        let packages = Packages::of(&facts, &lines);
        let mut shipping = Shipping::of((&facts, &lines), &packages, policy);
        parcels::carry(&facts, &mut lines, (&packages, &shipping));
        let fulfillment = Fulfillment::of(&lines);
        lines.ship_lifted(&fulfillment.lines);
        shipping.judge(&lines, &packages);
        let evidence = Evidence::of(&facts, &lines);
        Self {
            correlation_id: history.correlation_id,
            incoming: history.incoming,
            fulfillment,
            commercial: Commercial::of(&facts, &lines),
            holds: holds_of(&facts),
            exceptions: exceptions_of(&facts, (&lines, &evidence), &packages),
            returns: returns_of(&facts),
            claims: Vec::new(),
            findings: Vec::new(),
            facts,
            lines,
            packages,
            shipping,
            evidence,
        }
    }

    /// What the facts said at a time.
    fn range_at(
        &self,
        history: &History<'a>,
        policy: &Policy,
        (dimension, at_ns): (Dimension, i64),
    ) -> Range {
        if self.facts.all.iter().all(|fact| fact.at_ns <= at_ns) {
            return self.range(dimension);
        }
        let until = history.events.iter().filter(|recorded| recorded.timeline_ns() <= at_ns);
        let events: Vec<_> = until.cloned().collect();
        let history = History { events: &events, ..*history };
        let heard = Heard::of(&events);
        Folded::of_facts((&history, &heard), policy).range(dimension)
    }

    /// Low, high and word of one side.
    pub(crate) fn range(&self, dimension: Dimension) -> Range {
        match dimension {
            Dimension::Commercial => self.commercial.order,
            Dimension::Fulfillment => self.fulfillment.order,
            Dimension::Shipment => self.shipping.order,
            Dimension::Exception => {
                let words = self.open_severities().map(Severity::word);
                Range::at(words.max().unwrap_or(Word(0)))
            }
            Dimension::Return => range_of(&self.returns),
        }
    }

    /// The open holds.
    pub(crate) fn open_holds(&self) -> impl Iterator<Item = &Hold<'a>> {
        self.holds.iter().filter(|hold| hold.is_open(&self.facts))
    }

    /// The open exceptions.
    pub(crate) fn open_exceptions(&self) -> impl Iterator<Item = &Exception<'a>> {
        self.exceptions.iter().filter(|exception| exception.open)
    }

    fn open_severities(&self) -> impl Iterator<Item = Severity> {
        let exceptions = self.open_exceptions().map(|exception| exception.severity);
        self.open_holds().map(|_| Severity::Error).chain(exceptions)
    }

    /// The facts behind one side, earliest first.
    pub(crate) fn behind(&self, dimension: Dimension) -> Vec<FactIndex> {
        let mut facts: Vec<FactIndex> = match dimension {
            Dimension::Exception => {
                let holds =
                    self.holds.iter().flat_map(|hold| hold.placed.iter().chain(&hold.released));
                let exceptions = self.exceptions.iter().flat_map(|exception| &exception.facts);
                holds.chain(exceptions).copied().collect()
            }
            Dimension::Return => self.returns.iter().flat_map(|one| &one.facts).copied().collect(),
            Dimension::Commercial => self.evidence.commercial.iter().map(|one| one.fact).collect(),
            Dimension::Fulfillment => {
                self.evidence.fulfillment.iter().map(|one| one.fact).collect()
            }
            Dimension::Shipment => {
                self.shipping.moves.iter().map(|(_, moved)| moved.fact).collect()
            }
        };
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    /// When the newest fact that moved one side occurred, of those whose time is plausible. A time
    /// that is not exact stands for all of its interval.
    pub(crate) fn since_ns(&self, behind: &[FactIndex]) -> Option<i64> {
        let plausible = behind.iter().filter(|index| self.facts.is_plausible(**index));
        let newest = plausible.max_by_key(|index| self.facts.until_ns(**index));
        newest.map(|index| self.facts.at_ns(*index))
    }
}
