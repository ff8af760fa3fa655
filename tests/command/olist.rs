//! What a marketplace says of its orders, against what their facts say: agreement wherever facts
//! exist, and a reason in the events themselves wherever it does not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;

use crate::events::{parsed, real_events};
use crate::support::Folder;

/// Types of events of an order.
type Types = BTreeSet<String>;

/// The event types that can bring a side of an order to a word that the marketplace claims.
const EVIDENCE: [(&str, &[&str]); 8] = [
    ("entered", &["order.requested", "order.created"]),
    ("accepted", &["order.accepted"]),
    ("acknowledged", &["warehouse.acknowledged", "allocation.made", "pick.confirmed"]),
    ("invoiced", &["invoice.posted"]),
    ("shipped", &["shipment.confirmed", "carrier.picked_up", "shipment.delivered"]),
    ("delivered", &["shipment.delivered"]),
    ("cancelled", &["order.cancelled", "order.line_cancelled"]),
    ("blocked", &["hold.placed", "exception.raised", "pick.shorted", "line.backordered"]),
];

/// Types that prove that goods have left.
const HAND_OVER: [&str; 2] = ["carrier.picked_up", "shipment.delivered"];

/// The last word that the marketplace claims, the folded word of that side, and how often.
type Matrix = BTreeMap<(String, String), Cell>;

#[derive(Default)]
struct Cell {
    orders: u64,
    reasons: BTreeMap<String, u64>,
    unexplained: Vec<String>,
}

fn has(types: &Types, wanted: &[&str]) -> bool {
    wanted.iter().any(|one| types.contains(*one))
}

/// The word that the facts give, read off the types of events alone: these orders have no others.
fn word_of_facts(dimension: &str, types: &Types) -> &'static str {
    let handed_over = has(types, &HAND_OVER);
    match dimension {
        "commercial" if handed_over => "released",
        "commercial" => "entered",
        "fulfillment" if handed_over => "shipped",
        "fulfillment" => "unreleased",
        "shipment" if types.contains("shipment.delivered") => "delivered",
        "shipment" if handed_over => "in_carrier_custody",
        "shipment" => "none",
        _ => "clear",
    }
}

/// Why the folded word is another than the claimed one; `None`: the events do not explain it.
fn reason(dimension: &str, claimed: &str, folded: &str, types: &Types) -> Option<String> {
    let (_, evidence) = EVIDENCE.iter().find(|(word, _)| *word == claimed)?;
    if has(types, evidence) || folded != word_of_facts(dimension, types) {
        return None;
    }
    let rest = match folded {
        "released" => "; goods were handed over, so it was released",
        "in_carrier_custody" => "; the carrier has it",
        _ => "",
    };
    Some(format!("says {claimed}, and none of {} exists{rest}", evidence.join(", ")))
}

/// Types of events by order, and the last claim of each: its side and its word.
fn told(lines: &str) -> HashMap<String, (Types, String, String)> {
    let mut told: HashMap<String, (Types, String, String)> = HashMap::new();
    for event in parsed(lines) {
        let order = told.entry(text(&event["correlation_id"])).or_default();
        let kind = text(&event["type"]);
        if kind == "status.asserted" {
            let asserted = &event["asserted"];
            (order.1, order.2) = (text(&asserted["dimension"]), text(&asserted["value"]));
        }
        order.0.insert(kind);
    }
    told
}

fn text(json: &Json) -> String {
    json.as_str().unwrap().to_owned()
}

fn show(matrix: &Matrix) {
    eprintln!("{:>6}  {:<14} {:<20}", "orders", "claimed", "folded");
    for ((claimed, folded), cell) in matrix {
        eprintln!("{:>6}  {claimed:<14} {folded:<20}", cell.orders);
        for (reason, count) in &cell.reasons {
            eprintln!("{count:>24}  {reason}");
        }
    }
}

/// Seen red with `shipment.delivered` that moves no package.
#[test]
fn the_marketplace_and_the_facts_agree_or_the_events_say_why_not() {
    let Some((path, lines)) = real_events("olist") else { return };
    let ledger = Folder::new();
    ledger.run(&["import", path.to_str().unwrap()]).ok();
    let watch = ledger.run(&["watch", "--from", "0", "--output", "ndjson"]).ndjson();
    let orders: HashMap<String, Json> = watch
        .into_iter()
        .map(|row| (text(&row["order"]["correlation_id"]), row["order"].clone()))
        .collect();
    let told = told(&lines);
    for kind in EVIDENCE.iter().flat_map(|(_, kinds)| *kinds) {
        assert!(order_ledger::event_type(kind).is_some(), "{kind}");
    }
    assert_eq!((orders.len(), told.len()), (8_135, 8_135));
    let mut matrix = Matrix::new();
    for (name, (types, dimension, claimed)) in &told {
        let folded = text(&orders[name][dimension]["word"]);
        let claim = orders[name]["claims"].as_array().unwrap().last().unwrap();
        assert_eq!((&text(&claim["value"]), &text(&claim["facts"])), (claimed, &folded), "{name}");
        let agrees = if *claimed == folded { "agrees" } else { "contradicts" };
        assert_eq!(claim["agreement"], agrees, "{name}");
        let cell = matrix.entry((claimed.clone(), folded.clone())).or_default();
        cell.orders += 1;
        if *claimed == folded {
            continue;
        }
        match reason(dimension, claimed, &folded, types) {
            Some(reason) => *cell.reasons.entry(reason).or_default() += 1,
            None => cell.unexplained.push(name.clone()),
        }
    }
    show(&matrix);
    check(&matrix);
}

/// Every cell off the diagonal is explained, and the figures are those that were counted by hand.
fn check(matrix: &Matrix) {
    for (cell, found) in matrix {
        assert!(found.unexplained.is_empty(), "{cell:?}: nothing explains {:?}", found.unexplained);
    }
    let sum = |claimed: &str, on_diagonal: bool| -> u64 {
        let cells = matrix
            .iter()
            .filter(|((claim, folded), _)| claim == claimed && (claim == folded) == on_diagonal);
        cells.map(|(_, cell)| cell.orders).sum()
    };
    let known = [
        ("delivered", 5_164, 8),
        ("shipped", 1_107, 0),
        ("entered", 5, 0),
        ("cancelled", 0, 625),
        ("invoiced", 0, 314),
        ("acknowledged", 0, 301),
        ("blocked", 0, 609),
        ("accepted", 0, 2),
    ];
    for (claimed, agree, differ) in known {
        assert_eq!((sum(claimed, true), sum(claimed, false)), (agree, differ), "{claimed}");
    }
    assert_eq!(known.iter().map(|(_, agree, differ)| agree + differ).sum::<u64>(), 8_135);
}
