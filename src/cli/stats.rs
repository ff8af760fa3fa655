//! `stats`: how large a ledger is, and how far a server has signed it. Does not know how that is
//! counted. Of a folder the audit is not opened: that would make a key.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value as Json, json};

use super::failure::{Failure, reason_of, shown};
use super::grid::{Grid, column};
use super::output::{Output, bytes_text, grouped, json_of, time_text, width};
use super::target::Target;
use crate::proto::GetCheckpointRequest;
use crate::rpc::{AuditClient, Clients, wire};

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
        let Clients { mut ledger, audit, .. } = self.target.existing().await?;
        let request = wire::GetHeadRequest { include_sources: self.sources };
        let head = ledger.get_head(request).await?.into_inner();
        let signed =
            if self.target.is_server() { Some(Signed::ask(audit, head.head).await) } else { None };
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
                if let Some(signed) = &signed {
                    signed.write(&mut out)?;
                }
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
                let audit = signed.as_ref().map_or(Json::Null, Signed::json);
                if let Some(object) = json.as_object_mut() {
                    object.insert("audit".to_owned(), audit);
                }
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

/// How far a ledger is signed.
enum Signed {
    To { origin: String, entries: u64, behind: u64 },
    Not { reason: String, why: String },
}

impl Signed {
    /// The newest that is signed, beside a head that was asked for before.
    async fn ask(mut client: AuditClient, head: u64) -> Self {
        match client.get_checkpoint(GetCheckpointRequest { at_least: 0 }).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let origin = answer.checkpoint.lines().next().unwrap_or_default().to_owned();
                let entries = answer.tree_size;
                Self::To { origin, entries, behind: head.saturating_sub(entries) }
            }
            Err(status) => {
                Self::Not { reason: reason_of(&status), why: status.message().to_owned() }
            }
        }
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        match self {
            Self::To { origin, entries, behind } => {
                let (entries, behind) = (grouped(*entries), grouped(*behind));
                writeln!(out, "audit        {entries} entries signed, {behind} behind the head")?;
                writeln!(out, "origin       {}", shown(origin))
            }
            Self::Not { why, .. } => writeln!(out, "audit        {}", shown(why)),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::To { origin, entries, behind } => {
                json!({ "origin": origin, "entries": entries, "behind": behind })
            }
            Self::Not { reason, why } => json!({ "reason": reason, "not_signed": why }),
        }
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
