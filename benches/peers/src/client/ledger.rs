//! A caller of this ledger: gRPC. Does not know how the server works.

use std::time::Instant;

use bytes::{BufMut as _, Bytes, BytesMut};
use order_ledger::proto::replay_response::Message as Content;
use order_ledger::proto::{
    self, EventFilter, Expectation, GetHeadRequest, GetTimelineRequest, ReplayRequest,
};
use order_ledger::{Event, LedgerServiceClient, Limits};
use prost::Message;
use prost::encoding::encode_varint;

use super::{Guard, Look, Seen};
use crate::feed::{Bodies, Feed, Told, order_name};
use crate::load::client::{APPEND, BytesClient, GET_TIMELINE, REPLAY, connect_callers};
use crate::load::pipeline::Exchange;

/// A replay whose events stay bytes.
#[derive(Clone, PartialEq, Message)]
struct BytesResponse {
    #[prost(message, optional, tag = "1")]
    events: Option<BytesChunk>,
    #[prost(message, optional, tag = "2")]
    progress: Option<proto::ReplayProgress>,
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

pub(crate) struct Client {
    client: BytesClient,
    bodies: Bodies,
}

impl Client {
    pub(crate) async fn append(&mut self, events: &[Told], guard: Guard) -> u64 {
        let request = request(&self.bodies, events, guard);
        let response = self.client.unary(APPEND, request).await.unwrap();
        let response = proto::AppendResponse::decode(response).unwrap();
        check(&response, events.len());
        response.head
    }

    pub(crate) async fn timeline(&mut self, order: u64) -> u64 {
        let correlation_id = order_name(order);
        let request =
            GetTimelineRequest { correlation_id, omit_effects: true, ..Default::default() };
        let request = Bytes::from(request.encode_to_vec());
        let answer = self.client.unary(GET_TIMELINE, request).await.unwrap();
        proto::GetTimelineResponse::decode(answer).unwrap().rows.len() as u64
    }

    pub(crate) async fn replay(&mut self, kind: Option<&str>, look: Look) -> Seen {
        let types = kind.map(|kind| vec![kind.to_owned()]);
        let filter = types.map(|types| EventFilter { types, ..Default::default() });
        let request = ReplayRequest { filters: filter.into_iter().collect(), ..Default::default() };
        match look {
            Look::Fields => self.read(request, None).await,
            Look::Body => self.read_messages(request).await,
        }
    }

    pub(crate) async fn follow(&mut self, until: Instant) -> Seen {
        self.read(ReplayRequest { follow: true, ..Default::default() }, Some(until)).await
    }

    /// Reads events as this ledger's library hands them to a program: checked, the body as bytes.
    async fn read(&mut self, request: ReplayRequest, until: Option<Instant>) -> Seen {
        let limits = Limits::default();
        let request = Bytes::from(request.encode_to_vec());
        let mut answers = self.client.server_streaming(REPLAY, request).await.unwrap();
        let mut seen = Seen::default();
        loop {
            let answer = match until {
                None => answers.message().await.unwrap(),
                Some(until) => match tokio::time::timeout_at(until.into(), answers.message()).await
                {
                    Ok(answer) => answer.unwrap(),
                    Err(_) => return seen,
                },
            };
            let Some(answer) = answer else { return seen };
            let response = BytesResponse::decode(answer).unwrap();
            for recorded in response.events.into_iter().flat_map(|chunk| chunk.events) {
                let event = Event::parse(recorded.event, &limits).unwrap();
                let (order, kind) = (event.correlation_id(), event.event_type());
                seen.event(recorded.offset, order, kind, event.body(), Look::Fields);
            }
        }
    }

    /// Reads events as any gRPC client does: each a message.
    async fn read_messages(&mut self, request: ReplayRequest) -> Seen {
        let request = Bytes::from(request.encode_to_vec());
        let mut answers = self.client.server_streaming(REPLAY, request).await.unwrap();
        let mut seen = Seen::default();
        while let Some(answer) = answers.message().await.unwrap() {
            let response = proto::ReplayResponse::decode(answer).unwrap();
            let Some(Content::Events(chunk)) = response.message else { continue };
            for recorded in chunk.events {
                let event = recorded.event.as_ref().unwrap();
                let (order, kind) = (&event.correlation_id, &event.r#type);
                seen.event(recorded.offset, order, kind, &[], Look::Fields);
                seen.bytes += event.lines.len();
            }
        }
        seen
    }
}

/// Writes an event as a field of a message.
pub(crate) fn put_event(bodies: &Bodies, told: Told, field: u8, out: &mut BytesMut) {
    out.put_u8((field << 3) | 2);
    encode_varint(bodies.len(told) as u64, out);
    let mut body = Vec::with_capacity(bodies.len(told));
    bodies.write(told, &mut body);
    out.put_slice(&body);
}

/// The events as an encoded `AppendRequest`.
fn request(bodies: &Bodies, events: &[Told], guard: Guard) -> Bytes {
    let room: usize = events.iter().map(|told| bodies.len(*told) + 3).sum();
    let mut request = BytesMut::with_capacity(room + 64);
    for told in events {
        put_event(bodies, *told, 1, &mut request);
    }
    if guard == Guard::Revision {
        let expected = Some(proto::expectation::Expected::Revision(events[0].revision));
        let expectation = Expectation { correlation_id: events[0].order_name(), expected };
        request.put_u8((2 << 3) | 2);
        encode_varint(expectation.encoded_len() as u64, &mut request);
        expectation.encode(&mut request).unwrap();
    }
    request.freeze()
}

fn check(response: &proto::AppendResponse, events: usize) {
    let appended = i32::from(proto::AppendOutcome::Appended);
    let new = response.outcomes.iter().filter(|outcome| outcome.outcome == appended).count();
    assert_eq!(new, events, "every event is new");
}

/// A stream of appends of one event each.
#[derive(Clone)]
pub(crate) struct AppendStream {
    pub(crate) bodies: Bodies,
    pub(crate) feed: Feed,
}

impl Exchange for AppendStream {
    fn request(&mut self, number: u64) -> Bytes {
        let append = request(&self.bodies, &[self.feed.next()], Guard::Blind);
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
        check(response, 1);
        1
    }
}

pub(crate) async fn connect(
    url: &str,
    bodies: &Bodies,
    callers: usize,
    shared_by: usize,
) -> Vec<Client> {
    let channels = connect_callers(url, callers, shared_by).await;
    let client = |channel| Client { client: BytesClient::new(channel), bodies: bodies.clone() };
    channels.into_iter().map(client).collect()
}

pub(crate) async fn listens(url: &str) -> bool {
    LedgerServiceClient::connect(url.to_owned()).await.is_ok()
}

pub(crate) async fn answers(url: &str) -> bool {
    let Ok(mut client) = LedgerServiceClient::connect(url.to_owned()).await else { return false };
    let request = GetTimelineRequest { correlation_id: order_name(0), ..Default::default() };
    client.get_timeline(request).await.is_ok()
}

pub(crate) async fn count(url: &str) -> u64 {
    let mut client = LedgerServiceClient::connect(url.to_owned()).await.unwrap();
    client.get_head(GetHeadRequest::default()).await.unwrap().into_inner().head
}
