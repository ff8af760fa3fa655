//! Verification of a closed ledger by its entries: the tree, every seal and every checkpoint, made
//! again from the bytes that are stored. Changes nothing. Does not know what a verdict looks like
//! to people, nor how proofs that left the ledger are checked.

mod behind;
mod checkpoints;
mod seals;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use checkpoints::{CheckpointFinding, ComparedCheckpoint};

use super::AuditError;
use super::directory::DirectoryPlace;
use super::note::VerifierKey;
use super::open::{AUDIT_FOLDER, CHECKPOINTS_FOLDER, KEYS_FOLDER, TILES_FILE};
use super::origin::{ORIGIN_STARTED, ORIGINS, first_origin};
use super::tree::Edge;
use crate::event::RecordedEvent;
use crate::ledger::{CheckedEntry, ClosedLedger, OpenError, Progress, VerifyReport};
use crate::log::{Disk, FileSystem, Hash, read_file};
use behind::Behind;
use checkpoints::Checkpoints;
use seals::Seals;

/// The level of the tree that is stored.
const STORED_LEVEL: u32 = 8;
/// Defects that are listed.
const DEFECTS_MAX: usize = 100;

/// What a ledger is compared with.
///
/// ```
/// let options = order_ledger::VerifyOptions::default();
/// assert!(options.keys.is_empty() && options.checkpoint_files.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The keys that checkpoints must be signed by. Empty: those that the ledger itself holds,
    /// which prove nothing against whoever operates it.
    pub keys: Vec<VerifierKey>,
    /// Checkpoints that were kept elsewhere.
    pub checkpoint_files: Vec<PathBuf>,
    /// Folders where checkpoints were kept, as in [`crate::AuditOptions::checkpoint_copies`].
    pub checkpoint_folders: Vec<PathBuf>,
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            checkpoint_files: Vec::new(),
            checkpoint_folders: Vec::new(),
            disk: Arc::new(FileSystem),
        }
    }
}

/// Why a ledger cannot be verified at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is open elsewhere, or is no ledger of this format, or the disk failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A key or a checkpoint could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// A folder of checkpoints could not be read.
    #[error(transparent)]
    Archive(#[from] AuditError),
}

impl VerifyError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What a verification comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was compared agrees.
    Verified,
    /// Something is not what was written or signed.
    Tampered,
    /// Nothing differs, but not everything that should have been compared could be.
    Inconclusive,
}

/// What [`verify_ledger`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerVerdict {
    /// The log and the views. Its `defects` and `notes` are of everything that was looked at.
    pub report: VerifyReport,
    /// Why the verdict cannot be [`Verdict::Verified`] although nothing differs.
    pub doubts: Vec<String>,
    /// The root of the tree over all entries.
    pub root: Hash,
    /// The names that the log was signed under, the last of them now.
    pub origins: Vec<String>,
    /// Seals that were compared.
    pub seal_count: u64,
    /// The number of entries that the newest seal covers.
    pub sealed: u64,
    /// The labels of periods that were closed, in that order.
    pub periods: Vec<String>,
    /// Every checkpoint that was found.
    pub checkpoints: Vec<ComparedCheckpoint>,
    /// Whether the keys come from the ledger itself, because none were given.
    pub keys_from_ledger: bool,
}

impl LedgerVerdict {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.report.defects.is_empty() {
            Verdict::Tampered
        } else if !self.doubts.is_empty() {
            Verdict::Inconclusive
        } else {
            Verdict::Verified
        }
    }

    /// The checkpoint over the most entries that agrees with the log.
    #[must_use]
    pub fn newest_checkpoint(&self) -> Option<&ComparedCheckpoint> {
        let agrees = |one: &&ComparedCheckpoint| one.finding == CheckpointFinding::Agrees;
        self.checkpoints.iter().filter(agrees).max_by_key(|one| one.size())
    }
}

impl ComparedCheckpoint {
    /// The number of entries that it covers; 0 where it cannot be read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }
}

/// Verifies the ledger in a folder: everything that [`crate::verify`] checks; the tree over the
/// log; the directory of every seal and every period; and each checkpoint that the ledger keeps or
/// the caller names.
///
/// Whoever holds the log and the key can sign another history anew. Only a checkpoint that was kept
/// elsewhere, and a key that did not come from the ledger, show that.
///
/// ```
/// use std::sync::Arc;
///
/// use order_ledger::{Audit, Ledger, Verdict, VerifyOptions, verify_ledger};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let ledger = Arc::new(Ledger::open(&folder, Default::default())?);
/// let audit = Audit::open(Arc::clone(&ledger), Default::default())?;
/// let keys = audit.verifier_keys().to_vec();
/// drop((audit, ledger));
///
/// let options = VerifyOptions { keys, ..Default::default() };
/// let found = verify_ledger(folder.path(), &options, |_| {})?;
/// assert_eq!(found.verdict(), Verdict::Verified);
/// assert_eq!(found.checkpoints.len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Where another process has the ledger open, or files cannot be read at all. Damage is not an
/// error.
pub fn verify_ledger(
    folder: &Path,
    options: &VerifyOptions,
    progress: impl FnMut(Progress),
) -> Result<LedgerVerdict, VerifyError> {
    let disk = &options.disk;
    let ledger = ClosedLedger::open(Arc::clone(disk), folder)?;
    let audit_folder = folder.join(AUDIT_FOLDER);
    let (own_keys, key_notes) = checkpoints::own_keys(&**disk, &audit_folder.join(KEYS_FOLDER))?;
    let keys = if options.keys.is_empty() { &own_keys } else { &options.keys };
    let mut run = Run {
        tree: Edge::default(),
        tiles: Vec::new(),
        checkpoints: Checkpoints::open(folder.join(CHECKPOINTS_FOLDER), options)?,
        origins: vec![first_origin(&ledger.id_text())],
        defects: Vec::new(),
    };
    run.checkpoints.read_origin(&first_origin(&ledger.id_text()), &run.tree);
    let mut behind = Behind::start(Seals::new(ledger.own_entries()))?;
    let each = |entry: &CheckedEntry<'_>| {
        behind.take(entry);
        run.entry(entry);
    };
    let mut report = ledger.verify(each, progress)?;
    let (seals, mut seal_defects) = behind.finish();
    report.defects.append(&mut seal_defects);
    report.defects.append(&mut run.defects);
    if options.keys.is_empty() {
        report.notes.extend(key_notes);
    }
    report.notes.extend(run.tiles_note(&**disk, &audit_folder.join(TILES_FILE)));
    let id = ledger.id();
    let place = DirectoryPlace { disk: Arc::clone(disk), folder: audit_folder, ledger_id: id };
    report.notes.extend(directory_note(&place, &seals));
    let log = (run.tree.size(), &*run.origins);
    let compared = run.checkpoints.compare(keys, log)?;
    let doubts = run.doubts(&compared, (seals.seal_count, !options.keys.is_empty()));
    report.defects.extend(compared.iter().filter_map(|one| match &one.finding {
        CheckpointFinding::Differs(why) => {
            Some(format!("checkpoint {}: {why}", one.path.display()))
        }
        CheckpointFinding::Agrees | CheckpointFinding::Unproven(_) => None,
    }));
    report.defects.truncate(DEFECTS_MAX);
    Ok(LedgerVerdict {
        report,
        doubts,
        root: run.tree.root(),
        origins: run.origins,
        seal_count: seals.seal_count,
        sealed: seals.covered,
        periods: seals.periods,
        checkpoints: compared,
        keys_from_ledger: options.keys.is_empty(),
    })
}

/// What is made again of the log while it is read.
struct Run {
    tree: Edge,
    /// The hashes of [`STORED_LEVEL`].
    tiles: Vec<u8>,
    checkpoints: Checkpoints,
    origins: Vec<String>,
    defects: Vec<String>,
}

impl Run {
    fn entry(&mut self, entry: &CheckedEntry<'_>) {
        let tiles = &mut self.tiles;
        self.tree.push(*entry.leaf, |level, node| {
            if level == STORED_LEVEL {
                tiles.extend_from_slice(node);
            }
        });
        self.checkpoints.passed(&self.tree);
        if let Some(what) = entry.own.and_then(|own| self.origin(own))
            && self.defects.len() < DEFECTS_MAX
        {
            self.defects.push(format!("offset {}: {what}", entry.offset));
        }
    }

    /// What is wrong with an entry that begins an origin.
    fn origin(&mut self, entry: &RecordedEvent) -> Option<String> {
        if entry.event.correlation_id() != ORIGINS || entry.event.event_type() != ORIGIN_STARTED {
            return None;
        }
        let started = entry.event.ledger_entry()?.origin?;
        let is_first = entry.offset == 0 && started.before.is_empty();
        let current = if is_first { self.origins.pop() } else { self.origins.last().cloned() };
        self.checkpoints.read_origin(&started.name, &self.tree);
        self.origins.push(started.name.clone());
        (!is_first && current.as_ref() != Some(&started.before)).then(|| {
            let (name, before) = (started.name, started.before);
            let current = current.unwrap_or_default();
            format!("origin {name} says that it follows {before:?}, and the log's was {current}")
        })
    }

    /// What is kept of the tree and differs from the log.
    fn tiles_note(&self, disk: &dyn Disk, path: &Path) -> Option<String> {
        let stored = match read_file(disk, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(format!("{}: {error}", path.display())),
            Ok(stored) => stored,
        };
        (!self.tiles.starts_with(&stored)).then(|| {
            format!("{} is not the tree of the log; it will be made again", path.display())
        })
    }

    fn doubts(
        &self,
        compared: &[ComparedCheckpoint],
        (seal_count, keys_given): (u64, bool),
    ) -> Vec<String> {
        let unproven = compared.iter().filter_map(|one| match &one.finding {
            CheckpointFinding::Unproven(why) => {
                Some(format!("checkpoint {}: {why}", one.path.display()))
            }
            CheckpointFinding::Agrees | CheckpointFinding::Differs(_) => None,
        });
        let mut doubts: Vec<String> = unproven.collect();
        doubts.extend(self.checkpoints.barren().map(|folder| {
            format!("{} holds no checkpoint of {}", folder.display(), self.origins.join(" or "))
        }));
        let agrees = |one: &ComparedCheckpoint| one.finding == CheckpointFinding::Agrees;
        // Nothing is sealed before the first checkpoint is kept.
        let was_signed = seal_count > 0 || self.origins.len() > 1;
        if compared.is_empty() && was_signed {
            doubts.push("checkpoints of this ledger were signed, and none is here".to_owned());
        } else if keys_given && !compared.iter().any(agrees) {
            doubts.push("nothing that was signed by the keys given agrees with the log".to_owned());
        }
        doubts
    }
}

/// What is kept of a directory and is that of no seal.
fn directory_note(place: &DirectoryPlace, seals: &Seals) -> Option<String> {
    match place.look() {
        Ok(None) => None,
        Ok(Some(directory)) if seals.has(&directory) => None,
        Ok(Some(directory)) => Some(format!(
            "the stored directory over {} entries is that of no seal; it will be made again",
            directory.covered()
        )),
        Err(error) => Some(format!("the stored directory: {error}; it will be made again")),
    }
}
