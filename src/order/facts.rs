//! The set of facts that a state is made of: all events in an order that no arrival can change, and
//! which of them count. Does not know what a fact does.

use std::collections::HashMap;

use super::authority::authority;
use super::moment::{Place, UNKNOWN, until_ns};
use super::policy::Policy;
use crate::event::{Fact, Kind, RecordedEvent, path, same_content};
use crate::num::u64_from;
use crate::proto::{self, CorrectionKind};
use crate::time::NANOS_PER_SECOND;

/// Place of a fact in [`Facts::all`].
pub(crate) type FactIndex = usize;

/// Whether and why a fact counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Counts,
    /// A test message of its source.
    Test,
    /// A type that this version does not know: no fact.
    Unknown,
    /// Declared wrong by a correction.
    Corrected(FactIndex),
    /// Another source, which owns this kind of fact, tells the same fact.
    ToldBy(FactIndex),
    /// The same event stands in a linked history too.
    Repeated(FactIndex),
}

/// Why the time of a fact is not plausible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It is earlier than anything can have been.
    Early { earliest_ns: i64 },
    /// It is earlier than the order.
    BeforeOrder { created_ns: i64 },
    /// It is later than the time at which it was recorded.
    Future { recorded_ns: i64 },
}

/// All facts by the time they occurred.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) all: Vec<Fact<'a>>,
    standings: Vec<Standing>,
    /// What is wrong with the time of each.
    doubts: Vec<Option<Doubt>>,
    pub(crate) corrections: Vec<proto::Correction>,
    /// Pairs of events with one identity and different content.
    pub(crate) conflicts: Vec<(FactIndex, FactIndex)>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(events: &'a [RecordedEvent], policy: &Policy) -> Self {
        let mut all: Vec<Fact<'a>> = events.iter().map(Fact::of).collect();
        all.sort_by_cached_key(Place::of);
        let standings = all.iter().map(|fact| match fact.kind {
            _ if fact.number(path::TEST) != 0 => Standing::Test,
            Kind::Unknown => Standing::Unknown,
            _ => Standing::Counts,
        });
        let standings = standings.collect();
        let doubts = vec![None; all.len()];
        let mut facts =
            Self { all, standings, doubts, corrections: Vec::new(), conflicts: Vec::new() };
        facts.leave_out_repetitions();
        facts.correct();
        facts.leave_out_retellings();
        facts.judge_times(policy);
        facts
    }

    /// The facts that count, earliest first.
    pub(crate) fn counting(&self) -> impl DoubleEndedIterator<Item = (FactIndex, &Fact<'a>)> {
        let facts = self.all.iter().enumerate().zip(&self.standings);
        facts.filter(|(_, standing)| **standing == Standing::Counts).map(|(fact, _)| fact)
    }

    /// The facts that count and come after one, earliest first.
    pub(crate) fn later(&self, than: FactIndex) -> impl Iterator<Item = (FactIndex, &Fact<'a>)> {
        let facts = self.all.iter().enumerate().zip(&self.standings).skip(than + 1);
        facts.filter(|(_, standing)| **standing == Standing::Counts).map(|(fact, _)| fact)
    }

    /// All that sources meant to tell, counted or not: everything but tests.
    pub(crate) fn meant(&self) -> impl Iterator<Item = (FactIndex, &Fact<'a>)> {
        let facts = self.all.iter().enumerate().zip(&self.standings);
        facts.filter(|(_, standing)| **standing != Standing::Test).map(|(fact, _)| fact)
    }

    pub(crate) fn get(&self, index: FactIndex) -> Option<&Fact<'a>> {
        self.all.get(index)
    }

    pub(crate) fn standing(&self, index: FactIndex) -> Standing {
        self.standings.get(index).copied().unwrap_or(Standing::Counts)
    }

    /// When a fact occurred.
    pub(crate) fn at_ns(&self, index: FactIndex) -> i64 {
        self.get(index).map_or(0, |fact| fact.at_ns)
    }

    pub(crate) fn offset(&self, index: FactIndex) -> u64 {
        self.get(index).map_or(0, Fact::offset)
    }

    pub(crate) fn is_plausible(&self, index: FactIndex) -> bool {
        self.doubt(index).is_none()
    }

    /// Why the time of a fact is not plausible.
    pub(crate) fn doubt(&self, index: FactIndex) -> Option<Doubt> {
        self.doubts.get(index).copied().flatten()
    }

    /// Facts that count and whose time is not plausible.
    pub(crate) fn implausible(&self) -> impl Iterator<Item = (FactIndex, &Fact<'a>)> {
        self.counting().filter(|(index, _)| !self.is_plausible(*index))
    }

    /// Facts that do not count because their owners tell them, with the owner's fact.
    pub(crate) fn retold(&self) -> impl Iterator<Item = (FactIndex, FactIndex)> {
        self.standings.iter().enumerate().filter_map(|(index, standing)| match standing {
            Standing::ToldBy(owner) => Some((index, *owner)),
            Standing::Counts
            | Standing::Test
            | Standing::Unknown
            | Standing::Corrected(_)
            | Standing::Repeated(_) => None,
        })
    }

    /// The end of the interval in which a fact may have occurred.
    pub(crate) fn until_ns(&self, index: FactIndex) -> i64 {
        self.get(index).map_or(0, until_ns)
    }

    /// The latest moment at which a fact may have occurred.
    pub(crate) fn latest_ns(&self, index: FactIndex) -> i64 {
        let latest =
            |fact: &Fact<'_>| if fact.precision == UNKNOWN { i64::MAX } else { until_ns(fact) };
        self.get(index).map_or(0, latest)
    }

    /// Whether a fact occurred before another one for certain, as exact as both times are.
    pub(crate) fn is_before(&self, one: FactIndex, other: FactIndex) -> bool {
        let (Some(one), Some(other)) = (self.get(one), self.get(other)) else { return false };
        let exact = one.precision != UNKNOWN && other.precision != UNKNOWN;
        exact && one.at_ns < other.at_ns && until_ns(one) <= other.at_ns
    }

    /// Whether a fact may have occurred at or after another one: the question for all that ends or
    /// takes back what the other one began.
    pub(crate) fn may_follow(&self, one: FactIndex, other: FactIndex) -> bool {
        let (Some(one), Some(other)) = (self.get(one), self.get(other)) else { return false };
        one.precision == UNKNOWN || until_ns(one) >= other.at_ns
    }

    fn set(&mut self, index: FactIndex, standing: Standing) {
        if let Some(slot) = self.standings.get_mut(index) {
            *slot = standing;
        }
    }

    /// Linked histories may hold the same event: it counts once, and where both differ in content
    /// the one of the earliest time does.
    fn leave_out_repetitions(&mut self) {
        let mut histories = self.all.iter().map(|fact| fact.recorded.event.correlation_id());
        let Some(first) = histories.next() else { return };
        if histories.all(|history| history == first) {
            return;
        }
        let mut seen: HashMap<(&str, &str), FactIndex> = HashMap::new();
        let mut repeated = Vec::new();
        for (index, fact) in self.all.iter().enumerate() {
            let before = *seen.entry((fact.source, fact.event_id)).or_insert(index);
            if before != index {
                repeated.push((before, index));
            }
        }
        for (before, index) in repeated {
            self.set(index, Standing::Repeated(before));
            if let (Some(one), Some(other)) = (self.get(before), self.get(index))
                && !same_but_for_order(one, other)
            {
                self.conflicts.push((before, index));
            }
        }
    }

    /// From the latest to the earliest: a correction holds unless a later one that holds takes it
    /// back.
    fn correct(&mut self) {
        let is_correction = |fact: &Fact<'_>| fact.kind == Kind::EventCorrected;
        if !self.all.iter().any(is_correction) {
            return;
        }
        let by_identity: HashMap<(&str, &str), FactIndex> = self
            .all
            .iter()
            .enumerate()
            .filter(|(index, _)| !matches!(self.standing(*index), Standing::Repeated(_)))
            .map(|(index, fact)| ((fact.source, fact.event_id), index))
            .collect();
        for index in (0..self.all.len()).rev() {
            let Some(fact) = self.get(index).filter(|fact| is_correction(fact)) else { continue };
            let source = fact.text(path::CORRECTED_SOURCE);
            let source = if source.is_empty() { fact.source } else { source };
            let event_id = fact.text(path::CORRECTED_EVENT_ID);
            let target = by_identity.get(&(source, event_id)).copied();
            let holds = self.standing(index) == Standing::Counts;
            let kind = match fact.number(path::CORRECTION_KIND) {
                1 => CorrectionKind::DidNotOccur,
                _ => CorrectionKind::IncorrectData,
            };
            self.corrections.push(proto::Correction {
                target_source: source.to_owned(),
                target_event_id: event_id.to_owned(),
                kind: kind.into(),
                target_offset: target.map(|target| self.offset(target)),
                undone: !holds,
                offset: fact.offset(),
            });
            let Some(target) = target.filter(|target| holds && *target != index) else { continue };
            let takes_back = self.get(target).is_some_and(is_correction);
            let counts = self.standing(target) == Standing::Counts;
            if counts && (!takes_back || target < index) {
                self.set(target, Standing::Corrected(index));
            }
        }
        self.corrections.reverse();
    }

    /// Two sources may tell one fact: the one that owns this kind of fact is counted.
    fn leave_out_retellings(&mut self) {
        let mut owners: HashMap<(Kind, &str), FactIndex> = HashMap::new();
        for (index, fact) in self.counting() {
            let Some(name) = told_as(fact) else { continue };
            let rank = |fact: &Fact<'_>| authority(fact.source, fact.group());
            let owner = owners.entry(name).or_insert(index);
            if self.get(*owner).is_some_and(|before| rank(fact) < rank(before)) {
                *owner = index;
            }
        }
        if owners.is_empty() {
            return;
        }
        let retold: Vec<(FactIndex, FactIndex)> = self
            .counting()
            .filter_map(|(index, fact)| {
                let owner = *owners.get(&told_as(fact)?)?;
                (self.get(owner)?.source != fact.source).then_some((index, owner))
            })
            .collect();
        for (index, owner) in retold {
            self.set(index, Standing::ToldBy(owner));
        }
    }

    fn judge_times(&mut self, policy: &Policy) {
        let earliest = policy.earliest_plausible_seconds.saturating_mul(NANOS_PER_SECOND);
        let skew = i64::from(policy.clock_skew_seconds).saturating_mul(NANOS_PER_SECOND);
        let created = self
            .counting()
            .find(|(_, fact)| fact.kind == Kind::OrderCreated && fact.at_ns >= earliest);
        let created = created.map(|(_, fact)| fact.at_ns);
        let judged = self.all.iter().map(|fact| {
            let recorded_ns = crate::time::signed(fact.recorded.recorded_at_ns);
            let latest = until_ns(fact).saturating_add(skew);
            let is_early = |created: &i64| latest < *created && fact.precision != UNKNOWN;
            let created_ns = created.filter(is_early);
            match created_ns {
                _ if fact.at_ns > recorded_ns.saturating_add(skew) => {
                    Some(Doubt::Future { recorded_ns })
                }
                _ if fact.at_ns < earliest => Some(Doubt::Early { earliest_ns: earliest }),
                Some(created_ns) if fact.kind != Kind::OrderRequested => {
                    Some(Doubt::BeforeOrder { created_ns })
                }
                _ => None,
            }
        });
        self.doubts = judged.collect();
    }
}

/// Under which name sources tell one fact: its type, and the fact's id; a confirmed shipment has
/// the shipment's.
fn told_as<'a>(fact: &Fact<'a>) -> Option<(Kind, &'a str)> {
    let name = match (fact.fact_id, fact.kind) {
        ("", Kind::ShipmentConfirmed) => fact.text(path::SHIPMENT_ID),
        (fact_id, _) => fact_id,
    };
    (!name.is_empty()).then_some((fact.kind, name))
}

fn same_but_for_order(one: &Fact<'_>, other: &Fact<'_>) -> bool {
    let without_order = |fact: &Fact<'_>| {
        let mut message = fact.recorded.event.message();
        message.correlation_id = String::from("-");
        prost::Message::encode_to_vec(&message)
    };
    same_content(&without_order(one), &without_order(other))
}

/// The number of events of each type and of each source, sorted.
pub(crate) fn counts(facts: &Facts<'_>) -> (Vec<proto::EventTypeCount>, Vec<proto::SourceCount>) {
    let types = tally(facts.all.iter().map(Fact::type_name));
    let sources = tally(facts.all.iter().map(|fact| fact.source));
    let types = types
        .into_iter()
        .map(|(name, count)| proto::EventTypeCount { r#type: name.to_owned(), count });
    let sources = sources
        .into_iter()
        .map(|(name, count)| proto::SourceCount { source: name.to_owned(), count });
    (types.collect(), sources.collect())
}

fn tally<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, u64)> {
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    sorted
        .chunk_by(|one, other| one == other)
        .filter_map(|same| same.first().map(|name| (*name, u64_from(same.len()))))
        .collect()
}
