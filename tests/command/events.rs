//! Events as lines of NDJSON, and what a ledger must hold after it was given them.
//! Does not know processes.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::support::Folder;

/// The line of a small event; equal arguments give equal lines.
pub(crate) fn line(order: &str, id: &str) -> String {
    line_with(order, id, "1")
}

/// The same with another quantity: other content.
pub(crate) fn line_with(order: &str, id: &str, quantity: &str) -> String {
    let event = json!({
        "correlation_id": order,
        "source": "wms:dc1",
        "event_id": id,
        "type": "pick.confirmed",
        "occurred_at": "2026-03-28T14:05:00+01:00",
        "lines": [{ "line_id": "10", "sku": "A-7", "quantity": quantity, "unit": "EA" }],
    });
    format!("{event}\n")
}

/// So many small events of three orders.
pub(crate) fn lines(count: u64) -> String {
    (0..count).map(|n| line(&format!("erp/{}", n % 3), &n.to_string())).collect()
}

pub(crate) fn parsed(lines: &str) -> Vec<Json> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A file of real events and its lines; `None`, with a word about it, where there is none. They are
/// looked for beside the project, or where `ORDER_LEDGER_TEST_DATA` says.
pub(crate) fn real_events(name: &str) -> Option<(PathBuf, String)> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("ORDER_LEDGER_TEST_DATA").map_or_else(beside, PathBuf::from);
    let path = data.join(name).join("events.ndjson.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return None;
    };
    let mut lines = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut lines).unwrap();
    Some((path, lines))
}

/// What went in is all that is there, in this order and each event once: by offset and revision, with
/// the content it came with, and with every byte of the folder verified.
#[track_caller]
pub(crate) fn assert_holds(folder: &Folder, lines: &str) {
    let held = folder.run(&["replay", "--output", "json"]);
    let mut revisions: HashMap<String, u64> = HashMap::new();
    let mut held = held.ok().lines();
    let mut seen = HashSet::new();
    let mut count = 0_u64;
    for line in lines.lines() {
        let event: Json = serde_json::from_str(line).unwrap();
        let id = ["correlation_id", "source", "event_id"].map(|name| event[name].to_string());
        if !seen.insert(id) {
            continue;
        }
        let revision = revisions.entry(event["correlation_id"].to_string()).or_default();
        let recorded = held.next().unwrap_or_else(|| panic!("only {count} events: {line} is next"));
        let recorded: Json = serde_json::from_str(recorded).unwrap();
        assert_eq!(recorded["offset"], count);
        assert_eq!(recorded["revision"], *revision, "{recorded}");
        assert_eq!(recorded["event"], event);
        *revision += 1;
        count += 1;
    }
    assert_eq!(held.next(), None, "more than went in");
    let verified = assert_verified(folder);
    assert_eq!(
        (&verified["entries"], &verified["orders"]),
        (&json!(count), &json!(revisions.len()))
    );
}

/// What `verify` says of a sound ledger.
#[track_caller]
pub(crate) fn assert_verified(folder: &Folder) -> Json {
    let verified = folder.run(&["verify", "--output", "json"]).json();
    assert_eq!((&verified["verified"], &verified["defects"]), (&json!(true), &json!([])));
    verified
}
