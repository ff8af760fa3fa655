//! Answers while a ledger is being opened: that it is not there yet, and how far it is.
//! Does not know what opening does.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tower::{Layer, Service};

use super::connection::Connection;
use super::serve::SERVICES;
use super::service::Shutdown;
use super::silence::Keepalive;
use super::status::status;
use crate::ledger::{FailureClass, Progress};

/// Connections that have been accepted and not looked at.
const CONNECTIONS_AHEAD: usize = 16;
/// How long connections may take to end when the ledger is open.
const END_TIME_MAX: Duration = Duration::from_secs(1);
/// How long to wait after a socket could not be accepted.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Where the health service is.
const HEALTH_PATH: &str = "/grpc.health.v1.Health/";

/// Answers on a socket while `opening` runs: health says *not serving*, all else is `UNAVAILABLE`
/// with how far it is. Then the connections are ended, and callers connect again.
pub async fn while_opening<T>(
    listener: &TcpListener,
    progress: watch::Receiver<Option<Progress>>,
    opening: impl Future<Output = T>,
) -> T {
    let (accepted, connections) = mpsc::channel(CONNECTIONS_AHEAD);
    let (end, ending) = oneshot::channel::<()>();
    let (cut, cutting) = watch::channel(false);
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::NotServing).await;
    }
    let server = Server::builder()
        .layer(Opening { progress })
        .add_service(health_service)
        .serve_with_incoming_shutdown(ReceiverStream::new(connections), async {
            let _ = ending.await;
        });
    let mut server = tokio::spawn(server);
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((connection, _)) => {
                    let cut = Shutdown::watching(cutting.clone());
                    let patience = Keepalive::default().silence_max();
                    let connection = Connection::new(connection, cut, patience);
                    let _ = accepted.send(Ok::<_, std::io::Error>(connection)).await;
                }
                Err(_) => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    };
    let opened = tokio::select! {
        opened = opening => opened,
        never = accept => never,
    };
    let _ = end.send(());
    if tokio::time::timeout(END_TIME_MAX, &mut server).await.is_err() {
        // Somebody watches the health, say: it is another server's from now on.
        let _ = cut.send(true);
        server.abort();
    }
    opened
}

/// A layer that answers in the place of services that are not there yet.
#[derive(Clone, Debug)]
struct Opening {
    progress: watch::Receiver<Option<Progress>>,
}

/// The services that are there already, and the answer for all others.
#[derive(Clone, Debug)]
struct Opened<S> {
    inner: S,
    progress: watch::Receiver<Option<Progress>>,
}

impl<S> Layer<S> for Opening {
    type Service = Opened<S>;

    fn layer(&self, inner: S) -> Opened<S> {
        Opened { inner, progress: self.progress.clone() }
    }
}

impl<S> Service<Request<Body>> for Opened<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with(HEALTH_PATH) {
            return Box::pin(self.inner.call(request));
        }
        let how_far = self.progress.borrow().map_or_else(String::new, |progress| {
            let Progress { what, done, total } = progress;
            format!(": {what}, {} %", done.saturating_mul(100) / total.max(1))
        });
        let message = format!("the ledger is being opened{how_far}; ask again later");
        let not_yet = status(Code::Unavailable, "OPENING", FailureClass::NotWritten, message);
        Box::pin(std::future::ready(Ok(not_yet.into_http())))
    }
}
