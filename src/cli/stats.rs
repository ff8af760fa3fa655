//! `stats`: how large a ledger is. Does not know how that is counted.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::grid::{Grid, column};
use super::output::{Output, bytes_text, grouped, json_of, time_text, width};
use super::target::Target;
use crate::rpc::wire;

#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    target: Target,
    /// Also how far the news of each source reach
    #[arg(long)]
    sources: bool,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Stats {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let request = wire::GetHeadRequest { include_sources: self.sources };
        let head = client.get_head(request).await?.into_inner();
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
                if self.sources && !head.sources.is_empty() {
                    writeln!(out)?;
                    grid_of(&head.sources).write(&mut out, width())?;
                }
            }
            Output::Json | Output::Ndjson => {
                let mut json = json!({
                    "ledger_id": head.ledger_id,
                    "head": head.head,
                    "order_count": head.order_count,
                    "recorded_at": head.recorded_at.as_ref().map(|_| newest),
                    "log_bytes": head.log_bytes,
                    "segment_count": head.segment_count,
                    "view_bytes": head.view_bytes,
                    "view_basis": head.view_basis,
                });
                if let (true, Some(object)) = (self.sources, json.as_object_mut()) {
                    let sources = head.sources.iter();
                    let sources = sources.map(|source| json_of("SourceWatermark", source));
                    object.insert("sources".to_owned(), sources.collect());
                }
                writeln!(out, "{json}")?;
            }
        }
        Ok(())
    }
}

fn grid_of(sources: &[wire::SourceWatermark]) -> Grid {
    let mut grid = Grid::new([
        column("SOURCE").wrap(),
        column("EVENTS").right(),
        column("NEWEST OCCURRED AT"),
        column("LAST RECORDED AT").spare(),
        column("OFFSET").right().spare(),
    ]);
    for source in sources {
        let occurred = time_text(source.occurred_at.as_ref());
        grid.row([
            source.source.clone(),
            grouped(source.event_count),
            if occurred.is_empty() { "-".to_owned() } else { occurred },
            time_text(source.recorded_at.as_ref()),
            source.offset.to_string(),
        ]);
    }
    grid
}
