//! `evidence`: a file that shows orders and proves them without a server. Does not know what it is
//! made of.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::as_of::AsOfArguments;
use super::audit_args::AuditArgs;
use super::failure::{Exit, Failure};
use super::list::FilterArguments;
use super::out_file::OutFile;
use super::output::{Output, bytes_text, grouped};
use super::target::Target;
use crate::audit::{
    BundleOptions, BundleVerdict, PageCheck, VerifiedBundle, VerifierKey, verify_bundle,
};
use crate::num::u64_from;
use crate::proto;
use crate::rpc::{AuditClient, SILENCE_MAX, heard};

#[derive(Debug, Args)]
pub(super) struct EvidenceCommand {
    #[command(flatten)]
    target: Target,
    /// The orders, by their correlation ids; also such as the ledger does not know
    #[arg(value_name = "ORDER")]
    orders: Vec<String>,
    /// The file that is made: a page for people, and the proof for `verify bundle`; `-`: standard
    /// output, and nothing else there
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
        let out = OutFile::begin(&self.out, self.force)?;
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
        let bytes = fetch(&mut client, request).await?;
        let shown = check(&mut client, &bytes).await?;
        let told = !out.is_standard_output();
        out.finish(&bytes)?;
        if told {
            self.print(&shown, u64_from(bytes.len()))?;
        }
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
                if let PageCheck::OtherVersion(version) = &shown.page {
                    writeln!(out, "page       made by version {version}, and not compared here")?;
                }
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

/// The bytes of the file.
async fn fetch(
    client: &mut AuditClient,
    request: proto::ExportEvidenceRequest,
) -> Result<Vec<u8>, Failure> {
    let mut parts = client.export_evidence(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = heard(&mut parts, SILENCE_MAX * 4).await? {
        bytes.extend_from_slice(&part.data);
    }
    Ok(bytes)
}

/// What the file shows, with the keys that the ledger itself names: that it came whole, not who
/// signed it.
async fn check(client: &mut AuditClient, bytes: &[u8]) -> Result<VerifiedBundle, Failure> {
    let request = proto::GetCheckpointRequest { at_least: 0 };
    let keys = client.get_checkpoint(request).await?.into_inner().verifier_keys;
    let keys: Result<Vec<_>, _> = keys.iter().map(|key| VerifierKey::parse(key)).collect();
    let keys = keys.map_err(|error| Failure::failed(error.to_string()))?;
    let wrong = |what: String| {
        Err(Failure::new(Exit::Integrity, format!("what came does not hold: {what}")))
    };
    // A server of another version makes another page; that it came whole is shown all the same.
    let options = BundleOptions { events_only: true, ..BundleOptions::default() };
    match verify_bundle(bytes, &keys, &options) {
        BundleVerdict::Verified(shown) => Ok(*shown),
        BundleVerdict::Tampered(defects) => wrong(first(&defects)),
        BundleVerdict::Inconclusive(doubts) => wrong(first(&doubts)),
        BundleVerdict::Unreadable(damage) => wrong(damage.to_string()),
    }
}

fn first(list: &[impl ToString]) -> String {
    list.first().map(ToString::to_string).unwrap_or_default()
}
