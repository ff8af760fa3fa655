//! The log as a program sees it that shares no code with this one: `tests/format_reader.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Finished, Folder, Running};

/// Runs the reader on a ledger; `None`, with a word about it, where it cannot run.
fn read(folder: &Folder) -> Option<Finished> {
    let reader: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format_reader.py");
    let python = Command::new("python3").arg("--version").output().is_ok();
    if !python || !reader.exists() {
        eprintln!("skipped: there is no python3, or no {}", reader.display());
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(reader).arg(folder.path());
    Some(Running::start(command).finish())
}

#[test]
fn a_reader_in_another_language_finds_the_same_in_the_log() {
    let folder = Folder::new();
    folder.run(&["demo", "--orders", "60"]).ok();
    let Some(read) = read(&folder) else { return };
    let found = read.json();
    let stats = folder.run(&["stats", "--output", "json"]).json();
    assert_eq!(found["ledger_id"], stats["ledger_id"]);
    assert_eq!(found["head"], stats["head"]);
    assert_eq!(found["entries"], stats["head"]);
    assert_eq!(found["orders"], stats["order_count"]);
}

#[test]
fn a_reader_in_another_language_sees_a_flipped_byte() {
    let folder = Folder::new();
    folder.run(&["demo", "--orders", "5"]).ok();
    let segment = &folder.segments()[0];
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[300] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    let Some(read) = read(&folder) else { return };
    read.failed(5);
}
