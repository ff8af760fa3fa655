//! The directory in a file: an index of buckets in memory, the orders on disk.
//! Does not know the log that it is derived from: what is damaged is made again by the caller.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::changes::Changes;
use super::node::Node;
use super::path::DirectoryPath;
use crate::log::{Disk, Hash};

/// Where the directory of a ledger is stored.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryPlace {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) ledger_id: [u8; 16],
}

/// An immutable directory in a file.
#[derive(Debug)]
pub(crate) struct Directory {}

/// Why a directory could not be read or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {defect}", path.display())]
    Damaged { path: PathBuf, defect: DirectoryDefect },
}

/// What is wrong with a stored directory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DirectoryDefect {
    #[error("this is no directory: the magic is wrong")]
    Magic,
}

impl DirectoryPlace {
    /// Opens what is stored, reads all of it and computes it again; `None` where nothing is.
    /// Removes what a crash left of unfinished work, so no [`Changes`] may exist yet.
    ///
    /// # Errors
    /// Damage, after which the directory has to be made again from the log.
    pub(crate) fn open(&self) -> Result<Option<Directory>, DirectoryError> {
        Ok(None)
    }

    /// Begins to gather what the log holds from an offset on.
    pub(crate) fn changes_from(&self, _begin: u64) -> Changes {
        Changes {}
    }

    /// Makes the directory that covers `base` and what came behind it; without a base, the first.
    /// `base` stays valid as long as it is held, `changes` until it is dropped.
    ///
    /// # Errors
    /// What the disk says, or damage of what was read. What was stored before is still in place.
    pub(crate) fn merge(
        &self,
        _base: Option<&Directory>,
        _changes: &mut Changes,
    ) -> Result<Directory, DirectoryError> {
        Ok(Directory {})
    }
}

impl Directory {
    /// How many entries of the log it covers: those before this offset.
    pub(crate) fn covered(&self) -> u64 {
        0
    }

    pub(crate) fn order_count(&self) -> u64 {
        0
    }

    /// What stands for all orders.
    pub(crate) fn root(&self) -> Node {
        Node { entry_count: 0, hash: [0; 32] }
    }

    /// The path of an order, also of one that is absent. Reads one bucket.
    ///
    /// # Errors
    /// What the disk says, or damage.
    pub(crate) fn path(&self, _order: &Hash) -> Result<DirectoryPath, DirectoryError> {
        Err(DirectoryError::Damaged { path: PathBuf::new(), defect: DirectoryDefect::Magic })
    }
}
