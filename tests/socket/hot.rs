//! An order of 5,000 events among small ones: right in every answer, and no trouble for the others.

use order_ledger::proto::{
    GetOrderRequest, GetTimelineRequest, Line, ListOrdersRequest, Order, OrderEvent, OrderFilter,
    OrderStatus,
};
use order_ledger::{Options, verify};
use prost_types::Timestamp;

use crate::golden::{all, asking, list};
use crate::support::{Client, Server, append, event, run};

const EVENTS: u64 = 5_000;

/// Picks and packs of ten lines, one each, out of order in time.
fn hot(n: u64) -> OrderEvent {
    let line = Line { line_id: (n % 10).to_string(), quantity: "1".into(), ..Line::default() };
    let seconds = 1_700_000_000 + i64::try_from(n * 7_919 % EVENTS).unwrap();
    OrderEvent {
        r#type: if n.is_multiple_of(2) { "pick.confirmed" } else { "pack.confirmed" }.into(),
        occurred_at: Some(Timestamp { seconds, nanos: 0 }),
        lines: vec![line],
        ..event("hot", n)
    }
}

async fn order(client: &mut Client, name: &str) -> Order {
    let request = GetOrderRequest { correlation_id: name.into(), ..GetOrderRequest::default() };
    client.get_order(request).await.unwrap().into_inner().order.unwrap()
}

async fn check_timeline(client: &mut Client) {
    let mut request = GetTimelineRequest {
        correlation_id: "hot".into(),
        page_size: 1_300,
        ..GetTimelineRequest::default()
    };
    let mut rows = Vec::new();
    loop {
        let page = client.get_timeline(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.revision, EVENTS);
        rows.extend(page.rows);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let seconds: Vec<i64> = rows
        .iter()
        .map(|row| row.event.as_ref().unwrap().event.as_ref().unwrap().occurred_at.unwrap().seconds)
        .collect();
    let count = i64::try_from(EVENTS).unwrap();
    assert_eq!(seconds, (1_700_000_000..1_700_000_000 + count).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| !row.effects.is_empty()), "each moves its line");
}

fn check_order(order: &Order) {
    assert_eq!((order.revision, order.event_count), (EVENTS, EVENTS));
    assert_eq!(order.lines.len(), 10);
    for (place, line) in order.lines.iter().enumerate() {
        let told = if place % 2 == 0 { &line.picked } else { &line.packed };
        let told = told.as_ref().unwrap();
        assert_eq!((&*told.quantity, told.offsets.len()), ("500", 500), "{}", line.line_id);
    }
}

/// The orders after a round: a small one each, and the large one.
fn round_count(round: u64) -> usize {
    usize::try_from(round).unwrap() + 2
}

async fn rows(client: &mut Client) -> Vec<OrderStatus> {
    let rows = all(client).await;
    let filter = OrderFilter { sources: vec!["wms:dc1".into()], ..OrderFilter::default() };
    let filtered: ListOrdersRequest = asking(filter);
    assert_eq!(list(client, filtered).await.orders, rows);
    rows
}

/// Seen red with rows whose former keys stay in an index.
#[test]
fn an_order_of_5_000_events_is_right_and_leaves_the_others_alone() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::default();
        let server = Server::start_with(folder.path(), options.clone(), <_>::default()).await;
        let mut client = server.client().await;
        for round in 0..10 {
            let hot = (round * 500..(round + 1) * 500).map(hot);
            append(&mut client, hot).await;
            let small = format!("small/{round}");
            append(&mut client, [event(&small, 1), event(&small, 2)]).await;
            assert_eq!(order(&mut client, &small).await.revision, 2);
            // Brings the views up to date, so that the order grows in them pass by pass.
            assert_eq!(all(&mut client).await.len(), round_count(round));
        }
        check_order(&order(&mut client, "hot").await);
        check_timeline(&mut client).await;
        let before = rows(&mut client).await;
        assert_eq!(before.len(), 11);
        let row = before.iter().find(|row| row.correlation_id == "hot").unwrap();
        assert_eq!(row.revision, EVENTS);
        let small: Vec<_> = before.iter().filter(|row| row.correlation_id != "hot").collect();
        assert!(small.iter().all(|row| row.revision == 2));
        let state = order(&mut client, "hot").await;
        drop(client);
        server.stop().await;

        let report = verify(folder.path(), |_| {}).unwrap();
        assert_eq!(report.defects, Vec::<String>::new());
        std::fs::remove_file(folder.path().join("views.redb")).unwrap();
        let server = Server::start_with(folder.path(), options, <_>::default()).await;
        let mut client = server.client().await;
        assert_eq!(rows(&mut client).await, before, "rebuilt");
        assert_eq!(order(&mut client, "hot").await, state);
    });
}
