//! The load program: a server in a process of its own, callers in this one, and the limits of the
//! machine in the same run. `cargo bench --bench served -- [--quick] [--only NAME] [--json FILE]`.
//!
//! Figures of one run compare; those of two runs do not, because machines drift.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and ends at its first surprise"
)]

mod load;
mod support;

use std::path::Path;

use clap::Parser as _;
use load::args::Args;
use load::report::{Report, Row};
use load::{child, machine, rows};
use support::disk::sync_p50;
use support::feed::{ORDER_EVENTS, Stories};

/// The allocator of the server program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that the callers run on.
const CALLER_THREADS: usize = 2;

fn main() {
    let args = Args::parse();
    if let Some(folder) = &args.serve_ledger {
        return child::serve_ledger(folder);
    }
    if args.serve_echo {
        return child::serve_echo();
    }
    std::fs::create_dir_all(&args.folder).unwrap();
    let folder = tempfile::tempdir_in(&args.folder).unwrap();
    let facts = machine::facts(folder.path());
    for (name, fact) in &facts {
        println!("{name:<8} {fact}");
    }
    let mean = Stories::picking().mean_len();
    println!("events   {mean:.1} bytes encoded on average, {ORDER_EVENTS} for each order\n");
    Report::title();
    let report = measure(&args, folder.path());
    if let Some(path) = &args.json {
        report.write(path, &machine::to_json(&facts));
    }
    println!("\n{} figures are short of what is required", report.short());
}

fn measure(args: &Args, folder: &Path) -> Report {
    let mut report = Report::default();
    let sync = sync_p50(folder, args.limit_time()).as_secs_f64() * 1e6;
    let what = "4 KiB write and fdatasync on a prepared file, p50";
    report.add(Row::new("limit: disk", sync, "us").what(what));
    rows::embedded::measure(args, folder, &mut report);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CALLER_THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        rows::limits::measure(args, &mut report).await;
        rows::append::measure(args, folder, &mut report).await;
        rows::followers::measure(args, folder, &mut report).await;
        rows::consumers::measure(args, folder, &mut report).await;
        rows::stored::measure(args, folder, &mut report).await;
        rows::orders::measure(args, folder, &mut report).await;
    });
    report
}
