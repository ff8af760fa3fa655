//! Questions about one order or one event, and about the head.

use order_ledger::proto::{
    GetAppendOutcomeRequest, GetHeadRequest, GetHeadResponse, GetOrderRequest, GetTimelineRequest,
    ListOrdersRequest, Order, OrderEvent, Reference,
};
use prost_types::Timestamp;
use tonic::Code;

use crate::support::{Client, Server, append, event, explained, receipts, run};

async fn order(client: &mut Client, correlation_id: &str) -> Order {
    let request =
        GetOrderRequest { correlation_id: correlation_id.into(), ..GetOrderRequest::default() };
    let answer = client.get_order(request).await.unwrap().into_inner();
    answer.order.unwrap()
}

fn reference(r#type: &str, value: &str) -> Reference {
    Reference {
        r#type: r#type.into(),
        issuer: "erp:prd".into(),
        value: value.into(),
        role: String::new(),
    }
}

#[test]
fn the_outcome_of_an_event_is_its_receipt_or_that_it_is_not_there() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let appended = append(&mut client, [event("a", 1), event("b", 1), event("a", 2)]).await;
        let request = |order: &str, source: &str, id: &str| GetAppendOutcomeRequest {
            correlation_id: order.into(),
            source: source.into(),
            event_id: id.into(),
        };
        let found = client.get_append_outcome(request("a", "wms:dc1", "2"));
        let found = found.await.unwrap().into_inner();
        assert_eq!(found.receipt.as_ref(), receipts(&appended).get(2));
        assert_eq!(found.basis, 3);
        let unknown = [
            request("a", "wms:dc1", "3"),
            request("a", "wms:dc2", "2"),
            request("b", "wms:dc1", "2"),
            request("x", "wms:dc1", "1"),
        ];
        for request in unknown {
            let answer = client.get_append_outcome(request).await.unwrap();
            let answer = answer.into_inner();
            assert_eq!((answer.receipt, answer.basis), (None, 3));
        }
    });
}

#[test]
fn an_order_counts_its_events_by_type_and_source_and_keeps_its_references() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let (po, wave) = (reference("customer_po", "77"), reference("wave", "W1"));
        let created = OrderEvent {
            source: "erp".into(),
            r#type: "order.created".into(),
            occurred_at: Some(Timestamp { seconds: 1_700_000_000, nanos: 5 }),
            refs: vec![po.clone()],
            ..event("a", "c")
        };
        let picked = |n: u32, refs: &[&Reference]| OrderEvent {
            refs: refs.iter().map(|&one| one.clone()).collect(),
            ..event("a", n)
        };
        append(&mut client, [event("other", 1), created]).await;
        append(&mut client, [picked(1, &[&wave]), event("other", 2)]).await;
        append(&mut client, [picked(2, &[&wave, &po]), picked(3, &[])]).await;

        let order = order(&mut client, "a").await;
        assert_eq!((order.revision, order.event_count), (4, 4));
        let types = order.type_counts.iter();
        let types: Vec<_> = types.map(|one| (&*one.r#type, one.count)).collect();
        assert_eq!(types, [("order.created", 1), ("pick.confirmed", 3)]);
        let sources = order.source_counts.iter();
        let sources: Vec<_> = sources.map(|one| (&*one.source, one.count)).collect();
        assert_eq!(sources, [("erp", 1), ("wms:dc1", 3)]);
        let references = order.references.iter().map(|known| {
            let reference = known.reference.clone().unwrap();
            (reference, known.first_offset, known.last_offset)
        });
        assert_eq!(references.collect::<Vec<_>>(), [(po, 1, 4), (wave, 2, 4)]);
        let first = order.first_event.unwrap();
        assert_eq!((first.offset, first.revision), (1, 0));
        assert_eq!((&*first.r#type, &*first.source), ("order.created", "erp"));
        assert_eq!((&*first.event_id, first.occurred_at.unwrap().nanos), ("c", 5));
        let last = order.last_event.unwrap();
        assert_eq!((last.offset, last.revision), (5, 3));
        assert_eq!((last.occurred_at, &*last.event_id), (None, "3"));
        assert!(last.recorded_at.unwrap().seconds > 1_700_000_000);
    });
}

#[test]
fn an_unknown_order_is_an_answer_with_revision_0() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let order = order(&mut client, "never heard of").await;
        assert_eq!((order.revision, order.event_count), (0, 0));
        assert_eq!((order.first_event, order.last_event), (None, None));
        assert_eq!(order.correlation_id, "never heard of");
        let request = GetTimelineRequest {
            correlation_id: "never heard of".into(),
            ..GetTimelineRequest::default()
        };
        let timeline = client.get_timeline(request).await.unwrap().into_inner();
        assert_eq!((timeline.rows.len(), timeline.revision), (0, 0));
        assert_eq!((timeline.basis, &*timeline.next_page_token), (1, ""));
    });
}

#[test]
fn a_question_that_names_no_order_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let errors = [
            client.get_order(GetOrderRequest::default()).await.err(),
            client.get_timeline(GetTimelineRequest::default()).await.err(),
            client.get_append_outcome(GetAppendOutcomeRequest::default()).await.err(),
        ];
        for error in errors {
            let refused = explained(&error.unwrap());
            assert_eq!((refused.code, &*refused.class), (Code::InvalidArgument, "refused"));
            assert_eq!(refused.fields(), ["correlation_id"]);
        }
    });
}

#[test]
fn the_head_tells_entries_orders_and_which_ledger_it_is() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let empty = client.get_head(GetHeadRequest::default()).await.unwrap().into_inner();
        assert_eq!((empty.head, empty.order_count, empty.recorded_at), (0, 0, None));
        assert_eq!(empty.ledger_id.len(), 32);
        assert!(empty.ledger_id.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let appended = append(&mut client, [event("a", 1), event("b", 1), event("a", 2)]).await;
        let full = client.get_head(GetHeadRequest::default()).await.unwrap().into_inner();
        assert_eq!((full.head, full.order_count), (3, 2));
        assert_eq!(full.recorded_at, receipts(&appended)[2].recorded_at);
        server.stop().await;
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let reopened = client.get_head(GetHeadRequest::default()).await.unwrap().into_inner();
        let lasting =
            |head: GetHeadResponse| (head.head, head.order_count, head.recorded_at, head.ledger_id);
        assert_eq!(lasting(reopened), lasting(full));
    });
}

/// Seen red with a basis that was read before the sources.
#[test]
fn the_sources_of_a_head_count_up_to_its_view_basis() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let (mut appender, mut lister) = (client.clone(), client.clone());
        let busy = tokio::spawn(async move {
            for n in 0..60 {
                append(&mut appender, [event(&format!("erp/{n}"), 1)]).await;
                lister.list_orders(ListOrdersRequest::default()).await.unwrap();
            }
        });
        while !busy.is_finished() {
            let request = GetHeadRequest { include_sources: true };
            let head = client.get_head(request).await.unwrap().into_inner();
            let counted: u64 = head.sources.iter().map(|source| source.event_count).sum();
            assert_eq!(counted, head.view_basis);
        }
        busy.await.unwrap();
    });
}
