//! `serve`: a ledger behind a socket, until a signal ends it. Does not know the services.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::audit_args::AuditArgs;
use super::bar::Bar;
use super::failure::Failure;
use super::output::grouped;
use super::signals::asked_to_end;
use super::target::{DEFAULT_FOLDER, options};
use crate::audit::VerifierKey;
use crate::demo::Demo;
use crate::event::Event;
use crate::ledger::{Batch, Ledger};
use crate::rpc::{ServeOptions, open_audit, serve_audited, while_opening};

/// An order of so many events is worth a look.
const EVENTFUL: u32 = 16;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The folder of the ledger; made where none is
    #[arg(long, value_name = "DIR", env = "ORDER_LEDGER_LEDGER", default_value = DEFAULT_FOLDER)]
    ledger: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ORDER_LEDGER_LISTEN",
        default_value = "127.0.0.1:7447"
    )]
    listen: SocketAddr,
    /// Put simulated orders into the ledger first, where it is empty
    #[arg(long, value_name = "ORDERS", num_args = 0..=1, default_missing_value = "1000")]
    demo: Option<u64>,
    /// What the rules for anomalies have to know about the house, as TOML; the ledger keeps it
    /// until another one is given (an empty file: the defaults)
    #[arg(long, value_name = "FILE", env = "ORDER_LEDGER_POLICY")]
    policy: Option<PathBuf>,
    /// Record each reading of a history in the log: who, from where, which order
    #[arg(long, env = "ORDER_LEDGER_AUDIT_READS")]
    audit_reads: bool,
    /// Seconds that calls under way may take when the server shuts down
    #[arg(long, value_name = "SECONDS", env = "ORDER_LEDGER_SHUTDOWN_GRACE", default_value_t = 10)]
    shutdown_grace: u64,
    #[command(flatten)]
    audit: AuditArgs,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let options = ServeOptions {
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            audit: self.audit.options()?,
            audit_reads: self.audit_reads,
            ..ServeOptions::default()
        };
        let listener = TcpListener::bind(self.listen).await.map_err(|error| {
            Failure::failed(format!("cannot listen on {}: {error}", self.listen))
        })?;
        let address = listener.local_addr()?;
        let (ledger, shown) = self.open(&listener).await?;
        let ledger = Arc::new(ledger);
        let opened = open_audit(&ledger, &options).await;
        let (audits, keys) = opened?;
        // Before the address is out: who reads it may send a signal at once.
        let asked = asked_to_end()?;
        let stop = async {
            asked.await;
            tracing::info!("shutting down; a second signal ends the process at once");
        };
        // A server serves also where nobody reads this.
        let _ = self.announce((address, &ledger), shown, &keys);
        let served = serve_audited((listener, Arc::clone(&ledger)), audits, options, stop).await;
        tokio::task::spawn_blocking(move || ledger.close())
            .await
            .map_err(|error| Failure::failed(error.to_string()))?;
        served.map_err(|error| Failure::failed(error.to_string()))
    }

    /// Opens the ledger, and fills it where that is asked; says on the socket meanwhile how far
    /// that is. Also an order to look at.
    async fn open(&self, listener: &TcpListener) -> Result<(Ledger, Option<Shown>), Failure> {
        let policy = self.policy.as_deref().filter(|file| !file.as_os_str().is_empty());
        let (folder, options) = (self.ledger.clone(), options(policy)?);
        let (sender, progress) = watch::channel(None);
        let demo = self.demo;
        let opening = tokio::task::spawn_blocking(move || {
            let mut bar = Bar::new();
            let ledger = Ledger::open_with_progress(folder, options, |progress| {
                bar.show(progress);
                sender.send_replace(Some(progress));
            })?;
            let shown = demo.map_or(Ok(None), |orders| fill(&ledger, orders))?;
            Ok((ledger, shown))
        });
        let opened = while_opening(listener, progress, opening).await;
        opened.map_err(|error| Failure::failed(error.to_string()))?
    }

    fn announce(
        &self,
        (address, ledger): (SocketAddr, &Ledger),
        shown: Option<Shown>,
        keys: &[VerifierKey],
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "serving    http://{address}")?;
        writeln!(out, "ledger     {} ({})", self.ledger.display(), ledger.id())?;
        writeln!(out, "head       {}", grouped(ledger.head()))?;
        if let Some(shown) = shown {
            propose(&mut out, address, &shown)?;
        }
        // Behind what is always there, for whoever reads lines.
        keys.iter().try_for_each(|key| {
            writeln!(out, "key        {key}  hand this to auditors by another way")
        })
    }
}

/// Commands to try with a ledger of simulated orders.
fn propose(out: &mut impl io::Write, address: SocketAddr, shown: &Shown) -> io::Result<()> {
    let Shown { order, reference } = shown;
    writeln!(out)?;
    let tries = [
        format!("order {order}"),
        format!("timeline {order}"),
        format!("find {reference}"),
        "list --limit 20".to_owned(),
        "replay --follow".to_owned(),
    ];
    for (index, command) in tries.iter().enumerate() {
        let label = if index == 0 { "try" } else { "" };
        writeln!(out, "{label:<10} order-ledger {command} --server http://{address}")?;
    }
    writeln!(
        out,
        "           (order-ledger is target/release/order-ledger, or `cargo run \
                      --release --`)"
    )
}

/// An order to look at, and a number that it is found by.
struct Shown {
    order: String,
    reference: String,
}

/// Appends simulated orders to an empty ledger; one of them to look at, where something happens.
fn fill(ledger: &Ledger, orders: u64) -> Result<Option<Shown>, Failure> {
    let demo = Demo { orders, ..Demo::default() };
    let mut counts: HashMap<String, u32> = HashMap::new();
    let eventful = demo.events().find_map(|event| {
        let count = counts.entry(event.correlation_id.clone()).or_default();
        *count += 1;
        (*count == EVENTFUL).then_some(event.correlation_id)
    });
    let mut events = demo.events().peekable();
    let order = eventful.or_else(|| events.peek().map(|event| event.correlation_id.clone()));
    let shown = order.map(|order| Shown { reference: reference_of(&demo, &order), order });
    if ledger.head() > 0 {
        return Ok(shown);
    }
    loop {
        let batch: Vec<Event> = events
            .by_ref()
            .take(ledger.limits().batch_events_max)
            .map(|event| Event::new(&event))
            .collect::<Result<_, _>>()
            .map_err(|violations| Failure::failed(format!("{violations:?}")))?;
        if batch.is_empty() {
            return Ok(shown);
        }
        let appended = ledger.append(Batch::of(batch));
        appended.map_err(|error| Failure::failed(error.to_string()))?;
    }
}

/// The first number that events of an order carry; its own name where none does.
fn reference_of(demo: &Demo, order: &str) -> String {
    let own = demo.events().filter(|event| event.correlation_id == order);
    let number = own.flat_map(|event| event.refs).map(|named| named.value).next();
    number.unwrap_or_else(|| order.to_owned())
}
