//! The set of facts that a state is made of: all events in an order that no arrival can change, and
//! which of them count. Does not know what a fact does.

use std::collections::{HashMap, HashSet};

use super::authority::authority;
use super::moment::{self, Doubt, Times, UNKNOWN, until_ns};
use super::names::ByName;
use super::policy::Policy;
use crate::event::{Event, Fact, Heard, Kind, path, same_content};
use crate::proto::{self, CorrectionKind};

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

/// All facts by the time they occurred.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) all: Vec<Fact<'a>>,
    standings: Vec<Standing>,
    /// What is wrong with the time of each.
    doubts: Vec<Option<Doubt>>,
    pub(crate) corrections: Vec<proto::Correction>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(heard: &'a Heard<'a>, policy: &Policy) -> Self {
        let mut all: Vec<Fact<'a>> = heard.facts().collect();
        let times = Times::of(policy);
        all.sort_by(|one, other| moment::compare(one, other, times));
        let standings = all.iter().map(|fact| match fact.kind {
            _ if fact.number(path::TEST) != 0 => Standing::Test,
            Kind::UNKNOWN => Standing::Unknown,
            _ => Standing::Counts,
        });
        let standings = standings.collect();
        let (doubts, corrections) = (Vec::new(), Vec::new());
        let mut facts = Self { all, standings, doubts, corrections };
        facts.leave_out_repetitions();
        facts.correct();
        facts.leave_out_retellings();
        facts.judge_times(times);
        facts
    }

    /// The facts that count, earliest first.
    pub(crate) fn counting(&self) -> impl DoubleEndedIterator<Item = (FactIndex, &Fact<'a>)> {
        let facts = self.all.iter().enumerate().zip(&self.standings);
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

    /// The latest moment at which a fact may have occurred; a time that is not believed, or whose
    /// precision nobody knows, says nothing.
    pub(crate) fn latest_ns(&self, index: FactIndex) -> i64 {
        if self.is_told(index) { self.until_ns(index) } else { i64::MAX }
    }

    /// The earliest moment at which a fact may have occurred.
    pub(crate) fn earliest_ns(&self, index: FactIndex) -> i64 {
        if self.is_told(index) { self.at_ns(index) } else { i64::MIN }
    }

    /// Whether anything follows from the time of a fact.
    fn is_told(&self, index: FactIndex) -> bool {
        let exact = self.get(index).is_some_and(|fact| fact.precision != UNKNOWN);
        exact && self.is_plausible(index)
    }

    /// Whether a fact occurred before another one for certain, as exact as both times are.
    pub(crate) fn is_before(&self, one: FactIndex, other: FactIndex) -> bool {
        self.latest_ns(one) <= self.earliest_ns(other) && self.at_ns(one) < self.at_ns(other)
    }

    /// Whether a fact may have occurred at or after another one: the question for all that ends or
    /// takes back what the other one began.
    pub(crate) fn may_follow(&self, one: FactIndex, other: FactIndex) -> bool {
        self.latest_ns(one) >= self.earliest_ns(other)
    }

    fn set(&mut self, index: FactIndex, standing: Standing) {
        if let Some(slot) = self.standings.get_mut(index) {
            *slot = standing;
        }
    }

    /// Linked histories may hold the same event, which counts once. One message may concern several
    /// orders under one id: what it tells each of them counts.
    fn leave_out_repetitions(&mut self) {
        let mut events = self.all.iter().map(|fact| &fact.recorded.event);
        let Some(order) = events.next().map(Event::correlation_id) else { return };
        if events.all(|event| event.is_about(order)) {
            return;
        }
        let mut seen: HashMap<(&str, &str), Vec<FactIndex>> = HashMap::new();
        let mut repeated = Vec::new();
        for (index, fact) in self.all.iter().enumerate() {
            let before = seen.entry((fact.source, fact.event_id)).or_default();
            let mut same = before.iter().filter_map(|one| Some((*one, self.get(*one)?)));
            match same.find(|(_, one)| same_but_for_order(one, fact)) {
                Some((one, _)) => repeated.push((one, index)),
                None => before.push(index),
            }
        }
        for (before, index) in repeated {
            self.set(index, Standing::Repeated(before));
        }
    }

    /// From the latest to the earliest: a correction holds unless a later one that holds takes it
    /// back.
    fn correct(&mut self) {
        let is_correction = |fact: &Fact<'_>| fact.kind == Kind::EVENT_CORRECTED;
        if !self.all.iter().any(is_correction) {
            return;
        }
        let told = || {
            let all = self.all.iter().enumerate();
            all.filter(|(index, _)| !matches!(self.standing(*index), Standing::Repeated(_)))
        };
        let any: HashMap<(&str, &str), FactIndex> =
            told().map(|(index, fact)| ((fact.source, fact.event_id), index)).collect();
        // The order's own event is meant rather than that of another one.
        let own: HashMap<(&str, &str, &str), FactIndex> = told()
            .map(|(index, fact)| {
                ((fact.recorded.event.correlation_id(), fact.source, fact.event_id), index)
            })
            .collect();
        for index in (0..self.all.len()).rev() {
            let Some(fact) = self.get(index).filter(|fact| is_correction(fact)) else { continue };
            let source = fact.text(path::CORRECTED_SOURCE);
            let source = if source.is_empty() { fact.source } else { source };
            let event_id = fact.text(path::CORRECTED_EVENT_ID);
            let order = fact.recorded.event.correlation_id();
            let target =
                own.get(&(order, source, event_id)).or_else(|| any.get(&(source, event_id)));
            let target = target.copied();
            let holds = self.standing(index) == Standing::Counts;
            let kind = match fact.number(path::CORRECTION_KIND) {
                DID_NOT_OCCUR => CorrectionKind::DidNotOccur,
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

    /// Two sources may tell one fact: the one that owns this kind of fact is counted, and says also
    /// that it did not occur. Sources of equal standing tell facts of their own.
    fn leave_out_retellings(&mut self) {
        let rank = |fact: &Fact<'_>| authority(fact.source, fact.group());
        let denied = self.denied();
        let mut owners: ByName<(Kind, &str), FactIndex> = ByName::default();
        for (index, fact) in self.all.iter().enumerate() {
            if self.standing(index) != Standing::Counts && !denied.contains(&index) {
                continue;
            }
            for name in told_as(fact).into_iter().flatten() {
                let owner = owners.first((fact.kind, name), index);
                let known = self.get(owner).map(rank);
                let again = known == Some(rank(fact)) && denied.contains(&owner);
                if again || known.is_some_and(|known| rank(fact) < known) {
                    owners.set((fact.kind, name), index);
                }
            }
        }
        let owner_of = |fact: &Fact<'a>| {
            let names = told_as(fact).into_iter().flatten();
            let mut owners = names.filter_map(|name| owners.get((fact.kind, name)).copied());
            owners.find(|owner| self.get(*owner).is_some_and(|one| rank(one) < rank(fact)))
        };
        let retold: Vec<(FactIndex, FactIndex)> =
            self.counting().filter_map(|(index, fact)| Some((index, owner_of(fact)?))).collect();
        for (index, owner) in retold {
            self.set(index, Standing::ToldBy(owner));
        }
    }

    /// Facts of which a correction that holds says that they did not occur.
    fn denied(&self) -> HashSet<FactIndex> {
        let corrected = self.standings.iter().enumerate();
        let denied = corrected.filter_map(|(index, standing)| match standing {
            Standing::Corrected(by) => {
                let kind = self.get(*by)?.number(path::CORRECTION_KIND);
                (kind == DID_NOT_OCCUR).then_some(index)
            }
            Standing::Counts
            | Standing::Test
            | Standing::Unknown
            | Standing::ToldBy(_)
            | Standing::Repeated(_) => None,
        });
        denied.collect()
    }

    fn judge_times(&mut self, times: Times) {
        let created = self
            .counting()
            .find(|(_, fact)| fact.kind == Kind::ORDER_CREATED && times.doubt(fact).is_none());
        let created_ns = created.map(|(_, fact)| fact.at_ns);
        let judged = self.all.iter().map(|fact| {
            let before = || {
                let created_ns = created_ns.filter(|_| fact.kind != Kind::ORDER_REQUESTED)?;
                times.is_before(fact, created_ns).then_some(Doubt::BeforeOrder { created_ns })
            };
            times.doubt(fact).or_else(before)
        });
        self.doubts = judged.collect();
    }
}

/// Number of the kind of a correction.
const DID_NOT_OCCUR: u64 = 1;

/// Under which names sources tell one fact: the fact's id, and the shipment's of what happened to
/// one.
fn told_as<'a>(fact: &Fact<'a>) -> [Option<&'a str>; 2] {
    let shipment = match fact.kind {
        Kind::SHIPMENT_CONFIRMED | Kind::SHIPMENT_REVERSED => fact.text(path::SHIPMENT_ID),
        _ => "",
    };
    [shipment, fact.fact_id].map(|name| (!name.is_empty()).then_some(name))
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
    let types = tally(facts.all.iter().map(|fact| fact.type_name));
    let sources = tally(facts.all.iter().map(|fact| fact.source));
    let types = types
        .into_iter()
        .map(|(name, count)| proto::EventTypeCount { r#type: name.to_owned(), count });
    let sources = sources
        .into_iter()
        .map(|(name, count)| proto::SourceCount { source: name.to_owned(), count });
    (types.collect(), sources.collect())
}

/// Few orders have more types of events, or sources.
const NAMES: usize = 16;

/// How often each name comes, sorted by name. Most names are few, and come in a row.
fn tally<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, u64)> {
    let mut counted: Vec<(&str, u64)> = Vec::with_capacity(names.size_hint().0.min(NAMES));
    let mut last = 0;
    for name in names {
        if counted.get(last).is_none_or(|(known, _)| *known != name) {
            let found = counted.binary_search_by(|(known, _)| (*known).cmp(name));
            last = found.unwrap_or_else(|place| {
                counted.insert(place, (name, 0));
                place
            });
        }
        if let Some((_, count)) = counted.get_mut(last) {
            *count += 1;
        }
    }
    counted
}
