//! Reads from servers that hold many events, what those cost on disk, and how soon a server is
//! there again. Does not know how a peer is asked.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::bench::{Bench, measure};
use crate::client::{self, Client, Guard, Look, Seen, Setting, connect};
use crate::feed::{ORDER_EVENTS, SOUGHT_TYPE, TYPES, scrambled};
use crate::figures::{Measure, Work};
use crate::load::callers::{Caller, Run};
use crate::rows::append::Appender;
use crate::server::Server;
use crate::size::{Size, files};

const LOADERS: u64 = 4;
const BATCH_EVENTS: u64 = 1_000;
const READERS: [usize; 3] = [1, 8, 32];
const COLD_READERS: [usize; 2] = [1, 8];

pub(crate) const LOAD: &str = "load";
pub(crate) const DISK: &str = "bytes on disk an event";
pub(crate) const REPLAY: &str = "replay as bytes";
pub(crate) const REPLAY_BODY: &str = "replay decoded";
pub(crate) const REPLAY_TYPE: &str = "replay one type of thirty";
pub(crate) const WARM: &str = "timeline warm";
pub(crate) const COLD: &str = "timeline cold";
pub(crate) const OPEN_CLEAN: &str = "opening after a clean stop";
pub(crate) const OPEN_KILLED: &str = "opening after kill -9";
pub(crate) const FOLLOW: &str = "follower beside appends";
const ALL: [&str; 10] =
    [LOAD, DISK, REPLAY, REPLAY_BODY, REPLAY_TYPE, WARM, COLD, OPEN_CLEAN, OPEN_KILLED, FOLLOW];

/// Asks for the timelines of orders all over a store.
pub(crate) struct Reader {
    client: Client,
    next: u64,
    /// Ranges of one length.
    orders: Arc<Vec<Range<u64>>>,
}

impl Caller for Reader {
    async fn call(&mut self) -> u64 {
        self.next = scrambled(self.next);
        let among = self.orders.len() as u64;
        let orders = &self.orders[usize::try_from(self.next % among).unwrap()];
        let order = orders.start + self.next / among % (orders.end - orders.start);
        let events = self.client.timeline(order).await;
        assert_eq!(events, ORDER_EVENTS, "a timeline has all events of its order");
        1
    }
}

/// Readers of orders that are complete; each begins elsewhere.
pub(crate) async fn readers(
    (setting, server): (&Setting, &Server),
    callers: usize,
    seed: u64,
) -> Vec<Reader> {
    let clients = connect(server, setting, callers).await.into_iter();
    let orders = Arc::new(server.orders.complete());
    let reader = |(at, client)| {
        let next = scrambled(seed * 1_000 + at);
        Reader { client, next, orders: Arc::clone(&orders) }
    };
    (0..).zip(clients).map(reader).collect()
}

/// Whole orders for each loader.
pub(crate) fn whole_orders(bench: &Bench, events: u64) -> u64 {
    let unit = LOADERS * bench.args.open_orders() * ORDER_EVENTS;
    events.div_ceil(unit) * unit
}

/// Appends so many events from a few callers; what they did.
pub(crate) async fn load(bench: &Bench, server: &Server, events: u64) -> Run {
    let clients = connect(server, &bench.setting, usize::try_from(LOADERS).unwrap()).await;
    let begin = Instant::now();
    let loaders = clients.into_iter().map(|mut client| {
        let mut feed = server.orders.feed(bench.args.open_orders());
        tokio::spawn(async move {
            let (mut run, mut rest) = (Run::empty(), events / LOADERS);
            let mut batch = Vec::new();
            while rest > 0 {
                // A batch never goes beyond the orders that are told of together.
                let count = rest.min(BATCH_EVENTS).min(feed.rest());
                batch.clear();
                batch.extend((0..count).map(|_| feed.next()));
                let before = Instant::now();
                client.append(&batch, Guard::Blind, 0).await;
                feed.complete();
                run.record(before.elapsed(), count);
                rest -= count;
            }
            run
        })
    });
    let mut all = Run::empty();
    for loader in loaders.collect::<Vec<_>>() {
        all.add(&loader.await.unwrap());
    }
    all.elapsed = begin.elapsed();
    all
}

pub(crate) async fn measure_all(bench: &mut Bench) {
    if !ALL.iter().any(|name| bench.args.wants(name)) {
        return;
    }
    let mut servers = bench.new_servers(&[]).await;
    let stored = load_all(bench, &servers).await;
    disk(bench, &servers, stored);
    for (name, kind, look) in [
        (REPLAY, None, Look::Fields),
        (REPLAY_BODY, None, Look::Body),
        (REPLAY_TYPE, Some(SOUGHT_TYPE), Look::Fields),
    ] {
        replay(bench, &servers, stored, (name, kind, look)).await;
    }
    for callers in READERS {
        warm(bench, &servers, stored, callers).await;
    }
    for killed in [false, true] {
        servers = opening(bench, servers, stored, killed).await;
    }
    for callers in COLD_READERS {
        servers = cold(bench, servers, stored, callers).await;
    }
    follow(bench, &servers, stored).await;
    bench.discard(servers);
}

/// A part of all events in each round; how many each server has then.
async fn load_all(bench: &mut Bench, servers: &[Server]) -> u64 {
    let rounds = bench.args.rounds;
    let part = whole_orders(bench, bench.args.stored_events() / u64::from(rounds));
    let stored = part * u64::from(rounds);
    let work = bench.work(LOAD).callers(4).batch(1_000).stored(stored);
    for round in 1..=rounds {
        for server in servers {
            server.go_on();
            let before = server.used();
            let run = load(bench, server, part).await;
            client::settle(server).await;
            let used = server.used().since(before);
            server.pause();
            bench.figures.add(measure(&work, (server, round), (&run, "events/s"), used));
        }
    }
    bench.figures.print(&work);
    for server in servers {
        server.go_on();
        let count = client::count(server).await;
        server.pause();
        let title = server.kind.title();
        assert!(count >= stored, "{title} has {count} of {stored} events");
    }
    bench.save();
    stored
}

fn disk(bench: &mut Bench, servers: &[Server], stored: u64) {
    if !bench.args.wants(DISK) {
        return;
    }
    let work = bench.work(DISK).stored(stored);
    for server in servers {
        let size = Size::of(&server.folder);
        let an_event = |bytes: u64| bytes as f64 / stored as f64;
        let measure = Measure::new(&work, server.kind, 1, (an_event(size.data), "bytes"))
            .beside("write-ahead log", an_event(size.log))
            .beside("prepared", an_event(size.prepared));
        bench.figures.add(measure);
    }
    bench.figures.print(&work);
    bench.save();
}

async fn replay(
    bench: &mut Bench,
    servers: &[Server],
    stored: u64,
    (name, kind, look): (&str, Option<&str>, Look),
) {
    if !bench.args.wants(name) {
        return;
    }
    let work = bench.work(name).callers(1).stored(stored);
    let expected = if kind.is_some() { stored / TYPES } else { stored };
    // Round 0 warms up.
    for round in 0..=bench.args.rounds {
        for server in servers {
            server.go_on();
            let mut clients = connect(server, &bench.setting, 1).await;
            let (before, begin) = (server.used(), Instant::now());
            let seen: Seen = clients[0].replay(kind, look).await;
            let seconds = begin.elapsed().as_secs_f64();
            let used = server.used().since(before);
            server.pause();
            assert_eq!(seen.events, expected, "{} sends every event once", server.kind.title());
            if round > 0 {
                let memory = server.memory();
                let rate = stored as f64 / seconds;
                let cpu = used.processor_s * 1e6 / stored as f64;
                let value = Measure::new(&work, server.kind, round, (rate, "events/s"))
                    .beside("seconds", seconds)
                    .beside("server cpu us", cpu)
                    .beside("own MB", memory.own_mb)
                    .beside("peak MB", memory.high_water_mb);
                bench.figures.add(value);
            }
        }
    }
    bench.figures.print(&work);
    bench.save();
}

async fn warm(bench: &mut Bench, servers: &[Server], stored: u64, callers: usize) {
    if !bench.args.wants(WARM) {
        return;
    }
    let work = bench.work(WARM).callers(callers).stored(stored);
    let make =
        async |setting: &Setting, server: &Server| readers((setting, server), callers, 1).await;
    bench.rounds((&work, "calls/s"), servers, make).await;
}

/// Ends each server and starts it again, round after round.
async fn opening(
    bench: &mut Bench,
    mut servers: Vec<Server>,
    stored: u64,
    killed: bool,
) -> Vec<Server> {
    let name = if killed { OPEN_KILLED } else { OPEN_CLEAN };
    if !bench.args.wants(name) {
        return servers;
    }
    let work = bench.work(name).stored(stored);
    for round in 1..=bench.args.rounds {
        let mut opened = Vec::new();
        for server in servers {
            let (again, seconds) = reopen(bench, server, killed).await;
            let value = (seconds * 1e3, "ms");
            bench.figures.add(Measure::new(&work, again.kind, round, value));
            opened.push(again);
        }
        servers = opened;
    }
    bench.figures.print(&work);
    bench.save();
    servers
}

/// Ends a server and starts it again; the seconds from its start to its first answer.
pub(crate) async fn reopen(bench: &Bench, server: Server, killed: bool) -> (Server, f64) {
    let (kind, folder, orders) = (server.kind, server.folder.clone(), server.orders.clone());
    server.go_on();
    if killed {
        // So that there is something that was not put in order.
        let part = LOADERS * BATCH_EVENTS;
        load(bench, &server, part).await;
        server.kill();
    } else {
        server.stop();
    }
    let (again, seconds) = bench.start_again((kind, &folder), orders).await;
    again.pause();
    (again, seconds)
}

/// Each server anew, with nothing of its data in memory.
async fn cold(
    bench: &mut Bench,
    mut servers: Vec<Server>,
    stored: u64,
    callers: usize,
) -> Vec<Server> {
    if !bench.args.wants(COLD) {
        return servers;
    }
    let work = bench.work(COLD).callers(callers).stored(stored);
    for round in 1..=bench.args.rounds {
        let mut chilled = Vec::new();
        for server in servers {
            let (kind, folder) = (server.kind, server.folder.clone());
            let told = server.orders.clone();
            server.stop();
            let how = forget(&folder, bench.args.keep_page_cache);
            note_once(bench, how);
            let (server, _) = bench.start_again((kind, &folder), told).await;
            let seed = u64::from(round) * 100 + callers as u64;
            let ready = readers((&bench.setting, &server), callers, seed).await;
            let before = server.used();
            let (run, readers) = crate::load::callers::run(ready, bench.args.run_time()).await;
            let used = server.used().since(before);
            drop(readers);
            server.pause();
            bench.figures.add(measure(&work, (&server, round), (&run, "calls/s"), used));
            chilled.push(server);
        }
        servers = chilled;
    }
    bench.figures.print(&work);
    bench.save();
    servers
}

fn note_once(bench: &mut Bench, note: &str) {
    let notes = &mut bench.figures.about.notes;
    if !notes.iter().any(|known| known == note) {
        println!("  ({note})");
        notes.push(note.to_owned());
    }
}

/// Puts the files of a folder out of the page cache; how.
fn forget(folder: &Path, only_these: bool) -> &'static str {
    rustix::fs::sync();
    if !only_these && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
        return "cold: servers started anew, the page cache dropped by /proc/sys/vm/drop_caches";
    }
    for path in files(folder) {
        if let Ok(file) = std::fs::File::open(path) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
    "cold: servers started anew, their files dropped from the page cache by posix_fadvise"
}

/// Reads from the beginning while callers append at full speed.
async fn follow(bench: &mut Bench, servers: &[Server], stored: u64) {
    if !bench.args.wants(FOLLOW) {
        return;
    }
    let work: Work = bench.work(FOLLOW).callers(4).batch(100).stored(stored);
    for round in 1..=bench.args.rounds {
        for server in servers {
            server.go_on();
            let had = client::count(server).await;
            let clients = connect(server, &bench.setting, 4).await.into_iter();
            let appender =
                |client| Appender::new(client, server.orders.feed(100), (100, Guard::Blind));
            let appenders = clients.map(appender).collect();
            let mut follower = connect(server, &bench.setting, 1).await.remove(0);
            let time = bench.args.run_time() * 2;
            let before = server.used();
            let follow = tokio::spawn(async move { follower.follow(Instant::now() + time).await });
            let (run, appenders) = crate::load::callers::run(appenders, time).await;
            let seen = follow.await.unwrap();
            let used = server.used().since(before);
            drop(appenders);
            server.pause();
            let rate = seen.events as f64 / time.as_secs_f64();
            let behind = (had + run.count).saturating_sub(seen.events) as f64;
            let value = Measure::new(&work, server.kind, round, (rate, "events/s"))
                .beside("appended/s", run.rate())
                .beside("behind at the end", behind)
                .beside("server cpu s", used.processor_s);
            bench.figures.add(value);
        }
    }
    bench.figures.print(&work);
    bench.save();
}
