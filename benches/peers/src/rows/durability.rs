//! Whether an answer means that an event is on the disk: how often a server asks the disk to wait,
//! seen by `strace` from outside. Does not know how a server writes.
//!
//! A server under `strace` is slow, so this has servers of its own and nothing here is timed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bench::Bench;
use crate::client::{Guard, connect};
use crate::figures::Measure;
use crate::load::callers::Caller as _;
use crate::process::{self, Process};
use crate::rows::append::Appender;
use crate::server::Server;

const NAME: &str = "waits for the disk per append";
const SYNCS: [&str; 5] = ["fdatasync", "fsync", "sync_file_range", "msync", "syncfs"];
const WRITES: [&str; 5] = ["write", "writev", "pwrite64", "pwritev", "pwritev2"];
/// Callers, and appends of each of them.
const RUNS: [(usize, usize); 2] = [(1, 100), (32, 20)];
const ATTACH_TIME: Duration = Duration::from_secs(20);

pub(crate) async fn measure_all(bench: &mut Bench) {
    if !bench.args.wants(NAME) {
        return;
    }
    let Some(strace) = find_strace() else {
        println!("{NAME}: left out, strace is not there");
        return;
    };
    for (callers, appends) in RUNS {
        let work = bench.work(NAME).callers(callers).batch(1);
        let servers = bench.new_servers(&[]).await;
        for server in &servers {
            server.go_on();
            let counted = count(bench, &strace, server, (callers, appends)).await;
            server.pause();
            let all = (callers * appends) as f64;
            let total: f64 = counted.iter().map(|(_, count)| count).sum();
            let mut measure = Measure::new(&work, server.kind, 1, (total / all, "waits"));
            for (name, count) in counted.into_iter().filter(|(_, count)| *count > 0.0) {
                measure = measure.beside(&name, count / all);
            }
            bench.figures.add(measure);
        }
        bench.figures.print(&work);
        bench.save();
        bench.discard(servers);
    }
}

fn find_strace() -> Option<PathBuf> {
    ["/usr/bin/strace", "/bin/strace"].map(PathBuf::from).into_iter().find(|path| path.is_file())
}

/// What a server does to make appends durable, by the name of the call.
async fn count(
    bench: &Bench,
    strace: &Path,
    server: &Server,
    (callers, appends): (usize, usize),
) -> Vec<(String, f64)> {
    let clients = connect(server, &bench.setting, callers).await;
    let appender = |client| Appender::new(client, server.orders.feed(100), (1, Guard::Revision));
    let mut appenders: Vec<_> = clients.into_iter().map(appender).collect();
    // The first of each opens files and connections.
    for appender in &mut appenders {
        appender.call().await;
    }
    let out = bench.folder.join("strace");
    let synchronous = process::synchronous_files(server.id());
    let tracer = attach(strace, server, &out);
    let calls = appenders.into_iter().map(|mut appender| {
        tokio::spawn(async move {
            for _ in 0..appends {
                appender.call().await;
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    tracer.stop(Signal::INT);
    let text = std::fs::read_to_string(out).unwrap();
    let named = |name: &str| text.lines().filter(|line| is_call(line, name)).count() as f64;
    let mut counted: Vec<_> = SYNCS.map(|name| (name.to_owned(), named(name))).into();
    let waits = |line: &&str| {
        let written = WRITES.iter().any(|name| is_call(line, name));
        written && synchronous.iter().any(|path| line.contains(&*path.to_string_lossy()))
    };
    counted.push(("O_DSYNC writes".to_owned(), text.lines().filter(waits).count() as f64));
    counted
}

/// Whether a line of `strace -f` begins this call; where it goes on is another line.
fn is_call(line: &str, name: &str) -> bool {
    let call = line.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
    call.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))
}

fn attach(strace: &Path, server: &Server, out: &Path) -> Process {
    let mut command = process::command(strace, None, "TERM");
    let calls = [SYNCS, WRITES].concat().join(",");
    command.args(["-f", "-y", "-qq", "-s", "0", "-e", &format!("trace={calls}"), "-o"]).arg(out);
    for id in process::tree(server.id()) {
        command.args(["-p", &id.to_string()]);
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let tracer = Process::start(std::mem::replace(command, std::process::Command::new("true")));
    let begin = Instant::now();
    while !process::tree(server.id()).into_iter().all(process::is_traced) {
        assert!(begin.elapsed() < ATTACH_TIME, "strace may not attach to a server");
        std::thread::sleep(Duration::from_millis(5));
    }
    tracer
}
