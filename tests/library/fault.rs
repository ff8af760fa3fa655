//! Operations of a disk that are to fail, and how. Does not know the disk.

use std::io;
use std::path::Path;

/// What is done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    CreateDir,
    List,
    Open,
    Read,
    Remove,
    Rename,
    SetSize,
    Size,
    Sync,
    SyncDir,
    Write,
}

impl Kind {
    /// Whether a power cut before it leaves something else than a power cut behind it.
    pub(crate) fn is_counted(self) -> bool {
        !matches!(self, Self::List | Self::Open | Self::Read | Self::Size)
    }
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) kind: Kind,
    pub(crate) path: &'a Path,
}

/// What a failing operation does before it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing(io::ErrorKind),
    /// A write takes some of the bytes; a sync makes all of them durable.
    Done(io::ErrorKind),
    /// A sync leaves the bytes to be read, and no later sync ever makes them durable.
    Forgotten(io::ErrorKind),
}

impl Then {
    pub(crate) fn error(self) -> io::Error {
        let (Self::Nothing(kind) | Self::Done(kind) | Self::Forgotten(kind)) = self;
        kind.into()
    }
}

/// An error that a disk gives.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    kind: Kind,
    /// End of the path.
    name: String,
    passes: u64,
    strikes: u64,
    then: Then,
}

impl Fault {
    /// Every operation of a kind on files whose path ends in `name`.
    pub(crate) fn on(kind: Kind, name: &str, then: Then) -> Self {
        let name = name.to_owned();
        Self { kind, name, passes: 0, strikes: u64::MAX, then }
    }

    /// Lets so many of the operations pass, and then one fail.
    pub(crate) fn once_after(mut self, passes: u64) -> Self {
        (self.passes, self.strikes) = (passes, 1);
        self
    }

    pub(crate) fn strike(&mut self, operation: &Operation<'_>) -> Option<Then> {
        let path = operation.path.to_string_lossy();
        if operation.kind != self.kind || !path.ends_with(&self.name) || self.strikes == 0 {
            return None;
        }
        if self.passes > 0 {
            self.passes -= 1;
            return None;
        }
        self.strikes -= 1;
        Some(self.then)
    }
}
