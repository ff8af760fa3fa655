//! `AppendStream`: pipelined appends.

use order_ledger::proto::append_stream_response::Result as Answer;
use order_ledger::proto::{
    AppendRequest, AppendStreamRequest, AppendStreamResponse, FailureClass, GetTimelineRequest,
    OrderEvent, ReplayRequest, replay_response,
};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::{self, StreamExt as _};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{Client, Explained, Server, append, batch, event, explained, head, run};

fn request(request_id: u64, append: AppendRequest) -> AppendStreamRequest {
    AppendStreamRequest { request_id, append: Some(append) }
}

async fn answers(
    client: &mut Client,
    requests: Vec<AppendStreamRequest>,
) -> Vec<AppendStreamResponse> {
    let answers = client.append_stream(tokio_stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        all.push(answer);
    }
    all
}

/// What the error of one request says, which is what a status would have said.
fn error_of(answer: &AppendStreamResponse) -> (Explained, FailureClass) {
    let Some(Answer::Error(error)) = &answer.result else {
        panic!("{answer:?}");
    };
    let rpc_status = tonic_types::Status::decode(&*error.details).unwrap();
    assert_eq!((rpc_status.code, &rpc_status.message), (error.code, &error.message));
    assert!(!rpc_status.details.is_empty());
    let code = Code::from_i32(error.code);
    let status = Status::with_details(code, &error.message, error.details.clone().into());
    assert!(status.check_error_details().is_ok());
    (explained(&status), error.failure_class())
}

fn offset_of(answer: &AppendStreamResponse) -> u64 {
    let Some(Answer::Appended(appended)) = &answer.result else {
        panic!("{answer:?}");
    };
    appended.outcomes[0].receipt.as_ref().unwrap().offset
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order_and_one_refusal_ends_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let one = |n: u64| match n {
            500 => OrderEvent { source: String::new(), ..event("a", n) },
            n => event("a", n),
        };
        let id = |n: u64| 7_000_000_000 + n * 3;
        let requests = (0..1_000).map(|n| request(id(n), batch([one(n)])));
        let answers = answers(&mut client, requests.collect()).await;
        let ids: Vec<_> = answers.iter().map(|answer| answer.request_id).collect();
        assert_eq!(ids, (0..1_000).map(id).collect::<Vec<_>>());
        let (refused, class) = error_of(&answers[500]);
        assert_eq!(class, FailureClass::Refused);
        let kind = (Code::InvalidArgument, "INVALID_BATCH", "refused");
        assert_eq!(refused.kind(), kind);
        assert_eq!(refused.fields(), ["events[0].source"]);
        let appended = answers.iter().enumerate().filter(|(n, _)| *n != 500);
        let offsets = appended.map(|(_, answer)| offset_of(answer));
        assert_eq!(offsets.collect::<Vec<_>>(), (0..999).collect::<Vec<_>>());
        assert_eq!(head(&mut client).await, 999);
    });
}

#[test]
fn large_and_small_batches_of_one_caller_keep_their_order() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let sizes = [200, 1, 17, 16, 1, 400, 2, 1];
        let mut next = 0;
        let requests = sizes.map(|size: u64| {
            let events = (next..next + size).map(|n| event("a", format!("{n:05}")));
            next += size;
            request(next, batch(events))
        });
        answers(&mut client, requests.into()).await;
        let replayed = client.replay(ReplayRequest::default()).await.unwrap();
        let mut replayed = replayed.into_inner();
        let mut ids = Vec::new();
        while let Some(answer) = replayed.message().await.unwrap() {
            if let Some(replay_response::Message::Events(chunk)) = answer.message {
                let events = chunk.events.into_iter().map(|one| one.event.unwrap());
                ids.extend(events.map(|event| event.event_id));
            }
        }
        let sent: Vec<_> = (0..next).map(|n| format!("{n:05}")).collect();
        assert_eq!(ids, sent);
    });
}

#[test]
fn a_request_may_expect_what_the_one_before_it_in_the_stream_makes_true() {
    run(async {
        use order_ledger::proto::{Expectation, expectation::Expected};
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let at_revision = |revision: u64| {
            let expectation = Expectation {
                correlation_id: "a".into(),
                expected: Some(Expected::Revision(revision)),
            };
            let append =
                AppendRequest { expectations: vec![expectation], ..batch([event("a", revision)]) };
            request(revision, append)
        };
        let mut requests: Vec<_> = (0..100).map(at_revision).collect();
        requests.push(at_revision(7_000));
        let answers = answers(&mut client, requests).await;
        let offsets: Vec<_> = answers[..100].iter().map(offset_of).collect();
        assert_eq!(offsets, (0..100).collect::<Vec<_>>());
        let (refused, class) = error_of(&answers[100]);
        let kind = (Code::FailedPrecondition, "WRONG_REVISION", "refused");
        assert_eq!((refused.kind(), class), (kind, FailureClass::Refused));
    });
}

#[test]
fn a_request_without_a_batch_is_refused_as_an_empty_one() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let empty = AppendStreamRequest { request_id: 9, append: None };
        let answers = answers(&mut client, vec![empty, request(10, batch([event("a", 1)]))]).await;
        let (refused, _) = error_of(&answers[0]);
        assert_eq!(refused.fields(), ["events"]);
        assert_eq!(offset_of(&answers[1]), 0);
    });
}

#[test]
fn every_answer_comes_as_soon_as_it_is_known_and_the_client_may_go_on_asking() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let (requests, receiver) = mpsc::channel(1);
        let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let answers = client.append_stream(receiver).await.unwrap();
        let mut answers = answers.into_inner();
        for n in 0..20 {
            requests.send(request(n, batch([event("a", n)]))).await.unwrap();
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!((answer.request_id, offset_of(&answer)), (n, n));
        }
        drop(requests);
        assert!(answers.message().await.unwrap().is_none(), "an orderly end");
    });
}

#[test]
fn two_streams_at_once_do_not_mix_and_their_duplicates_are_found() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("both", 0)]).await;
        let stream = |order: &'static str| {
            let mut client = client.clone();
            let requests = (0..300).map(|n| request(n, batch([event(order, n), event("both", n)])));
            let requests: Vec<_> = requests.collect();
            tokio::spawn(async move { answers(&mut client, requests).await })
        };
        let (one, other) = (stream("one"), stream("other"));
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        for answers in [one, other] {
            let ids: Vec<_> = answers.iter().map(|answer| answer.request_id).collect();
            assert_eq!(ids, (0..300).collect::<Vec<_>>());
            assert!(answers.iter().map(offset_of).is_sorted());
        }
        for order in ["one", "other", "both"] {
            let request = GetTimelineRequest {
                correlation_id: order.into(),
                ..GetTimelineRequest::default()
            };
            let timeline = client.get_timeline(request).await.unwrap();
            assert_eq!(timeline.into_inner().revision, 300, "{order}");
        }
    });
}

#[test]
fn a_caller_that_never_reads_its_answers_holds_up_nobody_else() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let small_window = server.endpoint().initial_stream_window_size(1_000);
        let channel = small_window.connect().await.unwrap();
        let mut deaf = order_ledger::LedgerServiceClient::new(channel);
        let (requests, receiver) = mpsc::channel(1);
        let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut answers = deaf.append_stream(receiver).await.unwrap().into_inner();
        let sent = tokio::spawn(async move {
            for n in 0..5_000 {
                requests.send(request(n, batch([event("deaf", n)]))).await.unwrap();
            }
        });
        let mut client = server.client().await;
        for n in 0..50 {
            append(&mut client, [event("a", n)]).await;
        }
        let mut read = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(answer.request_id, read);
            read += 1;
        }
        sent.await.unwrap();
        assert_eq!((read, head(&mut client).await), (5_000, 5_050));
    });
}
