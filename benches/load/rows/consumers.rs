//! Consumers: how fast a backlog is worked off, how soon an event is with a member, and what many
//! that nothing is for cost beside many followers. Does not know how deliveries are chosen.

use std::path::Path;
use std::time::{Duration, Instant};

use order_ledger::DeliveryServiceClient;
use order_ledger::proto::consume_response::Message as Content;
use order_ledger::proto::create_consumer_request::Start;
use order_ledger::proto::{
    AtHead, ConsumeRequest, ConsumeResponse, ConsumerSettings, CreateConsumerRequest,
    DeleteConsumerRequest, EventFilter, GetConsumerRequest, JoinConsumer,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::append::{memory, singles};
use super::followers::{
    DELIVERY_MS_MAX, FOLLOWERS, MB, MEMORY_MB_MAX, SHARE_LEFT, SLOW_RATE, STEADY_RATE, append, end,
    follow, read, start,
};
use super::stored::load;
use crate::load::args::Args;
use crate::load::callers::{Caller, Run, Runs, median};
use crate::load::child::Server;
use crate::load::client::connect;
use crate::load::report::{Report, Row};
use crate::support::feed::{OPEN_ORDERS, ORDER_EVENTS, Orders};

const NAME: &str = "served, consumers";
const CONSUMERS: usize = 50;
/// Deliveries that a member has granted and not got.
const CREDIT: i32 = 256;
const RATE_MIN: f64 = 20_000.0;

pub(crate) async fn measure(args: &Args, folder: &Path, report: &mut Report) {
    if !args.wants(NAME) {
        return;
    }
    backlog(args, &folder.join("backlog"), report).await;
    let server = Server::of_ledger(&folder.join("consumers"));
    let orders = Orders::default();
    deliver(args, (&server, &orders), report).await;
    server.stop();
    let server = Server::of_ledger(&folder.join("idle-consumers"));
    beside_idle(args, (&server, &orders), report).await;
    server.stop();
    let server = Server::of_ledger(&folder.join("eager-consumers"));
    caught_up(args, (&server, &orders), report).await;
    server.stop();
}

/// A member of a consumer, on a connection of its own.
struct Member {
    say: mpsc::UnboundedSender<ConsumeRequest>,
    told: Streaming<ConsumeResponse>,
}

impl Member {
    async fn join(server: &Server, consumer: &str) -> Self {
        let mut client = DeliveryServiceClient::new(connect(&server.url).await);
        let (say, said) = mpsc::unbounded_channel();
        let join = Some(JoinConsumer { consumer: consumer.into(), member: "bench".into() });
        say.send(ConsumeRequest { join, credit: CREDIT, ..Default::default() }).unwrap();
        let told = client.consume(UnboundedReceiverStream::new(said)).await.unwrap();
        let mut told = told.into_inner();
        let joined = told.message().await.unwrap().unwrap().message;
        assert!(matches!(joined, Some(Content::Joined(_))));
        Self { say, told }
    }

    /// The offsets of the next deliveries, which are acknowledged; `None` at the end.
    async fn work(&mut self) -> Option<Vec<u64>> {
        loop {
            match self.told.message().await.unwrap()?.message.unwrap() {
                Content::Deliveries(told) => {
                    assert!(told.deliveries.iter().all(|one| one.attempt == 1));
                    let events = told.deliveries.iter().map(|one| one.event.as_ref().unwrap());
                    let acks: Vec<u64> = events.map(|event| event.offset).collect();
                    let credit = i32::try_from(acks.len()).unwrap();
                    let said = ConsumeRequest { acks: acks.clone(), credit, ..Default::default() };
                    let _ = self.say.send(said);
                    return Some(acks);
                }
                Content::Refused(refused) => panic!("{refused:?}"),
                Content::Closed(_) => return None,
                Content::Joined(_) | Content::Progress(_) => {}
            }
        }
    }
}

async fn create(server: &Server, name: String, filters: Vec<EventFilter>, start: Start) {
    let mut client = DeliveryServiceClient::<Channel>::new(connect(&server.url).await);
    let settings = Some(ConsumerSettings { name, filters, ..Default::default() });
    let request = CreateConsumerRequest { settings, start: Some(start), ..Default::default() };
    client.create_consumer(request).await.unwrap();
}

/// Acknowledged deliveries a second of everything that a ledger holds.
async fn backlog(args: &Args, folder: &Path, report: &mut Report) {
    let server = Server::of_ledger(folder);
    let (orders, stored) = (Orders::default(), args.backlog_events());
    load(&server, &orders, stored, OPEN_ORDERS).await;
    for members in [8, 1] {
        let mut rounds = Vec::new();
        for round in 0..3 {
            let name = format!("of-{members}-{round}");
            create(&server, name.clone(), Vec::new(), Start::FromOffset(0)).await;
            let before = server.processor_us();
            let rate = stored as f64 / work_off(&server, &name, (members, stored)).await;
            rounds.push((rate, (server.processor_us() - before) / stored as f64));
        }
        let (rate, used) = median(rounds, |(rate, _)| *rate);
        let what = format!(
            "acknowledged by {members} members, credit {CREDIT} each, of {stored} events of {} \
             orders; server uses {used:.2} us each, {}",
            stored / ORDER_EVENTS as u64,
            memory(&server)
        );
        let row = Row::new(NAME, rate, "events/s").what(what);
        report.add(if members == 8 { row.at_least(RATE_MIN) } else { row });
    }
    server.stop();
}

/// Seconds until all is acknowledged.
async fn work_off(server: &Server, consumer: &str, (members, stored): (usize, u64)) -> f64 {
    let mut client = DeliveryServiceClient::new(connect(&server.url).await);
    let begin = Instant::now();
    let (done, mut all_done) = mpsc::unbounded_channel();
    let mut at_work = Vec::new();
    for _ in 0..members {
        let (done, mut member) = (done.clone(), Member::join(server, consumer).await);
        at_work.push(tokio::spawn(async move {
            while let Some(delivered) = member.work().await {
                let _ = done.send(delivered.len() as u64);
            }
        }));
    }
    let mut count = 0;
    while count < stored {
        count += all_done.recv().await.unwrap();
    }
    assert_eq!(count, stored, "everything once");
    let mut acknowledged_to = 0;
    while acknowledged_to < stored {
        let request = GetConsumerRequest { consumer: consumer.into() };
        let answer = client.get_consumer(request).await.unwrap().into_inner();
        acknowledged_to = answer.consumer.unwrap().acknowledged_to;
    }
    let seconds = begin.elapsed().as_secs_f64();
    end(at_work);
    seconds
}

/// How long events take from the answer to whoever appends them to a member, and to a follower, in
/// turn, because machines drift.
async fn deliver(args: &Args, (server, orders): (&Server, &Orders), report: &mut Report) {
    let time = args.run_time();
    let count = usize::try_from(u128::from(STEADY_RATE) * time.as_millis() / 1_000).unwrap();
    let mut rounds = [const { Vec::new() }; 2];
    for round in 0..5 {
        let begin = Instant::now();
        let follower = tokio::spawn(read(follow(server, Vec::new()).await, count, begin));
        rounds[1].push(delivered(server, orders, (count, begin), follower).await);
        let begin = Instant::now();
        let name = format!("all-{round}");
        create(server, name.clone(), Vec::new(), Start::AtHead(AtHead {})).await;
        let member = Member::join(server, &name).await;
        let member = tokio::spawn(receive(member, count, begin));
        rounds[0].push(delivered(server, orders, (count, begin), member).await);
    }
    let p99_of = |run: &Run| run.quantile_us(0.99) / 1e3;
    for (who, rounds) in ["a member", "a reader of Replay"].into_iter().zip(rounds) {
        let (run, used) = median(rounds, |(run, _)| p99_of(run));
        let what = format!(
            "from the answer to {who}, at {STEADY_RATE} appends/s, p99, median of five; {}; server \
             uses {used:.1} us each with the append",
            run.latencies()
        );
        report.add(Row::new(NAME, p99_of(&run), "ms").at_most(DELIVERY_MS_MAX).what(what));
    }
}

/// Appends at a steady rate, and sees how long after the answers the events came; with processor
/// time of the server for each.
async fn delivered(
    server: &Server,
    orders: &Orders,
    (count, begin): (usize, Instant),
    receiver: JoinHandle<Vec<(u64, Duration)>>,
) -> (Run, f64) {
    let before = server.processor_us();
    let feed = orders.feed(OPEN_ORDERS);
    let (_, answered) = append(server, feed, (STEADY_RATE, count), begin).await;
    let mut run = Run::empty();
    for (offset, received) in receiver.await.unwrap() {
        run.record(received.saturating_sub(answered[&offset]), 1);
    }
    (run, (server.processor_us() - before) / count as f64)
}

/// Acknowledges so many events; the offset of each, and when it came. Then leaves in order.
async fn receive(mut member: Member, count: usize, begin: Instant) -> Vec<(u64, Duration)> {
    let mut received = Vec::new();
    while received.len() < count {
        let offsets = member.work().await.unwrap();
        let now = begin.elapsed();
        received.extend(offsets.into_iter().map(|offset| (offset, now)));
    }
    let Member { say, mut told } = member;
    drop(say);
    while told.message().await.unwrap().is_some() {}
    received
}

/// Consumers with a member each; nothing passes their filters, or everything does.
async fn start_consumers(server: &Server, kind: &str, filtered: bool) -> Vec<JoinHandle<()>> {
    let mut members = Vec::new();
    for number in 0..CONSUMERS {
        let filter = EventFilter {
            types: vec!["return.*".into(), format!("house.event-{number}")],
            ..EventFilter::default()
        };
        let filters = if filtered { vec![filter] } else { Vec::new() };
        let name = format!("{kind}-{number}");
        create(server, name.clone(), filters, Start::AtHead(AtHead {})).await;
        let mut member = Member::join(server, &name).await;
        members.push(tokio::spawn(async move {
            while member.work().await.is_some() {
                assert!(!filtered, "nothing is for it");
            }
        }));
    }
    members
}

/// They begin at the head anew: else the next members had much to pass over.
async fn delete_consumers(server: &Server, kind: &str) {
    let mut client = DeliveryServiceClient::new(connect(&server.url).await);
    for number in 0..CONSUMERS {
        let consumer = format!("{kind}-{number}");
        let request = DeleteConsumerRequest { consumer, ..Default::default() };
        client.delete_consumer(request).await.unwrap();
    }
}

/// What idle followers and consumers cost of memory, and what whoever appends loses by them.
async fn beside_idle(args: &Args, (server, orders): (&Server, &Orders), report: &mut Report) {
    let lean = server.memory().0 as f64 / MB;
    let mut idle = start(server, FOLLOWERS, true).await;
    idle.extend(start_consumers(server, "idle", true).await);
    let more = server.memory().0 as f64 / MB - lean;
    let many = format!("{FOLLOWERS} followers and {CONSUMERS} consumers with a member each");
    let what = format!("more, for {many}, idle; {lean:.0} MB before");
    report.add(Row::new(NAME, more, "MB").at_most(MEMORY_MB_MAX).what(what));
    end(idle);
    delete_consumers(server, "idle").await;
    let callers = singles(args, server, orders, 32).await;
    let what = format!("32 callers x 1 event beside {many}, that nothing is for");
    compare(args, server, (what, FOLLOWERS, callers), report).await;
    let callers = singles(args, server, orders, 32).await;
    let what = format!("32 callers x 1 event beside {CONSUMERS} consumers that nothing is for");
    compare(args, server, (what, 0, callers), report).await;
}

/// The rate of appends without anybody and beside idle ones, in turn, because machines drift.
async fn compare<C: Caller>(
    args: &Args,
    server: &Server,
    (what, followers, callers): (String, usize, Vec<C>),
    report: &mut Report,
) {
    let mut appends = Runs::of(callers, args.run_time()).await;
    let mut rounds: Vec<(Run, Run)> = Vec::new();
    let mut used = [0.0; 2];
    for _ in 0..5 {
        let before = server.processor_us();
        let alone = appends.next().await;
        used[0] += (server.processor_us() - before) / alone.count as f64 / 5.0;
        let mut idle = start(server, followers, true).await;
        idle.extend(start_consumers(server, "idle", true).await);
        let before = server.processor_us();
        let beside = appends.next().await;
        used[1] += (server.processor_us() - before) / beside.count as f64 / 5.0;
        end(idle);
        delete_consumers(server, "idle").await;
        rounds.push((alone, beside));
    }
    let (alone, beside) = median(rounds, |(alone, beside)| beside.rate() / alone.rate());
    let what = format!(
        "{what}, {}; server uses {:.2} us each, {}; without {:.0}/s, {}, {:.2} us",
        beside.latencies(),
        used[1],
        memory(server),
        alone.rate(),
        alone.latencies(),
        used[0],
    );
    let row = Row::new(NAME, beside.rate(), "events/s").what(what);
    report.add(row.at_least(SHARE_LEFT * alone.rate()));
}

/// Consumers that want everything and have caught up: what they need, and how long an event takes
/// until all of them have it.
async fn caught_up(args: &Args, (server, orders): (&Server, &Orders), report: &mut Report) {
    let lean = server.memory().0 as f64 / MB;
    let mut idle = start(server, FOLLOWERS, true).await;
    let time = args.run_time() * 2;
    let count = usize::try_from(u128::from(SLOW_RATE) * time.as_millis() / 1_000).unwrap();
    let begin = Instant::now();
    let mut receiving = Vec::new();
    for number in 0..CONSUMERS {
        let name = format!("eager-{number}");
        create(server, name.clone(), Vec::new(), Start::AtHead(AtHead {})).await;
        let member = Member::join(server, &name).await;
        receiving.push(tokio::spawn(receive(member, count, begin)));
    }
    let before = server.processor_us();
    tokio::time::sleep(args.run_time()).await;
    let still = (server.processor_us() - before) / args.run_time().as_secs_f64() / 1e4;
    let feed = orders.feed(OPEN_ORDERS);
    let (appends, answered) = append(server, feed, (SLOW_RATE, count), begin).await;
    let mut run = Run::empty();
    for received in receiving {
        for (offset, received) in received.await.unwrap() {
            run.record(received.saturating_sub(answered[&offset]), 1);
        }
    }
    end(std::mem::take(&mut idle));
    let what = format!(
        "{CONSUMERS} consumers that want everything beside {FOLLOWERS} idle followers, at \
         {SLOW_RATE} appends/s: from the answer to the member, p99; {}; appends {}; server uses \
         {still:.1} % of a core while nothing happens",
        run.latencies(),
        appends.latencies()
    );
    report.add(Row::new(NAME, run.quantile_us(0.99) / 1e3, "ms").what(what));
    let more = server.memory().1 as f64 / MB - lean;
    let row = Row::new(NAME, more, "MB").at_most(MEMORY_MB_MAX);
    report.add(row.what("more at most, meanwhile"));
}
