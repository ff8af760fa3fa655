//! Verification of a closed ledger by its entries: the tree, every seal and every checkpoint, made
//! again from the bytes that are stored. Changes nothing. Does not know what a verdict looks like
//! to people, nor how proofs that left the ledger are checked.

mod behind;
mod checkpoints;
mod keys;
mod origins;
mod seals;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use checkpoints::{CheckpointFinding, ComparedCheckpoint};
pub use origins::OriginStart;

use super::AuditError;
use super::directory::DirectoryPlace;
use super::note::VerifierKey;
use super::open::{AUDIT_FOLDER, CHECKPOINTS_FOLDER, KEYS_FOLDER, TILES_FILE};
use super::origin::first_origin;
use super::tree::Edge;
use crate::ledger::{CheckedEntry, ClosedLedger, OpenError, Progress, VerifyReport};
use crate::log::{Disk, FileSystem, Hash, read_file};
use behind::Behind;
use checkpoints::{Checkpoints, Compared};
use keys::{OwnKeys, own_keys};
use origins::Origins;
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
    /// Where the log tells that one of them began, and so that the one before ended.
    pub origin_starts: Vec<OriginStart>,
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
    let own = own_keys(&**disk, &audit_folder.join(KEYS_FOLDER))?;
    let first = first_origin(&ledger.id_text());
    let mut run = Run {
        tree: Edge::default(),
        tiles: Vec::new(),
        checkpoints: Checkpoints::open(folder.join(CHECKPOINTS_FOLDER), options)?,
        origins: Origins::new(first.clone()),
        defects: Vec::new(),
    };
    run.checkpoints.read_origin(&first, &run.tree);
    let mut behind = Behind::start(Seals::new(ledger.own_entries()))?;
    let each = |entry: &CheckedEntry<'_>| {
        behind.take(entry);
        run.entry(entry);
    };
    let mut report = ledger.verify(each, progress)?;
    let (seals, seal_defects) = behind.finish();
    let readable = report.damaged_from.unwrap_or(u64::MAX);
    // Those behind damage were compared with a log that misses entries.
    let of_entries = seal_defects.into_iter().chain(run.defects.drain(..));
    let of_entries = of_entries.filter(|(offset, _)| *offset < readable);
    report.defects.extend(of_entries.map(|(offset, what)| format!("offset {offset}: {what}")));
    let id = ledger.id();
    let place = DirectoryPlace { disk: Arc::clone(disk), folder: audit_folder, ledger_id: id };
    let rest = run.look(&place, &seals);
    report.notes.extend(rest.notes.into_iter().filter(|_| report.damaged_from.is_none()));
    let was_signed = rest.any || own.any || seals.seal_count > 0;
    let keys = if options.keys.is_empty() { &own.keys } else { &options.keys };
    let is_damaged = report.damaged_from.is_some();
    let log = Compared { size: run.tree.size(), is_damaged, origins: &run.origins };
    let compared = run.checkpoints.compare(keys, log)?;
    let mut doubts = run.doubts(&compared, log, (was_signed, !options.keys.is_empty()));
    let OwnKeys { doubts: of_keys, notes, .. } = own;
    doubts.extend(of_keys);
    report.notes.extend(notes);
    report.defects.extend(compared.iter().filter_map(checkpoint_defect));
    report.defects.truncate(DEFECTS_MAX);
    Ok(LedgerVerdict {
        report,
        doubts,
        root: run.tree.root(),
        origins: run.origins.names,
        origin_starts: run.origins.starts,
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
    origins: Origins,
    /// By the offset of the entry.
    defects: Vec<(u64, String)>,
}

/// What the ledger keeps beside the log.
#[derive(Default)]
struct Kept {
    /// Whether there is any of it: then the ledger was signed.
    any: bool,
    /// What differs from the log.
    notes: Vec<String>,
}

impl Run {
    fn entry(&mut self, entry: &CheckedEntry<'_>) {
        // Behind entries that cannot be read, the tree cannot go on.
        if entry.offset == self.tree.size() {
            let tiles = &mut self.tiles;
            self.tree.push(*entry.leaf, |level, node| {
                if level == STORED_LEVEL {
                    tiles.extend_from_slice(node);
                }
            });
            self.checkpoints.passed(&self.tree);
        }
        if let Some((name, defect)) = entry.own.and_then(|own| self.origins.take(own)) {
            self.checkpoints.read_origin(&name, &self.tree);
            let found = defect.filter(|_| self.defects.len() < DEFECTS_MAX);
            self.defects.extend(found.map(|what| (entry.offset, what)));
        }
    }

    /// Looks at the tree and the directory that the ledger keeps.
    fn look(&self, place: &DirectoryPlace, seals: &Seals) -> Kept {
        let mut kept = Kept::default();
        let path = place.folder.join(TILES_FILE);
        match read_file(&*place.disk, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => kept.notes.push(format!("{}: {error}", path.display())),
            Ok(stored) => {
                kept.any = !stored.is_empty();
                if !self.tiles.starts_with(&stored) {
                    let what = "is not the tree of the log; it will be made again";
                    kept.notes.push(format!("{} {what}", path.display()));
                }
            }
        }
        let directory = place.look();
        kept.any |= !matches!(directory, Ok(None));
        match directory {
            Ok(Some(directory)) if !seals.has(&directory) => kept.notes.push(format!(
                "the stored directory over {} entries is that of no seal; it will be made again",
                directory.covered()
            )),
            Ok(_) => {}
            Err(error) => {
                kept.notes.push(format!("the stored directory: {error}; it will be made again"));
            }
        }
        kept
    }

    fn doubts(
        &self,
        compared: &[ComparedCheckpoint],
        log: Compared<'_>,
        (was_signed, keys_given): (bool, bool),
    ) -> Vec<String> {
        // That entries cannot be read is said already.
        let within = compared.iter().filter(|one| !log.is_beyond(one.size()));
        let unproven = within.filter_map(|one| match &one.finding {
            CheckpointFinding::Unproven(why) => {
                Some(format!("checkpoint {}: {why}", one.path.display()))
            }
            CheckpointFinding::Agrees | CheckpointFinding::Differs(_) => None,
        });
        let mut doubts: Vec<String> = unproven.collect();
        doubts.extend(self.checkpoints.barren().map(|folder| {
            format!(
                "{} holds no checkpoint of {}",
                folder.display(),
                self.origins.names.join(" or ")
            )
        }));
        let agrees = |one: &ComparedCheckpoint| one.finding == CheckpointFinding::Agrees;
        // Whoever opens the audit makes a key, and signs; nothing is sealed before that is kept.
        let was_signed = was_signed || !self.origins.starts.is_empty();
        if compared.is_empty() && was_signed {
            let what = "checkpoints of this ledger were signed, and none is here; name the folder \
                        where they are kept (--checkpoints DIR)";
            doubts.push(what.to_owned());
        } else if keys_given && !log.is_damaged && !compared.iter().any(agrees) {
            doubts.push("nothing that was signed by the keys given agrees with the log".to_owned());
        }
        doubts
    }
}

fn checkpoint_defect(one: &ComparedCheckpoint) -> Option<String> {
    match &one.finding {
        CheckpointFinding::Differs(why) => {
            Some(format!("checkpoint {}: {why}", one.path.display()))
        }
        CheckpointFinding::Agrees | CheckpointFinding::Unproven(_) => None,
    }
}
