//! `consume`: a member that acknowledges what was written, and nothing else.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value as Json;

use crate::events::{line, lines};
use crate::support::{
    Finished, Folder, PATIENCE, Running, Server, eventually, order_ledger, run_with_input,
};

fn offsets(rows: &[Json]) -> Vec<u64> {
    rows.iter().map(|row| row["offset"].as_u64().unwrap()).collect()
}

/// All that there is for a consumer, by offset.
fn rest(server: &Server) -> Vec<u64> {
    let arguments = ["consume", "erp", "--until-caught-up", "--output", "json"];
    let mut rest = offsets(&server.run(&arguments).ndjson());
    rest.sort_unstable();
    rest
}

/// A server whose ledger has so many events, with a consumer that wants them.
fn server(folder: &Folder, events: u64, settings: &[&str]) -> Server {
    folder.run_with_input(&["import", "-"], &lines(events)).ok();
    folder.run(&[&["consumer", "create", "erp"], settings].concat()).ok();
    Server::start(folder.path())
}

fn append(server: &Server, id: &str) {
    run_with_input(&server.arguments(&["append"]), &line("erp/9", id)).ok();
}

fn start(server: &Server, more: &[&str]) -> Running {
    let arguments = [&["consume", "erp"], more].concat();
    Running::start(order_ledger(&server.arguments(&arguments)))
}

/// A process whose output nobody reads before the test does; it ends with its test.
struct Unread {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
}

impl Unread {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = child.stdout.take().map(BufReader::new);
        Self { child, out }
    }

    /// What a look at its output sees, which may have to wait for it.
    fn read<T: Send + 'static>(
        &mut self,
        look: impl FnOnce(&mut BufReader<ChildStdout>) -> T + Send + 'static,
    ) -> T {
        let mut out = self.out.take().unwrap();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let seen = look(&mut out);
            let _ = sender.send((seen, out));
        });
        let (seen, out) = receiver.recv_timeout(PATIENCE).expect("there is something to read");
        self.out = Some(out);
        seen
    }

    fn line(&mut self) -> String {
        self.read(|out| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line
        })
    }

    fn rest(&mut self) -> String {
        self.read(|out| {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        })
    }

    /// Its exit code, when it has ended.
    fn code(&mut self) -> Option<i32> {
        eventually("an end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_acknowledged(finished: &Finished, count: u64) {
    assert!(finished.err.contains(&format!("acknowledged {count}\n")), "{}", finished.err);
}

#[test]
fn every_event_is_written_once_in_the_order_of_its_order() {
    let folder = Folder::new();
    folder.run_with_input(&["import", "-"], &lines(60)).ok();
    folder.run(&["consumer", "create", "erp"]).ok();
    let consume = ["consume", "erp", "--until-caught-up"];
    let consumed = folder.run(&[&consume[..], &["--output", "json"]].concat());
    let rows = consumed.ndjson();
    let mut revisions: HashMap<String, u64> = HashMap::new();
    for row in &rows {
        let next = revisions.entry(row["event"]["correlation_id"].to_string()).or_default();
        assert_eq!(row["revision"], *next, "{row}");
        assert_eq!(
            (&row["delivery"]["attempt"], &row["delivery"]["replayed"]),
            (&1.into(), &false.into())
        );
        *next += 1;
    }
    let mut seen = offsets(&rows);
    seen.sort_unstable();
    let events = folder.run(&["replay", "--output", "json"]).ndjson();
    assert_eq!(seen, offsets(&events));
    assert_acknowledged(&consumed, 60);
    // It is remembered, in the folder and by a server.
    assert_eq!(folder.run(&consume).ok(), "");
    let server = Server::start(folder.path());
    assert_eq!(server.run(&consume).ok(), "");
    append(&server, "later");
    let line = server.run(&consume);
    assert!(line.ok().contains("  pick.confirmed            erp/9#0  wms:dc1\n"), "{}", line.out);
    server.stop().ok();
}

#[test]
fn a_member_ends_at_its_limit() {
    let folder = Folder::new();
    let server = server(&folder, 10, &["--outstanding", "1"]);
    let limited = server.run(&["consume", "erp", "--limit", "4", "--output", "ndjson"]);
    assert_eq!(limited.ndjson().len(), 4);
    assert_acknowledged(&limited, 4);
    let limited = server.run(&["consume", "erp", "--limit", "3", "--credit", "2"]);
    assert_eq!(limited.ok().lines().count(), 3);
    assert_eq!(rest(&server).len(), 3);
    for wrong in [["--limit", "0"], ["--credit", "0"], ["--credit", "10001"], ["--limit", "x"]] {
        server.run(&[&["consume", "erp"][..], &wrong].concat()).failed(2);
    }
    assert!(server.run(&["consume", "nobody"]).failed(3).contains("nobody"));
    server.stop().ok();
}

#[test]
fn a_member_works_until_it_is_asked_to_end() {
    let folder = Folder::new();
    let server = server(&folder, 3, &[]);
    for (signal, id) in [("INT", "one"), ("TERM", "two")] {
        let member = start(&server, &["--member", "shift 1"]);
        if id == "one" {
            (0..3).for_each(|_| drop(member.next_line()));
        }
        append(&server, id);
        assert!(member.next_line().contains("erp/9#"));
        let shown = server.run(&["consumer", "show", "erp"]);
        assert!(shown.ok().contains("shift 1"), "{}", shown.out);
        member.signal(signal);
        let ended = member.finish();
        assert_eq!(ended.ok(), "");
    }
    assert_eq!(rest(&server), [0; 0]);
    let shown = server.run(&["consumer", "show", "erp"]);
    assert!(shown.ok().contains("without members"), "{}", shown.out);
    server.stop().ok();
}

/// Seen red with a member that acknowledges before it writes.
#[test]
fn what_a_closed_pipe_did_not_take_comes_again() {
    let folder = Folder::new();
    let server = server(&folder, 1, &[]);
    let mut member = Unread::start(order_ledger(&server.arguments(&["consume", "erp"])));
    let first = member.line();
    assert!(first.contains("erp/0#0"), "{first}");
    member.out = None;
    append(&server, "unread");
    assert_eq!(member.code(), Some(1));
    let again = server.run(&["consume", "erp", "--until-caught-up"]);
    assert_eq!(again.ok().lines().count(), 1, "{}", again.out);
    assert!(again.out.contains("erp/9#0"), "{}", again.out);
    server.stop().ok();
}

/// Seen red with a member that does not say that its deliveries are in progress.
#[test]
fn a_reader_that_takes_its_time_is_not_given_anything_twice() {
    let folder = Folder::new();
    let events: String = (0..1_500).map(|n| line(&format!("erp/{n}"), "1")).collect();
    folder.run_with_input(&["import", "-"], &events).ok();
    folder.run(&["consumer", "create", "erp", "--ack-timeout", "1s", "--outstanding", "2000"]).ok();
    let server = Server::start(folder.path());
    let arguments = ["consume", "erp", "--until-caught-up", "--credit", "2000", "--output", "json"];
    let mut member = Unread::start(order_ledger(&server.arguments(&arguments)));
    // What fits into the pipe is written; the rest waits for longer than may be unanswered.
    std::thread::sleep(Duration::from_secs(3));
    let text = member.rest();
    assert_eq!(member.code(), Some(0));
    let rows: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut seen = offsets(&rows);
    seen.sort_unstable();
    assert_eq!(seen.len(), 1_500);
    seen.dedup();
    assert_eq!(seen.len(), 1_500, "nothing twice");
    server.stop().ok();
}

#[test]
fn a_member_whose_reader_stands_still_ends_when_it_is_asked_to() {
    let folder = Folder::new();
    let server = server(&folder, 1_500, &["--ack-timeout", "1s"]);
    let arguments = server.arguments(&["consume", "erp", "--output", "json"]);
    let mut member = Unread::start(order_ledger(&arguments));
    let first = member.line();
    std::thread::sleep(Duration::from_millis(300));
    let kill = format!("kill -TERM {}", member.child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    // The pipe stays open, and nobody reads it.
    assert_eq!(member.code(), Some(0));
    let text = first + &member.rest();
    let written = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let written = offsets(&written.collect::<Vec<Json>>());
    let mut all = [written, rest(&server)].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1_500, "nothing is missing");
    server.stop().ok();
}

#[test]
fn a_server_that_ends_is_an_error_that_says_so() {
    let folder = Folder::new();
    let server = server(&folder, 1, &[]);
    let member = start(&server, &[]);
    member.next_line();
    server.stop().ok();
    let ended = member.finish();
    assert!(ended.failed(1).contains("error: the server shuts down"), "{}", ended.err);

    let mut server = Server::start(folder.path());
    let member = start(&server, &[]);
    append(&server, "before");
    member.next_line();
    server.running.kill();
    let ended = member.finish();
    assert!(ended.failed(1).contains("error: "), "{}", ended.err);
}

#[test]
fn a_member_of_a_consumer_that_is_deleted_ends() {
    let folder = Folder::new();
    let server = server(&folder, 1, &[]);
    let member = start(&server, &[]);
    member.next_line();
    server.run(&["consumer", "delete", "erp"]).ok();
    let ended = member.finish();
    assert!(ended.failed(3).contains("consumer erp was deleted"), "{}", ended.err);
    server.stop().ok();
}

#[test]
fn only_what_the_filters_want_is_delivered_and_a_reset_delivers_it_again() {
    let folder = Folder::new();
    let events = lines(6) + &line("erp/7", "h").replace("pick.confirmed", "hold.placed");
    folder.run_with_input(&["import", "-"], &events).ok();
    folder.run(&["consumer", "create", "erp", "--order", "erp/1", "--order", "erp/7"]).ok();
    let server = Server::start(folder.path());
    assert_eq!(rest(&server), [1, 4, 6]);
    let reset = ["consumer", "reset", "erp", "--to", "2", "--actor", "ann", "--reason", "restored"];
    server.run(&reset).ok();
    let again = server.run(&["consume", "erp", "--until-caught-up"]);
    let replayed = again.ok().lines().filter(|line| line.ends_with("  replayed")).count();
    assert_eq!((again.out.lines().count(), replayed), (2, 2), "{}", again.out);
    server.stop().ok();
}
