//! What the tests over the socket share: a server in this process, its clients, events, and errors
//! taken apart.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use order_ledger::proto::{AppendRequest, AppendResponse, Line, OrderEvent, Receipt};
use order_ledger::{Ledger, LedgerServiceClient, Options, ServeError, ServeOptions, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// No test may take longer.
const TEST_TIME_MAX: Duration = Duration::from_secs(20);

pub(crate) type Client = LedgerServiceClient<Channel>;

/// Runs a test on a runtime of its own; panics when it hangs.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    assert!(ended.is_ok(), "the test did not end within 20 s");
}

/// A ledger of small segments.
pub(crate) fn options() -> Options {
    Options { segment_bytes: 1024 * 1024, ..Options::default() }
}

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, options(), ServeOptions::default()).await
    }

    pub(crate) async fn start_with(folder: &Path, options: Options, serving: ServeOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Arc::new(Ledger::open(folder, options).unwrap());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve(listener, Arc::clone(&ledger), serving, shutdown));
        Self { address, ledger, stop, served }
    }

    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        self.endpoint().connect().await.unwrap()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        LedgerServiceClient::new(self.channel().await)
    }

    /// Tells the server to stop, and does not wait for it.
    pub(crate) fn begin_to_stop(self) -> Stopping {
        let _ = self.stop.send(());
        Stopping { ledger: self.ledger, served: self.served }
    }

    /// Stops the server and closes its ledger; its clients must be idle.
    pub(crate) async fn stop(self) {
        self.begin_to_stop().stopped().await;
    }
}

/// A server that was told to stop.
pub(crate) struct Stopping {
    ledger: Arc<Ledger>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Stopping {
    /// Waits until the server has ended and nothing of it holds the ledger, which is then closed.
    pub(crate) async fn stopped(self) {
        self.served.await.unwrap().unwrap();
        let mut held = self.ledger;
        for _ in 0..200 {
            match Arc::try_unwrap(held) {
                Ok(ledger) => return drop(ledger),
                Err(still) => held = still,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server has ended, and something still holds its ledger");
    }
}

/// A small event of an order; equal arguments give equal events.
pub(crate) fn event(order: &str, id: impl ToString) -> OrderEvent {
    OrderEvent {
        correlation_id: order.into(),
        source: "wms:dc1".into(),
        event_id: id.to_string(),
        r#type: "pick.confirmed".into(),
        lines: vec![Line { line_id: "10".into(), quantity: "1".into(), ..Line::default() }],
        ..OrderEvent::default()
    }
}

/// The same with so many bytes of attributes.
pub(crate) fn large_event(order: &str, id: impl ToString, bytes: usize) -> OrderEvent {
    OrderEvent { attributes: [("filler".to_owned(), "x".repeat(bytes))].into(), ..event(order, id) }
}

pub(crate) fn batch(events: impl IntoIterator<Item = OrderEvent>) -> AppendRequest {
    AppendRequest { events: events.into_iter().collect(), ..AppendRequest::default() }
}

/// Appends a batch that must be accepted.
pub(crate) async fn append(
    client: &mut Client,
    events: impl IntoIterator<Item = OrderEvent>,
) -> AppendResponse {
    client.append(batch(events)).await.unwrap().into_inner()
}

/// The receipts of an answer, in the order of its events.
pub(crate) fn receipts(appended: &AppendResponse) -> Vec<Receipt> {
    appended.outcomes.iter().map(|outcome| outcome.receipt.clone().unwrap()).collect()
}

/// A status taken apart.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) code: Code,
    pub(crate) reason: String,
    /// `refused`, `not_written` or `in_doubt`.
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// Field and description.
    pub(crate) violations: Vec<(String, String)>,
    /// Subject and description.
    pub(crate) preconditions: Vec<(String, String)>,
}

impl Explained {
    /// Code, reason and class, which is what a caller decides by.
    pub(crate) fn kind(&self) -> (Code, &str, &str) {
        (self.code, &self.reason, &self.class)
    }

    /// The fields that are violated.
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.violations.iter().map(|(field, _)| field.as_str()).collect()
    }
}

/// Takes a status apart that must be explained as the contract demands of every error.
pub(crate) fn explained(status: &Status) -> Explained {
    let details = status.get_error_details();
    let info = details.error_info();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "orderledger", "{status:?}");
    assert!(!status.message().is_empty(), "{status:?}");
    let class = info.metadata.get("class").cloned().unwrap_or_default();
    assert!(
        ["refused", "not_written", "in_doubt"].contains(&class.as_str()),
        "class {class:?} of {status:?}"
    );
    let retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
    if class == "not_written" {
        assert!(retry_after.is_some_and(|after| !after.is_zero()), "no delay in {status:?}");
    }
    let violations = details.bad_request().into_iter();
    let preconditions = details.precondition_failure().into_iter();
    Explained {
        code: status.code(),
        reason: info.reason.clone(),
        class,
        message: status.message().to_owned(),
        retry_after,
        violations: violations
            .flat_map(|bad| bad.field_violations.clone())
            .map(|one| (one.field, one.description))
            .collect(),
        preconditions: preconditions
            .flat_map(|failed| failed.violations.clone())
            .map(|one| (one.subject, one.description))
            .collect(),
    }
}

/// Appends a batch that must not be accepted.
pub(crate) async fn refusal(client: &mut Client, request: AppendRequest) -> Explained {
    explained(&client.append(request).await.unwrap_err())
}

/// The head, as the service says it.
pub(crate) async fn head(client: &mut Client) -> u64 {
    let answer = client.get_head(order_ledger::proto::GetHeadRequest::default());
    answer.await.unwrap().into_inner().head
}
