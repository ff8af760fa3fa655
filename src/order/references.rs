//! The names under which an order is found: those in the list of each event, and those in
//! typed details. Does not know where they are indexed.

use super::facts::{FactIndex, Facts};
use super::names::ByName;
use crate::event::{Fact, FactReference, Kind, Path, path};
use crate::proto;
use crate::time::timestamp;

/// When a reference was in use: offsets, and times where any is plausible.
#[derive(Clone, Copy, Debug)]
struct Use {
    offsets: (u64, u64),
    times: Option<(i64, i64)>,
}

/// A reference whose event does not say who has given it.
#[derive(Clone, Copy, Debug)]
struct Orphan<'a> {
    fact: FactIndex,
    /// Its issuer is the source, which stands in where nobody knows better.
    reference: FactReference<'a>,
    /// The shipment whose carrier gave it. Empty: none.
    shipment_id: &'a str,
}

/// The references of an order and of the histories that it has linked, each once, sorted.
pub(crate) fn references_of(facts: &Facts<'_>) -> Vec<proto::OrderReference> {
    let mut found = Found { facts, uses: Vec::with_capacity(32), orphans: Vec::new() };
    for (index, fact) in facts.meant() {
        found.hear(index, fact);
    }
    if !found.orphans.is_empty() {
        found.adopt(&carriers_of(facts.meant().map(|(_, fact)| fact)));
    }
    let mut uses = found.uses;
    uses.sort_unstable_by_key(|(reference, _)| *reference);
    uses.dedup_by(|(other, its), (reference, one)| {
        let same = reference == other;
        if same {
            one.join(*its);
        }
        same
    });
    let uses = uses.into_iter().map(|(reference, one)| proto::OrderReference {
        reference: Some(proto::Reference {
            r#type: reference.kind.to_owned(),
            issuer: reference.issuer.to_owned(),
            value: reference.value.to_owned(),
            role: String::new(),
        }),
        first_offset: one.offsets.0,
        last_offset: one.offsets.1,
        first_at: one.times.map(|(first, _)| timestamp(first)),
        last_at: one.times.map(|(_, last)| timestamp(last)),
    });
    uses.collect()
}

/// The carriers of shipments, as said first.
fn carriers_of<'f, 'a: 'f>(facts: impl Iterator<Item = &'f Fact<'a>>) -> ByName<&'a str, &'a str> {
    let mut carriers = ByName::default();
    for fact in facts {
        let own = [path::SHIPMENT_ID, path::SHIPMENT_CARRIER];
        let of_package = [path::PACKAGE_SHIPMENT_ID, path::PACKAGE_CARRIER];
        for [shipment, carrier] in [own, of_package].map(|pair| pair.map(|path| fact.text(path))) {
            if !shipment.is_empty() && !carrier.is_empty() {
                carriers.first(shipment, carrier);
            }
        }
    }
    carriers
}

/// So many of the references that were heard last are looked at: events that follow each other
/// often carry the same ones.
const LAST: usize = 8;

struct Found<'f, 'a> {
    facts: &'f Facts<'a>,
    /// Some of them several times, until they are joined.
    uses: Vec<(FactReference<'a>, Use)>,
    /// Earliest first.
    orphans: Vec<Orphan<'a>>,
}

impl<'a> Found<'_, 'a> {
    fn hear(&mut self, index: FactIndex, fact: &Fact<'a>) {
        let (facts, uses, orphans) = (self.facts, &mut self.uses, &mut self.orphans);
        each_reference(fact, |reference, from| match from {
            From::Issuer => note(facts, uses, (index, reference)),
            From::Somebody { shipment_id } => {
                orphans.push(Orphan { fact: index, reference, shipment_id });
            }
        });
    }

    /// Gives each orphan the issuer by whom others know it, or else the carrier of its shipment, or
    /// else the source that named it first.
    fn adopt(&mut self, carriers: &ByName<&str, &'a str>) {
        let mut known: ByName<(&str, &str), &'a str> = ByName::default();
        for reference in self.uses.iter().map(|(one, _)| one).filter(|one| !one.issuer.is_empty()) {
            let name = (reference.kind, reference.value);
            if reference.issuer < known.first(name, reference.issuer) {
                known.set(name, reference.issuer);
            }
        }
        for orphan in std::mem::take(&mut self.orphans) {
            let FactReference { kind, value, issuer: source, .. } = orphan.reference;
            let carrier = carriers.get(orphan.shipment_id).copied().unwrap_or(source);
            let issuer = known.first((kind, value), carrier);
            let reference = FactReference { issuer, ..orphan.reference };
            note(self.facts, &mut self.uses, (orphan.fact, reference));
        }
    }
}

fn note<'a>(
    facts: &Facts<'a>,
    uses: &mut Vec<(FactReference<'a>, Use)>,
    (index, reference): (FactIndex, FactReference<'a>),
) {
    let (offset, at) = (facts.offset(index), facts.at_ns(index));
    let times = facts.is_plausible(index).then_some((at, at));
    let its = Use { offsets: (offset, offset), times };
    let mut last = uses.iter_mut().rev().take(LAST);
    match last.find(|(known, _)| *known == reference) {
        Some((_, known)) => known.join(its),
        None => uses.push((reference, its)),
    }
}

impl Use {
    fn join(&mut self, other: Self) {
        let (first, last) = other.offsets;
        self.offsets = (self.offsets.0.min(first), self.offsets.1.max(last));
        self.times = match (self.times, other.times) {
            (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        };
    }
}

/// Who has given a reference.
#[derive(Clone, Copy, Debug)]
enum From<'a> {
    /// The issuer that stands in it.
    Issuer,
    /// The event does not say. A carrier may have given it to a shipment.
    Somebody { shipment_id: &'a str },
}

/// Every reference of an event that something can be found by, without its role.
fn each_reference<'a>(fact: &Fact<'a>, mut each: impl FnMut(FactReference<'a>, From<'a>)) {
    for reference in fact.references {
        if !reference.kind.is_empty() && !reference.value.is_empty() {
            each(FactReference { role: "", ..*reference }, From::Issuer);
        }
    }
    let warehouse = fact.text(path::WAREHOUSE);
    let house = if warehouse.is_empty() { fact.source } else { warehouse };
    let shipment_id = first_of(fact, [path::SHIPMENT_ID, path::PACKAGE_SHIPMENT_ID]);
    let mut give = |kind: &'a str, issuer: &'a str, value: &'a str| {
        let nobody = issuer.is_empty() && kind != "sscc";
        let from = if nobody { From::Somebody { shipment_id } } else { From::Issuer };
        let issuer = if nobody { fact.source } else { issuer };
        if !value.is_empty() {
            each(FactReference { kind, issuer, value, role: "" }, from);
        }
    };
    if fact.has(path::CARTON_ID) {
        let carrier = fact.text(path::PACKAGE_CARRIER);
        give("carton", house, fact.text(path::CARTON_ID));
        give("sscc", "", fact.text(path::SSCC));
        give("tracking", carrier, fact.text(path::TRACKING_NUMBER));
        give("mother_tracking", carrier, fact.text(path::MOTHER_TRACKING_NUMBER));
        give("shipment", house, fact.text(path::PACKAGE_SHIPMENT_ID));
    }
    if fact.has(path::SHIPMENT_ID) {
        let carrier = fact.text(path::SHIPMENT_CARRIER);
        give("shipment", house, fact.text(path::SHIPMENT_ID));
        give("load", house, fact.text(path::LOAD_ID));
        give("bol", fact.source, fact.text(path::BOL));
        give("pro", carrier, fact.text(path::PRO));
        give("manifest", carrier, fact.text(path::MANIFEST_ID));
        fact.texts(path::TRACKING_NUMBERS).for_each(|number| give("tracking", carrier, number));
        fact.texts(path::CARTON_IDS).for_each(|carton| give("carton", house, carton));
    }
    if fact.has(path::OLD_TRACKING_NUMBER) {
        let carrier = fact.text(path::REASSIGNED_CARRIER);
        give("tracking", carrier, fact.text(path::OLD_TRACKING_NUMBER));
        give("tracking", carrier, fact.text(path::NEW_TRACKING_NUMBER));
    }
    give("release_no", house, fact.text(path::RELEASE_ID));
    give("wms_order", house, fact.text(path::WAREHOUSE_ORDER_ID));
    give("wave", house, fact.text(path::WAVE_ID));
    give("pick_task", house, fact.text(path::TASK_ID));
    give("invoice", fact.source, fact.text(path::INVOICE_NUMBER));
    // One authorization, whoever tells of it.
    give("rma", "", fact.text(path::RMA));
    if fact.has(path::RMA) {
        let tracking = fact.text(path::RETURN_TRACKING_NUMBER);
        give("return_tracking", fact.text(path::RETURN_CARRIER), tracking);
    }
    let document = fact.text(path::DOCUMENT_KIND);
    let goods_issue = matches!(fact.kind, Kind::GOODS_ISSUE_POSTED | Kind::GOODS_ISSUE_REVERSED);
    if !document.is_empty() || goods_issue {
        let kind = if document.is_empty() { "material_document" } else { document };
        give(kind, fact.source, fact.text(path::DOCUMENT_ID));
    }
}

fn first_of<'a>(fact: &Fact<'a>, paths: [Path; 2]) -> &'a str {
    let texts = paths.map(|path| fact.text(path));
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}
