//! The command line. Does not know what a row measures.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::server::Kind;

/// Runs the same work against Order Ledger, UmaDB, Tephra and PostgreSQL, each as a process of its
/// own on loopback, and prints what each of them did beside the limits of the machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "peers", args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What the program does besides measuring.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes tables and plots of figures that were written with --json
    Report {
        /// The figures; several files are read as one
        #[arg(required = true, value_name = "FILE")]
        json: Vec<PathBuf>,
        /// The file of tables; plots come into the folder `plots` beside it
        #[arg(long, value_name = "FILE", default_value = "../RESULTS.md")]
        out: PathBuf,
    },
}

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Shorter runs and few events: to see that it works, not to quote
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only rows whose name contains one of these
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only these peers
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_enum)]
    pub(crate) peers: Vec<Kind>,
    /// Also writes every measurement of every round into a file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the data of all peers lies while they are measured: the disk that is measured
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target"))]
    pub(crate) dir: PathBuf,
    /// Leaves the data of the peers where it is
    #[arg(long)]
    pub(crate) keep: bool,
    /// How often each row is measured with each peer
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=99),
    )]
    pub(crate) rounds: u32,
    /// Seconds of a run [default: 3, with --quick 0.5]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<f64>,
    /// Bytes of an event: about 250, or about 1,024
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 250,
        value_parser = clap::value_parser!(u32).range(250..=16_384),
    )]
    pub(crate) event_bytes: u32,
    /// Events that are stored before reads are measured [default: 1,000,000, with --quick 48,000]
    #[arg(long, value_name = "COUNT")]
    pub(crate) events: Option<u64>,
    /// Orders that each loading caller tells of in turn: how far an order's events lie apart
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(10..=100_000),
    )]
    pub(crate) open_orders: u64,
    /// Tags of an event at UmaDB and Tephra: its order, and with 2 its id as well
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=2),
    )]
    pub(crate) tags: u32,
    /// Callers that share a connection, instead of what serves each peer best; PostgreSQL's have
    /// one each
    #[arg(long, value_name = "COUNT")]
    pub(crate) callers_per_connection: Option<usize>,
    /// Sizes at which growth is measured, in millions of events; also 0.1
    #[arg(long, value_name = "MILLIONS", value_delimiter = ',')]
    pub(crate) growth: Vec<f64>,
    /// Peers whose growth is measured
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_enum, default_value = "ledger")]
    pub(crate) growth_peers: Vec<Kind>,
    /// Stop growing when the disk would have less free than this many GB
    #[arg(long, value_name = "GB", default_value_t = 5)]
    pub(crate) spare_gb: u64,
    /// The server program of this ledger
    #[arg(
        long,
        value_name = "FILE",
        default_value = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/release/order-ledger"
        ),
    )]
    pub(crate) ledger: PathBuf,
    /// The server program of UmaDB [default: `umadb-served` beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) umadb: Option<PathBuf>,
    /// The server program of Tephra [default: `tephra-served` beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) tephra: Option<PathBuf>,
    /// The folder of initdb and postgres [default: what `pg_config` says]
    #[arg(long, value_name = "DIR")]
    pub(crate) postgres: Option<PathBuf>,
    /// Who runs PostgreSQL where this program is root, which it refuses
    #[arg(long, value_name = "USER", default_value = "postgres")]
    pub(crate) postgres_user: String,
    /// For cold reads, drop only the files of the peers from the page cache, not everybody's
    #[arg(long)]
    pub(crate) keep_page_cache: bool,
    /// Runs as the server that answers with what it was sent
    #[arg(long, hide = true, value_name = "ADDRESS")]
    pub(crate) serve_echo: Option<std::net::SocketAddr>,
}

impl RunArgs {
    /// How long a run is.
    pub(crate) fn run_time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 0.5 } else { 3.0 }))
    }

    /// Events that are stored before reads are measured.
    pub(crate) fn stored_events(&self) -> u64 {
        self.events.unwrap_or(if self.quick { 48_000 } else { 1_000_000 })
    }

    /// Orders that each loading caller tells of in turn; all types come in tens of orders.
    pub(crate) fn open_orders(&self) -> u64 {
        self.open_orders.next_multiple_of(10)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }
}
