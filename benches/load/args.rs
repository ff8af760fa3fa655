//! The command line of the load program. Does not know what a row measures.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures a server of the ledger beside the limits of the machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "served")]
pub(crate) struct Args {
    /// Shorter runs and fewer events: to see that it works, not to quote.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only rows whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
    /// Also writes the figures into a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where temporary ledgers are made; the disk that is measured.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) folder: PathBuf,
    /// Callers that share a connection.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub(crate) callers_per_connection: usize,
    /// Requests that each pipelining caller has under way.
    #[arg(long, value_name = "COUNT", default_value_t = 512)]
    pub(crate) window: usize,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// Runs as the server of a ledger in this folder.
    #[arg(long, hide = true, value_name = "FOLDER")]
    pub(crate) serve_ledger: Option<PathBuf>,
    /// Runs as the server that answers with what it was sent.
    #[arg(long, hide = true)]
    pub(crate) serve_echo: bool,
}

impl Args {
    /// How long a run is.
    pub(crate) fn run_time(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 4_000 })
    }

    /// How long the machine's limit is looked at before a run.
    pub(crate) fn limit_time(&self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 1_500 })
    }

    /// Events of the ledger that is read, measured and opened.
    pub(crate) fn stored_events(&self) -> u64 {
        if self.quick { 240_000 } else { 2_040_000 }
    }

    /// Events that wait for a consumer; a whole number of orders for each loader.
    pub(crate) fn backlog_events(&self) -> u64 {
        if self.quick { 240_000 } else { 1_200_000 }
    }

    /// Orders of the ledger whose states are asked for; ten events each.
    pub(crate) fn known_orders(&self) -> u64 {
        if self.quick { 100_000 } else { 1_000_000 }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}
