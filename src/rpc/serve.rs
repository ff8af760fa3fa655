//! Runs the services on a socket that the caller owns, until the caller says that it is enough.
//! Does not know signals or addresses.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::server::NamedService as _;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::audit::Audits;
use super::connection::Connection;
use super::delivery::Delivery;
use super::explain::Explain;
use super::reads::Reads;
use super::service::{Service, Shutdown};
use super::silence::{HEARTBEAT, Keepalive};
use super::wire::audit_service_server::AuditServiceServer;
use super::wire::delivery_service_server::DeliveryServiceServer;
use super::wire::ledger_service_server::LedgerServiceServer;
use crate::audit::{AuditError, AuditOptions, ReadLog, VerifierKey};
use crate::delivery::DeadLetters;
use crate::event::DESCRIPTORS;
use crate::ledger::Ledger;

/// How a server behaves on the wire.
///
/// ```
/// let options = order_ledger::ServeOptions::default();
/// assert_eq!(options.message_bytes_max, 4 * 1024 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Bytes of a request; larger ones are refused.
    pub message_bytes_max: usize,
    /// Calls and streams under way on one connection.
    pub streams_max: u32,
    /// How often a stream that brings nothing says that it lives.
    pub heartbeat: Duration,
    /// How often a silent connection is probed.
    pub keepalive_interval: Duration,
    /// How long an answer to such a probe may take. A connection that takes nothing of what is to
    /// be sent is given up after both times together.
    pub keepalive_timeout: Duration,
    /// How long calls under way may take when the server shuts down; then they are cut off.
    pub shutdown_grace: Duration,
    /// How the audit is opened: checkpoints, seals, keys.
    pub audit: AuditOptions,
    /// Whether each reading of a history is an entry of the ledger's own: who, from where, which
    /// order. What cannot be recorded is not shown.
    pub audit_reads: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        let keepalive = Keepalive::default();
        Self {
            message_bytes_max: 4 * 1024 * 1024,
            streams_max: 1_024,
            heartbeat: HEARTBEAT,
            keepalive_interval: keepalive.interval,
            keepalive_timeout: keepalive.timeout,
            shutdown_grace: Duration::from_secs(10),
            audit: AuditOptions::default(),
            audit_reads: false,
        }
    }
}

/// Why a server ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The transport failed.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The audit could not be opened.
    #[error("the audit: {0}")]
    Audit(#[from] AuditError),
    /// The descriptors for reflection could not be read.
    #[error("server reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// HTTP/2 flow control windows and frames, in bytes: a batch or a chunk goes out without waiting.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
const FRAME_BYTES: u32 = 256 * 1024;
/// How long connections may take to end when they are cut off.
const CUT_TIME_MAX: Duration = Duration::from_secs(1);
/// The names under which the health service is asked: the ledger, and the server as a whole.
pub(super) const SERVICES: [&str; 4] = [
    LedgerServiceServer::<Service>::NAME,
    DeliveryServiceServer::<Delivery>::NAME,
    AuditServiceServer::<Audits>::NAME,
    "",
];
/// How often the health service looks whether the ledger takes appends.
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);

/// Serves a ledger with health and reflection beside it, until `shutdown` is ready.
///
/// Then new calls are refused, streams end with `closed`, calls under way are answered, and what is
/// still open after [`ServeOptions::shutdown_grace`] is cut off.
///
/// # Errors
/// Where the transport fails.
pub async fn serve(
    listener: TcpListener,
    ledger: Arc<Ledger>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let audits = open_audit(&ledger, &options).await?.0;
    serve_audited((listener, ledger), audits, options, shutdown).await
}

/// Opens the audit of a ledger for [`serve_audited`]; also the public halves of its keys.
pub(crate) async fn open_audit(
    ledger: &Arc<Ledger>,
    options: &ServeOptions,
) -> Result<(Audits, Vec<VerifierKey>), AuditError> {
    let reads = if options.audit_reads {
        Reads::into(ReadLog::open(Arc::clone(ledger)).map_err(AuditError::from)?)
    } else {
        Reads::default()
    };
    let audits = Audits::new(Arc::clone(ledger), options.audit.clone(), reads);
    let keys = audits.open().await?.verifier_keys().to_vec();
    Ok((audits, keys))
}

/// As [`serve`], with an audit that is open.
pub(crate) async fn serve_audited(
    (listener, ledger): (TcpListener, Arc<Ledger>),
    audits: Audits,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (end, ending) = watch::channel(false);
    let (health, health_service) = tonic_health::server::health_reporter();
    let ends = || Shutdown::watching(ending.clone());
    let letters = DeadLetters::of(Arc::clone(&ledger));
    let service = Service::new((letters.clone(), audits.clone()), ends(), options.heartbeat);
    let service = LedgerServiceServer::new(service)
        .max_decoding_message_size(options.message_bytes_max)
        .max_encoding_message_size(usize::MAX);
    let consumers = Delivery::new((letters, audits.reads.clone()), ends());
    let delivery = DeliveryServiceServer::new(consumers.clone())
        .max_decoding_message_size(options.message_bytes_max)
        .max_encoding_message_size(usize::MAX);
    let audit = AuditServiceServer::new(audits.clone())
        .max_decoding_message_size(options.message_bytes_max)
        .max_encoding_message_size(usize::MAX);
    let (cut, cutting) = watch::channel(false);
    let (interval, timeout) = (options.keepalive_interval, options.keepalive_timeout);
    let patience = Keepalive { interval, timeout }.silence_max();
    let connections = TcpListenerStream::new(listener).map(move |stream| {
        stream.and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(Connection::new(stream, Shutdown::watching(cutting.clone()), patience))
        })
    });
    let mut no_more_calls = ends();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(options.streams_max)
        .http2_keepalive_interval(Some(interval))
        .http2_keepalive_timeout(Some(timeout))
        .layer(Explain)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(service)
        .add_service(delivery)
        .add_service(audit)
        .serve_with_incoming_shutdown(connections, async move {
            no_more_calls.begun().await;
        });
    let end_by_force = async {
        shutdown.await;
        let _ = end.send(true);
        // Members are told that it ends, and what they have done is stored.
        let grace = options.shutdown_grace;
        let close = tokio::time::timeout(grace, consumers.close());
        let _ = tokio::join!(close, tokio::time::sleep(grace));
        tracing::warn!("calls were still open after the grace time; cutting them off");
        let _ = cut.send(true);
        // The server ends with its last connection, which takes a moment.
        tokio::time::sleep(CUT_TIME_MAX).await;
    };
    let ended = tokio::select! {
        end = server => end.map_err(ServeError::from),
        () = end_by_force => Ok(()),
        never = watch_health(health, &ledger, ends()) => never,
    };
    let _ = tokio::time::timeout(options.shutdown_grace, consumers.close()).await;
    audits.close().await;
    ended
}

/// Says whether the ledger takes appends, for as long as it is asked.
async fn watch_health(
    health: HealthReporter,
    ledger: &Ledger,
    mut shutdown: Shutdown,
) -> Result<(), ServeError> {
    loop {
        let serving = ledger.takes_appends() && !shutdown.has_begun();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in SERVICES {
            health.set_service_status(service, status).await;
        }
        tokio::select! {
            () = tokio::time::sleep(HEALTH_INTERVAL) => {}
            () = shutdown.begun() => tokio::time::sleep(HEALTH_INTERVAL).await,
        }
    }
}

/// Every service here, for clients that ask what there is.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
