//! `diff`: what differs between two states of one order.

use serde_json::json;

use crate::order::{assert_narrow, folder, run_within};

#[test]
fn differences_are_told_with_both_values() {
    let folder = folder();
    let diff =
        |flags: &[&str]| folder.run(&[&["diff", "erp/1", "--output", "json"], flags].concat());
    let all = diff(&["--before-offset", "1"]).json();
    assert_eq!((&all["before_basis"], &all["basis"]), (&json!(1), &json!(4)));
    let fields = |document: &serde_json::Value| -> Vec<String> {
        let rows = document["differences"].as_array().unwrap().iter();
        rows.map(|row| row["field"].as_str().unwrap().to_owned()).collect()
    };
    assert!(fields(&all).iter().any(|field| field.contains("picked")), "{all}");
    assert!(fields(&all).iter().any(|field| field.contains("credit-1")), "{all}");
    let part = diff(&["--before-offset", "1", "--after-offset", "2"]).json();
    assert!(!fields(&part).iter().any(|field| field.contains("credit-1")), "{part}");
    let occurred = diff(&["--before-occurred", "2026-03-28T14:00:00Z"]).json();
    assert!(fields(&occurred).iter().any(|field| field.contains("credit-1")), "{occurred}");
    let rows = folder.run(&["diff", "erp/1", "--before-offset", "1", "--output", "ndjson"]);
    assert_eq!(json!(rows.ndjson()), all["differences"]);
    for columns in [60, 100] {
        let command = ["diff", "erp/1", "--before-offset", "1"];
        let table = run_within(&folder, &columns.to_string(), &command);
        assert!(table.ok().starts_with("erp/1  basis 1 -> 4\n"), "{}", table.out);
        assert_narrow(&table.out, columns);
    }
}

#[test]
fn states_that_are_equal_and_orders_that_are_not_there_are_told() {
    let folder = folder();
    let same = folder.run(&["diff", "erp/1", "--before-offset", "3"]);
    assert_eq!(same.ok(), "erp/1  basis 3 -> 4\nnothing differs\n");
    let unknown = folder.run(&["diff", "erp/9", "--before-offset", "1"]);
    assert!(unknown.failed(3).contains("no order erp/9"), "{}", unknown.err);
    let without = folder.run(&["diff", "erp/1", "--after-offset", "3"]);
    assert!(without.failed(2).contains("--before-offset"), "{}", without.err);
    folder.run(&["diff", "erp/1", "--before-recorded", "then"]).failed(2);
}
