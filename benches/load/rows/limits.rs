//! What the machine can do without a ledger: the disk, and gRPC that does nothing.

use bytes::Bytes;
use order_ledger::proto;
use order_ledger::proto::replay_response::Message as Content;
use prost::Message as _;
use std::time::Instant;

use crate::load::args::Args;
use crate::load::callers::{Caller, Run, Runs, median};
use crate::load::child::Server;
use crate::load::client::{BytesClient, connect, connect_callers};
use crate::load::echo::{self, Parcel};
use crate::load::pipeline::{self, Exchange};
use crate::load::report::{Report, Row};
use crate::support::feed::{OPEN_ORDERS, Orders};

/// Events of a message of the stream that is like a replay.
const CHUNK_EVENTS: usize = 900;

/// A caller of the echo.
pub(crate) struct Echoed {
    client: BytesClient,
    parcel: Bytes,
}

impl Caller for Echoed {
    async fn call(&mut self) -> u64 {
        let answer = self.client.unary(echo::UNARY, self.parcel.clone()).await.unwrap();
        // As the client of a service would.
        assert_eq!(Parcel::decode(answer).unwrap().times, 1);
        1
    }
}

#[derive(Clone)]
struct Parcels(Bytes);

impl Exchange for Parcels {
    fn request(&mut self, _number: u64) -> Bytes {
        self.0.clone()
    }

    fn answered(&self, _number: u64, answer: Bytes) -> u64 {
        u64::from(Parcel::decode(answer).unwrap().times)
    }
}

/// A parcel of the size of an append of one event.
fn parcel() -> Bytes {
    let content = Orders::default().feed(OPEN_ORDERS).request(1);
    Parcel { content, times: 1 }.encode_to_vec().into()
}

/// Callers of an echo server.
pub(crate) async fn echo_callers(server: &Server, callers: usize, shared_by: usize) -> Vec<Echoed> {
    let channels = connect_callers(&server.url, callers, shared_by).await;
    let parcel = parcel();
    let caller = |channel| Echoed { client: BytesClient::new(channel), parcel: parcel.clone() };
    channels.into_iter().map(caller).collect()
}

pub(crate) async fn measure(args: &Args, report: &mut Report) {
    if !args.wants("limit: gRPC") {
        return;
    }
    let server = Server::of_echo();
    for (callers, shared_by) in [(1, 1), (32, 32), (32, 8), (32, 1)] {
        let callers_ready = echo_callers(&server, callers, shared_by).await;
        let run = Runs::of(callers_ready, args.limit_time()).await.median().await;
        let what = format!(
            "{callers} callers, {} connections, {} bytes each way; {}",
            callers.div_ceil(shared_by),
            parcel().len(),
            run.latencies()
        );
        report.add(Row::new("limit: gRPC unary echo", run.rate(), "calls/s").what(what));
    }
    for callers in [1, 4] {
        let mut runs = Vec::new();
        for _ in 0..3 {
            let channels = connect_callers(&server.url, callers, 1).await;
            let callers = channels.into_iter().map(BytesClient::new);
            let callers = callers.map(|client| (client, Parcels(parcel()))).collect();
            let run = pipeline::run(callers, echo::BIDI, (args.window, args.limit_time())).await;
            runs.push(run);
        }
        let run = median(runs, Run::rate);
        let what = format!("{callers} callers, window {}, {}", args.window, run.latencies());
        report.add(Row::new("limit: gRPC bidi echo", run.rate(), "messages/s").what(what));
    }
    for decoded in [false, true] {
        let mut runs = Vec::new();
        for _ in 0..3 {
            runs.push(stream_of_chunks(args, &server, decoded).await);
        }
        let as_what = if decoded { "each event decoded" } else { "as bytes" };
        let what = format!("1 caller, messages like those of a replay, {as_what}");
        let rate = median(runs, |rate| *rate);
        report.add(Row::new("limit: gRPC server stream", rate, "events/s").what(what));
    }
    server.stop();
}

/// Events a second of a stream that repeats a chunk of events.
async fn stream_of_chunks(args: &Args, server: &Server, decoded: bool) -> f64 {
    let chunks = args.stored_events() / CHUNK_EVENTS as u64;
    let parcel = Parcel { content: chunk(), times: u32::try_from(chunks).unwrap() };
    let mut client = BytesClient::new(connect(&server.url).await);
    let request = parcel.encode_to_vec().into();
    let begin = Instant::now();
    let mut answers = client.server_streaming(echo::REPEAT, request).await.unwrap();
    let mut events = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        let content = Parcel::decode(answer).unwrap().content;
        events += if decoded {
            let response = proto::ReplayResponse::decode(content).unwrap();
            let Some(Content::Events(chunk)) = response.message else { unreachable!() };
            chunk.events.len()
        } else {
            CHUNK_EVENTS
        };
    }
    events as f64 / begin.elapsed().as_secs_f64()
}

/// A message as a replay sends it.
fn chunk() -> Bytes {
    let mut feed = Orders::default().feed(OPEN_ORDERS);
    let events = (0..CHUNK_EVENTS as u64).map(|offset| proto::RecordedEvent {
        offset,
        recorded_at: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 123_456_789 }),
        event: Some(feed.message()),
        ..Default::default()
    });
    let chunk = proto::EventChunk { events: events.collect() };
    proto::ReplayResponse { message: Some(Content::Events(chunk)) }.encode_to_vec().into()
}
