//! What a producer of a newer version says survives as it was sent, byte for byte; what a newer
//! client asks for is refused.

use order_ledger::proto::{
    AppendOutcome, GetTimelineRequest, Line, ListOrdersRequest, OrderEvent, OrderFilter,
    ReplayRequest, replay_response,
};
use prost::Message as _;
use tonic::codegen::tokio_stream::{StreamExt as _, once};
use tonic::transport::Channel;

use crate::raw::{self, RawReplay, RawTimeline};
use crate::support::{Server, event, explained, receipts, run};

/// An encoded event with fields of every wire type that no schema has: at the top and in a line.
/// Its fields stand in an order that no encoder of this crate writes.
fn newer_event(id: &str) -> Vec<u8> {
    let known = OrderEvent { lines: Vec::new(), ..event("a", id) };
    let mut line = Vec::new();
    raw::put_bytes(&mut line, 90, b"of a newer line");
    line.extend(
        Line { line_id: "10".into(), quantity: "2.50".into(), ..Line::default() }.encode_to_vec(),
    );
    let mut encoded = Vec::new();
    raw::put_bytes(&mut encoded, 900, b"of a newer event \xff\x00");
    raw::put_bytes(&mut encoded, 8, &line);
    encoded.extend(known.encode_to_vec());
    raw::put_number(&mut encoded, 901, u64::MAX);
    prost::encoding::fixed32::encode(902, &7, &mut encoded);
    prost::encoding::fixed64::encode(903, &8, &mut encoded);
    encoded
}

async fn timeline_bytes(channel: Channel) -> Vec<Vec<u8>> {
    let request =
        GetTimelineRequest { correlation_id: "a".into(), ..GetTimelineRequest::default() };
    let answer: RawTimeline =
        raw::unary(channel, "GetTimeline", request.encode_to_vec()).await.unwrap();
    let events = answer.rows.into_iter().map(|row| row.event.unwrap().event);
    events.collect()
}

async fn replay_bytes(channel: Channel) -> Vec<Vec<u8>> {
    let request = ReplayRequest::default().encode_to_vec().into();
    let answers = raw::streaming::<RawReplay>(channel, "Replay", once(request)).await;
    let mut answers = answers.unwrap();
    let mut read = Vec::new();
    while let Some(answer) = answers.next().await {
        let events = answer.unwrap().events.unwrap_or_default().events;
        read.extend(events.into_iter().map(|recorded| recorded.event));
    }
    read
}

#[test]
fn fields_that_this_version_does_not_know_survive_append_restart_timeline_and_replay() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let sent = vec![newer_event("1"), newer_event("2")];
        let server = Server::start(folder.path()).await;
        raw::append(server.channel().await, sent.clone()).await.unwrap();
        assert_eq!(timeline_bytes(server.channel().await).await, sent);
        assert_eq!(replay_bytes(server.channel().await).await, sent);
        server.stop().await;
        let server = Server::start(folder.path()).await;
        assert_eq!(timeline_bytes(server.channel().await).await, sent);
        assert_eq!(replay_bytes(server.channel().await).await, sent);
    });
}

#[test]
fn a_client_of_this_version_reads_what_it_knows_of_a_newer_event() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let sent = newer_event("1");
        raw::append(server.channel().await, vec![sent.clone()]).await.unwrap();
        let known = OrderEvent::decode(&*sent).unwrap();
        assert_eq!(known.lines[0].quantity, "2.50");

        let mut client = server.client().await;
        let request =
            GetTimelineRequest { correlation_id: "a".into(), ..GetTimelineRequest::default() };
        let timeline = client.get_timeline(request).await.unwrap().into_inner();
        let recorded = timeline.rows[0].event.clone().unwrap();
        assert_eq!(recorded.event.as_ref(), Some(&known));

        let replayed = client.replay(ReplayRequest::default()).await.unwrap();
        let mut replayed = replayed.into_inner();
        while let Some(answer) = replayed.message().await.unwrap() {
            if let Some(replay_response::Message::Events(chunk)) = answer.message {
                assert_eq!(chunk.events[0].event.as_ref(), Some(&known));
                return;
            }
        }
        panic!("no event was replayed");
    });
}

#[test]
fn a_retry_of_a_newer_event_is_a_duplicate_and_other_unknown_content_is_another_event() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let first = raw::append(server.channel().await, vec![newer_event("1")]).await;
        let again = raw::append(server.channel().await, vec![newer_event("1")]).await;
        let (first, again) = (first.unwrap(), again.unwrap());
        assert_eq!(again.outcomes[0].outcome(), AppendOutcome::Duplicate);
        assert_eq!(receipts(&again), receipts(&first));
        let mut other = newer_event("1");
        raw::put_bytes(&mut other, 904, b"one more");
        let refused = raw::append(server.channel().await, vec![other]).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::AlreadyExists);
    });
}

#[test]
fn a_retry_whose_encoder_orders_fields_otherwise_is_a_duplicate() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let first = event("a", "1").encode_to_vec();
        let mut other = Vec::new();
        raw::put_bytes(&mut other, 4, b"pick.confirmed");
        raw::put_bytes(&mut other, 3, b"1");
        raw::put_bytes(&mut other, 2, b"wms:dc1");
        raw::put_bytes(&mut other, 8, &event("a", "1").lines[0].encode_to_vec());
        raw::put_bytes(&mut other, 1, b"a");
        raw::append(server.channel().await, vec![first.clone()]).await.unwrap();
        let again = raw::append(server.channel().await, vec![other]).await.unwrap();
        assert_eq!(again.outcomes[0].outcome(), AppendOutcome::Duplicate);
        assert_eq!(timeline_bytes(server.channel().await).await, [first]);
    });
}

/// An encoded request with a field 99 at the top and in a message that it holds.
fn newer_request(holder: u32) -> Vec<u8> {
    let mut inner = Vec::new();
    raw::put_bytes(&mut inner, 99, b"narrower still");
    let mut request = Vec::new();
    if holder > 0 {
        raw::put_bytes(&mut request, holder, &inner);
    }
    request.extend(inner);
    request
}

#[test]
fn a_request_that_asks_for_what_this_version_does_not_know_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let methods = [
            ("ListOrders", 1, "filter.99", "1 (commercial), 2 (fulfillment)"),
            ("FindOrders", 6, "basis.99", "1 (at_least), 2 (as_of_offset)"),
            ("GetOrder", 4, "compare_with.99", "1 (basis), 2 (as_of_occurred)"),
            ("GetTimeline", 2, "basis.99", "3 (as_of_recorded)"),
            ("GetHead", 0, "99", "1 (include_sources)"),
            ("Append", 2, "expectations[0].99", "1 (correlation_id)"),
        ];
        for (method, holder, field, allowed) in methods {
            let request = newer_request(holder);
            let refused = raw::unary::<RawReplay>(server.channel().await, method, request).await;
            let refused = explained(&refused.unwrap_err());
            let kind = (tonic::Code::InvalidArgument, "INVALID_REQUEST", "refused");
            assert_eq!(refused.kind(), kind, "{method}");
            assert_eq!(refused.fields().first(), Some(&field), "{method}");
            assert_eq!(refused.fields().last(), Some(&"99"), "{method}");
            assert!(refused.message.contains(allowed), "{method}: {}", refused.message);
        }
        for method in ["Replay", "StreamOrders"] {
            let request = once(newer_request(0).into());
            let channel = server.channel().await;
            let refused = raw::streaming::<RawReplay>(channel, method, request).await;
            let refused = explained(&refused.unwrap_err());
            assert_eq!(refused.fields(), ["99"], "{method}");
        }
    });
}

#[test]
fn a_rule_that_is_not_known_is_refused_and_any_reason_is_not() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let asked = |rule: &str| {
            let filter = OrderFilter {
                anomaly_rules: vec!["R04".into(), rule.into()],
                open_reasons: vec!["a code of somebody's own".into()],
                ..OrderFilter::default()
            };
            ListOrdersRequest { filter: Some(filter), ..ListOrdersRequest::default() }
        };
        client.list_orders(asked("R22")).await.unwrap();
        let refused = explained(&client.list_orders(asked("R99")).await.unwrap_err());
        assert_eq!(refused.fields(), ["filter.anomaly_rules[1]"]);
        assert!(refused.message.contains("R01, R02"), "{}", refused.message);
    });
}
