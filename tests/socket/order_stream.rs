//! `StreamOrders`: every changed order with its state, from anywhere, live, and where to resume.

use std::collections::{BTreeMap, BTreeSet};

use order_ledger::proto::stream_orders_response::Message;
use order_ledger::proto::{
    Basis, CorrectionDetails, CorrectionKind, GetOrderRequest, Line, Order, OrderChunk, OrderEvent,
    Reference, ReplayClosedReason, StreamOrdersRequest, StreamOrdersResponse,
};
use tonic::{Code, Streaming};

use crate::golden::{all, fill, names};
use crate::support::{Client, Server, append, event, explained, run};

type Stream = Streaming<StreamOrdersResponse>;

async fn start(client: &mut Client, from_offset: u64, follow: bool) -> Stream {
    let request = StreamOrdersRequest { from_offset, follow };
    client.stream_orders(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Stream) -> Message {
    stream.message().await.unwrap().unwrap().message.unwrap()
}

/// Reads on until a head is reached.
async fn read_to(stream: &mut Stream, head: u64) -> Vec<OrderChunk> {
    let mut chunks = Vec::new();
    loop {
        match next(stream).await {
            Message::Orders(chunk) => chunks.push(chunk),
            Message::CaughtUp(caught_up) if caught_up.head == head => return chunks,
            Message::CaughtUp(caught_up) => assert!(caught_up.head < head),
            Message::Progress(progress) => assert!(progress.scanned_to <= progress.head),
            Message::Closed(closed) => panic!("{closed:?}"),
        }
    }
}

async fn order_at(client: &mut Client, order: &str, head: u64) -> Order {
    let basis = Basis { as_of_offset: Some(head), ..Basis::default() };
    let request = GetOrderRequest {
        correlation_id: order.into(),
        basis: Some(basis),
        ..GetOrderRequest::default()
    };
    client.get_order(request).await.unwrap().into_inner().order.unwrap()
}

/// Each state is that of `GetOrder` at its basis, and no order stands twice in a part.
async fn check_chunks(client: &mut Client, from: u64, chunks: &[OrderChunk]) {
    let mut scanned_to = from;
    let mut part = BTreeSet::new();
    for chunk in chunks {
        for changed in &chunk.orders {
            let order = changed.order.as_ref().unwrap();
            let expected = order_at(client, &order.correlation_id, changed.basis).await;
            assert_eq!(order, &expected, "at {}", changed.basis);
            assert!(changed.basis > scanned_to);
            assert!(part.insert(order.correlation_id.clone()), "twice: {}", order.correlation_id);
        }
        assert!(chunk.scanned_to >= scanned_to);
        if chunk.scanned_to > scanned_to {
            assert!(chunk.orders.iter().all(|changed| changed.basis == chunk.scanned_to));
            (scanned_to, part) = (chunk.scanned_to, BTreeSet::new());
        }
    }
}

/// The last state of each order.
fn states<'a>(chunks: impl IntoIterator<Item = &'a OrderChunk>) -> BTreeMap<String, Order> {
    let changed = chunks.into_iter().flat_map(|chunk| &chunk.orders);
    let orders = changed.map(|changed| changed.order.clone().unwrap());
    orders.map(|order| (order.correlation_id.clone(), order)).collect()
}

/// Its state takes many more bytes than the event does.
fn event_of_many_lines(order: &str) -> OrderEvent {
    let line = |n: u32| Line { line_id: n.to_string(), quantity: "1".into(), ..Line::default() };
    OrderEvent { lines: (0..40).map(line).collect(), ..event(order, 1) }
}

/// Seen red with `scanned_to` of the whole part in its first message, and without the first event of
/// each part.
#[test]
fn a_stream_resumed_behind_any_message_misses_no_change() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, (0..600).map(|n| event_of_many_lines(&format!("o{n}")))).await;
        let head = fill(&mut client).await;
        let chunks = read_to(&mut start(&mut client, 0, true).await, head).await;
        check_chunks(&mut client, 0, &chunks).await;
        let parts: BTreeSet<u64> = chunks.iter().map(|chunk| chunk.scanned_to).collect();
        assert!(parts.len() > 2 && chunks.len() > parts.len(), "{} messages", chunks.len());
        let mut whole = BTreeMap::new();
        for name in names(&all(&mut client).await) {
            let order = order_at(&mut client, &name, head).await;
            whole.insert(name, order);
        }
        assert!(states(&chunks) == whole, "the last state of each order is that at the head");
        for taken in 0..=chunks.len() {
            let (before, _) = chunks.split_at(taken);
            let from = before.last().map_or(0, |chunk| chunk.scanned_to);
            let rest = read_to(&mut start(&mut client, from, true).await, head).await;
            let all = states(before.iter().chain(&rest));
            assert!(all == whole, "resumed at {from} behind {taken} messages");
        }
    });
}

#[test]
fn live_changes_come_once_for_each_part_whoever_appends() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let client = server.client().await;
        let appender = |source: u32| {
            let mut client = client.clone();
            tokio::spawn(async move {
                for n in 0..60_u32 {
                    let order = format!("o{}", (n + source) % 7);
                    let id = format!("{source}.{n}");
                    let batch = [0, 1, 2].map(|copy| event(&order, format!("{id}.{copy}")));
                    append(&mut client, batch).await;
                }
            })
        };
        let appenders = [1, 2, 3].map(appender);
        let readers = [0, 0].map(|from| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let mut stream = start(&mut client, from, true).await;
                let chunks = read_to(&mut stream, 540).await;
                check_chunks(&mut client, from, &chunks).await;
                states(&chunks)
            })
        });
        for appender in appenders {
            appender.await.unwrap();
        }
        for reader in readers {
            let states = reader.await.unwrap();
            let counts: Vec<u64> = states.values().map(|order| order.revision).collect();
            assert_eq!((counts.len(), counts.iter().sum::<u64>()), (7, 540));
        }
    });
}

#[test]
fn many_changes_of_an_order_in_one_part_are_one_state() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, (0..200).map(|n| event(if n % 2 == 0 { "a" } else { "b" }, n))).await;
        let mut stream = start(&mut client, 0, false).await;
        assert!(matches!(next(&mut stream).await, Message::Progress(at) if at.head == 200));
        let Message::Orders(chunk) = next(&mut stream).await else { panic!("two orders") };
        let rows = chunk.orders.iter().map(|changed| {
            let order = changed.order.as_ref().unwrap();
            (&*order.correlation_id, order.revision, changed.basis)
        });
        assert_eq!(rows.collect::<Vec<_>>(), [("a", 100, 200), ("b", 100, 200)]);
        assert_eq!(chunk.scanned_to, 200);
        assert!(matches!(next(&mut stream).await, Message::CaughtUp(at) if at.head == 200));
        let Message::Closed(closed) = next(&mut stream).await else { panic!("the head") };
        assert_eq!(closed.reason(), ReplayClosedReason::HeadReached);
        assert_eq!(closed.resume_from, 200);
        assert!(stream.message().await.unwrap().is_none());
    });
}

fn linking(order: &str, id: &str, kind: &str, value: &str) -> OrderEvent {
    let history = Reference {
        r#type: "shipment".into(),
        issuer: "tms".into(),
        value: value.into(),
        role: String::new(),
    };
    OrderEvent { r#type: kind.into(), refs: vec![history], lines: Vec::new(), ..event(order, id) }
}

fn correcting(order: &str, id: &str, target: &str) -> OrderEvent {
    let correction = CorrectionDetails {
        target_event_id: target.into(),
        kind: CorrectionKind::DidNotOccur.into(),
        ..CorrectionDetails::default()
    };
    OrderEvent {
        r#type: "event.corrected".into(),
        correction: Some(correction),
        lines: Vec::new(),
        ..event(order, id)
    }
}

/// Each step changes the states of orders that the event itself is not about.
#[test]
fn orders_that_others_change_by_naming_them_are_streamed_too() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let history = "unresolved/tms/7";
        let steps = [
            (event(history, "h1"), vec![history]),
            (linking("a", "l1", "ref.linked", "7"), vec!["a", history]),
            (event(history, "h2"), vec!["a", history]),
            (linking("a", "u1", "ref.unlinked", "7"), vec!["a", history]),
            (linking("b", "l2", "ref.linked", "7"), vec!["b", history]),
            (correcting("b", "c1", "l2"), vec!["b", history]),
        ];
        let mut stream = start(&mut client, 0, true).await;
        let names = [history, "a", "b"];
        let mut known: BTreeMap<String, Order> = BTreeMap::new();
        for (event, expected) in steps {
            let id = event.event_id.clone();
            let head = append(&mut client, [event]).await.head;
            let chunks = read_to(&mut stream, head).await;
            let streamed = states(&chunks);
            let mut found: Vec<&str> = streamed.keys().map(String::as_str).collect();
            found.sort_unstable();
            for name in names {
                let now = order_at(&mut client, name, head).await;
                let before = known.insert(name.into(), now.clone());
                let changed = before.is_some_and(|before| before != now);
                assert!(!changed || found.contains(&name), "{id} changed {name}: {found:?}");
            }
            for name in expected {
                assert!(found.contains(&name), "{id}: {name} is not among {found:?}");
            }
        }
    });
}

#[test]
fn a_follower_is_told_when_the_server_shuts_down_and_where_to_resume() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut empty = start(&mut client, 0, true).await;
        assert!(matches!(next(&mut empty).await, Message::Progress(at) if at.head == 0));
        assert!(matches!(next(&mut empty).await, Message::CaughtUp(at) if at.head == 0));
        append(&mut client, [event("a", 1), event("b", 1)]).await;
        assert_eq!(read_to(&mut empty, 2).await.len(), 1);
        let stopping = server.begin_to_stop();
        let Message::Closed(closed) = next(&mut empty).await else { panic!("it shuts down") };
        assert_eq!(closed.reason(), ReplayClosedReason::ShuttingDown);
        assert_eq!(closed.resume_from, 2);
        assert!(empty.message().await.unwrap().is_none());
        drop((empty, client));
        stopping.stopped().await;
    });
}

#[test]
fn an_offset_beyond_the_head_is_out_of_range() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        for follow in [false, true] {
            let request = StreamOrdersRequest { from_offset: 2, follow };
            let refused = explained(&client.stream_orders(request).await.unwrap_err());
            assert_eq!(refused.kind(), (Code::OutOfRange, "BEYOND_HEAD", "refused"));
        }
        let mut at_head = start(&mut client, 1, false).await;
        assert!(matches!(next(&mut at_head).await, Message::Progress(at) if at.scanned_to == 1));
        assert!(matches!(next(&mut at_head).await, Message::CaughtUp(at) if at.head == 1));
        assert!(matches!(next(&mut at_head).await, Message::Closed(at) if at.resume_from == 1));
    });
}
