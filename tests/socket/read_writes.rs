//! What was acknowledged is in every answer that asks for it: under load, while views are far
//! behind, and when they cannot be written; an older answer says so or is no answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use order_ledger::proto::{
    Basis, FindOrdersRequest, GetOrderRequest, GetTimelineRequest, ListOrdersRequest, OrderEvent,
    OrderFilter, OrderSort, Reference,
};
use order_ledger::{Limits, Options, ServeOptions};
use tonic::{Code, Status};

use crate::disk::{Switches, TestDisk};
use crate::support::{Client, Server, append, batch, event, explained, options, refusal, run};

/// An event that is found by the order's own number too.
fn numbered(order: &str, id: u64) -> OrderEvent {
    let po =
        Reference { r#type: "po".into(), value: format!("PO {order}"), ..Reference::default() };
    OrderEvent { source: format!("wms:{order}"), refs: vec![po], ..event(order, id) }
}

fn at_least(head: u64) -> Basis {
    Basis { at_least: head, ..Basis::default() }
}

/// What one order is in the answers that are made from the log.
async fn from_log(client: &mut Client, order: &str, head: u64) -> [u64; 2] {
    let request = GetOrderRequest {
        correlation_id: order.into(),
        basis: Some(at_least(head)),
        ..GetOrderRequest::default()
    };
    let answer = client.get_order(request).await.unwrap().into_inner();
    assert!(answer.basis >= head, "{order}: {} of {head}", answer.basis);
    let request = GetTimelineRequest {
        correlation_id: order.into(),
        basis: Some(at_least(head)),
        ..GetTimelineRequest::default()
    };
    let timeline = client.get_timeline(request).await.unwrap().into_inner();
    assert!(timeline.basis >= head);
    assert_eq!(timeline.revision, u64::try_from(timeline.rows.len()).unwrap());
    [answer.order.unwrap().revision, timeline.revision]
}

async fn listed(client: &mut Client, order: &str, head: u64) -> Result<u64, Status> {
    let filter = OrderFilter { sources: vec![format!("wms:{order}")], ..OrderFilter::default() };
    let request = ListOrdersRequest {
        filter: Some(filter),
        sort: OrderSort::FirstSeen.into(),
        basis: Some(at_least(head)),
        ..ListOrdersRequest::default()
    };
    let list = client.list_orders(request).await?.into_inner();
    assert!(list.basis >= head);
    assert_eq!(list.orders.len(), 1, "{order} at {head}");
    assert_eq!(list.orders[0].correlation_id, order);
    Ok(list.orders[0].revision)
}

async fn found(client: &mut Client, order: &str, head: u64) -> Result<u64, Status> {
    let request = FindOrdersRequest {
        value: format!("PO {order}"),
        basis: Some(at_least(head)),
        ..FindOrdersRequest::default()
    };
    let found = client.find_orders(request).await?.into_inner();
    assert!(found.basis >= head);
    assert_eq!(found.orders.len(), 1, "{order} at {head}");
    let status = found.orders[0].order.as_ref().unwrap();
    assert_eq!(status.correlation_id, order);
    Ok(status.revision)
}

/// The same from the views, or why there is no answer; either question may be the first.
async fn from_views(client: &mut Client, order: &str, head: u64) -> Result<[u64; 2], Status> {
    if head.is_multiple_of(2) {
        let found = found(client, order, head).await?;
        return Ok([listed(client, order, head).await?, found]);
    }
    let listed = listed(client, order, head).await?;
    Ok([listed, found(client, order, head).await?])
}

/// Appends to an order of its own; after every acknowledgement each query shows it, where it must
/// be asked again until it does.
async fn write_and_read(mut client: Client, writer: u64, rounds: u64) {
    let order = format!("o{writer}");
    for round in 0..rounds {
        let more = (0..2).map(|n| event(&format!("other {writer} {round}"), n));
        let events = [numbered(&order, round)].into_iter().chain(more);
        let head = append(&mut client, events).await.head;
        assert_eq!(from_log(&mut client, &order, head).await, [round + 1; 2]);
        let revisions = loop {
            match from_views(&mut client, &order, head).await {
                Ok(revisions) => break revisions,
                Err(status) => check_behind(&status),
            }
        };
        assert_eq!(revisions, [round + 1; 2]);
    }
}

fn check_behind(status: &Status) {
    let failed = explained(status);
    assert_eq!(failed.kind(), (Code::Unavailable, "VIEWS_BEHIND", "not_written"));
    assert!(failed.message.contains("the views go to offset"), "{}", failed.message);
}

/// A server whose views are on a disk that does what the test says.
async fn switched(folder: &std::path::Path, limits: Limits) -> (Server, Arc<Switches>) {
    let disk = TestDisk::default();
    let switches = Arc::clone(&disk.0);
    let options = Options { disk: Arc::new(disk), limits, ..options() };
    (Server::start_with(folder, options, ServeOptions::default()).await, switches)
}

async fn all_write_and_read(server: &Server, rounds: u64) {
    let mut writers = Vec::new();
    for writer in 0..4 {
        writers.push(tokio::spawn(write_and_read(server.client().await, writer, rounds)));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Seen red with lists, and with look-ups, that do not wait for the views.
#[test]
fn every_query_shows_what_was_acknowledged_while_others_write() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        all_write_and_read(&server, 25).await;
    });
}

#[test]
fn every_query_shows_what_was_acknowledged_while_the_views_are_slow() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, switches) = switched(folder.path(), Limits::default()).await;
        switches.views_delay_ms.store(3, Ordering::SeqCst);
        all_write_and_read(&server, 6).await;
    });
}

#[test]
fn views_that_stand_still_are_said_to_be_behind_and_the_log_answers() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, switches) = switched(folder.path(), Limits::default()).await;
        let mut client = server.client().await;
        append(&mut client, [numbered("o9", 0)]).await;
        assert_eq!(from_views(&mut client, "o9", 1).await.unwrap(), [1; 2]);
        switches.stand_still_views(true);
        let head = append(&mut client, [numbered("o9", 1), numbered("o8", 0)]).await.head;
        assert_eq!(from_log(&mut client, "o9", head).await, [2; 2]);
        assert_eq!(from_log(&mut client, "o8", head).await, [1; 2]);
        check_behind(&listed(&mut client, "o9", head).await.unwrap_err());
        check_behind(&found(&mut client, "o9", head).await.unwrap_err());
        // Without `at_least` too: never an old answer.
        let list = client.list_orders(ListOrdersRequest::default()).await;
        check_behind(&list.unwrap_err());
        switches.stand_still_views(false);
        assert_eq!(from_views(&mut client, "o9", head).await.unwrap(), [2; 2]);
        assert_eq!(from_views(&mut client, "o8", head).await.unwrap(), [1; 2]);
    });
}

/// A server whose views cannot be written since a list asked for them, and its head.
async fn unwritable(folder: &std::path::Path) -> (Server, Arc<Switches>, u64) {
    let limits = Limits { tail_entries_max: 20, ..Limits::default() };
    let (server, switches) = switched(folder, limits).await;
    let mut client = server.client().await;
    let head = append(&mut client, [numbered("old", 0)]).await.head;
    assert_eq!(from_views(&mut client, "old", head).await.unwrap(), [1; 2]);
    switches.views_fail.store(true, Ordering::SeqCst);
    let head = append(&mut client, [numbered("o1", 0)]).await.head;
    check_behind(&from_views(&mut client, "o1", head).await.unwrap_err());
    (server, switches, head)
}

#[test]
fn orders_are_answered_while_the_views_cannot_be_written() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, _switches, head) = unwritable(folder.path()).await;
        let mut client = server.client().await;
        assert_eq!(from_log(&mut client, "o1", head).await, [1; 2]);
        assert_eq!(from_log(&mut client, "old", head).await, [1; 2]);
    });
}

#[test]
fn an_order_that_cannot_be_read_now_is_unavailable_and_not_lost() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, switches, head) = unwritable(folder.path()).await;
        let mut client = server.client().await;
        let asking = || GetOrderRequest {
            correlation_id: "old".into(),
            basis: Some(at_least(head)),
            ..GetOrderRequest::default()
        };
        match client.get_order(asking()).await {
            Ok(answer) => assert_eq!(answer.into_inner().order.unwrap().revision, 1),
            Err(status) => {
                let failed = explained(&status);
                assert_eq!(failed.kind(), (Code::Unavailable, "UNREADABLE", "not_written"));
            }
        }
        switches.views_fail.store(false, Ordering::SeqCst);
        while client.get_order(asking()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(from_log(&mut client, "old", head).await, [1; 2]);
    });
}

/// The views say that they are behind, appends stop where the tail is full, and all of it ends with
/// the disk's failure. Seen red with a tail without a bound.
#[test]
fn views_that_cannot_be_written_stop_lists_then_appends_and_recover() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (server, switches, _) = unwritable(folder.path()).await;
        let mut client = server.client().await;
        let mut events = 1;
        let refused = loop {
            match client.append(batch([numbered("o1", events)])).await {
                Ok(_) => events += 1,
                Err(status) => break explained(&status),
            }
            assert!(events < 30, "appends go on");
        };
        assert_eq!(refused.kind(), (Code::ResourceExhausted, "VIEWS_BEHIND", "not_written"));
        assert_eq!(events, 20, "the tail has room for 20");
        assert_eq!(server.ledger.head(), 21);
        let again = refusal(&mut client, batch([numbered("o1", 99)])).await;
        assert_eq!(again.reason, "VIEWS_BEHIND");

        switches.views_fail.store(false, Ordering::SeqCst);
        let head = loop {
            match client.append(batch([numbered("o1", events)])).await {
                Ok(answer) => break answer.into_inner().head,
                Err(status) => assert_eq!(explained(&status).reason, "VIEWS_BEHIND"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(from_log(&mut client, "o1", head).await, [21; 2]);
        assert_eq!(from_views(&mut client, "o1", head).await.unwrap(), [21; 2]);
        assert_eq!(from_views(&mut client, "old", head).await.unwrap(), [1; 2]);
        drop(client);
        server.stop().await;
        let report = order_ledger::verify(folder.path(), |_| {}).unwrap();
        assert_eq!(report.defects, Vec::<String>::new());
    });
}
