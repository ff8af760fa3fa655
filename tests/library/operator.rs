//! A malicious operator, who holds the log and the key: writes whole segments with good CRCs and
//! chains, makes seals, and signs. What `verify_ledger` catches, and what only a checkpoint that
//! was kept elsewhere shows. Does not know how bundles and receipts are checked.
//!
//! Of the last two columns, one has the entries and what the ledger keeps beside them, the other a
//! checkpoint from elsewhere too.
//!
//! | the operator | receipt | bundle | entries | and a checkpoint |
//! |---|---|---|---|---|
//! | leaves out the last event | its producer's | yes, where the checkpoint covers it | - | yes |
//! | drops one in the middle | its producer's | yes | - | yes |
//! | changes the order of events | theirs | yes | - | yes |
//! | back-dates one | its producer's | yes | - | yes |
//! | edits a body | its producer's | yes | - | yes |
//! | tells two auditors two stories | of one of them | when they compare checkpoints | - | yes |
//! | does any of it and leaves the seals, or the chains | as above | yes | yes | yes |
//! | gives an order's entries to another in the directory | - | - | yes | yes |
//! | denies an order in the directory | theirs | - | yes | yes |
//! | seals what was sealed already | - | says how old the seal is | yes | yes |
//! | puts a backup in place | theirs | says how old the seal is | - | yes |
//! | signs with another key | - | yes, without a known key | with `keys` | yes |
//!
//! "-" means that it is not seen there. A checkpoint from elsewhere shows what it covers, no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use order_ledger::{
    Audit, AuditOptions, Batch, Ledger, LedgerVerdict, Options, Verdict, VerifierKey,
    VerifyOptions, verify_ledger,
};
use prost::Message as _;
use tempfile::TempDir;

use crate::audited::close;
use crate::rewriter::{Entry, Forged, directory, files_below};
use crate::support::event;

const EVENTS: u32 = 60;

/// What the auditor has: a copy of every checkpoint, and the key.
struct Scene {
    folder: TempDir,
    archive: TempDir,
    keys: Vec<VerifierKey>,
}

/// Appends events, seals, and signs.
fn go_on(
    folder: &Path,
    archive: &Path,
    (ids, label): (std::ops::Range<u32>, &str),
) -> Vec<VerifierKey> {
    let options = Options { segment_bytes: 64 * 1024, ..Options::default() };
    let ledger = Arc::new(Ledger::open(folder, options).unwrap());
    let options = AuditOptions {
        checkpoint_interval: Duration::from_secs(3600),
        seal_interval: None,
        checkpoint_copies: vec![archive.to_owned()],
        ..AuditOptions::default()
    };
    let audit = Audit::open(Arc::clone(&ledger), options).unwrap();
    let event = |id: u32| event(&format!("erp/{}", id % 7), &id.to_string());
    ledger.append(Batch::of(ids.clone().map(event))).unwrap();
    audit.seal(label, "anna", "the month is over").unwrap();
    // Behind the seal, as most of the time.
    ledger.append(Batch::of((ids.end..ids.end + 3).map(event))).unwrap();
    let keys = audit.verifier_keys().to_vec();
    close(audit, ledger);
    keys
}

impl Scene {
    fn new() -> Self {
        let (folder, archive) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        go_on(folder.path(), archive.path(), (0..EVENTS / 2, ""));
        let ids = EVENTS / 2 + 3..EVENTS;
        let keys = go_on(folder.path(), archive.path(), (ids, "2026-11"));
        Self { folder, archive, keys }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn verify(&self, checkpoint_folders: Vec<PathBuf>) -> LedgerVerdict {
        let options = VerifyOptions {
            keys: self.keys.clone(),
            checkpoint_folders,
            ..VerifyOptions::default()
        };
        verify_ledger(self.path(), &options, |_| {}).unwrap()
    }

    /// What the ledger says alone, and what it says beside the archive.
    #[track_caller]
    fn expect(&self, alone: Verdict, beside: Verdict) -> (LedgerVerdict, LedgerVerdict) {
        let found = (self.verify(Vec::new()), self.verify(vec![self.archive.path().to_owned()]));
        assert_eq!(found.0.verdict(), alone, "{:#?}", found.0);
        assert_eq!(found.1.verdict(), beside, "{:#?}", found.1);
        found
    }

    /// The log as the operator has changed it, with seals that fit or with the old ones.
    #[track_caller]
    fn forge(&self, change: impl Fn(&mut Vec<Entry>)) {
        let honest = Forged::read(self.path());
        let mut forged = honest.clone();
        change(&mut forged.0);
        assert_ne!(forged, honest, "nothing is forged");
        forged.write(self.path());
        let sealed_part = forged.0.len() > 40 && forged.0[..40] == honest.0[..40];
        if !sealed_part {
            let (alone, _) = self.expect(Verdict::Tampered, Verdict::Tampered);
            let said = alone.report.defects.join("; ");
            assert!(said.contains("has the directory") || said.contains("over"), "{said}");
        }
        forged.reseal();
        forged.write(self.path());
        let (_, beside) = self.expect(Verdict::Verified, Verdict::Tampered);
        let said = beside.report.defects.join("; ");
        assert!(said.contains("latest: it was signed over"), "{said}");
    }
}

fn place_of(entries: &[Entry], is: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().position(is).unwrap()
}

/// Seals move with what is left out before them.
fn leave_out(entries: &mut Vec<Entry>, at: usize) {
    entries.remove(at);
    for entry in &mut entries[at..] {
        if let Some(mut seal) = entry.seal() {
            seal.covered -= 1;
            entry.set_seal(seal);
        }
    }
}

/// The forger's program is no straw man: what it writes of an honest log is the honest log.
#[test]
fn what_is_written_again_unchanged_is_verified_against_every_checkpoint() {
    let scene = Scene::new();
    let mut forged = Forged::read(scene.path());
    forged.reseal();
    assert_eq!(forged, Forged::read(scene.path()), "the seals are those of the definition");
    forged.write(scene.path());
    let (_, beside) = scene.expect(Verdict::Verified, Verdict::Verified);
    assert_eq!((beside.seal_count, &*beside.periods), (2, &["2026-11".to_owned()][..]));
    assert!(beside.checkpoints.iter().filter(|one| one.from_elsewhere).count() >= 2);
    let (size, head) = (beside.newest_checkpoint().unwrap().size(), beside.report.entry_count);
    assert_eq!(size, head);
}

/// Seen red with sizes beyond the log passed over.
#[test]
fn the_last_event_is_left_out() {
    let scene = Scene::new();
    let mut forged = Forged::read(scene.path());
    forged.0.pop();
    forged.write(scene.path());
    let (_, beside) = scene.expect(Verdict::Verified, Verdict::Tampered);
    let said = beside.report.defects.join("; ");
    assert!(said.contains("shorter than what was signed"), "{said}");
}

#[test]
fn an_event_in_the_middle_is_dropped() {
    Scene::new().forge(|entries| leave_out(entries, 11));
}

#[test]
fn two_events_change_places() {
    Scene::new().forge(|entries| {
        let time = entries[3].recorded_at;
        entries.swap(3, 10);
        assert_eq!((entries[3].recorded_at, entries[10].recorded_at), (time, time));
    });
}

#[test]
fn an_event_is_back_dated() {
    Scene::new().forge(|entries| entries[0].recorded_at -= 1_000_000);
}

/// Seen red with roots of checkpoints not compared, and with those of seals.
#[test]
fn a_body_is_edited() {
    Scene::new().forge(|entries| {
        let mut event = entries[5].event();
        event.lines[0].quantity = "999".to_owned();
        entries[5].body = event.encode_to_vec();
    });
}

/// The tree alone would not tell. Seen red with `previous` not compared.
#[test]
fn a_chain_is_not_mended() {
    let scene = Scene::new();
    let honest = Forged::read(scene.path());
    let mut forged = honest.clone();
    let mut event = forged.0[36].event();
    event.lines[0].quantity = "999".to_owned();
    forged.0[36].body = event.encode_to_vec();
    forged.write_as_chained_in(&honest, scene.path());
    let (alone, _) = scene.expect(Verdict::Tampered, Verdict::Tampered);
    let said = alone.report.defects.join("; ");
    assert!(said.contains("`previous` is not the leaf hash"), "{said}");
}

#[test]
fn two_histories_are_told_from_one_beginning() {
    let (scene, other) = (Scene::new(), tempfile::tempdir().unwrap());
    let (forked, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(scene.path(), forked.path());
    go_on(scene.path(), scene.archive.path(), (100..120, ""));
    go_on(forked.path(), copies.path(), (200..220, ""));
    scene.expect(Verdict::Verified, Verdict::Verified);
    copy(forked.path(), other.path());
    let told = Scene { folder: other, archive: scene.archive, keys: scene.keys };
    told.expect(Verdict::Verified, Verdict::Tampered);
}

/// Changes what the newest seal says and the directory that it says it of, and signs that from the
/// beginning: no archive would tell.
fn forge_seal(scene: &Scene, change: impl Fn(&mut Forged, usize)) -> String {
    let mut forged = Forged::read(scene.path());
    let at = forged.0.iter().rposition(|entry| entry.event().r#type == "seal.made").unwrap();
    change(&mut forged, at);
    forged.write(scene.path());
    let (alone, _) = scene.expect(Verdict::Tampered, Verdict::Tampered);
    let defects = alone.report.defects;
    let place = format!("offset {at}: ");
    defects.into_iter().find(|defect| defect.starts_with(&place)).unwrap()
}

/// The sums still come to what is covered. Seen red with roots of seals not compared.
#[test]
fn the_directory_gives_entries_of_one_order_to_another() {
    let said = forge_seal(&Scene::new(), |forged, at| {
        let mut seal = forged.0[at].seal().unwrap();
        let mut orders = forged.orders(seal.covered);
        let mut counts = orders.values_mut().filter(|(count, _)| *count > 2);
        counts.next().unwrap().0 -= 1;
        counts.next().unwrap().0 += 1;
        seal.directory_root = directory(&orders).to_vec();
        forged.0[at].set_seal(seal);
    });
    assert!(said.contains("has the directory"), "{said}");
}

#[test]
fn the_directory_denies_an_order() {
    let said = forge_seal(&Scene::new(), |forged, at| {
        let mut seal = forged.0[at].seal().unwrap();
        let mut orders = forged.orders(seal.covered);
        let (_, (hidden, _)) = orders.pop_first().unwrap();
        orders.first_entry().unwrap().get_mut().0 += hidden;
        seal.directory_root = directory(&orders).to_vec();
        forged.0[at].set_seal(seal);
    });
    assert!(said.contains("has the directory"), "{said}");
}

/// Seen red with either of them not compared.
#[test]
fn a_seal_says_other_numbers() {
    let said = forge_seal(&Scene::new(), |forged, at| {
        let mut seal = forged.0[at].seal().unwrap();
        seal.order_count += 1;
        forged.0[at].set_seal(seal);
    });
    assert!(said.contains("orders, and the log has"), "{said}");
    let said = forge_seal(&Scene::new(), |forged, at| {
        let mut seal = forged.0[at].seal().unwrap();
        seal.covered = u64::try_from(at).unwrap() + 1;
        forged.0[at].set_seal(seal);
    });
    assert!(said.contains("stand"), "{said}");
}

/// Seen red with what a seal covers not compared with the seal before.
#[test]
fn what_was_sealed_already_is_sealed_again() {
    let said = forge_seal(&Scene::new(), |forged, at| {
        let first = place_of(&forged.0, |entry| entry.seal().is_some());
        let stale = forged.0[first].seal().unwrap();
        forged.0[at].set_seal(stale);
    });
    assert!(said.contains("where the seal before covers"), "{said}");
}

/// Only the archive knows. Seen red with sizes beyond the log passed over.
#[test]
fn a_backup_is_put_in_place() {
    let (scene, backup) = (Scene::new(), tempfile::tempdir().unwrap());
    copy(scene.path(), backup.path());
    go_on(scene.path(), scene.archive.path(), (100..120, ""));
    scene.expect(Verdict::Verified, Verdict::Verified);
    let restored = Scene { folder: backup, archive: scene.archive, keys: scene.keys };
    let (_, beside) = restored.expect(Verdict::Verified, Verdict::Tampered);
    let said = beside.report.defects.join("; ");
    assert!(said.contains("it lost entries, or was restored from a backup"), "{said}");
}

/// The whole ledger made anew under its id, with a key that nobody was handed.
#[test]
fn another_key_signs() {
    let scene = Scene::new();
    // With the list of places that have held checkpoints: a lost key alone is not made anew.
    for folder in ["audit", "checkpoints"] {
        fs::remove_dir_all(scene.path().join(folder)).unwrap();
    }
    go_on(scene.path(), tempfile::tempdir().unwrap().path(), (100..110, ""));
    let (alone, _) = scene.expect(Verdict::Inconclusive, Verdict::Inconclusive);
    let said = alone.doubts.join("; ");
    assert!(said.contains("which is none of the keys given"), "{said}");
    let own = VerifyOptions::default();
    let found = verify_ledger(scene.path(), &own, |_| {}).unwrap();
    assert!(found.keys_from_ledger && found.verdict() == Verdict::Verified, "{found:#?}");
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for path in files_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}
