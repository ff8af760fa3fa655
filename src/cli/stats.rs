//! `stats`: how large a ledger is. Does not know how that is counted.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, bytes_text, grouped, time_text};
use super::target::Target;
use crate::rpc::wire;

#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    target: Target,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Stats {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let head = client.get_head(wire::GetHeadRequest {}).await?.into_inner();
        let newest = time_text(head.recorded_at.as_ref());
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => {
                writeln!(out, "ledger       {}", head.ledger_id)?;
                writeln!(out, "head         {}", grouped(head.head))?;
                writeln!(out, "orders       {}", grouped(head.order_count))?;
                writeln!(out, "newest entry {}", if newest.is_empty() { "-" } else { &newest })?;
                writeln!(
                    out,
                    "log          {} in {} segments",
                    bytes_text(head.log_bytes),
                    grouped(head.segment_count)
                )?;
                writeln!(
                    out,
                    "views        {} up to offset {}",
                    bytes_text(head.view_bytes),
                    grouped(head.view_basis)
                )?;
            }
            Output::Json | Output::Ndjson => writeln!(
                out,
                "{}",
                json!({
                    "ledger_id": head.ledger_id,
                    "head": head.head,
                    "order_count": head.order_count,
                    "recorded_at": head.recorded_at.as_ref().map(|_| newest),
                    "log_bytes": head.log_bytes,
                    "segment_count": head.segment_count,
                    "view_bytes": head.view_bytes,
                    "view_basis": head.view_basis,
                })
            )?,
        }
        Ok(())
    }
}
