//! The library in this process, without a server.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use order_ledger::{Ledger, Options, Outcome};

use crate::load::args::Args;
use crate::load::callers::{Run, median};
use crate::load::report::{Report, Row};
use crate::support::disk::sync_p50;
use crate::support::feed::{Feed, OPEN_ORDERS, Orders};

const BATCH_EVENTS: usize = 1_000;

pub(crate) fn measure(args: &Args, folder: &Path, report: &mut Report) {
    if args.wants("embedded, one event at a time") {
        one_at_a_time(args, folder, report);
    }
    if args.wants("embedded, batches of 1,000") {
        batches(args, folder, report);
    }
}

fn one_at_a_time(args: &Args, folder: &Path, report: &mut Report) {
    let ledger = Ledger::open(folder.join("embedded-one"), Options::default()).unwrap();
    let feeds = feeds(&Orders::default(), 1);
    append(&ledger, &feeds, 1, args.run_time() / 4);
    let pairs = (0..3).map(|_| {
        let sync = sync_p50(folder, args.limit_time());
        (sync, append(&ledger, &feeds, 1, args.run_time()))
    });
    let sync_us = |sync: Duration| sync.as_secs_f64() * 1e6;
    let (sync, run) = median(pairs.collect(), |(sync, run)| run.quantile_us(0.5) / sync_us(*sync));
    let what = format!(
        "1 caller, p99 {:.0} us, {:.0}/s; fdatasync p50 {:.1} us in the same round; parse included",
        run.quantile_us(0.99),
        run.rate(),
        sync_us(sync)
    );
    let row = Row::new("embedded, one event at a time, p50", run.quantile_us(0.5), "us");
    report.add(row.at_most(1.5 * sync_us(sync)).what(what));
}

fn batches(args: &Args, folder: &Path, report: &mut Report) {
    let ledger = Ledger::open(folder.join("embedded-batches"), Options::default()).unwrap();
    let orders = Orders::default();
    for callers in [1, 4] {
        let feeds = feeds(&orders, callers);
        append(&ledger, &feeds, BATCH_EVENTS, args.run_time() / 4);
        let runs = (0..3).map(|_| append(&ledger, &feeds, BATCH_EVENTS, args.run_time()));
        let run = median(runs.collect(), Run::rate);
        let what = format!("{callers} callers, {}; parse included", run.latencies());
        let row = Row::new("embedded, batches of 1,000", run.rate(), "events/s").what(what);
        report.add(if callers == 1 { row } else { row.at_least(600_000.0) });
    }
}

fn feeds(orders: &Orders, callers: usize) -> Vec<Mutex<Feed>> {
    (0..callers).map(|_| Mutex::new(orders.feed(OPEN_ORDERS))).collect()
}

/// One thread for each feed appends until the time is over.
fn append(ledger: &Ledger, feeds: &[Mutex<Feed>], batch_events: usize, time: Duration) -> Run {
    let all = Arc::new(Mutex::new(Run::empty()));
    std::thread::scope(|scope| {
        for feed in feeds {
            let all = Arc::clone(&all);
            scope.spawn(move || {
                let mut feed = feed.lock().unwrap();
                let mut run = Run::empty();
                let begin = Instant::now();
                while begin.elapsed() < time {
                    let before = Instant::now();
                    let appended = ledger.append(feed.batch(batch_events)).unwrap();
                    check(&appended.outcomes, batch_events);
                    run.record(before.elapsed(), batch_events as u64);
                }
                run.elapsed = begin.elapsed();
                all.lock().unwrap().add(&run);
            });
        }
    });
    Arc::try_unwrap(all).unwrap().into_inner().unwrap()
}

fn check(outcomes: &[Outcome], events: usize) {
    let new = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Appended(_))).count();
    assert_eq!(new, events, "every event is new");
}
