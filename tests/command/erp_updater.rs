//! The ERP updater of `examples/`: a consumer in another language, which crashes and goes on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::support::{Finished, Folder, Running, Server};

/// Everything that it applied, as it was applied: a line of JSON for each event.
const APPLIED: &str = "
import json, sqlite3, sys
erp = sqlite3.connect(sys.argv[1])
assert erp.execute('SELECT SUM(events) FROM orders').fetchone()[0] == \\
    erp.execute('SELECT COUNT(*) FROM applied').fetchone()[0]
rows = 'SELECT order_id, ledger_offset, source, event_id FROM applied ORDER BY rowid'
for row in erp.execute(rows):
    print(json.dumps(row))
";

/// A Python with the updater and the stubs that it needs.
struct Python {
    program: String,
    stubs: tempfile::TempDir,
}

impl Python {
    /// `None`, with a word about it, where there is no Python with grpcio and grpcio-tools. Which
    /// one is tried, `ORDER_LEDGER_TEST_PYTHON` says.
    fn with_stubs() -> Option<Self> {
        let named = std::env::var("ORDER_LEDGER_TEST_PYTHON").ok();
        let program = named.clone().unwrap_or("python3".to_owned());
        let import = Command::new(&program).args(["-c", "import grpc, grpc_tools"]).output();
        if !import.is_ok_and(|import| import.status.success()) {
            assert!(named.is_none(), "{program} has no grpcio and grpcio-tools");
            eprintln!("skipped: there is no {program} with grpcio and grpcio-tools");
            return None;
        }
        let stubs = tempfile::tempdir().unwrap();
        let proto = root().join("proto");
        let mut command = Command::new(&program);
        command.args(["-m", "grpc_tools.protoc", "-I"]).arg(&proto);
        for out in ["python_out", "grpc_python_out"] {
            command.arg(format!("--{out}={}", stubs.path().display()));
        }
        let files = std::fs::read_dir(proto.join("orderledger/v1")).unwrap();
        command.args(files.map(|file| file.unwrap().path()));
        assert!(command.status().unwrap().success(), "the stubs are not made");
        Some(Self { program, stubs })
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("PYTHONPATH", self.stubs.path());
        Running::start(command).finish()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// An event that was applied: order, offset, source and id.
type Applied = (String, u64, String, String);

fn in_ledger(server: &Server) -> Vec<Applied> {
    let replayed = server.run(&["replay", "--output", "json"]).ndjson();
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let row = |recorded: &Json| {
        let event = &recorded["event"];
        let offset = recorded["offset"].as_u64().unwrap();
        (text(&event["correlation_id"]), offset, text(&event["source"]), text(&event["event_id"]))
    };
    replayed.iter().map(row).collect()
}

#[test]
fn an_updater_that_crashes_applies_every_event_once_and_in_order() {
    let Some(python) = Python::with_stubs() else { return };
    let folder = Folder::new();
    let server = Server::start_with(folder.path(), &["--demo", "30"]);
    server.run(&["consumer", "create", "erp-updater"]).ok();
    let database = folder.path().join("erp.sqlite");
    let (database, script) = (database.to_str().unwrap(), root().join("examples/erp_updater.py"));
    let update = |more: &[&str]| {
        let arguments = [
            script.to_str().unwrap(),
            "--server",
            &server.url,
            "--database",
            database,
            "--until-caught-up",
        ];
        python.run(&[&arguments, more].concat())
    };
    for crash_after in ["1", "57"] {
        update(&["--crash-after", crash_after]).failed(70);
    }
    let updated = update(&[]);
    assert!(updated.ok().contains("closed: CONSUME_CLOSED_REASON_LEFT\n"), "{}", updated.out);
    // The one that was applied and not acknowledged came again.
    assert!(!updated.out.contains("known before 0\n"), "{}", updated.out);
    assert!(update(&[]).ok().contains("applied 0, known before 0\n"), "nothing is left");

    let applied = python.run(&["-c", APPLIED, database]);
    let mut applied: Vec<Applied> =
        applied.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut last = HashMap::new();
    for (order, offset, ..) in &applied {
        let before = last.insert(order, offset);
        assert!(before.is_none_or(|before| before < offset), "{order}: #{offset} comes too late");
    }
    applied.sort_by_key(|(_, offset, ..)| *offset);
    assert_eq!(applied, in_ledger(&server));
    server.stop().ok();
}
