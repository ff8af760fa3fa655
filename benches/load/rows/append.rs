//! Appends to a server: one event a call, streams, and batches.

use std::path::Path;

use bytes::{BufMut as _, Bytes, BytesMut};
use order_ledger::{LedgerServiceClient, proto};
use prost::Message as _;
use prost::encoding::encode_varint;
use tonic::transport::Channel;

use super::limits::echo_callers;
use crate::load::args::Args;
use crate::load::callers::{Caller, Run, Runs, median};
use crate::load::child::Server;
use crate::load::client::{APPEND, APPEND_STREAM, BytesClient, connect_callers};
use crate::load::pipeline::{self, Exchange};
use crate::load::report::{Report, Row};
use crate::support::disk::sync_p50;
use crate::support::feed::{Feed, OPEN_ORDERS, Orders};

const BATCH_EVENTS: usize = 1_000;

/// The normal client, one event a call.
pub(crate) struct Single {
    client: LedgerServiceClient<Channel>,
    feed: Feed,
}

impl Caller for Single {
    async fn call(&mut self) -> u64 {
        let events = vec![self.feed.message()];
        let request = proto::AppendRequest { events, ..Default::default() };
        let response = self.client.append(request).await.unwrap().into_inner();
        check(&response, 1)
    }
}

/// Sends batches that were encoded before.
pub(crate) struct Batches {
    client: BytesClient,
    feed: Feed,
}

impl Batches {
    pub(crate) fn new(channel: Channel, feed: Feed) -> Self {
        Self { client: BytesClient::new(channel), feed }
    }
}

impl Caller for Batches {
    async fn call(&mut self) -> u64 {
        let request = self.feed.request(BATCH_EVENTS);
        let response = self.client.unary(APPEND, request).await.unwrap();
        check(&proto::AppendResponse::decode(response).unwrap(), BATCH_EVENTS)
    }
}

/// The normal client with batches of messages.
struct MessageBatches {
    client: LedgerServiceClient<Channel>,
    feed: Feed,
}

impl Caller for MessageBatches {
    async fn call(&mut self) -> u64 {
        let events = (0..BATCH_EVENTS).map(|_| self.feed.message()).collect();
        let request = proto::AppendRequest { events, ..Default::default() };
        let response = self.client.append(request).await.unwrap().into_inner();
        check(&response, BATCH_EVENTS)
    }
}

/// A stream of appends of one event each.
#[derive(Clone)]
struct Pipelined(Feed);

impl Exchange for Pipelined {
    fn request(&mut self, number: u64) -> Bytes {
        let append = self.0.request(1);
        let mut request = BytesMut::with_capacity(append.len() + 16);
        request.put_u8(1 << 3);
        encode_varint(number, &mut request);
        request.put_u8((2 << 3) | 2);
        encode_varint(append.len() as u64, &mut request);
        request.put(append);
        request.freeze()
    }

    fn answered(&self, number: u64, answer: Bytes) -> u64 {
        use proto::append_stream_response::Result as Answer;
        let answer = proto::AppendStreamResponse::decode(answer).unwrap();
        assert_eq!(answer.request_id, number);
        let Some(Answer::Appended(response)) = &answer.result else { panic!("{answer:?}") };
        check(response, 1)
    }
}

fn check(response: &proto::AppendResponse, events: usize) -> u64 {
    let appended = i32::from(proto::AppendOutcome::Appended);
    let new = response.outcomes.iter().filter(|outcome| outcome.outcome == appended).count();
    assert_eq!(new, events, "every event is new");
    events as u64
}

pub(crate) async fn measure(args: &Args, folder: &Path, report: &mut Report) {
    if args.wants("served, 1 caller x 1 event") {
        one_caller(args, folder, report).await;
    }
    for callers in [32, 128] {
        if args.wants(many_name(callers)) {
            many_callers(args, folder, callers, report).await;
        }
    }
    if args.wants("served, AppendStream") {
        streams(args, folder, report).await;
    }
    if args.wants("served, batches of 1,000") {
        batches(args, folder, report).await;
    }
}

pub(crate) async fn singles(
    args: &Args,
    server: &Server,
    orders: &Orders,
    callers: usize,
) -> Vec<Single> {
    let channels = connect_callers(&server.url, callers, args.callers_per_connection).await;
    let client = |channel| Single {
        client: LedgerServiceClient::new(channel),
        feed: orders.feed(OPEN_ORDERS),
    };
    channels.into_iter().map(client).collect()
}

/// Each round looks at disk, echo and ledger, because the machine drifts.
async fn one_caller(args: &Args, folder: &Path, report: &mut Report) {
    let server = Server::of_ledger(&folder.join("served-1"));
    let echo = Server::of_echo();
    let mut echoes = Runs::of(echo_callers(&echo, 1, 1).await, args.limit_time()).await;
    let mut appends =
        Runs::of(singles(args, &server, &Orders::default(), 1).await, args.run_time()).await;
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let sync_us = sync_p50(folder, args.limit_time()).as_secs_f64() * 1e6;
        let echo_us = echoes.next().await.quantile_us(0.5);
        rounds.push((sync_us, echo_us, appends.next().await));
    }
    let limit = |sync: f64, echo: f64| 1e6 / (sync + echo);
    let (sync, echo_us, run) = median(rounds, |(sync, echo, run)| run.rate() / limit(*sync, *echo));
    let used = server.processor_us() / appends.total as f64;
    let what = format!(
        "{}; server uses {used:.1} us each; limit {:.0}/s: echo p50 {echo_us:.1} us + fdatasync p50 {sync:.1} us",
        run.latencies(),
        limit(sync, echo_us)
    );
    let row = Row::new("served, 1 caller x 1 event", run.rate(), "events/s");
    report.add(row.at_least(0.7 * limit(sync, echo_us)).what(what));
    echo.stop();
    server.stop();
}

fn many_name(callers: usize) -> &'static str {
    if callers == 32 { "served, 32 callers x 1 event" } else { "served, 128 callers x 1 event" }
}

async fn many_callers(args: &Args, folder: &Path, callers: usize, report: &mut Report) {
    let server = Server::of_ledger(&folder.join(format!("served-{callers}")));
    let echo = Server::of_echo();
    let shared_by = args.callers_per_connection;
    let echoes = echo_callers(&echo, callers, shared_by).await;
    let mut echoes = Runs::of(echoes, args.limit_time()).await;
    let mut appends =
        Runs::of(singles(args, &server, &Orders::default(), callers).await, args.run_time()).await;
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let echo = echoes.next().await.rate();
        rounds.push((echo, appends.next().await));
    }
    let (limit, run) = median(rounds, |(echo, run)| run.rate() / echo);
    let used = server.processor_us() / appends.total as f64;
    let what =
        format!("{}; server uses {used:.1} us each; unary echo {limit:.0}/s", run.latencies());
    let row = Row::new(many_name(callers), run.rate(), "events/s").what(what);
    report.add(if callers == 32 { row.at_least(0.65 * limit) } else { row });
    echo.stop();
    server.stop();
}

async fn streams(args: &Args, folder: &Path, report: &mut Report) {
    let server = Server::of_ledger(&folder.join("served-stream"));
    let orders = Orders::default();
    for callers in [1, 4] {
        let mut runs = Vec::new();
        let before = server.processor_us();
        // The first one warms up.
        for _ in 0..4 {
            let channels = connect_callers(&server.url, callers, 1).await;
            let exchange =
                |channel| (BytesClient::new(channel), Pipelined(orders.feed(OPEN_ORDERS)));
            let exchanges = channels.into_iter().map(exchange).collect();
            let times = (args.window, args.run_time());
            runs.push(pipeline::run(exchanges, APPEND_STREAM, times).await);
        }
        let total: u64 = runs.iter().map(|run| run.count).sum();
        let used = (server.processor_us() - before) / total as f64;
        let run = median(runs.split_off(1), Run::rate);
        let what = format!(
            "{callers} callers x 1 event, window {}, {}; server uses {used:.2} us each, {}",
            args.window,
            run.latencies(),
            memory(&server)
        );
        let row = Row::new("served, AppendStream", run.rate(), "events/s").what(what);
        report.add(if callers == 4 { row.at_least(200_000.0) } else { row });
    }
    server.stop();
}

async fn batches(args: &Args, folder: &Path, report: &mut Report) {
    let server = Server::of_ledger(&folder.join("served-batches"));
    let orders = Orders::default();
    let name = "served, batches of 1,000";
    let channels = connect_callers(&server.url, 4, 1).await;
    let batch = |channel| Batches::new(channel, orders.feed(OPEN_ORDERS));
    let callers = channels.into_iter().map(batch).collect();
    let mut runs = Runs::of(callers, args.run_time()).await;
    let run = runs.median().await;
    let used = server.processor_us() / runs.total as f64;
    let what = format!(
        "4 callers, {}; server uses {used:.2} us an event, {}",
        run.latencies(),
        memory(&server)
    );
    report.add(Row::new(name, run.rate(), "events/s").at_least(400_000.0).what(what));
    let client = |channel| MessageBatches {
        client: LedgerServiceClient::new(channel),
        feed: orders.feed(OPEN_ORDERS),
    };
    let callers = connect_callers(&server.url, 4, 1).await.into_iter().map(client).collect();
    let run = Runs::of(callers, args.run_time()).await.median().await;
    let what = format!("4 callers that make each message as well, {}", run.latencies());
    report.add(Row::new(name, run.rate(), "events/s").what(what));
    server.stop();
}

/// The memory of a server in words.
pub(crate) fn memory(server: &Server) -> String {
    let (now, most) = server.memory();
    format!("{:.0} MB now, {:.0} MB at most", now as f64 / 1e6, most as f64 / 1e6)
}
