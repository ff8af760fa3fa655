//! What a newer producer says and this version does not know goes through it unharmed.

use serde_json::{Value as Json, json};

use crate::events::assert_holds;
use crate::support::{Folder, Server};

/// Fields 5000 (a varint) and 4000 (a text), as protobuf encodes them.
const OF_EVENT: &str = "c0b80207";
const OF_LINE: &str = "82fa01056e65776572";

fn event(of_event: &str) -> Json {
    json!({
        "correlation_id": "erp/1",
        "source": "erp:newer",
        "event_id": "1",
        "type": "future.event",
        "lines": [{ "line_id": "10", "unknown_fields": OF_LINE }],
        "unknown_fields": of_event,
    })
}

#[test]
fn unknown_fields_come_back_from_a_folder_and_from_a_server() {
    let folder = Folder::new();
    let line = format!("{}\n", event(OF_EVENT));
    let appended = folder.run_with_input(&["append"], &line);
    appended.ok();
    assert_holds(&folder, &line);
    let server = Server::start(folder.path());
    let replayed = server.run(&["replay", "--output", "ndjson"]);
    assert_eq!(replayed.ndjson(), [event(OF_EVENT)]);
    let rows = server.run(&["timeline", "erp/1", "--output", "ndjson"]).ndjson();
    assert_eq!(rows[0]["event"], event(OF_EVENT));
    server.stop().ok();
}

#[test]
fn unknown_fields_are_content() {
    let folder = Folder::new();
    folder.run_with_input(&["append"], &event(OF_EVENT).to_string()).ok();
    let same =
        folder.run_with_input(&["append", "--output", "ndjson"], &event(OF_EVENT).to_string());
    assert_eq!(same.json()["outcome"], "duplicate");
    folder.run_with_input(&["append"], &event("c0b80208").to_string()).failed(4);
}

#[test]
fn unknown_fields_that_are_no_fields_are_refused() {
    let folder = Folder::new();
    for (wrong, said) in [
        ("xx", "unknown_fields: "),
        ("c0b8020", "unknown_fields: "),
        // A length beyond the end.
        ("82fa0105", "in the middle of a field"),
    ] {
        let refused = folder.run_with_input(&["append"], &event(wrong).to_string());
        assert!(refused.failed(1).contains(said), "{wrong}: {}", refused.err);
    }
}
