//! The test vectors of `docs/evidence.md`, held against the code that it describes. Does not know
//! the document's prose: only its `directory`, its `values` and its example of data.

use super::testing::{TestLog, path_of, root_of};
use super::tests::{ALL, verified, verify};
use super::*;
use crate::audit::directory::{Node, OrderNode, Standing};
use crate::event::{Event, to_hex};
use crate::limits::Limits;
use crate::log::{Hash, body_hash, order_hash};

const DOCUMENT: &str = include_str!("../../../docs/evidence.md");

/// The lines of the document's only fenced block with this word behind its fence.
fn fenced(word: &str) -> Vec<&'static str> {
    let fence = format!("```{word}");
    let mut lines = DOCUMENT.lines().skip_while(|line| *line != fence).skip(1);
    let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
    assert!(!block.is_empty() && lines.all(|line| line != fence), "one block of {word}");
    block
}

fn hash_of(first: u8) -> Hash {
    let mut hash = [0; 32];
    hash[0] = first;
    hash
}

fn node_line(name: &str, node: &Node) -> String {
    format!("{name} = {} {}", node.entry_count, to_hex(&node.hash))
}

/// Seen red with one digit of a hash changed in the document.
#[test]
fn the_directories_of_the_document_are_hashed_as_it_says() {
    let order = |first, entry_count, head| OrderNode {
        order: hash_of(first),
        entry_count,
        head: [head; 32],
    };
    let all = [order(0x00, 1, 1), order(0x80, 2, 2), order(0xc0, 3, 3)];
    let mut lines = Vec::new();
    for (name, order) in ["a", "b", "c"].iter().zip(&all) {
        lines.push(node_line(&format!("order.{name}"), &order.node()));
    }
    let root = root_of(&all, 0).unwrap();
    lines.push(node_line("root.a", &root_of(&all[..1], 0).unwrap()));
    lines.push(node_line("root.ab", &root_of(&all[..2], 0).unwrap()));
    lines.push(node_line("branch.bc", &root_of(&all[1..], 0).unwrap()));
    lines.push(node_line("root.abc", &root));
    for (name, first) in [("a", 0x00), ("b", 0x80), ("c", 0xc0), ("absent", 0xa0)] {
        let path = path_of(&hash_of(first), &all);
        let standing = path.verify(&hash_of(first), &root).unwrap();
        assert_eq!(standing == Standing::Absent, name == "absent");
        let reached = format!("{:02x}", path.reached.order[0]);
        lines.push(format!("path.{name} = reached {reached}, {} steps", path.steps.len()));
        for step in &path.steps {
            lines.push(node_line(&format!("path.{name}.bit{}", step.bit), &step.sibling));
        }
    }
    assert_eq!(lines.join("\n"), fenced("directory").join("\n"));
}

/// The log of the example: the two events of docs/format.md, one of another order, a seal.
fn example() -> (TestLog, u64) {
    let mut log = TestLog::new();
    for line in [
        r#"{"correlation_id":"erp/1001","source":"erp:prd-100","event_id":"created-1","type":"order.created","occurred_at":"2026-03-28T14:05:00.5Z"}"#,
        r#"{"correlation_id":"erp/1001","source":"wms:dc3","event_id":"pick-1","type":"pick.confirmed"}"#,
        r#"{"correlation_id":"erp/1002","source":"erp:prd-100","event_id":"created-2","type":"order.created"}"#,
    ] {
        log.push(Event::from_json(line, &Limits::default()).unwrap());
    }
    let seal = log.seal();
    (log, seal)
}

#[test]
fn the_example_of_the_document_is_what_it_says() {
    let (log, seal) = example();
    let mut lines = vec![
        format!("key.secret = {}", log.key.secret_text().trim_end()),
        format!("key.verifier = {}", log.key.verifier()),
    ];
    for entry in &log.entries {
        let name = |field: &str| format!("entry{}.{field}", entry.offset);
        let order = entry.event.correlation_id();
        lines.push(format!("{} = {order}", name("correlation_id")));
        lines.push(format!("{} = {}", name("recorded_at"), entry.recorded_at_ns));
        let occurred_at_ns = entry.event.occurred_at_ns().unwrap_or(0);
        lines.push(format!("{} = {occurred_at_ns}", name("occurred_at")));
        lines.push(format!("{} = {}", name("revision"), entry.revision));
        lines.push(format!("{} = {}", name("order"), to_hex(&order_hash(order.as_bytes()))));
        lines.push(format!("{} = {}", name("previous"), to_hex(&entry.previous)));
        lines.push(format!("{} = {}", name("body_hash"), to_hex(&body_hash(entry.event.body()))));
        lines.push(format!("{} = {}", name("leaf_hash"), to_hex(&entry.leaf_hash())));
    }
    let root = root_of(&log.directory(3), 0).unwrap();
    lines.push(format!("directory.root = {}", to_hex(&root.hash)));
    let checkpoint = super::super::Checkpoint::verify(&log.checkpoint(), &log.keys()).unwrap();
    lines.push(format!("tree.size = {}", checkpoint.size));
    lines.push(format!("tree.root = {}", to_hex(&checkpoint.root)));
    for (index, hash) in log.inclusion(seal).iter().enumerate() {
        lines.push(format!("seal.inclusion{index} = {}", to_hex(hash)));
    }
    assert_eq!(lines.join("\n"), fenced("values").join("\n"));
    assert_eq!(log.checkpoint().trim_end(), fenced("checkpoint").join("\n"));
}

#[test]
fn the_data_of_the_document_is_that_of_the_example() {
    let (log, seal) = example();
    let evidence = log.evidence(&["erp/1001", "erp/1003"], seal, ALL);
    let bytes = export_evidence(&evidence).unwrap();
    verified(verify(&log, &bytes));
    let made_by = |version: &str| format!("\"product_version\":\"{version}\"");
    let documented = fenced("json").join("\n");
    let documented = documented.replace(&made_by("0.1.0"), &made_by(PRODUCT_VERSION));
    assert_eq!(file::read(&bytes).unwrap().data, documented);
    let last = std::str::from_utf8(&bytes[bytes.len() - 81..]).unwrap();
    assert!(DOCUMENT.contains("<!-- sha256 HEX -->") && last.starts_with("<!-- sha256 "));
}
