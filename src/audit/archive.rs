//! Where checkpoints are kept: the newest one, and the last one of each day, in each place.
//! Does not know when one is signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::AuditError;
use super::checkpoint::Checkpoint;
use super::files::make_folder;
use super::note::NoteDefect;
use crate::log::{Disk, read_file, write_file};

/// The file of the newest checkpoint.
const LATEST: &str = "latest";

/// A checkpoint and the note that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// The places of one origin's checkpoints. The first is the ledger's own and has to work; what goes
/// wrong in the others is said and tried again with the next checkpoint.
#[derive(Debug)]
pub(super) struct Archive {
    disk: Arc<dyn Disk>,
    /// The folder of the origin in each place.
    folders: Vec<PathBuf>,
    /// Whether the last write into each place failed.
    failing: Vec<bool>,
}

/// A checkpoint that a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptCheckpoint {
    pub(crate) path: PathBuf,
    pub(crate) note: String,
    pub(crate) read: Result<Checkpoint, NoteDefect>,
}

impl KeptCheckpoint {
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Self {
        let note = String::from_utf8_lossy(bytes).into_owned();
        let read = Checkpoint::parse_unverified(&note);
        Self { path: path.to_owned(), note, read }
    }
}

impl Archive {
    /// Opens the places for an origin. A copy that cannot be reached is no reason to stop, but what
    /// it holds is then not compared, and that is said.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        places: impl IntoIterator<Item = PathBuf>,
        origin: &str,
    ) -> Result<Self, AuditError> {
        let folders: Vec<_> = places.into_iter().map(|place| place.join(origin)).collect();
        for (index, folder) in folders.iter().enumerate() {
            match make_folder(&*disk, folder, origin.split('/').count() + 1) {
                Err(error) if index == 0 => return Err(AuditError::io(folder, error)),
                Err(error) => {
                    tracing::error!(folder = %folder.display(), %error, "no copies of checkpoints");
                }
                Ok(()) => {}
            }
        }
        Ok(Self { disk, failing: vec![false; folders.len()], folders })
    }

    /// The newest checkpoint of each place that has one.
    pub(super) fn newest(&self) -> Result<Vec<KeptCheckpoint>, AuditError> {
        let mut found = Vec::new();
        for (index, folder) in self.folders.iter().enumerate() {
            let path = folder.join(LATEST);
            match read_kept(&*self.disk, &path) {
                Err(error) if index == 0 => return Err(AuditError::io(path, error)),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a copy is not compared");
                }
                Ok(kept) => found.extend(kept),
            }
        }
        Ok(found)
    }

    /// Keeps a checkpoint, durably, as the newest; as the last of a day (`2026-11-23`) where one is
    /// given.
    pub(super) fn keep(&mut self, note: &str, day: Option<&str>) -> Result<(), AuditError> {
        for (index, (folder, failing)) in self.folders.iter().zip(&mut self.failing).enumerate() {
            let day = day.map(|day| write_file(&*self.disk, &folder.join(day), note.as_bytes()));
            let kept = day.unwrap_or(Ok(()));
            let latest = || write_file(&*self.disk, &folder.join(LATEST), note.as_bytes());
            let kept = kept.and_then(|()| latest());
            match kept {
                Err(error) if index == 0 => return Err(AuditError::io(folder, error)),
                Err(error) if !*failing => {
                    tracing::error!(folder = %folder.display(), %error, "a copy failed");
                    *failing = true;
                }
                Err(_) => {}
                Ok(()) => *failing = false,
            }
        }
        Ok(())
    }
}

/// Every checkpoint in a place of an origin, by file name.
pub(crate) fn kept_in(disk: &dyn Disk, folder: &Path) -> Result<Vec<KeptCheckpoint>, AuditError> {
    let mut names = match disk.list(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| AuditError::io(folder, error))?,
    };
    names.sort();
    let mut found = Vec::new();
    for name in
        names.iter().filter(|name| name.rsplit_once('.').is_none_or(|(_, kind)| kind != "tmp"))
    {
        let path = folder.join(name);
        found.extend(read_kept(disk, &path).map_err(|error| AuditError::io(&path, error))?);
    }
    Ok(found)
}

fn read_kept(disk: &dyn Disk, path: &Path) -> std::io::Result<Option<KeptCheckpoint>> {
    match read_file(disk, path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => Ok(Some(KeptCheckpoint::of(path, &bytes))),
    }
}
