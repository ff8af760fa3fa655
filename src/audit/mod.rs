//! Tamper evidence: the tree over the log, checkpoints that are signed, seals, and what can be shown
//! with them. Does not know gRPC or the command line.

mod checkpoint;
mod directory;
mod evidence;
mod html;
mod note;
mod order_proof;
mod tree;

pub use checkpoint::{Checkpoint, TreeOrigin};
pub use evidence::{
    BundleDamage, BundleDefect, BundleDoubt, BundleOptions, BundleVerdict, Evidence, EvidenceBasis,
    EvidenceError, EvidenceOrder, EvidenceRole, PageCheck, VerifiedBundle, VerifiedOrder,
    export_evidence, verify_bundle,
};
pub use note::{KeyDefect, NoteDefect, VerifierKey};
pub use order_proof::{ChainEntry, OrderProof, OrderProofDefect, ProvenSeal, SealProof};
pub use tree::ProofDefect;
