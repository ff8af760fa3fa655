//! What the audit cannot do, and why. Does not know statuses of a wire format.

use std::io;
use std::path::PathBuf;

use super::directory::DirectoryError;
use super::note::KeyDefect;
use crate::event::{Violation, listed};
use crate::ledger::{AppendError, QueryError};

/// Why the audit cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The log does not continue what was signed, or that cannot be seen. Appends and reads go on;
    /// nothing more is signed until the audit is opened again.
    #[error("nothing is signed: {0}")]
    SigningRefused(String),
    /// The tree is still being made from the log.
    #[error("the tree over the log is being made: {done} of {total} entries")]
    Behind {
        /// Leaves that are in the tree.
        done: u64,
        /// Entries of the log.
        total: u64,
    },
    /// The request is wrong in itself.
    #[error("invalid request: {}", listed(.0))]
    Invalid(Vec<Violation>),
    /// A label stands for another seal already.
    #[error("period {label} was closed at offset {offset} by {actor}: a label is given once")]
    PeriodExists {
        /// The label.
        label: String,
        /// The offset of the entry that closed it.
        offset: u64,
        /// Who closed it.
        actor: String,
    },
    /// No seal has this label.
    #[error("no period is called {0}; list the periods for those there are")]
    UnknownPeriod(String),
    /// The log has another origin than the one asked for.
    #[error(
        "the origin is {is}, not {asked}; to begin another one, which ends the old one for ever, \
         use --new-origin"
    )]
    OtherOrigin {
        /// Under which checkpoints are signed.
        is: String,
        /// What was asked for.
        asked: String,
    },
    /// An origin that has ended does not begin again.
    #[error("the origin {0} has ended, and an ended one is never continued; choose another name")]
    OriginEnded(String),
    /// The keys that signed before are not there.
    #[error(
        "{} has no key of {origin}, and checkpoints were signed under that name: put its keys \
         back; where they are lost, add one (order-ledger key add --origin) for auditors to get",
        folder.display()
    )]
    KeyMissing {
        /// Where keys are.
        folder: PathBuf,
        /// The origin.
        origin: String,
    },
    /// A key cannot be used.
    #[error("{}: {defect}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        defect: KeyDefect,
    },
    /// A key is of another origin.
    #[error(
        "{}: the key is named {name}; keys that sign for {origin} have that name",
        path.display()
    )]
    KeyName {
        /// Its file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// The origin.
        origin: String,
    },
    /// Somebody in this process has the ledger's audit open.
    #[error("the audit of this ledger is open already")]
    AlreadyOpen,
    /// The audit is closed, or its thread has ended.
    #[error("the audit is closed")]
    Closed,
    /// Something could not be read or written; it is tried again.
    #[error("nothing is signed for now, and it is tried again: {0}")]
    Storage(String),
    /// The audit's thread has ended.
    #[error("the audit has stopped: {0}; open the ledger again")]
    Stopped(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// The directory of seals could not be read or written.
    #[error("the directory of seals: {0}")]
    Directory(String),
    /// What the log holds is not what was sealed.
    #[error(
        "evidence of it would not hold: {0}; order-ledger verify says where the log is damaged"
    )]
    Unproven(String),
    /// A ledger's keys are of several origins, or there are none yet.
    #[error("{0}")]
    KeyOrigin(String),
    /// The ledger could not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The ledger could not append.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl AuditError {
    pub(super) fn invalid(field: &str, what: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(field, what)])
    }

    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

impl From<DirectoryError> for AuditError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error.to_string())
    }
}
