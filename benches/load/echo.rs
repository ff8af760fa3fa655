//! The limit that gRPC sets: a service of three methods that does nothing, on the same transport
//! with the same settings. Does not know the ledger.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, BoxStream, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

pub(crate) const UNARY: &str = "/bench.Echo/Unary";
pub(crate) const BIDI: &str = "/bench.Echo/Bidi";
pub(crate) const REPEAT: &str = "/bench.Echo/Repeat";

/// A message of one field; any message of the ledger travels in it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Parcel {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) content: Bytes,
    /// How often `Repeat` sends it.
    #[prost(uint32, tag = "2")]
    pub(crate) times: u32,
}

/// Serves echoes until `shutdown` is ready.
pub(crate) async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
    // The settings of `order_ledger::serve`.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024)
        .max_frame_size(256 * 1024)
        .add_service(Echo)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
        .unwrap();
}

#[derive(Clone, Copy, Debug)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Parcel, Parcel>::default());
            Ok(match request.uri().path() {
                UNARY => grpc.unary(Self, request).await,
                BIDI => grpc.streaming(Self, request).await,
                _ => grpc.server_streaming(Self, request).await,
            })
        })
    }
}

impl UnaryService<Parcel> for Echo {
    type Response = Parcel;
    type Future = BoxFuture<Response<Parcel>, Status>;

    fn call(&mut self, request: Request<Parcel>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

impl StreamingService<Parcel> for Echo {
    type Response = Parcel;
    type ResponseStream = Streaming<Parcel>;
    type Future = BoxFuture<Response<Streaming<Parcel>>, Status>;

    fn call(&mut self, request: Request<Streaming<Parcel>>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

impl ServerStreamingService<Parcel> for Echo {
    type Response = Parcel;
    type ResponseStream = BoxStream<Parcel>;
    type Future = BoxFuture<Response<BoxStream<Parcel>>, Status>;

    fn call(&mut self, request: Request<Parcel>) -> Self::Future {
        Box::pin(async move {
            let parcel = request.into_inner();
            let times = usize::try_from(parcel.times).unwrap();
            let parcels = tokio_stream::iter(std::iter::repeat_n(parcel, times)).map(Ok);
            let parcels: BoxStream<Parcel> = Box::pin(parcels);
            Ok(Response::new(parcels))
        })
    }
}
