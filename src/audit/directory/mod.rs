//! The directory of a seal: which orders a ledger holds, how many entries each has, and which leaf
//! is its last, under one hash. Does not know seals, nor signatures, nor who asks.
//!
//! It is a Patricia trie over the 256 bits of the order hashes, and each node counts the entries
//! below it. `path` says what its root proves and what it does not.

mod buffered;
mod changes;
mod fold;
mod format;
mod index;
mod merge;
mod node;
mod path;
mod run;
mod stored;
#[cfg(test)]
mod tests;
mod trie;

pub(crate) use changes::Changes;
pub(crate) use node::{Node, OrderNode};
pub(crate) use path::{DirectoryPath, PathDefect, Standing, Step};
pub(crate) use stored::{Directory, DirectoryError, DirectoryPlace};
pub(crate) use trie::Trie;
