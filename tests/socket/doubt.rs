//! A disk that fails under the service: doubt is said, nothing is lost, reads go on, and a retry after
//! the restart makes exactly one copy.

use std::sync::atomic::Ordering;
use std::time::Duration;

use order_ledger::proto::append_stream_response::Result as Answer;
use order_ledger::proto::{
    AppendOutcome, AppendStreamRequest, FailureClass, GetAppendOutcomeRequest, GetOrderRequest,
    ReplayRequest,
};
use order_ledger::{Options, ServeOptions};
use tonic::codegen::tokio_stream;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::disk::TestDisk;
use crate::support::{Server, append, batch, event, explained, head, options, refusal, run};

const IN_DOUBT: (Code, &str, &str) = (Code::Unknown, "IN_DOUBT", "in_doubt");
const POISONED: (Code, &str, &str) = (Code::Unavailable, "POISONED", "not_written");

async fn start(folder: &std::path::Path, disk: &TestDisk) -> Server {
    let options = Options { disk: std::sync::Arc::new(disk.clone()), ..options() };
    Server::start_with(folder, options, ServeOptions::default()).await
}

/// Seen red with a failed commit that is answered as `Poisoned`.
#[test]
fn an_append_whose_sync_fails_is_in_doubt_and_the_next_is_not_written() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        disk.0.sync_fails.store(true, Ordering::SeqCst);
        let doubt = refusal(&mut client, batch([event("a", 2)])).await;
        assert_eq!(doubt.kind(), IN_DOUBT);
        assert!(doubt.message.contains("same event ids"), "{}", doubt.message);
        disk.0.sync_fails.store(false, Ordering::SeqCst);
        for id in 2..4 {
            let refused = refusal(&mut client, batch([event("a", id)])).await;
            assert_eq!(refused.kind(), POISONED, "also when the disk is well again");
            assert!(refused.retry_after.is_some_and(|after| !after.is_zero()));
        }
    });
}

#[test]
fn reads_go_on_after_a_failed_write_and_show_what_is_certain() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        disk.0.sync_fails.store(true, Ordering::SeqCst);
        refusal(&mut client, batch([event("a", 2)])).await;
        let request = GetOrderRequest { correlation_id: "a".into(), ..GetOrderRequest::default() };
        let order = client.get_order(request).await.unwrap().into_inner();
        assert_eq!(order.order.unwrap().revision, 1);
        assert_eq!(head(&mut client).await, 1);
        let request = GetAppendOutcomeRequest {
            correlation_id: "a".into(),
            source: "wms:dc1".into(),
            event_id: "2".into(),
        };
        let doubt = client.get_append_outcome(request.clone()).await.unwrap_err();
        assert_eq!(doubt.code(), tonic::Code::Unknown, "a restart may bring it to light");
        let request = GetAppendOutcomeRequest { event_id: "1".into(), ..request };
        let outcome = client.get_append_outcome(request).await.unwrap();
        assert!(outcome.into_inner().receipt.is_some());
        let replay = client.replay(ReplayRequest::default()).await.unwrap();
        let mut replay = replay.into_inner();
        while replay.message().await.unwrap().is_some() {}
    });
}

#[test]
fn a_retry_of_what_is_in_doubt_makes_exactly_one_copy_after_the_restart() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        disk.0.sync_fails.store(true, Ordering::SeqCst);
        refusal(&mut client, batch([event("a", 2)])).await;
        server.stop().await;
        disk.0.sync_fails.store(false, Ordering::SeqCst);
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 2)]).await;
        let again = append(&mut client, [event("a", 2)]).await;
        assert_eq!(again.outcomes[0].outcome(), AppendOutcome::Duplicate);
        assert_eq!(again.head, 2);
    });
}

#[test]
fn a_stream_says_of_each_request_whether_it_is_in_doubt_or_not_written() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        disk.0.sync_fails.store(true, Ordering::SeqCst);
        let requests = (0..50)
            .map(|n| AppendStreamRequest { request_id: n, append: Some(batch([event("a", n)])) });
        let requests = tokio_stream::iter(requests.collect::<Vec<_>>());
        let answers = client.append_stream(requests).await.unwrap();
        let mut answers = answers.into_inner();
        let mut classes = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            let Some(Answer::Error(error)) = answer.result else {
                panic!("{answer:?}");
            };
            classes.push(error.failure_class());
        }
        assert_eq!(classes.len(), 50);
        assert_eq!(classes[0], FailureClass::InDoubt);
        let doubts = classes.iter().take_while(|class| **class == FailureClass::InDoubt);
        let after = &classes[doubts.count()..];
        assert!(after.iter().all(|class| *class == FailureClass::NotWritten), "{classes:?}");
    });
}

#[test]
fn a_server_whose_ledger_takes_no_more_appends_is_not_healthy() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        disk.0.sync_fails.store(true, Ordering::SeqCst);
        refusal(&mut client, batch([event("a", 1)])).await;
        let mut health = HealthClient::new(server.channel().await);
        for service in ["orderledger.v1.LedgerService", ""] {
            let check = HealthCheckRequest { service: service.into() };
            let watch = health.watch(check).await.unwrap();
            let mut watch = watch.into_inner();
            let not_serving = async {
                while watch.message().await.unwrap().unwrap().status() != ServingStatus::NotServing
                {
                }
            };
            let told = tokio::time::timeout(Duration::from_secs(3), not_serving).await;
            assert!(told.is_ok(), "{service:?} is not said to be out of service");
        }
    });
}

#[test]
fn a_caller_whose_deadline_passes_finds_out_what_became_of_its_batch() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        disk.0.stand_still(true);
        let mut request = Request::new(batch([event("a", 1)]));
        request.set_timeout(Duration::from_millis(100));
        client.append(request).await.unwrap_err();
        disk.0.stand_still(false);
        let again = append(&mut client, [event("a", 1)]).await;
        assert_eq!(again.outcomes[0].outcome(), AppendOutcome::Duplicate);
        assert_eq!(again.head, 1);
        let request = GetAppendOutcomeRequest {
            correlation_id: "a".into(),
            source: "wms:dc1".into(),
            event_id: "1".into(),
        };
        let outcome = client.get_append_outcome(request).await.unwrap();
        assert_eq!(outcome.into_inner().receipt, again.outcomes[0].receipt);
    });
}

#[test]
fn a_caller_that_goes_away_does_not_take_its_batch_along() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        disk.0.stand_still(true);
        let mut leaving = server.client().await;
        let call = tokio::spawn(async move { leaving.append(batch([event("a", 1)])).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        call.abort();
        let _ = call.await;
        disk.0.stand_still(false);
        let next = append(&mut client, [event("a", 2)]).await;
        assert_eq!(next.head, 2, "the first one is there");
    });
}

#[test]
fn an_error_of_the_disk_is_explained_to_the_caller() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk).await;
        let mut client = server.client().await;
        disk.0.sync_fails.store(true, Ordering::SeqCst);
        let error = client.append(batch([event("a", 1)])).await.unwrap_err();
        let message = explained(&error).message;
        assert!(message.contains("the test's disk fails"), "{message}");
    });
}
