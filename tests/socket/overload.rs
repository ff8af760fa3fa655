//! Too much at once, and a full disk: not written, said so, with the delay to retry after.

use std::sync::atomic::Ordering;
use std::time::Duration;

use order_ledger::proto::append_stream_response::Result as Answer;
use order_ledger::proto::{AppendStreamRequest, FailureClass, ReplayRequest};
use order_ledger::{Limits, Options, ServeOptions};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::codegen::tokio_stream;

use crate::disk::TestDisk;
use crate::support::{
    Explained, Server, append, batch, event, explained, head, large_event, options, refusal, run,
};

const OVERLOADED: (Code, &str, &str) = (Code::ResourceExhausted, "OVERLOADED", "not_written");
const DISK_FULL: (Code, &str, &str) = (Code::ResourceExhausted, "DISK_FULL", "not_written");

async fn start(folder: &std::path::Path, disk: &TestDisk, limits: Limits) -> Server {
    let options = Options {
        disk: std::sync::Arc::new(disk.clone()),
        limits,
        segment_bytes: 128 * 1024,
        ..Options::default()
    };
    Server::start_with(folder, options, ServeOptions::default()).await
}

fn is_to_be_retried(refused: &Explained) {
    let after = refused.retry_after.unwrap_or_default();
    assert!(!after.is_zero() && after < Duration::from_secs(60), "{refused:?}");
}

#[test]
fn a_batch_beyond_the_queue_is_not_written_and_to_be_retried_after_a_delay() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { queue_batches_max: 0, ..Limits::default() };
        let server = start(folder.path(), &TestDisk::default(), limits).await;
        let mut client = server.client().await;
        let refused = refusal(&mut client, batch([event("a", 1)])).await;
        assert_eq!(refused.kind(), OVERLOADED);
        is_to_be_retried(&refused);
        let message = &refused.message;
        assert!(message.contains("queue_batches_max = 0"), "{message}");
        assert_eq!(head(&mut client).await, 0);
    });
}

#[test]
fn what_waits_in_the_queue_is_written_and_what_was_refused_beside_it_is_not() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let limits = Limits { queue_bytes_max: 5_000, ..Limits::default() };
        let server = start(folder.path(), &disk, limits).await;
        let client = server.client().await;
        disk.0.stand_still(true);
        let send = |id: u64| {
            let mut client = client.clone();
            let request = batch([large_event("a", id, 2_000)]);
            tokio::spawn(async move { client.append(request).await })
        };
        let mut calls = Vec::new();
        for id in 0..6 {
            calls.push(send(id));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // One is being written, two wait, and three were refused at once.
        let refused: Vec<_> = calls.iter().map(JoinHandle::is_finished).collect();
        assert_eq!(refused, [false, false, false, true, true, true]);
        disk.0.stand_still(false);
        for (call, refused) in calls.into_iter().zip(refused) {
            match call.await.unwrap() {
                Ok(_) => assert!(!refused),
                Err(error) => {
                    let error = explained(&error);
                    assert_eq!(error.kind(), OVERLOADED);
                    assert!(error.message.contains("queue_bytes_max = 5000"));
                    is_to_be_retried(&error);
                }
            }
        }
        let mut client = client;
        assert_eq!(head(&mut client).await, 3);
        append(&mut client, [event("a", 9)]).await;
    });
}

#[test]
fn a_stream_goes_on_after_a_request_that_was_too_much() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { queue_batches_max: 0, ..Limits::default() };
        let server = start(folder.path(), &TestDisk::default(), limits).await;
        let mut client = server.client().await;
        let requests = [1, 2].map(|request_id| AppendStreamRequest {
            request_id,
            append: Some(batch([event("a", request_id)])),
        });
        let answers = client.append_stream(tokio_stream::iter(requests)).await;
        let mut answers = answers.unwrap().into_inner();
        for request_id in [1, 2] {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(answer.request_id, request_id);
            let Some(Answer::Error(error)) = answer.result else {
                panic!("{answer:?}");
            };
            assert_eq!(error.failure_class(), FailureClass::NotWritten);
            assert_eq!(error.code, i32::from(Code::ResourceExhausted));
        }
        assert!(answers.message().await.unwrap().is_none());
    });
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_space_and_reads_go_on() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        let server = start(folder.path(), &disk, Limits::default()).await;
        let mut client = server.client().await;
        disk.0.full.store(true, Ordering::SeqCst);
        let mut written = 0;
        let refused = loop {
            match client.append(batch([large_event("a", written, 30_000)])).await {
                Ok(_) => written += 1,
                Err(error) => break explained(&error),
            }
            assert!(written < 100, "the disk is not full");
        };
        assert_eq!(refused.kind(), DISK_FULL);
        is_to_be_retried(&refused);
        assert_eq!(head(&mut client).await, written);
        disk.0.full.store(false, Ordering::SeqCst);
        let appended = loop {
            match client.append(batch([large_event("a", written, 30_000)])).await {
                Ok(appended) => break appended.into_inner(),
                Err(error) => assert_eq!(explained(&error).kind(), DISK_FULL),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(appended.head, written + 1);
    });
}

#[test]
fn calls_beyond_the_streams_of_a_connection_wait_and_other_connections_do_not() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let serving = ServeOptions { streams_max: 2, ..ServeOptions::default() };
        let server = Server::start_with(folder.path(), options(), serving).await;
        let mut client = server.client().await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let follow = ReplayRequest { follow: true, ..ReplayRequest::default() };
            streams.push(client.replay(follow).await.unwrap().into_inner());
        }
        let mut third = client.clone();
        let third = tokio::spawn(async move { head(&mut third).await });
        let mut other = server.client().await;
        assert_eq!(append(&mut other, [event("a", 1)]).await.head, 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!third.is_finished(), "two streams are open");
        streams.pop();
        assert_eq!(third.await.unwrap(), 1);
    });
}
