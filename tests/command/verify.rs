//! `verify`: sound ledgers, damaged ones, and what is neither.

use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use order_ledger::{Audit, AuditOptions, Ledger, Options};
use serde_json::{Value as Json, json};

use crate::events::{assert_holds, assert_verified, lines};
use crate::support::{Folder, run};

/// Bytes of a segment before its first block, and of a block before its first entry.
const HEADERS_LEN: usize = 64 + 32;

fn filled(lines: &str) -> Folder {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], lines).ok();
    folder
}

/// The beginning of the only segment, up to the end of its last block.
fn log_of(folder: &Folder) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&folder.segments()[0]).unwrap();
    file.take(1 << 20).read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    bytes.truncate(end);
    bytes
}

/// Writes over the only segment.
fn write_to_log(folder: &Folder, at: usize, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(&folder.segments()[0]).unwrap();
    file.write_all_at(bytes, u64::try_from(at).unwrap()).unwrap();
}

fn flip(folder: &Folder, at: usize) {
    let byte = log_of(folder)[at];
    write_to_log(folder, at, &[byte ^ 0x10]);
}

#[test]
fn a_sound_ledger_is_verified_in_every_form_and_is_not_changed() {
    let folder = filled(&lines(100));
    let before = log_of(&folder);
    let table = folder.run(&["verify"]);
    assert!(table.ok().starts_with("100 entries of 3 orders in 1 segments, "), "{}", table.out);
    let rest: Vec<&str> = table.out.lines().skip(1).collect();
    assert!(rest[0].starts_with("log and tree in "), "{rest:?}");
    let agree = "CRCs, offsets, revisions, chain and views agree";
    assert_eq!(rest[1], format!("VERIFIED: {agree}"));
    // Nobody signed anything yet, and that is said.
    assert!(rest[2].starts_with("not shown: no checkpoint vouches for this log"), "{rest:?}");
    assert!(rest[3].starts_with("not shown: whoever holds the log and the key"), "{rest:?}");
    assert_eq!((rest.len(), &*table.err), (4, ""));
    let report = assert_verified(&folder);
    assert_eq!((&report["entries"], &report["orders"]), (&json!(100), &json!(3)));
    assert_eq!((&report["segments"], &report["notes"]), (&json!(1), &json!([])));
    assert_eq!(log_of(&folder), before);
}

#[test]
fn a_flipped_byte_is_found_with_its_place() {
    let folder = filled(&lines(100));
    flip(&folder, HEADERS_LEN + 200);
    let table = folder.run(&["verify"]);
    let failed = table.failed(5);
    assert_eq!(failed, "error: 1 defect\n");
    let defects: Vec<&str> =
        table.out.lines().filter_map(|line| line.strip_prefix("DEFECT: ")).collect();
    let place = "segment 00000000000000000000.seg, position 64, offset 0: ";
    assert!(defects.len() == 1 && defects[0].starts_with(place), "{defects:?}");
    let verdict = "TAMPERED: the ledger is not what was written or signed\n";
    assert!(table.out.ends_with(verdict), "{}", table.out);
    let report: Json =
        serde_json::from_str(&folder.run(&["verify", "--output", "json"]).out).unwrap();
    assert_eq!((&report["verified"], &report["defects"]), (&json!(false), &json!(defects)));
    assert_eq!(report["verdict"], "tampered");
}

#[test]
fn damage_before_the_end_is_an_integrity_error_to_every_reader() {
    let folder = filled(&lines(1_200));
    flip(&folder, HEADERS_LEN + 200);
    let replay = folder.run(&["replay"]);
    assert!(replay.failed(5).contains("CRC"), "{}", replay.err);
    let timeline = folder.run(&["timeline", "erp/1"]);
    assert!(timeline.failed(5).contains("CRC"), "{}", timeline.err);
    std::fs::remove_file(folder.path().join("views.redb")).unwrap();
    let stats = folder.run(&["stats"]);
    assert!(stats.failed(5).contains("CRC"), "{}", stats.err);
}

#[test]
fn every_part_of_a_segment_is_covered_by_a_checksum() {
    let folder = filled(&lines(2));
    let log = log_of(&folder);
    for at in [10, 20, 70, 90, 100, 130, log.len() / 2, log.len() - 1] {
        flip(&folder, at);
        assert!(folder.run(&["verify"]).failed(5).contains("1 defect"), "byte {at}");
        flip(&folder, at);
    }
    assert_holds(&folder, &lines(2));
}

#[test]
fn views_that_were_deleted_are_a_note_and_come_back() {
    let folder = filled(&lines(100));
    let timeline = folder.run(&["timeline", "erp/1", "--output", "json"]);
    std::fs::remove_file(folder.path().join("views.redb")).unwrap();
    let table = folder.run(&["verify"]);
    assert!(
        table.ok().contains("note: there are no views; they will be rebuilt\n"),
        "{}",
        table.out
    );
    assert_eq!(folder.run(&["timeline", "erp/1", "--output", "json"]).ok(), timeline.ok());
    assert_eq!(assert_verified(&folder)["notes"], json!([]));
}

#[test]
fn views_that_are_no_views_are_a_note_and_come_back() {
    let folder = filled(&lines(100));
    let timeline = folder.run(&["timeline", "erp/1", "--output", "json"]);
    std::fs::write(folder.path().join("views.redb"), "not a database").unwrap();
    assert!(folder.run(&["verify"]).ok().contains("note: views: "));
    assert_eq!(folder.run(&["timeline", "erp/1", "--output", "json"]).ok(), timeline.ok());
    assert_eq!(assert_verified(&folder)["notes"], json!([]));
}

#[test]
fn a_torn_end_is_a_note_and_is_cut_off_when_the_ledger_is_opened() {
    let folder = filled(&lines(100));
    // What a power cut leaves of a second block: its first sector, and zeros where others were due.
    let log = log_of(&folder);
    let end = log.len();
    write_to_log(&folder, end, &log[64..64 + 512 - end % 512]);
    assert!(end % 512 < 400, "the header of the block is in its first sector");

    let table = folder.run(&["verify"]);
    assert!(table.ok().starts_with("100 entries "), "{}", table.out);
    let note = table.out.lines().find_map(|line| line.strip_prefix("note: ")).unwrap();
    let place = format!("segment 00000000000000000000.seg, position {end}: a torn write");
    assert!(note.starts_with(&place), "{note}");
    let opened = folder.run_with_input(&["append"], "");
    assert!(opened.err.contains("cut off the torn end of the log"), "{}", opened.err);
    assert_eq!(assert_verified(&folder)["notes"], json!([]));
    assert_holds(&folder, &lines(100));
}

#[test]
fn a_folder_without_a_ledger_is_not_found_and_stays_as_it_is() {
    let folder = Folder::new();
    for command in ["verify", "stats", "replay"] {
        let missing = folder.run(&[command]);
        let name = folder.path().to_str().unwrap();
        assert!(missing.failed(3).contains(&format!("no ledger in {name}")), "{}", missing.err);
    }
    folder.run(&["timeline", "a"]).failed(3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("format"), "order-ledger format 9\n").unwrap();
    for command in ["verify", "stats"] {
        let other = folder.run(&[command]);
        assert!(other.failed(1).contains("order-ledger format 9"), "{}", other.err);
    }
}

/// An audited ledger of a hundred events and a closed period; the file of its public key, and that
/// of its newest checkpoint.
fn audited() -> (Folder, PathBuf, PathBuf) {
    let folder = filled(&lines(100));
    let ledger = Arc::new(Ledger::open(folder.path(), Options::default()).unwrap());
    let options = AuditOptions { seal_interval: None, ..AuditOptions::default() };
    let audit = Audit::open(Arc::clone(&ledger), options).unwrap();
    audit.seal("2026-11", "anna", "the month is over").unwrap();
    let latest = folder.path().join("checkpoints").join(audit.origin()).join("latest");
    drop(audit);
    while Arc::strong_count(&ledger) > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let keys = std::fs::read_dir(folder.path().join("audit/keys")).unwrap();
    let mut keys = keys.map(|entry| entry.unwrap().path());
    let public = keys.find(|path| path.extension().is_some_and(|extension| extension == "pub"));
    (folder, public.unwrap(), latest)
}

#[test]
fn an_audited_ledger_is_verified_against_what_was_kept_elsewhere() {
    let (folder, key, latest) = audited();
    let [key, latest] = [&key, &latest].map(|path| path.to_str().unwrap());
    let place = folder.path().to_str().unwrap();
    let by_itself = run(&["verify", place]);
    let origin = std::fs::read_to_string(folder.path().join("ledger.id")).unwrap();
    let signed = format!("latest: 102 entries, signed by order-ledger/{}, agrees\n", origin.trim());
    for said in [
        "102 entries of 3 orders in 1 segments, ",
        "1 seals, the newest over 100 entries\nperiods closed: 2026-11\ncheckpoint ",
        &*signed,
        "\nVERIFIED: CRCs, offsets, revisions, chain, tree, seals, checkpoints and views agree\n",
        "not shown: the keys come from the ledger itself and prove nothing against its operator",
        "not shown: whoever holds the log and the key can sign another history anew",
    ] {
        assert!(by_itself.ok().contains(said), "{said}: {}", by_itself.out);
    }

    let kept = Folder::new();
    let copy = kept.path().join("kept");
    std::fs::copy(latest, &copy).unwrap();
    folder.run_with_input(&["append"], &crate::events::line("erp/9", "later")).ok();
    let copy = copy.to_str().unwrap();
    let beside = run(&["verify", place, "--key", key, "--checkpoint", copy]);
    assert!(!beside.ok().contains("prove nothing"), "{}", beside.out);
    for said in [
        "not shown: entry 102 is newer than the newest checkpoint\n",
        "not shown: behind its first 102 entries, whoever holds the log and the key could have",
    ] {
        assert!(beside.out.contains(said), "{said}: {}", beside.out);
    }
    let checkpoints = folder.path().join("checkpoints");
    let checkpoints = checkpoints.to_str().unwrap();
    let arguments = ["verify", place, "--checkpoints", checkpoints, "--output", "json"];
    let report = run(&arguments).json();
    assert_eq!(
        (&report["verdict"], &report["keys_from_ledger"]),
        (&json!("verified"), &json!(true))
    );
    assert_eq!((&report["seals"], &report["periods"]), (&json!(1), &json!(["2026-11"])));
    assert_eq!(report["newest_checkpoint_entries"], 102);
    let found = report["checkpoints"].as_array().unwrap();
    assert_eq!(found.len(), 4, "the newest and the day's, each twice");
    assert!(found.iter().all(|one| one["finding"] == "agrees"), "{found:?}");
}

#[test]
fn what_cannot_be_settled_and_what_differs_have_codes_of_their_own() {
    let ((folder, key, _), (other, other_key, latest)) = (audited(), audited());
    let [key, other_key, latest] = [&key, &other_key, &latest].map(|path| path.to_str().unwrap());
    let place = folder.path().to_str().unwrap();
    let unknown = run(&["verify", place, "--key", other_key]);
    assert!(unknown.failed(1).contains("inconclusive"), "{}", unknown.err);
    assert!(unknown.out.contains("which is none of the keys given"), "{}", unknown.out);
    assert!(unknown.out.contains("\nINCONCLUSIVE: "), "{}", unknown.out);
    let stranger = run(&["verify", place, "--key", key, "--checkpoint", latest]);
    stranger.failed(1);
    assert!(stranger.out.contains("not settled: checkpoint "), "{}", stranger.out);

    // The log of a backup that is shorter than what was signed.
    let backup = filled(&lines(50));
    for name in ["ledger.id", "audit", "checkpoints"] {
        let (from, to) = (folder.path().join(name), backup.path().join(name));
        let _ = std::fs::remove_file(&to);
        std::fs::rename(from, to).unwrap();
    }
    std::fs::remove_file(backup.path().join("views.redb")).unwrap();
    let id = std::fs::read(backup.path().join("ledger.id")).unwrap();
    let id = std::str::from_utf8(&id).unwrap().trim();
    let mut header = log_of(&backup)[..64].to_vec();
    for (at, pair) in id.as_bytes().chunks(2).enumerate() {
        header[16 + at] = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    }
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
    write_to_log(&backup, 0, &header);
    let short = run(&["verify", backup.path().to_str().unwrap()]);
    short.failed(5);
    assert!(short.out.contains("DIFFERS"), "{}", short.out);
    let why = "the ledger is shorter than what was signed, so it lost entries, or was restored";
    assert!(short.out.contains(why), "{}", short.out);

    let place = other.path().to_str().unwrap();
    run(&["verify", place, "--key", "/nowhere/key"]).failed(2);
    run(&["verify", place, "--key", latest]).failed(2);
    run(&["verify", place, "--checkpoint", "/nowhere/latest"]).failed(3);
    run(&["verify", place, "--ledger", place]).failed(2);
}
