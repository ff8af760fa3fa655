//! Shipments: what is said of each, and where its packages are. Does not know lines.

use super::folded::Folded;
use super::names::{ByName, Names};
use super::packages::Package;
use super::shipment::range_of;
use super::show::{Shown, words};
use super::words::{Dimension, Word};
use crate::event::{Fact, path};
use crate::proto;

/// The shipments of an order, in the order in which they appeared.
pub(crate) fn shipments_of(folded: &Folded<'_>) -> Vec<proto::Shipment> {
    let shown = Shown { folded };
    let mut places: Names<&str> = Names::default();
    let mut shipments: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, fact) in folded.facts.counting() {
        if !fact.has(path::SHIPMENT_ID) && !fact.has(path::PACKAGE_SHIPMENT_ID) {
            continue;
        }
        let mut ids = [path::SHIPMENT_ID, path::PACKAGE_SHIPMENT_ID].map(|path| fact.text(path));
        if ids.first() == ids.last() {
            ids = [ids.first().copied().unwrap_or_default(), ""];
        }
        for id in ids.into_iter().filter(|id| !id.is_empty()) {
            let (place, _) = places.number(id);
            match shipments.get_mut(place) {
                Some((_, facts)) => facts.push(index),
                None => shipments.push((id, vec![index])),
            }
        }
    }
    let mut packages_of: ByName<&str, Vec<(&Package<'_>, Word)>> = ByName::default();
    for (package, place) in folded.packages.list.iter().zip(&folded.shipping.packages) {
        packages_of.push(package.shipment_id, (package, place.stage));
    }
    let shown = shipments.into_iter().map(|(shipment_id, facts)| {
        let said = |path| {
            let texts = facts.iter().rev().filter_map(|index| folded.facts.get(*index));
            let mut texts = texts.map(|fact| Fact::text(fact, path));
            texts.find(|text| !text.is_empty()).unwrap_or_default().to_owned()
        };
        let packages = packages_of.get(shipment_id).map_or(&[][..], Vec::as_slice);
        let range = range_of(packages.iter().map(|(_, stage)| *stage));
        let voided = Dimension::Shipment.word("voided").unwrap_or(Word(0));
        let named = packages.iter().map(|(package, _)| package).filter(|one| one.is_named());
        proto::Shipment {
            shipment_id: shipment_id.to_owned(),
            carrier: said(path::SHIPMENT_CARRIER),
            service: said(path::SHIPMENT_SERVICE),
            bol: said(path::BOL),
            pro: said(path::PRO),
            load_id: said(path::LOAD_ID),
            manifest_id: said(path::MANIFEST_ID),
            package_ids: named.map(|package| package.package_id()).collect(),
            shipment: Some(words(Dimension::Shipment, range)),
            reversed: !packages.is_empty() && range.word == voided,
            offsets: shown.offsets(facts),
        }
    });
    shown.collect()
}
