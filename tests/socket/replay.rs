//! Replay: what a stream says, where it starts, where it ends.

use order_ledger::proto::replay_response::Message;
use order_ledger::proto::{
    RecordedEvent, ReplayCaughtUp, ReplayClosed, ReplayClosedReason, ReplayProgress, ReplayRequest,
    ReplayResponse,
};
use prost::Message as _;
use prost_types::Timestamp;
use tonic::Code;

use crate::support::{Client, Server, append, event, explained, large_event, receipts, run};

async fn messages(client: &mut Client, request: ReplayRequest) -> Vec<Message> {
    let stream = client.replay(request).await.unwrap();
    let mut stream = stream.into_inner();
    let mut messages = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        messages.push(answer.message.unwrap());
    }
    messages
}

fn events(messages: &[Message]) -> Vec<RecordedEvent> {
    let chunks = messages.iter().filter_map(|message| match message {
        Message::Events(chunk) => Some(chunk.events.clone()),
        Message::Progress(_) | Message::CaughtUp(_) | Message::Closed(_) => None,
    });
    chunks.flatten().collect()
}

fn offsets(messages: &[Message]) -> Vec<u64> {
    events(messages).iter().map(|event| event.offset).collect()
}

fn progress(scanned_to: u64, head: u64) -> Message {
    Message::Progress(ReplayProgress { scanned_to, head })
}

fn caught_up(head: u64) -> Message {
    Message::CaughtUp(ReplayCaughtUp { head })
}

fn closed(reason: ReplayClosedReason, resume_from: u64) -> Message {
    let reason = reason.into();
    Message::Closed(ReplayClosed { reason, resume_from })
}

fn from(from_offset: u64) -> ReplayRequest {
    ReplayRequest { from_offset, ..ReplayRequest::default() }
}

#[test]
fn a_replay_says_where_it_starts_sends_all_and_closes_at_the_head() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let sent = [event("a", 1), event("b", 1), event("a", 2)];
        let appended = append(&mut client, sent.clone()).await;
        let messages = messages(&mut client, from(0)).await;
        assert_eq!(messages.first(), Some(&progress(0, 3)));
        let [.., caught, last] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(caught, &caught_up(3));
        assert_eq!(last, &closed(ReplayClosedReason::HeadReached, 3));
        let events = events(&messages);
        assert_eq!(events.len(), 3);
        for ((event, sent), receipt) in events.iter().zip(&sent).zip(receipts(&appended)) {
            assert_eq!(event.event.as_ref(), Some(sent));
            assert_eq!((event.offset, event.revision), (receipt.offset, receipt.revision));
            assert_eq!(event.recorded_at, receipt.recorded_at);
            assert!(event.previous.is_empty() && event.leaf_hash.is_empty(), "not asked for");
        }
    });
}

#[test]
fn an_empty_ledger_is_caught_up_with_at_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let at_head = [progress(0, 0), caught_up(0), closed(ReplayClosedReason::HeadReached, 0)];
        assert_eq!(messages(&mut client, from(0)).await, at_head);
    });
}

#[test]
fn a_replay_may_start_anywhere_up_to_the_head_and_not_beyond() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for n in 0..5 {
            append(&mut client, (0..4).map(|m| event("a", n * 4 + m))).await;
        }
        for start in 0..=20 {
            let messages = messages(&mut client, from(start)).await;
            assert_eq!(messages[0], progress(start, 20));
            assert_eq!(offsets(&messages), (start..20).collect::<Vec<_>>());
        }
        for start in [21, u64::MAX] {
            let error = client.replay(from(start)).await.unwrap_err();
            let refused = explained(&error);
            assert_eq!(refused.kind(), (Code::OutOfRange, "BEYOND_HEAD", "refused"));
            assert!(refused.message.contains("backup"), "{}", refused.message);
        }
    });
}

/// Seen red with a replay that does not rewind to the last event that it sent.
#[test]
fn replays_of_limited_length_fit_together_by_resume_from() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for n in 0..5 {
            append(&mut client, (0..4).map(|m| event("a", n * 4 + m))).await;
        }
        for limit in [1, 3, 4, 7, 20, 21] {
            let (mut read, mut next) = (Vec::new(), 0);
            loop {
                let request = ReplayRequest { limit, ..from(next) };
                let messages = messages(&mut client, request).await;
                let offsets = offsets(&messages);
                assert!(u64::try_from(offsets.len()).unwrap() <= limit);
                read.extend(offsets);
                let Some(Message::Closed(closed)) = messages.last() else { panic!("{messages:?}") };
                next = closed.resume_from;
                if closed.reason() != ReplayClosedReason::LimitReached {
                    assert_eq!(closed.reason(), ReplayClosedReason::HeadReached);
                    break;
                }
            }
            assert_eq!(read, (0..20).collect::<Vec<_>>(), "limit {limit}");
            assert_eq!(next, 20);
        }
    });
}

#[test]
fn a_replay_may_start_at_a_time_of_recording() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut times = Vec::new();
        for n in 0..6 {
            let appended = append(&mut client, [event("a", n), event("b", n)]).await;
            times.extend(receipts(&appended).iter().map(|one| one.recorded_at.unwrap()));
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let key = |time: &Timestamp| (time.seconds, time.nanos);
        let mut asked = times.clone();
        for time in &times {
            let mut later = *time;
            later.nanos = (later.nanos + 1).min(999_999_999);
            asked.push(later);
        }
        asked.extend([-5, 0, 9_000_000_000].map(|seconds| Timestamp { seconds, nanos: 0 }));
        for time in asked {
            let request = ReplayRequest { from_recorded: Some(time), ..from(0) };
            let messages = messages(&mut client, request).await;
            let first = times.iter().filter(|known| key(known) < key(&time)).count();
            let first = u64::try_from(first).unwrap();
            assert_eq!(messages[0], progress(first, 12), "{time:?}");
            assert_eq!(offsets(&messages), (first..12).collect::<Vec<_>>(), "{time:?}");
        }
    });
}

#[test]
fn a_replay_starts_at_an_offset_or_at_a_time_and_not_at_both() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("a", 2)]).await;
        let out_of_range = Timestamp { seconds: 0, nanos: -1 };
        for (from_offset, time) in [(1, Timestamp::default()), (0, out_of_range)] {
            let request = ReplayRequest { from_recorded: Some(time), ..from(from_offset) };
            let refused = explained(&client.replay(request).await.unwrap_err());
            assert_eq!((refused.code, &*refused.class), (Code::InvalidArgument, "refused"));
            assert_eq!(refused.fields(), ["from_recorded"]);
        }
    });
}

/// Seen red with `previous` written as zeros.
#[test]
fn the_hashes_on_request_chain_the_events_of_each_order() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let mut leaves = Vec::new();
        for n in 0..10 {
            let events = [event("a", n), event("b", n), event("a", format!("{n}'"))];
            let appended = append(&mut client, events).await;
            leaves.extend(receipts(&appended).into_iter().map(|one| one.leaf_hash));
        }
        let request = ReplayRequest { include_hashes: true, ..from(0) };
        let events = events(&messages(&mut client, request).await);
        let given: Vec<_> = events.iter().map(|event| event.leaf_hash.clone()).collect();
        assert_eq!(given, leaves, "as in the receipts");
        let mut last_of = std::collections::HashMap::new();
        for recorded in events {
            let order = recorded.event.unwrap().correlation_id;
            let before = last_of.insert(order, recorded.leaf_hash);
            assert_eq!(recorded.previous, before.unwrap_or(vec![0; 32]));
        }
        assert_eq!(last_of.len(), 2);
    });
}

#[test]
fn large_events_come_in_messages_that_stay_small() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let sent: Vec<_> = (0..40).map(|n| large_event("a", n, 60 * 1024)).collect();
        for events in sent.chunks(10) {
            append(&mut client, events.to_vec()).await;
        }
        let messages = messages(&mut client, from(0)).await;
        let largest = messages.iter().map(|message| {
            let message = Some(message.clone());
            ReplayResponse { message }.encoded_len()
        });
        let largest = largest.max().unwrap();
        assert!((256 * 1024..330 * 1024).contains(&largest), "{largest} bytes");
        let events = events(&messages).into_iter().map(|one| one.event.unwrap());
        assert_eq!(events.collect::<Vec<_>>(), sent);
    });
}

#[test]
fn a_limit_ends_a_replay_in_the_middle_of_large_events() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for n in 0..2 {
            append(&mut client, (0..10).map(|m| large_event("a", n * 10 + m, 60_000))).await;
        }
        for (start, limit) in [(0, 3), (3, 5), (8, 9), (17, 3)] {
            let request = ReplayRequest { limit, ..from(start) };
            let messages = messages(&mut client, request).await;
            let end = start + limit;
            assert_eq!(offsets(&messages), (start..end).collect::<Vec<_>>());
            let closed = closed(ReplayClosedReason::LimitReached, end);
            assert_eq!(messages.last(), Some(&closed));
        }
    });
}
