//! What is done to files of evidence: accidents, and people who make every digest anew.
//! Does not know honest files beyond the one that it starts from.

use serde_json::{Value as Json, json};

use super::document::{Decoded, Document};
use super::testing::TestLog;
use super::tests::{ALL, verified, verify};
use super::*;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::directory::OrderNode;
use crate::audit::order_proof::ChainEntry;
use crate::audit::tree::node_hash;
use crate::demo::Demo;
use crate::event::{Event, listed};
use crate::limits::Limits;
use crate::log::{Leaf, NO_PREVIOUS, body_hash, order_hash};
use crate::proto::OrderEvent;

struct Scene {
    log: TestLog,
    seal: u64,
    name: String,
    evidence: Evidence,
    bytes: Vec<u8>,
}

/// An order with some events, one that is absent, and a part that is not shown.
fn scene() -> Scene {
    let mut log = TestLog::new();
    let demo = Demo { orders: 9, ..Demo::default() };
    let events: Vec<_> = demo.events().collect();
    let count = |name: &str| events.iter().filter(|event| event.correlation_id == name).count();
    let first = events.iter().find(|event| count(&event.correlation_id) > 9).unwrap();
    let name = first.correlation_id.clone();
    for event in &events {
        if event.correlation_id != name || log.of_order(&name).len() < 6 {
            log.append(event);
        }
    }
    let seal = log.seal();
    let last = log.of_order(&name)[5].recorded_at_ns;
    let as_of = AsOf { recorded_at_ns: Some(last - 1), ..ALL };
    let evidence = log.evidence(&[&name, "erp/nobody"], seal, as_of);
    let bytes = export_evidence(&evidence).unwrap();
    verified(verify(&log, &bytes));
    Scene { log, seal, name, evidence, bytes }
}

impl Scene {
    fn data(&self) -> Json {
        serde_json::from_str(file::read(&self.bytes).unwrap().data).unwrap()
    }

    /// The verdict on the same page with other data and a digest that fits.
    fn with_data(&self, data: &str) -> BundleVerdict {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        let page = text.split_once("-->\n").unwrap().1.split_once("\n<script").unwrap().0;
        verify(&self.log, &file::write(page, data))
    }

    /// The verdict on evidence of which the page was made anew; `None` where it cannot be made, or
    /// is the honest file.
    fn remade(&self, evidence: &Evidence) -> Option<BundleVerdict> {
        let bytes = export_evidence(evidence).ok()?;
        (bytes != self.bytes).then(|| verify(&self.log, &bytes))
    }

    fn remade_data(&self, data: &Json) -> Option<BundleVerdict> {
        let document = Document::parse(&json::to_text(data)).ok()?;
        let Decoded { mut evidence, bodies } = document.decode().ok()?;
        for (order, bodies) in evidence.orders.iter_mut().zip(bodies) {
            let entries = order.proof.chain.iter().zip(bodies);
            for (revision, (entry, body)) in (0..).zip(entries) {
                let Some(body) = body else { break };
                order.events.push(RecordedEvent {
                    offset: entry.offset,
                    revision,
                    recorded_at_ns: entry.recorded_at_ns,
                    event: Event::parse(body, &Limits::default()).ok()?,
                    previous: NO_PREVIOUS,
                });
            }
        }
        self.remade(&evidence)
    }

    /// The defects of evidence that was made anew.
    fn defects(&self, change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = self.evidence.clone();
        change(&mut evidence);
        let verdict = self.remade(&evidence).expect("a file that can be made");
        let BundleVerdict::Tampered(defects) = verdict else { panic!("{verdict:?}") };
        listed(&defects)
    }
}

fn is_verified(verdict: &BundleVerdict) -> bool {
    matches!(verdict, BundleVerdict::Verified(_))
}

/// Seen red with the digest not compared.
#[test]
fn an_accident_anywhere_is_noticed() {
    let Scene { log, bytes, .. } = scene();
    for index in 0..bytes.len() {
        for bit in (0..8).filter(|bit| index % 61 == 0 || index % 8 == *bit) {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            let verdict = verify(&log, &changed);
            assert!(matches!(verdict, BundleVerdict::Unreadable(_)), "{index}: {verdict:?}");
        }
        let verdict = verify(&log, &bytes[..index]);
        assert!(matches!(verdict, BundleVerdict::Unreadable(_)), "{index}: {verdict:?}");
    }
    let longer = [&bytes[..], b"\n"].concat();
    assert!(!is_verified(&verify(&log, &longer)));
}

/// Seen red with proofs believed, and with the page not compared.
#[test]
fn no_byte_can_be_changed_where_the_digest_is_made_anew() {
    let Scene { log, bytes, .. } = scene();
    let above = &bytes[..bytes.len() - 81];
    for index in (0..above.len()).step_by(11) {
        let mut changed = above.to_vec();
        changed[index] ^= 1 << (index % 8);
        let digest = file::digest_line(&changed);
        let verdict = verify(&log, &[&changed, digest.as_bytes()].concat());
        assert!(!is_verified(&verdict), "{index}");
        let cut = &above[..index];
        let verdict = verify(&log, &[cut, file::digest_line(cut).as_bytes()].concat());
        assert!(!is_verified(&verdict), "cut at {index}");
    }
}

/// Calls with each way to change each value and to leave out or repeat each member.
fn each_change(
    data: &Json,
    at: &mut Vec<String>,
    call: &mut impl FnMut(&[String], &dyn Fn(&mut Json)),
) {
    let others: Vec<Json> = match data {
        Json::String(text) => {
            let number = text.parse::<i128>().ok();
            let near = number.map(|number| json!((number + 1).to_string()));
            let mut letters: Vec<char> = text.chars().collect();
            if let Some(first) = letters.first_mut() {
                *first = if *first == 'A' { 'B' } else { 'A' };
            }
            let changed: String = letters.into_iter().collect();
            [Some(json!(changed)), Some(json!(format!("{text}A"))), near, Some(json!(""))]
                .into_iter()
                .flatten()
                .collect()
        }
        Json::Number(number) => {
            vec![json!(number.as_u64().unwrap_or(0) + 1), json!(number.to_string())]
        }
        Json::Bool(flag) => vec![json!(!flag)],
        Json::Null => vec![json!(true), json!(0)],
        Json::Array(_) => vec![json!([])],
        Json::Object(_) => vec![json!({})],
    };
    for other in others.into_iter().filter(|other| other != data) {
        call(at, &|place| *place = other.clone());
    }
    match data {
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                call(at, &|place| drop(place.as_array_mut().unwrap().remove(index)));
                call(at, &|place| {
                    place.as_array_mut().unwrap().insert(index, elements[index].clone());
                });
                if index > 0 {
                    call(at, &|place| place.as_array_mut().unwrap().swap(index, index - 1));
                }
                at.push(index.to_string());
                each_change(element, at, call);
                at.pop();
            }
        }
        Json::Object(members) => {
            for (name, member) in members {
                call(at, &|place| drop(place.as_object_mut().unwrap().shift_remove(name)));
                at.push(name.clone());
                each_change(member, at, call);
                at.pop();
            }
            call(at, &|place| {
                place.as_object_mut().unwrap().insert("more".into(), json!("1"));
            });
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// What a file says and no proof shows; docs/evidence.md and the verdict name it.
fn is_not_proven(at: &str, orders: &[EvidenceOrder]) -> bool {
    let said = ["ledger_id", "made_at", "policy", "basis", "orders/0/role", "orders/1/role"];
    let count = orders[0].proof.chain.len();
    let middle = (0..count - 1).map(|revision| format!("orders/0/entries/{revision}/offset"));
    said.iter().any(|prefix| at.starts_with(prefix)) || middle.into_iter().any(|one| one == at)
}

/// Seen red with proofs believed, and with states and pages not compared.
#[test]
fn no_value_can_be_changed_where_every_digest_is_made_anew() {
    let scene = scene();
    let data = scene.data();
    let (mut tried, mut remade) = (0, 0);
    each_change(&data, &mut Vec::new(), &mut |at, change| {
        let mut changed = data.clone();
        let pointer = at.iter().fold(String::new(), |pointer, part| pointer + "/" + part);
        change(changed.pointer_mut(&pointer).unwrap());
        if changed == data {
            return;
        }
        tried += 1;
        let verdict = scene.with_data(&json::to_text(&changed));
        assert!(!is_verified(&verdict), "{pointer}: {changed}");
        // A state that was changed is made anew with the page.
        if let Some(verdict) = scene.remade_data(&changed) {
            remade += 1;
            let at = at.join("/");
            let allowed = is_not_proven(&at, &scene.evidence.orders) || drops_an_order(&changed);
            assert!(allowed || !is_verified(&verdict), "{at}: {changed}");
        }
    });
    assert!(tried > 500 && remade > 100, "{tried} changes, {remade} of them with another page");
}

/// Who hands out a file decides which orders it is about, and in which sequence.
fn drops_an_order(changed: &Json) -> bool {
    changed["orders"]
        .as_array()
        .is_none_or(|orders| orders.len() != 2 || orders[1]["correlation_id"] != "erp/nobody")
}

/// Seen red with the text not compared with the one that the data has.
#[test]
fn another_text_of_the_same_data_is_refused() {
    let scene = scene();
    let text = file::read(&scene.bytes).unwrap().data;
    let mut others = vec![text.replace("\n\"", "\n \""), text.replace("\":\"", "\": \"")];
    others.push(text.replacen("\"format\"", "\"form\\u0061t\"", 1));
    others.push(text.replacen("\"format_version\":1", "\"format_version\":1.0", 1));
    others.push(text.replacen("\"made_at\":\"", "\"made_at\":\"0", 1));
    others.push(text.replacen(
        "\"format_version\":1",
        "\"format_version\":1,\n\"format_version\":1",
        1,
    ));
    others.push(format!("{text} "));
    for other in others {
        assert_ne!(other, text);
        let verdict = scene.with_data(&other);
        let BundleVerdict::Tampered(defects) = verdict else { panic!("{verdict:?}") };
        assert!(matches!(defects[..], [BundleDefect::Form(_)]), "{defects:?}");
    }
}

/// Seen red with `OrderProof::verify` believed whatever it says.
#[test]
fn what_is_done_to_a_history_has_its_own_message() {
    let scene = scene();
    let order = &scene.name;
    let said = scene.defects(|evidence| {
        evidence.orders[0].proof.chain.remove(2);
        evidence.orders[0].events.remove(2);
        let events = evidence.orders[0].events.iter_mut().skip(2);
        events.for_each(|event| event.revision -= 1);
    });
    assert_eq!(said, format!("order {order}: 5 entries, where the seal has 6"));
    let said = scene.defects(|evidence| {
        evidence.orders[0].proof.chain.swap(1, 2);
        let events = &mut evidence.orders[0].events;
        events.swap(1, 2);
        for (revision, event) in (0..).zip(events) {
            event.revision = revision;
        }
    });
    assert!(said.contains("do not lead to the head that was sealed"), "{said}");
    let said = scene.defects(|evidence| {
        evidence.orders[0].proof.chain[2].recorded_at_ns -= 1;
        evidence.orders[0].events[2].recorded_at_ns -= 1;
    });
    assert!(said.contains("do not lead to the head that was sealed"), "{said}");
    for seconds in [0, 7] {
        let said = scene.defects(|evidence| {
            let recorded = &mut evidence.orders[0].events[2];
            let mut message = recorded.event.message();
            if seconds > 0 {
                message.occurred_at.as_mut().unwrap().seconds -= seconds;
            } else {
                message.reason = None;
                message.attributes.insert("edited".to_owned(), "yes".to_owned());
            }
            recorded.event = Event::new(&message).unwrap();
            let offset = evidence.orders[0].proof.chain[2].offset;
            let recorded = &evidence.orders[0].events[2];
            evidence.orders[0].proof.chain[2] = ChainEntry { offset, ..ChainEntry::of(recorded) };
        });
        assert!(said.contains("do not lead to the head that was sealed"), "{said}");
    }
}

/// Seen red with `OrderProof::verify` believed whatever it says.
#[test]
fn a_false_absence_is_found() {
    let scene = scene();
    let absent = scene.defects(|evidence| {
        let path = evidence.orders[1].proof.path.clone();
        let proof = &mut evidence.orders[0].proof;
        (proof.chain, proof.path) = (Vec::new(), path);
        evidence.orders[0].events.clear();
    });
    assert!(absent.contains(&format!("order {}: the seal's directory", scene.name)), "{absent}");
    let empty = scene.defects(|evidence| {
        evidence.orders[0].proof.chain.clear();
        evidence.orders[0].events.clear();
    });
    assert!(empty.contains("0 entries, where the seal has 6"), "{empty}");
}

/// The holder of the key sealed the event of another order in the history of this one. Seen red
/// without the look at the event's own order.
#[test]
fn an_event_of_another_order_is_not_shown_as_one_of_this() {
    let mut log = TestLog::new();
    let event = OrderEvent {
        correlation_id: "erp/2".to_owned(),
        source: "erp:prd".to_owned(),
        event_id: "1".to_owned(),
        r#type: "order.accepted".to_owned(),
        ..OrderEvent::default()
    };
    log.append(&event);
    let seal = log.seal();
    let bytes = export_evidence(&log.evidence(&["erp/2"], seal, ALL)).unwrap();
    let mut data: Json = serde_json::from_str(file::read(&bytes).unwrap().data).unwrap();

    let order = order_hash(b"erp/1");
    let forged = Leaf {
        flags: 0,
        recorded_at: log.entries[0].recorded_at_ns,
        occurred_at: 0,
        revision: 0,
        order: &order,
        previous: &NO_PREVIOUS,
        body: &body_hash(log.entries[0].event.body()),
    }
    .hash();
    let root = OrderNode { order, entry_count: 1, head: forged }.node();
    let mut entry = log.entries[1].event.ledger_entry().unwrap();
    entry.seal.as_mut().unwrap().directory_root = root.hash.to_vec();
    let name = ("$seals/2026-01-05".to_owned(), "1".to_owned());
    log.entries[1].event = Event::of_ledger(name, ("seal.made", entry));
    let sealed = log.entries[1].leaf_hash();
    let origin = log.key.verifier().name().to_owned();
    let root = node_hash(&forged, &sealed);
    let note = Checkpoint { origin, size: 2, root }.sign(std::slice::from_ref(&log.key));

    let text = |bytes: &[u8]| serde_json::to_value(json::Base64(bytes)).unwrap();
    data["checkpoint"] = json!(note);
    data["seal"]["body"] = text(log.entries[1].event.body());
    data["seal"]["inclusion"] = json!([text(&forged)]);
    let part = &mut data["orders"][0];
    part["correlation_id"] = json!("erp/1");
    part["path"]["order"] = text(&order);
    part["path"]["head"] = text(&forged);
    part["inclusion"] = json!([text(&sealed)]);
    let verdict = verify(&log, &file::write("", &json::to_text(&data)));
    let what = "the event is about another order".to_owned();
    let defect = BundleDefect::Event { order: "erp/1".to_owned(), revision: 0, what };
    assert_eq!(verdict, BundleVerdict::Tampered(vec![defect]));
}

#[test]
fn an_older_seal_shows_less_and_says_so() {
    let mut scene = scene();
    let late = scene.log.of_order(&scene.name).pop().unwrap();
    let mut message = late.event.message();
    message.event_id = "later".to_owned();
    scene.log.append(&message);
    let newer = scene.log.seal();
    let old = scene.log.evidence(&[&scene.name], scene.seal, ALL);
    let bytes = export_evidence(&old).unwrap();
    let found = verified(verify(&scene.log, &bytes));
    assert_eq!((found.orders[0].entry_count, found.seal.covered), (6, scene.seal));
    let options = BundleOptions { covers: Some(newer), ..BundleOptions::default() };
    let verdict = verify_bundle(&bytes, &scene.log.keys(), &options);
    let BundleVerdict::Inconclusive(doubts) = verdict else { panic!("{verdict:?}") };
    assert!(doubts[0].to_string().contains("are required: ask for a newer file"));
    // The history of now under the older seal.
    let mut mixed = old;
    mixed.orders[0].proof.chain.push(ChainEntry::of(&scene.log.of_order(&scene.name)[6]));
    let verdict = scene.remade(&mixed).unwrap();
    let BundleVerdict::Tampered(defects) = verdict else { panic!("{verdict:?}") };
    assert!(defects[0].to_string().contains("7 entries, where the seal has 6"));
}

/// Seen red without the look at what was asked for.
#[test]
fn a_basis_that_does_not_divide_the_entries_is_found() {
    let scene = scene();
    let said = scene.defects(|evidence| evidence.basis.as_of.recorded_at_ns = Some(0));
    assert!(said.contains("not on the side of the basis"), "{said}");
    let said = scene.defects(|evidence| {
        evidence.basis.as_of.recorded_at_ns = Some(u64::MAX);
    });
    assert!(said.contains("not on the side of the basis"), "{said}");
}

/// Seen red without the look at names, and at offsets.
#[test]
fn what_stands_in_a_file_twice_is_found() {
    let scene = scene();
    let said = scene.defects(|evidence| evidence.orders.push(evidence.orders[1].clone()));
    assert_eq!(said, "order erp/nobody stands in the file twice");
    let said = scene.defects(|evidence| {
        let order = &mut evidence.orders[0];
        let seal = evidence.seal.entry.offset;
        (order.proof.chain[5].offset, order.proof.last_inclusion) = (seal, Vec::new());
    });
    assert!(
        said.contains(&format!("two entries are said to have offset {}", scene.seal)),
        "{said}"
    );
}

/// Whoever holds a file can name another version, and let the page say anything. Seen red with no
/// doubt about such a page.
#[test]
fn a_page_of_another_version_is_not_believed() {
    let scene = scene();
    let mut data = scene.data();
    data["product_version"] = json!("0.0.1");
    let data_text = json::to_text(&data);
    let page = file::read(&scene.bytes).unwrap().page.replacen("Evidence", "Invented", 1);
    let forged = file::write(&page, &data_text);
    let doubt = BundleDoubt::Page { version: "0.0.1".to_owned() };
    let expected = BundleVerdict::Inconclusive(vec![doubt]);
    assert_eq!(verify(&scene.log, &forged), expected);
    assert_eq!(scene.with_data(&data_text), expected);

    let events_only = BundleOptions { events_only: true, ..BundleOptions::default() };
    let ask = |bytes: &[u8]| verify_bundle(bytes, &scene.log.keys(), &events_only);
    let found = verified(ask(&forged));
    assert_eq!(found.page, PageCheck::OtherVersion("0.0.1".to_owned()));
    data["orders"][0]["entries"][0]["body"] = json!("AQ==");
    assert!(!is_verified(&ask(&file::write(&page, &json::to_text(&data)))));
    // A page of this version has nothing to hide behind.
    let own = file::read(&scene.bytes).unwrap().data;
    let changed = ask(&file::write(&page, own));
    let BundleVerdict::Tampered(defects) = changed else { panic!("{changed:?}") };
    assert!(matches!(defects[..], [BundleDefect::Page(_)]), "{defects:?}");
    assert_eq!(verified(ask(&scene.bytes)).page, PageCheck::Equal);
}
