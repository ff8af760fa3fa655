//! Reads from a server that holds many events: replay and timelines.

use std::time::Instant;

use bytes::Bytes;
use order_ledger::proto::replay_response::Message as Content;
use order_ledger::{Event, LedgerServiceClient, Limits, proto};
use prost::Message;
use tonic::transport::Channel;

use super::append::memory;
use crate::load::args::Args;
use crate::load::callers::{Caller, Runs, median};
use crate::load::child::Server;
use crate::load::client::{BytesClient, GET_TIMELINE, REPLAY, connect, connect_callers};
use crate::load::report::{Report, Row};
use crate::support::feed::{ORDER_EVENTS, order_name};

/// Messages of a replay are larger than tonic's default.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A replay whose events stay bytes.
#[derive(Clone, PartialEq, Message)]
struct BytesResponse {
    #[prost(message, optional, tag = "1")]
    events: Option<BytesChunk>,
}

#[derive(Clone, PartialEq, Message)]
struct BytesChunk {
    #[prost(message, repeated, tag = "1")]
    events: Vec<BytesRecorded>,
}

#[derive(Clone, PartialEq, Message)]
struct BytesRecorded {
    #[prost(uint64, tag = "1")]
    offset: u64,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(bytes = "bytes", tag = "4")]
    event: Bytes,
}

pub(crate) async fn replay(args: &Args, server: &Server, stored: u64, report: &mut Report) {
    let name = "served, replay";
    if !args.wants(name) {
        return;
    }
    let mut runs = [const { Vec::new() }; 3];
    let before = server.processor_us();
    // The first round warms up: client, server and page cache.
    for round in 0..4 {
        let rates = [
            (0, replay_bytes(server).await),
            (1, replay_events(server, stored).await),
            (2, replay_messages(server, stored).await),
        ];
        for (kind, seconds) in rates {
            if round > 0 {
                runs[kind].push(stored as f64 / seconds);
            }
        }
    }
    let used = (server.processor_us() - before) / (12 * stored) as f64;
    let [bytes, events, messages] = runs.map(|rates| median(rates, |rate| *rate));
    let row = |rate| Row::new(name, rate, "events/s");
    let what = format!("1 caller, taken as bytes; server uses {used:.2} us an event");
    report.add(row(bytes).what(what));
    let what = "1 caller, each event parsed and checked by Event::parse";
    report.add(row(events).at_least(1_500_000.0).what(what));
    let what = format!("1 caller, each event decoded into a message; server {}", memory(server));
    report.add(row(messages).at_least(1_500_000.0).what(what));
}

/// Seconds of a replay whose messages are not looked at.
async fn replay_bytes(server: &Server) -> f64 {
    let mut client = BytesClient::new(connect(&server.url).await);
    let begin = Instant::now();
    let mut answers = client.server_streaming(REPLAY, Bytes::new()).await.unwrap();
    let mut length = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        length += answer.len();
    }
    assert!(length > 0);
    begin.elapsed().as_secs_f64()
}

/// Seconds of a replay by a client that reads and checks every event.
async fn replay_events(server: &Server, stored: u64) -> f64 {
    let mut client = BytesClient::new(connect(&server.url).await);
    let limits = Limits::default();
    let begin = Instant::now();
    let mut answers = client.server_streaming(REPLAY, Bytes::new()).await.unwrap();
    let mut next = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        let response = BytesResponse::decode(answer).unwrap();
        for recorded in response.events.into_iter().flat_map(|chunk| chunk.events) {
            assert_eq!(recorded.offset, next);
            next += 1;
            let event = Event::parse(recorded.event, &limits).unwrap();
            assert!(event.correlation_id().starts_with("erp:"));
        }
    }
    assert_eq!(next, stored);
    begin.elapsed().as_secs_f64()
}

/// Seconds of a replay by the normal client.
async fn replay_messages(server: &Server, stored: u64) -> f64 {
    let client = LedgerServiceClient::new(connect(&server.url).await);
    let mut client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
    let begin = Instant::now();
    let request = proto::ReplayRequest::default();
    let mut answers = client.replay(request).await.unwrap().into_inner();
    let mut next = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        if let Some(Content::Events(chunk)) = answer.message {
            for recorded in chunk.events {
                assert_eq!(recorded.offset, next);
                next += 1;
            }
        }
    }
    assert_eq!(next, stored);
    begin.elapsed().as_secs_f64()
}

/// Asks for the timelines of orders all over the ledger.
struct Timelines {
    client: LedgerServiceClient<Channel>,
    next: u64,
    orders: u64,
}

impl Timelines {
    fn next_order(&mut self) -> String {
        self.next = (self.next + 7_919) % self.orders;
        order_name(self.next)
    }
}

impl Caller for Timelines {
    async fn call(&mut self) -> u64 {
        let correlation_id = self.next_order();
        let request = proto::GetTimelineRequest { correlation_id, ..Default::default() };
        let timeline = self.client.get_timeline(request).await.unwrap().into_inner();
        assert_eq!(timeline.rows.len(), ORDER_EVENTS);
        1
    }
}

/// The same by a client that leaves the answers as they are.
struct BytesTimelines {
    client: BytesClient,
    inner: Timelines,
    omit_effects: bool,
}

impl Caller for BytesTimelines {
    async fn call(&mut self) -> u64 {
        let (correlation_id, omit_effects) = (self.inner.next_order(), self.omit_effects);
        let request =
            proto::GetTimelineRequest { correlation_id, omit_effects, ..Default::default() };
        let request = request.encode_to_vec().into();
        let answer = self.client.unary(GET_TIMELINE, request).await.unwrap();
        assert!(answer.len() > ORDER_EVENTS * 200);
        1
    }
}

pub(crate) async fn timelines(args: &Args, server: &Server, orders: u64, report: &mut Report) {
    let name = "served, timeline of 12 events";
    if !args.wants(name) {
        return;
    }
    let timelines = |(at, channel): (u64, Channel)| Timelines {
        client: LedgerServiceClient::new(channel),
        next: at * 104_729,
        orders,
    };
    for callers in [1, 8] {
        let channels = connect_callers(&server.url, callers, args.callers_per_connection).await;
        let ready = (0..).zip(channels).map(timelines).collect();
        let before = server.processor_us();
        let mut runs = Runs::of(ready, args.run_time()).await;
        let run = runs.median().await;
        let used = (server.processor_us() - before) / runs.total as f64;
        let what = format!(
            "{callers} callers, all of {orders} orders; {}; server uses {used:.1} us each",
            run.latencies()
        );
        let row = Row::new(name, run.rate(), "calls/s").what(what);
        report.add(if callers == 8 { row.at_least(20_000.0) } else { row });
    }
    for (omit_effects, without) in [(false, ""), (true, ", without effects")] {
        let channels = connect_callers(&server.url, 8, args.callers_per_connection).await;
        let ready = (0..).zip(channels).map(|(at, channel)| BytesTimelines {
            client: BytesClient::new(channel.clone()),
            inner: timelines((at, channel)),
            omit_effects,
        });
        let run = Runs::of(ready.collect(), args.run_time()).await.median().await;
        let what = format!("8 callers, answers left as bytes{without}; {}", run.latencies());
        report.add(Row::new(name, run.rate(), "calls/s").what(what));
    }
}
