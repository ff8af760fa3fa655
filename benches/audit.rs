//! What tamper evidence costs, beside what the machine can hash: `cargo bench --bench audit --
//! [--only NAME] [--events N]`. Does not know servers.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
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
    sha256();
    if "verify".contains(&args.only) {
        verification(&args);
    }
}

/// What one core can hash: long input, and one leaf after another.
fn sha256() {
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
    let row = |name: &str, (time, cpu): (Duration, Duration)| {
        let rate = args.events as f64 / time.as_secs_f64();
        let each = cpu.as_secs_f64() * 1e6 / args.events as f64;
        println!("verify: {name:<26} {rate:9.0} events/s, {each:.2} us of processors an event");
    };
    let views = (0..ROUNDS).map(|_| {
        let cpu = cpu_time();
        let found = verify(folder.path(), |_| {}).unwrap();
        (found.views_time, cpu_time().saturating_sub(cpu))
    });
    row("views, folded again", views.min().unwrap());
    // What is left is the log.
    std::fs::remove_file(folder.path().join("views.redb")).unwrap();
    row(
        "log and chains",
        best(|| assert!(verify(folder.path(), |_| {}).unwrap().defects.is_empty())),
    );
    let all = best(|| {
        let found = verify_ledger(folder.path(), &VerifyOptions::default(), |_| {}).unwrap();
        assert_eq!(found.verdict(), Verdict::Verified, "{found:?}");
    });
    row("log, chains, tree, seals", all);
}

/// The shortest of some rounds: how long it took, and what it cost on all processors.
fn best(work: impl Fn()) -> (Duration, Duration) {
    let rounds = (0..ROUNDS).map(|_| {
        let (began, cpu) = (Instant::now(), cpu_time());
        work();
        (began.elapsed(), cpu_time().saturating_sub(cpu))
    });
    rounds.min().unwrap()
}

/// Time that this process has spent on processors.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = fields.iter().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
