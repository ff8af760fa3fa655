//! Tamper evidence: the tree over the log, checkpoints that are signed, seals, and what can be shown
//! with them. Does not know gRPC or the command line.

mod checkpoint;
mod directory;
mod note;
mod order_proof;
mod tree;

pub use checkpoint::{Checkpoint, TreeOrigin};
pub use note::{KeyDefect, NoteDefect, VerifierKey};
pub use tree::ProofDefect;
