//! Connections, and calls that carry bytes instead of messages. Does not know what the bytes mean.
//!
//! A load generator shares the machine with the server. Where it would spend much of the time on
//! making messages, it sends requests that were encoded as a producer would have done elsewhere.

use bytes::{Buf as _, BufMut as _, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{IntoStreamingRequest, Request, Status, Streaming};

const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

pub(crate) const APPEND: &str = "/orderledger.v1.LedgerService/Append";
pub(crate) const APPEND_STREAM: &str = "/orderledger.v1.LedgerService/AppendStream";
pub(crate) const REPLAY: &str = "/orderledger.v1.LedgerService/Replay";
pub(crate) const GET_TIMELINE: &str = "/orderledger.v1.LedgerService/GetTimeline";

pub(crate) async fn connect(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned())
        .unwrap()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true)
        .connect()
        .await
        .unwrap()
}

/// A channel for each caller; so many of them share a connection.
pub(crate) async fn connect_callers(url: &str, callers: usize, shared_by: usize) -> Vec<Channel> {
    let mut channels = Vec::new();
    while channels.len() < callers {
        let channel = connect(url).await;
        let rest = callers - channels.len();
        channels.extend(std::iter::repeat_n(channel, rest.min(shared_by)));
    }
    channels
}

/// A client whose messages are bytes.
#[derive(Clone, Debug)]
pub(crate) struct BytesClient(Grpc<Channel>);

impl BytesClient {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub(crate) async fn unary(
        &mut self,
        method: &'static str,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static(method);
        Ok(self.0.unary(Request::new(request), path, BytesCodec).await?.into_inner())
    }

    pub(crate) async fn server_streaming(
        &mut self,
        method: &'static str,
        request: Bytes,
    ) -> Result<Streaming<Bytes>, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static(method);
        let answer = self.0.server_streaming(Request::new(request), path, BytesCodec).await?;
        Ok(answer.into_inner())
    }

    pub(crate) async fn streaming(
        &mut self,
        method: &'static str,
        requests: impl IntoStreamingRequest<Message = Bytes>,
    ) -> Result<Streaming<Bytes>, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static(method);
        let requests = requests.into_streaming_request();
        Ok(self.0.streaming(requests, path, BytesCodec).await?.into_inner())
    }
}

/// Passes messages on as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
