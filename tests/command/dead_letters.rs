//! `dead-letters`, and what `append` and `import` keep for it.

use serde_json::{Value as Json, json};

use crate::events::{assert_verified, line, line_with, lines};
use crate::support::{Finished, Folder, Server, run_with_input};

const NO_ORDER: &str = r#"{"source":"wms:dc1","event_id":"7","type":"pick.confirmed"}"#;

fn import(folder: &Folder, input: &str) -> Finished {
    folder.run_with_input(&["import", "-", "--on-error", "dead-letter"], input)
}

fn listed(folder: &Folder, more: &[&str]) -> Vec<Json> {
    let arguments = ["dead-letters", "list", "--output", "ndjson"];
    folder.run(&[&arguments, more].concat()).ndjson()
}

fn head(folder: &Folder) -> Json {
    folder.run(&["stats", "--output", "json"]).json()["head"].clone()
}

/// Seen red with lines that are kept as if they were protobuf.
#[test]
fn an_import_keeps_bad_lines_whole_and_goes_on_and_run_again_keeps_nothing_twice() {
    let folder = Folder::new();
    folder.run_with_input(&["append"], &line("erp/9", "known")).ok();
    let input = [
        &line("a", "1"),
        NO_ORDER,
        "\r\n{\"half\": \n",
        &line_with("erp/9", "known", "2"),
        &line("a", "2"),
        NO_ORDER,
    ];
    let done = import(&folder, &input.concat());
    let said =
        "2 events appended, 0 were there already, 0 refused, 4 kept as dead letters; head 6\n";
    assert_eq!(done.ok(), said);
    assert!(
        done.err.contains("-, line 2: not a valid event; kept as dead letter 2\n"),
        "{}",
        done.err
    );
    assert!(done.err.contains("  correlation_id: missing"), "{}", done.err);
    assert!(done.err.contains("line 4: event ids were used before"), "{}", done.err);
    let letters = listed(&folder, &[]);
    let of = |name: &str| letters.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    let reused = line_with("erp/9", "known", "2");
    assert_eq!(of("line"), [json!(reused.trim_end()), json!("{\"half\": "), json!(NO_ORDER)]);
    let origins: Vec<_> = letters.iter().map(|one| one["letter"]["origin"].clone()).collect();
    assert_eq!(origins, ["-:4", "-:3", "-:2"]);
    assert_eq!(letters[2]["letter"]["reasons"][0]["field"], "correlation_id");
    assert_eq!(letters[2]["letter"]["format"], "ndjson");

    let again = import(&folder, &input.concat());
    let said =
        "0 events appended, 2 were there already, 0 refused, 4 kept as dead letters; head 6\n";
    assert_eq!(again.ok(), said);
    assert_eq!(head(&folder), 6);
    assert_eq!(assert_verified(&folder)["entries"], 6);
    let replayed = folder.run(&["replay", "--output", "ndjson"]);
    assert_eq!(replayed.ndjson().len(), 3, "letters are no events");
}

/// Seen red with a letter whose corrected event is taken from the letter.
#[test]
fn a_letter_is_corrected_and_redriven_or_discarded_and_stays_visible() {
    let folder = Folder::new();
    import(&folder, &[NO_ORDER, "\nnot json\n", &line("a", "1")].concat()).ok();
    let still = folder.run(&["dead-letters", "redrive", "0"]);
    assert!(still.failed(1).contains("still not valid"), "{}", still.err);
    assert!(still.err.contains(": correlation_id: missing"), "{}", still.err);
    let corrected = NO_ORDER.replace("{\"source\"", "{\"correlation_id\":\"a\",\"source\"");
    let redrive = ["dead-letters", "redrive", "0", "--corrected", "-", "--actor", "anna"];
    let two = folder.run_with_input(&redrive, &format!("{corrected}\n{corrected}\n"));
    assert!(two.failed(2).contains("more than one event"), "{}", two.err);
    assert!(folder.run_with_input(&redrive, "").failed(2).contains("no event"));
    let redriven = folder.run_with_input(&redrive, &corrected);
    assert_eq!(
        redriven.ok(),
        "the event was appended: offset 3, revision 1\nthe dead letter at offset 0 is closed\n"
    );
    let again = folder.run_with_input(&redrive, &corrected);
    assert!(again.failed(4).contains("was redriven by anna at 20"), "{}", again.err);
    let discard = ["dead-letters", "discard", "1", "--actor", "berta", "--reason", "noise"];
    assert_eq!(folder.run(&discard).ok(), "the dead letter at offset 1 is closed\n");
    assert!(folder.run(&discard).failed(4).contains("was discarded by berta"));
    assert!(folder.run(&["dead-letters", "discard", "1"]).failed(2).contains("--actor"));
    for offset in ["2", "77"] {
        let unknown = folder.run(&["dead-letters", "redrive", offset]);
        assert!(unknown.failed(3).contains("no dead letter at offset"), "{}", unknown.err);
    }
    assert_eq!(listed(&folder, &[]), Vec::<Json>::new());
    let closed = listed(&folder, &["--include-closed"]);
    let states: Vec<_> = closed.iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["discarded", "redriven"]);
    assert_eq!((&closed[1]["event_offset"], &closed[1]["actor"]), (&json!(3), &json!("anna")));
    assert_eq!((&closed[0]["reason"], &closed[0]["actor"]), (&json!("noise"), &json!("berta")));
    assert_verified(&folder);
}

/// Seen red with offsets of letters in the place of receipts.
#[test]
fn an_append_keeps_what_the_ledger_refuses_where_that_is_asked() {
    let folder = Folder::new();
    folder.run_with_input(&["append"], &line("a", "1")).ok();
    let input = line("a", "2") + &line_with("a", "1", "7");
    let rejected = folder.run_with_input(&["append", "--on-refusal", "reject"], &input);
    assert!(rejected.failed(4).contains("event ids were used before"), "{}", rejected.err);
    let append = ["append", "--on-refusal", "dead-letter", "--output"];
    let kept = folder.run_with_input(&[&append[..], &["json"]].concat(), &input).json();
    assert_eq!(kept["outcomes"][0]["offset"], 1);
    assert_eq!(kept["outcomes"][1], json!({ "outcome": "dead_lettered", "dead_letter_offset": 2 }));
    let table = folder.run_with_input(&[&append[..], &["table"]].concat(), &input);
    assert!(table.ok().contains("dead_lettered       2\n"), "{}", table.out);
    let letter = &listed(&folder, &[])[0];
    assert_eq!(letter["event"]["lines"][0]["quantity"], "7");
    let no_event = folder.run_with_input(&append[..3], "{}\n");
    assert!(no_event.failed(1).contains("line 1 is not a valid event"), "{}", no_event.err);
    assert_eq!(head(&folder), 3);
}

/// Seen red with a source that is not asked for.
#[test]
fn a_table_says_why_in_a_line_and_a_source_has_its_own() {
    let folder = Folder::new();
    import(&folder, &format!("{NO_ORDER}\nnot json\n{{}}\n")).ok();
    let table = folder.run(&["dead-letters", "list"]);
    let rows: Vec<&str> = table.ok().lines().collect();
    assert!(rows[0].starts_with("OFFSET  REFUSED"), "{}", table.out);
    assert!(rows[1].contains("correlation_id: missing; every event has one (and 3 more)"));
    assert!(rows[2].contains("not JSON") && rows[2].contains("-:2"), "{}", table.out);
    assert_eq!((rows.len(), rows[4]), (5, "3 open"));
    let sources = |source: &str| listed(&folder, &["--source", source]).len();
    assert_eq!((sources("wms:dc1"), sources(""), sources("erp")), (1, 2, 0));
    let two = folder.run(&["dead-letters", "list", "--limit", "2", "--output", "json"]);
    assert!(two.err.contains("there are more than 2"), "{}", two.err);
    let two = two.json();
    assert_eq!((&two["open"], &two["more"]), (&json!(3), &json!(true)));
    assert_eq!(two["letters"].as_array().unwrap().len(), 2);
    let nowhere = Folder::new();
    nowhere.run(&["dead-letters", "list"]).failed(3);
}

#[test]
fn a_folder_and_a_server_answer_alike() {
    let (folder, remote) = (Folder::new(), Folder::new());
    let server = Server::start(remote.path());
    let input = lines(20) + NO_ORDER + "\nnot json\n" + &line_with("erp/0", "0", "9");
    let import = ["import", "-", "--on-error", "dead-letter"];
    let here = folder.run_with_input(&import, &input);
    assert_eq!(here, run_with_input(&server.arguments(&import), &input));
    for arguments in [
        vec!["dead-letters", "redrive", "20"],
        vec!["dead-letters", "discard", "20", "--actor", "anna", "--reason", "noise"],
        vec!["dead-letters", "redrive", "7"],
        vec!["dead-letters", "redrive", "22", "--output", "json"],
    ] {
        assert_eq!(folder.run(&arguments), server.run(&arguments), "{arguments:?}");
    }
    server.stop().ok();
    assert_verified(&remote);
}
