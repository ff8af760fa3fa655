//! Readers that stand still while the ledger grows: nothing of the views is kept for them.
//! Does not know what streams bring.

use std::sync::Arc;
use std::time::Duration;

use super::client::connect_local;
use super::wire;
use super::wire::{replay_response, stream_orders_response};
use crate::audit::AuditOptions;
use crate::event::Event;
use crate::ledger::{Batch, Ledger, Options};
use crate::proto::{Line, OrderEvent};

/// No test may take longer.
const TEST_TIME_MAX: Duration = Duration::from_secs(30);
const ORDERS: usize = 40;
const ROUNDS: usize = 4;

/// An event of many lines: neither it nor the state of its order is small.
fn event(order: usize, id: usize) -> Event {
    let line = |n| Line { line_id: format!("{n:0>60}"), quantity: "1".into(), ..Line::default() };
    let event = OrderEvent {
        correlation_id: format!("erp/{order}"),
        source: "wms".into(),
        event_id: id.to_string(),
        r#type: "pick.confirmed".into(),
        lines: (0..400).map(line).collect(),
        ..OrderEvent::default()
    };
    Event::new(&event).unwrap()
}

/// Appends to every order, later to a few of them, and has the views take it.
async fn grow(ledger: &Arc<Ledger>, round: usize) {
    let ledger = Arc::clone(ledger);
    let grown = tokio::task::spawn_blocking(move || {
        let orders = if round == 0 { ORDERS } else { 2 };
        let events = (0..orders).map(|order| event(order, round));
        let head = ledger.append(Batch::of(events)).unwrap().head;
        ledger.views_at_least(head).unwrap();
    });
    grown.await.unwrap();
}

/// Redb keeps every page of a state that is held, and all that was freed since. Seen red with a
/// feed that keeps the state that it read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stand_still_hold_no_state_of_the_views() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(&folder, Options::default()).unwrap());
    grow(&ledger, 0).await;
    let mut client = connect_local(Arc::clone(&ledger), AuditOptions::default()).ledger;
    let request = wire::ReplayRequest { follow: true, ..Default::default() };
    let mut events = client.replay(request).await.unwrap().into_inner();
    let request = wire::StreamOrdersRequest { follow: true, ..Default::default() };
    let mut orders = client.stream_orders(request).await.unwrap().into_inner();
    // Both stand in the middle of the first part, with more in it than waits for them.
    events.message().await.unwrap().unwrap();
    orders.message().await.unwrap().unwrap();
    let mut old = Vec::new();
    for round in 1..=ROUNDS {
        old.push(ledger.newest_is_held());
        grow(&ledger, round).await;
    }
    let let_go = async {
        while old.iter().any(|is_held| is_held()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let let_go = tokio::time::timeout(TEST_TIME_MAX, let_go).await;
    let still: Vec<bool> = old.iter().map(|is_held| is_held()).collect();
    assert!(let_go.is_ok(), "old states that are held: {still:?}");
    assert!(ledger.newest_is_held()(), "what is looked at is there");

    let head = ledger.head();
    let read = async {
        loop {
            let said = events.message().await.unwrap().unwrap().message;
            let Some(replay_response::Message::CaughtUp(at)) = said else { continue };
            if at.head == head {
                break;
            }
        }
        loop {
            let said = orders.message().await.unwrap().unwrap().message;
            let Some(stream_orders_response::Message::CaughtUp(at)) = said else { continue };
            if at.head == head {
                break;
            }
        }
    };
    tokio::time::timeout(TEST_TIME_MAX, read).await.expect("both go on to the head");
}
