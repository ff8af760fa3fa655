//! Servers as processes of their own: this program again, with another argument.
//! A server says on its output where it listens, and ends in order when its input is closed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use order_ledger::{Ledger, Options, ServeOptions, serve};
use tokio::net::TcpListener;

use super::echo;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) url: String,
    /// How long opening the ledger took.
    pub(crate) opened_in: Duration,
}

impl Server {
    pub(crate) fn of_ledger(folder: &Path) -> Self {
        Self::start(&["--serve-ledger", folder.to_str().unwrap()])
    }

    pub(crate) fn of_echo() -> Self {
        Self::start(&["--serve-echo"])
    }

    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace();
        let port = words.next().expect("the server ended before it listened");
        let url = format!("http://127.0.0.1:{port}");
        let nanos = words.next().and_then(|word| word.parse().ok()).unwrap();
        Self { process, output, url, opened_in: Duration::from_nanos(nanos) }
    }

    /// Bytes of memory that the server has now, and that it had at most.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Processor time that the server has used, in microseconds; exact to the hundredth of a second.
    pub(crate) fn processor_us(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // The name before the last parenthesis may hold anything; utime and stime follow later.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
        ticks * 1e4
    }

    /// Ends the server in order, and waits for it.
    pub(crate) fn stop(mut self) {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "the server failed: {rest}");
    }

    /// Ends the server as the operating system does when memory runs out.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What the child does that serves a ledger.
pub(crate) fn serve_ledger(folder: &Path) {
    let begin = Instant::now();
    let ledger = Arc::new(Ledger::open(folder, Options::default()).unwrap());
    let opened_in = begin.elapsed();
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        say_ready(&listener, opened_in);
        serve(listener, Arc::clone(&ledger), ServeOptions::default(), input_closed())
            .await
            .unwrap();
    });
    ledger.close();
}

/// What the child does that serves echoes.
pub(crate) fn serve_echo() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        say_ready(&listener, Duration::ZERO);
        echo::serve(listener, input_closed()).await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn say_ready(listener: &TcpListener, opened_in: Duration) {
    let port = listener.local_addr().unwrap().port();
    println!("{port} {}", opened_in.as_nanos());
    std::io::stdout().flush().unwrap();
}

async fn input_closed() {
    let read = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    read.await.unwrap().unwrap();
}
