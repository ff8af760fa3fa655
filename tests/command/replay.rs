//! `replay`: the log from an offset or a time on, and live.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::events::{line, lines, parsed};
use crate::support::{Folder, Running, Server, order_ledger, run_with_input};

#[test]
fn a_replay_is_written_for_people_for_programs_and_for_import() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(5)).ok();
    let replay = |output| folder.run(&["replay", "--output", output]);
    let table = replay("table");
    let rows: Vec<Vec<&str>> =
        table.ok().lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!((rows[4][0], &rows[4][2..]), ("4", &["pick.confirmed", "erp/1#1", "wms:dc1"][..]));

    let json = replay("json").ndjson();
    assert_eq!(json.len(), 5);
    assert_eq!(json[4]["offset"], 4);
    assert_eq!(json[4]["revision"], 1);
    assert_eq!(json[4]["previous"], json[1]["leaf_hash"], "the order's event before it");
    assert_eq!(json[4]["recorded_at"], rows[4][1]);
    let events: Vec<Json> = json.iter().map(|recorded| recorded["event"].clone()).collect();
    assert_eq!(events, parsed(&lines(5)));
    assert_eq!(replay("ndjson").ndjson(), events);
}

#[test]
fn a_replay_begins_and_ends_where_it_is_told() {
    let folder = Folder::new();
    let offsets = |arguments: &[&str]| -> Vec<u64> {
        let replay = folder.run(&[&["replay", "--output", "json"], arguments].concat());
        replay.ndjson().iter().map(|recorded| recorded["offset"].as_u64().unwrap()).collect()
    };
    folder.run_with_input(&["import", "-"], "").ok();
    assert_eq!(offsets(&[]), [0; 0], "an empty ledger is no error");
    folder.run_with_input(&["append"], &lines(4)).ok();
    let later = folder.run_with_input(&["append", "--output", "ndjson"], &lines(6)).ndjson();
    assert_eq!(offsets(&["--from", "2", "--limit", "3"]), [2, 3, 4]);
    assert_eq!(offsets(&["--limit", "2"]), [0, 1]);
    assert_eq!(offsets(&["--from", "5"]), [5]);
    assert_eq!(offsets(&["--from", "6"]), [0; 0], "at the head");
    let recorded_at = later[4]["recorded_at"].as_str().unwrap();
    assert_eq!(offsets(&["--from-recorded", recorded_at]), [4, 5]);
    assert_eq!(offsets(&["--from-recorded", recorded_at, "--limit", "1"]), [4]);
    assert_eq!(offsets(&["--from-recorded", "2001-01-01T00:00:00Z"]), [0, 1, 2, 3, 4, 5]);
    assert_eq!(offsets(&["--from-recorded", "2200-01-01T00:00:00Z"]), [0; 0]);
    let beyond = folder.run(&["replay", "--from", "7"]);
    assert!(beyond.failed(2).contains("offset 7 is beyond the head, which is 6"), "{}", beyond.err);
    folder.run(&["replay", "--from", "1", "--from-recorded", recorded_at]).failed(2);
    folder.run(&["replay", "--from-recorded", "yesterday"]).failed(2);
}

#[test]
fn a_replay_writes_only_what_its_flags_want() {
    let folder = Folder::new();
    let event = |n: u64, order: &str, kind: &str, source: &str, warehouse: &str| {
        let event = json!({
            "correlation_id": order, "source": source, "event_id": n.to_string(), "type": kind,
            "location": { "warehouse": warehouse },
        });
        format!("{event}\n")
    };
    let events = [
        event(0, "erp/1", "order.created", "erp", "DC1"),
        event(1, "erp/1", "pick.confirmed", "wms", "DC1"),
        event(2, "erp/12", "pick.shorted", "wms", "DC2"),
        event(3, "b2b/1", "hold.placed", "wms", "DC1"),
        event(4, "b2b/1", "drone.landed", "drone", "DC1"),
        event(5, "erp/2", "pick.confirmed", "wms", "DC1"),
    ];
    folder.run_with_input(&["import", "-"], &events.concat()).ok();
    let cases: [(&[&str], &[u64]); 10] = [
        (&["--type", "pick.*"], &[1, 2, 5]),
        (&["--type", "pick.confirmed,drone.landed"], &[1, 4, 5]),
        (&["--type", "pick.*", "--limit", "2"], &[1, 2]),
        (&["--type", "drone.*", "--group", "exception,commercial"], &[0, 3, 4]),
        (&["--source", "wms", "--warehouse", "DC1"], &[1, 3, 5]),
        (&["--order", "erp/1"], &[0, 1]),
        (&["--order-prefix", "erp/1"], &[0, 1, 2]),
        (&["--order", "erp/2", "--order", "erp/12", "--order-prefix", "b2b/"], &[2, 3, 4, 5]),
        (&["--order", "erp/2", "--type", "hold.*"], &[]),
        (&["--from", "2", "--warehouse", "DC1", "--group", "fulfillment"], &[5]),
    ];
    for (flags, expected) in cases {
        let replay = folder.run(&[&["replay", "--output", "json"], flags].concat());
        let rows = replay.ndjson();
        let offsets = rows.iter().map(|row| row["offset"].as_u64().unwrap());
        assert_eq!(offsets.collect::<Vec<_>>(), expected, "{flags:?}");
    }
    let refused = folder.run(&["replay", "--group", "holds", "--type", "pick*", "--source", ""]);
    let said = refused.failed(2);
    for wrong in ["types[0]: \"pick*\"", "groups[0]: \"holds\" is no group", "sources[0]: empty"] {
        assert!(said.contains(&format!("\n  filters[0].{wrong}")), "{said}");
    }
}

/// Seen red with a follower that does not count `caught_up` as far as it goes.
#[test]
fn a_follower_whom_nothing_passes_resumes_behind_what_was_passed_over() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(3)).ok();
    let server = Server::start(folder.path());
    let arguments = ["replay", "--follow", "--type", "hold.*,pick.confirmed", "--from", "2"];
    let follower = Running::start(order_ledger(&server.arguments(&arguments)));
    follower.next_line();
    let other = line("erp/9", "other").replace("pick.confirmed", "drone.landed");
    run_with_input(&server.arguments(&["append"]), &other).ok();
    // Where nothing is for a follower, it hears about once a second how far it is.
    std::thread::sleep(Duration::from_secs(3));
    follower.signal("INT");
    let ended = follower.finish();
    assert_eq!((ended.ok(), &*ended.err), ("", "resume with --from 4\n"));
    server.stop().ok();
}

#[test]
fn a_follower_sees_what_is_appended_until_it_is_interrupted() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(3)).ok();
    let server = Server::start(folder.path());
    let arguments = ["replay", "--follow", "--from", "2", "--output", "ndjson"];
    let follower = Running::start(order_ledger(&server.arguments(&arguments)));
    let next = || serde_json::from_str::<Json>(&follower.next_line()).unwrap();
    assert_eq!(next(), parsed(&lines(3))[2]);
    for id in ["live 1", "live 2"] {
        run_with_input(&server.arguments(&["append"]), &line("erp/9", id)).ok();
        assert_eq!(next()["event_id"], id);
    }
    follower.signal("INT");
    let ended = follower.finish();
    assert_eq!((ended.ok(), &*ended.err), ("", "resume with --from 5\n"));
    server.stop().ok();
}

#[test]
fn a_limited_follower_ends_by_itself() {
    let folder = Folder::new();
    let server = Server::start(folder.path());
    let arguments = ["replay", "--follow", "--limit", "2", "--output", "ndjson"];
    let follower = Running::start(order_ledger(&server.arguments(&arguments)));
    run_with_input(&server.arguments(&["append"]), &lines(3)).ok();
    assert_eq!(follower.finish().ndjson(), parsed(&lines(2)));
    server.stop().ok();
}

#[test]
fn a_follower_of_a_server_that_is_killed_fails() {
    let folder = Folder::new();
    let mut server = Server::start(folder.path());
    run_with_input(&server.arguments(&["append"]), &lines(1)).ok();
    let follower = Running::start(order_ledger(&server.arguments(&["replay", "--follow"])));
    follower.next_line();
    server.running.kill();
    let ended = follower.finish();
    assert!(ended.failed(1).starts_with("error: "), "{}", ended.err);
    assert!(ended.err.ends_with("  resume with --from 1\n"), "{}", ended.err);
}

#[test]
fn a_folder_and_a_server_replay_the_same() {
    let folder = Folder::new();
    folder.run(&["demo", "--orders", "30"]).ok();
    let questions = [
        vec!["replay"],
        vec!["replay", "--output", "json"],
        vec!["replay", "--output", "ndjson"],
        vec!["replay", "--output", "json", "--from", "17", "--limit", "200"],
        vec!["replay", "--from", "1000000"],
    ];
    let here = questions.each_ref().map(|question| folder.run(question));
    let server = Server::start(folder.path());
    // Whether it is followed or not: up to the head it is the same.
    let follower = Running::start(order_ledger(&server.arguments(&["replay", "--follow"])));
    let there = questions.each_ref().map(|question| server.run(question));
    assert_eq!(here, there);
    for line in here[0].ok().lines() {
        assert_eq!(follower.next_line().trim_end(), line);
    }
    server.stop().ok();
    follower.finish().failed(1);
}

#[test]
fn a_follower_in_a_folder_waits_until_it_is_interrupted() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(1)).ok();
    let folder_text = folder.path().to_str().unwrap();
    let follower = Running::start(order_ledger(&["replay", "--follow", "--ledger", folder_text]));
    follower.next_line();
    std::thread::sleep(Duration::from_millis(50));
    follower.signal("INT");
    follower.finish().ok();
}
