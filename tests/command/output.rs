//! Readers that leave, disks that are full, terminals and `NO_COLOR`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::events::{line, lines};
use crate::support::{Folder, Running, Server, order_ledger};

/// Every command that writes to standard output.
fn commands(ledger: &[&str]) -> Vec<Vec<String>> {
    let on_ledger = [
        &["replay"][..],
        &["replay", "--output", "json"],
        &["timeline", "erp/1"],
        &["timeline", "erp/1", "--output", "json"],
        &["timeline", "erp/1", "--output", "ndjson"],
        &["order", "erp/1"],
        &["order", "erp/1", "--all"],
        &["order", "erp/1", "--output", "json"],
        &["find", "erp/1"],
        &["find", "erp/1", "--output", "ndjson"],
        &["list"],
        &["list", "--output", "json"],
        &["diff", "erp/1", "--before-offset", "1"],
        &["diff", "erp/1", "--before-offset", "1", "--output", "json"],
        &["watch", "--output", "json"],
        &["stats"],
        &["stats", "--sources"],
        &["stats", "--output", "json"],
        &["append"],
        &["append", "--output", "json"],
        &["import", "-"],
    ];
    let mut commands: Vec<Vec<&str>> =
        on_ledger.iter().map(|command| [command, ledger].concat()).collect();
    if ledger[0] == "--ledger" {
        commands.push([&["verify"], ledger].concat());
        commands.push([&["verify", "--output", "json"], ledger].concat());
    }
    commands.push(vec!["demo", "--orders", "5", "--ndjson", "-"]);
    commands.push(vec!["completions", "bash"]);
    commands.push(vec!["--help"]);
    commands.iter().map(|command| command.iter().map(ToString::to_string).collect()).collect()
}

/// How a command ends whose standard output is this.
fn run_into(output: impl Into<Stdio>, arguments: &[String]) -> (Option<i32>, String) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), line("erp/1", "1")).unwrap();
    let mut command = order_ledger(&arguments);
    command.stdin(file.reopen().unwrap()).stdout(output).stderr(Stdio::piped());
    let ended = command.output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_reader_that_leaves_ends_every_command_quietly() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(10)).ok();
    for arguments in commands(&["--ledger", folder.path().to_str().unwrap()]) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, said) = run_into(writer, &arguments);
        assert_eq!(said, "", "{arguments:?}");
        assert!(matches!(code, Some(0 | 1)), "{arguments:?}: {code:?}");
    }
}

#[test]
fn a_disk_that_is_full_fails_every_command_with_a_word() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("skipped: there is no /dev/full");
    };
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(10)).ok();
    for arguments in commands(&["--ledger", folder.path().to_str().unwrap()]) {
        if arguments[0] == "--help" {
            continue;
        }
        let (code, said) = run_into(full.try_clone().unwrap(), &arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains("No space"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_replay_of_which_only_the_first_line_is_wanted_ends_quietly() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(20_000)).ok();
    let server = Server::start(folder.path());
    let mut replay = order_ledger(&server.arguments(&["replay", "--output", "json"]));
    let mut replay = replay.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(replay.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with(r#"{"offset":0,"#), "{first}");
    let ended = replay.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap()),
        (Some(1), String::new())
    );
    server.run(&["stats"]).ok();
    server.stop().ok();
}

#[test]
fn output_that_no_terminal_reads_has_no_colour() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &line("erp/1", "1")).ok();
    let server = Server::start(folder.path());
    let on_server = ["timeline erp/1", "order erp/1", "find erp/1", "list", "watch", "replay"];
    let on_server = on_server.iter().map(|command| command.split(' ').collect::<Vec<_>>());
    for arguments in on_server.chain([vec!["--help"], vec!["nonsense"]]) {
        let said = if ["--help", "nonsense"].contains(&arguments[0]) {
            crate::support::run(&arguments)
        } else {
            server.run(&arguments)
        };
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{said:?}");
    }
    let ended = server.stop();
    assert!(ended.err.contains("shutting down"), "{}", ended.err);
    assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
}

/// Runs a command with a terminal for its output, and answers what it wrote there.
const ON_A_TERMINAL: &str = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";

#[test]
fn a_terminal_gets_colour_unless_no_color_is_set() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &line("erp/1", "1")).ok();
    let binary = order_ledger(&[]);
    let on_terminal = |no_color: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new("python3");
        command.args(["-c", ON_A_TERMINAL]).arg(binary.get_program()).args(arguments);
        command.env_remove("NO_COLOR").env("TERM", "xterm").stdin(Stdio::null());
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        Running::start(command).finish()
    };
    if Command::new("python3").args(["-c", "import pty"]).output().is_err() {
        return eprintln!("skipped: there is no python3 to make a terminal");
    }
    let timeline = ["timeline", "erp/1", "--ledger", folder.path().to_str().unwrap()];
    for arguments in [&timeline[..], &["--help"]] {
        assert!(on_terminal(None, arguments).ok().contains('\u{1b}'), "{arguments:?}");
        let plain = on_terminal(Some("1"), arguments);
        assert!(!plain.ok().contains('\u{1b}'), "{arguments:?}: {}", plain.out);
    }
    assert!(on_terminal(Some(""), &timeline).ok().contains('\u{1b}'), "empty is not set");
}
