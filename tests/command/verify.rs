//! `verify`: sound ledgers, damaged ones, and what is neither.

use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use serde_json::{Value as Json, json};

use crate::events::{assert_holds, assert_verified, lines};
use crate::support::Folder;

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
    assert!(table.out.ends_with("verified: CRCs, offsets, revisions, chain and views agree\n"));
    assert_eq!((table.out.lines().count(), &*table.err), (2, ""));
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
    assert!(failed.starts_with("error: ") && failed.ends_with(" defects\n"), "{failed}");
    let defects: Vec<&str> =
        table.out.lines().filter_map(|line| line.strip_prefix("DEFECT: ")).collect();
    let place = "segment 00000000000000000000.seg, position 64, offset 0: ";
    assert!(defects[0].starts_with(place), "{defects:?}");
    let views = &defects[1..];
    assert!(!views.is_empty() && views.iter().all(|one| one.starts_with("views.redb: ")));
    assert!(table.out.ends_with("NOT verified\n"), "{}", table.out);
    let report: Json =
        serde_json::from_str(&folder.run(&["verify", "--output", "json"]).out).unwrap();
    assert_eq!((&report["verified"], &report["defects"]), (&json!(false), &json!(defects)));
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
        assert!(folder.run(&["verify"]).failed(5).contains("defects"), "byte {at}");
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
