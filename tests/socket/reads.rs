//! Who read which history is in the log, before it is shown, where the server is told so.

use order_ledger::ServeOptions;
use order_ledger::proto::{
    ExportEvidenceRequest, GetOrderProofRequest, GetOrderRequest, GetTimelineRequest, HistoryRead,
    OrderEvent, OrderFilter, Reference, ReplayRequest, StreamOrdersRequest,
    replay_response::Message,
};
use tonic::Request;

use crate::support::{Client, Server, append, event, explained, head, options, run};

async fn recorded(client: &mut Client, from_offset: u64) -> Vec<HistoryRead> {
    let request = ReplayRequest { from_offset, include_ledger_entries: true, ..Default::default() };
    let mut replayed = client.replay(request).await.unwrap().into_inner();
    let mut reads = Vec::new();
    while let Some(message) = replayed.message().await.unwrap() {
        let Some(Message::Events(chunk)) = message.message else { continue };
        let events = chunk.events.into_iter().filter_map(|recorded| recorded.event);
        reads.extend(events.filter_map(|event| event.ledger_entry?.read));
    }
    reads
}

fn named<T>(request: T, actor: &'static str) -> Request<T> {
    let mut request = Request::new(request);
    request.metadata_mut().insert("order-ledger-actor", actor.parse().unwrap());
    request
}

/// Seen red with the reads of one method not recorded.
#[test]
fn each_reading_of_a_history_is_recorded_with_who_and_what() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let serving = ServeOptions { audit_reads: true, ..ServeOptions::default() };
        let server = Server::start_with(folder.path(), options(), serving).await;
        let mut client = server.client().await;
        append(&mut client, [event("erp/1", 1), event("erp/2", 2)]).await;
        let begin = head(&mut client).await;

        let order = GetOrderRequest { correlation_id: "erp/1".into(), ..Default::default() };
        client.get_order(named(order, "anna")).await.unwrap();
        let timeline = GetTimelineRequest { correlation_id: "erp/2".into(), ..Default::default() };
        client.get_timeline(timeline).await.unwrap();
        client.stream_orders(StreamOrdersRequest { from_offset: 1, follow: false }).await.unwrap();
        let proof = GetOrderProofRequest { correlation_id: "erp/3".into(), covers: 0 };
        let mut audit = order_ledger::AuditServiceClient::new(server.channel().await);
        audit.get_order_proof(named(proof, "auditor")).await.unwrap();

        let reads = recorded(&mut client, begin).await;
        let said: Vec<_> = reads
            .iter()
            .map(|read| (&*read.method, &*read.correlation_id, &*read.reader, &*read.scope))
            .collect();
        let replay = format!("from offset {begin}");
        assert_eq!(
            said,
            [
                ("GetOrder", "erp/1", "anna", ""),
                ("GetTimeline", "erp/2", "", ""),
                ("StreamOrders", "", "", "from offset 1"),
                ("GetOrderProof", "erp/3", "auditor", ""),
                ("Replay", "", "", &*replay),
            ]
        );
        assert!(reads.iter().all(|read| read.peer.starts_with("127.0.0.1:")), "{reads:?}");
        server.stop().await;
    });
}

/// Seen red with the histories that come along not recorded.
#[test]
fn an_export_records_each_history_that_it_hands_out() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let serving = ServeOptions { audit_reads: true, ..ServeOptions::default() };
        let server = Server::start_with(folder.path(), options(), serving).await;
        let mut client = server.client().await;
        let reference = Reference {
            r#type: "customer_order".into(),
            issuer: "3pl".into(),
            value: "77".into(),
            ..Reference::default()
        };
        let linked =
            OrderEvent { r#type: "ref.linked".into(), refs: vec![reference], ..event("erp/1", 2) };
        append(&mut client, [event("unresolved/3pl/77", 1), linked]).await;
        let other = OrderEvent { source: "erp:prd".into(), ..event("erp/2", 3) };
        append(&mut client, [other]).await;
        let begin = head(&mut client).await;

        let mut audit = order_ledger::AuditServiceClient::new(server.channel().await);
        let ids = |count: u32| (0..count).map(|id| format!("erp/{id}")).collect::<Vec<_>>();
        let many = ExportEvidenceRequest { correlation_ids: ids(1_001), ..<_>::default() };
        let refused = explained(&audit.export_evidence(many).await.unwrap_err());
        assert_eq!(refused.fields(), ["correlation_ids"]);
        assert_eq!(head(&mut client).await, begin, "what is refused was not read");

        let sources = vec!["erp:prd".to_owned()];
        let request = ExportEvidenceRequest {
            correlation_ids: vec!["erp/1".into(), "erp/1".into()],
            filter: Some(OrderFilter { sources, ..OrderFilter::default() }),
            ..ExportEvidenceRequest::default()
        };
        let mut parts = audit.export_evidence(named(request, "anna")).await.unwrap().into_inner();
        while parts.message().await.unwrap().is_some() {}
        let reads = recorded(&mut client, begin).await;
        let exported = reads.iter().filter(|read| read.method == "ExportEvidence");
        let said: Vec<_> =
            exported.map(|read| (&*read.correlation_id, &*read.reader, &*read.scope)).collect();
        let expected = [
            ("erp/1", "anna", ""),
            ("erp/2", "anna", "passes a filter"),
            ("unresolved/3pl/77", "anna", "linked"),
        ];
        assert_eq!(said, expected);

        let repeated = ids(900).into_iter().chain(ids(900)).collect();
        let repeated = ExportEvidenceRequest { correlation_ids: repeated, ..<_>::default() };
        audit.export_evidence(repeated).await.unwrap();
        server.stop().await;
    });
}

/// Seen red with an answer whose reading could not be recorded.
#[test]
fn what_cannot_be_recorded_is_not_shown() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let serving = ServeOptions { audit_reads: true, ..ServeOptions::default() };
        let server = Server::start_with(folder.path(), options(), serving).await;
        let mut client = server.client().await;
        append(&mut client, [event("erp/1", 1)]).await;
        server.ledger.close();
        let order = GetOrderRequest { correlation_id: "erp/1".into(), ..Default::default() };
        let refused = explained(&client.get_order(order).await.unwrap_err());
        assert_eq!(refused.reason, "READ_NOT_RECORDED");
    });
}

#[test]
fn a_server_that_is_not_told_so_records_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("erp/1", 1)]).await;
        let order = GetOrderRequest { correlation_id: "erp/1".into(), ..Default::default() };
        client.get_order(order).await.unwrap();
        assert_eq!(head(&mut client).await, 1);
        server.stop().await;
    });
}
