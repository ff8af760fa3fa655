//! What tamper evidence costs, beside what the machine can hash: `cargo bench --bench audit --
//! [--only NAME] [--events N]`. Does not know servers.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and ends at its first surprise"
)]

mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use order_ledger::{
    Audit, AuditOptions, Ledger, Options, Verdict, VerifyOptions, verify, verify_ledger,
};
use sha2::{Digest as _, Sha256};
use support::feed::{ORDER_EVENTS, Orders, Stories};

/// The allocator of the server program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_EVENTS: usize = 1_000;
/// Orders that are open together: what one caller has under way in a day.
const OPEN_ORDERS: u64 = 20_000;
const SEALS: usize = 10;
const ROUNDS: usize = 3;
/// Bytes that are hashed to see what the machine can do.
const HASHED_LEN: usize = 64 * 1024 * 1024;

#[derive(Debug, Parser)]
struct Args {
    /// Measures only what has this in its name
    #[arg(long, default_value = "")]
    only: String,
    /// Events in the ledger
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// The folder for ledgers
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    folder: PathBuf,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let rows: [(&str, fn(&Args)); 2] = [("limit: SHA-256", sha256), ("verify", verification)];
    for (name, measure) in rows {
        if name.contains(&args.only) || name.starts_with("limit") {
            measure(&args);
        }
    }
}

/// What one core can hash: long input, and one leaf after another.
fn sha256(_args: &Args) {
    let bytes = vec![0x5a; HASHED_LEN];
    let began = Instant::now();
    black_box(Sha256::digest(&bytes));
    let long = HASHED_LEN as f64 / 1e6 / began.elapsed().as_secs_f64();
    let leaves = bytes.chunks_exact(155);
    let count = leaves.len() as f64;
    let began = Instant::now();
    leaves.for_each(|leaf| {
        black_box(Sha256::digest(leaf));
    });
    let leaf = began.elapsed().as_secs_f64() / count * 1e9;
    println!(
        "limit: SHA-256, one core           {long:9.0} MB/s, {leaf:.0} ns a leaf of 155 bytes"
    );
}

/// A closed ledger of typical events that was sealed ten times.
fn filled(folder: &Path, events: usize) {
    let ledger = Arc::new(Ledger::open(folder, Options::default()).unwrap());
    let options = AuditOptions { seal_interval: None, ..AuditOptions::default() };
    let audit = Audit::open(Arc::clone(&ledger), options).unwrap();
    let mut feed = Orders::default().feed(OPEN_ORDERS);
    let batches = events / BATCH_EVENTS;
    for batch in 1..=batches {
        ledger.append(feed.batch(BATCH_EVENTS)).unwrap();
        if batch % (batches / SEALS).max(1) == 0 {
            audit.seal("", "", "").unwrap();
        }
    }
}

fn verification(args: &Args) {
    let folder = tempfile::tempdir_in(&args.folder).unwrap();
    filled(folder.path(), args.events);
    let mean = Stories::picking().mean_len();
    println!(
        "{} events of {mean:.0} bytes, {ORDER_EVENTS} an order, {SEALS} seals, best of {ROUNDS}",
        args.events
    );
    let rate = |time: Duration| args.events as f64 / time.as_secs_f64();
    let chain = (0..ROUNDS).map(|_| verify(folder.path(), |_| {}).unwrap().log_time);
    let chain = chain.min().unwrap();
    println!("verify: log and chains             {:9.0} events/s", rate(chain));
    let mut best: Option<(Duration, Duration)> = None;
    for _ in 0..ROUNDS {
        let cpu = cpu_time();
        let options = VerifyOptions::default();
        let found = verify_ledger(folder.path(), &options, |_| {}).unwrap();
        assert_eq!(found.verdict(), Verdict::Verified, "{found:?}");
        let cpu = cpu_time().saturating_sub(cpu);
        let (log, views) = (found.report.log_time, found.report.views_time);
        println!(
            "verify: log, chains, tree, seals   {:9.0} events/s; views {:.0} events/s; \
             {:.2} s of processors in all",
            rate(log),
            rate(views),
            cpu.as_secs_f64()
        );
        best = Some(best.map_or((log, views), |(l, v)| (l.min(log), v.min(views))));
    }
    let (log, views) = best.unwrap();
    println!(
        "verify: best                       {:9.0} events/s; views {:.0}",
        rate(log),
        rate(views)
    );
}

/// Time that this process has spent on processors.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
