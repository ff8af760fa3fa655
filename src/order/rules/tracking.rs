//! Rules about packages and shipments. Does not know quantities of the order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Case, Findings, time_text};
use crate::event::{Fact, Kind, path};
use crate::order::counter::Counter;
use crate::order::facts::FactIndex;
use crate::order::quantity::Quantity;
use crate::order::words::Dimension;

pub(super) fn check(case: &Case<'_, '_>, findings: &mut Findings) {
    let folded = case.folded;
    for (number, facts) in &folded.packages.shared_numbers {
        let what = format!("tracking number {number} is in use for {} packages", facts.len());
        findings.note("R19", what, facts.clone());
    }
    for (place, index, before) in &folded.shipping.regressions {
        let Some(fact) = folded.facts.get(*index) else { continue };
        let package = folded.packages.list.get(*place);
        let package = package.map(crate::order::packages::Package::package_id).unwrap_or_default();
        let what = format!(
            "{} at {} came after package {package} was {}",
            fact.type_name,
            time_text(fact.at_ns),
            Dimension::Shipment.text(*before)
        );
        findings.note("R18", what, vec![*index]);
    }
    delivered_first(case, findings);
    duplicates(case, findings);
}

/// R10: delivered before anybody shipped it or took it over.
fn delivered_first(case: &Case<'_, '_>, findings: &mut Findings) {
    let facts = &case.folded.facts;
    let shipping = [Kind::SHIPMENT_CONFIRMED, Kind::DISPATCH_PROOFED, Kind::CARRIER_PICKED_UP];
    let mut noted: Vec<FactIndex> = Vec::new();
    for package in &case.folded.packages.list {
        let of_package = || {
            let its = package.facts.iter().filter(|index| facts.is_plausible(**index));
            its.filter_map(|index| Some((*index, facts.get(*index)?)))
        };
        let delivered = of_package().find(|(_, fact)| fact.kind == Kind::SHIPMENT_DELIVERED);
        let shipped = of_package().find(|(_, fact)| shipping.contains(&fact.kind));
        let (Some((index, delivered)), Some((by, shipped))) = (delivered, shipped) else {
            continue;
        };
        if facts.is_before(index, by) && !noted.contains(&index) {
            noted.push(index);
            let what = format!(
                "delivered at {}, before {} at {}",
                time_text(delivered.at_ns),
                shipped.type_name,
                time_text(shipped.at_ns)
            );
            findings.note("R10", what, vec![index, by]);
        }
    }
}

/// R22: the same goods under the same number, told twice with other ids.
fn duplicates(case: &Case<'_, '_>, findings: &mut Findings) {
    let shipments = case.folded.facts.counting();
    let shipments: Vec<(FactIndex, &Fact<'_>)> = shipments
        .filter(|(_, fact)| fact.kind == Kind::SHIPMENT_CONFIRMED && fact.has_lines())
        .collect();
    if shipments.len() < 2 {
        return;
    }
    let mut net: HashMap<&str, Quantity> = HashMap::new();
    let postings = case.folded.lines.postings.list.iter();
    for posting in postings.filter(|one| one.counter == Counter::SHIPPED) {
        *net.entry(posting.thing).or_default() += posting.quantity;
    }
    // What was taken back is no duplicate of what went out again.
    let stands = |fact: &Fact<'_>| {
        let shipment = fact.text(path::SHIPMENT_ID);
        shipment.is_empty() || net.get(shipment).is_none_or(|net| net.is_positive())
    };
    let mut known: HashMap<_, (FactIndex, &Fact<'_>)> = HashMap::new();
    for (index, fact) in shipments.into_iter().filter(|(_, fact)| stands(fact)) {
        let names = names_of(fact);
        if names.is_empty() {
            continue;
        }
        let text = names.join(", ");
        match known.entry((names, contents_of(fact))) {
            Entry::Vacant(entry) => {
                entry.insert((index, fact));
            }
            Entry::Occupied(entry) => {
                let (before, other) = *entry.get();
                let (one, second) = (shipment_text(other), shipment_text(fact));
                let what = format!("{one} and {second} confirm the same goods under {text}");
                findings.note("R22", what, vec![before, index]);
            }
        }
    }
}

fn shipment_text<'a>(fact: &Fact<'a>) -> &'a str {
    let shipment = fact.text(path::SHIPMENT_ID);
    if shipment.is_empty() { fact.event_id } else { shipment }
}

fn names_of<'a>(fact: &Fact<'a>) -> Vec<&'a str> {
    let own = fact.text(path::TRACKING_NUMBER);
    let mut names: Vec<&str> = fact.texts(path::TRACKING_NUMBERS).chain([own]).collect();
    names.retain(|name| !name.is_empty());
    if names.is_empty() {
        names.push(fact.text(path::SHIPMENT_ID));
    }
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

fn contents_of<'a>(fact: &Fact<'a>) -> Vec<(&'a str, Option<Quantity>)> {
    let lines = fact.lines.iter().map(|line| (line.line_id, Quantity::of(line.quantity)));
    let mut contents: Vec<_> = lines.collect();
    contents.sort_unstable();
    contents
}
