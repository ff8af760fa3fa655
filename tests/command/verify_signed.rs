//! `verify` of ledgers that were signed: what was taken away, ended, doctored or damaged of that,
//! and what is said of it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::events::{line, lines};
use crate::support::{Finished, Folder, Server};

fn filled(count: u64) -> Folder {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(count)).ok();
    folder
}

fn signed(count: u64) -> Folder {
    let folder = filled(count);
    folder.run(&["checkpoint"]).ok();
    folder
}

fn document(folder: &Folder, more: &[&str]) -> Json {
    let finished = folder.run(&[&["verify", "--output", "json"], more].concat());
    serde_json::from_str(&finished.out).unwrap()
}

/// Where the blocks of the only segment end.
fn log_len(folder: &Folder) -> u64 {
    let mut bytes = Vec::new();
    fs::File::open(&folder.segments()[0]).unwrap().take(1 << 20).read_to_end(&mut bytes).unwrap();
    u64::try_from(bytes.iter().rposition(|&byte| byte != 0).unwrap()).unwrap() + 1
}

fn write_to_log(folder: &Folder, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(&folder.segments()[0]).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn remove(folder: &Folder, names: &[&str]) {
    for name in names {
        let path = folder.path().join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// The file of a key, with this ending.
fn key_file(folder: &Folder, ending: &str) -> PathBuf {
    let files = fs::read_dir(folder.path().join("audit/keys")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files.find(|path| path.extension().is_some_and(|found| found == ending)).unwrap()
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

#[track_caller]
fn assert_says(finished: &Finished, said: &str) {
    assert!(finished.out.contains(said), "{said}\nin\n{}", finished.out);
}

/// Seen red with seals alone counted as a sign that the ledger was signed.
#[test]
fn a_shorter_log_without_its_checkpoints_is_not_verified() {
    let folder = filled(300);
    let end = log_len(&folder);
    folder.run_with_input(&["append"], &line("erp/9", "the last")).ok();
    folder.run(&["checkpoint"]).ok();
    let zeros = vec![0; usize::try_from(log_len(&folder) - end).unwrap()];
    write_to_log(&folder, end, &zeros);
    remove(&folder, &["checkpoints", "views.redb"]);
    for taken_too in [None, Some("audit/keys")] {
        remove(&folder, taken_too.as_slice());
        let found = folder.run(&["verify"]);
        found.failed(1);
        assert_says(&found, "not settled: checkpoints of this ledger were signed, and none is");
        assert_says(&found, "\nINCONCLUSIVE: ");
    }
    remove(&folder, &["audit/tiles"]);
    let found = folder.run(&["verify"]);
    assert!(found.ok().contains("\nVERIFIED: CRCs, offsets, revisions and chain agree\n"));
}

/// Seen red with views, tree and checkpoints compared with what could be read.
#[test]
fn damage_of_the_log_is_said_once_and_what_rests_on_it_is_not_blamed() {
    let folder = signed(100);
    write_to_log(&folder, 64 + 32 + 200, &[0xee]);
    let found = folder.run(&["verify"]);
    assert_eq!(found.failed(5), "error: 1 defect\n");
    assert_says(&found, "DEFECT: segment 00000000000000000000.seg, position 64, offset 0: ");
    assert_says(&found, "note: the log is damaged from offset 0 on: ");
    assert_says(&found, ": 100 entries, not compared\n");
    for wrong in ["views.redb", "DIFFERS", "not settled", "made again"] {
        assert!(!found.out.contains(wrong), "{wrong}: {}", found.out);
    }
    let document = document(&folder, &[]);
    assert_eq!((&document["verdict"], &document["damaged_from"]), (&json!("tampered"), &json!(0)));
    assert_eq!(document["checkpoints"][0]["finding"], "unproven");
}

/// Seen red with the ends of origins not told.
#[test]
fn an_origin_that_was_ended_openly_is_told_with_who_when_and_why() {
    let folder = signed(20);
    let (backup, copies) = (Folder::new(), tempfile::tempdir().unwrap());
    copy(folder.path(), backup.path());
    folder.run_with_input(&["append"], &line("erp/9", "the last")).ok();
    folder.run(&["checkpoint"]).ok();
    copy(&folder.path().join("checkpoints"), copies.path());
    let origin = folder.run(&["checkpoint", "--output", "json"]).json()["origin"].clone();
    let one_origin = folder.run(&["verify"]);
    assert!(!one_origin.ok().contains("\norigin "), "{}", one_origin.out);

    let new_origin =
        ["checkpoint", "--new-origin", "ledger.example/2", "--new-origin-actor", "anna"];
    backup.run(&[&new_origin[..], &["--new-origin-reason", "the disk broke"]].concat()).ok();
    let found = backup.run(&["verify", "--checkpoints", copies.path().to_str().unwrap()]);
    found.failed(5);
    let origin = origin.as_str().unwrap();
    assert_says(&found, &format!("\norigin {origin}: from the beginning, ended at #20\n"));
    let mut lines = found.out.lines();
    let began = lines.find_map(|line| line.strip_prefix("origin ledger.example/2: began at "));
    let began = began.unwrap();
    assert!(began.starts_with("#20 on 20"), "{began}");
    assert!(began.ends_with(" by anna: the disk broke"), "{began}");
    assert_says(&found, &format!("; origin {origin} was ended at {began}\n"));
    let headline = "TAMPERED: the ledger, or a checkpoint, is not what was written or signed: ";
    assert_says(&found, headline);
    let document = document(&backup, &[]);
    assert_eq!(document["verdict"], "verified");
    let history = document["origin_history"].as_array().unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((&history[0]["offset"], &history[0]["actor"]), (&json!(20), &json!("anna")));
    assert_eq!(
        (&history[0]["name"], &history[0]["before"]),
        (&json!("ledger.example/2"), &json!(origin))
    );
}

/// Seen red with the ledger blamed for every defect.
#[test]
fn a_doctored_checkpoint_is_named_and_the_ledger_not_blamed() {
    let folder = signed(20);
    let kept = tempfile::tempdir().unwrap();
    let doctored = kept.path().join("friday");
    let note = folder.run(&["checkpoint"]);
    fs::write(&doctored, note.ok().replacen("\n20\n", "\n19\n", 1)).unwrap();
    let found = folder.run(&["verify", "--checkpoint", doctored.to_str().unwrap()]);
    found.failed(5);
    let headline = "TAMPERED: the ledger, or a checkpoint, is not what was written or signed: ";
    assert_says(&found, &format!("{headline}{}\n", doctored.display()));
}

/// Seen red with only the public halves read, and only where no others were given.
#[test]
fn a_damaged_key_is_said_and_is_no_defect_of_the_log() {
    let folder = signed(20);
    let (secret, public) = (key_file(&folder, "key"), key_file(&folder, "pub"));
    let (sound, given) = (fs::read_to_string(&secret).unwrap(), folder.path().join("given"));
    fs::copy(&public, &given).unwrap();
    let verify = || folder.run(&["verify", "--key", given.to_str().unwrap()]);
    verify().ok();
    fs::write(&secret, &sound[..40]).unwrap();
    let found = verify();
    assert!(found.failed(1).contains("inconclusive"), "{}", found.err);
    assert_says(&found, &format!("not settled: key {}: ", secret.display()));
    assert!(!found.out.contains("DEFECT"), "{}", found.out);
    fs::write(&secret, &sound).unwrap();
    fs::copy(key_file(&signed(1), "pub"), &public).unwrap();
    let found = verify();
    found.failed(1);
    assert_says(&found, &format!("not settled: key {}: it is not ", public.display()));
    fs::remove_file(&public).unwrap();
    let found = verify();
    found.failed(1);
    assert_says(&found, &format!("not settled: key {}: ", public.display()));
}

/// Seen red without the advice.
#[test]
fn a_ledger_that_is_open_says_how_to_check_it_all_the_same() {
    let folder = filled(3);
    let server = Server::start(folder.path());
    let locked = folder.run(&["verify"]);
    let said = locked.failed(1);
    assert!(said.contains("another process has this ledger open"), "{said}");
    assert!(said.contains("verify sample --server URL") && said.contains("a copy"), "{said}");
    server.stop().ok();
}
