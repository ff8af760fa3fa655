//! `verify`: checks a ledger byte by byte, and says what is wrong and where.
//! Does not know the format.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::bar::Bar;
use super::failure::{Exit, Failure};
use super::output::{Output, bytes_text, grouped};
use super::proof::Proof;
use super::target::DEFAULT_FOLDER;
use crate::ledger::{VerifyReport, verify};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Verify {
    #[command(subcommand)]
    pub(super) proof: Option<Proof>,
    /// The folder of the ledger; it must not be open elsewhere
    #[arg(long, value_name = "DIR", env = "ORDER_LEDGER_LEDGER", default_value = DEFAULT_FOLDER)]
    ledger: PathBuf,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        if !self.ledger.join("format").exists() {
            let message = format!("no ledger in {}", self.ledger.display());
            return Err(Failure::new(Exit::NotFound, message));
        }
        let mut bar = Bar::new();
        let report = verify(&self.ledger, |progress| bar.show(progress));
        drop(bar);
        let report = report?;
        print(&report, self.output)?;
        if report.defects.is_empty() {
            return Ok(());
        }
        let message = format!("{} defects", report.defects.len());
        Err(Failure::new(Exit::Integrity, message))
    }
}

fn print(report: &VerifyReport, output: Output) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let sound = report.defects.is_empty();
    match output {
        Output::Table => {
            writeln!(
                out,
                "{} entries of {} orders in {} segments, {}",
                grouped(report.entry_count),
                grouped(report.order_count),
                grouped(report.segment_count),
                bytes_text(report.log_bytes)
            )?;
            report.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
            report.defects.iter().try_for_each(|defect| writeln!(out, "DEFECT: {defect}"))?;
            writeln!(
                out,
                "{}",
                if sound {
                    "verified: CRCs, offsets, revisions, chain and views agree"
                } else {
                    "NOT verified"
                }
            )
        }
        Output::Json | Output::Ndjson => writeln!(
            out,
            "{}",
            json!({
                "verified": sound,
                "entries": report.entry_count,
                "orders": report.order_count,
                "segments": report.segment_count,
                "log_bytes": report.log_bytes,
                "notes": report.notes,
                "defects": report.defects,
            })
        ),
    }
}
