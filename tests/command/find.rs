//! `find`: orders by the numbers that they are known under.

use serde_json::json;

use crate::order::{assert_narrow, folder, run_within};

#[test]
fn a_number_leads_to_its_order() {
    let folder = folder();
    for flags in [&[][..], &["--type", "customer_po"], &["--limit", "0"]] {
        let found = folder.run(&[&["find", "PO-4711", "--output", "json"], flags].concat()).json();
        assert_eq!((&found["basis"], &found["more"]), (&json!(4), &json!(false)));
        assert_eq!(found["orders"].as_array().map(Vec::len), Some(1), "{found}");
        assert_eq!(found["orders"][0]["order"]["correlation_id"], "erp/1");
        assert_eq!(found["orders"][0]["reference"]["reference"]["type"], "customer_po");
    }
    let rows = folder.run(&["find", "erp/2", "--output", "ndjson"]).ndjson();
    assert_eq!(rows[0]["order"]["correlation_id"], "erp/2", "its own name is one too");
    let table = run_within(&folder, "80", &["find", "PO-4711"]);
    assert!(table.ok().contains("erp/1"), "{}", table.out);
    assert_narrow(&table.out, 80);
}

#[test]
fn what_no_order_is_known_as_is_not_found() {
    let folder = folder();
    for flags in [&["find", "PO-4712"][..], &["find", "PO-4711", "--type", "tracking"]] {
        let missing = folder.run(flags);
        assert!(missing.failed(3).contains("no order is known as PO-471"), "{}", missing.err);
        assert_eq!(missing.out, "");
    }
    assert!(folder.run(&["find"]).failed(2).contains("<VALUE>"));
    assert!(folder.run(&["find", "x", "--limit", "few"]).failed(2).contains("few"));
}
