//! Opens the audit of a ledger: its keys, its places, and the comparison of the tree with
//! everything that was signed. Does not know what happens afterwards.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::archive::{Archive, KeptCheckpoint, SignedCheckpoint};
use super::directory::DirectoryPlace;
use super::keeper::{Keeper, Standing, Times, Trouble, Wanted};
use super::keys;
use super::note::SignerKey;
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

/// What the thread begins with.
struct Start {
    ledger: Arc<Ledger>,
    origin: String,
    keys: Vec<SignerKey>,
    archive: Archive,
    tree: Arc<StoredTree>,
    place: DirectoryPlace,
    wanted: Arc<Wanted>,
    standing: watch::Sender<Standing>,
    intervals: (Duration, Option<Duration>),
}

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
    let origin = origin::settle(ledger, options.origin, options.new_origin)?;
    let key_folder = folder.join(KEYS_FOLDER);
    let keys = keys::load(&*disk, (&key_folder, &options.signing_keys), &origin)?;
    let own = options.checkpoints.unwrap_or_else(|| ledger.folder().join(CHECKPOINTS_FOLDER));
    let places: Vec<PathBuf> = [own].into_iter().chain(options.checkpoint_copies).collect();
    let archive = Archive::open(Arc::clone(&disk), places, &origin)?;
    let tree = StoredTree::open(Arc::clone(ledger), &*disk, &folder.join(TILES_FILE))?;
    let place = DirectoryPlace { disk, folder, ledger_id: ledger.id_bytes() };
    let verifier_keys = keys.iter().map(|key| key.verifier().clone()).collect();
    let wanted = Arc::new(Wanted::default());
    let behind = Some((0, ledger.head()));
    let (standing, receiver) = watch::channel(Standing { behind, ..Standing::default() });
    let start = Start {
        ledger: Arc::clone(ledger),
        origin: origin.clone(),
        keys,
        archive,
        tree: Arc::clone(&tree),
        place,
        wanted: Arc::clone(&wanted),
        standing,
        intervals: (options.checkpoint_interval, options.seal_interval),
    };
    let thread = std::thread::Builder::new()
        .name("audit".into())
        .spawn(move || run(start))
        .map_err(|error| AuditError::io("a thread for the audit", error))?;
    Ok(Audit::of(Arc::clone(ledger), tree, (wanted, receiver), (origin, verifier_keys, thread)))
}

/// Compares, and then keeps, until the audit is closed.
fn run(start: Start) {
    let (ledger, standing) = (Arc::clone(&start.ledger), start.standing.clone());
    let stop = |trouble| {
        standing.send_modify(|standing: &mut Standing| {
            (standing.trouble, standing.behind) = (Some(trouble), None);
        });
        ledger.release_leaves();
    };
    match begin(start) {
        Ok(Ok(keeper)) => keeper.run(),
        Ok(Err(refused)) => {
            tracing::error!(
                reason = %refused,
                "nothing is signed: the log does not continue what was signed"
            );
            stop(Trouble::Refused(refused));
        }
        Err(error) => {
            tracing::error!(%error, "the audit cannot begin; appends and reads go on");
            stop(Trouble::Stopped(error.to_string()));
        }
    }
}

/// What goes on where the log continues everything that was signed; otherwise why it does not.
fn begin(start: Start) -> Result<Result<Keeper, String>, AuditError> {
    let Start { ledger, origin, keys, archive, tree, place, wanted, standing, intervals } = start;
    let kept = archive.newest()?;
    let head = ledger.head();
    if let Some(refused) = kept.iter().find_map(|kept| refuse(kept, &origin, head)) {
        return Ok(Err(refused));
    }
    let newest = kept.iter().filter_map(|kept| Some((kept.read.as_ref().ok()?, &kept.note)));
    let newest = newest.max_by_key(|(checkpoint, _)| checkpoint.size);
    let signed = newest.map(|(checkpoint, note)| {
        Arc::new(SignedCheckpoint { note: note.clone(), checkpoint: checkpoint.clone() })
    });
    let stored = signed.as_ref().map_or(0, |signed| signed.checkpoint.size);
    let tree_writer = TreeWriter::restore(Arc::clone(&tree), stored)?;
    let sealer = Sealer::open(Arc::clone(&ledger), place)?;
    let quiet_size = sealer.newest().map_or(0, |sealed| sealed.entry.offset + 1);
    let mut keeper = Keeper {
        ledger,
        origin,
        keys,
        archive,
        tree: tree_writer,
        sealer,
        wanted,
        standing,
        checkpoint_interval: intervals.0,
        seal_interval: intervals.1,
        sealing: Vec::new(),
        times: Times::starting(intervals.1, quiet_size),
    };
    if let Some(first) = compare(&mut keeper, &tree, &kept)? {
        tracing::warn!(reason = %first, "making the tree again from the log");
        keeper.tree = TreeWriter::restore(Arc::clone(&tree), 0)?;
        if let Some(again) = compare(&mut keeper, &tree, &kept)? {
            return Ok(Err(again));
        }
    }
    let newest_seal = keeper.sealer.newest().cloned();
    keeper.standing.send_modify(|standing| {
        (standing.signed, standing.sealed) = (signed, newest_seal);
    });
    // Whatever was signed before, this state is what the next one is compared with.
    keeper.sign(None)?;
    Ok(Ok(keeper))
}

/// Why a checkpoint that was kept cannot be continued, as far as that is seen without the tree.
fn refuse(kept: &KeptCheckpoint, origin: &str, head: u64) -> Option<String> {
    let path = kept.path.display();
    match &kept.read {
        Err(defect) => Some(format!("{path} cannot be read: {defect}")),
        Ok(signed) if signed.origin != origin => {
            Some(format!("{path} is of origin {}, this log is {origin}", signed.origin))
        }
        Ok(signed) if signed.size > head => Some(format!(
            "{path} was signed over {} entries, and the log has {head}: it has lost entries, or \
             was restored from a backup",
            signed.size
        )),
        Ok(_) => None,
    }
}

/// Takes all leaves, and compares the tree with every checkpoint; says what differs.
fn compare(
    keeper: &mut Keeper,
    tree: &StoredTree,
    kept: &[KeptCheckpoint],
) -> Result<Option<String>, AuditError> {
    keeper.take_leaves()?;
    keeper.tree.settle()?;
    for KeptCheckpoint { path, read, .. } in kept {
        let Ok(signed) = read else { continue };
        if tree.root_at(signed.size)? != signed.root {
            return Ok(Some(format!(
                "{} was signed over {} entries that are not those of this log",
                path.display(),
                signed.size
            )));
        }
    }
    Ok(None)
}
