//! One caller's side of each peer, with the peer's own client where it has one. Does not know what
//! is measured.
//!
//! Every caller hands over events whose bodies were encoded before, as a middleware does that
//! passes on what it was sent.

mod echo;
mod ledger;
mod postgres;
mod tephra;
mod umadb;

use std::time::{Duration, Instant};

use order_ledger::proto::OrderEvent;
use prost::Message as _;

use crate::feed::{Bodies, Shape, Told};
use crate::server::{Kind, Server};
pub(crate) use ledger::AppendStream;

/// How long a server may take until it answers.
const READY_TIME: Duration = Duration::from_mins(10);
const READY_EVERY: Duration = Duration::from_millis(2);

/// What a caller believes about the orders that it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Blind,
    /// The order has the events that this caller told of, and no others.
    Revision,
}

/// How much of an event a reader looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Its place, order and type; the body stays bytes.
    Fields,
    /// All of it: the body as a message, too.
    Body,
}

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    /// Bytes of orders, types and bodies; so that nothing is optimised away.
    bytes: usize,
    /// Where the last event stands.
    last: u64,
}

impl Seen {
    fn event(&mut self, place: u64, order: &str, kind: &str, body: &[u8], look: Look) {
        assert!(self.events == 0 || place > self.last, "events come in their order");
        self.events += 1;
        self.last = place;
        self.bytes += order.len() + kind.len() + body.len();
        if look == Look::Body {
            let event = OrderEvent::decode(body).unwrap();
            self.bytes += event.lines.len();
        }
    }
}

/// What is the same for all callers of a run.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) event_bytes: u32,
    pub(crate) tags: u32,
    /// Callers that share a connection, where that is not left to the peer.
    pub(crate) shared_by: Option<usize>,
}

impl Setting {
    pub(crate) fn bodies(&self, kind: Kind) -> Bodies {
        let shape = match kind {
            Kind::Ledger | Kind::Echo => Shape::Whole,
            Kind::Umadb | Kind::Tephra => Shape::Tagged,
            Kind::Postgres => Shape::Columns,
        };
        Bodies::new(shape, self.event_bytes)
    }
}

/// A caller's connection.
pub(crate) enum Client {
    Ledger(ledger::Client),
    Umadb(umadb::Client),
    Tephra(tephra::Client),
    Postgres(Box<postgres::Client>),
    Echo(echo::Client),
}

/// Calls the same method of whichever client it is.
macro_rules! each {
    ($self:expr, $client:ident => $call:expr, $echo:expr) => {
        match $self {
            Client::Ledger($client) => $call,
            Client::Umadb($client) => $call,
            Client::Tephra($client) => $call,
            Client::Postgres($client) => $call,
            Client::Echo(_) => $echo,
        }
    };
}

impl Client {
    /// Appends events as one batch; where the last of them stands.
    pub(crate) async fn append(&mut self, events: &[Told], guard: Guard, after: u64) -> u64 {
        match self {
            Self::Ledger(client) => client.append(events, guard).await,
            Self::Umadb(client) => client.append(events, guard, after).await,
            Self::Tephra(client) => client.append(events, guard, after).await,
            Self::Postgres(client) => client.append(events, guard).await,
            Self::Echo(client) => client.echo(events).await,
        }
    }

    /// The events of one order; how many they are.
    pub(crate) async fn timeline(&mut self, order: u64) -> u64 {
        each!(self, client => client.timeline(order).await, 0)
    }

    /// Reads everything, or all of one type.
    pub(crate) async fn replay(&mut self, kind: Option<&str>, look: Look) -> Seen {
        each!(self, client => client.replay(kind, look).await, Seen::default())
    }

    /// Reads everything from the beginning and then what comes, until a time.
    pub(crate) async fn follow(&mut self, until: Instant) -> Seen {
        each!(self, client => client.follow(until).await, Seen::default())
    }
}

/// Connects callers, of whom some share a connection.
pub(crate) async fn connect(server: &Server, setting: &Setting, callers: usize) -> Vec<Client> {
    let shared_by = setting.shared_by.unwrap_or_else(|| server.kind.shared_by());
    connect_shared(server, setting, callers, shared_by).await
}

/// The same, with a number of callers for each connection.
pub(crate) async fn connect_shared(
    server: &Server,
    setting: &Setting,
    callers: usize,
    shared_by: usize,
) -> Vec<Client> {
    let bodies = setting.bodies(server.kind);
    match server.kind {
        Kind::Ledger => {
            let clients = ledger::connect(&server.url(), &bodies, callers, shared_by).await;
            clients.into_iter().map(Client::Ledger).collect()
        }
        Kind::Umadb => {
            let with = (&bodies, setting.tags);
            let clients = umadb::connect(&server.url(), with, callers, shared_by).await;
            clients.into_iter().map(Client::Umadb).collect()
        }
        Kind::Tephra => {
            let with = (&bodies, setting.tags);
            let clients = tephra::connect(server.port, with, callers, shared_by).await;
            clients.into_iter().map(Client::Tephra).collect()
        }
        Kind::Postgres => {
            let clients = postgres::connect(server.port, &bodies, callers).await;
            clients.into_iter().map(|client| Client::Postgres(Box::new(client))).collect()
        }
        Kind::Echo => {
            let clients = echo::connect(&server.url(), &bodies, callers, shared_by).await;
            clients.into_iter().map(Client::Echo).collect()
        }
    }
}

/// Waits until a server answers a question about its events.
pub(crate) async fn ready(server: &mut Server) {
    let until = server.started + READY_TIME;
    while Instant::now() < until {
        assert!(!server.has_ended(), "the server of {} has ended", server.kind.title());
        let answered = match server.kind {
            Kind::Ledger => ledger::answers(&server.url()).await,
            Kind::Umadb => umadb::answers(&server.url()).await,
            Kind::Tephra => tephra::answers(server.port).await,
            Kind::Postgres => postgres::answers(server.port).await,
            Kind::Echo => ledger::listens(&server.url()).await,
        };
        if answered {
            return;
        }
        tokio::time::sleep(READY_EVERY).await;
    }
    panic!("the server of {} does not answer", server.kind.title());
}

/// Makes what a new server needs once: the table of PostgreSQL.
pub(crate) async fn prepare(server: &Server) {
    if server.kind == Kind::Postgres {
        postgres::create(server.port).await;
    }
}

/// Lets a server write what it has put off, so that it is counted.
pub(crate) async fn settle(server: &Server) {
    if server.kind == Kind::Postgres {
        postgres::checkpoint(server.port).await;
    }
}

/// How many events a server has.
pub(crate) async fn count(server: &Server) -> u64 {
    match server.kind {
        Kind::Ledger => ledger::count(&server.url()).await,
        Kind::Umadb => umadb::count(&server.url()).await,
        Kind::Tephra => tephra::count(server.port).await,
        Kind::Postgres => postgres::count(server.port).await,
        Kind::Echo => 0,
    }
}
