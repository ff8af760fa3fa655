//! What a demo promises. Does not know how it is kept.

mod situations;

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;

use super::Demo;
use crate::proto::OrderEvent;
use crate::time::{NANOS_PER_SECOND, ns_from_parts};

/// The events of 2,000 orders.
static EVENTS: LazyLock<Vec<OrderEvent>> = LazyLock::new(|| events(2_000, 1));

fn events(orders: u64, seed: u64) -> Vec<OrderEvent> {
    Demo { orders, seed }.events().collect()
}

fn occurred_at_ns(event: &OrderEvent) -> i64 {
    let at = event.occurred_at.unwrap();
    ns_from_parts(at.seconds, at.nanos).unwrap()
}

fn by_order(events: &[OrderEvent]) -> HashMap<&str, Vec<&OrderEvent>> {
    let mut orders: HashMap<&str, Vec<&OrderEvent>> = HashMap::new();
    for event in events {
        orders.entry(&event.correlation_id).or_default().push(event);
    }
    orders
}

#[test]
fn the_same_seed_gives_identical_events() {
    let encoded = |seed| -> Vec<Vec<u8>> {
        events(100, seed).iter().map(OrderEvent::encode_to_vec).collect()
    };
    assert_eq!(encoded(7), encoded(7));
    assert_ne!(encoded(7), encoded(8));
}

#[test]
fn every_event_is_valid() {
    for event in &*EVENTS {
        crate::Event::new(event).unwrap_or_else(|violations| panic!("{event:?}: {violations:?}"));
    }
}

#[test]
fn every_type_is_in_the_catalogue() {
    for event in &*EVENTS {
        assert!(crate::event_type(&event.r#type).is_some(), "{}", event.r#type);
    }
}

#[test]
fn there_are_as_many_orders_as_asked_for() {
    for orders in [0, 1, 100, 2_000] {
        assert_eq!(crate::num::u64_from(by_order(&events(orders, 3)).len()), orders);
    }
}

#[test]
fn orders_are_told_in_detail_and_some_at_length() {
    let events = &*EVENTS;
    assert!((10 * 2_000..=16 * 2_000).contains(&events.len()), "{} events", events.len());
    assert!(by_order(events).values().any(|told| told.len() >= 60));
}

#[test]
fn the_first_orders_are_entered_in_january_2026() {
    let first = EVENTS.iter().map(occurred_at_ns).min().unwrap();
    let last = EVENTS.iter().map(occurred_at_ns).max().unwrap();
    let day = 24 * 3_600 * NANOS_PER_SECOND;
    assert!(first >= super::clock::START - day);
    assert!(last <= super::clock::START + 60 * day);
}

#[test]
fn about_one_event_in_ten_comes_behind_a_newer_one_of_its_order() {
    let events = &*EVENTS;
    let mut late = 0;
    for told in by_order(events).values() {
        let mut newest = i64::MIN;
        for at in told.iter().map(|event| occurred_at_ns(event)) {
            late += usize::from(at < newest);
            newest = newest.max(at);
        }
    }
    let per_mille = late * 1_000 / events.len();
    assert!((80..=120).contains(&per_mille), "{per_mille}");
}

#[test]
fn a_few_events_come_twice_and_then_exactly_alike() {
    let events = &*EVENTS;
    let mut first: HashMap<[&str; 3], &OrderEvent> = HashMap::new();
    let mut again = 0;
    for event in events {
        let identity = [&*event.correlation_id, &event.source, &event.event_id];
        if let Some(earlier) = first.insert(identity, event) {
            assert_eq!(earlier.encode_to_vec(), event.encode_to_vec());
            again += 1;
        }
    }
    let per_100_000 = again * 100_000 / events.len();
    assert!((300..=500).contains(&per_100_000), "{per_100_000}");
}
