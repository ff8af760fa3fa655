//! `parked`: what could not be delivered, and what becomes of it.

use order_ledger::DeliveryServiceClient;
use order_ledger::proto::consume_response::Message;
use order_ledger::proto::{ConsumeRequest, Delivery, JoinConsumer, ParkDelivery};
use serde_json::Value as Json;

use crate::events::line;
use crate::order::assert_narrow;
use crate::support::{Finished, Folder, PATIENCE, Running, Server, order_ledger};

/// Why the consumer cannot take events of an order that is parked.
const REASON: &str = "ERP: material is locked";

/// What is said to a delivery: those of `erp/1` and `erp/2` are parked.
fn answer(delivery: &Delivery) -> ConsumeRequest {
    let recorded = delivery.event.clone().unwrap();
    let order = recorded.event.unwrap().correlation_id;
    if ["erp/1", "erp/2"].contains(&&*order) {
        let park = ParkDelivery { offset: recorded.offset, reason: format!("{REASON} ({order})") };
        ConsumeRequest { parks: vec![park], credit: 1, ..Default::default() }
    } else {
        ConsumeRequest { acks: vec![recorded.offset], credit: 1, ..Default::default() }
    }
}

/// A member that parks some orders, and leaves when nothing is left to do.
async fn park(url: String) {
    let mut client = DeliveryServiceClient::connect(url).await.unwrap();
    let (outgoing, requests) = tokio::sync::mpsc::unbounded_channel();
    let join = JoinConsumer { consumer: "erp".into(), member: "test".into() };
    outgoing.send(ConsumeRequest { join: Some(join), credit: 10, ..Default::default() }).unwrap();
    let requests = tokio_stream::wrappers::UnboundedReceiverStream::new(requests);
    let mut messages = client.consume(requests).await.unwrap().into_inner();
    let mut outgoing = Some(outgoing);
    while let Some(message) = messages.message().await.unwrap() {
        let message = message.message.unwrap();
        if let Message::Deliveries(deliveries) = &message {
            for delivery in &deliveries.deliveries {
                outgoing.as_ref().unwrap().send(answer(delivery)).unwrap();
            }
        }
        if let Message::Progress(progress) = message
            && progress.acknowledged_to == progress.head
        {
            outgoing = None;
        }
    }
}

/// A server whose consumer has parked two orders, one of them with two events and a hold.
fn server(folder: &Folder) -> Server {
    let held = line("erp/1", "h").replace("pick.confirmed", "hold.placed");
    let events = [line("erp/0", "a"), line("erp/1", "b"), held, line("erp/2", "c")];
    folder.run_with_input(&["import", "-"], &events.concat()).ok();
    folder.run(&["consumer", "create", "erp"]).ok();
    let server = Server::start(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = server.url.clone();
    let parked = runtime.block_on(async { tokio::time::timeout(PATIENCE, park(url)).await });
    parked.expect("the member ends");
    server
}

fn listed(server: &Server, flags: &[&str]) -> Vec<String> {
    let list = server.run(&[&["parked", "list", "--output", "ndjson"], flags].concat());
    let name = |row: Json| row["parked"]["correlation_id"].as_str().unwrap().to_owned();
    list.ndjson().into_iter().map(name).collect()
}

/// A run of `parked` that has done something to orders and events, or would.
fn counts(finished: &Finished) -> (u64, u64) {
    let json = finished.json();
    (json["order_count"].as_u64().unwrap(), json["event_count"].as_u64().unwrap())
}

#[test]
fn parked_orders_are_listed_with_what_failed_and_what_they_say_themselves() {
    let folder = Folder::new();
    let server = server(&folder);
    let mut all = listed(&server, &[]);
    all.sort();
    assert_eq!(all, ["erp/1", "erp/2"]);
    for (flags, expected) in [
        (&["--consumer", "erp", "--order", "erp/1"][..], &["erp/1"][..]),
        (&["--order", "erp/1", "--order", "erp/3"], &["erp/1"]),
        (&["--type", "hold.*"], &[]),
        (&["--reason-contains", "MATERIAL is locked (erp/2"], &["erp/2"]),
        (&["--since", "2200-01-01T00:00:00Z"], &[]),
        (&["--before", "2001-01-01T00:00:00Z"], &[]),
        (&["--type", "pick.*", "--before", "2200-01-01T00:00:00Z", "--order", "erp/2"], &["erp/2"]),
    ] {
        assert_eq!(listed(&server, flags), expected, "{flags:?}");
    }
    let json = server.run(&["parked", "list", "--limit", "1", "--output", "json"]);
    assert_eq!((&json.json()["total"], &json.json()["more"]), (&2.into(), &true.into()));
    assert!(json.err.contains("--limit 0"), "{}", json.err);
    let one = server.run(&["parked", "list", "--order", "erp/1"]);
    for said in ["pick.confirmed #1", REASON, "2 events", "blocked", "1: OTH.UNKNOWN"] {
        assert!(one.ok().contains(said), "{said} in\n{}", one.out);
    }
    for columns in [60, 80, 100] {
        let mut command = order_ledger(&server.arguments(&["parked", "list"]));
        command.env("COLUMNS", columns.to_string());
        assert_narrow(Running::start(command).finish().ok(), columns);
    }
    let shown = server.run(&["consumer", "show", "erp"]);
    assert!(shown.ok().contains("parked     2 orders, the oldest for "), "{}", shown.out);
    server.run(&["parked", "list", "--consumer", "nobody"]).failed(3);
    server.run(&["parked", "list", "--since", "yesterday"]).failed(2);
    server.stop().ok();
}

#[test]
fn parked_orders_are_delivered_again_when_somebody_says_so() {
    let folder = Folder::new();
    let server = server(&folder);
    let replay = |flags: &[&str]| server.run(&[&["parked", "replay", "erp"], flags].concat());
    let dry = replay(&["--order", "erp/1", "--dry-run"]);
    assert_eq!(dry.ok(), "2 events of 1 order would be delivered again\n");
    assert_eq!(counts(&replay(&["--dry-run", "--output", "json"])), (2, 3));
    assert_eq!(listed(&server, &[]).len(), 2, "nothing was done");
    let done = replay(&["--order", "erp/1", "--actor", "ann"]);
    assert_eq!(done.ok(), "2 events of 1 order are delivered again\n");
    assert_eq!(listed(&server, &[]), ["erp/2"]);
    let consumed = server.run(&["consume", "erp", "--until-caught-up"]);
    let lines: Vec<&str> = consumed.ok().lines().collect();
    assert!(lines[0].contains("erp/1#0") && lines[0].contains("  replayed"), "{lines:?}");
    assert!(lines.len() == 2 && lines[1].contains("erp/1#1"), "{lines:?}");
    assert!(replay(&["--order", "erp/1"]).failed(3).contains("no order that erp has parked"));
    server.run(&["parked", "replay", "nobody"]).failed(3);
    server.run(&["parked", "replay"]).failed(2);
    server.stop().ok();
}

#[test]
fn what_is_skipped_is_left_out_with_a_name_and_a_reason() {
    let folder = Folder::new();
    let server = server(&folder);
    let who = ["--actor", "ann", "--reason", "told by phone"];
    let skip = |flags: &[&str]| server.run(&[&["parked", "skip", "erp"], flags].concat());
    assert!(skip(&who).failed(2).contains("say which orders"));
    skip(&["--order", "erp/1"]).failed(2);
    skip(&["--order", "erp/1", "--actor", "ann"]).failed(2);
    let dry = skip(&[&["--order", "erp/1", "--all-waiting", "--dry-run"], &who[..]].concat());
    assert_eq!(dry.ok(), "2 events of 1 order would be left out\n");
    let one = skip(&[&["--order", "erp/1"], &who[..]].concat());
    assert_eq!(one.ok(), "1 event of 1 order is left out\n");
    let all =
        skip(&[&["--type", "pick.*", "--all-waiting", "--output", "json"], &who[..]].concat());
    assert_eq!(counts(&all), (1, 1));
    assert_eq!(listed(&server, &[]), [""; 0]);
    // What came behind the one that was left out is delivered.
    let consumed = server.run(&["consume", "erp", "--until-caught-up"]);
    assert_eq!(consumed.ok().lines().count(), 1, "{}", consumed.out);
    assert!(consumed.out.contains("hold.placed"), "{}", consumed.out);
    skip(&[&["--order", "erp/2"], &who[..]].concat()).failed(3);
    server.stop().ok();
}
