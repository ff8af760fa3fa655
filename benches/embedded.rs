//! Benchmarks of the library in the caller's own process, beside the limit of the disk that it is
//! on. `cargo bench --bench embedded`. What a server does is measured by `served`.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark ends at its first surprise"
)]

mod support;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use order_ledger::{Batch, Event, Ledger, Limits, Options, TimelineQuery};
use support::disk::PreparedFile;
use support::feed::{OPEN_ORDERS, ORDER_EVENTS, Orders, order_name};
use tempfile::TempDir;

const BATCH_EVENTS: usize = 1_000;
/// Events that the queries find.
const STORED_EVENTS: usize = 600_000;

/// A new folder on the disk that holds the build, which is no memory file system.
fn folder() -> TempDir {
    tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

fn the_limit_of_the_disk(criterion: &mut Criterion) {
    let folder = folder();
    let mut file = PreparedFile::new(folder.path());
    criterion.bench_function("disk: 4 KiB write and fdatasync, prepared file", |bencher| {
        bencher.iter(|| file.write_and_sync());
    });
}

fn events(criterion: &mut Criterion) {
    let mut feed = Orders::default().feed(OPEN_ORDERS);
    let bodies = feed.bodies(BATCH_EVENTS);
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(BATCH_EVENTS as u64));
    group.bench_function("parse and check 1,000", |bencher| {
        bencher.iter(|| {
            for body in &bodies {
                black_box(Event::parse(body.clone(), &limits).unwrap());
            }
        });
    });
    group.finish();
}

fn append(criterion: &mut Criterion) {
    let folder = folder();
    let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
    let orders = Orders::default();
    let mut feed = orders.feed(OPEN_ORDERS);
    criterion.bench_function("append: one event, durable", |bencher| {
        bencher.iter(|| ledger.append(feed.batch(1)).unwrap());
    });
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(BATCH_EVENTS as u64));
    for callers in [1, 4] {
        let id = BenchmarkId::new("1,000 events, durable, callers", callers);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|batches| append_batches(&ledger, &orders, callers, batches));
        });
    }
    group.finish();
}

/// Appends so many batches from so many threads, and says how long it took.
fn append_batches(ledger: &Ledger, orders: &Orders, callers: u64, batches: u64) -> Duration {
    let feeds: Vec<_> = (0..callers).map(|_| orders.feed(OPEN_ORDERS)).collect();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for (caller, mut feed) in (0..).zip(feeds) {
            let share = batches / callers + u64::from(caller < batches % callers);
            scope.spawn(move || {
                for _ in 0..share {
                    ledger.append(feed.batch(BATCH_EVENTS)).unwrap();
                }
            });
        }
    });
    begin.elapsed()
}

fn queries(criterion: &mut Criterion) {
    let folder = folder();
    let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
    let orders = Orders::default();
    append_batches(&ledger, &orders, 1, (STORED_EVENTS / BATCH_EVENTS) as u64);
    let order_count = (STORED_EVENTS / ORDER_EVENTS) as u64;
    let mut number = 0;
    criterion.bench_function("timeline: an order of 12 events", |bencher| {
        bencher.iter(|| {
            number = (number + 7_919) % order_count;
            let timeline = ledger.get_timeline(&TimelineQuery::of(order_name(number))).unwrap();
            assert_eq!(timeline.rows.len(), ORDER_EVENTS);
        });
    });
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(STORED_EVENTS as u64));
    group.sample_size(10);
    group.bench_function("from the first event to the head", |bencher| {
        bencher.iter(|| {
            let mut replay = ledger.replay(0).unwrap();
            let mut count = 0;
            loop {
                let chunk = replay.next_chunk().unwrap();
                if chunk.is_empty() {
                    break;
                }
                count += chunk.events().unwrap().len();
            }
            assert_eq!(count, STORED_EVENTS);
        });
    });
    group.finish();
}

fn retries(criterion: &mut Criterion) {
    let folder = folder();
    let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
    let batch: Batch = Orders::default().feed(OPEN_ORDERS).batch(BATCH_EVENTS);
    ledger.append(batch.clone()).unwrap();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(BATCH_EVENTS as u64));
    group.bench_function("1,000 events again, all duplicates", |bencher| {
        bencher.iter(|| ledger.append(batch.clone()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, the_limit_of_the_disk, events, append, queries, retries);
criterion_main!(benches);
