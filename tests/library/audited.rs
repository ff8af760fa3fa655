//! An audited ledger of which any byte is another one, or any file shorter: never `Verified`, but
//! where the byte is derived, or belongs to nothing. Does not know who changes bytes on purpose.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use order_ledger::{
    Audit, AuditOptions, Batch, CheckpointFinding, Ledger, LedgerVerdict, Options, Verdict,
    VerifierKey, VerifyError, VerifyOptions, verify_ledger,
};

use crate::found::Scene;
use crate::simulated_disk::SimulatedDisk;
use crate::support::event;

const SEGMENT: &str = "00000000000000000000.seg";
const VIEWS: &str = "views.redb";

fn quiet() -> AuditOptions {
    AuditOptions {
        checkpoint_interval: Duration::from_secs(3600),
        seal_interval: None,
        ..AuditOptions::default()
    }
}

/// A ledger of so many events, a seal, a period, and events behind them.
fn audited(disk: &SimulatedDisk, events: u32, period: &str) -> Vec<VerifierKey> {
    let (segment_bytes, disk) = (64 * 1024, Arc::new(disk.clone()));
    let options = Options { segment_bytes, disk, ..Options::default() };
    let ledger = Arc::new(Ledger::open(SimulatedDisk::FOLDER, options).unwrap());
    let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
    for id in 0..events {
        let event = event(&format!("erp/{}", id % 3), &id.to_string());
        ledger.append(Batch::of([event])).unwrap();
    }
    audit.seal(period, "anna", "the month is over").unwrap();
    ledger.append(Batch::of([event("erp/1", "last")])).unwrap();
    let keys = audit.verifier_keys().to_vec();
    close(audit, ledger);
    keys
}

/// Closes both; the thread that made the last seal may have the ledger a moment longer.
pub(crate) fn close(audit: Audit, ledger: Arc<Ledger>) {
    drop(audit);
    while Arc::strong_count(&ledger) > 1 {
        std::thread::yield_now();
    }
    drop(ledger);
}

fn verify(disk: &SimulatedDisk, keys: &[VerifierKey]) -> Result<LedgerVerdict, VerifyError> {
    let disk = Arc::new(disk.clone());
    let options = VerifyOptions { keys: keys.to_vec(), disk, ..VerifyOptions::default() };
    verify_ledger(Path::new(SimulatedDisk::FOLDER), &options, |_| {})
}

/// A closed ledger without views, which `tests/library/corruption.rs` is about.
fn closed() -> (SimulatedDisk, Vec<VerifierKey>) {
    let disk = SimulatedDisk::default();
    let keys = audited(&disk, 5, "2026-11");
    disk.erase(VIEWS);
    let found = verify(&disk, &keys).unwrap();
    assert_eq!(found.verdict(), Verdict::Verified, "{found:#?}");
    assert_eq!((found.report.entry_count, found.seal_count), (8, 1));
    (disk, keys)
}

/// The verdict with other bytes in a file; an error is no `Verified` either.
fn with(disk: &SimulatedDisk, (name, bytes): (&str, &[u8]), keys: &[VerifierKey]) -> Verdict {
    let disk = disk.fork();
    disk.overwrite(name, bytes);
    verify(&disk, keys).map_or(Verdict::Inconclusive, |found| found.verdict())
}

fn used_len(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// Seen red with the CRC of entries not checked.
#[test]
fn no_byte_of_the_log_can_be_another_one() {
    let (disk, keys) = closed();
    let bytes = disk.read(SEGMENT);
    for at in 0..used_len(&bytes) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let _scene = Scene(format!("byte {at} of the log"));
        assert_eq!(with(&disk, (SEGMENT, &flipped), &keys), Verdict::Tampered);
    }
    // What is behind the blocks was never acknowledged: it is debris, and is cut off.
    for at in (used_len(&bytes)..bytes.len()).step_by(4_099) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let _scene = Scene(format!("byte {at}, behind the log"));
        let disk = disk.fork();
        disk.overwrite(SEGMENT, &flipped);
        let found = verify(&disk, &keys).unwrap();
        let said = found.report.notes.join("; ");
        let debris = found.verdict() == Verdict::Verified && said.contains("a torn write");
        assert!(debris || found.verdict() == Verdict::Tampered, "{found:#?}");
    }
}

/// Also where it looks as if a power cut had taken it. Seen red with sizes beyond the log passed
/// over.
#[test]
fn no_end_of_the_log_can_be_taken_away() {
    let (disk, keys) = closed();
    let bytes = disk.read(SEGMENT);
    for length in 0..used_len(&bytes) {
        let _scene = Scene(format!("the log up to byte {length}"));
        let mut zeroed = bytes[..length].to_vec();
        assert_eq!(with(&disk, (SEGMENT, &zeroed), &keys), Verdict::Tampered);
        zeroed.resize(bytes.len(), 0);
        assert_eq!(with(&disk, (SEGMENT, &zeroed), &keys), Verdict::Tampered);
    }
    for name in [SEGMENT, "latest"] {
        disk.erase(name);
        assert_ne!(
            verify(&disk, &keys).map_or(Verdict::Inconclusive, |one| one.verdict()),
            Verdict::Verified
        );
    }
}

/// Seen red with checkpoints passed over that cannot be read, that unknown keys signed, and whose
/// signatures do not fit.
#[test]
fn no_byte_of_what_says_who_it_is_can_be_another_one() {
    let (disk, keys) = closed();
    let day = disk.files().into_iter().find(|name| name.starts_with("20")).unwrap();
    let with_end = |end: &str| disk.files().into_iter().find(|name| name.ends_with(end)).unwrap();
    let (public, secret) = (with_end(".pub"), with_end(".key"));
    // The ledger's own keys count where no others are given, and are to be pairs all the same.
    let none = Vec::new();
    let files: [(&str, &[VerifierKey]); 7] = [
        ("format", &keys),
        ("ledger.id", &keys),
        ("latest", &keys),
        (&day, &keys),
        (&public, &none),
        (&public, &keys),
        (&secret, &keys),
    ];
    for (name, keys) in files {
        let bytes = disk.read(name);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let _scene = Scene(format!("byte {at} of {name}"));
            assert_ne!(with(&disk, (name, &flipped), keys), Verdict::Verified);
        }
        // The newline at the end of a key is no part of it.
        let last = bytes.len() - usize::from(name == public || name == secret);
        for length in 0..last {
            let _scene = Scene(format!("{name} cut to {length} bytes"));
            assert_ne!(with(&disk, (name, &bytes[..length]), keys), Verdict::Verified);
        }
    }
}

/// Segments behind the damage are read, and no chain, view, seal or checkpoint is blamed for what
/// stood before them. Seen red with them compared with the entries that could be read.
#[test]
fn damage_in_the_middle_of_the_log_is_one_defect() {
    let disk = SimulatedDisk::default();
    let keys = audited(&disk, 1_200, "2026-11");
    let entries = verify(&disk, &keys).unwrap().report.entry_count;
    let mut bytes = disk.read(SEGMENT);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    disk.overwrite(SEGMENT, &bytes);
    let found = verify(&disk, &keys).unwrap();
    assert_eq!((found.verdict(), found.report.defects.len()), (Verdict::Tampered, 1), "{found:#?}");
    let from = found.report.damaged_from.unwrap();
    assert!(0 < from && from < found.report.entry_count && found.report.entry_count < entries);
    let said = format!("the log is damaged from offset {from} on");
    assert!(
        found.report.notes.len() == 1 && found.report.notes[0].starts_with(&said),
        "{found:#?}"
    );
    assert!(found.doubts.is_empty(), "{found:#?}");
    assert!(found.checkpoints.iter().all(|one| {
        matches!(&one.finding, CheckpointFinding::Unproven(why) if why.contains("cannot be read"))
    }));
}

/// What is derived is made again, and no evidence of anything. Seen red with neither compared.
#[test]
fn what_is_derived_is_no_evidence() {
    let disk = SimulatedDisk::default();
    let keys = audited(&disk, 600, "2026-11");
    disk.erase(VIEWS);
    let noted = |name: &str, bytes: &[u8]| {
        let disk = disk.fork();
        disk.overwrite(name, bytes);
        let found = verify(&disk, &keys).unwrap();
        assert_eq!(found.verdict(), Verdict::Verified, "{found:#?}");
        found.report.notes.iter().any(|note| note.contains("made again"))
    };
    for name in ["tiles", "directory"] {
        let bytes = disk.read(name);
        assert!(!noted(name, &bytes));
        for at in (0..bytes.len()).step_by(bytes.len() / 20) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let _scene = Scene(format!("byte {at} of {name}"));
            assert!(noted(name, &flipped));
            // A shorter tree is one that was not written to its end.
            assert_eq!(noted(name, &bytes[..at]), name == "directory");
        }
    }
    let other = disk.fork();
    audited(&other, 700, "2026-12");
    assert!(noted("directory", &other.read("directory")), "of a seal that this log does not have");
}

/// A checkpoint of another log, one that is none, and a folder with nothing of this ledger.
#[test]
fn what_proves_nothing_is_said_to_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    for one in [&folder, &other] {
        let ledger = Arc::new(Ledger::open(one, Options::default()).unwrap());
        let audit = Audit::open(Arc::clone(&ledger), quiet()).unwrap();
        ledger.append(Batch::of([event("erp/1", "1")])).unwrap();
        audit.seal("", "", "").unwrap();
        close(audit, ledger);
    }
    let latest = crate::rewriter::files_below(&other.path().join("checkpoints"));
    let garbage = other.path().join("garbage");
    fs::write(&garbage, "no note").unwrap();
    let empty = other.path().join("audit");
    let files = |files: &[&Path]| VerifyOptions {
        checkpoint_files: files.iter().map(|path| (*path).to_owned()).collect(),
        ..VerifyOptions::default()
    };
    let folders =
        VerifyOptions { checkpoint_folders: vec![empty.clone()], ..VerifyOptions::default() };
    for (options, why) in [
        (files(&[&latest[0]]), "it is of origin order-ledger/"),
        (files(&[&garbage]), "not a signed note"),
        (folders, "holds no checkpoint of order-ledger/"),
    ] {
        let found = verify_ledger(folder.path(), &options, |_| {}).unwrap();
        assert_eq!(found.verdict(), Verdict::Inconclusive, "{found:#?}");
        assert!(found.doubts.len() == 1 && found.doubts[0].contains(why), "{found:#?}");
    }
    let missing = files(&[Path::new("/nowhere/latest")]);
    let error = verify_ledger(folder.path(), &missing, |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/latest: "), "{error}");
    fs::remove_dir_all(folder.path().join("checkpoints")).unwrap();
    let found = verify_ledger(folder.path(), &VerifyOptions::default(), |_| {}).unwrap();
    assert_eq!(found.verdict(), Verdict::Inconclusive);
    assert!(found.doubts[0].contains("and none is here"), "{:?}", found.doubts);
}
