//! `demo`: the same events every time, as lines or in a ledger.

use std::collections::HashSet;

use crate::events::{assert_holds, parsed};
use crate::support::{Folder, Server, run};

fn demo(more: &[&str]) -> String {
    run(&[&["demo", "--orders", "40", "--ndjson", "-"], more].concat()).ok().to_owned()
}

#[test]
fn equal_seeds_give_equal_bytes_and_others_other_events() {
    let first = demo(&[]);
    assert_eq!(first, demo(&["--seed", "1"]));
    assert_ne!(first, demo(&["--seed", "2"]));
    let events = parsed(&first);
    let orders: HashSet<_> =
        events.iter().map(|event| event["correlation_id"].to_string()).collect();
    assert!((35..=45).contains(&orders.len()), "{} orders", orders.len());
    assert!(events.len() > 200, "{} events", events.len());
}

#[test]
fn a_demo_is_written_to_a_file_or_into_a_ledger() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("demo.ndjson");
    let arguments = ["demo", "--orders", "40", "--ndjson", file.to_str().unwrap()];
    assert_eq!(run(&arguments).ok(), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), demo(&[]));

    let (folder, remote) = (Folder::new(), Folder::new());
    let arguments = ["demo", "--orders", "40"];
    let here = folder.run(&arguments);
    let server = Server::start(remote.path());
    assert_eq!(server.run(&arguments), here);
    assert!(here.ok().contains(" 0 refused; head "), "{}", here.out);
    server.stop().ok();
    assert_holds(&folder, &demo(&[]));
    assert_holds(&remote, &demo(&[]));
    let imported = folder.run(&["import", file.to_str().unwrap()]);
    assert!(imported.ok().starts_with("0 events appended"), "{}", imported.out);
}

#[test]
fn a_demo_of_no_orders_is_empty_and_one_of_another_seed_is_a_conflict() {
    assert_eq!(run(&["demo", "--orders", "0", "--ndjson", "-"]).ok(), "");
    let folder = Folder::new();
    folder.run(&["demo", "--orders", "5"]).ok();
    let other = folder.run(&["demo", "--orders", "5", "--seed", "2"]);
    assert!(other.failed(1).contains("event ids were used before"), "{}", other.err);
}
