//! `import`: events of NDJSON files, in batches, in the order of the lines. Run again after an
//! interruption, it appends what is missing and nothing twice. Does not know how batches are
//! decided.

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;

use super::failure::{Failure, detail_lines};
use super::lines::{Line, Lines, total_bytes};
use super::output::grouped;
use super::target::Target;
use crate::ledger::FailureClass;
use crate::rpc::{LedgerClient, Status, class_of, wire};

/// Events of a batch.
const BATCH_EVENTS: usize = 500;
/// Bytes of events after which a batch is full.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 4;
/// Violations that are shown; the rest is counted.
const SHOWN_ERRORS_MAX: u64 = 20;

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    target: Target,
    /// NDJSON files, plain or .gz; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What to do about a line that is not a valid event, or that the ledger refuses
    #[arg(long, value_enum, default_value = "stop")]
    on_error: OnError,
}

/// What an import does about a bad line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnError {
    /// Stop there; what came before it is imported
    Stop,
    /// Report it and go on
    Skip,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    appended: u64,
    duplicates: u64,
    refused: u64,
    head: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events appended, {} were there already, {} refused; head {}",
            grouped(self.appended),
            grouped(self.duplicates),
            grouped(self.refused),
            grouped(self.head)
        )
    }
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let read = Arc::new(AtomicU64::new(0));
        let progress = Progress::new(total_bytes(&self.files), Arc::clone(&read));
        let mut importer = Importer::new(self.target.connect().await?, self.on_error);
        let mut done = Done::default();
        for file in &self.files {
            let lines = Lines::open(file, Arc::clone(&read))?;
            importer = importer.of(file.display().to_string());
            done = importer.clone().from(done).run(lines, Some(&progress)).await?;
        }
        progress.bar.finish_and_clear();
        writeln!(io::stdout(), "{done}")?;
        if done.refused > 0 {
            return Err(Failure::failed(format!("{} lines were refused", grouped(done.refused))));
        }
        Ok(())
    }
}

/// A bar on standard error, where that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    read: Arc<AtomicU64>,
}

impl Progress {
    fn new(total: Option<u64>, read: Arc<AtomicU64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = if total.is_some() {
            "{wide_bar} {bytes}/{total_bytes} {eta}  {msg}"
        } else {
            "{spinner} {bytes}  {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, read }
    }

    fn show(&self, done: &Done) {
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        self.bar.set_message(format!("{} events", grouped(done.appended + done.duplicates)));
    }
}

/// Sends lines in batches.
#[derive(Clone)]
pub(super) struct Importer {
    client: LedgerClient,
    on_error: OnError,
    name: String,
    done: Done,
}

/// A batch and the lines that its events come from.
type Batch = (Vec<u64>, Vec<Bytes>);

impl Importer {
    pub(super) fn new(client: LedgerClient, on_error: OnError) -> Self {
        Self { client, on_error, name: String::new(), done: Done::default() }
    }

    fn of(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    fn from(mut self, done: Done) -> Self {
        self.done = done;
        self
    }

    /// Sends all lines; ends early at the first bad one, unless bad ones are skipped.
    pub(super) async fn run(
        mut self,
        lines: impl Iterator<Item = io::Result<Line>> + Send + 'static,
        progress: Option<&Progress>,
    ) -> Result<Done, Failure> {
        let (batches, mut incoming) = mpsc::channel::<Result<Batch, BadInput>>(BATCHES_AHEAD);
        let on_error = self.on_error;
        // A thread of its own: where an import fails, nobody waits for input that may never come.
        let reading = std::thread::spawn(move || read(lines, on_error, &batches));
        let mut bad = None;
        // One batch at a time, so that events are appended in the order of the lines even where a
        // batch is refused and sent again in parts. Meanwhile the next ones are read and checked.
        while let Some(next) = incoming.recv().await {
            match next {
                Ok(batch) => self.append(batch).await?,
                Err(input) if on_error == OnError::Skip => self.report_input(&input),
                Err(input) => {
                    bad = Some(input);
                    break;
                }
            }
            if let Some(progress) = progress {
                progress.show(&self.done);
            }
        }
        drop(incoming);
        reading.join().map_err(|_| Failure::failed("the reader of the input panicked"))?;
        match bad {
            Some(input) => Err(self.stopped(&input)),
            None => Ok(self.done),
        }
    }

    async fn append(&mut self, batch: Batch) -> Result<(), Failure> {
        let request = wire::AppendRequest { events: batch.1.clone(), ..Default::default() };
        match self.client.append(request).await {
            Ok(appended) => self.count(&appended.into_inner()),
            Err(status) if class_of(&status) == FailureClass::Refused => {
                self.append_one_by_one(batch).await?;
            }
            Err(status) => return Err(run_again(status.message())),
        }
        Ok(())
    }

    fn count(&mut self, appended: &wire::AppendResponse) {
        for outcome in &appended.outcomes {
            match outcome.outcome() {
                wire::AppendOutcome::Duplicate => self.done.duplicates += 1,
                wire::AppendOutcome::Appended
                | wire::AppendOutcome::DeadLettered
                | wire::AppendOutcome::Unspecified => self.done.appended += 1,
            }
        }
        self.done.head = appended.head;
    }

    /// Finds the lines for which a batch was refused.
    async fn append_one_by_one(&mut self, batch: Batch) -> Result<(), Failure> {
        for (line, event) in batch.0.into_iter().zip(batch.1) {
            let request = wire::AppendRequest { events: vec![event], ..Default::default() };
            match self.client.append(request).await {
                Ok(appended) => self.count(&appended.into_inner()),
                Err(status) if class_of(&status) == FailureClass::Refused => {
                    let input = BadInput::refused(line, &status);
                    if self.on_error == OnError::Stop {
                        return Err(self.stopped(&input));
                    }
                    self.report_input(&input);
                }
                Err(status) => return Err(run_again(status.message())),
            }
        }
        Ok(())
    }

    fn report_input(&mut self, input: &BadInput) {
        self.done.refused += 1;
        if self.done.refused <= SHOWN_ERRORS_MAX {
            eprintln!("{}", self.place(input));
            input.violations.iter().for_each(|violation| eprintln!("  {violation}"));
        }
    }

    fn stopped(&self, input: &BadInput) -> Failure {
        Failure::failed(format!("{}; before it: {}", self.place(input), self.done))
            .with_details(input.violations.clone())
    }

    fn place(&self, input: &BadInput) -> String {
        let of = if self.name.is_empty() { String::new() } else { format!("{}, ", self.name) };
        format!("{of}line {}: {}", input.line, input.what)
    }
}

/// A failure that is no fault of the input.
fn run_again(what: &str) -> Failure {
    Failure::failed(format!("{what}; run the import again, it goes on where it stopped"))
}

/// A line that cannot be imported.
#[derive(Debug)]
struct BadInput {
    line: u64,
    what: String,
    violations: Vec<String>,
}

impl BadInput {
    fn refused(line: u64, status: &Status) -> Self {
        Self { line, what: status.message().to_owned(), violations: detail_lines(status) }
    }
}

/// Reads lines into batches.
fn read(
    lines: impl Iterator<Item = io::Result<Line>>,
    on_error: OnError,
    batches: &mpsc::Sender<Result<Batch, BadInput>>,
) {
    let mut batch: Batch = (Vec::new(), Vec::new());
    let mut bytes = 0;
    let mut last_line = 0;
    for line in lines {
        // What cannot be read cannot be skipped: there is no next line to find.
        let last = on_error == OnError::Stop || line.is_err();
        let bad = match line {
            Ok(Line { number, event: Ok(event) }) => {
                last_line = number;
                bytes += event.len();
                batch.0.push(number);
                batch.1.push(event);
                None
            }
            Ok(Line { number: line, event: Err(violations) }) => {
                Some(BadInput { line, what: "not a valid event".to_owned(), violations })
            }
            Err(error) => Some(BadInput {
                line: last_line + 1,
                what: format!("cannot be read: {error}"),
                violations: Vec::new(),
            }),
        };
        let full = batch.0.len() == BATCH_EVENTS || bytes >= BATCH_BYTES;
        if (full || bad.is_some()) && !batch.0.is_empty() {
            bytes = 0;
            if batches.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return;
            }
        }
        if let Some(bad) = bad
            && (batches.blocking_send(Err(bad)).is_err() || last)
        {
            return;
        }
    }
    if !batch.0.is_empty() {
        let _ = batches.blocking_send(Ok(batch));
    }
}
