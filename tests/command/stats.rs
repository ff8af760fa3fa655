//! `stats`: how large a ledger is.

use serde_json::json;

use crate::events::{assert_verified, lines};
use crate::support::{Finished, Folder, Server};

#[test]
fn stats_are_given_for_people_and_for_programs() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], "").ok();
    let empty = folder.run(&["stats", "--output", "json"]).json();
    assert_eq!((&empty["head"], &empty["order_count"]), (&json!(0), &json!(0)));
    assert_eq!(empty["recorded_at"], json!(null));
    assert!(folder.run(&["stats"]).ok().contains("newest entry -\n"));

    folder.run_with_input(&["import", "-"], &lines(1_234)).ok();
    let json = folder.run(&["stats", "--output", "json"]).json();
    assert_eq!((&json["head"], &json["order_count"]), (&json!(1_234), &json!(3)));
    let id = json["ledger_id"].as_str().unwrap();
    assert_eq!((id.len(), &json["ledger_id"]), (32, &empty["ledger_id"]));
    let table = folder.run(&["stats"]);
    let rows: Vec<(&str, &str)> = table
        .ok()
        .lines()
        .map(|row| row.split_at(13))
        .map(|(name, value)| (name.trim_end(), value))
        .collect();
    let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
    assert_eq!(names, ["ledger", "head", "orders", "newest entry", "log", "views"]);
    assert_eq!((rows[0].1, rows[1].1, rows[2].1), (id, "1,234", "3"));
    assert_eq!(rows[3].1, json["recorded_at"]);

    let sources = folder.run(&["stats", "--sources", "--output", "json"]).json();
    assert!(sources["sources"].is_array() && json.get("sources").is_none(), "{sources}");
    assert!(folder.run(&["stats", "--sources"]).ok().contains("wms:dc1"));

    let verified = assert_verified(&folder);
    assert_eq!((&verified["entries"], &verified["orders"]), (&json["head"], &json["order_count"]));
    assert_eq!(verified["log_bytes"], json["log_bytes"]);
    assert_eq!(verified["segments"], json["segment_count"]);
}

#[test]
fn a_folder_and_a_server_count_the_same() {
    let folder = Folder::new();
    folder.run(&["demo", "--orders", "30"]).ok();
    let questions =
        [vec!["stats"], vec!["stats", "--output", "json"], vec!["stats", "--output", "ndjson"]];
    // The views' file grows and shrinks with every opening.
    let counted = |stats: Finished| {
        let before_view_bytes = ["views ", "\"view_bytes\""].map(|name| stats.ok().find(name));
        let end = before_view_bytes.into_iter().flatten().min().unwrap();
        stats.ok()[..end].to_owned()
    };
    let here = questions.each_ref().map(|question| counted(folder.run(question)));
    let server = Server::start(folder.path());
    let there = questions.each_ref().map(|question| counted(server.run(question)));
    assert_eq!(here, there);
    server.stop().ok();
}

/// Seen red with the views of every empty ledger made again.
#[test]
fn an_empty_ledger_is_opened_again_without_a_word() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], "").ok();
    assert_eq!(folder.run(&["stats"]).err, "");
    let server = Server::start(folder.path());
    let stopped = server.stop();
    assert!(!stopped.err.contains("views"), "{}", stopped.err);
    assert_verified(&folder);
}

#[test]
fn a_server_says_how_far_it_has_signed_or_why_it_does_not() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(9)).ok();
    assert_eq!(folder.run(&["stats", "--output", "json"]).json()["audit"], json!(null));
    assert!(!folder.path().join("audit").exists(), "who counts makes no key");
    let copies = tempfile::tempdir().unwrap();
    let flags = ["--origin", "a", "--checkpoint-copy", copies.path().to_str().unwrap()];
    let flags = [&flags[2..], &["--seal-interval", "never"]].concat();
    let server = Server::start_with(folder.path(), &flags);
    server.run(&["checkpoint"]).ok();
    let audit = server.run(&["stats", "--output", "json"]).json()["audit"].clone();
    assert_eq!((&audit["entries"], &audit["behind"]), (&json!(9), &json!(0)));
    assert!(audit["origin"].as_str().unwrap().starts_with("order-ledger/"), "{audit}");
    let table = server.run(&["stats"]);
    assert!(table.ok().contains("\naudit        9 entries signed, 0 behind the head\n"));
    assert!(table.out.contains("\norigin       order-ledger/"), "{}", table.out);
    server.stop().ok();

    let latest = copies.path().join(audit["origin"].as_str().unwrap()).join("latest");
    std::fs::write(&latest, "nothing of that").unwrap();
    let server = Server::start_with(folder.path(), &flags);
    let table = server.run(&["stats"]);
    assert!(table.ok().contains("\naudit        nothing is signed: "), "{}", table.out);
    let audit = server.run(&["stats", "--output", "json"]).json()["audit"].clone();
    assert_eq!(audit["reason"], "SIGNING_REFUSED");
    assert!(audit["not_signed"].as_str().unwrap().contains("is damaged"), "{audit}");
    server.stop().ok();
}
