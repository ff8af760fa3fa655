//! Opens the audit of a ledger: its keys, its places, and the comparison of the tree with
//! everything that was signed. Does not know what happens afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::archive::{Archive, ArchivePlaces, KeptCheckpoint, SignedCheckpoint};
use super::checkpoint::Checkpoint;
use super::directory::DirectoryPlace;
use super::keeper::{Keeper, Setup, Standing, Times, Trouble, Wanted};
use super::keys;
use super::note::NoteDefect;
use super::origin;
use super::seal::Sealer;
use super::stored_tree::{StoredTree, TreeWriter};
use super::{Audit, AuditError, AuditOptions};
use crate::ledger::Ledger;

/// Names in the folder of a ledger.
pub(super) const AUDIT_FOLDER: &str = "audit";
pub(super) const KEYS_FOLDER: &str = "keys";
pub(super) const TILES_FILE: &str = "tiles";
pub(super) const CHECKPOINTS_FOLDER: &str = "checkpoints";
const PLACES_FILE: &str = "places";
/// After a failure the audit begins again; the pause before that doubles from the one to the other.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the end of the audit waits for a tree that is being made, to sign what it comes to.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn open(ledger: Arc<Ledger>, options: AuditOptions) -> Result<Audit, AuditError> {
    if !ledger.claim_leaves() {
        return Err(AuditError::AlreadyOpen);
    }
    start(&ledger, options).inspect_err(move |_| ledger.release_leaves())
}

fn start(ledger: &Arc<Ledger>, options: AuditOptions) -> Result<Audit, AuditError> {
    let disk = Arc::clone(ledger.disk());
    let folder = ledger.folder().join(AUDIT_FOLDER);
    disk.create_dir(&folder).map_err(|error| AuditError::io(&folder, error))?;
    let own = options.checkpoints.unwrap_or_else(|| ledger.folder().join(CHECKPOINTS_FOLDER));
    let places = ArchivePlaces {
        ledger: ledger.folder().to_owned(),
        folders: [own].into_iter().chain(options.checkpoint_copies).collect(),
        list: folder.join(PLACES_FILE),
    };
    let used = |origin: &str| places.were_used(&*disk, origin);
    let decided = origin::decide(ledger, (options.origin, options.new_origin), used)?;
    let origin = decided.name().to_owned();
    let key_folder = folder.join(KEYS_FOLDER);
    let was_signed = used(&origin)?;
    let keys = keys::load(&*disk, (&key_folder, &options.signing_keys), (&origin, was_signed))?;
    decided.log(ledger)?;
    let tree = StoredTree::open(Arc::clone(ledger), &*disk, &folder.join(TILES_FILE))?;
    let verifier_keys: Vec<_> = keys.iter().map(|key| key.verifier().clone()).collect();
    let wanted = Arc::new(Wanted::default());
    let behind = Some((0, ledger.head()));
    let (standing, receiver) = watch::channel(Standing { behind, ..Standing::default() });
    let setup = Setup {
        ledger: Arc::clone(ledger),
        origin: origin.clone(),
        keys,
        verifier_keys: verifier_keys.clone(),
        places,
        tree: Arc::clone(&tree),
        directory: DirectoryPlace { disk, folder, ledger_id: ledger.id_bytes() },
        wanted: Arc::clone(&wanted),
        standing,
        checkpoint_interval: options.checkpoint_interval,
        seal_interval: options.seal_interval,
    };
    let thread = std::thread::Builder::new()
        .name("audit".into())
        .spawn(move || run(&Running(setup).0))
        .map_err(|error| AuditError::io("a thread for the audit", error))?;
    Ok(Audit::of(Arc::clone(ledger), tree, (wanted, receiver), (origin, verifier_keys, thread)))
}

/// While this is there, the thread is. Also where it panics, who waits is told.
struct Running(Setup);

impl Drop for Running {
    fn drop(&mut self) {
        let Setup { ledger, wanted, standing, .. } = &self.0;
        standing.send_modify(|standing| {
            standing.trouble.get_or_insert(Trouble::Stopped("it is closed".to_owned()));
            standing.behind = None;
        });
        wanted.end();
        ledger.release_leaves();
    }
}

/// Compares, and then keeps, until the audit is closed. What fails is begun again, as after a
/// crash: a full disk is over when space returns.
fn run(setup: &Setup) {
    let trouble = |trouble| {
        setup.standing.send_modify(|standing: &mut Standing| {
            (standing.trouble, standing.behind) = (Some(trouble), None);
        });
    };
    let mut pause = PAUSE_MIN;
    loop {
        let began = Instant::now();
        match begin(setup).and_then(Keeper::run) {
            Ok(()) | Err(AuditError::Closed) => return,
            Err(AuditError::SigningRefused(why)) => {
                tracing::error!(reason = %why, "nothing is signed; appends and reads go on");
                trouble(Trouble::Refused(why));
                return;
            }
            Err(error) => {
                tracing::error!(%error, "the audit begins again; appends and reads go on");
                let why = error.to_string();
                trouble(Trouble::Storage(why.clone()));
                if began.elapsed() > PAUSE_MAX {
                    pause = PAUSE_MIN;
                }
                let until = Instant::now() + pause;
                while Instant::now() < until {
                    if setup.wanted.closing_for().is_some() {
                        return;
                    }
                    setup.wanted.give_up(&why);
                    setup.ledger.wait_for_poke(until);
                }
                pause = PAUSE_MAX.min(pause * 2);
            }
        }
    }
}

/// What goes on where the log continues everything that was signed.
fn begin(setup: &Setup) -> Result<Keeper<'_>, AuditError> {
    let Setup { ledger, origin, tree, seal_interval, .. } = setup;
    let mut archive = Archive::open(Arc::clone(ledger.disk()), &setup.places, origin)?;
    let kept = archive.kept()?;
    let head = ledger.head();
    kept.iter().try_for_each(|kept| setup.may_continue(kept, head))?;
    let newest = kept.iter().filter_map(|kept| Some((kept.read.as_ref().ok()?, &kept.note)));
    let newest = newest.max_by_key(|(checkpoint, _)| checkpoint.size);
    let signed = newest.map(|(checkpoint, note)| {
        Arc::new(SignedCheckpoint { note: note.clone(), checkpoint: checkpoint.clone() })
    });
    let stored = signed.as_ref().map_or(0, |signed| signed.checkpoint.size);
    let tree_writer = TreeWriter::restore(Arc::clone(tree), stored)?;
    let sealer = Sealer::open(Arc::clone(ledger), setup.directory.clone())?;
    let quiet_size = sealer.newest().map_or(0, |sealed| sealed.entry.offset + 1);
    let times = Times::starting(*seal_interval, quiet_size);
    let mut keeper =
        Keeper { setup, archive, tree: tree_writer, sealer, sealing: Vec::new(), times };
    if let Err(first) = compare(&mut keeper, &kept) {
        if !matches!(first, AuditError::SigningRefused(_)) {
            return Err(first);
        }
        tracing::warn!(reason = %first, "making the tree again from the log");
        keeper.tree = TreeWriter::restore(Arc::clone(tree), 0)?;
        compare(&mut keeper, &kept)?;
    }
    let newest_seal = keeper.sealer.newest().cloned();
    setup.standing.send_modify(|standing| {
        (standing.signed, standing.sealed) = (signed, newest_seal);
    });
    // Whatever was signed before, this state is what the next one is compared with.
    keeper.sign(None)?;
    Ok(keeper)
}

/// Takes all leaves, and compares the tree with every checkpoint.
fn compare(keeper: &mut Keeper<'_>, kept: &[KeptCheckpoint]) -> Result<(), AuditError> {
    while keeper.take_some()? {
        if keeper.setup.wanted.closing_for().is_some_and(|time| time > CLOSE_PATIENCE) {
            return Err(AuditError::Closed);
        }
    }
    keeper.tree.settle()?;
    kept.iter().try_for_each(|kept| keeper.setup.fits(kept, keeper.tree.size()))
}

impl Setup {
    /// Whether a checkpoint that is kept is one of this log, which has `size` entries.
    ///
    /// # Errors
    /// [`AuditError::SigningRefused`] where it is not; what the disk says.
    pub(super) fn fits(&self, kept: &KeptCheckpoint, size: u64) -> Result<(), AuditError> {
        self.may_continue(kept, size)?;
        let Ok(signed) = &kept.read else { return Ok(()) };
        if self.tree.root_at(signed.size)? == signed.root {
            return Ok(());
        }
        Err(refused(format!(
            "{} was signed over {} entries that are not those of this log. {NEW_ORIGIN}",
            kept.path.display(),
            signed.size
        )))
    }

    /// The same, as far as that is seen without the tree.
    fn may_continue(&self, kept: &KeptCheckpoint, size: u64) -> Result<(), AuditError> {
        let path = kept.path.display();
        let signed_well = match Checkpoint::verify(&kept.note, &self.verifier_keys) {
            // Another key signed, which has been put away since.
            Err(NoteDefect::UnknownKey(_)) => Ok(()),
            signed => signed.map(|_| ()),
        };
        let read = kept.read.as_ref().map_err(Clone::clone);
        match signed_well.and(read) {
            Err(defect) => Err(refused(format!(
                "{path} is damaged ({defect}). Put a good copy back, such as that of another \
                 place, or take it away when you know why; then start again"
            ))),
            Ok(signed) if signed.origin != self.origin => Err(refused(format!(
                "{path} is of origin {}, and this log is {}",
                signed.origin, self.origin
            ))),
            Ok(signed) if signed.size > size => Err(refused(format!(
                "{path} was signed over {} entries, and the log has {size}: it has lost entries, \
                 or was restored from a backup. {NEW_ORIGIN}",
                signed.size
            ))),
            Ok(_) => Ok(()),
        }
    }
}

/// What to do where the log does not continue what was signed.
const NEW_ORIGIN: &str = "Find out why; only then start a new origin (--new-origin, with \
    --new-origin-actor and --new-origin-reason), which says openly that this one has ended";

fn refused(why: String) -> AuditError {
    AuditError::SigningRefused(why)
}
