//! States of the past: what is answered is the fold of exactly the events that qualify, for every
//! prefix of a history, both clocks and all their combinations. Does not know the rules of the fold.

use order_ledger::demo::Demo;
use order_ledger::proto::{self, OrderEvent, OrderRelation, OrderRelationKind, Reference};
use order_ledger::{
    AsOf, Batch, Event, History, Ledger, Order, Policy, RecordedEvent, TimelineQuery, fold,
};

use crate::found::replay;
use crate::simulated_disk::SimulatedDisk;
use crate::support::open;
use crate::workload::open_on;

const SECOND: i64 = 1_000_000_000;

/// Whether the log had an entry at the time of a question, and which of those had occurred.
fn was_recorded(as_of: AsOf, recorded: &RecordedEvent) -> bool {
    as_of.offset.is_none_or(|offset| recorded.offset < offset)
        && as_of.recorded_at_ns.is_none_or(|latest| recorded.recorded_at_ns <= latest)
}

fn had_occurred(as_of: AsOf, recorded: &RecordedEvent) -> bool {
    let occurred_at = recorded.event.occurred_at_ns();
    let at = occurred_at.unwrap_or_else(|| i64::try_from(recorded.recorded_at_ns).unwrap());
    as_of.occurred_at_ns.is_none_or(|latest| at <= latest)
}

/// What else counts for an order: histories that it links and what others say, from the log at the
/// time of the question.
type Related<'r> =
    &'r dyn Fn(&str, &[RecordedEvent], AsOf) -> (Vec<String>, Vec<proto::RelatedOrder>);

fn expected(all: &[RecordedEvent], name: &str, as_of: AsOf, related: Related<'_>) -> Order {
    let below: Vec<RecordedEvent> =
        all.iter().filter(|one| was_recorded(as_of, one)).cloned().collect();
    let count = |list: &[&RecordedEvent]| u64::try_from(list.len()).unwrap();
    let of = |name: &str| -> Vec<&RecordedEvent> {
        below.iter().filter(|one| one.event.correlation_id() == name).collect()
    };
    let (histories, incoming) = related(name, &below, as_of);
    let mut events = of(name);
    let revision = count(&events);
    for history in histories {
        events.extend(of(&history));
    }
    let events: Vec<RecordedEvent> =
        events.into_iter().filter(|one| had_occurred(as_of, one)).cloned().collect();
    let history = History { correlation_id: name, events: &events, incoming: &incoming };
    let state = proto::Order { revision, ..fold(&history, &Policy::default()) };
    Order { state, basis: u64::try_from(below.len()).unwrap() }
}

/// No order here has to do with another one.
fn alone(_: &str, _: &[RecordedEvent], _: AsOf) -> (Vec<String>, Vec<proto::RelatedOrder>) {
    (Vec::new(), Vec::new())
}

fn check(
    (ledger, all): (&Ledger, &[RecordedEvent]),
    name: &str,
    as_of: AsOf,
    related: Related<'_>,
) {
    let order = ledger.get_order(name, as_of).unwrap();
    let expected = expected(all, name, as_of, related);
    assert_eq!(order.basis, expected.basis, "{name} {as_of:?}");
    assert_eq!(order.state, expected.state, "{name} {as_of:?}");
    let query = TimelineQuery { as_of, ..TimelineQuery::of(name) };
    let timeline = ledger.get_timeline(&query).unwrap();
    let rows = u64::try_from(timeline.rows.len()).unwrap();
    assert_eq!((rows, timeline.basis), (expected.state.event_count, expected.basis));
}

/// Nothing, and each value and the one before it.
fn limits<T: Copy + Ord>(
    values: impl Iterator<Item = T>,
    before: impl Fn(T) -> T,
) -> Vec<Option<T>> {
    let mut values: Vec<T> = values.flat_map(|value| [before(value), value]).collect();
    values.sort_unstable();
    values.dedup();
    std::iter::once(None).chain(values.into_iter().map(Some)).collect()
}

/// Every prefix, every time of both clocks, and their combinations, thinned out where there are very
/// many of them; how many were asked.
fn check_all(ledger: &Ledger, names: &[String], related: Related<'_>, one_in: usize) -> usize {
    let all = replay(ledger, 0).unwrap();
    let now = i64::try_from(ledger.recorded_at_ns().unwrap()).unwrap();
    let mut asked = 0;
    for name in names {
        let own = || all.iter().filter(|one| one.event.correlation_id() == name);
        let heads = own().map(|one| one.offset + 1).chain([u64::try_from(all.len()).unwrap()]);
        let offsets = limits(heads, |head| head - 1);
        let recorded = limits(own().map(|one| one.recorded_at_ns), |at| at - 1);
        let times = all.iter().filter_map(|one| one.event.occurred_at_ns());
        let times: Vec<i64> = if names.len() < 5 {
            times.collect()
        } else {
            own().map(RecordedEvent::timeline_ns).collect()
        };
        let past = times.into_iter().filter(|at| *at <= now).chain([0]);
        let occurred = limits(past, |at| at - 1);
        for (place, offset) in offsets.iter().enumerate() {
            for (at, recorded_at_ns) in recorded.iter().enumerate() {
                for (step, occurred_at_ns) in occurred.iter().enumerate() {
                    let plain = [place, at, step].iter().filter(|&&one| one > 0).count() < 2;
                    if !plain && (place + at * 3 + step * 7) % one_in != 0 {
                        continue;
                    }
                    let (offset, recorded_at_ns) = (*offset, *recorded_at_ns);
                    let as_of = AsOf { offset, recorded_at_ns, occurred_at_ns: *occurred_at_ns };
                    check((ledger, &all), name, as_of, related);
                    asked += 1;
                }
            }
        }
    }
    asked
}

fn told(order: &str, id: u32, kind: &str, seconds: Option<i64>) -> OrderEvent {
    let line = proto::Line { line_id: "10".into(), quantity: "2".into(), ..Default::default() };
    OrderEvent {
        correlation_id: order.into(),
        source: format!("wms:{}", id % 2),
        event_id: id.to_string(),
        r#type: kind.into(),
        occurred_at: seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        lines: vec![line],
        ..Default::default()
    }
}

/// Equal times, times before all others, times far off, and no times.
fn hand_made() -> Vec<Event> {
    let events = vec![
        told("a", 1, "order.created", Some(1_700_000_100)),
        told("b", 2, "order.created", None),
        told("a", 3, "order.released", Some(1_700_000_300)),
        told("a", 4, "pick.confirmed", Some(1_700_000_300)),
        told("a", 5, "pick.reversed", Some(1_700_000_300)),
        told("b", 6, "pick.confirmed", Some(1_700_000_300)),
        told("a", 7, "pick.confirmed", None),
        told("a", 8, "hold.placed", Some(1_700_000_200)),
        told("b", 9, "shipment.confirmed", Some(8_000_000_000)),
        told("a", 10, "hold.released", Some(1_700_000_200)),
        told("a", 11, "order.requested", Some(-5)),
        told("b", 12, "pack.confirmed", None),
        told("a", 13, "shipment.confirmed", Some(1_700_000_400)),
        told("a", 14, "never.heard_of", Some(1_700_000_400)),
        told("b", 15, "order.cancelled", Some(0)),
    ];
    events.iter().map(|event| Event::new(event).unwrap()).collect()
}

fn append_all(ledger: &Ledger, events: &[Event], batch: usize) {
    for events in events.chunks(batch) {
        ledger.append(Batch::of(events.iter().cloned())).unwrap();
    }
}

/// Seen red with `<` in place of `<=` for either clock, and with one entry less below an offset.
#[test]
fn a_state_of_the_past_is_the_fold_of_what_qualifies_in_hand_made_histories() {
    for batch in [1, 4, 15] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        append_all(&ledger, &hand_made(), batch);
        let names = ["a", "b", "never heard of"].map(str::to_owned);
        let asked = check_all(&ledger, &names, &alone, 3);
        assert!(asked > 300, "{asked} questions");
        for seconds in [-6, -5, 0] {
            let occurred_at_ns = Some(seconds * SECOND);
            let as_of = AsOf { occurred_at_ns, ..AsOf::default() };
            let order = ledger.get_order("a", as_of).unwrap().state;
            assert_eq!((order.revision, order.event_count), (10, u64::from(seconds > -6)));
        }
    }
}

#[test]
fn a_state_of_the_past_is_the_fold_of_what_qualifies_in_histories_of_the_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let events: Vec<Event> =
        Demo { orders: 30, seed: 3 }.events().map(|event| Event::new(&event).unwrap()).collect();
    append_all(&ledger, &events, 7);
    let names: std::collections::BTreeSet<String> =
        events.iter().map(|event| event.correlation_id().to_owned()).collect();
    let names: Vec<String> =
        names.into_iter().filter(|name| !name.starts_with("unresolved/")).take(8).collect();
    let asked = check_all(&ledger, &names, &alone, 31);
    assert!(asked > 1_000, "{asked} questions");
}

/// Gives the only entry of a ledger the time of an hour ahead, as a clock did that was put right
/// later, and with it the CRCs of docs/format.md.
fn record_an_hour_ahead(disk: &SimulatedDisk) -> u64 {
    let segment = "00000000000000000000.seg";
    let mut bytes = disk.read(segment);
    let known = u64::from_le_bytes(bytes[80..88].try_into().unwrap());
    let ahead = known + 3_600 * u64::try_from(SECOND).unwrap();
    bytes[80..88].copy_from_slice(&ahead.to_le_bytes());
    bytes[108..116].copy_from_slice(&ahead.to_le_bytes());
    let header = crc32fast::hash(&bytes[64..92]);
    bytes[92..96].copy_from_slice(&header.to_le_bytes());
    let length = u32::from_le_bytes(bytes[96..100].try_into().unwrap());
    let end = 96 + usize::try_from(length).unwrap();
    let entry = [&0_u64.to_le_bytes(), &bytes[96..100], &bytes[104..end]].concat();
    bytes[100..104].copy_from_slice(&crc32fast::hash(&entry).to_le_bytes());
    disk.overwrite(segment, &bytes);
    disk.erase("views.redb");
    ahead
}

/// Seen red with recorded times that follow the clock back.
#[test]
fn a_clock_that_stepped_back_leaves_one_time_for_all_that_follow() {
    let disk = SimulatedDisk::default();
    let ledger = open_on(&disk).unwrap();
    append_all(&ledger, &hand_made()[..1], 1);
    drop(ledger);
    let ahead = record_an_hour_ahead(&disk);
    let ledger = open_on(&disk).unwrap();
    append_all(&ledger, &hand_made()[1..], 3);
    let all = replay(&ledger, 0).unwrap();
    assert!(all.iter().all(|one| one.recorded_at_ns == ahead), "time stands still, never back");
    let at = |recorded_at_ns| {
        let as_of = AsOf { recorded_at_ns: Some(recorded_at_ns), ..AsOf::default() };
        let order = ledger.get_order("a", as_of).unwrap();
        (order.basis, order.state.revision)
    };
    assert_eq!((at(ahead - 1), at(ahead)), ((0, 0), (15, 10)));
    let names = ["a", "b"].map(str::to_owned);
    check_all(&ledger, &names, &alone, 3);
}

/// `u` is linked by `a`, which is split into `b`.
fn related(
    name: &str,
    below: &[RecordedEvent],
    as_of: AsOf,
) -> (Vec<String>, Vec<proto::RelatedOrder>) {
    let last =
        below.iter().rfind(|one| ["ref.linked", "ref.unlinked"].contains(&one.event.event_type()));
    let linked = last.filter(|one| one.event.event_type() == "ref.linked");
    let split = below.iter().find(|one| one.event.event_type() == "order.split");
    let said = |relation: OrderRelationKind, one: &RecordedEvent| proto::RelatedOrder {
        relation: relation.into(),
        correlation_id: "a".into(),
        offset: one.offset,
    };
    match name {
        // Links count from the offset on at which they were told, whenever what they link occurred.
        "a" => (linked.map(|_| "unresolved/x/u".to_owned()).into_iter().collect(), Vec::new()),
        "b" => {
            let split = split.filter(|one| had_occurred(as_of, one));
            let said = split.map(|one| said(OrderRelationKind::SplitFrom, one));
            (Vec::new(), said.into_iter().collect())
        }
        _ => {
            let said = linked.map(|one| said(OrderRelationKind::LinkedTo, one));
            (Vec::new(), said.into_iter().collect())
        }
    }
}

/// Seen red with links that count from when they occurred.
#[test]
fn a_state_of_the_past_has_what_was_linked_and_split_by_then() {
    let history = "unresolved/x/u";
    let reference = Reference { value: history.into(), ..Reference::default() };
    let naming = |event: OrderEvent| OrderEvent {
        refs: vec![reference.clone()],
        lines: Vec::new(),
        ..event
    };
    let relation = OrderRelation { correlation_ids: vec!["b".into()], ..OrderRelation::default() };
    let split = OrderEvent {
        relation: Some(relation),
        lines: Vec::new(),
        ..told("a", 7, "order.split", Some(1_700_000_500))
    };
    let events = vec![
        told(history, 1, "pick.confirmed", Some(1_700_000_010)),
        told("a", 2, "order.created", Some(1_700_000_020)),
        naming(told("a", 3, "ref.linked", Some(1_700_000_900))),
        told(history, 4, "pack.confirmed", Some(1_700_000_030)),
        told("b", 5, "order.created", Some(1_700_000_040)),
        told(history, 6, "shipment.confirmed", None),
        split,
        told("a", 8, "order.released", Some(1_700_000_030)),
        naming(told("a", 9, "ref.unlinked", Some(1_700_000_950))),
    ];
    let events: Vec<Event> = events.iter().map(|event| Event::new(event).unwrap()).collect();
    for batch in [1, 9] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        append_all(&ledger, &events, batch);
        let names = ["a", "b", history].map(str::to_owned);
        let asked = check_all(&ledger, &names, &related, 2);
        assert!(asked > 200, "{asked} questions");
    }
}
