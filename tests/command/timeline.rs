//! `timeline`: the events of one order.

use serde_json::{Value as Json, json};

use crate::events::{line, parsed};
use crate::support::{Folder, Server};

/// An order whose second event came late.
fn order_with_a_late_event() -> String {
    let at = |id: &str, time: &str| {
        line("erp/1", id).replace("2026-03-28T14:05:00+01:00", &format!("2026-03-28T{time}+01:00"))
    };
    at("first", "08:00:00")
        + &at("third", "12:00:00")
        + &line("erp/2", "x")
        + &at("second", "09:30:00")
}

#[test]
fn an_order_is_shown_by_the_time_its_events_occurred_with_late_ones_marked() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &order_with_a_late_event()).ok();
    let timeline = |output| folder.run(&["timeline", "erp/1", "--output", output]);
    let table = timeline("table");
    let rows: Vec<&str> = table.ok().lines().collect();
    assert_eq!(rows[0], "erp/1  3 events, basis 4");
    assert!(rows[1].starts_with("OCCURRED AT"), "{}", rows[1]);
    assert_eq!(rows.len(), 5);
    assert!(rows[2].starts_with("2026-03-28T08:00:00+01:00"), "{}", rows[2]);
    assert!(rows[3].starts_with("2026-03-28T09:30:00+01:00"), "{}", rows[3]);
    assert!(rows[3].ends_with("late by 2 h 30 min"), "{}", rows[3]);
    assert!(rows[2].contains("line 10: ") && !rows[2].contains("late"), "{}", rows[2]);

    let document = timeline("json").json();
    assert_eq!(document["correlation_id"], "erp/1");
    assert_eq!((&document["revision"], &document["basis"]), (&json!(3), &json!(4)));
    let rows = timeline("ndjson").ndjson();
    assert_eq!(document["rows"], Json::from(rows.clone()));
    let ids: Vec<&Json> = rows.iter().map(|row| &row["event"]["event_id"]).collect();
    assert_eq!(ids, ["first", "second", "third"]);
    assert_eq!(rows[1]["late_ns"], 9_000_000_000_000_u64);
    assert_eq!(rows[0].get("late_ns"), None);
    let lines = parsed(&order_with_a_late_event());
    assert_eq!((&rows[0]["event"], &rows[1]["event"]), (&lines[0], &lines[3]));
}

#[test]
fn more_than_a_day_without_an_event_is_seen() {
    let folder = Folder::new();
    let later = line("erp/1", "b").replace("2026-03-28T14", "2026-03-31T16");
    folder.run_with_input(&["import", "-"], &(line("erp/1", "a") + &later)).ok();
    let table = folder.run(&["timeline", "erp/1"]);
    assert!(table.ok().contains(" 3 d 2 h later\n"), "{}", table.out);
    assert_eq!(folder.run(&["timeline", "erp/1", "--output", "ndjson"]).ndjson().len(), 2);
}

#[test]
fn a_timeline_can_be_asked_as_of_an_earlier_state_by_either_clock() {
    let folder = Folder::new();
    let mut recorded = String::new();
    for line in order_with_a_late_event().lines() {
        let appended = folder.run_with_input(&["append", "--output", "json"], line).json();
        recorded = appended["outcomes"][0]["recorded_at"].as_str().unwrap().to_owned();
    }
    let ids = |as_of: &[&str]| {
        let rows = folder.run(&[&["timeline", "erp/1", "--output", "ndjson"], as_of].concat());
        let rows = rows.ndjson();
        rows.iter().map(|row| row["event"]["event_id"].to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&["--as-of-offset", "3"]), r#""first" "third""#);
    assert_eq!(ids(&["--as-of-offset", "1"]), r#""first""#);
    assert_eq!(ids(&["--as-of-occurred", "2026-03-28T10:00:00+01:00"]), r#""first" "second""#);
    let both = ["--as-of-occurred", "2026-03-28T10:00:00+01:00", "--as-of-offset", "3"];
    assert_eq!(ids(&both), r#""first""#);
    assert_eq!(ids(&["--as-of-recorded", &recorded]), r#""first" "second" "third""#);
    let before = folder.run(&["timeline", "erp/1", "--as-of-recorded", "2001-01-01T00:00:00Z"]);
    assert!(before.failed(3).contains("no order erp/1 at basis 0"), "{}", before.err);
    let beyond = folder.run(&["timeline", "erp/1", "--as-of-offset", "9"]);
    assert!(beyond.failed(2).contains("offset 9 is beyond the head, which is 4"), "{}", beyond.err);
    let noon = folder.run(&["timeline", "erp/1", "--as-of-occurred", "noon"]);
    assert!(noon.failed(2).contains("--as-of-occurred"), "{}", noon.err);
}

#[test]
fn an_unknown_order_is_not_found_in_every_form() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &line("erp/1", "1")).ok();
    let unknown = |output| folder.run(&["timeline", "erp/9", "--output", output]);
    for (output, said) in [("table", ""), ("ndjson", "")] {
        assert_eq!(unknown(output).out, said);
        assert_eq!(unknown(output).failed(3), "error: no order erp/9 at basis 1\n");
    }
    unknown("json").failed(3);
    let document: Json = serde_json::from_str(&unknown("json").out).unwrap();
    assert_eq!((&document["revision"], &document["rows"]), (&json!(0), &json!([])));
}

#[test]
fn a_folder_and_a_server_show_the_same_timeline() {
    let folder = Folder::new();
    folder.run(&["demo", "--orders", "30"]).ok();
    let order = folder.run(&["replay", "--limit", "1", "--output", "ndjson"]).json();
    let order = order["correlation_id"].as_str().unwrap();
    let questions = [
        vec!["timeline", order],
        vec!["timeline", order, "--output", "json"],
        vec!["timeline", order, "--output", "ndjson", "--as-of-offset", "50"],
        vec!["timeline", order, "--as-of-offset", "1000000"],
        vec!["timeline", "nobody"],
    ];
    let here = questions.each_ref().map(|question| folder.run(question));
    let server = Server::start(folder.path());
    let there = questions.each_ref().map(|question| server.run(question));
    assert_eq!(here, there);
    here[0].ok();
    server.stop().ok();
}
