//! `verify`: checks a closed ledger by its entries, and says what agrees, what differs and where,
//! and what that does not show. Does not know the format.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::bar::Bar;
use super::failure::{Exit, Failure};
use super::output::{Output, bytes_text, grouped};
use super::proof::{Proof, keys_of};
use super::target::DEFAULT_FOLDER;
use crate::audit::{
    CheckpointFinding, ComparedCheckpoint, LedgerVerdict, OriginStart, Verdict, VerifyError,
    VerifyOptions, verify_ledger,
};
use crate::event::to_hex;
use crate::ledger::OpenError;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Verify {
    #[command(subcommand)]
    pub(super) proof: Option<Proof>,
    /// The folder of the ledger; it must not be open elsewhere
    /// [env: `ORDER_LEDGER_LEDGER`] [default: ledger-data]
    #[arg(value_name = "DIR", conflicts_with = "ledger")]
    folder: Option<PathBuf>,
    /// The same
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// A checkpoint that was kept elsewhere, to compare the log with
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoint_files: Vec<PathBuf>,
    /// A folder where copies of checkpoints were kept, to compare the log with all of them
    #[arg(long = "checkpoints", value_name = "DIR")]
    checkpoint_folders: Vec<PathBuf>,
    /// A public key that checkpoints must be signed by, or a file with keys, one a line; without
    /// any, the ledger's own are used, which prove nothing against whoever operates it
    #[arg(long = "key", value_name = "FILE|TEXT")]
    keys: Vec<String>,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        let variable = || std::env::var_os("ORDER_LEDGER_LEDGER").filter(|name| !name.is_empty());
        let named = self.folder.or(self.ledger).or_else(|| variable().map(PathBuf::from));
        let folder = named.unwrap_or_else(|| DEFAULT_FOLDER.into());
        if !folder.join("format").exists() {
            let message = format!("no ledger in {}", folder.display());
            return Err(Failure::new(Exit::NotFound, message));
        }
        for path in self.checkpoint_files.iter().chain(&self.checkpoint_folders) {
            path.metadata().map_err(|error| {
                Failure::new(Exit::NotFound, format!("{}: {error}", path.display()))
            })?;
        }
        let keys = if self.keys.is_empty() { Vec::new() } else { keys_of(&self.keys)? };
        let options = VerifyOptions {
            keys,
            checkpoint_files: self.checkpoint_files,
            checkpoint_folders: self.checkpoint_folders,
            ..VerifyOptions::default()
        };
        let mut bar = Bar::new();
        let found = verify_ledger(&folder, &options, |progress| bar.show(progress));
        drop(bar);
        let found = found?;
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => table(&mut out, &found)?,
            Output::Json | Output::Ndjson => writeln!(out, "{}", document(&found))?,
        }
        match found.verdict() {
            Verdict::Verified => Ok(()),
            Verdict::Tampered => {
                let count = found.report.defects.len();
                let message = format!("{count} {}", if count == 1 { "defect" } else { "defects" });
                Err(Failure::new(Exit::Integrity, message))
            }
            Verdict::Inconclusive => Err(Failure::failed("the verification is inconclusive")),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Open(error @ OpenError::Locked(_)) => Self::from(error).and(
                "stop the server, or check a copy of the folder; or ask the server for samples: \
                 order-ledger verify sample --server URL --key KEYFILE"
                    .to_owned(),
            ),
            VerifyError::Open(error) => error.into(),
            error @ (VerifyError::Io { .. } | VerifyError::Archive(_)) => {
                Self::failed(error.to_string())
            }
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "VERIFIED",
        Verdict::Tampered => "TAMPERED",
        Verdict::Inconclusive => "INCONCLUSIVE",
    }
}

/// What the verdict does not show, a sentence each.
fn limits(found: &LedgerVerdict) -> Vec<String> {
    let mut limits = Vec::new();
    let entries = found.report.entry_count;
    let newest = found.newest_checkpoint();
    let signed = newest.map_or(0, ComparedCheckpoint::size);
    if newest.is_none() {
        limits
            .push("no checkpoint vouches for this log: it agrees with itself, no more".to_owned());
    } else if signed + 1 == entries {
        let last = grouped(signed);
        limits.push(format!("entry {last} is newer than the newest checkpoint"));
    } else if signed < entries {
        let (first, last) = (grouped(signed), grouped(entries - 1));
        limits.push(format!("entries {first} to {last} are newer than the newest checkpoint"));
    }
    if found.keys_from_ledger && newest.is_some() {
        limits.push(
            "the keys come from the ledger itself and prove nothing against its operator: give the \
             key that you were handed with --key"
                .to_owned(),
        );
    }
    let elsewhere = found.checkpoints.iter().filter(|one| one.from_elsewhere && agrees(one));
    limits.push(match elsewhere.map(ComparedCheckpoint::size).max() {
        Some(size) => format!(
            "behind its first {} entries, whoever holds the log and the key could have signed \
             another history anew: no checkpoint that was kept elsewhere covers more",
            grouped(size)
        ),
        None => "whoever holds the log and the key can sign another history anew: compare with a \
                 checkpoint that was kept elsewhere (--checkpoint FILE, --checkpoints DIR)"
            .to_owned(),
    });
    limits
}

fn agrees(one: &ComparedCheckpoint) -> bool {
    one.finding == CheckpointFinding::Agrees
}

/// What was compared and agrees, in words.
fn compared(found: &LedgerVerdict) -> String {
    let sealed = found.seal_count > 0 || !found.periods.is_empty();
    let parts = [
        ("CRCs", true),
        ("offsets", true),
        ("revisions", true),
        ("chain", true),
        ("tree", found.newest_checkpoint().is_some()),
        ("seals", sealed),
        ("checkpoints", found.newest_checkpoint().is_some()),
        ("views", found.report.views_compared),
    ];
    let parts = parts.into_iter().filter_map(|(part, compared)| compared.then_some(part));
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    format!("{} and {last} agree", parts.join(", "))
}

/// What is not as it should be: the log or something beside it, or only checkpoints.
fn tampered(found: &LedgerVerdict) -> String {
    let what = "is not what was written or signed";
    if found.report.defects.iter().any(|defect| !defect.starts_with("checkpoint ")) {
        return format!("the ledger {what}");
    }
    let differ = |one: &&ComparedCheckpoint| matches!(one.finding, CheckpointFinding::Differs(_));
    let files = found.checkpoints.iter().filter(differ);
    let files: Vec<String> = files.map(|one| one.path.display().to_string()).collect();
    format!("the ledger, or a checkpoint, {what}: {}", files.join(", "))
}

/// The origins that a log has had, a line each, where it has had several.
fn origin_lines(found: &LedgerVerdict) -> Vec<String> {
    if found.origins.len() < 2 {
        return Vec::new();
    }
    let line = |name: &String| {
        let starts = &found.origin_starts;
        let began = starts.iter().find(|start| start.name == *name && !start.before.is_empty());
        let began = began.map(|start| format!("began at {start}"));
        let began = began.unwrap_or_else(|| "from the beginning".to_owned());
        let ended = starts.iter().find(|start| start.before == *name);
        let ended = ended.map_or_else(String::new, |end| format!(", ended at #{}", end.offset));
        format!("origin {name}: {began}{ended}")
    };
    found.origins.iter().map(line).collect()
}

fn table(out: &mut impl Write, found: &LedgerVerdict) -> io::Result<()> {
    let report = &found.report;
    writeln!(
        out,
        "{} entries of {} orders in {} segments, {}",
        grouped(report.entry_count),
        grouped(report.order_count),
        grouped(report.segment_count),
        bytes_text(report.log_bytes)
    )?;
    if found.seal_count > 0 {
        let (seals, covered) = (grouped(found.seal_count), grouped(found.sealed));
        writeln!(out, "{seals} seals, the newest over {covered} entries")?;
    }
    if !found.periods.is_empty() {
        writeln!(out, "periods closed: {}", found.periods.join(", "))?;
    }
    origin_lines(found).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    for one in &found.checkpoints {
        writeln!(out, "checkpoint {}: {}", one.path.display(), finding_text(one))?;
    }
    writeln!(out, "log and tree in {:.1?}, views in {:.1?}", report.log_time, report.views_time)?;
    report.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    report.defects.iter().try_for_each(|defect| writeln!(out, "DEFECT: {defect}"))?;
    found.doubts.iter().try_for_each(|doubt| writeln!(out, "not settled: {doubt}"))?;
    let verdict = found.verdict();
    match verdict {
        Verdict::Verified => {
            writeln!(out, "{}: {}", word(verdict), compared(found))?;
            limits(found).iter().try_for_each(|limit| writeln!(out, "not shown: {limit}"))
        }
        Verdict::Tampered => {
            writeln!(out, "{}: {}", word(verdict), tampered(found))
        }
        Verdict::Inconclusive => {
            writeln!(out, "{}: nothing differs, but not all could be compared", word(verdict))
        }
    }
}

fn finding_text(one: &ComparedCheckpoint) -> String {
    let size = grouped(one.size());
    match (&one.finding, &one.checkpoint) {
        (CheckpointFinding::Agrees, Some(signed)) => {
            format!("{size} entries, signed by {}, agrees", signed.origin)
        }
        (CheckpointFinding::Differs(_), Some(_)) => format!("{size} entries, DIFFERS"),
        (_, Some(_)) => format!("{size} entries, not compared"),
        (_, None) => "cannot be read".to_owned(),
    }
}

fn document(found: &LedgerVerdict) -> Json {
    let report = &found.report;
    let verdict = found.verdict();
    json!({
        "verified": verdict == Verdict::Verified,
        "verdict": word(verdict).to_ascii_lowercase(),
        "entries": report.entry_count,
        "orders": report.order_count,
        "segments": report.segment_count,
        "log_bytes": report.log_bytes,
        "root": to_hex(&found.root),
        "origins": found.origins,
        "origin_history": found.origin_starts.iter().map(origin_json).collect::<Vec<_>>(),
        "seals": found.seal_count,
        "sealed_entries": found.sealed,
        "periods": found.periods,
        "checkpoints": found.checkpoints.iter().map(checkpoint_json).collect::<Vec<_>>(),
        "newest_checkpoint_entries": found.newest_checkpoint().map(ComparedCheckpoint::size),
        "keys_from_ledger": found.keys_from_ledger,
        "damaged_from": report.damaged_from,
        "views_compared": report.views_compared,
        "log_seconds": report.log_time.as_secs_f64(),
        "views_seconds": report.views_time.as_secs_f64(),
        "notes": report.notes,
        "defects": report.defects,
        "not_settled": found.doubts,
        "not_shown": limits(found),
    })
}

fn origin_json(start: &OriginStart) -> Json {
    json!({
        "name": start.name,
        "before": start.before,
        "offset": start.offset,
        "recorded_at": start.recorded_at(),
        "actor": start.actor,
        "reason": start.reason,
    })
}

fn checkpoint_json(one: &ComparedCheckpoint) -> Json {
    let (finding, why) = match &one.finding {
        CheckpointFinding::Agrees => ("agrees", None),
        CheckpointFinding::Differs(why) => ("differs", Some(why)),
        CheckpointFinding::Unproven(why) => ("unproven", Some(why)),
    };
    json!({
        "file": one.path.display().to_string(),
        "from_elsewhere": one.from_elsewhere,
        "origin": one.checkpoint.as_ref().map(|signed| &signed.origin),
        "entries": one.checkpoint.as_ref().map(|signed| signed.size),
        "root": one.checkpoint.as_ref().map(|signed| to_hex(&signed.root)),
        "finding": finding,
        "why": why,
    })
}
