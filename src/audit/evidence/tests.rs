//! Files of evidence as they are made, and as honest people hand them on. Does not know attackers.

use super::testing::{BEGIN_NS, TestLog};
use super::*;
use crate::proto::OrderEvent;

pub(super) const ALL: AsOf = AsOf { offset: None, recorded_at_ns: None, occurred_at_ns: None };

pub(super) fn verify(log: &TestLog, bytes: &[u8]) -> BundleVerdict {
    verify_bundle(bytes, &log.keys(), &BundleOptions::default())
}

pub(super) fn verified(verdict: BundleVerdict) -> VerifiedBundle {
    let BundleVerdict::Verified(verified) = verdict else { panic!("{verdict:?}") };
    *verified
}

/// The orders with so many events.
fn orders_of(log: &TestLog, count: usize) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for entry in &log.entries {
        *counts.entry(entry.event.correlation_id()).or_default() += 1;
    }
    let with_so_many = counts.into_iter().filter(|(_, found)| *found == count);
    with_so_many.map(|(name, _)| name.to_owned()).collect()
}

fn event(order: &str, id: &str, kind: &str) -> OrderEvent {
    OrderEvent {
        correlation_id: order.to_owned(),
        source: "erp:prd".to_owned(),
        event_id: id.to_owned(),
        r#type: kind.to_owned(),
        ..OrderEvent::default()
    }
}

#[test]
fn every_order_of_a_ledger_is_shown_and_proven() {
    let mut log = TestLog::of_demo(25);
    let seal = log.seal();
    let names = log.entries.iter().map(|entry| entry.event.correlation_id().to_owned());
    let names: std::collections::BTreeSet<String> = names.collect();
    for name in names.iter().filter(|name| !name.starts_with('$')) {
        let bytes = export_evidence(&log.evidence(&[name], seal, ALL)).unwrap();
        let found = verified(verify(&log, &bytes));
        assert_eq!(found.page, PageCheck::Equal);
        let count = crate::num::u64_from(log.of_order(name).len());
        assert_eq!((found.orders[0].entry_count, found.orders[0].shown_count), (count, count));
        assert_eq!((found.seal.offset, found.seal.covered), (seal, seal));
        assert_eq!(found.seal.checkpoint.size, seal + 1);
    }
}

#[test]
fn orders_without_entries_are_proven_absent() {
    let mut log = TestLog::of_demo(9);
    let seal = log.seal();
    let known = log.entries[0].event.correlation_id().to_owned();
    let bytes = export_evidence(&log.evidence(&["erp/nobody", &known], seal, ALL)).unwrap();
    let found = verified(verify(&log, &bytes));
    assert_eq!(found.orders[0].entry_count, 0);
    assert!(found.orders[1].entry_count > 0);
    let page = String::from_utf8(bytes).unwrap();
    assert!(page.contains("The ledger has no entry of it as of the seal: proven absent."));
}

#[test]
fn what_is_behind_the_basis_is_committed_and_not_shown() {
    let mut log = TestLog::of_demo(40);
    let name = &orders_of(&log, 12)[0];
    let seal = log.seal();
    let own = log.of_order(name);
    let as_of = AsOf { recorded_at_ns: Some(own[4].recorded_at_ns), ..ALL };
    let bytes = export_evidence(&log.evidence(&[name], seal, as_of)).unwrap();
    let found = verified(verify(&log, &bytes));
    assert_eq!((found.orders[0].entry_count, found.orders[0].shown_count), (12, 5));
    let page = String::from_utf8(bytes).unwrap();
    assert!(page.contains("12 entries as of the seal, 5 of them below offset"), "{page}");
    assert!(page.contains(&format!("Committed, not shown: #{} recorded", own[5].offset)));
    assert!(!page.contains(own[5].event.event_id()), "not even its id");

    let occurred = own[4].event.occurred_at_ns();
    let as_of = AsOf { occurred_at_ns: occurred, ..ALL };
    let bytes = export_evidence(&log.evidence(&[name], seal, as_of)).unwrap();
    assert_eq!(verified(verify(&log, &bytes)).orders[0].shown_count, 12);
    let page = String::from_utf8(bytes).unwrap();
    assert!(page.contains("occurred later than the time that is asked about: does not count"));
}

/// Seen red without the look for the histories.
#[test]
fn linked_histories_come_along_and_count() {
    let mut log = TestLog::new();
    let line = |quantity: &str| crate::proto::Line {
        line_id: "10".to_owned(),
        quantity: quantity.to_owned(),
        ..Default::default()
    };
    let lines = vec![line("4")];
    log.append(&OrderEvent { lines: lines.clone(), ..event("erp/1", "1", "order.created") });
    let shipped = event("unresolved/3pl/77", "2", "shipment.confirmed");
    log.append(&OrderEvent { lines, ..shipped });
    let reference = crate::proto::Reference {
        r#type: "customer_order".to_owned(),
        issuer: "3pl".to_owned(),
        value: "77".to_owned(),
        ..Default::default()
    };
    let linked = OrderEvent { refs: vec![reference], ..event("erp/1", "3", "ref.linked") };
    log.append(&linked);
    log.append(&event("erp/2", "4", "order.created"));
    let seal = log.seal();
    let mut evidence = log.evidence(&["erp/1"], seal, ALL);
    let bytes = export_evidence(&evidence).unwrap();
    let found = verified(verify(&log, &bytes));
    assert_eq!(found.orders.len(), 2);
    assert_eq!(found.orders[1].role, EvidenceRole::Linked);
    let data = file::read(&bytes).unwrap().data;
    let (before, _) = data.split_once(",\n{\n\"correlation_id\":\"unresolved").unwrap();
    let verdict = verify(&log, &file::write("", &format!("{before}]}}")));
    let (order, history) = ("erp/1".to_owned(), "unresolved/3pl/77".to_owned());
    let missing = BundleDefect::HistoryMissing { order, history };
    assert_eq!(verdict, BundleVerdict::Tampered(vec![missing]));
    let page = String::from_utf8(bytes).unwrap();
    assert!(page.contains("from unresolved/3pl/77: line 10: shipped 0 -&gt; 4 of 4"), "{page}");
    evidence.orders.pop();
    let missing = export_evidence(&evidence).unwrap_err().to_string();
    assert_eq!(missing, "order erp/1 needs the history unresolved/3pl/77");
}

/// What events say is text on the page and in the data, whatever it is. Seen red with `<` left as
/// it is on the page, and in the data.
#[test]
fn nothing_that_an_event_says_is_markup() {
    let mut log = TestLog::new();
    let evil = "</script><script>alert(1)</script><!-- & \" ' \u{202e}";
    log.append(&OrderEvent { source: evil.to_owned(), ..event(evil, evil, "order.accepted") });
    let seal = log.seal();
    let bytes = export_evidence(&log.evidence(&[evil], seal, ALL)).unwrap();
    assert_eq!(verified(verify(&log, &bytes)).orders[0].correlation_id, evil);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("<script").count(), 1, "the data");
    assert_eq!(text.matches("<!--").count(), 2, "the first line and the last");
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!text.split("<script").next().unwrap().contains('\u{202e}'));
}

#[test]
fn a_page_needs_nothing_else_and_promises_nothing_else() {
    let mut log = TestLog::of_demo(40);
    let name = &orders_of(&log, 12)[0];
    let seal = log.seal();
    let text = export_evidence(&log.evidence(&[name], seal, ALL)).unwrap();
    let text = String::from_utf8(text).unwrap();
    for resource in ["http:", "https:", "src=", "href=", "@import", "url(", "<link", "<img"] {
        assert!(!text.contains(resource), "{resource}");
    }
    let lower = text.to_lowercase();
    for word in ["immutable", "tamper-proof", "tamperproof", "unalterable"] {
        assert!(!lower.contains(word), "{word}");
    }
    assert_eq!(lower.matches("complete").count(), lower.matches("complete as of").count());
    assert!(text.contains("order-ledger verify bundle FILE --key KEYFILE"));
    assert!(text.ends_with(" -->\n") && text.contains("\n</html>\n<!-- sha256 "));
}

/// Orders with 12 events, each with as many hashes as in a ledger of 16 million entries.
#[test]
fn the_file_of_an_order_with_12_events_is_small() {
    let mut log = TestLog::of_demo(150);
    let seal = log.seal();
    let mut sizes = Vec::new();
    for name in orders_of(&log, 12) {
        let mut evidence = log.evidence(&[&name], seal, ALL);
        evidence.seal.inclusion.resize(24, [7; 32]);
        evidence.orders[0].proof.last_inclusion.resize(24, [7; 32]);
        let steps = &mut evidence.orders[0].proof.path.steps;
        let step = steps[0];
        steps.resize(20, step);
        sizes.push(export_evidence(&evidence).unwrap().len());
    }
    sizes.sort_unstable();
    assert!(sizes.len() > 5 && sizes[sizes.len() / 2] < 20_000, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 21_000), "{sizes:?}");
}

/// Seen red without either of the two looks.
#[test]
fn an_older_seal_is_told_from_what_is_required() {
    let mut log = TestLog::of_demo(9);
    let name = log.entries[0].event.correlation_id().to_owned();
    let seal = log.seal();
    let bytes = export_evidence(&log.evidence(&[&name], seal, ALL)).unwrap();
    let sealed_ns = log.entries.last().unwrap().recorded_at_ns;
    let ask = |covers, recorded_until_ns| {
        let options = BundleOptions { covers, recorded_until_ns, ..BundleOptions::default() };
        verify_bundle(&bytes, &log.keys(), &options)
    };
    verified(ask(Some(seal), Some(sealed_ns - 1)));
    verified(ask(None, Some(BEGIN_NS - 1)));
    let covers = BundleDoubt::Covers { required: seal + 1, covered: seal };
    assert_eq!(ask(Some(seal + 1), None), BundleVerdict::Inconclusive(vec![covers]));
    let until = BundleDoubt::RecordedUntil { required_ns: sealed_ns };
    let said = until.to_string();
    assert!(said.contains("recorded until 2026-"), "{said}");
    assert_eq!(ask(None, Some(sealed_ns)), BundleVerdict::Inconclusive(vec![until]));
}

#[test]
fn another_key_and_a_newer_format_leave_it_open() {
    let mut log = TestLog::of_demo(9);
    let name = log.entries[0].event.correlation_id().to_owned();
    let seal = log.seal();
    let bytes = export_evidence(&log.evidence(&[&name], seal, ALL)).unwrap();
    let other = crate::audit::note::SignerKey::generate("ledger.example/orders").unwrap();
    let options = BundleOptions::default();
    let verdict = verify_bundle(&bytes, &[other.verifier().clone()], &options);
    let BundleVerdict::Inconclusive(doubts) = verdict else { panic!("{verdict:?}") };
    let said = doubts[0].to_string();
    assert!(said.contains("it is signed by ledger.example/orders+"), "{said}");

    let text = String::from_utf8(bytes[..bytes.len() - 81].to_vec()).unwrap();
    let newer = text.replace("evidence 1 -->", "evidence 2 -->");
    let newer = [newer.as_bytes(), file::digest_line(newer.as_bytes()).as_bytes()].concat();
    let expected = BundleVerdict::Inconclusive(vec![BundleDoubt::NewerFormat(2)]);
    assert_eq!(verify(&log, &newer), expected);
}

/// Orders that name others, before and behind the middle of the demo.
fn related(log: &mut TestLog) {
    let at = log.entries.iter().filter_map(|entry| entry.event.occurred_at_ns());
    let (first, last) = (at.clone().min().unwrap(), at.max().unwrap());
    for (order, target, at) in [("erp/a", "erp/c", first), ("erp/b", "erp/c", last)] {
        let names = |correlation_ids: &[&str]| crate::proto::OrderRelation {
            correlation_ids: correlation_ids.iter().map(|&id| id.to_owned()).collect(),
            ..Default::default()
        };
        let reference = crate::proto::Reference {
            r#type: "customer_order".to_owned(),
            issuer: "3pl".to_owned(),
            value: "77".to_owned(),
            ..Default::default()
        };
        let occurred_at = Some(crate::time::timestamp(at));
        let split = event(order, "split", "order.split");
        log.append(&OrderEvent { relation: Some(names(&[target])), occurred_at, ..split });
        let linked = event(order, "linked", "ref.linked");
        log.append(&OrderEvent { refs: vec![reference], occurred_at, ..linked });
    }
    log.append(&event("erp/c", "c", "order.created"));
    log.append(&event("unresolved/3pl/77", "u", "shipment.confirmed"));
}

/// What others say of an order is gathered once for all orders of a file; here, for each one again.
#[test]
fn states_are_those_of_all_that_the_file_says_of_an_order() {
    let mut log = TestLog::of_demo(9);
    related(&mut log);
    let own = |name: &str, entries: &[RecordedEvent]| -> Vec<RecordedEvent> {
        entries.iter().filter(|one| one.event.is_about(name)).cloned().collect()
    };
    let seal = log.seal();
    let middle = log.entries[log.entries.len() / 2].event.occurred_at_ns();
    let names = log.entries.iter().map(|entry| entry.event.correlation_id());
    let names: std::collections::BTreeSet<&str> =
        names.filter(|name| !name.starts_with('$')).collect();
    let asked: Vec<&str> = names.iter().copied().collect();
    let mut incoming_count = 0;
    for as_of in [ALL, AsOf { occurred_at_ns: middle, ..ALL }] {
        let evidence = log.evidence(&asked, seal, as_of);
        let shown = Shown::of(&evidence).unwrap();
        for order in shown.orders.iter().filter(|order| order.role == EvidenceRole::Asked) {
            let name = order.correlation_id;
            let counts = |one: &RecordedEvent| as_of.includes(one);
            let mut events = own(name, &log.entries);
            for history in crate::view::histories_of(name, &events) {
                events.extend(own(&history, &log.entries));
            }
            events.retain(counts);
            let mut incoming = Vec::new();
            for other in names.iter().filter(|other| **other != name) {
                let mut events = own(other, &log.entries);
                let is_link = |related: &crate::proto::RelatedOrder| {
                    related.relation() == crate::proto::OrderRelationKind::LinkedTo
                };
                let said = crate::order::said_about(name, (other, &events));
                incoming.extend(said.into_iter().filter(is_link));
                events.retain(counts);
                let said = crate::order::said_about(name, (other, &events));
                incoming.extend(said.into_iter().filter(|related| !is_link(related)));
            }
            incoming_count += incoming.len();
            let history = crate::order::History {
                correlation_id: name,
                events: &events,
                incoming: &incoming,
            };
            let mut expected = crate::order::fold(&history, &evidence.policy);
            expected.revision = crate::num::u64_from(own(name, &log.entries).len());
            assert_eq!(order.state.as_ref(), Some(&expected), "{name}");
        }
    }
    assert!(incoming_count > 0, "some order names another one");
}
