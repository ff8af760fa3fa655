//! The proof of an order's history as of a seal, and how it is checked: with a public key, and with
//! nothing else. Does not know how proofs are made, kept or carried.

use super::checkpoint::Checkpoint;
use super::directory::{DirectoryPath, Node, PathDefect, Standing};
use super::note::{NoteDefect, VerifierKey};
use super::tree::{ProofDefect, verify_inclusion};
use crate::event::RecordedEvent;
use crate::log::{Hash, Leaf, NO_PREVIOUS, flags_of, order_hash};
use crate::num::u64_from;

/// Where the histories of seals begin.
pub(crate) const SEALS: &str = "$seals/";
/// The type of a seal's entry.
pub(crate) const SEAL_MADE: &str = "seal.made";

/// A seal's entry, and that it is in the log of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealProof {
    /// The entry of the seal.
    pub entry: RecordedEvent,
    /// Its siblings in the tree of the checkpoint.
    pub inclusion: Vec<Hash>,
    /// The checkpoint, as a signed note.
    pub checkpoint: String,
}

/// An entry of an order, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEntry {
    /// Its place in the log; proven for the last one of an order.
    pub offset: u64,
    /// When the ledger took it, in nanoseconds of the Unix epoch.
    pub recorded_at_ns: u64,
    /// When it occurred, in nanoseconds of the Unix epoch; 0 where the event does not say.
    pub occurred_at_ns: i64,
    /// SHA-256(0x20 + body).
    pub body_hash: Hash,
}

/// What a directory says of an order, and the entries that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderProof {
    /// The order.
    pub correlation_id: String,
    /// Its entries by revision; none where it is absent.
    pub chain: Vec<ChainEntry>,
    /// Its place in the directory.
    pub(crate) path: DirectoryPath,
    /// The siblings of its last entry in the tree of the checkpoint.
    pub last_inclusion: Vec<Hash>,
}

/// A seal that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenSeal {
    /// The checkpoint that shows it.
    pub checkpoint: Checkpoint,
    /// Those of the given keys that signed the checkpoint, as `NAME+HASH`.
    pub signed_by: Vec<String>,
    /// The offset of its entry.
    pub offset: u64,
    /// When the ledger took it, in nanoseconds of the Unix epoch.
    pub recorded_at_ns: u64,
    /// The number of entries that it covers.
    pub covered: u64,
    /// The root of its directory.
    pub directory_root: Hash,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderProofDefect {
    /// The checkpoint is not believed.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] NoteDefect),
    /// What stands in the place of the seal is none.
    #[error("the seal: {0}")]
    Seal(String),
    /// The seal is not in the log of the checkpoint.
    #[error("the seal is not in the log of the checkpoint: {0}")]
    SealInclusion(ProofDefect),
    /// The directory of the seal does not say this of the order.
    #[error("order {0}: the seal's directory does not have it like this: {1}")]
    Path(String, String),
    /// The entries are not those that the directory counts.
    #[error("order {order}: {found} entries, where the seal has {sealed}")]
    Count {
        /// The order.
        order: String,
        /// Entries that are there.
        found: u64,
        /// Entries that the seal counts.
        sealed: u64,
    },
    /// An entry was changed, left out or exchanged.
    #[error("order {0}: its entries do not lead to the head that was sealed: {1}")]
    Chain(String, String),
    /// The last entry is not at its offset.
    #[error("order {0}: its last entry is not in the log of the checkpoint: {1}")]
    LastInclusion(String, ProofDefect),
}

impl SealProof {
    /// Checks that one of the keys signed a log with this seal in it.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<ProvenSeal, OrderProofDefect> {
        let (checkpoint, signed_by) = Checkpoint::verify_signers(&self.checkpoint, keys)?;
        let wrong = |what: &str| OrderProofDefect::Seal(what.to_owned());
        let event = &self.entry.event;
        if !event.correlation_id().starts_with(SEALS) || event.event_type() != SEAL_MADE {
            return Err(wrong("the entry is of another kind"));
        }
        let said = event.ledger_entry().and_then(|entry| entry.seal);
        let seal = said.ok_or_else(|| wrong("its entry says nothing"))?;
        let root = Hash::try_from(seal.directory_root);
        let directory_root = root.map_err(|_| wrong("the directory's root is not 32 bytes"))?;
        let (offset, covered) = (self.entry.offset, seal.covered);
        if covered == 0 || covered > offset {
            return Err(wrong("it covers entries behind itself, or none"));
        }
        let leaf = self.entry.leaf_hash();
        verify_inclusion((offset, &leaf), (checkpoint.size, &checkpoint.root), &self.inclusion)
            .map_err(OrderProofDefect::SealInclusion)?;
        let recorded_at_ns = self.entry.recorded_at_ns;
        Ok(ProvenSeal { checkpoint, signed_by, offset, recorded_at_ns, covered, directory_root })
    }
}

impl ChainEntry {
    /// What an entry of the log is without its body.
    pub(crate) fn of(recorded: &RecordedEvent) -> Self {
        Self {
            offset: recorded.offset,
            recorded_at_ns: recorded.recorded_at_ns,
            occurred_at_ns: recorded.event.occurred_at_ns().unwrap_or(0),
            body_hash: crate::log::body_hash(recorded.event.body()),
        }
    }

    fn leaf_hash(&self, (order, flags): (&Hash, u8), revision: u64, previous: &Hash) -> Hash {
        Leaf {
            flags,
            recorded_at: self.recorded_at_ns,
            occurred_at: self.occurred_at_ns,
            revision,
            order,
            previous,
            body: &self.body_hash,
        }
        .hash()
    }
}

impl OrderProof {
    /// Checks that the order has these entries and no others among those that the seal covers;
    /// answers their leaf hashes by revision, none for an absent order.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn verify(&self, seal: &ProvenSeal) -> Result<Vec<Hash>, OrderProofDefect> {
        let name = || self.correlation_id.clone();
        let order = order_hash(self.correlation_id.as_bytes());
        let root = Node { entry_count: seal.covered, hash: seal.directory_root };
        let standing = self.path.verify(&order, &root);
        let standing = standing
            .map_err(|defect: PathDefect| OrderProofDefect::Path(name(), defect.to_string()))?;
        let (sealed, head) = match standing {
            Standing::Present { entry_count, head } => (entry_count, head),
            Standing::Absent => (0, NO_PREVIOUS),
        };
        let found = u64_from(self.chain.len());
        if found != sealed {
            return Err(OrderProofDefect::Count { order: name(), found, sealed });
        }
        let leaves = self.leaf_hashes(&order);
        let Some((last, entry)) = leaves.last().zip(self.chain.last()) else {
            return Ok(leaves);
        };
        let broken = |what: &str| OrderProofDefect::Chain(name(), what.to_owned());
        if *last != head {
            return Err(broken("one of them was changed, exchanged or left out"));
        }
        let rises = |pair: &[ChainEntry]| match pair {
            [one, next] => one.offset < next.offset && one.recorded_at_ns <= next.recorded_at_ns,
            _ => true,
        };
        if !self.chain.windows(2).all(rises) || entry.recorded_at_ns > seal.recorded_at_ns {
            return Err(broken("offsets or times of recording do not rise"));
        }
        if entry.offset >= seal.covered {
            return Err(broken("an offset is not among those that the seal covers"));
        }
        let tree = (seal.checkpoint.size, &seal.checkpoint.root);
        verify_inclusion((entry.offset, last), tree, &self.last_inclusion)
            .map_err(|defect| OrderProofDefect::LastInclusion(name(), defect))?;
        Ok(leaves)
    }

    /// The leaf hashes of the entries, each made with the one before it.
    fn leaf_hashes(&self, order: &Hash) -> Vec<Hash> {
        let flags = flags_of(self.correlation_id.as_bytes());
        let mut previous = NO_PREVIOUS;
        let leaf = |(revision, entry): (u64, &ChainEntry)| {
            previous = entry.leaf_hash((order, flags), revision, &previous);
            previous
        };
        (0..).zip(&self.chain).map(leaf).collect()
    }
}
