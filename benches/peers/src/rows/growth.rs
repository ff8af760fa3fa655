//! Whether work becomes slower while a store grows: the same questions at one size after the other.
//! Does not know how a peer is asked.

use crate::bench::{Bench, measure};
use crate::client::{Guard, Setting, connect};
use crate::figures::Measure;
use crate::rows::append::Appender;
use crate::rows::stored::{load, readers, reopen, whole_orders};
use crate::server::{Kind, Server};

pub(crate) const LOAD: &str = "growth: load";
pub(crate) const APPEND: &str = "growth: append guarded";
pub(crate) const TIMELINE: &str = "growth: timeline warm";
pub(crate) const OPEN: &str = "growth: opening after a clean stop";
const APPENDERS: usize = 32;
const READERS: usize = 8;
/// More than any peer needs on disk for an event, beside the event.
const DISK_BYTES: u64 = 700;

pub(crate) async fn measure_all(bench: &mut Bench) {
    let sizes: Vec<u64> = bench.args.growth.iter().map(|size| events(*size)).collect();
    if sizes.is_empty() {
        return;
    }
    for kind in bench.args.growth_peers.clone() {
        let mut server = bench.new_server(kind).await;
        let mut stored = 0;
        for size in &sizes {
            let wanted = whole_orders(bench, *size);
            let more = wanted.saturating_sub(stored);
            if !there_is_room(bench, kind, more) {
                break;
            }
            grow(bench, &server, more, wanted).await;
            stored = wanted.max(stored);
            server = at_size(bench, server, stored).await;
        }
        bench.discard(vec![server]);
    }
}

fn events(millions: f64) -> u64 {
    assert!((0.001..=10_000.0).contains(&millions), "a size is in millions of events");
    // Thousands are exact enough.
    u64::try_from((millions * 1e3).round() as i64).unwrap() * 1_000
}

fn there_is_room(bench: &Bench, kind: Kind, events: u64) -> bool {
    let needed = events * (DISK_BYTES + u64::from(bench.args.event_bytes));
    let disk = rustix::fs::statvfs(&bench.folder).unwrap();
    let free = disk.f_bavail * disk.f_frsize;
    let room = free >= needed + bench.args.spare_gb * 1_000_000_000;
    if !room {
        println!(
            "growth of {} ends here: {events} events more may take {} GB, and {} GB are free",
            kind.title(),
            needed / 1_000_000_000,
            free / 1_000_000_000
        );
    }
    room
}

async fn grow(bench: &mut Bench, server: &Server, more: u64, stored: u64) {
    if more == 0 {
        return;
    }
    let work = bench.work(LOAD).callers(4).batch(1_000).stored(stored);
    server.go_on();
    let before = server.used();
    let run = load(bench, server, more).await;
    let used = server.used().since(before);
    server.pause();
    bench.figures.add(measure(&work, (server, 1), (&run, "events/s"), used));
    bench.figures.print(&work);
    bench.save();
}

/// What is asked at a size.
async fn at_size(bench: &mut Bench, server: Server, stored: u64) -> Server {
    let work = bench.work(OPEN).stored(stored);
    let mut server = server;
    for round in 1..=bench.args.rounds {
        let (again, seconds) = reopen(bench, server, false).await;
        bench.figures.add(Measure::new(&work, again.kind, round, (seconds * 1e3, "ms")));
        server = again;
    }
    bench.figures.print(&work);
    let servers = [server];
    let work = bench.work(TIMELINE).callers(READERS).stored(stored);
    let make =
        async |setting: &Setting, server: &Server| readers((setting, server), READERS, 1).await;
    bench.rounds((&work, "calls/s"), &servers, make).await;
    let work = bench.work(APPEND).callers(APPENDERS).batch(1).stored(stored);
    let make = async |setting: &Setting, server: &Server| {
        let clients = connect(server, setting, APPENDERS).await.into_iter();
        let feed = || server.orders.feed(100);
        clients.map(|client| Appender::new(client, feed(), (1, Guard::Revision))).collect()
    };
    bench.rounds((&work, "events/s"), &servers, make).await;
    let [server] = servers;
    server
}
