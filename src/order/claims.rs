//! What sources say the status is, compared with the facts at that time, and what they say of facts
//! that others own. A claim moves nothing. Does not know what was counted.

use std::collections::HashMap;

use super::counter::Counter;
use super::facts::{FactIndex, Facts};
use super::fulfillment::Range;
use super::moves::counter_of;
use super::quantity::Quantity;
use super::words::{Dimension, Word};
use crate::event::{Fact, Kind, path};
use crate::proto::{Agreement, StatusDimension};

/// One claim.
#[derive(Clone, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) fact: FactIndex,
    /// `None`: the claim does not say which, or in no word of this version.
    pub(crate) dimension: Option<Dimension>,
    pub(crate) value: &'a str,
    pub(crate) low: &'a str,
    pub(crate) high: &'a str,
    pub(crate) code: &'a str,
    pub(crate) as_of_ns: i64,
    /// The end of the interval that is meant.
    until_ns: i64,
    pub(crate) agreement: Agreement,
    /// What the facts said at that time.
    pub(crate) facts: &'static str,
    /// The fact of its owner, where a fact is told with other quantities.
    pub(crate) owner: Option<FactIndex>,
    pub(crate) quantities: Vec<Difference<'a>>,
}

/// A quantity of which two sources tell different amounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference<'a> {
    pub(crate) line_id: &'a str,
    pub(crate) counter: Counter,
    pub(crate) claimed: Quantity,
    pub(crate) counted: Quantity,
}

impl Claim<'_> {
    /// What is claimed, in words.
    pub(crate) fn text(&self) -> String {
        match (self.value, self.low, self.high) {
            ("", "", "") => self.code.to_owned(),
            ("", low, high) => format!("{low} to {high}"),
            (value, ..) => value.to_owned(),
        }
    }
}

/// The claims of an order, earliest first; `range_at` says what the facts were at a time.
pub(crate) fn claims_of<'a>(
    facts: &Facts<'a>,
    mut range_at: impl FnMut(Dimension, i64) -> Range,
) -> Vec<Claim<'a>> {
    let mut claims: Vec<Claim<'a>> = Vec::new();
    for (index, fact) in facts.counting().filter(|(_, fact)| fact.kind == Kind::STATUS_ASSERTED) {
        let dimension = i32::try_from(fact.number(path::ASSERTED_DIMENSION)).ok();
        let dimension = dimension.and_then(|number| StatusDimension::try_from(number).ok());
        let as_of = fact.time_ns(path::ASSERTED_AS_OF);
        claims.push(Claim {
            fact: index,
            dimension: dimension.and_then(Dimension::of),
            value: fact.text(path::ASSERTED_VALUE),
            low: fact.text(path::ASSERTED_LOW),
            high: fact.text(path::ASSERTED_HIGH),
            code: fact.text(path::ASSERTED_CODE),
            as_of_ns: as_of.unwrap_or(fact.at_ns),
            until_ns: as_of.unwrap_or_else(|| facts.until_ns(index)),
            agreement: Agreement::NotComparable,
            facts: "",
            owner: None,
            quantities: Vec::new(),
        });
    }
    // The newest of each source and dimension.
    let key =
        |claim: &Claim<'a>| (claim.dimension, facts.get(claim.fact).map_or("", |fact| fact.source));
    let mut newest: HashMap<_, (i64, FactIndex)> = HashMap::new();
    for claim in &claims {
        let known = newest.entry(key(claim)).or_insert((i64::MIN, 0));
        *known = (*known).max((claim.as_of_ns, claim.fact));
    }
    for place in 0..claims.len() {
        let Some(claim) = claims.get(place) else { continue };
        let superseded = newest.get(&key(claim)) != Some(&(claim.as_of_ns, claim.fact));
        let comparable =
            claim.dimension.and_then(|dimension| Some((dimension, said_of(dimension, claim)?)));
        let (agreement, word) = match comparable {
            _ if claim.dimension.is_some() && superseded => (Agreement::Superseded, ""),
            Some((dimension, said)) => {
                let mut compared = |at_ns| {
                    let range = range_at(dimension, at_ns);
                    (compare(dimension, said, range), dimension.text(range.word))
                };
                let end = compared(claim.until_ns);
                let begin = (end.0 == Agreement::Contradicts && claim.as_of_ns < claim.until_ns)
                    .then(|| compared(claim.as_of_ns));
                begin.filter(|(agreement, _)| *agreement == Agreement::Agrees).unwrap_or(end)
            }
            None => (Agreement::NotComparable, ""),
        };
        if let Some(claim) = claims.get_mut(place) {
            (claim.agreement, claim.facts) = (agreement, word);
        }
    }
    claims.extend(retold(facts));
    claims.sort_by_key(|claim| claim.fact);
    claims
}

/// Facts that their owners tell with other quantities.
fn retold<'a>(facts: &Facts<'a>) -> impl Iterator<Item = Claim<'a>> {
    facts.retold().filter_map(|(index, owner)| {
        let (copy, original) = (facts.get(index)?, facts.get(owner)?);
        let quantities = differences(copy, original);
        let claim = Claim {
            fact: index,
            dimension: Some(Dimension::of_group(copy.group()?)),
            value: "",
            low: "",
            high: "",
            code: "",
            as_of_ns: copy.at_ns,
            until_ns: copy.at_ns,
            agreement: Agreement::Contradicts,
            facts: "",
            owner: Some(owner),
            quantities,
        };
        (!claim.quantities.is_empty()).then_some(claim)
    })
}

/// Lines of which a copy of a fact tells another quantity, where both name lines.
fn differences<'a>(copy: &Fact<'a>, original: &Fact<'a>) -> Vec<Difference<'a>> {
    let Some(counter) = counter_of(copy.kind) else { return Vec::new() };
    let mut told: Vec<(&str, &str, bool, Quantity)> = Vec::new();
    for (fact, is_copy) in [(copy, true), (original, false)] {
        for line in fact.lines {
            let Some(quantity) = Quantity::of(line.quantity) else { return Vec::new() };
            told.push((line.line_id, line.unit, is_copy, quantity));
        }
    }
    if !copy.has_lines() || !original.has_lines() {
        return Vec::new();
    }
    told.sort_by_key(|(line_id, ..)| *line_id);
    let of_lines = told.chunk_by(|one, other| one.0 == other.0);
    let differences = of_lines.filter_map(|of_line| {
        let (line_id, unit, ..) = of_line.first()?;
        let same_unit = of_line.iter().all(|(_, other, ..)| other == unit);
        let sum_of = |copied: bool| -> Quantity {
            let its = of_line.iter().filter(|(_, _, is_copy, _)| *is_copy == copied);
            its.map(|(.., quantity)| *quantity).sum()
        };
        let (claimed, owned) = (sum_of(true), sum_of(false));
        let differs = same_unit && claimed != owned;
        differs.then_some(Difference { line_id, counter, claimed, counted: owned })
    });
    differences.collect()
}

/// What is claimed, in words of its side.
#[derive(Clone, Copy)]
struct Said {
    value: Option<Word>,
    low: Word,
    high: Word,
}

/// `None`: the claim says nothing in words of that side.
fn said_of(dimension: Dimension, claim: &Claim<'_>) -> Option<Said> {
    let said = |text: &str| -> Option<Option<Word>> {
        if text.is_empty() { Some(None) } else { dimension.word(text).map(Some) }
    };
    let (value, low, high) = (said(claim.value)?, said(claim.low)?, said(claim.high)?);
    let (low, high) = (low.or(value).or(high)?, high.or(value).or(low)?);
    Some(Said { value, low, high })
}

/// A claim agrees where it lies within what the facts say: the claimed word itself, or the stages
/// between low and high.
fn compare(dimension: Dimension, Said { value, low, high }: Said, range: Range) -> Agreement {
    let stage = |word: Word| {
        let text = dimension.text(word);
        text.strip_prefix("partially_").and_then(|stage| dimension.word(stage)).unwrap_or(word)
    };
    let exact = value == Some(range.word);
    // `partially_picked` says that some is picked and not all.
    let partial = value.is_some_and(|value| stage(value) != value);
    let within = stage(low) >= stage(range.low) && stage(high) <= stage(range.high);
    let spread = range.low != range.high;
    if exact || (within && (!partial || spread)) {
        Agreement::Agrees
    } else {
        Agreement::Contradicts
    }
}
