//! The end of a server: streams are closed in order, and nobody can hold it up.

use std::time::{Duration, Instant};

use order_ledger::proto::append_stream_response::Result as Answer;
use order_ledger::proto::replay_response::Message;
use order_ledger::proto::{
    AppendStreamRequest, GetHeadRequest, ReplayClosedReason, ReplayRequest, ReplayResponse,
};
use order_ledger::{Ledger, LedgerServiceClient, ServeOptions};
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::support::{Client, Server, append, batch, event, explained, large_event, options, run};

fn impatient() -> ServeOptions {
    ServeOptions { shutdown_grace: Duration::from_millis(300), ..ServeOptions::default() }
}

async fn follow(client: &mut Client) -> Streaming<ReplayResponse> {
    let request = ReplayRequest { follow: true, ..ReplayRequest::default() };
    client.replay(request).await.unwrap().into_inner()
}

/// The last message of a stream that ends in order.
async fn last(mut stream: Streaming<ReplayResponse>) -> Option<Message> {
    let mut last = None;
    while let Some(answer) = stream.message().await.unwrap() {
        last = answer.message;
    }
    last
}

#[test]
fn an_open_follow_is_closed_with_the_place_to_resume_from() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1), event("a", 2)]).await;
        let mut stream = follow(&mut client).await;
        while !matches!(
            stream.message().await.unwrap().unwrap().message,
            Some(Message::CaughtUp(_))
        ) {}
        let begun = Instant::now();
        let stopping = server.begin_to_stop();
        let Some(Message::Closed(closed)) = last(stream).await else {
            panic!("closed is last");
        };
        assert_eq!(closed.reason(), ReplayClosedReason::ShuttingDown);
        assert_eq!(closed.resume_from, 2);
        drop(client);
        stopping.stopped().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "without the grace time");
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 3)]).await;
        let request =
            ReplayRequest { from_offset: closed.resume_from, limit: 1, ..ReplayRequest::default() };
        let resumed = client.replay(request).await.unwrap().into_inner();
        let Some(Message::Closed(closed)) = last(resumed).await else {
            panic!("closed is last");
        };
        assert_eq!(closed.resume_from, 3);
    });
}

#[test]
fn a_stream_of_appends_is_ended_with_an_explained_status_and_its_answers_are_given() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let (requests, receiver) = mpsc::channel(8);
        let answers = client.append_stream(ReceiverStream::new(receiver)).await;
        let mut answers = answers.unwrap().into_inner();
        let request = AppendStreamRequest { request_id: 1, append: Some(batch([event("a", 1)])) };
        requests.send(request).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert!(matches!(answer.result, Some(Answer::Appended(_))));
        let stopping = server.begin_to_stop();
        let ended = explained(&answers.message().await.unwrap_err());
        let kind = (Code::Unavailable, "SHUTTING_DOWN", "not_written");
        assert_eq!(ended.kind(), kind);
        assert!(ended.retry_after.is_some(), "{ended:?}");
        drop((client, requests, answers));
        stopping.stopped().await;
    });
}

/// Seen red with a server that returns after the grace time and leaves its connections running.
#[test]
fn clients_that_hold_streams_open_and_never_read_do_not_keep_the_server() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(folder.path(), options(), impatient()).await;
        let mut client = server.client().await;
        for n in 0..20 {
            append(&mut client, (0..10).map(|m| large_event("a", n * 10 + m, 30_000))).await;
        }
        let small_window = server.endpoint().initial_stream_window_size(65_535);
        let mut reader = LedgerServiceClient::new(small_window.connect().await.unwrap());
        let unread = [follow(&mut reader).await, follow(&mut reader).await];
        let (silent, receiver) = mpsc::channel::<AppendStreamRequest>(1);
        let unanswered = client.append_stream(ReceiverStream::new(receiver)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        server.begin_to_stop().stopped().await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        let again = Ledger::open(folder.path(), options()).unwrap();
        assert_eq!(again.head(), 200);
        drop((unread, silent, unanswered));
    });
}

#[test]
fn an_idle_connection_does_not_keep_the_server_and_learns_that_it_is_gone() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(folder.path(), options(), impatient()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let silent = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let begun = Instant::now();
        server.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let gone = client.get_head(GetHeadRequest::default()).await.unwrap_err();
        assert_eq!(gone.code(), Code::Unavailable);
        drop(silent);
    });
}

#[test]
fn a_ledger_that_is_closed_under_its_server_refuses_appends_and_still_answers() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 1)]).await;
        let stream = follow(&mut client).await;
        server.ledger.close();
        let refused = client.append(batch([event("a", 2)])).await.unwrap_err();
        let refused = explained(&refused);
        let kind = (Code::Unavailable, "SHUTTING_DOWN", "not_written");
        assert_eq!(refused.kind(), kind);
        let Some(Message::Closed(closed)) = last(stream).await else {
            panic!("closed is last");
        };
        assert_eq!(closed.reason(), ReplayClosedReason::ShuttingDown);
        assert_eq!(crate::support::head(&mut client).await, 1);
    });
}
