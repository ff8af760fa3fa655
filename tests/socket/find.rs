//! `FindOrders`: what orders are found by, pages and their tokens, and what is refused.

use order_ledger::proto::{
    Basis, FindOrdersRequest, FindOrdersResponse, FoundOrder, GetOrderRequest, OrderEvent,
    OrderReference, Reference,
};
use prost_types::Timestamp;
use tonic::Code;

use crate::golden::{all, fill};
use crate::support::{Client, Explained, Server, append, event, explained, run};

fn asking(value: &str, kind: &str, issuer: &str) -> FindOrdersRequest {
    let (r#type, issuer) = (kind.into(), issuer.into());
    FindOrdersRequest { value: value.into(), r#type, issuer, ..FindOrdersRequest::default() }
}

async fn find(client: &mut Client, request: FindOrdersRequest) -> FindOrdersResponse {
    client.find_orders(request).await.unwrap().into_inner()
}

async fn refused(client: &mut Client, request: FindOrdersRequest) -> Explained {
    explained(&client.find_orders(request).await.unwrap_err())
}

fn carrying(order: &str, id: u32, references: &[(&str, &str, &str)]) -> OrderEvent {
    let reference = |(kind, issuer, value): &(&str, &str, &str)| Reference {
        r#type: (*kind).into(),
        issuer: (*issuer).into(),
        value: (*value).into(),
        role: String::new(),
    };
    OrderEvent { refs: references.iter().map(reference).collect(), ..event(order, id) }
}

fn told(found: &[FoundOrder]) -> Vec<(&str, &str, &str)> {
    found
        .iter()
        .map(|one| {
            let named = one.reference.as_ref().unwrap().reference.as_ref().unwrap();
            (&*one.order.as_ref().unwrap().correlation_id, &*named.r#type, &*named.issuer)
        })
        .collect()
}

async fn references(client: &mut Client, order: &str) -> (Vec<OrderReference>, bool) {
    let request = GetOrderRequest { correlation_id: order.into(), ..GetOrderRequest::default() };
    let order = client.get_order(request).await.unwrap().into_inner().order.unwrap();
    (order.references, order.event_count == order.revision)
}

#[test]
fn every_order_is_found_by_its_name_and_by_every_reference_that_it_carries() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let head = fill(&mut client).await;
        let mut count = 0;
        for row in all(&mut client).await {
            let name = &*row.correlation_id;
            let own = find(&mut client, asking(name, "correlation_id", "")).await;
            assert_eq!(told(&own.orders), [(name, "correlation_id", "")]);
            assert_eq!((own.orders[0].order.as_ref(), own.basis), (Some(&row), head));
            let (references, alone) = references(&mut client, name).await;
            for reference in references.into_iter().filter(|_| alone) {
                let named = reference.reference.clone().unwrap();
                let asks = [
                    asking(&named.value, "", ""),
                    asking(&named.value, &named.r#type, ""),
                    asking(&named.value, "", &named.issuer),
                    asking(&named.value, &named.r#type, &named.issuer),
                ];
                let expected = FoundOrder { order: Some(row.clone()), reference: Some(reference) };
                for request in asks {
                    let found = find(&mut client, request.clone()).await;
                    let times = found.orders.iter().filter(|one| **one == expected).count();
                    assert_eq!(times, 1, "{request:?}: {:?}", found.orders);
                    count += 1;
                }
            }
        }
        assert!(count > 500, "{count} look-ups");
    });
}

#[test]
fn a_value_that_is_used_again_is_told_apart_by_type_issuer_and_time() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let first = carrying("a", 1, &[("tracking", "dhl", "7"), ("invoice", "erp", "7")]);
        append(&mut client, [first, carrying("b", 1, &[("tracking", "ups", "7")])]).await;
        append(&mut client, [carrying("c", 1, &[("tracking", "dhl", "7")]), event("7", 1)]).await;
        append(&mut client, [carrying("d", 1, &[("tracking", "dhl", "77")])]).await;
        let all = find(&mut client, asking("7", "", "")).await;
        let expected = [
            ("7", "correlation_id", ""),
            ("a", "invoice", "erp"),
            ("c", "tracking", "dhl"),
            ("a", "tracking", "dhl"),
            ("b", "tracking", "ups"),
        ];
        assert_eq!(told(&all.orders), expected);
        let of_type = find(&mut client, asking("7", "tracking", "")).await;
        assert_eq!(told(&of_type.orders), &expected[2..]);
        let of_issuer = find(&mut client, asking("7", "", "dhl")).await;
        assert_eq!(told(&of_issuer.orders), &expected[2..4]);
        let of_both = find(&mut client, asking("7", "tracking", "ups")).await;
        assert_eq!(told(&of_both.orders), &expected[4..]);
        for (value, kind, issuer) in [("8", "", ""), ("7", "sscc", ""), ("7", "", "erp2")] {
            let found = find(&mut client, asking(value, kind, issuer)).await;
            assert_eq!((told(&found.orders), &*found.next_page_token), (vec![], ""));
        }
    });
}

#[test]
fn pages_of_a_look_up_fit_together_while_others_come() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let carriers = (0..20).map(|n| {
            let kind = if n % 3 == 0 { "wave" } else { "load" };
            carrying(&format!("o{n}"), 1, &[(kind, "wms", "W")])
        });
        append(&mut client, carriers.chain([event("W", 1)])).await;
        let whole = find(&mut client, asking("W", "", "")).await.orders;
        assert_eq!(whole.len(), 21);
        for page_size in [1, 6, 20, 21] {
            let mut request = FindOrdersRequest { page_size, ..asking("W", "", "") };
            let mut read: Vec<FoundOrder> = Vec::new();
            for page in 0.. {
                let found = find(&mut client, request.clone()).await;
                assert!(found.orders.len() <= usize::try_from(page_size).unwrap());
                read.extend(found.orders);
                if found.next_page_token.is_empty() {
                    break;
                }
                request.page_token = found.next_page_token;
                let name = format!("new/{page_size}/{page}");
                append(&mut client, [carrying(&name, 1, &[("load", "wms", "W")])]).await;
            }
            for one in &whole {
                assert_eq!(read.iter().filter(|other| *other == one).count(), 1, "{one:?}");
            }
        }
    });
}

/// Seen red with a token whose request is a text in which a space ends a field, and with one that is
/// not compared with the request.
#[test]
fn a_token_of_another_ledger_or_look_up_and_garbage_are_refused() {
    run(async {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let server = Server::start(folders[0].path()).await;
        let other = Server::start(folders[1].path()).await;
        let (mut client, mut other) = (server.client().await, other.client().await);
        let events = |value: &str, kind: &str| -> Vec<OrderEvent> {
            (0..4).map(|n| carrying(&format!("{kind}{n}"), 1, &[(kind, "erp", value)])).collect()
        };
        for client in [&mut client, &mut other] {
            append(client, events("4 711", "po")).await;
            append(client, events("4", "711 po")).await;
        }
        let first = FindOrdersRequest { page_size: 2, ..asking("4 711", "po", "erp") };
        let token = find(&mut client, first.clone()).await.next_page_token;
        assert!(!token.is_empty());
        let with = |request: FindOrdersRequest, token: &str| FindOrdersRequest {
            page_token: token.into(),
            ..request
        };
        let refusal = |explained: Explained| {
            assert_eq!(explained.kind(), (Code::InvalidArgument, "PAGE_TOKEN", "refused"));
        };
        refusal(refused(&mut other, with(first.clone(), &token)).await);
        for altered in [
            asking("4 711", "po", ""),
            asking("4 711", "", "erp"),
            asking("4 712", "po", "erp"),
            asking("4", "711 po", "erp"),
        ] {
            refusal(refused(&mut client, with(altered, &token)).await);
        }
        let bad = ["garbage", ".", &token[8..], &format!("{token}0"), &format!("{token}zz")];
        for garbage in bad {
            refusal(refused(&mut client, with(first.clone(), garbage)).await);
        }
        let next = find(&mut client, with(first, &token)).await;
        assert_eq!((next.orders.len(), &*next.next_page_token), (2, ""));
    });
}

#[test]
fn a_look_up_without_a_value_or_of_the_past_is_refused_all_at_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let as_of_recorded = Some(Timestamp::default());
        let basis = Basis { at_least: 0, as_of_offset: Some(0), as_of_recorded };
        let request = FindOrdersRequest {
            page_size: 1_001,
            basis: Some(basis),
            ..asking("", "tracking", "")
        };
        let refused = refused(&mut client, request).await;
        assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
        let expected = ["value", "page_size", "basis.as_of_offset", "basis.as_of_recorded"];
        assert_eq!(refused.fields(), expected);
    });
}

/// Seen red with `at_least` that is not heeded.
#[test]
fn a_look_up_waits_for_the_head_that_it_asks_for() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let at_least = |head| FindOrdersRequest {
            basis: Some(Basis { at_least: head, ..Basis::default() }),
            ..asking("7", "po", "")
        };
        let mut waiting = server.client().await;
        let waiting = tokio::spawn(async move { waiting.find_orders(at_least(2)).await });
        append(&mut client, [event("a", 1)]).await;
        append(&mut client, [carrying("b", 1, &[("po", "x", "7")])]).await;
        let answer = waiting.await.unwrap().unwrap().into_inner();
        assert_eq!((told(&answer.orders), answer.basis), (vec![("b", "po", "x")], 2));
        let late = refused(&mut client, at_least(3)).await;
        assert_eq!(late.kind(), (Code::Unavailable, "BASIS_NOT_REACHED", "not_written"));
    });
}
