//! That the views are a function of the log, whatever the passes were, and that lists are what a
//! naive filter and sort over all orders gives. Does not know how rows are made.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Batch, Ledger, Options, QueryError, verify};
use crate::demo::Demo;
use crate::event::Event;
use crate::limits::Limits;
use crate::order::{Dimension, OrderStatus, Policy, Word};
use crate::proto::{OrderEvent, OrderRelation, Reference};
use crate::view::{FindQuery, ListQuery, ListSort, OrderFilter};

/// A small generator of numbers that are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        (0..self.below(3)).filter_map(|_| all.get(self.below(all.len())).cloned()).collect()
    }
}

/// Events of a demo, among them histories that nobody can name at first, links to them and back,
/// splits and merges.
pub(super) fn events(orders: u64, seed: u64) -> Vec<Event> {
    let mut random = Random(seed * 77 + 1);
    let mut told: Vec<OrderEvent> = Demo { orders, seed }.events().collect();
    let names: Vec<String> = told.iter().map(|event| event.correlation_id.clone()).collect();
    let any = |random: &mut Random| names[random.below(names.len())].clone();
    for event in &mut told {
        let number = random.below(8);
        let unresolved = format!("unresolved/tms/{number}");
        let (name, other) = (event.correlation_id.clone(), any(&mut random));
        match random.below(24) {
            0 => event.correlation_id = unresolved,
            1..=2 => link(event, "ref.linked", &unresolved),
            3 => link(event, "ref.unlinked", &unresolved),
            4 if other != name => link(event, "order.split", &other),
            5 if other != name => link(event, "order.merged", &other),
            _ => {}
        }
    }
    let mut known = BTreeSet::new();
    told.retain(|event| {
        let id = [&event.correlation_id, &event.source, &event.event_id];
        known.insert(id.map(Clone::clone))
    });
    told.iter().map(|event| Event::new(event).unwrap()).collect()
}

fn link(event: &mut OrderEvent, kind: &str, target: &str) {
    event.r#type = kind.to_owned();
    let value = target.rsplit('/').next().unwrap_or_default().to_owned();
    let whole = Reference { value: target.to_owned(), ..reference("history", "") };
    event.refs = vec![whole, Reference { value, ..reference("shipment", "tms") }];
    let correlation_ids = vec![target.to_owned()];
    let surviving_correlation_id = target.to_owned();
    event.relation = Some(OrderRelation { correlation_ids, surviving_correlation_id });
}

fn reference(kind: &str, issuer: &str) -> Reference {
    Reference { r#type: kind.into(), issuer: issuer.into(), ..Reference::default() }
}

fn open(folder: &Path) -> Ledger {
    Ledger::open(folder, Options::default()).unwrap()
}

/// Appends in batches of random size, with passes between some of them.
fn append(ledger: &Ledger, events: &[Event], random: &mut Random) {
    let mut rest = events;
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + random.below(60)).min(rest.len()));
        ledger.append(Batch::of(now.iter().cloned())).unwrap();
        rest = later;
        if random.below(3) == 0 {
            ledger.views.pass().unwrap();
        }
    }
    ledger.views_at_least(ledger.head()).unwrap();
}

#[test]
fn rebuilt_views_are_those_of_many_small_passes() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        append(&ledger, &events(60, seed), &mut Random(seed));
        let incremental = ledger.views.dump();
        drop(ledger);
        let report = verify(folder.path(), |_| {}).unwrap();
        assert_eq!(report.defects, Vec::<String>::new());
        std::fs::remove_file(folder.path().join("views.redb")).unwrap();
        let ledger = open(folder.path());
        ledger.views_at_least(ledger.head()).unwrap();
        let rebuilt = ledger.views.dump();
        assert!(incremental.len() > 300, "{} rows", incremental.len());
        for (one, other) in incremental.iter().zip(&rebuilt) {
            assert_eq!(one, other);
        }
        assert_eq!(incremental.len(), rebuilt.len());
    }
}

#[test]
fn another_policy_rebuilds_the_views() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, &events(5, 1), &mut Random(1));
    let head = ledger.head();
    drop(ledger);
    let opened = |policy: Option<Policy>| {
        let ledger = Ledger::open(folder.path(), Options { policy, ..Options::default() }).unwrap();
        let reached = ledger.sizes().unwrap().view_basis;
        ledger.views_at_least(head).unwrap();
        reached
    };
    assert_eq!(opened(Some(Policy::default())), head, "nothing to do");
    let other = Policy { clock_skew_seconds: 7, ..Policy::default() };
    assert!(opened(Some(other.clone())) < head);
    assert_eq!(opened(Some(other)), head);
    assert_eq!(opened(None), head, "the views keep the policy that they have");
    let ledger = open(folder.path());
    assert_eq!(ledger.policy.clock_skew_seconds, 7);
    drop(ledger);
    assert_eq!(verify(folder.path(), |_| {}).unwrap().defects, Vec::<String>::new());
}

#[test]
fn a_damaged_row_ends_passes_and_the_next_opening_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, &events(20, 3), &mut Random(3));
    ledger.views_at_least(ledger.head()).unwrap();
    let (name, before) = all(&ledger).swap_remove(4);
    let more = format!(
        r#"{{"correlation_id":"{name}","source":"erp","event_id":"more","type":"order.accepted"}}"#
    );
    let more = Event::from_json(&more, &Limits::default()).unwrap();
    ledger.views.damage_status(&name);
    ledger.append(Batch::of([more])).unwrap();
    let behind = ledger.views_at_least(ledger.head()).unwrap_err();
    assert!(behind.to_string().contains("the views are damaged"), "{behind}");
    let now = ledger.get_order(&name, super::AsOf::default()).unwrap().state;
    assert_eq!(now.revision, before.revision + 1, "an order needs its index alone");
    assert_eq!(ledger.sizes().unwrap().view_bytes, 0);
    drop(ledger);
    let ledger = open(folder.path());
    ledger.views_at_least(ledger.head()).unwrap();
    let (_, after) = all(&ledger).into_iter().find(|(one, _)| *one == name).unwrap();
    assert_eq!(after.revision, before.revision + 1);
    drop(ledger);
    assert_eq!(verify(folder.path(), |_| {}).unwrap().defects, Vec::<String>::new());
}

#[test]
fn a_policy_outlives_the_views_that_were_made_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let policy = Some(Policy { clock_skew_seconds: 7, ..Policy::default() });
    let ledger = Ledger::open(folder.path(), Options { policy, ..Options::default() }).unwrap();
    append(&ledger, &events(5, 1), &mut Random(1));
    drop(ledger);
    std::fs::remove_file(folder.path().join("views.redb")).unwrap();
    assert_eq!(open(folder.path()).policy.clock_skew_seconds, 7);
    std::fs::write(folder.path().join("policy.json"), "{\"clock_skew\":7}").unwrap();
    let error = Ledger::open(folder.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("unknown field `clock_skew`"), "{error}");
    let policy = Some(Policy::default());
    drop(Ledger::open(folder.path(), Options { policy, ..Options::default() }).unwrap());
    assert_eq!(open(folder.path()).policy, Policy::default());
}

#[test]
fn a_status_that_is_wrong_with_a_right_checksum_is_named_with_both_values() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, &events(20, 3), &mut Random(3));
    let (name, status) = all(&ledger).swap_remove(4);
    let place = Dimension::ALL.iter().position(|one| *one == Dimension::Fulfillment).unwrap();
    let should = status.standings[place].word;
    let is = Word(u8::from(should.0 == 0));
    let text = |word| Dimension::Fulfillment.text(word);
    ledger.views.forge_status(&name, |status| {
        status.standings[place].word = is;
        status.revision += 1;
        status.warehouses.push("dc9".to_owned());
    });
    drop(ledger);
    let defects = verify(folder.path(), |_| {}).unwrap().defects;
    let [defect] = &*defects else { panic!("{defects:?}") };
    let revision = status.revision;
    let said = [
        format!(
            "views.redb: order {name}: fulfillment is {}, should be {}",
            text(is),
            text(should)
        ),
        format!("revision is {}, should be {revision}", revision + 1),
        format!("+dc9, should be {}", status.warehouses.join("+")),
    ];
    assert!(said.iter().all(|said| defect.contains(said)), "{said:?}: {defect}");
}

#[test]
fn rows_that_belong_to_no_order_and_a_mark_in_the_wrong_place_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, &events(20, 3), &mut Random(3));
    let count = all(&ledger).len();
    ledger.views.forge_rows();
    drop(ledger);
    let defects = verify(folder.path(), |_| {}).unwrap().defects;
    let more = count + 1;
    for table in ["orders", "status", "carried"] {
        let said = format!("views.redb: table {table} has {more} rows, should have {count}");
        assert!(defects.contains(&said), "{said} in {defects:#?}");
    }
    let of = |begin: &str| defects.iter().any(|one| one.starts_with(begin));
    assert!(of("views.redb: table entries has "), "{defects:#?}");
    assert!(of("views.redb: the mark of offset "), "{defects:#?}");
    assert_eq!(defects.len(), 5, "{defects:#?}");
}

#[test]
fn the_views_of_an_idle_ledger_are_never_behind() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert_eq!(ledger.views_at_least(0).unwrap(), 0);
    for event in events(20, 2) {
        let head = ledger.append(Batch::of([event])).unwrap().head;
        assert!(ledger.views_at_least(head).unwrap() >= head);
        let list = ledger.list(&ListQuery { limit: 1, ..ListQuery::default() }).unwrap();
        assert!(list.basis >= head);
    }
    let beyond = ledger.views_at_least(ledger.head() + 1);
    assert!(matches!(beyond, Err(QueryError::BeyondHead { .. })));
    ledger.close();
    assert_eq!(ledger.views_at_least(ledger.head()).unwrap(), ledger.head());
}

/// Every order, by first sight.
fn all(ledger: &Ledger) -> Vec<(String, OrderStatus)> {
    let sort = ListSort::FirstSeen;
    ledger.list(&ListQuery { sort, limit: 100_000, ..ListQuery::default() }).unwrap().rows
}

fn at(status: &OrderStatus, dimension: Dimension) -> (Word, Option<i64>) {
    let place = Dimension::ALL.iter().position(|one| *one == dimension).unwrap();
    (status.standings[place].word, status.standings[place].since_ns)
}

fn filtered(filter: &OrderFilter, now_ns: i64, status: &OrderStatus) -> bool {
    let any = |wanted: &[String], has: &[String]| {
        wanted.is_empty() || wanted.iter().any(|one| has.contains(one))
    };
    let open = status.open_exception_count > 0;
    filter.words.iter().all(|(of, words)| words.is_empty() || words.contains(&at(status, *of).0))
        && any(&filter.open_reasons, &status.open_reasons)
        && any(&filter.warehouses, &status.warehouses)
        && any(&filter.sources, &status.sources)
        && any(&filter.anomaly_rules, &status.anomaly_rules)
        && filter.has_open_exception.is_none_or(|wanted| wanted == open)
        && filter.updated_since_ns.is_none_or(|since| status.updated_ns >= since)
        && filter.stage_age.is_none_or(|(of, age)| {
            at(status, of).1.is_some_and(|since| now_ns - since >= i64::try_from(age).unwrap())
        })
}

fn random_query(random: &mut Random, rows: &[(String, OrderStatus)]) -> ListQuery {
    let like = |random: &mut Random| rows[random.below(rows.len())].1.clone();
    let dimension = |random: &mut Random| Dimension::ALL[random.below(5)];
    let mut filter = OrderFilter::default();
    let model = like(random);
    if random.below(2) == 0 {
        let (of, other) = (dimension(random), like(random));
        filter.words.push((of, vec![at(&model, of).0, at(&other, of).0]));
    }
    match random.below(8) {
        0 => filter.open_reasons = random.pick(&model.open_reasons),
        1 => filter.warehouses = random.pick(&model.warehouses),
        2 => filter.sources = random.pick(&model.sources),
        3 => filter.anomaly_rules = random.pick(&model.anomaly_rules),
        4 => filter.has_open_exception = Some(random.below(2) == 0),
        5 => filter.updated_since_ns = Some(model.updated_ns),
        _ => {}
    }
    let now_ns = 1_780_000_000_000_000_000;
    if random.below(4) == 0 {
        let of = dimension(random);
        let age = at(&model, of).1.map_or(5, |since| now_ns - since);
        filter.stage_age = Some((of, u64::try_from(age).unwrap()));
    }
    let sorts = [ListSort::Updated, ListSort::FirstSeen, ListSort::StageAge(dimension(random))];
    let (sort, reverse) = (sorts[random.below(3)], random.below(2) == 0);
    ListQuery { filter, sort, reverse, limit: 1 + random.below(40), after: None, now_ns }
}

#[test]
fn pages_list_what_a_naive_filter_and_sort_gives() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut random = Random(5);
    append(&ledger, &events(400, 5), &mut random);
    let rows = all(&ledger);
    let mut total = 0;
    for _ in 0..400 {
        let mut query = random_query(&mut random, &rows);
        let mut expected: Vec<(u64, usize)> = (0..)
            .zip(&rows)
            .filter(|(_, (_, status))| filtered(&query.filter, query.now_ns, status))
            .map(|(number, (_, status))| {
                let rank = match query.sort {
                    ListSort::Updated => u64::MAX - status.updated_offset,
                    ListSort::FirstSeen => 0,
                    ListSort::StageAge(of) => {
                        at(status, of).1.map_or(u64::MAX, |since| u64::try_from(since).unwrap())
                    }
                };
                (rank, number)
            })
            .collect();
        expected.sort_unstable();
        if query.reverse {
            expected.reverse();
        }
        let expected: Vec<&String> = expected.iter().map(|(_, place)| &rows[*place].0).collect();
        let mut listed = Vec::new();
        loop {
            let page = ledger.list(&query).unwrap();
            assert!(page.rows.len() <= query.limit);
            listed.extend(page.rows.into_iter().map(|(name, _)| name));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{query:?}");
        total += listed.len();
    }
    assert!(total > 1_000, "{total} rows");
}

#[test]
fn an_order_that_does_not_change_is_listed_once_while_the_ledger_grows() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut random = Random(9);
    let events = events(150, 9);
    let (first, later) = events.split_at(events.len() / 2);
    append(&ledger, first, &mut random);
    let before = all(&ledger);
    let mut later = later.chunks(later.len() / 30 + 1);
    let mut query = ListQuery { limit: 7, ..ListQuery::default() };
    let mut listed = Vec::new();
    loop {
        let page = ledger.list(&query).unwrap();
        listed.extend(page.rows.into_iter().map(|(name, _)| name));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        append(&ledger, later.next().unwrap_or_default(), &mut random);
    }
    let after = all(&ledger);
    for row in before.iter().filter(|row| after.contains(row)) {
        assert_eq!(listed.iter().filter(|name| **name == row.0).count(), 1, "{}", row.0);
    }
}

#[test]
fn orders_are_found_by_every_reference_that_they_carry_and_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, &events(80, 4), &mut Random(4));
    for (name, status) in all(&ledger) {
        let query = FindQuery { value: name.clone(), limit: 10, ..FindQuery::default() };
        let found = ledger.find(&query).unwrap();
        let own = &found.rows[0];
        assert_eq!((&own.correlation_id, &own.status), (&name, &status));
        assert_eq!(own.reference.reference.as_ref().unwrap().r#type, "correlation_id");
        let order = ledger.get_order(&name, super::AsOf::default()).unwrap().state;
        for reference in order.references {
            let named = reference.reference.clone().unwrap();
            let mut query = FindQuery {
                value: named.value.clone(),
                kind: Some(named.r#type.clone()),
                issuer: Some(named.issuer.clone()),
                limit: 1,
                after: None,
            };
            let mut carriers = Vec::new();
            loop {
                let page = ledger.find(&query).unwrap();
                carriers.extend(page.rows.into_iter().map(|row| row.correlation_id));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            let times = carriers.iter().filter(|one| **one == name).count();
            assert_eq!(times, 1, "{named:?} of {name}");
        }
    }
    let (sources, basis) = ledger.source_watermarks().unwrap();
    assert_eq!(sources.iter().map(|source| source.event_count).sum::<u64>(), basis);
}
