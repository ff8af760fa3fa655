//! A ledger that holds the golden histories: orders of every kind, for lists and streams.
//! Does not know what they should be.

use std::path::Path;

use order_ledger::proto::{ListOrdersRequest, ListOrdersResponse, OrderEvent, OrderSort};
use order_ledger::proto::{OrderFilter, OrderStatus};
use order_ledger::{Event, Limits};

use crate::support::{Client, append};

/// All events of the golden histories, by history.
pub(crate) fn histories() -> Vec<Vec<OrderEvent>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|end| end == "ndjson")).collect();
    files.sort();
    let event = |line: &str| Event::from_json(line, &Limits::default()).unwrap().message();
    let history = |file| -> Vec<OrderEvent> {
        std::fs::read_to_string(file).unwrap().lines().map(event).collect()
    };
    files.iter().map(history).collect()
}

/// Appends them all; the head.
pub(crate) async fn fill(client: &mut Client) -> u64 {
    let mut head = 0;
    for history in histories() {
        head = append(client, history).await.head;
    }
    head
}

pub(crate) async fn list(client: &mut Client, request: ListOrdersRequest) -> ListOrdersResponse {
    client.list_orders(request).await.unwrap().into_inner()
}

pub(crate) fn asking(filter: OrderFilter) -> ListOrdersRequest {
    ListOrdersRequest {
        filter: Some(filter),
        sort: OrderSort::FirstSeen.into(),
        page_size: 1_000,
        ..ListOrdersRequest::default()
    }
}

/// Every order, by first sight.
pub(crate) async fn all(client: &mut Client) -> Vec<OrderStatus> {
    let all = list(client, asking(OrderFilter::default())).await;
    assert_eq!(all.next_page_token, "");
    all.orders
}

pub(crate) fn names(orders: &[OrderStatus]) -> Vec<String> {
    orders.iter().map(|order| order.correlation_id.clone()).collect()
}
