//! The command line: what was typed, what it means, and what people and programs read.
//! Does not know how the ledger works: every command speaks to the service, far away or in this
//! process, so that both give the same output.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod append;
mod as_of;
mod audit_args;
mod bar;
mod checkpoint;
mod consume;
mod consumer;
mod dead_letters;
mod demo;
mod diff;
mod duration;
mod event_filter;
mod evidence;
mod failure;
mod find;
mod follow;
mod grid;
mod import;
mod key;
mod lines;
mod list;
mod order;
mod out_file;
mod output;
mod parked;
mod policy;
mod proof;
mod quantity;
mod replay;
mod report;
mod seal;
mod serve;
mod signals;
mod stats;
mod target;
mod timeline;
mod verify;
mod watch;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// An embedded, event-sourced database for the life of orders.
#[derive(Debug, Parser)]
#[command(name = "order-ledger", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a ledger over gRPC
    Serve(serve::Serve),
    /// Import events from NDJSON files, one event a line; .gz files are read as they are
    Import(import::Import),
    /// Append the events of an NDJSON file as one batch: all of them or nothing
    Append(append::Append),
    /// Show where one order stands: status, lines, packages, what is in its way, and the proof
    Order(order::OrderCommand),
    /// Find orders by any number that they or their parts are known under
    Find(find::Find),
    /// List orders by status, what is in their way, warehouse, source, change and age
    List(list::List),
    /// Show what differs between two states of one order
    Diff(diff::Diff),
    /// Show the events of one order by the time they occurred
    Timeline(timeline::Timeline),
    /// Show what was known of an order at a time, what is known now, and what came in between;
    /// or what came after a period was closed
    Report(report::Report),
    /// Write the log from an offset, and on request follow it
    Replay(replay::Replay),
    /// Show each order that changed since an offset, and on request go on live
    Watch(watch::Watch),
    /// Create, change, list, show, reset and delete consumers: who is told of events
    Consumer(consumer::ConsumerCommand),
    /// Work for a consumer: write each delivery as a line, and acknowledge what was written
    Consume(consume::Consume),
    /// List orders that consumers could not be told of, deliver them again, or skip what fails
    Parked(parked::ParkedCommand),
    /// Show what was refused and kept, append it after a fix, or close it
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Make a signed statement of the size and root of the log, to be kept elsewhere
    Checkpoint(Box<checkpoint::CheckpointCommand>),
    /// Seal the log as it is now, and close a period with that
    Seal(Box<seal::SealCommand>),
    /// List the periods that were closed
    Periods(Box<seal::Periods>),
    /// Make a file that shows orders, and proves them without a server
    Evidence(Box<evidence::EvidenceCommand>),
    /// List the keys that sign checkpoints, and make further ones
    Key(key::KeyCommand),
    /// Check every byte of a ledger: chains, tree, seals, checkpoints, and views; or what others
    /// hold: evidence, checkpoints, samples
    Verify(verify::Verify),
    /// Show how large a ledger is
    Stats(stats::Stats),
    /// Make the events of a simulated distributor: NDJSON, or into a ledger
    Demo(demo::DemoCommand),
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the arguments, runs the command, and says how it ended: 0 ok, 1 failed, 2 usage,
/// 3 not found, 4 conflict, 5 integrity.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    match execute(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Verify(verify) => match verify.proof {
            Some(proof) => block_on(proof.run()),
            None => verify.run(),
        },
        Command::Key(key) => key.run(),
        Command::Checkpoint(checkpoint) => block_on(checkpoint.run()),
        Command::Seal(seal) => block_on(seal.run()),
        Command::Periods(periods) => block_on(periods.run()),
        Command::Evidence(evidence) => block_on(evidence.run()),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "order-ledger", &mut script);
            Ok(io::stdout().write_all(&script)?)
        }
        Command::Serve(serve) => block_on(serve.run()),
        Command::Import(import) => block_on(import.run()),
        Command::Append(append) => block_on(append.run()),
        Command::Order(order) => block_on(order.run()),
        Command::Find(find) => block_on(find.run()),
        Command::List(list) => block_on(list.run()),
        Command::Diff(diff) => block_on(diff.run()),
        Command::DeadLetters(letters) => block_on(letters.run()),
        Command::Watch(watch) => block_on(watch.run()),
        Command::Timeline(timeline) => block_on(timeline.run()),
        Command::Replay(replay) => block_on(replay.run()),
        Command::Report(report) => block_on(report.run()),
        Command::Consumer(consumer) => block_on(consumer.run()),
        Command::Consume(consume) => block_on(consume.run()),
        Command::Parked(parked) => block_on(parked.run()),
        Command::Stats(stats) => block_on(stats.run()),
        Command::Demo(demo) => block_on(demo.run()),
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ORDER_LEDGER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(output::colours(&io::stderr()))
        .with_env_filter(filter)
        .try_init();
}
