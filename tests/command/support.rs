//! Runs of the binary with a time limit, and servers that end with their test.
//! Does not know events.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// Nothing that a test waits for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with arguments, without the settings of whoever runs the tests.
pub(crate) fn order_ledger(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-ledger"));
    for (name, _) in std::env::vars_os() {
        let settings = ["ORDER_LEDGER_", "NO_COLOR", "CLICOLOR", "FORCE_COLOR", "RUST_", "COLUMNS"];
        if name.to_str().is_some_and(|name| settings.iter().any(|set| name.starts_with(set))) {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Finished {
    Running::start(order_ledger(arguments)).finish()
}

/// Runs the binary with this text on its standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Finished {
    let mut running = Running::with_input(order_ledger(arguments));
    running.feed(input.as_bytes());
    running.finish()
}

/// How a process ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    /// Standard output of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        self.failed(0);
        &self.out
    }

    /// Standard error of a run that must have ended with this exit code.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", head(&self.out), head(&self.err));
        &self.err
    }

    /// Standard output of a successful run, as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(self.ok()).unwrap()
    }

    /// Standard output of a successful run, a JSON document a line.
    #[track_caller]
    pub(crate) fn ndjson(&self) -> Vec<Json> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Enough of a text to see what it is.
fn head(text: &str) -> &str {
    let end = (0..=4_000.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// A process that ends with its test at the latest.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self { input: child.stdin.take(), child, out, err }
    }

    /// A process that reads what [`Running::feed`] gives it.
    pub(crate) fn with_input(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::start(command)
    }

    /// Writes to its standard input; whether it still reads there.
    pub(crate) fn feed(&mut self, input: &[u8]) -> bool {
        let pipe = self.input.as_mut().expect("started with input");
        pipe.write_all(input).and_then(|()| pipe.flush()).is_ok()
    }

    /// The next line of its standard output, while it runs.
    #[track_caller]
    pub(crate) fn next_line(&self) -> String {
        let line = self.out.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| panic!("no further line; on standard error: {}", rest(&self.err)))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Ends its input, waits for its end, and answers the output that nobody took so far.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.input.take());
        self.wait_for_end()
    }

    /// As [`Running::finish`], with the input left open.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) -> Finished {
        let status = wait(&mut self.child, PATIENCE);
        let status = status.unwrap_or_else(|| panic!("still runs after {PATIENCE:?}"));
        Finished { code: status.code(), out: rest(&self.out), err: rest(&self.err) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait().unwrap() {
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            ended => return ended,
        }
    }
}

/// Hands out lines, with their ends, as they come.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::with_capacity(1 << 20, pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn rest(lines: &Receiver<String>) -> String {
    std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(5)).ok()).collect()
}

/// A server on a free port.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    #[track_caller]
    pub(crate) fn start_with(folder: &Path, more: &[&str]) -> Self {
        let mut command = order_ledger(&["serve", "--listen", "127.0.0.1:0", "--ledger"]);
        command.arg(folder).args(more);
        let running = Running::start(command);
        let line = running.next_line();
        let url = line.strip_prefix("serving    ").unwrap_or_else(|| panic!("{line}"));
        Self { url: url.trim_end().to_owned(), running }
    }

    /// Arguments of a command that speaks to this server.
    pub(crate) fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--server", &self.url]].concat()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        run(&self.arguments(arguments))
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub(crate) fn stop(self) -> Finished {
        self.running.signal("TERM");
        self.running.finish()
    }
}

/// The ledger of a test, in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn text(&self) -> &str {
        self.path().to_str().unwrap()
    }

    /// Runs a command on the ledger in this folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        run(&[arguments, &["--ledger", self.text()]].concat())
    }

    /// The same with this text on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        run_with_input(&[arguments, &["--ledger", self.text()]].concat(), input)
    }

    /// A command on the ledger in this folder that is fed while it runs.
    pub(crate) fn start_with_input(&self, arguments: &[&str]) -> Running {
        Running::with_input(order_ledger(&[arguments, &["--ledger", self.text()]].concat()))
    }

    /// The segments of the log, the oldest first.
    pub(crate) fn segments(&self) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(self.path().join("log")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let mut segments: Vec<_> =
            files.filter(|file| file.extension().is_some_and(|end| end == "seg")).collect();
        segments.sort();
        segments
    }
}

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn eventually<T>(what: impl Debug, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "never came: {what:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
