//! Appends: one event a call, batches, streams, and appends among which somebody reads. Does not
//! know how a peer is asked.

use crate::bench::{Bench, measure};
use crate::client::{AppendStream, Client, Guard, Setting, connect, connect_shared};
use crate::feed::{Feed, Told};
use crate::figures::Work;
use crate::load::callers::{Caller, Run};
use crate::load::client::{BytesClient, connect_callers};
use crate::load::echo::BIDI;
use crate::load::pipeline;
use crate::rows::limits::Parcels;
use crate::server::{Kind, Server};

/// Orders that a caller of single events tells of in turn.
const OPEN_ORDERS: u64 = 100;
/// Of so many calls one asks for a timeline.
const MIXED: u64 = 10;
const CALLERS: [usize; 5] = [1, 8, 32, 64, 128];
const BATCHES: [usize; 3] = [10, 100, 1_000];
const BATCH_CALLERS: [usize; 4] = [1, 4, 16, 64];
const STREAM_CALLERS: [usize; 2] = [1, 4];
const IN_FLIGHT: [usize; 4] = [1, 8, 32, 128];

/// A caller that appends.
pub(crate) struct Appender {
    client: Client,
    feed: Feed,
    batch: usize,
    guard: Guard,
    events: Vec<Told>,
}

impl Appender {
    pub(crate) fn new(client: Client, feed: Feed, (batch, guard): (usize, Guard)) -> Self {
        Self { client, feed, batch, guard, events: Vec::new() }
    }
}

impl Caller for Appender {
    async fn call(&mut self) -> u64 {
        self.events.clear();
        self.events.extend(std::iter::repeat_with(|| self.feed.next()).take(self.batch));
        let first = self.events[0];
        let after = self.feed.position(first);
        let position = self.client.append(&self.events, self.guard, after).await;
        if self.guard == Guard::Revision {
            self.feed.set_position(first, position);
        }
        self.batch as u64
    }
}

/// A caller that appends, and now and then reads an order that it told of.
struct Mixed {
    appender: Appender,
    calls: u64,
}

impl Caller for Mixed {
    async fn call(&mut self) -> u64 {
        self.calls += 1;
        match self.appender.events.first() {
            Some(told) if self.calls.is_multiple_of(MIXED) => {
                let events = self.appender.client.timeline(told.order).await;
                assert_eq!(events, told.revision + 1, "a caller reads what it has appended");
                1
            }
            _ => self.appender.call().await,
        }
    }
}

pub(crate) async fn measure_all(bench: &mut Bench) {
    for guard in [Guard::Revision, Guard::Blind] {
        for callers in CALLERS {
            singles(bench, callers, guard).await;
        }
    }
    for batch in BATCHES {
        for callers in BATCH_CALLERS {
            batches(bench, batch, callers).await;
        }
    }
    for callers in STREAM_CALLERS {
        for in_flight in IN_FLIGHT {
            streams(bench, callers, in_flight).await;
        }
    }
    mixed(bench, 32).await;
}

/// Callers with one kind of request each.
async fn appenders(
    (setting, server): (&Setting, &Server),
    callers: usize,
    (batch, guard): (usize, Guard),
) -> Vec<Appender> {
    let clients = connect(server, setting, callers).await;
    let appender = |client| Appender::new(client, server.orders.feed(OPEN_ORDERS), (batch, guard));
    clients.into_iter().map(appender).collect()
}

async fn singles(bench: &mut Bench, callers: usize, guard: Guard) {
    let name = if guard == Guard::Blind { "append blind" } else { "append guarded" };
    if !bench.args.wants(name) {
        return;
    }
    let work = bench.work(name).callers(callers).batch(1);
    let servers = bench.new_servers(&[Kind::Echo]).await;
    let make = async |setting: &Setting, server: &Server| {
        appenders((setting, server), callers, (1, guard)).await
    };
    bench.rounds((&work, "events/s"), &servers, make).await;
    bench.discard(servers);
}

async fn batches(bench: &mut Bench, batch: usize, callers: usize) {
    if !bench.args.wants("append batches") {
        return;
    }
    let work = bench.work("append batches").callers(callers).batch(batch);
    let servers = bench.new_servers(&[]).await;
    let make = async |setting: &Setting, server: &Server| {
        appenders((setting, server), callers, (batch, Guard::Blind)).await
    };
    bench.rounds((&work, "events/s"), &servers, make).await;
    bench.discard(servers);
}

/// This ledger's stream of appends, and Tephra's calls under way on one connection; the others have
/// nothing of that kind.
async fn streams(bench: &mut Bench, callers: usize, in_flight: usize) {
    let name = "append pipelined";
    if !bench.args.wants(name) {
        return;
    }
    let work = bench.work(name).callers(callers).batch(1).in_flight(in_flight);
    let mut servers = bench.new_servers(&[Kind::Echo]).await;
    let other = |kind| matches!(kind, Kind::Umadb | Kind::Postgres);
    let idle = servers.extract_if(.., |server| other(server.kind)).collect();
    bench.discard(idle);
    for round in 1..=bench.args.rounds {
        for server in &servers {
            server.go_on();
            let time = bench.args.run_time();
            // The first of two warms up.
            stream(bench, server, (callers, in_flight), time / 4).await;
            let before = server.used();
            let run = stream(bench, server, (callers, in_flight), time).await;
            let used = server.used().since(before);
            server.pause();
            bench.figures.add(measure(&work, (server, round), (&run, "events/s"), used));
        }
    }
    bench.figures.print(&work);
    bench.save();
    bench.discard(servers);
}

async fn stream(
    bench: &Bench,
    server: &Server,
    (callers, in_flight): (usize, usize),
    time: std::time::Duration,
) -> Run {
    let bodies = bench.setting.bodies(server.kind);
    match server.kind {
        Kind::Ledger => {
            let exchange = || {
                let feed = server.orders.feed(OPEN_ORDERS);
                AppendStream { bodies: bodies.clone(), feed }
            };
            let channels = connect_callers(&server.url(), callers, 1).await.into_iter();
            let ready = channels.map(|channel| (BytesClient::new(channel), exchange())).collect();
            pipeline::run(ready, crate::load::client::APPEND_STREAM, (in_flight, time)).await
        }
        Kind::Echo => {
            let channels = connect_callers(&server.url(), callers, 1).await.into_iter();
            let parcels = Parcels::of_one(&bodies);
            let ready =
                channels.map(|channel| (BytesClient::new(channel), parcels.clone())).collect();
            pipeline::run(ready, BIDI, (in_flight, time)).await
        }
        _ => {
            // As many calls under way on each caller's connection.
            let clients =
                connect_shared(server, &bench.setting, callers * in_flight, in_flight).await;
            let one =
                |client| Appender::new(client, server.orders.feed(OPEN_ORDERS), (1, Guard::Blind));
            crate::load::callers::run(clients.into_iter().map(one).collect(), time).await.0
        }
    }
}

async fn mixed(bench: &mut Bench, callers: usize) {
    let name = "mixed 90 % appends 10 % timelines";
    if !bench.args.wants(name) {
        return;
    }
    let work: Work = bench.work(name).callers(callers).batch(1);
    let servers = bench.new_servers(&[]).await;
    let make = async |setting: &Setting, server: &Server| {
        let ready = appenders((setting, server), callers, (1, Guard::Revision)).await.into_iter();
        ready.enumerate().map(|(at, appender)| Mixed { appender, calls: at as u64 }).collect()
    };
    bench.rounds((&work, "calls/s"), &servers, make).await;
    bench.discard(servers);
}
