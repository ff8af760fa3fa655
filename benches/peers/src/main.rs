//! The same work against Order Ledger, UmaDB, Tephra and PostgreSQL, each a server process with
//! its default durable settings, in turn, on one machine: `peers [--quick] [--only NAME]`.
//! Does not know how a peer works inside, and favours none; where it cannot compare, it says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    clippy::needless_for_each,
    clippy::struct_field_names,
    reason = "a benchmark prints its figures and ends at its first surprise"
)]

mod args;
mod bench;
mod client;
mod feed;
mod figures;
mod goals;
mod plot;
mod process;
mod report;
mod rows;
mod server;
mod size;

/// What the ledger's own load program uses, too.
#[path = "../../load"]
#[allow(dead_code, reason = "each program uses its part")]
mod load {
    pub(crate) mod callers;
    pub(crate) mod client;
    pub(crate) mod echo;
    pub(crate) mod machine;
    pub(crate) mod pipeline;
}

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command, RunArgs};
use crate::bench::Bench;
use crate::figures::{About, Figures};
use crate::server::{Kind, PEERS, Programs};

/// The allocator of this ledger's server program; of the callers here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that callers run on.
const CALLER_THREADS: usize = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Some(Command::Report { json, out }) => {
            Figures::read(&json).and_then(|figures| report::write(&figures, &out))
        }
        None if args.run.serve_echo.is_some() => {
            serve_echo(&args.run);
            Ok(())
        }
        None => run(args.run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: RunArgs) -> Result<(), String> {
    let programs = Programs::find(&args);
    let peers: Vec<Kind> = if args.peers.is_empty() { PEERS.to_vec() } else { args.peers.clone() };
    for peer in &peers {
        if !programs.is_there(*peer) {
            let (program, title) = (programs.version(*peer).0, peer.title());
            return Err(format!("{title} is not at {}; see README.md", program.display()));
        }
    }
    std::fs::create_dir_all(&args.dir).map_err(|error| error.to_string())?;
    let folder = tempfile::Builder::new().prefix("peers-").tempdir_in(&args.dir);
    let folder = folder.map_err(|error| error.to_string())?;
    // Whoever runs PostgreSQL has to get through.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).map_err(|error| error.to_string())?;
    end_with_the_program(folder.path(), args.keep);
    let path = folder.path().to_owned();
    let mut bench = Bench::new(args, &path, (programs, peers));
    bench.figures.about = about(&bench);
    print_about(&bench.figures.about);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CALLER_THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&mut bench));
    goals::print(&bench.figures);
    bench.save();
    if bench.args.keep {
        println!("\ndata of the peers: {}", folder.keep().display());
    }
    Ok(())
}

async fn measure(bench: &mut Bench) {
    rows::limits::measure_all(bench).await;
    rows::durability::measure_all(bench).await;
    rows::embedded::measure_all(bench);
    rows::append::measure_all(bench).await;
    rows::written::measure_all(bench).await;
    rows::stored::measure_all(bench).await;
    rows::growth::measure_all(bench).await;
}

/// No server outlives this program, nor does its data.
fn end_with_the_program(folder: &Path, keep: bool) {
    let folder = folder.to_owned();
    ctrlc::set_handler(move || {
        process::kill_all();
        if !keep {
            let _ = std::fs::remove_dir_all(&folder);
        }
        std::process::exit(130);
    })
    .unwrap();
}

fn serve_echo(args: &RunArgs) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = args.serve_echo.unwrap();
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let mut end =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        load::echo::serve(listener, async move {
            end.recv().await;
        })
        .await;
    });
}

fn about(bench: &Bench) -> About {
    let args = &bench.args;
    let machine = load::machine::facts(&bench.folder).into_iter();
    let now = time::OffsetDateTime::now_utc();
    let settings = [
        ("rounds", args.rounds.to_string()),
        ("seconds of a run", args.run_time().as_secs_f64().to_string()),
        (
            "bytes of an event",
            format!(
                "{:.0} on average, as it is sent",
                bench.setting.bodies(Kind::Ledger).mean_len()
            ),
        ),
        ("tags of an event at UmaDB and Tephra", args.tags.to_string()),
        ("callers that share a connection", shared(args)),
        ("orders told of in turn by each loader", args.open_orders().to_string()),
    ];
    let peer = |kind: &Kind| {
        let (_, version) = bench.programs.version(*kind);
        (kind.title().to_owned(), format!("{version}; {}", kind.settings()))
    };
    About {
        date: format!("{} {:02}:{:02} UTC", now.date(), now.hour(), now.minute()),
        command: command_line(),
        machine: machine.map(|(name, fact)| (name.to_owned(), fact)).collect(),
        peers: bench.peers.iter().map(peer).collect(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        notes: NOTES.map(str::to_owned).to_vec(),
    }
}

fn shared(args: &RunArgs) -> String {
    if let Some(count) = args.callers_per_connection {
        return count.to_string();
    }
    let peers = PEERS.map(|kind| format!("{} {}", kind.title(), kind.shared_by()));
    peers.join(", ")
}

/// The command without what is only true here: folders and files.
fn command_line() -> String {
    let mut words = vec!["peers".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let name = argument.split('=').next().unwrap_or_default();
        if ["--dir", "--json", "--ledger", "--umadb", "--tephra", "--postgres"].contains(&name) {
            if !argument.contains('=') {
                arguments.next();
            }
        } else {
            words.push(argument);
        }
    }
    words.join(" ")
}

fn print_about(about: &About) {
    println!("{}", about.date);
    for (name, fact) in about.machine.iter().chain(&about.peers).chain(&about.settings) {
        println!("{name:<14} {fact}");
    }
    println!();
}

/// What a reader of the figures has to know.
const NOTES: [&str; 7] = [
    "Order Ledger keeps more for each event than the peers do: an index of ids, by which a retry \
     makes no second copy for ever, the folded state of each order, the references that orders are \
     found by, and hashes for proofs. All of that is in its figures.",
    "One order's timeline at Order Ledger says which events came late; what each changed is left \
     out, because the peers send no more than the events.",
    "Tephra answers when its log is durable; its index is not synced and is read again from the \
     log after a crash. Its protocol is its own, not gRPC.",
    "UmaDB has no index of types: one type of thirty is found by reading everything. It does not \
     pipeline appends over one call.",
    "PostgreSQL gives numbers of a sequence before it commits, so a reader that pages by number \
     can miss what commits late; what it sends here is not proven to be complete while others \
     append. Several events in one statement are always guarded by its unique key. Its table has \
     no index of types.",
    "Guarded means: by the order's revision (Order Ledger), by a condition on the order's tag and \
     the position of its last event (UmaDB, Tephra), by a unique key (PostgreSQL).",
    "Events are handed over encoded; what a peer keeps in a field of its own (order, type, id) is \
     left out of the body that it gets.",
];
