//! `verify consistency`: two checkpoints, and a ledger that has to prove that the newer one continues
//! the older one. Does not know trees.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::verdict::Verdict;
use super::{Source, Stop, Trust, prove_consistent, read_checkpoint, tell};
use crate::cli::failure::Failure;
use crate::cli::output::grouped;
use crate::proto;

#[derive(Debug, Args)]
pub(in crate::cli) struct Consistency {
    /// The older checkpoint, as `checkpoint` writes it
    old: PathBuf,
    /// The newer one
    new: PathBuf,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    source: Source,
}

impl Consistency {
    pub(super) async fn run(self) -> Result<(), Failure> {
        tell(self.check().await, self.trust.output)
    }

    async fn check(&self) -> Result<Verdict, Stop> {
        let keys = self.trust.keys()?;
        let one = read_checkpoint(&self.old, &keys)?;
        let other = read_checkpoint(&self.new, &keys)?;
        let (older, newer) = if one.size <= other.size { (one, other) } else { (other, one) };
        let mut client = self.source.connect().await?.audit;
        let request = proto::GetCheckpointRequest { at_least: 0 };
        let asked = client.get_checkpoint(request).await?.into_inner().checkpoint;
        if asked.lines().next() != Some(older.origin.as_str()) {
            let what = format!("it is not the log of {}", older.origin);
            return Err(Verdict::inconclusive("another ledger was asked", [what]).into());
        }
        prove_consistent(&mut client, &older, &newer).await?;
        let (from, to) = (grouped(older.size), grouped(newer.size));
        let sentence = format!("the log of {to} entries begins with that of {from}, unchanged");
        Ok(Verdict::verified(sentence)
            .with("origin", json!(older.origin))
            .with("from_size", json!(older.size))
            .with("to_size", json!(newer.size))
            .and(format!("origin {}", older.origin)))
    }
}
