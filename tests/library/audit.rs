//! Checkpoints and proofs through the public API: what is signed, what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use order_ledger::{
    Audit, AuditError, AuditOptions, Batch, Checkpoint, Ledger, NewOrigin, Options, Period,
    TimelineQuery, TreeOrigin, Verdict, VerifierKey, VerifyOptions, add_signing_key, verify_ledger,
};

use crate::support::event;

/// Nothing happens by itself that a test did not ask for.
fn quiet() -> AuditOptions {
    AuditOptions {
        checkpoint_interval: Duration::from_secs(3600),
        seal_interval: None,
        ..AuditOptions::default()
    }
}

fn open(folder: &Path) -> Arc<Ledger> {
    Arc::new(Ledger::open(folder, Options::default()).unwrap())
}

fn append(ledger: &Ledger, ids: std::ops::Range<u32>) -> u64 {
    let events = ids.map(|id| event(&format!("erp/{}", id % 11), &id.to_string()));
    ledger.append(Batch::of(events)).unwrap().head
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn origin_of(folder: &Path) -> PathBuf {
    let id = fs::read_to_string(folder.join("ledger.id")).unwrap();
    PathBuf::from("order-ledger").join(id.trim())
}

#[test]
fn a_checkpoint_covers_what_was_appended_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut before: Option<(Checkpoint, Vec<VerifierKey>)> = None;
    for round in 0..4 {
        let ledger = open(folder.path());
        let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
        let head = append(&ledger, round * 300..round * 300 + 300);
        let signed = audit.checkpoint(head).unwrap();
        let keys = audit.verifier_keys().to_vec();
        let now = Checkpoint::verify(&signed.note, &keys).unwrap();
        assert_eq!((now.size, &*now.origin), (head, audit.origin()));
        for offset in [0, 1, head / 2, head - 1] {
            let proof = audit.inclusion_proof(offset, None).unwrap();
            assert_eq!(proof.tree_size, head);
            proof.verify(offset, &now.root).unwrap();
            assert!(proof.verify(offset, &[0; 32]).is_err());
        }
        if let Some((before, known)) = &before {
            assert_eq!(known, &keys, "the key is kept");
            let proof = audit.consistency_proof(before.size, None).unwrap();
            proof.verify((before.size, &before.root), &now.root).unwrap();
            assert!(proof.verify((before.size, &[0; 32]), &now.root).is_err());
        }
        before = Some((now, keys));
    }
}

#[test]
fn what_the_log_does_not_have_is_refused_with_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    assert_eq!(audit.checkpoint(0).unwrap().checkpoint.size, 0);
    let head = append(&ledger, 0..10);
    let error = audit.checkpoint(head + 1).unwrap_err().to_string();
    assert!(error.contains("11") && error.contains("10"), "{error}");
    assert!(audit.inclusion_proof(head, None).is_err());
    assert!(audit.inclusion_proof(5, Some(5)).is_err());
    assert!(audit.inclusion_proof(5, Some(11)).is_err());
    assert!(audit.consistency_proof(6, Some(5)).is_err());
    assert!(audit.consistency_proof(11, None).is_err());
    assert!(matches!(
        Audit::open(Arc::clone(&ledger), quiet()).unwrap_err(),
        AuditError::AlreadyOpen
    ));
    drop(audit);
    Audit::open(ledger, quiet()).unwrap();
}

/// The key that signs is for its owner's eyes.
#[test]
fn the_secret_key_is_readable_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    drop(Audit::open(open(folder.path()), quiet()).unwrap());
    let keys = folder.path().join("audit/keys");
    let mut names: Vec<_> = fs::read_dir(keys).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    assert_eq!(names.len(), 2);
    let mode = names[0].metadata().unwrap().permissions().mode();
    assert!(names[0].file_name().to_string_lossy().ends_with(".key"));
    assert_eq!(mode & 0o777, 0o600);
}

/// Seen red with the places not compared.
#[test]
fn a_ledger_put_back_to_an_older_state_signs_no_more_under_its_origin() {
    let (folder, backup, copies) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = || AuditOptions { checkpoint_copies: vec![copies.path().to_owned()], ..quiet() };
    let ledger = open(folder.path());
    append(&ledger, 0..100);
    drop(Audit::open(Arc::clone(&ledger), options()).unwrap());
    drop(ledger);
    copy(folder.path(), backup.path());
    let ledger = open(folder.path());
    append(&ledger, 100..200);
    drop(Audit::open(Arc::clone(&ledger), options()).unwrap());
    drop(ledger);

    // Shorter than what was signed, and as long again with other entries.
    for appended in [0..0, 300..420] {
        let ledger = open(backup.path());
        if !appended.is_empty() {
            append(&ledger, appended);
        }
        let audit = Audit::open(Arc::clone(&ledger), options()).unwrap();
        let refused = audit.checkpoint(0).unwrap_err();
        assert!(matches!(refused, AuditError::SigningRefused(_)), "{refused}");
        assert!(refused.to_string().contains("--new-origin"), "{refused}");
        assert!(audit.inclusion_proof(0, None).is_err());
        append(&ledger, 500..501);
    }

    let started = NewOrigin {
        origin: TreeOrigin::parse("ledger.example/orders-2").unwrap(),
        actor: "anna".into(),
        reason: "restored from the backup of Sunday".into(),
    };
    let new = || AuditOptions { new_origin: Some(started.clone()), ..options() };
    for _ in 0..2 {
        let ledger = open(backup.path());
        let audit = Audit::open(Arc::clone(&ledger), new()).unwrap();
        let signed = audit.checkpoint(ledger.head()).unwrap();
        assert_eq!(signed.checkpoint.origin, "ledger.example/orders-2");
        assert!(Checkpoint::verify(&signed.note, audit.verifier_keys()).is_ok());
    }
    let ledger = open(backup.path());
    let audit = Audit::open(ledger, options()).unwrap();
    assert_eq!(audit.origin(), "ledger.example/orders-2", "kept in the log");
    drop(audit);
    let wrong = AuditOptions { origin: Some(TreeOrigin::parse("other").unwrap()), ..options() };
    let refused = Audit::open(open(backup.path()), wrong).unwrap_err().to_string();
    assert!(refused.contains("ledger.example/orders-2, not other"), "{refused}");
}

/// Whoever else signs into a place is found before anything of it is replaced. Seen red with what
/// others wrote replaced unseen.
#[test]
fn what_another_one_signed_meanwhile_is_not_replaced() {
    let (folder, twin, copies) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = || AuditOptions { checkpoint_copies: vec![copies.path().to_owned()], ..quiet() };
    let ledger = open(folder.path());
    append(&ledger, 0..10);
    drop(Audit::open(Arc::clone(&ledger), options()).unwrap());
    drop(ledger);
    copy(folder.path(), twin.path());
    let (ledger, other) = (open(folder.path()), open(twin.path()));
    let audit = Audit::open(Arc::clone(&ledger), options()).unwrap();
    let other_audit = Audit::open(Arc::clone(&other), options()).unwrap();
    other_audit.checkpoint(10).unwrap();
    let head = append(&ledger, 10..12);
    let signed = audit.checkpoint(head).unwrap();
    let head = append(&other, 20..22);
    let refused = other_audit.checkpoint(head).unwrap_err();
    assert!(matches!(refused, AuditError::SigningRefused(_)), "{refused}");
    drop(other_audit);
    let latest = copies.path().join(origin_of(folder.path())).join("latest");
    assert_eq!(fs::read_to_string(latest).unwrap(), signed.note);
}

/// A place that has held checkpoints and is empty is a disk that is not mounted. Seen red with the
/// list of places not looked at.
#[test]
fn a_place_that_is_empty_all_at_once_is_no_new_place() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mounted = copies.path().join("mounted");
    let options = || AuditOptions { checkpoint_copies: vec![mounted.clone()], ..quiet() };
    let signs = |options| {
        let audit = Audit::open(open(folder.path()), options).unwrap();
        audit.checkpoint(0).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(signs(options()), Ok(()));
    for away in [&mounted, &folder.path().join("checkpoints")] {
        fs::rename(away, copies.path().join("away")).unwrap();
        let refused = signs(options()).unwrap_err();
        assert!(refused.contains("is it mounted?"), "{refused}");
        fs::create_dir(away).unwrap();
        assert!(signs(options()).is_err());
        fs::remove_dir(away).unwrap();
        fs::rename(copies.path().join("away"), away).unwrap();
        assert_eq!(signs(options()), Ok(()));
    }
    fs::remove_dir_all(&mounted).unwrap();
    assert_eq!(signs(quiet()), Ok(()), "without the copy");
    fs::remove_file(folder.path().join("audit/places")).unwrap();
    assert_eq!(signs(options()), Ok(()), "begun anew");
}

/// The checkpoint of a day is as good a witness as the newest one. Seen red with the newest alone
/// compared.
#[test]
fn checkpoints_of_days_are_compared_too() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    append(&ledger, 0..10);
    drop(Audit::open(Arc::clone(&ledger), quiet()).unwrap());
    drop(ledger);
    copy(folder.path(), backup.path());
    let ledger = open(folder.path());
    append(&ledger, 10..20);
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    let sealed = audit.seal("", "", "").unwrap();
    let place = Path::new("checkpoints").join(origin_of(folder.path()));
    let mut names = fs::read_dir(folder.path().join(&place)).unwrap();
    let day = names.find(|entry| entry.as_ref().unwrap().file_name() != "latest").unwrap().unwrap();
    assert_eq!(fs::read_to_string(day.path()).unwrap(), sealed.signed.note);
    fs::copy(day.path(), backup.path().join(place).join(day.file_name())).unwrap();
    let restored = Audit::open(open(backup.path()), quiet()).unwrap();
    let refused = restored.checkpoint(0).unwrap_err();
    assert!(matches!(refused, AuditError::SigningRefused(_)), "{refused}");
}

/// A full disk is over when space returns, and nobody who asks meanwhile waits for that. Seen red,
/// as a question without an end, with nobody answered during the pause.
#[test]
fn what_fails_for_a_while_is_signed_later() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, 0..600);
    let tiles = folder.path().join("audit/tiles");
    fs::create_dir(folder.path().join("audit")).unwrap();
    std::os::unix::fs::symlink("/dev/full", &tiles).unwrap();
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    let failed = [audit.checkpoint(600).err(), audit.seal("", "", "").err()];
    for error in failed {
        assert!(matches!(error, Some(AuditError::Storage(_))), "{error:?}");
    }
    fs::remove_file(&tiles).unwrap();
    fs::write(&tiles, "").unwrap();
    drop(audit);
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    audit.seal("", "", "").unwrap();
    audit.close();
    assert!(matches!(audit.seal("", "", ""), Err(AuditError::Stopped(_) | AuditError::Closed)));
}

/// Seen red with a key made wherever there is none.
#[test]
fn a_log_that_was_signed_gets_no_new_key_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    drop(Audit::open(open(folder.path()), quiet()).unwrap());
    let keys = folder.path().join("audit/keys");
    fs::remove_dir_all(&keys).unwrap();
    let refused = Audit::open(open(folder.path()), quiet()).unwrap_err();
    assert!(matches!(refused, AuditError::KeyMissing { .. }), "{refused}");
    let id = fs::read_to_string(folder.path().join("ledger.id")).unwrap();
    let origin = TreeOrigin::parse(&format!("order-ledger/{}", id.trim())).unwrap();
    let added = add_signing_key(folder.path(), Some(&origin)).unwrap();
    let audit = Audit::open(open(folder.path()), quiet()).unwrap();
    assert_eq!(audit.verifier_keys(), [added]);
    audit.checkpoint(0).unwrap();
}

/// Seen red with each of the two ways back left open.
#[test]
fn an_origin_is_chosen_before_anything_is_signed_and_ends_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    append(&open(folder.path()), 0..10);
    let origin = |name: &str| TreeOrigin::parse(name).unwrap();
    let named = |name| AuditOptions { origin: Some(origin(name)), ..quiet() };
    let new = |name| NewOrigin {
        origin: origin(name),
        actor: "anna".to_owned(),
        reason: "restored".to_owned(),
    };
    let begun = |name| AuditOptions { new_origin: Some(new(name)), ..quiet() };
    let opened = |options| Audit::open(open(folder.path()), options);
    for _ in 0..2 {
        assert_eq!(opened(named("house/orders")).unwrap().origin(), "house/orders");
    }
    let refused = opened(named("house/other")).unwrap_err();
    assert!(matches!(refused, AuditError::OtherOrigin { .. }), "{refused}");
    opened(begun("house/orders/2")).unwrap().checkpoint(0).unwrap();
    let id = fs::read_to_string(folder.path().join("ledger.id")).unwrap();
    let first = format!("order-ledger/{}", id.trim());
    for ended in ["house/orders", &first] {
        let refused = opened(begun(ended)).unwrap_err();
        assert!(matches!(refused, AuditError::OriginEnded(_)), "{refused}");
    }
    assert_eq!(opened(quiet()).unwrap().origin(), "house/orders/2");
    let found = verify_ledger(folder.path(), &VerifyOptions::default(), |_| {}).unwrap();
    assert_eq!(found.verdict(), Verdict::Verified, "{found:?}");
    assert!(TreeOrigin::parse("house/2026-11-23").is_err());
}

/// The tree is derived: what is lost or changed of it is made again, and nothing else is signed.
#[test]
fn a_damaged_tree_is_made_again_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, 0..1000);
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    let signed = audit.checkpoint(1000).unwrap();
    drop((audit, ledger));
    let tiles = folder.path().join("audit/tiles");
    let stored = fs::read(&tiles).unwrap();
    assert_eq!(stored.len(), 3 * 32);
    let mut flipped = stored.clone();
    flipped[40] ^= 1;
    for damaged in [vec![], stored[..50].to_vec(), flipped, [&stored[..], &stored[..]].concat()] {
        fs::write(&tiles, damaged).unwrap();
        let ledger = open(folder.path());
        let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
        let again = audit.checkpoint(1000).unwrap();
        assert_eq!(again.checkpoint, signed.checkpoint);
        for offset in [0, 300, 999] {
            let proof = audit.inclusion_proof(offset, None).unwrap();
            proof.verify(offset, &again.checkpoint.root).unwrap();
        }
        assert_eq!(fs::read(&tiles).unwrap()[..96], stored);
    }
}

/// Seen red with unreadable checkpoints passed over.
#[test]
fn a_checkpoint_that_cannot_be_read_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    drop(Audit::open(open(folder.path()), quiet()).unwrap());
    let path = folder.path().join("checkpoints").join(origin_of(folder.path())).join("latest");
    let note = fs::read_to_string(&path).unwrap();
    fs::write(&path, &note[..note.len() - 10]).unwrap();
    let audit = Audit::open(open(folder.path()), quiet()).unwrap();
    let refused = audit.checkpoint(0).unwrap_err().to_string();
    assert!(refused.contains("latest is damaged"), "{refused}");
}

#[test]
fn keys_that_are_given_sign_together() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Some(TreeOrigin::parse("ledger.example/orders").unwrap());
    let other = tempfile::tempdir().unwrap();
    let options = |signing_keys| AuditOptions { origin: origin.clone(), signing_keys, ..quiet() };
    drop(Audit::open(open(other.path()), options(Vec::new())).unwrap());
    let key_of = |folder: &Path| {
        let names = fs::read_dir(folder.join("audit/keys")).unwrap();
        let mut paths = names.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|extension| extension == "key")).unwrap()
    };
    drop(Audit::open(open(folder.path()), options(Vec::new())).unwrap());
    let both = vec![key_of(folder.path()), key_of(other.path())];
    let audit = Audit::open(open(folder.path()), options(both)).unwrap();
    let signed = audit.checkpoint(0).unwrap();
    assert_eq!(audit.verifier_keys().len(), 2);
    for key in audit.verifier_keys() {
        Checkpoint::verify(&signed.note, std::slice::from_ref(key)).unwrap();
    }
    drop(audit);
    let missing = options(vec![folder.path().join("none.key")]);
    let refused = Audit::open(open(folder.path()), missing).unwrap_err().to_string();
    assert!(refused.contains("none.key"), "{refused}");
}

/// What a seal shows of each order is its own history; of an unknown one, that there is none.
#[test]
fn a_seal_shows_each_order_whole_and_an_unknown_one_absent() {
    let folder = tempfile::tempdir().unwrap();
    let mut next = 0;
    for round in 0..3 {
        let ledger = open(folder.path());
        let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
        for part in 0..3 {
            let head = append(&ledger, next..next + 100);
            next += 100;
            if part == 1 {
                audit.seal("", "", "").unwrap();
            }
            let ids: Vec<String> = (0..12).map(|id| format!("erp/{id}")).collect();
            let (seal, orders) = audit.order_proofs(&ids, Some(head)).unwrap();
            let seal = seal.verify(audit.verifier_keys()).unwrap();
            assert!(seal.covered >= head, "round {round}, part {part}");
            for (id, proof) in ids.iter().zip(&orders) {
                let timeline = ledger.get_timeline(&TimelineQuery::of(id)).unwrap();
                let mut rows = timeline.rows;
                rows.sort_by_key(|row| row.recorded.offset);
                let leaves: Vec<_> = rows.iter().map(|row| row.recorded.leaf_hash()).collect();
                assert_eq!(proof.verify(&seal).unwrap(), leaves);
                assert_eq!(leaves.is_empty(), id == "erp/11");
                let mut short = proof.clone();
                short.chain.pop();
                assert_eq!(short.verify(&seal).is_ok(), leaves.is_empty());
            }
        }
        let (again, _) = audit.order_proofs(&[], None).unwrap();
        let (twice, _) = audit.order_proofs(&[], None).unwrap();
        assert_eq!(again.entry, twice.entry, "nothing came between: the seal stands");
    }
}

/// Seen red with the directory of the last run taken for that of another seal.
#[test]
fn a_lost_directory_is_made_again_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    append(&ledger, 0..500);
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    audit.seal("", "", "").unwrap();
    drop((audit, ledger));
    let path = folder.path().join("audit/directory");
    let stored = fs::read(&path).unwrap();
    let mut flipped = stored.clone();
    *flipped.last_mut().unwrap() ^= 1;
    // The last one is whole, and belongs to an earlier seal by then.
    let cut = stored[..stored.len() / 2].to_vec();
    for damaged in [None, Some(cut), Some(flipped), Some(stored)] {
        match damaged {
            Some(damaged) => fs::write(&path, damaged).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let ledger = open(folder.path());
        let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
        let (seal, orders) = audit.order_proofs(&["erp/3".to_owned()], Some(400)).unwrap();
        let seal = seal.verify(audit.verifier_keys()).unwrap();
        assert!(!orders[0].verify(&seal).unwrap().is_empty());
    }
}

#[test]
fn a_period_is_closed_once_and_a_retry_gets_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    let refused = audit.seal("2026-Q3", "anna", "quarter's end").unwrap_err().to_string();
    assert!(refused.contains("empty"), "{refused}");
    let head = append(&ledger, 0..10);
    let made = audit.seal("2026-Q3", "anna", "quarter's end").unwrap();
    assert_eq!(made.covered, head);
    append(&ledger, 10..20);
    let again = audit.seal("2026-Q3", "anna", "quarter's end").unwrap();
    assert_eq!((again.offset, again.covered), (made.offset, made.covered));
    let other = audit.seal("2026-Q3", "bert", "quarter's end").unwrap_err();
    assert!(matches!(other, AuditError::PeriodExists { .. }), "{other}");
    for (label, actor) in [("2026 Q3", "anna"), ("2026-Q4", "")] {
        let invalid = audit.seal(label, actor, "because").unwrap_err();
        assert!(matches!(invalid, AuditError::Invalid(_)), "{invalid}");
    }
    drop((audit, ledger));
    let ledger = open(folder.path());
    let period = Period::find(&ledger, "2026-Q3").unwrap();
    assert_eq!((period.covered, &*period.actor, period.offset), (head, "anna", made.offset));
    assert_eq!(Period::all(&ledger).unwrap(), [period]);
    assert!(matches!(Period::find(&ledger, "2026-Q2").unwrap_err(), AuditError::UnknownPeriod(_)));
}

/// Checkpoints and seals come by themselves, and an idle ledger gets none.
#[test]
fn seals_come_by_themselves_where_something_changed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let options = AuditOptions {
        checkpoint_interval: Duration::from_millis(5),
        seal_interval: Some(Duration::from_millis(20)),
        ..AuditOptions::default()
    };
    let audit = Audit::open(Arc::clone(&ledger), options).unwrap();
    let sealed = |at_least: u64| {
        for _ in 0..1_000 {
            if ledger.head() >= at_least {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        ledger.head()
    };
    assert_eq!(sealed(0), 0);
    append(&ledger, 0..10);
    assert_eq!(sealed(11), 11, "one seal, and none for the seal");
    append(&ledger, 10..20);
    assert_eq!(sealed(22), 22);
    drop(audit);
}
