//! The names under which an order is found: those in the list of each event, and those in
//! typed details. Does not know where they are indexed.

use std::collections::HashMap;

use super::facts::Facts;
use crate::event::{Fact, FactReference, path};
use crate::proto;
use crate::time::timestamp;

/// A reference, and when it was in use.
#[derive(Clone, Copy, Debug)]
struct Use {
    offsets: (u64, u64),
    times: (i64, i64),
}

/// The references of an order, each once, sorted. `own` leaves out what linked histories carry.
pub(crate) fn references_of(facts: &Facts<'_>, own: Option<&str>) -> Vec<proto::OrderReference> {
    let mut uses: HashMap<FactReference<'_>, Use> = HashMap::with_capacity(16);
    for fact in &facts.all {
        if own.is_some_and(|own| fact.recorded.event.correlation_id() != own) {
            continue;
        }
        let (offset, at) = (fact.offset(), fact.at_ns);
        each_reference(fact, |reference| {
            let one =
                uses.entry(reference).or_insert(Use { offsets: (offset, offset), times: (at, at) });
            one.offsets = (one.offsets.0.min(offset), one.offsets.1.max(offset));
            one.times = (one.times.0.min(at), one.times.1.max(at));
        });
    }
    let mut uses: Vec<(FactReference<'_>, Use)> = uses.into_iter().collect();
    uses.sort_unstable_by_key(|(reference, _)| *reference);
    let uses = uses.into_iter().map(|(reference, one)| proto::OrderReference {
        reference: Some(proto::Reference {
            r#type: reference.kind.to_owned(),
            issuer: reference.issuer.to_owned(),
            value: reference.value.to_owned(),
            role: String::new(),
        }),
        first_offset: one.offsets.0,
        last_offset: one.offsets.1,
        first_at: Some(timestamp(one.times.0)),
        last_at: Some(timestamp(one.times.1)),
    });
    uses.collect()
}

/// Every reference of an event that something can be found by, without its role.
fn each_reference<'a>(fact: &Fact<'a>, mut each: impl FnMut(FactReference<'a>)) {
    for reference in fact.references() {
        if !reference.kind.is_empty() && !reference.value.is_empty() {
            each(FactReference { role: "", ..reference });
        }
    }
    let warehouse = fact.text(path::WAREHOUSE);
    let house = if warehouse.is_empty() { fact.source } else { warehouse };
    let carrier = |path| {
        let carrier = fact.text(path);
        if carrier.is_empty() { fact.source } else { carrier }
    };
    let mut give = |kind: &'a str, issuer: &'a str, value: &'a str| {
        if !value.is_empty() {
            each(FactReference { kind, issuer, value, role: "" });
        }
    };
    if fact.has(path::CARTON_ID) {
        let carrier = carrier(path::PACKAGE_CARRIER);
        give("carton", house, fact.text(path::CARTON_ID));
        give("sscc", "", fact.text(path::SSCC));
        give("tracking", carrier, fact.text(path::TRACKING_NUMBER));
        give("mother_tracking", carrier, fact.text(path::MOTHER_TRACKING_NUMBER));
        give("shipment", house, fact.text(path::PACKAGE_SHIPMENT_ID));
    }
    if fact.has(path::SHIPMENT_ID) {
        let carrier = carrier(path::SHIPMENT_CARRIER);
        give("shipment", house, fact.text(path::SHIPMENT_ID));
        give("load", house, fact.text(path::LOAD_ID));
        give("bol", fact.source, fact.text(path::BOL));
        give("pro", carrier, fact.text(path::PRO));
        give("manifest", carrier, fact.text(path::MANIFEST_ID));
        fact.texts(path::TRACKING_NUMBERS).for_each(|number| give("tracking", carrier, number));
        fact.texts(path::CARTON_IDS).for_each(|carton| give("carton", house, carton));
    }
    if fact.has(path::OLD_TRACKING_NUMBER) {
        let carrier = carrier(path::REASSIGNED_CARRIER);
        give("tracking", carrier, fact.text(path::OLD_TRACKING_NUMBER));
        give("tracking", carrier, fact.text(path::NEW_TRACKING_NUMBER));
    }
    give("release_no", house, fact.text(path::RELEASE_ID));
    give("wms_order", house, fact.text(path::WAREHOUSE_ORDER_ID));
    give("wave", house, fact.text(path::WAVE_ID));
    give("pick_task", house, fact.text(path::TASK_ID));
    give("invoice", fact.source, fact.text(path::INVOICE_NUMBER));
    give("rma", fact.source, fact.text(path::RMA));
    if fact.has(path::RMA) {
        let tracking = fact.text(path::RETURN_TRACKING_NUMBER);
        give("return_tracking", carrier(path::RETURN_CARRIER), tracking);
    }
    let document = fact.text(path::DOCUMENT_KIND);
    let goods_issue = fact.type_name().starts_with("goods_issue.");
    if !document.is_empty() || goods_issue {
        let kind = if document.is_empty() { "material_document" } else { document };
        give(kind, fact.source, fact.text(path::DOCUMENT_ID));
    }
}
