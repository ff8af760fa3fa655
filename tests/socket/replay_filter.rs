//! Replays of what filters want: nothing is skipped in silence, whoever stalls, leaves or resumes.

use std::time::Duration;

use order_ledger::proto::replay_response::Message;
use order_ledger::proto::{
    EventFilter, OrderEvent, ReplayClosedReason, ReplayRequest, ReplayResponse,
};
use order_ledger::{LedgerServiceClient, RecordedEvent};
use prost_types::Timestamp;
use tonic::{Code, Streaming};

use crate::filters::{passes, random_event, random_filters};
use crate::random::Random;
use crate::support::{Client, Server, append, event, explained, large_event, run};

async fn next(stream: &mut Streaming<ReplayResponse>) -> Message {
    let said = tokio::time::timeout(Duration::from_secs(8), stream.message()).await;
    said.expect("silence means trouble").unwrap().unwrap().message.unwrap()
}

async fn start(client: &mut Client, request: ReplayRequest) -> Streaming<ReplayResponse> {
    client.replay(request).await.unwrap().into_inner()
}

async fn all(client: &mut Client, request: ReplayRequest) -> (Vec<u64>, Vec<Message>) {
    let mut stream = start(client, request).await;
    let (mut offsets, mut others) = (Vec::new(), Vec::new());
    while let Some(said) = stream.message().await.unwrap() {
        match said.message.unwrap() {
            Message::Events(chunk) => offsets.extend(chunk.events.iter().map(|one| one.offset)),
            other @ (Message::Progress(_) | Message::CaughtUp(_) | Message::Closed(_)) => {
                others.push(other);
            }
        }
    }
    (offsets, others)
}

fn of_types(types: &[&str]) -> EventFilter {
    let types = types.iter().map(|&one| one.to_owned()).collect();
    EventFilter { types, ..EventFilter::default() }
}

/// A reader that looks away, leaves and comes back where it was told to.
struct Reader {
    client: Client,
    random: Random,
    filters: Vec<EventFilter>,
    /// Where to resume.
    at: u64,
    read: Vec<u64>,
}

impl Reader {
    async fn read_to(mut self, end: u64) -> (Vec<EventFilter>, Vec<u64>) {
        while self.at < end {
            let limit = if self.random.one_in(3) { 1 + self.random.below(40) } else { 0 };
            let request = ReplayRequest {
                from_offset: self.at,
                limit: u64::try_from(limit).unwrap(),
                follow: !self.random.one_in(4),
                filters: self.filters.clone(),
                ..ReplayRequest::default()
            };
            self.read_once(request, end).await;
        }
        (self.filters, self.read)
    }

    async fn read_once(&mut self, request: ReplayRequest, end: u64) {
        let (limit, mut sent) = (request.limit, 0);
        let mut stream = start(&mut self.client, request).await;
        let Message::Progress(first) = next(&mut stream).await else { panic!("progress is first") };
        assert_eq!(first.scanned_to, self.at);
        for _ in 0..=self.random.below(25) {
            match self.random.below(12) {
                0 => tokio::time::sleep(Duration::from_millis(150)).await,
                1 | 2 => tokio::time::sleep(Duration::from_millis(5)).await,
                _ => {}
            }
            let at = match next(&mut stream).await {
                Message::Events(chunk) => {
                    for recorded in chunk.events {
                        assert!(recorded.offset >= self.at, "{} again", recorded.offset);
                        self.at = recorded.offset + 1;
                        self.read.push(recorded.offset);
                        sent += 1;
                    }
                    self.at
                }
                Message::Progress(progress) => progress.scanned_to,
                Message::CaughtUp(caught_up) => caught_up.head,
                Message::Closed(closed) => {
                    assert!(closed.resume_from >= self.at);
                    self.at = closed.resume_from;
                    let limited = closed.reason() == ReplayClosedReason::LimitReached;
                    assert_eq!(limited, limit > 0 && sent == limit, "{sent} of {limit}");
                    return;
                }
            };
            assert!(at >= self.at, "never back");
            self.at = at;
            if self.at >= end {
                return;
            }
        }
    }
}

fn log_of(server: &Server) -> Vec<RecordedEvent> {
    let mut replay = server.ledger.replay(0).unwrap();
    let mut log = Vec::new();
    loop {
        let chunk = replay.next_chunk().unwrap();
        if chunk.is_empty() {
            return log;
        }
        log.extend(chunk.events().unwrap());
    }
}

/// Seen red with a `reached` behind the whole part where the limit ends inside of it, and with a
/// part that is passed over taken for the head.
#[test]
fn readers_that_stall_leave_and_resume_receive_what_the_filter_means_exactly_once() {
    run(async {
        for seed in 0..3 {
            let mut random = Random::seeded(seed);
            let folder = tempfile::tempdir().unwrap();
            let server = Server::start(folder.path()).await;
            // Blocks of one event, and of several messages.
            let lengths: Vec<usize> = (0..40).map(|n| [1, 5, 20, 120][n % 4]).collect();
            let end = u64::try_from(lengths.iter().sum::<usize>()).unwrap();
            let mut readers = Vec::new();
            for number in 0..6 {
                let window = server.endpoint().initial_stream_window_size(65_535);
                let client = LedgerServiceClient::new(window.connect().await.unwrap());
                let (filters, read) = (random_filters(&mut random), Vec::new());
                let random = Random::seeded(seed * 100 + number);
                let reader = Reader { client, random, filters, at: 0, read };
                readers.push(tokio::spawn(reader.read_to(end)));
            }
            let (mut client, mut id) = (server.client().await, 0);
            for length in lengths {
                let events: Vec<OrderEvent> = (0..length)
                    .map(|_| {
                        id += 1;
                        random_event(&mut random, id, 8_000)
                    })
                    .collect();
                append(&mut client, events).await;
            }
            let log = log_of(&server);
            for reader in readers {
                let (filters, read) = reader.await.unwrap();
                let wanted = log.iter().filter(|one| passes(&filters, &one.event.message()));
                let wanted: Vec<u64> = wanted.map(|one| one.offset).collect();
                assert_eq!(read, wanted, "seed {seed}, {filters:?}");
            }
        }
    });
}

/// Seen red with a part that is passed over taken for the head.
#[test]
fn a_replay_that_nothing_passes_says_how_far_it_looked() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        for n in 0..20 {
            append(&mut client, (0..10).map(|m| large_event("a", n * 10 + m, 10_000))).await;
        }
        let filters = vec![of_types(&["hold.*", "drone.landed"])];
        let request = ReplayRequest { filters, ..ReplayRequest::default() };
        let (offsets, said) = all(&mut client, request.clone()).await;
        assert_eq!(offsets, [0; 0]);
        let [Message::Progress(first), .., Message::CaughtUp(at), Message::Closed(closed)] =
            &said[..]
        else {
            panic!("{said:?}");
        };
        assert_eq!((first.scanned_to, first.head, at.head, closed.resume_from), (0, 200, 200, 200));
        assert_eq!(closed.reason(), ReplayClosedReason::HeadReached);

        let request = ReplayRequest { follow: true, ..request };
        let mut stream = start(&mut client, request).await;
        while !matches!(next(&mut stream).await, Message::CaughtUp(at) if at.head == 200) {}
        append(&mut client, [event("a", "live")]).await;
        assert!(matches!(next(&mut stream).await, Message::CaughtUp(at) if at.head == 201));
        let landed = OrderEvent { r#type: "drone.landed".into(), ..event("a", "landed") };
        append(&mut client, [event("a", "more"), landed, event("a", "yet more")]).await;
        let Message::Events(chunk) = next(&mut stream).await else { panic!("a custom type") };
        assert_eq!(chunk.events.iter().map(|one| one.offset).collect::<Vec<_>>(), [202]);
        assert!(matches!(next(&mut stream).await, Message::CaughtUp(at) if at.head == 204));
    });
}

#[test]
fn a_limit_counts_what_is_sent_and_not_what_is_passed_over() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, (0..60).map(|n| event(["a", "b", "c"][n % 3], n))).await;
        let filter = EventFilter { correlation_ids: vec!["b".into()], ..EventFilter::default() };
        let request = ReplayRequest { limit: 3, filters: vec![filter], ..Default::default() };
        let (offsets, said) = all(&mut client, request.clone()).await;
        assert_eq!(offsets, [1, 4, 7]);
        let Some(Message::Closed(closed)) = said.last() else { panic!("{said:?}") };
        assert_eq!(closed.reason(), ReplayClosedReason::LimitReached);
        assert_eq!(closed.resume_from, 8, "behind the last that was sent");
        let (offsets, _) = all(&mut client, ReplayRequest { from_offset: 8, ..request }).await;
        assert_eq!(offsets, [10, 13, 16]);
    });
}

/// Seen red with a time that decides only where the replay begins.
#[test]
fn a_follower_from_a_time_that_has_not_come_passes_over_what_is_before_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        append(&mut client, [event("a", 0)]).await;
        let from = std::time::SystemTime::now() + Duration::from_millis(600);
        let request = ReplayRequest {
            from_recorded: Some(Timestamp::from(from)),
            follow: true,
            ..ReplayRequest::default()
        };
        let mut stream = start(&mut client, request).await;
        append(&mut client, [event("a", 1)]).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        append(&mut client, [event("a", 2)]).await;
        loop {
            if let Message::Events(chunk) = next(&mut stream).await {
                assert_eq!(chunk.events[0].offset, 2);
                break;
            }
        }
    });
}

#[test]
fn a_filter_that_cannot_be_is_refused_with_every_field() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let mut client = server.client().await;
        let wrong = EventFilter {
            groups: vec!["holds".into()],
            sources: vec![String::new()],
            ..of_types(&["pick*"])
        };
        let filters = vec![of_types(&["pick.*"]), wrong, EventFilter::default()];
        let request = ReplayRequest { filters, ..ReplayRequest::default() };
        let refused = explained(&client.replay(request).await.unwrap_err());
        assert_eq!(refused.kind(), (Code::InvalidArgument, "INVALID_REQUEST", "refused"));
        let fields =
            ["filters[1].types[0]", "filters[1].groups[0]", "filters[1].sources[0]", "filters[2]"];
        assert_eq!(refused.fields(), fields);
        assert!(refused.violations[1].1.contains("allowed are commercial, fulfillment"));

        let sources = vec!["wms".to_owned(); 1_001];
        let filters = vec![EventFilter { sources, ..EventFilter::default() }];
        let request = ReplayRequest { filters, ..ReplayRequest::default() };
        let refused = explained(&client.replay(request).await.unwrap_err());
        assert_eq!(refused.fields(), ["filters"]);
        assert!(refused.message.contains("filter_values_max"), "{}", refused.message);
    });
}
