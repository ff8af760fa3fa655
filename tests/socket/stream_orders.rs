//! `StreamOrders`: which orders a change is told of, and where a reader stands.

use order_ledger::proto::stream_orders_response::Message;
use order_ledger::proto::{
    CorrectionDetails, CorrectionKind, Order, OrderEvent, OrderRelation, OrderRelationKind,
    RelatedOrder, StreamOrdersRequest,
};

use crate::support::{Client, Server, append, event, run};

/// The orders of a stream from an offset to the head, in the order of the stream.
async fn orders(client: &mut Client, from_offset: u64) -> Vec<Order> {
    let request = StreamOrdersRequest { from_offset, follow: false };
    let mut stream = client.stream_orders(request).await.unwrap().into_inner();
    let mut orders = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        if let Some(Message::Orders(chunk)) = answer.message {
            orders.extend(chunk.orders.into_iter().map(|changed| changed.order.unwrap()));
        }
    }
    orders
}

fn names(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.correlation_id.as_str()).collect()
}

/// Order `a` is split into others.
fn split(id: &str, into: &[&str]) -> OrderEvent {
    let correlation_ids = into.iter().map(ToString::to_string).collect();
    OrderEvent {
        r#type: "order.split".into(),
        relation: Some(OrderRelation { correlation_ids, ..OrderRelation::default() }),
        ..event("a", id)
    }
}

fn relations(order: &Order) -> Vec<OrderRelationKind> {
    order.related_orders.iter().map(RelatedOrder::relation).collect()
}

#[test]
fn a_correction_of_a_split_tells_of_the_order_that_was_named() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("b", 1), event("c", 1)]).await;
        append(&mut client, [split("s", &["b"])]).await;
        let told = orders(&mut client, 3).await;
        assert_eq!(names(&told), ["a", "b"]);
        assert_eq!(relations(&told[1]), [OrderRelationKind::SplitFrom]);
        let correction = CorrectionDetails {
            target_event_id: "s".into(),
            kind: CorrectionKind::DidNotOccur.into(),
            ..CorrectionDetails::default()
        };
        let corrected = OrderEvent {
            r#type: "event.corrected".into(),
            correction: Some(correction),
            ..event("a", "x")
        };
        append(&mut client, [corrected]).await;
        let told = orders(&mut client, 4).await;
        assert_eq!(names(&told), ["a", "b"]);
        assert_eq!(relations(&told[1]), []);
    });
}

#[test]
fn an_order_that_is_named_and_has_no_events_is_not_told_of() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [split("s", &["later", "never"])]).await;
        assert_eq!(names(&orders(&mut client, 0).await), ["a"]);
        append(&mut client, [event("later", 1)]).await;
        let told = orders(&mut client, 1).await;
        assert_eq!(names(&told), ["later"]);
        assert_eq!(relations(&told[0]), [OrderRelationKind::SplitFrom]);
    });
}
