//! Checkpoints, seals, evidence and their checks, as those who run a ledger and those who audit one
//! use them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::events::{line, lines};
use crate::support::{Finished, Folder, Running, Server, order_ledger, run, run_with_input};

const HOUSE: [&str; 2] = ["--origin", "ledger.example/orders"];

/// A ledger with so many events, and what an auditor has in hand.
struct House {
    folder: Folder,
    desk: tempfile::TempDir,
}

impl House {
    fn new(count: u64) -> Self {
        let house = Self { folder: Folder::new(), desk: tempfile::tempdir().unwrap() };
        house.folder.run_with_input(&["import", "-"], &lines(count)).ok();
        house
    }

    fn path(&self, name: &str) -> String {
        self.desk.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.folder.run(arguments)
    }

    fn checkpoint(&self, name: &str) -> String {
        let note = self.run(&["checkpoint"]);
        fs::write(self.path(name), note.ok()).unwrap();
        self.path(name)
    }

    /// The file of keys that auditors were given.
    fn key(&self) -> String {
        let path = self.path("keys");
        if !Path::new(&path).exists() {
            self.run(&["checkpoint"]).ok();
            fs::write(&path, self.run(&["key", "list"]).ok()).unwrap();
        }
        path
    }

    fn evidence(&self, name: &str, more: &[&str]) -> String {
        let out = self.path(name);
        let arguments = [&["evidence", "--out", out.as_str()], more].concat();
        self.run(&arguments).ok();
        out
    }
}

#[track_caller]
fn verdict(finished: &Finished, code: i32, word: &str) -> Json {
    finished.failed(code);
    assert_eq!(finished.err, "");
    let verdict: Json = serde_json::from_str(finished.out.lines().next().unwrap()).unwrap();
    assert_eq!(verdict["verdict"], word, "{verdict}");
    verdict
}

fn other_key() -> String {
    let other = House::new(1);
    let key = fs::read_to_string(other.key()).unwrap();
    key.trim().to_owned()
}

#[test]
fn a_checkpoint_in_a_file_is_the_note_and_on_a_table_what_it_says() {
    let house = House::new(30);
    let note = house.run(&["checkpoint", "--at-least", "30"]);
    let said: Vec<&str> = note.ok().lines().collect();
    assert!(said[0].starts_with("order-ledger/") && said[1] == "30", "{said:?}");
    assert!(said[3].is_empty() && said[4].starts_with("\u{2014} order-ledger/"), "{said:?}");
    let json = house.run(&["checkpoint", "--output", "json"]).json();
    assert_eq!((&json["size"], &json["note"]), (&json!(30), &json!(note.out)));
    let table = house.run(&["checkpoint", "--output", "table"]);
    for named in ["size       30", "root       ", "origin     order-ledger/", "key        "] {
        assert!(table.ok().contains(named), "{}", table.out);
    }
    let beyond = house.run(&["checkpoint", "--at-least", "31"]);
    assert!(beyond.failed(2).contains("31"), "{}", beyond.err);

    let server = Server::start(house.folder.path());
    assert_eq!(server.run(&["checkpoint"]).ok().lines().nth(1), Some("30"));
    let refused = server.run(&["checkpoint", "--origin", "a"]);
    assert!(refused.failed(2).contains("--origin is for a ledger in a folder"), "{}", refused.err);
    server.stop().ok();
}

/// Seen red with the newest checkpoint that was signed already.
#[test]
fn a_checkpoint_covers_what_was_acknowledged_before_it() {
    let folder = Folder::new();
    let flags = ["--seal-interval", "never", "--checkpoint-interval", "1h"];
    let server = Server::start_with(folder.path(), &flags);
    for count in 1..=10 {
        let event = line("erp/1", &count.to_string());
        run_with_input(&server.arguments(&["import", "-"]), &event).ok();
        let size = server.run(&["checkpoint", "--output", "json"]).json()["size"].clone();
        assert_eq!(size, server.run(&["stats", "--output", "json"]).json()["head"]);
    }
    server.stop().ok();
}

#[test]
fn a_house_names_its_log_its_places_and_its_keys() {
    let house = House::new(3);
    let copies = house.path("copies");
    let fresh = Folder::new();
    fresh.run_with_input(&["import", "-"], "").ok();
    let named = [&["checkpoint", "--checkpoint-copy", copies.as_str()], &HOUSE[..]].concat();
    assert!(fresh.run(&named).ok().starts_with("ledger.example/orders\n1\n"));
    let kept = PathBuf::from(&copies).join("ledger.example/orders/latest");
    assert!(fs::read_to_string(kept).unwrap().starts_with("ledger.example/orders\n"));
    let other = fresh.run(&["checkpoint", "--origin", "ledger.example/others"]);
    assert!(other.failed(4).contains("--new-origin"), "{}", other.err);
    let silent = fresh.run(&["checkpoint", "--new-origin", "ledger.example/others"]);
    assert!(silent.failed(2).contains("--new-origin-reason"), "{}", silent.err);
    let told = fresh.run(&[
        "checkpoint",
        "--new-origin",
        "ledger.example/others",
        "--new-origin-actor",
        "anna",
        "--new-origin-reason",
        "a test of it",
    ]);
    assert!(told.ok().starts_with("ledger.example/others\n2\n"), "{}", told.out);

    let mut command =
        order_ledger(&["checkpoint", "--ledger", house.folder.path().to_str().unwrap()]);
    command.env("ORDER_LEDGER_ORIGIN", "UPPER");
    let refused = Running::start(command).finish();
    assert!(refused.failed(2).contains("ORDER_LEDGER_ORIGIN"), "{}", refused.err);
}

#[test]
fn a_further_key_signs_from_the_next_start_on_and_either_is_enough() {
    let house = House::new(3);
    let none = house.run(&["key", "add"]);
    assert!(none.failed(4).contains("no key yet"), "{}", none.err);
    assert!(house.run(&["key", "list"]).failed(3).contains("no key yet"));
    let first = fs::read_to_string(house.key()).unwrap();
    let server = Server::start(house.folder.path());
    let added = house.run(&["key", "add"]);
    assert!(added.err.contains("restart"), "{}", added.err);
    let added = added.ok().trim().to_owned();
    assert_eq!(server.run(&["checkpoint"]).ok().matches('\u{2014}').count(), 1);
    server.stop().ok();
    let signed = house.run(&["checkpoint"]);
    assert_eq!(signed.ok().matches('\u{2014}').count(), 2);
    let out = house.evidence("both.html", &["erp/1"]);
    for key in [first.trim(), &added] {
        let checked = run(&["verify", "bundle", &out, "--key", key, "--output", "json"]);
        verdict(&checked, 0, "verified");
    }
    let keys = house.run(&["key", "list", "--output", "json"]).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn a_server_says_its_keys_and_takes_the_flags_of_the_audit() {
    let folder = Folder::new();
    let flags = ["--origin", "ledger.example/orders", "--seal-interval", "never"];
    let server = Server::start_with(folder.path(), &flags);
    let said: Vec<String> = (0..3).map(|_| server.running.next_line()).collect();
    let key = said[2].strip_prefix("key        ").unwrap_or_else(|| panic!("{said:?}"));
    assert!(key.starts_with("ledger.example/orders+") && key.contains("auditors"), "{key}");
    let key = key.split_whitespace().next().unwrap();
    assert_eq!(server.run(&["checkpoint", "--output", "json"]).json()["verifier_keys"][0], key);
    server.stop().ok();
    let refused = folder.run(&["serve", "--listen", "127.0.0.1:0", "--origin", "other"]);
    assert!(refused.failed(4).contains("--new-origin"), "{}", refused.err);
    assert_eq!(refused.out, "", "no address of a server that never served");
}

/// Seen red with the audit opened for the question.
#[test]
fn who_asks_for_periods_makes_no_key() {
    let house = House::new(9);
    house.run(&["periods"]).ok();
    house.run(&["report", "--against", "2026-Q3"]).failed(3);
    assert!(!house.folder.path().join("audit").exists());
}

#[test]
fn a_period_is_closed_once() {
    let house = House::new(9);
    let close = |actor: &str| {
        let label = ["seal", "--label", "2026-Q3", "--reason", "quarter's end"];
        house.run(&[&label[..], &["--output", "json", "--actor", actor]].concat())
    };
    assert_eq!(close("anna").json()["covered"], 9);
    assert_eq!(close("anna").json()["covered"], 9);
    assert!(close("bert").failed(4).contains("anna"));
    assert!(house.run(&["seal", "--label", "x"]).failed(2).contains("--reason"));
    assert!(house.run(&["seal"]).ok().starts_with("sealed     "));
    let periods = house.run(&["periods", "--output", "json"]).json();
    assert_eq!((&periods["periods"][0]["label"]), &json!("2026-Q3"));
    assert!(house.run(&["periods"]).ok().contains("quarter's end"));
    house.run(&["periods", "2026-Q2"]).failed(3);
}

#[test]
fn evidence_is_one_file_that_holds_without_a_server() {
    let house = House::new(30);
    let (key, out) = (house.key(), house.path("e.html"));
    let made = house.run(&["evidence", "erp/1", "erp/never", "--out", &out]);
    let said = made.ok();
    assert!(said.contains("orders     2, 1 absent"), "{said}");
    assert!(said.contains(&format!("order-ledger verify bundle {out} --key KEYFILE")), "{said}");
    let exists = house.run(&["evidence", "erp/1", "--out", &out]);
    assert!(exists.failed(4).contains("--force"), "{}", exists.err);
    house.run(&["evidence", "erp/1", "erp/never", "--out", &out, "--force"]).ok();
    assert!(house.run(&["evidence", "--out", "x"]).failed(2).contains("name orders"));
    let nowhere = house.path("nodir/e.html");
    let unwritten = house.run(&["evidence", "erp/1", "--out", &nowhere]);
    let expected = format!("error: cannot write {nowhere}: No such file");
    assert!(unwritten.failed(1).contains(&expected), "{}", unwritten.err);
    let piped = house.run(&["evidence", "erp/1", "--out", "-"]);
    assert!(piped.ok().starts_with("<!DOCTYPE html>") && piped.out.ends_with(" -->\n"));
    let none = house.run(&["evidence", "--source", "nobody", "--out", &house.path("n.html")]);
    assert!(none.failed(3).contains("no order passes the filter"), "{}", none.err);
    assert_eq!(fs::read_dir(house.desk.path()).unwrap().count(), 2, "no other file is left");

    let people = run(&["verify", "bundle", &out, "--key", &key]);
    assert!(people.ok().starts_with("VERIFIED: "), "{}", people.out);
    assert!(people.out.contains("2 orders as recorded, complete as of seal #"), "{}", people.out);
    assert!(people.out.contains("erp/1: all 10 entries"), "{}", people.out);
    assert!(people.out.contains("erp/never: the ledger has no entry of it"), "{}", people.out);
    assert!(people.out.contains("not shown: "), "{}", people.out);
    let signer = fs::read_to_string(&key).unwrap();
    // Base64 may have a '+' too.
    let signer = signer.splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
    assert!(people.out.contains(&format!(", signed by {signer}\n")), "{}", people.out);

    let server = Server::start(house.folder.path());
    let (older, all) = (house.path("s.html"), house.path("all.html"));
    server.run(&["evidence", "erp/1", "--out", &older, "--as-of-offset", "15"]).ok();
    server.run(&["evidence", "--source", "wms:dc1", "--out", &all]).ok();
    let none = server.run(&["evidence", "--source", "nobody", "--out", &house.path("n.html")]);
    assert!(none.failed(3).contains("no order passes"), "{}", none.err);
    server.stop().ok();
    let json = ["--key", &key, "--output", "json"];
    let shown = run(&[&["verify", "bundle", &older], &json[..]].concat());
    let shown = verdict(&shown, 0, "verified");
    assert_eq!((&shown["page"], &shown["signed_by"]), (&json!("compared"), &json!([signer])));
    assert_eq!(
        (&shown["orders"][0]["entries"], &shown["orders"][0]["shown"]),
        (&json!(10), &json!(5))
    );
    let every = run(&[&["verify", "bundle", &all, &out], &json[..]].concat());
    assert_eq!(verdict(&every, 0, "verified")["orders"].as_array().unwrap().len(), 3);
    assert_eq!(every.out.lines().count(), 2);
}

/// A file whose page says something else, with a digest that fits.
fn with_other_title(file: &str) -> String {
    replaced(file, [("</title>", " (corrected)</title>")])
}

/// A file with other text, and a digest that fits.
fn replaced<const N: usize>(file: &str, pairs: [(&str, &str); N]) -> String {
    let text = fs::read_to_string(file).unwrap();
    let mut above = text[..text.len() - 81].to_owned();
    for (from, to) in pairs {
        assert!(above.contains(from), "{from}");
        above = above.replacen(from, to, 1);
    }
    let digest = Sha256::digest(above.as_bytes());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from_digit(digit.into(), 16).unwrap());
    format!("{above}<!-- sha256 {} -->\n", digits.collect::<String>())
}

#[test]
fn each_way_in_which_a_file_does_not_hold_has_its_verdict() {
    let house = House::new(30);
    let (key, out) = (house.key(), house.evidence("e.html", &["erp/1"]));
    let check = |file: &str, more: &[&str]| {
        let arguments = ["verify", "bundle", file, "--output", "json"];
        run(&[&arguments[..], more].concat())
    };
    let other = other_key();
    let said = verdict(&check(&out, &["--key", &other]), 1, "inconclusive");
    assert!(said["sentence"].as_str().unwrap().contains("nobody whose key"), "{said}");
    verdict(&check(&out, &["--key", &other, "--key", &key]), 0, "verified");
    verdict(&check(&out, &["--key", &key, "--covers", "30"]), 0, "verified");
    verdict(&check(&out, &["--key", &key, "--covers", "31"]), 1, "inconclusive");
    let until = ["--key", &key, "--recorded-until", "2262-01-01T00:00:00Z"];
    verdict(&check(&out, &until), 1, "inconclusive");
    let mut bytes = fs::read(&out).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bad = house.path("bad.html");
    fs::write(&bad, &bytes).unwrap();
    verdict(&check(&bad, &["--key", &key]), 5, "unreadable");
    verdict(&check(&key, &["--key", &key]), 5, "unreadable");
    fs::write(&bad, with_other_title(&out)).unwrap();
    let said = verdict(&check(&bad, &["--key", &key]), 5, "tampered");
    assert!(said["details"][0].as_str().unwrap().contains("the page is not"), "{said}");
    assert!(check("nowhere.html", &["--key", &key]).failed(3).contains("nowhere.html"));
    assert!(check(&out, &["--key", "nowhere.pub"]).failed(2).contains("nowhere.pub"));
    assert!(check(&out, &["--key", &out]).failed(2).contains("not a key"));
    assert!(check(&out, &[]).failed(2).contains("--key"));
    // The worst of several is the exit code.
    run(&["verify", "bundle", &out, &bad, "--key", &key]).failed(5);
    run(&["verify", "bundle", &bad, &out, "--key", &key]).failed(5);
    let three = ["verify", "bundle", "nowhere.html", &bad, &out, "--key", &key];
    let three = run(&three);
    assert!(three.failed(5).contains("nowhere.html"), "{}", three.err);
    assert!(three.out.contains("NOT VERIFIED: ") && three.out.contains("\nVERIFIED: "));
    run(&["verify", "bundle", &out, "nowhere.html", "--key", &key]).failed(3);
    let older = ["verify", "bundle", "nowhere.html", &out, "--key", &key, "--covers", "31"];
    run(&older).failed(1);
}

/// Whoever holds a file can write on its page what he likes, and name another version that made it.
#[test]
fn the_page_of_another_version_is_believed_by_nobody() {
    let house = House::new(30);
    let (key, out) = (house.key(), house.evidence("e.html", &["erp/1"]));
    let version = concat!("\"product_version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    let other = [("</title>", " (paid)</title>"), (version, "\"product_version\":\"0.0.9\"")];
    let forged = house.path("forged.html");
    fs::write(&forged, replaced(&out, other)).unwrap();
    let json = ["--key", &key, "--output", "json"];
    let check = |more: &[&str]| run(&[&["verify", "bundle", &forged], &json[..], more].concat());
    let said = verdict(&check(&[]), 1, "inconclusive");
    let why = said["details"][0].as_str().unwrap();
    assert!(why.contains("version 0.0.9") && why.contains("--events-only"), "{said}");
    let said = verdict(&check(&["--events-only"]), 0, "verified");
    assert_eq!(said["page"], "not compared");
    let sentence = said["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("the events alone of 1 order"), "{sentence}");
    assert!(sentence.ends_with("; the page was not compared"), "{sentence}");
    fs::write(&forged, with_other_title(&out)).unwrap();
    verdict(&check(&["--events-only"]), 5, "tampered");
}

#[test]
fn a_log_goes_on_from_its_older_checkpoint_and_a_rewritten_one_does_not() {
    let house = House::new(20);
    let (key, old) = (house.key(), house.checkpoint("old"));
    house.folder.run_with_input(&["append"], &line("erp/9", "more")).ok();
    let new = house.checkpoint("new");
    let check = |house: &House, (old, new): (&str, &str)| {
        let more = ["--key", &key, "--output", "json"];
        house.run(&[&["verify", "consistency", old, new], &more[..]].concat())
    };
    let said = verdict(&check(&house, (&old, &new)), 0, "verified");
    assert_eq!((&said["from_size"], &said["to_size"]), (&json!(20), &json!(21)));
    verdict(&check(&house, (&new, &old)), 0, "verified");
    verdict(&check(&house, (&old, &old)), 0, "verified");
    let server = Server::start(house.folder.path());
    let people = server.run(&["verify", "consistency", &old, &new, "--key", &key]);
    assert!(people.ok().starts_with("VERIFIED: the log of 21 entries begins"), "{}", people.out);
    server.stop().ok();

    let text = fs::read_to_string(&old).unwrap();
    let forged = house.path("forged");
    fs::write(&forged, text.replacen("\n20\n", "\n19\n", 1)).unwrap();
    verdict(&check(&house, (&forged, &new)), 5, "tampered");
    fs::write(&forged, "no note").unwrap();
    verdict(&check(&house, (&forged, &new)), 1, "inconclusive");
    check(&house, ("nowhere", &new)).failed(3);

    // The same keys and the same name over another log: what a dishonest house would do.
    let other = House::new(0);
    other.folder.run_with_input(&["import", "-"], &lines(2)).ok();
    let keys = house.folder.path().join("audit/keys");
    let secret = fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path());
    let secret: Vec<_> = secret.filter(|path| path.extension().unwrap() == "key").collect();
    let origin = text.lines().next().unwrap().to_owned();
    other.folder.run_with_input(&["append"], &lines(22)).ok();
    let began = ["checkpoint", "--new-origin", &origin, "--new-origin-actor", "mallory"];
    let with = ["--new-origin-reason", "-", "--signing-key", secret[0].to_str().unwrap()];
    let rewritten = other.run(&[&began[..], &with[..]].concat());
    let fork = house.path("fork");
    fs::write(&fork, rewritten.ok()).unwrap();
    let said = verdict(&check(&house, (&old, &fork)), 5, "tampered");
    let dishonest = ["verify", "consistency", &old, &fork, "--key", &key, "--signing-key"];
    let dishonest = other.run(&[&dishonest[..], &[secret[0].to_str().unwrap()]].concat());
    assert!(dishonest.out.starts_with("NOT VERIFIED: one log was shown in two ways"), "{said}");
    dishonest.failed(5);
}

#[test]
fn a_sample_of_a_sound_ledger_shows_what_it_shows() {
    let house = House::new(60);
    let key = house.key();
    house.run(&["seal"]).ok();
    let sample = ["verify", "sample", "--key", &key, "-n", "20", "--seed", "7"];
    let local = house.run(&[&sample[..], &["--output", "json"]].concat());
    let local = verdict(&local, 0, "verified");
    assert_eq!(
        (&local["samples"], &local["seed"], &local["covered"]),
        (&json!(20), &json!(7), &json!(60))
    );
    let server = Server::start(house.folder.path());
    let people = server.run(&sample);
    assert!(people.ok().starts_with("VERIFIED: 20 of 6"), "{}", people.out);
    assert!(people.out.contains("% fraud with 95 % certainty"), "{}", people.out);
    let all = server.run(&["verify", "sample", "--key", &key]);
    assert!(all.ok().contains("every entry that the seal covers"), "{}", all.out);
    assert!(!all.out.contains("an entry that was not sampled"), "{}", all.out);
    assert!(all.out.contains("not shown: a file of evidence under another seal"), "{}", all.out);
    let none = server.run(&["verify", "sample", "--key", &key, "-n", "0"]);
    assert!(none.failed(2).contains("0 is not in 1.."), "{}", none.err);
    let other = other_key();
    let unknown = server.run(&["verify", "sample", "--key", &other, "--output", "json"]);
    verdict(&unknown, 1, "inconclusive");
    server.stop().ok();
}

#[test]
fn nothing_is_gone_since_an_older_file() {
    let house = House::new(30);
    let (key, old) = (house.key(), house.evidence("old.html", &["erp/1", "erp/2"]));
    house.folder.run_with_input(&["append"], &line("erp/1", "more")).ok();
    let new = house.evidence("new.html", &["erp/1", "erp/2", "erp/0"]);
    let less = house.evidence("less.html", &["erp/1"]);
    let json = ["--key", &key, "--output", "json"];
    let since = |files: &[&str]| run(&[&["verify", "since"], files, &json[..]].concat());
    let said = verdict(&since(&[&old, &new]), 0, "verified");
    assert_eq!(said["orders"], 2);
    let first = json!({"order": "erp/1", "entries_then": 10, "entries_now": 11});
    assert_eq!(said["histories"][0], first, "{said}");
    verdict(&since(&[&new, &old]), 1, "inconclusive");
    verdict(&since(&[&old, &less]), 1, "inconclusive");
    let server = Server::start(house.folder.path());
    let now = server.run(&["verify", "since", &old, "--key", &key]);
    assert!(
        now.ok().starts_with("VERIFIED: nothing of 2 orders is gone or changed"),
        "{}",
        now.out
    );
    assert!(now.out.contains("\n  erp/1: 10 entries then, 11 now\n"), "{}", now.out);
    server.stop().ok();
}

/// Seen red with the variable not sent.
#[test]
fn who_reads_says_so_in_a_variable() {
    let house = House::new(3);
    let server = Server::start_with(house.folder.path(), &["--audit-reads"]);
    let run_as = |actor: &str| {
        let mut command = order_ledger(&server.arguments(&["order", "erp/1"]));
        command.env("ORDER_LEDGER_ACTOR", actor);
        Running::start(command).finish()
    };
    run_as("anna").ok();
    assert!(run_as("J\u{fc}rgen").failed(2).contains("ORDER_LEDGER_ACTOR"));
    let all = server.run(&["replay", "--ledger-entries", "--output", "json"]).ndjson();
    let reads = all.iter().filter_map(|row| row["event"]["ledger_entry"].get("read"));
    let reads: Vec<_> = reads.map(|read| (&read["correlation_id"], &read["reader"])).collect();
    assert!(reads.contains(&(&json!("erp/1"), &json!("anna"))), "{reads:?}");
    server.stop().ok();
}

#[test]
fn a_ledger_that_was_put_back_says_so() {
    let house = House::new(20);
    let key = house.key();
    let backup = Folder::new();
    copy(house.folder.path(), backup.path());
    run_with_input(
        &["append", "--ledger", house.folder.path().to_str().unwrap()],
        &line("erp/1", "more"),
    )
    .ok();
    let old = house.evidence("old.html", &["erp/1"]);
    let copies = house.folder.path().join("checkpoints");
    let with = ["--checkpoint-copy", copies.to_str().unwrap()];
    let refused = backup.run(&[&["checkpoint"], &with[..]].concat());
    assert!(refused.failed(4).contains("restored from a backup"), "{}", refused.err);
    // Without its second place it cannot know; whoever holds evidence does.
    let since = backup.run(&["verify", "since", &old, "--key", &key, "--output", "json"]);
    verdict(&since, 5, "tampered");
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
