//! `verify bundle`: files of evidence, checked with keys and nothing else.
//! Does not know their form.

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
    /// Enough that the events are proven, where another version made the page: it is not compared
    /// then, and may say anything
    #[arg(long)]
    events_only: bool,
}

impl Bundle {
    pub(super) fn run(self) -> Result<(), Failure> {
        let keys = self.trust.keys()?;
        let until = self.recorded_until.map(|time| {
            let ns = ns_from_parts(time.seconds, time.nanos);
            let ns = ns.and_then(|ns| u64::try_from(ns).ok());
            ns.ok_or_else(|| Failure::new(Exit::Usage, "--recorded-until is out of range"))
        });
        let options = BundleOptions {
            covers: self.covers,
            recorded_until_ns: until.transpose()?,
            events_only: self.events_only,
        };
        let mut worst = Ok(());
        for file in &self.files {
            let ended = match read(file) {
                Ok(bytes) => {
                    let verdict = verdict_of(verify_bundle(&bytes, &keys, &options));
                    verdict.tell_of(Some(&file.display().to_string()), self.trust.output)?;
                    verdict.exit()
                }
                Err(failure) => Err(failure.told()),
            };
            worst = if rank(&ended) > rank(&worst) { ended } else { worst };
        }
        worst
    }
}

/// How bad an end is: a file that does not hold is worse than one that is not there.
fn rank(ended: &Result<(), Failure>) -> u8 {
    match ended.as_ref().map_err(Failure::exit) {
        Ok(()) => 0,
        Err(Exit::Usage | Exit::NotFound | Exit::Conflict) => 1,
        Err(Exit::Failed) => 2,
        Err(Exit::Integrity) => 3,
    }
}

/// A file whose events are proven; what its page says is not asked.
pub(super) fn verified_bundle(
    file: &Path,
    keys: &[VerifierKey],
) -> Result<VerifiedBundle, super::Stop> {
    let options = BundleOptions { events_only: true, ..BundleOptions::default() };
    match verify_bundle(&read(file)?, keys, &options) {
        BundleVerdict::Verified(shown) => Ok(*shown),
        other @ (BundleVerdict::Tampered(_)
        | BundleVerdict::Inconclusive(_)
        | BundleVerdict::Unreadable(_)) => {
            Err(verdict_of(other).and(format!("in {}", file.display())).into())
        }
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
            let page = doubts.iter().any(|doubt| matches!(doubt, BundleDoubt::Page { .. }));
            let sentence = if unknown {
                "nobody whose key was given has signed this"
            } else if page {
                "the page was not compared: do not believe what it says"
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
    let other_version = match &shown.page {
        PageCheck::Equal => None,
        PageCheck::OtherVersion(version) => Some(version),
    };
    let sentence = format!(
        "{}{asked} {} as recorded, complete as of seal #{} ({} entries, {sealed_at}){}",
        if other_version.is_some() { "the events alone of " } else { "" },
        if asked == 1 { "order" } else { "orders" },
        seal.offset,
        grouped(seal.covered),
        if other_version.is_some() { "; the page was not compared" } else { "" },
    );
    let mut verdict = Verdict::verified(sentence)
        .with("origin", json!(seal.checkpoint.origin))
        .with("checkpoint_size", json!(seal.checkpoint.size))
        .with("seal", json!(seal.offset))
        .with("covered", json!(seal.covered))
        .with("sealed_at", json!(sealed_at))
        .with("basis", json!(shown.basis.offset))
        .with("page", json!(page_word(&shown.page)))
        .with("signed_by", json!(seal.signed_by))
        .with("orders", orders.iter().map(order_json).collect())
        .and(format!("origin {}, signed by {}", seal.checkpoint.origin, seal.signed_by.join(", ")));
    for order in orders {
        verdict = verdict.and(order_line(order));
    }
    if let Some(version) = other_version {
        verdict = verdict.but(format!(
            "that the page and the folded states say what the events do: they were made by \
             version {version}"
        ));
    }
    VerifiedBundle::not_proven().iter().fold(verdict, |verdict, caveat| verdict.but(*caveat))
}

/// Whether the page was compared, for programs.
fn page_word(page: &PageCheck) -> &'static str {
    match page {
        PageCheck::Equal => "compared",
        PageCheck::OtherVersion(_) => "not compared",
    }
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
