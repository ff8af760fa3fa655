//! The situations that a demo promises to contain. Does not know at which rates.

use std::collections::{HashMap, HashSet};

use super::{EVENTS, by_order, occurred_at_ns};
use crate::proto::{CorrectionKind, OrderEvent, TimePrecision};

/// How many orders have an event of the type.
fn orders_with(events: &[OrderEvent], event_type: &str) -> usize {
    let told = events.iter().filter(|event| event.r#type == event_type);
    told.map(|event| &event.correlation_id).collect::<HashSet<_>>().len()
}

fn assert_told(events: &[OrderEvent], what: &str, is_it: impl Fn(&OrderEvent) -> bool) {
    assert!(events.iter().any(is_it), "never told: {what}");
}

#[test]
fn some_streams_start_in_the_middle() {
    let events = &**EVENTS;
    let without = 2_000 - orders_with(events, "order.created");
    assert!((5..=60).contains(&without), "{without}");
}

#[test]
fn goods_run_short_and_follow_or_do_not() {
    let events = &**EVENTS;
    for triggered in [Some(true), Some(false), None] {
        assert_told(events, "a short", |event| {
            event.short.as_ref().is_some_and(|short| short.backorder_triggered == triggered)
        });
    }
    for event_type in
        ["line.backordered", "backorder.released", "line.short_closed", "line.substituted"]
    {
        assert!(orders_with(events, event_type) > 0, "{event_type}");
    }
    let twice_shipped = by_order(events).values().any(|told| {
        let shipments: HashSet<&str> =
            told.iter().filter_map(|event| Some(&*event.shipment.as_ref()?.shipment_id)).collect();
        shipments.iter().filter(|id| !id.is_empty()).count() > 1
    });
    assert!(twice_shipped);
}

#[test]
fn orders_are_held_for_credit_and_fraud_and_released_one_by_one_or_at_once() {
    let events = &**EVENTS;
    for kind in ["credit", "fraud"] {
        for event_type in ["hold.placed", "hold.released"] {
            assert_told(events, kind, |event| {
                event.r#type == event_type
                    && event.hold.as_ref().is_some_and(|hold| hold.kind == kind)
            });
        }
    }
    assert_told(events, "all", |event| event.hold.as_ref().is_some_and(|hold| hold.all));
    let several = by_order(events)
        .values()
        .any(|told| told.iter().filter(|event| event.r#type == "hold.placed").count() > 1);
    assert!(several);
}

#[test]
fn customers_cancel_in_time_or_too_late() {
    let events = &**EVENTS;
    let orders = by_order(events);
    let follows = |told: &Vec<&OrderEvent>, answer: &str| {
        told.iter().any(|event| event.r#type == "order.cancel_requested")
            && told.iter().any(|event| event.r#type == answer)
    };
    for answer in ["order.cancelled", "order.cancel_rejected", "shipment.confirmed"] {
        assert!(orders.values().any(|told| follows(told, answer)), "{answer}");
    }
    let shipped_after_cancel = orders
        .values()
        .filter(|told| follows(told, "order.cancelled"))
        .any(|told| told.iter().any(|event| event.r#type == "shipment.confirmed"));
    assert!(shipped_after_cancel);
}

#[test]
fn what_was_done_or_told_is_taken_back() {
    let events = &**EVENTS;
    for event_type in [
        "allocation.reversed",
        "pick.reversed",
        "shipment.reversed",
        "invoice.reversed",
        "label.voided",
        "warehouse.rejected",
        "order.rejected",
        "order.line_cancelled",
    ] {
        assert!(orders_with(events, event_type) > 0, "{event_type}");
    }
    for kind in [CorrectionKind::DidNotOccur, CorrectionKind::IncorrectData] {
        assert_told(events, "a correction", |event| {
            event.correction.as_ref().is_some_and(|correction| correction.kind() == kind)
        });
    }
}

#[test]
fn a_correction_names_an_event_of_its_order() {
    let events = &**EVENTS;
    for told in by_order(events).values() {
        for correction in told.iter().filter_map(|event| event.correction.as_ref()) {
            assert!(told.iter().any(|event| event.event_id == correction.target_event_id));
        }
    }
}

#[test]
fn the_erp_claims_and_at_times_contradicts_the_facts() {
    let events = &**EVENTS;
    for value in ["shipped", "released"] {
        assert_told(events, value, |event| {
            event.asserted.as_ref().is_some_and(|asserted| asserted.value == value)
        });
    }
}

#[test]
fn the_partner_knows_the_day_only_and_every_warehouse_has_its_own_offset() {
    let events = &**EVENTS;
    for event in events {
        let by_date = event.source == "3pl:parcelpoint" && event.r#type == "shipment.confirmed";
        assert_eq!(event.occurred_at_precision() == TimePrecision::Day, by_date);
    }
    let offsets: HashSet<i32> = events
        .iter()
        .filter(|event| event.source.starts_with("wms:") || event.source.starts_with("3pl:"))
        .filter_map(|event| event.utc_offset_minutes)
        .collect();
    assert_eq!(offsets, HashSet::from([-360, -420, 60, -480]));
}

#[test]
fn one_fact_is_told_of_several_orders_with_one_content() {
    let events = &**EVENTS;
    let mut facts: HashMap<(&str, &str), Vec<&OrderEvent>> = HashMap::new();
    for event in events.iter().filter(|event| !event.fact_id.is_empty()) {
        facts.entry((&event.source, &event.fact_id)).or_default().push(event);
    }
    for event_type in ["wave.released", "dispatch.proofed", "shipment.delivered"] {
        let of_several = facts.values().any(|told| {
            told.iter().map(|event| &event.correlation_id).collect::<HashSet<_>>().len() > 1
                && told.iter().all(|event| event.r#type == event_type)
        });
        assert!(of_several, "{event_type}");
    }
    for told in facts.values() {
        let kinds: HashSet<_> =
            told.iter().map(|event| (&event.r#type, occurred_at_ns(event))).collect();
        assert_eq!(kinds.len(), 1, "{told:?}");
    }
}

#[test]
fn invoices_come_after_the_goods_or_in_advance_and_customers_send_goods_back() {
    let events = &**EVENTS;
    let in_advance = by_order(events).values().any(|told| {
        let at = |event_type| {
            told.iter()
                .filter(|event| event.r#type == event_type)
                .map(|event| occurred_at_ns(event))
                .min()
        };
        at("invoice.posted")
            .zip(at("shipment.confirmed"))
            .is_some_and(|(invoiced, shipped)| invoiced < shipped)
    });
    assert!(in_advance);
    for event_type in
        ["delivery.attempt_failed", "shipment.cost_posted", "return.initiated", "return.received"]
    {
        assert!(orders_with(events, event_type) > 0, "{event_type}");
    }
}

#[test]
fn every_shipment_has_lines_and_adds_to_them() {
    let events = &**EVENTS;
    for event in events.iter().filter(|event| event.r#type == "shipment.confirmed") {
        assert!(!event.lines.is_empty(), "{}", event.event_id);
        assert!(event.lines.iter().all(|line| !line.quantity.starts_with('-')));
    }
}
