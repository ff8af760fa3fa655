//! A server that is killed again and again: whatever it acknowledged is there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::events::{assert_verified, line, parsed};
use crate::support::{Folder, Running, Server, order_ledger, run, run_with_input};

const ROUNDS: u64 = 10;
const APPENDERS: u64 = 3;

/// What a receipt acknowledged: the line, and where it stands.
type Acknowledged = (Json, Json, Json);

/// Some moment within a second; where in its work the server is then, is chance anyway.
fn some_moment(round: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    Duration::from_millis(60 + (u64::from(now) / 1_000 + round * 7_919) % 500)
}

/// Appends an event after the other until the server is gone; those that were acknowledged.
fn append_until(gone: &AtomicBool, url: &str, name: &str) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    let arguments = ["append", "--output", "ndjson", "--server", url];
    for n in 0.. {
        let line = line(&format!("erp/{}", n % 2), &format!("{name}, {n}"));
        let appended = run_with_input(&arguments, &line);
        if appended.code == Some(0) {
            let receipt = appended.json();
            let event = parsed(&line).remove(0);
            acknowledged.push((event, receipt["offset"].clone(), receipt["revision"].clone()));
        } else if gone.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

/// One life of the server, with appends and an import; what it acknowledged.
fn live_and_die(folder: &Folder, round: u64, import: &str) -> Vec<Acknowledged> {
    let mut server = Server::start(folder.path());
    let mut importing = Running::with_input(order_ledger(&server.arguments(&["import", "-"])));
    let kill = format!("kill -KILL {}", server.running.id());
    let gone = AtomicBool::new(false);
    let acknowledged = std::thread::scope(|scope| {
        let appending: Vec<_> = (0..APPENDERS)
            .map(|n| {
                let (gone, url) = (&gone, &server.url);
                scope.spawn(move || append_until(gone, url, &format!("{round}, {n}")))
            })
            .collect();
        let importing = scope.spawn(move || {
            importing.feed(import.as_bytes());
            importing.finish()
        });
        std::thread::sleep(some_moment(round));
        let killed = std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
        gone.store(true, Ordering::Relaxed);
        assert!(killed.success());
        let imported = importing.join().unwrap();
        assert!(matches!(imported.code, Some(0 | 1)), "{imported:?}");
        appending.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    server.running.kill();
    acknowledged
}

#[test]
fn whatever_a_killed_server_acknowledged_is_there_when_it_is_back() {
    let folder = Folder::new();
    let demo = run(&["demo", "--orders", "400", "--ndjson", "-"]).ok().to_owned();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(live_and_die(&folder, round, &demo));
        if round % 3 == 0 {
            assert_verified(&folder);
        }
        assert_there(&folder, &acknowledged);
    }
    assert!(!acknowledged.is_empty());
    assert_verified(&folder);
    let done = folder.run_with_input(&["import", "-"], &demo);
    assert!(done.ok().contains(" 0 refused;"), "{}", done.out);
    assert_verified(&folder);
}

/// Each at its offset and revision; and no id twice.
fn assert_there(folder: &Folder, acknowledged: &[Acknowledged]) {
    let held = folder.run(&["replay", "--output", "json"]).ndjson();
    for (event, offset, revision) in acknowledged {
        let recorded = &held[usize::try_from(offset.as_u64().unwrap()).unwrap()];
        assert_eq!((&recorded["event"], &recorded["revision"]), (event, revision));
    }
    let mut seen = HashMap::new();
    for recorded in &held {
        let event = &recorded["event"];
        let id = json!([event["correlation_id"], event["source"], event["event_id"]]).to_string();
        assert_eq!(seen.insert(id, &recorded["offset"]), None, "{event}");
    }
}
