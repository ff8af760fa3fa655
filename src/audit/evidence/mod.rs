//! Evidence: one file that shows the histories of orders to people, and proves them to whoever has
//! a public key. Does not know where proofs come from, nor who carries the file.
//!
//! The page, and what an order is folded to, are a pure function of the data in the file. So
//! whoever checks a file makes all of it again from the events that were proven, and compares the
//! bytes.

#[cfg(test)]
mod attacks;
mod document;
mod file;
#[cfg(test)]
mod format_document;
mod json;
mod page;
mod shown;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verdict;
mod verify;

use super::order_proof::{OrderProof, SealProof};
use crate::event::RecordedEvent;
use crate::ledger::AsOf;
use crate::order::Policy;
use document::Document;
use shown::Shown;

pub use verdict::{
    BundleDamage, BundleDefect, BundleDoubt, BundleVerdict, PageCheck, VerifiedBundle,
    VerifiedOrder,
};
pub(crate) use verify::parse as committed_event;
pub use verify::{BundleOptions, verify_bundle};

/// The version of the file's format.
pub(crate) const FORMAT_VERSION: u64 = 1;
/// The version of what makes pages and folds orders.
pub(crate) const PRODUCT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// All that a file of evidence is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The ledger, as [`Ledger::id`](crate::Ledger::id) has it.
    pub ledger_id: String,
    /// When the file was made, in nanoseconds of the Unix epoch.
    pub made_at_ns: u64,
    /// As of when the orders are shown.
    pub basis: EvidenceBasis,
    /// What the orders are folded with.
    pub policy: Policy,
    /// The seal that counts all entries of the orders.
    pub seal: SealProof,
    /// The orders: those that were asked for, and the histories that have to do with them.
    pub orders: Vec<EvidenceOrder>,
}

/// As of when orders are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceBasis {
    /// What was asked for.
    pub as_of: AsOf,
    /// What that is in the log: entries with offsets below are shown, those behind are committed
    /// and not shown. At most what the seal covers.
    pub offset: u64,
}

/// An order in a file of evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceOrder {
    /// Why it is in the file.
    pub role: EvidenceRole,
    /// What the seal says of it.
    pub proof: OrderProof,
    /// Its events by revision, from revision 0: all below the basis. Those behind it are left out.
    pub events: Vec<RecordedEvent>,
}

/// Why an order is in a file of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceRole {
    /// It was asked for.
    Asked,
    /// It has to do with an order that was asked for.
    Linked,
}

/// Why no file can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The seal says nothing.
    #[error("the entry of the seal is of another kind")]
    Seal,
    /// The checkpoint is none.
    #[error("the checkpoint is none: {0}")]
    Checkpoint(String),
    /// The seal does not reach the basis.
    #[error("the seal covers {covered} entries, and the orders are shown as of {basis}")]
    Basis {
        /// As of which offset.
        basis: u64,
        /// What the seal covers.
        covered: u64,
    },
    /// The events are not those of the proof.
    #[error("order {order}: the event at revision {revision} is missing or not the one proven")]
    Event {
        /// The order.
        order: String,
        /// Its place there.
        revision: u64,
    },
    /// A history that the fold of an order needs is not there.
    #[error("order {order} needs the history {history}")]
    History {
        /// The order.
        order: String,
        /// What it needs.
        history: String,
    },
}

/// Makes the file. Whoever hands it out should put it through [`verify_bundle`] first, which costs
/// little: this does not look at proofs.
///
/// ```
/// # use order_ledger::Evidence;
/// fn write(evidence: &Evidence) -> Result<(), Box<dyn std::error::Error>> {
///     std::fs::write("erp-100045.html", order_ledger::export_evidence(evidence)?)?;
///     Ok(())
/// }
/// ```
///
/// # Errors
/// What does not fit together.
pub fn export_evidence(evidence: &Evidence) -> Result<Vec<u8>, EvidenceError> {
    let shown = Shown::of(evidence)?;
    let data = Document::of(evidence, &shown).to_json();
    Ok(file::write(&page::page(evidence, &shown), &data))
}

impl EvidenceBasis {
    /// Whether an entry is shown.
    pub(crate) fn shows(&self, offset: u64) -> bool {
        offset < self.offset
    }

    /// Whether an entry is on the side of the basis on which what was asked for puts it.
    pub(crate) fn keeps(&self, (offset, recorded_at_ns): (u64, u64)) -> bool {
        let before = self.as_of.offset.is_none_or(|limit| offset < limit);
        let known = self.as_of.recorded_at_ns.is_none_or(|limit| recorded_at_ns <= limit);
        let asked = self.as_of.offset.is_some() || self.as_of.recorded_at_ns.is_some();
        if self.shows(offset) { before && known } else { !(asked && before && known) }
    }
}
