//! Clients: of a server far away, or of a ledger in this process through the same service.
//! Does not know what is asked.

use std::sync::Arc;

use tonic::body::Body;
use tonic::codegen::http;
use tonic::service::Routes;
use tonic::transport::Channel;
use tower::util::{BoxCloneSyncService, MapErr};
use tower::{BoxError, ServiceExt as _};

use super::audit::Audits;
use super::delivery::Delivery;
use super::reads::{ACTOR, Reads};
use super::service::{Service, Shutdown};
use super::silence::{HEARTBEAT, Keepalive};
use super::wire::audit_service_server::AuditServiceServer;
use super::wire::delivery_service_client::DeliveryServiceClient as StoredDeliveryClient;
use super::wire::delivery_service_server::DeliveryServiceServer;
use super::wire::ledger_service_client::LedgerServiceClient as StoredLedgerClient;
use super::wire::ledger_service_server::LedgerServiceServer;
use crate::audit::AuditOptions;
use crate::delivery::DeadLetters;
use crate::ledger::Ledger;

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated from proto/, which has the comments"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/client/orderledger.v1.rs"));
}

pub use generated::audit_service_client::AuditServiceClient;
pub use generated::delivery_service_client::DeliveryServiceClient;
pub use generated::ledger_service_client::LedgerServiceClient;

/// Messages that a client takes may be larger than those that it sends: pages and chunks.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// HTTP/2 flow control windows, in bytes: large enough that a stream never waits for them.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// The way to a ledger, wherever it is.
type Way = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;
/// A client of a ledger that sees events as the bytes that are stored.
pub(crate) type LedgerClient = StoredLedgerClient<Way>;
/// A client of its consumers, the same way.
pub(crate) type DeliveryClient = StoredDeliveryClient<Way>;
/// A client of its audit, whose messages hold no events: they are those that everybody sees.
pub(crate) type AuditClient = AuditServiceClient<Way>;

/// The clients of one ledger.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) ledger: LedgerClient,
    pub(crate) delivery: DeliveryClient,
    pub(crate) audit: AuditClient,
}

/// Who calls, for a server that records who reads which history.
#[derive(Clone, Debug)]
pub(crate) struct Actor(http::HeaderValue);

impl Actor {
    /// `None` for what no header can say: text beyond visible ASCII.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let said = http::HeaderValue::from_str(name).ok().filter(|_| name.is_ascii());
        said.map(Self)
    }
}

/// Connects to a server, `http://host:port`; each call says who makes it, where that is known.
pub(crate) async fn connect(
    url: &str,
    actor: Option<Actor>,
) -> Result<Clients, tonic::transport::Error> {
    let channel = channel(url, Keepalive::default()).await?;
    let Some(Actor(name)) = actor else {
        return Ok(Clients::over(BoxCloneSyncService::new(channel)));
    };
    let named = move |mut request: http::Request<Body>| {
        request.headers_mut().insert(ACTOR, name.clone());
        request
    };
    Ok(Clients::over(BoxCloneSyncService::new(channel.map_request(named))))
}

/// Connects with other times after which the server counts as gone.
#[cfg(test)]
pub(super) async fn connect_with(
    url: &str,
    keepalive: Keepalive,
) -> Result<Clients, tonic::transport::Error> {
    Ok(Clients::over(BoxCloneSyncService::new(channel(url, keepalive).await?)))
}

async fn channel(
    url: &str,
    keepalive: Keepalive,
) -> Result<MapErr<Channel, fn(tonic::transport::Error) -> BoxError>, tonic::transport::Error> {
    let channel = tonic::transport::Endpoint::from_shared(url.to_owned())?
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_timeout(std::time::Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(keepalive.interval)
        .keep_alive_timeout(keepalive.timeout)
        .connect()
        .await?;
    Ok(channel.map_err(BoxError::from))
}

/// Calls the services of a ledger in this process, without a socket.
pub(crate) fn connect_local(ledger: Arc<Ledger>, audit: AuditOptions) -> Clients {
    let audits = Audits::new(Arc::clone(&ledger), audit, Reads::default());
    let letters = DeadLetters::of(ledger);
    let delivery = Delivery::new((letters.clone(), Reads::default()), Shutdown::never());
    let delivery = DeliveryServiceServer::new(delivery)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let service = Service::new((letters, audits.clone()), Shutdown::never(), HEARTBEAT);
    let audit = AuditServiceServer::new(audits)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let ledger = LedgerServiceServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let routes = Routes::new(ledger).add_service(delivery).add_service(audit);
    let routes = tower::ServiceExt::<http::Request<Body>>::map_err(
        routes,
        |never: std::convert::Infallible| match never {},
    );
    Clients::over(BoxCloneSyncService::new(routes))
}

impl Clients {
    fn over(way: Way) -> Self {
        Self {
            ledger: StoredLedgerClient::new(way.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
            audit: AuditServiceClient::new(way.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
            delivery: StoredDeliveryClient::new(way)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        }
    }
}
