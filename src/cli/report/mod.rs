//! `report`: what was known at a time, what is known now, and what came in between; of one order,
//! or of all that changed behind the closing of a period. Does not know how states are folded.

mod ask;
mod events;
mod order;
mod order_paper;
mod paper;
mod period;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use prost_types::Timestamp;

use super::as_of::parse_time;
use super::failure::{Exit, Failure};
use super::out_file::OutFile;
use super::output::{bytes_text, colours, width};
use super::target::Target;
use crate::num::u64_from;
use crate::rpc::LedgerClient;
use order::{OrderReport, Then};
use paper::{Look, Paper};
use period::PeriodReport;

#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    target: Target,
    /// The order, by its correlation id; with --against it may be left out: all orders
    #[arg(required_unless_present = "against")]
    order: Option<String>,
    #[command(flatten)]
    since: Since,
    /// Both states are about what had occurred by this time, by the sources' clocks (RFC 3339);
    /// without it the time of --as-of
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "against")]
    occurred_by: Option<Timestamp>,
    /// The largest number of late events that are listed; the others are counted
    #[arg(long, value_name = "EVENTS", requires = "against", conflicts_with = "order")]
    limit: Option<usize>,
    #[arg(long, value_enum, default_value = "table")]
    output: Form,
    /// Written to this file, not to standard output, which `-` is
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file where there is one
    #[arg(long, requires = "out")]
    force: bool,
}

/// The state that the one of now is compared with.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Since {
    /// What the ledger knew at this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<Timestamp>,
    /// What the ledger knew when the period of this label was closed
    #[arg(long, value_name = "LABEL")]
    against: Option<String>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// One JSON document, with all there is
    Json,
    /// One JSON object a line: each late event of a period; of one order, as json
    Ndjson,
    /// One page for a browser and a printer, that needs no other file
    Html,
}

impl Report {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let out = self.out.as_deref().unwrap_or(Path::new("-"));
        let out = OutFile::begin(out, self.force)?;
        let mut clients = self.target.existing().await?;
        let then = match (self.since.as_of, &self.since.against) {
            (Some(recorded_by), _) => {
                let occurred_by = self.occurred_by.unwrap_or(recorded_by);
                Then::Recorded { recorded_by, occurred_by }
            }
            (None, label) => {
                let label = label.as_deref().unwrap_or_default();
                Then::Closed(ask::period(&mut clients.audit, label).await?)
            }
        };
        match (&self.order, then) {
            (None, Then::Closed(period)) => {
                let report = PeriodReport::new(period, self.limit);
                self.of_period(&mut clients.ledger, report, out).await
            }
            (order, then) => {
                let order = order.clone().unwrap_or_default();
                self.of_order(&mut clients.ledger, (order, then), out).await
            }
        }
    }

    async fn of_order(
        &self,
        client: &mut LedgerClient,
        (order, then): (String, Then),
        out: OutFile,
    ) -> Result<(), Failure> {
        let answers = ask::order(client, &order, &then).await?;
        let report = OrderReport::of(order, then, answers);
        let json = matches!(self.output, Form::Json | Form::Ndjson);
        if report.is_known() || json {
            let json = |out: &mut dyn Write| writeln!(out, "{}", report.json());
            self.write(out, || order_paper::paper(&report), json)?;
        }
        if report.is_known() {
            return Ok(());
        }
        let (order, basis) = (&report.correlation_id, report.known_now.basis);
        Err(Failure::new(Exit::NotFound, format!("no order {order} at basis {basis}")))
    }

    async fn of_period(
        &self,
        client: &mut LedgerClient,
        mut report: PeriodReport,
        out: OutFile,
    ) -> Result<(), Failure> {
        ask::read_log(client, &mut report).await?;
        let (then, head) = (Then::Closed(report.period.clone()), report.head);
        for order in &mut report.orders {
            ask::changes(client, (order, &then), head).await?;
        }
        if self.output == Form::Ndjson {
            // Lines have no room for what is said of all of them.
            report.found().iter().for_each(|sentence| eprintln!("{sentence}"));
        }
        let lines = |out: &mut dyn Write| match self.output {
            Form::Ndjson => report.events().try_for_each(|one| writeln!(out, "{}", one.json())),
            Form::Table | Form::Json | Form::Html => writeln!(out, "{}", report.json()),
        };
        self.write(out, || report.paper(), lines)
    }

    /// Writes a report as it was asked for: to be read, or for programs.
    fn write(
        &self,
        out: OutFile,
        paper: impl Fn() -> Paper,
        json: impl Fn(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut written = Vec::new();
        let look = if out.is_standard_output() {
            Look { width: width(), colours: colours(&io::stdout()) }
        } else {
            Look { width: None, colours: false }
        };
        match self.output {
            Form::Table => paper().write_text(&mut written, look)?,
            Form::Html => written.extend_from_slice(paper().html().as_bytes()),
            Form::Json | Form::Ndjson => json(&mut written)?,
        }
        let told = !out.is_standard_output();
        out.finish(&written)?;
        if let (true, Some(file)) = (told, &self.out) {
            let bytes = bytes_text(u64_from(written.len()));
            writeln!(io::stdout().lock(), "wrote      {}, {bytes}", file.display())?;
        }
        Ok(())
    }
}
