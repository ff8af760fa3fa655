//! Consumers over the socket: made, changed, worked for, looked at and moved; and every refusal.

use std::collections::BTreeSet;

use order_ledger::DeliveryServiceClient;
use order_ledger::proto::consume_response::Message;
use order_ledger::proto::create_consumer_request::Start;
use order_ledger::proto::replay_response::Message as Replayed;
use order_ledger::proto::reset_consumer_request::To;
use order_ledger::proto::{
    AtHead, ConsumeClosedReason, ConsumeRequest, ConsumeResponse, Consumer, ConsumerSettings,
    ConsumerState, CreateConsumerRequest, DeleteConsumerRequest, Delivery, EventFilter,
    GetConsumerRequest, JoinConsumer, ListConsumersRequest, ListParkedRequest, Nack, OrderEvent,
    ParkDelivery, ParkedFilter, ReplayParkedRequest, ReplayRequest, ResetConsumerRequest,
    SkipParkedRequest, UpdateConsumerRequest,
};
use prost_types::Duration as Time;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::support::{Client, Server, append, event, explained, run};

type Delivering = DeliveryServiceClient<Channel>;

fn settings(name: &str) -> ConsumerSettings {
    let soon = Some(Time { seconds: 0, nanos: 1_000_000 });
    ConsumerSettings {
        name: name.into(),
        attempts_max: 3,
        retry_delay_min: soon,
        retry_delay_max: soon,
        ..ConsumerSettings::default()
    }
}

fn creating(name: &str) -> CreateConsumerRequest {
    CreateConsumerRequest { settings: Some(settings(name)), ..CreateConsumerRequest::default() }
}

async fn clients(server: &Server) -> (Client, Delivering) {
    (server.client().await, DeliveryServiceClient::new(server.channel().await))
}

/// A member at this end of a stream.
struct Worker {
    say: mpsc::UnboundedSender<ConsumeRequest>,
    told: Streaming<ConsumeResponse>,
}

impl Worker {
    async fn join(client: &mut Delivering, consumer: &str, credit: i32) -> Self {
        Self::begin(client, consumer, credit).await.unwrap()
    }

    async fn begin(client: &mut Delivering, consumer: &str, credit: i32) -> Result<Self, Status> {
        let (say, said) = mpsc::unbounded_channel();
        let join = Some(JoinConsumer { consumer: consumer.into(), member: "worker".into() });
        say.send(ConsumeRequest { join, credit, ..ConsumeRequest::default() }).unwrap();
        let told = client.consume(UnboundedReceiverStream::new(said)).await?.into_inner();
        Ok(Self { say, told })
    }

    fn says(&self, said: ConsumeRequest) {
        self.say.send(said).unwrap();
    }

    fn ack(&self, offsets: impl IntoIterator<Item = u64>) {
        let acks: Vec<u64> = offsets.into_iter().collect();
        let credit = i32::try_from(acks.len()).unwrap();
        self.says(ConsumeRequest { acks, credit, ..ConsumeRequest::default() });
    }

    fn nack(&self, offset: u64, reason: &str) {
        let nacks = vec![Nack { offset, reason: reason.into(), delay: None }];
        self.says(ConsumeRequest { nacks, credit: 1, ..ConsumeRequest::default() });
    }

    async fn message(&mut self) -> Message {
        self.told.message().await.unwrap().unwrap().message.unwrap()
    }

    async fn deliveries(&mut self) -> Vec<Delivery> {
        loop {
            if let Message::Deliveries(chunk) = self.message().await {
                return chunk.deliveries;
            }
        }
    }

    /// So many deliveries, however they come.
    async fn take(&mut self, count: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.deliveries().await);
        }
        assert_eq!(all.len(), count, "no more than there is credit for");
        all
    }

    /// Acknowledges so many deliveries, and answers their offsets in the order in which they came.
    async fn finish(&mut self, count: usize) -> Vec<u64> {
        let mut all = Vec::new();
        while all.len() < count {
            let offsets: Vec<u64> = self.deliveries().await.iter().map(offset).collect();
            self.ack(offsets.iter().copied());
            all.extend(offsets);
        }
        // When all is done, everybody is told.
        loop {
            match self.message().await {
                Message::Progress(progress) if progress.acknowledged_to == progress.head => {
                    return all;
                }
                Message::Deliveries(chunk) => panic!("more than {count}: {chunk:?}"),
                Message::Joined(_)
                | Message::Progress(_)
                | Message::Refused(_)
                | Message::Closed(_) => {}
            }
        }
    }

    /// Ends in order.
    async fn leave(self) -> ConsumeClosedReason {
        let Self { say, mut told } = self;
        drop(say);
        let mut last = None;
        while let Some(message) = told.message().await.unwrap() {
            last = message.message;
        }
        let Some(Message::Closed(closed)) = last else { panic!("closed is last: {last:?}") };
        closed.reason()
    }
}

fn offset(delivery: &Delivery) -> u64 {
    delivery.event.as_ref().unwrap().offset
}

async fn get(client: &mut Delivering, name: &str) -> Consumer {
    let request = GetConsumerRequest { consumer: name.into() };
    client.get_consumer(request).await.unwrap().into_inner().consumer.unwrap()
}

/// All events of a replay.
async fn replayed(client: &mut Client, request: ReplayRequest) -> Vec<OrderEvent> {
    let mut replay = client.replay(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    while let Some(answer) = replay.message().await.unwrap() {
        if let Some(Replayed::Events(chunk)) = answer.message {
            events.extend(chunk.events.into_iter().map(|one| one.event.unwrap()));
        }
    }
    events
}

#[test]
fn a_consumer_keeps_its_place_from_one_member_to_the_next_and_over_a_restart() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        append(&mut ledger, (0..20).map(|id| event(&format!("erp/{}", id % 5), id))).await;
        let created = client.create_consumer(creating("erp")).await.unwrap().into_inner();
        assert!(!created.existed);
        let mut first = Worker::join(&mut client, "erp", 3).await;
        let taken = first.take(3).await;
        assert_eq!(taken.iter().map(offset).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(taken.iter().all(|one| one.attempt == 1 && !one.replayed));
        first.says(ConsumeRequest { acks: vec![0, 2], ..ConsumeRequest::default() });
        assert_eq!(first.leave().await, ConsumeClosedReason::Left);
        let report = get(&mut client, "erp").await;
        assert_eq!((report.acknowledged_to, report.stored_to, report.in_flight), (1, 1, 0));
        assert_eq!(report.state(), ConsumerState::WithoutMembers);
        drop((ledger, client));
        server.stop().await;

        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        let mut second = Worker::join(&mut client, "erp", 10).await;
        let all: BTreeSet<u64> = second.finish(18).await.into_iter().collect();
        assert_eq!(all, (1..20).filter(|offset| *offset != 2).collect(), "each once");
        let report = get(&mut client, "erp").await;
        assert_eq!((report.state(), report.lag_entries), (ConsumerState::Live, 0));
        assert_eq!(report.members.len(), 1);
        assert_eq!(report.members[0].acknowledged, 18);
        assert!(report.acknowledged_per_second > 0.0);

        let appended = append(&mut ledger, [event("erp/1", 20)]).await;
        let live = second.take(1).await;
        assert_eq!(offset(&live[0]) + 1, appended.head, "live");
        second.ack(live.iter().map(offset));
        second.leave().await;
        // Nothing that consumers write is delivered, nor replayed unless asked for.
        let all = replayed(&mut ledger, ReplayRequest::default()).await;
        assert_eq!(all.len(), 21);
        drop((ledger, client));
        server.stop().await;
    });
}

#[test]
fn events_of_an_order_come_in_order_and_others_beside_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        append(&mut ledger, (0..6).map(|id| event(&format!("erp/{}", id % 2), id))).await;
        client.create_consumer(creating("erp")).await.unwrap();
        let mut one = Worker::join(&mut client, "erp", 5).await;
        let taken = one.take(2).await;
        assert_eq!(taken.iter().map(offset).collect::<Vec<_>>(), [0, 1], "one of each order");
        one.ack([1]);
        assert_eq!(offset(&one.take(1).await[0]), 3, "the other order goes on");

        // A second member gets what the first one loses when it dies.
        let mut two = Worker::join(&mut client, "erp", 5).await;
        drop(one);
        let again = two.take(2).await;
        let offsets: BTreeSet<u64> = again.iter().map(offset).collect();
        assert_eq!(offsets, [0, 3].into());
        two.ack([0, 3]);
        assert_eq!(two.finish(3).await.into_iter().collect::<BTreeSet<_>>(), [2, 4, 5].into());
        drop((ledger, client, two));
        server.stop().await;
    });
}

/// Nine events of three orders, of which the first of `erp/1` fails until its order is parked.
async fn parked(ledger: &mut Client, client: &mut Delivering) -> Worker {
    append(ledger, (0..9).map(|id| event(&format!("erp/{}", id % 3), id))).await;
    client.create_consumer(creating("erp")).await.unwrap();
    let mut worker = Worker::join(client, "erp", 1).await;
    let mut attempts = Vec::new();
    let mut done = BTreeSet::new();
    while done.len() < 6 || attempts.len() < 3 {
        for one in worker.deliveries().await {
            if offset(&one) == 1 {
                attempts.push((one.attempt, one.last_reason.clone()));
                worker.nack(1, REASON);
            } else {
                done.insert(offset(&one));
                worker.ack([offset(&one)]);
            }
        }
    }
    assert_eq!(attempts[0], (1, String::new()));
    assert!(attempts.iter().skip(1).all(|(_, last)| *last == REASON));
    assert_eq!(done, [0, 2, 3, 5, 6, 8].into(), "the others flow on");
    while get(client, "erp").await.parked == 0 {}
    worker
}

const REASON: &str = "no such customer";

#[test]
fn what_fails_too_often_parks_its_order_and_is_seen_counted_replayed_and_skipped() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        let mut worker = parked(&mut ledger, &mut client).await;
        let listed = ListParkedRequest { consumer: "erp".into(), ..Default::default() };
        let listed = client.list_parked(listed).await.unwrap().into_inner();
        assert_eq!((listed.orders.len(), listed.total), (1, 1));
        let parked = listed.orders[0].parked.clone().unwrap();
        assert_eq!((parked.correlation_id.as_str(), parked.offset), ("erp/1", 1));
        assert_eq!((parked.attempts, parked.reason.as_str()), (3, REASON));
        assert_eq!(
            (parked.r#type.as_str(), listed.orders[0].waiting_events),
            ("pick.confirmed", 3)
        );
        let report = get(&mut client, "erp").await;
        assert_eq!(report.acknowledged_to, report.scanned_to, "what is parked holds nothing up");
        assert!(report.oldest_parked.is_some());

        let types = vec!["hold.*".into()];
        let mut request = ReplayParkedRequest {
            consumer: "erp".into(),
            filter: Some(ParkedFilter { types, ..ParkedFilter::default() }),
            dry_run: true,
            actor: "ann".into(),
        };
        let counted = client.replay_parked(request.clone()).await.unwrap().into_inner();
        assert_eq!((counted.order_count, counted.event_count), (0, 0));
        request.filter = None;
        let counted = client.replay_parked(request.clone()).await.unwrap().into_inner();
        assert_eq!((counted.order_count, counted.event_count), (1, 3));
        request.dry_run = false;
        client.replay_parked(request).await.unwrap();
        let again = worker.take(1).await;
        assert_eq!((offset(&again[0]), again[0].attempt, again[0].replayed), (1, 1, true));
        let park = ParkDelivery { offset: 1, reason: "poison".into() };
        worker.says(ConsumeRequest { parks: vec![park], credit: 1, ..Default::default() });

        while get(&mut client, "erp").await.parked == 0 {}
        let filter = ParkedFilter { reason_contains: "POISON".into(), ..Default::default() };
        let skip = SkipParkedRequest {
            consumer: "erp".into(),
            filter: Some(filter),
            actor: "ann".into(),
            reason: "known defect".into(),
            ..SkipParkedRequest::default()
        };
        let skipped = client.skip_parked(skip).await.unwrap().into_inner();
        assert_eq!((skipped.order_count, skipped.event_count), (1, 1));
        assert_eq!(worker.finish(2).await, [4, 7], "the queue, in order");
        // What was decided stands in the log.
        let request = ReplayRequest {
            include_ledger_entries: true,
            filters: vec![EventFilter {
                correlation_ids: vec!["$consumers/erp".into()],
                ..EventFilter::default()
            }],
            ..ReplayRequest::default()
        };
        let entries = replayed(&mut ledger, request).await;
        let said = entries
            .iter()
            .map(|one| (one.r#type.as_str(), one.ledger_entry.as_ref().unwrap().actor.as_str()));
        let expected = [
            ("consumer.created", ""),
            ("consumer.order_parked", ""),
            ("consumer.order_replayed", "ann"),
            ("consumer.order_parked", ""),
            ("consumer.order_skipped", "ann"),
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected);
        drop((ledger, client, worker));
    });
}

#[test]
fn what_a_member_says_wrong_is_refused_and_its_other_deliveries_go_on() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        append(&mut ledger, [event("erp/1", 1), event("erp/2", 1)]).await;
        client.create_consumer(creating("erp")).await.unwrap();
        let mut worker = Worker::join(&mut client, "erp", 1).await;
        worker.take(1).await;
        let long = Some(Time { seconds: 90_000, nanos: 0 });
        worker.says(ConsumeRequest {
            join: Some(JoinConsumer::default()),
            credit: -1,
            acks: vec![77, 1],
            nacks: vec![Nack { offset: 0, reason: String::new(), delay: long }],
            in_progress: vec![1, 0],
            parks: vec![ParkDelivery { offset: 9, reason: String::new() }],
        });
        let mut refused = Vec::new();
        while refused.len() < 7 {
            if let Message::Refused(one) = worker.message().await {
                refused.push((one.reason.clone(), one.offset, one.message));
            }
        }
        let kinds: Vec<(&str, Option<u64>)> =
            refused.iter().map(|(reason, offset, _)| (reason.as_str(), *offset)).collect();
        let expected = [
            ("INVALID_ARGUMENT", None),
            ("NOT_DELIVERED", Some(77)),
            ("NOT_DELIVERED", Some(1)),
            ("INVALID_ARGUMENT", Some(0)),
            ("NOT_DELIVERED", Some(1)),
            ("NOT_DELIVERED", Some(9)),
            ("INVALID_ARGUMENT", None),
        ];
        assert_eq!(kinds, expected);
        assert!(refused[6].2.contains("allowed are 0 to 10000"), "{refused:?}");
        worker.says(ConsumeRequest { credit: 10_001, ..ConsumeRequest::default() });
        while !matches!(worker.message().await, Message::Refused(_)) {}
        worker.ack([0]);
        assert_eq!(worker.finish(1).await, [1]);
        drop((ledger, client, worker));
        server.stop().await;
    });
}

#[test]
fn requests_that_break_rules_say_which() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        append(&mut ledger, [event("erp/1", 1)]).await;

        let nameless = client.create_consumer(CreateConsumerRequest::default()).await.unwrap_err();
        assert_eq!(explained(&nameless).fields(), ["settings"]);
        let odd =
            ConsumerSettings { name: "No Spaces".into(), attempts_max: 2_000, ..settings("") };
        let odd = CreateConsumerRequest { settings: Some(odd), ..Default::default() };
        let odd = client.create_consumer(odd).await.unwrap_err();
        assert_eq!(explained(&odd).fields(), ["settings.name", "settings.attempts_max"]);
        let start = Some(Start::FromOffset(99));
        let beyond = CreateConsumerRequest { start, ..creating("erp") };
        let beyond = client.create_consumer(beyond).await.unwrap_err();
        assert_eq!(explained(&beyond).kind(), (Code::OutOfRange, "BEYOND_HEAD", "refused"));

        let start = Some(Start::AtHead(AtHead {}));
        let at_head = CreateConsumerRequest { start, ..creating("erp") };
        client.create_consumer(at_head).await.unwrap();
        assert_eq!(get(&mut client, "erp").await.scanned_to, 1);
        let again = client.create_consumer(creating("erp")).await.unwrap().into_inner();
        assert!(again.existed);
        let filters = vec![EventFilter { sources: vec!["erp".into()], ..EventFilter::default() }];
        let other = ConsumerSettings { filters: filters.clone(), ..settings("erp") };
        let other = CreateConsumerRequest { settings: Some(other), ..Default::default() };
        let exists = explained(&client.create_consumer(other).await.unwrap_err());
        assert_eq!(exists.kind(), (Code::AlreadyExists, "CONSUMER_EXISTS", "refused"));
        assert!(exists.message.contains("filters"), "{}", exists.message);
        let updating = ConsumerSettings { filters, ..settings("erp") };
        let updating = UpdateConsumerRequest { settings: Some(updating), actor: "ann".into() };
        let updated = client.update_consumer(updating).await.unwrap().into_inner();
        assert_eq!(updated.consumer.unwrap().settings.unwrap().filters.len(), 1);

        let skip = SkipParkedRequest { consumer: "erp".into(), ..Default::default() };
        let skip = explained(&client.skip_parked(skip).await.unwrap_err());
        assert_eq!(skip.fields(), ["actor", "reason"]);
        let skip = SkipParkedRequest {
            consumer: "erp".into(),
            actor: "ann".into(),
            reason: "why".into(),
            ..Default::default()
        };
        assert_eq!(explained(&client.skip_parked(skip).await.unwrap_err()).fields(), ["filter"]);
        let reset = ResetConsumerRequest { consumer: "erp".into(), ..Default::default() };
        assert_eq!(
            explained(&client.reset_consumer(reset.clone()).await.unwrap_err()).fields(),
            ["to"]
        );
        let reset = ResetConsumerRequest { to: Some(To::Offset(0)), ..reset };
        let reset = explained(&client.reset_consumer(reset).await.unwrap_err());
        assert_eq!(reset.fields(), ["actor", "reason"]);
        let said = ConsumeRequest::default();
        let nameless = client.consume(tokio_stream(vec![said])).await.unwrap_err();
        assert_eq!(explained(&nameless).fields(), ["join"]);
        let token =
            ListParkedRequest { page_token: "00000000.1.2.erp".into(), ..Default::default() };
        let token = explained(&client.list_parked(token).await.unwrap_err());
        assert_eq!(token.kind(), (Code::InvalidArgument, "PAGE_TOKEN", "refused"));
        drop((ledger, client));
        server.stop().await;
    });
}

#[test]
fn a_consumer_that_nobody_made_is_not_found() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (ledger, mut client) = clients(&server).await;
        let unknown = |error: Status| {
            assert_eq!(explained(&error).kind(), (Code::NotFound, "UNKNOWN_CONSUMER", "refused"));
        };
        let name = || "nobody".to_owned();
        unknown(client.get_consumer(GetConsumerRequest { consumer: name() }).await.unwrap_err());
        let request =
            UpdateConsumerRequest { settings: Some(settings("nobody")), ..Default::default() };
        unknown(client.update_consumer(request).await.unwrap_err());
        let request = DeleteConsumerRequest { consumer: name(), ..Default::default() };
        unknown(client.delete_consumer(request).await.unwrap_err());
        unknown(Worker::begin(&mut client, "nobody", 1).await.err().unwrap());
        let request = ListParkedRequest { consumer: name(), ..Default::default() };
        unknown(client.list_parked(request).await.unwrap_err());
        let request = ReplayParkedRequest { consumer: name(), ..Default::default() };
        unknown(client.replay_parked(request).await.unwrap_err());
        drop((ledger, client));
        server.stop().await;
    });
}

fn tokio_stream(said: Vec<ConsumeRequest>) -> UnboundedReceiverStream<ConsumeRequest> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for one in said {
        sender.send(one).unwrap();
    }
    UnboundedReceiverStream::new(receiver)
}

#[test]
fn a_consumer_is_moved_listed_and_deleted() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        append(&mut ledger, (0..4).map(|id| event("erp/1", id))).await;
        client.create_consumer(creating("b")).await.unwrap();
        client.create_consumer(creating("a")).await.unwrap();
        let mut worker = Worker::join(&mut client, "a", 1).await;
        assert_eq!(worker.finish(4).await, [0, 1, 2, 3]);
        let reset = ResetConsumerRequest {
            consumer: "a".into(),
            to: Some(To::Offset(2)),
            actor: "ann".into(),
            reason: "the target was restored".into(),
        };
        let moved = client.reset_consumer(reset).await.unwrap().into_inner().consumer.unwrap();
        assert_eq!((moved.scanned_to, moved.stored_to), (2, 2));
        let again = worker.take(1).await;
        assert_eq!((offset(&again[0]), again[0].replayed), (2, true));
        worker.ack([2]);
        let reset = ResetConsumerRequest {
            consumer: "a".into(),
            to: Some(To::Head(AtHead {})),
            actor: "ann".into(),
            reason: "enough".into(),
        };
        client.reset_consumer(reset).await.unwrap();
        let offset_new = append(&mut ledger, [event("erp/1", 9)]).await.head - 1;
        let news = loop {
            let one = worker.take(1).await.remove(0);
            // The event of before may have been on its way.
            if offset(&one) > 3 {
                break one;
            }
            worker.says(ConsumeRequest { credit: 1, ..ConsumeRequest::default() });
        };
        assert_eq!((offset(&news), news.replayed), (offset_new, false));
        let listed = client.list_consumers(ListConsumersRequest {}).await.unwrap().into_inner();
        let names = listed.consumers.iter().map(|one| one.settings.as_ref().unwrap().name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["a", "b"]);

        let request = DeleteConsumerRequest { consumer: "a".into(), actor: "ann".into() };
        client.delete_consumer(request).await.unwrap();
        loop {
            if let Message::Closed(closed) = worker.message().await {
                assert_eq!(closed.reason(), ConsumeClosedReason::Deleted);
                break;
            }
        }
        assert!(worker.told.message().await.unwrap().is_none());
        // The name is free, and begins anew.
        client.create_consumer(creating("a")).await.unwrap();
        assert_eq!(get(&mut client, "a").await.scanned_to, 0);
        drop((ledger, client, worker));
        server.stop().await;
    });
}

#[test]
fn a_server_that_ends_closes_its_members_and_stores_what_they_did() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        append(&mut ledger, (0..10).map(|id| event(&format!("erp/{id}"), id))).await;
        client.create_consumer(creating("erp")).await.unwrap();
        let mut worker = Worker::join(&mut client, "erp", 10).await;
        let taken = worker.take(10).await;
        worker.ack(taken.iter().map(offset).filter(|offset| offset % 2 == 0));
        // What was said is looked at.
        while get(&mut client, "erp").await.in_flight > 5 {}
        let stopping = server.begin_to_stop();
        loop {
            if let Message::Closed(closed) = worker.message().await {
                assert_eq!(closed.reason(), ConsumeClosedReason::ShuttingDown);
                break;
            }
        }
        drop((ledger, client, worker));
        stopping.stopped().await;
        let server = Server::start(folder.path()).await;
        let (ledger, mut client) = clients(&server).await;
        let mut worker = Worker::join(&mut client, "erp", 10).await;
        let left: BTreeSet<u64> = worker.finish(5).await.into_iter().collect();
        assert_eq!(left, [1, 3, 5, 7, 9].into());
        drop((ledger, client, worker));
        server.stop().await;
    });
}

/// One order of many is poison: it alone stands still, and its queue comes in order afterwards.
#[test]
fn a_poison_event_parks_one_order_of_ten_thousand() {
    const ORDERS: u64 = 10_000;
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).await;
        let (mut ledger, mut client) = clients(&server).await;
        for first in (0..ORDERS).step_by(500) {
            let orders = first..first + 500;
            let events = orders.flat_map(|n| {
                let order = format!("erp/{n}");
                [event(&order, 0), event(&order, 1)]
            });
            append(&mut ledger, events).await;
        }
        client.create_consumer(creating("erp")).await.unwrap();
        let mut worker = Worker::join(&mut client, "erp", 500).await;
        let poison = 2 * 77;
        let (mut done, mut parked) = (0, false);
        while done < 2 * (ORDERS - 1) || !parked {
            for delivery in match worker.message().await {
                Message::Deliveries(chunk) => chunk.deliveries,
                Message::Joined(_)
                | Message::Progress(_)
                | Message::Refused(_)
                | Message::Closed(_) => Vec::new(),
            } {
                if offset(&delivery) == poison {
                    parked |= delivery.attempt == 3;
                    worker.nack(poison, "poison");
                } else {
                    done += 1;
                    worker.ack([offset(&delivery)]);
                }
            }
        }
        while get(&mut client, "erp").await.parked == 0 {}
        append(&mut ledger, [event("erp/77", 2)]).await;
        let request = ReplayParkedRequest { consumer: "erp".into(), ..Default::default() };
        client.replay_parked(request).await.unwrap();
        let queue = worker.finish(3).await;
        assert_eq!(queue.len(), 3);
        assert!(queue.is_sorted() && queue[0] == poison, "{queue:?}");
        drop((ledger, client, worker));
        server.stop().await;
    });
}
