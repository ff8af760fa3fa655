//! Files of evidence as they are made, and as they are not. Does not know a ledger.

use super::testing::TestLog;
use super::*;

const ALL: AsOf = AsOf { offset: None, recorded_at_ns: None, occurred_at_ns: None };

fn verify(log: &TestLog, bytes: &[u8]) -> BundleVerdict {
    verify_bundle(bytes, &log.keys(), &BundleOptions::default())
}

/// The first order with so many events.
fn order_of(log: &TestLog, count: usize) -> String {
    let names = log.entries.iter().map(|entry| entry.event.correlation_id());
    let order = names.into_iter().find(|name| log.of_order(name).len() == count);
    order.unwrap().to_owned()
}

#[test]
fn the_size_of_a_file() {
    let mut log = TestLog::of_demo(60);
    let name = order_of(&log, 12);
    let seal = log.seal();
    let evidence = log.evidence(&[&name], seal, ALL);
    let bytes = export_evidence(&evidence).unwrap();
    std::fs::write("/tmp/h/evi/target/b.html", &bytes).unwrap();
    let begin = std::time::Instant::now();
    let verdict = verify(&log, &bytes);
    println!("{} bytes, {:?} {:?}", bytes.len(), begin.elapsed(), verdict);
    assert!(matches!(verdict, BundleVerdict::Verified(_)), "{verdict:?}");
}
