//! What is typed: help, mistakes, settings.

use crate::events::lines;
use crate::support::{Folder, Running, Server, order_ledger, run};

const COMMANDS: [&str; 23] = [
    "serve",
    "import",
    "append",
    "order",
    "find",
    "list",
    "diff",
    "timeline",
    "report",
    "replay",
    "watch",
    "consumer",
    "consume",
    "parked",
    "checkpoint",
    "seal",
    "periods",
    "evidence",
    "key",
    "verify",
    "stats",
    "demo",
    "completions",
];

#[test]
fn help_names_every_command_and_every_command_has_help() {
    let help = run(&["--help"]);
    for command in COMMANDS {
        assert!(help.ok().contains(&format!("\n  {command} ")), "{command} in {}", help.out);
        let of_command = run(&[command, "--help"]);
        assert!(of_command.ok().contains("Usage: order-ledger "), "{}", of_command.out);
        assert_eq!(of_command.err, "");
        assert_eq!(run(&["help", command]).ok(), of_command.out);
    }
    let version = format!("order-ledger {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]).ok(), version);
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    for (arguments, named) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["stats", "--frobnicate"], "--frobnicate"),
        (&["stats", "--output", "yaml"], "yaml"),
        (&["stats", "--ledger", "a", "--server", "http://127.0.0.1:1"], "--server"),
        (&["timeline"], "<ORDER>"),
        (&["import"], "<FILES>"),
        (&["import", "-", "--on-error", "pray"], "pray"),
        (&["replay", "--from", "-1"], "-1"),
        (&["replay", "--limit", "many"], "many"),
        (&["serve", "--listen", "here"], "here"),
        (&["demo", "--seed", "x"], "x"),
        (&["completions", "cobol"], "cobol"),
        (&["append", "--expect", "erp/1=two"], "erp/1=two"),
        (&["consumer", "forget"], "forget"),
        (&["consume"], "<CONSUMER>"),
        (&["parked", "skip", "erp", "--actor", "ann"], "--reason"),
        (&["serve", "--origin", "Orders"], "Orders"),
        (&["serve", "--seal-interval", "often"], "often"),
        (&["evidence", "erp/1"], "--out"),
        (&["seal", "--label", "2026-Q3"], "--actor"),
        (&["verify", "bundle", "e.html"], "--key"),
        (&["verify", "sample", "-n", "many", "--key", "k"], "many"),
    ] {
        let refused = run(arguments);
        assert!(refused.failed(2).contains(named), "{arguments:?}: {}", refused.err);
        assert_eq!(refused.out, "", "{arguments:?}");
    }
    assert!(run(&[]).failed(2).contains("Usage: order-ledger"));
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.ok().contains(command), "{command} in {shell}");
        }
    }
}

#[test]
fn variables_name_the_ledger_and_what_is_typed_counts_more() {
    const LEDGER: &str = "ORDER_LEDGER_LEDGER";
    const SERVER: &str = "ORDER_LEDGER_SERVER";
    let (folder, other) = (Folder::new(), Folder::new());
    folder.run_with_input(&["import", "-"], &lines(2)).ok();
    other.run_with_input(&["import", "-"], &lines(5)).ok();
    let server = Server::start(other.path());
    let with = |name: &str, value: &str, arguments: &[&str]| {
        let mut command = order_ledger(arguments);
        command.env(name, value);
        Running::start(command).finish()
    };
    let folder_name = folder.path().to_str().unwrap();
    let head = |stats: &crate::support::Finished| stats.json()["head"].clone();
    let stats = ["stats", "--output", "json"];
    assert_eq!(head(&with(LEDGER, folder_name, &stats)), 2);
    assert_eq!(head(&with(SERVER, &server.url, &stats)), 5);
    let to_server = server.arguments(&stats);
    assert_eq!(head(&with(LEDGER, folder_name, &to_server)), 5);
    let to_folder = [&stats[..], &["--ledger", folder_name]].concat();
    assert_eq!(head(&with(SERVER, &server.url, &to_folder)), 2);
    with(LEDGER, folder_name, &["verify"]).ok();
    let mut both = order_ledger(&stats);
    both.env(LEDGER, folder_name).env(SERVER, &server.url);
    let both = Running::start(both).finish();
    assert!(both.failed(2).contains(LEDGER) && both.err.contains(SERVER), "{}", both.err);
    server.stop().ok();
}

#[test]
fn a_command_without_a_ledger_says_how_to_name_one() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = order_ledger(&["stats"]);
    command.current_dir(empty.path());
    let missing = Running::start(command).finish();
    let said = missing.failed(3);
    assert!(said.contains("ledger-data") && said.contains("--ledger DIR"), "{said}");
}

/// Each said once. Seen red with code 1, and with the details below the message.
#[test]
fn what_the_ledger_refuses_of_what_was_typed_is_a_usage_error() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(4)).ok();
    let server = Server::start(folder.path());
    let label = ["seal", "--label", "", "--actor", "anna", "--reason", "the month is over"];
    let long = "x".repeat(300);
    let mut too_long = label;
    too_long[2] = &long;
    let future = "2100-01-01T00:00:00Z";
    for (arguments, named) in [
        (&too_long[..], "label"),
        (&["replay", "--type", "pick*"], "filters[0].types[0]"),
        (&["order", "erp/1", "--as-of-recorded", future], "which has not come yet"),
        (&["order", "erp/1", "--as-of-offset", "9"], "beyond the head"),
        (&["checkpoint", "--at-least", "31"], "31"),
    ] {
        let refused = server.run(arguments);
        assert!(refused.failed(2).contains(named), "{arguments:?}: {}", refused.err);
        assert_eq!(refused.err.lines().count(), 1, "{arguments:?}: {}", refused.err);
    }
    let two = server.run(&["replay", "--type", "pick*", "--source", ""]);
    assert!(two.failed(2).starts_with("error: the request breaks 2 rules: "), "{}", two.err);
    assert_eq!(two.err.lines().count(), 3, "{}", two.err);
    server.stop().ok();
    let place = folder.path().to_str().unwrap();
    for (key, why) in [(place, "is a folder"), ("garbage", "neither a file nor a key")] {
        let refused = run(&["verify", place, "--key", key]);
        assert!(refused.failed(2).contains(why), "{}", refused.err);
    }
}

/// Seen red with code 1, and with 4 for the key.
#[test]
fn a_damaged_file_of_the_ledger_is_an_integrity_error() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(4)).ok();
    folder.run(&["checkpoint"]).ok();
    let keys = std::fs::read_dir(folder.path().join("audit/keys")).unwrap();
    let keys: Vec<_> = keys.map(|file| file.unwrap().path()).collect();
    for (path, command) in [
        (folder.path().join("format"), "stats"),
        (folder.path().join("format"), "verify"),
        (folder.path().join("ledger.id"), "stats"),
        (
            keys.iter().find(|path| path.extension().unwrap() == "key").unwrap().clone(),
            "checkpoint",
        ),
    ] {
        let sound = std::fs::read(&path).unwrap();
        std::fs::write(&path, "nothing of that").unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        let damaged = folder.run(&[command]);
        assert!(damaged.failed(5).contains(file), "{file}: {}", damaged.err);
        std::fs::write(&path, sound).unwrap();
    }
    let public = keys.iter().find(|path| path.extension().unwrap() == "pub").unwrap();
    std::fs::write(public, "nothing of that").unwrap();
    folder.run(&["key", "list"]).failed(5);
    folder.run(&["key", "add"]).failed(5);
}

/// Seen red with the bytes as they came.
#[test]
fn an_error_shows_control_characters_as_escapes() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(4)).ok();
    let unknown = folder.run(&["order", "erp/\u{1b}[31m9"]);
    assert_eq!(unknown.failed(3), "error: no order erp/\\u{1b}[31m9 at basis 4\n");
    let period = folder.run(&["periods", "nope\u{1b}[31m"]);
    assert!(period.failed(3).contains("nope\\u{1b}[31m"), "{}", period.err);
    assert!(!period.err.contains("ListPeriods"), "{}", period.err);
}
