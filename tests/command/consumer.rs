//! `consumer`: who is told of events: made, shown, changed, moved and deleted.

use serde_json::{Value as Json, json};

use crate::events::lines;
use crate::order::{assert_narrow, run_within};
use crate::support::{Folder, Server, run_with_input};

const NAME: &str = "erp-updater";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(6)).ok();
    folder
}

/// The settings of the consumer, as they are shown.
fn settings(folder: &Folder) -> Json {
    let shown = folder.run(&["consumer", "show", NAME, "--output", "json"]).json();
    shown["consumer"]["settings"].clone()
}

#[test]
fn a_consumer_is_created_once_shown_listed_and_deleted() {
    let folder = folder();
    let create = ["consumer", "create", NAME, "--type", "pick.*", "--ack-timeout", "1m 30s"];
    let created = folder.run(&create);
    assert!(created.ok().starts_with("erp-updater is created, at offset 0\n"), "{}", created.out);
    let again = folder.run(&create);
    assert!(again.ok().starts_with("erp-updater was there before, with the"), "{}", again.out);
    let again = folder.run(&[&create[..], &["--output", "json"]].concat()).json();
    assert_eq!(again["existed"], true);
    assert_eq!(again["consumer"]["settings"]["ack_timeout"], "90s");
    let other = folder.run(&["consumer", "create", NAME, "--type", "hold.*"]);
    assert!(other.failed(4).contains(NAME), "{}", other.err);

    for columns in [40, 60, 80, 100] {
        for command in [&["consumer", "show", NAME][..], &["consumer", "list"]] {
            let table = run_within(&folder, &columns.to_string(), command);
            assert!(table.ok().contains("updater"), "{}", table.out);
            assert_narrow(&table.out, columns);
        }
    }
    let page = folder.run(&["consumer", "show", NAME]);
    for said in ["without members", "type pick.*", "within 1m 30s", "10 attempts", "1,000 orders"] {
        assert!(page.ok().contains(said), "{said} in\n{}", page.out);
    }
    let listed = folder.run(&["consumer", "list", "--output", "ndjson"]).ndjson();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["settings"]["name"], NAME);

    let deleted = folder.run(&["consumer", "delete", NAME, "--actor", "ann"]);
    assert_eq!(deleted.ok(), "erp-updater is deleted; its history stays\n");
    assert_eq!(folder.run(&["consumer", "list"]).ok(), "");
    for gone in [&["show", NAME][..], &["update", NAME, "--attempts", "2"], &["delete", NAME]] {
        let gone = folder.run(&[&["consumer"], gone].concat());
        assert!(gone.failed(3).contains(NAME), "{}", gone.err);
    }
}

#[test]
fn an_update_changes_what_is_given_and_nothing_else() {
    let folder = folder();
    let flags = ["--type", "hold.*", "--attempts", "3", "--description", "Tells the ERP"];
    folder.run(&[&["consumer", "create", NAME][..], &flags].concat()).ok();
    let before = settings(&folder);
    let update = |flags: &[&str]| folder.run(&[&["consumer", "update", NAME], flags].concat());
    let updated = update(&["--attempts", "5", "--retry-min", "500ms", "--actor", "ann"]);
    assert!(updated.ok().contains("after 500ms, then up to 5m"), "{}", updated.out);
    let mut expected = before;
    expected["attempts_max"] = json!(5);
    expected["retry_delay_min"] = json!("0.5s");
    assert_eq!(settings(&folder), expected);
    update(&["--all-events", "--description", ""]).ok();
    let object = expected.as_object_mut().unwrap();
    object.remove("filters");
    object.remove("description");
    assert_eq!(settings(&folder), expected);
    assert!(update(&["--attempts", "5"]).failed(2).contains("nothing to change"));
    update(&["--all-events", "--type", "pick.*"]).failed(2);
    assert!(update(&["--attempts", "1001"]).failed(2).contains("attempts_max"));
}

#[test]
fn a_consumer_begins_and_goes_on_where_it_is_told() {
    let folder = folder();
    let position = |name: &str| {
        let shown = folder.run(&["consumer", "show", name, "--output", "ndjson"]).json();
        shown["consumer"]["acknowledged_to"].as_u64().unwrap()
    };
    let recorded = folder.run(&["replay", "--from", "2", "--limit", "1", "--output", "json"]);
    let recorded_at = recorded.json()["recorded_at"].as_str().unwrap().to_owned();
    folder.run(&["consumer", "create", "first"]).ok();
    folder.run(&["consumer", "create", "fourth", "--from", "4"]).ok();
    folder.run(&["consumer", "create", "timed", "--from-recorded", &recorded_at]).ok();
    folder.run(&["consumer", "create", "head", "--at-head"]).ok();
    assert_eq!((position("first"), position("fourth")), (0, 4));
    assert!(position("timed") <= 2 && position("head") >= 6);
    folder.run(&["consumer", "create", "x", "--from", "1", "--at-head"]).failed(2);

    let reset = |to: &[&str]| {
        let who = ["--actor", "ann", "--reason", "the ERP was restored"];
        folder.run(&[&["consumer", "reset", "first"], to, &who].concat())
    };
    assert!(reset(&["--to", "5"]).ok().starts_with("first goes on at offset 5\n"));
    assert_eq!(position("first"), 5);
    reset(&["--to-recorded", &recorded_at]).ok();
    assert!(position("first") <= 2);
    reset(&["--to-head"]).ok();
    assert!(position("first") >= 6);
    reset(&[]).failed(2);
    reset(&["--to", "1", "--to-head"]).failed(2);
    assert!(reset(&["--to", "1000000"]).failed(2).contains("1000000"));
    folder.run(&["consumer", "reset", "first", "--to", "0", "--actor", "ann"]).failed(2);
    folder.run(&["consumer", "reset", "first", "--to", "0", "--reason", "why"]).failed(2);
}

#[test]
fn what_no_consumer_can_be_is_refused() {
    let folder = folder();
    for (flags, code, named) in [
        (&["Name"][..], 2, "name"),
        (&["a", "--type", "pick*"], 2, "types[0]"),
        (&["a", "--ack-timeout", "30"], 2, "--ack-timeout"),
        (&["a", "--retry-min", "soon"], 2, "--retry-min"),
        (&["a", "--retry-min", "2d"], 2, "retry_delay_min"),
        (&["a", "--attempts", "many"], 2, "--attempts"),
        (&["a", "--outstanding", "10001"], 2, "outstanding_max"),
        (&["a", "--from", "1000"], 2, "1000"),
        (&[], 2, "<NAME>"),
    ] {
        let refused = folder.run(&[&["consumer", "create"], flags].concat());
        assert!(refused.failed(code).contains(named), "{flags:?}: {}", refused.err);
        assert_eq!(refused.out, "", "{flags:?}");
    }
    assert_eq!(folder.run(&["consumer", "list"]).ok(), "");
    folder.run(&["consumer"]).failed(2);
}

#[test]
fn a_server_shows_what_a_folder_shows() {
    let folder = folder();
    folder.run(&["consumer", "create", NAME, "--from", "2", "--description", "ERP"]).ok();
    let questions = [
        &["consumer", "show", NAME][..],
        &["consumer", "show", "nobody"],
        &["consumer", "create", NAME],
    ];
    let lasting = |out: &str| {
        let moves = |line: &&str| !line.starts_with("behind ") && !line.contains("erp-updater  ");
        out.lines().filter(moves).collect::<Vec<_>>().join("\n")
    };
    let here = questions.map(|question| folder.run(question));
    let server = Server::start(folder.path());
    for (question, here) in questions.iter().zip(&here) {
        let there = server.run(question);
        assert_eq!((there.code, &there.err), (here.code, &here.err), "{question:?}");
        assert_eq!(lasting(&there.out), lasting(&here.out), "{question:?}");
    }
    run_with_input(&server.arguments(&["append"]), &lines(8)).ok();
    let shown = server.run(&["consumer", "show", NAME, "--output", "json"]).json();
    assert!(shown["consumer"]["lag_entries"].as_u64().unwrap() >= 6, "{shown}");
    server.stop().ok();
}
