//! What was appended since a directory was made, by order, until the next directory takes it in.
//! Does not know the log, nor the directory that it will be merged into.

use super::stored::DirectoryError;
use crate::log::Hash;

/// Entries from one offset on, by order: in memory, and in sorted files beyond a fixed number.
#[derive(Debug)]
pub(crate) struct Changes {}

impl Changes {
    /// Takes the next entry of the log.
    ///
    /// # Errors
    /// What the disk says when orders are spilled. The entry may be lost: begin anew from the log.
    pub(crate) fn add(&mut self, _order: &Hash, _leaf: &Hash) -> Result<(), DirectoryError> {
        Ok(())
    }

    /// The offset behind the last entry that was taken.
    pub(crate) fn end(&self) -> u64 {
        0
    }
}
