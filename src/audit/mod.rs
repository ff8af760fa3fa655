//! Tamper evidence: the tree over the log, checkpoints that are signed, seals, and what can be
//! shown with them. Does not know gRPC or the command line.

mod archive;
mod checkpoint;
mod directory;
mod error;
mod evidence;
mod export;
mod files;
pub(crate) mod html;
mod keeper;
mod keys;
mod note;
mod open;
mod options;
mod order_proof;
mod origin;
mod period;
mod reads;
mod received;
mod sample;
mod seal;
mod since;
mod stored_tree;
mod tree;
mod tree_proof;
mod verify;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

pub use archive::SignedCheckpoint;
pub use checkpoint::{Checkpoint, TreeOrigin};
pub use error::AuditError;
pub use evidence::{
    BundleDamage, BundleDefect, BundleDoubt, BundleOptions, BundleVerdict, Evidence, EvidenceBasis,
    EvidenceError, EvidenceOrder, EvidenceRole, PageCheck, VerifiedBundle, VerifiedOrder,
    export_evidence, verify_bundle,
};
pub use export::EvidenceQuery;
pub(crate) use export::Exported;
pub use keys::{add_signing_key, signing_keys};
pub use note::{KeyDefect, NoteDefect, VerifierKey};
pub use options::{AuditOptions, NewOrigin};
pub use order_proof::{ChainEntry, OrderProof, OrderProofDefect, ProvenSeal, SealProof};
pub use period::Period;
pub(crate) use reads::ReadLog;
pub use received::MalformedProof;
pub(crate) use received::entry_of;
pub(crate) use sample::{Sampled, part_found, sample_offsets};
pub use since::{SinceDefect, continues_history};
pub use tree::ProofDefect;
pub use tree_proof::{ConsistencyProof, InclusionProof};
pub use verify::{
    CheckpointFinding, ComparedCheckpoint, LedgerVerdict, OriginStart, Verdict, VerifyError,
    VerifyOptions, verify_ledger,
};

use keeper::{SealWanted, Standing, Trouble, Wanted};
use period::Closing;
use seal::Sealed;
use stored_tree::StoredTree;

use crate::ledger::{Ledger, QueryError, block_on, block_on_until};
use crate::log::order_hash;

/// How long a question waits for a tree that is being made.
const BEHIND_WAIT: Duration = Duration::from_secs(5);
/// How long a question waits for a checkpoint.
const PATIENCE: Duration = Duration::from_secs(30);
const BEHIND_PAUSE: Duration = Duration::from_millis(10);

/// The audit of a ledger: it keeps the tree over the log, signs checkpoints, and makes seals and
/// proofs. One may be open for a ledger at a time. Methods wait, so a task calls them where it may
/// block. Dropping it closes it.
///
/// ```
/// use std::sync::Arc;
///
/// use order_ledger::{Audit, AuditOptions, Batch, Checkpoint, Event, Ledger, Options, proto};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let ledger = Arc::new(Ledger::open(&folder, Options::default())?);
/// let audit = Audit::open(Arc::clone(&ledger), AuditOptions::default())?;
/// # let event = proto::OrderEvent {
/// #     correlation_id: "erp/7".into(),
/// #     source: "wms:dc1".into(),
/// #     event_id: "p-1".into(),
/// #     r#type: "pick.confirmed".into(),
/// #     ..Default::default()
/// # };
/// let appended = ledger.append(Batch::of([Event::new(&event).unwrap()]))?;
///
/// // A signed statement that covers what was appended.
/// let signed = audit.checkpoint(appended.head)?;
/// let keys = audit.verifier_keys();
/// assert_eq!(Checkpoint::verify(&signed.note, keys)?.size, appended.head);
///
/// // All of an order, and that it is all as of the seal; an unknown one is proven absent.
/// let ids = ["erp/7".to_owned(), "erp/8".to_owned()];
/// let (seal, orders) = audit.order_proofs(&ids, Some(appended.head))?;
/// let seal = seal.verify(keys)?;
/// assert_eq!(orders[0].verify(&seal)?, [appended.outcomes[0].receipt().leaf_hash]);
/// assert_eq!(orders[1].verify(&seal)?, [[0; 32]; 0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Audit {
    ledger: Arc<Ledger>,
    tree: Arc<StoredTree>,
    wanted: Arc<Wanted>,
    standing: watch::Receiver<Standing>,
    origin: String,
    verifier_keys: Vec<VerifierKey>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A seal that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealMade {
    /// The offset of its entry, or of the entry that closed the period.
    pub offset: u64,
    /// The number of entries that it covers.
    pub covered: u64,
    /// A checkpoint that covers it.
    pub signed: Arc<SignedCheckpoint>,
}

impl Audit {
    /// Opens the audit of a ledger. The tree is compared with what was signed before anything is
    /// signed again; that, and making it where it is missing, happens in the background.
    ///
    /// # Errors
    /// [`AuditError::AlreadyOpen`], keys, origins and places that cannot be used.
    pub fn open(ledger: Arc<Ledger>, options: AuditOptions) -> Result<Self, AuditError> {
        open::open(ledger, options)
    }

    fn of(
        ledger: Arc<Ledger>,
        tree: Arc<StoredTree>,
        (wanted, standing): (Arc<Wanted>, watch::Receiver<Standing>),
        (origin, verifier_keys, thread): (String, Vec<VerifierKey>, JoinHandle<()>),
    ) -> Self {
        let thread = Mutex::new(Some(thread));
        Self { ledger, tree, wanted, standing, origin, verifier_keys, thread }
    }

    /// The name that checkpoints are signed under.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public halves of the keys that sign.
    #[must_use]
    pub fn verifier_keys(&self) -> &[VerifierKey] {
        &self.verifier_keys
    }

    /// A checkpoint that covers at least so many entries.
    ///
    /// # Errors
    /// [`AuditError::SigningRefused`], [`AuditError::Behind`], a number beyond the head,
    /// and what the disk says.
    pub fn checkpoint(&self, at_least: u64) -> Result<Arc<SignedCheckpoint>, AuditError> {
        let head = self.ledger.head();
        if at_least > head {
            return Err(QueryError::BeyondHead { offset: at_least, head }.into());
        }
        let covers = |standing: &Standing| {
            let signed = standing.signed.as_ref().filter(|_| standing.behind.is_none());
            signed.is_some_and(|signed| signed.checkpoint.size >= at_least)
        };
        self.settle(at_least, covers)?.signed.ok_or(AuditError::Closed)
    }

    /// Waits until something stands, where a checkpoint of that size brings it.
    fn settle(
        &self,
        at_least: u64,
        ready: impl Fn(&Standing) -> bool,
    ) -> Result<Standing, AuditError> {
        let began = Instant::now();
        let mut standing = self.standing.clone();
        if !ready(&standing.borrow()) {
            self.wanted.checkpoint(at_least);
            self.ledger.poke();
        }
        loop {
            let settled = |standing: &Standing| {
                ready(standing) || standing.trouble.is_some() || standing.behind.is_some()
            };
            let Some(now) = block_on_until(standing.wait_for(settled), began + PATIENCE) else {
                let what = format!(
                    "no checkpoint came within {} s: does a disk hang?",
                    PATIENCE.as_secs()
                );
                return Err(AuditError::Storage(what));
            };
            let now = now.map_err(|_| AuditError::Closed)?.clone();
            if ready(&now) && !matches!(now.trouble, Some(Trouble::Refused(_))) {
                return Ok(now);
            }
            match (now.trouble, now.behind) {
                (Some(Trouble::Refused(why)), _) => return Err(AuditError::SigningRefused(why)),
                (Some(Trouble::Storage(why)), _) => return Err(AuditError::Storage(why)),
                (Some(Trouble::Stopped(why)), _) => return Err(AuditError::Stopped(why)),
                (None, Some((done, total))) if began.elapsed() > BEHIND_WAIT => {
                    return Err(AuditError::Behind { done, total });
                }
                (None, _) => std::thread::sleep(BEHIND_PAUSE),
            }
        }
    }

    /// The tree that a question is about: of the size that was asked for, or of a checkpoint that
    /// covers `at_least` entries.
    fn tree_of(
        &self,
        asked: Option<u64>,
        at_least: u64,
    ) -> Result<(u64, Option<Arc<SignedCheckpoint>>), AuditError> {
        let Some(size) = asked else {
            let signed = self.checkpoint(at_least)?;
            return Ok((signed.checkpoint.size, Some(signed)));
        };
        self.checkpoint(size)?;
        Ok((size, None))
    }

    /// Proves that an entry is in the log: in the tree of `tree_size` entries, or of the newest
    /// checkpoint that covers it.
    ///
    /// # Errors
    /// As [`Audit::checkpoint`], and an offset that is not in the tree.
    pub fn inclusion_proof(
        &self,
        offset: u64,
        tree_size: Option<u64>,
    ) -> Result<InclusionProof, AuditError> {
        let head = self.ledger.head();
        if offset >= head {
            return Err(QueryError::BeyondHead { offset, head }.into());
        }
        if let Some(size) = tree_size.filter(|size| *size <= offset) {
            let what = format!("{size}; the tree has to hold offset {offset}");
            return Err(AuditError::invalid("tree_size", what));
        }
        let (tree_size, signed) = self.tree_of(tree_size, offset + 1)?;
        let leaf_hash = self.ledger.leaf_hashes(offset, offset + 1)?;
        let leaf_hash = leaf_hash.first().copied().ok_or(AuditError::Closed)?;
        let hashes = self.tree.inclusion(offset, tree_size)?;
        Ok(InclusionProof { tree_size, leaf_hash, hashes, signed })
    }

    /// Proves that the log of `to_size` entries, or of the newest checkpoint, begins with its first
    /// `from_size` entries.
    ///
    /// # Errors
    /// As [`Audit::checkpoint`], and sizes that fall.
    pub fn consistency_proof(
        &self,
        from_size: u64,
        to_size: Option<u64>,
    ) -> Result<ConsistencyProof, AuditError> {
        if let Some(size) = to_size.filter(|size| *size < from_size) {
            let what = format!("{size}; the newer tree has at least from_size = {from_size}");
            return Err(AuditError::invalid("to_size", what));
        }
        let (tree_size, signed) = self.tree_of(to_size, from_size)?;
        let hashes = self.tree.consistency(from_size, tree_size)?;
        Ok(ConsistencyProof { tree_size, hashes, signed })
    }

    /// Proves what the histories of orders are, all under one seal: one that covers `covers`
    /// entries, or, where that is not given, all entries of now.
    ///
    /// # Errors
    /// As [`Audit::checkpoint`], and what the directory of the seal says.
    pub fn order_proofs(
        &self,
        correlation_ids: &[String],
        covers: Option<u64>,
    ) -> Result<(SealProof, Vec<OrderProof>), AuditError> {
        let sealed = self.sealed(covers.unwrap_or_else(|| self.ledger.head()))?;
        let signed = self.checkpoint(sealed.entry.offset + 1)?;
        let size = signed.checkpoint.size;
        let seal = SealProof {
            entry: sealed.entry.clone(),
            inclusion: self.tree.inclusion(sealed.entry.offset, size)?,
            checkpoint: signed.note.clone(),
        };
        let order = |correlation_id: &String| {
            let path = sealed.directory.path(&order_hash(correlation_id.as_bytes()))?;
            let recorded = self.ledger.recorded_below(correlation_id, sealed.covered())?;
            let chain: Vec<_> = recorded.iter().map(ChainEntry::of).collect();
            let last = chain.last().map(|last| self.tree.inclusion(last.offset, size));
            let last_inclusion = last.transpose()?.unwrap_or_default();
            let correlation_id = correlation_id.clone();
            Ok(OrderProof { correlation_id, chain, path, last_inclusion })
        };
        let orders = correlation_ids.iter().map(order).collect::<Result<_, AuditError>>()?;
        Ok((seal, orders))
    }

    /// The newest seal, where it covers so many entries, or else a new one.
    fn sealed(&self, covers: u64) -> Result<Arc<Sealed>, AuditError> {
        let head = self.ledger.head();
        if covers > head {
            return Err(QueryError::BeyondHead { offset: covers, head }.into());
        }
        let standing = self.settle(0, |standing| standing.behind.is_none())?;
        let newest = standing.sealed.filter(|sealed| {
            // What follows a seal at once is the seal itself: it needs no other one.
            let quiet = sealed.entry.offset == sealed.covered() && covers == sealed.covered() + 1;
            sealed.covered() >= covers || quiet
        });
        match newest {
            Some(sealed) => Ok(sealed),
            None => Ok(self.ask_for_seal(None, covers)?.0),
        }
    }

    fn ask_for_seal(
        &self,
        closing: Option<Closing>,
        covers: u64,
    ) -> Result<(Arc<Sealed>, Option<Period>), AuditError> {
        if self.ledger.head() == 0 {
            let what = "the ledger is empty; a seal covers at least one entry";
            return Err(AuditError::invalid("covers", what));
        }
        self.settle(0, |standing| standing.behind.is_none() && standing.trouble.is_none())?;
        let (reply, answer) = oneshot::channel();
        self.wanted.seal(SealWanted { closing, covers, reply });
        self.ledger.poke();
        block_on(answer).map_err(|_| AuditError::Closed)?
    }

    /// Seals the log as it is now; with a label, that closes a period. A retry with the same label,
    /// actor and reason gets the first one.
    ///
    /// # Errors
    /// [`AuditError::PeriodExists`], [`AuditError::Invalid`], and as [`Audit::checkpoint`].
    pub fn seal(&self, label: &str, actor: &str, reason: &str) -> Result<SealMade, AuditError> {
        let closing = Closing::of(label, actor, reason)?;
        let known = closing.as_ref().map(|closing| closing.known(&self.ledger));
        let (offset, covered) = if let Some(period) = known.transpose()?.flatten() {
            (period.offset, period.covered)
        } else {
            let (sealed, period) = self.ask_for_seal(closing, self.ledger.head())?;
            let made = (sealed.entry.offset, sealed.covered());
            period.map_or(made, |period| (period.offset, period.covered))
        };
        Ok(SealMade { offset, covered, signed: self.checkpoint(offset + 1)? })
    }

    /// Signs a last checkpoint and stops. It may be called again.
    pub fn close(&self) {
        self.wanted.close();
        self.ledger.poke();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the audit's thread had panicked");
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close();
    }
}
