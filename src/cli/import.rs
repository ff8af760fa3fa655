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
use crate::event::Violation;
use crate::ledger::FailureClass;
use crate::proto::{DeadLetterFormat, RefusalReason};
use crate::rpc::{Clients, Status, class_of, wire};

/// Events of a batch.
const BATCH_EVENTS: usize = 500;
/// Bytes of events after which a batch is full.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 4;
/// Violations that are shown; the rest is counted.
const SHOWN_ERRORS_MAX: u64 = 20;
/// Bytes of a file's name where a dead letter comes from.
const ORIGIN_NAME_BYTES_MAX: usize = 900;

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
    /// Keep it as a dead letter and go on
    DeadLetter,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    appended: u64,
    duplicates: u64,
    refused: u64,
    kept: u64,
    head: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events appended, {} were there already, {} refused",
            grouped(self.appended),
            grouped(self.duplicates),
            grouped(self.refused),
        )?;
        if self.kept > 0 {
            write!(f, ", {} kept as dead letters", grouped(self.kept))?;
        }
        write!(f, "; head {}", grouped(self.head))
    }
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let read = Arc::new(AtomicU64::new(0));
        let progress = Progress::new(total_bytes(&self.files), Arc::clone(&read));
        let mut importer = Importer::new(self.target.connect_all().await?, self.on_error);
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
    clients: Clients,
    on_error: OnError,
    name: String,
    done: Done,
}

/// A batch: the lines that its events come from, and the events.
type Batch = (Vec<Origin>, Vec<Bytes>);

/// Where an event comes from.
#[derive(Clone, Debug)]
struct Origin {
    line: u64,
    /// The line itself, where it may have to be kept.
    text: Bytes,
}

impl Importer {
    pub(super) fn new(clients: Clients, on_error: OnError) -> Self {
        Self { clients, on_error, name: String::new(), done: Done::default() }
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
                Err(input) if on_error == OnError::Stop => {
                    bad = Some(input);
                    break;
                }
                Err(input) => self.pass_over(&input).await?,
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
        match self.clients.ledger.append(request).await {
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
        for (origin, event) in batch.0.into_iter().zip(batch.1) {
            let request = wire::AppendRequest { events: vec![event], ..Default::default() };
            match self.clients.ledger.append(request).await {
                Ok(appended) => self.count(&appended.into_inner()),
                Err(status) if class_of(&status) == FailureClass::Refused => {
                    let input = BadInput::refused(origin, &status);
                    if self.on_error == OnError::Stop {
                        return Err(self.stopped(&input));
                    }
                    self.pass_over(&input).await?;
                }
                Err(status) => return Err(run_again(status.message())),
            }
        }
        Ok(())
    }

    /// Goes on behind a bad line: keeps it where that is asked and there is one, and reports it.
    async fn pass_over(&mut self, input: &BadInput) -> Result<(), Failure> {
        let mut note = String::new();
        if self.on_error == OnError::DeadLetter && !input.origin.text.is_empty() {
            note = format!("; kept as dead letter {}", self.keep(input).await?);
            self.done.kept += 1;
        } else {
            self.done.refused += 1;
        }
        if self.done.refused + self.done.kept <= SHOWN_ERRORS_MAX {
            eprintln!("{}{note}", self.place(input));
            input.violations.iter().for_each(|violation| eprintln!("  {violation}"));
        }
        Ok(())
    }

    /// Keeps a line as a dead letter; its offset.
    async fn keep(&mut self, input: &BadInput) -> Result<u64, Failure> {
        let reason = |one: &Violation| RefusalReason {
            field: one.field.clone(),
            description: one.description.clone(),
        };
        let request = wire::KeepDeadLetterRequest {
            raw: input.origin.text.clone(),
            format: DeadLetterFormat::Ndjson.into(),
            origin: origin_text(&self.name, input.origin.line),
            reasons: input.violations.iter().map(reason).collect(),
        };
        match self.clients.delivery.keep_dead_letter(request).await {
            Ok(kept) => {
                let offset = kept.into_inner().offset;
                self.done.head = self.done.head.max(offset + 1);
                Ok(offset)
            }
            Err(status) if class_of(&status) == FailureClass::Refused => {
                Err(self.stopped(input).and(format!("and cannot be kept: {}", status.message())))
            }
            Err(status) => Err(run_again(status.message())),
        }
    }

    fn stopped(&self, input: &BadInput) -> Failure {
        Failure::failed(format!("{}; before it: {}", self.place(input), self.done))
            .with_details(input.violations.iter().map(ToString::to_string).collect())
    }

    fn place(&self, input: &BadInput) -> String {
        let of = if self.name.is_empty() { String::new() } else { format!("{}, ", self.name) };
        format!("{of}line {}: {}", input.origin.line, input.what)
    }
}

/// A failure that is no fault of the input.
fn run_again(what: &str) -> Failure {
    Failure::failed(format!("{what}; run the import again, it goes on where it stopped"))
}

/// A line that cannot be imported.
#[derive(Debug)]
struct BadInput {
    origin: Origin,
    what: String,
    violations: Vec<Violation>,
}

impl BadInput {
    fn refused(origin: Origin, status: &Status) -> Self {
        let mut details = detail_lines(status);
        if details.is_empty() {
            details.push(status.message().to_owned());
        }
        let violations = details.into_iter().map(|what| Violation::new("", what)).collect();
        Self { origin, what: status.message().to_owned(), violations }
    }
}

/// A file and a line, as `night.ndjson:7`; of a long path the end.
fn origin_text(name: &str, line: u64) -> String {
    let begin = name.len().saturating_sub(ORIGIN_NAME_BYTES_MAX);
    let begin = (begin..=name.len()).find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    format!("{}:{line}", name.get(begin..).unwrap_or_default())
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
            Ok(Line { number: line, text, event: Ok(event) }) => {
                last_line = line;
                bytes += event.len();
                let text = if on_error == OnError::DeadLetter { text } else { Bytes::new() };
                batch.0.push(Origin { line, text });
                batch.1.push(event);
                None
            }
            Ok(Line { number: line, text, event: Err(violations) }) => {
                let origin = Origin { line, text };
                Some(BadInput { origin, what: "not a valid event".to_owned(), violations })
            }
            Err(error) => Some(BadInput {
                origin: Origin { line: last_line + 1, text: Bytes::new() },
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
