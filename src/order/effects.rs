//! What each event changed, in sentences for people. Does not know how a timeline is paged.

use std::collections::HashMap;

use super::History;
use super::counter::{ByCounter, Counter};
use super::facts::{FactIndex, Standing};
use super::folded::Folded;
use super::moves::Reach;
use super::policy::Policy;
use super::quantity::Quantity;
use super::words::Dimension;
use crate::event::{Fact, Heard, Kind, path};
use crate::proto::Agreement;

/// What each event of an order changed, by offset. An event that is not in it changed nothing.
pub(crate) fn effects(history: &History<'_>, policy: &Policy) -> HashMap<u64, Vec<String>> {
    let heard = Heard::of(history.events);
    effects_of(&Folded::of((history, &heard), policy))
}

/// The same of an order that is folded already.
pub(super) fn effects_of(folded: &Folded<'_>) -> HashMap<u64, Vec<String>> {
    let mut told = Told { folded, effects: HashMap::new() };
    told.standings();
    told.postings();
    told.marks();
    told.words();
    told.packages();
    told.holds();
    told.exceptions();
    told.claims();
    told.effects
}

struct Told<'f, 'a> {
    folded: &'f Folded<'a>,
    effects: HashMap<u64, Vec<String>>,
}

impl Told<'_, '_> {
    fn tell(&mut self, index: FactIndex, sentence: String) {
        let offset = self.folded.facts.offset(index);
        let sentences = self.effects.entry(offset).or_default();
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }

    fn name_of(&self, index: FactIndex) -> String {
        let fact = self.folded.facts.get(index);
        fact.map(|fact| format!("{}/{}", fact.source, fact.event_id)).unwrap_or_default()
    }

    fn standings(&mut self) {
        for index in 0..self.folded.facts.all.len() {
            let sentence = match self.folded.facts.standing(index) {
                Standing::Unknown => {
                    "a type that this ledger does not know: changes nothing".to_owned()
                }
                Standing::Counts => continue,
                Standing::Test => "a test message: does not count".to_owned(),
                Standing::Corrected(by) => {
                    format!("declared wrong by {}: does not count", self.name_of(by))
                }
                Standing::ToldBy(owner) => {
                    format!("the same fact as {}: counts once", self.name_of(owner))
                }
                Standing::Repeated(one) => {
                    let offset = self.folded.facts.offset(one);
                    format!("the same event as at offset {offset}: counts once")
                }
            };
            self.tell(index, sentence);
        }
    }

    /// Sums before and after, in the order of the timeline.
    fn postings(&mut self) {
        let lines = &self.folded.lines;
        let mut postings: Vec<_> = lines.postings.list.iter().collect();
        postings.sort_by_key(|posting| {
            let facts = &self.folded.facts;
            (facts.at_ns(posting.fact), facts.offset(posting.fact))
        });
        let mut sums: Vec<ByCounter<Quantity>> = vec![ByCounter::default(); lines.list.len()];
        for posting in postings {
            let Some(line) = lines.list.get(posting.line) else { continue };
            let name = super::rules::line_text(line.name.line_id);
            let counter = posting.counter;
            if !lines.counts(posting) {
                let (quantity, unit) = (posting.quantity, posting.unit);
                let sentence =
                    format!("{name}: {quantity} {unit} {} are not counted", counter.name());
                self.tell(posting.fact, sentence);
                continue;
            }
            let Some(sum) = sums.get_mut(posting.line).and_then(|sums| sums.slot(counter)) else {
                continue;
            };
            let before = *sum;
            *sum += posting.quantity;
            let of = match counter {
                Counter::ORDERED => String::new(),
                _ => format!(" of {}", line.ordered),
            };
            let after = *sum;
            let sentence = format!("{name}: {} {before} -> {after}{of}", counter.name());
            self.tell(posting.fact, sentence);
        }
    }

    fn marks(&mut self) {
        let lines = &self.folded.lines;
        for mark in lines.postings.marks.iter().filter(|mark| !mark.undone) {
            let line = mark.line.and_then(|line| lines.list.get(line));
            let name = super::rules::line_text(line.map_or("", |line| line.name.line_id));
            let reached = match mark.reach {
                Reach::Lift(stage) => Dimension::Fulfillment.text(stage.word()),
                Reach::Whole(counter) => counter.name(),
            };
            self.tell(mark.fact, format!("{name}: {reached}"));
        }
    }

    fn words(&mut self) {
        let folded = self.folded;
        for (index, fact) in folded.facts.counting() {
            let sentence = match fact.kind {
                Kind::ORDER_ACCEPTED => "order accepted".to_owned(),
                Kind::ORDER_REJECTED => "order rejected".to_owned(),
                Kind::ORDER_CLOSED => "order closed".to_owned(),
                Kind::ORDER_REOPENED => "order reopened".to_owned(),
                Kind::ORDER_CANCEL_REQUESTED => "cancellation requested".to_owned(),
                Kind::ORDER_CANCEL_REJECTED => "cancellation refused".to_owned(),
                Kind::EVENT_CORRECTED => corrected(fact),
                _ => match fact.type_name.strip_prefix("return.") {
                    Some(state) => format!("return {} {state}", fact.text(path::RMA)),
                    None => continue,
                },
            };
            self.tell(index, sentence.replace("  ", " "));
        }
    }

    fn packages(&mut self) {
        let folded = self.folded;
        let name = |place: usize| {
            let package = folded.packages.list.get(place);
            let id = package.map(super::packages::Package::package_id).unwrap_or_default();
            if id.is_empty() { "packages".to_owned() } else { format!("package {id}") }
        };
        for (place, moved) in &folded.shipping.moves {
            let text = |word| Dimension::Shipment.text(word);
            let (before, after) = (text(moved.before), text(moved.after));
            self.tell(moved.fact, format!("{}: {before} -> {after}", name(*place)));
        }
        for (place, index, stage) in &folded.shipping.regressions {
            let stage = Dimension::Shipment.text(*stage);
            self.tell(*index, format!("{} stays {stage}", name(*place)));
        }
    }

    fn holds(&mut self) {
        let folded = self.folded;
        for hold in &folded.holds {
            for index in &hold.placed {
                self.tell(*index, format!("hold {} opened", hold.hold_id));
            }
            for index in &hold.released {
                let facts = &folded.facts;
                let placed = hold.placed.iter().any(|placed| facts.may_follow(*index, *placed));
                let sentence = if placed {
                    format!("hold {} closed", hold.hold_id)
                } else {
                    format!("hold {} was not open", hold.hold_id)
                };
                self.tell(*index, sentence);
            }
        }
    }

    fn exceptions(&mut self) {
        for exception in &self.folded.exceptions {
            let name = match exception.code {
                "" | super::reason::UNKNOWN => exception.exception_id.clone(),
                code => format!("{code} ({})", exception.exception_id),
            };
            self.tell(exception.raised, format!("exception {name} opened"));
            if let Some(resolved) = exception.resolved {
                self.tell(resolved, format!("exception {name} closed"));
            }
        }
    }

    fn claims(&mut self) {
        for claim in &self.folded.claims {
            for one in &claim.quantities {
                let line = super::rules::line_text(one.line_id);
                let (counter, claimed) = (one.counter.name(), one.claimed);
                let sentence = format!("{line}: claims {counter} {claimed}, not {}", one.counted);
                self.tell(claim.fact, sentence);
            }
            if claim.owner.is_some() {
                continue;
            }
            let side = claim.dimension.map_or("the status", Dimension::name);
            let verdict = match claim.agreement {
                Agreement::Agrees => "the facts agree".to_owned(),
                Agreement::Contradicts => format!("the facts say {}", claim.facts),
                Agreement::Superseded => "its source has said otherwise since".to_owned(),
                Agreement::NotComparable | Agreement::Unspecified => "not comparable".to_owned(),
            };
            let sentence = format!("claims {side} to be {}: {verdict}", claim.text());
            self.tell(claim.fact, sentence);
        }
    }
}

fn corrected(fact: &Fact<'_>) -> String {
    let source = fact.text(path::CORRECTED_SOURCE);
    let source = if source.is_empty() { fact.source } else { source };
    format!("declares {source}/{} wrong", fact.text(path::CORRECTED_EVENT_ID))
}
