//! Connections that are frozen: both sides let go of them. Does not know what is in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Streaming};

use super::client::{DeliveryClient, LedgerClient, connect_with};
use super::serve::{ServeOptions, serve};
use super::service::Shutdown;
use super::silence::{Keepalive, heard};
use super::wire;
use super::wire::{consume_response, replay_response, stream_orders_response};
use crate::event::Event;
use crate::ledger::{Batch, Ledger, Options};
use crate::proto::{self, ConsumeRequest, OrderEvent};

/// No test may take longer.
const TEST_TIME_MAX: Duration = Duration::from_secs(30);
/// As good as never.
const NEVER: Duration = Duration::from_secs(3_600);
const SHORT: Keepalive =
    Keepalive { interval: Duration::from_millis(100), timeout: Duration::from_millis(400) };
const OFF: Keepalive = Keepalive { interval: NEVER, timeout: NEVER };

/// A server on a runtime of its own, whose tasks are counted.
struct Server {
    runtime: Runtime,
    ledger: Arc<Ledger>,
    address: SocketAddr,
    /// Tasks that it has without a connection.
    idle_tasks: usize,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(keepalive: Keepalive, heartbeat: Duration) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&folder, Options::default()).unwrap());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let options = ServeOptions {
            heartbeat,
            keepalive_interval: keepalive.interval,
            keepalive_timeout: keepalive.timeout,
            ..ServeOptions::default()
        };
        runtime.spawn(serve(listener, Arc::clone(&ledger), options, std::future::pending()));
        let idle_tasks = runtime.metrics().num_alive_tasks();
        Self { runtime, ledger, address, idle_tasks, _folder: folder }
    }

    fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks() - self.idle_tasks
    }

    fn append(&self, order: &str, count: usize, bytes: usize) {
        let event = |id: usize| {
            let event = OrderEvent {
                correlation_id: order.to_owned(),
                source: "wms".into(),
                event_id: id.to_string(),
                r#type: "pick.confirmed".into(),
                attributes: [("filler".to_owned(), "x".repeat(bytes))].into(),
                ..OrderEvent::default()
            };
            Event::new(&event).unwrap()
        };
        self.ledger.append(Batch::of((0..count).map(event))).unwrap();
    }

    /// Waits until nothing is left of all connections: neither their tasks nor their streams'.
    async fn let_go(&self) {
        while self.tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn stop(self) {
        self.runtime.shutdown_background();
    }
}

/// Stands between client and server, and can stop to forward what comes.
struct Proxy {
    address: SocketAddr,
    frozen: watch::Sender<bool>,
}

impl Proxy {
    /// Its buffers are small: what is sent into a frozen connection soon finds no room.
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (frozen, freezing) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_recv_buffer_size(16 * 1024).unwrap();
                let frozen = || Shutdown::watching(freezing.clone());
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = socket.connect(server).await.unwrap().into_split();
                tokio::spawn(forward(from_client, to_server, frozen()));
                tokio::spawn(forward(from_server, to_client, frozen()));
            }
        });
        Self { address, frozen }
    }

    fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: Shutdown) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            // The connection stays open for as long as the test.
            () = frozen.begun() => std::future::pending().await,
        };
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A stream of each kind that has caught up.
struct Streams {
    events: Streaming<wire::ReplayResponse>,
    orders: Streaming<wire::StreamOrdersResponse>,
}

impl Streams {
    async fn start(client: &mut LedgerClient) -> Self {
        let request = wire::ReplayRequest { follow: true, ..Default::default() };
        let events = client.replay(request).await.unwrap().into_inner();
        let request = wire::StreamOrdersRequest { follow: true, ..Default::default() };
        let orders = client.stream_orders(request).await.unwrap().into_inner();
        let mut streams = Self { events, orders };
        loop {
            let said = streams.events.message().await.unwrap().unwrap().message;
            if matches!(said, Some(replay_response::Message::CaughtUp(_))) {
                break;
            }
        }
        loop {
            let said = streams.orders.message().await.unwrap().unwrap().message;
            if matches!(said, Some(stream_orders_response::Message::CaughtUp(_))) {
                return streams;
            }
        }
    }
}

/// Runs a test that ends.
fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test).await });
    runtime.shutdown_background();
    assert!(ended.is_ok(), "nobody noticed");
}

/// Seen red with a server that does not probe.
#[test]
fn a_server_lets_go_of_idle_streams_on_a_frozen_connection() {
    let server = Server::start(SHORT, NEVER);
    run(async {
        let proxy = Proxy::before(server.address).await;
        let url = format!("http://{}", proxy.address);
        let mut client = connect_with(&url, OFF).await.unwrap().ledger;
        let streams = Streams::start(&mut client).await;
        tokio::time::sleep(SHORT.silence_max() * 2).await;
        assert!(server.tasks() >= 3, "a connection that answers is kept, and two streams on it");
        proxy.freeze();
        server.let_go().await;
        drop((streams, client));
    });
    server.stop();
}

/// Seen red with a connection that waits until what it sends is taken: the probe waits behind
/// that, and the end of the connection too.
#[test]
fn a_server_lets_go_of_a_frozen_connection_that_has_no_room_for_a_probe() {
    let server = Server::start(SHORT, NEVER);
    run(async {
        let proxy = Proxy::before(server.address).await;
        // As much as HTTP/2 allows: nothing but the connection itself holds the server back.
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", proxy.address));
        let channel = endpoint
            .unwrap()
            .initial_stream_window_size(1 << 30)
            .initial_connection_window_size(1 << 30)
            .connect()
            .await
            .unwrap();
        let mut client =
            crate::rpc::LedgerServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        let request = crate::proto::ReplayRequest { follow: true, ..Default::default() };
        let mut events = client.replay(request).await.unwrap().into_inner();
        let request = crate::proto::StreamOrdersRequest { follow: true, ..Default::default() };
        let mut orders = client.stream_orders(request).await.unwrap().into_inner();
        events.message().await.unwrap().unwrap();
        orders.message().await.unwrap().unwrap();
        proxy.freeze();
        for order in 0..20 {
            server.append(&order.to_string(), 60, 60_000);
        }
        server.let_go().await;
        drop((events, orders, client));
    });
    server.stop();
}

/// Seen red with a client that does not probe.
#[test]
fn a_client_is_told_that_its_connection_is_frozen() {
    let server = Server::start(OFF, NEVER);
    server.append("a", 3, 10);
    run(async {
        let proxy = Proxy::before(server.address).await;
        let mut client =
            connect_with(&format!("http://{}", proxy.address), SHORT).await.unwrap().ledger;
        let mut streams = Streams::start(&mut client).await;
        proxy.freeze();
        let failed = streams.events.message().await.unwrap_err();
        assert_ne!(failed.code(), Code::Ok, "{failed}");
        let failed = streams.orders.message().await.unwrap_err();
        assert_ne!(failed.code(), Code::Ok, "{failed}");
    });
    server.stop();
}

/// A member of the consumer `erp`, with credit for a delivery.
async fn member(client: &mut DeliveryClient) -> (Said, Streaming<wire::ConsumeResponse>) {
    let (say, said) = mpsc::unbounded_channel();
    let join = proto::JoinConsumer { consumer: "erp".into(), member: String::new() };
    let join = ConsumeRequest { join: Some(join), credit: 1, ..ConsumeRequest::default() };
    say.send(join).unwrap();
    let said = UnboundedReceiverStream::new(said);
    (say, client.consume(said).await.unwrap().into_inner())
}

type Said = mpsc::UnboundedSender<ConsumeRequest>;

async fn delivered(told: &mut Streaming<wire::ConsumeResponse>) -> wire::Delivery {
    loop {
        let message = told.message().await.unwrap().unwrap().message;
        if let Some(consume_response::Message::Deliveries(chunk)) = message {
            return chunk.deliveries.into_iter().next().unwrap();
        }
    }
}

/// Seen red with a server that does not probe.
#[test]
fn what_a_frozen_member_has_goes_to_another_and_it_is_told() {
    let server = Server::start(SHORT, NEVER);
    server.append("a", 1, 10);
    run(async {
        let proxy = Proxy::before(server.address).await;
        let url = format!("http://{}", proxy.address);
        let mut frozen = connect_with(&url, SHORT).await.unwrap().delivery;
        let url = format!("http://{}", server.address);
        let mut other = connect_with(&url, OFF).await.unwrap().delivery;
        let settings = proto::ConsumerSettings { name: "erp".into(), ..Default::default() };
        let create = wire::CreateConsumerRequest { settings: Some(settings), ..Default::default() };
        other.create_consumer(create).await.unwrap();
        let (_say, mut told) = member(&mut frozen).await;
        assert_eq!(delivered(&mut told).await.attempt, 1);
        proxy.freeze();
        let (_say, mut others) = member(&mut other).await;
        let again = delivered(&mut others).await;
        assert_eq!((again.attempt, &*again.last_reason), (2, "the member was gone"));
        while told.message().await.is_ok_and(|message| message.is_some()) {}
    });
    server.stop();
}

/// As behind a proxy that answers probes by itself. Seen red with a reader that has no clock.
#[test]
fn a_reader_is_told_that_a_stream_is_silent_although_its_connection_answers() {
    let server = Server::start(OFF, NEVER);
    run(async {
        let url = format!("http://{}", server.address);
        let mut client = connect_with(&url, SHORT).await.unwrap().ledger;
        let mut streams = Streams::start(&mut client).await;
        let silence = Duration::from_millis(300);
        let failed = heard(&mut streams.events, silence).await.unwrap_err();
        assert_eq!(failed.code(), Code::Unavailable, "{failed}");
        let failed = heard(&mut streams.orders, silence).await.unwrap_err();
        assert_eq!(failed.code(), Code::Unavailable, "{failed}");
    });
    server.stop();
}

#[test]
fn an_idle_stream_is_never_silent() {
    let server = Server::start(SHORT, Duration::from_millis(20));
    run(async {
        let url = format!("http://{}", server.address);
        let mut client = connect_with(&url, SHORT).await.unwrap().ledger;
        let mut streams = Streams::start(&mut client).await;
        for _ in 0..20 {
            let said = heard(&mut streams.events, TEST_TIME_MAX).await.unwrap().unwrap().message;
            assert!(matches!(said, Some(replay_response::Message::Progress(_))), "{said:?}");
            let said = heard(&mut streams.orders, TEST_TIME_MAX).await.unwrap().unwrap().message;
            let is_progress = matches!(said, Some(stream_orders_response::Message::Progress(_)));
            assert!(is_progress, "{said:?}");
        }
    });
    server.stop();
}
