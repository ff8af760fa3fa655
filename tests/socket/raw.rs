//! Clients that see and send bytes where others see messages.

use bytes::{Buf as _, BufMut as _, Bytes};
use order_ledger::proto;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Service as _, tokio_stream::Stream};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// `AppendRequest` with its events as bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawAppendRequest {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) events: Vec<Vec<u8>>,
}

/// `RecordedEvent` with its event as bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawRecordedEvent {
    #[prost(uint64, tag = "1")]
    pub(crate) offset: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) event: Vec<u8>,
}

/// `TimelineRow` over bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawTimelineRow {
    #[prost(message, optional, tag = "1")]
    pub(crate) event: Option<RawRecordedEvent>,
}

/// `GetTimelineResponse` over bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawTimeline {
    #[prost(message, repeated, tag = "1")]
    pub(crate) rows: Vec<RawTimelineRow>,
}

/// `EventChunk` over bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawChunk {
    #[prost(message, repeated, tag = "1")]
    pub(crate) events: Vec<RawRecordedEvent>,
}

/// `ReplayResponse` with only its events, over bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawReplay {
    #[prost(message, optional, tag = "1")]
    pub(crate) events: Option<RawChunk>,
}

/// Sends bytes as they are, and decodes answers as `D`.
#[derive(Debug)]
struct BytesCodec<D>(std::marker::PhantomData<D>);

impl<D> Clone for BytesCodec<D> {
    fn clone(&self) -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<D: Message + Default + Send + 'static> Codec for BytesCodec<D> {
    type Encode = Bytes;
    type Decode = D;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl<D> Encoder for BytesCodec<D> {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl<D: Message + Default> Decoder for BytesCodec<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        let bytes = bytes.copy_to_bytes(bytes.remaining());
        let decoded = D::decode(bytes).map_err(|error| Status::data_loss(error.to_string()))?;
        Ok(Some(decoded))
    }
}

fn path(method: &str) -> PathAndQuery {
    let path = format!("/orderledger.v1.LedgerService/{method}");
    path.parse().unwrap()
}

async fn grpc(channel: Channel) -> tonic::client::Grpc<Channel> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(64 * 1024 * 1024);
    grpc.ready().await.unwrap();
    grpc
}

/// Calls a unary method with any bytes.
pub(crate) async fn unary<D: Message + Default + 'static>(
    channel: Channel,
    method: &str,
    request: impl Into<Bytes>,
) -> Result<D, Status> {
    unary_at(channel, path(method).as_str(), request).await
}

/// The same of any service, by its path.
pub(crate) async fn unary_at<D: Message + Default + 'static>(
    channel: Channel,
    path: &str,
    request: impl Into<Bytes>,
) -> Result<D, Status> {
    let request = tonic::Request::new(request.into());
    let codec = BytesCodec(std::marker::PhantomData);
    let mut grpc = grpc(channel).await;
    let answer = grpc.unary(request, path.parse().unwrap(), codec).await;
    answer.map(tonic::Response::into_inner)
}

/// Calls a streaming method with any messages of any bytes.
pub(crate) async fn streaming<D: Message + Default + 'static>(
    channel: Channel,
    method: &str,
    requests: impl Stream<Item = Bytes> + Send + 'static,
) -> Result<Streaming<D>, Status> {
    let request = tonic::Request::new(requests);
    let codec = BytesCodec(std::marker::PhantomData);
    let mut grpc = grpc(channel).await;
    let answer = grpc.streaming(request, path(method), codec).await;
    answer.map(tonic::Response::into_inner)
}

/// Posts a body that need not be gRPC frames to a path, and answers the status in the headers.
pub(crate) async fn post(
    mut channel: Channel,
    path: &str,
    body: impl Into<String>,
    headers: &[(&str, &str)],
) -> Option<Status> {
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let mut request = Request::post(path).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = tonic::body::Body::new(body.into());
    let response: Response<_> = channel.call(request.body(body).unwrap()).await.unwrap();
    Status::from_header_map(response.headers())
}

/// Appends events that are encoded already.
pub(crate) async fn append(
    channel: Channel,
    events: Vec<Vec<u8>>,
) -> Result<proto::AppendResponse, Status> {
    let request = RawAppendRequest { events };
    unary(channel, "Append", request.encode_to_vec()).await
}

/// Appends a field of wire type 2 to an encoded message.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u32, value: &[u8]) {
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, message);
    prost::encoding::encode_varint(value.len().try_into().unwrap(), message);
    message.extend_from_slice(value);
}

/// Appends a field of wire type 0 to an encoded message.
pub(crate) fn put_number(message: &mut Vec<u8>, number: u32, value: u64) {
    prost::encoding::encode_key(number, prost::encoding::WireType::Varint, message);
    prost::encoding::encode_varint(value, message);
}
