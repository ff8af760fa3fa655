//! `evidence`: a file that shows orders and proves them without a server. Does not know what it is
//! made of.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::as_of::AsOfArguments;
use super::audit_args::AuditArgs;
use super::failure::{Exit, Failure};
use super::list::FilterArguments;
use super::output::{Output, bytes_text, grouped};
use super::target::Target;
use crate::audit::{BundleOptions, BundleVerdict, VerifiedBundle, VerifierKey, verify_bundle};
use crate::proto;
use crate::rpc::{AuditClient, SILENCE_MAX, heard};

#[derive(Debug, Args)]
pub(super) struct EvidenceCommand {
    #[command(flatten)]
    target: Target,
    /// The orders, by their correlation ids; also such as the ledger does not know
    #[arg(value_name = "ORDER")]
    orders: Vec<String>,
    /// The file that is made: a page for people, and the proof for `verify bundle`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file where there is one
    #[arg(long)]
    force: bool,
    /// The number of entries that the seal has to cover; without it all that there are now
    #[arg(long, value_name = "ENTRIES")]
    covers: Option<u64>,
    #[command(flatten)]
    as_of: AsOfArguments,
    #[command(flatten, next_help_heading = "Also all orders that pass")]
    filter: FilterArguments,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    audit: AuditArgs,
}

impl EvidenceCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let filter = Some(self.filter.message());
        let filter = filter.filter(|filter| *filter != proto::OrderFilter::default());
        if self.orders.is_empty() && filter.is_none() {
            let what = "name orders, or say which with a filter such as --open";
            return Err(Failure::new(Exit::Usage, what));
        }
        if !self.force && self.out.exists() {
            let what = format!("{} exists; --force replaces it", self.out.display());
            return Err(Failure::new(Exit::Conflict, what));
        }
        let as_of = proto::OrderBasis {
            basis: Some(self.as_of.basis()),
            as_of_occurred: self.as_of.occurred(),
        };
        let request = proto::ExportEvidenceRequest {
            correlation_ids: self.orders.clone(),
            as_of: Some(as_of),
            covers: self.covers,
            filter,
        };
        let mut client = self.target.audited(&self.audit).await?.audit;
        let begun = Begun::beside(&self.out);
        begun.fetch(&mut client, request).await?;
        let shown = begun.check(&mut client).await?;
        fs::rename(&begun.path, &self.out)?;
        self.print(&shown, fs::metadata(&self.out)?.len())?;
        Ok(())
    }

    fn print(&self, shown: &VerifiedBundle, bytes: u64) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let absent = shown.orders.iter().filter(|order| order.entry_count == 0).count();
        match self.output {
            Output::Table => {
                let file = self.out.display();
                writeln!(out, "wrote      {file}, {}", bytes_text(bytes))?;
                let absent = if absent > 0 { format!(", {absent} absent") } else { String::new() };
                writeln!(out, "orders     {}{absent}", shown.orders.len())?;
                writeln!(
                    out,
                    "as of      seal #{}, which covers {} entries",
                    shown.seal.offset,
                    grouped(shown.seal.covered)
                )?;
                writeln!(out, "verify     order-ledger verify bundle {file} --key KEYFILE")
            }
            Output::Json | Output::Ndjson => writeln!(
                out,
                "{}",
                json!({
                    "file": self.out.display().to_string(),
                    "bytes": bytes,
                    "orders": shown.orders.len(),
                    "absent": absent,
                    "seal": shown.seal.offset,
                    "covered": shown.seal.covered,
                    "origin": shown.seal.checkpoint.origin,
                })
            ),
        }
    }
}

/// A file that has not its name yet, and goes where it does not get it.
struct Begun {
    path: PathBuf,
}

impl Begun {
    fn beside(out: &Path) -> Self {
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        Self { path: name.into() }
    }

    /// Writes the file as it comes, durably.
    async fn fetch(
        &self,
        client: &mut AuditClient,
        request: proto::ExportEvidenceRequest,
    ) -> Result<(), Failure> {
        let mut parts = client.export_evidence(request).await?.into_inner();
        let named = |error: io::Error| {
            Failure::failed(format!("cannot write {}: {error}", self.path.display()))
        };
        let mut file = BufWriter::new(File::create(&self.path).map_err(named)?);
        while let Some(part) = heard(&mut parts, SILENCE_MAX * 4).await? {
            file.write_all(&part.data).map_err(named)?;
        }
        let file = file.into_inner().map_err(|error| named(error.into_error()))?;
        file.sync_all().map_err(named)
    }

    /// What the file shows, with the keys that the ledger itself names: that it came whole, not who
    /// signed it.
    async fn check(&self, client: &mut AuditClient) -> Result<VerifiedBundle, Failure> {
        let request = proto::GetCheckpointRequest { at_least: 0 };
        let keys = client.get_checkpoint(request).await?.into_inner().verifier_keys;
        let keys: Result<Vec<_>, _> = keys.iter().map(|key| VerifierKey::parse(key)).collect();
        let keys = keys.map_err(|error| Failure::failed(error.to_string()))?;
        let bytes = fs::read(&self.path)?;
        let wrong = |what: String| {
            Err(Failure::new(Exit::Integrity, format!("what came does not hold: {what}")))
        };
        match verify_bundle(&bytes, &keys, &BundleOptions::default()) {
            BundleVerdict::Verified(shown) => Ok(*shown),
            BundleVerdict::Tampered(defects) => wrong(first(&defects)),
            BundleVerdict::Inconclusive(doubts) => wrong(first(&doubts)),
            BundleVerdict::Unreadable(damage) => wrong(damage.to_string()),
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn first(list: &[impl ToString]) -> String {
    list.first().map(ToString::to_string).unwrap_or_default()
}
