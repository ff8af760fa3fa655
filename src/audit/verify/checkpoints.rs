//! Checkpoints from wherever they are kept, compared with the log. Does not know how the log is
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::archive::{KeptCheckpoint, kept_in};
use super::super::checkpoint::Checkpoint;
use super::super::note::{NoteDefect, VerifierKey};
use super::super::tree::{Edge, empty_root};
use super::origins::Origins;
use super::{VerifyError, VerifyOptions};
use crate::log::{Disk, Hash, read_file};

/// A checkpoint that was compared with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedCheckpoint {
    /// Its file.
    pub path: PathBuf,
    /// Whether the caller named its file or folder: it was kept outside of the ledger's own.
    pub from_elsewhere: bool,
    /// What it says; `None` where it cannot be read.
    pub checkpoint: Option<Checkpoint>,
    /// What became of the comparison.
    pub finding: CheckpointFinding,
}

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointFinding {
    /// One of the keys signed it, and the log is what was signed.
    Agrees,
    /// One of the keys signed it, and the log is not what was signed; how it differs.
    Differs(String),
    /// It says nothing about the log; why.
    Unproven(String),
}

/// A place of checkpoints, with a folder for each origin.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    from_elsewhere: bool,
    /// Whether anything was found in it.
    found: bool,
}

/// What of the log checkpoints are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared<'a> {
    /// The number of entries, as far as they can be read.
    pub(super) size: u64,
    /// Whether there were more, and cannot be read.
    pub(super) is_damaged: bool,
    pub(super) origins: &'a Origins,
}

impl Compared<'_> {
    /// Whether a checkpoint covers entries that cannot be read.
    pub(super) fn is_beyond(&self, size: u64) -> bool {
        self.is_damaged && size > self.size
    }
}

/// Gathers checkpoints, and the roots that the log has at their sizes.
#[derive(Debug)]
pub(super) struct Checkpoints {
    disk: Arc<dyn Disk>,
    places: Vec<Place>,
    kept: Vec<(bool, KeptCheckpoint)>,
    /// Sizes whose roots are still to come.
    sizes: BTreeSet<u64>,
    next: u64,
    roots: BTreeMap<u64, Hash>,
    failed: Option<VerifyError>,
}

impl Checkpoints {
    /// Reads the files that the caller names; folders are read origin by origin.
    pub(super) fn open(own: PathBuf, options: &VerifyOptions) -> Result<Self, VerifyError> {
        let own = Place { folder: own, from_elsewhere: false, found: false };
        let copies = options.checkpoint_folders.iter().cloned();
        let copies = copies.map(|folder| Place { folder, from_elsewhere: true, found: false });
        let mut checkpoints = Self {
            disk: Arc::clone(&options.disk),
            places: [own].into_iter().chain(copies).collect(),
            kept: Vec::new(),
            sizes: BTreeSet::new(),
            next: u64::MAX,
            roots: BTreeMap::from([(0, empty_root())]),
            failed: None,
        };
        for path in &options.checkpoint_files {
            let bytes = read_file(&*options.disk, path).map_err(|e| VerifyError::io(path, e))?;
            checkpoints.add(true, KeptCheckpoint::of(path, &bytes));
        }
        Ok(checkpoints)
    }

    fn add(&mut self, from_elsewhere: bool, kept: KeptCheckpoint) {
        if let Ok(checkpoint) = &kept.read {
            self.sizes.insert(checkpoint.size);
        }
        self.kept.push((from_elsewhere, kept));
    }

    /// Reads what the places hold of an origin that begins with the last entry of the tree.
    pub(super) fn read_origin(&mut self, origin: &str, tree: &Edge) {
        for index in 0..self.places.len() {
            let Some(place) = self.places.get_mut(index) else { continue };
            match kept_in(&*self.disk, &place.folder.join(origin)) {
                Ok(found) => {
                    place.found |= !found.is_empty();
                    let from_elsewhere = place.from_elsewhere;
                    for kept in found {
                        self.add(from_elsewhere, kept);
                    }
                }
                Err(error) => self.failed = self.failed.take().or(Some(error.into())),
            }
        }
        self.roots.insert(tree.size(), tree.root());
        self.sizes = self.sizes.split_off(&(tree.size() + 1));
        self.next = self.sizes.first().copied().unwrap_or(u64::MAX);
    }

    /// Looks at the tree after each entry.
    pub(super) fn passed(&mut self, tree: &Edge) {
        if tree.size() < self.next {
            return;
        }
        self.roots.insert(tree.size(), tree.root());
        self.sizes.remove(&self.next);
        self.next = self.sizes.first().copied().unwrap_or(u64::MAX);
    }

    /// Compares all of them with the log.
    pub(super) fn compare(
        &mut self,
        keys: &[VerifierKey],
        log: Compared<'_>,
    ) -> Result<Vec<ComparedCheckpoint>, VerifyError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let kept = std::mem::take(&mut self.kept);
        let compare = |(from_elsewhere, kept): (bool, KeptCheckpoint)| ComparedCheckpoint {
            finding: self.compare_one(&kept, keys, log),
            path: kept.path,
            from_elsewhere,
            checkpoint: kept.read.ok(),
        };
        Ok(kept.into_iter().map(compare).collect())
    }

    fn compare_one(
        &self,
        kept: &KeptCheckpoint,
        keys: &[VerifierKey],
        log: Compared<'_>,
    ) -> CheckpointFinding {
        use CheckpointFinding::{Agrees, Differs, Unproven};
        if let Ok(signed) = &kept.read
            && !log.origins.names.contains(&signed.origin)
        {
            let here = log.origins.names.join(", then ");
            return Unproven(format!("it is of origin {}, this log is {here}", signed.origin));
        }
        let signed = match Checkpoint::verify(&kept.note, keys) {
            Ok(signed) => signed,
            Err(defect @ NoteDefect::BadSignature(_)) => return Differs(defect.to_string()),
            Err(NoteDefect::UnknownKey(by)) => {
                let by = by.join(", ");
                return Unproven(format!("it is signed by {by}, which is none of the keys given"));
            }
            Err(defect @ NoteDefect::Malformed(_)) => return Unproven(defect.to_string()),
        };
        if log.is_beyond(signed.size) {
            return Unproven(format!(
                "it covers {} entries, and those from offset {} on cannot be read",
                signed.size, log.size
            ));
        }
        let Some(why) = self.difference(&signed, log.size) else { return Agrees };
        // What was signed is gone all the same; but this was not hidden.
        Differs(match log.origins.end_of(&signed.origin) {
            Some(end) => format!("{why}; origin {} was ended at {end}", signed.origin),
            None => why,
        })
    }

    /// How a log of so many entries is not what was signed.
    fn difference(&self, signed: &Checkpoint, size: u64) -> Option<String> {
        let what = match self.roots.get(&signed.size) {
            _ if signed.size > size => format!(
                ", and the log has {size}: the ledger is shorter than what was signed, so it lost \
                 entries, or was restored from a backup"
            ),
            Some(root) if *root == signed.root => return None,
            Some(_) => " that are not those of this log".to_owned(),
            None => ", before its origin began in this log".to_owned(),
        };
        Some(format!("it was signed over {} entries{what}", signed.size))
    }

    /// Folders that the caller named and that hold nothing of this log.
    pub(super) fn barren(&self) -> impl Iterator<Item = &Path> {
        let barren = self.places.iter().filter(|place| place.from_elsewhere && !place.found);
        barren.map(|place| &*place.folder)
    }
}
