//! `list`: orders by where they stand, page by page.

use crate::events::line;
use crate::order::{assert_narrow, folder, run_within};
use crate::support::{Finished, Folder};

fn names(list: &Finished) -> Vec<String> {
    let name = |row: serde_json::Value| row["correlation_id"].as_str().unwrap().to_owned();
    list.ndjson().into_iter().map(name).collect()
}

fn listed(folder: &Folder, flags: &[&str]) -> Vec<String> {
    names(&folder.run(&[&["list", "--output", "ndjson"], flags].concat()))
}

#[test]
fn orders_are_filtered_and_sorted() {
    let folder = folder();
    assert_eq!(listed(&folder, &[]), ["erp/2", "erp/1"]);
    assert_eq!(listed(&folder, &["--reverse"]), ["erp/1", "erp/2"]);
    assert_eq!(listed(&folder, &["--sort", "first-seen"]), ["erp/1", "erp/2"]);
    assert_eq!(listed(&folder, &["--open"]), ["erp/1"]);
    assert_eq!(listed(&folder, &["--no-open"]), ["erp/2"]);
    assert_eq!(listed(&folder, &["--source", "erp:prd-100,edi"]), ["erp/1"]);
    assert_eq!(listed(&folder, &["--source", "edi", "--source", "erp:prd-100"]), ["erp/1"]);
    assert_eq!(listed(&folder, &["--updated-since", "2001-01-01T00:00:00Z"]).len(), 2);
    assert_eq!(listed(&folder, &["--updated-since", "2200-01-01T00:00:00Z"]), [""; 0]);
    assert_eq!(listed(&folder, &["--warehouse", "nowhere"]), [""; 0]);
    listed(&folder, &["--stage-age", "fulfillment=1s", "--sort", "stage-age"]);
    let json = folder.run(&["list", "--output", "json"]).json();
    assert_eq!((json["basis"].as_u64(), json["more"].as_bool()), (Some(4), Some(false)));
    for columns in [60, 80, 100] {
        let table = run_within(&folder, &columns.to_string(), &["list"]);
        assert!(table.ok().contains("erp/1"), "{}", table.out);
        assert_narrow(&table.out, columns);
    }
}

#[test]
fn a_list_ends_at_its_limit_and_says_so() {
    let folder = Folder::new();
    let lines: String = (0..1_203).map(|n| line(&format!("erp/{n}"), "1")).collect();
    folder.run_with_input(&["import", "-"], &lines).ok();
    for (limit, rows) in [("7", 7), ("1100", 1_100), ("0", 1_203), ("5000", 1_203)] {
        let list = folder.run(&["list", "--output", "ndjson", "--limit", limit]);
        let mut found = names(&list);
        found.sort();
        found.dedup();
        assert_eq!(found.len(), rows, "--limit {limit}");
        assert_eq!(list.err.contains("--limit 0"), rows < 1_203, "{}", list.err);
    }
    assert_eq!(listed(&folder, &[]).len(), 100);
}

#[test]
fn what_no_order_can_be_asked_for_is_a_usage_error() {
    let folder = folder();
    for flags in [
        &["--open", "--no-open"][..],
        &["--stage-age", "2d"],
        &["--stage-age", "color=2d"],
        &["--stage-age", "shipment=2w"],
        &["--updated-since", "yesterday"],
        &["--sort", "beauty"],
        &["--limit", "-1"],
    ] {
        folder.run(&[&["list"], flags].concat()).failed(2);
    }
}
