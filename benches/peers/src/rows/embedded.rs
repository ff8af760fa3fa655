//! This ledger and Tephra as libraries in one process, without a socket between. Knows both, and
//! neither server.

use std::path::Path;
use std::time::{Duration, Instant};

use order_ledger::{Batch, Event, Ledger, Limits, Options};
use tephra::log::set::{SegmentConfig, SegmentSet};
use tephra::writer::{WriteCoordinator, WriterConfig};
use tephra::{EventType, Tag, Tags};

use crate::bench::Bench;
use crate::feed::{Bodies, Feed, Orders, Told};
use crate::figures::Measure;
use crate::load::callers::Run;
use crate::server::Kind;

const NAME: &str = "embedded append batches";
const CALLERS: usize = 4;
const BATCH_EVENTS: usize = 1_000;
const OPEN_ORDERS: u64 = 100;
/// What Tephra's server has by default.
const SEGMENT_BYTES: usize = 256 * 1024 * 1024;

pub(crate) fn measure_all(bench: &mut Bench) {
    if !bench.args.wants(NAME) {
        return;
    }
    let work = bench.work(NAME).callers(CALLERS).batch(BATCH_EVENTS);
    let peers = [Kind::Ledger, Kind::Tephra].into_iter();
    let peers: Vec<Kind> = peers.filter(|kind| bench.peers.contains(kind)).collect();
    for round in 1..=bench.args.rounds {
        for kind in &peers {
            let folder = bench.folder.join(format!("embedded-{kind:?}-{round}"));
            let (bodies, time) = (bench.setting.bodies(*kind), bench.args.run_time());
            let run = if *kind == Kind::Ledger {
                ledger(&folder, &bodies, time)
            } else {
                tephra(&folder, &bodies, (bench.setting.tags, time))
            };
            let _ = std::fs::remove_dir_all(folder);
            let measure = Measure::new(&work, *kind, round, (run.rate(), "events/s"))
                .beside("p50 us", run.quantile_us(0.5))
                .beside("p99 us", run.quantile_us(0.99));
            bench.figures.add(measure);
        }
    }
    bench.figures.print(&work);
    bench.save();
}

fn ledger(folder: &Path, bodies: &Bodies, time: Duration) -> Run {
    let ledger = Ledger::open(folder, Options::default()).unwrap();
    let limits = Limits::default();
    let run = threads(time, |events| {
        let parsed = events.iter().map(|told| Event::parse(bodies.bytes(*told), &limits).unwrap());
        ledger.append(Batch::of(parsed)).unwrap();
    });
    ledger.close();
    run
}

fn tephra(folder: &Path, bodies: &Bodies, (tags, time): (u32, Duration)) -> Run {
    std::fs::create_dir_all(folder).unwrap();
    let set = SegmentSet::open(folder, SegmentConfig::new(SEGMENT_BYTES)).unwrap();
    let (coordinator, handle) = WriteCoordinator::start(set, WriterConfig::default()).unwrap();
    let event = |told: &Told| {
        let names = [Some(told.order_name()), (tags > 1).then(|| told.event_id())];
        let names = names.into_iter().flatten().map(|name| Tag::new(name).unwrap());
        let tags = Tags::new(names).unwrap();
        let kind = EventType::new(told.kind()).unwrap();
        tephra::Event::new(&kind, &tags, &bodies.vec(*told)).unwrap()
    };
    let run = threads(time, |events| {
        handle.append(events.iter().map(event).collect(), None).unwrap();
    });
    drop(handle);
    coordinator.shutdown();
    run
}

/// Callers that append batch after batch until the time is over.
fn threads(time: Duration, append: impl Fn(&[Told]) + Sync) -> Run {
    let orders = Orders::default();
    let caller = |mut feed: Feed| {
        let (mut run, begin) = (Run::empty(), Instant::now());
        let mut events = Vec::new();
        while begin.elapsed() < time {
            events.clear();
            events.extend(std::iter::repeat_with(|| feed.next()).take(BATCH_EVENTS));
            let before = Instant::now();
            append(&events);
            run.record(before.elapsed(), BATCH_EVENTS as u64);
        }
        run.elapsed = begin.elapsed();
        run
    };
    std::thread::scope(|scope| {
        let feeds = std::iter::repeat_with(|| orders.feed(OPEN_ORDERS)).take(CALLERS);
        let running: Vec<_> = feeds.map(|feed| scope.spawn(|| caller(feed))).collect();
        let mut all = Run::empty();
        running.into_iter().for_each(|thread| all.add(&thread.join().unwrap()));
        all
    })
}
