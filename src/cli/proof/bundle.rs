//! `verify bundle`: files of evidence, checked with keys and nothing else. Does not know their form.

use std::path::{Path, PathBuf};

use clap::Args;
use prost_types::Timestamp;
use serde_json::{Value as Json, json};

use super::verdict::Verdict;
use super::{Trust, read};
use crate::audit::{
    BundleDamage, BundleDoubt, BundleOptions, BundleVerdict, EvidenceRole, PageCheck,
    VerifiedBundle, VerifiedOrder, VerifierKey, verify_bundle,
};
use crate::cli::as_of::parse_time;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::grouped;
use crate::time::{ns_from_parts, rfc3339, signed, timestamp};

#[derive(Debug, Args)]
pub(in crate::cli) struct Bundle {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trust: Trust,
    /// The number of entries that the seal has to cover, such as a head that an append answered
    #[arg(long, value_name = "ENTRIES")]
    covers: Option<u64>,
    /// The seal has to cover all that was recorded until this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    recorded_until: Option<Timestamp>,
}

impl Bundle {
    pub(super) fn run(self) -> Result<(), Failure> {
        let keys = self.trust.keys()?;
        let until = self.recorded_until.map(|time| {
            let ns = ns_from_parts(time.seconds, time.nanos);
            let ns = ns.and_then(|ns| u64::try_from(ns).ok());
            ns.ok_or_else(|| Failure::new(Exit::Usage, "--recorded-until is out of range"))
        });
        let options = BundleOptions { covers: self.covers, recorded_until_ns: until.transpose()? };
        let mut worst: Option<Verdict> = None;
        for file in &self.files {
            let verdict = verdict_of(verify_bundle(&read(file)?, &keys, &options));
            verdict.tell_of(Some(&file.display().to_string()), self.trust.output)?;
            worst = Some(match worst {
                Some(before) => before.worst(verdict),
                None => verdict,
            });
        }
        worst.map_or(Ok(()), |worst| worst.exit())
    }
}

/// A file that holds.
pub(super) fn verified_bundle(
    file: &Path,
    keys: &[VerifierKey],
) -> Result<VerifiedBundle, super::Stop> {
    match verify_bundle(&read(file)?, keys, &BundleOptions::default()) {
        BundleVerdict::Verified(shown) => Ok(*shown),
        other => Err(verdict_of(other).and(format!("in {}", file.display())).into()),
    }
}

fn verdict_of(verdict: BundleVerdict) -> Verdict {
    match verdict {
        BundleVerdict::Verified(shown) => of_verified(&shown),
        BundleVerdict::Tampered(defects) => Verdict::tampered(
            "this is not what the ledger recorded",
            defects.iter().map(ToString::to_string),
        ),
        BundleVerdict::Inconclusive(doubts) => {
            let unknown = doubts.iter().any(|doubt| matches!(doubt, BundleDoubt::UnknownKey(_)));
            let sentence = if unknown {
                "nobody whose key was given has signed this"
            } else {
                "it does not show all that is asked for"
            };
            Verdict::inconclusive(sentence, doubts.iter().map(ToString::to_string))
        }
        BundleVerdict::Unreadable(damage) => {
            let sentence = match damage {
                BundleDamage::Digest => "the file is not as it was made",
                BundleDamage::NotEvidence => "there is nothing to check",
            };
            Verdict::unreadable(sentence, [damage.to_string()])
        }
    }
}

fn of_verified(shown: &VerifiedBundle) -> Verdict {
    let VerifiedBundle { seal, orders, .. } = shown;
    let asked = orders.iter().filter(|order| order.role == EvidenceRole::Asked);
    let (asked, sealed_at) =
        (asked.count(), rfc3339(&timestamp(signed(seal.recorded_at_ns)), None));
    let sentence = format!(
        "{asked} {} as recorded, complete as of seal #{} ({} entries, {sealed_at})",
        if asked == 1 { "order" } else { "orders" },
        seal.offset,
        grouped(seal.covered),
    );
    let mut verdict = Verdict::verified(sentence)
        .with("origin", json!(seal.checkpoint.origin))
        .with("checkpoint_size", json!(seal.checkpoint.size))
        .with("seal", json!(seal.offset))
        .with("covered", json!(seal.covered))
        .with("sealed_at", json!(sealed_at))
        .with("basis", json!(shown.basis.offset))
        .with("orders", orders.iter().map(order_json).collect())
        .and(format!("origin {}", seal.checkpoint.origin));
    for order in orders {
        verdict = verdict.and(order_line(order));
    }
    if let PageCheck::OtherVersion(version) = &shown.page {
        verdict = verdict.but(format!(
            "that the page says what the events do: it was made by version {version}; the events \
             themselves are proven"
        ));
    }
    VerifiedBundle::not_proven().iter().fold(verdict, |verdict, caveat| verdict.but(*caveat))
}

fn order_line(order: &VerifiedOrder) -> String {
    let VerifiedOrder { correlation_id, entry_count, shown_count, .. } = order;
    let linked = if order.role == EvidenceRole::Linked { ", linked" } else { "" };
    match (entry_count, entry_count - shown_count) {
        (0, _) => format!("{correlation_id}{linked}: the ledger has no entry of it"),
        (1, 0) => format!("{correlation_id}{linked}: 1 entry"),
        (_, 0) => format!("{correlation_id}{linked}: all {entry_count} entries"),
        (_, hidden) => {
            let of = "behind what is shown, committed by hash";
            format!("{correlation_id}{linked}: {shown_count} entries, and {hidden} {of}")
        }
    }
}

fn order_json(order: &VerifiedOrder) -> Json {
    json!({
        "order": order.correlation_id,
        "linked": order.role == EvidenceRole::Linked,
        "entries": order.entry_count,
        "shown": order.shown_count,
    })
}
