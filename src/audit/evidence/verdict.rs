//! What became of checking a file of evidence, in kinds and in sentences. Does not know how it is
//! checked.

use super::{EvidenceBasis, EvidenceRole};
use crate::audit::order_proof::{OrderProofDefect, ProvenSeal};
use crate::log::Hash;
use crate::time::{rfc3339, signed, timestamp};

/// What became of checking a file of evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum BundleVerdict {
    /// It holds.
    Verified(Box<VerifiedBundle>),
    /// It was changed, and its digest made anew: what is wrong, and where.
    Tampered(Vec<BundleDefect>),
    /// It is not known whether it holds, or it does not show what is asked for.
    Inconclusive(Vec<BundleDoubt>),
    /// The bytes are not those of a file of evidence as it was made.
    Unreadable(BundleDamage),
}

/// What a file of evidence shows, as of its seal.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedBundle {
    /// The seal, and the checkpoint that one of the keys signed.
    pub seal: ProvenSeal,
    /// The orders, as they stand in the file.
    pub orders: Vec<VerifiedOrder>,
    /// As of when they are shown.
    pub basis: EvidenceBasis,
    /// The ledger that the file names; not proven.
    pub ledger_id: String,
    /// When the file says that it was made, in nanoseconds of the Unix epoch; not proven.
    pub made_at_ns: u64,
    /// Whether the page and the folded orders are what the events make.
    pub page: PageCheck,
}

/// What is proven of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedOrder {
    /// The order.
    pub correlation_id: String,
    /// Why it is in the file.
    pub role: EvidenceRole,
    /// Entries that it has as of the seal; 0: it has none, it is absent.
    pub entry_count: u64,
    /// Entries of these that are shown, from revision 0.
    pub shown_count: u64,
    /// The leaf hashes of the entries, by revision.
    pub leaf_hashes: Vec<Hash>,
}

/// Whether the page and the folded orders are what the events make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageCheck {
    /// They were made again, and are equal byte for byte.
    Equal,
    /// They were made by this other version, and not compared: events are proven, the page is not.
    /// Only with [`BundleOptions::events_only`](super::BundleOptions::events_only).
    OtherVersion(String),
}

/// What is wrong with a file whose digest is right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleDefect {
    /// Its form is not the one of the format.
    #[error("the file is not in the form of evidence: {0}")]
    Form(String),
    /// A proof does not hold.
    #[error(transparent)]
    Proof(#[from] OrderProofDefect),
    /// One order stands there twice.
    #[error("order {0} stands in the file twice")]
    Twice(String),
    /// Two entries are said to be at one place of the log.
    #[error("two entries are said to have offset {0}")]
    OffsetTwice(u64),
    /// What is shown at a place is no event of the order.
    #[error("order {order}, revision {revision}: {what}")]
    Event {
        /// The order.
        order: String,
        /// The place in it.
        revision: u64,
        /// What is wrong.
        what: String,
    },
    /// The orders are shown as of more than the seal covers.
    #[error("shown as of offset {basis}, and the seal covers {covered} entries")]
    Basis {
        /// As of which offset.
        basis: u64,
        /// What the seal covers.
        covered: u64,
    },
    /// A history that an order names is not there.
    #[error("order {order} names {history}, which is not in the file")]
    HistoryMissing {
        /// The order.
        order: String,
        /// What it names.
        history: String,
    },
    /// The folded order is not what its events make.
    #[error("order {0}: its state is not what its events make")]
    State(String),
    /// The page is not what the data makes.
    #[error("the page is not what the proven events make, from byte {0} on: do not believe it")]
    Page(usize),
}

/// Why it is not known whether a file holds, or what it does not show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleDoubt {
    /// None of the keys signed the checkpoint.
    #[error("signed by none of the keys given; it is signed by {}", .0.join(", "))]
    UnknownKey(Vec<String>),
    /// The seal covers less than is required.
    #[error("the seal covers {covered} entries, {required} are required: ask for a newer file")]
    Covers {
        /// What it has to cover.
        required: u64,
        /// What it covers.
        covered: u64,
    },
    /// It is not shown that the seal covers all that was recorded until a time.
    #[error(
        "it is not shown that the seal covers all that was recorded until {}: ask for a newer file",
        time_text(*required_ns)
    )]
    RecordedUntil {
        /// The time, in nanoseconds of the Unix epoch.
        required_ns: u64,
    },
    /// The format is newer than this program.
    #[error("the file has format {0}, this program knows 1: take a newer program")]
    NewerFormat(u64),
    /// Another version made the page and the folded orders; whoever holds a file can say so, and
    /// have the page say anything.
    #[error(
        "the events are proven; the page and the folded states were made by version {version} and \
         were not compared: verify with that version, or have the events alone verified \
         (--events-only)"
    )]
    Page {
        /// Which version the file names.
        version: String,
    },
    /// An event is committed, and this program cannot read it.
    #[error("order {order}, revision {revision}: made by version {version}, and not readable here")]
    UnreadableEvent {
        /// The order.
        order: String,
        /// The place in it.
        revision: u64,
        /// Which version made the file.
        version: String,
    },
}

/// Why bytes are not those of a file of evidence as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleDamage {
    /// It is something else.
    #[error("not a file of evidence")]
    NotEvidence,
    /// The digest in the last line is not that of what stands above.
    #[error("the file was changed or cut off after it was made: its last line is not its digest")]
    Digest,
}

/// What no check of a file shows, whatever it says; sentences for people.
const NOT_PROVEN: [&str; 7] = [
    "the id of the ledger, when the file was made, and the policy that orders are folded with: \
     the file says so",
    "which orders are in the file, as of when they are shown, and signatures by keys that were not \
     given",
    "offsets of entries before an order's last one, beyond that they rise: their sequence and \
     their times are proven",
    "that no other order names one that was asked for: those that the ledger knows are in the file",
    "a phantom count: an operator who rewrote the directory may have hidden entries in the count \
     of another order; replaying the log finds that",
    "events that the ledger never took, and whether an event tells the truth",
    "that the holder of log and key did not sign another history that nobody kept: compare \
     checkpoints with those that were kept elsewhere",
];

impl VerifiedBundle {
    /// What is not shown, whatever the file says; sentences for people.
    ///
    /// ```
    /// let not_proven = order_ledger::VerifiedBundle::not_proven();
    /// assert!(not_proven.iter().any(|one| one.contains("policy")));
    /// ```
    #[must_use]
    pub fn not_proven() -> &'static [&'static str] {
        &NOT_PROVEN
    }
}

fn time_text(ns: u64) -> String {
    rfc3339(&timestamp(signed(ns)), None)
}
