//! `seal` and `periods`: seals the log as it is now, closes a period with that, and lists those
//! that were closed. Does not know what a seal is made of.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value as Json, json};

use super::audit_args::AuditArgs;
use super::failure::Failure;
use super::grid::{Grid, column};
use super::output::{Output, grouped, json_of, seconds_text, width};
use super::target::Target;
use crate::proto;

#[derive(Debug, Args)]
pub(super) struct SealCommand {
    #[command(flatten)]
    target: Target,
    /// The period that ends here, such as `2026-Q3`; each label is given once
    #[arg(long, default_value = "", hide_default_value = true, requires_all = ["actor", "reason"])]
    label: String,
    /// Who asks, for the record
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "WHY")]
    reason: Option<String>,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    audit: AuditArgs,
}

#[derive(Debug, Args)]
pub(super) struct Periods {
    #[command(flatten)]
    target: Target,
    /// Only this one
    #[arg(default_value = "", hide_default_value = true)]
    label: String,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl SealCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let request = proto::CreateSealRequest {
            label: self.label.clone(),
            actor: self.actor.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
        };
        let mut client = self.target.audited(&self.audit).await?.audit;
        let made = client.create_seal(request).await?.into_inner();
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => {
                writeln!(out, "sealed     {} entries", grouped(made.covered))?;
                writeln!(out, "offset     #{}", made.offset)?;
                if !self.label.is_empty() {
                    writeln!(out, "period     {}", self.label)?;
                }
            }
            Output::Json | Output::Ndjson => writeln!(
                out,
                "{}",
                json!({
                    "label": self.label,
                    "covered": made.covered,
                    "offset": made.offset,
                    "checkpoint": made.checkpoint,
                })
            )?,
        }
        Ok(())
    }
}

impl Periods {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.existing().await?.audit;
        let request = proto::ListPeriodsRequest { label: self.label };
        let periods = client.list_periods(request).await?.into_inner().periods;
        let mut out = io::stdout().lock();
        let mut rows = periods.iter().map(|period| json_of("Period", period));
        match self.output {
            Output::Table => grid_of(&periods).write(&mut out, width())?,
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                writeln!(out, "{}", json!({ "periods": rows }))?;
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}"))?,
        }
        Ok(())
    }
}

fn grid_of(periods: &[proto::Period]) -> Grid {
    let mut grid = Grid::new([
        column("LABEL").wrap(),
        column("ENTRIES"),
        column("CLOSED"),
        column("BY").wrap(),
        column("REASON").wrap(),
    ]);
    for period in periods {
        grid.row([
            period.label.clone(),
            grouped(period.covered),
            seconds_text(period.closed_at.as_ref()),
            period.actor.clone(),
            period.reason.clone(),
        ]);
    }
    grid
}
