//! Replays that go on live: every event exactly once, and nobody waits for a slow reader.

use std::time::Duration;

use order_ledger::LedgerServiceClient;
use order_ledger::proto::replay_response::Message;
use order_ledger::proto::{ReplayClosedReason, ReplayRequest, ReplayResponse};
use tonic::Streaming;

use crate::support::{Client, Server, append, event, large_event, run};

fn follow(from_offset: u64) -> ReplayRequest {
    ReplayRequest { from_offset, follow: true, ..ReplayRequest::default() }
}

async fn start(client: &mut Client, from_offset: u64) -> Streaming<ReplayResponse> {
    client.replay(follow(from_offset)).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<ReplayResponse>) -> Message {
    stream.message().await.unwrap().unwrap().message.unwrap()
}

/// Reads until the head is `head`; the offsets that came.
async fn read_to(stream: &mut Streaming<ReplayResponse>, head: u64) -> Vec<u64> {
    let mut offsets = Vec::new();
    loop {
        match next(stream).await {
            Message::Events(chunk) => offsets.extend(chunk.events.iter().map(|one| one.offset)),
            Message::CaughtUp(caught_up) if caught_up.head == head => return offsets,
            Message::CaughtUp(caught_up) => assert!(caught_up.head < head),
            Message::Progress(progress) => assert!(progress.scanned_to <= progress.head),
            Message::Closed(closed) => panic!("{closed:?}"),
        }
    }
}

#[test]
fn a_follower_is_told_each_time_that_the_head_is_reached_on_an_empty_ledger_too() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut stream = start(&mut client, 0).await;
        assert!(matches!(next(&mut stream).await, Message::Progress(at) if at.head == 0));
        assert!(matches!(next(&mut stream).await, Message::CaughtUp(at) if at.head == 0));
        for n in 0..5 {
            append(&mut client, [event("a", n)]).await;
            let Message::Events(chunk) = next(&mut stream).await else {
                panic!("the event is next");
            };
            assert_eq!((chunk.events.len(), chunk.events[0].offset), (1, n));
            assert!(matches!(next(&mut stream).await, Message::CaughtUp(at) if at.head == n + 1));
        }
    });
}

#[test]
fn followers_see_old_and_live_events_exactly_once_while_others_append() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, (0..500).map(|n| event("old", n))).await;
        let appender = |order: &'static str| {
            let mut client = client.clone();
            tokio::spawn(async move {
                for n in 0..75 {
                    let events = (0..20).map(|m| event(order, n * 20 + m));
                    append(&mut client, events).await;
                }
            })
        };
        let appenders = ["one", "other"].map(appender);
        let readers = [0, 1, 250, 499, 500].map(|from| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let mut stream = start(&mut client, from).await;
                let offsets = read_to(&mut stream, 3_500).await;
                assert_eq!(offsets, (from..3_500).collect::<Vec<_>>());
            })
        });
        for task in appenders.into_iter().chain(readers) {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_slow_reader_slows_only_itself_and_misses_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        // A reader that takes 64 KiB and then looks away.
        let small_window = server.endpoint().initial_stream_window_size(65_535);
        let mut slow = LedgerServiceClient::new(small_window.connect().await.unwrap());
        let mut slow = start(&mut slow, 0).await;
        let mut fast_client = server.client().await;
        let mut fast = start(&mut fast_client, 0).await;
        for n in 0..100 {
            let events = (0..20).map(|m| large_event("a", n * 20 + m, 3_000));
            append(&mut client, events).await;
        }
        let all: Vec<_> = (0..2_000).collect();
        assert_eq!(read_to(&mut fast, 2_000).await, all);
        assert_eq!(read_to(&mut slow, 2_000).await, all);
    });
}

#[test]
fn a_follower_with_a_limit_is_closed_when_live_events_reach_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("a", 2)]).await;
        let request = ReplayRequest { limit: 4, ..follow(0) };
        let mut stream = client.replay(request).await.unwrap().into_inner();
        assert_eq!(read_to(&mut stream, 2).await, [0, 1]);
        append(&mut client, [event("a", 3), event("a", 4), event("a", 5)]).await;
        let Message::Events(chunk) = next(&mut stream).await else {
            panic!("two more events are wanted");
        };
        assert_eq!(chunk.events.len(), 2);
        let Message::Closed(closed) = next(&mut stream).await else {
            panic!("the limit is reached");
        };
        assert_eq!(closed.reason(), ReplayClosedReason::LimitReached);
        assert_eq!(closed.resume_from, 4);
        assert!(stream.message().await.unwrap().is_none());
    });
}

#[test]
fn an_idle_follower_hears_that_the_stream_lives() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let mut stream = start(&mut client, 0).await;
        read_to(&mut stream, 1).await;
        let idle = tokio::time::timeout(Duration::from_secs(8), next(&mut stream));
        let Ok(Message::Progress(progress)) = idle.await else {
            panic!("silence means trouble");
        };
        assert_eq!((progress.scanned_to, progress.head), (1, 1));
    });
}
