//! Many that follow: what they cost a server while nothing is for them, what they cost whoever
//! appends, and how soon an event is with a reader that wants it. Does not know how heads are told.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use order_ledger::LedgerServiceClient;
use order_ledger::proto::replay_response::Message as Content;
use order_ledger::proto::{
    AppendRequest, EventFilter, GetHeadRequest, ReplayRequest, ReplayResponse,
};
use tokio::task::JoinHandle;
use tonic::Streaming;

use super::append::{Batches, memory, singles};
use crate::load::args::Args;
use crate::load::callers::{Caller, Run, Runs, median};
use crate::load::child::Server;
use crate::load::client::{connect, connect_callers};
use crate::load::report::{Report, Row};
use crate::support::feed::{Feed, OPEN_ORDERS, Orders};

const NAME: &str = "served, followers";
pub(super) const FOLLOWERS: usize = 500;
pub(super) const MB: f64 = 1e6;
/// How much slower than without followers appends may be: what two runs differ by anyhow.
pub(super) const SHARE_LEFT: f64 = 0.95;
/// Appends in a second.
pub(super) const STEADY_RATE: u32 = 1_000;
pub(super) const SLOW_RATE: u32 = 10;
pub(super) const MEMORY_MB_MAX: f64 = 200.0;
pub(super) const DELIVERY_MS_MAX: f64 = 5.0;

pub(crate) async fn measure(args: &Args, folder: &Path, report: &mut Report) {
    if !args.wants(NAME) {
        return;
    }
    let server = Server::of_ledger(&folder.join("followers"));
    let orders = Orders::default();
    memory_of_idle(&server, report).await;
    let callers = singles(args, &server, &orders, 32).await;
    beside_idle(args, &server, ("32 callers x 1 event", callers), report).await;
    let channels = connect_callers(&server.url, 4, 1).await;
    let batch = |channel| Batches::new(channel, orders.feed(OPEN_ORDERS));
    let callers: Vec<_> = channels.into_iter().map(batch).collect();
    beside_idle(args, &server, ("4 callers x 1,000 events", callers), report).await;
    for idle in [0, FOLLOWERS] {
        let none = start(&server, idle, true).await;
        let what = format!("1 reader of everything, {idle} that nothing is for");
        deliver(args, (&server, &orders), (1, STEADY_RATE, what), report).await;
        end(none);
    }
    let what = format!("{FOLLOWERS} readers of everything");
    deliver(args, (&server, &orders), (FOLLOWERS, SLOW_RATE, what), report).await;
    server.stop();
}

/// What a server needs more for followers, before anything is appended.
async fn memory_of_idle(server: &Server, report: &mut Report) {
    let lean = server.memory().0 as f64 / MB;
    let idle = start(server, FOLLOWERS, true).await;
    let more = server.memory().0 as f64 / MB - lean;
    end(idle);
    let what = format!("more, for {FOLLOWERS} idle followers on connections of their own");
    report.add(Row::new(NAME, more, "MB").at_most(MEMORY_MB_MAX).what(what));
}

/// The rate of appends without followers and beside idle ones, in turn, because machines drift.
async fn beside_idle<C: Caller>(
    args: &Args,
    server: &Server,
    (what, callers): (&str, Vec<C>),
    report: &mut Report,
) {
    let mut appends = Runs::of(callers, args.run_time()).await;
    let mut rounds: Vec<(Run, Run)> = Vec::new();
    let mut used = [0.0; 2];
    for _ in 0..5 {
        let before = server.processor_us();
        let alone = appends.next().await;
        used[0] += (server.processor_us() - before) / alone.count as f64 / 5.0;
        let idle = start(server, FOLLOWERS, true).await;
        let before = server.processor_us();
        let beside = appends.next().await;
        used[1] += (server.processor_us() - before) / beside.count as f64 / 5.0;
        end(idle);
        rounds.push((alone, beside));
    }
    let (alone, beside) = median(rounds, |(alone, beside)| beside.rate() / alone.rate());
    let what = format!(
        "{what} beside {FOLLOWERS} that nothing is for, {}; server uses {:.2} us each, {}; \
         without {:.0}/s, {}, {:.2} us",
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

/// Follows from the head on; every follower has a filter of its own, or none at all.
pub(super) async fn start(server: &Server, count: usize, filtered: bool) -> Vec<JoinHandle<()>> {
    let mut followers = Vec::new();
    for number in 0..count {
        let filter = EventFilter {
            types: vec!["return.*".into(), format!("house.event-{number}")],
            correlation_ids: vec![format!("nobody/{number}")],
            ..EventFilter::default()
        };
        let only = EventFilter { correlation_ids: Vec::new(), ..filter.clone() };
        // Half of them name an order, half do not: then the bodies are looked into.
        let filters = if number.is_multiple_of(2) { vec![filter] } else { vec![only] };
        let mut messages = follow(server, if filtered { filters } else { Vec::new() }).await;
        followers.push(tokio::spawn(async move {
            while let Ok(Some(message)) = messages.message().await {
                assert!(!filtered || !matches!(message.message, Some(Content::Events(_))));
            }
        }));
    }
    followers
}

pub(super) fn end(followers: Vec<JoinHandle<()>>) {
    for follower in followers {
        follower.abort();
    }
}

/// A stream on a connection of its own that has caught up.
pub(super) async fn follow(
    server: &Server,
    filters: Vec<EventFilter>,
) -> Streaming<ReplayResponse> {
    let mut client = LedgerServiceClient::new(connect(&server.url).await);
    let head = client.get_head(GetHeadRequest::default()).await;
    let from_offset = head.unwrap().into_inner().head;
    let request = ReplayRequest { from_offset, follow: true, filters, ..Default::default() };
    let mut messages = client.replay(request).await.unwrap().into_inner();
    loop {
        if let Some(Content::CaughtUp(_)) = messages.message().await.unwrap().unwrap().message {
            return messages;
        }
    }
}

/// How long events take from the answer to whoever appends them to readers of everything, at a
/// steady rate of appends.
async fn deliver(
    args: &Args,
    (server, orders): (&Server, &Orders),
    (readers, rate, what): (usize, u32, String),
    report: &mut Report,
) {
    let time = args.run_time() * 2;
    let count = usize::try_from(u128::from(rate) * time.as_millis() / 1_000).unwrap();
    let begin = Instant::now();
    let mut reading = Vec::new();
    for _ in 0..readers {
        reading.push(tokio::spawn(read(follow(server, Vec::new()).await, count, begin)));
    }
    let feed = orders.feed(OPEN_ORDERS);
    let (appends, answered) = append(server, feed, (rate, count), begin).await;
    let mut delivered = Run::empty();
    for reader in reading {
        for (offset, received) in reader.await.unwrap() {
            delivered.record(received.saturating_sub(answered[&offset]), 1);
        }
    }
    let what = format!(
        "{what}, at {rate} appends/s: from the answer to the reader, p99; {}; appends {}",
        delivered.latencies(),
        appends.latencies()
    );
    let row = Row::new(NAME, delivered.quantile_us(0.99) / 1e3, "ms").what(what);
    report.add(if rate == STEADY_RATE { row.at_most(DELIVERY_MS_MAX) } else { row });
}

/// Reads so many events; the offset of each, and when it came.
pub(super) async fn read(
    mut messages: Streaming<ReplayResponse>,
    count: usize,
    begin: Instant,
) -> Vec<(u64, Duration)> {
    let mut received = Vec::new();
    while received.len() < count {
        let message = messages.message().await.unwrap().unwrap().message;
        let now = begin.elapsed();
        let Some(Content::Events(chunk)) = message else { continue };
        received.extend(chunk.events.iter().map(|event| (event.offset, now)));
    }
    received
}

/// Appends at a rate, whatever the answers take; when the event of each offset was answered.
pub(super) async fn append(
    server: &Server,
    mut feed: Feed,
    (rate, count): (u32, usize),
    begin: Instant,
) -> (Run, HashMap<u64, Duration>) {
    let client = LedgerServiceClient::new(connect(&server.url).await);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut calls = Vec::new();
    for _ in 0..count {
        tick.tick().await;
        let request = AppendRequest { events: vec![feed.message()], ..Default::default() };
        let mut client = client.clone();
        calls.push(tokio::spawn(async move {
            let sent = begin.elapsed();
            let answer = client.append(request).await.unwrap().into_inner();
            let answered = begin.elapsed();
            let offset = answer.outcomes[0].receipt.as_ref().unwrap().offset;
            (offset, sent, answered)
        }));
    }
    let (mut run, mut times) = (Run::empty(), HashMap::new());
    for call in calls {
        let (offset, sent, answered) = call.await.unwrap();
        run.record(answered.saturating_sub(sent), 1);
        times.insert(offset, answered);
    }
    (run, times)
}
