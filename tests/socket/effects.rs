//! What events changed, whose history they stand in, and how two states of an order differ.

use std::collections::BTreeMap;

use order_ledger::proto::{
    Basis, GetOrderRequest, GetOrderResponse, GetTimelineRequest, GetTimelineResponse, OrderBasis,
    OrderDifference,
};
use prost_types::Timestamp;
use tonic::Code;

use crate::golden::{all, histories};
use crate::support::{Client, Server, append, event, explained, run};

async fn timeline(client: &mut Client, request: GetTimelineRequest) -> GetTimelineResponse {
    client.get_timeline(request).await.unwrap().into_inner()
}

fn of(order: &str) -> GetTimelineRequest {
    GetTimelineRequest { correlation_id: order.into(), ..GetTimelineRequest::default() }
}

/// The history of a golden case.
fn golden(number: usize) -> Vec<order_ledger::proto::OrderEvent> {
    histories().swap_remove(number - 1)
}

/// Seen red without `linked_from`.
#[test]
fn a_timeline_says_what_each_event_changed_and_whose_history_it_is_from() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, golden(53)).await;
        let rows = timeline(&mut client, of("erp/100053")).await.rows;
        let told = rows.iter().map(|row| {
            let event = row.event.as_ref().unwrap().event.as_ref().unwrap();
            (&*event.event_id, &*row.linked_from)
        });
        let history = "unresolved/wms:dc3/4711";
        let expected = [
            ("sd-53-1", ""),
            ("sd-53-2", ""),
            ("dc3-53-1", history),
            ("dc3-53-2", history),
            ("dc3-53-3", ""),
            ("dc3-53-4", ""),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let effects = |id: &str| {
            let row = rows
                .iter()
                .find(|row| row.event.as_ref().unwrap().event.as_ref().unwrap().event_id == id);
            row.unwrap().effects.join("; ")
        };
        assert!(effects("dc3-53-1").contains("line 10: picked 0 -> 4 of 4"), "{rows:#?}");
        assert!(effects("dc3-53-2").contains("line 10: packed 0 -> 4 of 4"));
        assert!(effects("dc3-53-4").contains("line 10: shipped 0 -> 4 of 4"));
        let own = timeline(&mut client, of(history)).await.rows;
        assert!(own.iter().all(|row| row.linked_from.is_empty()));
        assert_eq!(own.len(), 2);
    });
}

/// Seen red with the field not passed on.
#[test]
fn a_timeline_leaves_effects_out_and_nothing_else_where_nobody_wants_them() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, golden(53)).await;
        for order in ["erp/100053", "unresolved/wms:dc3/4711"] {
            let mut full = timeline(&mut client, of(order)).await;
            let request = GetTimelineRequest { omit_effects: true, ..of(order) };
            let bare = timeline(&mut client, request).await;
            assert!(full.rows.iter().any(|row| !row.effects.is_empty()));
            full.rows.iter_mut().for_each(|row| row.effects.clear());
            assert_eq!(bare, full);
        }
    });
}

/// However a timeline is cut into pages, its effects are those of the whole.
#[test]
fn effects_are_the_same_in_pages_of_any_size() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut names = Vec::new();
        for history in histories() {
            names.push(history[0].correlation_id.clone());
            append(&mut client, history).await;
        }
        let mut effects = 0;
        for name in names {
            let whole = timeline(&mut client, of(&name)).await.rows;
            effects += whole.iter().map(|row| row.effects.len()).sum::<usize>();
            let mut request = GetTimelineRequest { page_size: 2, ..of(&name) };
            let mut read = Vec::new();
            loop {
                let page = timeline(&mut client, request.clone()).await;
                read.extend(page.rows);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            assert_eq!(read, whole, "{name}");
        }
        assert!(effects > 500, "{effects} effects");
    });
}

fn at_offset(offset: u64) -> Basis {
    Basis { as_of_offset: Some(offset), ..Basis::default() }
}

async fn compared(
    client: &mut Client,
    order: &str,
    (before, after): (OrderBasis, OrderBasis),
) -> GetOrderResponse {
    let request = GetOrderRequest {
        correlation_id: order.into(),
        basis: after.basis,
        as_of_occurred: after.as_of_occurred,
        compare_with: Some(before),
    };
    client.get_order(request).await.unwrap().into_inner()
}

fn by_field(differences: &[OrderDifference]) -> BTreeMap<&str, (&str, &str)> {
    let known: BTreeMap<_, _> =
        differences.iter().map(|one| (&*one.field, (&*one.before, &*one.after))).collect();
    assert_eq!(known.len(), differences.len(), "each field once: {differences:?}");
    known
}

/// Seen red with the two states exchanged.
#[test]
fn two_states_of_an_order_are_compared_field_by_field() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, golden(53)).await;
        let state = |offset| OrderBasis { basis: Some(at_offset(offset)), as_of_occurred: None };
        let answer = compared(&mut client, "erp/100053", (state(4), state(6))).await;
        assert_eq!((answer.basis, answer.compared_basis), (6, Some(4)));
        let differs = by_field(&answer.differences);
        assert_eq!(differs["fulfillment.word"], ("released", "shipped"), "{differs:?}");
        assert_eq!(differs["lines[10].open_quantity"], ("4", "0"), "{differs:?}");
        assert_eq!(differs["lines[10].shipped.quantity"], ("", "4"), "{differs:?}");
        assert_eq!(differs["lines[10].picked.quantity"], ("", "4"), "{differs:?}");
        let same = compared(&mut client, "erp/100053", (state(6), state(6))).await;
        assert_eq!((same.differences, same.compared_basis), (vec![], Some(6)));
    });
}

/// What differs one way differs the other way round; both clocks may be compared.
#[test]
fn a_comparison_the_other_way_round_is_its_mirror() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for number in [1, 5, 9, 21, 29, 43, 47, 60] {
            append(&mut client, golden(number)).await;
        }
        let mut count = 0;
        for row in all(&mut client).await {
            let occurred =
                row.first_occurred_at.map(|at| Timestamp { seconds: at.seconds + 3_600, ..at });
            let early = OrderBasis { basis: None, as_of_occurred: occurred };
            let late = OrderBasis::default();
            let name = &*row.correlation_id;
            let there = compared(&mut client, name, (early, late)).await.differences;
            let back = compared(&mut client, name, (late, early)).await.differences;
            let mirrored: Vec<_> = back
                .into_iter()
                .map(|OrderDifference { field, before, after }| OrderDifference {
                    field,
                    before: after,
                    after: before,
                })
                .collect();
            assert_eq!(by_field(&there), by_field(&mirrored), "{name}");
            count += there.len();
        }
        assert!(count > 50, "{count} differences");
    });
}

#[test]
fn what_cannot_be_compared_is_refused_by_its_path() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let mut refused = async |before: OrderBasis| {
            let request = GetOrderRequest {
                correlation_id: "a".into(),
                compare_with: Some(before),
                ..GetOrderRequest::default()
            };
            explained(&client.get_order(request).await.unwrap_err())
        };
        let bad = Some(Timestamp { seconds: 0, nanos: -1 });
        let basis = Some(Basis { as_of_recorded: bad, ..Basis::default() });
        let times = refused(OrderBasis { basis, as_of_occurred: bad }).await;
        assert_eq!(times.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
        let expected = ["compare_with.basis.as_of_recorded", "compare_with.as_of_occurred"];
        assert_eq!(times.fields(), expected);
        let basis = Some(at_offset(2));
        let beyond = refused(OrderBasis { basis, as_of_occurred: None }).await;
        assert_eq!(beyond.kind(), (Code::OutOfRange, "BEYOND_HEAD", "refused"));
    });
}
