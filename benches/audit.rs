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
    AsOf, Audit, AuditOptions, BundleOptions, BundleVerdict, EvidenceQuery, Ledger, Options,
    Verdict, VerifyOptions, verify, verify_bundle, verify_ledger,
};
use sha2::{Digest as _, Sha256};
use support::feed::{self, Feed, ORDER_EVENTS, Orders, Stories, order_name};

/// The allocator of the server program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_EVENTS: usize = 1_000;
/// Orders that are open together: what one caller has under way in a day.
const OPEN_ORDERS: u64 = 20_000;
const SEALS: usize = 10;
const ROUNDS: usize = 3;
const CALLERS: usize = 4;
/// How long appends are measured with the audit, and without it, in turn. With it one seal is made
/// in each of these times, which is three times as often as one a minute.
const SLICE: Duration = Duration::from_secs(20);
/// Orders whose evidence is exported.
const EXPORTED: u64 = 200;
/// Bytes that are hashed to see what the machine can do.
const HASHED_LEN: usize = 64 * 1024 * 1024;

#[derive(Debug, Parser)]
struct Args {
    /// Measures only what has this in its name
    #[arg(long, default_value = "")]
    only: String,
    /// Events in the ledger that is verified
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Orders in the ledger that is appended to
    #[arg(long, default_value_t = 1_000_000)]
    orders: usize,
    /// Orders that a caller has open at a time while it appends
    #[arg(long, default_value_t = feed::OPEN_ORDERS)]
    open: u64,
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
    if "bundle".contains(&args.only) {
        bundles(&args);
    }
    if "append".contains(&args.only) {
        appends(&args);
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

/// Evidence of one order: how large it is, and how long it takes to verify.
fn bundles(args: &Args) {
    let folder = tempfile::tempdir_in(&args.folder).unwrap();
    let ledger = Arc::new(Ledger::open(folder.path(), Options::default()).unwrap());
    let audit = Audit::open(Arc::clone(&ledger), AuditOptions::default()).unwrap();
    let mut feed = Orders::default().feed_of(Stories::of_a_distributor(), OPEN_ORDERS);
    for _ in 0..args.events / BATCH_EVENTS {
        ledger.append(feed.batch(BATCH_EVENTS)).unwrap();
    }
    audit.seal("", "", "").unwrap();
    let covers = Some(ledger.head());
    let files: Vec<Vec<u8>> = (0..EXPORTED)
        .map(|number| {
            let correlation_ids = vec![order_name(number * 7 % OPEN_ORDERS)];
            let query = EvidenceQuery { correlation_ids, as_of: AsOf::default(), covers };
            audit.evidence(&query).unwrap()
        })
        .collect();
    let mut lengths: Vec<usize> = files.iter().map(Vec::len).collect();
    lengths.sort_unstable();
    let keys = audit.verifier_keys();
    let mut times: Vec<Duration> = files
        .iter()
        .map(|file| {
            let began = Instant::now();
            let found = verify_bundle(file, keys, &BundleOptions::default());
            let time = began.elapsed();
            assert!(matches!(found, BundleVerdict::Verified(_)), "{found:?}");
            time
        })
        .collect();
    times.sort_unstable();
    let (middle, last) = (files.len() / 2, files.len() - 1);
    println!(
        "bundle: one order of {ORDER_EVENTS} events of {}, {} events in the ledger",
        OPEN_ORDERS, args.events
    );
    println!("bundle: size, median and largest   {:9} {} bytes", lengths[middle], lengths[last]);
    println!(
        "bundle: verified in, median, worst {:9.0} {:.0} us",
        times[middle].as_secs_f64() * 1e6,
        times[last].as_secs_f64() * 1e6
    );
}

/// Appends from several callers with the audit and without it, in turn, in the same ledger.
fn appends(args: &Args) {
    let folder = tempfile::tempdir_in(&args.folder).unwrap();
    let ledger = Arc::new(Ledger::open(folder.path(), Options::default()).unwrap());
    let orders = Orders::default();
    let events = args.orders * ORDER_EVENTS;
    let feeds = || (0..CALLERS).map(|_| orders.feed(args.open)).collect::<Vec<_>>();
    append(&ledger, feeds(), |count| count * CALLERS * BATCH_EVENTS < events);
    println!(
        "append: {CALLERS} callers x {BATCH_EVENTS} events, {} orders open, {} before, slices of {} s",
        CALLERS as u64 * args.open,
        args.orders,
        SLICE.as_secs()
    );
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (is_audited, rates) in [false, true].into_iter().zip(&mut rates) {
            let audit = is_audited.then(|| audited(&ledger));
            let (begin, cpu, from) = (Instant::now(), cpu_time(), ledger.head());
            std::thread::scope(|scope| {
                if let Some(audit) = &audit {
                    scope.spawn(|| audit.seal("", "", "").unwrap());
                }
                append(&ledger, feeds(), |_| begin.elapsed() < SLICE);
            });
            let count = (ledger.head() - from) as f64;
            let each = (cpu_time().saturating_sub(cpu)).as_secs_f64() * 1e6 / count;
            rates.push((count / begin.elapsed().as_secs_f64(), each));
        }
    }
    let [without, with] = rates.map(|mut rates| {
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        rates
    });
    let row = |name: &str, rates: &[(f64, f64)]| {
        let (median, cpu) = rates[ROUNDS / 2];
        println!(
            "append: {name:<26} {median:9.0} events/s ({:.0} - {:.0}), {cpu:.2} us of processors",
            rates[0].0,
            rates[ROUNDS - 1].0
        );
        median
    };
    let before = row("without audit", &without);
    let after = row("tree, checkpoints, seals", &with);
    println!("append: lost to the audit          {:9.1} %", (1.0 - after / before) * 100.0);
}

/// The audit with its usual checkpoints, when it has caught up with the log.
fn audited(ledger: &Arc<Ledger>) -> Audit {
    let options = AuditOptions {
        checkpoint_interval: Duration::from_millis(100),
        seal_interval: None,
        ..AuditOptions::default()
    };
    let audit = Audit::open(Arc::clone(ledger), options).unwrap();
    while audit.checkpoint(ledger.head()).is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
    audit.seal("", "", "").unwrap();
    audit
}

/// Each caller appends batches for as long as it may, by how many it has appended.
fn append(ledger: &Ledger, feeds: Vec<Feed>, more: impl Fn(usize) -> bool + Sync) {
    std::thread::scope(|scope| {
        for mut feed in feeds {
            let more = &more;
            scope.spawn(move || {
                for count in 0.. {
                    if !more(count) {
                        return;
                    }
                    ledger.append(feed.batch(BATCH_EVENTS)).unwrap();
                }
            });
        }
    });
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
