//! `order`: the state of one order as a page, and as JSON.

use serde_json::{Value as Json, json};

use crate::events::{line, line_with};
use crate::support::{Finished, Folder, Running, Server, order_ledger};

/// An order with a line and a hold, and another one.
pub(crate) fn events() -> String {
    let event = |kind: &str, id: &str, quantity: &str| {
        line_with("erp/1", id, quantity).replace("pick.confirmed", kind)
    };
    let held = json!({
        "correlation_id": "erp/1",
        "source": "erp:prd-100",
        "event_id": "h",
        "type": "hold.placed",
        "occurred_at": "2026-03-28T15:00:00Z",
        "refs": [{ "type": "customer_po", "value": "PO-4711" }],
        "hold": { "hold_id": "credit-1", "kind": "credit" },
    });
    let held = format!("{held}\n");
    event("order.created", "c", "10")
        + &event("pick.confirmed", "p", "4")
        + &held
        + &line("erp/2", "x")
}

/// A ledger that holds them.
pub(crate) fn folder() -> Folder {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &events()).ok();
    folder
}

/// Runs a command in a terminal of so many columns.
pub(crate) fn run_within(folder: &Folder, columns: &str, arguments: &[&str]) -> Finished {
    let mut command = order_ledger(arguments);
    command.arg("--ledger").arg(folder.path()).env("COLUMNS", columns);
    Running::start(command).finish()
}

#[track_caller]
pub(crate) fn assert_narrow(table: &str, columns: usize) {
    for line in table.lines() {
        assert!(line.chars().count() <= columns, "{columns}: {line}");
    }
}

#[test]
fn a_page_names_the_order_its_lines_and_what_is_in_its_way() {
    let folder = folder();
    let page = folder.run(&["order", "erp/1"]);
    assert!(page.ok().starts_with("erp/1  revision 3, basis 4\n"), "{}", page.out);
    for said in ["order.created", "erp:prd-100", "wms:dc1", "LINE", "A-7", "credit-1", "PO-4711"] {
        assert!(page.out.contains(said), "{said} in\n{}", page.out);
    }
    assert!(page.out.lines().all(|line| line == line.trim_end()), "{}", page.out);
    for columns in [60, 80, 100] {
        for flags in [&["order", "erp/1"][..], &["order", "erp/1", "--all"]] {
            let page = run_within(&folder, &columns.to_string(), flags);
            assert_narrow(page.ok(), columns);
        }
    }
}

#[test]
fn json_has_the_whole_order() {
    let folder = folder();
    for output in ["json", "ndjson"] {
        let document = folder.run(&["order", "erp/1", "--output", output]).json();
        assert_eq!(document["basis"], 4);
        let order = &document["order"];
        assert_eq!(order["correlation_id"], "erp/1");
        assert_eq!((&order["revision"], &order["event_count"]), (&json!(3), &json!(3)));
        assert_eq!(order["first_event"]["type"], "order.created");
        assert_eq!(order["lines"][0]["line_id"], "10");
        assert_eq!(order["holds"][0]["open"], true);
    }
}

#[test]
fn an_earlier_state_is_shown_by_either_clock() {
    let folder = folder();
    let revision = |as_of: &[&str]| {
        let order = folder.run(&[&["order", "erp/1", "--output", "json"], as_of].concat());
        order.json()["order"]["event_count"].clone()
    };
    assert_eq!(revision(&["--as-of-offset", "2"]), 2);
    assert_eq!(revision(&["--as-of-occurred", "2026-03-28T14:00:00Z"]), 2);
    let noon = folder.run(&["order", "erp/1", "--as-of-occurred", "noon"]);
    assert!(noon.failed(2).contains("--as-of-occurred"), "{}", noon.err);
    let future = "2100-01-01T00:00:00Z";
    for command in
        [&["order", "erp/1", "--as-of-recorded"], &["timeline", "erp/1", "--as-of-occurred"]]
    {
        let refused = folder.run(&[&command[..], &[future]].concat());
        assert!(refused.failed(2).contains(&format!("is {future}")), "{}", refused.err);
        assert!(refused.err.contains("allowed is at most"), "{}", refused.err);
    }
    let beyond = folder.run(&["order", "erp/1", "--as-of-offset", "9"]);
    assert!(beyond.failed(2).contains("beyond the head"), "{}", beyond.err);
}

#[test]
fn an_unknown_order_is_not_found_in_every_form() {
    let folder = folder();
    for output in ["table", "ndjson"] {
        let unknown = folder.run(&["order", "erp/9", "--output", output]);
        assert_eq!(unknown.failed(3), "error: no order erp/9 at basis 4\n");
        assert_eq!(unknown.out, "");
    }
    let unknown = folder.run(&["order", "erp/9", "--output", "json"]);
    unknown.failed(3);
    let document: Json = serde_json::from_str(&unknown.out).unwrap();
    assert_eq!(document["order"]["revision"], 0);
    assert!(folder.run(&["order"]).failed(2).contains("<ORDER>"));
}

#[test]
fn a_folder_and_a_server_show_the_same_order() {
    let folder = folder();
    let questions = [
        vec!["order", "erp/1", "--all"],
        vec!["order", "erp/1", "--output", "json"],
        vec!["order", "x"],
    ];
    let here = questions.each_ref().map(|question| folder.run(question));
    let server = Server::start(folder.path());
    let there = questions.each_ref().map(|question| server.run(question));
    assert_eq!(here, there);
    server.stop().ok();
}

#[test]
fn a_policy_is_for_a_folder_and_a_typo_in_it_is_named() {
    let folder = folder();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(file.path(), "[warehouses.dc1]\nreports_picks = false\n").unwrap();
    folder.run(&["order", "erp/1", "--policy", path]).ok();
    std::fs::write(file.path(), "\nclock_skew = 5\n").unwrap();
    let typo = folder.run(&["order", "erp/1", "--policy", path]);
    assert!(typo.failed(1).contains("line 2") && typo.err.contains("clock_skew"), "{}", typo.err);
    let mut command =
        order_ledger(&["order", "erp/1", "--ledger", folder.path().to_str().unwrap()]);
    command.env("ORDER_LEDGER_POLICY", file.path());
    assert!(Running::start(command).finish().failed(1).contains("line 2"));
    let server = ["order", "erp/1", "--server", "http://127.0.0.1:1", "--policy", path];
    assert!(crate::support::run(&server).failed(2).contains("--policy"));
}

#[test]
fn the_policy_of_a_ledger_stays_until_another_one_is_given() {
    let folder = folder();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    // Nothing is plausible before the year 2096: by this policy only.
    std::fs::write(file.path(), "earliest_plausible_seconds = 4000000000\n").unwrap();
    let rules = |more: &[&str]| {
        let arguments = [&["order", "erp/1", "--output", "json"], more].concat();
        let shown = folder.run(&arguments);
        let found = shown.json()["order"]["anomalies"].clone();
        let found: Vec<String> = found
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["rule"].as_str().unwrap().to_owned())
            .collect();
        (found.contains(&"R13".to_owned()), shown.err)
    };
    let rebuilt = "the policy has changed";
    assert_eq!(rules(&[]), (false, String::new()));
    let (found, said) = rules(&["--policy", path]);
    assert!(found && said.contains(rebuilt), "{said}");
    assert_eq!(rules(&[]), (true, String::new()), "kept, and nothing is rebuilt");
    let server = Server::start(folder.path());
    let listed = server.run(&["list", "--rule", "R13", "--output", "json"]).json();
    assert_eq!(listed["orders"].as_array().unwrap().len(), 2, "{listed}");
    let said = server.stop();
    assert!(!said.err.contains(rebuilt), "{}", said.err);
    std::fs::write(file.path(), "").unwrap();
    let (found, said) = rules(&["--policy", path]);
    assert!(!found && said.contains(rebuilt), "{said}");
}
