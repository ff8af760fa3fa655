//! That no order of arrival changes an order of the data beside the project.
//! Does not know what an order should be; where there are no data, it says so and passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Random, assert_arrival_changes_nothing, recorded};
use crate::event::Event;
use crate::limits::Limits;

/// Arrivals that are tried of each order.
const ARRIVALS: usize = 2;

/// Files of events, wherever they are: `ORDER_LEDGER_TEST_DATA`, or beside the project.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn files() -> Vec<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("ORDER_LEDGER_TEST_DATA").map_or_else(beside, PathBuf::from);
    let Ok(folders) = std::fs::read_dir(&data) else {
        eprintln!("skipped: there is no {}", data.display());
        return Vec::new();
    };
    let files = folders.map(|folder| folder.unwrap().path().join("events.ndjson.gz"));
    let mut files: Vec<PathBuf> = files.filter(|file| file.exists()).collect();
    files.sort();
    assert!(!files.is_empty(), "no events in {}", data.display());
    files
}

fn events(file: &Path) -> impl Iterator<Item = Event> + use<> {
    let unpacked = Command::new("gzip").arg("-dc").arg(file).output().unwrap();
    assert!(unpacked.status.success(), "{}", file.display());
    let lines = String::from_utf8(unpacked.stdout).unwrap();
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.into_iter().map(|line| Event::from_json(&line, &Limits::default()).unwrap())
}

/// Seen red with facts sorted by offset.
#[test]
fn no_arrival_changes_an_order_of_the_data() {
    let mut random = Random(11);
    for file in files() {
        let orders = recorded(events(&file));
        assert!(orders.len() >= 2_000, "{}: {} orders", file.display(), orders.len());
        for (name, events) in &orders {
            for _ in 0..ARRIVALS {
                assert_arrival_changes_nothing(name, events, &mut random);
            }
        }
    }
}
