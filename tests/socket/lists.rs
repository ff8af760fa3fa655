//! `ListOrders`: each filter, each sort, pages and their tokens, and what is refused.

use std::collections::BTreeSet;

use order_ledger::proto::{
    Basis, DimensionStatus, GetOrderRequest, ListOrdersRequest, Order, OrderFilter, OrderSort,
    OrderStatus, StageAge, StatusDimension,
};
use prost_types::{Duration, Timestamp};
use tonic::Code;

use crate::golden::{all, asking, fill, histories, list, names};
use crate::support::{Client, Explained, Server, append, event, explained, run};

/// A filter, and whether an order passes it.
type Case = (OrderFilter, Box<dyn Fn(&OrderStatus) -> bool + Send>);

type Side = fn(&OrderStatus) -> &Option<DimensionStatus>;

const SIDES: [Side; 5] = [
    |order| &order.commercial,
    |order| &order.fulfillment,
    |order| &order.shipment,
    |order| &order.exception,
    |order| &order.return_status,
];

fn word(order: &OrderStatus, side: usize) -> String {
    SIDES[side](order).as_ref().unwrap().word.clone()
}

fn since(order: &OrderStatus, side: usize) -> Option<(i64, i32)> {
    let since = SIDES[side](order).as_ref().unwrap().since;
    since.map(|at| (at.seconds, at.nanos))
}

fn by_word(side: usize, words: Vec<String>) -> OrderFilter {
    let mut filter = OrderFilter::default();
    match side {
        0 => filter.commercial = words,
        1 => filter.fulfillment = words,
        2 => filter.shipment = words,
        3 => filter.exception = words,
        _ => filter.return_status = words,
    }
    filter
}

fn distinct(all: &[OrderStatus], of: impl Fn(&OrderStatus) -> Vec<String>) -> Vec<String> {
    let values: BTreeSet<String> = all.iter().flat_map(of).collect();
    assert!(values.len() > 1, "{values:?}");
    values.into_iter().collect()
}

/// Filters by one and by two words of each side.
fn word_cases(all: &[OrderStatus]) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for side in 0..5 {
        let words = distinct(all, |order| vec![word(order, side)]);
        for (at, one) in words.iter().enumerate() {
            let two = vec![one.clone(), words[(at + 1) % words.len()].clone()];
            for wanted in [vec![one.clone()], two] {
                let filter = by_word(side, wanted.clone());
                cases.push((filter, Box::new(move |order| wanted.contains(&word(order, side)))));
            }
        }
    }
    cases
}

type Values = fn(&OrderStatus) -> &Vec<String>;

type Set = fn(&mut OrderFilter, Vec<String>);

/// Filters by what an order has any number of.
fn value_cases(all: &[OrderStatus]) -> Vec<Case> {
    let fields: [(Values, Set); 4] = [
        (|order| &order.open_reasons, |filter, values| filter.open_reasons = values),
        (|order| &order.warehouses, |filter, values| filter.warehouses = values),
        (|order| &order.sources, |filter, values| filter.sources = values),
        (|order| &order.anomaly_rules, |filter, values| filter.anomaly_rules = values),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (get, set) in fields {
        let values = distinct(all, |order| get(order).clone());
        for (at, one) in values.iter().enumerate() {
            let wanted = vec![one.clone(), values[(at + 3) % values.len()].clone()];
            let mut filter = OrderFilter::default();
            set(&mut filter, wanted.clone());
            let any = move |order: &OrderStatus| wanted.iter().any(|one| get(order).contains(one));
            cases.push((filter, Box::new(any)));
        }
        let mut filter = OrderFilter::default();
        let mut rules = (1..=23).map(|rule| format!("R{rule:02}"));
        let unused = rules.find(|rule| !values.contains(rule)).unwrap();
        set(&mut filter, vec![if values[0] == "R01" { unused } else { "nowhere".to_owned() }]);
        cases.push((filter, Box::new(|_| false)));
    }
    cases
}

/// Filters by times, by what is open, and by several things at once.
fn other_cases(all: &[OrderStatus]) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for wanted in [true, false] {
        let open = OrderFilter { has_open_exception: Some(wanted), ..OrderFilter::default() };
        cases.push((open, Box::new(move |order| (order.open_exception_count > 0) == wanted)));
    }
    for at in [0, all.len() / 2, all.len() - 1] {
        let since = all[at].updated_at.unwrap();
        let key = |at: Timestamp| (at.seconds, at.nanos);
        let updated = OrderFilter { updated_since: Some(since), ..OrderFilter::default() };
        let includes = move |order: &OrderStatus| key(order.updated_at.unwrap()) >= key(since);
        cases.push((updated, Box::new(includes)));
    }
    let never = OrderFilter {
        updated_since: Some(Timestamp { seconds: 9_000_000_000, nanos: 0 }),
        ..OrderFilter::default()
    };
    cases.push((never, Box::new(|_| false)));
    let mixed = OrderFilter {
        fulfillment: vec!["shipped".into(), "partially_shipped".into()],
        has_open_exception: Some(true),
        warehouses: vec!["dc3".into()],
        ..OrderFilter::default()
    };
    let includes = |order: &OrderStatus| {
        ["shipped", "partially_shipped"].contains(&&*word(order, 1))
            && order.open_exception_count > 0
            && order.warehouses.contains(&"dc3".to_owned())
    };
    cases.push((mixed, Box::new(includes)));
    cases
}

/// Seen red with `has_open_exception` that is not looked at.
#[test]
fn each_filter_lists_what_a_naive_one_leaves() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let all = all(&mut client).await;
        assert!(all.len() >= 78, "{} orders", all.len());
        let cases = [word_cases(&all), value_cases(&all), other_cases(&all)];
        let mut proper = 0;
        for (filter, includes) in cases.into_iter().flatten() {
            let expected: Vec<_> = all.iter().filter(|one| includes(one)).cloned().collect();
            let found = list(&mut client, asking(filter.clone())).await;
            assert_eq!(names(&found.orders), names(&expected), "{filter:?}");
            assert_eq!(found.orders, expected, "{filter:?}");
            proper += usize::from(!expected.is_empty() && expected.len() < all.len());
        }
        assert!(proper > 80, "{proper} filters leave some orders and not all");
    });
}

/// By the server's clock these orders have stood still for years, each since another time.
#[test]
fn orders_that_have_stood_still_are_listed_by_side_and_age() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let all = all(&mut client).await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        for (side, dimension) in (0..5).zip(1..=5) {
            let moved: Vec<i64> =
                all.iter().filter_map(|one| since(one, side)).map(|at| at.0).collect();
            // In the middle of the longest time without a move, so that a second does not matter.
            let mut sorted = moved.clone();
            sorted.sort_unstable();
            let gap = sorted.windows(2).filter(|pair| pair[0] > 0 && pair[1] < now);
            let gap = gap.max_by_key(|pair| pair[1] - pair[0]).unwrap();
            let border = gap[0].midpoint(gap[1]);
            let age = StageAge {
                dimension,
                at_least: Some(Duration { seconds: now - border, nanos: 0 }),
            };
            let filter = OrderFilter { stage_age: Some(age), ..OrderFilter::default() };
            let found = list(&mut client, asking(filter)).await;
            let expected: Vec<_> = all
                .iter()
                .filter(|one| since(one, side).is_some_and(|at| at.0 < border))
                .cloned()
                .collect();
            assert!(!expected.is_empty() && expected.len() < all.len());
            assert_eq!(names(&found.orders), names(&expected), "side {side}, {border}");
        }
    });
}

/// What a list says of an order is what the order says itself.
#[test]
fn a_row_of_a_list_is_the_order_in_short() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        for row in all(&mut client).await {
            let correlation_id = row.correlation_id.clone();
            let request = GetOrderRequest { correlation_id, ..GetOrderRequest::default() };
            let order = client.get_order(request).await.unwrap().into_inner().order.unwrap();
            assert_row(&row, order);
        }
    });
}

fn assert_row(row: &OrderStatus, order: Order) {
    let name = &order.correlation_id;
    let sides =
        [order.commercial, order.fulfillment, order.shipment, order.exception, order.return_status];
    for (side, whole) in sides.into_iter().enumerate() {
        let whole = whole.map(|whole| DimensionStatus { offsets: Vec::new(), ..whole });
        assert_eq!(SIDES[side](row), &whole, "{name}");
    }
    assert_eq!(row.revision, order.revision, "{name}");
    let open = order.holds.iter().filter(|one| one.open).count()
        + order.exceptions.iter().filter(|one| one.open).count();
    assert_eq!(row.open_exception_count, u64::try_from(open).unwrap(), "{name}");
    let rules: BTreeSet<String> = order.anomalies.into_iter().map(|one| one.rule).collect();
    assert_eq!(row.anomaly_rules, rules.into_iter().collect::<Vec<_>>(), "{name}");
    let sources = order.source_counts.into_iter().map(|one| one.source);
    assert_eq!(row.sources, sources.collect::<Vec<_>>(), "{name}");
    assert_eq!(row.updated_offset, order.last_event.unwrap().offset, "{name}");
}

fn sorted_by(sort: OrderSort, reverse: bool, page_size: u32) -> ListOrdersRequest {
    ListOrdersRequest { sort: sort.into(), reverse, page_size, ..ListOrdersRequest::default() }
}

async fn paged(client: &mut Client, mut request: ListOrdersRequest) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = list(client, request.clone()).await;
        assert!(page.orders.len() <= usize::try_from(request.page_size).unwrap());
        found.extend(names(&page.orders));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

#[test]
fn each_sort_and_its_reverse_stand_in_pages_of_any_size() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let seen = all(&mut client).await;
        let mut updated = seen.clone();
        updated.sort_by_key(|one| std::cmp::Reverse(one.updated_offset));
        let mut aged = seen.clone();
        aged.sort_by_key(|one| (since(one, 1).is_none(), since(one, 1)));
        let sorts = [
            (OrderSort::Unspecified, &updated),
            (OrderSort::Updated, &updated),
            (OrderSort::FirstSeen, &seen),
            (OrderSort::StageAge, &aged),
        ];
        for (sort, expected) in sorts {
            let mut expected = names(expected);
            for reverse in [false, true] {
                for page_size in [1_000, 7, 1] {
                    let found = paged(&mut client, sorted_by(sort, reverse, page_size)).await;
                    assert_eq!(found, expected, "{sort:?} {reverse} by {page_size}");
                }
                expected.reverse();
            }
        }
        let dimension = StatusDimension::Shipment.into();
        let stage_age = Some(StageAge { dimension, at_least: None });
        let filter = Some(OrderFilter { stage_age, ..OrderFilter::default() });
        let request = ListOrdersRequest { filter, ..sorted_by(OrderSort::StageAge, false, 10) };
        let mut shipped: Vec<_> = seen.into_iter().filter(|one| since(one, 2).is_some()).collect();
        shipped.sort_by_key(|one| since(one, 2));
        assert_eq!(paged(&mut client, request).await, names(&shipped));
    });
}

/// Seen red with pages that begin one row late.
#[test]
fn an_order_that_does_not_change_is_listed_once_while_others_change_and_come() {
    run(async {
        for (sort, reverse) in [
            (OrderSort::Updated, false),
            (OrderSort::Updated, true),
            (OrderSort::FirstSeen, false),
            (OrderSort::StageAge, false),
            (OrderSort::StageAge, true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let server = Server::start(folder.path()).await;
            let mut client = server.client().await;
            fill(&mut client).await;
            let before = all(&mut client).await;
            let mut request = sorted_by(sort, reverse, 6);
            let mut listed = Vec::new();
            for round in 0.. {
                let page = list(&mut client, request.clone()).await;
                listed.extend(names(&page.orders));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
                let known = &before[round * 29 % before.len()].correlation_id;
                let new = format!("new/{round}");
                append(&mut client, [event(known, format!("c{round}")), event(&new, 1)]).await;
            }
            let after = all(&mut client).await;
            let still: Vec<_> = before.iter().filter(|one| after.contains(one)).collect();
            assert!(still.len() > before.len() / 2 && still.len() < before.len());
            for one in still {
                let times = listed.iter().filter(|name| **name == one.correlation_id).count();
                assert_eq!(times, 1, "{} by {sort:?} {reverse}", one.correlation_id);
            }
        }
    });
}

async fn refused(client: &mut Client, request: ListOrdersRequest) -> Explained {
    explained(&client.list_orders(request).await.unwrap_err())
}

/// Seen red with a token that is not compared with the request.
#[test]
fn a_token_of_another_ledger_or_request_and_garbage_are_refused() {
    run(async {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let server = Server::start(folders[0].path()).await;
        let other = Server::start(folders[1].path()).await;
        let (mut client, mut other) = (server.client().await, other.client().await);
        for history in histories().into_iter().take(9) {
            append(&mut client, history.clone()).await;
            append(&mut other, history).await;
        }
        let first = sorted_by(OrderSort::Updated, false, 3);
        let token = list(&mut client, first.clone()).await.next_page_token;
        let with = |token: &str| ListOrdersRequest { page_token: token.into(), ..first.clone() };
        let refusal = |explained: Explained| {
            assert_eq!(explained.kind(), (Code::InvalidArgument, "PAGE_TOKEN", "refused"));
        };
        refusal(refused(&mut other, with(&token)).await);
        let filter =
            Some(OrderFilter { has_open_exception: Some(false), ..OrderFilter::default() });
        let altered = [
            ListOrdersRequest { reverse: true, ..with(&token) },
            ListOrdersRequest { sort: OrderSort::FirstSeen.into(), ..with(&token) },
            ListOrdersRequest { sort: OrderSort::StageAge.into(), ..with(&token) },
            ListOrdersRequest { filter, ..with(&token) },
            with("garbage"),
            with("."),
            with("0.0.0"),
            with(&token[8..]),
            with(&token[..token.len() - 1].replace('.', "")),
            with(&format!("{token}.1")),
            with(&format!("{}.x.y", &token[..8])),
            with(&format!("{}.", &token[..8])),
        ];
        for request in altered {
            refusal(refused(&mut client, request).await);
        }
        let more = ListOrdersRequest { page_size: 4, ..with(&token) };
        assert_eq!(list(&mut client, more).await.orders.len(), 4, "the same question");
    });
}

#[test]
fn unknown_words_are_refused_with_those_that_are_allowed_and_all_at_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let bad = |word: &str| vec!["cancelled".into(), word.into()];
        let filter = OrderFilter {
            commercial: bad("sold"),
            fulfillment: bad("Shipped"),
            shipment: vec!["flown".into()],
            exception: vec![String::new()],
            return_status: vec!["none".into(), "back".into()],
            updated_since: Some(Timestamp { seconds: 0, nanos: -1 }),
            stage_age: Some(StageAge { dimension: 9, at_least: None }),
            ..OrderFilter::default()
        };
        let at = Timestamp::default();
        let basis = Basis { at_least: 0, as_of_offset: Some(0), as_of_recorded: Some(at) };
        let request = ListOrdersRequest {
            filter: Some(filter),
            sort: 9,
            page_size: 1_001,
            basis: Some(basis),
            ..ListOrdersRequest::default()
        };
        let refused = refused(&mut client, request).await;
        assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
        let mut fields = refused.fields();
        fields.sort_unstable();
        let expected = [
            "basis.as_of_offset",
            "basis.as_of_recorded",
            "filter.commercial[1]",
            "filter.exception[0]",
            "filter.fulfillment[1]",
            "filter.return_status[1]",
            "filter.shipment[0]",
            "filter.stage_age.dimension",
            "filter.updated_since",
            "page_size",
            "sort",
        ];
        assert_eq!(fields, expected);
        for (field, said) in &refused.violations {
            assert!(said.contains("allowed"), "{field}: {said}");
        }
        let said = |field: &str| {
            let one = refused.violations.iter().find(|(named, _)| named == field);
            one.unwrap().1.clone()
        };
        assert!(said("filter.commercial[1]").contains("partially_invoiced"));
        assert!(said("filter.fulfillment[1]").contains("short_closed"));
        assert!(said("filter.shipment[0]").contains("in_carrier_custody"));
        assert!(said("filter.exception[0]").contains("watch"));
        assert!(said("filter.return_status[1]").contains("authorized"));
        assert!(said("page_size").contains("1000"));
    });
}

/// Seen red with `at_least` that is not heeded.
#[test]
fn a_list_waits_for_the_head_that_it_asks_for_and_shows_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let at_least = |head| ListOrdersRequest {
            basis: Some(Basis { at_least: head, ..Basis::default() }),
            ..ListOrdersRequest::default()
        };
        let mut waiting = server.client().await;
        let waiting = tokio::spawn(async move { waiting.list_orders(at_least(2)).await });
        append(&mut client, [event("a", 1)]).await;
        append(&mut client, [event("b", 1)]).await;
        let answer = waiting.await.unwrap().unwrap().into_inner();
        assert_eq!((names(&answer.orders), answer.basis), (vec!["b".into(), "a".into()], 2));
        let late = refused(&mut client, at_least(3)).await;
        assert_eq!(late.kind(), (Code::Unavailable, "BASIS_NOT_REACHED", "not_written"));
    });
}
