//! `append`: one input, one batch.

use serde_json::{Value as Json, json};

use crate::events::{line, line_with, lines};
use crate::support::{Folder, Server};

fn head(folder: &Folder) -> Json {
    folder.run(&["stats", "--output", "json"]).json()["head"].clone()
}

#[test]
fn appended_events_get_offsets_and_revisions_in_every_form() {
    let folder = Folder::new();
    let append =
        |output, input: &str| folder.run_with_input(&["append", "--output", output], input);
    let table = append("table", &(line("a", "1") + &line("b", "1")));
    let rows: Vec<Vec<&str>> =
        table.ok().lines().map(|row| row.split_whitespace().take(3).collect()).collect();
    assert_eq!(rows[0], ["OUTCOME", "OFFSET", "REVISION"]);
    assert_eq!(rows[1..3], [["appended", "0", "0"], ["appended", "1", "0"]]);
    assert_eq!(rows[3], ["head", "2"]);

    let json = append("json", &(line("a", "1") + &line("a", "2"))).json();
    assert_eq!(json["head"], 3);
    assert_eq!(json["outcomes"][0]["outcome"], "duplicate");
    assert_eq!(
        (&json["outcomes"][0]["offset"], &json["outcomes"][1]["offset"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(json["outcomes"][1]["revision"], 1);
    assert_eq!(json["outcomes"][1]["leaf_hash"].as_str().map(str::len), Some(64));

    let again = append("ndjson", &(line("a", "1") + &line("a", "2"))).ndjson();
    assert_eq!(again[0], json["outcomes"][0], "the first receipt, word for word");
    assert_eq!(again[1]["outcome"], "duplicate");
    assert_eq!(again[1]["recorded_at"], json["outcomes"][1]["recorded_at"]);
}

#[test]
fn a_wrong_expectation_is_a_conflict_that_names_every_order() {
    let folder = Folder::new();
    let append = |expectations: &[&str], input: &str| {
        let expectations = expectations.iter().flat_map(|expected| ["--expect", *expected]);
        let arguments: Vec<&str> = std::iter::once("append").chain(expectations).collect();
        folder.run_with_input(&arguments, input)
    };
    append(&["erp/1=0"], &line("erp/1", "1")).ok();
    append(&["erp/1=1", "x=y=0"], &line("x=y", "1")).ok();
    let refused = append(&["erp/1=0", "erp/2=3", "x=y=1"], &line("erp/3", "1"));
    let said = refused.failed(4);
    assert!(said.contains("erp/1: expected revision 0, actual revision 1"), "{said}");
    assert!(said.contains("erp/2: expected revision 3, actual revision 0"), "{said}");
    assert!(!said.contains("x=y"), "{said}");
    assert_eq!(refused.out, "");
    assert_eq!(head(&folder), 2);
    assert!(append(&["erp/1"], "").failed(2).contains("ORDER=REVISION"));
}

#[test]
fn an_id_with_other_content_is_a_conflict_that_says_where_the_first_one_is() {
    let folder = Folder::new();
    folder.run_with_input(&["append"], &(line("a", "0") + &line("a", "1"))).ok();
    let other = line("a", "2") + &line_with("a", "1", "7");
    let refused = folder.run_with_input(&["append"], &other);
    let said = refused.failed(4);
    assert!(said.contains("events[1]: source wms:dc1, event_id 1 is at offset 1"), "{said}");
    assert_eq!(head(&folder), 2, "the batch is refused whole");
}

#[test]
fn every_violation_of_a_line_is_named_and_nothing_is_appended() {
    let folder = Folder::new();
    let bad =
        r#"{"type":"pick.confirmed","sauce":1,"lines":[{"quantity":"x"}],"occurred_at":"noon"}"#;
    let refused = folder.run_with_input(&["append"], &format!("{}\n{bad}\n", line("a", "1")));
    let said = refused.failed(1);
    assert!(said.starts_with("error: line 3 is not a valid event\n"), "{said}");
    for field in
        ["correlation_id", "source", "event_id", "sauce", "lines[0].quantity", "occurred_at"]
    {
        assert!(said.contains(&format!("\n  {field}: ")), "{field} in {said}");
    }
    assert_eq!(folder.run(&["stats"]).code, Some(3), "not even a ledger was made");

    folder.run_with_input(&["append"], &line("a", "1")).ok();
    let too_many = folder.run_with_input(&["append"], &lines(1_001));
    assert!(too_many.failed(1).contains("1000"), "{}", too_many.err);
    assert_eq!(head(&folder), 1);
}

#[test]
fn a_folder_and_a_server_answer_an_append_alike() {
    let (folder, remote) = (Folder::new(), Folder::new());
    let server = Server::start(remote.path());
    let input = line("a", "1") + &line("b", "1") + &line("a", "2");
    for (arguments, input) in [
        (vec!["append", "--output", "json"], input.clone()),
        (vec!["append", "--output", "json"], input + &line("a", "3")),
        (vec!["append", "--output", "ndjson"], line("c", "1")),
        (vec!["append", "--expect", "a=9", "--expect", "b=0"], line("a", "4")),
        (vec!["append"], line_with("a", "1", "2") + &line_with("b", "1", "2")),
        (vec!["append"], "{}\n".to_owned()),
        (vec!["append"], String::new()),
        (vec!["append"], lines(1_001)),
    ] {
        let here = folder.run_with_input(&arguments, &input);
        let there = crate::support::run_with_input(&server.arguments(&arguments), &input);
        assert_eq!((here.code, &here.err), (there.code, &there.err));
        assert_eq!(timeless(&here.out), timeless(&there.out));
    }
    server.stop().ok();
}

/// JSON without what differs between two ledgers: when something was recorded, and hashes of it.
fn timeless(out: &str) -> Vec<Json> {
    let mut documents = crate::events::parsed(out);
    for document in &mut documents {
        let outcomes = document.get_mut("outcomes").and_then(Json::as_array_mut);
        match outcomes {
            Some(outcomes) => outcomes.iter_mut().for_each(forget_time),
            None => forget_time(document),
        }
    }
    documents
}

fn forget_time(outcome: &mut Json) {
    let outcome = outcome.as_object_mut().unwrap();
    assert!(outcome.remove("recorded_at").is_some() && outcome.remove("leaf_hash").is_some());
}
