//! Proofs about the tree as they are handed out, and how who has a checkpoint checks them.
//! Does not know how they are made.

use std::sync::Arc;

use super::archive::SignedCheckpoint;
use super::tree::{ProofDefect, verify_consistency, verify_inclusion};
use crate::log::Hash;

/// The proof that an entry is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The number of leaves of the tree.
    pub tree_size: u64,
    /// The leaf hash of the entry.
    pub leaf_hash: Hash,
    /// Siblings from the leaf upwards.
    pub hashes: Vec<Hash>,
    /// The checkpoint of that tree, where no size was asked for.
    pub signed: Option<Arc<SignedCheckpoint>>,
}

impl InclusionProof {
    /// Checks that an entry with this leaf hash stands at `offset` of the log whose first
    /// `tree_size` entries have that root.
    ///
    /// # Errors
    /// Why the proof does not show it.
    pub fn verify(&self, offset: u64, root: &Hash) -> Result<(), ProofDefect> {
        verify_inclusion((offset, &self.leaf_hash), (self.tree_size, root), &self.hashes)
    }
}

/// The proof that a log begins with an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The number of leaves of the newer tree.
    pub tree_size: u64,
    /// The hashes of the proof.
    pub hashes: Vec<Hash>,
    /// The checkpoint of the newer tree, where no size was asked for.
    pub signed: Option<Arc<SignedCheckpoint>>,
}

impl ConsistencyProof {
    /// Checks that the log whose first `tree_size` entries have that root begins with the older
    /// one, given by its size and root.
    ///
    /// # Errors
    /// Why the proof does not show it.
    pub fn verify(&self, older: (u64, &Hash), root: &Hash) -> Result<(), ProofDefect> {
        verify_consistency(older, (self.tree_size, root), &self.hashes)
    }
}
